/* SPDX-License-Identifier: MIT */
/*
 * Contracts of leaf functions, for Frama-C WP: declared here, proved of the
 * sources that are included below.
 */
#include <virtio_drv/block.h>
#include <virtio_drv/queue.h>

/* The part of a block at an edge: within the block, within the request. */
/*@ requires size > 0;
    assigns \nothing;
    ensures \result <= len;
    ensures \result != 0 ==> offset % size + \result <= size;
    ensures \result == 0 ==> len == 0 || (offset % size == 0 && len >= size);
*/
static size_t edge_of(uint64_t offset, size_t len, uint32_t size);

/* An arithmetic window: what is inside is no longer than it. */
/*@ requires \valid_read(hal);
    assigns \nothing;
    ensures \result ==> len <= hal->direct_size;
*/
static bool in_window(const struct vdrv_hal *hal, const void *ptr,
                      uint32_t len);

/* Where the driver's part of a ring starts (2.7). */
/*@ requires 1 <= size <= 32768;
    requires \valid(part + (0 .. 2));
    assigns part[0 .. 2];
    ensures part[0] == 0 && part[1] == 16 * size;
*/
static size_t split_layout(uint32_t size, size_t part[3]);

/*@ requires \valid_read(q);
    assigns \nothing;
*/
uint32_t vdrv_queue_outstanding(const struct vdrv_queue *q);

/*@ requires \valid(q);
    assigns q->stats.most;
*/
static void note_most(struct vdrv_queue *q);

/* Each refusal has its reason, and none is a success. */
/*@ requires \valid(q);
    assigns q->stats.full, q->stats.most;
    ensures nsegs == 0 ==> \result == -2;
    ensures nsegs > q->max_chain && nsegs != 0 ==> \result == -13;
    ensures 0 < nsegs <= q->max_chain ==> \result == -1;
*/
int vdrv__queue_refuse(struct vdrv_queue *q, uint64_t nsegs);

/* Never more chains at once than the ring has entries. */
/*@ requires \valid_read(q);
    assigns \nothing;
    ensures \result <= q->size;
    ensures nsegs > q->max_chain ==> \result == 0;
    ensures 1 < nsegs <= q->max_chain && nsegs > q->indirect ==>
            \result * nsegs <= q->size;
*/
uint32_t vdrv_queue_depth(const struct vdrv_queue *q, uint32_t nsegs);

#include "../../src/trait/vdrv_block.c"
#include "../../src/queue/vdrv_split.c"
#include "../../src/queue/vdrv_queue.c"
