/* SPDX-License-Identifier: MIT */
/*
 * The split virtqueue (VirtIO 1.4, 2.7), direct and indirect.
 *
 * Free descriptors form a list in slot[].link, as ready second halves of a
 * descriptor: the NEXT flag and the number of the next free one.  A chain
 * takes descriptors from its head; when it comes back, its tail is linked in
 * front of the list.  So adding k segments and freeing any chain are k stores
 * and one, and nothing is ever read back from the descriptor table.
 *
 * slot[head].limit is the number of writable bytes + 1 while the chain is out
 * and 0 otherwise: one comparison proves both that the device may return this
 * id, and that its length is possible.
 */
#include <virtio_drv/queue.h>

#include "../core/barrier.h"
#include "vdrv_split_impl.h"

static struct le16 *used_event(const struct vdrv_queue *q)
{
    struct virtq_avail *avail = q->driver;

    return &avail->ring[q->size];
}

static const struct le16 *avail_event(const struct vdrv_queue *q)
{
    const struct virtq_used *used = q->device;

    return (const struct le16 *)(const void *)&used->ring[q->size];
}

static size_t split_layout(uint32_t size, size_t part[3])
{
    part[0] = 0;
    part[1] = sizeof(struct virtq_desc) * size;
    part[2] = (part[1] + 6 + 2 * (size_t)size + 63) & ~(size_t)63;
    return part[2] + 6 + 8 * (size_t)size;
}

/* ---- Adding ------------------------------------------------------------- */

/*
 * Puts a chain of `count` descriptors in the ring (2.7.13.2).  It need not be
 * filled in yet, for the index is published by kick.  `head` is a link.
 */
static inline void offer(struct vdrv_queue *q, size_t head, uint32_t count)
{
    struct virtq_avail *avail = q->driver;

    avail->ring[q->avail_idx & q->mask] = le16((uint16_t)link_number(head));
    q->avail_idx++;
    q->nfree -= count;
}

/* Takes it from the free list, which goes on at `next`, another link. */
static inline int record(struct vdrv_queue *q, size_t head, uint32_t chain,
                         size_t next, uint32_t limit)
{
    struct vdrv_queue_slot *s = slot_at(q, link_at(head));

    s->limit = limit;
    s->chain = chain;
    q->free_at = (uint32_t)next;
    return VDRV_OK;
}

/* Undoes the first `count` mappings of a chain. */
static void unmap_some(struct vdrv_queue *q, uint32_t link, uint32_t count)
{
    for (; q->map != NULL && count > 0; count--) {
        vdrv__queue_unmap(q, &q->map[link_number(link)]);
        link = slot_at(q, link_at(link))->link;
    }
}

/*
 * Any chain, mapping what is outside the direct window; one segment may take
 * several descriptors.  Also the place where errors are told apart.  There is
 * a free descriptor, and the cookie is in its place.
 */
static int add_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin)
{
    struct vdrv__runs r = {.seg = seg, .n = (uint64_t)nout + nin, .nout = nout};
    const uint32_t head = q->free_at;
    uint32_t link = head, tail = head, flags = 0, chain;
    int err = r.n == 0 || r.n > q->nfree ? vdrv__queue_refuse(q, r.n) : VDRV_OK;

    while (err == VDRV_OK && r.k < r.n) {
        struct virtq_desc *d = desc_at(q, link_at(link));

        flags = r.k >= nout ? VIRTQ_DESC_F_WRITE : 0;
        if (r.count == q->max_chain || r.count == q->nfree)
            err = vdrv__queue_refuse(q, (uint64_t)r.count + 1);
        else
            err = vdrv__queue_next_run(q, &r);
        if (err != VDRV_OK)
            break;
        if (q->map != NULL)
            q->map[link_number(link)] = r.map;
        tail = link;
        link = slot_at(q, link_at(tail))->link;
        d->addr = le64(r.map.dma);
        d->len = le32(r.map.run);
        d->link = virtq_desc_link(link | flags);
    }
    if (err != VDRV_OK) {
        unmap_some(q, head, r.count);
        return err;
    }
    desc_at(q, link_at(tail))->link = virtq_desc_link(flags);
    chain = chain_of(tail, r.count);
    if (q->map != NULL)
        chain |= CHAIN_MAPPED;
    offer(q, head, r.count);
    return record(q, head, chain, link, (uint32_t)r.writable + 1);
}

