/* SPDX-License-Identifier: MIT */
/*
 * A disk on the fake PCI bus, from finding it to reading and writing it: by
 * ECAM and by ports, with BARs that firmware assigned and with windows,
 * behind a bridge, by line interrupt, and unplugged at every access.  The
 * fake checks each register access against the specification.
 */
#include <virtio_drv/block.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/virtio_blk.h>

#include "../fake/fake.h"
#include "check.h"

#define ECAM UINT64_C(0xb0000000)

static struct machine {
    struct fake f;
    struct fake_pci bus;
    struct fake_pci_fn fn, other, bridge;
    struct fake_blk disk;
    struct vdrv_pci_ops ops;
    struct vdrv_pci_ecam ecam;
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    struct vdrv_virtio_blk blk;
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 64, 16) / 8];
} m;

static const struct vdrv_pci_windows windows = {
    .mem32 = {0x40000000, 0x40000000, 0},
    .mem64 = {UINT64_C(0x800000000), UINT64_C(0x400000000), 0},
    .io = {0, 0x10000, 0},
};

static void setup(const struct fake_pci_layout *layout,
                  struct fake_pci_fn *parent)
{
    fake_init(&m.f, NULL);
    fake_pci_init(&m.bus, &m.f);
    fake_pci_ecam(&m.bus, ECAM, 4);
    fake_pci_ports(&m.bus);
    fake_blk_init(&m.disk, &m.f, NULL);
    if (parent != NULL) {
        fake_pci_add(parent, &m.bus, NULL, 0x18, 0x1b36, 0x000c);
        fake_pci_bridge(parent, 2, 2);
    }
    fake_pci_add(&m.other, &m.bus, NULL, 0x08, 0x8086, 0x100e);
    fake_pci_set_bar(&m.other, 0, FAKE_BAR_MEM32, 0x20000);
    fake_pci_virtio(&m.fn, &m.bus, parent, 0x10, &m.disk.dev, layout);
}

static void finish(void)
{
    fake_blk_fini(&m.disk);
    fake_pci_fini(&m.bus);
    fake_fini(&m.f); /* leaks and damage are violations, and fatal */
}

static int find(struct vdrv_pci_windows *w)
{
    vdrv_pci_walk_init(&m.walk, &m.ops, 0, 3);
    return vdrv_pci_find(&m.pci, &m.f.hal, &m.walk, w, VDRV_VIRTIO_BLK_ID);
}

static int start(void)
{
    struct vdrv_virtio_blk_config cfg = {
        .work = m.work, .work_size = sizeof(m.work), .queue_size = 64};

    return vdrv_virtio_blk_init(&m.blk, &m.pci.transport, &cfg);
}

/* Writes a block and reads it back; the disk has it too. */
static void use(void)
{
    static uint8_t out[512], in[512];
    struct vdrv_block *b = &m.blk.block;

    for (uint32_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + 1);
    memset(in, 0, sizeof(in));
    CHECK_EQ(vdrv_block_write_block(b, 5, out, sizeof(out)), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(b, 5, in, sizeof(in)), VDRV_OK);
    CHECK_MEM(in, out, sizeof(in));
    CHECK_MEM(m.disk.disk + 5 * 512, out, sizeof(out));
}

static void find_start_use(struct vdrv_pci_windows *w)
{
    REQUIRE(find(w) == VDRV_OK);
    REQUIRE(start() == VDRV_OK);
    use();
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    CHECK(fake_balanced(&m.f));
    CHECK_EQ(m.f.violations, 0);
}

static void by_ecam(void)
{
    setup(NULL, NULL);
    CHECK_EQ(vdrv_pci_ecam_init(&m.ecam, &m.f.hal, ECAM, 0, 3, &m.ops),
             VDRV_OK);
    find_start_use(NULL);
    finish();
}

static void by_ports(void)
{
    setup(NULL, NULL);
    CHECK_EQ(vdrv_pci_ports_init(&m.f.hal, &m.ops), VDRV_OK);
    find_start_use(NULL);
    finish();
}

static void own_layer(struct vdrv_pci_ops *ops)
{
    *ops = (struct vdrv_pci_ops){
        .ctx = &m.bus, .read = fake_pci_read, .write = fake_pci_write};
}

