/* SPDX-License-Identifier: MIT */
/*
 * What mmio.h promises of device trees, on small ones made here: addresses
 * through buses, what is inherited, what is passed over, and damage of every
 * kind.  tests/unit/test_fdt_blobs.py does the same with real ones.
 */
#include <virtio_drv/mmio.h>

#include "check.h"
#include "fdt_make.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fdt_make make;

/* A tree's bytes in memory of their own, so that a look behind is seen. */
static uint8_t *alone(const uint8_t *blob, uint32_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    return memcpy(copy, blob, size);
}

/* All slots of the tree, at most `max`; the code that ended the walk. */
static int walk(const uint8_t *blob, uint32_t size, struct vdrv_mmio_slot *out,
                uint32_t max, uint32_t *n)
{
    uint8_t *copy = alone(blob, size);
    struct vdrv_fdt_walk w;
    int err = vdrv_fdt_begin(&w, copy, size);

    *n = 0;
    while (err == VDRV_OK && *n < max) {
        err = vdrv_fdt_mmio_next(&w, &out[*n]);
        *n += err == VDRV_OK;
    }
    /* What is over stays over. */
    if (err == VDRV_ERR_INVALID)
        CHECK_EQ(vdrv_fdt_mmio_next(&w, out), VDRV_ERR_INVALID);
    free(copy);
    return err;
}

static void device(struct fdt_make *m, uint32_t addr, uint32_t size)
{
    fdt_open(m, "virtio_mmio");
    fdt_text(m, "compatible", "virtio,mmio");
    fdt_cells(m, "reg", 2, addr, size);
    fdt_close(m);
}

static void root(struct fdt_make *m, uint32_t address, uint32_t size)
{
    fdt_start(m);
    fdt_open(m, "");
    fdt_cells(m, "#address-cells", 1, address);
    fdt_cells(m, "#size-cells", 1, size);
}

/* One device in the root, then whatever `more` adds to it. */
static int one(void (*more)(struct fdt_make *m), struct vdrv_mmio_slot *slot)
{
    uint32_t n, size;
    int err;

    root(&make, 2, 2);
    fdt_cells(&make, "interrupt-parent", 1, 0x8001);
    fdt_open(&make, "virtio_mmio@a000000");
    fdt_text(&make, "compatible", "virtio,mmio");
    fdt_cells(&make, "reg", 4, 0x1, 0xa000000, 0, 0x200);
    if (more != NULL)
        more(&make);
    fdt_close(&make);
    fdt_close(&make);
    size = fdt_finish(&make);
    memset(slot, 0xee, sizeof(*slot));
    err = walk(make.blob, size, slot, 1, &n);
    return n == 1 ? VDRV_OK : err;
}

static void three_cells(struct fdt_make *m)
{
    fdt_cells(m, "interrupts", 3, 0, 16, 1);
}

static void own_parent(struct fdt_make *m)
{
    fdt_cells(m, "interrupts", 1, 8);
    fdt_cells(m, "interrupt-parent", 1, 3);
}

static void extended(struct fdt_make *m)
{
    fdt_cells(m, "interrupts-extended", 3, 7, 9, 4);
    fdt_cells(m, "interrupts", 1, 8);
}

static void six_cells(struct fdt_make *m)
{
    fdt_cells(m, "interrupts", 6, 1, 2, 3, 4, 5, 6);
}

static void odd_bytes(struct fdt_make *m)
{
    fdt_bytes(m, "interrupts", "\0\0\0\5\0\0", 6);
}

