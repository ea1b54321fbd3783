/* SPDX-License-Identifier: MIT */
/*
 * The base trait: what every device has, whatever its class.  Error codes,
 * segments, identity, life cycle, interrupts and polling.
 *
 * A trait is a table of functions ("ops").  A device object starts with a
 * struct vdrv_device, whose ops point at the base table; the table of a device
 * class (block.h, net.h, display.h) has the base table as its first member.
 * Call the wrappers below rather than the tables: they check for NULL, and an
 * operation that a driver leaves out answers VDRV_ERR_UNSUPPORTED.
 *
 * Each function names its context:
 *   [any]    reads only; any context, any number of callers
 *   [queue]  one caller at a time per queue; never waits; an interrupt handler
 *            may call it when the kernel's own lock says so
 *   [wait]   like [queue], but may wait, always for a bounded time
 *   [alone]  excludes every other call on the device (init, fini, start, stop)
 */
#ifndef VIRTIO_DRV_BASE_H
#define VIRTIO_DRV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Raised when a public struct or the meaning of a field changes.  Each init
 * function is passed the level and the struct sizes its caller was compiled
 * with, and refuses others with VDRV_ERR_INVALID: a header that does not fit
 * the archive is loud.
 */
#define VDRV_API_LEVEL 1u

/*
 * Result codes.  Functions return VDRV_OK (or a count) or one of the negative
 * codes; the numbers are frozen.  A call that returns an error has taken
 * nothing: buffers and requests stay the caller's.  VDRV_ERR_STUCK is the one
 * exception.  PROTOCOL, NO_DEVICE, STUCK and a device that asks for reset
 * (BAD_STATE) latch: every later call on the device answers the same until
 * vdrv_stop() and vdrv_start().  The other codes concern one call only.
 */
#define VDRV_ERRORS(X)                                                         \
    X(AGAIN, -1, "nothing there, or no room now: try again later")             \
    X(INVALID, -2, "the caller's argument is wrong")                           \
    X(BAD_STATE, -3, "not started, stopped, or the device asks for a reset")   \
    X(NO_MEMORY, -4, "the platform gave no memory, or the work area is small") \
    X(IO, -5, "the device reports that the operation failed")                  \
    X(BUSY, -6, "called from a callback, or in use elsewhere")                 \
    X(UNSUPPORTED, -7, "the device or the driver does not offer this")         \
    X(EXISTS, -8, "it is already there")                                       \
    X(NO_DEVICE, -9, "no virtio device here, or it was unplugged")             \
    X(TIMEOUT, -10, "too late; the device was reset and the memory is back")   \
    X(PROTOCOL, -11, "the device broke the specification")                     \
    X(READ_ONLY, -12, "the medium is read-only")                               \
    X(TOO_BIG, -13, "this will never fit: split it")                           \
    X(ABORTED, -14, "stopped or reset before it completed")                    \
    X(STUCK, -15, "the device does not reset and still owns the memory")

enum {
    VDRV_OK = 0,
#define VDRV_ERROR_ENUM(name, value, text) VDRV_ERR_##name = (value),
    VDRV_ERRORS(VDRV_ERROR_ENUM)
#undef VDRV_ERROR_ENUM
};

/* A request that the device still owns; any other status is final. [any] */
#define VDRV_PENDING 1

/*
 * The text of a code, for a log line: never NULL, static.  A positive value or
 * VDRV_OK is "ok", an unknown negative one reads as IO does. [any]
 */
const char *vdrv_strerror(int err);

/* ---- Segments -------------------------------------------------------- */

#define VDRV_SEG_MAPPED 1u /* `dma` is valid, `ptr` is not looked at */

/*
 * One run of memory for a device to read or write.  Either `ptr`, which the
 * library translates through the HAL, or, with VDRV_SEG_MAPPED, a device
 * address the caller has already made (a page without a pointer, a premapped
 * pool).  The array of segments is read during the call only; the memory
 * belongs to the device until completion.
 */
struct vdrv_seg {
    union {
        void *ptr;    /* never written through when the device only reads */
        uint64_t dma; /* device address, with VDRV_SEG_MAPPED */
    };
    uint32_t len;   /* bytes */
    uint32_t flags; /* VDRV_SEG_* */
};

/* Memory for the device to write. [any] */
static inline struct vdrv_seg vdrv_seg_in(void *ptr, uint32_t len)
{
    struct vdrv_seg seg;

    seg.ptr = ptr;
    seg.len = len;
    seg.flags = 0;
    return seg;
}

