/* SPDX-License-Identifier: MIT */
/*
 * Proves the fake before it proves anything else: a raw driver does what is
 * right and sees it work, then does what is wrong and sees it named.
 */
#include "check.h"
#include "rawdrv.h"

#define SLOT      0x10001000u
#define VERSION_1 (1ull << FAKE_F_VERSION_1)
#define EVENT_IDX (1ull << FAKE_F_EVENT_IDX)
#define INDIRECT  (1ull << FAKE_F_INDIRECT_DESC)

/* A machine with one disk behind MMIO and a raw driver. */
struct rig {
    struct fake f;
    struct fake_blk blk;
    struct fake_mmio slot;
    struct raw r;
    struct rawq q;
    uint8_t *mem; /* header, data, status */
    uint64_t dma;
};

#define MEM 8192u

static void rig_up(struct rig *g, const struct fake_config *mc,
                   const struct fake_blk_config *bc)
{
    fake_init(&g->f, mc);
    fake_blk_init(&g->blk, &g->f, bc);
    fake_mmio_init(&g->slot, &g->f, &g->blk.dev, SLOT, 0);
    raw_mmio(&g->r, &g->f, SLOT);
    g->mem = raw_alloc(&g->f, MEM, &g->dma);
}

static bool rig_live(struct rig *g, uint64_t features)
{
    if (!raw_begin(&g->r, features | VERSION_1))
        return false;
    rawq_init(&g->q, &g->r, 0, 8);
    raw_status(&g->r, 0xF);
    return true;
}

static void rig_down(struct rig *g)
{
    raw_free(&g->f, g->mem, g->dma, MEM);
    fake_mmio_fini(&g->slot);
    fake_blk_fini(&g->blk);
    fake_fini(&g->f);
}

static void rig_stop(struct rig *g)
{
    CHECK(raw_reset(&g->r));
    rawq_fini(&g->q);
    rig_down(g);
}

static void blk_add(struct rig *g, uint32_t type, uint64_t sector, uint32_t len)
{
    bool in = type == FAKE_BLK_IN || type == FAKE_BLK_GET_ID;
    struct rawseg seg[3] = {
        {g->dma, 16, false}, {g->dma + 512, len, in}, {g->dma + 64, 1, true}};

    fake_put32(g->mem, type);
    fake_put32(g->mem + 4, 0);
    fake_put64(g->mem + 8, sector);
    g->mem[64] = 0xFF;
    if (len == 0)
        seg[1] = seg[2];
    rawq_add(&g->q, seg, len ? 3 : 2);
}

/* One request; its status byte, or -1 when nothing came. */
static int blk_do(struct rig *g, uint32_t type, uint64_t sector, uint32_t len)
{
    uint32_t id, used;

    blk_add(g, type, sector, len);
    if (!rawq_wait(&g->q, &id, &used))
        return -1;
    return g->mem[64];
}

/* ---- Machine -------------------------------------------------------- */

static void test_dma_arena(void)
{
    struct fake f;
    uint64_t a, b;
    uint8_t *p, *q;

    fake_init(&f, NULL);
    p = f.hal.dma_alloc(&f, 100, 64, UINT64_MAX, 0, &a);
    q = f.hal.dma_alloc(&f, 5000, 4096, UINT64_MAX, VDRV_DMA_PHYSICAL, &b);
    REQUIRE(p && q);
    CHECK(a > UINT32_MAX);
    CHECK(a != (uintptr_t)p);
    CHECK_EQ(b % 4096, 0);
    CHECK_EQ(a, (uintptr_t)p + f.hal.direct_offset);
    CHECK(fake_dma(&f, a, 100, VDRV_DIR_IN) == p);
    CHECK(!fake_dma_try(&f, a, 101, VDRV_DIR_IN));
    CHECK_EQ(f.allocs_live, 2);
    CHECK(!f.hal.dma_alloc(&f, 16, 16, UINT32_MAX, 0, &a));
    f.hal.dma_free(&f, q, b, 5000, VDRV_DMA_PHYSICAL);
    f.hal.dma_free(&f, p, (uintptr_t)p + f.hal.direct_offset, 100, 0);
    CHECK(fake_balanced(&f));
    fake_fini(&f);
}

