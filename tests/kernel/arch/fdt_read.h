/* SPDX-License-Identifier: MIT */
/*
 * A very small reader of the flattened device tree that QEMU hands over: one
 * property of one child of the root is all that the start-up code asks for.
 */
#ifndef KERNEL_FDT_READ_H
#define KERNEL_FDT_READ_H

#include <stdint.h>

/* The blob's size, 0: there is no device tree at this address. */
uint32_t fdt_size(const void *fdt);

/*
 * The value of property `prop` of the root's child `node` (its unit address
 * left out), NULL: none.
 */
const uint8_t *fdt_prop(const void *fdt, const char *node, const char *prop,
                        uint32_t *len);

/* The end of the first memory range that starts at or below addr, 0: none. */
uint64_t fdt_ram_end(const void *fdt, uint64_t addr);

/* Copies /chosen/bootargs, cut and terminated; "" if there is none. */
void fdt_bootargs(const void *fdt, char *buf, uint32_t size);

#endif
