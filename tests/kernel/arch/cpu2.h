/* SPDX-License-Identifier: MIT */
/*
 * What starting a second CPU is on every machine: a function is left for it,
 * it is woken in the machine's own way, and it says that it is there.
 */
#ifndef KERNEL_CPU2_H
#define KERNEL_CPU2_H

#include <stdbool.h>

/* Before it is woken. */
void cpu2_prepare(void (*fn)(void *arg), void *arg);

/* Has it come, within a second? */
bool cpu2_came(void);

/* On the second CPU, with a stack and memory as the first one has it. */
void cpu2_main(void);

#endif
