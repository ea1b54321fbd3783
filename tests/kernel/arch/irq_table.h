/* SPDX-License-Identifier: MIT */
/*
 * The handlers of all interrupt lines, for the per-architecture code: it
 * knows the controller, this table knows who listens.
 */
#ifndef KERNEL_IRQ_TABLE_H
#define KERNEL_IRQ_TABLE_H

/* Adds a handler; a full table is fatal. */
void irq_table_add(unsigned irq, void (*fn)(void *arg), void *arg);

/* Calls every handler of the line.  Nobody there is fatal: it would storm. */
void irq_table_run(unsigned irq);

#endif
