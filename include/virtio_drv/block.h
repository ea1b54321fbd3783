/* SPDX-License-Identifier: MIT */
/*
 * The block trait: a disk, whoever drives it.
 *
 * Two speeds of one mechanism.  The blocking calls take any length and split
 * what is too large.  submit takes a request that the caller owns, never
 * waits and never splits; its completion is a callback from vdrv_poll(), or a
 * status to watch.  A blocking call is submit and poll, so both mix.
 *
 * Offsets are in blocks of vdrv_block_block_size() bytes, lengths of memory in
 * bytes.  A length that is no multiple of the block size is INVALID; a length
 * of zero is OK and does nothing.  On a coherent machine data may have any
 * alignment.
 *
 * Ordering: requests in flight have none.  A flush covers the writes that had
 * completed before it was submitted.
 */
#ifndef VIRTIO_DRV_BLOCK_H
#define VIRTIO_DRV_BLOCK_H

#include <virtio_drv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a request does. */
#define VDRV_BLOCK_READ           1u
#define VDRV_BLOCK_WRITE          2u
#define VDRV_BLOCK_FLUSH          3u
#define VDRV_BLOCK_DISCARD        4u /* contents become undefined */
#define VDRV_BLOCK_WRITE_ZEROES   5u
#define VDRV_BLOCK_SECURE_ERASE   6u
#define VDRV_BLOCK_GET_ID         7u /* one segment of 20 bytes */
#define VDRV_BLOCK_GET_LIFETIME   8u /* one segment of 6 bytes */
#define VDRV_BLOCK_ZONE_REPORT    9u /* from `block`'s zone into the segments */
#define VDRV_BLOCK_ZONE_OPEN      10u
#define VDRV_BLOCK_ZONE_CLOSE     11u
#define VDRV_BLOCK_ZONE_FINISH    12u
#define VDRV_BLOCK_ZONE_RESET     13u
#define VDRV_BLOCK_ZONE_RESET_ALL 14u
#define VDRV_BLOCK_ZONE_APPEND    15u /* `result`: the block it went to */

#define VDRV_BLOCK_UNMAP 1u /* WRITE_ZEROES may deallocate */

#define VDRV_BLOCK_NO_TIMEOUT UINT32_MAX
#define VDRV_BLOCK_ID_SIZE    21u /* 20 characters and a NUL */

/*
 * A request, caller-allocated in ordinary memory.  Zero it, fill in the first
 * part, submit.  From VDRV_OK until its completion it must stay where it is
 * and is the library's; from the moment `done` is entered, or `status` is seen
 * final, it is the caller's again and may be submitted anew, also from inside
 * `done`.  The array of segments is looked at during submit only.
 */
struct vdrv_block_request {
    uint32_t op;    /* VDRV_BLOCK_* */
    uint32_t queue; /* 0 to caps.queues - 1 */
    uint32_t flags; /* VDRV_BLOCK_UNMAP */
    uint32_t nsegs;
    const struct vdrv_seg *segs; /* data; whole blocks in sum */
    uint64_t block;              /* first block */
    uint64_t nblocks;            /* of DISCARD, WRITE_ZEROES, SECURE_ERASE */
    uint32_t timeout_us;         /* of execute; 0: the driver's.  submit does
                                    not look at it: see there */
    uint32_t reserved;
    void (*done)(struct vdrv_block_request *req); /* NULL: watch `status` */
    void *user;

    /* Answers. */
    int32_t status;         /* VDRV_PENDING, then VDRV_OK or an error; written
                               last, with release */
    uint32_t device_status; /* the device's own code; for the log */
    uint64_t result;        /* of ZONE_APPEND; bytes of GET_ID and reports */

    void *opaque[2]; /* the driver's, while pending */
};

/* What a disk can do; the limits are those of one submitted request. */
struct vdrv_block_caps {
    uint64_t num_blocks;
    uint32_t block_size;     /* bytes, a power of two from 512 */
    uint32_t physical_block; /* blocks in a physical one; 1 if unknown */
    uint32_t alignment;      /* first block that is aligned to it */
    uint32_t min_io;         /* blocks, suggested; 0: none */
    uint32_t opt_io;         /* blocks, suggested; 0: none */
    uint32_t max_segs;
    uint32_t max_seg_bytes;
    uint32_t max_bytes; /* of a read or write */
    uint32_t dma_align; /* of data that is read; 1 when coherent */
    uint32_t queues;
    uint32_t depth;      /* requests of max_segs at once, per queue */
    uint32_t generation; /* counts changes of capacity */
    uint8_t read_only;
    uint8_t write_cache; /* volatile: flush before trusting a write */
    uint8_t can_flush;
    uint8_t can_discard;
    uint8_t can_write_zeroes;
    uint8_t can_unmap_zeroes;
    uint8_t can_secure_erase;
    uint8_t zoned;
    uint64_t max_discard;   /* blocks of one request */
    uint64_t discard_align; /* blocks; 1: none */
    uint64_t max_write_zeroes;
    uint64_t max_secure_erase;
    uint64_t secure_erase_align;
};

struct vdrv_block;

/* Required are the first five; NULL answers UNSUPPORTED for the others. */
struct vdrv_block_ops {
    struct vdrv_base_ops base;
    uint64_t (*num_blocks)(const struct vdrv_block *blk);
    uint32_t (*block_size)(const struct vdrv_block *blk);
    int (*read_block)(struct vdrv_block *blk, uint64_t block, void *buf,
                      size_t len);
    int (*write_block)(struct vdrv_block *blk, uint64_t block, const void *buf,
                       size_t len);
    int (*flush)(struct vdrv_block *blk);
    int (*get_caps)(const struct vdrv_block *blk, struct vdrv_block_caps *out);
    int (*submit)(struct vdrv_block *blk, struct vdrv_block_request *req);
    int (*kick)(struct vdrv_block *blk, uint32_t queue);
    int (*execute)(struct vdrv_block *blk, struct vdrv_block_request *req);
    int (*cancel)(struct vdrv_block *blk, struct vdrv_block_request *req);
    int (*set_write_cache)(struct vdrv_block *blk, bool on);
};

