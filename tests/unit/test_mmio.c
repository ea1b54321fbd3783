/* SPDX-License-Identifier: MIT */
/*
 * What mmio.h and transport.h promise: probing, scanning, the staircase of
 * initialisation as the device sees it, configuration that changes while it
 * is read, and registers that lie or vanish.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fake_access trace[4096];

static void trace_on(struct disk_rig *g)
{
    g->f.trace = trace;
    g->f.trace_cap = COUNT(trace);
    g->f.trace_len = 0;
}

/* ---- Probing ------------------------------------------------------------------ */

/* MMIO-08, MMIO-09, MMIO-11 to MMIO-13, MMIO-26 to MMIO-28: the first three
   registers, in order, and what they say. */
static void test_probe_table(void)
{
    static const struct {
        uint32_t magic, version, id;
        int err;
        bool quiet;
        unsigned accesses; /* at most */
    } row[] = {
        {0x74726976, 2, 2, VDRV_OK, true, 4},
        {0x74726976, 2, 99, VDRV_OK, true, 4},
        {0x74726976, 2, 0, VDRV_ERR_NO_DEVICE, true, 3},
        {0, 2, 2, VDRV_ERR_NO_DEVICE, true, 2},
        {0x76697274, 2, 2, VDRV_ERR_NO_DEVICE, true, 2},
        {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, VDRV_ERR_NO_DEVICE, true, 2},
        {0x74726976, 1, 2, VDRV_ERR_UNSUPPORTED, false, 3},
        {0x74726976, 1, 0, VDRV_ERR_NO_DEVICE, true, 3},
        {0x74726976, 0, 2, VDRV_ERR_UNSUPPORTED, false, 3},
        {0x74726976, 3, 2, VDRV_ERR_UNSUPPORTED, false, 3},
        {0x74726976, 0xFFFFFFFF, 2, VDRV_ERR_UNSUPPORTED, false, 3},
        {0x74726976, 2, 0xFFFFFFFF, VDRV_ERR_NO_DEVICE, true, 3},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct disk_rig g;

        disk_machine(&g, NULL);
        trace_on(&g);
        g.slot.magic = row[i].magic;
        g.slot.version = row[i].version;
        g.slot.device_id = row[i].id;
        CHECK_EQ(disk_probe(&g), row[i].err);
        CHECK(g.f.trace_len <= row[i].accesses);
        for (unsigned k = 0; k < g.f.trace_len && k < 3; k++) {
            CHECK_EQ(trace[k].addr, DISK_SLOT + 4 * k);
            CHECK_EQ(trace[k].write, 0);
        }
        CHECK_EQ(g.f.n_log == 0, row[i].quiet);
        if (row[i].err == VDRV_OK) {
            CHECK_EQ(g.t->device_id, row[i].id);
            CHECK_EQ(g.t->vendor_id, 0x554D4551);
            CHECK_EQ(g.t->config_size, 0x100);
            CHECK_EQ(g.mmio.phys, DISK_SLOT);
            CHECK(strcmp(g.t->location, "mmio 10001000") == 0);
        }
        if (check_failures)
            printf("  row %zu\n", i);
        disk_end(&g);
    }
}

static void test_probe_version_1_text(void)
{
    struct disk_rig g;

    disk_machine(&g, NULL);
    g.slot.version = 1;
    CHECK_EQ(disk_probe(&g), VDRV_ERR_UNSUPPORTED);
    /* The log says what to do. */
    CHECK(fake_log_contains(&g.f, "force-legacy"));
    CHECK(fake_log_contains(&g.f, "10001000"));
    disk_end(&g);
}

static void test_probe_invalid(void)
{
    struct vdrv_hal half;
    struct disk_rig g;

    disk_machine(&g, NULL);
    trace_on(&g);
    CHECK_EQ(vdrv_mmio_probe(NULL, &g.f.hal, DISK_SLOT, 0x200),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, NULL, DISK_SLOT, 0x200),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, &g.f.hal, DISK_SLOT, 0xFF),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, &g.f.hal, DISK_SLOT, 0),
             VDRV_ERR_INVALID);
    for (uint32_t off = 1; off < 4; off++)
        CHECK_EQ(vdrv_mmio_probe(&g.mmio, &g.f.hal, DISK_SLOT + off, 0x200),
                 VDRV_ERR_INVALID);
    g.f.refuse_mmio_map = true;
    CHECK_EQ(disk_probe(&g), VDRV_ERR_INVALID);
    g.f.refuse_mmio_map = false;
    half = g.f.hal;
    half.reg_read = NULL;
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, &half, DISK_SLOT, 0x200),
             VDRV_ERR_INVALID);
    half = g.f.hal;
    half.reg_write = NULL;
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, &half, DISK_SLOT, 0x200),
             VDRV_ERR_INVALID);
    CHECK_EQ(g.f.trace_len, 0);
    disk_end(&g);
}