/* Bytes of a chain being written: everything here lives in registers. */
struct sums {
    uint64_t total;
    uint64_t writable;
};

#if defined(__OPTIMIZE_SIZE__)
/* The one that knows all is enough. */
static int add_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                   uint32_t nout, uint32_t nin, void *cookie)
{
    if (q->nfree == 0) /* and what it points at is not free */
        return vdrv__queue_refuse(q, (uint64_t)nout + nin);
    q->cookie[link_number(q->free_at)] = cookie;
    return add_mapped(q, seg, nout, nin);
}
#else
struct chain {
    size_t link; /* to the next descriptor, */
    size_t tail; /* and to the last one written */
    struct sums sum;
};

/* Appends one segment; false when it may need mapping. */
ALWAYS_INLINE bool append(struct vdrv_queue *q, const struct vdrv_seg *seg,
                          const bool in, const bool last, struct chain *c)
{
    const size_t at = link_at(c->link);
    struct virtq_desc *d = desc_at(q, at);
    uint64_t len;

    if (unlikely(!vdrv__queue_direct(q, seg, &d->addr, &d->len, &len)))
        return false;
    c->tail = c->link;
    c->link = slot_at(q, at)->link;
    c->sum.total += len;
    c->sum.writable += in ? len : 0;
    d->link = virtq_desc_link((last ? 0 : (uint32_t)c->link) |
                              (in ? VIRTQ_DESC_F_WRITE : 0));
    return true;
}

NOINLINE int add_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                     uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    const size_t head = q->free_at;
    struct chain c = {.link = head};

    if (n - 1 >= q->nfree || n > q->max_chain)
        return vdrv__queue_refuse(q, n);
    q->cookie[link_number(head)] = cookie;
    for (uint32_t k = 0; k < n; k++) {
        if (!append(q, &seg[k], k >= nout, k + 1 == n, &c))
            return add_mapped(q, seg, nout, nin);
    }
    if (c.sum.total > VDRV__BYTES_MAX) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    offer(q, head, (uint32_t)n);
    return record(q, head, chain_of(c.tail, (uint32_t)n), c.link,
                  (uint32_t)c.sum.writable + 1);
}

/* When a shape cannot: takes back its offer, which nobody has seen. */
NOINLINE int withdraw(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin)
{
    q->avail_idx--;
    q->nfree += nout + nin;
    return add_mapped(q, seg, nout, nin);
}

/*
 * The shapes that drivers use are a function each, where the counts are
 * constants.  What is known is done first, so that little is kept meanwhile.
 */
ALWAYS_INLINE int add_shape(struct vdrv_queue *q, const struct vdrv_seg *seg,
                            const uint32_t nout, const uint32_t nin,
                            void *cookie)
{
    const uint32_t n = nout + nin;
    const size_t head = q->free_at;
    struct chain c = {.link = head};

    if (unlikely(n > q->nfree))
        return vdrv__queue_refuse(q, n);
    q->cookie[link_number(head)] = cookie;
    offer(q, head, n);
    if (unlikely(!append(q, &seg[0], nout < 1, n == 1, &c)) ||
        (n > 1 && unlikely(!append(q, &seg[1], nout < 2, n == 2, &c))) ||
        (n > 2 && unlikely(!append(q, &seg[2], nout < 3, n == 3, &c))))
        return withdraw(q, seg, nout, nin);
    return record(q, head, chain_of(c.tail, n), c.link,
                  (uint32_t)c.sum.writable + 1);
}

/* No three short segments exceed what a chain may hold. */
_Static_assert(3 * (uint64_t)VDRV__SHORT_SEG < VDRV__BYTES_MAX, "2.7.5.1");
#endif

