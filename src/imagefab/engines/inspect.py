"""Check what the engines need on this machine, for `doctor` and for choosing one that works.

Each check returns a finding: what was checked, whether it is ok, what was found, and the command that fixes it. A
program that is installed may still not work here, so if nothing is missing, the engine is tried as well: the sandbox is
set up once, and Docker and Podman run the smallest build that shows anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from imagefab.engines.engine import Finding
from imagefab.errors import EngineError, ImagefabError
from imagefab.platforms import HostPlatform, machine_platform

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_OLDEST_BUILDX = (0, 10)
"""The first version that can leave out attestations."""
_NUMBERS = re.compile(r"v?(\d+)\.(\d+)")


def _install(*packages: str) -> str:
    prefix = "" if os.geteuid() == 0 else "sudo "
    return (
        f"{prefix}apt-get install -y {' '.join(packages)}"
        if shutil.which("apt-get")
        else f"install {' '.join(packages)}"
    )


# -- emulation --------------------------------------------------------------------------------------------------------


def inspect_emulation(
    platform: HostPlatform, *, machine: HostPlatform | None = None, binfmt: Path = _BINFMT
) -> Finding:
    """Whether this machine runs a host platform's programs, natively or through binfmt_misc."""
    what = f"programs of {platform}"
    if platform == (machine or machine_platform()):
        return Finding(what=what, ok=True, detail="native")
    fix = f"{_install('qemu-user-static', 'binfmt-support')} && update-binfmts --enable qemu-{platform.machine}"
    if not (binfmt / "register").exists():
        return Finding(
            what=what,
            ok=False,
            detail="binfmt_misc is not mounted, so the kernel can't start an emulator",
            fix=f"mount -t binfmt_misc binfmt_misc {binfmt} && {fix}",
        )
    for entry in sorted(binfmt.iterdir()):
        if entry.name in ("register", "status"):
            continue
        lines = entry.read_text().splitlines()
        if lines[:1] != ["enabled"] or not _matches(entry.name, lines, platform):
            continue
        flags = next((line.partition(":")[2].strip() for line in lines if line.startswith("flags")), "")
        if "F" in flags:
            return Finding(what=what, ok=True, detail=f"emulated by {entry.name}")
        return Finding(
            what=what,
            ok=False,
            detail=f"{entry.name} is registered without the flag F, so images can't use it",
            fix=fix,
        )
    return Finding(what=what, ok=False, detail=f"no emulator is registered for {platform.machine}", fix=fix)


def _matches(name: str, lines: Sequence[str], platform: HostPlatform) -> bool:
    interpreter = next((line.split()[1] for line in lines if line.startswith("interpreter ")), "")
    emulator = f"qemu-{platform.machine}"
    return name == emulator or Path(interpreter).name in (emulator, f"{emulator}-static")


def require_emulation(platform: HostPlatform) -> None:
    finding = inspect_emulation(platform)
    if not finding.ok:
        raise EngineError(f"can't build images for {platform} here: {finding.detail}", hint=finding.fix)


# -- sandbox ----------------------------------------------------------------------------------------------------------


def inspect_sandbox(attempt: Callable[[Path], tuple[int, str]]) -> Sequence[Finding]:
    """`attempt` sets up a sandbox in a folder once, or raises what prevents it."""
    findings = [_inspect_isolator()]
    if os.geteuid() != 0:
        findings += _inspect_subordinate_ids()
    if "overlay" not in Path("/proc/filesystems").read_text():
        findings.append(
            Finding(what="overlayfs", ok=False, detail="the kernel does not have it", fix="modprobe overlay")
        )
    if all(finding.ok for finding in findings):
        findings.append(_try_sandbox(attempt))
    return findings


def _inspect_isolator() -> Finding:
    from imagefab.engines.sandbox.bubblewrap import INSTALL, find_isolator, read_version

    isolator = find_isolator()
    version = None if isolator is None else read_version(isolator)
    return Finding(
        what="bubblewrap",
        ok=version is not None,
        detail="not found" if isolator is None else f"{version or 'does not run'}, {isolator.program}",
        fix=INSTALL,
    )


def _inspect_subordinate_ids() -> list[Finding]:
    from imagefab.engines.sandbox.ids import LISTINGS, WANTED, propose_range, subordinate_ids, user_name

    missing = [tool for tool, _, _ in LISTINGS if shutil.which(tool) is None]
    findings = [
        Finding(
            what="newuidmap and newgidmap",
            ok=not missing,
            detail=f"{' and '.join(missing)} not found" if missing else "found",
            fix=_install("uidmap"),
        )
    ]
    for _, listing, option in LISTINGS:
        _, count = subordinate_ids(listing)
        findings.append(
            Finding(
                what=f"subordinate ids in {listing}",
                ok=count >= WANTED,
                detail=f"{count} ids" if count else f"none for {user_name()}",
                fix=f"sudo usermod {option} {propose_range(listing)} {user_name()}",
            )
        )
    return findings


