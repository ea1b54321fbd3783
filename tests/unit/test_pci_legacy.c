/* SPDX-License-Identifier: MIT */
/*
 * Legacy and transitional devices on the fake PCI bus: the registers in I/O
 * BAR 0, with and without MSI-X, through ports and through memory; which
 * interface is chosen, and what becomes of devices that lie.
 */
#include "pci_rig.h"

#define LIMIT UINT64_C(0x100000000000) /* 2^44: page numbers end here */

#define SECTORS 2048u

#define PFN    0x08u
#define SIZE   0x0cu
#define STATUS 0x12u
#define ISR    0x13u

static const struct vdrv_pci_options legacy = {.legacy = &vdrv_pci_legacy};
static const struct fake_pci_layout legacy_only = {.interface =
                                                       FAKE_PCI_LEGACY};
static struct fake_access trace[512];

static void trace_on(struct fake *f)
{
    f->trace = trace;
    f->trace_cap = COUNT(trace);
    f->trace_len = 0;
}

static bool up(struct pci_rig *g, const struct fake_pci_layout *layout)
{
    const unsigned before = check_failures;

    pci_machine(g, layout);
    CHECK_EQ(pci_probe(g, &legacy), VDRV_OK);
    CHECK_EQ(pci_init(g), VDRV_OK);
    return check_failures == before;
}

/* ---- Which interface ----------------------------------------------------- */

/* LEG-22, LEG-16: no virtio capabilities. */
static void legacy_only_device(void)
{
    struct pci_rig g;

    if (!up(&g, &legacy_only))
        return;
    CHECK_EQ(g.t->flags, VDRV_TRANSPORT_LEGACY | VDRV_TRANSPORT_FIXED_SIZE);
    CHECK_EQ(g.t->dma_limit, LIMIT - 1);
    CHECK_EQ(g.t->device_id, 2);
    CHECK(g.t->ring == &vdrv_queue_legacy);
    CHECK_EQ(g.pci.common.space, VDRV_SPACE_PORT);
    CHECK_EQ(g.disk.dev.accepted[0] >> 32, 0); /* LEG-19 */
    pci_works(&g);
    CHECK(g.fn.legacy_accesses > 0);
    pci_down(&g);
}

/* LEG-21: the legacy registers of a modern device are never touched. */
static void transitional_device_is_modern(void)
{
    const struct fake_pci_layout both = {.interface = FAKE_PCI_TRANSITIONAL};
    struct pci_rig g;

    if (!up(&g, &both))
        return;
    CHECK_EQ(g.t->flags, 0);
    CHECK(fake_dev_has(&g.disk.dev, FAKE_F_VERSION_1));
    pci_works(&g);
    CHECK_EQ(g.fn.legacy_accesses, 0);
    pci_down(&g);
}

/* LEG-23: a probe without the option says what to do, and touches nothing. */
static void refused_without_the_option(void)
{
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g.f, "probe with vdrv_pci_legacy"));
    CHECK_EQ(g.fn.legacy_accesses, 0);
    pci_end(&g);
}

/* An id of modern devices says that there is no legacy interface. */
static void modern_id_is_never_legacy(void)
{
    struct fake_pci_layout l = legacy_only;
    struct pci_rig g;

    l.device_id = 0x1042;
    pci_machine(&g, &l);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_ERR_PROTOCOL);
    CHECK(fake_log_contains(&g.f, "no virtio capability found"));
    CHECK_EQ(g.fn.legacy_accesses, 0);
    pci_end(&g);
}

/* F26, F27, F32: what is left, when the modern structures cannot be used. */
static void fault_F27_broken_modern_falls_back(void)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct fake_pci_layout both = {.interface =
                                                 FAKE_PCI_TRANSITIONAL};
        struct pci_rig g;

        pci_machine(&g, &both);
        fake_dev_set_legacy(&g.disk.dev);
        if (i == 0)
            g.fn.cfg[0x34] = 0; /* no list */
        else if (i == 1)
            g.fn.cfg[6] &= (uint8_t)~0x10; /* a list that is not told of */
        else
            g.fn.cfg[fake_pci_cap_at(&g.fn, FAKE_CAP_COMMON) + 12] = 7;
        CHECK_EQ(pci_probe(&g, NULL) == VDRV_OK, 0);
        CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
        CHECK_EQ(pci_init(&g), VDRV_OK);
        CHECK_EQ(g.t->flags & VDRV_TRANSPORT_LEGACY, VDRV_TRANSPORT_LEGACY);
        pci_works(&g);
        pci_down(&g);
    }
}

