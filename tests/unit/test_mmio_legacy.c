/* SPDX-License-Identifier: MIT */
/*
 * Version 1 of virtio over MMIO: the legacy registers, ring layout, features,
 * framing and configuration, with a disk and a network card on the fake, which
 * checks each access against 4.2.4 and the legacy sections of VirtIO 1.4.
 */
#include <virtio_drv/virtio_gpu.h>
#include <virtio_drv/virtio_net.h>

#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define LIMIT      UINT64_C(0x100000000000) /* 2^44: page numbers end here */
#define PAGE_SIZE_ (DISK_SLOT + 0x28)
#define QUEUE_SIZE (DISK_SLOT + 0x38)
#define ALIGN_     (DISK_SLOT + 0x3c)
#define PFN        (DISK_SLOT + 0x40)

static struct fake_access trace[512];

static void machine(struct disk_rig *g, const struct disk_opts *o)
{
    disk_machine(g, o);
    fake_mmio_legacy(&g->slot);
}

static int probe(struct disk_rig *g)
{
    return vdrv_mmio_probe_any(&g->mmio, &g->f.hal, DISK_SLOT, g->region,
                               &vdrv_mmio_legacy);
}

static bool up(struct disk_rig *g, const struct disk_opts *o)
{
    const unsigned before = check_failures;

    machine(g, o);
    CHECK_EQ(probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    return check_failures == before;
}

static void trace_on(struct fake *f)
{
    f->trace = trace;
    f->trace_cap = COUNT(trace);
    f->trace_len = 0;
}

/* The first write to a register from access `from` on; or COUNT(trace). */
static size_t write_to(const struct fake *f, uint64_t addr, size_t from)
{
    for (size_t i = from; i < f->trace_len; i++)
        if (trace[i].addr == addr && trace[i].write)
            return i;
    return COUNT(trace);
}

/* ---- Probing ------------------------------------------------------------- */

/* LEG-26: by the version register; version 2 stays as it was. LEG-01. */
static void probes_both_versions(void)
{
    struct disk_rig g;

    machine(&g, NULL);
    CHECK_EQ(disk_probe(&g), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g.f, "vdrv_mmio_legacy"));
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(g.mmio.version, 1);
    CHECK_EQ(g.t->flags, VDRV_TRANSPORT_LEGACY);
    CHECK_EQ(g.t->dma_limit, LIMIT - 1);
    CHECK_EQ(g.t->device_id, 2);
    g.slot.version = 3;
    CHECK_EQ(probe(&g), VDRV_ERR_UNSUPPORTED);
    disk_end(&g);

    disk_machine(&g, NULL);
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(g.mmio.version, 2);
    CHECK_EQ(g.t->flags, 0);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

static void scans_both_versions(void)
{
    const struct vdrv_mmio_window window = {DISK_SLOT, 0x200, 1};
    struct disk_rig g;
    uint32_t slot = 0;

    machine(&g, NULL);
    CHECK_EQ(vdrv_mmio_scan(&g.mmio, &g.f.hal, &window, 2, &slot),
             VDRV_ERR_NO_DEVICE);
    slot = 0;
    CHECK_EQ(vdrv_mmio_scan_any(&g.mmio, &g.f.hal, &window, 2,
                                &vdrv_mmio_legacy, &slot),
             VDRV_OK);
    CHECK_EQ(slot, 1);
    disk_end(&g);
}

/* ---- The disk ------------------------------------------------------------ */

static void disk_in_each_mode(void)
{
    static const uint8_t no[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};

    for (uint32_t mode = FAKE_DIRECT; mode <= FAKE_WINDOW; mode++)
        for (unsigned i = 0; i < COUNT(no); i++) {
            const struct disk_opts o = {
                .machine.mode = mode,
                .drv.no_indirect = no[i][0],
                .drv.no_event_idx = no[i][1],
            };
            struct disk_rig g;

            machine(&g, &o);
            fake_dev_offer(&g.dev.dev, FAKE_F_INDIRECT_DESC, true);
            fake_dev_offer(&g.dev.dev, FAKE_F_EVENT_IDX, true);
            CHECK_EQ(probe(&g), VDRV_OK);
            CHECK_EQ(disk_init(&g), VDRV_OK);
            CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_INDIRECT_DESC), !no[i][0]);
            for (unsigned k = 0; k < 100; k++)
                disk_works(&g);
            disk_down(&g);
        }
}

