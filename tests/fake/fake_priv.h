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

#endif
