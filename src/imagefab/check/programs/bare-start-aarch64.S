    .globl _start
_start:
    adrp x1, stack_top
    add x1, x1, :lo12:stack_top
    mov sp, x1
    // Compilers use vector registers, which trap until this.
    mov x1, #0x300000
    msr cpacr_el1, x1
    isb
    bl main
    bl finish
    .bss
    .balign 16
    .space 16384
stack_top:
