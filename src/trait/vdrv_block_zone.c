/* SPDX-License-Identifier: MIT */
/*
 * Zoned disks: the blocking forms of the zone operations, and the reading of a
 * device's report (VirtIO 1.4, 5.2.6).  See block.h.
 */
#include <virtio_drv/block.h>

#include "../core/bytes.h"
#include "../core/mem.h"

/* A report: nr_zones and 56 bytes, then 64 bytes for each zone. */
#define HEADER    64u
#define ZONE      64u
#define Z_CAP     0u
#define Z_START   8u
#define Z_POINTER 16u
#define Z_TYPE    24u
#define Z_STATE   25u

/* ---- Reports ------------------------------------------------------------- */

static bool state_fits(uint32_t type, uint32_t state)
{
    if (type == VDRV_BLOCK_ZONE_CONVENTIONAL)
        return state == VDRV_BLOCK_ZONE_NO_POINTER;
    if (type != VDRV_BLOCK_ZONE_SEQUENTIAL && type != VDRV_BLOCK_ZONE_PREFERRED)
        return false;
    return (state >= VDRV_BLOCK_ZONE_EMPTY &&
            state <= VDRV_BLOCK_ZONE_CLOSED) ||
           (state >= VDRV_BLOCK_ZONE_READ_ONLY &&
            state <= VDRV_BLOCK_ZONE_OFFLINE);
}

static bool has_pointer(uint32_t state)
{
    return state >= VDRV_BLOCK_ZONE_EMPTY && state <= VDRV_BLOCK_ZONE_CLOSED;
}

/* One zone, which must begin at `start`: does it make sense? */
static bool validate_zone(const struct vdrv_block_caps *caps, uint64_t start,
                          const uint8_t *p, struct vdrv_block_zone *z)
{
    const uint32_t sectors = caps->block_size / 512u;
    const uint64_t left = caps->num_blocks - start;
    const uint64_t most = left < caps->zone_blocks ? left : caps->zone_blocks;
    const uint64_t pointer = vdrv__get64(p + Z_POINTER);

    z->start = start;
    z->capacity = vdrv__get64(p + Z_CAP) / sectors;
    z->pointer = UINT64_MAX;
    z->type = p[Z_TYPE];
    z->state = p[Z_STATE];
    if (vdrv__get64(p + Z_START) != start * sectors || z->capacity > most ||
        !state_fits(z->type, z->state))
        return false;
    if (!has_pointer(z->state))
        return true;
    z->pointer = pointer / sectors;
    return pointer % sectors == 0 && z->pointer >= start &&
           z->pointer - start <= z->capacity;
}

/* Read once: the device may be writing to it still. */
static uint64_t nr_zones(const volatile uint8_t *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < 8; i++)
        n |= (uint64_t)p[i] << 8 * i;
    return n;
}

int vdrv_block_zone_parse(const struct vdrv_block_caps *caps, uint64_t block,
                          const void *report, size_t bytes,
                          struct vdrv_block_zone *zone, uint32_t max)
{
    const uint8_t *p = report;
    uint64_t n, start;

    if (caps == NULL || report == NULL || (zone == NULL && max != 0) ||
        caps->zone_blocks == 0 || block >= caps->num_blocks)
        return VDRV_ERR_INVALID;
    if (bytes < HEADER)
        return VDRV_ERR_PROTOCOL;
    n = nr_zones(report);
    if (n > (bytes - HEADER) / ZONE)
        return VDRV_ERR_PROTOCOL;
    if (max > INT32_MAX) /* the answer is an int */
        max = INT32_MAX;
    if (n > max)
        n = max;
    start = block - block % caps->zone_blocks;
    p += HEADER;
    for (uint64_t i = 0; i < n; i++, p += ZONE) {
        if (start >= caps->num_blocks ||
            !validate_zone(caps, start, p, &zone[i]))
            return VDRV_ERR_PROTOCOL;
        start += caps->zone_blocks;
    }
    return (int)n;
}

int vdrv_block_zone_report(struct vdrv_block *blk, uint64_t block, void *buf,
                           size_t len, struct vdrv_block_zone *zone,
                           uint32_t max)
{
    struct vdrv_block_request req;
    struct vdrv_block_caps caps;
    struct vdrv_seg seg;
    int err = vdrv_block_get_caps(blk, &caps);

    if (err != VDRV_OK)
        return err;
    if (caps.zoned == VDRV_BLOCK_ZONED_NOT)
        return VDRV_ERR_UNSUPPORTED;
    if (buf == NULL || len < HEADER + ZONE || (zone == NULL && max != 0))
        return VDRV_ERR_INVALID;
    if (len > caps.max_seg_bytes)
        return VDRV_ERR_TOO_BIG;
    memset(&req, 0, sizeof(req));
    seg = vdrv_seg_in(buf, (uint32_t)len);
    req.op = VDRV_BLOCK_ZONE_REPORT;
    req.block = block;
    req.segs = &seg;
    req.nsegs = 1;
    err = vdrv_block_execute(blk, &req);
    if (err != VDRV_OK)
        return err;
    if (req.result > len)
        return VDRV_ERR_PROTOCOL;
    return vdrv_block_zone_parse(&caps, block, buf, (size_t)req.result, zone,
                                 max);
}

/* ---- Commands ------------------------------------------------------------ */

static int command(struct vdrv_block *blk, uint32_t op, uint64_t block)
{
    struct vdrv_block_request req;

    memset(&req, 0, sizeof(req));
    req.op = op;
    req.block = block;
    return vdrv_block_execute(blk, &req);
}

int vdrv_block_zone_open(struct vdrv_block *blk, uint64_t block)
{
    return command(blk, VDRV_BLOCK_ZONE_OPEN, block);
}

int vdrv_block_zone_close(struct vdrv_block *blk, uint64_t block)
{
    return command(blk, VDRV_BLOCK_ZONE_CLOSE, block);
}

int vdrv_block_zone_finish(struct vdrv_block *blk, uint64_t block)
{
    return command(blk, VDRV_BLOCK_ZONE_FINISH, block);
}

int vdrv_block_zone_reset(struct vdrv_block *blk, uint64_t block)
{
    return command(blk, VDRV_BLOCK_ZONE_RESET, block);
}

int vdrv_block_zone_reset_all(struct vdrv_block *blk)
{
    return command(blk, VDRV_BLOCK_ZONE_RESET_ALL, 0);
}

int vdrv_block_zone_append(struct vdrv_block *blk, uint64_t block,
                           const void *buf, size_t len, uint64_t *at)
{
    struct vdrv_block_request req;
    struct vdrv_seg seg;
    int err;

    if (buf == NULL)
        return VDRV_ERR_INVALID;
    if (len > UINT32_MAX)
        return VDRV_ERR_TOO_BIG;
    memset(&req, 0, sizeof(req));
    seg = vdrv_seg_out(buf, (uint32_t)len);
    req.op = VDRV_BLOCK_ZONE_APPEND;
    req.block = block;
    req.segs = &seg;
    req.nsegs = 1;
    err = vdrv_block_execute(blk, &req);
    if (err == VDRV_OK && at != NULL)
        *at = req.result;
    return err;
}
