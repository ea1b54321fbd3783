/* SPDX-License-Identifier: MIT */
/*
 * A real file system and a real database over the block driver and a fake
 * disk: ext4 by libext2fs, judged by e2fsck; SQLite, judged by itself from
 * outside after power cuts in any place, with any part of the cache lost.
 */
#include "disk_rig.h"
#include "disk_stories.h"

#ifdef HAVE_DISK_USERS

#define SECTORS 65536u /* 32 MiB */
#define CUTS    60

static void ext4(const struct disk_opts *o)
{
    struct disk_rig g;
    int code;

    if (!disk_up(&g, o))
        return;
    CHECK_EQ(story_ext4(g.blk, check_seed()), 0);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0); /* it ends with a flush */
    code = story_fsck(g.dev.safe, (size_t)SECTORS * FAKE_SECTOR);
    disk_down(&g);
    if (code < 0)
        CHECK_SKIP("e2fsck is not installed");
    CHECK_EQ(code, 0);
}

static void test_ext4(void)
{
    const struct disk_opts o = {.disk = {.sectors = SECTORS}};

    ext4(&o);
}

static void test_ext4_large_blocks_bounced(void)
{
    const struct disk_opts o = {.machine = {.mode = FAKE_MAPPED},
                                .disk = {.sectors = SECTORS, .blk_size = 4096},
                                .drv = {.packed = &vdrv_queue_packed}};

    ext4(&o);
}

static void test_ext4_damaged_image_is_noticed(void)
{
    const struct disk_opts o = {.disk = {.sectors = SECTORS}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(story_ext4(g.blk, 3), 0);
    memset(g.dev.safe + 20 * 4096, 0x5a, 64 * 4096); /* bitmaps, inodes */
    CHECK(story_fsck(g.dev.safe, (size_t)SECTORS * FAKE_SECTOR) != 0);
    disk_down(&g);
}

static void test_sqlite(void)
{
    const struct disk_opts o = {.disk = {.sectors = SECTORS}};
    struct disk_rig g;

    if (!disk_up(&g, &o))
        return;
    CHECK_EQ(story_transactions(g.blk, 100, NULL), 100);
    CHECK_EQ(story_verify(g.blk), 100);
    CHECK_EQ(story_verify_image(g.dev.safe, (size_t)SECTORS * FAKE_SECTOR,
                                FAKE_SECTOR),
             100);
    disk_down(&g);
}

/*
 * The power fails after `fuse` writes and flushes; what was acknowledged is
 * there, from inside and from outside.  False: something is damaged or lost.
 */
static bool cut(uint64_t seed, uint64_t fuse, uint32_t lie)
{
    const struct disk_opts o = {.disk = {.sectors = SECTORS},
                                .machine = {.seed = seed}};
    struct disk_rig g;
    struct story_fuse f;
    int acked, kept, outside;

    if (!disk_up(&g, &o))
        return false;
    story_fuse_init(&f, g.blk, fuse);
    f.lie = lie;
    acked = story_transactions(&f.block, 40, NULL);
    fake_blk_power_cut(&g.dev, (unsigned)(seed % 5) * 25);
    outside = story_verify_image(g.dev.safe, (size_t)SECTORS * FAKE_SECTOR,
                                 FAKE_SECTOR);
    kept = story_verify(g.blk);
    disk_down(&g);
    /* The one in the making may be there, too. */
    return acked <= kept && kept <= acked + 1 && outside == kept;
}

static void test_sqlite_power_cuts(void)
{
    uint64_t random = check_seed() * 7919;

    for (int i = 0; i < CUTS && check_failures == 0; i++) {
        const uint64_t fuse = 3 + (random = random * 6364136223846793005u + 1) %
                                      2048u % (30 + 12 * (uint64_t)i);

        if (!cut(random >> 8, fuse, 0)) {
            printf("  power cut after %d writes and flushes\n", (int)fuse);
            CHECK(!"acknowledged and intact");
        }
    }
}

/* The test of the test: a cache that ignores flushes loses something. */
static void test_sqlite_ignored_flushes_are_noticed(void)
{
    unsigned lost = 0;

    for (uint64_t seed = 0; seed < 10; seed++) /* percent 0 to 100 */
        lost += !cut(seed, 100 + 37 * seed, 1);
    CHECK(lost > 0);
    printf("  %u of 10 lost\n", lost);
}

static const struct check_case cases[] = {
    {"ext4", test_ext4},
    {"ext4_large_blocks_bounced", test_ext4_large_blocks_bounced},
    {"ext4_damaged_image_is_noticed", test_ext4_damaged_image_is_noticed},
    {"sqlite", test_sqlite},
    {"sqlite_power_cuts", test_sqlite_power_cuts},
    {"sqlite_ignored_flushes_are_noticed",
     test_sqlite_ignored_flushes_are_noticed},
};

#else

static void test_skipped(void)
{
    CHECK_SKIP("libext2fs-dev or libsqlite3-dev is not installed");
}

static const struct check_case cases[] = {{"disk_stories", test_skipped}};

#endif

CHECK_MAIN(cases)
