/* SPDX-License-Identifier: MIT */
/*
 * Proves the rest of the fake with the raw driver: the PCI bus and its virtio
 * functions, the network device and the GPU, and DMA through bounce buffers.
 */
#include "check.h"
#include "rawdrv.h"

#define SLOT      0x10001000u
#define VERSION_1 (1ull << FAKE_F_VERSION_1)

/* ---- PCI ------------------------------------------------------------ */

struct pci_rig {
    struct fake f;
    struct fake_pci bus;
    struct fake_pci_fn fn;
    struct fake_blk blk;
    struct raw r;
};

static void pci_up(struct pci_rig *g, const struct fake_pci_layout *l)
{
    fake_init(&g->f, NULL);
    fake_pci_init(&g->bus, &g->f);
    fake_blk_init(&g->blk, &g->f, NULL);
    fake_pci_virtio(&g->fn, &g->bus, NULL, 3 << 3, &g->blk.dev, l);
}

static void pci_raw(struct pci_rig *g)
{
    uint64_t bar = fake_pci_bar_addr(&g->fn, g->fn.layout.bar);

    raw_pci(&g->r, &g->f, bar, bar + 0x3000, bar + 0x2000,
            g->fn.layout.notify_mul);
}

static void pci_down(struct pci_rig *g)
{
    fake_pci_fini(&g->bus);
    fake_blk_fini(&g->blk);
    fake_fini(&g->f);
}

static void test_pci_config(void)
{
    struct fake_pci_fn other;
    struct pci_rig g;
    uint32_t at = FAKE_BDF(0, 3, 0);

    pci_up(&g, NULL);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0, 4), 0x10421AF4);
    CHECK_EQ(fake_pci_read(&g.bus, at, 2, 2), 0x1042);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(0, 4, 0), 0, 4), UINT32_MAX);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(1, 3, 0), 0, 2), 0xFFFF);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0x0E, 1), 0);
    fake_pci_add(&other, &g.bus, NULL, 3 << 3 | 1, 0x8086, 0x1234);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0x0E, 1), 0x80);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(0, 3, 1), 0, 4), 0x12348086);
    g.f.record = true;
    fake_pci_read(&g.bus, at, 1, 2);
    CHECK_EQ(fake_violated(&g.f, "ACCESS"), 1);
    g.fn.hidden = true;
    CHECK_EQ(fake_pci_read(&g.bus, at, 0, 4), UINT32_MAX);
    pci_down(&g);
}

static void test_pci_bar_size(void)
{
    struct fake_pci_layout l = {.bars_unset = true};
    struct pci_rig g;
    uint32_t at = FAKE_BDF(0, 3, 0);

    pci_up(&g, &l);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0x20, 4), 0xC);
    fake_pci_write(&g.bus, at, 0x20, 4, UINT32_MAX);
    fake_pci_write(&g.bus, at, 0x24, 4, UINT32_MAX);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0x20, 4), 0xFFFFC00C);
    CHECK_EQ(fake_pci_read(&g.bus, at, 0x24, 4), UINT32_MAX);
    fake_pci_write(&g.bus, at, 0x20, 4, 0x4000);
    fake_pci_write(&g.bus, at, 0x24, 4, 0x12);
    CHECK_EQ(fake_pci_bar_addr(&g.fn, 4), UINT64_C(0x1200004000));
    pci_raw(&g);
    g.f.record = true;
    raw_get_status(&g.r); /* not decoded yet */
    CHECK_EQ(fake_violated(&g.f, "ACCESS"), 1);
    fake_pci_write(&g.bus, at, 4, 2, FAKE_PCI_MEMORY);
    CHECK_EQ(raw_get_status(&g.r), 0);
    CHECK_EQ(fake_violated(&g.f, "ACCESS"), 1);
    fake_pci_write(&g.bus, at, 0x20, 4, UINT32_MAX);
    CHECK_EQ(fake_violated(&g.f, "PCI-BAR"), 1);
    pci_down(&g);
}

