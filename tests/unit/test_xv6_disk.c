/* SPDX-License-Identifier: MIT */
/*
 * The xv6-shaped disk driver on a live fake machine: eight processes with a
 * thousand random I/Os each, verified, with more of them than the queue has
 * room for; I/O errors; and a device that breaks the specification, after
 * which nobody may sleep for ever.  Run under ASan and under ThreadSanitizer.
 */
#include <virtio_drv/virtio_blk.h>

#include "check.h"
#include "live_machine.h"
#include "xv6_shape.h"

#define PROCS  8u
#define ROUNDS 1000u
#define BLOCKS 32u /* of each process */

/* ---- The kernel ------------------------------------------------------------- */

struct sleeper {
    void *chan;
    pthread_cond_t woken;
    struct sleeper *next;
};

static pthread_mutex_t proc_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sleeper *sleepers;

void acquire(struct spinlock *lk)
{
    pthread_mutex_lock(&lk->held);
}

void release(struct spinlock *lk)
{
    pthread_mutex_unlock(&lk->held);
}

void sleep_on(void *chan, struct spinlock *lk)
{
    struct sleeper self = {.chan = chan};

    pthread_cond_init(&self.woken, NULL);
    pthread_mutex_lock(&proc_lock); /* no wakeup from here on is missed */
    release(lk);
    self.next = sleepers;
    sleepers = &self;
    while (self.chan != NULL)
        pthread_cond_wait(&self.woken, &proc_lock);
    for (struct sleeper **s = &sleepers; *s != NULL; s = &(*s)->next) {
        if (*s == &self) {
            *s = self.next;
            break;
        }
    }
    pthread_mutex_unlock(&proc_lock);
    pthread_cond_destroy(&self.woken);
    acquire(lk);
}

void wakeup(void *chan)
{
    pthread_mutex_lock(&proc_lock);
    for (struct sleeper *s = sleepers; s != NULL; s = s->next) {
        if (s->chan == chan) {
            s->chan = NULL;
            pthread_cond_signal(&s->woken);
        }
    }
    pthread_mutex_unlock(&proc_lock);
}

/* ---- The machine --------------------------------------------------------------- */

static struct machine {
    struct live l;
    struct fake_blk disk;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_blk blk;
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 4, 4) / 8 + 1];
} m;

static void interrupt(void *arg)
{
    (void)arg;
    disk_intr();
}

/* `lazy_us`: how late the device answers, at most. */
static int setup(uint32_t lazy_us)
{
    const struct vdrv_virtio_blk_config cfg = {.work = m.work,
                                               .work_size = sizeof(m.work),
                                               .queue_size = 4,
                                               .max_segs = 4};
    int err;

    live_init(&m.l);
    fake_blk_init(&m.disk, &m.l.f, NULL);
    m.disk.dev.complete = FAKE_COMPLETE_RANDOM;
    m.disk.dev.per_step = 1;
    live_plug(&m.l, &m.disk.dev);
    m.l.isr = interrupt;
    m.l.lazy_us = lazy_us;
    err = vdrv_mmio_probe(&m.mmio, &m.l.hal, LIVE_SLOT, FAKE_MMIO_SIZE);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&m.blk, &m.mmio.transport, &cfg);
    if (err != VDRV_OK)
        return err;
    disk_init(&m.blk.block);
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

/* ---- The processes ----------------------------------------------------------------- */

struct proc {
    pthread_t thread;
    unsigned number;
    unsigned rounds;
    unsigned wrong;           /* contents */
    unsigned errors;          /* I/O errors */
    int last;                 /* of them */
    uint32_t written[BLOCKS]; /* seed of what is there; 0: zeroes */
};

static void fill(unsigned char *data, uint32_t seed)
{
    for (size_t i = 0; i < BSIZE; i++) {
        data[i] = (unsigned char)(seed >> 24);
        seed = seed != 0 ? seed * 1664525u + 1013904223u : 0;
    }
}

