/* SPDX-License-Identifier: MIT */
/*
 * Bridges that no firmware has set up: bus numbers, addresses, and windows for
 * what is behind them, on the fake bus, whose bridges forward nothing else.
 */
#include "pci_rig.h"

#define BRIDGES 12u

struct tree {
    struct pci_rig g;
    struct fake_pci_fn bridge[BRIDGES];
    struct fake_pci_fn other[BRIDGES];
    struct fake_blk disk[2];
    struct fake_pci_fn fn[2];
};

static struct tree t;

static const struct vdrv_pci_windows windows = {
    .mem32 = {0x40080000, 0x10000000, 0},
    .mem64 = {UINT64_C(0x800000000), UINT64_C(0x400000000), 0},
    .io = {0x1000, 0x8000, 0},
};
static const struct fake_pci_layout bare = {.bars_unset = true};

/* The disk of the rig is on bus 0 and has its addresses. */
static void machine(void)
{
    memset(&t, 0, sizeof(t));
    pci_machine(&t.g, NULL);
}

static struct fake_pci_fn *add_bridge(unsigned i, struct fake_pci_fn *parent,
                                      uint32_t devfn)
{
    fake_pci_add(&t.bridge[i], &t.g.bus, parent, devfn, 0x1b36, 0x000c);
    fake_pci_bridge(&t.bridge[i], 0, 0);
    return &t.bridge[i];
}

static void add_other(unsigned i, struct fake_pci_fn *parent, uint32_t devfn)
{
    fake_pci_add(&t.other[i], &t.g.bus, parent, devfn, 0x8086, 0x100e);
    fake_pci_set_bar(&t.other[i], 0, FAKE_BAR_MEM32, 0x20000);
    fake_pci_set_bar(&t.other[i], 1, FAKE_BAR_IO, 0x40);
    fake_pci_set_bar(&t.other[i], 2, FAKE_BAR_MEM64, 0x1000);
}

static void add_disk(unsigned i, struct fake_pci_fn *parent, uint32_t devfn,
                     const struct fake_pci_layout *layout)
{
    fake_blk_init(&t.disk[i], &t.g.f, NULL);
    fake_pci_virtio(&t.fn[i], &t.g.bus, parent, devfn, &t.disk[i].dev, layout);
}

static void finish(void)
{
    for (unsigned i = 0; i < COUNT(t.disk); i++)
        if (t.fn[i].bus)
            fake_blk_fini(&t.disk[i]);
    pci_end(&t.g);
}

static int set_up(uint32_t last_bus, struct vdrv_pci_windows *w)
{
    return vdrv_pci_bridges(&t.g.ops, 0, last_bus, w);
}

static uint32_t numbers(unsigned i)
{
    return fake_get32(t.bridge[i].cfg + 0x18) & 0xffffff;
}

#define NUMBERS(primary, secondary, subordinate)                               \
    ((primary) | (secondary) << 8 | (uint32_t)(subordinate) << 16)

/* Finds the disk at `fn` and uses it. */
static void disk_works_at(uint32_t fn, const struct vdrv_pci_options *options)
{
    const struct vdrv_virtio_blk_config cfg = {.queue_size = 16};
    struct vdrv_virtio_blk_config with = cfg;
    struct vdrv_virtio_blk drv;
    static uint8_t out[512], in[512];
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    int err;

    vdrv_pci_walk_init(&walk, &t.g.ops, 0, 255);
    do {
        err = vdrv_pci_find_any(&pci, &t.g.f.hal, &walk, NULL, 2, options);
    } while (err == VDRV_OK && pci.fn != fn);
    REQUIRE(err == VDRV_OK);
    with.work_size = vdrv_virtio_blk_work_size(&pci.transport, &cfg);
    with.work = malloc(with.work_size);
    REQUIRE(vdrv_virtio_blk_init(&drv, &pci.transport, &with) == VDRV_OK);
    memset(out, (int)(fn >> 3) + 1, sizeof(out));
    CHECK_EQ(vdrv_block_write_block(&drv.block, 2, out, sizeof(out)), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(&drv.block, 2, in, sizeof(in)), VDRV_OK);
    CHECK_MEM(in, out, sizeof(in));
    CHECK_EQ(vdrv_virtio_blk_fini(&drv), VDRV_OK);
    free(with.work);
}

static void one_bridge(void)
{
    struct vdrv_pci_windows w = windows;

    machine();
    add_disk(0, add_bridge(0, NULL, 0x18), 0x08, &bare);
    CHECK_EQ(set_up(255, &w), VDRV_OK);
    CHECK_EQ(numbers(0), NUMBERS(0, 1, 1));
    CHECK_EQ(fake_pci_bar_addr(&t.fn[0], 4), windows.mem64.base);
    CHECK_EQ(fake_pci_bar_addr(&t.fn[0], 1), 0x40100000); /* a whole MiB */
    CHECK_EQ(fake_get16(t.bridge[0].cfg + 4) & 7, 7);
    disk_works_at(VDRV_PCI_FN(1, 1, 0), NULL);
    CHECK_EQ(w.mem32.used, 0x40200000 - 0x40080000);
    finish();
}

