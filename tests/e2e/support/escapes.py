"""What attackers bring: programs of a few instructions, and places in which they harm nobody."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable

_MACHINE = 62
_HEADERS = 64 + 56

PRIVATE_DEVICES = (
    "unshare", "--mount", "sh", "-euc",
    """
mkdir -p /run/imagefab-test-devices
mount -t tmpfs -o mode=755 none /run/imagefab-test-devices
cd /run/imagefab-test-devices
mkdir pts shm
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 tty c 5 0
mount --bind . /dev
cd "$OLDPWD"
set +e
"$@"
code=$?
stat -c 'after: %a %u %y' /dev/null >&2
exit "$code"
""",
    "sh",
)  # fmt: skip
"""Runs a command where /dev has nodes of its own, and says what became of /dev/null."""

PRIVATE_PYTHON = (
    "unshare", "--mount", "sh", "-euc",
    'cp "$1" "$2"; chmod 755 "$2"; mount --bind "$2" "$1"; shift 2; exec "$@"', "sh",
)  # fmt: skip
"""Runs a command where an interpreter is a copy of it."""


def make_elf(code: bytes, *, address: int = 0x400000) -> bytes:
    size = _HEADERS + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, _MACHINE, 1, address + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return ident + header + segment + code


CALLS_AS_32 = {
    "umount": (22, 0, 0), "unshare": (310, 0, 0), "setns": (346, 0, 0), "keyctl": (288, 0, 0), "bpf": (357, 0, 0),
    "userfaultfd": (374, 1, 0), "clone": (120, 0x10000000, 0), "typing": (54, 0, 0x5412), "socket": (359, 40, 1),
}  # fmt: skip
"""Numbers and arguments as 32-bit programs have them."""


def make_caller_as_32(calls: Iterable[tuple[int, int, int]]) -> bytes:
    """A 64-bit program that goes through the 32-bit door, and exits with how many of its calls got EPERM."""
    code = bytes.fromhex("31ff")
    for number, first, second in calls:
        code += struct.pack("<BIBIBI", 0xB8, number, 0xBB, first, 0xB9, second)
        code += bytes.fromhex("31d2 cd80 83f8ff 7502 ffc7")
    return make_elf(code + bytes.fromhex("b83c000000 0f05"))


# chmod("/proc/self/exe", 04755), write(1, …), exit(0)
_TAKE_OVER = bytes.fromhex(
    "488d3d2d000000 beed090000 b85a000000 0f05bf01000000 488d3524000000 ba08000000 b801000000 0f05 31ff b83c000000 0f05"
)


def write_file(path: str, content: bytes) -> str:
    """Shell commands that write a program."""
    return f"echo {base64.b64encode(content).decode()} | base64 -d >{path}; chmod 755 {path}"


def make_takeover() -> str:
    """Shell commands after which `sh` is what started it, with a loader that makes that set-uid."""
    loader = make_elf(_TAKE_OVER + b"/proc/self/exe\0reached\n", address=0x70000000)
    return f"""\
{write_file("/opt/loader", loader)}
printf '#!/proc/self/exe\\n' >/opt/sh
chmod 755 /opt/sh
cat >/opt/replace <<'END'
rename("/opt/sh", "/usr/bin/sh") or die;
rename("/opt/loader", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2") or die;
END
perl /opt/replace
"""
