/* SPDX-License-Identifier: MIT */
/*
 * Small rings, exhaustively: every string of six operations up to a length, on
 * split rings of 1, 2 and 4 entries and packed ones of 1 to 4, from where the
 * 16-bit indices are about to wrap.  Strings that lead to the same state are
 * one: a state is all that the library keeps, the memory it shares, and the
 * naive model beside it.  After each step every answer, every descriptor and
 * every notification is compared with the model, which knows nothing of the
 * library but its calls, and of the rings what 2.7 and 2.8 say.
 *
 * The operations, as they are printed when something is found:
 *   1, 2  add a chain of one segment, of two
 *   k     kick
 *   o, n  the device takes what is there, and completes its oldest, newest
 *         (with IN_ORDER, all up to the newest as one batch: 2.7.9, 2.8.8)
 *   r     reap at most two, and arm
 *
 * QUEUE_LENGTH=8 in the environment sets the length of the strings.
 */
#include "check.h"
#include <stddef.h>
#include <virtio_drv.h>
#include <virtio_drv/queue.h>

#define MAX       4u /* entries of a ring at most */
#define LENGTH    8u /* of a string at most */
#define GUARD     0xA5
#define DMA_BYTES 512u
#define OPS       "12konr"

/* ---- The naive model ----------------------------------------------------- */

/* A chain, and what the device knows of it. */
struct chain {
    uint32_t serial; /* names cookie, addresses and lengths */
    uint32_t nseg;
    uint32_t slots; /* of the ring */
    uint32_t id;    /* once taken */
    uint32_t len;   /* once used */
};

struct list {
    struct chain c[MAX];
    uint32_t n;
};

/* 32-bit members only: it is compared byte by byte. */
struct model {
    struct list added, offered, taken, used;
    uint32_t serial;
    uint32_t avail, done; /* chains that were offered, that were used; */
    uint32_t avail_slots, done_slots; /* slots of the ring, the same */
    uint32_t event;                   /* what the device wants to hear of */
    uint32_t armed, late;
};

/* What the device wants to be told of, as a way to use event suppression. */
enum hint { ALWAYS, NEVER, NEXT, SECOND };

/* What a device does wrong, for the test of this test. */
enum lie { HONEST, LONG, DEAF_AT_WRAP, WRAPS_LATE, TWICE };

struct setup {
    bool packed, event, indirect, in_order;
    enum lie lie;
    uint32_t size;
    enum hint hint;
    uint32_t arm; /* VDRV_ARM_*, after each reap */
};

/* ---- The world: all of it that is a state, in one piece -------------------- */

static struct world {
    struct vdrv_queue q;
    struct model m;
    uint64_t work[VDRV_QUEUE_WORK_SIZE(MAX, 2) / 8 + 1];
    _Alignas(64) uint8_t dma[DMA_BYTES];
} w;

static const struct setup *set;
static struct vdrv_transport transport;
static uint8_t buffer[256];
static uint32_t bells, irqs;
static size_t dma_used;
static uint64_t desc_at, driver_at, device_at;
static const char *found; /* what was wrong first */

static void wrong(const char *what)
{
    if (found == NULL)
        found = what;
}

#define MUST(cond) ((cond) ? (void)0 : wrong(#cond))

static void *dma_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    (void)ctx;
    (void)limit;
    (void)flags;
    if (size + 64 > DMA_BYTES || align > 64)
        abort();
    memset(w.dma, GUARD, sizeof(w.dma));
    dma_used = size;
    *dma = (uint64_t)(uintptr_t)w.dma;
    return w.dma;
}

static void dma_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    (void)ctx;
    (void)ptr;
    (void)dma;
    (void)size;
    (void)flags;
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    (void)ctx;
    (void)space;
    (void)addr;
    (void)width;
    return 0;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    (void)ctx;
    (void)space;
    (void)addr;
    (void)width;
    (void)value;
    bells++;
}

static const struct vdrv_hal hal = {
    .dma_alloc = dma_alloc,
    .dma_free = dma_free,
    .direct_size = UINT64_MAX,
    .reg_read = reg_read,
    .reg_write = reg_write,
};

