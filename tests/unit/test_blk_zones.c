/* SPDX-License-Identifier: MIT */
/*
 * Zoned disks: every command, every status, reports that lie, what the driver
 * refuses itself, and disks whose zones it must not touch.  The fake keeps the
 * state machine of VirtIO 1.4, 5.2.6, and counts each rule a driver breaks.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ZONE     128u /* sectors */
#define CAP      96u

static uint8_t buf[1 << 16], back[1 << 16];
static uint8_t report[VDRV_BLOCK_ZONE_REPORT_SIZE(64)];
static struct vdrv_block_zone zone[64];

/* 15 whole zones and a short one; the first two are conventional. */
static struct disk_opts zoned(uint32_t model)
{
    struct disk_opts o = {
        .disk = {.sectors = 16 * ZONE - 28,
                 .zoned = true,
                 .zone_model = model,
                 .zone_sectors = ZONE,
                 .zone_cap = CAP,
                 .zones_conv = 2,
                 .max_open = 3,
                 .max_active = 5,
                 .max_append = 64,
                 .granularity = 512},
        .drv = {.zones = &vdrv_virtio_blk_zones},
    };

    return o;
}

static bool up(struct disk_rig *g, const struct disk_opts *o)
{
    disk_machine(g, o);
    CHECK_EQ(disk_probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    return check_failures == 0;
}

/* ---- Who is zoned ----------------------------------------------------------- */

/* BLK-10, BLK-11: DISCARD with host-aware and ordinary disks only. */
static void test_models(void)
{
    static const struct {
        uint32_t model, zoned;
        bool discard;
    } row[] = {{0, VDRV_BLOCK_ZONED_NOT, true},
               {1, VDRV_BLOCK_ZONED_MANAGED, false},
               {2, VDRV_BLOCK_ZONED_AWARE, true}};

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_opts o = zoned(row[i].model);
        struct vdrv_block_caps c;
        struct disk_rig g;

        if (!up(&g, &o))
            return;
        CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
        CHECK_EQ(c.zoned, row[i].zoned);
        CHECK_EQ(c.can_discard, row[i].discard);
        CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_BLK_F_DISCARD), row[i].discard);
        CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_BLK_F_ZONED), true);
        CHECK_EQ(c.zone_blocks, row[i].model ? ZONE : 0);
        CHECK_EQ(c.max_append, row[i].model ? 64 : 0);
        CHECK_EQ(c.max_open_zones, row[i].model ? 3 : 0);
        CHECK_EQ(c.max_active_zones, row[i].model ? 5 : 0);
        CHECK_EQ(c.write_unit, row[i].model ? 1 : 0);
        /* BLK-04: the model NONE is an ordinary disk. */
        CHECK_EQ(
            vdrv_block_zone_report(g.blk, 0, report, sizeof(report), zone, 64),
            row[i].model ? 16 : VDRV_ERR_UNSUPPORTED);
        CHECK_EQ(vdrv_block_zone_reset_all(g.blk),
                 row[i].model ? VDRV_OK : VDRV_ERR_UNSUPPORTED);
        disk_works(&g); /* in a conventional zone */
        disk_down(&g);
    }
}

/* BLK-09, BLK-12, BLK-13: without the code for zones. */
static void test_not_wanted(void)
{
    for (uint32_t model = 0; model <= 2; model++) {
        struct disk_opts o = zoned(model);
        struct disk_rig g;

        o.drv.zones = NULL;
        disk_machine(&g, &o);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        if (model == 1) {
            CHECK_EQ(disk_init(&g), VDRV_ERR_UNSUPPORTED);
            CHECK(g.dev.dev.status & FAKE_FAILED);
            CHECK(!(g.dev.dev.status & FAKE_DRIVER_OK));
            disk_end(&g);
            continue;
        }
        /* BLK-14: whatever the zoned fields say. */
        memset(g.dev.dev.config + 72, 0xEE, 24);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK(!fake_dev_has(&g.dev.dev, FAKE_BLK_F_ZONED));
        CHECK(fake_dev_has(&g.dev.dev, FAKE_BLK_F_DISCARD));
        CHECK_EQ(vdrv_block_zone_open(g.blk, 0), VDRV_ERR_UNSUPPORTED);
        disk_works(&g);
        disk_down(&g);
    }
}

