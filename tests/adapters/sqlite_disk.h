/* SPDX-License-Identifier: MIT */
/*
 * SQLite over any block device: a VFS of two files, a database and its
 * rollback journal, each in a half of the disk.  The first block of a half
 * holds the file's length.
 */
#ifndef SQLITE_DISK_H
#define SQLITE_DISK_H

#include <sqlite3.h>
#include <virtio_drv/block.h>

#define SQLITE_DISK_FILES 2u /* the database, and its journal */

/* Where a file lies; on the disk, little-endian as here. */
struct sqlite_disk_head {
    char magic[8]; /* "vdrvfile" */
    uint64_t bytes;
};

struct sqlite_disk_file {
    sqlite3_file base;
    uint64_t start; /* byte of the half */
    uint64_t room;  /* bytes that a file may have */
    uint64_t bytes; /* as it is */
    uint64_t told;  /* as the disk knows it */
    uint32_t index;
    uint32_t remove; /* at close */
};

/*
 * Registers the VFS "vdrv" over `blk`, whose `scratch` is one of its blocks;
 * one at a time.  SQLITE_OK, or SQLite's error.
 */
int sqlite_disk_register(struct vdrv_block *blk, void *scratch);
void sqlite_disk_unregister(void);

#endif
