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

static inline uint32_t next_chain(const struct vdrv_queue *q, uint32_t at,
                                  const struct vdrv_queue_slot *s)
{
    return (at + AT(chain_count(s->chain))) & AT(q->mask);
}

/*
 * How many of the `n` chains from `at` on are a batch that ends with head
 * `id`; 0: none is.
 */
static inline uint32_t batch_of(const struct vdrv_queue *q, uint32_t at,
                                uint32_t id, uint32_t n)
{
    for (uint32_t k = 1; k <= n; k++) {
        if (NUMBER(at) == id)
            return k;
        at = next_chain(q, at, slot_at(q, at));
    }
    return 0;
}

/* Looks at the used element at `pos`; false: it cannot be. */
static inline bool begin_batch(struct vdrv_queue *q, uint32_t pos, uint32_t at,
                               uint32_t n)
{
    const struct virtq_used *used = q->device;
    const struct virtq_used_elem *e = &used->ring[pos & q->mask];
    const uint32_t id = shared_load32(&e->id);
    uint32_t len = shared_load32(&e->len);

    q->batch_left = batch_of(q, at, id, n);
    if (unlikely(q->batch_left == 0))
        return false;
    if (unlikely(len >= q->slot[id].limit) &&
        !vdrv__queue_excuse(q, &q->slot[id], &len))
        return false;
    q->batch_len = len;
    return true;
}

ALWAYS_INLINE int reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                            uint32_t max, const bool mapped)
{
    const struct virtq_used *used = q->device;
    const uint16_t idx = shared_consume16(&used->idx); /* 2.7.14 */
    const uint32_t start = q->used_idx, n = (uint16_t)(idx - start);
    const uint32_t want = n < max ? n : max;
    uint32_t at = q->done_at, done = 0, freed = 0;
    bool bad = false;

    if (unlikely(n > (uint16_t)(q->published - start)))
        return vdrv__queue_protocol(q, "used index beyond what was offered; "
                                       "queue");
    vdrv__platform_consume(q->order_platform);
    while (done < want) {
        struct vdrv_queue_slot *s = slot_at(q, at);

        if (q->batch_left == 0) {
            bad = !begin_batch(q, start + done, at, n - done);
            if (unlikely(bad))
                break;
        }
        if (mapped)
            vdrv_queue_split.unmap(q, NUMBER(at));
        out[done].cookie = q->cookie[NUMBER(at)];
        /* 2.7.9: what is skipped was used completely. */
        out[done].len = --q->batch_left == 0 ? q->batch_len : s->limit - 1;
        s->limit = 0;
        freed += chain_count(s->chain);
        at = next_chain(q, at, s);
        done++;
    }
    q->used_idx = (uint16_t)(start + done);
    q->done_at = at;
    q->nfree += freed;
    return likely(!bad) ? (int)done : vdrv__queue_bad_used(q, done);
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