/* ---- Scanning -------------------------------------------------------------------- */

#define SLOTS 8

/* QEMU's way: filled from the top; slot 5 is a version-1 device. */
static void test_scan(void)
{
    static const uint32_t type[SLOTS] = {0, 0, 0, 16, 0, 1, 2, 2};
    struct vdrv_mmio_window w = {0x20000000, 0x200, SLOTS};
    struct fake_dev dev[SLOTS];
    struct fake_mmio slot[SLOTS];
    struct fake_dev_ops ops = {0};
    struct vdrv_mmio m;
    struct fake f;
    uint32_t at = 0;

    fake_init(&f, NULL);
    for (uint32_t i = 0; i < SLOTS; i++) {
        fake_dev_init(&dev[i], &f, &ops, type[i], "slot");
        fake_mmio_init(&slot[i], &f, type[i] ? &dev[i] : NULL,
                       w.phys + i * w.stride, 0);
    }
    slot[5].version = 1;
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_OK);
    CHECK_EQ(m.transport.device_id, 16);
    CHECK_EQ(at, 4);
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_OK);
    CHECK_EQ(at, 7);
    CHECK_EQ(m.phys, w.phys + 6 * w.stride);
    CHECK(f.n_log > 0); /* the one passed over */
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_OK);
    CHECK_EQ(at, 8);
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_ERR_NO_DEVICE);
    at = 0;
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 2, &at), VDRV_OK);
    CHECK_EQ(at, 7);
    at = 0;
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 5, &at), VDRV_ERR_NO_DEVICE);
    at = 99;
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at), VDRV_ERR_NO_DEVICE);
    for (uint32_t i = 0; i < SLOTS; i++) {
        fake_mmio_fini(&slot[i]);
        fake_dev_fini(&dev[i]);
    }
    fake_fini(&f);
}

static void test_scan_invalid(void)
{
    static const struct vdrv_mmio_window bad[] = {
        {0x20000000, 0, 8},
        {0x20000000, 0xFF, 8},
        {0x20000001, 0x200, 8},
        {0x20000000, 0x201, 8},
        {UINT64_MAX - 0x1FF, 0x200, 2},
        {UINT64_MAX - 0x2FFF, 0x1000, 0x10001}};
    struct vdrv_mmio_window w = {0x20000000, 0x200, 1};
    struct vdrv_mmio m;
    struct fake f;
    uint32_t at = 0;

    fake_init(&f, NULL);
    CHECK_EQ(vdrv_mmio_scan(NULL, &f.hal, &w, 0, &at), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_scan(&m, NULL, &w, 0, &at), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, NULL, 0, &at), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &w, 0, NULL), VDRV_ERR_INVALID);
    f.record = true;
    for (size_t i = 0; i < COUNT(bad); i++) {
        at = 0;
        CHECK_EQ(vdrv_mmio_scan(&m, &f.hal, &bad[i], 0, &at), VDRV_ERR_INVALID);
    }
    CHECK_EQ(f.violations, 0);
    w.count = 0;
    CHECK(vdrv_mmio_scan(&m, &f.hal, &w, 0, &at) < 0);
    fake_fini(&f);
}

/* ---- The staircase ----------------------------------------------------------------- */

/* BASIC-01, BASIC-37, MMIO-31: what was written to the status register, in
   order. */
static unsigned status_writes(struct disk_rig *g, uint32_t *out, unsigned max)
{
    unsigned n = 0;

    for (size_t i = 0; i < g->f.trace_len; i++)
        if (trace[i].write && trace[i].addr == DISK_STATUS && n < max)
            out[n++] = trace[i].value;
    return n;
}

static void test_status_sequence(void)
{
    static const uint32_t want[] = {0, 1, 3, 0xB, 0xF};
    struct disk_rig g;
    uint32_t got[16];

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    trace_on(&g);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    CHECK_EQ(status_writes(&g, got, 16), 5);
    CHECK_MEM(got, want, sizeof(want));
    g.f.trace_len = 0;
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    CHECK_EQ(status_writes(&g, got, 16), 1);
    CHECK_EQ(got[0], 0);
    disk_end(&g);
}

/* Register accesses of the probe, of asking for sizes, and of init. */
static void count_accesses(const struct disk_opts *o, uint64_t n[3])
{
    struct disk_rig g;
    uint64_t at[3];

    disk_machine(&g, o);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    at[0] = g.f.reads + g.f.writes;
    (void)vdrv_virtio_blk_work_size(g.t, &g.cfg);
    at[1] = g.f.reads + g.f.writes;
    CHECK_EQ(disk_init(&g), VDRV_OK);
    at[2] = g.f.reads + g.f.writes;
    n[0] = at[0];
    n[1] = at[1] - at[0];
    n[2] = at[2] - at[1] - n[1]; /* disk_init() asks for the size, too */
    disk_down(&g);
}

