/* SPDX-License-Identifier: MIT */
/*
 * The device side of a virtqueue, written to the specification and not to any
 * driver: pops the chains a driver made available, checks every rule a driver
 * must keep, and pushes used elements in whatever order is asked for.  The
 * layout is behind a table of functions; the split ring is in fake_split.c, the
 * packed one in fake_packed.c.
 *
 * The raw writers at the end are for hostile devices.
 */
#ifndef FAKE_RING_H
#define FAKE_RING_H

#include "fake_hal.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_DESC_NEXT     1u
#define FAKE_DESC_WRITE    2u
#define FAKE_DESC_INDIRECT 4u

/* When a device wants to be notified. */
#define FAKE_KICK_ALWAYS 0u /* at the next buffer */
#define FAKE_KICK_NEVER  1u /* it looks by itself at each step */
#define FAKE_KICK_RANDOM 2u /* random hints; it looks at each step */

struct fake_dev;
struct fake_queue;

struct fake_seg {
    uint64_t dma;
    uint32_t len;
    uint32_t write; /* 1: for the device to write */
};

/*
 * A chain that the device took.  The segments live in the queue until the
 * chain is pushed or the queue is reset.
 */
struct fake_chain {
    struct fake_queue *q;
    const struct fake_seg *seg;
    uint32_t nseg;
    uint32_t nread; /* the first so many are readable, the rest writable */
    uint64_t rlen;  /* bytes readable */
    uint64_t wlen;  /* bytes writable */
    uint16_t id;    /* head of the chain, or the packed ring's buffer id */
    uint16_t slots; /* ring entries it took */
};

/* What a ring layout does.  All state is in struct fake_queue. */
struct fake_ring_ops {
    /* Checks size, alignment and contents, and starts from the beginning. */
    bool (*start)(struct fake_queue *q);
    /* Takes the next chain; false when there is none. */
    bool (*pop)(struct fake_queue *q, struct fake_chain *c);
    /* Chains that wait to be taken. */
    uint16_t (*offered)(struct fake_queue *q);
    /* The chain's entries are the driver's again. */
    void (*release)(struct fake_queue *q, const struct fake_chain *c);
    /* Writes a used element, not visible yet. */
    void (*push)(struct fake_queue *q, const struct fake_chain *c,
                 uint32_t len);
    /* Makes them visible; true when the driver wants an interrupt. */
    bool (*publish)(struct fake_queue *q);
    /* Writes what `kick_policy` says where the driver looks. */
    void (*hint)(struct fake_queue *q);
    /* A notification just came: was it asked for? */
    bool (*kick_wanted)(struct fake_queue *q);
    /* Are that offset and wrap counter (2.9) what the driver has got to? */
    bool (*kick_next)(struct fake_queue *q, uint16_t next);
};

extern const struct fake_ring_ops fake_split_ops;
extern const struct fake_ring_ops fake_packed_ops;

/* Where something is in a packed ring. */
struct fake_packed_place {
    uint16_t slot;
    bool wrap;
};

struct fake_packed_state;

/* A chain that the device has, by id. */
struct fake_slot {
    struct fake_seg *seg;
    uint32_t cap;
    bool out; /* popped and not pushed */
};

struct fake_queue {
    struct fake_dev *dev;
    uint16_t index;
    /* ---- What the transport shows ----------------------------------- */
    uint16_t max;        /* largest size; 0: there is no such queue */
    uint16_t size;       /* chosen */
    uint16_t vector;     /* MSI-X; 0xFFFF: none */
    uint16_t notify_off; /* PCI */
    uint32_t ready;
    uint64_t desc, driver, device; /* device addresses */
    /* ---- Knobs ------------------------------------------------------ */
    uint32_t kick_policy; /* FAKE_KICK_*; call fake_queue_hint() after */
    bool manual;          /* the device does not work on it: the test pops */
    bool poison;          /* overwrite descriptors and ring slots once read */
    bool mute;            /* no interrupts, whatever the driver wants */
    /* With IN_ORDER: one used element for as many chains as it may stand for:
       all but the last were written completely. */
    bool batch;
    uint32_t reset_reads; /* reads until queue_reset is over */
    bool reset_never;     /* it is never over */
    bool reset_lies;      /* it is over, and the queue runs on */
    bool reset_missing;   /* there is no such register: it reads 0 */
    /* ---- Counters --------------------------------------------------- */
    uint32_t kicks;          /* notifications */
    uint32_t needless_kicks; /* of these, not asked for (SPLIT-27, -31) */
    uint32_t kick_value;     /* what the last one wrote */
    uint32_t irqs, irqs_suppressed;
    uint32_t popped, pushed;
    /* ---- Ring state ------------------------------------------------- */
    const struct fake_ring_ops *ring;
    bool kicked;
    bool event_idx, indirect, in_order;
    bool resetting;
    uint32_t reset_left;
    uint32_t resets;   /* of this queue alone */
    uint16_t batch_at; /* split: where the open batch has its element */
    bool batch_open;
    uint16_t next_desc;   /* split, in order: where the next chain starts */
    uint32_t kick_next;   /* next_off and next_wrap of the last kick */
    uint16_t next_avail;  /* next entry to look at */
    uint16_t next_used;   /* next entry to write */
    uint16_t told_used;   /* used index as published */
    uint16_t event_asked; /* the avail_event (off/wrap) we wrote last */
    uint16_t flags_asked; /* the used (event) flags we wrote last */
    uint32_t in_flight;   /* chains popped and not pushed */
    struct fake_slot *slot;
    uint16_t *owner; /* per descriptor: head + 1 of the chain that has it */
    uint16_t *link;  /* our copy of its next */
    uint16_t alloc;  /* entries of the three arrays */
    struct fake_packed_state *packed;
};

