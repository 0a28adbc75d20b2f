"""Run one command in namespaces of its own, on a root file system of its own.

Runs as a program (`python isolate.py SPEC`, SPEC being a file with JSON) with nothing but the standard library: a
process that unshares must have one thread, so it can't be the one that compresses layers. The command becomes process 1
of its process namespace: when it ends, or when anyone above it is killed, all that it started is gone, and with the
last process the mounts are gone too. There is nothing to clean up.

What the command gets is what container engines give to a build step: no network but loopback and an /etc/hosts for
it, a small /dev, a fresh /proc with the kernel's switches read-only, Podman's default capabilities, no device files
that work but the usual six.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import platform
import signal
import socket
import struct
import sys
from typing import Any, NoReturn

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot, setfcap: what Podman
# leaves to a container. Docker's also has net_raw, mknod and audit_write, which no step needs.
_KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31})
_LAST_CAPABILITY = 63

_READ_ONLY_IN_PROC = ("sys", "irq", "bus", "fs", "sysrq-trigger")
_HIDDEN_IN_PROC = ("kcore", "keys", "timer_list", "sched_debug")
_MOST_LINKS = 40
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _call("unshare", _libc.unshare(flags))


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _call(f"mount {kind or ''} {target}", result)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _call(f"umount {target}", _libc.umount2(os.fsencode(target), flags))


def bind(source: str, target: str, flags: int = 0) -> None:
    mount(source, target, None, MS_BIND | MS_REC)
    if flags:
        # A bind's other flags must be repeated, or a user namespace refuses the remount. statvfs has the same bits.
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("none", target, None, MS_REMOUNT | MS_BIND | flags | kept)


def die_with_parent(parent: int | None = None) -> None:
    """Be killed when the parent dies, even if it died a moment ago."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(137)


def keep_mounts_private() -> None:
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14s", b"lo", 0x1, b"")  # IFF_UP
        fcntl.ioctl(probe.fileno(), 0x8914, request)  # SIOCSIFFLAGS


def _drop_capabilities() -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in _KEPT_CAPABILITIES:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails only for numbers that the kernel lacks


# -- the root file system ---------------------------------------------------------------------------------------------


def resolve(root: str, path: str) -> str:
    """Where a path of the new root is, seen from outside: its links lead nowhere but into the root."""
    pending = [part for part in reversed(path.split("/")) if part]
    found: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            found = found[:-1]
            continue
        here = "/".join([root, *found, part])
        if not os.path.islink(here):
            found.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, f"{path}: {os.strerror(errno.ELOOP)}")
        target = os.readlink(here)
        if target.startswith("/"):
            found = []
        pending += reversed(target.split("/"))
    return "/".join([root, *found])


def _make_folder(root: str, path: str) -> str:
    found = resolve(root, path)
    os.makedirs(found, exist_ok=True)
    return found


