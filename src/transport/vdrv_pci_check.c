/* SPDX-License-Identifier: MIT */
/*
 * Checks of what a PCI function says about itself: capabilities, BARs and
 * notification addresses (VirtIO 1.4, 4.1.4; PCI Local Bus 3.0, 6.2.5).  Pure:
 * values in, a verdict out.
 */
#include "../spec/pci_config.h"
#include "../spec/virtio_pci.h"
#include "vdrv_pci_impl.h"

/* One broken rule, with the words that the log will have for it. */
#define FAULT(name, code, words)                                               \
    static const struct vdrv__pci_fault name = {VDRV_ERR_##code, words}

FAULT(cap_short, PROTOCOL, "virtio capability shorter than its type needs, at");
FAULT(cap_cut, PROTOCOL,
      "virtio capability crosses the end of configuration space, at");
FAULT(bar_absent, PROTOCOL, "virtio capability names a BAR that is not there");
FAULT(bar_unassigned, UNSUPPORTED,
      "BAR has no address: assign it first, with vdrv_pci_assign() or by "
      "windows given to vdrv_pci_find(); capability");
FAULT(length_zero, PROTOCOL, "virtio structure of length 0, capability");
FAULT(length_short, PROTOCOL,
      "virtio structure shorter than its type needs, capability");
FAULT(misaligned, PROTOCOL, "virtio structure misaligned, capability");
FAULT(outside_bar, PROTOCOL,
      "virtio structure reaches past the end of its BAR, capability");
FAULT(multiplier_odd, PROTOCOL,
      "notify_off_multiplier is no even power of two; queue");
FAULT(notify_outside, PROTOCOL,
      "notification address outside the notify structure; queue");
FAULT(notify_misaligned, PROTOCOL, "notification address misaligned; queue");
FAULT(msix_no_memory, PROTOCOL, "MSI-X structure not in a memory BAR; BAR");
FAULT(msix_unassigned, UNSUPPORTED,
      "MSI-X structure in a BAR without address:");
FAULT(msix_outside, PROTOCOL, "MSI-X structure outside its BAR; BAR");
FAULT(shared_no_memory, PROTOCOL,
      "shared memory not in a memory BAR; capability");
FAULT(shared_outside, PROTOCOL,
      "shared memory empty or outside its BAR; capability");
FAULT(bar_type, PROTOCOL, "BAR of a reserved type");
FAULT(bar_size, PROTOCOL, "BAR whose size is no power of two");
FAULT(bar_address, PROTOCOL, "BAR whose address is no multiple of its size");

const struct vdrv__pci_fault *vdrv__validate_pci_cap_len(
    const struct vdrv__pci_cap *cap)
{
    uint32_t need = sizeof(struct virtio_pci_cap);

    if (cap->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
        need = sizeof(struct virtio_pci_notify_cap);
    else if (cap->type == VIRTIO_PCI_CAP_SHARED_MEM)
        need = sizeof(struct virtio_pci_cap64);
    if (cap->len < need)
        return &cap_short;
    if (cap->pos >= PCI_STD_SPACE || cap->len > PCI_STD_SPACE - cap->pos)
        return &cap_cut;
    return NULL;
}

/* 4.1.4.3.1, 4.1.4.4.1, 4.1.4.5.1, 4.1.4.6.1: size and alignment. */
static const struct {
    uint8_t min;
    uint8_t align;
} structure[] = {
    [VIRTIO_PCI_CAP_COMMON_CFG] = {VIRTIO_PCI_COMMON_CFG_MIN, 4},
    [VIRTIO_PCI_CAP_NOTIFY_CFG] = {2, 2},
    [VIRTIO_PCI_CAP_ISR_CFG] = {1, 1},
    [VIRTIO_PCI_CAP_DEVICE_CFG] = {1, 4},
};

const struct vdrv__pci_fault *vdrv__validate_pci_cap(
    const struct vdrv__pci_cap *cap, const struct vdrv_pci_bar *bar)
{
    const uint64_t end = (uint64_t)cap->offset + cap->length;

    if (bar->kind == VDRV_PCI_BAR_NONE)
        return &bar_absent;
    if (cap->length == 0)
        return &length_zero;
    if (end > bar->size)
        return &outside_bar;
    if (cap->length < structure[cap->type].min)
        return &length_short;
    if (cap->offset % structure[cap->type].align != 0)
        return &misaligned;
    if (!vdrv_pci_bar_assigned(bar)) /* last: some can do without */
        return &bar_unassigned;
    return NULL;
}

const struct vdrv__pci_fault *vdrv__validate_pci_notify(
    const struct vdrv_pci_region *notify, uint32_t multiplier,
    uint32_t queue_notify_off, uint32_t width, uint32_t *offset)
{
    const uint64_t at = (uint64_t)queue_notify_off * multiplier;

    /* 4.1.4.4.1: an even power of two, or 0: one address for all queues. */
    if (multiplier == 1 || (multiplier & (multiplier - 1)) != 0)
        return &multiplier_odd;
    if (at + width > notify->size)
        return &notify_outside;
    if (((notify->addr + at) & (width - 1)) != 0)
        return &notify_misaligned;
    *offset = (uint32_t)at;
    return NULL;
}

const struct vdrv__pci_fault *vdrv__validate_msix(
    const struct vdrv__msix_place *at, const struct vdrv_pci_bar *bar)
{
    if (bar->kind != VDRV_PCI_BAR_MEM32 && bar->kind != VDRV_PCI_BAR_MEM64)
        return &msix_no_memory;
    if (!vdrv_pci_bar_assigned(bar))
        return &msix_unassigned;
    if ((uint64_t)at->offset + at->size > bar->size)
        return &msix_outside;
    return NULL;
}

const struct vdrv__pci_fault *vdrv__validate_pci_shared(
    const struct vdrv_shared_memory *at, const struct vdrv_pci_bar *bar)
{
    if (bar->kind != VDRV_PCI_BAR_MEM32 && bar->kind != VDRV_PCI_BAR_MEM64)
        return &shared_no_memory;
    if (at->len == 0 || at->phys > bar->size || at->len > bar->size - at->phys)
        return &shared_outside;
    return vdrv_pci_bar_assigned(bar) ? NULL : &bar_unassigned;
}

bool vdrv__pci_bar_is_wide(uint32_t addr)
{
    return (addr &
            (PCI_BASE_ADDRESS_SPACE_IO | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
           PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* The writable bits of an address are the ones that sizing sets. */
static const struct vdrv__pci_fault *set_range(struct vdrv_pci_bar *bar,
                                               uint64_t addr, uint64_t mask)
{
    const uint64_t size = ~mask + 1;

    if (mask == 0 || (size & (size - 1)) != 0)
        return &bar_size;
    if ((addr & (size - 1)) != 0)
        return &bar_address;
    bar->addr = addr;
    bar->size = size;
    return NULL;
}

static const struct vdrv__pci_fault *memory_bar(
    const struct vdrv__pci_raw_bar *raw, struct vdrv_pci_bar *bar)
{
    const uint32_t low = raw->addr[0];
    uint64_t addr = low & PCI_BASE_ADDRESS_MEM_MASK;
    uint64_t mask = raw->mask[0] & PCI_BASE_ADDRESS_MEM_MASK;

    bar->prefetchable = (low & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
    if (vdrv__pci_bar_is_wide(low)) {
        bar->kind = VDRV_PCI_BAR_MEM64;
        addr |= (uint64_t)raw->addr[1] << 32;
        mask |= (uint64_t)raw->mask[1] << 32;
    } else if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
               PCI_BASE_ADDRESS_MEM_TYPE_32) {
        bar->kind = VDRV_PCI_BAR_MEM32;
        mask |= mask != 0 ? UINT64_C(0xffffffff) << 32 : 0;
    } else {
        return &bar_type;
    }
    return set_range(bar, addr, mask);
}

static const struct vdrv__pci_fault *io_bar(const struct vdrv__pci_raw_bar *raw,
                                            struct vdrv_pci_bar *bar)
{
    uint64_t mask = raw->mask[0] & PCI_BASE_ADDRESS_IO_MASK;

    bar->kind = VDRV_PCI_BAR_IO;
    /* The upper 16 bits may be hard-wired to 0 (PCI 3.0, 6.2.5.1). */
    if (mask != 0 && (mask & 0xffff0000u) == 0)
        mask |= 0xffff0000u;
    mask |= mask != 0 ? UINT64_C(0xffffffff) << 32 : 0;
    return set_range(bar, raw->addr[0] & PCI_BASE_ADDRESS_IO_MASK, mask);
}

const struct vdrv__pci_fault *vdrv__validate_pci_bar(
    const struct vdrv__pci_raw_bar *raw, struct vdrv_pci_bar *bar)
{
    const struct vdrv__pci_fault *fault = NULL;

    *bar = (struct vdrv_pci_bar){.kind = VDRV_PCI_BAR_NONE};
    if (raw->mask[0] == 0 && raw->addr[0] == 0) /* not implemented */
        return NULL;
    if ((raw->addr[0] & PCI_BASE_ADDRESS_SPACE_IO) != 0)
        fault = io_bar(raw, bar);
    else
        fault = memory_bar(raw, bar);
    if (fault != NULL)
        *bar = (struct vdrv_pci_bar){.kind = VDRV_PCI_BAR_NONE};
    return fault;
}

bool vdrv_pci_bar_assigned(const struct vdrv_pci_bar *bar)
{
    const uint64_t top = bar->kind == VDRV_PCI_BAR_MEM64
                             ? 0 - bar->size
                             : (uint32_t)(0 - bar->size);

    return bar->kind != VDRV_PCI_BAR_NONE && bar->addr != 0 && bar->addr != top;
}

/* Type by transitional id (4.1.2.1); 0: none has it. */
static const uint8_t transitional[] = {1, 2, 5, 3, 8, 4, 0, 0, 0, 9};

uint32_t vdrv__pci_type(uint32_t id)
{
    const uint32_t device = id >> 16;

    if ((id & 0xffffu) != VIRTIO_PCI_VENDOR || device > VIRTIO_PCI_ID_LAST ||
        device < VIRTIO_PCI_ID_TRANSITIONAL)
        return 0;
    if (device >= VIRTIO_PCI_ID_MODERN)
        return device - VIRTIO_PCI_ID_MODERN;
    if (device - VIRTIO_PCI_ID_TRANSITIONAL >= sizeof(transitional))
        return 0;
    return transitional[device - VIRTIO_PCI_ID_TRANSITIONAL];
}