static void test_pci_caps(void)
{
    struct pci_rig g;
    uint32_t at = FAKE_BDF(0, 3, 0), cap, n = 0, seen = 0;

    pci_up(&g, NULL);
    CHECK(fake_pci_read(&g.bus, at, 6, 2) & 0x10);
    for (cap = fake_pci_read(&g.bus, at, 0x34, 1); cap && n < 48; n++) {
        if (fake_pci_read(&g.bus, at, cap, 1) == 9)
            seen |= 1u << fake_pci_read(&g.bus, at, cap + 3, 1);
        cap = fake_pci_read(&g.bus, at, cap + 1, 1);
    }
    CHECK_EQ(n, 6);
    CHECK_EQ(seen, 0x3E);
    cap = fake_pci_cap_at(&g.fn, FAKE_CAP_NOTIFY);
    CHECK_EQ(fake_pci_read(&g.bus, at, cap + 8, 4), 0x3000);
    CHECK_EQ(fake_pci_read(&g.bus, at, cap + 16, 4), 4);
    g.f.record = true;
    fake_pci_write(&g.bus, at, cap + 8, 4, 1);
    CHECK_EQ(fake_violated(&g.f, "PCI-16"), 1);
    pci_down(&g);
}

static void test_pci_window(void)
{
    struct pci_rig g;
    uint32_t at = FAKE_BDF(0, 3, 0), cap;

    pci_up(&g, NULL);
    cap = g.fn.cap_pci;
    fake_pci_write(&g.bus, at, cap + 4, 1, 4);
    fake_pci_write(&g.bus, at, cap + 8, 4, 0x12);
    fake_pci_write(&g.bus, at, cap + 12, 4, 2);
    CHECK_EQ(fake_pci_read(&g.bus, at, cap + 16, 2), 1); /* num_queues */
    g.f.record = true;
    fake_pci_write(&g.bus, at, cap + 12, 4, 4);
    fake_pci_read(&g.bus, at, cap + 16, 4);
    CHECK_EQ(fake_violated(&g.f, "PCI-34"), 1);
    pci_down(&g);
}

static void test_pci_access(void)
{
    struct pci_rig g;
    uint8_t *win;
    uint32_t at = 0xE0000000u;

    pci_up(&g, NULL);
    fake_pci_ecam(&g.bus, at, 2);
    fake_pci_ports(&g.bus);
    win = g.f.hal.mmio_map(&g.f, at, 2 << 20);
    CHECK_EQ(g.f.hal.reg_read(&g.f, VDRV_SPACE_MEMORY,
                              (uintptr_t)win + (3 << 15), 4),
             0x10421AF4);
    g.f.hal.reg_write(&g.f, VDRV_SPACE_PORT, 0xCF8, 4, 0x80001800);
    CHECK_EQ(g.f.hal.reg_read(&g.f, VDRV_SPACE_PORT, 0xCFE, 2), 0x1042);
    pci_down(&g);
}

static void test_pci_bridge(void)
{
    struct fake_pci_fn bridge, child;
    struct pci_rig g;

    pci_up(&g, NULL);
    fake_pci_add(&bridge, &g.bus, NULL, 5 << 3, 0x1B36, 1);
    fake_pci_bridge(&bridge, 0, 0);
    fake_pci_add(&child, &g.bus, &bridge, 0, 0x1AF4, 0x1041);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(1, 0, 0), 0, 2), 0xFFFF);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(0, 0, 0), 0, 2), 0xFFFF);
    fake_pci_write(&g.bus, FAKE_BDF(0, 5, 0), 0x19, 1, 1);
    fake_pci_write(&g.bus, FAKE_BDF(0, 5, 0), 0x1a, 1, 1);
    CHECK_EQ(fake_pci_read(&g.bus, FAKE_BDF(1, 0, 0), 0, 4), 0x10411AF4);
    pci_down(&g);
}

/* Init, a request, interrupts by line and by vector. */
static void test_pci_device(void)
{
    struct pci_rig g;
    struct rawq q;
    struct rawseg seg[2];
    uint32_t id, len, at = FAKE_BDF(0, 3, 0);
    uint64_t dma;
    uint8_t *mem;

    pci_up(&g, NULL);
    fake_pci_write(&g.bus, at, 4, 2, FAKE_PCI_MEMORY | FAKE_PCI_MASTER);
    pci_raw(&g);
    REQUIRE(raw_begin(&g.r, VERSION_1));
    rawq_init(&q, &g.r, 0, 8);
    raw_status(&g.r, 0xF);
    CHECK_EQ(raw_config(&g.r, 0, 4), 2048);
    mem = raw_alloc(&g.f, 4096, &dma);
    fake_put32(mem, FAKE_BLK_IN);
    seg[0] = (struct rawseg){dma, 16, false};
    seg[1] = (struct rawseg){dma + 512, 513, true};
    g.blk.disk[511] = 9;
    rawq_add(&q, seg, 2);
    REQUIRE(rawq_wait(&q, &id, &len));
    CHECK_EQ(mem[1023], 9);
    CHECK_EQ(g.fn.intx, true);
    CHECK_EQ(fake_pci_read(&g.bus, at, 6, 2) & 8, 8);
    CHECK_EQ(raw_rd(&g.r, 0x1000, 1), 1); /* ISR */
    CHECK_EQ(g.fn.intx, false);
    CHECK_EQ(raw_rd(&g.r, 0x1000, 1), 0);
    CHECK(raw_reset(&g.r));
    rawq_fini(&q);
    raw_free(&g.f, mem, dma, 4096);
    pci_down(&g);
}