static void found_in_a_walk(void)
{
    struct fake_pci_layout bare = legacy_only;
    struct vdrv_pci_windows w = {.mem32 = {0x40000000, 0x1000000, 0},
                                 .io = {0x2000, 0x1000, 0}};
    struct vdrv_pci_walk walk;
    struct pci_rig g;

    bare.bars_unset = true;
    pci_machine(&g, &bare);
    vdrv_pci_walk_init(&walk, &g.ops, 0, 0);
    CHECK_EQ(vdrv_pci_find_any(&g.pci, &g.f.hal, &walk, NULL, 2, &legacy),
             VDRV_ERR_NO_DEVICE);
    CHECK(fake_log_contains(&g.f, "of the legacy interface, has no address"));
    vdrv_pci_walk_init(&walk, &g.ops, 0, 0);
    CHECK_EQ(vdrv_pci_find_any(&g.pci, &g.f.hal, &walk, &w, 2, &legacy),
             VDRV_OK);
    CHECK_EQ(g.pci.common.addr, 0x2000);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* ---- I/O space ----------------------------------------------------------- */

/* Where I/O addresses are seen as memory. */
static void through_memory(void)
{
    const uint64_t io_phys = 0x3eff0000;
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    g.ops.io_phys = io_phys;
    g.bus.io_phys = io_phys;
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    CHECK_EQ(g.pci.common.space, VDRV_SPACE_MEMORY);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* A BAR that is not I/O, has no address, or is too small. */
static void bar_is_checked(void)
{
    static const struct {
        const char *log;
        struct fake_pci_layout layout;
        int err;
    } bad[] = {
        {"BAR 0 is no I/O BAR",
         {.interface = FAKE_PCI_LEGACY, .legacy_kind = FAKE_BAR_MEM32},
         VDRV_ERR_UNSUPPORTED},
        {"has no address",
         {.interface = FAKE_PCI_LEGACY, .bars_unset = true},
         VDRV_ERR_UNSUPPORTED},
        {"too small for the legacy registers",
         {.interface = FAKE_PCI_LEGACY, .legacy_size = 0x10},
         VDRV_ERR_PROTOCOL},
    };

    for (unsigned i = 0; i < COUNT(bad); i++) {
        struct pci_rig g;
        uint32_t command;

        pci_machine(&g, &bad[i].layout);
        command = fake_get16(g.fn.cfg + 4);
        CHECK_EQ(pci_probe(&g, &legacy), bad[i].err);
        CHECK(fake_log_contains(&g.f, bad[i].log));
        CHECK_EQ(fake_get16(g.fn.cfg + 4), command);
        CHECK_EQ(g.fn.legacy_accesses, 0);
        pci_end(&g);
    }
}

/* A port that no CPU has, and no window to it. */
static void no_io_space(void)
{
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    fake_put32(g.fn.cfg + 0x10, 0x10000 | 1);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g.f, "set io_phys"));
    pci_end(&g);
}

/* ---- Registers ----------------------------------------------------------- */

/* LEG-05, LEG-11, LEG-24, LEG-25: status, size and page of a queue. LEG-20: on a big-endian CPU the fake
   has these little-endian, and the configuration in the CPU's order. */
static void order_of_registers(void)
{
    uint32_t statuses[8], n = 0, pages = 0;
    struct pci_rig g;
    uint64_t base;

    pci_machine(&g, &legacy_only);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    base = g.pci.common.addr;
    trace_on(&g.f);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    for (size_t i = 0; i < g.f.trace_len; i++) {
        const struct fake_access *a = &trace[i];

        if (a->write && a->addr == base + STATUS && n < COUNT(statuses))
            statuses[n++] = a->value;
        CHECK(!(a->write && a->addr == base + SIZE));
        if (a->write && a->addr == base + PFN && pages < PCI_RIG_QUEUES)
            CHECK_EQ(a->value * UINT64_C(4096),
                     g.drv.queue[pages++].vq.area_dma);
    }
    printf("  %zu register accesses in all\n", g.f.trace_len);
    g.f.trace_cap = 0;
    CHECK_EQ(pages, PCI_RIG_QUEUES);
    CHECK_EQ(n, 4);
    CHECK(statuses[0] == 0 && statuses[1] == 1 && statuses[2] == 3 &&
          statuses[3] == 7);
    CHECK_EQ(g.cfg.queue_size, 16); /* what was asked for, and is not had */
    CHECK_EQ(g.drv.queue[0].vq.size, 64);
    pci_down(&g);
}