/* A configuration that names the code, and a disk that has no zones. */
static void test_not_offered(void)
{
    struct disk_opts o = {.drv = {.zones = &vdrv_virtio_blk_zones}};
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.zoned, 0);
    CHECK_EQ(c.can_discard, 1);
    CHECK_EQ(vdrv_block_zone_append(g.blk, 0, buf, 512, NULL),
             VDRV_ERR_UNSUPPORTED);
    disk_works(&g);
    disk_down(&g);
}

/* Zones that make no sense: host-managed is PROTOCOL, host-aware ordinary. */
static void fault_F46_zone_limits(void)
{
    static const struct {
        uint32_t off, value;
        uint32_t block_size;
    } row[] = {{72, 0, 512},    {72, 12, 4096},      {88, 513, 512},
               {88, 1000, 512}, {88, 768, 512},      {92, 3, 512},
               {92, 255, 512},  {88, 200 * 512, 512}};

    for (size_t i = 0; i < COUNT(row); i++)
        for (uint32_t model = 1; model <= 2; model++) {
            struct disk_opts o = zoned(model);
            struct vdrv_block_caps c;
            struct disk_rig g;
            int want =
                model == 1 || row[i].off == 92 ? VDRV_ERR_PROTOCOL : VDRV_OK;

            o.disk.blk_size = row[i].block_size;
            disk_machine(&g, &o);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            fake_put32(g.dev.dev.config + row[i].off, row[i].value);
            if (model == 1 && row[i].off == 92)
                g.dev.cfg.zone_model = 0; /* it lies; no rule to watch */
            CHECK_EQ(disk_init(&g), want);
            if (want != VDRV_OK) {
                disk_end(&g);
                continue;
            }
            CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
            CHECK_EQ(c.zoned | c.zone_blocks | c.max_append, 0);
            disk_down(&g);
        }
}

/* ---- Reports ------------------------------------------------------------------ */

/* BLK-33, BLK-34: from any block of a zone on. */
static void test_report(void)
{
    for (uint32_t bs = 512; bs <= 4096; bs *= 8) {
        struct disk_opts o = zoned(1);
        struct disk_rig g;
        uint32_t k = bs / 512;

        o.disk.blk_size = bs;
        o.disk.sectors = 16 * ZONE - 24;
        if (!up(&g, &o))
            return;
        CHECK_EQ(vdrv_block_write_block(g.blk, 3 * ZONE / k, buf, 8 * 512),
                 VDRV_OK);
        CHECK_EQ(vdrv_block_zone_finish(g.blk, 4 * ZONE / k), VDRV_OK);
        g.dev.zone[5].state = FAKE_ZONE_OFFLINE;
        CHECK_EQ(vdrv_block_zone_report(g.blk, 2 * ZONE / k + 5, report,
                                        sizeof(report), zone, 64),
                 14);
        CHECK_EQ(zone[0].start, 2 * ZONE / k);
        CHECK_EQ(zone[0].capacity, CAP / k);
        CHECK_EQ(zone[0].pointer, zone[0].start);
        CHECK_EQ(zone[0].type, VDRV_BLOCK_ZONE_SEQUENTIAL);
        CHECK_EQ(zone[0].state, VDRV_BLOCK_ZONE_EMPTY);
        CHECK_EQ(zone[1].state, VDRV_BLOCK_ZONE_OPEN_IMPLICIT);
        CHECK_EQ(zone[1].pointer, (3 * ZONE + 8) / k);
        CHECK_EQ(zone[2].state, VDRV_BLOCK_ZONE_FULL);
        CHECK_EQ(zone[2].pointer, UINT64_MAX);
        CHECK_EQ(zone[3].state, VDRV_BLOCK_ZONE_OFFLINE);
        CHECK_EQ(zone[13].start, 15 * ZONE / k);
        CHECK_EQ(
            vdrv_block_zone_report(g.blk, 0, report, sizeof(report), zone, 1),
            1);
        CHECK_EQ(zone[0].type, VDRV_BLOCK_ZONE_CONVENTIONAL);
        CHECK_EQ(zone[0].pointer, UINT64_MAX);
        CHECK_EQ(vdrv_block_zone_report(g.blk, 0, report, 200, zone, 64), 2);
        CHECK_EQ(vdrv_block_zone_report(g.blk, 0, report, 127, zone, 64),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_zone_report(g.blk, vdrv_block_num_blocks(g.blk),
                                        report, 200, zone, 64),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_zone_report(g.blk, 0, NULL, 200, zone, 64),
                 VDRV_ERR_INVALID);
        CHECK_EQ(vdrv_block_zone_report(NULL, 0, report, 200, zone, 64),
                 VDRV_ERR_INVALID);
        disk_down(&g);
    }
}

