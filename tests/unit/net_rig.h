/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the network driver share: the fake card, the driver on it,
 * and buffers whose releases are counted.
 */
#ifndef NET_RIG_H
#define NET_RIG_H

#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_net.h>

#include "check.h"
#include "fake.h"
#include "fake_net.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define SLOT  0x10001000u
#define QUEUE 16u
#define BUFS  64u
#define BYTES 2048u

/* A buffer whose life is counted. */
struct tbuf {
    struct vdrv_net_buf b; /* first */
    uint32_t released;
    uint8_t mem[BYTES];
};

struct rig {
    struct fake f;
    struct fake_net dev;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_net nic;
    struct vdrv_net *net;
    struct vdrv_net_info info;
    struct tbuf buf[BUFS];
    uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(4, 256, 16) / 8 + 1];
};

/* What a case changes; all zero: the fake's and the driver's defaults. */
struct opts {
    struct fake_config machine;
    struct fake_net_config dev;
    struct vdrv_virtio_net_config cfg;
    uint32_t headroom; /* of the buffers */
};

static inline void on_release(struct vdrv_net_buf *b)
{
    ((struct tbuf *)(void *)b)->released++;
}

static inline void buf_reset(struct tbuf *t, uint32_t headroom)
{
    vdrv_net_buf_init(&t->b, t->mem, BYTES, headroom);
    t->b.release = on_release;
    t->released = 0;
}

static inline void rig_machine(struct rig *g, const struct opts *o)
{
    memset(g, 0, sizeof(*g));
    fake_init(&g->f, &o->machine);
    fake_net_init(&g->dev, &g->f, &o->dev);
    fake_mmio_init(&g->slot, &g->f, &g->dev.dev, SLOT, 0);
    fake_dev_offer(&g->dev.dev, FAKE_F_RING_PACKED, o->cfg.packed != NULL);
    fake_dev_offer(&g->dev.dev, FAKE_F_IN_ORDER, o->cfg.in_order != NULL);
    for (uint32_t i = 0; i < BUFS; i++)
        buf_reset(&g->buf[i], o->headroom);
}

static inline int rig_init(struct rig *g, const struct opts *o)
{
    struct vdrv_virtio_net_config cfg = o->cfg;
    int err = vdrv_mmio_probe(&g->mmio, &g->f.hal, SLOT, 0x200);

    if (err != VDRV_OK)
        return err;
    if (cfg.queue_size == 0)
        cfg.queue_size = QUEUE;
    if (cfg.work == NULL) {
        cfg.work = g->work;
        cfg.work_size = sizeof(g->work);
    }
    g->net = &g->nic.net;
    err = vdrv_virtio_net_init(&g->nic, &g->mmio.transport, &cfg);
    if (err == VDRV_OK)
        CHECK_EQ(vdrv_net_get_info(g->net, &g->info), VDRV_OK);
    return err;
}

static inline struct rig *rig_up(const struct opts *o)
{
    struct rig *g = malloc(sizeof(*g));

    if (g == NULL)
        abort();
    rig_machine(g, o);
    CHECK_EQ(rig_init(g, o), VDRV_OK);
    return g;
}

static inline void rig_end(struct rig *g)
{
    fake_mmio_fini(&g->slot);
    fake_net_fini(&g->dev);
    fake_fini(&g->f);
    free(g);
}

/* The driver goes, with all its memory. */
static inline void rig_down(struct rig *g)
{
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
    CHECK(fake_balanced(&g->f));
    rig_end(g);
}

static inline uint32_t releases(const struct rig *g)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < BUFS; i++)
        n += g->buf[i].released;
    return n;
}

static inline void fill(uint8_t *p, uint32_t len, uint32_t seed)
{
    for (uint32_t i = 0; i < len; i++)
        p[i] = (uint8_t)(seed + i * 7u);
}

/* A frame of `len` bytes in a buffer of the rig, ready to be sent. */
static inline struct vdrv_net_buf *frame(struct rig *g, uint32_t i,
                                         uint32_t len)
{
    fill(g->buf[i].b.data, len, i);
    g->buf[i].b.len = len;
    return &g->buf[i].b;
}

static inline void post_all(struct rig *g, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[i].b), VDRV_OK);
}

static inline struct vdrv_net_stats stats(const struct rig *g)
{
    struct vdrv_net_stats s;

    memset(&s, 0, sizeof(s));
    CHECK_EQ(vdrv_net_get_stats(g->net, &s), VDRV_OK);
    return s;
}

static inline struct vdrv_queue *tx_queue(struct rig *g)
{
    return &g->nic.queue[1].vq;
}

static inline struct vdrv_queue *rx_queue(struct rig *g)
{
    return &g->nic.queue[0].vq;
}

#endif