static uint32_t queue_max(struct vdrv_transport *t, uint32_t queue)
{
    (void)t;
    return queue == 0 ? set->size : 0;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify)
{
    (void)t;
    (void)queue;
    desc_at = area->desc;
    driver_at = area->driver;
    device_at = area->device;
    notify->width = 4;
    return VDRV_OK;
}

static const struct vdrv_transport_ops transport_ops = {
    .queue_max = queue_max,
    .queue_enable = queue_enable,
};

/* ---- Little-endian memory, by bytes ---------------------------------------- */

static uint64_t get(uint64_t at, unsigned bytes)
{
    const uint8_t *p = (const uint8_t *)(uintptr_t)at;
    uint64_t v = 0;

    for (unsigned i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void put(uint64_t at, unsigned bytes, uint64_t v)
{
    uint8_t *p = (uint8_t *)(uintptr_t)at;

    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* ---- What a chain must look like ------------------------------------------- */

static void *cookie_of(const struct chain *c)
{
    return (void *)(uintptr_t)(0x10000u + c->serial);
}

/* A chain of one segment is writable; of two, the second is. */
static struct vdrv_seg seg_of(const struct chain *c, uint32_t i)
{
    uint8_t *p = buffer + 32 * i + c->serial % 8;
    const uint32_t len = 8 + 8 * i + c->serial % 4;

    return i + 1 == c->nseg ? vdrv_seg_in(p, len) : vdrv_seg_out(p, len);
}

/* A descriptor of 16 bytes at `at` says this segment; flags apart. */
static void must_be_seg(uint64_t at, const struct chain *c, uint32_t i)
{
    const struct vdrv_seg s = seg_of(c, i);

    MUST(get(at, 8) == (uint64_t)(uintptr_t)s.ptr);
    MUST(get(at + 8, 4) == s.len);
}

/* 2.7.5.3, 2.8.7: one descriptor that names a table of two. */
static void must_be_table(uint64_t at, const struct chain *c)
{
    const uint64_t table = get(at, 8);
    const unsigned flags = set->packed ? 14 : 12;

    MUST(get(at + 8, 4) == 32);
    if (table < (uintptr_t)w.dma || table > (uintptr_t)w.dma + dma_used - 32) {
        wrong("the indirect table is elsewhere");
        return;
    }
    must_be_seg(table, c, 0);
    must_be_seg(table + 16, c, 1);
    MUST(get(table + flags, 2) == (set->packed ? 0 : 1));
    MUST(set->packed || get(table + 14, 2) == 1);
    MUST(get(table + 16 + flags, 2) == 2);
}

/* The split ring's entry number `at` of all must be this chain. */
static uint32_t must_be_split(uint32_t at, const struct chain *c)
{
    const uint32_t head =
        (uint32_t)get(driver_at + 4 + 2 * (at % set->size), 2);
    const uint64_t d = desc_at + 16 * head;
    uint32_t next;

    if (head >= set->size) {
        wrong("the head is beyond the table");
        return 0;
    }
    if (c->slots < c->nseg) {
        MUST(get(d + 12, 2) == 4);
        must_be_table(d, c);
        return head;
    }
    must_be_seg(d, c, 0);
    MUST(get(d + 12, 2) == (c->nseg == 2 ? 1 : 2));
    if (c->nseg == 2) {
        next = (uint32_t)get(d + 14, 2);
        MUST(next < set->size && next != head);
        must_be_seg(desc_at + 16 * (next % set->size), c, 1);
        MUST(get(desc_at + 16 * (next % set->size) + 12, 2) == 2);
    }
    return head;
}

/* AVAIL and USED of slot number `at` of all, when the driver made it so. */
static uint32_t packed_mark(uint32_t at)
{
    return at / set->size % 2 == 0 ? 0x80 : 0x8000;
}

/* The packed ring's slots from number `at` of all on must be this chain. */
static uint32_t must_be_packed(uint32_t at, const struct chain *c)
{
    uint64_t d = 0;

    for (uint32_t i = 0; i < c->slots; i++) {
        uint32_t flags = packed_mark(at + i);

        d = desc_at + 16 * ((at + i) % set->size);
        if (c->slots < c->nseg) {
            must_be_table(d, c);
            flags |= 4;
        } else {
            must_be_seg(d, c, i);
            flags |= i + 1 < c->nseg ? 1 : 2;
        }
        MUST(get(d + 14, 2) == flags);
    }
    MUST(get(d + 12, 2) < set->size);
    return (uint32_t)get(d + 12, 2);
}

/* What a device sees is what was offered, and no more than that. */
static void look(void)
{
    uint32_t at = w.m.avail_slots;
    uint64_t flags;

    if (!set->packed)
        MUST(get(driver_at + 2, 2) == (uint16_t)w.m.avail);
    for (uint32_t i = w.m.offered.n; i-- > 0;)
        at -= w.m.offered.c[i].slots;
    for (uint32_t i = 0; i < w.m.offered.n; i++) {
        if (set->packed)
            must_be_packed(at, &w.m.offered.c[i]);
        else
            must_be_split(w.m.avail - w.m.offered.n + i, &w.m.offered.c[i]);
        at += w.m.offered.c[i].slots;
    }
    flags = get(desc_at + 16 * (at % set->size) + 14, 2);
    if (set->packed)
        MUST((flags & 0x8080) != packed_mark(at));
}

/* ---- Lists ------------------------------------------------------------------ */

static struct chain take(struct list *l, uint32_t i)
{
    const struct chain c = l->c[i];

    l->n--;
    memmove(&l->c[i], &l->c[i + 1], (l->n - i) * sizeof(c));
    memset(&l->c[l->n], 0, sizeof(c)); /* equal states are equal bytes */
    return c;
}

static void append(struct list *l, struct chain c)
{
    l->c[l->n++] = c;
}

static uint32_t slots_of(const struct list *l)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->n; i++)
        n += l->c[i].slots;
    return n;
}

static uint32_t room(void)
{
    return set->size - slots_of(&w.m.added) - slots_of(&w.m.offered) -
           slots_of(&w.m.taken) - slots_of(&w.m.used);
}

/* ---- The driver's operations -------------------------------------------------- */

static void op_add(uint32_t nseg)
{
    struct chain c = {.serial = w.m.serial, .nseg = nseg, .slots = nseg};
    struct vdrv_seg seg[2];
    int want = VDRV_OK;

    for (uint32_t i = 0; i < nseg; i++)
        seg[i] = seg_of(&c, i);
    if (set->indirect && nseg == 2 && set->size >= 2)
        c.slots = 1;
    if (nseg > set->size)
        want = VDRV_ERR_TOO_BIG;
    else if (c.slots > room())
        want = VDRV_ERR_AGAIN;
    MUST(vdrv_queue_add(&w.q, seg, nseg - 1, 1, cookie_of(&c)) == want);
    if (want == VDRV_OK) {
        append(&w.m.added, c);
        w.m.serial++;
    }
}

/*
 * 2.7.7, 2.7.10, 2.8.10 in words: is what the device waits for among what is
 * offered now?  Event indices are numbers of chains, modulo 2^16, or (packed)
 * of slots, modulo two laps.
 */
static bool wanted(void)
{
    const uint32_t n = set->packed ? slots_of(&w.m.added) : w.m.added.n;
    const uint32_t from = set->packed ? w.m.avail_slots : w.m.avail;
    const uint32_t modulus = set->packed ? 2 * set->size : 65536;

    if (set->hint < NEXT)
        return n > 0 && set->hint == ALWAYS;
    for (uint32_t i = 0; i < n; i++)
        if ((from + i) % modulus == w.m.event % modulus)
            return true;
    return false;
}

static void op_kick(void)
{
    const uint32_t kicks = w.q.stats.kicks, sum = kicks + w.q.stats.suppressed;
    const bool want = wanted(), any = w.m.added.n > 0;
    const uint32_t before = bells;

    MUST(vdrv_queue_kick(&w.q) == want);
    MUST(bells == before + want && w.q.stats.kicks == kicks + want);
    MUST(w.q.stats.kicks + w.q.stats.suppressed == sum + any);
    w.m.avail_slots += slots_of(&w.m.added);
    w.m.avail += w.m.added.n;
    while (w.m.added.n > 0)
        append(&w.m.offered, take(&w.m.added, 0));
}

/* Takes no more than two, so that something may stay behind. */
static void op_reap(void)
{
    const uint32_t want = w.m.used.n < 2 ? w.m.used.n : 2;
    struct vdrv_used u[3];
    int n;

    memset(u, GUARD, sizeof(u));
    n = vdrv_queue_reap(&w.q, u, 2);
    MUST(n == (int)want);
    for (uint32_t i = 0; i < want; i++) {
        const struct chain c = take(&w.m.used, 0);

        MUST(u[i].cookie == cookie_of(&c) && u[i].len == c.len);
    }
    MUST(get((uintptr_t)&u[want], 8) == 0xA5A5A5A5A5A5A5A5u);
}

static uint32_t highest(const struct list *l, uint32_t than)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->c[i].serial + 1 > than)
            than = l->c[i].serial + 1;
    return than;
}

