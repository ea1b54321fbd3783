/* SPDX-License-Identifier: MIT */
/*
 * The device side of the packed ring, VirtIO 1.4 section 2.8.  Naive on
 * purpose: the ring is translated at each use, places are a slot and a wrap
 * counter as the text has them, used elements are kept in a list until they
 * are published, and what the device owns is compared with a copy, for nobody
 * else may write there.
 */
#include "fake_virtio.h"

#include <stdlib.h>
#include <string.h>

#define DESC_BYTES 16u
#define CHAIN_MAX  (UINT64_C(1) << 32)
#define AVAIL      0x80u
#define USED       0x8000u
#define ENABLE     0u
#define DISABLE    1u
#define DESC       2u

/* A used element that is not visible yet. */
struct fake_packed_used {
    uint16_t id, slots;
    uint32_t len;
    bool whole; /* it was written completely */
};

struct fake_packed_state {
    struct fake_packed_place avail, used;
    uint16_t owned; /* slots between used and avail */
    uint16_t n_pend;
    struct fake_packed_used *pend;
    uint8_t *copy; /* of the slots that the device owns */
};

/* ---- Places and areas ----------------------------------------------------- */

static uint8_t *ring_area(struct fake_queue *q)
{
    return fake_dma(q->dev->f, q->desc, DESC_BYTES * (uint64_t)q->size,
                    VDRV_DIR_IN);
}

static uint8_t *slot_at(struct fake_queue *q, uint16_t slot)
{
    uint8_t *ring = ring_area(q);

    return ring ? ring + (size_t)slot * DESC_BYTES : NULL;
}

static struct fake_packed_place next_place(struct fake_queue *q,
                                           struct fake_packed_place p)
{
    if (++p.slot == q->size) {
        p.slot = 0;
        p.wrap = !p.wrap;
    }
    return p;
}

static bool same_place(struct fake_packed_place a, struct fake_packed_place b)
{
    return a.slot == b.slot && a.wrap == b.wrap;
}

static uint16_t event_word(struct fake_packed_place p)
{
    return (uint16_t)(p.slot | (p.wrap ? 0x8000u : 0));
}

static uint16_t load16(const uint8_t *p)
{
    uint16_t raw =
        __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);

    return fake_get16((const uint8_t *)&raw);
}

static void store16(uint8_t *p, uint16_t v)
{
    uint16_t raw;

    fake_put16((uint8_t *)&raw, v);
    __atomic_store_n((uint16_t *)(void *)p, raw, __ATOMIC_RELEASE);
}

static void full_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool broken(struct fake_queue *q, const char *id, const char *what,
                   uint32_t value)
{
    fake_violation(q->dev->f, id, "%s queue %u: %s (%u)", q->dev->name,
                   q->index, what, value);
    return false;
}

/* ---- Start ---------------------------------------------------------------- */

void fake_packed_free(struct fake_queue *q)
{
    if (q->packed) {
        free(q->packed->pend);
        free(q->packed->copy);
    }
    free(q->packed);
    q->packed = NULL;
}

static void state_alloc(struct fake_queue *q)
{
    fake_packed_free(q);
    q->packed = calloc(1, sizeof(*q->packed));
    if (!q->packed)
        abort();
    q->packed->avail.wrap = true; /* 2.8.1 */
    q->packed->used.wrap = true;
    q->packed->pend = calloc(q->size, sizeof(*q->packed->pend));
    q->packed->copy = calloc(q->size, DESC_BYTES);
    if (!q->packed->pend || !q->packed->copy)
        abort();
}

static bool packed_start(struct fake_queue *q)
{
    struct fake *f = q->dev->f;
    uint8_t *ring;

    if (q->size == 0 || q->size > 32768)
        return broken(q, "PACKED-02", "size", q->size);
    if (q->desc % 16 || q->driver % 4 || q->device % 4)
        return broken(q, "PACKED-01", "misaligned", q->size);
    ring = ring_area(q);
    if (!ring || !fake_dma(f, q->driver, 4, VDRV_DIR_OUT) ||
        !fake_dma(f, q->device, 4, VDRV_DIR_IN))
        return false;
    for (size_t i = 0; i < DESC_BYTES * (size_t)q->size; i++)
        if (ring[i]) {
            broken(q, "PACKED-16", "ring is not zero at", (uint32_t)i);
            break;
        }
    state_alloc(q);
    return true;
}

/* ---- Event suppression ------------------------------------------------------ */

