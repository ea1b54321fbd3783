/* SPDX-License-Identifier: MIT */
/* Between the two halves of the fuzzed machine: see fuzz_machine.h. */
#ifndef FUZZ_DEVICE_H
#define FUZZ_DEVICE_H

#include "fuzz_machine.h"

/* What the device finds at a device address. */
uint8_t *fuzz__dma(struct fuzz_machine *m, uint64_t dma, uint64_t len,
                   uint32_t dir);
/* Registers by address, as the CPU reaches them. */
uint32_t fuzz__read(struct fuzz_machine *m, uint64_t addr, uint32_t width);
void fuzz__write(struct fuzz_machine *m, uint64_t addr, uint32_t width,
                 uint32_t value);
/* What a register read answers instead of `v`. */
uint32_t fuzz__lie(struct fuzz_machine *m, uint32_t v);
/* The device forgets all it was told. */
void fuzz__reset(struct fuzz_machine *m);
void fuzz__device_init(struct fuzz_machine *m);
/* PCI configuration space of a device that is all right. */
void fuzz__pci_init(struct fuzz_machine *m);

#endif