static void op_arm(void)
{
    const uint32_t there = w.m.used.n;
    const int r = vdrv_queue_arm(&w.q, set->arm);

    w.m.armed = w.m.late = 0;
    if (set->arm == VDRV_ARM_OFF)
        MUST(r == 0);
    else if (set->arm == VDRV_ARM_NEXT || there == 0)
        MUST(r == (there > 0));
    if (r != 0 || set->arm == VDRV_ARM_OFF)
        return;
    if (set->arm >= VDRV_ARM_LATE)
        w.m.late = highest(&w.m.taken, highest(&w.m.offered, 0));
    w.m.armed = w.m.late == 0 && there == 0;
}

/* ---- The device's --------------------------------------------------------------- */

static void take_all(void)
{
    while (w.m.offered.n > 0) {
        const uint32_t left = slots_of(&w.m.offered), n = w.m.offered.n;
        struct chain c = take(&w.m.offered, 0);

        c.id = set->packed ? must_be_packed(w.m.avail_slots - left, &c)
                           : must_be_split(w.m.avail - n, &c);
        for (uint32_t i = 0; i < w.m.taken.n; i++)
            MUST(w.m.taken.c[i].id != c.id);
        append(&w.m.taken, c);
    }
}

/* Writes a used element, and makes it visible; it stands for `n` chains. */
static void put_used(const struct chain *c, uint32_t n)
{
    const uint32_t at = w.m.done_slots - (set->lie == WRAPS_LATE);
    const uint32_t len = c->len + (set->lie == LONG);
    uint64_t d = device_at + 4 + 8 * (w.m.done % set->size);

    if (!set->packed) {
        put(d, 4, c->id);
        put(d + 4, 4, len);
        put(device_at + 2, 2, w.m.done + n + (set->lie == TWICE));
        return;
    }
    d = desc_at + 16 * (w.m.done_slots % set->size);
    put(d + 8, 4, len);
    put(d + 12, 2, c->id);
    put(d + 14, 2, at / set->size % 2 == 0 ? 0x8080 : 0);
}

