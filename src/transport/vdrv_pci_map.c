/* SPDX-License-Identifier: MIT */
/* Making a piece of a memory BAR accessible to the CPU. */
#include "vdrv_pci_impl.h"

static const struct vdrv__pci_fault refused = {
    VDRV_ERR_INVALID, "mapping a virtio structure was refused; capability"};
static const struct vdrv__pci_fault too_high = {
    VDRV_ERR_INVALID,
    "BAR above what a pointer reaches: give mmio_map or map_bar; capability"};

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