/* LEG-12, LEG-13, LEG-19: 32 bits, ANY_LAYOUT if offered, never bit 30. */
static void accepts_legacy_features(void)
{
    for (int any = 0; any < 2; any++) {
        struct disk_rig g;

        machine(&g, NULL);
        g.dev.dev.offered[0] = UINT32_MAX & ~BIT64(FAKE_F_ANY_LAYOUT);
        fake_dev_offer(&g.dev.dev, FAKE_F_ANY_LAYOUT, any);
        g.dev.cfg.features = UINT32_MAX;
        fake_put32(g.dev.dev.config + FAKE_BLK_CFG_SIZE_MAX, 65536);
        g.dev.cfg.read_only = true;
        CHECK_EQ(probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_ANY_LAYOUT), any);
        CHECK(!fake_dev_has(&g.dev.dev, FAKE_F_BAD_FEATURE));
        CHECK(fake_dev_has(&g.dev.dev, FAKE_F_EVENT_IDX));
        CHECK_EQ(g.dev.dev.accepted[0] >> 32, 0);
        CHECK_EQ(g.dev.dev.accepted[0] & (BIT64(0) | BIT64(7)), 0); /* LEG-35 */
        CHECK_EQ(g.dev.dev.accepted[0] & BIT64(24),
                 0); /* LEG-14: is of no use */
        disk_down(&g);
    }
}

/* What a user insists on is not dropped with the rest. */
static void platform_cannot_be_had(void)
{
    const struct disk_opts o = {.drv.require_platform = 1};
    struct disk_rig g;

    machine(&g, &o);
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_ERR_UNSUPPORTED);
    disk_end(&g);
}

/* LEG-27, LEG-28, LEG-31, LEG-32: the order of the registers of a queue. LEG-30: no size above the device's. */
static void order_of_registers(void)
{
    const struct disk_opts o = {.disk.queue_max = 256, .drv.queue_size = 64};
    struct disk_rig g;
    size_t page, pfn;

    machine(&g, &o);
    CHECK_EQ(probe(&g), VDRV_OK);
    trace_on(&g.f);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    page = write_to(&g.f, PAGE_SIZE_, 0);
    pfn = write_to(&g.f, PFN, 0);
    REQUIRE(pfn < COUNT(trace));
    CHECK_EQ(write_to(&g.f, PAGE_SIZE_, page + 1), COUNT(trace));
    CHECK(page < pfn);
    CHECK(write_to(&g.f, ALIGN_, 0) < pfn);
    CHECK(write_to(&g.f, QUEUE_SIZE, 0) < pfn);
    CHECK_EQ(trace[page].value, 4096);
    CHECK_EQ(trace[write_to(&g.f, ALIGN_, 0)].value, 4096);
    CHECK_EQ(trace[write_to(&g.f, QUEUE_SIZE, 0)].value, 64);
    CHECK_EQ(trace[pfn].value * UINT64_C(4096), g.drv.queue[0].vq.area_dma);
    printf("  %zu register accesses in all\n", g.f.trace_len);
    g.f.trace_cap = 0;
    disk_works(&g);
    disk_down(&g);
}

/* LEG-06, LEG-07. LEG-08: the fake reads it in the CPU's order. */
static void ring_layout(void)
{
    const struct disk_opts o = {.drv.no_indirect = 1, .drv.queue_size = 128};
    struct disk_rig g;
    size_t part[3];

    CHECK_EQ(vdrv_queue_legacy.layout(128, part), 8192);
    CHECK_EQ(part[0], 0);
    CHECK_EQ(part[1], 16 * 128);
    CHECK_EQ(part[2], 4096);
    CHECK_EQ(vdrv_queue_legacy.layout(256, part), 12288);
    CHECK_EQ(part[2], 8192);
    CHECK_EQ(vdrv_queue_legacy.layout(1, part), 8192);
    CHECK_EQ(part[2], 4096);
    if (!up(&g, &o))
        return;
    CHECK_EQ(g.drv.queue[0].vq.area_size, 8192);
    CHECK_EQ(g.drv.queue[0].vq.area_dma % 4096, 0);
    disk_down(&g);
}

/* LEG-04: read until it is twice the same. */
static void changing(void *arg, struct fake_dev *d, uint32_t off)
{
    uint32_t *left = arg;

    if (off != 4 || *left == 0)
        return;
    --*left; /* between the halves of the capacity */
    fake_put64(d->config, *left == 0 ? 0x2000 : UINT64_C(0x700000000) + *left);
}