/* Memory for the device to read. [any] */
static inline struct vdrv_seg vdrv_seg_out(const void *ptr, uint32_t len)
{
    return vdrv_seg_in((void *)(uintptr_t)ptr, len);
}

/* Memory known by its device address only, in either direction. [any] */
static inline struct vdrv_seg vdrv_seg_dma(uint64_t dma, uint32_t len)
{
    struct vdrv_seg seg;

    seg.dma = dma;
    seg.len = len;
    seg.flags = VDRV_SEG_MAPPED;
    return seg;
}

/* ---- The device object ----------------------------------------------- */

/* Classes, numbered as in the reference. */
#define VDRV_TYPE_BLOCK   0u
#define VDRV_TYPE_CHAR    1u
#define VDRV_TYPE_NET     2u
#define VDRV_TYPE_DISPLAY 3u

/* Causes that vdrv_irq() answers with; 0 means the interrupt is not ours. */
#define VDRV_CAUSE_QUEUE  1u /* call vdrv_poll() on the vector's queues */
#define VDRV_CAUSE_CONFIG 2u /* call vdrv_refresh() */

/* What changed, from vdrv_refresh(). */
#define VDRV_CHANGE_CAPACITY 0x01u /* block: size, limits */
#define VDRV_CHANGE_LINK     0x02u /* net: link state */
#define VDRV_CHANGE_ANNOUNCE 0x04u /* net: announce yourself */
#define VDRV_CHANGE_HEADS    0x08u /* display: heads, modes */
#define VDRV_CHANGE_OTHER    0x80u /* something else in the configuration */

/* How vdrv_arm() is to interrupt. */
#define VDRV_ARM_OFF   0u /* not at all (a hint: one may still come) */
#define VDRV_ARM_NEXT  1u /* at the next completion */
#define VDRV_ARM_LATE  2u /* when about three quarters of what is out is done */
#define VDRV_ARM_SOON  3u /* when about a quarter is */
#define VDRV_ARM_EMPTY 4u /* when all is */

struct vdrv_device;

/* How a kernel names and finds a device. */
struct vdrv_identity {
    const char *driver;   /* "virtio-blk"; static */
    const char *location; /* "pci 00:02.0", "mmio 10008000"; lives as long
                             as the transport */
    uint32_t type;        /* VDRV_TYPE_* */
    uint32_t vendor_id;   /* as the transport tells it; 0 if it has none */
    uint32_t device_id;   /* virtio device type: 1 net, 2 block, 16 gpu */
    uint32_t reserved;
};

struct vdrv_base_ops {
    const char *(*device_name)(const struct vdrv_device *dev);
    uint32_t (*device_type)(const struct vdrv_device *dev);
    int (*identify)(const struct vdrv_device *dev, struct vdrv_identity *out);
    uint32_t (*irq)(struct vdrv_device *dev, uint32_t vector);
    int (*poll)(struct vdrv_device *dev, uint32_t queue, uint32_t budget);
    int (*arm)(struct vdrv_device *dev, uint32_t queue, uint32_t mode);
    int (*stop)(struct vdrv_device *dev);
    int (*start)(struct vdrv_device *dev);
    int (*refresh)(struct vdrv_device *dev, uint32_t *changes);
    /* Optional. */
    int (*reset_queue)(struct vdrv_device *dev, uint32_t queue);
    int (*suspend)(struct vdrv_device *dev);
    int (*resume)(struct vdrv_device *dev);
};

/* The first member of every device object. */
struct vdrv_device {
    const struct vdrv_base_ops *ops;
    void *user; /* the kernel's own; the library never looks at it */
};

/* The driver's name for the device; "" if it has none. [any] */
const char *vdrv_device_name(const struct vdrv_device *dev);

/* VDRV_TYPE_*; UINT32_MAX for a NULL device. [any] */
uint32_t vdrv_device_type(const struct vdrv_device *dev);

/* Fills `out`.  INVALID: NULL argument.  UNSUPPORTED: no driver op. [any] */
int vdrv_identify(const struct vdrv_device *dev, struct vdrv_identity *out);

/*
 * To be called by the interrupt handler of vector `vector` (0 for a line
 * interrupt).  Acknowledges a line interrupt at the device, notes the event,
 * and returns its causes; 0 when the interrupt is another device's, so lines
 * can be shared.  Safe beside every call but init and fini, so it needs no
 * lock; the same vector must not run on two CPUs at once.  Runs nothing:
 * completions are delivered by vdrv_poll().  With a vector per queue it may be
 * left out for queue vectors. [any]
 */
uint32_t vdrv_irq(struct vdrv_device *dev, uint32_t vector);

