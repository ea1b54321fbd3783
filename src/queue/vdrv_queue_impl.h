/* SPDX-License-Identifier: MIT */
/* What queue.c and the ring layouts share. */
#ifndef VDRV_QUEUE_IMPL_H
#define VDRV_QUEUE_IMPL_H

#include <virtio_drv/queue.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Writes the doorbell; returns 1, for a tail call from kick. */
int vdrv__queue_notify(struct vdrv_queue *q);

/* Counts a broken rule and latches PROTOCOL; returns it. */
int vdrv__queue_protocol(struct vdrv_queue *q, const char *rule);

/* The answer when a chain finds no room: INVALID, TOO_BIG or AGAIN. */
int vdrv__queue_refuse(const struct vdrv_queue *q, uint64_t nsegs);

/*
 * The device address of a segment that needs no mapping; false when it needs
 * one, or is empty.
 */
static inline bool vdrv__queue_direct(const struct vdrv_queue *q,
                                      const struct vdrv_seg *seg,
                                      uint64_t *addr)
{
    const uint64_t off = (uint64_t)(uintptr_t)seg->ptr - q->direct_base;

    if (unlikely((seg->flags & VDRV_SEG_MAPPED) != 0)) {
        *addr = seg->dma;
        return seg->len != 0;
    }
    *addr = (uint64_t)(uintptr_t)seg->ptr + q->direct_offset;
    /* An empty segment's length - 1 wraps and fits nowhere. */
    return off <= q->direct_last &&
           (uint64_t)seg->len - 1 <= q->direct_last - off;
}

/*
 * Maps the front of a segment: VDRV_OK with the address and how far it
 * reaches, and a record that says how to undo it.
 */
int vdrv__queue_map_run(const struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t done, uint32_t dir,
                        struct vdrv_queue_map *map);
void vdrv__queue_unmap(const struct vdrv_queue *q,
                       const struct vdrv_queue_map *map);

#endif
