/* SPDX-License-Identifier: MIT */
/*
 * What the ring layouts share: making and unmaking a queue, mapping segments,
 * and the latch of a broken queue (VirtIO 1.4, 2.6).
 */
#include <virtio_drv/queue.h>

#include "../core/mem.h"
#include "../core/reg.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_ring.h"
#include "vdrv_queue_impl.h"

#define RING_ALIGN 64u /* at least the 16 of 2.7; no cache line is shared */

int vdrv_queue_add(struct vdrv_queue *q, const struct vdrv_seg *seg,
                   uint32_t nout, uint32_t nin, void *cookie)
{
    return q->add(q, seg, nout, nin, cookie);
}

int vdrv_queue_kick(struct vdrv_queue *q)
{
    return q->kick(q);
}

int vdrv_queue_reap(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max)
{
    return q->reap(q, out, max);
}

uint32_t vdrv_queue_outstanding(const struct vdrv_queue *q)
{
    return q->error != VDRV_OK ? 0 : (uint16_t)(q->avail_idx - q->used_idx);
}

bool vdrv_queue_pending(const struct vdrv_queue *q)
{
    return q->error == VDRV_OK && q->kind->pending(q);
}

uint32_t vdrv_queue_room(const struct vdrv_queue *q)
{
    return q->error != VDRV_OK ? 0 : q->kind->room(q);
}

uint32_t vdrv_queue_depth(const struct vdrv_queue *q, uint32_t nsegs)
{
    if (nsegs > q->max_chain)
        return 0;
    if (nsegs <= 1 || nsegs <= q->indirect)
        return q->size;
    return q->size / nsegs;
}

static int tell(struct vdrv_queue *q, uint32_t value)
{
    const struct vdrv_notify *n = &q->notify;

    q->stats.kicks++;
    if (n->space == VDRV_SPACE_TRANSPORT)
        q->transport->ops->notify(q->transport, n, value);
    else
        vdrv__reg_write(q->hal, n->space, n->addr, n->width, value);
    return 1;
}

int vdrv__queue_notify(struct vdrv_queue *q)
{
    return tell(q, q->notify.value);
}

/* 2.9: next_off and next_wrap are the upper half. */
int vdrv__queue_notify_data(struct vdrv_queue *q, uint32_t next)
{
    return tell(q, (q->notify.value & 0xffffu) | next << 16);
}

uint32_t vdrv__queue_ahead(uint32_t mode, uint32_t n)
{
    switch (mode) {
    case VDRV_ARM_SOON:
        return n / 4u;
    case VDRV_ARM_LATE:
        return n * 3u / 4u;
    case VDRV_ARM_EMPTY:
        return n != 0 ? n - 1u : 0;
    default:
        return 0;
    }
}

/* Kept where it costs no request anything. */
static void note_most(struct vdrv_queue *q)
{
    const uint32_t out = vdrv_queue_outstanding(q);

    if (out > q->stats.most)
        q->stats.most = out;
}

int vdrv_queue_arm(struct vdrv_queue *q, uint32_t mode)
{
    if (q->error != VDRV_OK)
        return q->error;
    note_most(q);
    return q->kind->arm(q, mode);
}

int vdrv__queue_refuse(struct vdrv_queue *q, uint64_t nsegs)
{
    if (nsegs == 0)
        return VDRV_ERR_INVALID;
    /* 2.7.5.3.1: no chain is longer than the queue, indirect or not. */
    if (nsegs > q->max_chain)
        return VDRV_ERR_TOO_BIG;
    q->stats.full++;
    note_most(q);
    return VDRV_ERR_AGAIN;
}

/* ---- The broken latch --------------------------------------------------- */

static int broken_add(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
    (void)seg;
    (void)nout;
    (void)nin;
    (void)cookie;
    return q->error;
}

static int broken_kick(struct vdrv_queue *q)
{
    return q->error;
}

static int broken_reap(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max)
{
    (void)out;
    (void)max;
    return q->error;
}

#if !defined(__OPTIMIZE_SIZE__)
static int add_framed(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint64_t dma, void *cookie)
{
    struct vdrv_seg chain[3];

    chain[0] = vdrv_seg_dma(dma, q->frame.head);
    chain[1] = *seg;
    chain[2] = vdrv_seg_dma(dma + q->frame.tail_at, q->frame.tail);
    return q->add(q, chain, nout, 3 - nout, cookie);
}

int vdrv__queue_framed_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                          uint64_t dma, void *cookie)
{
    return add_framed(q, seg, 1, dma, cookie);
}