/*
 * 0: 1 [ 2 [ disk 0, other ], other ], 3 [], 4 [ disk 1 ]: depth first, and
 * each bridge's numbers and addresses are inside its parent's.
 */
static void tree_of_bridges(void)
{
    const struct fake_pci_layout legacy_disk = {.bars_unset = true,
                                                .interface = FAKE_PCI_LEGACY};
    const struct vdrv_pci_options legacy = {.legacy = &vdrv_pci_legacy};
    struct vdrv_pci_windows w = windows;
    struct vdrv_pci_walk walk;
    uint32_t fn, n = 0;

    machine();
    add_bridge(0, NULL, 0x18);
    add_bridge(1, &t.bridge[0], 0x00);
    add_disk(0, &t.bridge[1], 0x08, &legacy_disk);
    add_other(0, &t.bridge[1], 0x10);
    add_other(1, &t.bridge[0], 0x10);
    add_bridge(2, NULL, 0x20);
    add_bridge(3, NULL, 0x28);
    add_disk(1, &t.bridge[3], 0x00, &bare);
    CHECK_EQ(set_up(255, &w), VDRV_OK);
    CHECK_EQ(numbers(0), NUMBERS(0, 1, 2));
    CHECK_EQ(numbers(1), NUMBERS(1, 2, 2));
    CHECK_EQ(numbers(2), NUMBERS(0, 3, 3));
    CHECK_EQ(numbers(3), NUMBERS(0, 4, 4));
    disk_works_at(VDRV_PCI_FN(2, 1, 0), &legacy);
    disk_works_at(VDRV_PCI_FN(4, 0, 0), &legacy);
    fake_pci_write(&t.g.bus, VDRV_PCI_FN(2, 2, 0), 4, 2, 3);
    fake_pci_write(&t.g.bus, VDRV_PCI_FN(1, 2, 0), 4, 2, 3);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned b = 0; b < 3; b++)
            CHECK(t.other[i].bar[b].decoded);
    /* What is not prefetchable is never above 4 GiB behind a bridge. */
    CHECK(fake_pci_bar_addr(&t.other[0], 2) < UINT32_MAX);
    CHECK(fake_pci_bar_addr(&t.fn[1], 4) > UINT32_MAX);
    vdrv_pci_walk_init(&walk, &t.g.ops, 0, 255);
    while (vdrv_pci_walk_next(&walk, &fn) == VDRV_OK)
        n++;
    CHECK_EQ(n, 1 + 4 + 2 + 2);
    /* The empty one forwards nothing. */
    CHECK(fake_get16(t.bridge[2].cfg + 0x20) >
          fake_get16(t.bridge[2].cfg + 0x22));
    finish();
}

/* A bridge that cannot do 64 bits, and the ones behind it. */
static void narrow_bridge(void)
{
    struct vdrv_pci_windows w = windows;

    machine();
    add_bridge(0, NULL, 0x18);
    add_bridge(1, &t.bridge[0], 0x00);
    memset(t.bridge[0].cfg + 0x24, 0, 4);
    memset(t.bridge[0].mask + 0x28, 0, 8);
    add_disk(0, &t.bridge[1], 0x08, &bare);
    CHECK_EQ(set_up(255, &w), VDRV_OK);
    CHECK(fake_pci_bar_addr(&t.fn[0], 4) < UINT32_MAX);
    CHECK_EQ(w.mem64.used, 0);
    disk_works_at(VDRV_PCI_FN(2, 1, 0), NULL);
    finish();
}

/* What firmware did stays, and new numbers are above its own. */
static void beside_firmware(void)
{
    struct vdrv_pci_windows w = windows;

    machine();
    add_bridge(0, NULL, 0x18);
    fake_pci_add(&t.bridge[1], &t.g.bus, NULL, 0x20, 0x1b36, 0x000c);
    fake_pci_bridge(&t.bridge[1], 5, 9);
    add_disk(0, &t.bridge[0], 0x00, &bare);
    add_disk(1, &t.bridge[1], 0x00, NULL); /* has its addresses */
    CHECK_EQ(set_up(255, &w), VDRV_OK);
    CHECK_EQ(numbers(0), NUMBERS(0, 10, 10));
    CHECK_EQ(numbers(1), NUMBERS(0, 5, 9));
    disk_works_at(VDRV_PCI_FN(10, 0, 0), NULL);
    disk_works_at(VDRV_PCI_FN(5, 0, 0), NULL);
    CHECK_EQ(set_up(255, &w), VDRV_OK); /* again: nothing to be done */
    CHECK_EQ(numbers(0), NUMBERS(0, 10, 10));
    finish();
}

