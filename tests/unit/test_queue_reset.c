/* SPDX-License-Identifier: MIT */
/*
 * The reset of one queue (RING_RESET, BASIC-20 to BASIC-22, MMIO-23, MMIO-24):
 * on the ring alone, and through the block driver with requests in flight.
 * Memory comes back once, and never while the device has not said that it let
 * go.
 */
#include "disk_rig.h"

#undef BIT64
#include "queue_rig.h"

static void drained(struct queue_rig *g, unsigned want)
{
    void *cookie;
    unsigned n = 0;

    while (vdrv_queue_drain(&g->q, &cookie))
        n++;
    CHECK_EQ(n, want);
    CHECK_EQ(g->f.maps_live, 0);
}

/* Some are kicked, some taken, some used, some only added: all come back. */
static void test_ring(void)
{
    const struct queue_opts o = {.offer = BIT64(40), .want = BIT64(40)};

    FOR_WAYS(w)
    for (uint32_t reads = 0; reads < 4; reads++) {
        struct queue_rig g;
        struct fake_chain c[2];
        struct vdrv_used u[4];

        if (rig_up(&g, w, &o))
            return;
        g.dq->reset_reads = reads;
        for (unsigned lap = 0; lap < 10; lap++) {
            rig_offer(&g, 2, lap & 1, 1, c);
            fake_queue_done(g.dq, &c[0], 3);
            if (lap & 1)
                CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 1);
            CHECK_EQ(rig_add(&g, 1, 0, rig_mem), VDRV_OK);
            CHECK_EQ(vdrv_queue_reset(&g.q), VDRV_OK);
            rig_broken(&g, VDRV_ERR_BAD_STATE);
            CHECK_EQ(g.dq->ready, 0);
            drained(&g, lap & 1 ? 2 : 3);
            CHECK_EQ(vdrv_queue_restart(&g.q), VDRV_OK);
            CHECK_EQ(g.dq->ready, 1);
            CHECK_EQ(vdrv_queue_room(&g.q), 8);
        }
        CHECK_EQ(g.dq->resets, 10);
        CHECK_EQ(g.dev.resets, 1);
        rig_recovers(&g, 0);
    }
}

/* Not negotiated: nothing is done. */
static void test_ring_unsupported(void)
{
    struct queue_rig g;

    if (rig_up(&g, ways, NULL))
        return;
    CHECK_EQ(rig_add(&g, 1, 1, &g), VDRV_OK);
    CHECK_EQ(vdrv_queue_reset(&g.q), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_queue_outstanding(&g.q), 1);
    CHECK_EQ(g.dq->resets, 0);
    rig_recovers(&g, 1);
}

/* It said that it let go, and completes one all the same: that is not looked
   at, and every cookie comes back once. */
static void fault_F16_reset_lies(void)
{
    const struct queue_opts o = {.offer = BIT64(40), .want = BIT64(40)};

    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[2];

        if (rig_up(&g, w, &o))
            return;
        rig_offer(&g, 2, 1, 1, c);
        g.dq->reset_lies = true;
        CHECK_EQ(vdrv_queue_reset(&g.q), VDRV_OK);
        fake_queue_done(g.dq, &c[0], 3);
        rig_broken(&g, VDRV_ERR_BAD_STATE);
        CHECK(!vdrv_queue_pending(&g.q));
        drained(&g, 2);
        rig_recovers(&g, 0);
    }
}

/* Never over, or over and still enabled: nothing comes back. */
static void test_ring_not_confirmed(void)
{
    const struct queue_opts o = {.offer = BIT64(40), .want = BIT64(40)};

    FOR_WAYS(w)
    for (unsigned missing = 0; missing < 2; missing++) {
        struct queue_rig g;

        if (rig_up(&g, w, &o))
            return;
        g.dq->reset_never = !missing;
        g.dq->reset_missing = missing;
        CHECK_EQ(rig_add(&g, 1, 1, &g), VDRV_OK);
        CHECK_EQ(vdrv_queue_reset(&g.q), VDRV_ERR_PROTOCOL);
        CHECK(g.f.n_log > 0);
        CHECK_EQ(g.dq->ready, 1);
        rig_recovers(&g, 1);
    }
}

/* ---- Through the block driver ---------------------------------------------- */

static struct vdrv_block_request reqs[4];
static uint8_t data[4][512];