static void configuration_is_not_torn(void)
{
    struct disk_rig g;
    uint32_t left;

    for (left = 0; left < 8; left++) {
        uint32_t changes = left;

        machine(&g, NULL);
        g.dev.dev.on_config_read = changing;
        g.dev.dev.on_config_arg = &changes;
        if (changes == 0)
            fake_put64(g.dev.dev.config, 0x2000);
        CHECK_EQ(probe(&g), VDRV_OK);
        CHECK_EQ(disk_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_num_blocks(g.blk), 0x2000);
        g.dev.dev.on_config_read = NULL;
        disk_down(&g);
    }
    machine(&g, NULL);
    left = UINT32_MAX;
    g.dev.dev.on_config_read = changing;
    g.dev.dev.on_config_arg = &left;
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_ERR_AGAIN);
    disk_end(&g);
}

/* Twice the same: what the image had before is no reading. */
static void first_then_other(void *arg, struct fake_dev *d, uint32_t off)
{
    uint32_t *reads = arg;

    if (off == 8)
        fake_put32(d->config + 8, (*reads)++ == 0 ? 0 : 77);
}

static void configuration_is_read_twice(void)
{
    const struct vdrv_config_field field = {8, 4, 1};
    const uint64_t none[2] = {0, 0};
    uint8_t image[12] = {0};
    struct disk_rig g;
    uint32_t reads = 0;

    machine(&g, NULL);
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(vdrv_transport_begin(g.t, none, none, NULL, 0), VDRV_OK);
    g.dev.dev.on_config_read = first_then_other;
    g.dev.dev.on_config_arg = &reads;
    CHECK_EQ(vdrv_transport_config(g.t, &field, 1, image, 12), VDRV_OK);
    CHECK_EQ(fake_get32(image + 8), 77);
    CHECK_EQ(reads, 3);
    CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
    vdrv_transport_release(g.t);
    disk_end(&g);
}

/* LEG-10, LEG-39: the length is not what says how a request ended. */
static void lengths_are_not_believed(void)
{
    static const int64_t lens[] = {0, 1, 513, 529, 0x7fffffff};
    struct disk_rig g;

    for (unsigned i = 0; i < COUNT(lens); i++) {
        const struct fake_blk_fault junk = {
            .type = FAKE_BLK_ANY, .status = 0, .len = lens[i]};

        if (!up(&g, NULL))
            return;
        fake_blk_plan(&g.dev, junk);
        disk_works(&g);
        CHECK_EQ(g.drv.queue[0].vq.stats.errors, 0);
        CHECK_EQ(g.drv.queue[0].vq.stats.bad_len > 0, lens[i] > 1);
        fake_blk_faults_clear(&g.dev);
        disk_works(&g);
        disk_down(&g);
    }
}

/* An id that is not out breaks the queue, as on any ring. */
static void ids_are_checked(void)
{
    static uint8_t buf[512];
    struct disk_rig g;

    if (!up(&g, NULL))
        return;
    fake_split_push_raw(&g.dev.dev.queue[0], 3, 1);
    fake_split_set_used_idx(&g.dev.dev.queue[0], 1);
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_ERR_PROTOCOL);
    disk_down(&g);
}

static void stops_and_starts(void)
{
    struct disk_rig g;

    if (!up(&g, NULL))
        return;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        CHECK_EQ(g.dev.dev.status, 0);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        disk_works(&g);
    }
    fake_dev_needs_reset(&g.dev.dev);
    CHECK(vdrv_irq(&g.blk->dev, 0) & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
}

/* ---- Faults -------------------------------------------------------------- */

/* The page of a queue was never told. */
static void not_told(struct disk_rig *g, int err)
{
    g->f.trace = NULL;
    CHECK_EQ(probe(g), VDRV_OK);
    trace_on(&g->f);
    CHECK_EQ(disk_init(g), err);
    CHECK_EQ(write_to(&g->f, PFN, 0), COUNT(trace));
    g->f.trace_cap = 0;
    disk_end(g);
}

