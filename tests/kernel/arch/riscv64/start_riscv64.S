/* SPDX-License-Identifier: MIT */
/*
 * riscv64 virt, -bios none: QEMU enters here in M mode with the hart number in
 * a0 and the device tree in a1.  One hart runs, all others sleep for good.
 */
    .section .text.start, "ax"
    .globl _start
_start:
    csrw    mie, zero
    csrw    mstatus, zero
    csrr    t0, mhartid
    bnez    t0, park
    la      sp, stack_top
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, (t0)
    addi    t0, t0, 8
    j       1b
2:  mv      a0, a1
    call    riscv64_main
park:
    wfi
    j       park

/* x1..x31 go to frame[1..31]; frame[0] holds mepc. */
    .text
    .balign 4
trap_entry:
    addi    sp, sp, -256
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24
    sd      x\n, 8*\n(sp)
    .endr
    .irp    n, 25,26,27,28,29,30,31
    sd      x\n, 8*\n(sp)
    .endr
    addi    t0, sp, 256
    sd      t0, 8*2(sp)
    csrr    t0, mepc
    sd      t0, 0(sp)
    mv      a0, sp
    call    riscv64_trap
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24
    ld      x\n, 8*\n(sp)
    .endr
    .irp    n, 25,26,27,28,29,30,31
    ld      x\n, 8*\n(sp)
    .endr
    addi    sp, sp, 256
    mret

    .bss
    .balign 16
    .skip   65536
stack_top:

    .section .note.GNU-stack, "", @progbits
