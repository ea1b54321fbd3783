/* SPDX-License-Identifier: MIT */
/*
 * What a virtio transport is, whichever bus it stands on: status, features,
 * queues, device configuration and interrupts.  mmio.h and pci.h make one from
 * hardware; a fake or a hypercall interface can make one too, by filling in
 * the ops.  The functions at the end are the life cycle of VirtIO 1.4, 3.1,
 * written once for all of them.
 */
#ifndef VIRTIO_DRV_TRANSPORT_H
#define VIRTIO_DRV_TRANSPORT_H

#include <virtio_drv/hal.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_NO_VECTOR 0xffffu /* no vector: a line, or polling */

/* A space no CPU reaches: the transport's own operation `notify` does. */
#define VDRV_SPACE_TRANSPORT 2u

/* Where a queue's memory lies, for the device (2.6). */
struct vdrv_queue_area {
    uint64_t desc;   /* descriptor table, or packed ring */
    uint64_t driver; /* available ring, or driver event suppression */
    uint64_t device; /* used ring, or device event suppression */
    uint32_t size;   /* entries */
    uint32_t vector; /* VDRV_NO_VECTOR, or a vector of the transport's */
};

/* Where and how a queue is notified; made once, when it is enabled. */
struct vdrv_notify {
    uintptr_t addr;
    uint32_t space; /* VDRV_SPACE_* */
    uint32_t width; /* bytes: 2 or 4 */
    uint32_t value; /* the queue's number, or what the device gave for it */
};

/*
 * Memory of the device's that the driver may use too (2.10).  Nothing is
 * mapped: what caching it takes depends on what it is for.
 */
struct vdrv_shared_memory {
    uint64_t phys; /* CPU physical address */
    uint64_t len;  /* bytes, not 0 */
};

struct vdrv_transport;

/*
 * All are [alone], but irq [any], config_read and generation (one caller) and
 * read_status [any].  Values are in the CPU's byte order.  A register that
 * reads as all ones is reported as such: the callers know what it means.
 */
struct vdrv_transport_ops {
    uint32_t (*read_status)(struct vdrv_transport *t);
    void (*write_status)(struct vdrv_transport *t, uint32_t status);
    void (*read_features)(struct vdrv_transport *t, uint64_t features[2]);
    void (*write_features)(struct vdrv_transport *t,
                           const uint64_t features[2]);
    /* The largest size of a queue; 0: the device has no such queue. */
    uint32_t (*queue_max)(struct vdrv_transport *t, uint32_t queue);
    /*
     * Tells the device where the queue is and enables it, last.  PROTOCOL:
     * it was enabled before, did not enable, or its notification address is
     * not inside the device.  UNSUPPORTED: the vector was refused.
     */
    int (*queue_enable)(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify);
    /*
     * One field of the device configuration, `width` 1, 2 or 4, inside
     * config_size and aligned to width: the caller has checked.
     */
    uint32_t (*config_read)(struct vdrv_transport *t, uint32_t offset,
                            uint32_t width);
    void (*config_write)(struct vdrv_transport *t, uint32_t offset,
                         uint32_t width, uint32_t value);
    /*
     * Changes whenever the configuration changed (2.5.1).  NULL: there is no
     * such register, and what is read twice the same is taken for true.
     */
    uint32_t (*generation)(struct vdrv_transport *t);
    /* Reads and acknowledges the interrupt causes of a vector. */
    uint32_t (*irq)(struct vdrv_transport *t, uint32_t vector);
    /* Optional: vector for configuration changes.  UNSUPPORTED: refused. */
    int (*config_vector)(struct vdrv_transport *t, uint32_t vector);
    /* Optional: restores bus state after the device lost power. */
    int (*restore)(struct vdrv_transport *t);
    /*
     * Optional: resets one queue and waits, bounded (2.6.1).  PROTOCOL: never
     * confirmed, or its queue is still enabled.  UNSUPPORTED: the register is
     * not there, and nothing was done.
     */
    int (*queue_reset)(struct vdrv_transport *t, uint32_t queue);
    /*
     * Optional: region `id` of shared memory, checked: it has bytes, does not
     * wrap, and is inside the device's BAR where there is one.  Errors as of
     * vdrv_transport_shared_memory().
     */
    int (*shared_memory)(struct vdrv_transport *t, uint32_t id,
                         struct vdrv_shared_memory *out);
    /* Optional: a notification, where its space is VDRV_SPACE_TRANSPORT. */
    void (*notify)(struct vdrv_transport *t, const struct vdrv_notify *to,
                   uint32_t value);
};

#define VDRV_TRANSPORT_LEGACY     1u /* no FEATURES_OK, guest-endian */
#define VDRV_TRANSPORT_FIXED_SIZE 2u /* queues have the device's size */

struct vdrv_queue_kind; /* a ring layout: queue.h */

/*
 * The split ring of legacy devices (2.7.2): one block of pages, in the CPU's
 * byte order.  Linked with the transports that choose it.
 */
extern const struct vdrv_queue_kind vdrv_queue_legacy;

/*
 * The part all transports share; the first member of struct vdrv_mmio and
 * struct vdrv_pci.  Readable after a successful probe, written by the library
 * alone.  One device driver at a time stands on a transport.
 */
struct vdrv_transport {
    const struct vdrv_transport_ops *ops;
    const struct vdrv_hal *hal;
    uint32_t device_id; /* virtio device type: 1 net, 2 block, 16 gpu */
    uint32_t vendor_id;
    uint32_t config_size; /* bytes of device configuration that exist */
    uint32_t flags;       /* VDRV_TRANSPORT_* */
    uint64_t dma_limit;   /* highest device address it can be told */
    uint64_t features[2]; /* negotiated; 0 before */
    uint32_t vectors;     /* interrupt vectors in use; 0: a line */
    uint32_t claimed;     /* a driver stands on it */
    const struct vdrv_queue_kind *ring; /* NULL: vdrv_queue_split */
    char location[24];                  /* "pci 00:02.0", "mmio 10008000" */
};

