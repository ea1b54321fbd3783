/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO, version 2 (VirtIO 1.4, 4.2.2 and 4.2.3).  Control
 * registers take aligned 32-bit accesses only; the configuration takes the
 * width of each field.
 */
#include "../core/bytes.h"
#include "../core/wait.h"
#include "../spec/virtio_config.h"
#include "vdrv_mmio_impl.h"

#define ALL_ONES 0xffffffffu

uint32_t vdrv__mmio_read_status(struct vdrv_transport *t)
{
    return vdrv__mmio_get(t, VIRTIO_MMIO_STATUS);
}

void vdrv__mmio_write_status(struct vdrv_transport *t, uint32_t status)
{
    vdrv__mmio_put(t, VIRTIO_MMIO_STATUS, status);
}

static void put64(struct vdrv_transport *t, uint32_t reg, uint64_t value)
{
    vdrv__mmio_put(t, reg, (uint32_t)value);
    vdrv__mmio_put(t, reg + 4, (uint32_t)(value >> 32));
}

static uint64_t get64(struct vdrv_transport *t, uint32_t reg)
{
    const uint64_t low = vdrv__mmio_get(t, reg);

    return low | (uint64_t)vdrv__mmio_get(t, reg + 4) << 32;
}

static void mmio_read_features(struct vdrv_transport *t, uint64_t features[2])
{
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t word;

        vdrv__mmio_put(t, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i); /* 4.2.2.2 */
        word = vdrv__mmio_get(t, VIRTIO_MMIO_DEVICE_FEATURES);
        if ((i & 1u) == 0)
            features[i / 2] = word;
        else
            features[i / 2] |= word << 32;
    }
    /* 2.9: there is no register to read such data from. */
    features[0] &= ~(UINT64_C(1) << VIRTIO_F_NOTIF_CONFIG_DATA);
}

static void mmio_write_features(struct vdrv_transport *t,
                                const uint64_t features[2])
{
    /* After a reset all words are 0: the upper ones are seldom needed. */
    for (uint32_t i = 0; i < (features[1] != 0 ? 4u : 2u); i++) {
        vdrv__mmio_put(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        vdrv__mmio_put(t, VIRTIO_MMIO_DRIVER_FEATURES,
                       (uint32_t)(features[i / 2] >> (32 * (i & 1u))));
    }
}

uint32_t vdrv__mmio_queue_max(struct vdrv_transport *t, uint32_t queue)
{
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    return vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_SIZE_MAX);
}

int vdrv__mmio_refuse(struct vdrv_transport *t, const char *rule,
                      uint64_t queue)
{
    vdrv_transport_log(t, VDRV_LOG_ERROR, rule, &queue);
    return VDRV_ERR_PROTOCOL;
}

void vdrv__mmio_set_notify(struct vdrv_transport *t, uint32_t queue,
                           struct vdrv_notify *notify)
{
    notify->addr = vdrv__mmio_of(t)->base + VIRTIO_MMIO_QUEUE_NOTIFY;
    notify->space = VDRV_SPACE_MEMORY;
    notify->width = 4;
    notify->value = queue;
}

/* 4.2.3.2. */
static int mmio_queue_enable(struct vdrv_transport *t, uint32_t queue,
                             const struct vdrv_queue_area *area,
                             struct vdrv_notify *notify)
{
    if (area->vector != VDRV_NO_VECTOR)
        return VDRV_ERR_UNSUPPORTED;
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    if (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_READY) != 0)
        return vdrv__mmio_refuse(t, "the device says it is ready before; queue",
                                 queue);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SIZE, area->size);
    put64(t, VIRTIO_MMIO_QUEUE_DESC_LOW, area->desc);
    put64(t, VIRTIO_MMIO_QUEUE_DRIVER_LOW, area->driver);
    put64(t, VIRTIO_MMIO_QUEUE_DEVICE_LOW, area->device);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_READY, 1);
    if (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_READY) != 1)
        return vdrv__mmio_refuse(t, "the device does not make it ready; queue",
                                 queue);
    vdrv__mmio_set_notify(t, queue, notify);
    return VDRV_OK;
}

/* 2.6.1, 4.2.2.2: over when both QueueReset and QueueReady read 0. */
static int mmio_queue_reset(struct vdrv_transport *t, uint32_t queue)
{
    struct vdrv__wait w;

    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_SEL, queue);
    vdrv__mmio_put(t, VIRTIO_MMIO_QUEUE_RESET, 1);
    vdrv__wait_begin(&w, t->hal, VDRV__RESET_TIMEOUT);
    while (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_RESET) != 0)
        if (!vdrv__wait_more(&w))
            return vdrv__mmio_refuse(
                t, "the device does not finish the reset of queue", queue);
    if (vdrv__mmio_get(t, VIRTIO_MMIO_QUEUE_READY) != 0)
        return vdrv__mmio_refuse(t, "reset, and ready all the same: queue",
                                 queue);
    return VDRV_OK;
}

uint32_t vdrv__mmio_config_read(struct vdrv_transport *t, uint32_t offset,
                                uint32_t width)
{
    return vdrv__reg_read(t->hal, VDRV_SPACE_MEMORY,
                          vdrv__mmio_of(t)->base + VIRTIO_MMIO_CONFIG + offset,
                          width);
}

void vdrv__mmio_config_write(struct vdrv_transport *t, uint32_t offset,
                             uint32_t width, uint32_t value)
{
    vdrv__reg_write(t->hal, VDRV_SPACE_MEMORY,
                    vdrv__mmio_of(t)->base + VIRTIO_MMIO_CONFIG + offset, width,
                    value);
}