static bool disk_with_reads(struct disk_rig *g, uint8_t trust, uint32_t queues)
{
    const struct disk_opts o = {.drv = {.queue_reset = trust, .queues = queues},
                                .disk = {.queues = queues}};

    disk_machine(g, &o);
    fake_dev_offer(&g->dev.dev, FAKE_F_RING_RESET, true);
    CHECK_EQ(disk_probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    g->dev.dev.complete = FAKE_COMPLETE_HELD;
    for (uint32_t i = 0; i < 4; i++) {
        static struct vdrv_seg seg[4];

        memset(&reqs[i], 0, sizeof(reqs[i]));
        seg[i] = vdrv_seg_in(data[i], 512);
        reqs[i].op = VDRV_BLOCK_READ;
        reqs[i].block = i;
        reqs[i].segs = &seg[i];
        reqs[i].nsegs = 1;
        reqs[i].queue = i % queues;
        CHECK_EQ(vdrv_block_submit(g->blk, &reqs[i]), VDRV_OK);
    }
    for (uint32_t i = 0; i < queues; i++)
        CHECK(vdrv_block_kick(g->blk, i) >= 0);
    fake_step(&g->f);
    CHECK_EQ(fake_dev_pending(&g->dev.dev), 4);
    return check_failures == 0;
}

/* One queue's requests end, the other's go on. */
static void test_disk(void)
{
    struct disk_rig g;

    if (!disk_with_reads(&g, 1, 2))
        return;
    CHECK_EQ(vdrv_reset_queue(&g.blk->dev, 2), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_reset_queue(&g.blk->dev, 0), VDRV_OK);
    CHECK_EQ(reqs[0].status, VDRV_ERR_ABORTED);
    CHECK_EQ(reqs[1].status, VDRV_PENDING);
    CHECK_EQ(reqs[2].status, VDRV_ERR_ABORTED);
    CHECK_EQ(reqs[3].status, VDRV_PENDING);
    CHECK_EQ(fake_dev_pending(&g.dev.dev), 2);
    fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 1, 0), 2);
    CHECK_EQ(reqs[1].status, VDRV_OK);
    CHECK_EQ(reqs[3].status, VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    disk_works(&g);
    CHECK_EQ(g.dev.dev.resets, 1);
    disk_down(&g);
}

/* Without the configuration's word nothing is touched. */
static void test_disk_not_trusted(void)
{
    struct disk_rig g;

    if (!disk_with_reads(&g, 0, 1))
        return;
    CHECK_EQ(vdrv_reset_queue(&g.blk->dev, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(g.dev.dev.queue[0].resets, 0);
    CHECK_EQ(reqs[0].status, VDRV_PENDING);
    fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 4);
    disk_down(&g);
}

/* Not confirmed: the whole device is reset, and the memory is back. */
static void test_disk_not_confirmed(void)
{
    for (unsigned missing = 0; missing < 2; missing++) {
        struct disk_rig g;

        if (!disk_with_reads(&g, 1, 2))
            return;
        g.dev.dev.queue[0].reset_never = !missing;
        g.dev.dev.queue[0].reset_missing = missing;
        CHECK_EQ(vdrv_reset_queue(&g.blk->dev, 0), VDRV_ERR_PROTOCOL);
        CHECK_EQ(g.dev.dev.resets, 2);
        CHECK_EQ(reqs[0].status, VDRV_ERR_ABORTED);
        CHECK_EQ(reqs[1].status, VDRV_PENDING); /* until its own caller comes */
        CHECK_EQ(vdrv_poll(&g.blk->dev, 1, 0), VDRV_ERR_PROTOCOL);
        CHECK_EQ(reqs[1].status, VDRV_ERR_ABORTED);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        disk_works(&g);
        disk_down(&g);
    }
}

/* Neither is confirmed: nothing is given back until one is. */
static void test_disk_stuck(void)
{
    struct disk_rig g;

    if (!disk_with_reads(&g, 1, 1))
        return;
    g.dev.dev.queue[0].reset_never = true;
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_reset_queue(&g.blk->dev, 0), VDRV_ERR_STUCK);
    CHECK_EQ(reqs[0].status, VDRV_PENDING);
    g.dev.dev.reset_never = false;
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    CHECK_EQ(reqs[0].status, VDRV_ERR_ABORTED);
    disk_down(&g);
}

static int calls;

static void reset_inside(struct vdrv_block_request *req)
{
    calls++;
    CHECK_EQ(vdrv_reset_queue((struct vdrv_device *)req->user, 0),
             VDRV_ERR_BUSY);
}

static void test_disk_busy(void)
{
    struct disk_rig g;

    if (!disk_with_reads(&g, 1, 1))
        return;
    reqs[0].done = reset_inside;
    reqs[0].user = &g.blk->dev;
    fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 4);
    CHECK_EQ(calls, 1);
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"queue_reset_ring", test_ring},
    {"queue_reset_ring_unsupported", test_ring_unsupported},
    {"fault_F16_reset_lies", fault_F16_reset_lies},
    {"queue_reset_ring_not_confirmed", test_ring_not_confirmed},
    {"queue_reset_disk", test_disk},
    {"queue_reset_disk_not_trusted", test_disk_not_trusted},
    {"queue_reset_disk_not_confirmed", test_disk_not_confirmed},
    {"queue_reset_disk_stuck", test_disk_stuck},
    {"queue_reset_disk_busy", test_disk_busy},
};

CHECK_MAIN(cases)
