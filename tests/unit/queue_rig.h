/* SPDX-License-Identifier: MIT */
/*
 * A virtqueue on a fake MMIO device whose ring, split or packed, the test works on: pop,
 * complete, lie.  For the tests of the rings; nothing here looks inside
 * struct vdrv_queue.
 */
#ifndef QUEUE_RIG_H
#define QUEUE_RIG_H

#include "check.h"
#include "fake.h"
#include <virtio_drv.h>
#include <virtio_drv/mmio.h>
#include <virtio_drv/queue.h>

#define QUEUE_SLOT 0x10001000u
#define BIT64(n)   ((uint64_t)1 << (n))

/* One of the ways a queue can be used. */
struct way {
    uint32_t mode; /* FAKE_DIRECT, _MAPPED, _WINDOW */
    bool indirect;
    bool event;
    bool packed;
    bool in_order; /* and one used element for a batch */
};

#define RING_WAYS(packed, in_order)                                            \
    {FAKE_DIRECT, false, false, packed, in_order},                             \
        {FAKE_DIRECT, false, true, packed, in_order},                          \
        {FAKE_DIRECT, true, false, packed, in_order},                          \
        {FAKE_DIRECT, true, true, packed, in_order},                           \
        {FAKE_MAPPED, false, false, packed, in_order},                         \
        {FAKE_MAPPED, false, true, packed, in_order},                          \
        {FAKE_MAPPED, true, false, packed, in_order},                          \
    {                                                                          \
        FAKE_MAPPED, true, true, packed, in_order                              \
    }

static const struct way ways[] = {
    RING_WAYS(false, false),
    RING_WAYS(true, false),
    RING_WAYS(false, true),
    RING_WAYS(true, true),
};

#define N_WAYS      (sizeof(ways) / sizeof(ways[0]))
#define FOR_WAYS(w) for (const struct way *w = ways; w < ways + N_WAYS; w++)
#define FOR_WAYS_IF(w, what)                                                   \
    FOR_WAYS(w)                                                                \
    if (what)

/* What differs from the default; zero is good. */
struct queue_opts {
    struct fake_config machine;
    uint16_t max;      /* of the device; 0: 8 */
    uint32_t size;     /* wanted */
    uint32_t indirect; /* entries of a table; 0: 4 */
    uint32_t max_chain;
    uint64_t offer, want; /* more features */
    bool platform;        /* the window holds behind ACCESS_PLATFORM, too */
    int begin;            /* what vdrv_transport_begin() has to answer */
};

struct queue_rig {
    struct fake f;
    struct fake_dev dev;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_transport *t;
    struct vdrv_queue q;
    struct vdrv_queue_config cfg;
    struct fake_queue *dq; /* the device's side */
    uint64_t wanted[2], required[2];
    void *work;
};

static inline uint32_t rig_serve(struct fake_dev *d, struct fake_chain *c)
{
    (void)d;
    return (uint32_t)c->wlen;
}

static const struct fake_dev_ops rig_ops = {.serve = rig_serve};

