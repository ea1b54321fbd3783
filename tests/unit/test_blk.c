/* SPDX-License-Identifier: MIT */
/*
 * The block driver against block.h and virtio_blk.h: every operation, both
 * speeds, every limit, on a disk that keeps the rules.  What each disk does is
 * checked from outside, in the fake's memory.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t big[1 << 20], back[1 << 20];

/* Ways to run the same disk. */
struct variant {
    uint32_t mode;
    uint8_t no_indirect, no_event, packed;
};

static const struct variant variants[] = {
    {FAKE_DIRECT, 0, 0, 0}, {FAKE_DIRECT, 1, 0, 0}, {FAKE_DIRECT, 0, 1, 0},
    {FAKE_DIRECT, 1, 1, 0}, {FAKE_MAPPED, 0, 0, 0}, {FAKE_MAPPED, 1, 0, 0},
    {FAKE_MAPPED, 0, 1, 0}, {FAKE_MAPPED, 1, 1, 0}, {FAKE_WINDOW, 0, 0, 0},
    {FAKE_WINDOW, 1, 1, 0}, {FAKE_DIRECT, 0, 0, 1}, {FAKE_DIRECT, 1, 0, 1},
    {FAKE_DIRECT, 1, 1, 1}, {FAKE_MAPPED, 0, 0, 1}, {FAKE_MAPPED, 1, 1, 1},
    {FAKE_WINDOW, 1, 0, 1},
};

#define FOR_VARIANTS(v)                                                        \
    for (const struct variant *v = variants; v < variants + COUNT(variants);   \
         v++)

