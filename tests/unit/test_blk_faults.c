/* SPDX-License-Identifier: MIT */
/*
 * The block driver on disks that lie, fail, answer late or never, change their
 * size, and vanish; and under random mixes of everything.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[1 << 16];

struct job {
    struct vdrv_block_request req; /* first */
    struct vdrv_seg seg[3];
    uint8_t data[8192];
    int done;
};

static struct job jobs[160];

static void job_done(struct vdrv_block_request *req)
{
    CHECK(req->status != VDRV_PENDING);
    ((struct job *)req)->done++;
}

static void job_init(struct job *j, uint32_t op, uint64_t block)
{
    memset(&j->req, 0, sizeof(j->req));
    j->seg[0] = vdrv_seg_in(j->data, 512);
    j->req.op = op;
    j->req.block = block;
    j->req.segs = j->seg;
    j->req.nsegs = 1;
    j->req.done = job_done;
    j->done = 0;
}

/* Submits and kicks `n` reads; the device has taken them. */
static void in_flight(struct disk_rig *g, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        job_init(&jobs[i], VDRV_BLOCK_READ, i);
        CHECK_EQ(vdrv_block_submit(g->blk, &jobs[i].req), VDRV_OK);
    }
    CHECK(vdrv_block_kick(g->blk, 0) >= 0);
    fake_step(&g->f);
}

static void all_ended(unsigned n, int err)
{
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(jobs[i].done, 1);
        CHECK_EQ(jobs[i].req.status, err);
    }
}

/* ---- What the configuration says ------------------------------------------------ */

static void fault_F41_block_size(void)
{
    static const struct {
        uint32_t says, is;
    } row[] = {{0, 512},      {1, 512},        {511, 512},        {513, 512},
               {1536, 512},   {1u << 31, 512}, {UINT32_MAX, 512}, {256, 512},
               {131072, 512}, {4096, 4096},    {65536, 65536}};

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_rig g;

        disk_machine(&g, NULL);
        fake_put32(g.dev.dev.config + FAKE_BLK_CFG_BLK_SIZE, row[i].says);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_block_size(g.blk), row[i].is);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F44_capacity(void)
{
    static const uint64_t sectors[] = {
        0,         1, 7, UINT64_MAX, UINT64_MAX / 512, UINT64_MAX / 512 + 2,
        1ull << 63};

    for (size_t i = 0; i < COUNT(sectors); i++)
        for (uint32_t bs = 512; bs <= 4096; bs *= 8) {
            struct disk_opts o = {.disk = {.blk_size = bs}};
            struct disk_rig g;
            uint64_t n;

            disk_machine(&g, &o);
            fake_put64(g.dev.dev.config, sectors[i]);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            CHECK_EQ(disk_init(&g), VDRV_OK);
            n = vdrv_block_num_blocks(g.blk);
            CHECK(n <= sectors[i] / (bs / 512));
            CHECK(n <= UINT64_MAX / bs);
            /* Never sent: the fake stops at a request past its end. */
            CHECK_EQ(vdrv_block_read_block(g.blk, n, buf, bs),
                     VDRV_ERR_INVALID);
            CHECK_EQ(vdrv_block_read_block(g.blk, UINT64_MAX / bs + 1, buf, bs),
                     VDRV_ERR_INVALID);
            CHECK_EQ(vdrv_block_read_block(g.blk, n, buf, 0), VDRV_OK);
            disk_down(&g);
        }
}

