/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO, version 2 (VirtIO 1.4, 4.2.2 and 4.2.3).  Control
 * registers take aligned 32-bit accesses only; the configuration takes the
 * width of each field.
 */
#include <virtio_drv/mmio.h>

#include "../core/bytes.h"
#include "../core/reg.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_mmio.h"

#define ALL_ONES 0xffffffffu

static struct vdrv_mmio *mmio_of(struct vdrv_transport *t)
{
    return (struct vdrv_mmio *)t; /* its first member */
}

static uint32_t get(struct vdrv_transport *t, uint32_t reg)
{
    return vdrv__reg_read(t->hal, VDRV_SPACE_MEMORY, mmio_of(t)->base + reg, 4);
}

static void put(struct vdrv_transport *t, uint32_t reg, uint32_t value)
{
    vdrv__reg_write(t->hal, VDRV_SPACE_MEMORY, mmio_of(t)->base + reg, 4,
                    value);
}

static void put64(struct vdrv_transport *t, uint32_t reg, uint64_t value)
{
    put(t, reg, (uint32_t)value);
    put(t, reg + 4, (uint32_t)(value >> 32));
}

static uint32_t mmio_read_status(struct vdrv_transport *t)
{
    return get(t, VIRTIO_MMIO_STATUS);
}

static void mmio_write_status(struct vdrv_transport *t, uint32_t status)
{
    put(t, VIRTIO_MMIO_STATUS, status);
}

static void mmio_read_features(struct vdrv_transport *t, uint64_t features[2])
{
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t word;

        put(t, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i); /* 4.2.2.2 */
        word = get(t, VIRTIO_MMIO_DEVICE_FEATURES);
        if ((i & 1u) == 0)
            features[i / 2] = word;
        else
            features[i / 2] |= word << 32;
    }
}

