/* SPDX-License-Identifier: MIT */
/*
 * The life of a driver: bringing it up with everything that can fail, stop and
 * start in every state, time-outs, a device that does not reset, one that asks
 * for it, and clocks of all kinds.  The block driver stands for all of them.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[8192];

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

/* `n` reads on a queue, taken by the device; number `at` and following. */
static void in_flight(struct disk_rig *g, uint32_t queue, unsigned at,
                      unsigned n)
{
    for (unsigned i = at; i < at + n; i++) {
        memset(&jobs[i], 0, sizeof(jobs[i]));
        jobs[i].seg = vdrv_seg_in(jobs[i].data, 512);
        jobs[i].req.op = VDRV_BLOCK_READ;
        jobs[i].req.queue = queue;
        jobs[i].req.segs = &jobs[i].seg;
        jobs[i].req.nsegs = 1;
        jobs[i].req.block = i;
        jobs[i].req.done = job_done;
        CHECK_EQ(vdrv_block_submit(g->blk, &jobs[i].req), VDRV_OK);
    }
    CHECK(vdrv_block_kick(g->blk, queue) >= 0);
    fake_step(&g->f);
}

static void ended(unsigned at, unsigned n, int err, int done)
{
    for (unsigned i = at; i < at + n; i++) {
        CHECK_EQ(jobs[i].done, done);
        CHECK_EQ(jobs[i].req.status, err);
    }
}

/* ---- Init ------------------------------------------------------------------------ */

static void test_init_invalid(void)
{
    struct vdrv_virtio_blk_config c;
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    g.cfg.work_size = vdrv_virtio_blk_work_size(g.t, &g.cfg);
    g.cfg.work = g.work = malloc(g.cfg.work_size + 8);
    CHECK_EQ(vdrv_virtio_blk_work_size(NULL, &g.cfg), 0);
    CHECK_EQ(vdrv_virtio_blk_work_size(g.t, NULL), 0);
    CHECK_EQ(vdrv_virtio_blk_init(NULL, g.t, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, NULL, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_init_sized(&g.drv, g.t, &g.cfg, VDRV_API_LEVEL + 1,
                                        sizeof(g.drv), sizeof(g.cfg)),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_init_sized(&g.drv, g.t, &g.cfg, VDRV_API_LEVEL,
                                        sizeof(g.drv) - 8, sizeof(g.cfg)),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_init_sized(&g.drv, g.t, &g.cfg, VDRV_API_LEVEL,
                                        sizeof(g.drv), sizeof(g.cfg) + 8),
             VDRV_ERR_INVALID);
    for (unsigned off = 1; off < 8; off++) {
        c = g.cfg;
        c.work = (uint8_t *)g.work + off;
        CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &c), VDRV_ERR_INVALID);
        CHECK(fake_balanced(&g.f));
    }
    c = g.cfg;
    c.work = NULL;
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &c), VDRV_ERR_INVALID);
    g.t->device_id = 1;
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_ERR_NO_DEVICE);
    g.t->device_id = 2;
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* A second init is refused, and leaves the first one's object alone. */
static void test_init_twice(void)
{
    struct vdrv_virtio_blk other;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_virtio_blk_init(&other, g.t, &g.cfg), VDRV_ERR_BUSY);
    disk_works(&g);
    disk_down(&g);
}