/* LEG-18: the configuration moves with MSI-X, and is read where it is. */
static void configuration_moves(void)
{
    struct fake_pci_layout l = legacy_only;
    struct pci_rig g;

    for (uint32_t on = 0; on < 3; on++) {
        l.vectors = on == 2 ? UINT32_MAX : 8; /* none at all */
        pci_machine(&g, &l);
        CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
        CHECK_EQ(g.t->config_size, on == 2 ? 0x80 - 20 : 0x80 - 24);
        if (on == 1)
            CHECK_EQ(vdrv_msix_attach(&g.msix, &g.pci, g.msg, 4), VDRV_OK);
        CHECK_EQ(pci_init(&g), VDRV_OK);
        CHECK_EQ(vdrv_block_num_blocks(g.blk), SECTORS);
        pci_works(&g);
        CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        if (on == 1)
            CHECK_EQ(vdrv_msix_detach(&g.msix, &g.pci), VDRV_OK);
        CHECK_EQ(pci_init(&g), VDRV_OK); /* and back */
        CHECK_EQ(vdrv_block_num_blocks(g.blk), SECTORS);
        pci_down(&g);
    }
}

/* F22: a configuration too short for what the features promise. */
static void fault_F22_configuration_too_short(void)
{
    struct fake_pci_layout l = legacy_only;
    struct pci_rig g;

    l.legacy_size = 0x20; /* 8 bytes of it: a capacity, and no more */
    pci_machine(&g, &l);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    CHECK_EQ(g.t->config_size, 8);
    CHECK_EQ(pci_init(&g), VDRV_ERR_PROTOCOL);
    CHECK(fake_log_contains(&g.f, "device configuration too short"));
    CHECK_EQ(g.t->ops->config_read(g.t, 8, 4), UINT32_MAX);
    g.t->ops->config_write(g.t, 8, 4, 0); /* nothing happens: a violation */
    pci_end(&g);
}

/* ---- Interrupts ---------------------------------------------------------- */

/* PCI-30, PCI-54: one read of the ISR, which drops the line. */
static void by_line(void)
{
    struct pci_rig g;
    uint32_t reads = 0;

    if (!up(&g, &legacy_only))
        return;
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0); /* F-rows: not ours is told */
    pci_works_on(&g, 1);
    CHECK(g.fn.intx);
    trace_on(&g.f);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_QUEUE);
    for (size_t i = 0; i < g.f.trace_len; i++)
        reads += trace[i].addr == g.pci.common.addr + ISR;
    CHECK_EQ(reads, 1);
    CHECK_EQ(g.f.trace_len, 1);
    g.f.trace_cap = 0;
    CHECK(!g.fn.intx);
    fake_dev_config_changed(&g.disk.dev);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0);
    pci_down(&g);
}

static void by_vectors(void)
{
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    CHECK_EQ(vdrv_msix_attach(&g.msix, &g.pci, g.msg, 4), VDRV_OK);
    g.cfg.vectors = 4;
    CHECK_EQ(pci_init(&g), VDRV_OK);
    CHECK_EQ(g.disk.dev.config_vector, 0);
    for (uint32_t q = 0; q < PCI_RIG_QUEUES; q++) {
        pci_works_on(&g, q);
        CHECK_EQ(g.fired[q + 1], 2);
        CHECK_EQ(vdrv_irq(&g.blk->dev, q + 1), VDRV_CAUSE_QUEUE);
    }
    CHECK_EQ(pci_fired(&g), 2 * PCI_RIG_QUEUES);
    fake_dev_config_changed(&g.disk.dev);
    CHECK_EQ(g.fired[0], 1);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_CONFIG);
    pci_down(&g);
}

/* F37: a vector that reads back as none is replaced by the first. */
static void fault_F37_vector_refused(void)
{
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    CHECK_EQ(vdrv_msix_attach(&g.msix, &g.pci, g.msg, 4), VDRV_OK);
    g.cfg.vectors = 4;
    g.fn.vectors_max = 1;
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    CHECK_EQ(g.fired[0], 2 * PCI_RIG_QUEUES);
    CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
    g.fn.vector_fails = true;
    CHECK_EQ(pci_init(&g), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g.f, "refuses MSI-X vector"));
    pci_end(&g);
}

/* ---- Lies, and the end --------------------------------------------------- */

static void refused_init(struct pci_rig *g, int err, const char *log)
{
    CHECK_EQ(pci_probe(g, &legacy), VDRV_OK);
    g->work = malloc(1 << 20);
    g->cfg.work = g->work;
    g->cfg.work_size = 1 << 20;
    CHECK_EQ(vdrv_virtio_blk_init(&g->drv, g->t, &g->cfg), err);
    CHECK(fake_log_contains(&g->f, log));
    pci_end(g);
}

