"""The filter of system calls that a step may make, as a program for the kernel's packet filter machine.

It refuses what Docker's default filter refuses a container with our capabilities (names and numbers in `_REFUSED`), and
also socket families that a step has no use for, among them those to a virtual machine's host, and typing into a
terminal. Numbers newer than this list do not exist, as on an older kernel. A program that uses another architecture's
system calls is killed. 32-bit programs on x86, such as Wine for 32-bit Windows, have a filter with their own numbers.
However, they make sockets through `socketcall`, whose arguments no filter can inspect.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# -- what is refused --------------------------------------------------------------------------------------------------

_REFUSED = """
    _sysctl 156 - 149 acct 163 89 51 add_key 248 217 286 afs_syscall 183 - 137 bdflush - - 134 bpf 321 280 357
    clock_settime 227 112 264 clock_settime64 - - 404 create_module 174 - 127 delete_module 176 106 129
    fanotify_init 300 262 338 file_getattr 468 468 468 file_setattr 469 469 469 finit_module 313 273 350
    fsconfig 431 431 431 fsmount 432 432 432 fsopen 430 430 430 fspick 433 433 433 get_kernel_syms 177 - 130
    get_mempolicy 239 236 275 getpmsg 181 - 188 idle - - 112 init_module 175 105 128 io_uring_enter 426 426 426
    io_uring_register 427 427 427 io_uring_setup 425 425 425 ioperm 173 - 101 iopl 172 - 110 kcmp 312 272 349
    kexec_file_load 320 294 - kexec_load 246 104 283 keyctl 250 219 288 lookup_dcookie 212 18 253
    lsm_get_self_attr 459 459 459 lsm_list_modules 461 461 461 lsm_set_self_attr 460 460 460 mbind 237 235 274
    migrate_pages 256 238 294 mount 165 40 21 mount_setattr 442 442 442 move_mount 429 429 429
    move_pages 279 239 317 nfsservctl 180 42 169 open_by_handle_at 304 265 342 open_tree 428 428 428
    open_tree_attr 467 467 467 perf_event_open 298 241 336 pidfd_getfd 438 438 438 pivot_root 155 41 217
    process_madvise 440 440 440 putpmsg 182 - 189 query_module 178 - 167 quotactl 179 60 131 quotactl_fd 443 443 443
    reboot 169 142 88 request_key 249 218 287 security 185 - - set_mempolicy 238 237 276
    set_mempolicy_home_node 450 450 450 setdomainname 171 162 121 sethostname 170 161 74 setns 308 268 346
    settimeofday 164 170 79 stime - - 25 swapoff 168 225 115 swapon 167 224 87 sysfs 139 - 135 syslog 103 116 103
    tuxcall 184 - - umount - - 22 umount2 166 39 52 unshare 272 97 310 uselib 134 - 86 userfaultfd 323 282 374
    ustat 136 - 62 vhangup 153 58 111 vm86 - - 166 vm86old - - 113 vserver 236 - 273
"""
"""Name, number on x86-64, number on 64-bit Arm, number for 32-bit programs on x86."""

_CLONE3 = 435
"""Its flags are in memory, where no filter can look. C libraries fall back to clone."""
_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (1, 2, 10, 16)
"""Unix, IPv4, IPv6 and netlink sockets."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class ProgramKind:
    """Programs that make system calls in the same way."""

    audit: int
    """The kernel's number for it."""
    column: int
    """In `_REFUSED`."""
    known: tuple[tuple[int, int], ...]
    """The ranges of numbers that are in use, first and last."""
    clone: int
    socket: int
    personality: int
    ioctl: int


X86_64 = ProgramKind(0xC000003E, 0, ((0, 335), (424, 469)), clone=56, socket=41, personality=135, ioctl=16)
AARCH64 = ProgramKind(0xC00000B7, 1, ((0, 294), (424, 469)), clone=220, socket=198, personality=92, ioctl=29)
I386 = ProgramKind(0x40000003, 2, ((0, 386), (393, 469)), clone=120, socket=359, personality=136, ioctl=54)