/* F40b: a queue that is in use, and memory that no page number reaches. */
static void fault_F40b_page_number(void)
{
    const struct disk_opts high = {.machine.dma_base = LIMIT};
    const struct disk_opts edge = {.machine.dma_base = LIMIT - 8192};
    struct disk_rig g;

    machine(&g, NULL);
    g.slot.queue_ready = FAKE_READY_SET; /* QueuePFN reads as something */
    not_told(&g, VDRV_ERR_PROTOCOL);
    machine(&g, &high);
    not_told(&g, VDRV_ERR_NO_MEMORY); /* the HAL keeps the limit */
    machine(&g, &high);
    g.f.ignore_limit = true;
    not_told(&g, VDRV_ERR_INVALID);
    machine(&g, &edge); /* the first page is below it, the last is not */
    g.f.ignore_limit = true;
    not_told(&g, VDRV_ERR_INVALID);
    machine(&g, NULL);
    g.f.dma_misalign = 64; /* good enough for version 2 */
    not_told(&g, VDRV_ERR_INVALID);
}

/* F40b: QueuePFN does not take what is written. */
static void fault_F40b_page_not_taken(void)
{
    struct disk_rig g;

    machine(&g, NULL);
    g.slot.queue_ready = FAKE_READY_CLEAR;
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_ERR_PROTOCOL);
    g.slot.queue_ready = FAKE_READY_WORKS;
    CHECK_EQ(disk_init(&g), VDRV_OK);
    disk_works(&g);
    disk_down(&g);
    machine(&g, NULL);
    g.slot.no_queues = true;
    CHECK_EQ(probe(&g), VDRV_OK);
    CHECK_EQ(disk_init(&g), VDRV_ERR_PROTOCOL);
    disk_end(&g);
}

/* F40c, LEG-11: status goes 0, 1, 3, 7; no generation, no other new register
   (the fake says so). */
static void fault_F40c_no_features_ok(void)
{
    static const uint32_t stair[] = {0, 1, 3, 7};
    struct disk_rig g;
    unsigned n = 0;

    machine(&g, NULL);
    g.dev.dev.refuse_features = true; /* it is not asked */
    CHECK_EQ(probe(&g), VDRV_OK);
    trace_on(&g.f);
    CHECK_EQ(disk_init(&g), VDRV_OK);
    for (size_t i = 0; i < g.f.trace_len; i++)
        if (trace[i].addr == DISK_STATUS && trace[i].write) {
            REQUIRE(n < COUNT(stair));
            CHECK_EQ(trace[i].value, stair[n++]);
        }
    CHECK_EQ(n, COUNT(stair));
    g.f.trace_cap = 0;
    disk_down(&g);
}

/* Unplugged at the k-th access, whichever: an error, no hang, no leak. */
static void unplugged_at_each_access(void)
{
    uint32_t k = 1;
    int err;

    do {
        struct disk_rig g;

        machine(&g, NULL);
        g.f.gone_at = k++;
        err = probe(&g);
        if (err == VDRV_OK)
            err = disk_init(&g);
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        disk_end(&g);
    } while (err != VDRV_OK && k < 1000);
    CHECK(k > 30 && k < 1000);
}

/* ---- The network card ---------------------------------------------------- */

#define FRAME 100u
#define POOL  16u

struct net_rig {
    struct fake f;
    struct fake_net dev;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_net nic;
    struct vdrv_net_pool pool[2]; /* receive, transmit */
    struct vdrv_net_buf bufs[2][POOL];
    _Alignas(64) uint8_t mem[2][VDRV_NET_POOL_SIZE(POOL, VDRV_NET_POOL_FRAME)];
    uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, 8, 4) / 8 + 1];
};

static int net_up(struct net_rig *g, bool any_layout, bool merge)
{
    struct vdrv_virtio_net_config cfg = {.work = g->work,
                                         .work_size = sizeof(g->work),
                                         .queue_size = 8,
                                         .max_segs = 4,
                                         .rx_headroom = merge};

    fake_init(&g->f, NULL);
    fake_net_init(&g->dev, &g->f, NULL);
    fake_mmio_init(&g->slot, &g->f, &g->dev.dev, DISK_SLOT, 0);
    fake_mmio_legacy(&g->slot);
    fake_dev_offer(&g->dev.dev, FAKE_F_ANY_LAYOUT, any_layout);
    for (uint32_t i = 0; i < 2; i++) {
        const struct vdrv_net_pool_config pool = {.bufs = g->bufs[i],
                                                  .mem = g->mem[i],
                                                  .mem_size = sizeof(g->mem[i]),
                                                  .count = POOL};

        CHECK_EQ(vdrv_net_pool_init(&g->pool[i], &pool), VDRV_OK);
    }
    cfg.rx_pool[0] = &g->pool[0];
    cfg.tx_pool[0] = &g->pool[1];
    CHECK_EQ(vdrv_mmio_probe_any(&g->mmio, &g->f.hal, DISK_SLOT, 0x200,
                                 &vdrv_mmio_legacy),
             VDRV_OK);
    return vdrv_virtio_net_init(&g->nic, &g->mmio.transport, &cfg);
}

