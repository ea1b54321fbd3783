/* SPDX-License-Identifier: MIT */
/*
 * The packed virtqueue (VirtIO 1.4, 2.8), direct and indirect.
 *
 * Places in the ring are counted in bytes from its end, below 0: moving on and
 * asking whether the end was reached are one addition.  Buffer ids come from a
 * list in slot[].link, and slot[id] knows what may come back: limit is the
 * number of writable bytes + 1 while the buffer is out and 0 otherwise, so one
 * comparison proves both the id and the length; chain is the number of bytes
 * of the ring that its descriptors took.
 *
 * The tag of a descriptor, its id and flags, is what the device waits for.
 * A batch is published by the tag of its first head: that one is held back
 * until kick, and stops the device from seeing the others.  No other tag is
 * written before it is certain that the chain will be: what was written cannot
 * be taken back.
 */
#include <virtio_drv/queue.h>

#include "../core/barrier.h"
#include "vdrv_packed_impl.h"

static size_t packed_layout(uint32_t size, size_t part[3])
{
    part[0] = 0;
    part[1] = sizeof(struct pvirtq_desc) * size;
    part[2] =
        (part[1] + sizeof(struct pvirtq_event_suppress) + 63) & ~(size_t)63;
    return part[2] + sizeof(struct pvirtq_event_suppress);
}

/* Descriptors from one place to another; `some` when there is at least one. */
static uint32_t between(const struct vdrv_queue *q, int32_t from, int32_t to,
                        bool some)
{
    int32_t bytes = to - from;

    if (bytes < 0 || (bytes == 0 && some))
        bytes += ring_bytes(q);
    return (uint32_t)bytes / DESC_BYTES;
}

static uint32_t packed_room(const struct vdrv_queue *q)
{
    return q->size - between(q, q->used_at, q->avail_at,
                             (uint16_t)(q->avail_idx - q->used_idx) != 0);
}

/* ---- Adding ------------------------------------------------------------- */

/*
 * Records a chain of which all is written but the tag of its head, and that,
 * too, unless it is the first of a batch (2.8.20: the head's flags are last).
 */
static inline int commit(struct vdrv_queue *q, struct pvirtq_desc *head,
                         uint32_t id, uint32_t tag, uint32_t limit,
                         uint32_t chain, void *cookie)
{
    struct vdrv_queue_slot *s = &q->slot[id];

    q->cookie[id] = cookie;
    s->limit = limit;
    s->chain = chain;
    q->avail_idx++;
    if (q->held_tag == 0)
        q->held_tag = tag;
    else
        shared_publish32(&head->tag, tag);
    return VDRV_OK;
}

/*
 * The tags of a chain whose addresses and lengths are in place, of which the
 * first `outs` are readable; it may pass the end of the ring.  2.8.8: NEXT in
 * all but the last, the id in the last; it is in the others as well, because
 * QEMU 7.2 takes it out of the first.
 */
static int commit_any(struct vdrv_queue *q, uint32_t count, uint32_t outs,
                      uint32_t writable, uint32_t mapped, void *cookie)
{
    const uint32_t id = q->free_at;
    const uint32_t head = q->avail_tag | id | (count > 1 ? TAG_NEXT : 0) |
                          (outs == 0 ? TAG_WRITE : 0);
    uint32_t tag = q->avail_tag, next_id = id;
    int32_t at = advance(q, q->avail_at, 1, &tag);
    int err;

    for (uint32_t k = 1; k < count; k++) {
        shared_store32(&desc_at(q, at)->tag,
                       tag | id | (k + 1 < count ? TAG_NEXT : 0) |
                           (k < outs ? 0 : TAG_WRITE));
        at = advance(q, at, 1, &tag);
    }
    for (uint32_t k = mapped != 0 ? count : 1; k > 0; k--)
        next_id = (uint32_t)q->slot[next_id].link;
    err = commit(q, desc_at(q, q->avail_at), id, head, writable + 1,
                 count * DESC_BYTES | mapped, cookie);
    q->free_at = next_id;
    q->avail_at = at;
    q->avail_tag = tag;
    set_limit(q);
    return err;
}

/* Undoes the first `count` mappings that start at id `id`. */
static void unmap_some(struct vdrv_queue *q, uint32_t id, uint32_t count)
{
    for (; q->map != NULL && count > 0; count--) {
        vdrv__queue_unmap(q, &q->map[id]);
        id = (uint32_t)q->slot[id].link;
    }
}

