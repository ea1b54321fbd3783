/* SPDX-License-Identifier: MIT */
/*
 * The types and codes that a FatFs-style file system exchanges with its disk
 * layer, and the five functions it expects there.
 */
#ifndef FF_TYPES_H
#define FF_TYPES_H

#include <stdint.h>

#define FF_VOLUMES 4

typedef unsigned char BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef unsigned int UINT;
typedef uint64_t LBA_t;
typedef BYTE DSTATUS;

typedef enum {
    RES_OK,
    RES_ERROR,
    RES_WRPRT,
    RES_NOTRDY,
    RES_PARERR,
} DRESULT;

#define STA_NOINIT  0x01u
#define STA_NODISK  0x02u
#define STA_PROTECT 0x04u

#define CTRL_SYNC        0u
#define GET_SECTOR_COUNT 1u /* LBA_t */
#define GET_SECTOR_SIZE  2u /* WORD */
#define GET_BLOCK_SIZE   3u /* DWORD: sectors in an erase block */
#define CTRL_TRIM        4u /* LBA_t[2]: first and last sector */

DSTATUS disk_initialize(BYTE pdrv);
DSTATUS disk_status(BYTE pdrv);
DRESULT disk_read(BYTE pdrv, BYTE *buff, LBA_t sector, UINT count);
DRESULT disk_write(BYTE pdrv, const BYTE *buff, LBA_t sector, UINT count);
DRESULT disk_ioctl(BYTE pdrv, BYTE cmd, void *buff);

#endif
