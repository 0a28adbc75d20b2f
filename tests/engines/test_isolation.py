"""What a program in an engine says of what is around it, read and compared."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from imagefab.engines.isolation import Isolation, describe_isolation, list_weaker, make_probe, read_isolation
from imagefab.errors import EngineError
from imagefab.platforms import AMD64, ARM64, machine_platform

DOCKER = """\
Name:\tlook-around
CapInh:\t0000000000000000
CapPrm:\t00000000a80425fb
CapEff:\t00000000a80425fb
CapBnd:\t00000000a80425fb
CapAmb:\t0000000000000000
NoNewPrivs:\t0
Seccomp:\t2
Seccomp_filters:\t1
         0          0 4294967295
"""
OWN = DOCKER.replace("         0          0 4294967295", "         0     200000      65535")


def test_docker_as_it_is() -> None:
    found = read_isolation(1, DOCKER, caller=0)
    assert len(found.capabilities) == len(found.bound) == 14
    assert dict(describe_isolation(found)) == {
        "capabilities": "14 of 14",
        "inheritable or ambient": "none",
        "system calls": "filtered",
        "new privileges": "by set-uid programs",
        "user namespace": "the host's",
        "nested namespaces": "refused",
    }


@pytest.mark.parametrize(
    ("text", "caller", "said"),
    [
        (OWN, 0, "its own"),
        (OWN, 1000, "its own"),
        (OWN, 200001, "its own, with the caller's id"),
        (OWN.replace("         0     200000", "         0       1000"), 1000, "its own, with the caller's id"),
        (DOCKER, 0, "the host's"),
    ],
)
def test_user_namespaces(text: str, caller: int, said: str) -> None:
    assert describe_isolation(read_isolation(1, text, caller=caller))["user namespace"] == said


@pytest.mark.parametrize("said", ["", "nonsense", DOCKER.rpartition("         0")[0]])
def test_nothing_said(said: str) -> None:
    with pytest.raises(EngineError, match="printed nothing"):
        read_isolation(0, said, caller=0)


GOOD = Isolation(
    capabilities=frozenset({1, 2}),
    bound=frozenset({1, 2}),
    kept=frozenset(),
    filtered=True,
    no_new_privileges=True,
    own_ids=True,
    caller_ids=False,
    nests=False,
)
WEAKER = {
    "capabilities": [replace(GOOD, capabilities=frozenset({1, 2, 3})), replace(GOOD, bound=frozenset({1, 2, 3}))],
    "inheritable or ambient": [replace(GOOD, kept=frozenset({1}))],
    "system calls": [replace(GOOD, filtered=False)],
    "new privileges": [replace(GOOD, no_new_privileges=False)],
    "user namespace": [replace(GOOD, own_ids=False), replace(GOOD, caller_ids=True)],
    "nested namespaces": [replace(GOOD, nests=True)],
}


def test_comparing() -> None:
    assert list_weaker(GOOD, GOOD) == []
    for row, others in WEAKER.items():
        for other in others:
            assert list_weaker(other, GOOD) == [row]
            assert list_weaker(GOOD, other) == []
            assert row in describe_isolation(other)


def test_the_program(tmp_path: Path) -> None:
    """Here, on the machine itself."""
    assert make_probe(AMD64)[18:20] == b"\x3e\0"
    assert make_probe(ARM64)[18:20] == b"\xb7\0"
    program = tmp_path / "program"
    program.write_bytes(make_probe(machine_platform()))
    program.chmod(0o755)
    result = subprocess.run([program], capture_output=True, text=True, check=False)
    found = read_isolation(result.returncode, result.stdout, caller=0)
    status = Path("/proc/self/status").read_text()
    assert f"CapBnd:\t{sum(1 << number for number in found.bound):016x}" in status
