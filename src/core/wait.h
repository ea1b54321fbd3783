/* SPDX-License-Identifier: MIT */
/*
 * Bounded waiting.  A wait ends when its time is over by the HAL's clock, or
 * when as many polls as the HAL allows went by without that clock advancing
 * (all of them, when there is none).
 */
#ifndef VDRV_CORE_WAIT_H
#define VDRV_CORE_WAIT_H

#include <virtio_drv/hal.h>

#define VDRV__POLL_LIMIT    (1u << 28)
#define VDRV__RESET_TIMEOUT 2000000u /* us */
#define VDRV__NO_TIMEOUT    UINT32_MAX

struct vdrv__wait {
    const struct vdrv_hal *hal;
    uint64_t start;
    uint64_t last;
    uint32_t timeout_us; /* VDRV__NO_TIMEOUT: by polls only */
    uint32_t polls;
};

void vdrv__wait_begin(struct vdrv__wait *w, const struct vdrv_hal *hal,
                      uint32_t timeout_us);

/* Pauses, and says whether to go on. */
bool vdrv__wait_more(struct vdrv__wait *w);

/* What is left of the time, in microseconds. */
uint32_t vdrv__wait_left(const struct vdrv__wait *w);

#endif
