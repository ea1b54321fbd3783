/* SPDX-License-Identifier: MIT */
/*
 * Blocking reads that sleep, on a live fake machine: ten thousand of them, the
 * device answering at random times, with one reader and with two that share
 * the disk by a mutex.  A lost wake-up is a semaphore that nobody gives in
 * time.  Run under ASan and under ThreadSanitizer.
 */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include <virtio_drv/virtio_blk.h>

#include "check.h"
#include "live_machine.h"
#include "rtos_wait.h"

#define READS    2000u /* 10^5 and more are make soak's */
#define READERS  2u
#define PATIENCE 5000000u /* us; no device here takes as long */

/* ---- The RTOS --------------------------------------------------------------- */

static pthread_mutex_t interrupts_off = PTHREAD_MUTEX_INITIALIZER;
static unsigned sleeps, late; /* under the port's lock, and at the end */

void rtos_mutex_take(struct rtos_mutex *m)
{
    pthread_mutex_lock(&m->held);
}

void rtos_mutex_give(struct rtos_mutex *m)
{
    pthread_mutex_unlock(&m->held);
}

/* Now and then it takes long: an interrupt may come before the sleep. */
void rtos_sem_init(struct rtos_sem *s)
{
    const struct timespec t = {0, 50000};
    static unsigned n;

    sem_init(&s->count, 0, 0);
    if (__atomic_fetch_add(&n, 1, __ATOMIC_RELAXED) % 16 == 0)
        nanosleep(&t, NULL);
}

void rtos_sem_fini(struct rtos_sem *s)
{
    sem_destroy(&s->count);
}

bool rtos_sem_take(struct rtos_sem *s, uint32_t us)
{
    struct timespec t;
    int r;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += us / 1000000u;
    t.tv_nsec += (long)(us % 1000000u) * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    while ((r = sem_timedwait(&s->count, &t)) != 0 && errno == EINTR)
        ;
    __atomic_fetch_add(&sleeps, 1, __ATOMIC_RELAXED);
    if (r != 0)
        __atomic_fetch_add(&late, 1, __ATOMIC_RELAXED);
    return r == 0;
}

void rtos_sem_give(struct rtos_sem *s)
{
    sem_post(&s->count);
}

void rtos_critical_enter(void)
{
    pthread_mutex_lock(&interrupts_off);
}

void rtos_critical_exit(void)
{
    pthread_mutex_unlock(&interrupts_off);
}

/* ---- The machine --------------------------------------------------------------- */

static struct machine {
    struct live l;
    struct fake_blk disk;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_blk blk;
    struct rtos_port port;
    unsigned wakes, pauses; /* under the port's lock */
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 8, 4) / 8 + 1];
} m;

static void interrupt(void *arg)
{
    (void)arg;
    rtos_interrupt(&m.blk.block.dev);
}

static void counted_wake(void *ctx, struct vdrv_device *dev, uint32_t queue)
{
    m.wakes++;
    rtos_wake(ctx, dev, queue);
}

/* The port's lock is held meanwhile: better few than many. */
static void counted_relax(void *ctx)
{
    (void)ctx;
    m.pauses++;
    sched_yield();
}

/* `tiny`: a queue with room for one read. */
static int setup(bool event_idx, bool tiny)
{
    const struct vdrv_virtio_blk_config cfg = {.work = m.work,
                                               .work_size = sizeof(m.work),
                                               .queue_size = tiny ? 4 : 8,
                                               .no_indirect = tiny,
                                               .max_segs = 4,
                                               .timeout_us = PATIENCE,
                                               .no_event_idx = !event_idx};
    int err;

    memset(&m, 0, sizeof(m));
    sleeps = late = 0;
    live_init(&m.l);
    m.l.hal.wait = rtos_wait;
    m.l.hal.wake = counted_wake;
    m.l.hal.relax = counted_relax;
    fake_blk_init(&m.disk, &m.l.f, NULL);
    for (uint32_t i = 0; i < 2048; i++)
        memset(m.disk.disk + i * 512, (int)(i * 37 >> 2 & 0xff), 512);
    m.disk.dev.complete = FAKE_COMPLETE_RANDOM;
    m.disk.dev.per_step = 1;
    live_plug(&m.l, &m.disk.dev);
    m.l.isr = interrupt;
    m.l.lazy_us = 30;
    err = vdrv_mmio_probe(&m.mmio, &m.l.hal, LIVE_SLOT, FAKE_MMIO_SIZE);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&m.blk, &m.mmio.transport, &cfg);
    if (err != VDRV_OK)
        return err;
    rtos_port_init(&m.port);
    m.blk.block.dev.user = &m.port;
    live_run(&m.l);
    return VDRV_OK;
}

static void finish(void)
{
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    live_unplug(&m.l);
    fake_blk_fini(&m.disk);
    live_fini(&m.l);
}

/* ---- Readers ----------------------------------------------------------------------- */

struct reader {
    pthread_t thread;
    unsigned reads, errors, wrong;
    uint32_t chance;
    int last; /* error */
};

static void *reader(void *arg)
{
    struct reader *r = arg;
    uint8_t data[512], want;
    uint32_t block;
    int err;

    for (unsigned i = 0; i < r->reads && r->errors == 0; i++) {
        r->chance = r->chance * 1664525u + 1013904223u;
        block = r->chance >> 21;
        want = (uint8_t)(block * 37 >> 2);
        rtos_mutex_take(&m.port.lock);
        err = vdrv_block_read_block(&m.blk.block, block, data, sizeof(data));
        rtos_mutex_give(&m.port.lock);
        r->errors += err != VDRV_OK;
        r->last = err;
        r->wrong += data[0] != want || data[511] != want;
    }
    return NULL;
}