static void test_init_hal_incomplete(void)
{
    for (int what = 0; what < 3; what++) {
        struct disk_rig g;
        struct vdrv_hal hal;

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        hal = g.f.hal;
        if (what == 0)
            g.f.hal.dma_alloc = NULL;
        else if (what == 1)
            g.f.hal.dma_free = NULL;
        else
            g.f.hal.direct_size = 0;
        CHECK_EQ(disk_init(&g), VDRV_ERR_INVALID);
        g.f.hal = hal;
        CHECK_EQ(disk_init(&g), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* The smallest HAL there is: no clock, relax, wait, wake, log. */
static void test_small_hal(void)
{
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    g.f.hal.now_us = NULL;
    g.f.hal.relax = NULL;
    g.f.hal.wait = NULL;
    g.f.hal.wake = NULL;
    g.f.hal.log = NULL;
    g.dev.dev.immediate = true;
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    fake_blk_fail(&g.dev, FAKE_BLK_IN, 0, 1, 77); /* would log */
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
    disk_down(&g);
}

static void test_work_area(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        for (uint32_t q = 1; q <= 4; q++) {
            struct disk_opts o = {
                .machine = {.mode = mode},
                .disk = {.queues = 4},
                .drv = {.queues = q, .queue_size = 16, .max_segs = 5}};
            size_t full;
            struct disk_rig g;

            disk_machine(&g, &o);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            full = vdrv_virtio_blk_work_size(g.t, &g.cfg);
            CHECK(full > 0 && full <= VDRV_VIRTIO_BLK_WORK_SIZE(q, 16, 5));
            for (size_t n = 0; n < full; n += n + 64 < full ? 61 : 1) {
                g.cfg.work_size = n;
                g.cfg.work = g.work = malloc(n ? n : 1);
                fake_log_clear(&g.f);
                CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg),
                         VDRV_ERR_NO_MEMORY);
                CHECK(g.f.n_log > 0);
                CHECK(fake_balanced(&g.f));
                free(g.work);
                if (check_failures)
                    break;
            }
            g.work = NULL;
            CHECK_EQ(disk_init(&g), VDRV_OK);
            disk_works(&g);
            disk_down(&g);
        }
    }
}

/* BASIC-38, BASIC-39: DRIVER_OK is never set then. */
static void fault_F80_alloc_fails(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        int err = -1;
        uint32_t k;

        for (k = 1; err; k++) {
            struct disk_opts o = {.machine = {.mode = mode},
                                  .disk = {.queues = 3},
                                  .drv = {.queues = 3}};
            struct disk_rig g;

            disk_machine(&g, &o);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            g.f.fail_alloc = k;
            err = disk_init(&g);
            g.f.fail_alloc = 0;
            if (err) {
                CHECK_EQ(err, VDRV_ERR_NO_MEMORY);
                CHECK(fake_log_contains(&g.f, "dma_alloc has no memory"));
                CHECK(fake_balanced(&g.f));
                CHECK(!fake_dev_live(&g.dev.dev));
                CHECK_EQ(disk_init(&g), VDRV_OK);
            }
            disk_works(&g);
            disk_down(&g);
            REQUIRE(k < 20);
        }
        CHECK(k > 4); /* three rings and what they share */
    }
}