/* ---- Adding with an indirect table, of the head's own (2.7.5.3) ---------- */

static inline struct virtq_desc *table_at(const struct vdrv_queue *q,
                                          size_t offset)
{
    return (struct virtq_desc *)(void *)((uint8_t *)q->tables + offset);
}

static inline struct virtq_desc *table_of(const struct vdrv_queue *q,
                                          uint32_t head)
{
    return table_at(q, link_at(head) * q->indirect);
}

static inline int record_indirect(struct vdrv_queue *q, size_t head, uint32_t n,
                                  uint32_t writable, uint32_t mapped)
{
    const size_t at = link_at(head);
    struct virtq_desc *d = desc_at(q, at);

    d->addr = le64(q->tables_dma + at * q->indirect);
    d->len = le32(n * (uint32_t)sizeof(*d));
    d->link = virtq_desc_link(VIRTQ_DESC_F_INDIRECT);
    return record(q, head, chain_of(head, 1) | mapped, slot_at(q, at)->link,
                  writable + 1);
}

static int add_indirect_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               uint32_t nout, uint32_t nin)
{
    struct vdrv__runs r = {.seg = seg, .n = (uint64_t)nout + nin, .nout = nout};
    const uint32_t number = (uint32_t)link_number(q->free_at);
    struct virtq_desc *table = table_of(q, q->free_at);
    const struct vdrv_queue_map *map;
    int err;

    if (q->table_map == NULL) /* nothing can be mapped: say why */
        return add_mapped(q, seg, nout, nin);
    err = vdrv__queue_map_table(q, number, &r);
    if (err == VDRV__TABLE_FULL) /* as a plain chain */
        return add_mapped(q, seg, nout, nin);
    if (err != VDRV_OK)
        return err;
    map = q->table_map + (size_t)q->indirect * number;
    for (uint32_t k = 0; k < r.count; k++) {
        table[k].addr = le64(map[k].dma);
        table[k].len = le32(map[k].run);
        table[k].link = virtq_desc_link((k + 1 < r.count ? link_to(k + 1) : 0) |
                                        (k >= r.outs ? VIRTQ_DESC_F_WRITE : 0));
    }
    offer(q, q->free_at, 1);
    return record_indirect(q, q->free_at, r.count, (uint32_t)r.writable,
                           CHAIN_MAPPED);
}

/* Puts a segment into entry k of a table, as append() does. */
ALWAYS_INLINE bool fill(const struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t k, const bool in, const bool last,
                        struct sums *c)
{
    struct virtq_desc *d = &table_of(q, q->free_at)[k];
    uint64_t len;

    if (unlikely(!vdrv__queue_direct(q, seg, &d->addr, &d->len, &len)))
        return false;
    c->total += len;
    c->writable += in ? len : 0;
    d->link = virtq_desc_link((last ? 0 : link_to(k + 1)) |
                              (in ? VIRTQ_DESC_F_WRITE : 0));
    return true;
}

NOINLINE int add_indirect_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                              uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    const size_t head = q->free_at;
    struct sums c = {0};

    if (n - 2 > (uint64_t)q->indirect - 2 || q->nfree == 0)
        return add_any(q, seg, nout, nin, cookie);
    q->cookie[link_number(head)] = cookie;
    for (uint32_t k = 0; k < n; k++) {
        if (!fill(q, &seg[k], k, k >= nout, k + 1 == n, &c))
            return add_indirect_mapped(q, seg, nout, nin);
    }
    if (c.total > VDRV__BYTES_MAX) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    offer(q, head, 1);
    return record_indirect(q, head, (uint32_t)n, (uint32_t)c.writable, 0);
}

#if !defined(__OPTIMIZE_SIZE__)
NOINLINE int withdraw_indirect(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               uint32_t nout, uint32_t nin)
{
    q->avail_idx--;
    q->nfree++;
    return add_indirect_mapped(q, seg, nout, nin);
}

