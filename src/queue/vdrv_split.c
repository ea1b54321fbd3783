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
 * Takes a filled chain from the free list and puts it in the ring.  Its cookie
 * is in place already.
 */
static inline int commit(struct vdrv_queue *q, uint32_t head, uint32_t chain,
                         uint32_t count, uint32_t next_free, uint32_t limit)
{
    struct virtq_avail *avail = q->driver;
    struct vdrv_queue_slot *s = slot_at(q, head);
    const uint32_t idx = q->avail_idx;

    s->limit = limit;
    s->chain = chain;
    q->free_at = next_free;
    q->nfree -= count;
    /* 2.7.13.2; the index is published by kick. */
    avail->ring[idx & q->mask] = le16((uint16_t)NUMBER(head));
    q->avail_idx = idx + 1;
    return VDRV_OK;
}

/* Undoes the first `count` mappings of a chain that was not added. */
static void unmap_some(struct vdrv_queue *q, uint32_t at, uint32_t count)
{
    for (; q->map != NULL && count > 0; count--) {
        vdrv__queue_unmap(q, &q->map[NUMBER(at)]);
        at = link_next(slot_at(q, at)->link);
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
    uint32_t at = head, tail = head, chain;
    uint64_t rest = 0;
    int err = r.n == 0 || r.n > q->nfree ? vdrv__queue_refuse(q, r.n) : VDRV_OK;

    while (err == VDRV_OK && r.k < r.n) {
        const bool in = r.k >= nout;

        if (r.count == q->max_chain || r.count == q->nfree)
            err = vdrv__queue_refuse(q, (uint64_t)r.count + 1);
        else
            err = vdrv__queue_next_run(q, &r);
        if (err != VDRV_OK)
            break;
        if (q->map != NULL)
            q->map[NUMBER(at)] = r.map;
        rest = r.map.run | VIRTQ_DESC_FLAG(in ? VIRTQ_DESC_F_WRITE : 0);
        desc_at(q, at)->addr = le64(r.map.dma);
        desc_at(q, at)->rest = le64(rest | slot_at(q, at)->link);
        tail = at;
        at = link_next(slot_at(q, at)->link);
    }
    if (err != VDRV_OK) {
        unmap_some(q, head, r.count);
        return err;
    }
    desc_at(q, tail)->rest = le64(rest);
    chain = chain_of(tail, r.count);
    if (q->map != NULL)
        chain |= CHAIN_MAPPED;
    return commit(q, head, chain, r.count, at, (uint32_t)r.writable + 1);
}

/* A chain being written: everything here lives in registers. */
struct chain {
    uint32_t at;   /* the next descriptor */
    uint32_t tail; /* the last one written */
    uint64_t rest; /* its second half, without a link */
    uint64_t total;
    uint64_t writable;
};

/* Appends one segment; false when it may need mapping. */
ALWAYS_INLINE bool append(struct vdrv_queue *q, const struct vdrv_seg *seg,
                          const bool in, const bool last, struct chain *c)
{
    struct virtq_desc *d = desc_at(q, c->at);
    const uint64_t link = slot_at(q, c->at)->link;
    uint64_t addr, len;

    if (unlikely(!vdrv__queue_direct(q, seg, &addr, &len)))
        return false;
    c->tail = c->at;
    c->at = link_next(link);
    c->rest = len | VIRTQ_DESC_FLAG(in ? VIRTQ_DESC_F_WRITE : 0);
    c->total += len;
    c->writable += in ? len : 0;
    d->addr = le64(addr);
    d->rest = le64(last ? c->rest : c->rest | link);
    return true;
}

#if !defined(__OPTIMIZE_SIZE__)
/*
 * The shapes that drivers use are a function each, where the counts are
 * constants.  All take the same arguments, so that nothing has to be moved.
 */
ALWAYS_INLINE int add_shape(struct vdrv_queue *q, const struct vdrv_seg *seg,
                            const uint32_t nout, const uint32_t nin,
                            void *cookie)
{
    const uint32_t n = nout + nin, head = q->free_at;
    struct chain c = {.at = head};

    if (unlikely(n > q->nfree))
        return vdrv__queue_refuse(q, n);
    q->cookie[NUMBER(head)] = cookie;
    if (unlikely(!append(q, &seg[0], nout < 1, n == 1, &c)) ||
        (n > 1 && unlikely(!append(q, &seg[1], nout < 2, n == 2, &c))) ||
        (n > 2 && unlikely(!append(q, &seg[2], nout < 3, n == 3, &c))))
        return add_mapped(q, seg, nout, nin);
    return commit(q, head, chain_of(c.tail, n), n, c.at,
                  (uint32_t)c.writable + 1);
}

/* No three short segments exceed what a chain may hold. */
_Static_assert(3 * (uint64_t)VDRV__SHORT_SEG < VDRV__BYTES_MAX, "2.7.5.1");

#endif

NOINLINE int add_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                     uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    const uint32_t head = q->free_at;
    struct chain c = {.at = head};

    if (n - 1 >= q->nfree || n > q->max_chain)
        return vdrv__queue_refuse(q, n);
    q->cookie[NUMBER(head)] = cookie;
    for (uint32_t k = 0; k < n; k++) {
        if (!append(q, &seg[k], k >= nout, false, &c))
            return add_mapped(q, seg, nout, nin);
    }
    if (c.total > VDRV__BYTES_MAX) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    desc_at(q, c.tail)->rest = le64(c.rest);
    return commit(q, head, chain_of(c.tail, (uint32_t)n), (uint32_t)n, c.at,
                  (uint32_t)c.writable + 1);
}

