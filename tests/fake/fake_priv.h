/* SPDX-License-Identifier: MIT */
/*
 * What the files of the fake share with each other and with nobody else.
 */
#ifndef FAKE_PRIV_H
#define FAKE_PRIV_H

#include "fake_hal.h"

/* fake_dma.c: the DMA part of a machine's life. */
void fake__dma_init(struct fake *f);
void fake__dma_fini(struct fake *f);

/* fake_pci_regs.c: side effects of configuration accesses. */
struct fake_pci_fn;
void fake__pci_before_read(struct fake_pci_fn *fn, uint32_t off);
void fake__pci_after_write(struct fake_pci_fn *fn, uint32_t off);
/* The device's part of a loss of power. */
void fake__pci_lost(struct fake_pci_fn *fn);
/* What a vector field reads back after `value` was written to it. */
uint32_t fake__pci_set_vector(struct fake_pci_fn *fn, uint32_t value);
/* 4.1.4.5: reading clears. */
uint32_t fake__pci_isr(struct fake_pci_fn *fn);
void fake__pci_bad(struct fake_pci_fn *fn, const char *id, const char *what,
                   uint64_t value);

/* fake_pci_legacy.c: BAR 0 of a legacy or transitional function. */
void fake__pci_legacy(struct fake_pci_fn *fn);

#endif
