/* SPDX-License-Identifier: MIT */
/*
 * Driver and device on two threads, on a ring that nothing but the ring itself
 * orders: under ThreadSanitizer, what one side reads of the other without
 * having acquired it is a race.  So the bells carry no order either: relaxed
 * counters, and a futex that sanitizers do not see.
 *
 * Each chain carries a number there and back.  Both sides sleep as soon as
 * there is nothing to do, having said so by event suppression: a wake-up that
 * is lost ends the test after BELL_SECONDS, and is reported.
 *
 * QUEUE_TRANSFERS in the environment: chains in each mode.
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <virtio_drv.h>
#include <virtio_drv/queue.h>

#define SIZE_MAX_HERE 16u
#define BELL_SECONDS  60
#define TRANSFERS     20000u

struct mode {
    const char *name;
    bool packed, event, indirect, in_order;
    uint32_t size;
};

/* Rung by one side, heard by the other. */
struct bell {
    uint32_t rung;
    uint32_t sleeps;
};

/* What a chain of the driver's is about, by cookie. */
struct transfer {
    uint64_t out[2];
    uint64_t in;
    uint64_t number;
    bool busy;
};

/* A chain that the device has. */
struct taken {
    uint32_t id, slots;
    uint64_t number;
    uint64_t *in;
};

/* The device's own state: only its thread's. */
struct device {
    uint64_t desc, driver, device;
    uint32_t size;
    uint32_t avail, used; /* next: numbers of chains (packed: of slots) */
    uint64_t number;      /* chains taken so far */
    struct taken have[SIZE_MAX_HERE];
    uint32_t n;
    uint64_t chance;
    uint32_t interrupts, quiet, errors;
};

struct machine {
    const struct mode *mode;
    struct vdrv_transport t;
    struct vdrv_queue q;
    uint64_t work[VDRV_QUEUE_WORK_SIZE(SIZE_MAX_HERE, 4) / 8 + 1];
    _Alignas(64) uint8_t dma[8192];
    struct bell doorbell, interrupt;
    struct transfer job[SIZE_MAX_HERE];
    struct device dev;
    uint64_t total;
    uint32_t quit;
    uint64_t chance;
};

static struct machine m;

static uint32_t rnd(uint64_t *chance, uint32_t n)
{
    *chance = *chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*chance >> 33) % n;
}

/* ---- Bells ------------------------------------------------------------------ */

