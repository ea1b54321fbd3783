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

/* What a device says of a request, in `device_status`. */
#define VDRV_BLOCK_STATUS_OK           0u
#define VDRV_BLOCK_STATUS_IOERR        1u    /* IO */
#define VDRV_BLOCK_STATUS_UNSUPP       2u    /* UNSUPPORTED */
#define VDRV_BLOCK_STATUS_ZONE_COMMAND 3u    /* INVALID: not in this zone */
#define VDRV_BLOCK_STATUS_ZONE_POINTER 4u    /* INVALID: not at the pointer */
#define VDRV_BLOCK_STATUS_ZONES_OPEN   5u    /* BUSY: too many open ones */
#define VDRV_BLOCK_STATUS_ZONES_ACTIVE 6u    /* BUSY: too many active ones */
#define VDRV_BLOCK_STATUS_NONE         0xffu /* it has not said anything */

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
    uint32_t timeout_us;         /* 0: of execute, the driver's; of submit,
                                    none.  See there */
    uint32_t reserved;
    void (*done)(struct vdrv_block_request *req); /* NULL: watch `status` */
    void *user;

    /* Answers. */
    int32_t status;         /* VDRV_PENDING, then VDRV_OK or an error; written
                               last, with release */
    uint32_t device_status; /* VDRV_BLOCK_STATUS_*; the device's own word */
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
    uint8_t zoned;          /* VDRV_BLOCK_ZONED_* */
    uint64_t max_discard;   /* blocks of one request */
    uint64_t discard_align; /* blocks; 1: none */
    uint64_t max_write_zeroes;
    uint64_t max_secure_erase;
    uint64_t secure_erase_align;
    /* Of a zoned disk; otherwise 0. */
    uint64_t zone_blocks;      /* of every zone but perhaps the last */
    uint64_t max_append;       /* blocks of one ZONE_APPEND; 0: cannot */
    uint32_t max_open_zones;   /* 0: no limit */
    uint32_t max_active_zones; /* open or closed, not empty or full; 0: none */
    uint32_t write_unit;       /* blocks that a write begins at and has a
                                  multiple of; 0: any */
    uint32_t reserved;
};

#define VDRV_BLOCK_ZONED_NOT     0u
#define VDRV_BLOCK_ZONED_MANAGED 1u /* writes must be in sequence */
#define VDRV_BLOCK_ZONED_AWARE   2u /* they had better be */

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
    int (*panic)(struct vdrv_block *blk);
    /* For the log: a wrapper refused a call with INVALID. */
    void (*refused)(const struct vdrv_block *blk, const char *why,
                    uint64_t value);
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
 * Makes every write that completed before this call durable, whatever the
 * cache's mode is or was when they were made.  OK without a command when the
 * device has no flush: then writes are as durable at their completion as they
 * will ever be.  IO: nothing is known to be durable.  Errors otherwise as for
 * write. [wait]
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
 *
 * A deadline: timeout_us microseconds from now, when that is neither 0 nor
 * VDRV_BLOCK_NO_TIMEOUT.  No time gives memory back, only the device or its
 * reset does, and a reset may wait, which [queue] calls do not.  So the first
 * vdrv_poll() of its queue after a deadline that finds the request still out
 * latches BAD_STATE for the whole device, and answers that once it has nothing
 * good left to tell.  Then vdrv_reset(), or stop and start, takes everything
 * back: requests past their deadline end with TIMEOUT, the others with
 * ABORTED.  A request that comes back late, but before that, ends as the
 * device says, and a poll that its budget ends before all is fetched does not
 * look.  Blocking calls have their own time and do not look at deadlines while
 * they wait.  UNSUPPORTED: the HAL has no now_us.  Without deadlines the clock
 * is not read. [queue]
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
 * Range operations in blocks, split to the device's limits, and where it has
 * an alignment, at multiples of it.  UNSUPPORTED: not offered.  After an error
 * any part of the range may have been done.  Errors otherwise as for write.
 * [wait]
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
 * Gives back a submitted request early, if the driver can.  OK: it ended with
 * ABORTED, `done` has run.  BUSY: the device has it, and only a reset of the
 * device gives it back (a virtio disk always answers this, kicked or not).
 * INVALID: it is not pending. [queue]
 */
int vdrv_block_cancel(struct vdrv_block *blk, struct vdrv_block_request *req);

/*
 * Switches the volatile write cache on or off, until the next call: a restart
 * sets it again, and fails with UNSUPPORTED if it cannot be off any more.  Off:
 * a write is durable when it completes, and what was written before is flushed
 * here; a write in flight during the call is durable only after a later flush.
 * caps.write_cache tells the mode.
 * UNSUPPORTED: the device cannot, or could not flush it.  IO: it did not, or
 * the flush failed.  BUSY: called from a callback.  Latched errors, and those
 * of a flush. [alone]
 */
int vdrv_block_set_write_cache(struct vdrv_block *blk, bool on);

