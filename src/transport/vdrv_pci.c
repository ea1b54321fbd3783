/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI, the modern interface (VirtIO 1.4, 4.1.4 and 4.1.5): common
 * configuration, notification, ISR and device configuration structures, each
 * field in accesses of its own width (4.1.3.1).
 */
#include "../core/reg.h"
#include "../core/wait.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_pci.h"
#include "vdrv_pci_impl.h"

#define ENABLE_TIMEOUT 100000u /* us */
#define STATUS_GONE    0xffu

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

static struct vdrv_pci *pci_of(struct vdrv_transport *t)
{
    return (struct vdrv_pci *)t; /* its first member */
}

uint32_t vdrv__pci_read(struct vdrv_transport *t,
                        const struct vdrv_pci_region *r, uint32_t offset,
                        uint32_t width)
{
    const struct vdrv_pci *pci = pci_of(t);

    if (r->space == VDRV_SPACE_TRANSPORT)
        return pci->access->read(pci, r->bar, (uint32_t)r->addr + offset,
                                 width);
    return vdrv__reg_read(t->hal, r->space, r->addr + offset, width);
}

void vdrv__pci_write(struct vdrv_transport *t, const struct vdrv_pci_region *r,
                     uint32_t offset, uint32_t width, uint32_t value)
{
    const struct vdrv_pci *pci = pci_of(t);

    if (r->space == VDRV_SPACE_TRANSPORT)
        pci->access->write(pci, r->bar, (uint32_t)r->addr + offset, width,
                           value);
    else
        vdrv__reg_write(t->hal, r->space, r->addr + offset, width, value);
}

static uint32_t get(struct vdrv_transport *t, size_t reg, uint32_t width)
{
    return vdrv__pci_read(t, &pci_of(t)->common, (uint32_t)reg, width);
}

static void put(struct vdrv_transport *t, size_t reg, uint32_t width,
                uint32_t value)
{
    vdrv__pci_write(t, &pci_of(t)->common, (uint32_t)reg, width, value);
}

/* 4.1.3.1: 64-bit fields as two accesses of 32 bits. */
static void put64(struct vdrv_transport *t, size_t reg, uint64_t value)
{
    put(t, reg, 4, (uint32_t)value);
    put(t, reg + 4, 4, (uint32_t)(value >> 32));
}

static uint32_t pci_read_status(struct vdrv_transport *t)
{
    return get(t, COMMON(device_status), 1);
}

static void pci_write_status(struct vdrv_transport *t, uint32_t status)
{
    put(t, COMMON(device_status), 1, status);
}

static void pci_read_features(struct vdrv_transport *t, uint64_t features[2])
{
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t word;

        put(t, COMMON(device_feature_select), 4, i);
        word = get(t, COMMON(device_feature), 4);
        if ((i & 1u) == 0)
            features[i / 2] = word;
        else
            features[i / 2] |= word << 32;
    }
}

static void pci_write_features(struct vdrv_transport *t,
                               const uint64_t features[2])
{
    for (uint32_t i = 0; i < 4; i++) {
        put(t, COMMON(driver_feature_select), 4, i);
        put(t, COMMON(driver_feature), 4,
            (uint32_t)(features[i / 2] >> (32 * (i & 1u))));
    }
}

/* 4.1.5.1.3: num_queues may change with the features, so it is not kept. */
static uint32_t pci_queue_max(struct vdrv_transport *t, uint32_t queue)
{
    if (queue >= get(t, COMMON(num_queues), 2))
        return 0;
    put(t, COMMON(queue_select), 2, queue);
    return get(t, COMMON(queue_size), 2);
}

int vdrv__pci_fail(struct vdrv_transport *t, int err, const char *text,
                   uint32_t value)
{
    const uint64_t v = value;

    vdrv_transport_log(t, VDRV_LOG_ERROR, text, &v);
    return err;
}

/* A rule was broken, or the function was unplugged: then all is all ones. */
int vdrv__pci_broken(struct vdrv_transport *t, const char *text, uint32_t queue)
{
    if (t->ops->read_status(t) == STATUS_GONE)
        return VDRV_ERR_NO_DEVICE;
    return vdrv__pci_fail(t, VDRV_ERR_PROTOCOL, text, queue);
}