static void ring(struct bell *b)
{
    __atomic_fetch_add(&b->rung, 1, __ATOMIC_RELAXED);
    syscall(SYS_futex, &b->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint32_t heard(const struct bell *b)
{
    return __atomic_load_n(&b->rung, __ATOMIC_RELAXED);
}

/* Sleeps while the bell stands at `was`; false when that is too long. */
static bool await(struct bell *b, uint32_t was)
{
    const struct timespec limit = {BELL_SECONDS, 0};
    struct timespec from, now;

    clock_gettime(CLOCK_MONOTONIC, &from);
    b->sleeps += heard(b) == was;
    while (heard(b) == was) {
        syscall(SYS_futex, &b->rung, FUTEX_WAIT_PRIVATE, was, &limit, NULL, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - from.tv_sec >= BELL_SECONDS && heard(b) == was)
            return false;
    }
    return true;
}

/* ---- The machine, for the library -------------------------------------------- */

static void *dma_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    (void)ctx;
    (void)limit;
    (void)flags;
    if (size > sizeof(m.dma) || align > 64)
        return NULL;
    *dma = (uint64_t)(uintptr_t)m.dma;
    return m.dma;
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
    ring(&m.doorbell);
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
    return queue == 0 ? m.mode->size : 0;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify)
{
    (void)t;
    (void)queue;
    m.dev.desc = area->desc;
    m.dev.driver = area->driver;
    m.dev.device = area->device;
    m.dev.size = area->size;
    notify->width = 4;
    return VDRV_OK;
}

static const struct vdrv_transport_ops transport_ops = {
    .queue_max = queue_max,
    .queue_enable = queue_enable,
};

/* ---- The device: memory ---------------------------------------------------------- */

/* Whoever runs this on a big-endian machine has rings to swap. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this device is little-endian"
#endif

static uint16_t *at16(uint64_t at)
{
    return (uint16_t *)(uintptr_t)at;
}

static uint32_t *at32(uint64_t at)
{
    return (uint32_t *)(uintptr_t)at;
}

static uint64_t *at64(uint64_t at)
{
    return (uint64_t *)(uintptr_t)at;
}

#define CONSUME(p)    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define PUBLISH(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define PEEK(p)       __atomic_load_n((p), __ATOMIC_RELAXED)
#define POKE(p, v)    __atomic_store_n((p), (v), __ATOMIC_RELAXED)

static uint32_t *slot_tag(const struct device *d, uint32_t at)
{
    return at32(d->desc + 16 * (at % d->size) + 12);
}

/* AVAIL and USED of slot number `at` as the driver leaves it, as a tag. */
static uint32_t mark(const struct device *d, uint32_t at)
{
    return at / d->size % 2 == 0 ? 0x800000u : 0x80000000u;
}

/* Off and wrap of slot number `at`. */
static uint32_t place(const struct device *d, uint32_t at)
{
    return at % d->size | (at / d->size % 2 == 0 ? 0x8000u : 0);
}

/* ---- The device: taking ------------------------------------------------------------ */

static bool there(const struct device *d)
{
    if (!m.mode->packed)
        return CONSUME(at16(d->driver + 2)) != (uint16_t)d->avail;
    return (CONSUME(slot_tag(d, d->avail)) & 0x80800000u) == mark(d, d->avail);
}

/* One descriptor: the readable ones say what number it is. */
static void serve(struct device *d, struct taken *k, uint64_t at, bool write)
{
    uint64_t *p = at64(*at64(at));

    if (write)
        k->in = p;
    else if (*p != k->number)
        d->errors++;
}

static void take_table(struct device *d, struct taken *k, uint64_t at,
                       unsigned flags_at)
{
    const uint64_t table = *at64(at);
    const uint32_t n = *at32(at + 8) / 16;

    for (uint32_t i = 0; i < n; i++)
        serve(d, k, table + 16 * i, *at16(table + 16 * i + flags_at) & 2);
}

static void take_split(struct device *d, struct taken *k)
{
    uint64_t at;
    uint16_t flags;

    k->id = *at16(d->driver + 4 + 2 * (d->avail % d->size));
    k->slots = 1;
    at = d->desc + 16 * k->id;
    for (;;) {
        flags = *at16(at + 12);
        if ((flags & 4) != 0)
            take_table(d, k, at, 12);
        else
            serve(d, k, at, flags & 2);
        if ((flags & 1) == 0)
            break;
        at = d->desc + 16 * *at16(at + 14);
    }
    d->avail++;
}

static void take_packed(struct device *d, struct taken *k)
{
    uint32_t flags = 1;

    for (k->slots = 0; (flags & 1) != 0; k->slots++) {
        const uint64_t at = d->desc + 16 * (d->avail % d->size);
        const uint32_t tag = *at32(at + 12);

        flags = tag >> 16;
        k->id = tag & 0xffff;
        if ((flags & 4) != 0)
            take_table(d, k, at, 14);
        else
            serve(d, k, at, flags & 2);
        d->avail++;
    }
}

static void take(struct device *d)
{
    struct taken *k = &d->have[d->n++];

    k->number = d->number++;
    k->in = NULL;
    if (m.mode->packed)
        take_packed(d, k);
    else
        take_split(d, k);
    if (k->in != NULL)
        *k->in = ~k->number;
}

/* ---- The device: giving back --------------------------------------------------------- */

/* It stands for the batch that ends with it, of so many chains and slots. */
static void put_used(struct device *d, const struct taken *k, uint32_t n,
                     uint32_t slots)
{
    const uint32_t len = k->in != NULL ? 8 : 0;
    uint64_t at = d->device + 4 + 8 * (d->used % d->size);

    if (m.mode->packed) {
        at = d->desc + 16 * (d->used % d->size);
        *at32(at + 8) = len;
        /* Both bits as the wrap counter is; the driver looks at one word. */
        PUBLISH(at32(at + 12),
                k->id | (d->used / d->size % 2 == 0 ? 0x80800000u : 0));
        d->used += slots;
        return;
    }
    *at32(at) = k->id;
    *at32(at + 4) = len;
    d->used += n;
}

/* Does the driver wait for something that was used since `old`? */
static bool interrupting(const struct device *d, uint32_t old)
{
    uint32_t word;

    if (!m.mode->packed && !m.mode->event)
        return PEEK(at16(d->driver)) == 0;
    word = m.mode->packed ? PEEK(at32(d->driver))
                          : PEEK(at16(d->driver + 4 + 2 * d->size));
    if (m.mode->packed && word >> 16 != 2)
        return word >> 16 == 0;
    for (; old != d->used; old++)
        if ((m.mode->packed ? place(d, old) : old & 0xffff) == (word & 0xffff))
            return true;
    return false;
}

/* The first n of what it has, as one batch of IN_ORDER. */
static void give_batch(struct device *d, uint32_t n)
{
    uint32_t slots = 0;

    for (uint32_t i = 0; i < n; i++)
        slots += d->have[i].slots;
    put_used(d, &d->have[n - 1], n, slots);
    d->n -= n;
    memmove(d->have, d->have + n, d->n * sizeof(d->have[0]));
}

static void give_any(struct device *d)
{
    const uint32_t i = rnd(&d->chance, d->n);

    put_used(d, &d->have[i], 1, d->have[i].slots);
    d->have[i] = d->have[--d->n];
}

/* Some of what it has, in any order unless IN_ORDER is. */
static void give(struct device *d)
{
    const uint32_t old = d->used, n = rnd(&d->chance, d->n) + 1;

    if (m.mode->in_order)
        give_batch(d, n);
    for (uint32_t k = 0; k < n && !m.mode->in_order; k++)
        give_any(d);
    if (!m.mode->packed)
        PUBLISH(at16(d->device + 2), (uint16_t)d->used);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (interrupting(d, old)) {
        d->interrupts++;
        ring(&m.interrupt);
    } else {
        d->quiet++;
    }
}

/* ---- The device: its life --------------------------------------------------------------- */

/* Says that it wants to hear of the next chain, or of none. */
static void want(struct device *d, bool kick)
{
    uint32_t word = kick ? 0 : 1;

    if (!m.mode->packed) {
        POKE(at16(d->device), (uint16_t)(m.mode->event ? 0 : word));
        if (m.mode->event && kick)
            POKE(at16(d->device + 4 + 8 * d->size), (uint16_t)d->avail);
        return;
    }
    if (m.mode->event && kick)
        word = 2;
    POKE(at32(d->device), word << 16 | place(d, d->avail));
}

static void *device(void *arg)
{
    struct device *d = arg;

    while (PEEK(&m.quit) == 0) {
        const uint32_t was = heard(&m.doorbell);

        while (d->n < d->size && there(d) && rnd(&d->chance, 8) != 0)
            take(d);
        if (d->n > 0) {
            give(d);
            continue;
        }
        if (there(d))
            continue;
        want(d, true);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (!there(d) && !await(&m.doorbell, was)) {
            d->errors++;
            POKE(&m.quit, 2);
            ring(&m.interrupt);
        }
        want(d, false);
    }
    return NULL;
}

/* ---- The driver --------------------------------------------------------------------------- */

static uint64_t sent, back;

static bool send(struct transfer *job)
{
    const uint32_t nout = rnd(&m.chance, 3), nin = nout == 0 ? 1 : sent % 2;
    struct vdrv_seg seg[3];
    uint32_t n = 0;
    int err;

    job->number = sent;
    job->in = 0;
    for (; n < nout; n++) {
        job->out[n] = sent;
        seg[n] = vdrv_seg_out(&job->out[n], 8);
    }
    if (nin != 0)
        seg[n] = vdrv_seg_in(&job->in, 8);
    err = vdrv_queue_add(&m.q, seg, nout, nin, job);
    if (err == VDRV_ERR_TOO_BIG || err == VDRV_ERR_AGAIN)
        return false;
    CHECK_EQ(err, VDRV_OK);
    job->busy = err == VDRV_OK;
    sent++;
    return true;
}

static void offer(void)
{
    uint32_t left = rnd(&m.chance, m.mode->size) + 1;

    for (uint32_t i = 0; i < m.mode->size && left > 0 && sent < m.total; i++)
        if (!m.job[i].busy) {
            if (!send(&m.job[i]))
                break;
            left--;
        }
    CHECK(vdrv_queue_kick(&m.q) >= 0);
}

static uint32_t collect(void)
{
    struct vdrv_used u[SIZE_MAX_HERE];
    const int n = vdrv_queue_reap(&m.q, u, rnd(&m.chance, m.mode->size) + 1);

    CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        struct transfer *job = u[i].cookie;

        CHECK(job->busy);
        CHECK(u[i].len == 8 ? job->in == ~job->number
                            : u[i].len == 0 && job->in == 0);
        job->busy = false;
        back++;
    }
    return n > 0 ? (uint32_t)n : 0;
}

