/* SPDX-License-Identifier: MIT */
/*
 * The virtqueue (VirtIO 1.4, 2.6 to 2.8), for who writes a device driver.
 *
 * A chain of segments goes in with a cookie; the cookie comes out, once, with
 * the number of bytes the device wrote.  Adding, notifying and reaping are
 * apart, so that batches cost one notification and one look at the used index.
 *
 * Nothing the device writes is believed: the free list, the cookies and the
 * lengths are in memory it cannot reach, an id must be outstanding, a length
 * at most what was posted.  A device that breaks a rule breaks its queue: the
 * queue then answers PROTOCOL until it is reset, touches no memory of the
 * device's, and keeps every cookie for vdrv_queue_drain().  A chain counts as
 * outstanding from add, not from kick: while others are out, a device that
 * guesses its id can end it early, once.  So kick what you added before you
 * reuse memory on the word of a device that you do not trust.
 *
 * All of a queue's calls are [queue]; init, fini, restart and drain are
 * [alone].
 */
#ifndef VIRTIO_DRV_QUEUE_H
#define VIRTIO_DRV_QUEUE_H

#include <virtio_drv/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One completion. */
struct vdrv_used {
    void *cookie;
    uint32_t len; /* bytes written, at most what was posted as writable */
    uint32_t reserved;
};

/* Counters; they wrap. */
struct vdrv_queue_stats {
    uint32_t kicks;      /* notifications sent */
    uint32_t suppressed; /* not sent, because the device wanted none */
    uint32_t bad_len;    /* wrong lengths that do no harm */
    uint32_t errors;     /* rules broken by the device */
    uint32_t completions;
    uint32_t full; /* chains that found no room: AGAIN */
    uint32_t most; /* chains out at once, as seen when one found no room, in
                      arm, in vdrv_poll(), and now */
};

struct vdrv_queue;

/*
 * A ring layout.  vdrv_queue_split is always there; the packed ring is linked
 * only when a configuration names it.
 */
struct vdrv_queue_kind {
    const char *name;
    /* Bytes of ring memory for `size` entries, of which the parts start at
       part[0..2]. */
    size_t (*layout)(uint32_t size, size_t part[3]);
    /* Makes the ring empty, and chooses the functions in `q`. */
    void (*reset)(struct vdrv_queue *q);
    int (*arm)(struct vdrv_queue *q, uint32_t mode);
    bool (*pending)(const struct vdrv_queue *q);
    uint32_t (*room)(const struct vdrv_queue *q);
    /* Undoes the mappings of the chain that slot `number` stands for. */
    void (*unmap)(struct vdrv_queue *q, uint32_t number);
    uint32_t align;   /* of ring memory, when more than 64 is needed */
    uint32_t lenient; /* a length above what was posted is cut, and counted */
    /* Of an in-order layout: the one that runs without IN_ORDER. */
    const struct vdrv_queue_kind *any_order;
};

extern const struct vdrv_queue_kind vdrv_queue_split;  /* 2.7 */
extern const struct vdrv_queue_kind vdrv_queue_packed; /* 2.8 */

/*
 * The same for a device that uses buffers in the order they came (IN_ORDER:
 * 2.7.9, 2.8.8), where one used element may stand for a batch.  Of a batch
 * the device says the length of the last chain only.  The others "are assumed
 * to have been used completely": their vdrv_used.len is all that was posted as
 * writable.  So a device may not skip a chain that it filled in part, such as
 * a short packet's, and lengths are as exact as without IN_ORDER.  A device
 * that does skip it hands its caller old bytes of the caller's own buffer.
 */
extern const struct vdrv_queue_kind vdrv_queue_split_in_order;
extern const struct vdrv_queue_kind vdrv_queue_packed_in_order;

/*
 * Features of the ring that a driver may accept with these two members of
 * struct vdrv_queue_config: RING_PACKED and IN_ORDER as they say, and what
 * needs nothing of the driver (ORDER_PLATFORM, NOTIFICATION_DATA,
 * NOTIF_CONFIG_DATA, RING_RESET).  All are below bit 64. [any]
 */