def _make_devices(root: str) -> None:
    dev = _make_folder(root, "/dev")
    # Only the nodes below work; they are the host's, so nothing about them can be changed.
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    for name in _DEVICES:
        os.close(os.open(f"{dev}/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        bind(f"/dev/{name}", f"{dev}/{name}", MS_RDONLY | MS_NOSUID | MS_NOEXEC)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        os.symlink(target, f"{dev}/{name}")
    os.mkdir(f"{dev}/shm")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m")
    os.mkdir(f"{dev}/pts")
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    os.symlink("pts/ptmx", f"{dev}/ptmx")


def _make_proc(root: str) -> None:
    proc = _make_folder(root, "/proc")
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in _READ_ONLY_IN_PROC:
        if os.path.exists(f"{proc}/{name}"):
            bind(f"{proc}/{name}", f"{proc}/{name}", MS_RDONLY)
    for name in _HIDDEN_IN_PROC:
        if os.path.exists(f"{proc}/{name}"):
            bind("/dev/null", f"{proc}/{name}")


def _make_sys(root: str) -> None:
    """What there is to read about the machine. Whoever shares the network of the host may not have it."""
    with contextlib.suppress(OSError):
        mount("sysfs", _make_folder(root, "/sys"), "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _bind_temporary(root: str, temporary: str) -> None:
    """Nothing that a command leaves in /run or /tmp can stay."""
    for name, mode in (("run", 0o755), ("tmp", 0o1777)):
        source = f"{temporary}/{name}"
        os.mkdir(source)
        os.chmod(source, mode)
        bind(source, _make_folder(root, f"/{name}"), MS_NOSUID | MS_NODEV)


def _make_hosts(root: str, temporary: str, hostname: str) -> None:
    """The two names that everybody looks for. Like with other engines, the file is a mount, and no layer has it."""
    source = f"{temporary}/hosts"
    with open(source, "w") as file:
        file.write(f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    _bind_file(root, source, "/etc/hosts", MS_NOSUID | MS_NODEV)


def _bind_file(root: str, source: str, path: str, flags: int) -> None:
    target = resolve(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    bind(source, target, flags)


def _bind_inputs(root: str, binds: list[dict[str, Any]]) -> None:
    for given in binds:
        flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if given["read_only"] else 0)
        if os.path.isdir(given["source"]):
            bind(given["source"], _make_folder(root, given["target"]), flags)
        else:
            _bind_file(root, given["source"], given["target"], flags)


def _enter_root(root: str) -> None:
    os.chdir(root)
    _call("pivot_root", _libc.syscall(_SYS_PIVOT_ROOT[platform.machine()], b".", b"."))
    unmount(".")
    os.chdir("/")


def _exec_command(spec: dict[str, Any], parent: int) -> NoReturn:
    os.umask(0o022)
    os.chdir(spec["cwd"])
    os.setgroups([])
    if spec["user"] is not None:
        os.setgid(spec["user"][1])
        os.setuid(spec["user"][0])
        # Becoming another user clears the wish to die with the parent.
        die_with_parent()
        _exit_if_closed(parent)
    for name in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)
    try:
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except OSError as error:
        sys.stderr.write(f"{spec['argv'][0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _set_up_root(root: str, spec: dict[str, Any]) -> None:
    _make_devices(root)
    _make_proc(root)
    _make_sys(root)
    _bind_temporary(root, spec["temporary"])
    _make_hosts(root, spec["temporary"], spec["hostname"])
    _bind_inputs(root, spec["binds"])
    _enter_root(root)
    _drop_capabilities()
    if spec["read_only"]:
        mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV)


def _exit_if_closed(pipe: int) -> None:
    """End here when the pipe's other end is closed: whoever held it is dead."""
    os.set_blocking(pipe, False)
    try:
        if os.read(pipe, 1) == b"":
            os._exit(137)
    except BlockingIOError:
        pass


def run(spec: dict[str, Any]) -> int:
    """Run the command that a spec describes; its exit code, 128+n for a signal."""
    die_with_parent(spec["parent"])
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC
    unshare(flags if spec["network"] else flags | CLONE_NEWNET)
    keep_mounts_private()
    socket.sethostname(spec["hostname"])
    if not spec["network"]:
        _raise_loopback()
    root = spec["root"]
    mount("overlay", root, "overlay", MS_NODEV, spec["overlay"])
    parent, alive = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(alive)
        die_with_parent()
        # Its death before the line above would go unseen; its end of the pipe tells.
        _exit_if_closed(parent)
        _set_up_root(root, spec)
        if spec["argv"] is None:
            os._exit(0)
        _exec_command(spec, parent)
    os.close(parent)
    for name in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(name, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def main() -> int:
    try:
        with open(sys.argv[1]) as file:
            spec = json.load(file)
        return run(spec)
    except OSError as error:
        sys.stderr.write(f"imagefab-isolate: {error}\n")
        return 125


if __name__ == "__main__":
    sys.exit(main())
