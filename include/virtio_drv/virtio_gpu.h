/* SPDX-License-Identifier: MIT */
/*
 * The virtio GPU driver (VirtIO 1.4, 5.7), two-dimensional: from a probed
 * transport to a struct vdrv_display.
 *
 *     static struct vdrv_mmio mmio;
 *     static struct vdrv_virtio_gpu gpu;
 *     static uint64_t work[VDRV_VIRTIO_GPU_WORK_SIZE(1, 64) / 8];
 *     struct vdrv_virtio_gpu_config cfg = {0};
 *
 *     cfg.work = work;
 *     cfg.work_size = sizeof(work);
 *     err = vdrv_virtio_gpu_init(&gpu, &mmio.transport, &cfg);
 *     fb = vdrv_display_fb(&gpu.display, 0);
 *     memset(fb->base, 0xff, (size_t)fb->pitch * fb->height);
 *     err = vdrv_display_flush(&gpu.display, 0);
 *
 * Every command carries a fence, so an answer is never early, and one that is
 * stale is recognised.
 *
 * vdrv_refresh() uses queue 0, under that queue's rule of one caller.
 * vdrv_stop() takes the caller's framebuffers back: they are then detached.
 * vdrv_start() shows the library's again, with what was last drawn and in the
 * mode that was last set.
 */
#ifndef VIRTIO_DRV_VIRTIO_GPU_H
#define VIRTIO_DRV_VIRTIO_GPU_H

#include <virtio_drv/display.h>
#include <virtio_drv/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_VIRTIO_GPU_ID 16u /* the virtio device type */

#define VDRV_VIRTIO_GPU_CURSOR_SLOTS 16u /* moves in flight */

/* All zero is the default, but for the work area. */
struct vdrv_virtio_gpu_config {
    void *work;          /* CPU memory, aligned as uint64_t; the driver's */
    size_t work_size;    /* until fini; at least ..._work_size() bytes */
    uint32_t queue_size; /* entries; 0: 64; never above the device's */
    uint32_t heads;      /* 0: 1; never above the device's */
    uint32_t width;      /* mode of a head for which the host suggests none */
    uint32_t height;     /* that makes sense; 0: 1024 x 768 */
    uint32_t max_width;  /* that the library's framebuffers have room for, on */
    uint32_t max_height; /* each head; a larger mode is cut.  0: the mode found
                            at init, of the heads that are enabled then */
    uint32_t format;     /* VDRV_FORMAT_* of the library's framebuffers */
    uint32_t max_runs;   /* contiguous runs of one framebuffer; 0: 16 */
    uint32_t timeout_us; /* of blocking calls; 0: 5 s */
    uint32_t vectors;    /* interrupt vectors to use, when the transport has
                            some; 0: a line.  See vdrv_driver_use_vectors() */
    const struct vdrv_queue_kind *packed;   /* NULL: split rings only */
    const struct vdrv_queue_kind *in_order; /* as in vdrv_queue_config */
    uint8_t fixed_mode;     /* width x height, whatever the host suggests */
    uint8_t no_framebuffer; /* the caller brings all memory */
    uint8_t cursor;         /* reserve a cursor image (16 KiB) for each head */
    uint8_t share; /* the library's framebuffers are VDRV_FB_SHARED, where the
                      device can */
    uint8_t no_share; /* do without: caps.can_share will be 0 */
    uint8_t no_edid;
    uint8_t require_platform; /* refuse a device without ACCESS_PLATFORM */
    uint8_t no_indirect;
    uint8_t no_event_idx;
    uint8_t suspend; /* accept VIRTIO_F_SUSPEND, for vdrv_suspend() */
};

/* Private: a command that the device has, or a free one. */
struct vdrv_virtio_gpu_slot {
    struct vdrv_display_request *req; /* NULL: free, or orphaned */
    uint64_t fence;                   /* expected in the answer */
    uint32_t type;                    /* of the command */
    uint32_t next;                    /* free list */
};

/* Private: a head. */
struct vdrv_virtio_gpu_head {
    struct vdrv_display_head seen;
    struct vdrv_edid *edid; /* in the work area */
    uint8_t *raw;           /* so too, VDRV_EDID_SIZE_MAX bytes */
    struct vdrv_fb *fb;     /* shown */
    struct vdrv_rect rect;
    struct vdrv_rect next_rect; /* of the SCANOUT in flight */
    uint32_t moving;            /* there is one */
    uint32_t keep;              /* start shows the library's framebuffer */
    struct vdrv_fb own[2];      /* the library's, before and after set_mode */
    uint32_t now;               /* which of them */
    uint32_t cursor_shown;
    uint32_t cursor_at[2];
    struct vdrv_fb cursor;
    struct vdrv_seg own_seg;
    struct vdrv_seg cursor_seg;
    uint8_t *memory; /* of own, and behind it of cursor */
    uint64_t memory_dma;
    size_t memory_size;
    size_t own_size;
};

