/* SPDX-License-Identifier: MIT */
/* Bounded waiting, by clock or by count: see wait.h. */
#include "wait.h"

static uint64_t now(const struct vdrv_hal *hal)
{
    return hal->now_us != NULL ? hal->now_us(hal->ctx) : 0;
}

void vdrv__wait_begin(struct vdrv__wait *w, const struct vdrv_hal *hal,
                      uint32_t timeout_us)
{
    w->hal = hal;
    w->timeout_us = timeout_us;
    w->polls = 0;
    w->start = now(hal);
    w->last = w->start;
}

bool vdrv__wait_more(struct vdrv__wait *w)
{
    const struct vdrv_hal *hal = w->hal;
    const uint32_t limit =
        hal->poll_limit != 0 ? hal->poll_limit : VDRV__POLL_LIMIT;
    uint64_t t;

    if (hal->relax != NULL)
        hal->relax(hal->ctx);
    t = now(hal);
    if (t != w->last) {
        w->last = t;
        w->polls = 0;
    } else if (++w->polls >= limit) {
        return false;
    }
    return w->timeout_us == VDRV__NO_TIMEOUT || t - w->start < w->timeout_us;
}

uint32_t vdrv__wait_left(const struct vdrv__wait *w)
{
    const uint64_t gone = w->last - w->start;

    if (w->timeout_us == VDRV__NO_TIMEOUT)
        return UINT32_MAX;
    return gone < w->timeout_us ? (uint32_t)(w->timeout_us - gone) : 0;
}