static void fault_F44_size_max(void)
{
    static const uint32_t size_max[] = {1, 100, 511, 512, 513, UINT32_MAX};

    for (size_t i = 0; i < COUNT(size_max); i++)
        for (uint32_t bs = 512; bs <= 4096; bs *= 8) {
            struct disk_opts o = {
                .disk = {.size_max = size_max[i], .blk_size = bs}};
            struct disk_rig g;
            int err;

            if (!disk_up(&g, &o))
                return;
            /* It works within the limit, or it says that it cannot. */
            err = vdrv_block_write_block(g.blk, 1, buf, 8192);
            if (size_max[i] >= bs)
                CHECK_EQ(err, VDRV_OK);
            else
                CHECK(err == VDRV_ERR_TOO_BIG || err == VDRV_OK);
            if (err == VDRV_OK)
                CHECK_MEM(g.dev.disk + bs, buf, 8192);
            disk_down(&g);
        }
    /* 0 is no limit. */
    for (int k = 0; k < 1; k++) {
        struct disk_opts o = {.disk = {.size_max = 4096}};
        struct vdrv_block_caps c;
        struct disk_rig g;

        disk_machine(&g, &o);
        fake_put32(g.dev.dev.config + FAKE_BLK_CFG_SIZE_MAX, 0);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK(c.max_seg_bytes >= 65536);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F46_limits_of_zero(void)
{
    for (unsigned bits = 0; bits < 128; bits++) {
        struct vdrv_block_caps c;
        struct disk_rig g;
        uint8_t *p = g.dev.dev.config;

        disk_machine(&g, NULL);
        if (bits & 1)
            fake_put32(p + FAKE_BLK_CFG_SEG_MAX, 0);
        if (bits & 2)
            fake_put32(p + FAKE_BLK_CFG_DISCARD, 0);
        if (bits & 4)
            fake_put32(p + FAKE_BLK_CFG_DISCARD + 4, 0);
        if (bits & 8)
            fake_put32(p + FAKE_BLK_CFG_DISCARD + 8, bits & 64 ? 7 : 0);
        if (bits & 16)
            fake_put32(p + FAKE_BLK_CFG_ZEROES, 0);
        if (bits & 32)
            fake_put32(p + FAKE_BLK_CFG_ERASE + 8, bits & 64 ? 3 : 0);
        if (bits & 64)
            p[FAKE_BLK_CFG_TOPOLOGY] = 200;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK(c.max_segs >= 1 && c.physical_block >= 1);
        CHECK_EQ(c.can_discard, !(bits & 6));
        CHECK_EQ(c.can_write_zeroes, !(bits & 16));
        CHECK_EQ(vdrv_block_discard(g.blk, 0, 21),
                 bits & 6 ? VDRV_ERR_UNSUPPORTED : VDRV_OK);
        CHECK_EQ(vdrv_block_write_zeroes(g.blk, 0, 9, 0),
                 bits & 16 ? VDRV_ERR_UNSUPPORTED : VDRV_OK);
        CHECK_EQ(vdrv_block_secure_erase(g.blk, 0, 21), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* seg_max beyond what the ring can hold. */
static void fault_F46_seg_max_huge(void)
{
    static const uint32_t seg_max[] = {126, 127, 1000, UINT32_MAX};

    for (size_t i = 0; i < COUNT(seg_max); i++)
        for (int ind = 0; ind < 2; ind++) {
            struct disk_opts o = {
                .disk = {.queue_max = 8, .seg_max = seg_max[i]},
                .drv = {.max_segs = 64, .no_indirect = (uint8_t)ind}};
            struct vdrv_block_caps c;
            struct disk_rig g;

            if (!disk_up(&g, &o))
                return;
            CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
            CHECK(c.max_segs >= 1 && c.max_segs <= 6 && c.depth >= 1);
            if (check_failures)
                printf("  %u segments, depth %u\n", c.max_segs, c.depth);
            disk_works(&g);
            CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 65536), VDRV_OK);
            disk_down(&g);
        }
}

/*
 * A configuration that wants as many segments as there are gets what the
 * queue holds, in work memory of exactly the size asked for.
 */
static void test_max_segs_huge(void)
{
    static const uint32_t max_segs[] = {
        62, 63, 64, 32766, UINT32_MAX - 2, UINT32_MAX - 1, UINT32_MAX};

    for (size_t i = 0; i < COUNT(max_segs); i++) {
        struct disk_opts o = {.disk = {.without = BIT64(FAKE_BLK_F_SEG_MAX)},
                              .drv = {.max_segs = 62, .queue_size = 64}};
        struct vdrv_block_request r = {.op = VDRV_BLOCK_READ};
        struct vdrv_block_caps c;
        struct vdrv_seg seg[62];
        struct disk_rig g;

        disk_machine(&g, &o);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        g.cfg.work_size = vdrv_virtio_blk_work_size(g.t, &g.cfg);
        g.cfg.work = g.work = malloc(g.cfg.work_size);
        g.cfg.max_segs = max_segs[i];
        CHECK_EQ(vdrv_virtio_blk_work_size(g.t, &g.cfg), g.cfg.work_size);
        CHECK_EQ(vdrv_virtio_blk_init(&g.drv, g.t, &g.cfg), VDRV_OK);
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK_EQ(c.max_segs, 62);
        for (int k = 0; k < 62; k++)
            seg[k] = vdrv_seg_in(buf + 512 * k, 512);
        r.segs = seg;
        r.nsegs = 62;
        CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_OK);
        CHECK_MEM(buf, g.dev.disk, 512 * 62);
        disk_down(&g);
    }
}

/* Queues that cannot hold a request are the caller's mistake. */
static void test_queue_size_small(void)
{
    for (uint32_t size = 1; size <= 5; size++) {
        struct disk_opts o = {.drv = {.queue_size = size}};
        struct disk_rig g;

        disk_machine(&g, &o);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        if (size < 4) {
            CHECK_EQ(vdrv_virtio_blk_work_size(g.t, &g.cfg), 0);
            CHECK_EQ(disk_init(&g), VDRV_ERR_INVALID);
            disk_end(&g);
            continue;
        }
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 65536), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* ---- What requests come back with ------------------------------------------------- */

static void fault_F42_status_byte(void)
{
    for (int status = 3; status <= 0xFF; status += status < 8 ? 1 : 31) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        fake_blk_fail(&g.dev, FAKE_BLK_IN, 0, 1, (uint8_t)status);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
        /* Latched until stop and start (base.h). */
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* Completed, and the status byte never written. */
static void fault_F42_status_never_written(void)
{
    static const int64_t len[] = {0, 1, 513};

    for (size_t i = 0; i < COUNT(len); i++)
        for (uint32_t mode = 0; mode < 2; mode++) {
            struct disk_opts o = {.machine = {.mode = mode}};
            struct disk_rig g;

            if (!disk_up(&g, &o))
                return;
            fake_blk_plan(&g.dev, (struct fake_blk_fault){FAKE_BLK_IN, 0, 1, -1,
                                                          true, len[i]});
            CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512),
                     VDRV_ERR_PROTOCOL);
            CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
            disk_works(&g);
            disk_down(&g);
        }
}

/* One bad request does not kill a disk. */
static void fault_F43_io_error(void)
{
    static const struct {
        uint32_t type;
        uint8_t status;
        int err;
    } row[] = {{FAKE_BLK_IN, 1, VDRV_ERR_IO},
               {FAKE_BLK_OUT, 1, VDRV_ERR_IO},
               {FAKE_BLK_IN, 2, VDRV_ERR_UNSUPPORTED},
               {FAKE_BLK_OUT, 2, VDRV_ERR_UNSUPPORTED}};

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        fake_blk_fail(&g.dev, row[i].type, 3, 1, row[i].status);
        for (unsigned k = 0; k < 8; k++) {
            job_init(&jobs[k], row[i].type ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ,
                     k);
            CHECK_EQ(vdrv_block_submit(g.blk, &jobs[k].req), VDRV_OK);
        }
        vdrv_block_kick(g.blk, 0);
        fake_step(&g.f);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
        for (unsigned k = 0; k < 8; k++) {
            CHECK_EQ(jobs[k].req.status, k == 3 ? row[i].err : VDRV_OK);
            CHECK_EQ(jobs[k].req.device_status, k == 3 ? row[i].status : 0);
        }
        disk_works(&g);
        disk_down(&g);
    }
}

/* The status byte decides, whatever the length says (within bounds). */
static void fault_F48_short_length(void)
{
    static const int64_t len[] = {0, 1, 100, 512};

    for (size_t i = 0; i < COUNT(len); i++) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        fake_blk_plan(&g.dev, (struct fake_blk_fault){FAKE_BLK_IN, 0, 1, -1,
                                                      false, len[i]});
        memset(g.dev.disk, 0x42, 512);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_OK);
        CHECK_EQ(buf[511], 0x42);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F07_length_too_long(void)
{
    static const int64_t len[] = {514, 1026, UINT32_MAX - 1};

    for (size_t i = 0; i < COUNT(len); i++) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        fake_blk_plan(&g.dev, (struct fake_blk_fault){FAKE_BLK_IN, 0, 1, -1,
                                                      false, len[i]});
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
        CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_PROTOCOL);
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* ---- Capacity ------------------------------------------------------------------------ */

static void fault_F45_resize_in_flight(void)
{
    struct vdrv_block_caps before, after;
    struct disk_rig g;
    uint32_t changes = 0;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &before), VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    in_flight(&g, 8);
    fake_blk_resize(&g.dev, 1000);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, &changes), VDRV_OK);
    CHECK(changes & VDRV_CHANGE_CAPACITY);
    CHECK_EQ(vdrv_block_num_blocks(g.blk), 1000);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &after), VDRV_OK);
    CHECK_EQ(after.num_blocks, 1000);
    CHECK(after.generation != before.generation);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(jobs[i].done, 0);
    fake_dev_release_all(&g.dev.dev);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
    all_ended(8, VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_block_read_block(g.blk, 999, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g.blk, 1000, buf, 512), VDRV_ERR_INVALID);
    fake_blk_resize(&g.dev, 2048);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g.blk, 2047, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, 0);
    disk_down(&g);
}

