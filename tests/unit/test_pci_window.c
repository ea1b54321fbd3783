/* SPDX-License-Identifier: MIT */
/*
 * The configuration access window (VirtIO 1.4, 4.1.4.9) on the fake PCI bus:
 * a disk whose registers the CPU cannot reach, driven through configuration
 * space, notifications and interrupts too; and windows that lie.
 */
#include "pci_rig.h"

static const struct vdrv_pci_options window = {.access =
                                                   &vdrv_pci_config_access};
static struct fake_access trace[64];

/* Nothing can be mapped. */
static void machine(struct pci_rig *g, const struct fake_pci_layout *layout)
{
    pci_machine(g, layout);
    g->f.refuse_mmio_map = true;
}

/* PCI-34, PCI-35, PCI-36: the fake checks where the window points. */
static void disk_through_it(void)
{
    struct pci_rig g;

    machine(&g, NULL);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK(g.pci.access != NULL);
    CHECK_EQ(g.pci.common.space, VDRV_SPACE_TRANSPORT);
    CHECK_EQ(g.t->device_id, 2);
    g.f.trace = trace;
    g.f.trace_cap = COUNT(trace);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_QUEUE);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), 0);
    fake_dev_config_changed(&g.disk.dev);
    CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_CONFIG);
    CHECK(!g.fn.intx);
    CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
    pci_works(&g);
    CHECK_EQ(g.f.trace_len, 0); /* not one register access */
    CHECK(g.fn.window_accesses > 100);
    g.f.trace_cap = 0;
    pci_down(&g);
}

/* PCI-48: a notification of 32 bits finds its way, too. */
static void notifies_with_data(void)
{
    struct pci_rig g;

    machine(&g, NULL);
    fake_dev_offer(&g.disk.dev, FAKE_F_NOTIFICATION_DATA, true);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    CHECK(fake_dev_has(&g.disk.dev, FAKE_F_NOTIFICATION_DATA));
    pci_works(&g);
    pci_works(&g);
    pci_down(&g);
}

/* Where registers can be reached, the window is left alone. */
static void not_used_when_not_needed(void)
{
    struct pci_rig g;

    pci_machine(&g, NULL);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK(g.pci.access == NULL);
    CHECK_EQ(g.pci.common.space, VDRV_SPACE_MEMORY);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    CHECK_EQ(g.fn.window_accesses, 0);
    pci_down(&g);
}

/* BARs without addresses do; the command register is not told to decode. */
static void bars_without_addresses(void)
{
    const struct fake_pci_layout bare = {.bars_unset = true};
    struct pci_rig g;

    pci_machine(&g, &bare);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK_EQ(fake_get16(g.fn.cfg + 4), FAKE_PCI_MASTER);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* An I/O BAR on a CPU that has no such space. */
static void structures_in_io_space(void)
{
    const struct fake_pci_layout io = {.bar = 2, .bar_kind = FAKE_BAR_IO};
    struct pci_rig g;

    pci_machine(&g, &io);
    fake_put32(g.fn.cfg + 0x18, 0x10000 | 1); /* beyond all ports */
    CHECK_EQ(pci_probe(&g, NULL), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

/* What the capability may do wrong: then it is as if it were not there. */
static void lying_window(void)
{
    for (unsigned i = 0; i < 6; i++) {
        const struct fake_pci_layout none = {.no_pci_cap = i == 0};
        struct pci_rig g;
        uint8_t *cap;

        machine(&g, &none);
        cap = g.fn.cfg + g.fn.cap_pci;
        if (i == 1)
            cap[2] = 19; /* too short for its data */
        else if (i == 2)
            cap[2] = 0xff; /* past the end of the space */
        else if (i == 3)
            g.fn.mask[g.fn.cap_pci + 4] = 0; /* the BAR stays 0 */
        else if (i == 4)
            g.fn.mask[g.fn.cap_pci + 9] = 0; /* part of the offset stays */
        else if (i == 5)
            g.fn.mask[g.fn.cap_pci + 12] = 0; /* the length stays */
        CHECK_EQ(pci_probe(&g, &window), VDRV_ERR_INVALID);
        CHECK(fake_log_contains(&g.f, "was refused"));
        CHECK_EQ(g.fn.window_accesses, 0);
        CHECK(g.pci.access == NULL || i > 2);
        pci_end(&g);
    }
}

/* F31: a structure that is wrong is not reached by this way either. */
static void fault_F31_outside_its_bar(void)
{
    struct pci_rig g;
    uint32_t at;

    machine(&g, NULL);
    at = fake_pci_cap_at(&g.fn, FAKE_CAP_COMMON);
    fake_put32(g.fn.cfg + at + 8, 0x3ff0);
    CHECK_EQ(pci_probe(&g, &window), VDRV_ERR_PROTOCOL);
    CHECK(fake_log_contains(&g.f, "past the end of its BAR"));
    pci_end(&g);
}

/* Modern before legacy, even so. */
static void before_the_legacy_interface(void)
{
    const struct fake_pci_layout both = {.interface = FAKE_PCI_TRANSITIONAL};
    const struct vdrv_pci_options all = {.legacy = &vdrv_pci_legacy,
                                         .access = &vdrv_pci_config_access};
    struct pci_rig g;

    machine(&g, &both);
    CHECK_EQ(pci_probe(&g, &all), VDRV_OK);
    CHECK_EQ(g.t->flags, 0);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    CHECK_EQ(g.fn.legacy_accesses, 0);
    pci_down(&g);
}

/* MSI-X needs its table, which no window shows: the line is left. */
static void no_vectors(void)
{
    struct pci_rig g;

    machine(&g, NULL);
    CHECK_EQ(pci_probe(&g, &window), VDRV_OK);
    CHECK_EQ(vdrv_msix_attach(&g.msix, &g.pci, g.msg, 4), VDRV_ERR_INVALID);
    CHECK_EQ(g.t->vectors, 0);
    CHECK_EQ(pci_init(&g), VDRV_OK);
    pci_works(&g);
    CHECK(g.fn.intx);
    pci_down(&g);
}

/* Unplugged at the k-th access, whichever: an error, no hang, no leak. */
static void unplugged_at_each_access(void)
{
    uint32_t k = 1;
    int err;

    do {
        struct pci_rig g;

        machine(&g, NULL);
        g.f.gone_at = k++;
        err = pci_probe(&g, &window);
        if (err == VDRV_OK)
            err = pci_init(&g);
        if (err == VDRV_OK)
            CHECK_EQ(vdrv_virtio_blk_fini(&g.drv), VDRV_OK);
        pci_end(&g);
    } while (err != VDRV_OK && k < 2000);
    CHECK(k > 200 && k < 2000);
    printf("  %u accesses in all\n", k - 2);
}

static const struct check_case cases[] = {
    {"disk_through_it", disk_through_it},
    {"notifies_with_data", notifies_with_data},
    {"not_used_when_not_needed", not_used_when_not_needed},
    {"bars_without_addresses", bars_without_addresses},
    {"structures_in_io_space", structures_in_io_space},
    {"lying_window", lying_window},
    {"fault_F31_outside_its_bar", fault_F31_outside_its_bar},
    {"before_the_legacy_interface", before_the_legacy_interface},
    {"no_vectors", no_vectors},
    {"unplugged_at_each_access", unplugged_at_each_access},
};
CHECK_MAIN(cases)
