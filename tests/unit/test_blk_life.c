/* SPDX-License-Identifier: MIT */
/*
 * What happens to a disk while it is in use: its cache is switched, its size
 * changes, requests run out of time, and the kernel dies.
 */
#include "disk_rig.h"

#include "../../src/device/vdrv_blk_size.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#if defined(__x86_64__) && defined(__linux__)
#include <ucontext.h>
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[1 << 16], back[1 << 16];

struct job {
    struct vdrv_block_request req; /* first */
    struct vdrv_seg seg;
    uint8_t data[512];
    int done;
};

static struct job jobs[64];

static void job_done(struct vdrv_block_request *req)
{
    CHECK(req->status != VDRV_PENDING);
    ((struct job *)req)->done++;
}

static struct vdrv_block_request *job(unsigned i, uint32_t op, uint64_t block,
                                      uint32_t timeout_us)
{
    struct job *j = &jobs[i];

    memset(j, 0, sizeof(*j));
    j->seg = vdrv_seg_in(j->data, 512);
    j->req.op = op;
    j->req.block = block;
    j->req.segs = &j->seg;
    j->req.nsegs = 1;
    j->req.timeout_us = timeout_us;
    j->req.done = job_done;
    return &j->req;
}

static bool logged(const struct disk_rig *g, const char *text)
{
    return fake_log_contains(&g->f, text);
}

/* ---- The cache ---------------------------------------------------------------- */

/* BLK-05, BLK-06, BLK-07: what is presumed without being able to ask. */
static void test_cache_presumed(void)
{
    static const struct {
        uint64_t without;
        uint8_t cache, flush;
    } row[] = {
        {BIT64(FAKE_BLK_F_FLUSH) | BIT64(FAKE_BLK_F_CONFIG_WCE), 0, 0},
        {BIT64(FAKE_BLK_F_CONFIG_WCE), 1, 1},
        {BIT64(FAKE_BLK_F_FLUSH), 0, 0},
        {0, 1, 1},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_opts o = {.disk = {.without = row[i].without}};
        struct vdrv_block_caps c;
        struct disk_rig g;
        int wce = !(row[i].without & BIT64(FAKE_BLK_F_CONFIG_WCE));

        if (!disk_up(&g, &o))
            return;
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK_EQ(c.write_cache, row[i].cache);
        CHECK_EQ(c.can_flush, row[i].flush);
        CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
        CHECK_EQ(g.dev.requests[FAKE_BLK_FLUSH], row[i].flush);
        CHECK_EQ(vdrv_block_set_write_cache(g.blk, true),
                 wce && row[i].flush ? VDRV_OK : VDRV_ERR_UNSUPPORTED);
        CHECK_EQ(vdrv_block_set_write_cache(g.blk, false),
                 wce ? VDRV_OK : VDRV_ERR_UNSUPPORTED);
        disk_down(&g);
    }
}

/* BLK-27, BLK-28: off flushes what was written before. */
static void test_cache_switched(void)
{
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    memset(buf, 1, 512);
    CHECK_EQ(vdrv_block_write_block(g.blk, 3, buf, 512), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 1);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_OK);
    CHECK_EQ(g.dev.requests[FAKE_BLK_FLUSH], 1);
    CHECK(!g.dev.writeback);
    CHECK_EQ(vdrv_block_write_block(g.blk, 4, buf, 512), VDRV_OK);
    fake_blk_power_cut(&g.dev, 0);
    CHECK_EQ(g.dev.disk[3 * 512] + g.dev.disk[4 * 512], 2);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(g.dev.requests[FAKE_BLK_FLUSH], 2);
    /* The mode outlives a reset, which the device may forget it in. */
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    CHECK(!g.dev.writeback);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 0);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, true), VDRV_OK);
    CHECK(g.dev.writeback);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 1);
    CHECK_EQ(vdrv_block_write_block(g.blk, 5, buf, 512), VDRV_OK);
    fake_blk_power_cut(&g.dev, 0);
    CHECK_EQ(g.dev.disk[5 * 512], 0);
    disk_down(&g);
}