void fake_packed_set_hints(struct fake_queue *q, uint16_t flags, uint16_t event)
{
    uint8_t *p = fake_dma(q->dev->f, q->device, 4, VDRV_DIR_IN);

    if (!p)
        return;
    q->event_asked = event;
    q->flags_asked = flags;
    store16(p, event);
    store16(p + 2, flags);
}

static void packed_hint(struct fake_queue *q)
{
    if (q->kick_policy == FAKE_KICK_NEVER)
        fake_packed_set_hints(q, DISABLE, 0);
    else if (q->kick_policy == FAKE_KICK_RANDOM)
        fake_packed_set_hints(q, (uint16_t)(fake_rand(q->dev->f) & 3u),
                              (uint16_t)fake_rand(q->dev->f));
    else
        fake_packed_set_hints(q, q->event_idx ? DESC : ENABLE,
                              event_word(q->packed->avail));
}

static bool is_avail(struct fake_queue *q, struct fake_packed_place p)
{
    const uint8_t *d = slot_at(q, p.slot);
    uint16_t flags = d ? load16(d + 14) : 0;

    return d && !!(flags & AVAIL) == p.wrap && !!(flags & USED) != p.wrap;
}

static bool packed_kick_wanted(struct fake_queue *q)
{
    struct fake_packed_place p = {q->event_asked & 0x7FFFu,
                                  q->event_asked >> 15};

    if (q->flags_asked != DESC || !q->event_idx)
        return q->flags_asked != DISABLE;
    return p.slot < q->size && is_avail(q, p);
}

/* The slot that is not available, after all that are. */
static bool packed_kick_next(struct fake_queue *q, uint16_t next)
{
    struct fake_packed_place p = q->packed->avail;
    uint32_t n = q->packed->owned;

    for (; n < q->size && is_avail(q, p); n++)
        p = next_place(q, p);
    return event_word(p) == next;
}

uint16_t fake_packed_driver_flags(struct fake_queue *q)
{
    const uint8_t *p = fake_dma(q->dev->f, q->driver, 4, VDRV_DIR_OUT);
    uint16_t flags;

    if (!p)
        return DISABLE;
    flags = load16(p + 2);
    if (flags > DESC || (flags == DESC && !q->event_idx))
        broken(q, "PACKED-14", "event flags", flags);
    return flags;
}

uint16_t fake_packed_driver_event(struct fake_queue *q)
{
    const uint8_t *p = fake_dma(q->dev->f, q->driver, 4, VDRV_DIR_OUT);
    uint16_t event = p ? load16(p) : 0;

    if ((event & 0x7FFFu) >= q->size)
        broken(q, "PACKED-17", "event offset beyond the ring", event);
    return event;
}

/* ---- Taking a chain ---------------------------------------------------------- */

static bool add_seg(struct fake_queue *q, struct fake_slot *s,
                    struct fake_chain *c, const uint8_t *d, bool write)
{
    uint64_t addr = fake_get64(d);
    uint32_t len = fake_get32(d + 8);

    if (c->nseg >= q->size)
        return broken(q, "PACKED-23", "chain longer than the queue", c->nseg);
    if (!write && c->wlen)
        return broken(q, "PACKED-24", "readable after writable", c->nseg);
    if (len == 0)
        return broken(q, "RING", "empty descriptor", c->nseg);
    if (!q->dev->f->unchecked &&
        !fake_dma(q->dev->f, addr, len, write ? VDRV_DIR_IN : VDRV_DIR_OUT))
        return false;
    if (c->nseg == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->seg = realloc(s->seg, s->cap * sizeof(*s->seg));
        if (!s->seg)
            abort();
    }
    s->seg[c->nseg++] = (struct fake_seg){addr, len, write};
    c->wlen += write ? len : 0;
    c->rlen += write ? 0 : len;
    c->nread += !write;
    return c->rlen + c->wlen <= CHAIN_MAX ||
           broken(q, "SPLIT-06", "chain above 2^32 bytes", c->nseg);
}

static bool add_table(struct fake_queue *q, struct fake_slot *s,
                      struct fake_chain *c, const uint8_t *d)
{
    uint32_t len = fake_get32(d + 8);
    uint8_t *table;

