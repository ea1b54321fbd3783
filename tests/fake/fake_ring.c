/* SPDX-License-Identifier: MIT */
/*
 * What is the same for each ring layout: the life of a queue, chains in
 * flight, and copying into and out of a chain.
 */
#include "fake_virtio.h"

#include <stdlib.h>
#include <string.h>

/* ---- Life ----------------------------------------------------------- */

void fake_queue_free(struct fake_queue *q)
{
    for (uint16_t i = 0; i < q->alloc; i++)
        free(q->slot[i].seg);
    free(q->slot);
    free(q->owner);
    free(q->link);
    q->slot = NULL;
    q->owner = NULL;
    q->link = NULL;
    q->alloc = 0;
    fake_packed_free(q);
}

static void queue_alloc(struct fake_queue *q)
{
    fake_queue_free(q);
    q->slot = calloc(q->size, sizeof(*q->slot));
    q->owner = calloc(q->size, sizeof(*q->owner));
    q->link = calloc(q->size, sizeof(*q->link));
    if (!q->slot || !q->owner || !q->link)
        abort();
    q->alloc = q->size;
}

void fake_queue_reset(struct fake_queue *q)
{
    fake_queue_free(q);
    q->size = q->max;
    q->vector = FAKE_NO_VECTOR;
    q->ready = 0;
    q->desc = q->driver = q->device = 0;
    q->kicked = false;
    q->ring = NULL;
    q->next_avail = q->next_used = q->told_used = q->event_asked = 0;
    q->in_flight = 0;
    q->batch_open = false;
    q->next_desc = 0;
    q->resetting = false;
}

static void end_reset(struct fake_queue *q)
{
    /* A liar says so, and has its ring and its requests still. */
    if (q->reset_lies) {
        q->resetting = false;
        q->ready = 0;
        return;
    }
    fake_dev_forget_queue(q->dev, q);
    fake_queue_reset(q);
}

void fake_queue_ask_reset(struct fake_queue *q)
{
    if (q->reset_missing)
        return;
    q->resets++;
    q->resetting = true;
    q->reset_left = q->reset_reads;
    if (q->reset_left == 0 && !q->reset_never)
        end_reset(q);
}

uint32_t fake_queue_resetting(struct fake_queue *q)
{
    if (!q->resetting)
        return 0;
    if (q->reset_never || q->reset_left-- > 0)
        return 1;
    end_reset(q);
    return 0;
}

void fake_queue_start(struct fake_queue *q)
{
    struct fake_dev *d = q->dev;

    q->event_idx = fake_dev_has(d, FAKE_F_EVENT_IDX);
    q->indirect = fake_dev_has(d, FAKE_F_INDIRECT_DESC);
    q->in_order = fake_dev_has(d, FAKE_F_IN_ORDER);
    queue_alloc(q);
    q->ring = fake_dev_has(d, FAKE_F_RING_PACKED) ? &fake_packed_ops
                                                  : &fake_split_ops;
    if (!q->ring->start(q)) {
        q->ring = NULL;
        return;
    }
    q->ring->hint(q);
}

/* ---- Chains in flight ----------------------------------------------- */

bool fake_queue_pop(struct fake_queue *q, struct fake_chain *c)
{
    if (!q->ring || !q->ring->pop(q, c))
        return false;
    q->in_flight++;
    q->popped++;
    return true;
}

void fake_queue_forget(struct fake_queue *q, const struct fake_chain *c)
{
    q->slot[c->id].out = false;
    q->in_flight--;
    q->ring->release(q, c);
}

void fake_queue_push(struct fake_queue *q, const struct fake_chain *c,
                     uint32_t len)
{
    /* 2.7.8: only bytes the device wrote count. */
    if (c->wlen == 0)
        len = 0;
    fake_queue_forget(q, c);
    q->pushed++;
    q->ring->push(q, c, len);
}

void fake_queue_publish(struct fake_queue *q)
{
    uint16_t before = q->told_used;

    if (!q->ring)
        return;
    if (q->ring->publish(q) && !q->mute)
        fake_dev_raise(q->dev, q);
    else if (before != q->told_used)
        q->irqs_suppressed++;
}

void fake_queue_done(struct fake_queue *q, const struct fake_chain *c,
                     uint32_t len)
{
    fake_queue_push(q, c, len);
    fake_queue_publish(q);
}

uint16_t fake_queue_offered(struct fake_queue *q)
{
    return q->ring ? q->ring->offered(q) : 0;
}

void fake_queue_hint(struct fake_queue *q)
{
    if (q->ring)
        q->ring->hint(q);
}

/* ---- Bytes of a chain ----------------------------------------------- */

/* What to do with each piece; exactly one of the pointers is set. */
struct copy {
    uint8_t *out;
    const uint8_t *in;
    int fill;
};

static void copy_piece(struct fake *f, const struct copy *op, size_t done,
                       uint64_t dma, size_t n)
{
    void *p = fake_dma(f, dma, n, op->out ? VDRV_DIR_OUT : VDRV_DIR_IN);

    if (!p)
        return;
    if (op->out)
        memcpy(op->out + done, p, n);
    else if (op->in)
        memcpy(p, op->in + done, n);
    else
        memset(p, op->fill, n);
}

static size_t copy_chain(const struct fake_chain *c, uint64_t off, size_t len,
                         const struct copy *op)
{
    uint32_t i = op->out ? 0 : c->nread;
    uint32_t end = op->out ? c->nread : c->nseg;
    size_t done = 0;

    for (; i < end && done < len; i++) {
        const struct fake_seg *s = &c->seg[i];
        size_t n;

        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        n = (size_t)(s->len - off);
        if (n > len - done)
            n = len - done;
        copy_piece(c->q->dev->f, op, done, s->dma + off, n);
        done += n;
        off = 0;
    }
    return done;
}

size_t fake_chain_read(const struct fake_chain *c, uint64_t off, void *buf,
                       size_t len)
{
    struct copy op = {buf, NULL, 0};

    return copy_chain(c, off, len, &op);
}

size_t fake_chain_write(const struct fake_chain *c, uint64_t off,
                        const void *buf, size_t len)
{
    struct copy op = {NULL, buf, 0};

    return copy_chain(c, off, len, &op);
}

size_t fake_chain_fill(const struct fake_chain *c, uint64_t off, uint8_t byte,
                       size_t len)
{
    struct copy op = {NULL, NULL, byte};

    return copy_chain(c, off, len, &op);
}