static bool up_variant(struct disk_rig *g, const struct variant *v,
                       struct disk_opts o)
{
    o.machine.mode = v->mode;
    o.drv.no_indirect = v->no_indirect;
    o.drv.no_event_idx = v->no_event;
    o.drv.packed = v->packed ? &vdrv_queue_packed : NULL;
    disk_machine(g, &o);
    fake_dev_offer(&g->dev.dev, FAKE_F_RING_PACKED, true);
    CHECK_EQ(disk_probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    CHECK_EQ(fake_dev_has(&g->dev.dev, FAKE_F_RING_PACKED), v->packed);
    return check_failures == 0;
}

/* ---- Blocking reads and writes -------------------------------------------------- */

static void test_read_write(void)
{
    static const size_t len[] = {512, 1024, 4096, 65536, 300 * 512};

    FOR_VARIANTS(v)
    {
        struct disk_opts o = {.machine = {.max_run = 5000}};
        struct disk_rig g;

        if (!up_variant(&g, v, o))
            return;
        for (size_t i = 0; i < COUNT(len); i++)
            for (unsigned shift = 0; shift < 4; shift += 3) {
                uint64_t at = i * 301;

                disk_fill(big + shift, len[i], i);
                memset(back, 0, len[i] + 8);
                CHECK_EQ(vdrv_block_write_block(g.blk, at, big + shift, len[i]),
                         VDRV_OK);
                CHECK_MEM(g.dev.disk + at * 512, big + shift, len[i]);
                CHECK_EQ(vdrv_block_read_block(g.blk, at, back + 1, len[i]),
                         VDRV_OK);
                CHECK_MEM(back + 1, big + shift, len[i]);
                CHECK_EQ(back[0] | back[len[i] + 1], 0);
            }
        disk_down(&g);
    }
}

/* BLK-02: split to each limit, nothing lost; the fake checks the limits. */
static void test_split(void)
{
    static const struct {
        uint32_t seg_max, size_max, segs;
    } row[] = {{1, 0, 0},   {2, 0, 0},      {1, 512, 0},      {2, 1000, 0},
               {3, 700, 2}, {16, 4096, 16}, {126, 65536, 64}, {1, 1 << 20, 1}};

    for (size_t i = 0; i < COUNT(row); i++)
        FOR_VARIANTS(v)
        {
            struct disk_opts o = {
                .disk = {.seg_max = row[i].seg_max,
                         .size_max = row[i].size_max},
                .drv = {.max_segs = row[i].segs, .queue_size = 64}};
            struct vdrv_block_caps c;
            struct disk_rig g;

            o.machine.max_run = i % 2 ? 1500 : 0;
            if (!up_variant(&g, v, o))
                return;
            CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
            CHECK(c.max_segs >= 1 && c.max_segs <= row[i].seg_max);
            disk_fill(big, 200 * 512, i);
            CHECK_EQ(vdrv_block_write_block(g.blk, 100, big, 200 * 512),
                     VDRV_OK);
            CHECK_MEM(g.dev.disk + 51200, big, 200 * 512);
            memset(back, 0, 200 * 512);
            CHECK_EQ(vdrv_block_read_block(g.blk, 100, back, 200 * 512),
                     VDRV_OK);
            CHECK_MEM(back, big, 200 * 512);
            disk_down(&g);
            if (check_failures) {
                printf("  row %zu, variant %u\n", i, (unsigned)(v - variants));
                return;
            }
        }
}

static void test_ranges_checked(void)
{
    static const struct {
        uint64_t block;
        size_t len;
        int err;
    } row[] = {
        {0, 0, VDRV_OK},
        {2048, 0, VDRV_OK},
        {0, 100, VDRV_ERR_INVALID},
        {0, 513, VDRV_ERR_INVALID},
        {2047, 512, VDRV_OK},
        {2047, 1024, VDRV_ERR_INVALID},
        {2048, 512, VDRV_ERR_INVALID},
        {2049, 512, VDRV_ERR_INVALID},
        {UINT64_MAX, 512, VDRV_ERR_INVALID},
        {UINT64_MAX - 1, 2048, VDRV_ERR_INVALID},
        {UINT64_MAX / 512 + 1, 512, VDRV_ERR_INVALID},
        {0, SIZE_MAX - 511, VDRV_ERR_INVALID},
        {1, (size_t)2048 * 512, VDRV_ERR_INVALID},
    };
    struct disk_rig g;
    uint32_t before;

    if (!disk_up(&g, NULL))
        return;
    for (size_t i = 0; i < COUNT(row); i++) {
        before = g.dev.requests[0] + g.dev.requests[1];
        CHECK_EQ(vdrv_block_read_block(g.blk, row[i].block, big, row[i].len),
                 row[i].err);
        CHECK_EQ(vdrv_block_write_block(g.blk, row[i].block, big, row[i].len),
                 row[i].err);
        if (row[i].err || !row[i].len)
            CHECK_EQ(g.dev.requests[0] + g.dev.requests[1], before);
    }
    CHECK_EQ(vdrv_block_read_block(NULL, 0, big, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, NULL, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, NULL, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(NULL, 0, big, 512), VDRV_ERR_INVALID);
    disk_works(&g);
    disk_down(&g);
}

/* BLK-03: sectors stay 512 bytes whatever a block is. */
static void test_block_sizes(void)
{
    for (uint32_t bs = 512; bs <= 65536; bs *= 2) {
        struct disk_opts o = {
            .disk = {.sectors = 1027, .blk_size = bs, .range_max = 1000}};
        struct disk_rig g;
        uint64_t n = 1027 / (bs / 512);

        if (!disk_up(&g, &o))
            return;
        CHECK_EQ(vdrv_block_block_size(g.blk), bs);
        CHECK_EQ(vdrv_block_num_blocks(g.blk), n);
        disk_works(&g);
        disk_fill(big, bs, bs);
        CHECK_EQ(vdrv_block_write_block(g.blk, n - 1, big, bs), VDRV_OK);
        CHECK_MEM(g.dev.disk + (n - 1) * bs, big, bs);
        CHECK_EQ(vdrv_block_write_block(g.blk, n, big, bs), VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_write_block(g.blk, 0, big, bs / 2),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_write_zeroes(g.blk, n - 1, 1, 0), VDRV_OK);
        CHECK_EQ(g.dev.disk[(n - 1) * bs], 0);
        CHECK_EQ(g.dev.disk[n * bs - 1], 0);
        CHECK_EQ(vdrv_block_write_zeroes(g.blk, n - 1, 2, 0), VDRV_ERR_INVALID);
        disk_down(&g);
    }
}

static void test_caps(void)
{
    struct disk_opts o = {.disk = {.seg_max = 9, .size_max = 8192},
                          .drv = {.queue_size = 32}};
    struct vdrv_block_caps c;
    struct vdrv_identity id;
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    memset(&c, 0xEE, sizeof(c));
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.num_blocks, 2048);
    CHECK_EQ(c.block_size, 512);
    CHECK_EQ(c.physical_block, 8);
    CHECK_EQ(c.alignment, 0);
    CHECK_EQ(c.min_io, 8);
    CHECK_EQ(c.opt_io, 64);
    CHECK_EQ(c.max_segs, 9);
    CHECK_EQ(c.max_seg_bytes, 8192);
    CHECK_EQ(c.max_bytes, 9 * 8192);
    CHECK(c.dma_align <= 1);
    CHECK_EQ(c.queues, 1);
    CHECK_EQ(c.depth, 32);
    CHECK(!c.read_only && c.write_cache && c.can_flush && c.can_discard);
    CHECK(c.can_write_zeroes && c.can_unmap_zeroes && c.can_secure_erase);
    CHECK_EQ(c.zoned, 0);
    CHECK(c.max_discard >= 1024 && c.discard_align == 1);
    CHECK(c.max_write_zeroes >= 1024 && c.max_secure_erase >= 1024);
    CHECK(strcmp(vdrv_device_name(&g.blk->dev), "virtio-blk") == 0);
    CHECK_EQ(vdrv_device_type(&g.blk->dev), VDRV_TYPE_BLOCK);
    CHECK_EQ(vdrv_identify(&g.blk->dev, &id), VDRV_OK);
    CHECK(strcmp(id.driver, "virtio-blk") == 0);
    CHECK(strcmp(id.location, "mmio 10001000") == 0);
    CHECK_EQ(id.device_id, 2);
    CHECK_EQ(id.vendor_id, 0x554D4551);
    CHECK_EQ(vdrv_block_get_caps(g.blk, NULL), VDRV_ERR_INVALID);
    disk_down(&g);
}

/* ---- Read-only, cache ------------------------------------------------------------- */

/* BLK-15, BLK-18. */
static void fault_F50_read_only(void)
{
    struct disk_opts o = {.disk = {.read_only = true}};
    struct vdrv_seg seg = vdrv_seg_out(big, 512);
    struct vdrv_block_request r = {
        .op = VDRV_BLOCK_WRITE, .nsegs = 1, .segs = &seg};
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.read_only, 1);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, big, 512), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_submit(g.blk, &r), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_write_zeroes(g.blk, 0, 1, 0), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_discard(g.blk, 0, 1), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 0, 1), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_write_bytes(g.blk, 3, big, 5, back),
             VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, big, 512), VDRV_OK);
    CHECK_EQ(g.dev.requests[FAKE_BLK_OUT], 0);
    r.nsegs = 0; /* nothing is OK */
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, big, 0), VDRV_OK);
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_OK);
    disk_down(&g);
}