static void read_all(unsigned n)
{
    struct reader r[READERS];

    for (unsigned i = 0; i < n; i++) {
        r[i] = (struct reader){.reads = READS / n, .chance = i + 1};
        CHECK(pthread_create(&r[i].thread, NULL, reader, &r[i]) == 0);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(r[i].thread, NULL);
        CHECK_EQ(r[i].errors, 0);
        CHECK_EQ(r[i].wrong, 0);
    }
    live_halt(&m.l);
    CHECK_EQ(late, 0);
    CHECK_EQ(m.disk.requests[FAKE_BLK_IN], READS);
    CHECK(sleeps > READS / 20); /* it did sleep */
    CHECK(m.l.interrupts > READS / 20);
}

static void one_reader(void)
{
    REQUIRE(setup(true, false) == VDRV_OK);
    read_all(1);
    CHECK_EQ(m.wakes, 0); /* nobody else was there to be woken */
    finish();
}

static void two_readers(void)
{
    REQUIRE(setup(true, false) == VDRV_OK);
    read_all(READERS);
    CHECK(m.wakes > 0);            /* one found the other's answer */
    CHECK_EQ(m.l.most_pending, 1); /* beside the one just answered */
    finish();
}

static void without_event_idx(void)
{
    REQUIRE(setup(false, false) == VDRV_OK);
    read_all(READERS);
    finish();
}

/* Who finds the queue full sleeps as well, and does not keep the lock. */
static void full_queue(void)
{
    REQUIRE(setup(true, true) == VDRV_OK);
    read_all(READERS);
    CHECK(m.pauses < 6 * READS);
    finish();
}

/* A device that never answers, and no interrupt: the sleep is bounded. */
static void timeout(void)
{
    struct vdrv_block_request req = {.op = VDRV_BLOCK_READ,
                                     .timeout_us = 20000};
    uint8_t data[512];
    struct vdrv_seg seg = vdrv_seg_in(data, sizeof(data));

    REQUIRE(setup(true, false) == VDRV_OK);
    live_halt(&m.l); /* nothing works any more */
    req.segs = &seg;
    req.nsegs = 1;
    rtos_mutex_take(&m.port.lock);
    CHECK_EQ(vdrv_block_execute(&m.blk.block, &req), VDRV_ERR_TIMEOUT);
    rtos_mutex_give(&m.port.lock);
    CHECK_EQ(late, 1);
    CHECK_EQ(sleeps, 1);
    finish();
}

/*
 * The answer came, but its interrupt was lost: found when the time is over,
 * and no reason to reset the disk.
 */
static void lost_interrupt(void)
{
    struct vdrv_block_request req = {.op = VDRV_BLOCK_READ,
                                     .timeout_us = 1000000};
    uint8_t data[512];
    struct vdrv_seg seg = vdrv_seg_in(data, sizeof(data));
    uint32_t resets;

    REQUIRE(setup(true, false) == VDRV_OK);
    live_halt(&m.l);
    resets = m.disk.dev.resets;
    m.disk.dev.no_irq = true;
    live_run(&m.l);
    req.segs = &seg;
    req.nsegs = 1;
    rtos_mutex_take(&m.port.lock);
    CHECK_EQ(vdrv_block_execute(&m.blk.block, &req), VDRV_OK);
    rtos_mutex_give(&m.port.lock);
    live_halt(&m.l);
    CHECK_EQ(late, 1);
    CHECK_EQ(m.disk.dev.resets, resets);
    finish();
}

/*
 * One reader's time is over: the disk is reset, and the other one, who sleeps
 * on, is told at once, although no interrupt will ever come.
 */
static void timeout_of_another(void)
{
    struct reader other = {.reads = 1};
    uint8_t data[512];
    struct vdrv_seg seg = vdrv_seg_in(data, sizeof(data));
    struct vdrv_block_request req = {
        .op = VDRV_BLOCK_READ, .nsegs = 1, .segs = &seg, .timeout_us = 20000};
    bool asleep = false;

    REQUIRE(setup(true, false) == VDRV_OK);
    live_halt(&m.l);
    m.disk.dev.complete = FAKE_COMPLETE_HELD;
    live_run(&m.l);
    CHECK(pthread_create(&other.thread, NULL, reader, &other) == 0);
    while (!asleep) {
        sched_yield();
        rtos_critical_enter();
        asleep = m.port.sleepers != NULL;
        rtos_critical_exit();
    }
    rtos_mutex_take(&m.port.lock);
    CHECK_EQ(vdrv_block_execute(&m.blk.block, &req), VDRV_ERR_TIMEOUT);
    rtos_mutex_give(&m.port.lock);
    pthread_join(other.thread, NULL);
    live_halt(&m.l);
    CHECK_EQ(other.last, VDRV_ERR_ABORTED);
    CHECK_EQ(late, 1); /* the one with the short time */
    CHECK(m.wakes > 0);
    finish();
}

static const struct check_case cases[] = {
    {"one_reader", one_reader},
    {"two_readers", two_readers},
    {"without_event_idx", without_event_idx},
    {"full_queue", full_queue},
    {"timeout", timeout},
    {"lost_interrupt", lost_interrupt},
    {"timeout_of_another", timeout_of_another}};

CHECK_MAIN(cases)
