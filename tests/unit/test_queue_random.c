/* SPDX-License-Identifier: MIT */
/*
 * The rings against a naive model: random sequences of add, kick, device work
 * in any order (or in order and in batches), reap, arm and reset, with every
 * answer compared.  The model keeps plain lists and knows nothing of
 * descriptors but their number.
 *
 * A string of operations that fails is cut down to one that still fails and
 * of which nothing can be left out, and that is printed.  For this each
 * operation has a seed of its own, and does the same whatever stands before.
 */
#include "queue_rig.h"

#define SIZE 16u

struct model_chain {
    uint32_t serial; /* its cookie */
    uint32_t nout, nin, out_bytes, in_bytes;
    uint32_t descs;
    uint32_t len; /* once the device is done */
};

struct list {
    struct model_chain c[SIZE];
    unsigned n;
};

/* One operation; what it does by chance, `seed` says. */
struct op {
    uint32_t kind;
    uint32_t seed;
};

/* What a run is, beside its operations. */
struct plan {
    const struct way *w;
    uint32_t max_run;
    uint64_t seed;
    uint16_t size;
    bool lie; /* the device is wrong, for the test of this test */
};

/* Where each chain is. */
struct model {
    struct queue_rig g;
    const struct plan *plan;
    uint64_t chance;
    bool verbose;
    const struct way *w;
    uint32_t size, table;
    uint32_t run; /* of the HAL */
    uint32_t serial;
    struct list added, offered, used;
    struct model_chain taken[SIZE]; /* beside `held` */
    struct fake_chain held[SIZE];
    unsigned n_taken;
    uint16_t avail; /* index (packed: place), as the device was told */
    uint16_t told;  /* used index as published */
    uint16_t event, flags;
    uint32_t room;
    bool armed;
    uint32_t late; /* armed for part of what is out up to this serial */
    uint32_t irqs;
    uint32_t adds, full, reaps, kicks, resets;
};

static uint32_t rnd(struct model *m, uint32_t n)
{
    m->chance = m->chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->chance >> 33) % n;
}

/* Says what is done, of an operation that is printed. */
#define SAY(m, ...) ((m)->verbose ? (void)printf("    " __VA_ARGS__) : (void)0)

static struct model_chain take(struct list *l, unsigned i)
{
    struct model_chain c = l->c[i];

    memmove(&l->c[i], &l->c[i + 1], (l->n - i - 1) * sizeof(c));
    l->n--;
    return c;
}

static unsigned out(const struct model *m)
{
    return m->added.n + m->offered.n + m->n_taken + m->used.n;
}

static void *cookie_of(uint32_t serial)
{
    return (void *)(uintptr_t)(0x10000u + serial);
}

/* ---- Operations -------------------------------------------------------------- */

static void op_add(struct model *m)
{
    struct model_chain c = {0};
    struct vdrv_seg seg[8];
    uint32_t n, want, runs = 0;
    int err;

    c.nout = rnd(m, m->size < 4 ? m->size + 1 : 4);
    c.nin = rnd(m, m->size < 4 ? m->size + 1 : 4);
    c.serial = ++m->serial;
    n = c.nout + c.nin;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len = rnd(m, 100) + 1;
        uint8_t *p = rig_mem + 128 * i + rnd(m, 16);

        runs += m->run ? (len + m->run - 1) / m->run : 1;
        seg[i] = i < c.nout ? vdrv_seg_out(p, len) : vdrv_seg_in(p, len);
        c.out_bytes += i < c.nout ? len : 0;
        c.in_bytes += i < c.nout ? 0 : len;
    }
    /* One segment is never worth a table, even in several runs. */
    c.descs = m->w->indirect && runs <= m->table && n > 1 ? 1 : runs;
    err = vdrv_queue_add(&m->g.q, seg, c.nout, c.nin, cookie_of(c.serial));
    SAY(m, "add %u: %u out of %u bytes, %u in of %u: %d\n", c.serial, c.nout,
        c.out_bytes, c.nin, c.in_bytes, err);
    want = n == 0 ? (uint32_t)VDRV_ERR_INVALID : 0;
    if (n && runs > m->size) { /* never fits; it may be told only when empty */
        CHECK(err == VDRV_ERR_TOO_BIG || err == VDRV_ERR_AGAIN);
    } else {
        if (n && c.descs > m->room)
            want = (uint32_t)VDRV_ERR_AGAIN;
        CHECK_EQ(err, (int)want);
    }
    m->adds++;
    m->full += err == VDRV_ERR_AGAIN;
    if (err || check_failures)
        return;
    m->room -= c.descs;
    m->added.c[m->added.n++] = c;
}

