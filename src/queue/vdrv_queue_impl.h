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

/* Segments shorter than this are translated in two comparisons. */
#define VDRV__SHORT_SEG 0x1000000u

/* len | flags << 32: in one load where the byte order allows. */
static inline uint64_t vdrv__seg_word(const struct vdrv_seg *seg)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;

    __builtin_memcpy(&word,
                     (const uint8_t *)seg + offsetof(struct vdrv_seg, len),
                     sizeof(word));
    return word;
#else
    return (uint64_t)seg->flags << 32 | seg->len;
#endif
}

_Static_assert(offsetof(struct vdrv_seg, flags) ==
                   offsetof(struct vdrv_seg, len) + 4,
               "len and flags are one word");

/*
 * The device address and the length of a segment that needs no mapping; false
 * when it may need one, is empty, or long: vdrv__queue_map_run() knows.
 */
static inline bool vdrv__queue_direct(const struct vdrv_queue *q,
                                      const struct vdrv_seg *seg,
                                      uint64_t *addr, uint64_t *len)
{
    const uint64_t word = vdrv__seg_word(seg);

    *len = word;
    /* An empty segment wraps; one with flags is above any length. */
    if (likely(word - 1 < VDRV__SHORT_SEG - 1)) {
        const uint64_t off = (uint64_t)(uintptr_t)seg->ptr - q->direct_base;

        *addr = (uint64_t)(uintptr_t)seg->ptr + q->direct_offset;
        return off <= q->direct_fast;
    }
    *addr = seg->dma;
    *len = (uint32_t)word;
    return (word >> 32) == VDRV_SEG_MAPPED && *len - 1 < VDRV__SHORT_SEG - 1;
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
