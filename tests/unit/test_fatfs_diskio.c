/* SPDX-License-Identifier: MIT */
/*
 * The FatFs disk layer on a fake disk: contents, any alignment, every result
 * code, and each control command, compared with the fake's own memory.
 */
#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_blk.h>

#include "../fake/fake.h"
#include "check.h"
#include "fatfs_diskio.h"

#define SLOT 0x10001000u

struct fatfs_drive fatfs_drive[FF_VOLUMES];

static struct machine {
    struct fake f;
    struct fake_blk disk;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_blk blk;
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 64, 16) / 8];
} m;

static void setup(const struct fake_blk_config *cfg)
{
    const struct vdrv_virtio_blk_config config = {
        .work = m.work, .work_size = sizeof(m.work), .queue_size = 64};

    memset(fatfs_drive, 0, sizeof(fatfs_drive));
    fake_init(&m.f, NULL);
    fake_blk_init(&m.disk, &m.f, cfg);
    fake_mmio_init(&m.slot, &m.f, &m.disk.dev, SLOT, 0);
    CHECK_EQ(vdrv_mmio_probe(&m.mmio, &m.f.hal, SLOT, 0x200), VDRV_OK);
    CHECK_EQ(vdrv_virtio_blk_init(&m.blk, &m.mmio.transport, &config), VDRV_OK);
    fatfs_drive[1].blk = &m.blk.block;
}

static void finish(void)
{
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    fake_mmio_fini(&m.slot);
    fake_blk_fini(&m.disk);
    fake_fini(&m.f);
}

static void states(void)
{
    const struct fake_blk_config locked = {.read_only = true};
    BYTE sector[512] = {0};

    setup(NULL);
    CHECK_EQ(disk_status(1), STA_NOINIT); /* FatFs has not asked yet */
    CHECK_EQ(disk_initialize(0), STA_NOINIT);
    CHECK_EQ(disk_read(0, sector, 0, 1), RES_PARERR);
    CHECK_EQ(disk_initialize(1), 0);
    CHECK_EQ(disk_status(1), 0);
    finish();
    setup(&locked);
    CHECK_EQ(disk_initialize(1), STA_PROTECT);
    CHECK_EQ(disk_read(1, sector, 0, 1), RES_OK);
    CHECK_EQ(disk_write(1, sector, 0, 1), RES_WRPRT);
    finish();
}

/* Every alignment, one sector and many, compared with the medium. */
static void contents(void)
{
    static BYTE out[64 * 512 + 16], in[64 * 512 + 16];

    setup(NULL);
    REQUIRE(disk_initialize(1) == 0);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (BYTE)(i * 131u >> 3);
    for (UINT shift = 0; shift < 8; shift++) {
        const UINT count = shift * 9 + 1;
        const size_t len = count * (size_t)512;

        memset(in, 0xee, sizeof(in));
        CHECK_EQ(disk_write(1, out + shift, 100 + shift, count), RES_OK);
        CHECK_MEM(m.disk.disk + (100 + shift) * 512, out + shift, len);
        CHECK_EQ(disk_read(1, in + shift, 100 + shift, count), RES_OK);
        CHECK_MEM(in + shift, out + shift, len);
        CHECK_EQ(in[shift + len], 0xee);
    }
    finish();
}

static void controls(void)
{
    const struct fake_blk_config big = {.sectors = 8192, .blk_size = 4096};
    LBA_t lba[2] = {8, 11};
    WORD size = 0;
    DWORD erase = 0;
    BYTE sector[4096];

    setup(&big);
    REQUIRE(disk_initialize(1) == 0);
    memset(sector, 0x5a, sizeof(sector));
    CHECK_EQ(disk_ioctl(1, GET_SECTOR_COUNT, &lba[0]), RES_OK);
    CHECK_EQ(lba[0], 1024);
    CHECK_EQ(disk_ioctl(1, GET_SECTOR_SIZE, &size), RES_OK);
    CHECK_EQ(size, 4096);
    CHECK_EQ(disk_ioctl(1, GET_BLOCK_SIZE, &erase), RES_OK);
    CHECK_EQ(erase, 8);
    CHECK_EQ(disk_write(1, sector, 11, 1), RES_OK);
    CHECK_EQ(disk_write(1, sector, 12, 1), RES_OK);
    CHECK_EQ(fake_blk_dirty(&m.disk), 16);
    CHECK_EQ(disk_ioctl(1, CTRL_SYNC, NULL), RES_OK);
    CHECK_EQ(fake_blk_dirty(&m.disk), 0);
    lba[0] = 8; /* to 11, both of them too */
    CHECK_EQ(disk_ioctl(1, CTRL_TRIM, lba), RES_OK);
    CHECK_EQ(m.disk.disk[8 * 4096], FAKE_BLK_DISCARDED);
    CHECK_EQ(m.disk.disk[12 * 4096 - 1], FAKE_BLK_DISCARDED);
    CHECK_EQ(m.disk.disk[12 * 4096], 0x5a);
    CHECK_EQ(disk_ioctl(1, 99, NULL), RES_PARERR);
    finish();
}

static void errors(void)
{
    BYTE sector[512] = {0};

    setup(NULL);
    REQUIRE(disk_initialize(1) == 0);
    CHECK_EQ(disk_read(1, sector, 2048, 1), RES_PARERR);
    CHECK_EQ(disk_read(1, sector, UINT64_MAX, 1), RES_PARERR);
    fake_blk_fail(&m.disk, FAKE_BLK_IN, 0, 1, FAKE_BLK_IOERR);
    CHECK_EQ(disk_read(1, sector, 7, 1), RES_ERROR);
    CHECK_EQ(disk_read(1, sector, 7, 1), RES_OK); /* only that one */
    CHECK_EQ(vdrv_stop(&m.blk.block.dev), VDRV_OK);
    CHECK_EQ(disk_read(1, sector, 7, 1), RES_ERROR);
    CHECK_EQ(disk_ioctl(1, CTRL_SYNC, NULL), RES_ERROR);
    finish();
}

static const struct check_case cases[] = {{"states", states},
                                          {"contents", contents},
                                          {"controls", controls},
                                          {"errors", errors}};

CHECK_MAIN(cases)
