/* SPDX-License-Identifier: MIT */
/* This library's ring, for bench_ring.c. */
#include <stdlib.h>

#include <virtio_drv/queue.h>

#include "bench_device.h"
#include "bench_ring.h"

static char header[BENCH_BATCH_MAX][16], data[4096];
static unsigned char status[BENCH_BATCH_MAX];
static struct vdrv_transport transport;
static void *work;

#define COUNTED __attribute__((noinline))

/* In a section of its own, by which a trace of addresses tells it apart. */
#define ADDING __attribute__((noinline, section("bench_adding")))

ADDING int drv_add1(void *q, unsigned i);
ADDING int drv_add2(void *q, unsigned i);
ADDING int drv_add3(void *q, unsigned i);
COUNTED int drv_kick(void *q);
COUNTED int drv_reap(void *q);

int drv_add1(void *q, unsigned i)
{
    struct vdrv_seg seg = vdrv_seg_out(header[i], 16);

    return vdrv_queue_add(q, &seg, 1, 0, header[i]);
}

int drv_add2(void *q, unsigned i)
{
    struct vdrv_seg seg[2];

    seg[0] = vdrv_seg_out(header[i], 16);
    seg[1] = vdrv_seg_out(data, 1514);
    return vdrv_queue_add(q, seg, 2, 0, header[i]);
}

int drv_add3(void *q, unsigned i)
{
    struct vdrv_seg seg[3];

    seg[0] = vdrv_seg_out(header[i], 16);
    seg[1] = vdrv_seg_in(data, sizeof(data));
    seg[2] = vdrv_seg_in(&status[i], 1);
    return vdrv_queue_add(q, seg, 1, 2, header[i]);
}

int drv_kick(void *q)
{
    return vdrv_queue_kick(q);
}

int drv_reap(void *q)
{
    static struct vdrv_used used[BENCH_BATCH_MAX];

    return vdrv_queue_reap(q, used, BENCH_BATCH_MAX);
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void *make(const struct bench_case *c)
{
    static struct vdrv_queue q;
    struct vdrv_queue_config cfg = {
        .vector = VDRV_NO_VECTOR,
        .indirect = c->indirect ? 4 : 0,
        .packed =
            c->in_order ? &vdrv_queue_packed_in_order : &vdrv_queue_packed,
        .in_order = &vdrv_queue_split_in_order,
    };

    vdrv_queue_fini(&q);
    free(work);
    bench_features = BENCH_VERSION1 | (c->packed ? BENCH_PACKED : 0) |
                     (c->event ? BENCH_EVENT : 0) |
                     (c->indirect ? BENCH_INDIRECT : 0) |
                     (c->in_order ? BENCH_IN_ORDER : 0);
    bench_merge = c->merged;
    bench_transport(&transport, 0, c->size);
    if (c->mapped)
        transport.hal = &bench_hal_mapped;
    cfg.work_size = vdrv_queue_work_size(transport.hal, c->size, cfg.indirect);
    cfg.work = work = malloc(cfg.work_size);
    must(work != NULL && vdrv_queue_init(&q, &transport, &cfg) == VDRV_OK);
    must(vdrv_queue_arm(&q, VDRV_ARM_OFF) == 0);
    return &q;
}

const struct bench_driver bench_ours = {
    .make = make,
    .add = {drv_add1, drv_add2, drv_add3},
    .kick = drv_kick,
    .reap = drv_reap,
};