static void note_vector(void *arg, struct fake_dev *d, uint16_t vector)
{
    (void)d;
    *(int *)arg = vector;
}

static void test_pci_msix(void)
{
    struct pci_rig g;
    struct rawq q;
    struct rawseg seg;
    uint32_t id, len, at = FAKE_BDF(0, 3, 0);
    uint64_t dma;
    uint8_t *mem, *table;
    int vector = -1;

    pci_up(&g, NULL);
    g.blk.dev.on_irq = note_vector;
    g.blk.dev.on_irq_arg = &vector;
    fake_pci_write(&g.bus, at, 4, 2, FAKE_PCI_MEMORY | FAKE_PCI_MASTER);
    fake_pci_write(&g.bus, at, g.fn.cap_msix + 2, 2, 0x8000);
    table = g.f.hal.mmio_map(&g.f, fake_pci_bar_addr(&g.fn, 1), 0x1000);
    g.f.hal.reg_write(&g.f, VDRV_SPACE_MEMORY, (uintptr_t)table + 2 * 16 + 12,
                      4, 1); /* mask vector 2 */
    pci_raw(&g);
    REQUIRE(raw_begin(&g.r, VERSION_1));
    raw_wr(&g.r, 0x16, 2, 0);
    raw_wr(&g.r, 0x1A, 2, 2);
    CHECK_EQ(raw_rd(&g.r, 0x1A, 2), 2);
    rawq_init(&q, &g.r, 0, 8);
    raw_status(&g.r, 0xF);
    mem = raw_alloc(&g.f, 4096, &dma);
    seg = (struct rawseg){dma, 16, false};
    g.blk.dev.queue[0].manual = true;
    rawq_add(&q, &seg, 1);
    struct fake_chain c;
    REQUIRE(fake_queue_pop(&g.blk.dev.queue[0], &c));
    fake_queue_done(&g.blk.dev.queue[0], &c, 0);
    REQUIRE(rawq_get(&q, &id, &len));
    CHECK_EQ(vector, -1);
    g.f.hal.reg_write(&g.f, VDRV_SPACE_MEMORY, (uintptr_t)table + 2 * 16 + 12,
                      4, 0);
    CHECK_EQ(vector, 2);
    CHECK_EQ(g.blk.dev.isr, 0);
    g.f.record = true;
    CHECK(raw_reset(&g.r));
    raw_wr(&g.r, 0x10, 2, 4);
    CHECK_EQ(fake_violated(&g.f, "PCI-41"), 1);
    CHECK_EQ(raw_rd(&g.r, 0x10, 2), 0xFFFF);
    rawq_fini(&q);
    raw_free(&g.f, mem, dma, 4096);
    pci_down(&g);
}

static void test_pci_rules(void)
{
    struct pci_rig g;

    pci_up(&g, NULL);
    pci_raw(&g);
    g.f.record = true;
    raw_rd(&g.r, 0x14, 4);
    CHECK_EQ(fake_violated(&g.f, "PCI-05"), 1);
    raw_rd(&g.r, 0x12, 4);
    CHECK_EQ(fake_violated(&g.f, "ACCESS"), 1);
    raw_wr(&g.r, 0x12, 2, 1);
    CHECK_EQ(fake_violated(&g.f, "PCI-19"), 1);
    raw_wr(&g.r, 0x18, 2, 6);
    CHECK_EQ(fake_violated(&g.f, "PCI-21"), 1);
    raw_wr(&g.r, 0x1C, 2, 0);
    CHECK_EQ(fake_violated(&g.f, "PCI-24"), 1);
    pci_down(&g);
}

/* ---- Net ------------------------------------------------------------ */

struct net_rig {
    struct fake f;
    struct fake_net net;
    struct fake_mmio slot;
    struct raw r;
    struct rawq rx, tx, ctrl;
    uint8_t *mem;
    uint64_t dma;
};

