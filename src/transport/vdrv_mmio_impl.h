/* SPDX-License-Identifier: MIT */
/* What both versions of virtio over MMIO have in common. */
#ifndef VDRV_TRANSPORT_MMIO_IMPL_H
#define VDRV_TRANSPORT_MMIO_IMPL_H

#include <virtio_drv/mmio.h>

#include "../core/reg.h"
#include "../spec/virtio_mmio.h"

static inline struct vdrv_mmio *vdrv__mmio_of(struct vdrv_transport *t)
{
    return (struct vdrv_mmio *)t; /* its first member */
}

static inline uint32_t vdrv__mmio_get(struct vdrv_transport *t, uint32_t reg)
{
    return vdrv__reg_read(t->hal, VDRV_SPACE_MEMORY,
                          vdrv__mmio_of(t)->base + reg, 4);
}

static inline void vdrv__mmio_put(struct vdrv_transport *t, uint32_t reg,
                                  uint32_t value)
{
    vdrv__reg_write(t->hal, VDRV_SPACE_MEMORY, vdrv__mmio_of(t)->base + reg, 4,
                    value);
}

/* Operations as in struct vdrv_transport_ops. */
uint32_t vdrv__mmio_read_status(struct vdrv_transport *t);
void vdrv__mmio_write_status(struct vdrv_transport *t, uint32_t status);
uint32_t vdrv__mmio_queue_max(struct vdrv_transport *t, uint32_t queue);
uint32_t vdrv__mmio_config_read(struct vdrv_transport *t, uint32_t offset,
                                uint32_t width);
void vdrv__mmio_config_write(struct vdrv_transport *t, uint32_t offset,
                             uint32_t width, uint32_t value);
uint32_t vdrv__mmio_irq(struct vdrv_transport *t, uint32_t vector);

/* Where a queue is notified. */
void vdrv__mmio_set_notify(struct vdrv_transport *t, uint32_t queue,
                           struct vdrv_notify *notify);

/* Logs which rule a queue broke; PROTOCOL. */
int vdrv__mmio_refuse(struct vdrv_transport *t, const char *rule,
                      uint64_t queue);

#endif