/* Pitfall 3: what was flushed survives, what was not may be lost. */
static void test_flush_is_durable(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    memset(big, 1, 512);
    CHECK_EQ(vdrv_block_write_block(g.blk, 7, big, 512), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 1);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0);
    memset(big, 2, 512);
    CHECK_EQ(vdrv_block_write_block(g.blk, 8, big, 512), VDRV_OK);
    fake_blk_power_cut(&g.dev, 0);
    CHECK_EQ(g.dev.disk[7 * 512], 1);
    CHECK_EQ(g.dev.disk[8 * 512], 0);
    CHECK_EQ(g.dev.requests[FAKE_BLK_FLUSH], 1);
    disk_down(&g);
}

static void fault_F47_flush(void)
{
    struct disk_opts o = {.disk = {.without = BIT64(FAKE_BLK_F_FLUSH) |
                                              BIT64(FAKE_BLK_F_CONFIG_WCE)}};
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.can_flush | c.write_cache, 0);
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, big, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(g.dev.requests[FAKE_BLK_FLUSH], 0);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, true), VDRV_ERR_UNSUPPORTED);
    disk_down(&g);
    /* A flush that fails is an error, and of that call only. */
    if (!disk_up(&g, NULL))
        return;
    fake_blk_fail(&g.dev, FAKE_BLK_FLUSH, 0, 1, FAKE_BLK_IOERR);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_IO);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

static void test_write_cache(void)
{
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_block_write_block(g.blk, 0, big, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_OK);
    CHECK(!g.dev.writeback);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 0);
    /* BLK-28: what was in the cache is made durable all the same. */
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0);
    CHECK_EQ(vdrv_block_write_block(g.blk, 1, big, 512), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, true), VDRV_OK);
    CHECK(g.dev.writeback);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 1);
    CHECK_EQ(vdrv_block_write_block(g.blk, 2, big, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(g.blk), VDRV_OK);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0);
    disk_down(&g);
}

/* ---- Ranges, id, life time ----------------------------------------------------------- */

typedef int range_fn(struct vdrv_block *blk, uint64_t block, uint64_t nblocks);

static int zeroes(struct vdrv_block *blk, uint64_t block, uint64_t n)
{
    return vdrv_block_write_zeroes(blk, block, n, 0);
}

static int zeroes_unmap(struct vdrv_block *blk, uint64_t block, uint64_t n)
{
    return vdrv_block_write_zeroes(blk, block, n, VDRV_BLOCK_UNMAP);
}

static const struct {
    range_fn *fn;
    uint32_t feature, type;
    uint8_t byte;
} range_op[] = {
    {vdrv_block_discard, FAKE_BLK_F_DISCARD, FAKE_BLK_DISCARD,
     FAKE_BLK_DISCARDED},
    {zeroes, FAKE_BLK_F_WRITE_ZEROES, FAKE_BLK_WRITE_ZEROES, 0},
    {zeroes_unmap, FAKE_BLK_F_WRITE_ZEROES, FAKE_BLK_WRITE_ZEROES, 0},
    {vdrv_block_secure_erase, FAKE_BLK_F_SECURE_ERASE, FAKE_BLK_SECURE_ERASE,
     FAKE_BLK_DISCARDED},
};

/* BLK-30, BLK-31: nothing is read into an error, or into what was discarded. */
static void range_one(size_t i)
{
    struct disk_opts o = {.disk = {.range_max = 100, .ranges = 1}};
    range_fn *fn = range_op[i].fn;
    struct disk_rig g;
    uint32_t before;

    if (!disk_up(&g, &o))
        return;
    memset(g.dev.disk, 0x11, 2048 * 512);
    CHECK_EQ(fn(g.blk, 10, 1000), VDRV_OK);
    for (uint32_t s = 0; s < 2048; s++) {
        uint8_t want = s >= 10 && s < 1010 ? range_op[i].byte : 0x11;

        CHECK(g.dev.disk[s * 512] == want && g.dev.disk[s * 512 + 511] == want);
    }
    CHECK_EQ(g.dev.requests[range_op[i].type], 10);
    CHECK_EQ(fn(g.blk, 2047, 1), VDRV_OK);
    before = g.dev.requests[range_op[i].type];
    CHECK_EQ(fn(g.blk, 0, 0), VDRV_OK);
    CHECK_EQ(fn(g.blk, 2048, 1), VDRV_ERR_INVALID);
    CHECK_EQ(fn(g.blk, 2000, 49), VDRV_ERR_INVALID);
    CHECK_EQ(fn(g.blk, 1, UINT64_MAX), VDRV_ERR_INVALID);
    CHECK_EQ(fn(g.blk, UINT64_MAX, 2), VDRV_ERR_INVALID);
    CHECK_EQ(fn(NULL, 0, 1), VDRV_ERR_INVALID);
    CHECK_EQ(g.dev.requests[range_op[i].type], before);
    fake_blk_fail(&g.dev, range_op[i].type, 1, 1, FAKE_BLK_IOERR);
    CHECK_EQ(fn(g.blk, 0, 300), VDRV_ERR_IO);
    disk_down(&g);
    o.disk.without = BIT64(range_op[i].feature);
    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(fn(g.blk, 0, 1), VDRV_ERR_UNSUPPORTED);
    disk_down(&g);
}

static void test_range_ops(void)
{
    for (size_t i = 0; i < COUNT(range_op); i++)
        range_one(i);
}

