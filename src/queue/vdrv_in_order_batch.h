/* SPDX-License-Identifier: MIT */
/*
 * Where a batch begins, for both in-order rings.  Each includes this once,
 * after its own batch_of(), which says how many of the next chains end with
 * an id: 0, when none does.
 */
#ifndef VDRV_IN_ORDER_BATCH_H
#define VDRV_IN_ORDER_BATCH_H

/* A used element that ends up to `n` chains; false: it cannot be. */
static inline bool begin_batch(struct vdrv_queue *q, uint32_t id, uint32_t len,
                               uint32_t n)
{
    const uint32_t count = batch_of(q, q->done_at, id, n);

    if (count == 0)
        return false;
    if (len >= q->slot[id].limit && !vdrv__queue_excuse(q, &q->slot[id], &len))
        return false;
    q->batch_left = count;
    q->batch_len = len;
    return true;
}

#endif
