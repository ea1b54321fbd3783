/* SPDX-License-Identifier: MIT */
/*
 * The part of a virtio device that no transport and no class owns: features,
 * status, configuration space, queues, interrupts, and the engine that takes
 * requests from queues and completes them when it is told to.  A transport
 * (fake_mmio.h, fake_pci.h) shows it through registers; a class (fake_blk.h,
 * fake_net.h, fake_gpu.h) answers the requests.
 *
 * A device is asynchronous: a kick is noted, and worked on in the next
 * fake_step(), which relax and wait of the HAL do.  With `immediate` it works
 * inside the kick.
 */
#ifndef FAKE_VIRTIO_H
#define FAKE_VIRTIO_H

#include "fake_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_QUEUES    16
#define FAKE_CONFIG    256
#define FAKE_NO_VECTOR 0xFFFFu

/* Status bits. */
#define FAKE_ACKNOWLEDGE 0x01u
#define FAKE_DRIVER      0x02u
#define FAKE_DRIVER_OK   0x04u
#define FAKE_FEATURES_OK 0x08u
#define FAKE_SUSPEND     0x10u
#define FAKE_NEEDS_RESET 0x40u
#define FAKE_FAILED      0x80u

/* Feature bits that belong to no class. */
#define FAKE_F_ANY_LAYOUT        27u /* legacy interface only */
#define FAKE_F_INDIRECT_DESC     28u
#define FAKE_F_EVENT_IDX         29u
#define FAKE_F_BAD_FEATURE       30u /* legacy: offered, never accepted */
#define FAKE_F_VERSION_1         32u
#define FAKE_F_ACCESS_PLATFORM   33u
#define FAKE_F_RING_PACKED       34u
#define FAKE_F_IN_ORDER          35u
#define FAKE_F_ORDER_PLATFORM    36u
#define FAKE_F_NOTIFICATION_DATA 38u
#define FAKE_F_NOTIF_CONFIG_DATA 39u
#define FAKE_F_RING_RESET        40u
#define FAKE_F_SUSPEND           43u

/* ISR bits, and causes of an interrupt. */
#define FAKE_ISR_QUEUE  1u
#define FAKE_ISR_CONFIG 2u

/* When requests complete. */
#define FAKE_COMPLETE_NOW    0u /* as they are taken */
#define FAKE_COMPLETE_ORDER  1u /* `per_step` of them a step, oldest first */
#define FAKE_COMPLETE_RANDOM 2u /* `per_step` of them a step, any */
#define FAKE_COMPLETE_HELD   3u /* when the test releases them */

struct fake_dev_ops {
    /*
     * Carries out a request and returns how many bytes it wrote.  With
     * FAKE_KEEP the chain stays with the device class, which pushes it later.
     */
    uint32_t (*serve)(struct fake_dev *d, struct fake_chain *c);
    /* The driver's features are complete; false refuses FEATURES_OK. */
    bool (*negotiated)(struct fake_dev *d);
    /* The device was reset. */
    void (*reset)(struct fake_dev *d);
    /* The driver wrote into configuration space (already stored). */
    void (*config_written)(struct fake_dev *d, uint32_t off, uint32_t width);
    /* Is about to read it: a place for values that are computed. */
    void (*config_read)(struct fake_dev *d, uint32_t off, uint32_t width);
    /* Once a step, after the queues. */
    void (*step)(struct fake_dev *d);
    /* Once at the end. */
    void (*fini)(struct fake_dev *d);
};

#define FAKE_KEEP UINT32_MAX

struct fake_dev {
    struct fake *f;
    const struct fake_dev_ops *ops;
    const char *name;
    void *user;    /* the test's */
    uint32_t type; /* virtio device id: 1 net, 2 block, 16 gpu */
    /* ---- Features: bits 0-127 --------------------------------------- */
    uint64_t offered[2];
    uint64_t accepted[2];
    /* ---- Configuration space ---------------------------------------- */
    uint8_t config[FAKE_CONFIG]; /* little-endian, as it is on the wire */
    uint8_t config_writable[FAKE_CONFIG]; /* bytes a driver may write */
    uint32_t config_len;
    uint32_t generation;
    /*
     * The legacy interface: 32 feature bits, no FEATURES_OK, no generation.
     * Set by a transport's fake_..._legacy(), which takes VERSION_1 away.
     */
    bool legacy;
    /* ---- Knobs ------------------------------------------------------ */
    bool immediate;       /* work inside the kick */
    uint32_t complete;    /* FAKE_COMPLETE_* */
    uint32_t per_step;    /* requests a step in ORDER, RANDOM; 0: all */
    uint32_t reset_reads; /* status reads until a reset is done */
    bool reset_never;     /* it is never done */
    uint32_t fok_reads;   /* status reads until FEATURES_OK shows */
    bool refuse_features; /* FEATURES_OK never shows */
    /*
     * SUSPEND, and DRIVER_OK that resumes: status reads until it shows, at
     * least until all that was taken is done; never; or NEEDS_RESET instead.
     */
    uint32_t suspend_reads;
    bool suspend_never;
    bool suspend_fails;
    bool generation_flaps; /* a new generation at each read of it */
    bool no_irq;           /* interrupts are lost */
    /* Runs before each read of configuration space, to change it. */
    void (*on_config_read)(void *arg, struct fake_dev *d, uint32_t off);
    void *on_config_arg;
    /*
     * An interrupt: of vector `vector` (0 without MSI-X).  Runs in the middle
     * of a step, or of a kick when `immediate`: as a real one would.
     */
    void (*on_irq)(void *arg, struct fake_dev *d, uint16_t vector);
    void *on_irq_arg;
    /* ---- Counters --------------------------------------------------- */
    uint32_t irqs, config_irqs, resets, kicks;
    /* ---- State ------------------------------------------------------ */
    uint32_t status;
    uint32_t isr;
    bool msix;              /* interrupts go to vectors; set by the transport */
    uint16_t config_vector; /* MSI-X */
    struct fake_queue queue[FAKE_QUEUES];
    uint16_t n_queues;
    struct fake_chain *pending; /* taken and not completed */
    size_t n_pending, pending_cap;
    struct fake_stepper stepper;
    /* The line of an interrupt without MSI-X changed (transport). */
    void (*line)(struct fake_dev *d);
    /* MSI-X: may this vector fire now?  If not, the transport keeps it. */
    bool (*vector_open)(struct fake_dev *d, uint16_t vector);
    void *transport;
    uint32_t reset_left, fok_left, suspend_left;
    bool line_off; /* the transport keeps the line low */
    bool resetting, reset_seen, was_reset, fok_checked;
    bool suspending, resuming; /* not done yet */
    bool config_late;          /* it changed while suspended */
};

