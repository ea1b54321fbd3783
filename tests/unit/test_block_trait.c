/* SPDX-License-Identifier: MIT */
/*
 * The wrappers of base.h and block.h over somebody else's disk, which checks
 * nothing and implements five functions.  Links tests/adapters/ramdisk.c.
 */
#include "check.h"
#include "ramdisk.h"
#include <virtio_drv.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BLOCKS   100u

static uint8_t disk[BLOCKS * 512], buf[BLOCKS * 512];

static void fill(uint8_t *p, size_t n, unsigned tag)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((i + tag) * 0x9E3779B1u >> 9);
}

static void test_works(void)
{
    struct ramdisk rd;
    struct vdrv_block *blk = &rd.block;

    memset(&rd, 0x5A, sizeof(rd));
    ramdisk_init(&rd, disk, BLOCKS);
    memset(disk, 0, sizeof(disk));
    fill(buf, 1024, 3);
    CHECK_EQ(vdrv_block_num_blocks(blk), BLOCKS);
    CHECK_EQ(vdrv_block_block_size(blk), 512);
    CHECK_EQ(vdrv_block_write_block(blk, 98, buf, 1024), VDRV_OK);
    CHECK_MEM(disk + 98 * 512, buf, 1024);
    memset(buf, 0, 1024);
    CHECK_EQ(vdrv_block_read_block(blk, 98, buf, 1024), VDRV_OK);
    CHECK_MEM(disk + 98 * 512, buf, 1024);
    CHECK_EQ(vdrv_block_flush(blk), VDRV_OK);
}

/* The wrappers check: ramdisk.c would run out of its memory (ASan). */
static void test_ranges(void)
{
    static const struct {
        uint64_t block;
        size_t len;
        int err;
    } row[] = {
        {0, 0, VDRV_OK},
        {100, 0, VDRV_OK},
        {101, 0, VDRV_ERR_INVALID},
        {99, 512, VDRV_OK},
        {100, 512, VDRV_ERR_INVALID},
        {99, 1024, VDRV_ERR_INVALID},
        {0, 511, VDRV_ERR_INVALID},
        {0, 513, VDRV_ERR_INVALID},
        {0, 1, VDRV_ERR_INVALID},
        {UINT64_MAX, 512, VDRV_ERR_INVALID},
        {UINT64_MAX - 1, 1024, VDRV_ERR_INVALID},
        {(UINT64_MAX >> 9) + 1, 512, VDRV_ERR_INVALID},
        {1, SIZE_MAX & ~(size_t)511, VDRV_ERR_INVALID},
        {0, 101 * 512, VDRV_ERR_INVALID},
        {0, 100 * 512, VDRV_OK},
    };
    struct ramdisk rd;

    ramdisk_init(&rd, disk, BLOCKS);
    for (size_t i = 0; i < COUNT(row); i++) {
        int err =
            vdrv_block_read_block(&rd.block, row[i].block, buf, row[i].len);

        /* Nothing of length 0 is wrong, wherever it is. */
        CHECK(err == row[i].err || (row[i].len == 0 && err == VDRV_OK));
        err = vdrv_block_write_block(&rd.block, row[i].block, buf, row[i].len);
        CHECK(err == row[i].err || (row[i].len == 0 && err == VDRV_OK));
        if (check_failures) {
            printf("  row %zu\n", i);
            break;
        }
    }
}