/* 2.7.10.1 in words: was the entry `event` among those just published? */
static bool split_wanted(const struct model *m, uint16_t now)
{
    if (!m->w->event)
        return !m->flags;
    for (uint16_t i = m->avail; i != now; i++)
        if (i == m->event)
            return true;
    return false;
}

/* 2.8.10: the same for a place in two laps of the ring; 3 means nothing. */
static bool packed_wanted(const struct model *m, uint32_t descs)
{
    if (m->flags != 2 || !m->w->event)
        return m->flags != 1;
    for (uint32_t i = 0; i < descs; i++)
        if ((m->avail + i) % (2 * m->size) == m->event)
            return true;
    return false;
}

/* The device says what it wants to hear of; returns whether it is that. */
static bool hint(struct model *m, uint16_t now, uint32_t descs)
{
    if (!m->w->packed) {
        m->event = (uint16_t)(m->avail + rnd(m, 2 * m->size) - m->size / 2);
        m->flags = (uint16_t)rnd(m, 2);
        fake_split_set_hints(m->g.dq, m->flags, m->event);
        return split_wanted(m, now);
    }
    m->event = (uint16_t)rnd(m, 2 * m->size);
    m->flags = (uint16_t)(rnd(m, 2) ? 2 : rnd(m, 4));
    fake_packed_set_hints(
        m->g.dq, m->flags,
        (uint16_t)(m->event % m->size | (m->event < m->size ? 0x8000u : 0)));
    return packed_wanted(m, descs);
}

static void op_kick(struct model *m)
{
    uint16_t now = (uint16_t)(m->avail + m->added.n);
    uint32_t descs = 0;
    int want;

    for (unsigned i = 0; i < m->added.n; i++)
        descs += m->added.c[i].descs;
    want = hint(m, now, descs) && m->added.n;
    SAY(m, "kick: %u chains, flags %u, event %u\n", m->added.n, m->flags,
        m->event);
    CHECK_EQ(fake_queue_offered(m->g.dq), m->offered.n);
    CHECK_EQ(vdrv_queue_kick(&m->g.q), want);
    m->avail =
        m->w->packed ? (uint16_t)((m->avail + descs) % (2 * m->size)) : now;
    m->kicks += (uint32_t)want;
    while (m->added.n)
        m->offered.c[m->offered.n++] = take(&m->added, 0);
    CHECK_EQ(fake_queue_offered(m->g.dq), m->offered.n);
}

/* The device takes the oldest offer; it must be what the model has there. */
static void op_take(struct model *m)
{
    struct fake_chain *c = &m->held[m->n_taken];
    struct model_chain e;

    if (!m->offered.n) {
        CHECK(!fake_queue_pop(m->g.dq, c));
        return;
    }
    e = take(&m->offered, 0);
    SAY(m, "the device takes %u\n", e.serial);
    REQUIRE(fake_queue_pop(m->g.dq, c));
    CHECK_EQ(c->rlen, e.out_bytes);
    CHECK_EQ(c->wlen, e.in_bytes);
    CHECK_EQ(c->slots, e.descs);
    m->taken[m->n_taken++] = e;
}