static void driver(void)
{
    while (back < m.total && PEEK(&m.quit) == 0 && check_failures == 0) {
        uint32_t was, out;

        if (sent < m.total)
            offer();
        if (collect() > 0 && rnd(&m.chance, 4) != 0)
            continue;
        was = heard(&m.interrupt);
        out = vdrv_queue_outstanding(&m.q);
        if (out == 0 || (out < m.mode->size && rnd(&m.chance, 2) == 0))
            continue;
        if (vdrv_queue_arm(&m.q, VDRV_ARM_NEXT + rnd(&m.chance, 4)) != 0)
            continue;
        CHECK(await(&m.interrupt, was));
        CHECK_EQ(vdrv_queue_arm(&m.q, VDRV_ARM_OFF), 0);
    }
}

/* ---- The runs --------------------------------------------------------------------------------- */

static uint64_t transfers(void)
{
    const char *said = getenv("QUEUE_TRANSFERS");

    return said != NULL ? strtoull(said, NULL, 0) : TRANSFERS;
}

static void begin(const struct mode *mode)
{
    const struct vdrv_queue_config cfg = {
        .indirect = mode->indirect ? 4 : 0,
        .vector = VDRV_NO_VECTOR,
        .packed =
            mode->in_order ? &vdrv_queue_packed_in_order : &vdrv_queue_packed,
        .in_order = &vdrv_queue_split_in_order,
        .work = m.work,
        .work_size = sizeof(m.work),
    };

    memset(&m, 0, sizeof(m));
    m.mode = mode;
    m.total = transfers();
    m.chance = m.dev.chance = check_seed_value;
    sent = back = 0;
    m.t.ops = &transport_ops;
    m.t.hal = &hal;
    m.t.dma_limit = UINT64_MAX;
    m.t.features[0] = (uint64_t)1 << 32 | (uint64_t)mode->packed << 34 |
                      (uint64_t)mode->in_order << 35 |
                      (uint64_t)mode->event << 29 |
                      (uint64_t)mode->indirect << 28;
    CHECK_EQ(vdrv_queue_init(&m.q, &m.t, &cfg), VDRV_OK);
}

