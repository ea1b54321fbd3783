/* SPDX-License-Identifier: MIT */
/*
 * What mmio.h promises of kernel command lines: each entry is what Linux makes
 * of it, one by one, and no string is too strange.
 */
#include <virtio_drv/mmio.h>

#include "check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The string in memory of its own, so that a look behind it is seen. */
static char *alone(const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = malloc(n);

    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

static void test_single(void)
{
    static const struct {
        const char *text;
        uint64_t phys;
        uint32_t size, irq;
        int32_t id;
    } row[] = {
        {"virtio_mmio.device=512@0xfeb00e00:12", 0xfeb00e00, 512, 12, -1},
        {"virtio_mmio.device=4K@0xd0000000:5", 0xd0000000, 4096, 5, -1},
        {"virtio_mmio.device=0x100@0x100b0000:48", 0x100b0000, 256, 48, -1},
        {"virtio_mmio.device=1K@0x1001e000:74:7", 0x1001e000, 1024, 74, 7},
        {"virtio_mmio.device=1k@0x1001e000:74:-2", 0x1001e000, 1024, 74, -2},
        {"virtio-mmio.device=1k@0x10:74:0", 16, 1024, 74, 0},
        {"virtio_mmio.device=01000@010:010", 8, 512, 10, -1},
        {"virtio_mmio.device=2M@0:1", 0, 2u << 20, 1, -1},
        {"virtio_mmio.device=3G@1:4294967295", 1, 3u << 30, UINT32_MAX, -1},
        {"virtio_mmio.device=0xfFfFfFfF@0X1:1", 1, UINT32_MAX, 1, -1},
        {"virtio_mmio.device=1@0xffffffffffffffff:1", UINT64_MAX, 1, 1, -1},
        {"virtio_mmio.device=1@0:1:2147483647", 0, 1, 1, INT32_MAX},
        {"virtio_mmio.device=\"512@0x1000:3\"", 0x1000, 512, 3, -1},
        {"\"virtio_mmio.device=512@0x1000:3\"", 0x1000, 512, 3, -1},
        {"\t\n virtio_mmio.device=512@0x1000:3\n", 0x1000, 512, 3, -1},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        char *text = alone(row[i].text);
        const char *cursor = text;
        struct vdrv_mmio_slot slot;

        memset(&slot, 0xee, sizeof(slot));
        CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot), VDRV_OK);
        CHECK_EQ(slot.phys, row[i].phys);
        CHECK_EQ(slot.size, row[i].size);
        CHECK_EQ(slot.irq[0], row[i].irq);
        CHECK_EQ(slot.nirq, 1);
        CHECK_EQ(slot.id, row[i].id);
        CHECK_EQ(slot.flags, 0);
        CHECK_EQ(slot.irq_parent, 0);
        for (int twice = 0; twice < 2; twice++)
            CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot),
                     VDRV_ERR_NO_DEVICE);
        if (check_failures)
            printf("  row %zu\n", i);
        free(text);
    }
}

