/* SPDX-License-Identifier: MIT */
/*
 * A doorbell that is plain memory: what kick writes there, byte by byte, and
 * nothing beside it.  The transport is this file's own, for the fakes see
 * registers through the HAL's accessors, and there kick goes another way.
 */
#include "check.h"
#include <stdlib.h>
#include <virtio_drv/queue.h>

#define SIZE 8u

static uint8_t door[16];
static struct vdrv_notify bell;

static uint32_t queue_max(struct vdrv_transport *t, uint32_t queue)
{
    (void)t;
    (void)queue;
    return SIZE;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify)
{
    (void)t;
    (void)queue;
    (void)area;
    *notify = bell;
    return VDRV_OK;
}

static void *alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                   uint32_t flags, uint64_t *dma)
{
    void *p = aligned_alloc(align, (size + align - 1) / align * align);

    (void)ctx;
    (void)limit;
    (void)flags;
    *dma = (uintptr_t)p;
    return p;
}

static void release(void *ctx, void *ptr, uint64_t dma, size_t size,
                    uint32_t flags)
{
    (void)ctx;
    (void)dma;
    (void)size;
    (void)flags;
    free(ptr);
}

static const struct vdrv_transport_ops ops = {
    .queue_max = queue_max,
    .queue_enable = queue_enable,
};

static void kick_once(const struct vdrv_queue_kind *ring,
                      const struct vdrv_queue_kind *packed, uint32_t width)
{
    static uint64_t work[VDRV_QUEUE_WORK_SIZE(SIZE, 0) / 8];
    const struct vdrv_hal hal = {
        .dma_alloc = alloc, .dma_free = release, .direct_size = UINT64_MAX};
    const struct vdrv_queue_config cfg = {.vector = VDRV_NO_VECTOR,
                                          .packed = packed,
                                          .work = work,
                                          .work_size = sizeof(work)};
    struct vdrv_transport t = {
        .ops = &ops, .hal = &hal, .ring = ring, .dma_limit = UINT64_MAX};
    struct vdrv_seg seg = vdrv_seg_out(&hal, 4);
    struct vdrv_queue q;

    if (packed != NULL)
        t.features[0] = UINT64_C(1) << 34;
    bell = (struct vdrv_notify){.addr = (uintptr_t)(door + 8),
                                .space = VDRV_SPACE_MEMORY,
                                .width = width,
                                .value = 0x0102};
    memset(door, 0xee, sizeof(door));
    CHECK_EQ(vdrv_queue_init(&q, &t, &cfg), VDRV_OK);
    CHECK_EQ(vdrv_queue_add(&q, &seg, 1, 0, &q), VDRV_OK);
    CHECK_EQ(vdrv_queue_kick(&q), 1);
    /* 4.1.3, 4.2.2, 4.1.4.10: little-endian, of legacy devices too. */
    for (unsigned i = 0; i < sizeof(door); i++)
        CHECK_EQ(door[i], i == 8                     ? 0x02
                          : i == 9                   ? 0x01
                          : i >= 10 && i < 8 + width ? 0
                                                     : 0xee);
    vdrv_queue_fini(&q);
}

static void test_bytes(void)
{
    for (uint32_t width = 2; width <= 4; width += 2) {
        kick_once(NULL, NULL, width);
        kick_once(&vdrv_queue_legacy, NULL, width);
        kick_once(NULL, &vdrv_queue_packed, width);
    }
}

static const struct check_case cases[] = {
    {"doorbell_bytes", test_bytes},
};

CHECK_MAIN(cases)