static void fault_F47_cache_switch(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    /* The flush behind it fails: so does the call, in the new mode. */
    fake_blk_fail(&g.dev, FAKE_BLK_FLUSH, 0, 1, FAKE_BLK_IOERR);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_ERR_IO);
    CHECK(!g.dev.writeback);
    CHECK_EQ(vdrv_block_set_write_cache(NULL, true), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, true), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* A switch that does not take, at once or after a restart, is not kept quiet:
   whoever counts on a write being durable must hear of it. */
static void fault_F47_cache_stuck(void)
{
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    g.dev.cache_stuck = true;
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_ERR_IO);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 1);
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK); /* nothing was wished */
    g.dev.cache_stuck = false;
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_OK);
    g.dev.cache_stuck = true;
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
    g.dev.cache_stuck = false;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    CHECK(!g.dev.writeback);
    disk_works(&g);
    disk_down(&g);
}

static struct disk_rig *cb_rig;

static void switching_done(struct vdrv_block_request *req)
{
    CHECK_EQ(vdrv_block_set_write_cache(cb_rig->blk, false), VDRV_ERR_BUSY);
    job_done(req);
}

static void test_cache_from_done(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    cb_rig = &g;
    job(0, VDRV_BLOCK_READ, 0, 0)->done = switching_done;
    CHECK_EQ(vdrv_block_submit(g.blk, &jobs[0].req), VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 1);
    CHECK_EQ(jobs[0].done, 1);
    CHECK(g.dev.writeback);
    disk_down(&g);
}

/* ---- The size ------------------------------------------------------------------- */

/* BLK-16, BLK-17: requests in flight beyond the new end are the device's. */
static void fault_F45_shrink_under_requests(void)
{
    struct vdrv_block_request *r;
    struct disk_rig g;
    uint32_t changes = 0, sent;

    if (!disk_up(&g, NULL))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 8; i++) {
        r = job(i, i & 1 ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ, 2040 + i, 0);
        CHECK_EQ(vdrv_block_submit(g.blk, r), VDRV_OK);
    }
    vdrv_block_kick(g.blk, 0);
    fake_blk_fail(&g.dev, FAKE_BLK_ANY, 4, 4, FAKE_BLK_IOERR);
    fake_step(&g.f); /* it has them */
    fake_blk_resize(&g.dev, 2044);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, VDRV_CHANGE_CAPACITY);
    sent = g.dev.requests[FAKE_BLK_IN] + g.dev.requests[FAKE_BLK_OUT];
    CHECK_EQ(vdrv_block_submit(g.blk, job(9, VDRV_BLOCK_READ, 2044, 0)),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_submit(g.blk, job(9, VDRV_BLOCK_DISCARD, 2044, 0)),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_kick(g.blk, 0), 0);
    CHECK_EQ(g.dev.requests[FAKE_BLK_IN] + g.dev.requests[FAKE_BLK_OUT], sent);
    while (fake_dev_pending(&g.dev.dev))
        fake_dev_release(&g.dev.dev, 0);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(jobs[i].done, 1);
        CHECK_EQ(jobs[i].req.status, i < 4 ? VDRV_OK : VDRV_ERR_IO);
    }
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    fake_blk_faults_clear(&g.dev);
    disk_works(&g);
    disk_down(&g);
}

/* A disk that comes back from a reset with another size. */
static void fault_F45_resized_by_reset(void)
{
    struct vdrv_block_caps before, after;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &before), VDRV_OK);
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    fake_put64(g.dev.dev.config, 100);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &after), VDRV_OK);
    CHECK_EQ(after.num_blocks, 100);
    CHECK(after.generation != before.generation);
    CHECK_EQ(vdrv_block_read_block(g.blk, 99, buf, 1024), VDRV_ERR_INVALID);
    disk_works(&g);
    disk_down(&g);
}