static void test_passed_over(void)
{
    static const char *const row[] = {
        "",
        " ",
        "virtio_mmio.device",
        "virtio_mmio.device=",
        "virtio_mmio.device=512",
        "virtio_mmio.device=512@",
        "virtio_mmio.device=512@0x1000",
        "virtio_mmio.device=512@0x1000:",
        "virtio_mmio.device=512@0x1000:0",   /* Linux: no interrupt */
        "virtio_mmio.device=512@0x1000:0x5", /* decimal there */
        "virtio_mmio.device=512@0x1000:5x",  /* something behind */
        "virtio_mmio.device=512@0x1000:5:",  /* an id is missing */
        "virtio_mmio.device=512@0x1000:5:-",
        "virtio_mmio.device=512@0x1000:5:1:1",
        "virtio_mmio.device=512@0x1000:4294967296",
        "virtio_mmio.device=512@0x1000:5:2147483648",
        "virtio_mmio.device=512@-4096:5",
        "virtio_mmio.device=@0x1000:5",
        "virtio_mmio.device=0@0x1000:5",   /* no size */
        "virtio_mmio.device=4G@0x1000:5",  /* not 32 bits */
        "virtio_mmio.device=16E@0x1000:5", /* 2^64 */
        "virtio_mmio.device=4KB@0x1000:5",
        "virtio_mmio.device=4KK@0x1000:5",
        "virtio_mmio.device=0x@0x1000:5",
        "virtio_mmio.device=18446744073709551616@0x1000:5",
        "virtio_mmio.device=512@0x10000000000000000:5",
        "virtio_mmio.device=512@0xffffffffffffffff:5", /* past the end */
        "virtio_mmio.devices=512@0x1000:5",
        "xvirtio_mmio.device=512@0x1000:5",
        "virtio_mmio_device=512@0x1000:5",
        "VIRTIO_MMIO.device=512@0x1000:5",
        "virtio_mmio.device= 512@0x1000:5",
        "a=\" virtio_mmio.device=512@0x1000:5\"", /* inside another's value */
        "a=\" virtio_mmio.device=512@0x1000:5",
        "init=/x -- virtio_mmio.device=512@0x1000:5", /* for init */
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        char *text = alone(row[i]);
        const char *cursor = text;
        struct vdrv_mmio_slot slot;

        CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot), VDRV_ERR_NO_DEVICE);
        CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot), VDRV_ERR_NO_DEVICE);
        if (check_failures)
            printf("  row %zu: %s\n", i, row[i]);
        free(text);
    }
}

/* As QEMU's microvm and Firecracker write them, among other parameters. */
static void test_many(void)
{
    const char *cursor =
        "reboot=k panic=1 pci=off console=ttyS0 "
        "virtio_mmio.device=512@0xfeb00e00:12 "
        "virtio_mmio.device=512@bad:12 root=\"/dev/v da\" -x --y "
        "virtio_mmio.device=4K@0xd0001000:6:3 quiet "
        "virtio_mmio.device=4K@0xd0002000:7 -- -- "
        "virtio_mmio.device=4K@0xd0003000:8";
    static const uint64_t phys[] = {0xfeb00e00, 0xd0001000, 0xd0002000};
    struct vdrv_mmio_slot slot;

    for (size_t i = 0; i < COUNT(phys); i++) {
        CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot), VDRV_OK);
        CHECK_EQ(slot.phys, phys[i]);
    }
    CHECK_EQ(vdrv_mmio_cmdline_next(&cursor, &slot), VDRV_ERR_NO_DEVICE);
}

static void test_invalid(void)
{
    const char *none = NULL, *line = "virtio_mmio.device=1@1:1";
    struct vdrv_mmio_slot slot;

    CHECK_EQ(vdrv_mmio_cmdline_next(NULL, &slot), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_cmdline_next(&none, &slot), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_mmio_cmdline_next(&line, NULL), VDRV_ERR_INVALID);
}

/* Every byte of a line changed to every value, and the line cut everywhere:
   an answer in time, and nothing read behind the end. */
static void test_hostile(void)
{
    static const char line[] = "a=\"b c\" virtio_mmio.device=4K@0x10:5:3 "
                               "\"virtio-mmio.device=07@0X2f:1\" -- x";
    unsigned ok = 0;

    for (size_t at = 0; at < sizeof(line) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char *text = alone(line);
            const char *cursor = text;
            struct vdrv_mmio_slot slot;
            unsigned n = 0;

            text[at] = (char)byte;
            text = realloc(text, strlen(text) + 1);
            cursor = text;
            while (vdrv_mmio_cmdline_next(&cursor, &slot) == VDRV_OK) {
                n++;
                CHECK(slot.size != 0 && slot.nirq == 1 && slot.irq[0] != 0);
                CHECK(slot.phys + slot.size - 1 >= slot.phys);
            }
            CHECK(n <= 2);
            ok += n;
            free(text);
        }
    }
    /* Most changes hit one of the two, or none: neither all nor nothing. */
    CHECK(ok > 10000 && ok < 2 * 256 * sizeof(line));
}

static const struct check_case cases[] = {
    {"cmdline_single", test_single},
    {"cmdline_passed_over", test_passed_over},
    {"cmdline_many", test_many},
    {"cmdline_invalid", test_invalid},
    {"cmdline_hostile", test_hostile},
};

CHECK_MAIN(cases)