static void test_access_count(void)
{
    struct disk_opts least = {.disk = {.features = BIT64(FAKE_BLK_F_FLUSH)}};
    uint64_t n[3];

    count_accesses(&least, n);
    printf("  register accesses, one queue: probe %" PRIu64
           ", work size %" PRIu64 ", init %" PRIu64,
           n[0], n[1], n[2]);
    CHECK(n[0] <= 4 && n[1] <= 2 && n[2] <= 40);
    count_accesses(NULL, n);
    printf(", with every feature %" PRIu64 "\n", n[2]);
    CHECK(n[2] <= 60);
}

/* BASIC-30, MMIO-14, MMIO-15, MMIO-37: selectors before words, QueueReady
   last. */
static void test_register_order(void)
{
    uint32_t sel_dev = 9, sel_drv = 9;
    bool ready = false, ok = false;
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    trace_on(&g);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    for (size_t i = 0; i < g.f.trace_len; i++) {
        const struct fake_access *a = &trace[i];
        uint64_t off = a->addr - DISK_SLOT;

        if (off == 0x14)
            sel_dev = a->value;
        if (off == 0x24)
            sel_drv = a->value;
        if (off == 0x10)
            CHECK(sel_dev <= 3 && !ok);
        if (off == 0x20)
            CHECK(sel_drv <= 3 && !ok);
        if (off == 0x44 && a->write)
            ready = a->value == 1;
        if (off == 0x38 || (off >= 0x80 && off < 0xA8))
            CHECK(!ready && ok);
        if (off == 0x70 && a->write)
            ok = ok || a->value == 0xB;
        CHECK(off != 0x50); /* BASIC-40 */
        CHECK(off < 0xAC || off > 0xBC);
        if (off < 0x100)
            CHECK_EQ(a->width, 4);
    }
    CHECK(ready);
    disk_down(&g);
}

/* ---- Features ----------------------------------------------------------------------- */

/* BASIC-09 to BASIC-13, BASIC-16, BASIC-18, BASIC-49, BASIC-57, BASIC-60,
   MMIO-42: everything is offered. */
static void fault_F25b_all_features(void)
{
    for (int mode = 0; mode < 2; mode++) {
        struct disk_opts o = {.machine = {.mode = (uint32_t)mode}};
        struct disk_rig g;
        uint64_t *a;

        disk_machine(&g, &o);
        g.dev.dev.offered[0] = g.dev.dev.offered[1] = UINT64_MAX;
        g.f.hal.direct_platform = 1;
        g.dev.cfg.features = UINT64_MAX;
        fake_put32(g.dev.dev.config + FAKE_BLK_CFG_SIZE_MAX, 65536);
        g.dev.cfg.read_only = true;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        a = g.dev.dev.accepted;
        printf("  accepted %#" PRIx64 " %#" PRIx64 "\n", a[0], a[1]);
        CHECK(a[0] & BIT64(32) && a[0] & BIT64(33));
        CHECK_EQ(a[0] & (BIT64(34) | BIT64(37) | BIT64(41)), 0);
        CHECK_EQ(a[0] & (0x3Full << 44), 0);
        CHECK_EQ(a[0] >> 50, 0); /* net's, and nobody's */
        CHECK_EQ(a[0] & (BIT64(17) | BIT64(0) | BIT64(7) | 0xFE0000ull), 0);
        CHECK_EQ(a[1], 0);
        CHECK(a[0] & BIT64(FAKE_BLK_F_RO));
        disk_down(&g);
    }
}