/* ---- Never, late --------------------------------------------------------------------- */

/* One queue: TIMEOUT, memory back, and the disk works again. */
static void fault_F14_never_completes(void)
{
    for (uint32_t mode = 0; mode < 2; mode++)
        for (int clock = 0; clock < 2; clock++) {
            struct disk_opts o = {.machine = {.mode = mode},
                                  .drv = {.timeout_us = 50000}};
            struct disk_rig g;
            uint32_t maps;

            if (!disk_up(&g, &o))
                return;
            if (!clock) {
                g.f.hal.now_us = NULL;
                g.f.hal.poll_limit = 3000;
            }
            maps = g.f.maps_live;
            g.dev.dev.complete = FAKE_COMPLETE_HELD;
            in_flight(&g, 3);
            CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512),
                     VDRV_ERR_TIMEOUT);
            CHECK(clock ? g.f.now < 200000 : g.f.relaxes < 4000);
            CHECK_EQ(g.f.maps_live, maps);
            all_ended(3, VDRV_ERR_ABORTED);
            g.dev.dev.complete = FAKE_COMPLETE_NOW;
            disk_works(&g);
            disk_down(&g);
        }
}

/* Nothing ever leaves a full queue: that is late, too. */
static void fault_F14_full_and_never(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        struct disk_opts o = {
            .machine = {.mode = mode},
            .drv = {.timeout_us = 50000, .queue_size = 8, .no_indirect = 1}};
        struct disk_rig g;

        if (!disk_up(&g, &o))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        in_flight(&g, 2);
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 2048), VDRV_ERR_TIMEOUT);
        CHECK(g.f.now < 200000);
        all_ended(2, VDRV_ERR_ABORTED);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        disk_works(&g);
        disk_down(&g);
    }
}