/* One dma_alloc answers an address that is misaligned. */
static void fault_F82_bad_dma_address(void)
{
    for (uint32_t off = 1; off <= 32; off *= 2) {
        struct disk_rig g;

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        g.f.dma_misalign = off;
        CHECK_EQ(disk_init(&g), VDRV_ERR_INVALID);
        CHECK(fake_balanced(&g.f));
        g.f.dma_misalign = 0;
        CHECK_EQ(disk_init(&g), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F81_map_fails(void)
{
    for (uint32_t k = 1; k <= 12; k++) {
        struct disk_opts o = {.machine = {.mode = FAKE_MAPPED, .max_run = 700}};
        struct disk_rig g;
        int err;

        if (!disk_up(&g, &o))
            return;
        g.f.fail_map = k;
        g.f.fail_map_code = k % 2 ? VDRV_ERR_INVALID : VDRV_ERR_AGAIN;
        err = vdrv_block_read_block(g.blk, 0, buf, 4096);
        if (g.f.fail_map == 0)
            CHECK_EQ(err, k % 2 ? VDRV_ERR_INVALID : VDRV_ERR_AGAIN);
        else
            CHECK_EQ(err, VDRV_OK);
        CHECK_EQ(g.f.maps_live, 0);
        g.f.fail_map = 0;
        disk_works(&g);
        disk_down(&g);
    }
}

/* Each register read of init in turn finds all ones, once. */
static uint32_t ones_at;

static uint32_t ones_hook(void *arg, const struct fake_access *a)
{
    (void)arg;
    return ones_at && --ones_at == 0 ? UINT32_MAX : a->value;
}

static void fault_F25c_ones_once(void)
{
    uint32_t k;

    for (k = 1; k < 200; k++) {
        struct disk_rig g;
        bool over;
        int err;

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        g.f.record = true; /* the fake saw another value than the driver */
        g.f.read_hook = ones_hook;
        ones_at = k;
        err = disk_init(&g);
        over = ones_at != 0;
        ones_at = 0;
        CHECK(err <= 0 && err != VDRV_ERR_STUCK);
        if (err)
            CHECK(fake_balanced(&g.f));
        if (err)
            CHECK_EQ(disk_init(&g), VDRV_OK);
        /* A capacity or a feature that is a lie is not seen through. */
        CHECK(vdrv_block_read_block(g.blk, 0, buf, 512) <= 0);
        CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        fake_violations_clear(&g.f);
        disk_end(&g);
        if (check_failures)
            printf("  read %u: %s\n", k, vdrv_strerror(err));
        if (over || check_failures)
            break;
    }
    CHECK(k > 20 && k < 200);
}

/* BASIC-51, and BASIC-15 where it is not offered. */
static void fault_F85_platform_required(void)
{
    for (int offered = 0; offered < 2; offered++) {
        struct disk_opts o = {.machine = {.mode = FAKE_MAPPED},
                              .drv = {.require_platform = 1}};
        struct disk_rig g;

        disk_machine(&g, &o);
        fake_dev_offer(&g.dev.dev, FAKE_F_ACCESS_PLATFORM, offered);
        g.f.expect_physical = -1;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), offered ? VDRV_OK : VDRV_ERR_UNSUPPORTED);
        if (offered) {
            disk_works(&g);
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        } else {
            CHECK(g.f.n_log > 0);
            CHECK_EQ(g.f.allocs_total, 0);
        }
        disk_end(&g);
    }
}

/* BASIC-14. */
static void test_no_ring_features(void)
{
    for (int i = 0; i < 4; i++) {
        struct disk_opts o = {
            .drv = {.no_indirect = i & 1, .no_event_idx = i >> 1 & 1}};
        struct disk_rig g;

        if (!disk_up(&g, &o))
            return;
        CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_INDIRECT_DESC), !(i & 1));
        CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_EVENT_IDX), !(i & 2));
        disk_works(&g);
        disk_down(&g);
    }
}

/* ---- Stop and start ----------------------------------------------------------------- */

/* Random orders of everything; two states and what each call answers. */
static void test_life_random(void)
{
    struct disk_rig g;
    bool exists = true, runs = true;
    uint64_t seed = check_seed();

    if (!disk_up(&g, NULL))
        return;
    g.f.rand = seed * 7919 + 1;
    for (int i = 0; i < 3000 && check_failures == 0; i++) {
        struct vdrv_device *dev = &g.blk->dev;

        g.f.no_alloc = exists;
        switch (fake_rand(&g.f) % 7) {
        case 0:
            CHECK(vdrv_stop(dev) == (exists ? VDRV_OK : VDRV_ERR_BAD_STATE));
            runs = false;
            break;
        case 1:
            CHECK_EQ(vdrv_start(dev), exists ? VDRV_OK : VDRV_ERR_BAD_STATE);
            runs = exists;
            break;
        case 2:
            CHECK_EQ(vdrv_reset(dev), exists ? VDRV_OK : VDRV_ERR_BAD_STATE);
            runs = exists;
            break;
        case 3:
            if (fake_rand(&g.f) % 3)
                break;
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
            exists = runs = false;
            CHECK(fake_balanced(&g.f));
            break;
        case 4:
            g.f.no_alloc = false;
            if (!exists)
                CHECK_EQ(disk_init(&g), VDRV_OK);
            runs = runs || !exists;
            exists = true;
            break;
        case 5:
            CHECK_EQ(vdrv_refresh(dev, NULL),
                     runs ? VDRV_OK : VDRV_ERR_BAD_STATE);
            CHECK(vdrv_irq(dev, 0) <= 3);
            break;
        default:
            CHECK_EQ(vdrv_block_read_block(g.blk, 5, buf, 1024),
                     runs ? VDRV_OK : VDRV_ERR_BAD_STATE);
        }
    }
    g.f.no_alloc = false;
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    disk_end(&g);
}