#define MEM 16384u

static bool net_up(struct net_rig *g, uint64_t features)
{
    fake_init(&g->f, NULL);
    fake_net_init(&g->net, &g->f, NULL);
    fake_mmio_init(&g->slot, &g->f, &g->net.dev, SLOT, 0);
    raw_mmio(&g->r, &g->f, SLOT);
    g->mem = raw_alloc(&g->f, MEM, &g->dma);
    if (!raw_begin(&g->r, features | VERSION_1))
        return false;
    rawq_init(&g->rx, &g->r, 0, 8);
    rawq_init(&g->tx, &g->r, 1, 8);
    rawq_init(&g->ctrl, &g->r, 2, 8);
    raw_status(&g->r, 0xF);
    return true;
}

static void net_down(struct net_rig *g)
{
    CHECK(raw_reset(&g->r));
    rawq_fini(&g->rx);
    rawq_fini(&g->tx);
    rawq_fini(&g->ctrl);
    raw_free(&g->f, g->mem, g->dma, MEM);
    fake_mmio_fini(&g->slot);
    fake_net_fini(&g->net);
    fake_fini(&g->f);
}

static void test_net_tx(void)
{
    static struct net_rig g;
    struct rawseg seg;
    uint32_t id, len;

    REQUIRE(net_up(&g, 1ull << FAKE_NET_F_CSUM));
    for (unsigned i = 0; i < 60; i++)
        g.mem[12 + i] = (uint8_t)i;
    /* Sum 14..59 into 14 + 16. */
    g.mem[0] = FAKE_NET_NEEDS_CSUM;
    fake_put16(g.mem + 6, 14);
    fake_put16(g.mem + 8, 16);
    g.mem[12 + 30] = g.mem[12 + 31] = 0;
    seg = (struct rawseg){g.dma, 72, false};
    rawq_add(&g.tx, &seg, 1);
    REQUIRE(rawq_wait(&g.tx, &id, &len));
    CHECK_EQ(len, 0);
    CHECK_EQ(g.net.last_len, 60);
    CHECK_EQ(g.net.last[59], 59);
    CHECK_EQ(fake_net_checksum(g.net.last + 14, 46, 0), 0);
    g.f.record = true;
    g.mem[0] = 0;
    fake_put16(g.mem + 10, 1);
    rawq_add(&g.tx, &seg, 1);
    CHECK(rawq_wait(&g.tx, &id, &len));
    CHECK_EQ(fake_violated(&g.f, "NET-027"), 1);
    net_down(&g);
}

static void test_net_rx(void)
{
    static struct net_rig g;
    uint8_t frame[100];
    struct rawseg seg;
    uint32_t id, len;

    memset(frame, 0x5A, sizeof(frame));
    REQUIRE(net_up(&g, 0));
    CHECK(!fake_net_receive(&g.net, frame, sizeof(frame)));
    CHECK_EQ(g.net.rx_dropped, 1);
    seg = (struct rawseg){g.dma, 1526, true};
    rawq_add(&g.rx, &seg, 1);
    CHECK_EQ(fake_net_rx_room(&g.net, 0), 1);
    CHECK(fake_net_receive(&g.net, frame, sizeof(frame)));
    REQUIRE(rawq_get(&g.rx, &id, &len));
    CHECK_EQ(len, 112);
    CHECK_EQ(fake_get16(g.mem + 10), 1);
    CHECK_MEM(g.mem + 12, frame, sizeof(frame));
    CHECK_EQ(g.slot.line, true);
    net_down(&g);
}