/* Where a size is read in halves, no reader ever sees two halves of two. */
static struct {
    uint32_t half[4];
    uint32_t turn;
    uint32_t stop;
} shared;

static void *flip(void *arg)
{
    for (uint32_t i = 0; !__atomic_load_n(&shared.stop, __ATOMIC_ACQUIRE); i++)
        vdrv__halves_write(shared.half, &shared.turn,
                           i & 1 ? 0x00000001ffffffffu : 0x0000000200000000u);
    return arg;
}

static void test_size_in_halves(void)
{
    uint32_t torn = 0, gave_up = 0, whole = 0;
    pthread_t other;

    vdrv__halves_write(shared.half, &shared.turn, 0x200000000u);
    CHECK_EQ(vdrv__halves_read(shared.half, &shared.turn), 0x200000000u);
    REQUIRE(pthread_create(&other, NULL, flip, NULL) == 0);
    while (whole + gave_up + torn < 500000) {
        uint64_t n = vdrv__halves_read(shared.half, &shared.turn);

        if (n == 0)
            gave_up++;
        else if (n == 0x1ffffffffu || n == 0x200000000u)
            whole++;
        else
            torn++;
    }
    __atomic_store_n(&shared.stop, 1, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    CHECK_EQ(torn, 0);
    CHECK(whole > 0);
    printf("  %u whole, %u given up\n", whole, gave_up);
    vdrv__halves_write(shared.half, &shared.turn, 5);
    CHECK_EQ(vdrv__halves_read(shared.half, &shared.turn), 5);
}

/* A queue that cannot hold header, data and status is no use (2.7.5.3.1). */
static void test_queue_of_two(void)
{
    for (uint16_t max = 1; max <= 2; max++)
        for (int indirect = 0; indirect < 2; indirect++) {
            struct disk_opts o = {.disk = {.queue_max = max},
                                  .drv = {.no_indirect = (uint8_t)!indirect}};
            struct disk_rig g;

            disk_machine(&g, &o);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            CHECK_EQ(disk_init(&g), VDRV_ERR_UNSUPPORTED);
            CHECK(logged(&g, "a queue too small for any request"));
            disk_end(&g);
        }
}

/* One code, but the log says which of the mistakes it was. */
static void test_refusals_in_the_log(void)
{
    struct disk_opts o = {.disk = {.sectors = 100}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 100), VDRV_ERR_INVALID);
    CHECK(logged(&g, "refused: not whole blocks; bytes: 0x64"));
    CHECK(!logged(&g, "past the end"));
    CHECK_EQ(vdrv_block_read_block(g.blk, 99, buf, 1024), VDRV_ERR_INVALID);
    CHECK(logged(&g, "refused: past the end of the disk; block 0x63"));
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 4096, 0)),
             VDRV_ERR_INVALID);
    CHECK(logged(&g, "refused: past the end of the disk; block 0x1000"));
    CHECK_EQ(vdrv_block_discard(g.blk, 77, 100), VDRV_ERR_INVALID);
    CHECK(logged(&g, "refused: past the end of the disk; block 0x4d"));
    disk_down(&g);
}

/* BLK-24, BLK-25, BLK-26: pieces end at multiples of the alignment. */
static void test_discard_alignment(void)
{
    struct disk_opts o = {.disk = {.range_max = 100, .ranges = 1}};
    struct vdrv_block_caps c;
    struct disk_rig g;

    disk_machine(&g, &o);
    fake_put32(g.dev.dev.config + FAKE_BLK_CFG_DISCARD + 8, 16);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.discard_align, 16);
    memset(g.dev.disk, 0x11, 2048 * 512);
    CHECK_EQ(vdrv_block_discard(g.blk, 5, 300), VDRV_OK);
    /* 5 to 96, 192, 288, 305 */
    CHECK_EQ(g.dev.requests[FAKE_BLK_DISCARD], 4);
    for (unsigned s = 0; s < 400; s++)
        CHECK_EQ(g.dev.disk[s * 512],
                 s >= 5 && s < 305 ? FAKE_BLK_DISCARDED : 0x11);
    disk_down(&g);
}