static void mmio_write_features(struct vdrv_transport *t,
                                const uint64_t features[2])
{
    /* After a reset all words are 0: the upper ones are seldom needed. */
    for (uint32_t i = 0; i < (features[1] != 0 ? 4u : 2u); i++) {
        put(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        put(t, VIRTIO_MMIO_DRIVER_FEATURES,
            (uint32_t)(features[i / 2] >> (32 * (i & 1u))));
    }
}

static uint32_t mmio_queue_max(struct vdrv_transport *t, uint32_t queue)
{
    put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    return get(t, VIRTIO_MMIO_QUEUE_SIZE_MAX);
}

static int refuse_queue(struct vdrv_transport *t, const char *rule,
                        uint64_t queue)
{
    vdrv_transport_log(t, VDRV_LOG_ERROR, rule, &queue);
    return VDRV_ERR_PROTOCOL;
}

/* 4.2.3.2. */
static int mmio_queue_enable(struct vdrv_transport *t, uint32_t queue,
                             const struct vdrv_queue_area *area,
                             struct vdrv_notify *notify)
{
    if (area->vector != VDRV_NO_VECTOR)
        return VDRV_ERR_UNSUPPORTED;
    put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    if (get(t, VIRTIO_MMIO_QUEUE_READY) != 0)
        return refuse_queue(t, "the device says it is ready before; queue",
                            queue);
    put(t, VIRTIO_MMIO_QUEUE_SIZE, area->size);
    put64(t, VIRTIO_MMIO_QUEUE_DESC_LOW, area->desc);
    put64(t, VIRTIO_MMIO_QUEUE_DRIVER_LOW, area->driver);
    put64(t, VIRTIO_MMIO_QUEUE_DEVICE_LOW, area->device);
    put(t, VIRTIO_MMIO_QUEUE_READY, 1);
    if (get(t, VIRTIO_MMIO_QUEUE_READY) != 1)
        return refuse_queue(t, "the device does not make it ready; queue",
                            queue);
    notify->addr = mmio_of(t)->base + VIRTIO_MMIO_QUEUE_NOTIFY;
    notify->space = VDRV_SPACE_MEMORY;
    notify->width = 4;
    notify->value = queue;
    return VDRV_OK;
}

static uint32_t mmio_config_read(struct vdrv_transport *t, uint32_t offset,
                                 uint32_t width)
{
    return vdrv__reg_read(t->hal, VDRV_SPACE_MEMORY,
                          mmio_of(t)->base + VIRTIO_MMIO_CONFIG + offset,
                          width);
}

static void mmio_config_write(struct vdrv_transport *t, uint32_t offset,
                              uint32_t width, uint32_t value)
{
    vdrv__reg_write(t->hal, VDRV_SPACE_MEMORY,
                    mmio_of(t)->base + VIRTIO_MMIO_CONFIG + offset, width,
                    value);
}

static uint32_t mmio_generation(struct vdrv_transport *t)
{
    return get(t, VIRTIO_MMIO_CONFIG_GENERATION);
}

static uint32_t mmio_irq(struct vdrv_transport *t, uint32_t vector)
{
    uint32_t status;

    if (vector != 0)
        return 0;
    status = get(t, VIRTIO_MMIO_INTERRUPT_STATUS);
    if (status == ALL_ONES) /* gone: nothing to acknowledge, and not ours */
        return 0;
    /* 4.2.2.2: undefined bits are ignored, and never acknowledged. */
    status &= VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG;
    if (status != 0)
        put(t, VIRTIO_MMIO_INTERRUPT_ACK, status);
    return status; /* the bits are VDRV_CAUSE_QUEUE and _CONFIG */
}

_Static_assert(VIRTIO_ISR_QUEUE == VDRV_CAUSE_QUEUE, "same bit");
_Static_assert(VIRTIO_ISR_CONFIG == VDRV_CAUSE_CONFIG, "same bit");

static const struct vdrv_transport_ops mmio_ops = {
    .read_status = mmio_read_status,
    .write_status = mmio_write_status,
    .read_features = mmio_read_features,
    .write_features = mmio_write_features,
    .queue_max = mmio_queue_max,
    .queue_enable = mmio_queue_enable,
    .config_read = mmio_config_read,
    .config_write = mmio_config_write,
    .generation = mmio_generation,
    .irq = mmio_irq,
};

static void set_location(char location[24], uint64_t phys)
{
    static const char prefix[] = "mmio ";
    uint32_t n = 0;
    int shift = 60;

    while (prefix[n] != '\0') {
        location[n] = prefix[n];
        n++;
    }
    while (shift > 0 && (phys >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        location[n++] = "0123456789abcdef"[(phys >> shift) & 15u];
    location[n] = '\0';
}

/* 4.2.3.1.1: magic and version first, then the id, and nothing after 0. */
static int identify(struct vdrv_mmio *mmio)
{
    struct vdrv_transport *t = &mmio->transport;
    uint64_t version;

    if (get(t, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC)
        return VDRV_ERR_NO_DEVICE;
    version = get(t, VIRTIO_MMIO_VERSION);
    mmio->version = (uint32_t)version;
    t->device_id = get(t, VIRTIO_MMIO_DEVICE_ID);
    if (t->device_id == 0 || t->device_id == ALL_ONES)
        return VDRV_ERR_NO_DEVICE; /* empty, or unplugged meanwhile */
    if (version == 1) {
        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "a version 1 (legacy) device is not driven: run "
                           "QEMU with -global virtio-mmio.force-legacy=false",
                           NULL);
        return VDRV_ERR_UNSUPPORTED;
    }
    if (version != 2) {
        vdrv_transport_log(t, VDRV_LOG_ERROR, "unknown virtio-mmio version",
                           &version);
        return VDRV_ERR_UNSUPPORTED;
    }
    t->vendor_id = get(t, VIRTIO_MMIO_VENDOR_ID);
    return VDRV_OK;
}

int vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                    uint64_t phys, uint32_t size)
{
    void *base = (void *)(uintptr_t)phys;

    if (mmio == NULL || hal == NULL || size < VDRV_MMIO_MIN_SIZE ||
        (phys & 3u) != 0 || phys + size < phys || !vdrv__reg_complete(hal))
        return VDRV_ERR_INVALID;
    if (hal->mmio_map != NULL)
        base = hal->mmio_map(hal->ctx, phys, size);
    else if ((uintptr_t)phys != phys)
        return VDRV_ERR_INVALID;
    if (base == NULL && hal->mmio_map != NULL)
        return VDRV_ERR_INVALID;
    *mmio = (struct vdrv_mmio){
        .transport =
            {
                .ops = &mmio_ops,
                .hal = hal,
                .config_size = size - VIRTIO_MMIO_CONFIG,
                .dma_limit = UINT64_MAX,
            },
        .phys = phys,
        .size = size,
        .base = (uintptr_t)base,
    };
    set_location(mmio->transport.location, phys);
    return identify(mmio);
}

int vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                   const struct vdrv_mmio_window *window, uint32_t device_id,
                   uint32_t *slot)
{
    if (mmio == NULL || hal == NULL || window == NULL || slot == NULL ||
        (window->stride & 3u) != 0 ||
        (uint64_t)window->stride * window->count > UINT64_MAX - window->phys)
        return VDRV_ERR_INVALID;
    while (*slot < window->count) {
        const uint64_t phys =
            window->phys + (uint64_t)window->stride * (*slot)++;
        const int err = vdrv_mmio_probe(mmio, hal, phys, window->stride);

        if (err == VDRV_ERR_INVALID)
            return err;
        if (err == VDRV_OK &&
            (device_id == 0 || mmio->transport.device_id == device_id))
            return VDRV_OK;
    }
    return VDRV_ERR_NO_DEVICE;
}