/* ---- Devices -------------------------------------------------------- */

/* The transport enables a queue (after checking); the device resets it. */
void fake_queue_start(struct fake_queue *q);
void fake_queue_reset(struct fake_queue *q);
void fake_queue_free(struct fake_queue *q);
/* RING_RESET: the driver wrote 1; what it reads then, 0 when it is over. */
void fake_queue_ask_reset(struct fake_queue *q);
uint32_t fake_queue_resetting(struct fake_queue *q);

/* Takes the next available chain; false when there is none. */
bool fake_queue_pop(struct fake_queue *q, struct fake_chain *c);
/*
 * Gives a chain back with `len` bytes written (0 for a chain without writable
 * segments, whatever is asked), and tells the driver with the next publish.
 */
void fake_queue_push(struct fake_queue *q, const struct fake_chain *c,
                     uint32_t len);
/* Makes pushed elements visible, and interrupts if the driver wants it. */
void fake_queue_publish(struct fake_queue *q);
/* Both at once. */
void fake_queue_done(struct fake_queue *q, const struct fake_chain *c,
                     uint32_t len);
/*
 * Forgets a chain without giving it back: for a test that has written the used
 * element by other means.
 */
void fake_queue_forget(struct fake_queue *q, const struct fake_chain *c);
/* Chains that wait to be taken: as published by the driver. */
uint16_t fake_queue_offered(struct fake_queue *q);
/* The hint has changed: write it. */
void fake_queue_hint(struct fake_queue *q);

/*
 * Copies out of the readable bytes of a chain, or into the writable ones, from
 * `off` on; returns how many bytes there were.
 */
size_t fake_chain_read(const struct fake_chain *c, uint64_t off, void *buf,
                       size_t len);
size_t fake_chain_write(const struct fake_chain *c, uint64_t off,
                        const void *buf, size_t len);
/* Sets writable bytes. */
size_t fake_chain_fill(const struct fake_chain *c, uint64_t off, uint8_t byte,
                       size_t len);

/* ---- Raw access to a split ring, for hostile devices ---------------- */

/* The next used element, not published: any id, any length. */
void fake_split_push_raw(struct fake_queue *q, uint32_t id, uint32_t len);
/* Rewrites a used element that was pushed before; slot modulo size. */
void fake_split_rewrite(struct fake_queue *q, uint16_t slot, uint32_t id,
                        uint32_t len);
/* Writes the used index; what the fake believes stays. */
void fake_split_set_used_idx(struct fake_queue *q, uint16_t idx);
/* Writes used flags and avail_event. */
void fake_split_set_hints(struct fake_queue *q, uint16_t flags, uint16_t event);
/* Writes over the descriptor table, but for what is not taken yet. */
void fake_split_scribble(struct fake_queue *q, uint8_t byte);
/* What the driver has in its half: avail flags, index, used_event. */
uint16_t fake_split_avail_flags(struct fake_queue *q);
uint16_t fake_split_avail_idx(struct fake_queue *q);
uint16_t fake_split_used_event(struct fake_queue *q);

/* ---- Raw access to a packed ring ------------------------------------ */

/* Where the next used element goes, and the next chain is looked for. */
struct fake_packed_place fake_packed_used_place(struct fake_queue *q);
struct fake_packed_place fake_packed_avail_place(struct fake_queue *q);
/* A used element there and then: any id, any length, `slots` slots on. */
void fake_packed_push_raw(struct fake_queue *q, uint32_t id, uint32_t len,
                          uint16_t slots);
/* A used element anywhere; what the fake believes stays. */
void fake_packed_write_used(struct fake_queue *q, struct fake_packed_place at,
                            uint32_t id, uint32_t len);
/* Writes the device's event flags and off/wrap. */
void fake_packed_set_hints(struct fake_queue *q, uint16_t flags,
                           uint16_t event);
/* Writes over the slots that were taken, but for whose they are. */
void fake_packed_scribble(struct fake_queue *q, uint8_t byte);
/* What the driver has in its event area, checked. */
uint16_t fake_packed_driver_flags(struct fake_queue *q);
uint16_t fake_packed_driver_event(struct fake_queue *q);
/* For fake_ring.c. */
void fake_packed_free(struct fake_queue *q);

#ifdef __cplusplus
}
#endif

#endif
