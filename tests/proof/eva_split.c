/* SPDX-License-Identifier: MIT */
/*
 * The split ring under Frama-C Eva: any operations in any order on a ring of
 * SIZE entries, of which the device may have written anything at any time.
 */
#include <virtio_drv/queue.h>

#include "../../src/spec/virtio_ring.h"
#include "../../src/queue/vdrv_queue_impl.h"

static volatile uint32_t any;

/* As vdrv_queue_init() lays it out; the device's part is volatile. */
static struct virtq_desc desc[SIZE];
static uint8_t avail[6 + 2 * SIZE];
static volatile uint8_t used[6 + 8 * SIZE];
static struct vdrv_queue_slot slot[SIZE];
static void *cookie[SIZE];
static struct vdrv_queue q;
static uint8_t buffer[64];

int vdrv__queue_notify(struct vdrv_queue *vq)
{
    vq->stats.kicks++;
    return 1;
}

int vdrv__queue_protocol(struct vdrv_queue *vq, const char *rule)
{
    (void)rule;
    vq->error = VDRV_ERR_PROTOCOL;
    return VDRV_ERR_PROTOCOL;
}

int vdrv__queue_refuse(const struct vdrv_queue *vq, uint64_t n)
{
    (void)vq;
    (void)n;
    return VDRV_ERR_AGAIN;
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

/*
 * At a position that Eva knows, so that it can follow how far a batch goes;
 * what was published is unknown, and so is all else.
 */
static void reap(uint16_t pos)
{
    struct vdrv_used done[4] = {{buffer}, {buffer}, {buffer}, {buffer}};
    int n;

    q.used_idx = pos;
    q.published = (uint16_t)any;
    n = q.reap(&q, done, 4);
    for (int i = 0; i < n; i++)
        *(uint8_t *)done[i].cookie = 1; /* it is one of ours */
}

void check_split(void)
{
    q.kind = &vdrv_queue_split;
    q.desc = desc;
    q.driver = avail;
    q.device = (void *)used;
    q.slot = slot;
    q.cookie = cookie;
    q.size = SIZE;
    q.max_chain = SIZE;
    q.event_idx = any & 1;
    for (uint32_t i = 0; i < SIZE; i++)
        cookie[i] = buffer;
    vdrv_queue_split.reset(&q);
    while ((any & 1) != 0) {
        switch (any & 7) {
        case 0:
            add();
            break;
        case 1:
            (void)q.kick(&q);
            break;
        case 2:
            reap(0);
            break;
        case 3:
            reap(5);
            break;
        case 4: /* the index wraps in the batch */
            reap(65534);
            break;
        default:
            (void)vdrv_queue_split.arm(&q, any & 3);
            break;
        }
    }
}