/* Does the driver want an interrupt for `n` chains that took `slots`? */
static bool interrupting(uint32_t n, uint32_t slots)
{
    const uint32_t off = (uint32_t)get(driver_at, 2);
    const uint32_t flags = (uint32_t)get(driver_at + (set->packed ? 2 : 0), 2);
    const uint32_t place = off % 0x8000 + (off >> 15 ? 0 : set->size);

    if (!set->packed && set->event)
        return (uint16_t)(get(driver_at + 4 + 2 * set->size, 2) - w.m.done) < n;
    if (flags != 2 || !set->packed) {
        MUST(flags <= 1);
        return flags == 0;
    }
    MUST(set->event && off % 0x8000 < set->size);
    for (uint32_t i = 0; i < slots; i++)
        if ((w.m.done_slots + i) % (2 * set->size) == place)
            return true;
    return false;
}

static bool still_out(const struct list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->c[i].serial + 1 <= w.m.late)
            return true;
    return false;
}

/* Tells the driver what the device wants to hear of next. */
static void put_hint(void)
{
    const uint32_t ahead = set->hint == SECOND;
    uint32_t slot;

    if (!set->packed) {
        w.m.event = w.m.avail + ahead;
        put(device_at, 2, set->hint == NEVER);
        if (set->event)
            put(device_at + 4 + 8 * set->size, 2, w.m.event);
        return;
    }
    w.m.event = (w.m.avail_slots + ahead) % (2 * set->size);
    slot = w.m.event % set->size | (w.m.event < set->size ? 0x8000 : 0);
    put(device_at, 2, slot);
    put(device_at + 2, 2, set->hint < NEXT ? set->hint : 2);
}

