/* SPDX-License-Identifier: MIT */
/*
 * A RAM disk behind the block trait: what somebody else writes to put a disk
 * of his own where a virtio disk is expected.
 */
#ifndef RAMDISK_H
#define RAMDISK_H

#include <virtio_drv/block.h>

struct ramdisk {
    struct vdrv_block block; /* first */
    uint8_t *mem;
    uint64_t num_blocks;
};

#define RAMDISK_BLOCK 512u

/* `mem` holds `num_blocks` blocks of RAMDISK_BLOCK bytes. */
void ramdisk_init(struct ramdisk *rd, void *mem, uint64_t num_blocks);

#endif
