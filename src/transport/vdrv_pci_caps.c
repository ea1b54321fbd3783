/* SPDX-License-Identifier: MIT */
/* A walk over a function's capability list (PCI Local Bus 3.0, 6.7). */
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define ALL_ONES 0xffffffffu

static uint32_t get(const struct vdrv_pci_ops *ops, uint32_t fn, uint32_t reg,
                    uint32_t width)
{
    return ops->read(ops->ctx, fn, reg, width);
}

static uint32_t first(const struct vdrv_pci_ops *ops, uint32_t fn)
{
    if (get(ops, fn, PCI_VENDOR_ID, 4) == ALL_ONES ||
        (get(ops, fn, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0)
        return 0;
    return get(ops, fn, PCI_CAPABILITY_LIST, 1);
}

bool vdrv__pci_next_cap(const struct vdrv_pci_ops *ops, uint32_t fn,
                        struct vdrv__pci_caps *it)
{
    const uint32_t next = it->n == 0 ? first(ops, fn) : it->head >> 8;

    it->pos = next & 0xfcu; /* the two low bits are reserved */
    if (it->n++ == PCI_CAP_MAX || it->pos < PCI_STD_HEADER_SIZE)
        return false;
    it->head = get(ops, fn, it->pos, 4);
    return it->head != ALL_ONES;
}
