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
