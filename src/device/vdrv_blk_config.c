/* SPDX-License-Identifier: MIT */
/*
 * What a block device says of itself (VirtIO 1.4, 5.2.4 and 5.2.5), with every
 * number checked before it becomes a shift, a divisor or a limit.
 */
#include "vdrv_blk_config.h"

#include "../core/bytes.h"
#include "../spec/virtio_blk.h"

#define BLOCK_MIN   512u
#define BLOCK_MAX   65536u
#define BYTES_LIMIT 0x40000000u /* of one request: far below 2^32 */

/* 5.2.4: a size that is no power of two from 512 to 64 KiB is not used. */
static uint32_t block_size(const uint8_t *config, const uint64_t features[2])
{
    uint32_t size;

    if (!vdrv_feature(features, VIRTIO_BLK_F_BLK_SIZE))
        return BLOCK_MIN;
    size = vdrv__get32(config + VIRTIO_BLK_CFG_BLK_SIZE);
    if (size < BLOCK_MIN || size > BLOCK_MAX || (size & (size - 1)) != 0)
        return BLOCK_MIN;
    return size;
}

static void set_segments(const uint8_t *config, const uint64_t features[2],
                         uint32_t max_segs, struct vdrv_block_caps *caps)
{
    uint32_t n;
    uint64_t bytes;

    caps->max_segs = max_segs;
    caps->max_seg_bytes = BYTES_LIMIT;
    if (vdrv_feature(features, VIRTIO_BLK_F_SEG_MAX)) {
        n = vdrv__get32(config + VIRTIO_BLK_CFG_SEG_MAX);
        n = n == 0 ? 1 : n; /* some devices mean "one" */
        if (n < caps->max_segs)
            caps->max_segs = n;
    }
    if (vdrv_feature(features, VIRTIO_BLK_F_SIZE_MAX)) {
        n = vdrv__get32(config + VIRTIO_BLK_CFG_SIZE_MAX);
        if (n != 0 && n < caps->max_seg_bytes) /* 0: no limit */
            caps->max_seg_bytes = n;
    }
    bytes = (uint64_t)caps->max_segs * caps->max_seg_bytes;
    bytes = bytes < BYTES_LIMIT ? bytes : BYTES_LIMIT;
    caps->max_bytes = (uint32_t)bytes & ~(caps->block_size - 1);
}

static void set_topology(const uint8_t *config, const uint64_t features[2],
                         struct vdrv_block_caps *caps)
{
    uint8_t exp;

    caps->physical_block = 1;
    if (!vdrv_feature(features, VIRTIO_BLK_F_TOPOLOGY))
        return;
    exp = config[VIRTIO_BLK_CFG_PHYSICAL_BLOCK_EXP];
    if (exp < 32) {
        caps->physical_block = UINT32_C(1) << exp;
        caps->alignment = config[VIRTIO_BLK_CFG_ALIGNMENT_OFFSET];
    }
    caps->min_io = vdrv__get16(config + VIRTIO_BLK_CFG_MIN_IO_SIZE);
    caps->opt_io = vdrv__get32(config + VIRTIO_BLK_CFG_OPT_IO_SIZE);
}

/* Sectors to whole blocks; a limit below one block is none at all. */
static uint64_t blocks_of(const uint8_t *config, uint32_t offset,
                          uint32_t shift)
{
    return (uint64_t)vdrv__get32(config + offset) >> shift;
}

static uint64_t alignment_of(const uint8_t *config, uint32_t offset,
                             uint32_t shift)
{
    const uint64_t blocks = blocks_of(config, offset, shift);

    return blocks != 0 ? blocks : 1;
}

/* 5.2.5: a range command needs a maximum, in sectors and in ranges. */
static void set_ranges(const uint8_t *config, const uint64_t features[2],
                       uint32_t shift, struct vdrv_block_caps *caps)
{
    if (vdrv_feature(features, VIRTIO_BLK_F_DISCARD) &&
        vdrv__get32(config + VIRTIO_BLK_CFG_MAX_DISCARD_SEG) != 0) {
        caps->max_discard =
            blocks_of(config, VIRTIO_BLK_CFG_MAX_DISCARD, shift);
        caps->discard_align =
            alignment_of(config, VIRTIO_BLK_CFG_DISCARD_ALIGN, shift);
    }
    if (vdrv_feature(features, VIRTIO_BLK_F_WRITE_ZEROES) &&
        vdrv__get32(config + VIRTIO_BLK_CFG_MAX_ZEROES_SEG) != 0)
        caps->max_write_zeroes =
            blocks_of(config, VIRTIO_BLK_CFG_MAX_ZEROES, shift);
    if (vdrv_feature(features, VIRTIO_BLK_F_SECURE_ERASE) &&
        vdrv__get32(config + VIRTIO_BLK_CFG_MAX_ERASE_SEG) != 0) {
        caps->max_secure_erase =
            blocks_of(config, VIRTIO_BLK_CFG_MAX_ERASE, shift);
        caps->secure_erase_align =
            alignment_of(config, VIRTIO_BLK_CFG_ERASE_ALIGN, shift);
        if (caps->secure_erase_align > caps->max_secure_erase)
            caps->max_secure_erase = 0; /* nothing can be aligned */
    }
    caps->can_discard = caps->max_discard != 0;
    caps->can_write_zeroes = caps->max_write_zeroes != 0;
    caps->can_secure_erase = caps->max_secure_erase != 0;
    caps->can_unmap_zeroes =
        caps->can_write_zeroes && config[VIRTIO_BLK_CFG_ZEROES_MAY_UNMAP] != 0;
}

void vdrv__blk_validate_config(const uint8_t *config,
                               const uint64_t features[2], uint32_t max_segs,
                               struct vdrv_block_caps *caps)
{
    uint32_t shift = 0;

    caps->block_size = block_size(config, features);
    while (BLOCK_MIN << shift < caps->block_size)
        shift++;
    caps->num_blocks = vdrv__get64(config + VIRTIO_BLK_CFG_CAPACITY) >> shift;
    /* A byte offset must fit 64 bits. */
    if (caps->num_blocks > UINT64_MAX / caps->block_size)
        caps->num_blocks = UINT64_MAX / caps->block_size;
    caps->read_only = vdrv_feature(features, VIRTIO_BLK_F_RO) ? 1 : 0;
    /* 5.2.5.1: a flush command implies a cache, unless it says otherwise. */
    caps->can_flush = vdrv_feature(features, VIRTIO_BLK_F_FLUSH) ? 1 : 0;
    caps->write_cache = caps->can_flush;
    if (vdrv_feature(features, VIRTIO_BLK_F_CONFIG_WCE))
        caps->write_cache = config[VIRTIO_BLK_CFG_WRITEBACK] != 0;
    set_segments(config, features, max_segs, caps);
    set_topology(config, features, caps);
    set_ranges(config, features, shift, caps);
}