/* The device came back as another one. */
static void test_start_refused(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    fake_dev_offer(&g.dev.dev, FAKE_BLK_F_FLUSH, false);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
    fake_dev_offer(&g.dev.dev, FAKE_BLK_F_FLUSH, true);
    g.dev.dev.refuse_features = true;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_UNSUPPORTED);
    g.dev.dev.refuse_features = false;
    g.slot.queue_max = 4;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_PROTOCOL);
    g.slot.queue_max = 0;
    g.slot.queue_ready = FAKE_READY_CLEAR;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_PROTOCOL);
    g.slot.queue_ready = FAKE_READY_WORKS;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* ---- Time-outs ------------------------------------------------------------------------ */

/* Several queues: BAD_STATE for all until start; each takes its own back. */
static void test_timeout_several_queues(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        struct disk_opts o = {.machine = {.mode = mode},
                              .disk = {.queues = 3},
                              .drv = {.queues = 3, .timeout_us = 20000}};
        struct disk_rig g;

        if (!disk_up(&g, &o))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        in_flight(&g, 1, 0, 5);
        in_flight(&g, 2, 5, 5);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_TIMEOUT);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        ended(0, 10, VDRV_PENDING, 0);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
        /* Another queue's requests end when that queue is called next. */
        CHECK_EQ(vdrv_poll(&g.blk->dev, 1, 0), VDRV_ERR_BAD_STATE);
        ended(0, 5, VDRV_ERR_ABORTED, 1);
        ended(5, 5, VDRV_PENDING, 0);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        ended(0, 10, VDRV_ERR_ABORTED, 1);
        disk_works(&g);
        in_flight(&g, 2, 0, 5);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 2, 0), 5);
        ended(0, 5, VDRV_OK, 1);
        disk_down(&g);
    }
}

/* The device does not reset: it keeps the memory; nothing is handed back. */
static void stuck(uint32_t mode, uint32_t queues, int late)
{
    struct disk_opts o = {.machine = {.mode = mode},
                          .disk = {.queues = queues},
                          .drv = {.queues = queues, .timeout_us = 20000}};
    struct disk_rig g;
    uint32_t allocs, maps;
    static uint8_t lost[512];

    if (!disk_up(&g, &o))
        return;
    allocs = g.f.allocs_live;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    in_flight(&g, queues - 1, 0, 5);
    maps = g.f.maps_live;
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, lost, 512), VDRV_ERR_STUCK);
    CHECK(g.f.now < 10000000);
    CHECK_EQ(g.f.allocs_live, allocs);
    CHECK_EQ(g.f.maps_live, maps + (mode == FAKE_MAPPED));
    ended(0, 5, VDRV_PENDING, 0);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_block_kick(g.blk, 0), VDRV_ERR_STUCK);
    if (late) /* it writes what it owns, long after */
        fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_ERR_STUCK);
    CHECK_EQ(g.f.allocs_live, allocs);
    ended(0, 5, VDRV_PENDING, 0);
    g.dev.dev.reset_never = false;
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    CHECK_EQ(g.f.maps_live, 0);
    ended(0, 5, VDRV_ERR_ABORTED, 1);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE); /* no longer */
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* While one caller sleeps, another's reset is not confirmed. */
static void stuck_in_wait(void *arg, struct vdrv_device *dev, uint32_t queue,
                          uint32_t max_us)
{
    struct disk_rig *g = arg;
    static uint8_t lost[512];

    (void)max_us;
    if (g->dev.dev.reset_never || vdrv_poll(dev, queue, 0) != 0)
        return;
    g->f.wait_hook = NULL;
    g->dev.dev.reset_never = true;
    CHECK_EQ(vdrv_block_read_block(g->blk, 0, lost, 512), VDRV_ERR_STUCK);
    g->dev.dev.reset_never = false;
}

/* The sleeper's reset is: its memory is back, and the answer says so. */
static void test_stuck_elsewhere(void)
{
    struct disk_opts o = {.drv = {.timeout_us = 20000}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    in_flight(&g, 0, 0, 3);
    g.f.wait_hook = stuck_in_wait;
    g.f.wait_arg = &g;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_ABORTED);
    ended(0, 3, VDRV_ERR_ABORTED, 1);
    CHECK_EQ(g.f.maps_live, 0);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_STUCK); /* until a stop */
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