static void test_interrupts(void)
{
    static const struct {
        void (*more)(struct fdt_make *m);
        uint32_t parent, n, irq[VDRV_MMIO_IRQ_CELLS];
    } row[] = {
        {NULL, 0x8001, 0, {0}},
        {three_cells, 0x8001, 3, {0, 16, 1}},
        {own_parent, 3, 1, {8}},
        {extended, 7, 2, {9, 4}},
        {six_cells, 0x8001, 4, {1, 2, 3, 4}},
        {odd_bytes, 0x8001, 1, {5}},
    };
    struct vdrv_mmio_slot slot;

    for (size_t i = 0; i < COUNT(row); i++) {
        CHECK_EQ(one(row[i].more, &slot), VDRV_OK);
        CHECK_EQ(slot.phys, 0x10a000000);
        CHECK_EQ(slot.size, 0x200);
        CHECK_EQ(slot.flags, 0);
        CHECK_EQ(slot.id, -1);
        CHECK_EQ(slot.irq_parent, row[i].parent);
        CHECK_EQ(slot.nirq, row[i].n);
        CHECK_MEM(slot.irq, row[i].irq, sizeof(slot.irq));
        if (check_failures)
            printf("  row %zu\n", i);
    }
}

static void okay(struct fdt_make *m)
{
    fdt_text(m, "status", "okay");
}

static void ok(struct fdt_make *m)
{
    fdt_text(m, "status", "ok");
}

static void disabled(struct fdt_make *m)
{
    fdt_text(m, "status", "disabled");
}

static void reserved(struct fdt_make *m)
{
    fdt_text(m, "status", "reserved");
}

static void unended(struct fdt_make *m)
{
    fdt_bytes(m, "status", "okay", 4);
}

static void coherent(struct fdt_make *m)
{
    fdt_bytes(m, "dma-coherent", NULL, 0);
}

static void another(struct fdt_make *m)
{
    fdt_text(m, "compatible", "virtio,mmiox");
}

static void short_reg(struct fdt_make *m)
{
    fdt_cells(m, "reg", 3, 0, 0xa000000, 0);
}

static void zero_size(struct fdt_make *m)
{
    fdt_cells(m, "reg", 4, 0, 0xa000000, 0, 0);
}

static void huge(struct fdt_make *m)
{
    fdt_cells(m, "reg", 4, 0, 0xa000000, 1, 0);
}

static void over_the_end(struct fdt_make *m)
{
    fdt_cells(m, "reg", 4, UINT32_MAX, UINT32_MAX, 0, 2);
}

static void child(struct fdt_make *m)
{
    fdt_open(m, "child");
    fdt_text(m, "status", "disabled");
    fdt_close(m);
}

static void nops(struct fdt_make *m)
{
    fdt_word(m, 4);
    fdt_word(m, 4);
}

static void test_one_node(void)
{
    static const struct {
        void (*more)(struct fdt_make *m);
        int err;
        uint32_t flags;
    } row[] = {
        {okay, VDRV_OK, 0},
        {ok, VDRV_OK, 0},
        {nops, VDRV_OK, 0},
        {child, VDRV_OK, 0},
        {another, VDRV_OK, 0}, /* the first of the two says it */
        {coherent, VDRV_OK, VDRV_MMIO_SLOT_COHERENT},
        {disabled, VDRV_ERR_NO_DEVICE, 0},
        {reserved, VDRV_ERR_NO_DEVICE, 0},
        {unended, VDRV_ERR_NO_DEVICE, 0},
        {short_reg, VDRV_ERR_NO_DEVICE, 0},
        {zero_size, VDRV_ERR_NO_DEVICE, 0},
        {huge, VDRV_ERR_NO_DEVICE, 0},
        {over_the_end, VDRV_ERR_NO_DEVICE, 0},
    };
    struct vdrv_mmio_slot slot;

    for (size_t i = 0; i < COUNT(row); i++) {
        CHECK_EQ(one(row[i].more, &slot), row[i].err);
        if (row[i].err == VDRV_OK)
            CHECK_EQ(slot.flags, row[i].flags);
        if (check_failures)
            printf("  row %zu\n", i);
    }
}