ALWAYS_INLINE int indirect_shape(struct vdrv_queue *q,
                                 const struct vdrv_seg *seg,
                                 const uint32_t nout, const uint32_t nin,
                                 void *cookie)
{
    const uint32_t n = nout + nin;
    const size_t head = q->free_at;
    struct sums c = {0};

    if (unlikely(q->nfree == 0))
        return vdrv__queue_refuse(q, n);
    q->cookie[link_number(head)] = cookie;
    offer(q, head, 1);
    if (unlikely(!fill(q, &seg[0], 0, false, false, &c)) ||
        unlikely(!fill(q, &seg[1], 1, nout < 2, n == 2, &c)) ||
        (n > 2 && unlikely(!fill(q, &seg[2], 2, nout < 3, true, &c))))
        return withdraw_indirect(q, seg, nout, nin);
    return record_indirect(q, head, n, (uint32_t)c.writable, 0);
}

/* ---- Adding what is framed, but for one segment known ------------------- */

/* Posted as writable. */
ALWAYS_INLINE uint32_t framed_bytes(const struct vdrv_queue *q, const bool in,
                                    uint64_t len)
{
    return (in ? (uint32_t)len : 0) + q->frame.tail;
}

/* Some mapping may be needed, or there is no room: takes back the offer. */
NOINLINE int reframe_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint64_t dma, void *cookie, uint32_t count)
{
    q->avail_idx--;
    q->nfree += count;
    return vdrv__queue_framed_in(q, seg, dma, cookie);
}

NOINLINE int reframe_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                         uint64_t dma, void *cookie, uint32_t count)
{
    q->avail_idx--;
    q->nfree += count;
    return vdrv__queue_framed_out(q, seg, dma, cookie);
}

/* Length and end of a descriptor: two stores, for gcc makes them dear ones. */
ALWAYS_INLINE void finish(struct virtq_desc *d, uint32_t len, uint32_t link)
{
    shared_store32(&d->len, len);
    shared_store32(&d->link, virtq_desc_word(link));
}

/* From head to tail, so that little is kept meanwhile. */
ALWAYS_INLINE int framed_shape(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               const bool in, uint64_t dma, void *cookie)
{
    const size_t head = q->free_at;
    struct vdrv_queue_slot *s;
    struct virtq_desc *d;
    size_t link;
    uint64_t len;

    if (unlikely(q->nfree < 3))
        return vdrv__queue_refuse(q, 3);
    q->cookie[link_number(head)] = cookie;
    offer(q, head, 3);
    s = slot_at(q, link_at(head));
    d = desc_at(q, link_at(head));
    link = s->link;
    d->addr = le64(dma);
    finish(d, q->frame.head, (uint32_t)link);
    d = desc_at(q, link_at(link));
    if (unlikely(!vdrv__queue_direct(q, seg, &d->addr, &d->len, &len)))
        return in ? reframe_in(q, seg, dma, cookie, 3)
                  : reframe_out(q, seg, dma, cookie, 3);
    s->limit = framed_bytes(q, in, len) + 1;
    link = slot_at(q, link_at(link))->link;
    s->chain = chain_of(link, 3);
    d->link = virtq_desc_link((uint32_t)link | (in ? VIRTQ_DESC_F_WRITE : 0));
    d = desc_at(q, link_at(link));
    d->addr = le64(dma + q->frame.tail_at);
    finish(d, q->frame.tail, VIRTQ_DESC_F_WRITE);
    q->free_at = slot_at(q, link_at(link))->link;
    return VDRV_OK;
}