/* BLK-23, BLK-45: 20 bytes have no NUL of their own. */
static void fault_F49_get_id(void)
{
    static const char *const id[] = {
        "abcdefghij0123456789", "short",
        "\xff\x80 not ascii \x01\x02\x03\x04\x05\x06"};

    for (size_t i = 0; i < COUNT(id); i++) {
        struct disk_opts o = {.disk = {.id = id[i]}};
        struct disk_rig g;
        char got[VDRV_BLOCK_ID_SIZE + 1];

        if (!disk_up(&g, &o))
            return;
        memset(got, 0x7E, sizeof(got));
        CHECK_EQ(vdrv_block_get_id(g.blk, got), VDRV_OK);
        CHECK_EQ(strlen(got), strlen(id[i]));
        CHECK(strncmp(got, id[i], 20) == 0);
        CHECK_EQ(got[VDRV_BLOCK_ID_SIZE], 0x7E);
        fake_blk_fail(&g.dev, FAKE_BLK_GET_ID, 0, 1, FAKE_BLK_UNSUPP);
        CHECK_EQ(vdrv_block_get_id(g.blk, got), VDRV_ERR_UNSUPPORTED);
        CHECK_EQ(vdrv_block_get_id(g.blk, NULL), VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_get_id(NULL, got), VDRV_ERR_INVALID);
        disk_down(&g);
    }
}

static void test_lifetime(void)
{
    uint8_t life[6] = {0};
    struct vdrv_seg seg = vdrv_seg_in(life, 6);
    struct vdrv_block_request r = {
        .op = VDRV_BLOCK_GET_LIFETIME, .nsegs = 1, .segs = &seg};
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_OK);
    CHECK_EQ(r.status, VDRV_OK);
    CHECK(life[0] == 1 && life[2] == 2 && life[4] == 3);
    seg.len = 5;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_INVALID);
    disk_down(&g);
}

/* ---- Submitted requests ---------------------------------------------------------------- */

/* A request with its own data, and what happened to it. */
struct job {
    struct vdrv_block_request req; /* first */
    struct vdrv_seg seg;
    uint8_t data[512];
    int done;
    int order;
};

static int finished;

static void job_done(struct vdrv_block_request *req)
{
    struct job *j = (struct job *)req;

    CHECK(req->status != VDRV_PENDING);
    j->done++;
    j->order = finished++;
}

static void job_init(struct job *j, uint32_t op, uint64_t block)
{
    memset(&j->req, 0, sizeof(j->req));
    j->seg = vdrv_seg_in(j->data, 512);
    j->req.op = op;
    j->req.block = block;
    j->req.segs = &j->seg;
    j->req.nsegs = 1;
    j->req.done = job_done;
    j->done = 0;
    j->order = -1;
}

static struct job jobs[256];

/* Held requests complete in any order; watch-by-status and callback mixed. */
static void test_out_of_order(void)
{
    FOR_VARIANTS(v)
    {
        struct disk_opts none = {0};
        struct disk_rig g;

        if (!up_variant(&g, v, none))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        for (unsigned i = 0; i < 32; i++) {
            job_init(&jobs[i], i % 2 ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ, i);
            disk_fill(g.dev.disk + i * 512, 512, i);
            disk_fill(jobs[i].data, 512, 1000 + i);
            if (i % 4 == 0)
                jobs[i].req.done = NULL;
            CHECK_EQ(vdrv_block_submit(g.blk, &jobs[i].req), VDRV_OK);
            CHECK_EQ(jobs[i].req.status, VDRV_PENDING);
        }
        CHECK_EQ(g.dev.dev.kicks, 0);
        CHECK_EQ(vdrv_block_kick(g.blk, 0), 1);
        CHECK_EQ(g.dev.dev.kicks, 1);
        fake_step(&g.f);
        REQUIRE(fake_dev_pending(&g.dev.dev) == 32);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        while (fake_dev_pending(&g.dev.dev))
            fake_dev_release(&g.dev.dev,
                             fake_rand(&g.f) % fake_dev_pending(&g.dev.dev));
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 5), 5);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 27);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        for (unsigned i = 0; i < 32; i++) {
            uint8_t want[512];

            CHECK_EQ(jobs[i].req.status, VDRV_OK);
            CHECK_EQ(jobs[i].done, i % 4 != 0);
            disk_fill(want, 512, i % 2 ? 1000 + i : i);
            CHECK_MEM(i % 2 ? g.dev.disk + i * 512 : jobs[i].data, want, 512);
        }
        disk_down(&g);
    }
}

/* A full queue is AGAIN; then as many as caps.depth says at least. */
static void test_full(void)
{
    FOR_VARIANTS(v)
    {
        struct disk_opts o = {.drv = {.queue_size = 32, .max_segs = 4}};
        struct vdrv_seg seg[4];
        struct vdrv_block_caps c;
        struct disk_rig g;
        unsigned n = 0;

        if (!up_variant(&g, v, o))
            return;
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        for (int i = 0; i < 4; i++)
            seg[i] = vdrv_seg_in(back + 512 * i, 512);
        for (n = 0; n < 100; n++) {
            int err;

            job_init(&jobs[n], VDRV_BLOCK_READ, n);
            jobs[n].req.segs = seg;
            jobs[n].req.nsegs = 4;
            err = vdrv_block_submit(g.blk, &jobs[n].req);
            if (err) {
                CHECK_EQ(err, VDRV_ERR_AGAIN);
                CHECK_EQ(jobs[n].done, 0);
                break;
            }
        }
        CHECK_EQ(n, c.depth);
        CHECK_EQ(c.depth, v->no_indirect ? 32 / 6 : 32);
        CHECK(vdrv_block_kick(g.blk, 0) >= 0);
        fake_step(&g.f);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), n);
        disk_works(&g);
        disk_down(&g);
    }
}