static void test_net_rx_merged(void)
{
    static struct net_rig g;
    uint8_t frame[200];
    struct rawseg seg;
    uint32_t id, len;

    memset(frame, 1, sizeof(frame));
    frame[199] = 2;
    REQUIRE(net_up(&g, 1ull << FAKE_NET_F_MRG_RXBUF));
    for (unsigned i = 0; i < 3; i++) {
        seg = (struct rawseg){g.dma + 4096 * i, 100, true};
        rawq_add(&g.rx, &seg, 1);
    }
    CHECK(fake_net_receive(&g.net, frame, sizeof(frame)));
    CHECK_EQ(fake_get16(g.mem + 10), 3);
    CHECK(rawq_get(&g.rx, &id, &len));
    CHECK_EQ(len, 100);
    CHECK(rawq_get(&g.rx, &id, &len));
    REQUIRE(rawq_get(&g.rx, &id, &len));
    CHECK_EQ(len, 12);
    CHECK_EQ(g.mem[8192 + 11], 2);
    /* One buffer is not enough: it waits for the next frame. */
    seg = (struct rawseg){g.dma, 100, true};
    rawq_add(&g.rx, &seg, 1);
    CHECK(!fake_net_receive(&g.net, frame, sizeof(frame)));
    CHECK_EQ(fake_net_rx_room(&g.net, 0), 1);
    g.net.force_buffers = 77;
    CHECK(fake_net_receive(&g.net, frame, 20));
    CHECK_EQ(fake_get16(g.mem + 10), 77);
    CHECK(rawq_get(&g.rx, &id, &len));
    rawq_add(&g.rx, &seg, 1);
    CHECK(fake_net_receive_raw(&g.net, 0, frame, 3, 5000));
    REQUIRE(rawq_get(&g.rx, &id, &len));
    CHECK_EQ(len, 5000);
    CHECK(!fake_net_receive_raw(&g.net, 0, frame, 3, 3));
    net_down(&g);
}

static uint32_t ctrl(struct net_rig *g, uint8_t class, uint8_t cmd,
                     const void *data, uint32_t n)
{
    struct rawseg seg[2] = {{g->dma, 2 + n, false}, {g->dma + 512, 1, true}};
    uint32_t id, len;

    g->mem[0] = class;
    g->mem[1] = cmd;
    memcpy(g->mem + 2, data, n);
    g->mem[512] = 0xFF;
    rawq_add(&g->ctrl, seg, 2);
    CHECK(rawq_wait(&g->ctrl, &id, &len));
    return g->mem[512];
}

static void test_net_ctrl(void)
{
    static struct net_rig g;
    uint8_t on = 1, vlan[2] = {5, 1}, mac[6] = {2, 1, 1, 1, 1, 1};

    REQUIRE(net_up(&g, 1ull << FAKE_NET_F_CTRL_VQ | 1ull << FAKE_NET_F_CTRL_RX |
                           1ull << FAKE_NET_F_CTRL_VLAN |
                           1ull << FAKE_NET_F_CTRL_MAC |
                           1ull << FAKE_NET_F_STATUS));
    CHECK_EQ(ctrl(&g, 0, 0, &on, 1), 0);
    CHECK_EQ(g.net.rx_mode[0], true);
    CHECK_EQ(ctrl(&g, 2, 0, vlan, 2), 0);
    CHECK_EQ(g.net.vlans[0x105 >> 3], 1 << 5);
    CHECK_EQ(ctrl(&g, 1, 1, mac, 6), 0);
    CHECK_MEM(g.net.address, mac, 6);
    CHECK_EQ(ctrl(&g, 9, 0, mac, 6), 1);
    g.net.ctrl_ack = 256;
    CHECK_EQ(ctrl(&g, 0, 0, &on, 1), 0xFF);
    CHECK_EQ(raw_config(&g.r, 6, 2), 1);
    fake_net_link(&g.net, false);
    CHECK_EQ(raw_config(&g.r, 6, 2), 0);
    CHECK_EQ(raw_rd(&g.r, 0x60, 4), 3);
    net_down(&g);
}

static void test_net_deps(void)
{
    static struct net_rig g;

    fake_init(&g.f, NULL);
    fake_net_init(&g.net, &g.f, NULL);
    fake_mmio_init(&g.slot, &g.f, &g.net.dev, SLOT, 0);
    raw_mmio(&g.r, &g.f, SLOT);
    g.f.record = true;
    CHECK(!raw_begin(&g.r, VERSION_1 | 1ull << FAKE_NET_F_CTRL_RX));
    CHECK_EQ(fake_violated(&g.f, "NET-006"), 1);
    fake_mmio_fini(&g.slot);
    fake_net_fini(&g.net);
    fake_fini(&g.f);
}

/* ---- GPU ------------------------------------------------------------ */

struct gpu_rig {
    struct fake f;
    struct fake_gpu gpu;
    struct fake_mmio slot;
    struct raw r;
    struct rawq q, cursor;
    uint8_t *mem; /* command, response at 2048, pixels at 4096 */
    uint64_t dma;
};