static void test_dma_faults(void)
{
    struct fake f;
    uint64_t a = 0;
    uint8_t *p;

    fake_init(&f, NULL);
    f.record = true;
    f.fail_alloc = 2;
    p = f.hal.dma_alloc(&f, 64, 64, UINT64_MAX, 0, &a);
    REQUIRE(p);
    CHECK(!f.hal.dma_alloc(&f, 64, 64, UINT64_MAX, 0, &a));
    f.hal.dma_free(&f, p, a, 63, 0);
    CHECK_EQ(fake_violated(&f, "DMA"), 1);
    f.hal.dma_free(&f, p, a, 64, 0);
    CHECK_EQ(fake_violated(&f, "DMA"), 2);
    f.dma_misalign = 1;
    p = f.hal.dma_alloc(&f, 64, 64, UINT64_MAX, 0, &a);
    CHECK_EQ(a & 63, 1);
    fake_violations_clear(&f);
    fake_fini(&f);
    CHECK_EQ(fake_violated(&f, "LEAK"), 1);
}

static void test_mapped_bounce(void)
{
    struct fake_config cfg = {.mode = FAKE_MAPPED, .max_run = 100};
    struct fake f;
    uint8_t buf[150], *dev;
    uint64_t dma;
    uint32_t run;

    memset(buf, 7, sizeof(buf));
    fake_init(&f, &cfg);
    CHECK_EQ(f.hal.dma_map(&f, buf, 150, VDRV_DIR_OUT, 0, &dma, &run), 0);
    CHECK_EQ(run, 100);
    dev = fake_dma(&f, dma, 100, VDRV_DIR_OUT);
    REQUIRE(dev && dev != buf);
    CHECK_EQ(dev[99], 7);
    CHECK(!fake_dma_try(&f, dma, 101, VDRV_DIR_OUT));
    CHECK(!fake_dma_try(&f, dma, 1, VDRV_DIR_IN));
    f.hal.dma_unmap(&f, buf, dma, 100, VDRV_DIR_OUT, 0);
    CHECK(!fake_dma_try(&f, dma, 1, VDRV_DIR_OUT));
    f.hal.dma_map(&f, buf, 10, VDRV_DIR_IN, 0, &dma, &run);
    dev = fake_dma(&f, dma, 10, VDRV_DIR_IN);
    REQUIRE(dev);
    CHECK_EQ(dev[0], FAKE_POISON);
    memset(dev, 9, 10);
    CHECK_EQ(buf[0], 7);
    f.hal.dma_sync(&f, buf, dma, 4, VDRV_DIR_IN);
    CHECK_EQ(buf[3], 9);
    CHECK_EQ(buf[4], 7);
    f.hal.dma_unmap(&f, buf, dma, 10, VDRV_DIR_IN, 0);
    CHECK_EQ(buf[9], 9);
    fake_fini(&f);
}

static uint32_t echo_read(void *arg, uint64_t off, uint32_t width)
{
    (void)width;
    return *(uint32_t *)arg + (uint32_t)off;
}

static void echo_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    (void)off;
    (void)width;
    *(uint32_t *)arg = value;
}

static void test_registers(void)
{
    uint32_t reg = 5;
    struct fake_region r = {"echo",    VDRV_SPACE_MEMORY, false, 0x5000, 0x10,
                            echo_read, echo_write,        &reg,  NULL};
    struct fake_access trace[8];
    struct fake f;
    uintptr_t p;

    fake_init(&f, NULL);
    fake_region_add(&f, &r);
    f.record = true;
    f.trace = trace;
    f.trace_cap = 8;
    p = (uintptr_t)f.hal.mmio_map(&f, 0x5000, 0x1000);
    f.hal.reg_write(&f, VDRV_SPACE_MEMORY, p, 4, 40);
    CHECK_EQ(f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 4, 4), 44);
    CHECK_EQ(f.violations, 0);
    fake_override(&f, VDRV_SPACE_MEMORY, 0x5004, 1, 1, 99);
    CHECK_EQ(f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 4, 4), 44);
    CHECK_EQ(f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 4, 4), 99);
    CHECK_EQ(f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 4, 4), 44);
    CHECK_EQ(f.trace_len, 5);
    CHECK_EQ(trace[0].write, 1);
    CHECK_EQ(trace[3].value, 99);
    f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 1, 2);
    f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p + 0x10, 4);
    f.hal.reg_read(&f, VDRV_SPACE_MEMORY, 0x5000, 4);
    f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p, 3);
    CHECK_EQ(fake_violated(&f, "ACCESS"), 4);
    f.gone_at = f.reads + f.writes + 1;
    CHECK_EQ(f.hal.reg_read(&f, VDRV_SPACE_MEMORY, p, 2), 0xFFFF);
    f.hal.reg_write(&f, VDRV_SPACE_MEMORY, p, 4, 1);
    CHECK_EQ(reg, 40);
    CHECK_EQ(f.gone_accesses, 2);
    fake_fini(&f);
}