/* It completes any of those it has; with IN_ORDER the oldest, often whole. */
static void op_complete(struct model *m)
{
    struct model_chain e;
    unsigned i;

    if (!m->n_taken)
        return;
    i = m->w->in_order ? 0 : rnd(m, m->n_taken);
    e = m->taken[i];
    e.len = e.in_bytes ? rnd(m, e.in_bytes + 1) : 0;
    if (m->w->in_order && rnd(m, 4))
        e.len = e.in_bytes;
    SAY(m, "it completes %u with %u bytes\n", e.serial, e.len);
    fake_queue_push(m->g.dq, &m->held[i],
                    e.len ^ (m->plan->lie && m->n_taken > 1));
    m->n_taken--;
    memmove(&m->taken[i], &m->taken[i + 1],
            (m->n_taken - i) * sizeof(m->taken[0]));
    memmove(&m->held[i], &m->held[i + 1],
            (m->n_taken - i) * sizeof(m->held[0]));
    m->used.c[m->used.n++] = e;
}

/* Does the device still have one that it had when it was asked for later? */
static bool oldest_is_out(const struct model *m)
{
    for (unsigned i = 0; i < m->offered.n; i++)
        if (m->offered.c[i].serial <= m->late)
            return true;
    for (unsigned i = 0; i < m->n_taken; i++)
        if (m->taken[i].serial <= m->late)
            return true;
    return false;
}

static void op_publish(struct model *m)
{
    SAY(m, "it publishes\n");
    fake_queue_publish(m->g.dq);
    /* No wake-up is lost between arm() == 0 and the next completion. */
    if (m->armed && m->told != m->g.dq->told_used) {
        CHECK(m->g.dq->irqs > m->irqs);
        m->armed = false;
    }
    m->told = m->g.dq->told_used;
    if (m->late && !oldest_is_out(m)) {
        CHECK(m->g.dq->irqs > m->irqs);
        m->late = 0;
    }
}

static unsigned visible(const struct model *m)
{
    return m->used.n - (uint16_t)(m->g.dq->next_used - m->told);
}

static void op_reap(struct model *m)
{
    struct vdrv_used u[SIZE];
    unsigned max = rnd(m, m->size + 1), want = visible(m);
    int n = vdrv_queue_reap(&m->g.q, u, max);

    want = want < max ? want : max;
    SAY(m, "reap %u: %d\n", max, n);
    CHECK_EQ(n, want);
    for (int i = 0; i < n && m->used.n; i++) {
        struct model_chain e = take(&m->used, 0);

        CHECK(u[i].cookie == cookie_of(e.serial));
        CHECK_EQ(u[i].len, e.len);
        m->room += e.descs;
        m->reaps++;
    }
    m->armed = false;
}

static void op_arm(struct model *m)
{
    uint32_t mode = rnd(m, VDRV_ARM_EMPTY + 1);
    int r = vdrv_queue_arm(&m->g.q, mode);

    SAY(m, "arm %u: %d\n", mode, r);
    m->armed = false;
    if (mode == VDRV_ARM_OFF || visible(m) == 0)
        CHECK_EQ(r, 0);
    else if (mode == VDRV_ARM_NEXT)
        CHECK_EQ(r, 1);
    if (mode == VDRV_ARM_NEXT && r == 0) {
        m->armed = true;
        m->irqs = m->g.dq->irqs;
    }
    /* All that is out may not come back without a word. */
    m->late = 0;
    if (mode >= VDRV_ARM_LATE && r == 0) {
        for (unsigned i = 0; i < m->offered.n; i++)
            if (m->offered.c[i].serial > m->late)
                m->late = m->offered.c[i].serial;
        for (unsigned i = 0; i < m->n_taken; i++)
            if (m->taken[i].serial > m->late)
                m->late = m->taken[i].serial;
        m->irqs = m->g.dq->irqs;
    }
}