uint64_t vdrv_queue_features(const struct vdrv_queue_kind *packed,
                             const struct vdrv_queue_kind *in_order);

/* A head and a tail for each chain, as struct vdrv_queue says; 0: none. */
struct vdrv_queue_frame {
    uint32_t head;    /* bytes of the head, */
    uint32_t tail_at; /* from its start to the tail, */
    uint32_t tail;    /* and bytes of that */
};

/* How a queue is to be made. */
struct vdrv_queue_config {
    uint32_t index;     /* the device's number for it */
    uint32_t size;      /* entries wanted; 0: as many as the device has */
    uint32_t indirect;  /* segments of one indirect table; 0: none.  Used when
                          the device has INDIRECT_DESC (2.7.5.3) */
    uint32_t vector;    /* VDRV_NO_VECTOR, or a vector of the transport's */
    uint32_t max_chain; /* descriptors of one chain at most, when the device
                           has such a limit; 0: the queue's size */
    /* NULL: split only; or &vdrv_queue_packed, &vdrv_queue_packed_in_order */
    const struct vdrv_queue_kind *packed;
    /* NULL; or &vdrv_queue_split_in_order: the device may use IN_ORDER, when
       `packed` is NULL or in order, too */
    const struct vdrv_queue_kind *in_order;
    void *work;       /* CPU memory, aligned as uint64_t; the queue's own */
    size_t work_size; /* bytes, at least vdrv_queue_work_size() */
    struct vdrv_queue_frame frame; /* of the library's own drivers */
};

/*
 * Private state of one descriptor (of a packed ring: of one buffer id): of a
 * free one, what comes after it; of the head of a chain that is out, what may
 * come back.  Each ring layout has its own encoding of `link` and `chain`.
 */
struct vdrv_queue_slot {
    uint32_t link;  /* the next one */
    uint32_t limit; /* writable bytes + 1; 0: no chain that is out */
    uint32_t chain; /* how many descriptors it has, and more */
    uint32_t reserved;
};

/* Private record of one mapping, to undo it. */
struct vdrv_queue_map {
    void *ptr;
    uint64_t dma;
    uint32_t run;
    uint32_t dir; /* 0: nothing to undo */
};

/* Private: allocate it, and leave its members alone. */
struct vdrv_queue {
    int (*add)(struct vdrv_queue *q, const struct vdrv_seg *seg, uint32_t nout,
               uint32_t nin, void *cookie);
    int (*kick)(struct vdrv_queue *q);
    int (*reap)(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max);
    /*
     * Adds a chain of three: a head for the device to read at device address
     * `dma`, `seg`, and a tail for it to write, as `frame` says.  [0]: the
     * device writes `seg`; [1]: it reads it.  Errors as for add.  Not there
     * when the library was compiled for size.
     */
    int (*framed[2])(struct vdrv_queue *q, const struct vdrv_seg *seg,
                     uint64_t dma, void *cookie);
    /* The ring, shared with the device; every read of it is checked. */
    void *desc;
    void *driver;
    void *device;
    void *desc_end; /* of a packed ring */
    /* What the device cannot write. */
    struct vdrv_queue_slot *slot;
    void **cookie;
    struct vdrv_queue_map *map;
    uint64_t direct_base; /* device address where short segments may start, */
    uint64_t direct_fast; /* and how far from it */
    uint64_t direct_offset;
    uint32_t nfree; /* of a split ring */
    uint32_t size;
    uint32_t mask;      /* size - 1; of a split ring */
    uint32_t free_at;   /* link to the first free descriptor, or buffer id */
    uint32_t avail_idx; /* chains added, counted on */
    uint16_t published; /* of these, as the device was told */
    uint16_t used_idx;  /* chains that came back, counted on */
    uint32_t event_idx; /* EVENT_IDX was negotiated */
    struct vdrv_queue_frame frame;
    /* Of a packed ring: places, in bytes from its end, so below 0. */
    int32_t avail_at;   /* to fill next, */
    int32_t stop_at;    /* and how far without another look */
    int32_t batch_at;   /* first one that the device was not told of */
    int32_t used_at;    /* to come back next */
    uint32_t avail_tag; /* AVAIL and USED as they are now written, */
    uint32_t used_tag;  /* and as they are in a used descriptor */
    uint32_t held_tag;  /* of the one at batch_at; 0: nothing was added */
    /* Of an in-order ring. */
    uint32_t done_at;    /* the chain to come back next */
    uint32_t batch_left; /* chains of the batch that reap is in, */
    uint32_t batch_len;  /* and the length of its last one */
    void *doorbell;      /* when it is 2 or 4 bytes of memory, else NULL */
    int (*kick_bell[2])(struct vdrv_queue *q); /* kick for these, or NULL */
    struct vdrv_notify notify;
    /* Seldom used from here. */
    struct vdrv_queue_stats stats;
    int32_t error; /* VDRV_OK, or why it is broken */
    uint32_t index;
    uint32_t indirect; /* entries of a table; 0: none */
    uint32_t notify_data;
    uint32_t order_platform;
    uint32_t vector;
    uint32_t max_chain;
    uint32_t dma_flags;
    uint32_t drained;
    struct vdrv_queue_map *table_map;
    void *tables;
    uint64_t tables_dma;
    uint64_t area_dma;
    size_t area_size;
    const struct vdrv_queue_kind *kind;
    struct vdrv_transport *transport;
    const struct vdrv_hal *hal;
};

