/* SPDX-License-Identifier: MIT */
/*
 * The virtio block driver (VirtIO 1.4, 5.2): from a probed transport to a
 * struct vdrv_block.
 *
 *     static struct vdrv_mmio mmio;
 *     static struct vdrv_virtio_blk disk;
 *     static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 64, 16) / 8];
 *     struct vdrv_virtio_blk_config cfg = {0};
 *
 *     cfg.work = work;
 *     cfg.work_size = sizeof(work);
 *     cfg.queue_size = 64;
 *     err = vdrv_virtio_blk_init(&disk, &mmio.transport, &cfg);
 *     err = vdrv_block_read_block(&disk.block, 0, buf, 512);
 */
#ifndef VIRTIO_DRV_VIRTIO_BLK_H
#define VIRTIO_DRV_VIRTIO_BLK_H

#include <virtio_drv/block.h>
#include <virtio_drv/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_VIRTIO_BLK_ID 2u /* the virtio device type */

/* Queues that one driver object has room for. */
#define VDRV_VIRTIO_BLK_QUEUES_MAX 8u

/*
 * Zoned disks (5.2.6): a configuration that names it has the ZONE_* operations
 * on disks that are zoned; without it the code is not linked, a host-aware
 * disk is driven as an ordinary one, and a host-managed one is UNSUPPORTED.
 */
struct vdrv_virtio_blk_zones;
extern const struct vdrv_virtio_blk_zones vdrv_virtio_blk_zones;

/* All zero is the default, but for the work area. */
struct vdrv_virtio_blk_config {
    void *work;          /* CPU memory, aligned as uint64_t; the driver's */
    size_t work_size;    /* until fini; at least ..._work_size() bytes */
    uint32_t queue_size; /* entries; 0: 128; at least 4; rounded down to a
                            power of two; never above the device's */
    uint32_t queues;     /* 0: 1; never above the device's */
    uint32_t max_segs;   /* data segments of one request; 0: 16; never above
                            the device's seg_max, or queue_size - 2 */
    uint32_t timeout_us; /* of blocking calls; 0: 30 s */
    uint32_t vectors;    /* interrupt vectors to use, when the transport has
                            some; 0: a line.  See vdrv_driver_use_vectors() */
    const struct vdrv_queue_kind *packed;      /* NULL: split rings only */
    const struct vdrv_queue_kind *in_order;    /* as in vdrv_queue_config */
    const struct vdrv_virtio_blk_zones *zones; /* NULL: no zoned disks */
    uint8_t require_platform; /* refuse a device without ACCESS_PLATFORM */
    uint8_t no_indirect;
    uint8_t no_event_idx;
    uint8_t queue_reset; /* vdrv_reset_queue() works, on the device's word:
                            not for QEMU 7.2, which goes on writing */
    uint8_t suspend;     /* accept VIRTIO_F_SUSPEND, for vdrv_suspend() */
};

struct vdrv_virtio_blk_slot;

/* Private state of one request queue beside its ring. */
struct vdrv_virtio_blk_lane {
    struct vdrv_driver_queue *dq; /* the ring */
    struct vdrv_virtio_blk_slot *free;
    struct vdrv_virtio_blk_slot *slot;
    uint8_t *shared;        /* what its slots share with the device, */
    uint64_t shared_offset; /* and from there to its device address */
    struct vdrv_seg *seg;   /* of the request being submitted */
    uint64_t earliest;      /* no deadline is before it */
    uint32_t timed;         /* requests with a deadline */
};

/* Caller-allocated.  `block` is for the trait; the rest is private. */
struct vdrv_virtio_blk {
    struct vdrv_block block;
    struct vdrv_driver drv;
    struct vdrv_driver_queue queue[VDRV_VIRTIO_BLK_QUEUES_MAX];
    struct vdrv_virtio_blk_lane lane[VDRV_VIRTIO_BLK_QUEUES_MAX];
    struct vdrv_driver_vector vector[VDRV_VIRTIO_BLK_QUEUES_MAX + 1u];
    uint8_t *shared; /* headers, ranges and status bytes of all slots */
    uint64_t shared_dma;
    size_t shared_size;
    const struct vdrv_virtio_blk_zones *zones; /* NULL: not zoned */
    uint32_t sector_shift; /* sectors in a block, as a power of two */
    uint32_t plain_ops;    /* 2: reads and writes may be plain; 1: reads */
    uint32_t plain_max;    /* blocks of a plain one, at most */
    uint32_t cache_wish;   /* 0: none; 1: through; 2: back */
    uint32_t size[4];      /* num_blocks where 64 bits are read in halves: */
    uint32_t size_turn; /* 2 * (turn % 2) is where it begins, low half first */
    struct vdrv_block_caps caps;
};

/* An upper bound of the work area, for static memory. */
#define VDRV_VIRTIO_BLK_WORK_SIZE(queues, queue_size, max_segs)                \
    ((size_t)(queues) * (VDRV_QUEUE_WORK_SIZE(queue_size, (max_segs) + 2u) +   \
                         (size_t)(queue_size)*24u +                            \
                         ((size_t)(max_segs) + 2u) * sizeof(struct vdrv_seg)))

/*
 * The exact size for this device and configuration, after a probe: queues and
 * queue sizes that the device does not have are not counted.  0: `t` or `cfg`
 * is NULL, cfg->queue_size is 1 to 3, or the device has no queue. [alone]
 */
size_t vdrv_virtio_blk_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_blk_config *cfg);

/*
 * Initialises the device and the object: after VDRV_OK `&blk->block` is a
 * disk.  `blk` need not be zeroed; `t` must outlive it.  On an error nothing
 * is kept: all memory is freed and the device was told.  (STUCK excepted: it
 * did not confirm the reset, so its memory stays allocated and `t` claimed,
 * until vdrv_virtio_blk_fini() succeeds.)
 * INVALID: NULL, wrong API level or sizes, misaligned work area, a queue_size
 * of 1 to 3, a HAL without its required members or with a dma_alloc that
 * ignores the alignment.  NO_DEVICE: not a block device, or it went away.
 * NO_MEMORY: work area too small (the log says by how much) or dma_alloc
 * failed.  UNSUPPORTED: the device refuses the features, or lacks a required
 * one.  PROTOCOL: its configuration or queues make no sense.  BUSY: a driver
 * stands on the transport already; that may be this object, which goes on
 * undisturbed.  AGAIN: its configuration keeps changing while it is read.
 * TIMEOUT: it did not finish its first reset, and was told of no memory.
 * BAD_STATE: it asks for a reset. [alone]
 */
int vdrv_virtio_blk_init_sized(struct vdrv_virtio_blk *blk,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_blk_config *cfg,
                               uint32_t api_level, size_t blk_size,
                               size_t cfg_size);

static inline int vdrv_virtio_blk_init(struct vdrv_virtio_blk *blk,
                                       struct vdrv_transport *t,
                                       const struct vdrv_virtio_blk_config *cfg)
{
    return vdrv_virtio_blk_init_sized(blk, t, cfg, VDRV_API_LEVEL, sizeof(*blk),
                                      sizeof(*cfg));
}

/*
 * Stops the device, ends every request with ABORTED, and frees all memory.
 * Twice is OK.  STUCK: the device did not confirm the reset; nothing was
 * freed, and it may be called again.  BUSY: called from a callback. [alone]
 */
int vdrv_virtio_blk_fini(struct vdrv_virtio_blk *blk);

#ifdef __cplusplus
}
#endif

#endif
