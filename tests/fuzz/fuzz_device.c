/* SPDX-License-Identifier: MIT */
/*
 * The device's half of the fuzzed machine: the split ring from the other side,
 * and all the ways in which an input may break its rules.  The registers are
 * in fuzz_regs.c.
 *
 * The device writes data only into chains that the driver has given it and
 * not got back, so a driver that ends a request too early is seen by the
 * address sanitizer.  Once an input has scribbled over a ring nobody can tell
 * any more which chains these are: the queue is then frozen until a reset.
 */
#include "fuzz_device.h"

#include <string.h>

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

/* ---- Chains ------------------------------------------------------------ */

void fuzz__reset(struct fuzz_machine *m)
{
    for (uint32_t i = 0; i < FUZZ_QUEUES; i++)
        memset(&m->q[i], 0, offsetof(struct fuzz_queue, chain));
    m->status = 0;
    m->isr = 0;
    m->accepted = 0;
}

void fuzz__device_init(struct fuzz_machine *m)
{
    fuzz__reset(m);
    m->gone = false;
    fuzz__pci_init(m);
}

bool fuzz_owned(const struct fuzz_machine *m, const void *ptr, size_t len)
{
    const uintptr_t at = (uintptr_t)ptr;

    for (uint32_t i = 0; i < FUZZ_QUEUES; i++) {
        const struct fuzz_queue *q = &m->q[i];

        for (uint32_t k = 0; !q->frozen && k < q->nchains; k++) {
            for (uint32_t s = 0; s < q->chain[k].nsegs; s++) {
                const struct fuzz_seg *g = &q->chain[k].seg[s];

                if ((uintptr_t)g->ptr < at + len &&
                    at < (uintptr_t)g->ptr + g->len)
                    return true;
            }
        }
    }
    return false;
}

static void copy(const struct fuzz_chain *c, uint32_t off, uint8_t *mem,
                 uint32_t len, uint32_t write)
{
    for (uint32_t i = 0; i < c->nsegs && len > 0; i++) {
        const struct fuzz_seg *g = &c->seg[i];
        uint32_t n;

        if (g->write != write)
            continue;
        if (off >= g->len) {
            off -= g->len;
            continue;
        }
        n = g->len - off < len ? g->len - off : len;
        if (write != 0)
            memcpy(g->ptr + off, mem, n);
        else
            memcpy(mem, g->ptr + off, n);
        mem += n;
        len -= n;
        off = 0;
    }
}

void fuzz_put(struct fuzz_chain *c, uint32_t off, const void *from,
              uint32_t len)
{
    uint8_t buf[1100];

    len = len < sizeof(buf) ? len : (uint32_t)sizeof(buf);
    memcpy(buf, from, len);
    copy(c, off, buf, len, 1);
}

void fuzz_get(const struct fuzz_chain *c, uint32_t off, void *to, uint32_t len)
{
    memset(to, 0, len);
    copy(c, off, to, len, 0);
}

void fuzz_fill(struct fuzz_chain *c, uint32_t off, uint8_t byte, uint32_t len)
{
    uint8_t buf[256];

    memset(buf, byte, sizeof(buf));
    while (len > 0 && off < c->in) {
        const uint32_t n = len < sizeof(buf) ? len : (uint32_t)sizeof(buf);

        copy(c, off, buf, n, 1);
        off += n;
        len -= n;
    }
}

static void add_seg(struct fuzz_machine *m, struct fuzz_chain *c,
                    const uint8_t *d)
{
    const uint32_t len = get32(d + 8), write = get16(d + 12) & DESC_WRITE;
    struct fuzz_seg *g = &c->seg[c->nsegs];

    FUZZ_CHECK(c->nsegs < FUZZ_SEGS && len != 0);
    /* 2.7.4.2: what the device writes comes last. */
    FUZZ_CHECK(c->in == 0 || write != 0);
    g->ptr = fuzz__dma(m, get64(d), len, write ? VDRV_DIR_IN : VDRV_DIR_OUT);
    g->len = len;
    g->write = write != 0;
    c->in += write != 0 ? len : 0;
    c->nsegs++;
}

/* Follows a chain in a table of `n` descriptors. */
static void follow(struct fuzz_machine *m, struct fuzz_chain *c,
                   const uint8_t *table, uint32_t n, uint32_t at)
{
    for (uint32_t left = n;; left--) {
        const uint8_t *d = table + 16u * at;
        uint32_t flags;

        FUZZ_CHECK(at < n && left > 0);
        flags = get16(d + 12);
        if ((flags & DESC_INDIRECT) != 0) {
            const uint32_t len = get32(d + 8);

            FUZZ_CHECK(flags == DESC_INDIRECT && len % 16 == 0 && len != 0);
            table = fuzz__dma(m, get64(d), len, VDRV_DIR_OUT);
            n = len / 16;
            left = n + 1;
            at = 0;
            continue;
        }
        add_seg(m, c, d);
        if ((flags & DESC_NEXT) == 0)
            return;
        at = get16(d + 14);
    }
}