ALWAYS_INLINE int framed_indirect(struct vdrv_queue *q,
                                  const struct vdrv_seg *seg, const bool in,
                                  uint64_t dma, void *cookie)
{
    const size_t head = q->free_at, at = link_at(head);
    struct vdrv_queue_slot *s;
    struct virtq_desc *t, *d;
    size_t offset;
    uint64_t len;

    if (unlikely(q->nfree == 0))
        return vdrv__queue_refuse(q, 3);
    q->cookie[link_number(head)] = cookie;
    offer(q, head, 1);
    s = slot_at(q, at);
    s->chain = chain_of(head, 1);
    offset = at * q->indirect;
    d = desc_at(q, at);
    d->addr = le64(q->tables_dma + offset);
    finish(d, 3 * sizeof(*d), VIRTQ_DESC_F_INDIRECT);
    t = table_at(q, offset);
    t[0].addr = le64(dma);
    finish(&t[0], q->frame.head, link_to(1));
    t[2].addr = le64(dma + q->frame.tail_at);
    finish(&t[2], q->frame.tail, VIRTQ_DESC_F_WRITE);
    if (unlikely(!vdrv__queue_direct(q, seg, &t[1].addr, &t[1].len, &len)))
        return in ? reframe_in(q, seg, dma, cookie, 1)
                  : reframe_out(q, seg, dma, cookie, 1);
    t[1].link = virtq_desc_link(link_to(2) | (in ? VIRTQ_DESC_F_WRITE : 0));
    s->limit = framed_bytes(q, in, len) + 1;
    q->free_at = s->link;
    return VDRV_OK;
}
#endif

#include "vdrv_queue_shapes.h"

/* ---- Notifying ---------------------------------------------------------- */

