"""The small programs that probes boot: on no system, in the image, under its runner.

Each has a `main`, and says what it says through `say`. With a C library that is all; elsewhere a start of its own, in
assembler and C, is linked along: it has a stack, says lines, and ends the machine with the exit code of `main`.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIN_C = """\
#include <stddef.h>
#include <stdint.h>

void say(const char *line);
int probe_answer(void);

static volatile uint64_t numbers[4];

int main(void)
{
    numbers[3] = probe_answer();
    if (numbers[3] / 6 != 7 || sizeof(uintptr_t) != sizeof(void *))
        return 1;
    say("c says 42");
    return 0;
}
"""

EXIT_C = """\
int main(void)
{
    return 7;
}
"""

HANG_C = """\
int main(void)
{
    for (;;)
        __asm__ volatile("");
}
"""

MAIN_CXX = """\
extern "C" void say(const char *line);

struct Shape {
    virtual int area() const { return 0; }
};

struct Square : Shape {
    explicit Square(int side) : side(side) {}
    int area() const override { return side * side; }
    int side;
};

template <typename T> static int measure(const T &shape)
{
    const Shape &base = shape;
    return base.area();
}

extern "C" int main()
{
    volatile int side = 6;
    if (measure(Square(side)) != 36)
        return 1;
    say("c++ says 42");
    return 0;
}
"""

MAIN_OF_RUST_C = """\
void say(const char *line);
int rust_answer(int number);

int main(void)
{
    if (rust_answer(40) != 84)
        return 1;
    say("rust says 42");
    return 0;
}
"""

_SAY_WITH_LIBC = """\
#include <stdio.h>

void say(const char *line)
{
    printf("%s\\n", line);
}
"""

_SAY_AARCH64 = """\
/* Semihosting. */
static long call(long number, const void *block)
{
    register long first __asm__("x0") = number;
    register const void *second __asm__("x1") = block;
    __asm__ volatile("hlt #0xf000" : "+r"(first) : "r"(second) : "memory");
    return first;
}

void say(const char *line)
{
    call(4, line);
    call(4, "\\n");
}

_Noreturn void finish(long code)
{
    long block[2] = { 0x20026, code };
    for (;;)
        call(0x18, block);
}
"""

_START_AARCH64 = """\
    .globl _start
_start:
    adrp x1, stack_top
    add x1, x1, :lo12:stack_top
    mov sp, x1
    bl main
    bl finish
    .bss
    .balign 16
    .space 16384
stack_top:
"""

_SAY_X86 = """\
/* The first serial port, and QEMU's port for exit codes, where 16 is success. */
static void put(char letter)
{
    __asm__ volatile("outb %0, %1" : : "a"(letter), "d"((unsigned short)0x3f8));
}

void say(const char *line)
{
    while (*line)
        put(*line++);
    put('\\n');
}

_Noreturn void finish(int code)
{
    for (;;)
        __asm__ volatile("outl %0, %1" : : "a"(code ? code : 16), "d"((unsigned short)0xf4));
}
"""

_START_X86 = """\
/* A PVH kernel: QEMU enters it in 32-bit mode, without paging. */
    .section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start

    .text
    .code32
start:
    cli
    movl $level4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt descriptors
    ljmp $8, $wide
    .code64
    .globl _start
_start:
wide:
    leaq stack_top(%rip), %rsp
    call main
    movl %eax, %edi
    call finish

    .data
segments:
    .quad 0, 0x00af9a000000ffff
descriptors:
    .word 15
    .long segments
    .balign 4096
level4:
    .quad level3 + 3
    .fill 511, 8, 0
level3:
    .quad 0x83
    .fill 511, 8, 0
    .bss
    .balign 16
    .space 16384
stack_top:
"""

BOOT_SECTOR = """\
/* The first sector of a disk: the BIOS loads it to 0x7c00 and jumps there. */
    .code16
    .globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    movw $0x3f8, %dx
    movw $line, %si
next:
    lodsb
    testb %al, %al
    jz done
    outb %al, %dx
    jmp next
done:
    movw $0xf4, %dx
    movl $16, %eax
    outl %eax, %dx
    hlt
line:
    .asciz "bios says 42\\n"
    .org 510
    .word 0xaa55
"""

UEFI_C = """\
/* An application for UEFI, on the machine's own ports. */
static void put(char letter)
{
    __asm__ volatile("outb %0, %1" : : "a"(letter), "d"((unsigned short)0x3f8));
}

int efi_main(void *handle, void *system)
{
    (void)handle;
    if (!system)
        return 1;
    for (const char *line = "\\nuefi says 42\\n"; *line; line++)
        put(*line);
    for (;;)
        __asm__ volatile("outl %0, %1" : : "a"(16), "d"((unsigned short)0xf4));
}
"""

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.13)
project(probe LANGUAGES {languages})

if(NOT CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "the toolchain file does not make this a cross build")
endif()
add_library(part STATIC part.c)
add_executable(probe {sources})
target_link_options(probe PRIVATE {options})
target_link_libraries(probe part)
"""

FREESTANDING_HEADER = """\
#include <stddef.h>
#include <stdint.h>

struct probe {{
    size_t size;
    uint8_t *bytes;
}};
_Static_assert(sizeof(void *) * 8 == {bits}, "headers of another architecture");
"""

LIBC_HEADER = (
    """\
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
"""
    + FREESTANDING_HEADER
)

CARGO_TOML = """\
[package]
name = "probe"
version = "0.1.0"
edition = "2021"

[lib]
crate-type = ["staticlib"]

[profile.dev]
panic = "abort"

[workspace]
"""

LIB_RS = """\
#![no_std]

extern "C" {
    fn probe_answer() -> i32;
}

#[no_mangle]
pub extern "C" fn rust_answer(number: i32) -> i32 {
    [number, 2].iter().sum::<i32>() + unsafe { probe_answer() }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a program needs beside its `main`."""

    sources: tuple[tuple[str, str], ...]
    """Files and their content."""
    options: tuple[str, ...] = ()
    """For the linker, through the compiler."""
    has_libc: bool = False


_STARTS = {
    "aarch64": Start(
        sources=(("start.S", _START_AARCH64), ("say.c", _SAY_AARCH64)),
        # The machine's memory; its first part has the device tree.
        options=("-Wl,--image-base=0x40100000",),
    ),
    "x86_64": Start(sources=(("start.S", _START_X86), ("say.c", _SAY_X86))),
}
"""By the first part of a triple."""
_WITH_LIBC = Start(sources=(("say.c", _SAY_WITH_LIBC),), has_libc=True)


def find_start(stem: str) -> Start:
    return _STARTS.get(stem, _WITH_LIBC)
