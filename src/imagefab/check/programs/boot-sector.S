/* The first sector of a disk: the BIOS loads it at 0x7c00 and jumps there. */
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
    .asciz "bios says 42\n"
    .org 510
    .word 0xaa55