/* 4.1.5.1.2.1: a vector that did not take reads back as NO_VECTOR. */
int vdrv__pci_set_vector(struct vdrv_transport *t, uint32_t reg,
                         uint32_t vector)
{
    if (t->vectors == 0) /* MSI-X is off: there is nothing to be told */
        return vector == VDRV_NO_VECTOR ? VDRV_OK : VDRV_ERR_UNSUPPORTED;
    if (vector >= t->vectors && vector != VDRV_NO_VECTOR)
        return vdrv__pci_fail(t, VDRV_ERR_UNSUPPORTED, "no such MSI-X vector",
                              vector);
    put(t, reg, 2, vector);
    if (get(t, reg, 2) != vector)
        return vdrv__pci_fail(t, VDRV_ERR_UNSUPPORTED,
                              "the device refuses MSI-X vector", vector);
    return VDRV_OK;
}

static int pci_config_vector(struct vdrv_transport *t, uint32_t vector)
{
    const int err = vdrv__pci_set_vector(t, COMMON(config_msix_vector), vector);

    if (err == VDRV_OK)
        pci_of(t)->config_vector = vector;
    return err;
}

/* What is written to notify the queue: 4.1.5.2. */
static int notify_value(struct vdrv_transport *t, uint32_t queue,
                        struct vdrv_notify *notify)
{
    const size_t reg = COMMON(queue_notif_config_data);

    notify->value = queue;
    if (!vdrv_feature(t->features, VIRTIO_F_NOTIF_CONFIG_DATA))
        return VDRV_OK;
    if (pci_of(t)->common.size < reg + 2)
        return vdrv__pci_fail(t, VDRV_ERR_PROTOCOL,
                              "common configuration too short for "
                              "queue_notif_config_data; queue",
                              queue);
    notify->value = get(t, reg, 2);
    return VDRV_OK;
}

/* 4.1.4.4; the queue is selected. */
static int find_notify(struct vdrv_transport *t, uint32_t queue,
                       struct vdrv_notify *notify)
{
    const struct vdrv_pci *pci = pci_of(t);
    const uint32_t off = get(t, COMMON(queue_notify_off), 2);
    const struct vdrv__pci_fault *fault;
    uint32_t at = 0;

    notify->width =
        vdrv_feature(t->features, VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
    fault = vdrv__validate_pci_notify(&pci->notify, pci->multiplier, off,
                                      notify->width, &at);
    if (fault != NULL)
        return vdrv__pci_broken(t, fault->text, queue);
    notify->addr = pci->notify.addr + at;
    notify->space = pci->notify.space;
    return notify_value(t, queue, notify);
}

/* Where no register can be written: see find_notify(). */
static void pci_notify(struct vdrv_transport *t, const struct vdrv_notify *to,
                       uint32_t value)
{
    const struct vdrv_pci *pci = pci_of(t);

    pci->access->write(pci, pci->notify.bar, (uint32_t)to->addr, to->width,
                       value);
}

static int confirm_enabled(struct vdrv_transport *t, uint32_t queue)
{
    struct vdrv__wait w;

    vdrv__wait_begin(&w, t->hal, ENABLE_TIMEOUT);
    while (get(t, COMMON(queue_enable), 2) != 1)
        if (!vdrv__wait_more(&w))
            return vdrv__pci_broken(t, "queue does not become enabled:", queue);
    return VDRV_OK;
}

/* 4.1.5.1.3; queue_enable is last (4.1.4.3.2), and 0 is never written. */
static int pci_queue_enable(struct vdrv_transport *t, uint32_t queue,
                            const struct vdrv_queue_area *area,
                            struct vdrv_notify *notify)
{
    int err;