/*
 * For a crash dump: takes the disk over from a kernel that will not go on,
 * with interrupts off and the other CPUs stopped, wherever they were, in this
 * library too:
 *
 *     if (vdrv_block_panic(disk) == VDRV_OK &&
 *         vdrv_block_write_block(disk, where, dump, len) == VDRV_OK)
 *         vdrv_block_flush(disk);
 *
 * May interrupt any call of this device but its init and fini; those calls
 * must never be returned to.  The device is reset and started again; no
 * pending request ends, no callback runs, nothing is unmapped.  From now on
 * the blocking calls poll: the HAL's wait and wake are not called, nor its
 * dma_alloc, and dma_map only for memory outside the direct window; it needs
 * the clock, or poll_limit, to be bounded.  Writes that were in flight may or
 * may not have happened.  It may be called again, also after an error.
 * UNSUPPORTED; STUCK; BAD_STATE: not initialised; errors as for vdrv_start().
 * [alone], in that everybody else is stopped, in whatever place
 */
int vdrv_block_panic(struct vdrv_block *blk);

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

/* ---- Zones ----------------------------------------------------------- */

/*
 * A zoned disk (caps.zoned) is divided into zones of caps.zone_blocks, of
 * which the last may be smaller.  On a host-managed one a sequential zone is
 * written at its write pointer only, so one write at a time; or by appending,
 * where the device says where it went, and many may be in flight.  The driver
 * keeps no map of zones: it refuses what no zone could take (a write that is
 * no multiple of caps.write_unit, also in a conventional zone; a command that
 * does not name the first block of a zone) and leaves the rest to the device,
 * whose refusals are INVALID or BUSY with the reason in `device_status`.
 */

/* A zone's type and state, numbered as the device does. */
#define VDRV_BLOCK_ZONE_CONVENTIONAL 1u
#define VDRV_BLOCK_ZONE_SEQUENTIAL   2u /* must be written in sequence */
#define VDRV_BLOCK_ZONE_PREFERRED    3u /* had better be */

#define VDRV_BLOCK_ZONE_NO_POINTER    0u /* a conventional one */
#define VDRV_BLOCK_ZONE_EMPTY         1u
#define VDRV_BLOCK_ZONE_OPEN_IMPLICIT 2u
#define VDRV_BLOCK_ZONE_OPEN_EXPLICIT 3u
#define VDRV_BLOCK_ZONE_CLOSED        4u
#define VDRV_BLOCK_ZONE_READ_ONLY     13u
#define VDRV_BLOCK_ZONE_FULL          14u
#define VDRV_BLOCK_ZONE_OFFLINE       15u

struct vdrv_block_zone {
    uint64_t start;    /* first block */
    uint64_t capacity; /* blocks that can be written, from `start` on */
    uint64_t pointer;  /* the block to be written next; where there is none
                          (conventional, read-only, full, offline) UINT64_MAX */
    uint32_t type;     /* VDRV_BLOCK_ZONE_CONVENTIONAL and so on */
    uint32_t state;    /* VDRV_BLOCK_ZONE_EMPTY and so on */
};

/* Bytes of a report of `n` zones. */
#define VDRV_BLOCK_ZONE_REPORT_SIZE(n) (64u + 64u * (size_t)(n))

/*
 * Reads what a ZONE_REPORT of `block` has left in `report`, `bytes` of it
 * (the request's `result`): up to `max` zones, in ascending order, the first
 * one that with `block`.  Returns how many.  PROTOCOL: the device's answer
 * makes no sense.  INVALID: NULL, or `caps` is no zoned disk's. [any]
 */
int vdrv_block_zone_parse(const struct vdrv_block_caps *caps, uint64_t block,
                          const void *report, size_t bytes,
                          struct vdrv_block_zone *zone, uint32_t max);

/*
 * Asks for the zones from that with `block` on, through `buf` of
 * VDRV_BLOCK_ZONE_REPORT_SIZE(max) bytes, or less for fewer.  Returns how many
 * zones were filled in; at least one on a disk that works.  INVALID: past the
 * end, NULL, or too small a buffer.  TOO_BIG: too large a one.  PROTOCOL: the
 * answer makes no sense; not latched.  UNSUPPORTED: not zoned.  Errors
 * otherwise as for read. [wait]
 */
int vdrv_block_zone_report(struct vdrv_block *blk, uint64_t block, void *buf,
                           size_t len, struct vdrv_block_zone *zone,
                           uint32_t max);

/*
 * Commands to the zone that begins at `block`.  Open reserves what an open
 * zone takes, close gives that back, finish makes it full, reset makes it
 * empty and forgets its data; reset_all does so to all of them.
 * INVALID: not the first block of a zone, or not in its state.  BUSY: as many
 * zones are open, or active, as may be; or called from a callback.
 * UNSUPPORTED: not zoned.  READ_ONLY.  Errors otherwise as for write. [wait]
 */
int vdrv_block_zone_open(struct vdrv_block *blk, uint64_t block);
int vdrv_block_zone_close(struct vdrv_block *blk, uint64_t block);
int vdrv_block_zone_finish(struct vdrv_block *blk, uint64_t block);
int vdrv_block_zone_reset(struct vdrv_block *blk, uint64_t block);
int vdrv_block_zone_reset_all(struct vdrv_block *blk);

/*
 * Appends to the zone that begins at `block`, and says in `*at` (may be NULL)
 * which block the data begins at.  Never split.  TOO_BIG: more than
 * caps.max_append.  INVALID: no multiple of caps.write_unit, or more than the
 * zone has left.  Errors otherwise as for the commands. [wait]
 */
int vdrv_block_zone_append(struct vdrv_block *blk, uint64_t block,
                           const void *buf, size_t len, uint64_t *at);

#ifdef __cplusplus
}
#endif

#endif