/* A blocking call beside a full queue waits for room, and completes others. */
static void test_blocking_beside_full(void)
{
    struct disk_opts o = {.drv = {.queue_size = 8}};
    struct disk_rig g;
    unsigned n;

    if (!disk_up(&g, &o))
        return;
    g.dev.dev.complete = FAKE_COMPLETE_ORDER;
    g.dev.dev.per_step = 1;
    for (n = 0; n < 100; n++) {
        job_init(&jobs[n], VDRV_BLOCK_READ, n);
        if (vdrv_block_submit(g.blk, &jobs[n].req))
            break;
    }
    CHECK_EQ(n, 8);
    disk_works(&g); /* not kicked by us */
    for (unsigned i = 0; i < n; i++)
        CHECK_EQ(jobs[i].done, 1);
    disk_down(&g);
}

static const struct {
    struct vdrv_block_request r;
    uint32_t len[4];
    int err;
} bad_submit[] = {
    {{.op = 0, .nsegs = 1}, {512}, VDRV_ERR_INVALID},
    {{.op = 99, .nsegs = 1}, {512}, VDRV_ERR_INVALID},
    {{.op = UINT32_MAX, .nsegs = 1}, {512}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 1, .queue = 1}, {512}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 1, .queue = UINT32_MAX}, {512}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 1}, {100}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 2}, {512, 100}, VDRV_ERR_INVALID},
    {{.op = 2, .nsegs = 1, .block = 2048}, {512}, VDRV_ERR_INVALID},
    {{.op = 2, .nsegs = 2, .block = 2047}, {512, 512}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 1, .block = UINT64_MAX}, {512}, VDRV_ERR_INVALID},
    {{.op = 1, .nsegs = 4}, {512, 512, 512, 512}, VDRV_ERR_TOO_BIG},
    {{.op = 1, .nsegs = UINT32_MAX}, {512}, VDRV_ERR_TOO_BIG},
    {{.op = 1, .nsegs = 1}, {4608}, VDRV_ERR_TOO_BIG},
    {{.op = 4, .nblocks = 65}, {0}, VDRV_ERR_TOO_BIG},
    {{.op = 5, .nblocks = 65}, {0}, VDRV_ERR_TOO_BIG},
    {{.op = 6, .nblocks = 65}, {0}, VDRV_ERR_TOO_BIG},
    {{.op = 4, .nblocks = 2, .block = 2047}, {0}, VDRV_ERR_INVALID},
    {{.op = 4, .nblocks = UINT64_MAX, .block = 2}, {0}, VDRV_ERR_INVALID},
    {{.op = 7, .nsegs = 1}, {19}, VDRV_ERR_INVALID},
    {{.op = 7, .nsegs = 1}, {21}, VDRV_ERR_INVALID},
    {{.op = 7, .nsegs = 0}, {0}, VDRV_ERR_INVALID},
    {{.op = 8, .nsegs = 1}, {7}, VDRV_ERR_INVALID},
    {{.op = 9, .nsegs = 1}, {512}, VDRV_ERR_UNSUPPORTED},
    {{.op = 13}, {0}, VDRV_ERR_UNSUPPORTED},
    {{.op = 15, .nsegs = 1}, {512}, VDRV_ERR_UNSUPPORTED},
    {{.op = 3, .nsegs = 1}, {512}, VDRV_ERR_INVALID},
};

static void test_submit_errors(void)
{
    struct disk_opts o = {.disk = {.size_max = 4096, .range_max = 64},
                          .drv = {.max_segs = 3}};
    struct vdrv_seg seg[8];
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    for (size_t i = 0; i < COUNT(bad_submit); i++) {
        struct job *j = &jobs[0];

        job_init(j, bad_submit[i].r.op, bad_submit[i].r.block);
        for (int k = 0; k < 4; k++)
            seg[k] = vdrv_seg_in(back + 8192 * k, bad_submit[i].len[k]);
        j->req.queue = bad_submit[i].r.queue;
        j->req.nblocks = bad_submit[i].r.nblocks;
        j->req.nsegs = bad_submit[i].r.nsegs;
        j->req.segs = seg;
        CHECK_EQ(vdrv_block_submit(g.blk, &j->req), bad_submit[i].err);
        CHECK_EQ(j->done, 0);
        CHECK_EQ(vdrv_block_kick(g.blk, 0), 0);
        if (check_failures) {
            printf("  row %zu\n", i);
            break;
        }
    }
    CHECK_EQ(g.f.maps_live, 0);
    disk_works(&g);
    disk_down(&g);
}