static void test_log(void)
{
    struct fake f;

    fake_init(&f, NULL);
    f.hal.log(&f, VDRV_LOG_WARN, "a line with text");
    CHECK(fake_log_contains(&f, "with"));
    CHECK(!fake_log_contains(&f, "without"));
    fake_fini(&f);
}

/* ---- Status and features -------------------------------------------- */

static void test_mmio_identity(void)
{
    struct fake_mmio empty;
    struct rig g;
    struct raw r;

    rig_up(&g, NULL, NULL);
    fake_mmio_init(&empty, &g.f, NULL, SLOT + 0x200, 0);
    CHECK_EQ(raw_rd(&g.r, 0, 4), 0x74726976);
    CHECK_EQ(raw_rd(&g.r, 4, 4), 2);
    CHECK_EQ(raw_rd(&g.r, 8, 4), 2);
    raw_mmio(&r, &g.f, SLOT + 0x200);
    CHECK_EQ(raw_rd(&r, 8, 4), 0);
    g.f.record = true;
    raw_rd(&r, 0x70, 4);
    CHECK_EQ(fake_violated(&g.f, "MMIO-29"), 1);
    raw_rd(&g.r, 0x50, 4);
    CHECK_EQ(fake_violated(&g.f, "MMIO-03"), 1);
    raw_rd(&g.r, 0x70, 1);
    CHECK_EQ(fake_violated(&g.f, "MMIO-04"), 1);
    fake_mmio_fini(&empty);
    rig_down(&g);
}

static void test_status_rules(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    g.f.record = true;
    raw_status(&g.r, 1);
    CHECK_EQ(fake_violated(&g.f, "BASIC-28"), 1);
    raw_status(&g.r, 0);
    raw_status(&g.r, 1);
    CHECK_EQ(fake_violated(&g.f, "BASIC-19"), 2);
    CHECK(raw_reset(&g.r));
    fake_violations_clear(&g.f);
    raw_status(&g.r, 1);
    CHECK_EQ(g.f.violations, 0);
    raw_wr(&g.r, 0x24, 4, 0);
    raw_wr(&g.r, 0x20, 4, 0);
    CHECK_EQ(fake_violated(&g.f, "BASIC-29"), 1);
    raw_status(&g.r, 2);
    CHECK_EQ(fake_violated(&g.f, "BASIC-02"), 1);
    raw_status(&g.r, 0x83);
    raw_status(&g.r, 0x8B);
    CHECK_EQ(fake_violated(&g.f, "BASIC-03"), 1);
    rig_down(&g);
}

static void test_feature_rules(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    g.f.record = true;
    CHECK(!raw_begin(&g.r, 0));
    CHECK_EQ(fake_violated(&g.f, "BASIC-49"), 1);
    CHECK(raw_begin(&g.r, VERSION_1 | 1));
    CHECK_EQ(fake_violated(&g.f, "BASIC-06"), 1 + 1);
    fake_violations_clear(&g.f);
    raw_wr(&g.r, 0x20, 4, 0);
    CHECK_EQ(fake_violated(&g.f, "BASIC-34"), 1);
    g.blk.dev.refuse_features = true;
    CHECK(!raw_begin(&g.r, VERSION_1));
    rig_down(&g);
}

/* FEATURES_OK shows late; a driver that gives up meanwhile is in order. */
static void test_features_delay(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    g.blk.dev.fok_reads = 2;
    CHECK(!raw_begin(&g.r, VERSION_1));
    CHECK_EQ(raw_get_status(&g.r), 3);
    CHECK_EQ(raw_get_status(&g.r), 0xB);
    CHECK(!raw_begin(&g.r, VERSION_1));
    raw_status(&g.r, 0x83);
    rig_down(&g);
}

