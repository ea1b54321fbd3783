/* SPDX-License-Identifier: MIT */
/* What the parts of the block driver share. */
#ifndef VDRV_BLK_IMPL_H
#define VDRV_BLK_IMPL_H

#include <virtio_drv/virtio_blk.h>

#include "../spec/virtio_blk.h"
#include "vdrv_blk_size.h"

#define VDRV__BLK_NO_STATUS 0xffu /* no status that a device may write */

/* What a pending request is, in opaque[1]; 0 is the plain kind. */
#define VDRV__BLK_BLOCKING 1u /* somebody waits for it */
#define VDRV__BLK_TIMED    2u /* its slot has a deadline */
#define VDRV__BLK_ODD      4u /* OK says more than that it is done */
#define VDRV__BLK_COUNTED  8u /* how many bytes came is its result */

struct vdrv__blk_shared;

struct vdrv_virtio_blk_slot {
    union {
        struct vdrv_block_request *req;    /* of one that is out; NULL: of a
                                              call that answered STUCK */
        struct vdrv_virtio_blk_slot *next; /* of a free one */
    };
    struct vdrv__blk_shared *sh; /* its part of the shared memory */
    uint64_t deadline;           /* ..._NEVER: none */
};

#define VDRV__BLK_NEVER UINT64_MAX

/* A slot's part of the shared memory: one cache line. */
struct vdrv__blk_shared {
    struct virtio_blk_req header;
    struct virtio_blk_discard_write_zeroes range;
    struct virtio_blk_append_tail tail;
    /* uint64_t has an alignment of 8 here and of 4 there. */
    uint8_t pad[32 - sizeof(struct virtio_blk_append_tail)];
};

_Static_assert(sizeof(struct vdrv__blk_shared) == 64, "one cache line");
_Static_assert(sizeof(struct vdrv_virtio_blk_slot) <= 24,
               "VDRV_VIRTIO_BLK_WORK_SIZE counts 24");

/* What a request becomes on the wire. */
struct vdrv__blk_plan {
    uint32_t type;
    uint32_t range_flags;
    uint64_t sector; /* 0 where none is addressed */
    uint64_t range_sector;
    uint64_t range_sectors; /* 0: no range record */
    bool writes;            /* the device reads the segments */
    bool append;            /* it ends with a whole append tail */
};

/* The zoned model, in a file of its own. */
struct vdrv_virtio_blk_zones {
    /*
     * After the first negotiation, without DISCARD: 1 when it may be added,
     * else VDRV_OK or an error.
     */
    int (*settle)(struct vdrv_driver *drv);
    /* Fills in the zone part of the caps. */
    int (*learn)(struct vdrv_virtio_blk *blk);
    int (*plan)(const struct vdrv_virtio_blk *blk,
                const struct vdrv_block_request *req, struct vdrv__blk_plan *p);
    /* May a write of so many bytes begin there? */
    int (*check_write)(const struct vdrv_virtio_blk *blk, uint64_t block,
                       uint64_t bytes);
    /* What a request with this status byte ends with. */
    int (*result)(const struct vdrv_virtio_blk *blk,
                  struct vdrv_block_request *req,
                  const struct vdrv__blk_shared *sh, uint8_t status);
};

static inline struct vdrv_virtio_blk *vdrv__blk_of(
    const struct vdrv_block *block)
{
    return (struct vdrv_virtio_blk *)(uintptr_t)block; /* its first member */
}

static inline struct vdrv_virtio_blk *vdrv__blk_of_dev(
    const struct vdrv_device *dev)
{
    return (struct vdrv_virtio_blk *)(uintptr_t)dev; /* the very first */
}

static inline struct vdrv_virtio_blk *vdrv__blk_of_drv(struct vdrv_driver *drv)
{
    return (struct vdrv_virtio_blk *)(void *)((uint8_t *)drv -
                                              offsetof(struct vdrv_virtio_blk,
                                                       drv));
}

/* The number of blocks, whoever is changing it. */
static inline uint64_t vdrv__blk_size(const struct vdrv_virtio_blk *blk)
{
#if __SIZEOF_POINTER__ >= 8
    return *(const volatile uint64_t *)&blk->caps.num_blocks;
#else
    return vdrv__halves_read(blk->size, &blk->size_turn);
#endif
}

static inline bool vdrv__blk_inside(const struct vdrv_virtio_blk *blk,
                                    uint64_t block, uint64_t nblocks)
{
    const uint64_t size = vdrv__blk_size(blk);

    return block <= size && nblocks <= size - block;
}

/* vdrv_blk.c */

extern const struct vdrv_block_ops vdrv__blk_ops;

void vdrv__blk_complete(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                        uint32_t len, int err);
void vdrv__blk_completed(struct vdrv_driver *drv, uint32_t queue,
                         const struct vdrv_used *used, uint32_t n);

/* Where a slot's part has its status byte: every request ends with it. */
#define VDRV__BLK_STATUS_AT                                                    \
    (offsetof(struct vdrv__blk_shared, tail) +                                 \
     offsetof(struct virtio_blk_append_tail, status))

/* Makes every slot of a queue free. */
void vdrv__blk_free_slots(struct vdrv_virtio_blk_lane *lane, uint32_t n);

/*
 * The sum of a request's segments.  INVALID: there are none; TOO_BIG: too
 * many, and then `*bytes` is 0, or too long.
 */
int vdrv__blk_sum(const struct vdrv_block_caps *caps,
                  const struct vdrv_block_request *req, uint64_t *bytes);

/* Logs why a request is refused, and returns INVALID. */
int vdrv__blk_refuse(const struct vdrv_virtio_blk *blk, const char *why,
                     uint64_t value);

/* vdrv_blk_setup.c */

int vdrv__blk_started(struct vdrv_driver *drv);
int vdrv__blk_refresh(struct vdrv_device *dev, uint32_t *changes);
int vdrv__blk_set_write_cache(struct vdrv_block *block, bool on);
int vdrv__blk_panic(struct vdrv_block *block);

#endif