/* Everything but the queue itself; the transport is between 8 and 4. */
static inline void rig_begin(struct queue_rig *g, const struct way *w,
                             const struct queue_opts *o)
{
    static const struct queue_opts none;
    struct fake_config mc;

    o = o ? o : &none;
    mc = o->machine;
    mc.mode = w->mode;
    memset(g, 0, sizeof(*g));
    fake_init(&g->f, &mc);
    g->f.hal.direct_platform = o->platform;
    fake_dev_init(&g->dev, &g->f, &rig_ops, 42, "ring");
    fake_dev_offer(&g->dev, FAKE_F_INDIRECT_DESC, w->indirect);
    fake_dev_offer(&g->dev, FAKE_F_EVENT_IDX, w->event);
    fake_dev_offer(&g->dev, FAKE_F_RING_PACKED, w->packed);
    fake_dev_offer(&g->dev, FAKE_F_IN_ORDER, w->in_order);
    g->dev.offered[0] |= o->offer;
    g->dq = fake_dev_add_queue(&g->dev, o->max ? o->max : 8);
    g->dq->manual = true;
    g->dq->batch = true;
    fake_mmio_init(&g->slot, &g->f, &g->dev, QUEUE_SLOT, 0);
    CHECK_EQ(vdrv_mmio_probe(&g->mmio, &g->f.hal, QUEUE_SLOT, 0x200), VDRV_OK);
    g->t = &g->mmio.transport;
    g->wanted[0] = BIT64(32) | BIT64(28) | BIT64(29) | o->want |
                   (w->packed ? BIT64(34) : 0) | (w->in_order ? BIT64(35) : 0);
    CHECK_EQ(vdrv_transport_begin(g->t, g->wanted, g->required, NULL, 0),
             o->begin);
    if (w->packed)
        g->cfg.packed =
            w->in_order ? &vdrv_queue_packed_in_order : &vdrv_queue_packed;
    g->cfg.in_order = w->in_order ? &vdrv_queue_split_in_order : NULL;
    g->cfg.size = o->size;
    g->cfg.indirect = o->indirect ? o->indirect : 4;
    g->cfg.vector = VDRV_NO_VECTOR;
    g->cfg.max_chain = o->max_chain;
    g->cfg.work_size = vdrv_queue_work_size(
        &g->f.hal,
        (uint32_t)vdrv_queue_pick_size(g->t, 0, g->cfg.size, w->packed),
        g->cfg.indirect);
    g->work = malloc(g->cfg.work_size);
    memset(g->work, 0x77, g->cfg.work_size);
    g->cfg.work = g->work;
    memset(&g->q, 0x5A, sizeof(g->q)); /* "need not be zeroed" */
}

static inline int rig_up(struct queue_rig *g, const struct way *w,
                         const struct queue_opts *o)
{
    int err;

    rig_begin(g, w, o);
    err = vdrv_queue_init(&g->q, g->t, &g->cfg);
    if (!err)
        err = vdrv_transport_ready(g->t);
    CHECK_EQ(err, VDRV_OK);
    return err;
}

/* Machine and transport, without the queue. */
static inline void rig_end(struct queue_rig *g)
{
    CHECK(fake_balanced(&g->f));
    free(g->work);
    fake_mmio_fini(&g->slot);
    fake_dev_fini(&g->dev);
    fake_fini(&g->f);
    CHECK_EQ(g->f.violations, 0);
}

/* Reset and drain; returns how many cookies came back. */
static inline unsigned rig_drain(struct queue_rig *g)
{
    unsigned n = 0;
    void *cookie;

    CHECK_EQ(vdrv_transport_reset(g->t, 0), VDRV_OK);
    while (vdrv_queue_drain(&g->q, &cookie) && n < 100000)
        n++;
    CHECK_EQ(g->f.maps_live, 0);
    return n;
}

static inline void rig_down(struct queue_rig *g, unsigned drained)
{
    CHECK_EQ(rig_drain(g), drained);
    vdrv_queue_fini(&g->q);
    vdrv_transport_release(g->t);
    rig_end(g);
}

/* Empty ring on the same memory, device running. */
static inline void rig_again(struct queue_rig *g)
{
    vdrv_transport_release(g->t);
    CHECK_EQ(vdrv_transport_begin(g->t, g->wanted, g->required, NULL, 0),
             VDRV_OK);
    CHECK_EQ(vdrv_queue_restart(&g->q), VDRV_OK);
    CHECK_EQ(vdrv_transport_ready(g->t), VDRV_OK);
}

static uint8_t rig_mem[65536];

/* Adds nout + nin segments of 64 bytes each. */
static inline int rig_add(struct queue_rig *g, uint32_t nout, uint32_t nin,
                          void *cookie)
{
    struct vdrv_seg seg[64];

    for (uint32_t i = 0; i < nout + nin; i++)
        seg[i] = i < nout ? vdrv_seg_out(rig_mem + 64 * i, 64)
                          : vdrv_seg_in(rig_mem + 64 * i, 64);
    return vdrv_queue_add(&g->q, seg, nout, nin, cookie);
}