    put(t, COMMON(queue_select), 2, queue);
    if (get(t, COMMON(queue_enable), 2) != 0)
        return vdrv__pci_broken(t, "queue is enabled already:", queue);
    err = find_notify(t, queue, notify);
    if (err == VDRV_OK)
        err = vdrv__pci_set_vector(t, COMMON(queue_msix_vector), area->vector);
    if (err != VDRV_OK)
        return err;
    put(t, COMMON(queue_size), 2, area->size);
    put64(t, COMMON(queue_desc), area->desc);
    put64(t, COMMON(queue_driver), area->driver);
    put64(t, COMMON(queue_device), area->device);
    put(t, COMMON(queue_enable), 2, 1);
    return confirm_enabled(t, queue);
}

/* 2.6.1, 4.1.4.3.2: over when both queue_reset and queue_enable read 0. */
static int pci_queue_reset(struct vdrv_transport *t, uint32_t queue)
{
    const size_t reg = COMMON(queue_reset);
    struct vdrv__wait w;

    if (pci_of(t)->common.size < reg + 2)
        return vdrv__pci_fail(
            t, VDRV_ERR_UNSUPPORTED,
            "common configuration too short for queue_reset; queue", queue);
    put(t, COMMON(queue_select), 2, queue);
    put(t, reg, 2, 1);
    vdrv__wait_begin(&w, t->hal, VDRV__RESET_TIMEOUT);
    while (get(t, reg, 2) != 0)
        if (!vdrv__wait_more(&w))
            return vdrv__pci_broken(
                t, "the device does not finish the reset of queue", queue);
    if (get(t, COMMON(queue_enable), 2) != 0)
        return vdrv__pci_broken(t, "reset, and enabled all the same: queue",
                                queue);
    return VDRV_OK;
}

static bool config_ok(const struct vdrv_pci_region *r, uint32_t offset,
                      uint32_t width)
{
    return (uint64_t)offset + width <= r->size;
}

static uint32_t pci_config_read(struct vdrv_transport *t, uint32_t offset,
                                uint32_t width)
{
    const struct vdrv_pci_region *r = &pci_of(t)->config;

    if (!config_ok(r, offset, width))
        return UINT32_MAX;
    return vdrv__pci_read(t, r, offset, width);
}

static void pci_config_write(struct vdrv_transport *t, uint32_t offset,
                             uint32_t width, uint32_t value)
{
    const struct vdrv_pci_region *r = &pci_of(t)->config;

    if (config_ok(r, offset, width))
        vdrv__pci_write(t, r, offset, width, value);
}

static uint32_t pci_generation(struct vdrv_transport *t)
{
    return get(t, COMMON(config_generation), 1);
}

_Static_assert(VIRTIO_ISR_QUEUE == VDRV_CAUSE_QUEUE, "same bit");
_Static_assert(VIRTIO_ISR_CONFIG == VDRV_CAUSE_CONFIG, "same bit");

/* 4.1.4.5: reading the ISR clears it and drops the line: once, and whole. */
uint32_t vdrv__pci_irq(struct vdrv_transport *t, uint32_t vector)
{
    const struct vdrv_pci *pci = pci_of(t);
    uint32_t isr;

    if (t->vectors != 0) /* 4.1.4.5.2: the ISR is not touched with MSI-X */
        return vector == pci->config_vector
                   ? VDRV_CAUSE_QUEUE | VDRV_CAUSE_CONFIG
                   : VDRV_CAUSE_QUEUE;
    if (vector != 0)
        return 0;
    isr = vdrv__pci_read(t, &pci->isr, 0, 1);
    if (isr == 0xffu) /* gone: not ours */
        return 0;
    return isr & (VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
}

const struct vdrv_transport_ops vdrv__pci_ops = {
    .read_status = pci_read_status,
    .write_status = pci_write_status,
    .read_features = pci_read_features,
    .write_features = pci_write_features,
    .queue_max = pci_queue_max,
    .queue_enable = pci_queue_enable,
    .config_read = pci_config_read,
    .config_write = pci_config_write,
    .generation = pci_generation,
    .irq = vdrv__pci_irq,
    .config_vector = pci_config_vector,
    .queue_reset = pci_queue_reset,
    .restore = vdrv__pci_restore,
    .shared_memory = vdrv__pci_shared_memory,
    .notify = pci_notify,
};