/* Completions in random order; each is delivered once. */
static void test_random_completion(void)
{
    uint32_t id, len, seen = 0, n = 0;
    struct fake_config mc = {.seed = check_seed()};
    struct rig g;

    rig_up(&g, &mc, NULL);
    REQUIRE(rig_live(&g, 0));
    g.blk.dev.complete = FAKE_COMPLETE_RANDOM;
    g.blk.dev.per_step = 1;
    for (int i = 0; i < 4; i++)
        blk_add(&g, FAKE_BLK_FLUSH, 0, 0);
    g.f.record = true; /* FLUSH was not negotiated */
    raw_kick(&g.r, 0);
    for (int i = 0; i < 4; i++) {
        fake_step(&g.f);
        CHECK(rawq_get(&g.q, &id, &len));
        CHECK(!rawq_get(&g.q, &id, &len));
        seen |= 1u << id;
        n++;
    }
    CHECK_EQ(n, 4);
    CHECK_EQ(seen, 0x55);
    rig_stop(&g);
}

static void test_immediate(void)
{
    struct rig g;
    uint32_t id, len;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    blk_add(&g, FAKE_BLK_IN, 0, 512);
    raw_kick(&g.r, 0);
    CHECK(!rawq_get(&g.q, &id, &len));
    fake_step(&g.f);
    CHECK(rawq_get(&g.q, &id, &len));
    g.blk.dev.immediate = true;
    blk_add(&g, FAKE_BLK_IN, 0, 512);
    raw_kick(&g.r, 0);
    CHECK(rawq_get(&g.q, &id, &len));
    rig_stop(&g);
}

static void test_mmio_lies(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    CHECK(raw_begin(&g.r, VERSION_1));
    raw_wr(&g.r, 0x30, 4, 0);
    CHECK_EQ(raw_rd(&g.r, 0x34, 4), 128);
    CHECK_EQ(raw_rd(&g.r, 0x44, 4), 0);
    g.slot.queue_ready = FAKE_READY_SET;
    CHECK_EQ(raw_rd(&g.r, 0x44, 4), 1);
    g.slot.no_queues = true;
    CHECK_EQ(raw_rd(&g.r, 0x34, 4), 0);
    CHECK_EQ(raw_rd(&g.r, 0xB0, 4), UINT32_MAX);
    g.slot.version = 1;
    CHECK_EQ(raw_rd(&g.r, 4, 4), 1);
    g.f.record = true;
    raw_rd(&g.r, 0x70, 4);
    CHECK_EQ(fake_violated(&g.f, "MMIO-10"), 1);
    rig_down(&g);
}

static void test_reset_delay(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    g.blk.dev.reset_reads = 3;
    raw_status(&g.r, 0);
    CHECK_EQ(raw_get_status(&g.r), 0xF);
    /* The device goes on working until then. */
    blk_add(&g, FAKE_BLK_FLUSH, 0, 0);
    CHECK_EQ(raw_get_status(&g.r), 0xF);
    CHECK_EQ(raw_get_status(&g.r), 0xF);
    CHECK_EQ(raw_get_status(&g.r), 0);
    CHECK_EQ(g.slot.dev->queue[0].ready, 0);
    g.blk.dev.reset_never = true;
    CHECK(!raw_reset(&g.r));
    g.blk.dev.reset_never = false;
    rig_stop(&g);
}

static void test_queue_rules(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    g.f.record = true;
    raw_wr(&g.r, 0x38, 4, 4);
    CHECK_EQ(fake_violated(&g.f, "MMIO-17"), 1);
    CHECK(raw_reset(&g.r));
    CHECK(raw_begin(&g.r, VERSION_1));
    raw_wr(&g.r, 0x38, 4, 129);
    CHECK_EQ(fake_violated(&g.f, "MMIO-16"), 1);
    raw_wr(&g.r, 0x38, 4, 8);
    raw_wr(&g.r, 0x80, 4, 0x1001);
    raw_wr(&g.r, 0x44, 4, 1);
    CHECK_EQ(fake_violated(&g.f, "SPLIT-01"), 1);
    raw_kick(&g.r, 0);
    CHECK_EQ(fake_violated(&g.f, "BASIC-40"), 1);
    rig_stop(&g);
}

