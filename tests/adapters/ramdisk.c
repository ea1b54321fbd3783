/* SPDX-License-Identifier: MIT */
/* The five required block operations over a piece of memory. */
#include "ramdisk.h"

#include <string.h>

static struct ramdisk *ramdisk_of(const struct vdrv_block *blk)
{
    return (struct ramdisk *)(uintptr_t)blk;
}

static uint64_t num_blocks(const struct vdrv_block *blk)
{
    return ramdisk_of(blk)->num_blocks;
}

static uint32_t block_size(const struct vdrv_block *blk)
{
    (void)blk;
    return RAMDISK_BLOCK;
}

static int read_block(struct vdrv_block *blk, uint64_t at, void *buf,
                      size_t len)
{
    memcpy(buf, ramdisk_of(blk)->mem + at * RAMDISK_BLOCK, len);
    return VDRV_OK;
}

static int write_block(struct vdrv_block *blk, uint64_t at, const void *buf,
                       size_t len)
{
    memcpy(ramdisk_of(blk)->mem + at * RAMDISK_BLOCK, buf, len);
    return VDRV_OK;
}

static int flush(struct vdrv_block *blk)
{
    (void)blk;
    return VDRV_OK;
}

static const struct vdrv_block_ops ops = {
    .num_blocks = num_blocks,
    .block_size = block_size,
    .read_block = read_block,
    .write_block = write_block,
    .flush = flush,
};

void ramdisk_init(struct ramdisk *rd, void *mem, uint64_t n)
{
    vdrv_block_setup(&rd->block, &ops);
    rd->mem = mem;
    rd->num_blocks = n;
}
