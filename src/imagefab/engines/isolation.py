"""How each engine here isolates a command, measured from inside: for `doctor`, and for comparing engines.

A program of a few instructions prints what the kernel reports about it, and then tries to make a user namespace, in
which it would be root with all capabilities. So nothing relies on what an engine says about itself.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from imagefab.engines.trial import make_executable
from imagefab.errors import EngineError
from imagefab.platforms import HostPlatform

_ALL_IDS = (1 << 32) - 1

# Prints /proc/self/status and /proc/self/uid_map, then calls unshare(CLONE_NEWUSER) and exits with its errno.
_PATHS = b"/proc/self/status\0/proc/self/uid_map\0"
_X86_64 = bytes.fromhex(
    "488d3561000000 e823000000 488d3567000000 e817000000 bf00000010 b810010000 0f05 89c7 f7df b83c000000 0f05"
    "bf9cffffff 31d2 b801010000 0f05 89c7 4881ec00200000 4889e6 ba00200000 31c0 0f05 89c2 bf01000000 b801000000 0f05"
    "4881c400200000 c3"
)
_AARCH64 = struct.pack(
    "<26I",
    *(0x10000341, 0x94000009, 0x50000381, 0x94000007, 0xD2A20000, 0xD2800C28, 0xD4000001, 0xCB0003E0, 0xD2800BA8),
    *(0xD4000001, 0x92800C60, 0xD2800002, 0xD2800708, 0xD4000001, 0xD1400BFF, 0x910003E1, 0xD2840002, 0xD28007E8),
    *(0xD4000001, 0xAA0003E2, 0x910003E1, 0xD2800020, 0xD2800808, 0xD4000001, 0x91400BFF, 0xD65F03C0),
)
_CODES = {"amd64": _X86_64 + _PATHS, "arm64": _AARCH64 + _PATHS}


def make_probe(platform: HostPlatform) -> bytes:
    return make_executable(platform, _CODES[platform.oci_arch])


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How a command is isolated."""

    capabilities: frozenset[int]
    """Those it has as root."""
    bound: frozenset[int]
    """Those that anything it starts can ever have."""
    kept: frozenset[int]
    """Those that are inheritable or ambient."""
    filtered: bool
    """Whether its system calls are filtered."""
    no_new_privileges: bool
    own_ids: bool
    """Whether it is in a user namespace of its own."""
    caller_ids: bool
    """Whether the caller, who may be root, has an id in there."""
    nests: bool
    """Whether it can make user namespaces."""


# -- reading ----------------------------------------------------------------------------------------------------------


def read_isolation(code: int, said: str, *, caller: int) -> Isolation:
    """Read the probe's exit code and output."""
    fields = dict(re.findall(r"^(\w+):\s*(.*)$", said, re.MULTILINE))
    found = re.findall(r"^\s*(\d+)\s+(\d+)\s+(\d+)\s*$", said, re.MULTILINE)
    extents = [(int(outside), int(count)) for _, outside, count in found]
    if "CapEff" not in fields or not extents:
        raise EngineError(f"the isolation probe printed nothing usable: {said[:200]!r}")
    masks = {name: _read_mask(fields.get(name, "0")) for name in ("CapEff", "CapBnd", "CapInh", "CapAmb")}
    return Isolation(
        capabilities=masks["CapEff"],
        bound=masks["CapBnd"],
        kept=masks["CapInh"] | masks["CapAmb"],
        filtered=fields.get("Seccomp") == "2",
        no_new_privileges=fields.get("NoNewPrivs") == "1",
        own_ids=extents != [(0, _ALL_IDS)],
        caller_ids=any(outside <= caller < outside + count for outside, count in extents),
        nests=code == 0,
    )


def _read_mask(text: str) -> frozenset[int]:
    mask = int(text, 16)
    return frozenset(number for number in range(64) if mask >> number & 1)


# -- comparing --------------------------------------------------------------------------------------------------------


def describe_isolation(found: Isolation) -> Mapping[str, str]:
    """The rows of a table."""
    return {
        "capabilities": f"{len(found.capabilities)} of {len(found.bound)}",
        "inheritable or ambient": str(len(found.kept)) if found.kept else "none",
        "system calls": "filtered" if found.filtered else "all",
        "new privileges": "none" if found.no_new_privileges else "by set-uid programs",
        "user namespace": ("its own, with the caller's id" if found.caller_ids else "its own")
        if found.own_ids
        else "the host's",
        "nested namespaces": "made" if found.nests else "refused",
    }


def list_weaker(one: Isolation, other: Isolation) -> list[str]:
    """The rows in which `one` isolates less than `other`."""
    holds = {
        "capabilities": one.capabilities <= other.capabilities and one.bound <= other.bound,
        "inheritable or ambient": one.kept <= other.kept,
        "system calls": one.filtered >= other.filtered,
        "new privileges": one.no_new_privileges >= other.no_new_privileges,
        "user namespace": one.own_ids >= other.own_ids and one.caller_ids <= other.caller_ids,
        "nested namespaces": one.nests <= other.nests,
    }
    return [row for row, held in holds.items() if not held]