static struct fuzz_chain *chain_of(struct fuzz_queue *q, uint32_t id)
{
    for (uint32_t i = 0; i < q->nchains; i++) {
        if (q->chain[i].head == id)
            return &q->chain[i];
    }
    return NULL;
}

/* Takes all that is available. */
static void fetch(struct fuzz_machine *m, struct fuzz_queue *q)
{
    const uint8_t *avail;
    uint16_t idx;

    if (q->ready == 0 || q->frozen || (m->status & 4u) == 0)
        return;
    avail = fuzz__dma(m, q->driver, 6u + 2u * q->size, VDRV_DIR_OUT);
    idx = get16(avail + 2);
    FUZZ_CHECK((uint16_t)(idx - q->seen) <= q->size);
    for (; q->seen != idx; q->seen++) {
        const uint8_t *table =
            fuzz__dma(m, q->desc, 16u * q->size, VDRV_DIR_OUT);
        struct fuzz_chain *c = &q->chain[q->nchains];

        FUZZ_CHECK(q->nchains < FUZZ_CHAINS);
        *c = (struct fuzz_chain){
            .head = get16(avail + 4 + 2 * (q->seen % q->size))};
        FUZZ_CHECK(chain_of(q, c->head) == NULL);
        follow(m, c, table, q->size, c->head);
        q->nchains++;
    }
}

static void fetch_all(struct fuzz_machine *m)
{
    for (uint32_t i = 0; i < FUZZ_QUEUES; i++)
        fetch(m, &m->q[i]);
}

/* ---- Used elements ------------------------------------------------------ */

static uint8_t *used_ring(struct fuzz_machine *m, const struct fuzz_queue *q)
{
    return fuzz__dma(m, q->device, 6u + 8u * q->size, VDRV_DIR_IN);
}

/* One used element; whatever it names is the driver's then. */
static void push(struct fuzz_machine *m, struct fuzz_queue *q, uint32_t id,
                 uint32_t len)
{
    uint8_t *used = used_ring(m, q);
    struct fuzz_chain *c = chain_of(q, id);

    put32(used + 4 + 8 * (q->used % q->size), id);
    put32(used + 8 + 8 * (q->used % q->size), len);
    q->last_id = (uint16_t)id;
    put16(used + 2, ++q->used);
    m->isr |= 1u;
    /* A chain that was added and not offered yet may have been ended so. */
    if (c == NULL)
        q->frozen = true;
    else
        memmove(c, c + 1, (size_t)(&q->chain[--q->nchains] - c) * sizeof(*c));
}

static uint32_t answer(struct fuzz_machine *m, struct fuzz_queue *q,
                       struct fuzz_chain *c)
{
    return m->answer != NULL && !q->frozen
               ? m->answer(m, (uint32_t)(q - m->q), c)
               : 0;
}

/* All that it has, in order, as it should be. */
static void complete_all(struct fuzz_machine *m)
{
    for (uint32_t i = 0; i < FUZZ_QUEUES; i++) {
        struct fuzz_queue *q = &m->q[i];

        for (uint32_t n = q->nchains; n > 0 && q->nchains > 0; n--) {
            struct fuzz_chain *c = &q->chain[0];

            push(m, q, c->head, answer(m, q, c));
        }
    }
}

static uint32_t false_id(struct fuzz_machine *m, const struct fuzz_queue *q,
                         uint32_t id)
{
    switch (fuzz_pick(&m->in, 6)) {
    case 0:
        return q->size;
    case 1:
        return id + 0x10000u;
    case 2:
        return q->last_id;
    case 3:
        return fuzz_pick(&m->in, q->size < 256 ? q->size : 256);
    case 4:
        return fuzz_u16(&m->in);
    default:
        return fuzz_u32(&m->in);
    }
}

static uint32_t false_len(struct fuzz_machine *m, uint32_t in)
{
    switch (fuzz_pick(&m->in, 6)) {
    case 0:
        return in + 1;
    case 1:
        return UINT32_MAX;
    case 2:
        return fuzz_u8(&m->in);
    case 3:
        return in - fuzz_u8(&m->in);
    case 4:
        return in;
    default:
        return fuzz_u32(&m->in);
    }
}

/* Some bytes of the answer are others. */
static void spoil(struct fuzz_machine *m, struct fuzz_chain *c)
{
    uint32_t n = 1 + fuzz_pick(&m->in, 8);

    for (; n > 0 && c->in > 0; n--) {
        const uint32_t off = fuzz_u16(&m->in) % c->in;
        const uint8_t byte = fuzz_u8(&m->in);

        fuzz_put(c, off, &byte, 1);
    }
}

