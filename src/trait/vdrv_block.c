/* SPDX-License-Identifier: MIT */
/*
 * The wrappers of the block trait, and what is made of them: range operations
 * split to the device's limits, and bytes at any offset.  See block.h.
 */
#include <virtio_drv/block.h>

#include "../core/mem.h"

static const struct vdrv_block_ops *ops_of(const struct vdrv_block *blk)
{
    if (blk == NULL)
        return NULL;
    /* The base table is the first member of the block table. */
    return (const struct vdrv_block_ops *)(const void *)blk->dev.ops;
}

/* Range and length, once for every driver. */
static int check(const struct vdrv_block *blk, uint64_t block, const void *buf,
                 size_t len)
{
    const uint64_t size = vdrv_block_block_size(blk);
    const uint64_t total = vdrv_block_num_blocks(blk);

    if (size == 0 || (buf == NULL && len != 0) || len % size != 0)
        return VDRV_ERR_INVALID;
    if (block > total || len / size > total - block)
        return VDRV_ERR_INVALID;
    return VDRV_OK;
}

void vdrv_block_setup(struct vdrv_block *blk, const struct vdrv_block_ops *ops)
{
    blk->dev.ops = &ops->base;
    blk->dev.user = NULL;
}

uint64_t vdrv_block_num_blocks(const struct vdrv_block *blk)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    return ops != NULL ? ops->num_blocks(blk) : 0;
}

uint32_t vdrv_block_block_size(const struct vdrv_block *blk)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    return ops != NULL ? ops->block_size(blk) : 0;
}

int vdrv_block_read_block(struct vdrv_block *blk, uint64_t block, void *buf,
                          size_t len)
{
    const int err = check(blk, block, buf, len);

    if (err != VDRV_OK || len == 0)
        return err;
    return ops_of(blk)->read_block(blk, block, buf, len);
}

int vdrv_block_write_block(struct vdrv_block *blk, uint64_t block,
                           const void *buf, size_t len)
{
    const int err = check(blk, block, buf, len);

    if (err != VDRV_OK || len == 0)
        return err;
    return ops_of(blk)->write_block(blk, block, buf, len);
}

int vdrv_block_flush(struct vdrv_block *blk)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    return ops != NULL ? ops->flush(blk) : VDRV_ERR_INVALID;
}

int vdrv_block_get_caps(const struct vdrv_block *blk,
                        struct vdrv_block_caps *out)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    if (ops->get_caps == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->get_caps(blk, out);
}

int vdrv_block_submit(struct vdrv_block *blk, struct vdrv_block_request *req)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL || req == NULL)
        return VDRV_ERR_INVALID;
    if (ops->submit == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->submit(blk, req);
}

int vdrv_block_kick(struct vdrv_block *blk, uint32_t queue)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->kick == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->kick(blk, queue);
}

int vdrv_block_execute(struct vdrv_block *blk, struct vdrv_block_request *req)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL || req == NULL)
        return VDRV_ERR_INVALID;
    if (ops->execute == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->execute(blk, req);
}

int vdrv_block_cancel(struct vdrv_block *blk, struct vdrv_block_request *req)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL || req == NULL)
        return VDRV_ERR_INVALID;
    if (ops->cancel == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->cancel(blk, req);
}

int vdrv_block_set_write_cache(struct vdrv_block *blk, bool on)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->set_write_cache == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_write_cache(blk, on);
}

/* ---- Ranges -------------------------------------------------------------- */

/* A range op in pieces of at most `max` blocks. */
static int run_range(struct vdrv_block *blk, uint32_t op, uint64_t block,
                     uint64_t nblocks, uint32_t flags, uint64_t max)
{
    const uint64_t total = vdrv_block_num_blocks(blk);

    if (max == 0)
        return VDRV_ERR_UNSUPPORTED;
    if (block > total || nblocks > total - block)
        return VDRV_ERR_INVALID;
    while (nblocks > 0) {
        struct vdrv_block_request req;
        int err;

        vdrv__zero(&req, sizeof(req));
        req.op = op;
        req.flags = flags;
        req.block = block;
        req.nblocks = nblocks < max ? nblocks : max;
        err = vdrv_block_execute(blk, &req);
        if (err != VDRV_OK)
            return err;
        block += req.nblocks;
        nblocks -= req.nblocks;
    }
    return VDRV_OK;
}

