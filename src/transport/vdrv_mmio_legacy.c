/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO, version 1, the legacy interface (VirtIO 1.4, 4.2.4): a
 * queue is a page number, features are 32 bits, and the configuration is in
 * the CPU's byte order and has no generation.
 */
#include "../core/bytes.h"
#include "../spec/virtio_legacy.h"
#include "vdrv_mmio_impl.h"

static void legacy_read_features(struct vdrv_transport *t, uint64_t features[2])
{
    vdrv__mmio_put(t, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    features[0] = vdrv__mmio_get(t, VIRTIO_MMIO_DEVICE_FEATURES);
    features[1] = 0;
}

/*
 * The page size, too, which is forgotten in a reset: it must be known before
 * the first queue, and this comes once, before all of them.
 */
static void legacy_write_features(struct vdrv_transport *t,
                                  const uint64_t features[2])
{
    vdrv__mmio_put(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    vdrv__mmio_put(t, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features[0]);
    vdrv__mmio_put(t, VIRTIO_MMIO_GUEST_PAGE_SIZE, VIRTIO_LEGACY_ALIGN);
}

/* 4.2.4, "virtqueue configuration". */
static int legacy_queue_enable(struct vdrv_transport *t, uint32_t queue,
                               const struct vdrv_queue_area *area,
                               struct vdrv_notify *notify)
{
    const uint64_t page = area->desc >> VIRTIO_LEGACY_PAGE_SHIFT;

    if (area->vector != VDRV_NO_VECTOR)
        return VDRV_ERR_UNSUPPORTED;
    /* The ring was made for this: see vdrv_split_legacy.c and dma_limit. */
    if (area->desc % VIRTIO_LEGACY_ALIGN != 0 || page == 0 || page > UINT32_MAX)
        return VDRV_ERR_INVALID;
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    if (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_PFN) != 0)
        return vdrv__mmio_refuse(
            t, "the device says it is in use before; queue", queue);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SIZE, area->size);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_ALIGN, VIRTIO_LEGACY_ALIGN);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)page);
    if (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_PFN) != (uint32_t)page)
        return vdrv__mmio_refuse(
            t, "the device does not take the page of queue", queue);
    vdrv__mmio_set_notify(t, queue, notify);
    return VDRV_OK;
}

/* 2.5.3: the CPU's order. */
static uint32_t legacy_config_read(struct vdrv_transport *t, uint32_t offset,
                                   uint32_t width)
{
    return vdrv__renative(vdrv__mmio_config_read(t, offset, width), width);
}

static void legacy_config_write(struct vdrv_transport *t, uint32_t offset,
                                uint32_t width, uint32_t value)
{
    vdrv__mmio_config_write(t, offset, width, vdrv__renative(value, width));
}

static const struct vdrv_transport_ops legacy_ops = {
    .read_status = vdrv__mmio_read_status,
    .write_status = vdrv__mmio_write_status,
    .read_features = legacy_read_features,
    .write_features = legacy_write_features,
    .queue_max = vdrv__mmio_queue_max,
    .queue_enable = legacy_queue_enable,
    .config_read = legacy_config_read,
    .config_write = legacy_config_write,
    .irq = vdrv__mmio_irq,
};

const struct vdrv_mmio_kind vdrv_mmio_legacy = {
    .ops = &legacy_ops,
    .ring = &vdrv_queue_legacy,
    .dma_limit = VIRTIO_LEGACY_DMA_LIMIT,
};