int vdrv__queue_framed_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                           uint64_t dma, void *cookie)
{
    return add_framed(q, seg, 2, dma, cookie);
}
#endif

void vdrv_queue_break(struct vdrv_queue *q, int err)
{
    if (q->error == VDRV_OK)
        q->error = err;
    q->nfree = 0;
    q->add = broken_add;
#if !defined(__OPTIMIZE_SIZE__)
    q->framed[0] = vdrv__queue_framed_in;
    q->framed[1] = vdrv__queue_framed_out;
#endif
    q->kick = broken_kick;
    q->reap = broken_reap;
}

int vdrv__queue_protocol(struct vdrv_queue *q, const char *rule)
{
    const uint64_t index = q->index;

    q->stats.errors++;
    vdrv_transport_log(q->transport, VDRV_LOG_ERROR, rule, &index);
    vdrv_queue_break(q, VDRV_ERR_PROTOCOL);
    return VDRV_ERR_PROTOCOL;
}

bool vdrv_queue_drain(struct vdrv_queue *q, void **cookie)
{
    while (q->drained < q->size) {
        const uint32_t number = q->drained++;

        if (q->slot[number].limit == 0)
            continue;
        q->slot[number].limit = 0;
        q->kind->unmap(q, number);
        *cookie = q->cookie[number];
        return true;
    }
    return false;
}

/* ---- Mapping ------------------------------------------------------------ */

/* 6.1: are the window's addresses those that the device uses? */
static bool is_direct(const struct vdrv_queue *q)
{
    return (q->dma_flags & VDRV_DMA_PHYSICAL) != 0 ||
           q->hal->direct_platform != 0;
}

/* Is [ptr, ptr + len) inside the direct window? */
static bool in_window(const struct vdrv_hal *hal, const void *ptr, uint32_t len)
{
    const uint64_t off = (uint64_t)(uintptr_t)ptr - hal->direct_base;

    return off < hal->direct_size && len <= hal->direct_size - off;
}

int vdrv__queue_map_run(const struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t done, uint32_t dir, struct vdrv_queue_map *map)
{
    const struct vdrv_hal *hal = q->hal;
    const uint32_t len = seg->len - done;
    uint8_t *ptr;
    int err;

    map->ptr = NULL;
    map->run = len;
    map->dir = 0;
    map->dma = seg->dma;
    if (len == 0 || (seg->flags & ~VDRV_SEG_MAPPED) != 0)
        return VDRV_ERR_INVALID;
    if ((seg->flags & VDRV_SEG_MAPPED) != 0)
        return map->dma + (len - 1) < map->dma ? VDRV_ERR_INVALID : VDRV_OK;
    ptr = (uint8_t *)seg->ptr + done;
    map->ptr = ptr;
    map->dma = (uint64_t)(uintptr_t)ptr + q->direct_offset;
    if (is_direct(q) && in_window(hal, ptr, len))
        return VDRV_OK;
    if (hal->dma_map == NULL) {
        const uint64_t told = (uint64_t)(uintptr_t)ptr;

        vdrv_transport_log(
            q->transport, VDRV_LOG_ERROR,
            "memory outside the direct window, and no dma_map:", &told);
        return VDRV_ERR_INVALID;
    }
    err = hal->dma_map(hal->ctx, ptr, len, dir, q->dma_flags, &map->dma,
                       &map->run);
    if (err != VDRV_OK)
        return err == VDRV_ERR_AGAIN ? err : VDRV_ERR_INVALID;
    map->dir = dir;
    if (map->run == 0 || map->run > len ||
        map->dma + (map->run - 1) < map->dma) {
        vdrv__queue_unmap(q, map);
        return VDRV_ERR_INVALID;
    }
    return VDRV_OK;
}

void vdrv__queue_unmap(const struct vdrv_queue *q,
                       const struct vdrv_queue_map *map)
{
    if (map->dir != 0 && q->hal->dma_unmap != NULL)
        q->hal->dma_unmap(q->hal->ctx, map->ptr, map->dma, map->run, map->dir,
                          q->dma_flags);
}

int vdrv__queue_next_run(const struct vdrv_queue *q, struct vdrv__runs *r)
{
    const bool in = r->k >= r->nout;
    int err = vdrv__queue_map_run(q, &r->seg[r->k], r->done,
                                  in ? VDRV_DIR_IN : VDRV_DIR_OUT, &r->map);

    if (err != VDRV_OK)
        return err;
    r->total += r->map.run;
    r->writable += in ? r->map.run : 0;
    r->outs += in ? 0 : 1;
    r->count++;
    r->done += r->map.run;
    if (r->done == r->seg[r->k].len) {
        r->done = 0;
        r->k++;
    }
    if (r->total <= VDRV__BYTES_MAX) /* 2.7.5.1, 2.8.5 */
        return VDRV_OK;
    vdrv__queue_unmap(q, &r->map);
    r->count--;
    return VDRV_ERR_TOO_BIG;
}