    if (!q->indirect)
        return broken(q, "PACKED-28", "INDIRECT was not negotiated", len);
    if ((fake_get16(d + 14) & FAKE_DESC_NEXT) || c->slots > 1)
        return broken(q, "PACKED-31", "INDIRECT in a list", c->slots);
    if (len == 0 || len % DESC_BYTES)
        return broken(q, "SPLIT-14", "indirect table of odd length", len);
    table = fake_dma(q->dev->f, fake_get64(d), len, VDRV_DIR_OUT);
    if (!table)
        return false;
    for (uint32_t i = 0; i < len; i += DESC_BYTES) {
        uint16_t flags = fake_get16(table + i + 14);

        if (flags & ~FAKE_DESC_WRITE)
            return broken(q, "PACKED-29", "flags in a table", flags);
        if (!add_seg(q, s, c, table + i, flags & FAKE_DESC_WRITE))
            return false;
        if (q->poison)
            memset(table + i, FAKE_POISON, DESC_BYTES);
    }
    return true;
}

/* Writes over all of a descriptor but the bits that say whose it is. */
static void scribble(struct fake_queue *q, uint16_t slot, uint8_t byte)
{
    uint8_t *d = slot_at(q, slot);
    uint16_t keep;

    if (!d)
        return;
    keep = fake_get16(d + 14) & (AVAIL | USED);
    memset(d, byte, DESC_BYTES - 2);
    fake_put16(d + 14, (uint16_t)(keep | (byte * 0x101u & ~(AVAIL | USED))));
    memcpy(q->packed->copy + (size_t)slot * DESC_BYTES, d, DESC_BYTES);
}

/* The slot is the device's from now on. */
static void own(struct fake_queue *q, uint16_t slot, const uint8_t *d)
{
    memcpy(q->packed->copy + (size_t)slot * DESC_BYTES, d, DESC_BYTES);
    q->owner[slot] = 1;
    q->packed->owned++;
}

/*
 * The last descriptor of a list has the id: known when the list was seen.  No
 * word of 2.8.8 asks for it in the others, but QEMU 7.2 takes that of the
 * first, so a driver had better put it there, too.
 */
static bool find_id(struct fake_queue *q, uint16_t *id)
{
    struct fake_packed_place p = q->packed->avail;
    const uint16_t first = fake_get16(slot_at(q, p.slot) + 12);

    for (uint32_t n = q->packed->owned; n < q->size; n++) {
        const uint8_t *d = slot_at(q, p.slot);
        uint16_t flags = fake_get16(d + 14);

        if (!is_avail(q, p))
            return broken(q, "PACKED-10", "wrap bits in a list", flags);
        if (!(flags & FAKE_DESC_NEXT)) {
            *id = fake_get16(d + 12);
            if (*id >= q->size)
                return broken(q, "RING", "buffer id", *id);
            return *id == first ||
                   broken(q, "QEMU", "no buffer id in the first", first);
        }
        p = next_place(q, p);
    }
    return broken(q, "PACKED-23", "list longer than what is free", p.slot);
}

/* One descriptor of the list; `*more` says that the list goes on. */
static bool take_one(struct fake_queue *q, struct fake_slot *s,
                     struct fake_chain *c, bool *more)
{
    uint16_t slot = q->packed->avail.slot;
    uint8_t *d = slot_at(q, slot);
    uint16_t flags = fake_get16(d + 14);
    bool ok;

    own(q, slot, d);
    c->slots++;
    *more = flags & FAKE_DESC_NEXT;
    if (flags &
        ~(FAKE_DESC_NEXT | FAKE_DESC_WRITE | FAKE_DESC_INDIRECT | AVAIL | USED))
        return broken(q, "PACKED-09", "unknown descriptor flags", flags);
    ok = flags & FAKE_DESC_INDIRECT
             ? add_table(q, s, c, d)
             : add_seg(q, s, c, d, flags & FAKE_DESC_WRITE);
    if (q->poison)
        scribble(q, slot, FAKE_POISON);
    q->packed->avail = next_place(q, q->packed->avail);
    return ok;
}

/* When all slots are ours already, what looks available is old. */
static bool is_waiting(struct fake_queue *q)
{
    return q->packed->owned < q->size && is_avail(q, q->packed->avail);
}

static bool packed_pop(struct fake_queue *q, struct fake_chain *c)
{
    bool more = true;
    uint16_t id = 0;

    fake_packed_driver_flags(q);
    if (!is_waiting(q)) {
        /* Ask for a kick, then look again: 2.8.10, from our side. */
        packed_hint(q);
        full_fence();
        if (!is_waiting(q))
            return false;
    }
    memset(c, 0, sizeof(*c));
    if (!find_id(q, &id))
        return false;
    if (q->slot[id].out)
        return broken(q, "BASIC-41", "id is with the device", id);
    c->q = q;
    c->id = id;
    while (more)
        if (!take_one(q, &q->slot[id], c, &more))
            return false;
    c->seg = q->slot[id].seg;
    q->slot[id].out = true;
    q->next_avail++;
    return true;
}