#include "vdrv_queue_shapes.h"

/* 2.7.5.3: one descriptor that refers to a table of the head's own. */
static int commit_indirect(struct vdrv_queue *q, uint32_t n, uint32_t writable,
                           uint32_t mapped)
{
    const uint32_t head = q->free_at;
    struct virtq_desc *d = desc_at(q, head);

    d->addr = le64(q->tables_dma + (uint64_t)head * q->indirect);
    d->rest =
        le64(sizeof(*d) * (uint64_t)n | VIRTQ_DESC_FLAG(VIRTQ_DESC_F_INDIRECT));
    return commit(q, head, chain_of(head, 1) | mapped, 1,
                  link_next(slot_at(q, head)->link), writable + 1);
}

static int add_indirect_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               uint32_t nout, uint32_t nin)
{
    struct vdrv__runs r = {.seg = seg, .n = (uint64_t)nout + nin, .nout = nout};
    const uint32_t number = NUMBER(q->free_at);
    const size_t base = (size_t)q->indirect * number;
    struct virtq_desc *table = (struct virtq_desc *)q->tables + base;
    const struct vdrv_queue_map *map;
    int err;

    if (q->table_map == NULL) /* nothing can be mapped: say why */
        return add_mapped(q, seg, nout, nin);
    err = vdrv__queue_map_table(q, number, &r);
    if (err == VDRV__TABLE_FULL) /* as a plain chain */
        return add_mapped(q, seg, nout, nin);
    if (err != VDRV_OK)
        return err;
    map = q->table_map + base;
    for (uint32_t k = 0; k < r.count; k++) {
        table[k].addr = le64(map[k].dma);
        table[k].rest =
            le64(map[k].run | (k + 1 < r.count ? link_to(AT(k + 1)) : 0) |
                 VIRTQ_DESC_FLAG(k >= r.outs ? VIRTQ_DESC_F_WRITE : 0));
    }
    return commit_indirect(q, r.count, (uint32_t)r.writable, CHAIN_MAPPED);
}

static int add_indirect(struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    struct virtq_desc *table = q->tables;
    uint64_t addr, len, readable = 0, writable = 0;

    if (unlikely(n - 2 > (uint64_t)q->indirect - 2 || q->nfree == 0))
        return q->max_chain < 3 ? add_any(q, seg, nout, nin, cookie)
                                : add_direct(q, seg, nout, nin, cookie);
    table += (size_t)q->indirect * NUMBER(q->free_at);
    q->cookie[NUMBER(q->free_at)] = cookie;
    for (uint32_t k = 0; k < nout; k++) {
        if (unlikely(!vdrv__queue_direct(q, &seg[k], &addr, &len)))
            return add_indirect_mapped(q, seg, nout, nin);
        readable += len;
        table[k].addr = le64(addr);
        table[k].rest = le64(len | link_to(AT(k + 1)));
    }
    for (uint32_t k = nout; k < n; k++) {
        if (unlikely(!vdrv__queue_direct(q, &seg[k], &addr, &len)))
            return add_indirect_mapped(q, seg, nout, nin);
        writable += len;
        table[k].addr = le64(addr);
        table[k].rest = le64(len | link_to(AT(k + 1)) |
                             VIRTQ_DESC_FLAG(VIRTQ_DESC_F_WRITE));
    }
    if (unlikely(readable + writable > VDRV__BYTES_MAX)) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    table[n - 1].rest = le64(
        seg[n - 1].len | VIRTQ_DESC_FLAG(nin != 0 ? VIRTQ_DESC_F_WRITE : 0));
    return commit_indirect(q, (uint32_t)n, (uint32_t)writable, 0);
}