/* BASIC-15, BASIC-38, BASIC-39, BASIC-50. */
static void fault_F25b_no_version_1(void)
{
    struct disk_rig g;
    uint32_t got[16];
    unsigned n;

    disk_machine(&g, NULL);
    fake_dev_offer(&g.dev.dev, FAKE_F_VERSION_1, false);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    trace_on(&g);
    CHECK_EQ(disk_init(&g), VDRV_ERR_UNSUPPORTED);
    n = status_writes(&g, got, 16);
    CHECK(n >= 4 && got[3] & FAKE_FAILED);
    for (unsigned i = 0; i < n; i++)
        CHECK(!(got[i] & (FAKE_DRIVER_OK | FAKE_FEATURES_OK)));
    CHECK(g.f.n_log > 0);
    CHECK_EQ(g.f.allocs_total, 0);
    /* BASIC-03: another attempt begins with a reset, and works. */
    fake_dev_offer(&g.dev.dev, FAKE_F_VERSION_1, true);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* Any subset, a new one at each read: what is accepted was offered (fake). */
static void fault_F25b_random_features(void)
{
    uint64_t seed = check_seed();
    unsigned ok = 0;

    for (unsigned i = 0; i < 300; i++) {
        struct disk_opts o = {.machine = {.seed = seed + i * 977 + 1}};
        struct disk_rig g;
        int err;

        disk_machine(&g, &o);
        for (int k = 0; k < 2; k++)
            g.dev.dev.offered[k] =
                (uint64_t)fake_rand(&g.f) << 32 | fake_rand(&g.f);
        g.dev.dev.offered[0] |= BIT64(32);
        g.dev.dev.offered[0] &= ~BIT64(FAKE_BLK_F_SIZE_MAX);
        g.dev.cfg.read_only = fake_dev_offers(&g.dev.dev, FAKE_BLK_F_RO);
        g.f.hal.direct_platform = i & 1;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        err = disk_init(&g);
        CHECK_EQ(err, (i & 1) == 0 && fake_dev_offers(&g.dev.dev, 33)
                          ? VDRV_ERR_UNSUPPORTED
                          : VDRV_OK);
        ok += err == VDRV_OK;
        if (err == VDRV_OK && !g.dev.cfg.read_only)
            disk_works(&g);
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        disk_end(&g);
        if (check_failures)
            break;
    }
    CHECK(ok > 0);
}

/* BASIC-33, BASIC-39. */
static void fault_F25_features_ok_refused(void)
{
    struct disk_rig g;
    uint32_t got[16];
    unsigned n;

    disk_machine(&g, NULL);
    g.dev.dev.refuse_features = true;
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    trace_on(&g);
    CHECK_EQ(disk_init(&g), VDRV_ERR_UNSUPPORTED);
    n = status_writes(&g, got, 16);
    CHECK(n >= 5 && got[3] == 0xB && got[4] & FAKE_FAILED);
    for (unsigned i = 0; i < n; i++)
        CHECK(!(got[i] & FAKE_DRIVER_OK));
    CHECK_EQ(g.f.allocs_total, 0);
    CHECK(g.f.n_log > 0);
    g.dev.dev.refuse_features = false;
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* The status register shows `bits` at each of its reads in turn. */
static void status_sweep(uint32_t value, int want, int other)
{
    bool over = false;
    int err = -1;
    unsigned k;

    for (k = 0; k < 40; k++) {
        struct disk_rig g;
        uint64_t reads;

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        fake_override(&g.f, VDRV_SPACE_MEMORY, DISK_STATUS, k, 1, value);
        reads = g.f.reads;
        g.f.record = true; /* the fake did not see what the driver saw */
        err = disk_init(&g);
        over = g.f.overrides[0].count != 0; /* past the end */
        if (err != VDRV_OK)
            CHECK(err == want || err == other);
        CHECK(g.f.reads - reads < 200);
        fake_override_clear(&g.f);
        if (err != VDRV_OK)
            CHECK_EQ(disk_init(&g), VDRV_OK);
        disk_works(&g);
        CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        fake_violations_clear(&g.f);
        disk_end(&g);
        if (check_failures)
            printf("  %#x at status read %u: %s\n", value, k,
                   vdrv_strerror(err));
        if (over || check_failures)
            break;
    }
    CHECK(k > 1 && k < 40);
}

static void fault_F25_status_at_each_step(void)
{
    /* While a reset is awaited, a strange value only means "not yet". */
    status_sweep(0xFF, VDRV_ERR_BAD_STATE, VDRV_ERR_NO_DEVICE);
    status_sweep(0x4F, VDRV_ERR_BAD_STATE, VDRV_ERR_UNSUPPORTED);
    status_sweep(0x8F, VDRV_ERR_BAD_STATE, VDRV_ERR_UNSUPPORTED);
    status_sweep(0xFFFFFFFF, VDRV_ERR_NO_DEVICE, VDRV_ERR_NO_DEVICE);
    status_sweep(0, VDRV_ERR_UNSUPPORTED, VDRV_ERR_BAD_STATE);
}

/* ---- Reset ------------------------------------------------------------------------- */

static void fault_F24_reset_delayed(void)
{
    static const uint32_t k[] = {1, 2, 5, 100, 5000};

    for (size_t i = 0; i < COUNT(k); i++) {
        struct disk_rig g;

        disk_machine(&g, NULL);
        g.dev.dev.reset_reads = k[i];
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F24_reset_never(void)
{
    for (int clock = 0; clock < 2; clock++) {
        struct disk_rig g;

        disk_machine(&g, NULL);
        if (!clock) {
            g.f.hal.now_us = NULL;
            g.f.hal.poll_limit = 1000;
        }
        g.dev.dev.reset_never = true;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_ERR_TIMEOUT);
        CHECK(g.f.now < 10000000);
        if (!clock)
            CHECK(g.f.reads < 3000);
        CHECK_EQ(g.f.allocs_total, 0);
        CHECK(g.f.n_log > 0);
        g.dev.dev.reset_never = false;
        CHECK_EQ(disk_init(&g), VDRV_OK);
        disk_works(&g);
        disk_down(&g);
    }
}

/* ---- Configuration --------------------------------------------------------------------- */

static const struct vdrv_config_field capacity = {0, 8, 1};

/* CFG-07, MMIO-06, MMIO-07, MMIO-34. */
static void test_config_fields(void)
{
    static const struct vdrv_config_field f[] = {
        {0, 8, 1}, {8, 4, 2}, {16, 2, 3}, {24, 1, 4}};
    struct disk_rig g;
    uint8_t image[32];

    disk_machine(&g, NULL);
    for (unsigned i = 0; i < 72; i++)
        g.dev.dev.config[i] = (uint8_t)(i + 1);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    trace_on(&g);
    memset(image, 0xEE, sizeof(image));
    CHECK_EQ(vdrv_transport_config(g.t, f, 4, image, 28), VDRV_OK);
    for (unsigned i = 0; i < 32; i++)
        CHECK_EQ(image[i], i < 22 || (i >= 24 && i < 28) ? i + 1 : 0xEE);
    /* MMIO-05 to MMIO-07: widths, 64 bits as two 32. */
    for (size_t i = 0; i < g.f.trace_len; i++) {
        uint64_t off = trace[i].addr - DISK_SLOT - 0x100;

        if (trace[i].addr >= DISK_SLOT + 0x100)
            CHECK_EQ(trace[i].width, off < 16 ? 4 : off < 24 ? 2 : 1);
    }
    CHECK_EQ(vdrv_transport_config(g.t, f, 4, image, 27), VDRV_ERR_INVALID);
    disk_end(&g);
}

/* CFG-06: of what is used, and no more. */
static void fault_F22_config_too_short(void)
{
    for (uint32_t len = 0x100; len <= 0x148; len++) {
        struct disk_opts o = {.region = len};
        struct disk_rig g;
        uint8_t image[8];
        int err;

        disk_machine(&g, &o);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(g.t->config_size, len - 0x100);
        CHECK_EQ(vdrv_transport_config(g.t, &capacity, 1, image, 8),
                 len < 0x108 ? VDRV_ERR_PROTOCOL : VDRV_OK);
        err = disk_init(&g); /* the fake watches the end of the region */
        CHECK_EQ(err, len < 0x108      ? VDRV_ERR_PROTOCOL
                      : err == VDRV_OK ? VDRV_OK
                                       : VDRV_ERR_PROTOCOL);
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        disk_end(&g);
    }
}

static void fault_F23_generation_flaps(void)
{
    struct disk_rig g;
    uint8_t image[8];
    uint64_t reads;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    g.dev.dev.generation_flaps = true;
    reads = g.f.reads;
    CHECK_EQ(vdrv_transport_config(g.t, &capacity, 1, image, 8),
             VDRV_ERR_AGAIN);
    CHECK(g.f.reads - reads <= 16 * 4 + 1);
    CHECK_EQ(disk_init(&g), VDRV_ERR_AGAIN);
    CHECK(fake_balanced(&g.f));
    g.dev.dev.generation_flaps = false;
    CHECK_EQ(disk_init(&g), VDRV_OK);
    CHECK_EQ(vdrv_block_num_blocks(g.blk), 2048);
    /* At run time the old snapshot is kept. */
    g.dev.dev.generation_flaps = true;
    fake_put64(g.dev.dev.config, 1000);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_ERR_AGAIN);
    CHECK_EQ(vdrv_block_num_blocks(g.blk), 2048);
    g.dev.dev.generation_flaps = false;
    disk_works(&g);
    CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_OK);
    CHECK_EQ(vdrv_block_num_blocks(g.blk), 1000);
    disk_down(&g);
}

/* CFG-03: k changes are waited out, up to 15. */
static int changes_left;

static void change_generation(void *arg, struct fake_dev *d, uint32_t off)
{
    (void)arg;
    (void)off;
    if (changes_left > 0) {
        changes_left--;
        d->generation++;
    }
}

/* MMIO-33. */
static void test_config_retries(void)
{
    for (int k = 0; k < 15; k++) {
        struct disk_rig g;
        uint8_t image[16];
        struct vdrv_config_field seg_max = {12, 4, 1};

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        g.dev.dev.on_config_read = change_generation;
        changes_left = k;
        memset(image, 0, sizeof(image));
        CHECK_EQ(vdrv_transport_config(g.t, &seg_max, 1, image, 16), VDRV_OK);
        disk_end(&g);
    }
}

/* The other value, at the n-th read of configuration space. */
static int tear_at;

static void tear(void *arg, struct fake_dev *d, uint32_t off)
{
    (void)arg;
    (void)off;
    if (tear_at-- != 0)
        return;
    fake_put64(d->config, 0xAAAAAAAA55555555u);
    d->generation++;
}

/* CFG-01, CFG-02, MMIO-33. */
static void fault_F40d_torn_capacity(void)
{
    for (int k = 0; k < 6; k++) {
        struct disk_rig g;
        uint8_t image[8];
        uint64_t v;

        disk_machine(&g, NULL);
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        fake_put64(g.dev.dev.config, 0x1111111122222222u);
        g.dev.dev.on_config_read = tear;
        tear_at = k;
        CHECK_EQ(vdrv_transport_config(g.t, &capacity, 1, image, 8), VDRV_OK);
        v = fake_get64(image);
        CHECK_EQ(v, k < 2 ? 0xAAAAAAAA55555555u : 0x1111111122222222u);
        disk_end(&g);
    }
}

/* ---- Queues --------------------------------------------------------------------------- */

/* MMIO-35. */
static void fault_F40_queue_registers_lie(void)
{
    for (int lie = 0; lie < 5; lie++) {
        for (uint32_t mode = 0; mode < 2; mode++) {
            struct disk_opts o = {.machine = {.mode = mode}};
            struct disk_rig g;

            disk_machine(&g, &o);
            CHECK_EQ(disk_probe(&g), VDRV_OK);
            g.slot.queue_ready = lie == 0   ? FAKE_READY_SET
                                 : lie == 1 ? FAKE_READY_CLEAR
                                            : FAKE_READY_WORKS;
            g.slot.no_queues = lie == 2;
            g.slot.queue_max = lie == 3 ? 12 : lie == 4 ? 0xFFFF : 0;
            CHECK_EQ(disk_init(&g), VDRV_ERR_PROTOCOL);
            CHECK(fake_balanced(&g.f));
            CHECK(g.f.n_log > 0);
            g.slot.queue_ready = FAKE_READY_WORKS;
            g.slot.no_queues = false;
            g.slot.queue_max = 0;
            CHECK_EQ(disk_init(&g), VDRV_OK);
            disk_works(&g);
            disk_down(&g);
        }
    }
}

/* ---- Interrupts ------------------------------------------------------------------------- */

/* MMIO-20, MMIO-21, MMIO-39, MMIO-41. */
static void test_irq_undefined_bits(void)
{
    static const struct {
        uint32_t isr, cause;
    } row[] = {{0xFFFFFFFC, 0}, {0xFC, 0}, {0xFD, 1}, {0xFE, 2},
               {0xFF, 3},       {1, 1},    {2, 2},    {3, 3}};
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0);
    for (size_t i = 0; i < COUNT(row); i++) {
        g.slot.isr_always = row[i].isr;
        trace_on(&g);
        CHECK_EQ(vdrv_irq(&g.blk->dev, 0), row[i].cause);
        CHECK(g.f.trace_len <= 2);
        if (row[i].cause) {
            CHECK_EQ(trace[1].addr, DISK_SLOT + 0x64);
            CHECK_EQ(trace[1].value, row[i].cause);
        } else {
            CHECK_EQ(g.f.trace_len, 1);
        }
    }
    g.slot.isr_always = 0;
    disk_works(&g);
    disk_down(&g);
}