/*
 * Any chain, mapping what is outside the direct window; one segment may take
 * several descriptors, and with mappings as many ids, which keep the records.
 * Also the place where errors are told apart.
 */
static int add_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
    struct vdrv__runs r = {.seg = seg, .n = (uint64_t)nout + nin, .nout = nout};
    const uint32_t room = packed_room(q);
    uint32_t id = q->free_at, tag = 0;
    int32_t at = q->avail_at;
    int err = r.n == 0 || r.n > room ? vdrv__queue_refuse(q, r.n) : VDRV_OK;

    while (err == VDRV_OK && r.k < r.n) {
        if (r.count == q->max_chain || r.count == room)
            err = vdrv__queue_refuse(q, (uint64_t)r.count + 1);
        else
            err = vdrv__queue_next_run(q, &r);
        if (err != VDRV_OK)
            break;
        if (q->map != NULL)
            q->map[id] = r.map;
        id = (uint32_t)q->slot[id].link;
        desc_at(q, at)->addr = le64(r.map.dma);
        desc_at(q, at)->len = le32(r.map.run);
        at = advance(q, at, 1, &tag);
    }
    if (err != VDRV_OK) {
        unmap_some(q, q->free_at, r.count);
        return err;
    }
    return commit_any(q, r.count, r.outs, (uint32_t)r.writable,
                      q->map != NULL ? CHAIN_MAPPED : 0, cookie);
}

/* Writes address and length; false when the segment may need mapping. */
ALWAYS_INLINE bool place(const struct vdrv_queue *q, const struct vdrv_seg *seg,
                         struct pvirtq_desc *d, uint64_t *total)
{
    uint64_t len;

    if (unlikely(!vdrv__queue_direct(q, seg, &d->addr, &d->len, &len)))
        return false;
    *total += len;
    return true;
}

#if defined(__OPTIMIZE_SIZE__)
/* The one that knows all is enough. */
static int add_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                   uint32_t nout, uint32_t nin, void *cookie)
{
    return add_mapped(q, seg, nout, nin, cookie);
}
#else
NOINLINE int add_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                     uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    uint64_t readable = 0, writable = 0;
    uint32_t tag = 0;
    int32_t at = q->avail_at;

    if (n - 1 >= packed_room(q) || n > q->max_chain)
        return vdrv__queue_refuse(q, n);
    for (uint32_t k = 0; k < n; k++) {
        if (!place(q, &seg[k], desc_at(q, at),
                   k < nout ? &readable : &writable))
            return add_mapped(q, seg, nout, nin, cookie);
        at = advance(q, at, 1, &tag);
    }
    if (readable + writable > VDRV__BYTES_MAX) /* 2.8.5 */
        return VDRV_ERR_TOO_BIG;
    return commit_any(q, (uint32_t)n, nout, (uint32_t)writable, 0, cookie);
}

/*
 * What came back since the last look may be room enough, for this chain by the
 * general way, and for the next ones by the short.
 */
NOINLINE int add_again(struct vdrv_queue *q, const struct vdrv_seg *seg,
                       uint32_t nout, uint32_t nin, void *cookie)
{
    set_limit(q);
    return add_any(q, seg, nout, nin, cookie);
}

/* A chain for which there is room before the end of the ring. */
ALWAYS_INLINE int add_shape(struct vdrv_queue *q, const struct vdrv_seg *seg,
                            const uint32_t nout, const uint32_t nin,
                            void *cookie)
{
    const uint32_t n = nout + nin;
    const int32_t bytes = (int32_t)n * DESC_BYTES;
    const ptrdiff_t at = q->avail_at;
    struct pvirtq_desc *d = desc_at(q, at);
    uint64_t readable = 0, writable = 0;
    uint32_t id, tag;

    if (unlikely(at + bytes > q->stop_at))
        return add_again(q, seg, nout, nin, cookie);
    if (unlikely(!place(q, &seg[0], &d[0], nout < 1 ? &writable : &readable)) ||
        (n > 1 && unlikely(!place(q, &seg[1], &d[1],
                                  nout < 2 ? &writable : &readable))) ||
        (n > 2 &&
         unlikely(!place(q, &seg[2], &d[2], nout < 3 ? &writable : &readable))))
        return add_mapped(q, seg, nout, nin, cookie);
    id = q->free_at;
    tag = q->avail_tag | id;
    if (n > 2)
        d[1].tag = le32(tag + (TAG_NEXT | (nout < 2 ? TAG_WRITE : 0)));
    if (n > 1)
        d[n - 1].tag = le32(tag + (nin != 0 ? TAG_WRITE : 0));
    q->free_at = (uint32_t)q->slot[id].link;
    q->avail_at += bytes;
    return commit(q, d, id,
                  tag + (nout == 0 ? TAG_WRITE : 0) + (n > 1 ? TAG_NEXT : 0),
                  (uint32_t)writable + 1, (uint32_t)bytes, cookie);
}

