/* SPDX-License-Identifier: MIT */
/*
 * Registers through configuration space (VirtIO 1.4, 4.1.4.9): a capability
 * whose fields say where, and whose data then is what is there.
 */
#include "../spec/pci_config.h"
#include "../spec/virtio_pci.h"
#include "vdrv_pci_impl.h"

#define CAP(field) offsetof(struct virtio_pci_cfg_cap, cap.field)
#define DATA       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)
#define FIELD      4u /* bytes: a probe tries with as many */

static uint32_t get(const struct vdrv_pci *pci, size_t reg, uint32_t width)
{
    return pci->bus->read(pci->bus->ctx, pci->fn, pci->window + (uint32_t)reg,
                          width);
}

static void put(const struct vdrv_pci *pci, size_t reg, uint32_t width,
                uint32_t value)
{
    pci->bus->write(pci->bus->ctx, pci->fn, pci->window + (uint32_t)reg, width,
                    value);
}

static uint32_t window_find(const struct vdrv_pci *pci)
{
    struct vdrv__pci_caps it = {0, 0, 0};

    while (vdrv__pci_next_cap(pci->bus, pci->fn, &it)) {
        const uint32_t len = (it.head >> 16) & 0xffu;

        if ((it.head & 0xffu) == PCI_CAP_ID_VNDR &&
            it.head >> 24 == VIRTIO_PCI_CAP_PCI_CFG &&
            len >= sizeof(struct virtio_pci_cfg_cap) &&
            len <= PCI_STD_SPACE - it.pos)
            return it.pos;
    }
    return 0;
}

/* 4.1.4.9.2: a place inside a structure, aligned to the length. */
static void aim(const struct vdrv_pci *pci, uint32_t bar, uint32_t offset,
                uint32_t width)
{
    put(pci, CAP(bar), 1, bar);
    put(pci, CAP(offset), 4, offset);
    put(pci, CAP(length), 4, width);
}

/* The data are not touched: a read may have an effect. */
static bool window_reaches(const struct vdrv_pci *pci, uint32_t bar,
                           uint32_t offset)
{
    const uint32_t at = offset & ~(FIELD - 1);

    aim(pci, bar, at, FIELD);
    return get(pci, CAP(bar), 1) == bar && get(pci, CAP(offset), 4) == at &&
           get(pci, CAP(length), 4) == FIELD;
}

static uint32_t window_read(const struct vdrv_pci *pci, uint32_t bar,
                            uint32_t offset, uint32_t width)
{
    aim(pci, bar, offset, width);
    return get(pci, DATA, width) & (UINT32_MAX >> (32 - 8 * width));
}

static void window_write(const struct vdrv_pci *pci, uint32_t bar,
                         uint32_t offset, uint32_t width, uint32_t value)
{
    aim(pci, bar, offset, width);
    put(pci, DATA, width, value);
}

const struct vdrv_pci_access vdrv_pci_config_access = {
    .find = window_find,
    .reaches = window_reaches,
    .read = window_read,
    .write = window_write,
};
