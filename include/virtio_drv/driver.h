/* SPDX-License-Identifier: MIT */
/*
 * The frame under the block, network and display drivers, for who writes
 * another one: queues and their pollers, the latch of a device that failed,
 * interrupts, stop and start, and waiting with a bound.
 *
 * How failures travel.  Each queue has one caller at a time, and there may be
 * one CPU per queue, so a failure on one queue cannot touch the others' state.
 * It raises the driver's epoch instead; every queue compares its own epoch
 * with it before it works, and takes its own requests back when it is called
 * next, if the device was reset meanwhile.
 */
#ifndef VIRTIO_DRV_DRIVER_H
#define VIRTIO_DRV_DRIVER_H

#include <virtio_drv/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vdrv_driver;

/* What a device driver adds. */
struct vdrv_driver_class {
    /*
     * A chain of `queue` came back: `err` is VDRV_OK and the device wrote
     * `len` bytes, or it is ABORTED and the device let go of it.
     */
    void (*complete)(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                     uint32_t len, int err);
    /* Optional: the device runs, again: post receive buffers and the like.
       An error undoes the start. */
    int (*started)(struct vdrv_driver *drv);
    const struct vdrv_feature_rule *rule;
    uint32_t nrules;
    /* Optional, in the place of `complete` for chains that were used: `n` of
       them at once. */
    void (*completed)(struct vdrv_driver *drv, uint32_t queue,
                      const struct vdrv_used *used, uint32_t n);
};

#define VDRV_DRIVER_STOPPED   0u /* reset; nothing is the device's */
#define VDRV_DRIVER_RUNNING   1u
#define VDRV_DRIVER_FAILED    2u /* latched an error; memory is the device's */
#define VDRV_DRIVER_HALTED    3u /* latched an error; the device was reset */
#define VDRV_DRIVER_STUCK     4u /* it does not reset; memory is the device's */
#define VDRV_DRIVER_SUSPENDED 5u /* what was out is the device's, at rest */

struct vdrv_driver_queue {
    struct vdrv_queue vq;
    uint32_t epoch;         /* of the driver, when this queue was started */
    uint32_t config_seen;   /* config interrupts its poller has looked into */
    uint32_t busy;          /* callbacks are running */
    const int32_t *watched; /* the status its poller waits for, itself */
    uint32_t irq_seen;      /* interrupts of its vector, at the last poll */
    uint32_t spurious;      /* polls after an interrupt that found nothing */
};

/* Counters of a queue; they wrap. */
struct vdrv_driver_stats {
    struct vdrv_queue_stats ring;
    uint32_t interrupts; /* of the queue's vector, which others may share */
    uint32_t spurious;   /* of these, by the time of a poll, brought nothing to
                            this queue; receive queues are not polled */
};

/* Event counters of one interrupt vector; irq is their only writer. */
struct vdrv_driver_vector {
    uint32_t queue;
    uint32_t config;
};

/* Private: a driver's struct embeds it. */
struct vdrv_driver {
    struct vdrv_transport *transport;
    const struct vdrv_hal *hal;
    const struct vdrv_driver_class *cls;
    struct vdrv_device *dev;
    struct vdrv_driver_queue *queue;
    struct vdrv_driver_vector *vector;
    uint32_t nqueues;
    uint32_t nvectors;
    uint32_t made; /* queues that were initialised */
    uint32_t epoch;
    uint32_t state;      /* VDRV_DRIVER_* */
    int32_t latched;     /* VDRV_OK, or what every call answers */
    uint32_t starting;   /* the class's started runs: polled, no interrupts */
    uint32_t timeout_us; /* of a blocking call; never 0 */
    uint32_t polled;     /* seized: no sleep, nobody to wake */
    uint64_t features[2];
    uint32_t use_vectors; /* 0: a line */
    uint32_t mixed;       /* vector 0 is not the configuration's alone */
    uint32_t queue_reset; /* the device's word for a queue's reset counts */
    struct vdrv_driver_vector line;
};

/* ---- Bringing it up, [alone] -------------------------------------------- */

/*
 * For a driver of a device type that has a legacy interface, before begin: on
 * a legacy transport VERSION_1 is not required, and ANY_LAYOUT is accepted.
 */
void vdrv_driver_allow_legacy(const struct vdrv_transport *t,
                              uint64_t wanted[2], uint64_t required[2]);

/*
 * Zeroes `drv` and negotiates: vdrv_transport_begin(), whose errors it
 * returns.  `queue` has room for `nqueues`.  timeout_us 0: 30 s.  BUSY, when
 * a driver stands on the transport already, leaves `drv` untouched: it may be
 * that driver; so look at t->claimed before zeroing what is around it.
 */
int vdrv_driver_begin(struct vdrv_driver *drv, struct vdrv_device *dev,
                      struct vdrv_transport *t,
                      const struct vdrv_driver_class *cls,
                      struct vdrv_driver_queue *queue, uint32_t nqueues,
                      uint32_t timeout_us, const uint64_t wanted[2],
                      const uint64_t required[2]);

/*
 * Before the first queue: takes up to `wanted` of the transport's vectors, for
 * `nqueues` queues.  Vector 0 is the configuration's; with a vector for each,
 * queue i has vector i + 1.  With fewer the queues share all but the first by
 * turns, and one alone serves everything.  A vector that the device refuses is
 * replaced by vector 0; when it refuses that, add_queue or run answers
 * UNSUPPORTED.  Without this call, with 0 wanted, or on a transport that has
 * none, it is a line.  `vector` has room for nqueues + 1.
 */
