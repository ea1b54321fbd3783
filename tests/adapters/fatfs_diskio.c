/* SPDX-License-Identifier: MIT */
/*
 * FatFs's disk layer (diskio.c) over any block device.  The file system's
 * buffers go straight through: they may lie anywhere, at any alignment.
 */
#include "fatfs_diskio.h"

static DRESULT result(int err)
{
    static const BYTE of[128] = {[-VDRV_ERR_INVALID] = RES_PARERR,
                                 [-VDRV_ERR_READ_ONLY] = RES_WRPRT,
                                 [-VDRV_ERR_BAD_STATE] = RES_NOTRDY};
    return err == VDRV_OK || of[-err] != 0 ? of[-err] : RES_ERROR;
}

DSTATUS disk_status(BYTE n)
{
    const struct vdrv_block_caps *caps = &fatfs_drive[n].caps;
    return caps->block_size == 0 ? STA_NOINIT : caps->read_only * STA_PROTECT;
}

DSTATUS disk_initialize(BYTE n)
{
    (void)vdrv_block_get_caps(fatfs_drive[n].blk, &fatfs_drive[n].caps);
    return disk_status(n);
}

DRESULT disk_read(BYTE n, BYTE *buf, LBA_t lba, UINT count)
{
    const struct fatfs_drive *d = &fatfs_drive[n];
    return result(vdrv_block_read_block(d->blk, lba, buf,
                                        d->caps.block_size * (size_t)count));
}

DRESULT disk_write(BYTE n, const BYTE *buf, LBA_t lba, UINT count)
{
    const struct fatfs_drive *d = &fatfs_drive[n];
    return result(vdrv_block_write_block(d->blk, lba, buf,
                                         d->caps.block_size * (size_t)count));
}

DRESULT disk_ioctl(BYTE n, BYTE cmd, void *buf)
{
    const struct fatfs_drive *d = &fatfs_drive[n];
    LBA_t *lba = buf;
    if (cmd == CTRL_SYNC)
        return result(vdrv_block_flush(d->blk));
    if (cmd == CTRL_TRIM)
        return result(vdrv_block_discard(d->blk, lba[0], lba[1] - lba[0] + 1));
    if (cmd == GET_SECTOR_COUNT)
        *lba = vdrv_block_num_blocks(d->blk);
    else if (cmd == GET_SECTOR_SIZE)
        *(WORD *)buf = (WORD)d->caps.block_size;
    else if (cmd == GET_BLOCK_SIZE)
        *(DWORD *)buf = d->caps.physical_block;
    return cmd > CTRL_TRIM ? RES_PARERR : RES_OK;
}