static void by_own_layer(void)
{
    setup(NULL, NULL);
    own_layer(&m.ops);
    CHECK_EQ(vdrv_pci_probe(&m.pci, &m.f.hal, &m.ops, 0x10), VDRV_OK);
    REQUIRE(start() == VDRV_OK);
    use();
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

static void with_windows(void)
{
    const struct fake_pci_layout bare = {.bars_unset = true};
    struct vdrv_pci_windows w = windows;

    setup(&bare, NULL);
    own_layer(&m.ops);
    CHECK_EQ(find(NULL), VDRV_ERR_NO_DEVICE);
    CHECK(fake_log_contains(&m.f, "BAR has no address"));
    find_start_use(&w);
    CHECK_EQ(fake_pci_bar_addr(&m.fn, 4), w.mem64.base);
    finish();
}

static void in_io_bar(void)
{
    const struct fake_pci_layout io = {
        .bar = 2, .bar_kind = FAKE_BAR_IO, .bars_unset = true};
    struct vdrv_pci_windows w = windows;

    setup(&io, NULL);
    own_layer(&m.ops);
    find_start_use(&w);
    CHECK_EQ(m.pci.common.space, VDRV_SPACE_PORT);
    finish();
}

static void behind_bridge(void)
{
    setup(NULL, &m.bridge);
    own_layer(&m.ops);
    find_start_use(NULL);
    CHECK_EQ(m.pci.fn, VDRV_PCI_FN(2, 2, 0));
    finish();
}

static void by_interrupt(void)
{
    setup(NULL, NULL);
    own_layer(&m.ops);
    REQUIRE(find(NULL) == VDRV_OK);
    REQUIRE(start() == VDRV_OK);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), 0); /* another device's */
    fake_dev_config_changed(&m.disk.dev);
    CHECK(m.fn.intx);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK(!m.fn.intx); /* the read has dropped the line */
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* Unplugged at the k-th access, whichever: an error, no hang, no leak. */
static void unplugged_at_each_access(void)
{
    uint32_t k = 1;
    int err;

    do {
        setup(NULL, NULL);
        own_layer(&m.ops);
        m.f.gone_at = k++;
        err = find(NULL);
        if (err != VDRV_OK)
            CHECK_EQ(err, VDRV_ERR_NO_DEVICE);
        else
            err = start(); /* which code it is, the driver's tests say */
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
        CHECK(fake_balanced(&m.f));
        finish();
    } while (err != VDRV_OK && k < 1000);
    CHECK(k > 100 && k < 1000);
    printf("  %u accesses in all\n", k - 2);
}

/* A host that counts, as a hypervisor would, what an initialisation costs. */
static void cost_of_init(void)
{
    static struct fake_access trace[400];
    uint32_t transport = 0;
    uint64_t config;

    setup(NULL, NULL);
    own_layer(&m.ops);
    REQUIRE(find(NULL) == VDRV_OK);
    config = fake_pci_bar_addr(&m.fn, 4) + m.fn.off_device;
    m.f.trace = trace;
    m.f.trace_cap = 400;
    REQUIRE(start() == VDRV_OK);
    REQUIRE(m.f.trace_len < 400);
    for (size_t i = 0; i < m.f.trace_len; i++) {
        const uint64_t at = trace[i].addr;

        transport += at < config || at >= config + m.pci.config.size;
    }
    m.f.trace_cap = 0;
    printf("  %u transport register accesses, %zu with the configuration\n",
           transport, m.f.trace_len);
    CHECK(transport <= 60);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/*
 * PCI-47 to PCI-52: each way to say which queue, and how far it is; the fake
 * knows what must come.  PCI-25, PCI-26: a queue reset, whose word is taken.
 */
static void kicks_and_resets(void)
{
    for (unsigned k = 0; k < 8; k++) {
        struct vdrv_virtio_blk_config cfg = {.work = m.work,
                                             .work_size = sizeof(m.work),
                                             .queue_size = 16,
                                             .queue_reset = 1};
        struct fake_queue *q;

        setup(NULL, NULL);
        fake_dev_offer(&m.disk.dev, FAKE_F_NOTIFICATION_DATA, k & 1);
        fake_dev_offer(&m.disk.dev, FAKE_F_NOTIF_CONFIG_DATA, k & 2);
        fake_dev_offer(&m.disk.dev, FAKE_F_RING_RESET, k & 4);
        CHECK_EQ(vdrv_pci_ecam_init(&m.ecam, &m.f.hal, ECAM, 0, 3, &m.ops),
                 VDRV_OK);
        REQUIRE(find(NULL) == VDRV_OK);
        REQUIRE(vdrv_virtio_blk_init(&m.blk, &m.pci.transport, &cfg) ==
                VDRV_OK);
        q = &m.disk.dev.queue[0];
        q->reset_reads = 3;
        for (unsigned i = 0; i < 20; i++)
            use();
        CHECK_EQ(q->kick_value & 0xFFFF, k & 2 ? 0xBE00 : 0);
        CHECK_EQ(q->kick_value >> 16, k & 1 ? 40 : 0);
        CHECK_EQ(vdrv_reset_queue(&m.blk.block.dev, 0),
                 k & 4 ? VDRV_OK : VDRV_ERR_UNSUPPORTED);
        use();
        CHECK_EQ(q->resets, k >> 2);
        CHECK_EQ(m.disk.dev.resets, 1);
        CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
        CHECK_EQ(m.f.violations, 0);
        finish();
    }
}

static const struct check_case cases[] = {
    {"by_ecam", by_ecam},
    {"by_ports", by_ports},
    {"kicks_and_resets", kicks_and_resets},
    {"by_own_layer", by_own_layer},
    {"with_windows", with_windows},
    {"in_io_bar", in_io_bar},
    {"behind_bridge", behind_bridge},
    {"by_interrupt", by_interrupt},
    {"unplugged_at_each_access", unplugged_at_each_access},
    {"cost_of_init", cost_of_init},
};
CHECK_MAIN(cases)