/* Adds `n` chains with cookies rig_mem + 1 ..., kicks, pops them into c. */
static inline void rig_offer(struct queue_rig *g, unsigned n, uint32_t nout,
                             uint32_t nin, struct fake_chain *c)
{
    for (unsigned i = 0; i < n; i++)
        CHECK_EQ(rig_add(g, nout, nin, rig_mem + 1 + i), VDRV_OK);
    CHECK(vdrv_queue_kick(&g->q) >= 0);
    for (unsigned i = 0; i < n; i++)
        CHECK(fake_queue_pop(g->dq, &c[i]));
}

static inline bool rig_packed(const struct queue_rig *g)
{
    return g->dq->ring == &fake_packed_ops;
}

/*
 * What the device wants to hear of: with EVENT_IDX the entry that is number
 * `event` of all, where each chain takes one; else nothing when `quiet`.
 */
static inline void rig_hint(struct queue_rig *g, bool quiet, uint32_t event)
{
    const uint32_t n = g->dq->size;
    uint32_t place = (event + 65536u * n) % (2 * n);

    if (!rig_packed(g))
        fake_split_set_hints(g->dq, quiet, (uint16_t)event);
    else
        fake_packed_set_hints(
            g->dq, g->dq->event_idx ? 2 : quiet,
            (uint16_t)(place % n | (place < n ? 0x8000u : 0)));
}

/* Interrupts are off altogether, not by an event that is far away. */
static inline bool rig_muted(struct queue_rig *g)
{
    return rig_packed(g) ? fake_packed_driver_flags(g->dq) == 1
                         : fake_split_avail_flags(g->dq) == 1;
}

static inline void rig_scribble(struct queue_rig *g, uint8_t byte)
{
    if (rig_packed(g))
        fake_packed_scribble(g->dq, byte);
    else
        fake_split_scribble(g->dq, byte);
}

/* The queue answers `err` everywhere and touches nothing. */
static inline void rig_broken(struct queue_rig *g, int err)
{
    struct vdrv_used u[8];
    uint32_t kicks = g->dq->kicks, maps = g->f.maps_live;

    CHECK_EQ(vdrv_queue_reap(&g->q, u, 8), err);
    CHECK_EQ(rig_add(g, 1, 1, rig_mem), err);
    CHECK_EQ(vdrv_queue_kick(&g->q), err);
    CHECK_EQ(vdrv_queue_arm(&g->q, VDRV_ARM_NEXT), err);
    CHECK_EQ(vdrv_queue_arm(&g->q, VDRV_ARM_OFF), err);
    CHECK_EQ(vdrv_queue_reap(&g->q, u, 8), err);
    CHECK_EQ(g->dq->kicks, kicks);
    CHECK_EQ(g->f.maps_live, maps);
}

/* After a fault: reset, all cookies back, full service again. */
static inline void rig_recovers(struct queue_rig *g, unsigned drained)
{
    struct fake_chain c;
    struct vdrv_used u;

    CHECK_EQ(rig_drain(g), drained);
    rig_again(g);
    CHECK_EQ(vdrv_queue_outstanding(&g->q), 0);
    CHECK_EQ(vdrv_queue_room(&g->q), 8);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rig_add(g, 1, 1, &u), VDRV_OK);
        CHECK(vdrv_queue_kick(&g->q) >= 0);
        REQUIRE(fake_queue_pop(g->dq, &c));
        fake_queue_done(g->dq, &c, 64);
        REQUIRE(vdrv_queue_reap(&g->q, &u, 1) == 1);
        CHECK(u.cookie == &u);
        CHECK_EQ(u.len, 64);
    }
    rig_down(g, 0);
}

#endif