/* No three short segments exceed what a chain may hold. */
_Static_assert(3 * (uint64_t)VDRV__SHORT_SEG < VDRV__BYTES_MAX, "2.8.5");
#endif

/* 2.8.7: one descriptor that refers to a table of the id's own. */
static inline int commit_indirect(struct vdrv_queue *q, uint32_t n,
                                  uint32_t writable, uint32_t mapped,
                                  void *cookie)
{
    const uint32_t id = q->free_at;
    const int32_t at = q->avail_at;
    struct pvirtq_desc *d = desc_at(q, at);

    d->addr = le64(q->tables_dma + (uint64_t)id * q->indirect * sizeof(*d));
    d->len = le32(n * (uint32_t)sizeof(*d));
    commit(q, d, id, q->avail_tag | TAG_INDIRECT | id, writable + 1,
           DESC_BYTES | mapped, cookie);
    q->free_at = (uint32_t)q->slot[id].link;
    q->avail_at = advance(q, at, 1, &q->avail_tag);
    if (unlikely(q->avail_at <= at))
        set_limit(q);
    return VDRV_OK;
}

static int add_indirect_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               uint32_t nout, uint32_t nin, void *cookie)
{
    struct vdrv__runs r = {.seg = seg, .n = (uint64_t)nout + nin, .nout = nout};
    const uint32_t id = q->free_at;
    const size_t base = (size_t)q->indirect * id;
    struct pvirtq_desc *table = (struct pvirtq_desc *)q->tables + base;
    const struct vdrv_queue_map *map;
    int err;

    if (q->table_map == NULL) /* nothing can be mapped: say why */
        return add_mapped(q, seg, nout, nin, cookie);
    err = vdrv__queue_map_table(q, id, &r);
    if (err == VDRV__TABLE_FULL) /* as a plain chain */
        return add_mapped(q, seg, nout, nin, cookie);
    if (err != VDRV_OK)
        return err;
    map = q->table_map + base;
    for (uint32_t k = 0; k < r.count; k++) {
        table[k].addr = le64(map[k].dma);
        table[k].len = le32(map[k].run);
        table[k].tag = le32(k >= r.outs ? TAG_WRITE : 0);
    }
    return commit_indirect(q, r.count, (uint32_t)r.writable, CHAIN_MAPPED,
                           cookie);
}

/* Entry k of a table (2.8.7: no flag but WRITE); false when it may need
   mapping. */
ALWAYS_INLINE bool fill(const struct vdrv_queue *q, const struct vdrv_seg *seg,
                        struct pvirtq_desc *table, uint32_t k, const bool in,
                        uint64_t *total)
{
    if (unlikely(!place(q, &seg[k], &table[k], total)))
        return false;
    table[k].tag = le32(in ? TAG_WRITE : 0);
    return true;
}

static inline struct pvirtq_desc *table_of(const struct vdrv_queue *q,
                                           uint32_t id)
{
    return (struct pvirtq_desc *)q->tables + (size_t)q->indirect * id;
}

NOINLINE int add_indirect_any(struct vdrv_queue *q, const struct vdrv_seg *seg,
                              uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    struct pvirtq_desc *table = table_of(q, q->free_at);
    uint64_t readable = 0, writable = 0;

    set_limit(q);
    if (n - 2 > (uint64_t)q->indirect - 2 || packed_room(q) == 0)
        return add_any(q, seg, nout, nin, cookie);
    for (uint32_t k = 0; k < n; k++) {
        if (!fill(q, seg, table, k, k >= nout,
                  k < nout ? &readable : &writable))
            return add_indirect_mapped(q, seg, nout, nin, cookie);
    }
    if (readable + writable > VDRV__BYTES_MAX) /* 2.8.5 */
        return VDRV_ERR_TOO_BIG;
    return commit_indirect(q, (uint32_t)n, (uint32_t)writable, 0, cookie);
}

