/* SPDX-License-Identifier: MIT */
/*
 * m68k virt: QEMU enters the ELF's entry point in supervisor mode with the MMU
 * off, and puts its boot information behind the image, .bss included.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    move.w  #0x2700, %sr
    lea     stack_top, %sp
    lea     vectors, %a0
    movec   %a0, %vbr
    lea     __bss_start, %a0
    lea     __bss_end, %a1
1:  cmp.l   %a1, %a0
    bcc     2f
    clr.l   (%a0)+
    bra     1b
2:  jsr     m68k_main
3:  stop    #0x2700
    bra     3b

/* The CPU's own frame (status, pc, vector) lies above the 15 registers. */
    .text
trap_entry:
    movem.l %d0-%d7/%a0-%a6, -(%sp)
    move.l  %sp, -(%sp)
    jsr     m68k_trap
    addq.l  #4, %sp
    movem.l (%sp)+, %d0-%d7/%a0-%a6
    rte

    .section .rodata
    .balign 4
vectors:
    .rept   256
    .long   trap_entry
    .endr

    .bss
    .balign 16
    .skip   65536
stack_top:

    .section .note.GNU-stack, "", @progbits
