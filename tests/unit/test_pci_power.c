/* SPDX-License-Identifier: MIT */
/*
 * A PCI disk that lost its power: start finds BARs, command register and MSI-X
 * as a reset of the machine leaves them, and puts them back.
 */
#include "pci_rig.h"

static const struct vdrv_pci_options legacy = {.legacy = &vdrv_pci_legacy};

static void start_up(struct pci_rig *g, uint32_t interface, uint32_t vectors)
{
    const struct fake_pci_layout layout = {.interface = interface};

    pci_machine(g, &layout);
    CHECK_EQ(pci_probe(g, &legacy), VDRV_OK);
    if (vectors != 0)
        CHECK_EQ(vdrv_msix_attach(&g->msix, &g->pci, g->msg, vectors), VDRV_OK);
    g->cfg.vectors = vectors;
    CHECK_EQ(pci_init(g), VDRV_OK);
}

static void stop_and_lose(struct pci_rig *g)
{
    CHECK_EQ(vdrv_stop(&g->blk->dev), VDRV_OK);
    fake_pci_power_loss(&g->fn);
    CHECK_EQ(fake_get16(g->fn.cfg + 4), 0);
    CHECK(fake_pci_bar_addr(&g->fn, 1) == 0);
}

/* Modern and legacy, by line and by vectors; twice. */
static void start_restores(void)
{
    static const uint32_t how[][2] = {{FAKE_PCI_MODERN, 0},
                                      {FAKE_PCI_MODERN, 4},
                                      {FAKE_PCI_LEGACY, 0},
                                      {FAKE_PCI_LEGACY, 4}};

    for (unsigned i = 0; i < COUNT(how); i++) {
        struct pci_rig g;
        uint8_t cfg[64];

        start_up(&g, how[i][0], how[i][1]);
        memcpy(cfg, g.fn.cfg, sizeof(cfg));
        for (unsigned n = 0; n < 2; n++) {
            pci_works(&g);
            CHECK_EQ(pci_fired(&g), 2 * PCI_RIG_QUEUES);
            stop_and_lose(&g);
            CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
            CHECK_MEM(cfg, g.fn.cfg, sizeof(cfg));
        }
        pci_works(&g);
        for (uint32_t q = 0; q < PCI_RIG_QUEUES && how[i][1] != 0; q++)
            CHECK_EQ(g.fired[q + 1], 2);
        for (uint32_t v = 0; v < how[i][1]; v++) {
            CHECK_EQ(fake_get32(g.fn.msix + 16 * v),
                     g.msg[v].addr & UINT32_MAX);
            CHECK_EQ(fake_get32(g.fn.msix + 16 * v + 8), g.msg[v].data);
        }
        pci_down(&g);
    }
}

/* In the middle of its work: the memory is back, and all of it works again. */
static void lost_while_running(void)
{
    static uint8_t buf[512];
    struct vdrv_seg seg = vdrv_seg_in(buf, sizeof(buf));
    struct vdrv_block_request req = {
        .op = VDRV_BLOCK_READ, .segs = &seg, .nsegs = 1};
    struct pci_rig g;

    start_up(&g, FAKE_PCI_MODERN, 4);
    g.disk.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_block_submit(g.blk, &req), VDRV_OK);
    CHECK_EQ(vdrv_block_kick(g.blk, 0), 1);
    fake_step(&g.f);
    fake_pci_power_loss(&g.fn);
    g.disk.dev.complete = FAKE_COMPLETE_NOW;
    g.f.record = true; /* nobody answers there now */
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    fake_violations_clear(&g.f);
    g.f.record = false;
    CHECK_EQ(req.status, VDRV_ERR_ABORTED); /* F75 */
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* Nothing is written where nothing was lost. */
static void left_alone(void)
{
    struct pci_rig g;
    uint64_t writes;

    start_up(&g, FAKE_PCI_MODERN, 4);
    CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
    writes = g.bus.writes;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    CHECK_EQ(g.bus.writes, writes);
    pci_works(&g);
    pci_down(&g);
}

