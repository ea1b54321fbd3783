/* SPDX-License-Identifier: MIT */
/*
 * The split virtqueue of legacy devices (VirtIO 1.4, 2.7.2 and 2.7.3): the
 * same ring, but in one block of pages, and in the CPU's byte order.  On a
 * little-endian CPU only the layout is another; on a big-endian one the ring's
 * source is compiled a second time, without its swaps.
 */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define VDRV__NATIVE_ORDER
#define vdrv_queue_split vdrv__queue_native
#include "vdrv_split.c"
#undef vdrv_queue_split
#else
#include <virtio_drv/queue.h>
#define vdrv__queue_native vdrv_queue_split
#endif

#include "../spec/virtio_legacy.h"

static size_t up(size_t n)
{
    return (n + VIRTIO_LEGACY_ALIGN - 1) & ~(size_t)(VIRTIO_LEGACY_ALIGN - 1);
}

/* 2.7.2, whose ALIGN() must take the alignment minus 1 for a mask. */
static size_t legacy_layout(uint32_t size, size_t part[3])
{
    part[0] = 0;
    part[1] = 16 * (size_t)size;
    part[2] = up(part[1] + 2 * (3 + (size_t)size));
    return part[2] + up(6 + 8 * (size_t)size);
}

static void legacy_reset(struct vdrv_queue *q)
{
    vdrv__queue_native.reset(q);
}

static int legacy_arm(struct vdrv_queue *q, uint32_t mode)
{
    return vdrv__queue_native.arm(q, mode);
}

static uint32_t legacy_room(const struct vdrv_queue *q)
{
    return vdrv__queue_native.room(q);
}

static bool legacy_pending(const struct vdrv_queue *q)
{
    return vdrv__queue_native.pending(q);
}

static void legacy_unmap(struct vdrv_queue *q, uint32_t number)
{
    vdrv__queue_native.unmap(q, number);
}

const struct vdrv_queue_kind vdrv_queue_legacy = {
    .name = "legacy",
    .layout = legacy_layout,
    .reset = legacy_reset,
    .arm = legacy_arm,
    .pending = legacy_pending,
    .room = legacy_room,
    .unmap = legacy_unmap,
    .align = VIRTIO_LEGACY_ALIGN,
    .lenient = 1,
};