static void *process(void *arg)
{
    struct proc *p = arg;
    struct buf b;
    unsigned char want[BSIZE];
    uint32_t chance = p->number + 1;

    for (unsigned i = 0; i < p->rounds; i++) {
        uint32_t k, err;
        int write;

        chance = chance * 1664525u + 1013904223u;
        k = (chance >> 8) % BLOCKS;
        write = (chance >> 16 & 1) != 0;
        b.blockno = p->number * BLOCKS + k;
        fill(want, p->written[k]);
        memset(b.data, 0xee, BSIZE);
        if (write)
            fill(b.data, chance | 1);
        err = (uint32_t)disk_rw(&b, write);
        if (err != VDRV_OK) {
            p->errors++;
            p->last = (int)err;
        } else if (write) {
            p->written[k] = chance | 1;
        } else if (memcmp(b.data, want, BSIZE) != 0) {
            p->wrong++;
        }
    }
    return NULL;
}

static void run(struct proc *procs, unsigned rounds)
{
    memset(procs, 0, PROCS * sizeof(*procs));
    for (unsigned i = 0; i < PROCS; i++) {
        procs[i].number = i;
        procs[i].rounds = rounds;
        CHECK(pthread_create(&procs[i].thread, NULL, process, &procs[i]) == 0);
    }
    for (unsigned i = 0; i < PROCS; i++)
        pthread_join(procs[i].thread, NULL);
}

/* ---- The cases ------------------------------------------------------------------------ */

/* What the fake has on its medium is what the processes wrote. */
static unsigned differences(const struct proc *procs)
{
    unsigned char want[BSIZE];
    unsigned n = 0;

    for (unsigned i = 0; i < PROCS * BLOCKS; i++) {
        fill(want, procs[i / BLOCKS].written[i % BLOCKS]);
        n += memcmp(m.disk.disk + i * BSIZE, want, BSIZE) != 0;
    }
    return n;
}

static void random_ios(void)
{
    static struct proc procs[PROCS];

    REQUIRE(setup(20) == VDRV_OK);
    run(procs, ROUNDS);
    live_halt(&m.l);
    for (unsigned i = 0; i < PROCS; i++) {
        CHECK_EQ(procs[i].errors, 0);
        CHECK_EQ(procs[i].wrong, 0);
    }
    CHECK_EQ(differences(procs), 0);
    CHECK_EQ(m.disk.requests[FAKE_BLK_IN] + m.disk.requests[FAKE_BLK_OUT],
             PROCS * ROUNDS);
    CHECK(m.l.interrupts > 0);
    CHECK(m.l.most_pending >= 2);
    finish();
}

static void bad_sectors(void)
{
    static struct proc procs[PROCS];
    unsigned errors = 0, wrong = 0;

    REQUIRE(setup(0) == VDRV_OK);
    fake_blk_fail(&m.disk, FAKE_BLK_IN, 100, 7, FAKE_BLK_IOERR);
    run(procs, ROUNDS / 10);
    live_halt(&m.l);
    for (unsigned i = 0; i < PROCS; i++) {
        errors += procs[i].errors;
        wrong += procs[i].wrong;
        CHECK(procs[i].errors == 0 || procs[i].last == VDRV_ERR_IO);
    }
    CHECK_EQ(errors, 7);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(differences(procs), 0);
    finish();
}

/* The 200th request answers a status that no device may. */
static void broken_device(void)
{
    static struct proc procs[PROCS];
    unsigned errors = 0;

    REQUIRE(setup(0) == VDRV_OK);
    fake_blk_fail(&m.disk, FAKE_BLK_ANY, 200, 1, 0x77);
    run(procs, ROUNDS / 10);
    live_halt(&m.l);
    for (unsigned i = 0; i < PROCS; i++)
        errors += procs[i].errors;
    CHECK(errors >= PROCS * ROUNDS / 10 - 210);
    CHECK_EQ(vdrv_start(&m.blk.block.dev), VDRV_OK);
    disk_init(&m.blk.block);
    live_run(&m.l);
    run(procs, 10);
    live_halt(&m.l);
    for (unsigned i = 0; i < PROCS; i++)
        CHECK_EQ(procs[i].errors, 0);
    finish();
}

static const struct check_case cases[] = {{"random_ios", random_ios},
                                          {"bad_sectors", bad_sectors},
                                          {"broken_device", broken_device}};

CHECK_MAIN(cases)