static void test_wrong_arguments(void)
{
    struct vdrv_block_request r;
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    job_init(&jobs[0], VDRV_BLOCK_READ, 0);
    r = jobs[0].req;
    r.segs = NULL;
    CHECK_EQ(vdrv_block_submit(g.blk, &r), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_submit(g.blk, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_submit(NULL, &r), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_kick(NULL, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_kick(g.blk, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 1, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_arm(&g.blk->dev, 1, VDRV_ARM_NEXT), VDRV_ERR_INVALID);
    CHECK_EQ(g.f.maps_live, 0);
    disk_works(&g);
    disk_down(&g);
}

/* Nothing to do completes inside submit, with its callback. */
static void test_submit_nothing(void)
{
    struct disk_opts o = {.disk = {.without = BIT64(FAKE_BLK_F_FLUSH) |
                                              BIT64(FAKE_BLK_F_CONFIG_WCE)}};
    static const uint32_t op[] = {VDRV_BLOCK_READ, VDRV_BLOCK_WRITE,
                                  VDRV_BLOCK_DISCARD, VDRV_BLOCK_WRITE_ZEROES,
                                  VDRV_BLOCK_FLUSH};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    for (size_t i = 0; i < COUNT(op); i++) {
        job_init(&jobs[i], op[i], 0);
        jobs[i].req.nsegs = 0;
        CHECK_EQ(vdrv_block_submit(g.blk, &jobs[i].req), VDRV_OK);
        CHECK_EQ(jobs[i].done, 1);
        CHECK_EQ(jobs[i].req.status, VDRV_OK);
    }
    CHECK_EQ(g.dev.dev.kicks, 0);
    disk_down(&g);
}

/* Every operation, submitted. */
static void test_all_ops_submitted(void)
{
    FOR_VARIANTS(v)
    {
        struct disk_opts none = {0};
        struct disk_rig g;

        if (!up_variant(&g, v, none))
            return;
        for (uint32_t op = VDRV_BLOCK_READ; op <= VDRV_BLOCK_GET_LIFETIME;
             op++) {
            struct job *j = &jobs[op];

            job_init(j, op, op * 10);
            disk_fill(j->data, 512, op);
            if (op >= VDRV_BLOCK_FLUSH && op <= VDRV_BLOCK_SECURE_ERASE)
                j->req.nsegs = 0;
            if (op == VDRV_BLOCK_FLUSH)
                j->req.block = 0;
            j->req.nblocks =
                op >= VDRV_BLOCK_DISCARD && op <= VDRV_BLOCK_SECURE_ERASE ? 5
                                                                          : 0;
            j->seg.len = op == VDRV_BLOCK_GET_ID         ? 20
                         : op == VDRV_BLOCK_GET_LIFETIME ? 6
                                                         : 512;
            CHECK_EQ(vdrv_block_submit(g.blk, &j->req), VDRV_OK);
        }
        CHECK_EQ(vdrv_block_kick(g.blk, 0), 1);
        fake_step(&g.f);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
        for (uint32_t op = 1; op <= 8; op++) {
            CHECK_EQ(jobs[op].done, 1);
            CHECK_EQ(jobs[op].req.status, VDRV_OK);
        }
        CHECK_MEM(jobs[7].data, "fake-disk-0123456789", 20);
        CHECK_EQ(jobs[7].req.result, 20);
        CHECK_EQ(g.dev.disk[50 * 512], 0);
        CHECK_EQ(g.dev.disk[40 * 512], FAKE_BLK_DISCARDED);
        CHECK_EQ(g.dev.disk[64 * 512 + 511], FAKE_BLK_DISCARDED);
        disk_down(&g);
    }
}

/* ---- Callbacks ------------------------------------------------------------------------- */

static struct disk_rig *cb_rig;
static int resubmits, busy_seen;

static void again_done(struct vdrv_block_request *req)
{
    CHECK_EQ(req->status, VDRV_OK);
    if (resubmits-- > 0) {
        CHECK_EQ(vdrv_block_submit(cb_rig->blk, req), VDRV_OK);
        CHECK(vdrv_block_kick(cb_rig->blk, 0) >= 0);
    }
}

static void test_reuse_in_done(void)
{
    struct disk_opts o = {.drv = {.queue_size = 4}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    cb_rig = &g;
    g.dev.dev.immediate = true; /* the device answers inside the kick */
    job_init(&jobs[0], VDRV_BLOCK_READ, 3);
    jobs[0].req.done = again_done;
    resubmits = 100000;
    CHECK_EQ(vdrv_block_submit(g.blk, &jobs[0].req), VDRV_OK);
    vdrv_block_kick(g.blk, 0);
    /* One poll is bounded although each completion begins another request. */
    CHECK(vdrv_poll(&g.blk->dev, 0, 0) <= 4);
    while (resubmits >= 0 && vdrv_poll(&g.blk->dev, 0, 0) > 0)
        ;
    CHECK_EQ(resubmits, -1);
    CHECK_EQ(g.dev.requests[FAKE_BLK_IN], 100001);
    disk_down(&g);
}

/*
 * Room in a full queue always goes to callbacks, which submit anew: the device
 * works, so it is not reset, but the wait for room has its bound too.
 */
static void test_no_room_for_ever(void)
{
    struct disk_opts o = {.drv = {.queue_size = 8, .timeout_us = 5000}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    cb_rig = &g;
    g.dev.dev.immediate = true;
    resubmits = 1000000000;
    for (unsigned n = 0; n < 8; n++) {
        job_init(&jobs[n], VDRV_BLOCK_READ, n);
        jobs[n].req.done = again_done;
        CHECK_EQ(vdrv_block_submit(g.blk, &jobs[n].req), VDRV_OK);
    }
    CHECK_EQ(vdrv_block_read_block(g.blk, 9, back, 512), VDRV_ERR_AGAIN);
    CHECK(g.f.now < 1000000);
    resubmits = 0;
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 8);
    disk_works(&g);
    disk_down(&g);
}

static void busy_done(struct vdrv_block_request *req)
{
    struct disk_rig *g = cb_rig;
    struct vdrv_device *dev = &g->blk->dev;
    char id[VDRV_BLOCK_ID_SIZE];
    struct vdrv_block_caps c;

    CHECK_EQ(vdrv_poll(dev, 0, 0), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_read_block(g->blk, 0, back, 512), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_write_block(g->blk, 0, back, 512), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_flush(g->blk), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_discard(g->blk, 0, 1), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_get_id(g->blk, id), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_execute(g->blk, &jobs[9].req), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_stop(dev), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_reset(dev), VDRV_ERR_BUSY);
    CHECK(vdrv_start(dev) == VDRV_ERR_BUSY || vdrv_start(dev) == VDRV_OK);
    CHECK_EQ(vdrv_virtio_blk_fini(&g->drv), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_block_get_caps(g->blk, &c), VDRV_OK);
    CHECK(vdrv_irq(dev, 0) <= 3);
    CHECK(vdrv_arm(dev, 0, VDRV_ARM_NEXT) >= 0);
    busy_seen++;
    (void)req;
}

static void fault_F87_calls_from_done(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    cb_rig = &g;
    busy_seen = 0;
    job_init(&jobs[9], VDRV_BLOCK_READ, 0);
    for (int i = 0; i < 3; i++) {
        job_init(&jobs[i], VDRV_BLOCK_READ, 3);
        jobs[i].req.done = busy_done;
        CHECK_EQ(vdrv_block_submit(g.blk, &jobs[i].req), VDRV_OK);
    }
    vdrv_block_kick(g.blk, 0);
    fake_step(&g.f);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 3);
    CHECK_EQ(busy_seen, 3);
    disk_works(&g);
    disk_down(&g);
}

/* ---- Sleeping --------------------------------------------------------------------------- */

static int other_polls;

/* Another caller polls while this one sleeps. */
static void other_caller(void *arg, struct vdrv_device *dev, uint32_t queue,
                         uint32_t max_us)
{
    struct disk_rig *g = arg;

    CHECK(dev == &g->blk->dev);
    CHECK_EQ(queue, 0);
    CHECK(max_us > 0 && max_us <= 30000000);
    fake_step(&g->f);
    if (other_polls)
        CHECK_EQ(vdrv_poll(dev, queue, 0), 1);
}

static void test_wait_and_wake(void)
{
    for (other_polls = 0; other_polls < 2; other_polls++) {
        struct disk_rig g;
        uint32_t irqs;

        if (!disk_up(&g, NULL))
            return;
        g.f.wait_hook = other_caller;
        g.f.wait_arg = &g;
        g.f.no_step = true; /* only the sleep lets the device work */
        irqs = g.dev.dev.irqs;
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, back, 512), VDRV_OK);
        CHECK_EQ(g.f.waits, 1);
        CHECK_EQ(g.f.wakes, other_polls ? 1 : 0);
        CHECK_EQ(g.dev.dev.irqs, irqs + 1); /* it asked for one */
        g.f.no_step = false;
        disk_down(&g);
    }
}

/* Without a wait the library polls, and asks for no interrupt. */
static void test_no_wait_no_irq(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    g.f.hal.wait = NULL;
    CHECK_EQ(vdrv_arm(&g.blk->dev, 0, VDRV_ARM_OFF), 0);
    for (int i = 0; i < 100; i++)
        disk_works(&g);
    CHECK_EQ(g.dev.dev.irqs, 0);
    disk_down(&g);
}

/* The interrupt loop of base.h, device working at any moment. */
static void test_interrupt_loop(void)
{
    for (uint32_t mode = VDRV_ARM_NEXT; mode <= VDRV_ARM_LATE; mode++) {
        struct disk_rig g;
        unsigned submitted = 0, done = 0, idle = 0;

        if (!disk_up(&g, NULL))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_RANDOM;
        finished = 0;
        while (done < 5000 && idle < 1000) {
            uint32_t irqs = g.dev.dev.irqs;
            unsigned n = fake_rand(&g.f) % 8;

            while (n-- && submitted - done < 16 && submitted < 5000) {
                job_init(&jobs[submitted % 16], VDRV_BLOCK_READ, 1);
                if (vdrv_block_submit(g.blk, &jobs[submitted % 16].req))
                    break;
                submitted++;
            }
            vdrv_block_kick(g.blk, 0);
            do {
                int r = vdrv_poll(&g.blk->dev, 0, 0);

                REQUIRE(r >= 0);
                done += (unsigned)r;
            } while (vdrv_arm(&g.blk->dev, 0, mode) == 1);
            if (submitted == done) {
                idle++;
                continue;
            }
            /* Asleep: only an interrupt wakes us. */
            g.dev.dev.per_step = fake_rand(&g.f) % 3 + 1;
            for (int i = 0; i < 40 && g.dev.dev.irqs == irqs; i++)
                fake_step(&g.f);
            CHECK(g.dev.dev.irqs != irqs);
            vdrv_irq(&g.blk->dev, 0);
            /* jobs[] is a ring of 16: let all of them end. */
            while (submitted != done) {
                int r;

                fake_step(&g.f);
                r = vdrv_poll(&g.blk->dev, 0, 0);
                REQUIRE(r >= 0);
                done += (unsigned)r;
            }
        }
        CHECK_EQ(done, 5000);
        disk_down(&g);
    }
}

/* ---- Several queues ----------------------------------------------------------------------- */

static void test_multi_queue(void)
{
    struct disk_opts o = {.disk = {.queues = 4}, .drv = {.queues = 4}};
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.queues, 4);
    for (uint32_t q = 0; q < 4; q++)
        CHECK_EQ(vdrv_arm(&g.blk->dev, q, VDRV_ARM_NEXT), 0);
    for (unsigned i = 0; i < 40; i++) {
        job_init(&jobs[i], i & 4 ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ, i);
        jobs[i].req.queue = i % 4;
        CHECK_EQ(vdrv_block_submit(g.blk, &jobs[i].req), VDRV_OK);
    }
    for (uint32_t q = 0; q < 4; q++)
        CHECK_EQ(vdrv_block_kick(g.blk, q), 1);
    fake_step(&g.f);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_QUEUE);
    for (uint32_t q = 0; q < 4; q++) {
        CHECK_EQ(g.dev.dev.queue[q].popped, 10);
        CHECK_EQ(vdrv_poll(&g.blk->dev, q, 0), 10);
        for (unsigned i = 0; i < 40; i++)
            CHECK_EQ(jobs[i].done, i % 4 <= q);
    }
    jobs[0].req.queue = 4;
    CHECK_EQ(vdrv_block_submit(g.blk, &jobs[0].req), VDRV_ERR_INVALID);
    disk_works(&g);
    disk_down(&g);
}

