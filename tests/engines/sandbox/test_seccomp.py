"""The filter, run by a machine like the kernel's: what it answers to which system call."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.engines.sandbox.seccomp import MACHINES, encode_filter, list_refused, make_filter

ALLOW, KILL = "allow", "kill"
I386, ARM = 0x40000003, 0x40000028
ANSWERS = {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x50000 | errno.EPERM: "EPERM", 0x50000 | errno.ENOSYS: "ENOSYS"}


def ask(machine: str, number: int, *arguments: int, audit: int | None = None) -> str:
    """What the kernel would do."""
    words = [number, MACHINES[machine].audit if audit is None else audit, 0, 0]
    for argument in (*arguments, *(0 for _ in range(6 - len(arguments)))):
        words += [argument & 0xFFFFFFFF, argument >> 32]
    program, position, loaded = make_filter(machine), 0, 0
    while True:
        code, when_true, when_false, value = program[position]
        position += 1
        match code:
            case 0x20:
                loaded = words[value // 4]
            case 0x06:
                return ANSWERS[value]
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
                position += when_true if holds else when_false


@pytest.mark.parametrize("machine", MACHINES)
def test_it_is_a_program_that_the_kernel_takes(machine: str) -> None:
    program = make_filter(machine)
    assert len(encode_filter(machine)) == 8 * len(program) <= 8 * 4096
    for position, (code, when_true, when_false, value) in enumerate(program):
        assert 0 <= when_true < 256
        assert 0 <= when_false < 256
        assert 0 <= value < 1 << 32
        if code not in (0x06, 0x20):
            assert position + 1 + max(when_true, when_false) < len(program)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_refused(machine: str) -> None:
    refused = list_refused(MACHINES[machine].column)
    assert {"mount", "keyctl", "bpf", "perf_event_open", "io_uring_setup", "unshare", "setns", "userfaultfd"} <= {
        *refused
    }
    assert {ask(machine, number) for number in refused.values()} == {"EPERM"}
    last = MACHINES[machine].known[-1][1]
    allowed = [number for number in range(last + 1) if ask(machine, number) == ALLOW]
    assert not set(allowed) & set(refused.values())
    assert len(allowed) > 250
    assert ask(machine, last + 1) == ask(machine, 400) == ask(machine, 0xFFFF) == "ENOSYS"


@pytest.mark.parametrize(("machine", "other"), [("x86_64", I386), ("x86_64", 0xC00000B7), ("aarch64", ARM)])
def test_programs_of_another_kind(machine: str, other: int) -> None:
    assert ask(machine, 20, audit=other) == KILL


def test_the_other_numbers_of_the_same_processor() -> None:
    assert ask("x86_64", 0x40000000 | 39) == "ENOSYS"
    assert ask("x86_64", 0x40000000 | 41, 40) == "ENOSYS"


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments(machine: str) -> None:
    known = MACHINES[machine]
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask(machine, known.clone, flag | 17) == ask(machine, known.clone, 1 << 32 | flag) == "EPERM"
    assert ask(machine, known.clone, 17) == ask(machine, known.clone, 0x3D0F00) == ALLOW
    assert ask(machine, 435) == "ENOSYS", "clone3"
    families = {family for family in range(64) if ask(machine, known.socket, family, 1) == ALLOW}
    assert families == {1, 2, 10, 16}
    assert ask(machine, known.ioctl, 0, 0x5412) == ask(machine, known.ioctl, 0, 1 << 32 | 0x5412) == "EPERM"
    assert ask(machine, known.ioctl, 0, 0x541C) == "EPERM"
    assert ask(machine, known.ioctl, 0, 0x5413) == ALLOW
    assert ask(machine, known.personality, 0xFFFFFFFF) == ask(machine, known.personality, 0x20008) == ALLOW
    assert ask(machine, known.personality, 0x40000) == "EPERM"


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_the_kernels(machine: str, header: str) -> None:
    require(Path(header).exists(), header)
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", Path(header).read_text(), re.MULTILINE)
    numbers = {name: int(number) for name, number in found}
    known, refused = MACHINES[machine], list_refused(MACHINES[machine].column)
    for name, number in {
        **refused,
        **{name: getattr(known, name) for name in ("clone", "socket", "personality", "ioctl")},
    }.items():
        assert numbers.get(name, number) == number