static void test_stuck(void)
{
    for (uint32_t mode = 0; mode < 2; mode++)
        for (uint32_t queues = 1; queues <= 2; queues++)
            for (int late = 0; late < 2; late++)
                stuck(mode, queues, late);
}

/* Init fails for another reason, and then the device does not reset. */
static void test_stuck_in_init(void)
{
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    g.f.fail_alloc = 2; /* after the ring was enabled */
    g.dev.dev.reset_reads = 0;
    /* The first reset works, the second never. */
    g.cfg.work_size = vdrv_virtio_blk_work_size(g.t, &g.cfg);
    g.cfg.work = g.work = malloc(g.cfg.work_size);
    fake_override(&g.f, VDRV_SPACE_MEMORY, DISK_STATUS, 7, 0, 0x8B);
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_ERR_STUCK);
    CHECK_EQ(g.f.allocs_live, 1);
    /* Nobody else's device, as long as it holds that memory. */
    CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_ERR_STUCK);
    CHECK_EQ(g.f.allocs_live, 1);
    fake_override_clear(&g.f);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    CHECK(fake_balanced(&g.f));
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* ---- A device that asks for a reset ----------------------------------------------------- */

static void fault_F78_needs_reset_cycles(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        struct disk_opts o = {.machine = {.mode = mode}};
        struct disk_rig g;

        if (!disk_up(&g, &o))
            return;
        g.f.no_alloc = true;
        for (unsigned i = 0; i < 1000 && check_failures == 0; i++) {
            unsigned n = i % 9;

            g.dev.dev.complete = FAKE_COMPLETE_HELD;
            in_flight(&g, 0, 0, n);
            fake_dev_needs_reset(&g.dev.dev);
            if (i % 3 == 0)
                CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_ERR_BAD_STATE);
            else
                CHECK(vdrv_irq(&g.blk->dev, 0) & VDRV_CAUSE_CONFIG);
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
            CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512),
                     VDRV_ERR_BAD_STATE);
            ended(0, n, VDRV_PENDING, 0); /* the device may still write */
            if (i % 2)
                CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
            CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
            ended(0, n, VDRV_ERR_ABORTED, 1);
            CHECK_EQ(g.f.maps_live, 0);
            g.dev.dev.complete = FAKE_COMPLETE_NOW;
            if (i % 10 == 0)
                disk_works(&g);
        }
        disk_down(&g);
    }
}

/* A blocking call is not left waiting for a device that asked for a reset. */
static void needs_reset_in_wait(void *arg, struct vdrv_device *dev,
                                uint32_t queue, uint32_t max_us)
{
    struct disk_rig *g = arg;

    (void)queue;
    (void)max_us;
    if (g->dev.dev.status & FAKE_NEEDS_RESET)
        return;
    fake_dev_needs_reset(&g->dev.dev);
    vdrv_irq(dev, 0);
}

/* BASIC-04: no more is waited for. */
static void test_needs_reset_while_waiting(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    g.f.wait_hook = needs_reset_in_wait;
    g.f.wait_arg = &g;
    g.f.no_step = true;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
    CHECK(g.f.now < 1000000); /* at once, not after 30 s */
    g.f.wait_hook = NULL;
    g.f.no_step = false;
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* ---- Unplugged at run time ---------------------------------------------------------------- */

static void fault_F25c_unplugged_in_flight(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        struct disk_opts o = {.machine = {.mode = mode},
                              .drv = {.timeout_us = 50000}};
        struct disk_rig g;
        uint64_t accesses;

        if (!disk_up(&g, &o))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        in_flight(&g, 0, 0, 8);
        g.f.gone_at = 1;
        CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_NO_DEVICE);
        ended(0, 8, VDRV_ERR_ABORTED, 1);
        accesses = g.f.gone_accesses;
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_NO_DEVICE);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_NO_DEVICE);
        CHECK_EQ(g.f.gone_accesses, accesses); /* S8: it is left alone */
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_NO_DEVICE);
        g.f.gone_at = 0; /* plugged in again */
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        disk_works(&g);
        disk_down(&g);
    }
}