/* ---- Deadlines -------------------------------------------------------------------- */

/* Late: noticed by poll, the memory stays the device's until a reset. */
static void fault_F14_deadline(void)
{
    for (uint32_t mode = 0; mode < 2; mode++)
        for (int how = 0; how < 2; how++) {
            struct disk_opts o = {.machine = {.mode = mode}};
            struct disk_rig g;

            if (!disk_up(&g, &o))
                return;
            g.dev.dev.complete = FAKE_COMPLETE_HELD;
            CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 5000)),
                     VDRV_OK);
            CHECK_EQ(vdrv_block_submit(g.blk, job(1, VDRV_BLOCK_READ, 1, 0)),
                     VDRV_OK);
            CHECK_EQ(
                vdrv_block_submit(g.blk, job(2, VDRV_BLOCK_FLUSH, 0, 900000)),
                VDRV_ERR_INVALID); /* with data: it has taken nothing */
            CHECK_EQ(
                vdrv_block_submit(g.blk, job(2, VDRV_BLOCK_WRITE, 2, 900000)),
                VDRV_OK);
            vdrv_block_kick(g.blk, 0);
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
            g.f.now += 4000;
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
            g.f.now += 1001;
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
            CHECK(logged(&g, "a request is past its deadline"));
            CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_BAD_STATE);
            for (unsigned i = 0; i < 3; i++) {
                CHECK_EQ(jobs[i].done, 0);
                CHECK_EQ(vdrv_block_cancel(g.blk, &jobs[i].req), VDRV_ERR_BUSY);
            }
            CHECK_EQ(how ? vdrv_reset(&g.blk->dev) : vdrv_stop(&g.blk->dev),
                     VDRV_OK);
            CHECK_EQ(jobs[0].req.status, VDRV_ERR_TIMEOUT);
            CHECK_EQ(jobs[1].req.status, VDRV_ERR_ABORTED);
            CHECK_EQ(jobs[2].req.status, VDRV_ERR_ABORTED);
            CHECK_EQ(jobs[0].done + jobs[1].done + jobs[2].done, 3);
            g.dev.dev.complete = FAKE_COMPLETE_NOW;
            CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
            disk_works(&g);
            disk_down(&g);
        }
}

/* Kept, also the later ones after the earliest; and late, but before a look. */
static void test_deadlines_kept(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(vdrv_block_submit(g.blk,
                                   job(i, VDRV_BLOCK_READ, i, 10000 * (8 - i))),
                 VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    /* Back when it was still early enough, one by one. */
    for (unsigned i = 8; i-- > 0;) {
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        fake_dev_release(&g.dev.dev, i);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 1);
        CHECK_EQ(jobs[i].req.status, VDRV_OK);
        g.f.now += 9990;
    }
    /* Late, and there before anybody looked: as the device says. */
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 100)),
             VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    g.f.now += 100000;
    fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 1);
    CHECK_EQ(jobs[0].req.status, VDRV_OK);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    disk_works(&g);
    disk_down(&g);
}

/* Done in time, and not yet fetched because the polls were to be short: that
   is not late.  What is not done is, however short the poll. */
static void test_deadlines_short_polls(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_READ, i, 5000)),
                 VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    g.f.now += 6000;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 1), 1);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(jobs[i].req.status, VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ(vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_READ, i, 5000)),
                 VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    fake_dev_release(&g.dev.dev, 0);
    g.f.now += 6000;
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 1), 1);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 1), VDRV_ERR_BAD_STATE);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    CHECK_EQ(jobs[1].req.status, VDRV_ERR_TIMEOUT);
    disk_works(&g);
    disk_down(&g);
}

/* A device that never said anything has said nothing, and not OK. */
static void test_aborted_has_no_word(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(vdrv_block_submit(g.blk, job(i, 1 + i, i, 0)),
                 i < 2 ? VDRV_OK : VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(jobs[i].req.status, VDRV_ERR_ABORTED);
        CHECK_EQ(jobs[i].req.device_status, VDRV_BLOCK_STATUS_NONE);
    }
    disk_down(&g);
}

