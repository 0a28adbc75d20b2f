"""System calls that Python has no function for, with errors as exceptions."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import struct
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
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
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_LAST_CAPABILITY = 63

_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP = 0x00100000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _call(what, _libc.syscall(ctypes.c_long(number), *words))


# -- namespaces -------------------------------------------------------------------------------------------------------


def unshare(flags: int) -> None:
    _call("unshare", _libc.unshare(flags))


def enter(descriptor: int, kind: int) -> None:
    """Join the namespace that a descriptor refers to."""
    _call("setns", _libc.setns(descriptor, kind))


# -- mounts -----------------------------------------------------------------------------------------------------------


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _call(f"mount {kind or ''} {target}", result)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _call(f"umount {target}", _libc.umount2(os.fsencode(target), flags))


def bind(source: str, target: str, flags: int = 0) -> None:
    mount(source, target, None, MS_BIND | MS_REC)
    if flags:
        # A remount must repeat the bind's other flags, or a user namespace refuses it. statvfs has the same bits.
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount("none", target, None, MS_REMOUNT | MS_BIND | flags | kept)


def keep_mounts_private() -> None:
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def clone_mapped(path: str, namespace: int) -> int:
    """Clone a folder or file as a detached mount, with its owners mapped as in a user namespace."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    tree = _syscall(f"open_tree {path}", _OPEN_TREE, -100, ctypes.c_char_p(os.fsencode(path)), flags)
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, namespace)
    try:
        _syscall(
            f"mount_setattr {path}",
            _MOUNT_SETATTR,
            tree,
            ctypes.c_char_p(b""),
            _AT_EMPTY_PATH | _AT_RECURSIVE,
            ctypes.c_char_p(attributes),
            len(attributes),
        )
    except OSError:
        os.close(tree)
        raise
    return tree


def attach(tree: int, target: str) -> None:
    """Attach a detached mount to a path."""
    empty, where = ctypes.c_char_p(b""), ctypes.c_char_p(os.fsencode(target))
    _syscall(f"move_mount {target}", _MOVE_MOUNT, tree, empty, -100, where, _MOVE_MOUNT_F_EMPTY_PATH)


# -- processes --------------------------------------------------------------------------------------------------------


def die_with_parent(parent: int | None = None) -> None:
    """Have this process killed when its parent dies, even if it died a moment ago."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(137)


def own_proc_files() -> None:
    """Make this process's files in /proc belong to its user, which a change of user undoes."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def bound_capabilities(kept: frozenset[int]) -> None:
    """Drop all other capabilities from programs started from now on."""
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails only for numbers that the kernel lacks


def leave_keyring() -> None:
    """Join a new session keyring, if the kernel has keyrings."""
    with contextlib.suppress(OSError):
        _syscall("keyctl", _KEYCTL[platform.machine()], _KEYCTL_JOIN_SESSION_KEYRING, 0)


def keep_capabilities() -> None:
    """Keep capabilities across a change of user, until the process makes a namespace or starts a program."""
    _call("securebits", _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))


def become(uid: int, gid: int) -> None:
    """Become another user, without supplementary groups. What the process may do in its namespace is unchanged."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


# -- descriptors ------------------------------------------------------------------------------------------------------


def send_message(channel: socket.socket, text: bytes, descriptors: list[int]) -> None:
    socket.send_fds(channel, [text], descriptors)


def receive_message(channel: socket.socket, most: int) -> tuple[bytes, list[int]]:
    """Receive a message; it is empty at the end."""
    text, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, most)
    return text, descriptors