/* BLK-01: as many as the device has, the driver wants, and there is room for. */
static void test_queue_count(void)
{
    static const struct {
        uint32_t has, wants, gets;
    } row[] = {{1, 0, 1},  {4, 0, 1}, {4, 3, 3},   {2, 8, 2},
               {16, 8, 8}, {1, 4, 1}, {16, 100, 8}};

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_opts o = {.disk = {.queues = row[i].has},
                              .drv = {.queues = row[i].wants}};
        struct vdrv_block_caps c;
        struct disk_rig g;
        unsigned ready = 0;

        if (!disk_up(&g, &o))
            return;
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK_EQ(c.queues, row[i].gets);
        for (uint32_t q = 0; q < row[i].has; q++)
            ready += g.dev.dev.queue[q].ready;
        CHECK_EQ(ready, row[i].gets);
        disk_works(&g);
        disk_down(&g);
    }
}

static void test_two_disks(void)
{
    struct disk_rig a, b;

    if (!disk_up(&a, NULL) || !disk_up(&b, NULL))
        return;
    disk_works(&a);
    disk_works(&b);
    memset(big, 5, 512);
    CHECK_EQ(vdrv_block_write_block(a.blk, 0, big, 512), VDRV_OK);
    CHECK_EQ(b.dev.disk[0], 0);
    CHECK_EQ(vdrv_stop(&a.blk->dev), VDRV_OK);
    disk_works(&b);
    disk_down(&a);
    disk_works(&b);
    disk_down(&b);
}