/* A request's own bound, shorter and longer than the driver's. */
static void test_request_timeout(void)
{
    static const uint32_t own[] = {1000, 400000};

    for (size_t i = 0; i < COUNT(own); i++) {
        struct disk_opts o = {.drv = {.timeout_us = 100000}};
        struct disk_rig g;
        uint64_t start;

        if (!disk_up(&g, &o))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        job_init(&jobs[0], VDRV_BLOCK_READ, 0);
        jobs[0].req.timeout_us = own[i];
        start = g.f.now;
        CHECK_EQ(vdrv_block_execute(g.blk, &jobs[0].req), VDRV_ERR_TIMEOUT);
        CHECK(g.f.now - start >= own[i] && g.f.now - start < own[i] + 5000);
        CHECK_EQ(jobs[0].done, 0);
        disk_down(&g);
    }
}

/* The device answers while its reset is awaited, and after it. */
static struct disk_rig *late_rig;

static uint32_t late_hook(void *arg, const struct fake_access *a)
{
    struct disk_rig *g = late_rig;

    (void)arg;
    if (a->addr == DISK_STATUS && g->dev.dev.resetting &&
        fake_dev_pending(&g->dev.dev))
        fake_dev_release(&g->dev.dev, 0);
    return a->value;
}

static void fault_F16_completes_during_reset(void)
{
    for (uint32_t mode = 0; mode < 2; mode++)
        for (int how = 0; how < 3; how++) {
            struct disk_opts o = {.machine = {.mode = mode},
                                  .drv = {.timeout_us = 50000}};
            struct disk_rig g;
            int err;

            if (!disk_up(&g, &o))
                return;
            late_rig = &g;
            g.dev.dev.complete = FAKE_COMPLETE_HELD;
            g.dev.dev.reset_reads = 5;
            in_flight(&g, 8);
            g.f.read_hook = late_hook;
            if (how == 0)
                err = vdrv_stop(&g.blk->dev);
            else if (how == 1)
                err = vdrv_reset(&g.blk->dev);
            else
                err = vdrv_block_read_block(g.blk, 0, buf, 512);
            g.f.read_hook = NULL;
            CHECK_EQ(err, how == 2 ? VDRV_ERR_TIMEOUT : VDRV_OK);
            all_ended(8, VDRV_ERR_ABORTED);
            g.dev.dev.complete = FAKE_COMPLETE_NOW;
            CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
            disk_works(&g);
            disk_down(&g);
        }
}

