/* SPDX-License-Identifier: MIT */
/* The block device on the wire (VirtIO 1.4, 5.2). */
#ifndef VDRV_SPEC_VIRTIO_BLK_H
#define VDRV_SPEC_VIRTIO_BLK_H

#include <stddef.h>

#include "../core/bytes.h"

/* 5.2.3 */
#define VIRTIO_BLK_F_SIZE_MAX     1
#define VIRTIO_BLK_F_SEG_MAX      2
#define VIRTIO_BLK_F_RO           5
#define VIRTIO_BLK_F_BLK_SIZE     6
#define VIRTIO_BLK_F_FLUSH        9
#define VIRTIO_BLK_F_TOPOLOGY     10
#define VIRTIO_BLK_F_CONFIG_WCE   11
#define VIRTIO_BLK_F_MQ           12
#define VIRTIO_BLK_F_DISCARD      13
#define VIRTIO_BLK_F_WRITE_ZEROES 14
#define VIRTIO_BLK_F_LIFETIME     15
#define VIRTIO_BLK_F_SECURE_ERASE 16
#define VIRTIO_BLK_F_ZONED        17

/* 5.2.4: offsets in the configuration. */
#define VIRTIO_BLK_CFG_CAPACITY           0
#define VIRTIO_BLK_CFG_SIZE_MAX           8
#define VIRTIO_BLK_CFG_SEG_MAX            12
#define VIRTIO_BLK_CFG_BLK_SIZE           20
#define VIRTIO_BLK_CFG_PHYSICAL_BLOCK_EXP 24
#define VIRTIO_BLK_CFG_ALIGNMENT_OFFSET   25
#define VIRTIO_BLK_CFG_MIN_IO_SIZE        26
#define VIRTIO_BLK_CFG_OPT_IO_SIZE        28
#define VIRTIO_BLK_CFG_WRITEBACK          32
#define VIRTIO_BLK_CFG_NUM_QUEUES         34
#define VIRTIO_BLK_CFG_MAX_DISCARD        36
#define VIRTIO_BLK_CFG_MAX_DISCARD_SEG    40
#define VIRTIO_BLK_CFG_DISCARD_ALIGN      44
#define VIRTIO_BLK_CFG_MAX_ZEROES         48
#define VIRTIO_BLK_CFG_MAX_ZEROES_SEG     52
#define VIRTIO_BLK_CFG_ZEROES_MAY_UNMAP   56
#define VIRTIO_BLK_CFG_MAX_ERASE          60
#define VIRTIO_BLK_CFG_MAX_ERASE_SEG      64
#define VIRTIO_BLK_CFG_ERASE_ALIGN        68
#define VIRTIO_BLK_CFG_SIZE               72 /* without the zoned part */
#define VIRTIO_BLK_CFG_ZONED              72
#define VIRTIO_BLK_CFG_ZONE_SECTORS       72
#define VIRTIO_BLK_CFG_MAX_OPEN_ZONES     76
#define VIRTIO_BLK_CFG_MAX_ACTIVE_ZONES   80
#define VIRTIO_BLK_CFG_MAX_APPEND_SECTORS 84
#define VIRTIO_BLK_CFG_WRITE_GRANULARITY  88 /* bytes */
#define VIRTIO_BLK_CFG_ZONE_MODEL         92
#define VIRTIO_BLK_CFG_ZONED_SIZE         96

#define VIRTIO_BLK_Z_NONE 0u
#define VIRTIO_BLK_Z_HM   1u
#define VIRTIO_BLK_Z_HA   2u

/* 5.2.6 */
#define VIRTIO_BLK_T_IN           0u
#define VIRTIO_BLK_T_OUT          1u
#define VIRTIO_BLK_T_FLUSH        4u
#define VIRTIO_BLK_T_GET_ID       8u
#define VIRTIO_BLK_T_GET_LIFETIME 10u
#define VIRTIO_BLK_T_DISCARD      11u
#define VIRTIO_BLK_T_WRITE_ZEROES 13u
#define VIRTIO_BLK_T_SECURE_ERASE 14u

#define VIRTIO_BLK_T_ZONE_APPEND    15u
#define VIRTIO_BLK_T_ZONE_REPORT    16u
#define VIRTIO_BLK_T_ZONE_OPEN      18u
#define VIRTIO_BLK_T_ZONE_CLOSE     20u
#define VIRTIO_BLK_T_ZONE_FINISH    22u
#define VIRTIO_BLK_T_ZONE_RESET     24u
#define VIRTIO_BLK_T_ZONE_RESET_ALL 26u

#define VIRTIO_BLK_S_OK     0u
#define VIRTIO_BLK_S_IOERR  1u
#define VIRTIO_BLK_S_UNSUPP 2u

#define VIRTIO_BLK_S_ZONE_INVALID_CMD     3u
#define VIRTIO_BLK_S_ZONE_UNALIGNED_WP    4u
#define VIRTIO_BLK_S_ZONE_OPEN_RESOURCE   5u
#define VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE 6u

#define VIRTIO_BLK_ID_BYTES       20u
#define VIRTIO_BLK_LIFETIME_BYTES 6u

#define VIRTIO_BLK_SECTOR_SHIFT 9u /* sectors are 512 bytes, always */

struct virtio_blk_req {
    struct le32 type;
    struct le32 reserved;
    struct le64 sector;
};

#define VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP 1u

struct virtio_blk_discard_write_zeroes {
    struct le64 sector;
    struct le32 num_sectors;
    struct le32 flags;
};

/* What a ZONE_APPEND ends with instead of a status byte alone. */
struct virtio_blk_append_tail {
    struct le64 append_sector;
    uint8_t status;
};

#define VIRTIO_BLK_APPEND_TAIL 9u

_Static_assert(sizeof(struct virtio_blk_req) == 16, "5.2.6");
_Static_assert(offsetof(struct virtio_blk_append_tail, status) == 8, "5.2.6");
_Static_assert(sizeof(struct virtio_blk_discard_write_zeroes) == 16, "5.2.6");

#endif
