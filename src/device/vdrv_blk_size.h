/* SPDX-License-Identifier: MIT */
/*
 * A disk's size, which one caller may change while others read it.  Where 64
 * bits are read in one piece that is all there is to it.  Elsewhere the size
 * has two places and a counter that says which one holds: the writer fills in
 * the other one and then counts on, and a reader who finds the counter as it
 * was has read a place that nobody was writing to.
 */
#ifndef VDRV_BLK_SIZE_H
#define VDRV_BLK_SIZE_H

#include "../core/barrier.h"

#define VDRV__SIZE_ATTEMPTS 4

static inline void vdrv__halves_write(uint32_t half[4], uint32_t *turn,
                                      uint64_t value)
{
    uint32_t *next = half + (size_t)2 * ((*turn + 1) & 1u);

    /* With release, each: not before the count that took it out of use. */
    vdrv__status_set((int32_t *)&next[0], (int32_t)(uint32_t)value);
    vdrv__status_set((int32_t *)&next[1], (int32_t)(uint32_t)(value >> 32));
    vdrv__count(turn);
}

static inline uint64_t vdrv__halves_read(const uint32_t half[4],
                                         const uint32_t *turn)
{
    for (int i = 0; i < VDRV__SIZE_ATTEMPTS; i++) {
        const uint32_t before = vdrv__counted(turn);
        const uint32_t *at = half + (size_t)2 * (before & 1u);
        const uint32_t low = vdrv__counted(&at[0]);
        const uint32_t high = vdrv__counted(&at[1]);

        if (vdrv__counted(turn) == before)
            return low | (uint64_t)high << 32;
    }
    return 0; /* changed four times meanwhile: nothing is certain, or inside */
}

#endif
