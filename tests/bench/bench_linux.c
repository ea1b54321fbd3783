/* SPDX-License-Identifier: MIT */
/*
 * Linux's ring, for bench_ring.c: its drivers/virtio/virtio_ring.c as it is,
 * compiled in user space through the headers of its own tools/virtio.  There,
 * mapping an address is a cast, and the allocation of an indirect table is
 * malloc(), as all of which is counted.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_types.h>

#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "bench_device.h"
#include "bench_ring.h"

#define COUNTED __attribute__((noinline))

COUNTED int drv_linux_add1(void *vq, unsigned i);
COUNTED int drv_linux_add2(void *vq, unsigned i);
COUNTED int drv_linux_add3(void *vq, unsigned i);
COUNTED int drv_linux_kick(void *vq);
COUNTED int drv_linux_reap(void *vq);

/* tools/virtio's headers declare neither these three nor define the others. */
dma_addr_t virtqueue_get_desc_addr(struct virtqueue *);
dma_addr_t virtqueue_get_avail_addr(struct virtqueue *);
dma_addr_t virtqueue_get_used_addr(struct virtqueue *);
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

static char header[BENCH_BATCH_MAX][16], data[4096];
static unsigned char status[BENCH_BATCH_MAX];
static volatile unsigned doorbell;

int drv_linux_add1(void *vq, unsigned i)
{
    struct scatterlist h;

    sg_init_one(&h, header[i], 16);
    return virtqueue_add_outbuf(vq, &h, 1, header[i], GFP_ATOMIC);
}

int drv_linux_add2(void *vq, unsigned i)
{
    struct scatterlist h, d, *sgs[2] = {&h, &d};

    sg_init_one(&h, header[i], 16);
    sg_init_one(&d, data, 1514);
    return virtqueue_add_sgs(vq, sgs, 2, 0, header[i], GFP_ATOMIC);
}

int drv_linux_add3(void *vq, unsigned i)
{
    struct scatterlist h, d, s, *sgs[3] = {&h, &d, &s};

    sg_init_one(&h, header[i], 16);
    sg_init_one(&d, data, sizeof(data));
    sg_init_one(&s, &status[i], 1);
    return virtqueue_add_sgs(vq, sgs, 1, 2, header[i], GFP_ATOMIC);
}

int drv_linux_kick(void *vq)
{
    return virtqueue_kick(vq) ? 1 : 0;
}

int drv_linux_reap(void *vq)
{
    unsigned len;
    int n = 0;

    while (virtqueue_get_buf(vq, &len) != NULL)
        n++;
    return n;
}

static bool notify(struct virtqueue *queue)
{
    (void)queue;
    doorbell = 0;
    return true;
}

static void called(struct virtqueue *queue)
{
    (void)queue;
}

/* The kernel asks for zeroed memory; tools/virtio's malloc() has no such. */
static void clear(void)
{
    const bool packed = (bench_features & BENCH_PACKED) != 0;
    const size_t n = bench_area.size;

    memset((void *)(uintptr_t)bench_area.desc, 0, 16 * n);
    memset((void *)(uintptr_t)bench_area.driver, 0, packed ? 4 : 6 + 2 * n);
    memset((void *)(uintptr_t)bench_area.device, 0, packed ? 4 : 6 + 8 * n);
}

static void *make(const struct bench_case *c)
{
    static struct virtio_device dev;
    static struct virtqueue *vq;

    if (vq != NULL)
        vring_del_virtqueue(vq);
    bench_features = BENCH_VERSION1 | (c->packed ? BENCH_PACKED : 0) |
                     (c->event ? BENCH_EVENT : 0) |
                     (c->indirect ? BENCH_INDIRECT : 0);
    memset(&dev, 0, sizeof(dev));
    dev.features = bench_features;
    INIT_LIST_HEAD(&dev.vqs);
    spin_lock_init(&dev.vqs_list_lock);
    vq = vring_create_virtqueue(0, c->size, 4096, &dev, true, false, false,
                                notify, called, "bench");
    if (vq == NULL || c->mapped)
        abort();
    bench_restart();
    bench_area.desc = virtqueue_get_desc_addr(vq);
    bench_area.driver = virtqueue_get_avail_addr(vq);
    bench_area.device = virtqueue_get_used_addr(vq);
    bench_area.size = c->size;
    clear();
    virtqueue_disable_cb(vq);
    return vq;
}

const struct bench_driver bench_linux = {
    .make = make,
    .add = {drv_linux_add1, drv_linux_add2, drv_linux_add3},
    .kick = drv_linux_kick,
    .reap = drv_linux_reap,
};