#if !defined(__OPTIMIZE_SIZE__)
ALWAYS_INLINE int indirect_shape(struct vdrv_queue *q,
                                 const struct vdrv_seg *seg,
                                 const uint32_t nout, const uint32_t nin,
                                 void *cookie)
{
    struct pvirtq_desc *t = table_of(q, q->free_at);
    uint64_t readable = 0, writable = 0;

    if (unlikely(q->avail_at >= q->stop_at))
        return add_indirect_any(q, seg, nout, nin, cookie);
    if (unlikely(!fill(q, seg, t, 0, false, &readable)) ||
        unlikely(
            !fill(q, seg, t, 1, nout < 2, nout < 2 ? &writable : &readable)) ||
        (nout + nin > 2 && unlikely(!fill(q, seg, t, 2, nout < 3, &writable))))
        return add_indirect_mapped(q, seg, nout, nin, cookie);
    return commit_indirect(q, nout + nin, (uint32_t)writable, 0, cookie);
}

/* ---- Adding what is framed, but for one segment known ------------------- */

/* A head or a tail, whose address needs no checks. */
ALWAYS_INLINE void known(struct pvirtq_desc *d, uint64_t dma, uint32_t len)
{
    d->addr = le64(dma);
    d->len = le32(len);
}

/* Bytes posted as writable. */
ALWAYS_INLINE uint32_t framed_bytes(const struct vdrv_queue *q, const bool in,
                                    uint64_t len)
{
    return (in ? (uint32_t)len : 0) + q->frame.tail;
}

ALWAYS_INLINE int framed_shape(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               const bool in, uint64_t dma, void *cookie)
{
    const int32_t bytes = 3 * DESC_BYTES;
    struct pvirtq_desc *d = desc_at(q, q->avail_at);
    uint32_t id, tag;
    uint64_t len = 0;

    if (unlikely(q->avail_at + bytes > q->stop_at ||
                 !vdrv__queue_direct(q, seg, &d[1].addr, &d[1].len, &len)))
        return in ? vdrv__queue_framed_in(q, seg, dma, cookie)
                  : vdrv__queue_framed_out(q, seg, dma, cookie);
    id = q->free_at;
    tag = q->avail_tag | id;
    known(&d[0], dma, q->frame.head);
    d[1].tag = le32(tag + (TAG_NEXT | (in ? TAG_WRITE : 0)));
    known(&d[2], dma + q->frame.tail_at, q->frame.tail);
    d[2].tag = le32(tag + TAG_WRITE);
    q->free_at = (uint32_t)q->slot[id].link;
    q->avail_at += bytes;
    return commit(q, d, id, tag | TAG_NEXT, framed_bytes(q, in, len) + 1,
                  (uint32_t)bytes, cookie);
}

ALWAYS_INLINE int framed_indirect(struct vdrv_queue *q,
                                  const struct vdrv_seg *seg, const bool in,
                                  uint64_t dma, void *cookie)
{
    struct pvirtq_desc *t = table_of(q, q->free_at);
    uint64_t len = 0;

    if (unlikely(q->avail_at >= q->stop_at ||
                 !vdrv__queue_direct(q, seg, &t[1].addr, &t[1].len, &len)))
        return in ? vdrv__queue_framed_in(q, seg, dma, cookie)
                  : vdrv__queue_framed_out(q, seg, dma, cookie);
    known(&t[0], dma, q->frame.head);
    t[0].tag = le32(0);
    t[1].tag = le32(in ? TAG_WRITE : 0);
    known(&t[2], dma + q->frame.tail_at, q->frame.tail);
    t[2].tag = le32(TAG_WRITE);
    return commit_indirect(q, 3, framed_bytes(q, in, len), 0, cookie);
}
#endif

#include "vdrv_queue_shapes.h"

/* ---- Notifying ---------------------------------------------------------- */

/* 2.8.14: a place as offset and wrap counter, which is one bit of its tag. */
static inline uint32_t event_word(const struct vdrv_queue *q, int32_t at,
                                  uint32_t tag, uint32_t bit)
{
    return (uint32_t)(at + ring_bytes(q)) / DESC_BYTES |
           ((tag & bit) != 0 ? PVIRTQ_EVENT_WRAP : 0);
}

/*
 * 2.8.10: does the device want to hear of what was in [old, avail_at)?  All
 * of it in bytes.
 */