ALWAYS_INLINE int kick_with(struct vdrv_queue *q, const bool event_idx,
                            const bool data, const uint32_t width)
{
    struct virtq_avail *avail = q->driver;
    const struct virtq_used *used = q->device;
    const uint16_t old = q->published, new = (uint16_t)q->avail_idx;
    bool wanted;

    if (old == new)
        return 0;
    /* 2.7.13.3.1: what was filled in is seen before the index. */
    vdrv__platform_publish(q->order_platform);
    shared_publish16(&avail->idx, new);
    q->published = new;
    /* 2.7.13.4.1: the index is seen before suppression is looked at. */
    vdrv__full_fence();
    vdrv__platform_fence(q->order_platform);
    if (event_idx) { /* 2.7.10.1: did the batch pass the event? */
        const uint16_t event = shared_load16(avail_event(q));

        wanted = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
    } else {
        wanted = (shared_load16(&used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    }
    if (wanted) /* 2.9: the 15 lower bits and the upper one of the index */
        return data ? vdrv__queue_notify_data(q, new)
                    : vdrv__queue_ring(q, width);
    q->stats.suppressed++;
    return 0;
}

#include "vdrv_queue_kicks.h"

/* ---- Reaping ------------------------------------------------------------ */

/* Undoes the mappings of a chain that came back. */
static void unmap_chain(struct vdrv_queue *q, uint32_t number)
{
    const uint32_t chain = q->slot[number].chain;

    if ((chain & CHAIN_MAPPED) != 0 && !vdrv__queue_unmap_table(q, number))
        unmap_some(q, link_to(number), chain_count(chain));
}

/* How many came back; and how many may yet, behind one that seems wrong. */
struct reaped {
    uint32_t n;
    uint32_t left;
    bool all;              /* none seems wrong */
    struct vdrv_used *out; /* where those go */
};

static int beyond(struct vdrv_queue *q)
{
    return vdrv__queue_protocol(q, "used index beyond what was offered; queue");
}

/*
 * False: the used index is beyond what was offered.  `general`: it knows of
 * mappings, and of odd lengths that do no harm.
 */
ALWAYS_INLINE bool reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                             uint32_t max, const bool general, struct reaped *r)
{
    const struct virtq_used *used = q->device;
    const uint16_t idx = shared_consume16(&used->idx); /* 2.7.14 */
    uint32_t pos = q->used_idx, chains = 0, end;
    uint32_t n = (uint16_t)(idx - pos);
    uint32_t link = q->free_at;

    if (unlikely(n > (uint16_t)(q->published - pos)))
        return false;
    vdrv__platform_consume(q->order_platform);
    n = n < max ? n : max;
    for (end = pos + n; pos != end; pos++, out++) {
        const uint32_t i = pos & q->mask;
        const size_t id = shared_load32(&used->ring[i].id);
        uint32_t len = shared_load32(&used->ring[i].len);
        struct vdrv_queue_slot *s;

        if (unlikely(id >= q->size))
            break;
        s = &q->slot[id];
        if (unlikely(len >= s->limit) &&
            (!general || !vdrv__queue_excuse(q, s, &len)))
            break;
        if (general)
            unmap_chain(q, (uint32_t)id);
        out->cookie = q->cookie[id];
        out->len = len;
        s->limit = 0;
        chains += s->chain;
        slot_at(q, chain_tail(s->chain))->link = link;
        link = link_to((uint32_t)id);
    }
    n = (uint16_t)(pos - q->used_idx);
    q->used_idx = (uint16_t)pos;
    q->free_at = link;
    q->nfree += chain_count(chains); /* they add up to no more than size */
    r->n = n;
    r->all = pos == end;
    r->left = end - pos;
    r->out = out;
    return true;
}

static int reap_mapped(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max)
{
    struct reaped r;

    if (unlikely(!reap_some(q, out, max, true, &r)))
        return beyond(q);
    return likely(r.all) ? (int)r.n : vdrv__queue_bad_used(q, r.n);
}

#if defined(__OPTIMIZE_SIZE__)
#define reap_fast reap_mapped
#else
/* From the first one that is not as most are, after `good` of them. */
NOINLINE int reap_rest(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max, uint32_t good)
{
    const int n = reap_mapped(q, out, max);

    if (good == 0)
        return n;
    return n < 0 ? (int)good : n + (int)good;
}

static int reap_fast(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max)
{
    struct reaped r;

    if (unlikely(!reap_some(q, out, max, false, &r)))
        return beyond(q);
    return likely(r.all) ? (int)r.n : reap_rest(q, r.out, r.left, r.n);
}
#endif

/* ---- Interrupt suppression ---------------------------------------------- */

/* 2.7.7, 2.7.9. */
static int split_arm(struct vdrv_queue *q, uint32_t mode)
{
    struct virtq_avail *avail = q->driver;
    const struct virtq_used *used = q->device;
    uint32_t ahead = 0;

    if (q->event_idx == 0) {
        shared_store16(&avail->flags,
                       mode == VDRV_ARM_OFF ? VIRTQ_AVAIL_F_NO_INTERRUPT : 0);
    } else if (mode == VDRV_ARM_OFF) { /* the flags stay 0: 2.7.7.1 */
        shared_store16(used_event(q), (uint16_t)(q->used_idx - 1));
    } else {
        ahead = vdrv__queue_ahead(mode, (uint16_t)(q->published - q->used_idx));
        shared_store16(used_event(q), (uint16_t)(q->used_idx + ahead));
    }
    if (mode == VDRV_ARM_OFF)
        return 0;
    vdrv__full_fence(); /* 2.7.14: the wish is seen before the index is read */
    vdrv__platform_fence(q->order_platform);
    return (uint16_t)(shared_load16(&used->idx) - q->used_idx) > ahead;
}

static uint32_t split_room(const struct vdrv_queue *q)
{
    return q->nfree;
}

static bool split_pending(const struct vdrv_queue *q)
{
    const struct virtq_used *used = q->device;

    return shared_load16(&used->idx) != q->used_idx;
}

static void split_reset(struct vdrv_queue *q)
{
    for (uint32_t i = 0; i < q->size; i++)
        q->slot[i].link = link_to((i + 1) & (q->size - 1));
    q->nfree = q->size;
    q->mask = q->size - 1;
    q->free_at = link_to(0);
    q->avail_idx = 0;
    q->published = 0;
    q->used_idx = 0;
    (void)split_arm(q, VDRV_ARM_OFF); /* nobody may be there to hear it */
    choose_add(q);
    choose_kick(q);
    q->reap = q->map != NULL ? reap_mapped : reap_fast;
}

const struct vdrv_queue_kind vdrv_queue_split = {
    .name = "split",
    .layout = split_layout,
    .reset = split_reset,
    .arm = split_arm,
    .pending = split_pending,
    .room = split_room,
    .unmap = unmap_chain,
};