static bool gpu_up(struct gpu_rig *g, const struct fake_gpu_config *cfg)
{
    fake_init(&g->f, NULL);
    fake_gpu_init(&g->gpu, &g->f, cfg);
    fake_mmio_init(&g->slot, &g->f, &g->gpu.dev, SLOT, 0);
    raw_mmio(&g->r, &g->f, SLOT);
    g->mem = raw_alloc(&g->f, MEM, &g->dma);
    if (!raw_begin(&g->r, VERSION_1 | 1ull << FAKE_GPU_F_EDID))
        return false;
    rawq_init(&g->q, &g->r, 0, 8);
    rawq_init(&g->cursor, &g->r, 1, 8);
    raw_status(&g->r, 0xF);
    return true;
}

static void gpu_down(struct gpu_rig *g)
{
    CHECK(raw_reset(&g->r));
    CHECK_EQ(fake_gpu_resources(&g->gpu), 0);
    rawq_fini(&g->q);
    rawq_fini(&g->cursor);
    raw_free(&g->f, g->mem, g->dma, MEM);
    fake_mmio_fini(&g->slot);
    fake_gpu_fini(&g->gpu);
    fake_fini(&g->f);
}

/* A command of n words after the header; the response type, 0 if none. */
static uint32_t gpu_do(struct gpu_rig *g, struct rawq *q, uint32_t type,
                       unsigned n, const uint32_t *w)
{
    struct rawseg seg[2] = {{g->dma, 24 + 4 * n, false},
                            {g->dma + 2048, 1056, true}};
    uint32_t id, len;

    memset(g->mem, 0, 24);
    memset(g->mem + 2048, 0, 2048);
    fake_put32(g->mem, type);
    fake_put32(g->mem + 4, FAKE_GPU_FLAG_FENCE);
    fake_put64(g->mem + 8, 0x123456789AULL);
    for (unsigned i = 0; i < n; i++)
        fake_put32(g->mem + 24 + 4 * i, w[i]);
    rawq_add(q, seg, 2);
    if (!rawq_wait(q, &id, &len))
        return 0;
    return fake_get32(g->mem + 2048);
}

#define GPU(g, type, ...)                                                      \
    gpu_do((g), &(g)->q, (type),                                               \
           sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),               \
           (uint32_t[]){__VA_ARGS__})

static void test_gpu_picture(void)
{
    static struct gpu_rig g;
    uint32_t lo, hi;

    REQUIRE(gpu_up(&g, NULL));
    lo = (uint32_t)(g.dma + 4096);
    hi = (uint32_t)((g.dma + 4096) >> 32);
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 7, 2, 8, 4), FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_get64(g.mem + 2048 + 8), 0x123456789AULL);
    CHECK_EQ(fake_get32(g.mem + 2048 + 4), 1);
    /* Two entries, 8 x 4 pixels of 4 bytes in all. */
    CHECK_EQ(GPU(&g, FAKE_GPU_ATTACH_BACKING, 7, 2, lo, hi, 100, 0, lo + 100,
                 hi, 28, 0),
             FAKE_GPU_OK_NODATA);
    CHECK_EQ(GPU(&g, FAKE_GPU_SET_SCANOUT, 0, 0, 8, 4, 0, 7),
             FAKE_GPU_OK_NODATA);
    fake_put32(g.mem + 4096 + 4 * (3 * 8 + 5), 0x00112233);
    fake_put32(g.mem + 4096, 0x00FFFFFF);
    CHECK_EQ(
        GPU(&g, FAKE_GPU_TRANSFER_2D, 4, 3, 2, 1, 4 * (3 * 8 + 4), 0, 7, 0),
        FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 5, 3), 0);
    CHECK_EQ(GPU(&g, FAKE_GPU_FLUSH, 0, 0, 8, 4, 7, 0), FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 5, 3), 0x112233);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 0, 0), 0); /* not transferred */
    /* All of it, of which a part is shown. */
    fake_put32(g.mem + 4096 + 4 * (2 * 8 + 5), 0x00445566);
    CHECK_EQ(GPU(&g, FAKE_GPU_TRANSFER_2D, 0, 0, 8, 4, 0, 0, 7, 0),
             FAKE_GPU_OK_NODATA);
    CHECK_EQ(GPU(&g, FAKE_GPU_FLUSH, 5, 2, 1, 1, 7, 0), FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 5, 2), 0x445566);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 0, 0), 0);
    fake_put32(g.mem + 4096 + 4 * (2 * 8 + 1), 0x00778899);
    GPU(&g, FAKE_GPU_TRANSFER_2D, 0, 0, 8, 4, 0, 0, 7, 0);
    GPU(&g, FAKE_GPU_FLUSH, 5, 2, 3, 1, 7, 0);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 1, 2), 0);
    CHECK_EQ(GPU(&g, FAKE_GPU_UNREF, 7, 0), FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_gpu_pixel(&g.gpu, 0, 5, 3), 0);
    gpu_down(&g);
}