/* No wake-up is lost: at the next one, or once all of them are back. */
static void check_wake(bool irq)
{
    irqs += irq;
    MUST(!w.m.armed || irq);
    w.m.armed = 0;
    if (irq)
        w.m.late = 0;
    MUST(w.m.late == 0 || still_out(&w.m.taken) || still_out(&w.m.offered));
}

static void op_complete(bool newest)
{
    uint32_t n = 1, slots = 0;
    struct chain c;
    bool irq;

    take_all();
    put_hint();
    if (w.m.taken.n == 0)
        return;
    if (newest && set->in_order)
        n = w.m.taken.n;
    for (uint32_t i = 0; i < n; i++) {
        c = take(&w.m.taken, newest && !set->in_order ? w.m.taken.n - 1 : 0);
        /* What a batch skips was used completely. */
        c.len = seg_of(&c, c.nseg - 1).len;
        if (i + 1 == n)
            c.len = c.serial % (c.len + 1);
        slots += c.slots;
        append(&w.m.used, c);
    }
    put_used(&c, n);
    irq = interrupting(n, slots);
    if (set->lie == DEAF_AT_WRAP && w.m.done % 65536 == 0)
        irq = false;
    w.m.done += n;
    w.m.done_slots += slots;
    check_wake(irq);
}

/* ---- One step ---------------------------------------------------------------------- */

static void check_state(void)
{
    MUST(vdrv_queue_room(&w.q) == room());
    MUST(vdrv_queue_outstanding(&w.q) ==
         w.m.added.n + w.m.offered.n + w.m.taken.n + w.m.used.n);
    MUST(vdrv_queue_pending(&w.q) == (w.m.used.n > 0));
    MUST(w.dma[dma_used] == GUARD && w.dma[dma_used + 63] == GUARD);
    look();
}

static void step(char op)
{
    switch (op) {
    case '1':
    case '2':
        op_add((uint32_t)(op - '0'));
        break;
    case 'k':
        op_kick();
        break;
    case 'o':
    case 'n':
        op_complete(op == 'n');
        break;
    default:
        op_reap();
        op_arm();
        break;
    }
    check_state();
}

/* ---- States ------------------------------------------------------------------------- */

/* A state that was reached, and how, for who has to repeat it. */
struct node {
    uint32_t start; /* chains before */
    char path[LENGTH + 1];
    struct world w;
};

struct nodes {
    struct node *at;
    size_t n, room;
};

static void keep(struct nodes *l, const struct node *from, char op)
{
    struct node *to;

    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 1024;
        l->at = realloc(l->at, l->room * sizeof(*l->at));
        if (l->at == NULL)
            abort();
    }
    to = &l->at[l->n++];
    to->start = from->start;
    memcpy(to->path, from->path, sizeof(to->path));
    to->path[strlen(to->path)] = op;
    to->w = w;
}

/* 128 bits of a state: as good as the state itself. */
struct key {
    uint64_t a, b;
};

static struct {
    struct key *at;
    size_t n, room;
} seen;

static struct key key_of(struct world *state)
{
    static const struct vdrv_queue_stats none;
    const struct vdrv_queue_stats stats = state->q.stats;
    const uint8_t *p = (const uint8_t *)state;
    const size_t end = offsetof(struct world, dma) + dma_used;
    struct key k = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu};
    uint64_t v;

    state->q.stats = none; /* how often is no part of where we are */
    for (size_t i = 0; i < end; i += 8) {
        memcpy(&v, p + i, 8);
        k.a = (k.a ^ v) * 0xFF51AFD7ED558CCDu;
        k.a ^= k.a >> 32;
        k.b = (k.b + v) * 0xC4CEB9FE1A85EC53u;
        k.b ^= k.b >> 29;
    }
    state->q.stats = stats;
    k.a += k.a == 0; /* 0 is an empty place */
    return k;
}

