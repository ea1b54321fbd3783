/* SPDX-License-Identifier: MIT */
/*
 * libext2fs counts in blocks of the file system, and in bytes when a count is
 * negative; the disk's blocks may be smaller or larger than either.
 */
#include "ext2_io.h"

#include <stdlib.h>
#include <string.h>

struct vdrv_block *ext2_io_disk;

struct disk {
    struct vdrv_block *blk;
    void *scratch; /* one block of the disk */
};

static errcode_t result(int err, errcode_t otherwise)
{
    return err == VDRV_OK              ? 0
           : err == VDRV_ERR_INVALID   ? EXT2_ET_INVALID_ARGUMENT
           : err == VDRV_ERR_NO_MEMORY ? EXT2_ET_NO_MEMORY
                                       : otherwise;
}

static errcode_t open_disk(const char *name, int flags, io_channel *out)
{
    io_channel c = calloc(1, sizeof(*c));
    struct disk *d = calloc(1, sizeof(*d));

    (void)flags;
    if (c == NULL || d == NULL || ext2_io_disk == NULL)
        goto fail;
    d->blk = ext2_io_disk;
    d->scratch = malloc(vdrv_block_block_size(d->blk));
    c->name = strdup(name);
    if (d->scratch == NULL || c->name == NULL)
        goto fail;
    c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    c->manager = &ext2_io_manager;
    c->block_size = 1024;
    c->refcount = 1;
    c->private_data = d;
    *out = c;
    return 0;
fail:
    free(d != NULL ? d->scratch : NULL);
    free(d);
    free(c);
    return EXT2_ET_NO_MEMORY;
}

static errcode_t close_disk(io_channel c)
{
    struct disk *d = c->private_data;
    int err;

    if (--c->refcount > 0)
        return 0;
    err = vdrv_block_flush(d->blk);
    free(d->scratch);
    free(d);
    free(c->name);
    free(c);
    return result(err, EXT2_ET_SHORT_WRITE);
}

static errcode_t set_block_size(io_channel c, int size)
{
    c->block_size = size;
    return 0;
}

static size_t bytes_of(io_channel c, int count)
{
    return count < 0 ? (size_t)-count : (size_t)c->block_size * (size_t)count;
}

static errcode_t read64(io_channel c, unsigned long long block, int count,
                        void *data)
{
    struct disk *d = c->private_data;

    return result(vdrv_block_read_bytes(d->blk, block * (unsigned)c->block_size,
                                        data, bytes_of(c, count), d->scratch),
                  EXT2_ET_SHORT_READ);
}

static errcode_t write64(io_channel c, unsigned long long block, int count,
                         const void *data)
{
    struct disk *d = c->private_data;

    return result(vdrv_block_write_bytes(d->blk,
                                         block * (unsigned)c->block_size, data,
                                         bytes_of(c, count), d->scratch),
                  EXT2_ET_SHORT_WRITE);
}

static errcode_t read32(io_channel c, unsigned long block, int count,
                        void *data)
{
    return read64(c, block, count, data);
}

static errcode_t write32(io_channel c, unsigned long block, int count,
                         const void *data)
{
    return write64(c, block, count, data);
}

static errcode_t write_byte(io_channel c, unsigned long offset, int count,
                            const void *data)
{
    struct disk *d = c->private_data;

    return result(
        vdrv_block_write_bytes(d->blk, offset, data, (size_t)count, d->scratch),
        EXT2_ET_SHORT_WRITE);
}

static errcode_t flush(io_channel c)
{
    struct disk *d = c->private_data;

    return result(vdrv_block_flush(d->blk), EXT2_ET_SHORT_WRITE);
}

typedef int range_call(struct vdrv_block *blk, uint64_t block, uint64_t n);

static int write_zeroes(struct vdrv_block *blk, uint64_t block, uint64_t n)
{
    return vdrv_block_write_zeroes(blk, block, n, VDRV_BLOCK_UNMAP);
}

static errcode_t range(io_channel c, unsigned long long block,
                       unsigned long long count, range_call *call)
{
    struct disk *d = c->private_data;
    const uint32_t size = vdrv_block_block_size(d->blk);
    const unsigned long long from = block * (unsigned)c->block_size,
                             len = count * (unsigned)c->block_size;
    int err;

    if (from % size != 0 || len % size != 0)
        return EXT2_ET_UNIMPLEMENTED;
    err = call(d->blk, from / size, len / size);
    return err == VDRV_ERR_UNSUPPORTED ? EXT2_ET_UNIMPLEMENTED
                                       : result(err, EXT2_ET_SHORT_WRITE);
}

static errcode_t discard(io_channel c, unsigned long long block,
                         unsigned long long count)
{
    return range(c, block, count, vdrv_block_discard);
}

static errcode_t zeroout(io_channel c, unsigned long long block,
                         unsigned long long count)
{
    return range(c, block, count, write_zeroes);
}

struct struct_io_manager ext2_io_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "virtio block device",
    .open = open_disk,
    .close = close_disk,
    .set_blksize = set_block_size,
    .read_blk = read32,
    .write_blk = write32,
    .flush = flush,
    .write_byte = write_byte,
    .read_blk64 = read64,
    .write_blk64 = write64,
    .discard = discard,
    .zeroout = zeroout,
};