static void test_gpu_errors(void)
{
    struct fake_gpu_config cfg = {.memory = 4096};
    static struct gpu_rig g;

    REQUIRE(gpu_up(&g, &cfg));
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 0, 2, 8, 4), FAKE_GPU_ERR_RESOURCE);
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 1, 9, 8, 4), FAKE_GPU_ERR_PARAMETER);
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 1, 2, 64, 17),
             FAKE_GPU_ERR_OUT_OF_MEMORY);
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 1, 2, 8, 8), FAKE_GPU_OK_NODATA);
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 1, 2, 8, 8), FAKE_GPU_ERR_RESOURCE);
    CHECK_EQ(GPU(&g, FAKE_GPU_SET_SCANOUT, 0, 0, 8, 8, 1, 1),
             FAKE_GPU_ERR_SCANOUT);
    CHECK_EQ(GPU(&g, FAKE_GPU_SET_SCANOUT, 1, 0, 8, 8, 0, 1),
             FAKE_GPU_ERR_PARAMETER);
    CHECK_EQ(GPU(&g, FAKE_GPU_FLUSH, 0, 0, 8, 9, 1, 0), FAKE_GPU_ERR_PARAMETER);
    CHECK_EQ(GPU(&g, FAKE_GPU_FLUSH, 0, 0, 8, 8, 2, 0), FAKE_GPU_ERR_RESOURCE);
    CHECK_EQ(GPU(&g, FAKE_GPU_TRANSFER_2D, 0, 0, 8, 8, 0, 0, 1, 0),
             FAKE_GPU_ERR_UNSPEC);
    CHECK_EQ(GPU(&g, FAKE_GPU_UNREF, 2, 0), FAKE_GPU_ERR_RESOURCE);
    CHECK_EQ(g.gpu.errors, 10);
    g.gpu.errors = 0;
    fake_gpu_plan(&g.gpu, (struct fake_gpu_fault){.type = FAKE_GPU_FLUSH,
                                                  .count = 1,
                                                  .fence_add = 1,
                                                  .len = 10});
    CHECK_EQ(GPU(&g, FAKE_GPU_FLUSH, 0, 0, 8, 8, 1, 0), FAKE_GPU_OK_NODATA);
    CHECK_EQ(fake_get64(g.mem + 2048 + 8), 0x123456789BULL);
    gpu_down(&g);
}

static void test_gpu_displays(void)
{
    struct fake_gpu_config cfg = {.scanouts = 2, .enabled = 2};
    static struct gpu_rig g;
    uint8_t sum = 0;

    REQUIRE(gpu_up(&g, &cfg));
    CHECK_EQ(gpu_do(&g, &g.q, FAKE_GPU_GET_DISPLAY_INFO, 0, NULL),
             FAKE_GPU_OK_DISPLAY_INFO);
    CHECK_EQ(fake_get32(g.mem + 2048 + 24 + 24 + 8), 640);
    CHECK_EQ(fake_get32(g.mem + 2048 + 24 + 24 + 16), 1);
    CHECK_EQ(fake_get32(g.mem + 2048 + 24 + 48 + 16), 0);
    CHECK_EQ(GPU(&g, FAKE_GPU_GET_EDID, 1, 0), FAKE_GPU_OK_EDID);
    CHECK_EQ(fake_get32(g.mem + 2048 + 24), 128);
    for (unsigned i = 0; i < 128; i++)
        sum = (uint8_t)(sum + g.mem[2048 + 32 + i]);
    CHECK_EQ(sum, 0);
    CHECK_EQ(g.mem[2048 + 32 + 56], 640 & 0xFF);
    fake_gpu_resize(&g.gpu, 0, 800, 600);
    CHECK_EQ(raw_config(&g.r, 0, 4), 1);
    CHECK_EQ(raw_rd(&g.r, 0x60, 4) & 2, 2);
    raw_wr(&g.r, 0x104, 4, 1);
    CHECK_EQ(raw_config(&g.r, 0, 4), 0);
    gpu_do(&g, &g.q, FAKE_GPU_GET_DISPLAY_INFO, 0, NULL);
    CHECK_EQ(fake_get32(g.mem + 2048 + 24 + 8), 800);
    gpu_down(&g);
}

