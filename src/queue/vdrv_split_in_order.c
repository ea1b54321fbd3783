/* SPDX-License-Identifier: MIT */
/*
 * The split virtqueue whose device uses buffers in order (VirtIO 1.4, 2.7.9).
 *
 * Chains come back as they went, so the list of free descriptors never changes:
 * each is followed by the next one of the table, as 2.7.5 and 2.7.5.3 want it
 * for IN_ORDER, and adding is vdrv_split.c's.  Which chain is next to come back
 * the driver knows; a used element only says how far a batch goes, and it is
 * believed when one of the chains that are out and were published, as many as
 * the used index counts, has that head.
 */
#include <virtio_drv/queue.h>

#include "../core/barrier.h"
#include "vdrv_split_impl.h"

/* The head of the next chain: after this one's last descriptor. */
static inline uint32_t next_chain(const struct vdrv_queue *q, uint32_t chain)
{
    return ((chain >> 16) + 1) & q->mask; /* CHAIN_MAPPED falls out */
}

/*
 * How many of the `n` chains from `head` on are a batch that ends with `id`;
 * 0: none is.
 */
static inline uint32_t batch_of(const struct vdrv_queue *q, uint32_t head,
                                uint32_t id, uint32_t n)
{
    for (uint32_t k = 1; k <= n; k++) {
        if (head == id)
            return k;
        head = next_chain(q, q->slot[head].chain);
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
    uint32_t head = q->done_at, chains = 0;

    for (uint32_t k = 0; q->map != NULL && k < n; k++) {
        vdrv_queue_split.unmap(q, head);
        head = next_chain(q, slot[head].chain);
    }
    head = q->done_at;
    for (uint32_t k = 0; k < n; k++) {
        struct vdrv_queue_slot *s = &slot[head];

        out[k].cookie = q->cookie[head];
        out[k].len = s->limit - 1; /* 2.7.9: what is skipped was used up */
        s->limit = 0;
        chains += s->chain;
        head = next_chain(q, s->chain);
    }
    q->batch_left -= n;
    if (q->batch_left == 0)
        out[n - 1].len = q->batch_len;
    q->nfree += chain_count(chains);
    q->used_idx = (uint16_t)(q->used_idx + n);
    q->done_at = head;
    return n;
}

/*
 * Goes on in the middle of a batch, or where an element with this id, and the
 * length in batch_len, ends several chains.  `done` were taken of `want`; the
 * used index counts `n`.
 */
NOINLINE int reap_batches(struct vdrv_queue *q, struct vdrv_used *out,
                          uint32_t done, uint32_t want, uint32_t n, uint32_t id)
{
    const struct virtq_used *used = q->device;
    const struct virtq_used_elem *e;
    uint32_t len = q->batch_len;

    for (;;) {
        if (q->batch_left == 0 && !begin_batch(q, id, len, n - done))
            return vdrv__queue_bad_used(q, done);
        done += take_batch(q, out + done, want - done);
        if (done == want)
            return (int)done;
        e = &used->ring[q->used_idx & q->mask];
        id = shared_load32(&e->id);
        len = shared_load32(&e->len);
    }
}

/* Most elements end one chain each, and that is the next one. */
ALWAYS_INLINE int reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                            uint32_t max, const bool mapped)
{
    const struct virtq_used *used = q->device;
    const uint16_t idx = shared_consume16(&used->idx); /* 2.7.14 */
    uint32_t pos = q->used_idx, head = q->done_at, chains = 0, id = 0, end;
    const uint32_t n = (uint16_t)(idx - pos), want = n < max ? n : max;
    struct vdrv_used *to = out;

    if (unlikely(n > (uint16_t)(q->published - pos)))
        return vdrv__queue_protocol(q, "used index beyond what was offered; "
                                       "queue");
    vdrv__platform_consume(q->order_platform);
    if (unlikely(q->batch_left != 0))
        return reap_batches(q, out, 0, want, n, 0);
    for (end = pos + want; pos != end; pos++, to++) {
        const struct virtq_used_elem *e = &used->ring[pos & q->mask];
        struct vdrv_queue_slot *s = &q->slot[head];
        uint32_t len;

        id = shared_load32(&e->id);
        len = shared_load32(&e->len);
        if (unlikely(id != head) || unlikely(len >= s->limit)) {
            q->batch_len = len;
            break;
        }
        if (mapped)
            vdrv_queue_split.unmap(q, head);
        to->cookie = q->cookie[head];
        to->len = len;
        s->limit = 0;
        chains += s->chain;
        head = next_chain(q, s->chain);
    }
    end = (uint16_t)(pos - q->used_idx);
    q->used_idx = (uint16_t)pos;
    q->done_at = head;
    q->nfree += chain_count(chains); /* they add up to no more than size */
    return likely(end == want) ? (int)want
                               : reap_batches(q, out, end, want, n, id);
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

static size_t in_order_layout(uint32_t size, size_t part[3])
{
    return vdrv_queue_split.layout(size, part);
}

static void in_order_reset(struct vdrv_queue *q)
{
    vdrv_queue_split.reset(q);
    q->done_at = 0;
    q->batch_left = 0;
    q->reap = q->map != NULL ? reap_mapped : reap;
}

static int in_order_arm(struct vdrv_queue *q, uint32_t mode)
{
    return vdrv_queue_split.arm(q, mode);
}

static bool in_order_pending(const struct vdrv_queue *q)
{
    return vdrv_queue_split.pending(q);
}

static uint32_t in_order_room(const struct vdrv_queue *q)
{
    return vdrv_queue_split.room(q);
}

static void in_order_unmap(struct vdrv_queue *q, uint32_t number)
{
    vdrv_queue_split.unmap(q, number);
}

const struct vdrv_queue_kind vdrv_queue_split_in_order = {
    .name = "split, in order",
    .layout = in_order_layout,
    .reset = in_order_reset,
    .arm = in_order_arm,
    .pending = in_order_pending,
    .room = in_order_room,
    .unmap = in_order_unmap,
    .any_order = &vdrv_queue_split,
};
