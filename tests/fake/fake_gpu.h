/* SPDX-License-Identifier: MIT */
/*
 * A virtio GPU, 2D (VirtIO 1.4, 5.7).  It keeps resources as the text says,
 * copies what is transferred, and shows what is flushed: a test reads the
 * picture of a scanout pixel by pixel.
 */
#ifndef FAKE_GPU_H
#define FAKE_GPU_H

#include "fake_virtio.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_GPU_F_VIRGL          0u
#define FAKE_GPU_F_EDID           1u
#define FAKE_GPU_F_RESOURCE_BLOB  3u
#define FAKE_GPU_F_BLOB_ALIGNMENT 5u

/* Commands. */
#define FAKE_GPU_GET_DISPLAY_INFO 0x100u
#define FAKE_GPU_CREATE_2D        0x101u
#define FAKE_GPU_UNREF            0x102u
#define FAKE_GPU_SET_SCANOUT      0x103u
#define FAKE_GPU_FLUSH            0x104u
#define FAKE_GPU_TRANSFER_2D      0x105u
#define FAKE_GPU_ATTACH_BACKING   0x106u
#define FAKE_GPU_DETACH_BACKING   0x107u
#define FAKE_GPU_GET_EDID         0x10Au
#define FAKE_GPU_CREATE_BLOB      0x10Cu
#define FAKE_GPU_SET_SCANOUT_BLOB 0x10Du
#define FAKE_GPU_UPDATE_CURSOR    0x300u
#define FAKE_GPU_MOVE_CURSOR      0x301u
#define FAKE_GPU_ANY              UINT32_MAX /* for faults */

/* Responses. */
#define FAKE_GPU_OK_NODATA         0x1100u
#define FAKE_GPU_OK_DISPLAY_INFO   0x1101u
#define FAKE_GPU_OK_EDID           0x1104u
#define FAKE_GPU_ERR_UNSPEC        0x1200u
#define FAKE_GPU_ERR_OUT_OF_MEMORY 0x1201u
#define FAKE_GPU_ERR_SCANOUT       0x1202u
#define FAKE_GPU_ERR_RESOURCE      0x1203u
#define FAKE_GPU_ERR_CONTEXT       0x1204u
#define FAKE_GPU_ERR_PARAMETER     0x1205u

#define FAKE_GPU_SCANOUTS   16u
#define FAKE_GPU_RESOURCES  64u
#define FAKE_GPU_EDID       1024u
#define FAKE_GPU_FAULTS     8u
#define FAKE_GPU_FLAG_FENCE 1u

struct fake_gpu_rect {
    uint32_t x, y, w, h;
};

struct fake_gpu_entry {
    uint64_t dma;
    uint32_t len;
};

struct fake_gpu_resource {
    uint32_t id;   /* 0: free */
    bool blob;     /* no format, no picture of its own: memory that is shown */
    uint64_t size; /* of a blob, bytes */
    uint32_t format, width, height;
    uint8_t *data; /* 4 bytes a pixel, in its format; NULL for a blob */
    struct fake_gpu_entry *entry;
    uint32_t entries;
    bool backed;
    uint32_t transfers, flushes;
};

struct fake_gpu_scanout {
    uint32_t width, height; /* what the display would like */
    bool enabled;           /* a display is there */
    uint8_t edid[FAKE_GPU_EDID];
    uint32_t edid_size;
    /* What the driver shows. */
    uint32_t resource; /* 0: nothing */
    struct fake_gpu_rect rect;
    /* Of a blob, as the driver has described it. */
    uint32_t blob_format, blob_width, blob_height, stride, offset;
    uint32_t *picture; /* 0xRRGGBB, rect.w * rect.h; after a flush */
    uint32_t flushes;
    struct fake_gpu_rect last_flush; /* in the resource */
};

struct fake_gpu_cursor {
    uint32_t scanout, x, y, resource, hot_x, hot_y;
    uint32_t updates, moves;
    uint32_t picture[64 * 64]; /* as the resource has it: 0xAARRGGBB */
};

struct fake_gpu_fault {
    uint32_t type;      /* command, or FAKE_GPU_ANY */
    uint32_t skip;      /* so many of it pass first */
    uint32_t count;     /* so many are hit; 0: all */
    uint32_t response;  /* response type instead; 0: the right one */
    uint64_t fence_add; /* added to the fence id in the answer */
    bool no_fence;      /* the answer lacks the fence flag */
    bool silent;        /* nothing is written */
    int64_t len;        /* used length; -1: the right one */
};

struct fake_gpu_config {
    uint32_t scanouts; /* 0: 1 */
    uint32_t enabled;  /* displays that are there; 0: 1, UINT32_MAX: none */
    uint32_t width, height; /* of each; 0: 640 x 480 */
    bool no_edid;
    bool blob;           /* offers RESOURCE_BLOB */
    uint32_t blob_align; /* and BLOB_ALIGNMENT, unless 0 */
    uint64_t memory;     /* bytes for resources; 0: 256 MiB */
    uint32_t queue_max;  /* 0: 64 */
};

struct fake_gpu {
    struct fake_dev dev; /* first */
    struct fake_gpu_config cfg;
    struct fake_gpu_scanout scanout[FAKE_GPU_SCANOUTS];
    struct fake_gpu_resource resource[FAKE_GPU_RESOURCES];
    struct fake_gpu_cursor cursor;
    uint64_t memory_used;
    uint32_t commands[0x400]; /* by command */
    uint32_t errors;          /* answers that were ERR_* */
    uint32_t last_error;
    struct fake_gpu_fault fault[FAKE_GPU_FAULTS];
    uint32_t n_faults;
};

void fake_gpu_init(struct fake_gpu *g, struct fake *f,
                   const struct fake_gpu_config *cfg);
void fake_gpu_fini(struct fake_gpu *g);

/* The pixel that a scanout shows, as 0xRRGGBB; 0 where it shows nothing. */
uint32_t fake_gpu_pixel(const struct fake_gpu *g, uint32_t scanout, uint32_t x,
                        uint32_t y);
/* Resources that exist. */
uint32_t fake_gpu_resources(const struct fake_gpu *g);
/* A resource by its id, or NULL. */
struct fake_gpu_resource *fake_gpu_find(struct fake_gpu *g, uint32_t id);

/* A display changes (0 x 0: is unplugged), with an event. */
void fake_gpu_resize(struct fake_gpu *g, uint32_t scanout, uint32_t width,
                     uint32_t height);

void fake_gpu_plan(struct fake_gpu *g, struct fake_gpu_fault fault);
void fake_gpu_faults_clear(struct fake_gpu *g);

/* A valid EDID base block whose preferred mode is width x height. */
void fake_gpu_edid(uint8_t *edid, uint32_t width, uint32_t height);

#ifdef __cplusplus
}
#endif

#endif
