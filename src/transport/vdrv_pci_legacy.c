/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI, the legacy interface (VirtIO 1.4, 4.1.4.10, 4.1.5.1.2.2,
 * 4.1.5.1.3.1): one block of registers in I/O BAR 0.  A queue is a page number
 * and has the size that the device says, features are 32 bits, and the
 * configuration is in the CPU's byte order, has no generation, and starts
 * where the registers end, which depends on MSI-X.
 */
#include "../core/bytes.h"
#include "../spec/pci_config.h"
#include "../spec/virtio_legacy.h"
#include "vdrv_pci_impl.h"

static const struct vdrv__pci_fault no_io = {
    VDRV_ERR_UNSUPPORTED, "no legacy interface: BAR 0 is no I/O BAR"};
static const struct vdrv__pci_fault unassigned = {
    VDRV_ERR_UNSUPPORTED,
    "I/O BAR 0, of the legacy interface, has no address: assign it first, with "
    "vdrv_pci_assign() or by windows given to vdrv_pci_find()"};
static const struct vdrv__pci_fault no_way = {
    VDRV_ERR_UNSUPPORTED,
    "the legacy interface is in I/O space, and there is no way to that: set "
    "io_phys"};
static const struct vdrv__pci_fault too_small = {
    VDRV_ERR_PROTOCOL, "BAR 0 too small for the legacy registers"};

static struct vdrv_pci *pci_of(struct vdrv_transport *t)
{
    return (struct vdrv_pci *)t; /* its first member */
}

static uint32_t get(struct vdrv_transport *t, uint32_t reg, uint32_t width)
{
    return vdrv__pci_read(t, &pci_of(t)->common, reg, width);
}

static void put(struct vdrv_transport *t, uint32_t reg, uint32_t width,
                uint32_t value)
{
    vdrv__pci_write(t, &pci_of(t)->common, reg, width, value);
}

static uint32_t legacy_read_status(struct vdrv_transport *t)
{
    return get(t, VIRTIO_PCI_STATUS, 1);
}

static void legacy_write_status(struct vdrv_transport *t, uint32_t status)
{
    put(t, VIRTIO_PCI_STATUS, 1, status);
}

static void legacy_read_features(struct vdrv_transport *t, uint64_t features[2])
{
    features[0] = get(t, VIRTIO_PCI_HOST_FEATURES, 4);
    features[1] = 0;
}

static void legacy_write_features(struct vdrv_transport *t,
                                  const uint64_t features[2])
{
    put(t, VIRTIO_PCI_GUEST_FEATURES, 4, (uint32_t)features[0]);
}

static uint32_t legacy_queue_max(struct vdrv_transport *t, uint32_t queue)
{
    put(t, VIRTIO_PCI_QUEUE_SEL, 2, queue);
    return get(t, VIRTIO_PCI_QUEUE_NUM, 2);
}

/* 4.1.5.1.3.1: the size is not told, since it cannot be chosen. */
static int legacy_queue_enable(struct vdrv_transport *t, uint32_t queue,
                               const struct vdrv_queue_area *area,
                               struct vdrv_notify *notify)
{
    const uint64_t page = area->desc >> VIRTIO_LEGACY_PAGE_SHIFT;
    int err;

    /* The ring was made for this: see vdrv_split_legacy.c and dma_limit. */
    if (area->desc % VIRTIO_LEGACY_ALIGN != 0 || page == 0 || page > UINT32_MAX)
        return VDRV_ERR_INVALID;
    put(t, VIRTIO_PCI_QUEUE_SEL, 2, queue);
    if (get(t, VIRTIO_PCI_QUEUE_PFN, 4) != 0)
        return vdrv__pci_broken(t, "queue is in use before:", queue);
    err = vdrv__pci_set_vector(t, VIRTIO_MSI_QUEUE_VECTOR, area->vector);
    if (err != VDRV_OK)
        return err;
    put(t, VIRTIO_PCI_QUEUE_PFN, 4, (uint32_t)page);
    if (get(t, VIRTIO_PCI_QUEUE_PFN, 4) != (uint32_t)page)
        return vdrv__pci_broken(t, "the device does not take the page of queue",
                                queue);
    notify->addr = pci_of(t)->notify.addr;
    notify->space = pci_of(t)->notify.space;
    notify->width = 2;
    notify->value = queue;
    return VDRV_OK;
}