/* One zone in a report, good until a field is changed. */
static void good_report(uint8_t *p)
{
    memset(p, 0, 192);
    fake_put64(p, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *z = p + 64 + 64 * i;

        fake_put64(z, CAP);
        fake_put64(z + 8, (2 + i) * ZONE);
        fake_put64(z + 16, (2 + i) * ZONE + CAP);
        z[24] = VDRV_BLOCK_ZONE_SEQUENTIAL;
        z[25] = VDRV_BLOCK_ZONE_CLOSED;
    }
}

static void fault_report_that_lies(void)
{
    static const struct {
        uint32_t off, width;
        uint64_t value;
        int want;
    } row[] = {
        {0, 8, 2, 2},
        {0, 8, 0, 0},
        {0, 8, 3, VDRV_ERR_PROTOCOL},
        {0, 8, UINT64_MAX, VDRV_ERR_PROTOCOL},
        {64, 8, ZONE, 2},
        {64, 8, ZONE + 1, VDRV_ERR_PROTOCOL},
        {64, 8, UINT64_MAX, VDRV_ERR_PROTOCOL},
        {72, 8, 3 * ZONE, VDRV_ERR_PROTOCOL},
        {72, 8, 2 * ZONE + 1, VDRV_ERR_PROTOCOL},
        {72 + 64, 8, 2 * ZONE, VDRV_ERR_PROTOCOL},
        {80, 8, 2 * ZONE, 2},
        {80, 8, 2 * ZONE - 1, VDRV_ERR_PROTOCOL},
        {80, 8, 2 * ZONE + CAP + 1, VDRV_ERR_PROTOCOL},
        {80, 8, UINT64_MAX, VDRV_ERR_PROTOCOL},
        {88, 1, 0, VDRV_ERR_PROTOCOL},
        {88, 1, 4, VDRV_ERR_PROTOCOL},
        {88, 1, 1, VDRV_ERR_PROTOCOL},
        {89, 1, 0, VDRV_ERR_PROTOCOL},
        {89, 1, 5, VDRV_ERR_PROTOCOL},
        {89, 1, 12, VDRV_ERR_PROTOCOL},
        {89, 1, 16, VDRV_ERR_PROTOCOL},
        {89, 1, 15, 2},
    };
    struct vdrv_block_caps c = {
        .num_blocks = 4 * ZONE, .block_size = 512, .zone_blocks = ZONE};

    for (size_t i = 0; i < COUNT(row); i++) {
        uint8_t *p = malloc(192); /* exactly: ASan watches */

        good_report(p);
        for (uint32_t k = 0; k < row[i].width; k++)
            p[row[i].off + k] = (uint8_t)(row[i].value >> (8 * k));
        CHECK_EQ(vdrv_block_zone_parse(&c, 2 * ZONE + 7, p, 192, zone, 64),
                 row[i].want);
        CHECK_EQ(vdrv_block_zone_parse(&c, 2 * ZONE, p, 63, zone, 64),
                 VDRV_ERR_PROTOCOL);
        free(p);
        if (check_failures) {
            printf("  row %zu\n", i);
            return;
        }
    }
    good_report(report);
    CHECK_EQ(vdrv_block_zone_parse(&c, 2 * ZONE, report, 192, zone, 1), 1);
    CHECK_EQ(vdrv_block_zone_parse(&c, 3 * ZONE, report, 192, zone, 2),
             VDRV_ERR_PROTOCOL);
    CHECK_EQ(vdrv_block_zone_parse(&c, 4 * ZONE, report, 192, zone, 2),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_parse(NULL, 0, report, 192, zone, 2),
             VDRV_ERR_INVALID);
    c.zone_blocks = 0;
    CHECK_EQ(vdrv_block_zone_parse(&c, 0, report, 192, zone, 2),
             VDRV_ERR_INVALID);
}

/* ---- Commands ------------------------------------------------------------------- */

static uint8_t state_of(const struct disk_rig *g, unsigned i)
{
    return g->dev.zone[i].state;
}

