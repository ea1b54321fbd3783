/* SPDX-License-Identifier: MIT */
/*
 * The packed virtqueue whose device uses buffers in order (VirtIO 1.4, 2.8.8).
 *
 * Chains come back as they went, so buffer ids do, too: the list of free ids
 * never changes, and adding is vdrv_packed.c's.  A used descriptor stands where
 * the batch began, and its id says where it ends; it is believed when one of
 * the chains that are out and were published has that id.
 */
#include <virtio_drv/queue.h>

#include "../core/barrier.h"
#include "vdrv_packed_impl.h"

/* The id of the chain after `id`'s; with mappings it took one each. */
static inline uint32_t next_chain(const struct vdrv_queue *q, uint32_t id,
                                  uint32_t chain)
{
    id += (chain & CHAIN_MAPPED) != 0 ? chain / DESC_BYTES : 1;
    return id < q->size ? id : id - q->size;
}

/*
 * How many of the `n` chains from `own` on are a batch that ends with `id`;
 * 0: none is.
 */
static uint32_t batch_of(const struct vdrv_queue *q, uint32_t own, uint32_t id,
                         uint32_t n)
{
    if (q->map == NULL) { /* an id each, and they are in order */
        const uint32_t k = id >= own ? id - own : id + q->size - own;

        return id < q->size && k < n ? k + 1 : 0;
    }
    for (uint32_t k = 1; k <= n; k++) {
        if (own == id)
            return k;
        own = next_chain(q, own, q->slot[own].chain);
    }
    return 0;
}

#include "vdrv_in_order_batch.h"

/* The chains of a batch, up to `max`: how many. */
static inline uint32_t take_batch(struct vdrv_queue *q, struct vdrv_used *out,
                                  uint32_t max)
{
    const uint32_t n = q->batch_left < max ? q->batch_left : max;
    struct vdrv_queue_slot *const slot = q->slot;
    uint32_t own = q->done_at;
    uint32_t bytes = 0;

    for (uint32_t k = 0; k < n; k++) {
        struct vdrv_queue_slot *s = &slot[own];

        if (unlikely(q->map != NULL))
            vdrv_queue_packed.unmap(q, own);
        out[k].cookie = q->cookie[own];
        out[k].len = s->limit - 1; /* 2.8.8: what is skipped was used up */
        s->limit = 0;
        bytes += s->chain & ~CHAIN_MAPPED;
        own = q->map != NULL ? next_chain(q, own, s->chain) : s->link;
    }
    q->batch_left -= n;
    if (q->batch_left == 0)
        out[n - 1].len = q->batch_len;
    q->used_at = advance(q, q->used_at, bytes / DESC_BYTES, &q->used_tag);
    q->used_idx = (uint16_t)(q->used_idx + n);
    q->done_at = own;
    return n;
}

/* A used descriptor at `at`, each half read once: its tag, its length. */
ALWAYS_INLINE bool look(const struct vdrv_queue *q, ptrdiff_t at, uint32_t want,
                        uint32_t *tag, uint32_t *len)
{
    const struct pvirtq_desc *d = desc_at(q, at);

    *tag = shared_consume32(&d->tag); /* 2.8.21 */
    if (((*tag ^ want) & TAG_WRAP) != 0)
        return false;
    vdrv__platform_consume(q->order_platform);
    *len = shared_load32(&d->len);
    return true;
}

/*
 * Goes on where a descriptor, with this tag and length, ends several chains,
 * or in the middle of a batch.  `done` were taken, of `end` at most.
 */
NOINLINE int reap_batches(struct vdrv_queue *q, struct vdrv_used *out,
                          uint32_t done, uint32_t end, uint32_t tag,
                          uint32_t len)
{
    do {
        if (q->batch_left == 0 &&
            !begin_batch(q, tag & TAG_ID, len,
                         (uint16_t)(q->published - q->used_idx)))
            return vdrv__queue_bad_used(q, done);
        done += take_batch(q, out + done, end - done);
    } while (done != end && look(q, q->used_at, q->used_tag, &tag, &len));
    return (int)done;
}