static uint32_t clock_reads;
static uint64_t (*real_now)(void *ctx);

static uint64_t counted_now(void *ctx)
{
    clock_reads++;
    return real_now(ctx);
}

/* Without deadlines nobody asks what time it is; without a clock there are
   none. */
static void test_deadlines_cost_nothing(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    real_now = g.f.hal.now_us;
    g.f.hal.now_us = counted_now;
    clock_reads = 0;
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(
            vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_READ, i,
                                         i & 1 ? VDRV_BLOCK_NO_TIMEOUT : 0)),
            VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 16);
    CHECK_EQ(clock_reads, 0);
    g.f.hal.now_us = NULL;
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 5)),
             VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 0)), VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 1);
    g.f.hal.now_us = real_now;
    disk_down(&g);
}

static void test_cancel(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 0)), VDRV_OK);
    CHECK_EQ(vdrv_block_cancel(g.blk, &jobs[0].req), VDRV_ERR_BUSY);
    vdrv_block_kick(g.blk, 0);
    CHECK_EQ(vdrv_block_cancel(g.blk, &jobs[0].req), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    CHECK_EQ(jobs[0].req.status, VDRV_ERR_ABORTED);
    CHECK_EQ(vdrv_block_cancel(g.blk, &jobs[0].req), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_cancel(NULL, &jobs[0].req), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_cancel(g.blk, NULL), VDRV_ERR_INVALID);
    disk_down(&g);
}

/* ---- Panic ------------------------------------------------------------------------ */

/*
 * The driver is left, never to be returned to, at one point of its code: at a
 * call of the HAL or a callback, or, where the CPU can be stepped, at any
 * instruction.
 */
static struct {
    struct disk_rig g;
    struct vdrv_hal real;
    sigjmp_buf out;
    uint32_t left;  /* points to pass before it happens */
    uint32_t steps; /* and instructions, after those */
    bool armed, panicked;
    volatile int inside; /* of the HAL: not a place to leave it */
} crash;

static void leave(void)
{
    crash.armed = false;
    siglongjmp(crash.out, 1);
}

static void point(void)
{
    if (!crash.armed || crash.left == 0 || --crash.left != 0)
        return;
    if (crash.steps == 0)
        leave();
    (void)raise(SIGTRAP); /* from here on, one by one */
}

#define REAL(call)                                                             \
    do {                                                                       \
        point();                                                               \
        crash.inside++;                                                        \
        call;                                                                  \
        crash.inside--;                                                        \
    } while (0)

static uint64_t crash_now(void *ctx)
{
    uint64_t us;

    REAL(us = crash.real.now_us(ctx));
    return us;
}

static void crash_relax(void *ctx)
{
    REAL(crash.real.relax(ctx));
}

static void crash_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                       uint32_t max_us)
{
    CHECK(!crash.panicked);
    REAL(crash.real.wait(ctx, dev, queue, max_us));
}

static void crash_wake(void *ctx, struct vdrv_device *dev, uint32_t queue)
{
    (void)ctx;
    (void)dev;
    (void)queue;
    CHECK(!crash.panicked);
    point();
}

static uint32_t crash_read(void *ctx, uint32_t space, uintptr_t addr,
                           uint32_t width)
{
    uint32_t v;

    REAL(v = crash.real.reg_read(ctx, space, addr, width));
    return v;
}

static void crash_write(void *ctx, uint32_t space, uintptr_t addr,
                        uint32_t width, uint32_t v)
{
    REAL(crash.real.reg_write(ctx, space, addr, width, v));
}

static void *crash_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                         uint32_t flags, uint64_t *dma)
{
    CHECK(!crash.panicked);
    return crash.real.dma_alloc(ctx, size, align, limit, flags, dma);
}

static void crash_done(struct vdrv_block_request *req)
{
    (void)req;
    CHECK(!crash.panicked);
    point();
}