static void test_compatible(void)
{
    static const struct {
        const char *list;
        uint32_t len;
        uint32_t found;
    } row[] = {
        {"virtio,mmio", 12, 1},
        {"virtio,mmio", 11, 0}, /* no end */
        {"arm,x\0virtio,mmio", 18, 1},
        {"virtio,mmi\0o", 13, 0},
        {"virtio,mmiox", 13, 0},
        {"xvirtio,mmio", 13, 0},
        {"", 0, 0},
        {"\0\0\0virtio,mmio", 15, 1},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct vdrv_mmio_slot slot;
        uint32_t n;

        root(&make, 1, 1);
        fdt_open(&make, "d");
        fdt_bytes(&make, "compatible", row[i].list, row[i].len);
        fdt_cells(&make, "reg", 2, 0x1000, 0x200);
        fdt_close(&make);
        fdt_close(&make);
        CHECK_EQ(walk(make.blob, fdt_finish(&make), &slot, 1, &n),
                 row[i].found ? VDRV_OK : VDRV_ERR_NO_DEVICE);
        CHECK_EQ(n, row[i].found);
        if (check_failures)
            printf("  row %zu\n", i);
    }
}

/* root > bus a > bus b > device, each with its own way to write addresses */
static void test_ranges(void)
{
    struct vdrv_mmio_slot slot[8];
    uint32_t n;

    root(&make, 2, 2);
    fdt_bytes(&make, "dma-coherent", NULL, 0);
    fdt_open(&make, "a");
    fdt_cells(&make, "#address-cells", 1, 1);
    fdt_cells(&make, "#size-cells", 1, 1);
    /* 0 to 0xfff is elsewhere, 0x1000 to 0x1fff at 0x9_0000_0000 */
    fdt_cells(&make, "ranges", 8, 0, 0, 0x80000000, 0x1000, 0x1000, 9, 0,
              0x1000);
    device(&make, 0x10, 0x100);
    device(&make, 0x1e00, 0x200);
    device(&make, 0x1e01, 0x200); /* one byte over the range's end */
    device(&make, 0x2000, 0x200); /* in none */
    fdt_open(&make, "b");         /* addresses as on a */
    fdt_bytes(&make, "ranges", NULL, 0);
    fdt_cells(&make, "#address-cells", 1, 1);
    device(&make, 0x1200, 0x200);
    fdt_close(&make);
    fdt_open(&make, "c"); /* not memory: no ranges */
    fdt_cells(&make, "#address-cells", 1, 1);
    device(&make, 0x1200, 0x200);
    fdt_close(&make);
    fdt_open(&make, "d"); /* as on PCI */
    fdt_cells(&make, "#address-cells", 1, 3);
    fdt_cells(&make, "#size-cells", 1, 2);
    fdt_bytes(&make, "ranges", NULL, 0);
    device(&make, 0x1200, 0x200);
    fdt_close(&make);
    fdt_open(&make, "e"); /* what is disabled above is disabled below */
    fdt_text(&make, "status", "disabled");
    fdt_cells(&make, "#address-cells", 1, 1);
    fdt_bytes(&make, "ranges", NULL, 0);
    device(&make, 0x1200, 0x200);
    fdt_close(&make);
    fdt_close(&make);
    fdt_close(&make);
    CHECK_EQ(walk(make.blob, fdt_finish(&make), slot, COUNT(slot), &n),
             VDRV_ERR_NO_DEVICE);
    REQUIRE(n == 3);
    CHECK_EQ(slot[0].phys, 0x80000010);
    CHECK_EQ(slot[1].phys, 0x900000e00);
    CHECK_EQ(slot[2].phys, 0x900000200);
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(slot[i].flags, VDRV_MMIO_SLOT_COHERENT);
}

/* Cells are 2 and 1 where a node does not say. */
static void test_default_cells(void)
{
    struct vdrv_mmio_slot slot[2];
    uint32_t n;

    fdt_start(&make);
    fdt_open(&make, "");
    fdt_open(&make, "d");
    fdt_text(&make, "compatible", "virtio,mmio");
    fdt_cells(&make, "reg", 3, 1, 2, 0x300);
    fdt_close(&make);
    fdt_close(&make);
    CHECK_EQ(walk(make.blob, fdt_finish(&make), slot, 2, &n),
             VDRV_ERR_NO_DEVICE);
    REQUIRE(n == 1);
    CHECK_EQ(slot[0].phys, 0x100000002);
    CHECK_EQ(slot[0].size, 0x300);
}