static void test_commands(void)
{
    struct disk_opts o = zoned(1);
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_zone_open(g.blk, 2 * ZONE), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_EOPEN);
    CHECK_EQ(vdrv_block_zone_close(g.blk, 2 * ZONE), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_EMPTY);
    CHECK_EQ(vdrv_block_zone_close(g.blk, 2 * ZONE), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(g.blk, 2 * ZONE, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_zone_close(g.blk, 2 * ZONE), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_CLOSED);
    CHECK_EQ(vdrv_block_zone_finish(g.blk, 2 * ZONE), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_FULL);
    CHECK_EQ(vdrv_block_zone_open(g.blk, 2 * ZONE), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_reset(g.blk, 2 * ZONE), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_EMPTY);
    /* Conventional ones take no commands. */
    CHECK_EQ(vdrv_block_zone_open(g.blk, 0), VDRV_ERR_INVALID);
    /* BLK-35, BLK-36: refused here, so that the fake has seen none of it. */
    CHECK_EQ(vdrv_block_zone_open(g.blk, 2 * ZONE + 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_reset(g.blk, 16 * ZONE), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_finish(g.blk, UINT64_MAX - 127), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_open(NULL, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_finish(g.blk, 15 * ZONE), VDRV_OK); /* short */
    CHECK_EQ(vdrv_block_zone_finish(g.blk, 3 * ZONE), VDRV_OK);
    CHECK_EQ(vdrv_block_zone_reset_all(g.blk), VDRV_OK);
    for (unsigned i = 2; i < 16; i++)
        CHECK_EQ(state_of(&g, i), FAKE_ZONE_EMPTY);
    disk_down(&g);
}

/* As many as may be open, or active; and what is said then. */
static void test_resources(void)
{
    struct vdrv_block_request r = {.op = VDRV_BLOCK_ZONE_OPEN};
    struct disk_opts o = zoned(1);
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    for (unsigned i = 2; i < 5; i++)
        CHECK_EQ(vdrv_block_zone_open(g.blk, i * ZONE), VDRV_OK);
    r.block = 5 * ZONE;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_BUSY);
    CHECK_EQ(r.device_status, VDRV_BLOCK_STATUS_ZONES_OPEN);
    CHECK_EQ(vdrv_block_write_block(g.blk, 5 * ZONE, buf, 512), VDRV_ERR_BUSY);
    for (unsigned i = 2; i < 7; i++) {
        (void)vdrv_block_zone_open(g.blk, i * ZONE);
        CHECK_EQ(vdrv_block_write_block(g.blk, i * ZONE, buf, 512), VDRV_OK);
        CHECK_EQ(vdrv_block_zone_close(g.blk, i * ZONE), VDRV_OK);
    }
    r.block = 7 * ZONE;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_BUSY);
    CHECK_EQ(r.device_status, VDRV_BLOCK_STATUS_ZONES_ACTIVE);
    /* One request's error; the disk goes on. */
    CHECK_EQ(vdrv_block_zone_reset_all(g.blk), VDRV_OK);
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* ---- Writes -------------------------------------------------------------------------- */

/* BLK-42, BLK-47: at the pointer, and not beyond the capacity. */
static void test_sequential_writes(void)
{
    struct vdrv_seg seg = vdrv_seg_out(buf, 1024);
    struct vdrv_block_request r = {.op = VDRV_BLOCK_WRITE,
                                   .block = 2 * ZONE + 4,
                                   .segs = &seg,
                                   .nsegs = 1};
    struct disk_opts o = zoned(1);
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    disk_fill(buf, sizeof(buf), 77);
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_INVALID);
    CHECK_EQ(r.device_status, VDRV_BLOCK_STATUS_ZONE_POINTER);
    CHECK_EQ(vdrv_block_write_block(g.blk, 2 * ZONE, buf, 90 * 512), VDRV_OK);
    CHECK_MEM(g.dev.disk + 2 * ZONE * 512, buf, 90 * 512);
    r.block = 2 * ZONE + 90;
    seg.len = 7 * 512;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_ERR_INVALID);
    CHECK_EQ(r.device_status, VDRV_BLOCK_STATUS_ZONE_COMMAND);
    CHECK_EQ(g.dev.zone[2].wp, 2 * ZONE + 90);
    seg.len = 6 * 512;
    CHECK_EQ(vdrv_block_execute(g.blk, &r), VDRV_OK);
    CHECK_EQ(state_of(&g, 2), FAKE_ZONE_FULL);
    CHECK_EQ(vdrv_block_read_block(g.blk, 2 * ZONE, back, 90 * 512), VDRV_OK);
    CHECK_MEM(back, buf, 90 * 512);
    /* Anywhere in a host-aware one. */
    disk_down(&g);
    o = zoned(2);
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_write_block(g.blk, 2 * ZONE + 50, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_write_block(g.blk, 2 * ZONE, buf, 512), VDRV_OK);
    disk_down(&g);
}