static inline bool kick_wanted(const struct vdrv_queue *q, uint32_t event,
                               const bool event_idx, int32_t old)
{
    const uint32_t flags = event & PVIRTQ_EVENT_FLAG(3u);
    const int32_t size = ring_bytes(q);
    int32_t added = q->avail_at - old, passed;

    /* A 3 says nothing: the device is told, for that never hurts. */
    if (unlikely(flags != PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DESC) || !event_idx))
        return flags != PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DISABLE);
    if (added <= 0)
        added += size;
    passed = q->avail_at + size - DESC_BYTES;
    passed -= (int32_t)(event & 0x7fffu) * DESC_BYTES;
    if (((EVENT_TAG(event) ^ q->avail_tag) & TAG_AVAIL) != 0)
        passed += size;
    return (uint32_t)passed < (uint32_t)added; /* below 0: not reached */
}

ALWAYS_INLINE int kick_with(struct vdrv_queue *q, const bool event_idx,
                            const bool data, const uint32_t width)
{
    const struct pvirtq_event_suppress *device = q->device;
    const uint32_t tag = q->held_tag;
    const int32_t old = q->batch_at;

    if (tag == 0)
        return 0;
    /* 2.8.20.1: what was filled in is seen before the flags of the head. */
    vdrv__platform_publish(q->order_platform);
    shared_publish32(&desc_at(q, old)->tag, tag);
    q->held_tag = 0;
    q->batch_at = q->avail_at;
    q->published = (uint16_t)q->avail_idx;
    /* 2.8.20.2.1: they are seen before suppression is looked at. */
    vdrv__full_fence();
    vdrv__platform_fence(q->order_platform);
    if (kick_wanted(q, shared_load32(&device->word), event_idx, old))
        return data
                   ? vdrv__queue_notify_data(
                         q, event_word(q, q->avail_at, q->avail_tag, TAG_AVAIL))
                   : vdrv__queue_ring(q, width);
    q->stats.suppressed++;
    return 0;
}

#include "vdrv_queue_kicks.h"

/* ---- Reaping ------------------------------------------------------------ */

/* Undoes the mappings of a chain that came back. */
static void unmap_chain(struct vdrv_queue *q, uint32_t id)
{
    const uint32_t chain = q->slot[id].chain;

    if ((chain & CHAIN_MAPPED) != 0 && !vdrv__queue_unmap_table(q, id))
        unmap_some(q, id, chain / DESC_BYTES);
}

/* The last of the ids that a chain has. */
static uint32_t last_id(const struct vdrv_queue *q, uint32_t id)
{
    const uint32_t chain = q->slot[id].chain;

    if ((chain & CHAIN_MAPPED) != 0)
        for (uint32_t k = chain / DESC_BYTES; k > 1; k--)
            id = (uint32_t)q->slot[id].link;
    return id;
}

/* How many came back; and how many may yet, behind one that seems wrong. */
struct reaped {
    uint32_t n;
    uint32_t left;
    bool all;              /* none seems wrong */
    struct vdrv_used *out; /* where those go */
};

/*
 * Never looks beyond what was published, so that no more buffers come back
 * than are out.  2.8.1: used is what has both bits as the wrap counter.  The
 * WRITE flag of a used descriptor (2.8.4) is not asked for: most devices leave
 * it out, and a length is believed where a part was writable.
 * `general`: it knows of mappings, and of odd lengths that do no harm.
 */
ALWAYS_INLINE void reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                             uint32_t max, const bool general, struct reaped *r)
{
    uint32_t n = (uint16_t)(q->published - q->used_idx), left;
    uint32_t free_at = q->free_at, want = q->used_tag;
    ptrdiff_t at = q->used_at;
    bool bad = false;

    n = n < max ? n : max;
    for (left = n; left != 0; left--, out++) {
        const struct pvirtq_desc *d = desc_at(q, at);
        const uint32_t tag = shared_consume32(&d->tag); /* 2.8.21 */
        const size_t id = tag & TAG_ID;
        struct vdrv_queue_slot *s;
        uint32_t len;

        if (((tag ^ want) & TAG_WRAP) != 0)
            break;
        bad = id >= q->size;
        if (unlikely(bad))
            break;
        vdrv__platform_consume(q->order_platform);
        len = shared_load32(&d->len);
        s = &q->slot[id];
        if (unlikely(len >= s->limit)) {
            bad = !general || !vdrv__queue_excuse(q, s, &len);
            if (bad)
                break;
        }
        if (general)
            unmap_chain(q, (uint32_t)id);
        out->cookie = q->cookie[id];
        out->len = len;
        s->limit = 0;
        q->slot[general ? last_id(q, (uint32_t)id) : id].link = free_at;
        free_at = (uint32_t)id;
        at += (ptrdiff_t)(general ? s->chain & ~CHAIN_MAPPED : s->chain);
        if (unlikely(at >= 0)) { /* 2.8.1 */
            at -= ring_bytes(q);
            want ^= TAG_WRAP;
        }
    }
    n -= left;
    q->used_at = (int32_t)at;
    q->used_tag = want;
    q->used_idx = (uint16_t)(q->used_idx + n);
    q->free_at = free_at;
    r->n = n;
    r->all = !bad;
    r->left = left;
    r->out = out;
}