static void op_reset(struct model *m)
{
    bool seen[4 * SIZE] = {false};
    unsigned n = 0;
    void *cookie;
    struct list *l[3] = {&m->added, &m->offered, &m->used};

    SAY(m, "reset\n");
    CHECK_EQ(vdrv_transport_reset(m->g.t, 0), VDRV_OK);
    while (vdrv_queue_drain(&m->g.q, &cookie)) {
        unsigned hits = 0, at = 0;

        for (int k = 0; k < 3; k++)
            for (unsigned i = 0; i < l[k]->n; i++)
                if (cookie_of(l[k]->c[i].serial) == cookie) {
                    at = (unsigned)k * SIZE + i;
                    hits++;
                }
        for (unsigned i = 0; i < m->n_taken; i++)
            if (cookie_of(m->taken[i].serial) == cookie) {
                at = 3 * SIZE + i;
                hits++;
            }
        CHECK_EQ(hits, 1);
        CHECK(!seen[at]);
        seen[at] = true;
        n++;
    }
    CHECK_EQ(n, out(m));
    rig_again(&m->g);
    m->added.n = m->offered.n = m->used.n = m->n_taken = 0;
    m->room = m->size;
    m->avail = m->told = 0;
    m->armed = false;
    m->late = 0;
    m->resets++;
}

/* ---- The run -------------------------------------------------------------------- */

static void check_state(struct model *m)
{
    CHECK_EQ(vdrv_queue_room(&m->g.q), m->room);
    CHECK_EQ(vdrv_queue_outstanding(&m->g.q), out(m));
    CHECK_EQ(m->g.dq->kicks, m->kicks);
    if (out(m) == 0)
        CHECK_EQ(m->g.f.maps_live, 0);
}

static void begin(struct model *m, const struct plan *p)
{
    /* With it the fake checks the data of each kick. */
    const uint64_t told = p->seed & 1 ? BIT64(38) : 0;
    const struct queue_opts o = {
        .machine = {.max_run = p->max_run, .seed = p->seed},
        .max = p->size,
        .offer = told,
        .want = told};

    memset(m, 0, sizeof(*m));
    m->plan = p;
    m->w = p->w;
    m->run = p->w->mode == FAKE_DIRECT ? 0 : p->max_run;
    m->size = m->room = p->size;
    m->table = p->size < 4 ? p->size : 4;
    rig_up(&m->g, p->w, &o);
    m->g.f.record = true;
}

/* Does operations until one fails; returns how many those were, or 0. */
static unsigned replay(struct model *m, const struct plan *p,
                       const struct op *op, unsigned n, bool verbose)
{
    static void (*const kind[])(struct model *) = {
        op_add,  op_add,  op_add,      op_kick,     op_take,
        op_take, op_take, op_complete, op_complete, op_publish,
        op_reap, op_arm,  op_reset};
    unsigned i = 0;

    begin(m, p);
    m->verbose = verbose;
    while (i < n && check_failures == 0) {
        m->chance = op[i].seed;
        kind[op[i].kind](m);
        check_state(m);
        CHECK_EQ(m->g.f.violations, 0);
        i++;
    }
    rig_down(&m->g, out(m));
    return check_failures != 0 ? i : 0;
}

/* As a try: says nothing, and leaves no trace. */
static unsigned attempt(const struct plan *p, const struct op *op, unsigned n)
{
    const unsigned failures = check_failures;
    static struct model m;
    unsigned bad;

    check_quiet++;
    check_failures = 0;
    bad = replay(&m, p, op, n, false);
    check_failures = failures;
    check_quiet--;
    return bad;
}

/*
 * Leaves out half of the operations, a quarter, ... one, as long as what is
 * left fails: returns how many are left in `op`.
 */
static unsigned shrink(const struct plan *p, struct op *op, unsigned n)
{
    struct op *less = malloc(n * sizeof(*op));
    unsigned chunk = n / 2, tries = 4000;
    bool again = true;

    while (less != NULL && chunk > 0 && tries > 0) {
        again = false;
        for (unsigned at = 0; at < n && tries > 0; tries--) {
            const unsigned gone = chunk < n - at ? chunk : n - at;
            unsigned bad;

            memcpy(less, op, at * sizeof(*op));
            memcpy(less + at, op + at + gone, (n - at - gone) * sizeof(*op));
            bad = attempt(p, less, n - gone);
            if (bad == 0) {
                at += gone;
                continue;
            }
            memcpy(op, less, bad * sizeof(*op));
            n = bad;
            again = true;
        }
        if (!again || chunk > 1)
            chunk /= 2;
    }
    free(less);
    return n;
}