/* F19: always set, also all ones: bounded, and the disk goes on. */
static void fault_F19_isr_stuck(void)
{
    static const uint32_t isr[] = {1, 0xFF, 0xFFFFFFFF};

    for (size_t i = 0; i < COUNT(isr); i++) {
        struct disk_rig g;
        uint64_t accesses;

        if (!disk_up(&g, NULL))
            return;
        g.slot.isr_always = isr[i];
        accesses = g.f.reads + g.f.writes;
        for (int k = 0; k < 1000; k++) {
            vdrv_irq(&g.blk->dev, 0);
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        }
        CHECK(g.f.reads + g.f.writes - accesses <= 4000);
        disk_works(&g);
        disk_down(&g);
    }
}

static void fault_F17_spurious_irqs(void)
{
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    for (int k = 0; k < 1000000; k++)
        if (vdrv_irq(&g.blk->dev, 0) != 0)
            CHECK(false);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    disk_works(&g);
    disk_down(&g);
}

/* An interrupt that comes while the driver initialises, and after a stop. */
static struct disk_rig *irq_rig;
static uint32_t irq_causes;

static void irq_in_write(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == DISK_STATUS && a->value >= 0xB)
        irq_causes |= vdrv_irq(&irq_rig->blk->dev, 0);
}

static void fault_F18_irq_out_of_time(void)
{
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    irq_rig = &g;
    g.f.write_hook = irq_in_write;
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    g.slot.isr_always = 3;
    CHECK(vdrv_irq(&g.blk->dev, 0) <= 3);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    g.slot.isr_always = 0;
    CHECK(vdrv_poll(&g.blk->dev, 0, 0) == 0);
    disk_works(&g);
    g.f.write_hook = NULL;
    disk_down(&g);
}

