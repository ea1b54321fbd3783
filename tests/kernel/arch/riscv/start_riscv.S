/* SPDX-License-Identifier: MIT */
/*
 * RISC-V virt, -bios none: QEMU enters here in M mode with the hart number in
 * a0 and the device tree in a1.  One hart runs; the second sleeps until a
 * software interrupt wakes it, all others for good.
 */
#if __riscv_xlen == 64
#define STORE sd
#define LOAD  ld
#define WORD  8
#else
#define STORE sw
#define LOAD  lw
#define WORD  4
#endif

    .section .text.start, "ax"
    .globl _start
_start:
    csrw    mie, zero
    csrw    mstatus, zero
    csrr    t0, mhartid
    bnez    t0, second
    la      sp, stack_top
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    STORE   zero, (t0)
    addi    t0, t0, WORD
    j       1b
2:  mv      a0, a1
    call    riscv_main
park:
    wfi
    j       park

/* Nobody else has had its software interrupt: it finds .bss cleared. */
second:
    li      t0, 8 /* MSIE */
    csrw    mie, t0
1:  wfi
    csrr    t1, mip
    andi    t1, t1, 8
    beqz    t1, 1b
    csrw    mie, zero
    li      t0, 0x2000004 /* msip of hart 1 */
    sw      zero, (t0)
    la      sp, stack2_top
    la      t0, trap_entry
    csrw    mtvec, t0
    fence
    call    cpu2_main
    j       park

/* x1..x31 go to frame[1..31]; frame[0] holds mepc. */
    .text
    .balign 4
trap_entry:
    addi    sp, sp, -32*WORD
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24
    STORE   x\n, WORD*\n(sp)
    .endr
    .irp    n, 25,26,27,28,29,30,31
    STORE   x\n, WORD*\n(sp)
    .endr
    addi    t0, sp, 32*WORD
    STORE   t0, WORD*2(sp)
    csrr    t0, mepc
    STORE   t0, 0(sp)
    mv      a0, sp
    call    riscv_trap
    .irp    n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24
    LOAD    x\n, WORD*\n(sp)
    .endr
    .irp    n, 25,26,27,28,29,30,31
    LOAD    x\n, WORD*\n(sp)
    .endr
    addi    sp, sp, 32*WORD
    mret

    .bss
    .balign 16
    .skip   65536
stack_top:
    .skip   65536
stack2_top:

    .section .note.GNU-stack, "", @progbits