/* ---- Notifying ---------------------------------------------------------- */

ALWAYS_INLINE int kick_with(struct vdrv_queue *q, const bool data)
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
    if (q->event_idx != 0) { /* 2.7.10.1: did the batch pass the event? */
        const uint16_t event = shared_load16(avail_event(q));

        wanted = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
    } else {
        wanted = (shared_load16(&used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    }
    if (wanted) /* 2.9: the 15 lower bits and the upper one of the index */
        return data ? vdrv__queue_notify_data(q, new) : vdrv__queue_notify(q);
    q->stats.suppressed++;
    return 0;
}

static int kick(struct vdrv_queue *q)
{
    return kick_with(q, false);
}

static int kick_data(struct vdrv_queue *q)
{
    return kick_with(q, true);
}

/* ---- Reaping ------------------------------------------------------------ */

/* Undoes the mappings of a chain that came back. */
static void unmap_chain(struct vdrv_queue *q, uint32_t number)
{
    const uint32_t chain = q->slot[number].chain;

    if ((chain & CHAIN_MAPPED) != 0 && !vdrv__queue_unmap_table(q, number))
        unmap_some(q, AT(number), chain_count(chain));
}

ALWAYS_INLINE int reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                            uint32_t max, const bool mapped)
{
    const struct virtq_used *used = q->device;
    const uint16_t idx = shared_consume16(&used->idx); /* 2.7.14 */
    const uint32_t mask = q->mask;
    uint32_t pos = q->used_idx, end;
    uint32_t n = (uint16_t)(idx - pos);
    uint32_t free_at = q->free_at, nfree = q->nfree;

    if (unlikely(n > (uint16_t)(q->published - pos)))
        return vdrv__queue_protocol(q, "used index beyond what was offered; "
                                       "queue");
    vdrv__platform_consume(q->order_platform);
    n = n < max ? n : max;
    for (end = pos + n; pos != end; pos++, out++) {
        const struct virtq_used_elem *e = &used->ring[pos & mask];
        const uint32_t id = shared_load32(&e->id);
        uint32_t len = shared_load32(&e->len);
        struct vdrv_queue_slot *s;

        if (unlikely(id > mask))
            break;
        s = slot_at(q, AT(id));
        if (unlikely(len >= s->limit) && !vdrv__queue_excuse(q, s, &len))
            break;
        if (mapped)
            unmap_chain(q, id);
        out->cookie = q->cookie[id];
        out->len = len;
        s->limit = 0;
        nfree += chain_count(s->chain);
        slot_at(q, chain_tail(s->chain))->link = link_to(free_at);
        free_at = AT(id);
    }
    q->used_idx = (uint16_t)pos;
    q->free_at = free_at;
    q->nfree = nfree;
    n -= end - pos;
    return likely(pos == end) ? (int)n : vdrv__queue_bad_used(q, n);
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
        q->slot[i].link = link_to(AT((i + 1) & (q->size - 1)));
    q->nfree = q->size;
    q->mask = q->size - 1;
    q->free_at = 0;
    q->avail_idx = 0;
    q->published = 0;
    q->used_idx = 0;
    (void)split_arm(q, VDRV_ARM_OFF); /* nobody may be there to hear it */
    q->add = add_direct;
    if (q->indirect >= 2)
        q->add = add_indirect;
    else if (q->max_chain < 3) /* the shapes do not look at it */
        q->add = add_any;
    q->kick = q->notify_data != 0 ? kick_data : kick;
    q->reap = q->map != NULL ? reap_mapped : reap;
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
