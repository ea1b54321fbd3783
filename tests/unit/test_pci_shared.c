/* SPDX-License-Identifier: MIT */
/* Memory that a PCI device shares (VirtIO 1.4, 4.1.4.7): found, and checked. */
#include "pci_rig.h"

#define BAR  2u
#define SIZE (UINT64_C(1) << 34)

/* The disk has a BAR for it, too. */
static void machine(struct pci_rig *g)
{
    const struct fake_pci_layout one_vector = {.vectors = 1};

    pci_machine(g, &one_vector);
    fake_pci_set_bar(&g->fn, BAR, FAKE_BAR_MEM64 | FAKE_BAR_PREFETCH, SIZE);
    fake_pci_assign(&g->fn);
}

static int ask(struct pci_rig *g, uint32_t id, struct vdrv_shared_memory *out)
{
    memset(out, 0xff, sizeof(*out));
    return vdrv_transport_shared_memory(g->t, id, out);
}

/* PCI-31: two regions, above 4 GiB in their BAR, by id. */
static void regions_by_id(void)
{
    struct vdrv_shared_memory shm;
    struct pci_rig g;
    uint64_t base;

    machine(&g);
    fake_pci_shared(&g.fn, 1, BAR, UINT64_C(0x100000000), UINT64_C(0x80000000));
    fake_pci_shared(&g.fn, 7, BAR, UINT64_C(0x180000000),
                    UINT64_C(0x280000000));
    base = fake_pci_bar_addr(&g.fn, BAR);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_OK);
    CHECK_EQ(ask(&g, 1, &shm), VDRV_OK);
    CHECK_EQ(shm.phys, base + UINT64_C(0x100000000));
    CHECK_EQ(shm.len, 0x80000000);
    CHECK_EQ(ask(&g, 7, &shm), VDRV_OK);
    CHECK_EQ(shm.phys, base + UINT64_C(0x180000000));
    CHECK_EQ(shm.len, UINT64_C(0x280000000)); /* up to the very end */
    CHECK_EQ(ask(&g, 2, &shm), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(shm.len, 0);
    CHECK_EQ(ask(&g, 0x101, &shm), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(pci_init(&g), VDRV_OK); /* the capabilities are in nobody's way */
    CHECK_EQ(ask(&g, 1, &shm), VDRV_OK);
    pci_works(&g);
    pci_down(&g);
}

static void none(void)
{
    const struct fake_pci_layout layout = {.interface = FAKE_PCI_LEGACY};
    const struct vdrv_pci_options legacy = {.legacy = &vdrv_pci_legacy};
    struct vdrv_shared_memory shm;
    struct pci_rig g;

    machine(&g);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_OK);
    CHECK_EQ(ask(&g, 0, &shm), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_transport_shared_memory(g.t, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_transport_shared_memory(NULL, 0, &shm), VDRV_ERR_INVALID);
    g.fn.hidden = true;
    CHECK_EQ(ask(&g, 0, &shm), VDRV_ERR_NO_DEVICE);
    pci_end(&g);
    pci_machine(&g, &layout);
    CHECK_EQ(pci_probe(&g, &legacy), VDRV_OK);
    CHECK_EQ(ask(&g, 0, &shm), VDRV_ERR_UNSUPPORTED);
    pci_end(&g);
}

/* F28 to F31: what such a capability may say wrong. */
static void fault_F31_lying_capability(void)
{
    static const struct {
        const char *log;
        uint64_t offset, length;
        uint8_t bar, len;
        int err;
    } lies[] = {
        {"outside its BAR", 0, SIZE + 1, BAR, 24, VDRV_ERR_PROTOCOL},
        {"outside its BAR", SIZE, 1, BAR, 24, VDRV_ERR_PROTOCOL},
        {"outside its BAR", 1, SIZE, BAR, 24, VDRV_ERR_PROTOCOL},
        {"outside its BAR", 16, UINT64_MAX - 8, BAR, 24, VDRV_ERR_PROTOCOL},
        {"outside its BAR", UINT64_MAX, 2, BAR, 24, VDRV_ERR_PROTOCOL},
        {"empty or outside", 16, 0, BAR, 24, VDRV_ERR_PROTOCOL},
        {"not in a memory BAR", 0, 16, 5, 24, VDRV_ERR_PROTOCOL},
        {"not in a memory BAR", 0, 16, BAR + 1, 24, VDRV_ERR_PROTOCOL},
        {"", 0, 16, 6, 24, VDRV_ERR_UNSUPPORTED}, /* reserved: ignored */
        {"shorter than its type", 0, 16, BAR, 23, VDRV_ERR_PROTOCOL},
        {"end of configuration", 0, 16, BAR, 0xff, VDRV_ERR_PROTOCOL},
    };

    for (unsigned i = 0; i < COUNT(lies); i++) {
        struct vdrv_shared_memory shm;
        struct pci_rig g;
        uint32_t at;

        machine(&g);
        at = fake_pci_shared(&g.fn, 1, lies[i].bar, lies[i].offset,
                             lies[i].length);
        g.fn.cfg[at + 2] = lies[i].len;
        CHECK_EQ(pci_probe(&g, NULL), VDRV_OK);
        CHECK_EQ(ask(&g, 1, &shm), lies[i].err);
        if (lies[i].log[0] != 0 && !fake_log_contains(&g.f, lies[i].log))
            check_fail(lies[i].log, (int)i, "is not in the log");
        CHECK(shm.phys == 0 && shm.len == 0);
        pci_end(&g);
    }
}

static void without_an_address(void)
{
    struct vdrv_shared_memory shm;
    struct pci_rig g;

    machine(&g);
    fake_pci_shared(&g.fn, 1, BAR, 0, 4096);
    fake_put32(g.fn.cfg + 0x18, 0xc);
    fake_put32(g.fn.cfg + 0x1c, 0);
    CHECK_EQ(pci_probe(&g, NULL), VDRV_OK);
    CHECK_EQ(ask(&g, 1, &shm), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g.f, "BAR has no address"));
    pci_end(&g);
}

static const struct check_case cases[] = {
    {"regions_by_id", regions_by_id},
    {"none", none},
    {"fault_F31_lying_capability", fault_F31_lying_capability},
    {"without_an_address", without_an_address},
};
CHECK_MAIN(cases)