/* ---- Features ---------------------------------------------------------- */

/* Is feature `bit` (0 to 127) in `set`? [any] */
static inline bool vdrv_feature(const uint64_t set[2], uint32_t bit)
{
    return ((set[(bit >> 6) & 1u] >> (bit & 63u)) & 1u) != 0;
}

/* "Bit `bit` only with `needs`, or instead with `or_needs`." */
struct vdrv_feature_rule {
    uint8_t bit;
    uint8_t needs;
    uint8_t or_needs; /* same as `needs` when there is no alternative */
};

/*
 * Takes from `set` every bit whose prerequisite is missing, until none is
 * left (2.2.1).  At most 128 passes. [any]
 */
void vdrv_features_close(uint64_t set[2], const struct vdrv_feature_rule *rule,
                         uint32_t nrules);

/* ---- Life cycle, VirtIO 1.4, 3.1 --------------------------------------- */

/*
 * Steps 1 to 6: resets the device, waits for that, announces the driver,
 * accepts what of `wanted` is offered and whose prerequisites are, sets
 * FEATURES_OK and reads it back.  The result is t->features.  `required` must
 * be a part of `wanted`.
 * BUSY: a driver stands on this transport already.  NO_DEVICE: reads as all
 * ones.  TIMEOUT: the reset was not confirmed.  UNSUPPORTED: a required
 * feature is missing, the device refused the set, or it has ACCESS_PLATFORM
 * and the HAL no address for it (see direct_platform); FAILED was set.
 * BAD_STATE: it asks for a reset. [alone]
 */
int vdrv_transport_begin(struct vdrv_transport *t, const uint64_t wanted[2],
                         const uint64_t required[2],
                         const struct vdrv_feature_rule *rule, uint32_t nrules);

/* Step 8: DRIVER_OK.  Errors as the status then read says. [alone] */
int vdrv_transport_ready(struct vdrv_transport *t);

/* Sets FAILED and lets go of the transport. [alone] */
void vdrv_transport_fail(struct vdrv_transport *t);

/*
 * Resets and waits for it, at most `timeout_us` (0: 2 s).  Only after VDRV_OK
 * is memory that the device was told of the driver's again.  NO_DEVICE (gone:
 * it touches nothing any more), or STUCK. [alone]
 */
int vdrv_transport_reset(struct vdrv_transport *t, uint32_t timeout_us);

/*
 * Suspends a device that runs and accepted VIRTIO_F_SUSPEND (3.4), and resumes
 * a suspended one; waits for it, at most `timeout_us` (0: 2 s).  While it is
 * suspended nothing may be offered, notified or written but the status.
 * NO_DEVICE.  BAD_STATE: it failed to, and asks for a reset.  TIMEOUT: it did
 * neither, so its state is unknown until it is reset. [alone]
 */
int vdrv_transport_suspend(struct vdrv_transport *t, uint32_t timeout_us);
int vdrv_transport_resume(struct vdrv_transport *t, uint32_t timeout_us);

/* Lets go of a transport whose device was reset. [alone] */
void vdrv_transport_release(struct vdrv_transport *t);

/*
 * What the status register says of the device's health: OK, BAD_STATE
 * (DEVICE_NEEDS_RESET or FAILED), NO_DEVICE (unplugged).  One register read.
 * Of the register the low 8 bits count, and 0xff, all of them set, means
 * unplugged, here and wherever the status is read: a device that is gone reads
 * so on PCI, and none that is there sets them all.  What is gone writes no
 * memory: NO_DEVICE from a reset gives memory back as OK does. [any]
 */
int vdrv_transport_health(struct vdrv_transport *t);

/* A field of the device configuration to be read. */
struct vdrv_config_field {
    uint16_t offset;
    uint8_t width; /* 1, 2, 4, or 8 (two reads of 4) */
    uint8_t count; /* consecutive fields of that width */
};

/*
 * Reads fields into `image`, each at its own offset, little-endian, all from
 * one generation (2.5.1).  Other bytes of `image` stay as they are.
 * PROTOCOL: the device's configuration is too short for a field.  INVALID: the
 * image is.  AGAIN: it kept changing through 16 attempts. [alone]-like: one
 * caller at a time.
 */
int vdrv_transport_config(struct vdrv_transport *t,
                          const struct vdrv_config_field *field,
                          uint32_t nfields, uint8_t *image,
                          uint32_t image_size);

/*
 * Where region `id` of the memory lies that the device shares (2.10); which
 * ids there are is the device type's.  Best asked before a driver is
 * initialised: on PCI, BARs are sized.
 * UNSUPPORTED: the device has no such region, or its interface (legacy) none
 * at all.  PROTOCOL: what it says of the region cannot be; the log says why.
 * NO_DEVICE: it is gone.  INVALID: NULL.  After an error `*out` is all zero.
 * [alone]
 */
int vdrv_transport_shared_memory(struct vdrv_transport *t, uint32_t id,
                                 struct vdrv_shared_memory *out);

/* ---- Diagnostics ------------------------------------------------------- */

/*
 * Logs "<location>: <text>" through the HAL, with " <value>" in hexadecimal
 * when `value` is given; long texts are cut. [any]
 */
void vdrv_transport_log(const struct vdrv_transport *t, uint32_t level,
                        const char *text, const uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