/* ---- Clocks ----------------------------------------------------------------------------------- */

static void fault_F86_no_clock(void)
{
    for (int kind = 0; kind < 2; kind++) {
        struct disk_rig g;
        uint32_t polls;

        if (!disk_up(&g, NULL))
            return;
        g.f.hal.poll_limit = 500;
        g.f.hal.wait = NULL;
        if (kind == 0)
            g.f.hal.now_us = NULL;
        g.f.us_per_now = g.f.us_per_relax = 0; /* stands still */
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        polls = g.f.relaxes;
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_TIMEOUT);
        CHECK(g.f.relaxes - polls >= 499 && g.f.relaxes - polls < 520);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        disk_works(&g);
        g.dev.dev.reset_never = true;
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_ERR_STUCK);
        g.dev.dev.reset_never = false;
        disk_down(&g);
    }
}

/* The machine slept for an hour: what has completed meanwhile counts. */
static void fault_F86_clock_jumps(void)
{
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        if (!sleeps)
            g.f.hal.wait = NULL;
        g.f.us_per_relax = UINT32_C(3600000000);
        g.f.us_per_wait = UINT32_MAX;
        for (int i = 0; i < 10; i++)
            disk_works(&g);
        g.dev.dev.reset_reads = 1;
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        g.dev.dev.reset_reads = 0;
        /* And it still ends. */
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_TIMEOUT);
        disk_down(&g);
    }
}

static void test_no_timeout(void)
{
    struct disk_opts o = {.drv = {.timeout_us = 1000}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    memset(&jobs[0], 0, sizeof(jobs[0]));
    jobs[0].seg = vdrv_seg_in(jobs[0].data, 512);
    jobs[0].req.op = VDRV_BLOCK_READ;
    jobs[0].req.segs = &jobs[0].seg;
    jobs[0].req.nsegs = 1;
    jobs[0].req.timeout_us = VDRV_BLOCK_NO_TIMEOUT;
    g.f.us_per_relax = 100000000; /* 100 s a poll */
    g.dev.dev.complete = FAKE_COMPLETE_ORDER;
    g.dev.dev.per_step = 1;
    g.dev.dev.queue[0].manual = true;
    g.f.hal.poll_limit = 1000;
    /* Not by the clock, but a standing device and poll count end it. */
    g.f.us_per_now = 0;
    g.f.us_per_relax = 0;
    g.f.us_per_wait = 0;
    CHECK_EQ(vdrv_block_execute(g.blk, &jobs[0].req), VDRV_ERR_TIMEOUT);
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"driver_init_invalid", test_init_invalid},
    {"driver_init_twice", test_init_twice},
    {"driver_init_hal_incomplete", test_init_hal_incomplete},
    {"driver_small_hal", test_small_hal},
    {"driver_work_area", test_work_area},
    {"driver_no_ring_features", test_no_ring_features},
    {"driver_life_random", test_life_random},
    {"driver_start_refused", test_start_refused},
    {"driver_timeout_several_queues", test_timeout_several_queues},
    {"driver_stuck", test_stuck},
    {"driver_stuck_elsewhere", test_stuck_elsewhere},
    {"driver_stuck_in_init", test_stuck_in_init},
    {"driver_needs_reset_while_waiting", test_needs_reset_while_waiting},
    {"driver_no_timeout", test_no_timeout},
    {"fault_F25c_ones_once", fault_F25c_ones_once},
    {"fault_F25c_unplugged_in_flight", fault_F25c_unplugged_in_flight},
    {"fault_F78_needs_reset_cycles", fault_F78_needs_reset_cycles},
    {"fault_F80_alloc_fails", fault_F80_alloc_fails},
    {"fault_F81_map_fails", fault_F81_map_fails},
    {"fault_F82_bad_dma_address", fault_F82_bad_dma_address},
    {"fault_F85_platform_required", fault_F85_platform_required},
    {"fault_F86_no_clock", fault_F86_no_clock},
    {"fault_F86_clock_jumps", fault_F86_clock_jumps},
};

CHECK_MAIN(cases)
