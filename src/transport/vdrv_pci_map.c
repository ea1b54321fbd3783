/* SPDX-License-Identifier: MIT */
/* Making a piece of a BAR accessible to the CPU. */
#include "../core/reg.h"
#include "vdrv_pci_impl.h"

#define PORTS 0x10000u

static const struct vdrv__pci_fault refused = {
    VDRV_ERR_INVALID, "mapping a virtio structure was refused; capability"};
static const struct vdrv__pci_fault too_high = {
    VDRV_ERR_INVALID,
    "BAR above what a pointer reaches: give mmio_map or map_bar; capability"};

static const struct vdrv__pci_fault no_ports = {
    VDRV_ERR_UNSUPPORTED,
    "structure in an I/O BAR and no way to reach it: set io_phys; capability"};

const struct vdrv__pci_fault *vdrv__pci_map(const struct vdrv_hal *hal,
                                            const struct vdrv_pci_ops *bus,
                                            const struct vdrv__pci_piece *at,
                                            uintptr_t *addr)
{
    void *ptr;

    if (!at->io && bus->map_bar != NULL) {
        ptr = bus->map_bar(bus->ctx, at->fn, at->bar, at->phys, at->size);
    } else if (hal->mmio_map != NULL) {
        ptr = hal->mmio_map(hal->ctx, at->phys, at->size);
    } else {
        if (at->phys + (at->size - 1) > UINTPTR_MAX)
            return &too_high;
        ptr = (void *)(uintptr_t)at->phys;
    }
    if (ptr == NULL)
        return &refused;
    *addr = (uintptr_t)ptr;
    return NULL;
}

static const struct vdrv__pci_fault *map_memory(const struct vdrv_pci *pci,
                                                bool io, uint64_t phys,
                                                struct vdrv_pci_region *r)
{
    const struct vdrv__pci_piece at = {phys, r->size, pci->fn, r->bar, io};

    r->space = VDRV_SPACE_MEMORY;
    return vdrv__pci_map(pci->transport.hal, pci->bus, &at, &r->addr);
}

const struct vdrv__pci_fault *vdrv__pci_map_bar(const struct vdrv_pci *pci,
                                                const struct vdrv_pci_bar *bar,
                                                uint32_t offset,
                                                struct vdrv_pci_region *r)
{
    const uint64_t at = bar->addr + offset;

    if (bar->kind != VDRV_PCI_BAR_IO)
        return map_memory(pci, false, at, r);
    if (pci->bus->io_phys != 0)
        return map_memory(pci, true, pci->bus->io_phys + at, r);
    if (!vdrv__have_ports(pci->transport.hal) || at + r->size > PORTS)
        return &no_ports;
    r->addr = (uintptr_t)at;
    r->space = VDRV_SPACE_PORT;
    return NULL;
}