int vdrv__queue_map_table(struct vdrv_queue *q, uint32_t number,
                          struct vdrv__runs *r)
{
    struct vdrv_queue_map *map = q->table_map + (size_t)q->indirect * number;
    int err = VDRV_OK;

    while (err == VDRV_OK && r->k < r->n) {
        if (r->count == q->indirect) {
            err = VDRV__TABLE_FULL;
            break;
        }
        err = vdrv__queue_next_run(q, r);
        if (err == VDRV_OK)
            map[r->count - 1] = r->map;
    }
    if (err != VDRV_OK) {
        while (r->count > 0)
            vdrv__queue_unmap(q, &map[--r->count]);
        return err;
    }
    if (r->count < q->indirect)
        map[r->count].dir = VDRV__MAP_END;
    q->map[number].dir = VDRV__MAP_END;
    return VDRV_OK;
}

bool vdrv__queue_unmap_table(struct vdrv_queue *q, uint32_t number)
{
    const struct vdrv_queue_map *m =
        q->table_map + (size_t)q->indirect * number;

    if (q->map[number].dir != VDRV__MAP_END)
        return false;
    for (uint32_t k = 0; k < q->indirect && m[k].dir != VDRV__MAP_END; k++)
        vdrv__queue_unmap(q, &m[k]);
    return true;
}

/* ---- What a device says -------------------------------------------------- */

int vdrv__queue_bad_used(struct vdrv_queue *q, uint32_t good)
{
    const int err = vdrv__queue_protocol(
        q, "used element with an id or a length that was not posted; queue");

    return good > 0 ? (int)good : err;
}

/* ---- Making and unmaking ------------------------------------------------ */

size_t vdrv_queue_work_size(const struct vdrv_hal *hal, uint32_t size,
                            uint32_t indirect)
{
    uint64_t each = sizeof(void *) + sizeof(struct vdrv_queue_slot);

    if (hal->dma_map != NULL)
        each += sizeof(struct vdrv_queue_map) * (1 + (uint64_t)indirect);
    if (size > VIRTQ_SIZE_MAX || each * size > SIZE_MAX)
        return SIZE_MAX; /* nobody has that much */
    return (size_t)(each * size);
}

int vdrv_queue_pick_size(struct vdrv_transport *t, uint32_t index,
                         uint32_t wanted, bool packed)
{
    uint32_t size = t->ops->queue_max(t, index);

    if (size == 0)
        return 0;
    if (!packed && (size & (size - 1)) != 0) { /* 2.7 */
        const uint64_t told = size;

        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "queue size is no power of two:", &told);
        return VDRV_ERR_PROTOCOL;
    }
    if (size > VIRTQ_SIZE_MAX)
        size = VIRTQ_SIZE_MAX;
    if (wanted != 0 && wanted < size &&
        (t->flags & VDRV_TRANSPORT_FIXED_SIZE) == 0)
        size = wanted;
    while (!packed && (size & (size - 1)) != 0)
        size &= size - 1;
    return (int)size;
}

/* Gives the private arrays their places in the work memory. */
static int place_work(struct vdrv_queue *q, const struct vdrv_queue_config *cfg)
{
    uint8_t *p = cfg->work;

    if (p == NULL || ((uintptr_t)p & (_Alignof(uint64_t) - 1)) != 0)
        return VDRV_ERR_INVALID;
    if (cfg->work_size < vdrv_queue_work_size(q->hal, q->size, q->indirect)) {
        const uint64_t need =
            vdrv_queue_work_size(q->hal, q->size, q->indirect);

        vdrv_transport_log(q->transport, VDRV_LOG_ERROR,
                           "queue work memory too small; bytes needed:", &need);
        return VDRV_ERR_NO_MEMORY;
    }
    q->slot = (struct vdrv_queue_slot *)(void *)p;
    p += sizeof(struct vdrv_queue_slot) * q->size;
    q->map = NULL;
    q->table_map = NULL;
    if (q->hal->dma_map != NULL) {
        q->map = (struct vdrv_queue_map *)(void *)p;
        q->table_map = q->map + q->size;
        p +=
            sizeof(struct vdrv_queue_map) * q->size * (1 + (size_t)q->indirect);
    }
    q->cookie = (void **)(void *)p; /* last: the least aligned */
    return VDRV_OK;
}

