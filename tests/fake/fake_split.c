/* SPDX-License-Identifier: MIT */
/*
 * The device side of the split ring, VirtIO 1.4 section 2.7.  Naive on
 * purpose: the areas are translated at each use, each descriptor is read
 * once, and every rule of section 2.7 that a driver could break is checked
 * where it shows.
 */
#include "fake_virtio.h"

#include <stdlib.h>
#include <string.h>

#define DESC_BYTES 16u
#define CHAIN_MAX  (UINT64_C(1) << 32)

/* ---- The three areas ------------------------------------------------ */

static uint8_t *desc_area(struct fake_queue *q)
{
    return fake_dma(q->dev->f, q->desc, DESC_BYTES * (uint64_t)q->size,
                    VDRV_DIR_OUT);
}

static uint8_t *avail_area(struct fake_queue *q)
{
    return fake_dma(q->dev->f, q->driver, 6 + 2 * (uint64_t)q->size,
                    VDRV_DIR_OUT);
}

static uint8_t *used_area(struct fake_queue *q)
{
    return fake_dma(q->dev->f, q->device, 6 + 8 * (uint64_t)q->size,
                    VDRV_DIR_IN);
}

/* Little-endian, but in the guest's order on the legacy interface. */
static uint16_t ring16(const struct fake_queue *q, uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = (uint16_t)(v << 8 | v >> 8);
#endif
    return fake_wire16(q->dev, v);
}

/* Indices and flags are what both sides look at while the other runs. */
static uint16_t load16(const struct fake_queue *q, const uint8_t *p)
{
    return ring16(q, __atomic_load_n((const uint16_t *)(const void *)p,
                                     __ATOMIC_ACQUIRE));
}

static void store16(const struct fake_queue *q, uint8_t *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)(void *)p, ring16(q, v), __ATOMIC_RELEASE);
}

static void full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- Start ---------------------------------------------------------- */