/* BLK-32, BLK-38, BLK-41: in units; blocking writes are split at them. */
static void test_write_unit(void)
{
    struct disk_opts o = zoned(1);
    struct vdrv_block_caps c;
    struct disk_rig g;
    uint32_t sent;

    o.disk.granularity = 4096;
    o.disk.seg_max = 2;
    o.disk.size_max = 5000;
    o.disk.max_append = 64;
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_unit, 8);
    CHECK(c.max_append % 8 == 0 && c.max_append <= 2 * 5000 / 512);
    disk_fill(buf, sizeof(buf), 5);
    CHECK_EQ(vdrv_block_write_block(g.blk, 2 * ZONE, buf, 96 * 512), VDRV_OK);
    CHECK_MEM(g.dev.disk + 2 * ZONE * 512, buf, 96 * 512);
    sent = g.dev.requests[FAKE_BLK_OUT] + g.dev.requests[FAKE_BLK_APPEND];
    CHECK_EQ(vdrv_block_write_block(g.blk, 3 * ZONE, buf, 512),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(g.blk, 3 * ZONE + 1, buf, 4096),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(g.blk, 3 * ZONE, buf, 512, NULL),
             VDRV_ERR_INVALID);
    CHECK_EQ(g.dev.requests[FAKE_BLK_OUT] + g.dev.requests[FAKE_BLK_APPEND],
             sent);
    CHECK_EQ(vdrv_block_zone_append(g.blk, 3 * ZONE, buf, 4096, NULL), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g.blk, 3 * ZONE + 1, back, 512), VDRV_OK);
    disk_down(&g);
}

struct job {
    struct vdrv_block_request req; /* first */
    struct vdrv_seg seg[2];
    uint8_t data[1024];
};

/* What append refuses, and tells no place for. */
static void refused_appends(struct vdrv_block *blk)
{
    uint64_t at = 7;

    /* Full; too long; not at the start; no zone; not in whole blocks. */
    CHECK_EQ(vdrv_block_zone_append(blk, 3 * ZONE, buf, 512, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 4 * ZONE, buf, 65 * 512, &at),
             VDRV_ERR_TOO_BIG);
    CHECK_EQ(vdrv_block_zone_append(blk, 4 * ZONE + 2, buf, 512, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 16 * ZONE, buf, 512, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 4 * ZONE, buf, 100, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 4 * ZONE, buf, 0, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 4 * ZONE, NULL, 512, &at),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_zone_append(blk, 0, buf, 512, &at),
             VDRV_ERR_INVALID); /* the device's word: conventional */
    CHECK_EQ(at, 7);
}

/* BLK-37, BLK-39, BLK-40: many at once, each told where it went. */
static void test_append(void)
{
    static struct job jobs[24];

    for (uint32_t mode = 0; mode < 3; mode++) {
        struct disk_opts o = zoned(1);
        uint64_t seen = 0, at = 7;
        struct disk_rig g;

        o.machine.mode = mode;
        if (!up(&g, &o))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_RANDOM;
        for (unsigned i = 0; i < 24; i++) {
            struct job *j = &jobs[i];

            memset(j, 0, sizeof(*j));
            disk_fill(j->data, 1024, i * 97);
            j->seg[0] = vdrv_seg_out(j->data, 100);
            j->seg[1] = vdrv_seg_out(j->data + 100, 924);
            j->req.op = VDRV_BLOCK_ZONE_APPEND;
            j->req.block = 3 * ZONE;
            j->req.segs = j->seg;
            j->req.nsegs = 2;
            CHECK_EQ(vdrv_block_submit(g.blk, &j->req), VDRV_OK);
        }
        vdrv_block_kick(g.blk, 0);
        for (int k = 0; k < 100 && vdrv_poll(&g.blk->dev, 0, 0) >= 0; k++)
            fake_step(&g.f);
        for (unsigned i = 0; i < 24; i++) {
            uint64_t pos = jobs[i].req.result - 3 * ZONE;

            CHECK_EQ(jobs[i].req.status, VDRV_OK);
            REQUIRE(pos < 48 && pos % 2 == 0);
            CHECK_EQ(seen >> pos & 1, 0);
            seen |= 1ull << pos;
            CHECK_MEM(g.dev.disk + jobs[i].req.result * 512, jobs[i].data,
                      1024);
        }
        CHECK_EQ(vdrv_block_zone_append(g.blk, 3 * ZONE, buf, 48 * 512, &at),
                 VDRV_OK);
        CHECK_EQ(at, 3 * ZONE + 48);
        refused_appends(g.blk);
        disk_down(&g);
    }
}

