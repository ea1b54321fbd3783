/* SPDX-License-Identifier: MIT */
/*
 * aarch64 virt: QEMU enters the ELF's entry point at EL1 with MMU and caches
 * off, and one CPU running.  The vectors hand all exceptions to C with their
 * number.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    msr     daifset, #15
    adrp    x9, stack_top
    add     x9, x9, :lo12:stack_top
    mov     sp, x9
    adrp    x9, vectors
    add     x9, x9, :lo12:vectors
    msr     vbar_el1, x9
    isb
    adrp    x9, __bss_start
    add     x9, x9, :lo12:__bss_start
    adrp    x10, __bss_end
    add     x10, x10, :lo12:__bss_end
1:  cmp     x9, x10
    b.hs    2f
    str     xzr, [x9], #8
    b       1b
2:  bl      aarch64_main
3:  wfi
    b       3b

    .globl arm_cpu2_entry
arm_cpu2_entry:
    msr     daifset, #15
    adrp    x9, stack2_top
    add     x9, x9, :lo12:stack2_top
    mov     sp, x9
    adrp    x9, vectors
    add     x9, x9, :lo12:vectors
    msr     vbar_el1, x9
    isb
    bl      aarch64_cpu2
1:  wfi
    b       1b

    .text
    .balign 2048
vectors:
    .set    kind, 0
    .rept   16
    .balign 128
    sub     sp, sp, #272
    stp     x0, x1, [sp]
    mov     x0, #kind
    b       trap_common
    .set    kind, kind + 1
    .endr

/* x0..x30 are at frame[0..30], the interrupted sp is at frame[31]. */
trap_common:
    .irp    n, 2,4,6,8,10,12,14,16,18,20,22,24,26,28
    str     x\n, [sp, #8 * \n]
    .endr
    .irp    n, 3,5,7,9,11,13,15,17,19,21,23,25,27,29
    str     x\n, [sp, #8 * \n]
    .endr
    add     x1, sp, #272
    stp     x30, x1, [sp, #240]
    mov     x1, sp
    bl      aarch64_trap
    .irp    n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30
    ldr     x\n, [sp, #8 * \n]
    .endr
    .irp    n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29
    ldr     x\n, [sp, #8 * \n]
    .endr
    add     sp, sp, #272
    eret

    .bss
    .balign 16
    .skip   65536
stack_top:
    .skip   65536
stack2_top:

    .section .note.GNU-stack, "", @progbits
