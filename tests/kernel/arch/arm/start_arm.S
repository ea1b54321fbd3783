/* SPDX-License-Identifier: MIT */
/*
 * arm virt: QEMU enters the ELF's entry point in SVC mode with MMU and caches
 * off.  The vectors hand all exceptions to C with their number, on the stack
 * of SVC mode.
 */
    .arch_extension sec
    .section .text.start, "ax"
    .globl _start
_start:
    cpsid   if, #0x13 /* SVC */
    ldr     sp, =stack_top
    ldr     r0, =vectors
    mcr     p15, 0, r0, c12, c0, 0 /* VBAR */
    mrc     p15, 0, r0, c1, c0, 0
    bic     r0, r0, #1 << 13       /* not at 0xffff0000 */
    mcr     p15, 0, r0, c1, c0, 0
    isb
    ldr     r0, =__bss_start
    ldr     r1, =__bss_end
    mov     r2, #0
1:  cmp     r0, r1
    strlo   r2, [r0], #4
    blo     1b
    bl      arm_main
2:  wfi
    b       2b

    .globl arm_cpu2_entry
arm_cpu2_entry:
    cpsid   if, #0x13
    ldr     sp, =stack2_top
    ldr     r0, =vectors
    mcr     p15, 0, r0, c12, c0, 0
    mrc     p15, 0, r0, c1, c0, 0
    bic     r0, r0, #1 << 13
    mcr     p15, 0, r0, c1, c0, 0
    isb
    bl      arm_cpu2
3:  wfi
    b       3b
    .ltorg

    .text
    .balign 32
vectors:
    b       .
    b       trap_undefined
    b       trap_call
    b       trap_prefetch
    b       trap_data
    b       .
    b       trap_irq
    b       .

/* lr is that many bytes too far; the frame goes to SVC's stack. */
    .macro  trap name, number, ahead
trap_\name:
    sub     lr, lr, #\ahead
    srsdb   sp!, #0x13
    cps     #0x13
    push    {r0-r12, lr}
    mov     r0, #\number
    b       trap_common
    .endm
    trap    undefined, 1, 4
    trap    call, 2, 0
    trap    prefetch, 3, 4
    trap    data, 4, 8
    trap    irq, 6, 4

trap_common:
    mov     r1, sp
    mov     r4, sp
    bic     sp, sp, #7
    bl      arm_trap
    mov     sp, r4
    pop     {r0-r12, lr}
    rfeia   sp!

    .bss
    .balign 16
    .skip   65536
stack_top:
    .skip   65536
stack2_top:

    .section .note.GNU-stack, "", %progbits