static bool aligned(struct fake_queue *q, uint64_t addr, uint32_t align,
                    const char *what)
{
    if ((addr & (align - 1)) == 0)
        return true;
    fake_violation(q->dev->f, "SPLIT-01", "queue %u: %s at %#llx", q->index,
                   what, (unsigned long long)addr);
    return false;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static bool split_start(struct fake_queue *q)
{
    struct fake *f = q->dev->f;
    uint8_t *used, *avail;

    if (q->size == 0 || (q->size & (q->size - 1)) || q->size > 32768) {
        fake_violation(f, "SPLIT-02", "queue %u: size %u", q->index, q->size);
        return false;
    }
    if (!aligned(q, q->desc, 16, "descriptor table") ||
        !aligned(q, q->driver, 2, "available ring") ||
        !aligned(q, q->device, 4, "used ring"))
        return false;
    used = used_area(q);
    avail = avail_area(q);
    if (!used || !avail || !desc_area(q))
        return false;
    /* 2.7.10.1, 4.1.5.1.3, 4.2.3.2: the driver zeroes ring memory. */
    if (!is_zero(used, 6 + 8 * (size_t)q->size) || avail[2] || avail[3])
        fake_violation(f, "SPLIT-25", "queue %u: ring is not zero", q->index);
    return true;
}

/* ---- Hints to the driver -------------------------------------------- */

static void split_hint(struct fake_queue *q)
{
    uint8_t *used = used_area(q);
    uint16_t event = q->next_avail, flags = 0;

    if (!used)
        return;
    if (q->kick_policy == FAKE_KICK_NEVER) {
        event = (uint16_t)(q->next_avail + 0x8000u);
        flags = 1;
    } else if (q->kick_policy == FAKE_KICK_RANDOM) {
        event = (uint16_t)fake_rand(q->dev->f);
        flags = (uint16_t)(fake_rand(q->dev->f) & 1u);
    }
    q->event_asked = event;
    q->flags_asked = flags;
    if (q->event_idx)
        store16(q, used + 4 + 8 * (size_t)q->size, event);
    else
        store16(q, used, flags);
}

static bool split_kick_wanted(struct fake_queue *q)
{
    uint8_t *avail = avail_area(q);
    uint16_t past;

    if (!avail || !q->event_idx)
        return q->flags_asked == 0;
    past = (uint16_t)(load16(q, avail + 2) - q->event_asked);
    return past != 0 && past <= q->size;
}

static bool split_kick_next(struct fake_queue *q, uint16_t next)
{
    uint8_t *avail = avail_area(q);

    return avail && load16(q, avail + 2) == next;
}

/* ---- Taking a chain ------------------------------------------------- */

static bool broken(struct fake_queue *q, const char *id, const char *what,
                   uint32_t value)
{
    fake_violation(q->dev->f, id, "%s queue %u: %s (%u)", q->dev->name,
                   q->index, what, value);
    return false;
}

/* The walk through one chain. */
struct walk {
    struct fake_queue *q;
    struct fake_slot *slot;
    struct fake_chain *c;
    uint8_t *table;
    uint32_t entries; /* of the table */
    uint32_t at;
    uint16_t head;
    bool indirect;
};

/* A descriptor of the ring belongs to one chain at a time (SPLIT-06). */
static bool claim(struct walk *w, uint16_t next)
{
    struct fake_queue *q = w->q;

    if (q->owner[w->at])
        return broken(q,
                      q->owner[w->at] == w->head + 1 ? "SPLIT-06" : "BASIC-41",
                      "descriptor is in use already", w->at);
    q->owner[w->at] = (uint16_t)(w->head + 1);
    q->link[w->at] = next;
    w->c->slots++;
    return true;
}

static bool add_seg(struct walk *w, uint64_t addr, uint32_t len, bool write)
{
    struct fake_chain *c = w->c;
    struct fake_slot *s = w->slot;

    if (c->nseg >= w->q->size)
        return broken(w->q, "SPLIT-11", "chain longer than the queue", c->nseg);
    if (!write && c->wlen)
        return broken(w->q, "SPLIT-04", "readable after writable", c->nseg);
    if (len == 0)
        return broken(w->q, "RING", "empty descriptor", c->nseg);
    if (!w->q->dev->f->unchecked &&
        !fake_dma(w->q->dev->f, addr, len, write ? VDRV_DIR_IN : VDRV_DIR_OUT))
        return false;
    if (c->nseg == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->seg = realloc(s->seg, s->cap * sizeof(*s->seg));
        if (!s->seg)
            abort();
    }
    s->seg[c->nseg++] = (struct fake_seg){addr, len, write};
    if (write)
        c->wlen += len;
    else
        c->rlen += len;
    c->nread += !write;
    if (c->rlen + c->wlen > CHAIN_MAX)
        return broken(w->q, "SPLIT-06", "chain above 2^32 bytes", c->nseg);
    return true;
}

static bool enter_indirect(struct walk *w, uint64_t addr, uint32_t len,
                           uint16_t flags)
{
    struct fake_queue *q = w->q;

    if (!q->indirect)
        return broken(q, "SPLIT-09", "INDIRECT was not negotiated", w->at);
    if (w->indirect)
        return broken(q, "SPLIT-10", "INDIRECT inside a table", w->at);
    if (flags & FAKE_DESC_NEXT)
        return broken(q, "SPLIT-12", "INDIRECT with NEXT", w->at);
    if (len == 0 || len % DESC_BYTES)
        return broken(q, "SPLIT-14", "indirect table of odd length", len);
    w->table = fake_dma(q->dev->f, addr, len, VDRV_DIR_OUT);
    w->entries = len / DESC_BYTES;
    w->at = 0;
    w->indirect = true;
    return w->table != NULL;
}

/*
 * With IN_ORDER a table is used from its start to its end, the ring's around
 * (SPLIT-07, SPLIT-08, SPLIT-13).
 */
static bool in_sequence(struct walk *w, uint16_t next, bool more)
{
    struct fake_queue *q = w->q;
    uint32_t after = w->at + 1;

    if (!q->in_order)
        return true;
    if (!w->indirect) {
        after &= q->size - 1u;
        q->next_desc = (uint16_t)after;
    }
    if (more && next != after)
        return broken(q, w->indirect ? "SPLIT-13" : "SPLIT-07",
                      "next is out of order", next);
    return true;
}

/* One descriptor; `*more` says that the walk goes on. */
static bool walk_one(struct walk *w, bool *more)
{
    uint8_t *p = w->table + (size_t)w->at * DESC_BYTES;
    const struct fake_dev *const d = w->q->dev;
    uint64_t addr = fake_wire64(d, fake_get64(p));
    uint32_t len = fake_wire32(d, fake_get32(p + 8));
    uint16_t flags = fake_wire16(d, fake_get16(p + 12));
    uint16_t next = fake_wire16(d, fake_get16(p + 14));

    if (!w->indirect && !claim(w, next))
        return false;
    if (w->q->poison)
        memset(p, FAKE_POISON, DESC_BYTES);
    *more = true;
    if (!in_sequence(w, next, flags & FAKE_DESC_NEXT))
        return false;
    if (flags & ~(FAKE_DESC_NEXT | FAKE_DESC_WRITE | FAKE_DESC_INDIRECT))
        return broken(w->q, "SPLIT-34", "unknown descriptor flags", flags);
    if (flags & FAKE_DESC_INDIRECT)
        return enter_indirect(w, addr, len, flags);
    if (!add_seg(w, addr, len, flags & FAKE_DESC_WRITE))
        return false;
    *more = flags & FAKE_DESC_NEXT;
    if (*more && next >= w->entries)
        return broken(w->q, "SPLIT-34", "next is beyond the table", next);
    w->at = next;
    return true;
}

static void release(struct fake_queue *q, uint16_t head)
{
    uint16_t i = head;

    while (i < q->size && q->owner[i] == head + 1) {
        q->owner[i] = 0;
        i = q->link[i];
    }
}

static bool walk_chain(struct fake_queue *q, uint16_t head,
                       struct fake_chain *c)
{
    struct walk w = {q, NULL, c, desc_area(q), q->size, head, head, false};
    bool more = true;

    memset(c, 0, sizeof(*c));
    c->q = q;
    c->id = head;
    if (head >= q->size)
        return broken(q, "SPLIT-36", "no such descriptor", head);
    if (!w.table)
        return false;
    w.slot = &q->slot[head];
    if (w.slot->out)
        return broken(q, "BASIC-41", "head is with the device", head);
    if (q->in_order && head != q->next_desc)
        return broken(q, "SPLIT-08", "head is out of order", head);
    while (more)
        if (!walk_one(&w, &more)) {
            release(q, head);
            return false;
        }
    c->seg = w.slot->seg;
    w.slot->out = true;
    return true;
}

static void check_flags(struct fake_queue *q, const uint8_t *avail)
{
    uint16_t flags = load16(q, avail);

    if (flags > 1)
        broken(q, "SPLIT-16", "avail flags", flags);
    if (q->event_idx && flags)
        broken(q, "SPLIT-18", "avail flags with EVENT_IDX", flags);
}

static uint16_t waiting(struct fake_queue *q, const uint8_t *avail)
{
    return (uint16_t)(load16(q, avail + 2) - q->next_avail);
}

static uint16_t split_offered(struct fake_queue *q)
{
    uint8_t *avail = avail_area(q);

    return avail ? waiting(q, avail) : 0;
}

static bool split_pop(struct fake_queue *q, struct fake_chain *c)
{
    uint8_t *avail = avail_area(q), *slot;
    uint16_t head;

    if (!avail)
        return false;
    check_flags(q, avail);
    if (waiting(q, avail) == 0) {
        /* Ask for a kick, then look again: 2.7.10, from our side. */
        split_hint(q);
        full_fence();
        if (waiting(q, avail) == 0)
            return false;
    }
    if (waiting(q, avail) + q->in_flight > q->size)
        return broken(q, "SPLIT-15", "avail index jumps", waiting(q, avail));
    slot = avail + 4 + 2 * (size_t)(q->next_avail & (q->size - 1));
    head = fake_wire16(q->dev, fake_get16(slot));
    if (q->poison)
        fake_put16(slot, FAKE_POISON * 0x101u);
    q->next_avail++;
    return walk_chain(q, head, c);
}

/* ---- Giving it back ------------------------------------------------- */

void fake_split_rewrite(struct fake_queue *q, uint16_t slot, uint32_t id,
                        uint32_t len)
{
    uint8_t *used = used_area(q);
    size_t off = 4 + 8 * (size_t)(slot & (q->size - 1));

    if (!used)
        return;
    fake_put32(used + off, fake_wire32(q->dev, id));
    fake_put32(used + off + 4, fake_wire32(q->dev, len));
}

void fake_split_push_raw(struct fake_queue *q, uint32_t id, uint32_t len)
{
    fake_split_rewrite(q, q->next_used++, id, len);
}

static void split_release(struct fake_queue *q, const struct fake_chain *c)
{
    release(q, c->id);
}

/* 2.7.9: a batch has one element, its first, of the last chain's. */
static void split_push(struct fake_queue *q, const struct fake_chain *c,
                       uint32_t len)
{
    if (!q->batch_open)
        q->batch_at = q->next_used;
    q->next_used++;
    fake_split_rewrite(q, q->batch_at, c->id, len);
    q->batch_open = q->in_order && q->batch && len == c->wlen;
}

void fake_split_set_used_idx(struct fake_queue *q, uint16_t idx)
{
    uint8_t *used = used_area(q);

    if (used)
        store16(q, used + 2, idx);
}

static bool split_publish(struct fake_queue *q)
{
    uint8_t *avail = avail_area(q);
    uint16_t old = q->told_used, now = q->next_used, event;

    if (!avail || old == now)
        return false;
    fake_split_set_used_idx(q, now);
    q->told_used = now;
    q->batch_open = false;
    full_fence();
    if (!q->event_idx)
        return !(load16(q, avail) & 1);
    event = load16(q, avail + 4 + 2 * (size_t)q->size);
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* ---- Raw access ----------------------------------------------------- */

void fake_split_set_hints(struct fake_queue *q, uint16_t flags, uint16_t event)
{
    uint8_t *used = used_area(q);

    if (!used)
        return;
    store16(q, used, flags);
    store16(q, used + 4 + 8 * (size_t)q->size, event);
}

void fake_split_scribble(struct fake_queue *q, uint8_t byte)
{
    uint8_t *desc = desc_area(q);

    for (uint16_t i = 0; desc && i < q->size; i++)
        if (q->owner[i])
            memset(desc + (size_t)i * DESC_BYTES, byte, DESC_BYTES);
}

uint16_t fake_split_avail_flags(struct fake_queue *q)
{
    return load16(q, avail_area(q));
}

uint16_t fake_split_avail_idx(struct fake_queue *q)
{
    return load16(q, avail_area(q) + 2);
}

uint16_t fake_split_used_event(struct fake_queue *q)
{
    return load16(q, avail_area(q) + 4 + 2 * (size_t)q->size);
}

const struct fake_ring_ops fake_split_ops = {
    .start = split_start,
    .pop = split_pop,
    .offered = split_offered,
    .release = split_release,
    .push = split_push,
    .publish = split_publish,
    .hint = split_hint,
    .kick_wanted = split_kick_wanted,
    .kick_next = split_kick_next,
};
