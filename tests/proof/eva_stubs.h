/* SPDX-License-Identifier: MIT */
/*
 * What the ring layouts want of vdrv_queue.c, for Eva: a doorbell, a latch,
 * and nothing that maps.  With it the operations that both harnesses have.
 */
#ifndef VDRV_EVA_STUBS_H
#define VDRV_EVA_STUBS_H

#include <virtio_drv/queue.h>

#include "../../src/queue/vdrv_queue_impl.h"

static volatile uint32_t any;

/* As vdrv_queue_init() places it. */
static struct vdrv_queue_slot slot[SIZE];
static void *cookie[SIZE];
static struct vdrv_queue q;
static uint8_t buffer[64];

int vdrv__queue_notify(struct vdrv_queue *vq)
{
    vq->stats.kicks++;
    return 1;
}

int vdrv__queue_notify_data(struct vdrv_queue *vq, uint32_t next)
{
    (void)next;
    vq->stats.kicks++;
    return 1;
}

/* Whatever it answers, of what is out. */
uint32_t vdrv__queue_ahead(uint32_t mode, uint32_t n)
{
    const uint32_t ahead = any;

    (void)mode;
    return ahead < n ? ahead : 0;
}

int vdrv__queue_protocol(struct vdrv_queue *vq, const char *rule)
{
    (void)rule;
    vq->error = VDRV_ERR_PROTOCOL;
    return VDRV_ERR_PROTOCOL;
}

int vdrv__queue_refuse(struct vdrv_queue *vq, uint64_t n)
{
    (void)vq;
    (void)n;
    return VDRV_ERR_AGAIN;
}

int vdrv__queue_framed_in(struct vdrv_queue *vq, const struct vdrv_seg *seg,
                          uint64_t dma, void *mark)
{
    (void)vq;
    (void)seg;
    (void)dma;
    (void)mark;
    return VDRV_ERR_INVALID;
}

int vdrv__queue_framed_out(struct vdrv_queue *vq, const struct vdrv_seg *seg,
                           uint64_t dma, void *mark)
{
    return vdrv__queue_framed_in(vq, seg, dma, mark);
}

int vdrv__queue_map_run(const struct vdrv_queue *vq, const struct vdrv_seg *seg,
                        uint32_t from, uint32_t dir, struct vdrv_queue_map *map)
{
    (void)vq;
    (void)seg;
    (void)from;
    (void)dir;
    (void)map;
    return VDRV_ERR_INVALID;
}

void vdrv__queue_unmap(const struct vdrv_queue *vq,
                       const struct vdrv_queue_map *map)
{
    (void)vq;
    (void)map;
}

int vdrv__queue_next_run(const struct vdrv_queue *vq, struct vdrv__runs *r)
{
    (void)vq;
    (void)r;
    return VDRV_ERR_INVALID;
}

int vdrv__queue_map_table(struct vdrv_queue *vq, uint32_t number,
                          struct vdrv__runs *r)
{
    (void)vq;
    (void)number;
    (void)r;
    return VDRV_ERR_INVALID;
}

bool vdrv__queue_unmap_table(struct vdrv_queue *vq, uint32_t number)
{
    (void)vq;
    (void)number;
    return false;
}

int vdrv__queue_bad_used(struct vdrv_queue *vq, uint32_t good)
{
    vq->error = VDRV_ERR_PROTOCOL;
    return good > 0 ? (int)good : VDRV_ERR_PROTOCOL;
}

/* A chain of one or two segments anywhere. */
static void add(void)
{
    struct vdrv_seg seg[2] = {{0}, {0}};
    const uint32_t nout = any & 1;

    for (uint32_t i = 0; i < 2; i++) {
        seg[i].flags = VDRV_SEG_MAPPED;
        seg[i].dma = any;
        seg[i].len = any;
    }
    (void)q.add(&q, seg, nout, 1, buffer);
}

#ifndef REAP_MAX
#define REAP_MAX 4
#endif

/* What was published is unknown; what comes back is ours. */
static void reap(void)
{
    struct vdrv_used done[REAP_MAX];
    int n;

    for (int i = 0; i < REAP_MAX; i++)
        done[i].cookie = buffer;
    q.published = (uint16_t)any;
    n = q.reap(&q, done, REAP_MAX);
    for (int i = 0; i < n; i++)
        *(uint8_t *)done[i].cookie = 1;
}

static void make_queue(const struct vdrv_queue_kind *kind)
{
    q.kind = kind;
    q.slot = slot;
    q.cookie = cookie;
    q.size = SIZE;
    q.max_chain = SIZE;
    q.event_idx = any & 1;
    for (uint32_t i = 0; i < SIZE; i++)
        cookie[i] = buffer;
    kind->reset(&q);
}

#endif