/* Ring and indirect tables are one allocation. */
static int allocate_ring(struct vdrv_queue *q, size_t part[3])
{
    const struct vdrv_hal *hal = q->hal;
    const size_t ring = q->kind->layout(q->size, part);
    const uint64_t tables_size =
        sizeof(struct virtq_desc) * (uint64_t)q->indirect * q->size;
    const size_t tables = (size_t)tables_size;
    const uint32_t align =
        q->kind->align > RING_ALIGN ? q->kind->align : RING_ALIGN;
    const uint64_t limit = q->transport->dma_limit;
    uint8_t *mem;
    uint64_t dma = 0;

    if (tables_size > SIZE_MAX / 2) /* no ring has a quarter of that */
        return VDRV_ERR_NO_MEMORY;
    q->area_size = ((ring + 15u) & ~(size_t)15u) + tables;
    mem = hal->dma_alloc(hal->ctx, q->area_size, align, limit, q->dma_flags,
                         &dma);
    if (mem == NULL) {
        const uint64_t told = q->area_size;

        vdrv_transport_log(q->transport, VDRV_LOG_ERROR,
                           "dma_alloc has no memory; bytes:", &told);
        return VDRV_ERR_NO_MEMORY;
    }
    q->desc = mem;
    q->area_dma = dma;
    if (((uintptr_t)mem & 15u) != 0 || (dma & (align - 1)) != 0 ||
        dma > limit || q->area_size - 1 > limit - dma) {
        vdrv_transport_log(q->transport, VDRV_LOG_ERROR,
                           "dma_alloc answered an address that is misaligned "
                           "or too high:",
                           &dma);
        vdrv_queue_fini(q);
        return VDRV_ERR_INVALID;
    }
    q->driver = mem + part[1];
    q->device = mem + part[2];
    q->tables = mem + (q->area_size - tables);
    q->tables_dma = dma + (q->area_size - tables);
    return VDRV_OK;
}

/* The ring as the device will find it, and telling the device of it. */
static int enable(struct vdrv_queue *q, const size_t part[3])
{
    const struct vdrv_queue_area area = {
        .desc = q->area_dma + part[0],
        .driver = q->area_dma + part[1],
        .device = q->area_dma + part[2],
        .size = q->size,
        .vector = q->vector,
    };
    struct vdrv_transport *t = q->transport;
    int err;

    /* The indices start again, and with them the count. */
    q->stats.completions +=
        q->avail_idx - (uint16_t)(q->avail_idx - q->used_idx);
    memset(q->desc, 0, q->area_size); /* 4.1.5.1.3: zeroed memory */
    memset(q->slot, 0, sizeof(*q->slot) * q->size);
    q->error = VDRV_OK;
    q->drained = 0;
    q->kind->reset(q);
    q->doorbell = NULL;
    err = t->ops->queue_enable(t, q->index, &area, &q->notify);
    if (err == VDRV_OK && q->hal->reg_write == NULL &&
        q->notify.space == VDRV_SPACE_MEMORY && q->notify.width != 1)
        q->doorbell = (void *)q->notify.addr;
#if !defined(__OPTIMIZE_SIZE__)
    if (q->doorbell != NULL && q->kick_bell[q->notify.width == 4] != NULL)
        q->kick = q->kick_bell[q->notify.width == 4];
#endif
    return err;
}

/* The part of the window that a short segment may start in. */
static void set_window(struct vdrv_queue *q)
{
    const struct vdrv_hal *hal = q->hal;

    q->direct_offset = hal->direct_offset;
    if (is_direct(q) && hal->direct_size > VDRV__SHORT_SEG) {
        q->direct_base = hal->direct_base + hal->direct_offset;
        q->direct_fast = hal->direct_size - 1 - VDRV__SHORT_SEG;
    } else { /* nowhere: the exact look-up decides */
        q->direct_base = UINT64_MAX;
        q->direct_fast = 0;
    }
}

uint64_t vdrv_queue_features(const struct vdrv_queue_kind *packed,
                             const struct vdrv_queue_kind *in_order)
{
    uint64_t set = UINT64_C(1) << VIRTIO_F_ORDER_PLATFORM |
                   UINT64_C(1) << VIRTIO_F_NOTIFICATION_DATA |
                   UINT64_C(1) << VIRTIO_F_NOTIF_CONFIG_DATA |
                   UINT64_C(1) << VIRTIO_F_RING_RESET;

    if (packed != NULL)
        set |= UINT64_C(1) << VIRTIO_F_RING_PACKED;
    /* The device chooses the ring, so both must be able. */
    if (in_order != NULL && (packed == NULL || packed->any_order != NULL))
        set |= UINT64_C(1) << VIRTIO_F_IN_ORDER;
    return set;
}