/* A completion comes between the read of the cause and its acknowledgement. */
static uint32_t complete_after_isr(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == DISK_SLOT + 0x60 && fake_dev_pending(&irq_rig->dev.dev))
        fake_dev_release(&irq_rig->dev.dev, 0);
    return a->value;
}

static void fault_F20_between_isr_and_ack(void)
{
    static uint8_t data[2][512];
    struct vdrv_block_request req[2];
    struct vdrv_seg seg[2];
    struct disk_rig g;

    if (!disk_up(&g, NULL))
        return;
    irq_rig = &g;
    for (int round = 0; round < 200 && check_failures == 0; round++) {
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        memset(req, 0, sizeof(req));
        for (int i = 0; i < 2; i++) {
            seg[i] = vdrv_seg_in(data[i], 512);
            req[i].op = VDRV_BLOCK_READ;
            req[i].segs = &seg[i];
            req[i].nsegs = 1;
            CHECK_EQ(vdrv_block_submit(g.blk, &req[i]), VDRV_OK);
        }
        CHECK_EQ(vdrv_arm(&g.blk->dev, 0, VDRV_ARM_NEXT), 0);
        CHECK_EQ(vdrv_block_kick(g.blk, 0), 1);
        fake_step(&g.f);
        fake_dev_release(&g.dev.dev, 0);
        g.f.read_hook = complete_after_isr;
        CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_QUEUE);
        g.f.read_hook = NULL;
        CHECK_EQ(g.dev.dev.isr, 0); /* no second interrupt will come */
        do
            CHECK(vdrv_poll(&g.blk->dev, 0, 0) >= 0);
        while (vdrv_arm(&g.blk->dev, 0, VDRV_ARM_NEXT) == 1);
        CHECK_EQ(req[0].status | req[1].status, VDRV_OK);
    }
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    disk_down(&g);
}

