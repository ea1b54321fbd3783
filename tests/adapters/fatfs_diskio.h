/* SPDX-License-Identifier: MIT */
/* The disk layer of a FatFs-style file system over block devices. */
#ifndef FATFS_DISKIO_H
#define FATFS_DISKIO_H

#include <virtio_drv/block.h>

#include "ff_types.h"

/* The kernel's table of drives: fill in `blk` before mounting. */
struct fatfs_drive {
    struct vdrv_block *blk;
    struct vdrv_block_caps caps; /* all zero until disk_initialize() */
};

extern struct fatfs_drive fatfs_drive[FF_VOLUMES];

#endif
