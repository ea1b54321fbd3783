/* SPDX-License-Identifier: MIT */
/*
 * A walk over a PCI bus and the buses behind its bridges.  A bridge adds its
 * secondary bus, whose number is above its own, to the set of buses to visit,
 * and the walk goes upwards only: so it needs no recursion, visits each
 * function once, and ends whatever a bridge claims.
 */
#include <virtio_drv/pci_bus.h>

#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define FN_PER_DEVICE 8u
#define FN_PER_BUS    256u

int vdrv_pci_walk_init(struct vdrv_pci_walk *walk,
                       const struct vdrv_pci_ops *ops, uint32_t first_bus,
                       uint32_t last_bus)
{
    if (walk == NULL || ops == NULL || first_bus > last_bus || last_bus > 255)
        return VDRV_ERR_INVALID;
    *walk = (struct vdrv_pci_walk){
        .ops = ops,
        .first_bus = first_bus,
        .last_bus = last_bus,
        .next = VDRV_PCI_FN(first_bus, 0, 0),
    };
    walk->found[first_bus / 32] = UINT32_C(1) << first_bus % 32;
    return VDRV_OK;
}

static bool bus_found(const struct vdrv_pci_walk *walk, uint32_t bus)
{
    return ((walk->found[bus / 32] >> bus % 32) & 1u) != 0;
}

/* A bus behind a bridge is walked later, if the bridge has its number. */
static void note_bridge(struct vdrv_pci_walk *walk, uint32_t fn)
{
    const uint32_t bus =
        walk->ops->read(walk->ops->ctx, fn, PCI_SECONDARY_BUS, 1) & 0xffu;

    walk->found[bus / 32] |= UINT32_C(1) << bus % 32;
}

uint32_t vdrv__pci_look(const struct vdrv_pci_ops *ops, uint32_t fn,
                        uint32_t *multi)
{
    const uint32_t vendor = ops->read(ops->ctx, fn, PCI_VENDOR_ID, 2) & 0xffffu;
    uint32_t header;

    if (fn % FN_PER_DEVICE == 0)
        *multi = 0;
    if (vendor == 0xffffu || vendor == 0)
        return VDRV__PCI_NONE;
    header = ops->read(ops->ctx, fn, PCI_HEADER_TYPE, 1) & 0xffu;
    if (fn % FN_PER_DEVICE == 0)
        *multi = header & PCI_HEADER_TYPE_MULTI;
    return header;
}

/* Functions 1 to 7 exist only beside a function 0 that says so. */
uint32_t vdrv__pci_after(uint32_t fn, uint32_t multi)
{
    return multi != 0 ? fn + 1 : (fn | (FN_PER_DEVICE - 1)) + 1;
}

int vdrv_pci_walk_next(struct vdrv_pci_walk *walk, uint32_t *fn)
{
    if (walk == NULL || fn == NULL)
        return VDRV_ERR_INVALID;
    while (walk->next / FN_PER_BUS <= walk->last_bus) {
        const uint32_t at = walk->next;
        uint32_t header;

        if (!bus_found(walk, at / FN_PER_BUS)) {
            walk->next = (at | (FN_PER_BUS - 1)) + 1;
            continue;
        }
        header = vdrv__pci_look(walk->ops, at, &walk->multi);
        walk->next = vdrv__pci_after(at, walk->multi);
        if (header == VDRV__PCI_NONE)
            continue;
        if ((header & PCI_HEADER_TYPE_MASK) == PCI_HEADER_TYPE_BRIDGE)
            note_bridge(walk, at);
        *fn = at;
        return VDRV_OK;
    }
    return VDRV_ERR_NO_DEVICE;
}