/* ---- Unplugging -------------------------------------------------------------------------- */

/* A session; each answer must be right for a device that may vanish. */
static void session(struct disk_rig *g, bool *gone)
{
    uint8_t buf[1024] = {0};
    struct vdrv_device *dev;
    int err[8] = {0};

    err[0] = disk_probe(g);
    if (!err[0])
        err[1] = disk_init(g);
    if (!err[0] && !err[1]) {
        dev = &g->blk->dev;
        err[2] = vdrv_block_write_block(g->blk, 0, buf, sizeof(buf));
        err[3] = vdrv_block_read_block(g->blk, 2, buf, sizeof(buf));
        err[4] = vdrv_block_flush(g->blk);
        CHECK(vdrv_irq(dev, 0) <= 3);
        err[5] = vdrv_refresh(dev, NULL);
        err[6] = vdrv_reset(dev);
        if (err[6] && err[6] != VDRV_ERR_NO_DEVICE)
            CHECK(false);
        err[7] = vdrv_virtio_blk_fini(&g->drv);
        CHECK_EQ(err[7], VDRV_OK);
    }
    *gone = false;
    for (int i = 0; i < 7; i++) {
        if (err[i] && err[i] != VDRV_ERR_NO_DEVICE) {
            printf("  step %d answers %s\n", i, vdrv_strerror(err[i]));
            CHECK(false);
        }
        *gone = *gone || err[i];
    }
}

static void fault_F25c_unplugged(void)
{
    for (uint32_t mode = 0; mode < 2; mode++) {
        bool gone = true;
        uint32_t k;

        for (k = 1; gone || k < 60; k++) {
            struct disk_opts o = {.machine = {.mode = mode},
                                  .drv = {.timeout_us = 100000}};
            struct disk_rig g;

            disk_machine(&g, &o);
            g.f.gone_at = k;
            session(&g, &gone);
            CHECK(g.f.now < 20000000); /* no wait is longer than its bound */
            CHECK(g.f.gone_accesses < 100000); /* "no storms" */
            disk_end(&g);
            if (check_failures) {
                printf("  mode %u, gone at access %u\n", mode, k);
                return;
            }
            REQUIRE(k < 1000);
        }
    }
}

/* ---- Shared memory ------------------------------------------------------------ */