static bool insert(struct key k)
{
    size_t i = (size_t)k.b & (seen.room - 1);

    for (; seen.at[i].a != 0; i = (i + 1) & (seen.room - 1))
        if (seen.at[i].a == k.a && seen.at[i].b == k.b)
            return false;
    seen.at[i] = k;
    seen.n++;
    return true;
}

static bool is_new(struct key k)
{
    struct key *old = seen.at;
    const size_t room_was = seen.room;

    if (seen.n * 2 >= seen.room) {
        seen.room = room_was ? 2 * room_was : 4096;
        seen.at = calloc(seen.room, sizeof(*seen.at));
        if (seen.at == NULL)
            abort();
        seen.n = 0;
        for (size_t i = 0; i < room_was; i++)
            if (old[i].a != 0)
                insert(old[i]);
        free(old);
    }
    return insert(k);
}

static void forget_all(void)
{
    free(seen.at);
    memset(&seen, 0, sizeof(seen));
}

/* ---- The search ----------------------------------------------------------------------- */

struct tally {
    size_t states, steps;
    char path[LENGTH + 1]; /* the first string that went wrong: a shortest */
    uint32_t start;
};

/* All of one length from all of the length before. */
static bool deepen(const struct nodes *from, struct nodes *to, bool last,
                   struct tally *t)
{
    struct nodes none = {0};

    for (size_t i = 0; i < from->n; i++) {
        for (const char *op = OPS; *op != 0; op++) {
            w = from->at[i].w;
            step(*op);
            t->steps++;
            if (found != NULL) {
                keep(&none, &from->at[i], *op);
                memcpy(t->path, none.at[0].path, sizeof(t->path));
                t->start = none.at[0].start;
                free(none.at);
                return false;
            }
            if (is_new(key_of(&w)) && !last)
                keep(to, &from->at[i], *op);
        }
    }
    return true;
}

static void search(const struct nodes *roots, unsigned length, struct tally *t)
{
    struct nodes level[2] = {{0}, {0}};

    for (size_t i = 0; i < roots->n; i++) {
        w = roots->at[i].w;
        put_hint();
        if (is_new(key_of(&w)))
            keep(&level[0], &roots->at[i], 0);
    }
    for (unsigned k = 0; k < length; k++) {
        struct nodes *to = &level[(k + 1) % 2];

        to->n = 0;
        if (!deepen(&level[k % 2], to, k + 1 == length, t))
            break;
    }
    t->states += seen.n;
    forget_all();
    free(level[0].at);
    free(level[1].at);
}

/* ---- Where it starts -------------------------------------------------------------------- */

static void make_queue(void)
{
    const struct vdrv_queue_config cfg = {
        .indirect = set->indirect ? 2 : 0,
        .vector = VDRV_NO_VECTOR,
        .packed =
            set->in_order ? &vdrv_queue_packed_in_order : &vdrv_queue_packed,
        .in_order = &vdrv_queue_split_in_order,
        .work = w.work,
        .work_size = sizeof(w.work),
    };

    memset(&w, 0, sizeof(w));
    memset(&transport, 0, sizeof(transport));
    transport.ops = &transport_ops;
    transport.hal = &hal;
    transport.dma_limit = UINT64_MAX;
    transport.features[0] = (uint64_t)1 << 32 | (uint64_t)set->packed << 34 |
                            (uint64_t)set->in_order << 35 |
                            (uint64_t)set->event << 29 |
                            (uint64_t)set->indirect << 28;
    MUST(vdrv_queue_init(&w.q, &transport, &cfg) == VDRV_OK);
}

/* So many chains ago: states in which the indices stand elsewhere. */
static void warm_up(struct nodes *roots, const uint32_t *start, unsigned n)
{
    struct node root = {0};

    for (uint32_t i = 0; n > 0 && found == NULL; i++) {
        if (i == *start) {
            root.start = i;
            keep(roots, &root, 0);
            start++;
            n--;
        }
        op_add(1);
        op_kick();
        op_complete(false);
        op_reap();
    }
}

/* ---- Cases --------------------------------------------------------------------------------- */

static unsigned wanted_length(unsigned usual)
{
    const char *said = getenv("QUEUE_LENGTH");
    const unsigned n = said != NULL ? (unsigned)atoi(said) : usual;

    return n < LENGTH ? n : LENGTH;
}

