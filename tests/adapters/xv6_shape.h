/* SPDX-License-Identifier: MIT */
/*
 * What an xv6-shaped kernel offers a disk driver: spin locks, sleep on a
 * channel while a lock is let go, wakeup, and the buffers of its cache.
 */
#ifndef XV6_SHAPE_H
#define XV6_SHAPE_H

#include <pthread.h>

#include <virtio_drv/block.h>

#define BSIZE 1024u

struct spinlock {
    pthread_mutex_t held;
};

struct buf {
    unsigned int blockno; /* in BSIZE */
    unsigned char data[BSIZE];
};

void acquire(struct spinlock *lk);
void release(struct spinlock *lk);
/* Lets go of `lk`, sleeps until wakeup(chan), takes `lk` again. */
void sleep_on(void *chan, struct spinlock *lk);
/* Wakes all that sleep on `chan`; whoever changes why holds their lock. */
void wakeup(void *chan);

/* The driver. */
void disk_init(struct vdrv_block *blk);
int disk_rw(struct buf *b, int write); /* VDRV_OK, or an error */
void disk_intr(void);

#endif