void vdrv_driver_use_vectors(struct vdrv_driver *drv,
                             struct vdrv_driver_vector *vector, uint32_t wanted,
                             uint32_t nqueues);

/* The vector of a queue, for its configuration. */
uint32_t vdrv_driver_vector_of(const struct vdrv_driver *drv, uint32_t queue);

/*
 * Makes the next queue, in ascending order of `cfg->index`, the device's
 * number for it.  The functions here number queues by their position in the
 * array, which is the same unless queues of the device are left out.  INVALID:
 * out of order, or no room.  Errors of vdrv_queue_init().
 */
int vdrv_driver_add_queue(struct vdrv_driver *drv,
                          const struct vdrv_queue_config *cfg);

/* DRIVER_OK, then the class's started. */
int vdrv_driver_run(struct vdrv_driver *drv);

/*
 * After an error of the three above: sets FAILED, takes the memory back by a
 * reset, frees it, and lets go of the transport.  Returns `err`; or STUCK,
 * when the ring memory had to be left to a device that does not reset: then
 * the transport stays claimed until a vdrv_driver_fini() succeeds.
 */
int vdrv_driver_abandon(struct vdrv_driver *drv, int err);

/*
 * Stops, frees the queues, lets go of the transport.  Twice is OK.  STUCK:
 * nothing was freed; it may be called again.
 */
int vdrv_driver_fini(struct vdrv_driver *drv);

/* ---- What the base operations are made of ------------------------------- */

/*
 * Contexts as in base.h: irq and identify [any], poll and arm [queue], stop
 * and start [alone].
 */
uint32_t vdrv_driver_irq(struct vdrv_driver *drv, uint32_t vector);
int vdrv_driver_poll(struct vdrv_driver *drv, uint32_t queue, uint32_t budget);
int vdrv_driver_arm(struct vdrv_driver *drv, uint32_t queue, uint32_t mode);
int vdrv_driver_stop(struct vdrv_driver *drv);
int vdrv_driver_start(struct vdrv_driver *drv);
void vdrv_driver_identify(const struct vdrv_driver *drv, const char *name,
                          uint32_t type, struct vdrv_identity *out);
/*
 * As vdrv_suspend() and vdrv_resume().  A driver's choice to offer them is
 * VIRTIO_F_SUSPEND among its `wanted` features. [alone]
 */
int vdrv_driver_suspend(struct vdrv_driver *drv);
int vdrv_driver_resume(struct vdrv_driver *drv);
/*
 * Starts the device anew whatever this driver was in the middle of, for a
 * kernel that has stopped for good.  No request ends and no callback runs,
 * nothing is unmapped, and from now on all waiting is polling.  The class has
 * cleaned up its own state before.  Errors as for start. [alone], in that
 * everybody else is stopped, in whatever place
 */
int vdrv_driver_seize(struct vdrv_driver *drv);
/* The first half of a refresh: OK, or the device's ill health, latched.
   [wait] */
int vdrv_driver_refresh(struct vdrv_driver *drv);

/* ---- For operations ----------------------------------------------------- */

/*
 * May the queue be used?  VDRV_OK, or what is latched; when the device was
 * reset since, first takes this queue's requests back. [queue]
 */
int vdrv_driver_check(struct vdrv_driver *drv, uint32_t queue);

/*
 * Makes a request's status final, last, and wakes its waiter when that is
 * another caller: `blocking` says that somebody waits. [queue]
 */
void vdrv_driver_finish(struct vdrv_driver *drv, uint32_t queue,
                        int32_t *status, int err, bool blocking);

/*
 * The counters of a queue (all 0 when there is no such), and all that
 * vdrv_queue_dump() logs of every queue.  Linked only when called. [queue]
 */
void vdrv_driver_get_stats(const struct vdrv_driver *drv, uint32_t queue,
                           struct vdrv_driver_stats *out);
void vdrv_driver_dump(const struct vdrv_driver *drv);

/* Latches `err` and ends the service of all queues. [queue] */
void vdrv_driver_fail(struct vdrv_driver *drv, int err);

/*
 * Sleeps in the HAL's wait, if it has one and arming finds nothing: until an
 * interrupt, or for at most `max_us`.  Whatever it is that is waited for must
 * be looked at again: the caller's lock may have been dropped. [wait]
 */
void vdrv_driver_rest(struct vdrv_driver *drv, uint32_t queue, uint32_t max_us);

/* vdrv_reset_queue(). [wait] */
int vdrv_driver_reset_queue(struct vdrv_driver *drv, uint32_t queue);

/*
 * Waits until `*status` is no longer VDRV_PENDING, polling `queue`, for at
 * most `timeout_us` (0: the driver's).  OK: it is final.  Otherwise the device
 * was reset, everything outstanding of this queue has ended with ABORTED, and
 * the answer is TIMEOUT, the latched error, or ABORTED (another call had
 * latched STUCK, and now the reset was confirmed); or STUCK: the reset was not
 * confirmed, and what was outstanding still is.  BUSY: a callback of this
 * queue is running; nothing was done, so ask before submitting. [wait]
 */
int vdrv_driver_wait(struct vdrv_driver *drv, uint32_t queue,
                     const int32_t *status, uint32_t timeout_us);

#ifdef __cplusplus
}
#endif

#endif
