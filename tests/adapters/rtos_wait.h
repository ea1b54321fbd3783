/* SPDX-License-Identifier: MIT */
/*
 * Sleeping in blocking calls, as an RTOS does it: the HAL's wait and wake, and
 * the interrupt handler that belongs to them.
 *
 *     hal.wait = rtos_wait;
 *     hal.wake = rtos_wake;
 *     ... init the driver, then
 *     disk.block.dev.user = &port;
 *
 * Who calls the device holds port.lock; a caller that waits lets go of it.
 */
#ifndef RTOS_WAIT_H
#define RTOS_WAIT_H

#include <virtio_drv/hal.h>

#include "rtos_shape.h"

struct rtos_sleeper;

struct rtos_port {
    struct rtos_mutex lock; /* one caller of the device at a time */
    /* Private: kept in critical sections. */
    struct rtos_sleeper *sleepers;
    uint32_t events; /* interrupts and wakes so far */
    uint32_t seen;   /* those that a caller has looked at, or is about to */
};

void rtos_port_init(struct rtos_port *port);
void rtos_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
               uint32_t max_us);
void rtos_wake(void *ctx, struct vdrv_device *dev, uint32_t queue);
void rtos_interrupt(struct vdrv_device *dev);

#endif
