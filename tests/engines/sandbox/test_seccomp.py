"""The filter, run by a machine like the kernel's: what it answers to which system call."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.engines.sandbox.seccomp import (
    AARCH64,
    I386,
    MACHINES,
    X86_64,
    ProgramKind,
    encode_filter,
    list_refused,
    make_filter,
)

ALLOW, KILL = "allow", "kill"
ARM = 0x40000028
KINDS = [(machine, kind) for machine, kinds in MACHINES.items() for kind in kinds]
ANSWERS = {0x7FFF0000: ALLOW, 0x80000000: KILL, 0x50000 | errno.EPERM: "EPERM", 0x50000 | errno.ENOSYS: "ENOSYS"}


def ask(machine: str, audit: int, number: int, *arguments: int) -> str:
    """What the kernel would do."""
    words = [number, audit, 0, 0]
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
            case 0x05:
                position += value
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
        if code == 0x05:
            assert position + 1 + value < len(program)
        elif code not in (0x06, 0x20):
            assert position + 1 + max(when_true, when_false) < len(program)


@pytest.mark.parametrize(("machine", "kind"), KINDS)
def test_what_is_refused(machine: str, kind: ProgramKind) -> None:
    refused = list_refused(kind)
    assert {"mount", "keyctl", "bpf", "perf_event_open", "io_uring_setup", "unshare", "setns", "userfaultfd"} <= {
        *refused
    }
    assert {ask(machine, kind.audit, number) for number in refused.values()} == {"EPERM"}
    last = kind.known[-1][1]
    allowed = [number for number in range(last + 1) if ask(machine, kind.audit, number) == ALLOW]
    assert not set(allowed) & set(refused.values())
    assert len(allowed) > 250
    unknown = {ask(machine, kind.audit, number) for number in (last + 1, 390, 0xFFFF, 0x40000000)}
    assert unknown == {"ENOSYS"}


@pytest.mark.parametrize(("machine", "other"), [("x86_64", AARCH64.audit), ("aarch64", X86_64.audit), ("aarch64", ARM)])
def test_programs_of_another_kind(machine: str, other: int) -> None:
    assert ask(machine, other, 20) == KILL


def test_the_other_numbers_of_the_same_processor() -> None:
    assert ask("x86_64", X86_64.audit, 0x40000000 | 39) == "ENOSYS"
    assert ask("x86_64", X86_64.audit, 0x40000000 | 41, 40) == "ENOSYS"


@pytest.mark.parametrize(("machine", "kind"), KINDS)
def test_arguments(machine: str, kind: ProgramKind) -> None:
    def answer(number: int, *arguments: int) -> str:
        return ask(machine, kind.audit, number, *arguments)

    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(kind.clone, flag | 17) == answer(kind.clone, 1 << 32 | flag) == "EPERM"
    assert answer(kind.clone, 17) == answer(kind.clone, 0x3D0F00) == ALLOW
    assert answer(435) == "ENOSYS", "clone3"
    families = {family for family in range(64) if answer(kind.socket, family, 1) == ALLOW}
    assert families == {1, 2, 10, 16}
    assert answer(kind.ioctl, 0, 0x5412) == answer(kind.ioctl, 0, 1 << 32 | 0x5412) == "EPERM"
    assert answer(kind.ioctl, 0, 0x541C) == "EPERM"
    assert answer(kind.ioctl, 0, 0x5413) == ALLOW
    assert answer(kind.personality, 0xFFFFFFFF) == answer(kind.personality, 0x20008) == ALLOW
    assert answer(kind.personality, 0x40000) == "EPERM"


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        (X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        (I386, "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"),
        (AARCH64, "/usr/include/asm-generic/unistd.h"),
    ],
)
def test_the_numbers_are_the_kernels(kind: ProgramKind, header: str) -> None:
    require(Path(header).exists(), header)
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", Path(header).read_text(), re.MULTILINE)
    numbers = {name: int(number) for name, number in found}
    examined = {name: getattr(kind, name) for name in ("clone", "socket", "personality", "ioctl")}
    for name, number in {**list_refused(kind), **examined}.items():
        assert numbers.get(name, number) == number


def test_nothing_is_refused_to_64_bits_alone() -> None:
    """Whoever is refused something could ask again as a 32-bit program."""
    only = set(list_refused(X86_64)) - set(list_refused(I386))
    assert only == {"kexec_file_load", "security", "tuxcall"}