static int reap_mapped(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max)
{
    struct reaped r;

    reap_some(q, out, max, true, &r);
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

    reap_some(q, out, max, false, &r);
    return likely(r.all) ? (int)r.n : reap_rest(q, r.out, r.left, r.n);
}
#endif

/* ---- Interrupt suppression ---------------------------------------------- */

/*
 * Have more than `ahead` descriptors come back?  An id that cannot be is for
 * reap to find.
 */
static bool came_back(const struct vdrv_queue *q, uint32_t ahead)
{
    uint32_t want = q->used_tag;
    int32_t at = q->used_at;

    for (uint32_t n = (uint16_t)(q->published - q->used_idx); n > 0; n--) {
        const uint32_t tag = shared_consume32(&desc_at(q, at)->tag);
        const uint32_t id = tag & TAG_ID;
        uint32_t count;

        if (((tag ^ want) & TAG_WRAP) != 0)
            return false;
        if (id >= q->size || q->slot[id].limit == 0)
            return true;
        count = q->slot[id].chain / DESC_BYTES;
        if (count > ahead)
            return true;
        ahead -= count;
        at = advance(q, at, count, &want);
    }
    return false;
}

static bool packed_pending(const struct vdrv_queue *q)
{
    return came_back(q, 0);
}

/* 2.8.9, 2.8.14. */
uint32_t vdrv__packed_ask(struct vdrv_queue *q, uint32_t mode)
{
    struct pvirtq_event_suppress *driver = q->driver;
    uint32_t ahead = 0, word = PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_ENABLE);

    if (mode == VDRV_ARM_OFF) {
        word = PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DISABLE);
    } else if (q->event_idx != 0) {
        uint32_t tag = q->used_tag;
        int32_t at;

        ahead = vdrv__queue_ahead(mode, between(q, q->used_at, q->batch_at,
                                                q->published != q->used_idx));
        at = advance(q, q->used_at, ahead, &tag);
        word = event_word(q, at, tag, TAG_USED) |
               PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DESC);
    }
    shared_store32(&driver->word, word);
    vdrv__full_fence(); /* 2.8.21: the wish is seen before the ring is read */
    vdrv__platform_fence(q->order_platform);
    return ahead;
}

static int packed_arm(struct vdrv_queue *q, uint32_t mode)
{
    const uint32_t ahead = vdrv__packed_ask(q, mode);

    return mode != VDRV_ARM_OFF && came_back(q, ahead);
}

static void packed_reset(struct vdrv_queue *q)
{
    for (uint32_t i = 0; i < q->size; i++)
        q->slot[i].link = i + 1 < q->size ? i + 1 : 0;
    q->free_at = 0;
    q->avail_idx = 0;
    q->published = 0;
    q->used_idx = 0;
    q->desc_end = (uint8_t *)q->desc + ring_bytes(q);
    q->avail_at = -ring_bytes(q);
    q->batch_at = q->avail_at;
    q->used_at = q->avail_at;
    q->avail_tag = TAG_AVAIL; /* 2.8.1: both wrap counters start at 1 */
    q->used_tag = TAG_WRAP;
    q->held_tag = 0;
    set_limit(q);
    (void)packed_arm(q, VDRV_ARM_OFF); /* nobody may be there to hear it */
    choose_add(q);
    choose_kick(q);
    q->reap = q->map != NULL ? reap_mapped : reap_fast;
}

const struct vdrv_queue_kind vdrv_queue_packed = {
    .name = "packed",
    .layout = packed_layout,
    .reset = packed_reset,
    .arm = packed_arm,
    .pending = packed_pending,
    .room = packed_room,
    .unmap = unmap_chain,
};
