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