/*
 * Bytes of work memory for a queue of `size` entries with indirect tables of
 * `indirect` segments, under `hal` (one without dma_map needs less).  `size`
 * must be what the queue will have, as vdrv_queue_pick_size() says it: at most
 * config.size, at most the device's.  SIZE_MAX: above 32768, or more than a
 * size_t counts. [any]
 */
size_t vdrv_queue_work_size(const struct vdrv_hal *hal, uint32_t size,
                            uint32_t indirect);

/* An upper bound of it, for static memory. */
#define VDRV_QUEUE_WORK_SIZE(size, indirect)                                   \
    ((size_t)(size) * (sizeof(void *) + sizeof(struct vdrv_queue_slot) +       \
                       sizeof(struct vdrv_queue_map) * (1u + (indirect))) +    \
     64u)

/*
 * The size the queue will get: the wanted one, or the device's if that is
 * smaller or `wanted` is 0 or the transport cannot change it; at most 32768; a
 * wanted one is rounded down to a power of two unless packed.  0: the device
 * has no such queue.  PROTOCOL: the device's size is no power of two (2.7).
 * After vdrv_transport_begin(). [alone]
 */
int vdrv_queue_pick_size(struct vdrv_transport *t, uint32_t index,
                         uint32_t wanted, bool packed);

/*
 * Allocates the ring and enables the queue, between vdrv_transport_begin()
 * and vdrv_transport_ready().  `q` need not be zeroed.  The config is read
 * during the call only.
 * INVALID: NULL, work memory misaligned, neither direct window nor dma_map,
 * or the HAL answered an address that is misaligned or too high.
 * NO_MEMORY: work memory too small, or dma_alloc failed.  NO_DEVICE: no such
 * queue.  PROTOCOL: the device's queue registers make no sense.  UNSUPPORTED:
 * its vector was refused.
 * After an error the queue must not be used.  PROTOCOL and UNSUPPORTED may come
 * after the device was told of the ring, which therefore stays allocated:
 * after any error reset the device, and then call vdrv_queue_fini(), which
 * frees what there is. [alone]
 */
int vdrv_queue_init(struct vdrv_queue *q, struct vdrv_transport *t,
                    const struct vdrv_queue_config *cfg);

/*
 * Frees the ring, if there is one: twice is OK.  Only after the device was
 * reset and q drained. [alone]
 */
void vdrv_queue_fini(struct vdrv_queue *q);

/*
 * After a device reset and a new vdrv_transport_begin(): enables the queue
 * again on the same memory, empty.  Errors as for init. [alone]
 */
int vdrv_queue_restart(struct vdrv_queue *q);