/* Slow, but within the bound: no time-out, nothing twice. */
static void fault_F15_slow(void)
{
    struct disk_opts o = {.drv = {.timeout_us = 100000}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_ORDER;
    g.dev.dev.per_step = 1;
    in_flight(&g, 100);
    disk_works(&g); /* behind a hundred others */
    CHECK(vdrv_poll(&g.blk->dev, 0, 0) >= 0);
    all_ended(100, VDRV_OK);
    disk_down(&g);
}

/* ---- Stop, fini, use of what is not there -------------------------------------------- */

static void fault_F75_stop_in_flight(void)
{
    for (uint32_t mode = 0; mode < 2; mode++)
        for (int how = 0; how < 3; how++) {
            struct disk_opts o = {.machine = {.mode = mode},
                                  .disk = {.queues = 2},
                                  .drv = {.queues = 2}};
            struct disk_rig g;

            if (!disk_up(&g, &o))
                return;
            g.dev.dev.complete = FAKE_COMPLETE_HELD;
            in_flight(&g, 16);
            for (unsigned i = 16; i < 24; i++) { /* other queue, not kicked */
                job_init(&jobs[i], VDRV_BLOCK_WRITE, i);
                jobs[i].req.queue = 1;
                CHECK_EQ(vdrv_block_submit(g.blk, &jobs[i].req), VDRV_OK);
            }
            fake_dev_release(&g.dev.dev, 3); /* done, and not polled */
            if (how == 0)
                CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
            else if (how == 1)
                CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
            else
                CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
            all_ended(24, VDRV_ERR_ABORTED);
            CHECK_EQ(g.dev.dev.resets > 1, true);
            g.dev.dev.complete = FAKE_COMPLETE_NOW;
            if (how < 2) {
                CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
                disk_works(&g);
                CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
            }
            disk_end(&g);
        }
}

/* `done` of an ended request submits again: refused, and no recursion. */
static int depth, deepest;

static void stubborn_done(struct vdrv_block_request *req)
{
    struct job *j = (struct job *)req;
    int err;

    depth++;
    deepest = depth > deepest ? depth : deepest;
    j->done++;
    CHECK_EQ(req->status, VDRV_ERR_ABORTED);
    err = vdrv_block_submit(late_rig->blk, req);
    CHECK_EQ(err, VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_kick(late_rig->blk, 0), VDRV_ERR_BAD_STATE);
    CHECK(vdrv_poll(&late_rig->blk->dev, 0, 0) < 0);
    req->status = VDRV_ERR_ABORTED;
    depth--;
}

static void fault_F87_submit_from_aborted(void)
{
    for (int how = 0; how < 2; how++) {
        struct disk_opts o = {.drv = {.timeout_us = 20000}};
        struct disk_rig g;

        if (!disk_up(&g, &o))
            return;
        late_rig = &g;
        deepest = 0;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        in_flight(&g, 100);
        for (unsigned i = 0; i < 100; i++)
            jobs[i].req.done = stubborn_done;
        if (how)
            CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        else
            CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_TIMEOUT);
        for (unsigned i = 0; i < 100; i++)
            CHECK_EQ(jobs[i].done, 1);
        CHECK_EQ(deepest, 1);
        g.dev.dev.complete = FAKE_COMPLETE_NOW;
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F76_twice_and_after(void)
{
    struct vdrv_block_caps c;
    struct disk_rig g;
    struct vdrv_virtio_blk other;
    uint64_t accesses;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_virtio_blk_init(&other, g.t, &g.cfg), VDRV_ERR_BUSY);
    disk_works(&g);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    accesses = g.f.reads + g.f.writes;
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, buf, 512), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_BAD_STATE);
    job_init(&jobs[0], VDRV_BLOCK_READ, 0);
    CHECK_EQ(vdrv_block_submit(g.blk, &jobs[0].req), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_execute(g.blk, &jobs[0].req), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_kick(g.blk, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_arm(&g.blk->dev, 0, VDRV_ARM_NEXT), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_BAD_STATE);
    CHECK(vdrv_stop(&g.blk->dev) <= 0);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0);
    (void)vdrv_block_get_caps(g.blk, &c);
    CHECK_EQ(g.f.reads + g.f.writes, accesses);
    /* And once more from the beginning. */
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* A request that is cancelled, or not; it ends once. */
static void test_cancel(void)
{
    for (int kicked = 0; kicked < 2; kicked++) {
        struct disk_rig g;
        int err;

        if (!disk_up(&g, NULL))
            return;
        job_init(&jobs[0], VDRV_BLOCK_READ, 0);
        CHECK_EQ(vdrv_block_submit(g.blk, &jobs[0].req), VDRV_OK);
        if (kicked)
            vdrv_block_kick(g.blk, 0);
        err = vdrv_block_cancel(g.blk, &jobs[0].req);
        CHECK(err == VDRV_OK || err == VDRV_ERR_BUSY ||
              err == VDRV_ERR_UNSUPPORTED);
        CHECK_EQ(jobs[0].done, err == VDRV_OK);
        vdrv_block_kick(g.blk, 0);
        fake_step(&g.f);
        CHECK(vdrv_poll(&g.blk->dev, 0, 0) >= 0);
        CHECK_EQ(jobs[0].done, 1);
        CHECK_EQ(jobs[0].req.status,
                 err == VDRV_OK ? VDRV_ERR_ABORTED : VDRV_OK);
        disk_down(&g);
    }
}