static void test_config_generation(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    CHECK_EQ(raw_rd(&g.r, 0xFC, 4), raw_rd(&g.r, 0xFC, 4));
    g.blk.dev.generation_flaps = true;
    CHECK(raw_rd(&g.r, 0xFC, 4) != raw_rd(&g.r, 0xFC, 4));
    CHECK_EQ(raw_config(&g.r, 0, 4), 2048);
    CHECK_EQ(raw_config(&g.r, 34, 2), 1);
    g.f.record = true;
    CHECK_EQ(raw_config(&g.r, 72, 4), UINT32_MAX);
    CHECK_EQ(fake_violated(&g.f, "MMIO-01"), 1);
    rig_down(&g);
}

/* ---- Block over the ring -------------------------------------------- */

static void test_blk_read_write(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 1ull << FAKE_BLK_F_FLUSH));
    memset(g.blk.disk + 5 * 512, 0x42, 512);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 5, 512), 0);
    CHECK_EQ(g.mem[512], 0x42);
    CHECK_EQ(g.mem[1023], 0x42);
    memset(g.mem + 512, 0x17, 1024);
    CHECK_EQ(blk_do(&g, FAKE_BLK_OUT, 2046, 1024), 0);
    CHECK_EQ(g.blk.disk[2047 * 512 + 511], 0x17);
    CHECK_EQ(fake_blk_dirty(&g.blk), 2);
    CHECK_EQ(g.slot.line, true);
    raw_wr(&g.r, 0x64, 4, 1);
    CHECK_EQ(g.slot.line, false);
    CHECK_EQ(blk_do(&g, FAKE_BLK_GET_ID, 0, 20), 0);
    CHECK_MEM(g.mem + 512, "fake-disk-0123456789", 20);
    rig_stop(&g);
}

static void test_blk_power_cut(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 1ull << FAKE_BLK_F_FLUSH));
    memset(g.mem + 512, 1, 512);
    CHECK_EQ(blk_do(&g, FAKE_BLK_OUT, 0, 512), 0);
    CHECK_EQ(blk_do(&g, FAKE_BLK_FLUSH, 0, 0), 0);
    CHECK_EQ(blk_do(&g, FAKE_BLK_OUT, 1, 512), 0);
    fake_blk_power_cut(&g.blk, 0);
    CHECK_EQ(g.blk.disk[0], 1);
    CHECK_EQ(g.blk.disk[512], 0);
    rig_stop(&g);
}

static void test_blk_faults(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    fake_blk_fail(&g.blk, FAKE_BLK_IN, 1, 1, 0x77);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0x77);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0);
    fake_blk_plan(&g.blk,
                  (struct fake_blk_fault){FAKE_BLK_ANY, 0, 1, -1, true, -1});
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0xFF);
    g.f.record = true;
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 2048, 512), FAKE_BLK_IOERR);
    CHECK_EQ(fake_violated(&g.f, "BLK-17"), 1);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 511), FAKE_BLK_IOERR);
    CHECK_EQ(fake_violated(&g.f, "BLK-21"), 1);
    CHECK_EQ(blk_do(&g, FAKE_BLK_FLUSH, 1, 0), FAKE_BLK_UNSUPP);
    CHECK_EQ(fake_violated(&g.f, "BLK-19"), 1);
    rig_stop(&g);
}

static void test_blk_ranges(void)
{
    uint64_t features = 1ull << FAKE_BLK_F_DISCARD | 1ull << FAKE_BLK_F_FLUSH;
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, features));
    memset(g.blk.disk, 1, 2048);
    fake_put64(g.mem + 512, 1);
    fake_put32(g.mem + 520, 2);
    fake_put32(g.mem + 524, 0);
    CHECK_EQ(blk_do(&g, FAKE_BLK_DISCARD, 0, 16), 0);
    CHECK_EQ(g.blk.disk[511], 1);
    CHECK_EQ(g.blk.disk[512], FAKE_BLK_DISCARDED);
    CHECK_EQ(g.blk.disk[1536], 1);
    g.f.record = true;
    fake_put32(g.mem + 524, 1);
    CHECK_EQ(blk_do(&g, FAKE_BLK_DISCARD, 0, 16), FAKE_BLK_UNSUPP);
    CHECK_EQ(fake_violated(&g.f, "BLK-29"), 1);
    rig_stop(&g);
}

