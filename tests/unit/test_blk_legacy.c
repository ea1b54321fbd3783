/* SPDX-License-Identifier: MIT */
/*
 * The block driver on the legacy interface (VirtIO 1.4, 5.2's legacy parts):
 * every operation over MMIO version 1, with and without ANY_LAYOUT.  The fake
 * refuses a framing that it was not promised, and an unknown type.
 */
#include "disk_rig.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buf[1 << 16], back[1 << 16];

static int probe(struct disk_rig *g)
{
    return vdrv_mmio_probe_any(&g->mmio, &g->f.hal, DISK_SLOT, g->region,
                               &vdrv_mmio_legacy);
}

static bool up(struct disk_rig *g, const struct disk_opts *o)
{
    disk_machine(g, o);
    fake_mmio_legacy(&g->slot);
    CHECK_EQ(probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    return check_failures == 0;
}

static void every_operation(struct disk_rig *g)
{
    uint8_t life[6] = {0};
    struct vdrv_seg seg = vdrv_seg_in(life, 6);
    struct vdrv_block_request r = {
        .op = VDRV_BLOCK_GET_LIFETIME, .nsegs = 1, .segs = &seg};
    char id[VDRV_BLOCK_ID_SIZE];

    disk_works(g);
    disk_fill(buf, 20000, 3);
    CHECK_EQ(vdrv_block_write_block(g->blk, 8, buf, 19968), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g->blk, 8, back, 19968), VDRV_OK);
    CHECK_MEM(back, buf, 19968);
    CHECK_EQ(vdrv_block_discard(g->blk, 8, 3), VDRV_OK);
    CHECK_EQ(g->dev.disk[8 * 512], FAKE_BLK_DISCARDED);
    CHECK_EQ(vdrv_block_write_zeroes(g->blk, 9, 2, VDRV_BLOCK_UNMAP), VDRV_OK);
    CHECK_EQ(g->dev.disk[9 * 512], 0);
    CHECK_EQ(vdrv_block_secure_erase(g->blk, 20, 2), VDRV_OK);
    CHECK_EQ(vdrv_block_get_id(g->blk, id), VDRV_OK);
    CHECK(strcmp(id, "fake-disk-0123456789") == 0);
    CHECK_EQ(vdrv_block_execute(g->blk, &r), VDRV_OK);
    CHECK_EQ(life[0], 1);
}

/*
 * LEG-45: header of 16 bytes and status of 1 byte have descriptors of their
 * own without ANY_LAYOUT.  LEG-36, LEG-38: fields are in the CPU's order; on
 * a big-endian one the fake's legacy device expects that, too.
 */
static void test_operations(void)
{
    for (uint32_t mode = 0; mode < 3; mode++)
        for (int any = 0; any < 2; any++) {
            struct disk_opts o = {.machine = {.mode = mode}};
            struct disk_rig g;

            disk_machine(&g, &o);
            fake_mmio_legacy(&g.slot);
            fake_dev_offer(&g.dev.dev, FAKE_F_ANY_LAYOUT, any);
            CHECK_EQ(probe(&g), VDRV_OK);
            CHECK_EQ(disk_init(&g), VDRV_OK);
            CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_ANY_LAYOUT), any);
            CHECK_EQ(vdrv_block_num_blocks(g.blk), 2048);
            every_operation(&g);
            disk_down(&g);
        }
}

/*
 * LEG-40: FLUSH, never FLUSH_OUT.  LEG-42, LEG-43, LEG-44, LEG-46: no SCSI
 * command and no barrier, though the device offers both.
 */
static void test_old_commands_unused(void)
{
    struct disk_opts o = {
        .disk = {.features = FAKE_BLK_FEATURES | BIT64(0) | BIT64(7)}};
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    CHECK(!fake_dev_has(&g.dev.dev, 0));
    CHECK(!fake_dev_has(&g.dev.dev, 7));
    every_operation(&g);
    CHECK_EQ(g.dev.requests[2] + g.dev.requests[3] + g.dev.requests[5], 0);
    CHECK(g.dev.requests[FAKE_BLK_FLUSH] > 0);
    CHECK_EQ(g.dev.answered[FAKE_BLK_UNSUPP], 0); /* bit 31 would be unknown */
    disk_down(&g);
}

/*
 * LEG-37, LEG-41: the cache is switched when the device runs; FLUSH is
 * negotiated wherever it is offered, so no write needs one behind it.
 */
static void test_cache(void)
{
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!up(&g, NULL))
        return;
    CHECK(fake_dev_has(&g.dev.dev, FAKE_BLK_F_FLUSH));
    CHECK_EQ(vdrv_block_write_block(g.blk, 1, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, false), VDRV_OK);
    CHECK(!g.dev.writeback);
    CHECK_EQ(fake_blk_dirty(&g.dev), 0);
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.write_cache, 0);
    CHECK_EQ(vdrv_block_set_write_cache(g.blk, true), VDRV_OK);
    CHECK(g.dev.writeback);
    disk_down(&g);
}

/* LEG-39: whatever the length, the status byte decides. */
static void test_length_ignored(void)
{
    static const int64_t len[] = {0, 1, 513, 100000};

    for (size_t i = 0; i < COUNT(len); i++) {
        struct disk_rig g;

        if (!up(&g, NULL))
            return;
        fake_blk_plan(&g.dev, (struct fake_blk_fault){FAKE_BLK_ANY, 0, 3, -1,
                                                      false, len[i]});
        disk_works(&g);
        disk_down(&g);
    }
}

/* No legacy device is zoned, whatever it offers (5.2.5.2). */
static void test_never_zoned(void)
{
    struct disk_opts o = {.disk = {.zoned = true, .zone_sectors = 128},
                          .drv = {.zones = &vdrv_virtio_blk_zones}};
    struct vdrv_block_caps c;
    struct disk_rig g;

    if (!up(&g, &o))
        return;
    CHECK(!fake_dev_has(&g.dev.dev, FAKE_BLK_F_ZONED));
    CHECK(fake_dev_has(&g.dev.dev, FAKE_BLK_F_DISCARD));
    CHECK_EQ(vdrv_block_get_caps(g.blk, &c), VDRV_OK);
    CHECK_EQ(c.zoned, 0);
    disk_works(&g);
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"blk_legacy_operations", test_operations},
    {"blk_legacy_old_commands_unused", test_old_commands_unused},
    {"blk_legacy_cache", test_cache},
    {"blk_legacy_length_ignored", test_length_ignored},
    {"blk_legacy_never_zoned", test_never_zoned},
};

CHECK_MAIN(cases)