static void test_null(void)
{
    struct vdrv_block_caps caps;
    struct vdrv_block_request req = {0};
    struct ramdisk rd;
    char id[VDRV_BLOCK_ID_SIZE];

    ramdisk_init(&rd, disk, BLOCKS);
    CHECK_EQ(vdrv_block_num_blocks(NULL), 0);
    CHECK_EQ(vdrv_block_block_size(NULL), 0);
    CHECK_EQ(vdrv_block_read_block(NULL, 0, buf, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_read_block(&rd.block, 0, NULL, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(NULL, 0, buf, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_block(&rd.block, 0, NULL, 512), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_flush(NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_get_caps(NULL, &caps), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_submit(NULL, &req), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_kick(NULL, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_execute(NULL, &req), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_cancel(NULL, &req), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_discard(NULL, 0, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_zeroes(NULL, 0, 1, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_secure_erase(NULL, 0, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_get_id(NULL, id), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_set_write_cache(NULL, true), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_read_bytes(NULL, 0, buf, 1, buf), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_bytes(NULL, 0, buf, 1, buf), VDRV_ERR_INVALID);
}

/* An object whose init never ran, or failed: no table. */
static void test_no_ops(void)
{
    struct vdrv_block blk;
    struct vdrv_block_caps caps;

    memset(&blk, 0, sizeof(blk));
    CHECK_EQ(vdrv_block_num_blocks(&blk), 0);
    CHECK_EQ(vdrv_block_block_size(&blk), 0);
    CHECK(vdrv_block_read_block(&blk, 0, buf, 512) < 0);
    CHECK(vdrv_block_write_block(&blk, 0, buf, 512) < 0);
    CHECK(vdrv_block_flush(&blk) < 0);
    CHECK(vdrv_block_get_caps(&blk, &caps) < 0);
    CHECK(vdrv_poll(&blk.dev, 0, 0) < 0);
    CHECK_EQ(vdrv_irq(&blk.dev, 0), 0);
}

static void test_unsupported(void)
{
    struct vdrv_block_caps caps;
    struct vdrv_block_request req = {.op = VDRV_BLOCK_READ};
    struct ramdisk rd;
    char id[VDRV_BLOCK_ID_SIZE];

    ramdisk_init(&rd, disk, BLOCKS);
    CHECK_EQ(vdrv_block_get_caps(&rd.block, &caps), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_submit(&rd.block, &req), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_kick(&rd.block, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_execute(&rd.block, &req), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_cancel(&rd.block, &req), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_discard(&rd.block, 0, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_write_zeroes(&rd.block, 0, 1, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_secure_erase(&rd.block, 0, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_get_id(&rd.block, id), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_set_write_cache(&rd.block, true), VDRV_ERR_UNSUPPORTED);
}

static void test_base(void)
{
    struct vdrv_identity id;
    struct vdrv_device *dev;
    struct ramdisk rd;
    uint32_t changes = 7;

    ramdisk_init(&rd, disk, BLOCKS);
    dev = &rd.block.dev;
    CHECK(strcmp(vdrv_device_name(dev), "") == 0);
    CHECK(strcmp(vdrv_device_name(NULL), "") == 0);
    CHECK_EQ(vdrv_device_type(NULL), UINT32_MAX);
    CHECK_EQ(vdrv_identify(dev, &id), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_identify(NULL, &id), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_identify(dev, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_irq(dev, 0), 0);
    CHECK_EQ(vdrv_irq(NULL, 0), 0);
    CHECK_EQ(vdrv_poll(dev, 0, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_poll(NULL, 0, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_arm(dev, 0, VDRV_ARM_NEXT), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_arm(NULL, 0, VDRV_ARM_NEXT), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_stop(dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_stop(NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_start(dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_start(NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_reset(dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_reset(NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_refresh(dev, &changes), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_refresh(NULL, &changes), VDRV_ERR_INVALID);
}

static void test_bytes(void)
{
    static uint8_t model[BLOCKS * 512], scratch[512], data[2048];
    uint64_t x = check_seed() * 2654435761u + 1;
    struct ramdisk rd;

    ramdisk_init(&rd, disk, BLOCKS);
    fill(disk, sizeof(disk), 1);
    memcpy(model, disk, sizeof(disk));
    for (int i = 0; i < 20000 && check_failures == 0; i++) {
        size_t off, len;
        int want;

        x = x * 6364136223846793005u + 1442695040888963407u;
        off = (x >> 33) % (sizeof(disk) + 2);
        len = (x >> 20) % (i % 3 ? 1600 : 20);
        want = off > sizeof(disk) || len > sizeof(disk) - off ? VDRV_ERR_INVALID
                                                              : VDRV_OK;
        if (len == 0)
            continue;
        if (i & 1) {
            fill(data, len, (unsigned)i);
            CHECK_EQ(vdrv_block_write_bytes(&rd.block, off, data, len, scratch),
                     want);
            if (!want)
                memcpy(model + off, data, len);
            CHECK_MEM(model, disk, sizeof(disk));
        } else {
            memset(data, 0, sizeof(data));
            CHECK_EQ(vdrv_block_read_bytes(&rd.block, off, data, len, scratch),
                     want);
            if (!want)
                CHECK_MEM(model + off, data, len);
            CHECK_EQ(data[len], 0);
        }
    }
    CHECK_EQ(vdrv_block_read_bytes(&rd.block, 0, buf, 0, scratch), VDRV_OK);
    CHECK_EQ(vdrv_block_read_bytes(&rd.block, UINT64_MAX, buf, 1, scratch),
             VDRV_ERR_INVALID);
    CHECK_EQ(
        vdrv_block_read_bytes(&rd.block, UINT64_MAX, buf, SIZE_MAX, scratch),
        VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_read_bytes(&rd.block, 1, buf, 1, NULL),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_block_write_bytes(&rd.block, 1, NULL, 1, scratch),
             VDRV_ERR_INVALID);
}

/* base.h: every code has a text, an unknown one reads as IO does. */
static void test_strerror(void)
{
#define NAME(name, value, text)                                                \
    CHECK_EQ(VDRV_ERR_##name, value);                                          \
    CHECK(strcmp(vdrv_strerror(VDRV_ERR_##name), text) == 0);
    VDRV_ERRORS(NAME)
#undef NAME
    CHECK(strcmp(vdrv_strerror(VDRV_OK), "ok") == 0);
    CHECK(strcmp(vdrv_strerror(17), "ok") == 0);
    CHECK(strcmp(vdrv_strerror(-16), vdrv_strerror(VDRV_ERR_IO)) == 0);
    CHECK(strcmp(vdrv_strerror(INT32_MIN), vdrv_strerror(VDRV_ERR_IO)) == 0);
    CHECK(strcmp(vdrv_strerror(INT32_MAX), "ok") == 0);
}

/* hal.h: the arena that lets a beginner start. */
static void test_arena(void)
{
    static uint8_t mem[4096];
    struct vdrv_arena a;
    uint64_t d1 = 0, d2 = 0, d3 = 0;
    uint8_t *p1, *p2;

    vdrv_arena_init(&a, mem, sizeof(mem), 0x1000000000u);
    p1 = vdrv_arena_alloc(&a, 100, 64, UINT64_MAX, 0, &d1);
    p2 = vdrv_arena_alloc(&a, 1000, 256, UINT64_MAX, 0, &d2);
    REQUIRE(p1 && p2);
    CHECK_EQ(d1, (uintptr_t)p1 + 0x1000000000u);
    CHECK_EQ(d1 % 64 | d2 % 256, 0);
    CHECK(p1 >= mem && p2 >= p1 + 100 && p2 + 1000 <= mem + sizeof(mem));
    CHECK(!vdrv_arena_alloc(&a, 4096, 1, UINT64_MAX, 0, &d3));
    CHECK(!vdrv_arena_alloc(&a, SIZE_MAX, 1, UINT64_MAX, 0, &d3));
    CHECK(!vdrv_arena_alloc(&a, SIZE_MAX - 63, 64, UINT64_MAX, 0, &d3));
    CHECK(!vdrv_arena_alloc(&a, 16, 16, 0xFFFFFFFF, 0, &d3));
    /* The last piece is taken back, then all. */
    vdrv_arena_free(&a, p2, d2, 1000, 0);
    CHECK(vdrv_arena_alloc(&a, 1000, 256, UINT64_MAX, 0, &d3) == p2);
    vdrv_arena_free(&a, p1, d1, 100, 0);
    vdrv_arena_free(&a, p2, d3, 1000, 0);
    CHECK(vdrv_arena_alloc(&a, 4000, 1, UINT64_MAX, 0, &d3) != NULL);
    /* Wrapping device addresses are refused or right, never beyond `limit`. */
    vdrv_arena_init(&a, mem, sizeof(mem), 0 - (uint64_t)(uintptr_t)mem - 256);
    p1 = vdrv_arena_alloc(&a, 512, 1, UINT64_MAX, 0, &d1);
    CHECK(p1 == NULL || d1 + 511 >= d1);
}

static const struct check_case cases[] = {
    {"block_trait_works", test_works},
    {"block_trait_ranges", test_ranges},
    {"block_trait_null", test_null},
    {"block_trait_no_ops", test_no_ops},
    {"block_trait_unsupported", test_unsupported},
    {"block_trait_base", test_base},
    {"block_trait_bytes", test_bytes},
    {"base_strerror", test_strerror},
    {"hal_arena", test_arena},
};

CHECK_MAIN(cases)