/* Caller-allocated.  `display` is for the trait; the rest is private. */
struct vdrv_virtio_gpu {
    struct vdrv_display display;
    struct vdrv_driver drv;
    struct vdrv_driver_queue queue[2];
    struct vdrv_driver_vector vector[3];
    struct vdrv_virtio_gpu_head head[VDRV_DISPLAY_HEADS_MAX];
    uint32_t heads;
    uint32_t dma_flags;
    struct vdrv_virtio_gpu_slot *slot;
    uint32_t depth; /* commands at once */
    uint32_t free_slot;
    uint32_t free_slots;
    uint32_t next_id; /* of resources; never 0 */
    uint64_t next_fence;
    int32_t room;         /* status that a waiter for room watches */
    uint32_t attaching;   /* the list of runs is in use */
    uint32_t answer_len;  /* of the last long answer */
    uint32_t cursor_busy; /* moves in flight, one bit each */
    uint32_t cursor_depth;
    uint32_t reserved;
    struct vdrv_fb *attached; /* by the device; a list */
    uint8_t *shared;          /* commands and answers, list of runs */
    uint64_t shared_dma;
    size_t shared_size;
    struct vdrv_virtio_gpu_config cfg;
    struct vdrv_display_caps caps;
};

/* An upper bound of the work area, for static memory. */
#define VDRV_VIRTIO_GPU_WORK_SIZE(heads, queue_size)                           \
    (VDRV_QUEUE_WORK_SIZE(queue_size, 2) +                                     \
     VDRV_QUEUE_WORK_SIZE(VDRV_VIRTIO_GPU_CURSOR_SLOTS, 2) +                   \
     (size_t)(queue_size) * sizeof(struct vdrv_virtio_gpu_slot) +              \
     (size_t)(heads) * (VDRV_EDID_SIZE_MAX + sizeof(struct vdrv_edid)))

/*
 * The exact size for this device and configuration, after a probe: heads and
 * queue entries that the device does not have are not counted.  0: `t` or
 * `cfg` is NULL, or the device has no queue. [alone]
 */
size_t vdrv_virtio_gpu_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_gpu_config *cfg);

/*
 * Initialises the device and the object: after VDRV_OK `&gpu->display` is a
 * display, and each enabled head shows a black framebuffer of the library's.
 * Where no head is enabled, the first one shows it all the same.  `gpu` need
 * not be zeroed; `t` must outlive it.  On an error nothing is kept: all memory
 * is freed and the device was told (STUCK excepted).
 * INVALID: NULL, wrong API level or sizes, misaligned work area, a format or a
 * maximum that makes no sense, a HAL without its required members.  NO_DEVICE:
 * not a GPU, or it went away.  NO_MEMORY: work area too small (the log says by
 * how much), dma_alloc failed, or the device has no memory for the picture.
 * UNSUPPORTED: the device refuses the features, or lacks a required one.
 * PROTOCOL: its configuration, queues or answers make no sense.  IO: it
 * refused a command.  BUSY: a driver stands on the transport already.
 * TIMEOUT, BAD_STATE, STUCK: as for vdrv_start(). [alone]
 */
int vdrv_virtio_gpu_init_sized(struct vdrv_virtio_gpu *gpu,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_gpu_config *cfg,
                               uint32_t api_level, size_t gpu_size,
                               size_t cfg_size);

static inline int vdrv_virtio_gpu_init(struct vdrv_virtio_gpu *gpu,
                                       struct vdrv_transport *t,
                                       const struct vdrv_virtio_gpu_config *cfg)
{
    return vdrv_virtio_gpu_init_sized(gpu, t, cfg, VDRV_API_LEVEL, sizeof(*gpu),
                                      sizeof(*cfg));
}

/*
 * Stops the device, ends every request with ABORTED, and frees all memory.
 * Twice is OK.  STUCK: the device did not confirm the reset; nothing was
 * freed, and it may be called again.  BUSY: called from a callback. [alone]
 */
int vdrv_virtio_gpu_fini(struct vdrv_virtio_gpu *gpu);

#ifdef __cplusplus
}
#endif

#endif