/* ---- Random mixes ---------------------------------------------------------------------- */

#define SLOTS  24u
#define BLOCKS 2048u

static uint8_t reference[BLOCKS * 512];
static bool busy[BLOCKS];

struct mix {
    struct disk_rig g;
    uint32_t queues;
    unsigned out, ended;
};

/* A completion: a read must show what the reference has. */
static struct mix *mix;

static void mix_done(struct vdrv_block_request *req)
{
    struct job *j = (struct job *)req;
    uint32_t n = (uint32_t)(uintptr_t)req->user;

    CHECK_EQ(req->status, VDRV_OK);
    if (req->op == VDRV_BLOCK_READ)
        CHECK_MEM(j->data, reference + req->block * 512, n * 512);
    for (uint32_t i = 0; i < n; i++)
        busy[req->block + i] = false;
    j->done = 1;
    mix->out--;
    mix->ended++;
}

static bool mix_free(uint64_t block, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (busy[block + i])
            return false;
    return true;
}

/* What has no blocks: beside the others, at any time. */
static void mix_plan_other(struct mix *m, struct job *j)
{
    static const uint32_t ops[] = {VDRV_BLOCK_FLUSH, VDRV_BLOCK_GET_ID,
                                   VDRV_BLOCK_GET_LIFETIME};
    uint32_t i = fake_rand(&m->g.f) % 3;

    job_init(j, ops[i], 0);
    j->req.queue = fake_rand(&m->g.f) % m->queues;
    j->req.nsegs = i != 0;
    j->seg[0].len = i == 1 ? 20 : 6;
    j->req.done = mix_done;
}

