/* SPDX-License-Identifier: MIT */
/*
 * Contracts of the packed ring's arithmetic, for Frama-C WP: as wp_leaves.c.
 * Places are in bytes from the end of the ring, so from -16 * size to -16.
 */
#include <virtio_drv/queue.h>

/*@ predicate sized(struct vdrv_queue *q) = 1 <= q->size <= 32768;
    predicate place(struct vdrv_queue *q, integer at) =
        -16 * q->size <= at <= -16 && at % 16 == 0;
*/

/* The device's part does not reach into the driver's (2.8). */
/*@ requires 1 <= size <= 32768;
    requires \valid(part + (0 .. 2));
    assigns part[0 .. 2];
    ensures part[0] == 0 && part[1] == 16 * size;
*/
static size_t packed_layout(uint32_t size, size_t part[3]);

/*@ requires \valid_read(q) && sized(q);
    assigns \nothing;
    ensures \result == 16 * q->size;
*/
static inline int32_t ring_bytes(const struct vdrv_queue *q);

/* On by at most the whole ring is in the ring again (2.8.1). */
/*@ requires \valid_read(q) && \valid(tag) && \separated(q, tag);
    requires sized(q) && place(q, at) && count <= q->size;
    assigns *tag;
    ensures place(q, \result);
    ensures \result == at + 16 * count ||
            \result == at + 16 * count - 16 * q->size;
    ensures at + 16 * count < 0 ==> *tag == \old(*tag);
*/
static inline int32_t advance(const struct vdrv_queue *q, int32_t at,
                              uint32_t count, uint32_t *tag);

/* No more than the ring has; with `some`, at least one. */
/*@ requires \valid_read(q) && sized(q) && place(q, from) && place(q, to);
    assigns \nothing;
    ensures \result <= q->size;
    ensures from == to ==> \result == (some ? q->size : 0);
*/
static uint32_t between(const struct vdrv_queue *q, int32_t from, int32_t to,
                        bool some);

/* A chain before the limit is in the ring, and ends before its end. */
/*@ requires \valid(q) && sized(q);
    requires place(q, q->used_at) && place(q, q->avail_at);
    assigns q->stop_at;
    ensures -16 * q->size <= q->stop_at <= -16;
    ensures q->used_at > q->avail_at ==> q->stop_at == q->used_at;
*/
static inline void set_limit(struct vdrv_queue *q);

#include "../../src/queue/vdrv_packed.c"