/* MMIO-32: a length of all ones means that there is none. */
static void test_shared_memory(void)
{
    static const struct {
        uint32_t id, asked;
        uint64_t base, len;
        int err;
    } row[] = {
        {1, 1, 0x4000000000, 0x10000000, VDRV_OK},
        {0, 0, 0x1000, 1, VDRV_OK},
        {255, 255, UINT64_MAX, 1, VDRV_OK},
        {0, 0, 0, UINT64_MAX - 1, VDRV_OK},
        {0, 0, 0xFFFFFFFF00000000, 0xFFFFFFFF, VDRV_OK},
        {1, 0, 0x1000, 0x1000, VDRV_ERR_UNSUPPORTED},
        {1, 1, 0x1000, UINT64_MAX, VDRV_ERR_UNSUPPORTED},
        {1, 1, UINT64_MAX, UINT64_MAX, VDRV_ERR_UNSUPPORTED},
        {1, 1, 0x1000, 0, VDRV_ERR_PROTOCOL},
        {1, 1, UINT64_MAX, 2, VDRV_ERR_PROTOCOL}, /* over the end */
        {1, 1, 3, UINT64_MAX - 1, VDRV_ERR_PROTOCOL},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct vdrv_shared_memory m = {0xee, 0xee};
        struct disk_rig g;

        disk_machine(&g, NULL);
        g.slot.shm_id = row[i].id;
        g.slot.shm_base = row[i].base;
        g.slot.shm_len = row[i].len;
        CHECK_EQ(disk_probe(&g), VDRV_OK);
        CHECK_EQ(vdrv_transport_shared_memory(g.t, row[i].asked, &m),
                 row[i].err);
        CHECK_EQ(m.phys, row[i].err == VDRV_OK ? row[i].base : 0);
        CHECK_EQ(m.len, row[i].err == VDRV_OK ? row[i].len : 0);
        CHECK_EQ(g.f.n_log != 0, row[i].err == VDRV_ERR_PROTOCOL);
        if (check_failures)
            printf("  row %zu\n", i);
        disk_end(&g);
    }
}

static void test_shared_memory_unplugged(void)
{
    struct vdrv_shared_memory m = {0xee, 0xee};
    struct disk_rig g;

    disk_machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    g.f.gone_at = 1;
    CHECK_EQ(vdrv_transport_shared_memory(g.t, 0, &m), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(m.phys, 0);
    CHECK_EQ(m.len, 0);
    disk_end(&g);
}

/* MMIO-30: a driver that needs none leaves those registers alone; and LEG-34,
   version 1 has none. */
static void test_shared_memory_not_asked_for(void)
{
    struct vdrv_shared_memory m;
    struct disk_rig g;

    disk_machine(&g, NULL);
    trace_on(&g);
    CHECK_EQ(disk_probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
    CHECK(g.f.trace_len > 50);
    for (size_t i = 0; i < g.f.trace_len; i++)
        CHECK(trace[i].addr < DISK_SLOT + 0xac ||
              trace[i].addr >= DISK_SLOT + 0xc0);
    disk_machine(&g, NULL);
    fake_mmio_legacy(&g.slot);
    CHECK_EQ(vdrv_mmio_probe_any(&g.mmio, &g.f.hal, DISK_SLOT, 0x200,
                                 &vdrv_mmio_legacy),
             VDRV_OK);
    CHECK_EQ(vdrv_transport_shared_memory(g.t, 0, &m), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_transport_shared_memory(g.t, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_transport_shared_memory(NULL, 0, &m), VDRV_ERR_INVALID);
    disk_end(&g);
}

static const struct check_case cases[] = {
    {"mmio_shared_memory", test_shared_memory},
    {"mmio_shared_memory_unplugged", test_shared_memory_unplugged},
    {"mmio_shared_memory_not_asked_for", test_shared_memory_not_asked_for},
    {"fault_F39_probe_table", test_probe_table},
    {"mmio_probe_version_1_text", test_probe_version_1_text},
    {"mmio_probe_invalid", test_probe_invalid},
    {"mmio_scan", test_scan},
    {"mmio_scan_invalid", test_scan_invalid},
    {"mmio_status_sequence", test_status_sequence},
    {"mmio_access_count", test_access_count},
    {"mmio_register_order", test_register_order},
    {"mmio_config_fields", test_config_fields},
    {"mmio_config_retries", test_config_retries},
    {"mmio_irq_undefined_bits", test_irq_undefined_bits},
    {"fault_F17_spurious_irqs", fault_F17_spurious_irqs},
    {"fault_F18_irq_out_of_time", fault_F18_irq_out_of_time},
    {"fault_F19_isr_stuck", fault_F19_isr_stuck},
    {"fault_F20_between_isr_and_ack", fault_F20_between_isr_and_ack},
    {"fault_F22_config_too_short", fault_F22_config_too_short},
    {"fault_F23_generation_flaps", fault_F23_generation_flaps},
    {"fault_F24_reset_delayed", fault_F24_reset_delayed},
    {"fault_F24_reset_never", fault_F24_reset_never},
    {"fault_F25_features_ok_refused", fault_F25_features_ok_refused},
    {"fault_F25_status_at_each_step", fault_F25_status_at_each_step},
    {"fault_F25b_all_features", fault_F25b_all_features},
    {"fault_F25b_no_version_1", fault_F25b_no_version_1},
    {"fault_F25b_random_features", fault_F25b_random_features},
    {"fault_F25c_unplugged", fault_F25c_unplugged},
    {"fault_F40_queue_registers_lie", fault_F40_queue_registers_lie},
    {"fault_F40d_torn_capacity", fault_F40d_torn_capacity},
};

CHECK_MAIN(cases)