static void test_held_completion(void)
{
    struct rig g;
    uint32_t id, len;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    g.blk.dev.complete = FAKE_COMPLETE_HELD;
    blk_add(&g, FAKE_BLK_IN, 0, 512);
    blk_add(&g, FAKE_BLK_IN, 1, 512);
    raw_kick(&g.r, 0);
    fake_steps(&g.f, 10);
    CHECK_EQ(fake_dev_pending(&g.blk.dev), 2);
    CHECK(!rawq_get(&g.q, &id, &len));
    fake_dev_release(&g.blk.dev, 1);
    REQUIRE(rawq_get(&g.q, &id, &len));
    CHECK_EQ(id, 3);
    CHECK_EQ(len, 513);
    fake_dev_release_all(&g.blk.dev);
    REQUIRE(rawq_get(&g.q, &id, &len));
    CHECK_EQ(id, 0);
    rig_stop(&g);
}

static void test_needs_reset(void)
{
    struct rig g;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    fake_dev_needs_reset(&g.blk.dev);
    CHECK_EQ(raw_get_status(&g.r), 0x4F);
    CHECK_EQ(raw_rd(&g.r, 0x60, 4), 2);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), -1);
    rig_stop(&g);
}

/* ---- The ring's rules ----------------------------------------------- */

/* A driver that makes head 0 available after writing descriptors by hand. */
static bool ring_breaks(struct rig *g, const char *id)
{
    unsigned before = fake_violated(&g->f, id);
    bool hit;

    rawq_publish(&g->q, 0);
    raw_kick(&g->r, 0);
    fake_step(&g->f);
    hit = fake_violated(&g->f, id) > before;
    CHECK(raw_reset(&g->r));
    rawq_fini(&g->q);
    rig_live(g, INDIRECT);
    return hit;
}

static void test_ring_rules(void)
{
    struct rig g;
    struct rawq *q = &g.q;
    uint64_t d;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, INDIRECT));
    g.f.record = true;
    d = g.dma;
    rawq_desc(q, 0, d, 16, 1, 1);
    rawq_desc(q, 1, d, 16, 1, 0);
    CHECK(ring_breaks(&g, "SPLIT-06")); /* a loop */
    rawq_desc(q, 0, d, 16, 2 | 1, 1);
    rawq_desc(q, 1, d, 16, 0, 0);
    CHECK(ring_breaks(&g, "SPLIT-04")); /* readable after writable */
    rawq_desc(q, 0, d, 16, 4 | 1, 1);
    CHECK(ring_breaks(&g, "SPLIT-12")); /* INDIRECT and NEXT */
    rawq_desc(q, 0, d, 17, 4, 0);
    CHECK(ring_breaks(&g, "SPLIT-14")); /* table of 17 bytes */
    rawq_desc(q, 0, d, 16, 1, 8);
    CHECK(ring_breaks(&g, "SPLIT-34")); /* next beyond the table */
    rawq_desc(q, 0, d + MEM - 8, 16, 0, 0);
    CHECK(ring_breaks(&g, "DMA")); /* beyond its memory */
    q->idx = (uint16_t)(q->idx + 8);
    CHECK(ring_breaks(&g, "SPLIT-15")); /* avail index jumps */
    fake_put16(q->avail, 2);
    rawq_desc(q, 0, d, 16, 0, 0);
    CHECK(ring_breaks(&g, "SPLIT-16")); /* unknown avail flags */
    rig_stop(&g);
}

static void test_ring_indirect(void)
{
    struct rig g;
    uint32_t id, len;
    uint8_t *t;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, INDIRECT));
    t = g.mem + 4096;
    fake_put32(g.mem, FAKE_BLK_IN);
    g.blk.disk[0] = 0x33;
    fake_put64(t, g.dma);
    fake_put32(t + 8, 16);
    fake_put16(t + 12, 1);
    fake_put16(t + 14, 1);
    fake_put64(t + 16, g.dma + 512);
    fake_put32(t + 24, 513);
    fake_put16(t + 28, 2);
    rawq_desc(&g.q, 0, g.dma + 4096, 32, 4, 0);
    rawq_publish(&g.q, 0);
    REQUIRE(rawq_wait(&g.q, &id, &len));
    CHECK_EQ(len, 513);
    CHECK_EQ(g.mem[512], 0x33);
    CHECK_EQ(g.mem[1024], 0);
    rig_stop(&g);
}