static void report(const struct plan *p, struct op *op, unsigned n)
{
    static struct model m;

    n = shrink(p, op, n);
    printf("  %s ring of %u, %s%s, mode %u, run %u, seed %" PRIu64 ":\n",
           p->w->packed ? "packed" : "split", p->size,
           p->w->event ? "event index" : "flags",
           p->w->indirect ? ", indirect" : "", p->w->mode, p->max_run, p->seed);
    check_failures = 0;
    replay(&m, p, op, n, true);
    CHECK(check_failures > 0); /* whatever happens, this is a failure */
}

static struct op *make_ops(uint64_t seed, unsigned steps)
{
    struct op *op = malloc(steps * sizeof(*op));
    struct model m = {.chance = seed};

    if (op == NULL)
        abort();
    for (unsigned i = 0; i < steps; i++) {
        const uint32_t k = rnd(&m, 9600);

        op[i].kind = k == 0 ? 12 : k % 12;
        op[i].seed = rnd(&m, UINT32_MAX);
    }
    return op;
}

static void run(const struct way *w, uint16_t size, uint32_t max_run,
                uint64_t seed, unsigned steps)
{
    const struct plan p = {w, max_run, seed, size, false};
    struct op *op = make_ops(seed, steps);
    static struct model m;
    unsigned bad;

    if (check_failures > 0) /* one report is enough */
        steps = 0;
    bad = replay(&m, &p, op, steps, false);
    if (bad > 0)
        report(&p, op, bad);
    else if (steps > 0)
        CHECK(m.full > 0 && m.reaps > steps / 100 && m.kicks > 0);
    free(op);
}

static void test_against_model(void)
{
    uint64_t seed = check_seed();

    FOR_WAYS(w)
    for (unsigned i = 0; i < 3; i++)
        run(w, SIZE, i * 37, seed * 1000 + i + 1, 60000);
}

/* Small rings, where wrap and full are everywhere; any size when packed. */
static void test_small_rings(void)
{
    uint64_t seed = check_seed();

    FOR_WAYS(w)
    for (uint16_t size = 1; size < SIZE; size++)
        if (w->packed ? size < 10 || size == 13 : !(size & (size - 1)))
            run(w, size, 41, seed * 100 + size, 20000);
}

static void test_long_laps(void)
{
    struct way split = {FAKE_DIRECT, false, true, false, false};
    struct way packed = {FAKE_DIRECT, false, true, true, false};

    run(&split, SIZE, 0, check_seed() + 77, 1000000);
    run(&packed, 15, 0, check_seed() + 78, 1000000);
}

/*
 * A device that is wrong about a length while it has another chain: two adds,
 * kick, two takes, complete, publish, reap are what it takes to see it.
 */
static void test_shrinks(void)
{
    const uint64_t seed = check_seed();

    for (unsigned i = 0; i < N_WAYS; i++) {
        const struct plan p = {&ways[i], 41, seed + i, SIZE, true};
        struct op *op = make_ops(p.seed, 5000), less[12];
        unsigned n = shrink(&p, op, attempt(&p, op, 5000));

        CHECK_EQ(attempt(&p, op, n), n);
        CHECK(n >= 8 && n <= 12);
        for (unsigned k = 0; k < n && n <= 12; k++) { /* each is needed */
            memcpy(less, op, n * sizeof(*op));
            memmove(less + k, less + k + 1, (n - k - 1) * sizeof(*op));
            CHECK_EQ(attempt(&p, less, n - 1), 0);
        }
        free(op);
    }
}

static const struct check_case cases[] = {
    {"queue_random_shrinks", test_shrinks},
    {"queue_random_against_model", test_against_model},
    {"queue_random_small_rings", test_small_rings},
    {"queue_random_laps", test_long_laps},
};

CHECK_MAIN(cases)