/*
 * Delivers up to `budget` completions of a queue (0: all that are there now):
 * runs their callbacks or sets their status.  Reads no register unless a
 * config interrupt was noted.  Queues are numbered as the device numbers them.
 * Receive queues of a net device are pulled by vdrv_net_receive() instead.
 * Returns the number delivered.  INVALID: no such queue.  BUSY: called from a
 * callback of this queue.  PROTOCOL, NO_DEVICE, STUCK, BAD_STATE as latched.
 * [queue]
 */
int vdrv_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget);

/*
 * Asks for an interrupt (VDRV_ARM_NEXT and others) or for none (VDRV_ARM_OFF,
 * which is how queues start).
 * Returns 1 when work is already there, which may then bring no interrupt:
 *     do vdrv_poll(dev, queue, 0); while (vdrv_arm(dev, queue, ...) == 1);
 * loses no wake-up.  Returns 0 when armed.  Errors as for vdrv_poll(), which
 * end that loop too. [queue]
 */
int vdrv_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode);

/*
 * Resets the device and takes all memory back: every request ends with
 * ABORTED, every net buffer is released, on the calling CPU, before return.
 * Works from any state, also interrupted ones, when all else is halted; twice
 * is OK.  STUCK: the device did not confirm the reset within the bound; what
 * it owned stays its own, and a later stop may succeed.  BUSY: called from a
 * callback. [alone]
 */
int vdrv_stop(struct vdrv_device *dev);

/*
 * Starts a stopped device again on the same memory with the same features,
 * and clears what was latched.  OK when it already runs, as a device does that
 * lost its power unnoticed: after such a loss call vdrv_reset().  TIMEOUT,
 * PROTOCOL, UNSUPPORTED (the device now refuses its features), NO_DEVICE.
 * AGAIN: its configuration keeps changing.  STUCK, BUSY: as vdrv_stop().
 * BAD_STATE: not initialised, or it asks for a reset again. [alone]
 */
int vdrv_start(struct vdrv_device *dev);

/* vdrv_stop(), then vdrv_start(). [alone] */
int vdrv_reset(struct vdrv_device *dev);

/*
 * Brings the device to rest without a reset, when its configuration asked for
 * that (`suspend`) and the device can: it works on nothing, writes no memory
 * and interrupts nobody.  What it was working on it has finished before; what
 * it had not looked at stays its own, with all its memory.  Until vdrv_resume()
 * every call of a queue answers BAD_STATE, and no request ends: what was
 * finished comes back by the first poll afterwards.  OK when it rests already.
 * vdrv_stop() works as ever, and vdrv_start() starts it anew (for a device that
 * lost its power meanwhile), with all requests ABORTED.
 * UNSUPPORTED: not negotiated, or no driver op.  TIMEOUT: it did not come to
 * rest in time, and was stopped: all memory is back.  STUCK: nor did it
 * confirm that.  BAD_STATE: not running, or it asks for a reset instead.
 * NO_DEVICE.  BUSY: called from a callback.  PROTOCOL and others as latched.
 * [alone]
 */
int vdrv_suspend(struct vdrv_device *dev);

/*
 * The end of it: the device goes on where it was.  OK when it runs already.
 * Errors as for vdrv_suspend(). [alone]
 */
int vdrv_resume(struct vdrv_device *dev);

/*
 * After VDRV_CAUSE_CONFIG (or whenever): reads the device's configuration
 * again and tells in `*changes` (may be NULL) what is new, as VDRV_CHANGE_*.
 * In-flight requests are not disturbed.  AGAIN: the configuration keeps
 * changing, the old values stay.  BAD_STATE: the device asks for a reset.
 * One caller at a time. [wait]
 */
int vdrv_refresh(struct vdrv_device *dev, uint32_t *changes);

/*
 * Takes what is out on one queue back, while the others run: resets that queue
 * at the device, ends its requests with ABORTED (releases its net buffers), and
 * enables it again, as started: a pool's receive buffers are posted, and
 * interrupts are off until vdrv_arm().  UNSUPPORTED: the driver's configuration
 * does not say queue_reset, or the device cannot; nothing was done.  BUSY:
 * called from a callback of this queue.  PROTOCOL, NO_DEVICE: the device did
 * not confirm it, so the whole device was reset; the requests of this queue
 * ended, the others learn of it as from a blocking call's TIMEOUT.  STUCK: that
 * was not confirmed either.  INVALID: no such queue.  Others as latched.  One
 * caller of it a device, being the queue's caller, too. [wait]
 */
int vdrv_reset_queue(struct vdrv_device *dev, uint32_t queue);

#ifdef __cplusplus
}
#endif

#endif