def _try_sandbox(attempt: Callable[[Path], tuple[int, str]]) -> Finding:
    from imagefab.engines.sandbox.launch import remove_folder

    what = "namespaces and overlayfs"
    folder = Path(tempfile.mkdtemp(prefix="imagefab-"))
    try:
        _, said = attempt(folder)
        if "CapEff" not in said:
            raise EngineError(said.strip() or "a program in the sandbox says nothing")
    except ImagefabError as error:
        return Finding(what=what, ok=False, detail=error.problem, fix=_mend_namespaces(Path("/proc/sys")))
    finally:
        with contextlib.suppress(OSError):
            remove_folder(folder)
    return Finding(what=what, ok=True, detail="work")


_SWITCHES = (
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=65536"),
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
)
"""Kernel settings that can forbid namespaces, the value that does, and what to set."""


def read_switches(switches: Path = Path("/proc/sys")) -> list[str]:
    """Return the values of kernel settings that can forbid namespaces; empty for one that this kernel does not have."""
    return [_read(switches / name) for name, _, _ in _SWITCHES]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _mend_namespaces(switches: Path) -> str:
    """The command for the kernel setting that forbids namespaces, if one does."""
    for found, (_, forbidding, mend) in zip(read_switches(switches), _SWITCHES, strict=True):
        if found == forbidding:
            return f"sudo sysctl -w {mend}"
    if os.geteuid() == 0:
        return "in a container, run that with --privileged: it takes user namespaces, and a /proc without masks"
    return "run it where the kernel allows user namespaces, or as root"


# -- containers -------------------------------------------------------------------------------------------------------


def inspect_docker() -> Sequence[Finding]:
    findings = [_inspect_program("docker", _install("docker.io"))]
    if not findings[0].ok:
        return findings
    server = _capture("docker", "version", "--format", "{{json .Server.Version}}")
    findings.append(
        Finding(
            what="Docker engine",
            ok=server is not None,
            detail=f"version {json.loads(server)}" if server else "does not answer",
            fix="start it (`systemctl start docker`, or `dockerd`), or set DOCKER_HOST",
        )
    )
    findings.append(judge_buildx(_capture("docker", "buildx", "version")))
    return findings


def judge_buildx(said: str | None) -> Finding:
    """Judge buildx by its version output."""
    words = said.split() if said else []
    version = words[1] if len(words) > 1 else said
    numbers = _NUMBERS.match(version) if version else None
    is_old = numbers is not None and (int(numbers[1]), int(numbers[2])) < _OLDEST_BUILDX
    oldest = ".".join(map(str, _OLDEST_BUILDX))
    return Finding(
        what="buildx",
        ok=version is not None and not is_old,
        detail=f"{version} is too old: {oldest} is the least"
        if is_old
        else version or "the client has no buildx plugin",
        fix=f"{_install('docker-buildx')} (Debian 13 and later; docker-buildx-plugin from Docker's own archive)",
    )


def inspect_podman() -> Sequence[Finding]:
    for program in ("podman", "buildah"):
        version = _capture(program, "--version")
        if version is not None:
            found = Finding(what=program, ok=True, detail=version.split()[2])
            return [found, *(_inspect_subordinate_ids() if os.geteuid() != 0 else [])]
    return [Finding(what="podman", ok=False, detail="neither podman nor buildah is found", fix=_install("podman"))]


def mend_podman(log: str, program: str) -> str:
    """The command that fixes Podman's error, as far as its message tells."""
    for words, fix in (
        ("not supported over overlayfs|kernel does not support overlay|fuse-overlayfs", _install("fuse-overlayfs")),
        ("cgroup", _install("runc")),
        (r"(runtime|crun|runc).*(not found|no such file)|no such runtime|not found in \$PATH", _install("runc")),
        ("newuidmap|newgidmap|subuid|subgid|lchown|insufficient UIDs|exit status 22", "podman system migrate"),
        ("user namespace|cannot clone|unshare", _mend_namespaces(Path("/proc/sys"))),
        ("no space left", "free some space; `podman system df` says what is used"),
    ):
        if re.search(words, log, re.IGNORECASE):
            return fix
    return f"`{program} info` says how it is set up"


def _inspect_program(name: str, fix: str) -> Finding:
    path = shutil.which(name)
    return Finding(what=f"{name} client", ok=path is not None, detail=path or "not found", fix=fix)


def _capture(*command: str) -> str | None:
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 and result.stdout.strip() else None
