/* SPDX-License-Identifier: MIT */
/*
 * FatFs's disk layer (diskio.c) over any block device.  The file system's
 * buffers go straight through: they may lie anywhere, at any alignment.
 */
#include "fatfs_diskio.h"

#define D            (&fatfs_drive[n])
#define BYTES(count) (D->caps.block_size * (size_t)(count))

static DRESULT result(int err)
{
    static const BYTE of[16] = {[-VDRV_ERR_INVALID] = RES_PARERR,
                                [-VDRV_ERR_READ_ONLY] = RES_WRPRT};
    return err == VDRV_OK || of[-err] != 0 ? of[-err] : RES_ERROR;
}

DSTATUS disk_status(BYTE n)
{
    return BYTES(1) == 0 ? STA_NOINIT : D->caps.read_only * STA_PROTECT;
}

DSTATUS disk_initialize(BYTE n)
{
    return vdrv_block_get_caps(D->blk, &D->caps) ? STA_NOINIT : disk_status(n);
}

DRESULT disk_read(BYTE n, BYTE *buf, LBA_t lba, UINT count)
{
    return result(vdrv_block_read_block(D->blk, lba, buf, BYTES(count)));
}

DRESULT disk_write(BYTE n, const BYTE *buf, LBA_t lba, UINT count)
{
    return result(vdrv_block_write_block(D->blk, lba, buf, BYTES(count)));
}

DRESULT disk_ioctl(BYTE n, BYTE cmd, void *buf)
{
    LBA_t *lba = buf;
    if (cmd == CTRL_SYNC)
        return result(vdrv_block_flush(D->blk));
    if (cmd == CTRL_TRIM)
        return result(vdrv_block_discard(D->blk, lba[0], lba[1] - lba[0] + 1));
    if (cmd == GET_SECTOR_COUNT)
        *lba = vdrv_block_num_blocks(D->blk);
    else if (cmd == GET_SECTOR_SIZE)
        *(WORD *)buf = (WORD)BYTES(1);
    else if (cmd == GET_BLOCK_SIZE)
        *(DWORD *)buf = D->caps.physical_block;
    return cmd > CTRL_TRIM ? RES_PARERR : RES_OK;
}
