/* SPDX-License-Identifier: MIT */
/*
 * SQLite says when something must be durable, by xSync and by xDelete with
 * `dir`; the length of a file is durable with it, in a block of its own that
 * is written after the data were flushed.  One process and one connection, so
 * there is nothing to lock.
 */
#include "sqlite_disk.h"

#include <string.h>

#define MAGIC "vdrvfile"

static struct vdrv_block *disk;
static uint8_t *block; /* scratch */

static uint64_t half(void)
{
    return vdrv_block_num_blocks(disk) / SQLITE_DISK_FILES *
           vdrv_block_block_size(disk);
}

static int write_head(uint32_t index, bool there, uint64_t bytes)
{
    const uint32_t size = vdrv_block_block_size(disk);
    struct sqlite_disk_head h = {MAGIC, bytes};
    int err;

    memset(block, 0, size);
    if (there)
        memcpy(block, &h, sizeof(h));
    err = vdrv_block_write_block(disk, index * half() / size, block, size);
    return err == VDRV_OK ? vdrv_block_flush(disk) : err;
}

/* False: no such file; `bytes` negative: it cannot be told. */
static bool read_head(uint32_t index, int64_t *bytes)
{
    const uint32_t size = vdrv_block_block_size(disk);
    struct sqlite_disk_head h;

    *bytes = -1;
    if (vdrv_block_read_block(disk, index * half() / size, block, size) !=
        VDRV_OK)
        return true;
    memcpy(&h, block, sizeof(h));
    *bytes = (int64_t)h.bytes;
    return memcmp(h.magic, MAGIC, sizeof(h.magic)) == 0;
}

/* ---- A file ----------------------------------------------------------------- */

static int file_close(sqlite3_file *base)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;

    if (!f->remove)
        return SQLITE_OK;
    return write_head(f->index, false, 0) == VDRV_OK ? SQLITE_OK
                                                     : SQLITE_IOERR_CLOSE;
}

static int file_read(sqlite3_file *base, void *buf, int n, sqlite3_int64 at)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;
    const uint64_t from = (uint64_t)at, want = (uint64_t)n;
    uint64_t have = from < f->bytes ? f->bytes - from : 0;

    if (have > want)
        have = want;
    memset((uint8_t *)buf + have, 0, (size_t)(want - have));
    if (have > 0 && vdrv_block_read_bytes(disk, f->start + from, buf,
                                          (size_t)have, block) != VDRV_OK)
        return SQLITE_IOERR_READ;
    return have == want ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *buf, int n,
                      sqlite3_int64 at)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;
    const uint64_t end = (uint64_t)at + (uint64_t)n;

    if (end > f->room)
        return SQLITE_FULL;
    if (vdrv_block_write_bytes(disk, f->start + (uint64_t)at, buf, (size_t)n,
                               block) != VDRV_OK)
        return SQLITE_IOERR_WRITE;
    if (end > f->bytes)
        f->bytes = end;
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;

    if ((uint64_t)size < f->bytes)
        f->bytes = (uint64_t)size;
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;

    (void)flags;
    if (vdrv_block_flush(disk) != VDRV_OK)
        return SQLITE_IOERR_FSYNC;
    if (f->told == f->bytes)
        return SQLITE_OK;
    if (write_head(f->index, true, f->bytes) != VDRV_OK)
        return SQLITE_IOERR_FSYNC;
    f->told = f->bytes;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct sqlite_disk_file *)base)->bytes;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *base, int *out)
{
    (void)base;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return (int)vdrv_block_block_size(disk);
}

static int file_traits(sqlite3_file *base)
{
    (void)base;
    return 0; /* nothing is promised about what a power cut leaves */
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* ---- The VFS ---------------------------------------------------------------- */

/* The database is called as it likes, its journal "...-journal". */
static uint32_t index_of(const char *name)
{
    const size_t n = strlen(name);

    return n > 8 && strcmp(name + n - 8, "-journal") == 0;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                    int flags, int *out)
{
    struct sqlite_disk_file *f = (struct sqlite_disk_file *)base;
    const uint32_t size = vdrv_block_block_size(disk);
    int64_t bytes;
    bool there;

    (void)vfs;
    memset(f, 0, sizeof(*f));
    if (name == NULL)
        return SQLITE_CANTOPEN; /* temporary files stay in memory */
    f->index = index_of(name);
    f->start = f->index * half() + size;
    f->room = half() - size;
    there = read_head(f->index, &bytes);
    if (bytes < 0 || (!there && (flags & SQLITE_OPEN_CREATE) == 0) ||
        (there && (uint64_t)bytes > f->room))
        return SQLITE_CANTOPEN;
    if (there)
        f->bytes = (uint64_t)bytes;
    else if (write_head(f->index, true, 0) != VDRV_OK)
        return SQLITE_CANTOPEN;
    f->told = f->bytes;
    f->remove = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    base->pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int dir)
{
    (void)vfs;
    (void)dir; /* it is durable in any case */
    return write_head(index_of(name), false, 0) == VDRV_OK
               ? SQLITE_OK
               : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    int64_t bytes;
    bool there;

    (void)vfs;
    (void)flags;
    if (strstr(name, "-wal") != NULL) {
        *out = 0;
        return SQLITE_OK;
    }
    there = read_head(index_of(name), &bytes);
    if (bytes < 0 && there)
        return SQLITE_IOERR_ACCESS;
    *out = there;
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    sqlite3_snprintf(n, out, "%s", name);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    memset(out, 0x5a, (size_t)n);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2461000.5; /* a day; nothing here asks for the time */
    return SQLITE_OK;
}

static sqlite3_vfs vfs_table = {
    .iVersion = 1,
    .szOsFile = sizeof(struct sqlite_disk_file),
    .mxPathname = 64,
    .zName = "vdrv",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
};

int sqlite_disk_register(struct vdrv_block *blk, void *scratch)
{
    disk = blk;
    block = scratch;
    return sqlite3_vfs_register(&vfs_table, 0);
}

void sqlite_disk_unregister(void)
{
    sqlite3_vfs_unregister(&vfs_table);
}
