/* SPDX-License-Identifier: MIT */
/*
 * What x86_64 and i386 share, x86.c, and what each does in its own width: the
 * interrupt gates, and telling of an exception.
 */
#ifndef KERNEL_X86_H
#define KERNEL_X86_H

#include "../../arch.h"

#define X86_CODE 8u /* selector of the kernel's code segment */

struct start_info; /* of the PVH boot protocol */

/* The first C code; the stack is there, interrupts are disabled. */
void x86_main(const struct start_info *info);

/* Any vector that is no exception: acknowledges it at the local APIC. */
void x86_irq(unsigned vector);
#define X86_IRQ_FIRST 32u

/* ---- In each width's own file -------------------------------------------- */

void x86_idt_init(void);
/* Addresses above 4 GiB that can be reached; size 0: none. */
struct arch_window x86_high_window(void);
extern const char x86_name[];

#endif