/* ---- Bytes at any offset -------------------------------------------------------------------- */

static void test_bytes(void)
{
    static uint8_t model[64 * 4096], scratch[4096];
    uint64_t seed = check_seed();

    for (uint32_t bs = 512; bs <= 4096; bs *= 8) {
        struct disk_opts o = {
            .machine = {.seed = seed},
            .disk = {.sectors = 64 * bs / 512, .blk_size = bs}};
        struct disk_rig g;
        size_t total = 64 * (size_t)bs;

        if (!disk_up(&g, &o))
            return;
        disk_fill(model, total, 9);
        memcpy(g.dev.disk, model, total);
        for (int i = 0; i < 1500 && check_failures == 0; i++) {
            size_t off = fake_rand(&g.f) % (total + 1);
            size_t len = fake_rand(&g.f) % (i % 2 ? 3 * bs : 40);
            int want = len > total - off ? VDRV_ERR_INVALID : VDRV_OK;

            if (fake_rand(&g.f) & 1) {
                disk_fill(big, len, (uint64_t)i);
                CHECK_EQ(vdrv_block_write_bytes(g.blk, off, big, len, scratch),
                         want);
                if (!want)
                    memcpy(model + off, big, len);
                CHECK_MEM(g.dev.disk, model, total);
            } else {
                back[len] = 0x77;
                CHECK_EQ(vdrv_block_read_bytes(g.blk, off, back, len, scratch),
                         want);
                if (!want)
                    CHECK_MEM(back, model + off, len);
                CHECK_EQ(back[len], 0x77);
            }
        }
        CHECK_EQ(vdrv_block_read_bytes(g.blk, 1, back, 5, NULL),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_read_bytes(g.blk, 1, NULL, 5, scratch),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_read_bytes(NULL, 1, back, 5, scratch),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_write_bytes(g.blk, UINT64_MAX, big, 2, scratch),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_write_bytes(g.blk, 1, big, SIZE_MAX, scratch),
                 VDRV_ERR_INVALID);
        disk_down(&g);
    }
}

static const struct check_case cases[] = {
    {"blk_read_write", test_read_write},
    {"blk_split", test_split},
    {"blk_ranges_checked", test_ranges_checked},
    {"blk_block_sizes", test_block_sizes},
    {"blk_caps", test_caps},
    {"blk_flush_is_durable", test_flush_is_durable},
    {"blk_write_cache", test_write_cache},
    {"blk_range_ops", test_range_ops},
    {"blk_lifetime", test_lifetime},
    {"blk_out_of_order", test_out_of_order},
    {"blk_full", test_full},
    {"blk_blocking_beside_full", test_blocking_beside_full},
    {"blk_submit_errors", test_submit_errors},
    {"blk_wrong_arguments", test_wrong_arguments},
    {"blk_submit_nothing", test_submit_nothing},
    {"blk_all_ops_submitted", test_all_ops_submitted},
    {"blk_reuse_in_done", test_reuse_in_done},
    {"blk_no_room_for_ever", test_no_room_for_ever},
    {"blk_wait_and_wake", test_wait_and_wake},
    {"blk_no_wait_no_irq", test_no_wait_no_irq},
    {"blk_interrupt_loop", test_interrupt_loop},
    {"blk_multi_queue", test_multi_queue},
    {"blk_queue_count", test_queue_count},
    {"blk_two_disks", test_two_disks},
    {"blk_bytes", test_bytes},
    {"fault_F47_flush", fault_F47_flush},
    {"fault_F49_get_id", fault_F49_get_id},
    {"fault_F50_read_only", fault_F50_read_only},
    {"fault_F87_calls_from_done", fault_F87_calls_from_done},
};

CHECK_MAIN(cases)