static void net_works(struct net_rig *g)
{
    static uint8_t out[FRAME], in[2048];
    uint32_t len = sizeof(in);

    disk_fill(out, FRAME, 7);
    CHECK_EQ(vdrv_net_send_copy(&g->nic.net, 0, out, FRAME), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_len, FRAME);
    CHECK_MEM(g->dev.last, out, FRAME);
    CHECK(fake_net_receive(&g->dev, out, FRAME));
    CHECK_EQ(vdrv_net_receive_copy(&g->nic.net, 0, in, len), FRAME);
    CHECK_MEM(in, out, FRAME);
}

/* LEG-51, LEG-58: 10 or 12 bytes, alone in a descriptor (the fake looks). */
static void net_headers(void)
{
    static const struct {
        bool any_layout, merge;
        uint32_t header;
    } row[] = {{false, false, 10},
               {true, false, 10},
               {false, true, 10},
               {true, true, 12}};

    for (unsigned i = 0; i < COUNT(row); i++) {
        struct net_rig *g = aligned_alloc(64, sizeof(*g));

        REQUIRE(g != NULL);
        CHECK_EQ(net_up(g, row[i].any_layout, row[i].merge), VDRV_OK);
        CHECK_EQ(g->dev.header, row[i].header);
        CHECK_EQ(fake_dev_has(&g->dev.dev, FAKE_NET_F_MRG_RXBUF),
                 row[i].header == 12);
        for (unsigned k = 0; k < 20; k++)
            net_works(g);
        CHECK_EQ(vdrv_stop(&g->nic.net.dev), VDRV_OK);
        CHECK_EQ(vdrv_start(&g->nic.net.dev), VDRV_OK);
        net_works(g);
        CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
        CHECK(fake_balanced(&g->f));
        CHECK_EQ(g->f.violations, 0);
        fake_mmio_fini(&g->slot);
        fake_net_fini(&g->dev);
        fake_fini(&g->f);
        free(g);
    }
}

/* ---- The screen ---------------------------------------------------------- */

/* 5.7 has no legacy interface. */
static void gpu_is_refused(void)
{
    static uint64_t work[8192];
    static struct vdrv_virtio_gpu gpu;
    const struct vdrv_virtio_gpu_config cfg = {.work = work,
                                               .work_size = sizeof(work)};
    struct fake_mmio slot;
    struct fake_gpu dev;
    struct vdrv_mmio mmio;
    struct fake f;

    fake_init(&f, NULL);
    fake_gpu_init(&dev, &f, NULL);
    fake_mmio_init(&slot, &f, &dev.dev, DISK_SLOT, 0);
    fake_mmio_legacy(&slot);
    CHECK_EQ(
        vdrv_mmio_probe_any(&mmio, &f.hal, DISK_SLOT, 0x200, &vdrv_mmio_legacy),
        VDRV_OK);
    CHECK_EQ(vdrv_virtio_gpu_init(&gpu, &mmio.transport, &cfg),
             VDRV_ERR_UNSUPPORTED);
    CHECK(fake_balanced(&f));
    fake_mmio_fini(&slot);
    fake_gpu_fini(&dev);
    fake_fini(&f);
}

static const struct check_case cases[] = {
    {"probes_both_versions", probes_both_versions},
    {"scans_both_versions", scans_both_versions},
    {"disk_in_each_mode", disk_in_each_mode},
    {"accepts_legacy_features", accepts_legacy_features},
    {"platform_cannot_be_had", platform_cannot_be_had},
    {"order_of_registers", order_of_registers},
    {"ring_layout", ring_layout},
    {"configuration_is_not_torn", configuration_is_not_torn},
    {"configuration_is_read_twice", configuration_is_read_twice},
    {"lengths_are_not_believed", lengths_are_not_believed},
    {"ids_are_checked", ids_are_checked},
    {"stops_and_starts", stops_and_starts},
    {"fault_F40b_page_number", fault_F40b_page_number},
    {"fault_F40b_page_not_taken", fault_F40b_page_not_taken},
    {"fault_F40c_no_features_ok", fault_F40c_no_features_ok},
    {"unplugged_at_each_access", unplugged_at_each_access},
    {"net_headers", net_headers},
    {"gpu_is_refused", gpu_is_refused},
};
CHECK_MAIN(cases)
