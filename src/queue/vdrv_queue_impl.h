/* SPDX-License-Identifier: MIT */
/* What queue.c and the ring layouts share. */
#ifndef VDRV_QUEUE_IMPL_H
#define VDRV_QUEUE_IMPL_H

#include <virtio_drv/queue.h>

#include "../core/bytes.h"
#include "../core/reg.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Not cloned for the constants it is called with, either. */
#if defined(__clang__)
#define NOINLINE static __attribute__((noinline))
#else
#define NOINLINE static __attribute__((noipa))
#endif

#define VDRV__BYTES_MAX 0xfffffffeu /* limit is one more and fits 32 bits */

/* Writes the doorbell, whatever it is; returns 1, for a tail call. */
int vdrv__queue_notify(struct vdrv_queue *q);

/* Registers are little-endian, where rings have the CPU's order, too. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DOOR16(v) (v)
#define DOOR32(v) (v)
#else
#define DOOR16(v) __builtin_bswap16(v)
#define DOOR32(v) __builtin_bswap32(v)
#endif

/*
 * The same for kick: what is plain memory is written on the spot.  `width` is
 * of that memory, when it is known to be memory; else 0.
 */
ALWAYS_INLINE int vdrv__queue_ring(struct vdrv_queue *q, const uint32_t width)
{
#if !defined(__OPTIMIZE_SIZE__)
    if (width != 0 || likely(q->doorbell != NULL)) {
        q->stats.kicks++;
        vdrv__before_reg_write();
        if ((width != 0 ? width : q->notify.width) == 4)
            *(volatile uint32_t *)q->doorbell = DOOR32(q->notify.value);
        else
            *(volatile uint16_t *)q->doorbell =
                DOOR16((uint16_t)q->notify.value);
        return 1;
    }
#endif
    (void)width;
    return vdrv__queue_notify(q);
}

/* The same with NOTIFICATION_DATA: offset and wrap counter of what is next. */
int vdrv__queue_notify_data(struct vdrv_queue *q, uint32_t next);

#if !defined(__OPTIMIZE_SIZE__)
/* A framed chain as q->add takes it: see struct vdrv_queue. */
int vdrv__queue_framed_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                          uint64_t dma, void *cookie);
int vdrv__queue_framed_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                           uint64_t dma, void *cookie);
#endif

/*
 * How many of the `n` entries that are out are to come back without an
 * interrupt, before the one that brings it.
 */
uint32_t vdrv__queue_ahead(uint32_t mode, uint32_t n);

/* Counts a broken rule and latches PROTOCOL; returns it. */
int vdrv__queue_protocol(struct vdrv_queue *q, const char *rule);

/* The answer when a chain finds no room: INVALID, TOO_BIG or AGAIN. */
int vdrv__queue_refuse(struct vdrv_queue *q, uint64_t nsegs);

/*
 * A length that the fast check refused.  2.7.8.2: a chain without writable
 * part has length 0, but many devices say something else: that is harmless
 * and counted.  Legacy devices get it wrong for others, too (2.7.8.1).
 */
static inline bool vdrv__queue_excuse(struct vdrv_queue *q,
                                      const struct vdrv_queue_slot *s,
                                      uint32_t *len)
{
    if (s->limit != 1 && (s->limit == 0 || q->kind->lenient == 0))
        return false;
    q->stats.bad_len++;
    *len = s->limit - 1;
    return true;
}

/* A used element that cannot be, after `good` of them: what reap answers. */
int vdrv__queue_bad_used(struct vdrv_queue *q, uint32_t good);

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
 * Writes device address and length of a segment that needs no mapping into a
 * descriptor, and tells the length; false when it may need one, is empty, or
 * long: vdrv__queue_map_run() knows.  They are written before they are known
 * to be right, which needs no copies: nobody looks at a descriptor that was
 * not offered.
 */
static inline bool vdrv__queue_direct(const struct vdrv_queue *q,
                                      const struct vdrv_seg *seg,
                                      struct le64 *addr, struct le32 *len,
                                      uint64_t *n)
{
    const uint64_t word = vdrv__seg_word(seg);

    *len = le32((uint32_t)word);
    *n = word;
    /* An empty segment wraps; one with flags is above any length. */
    if (likely(word - 1 < VDRV__SHORT_SEG - 1)) {
        const uint64_t dma = (uint64_t)(uintptr_t)seg->ptr + q->direct_offset;

        *addr = le64(dma);
        return dma - q->direct_base <= q->direct_fast;
    }
    *addr = le64(seg->dma);
    *n = (uint32_t)word;
    return (word >> 32) == VDRV_SEG_MAPPED && *n - 1 < VDRV__SHORT_SEG - 1;
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

/* A walk over the runs of a chain that may need mapping. */
struct vdrv__runs {
    const struct vdrv_seg *seg;
    uint64_t n;    /* segments, */
    uint32_t nout; /* of these readable */
    uint32_t k;    /* where it is, */
    uint32_t done; /* and how far in */
    uint64_t total;
    uint64_t writable;
    uint32_t count;            /* runs so far, */
    uint32_t outs;             /* of these readable */
    struct vdrv_queue_map map; /* the last of them */
};

/* The next run, mapped; more follow while k < n. */
int vdrv__queue_next_run(const struct vdrv_queue *q, struct vdrv__runs *r);

#define VDRV__MAP_END    0x80000000u /* ends the records of an indirect table */
#define VDRV__TABLE_FULL 1

/*
 * Maps a whole chain into the records of slot `number`'s indirect table, or
 * nothing of it: an error, or VDRV__TABLE_FULL.
 */
int vdrv__queue_map_table(struct vdrv_queue *q, uint32_t number,
                          struct vdrv__runs *r);
/* The same undone; false when the chain is not in a table. */
bool vdrv__queue_unmap_table(struct vdrv_queue *q, uint32_t number);

#endif
