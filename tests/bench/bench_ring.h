/* SPDX-License-Identifier: MIT */
/*
 * A ring under measurement.  What is counted are the functions named drv_*,
 * which build the segments and call the ring; all else is the bench's own.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_BATCH_MAX 32

struct bench_case {
    unsigned segs, batch, size;
    bool packed, indirect, event, mapped, in_order, merged;
};

/*
 * One or three segments, the first a header of 16 bytes; with two a packet's
 * data after it, with three a disk's: 4096 bytes and a status to write.
 */
struct bench_driver {
    /* Makes the ring, tells bench_area and forgets the one before. */
    void *(*make)(const struct bench_case *c);
    int (*add[3])(void *ring, unsigned i);
    int (*kick)(void *ring); /* 1: notified */
    int (*reap)(void *ring); /* all there is: how many */
};

extern const struct bench_driver bench_ours;
/* NULL where it is not linked. */
extern const struct bench_driver bench_linux __attribute__((weak));

#endif