/* Some of everything that a kernel does with a disk. */
static void crash_work(void)
{
    struct vdrv_block *blk = crash.g.blk;
    uint32_t changes;

    for (unsigned i = 0; i < 12; i++) {
        job(i, i & 1 ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ, 100 + i,
            i == 5 ? 1000000 : 0)
            ->done = crash_done;
        jobs[i].req.queue = i & 1;
        (void)vdrv_block_submit(blk, &jobs[i].req);
    }
    (void)vdrv_block_kick(blk, 0);
    (void)vdrv_block_write_block(blk, 120, back, 4096);
    (void)vdrv_block_flush(blk);
    (void)vdrv_block_discard(blk, 130, 2);
    (void)vdrv_block_set_write_cache(blk, false);
    (void)vdrv_irq(&blk->dev, 0);
    (void)vdrv_refresh(&blk->dev, &changes);
    (void)vdrv_poll(&blk->dev, 1, 0);
    (void)vdrv_reset(&blk->dev);
}

/* The crash dump; and again, for a second one. */
static void last_words(void)
{
    struct disk_rig *g = &crash.g;

    crash.panicked = true;
    for (unsigned i = 0; i < 2; i++) {
        disk_fill(buf, 40000, i + 7);
        REQUIRE(vdrv_block_panic(g->blk) == VDRV_OK);
        CHECK_EQ(vdrv_block_write_block(g->blk, 512, buf, 39 * 1024), VDRV_OK);
        CHECK_EQ(vdrv_block_flush(g->blk), VDRV_OK);
        CHECK_MEM(g->dev.safe + 512 * 512, buf, 39 * 1024);
        CHECK_EQ(vdrv_block_read_block(g->blk, 512, back, 1024), VDRV_OK);
        CHECK_MEM(back, buf, 1024);
    }
}

static bool crash_machine(void)
{
    struct disk_opts o = {.disk = {.queues = 2}, .drv = {.queues = 2}};

    memset(&crash, 0, sizeof(crash));
    if (!disk_up(&crash.g, &o))
        return false;
    crash.real = crash.g.f.hal;
    crash.g.f.hal.now_us = crash_now;
    crash.g.f.hal.relax = crash_relax;
    crash.g.f.hal.wait = crash_wait;
    crash.g.f.hal.wake = crash_wake;
    crash.g.f.hal.reg_read = crash_read;
    crash.g.f.hal.reg_write = crash_write;
    crash.g.f.hal.dma_alloc = crash_alloc;
    return true;
}

#if defined(__x86_64__) && defined(__linux__)
#define TRAP_FLAG 0x100

static void on_trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig;
    (void)info;
    if (crash.armed && crash.inside == 0 && --crash.steps == 0)
        leave();
    if (crash.armed)
        u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    else
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static bool can_step(void)
{
    struct sigaction how = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    return sigaction(SIGTRAP, &how, NULL) == 0;
}
#else
static bool can_step(void)
{
    return false;
}
#endif

/* Leaves `steps` instructions behind the n-th point; for UINT32_MAX, nowhere.
   Says how many points there were until then. */
static uint32_t crash_at(const uint32_t n, const uint32_t steps)
{
    uint32_t left;

    if (!crash_machine())
        return 0;
    crash.left = n;
    crash.steps = steps;
    if (sigsetjmp(crash.out, 1) == 0) {
        crash.armed = true;
        crash_work();
        crash.armed = false;
    }
    left = crash.left;
    last_words();
    crash.g.f.hal = crash.real;
    disk_down(&crash.g);
    return UINT32_MAX - left;
}

static void test_panic_at_each_point(void)
{
    const uint32_t n = crash_at(UINT32_MAX, 0);

    CHECK(n > 40);
    for (uint32_t i = 1; i <= n && check_failures == 0; i++)
        (void)crash_at(i, 0);
    printf("  %u points\n", n);
}

