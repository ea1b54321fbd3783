/* SPDX-License-Identifier: MIT */
/* The GPU device: configuration, commands and answers (VirtIO 1.4, 5.7). */
#ifndef VDRV_SPEC_VIRTIO_GPU_H
#define VDRV_SPEC_VIRTIO_GPU_H

#include <stddef.h>

#include "../core/bytes.h"

/* 5.7.3 */
#define VIRTIO_GPU_F_VIRGL          0
#define VIRTIO_GPU_F_EDID           1
#define VIRTIO_GPU_F_RESOURCE_UUID  2
#define VIRTIO_GPU_F_RESOURCE_BLOB  3
#define VIRTIO_GPU_F_CONTEXT_INIT   4
#define VIRTIO_GPU_F_BLOB_ALIGNMENT 5

/* 5.7.4 */
struct virtio_gpu_config {
    struct le32 events_read;
    struct le32 events_clear;
    struct le32 num_scanouts;
    struct le32 num_capsets;
    struct le32 blob_alignment;
};

#define VIRTIO_GPU_EVENT_DISPLAY 1u

#define VIRTIO_GPU_MAX_SCANOUTS 16u

/* 5.7.6.7 */
#define VIRTIO_GPU_CMD_GET_DISPLAY_INFO        0x0100u
#define VIRTIO_GPU_CMD_RESOURCE_CREATE_2D      0x0101u
#define VIRTIO_GPU_CMD_RESOURCE_UNREF          0x0102u
#define VIRTIO_GPU_CMD_SET_SCANOUT             0x0103u
#define VIRTIO_GPU_CMD_RESOURCE_FLUSH          0x0104u
#define VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D     0x0105u
#define VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING 0x0106u
#define VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING 0x0107u
#define VIRTIO_GPU_CMD_GET_EDID                0x010au
#define VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB    0x010cu
#define VIRTIO_GPU_CMD_SET_SCANOUT_BLOB        0x010du

#define VIRTIO_GPU_CMD_UPDATE_CURSOR 0x0300u
#define VIRTIO_GPU_CMD_MOVE_CURSOR   0x0301u

#define VIRTIO_GPU_RESP_OK_NODATA       0x1100u
#define VIRTIO_GPU_RESP_OK_DISPLAY_INFO 0x1101u
#define VIRTIO_GPU_RESP_OK_EDID         0x1104u

#define VIRTIO_GPU_RESP_ERR_UNSPEC        0x1200u
#define VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY 0x1201u
#define VIRTIO_GPU_RESP_ERR_LAST          0x12ffu

#define VIRTIO_GPU_FLAG_FENCE 1u

struct virtio_gpu_ctrl_hdr {
    struct le32 type;
    struct le32 flags;
    struct le64 fence_id;
    struct le32 ctx_id;
    uint8_t ring_idx;
    uint8_t padding[3];
};

struct virtio_gpu_rect {
    struct le32 x;
    struct le32 y;
    struct le32 width;
    struct le32 height;
};

struct virtio_gpu_display_one {
    struct virtio_gpu_rect r;
    struct le32 enabled;
    struct le32 flags;
};

struct virtio_gpu_resp_display_info {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_display_one pmodes[VIRTIO_GPU_MAX_SCANOUTS];
};

struct virtio_gpu_get_edid {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 scanout;
    struct le32 padding;
};

struct virtio_gpu_resp_edid {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 size;
    struct le32 padding;
    uint8_t edid[1024];
};

#define VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM 1u
#define VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM 2u
#define VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM 3u
#define VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM 4u
#define VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM 67u
#define VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM 68u
#define VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM 121u
#define VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM 134u

struct virtio_gpu_resource_create_2d {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 resource_id;
    struct le32 format;
    struct le32 width;
    struct le32 height;
};

/* RESOURCE_UNREF and RESOURCE_DETACH_BACKING. */
struct virtio_gpu_resource_unref {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 resource_id;
    struct le32 padding;
};

struct virtio_gpu_set_scanout {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_rect r;
    struct le32 scanout_id;
    struct le32 resource_id;
};

struct virtio_gpu_resource_flush {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_rect r;
    struct le32 resource_id;
    struct le32 padding;
};

struct virtio_gpu_transfer_to_host_2d {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_rect r;
    struct le64 offset;
    struct le32 resource_id;
    struct le32 padding;
};

struct virtio_gpu_resource_attach_backing {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 resource_id;
    struct le32 nr_entries;
};

struct virtio_gpu_mem_entry {
    struct le64 addr;
    struct le32 length;
    struct le32 padding;
};

#define VIRTIO_GPU_BLOB_MEM_GUEST          1u
#define VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE 2u

struct virtio_gpu_resource_create_blob {
    struct virtio_gpu_ctrl_hdr hdr;
    struct le32 resource_id;
    struct le32 blob_mem;
    struct le32 blob_flags;
    struct le32 nr_entries;
    struct le64 blob_id;
    struct le64 size;
};

struct virtio_gpu_set_scanout_blob {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_rect r;
    struct le32 scanout_id;
    struct le32 resource_id;
    struct le32 width;
    struct le32 height;
    struct le32 format;
    struct le32 padding;
    struct le32 strides[4];
    struct le32 offsets[4];
};

/* 5.7.6.10 */
struct virtio_gpu_cursor_pos {
    struct le32 scanout_id;
    struct le32 x;
    struct le32 y;
    struct le32 padding;
};

struct virtio_gpu_update_cursor {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_cursor_pos pos;
    struct le32 resource_id;
    struct le32 hot_x;
    struct le32 hot_y;
    struct le32 padding;
};

_Static_assert(sizeof(struct virtio_gpu_config) == 20, "5.7.4");
_Static_assert(offsetof(struct virtio_gpu_config, num_scanouts) == 8, "5.7.4");
_Static_assert(sizeof(struct virtio_gpu_ctrl_hdr) == 24, "5.7.6.7");
_Static_assert(offsetof(struct virtio_gpu_ctrl_hdr, fence_id) == 8, "5.7.6.7");
_Static_assert(sizeof(struct virtio_gpu_rect) == 16, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_display_one) == 24, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_display_info) == 408, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_get_edid) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resp_edid) == 1056, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_create_2d) == 40, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_unref) == 32, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_set_scanout) == 48, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_flush) == 48, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_transfer_to_host_2d) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_attach_backing) == 32,
               "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_mem_entry) == 16, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_resource_create_blob) == 56, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_set_scanout_blob) == 96, "5.7.6.8");
_Static_assert(sizeof(struct virtio_gpu_update_cursor) == 56, "5.7.6.10");

#endif
