/* SPDX-License-Identifier: MIT */
/*
 * Where a start-up interrupt sends the second CPU of an x86: real mode, at the
 * page X86_CPU2_PAGE that this is copied to.  It goes on at x86_cpu2_32, in
 * protected mode with flat segments 8 and 16.
 */
#include "x86_cpu2.h"

    .text
    .code16
    .globl x86_cpu2_begin, x86_cpu2_end
x86_cpu2_begin:
    cli
    xor     %ax, %ax
    mov     %ax, %ds
    lgdtl   X86_CPU2_PAGE + (gdt_ptr - x86_cpu2_begin)
    mov     %cr0, %eax
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $8, $x86_cpu2_32
    .balign 8
gdt:
    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_ptr:
    .word   . - gdt - 1
    .long   X86_CPU2_PAGE + (gdt - x86_cpu2_begin)
x86_cpu2_end:

    .section .note.GNU-stack, "", @progbits