static void test_panic_at_any_instruction(void)
{
    const uint64_t seed = check_seed();
    uint32_t n;

    if (!can_step())
        CHECK_SKIP("this CPU is not stepped here");
    n = crash_at(UINT32_MAX, 0);
    for (uint32_t i = 0; i < 40 && check_failures == 0; i++) {
        const uint64_t x = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);

        (void)crash_at(1 + (uint32_t)(x >> 33) % n,
                       1 + (uint32_t)(x >> 20) % 700);
    }
}

/* Every slot was taken, and had a deadline: none is, and nobody is late. */
static void test_panic_beside_full(void)
{
    struct disk_opts o = {.drv = {.queue_size = 8}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_READ, i, 1000)),
                 VDRV_OK);
    CHECK_EQ(vdrv_block_submit(g.blk, job(8, VDRV_BLOCK_READ, 8, 0)),
             VDRV_ERR_AGAIN);
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    g.f.now += 1000000;
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_block_panic(g.blk), VDRV_OK);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    disk_works(&g);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    disk_down(&g);
}

static void test_panic_errors(void)
{
    struct disk_rig g;

    CHECK_EQ(vdrv_block_panic(NULL), VDRV_ERR_INVALID);
    if (!disk_up(&g, NULL))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_block_submit(g.blk, job(0, VDRV_BLOCK_READ, 0, 0)), VDRV_OK);
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_block_panic(g.blk), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, buf, 512), VDRV_ERR_STUCK);
    g.dev.dev.reset_never = false;
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_block_panic(g.blk), VDRV_OK);
    CHECK_EQ(jobs[0].req.status, VDRV_PENDING); /* its owner is no more */
    disk_works(&g);
    disk_down(&g);
    CHECK_EQ(vdrv_block_panic(g.blk), VDRV_ERR_BAD_STATE);
}

/* Not reset by the panic, but later: each slot is one request's all the same. */
static void test_panic_stuck_then_stop(void)
{
    struct disk_opts o = {.drv = {.queue_size = 8}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_READ, i, 0)),
                 VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_block_panic(g.blk), VDRV_ERR_STUCK);
    g.dev.dev.reset_never = false;
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    for (unsigned i = 0; i < 8; i++) {
        vdrv_block_submit(g.blk, job(i, VDRV_BLOCK_WRITE, i, 0));
        memset(jobs[i].data, (int)(i + 1), 512);
    }
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(jobs[i].done, 1);
        CHECK_EQ(g.dev.disk[512 * i], i + 1);
    }
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"blk_cache_presumed", test_cache_presumed},
    {"blk_cache_switched", test_cache_switched},
    {"blk_cache_from_done", test_cache_from_done},
    {"fault_F47_cache_switch", fault_F47_cache_switch},
    {"fault_F47_cache_stuck", fault_F47_cache_stuck},
    {"fault_F45_shrink_under_requests", fault_F45_shrink_under_requests},
    {"fault_F45_resized_by_reset", fault_F45_resized_by_reset},
    {"blk_size_in_halves", test_size_in_halves},
    {"blk_queue_of_two", test_queue_of_two},
    {"blk_refusals_in_the_log", test_refusals_in_the_log},
    {"blk_discard_alignment", test_discard_alignment},
    {"fault_F14_deadline", fault_F14_deadline},
    {"blk_deadlines_kept", test_deadlines_kept},
    {"blk_deadlines_short_polls", test_deadlines_short_polls},
    {"blk_aborted_has_no_word", test_aborted_has_no_word},
    {"blk_deadlines_cost_nothing", test_deadlines_cost_nothing},
    {"blk_cancel_is_busy", test_cancel},
    {"blk_panic_at_each_point", test_panic_at_each_point},
    {"blk_panic_at_any_instruction", test_panic_at_any_instruction},
    {"blk_panic_beside_full", test_panic_beside_full},
    {"blk_panic_errors", test_panic_errors},
    {"blk_panic_stuck_then_stop", test_panic_stuck_then_stop},
};

CHECK_MAIN(cases)
