/* SPDX-License-Identifier: MIT */
/*
 * Instructions and nanoseconds per 4 KiB read of the block driver: submit,
 * kick, poll and the completion callback, as a file system pays for them.  The
 * device answers between the counted functions, which are those named drv_*.
 *
 *     bench_blk <direct|indirect> <batch> <requests>
 *
 * prints "requests ns-per-request".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/virtio_blk.h>

#include "bench_device.h"

#define MAX_BATCH 32

static unsigned completed;

static void on_done(struct vdrv_block_request *req)
{
    if (req->status != VDRV_OK)
        abort();
    completed++;
}

__attribute__((noinline)) int drv_read(struct vdrv_block *blk,
                                       struct vdrv_block_request *req,
                                       void *buf, uint64_t block);
__attribute__((noinline)) int drv_kick(struct vdrv_block *blk);
__attribute__((noinline)) int drv_poll(struct vdrv_block *blk);

int drv_read(struct vdrv_block *blk, struct vdrv_block_request *req, void *buf,
             uint64_t block)
{
    struct vdrv_seg seg = vdrv_seg_in(buf, 4096);

    req->segs = &seg;
    req->block = block;
    return vdrv_block_submit(blk, req);
}

int drv_kick(struct vdrv_block *blk)
{
    return vdrv_block_kick(blk, 0);
}

int drv_poll(struct vdrv_block *blk)
{
    return vdrv_poll(&blk->dev, 0, 0);
}

int main(int argc, char **argv)
{
    static struct vdrv_virtio_blk disk;
    static struct vdrv_block_request req[MAX_BATCH];
    static uint8_t data[MAX_BATCH][4096];
    static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 256, 16) / 8 + 1];
    struct vdrv_virtio_blk_config cfg = {0};
    struct vdrv_transport t;
    struct timespec a, b;
    unsigned batch, total;

    if (argc < 4)
        return 2;
    batch = (unsigned)atoi(argv[2]);
    total = (unsigned)atoi(argv[3]);
    if (batch < 1 || batch > MAX_BATCH)
        return 2;
    bench_transport(&t, VDRV_VIRTIO_BLK_ID, 256);
    cfg.work = work;
    cfg.work_size = sizeof(work);
    cfg.queue_size = 256;
    cfg.no_indirect = strcmp(argv[1], "indirect") != 0;
    if (vdrv_virtio_blk_init(&disk, &t, &cfg) != VDRV_OK)
        return 1;
    for (unsigned i = 0; i < batch; i++) {
        req[i].op = VDRV_BLOCK_READ;
        req[i].nsegs = 1;
        req[i].done = on_done;
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (unsigned done = 0; done < total; done += batch) {
        for (unsigned i = 0; i < batch; i++) {
            if (drv_read(&disk.block, &req[i], data[i], 8 * i) != VDRV_OK)
                abort();
        }
        drv_kick(&disk.block);
        bench_answer();
        if (drv_poll(&disk.block) != (int)batch)
            abort();
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (completed < total)
        abort();
    printf("%u %.2f\n", total,
           ((double)(b.tv_sec - a.tv_sec) * 1e9 +
            (double)(b.tv_nsec - a.tv_nsec)) /
               total);
    return 0;
}