/* Nodes nested too deep are passed over, and those behind them are not. */
static void test_depth(void)
{
    for (uint32_t deep = 1; deep < 300; deep += deep < 12 ? 1 : 97) {
        struct vdrv_mmio_slot slot[2];
        uint32_t n;

        root(&make, 1, 1);
        for (uint32_t i = 1; i < deep; i++) {
            fdt_open(&make, "bus");
            fdt_cells(&make, "#address-cells", 1, 1);
            fdt_bytes(&make, "ranges", NULL, 0);
        }
        device(&make, 0x1000, 0x200);
        for (uint32_t i = 1; i < deep; i++)
            fdt_close(&make);
        device(&make, 0x2000, 0x200);
        fdt_close(&make);
        CHECK_EQ(walk(make.blob, fdt_finish(&make), slot, 2, &n),
                 deep < VDRV_FDT_DEPTH ? VDRV_OK : VDRV_ERR_NO_DEVICE);
        CHECK_EQ(n, deep < VDRV_FDT_DEPTH ? 2 : 1);
        CHECK_EQ(slot[n - 1].phys, 0x2000);
    }
}

/* ---- Damage ---------------------------------------------------------------- */

static uint32_t typical(void)
{
    root(&make, 2, 2);
    fdt_open(&make, "soc");
    fdt_cells(&make, "#address-cells", 1, 1);
    fdt_cells(&make, "#size-cells", 1, 1);
    fdt_cells(&make, "ranges", 4, 0, 0, 0x80000000, 0x10000);
    device(&make, 0x1000, 0x200);
    device(&make, 0x2000, 0x200);
    fdt_close(&make);
    fdt_close(&make);
    return fdt_finish(&make);
}

/* The structure and the strings moved together, so that each cut matters. */
static uint32_t compact(void)
{
    const uint32_t size = typical(), names = make.names;

    memmove(make.blob + make.pos, make.blob + FDT_MAKE_NAMES, names);
    fdt_be32(make.blob + 12, make.pos);
    fdt_be32(make.blob + 4, make.pos + names);
    CHECK(size > make.pos + names);
    return make.pos + names;
}

static void check_slots(const struct vdrv_mmio_slot *slot, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        CHECK(slot[i].size != 0);
        CHECK(slot[i].phys + slot[i].size - 1 >= slot[i].phys);
        CHECK(slot[i].nirq <= VDRV_MMIO_IRQ_CELLS);
    }
}