static void mix_plan(struct mix *m, struct job *j, uint32_t n)
{
    static const uint32_t ranges[] = {
        VDRV_BLOCK_WRITE_ZEROES, VDRV_BLOCK_DISCARD, VDRV_BLOCK_SECURE_ERASE};
    uint32_t op = fake_rand(&m->g.f) % 8, cut;

    job_init(j, op < 4 ? VDRV_BLOCK_READ : VDRV_BLOCK_WRITE,
             fake_rand(&m->g.f) % (BLOCKS - n));
    if (op == 7)
        j->req.op = ranges[fake_rand(&m->g.f) % 3];
    /* A deadline that is kept, now and then. */
    j->req.timeout_us = fake_rand(&m->g.f) % 4 ? 0 : 1000000000;
    j->req.queue = fake_rand(&m->g.f) % m->queues;
    j->req.user = (void *)(uintptr_t)n;
    j->req.done = mix_done;
    j->req.nblocks = op == 7 ? n : 0;
    j->req.nsegs = op == 7 ? 0 : 3;
    /* Odd pieces at odd addresses. */
    cut = fake_rand(&m->g.f) % (n * 512 - 2) + 1;
    j->seg[0] = vdrv_seg_in(j->data, 1);
    j->seg[1] = vdrv_seg_in(j->data + 1, cut);
    j->seg[2] = vdrv_seg_in(j->data + 1 + cut, n * 512 - 1 - cut);
    disk_fill(j->data, n * 512, fake_rand(&m->g.f));
}

/* One block in one segment: the short way through the driver. */
static void mix_plan_plain(struct mix *m, struct job *j)
{
    mix_plan(m, j, 1);
    j->req.op = fake_rand(&m->g.f) % 2 ? VDRV_BLOCK_READ : VDRV_BLOCK_WRITE;
    j->req.timeout_us = 0;
    j->req.nblocks = 0;
    j->req.nsegs = 1;
    j->seg[0] = vdrv_seg_in(j->data, 512);
}

static void mix_submit(struct mix *m, struct job *j)
{
    uint32_t n = fake_rand(&m->g.f) % 16 + 1;
    uint8_t *at;
    int err;

    if (n * 512 > sizeof(j->data) || j->done == 0)
        return;
    if (fake_rand(&m->g.f) % 8 == 0) {
        mix_plan_other(m, j);
        n = 0;
    } else if (fake_rand(&m->g.f) % 4 == 0) {
        mix_plan_plain(m, j);
        n = 1;
    } else {
        mix_plan(m, j, n);
    }
    at = reference + j->req.block * 512;
    j->done = 1;
    if (!mix_free(j->req.block, n))
        return;
    err = vdrv_block_submit(m->g.blk, &j->req);
    if (err) {
        CHECK_EQ(err, VDRV_ERR_AGAIN);
        return;
    }
    j->done = 0;
    m->out++;
    for (uint32_t i = 0; i < n; i++)
        busy[j->req.block + i] = true;
    if (j->req.op == VDRV_BLOCK_WRITE)
        memcpy(at, j->data, n * 512);
    else if (j->req.op != VDRV_BLOCK_READ)
        memset(at,
               j->req.op == VDRV_BLOCK_WRITE_ZEROES ? 0 : FAKE_BLK_DISCARDED,
               n * 512);
}

static void mix_poll(struct mix *m)
{
    for (uint32_t q = 0; q < m->queues; q++)
        CHECK(vdrv_poll(&m->g.blk->dev, q, fake_rand(&m->g.f) % 4) >= 0);
}

/* Short here; `make soak` says how long there. */
static unsigned mix_steps(void)
{
    const char *more = getenv("SOAK_STEPS");

    return more ? (unsigned)strtoul(more, NULL, 0) : 6000;
}