static void test_gpu_cursor(void)
{
    static const uint32_t update[8] = {0, 30, 40, 0, 3, 1, 2, 0};
    static struct gpu_rig g;

    REQUIRE(gpu_up(&g, NULL));
    CHECK_EQ(GPU(&g, FAKE_GPU_CREATE_2D, 3, 1, 64, 64), FAKE_GPU_OK_NODATA);
    CHECK_EQ(gpu_do(&g, &g.cursor, FAKE_GPU_UPDATE_CURSOR, 8, update),
             FAKE_GPU_OK_NODATA);
    CHECK_EQ(g.gpu.cursor.x, 30);
    CHECK_EQ(g.gpu.cursor.hot_y, 2);
    CHECK_EQ(g.gpu.cursor.resource, 3);
    g.f.record = true;
    gpu_do(&g, &g.q, FAKE_GPU_MOVE_CURSOR, 8, update);
    CHECK_EQ(fake_violated(&g.f, "GPU-01"), 1);
    gpu_down(&g);
}

/* ---- Bounce buffers, end to end ------------------------------------- */

/* A read into memory that only dma_map makes visible. */
static void test_mapped_read(void)
{
    struct fake_config mc = {.mode = FAKE_MAPPED};
    static uint8_t data[513];
    struct fake f;
    struct fake_blk blk;
    struct fake_mmio slot;
    struct raw r;
    struct rawq q;
    struct rawseg seg[2];
    uint8_t head[16] = {0};
    uint64_t out, in;
    uint32_t run, id, len;

    fake_init(&f, &mc);
    fake_blk_init(&blk, &f, NULL);
    fake_mmio_init(&slot, &f, &blk.dev, SLOT, 0);
    raw_mmio(&r, &f, SLOT);
    REQUIRE(raw_begin(&r, VERSION_1));
    rawq_init(&q, &r, 0, 4);
    raw_status(&r, 0xF);
    memset(blk.disk, 0x66, 512);
    CHECK_EQ(f.hal.dma_map(&f, head, 16, VDRV_DIR_OUT, 0, &out, &run), 0);
    CHECK_EQ(f.hal.dma_map(&f, data, 513, VDRV_DIR_IN, 0, &in, &run), 0);
    seg[0] = (struct rawseg){out, 16, false};
    seg[1] = (struct rawseg){in, 513, true};
    data[512] = 0xFF;
    rawq_add(&q, seg, 2);
    REQUIRE(rawq_wait(&q, &id, &len));
    CHECK_EQ(data[0], 0);
    f.hal.dma_unmap(&f, data, in, 513, VDRV_DIR_IN, 0);
    f.hal.dma_unmap(&f, head, out, 16, VDRV_DIR_OUT, 0);
    CHECK_EQ(data[511], 0x66);
    CHECK_EQ(data[512], 0);
    /* Now it is not shared any more. */
    f.record = true;
    rawq_add(&q, seg, 2);
    CHECK(!rawq_wait(&q, &id, &len));
    CHECK(fake_violated(&f, "DMA") > 0);
    CHECK(raw_reset(&r));
    rawq_fini(&q);
    fake_mmio_fini(&slot);
    fake_blk_fini(&blk);
    fake_fini(&f);
}

static const struct check_case cases[] = {
    {"fake_pci_config", test_pci_config},
    {"fake_pci_bar_size", test_pci_bar_size},
    {"fake_pci_caps", test_pci_caps},
    {"fake_pci_window", test_pci_window},
    {"fake_pci_access", test_pci_access},
    {"fake_pci_bridge", test_pci_bridge},
    {"fake_pci_device", test_pci_device},
    {"fake_pci_msix", test_pci_msix},
    {"fake_pci_rules", test_pci_rules},
    {"fake_net_tx", test_net_tx},
    {"fake_net_rx", test_net_rx},
    {"fake_net_rx_merged", test_net_rx_merged},
    {"fake_net_ctrl", test_net_ctrl},
    {"fake_net_deps", test_net_deps},
    {"fake_gpu_picture", test_gpu_picture},
    {"fake_gpu_errors", test_gpu_errors},
    {"fake_gpu_displays", test_gpu_displays},
    {"fake_gpu_cursor", test_gpu_cursor},
    {"fake_mapped_read", test_mapped_read},
};

CHECK_MAIN(cases)
