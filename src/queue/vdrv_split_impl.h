/* SPDX-License-Identifier: MIT */
/*
 * How the split ring keeps its chains: what vdrv_split.c and its in-order
 * sibling share.
 */
#ifndef VDRV_SPLIT_IMPL_H
#define VDRV_SPLIT_IMPL_H

#include "../spec/virtio_ring.h"
#include "vdrv_queue_impl.h"

#define CHAIN_MAPPED 0x8000u /* the chain has mappings to undo */

/*
 * Descriptors and slots are named by their offset in bytes, which is the same
 * for both: `at` is 16 times the number, as a link's upper bits give it.
 */
#define AT(i)      ((uint32_t)(i) << 4)
#define NUMBER(at) ((at) >> 4)

_Static_assert(sizeof(struct vdrv_queue_slot) == sizeof(struct virtq_desc),
               "one offset for both");

static inline struct vdrv_queue_slot *slot_at(const struct vdrv_queue *q,
                                              uint32_t at)
{
    return (struct vdrv_queue_slot *)(void *)((uint8_t *)q->slot + at);
}

static inline struct virtq_desc *desc_at(const struct vdrv_queue *q,
                                         uint32_t at)
{
    return (struct virtq_desc *)(void *)((uint8_t *)q->desc + at);
}

static inline uint64_t link_to(uint32_t at)
{
    return VIRTQ_DESC_FLAG(VIRTQ_DESC_F_NEXT) | (uint64_t)at << 44;
}

static inline uint32_t link_next(uint64_t link)
{
    return (uint32_t)(link >> 44); /* no flag is that high */
}

static inline uint32_t chain_of(uint32_t tail_at, uint32_t count)
{
    return NUMBER(tail_at) | count << 16;
}

static inline uint32_t chain_tail(uint32_t chain)
{
    return AT(chain & 0x7fffu);
}

static inline uint32_t chain_count(uint32_t chain)
{
    return chain >> 16;
}

#endif
