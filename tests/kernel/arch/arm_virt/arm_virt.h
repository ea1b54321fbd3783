/* SPDX-License-Identifier: MIT */
/*
 * What aarch64 and arm share on QEMU's virt machine, arm_virt.c, and what each
 * does in its own instructions.
 */
#ifndef KERNEL_ARM_VIRT_H
#define KERNEL_ARM_VIRT_H

#include "../../arch.h"

#define ARM_RAM 0x40000000u /* the device tree lies at its start */

/* After the MMU is on: machine, interrupt controller, the kernel, the end. */
_Noreturn void arm_virt_main(void);

/* An interrupt: asks the controller which, until it knows of no more. */
void arm_virt_irq(void);

/* Exiting has begun: an exception now means that nobody listened to it. */
bool arm_virt_leaving(void);

/* ---- In each width's own file -------------------------------------------- */

extern const char arm_virt_name[];
extern const struct arch_pci arm_virt_pci; /* what differs: addresses */
/* How much memory is mapped as such from ARM_RAM on. */
extern const uint64_t arm_virt_ram_max;

/* The virtual timer: its count, and when it interrupts; ~0: never. */
uint64_t arm_timer_now(void);
void arm_timer_set(uint64_t ticks);
uint32_t arm_timer_hz(void);
/* Sleeps until an interrupt is pending, masked or not. */
void arm_sleep(void);

/* Semihosting's SYS_EXIT_EXTENDED with its two words; may return. */
void arm_semihosting_exit(const uintptr_t block[2]);
/* Where PSCI starts the second CPU, and the number of that call. */
extern const char arm_cpu2_entry[];
extern const uint32_t arm_psci_cpu_on;
/* A PSCI call by hvc. */
uintptr_t arm_psci(uint32_t function, uintptr_t a, uintptr_t b, uintptr_t c);

#endif
