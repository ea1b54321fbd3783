/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4 through libext2fs over any block device: an io_manager,
 * for ext2fs_open() and ext2fs_initialize().
 */
#ifndef EXT2_IO_H
#define EXT2_IO_H

#include <ext2fs/ext2fs.h>
#include <virtio_drv/block.h>

/* The disk that the next channel stands on. */
extern struct vdrv_block *ext2_io_disk;

extern struct struct_io_manager ext2_io_manager;

#endif