/* ---- For tests ------------------------------------------------------ */

bool fake_dev_has(const struct fake_dev *d, unsigned bit); /* negotiated */
bool fake_dev_offers(const struct fake_dev *d, unsigned bit);
void fake_dev_offer(struct fake_dev *d, unsigned bit, bool on);
/* The driver has reached DRIVER_OK, and nothing has gone wrong since. */
bool fake_dev_live(const struct fake_dev *d);

/* After the test changed `config`: new generation, and an interrupt. */
void fake_dev_config_changed(struct fake_dev *d);
/* The device has enough: NEEDS_RESET, and a configuration interrupt. */
void fake_dev_needs_reset(struct fake_dev *d);
/* An interrupt for no reason. */
void fake_dev_spurious_irq(struct fake_dev *d);

/* Takes what is available into `pending`, without completing. */
void fake_dev_collect(struct fake_dev *d);
/* Requests that are held. */
size_t fake_dev_pending(const struct fake_dev *d);
/* Completes the i-th of them (with IN_ORDER the oldest of its queue), or all;
   publishes and interrupts. */
void fake_dev_release(struct fake_dev *d, size_t i);
void fake_dev_release_all(struct fake_dev *d);
/* The i-th will never complete (before a reset). */
void fake_dev_drop(struct fake_dev *d, size_t i);

/* ---- For device classes --------------------------------------------- */

void fake_dev_init(struct fake_dev *d, struct fake *f,
                   const struct fake_dev_ops *ops, uint32_t type,
                   const char *name);
void fake_dev_fini(struct fake_dev *d);
struct fake_queue *fake_dev_add_queue(struct fake_dev *d, uint16_t max);
/* Bits [off, off + n) of configuration space may be written by the driver. */
void fake_dev_config_allow(struct fake_dev *d, uint32_t off, uint32_t n);

/* The device has the legacy interface from now on. */
void fake_dev_set_legacy(struct fake_dev *d);
/*
 * LEG-45, LEG-58: without ANY_LAYOUT the chain's first segment is its header
 * of `first` bytes and, unless 0, its last has `last` bytes.
 */
void fake_dev_check_framing(struct fake_dev *d, const struct fake_chain *c,
                            uint32_t first, uint32_t last);

/*
 * A field of the legacy interface is in the guest's order (2.5.3, 2.7.3, and
 * each class's): what was read as little-endian, or is to be written so,
 * turned round when that is another.
 */
static inline bool fake_dev_native(const struct fake_dev *d)
{
    return d->legacy && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

static inline uint16_t fake_wire16(const struct fake_dev *d, uint32_t v)
{
    return fake_dev_native(d) ? __builtin_bswap16((uint16_t)v) : (uint16_t)v;
}

static inline uint32_t fake_wire32(const struct fake_dev *d, uint32_t v)
{
    return fake_dev_native(d) ? __builtin_bswap32(v) : v;
}

static inline uint64_t fake_wire64(const struct fake_dev *d, uint64_t v)
{
    return fake_dev_native(d) ? __builtin_bswap64(v) : v;
}

/* ---- For transports ------------------------------------------------- */

uint32_t fake_dev_feature_word(struct fake_dev *d, uint32_t sel);
void fake_dev_accept_word(struct fake_dev *d, uint32_t sel, uint32_t value);
uint32_t fake_dev_get_status(struct fake_dev *d);
void fake_dev_set_status(struct fake_dev *d, uint32_t value);
uint32_t fake_dev_generation(struct fake_dev *d);
uint32_t fake_dev_config_read(struct fake_dev *d, uint64_t off, uint32_t width);
void fake_dev_config_write(struct fake_dev *d, uint64_t off, uint32_t width,
                           uint32_t value);
/* The queue of this number, or NULL. */
struct fake_queue *fake_dev_queue(struct fake_dev *d, uint32_t index);
/* A queue is enabled with the size and addresses it has. */
void fake_dev_enable_queue(struct fake_dev *d, struct fake_queue *q);
/* What is held of this queue is gone: it was reset. */
void fake_dev_forget_queue(struct fake_dev *d, struct fake_queue *q);
/* A notification arrived. */
void fake_dev_kick(struct fake_dev *d, uint32_t index, uint32_t value);
/* The driver acknowledged ISR bits. */
void fake_dev_isr_ack(struct fake_dev *d, uint32_t bits);
/* A queue (or, with NULL, the configuration) interrupts. */
void fake_dev_raise(struct fake_dev *d, struct fake_queue *q);
/* A vector that was masked fires now. */
void fake_dev_fire(struct fake_dev *d, uint16_t vector);

#ifdef __cplusplus
}
#endif

#endif