static void report(const struct tally *t)
{
    if (found == NULL)
        return;
    printf("  %s%s, size %u, event %d, indirect %d, hint %d, arm %u: after "
           "%u chains, \"%s\"\n",
           set->packed ? "packed" : "split", set->in_order ? " in order" : "",
           set->size, set->event, set->indirect, set->hint, set->arm, t->start,
           t->path);
    check_fail(__FILE__, __LINE__, found);
    found = NULL;
}

/* All hints and all ways to arm, from the same starts. */
static void all_ways(struct setup s, struct tally *t)
{
    static const uint32_t start[] = {0, 65533, 65534, 65535};
    const unsigned length = wanted_length(LENGTH);
    struct nodes roots = {0};

    set = &s;
    s.hint = s.event ? NEXT : ALWAYS;
    make_queue();
    warm_up(&roots, start, 4);
    report(t);
    for (unsigned k = 0; k < 2; k++)
        for (s.arm = VDRV_ARM_OFF; s.arm <= VDRV_ARM_EMPTY; s.arm++) {
            s.hint = (s.event ? NEXT : ALWAYS) + k;
            search(&roots, length, t);
            report(t);
        }
    free(roots.at);
}

static void all_sizes(bool packed, bool indirect, bool in_order)
{
    struct tally t = {0};

    for (uint32_t size = 1; size <= MAX; size++) {
        if (size == 3 && !packed)
            continue;
        for (unsigned event = 0; event < 2; event++)
            all_ways((struct setup){.packed = packed,
                                    .indirect = indirect,
                                    .in_order = in_order,
                                    .event = event == 1,
                                    .size = size},
                     &t);
    }
    printf("  %zu states, %zu steps\n", t.states, t.steps);
    CHECK(irqs > 0 && t.states > 1000);
}

static void test_split(void)
{
    all_sizes(false, false, false);
}

static void test_split_indirect(void)
{
    all_sizes(false, true, false);
}

static void test_split_in_order(void)
{
    all_sizes(false, false, true);
    all_sizes(false, true, true);
}

static void test_packed(void)
{
    all_sizes(true, false, false);
}

static void test_packed_indirect(void)
{
    all_sizes(true, true, false);
}

static void test_packed_in_order(void)
{
    all_sizes(true, false, true);
    all_sizes(true, true, true);
}

/*
 * What is wrong is found, in the shortest string that shows it.  (WRAPS_LATE:
 * the device's wrap counter is one slot late.)
 */
static void test_finds(void)
{
    static const struct {
        struct setup s;
        const char *path;
    } wrongs[] = {
        {{.size = 4, .lie = LONG, .packed = false}, "1kor"},
        {{.size = 3, .lie = LONG, .packed = true}, "1kor"},
        {{.size = 2, .lie = TWICE, .packed = false}, "1kor"},
        {{.size = 4, .lie = DEAF_AT_WRAP, .arm = VDRV_ARM_NEXT}, "1kro"},
        {{.size = 2, .lie = DEAF_AT_WRAP, .arm = 1, .packed = true}, "1kro"},
        {{.size = 3, .lie = WRAPS_LATE, .packed = true}, "1ko"},
    };

    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        struct nodes roots = {0};
        struct node root = {0};
        struct tally t = {0};

        set = &wrongs[i].s;
        make_queue();
        keep(&roots, &root, 0);
        search(&roots, LENGTH, &t);
        free(roots.at);
        CHECK(found != NULL);
        if (strcmp(t.path, wrongs[i].path) != 0)
            check_fail(__FILE__, __LINE__, t.path);
        found = NULL;
    }
}

static const struct check_case cases[] = {
    {"queue_exhaustive_finds_what_is_wrong", test_finds},
    {"queue_exhaustive_split", test_split},
    {"queue_exhaustive_split_indirect", test_split_indirect},
    {"queue_exhaustive_split_in_order", test_split_in_order},
    {"queue_exhaustive_packed", test_packed},
    {"queue_exhaustive_packed_indirect", test_packed_indirect},
    {"queue_exhaustive_packed_in_order", test_packed_in_order},
};

CHECK_MAIN(cases)