/* Where an append went is the device's word: held against its zone. */
static void fault_append_elsewhere(void)
{
    static const uint64_t lie[] = {1, 4 * ZONE - 1, 5 * ZONE, UINT64_MAX,
                                   1ull << 63};

    for (size_t i = 0; i < COUNT(lie); i++) {
        struct disk_opts o = zoned(1);
        struct disk_rig g;
        uint64_t at = 7;

        if (!up(&g, &o))
            return;
        g.dev.append_lie = lie[i];
        CHECK_EQ(vdrv_block_zone_append(g.blk, 4 * ZONE, buf, 512, &at),
                 VDRV_ERR_PROTOCOL);
        CHECK_EQ(at, 7);
        CHECK_EQ(vdrv_block_flush(g.blk), VDRV_ERR_PROTOCOL);
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* A disk that cannot append says so, and a read-only one takes no command. */
static void test_cannot(void)
{
    struct disk_opts o = zoned(1);
    struct disk_rig g;

    o.disk.max_append = 0;
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_zone_append(g.blk, 2 * ZONE, buf, 512, NULL),
             VDRV_ERR_UNSUPPORTED);
    disk_down(&g);
    o = zoned(1);
    o.disk.read_only = true;
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_zone_append(g.blk, 2 * ZONE, buf, 512, NULL),
             VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_zone_reset(g.blk, 2 * ZONE), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_zone_reset_all(g.blk), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_zone_report(g.blk, 0, report, sizeof(report), zone, 64),
             16);
    disk_down(&g);
}

/* BLK-46: whole zones are erased, in pieces of whole zones. */
static void test_secure_erase(void)
{
    struct disk_opts o = zoned(1);
    struct disk_rig g;

    o.disk.range_max = 300;
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 2 * ZONE, 5 * ZONE), VDRV_OK);
    CHECK_EQ(g.dev.requests[FAKE_BLK_SECURE_ERASE], 3);
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 2 * ZONE, 10), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 2 * ZONE + 1, ZONE),
             VDRV_ERR_INVALID);
    CHECK_EQ(g.dev.requests[FAKE_BLK_SECURE_ERASE], 3);
    disk_down(&g);
    /* An alignment of its own that no end of a zone has. */
    disk_machine(&g, &o);
    fake_put32(g.dev.dev.config + 68, 7);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 2 * ZONE, ZONE),
             VDRV_ERR_UNSUPPORTED);
    disk_down(&g);
    o.disk.range_max = ZONE - 1; /* less than one zone */
    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_secure_erase(g.blk, 2 * ZONE, ZONE),
             VDRV_ERR_UNSUPPORTED);
    disk_down(&g);
}

/* Statuses of zones on a disk that has none break the specification. */
static void fault_F42_zone_status_without_zones(void)
{
    for (uint8_t status = 3; status <= 6; status++) {
        struct disk_rig g;

        if (!disk_up(&g, NULL))
            return;
        fake_blk_fail(&g.dev, FAKE_BLK_OUT, 0, 1, status);
        CHECK_EQ(vdrv_block_write_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
        disk_down(&g);
    }
}

/* A restart keeps the features that were settled. */
static void test_restart(void)
{
    struct disk_opts o = zoned(1);
    struct disk_rig g;
    uint64_t at;

    if (!up(&g, &o))
        return;
    CHECK_EQ(vdrv_block_zone_append(g.blk, 2 * ZONE, buf, 512, &at), VDRV_OK);
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    CHECK_EQ(vdrv_block_zone_append(g.blk, 2 * ZONE, buf, 512, &at), VDRV_OK);
    CHECK_EQ(at, 2 * ZONE + 1);
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"zones_models", test_models},
    {"zones_not_wanted", test_not_wanted},
    {"zones_not_offered", test_not_offered},
    {"zones_report", test_report},
    {"zones_commands", test_commands},
    {"zones_resources", test_resources},
    {"zones_sequential_writes", test_sequential_writes},
    {"zones_write_unit", test_write_unit},
    {"zones_append", test_append},
    {"zones_cannot", test_cannot},
    {"zones_secure_erase", test_secure_erase},
    {"zones_restart", test_restart},
    {"fault_F42_zone_status_without_zones",
     fault_F42_zone_status_without_zones},
    {"fault_F46_zone_limits", fault_F46_zone_limits},
    {"fault_report_that_lies", fault_report_that_lies},
    {"fault_append_elsewhere", fault_append_elsewhere},
};

CHECK_MAIN(cases)
