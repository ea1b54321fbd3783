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

/* Two mistakes with one code: the log tells them apart. */
static int refuse(const struct vdrv_block *blk, const char *why, uint64_t value)
{
    if (ops_of(blk)->refused != NULL)
        ops_of(blk)->refused(blk, why, value);
    return VDRV_ERR_INVALID;
}

static int check_range(const struct vdrv_block *blk, uint64_t block,
                       uint64_t nblocks)
{
    const uint64_t total = vdrv_block_num_blocks(blk);

    if (block <= total && nblocks <= total - block)
        return VDRV_OK;
    return refuse(blk, "refused: past the end of the disk; block", block);
}

/* Range and length, once for every driver. */
static int check(const struct vdrv_block *blk, uint64_t block, const void *buf,
                 size_t len)
{
    const uint32_t size = vdrv_block_block_size(blk);

    if (size == 0 || (buf == NULL && len != 0))
        return VDRV_ERR_INVALID;
    if (len % size != 0)
        return refuse(blk, "refused: not whole blocks; bytes:", len);
    return check_range(blk, block, len / size);
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

int vdrv_block_panic(struct vdrv_block *blk)
{
    const struct vdrv_block_ops *ops = ops_of(blk);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->panic != NULL ? ops->panic(blk) : VDRV_ERR_UNSUPPORTED;
}

/* ---- Ranges -------------------------------------------------------------- */

/* The next piece: at most `max` blocks, and none across a boundary in vain. */
static uint64_t piece(uint64_t block, uint64_t nblocks, uint64_t max,
                      uint64_t align)
{
    uint64_t over;

    if (nblocks <= max)
        return nblocks;
    over = align > 1 ? (block + max) % align : 0;
    return over < max ? max - over : max;
}

/* A range op in pieces of at most `max` blocks. */
static int run_range(struct vdrv_block *blk, struct vdrv_block_request *req,
                     uint64_t max, uint64_t align)
{
    uint64_t left = req->nblocks;
    int err;

    if (max == 0)
        return VDRV_ERR_UNSUPPORTED;
    err = check_range(blk, req->block, left);
    while (err == VDRV_OK && left > 0) {
        req->nblocks = piece(req->block, left, max, align);
        err = vdrv_block_execute(blk, req);
        req->block += req->nblocks;
        left -= req->nblocks;
    }
    return err;
}

static void range_request(struct vdrv_block_request *req, uint32_t op,
                          uint64_t block, uint64_t nblocks)
{
    memset(req, 0, sizeof(*req));
    req->op = op;
    req->block = block;
    req->nblocks = nblocks;
}

int vdrv_block_discard(struct vdrv_block *blk, uint64_t block, uint64_t nblocks)
{
    struct vdrv_block_request req;
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    range_request(&req, VDRV_BLOCK_DISCARD, block, nblocks);
    return err != VDRV_OK
               ? err
               : run_range(blk, &req, caps.max_discard, caps.discard_align);
}

int vdrv_block_write_zeroes(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks, uint32_t flags)
{
    struct vdrv_block_request req;
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    range_request(&req, VDRV_BLOCK_WRITE_ZEROES, block, nblocks);
    req.flags = flags;
    return err != VDRV_OK ? err
                          : run_range(blk, &req, caps.max_write_zeroes, 1);
}

int vdrv_block_secure_erase(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks)
{
    struct vdrv_block_request req;
    struct vdrv_block_caps caps;
    const int err = vdrv_block_get_caps(blk, &caps);

    range_request(&req, VDRV_BLOCK_SECURE_ERASE, block, nblocks);
    return err != VDRV_OK ? err
                          : run_range(blk, &req, caps.max_secure_erase,
                                      caps.secure_erase_align);
}

int vdrv_block_get_id(struct vdrv_block *blk, char id[VDRV_BLOCK_ID_SIZE])
{
    struct vdrv_block_request req;
    struct vdrv_seg seg;

    if (id == NULL)
        return VDRV_ERR_INVALID;
    memset(id, 0, VDRV_BLOCK_ID_SIZE); /* 5.2.6.1: 20 bytes may have no NUL */
    seg = vdrv_seg_in(id, VDRV_BLOCK_ID_SIZE - 1);
    memset(&req, 0, sizeof(req));
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
                memcpy(to, (uint8_t *)scratch + offset % size, n);
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
            memcpy((uint8_t *)scratch + offset % size, from, n);
            err = vdrv_block_write_block(blk, offset / size, scratch, size);
        }
        offset += n;
        from += n;
        len -= n;
    }
    return err;
}