static void mix_run(uint32_t mode, uint32_t queues, bool indirect,
                    uint64_t seed)
{
    struct disk_opts o = {
        .machine = {.mode = mode, .seed = seed, .max_run = 900},
        .disk = {.queues = queues},
        .drv = {.queues = queues,
                .queue_size = 32,
                .max_segs = 24,
                .no_indirect = !indirect}};
    static struct mix m;

    memset(&m, 0, sizeof(m));
    memset(busy, 0, sizeof(busy));
    mix = &m;
    m.queues = queues;
    if (!disk_up(&m.g, &o))
        return;
    m.g.dev.dev.complete = FAKE_COMPLETE_RANDOM;
    disk_fill(reference, sizeof(reference), seed);
    memcpy(m.g.dev.disk, reference, sizeof(reference));
    for (unsigned i = 0; i < SLOTS; i++)
        jobs[i].done = 1;
    for (unsigned i = 0; i < mix_steps() && check_failures == 0; i++) {
        m.g.dev.dev.per_step = fake_rand(&m.g.f) % 5 + 1;
        mix_submit(&m, &jobs[fake_rand(&m.g.f) % SLOTS]);
        vdrv_block_kick(m.g.blk, fake_rand(&m.g.f) % queues);
        if (fake_rand(&m.g.f) % 3 == 0)
            fake_step(&m.g.f);
        if (fake_rand(&m.g.f) % 2)
            mix_poll(&m);
        if (fake_rand(&m.g.f) % 200 == 0)
            CHECK_EQ(vdrv_block_flush(m.g.blk), VDRV_OK);
    }
    for (unsigned i = 0; m.out && i < 1000; i++) {
        for (uint32_t q = 0; q < queues; q++)
            vdrv_block_kick(m.g.blk, q);
        fake_step(&m.g.f);
        mix_poll(&m);
    }
    CHECK_EQ(m.out, 0);
    CHECK(m.ended > 500);
    CHECK_MEM(m.g.dev.disk, reference, sizeof(reference));
    disk_down(&m.g);
}

static void test_random_mix(void)
{
    uint64_t seed = check_seed();

    for (uint32_t mode = 0; mode < 3; mode++)
        for (uint32_t queues = 1; queues <= 4; queues += 3)
            for (int ind = 0; ind < 2; ind++)
                mix_run(mode, queues, ind, seed * 100 + mode * 10 + queues);
}

static const struct check_case cases[] = {
    {"blk_request_timeout", test_request_timeout},
    {"blk_cancel", test_cancel},
    {"blk_max_segs_huge", test_max_segs_huge},
    {"blk_queue_size_small", test_queue_size_small},
    {"blk_random_mix", test_random_mix},
    {"fault_F07_length_too_long", fault_F07_length_too_long},
    {"fault_F14_never_completes", fault_F14_never_completes},
    {"fault_F14_full_and_never", fault_F14_full_and_never},
    {"fault_F15_slow", fault_F15_slow},
    {"fault_F16_completes_during_reset", fault_F16_completes_during_reset},
    {"fault_F41_block_size", fault_F41_block_size},
    {"fault_F42_status_byte", fault_F42_status_byte},
    {"fault_F42_status_never_written", fault_F42_status_never_written},
    {"fault_F43_io_error", fault_F43_io_error},
    {"fault_F44_capacity", fault_F44_capacity},
    {"fault_F44_size_max", fault_F44_size_max},
    {"fault_F45_resize_in_flight", fault_F45_resize_in_flight},
    {"fault_F46_limits_of_zero", fault_F46_limits_of_zero},
    {"fault_F46_seg_max_huge", fault_F46_seg_max_huge},
    {"fault_F48_short_length", fault_F48_short_length},
    {"fault_F75_stop_in_flight", fault_F75_stop_in_flight},
    {"fault_F76_twice_and_after", fault_F76_twice_and_after},
    {"fault_F87_submit_from_aborted", fault_F87_submit_from_aborted},
};

CHECK_MAIN(cases)