static void test_ring_event_idx(void)
{
    struct fake_queue *dq;
    struct rig g;
    uint32_t id, len;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, EVENT_IDX));
    dq = &g.blk.dev.queue[0];
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0);
    CHECK_EQ(fake_get16(g.q.used + 4 + 8 * 8), 1); /* avail_event */
    CHECK_EQ(dq->irqs, 1);                         /* used_event 0 */
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0);
    CHECK_EQ(dq->irqs, 1);
    CHECK_EQ(dq->irqs_suppressed, 1);
    fake_put16(g.q.avail + 4 + 2 * 8, 2);
    CHECK_EQ(blk_do(&g, FAKE_BLK_IN, 0, 512), 0);
    CHECK_EQ(dq->irqs, 2);
    CHECK_EQ(dq->needless_kicks, 0);
    raw_kick(&g.r, 0);
    CHECK_EQ(dq->needless_kicks, 1);
    dq->kick_policy = FAKE_KICK_NEVER;
    fake_queue_hint(dq);
    blk_add(&g, FAKE_BLK_IN, 0, 512);
    fake_step(&g.f);
    CHECK(rawq_get(&g.q, &id, &len));
    rig_stop(&g);
}

static void test_ring_hostile(void)
{
    struct fake_queue *dq;
    struct fake_chain c;
    struct rig g;
    uint32_t id, len;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    dq = &g.blk.dev.queue[0];
    dq->manual = true;
    dq->poison = true;
    blk_add(&g, FAKE_BLK_OUT, 0, 512);
    REQUIRE(fake_queue_pop(dq, &c));
    CHECK_EQ(c.nseg, 3);
    CHECK_EQ(c.nread, 2);
    CHECK_EQ(g.q.desc[0], FAKE_POISON);
    fake_split_push_raw(dq, 0x10000, 77);
    fake_queue_publish(dq);
    REQUIRE(rawq_get(&g.q, &id, &len));
    CHECK_EQ(id, 0x10000);
    CHECK_EQ(len, 77);
    fake_queue_forget(dq, &c);
    fake_split_set_used_idx(dq, 500);
    CHECK_EQ(fake_get16(g.q.used + 2), 500);
    rig_stop(&g);
}

/* A chain with nothing to write gets length 0, whatever the device says. */
static void test_ring_used_len(void)
{
    struct rawseg seg;
    struct fake_queue *dq;
    struct fake_chain c;
    struct rig g;
    uint32_t id, len;

    rig_up(&g, NULL, NULL);
    REQUIRE(rig_live(&g, 0));
    dq = &g.blk.dev.queue[0];
    dq->manual = true;
    seg = (struct rawseg){g.dma, 16, false};
    rawq_add(&g.q, &seg, 1);
    REQUIRE(fake_queue_pop(dq, &c));
    fake_queue_done(dq, &c, 16);
    REQUIRE(rawq_get(&g.q, &id, &len));
    CHECK_EQ(len, 0);
    rig_stop(&g);
}

static const struct check_case cases[] = {
    {"fake_dma_arena", test_dma_arena},
    {"fake_dma_faults", test_dma_faults},
    {"fake_mapped_bounce", test_mapped_bounce},
    {"fake_registers", test_registers},
    {"fake_log", test_log},
    {"fake_mmio_identity", test_mmio_identity},
    {"fake_status_rules", test_status_rules},
    {"fake_feature_rules", test_feature_rules},
    {"fake_features_delay", test_features_delay},
    {"fake_random_completion", test_random_completion},
    {"fake_immediate", test_immediate},
    {"fake_mmio_lies", test_mmio_lies},
    {"fake_reset_delay", test_reset_delay},
    {"fake_queue_rules", test_queue_rules},
    {"fake_config_generation", test_config_generation},
    {"fake_blk_read_write", test_blk_read_write},
    {"fake_blk_power_cut", test_blk_power_cut},
    {"fake_blk_faults", test_blk_faults},
    {"fake_blk_ranges", test_blk_ranges},
    {"fake_held_completion", test_held_completion},
    {"fake_needs_reset", test_needs_reset},
    {"fake_ring_rules", test_ring_rules},
    {"fake_ring_indirect", test_ring_indirect},
    {"fake_ring_event_idx", test_ring_event_idx},
    {"fake_ring_hostile", test_ring_hostile},
    {"fake_ring_used_len", test_ring_used_len},
};

CHECK_MAIN(cases)