static void run(const struct mode *mode)
{
    pthread_t thread;

    begin(mode);
    if (pthread_create(&thread, NULL, device, &m.dev) != 0)
        abort();
    driver();
    CHECK_EQ(PEEK(&m.quit), 0); /* 2: the device waited in vain */
    POKE(&m.quit, 1);
    ring(&m.doorbell);
    pthread_join(thread, NULL);
    CHECK_EQ(back, m.total);
    CHECK_EQ(m.dev.number, m.total);
    CHECK_EQ(m.dev.errors, 0);
    printf("  %s: %" PRIu64 " transfers; kicks %u, not wanted %u, waited for "
           "%u; interrupts %u, not wanted %u, waited for %u\n",
           mode->name, back, m.q.stats.kicks, m.q.stats.suppressed,
           m.doorbell.sleeps, m.dev.interrupts, m.dev.quiet,
           m.interrupt.sleeps);
}

static void run_all(bool packed, bool in_order)
{
    static const char *const name[] = {
        "flags", "event index", "flags, indirect", "event index, indirect"};

    for (unsigned i = 0; i < 4; i++) {
        const struct mode mode = {name[i],    packed,   i % 2 == 1,
                                  i / 2 == 1, in_order, packed ? 7 : 8};

        run(&mode);
    }
}

static void test_split(void)
{
    run_all(false, false);
}

static void test_packed(void)
{
    run_all(true, false);
}

static void test_split_in_order(void)
{
    run_all(false, true);
}

static void test_packed_in_order(void)
{
    run_all(true, true);
}

static const struct check_case cases[] = {
    {"queue_threads_split", test_split},
    {"queue_threads_packed", test_packed},
    {"queue_threads_split_in_order", test_split_in_order},
    {"queue_threads_packed_in_order", test_packed_in_order},
};

CHECK_MAIN(cases)