static int legacy_config_vector(struct vdrv_transport *t, uint32_t vector)
{
    const int err = vdrv__pci_set_vector(t, VIRTIO_MSI_CONFIG_VECTOR, vector);

    if (err == VDRV_OK)
        pci_of(t)->config_vector = vector;
    return err;
}

/* 4.1.4.10: after the header, and that is longer while MSI-X is on. */
static uint32_t config_start(const struct vdrv_transport *t)
{
    return t->vectors != 0 ? VIRTIO_PCI_CONFIG_MSIX : VIRTIO_PCI_CONFIG;
}

static bool config_ok(struct vdrv_transport *t, uint32_t offset, uint32_t width)
{
    return (uint64_t)offset + width <= t->config_size &&
           (uint64_t)config_start(t) + offset + width <= pci_of(t)->common.size;
}

/* 4.1.4.10: the CPU's order, unlike the header. */
static uint32_t legacy_config_read(struct vdrv_transport *t, uint32_t offset,
                                   uint32_t width)
{
    if (!config_ok(t, offset, width))
        return UINT32_MAX;
    return vdrv__renative(get(t, config_start(t) + offset, width), width);
}

static void legacy_config_write(struct vdrv_transport *t, uint32_t offset,
                                uint32_t width, uint32_t value)
{
    if (config_ok(t, offset, width))
        put(t, config_start(t) + offset, width, vdrv__renative(value, width));
}

static const struct vdrv_transport_ops legacy_ops = {
    .read_status = legacy_read_status,
    .write_status = legacy_write_status,
    .read_features = legacy_read_features,
    .write_features = legacy_write_features,
    .queue_max = legacy_queue_max,
    .queue_enable = legacy_queue_enable,
    .config_read = legacy_config_read,
    .config_write = legacy_config_write,
    .irq = vdrv__pci_irq,
    .config_vector = legacy_config_vector,
    .restore = vdrv__pci_restore,
};

static struct vdrv_pci_region part(const struct vdrv_pci_region *r,
                                   uint32_t offset, uint32_t size)
{
    return (struct vdrv_pci_region){
        .addr = r->addr + offset, .space = r->space, .size = size};
}

static void set_up(struct vdrv_pci *pci, const struct vdrv_pci_region *r)
{
    struct vdrv_transport *t = &pci->transport;
    const uint32_t start =
        pci->msix != 0 ? VIRTIO_PCI_CONFIG_MSIX : VIRTIO_PCI_CONFIG;

    pci->common = *r;
    pci->notify = part(r, VIRTIO_PCI_QUEUE_NOTIFY, 2);
    pci->isr = part(r, VIRTIO_PCI_ISR, 1);
    pci->config = part(r, start, r->size - start);
    pci->window = 0;
    pci->access = NULL;
    t->ops = &legacy_ops;
    t->ring = &vdrv_queue_legacy;
    t->dma_limit = VIRTIO_LEGACY_DMA_LIMIT;
    t->flags = VDRV_TRANSPORT_LEGACY | VDRV_TRANSPORT_FIXED_SIZE;
    t->config_size = r->size - start; /* with MSI-X off it is some more */
}

static const struct vdrv__pci_fault *legacy_attach(struct vdrv_pci *pci,
                                                   uint32_t *decode)
{
    struct vdrv_pci_region r = {0};
    const struct vdrv__pci_fault *fault;
    struct vdrv_pci_bar bar;

    fault = vdrv__pci_bar_read(pci->bus, pci->fn, 0, &bar);
    if (fault != NULL)
        return fault;
    if (bar.kind != VDRV_PCI_BAR_IO)
        return &no_io;
    if (!vdrv_pci_bar_assigned(&bar))
        return &unassigned;
    if (bar.size < VIRTIO_PCI_CONFIG_MSIX)
        return &too_small;
    r.size = bar.size < VIRTIO_LEGACY_BAR_MAX ? (uint32_t)bar.size
                                              : VIRTIO_LEGACY_BAR_MAX;
    fault = vdrv__pci_map_bar(pci, &bar, 0, &r);
    if (fault != NULL)
        return fault->err == VDRV_ERR_UNSUPPORTED ? &no_way : fault;
    set_up(pci, &r);
    *decode = PCI_COMMAND_IO;
    return NULL;
}

const struct vdrv_pci_kind vdrv_pci_legacy = {.attach = legacy_attach};
