/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the GPU driver share: vdrv_gpu.c (life cycle and trait),
 * vdrv_gpu_cmd.c (commands, requests), vdrv_gpu_head.c (heads, modes, cursor).
 */
#ifndef VDRV_GPU_IMPL_H
#define VDRV_GPU_IMPL_H

#include <virtio_drv/virtio_gpu.h>

#include "../core/barrier.h"
#include "../core/mem.h"
#include "../spec/virtio_gpu.h"

#define VDRV__GPU_CONTROL 0u
#define VDRV__GPU_CURSOR  1u

/* An operation of the driver's own: brings pixels to the device unshown. */
#define VDRV__GPU_TRANSFER 100u
/* And two that are answered at length. */
#define VDRV__GPU_ASK_DISPLAY 101u
#define VDRV__GPU_ASK_EDID    102u

/* Pixels on a side, beyond which a size is taken for nonsense. */
#define VDRV__GPU_SIDE_MAX 16384u

/* Bytes of a slot: a command, and the answer behind the longest of them. */
#define VDRV__GPU_SLOT        128u
#define VDRV__GPU_ANSWER      96u
#define VDRV__GPU_CURSOR_SLOT 64u

_Static_assert(sizeof(struct virtio_gpu_set_scanout_blob) <= VDRV__GPU_ANSWER,
               "the longest command");
_Static_assert(sizeof(struct virtio_gpu_ctrl_hdr) <=
                   VDRV__GPU_SLOT - VDRV__GPU_ANSWER,
               "a short answer");

#define VDRV__GPU_CURSOR_BYTES ((size_t)64 * 64 * 4)

static inline struct vdrv_virtio_gpu *vdrv__gpu(const struct vdrv_display *dpy)
{
    return (struct vdrv_virtio_gpu *)(uintptr_t)dpy;
}

static inline struct vdrv_virtio_gpu *vdrv__gpu_of_driver(
    struct vdrv_driver *drv)
{
    return (struct vdrv_virtio_gpu *)(void *)drv->dev;
}

/*
 * What an answer means, from a private copy of its header: VDRV_OK when it is
 * the one expected, long enough and of this fence; IO or NO_MEMORY when the
 * device reports an error; otherwise PROTOCOL.  `type` is the command's, `len`
 * what the device says it wrote.
 */
int vdrv__gpu_validate_response(const struct virtio_gpu_ctrl_hdr *hdr,
                                uint32_t len, uint32_t type, uint64_t fence);

/* Bytes of shared memory, and the places in it. */
size_t vdrv__gpu_shared_size(const struct vdrv_virtio_gpu *gpu);
uint8_t *vdrv__gpu_long_answer(struct vdrv_virtio_gpu *gpu);
uint64_t vdrv__gpu_cursor_dma(const struct vdrv_virtio_gpu *gpu, uint32_t i,
                              uint8_t **cmd);

/* Makes all slots free. */
void vdrv__gpu_free_slots(struct vdrv_virtio_gpu *gpu);

/* As the trait's, for the library's framebuffers too. */
int vdrv__gpu_submit(struct vdrv_virtio_gpu *gpu,
                     struct vdrv_display_request *req);
int vdrv__gpu_execute(struct vdrv_virtio_gpu *gpu,
                      struct vdrv_display_request *req);
int vdrv__gpu_flush(struct vdrv_virtio_gpu *gpu, uint32_t head,
                    const struct vdrv_rect *rect);

/* A chain of the control queue came back. */
void vdrv__gpu_complete(struct vdrv_virtio_gpu *gpu, void *cookie, uint32_t len,
                        int err);

/* After a reset: the device knows no framebuffer any more. */
void vdrv__gpu_forget(struct vdrv_virtio_gpu *gpu);

/* Asks for all heads and their EDIDs; `*changed` when something is new. */
int vdrv__gpu_look(struct vdrv_virtio_gpu *gpu, bool *changed);

/* Shows the library's framebuffer on a head, in the mode its object has. */
int vdrv__gpu_show_own(struct vdrv_virtio_gpu *gpu, uint32_t head);
/* Gives its object a mode. */
void vdrv__gpu_shape(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb,
                     uint32_t head, uint32_t width, uint32_t height);

/* Operations of the trait that are not in vdrv_gpu.c. */
int vdrv__gpu_get_head(const struct vdrv_display *dpy, uint32_t head,
                       struct vdrv_display_head *out);
int vdrv__gpu_get_mode(const struct vdrv_display *dpy, uint32_t head,
                       uint32_t index, struct vdrv_display_mode *out);
int vdrv__gpu_get_edid(const struct vdrv_display *dpy, uint32_t head, void *buf,
                       size_t size);
int vdrv__gpu_set_mode(struct vdrv_display *dpy, uint32_t head, uint32_t width,
                       uint32_t height, struct vdrv_fb *fb);
int vdrv__gpu_set_cursor(struct vdrv_display *dpy, uint32_t head,
                         const void *image, uint32_t hot_x, uint32_t hot_y);
int vdrv__gpu_move_cursor(struct vdrv_display *dpy, uint32_t head, uint32_t x,
                          uint32_t y);
int vdrv__gpu_hide_cursor(struct vdrv_display *dpy, uint32_t head);

#endif
