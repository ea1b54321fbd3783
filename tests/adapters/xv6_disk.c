/* SPDX-License-Identifier: MIT */
/*
 * A disk driver in xv6's shape over any block device.  A process submits
 * under the disk's lock and sleeps on that lock; the interrupt handler takes
 * the same lock, completes, and wakes.
 */
#include "xv6_shape.h"

static struct spinlock disk_lock = {PTHREAD_MUTEX_INITIALIZER};
static struct vdrv_block *disk;

static void disk_done(struct vdrv_block_request *req)
{
    wakeup(req);
}

void disk_init(struct vdrv_block *blk)
{
    disk = blk;
    (void)vdrv_arm(&disk->dev, 0, VDRV_ARM_NEXT);
}

int disk_rw(struct buf *b, int write)
{
    struct vdrv_seg seg = vdrv_seg_in(b->data, BSIZE);
    struct vdrv_block_request req = {
        .op = write ? VDRV_BLOCK_WRITE : VDRV_BLOCK_READ,
        .block = (uint64_t)b->blockno * (BSIZE / vdrv_block_block_size(disk)),
        .segs = &seg,
        .nsegs = 1,
        .done = disk_done};
    int err;

    acquire(&disk_lock);
    while ((err = vdrv_block_submit(disk, &req)) == VDRV_ERR_AGAIN)
        sleep_on(&disk, &disk_lock); /* the queue is full */
    (void)vdrv_block_kick(disk, 0);
    while (err == VDRV_OK && req.status == VDRV_PENDING)
        sleep_on(&req, &disk_lock);
    release(&disk_lock);
    return err != VDRV_OK ? err : req.status;
}

void disk_intr(void)
{
    int n;

    acquire(&disk_lock);
    (void)vdrv_irq(&disk->dev, 0);
    do
        n = vdrv_poll(&disk->dev, 0, 0);
    while (n >= 0 && (n = vdrv_arm(&disk->dev, 0, VDRV_ARM_NEXT)) == 1);
    if (n < 0)
        vdrv_stop(&disk->dev); /* it is broken: everybody gets ABORTED */
    wakeup(&disk);
    release(&disk_lock);
}
