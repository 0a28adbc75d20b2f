"""The Arm processors that a program is for, read from its attributes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.check.elf import make_arm_attributes, make_arm_elf

from imagefab.check.headers import UnreadableError
from imagefab.check.product import find_fault, read_binary

ARCHITECTURE, THUMB = 6, 9


@pytest.mark.parametrize("triple", ["arm-unknown-linux-musleabihf", "arm-unknown-linux-gnueabi"])
@pytest.mark.parametrize(
    ("number", "name"), [(4, None), (6, None), (9, "ARMv6K"), (10, "ARMv7"), (14, "ARMv8"), (99, "ARM architecture 99")]
)
def test_nothing_newer_than_the_targets_processor(triple: str, number: int, name: str | None, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(make_arm_elf(make_arm_attributes(ARCHITECTURE, number, THUMB, 1)))
    binary = read_binary(path)
    assert binary.arm == number
    wanted = f"it is for another machine: {name}, 32 bits, little-endian" if name else None
    assert find_fault(binary, triple, static=False) == wanted
    assert find_fault(binary, "armv7-unknown-linux-gnueabihf", static=False) is None
    assert (find_fault(binary, "armv5te-unknown-linux-gnueabi", static=False) is None) == (number <= 4)


@pytest.mark.parametrize("attributes", [None, make_arm_attributes(), make_arm_attributes(THUMB, 1)])
def test_a_program_without_attributes(attributes: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(make_arm_elf(attributes))
    binary = read_binary(path)
    assert binary.arm is None
    assert find_fault(binary, "arm-unknown-linux-musleabihf", static=False) is None


@pytest.mark.parametrize(
    "attributes",
    [
        make_arm_attributes(THUMB, 1, vendor_size=0),
        make_arm_attributes(THUMB, 1, file_size=0),
        make_arm_attributes(*[THUMB, 1] * 1000, vendor_size=0, file_size=1),
        make_arm_attributes(65, 65, 65),
        b"A\0",
        b"B",
    ],
)
def test_wrong_lengths(attributes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(make_arm_elf(attributes))
    try:
        assert read_binary(path).arm is None
    except UnreadableError:
        return


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attributes=st.binary(max_size=60))
def test_any_attributes(attributes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(make_arm_elf(b"A" + attributes))
    try:
        assert read_binary(path).machine == "EM_ARM"
    except UnreadableError:
        return