#define SPOIL     1u
#define FALSE_LEN 2u
#define FALSE_ID  4u

static void complete_one(struct fuzz_machine *m, uint32_t how)
{
    struct fuzz_queue *q = &m->q[fuzz_pick(&m->in, FUZZ_QUEUES)];
    struct fuzz_chain *c;
    uint32_t id, len;

    if (q->nchains == 0)
        return;
    c = &q->chain[fuzz_pick(&m->in, q->nchains)];
    len = answer(m, q, c);
    if (q->frozen)
        how &= ~SPOIL;
    m->lied |= how != 0;
    if ((how & SPOIL) != 0)
        spoil(m, c);
    if ((how & FALSE_LEN) != 0)
        len = false_len(m, c->in);
    id = (how & FALSE_ID) != 0 ? false_id(m, q, c->head) : c->head;
    push(m, q, id, len);
}

static void freeze(struct fuzz_machine *m)
{
    m->lied = true;
    for (uint32_t i = 0; i < FUZZ_QUEUES; i++)
        m->q[i].frozen = true;
}

/* ---- Other misdeeds ----------------------------------------------------- */

static void replay(struct fuzz_machine *m)
{
    struct fuzz_queue *q = &m->q[fuzz_pick(&m->in, FUZZ_QUEUES)];

    if (q->ready == 0)
        return;
    m->lied = true;
    push(m, q, q->last_id, fuzz_u8(&m->in));
}

static void jump(struct fuzz_machine *m)
{
    struct fuzz_queue *q = &m->q[fuzz_pick(&m->in, FUZZ_QUEUES)];

    if (q->ready == 0)
        return;
    freeze(m);
    q->used = (uint16_t)(q->used + fuzz_u16(&m->in));
    put16(used_ring(m, q) + 2, q->used);
}

/* Flags and events are hints: any value is allowed. */
static void hints(struct fuzz_machine *m)
{
    struct fuzz_queue *q = &m->q[fuzz_pick(&m->in, FUZZ_QUEUES)];
    uint8_t *used;

    if (q->ready == 0)
        return;
    used = used_ring(m, q);
    put16(used, fuzz_u8(&m->in));
    put16(used + 4 + 8u * q->size, fuzz_u16(&m->in));
}

/* Anywhere in what dma_alloc gave: rings, headers, answers. */
static void scribble(struct fuzz_machine *m)
{
    uint32_t n = 1 + fuzz_pick(&m->in, 16);
    struct fuzz_area *a;

    if (m->nareas == 0)
        return;
    a = &m->area[fuzz_pick(&m->in, 256) % m->nareas];
    if (a->dir != 0 || a->len < 2 || (m->status & 4u) == 0)
        return;
    freeze(m);
    for (; n > 0; n--) {
        const size_t at = fuzz_u16(&m->in) % a->len;

        a->ptr[at] = fuzz_u8(&m->in);
    }
}

static void change_config(struct fuzz_machine *m)
{
    uint32_t n = 1 + fuzz_pick(&m->in, 8);

    m->lied = true;
    for (; n > 0; n--) {
        const uint8_t at = fuzz_u8(&m->in);

        m->config[at] = fuzz_u8(&m->in);
    }
    m->generation++;
    m->isr |= 2u;
}

static void change_state(struct fuzz_machine *m)
{
    const uint32_t how = fuzz_pick(&m->in, 5);

    m->lied = true;
    m->isr |= fuzz_u8(&m->in);
    if (how == 0)
        m->status |= 0x40u; /* DEVICE_NEEDS_RESET */
    else if (how == 1)
        m->status = fuzz_u8(&m->in);
    else if (how == 2)
        m->stuck = true;
    else if (how == 3)
        m->stuck = false;
    else
        m->flap = !m->flap;
    if (m->status == 0 || m->status == 0xff)
        fuzz__reset(m);
}

void fuzz_step(struct fuzz_machine *m)
{
    uint32_t op;

    if (m->gone)
        return;
    fetch_all(m);
    op = m->good ? 0 : fuzz_pick(&m->in, 16);
    switch (op) {
    case 0:
        complete_all(m);
        break;
    case 1:
        break; /* it takes its time */
    case 2:
        complete_one(m, 0);
        break;
    case 3:
        complete_one(m, FALSE_LEN);
        break;
    case 4:
        complete_one(m, FALSE_ID);
        break;
    case 5:
        replay(m);
        break;
    case 6:
        jump(m);
        break;
    case 7:
        hints(m);
        break;
    case 8:
        scribble(m);
        break;
    case 9:
        change_config(m);
        break;
    case 10:
        change_state(m);
        break;
    case 11:
        complete_one(m, SPOIL | FALSE_LEN);
        break;
    default:
        complete_one(m, SPOIL);
        break;
    }
}