MACHINES = {"x86_64": (X86_64, I386), "aarch64": (AARCH64,)}
"""The kinds of programs that a machine runs."""

# -- the machine ------------------------------------------------------------------------------------------------------

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_NUMBER, _AUDIT, _ARGUMENT = 0, 4, 16
"""Offsets in the kernel's data; arguments are eight bytes each, the lower half first."""
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_REFUSE, _UNKNOWN = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

Instruction = tuple[int, int, int, int]
"""Code, how many instructions to skip if true and if false, and a value."""


def encode_filter(machine: str) -> bytes:
    """Encode the program in the kernel's format."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in make_filter(machine))


def make_filter(machine: str) -> list[Instruction]:
    program: list[Instruction] = [(_LOAD, 0, 0, _AUDIT)]
    for kind in MACHINES[machine]:
        body = _filter_kind(kind)
        # Only the unconditional jump reaches across a body.
        program += [(_JUMP_EQUAL, 1, 0, kind.audit), (_JUMP, 0, 0, len(body)), *body]
    return [*program, (_RETURN, 0, 0, _KILL)]


def _filter_kind(kind: ProgramKind) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _NUMBER),
        *_answer(_JUMP_EQUAL, _CLONE3, _UNKNOWN),
        *_look_into(kind.clone, 0, _answer(_JUMP_ANY_BIT, _NEW_NAMESPACES, _REFUSE), _ALLOW),
        *_look_into(kind.socket, 0, _answer_each(_FAMILIES, _ALLOW), _REFUSE),
        *_look_into(kind.personality, 0, _answer_each(_PERSONALITIES, _ALLOW), _REFUSE),
        *_look_into(kind.ioctl, 1, _answer_each((_TIOCSTI, _TIOCLINUX), _REFUSE), _ALLOW),
        *_search(_list_ranges(kind)),
    ]


def _answer(jump: int, value: int, answer: int) -> list[Instruction]:
    return [(jump, 0, 1, value), (_RETURN, 0, 0, answer)]


def _answer_each(values: Iterable[int], answer: int) -> list[Instruction]:
    return [instruction for value in values for instruction in _answer(_JUMP_EQUAL, value, answer)]


def _look_into(number: int, argument: int, answers: Sequence[Instruction], otherwise: int) -> list[Instruction]:
    """Decide one system call by one of its arguments."""
    body = [(_LOAD, 0, 0, _ARGUMENT + 8 * argument), *answers, (_RETURN, 0, 0, otherwise)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]


def _list_ranges(kind: ProgramKind) -> list[tuple[int, int]]:
    """List the ranges of numbers with the same answer: the first number of each, and the answer."""
    refused = set(list_refused(kind).values())
    found: list[tuple[int, int]] = []
    for number, answer in _judge(kind, refused):
        if not found or found[-1][1] != answer:
            found.append((number, answer))
    return found


def _judge(kind: ProgramKind, refused: set[int]) -> Iterator[tuple[int, int]]:
    last = kind.known[-1][1]
    for number in range(last + 1):
        known = any(first <= number <= end for first, end in kind.known)
        yield number, _REFUSE if number in refused else _ALLOW if known else _UNKNOWN
    yield last + 1, _UNKNOWN


def list_refused(kind: ProgramKind) -> dict[str, int]:
    words = _REFUSED.split()
    return {
        name: int(number) for name, number in zip(words[::4], words[1 + kind.column :: 4], strict=True) if number != "-"
    }


def _search(ranges: Sequence[tuple[int, int]]) -> list[Instruction]:
    """Find the range of a number by binary search."""
    if len(ranges) == 1:
        return [(_RETURN, 0, 0, ranges[0][1])]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    return [(_JUMP_GREATER_OR_EQUAL, len(lower), 0, ranges[middle][0]), *lower, *upper]
