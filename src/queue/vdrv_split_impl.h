/* SPDX-License-Identifier: MIT */
/*
 * How the split ring keeps its chains: what vdrv_split.c and its in-order
 * sibling share.
 */
#ifndef VDRV_SPLIT_IMPL_H
#define VDRV_SPLIT_IMPL_H

#include "../spec/virtio_ring.h"
#include "vdrv_queue_impl.h"

/*
 * Descriptors and slots are named by their offset in bytes, which is the same
 * for both: `at` is 16 times the number.
 */
#define AT(i)      ((uint32_t)(i) << 4)
#define NUMBER(at) ((at) >> 4)

_Static_assert(sizeof(struct vdrv_queue_slot) == sizeof(struct virtq_desc),
               "one offset for both");

static inline struct vdrv_queue_slot *slot_at(const struct vdrv_queue *q,
                                              size_t at)
{
    return (struct vdrv_queue_slot *)(void *)((uint8_t *)q->slot + at);
}

static inline struct virtq_desc *desc_at(const struct vdrv_queue *q, size_t at)
{
    return (struct virtq_desc *)(void *)((uint8_t *)q->desc + at);
}

/*
 * A link is what a descriptor ends with that has a next one: its number, and
 * the NEXT flag.
 */
static inline uint32_t link_to(uint32_t number)
{
    return number << 16 | VIRTQ_DESC_F_NEXT;
}

static inline size_t link_number(size_t link)
{
    return link >> 16;
}

static inline size_t link_at(size_t link)
{
    return link >> 12; /* NEXT falls out */
}

/*
 * What slot[].chain says of a chain: the number of its last descriptor, and
 * how many it has, to which the flag of a link is made.  The counts of all
 * that are out add up to the size of the ring at most, so that the sum of
 * these words has the sum of the counts in its lower half.
 */
#define CHAIN_MAPPED 0x80000000u /* there are mappings to undo */

static inline uint32_t chain_of(size_t link_to_last, uint32_t count)
{
    return (uint32_t)link_to_last + (count - VIRTQ_DESC_F_NEXT);
}

static inline size_t chain_tail(uint32_t chain)
{
    return chain >> 12 & 0x7fff0u;
}

static inline uint32_t chain_count(uint32_t chain)
{
    return chain & 0xffffu;
}

#endif