static void test_truncated(void)
{
    const uint32_t size = compact();
    struct vdrv_mmio_slot slot[8];
    uint32_t n;

    CHECK_EQ(walk(make.blob, size, slot, 8, &n), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(n, 2);
    for (uint32_t cut = 0; cut < size; cut++) {
        static struct fdt_make saved;

        /* As it is: it no longer fits. */
        CHECK_EQ(walk(make.blob, cut, slot, 8, &n), VDRV_ERR_INVALID);
        CHECK_EQ(n, 0);
        /* With all sizes set right, it breaks off in the middle. */
        saved = make;
        fdt_be32(make.blob + 4, cut);
        if (cut < make.pos) {
            fdt_be32(make.blob + 12, 0);
            fdt_be32(make.blob + 32, 0);
            fdt_be32(make.blob + 36, cut > 64 ? cut - 64 : 0);
        } else {
            fdt_be32(make.blob + 32, cut - make.pos);
        }
        CHECK(walk(make.blob, cut, slot, 8, &n) != VDRV_OK);
        check_slots(slot, n);
        make = saved;
    }
}

static void test_changed_bytes(void)
{
    const uint32_t size = compact();
    unsigned ended = 0, broken = 0;

    for (uint32_t at = 0; at < size; at++) {
        const uint8_t was = make.blob[at];

        for (uint32_t bit = 0; bit < 9; bit++) {
            struct vdrv_mmio_slot slot[8];
            uint32_t n;
            int err;

            make.blob[at] = (uint8_t)(was ^ (bit < 8 ? 1u << bit : 0xffu));
            err = walk(make.blob, size, slot, 8, &n);
            CHECK(err == VDRV_ERR_NO_DEVICE || err == VDRV_ERR_INVALID);
            CHECK(n <= 2);
            check_slots(slot, n);
            ended += err == VDRV_ERR_NO_DEVICE;
            broken += err == VDRV_ERR_INVALID;
        }
        make.blob[at] = was;
    }
    CHECK(ended > 1000 && broken > 1000);
}

/* A hostile bus with thousands of ranges must not make each device dear: the
   32nd is looked at, and the 33rd is not. */
static void test_many_ranges(void)
{
    struct vdrv_mmio_slot slot[3];
    uint8_t ranges[12 * 1000];
    uint32_t n;

    for (uint32_t i = 0; i < 1000; i++) {
        fdt_be32(ranges + 12 * i, 0x1000 * i);
        fdt_be32(ranges + 12 * i + 4, 0x80000000 + 0x1000 * i);
        fdt_be32(ranges + 12 * i + 8, 0x1000);
    }
    root(&make, 1, 1);
    fdt_open(&make, "soc");
    fdt_cells(&make, "#address-cells", 1, 1);
    fdt_bytes(&make, "ranges", ranges, sizeof(ranges));
    device(&make, 31 * 0x1000, 0x200);
    device(&make, 32 * 0x1000, 0x200);
    fdt_close(&make);
    fdt_close(&make);
    CHECK_EQ(walk(make.blob, fdt_finish(&make), slot, 3, &n),
             VDRV_ERR_NO_DEVICE);
    REQUIRE(n == 1);
    CHECK_EQ(slot[0].phys, 0x8001f000);
}

static void test_header(void)
{
    static const struct {
        uint32_t at, value;
        int err;
    } row[] = {
        {0, 0xd00dfeee, VDRV_ERR_INVALID},
        {4, 39, VDRV_ERR_INVALID},
        {4, UINT32_MAX, VDRV_ERR_INVALID},
        {8, 66, VDRV_ERR_INVALID},
        {8, UINT32_MAX & ~3u, VDRV_ERR_INVALID},
        {12, UINT32_MAX, VDRV_ERR_INVALID},
        {20, 15, VDRV_ERR_INVALID},
        {20, 16, VDRV_OK}, /* has no size of the structure block */
        {20, 18, VDRV_OK},
        {24, 18, VDRV_ERR_INVALID},
        {32, UINT32_MAX, VDRV_ERR_INVALID},
        {36, UINT32_MAX, VDRV_ERR_INVALID},
        {36, 0, VDRV_OK},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        const uint32_t size = typical();
        struct vdrv_fdt_walk w;

        fdt_be32(make.blob + row[i].at, row[i].value);
        CHECK_EQ(vdrv_fdt_begin(&w, make.blob, size), row[i].err);
        if (check_failures)
            printf("  row %zu\n", i);
    }
}

static void test_invalid(void)
{
    const uint32_t size = typical();
    struct vdrv_mmio_slot slot;
    struct vdrv_fdt_walk w;

    CHECK_EQ(vdrv_fdt_size(make.blob), size);
    CHECK_EQ(vdrv_fdt_size(NULL), 0);
    CHECK_EQ(vdrv_fdt_size("not a tree"), 0);
    CHECK_EQ(vdrv_fdt_begin(NULL, make.blob, size), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fdt_begin(&w, NULL, size), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fdt_mmio_next(&w, &slot), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fdt_begin(&w, make.blob, size), VDRV_OK);
    CHECK_EQ(vdrv_fdt_mmio_next(&w, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fdt_mmio_next(NULL, &slot), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fdt_mmio_next(&w, &slot), VDRV_OK);
}

static const struct check_case cases[] = {
    {"fdt_interrupts", test_interrupts},
    {"fdt_one_node", test_one_node},
    {"fdt_compatible", test_compatible},
    {"fdt_ranges", test_ranges},
    {"fdt_default_cells", test_default_cells},
    {"fdt_depth", test_depth},
    {"fdt_truncated", test_truncated},
    {"fdt_changed_bytes", test_changed_bytes},
    {"fdt_many_ranges", test_many_ranges},
    {"fdt_header", test_header},
    {"fdt_invalid", test_invalid},
};

CHECK_MAIN(cases)