/*
 * Resets this one queue at the device (RING_RESET, 2.6.1) and waits, at most
 * 2 s.  On VDRV_OK the device says that it has let go of the queue's memory:
 * take the cookies back with vdrv_queue_drain(), and go on with
 * vdrv_queue_restart().  UNSUPPORTED: not negotiated, or no such register;
 * the queue runs on.  PROTOCOL, NO_DEVICE: not confirmed; the memory is the
 * device's until the whole device is reset.  One caller for all queues of a
 * device, which may be in use meanwhile.
 *
 * The word of the device is all there is: QEMU 7.2's block device on PCI was
 * seen to write into requests after it had confirmed. [wait]
 */
int vdrv_queue_reset(struct vdrv_queue *q);

/*
 * Offers a chain: seg[0..nout) is read by the device, the `nin` segments after
 * it are written by it.  On VDRV_OK they belong to the device until reap or
 * drain hands `cookie` back.  Does not tell the device: see vdrv_queue_kick().
 * INVALID: no segment, an empty segment, a pointer that cannot be translated.
 * TOO_BIG: more segments than the ring (or its indirect tables) ever hold, or
 * more than 2^32 - 2 bytes.  AGAIN: no room now, or dma_map says so.
 * PROTOCOL and others, latched: the queue is broken. [queue]
 */
int vdrv_queue_add(struct vdrv_queue *q, const struct vdrv_seg *seg,
                   uint32_t nout, uint32_t nin, void *cookie);

/*
 * Publishes what was added since the last kick, and notifies the device if it
 * wants that (2.7.10, 2.8.10).  Returns 1 when it was notified, else 0; a
 * latched error when the queue is broken. [queue]
 */
int vdrv_queue_kick(struct vdrv_queue *q);

/*
 * Takes up to `max` completions.  Returns how many; 0 when there are none.
 * A rule broken by the device latches PROTOCOL, answered when nothing good
 * precedes it. [queue]
 */
int vdrv_queue_reap(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max);

/*
 * Asks for an interrupt, as vdrv_arm() does: 1 when completions are already
 * there, 0 when armed.  With EVENT_IDX and VDRV_ARM_SOON, _LATE or _EMPTY, 1
 * only when the awaited one is there; without it they are VDRV_ARM_NEXT.
 * [queue]
 */
int vdrv_queue_arm(struct vdrv_queue *q, uint32_t mode);

/*
 * Chains that were added and have not come back, kicked or not.  0 when the
 * queue is broken: what is out then, vdrv_queue_drain() tells. [queue]
 */
uint32_t vdrv_queue_outstanding(const struct vdrv_queue *q);

/* Would reap find something, good or bad?  False when broken. [queue] */
bool vdrv_queue_pending(const struct vdrv_queue *q);

/* Free descriptors; 0 when the queue is broken. [queue] */
uint32_t vdrv_queue_room(const struct vdrv_queue *q);

/*
 * How many chains of up to `nsegs` segments can be outstanding at once, when
 * none of their segments is split by dma_map; 0: not one. [any]
 */
uint32_t vdrv_queue_depth(const struct vdrv_queue *q, uint32_t nsegs);

/*
 * Latches `err` (negative): every later add, kick, reap and arm answers it.
 * The first one stays. [queue]
 */
void vdrv_queue_break(struct vdrv_queue *q, int err);

/* The counters, since init. [queue] */
void vdrv_queue_get_stats(const struct vdrv_queue *q,
                          struct vdrv_queue_stats *out);

/*
 * Logs the queue's state as VDRV_LOG_INFO, in the words of QEMU's "info
 * virtio-queue-status" where it has them, then features, the last notification
 * and the counters.  Reads nothing that the device writes.  Linked only when it
 * is called. [queue]
 */
void vdrv_queue_dump(const struct vdrv_queue *q);

/*
 * After a confirmed device reset: hands back one outstanding cookie after
 * another, unmapped, in `*cookie`; false when none is left.  O(1) each,
 * amortised. [alone]
 */
bool vdrv_queue_drain(struct vdrv_queue *q, void **cookie);

#ifdef __cplusplus
}
#endif

#endif