/* A disk: embed it first in the driver's struct; dev.ops is a block table. */
struct vdrv_block {
    struct vdrv_device dev;
};

/* Fills in `blk`. [alone] */
void vdrv_block_setup(struct vdrv_block *blk, const struct vdrv_block_ops *ops);

/* Size of the disk in blocks; 0 for NULL. [any] */
uint64_t vdrv_block_num_blocks(const struct vdrv_block *blk);

/* Bytes in a block; 0 for NULL. [any] */
uint32_t vdrv_block_block_size(const struct vdrv_block *blk);

/*
 * Read `len` bytes from `block` on, on queue 0.
 * INVALID: NULL, a length that is no multiple of the block, a range past the
 * end, memory that cannot be translated.  IO: the device reports an error.
 * TIMEOUT: the device was reset, the buffer is the caller's again.  STUCK: the
 * reset was not confirmed, and the buffer stays the device's until a
 * vdrv_stop() succeeds.  BUSY: called from a callback.  AGAIN: the HAL has no
 * room to map, or for the whole time others took what became free in the
 * queue.  TOO_BIG: not even one block fits into a request, because the device
 * takes so few or so short segments, or the memory is so scattered.  ABORTED:
 * another call's failure ended it; the buffer is the caller's.  Latched
 * errors.  After an error the contents of the buffer are undefined. [wait]
 */
int vdrv_block_read_block(struct vdrv_block *blk, uint64_t block, void *buf,
                          size_t len);

/*
 * Writes; READ_ONLY on a read-only disk, otherwise as for read.  What was
 * written is durable only after a flush when caps.write_cache is set.  After
 * an error any part of the range may have been written. [wait]
 */
int vdrv_block_write_block(struct vdrv_block *blk, uint64_t block,
                           const void *buf, size_t len);

/*
 * Makes every write that completed before this call durable.  OK without a
 * command when the device has no cache to flush. [wait]
 */
int vdrv_block_flush(struct vdrv_block *blk);

/* Fills `out`.  UNSUPPORTED: the driver has none. [any] */
int vdrv_block_get_caps(const struct vdrv_block *blk,
                        struct vdrv_block_caps *out);

/*
 * Hands a request to the device, which learns of it at the next kick.  On any
 * error nothing was taken and `done` will not run.
 * INVALID: as for read, or no such queue or op.  TOO_BIG: beyond the limits in
 * caps.  AGAIN: the queue is full, poll first.  READ_ONLY.  UNSUPPORTED: the
 * device does not offer the op.  Latched errors.  A request with nothing to do
 * (no length, or a flush without a cache) completes at once, inside submit,
 * `done` and all.
 * A submitted request has no time limit: no time gives memory back, only the
 * device or its reset does, and a reset may wait, which [queue] calls do not.
 * Who submits keeps the time; vdrv_stop() and vdrv_start() take all back.
 * [queue]
 */
int vdrv_block_submit(struct vdrv_block *blk, struct vdrv_block_request *req);

/*
 * Tells the device of what was submitted, if it wants to be told: once per
 * batch.  Returns 1 when it was notified, else 0. [queue]
 */
int vdrv_block_kick(struct vdrv_block *blk, uint32_t queue);

/*
 * Submit, kick and wait: the blocking form of any request, with its
 * timeout_us, or the driver's when that is 0; VDRV_BLOCK_NO_TIMEOUT waits as
 * long as the HAL's clock runs.  A full queue is waited out, as long again.
 * Returns its status, or the error of the submit.  `done` is not called.
 * TIMEOUT and STUCK as for read. [wait]
 */
int vdrv_block_execute(struct vdrv_block *blk, struct vdrv_block_request *req);

/*
 * Range operations in blocks, split to the device's limits.  UNSUPPORTED: not
 * offered.  Errors otherwise as for write. [wait]
 */
int vdrv_block_discard(struct vdrv_block *blk, uint64_t block,
                       uint64_t nblocks);
int vdrv_block_write_zeroes(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks, uint32_t flags);
int vdrv_block_secure_erase(struct vdrv_block *blk, uint64_t block,
                            uint64_t nblocks);

/* The serial number, NUL-terminated.  UNSUPPORTED, IO. [wait] */
int vdrv_block_get_id(struct vdrv_block *blk, char id[VDRV_BLOCK_ID_SIZE]);

/*
 * Gives back a submitted request early.  OK: it ended with ABORTED, `done` has
 * run.  BUSY: the device has it, and only a reset gives it back. [queue]
 */
int vdrv_block_cancel(struct vdrv_block *blk, struct vdrv_block_request *req);

/* Switches the volatile write cache.  UNSUPPORTED: it cannot. [alone] */
int vdrv_block_set_write_cache(struct vdrv_block *blk, bool on);

/*
 * Bytes at any offset, through `scratch` of one block: whole blocks go
 * straight, edges are read, and for a write modified and written back; that
 * is not atomic.  INVALID: past the end, or NULL.  Errors of read and write.
 * [wait]
 */
int vdrv_block_read_bytes(struct vdrv_block *blk, uint64_t offset, void *buf,
                          size_t len, void *scratch);
int vdrv_block_write_bytes(struct vdrv_block *blk, uint64_t offset,
                           const void *buf, size_t len, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