/* Most used descriptors end one chain, and that is the next one. */
ALWAYS_INLINE int reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                            uint32_t max, const bool mapped)
{
    uint32_t n = (uint16_t)(q->published - q->used_idx), left, done;
    uint32_t want = q->used_tag, own = q->done_at, tag = 0, len = 0;
    struct vdrv_queue_slot *const slot = q->slot;
    struct vdrv_used *to = out;
    ptrdiff_t at = q->used_at;
    bool several = false;

    n = n < max ? n : max;
    if (unlikely(q->batch_left != 0))
        return reap_batches(q, out, 0, n, 0, 0);
    for (left = n; left != 0; left--, to++) {
        struct vdrv_queue_slot *s = &slot[own];

        if (!look(q, at, want, &tag, &len))
            break;
        several = (tag & TAG_ID) != own || len >= s->limit;
        if (unlikely(several))
            break;
        if (mapped)
            vdrv_queue_packed.unmap(q, own);
        to->cookie = q->cookie[own];
        to->len = len;
        s->limit = 0;
        at += (ptrdiff_t)(mapped ? s->chain & ~CHAIN_MAPPED : s->chain);
        own = mapped ? next_chain(q, own, s->chain) : s->link;
        if (unlikely(at >= 0)) { /* 2.8.1 */
            at -= ring_bytes(q);
            want ^= TAG_WRAP;
        }
    }
    done = n - left;
    q->used_at = (int32_t)at;
    q->used_tag = want;
    q->used_idx = (uint16_t)(q->used_idx + done);
    q->done_at = own;
    return likely(!several) ? (int)done
                            : reap_batches(q, out, done, n, tag, len);
}

static int reap(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max)
{
    return reap_some(q, out, max, false);
}

static int reap_mapped(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max)
{
    return reap_some(q, out, max, true);
}

/*
 * Have more than `ahead` descriptors come back?  An id that cannot be is for
 * reap to find.
 */
static bool came_back(const struct vdrv_queue *q, uint32_t ahead)
{
    uint32_t want = q->used_tag, own = q->done_at, left = q->batch_left;
    int32_t at = q->used_at;

    for (uint32_t n = (uint16_t)(q->published - q->used_idx); n > 0; n--) {
        const uint32_t chain = q->slot[own].chain, count = chain / DESC_BYTES;

        if (left == 0) {
            const uint32_t tag = shared_consume32(&desc_at(q, at)->tag);

            if (((tag ^ want) & TAG_WRAP) != 0)
                return false;
            left = batch_of(q, own, tag & TAG_ID, n);
        }
        if (left == 0 || count > ahead)
            return true;
        left--;
        ahead -= count;
        at = advance(q, at, count, &want);
        own = next_chain(q, own, chain);
    }
    return false;
}

static bool in_order_pending(const struct vdrv_queue *q)
{
    return came_back(q, 0);
}

static int in_order_arm(struct vdrv_queue *q, uint32_t mode)
{
    const uint32_t ahead = vdrv__packed_ask(q, mode);

    return mode != VDRV_ARM_OFF && came_back(q, ahead);
}

static size_t in_order_layout(uint32_t size, size_t part[3])
{
    return vdrv_queue_packed.layout(size, part);
}

static void in_order_reset(struct vdrv_queue *q)
{
    vdrv_queue_packed.reset(q);
    q->done_at = 0;
    q->batch_left = 0;
    q->reap = q->map != NULL ? reap_mapped : reap;
}

static uint32_t in_order_room(const struct vdrv_queue *q)
{
    return vdrv_queue_packed.room(q);
}

static void in_order_unmap(struct vdrv_queue *q, uint32_t number)
{
    vdrv_queue_packed.unmap(q, number);
}

const struct vdrv_queue_kind vdrv_queue_packed_in_order = {
    .name = "packed, in order",
    .layout = in_order_layout,
    .reset = in_order_reset,
    .arm = in_order_arm,
    .pending = in_order_pending,
    .room = in_order_room,
    .unmap = in_order_unmap,
    .any_order = &vdrv_queue_packed,
};