static uint32_t mmio_generation(struct vdrv_transport *t)
{
    return vdrv__mmio_get(t, VIRTIO_MMIO_CONFIG_GENERATION);
}

uint32_t vdrv__mmio_irq(struct vdrv_transport *t, uint32_t vector)
{
    uint32_t status;

    if (vector != 0)
        return 0;
    status = vdrv__mmio_get(t, VIRTIO_MMIO_INTERRUPT_STATUS);
    if (status == ALL_ONES) /* gone: nothing to acknowledge, and not ours */
        return 0;
    /* 4.2.2.2: undefined bits are ignored, and never acknowledged. */
    status &= VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG;
    if (status != 0)
        vdrv__mmio_put(t, VIRTIO_MMIO_INTERRUPT_ACK, status);
    return status; /* the bits are VDRV_CAUSE_QUEUE and _CONFIG */
}

_Static_assert(VIRTIO_ISR_QUEUE == VDRV_CAUSE_QUEUE, "same bit");
_Static_assert(VIRTIO_ISR_CONFIG == VDRV_CAUSE_CONFIG, "same bit");

/* 4.2.2, SHMSel to SHMBase. */
static int mmio_shared_memory(struct vdrv_transport *t, uint32_t id,
                              struct vdrv_shared_memory *out)
{
    vdrv__mmio_put(t, VIRTIO_MMIO_SHM_SEL, id);
    out->len = get64(t, VIRTIO_MMIO_SHM_LEN_LOW);
    if (out->len == UINT64_MAX) /* there is none, or nothing at all */
        return vdrv_transport_health(t) == VDRV_ERR_NO_DEVICE
                   ? VDRV_ERR_NO_DEVICE
                   : VDRV_ERR_UNSUPPORTED;
    out->phys = get64(t, VIRTIO_MMIO_SHM_BASE_LOW);
    if (out->len == 0 || out->phys + out->len - 1 < out->phys)
        return vdrv__mmio_refuse(t, "no such place for shared memory; region",
                                 id);
    return VDRV_OK;
}

static const struct vdrv_transport_ops mmio_ops = {
    .read_status = vdrv__mmio_read_status,
    .write_status = vdrv__mmio_write_status,
    .read_features = mmio_read_features,
    .write_features = mmio_write_features,
    .queue_max = vdrv__mmio_queue_max,
    .queue_enable = mmio_queue_enable,
    .config_read = vdrv__mmio_config_read,
    .config_write = vdrv__mmio_config_write,
    .generation = mmio_generation,
    .irq = vdrv__mmio_irq,
    .queue_reset = mmio_queue_reset,
    .shared_memory = mmio_shared_memory,
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
static int identify(struct vdrv_mmio *mmio, const struct vdrv_mmio_kind *legacy)
{
    struct vdrv_transport *t = &mmio->transport;
    uint64_t version;

    if (vdrv__mmio_get(t, VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC)
        return VDRV_ERR_NO_DEVICE;
    version = vdrv__mmio_get(t, VIRTIO_MMIO_VERSION);
    mmio->version = (uint32_t)version;
    t->device_id = vdrv__mmio_get(t, VIRTIO_MMIO_DEVICE_ID);
    if (t->device_id == 0 || t->device_id == ALL_ONES)
        return VDRV_ERR_NO_DEVICE; /* empty, or unplugged meanwhile */
    if (version == 1 && legacy == NULL) {
        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "a version 1 (legacy) device: probe with "
                           "vdrv_mmio_legacy, or run QEMU with -global "
                           "virtio-mmio.force-legacy=false",
                           NULL);
        return VDRV_ERR_UNSUPPORTED;
    }
    if (version != 1 && version != 2) {
        vdrv_transport_log(t, VDRV_LOG_ERROR, "unknown virtio-mmio version",
                           &version);
        return VDRV_ERR_UNSUPPORTED;
    }
    t->vendor_id = vdrv__mmio_get(t, VIRTIO_MMIO_VENDOR_ID);
    if (version == 1) {
        t->ops = legacy->ops;
        t->ring = legacy->ring;
        t->dma_limit = legacy->dma_limit;
        t->flags = VDRV_TRANSPORT_LEGACY;
    }
    return VDRV_OK;
}

int vdrv_mmio_probe_any(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                        uint64_t phys, uint32_t size,
                        const struct vdrv_mmio_kind *legacy)
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
    return identify(mmio, legacy);
}

int vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                    uint64_t phys, uint32_t size)
{
    return vdrv_mmio_probe_any(mmio, hal, phys, size, NULL);
}

int vdrv_mmio_scan_any(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                       const struct vdrv_mmio_window *window,
                       uint32_t device_id, const struct vdrv_mmio_kind *legacy,
                       uint32_t *slot)
{
    if (mmio == NULL || hal == NULL || window == NULL || slot == NULL ||
        (window->stride & 3u) != 0 ||
        (uint64_t)window->stride * window->count > UINT64_MAX - window->phys)
        return VDRV_ERR_INVALID;
    while (*slot < window->count) {
        const uint64_t phys =
            window->phys + (uint64_t)window->stride * (*slot)++;
        const int err =
            vdrv_mmio_probe_any(mmio, hal, phys, window->stride, legacy);

        if (err == VDRV_ERR_INVALID)
            return err;
        if (err == VDRV_OK &&
            (device_id == 0 || mmio->transport.device_id == device_id))
            return VDRV_OK;
    }
    return VDRV_ERR_NO_DEVICE;
}

int vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                   const struct vdrv_mmio_window *window, uint32_t device_id,
                   uint32_t *slot)
{
    return vdrv_mmio_scan_any(mmio, hal, window, device_id, NULL, slot);
}