/* NULL: the configuration does not name what was negotiated. */
static const struct vdrv_queue_kind *choose_kind(
    const struct vdrv_transport *t, const struct vdrv_queue_config *cfg,
    bool packed)
{
    const struct vdrv_queue_kind *kind = packed ? cfg->packed : cfg->in_order;

    if (vdrv_feature(t->features, VIRTIO_F_IN_ORDER))
        return kind != NULL && kind->any_order != NULL ? kind : NULL;
    if (!packed)
        return t->ring != NULL ? t->ring : &vdrv_queue_split;
    return kind != NULL && kind->any_order != NULL ? kind->any_order : kind;
}

int vdrv_queue_init(struct vdrv_queue *q, struct vdrv_transport *t,
                    const struct vdrv_queue_config *cfg)
{
    size_t part[3];
    bool packed;
    int err;

    if (q == NULL)
        return VDRV_ERR_INVALID;
    memset(q, 0, sizeof(*q));
    if (t == NULL || cfg == NULL ||
        (t->hal->direct_size == 0 && t->hal->dma_map == NULL) ||
        t->hal->dma_alloc == NULL || t->hal->dma_free == NULL)
        return VDRV_ERR_INVALID;
    packed = vdrv_feature(t->features, VIRTIO_F_RING_PACKED);
    q->kind = choose_kind(t, cfg, packed);
    if (q->kind == NULL)
        return VDRV_ERR_INVALID;
    err = vdrv_queue_pick_size(t, cfg->index, cfg->size, packed);
    if (err <= 0)
        return err < 0 ? err : VDRV_ERR_NO_DEVICE;
    q->size = (uint32_t)err;
    q->index = cfg->index;
    q->vector = cfg->vector;
    q->frame = cfg->frame;
    q->max_chain = q->size;
    if (cfg->max_chain != 0 && cfg->max_chain < q->size)
        q->max_chain = cfg->max_chain;
    q->transport = t;
    q->hal = t->hal;
    q->event_idx = vdrv_feature(t->features, VIRTIO_F_EVENT_IDX);
    q->notify_data = vdrv_feature(t->features, VIRTIO_F_NOTIFICATION_DATA);
    q->order_platform = vdrv_feature(t->features, VIRTIO_F_ORDER_PLATFORM);
    q->dma_flags = vdrv_feature(t->features, VIRTIO_F_ACCESS_PLATFORM)
                       ? 0
                       : VDRV_DMA_PHYSICAL; /* 6.1 */
    if (vdrv_feature(t->features, VIRTIO_F_INDIRECT_DESC))
        q->indirect =
            cfg->indirect < q->max_chain ? cfg->indirect : q->max_chain;
    set_window(q);
    err = place_work(q, cfg);
    if (err == VDRV_OK)
        err = allocate_ring(q, part);
    if (err != VDRV_OK)
        return err;
    return enable(q, part);
}

int vdrv_queue_restart(struct vdrv_queue *q)
{
    struct vdrv_transport *t = q->transport;
    size_t part[3];
    uint32_t max;

    /* The device may have shrunk; memory and size here stay as they were.  One
       that cannot be told of them must have just that size. */
    max = t->ops->queue_max(t, q->index);
    if (max < q->size ||
        (max > q->size && (t->flags & VDRV_TRANSPORT_FIXED_SIZE) != 0))
        return max == 0 ? VDRV_ERR_NO_DEVICE : VDRV_ERR_PROTOCOL;
    (void)q->kind->layout(q->size, part);
    return enable(q, part);
}

int vdrv_queue_reset(struct vdrv_queue *q)
{
    struct vdrv_transport *t = q->transport;
    int err;

    if (!vdrv_feature(t->features, VIRTIO_F_RING_RESET) ||
        t->ops->queue_reset == NULL)
        return VDRV_ERR_UNSUPPORTED;
    err = t->ops->queue_reset(t, q->index);
    if (err != VDRV_ERR_UNSUPPORTED)
        vdrv_queue_break(q, VDRV_ERR_BAD_STATE);
    return err;
}

void vdrv_queue_fini(struct vdrv_queue *q)
{
    if (q == NULL || q->desc == NULL)
        return;
    q->hal->dma_free(q->hal->ctx, q->desc, q->area_dma, q->area_size,
                     q->dma_flags);
    q->desc = NULL;
    vdrv_queue_break(q, VDRV_ERR_BAD_STATE);
}
