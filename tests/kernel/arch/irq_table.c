/* SPDX-License-Identifier: MIT */
/*
 * A flat list of interrupt handlers: a handful of devices, so a search is
 * fine, and sharing a line needs no more than not stopping at the first hit.
 */
#include "irq_table.h"

#include "../arch.h"
#include "../klib.h"

struct handler {
    unsigned irq;
    void (*fn)(void *arg);
    void *arg;
};

static struct handler handlers[64];
static unsigned count;

void irq_table_add(unsigned irq, void (*fn)(void *arg), void *arg)
{
    if (count == sizeof handlers / sizeof *handlers) {
        kprintf("irq: no room for a handler of line %u\n", irq);
        arch_exit(ARCH_EXIT_FAIL);
    }
    handlers[count].irq = irq;
    handlers[count].fn = fn;
    handlers[count].arg = arg;
    count++;
}

void irq_table_run(unsigned irq)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < count; i++) {
        if (handlers[i].irq == irq) {
            handlers[i].fn(handlers[i].arg);
            hits++;
        }
    }
    if (!hits) {
        kprintf("irq: line %u is active, and nobody listens\n", irq);
        arch_exit(ARCH_EXIT_TRAP);
    }
}
