"""The smallest build that shows whether an installed engine works here, and if not, what is wrong.

It is one step on an empty image: a container has to start without network, with a folder of the context mounted into
it, and a process in it has to be able to become a user other than root, which packages need and which an ordinary
user's engine can't do without subordinate ids. The step's program is a few instructions long, so nothing is fetched.
"""

from __future__ import annotations

import struct
from pathlib import Path

from imagefab.platforms import HostPlatform

SECONDS = 60.0
"""The time limit of a trial."""
_NOBODY = 65534
_PROGRAM = "become-nobody"
_ADDRESS = 0x400000
_HEADERS = 64 + 56

# Calls setuid(_NOBODY) and exits with its errno: 0 if it worked.
_X86_64 = bytes.fromhex(f"bf{_NOBODY.to_bytes(4, 'little').hex()} b869000000 0f05 89c7 f7df b83c000000 0f05")
_AARCH64 = struct.pack(
    "<6I", 0xD2800000 | _NOBODY << 5, 0xD2800008 | 146 << 5, 0xD4000001, 0xCB0003E0, 0xD2800008 | 93 << 5, 0xD4000001
)
_MACHINES = {"amd64": (62, _X86_64), "arm64": (183, _AARCH64)}


def write_trial(folder: Path, platform: HostPlatform) -> Path:
    """Write the trial's context with its Dockerfile; returns the Dockerfile's path."""
    program = folder / _PROGRAM
    program.write_bytes(make_program(platform))
    program.chmod(0o755)
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(
        f"FROM scratch AS image-{platform.oci_arch}\n"
        f'RUN --mount=type=bind,source=.,target=/run/imagefab ["/run/imagefab/{_PROGRAM}"]\n'
    )
    return dockerfile


def make_program(platform: HostPlatform) -> bytes:
    """An ELF executable that becomes the user nobody."""
    return make_executable(platform, _MACHINES[platform.oci_arch][1])


def make_executable(platform: HostPlatform, code: bytes) -> bytes:
    """An ELF executable that runs the given instructions."""
    machine, _ = _MACHINES[platform.oci_arch]
    size = _HEADERS + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _ADDRESS + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000)
    return ident + header + segment + code