/* F36: sizes that no split ring has; 0 is no queue. */
static void fault_F36_queue_size(void)
{
    static const int sizes[] = {-1, 3, 6, 0xffff};

    for (unsigned i = 0; i < COUNT(sizes); i++) {
        struct pci_rig g;

        pci_machine(&g, &legacy_only);
        g.fn.queue_size = sizes[i];
        refused_init(&g, VDRV_ERR_PROTOCOL,
                     sizes[i] < 0 ? "" : "queue size is no power of two");
    }
}

/* F38 as legacy devices have it: in use before, or the page is not taken. */
static void fault_F38_queue_page(void)
{
    struct pci_rig g;

    pci_machine(&g, &legacy_only);
    g.fn.pfn_before = 0x1234;
    refused_init(&g, VDRV_ERR_PROTOCOL, "queue is in use before: 0x0");
    pci_machine(&g, &legacy_only);
    g.fn.enable_stuck = true;
    refused_init(&g, VDRV_ERR_PROTOCOL, "does not take the page of queue 0x0");
}

/* LEG-24: memory that a page number does not reach is not given to it. */
static void fault_F40b_page_number(void)
{
    struct pci_rig g;

    pci_machine_at(&g, LIMIT, &legacy_only);
    refused_init(&g, VDRV_ERR_NO_MEMORY, "dma_alloc has no memory");
    pci_machine_at(&g, LIMIT, &legacy_only);
    g.f.ignore_limit = true;
    refused_init(&g, VDRV_ERR_INVALID, "misaligned or too high");
    pci_machine(&g, &legacy_only);
    g.f.dma_misalign = 64; /* good enough for a modern device */
    refused_init(&g, VDRV_ERR_INVALID, "misaligned or too high");
}

static void stops_and_starts(void)
{
    struct pci_rig g;

    if (!up(&g, &legacy_only))
        return;
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        CHECK_EQ(g.disk.dev.status, 0);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        pci_works(&g);
        fake_dev_needs_reset(&g.disk.dev); /* F78 */
        CHECK_EQ(vdrv_refresh(&g.blk->dev, NULL), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        pci_works(&g);
    }
    pci_down(&g);
}

/* The size cannot be told to the device, so another one after a reset is the
   end: its ring would not be where ours is. */
static void fault_F36_size_changes(void)
{
    struct pci_rig g;

    if (!up(&g, &legacy_only))
        return;
    for (uint16_t size = 32; size <= 128; size *= 4) {
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        for (uint32_t q = 0; q < PCI_RIG_QUEUES; q++)
            fake_dev_queue(&g.disk.dev, q)->max = size;
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_ERR_PROTOCOL);
    }
    for (uint32_t q = 0; q < PCI_RIG_QUEUES; q++)
        fake_dev_queue(&g.disk.dev, q)->max = 64;
    CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* Unplugged at the k-th access, whichever: an error, no hang, no leak. */
static void unplugged_at_each_access(void)
{
    uint32_t k = 1;
    int err;

    do {
        struct pci_rig g;

        pci_machine(&g, &legacy_only);
        g.f.gone_at = k++;
        err = pci_probe(&g, &legacy);
        if (err != VDRV_OK)
            CHECK(err == VDRV_ERR_NO_DEVICE);
        else
            err = pci_init(&g);
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        pci_end(&g);
    } while (err != VDRV_OK && k < 1000);
    CHECK(k > 60 && k < 1000);
    printf("  %u accesses in all\n", k - 2);
}

static const struct check_case cases[] = {
    {"legacy_only_device", legacy_only_device},
    {"transitional_device_is_modern", transitional_device_is_modern},
    {"refused_without_the_option", refused_without_the_option},
    {"modern_id_is_never_legacy", modern_id_is_never_legacy},
    {"fault_F27_broken_modern_falls_back", fault_F27_broken_modern_falls_back},
    {"found_in_a_walk", found_in_a_walk},
    {"through_memory", through_memory},
    {"bar_is_checked", bar_is_checked},
    {"no_io_space", no_io_space},
    {"order_of_registers", order_of_registers},
    {"configuration_moves", configuration_moves},
    {"fault_F22_configuration_too_short", fault_F22_configuration_too_short},
    {"by_line", by_line},
    {"by_vectors", by_vectors},
    {"fault_F37_vector_refused", fault_F37_vector_refused},
    {"fault_F36_queue_size", fault_F36_queue_size},
    {"fault_F38_queue_page", fault_F38_queue_page},
    {"fault_F40b_page_number", fault_F40b_page_number},
    {"fault_F36_size_changes", fault_F36_size_changes},
    {"stops_and_starts", stops_and_starts},
    {"unplugged_at_each_access", unplugged_at_each_access},
};
CHECK_MAIN(cases)
