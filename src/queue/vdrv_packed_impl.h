/* SPDX-License-Identifier: MIT */
/*
 * How the packed ring keeps its chains: what vdrv_packed.c and its in-order
 * sibling share.
 */
#ifndef VDRV_PACKED_IMPL_H
#define VDRV_PACKED_IMPL_H

#include "../spec/virtio_ring.h"
#include "vdrv_queue_impl.h"

#define CHAIN_MAPPED 1u /* in slot.chain: there are mappings to undo */
#define DESC_BYTES   ((int32_t)sizeof(struct pvirtq_desc))

#define TAG_NEXT     PVIRTQ_DESC_FLAG(VIRTQ_DESC_F_NEXT)
#define TAG_WRITE    PVIRTQ_DESC_FLAG(VIRTQ_DESC_F_WRITE)
#define TAG_INDIRECT PVIRTQ_DESC_FLAG(VIRTQ_DESC_F_INDIRECT)
#define TAG_AVAIL    PVIRTQ_DESC_FLAG(PVIRTQ_DESC_F_AVAIL)
#define TAG_USED     PVIRTQ_DESC_FLAG(PVIRTQ_DESC_F_USED)
#define TAG_WRAP     (TAG_AVAIL | TAG_USED)
#define TAG_ID       0xffffu
/* In the place of TAG_AVAIL: the wrap bit of an event. */
#define EVENT_TAG(w) ((w) * (TAG_AVAIL / PVIRTQ_EVENT_WRAP))

static inline struct pvirtq_desc *desc_at(const struct vdrv_queue *q,
                                          ptrdiff_t at)
{
    return (struct pvirtq_desc *)(void *)((uint8_t *)q->desc_end + at);
}

static inline int32_t ring_bytes(const struct vdrv_queue *q)
{
    return (int32_t)q->size * DESC_BYTES;
}

/* `count` descriptors on from `at`; at the end, 2.8.1: the wrap bits flip. */
static inline int32_t advance(const struct vdrv_queue *q, int32_t at,
                              uint32_t count, uint32_t *tag)
{
    at += (int32_t)count * DESC_BYTES;
    if (at < 0)
        return at;
    *tag ^= TAG_WRAP;
    return at - ring_bytes(q);
}

/*
 * How far a chain may go on from avail_at: to what is in use, or to where the
 * last descriptor of the ring begins, for the wrap is the general path's.  Set
 * at least where avail_at wraps; in between both only leave more room, so who
 * finds none sets it and looks again.
 */
static inline void set_limit(struct vdrv_queue *q)
{
    const int32_t used = q->used_at, avail = q->avail_at;
    const bool some = (uint16_t)(q->avail_idx - q->used_idx) != 0;

    q->stop_at = used > avail || (used == avail && some) ? used : -DESC_BYTES;
}

/*
 * Tells the device when to interrupt.  How many descriptors have to come back
 * before it will: what is there by now, the caller looks at next.
 */
uint32_t vdrv__packed_ask(struct vdrv_queue *q, uint32_t mode);

#endif