int vdrv_block_discard(struct vdrv_block *blk, uint64_t block, uint64_t nblocks)
{
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    if (err != VDRV_OK)
        return err;
    return run_range(blk, VDRV_BLOCK_DISCARD, block, nblocks, 0,
                     caps.max_discard);
}

int vdrv_block_write_zeroes(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks, uint32_t flags)
{
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    if (err != VDRV_OK)
        return err;
    return run_range(blk, VDRV_BLOCK_WRITE_ZEROES, block, nblocks, flags,
                     caps.max_write_zeroes);
}

int vdrv_block_secure_erase(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks)
{
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    if (err != VDRV_OK)
        return err;
    /* Pieces must stay aligned: whole multiples of the alignment. */
    if (caps.secure_erase_align > 1)
        caps.max_secure_erase -=
            caps.max_secure_erase % caps.secure_erase_align;
    return run_range(blk, VDRV_BLOCK_SECURE_ERASE, block, nblocks, 0,
                     caps.max_secure_erase);
}

int vdrv_block_get_id(struct vdrv_block *blk, char id[VDRV_BLOCK_ID_SIZE])
{
    struct vdrv_block_request req;
    struct vdrv_seg seg;

    if (id == NULL)
        return VDRV_ERR_INVALID;
    vdrv__zero(id, VDRV_BLOCK_ID_SIZE); /* 5.2.6.1: 20 bytes may have no NUL */
    seg = vdrv_seg_in(id, VDRV_BLOCK_ID_SIZE - 1);
    vdrv__zero(&req, sizeof(req));
    req.op = VDRV_BLOCK_GET_ID;
    req.segs = &seg;
    req.nsegs = 1;
    return vdrv_block_execute(blk, &req);
}

/* ---- Bytes at any offset ------------------------------------------------- */

static int check_bytes(const struct vdrv_block *blk, uint64_t offset,
                       const void *buf, size_t len, const void *scratch)
{
    const uint64_t size = vdrv_block_block_size(blk);
    uint64_t bytes;

    if (size == 0 || scratch == NULL || (buf == NULL && len != 0))
        return VDRV_ERR_INVALID;
    bytes = vdrv_block_num_blocks(blk) * size;
    return offset <= bytes && len <= bytes - offset ? VDRV_OK
                                                    : VDRV_ERR_INVALID;
}

/* How many of `len` bytes at `offset` lie in a part of one block. */
static size_t edge_of(uint64_t offset, size_t len, uint32_t size)
{
    const size_t in_block = size - (size_t)(offset % size);

    if (in_block == size && len >= size)
        return 0; /* starts on a block: no edge */
    return len < in_block ? len : in_block;
}

int vdrv_block_read_bytes(struct vdrv_block *blk, uint64_t offset, void *buf,
                          size_t len, void *scratch)
{
    const uint32_t size = vdrv_block_block_size(blk);
    uint8_t *to = buf;
    int err = check_bytes(blk, offset, buf, len, scratch);

    while (err == VDRV_OK && len > 0) {
        size_t n = edge_of(offset, len, size);

        if (n == 0) {
            n = len - len % size;
            err = vdrv_block_read_block(blk, offset / size, to, n);
        } else {
            err = vdrv_block_read_block(blk, offset / size, scratch, size);
            if (err == VDRV_OK)
                vdrv__copy(to, (uint8_t *)scratch + offset % size, n);
        }
        offset += n;
        to += n;
        len -= n;
    }
    return err;
}

int vdrv_block_write_bytes(struct vdrv_block *blk, uint64_t offset,
                           const void *buf, size_t len, void *scratch)
{
    const uint32_t size = vdrv_block_block_size(blk);
    const uint8_t *from = buf;
    int err = check_bytes(blk, offset, buf, len, scratch);

    while (err == VDRV_OK && len > 0) {
        size_t n = edge_of(offset, len, size);

        if (n == 0) {
            n = len - len % size;
            err = vdrv_block_write_block(blk, offset / size, from, n);
        } else {
            err = vdrv_block_read_block(blk, offset / size, scratch, size);
            if (err != VDRV_OK)
                break;
            vdrv__copy((uint8_t *)scratch + offset % size, from, n);
            err = vdrv_block_write_block(blk, offset / size, scratch, size);
        }
        offset += n;
        from += n;
        len -= n;
    }
    return err;
}
