/* SPDX-License-Identifier: MIT */
/* Memory that a PCI device shares (VirtIO 1.4, 2.10 and 4.1.4.7). */
#include "../spec/pci_config.h"
#include "../spec/virtio_pci.h"
#include "vdrv_pci_impl.h"

static uint32_t get(const struct vdrv_pci *pci, uint32_t reg)
{
    return pci->bus->read(pci->bus->ctx, pci->fn, reg, 4);
}

static uint64_t get64(const struct vdrv_pci *pci, uint32_t low, uint32_t high)
{
    const uint64_t v = get(pci, low);

    return v | (uint64_t)get(pci, high) << 32;
}

#define LOW(field) (it->pos + (uint32_t)offsetof(struct virtio_pci_cap, field))
#define HIGH(field)                                                            \
    (it->pos + (uint32_t)offsetof(struct virtio_pci_cap64, field))

/* Where the region is that a capability describes; each field read once. */
static const struct vdrv__pci_fault *read_region(
    const struct vdrv_pci *pci, const struct vdrv__pci_caps *it, uint32_t bar,
    struct vdrv_shared_memory *out)
{
    const struct vdrv_shared_memory at = {
        get64(pci, LOW(offset), HIGH(offset_hi)),
        get64(pci, LOW(length), HIGH(length_hi))};
    const struct vdrv__pci_fault *fault;
    struct vdrv_pci_bar b;

    fault = vdrv__pci_bar_read(pci->bus, pci->fn, bar, &b);
    if (fault == NULL)
        fault = vdrv__validate_pci_shared(&at, &b);
    if (fault == NULL)
        *out = (struct vdrv_shared_memory){b.addr + at.phys, at.len};
    return fault;
}

/* Is it one of those, and whole? */
static const struct vdrv__pci_fault *look(const struct vdrv__pci_caps *it,
                                          bool *shared)
{
    const struct vdrv__pci_cap cap = {.pos = it->pos,
                                      .len = (it->head >> 16) & 0xffu,
                                      .type = it->head >> 24};

    *shared = (it->head & 0xffu) == PCI_CAP_ID_VNDR &&
              cap.type == VIRTIO_PCI_CAP_SHARED_MEM;
    return *shared ? vdrv__validate_pci_cap_len(&cap) : NULL;
}

int vdrv__pci_shared_memory(struct vdrv_transport *t, uint32_t id,
                            struct vdrv_shared_memory *out)
{
    const struct vdrv_pci *pci = (const struct vdrv_pci *)t;
    struct vdrv__pci_caps it = {0, 0, 0};

    while (vdrv__pci_next_cap(pci->bus, pci->fn, &it)) {
        bool shared;
        const struct vdrv__pci_fault *fault = look(&it, &shared);
        const uint64_t pos = it.pos;

        if (shared && fault == NULL) {
            const uint32_t place = get(pci, it.pos + 4); /* BAR, id */

            if ((place & 0xffu) > VIRTIO_PCI_BAR_LAST ||
                ((place >> 8) & 0xffu) != id)
                continue;
            fault = read_region(pci, &it, place & 0xffu, out);
            if (fault == NULL)
                return VDRV_OK;
        }
        if (fault == NULL)
            continue;
        vdrv_transport_log(t, VDRV_LOG_WARN, fault->text, &pos);
        return fault->err;
    }
    return get(pci, PCI_VENDOR_ID) == UINT32_MAX ? VDRV_ERR_NO_DEVICE
                                                 : VDRV_ERR_UNSUPPORTED;
}