/* Configuration space is the whole machine's: a call that is for one queue's
   caller, beside other CPUs, does not touch it, late as it may be. */
static void not_from_a_blocking_call(void)
{
    static uint8_t buf[512];
    struct pci_rig g;
    uint64_t reads, writes;

    start_up(&g, FAKE_PCI_MODERN, 0);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    g.cfg.queues = 1;
    g.cfg.timeout_us = 1000;
    CHECK_EQ(pci_init(&g), VDRV_OK);
    g.disk.dev.complete = FAKE_COMPLETE_HELD;
    reads = g.bus.reads;
    writes = g.bus.writes;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, sizeof(buf)),
             VDRV_ERR_TIMEOUT);
    CHECK_EQ(g.bus.reads, reads);
    CHECK_EQ(g.bus.writes, writes);
    g.disk.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, sizeof(buf)), VDRV_OK);
    pci_down(&g);
}

/* The BAR of the table may have got its address after the probe. */
static void moved_before_attach(void)
{
    struct pci_rig g;
    uint64_t before;

    start_up(&g, FAKE_PCI_MODERN, 4);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    CHECK_EQ(vdrv_msix_detach(&g.msix, &g.pci), VDRV_OK);
    before = fake_pci_bar_addr(&g.fn, 1);
    fake_pci_write(&g.bus, PCI_RIG_FN, 4, 2, 0);
    fake_pci_write(&g.bus, PCI_RIG_FN, 0x14, 4, (uint32_t)before + 0x100000);
    fake_pci_write(&g.bus, PCI_RIG_FN, 4, 2, 6);
    CHECK_EQ(vdrv_msix_attach(&g.msix, &g.pci, g.msg, 4), VDRV_OK);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        if (i == 1)
            fake_pci_power_loss(&g.fn);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        CHECK_EQ(fake_pci_bar_addr(&g.fn, 1), before + 0x100000);
        pci_works(&g);
    }
    pci_down(&g);
}

/* After a detach the table is nobody's. */
static void vectors_given_back(void)
{
    struct pci_rig g;

    start_up(&g, FAKE_PCI_MODERN, 4);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    CHECK_EQ(vdrv_msix_detach(&g.msix, &g.pci), VDRV_OK);
    memset(&g.msix, 0xa5, sizeof(g.msix));
    CHECK_EQ(pci_init(&g), VDRV_OK);
    stop_and_lose(&g);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    pci_works(&g);
    CHECK(g.fn.intx);
    pci_down(&g);
}

/* Another card, or none, or one whose BAR is stuck. */
static void not_the_same_any_more(void)
{
    struct pci_rig g;
    uint32_t at;

    start_up(&g, FAKE_PCI_MODERN, 0);
    stop_and_lose(&g);
    g.f.record = true; /* nobody answers at its registers now */
    fake_put16(g.fn.cfg + 2, 0x1041);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_NO_DEVICE);
    fake_put16(g.fn.cfg + 2, 0x1042);
    g.fn.hidden = true;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_NO_DEVICE);
    g.fn.hidden = false;
    at = 0x10 + 4 * 5; /* of the structures: upper address bits */
    memset(g.fn.mask + at, 0, 1);
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_NO_DEVICE);
    CHECK(fake_log_contains(&g.f, "does not take its address again"));
    g.fn.mask[at] = 0xff;
    fake_violations_clear(&g.f);
    g.f.record = false;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

static const struct check_case cases[] = {
    {"start_restores", start_restores},
    {"lost_while_running", lost_while_running},
    {"left_alone", left_alone},
    {"not_from_a_blocking_call", not_from_a_blocking_call},
    {"moved_before_attach", moved_before_attach},
    {"vectors_given_back", vectors_given_back},
    {"not_the_same_any_more", not_the_same_any_more},
};
CHECK_MAIN(cases)