static uint16_t packed_offered(struct fake_queue *q)
{
    struct fake_packed_place p = q->packed->avail;
    uint16_t n = 0;

    for (uint32_t left = q->size - q->packed->owned; left > 0; left--) {
        if (!is_avail(q, p))
            break;
        n += !(fake_get16(slot_at(q, p.slot) + 14) & FAKE_DESC_NEXT);
        p = next_place(q, p);
    }
    return n;
}

/* ---- Giving it back ------------------------------------------------------------ */

/* Its slots stay the device's until a used element covers them. */
static void packed_release(struct fake_queue *q, const struct fake_chain *c)
{
    (void)q;
    (void)c;
}

static void packed_push(struct fake_queue *q, const struct fake_chain *c,
                        uint32_t len)
{
    struct fake_packed_state *p = q->packed;

    p->pend[p->n_pend++] =
        (struct fake_packed_used){c->id, c->slots, len, len == c->wlen};
    q->next_used++;
}

void fake_packed_write_used(struct fake_queue *q, struct fake_packed_place at,
                            uint32_t id, uint32_t len)
{
    uint8_t *d = slot_at(q, at.slot);

    if (!d)
        return;
    fake_put32(d + 8, len);
    fake_put16(d + 12, (uint16_t)id);
    store16(d + 14, at.wrap ? AVAIL | USED : 0);
    memcpy(q->packed->copy + (size_t)at.slot * DESC_BYTES, d, DESC_BYTES);
}

/* 2.8.13.3: nobody but the device writes to what the device owns. */
static void give_slots(struct fake_queue *q, uint16_t n)
{
    struct fake_packed_state *p = q->packed;

    for (; n > 0; n--) {
        uint16_t slot = p->used.slot;

        if (memcmp(slot_at(q, slot), p->copy + (size_t)slot * DESC_BYTES,
                   DESC_BYTES) != 0)
            broken(q, "PACKED-18", "a slot of the device changed", slot);
        q->owner[slot] = 0;
        p->owned--;
        p->used = next_place(q, p->used);
    }
}

void fake_packed_push_raw(struct fake_queue *q, uint32_t id, uint32_t len,
                          uint16_t slots)
{
    struct fake_packed_place at = q->packed->used;

    give_slots(q, slots);
    fake_packed_write_used(q, at, id, len);
}

struct fake_packed_place fake_packed_used_place(struct fake_queue *q)
{
    return q->packed->used;
}

struct fake_packed_place fake_packed_avail_place(struct fake_queue *q)
{
    return q->packed->avail;
}

/* 2.8.10 by its words: is the driver's event one of the slots used just now? */
static bool passed(struct fake_queue *q, struct fake_packed_place from)
{
    uint16_t event = fake_packed_driver_event(q);

    for (; !same_place(from, q->packed->used); from = next_place(q, from))
        if (event_word(from) == event)
            return true;
    return false;
}

static bool packed_publish(struct fake_queue *q)
{
    struct fake_packed_state *p = q->packed;
    struct fake_packed_place old = p->used;
    uint16_t flags;

    if (p->n_pend == 0)
        return false;
    for (uint16_t i = 0, slots = 0; i < p->n_pend; i++) {
        const struct fake_packed_used *u = &p->pend[i];

        slots = (uint16_t)(slots + u->slots);
        /* 2.8.8: a batch has one element, of its last list. */
        if (q->in_order && q->batch && u->whole && i + 1 < p->n_pend)
            continue;
        fake_packed_push_raw(q, u->id, u->len, slots);
        slots = 0;
    }
    p->n_pend = 0;
    q->told_used = q->next_used;
    full_fence();
    flags = fake_packed_driver_flags(q);
    if (flags == DESC && q->event_idx)
        return passed(q, old);
    return flags != DISABLE;
}

void fake_packed_scribble(struct fake_queue *q, uint8_t byte)
{
    for (uint16_t i = 0; i < q->size; i++)
        if (q->owner[i])
            scribble(q, i, byte);
}

const struct fake_ring_ops fake_packed_ops = {
    .start = packed_start,
    .pop = packed_pop,
    .offered = packed_offered,
    .release = packed_release,
    .push = packed_push,
    .publish = packed_publish,
    .hint = packed_hint,
    .kick_wanted = packed_kick_wanted,
    .kick_next = packed_kick_next,
};