/* Too deep: what is above the last level works. */
static void too_deep(void)
{
    struct vdrv_pci_windows w = windows;
    struct fake_pci_fn *parent = NULL;

    machine();
    for (unsigned i = 0; i < BRIDGES; i++) {
        parent = add_bridge(i, parent, 0x18);
        if (i == 5)
            add_disk(0, parent, 0x08, &bare);
        if (i == 6)
            add_disk(1, parent, 0x08, &bare);
    }
    CHECK_EQ(set_up(255, &w), VDRV_ERR_NO_MEMORY);
    CHECK_EQ(numbers(5), NUMBERS(5, 6, 6));
    CHECK_EQ(numbers(6), 0);
    disk_works_at(VDRV_PCI_FN(6, 1, 0), NULL);
    CHECK_EQ(fake_get16(t.fn[1].cfg + 4), 0);
    finish();
}

static void numbers_run_out(void)
{
    struct vdrv_pci_windows w = windows;

    machine();
    for (unsigned i = 0; i < 3; i++)
        add_bridge(i, NULL, 0x18 + 8 * i);
    add_disk(0, &t.bridge[1], 0x08, &bare);
    CHECK_EQ(set_up(2, &w), VDRV_ERR_NO_MEMORY);
    CHECK_EQ(numbers(1), NUMBERS(0, 2, 2));
    CHECK_EQ(numbers(2), 0);
    disk_works_at(VDRV_PCI_FN(2, 1, 0), NULL);
    finish();
}

/* No room for the first, and the second works. */
static void windows_run_out(void)
{
    const struct fake_pci_layout big = {
        .bars_unset = true, .bar_kind = FAKE_BAR_MEM32, .bar_size = 0x400000};
    struct vdrv_pci_windows w = {.mem32 = {0x40000000, 0x300000, 0}};

    machine();
    add_disk(0, add_bridge(0, NULL, 0x18), 0x08, &big);
    add_disk(1, add_bridge(1, NULL, 0x20), 0x08, &bare);
    CHECK_EQ(set_up(255, &w), VDRV_ERR_NO_MEMORY);
    CHECK_EQ(fake_pci_bar_addr(&t.fn[0], 4), 0);
    disk_works_at(VDRV_PCI_FN(2, 1, 0), NULL);
    CHECK(w.mem32.used <= w.mem32.size);
    finish();
}

/* I/O addresses above 64 KiB, and a bridge that has no bits for them. */
static void io_beyond_a_bridge(void)
{
    const struct fake_pci_layout legacy_disk = {.bars_unset = true,
                                                .interface = FAKE_PCI_LEGACY};
    struct vdrv_pci_windows w = windows;

    w.io.base = 0x20000;
    machine();
    add_disk(0, add_bridge(0, NULL, 0x18), 0x08, &legacy_disk);
    t.bridge[0].cfg[0x1c] = t.bridge[0].cfg[0x1d] = 0;
    CHECK_EQ(set_up(255, &w), VDRV_ERR_NO_MEMORY);
    CHECK(t.bridge[0].cfg[0x1c] > t.bridge[0].cfg[0x1d]); /* closed */
    finish();
}

/* A bus on which everything is a bridge, and so on behind each of them. */
static uint64_t mirror_accesses;

static uint32_t mirror_read(void *ctx, uint32_t fn, uint32_t off,
                            uint32_t width)
{
    (void)ctx;
    (void)fn;
    mirror_accesses++;
    if (off == 0x0e)
        return 0x81;
    return off < 4 ? 0x000c1b36 & (UINT32_MAX >> (32 - 8 * width)) : 0;
}

static void mirror_write(void *ctx, uint32_t fn, uint32_t off, uint32_t width,
                         uint32_t value)
{
    (void)ctx;
    (void)fn;
    (void)off;
    (void)width;
    (void)value;
    mirror_accesses++;
}

static void fault_F26_hall_of_mirrors(void)
{
    const struct vdrv_pci_ops ops = {.read = mirror_read,
                                     .write = mirror_write};
    struct vdrv_pci_windows w = windows;

    mirror_accesses = 0;
    CHECK_EQ(vdrv_pci_bridges(&ops, 0, 255, &w), VDRV_ERR_NO_MEMORY);
    printf("  %" PRIu64 " accesses\n", mirror_accesses);
    CHECK(mirror_accesses < 3000000);
}

static void arguments(void)
{
    struct vdrv_pci_windows w = windows;

    machine();
    CHECK_EQ(vdrv_pci_bridges(NULL, 0, 255, &w), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bridges(&t.g.ops, 0, 255, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bridges(&t.g.ops, 2, 1, &w), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bridges(&t.g.ops, 0, 256, &w), VDRV_ERR_INVALID);
    w.mem32.size = UINT64_C(1) << 32;
    CHECK_EQ(vdrv_pci_bridges(&t.g.ops, 0, 255, &w), VDRV_ERR_INVALID);
    finish();
}

static const struct check_case cases[] = {
    {"one_bridge", one_bridge},
    {"tree_of_bridges", tree_of_bridges},
    {"narrow_bridge", narrow_bridge},
    {"beside_firmware", beside_firmware},
    {"too_deep", too_deep},
    {"numbers_run_out", numbers_run_out},
    {"windows_run_out", windows_run_out},
    {"io_beyond_a_bridge", io_beyond_a_bridge},
    {"fault_F26_hall_of_mirrors", fault_F26_hall_of_mirrors},
    {"arguments", arguments},
};
CHECK_MAIN(cases)
