/* SPDX-License-Identifier: MIT */
/*
 * Real users of a disk, each a story with an end that can be checked: a file
 * system of libext2fs and a database of SQLite, over any block device.
 */
#ifndef DISK_STORIES_H
#define DISK_STORIES_H

#include <virtio_drv/block.h>

/*
 * Makes a file system, fills it with files and directories, opens it anew and
 * compares every byte.  0, or the line where it failed.
 */
int story_ext4(struct vdrv_block *blk, uint64_t seed);

/* The verdict of e2fsck -fn on an image in memory: its exit code; -1: it is
   not installed. */
int story_fsck(const uint8_t *image, size_t size);

/*
 * Transactions on a new database, `count` at most, until one fails; returns
 * how many were acknowledged, and calls `acked` (unless NULL) after each.
 * Transaction k adds rows of k and raises a counter in the same breath.
 */
int story_transactions(struct vdrv_block *blk, int count, void (*acked)(int k));

/*
 * What the database holds: all of the transactions 1 to n, and nothing else;
 * returns n, or -1 when it is damaged.
 */
int story_verify(struct vdrv_block *blk);

/*
 * The same of an image, from outside: the files are taken out of it and given
 * to SQLite's own VFS.
 */
int story_verify_image(const uint8_t *image, size_t size, uint32_t block_size);

/* A disk whose power fails after `fuse` writes and flushes: from then on every
   call answers IO. */
struct story_fuse {
    struct vdrv_block block;
    struct vdrv_block *under;
    uint64_t fuse;
    uint64_t writes;
    uint64_t flushes;
    uint32_t lie; /* flushes are said to be done, and are not */
};

void story_fuse_init(struct story_fuse *f, struct vdrv_block *under,
                     uint64_t fuse);

#endif
