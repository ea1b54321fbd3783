/* SPDX-License-Identifier: MIT */
/*
 * The split virtqueue (VirtIO 1.4, 2.7), direct and indirect.
 *
 * Free descriptors form a list in q->link, as ready second halves of a
 * descriptor: the NEXT flag and the number of the next free one.  A chain
 * takes descriptors from its head; when it comes back, its tail is linked in
 * front of the list.  So adding k segments and freeing any chain are k stores
 * and one, and nothing is ever read back from the descriptor table.
 *
 * slot[head].limit is the number of writable bytes + 1 while the chain is out
 * and 0 otherwise: one comparison proves both that the device may return this
 * id, and that its length is possible.
 */
#include <virtio_drv/queue.h>

#include "../core/barrier.h"
#include "../spec/virtio_ring.h"
#include "vdrv_queue_impl.h"

#define TAIL_MAPPED 0x8000u     /* the chain has mappings to undo */
#define MAP_END     0x80000000u /* ends the records of an indirect table */
#define BYTES_MAX   0xfffffffeu /* limit is one more and fits 32 bits */

static struct le16 *used_event(const struct vdrv_queue *q)
{
    struct virtq_avail *avail = q->driver;

    return &avail->ring[q->size];
}

static const struct le16 *avail_event(const struct vdrv_queue *q)
{
    const struct virtq_used *used = q->device;

    return (const struct le16 *)(const void *)&used->ring[q->size];
}

static size_t split_layout(uint32_t size, size_t part[3])
{
    part[0] = 0;
    part[1] = sizeof(struct virtq_desc) * size;
    part[2] = (part[1] + 6 + 2 * (size_t)size + 63) & ~(size_t)63;
    return part[2] + 6 + 8 * (size_t)size;
}

static inline uint64_t link_to(uint32_t i)
{
    return VIRTQ_DESC_FLAG(VIRTQ_DESC_F_NEXT) | VIRTQ_DESC_NEXT(i);
}

static inline uint32_t link_next(uint64_t link)
{
    return (uint32_t)(link >> 48);
}

/* ---- Adding ------------------------------------------------------------- */

/* Takes a filled chain from the free list and puts it in the ring. */
static inline int commit(struct vdrv_queue *q, uint32_t head, uint32_t tail,
                         uint32_t next_free, uint32_t count, uint32_t limit,
                         void *cookie)
{
    struct virtq_avail *avail = q->driver;
    struct vdrv_queue_slot *s = &q->slot[head];

    s->cookie = cookie;
    s->limit = limit;
    s->tail = (uint16_t)tail;
    s->count = (uint16_t)count;
    q->free_head = (uint16_t)next_free;
    q->nfree -= count;
    /* 2.7.13.2; the index is published by kick. */
    avail->ring[q->avail_idx & (q->size - 1)] = le16((uint16_t)head);
    q->avail_idx++;
    return VDRV_OK;
}

/*
 * Any chain, mapping what is outside the direct window; one segment may take
 * several descriptors.  Also the place where errors are told apart.
 */
static int add_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    struct virtq_desc *desc = q->desc;
    const uint32_t head = q->free_head;
    uint32_t i = head, tail = head, count = 0;
    uint64_t total = 0, writable = 0, rest = 0;
    int err = n == 0 || n > q->nfree ? vdrv__queue_refuse(q, n) : VDRV_OK;

    for (uint32_t k = 0, done = 0; err == VDRV_OK && k < n;) {
        const bool in = k >= nout;
        struct vdrv_queue_map m;

        if (count == q->max_chain || count == q->nfree) {
            err = vdrv__queue_refuse(q, (uint64_t)count + 1);
            break;
        }
        err = vdrv__queue_map_run(q, &seg[k], done,
                                  in ? VDRV_DIR_IN : VDRV_DIR_OUT, &m);
        if (err != VDRV_OK)
            break;
        if (q->map != NULL)
            q->map[i] = m;
        total += m.run;
        writable += in ? m.run : 0;
        rest = m.run | VIRTQ_DESC_FLAG(in ? VIRTQ_DESC_F_WRITE : 0);
        desc[i].addr = le64(m.dma);
        desc[i].rest = le64(rest | q->link[i]);
        tail = i;
        i = link_next(q->link[i]);
        count++;
        done += m.run;
        if (done == seg[k].len) {
            done = 0;
            k++;
        }
    }
    if (err == VDRV_OK && total > BYTES_MAX) /* 2.7.5.1 */
        err = VDRV_ERR_TOO_BIG;
    if (err != VDRV_OK) {
        for (i = head; q->map != NULL && count > 0; count--) {
            vdrv__queue_unmap(q, &q->map[i]);
            i = link_next(q->link[i]);
        }
        return err;
    }
    desc[tail].rest = le64(rest);
    if (q->map != NULL)
        tail |= TAIL_MAPPED;
    return commit(q, head, tail, i, count, (uint32_t)writable + 1, cookie);
}

static int add_direct(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    struct virtq_desc *desc = q->desc;
    const uint64_t *link = q->link;
    const uint32_t head = q->free_head;
    const struct vdrv_seg *const first_in = seg + nout;
    const struct vdrv_seg *const end = seg + n;
    const struct vdrv_seg *s = seg;
    uint32_t i = head, tail = head;
    uint64_t addr, readable = 0, writable = 0, rest = 0;

    if (unlikely(n - 1 >= q->nfree)) /* none, or more than there is room for */
        return vdrv__queue_refuse(q, n);
    for (; s != first_in; s++) {
        if (unlikely(!vdrv__queue_direct(q, s, &addr)))
            return add_mapped(q, seg, nout, nin, cookie);
        tail = i;
        rest = s->len;
        readable += s->len;
        desc[i].addr = le64(addr);
        desc[i].rest = le64(rest | link[i]);
        i = link_next(link[i]);
    }
    for (; s != end; s++) {
        if (unlikely(!vdrv__queue_direct(q, s, &addr)))
            return add_mapped(q, seg, nout, nin, cookie);
        tail = i;
        rest = s->len | VIRTQ_DESC_FLAG(VIRTQ_DESC_F_WRITE);
        writable += s->len;
        desc[i].addr = le64(addr);
        desc[i].rest = le64(rest | link[i]);
        i = link_next(link[i]);
    }
    if (unlikely(readable + writable > BYTES_MAX)) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    desc[tail].rest = le64(rest);
    return commit(q, head, tail, i, (uint32_t)n, (uint32_t)writable + 1,
                  cookie);
}

/* With a limit below the ring's size, which add_direct does not look at. */
static int add_limited(struct vdrv_queue *q, const struct vdrv_seg *seg,
                       uint32_t nout, uint32_t nin, void *cookie)
{
    if (unlikely((uint64_t)nout + nin > q->max_chain))
        return VDRV_ERR_TOO_BIG;
    return add_direct(q, seg, nout, nin, cookie);
}

/* 2.7.5.3: one descriptor that refers to a table of the head's own. */
static int commit_indirect(struct vdrv_queue *q, uint32_t n, uint32_t writable,
                           uint32_t mapped, void *cookie)
{
    struct virtq_desc *desc = q->desc;
    const uint32_t head = q->free_head;
    const uint64_t bytes = sizeof(*desc) * (uint64_t)q->indirect;

    desc[head].addr = le64(q->tables_dma + bytes * head);
    desc[head].rest = le64(sizeof(*desc) * (uint64_t)n |
                           VIRTQ_DESC_FLAG(VIRTQ_DESC_F_INDIRECT));
    return commit(q, head, head | mapped, link_next(q->link[head]), 1,
                  writable + 1, cookie);
}

static int add_indirect_mapped(struct vdrv_queue *q, const struct vdrv_seg *seg,
                               uint32_t nout, uint32_t nin, void *cookie)
{
    const uint32_t n = nout + nin;
    const size_t base = (size_t)q->indirect * q->free_head;
    struct virtq_desc *table = (struct virtq_desc *)q->tables + base;
    struct vdrv_queue_map *map;
    uint64_t total = 0, writable = 0;
    uint32_t count = 0;
    int err = VDRV_OK;

    if (q->table_map == NULL) /* nothing can be mapped: say why */
        return add_mapped(q, seg, nout, nin, cookie);
    map = q->table_map + base;
    for (uint32_t k = 0, done = 0; k < n && count < q->indirect;) {
        const bool in = k >= nout;

        err = vdrv__queue_map_run(q, &seg[k], done,
                                  in ? VDRV_DIR_IN : VDRV_DIR_OUT, &map[count]);
        if (err != VDRV_OK)
            break;
        total += map[count].run;
        writable += in ? map[count].run : 0;
        table[count].addr = le64(map[count].dma);
        table[count].rest = le64(map[count].run | link_to(count + 1) |
                                 VIRTQ_DESC_FLAG(in ? VIRTQ_DESC_F_WRITE : 0));
        done += map[count++].run;
        if (done == seg[k].len) {
            done = 0;
            if (++k == n) {
                table[count - 1].rest =
                    le64(map[count - 1].run |
                         VIRTQ_DESC_FLAG(in ? VIRTQ_DESC_F_WRITE : 0));
                if (total > BYTES_MAX) {
                    err = VDRV_ERR_TOO_BIG;
                    break;
                }
                if (count < q->indirect)
                    map[count].dir = MAP_END;
                q->map[q->free_head].dir = MAP_END;
                return commit_indirect(q, count, (uint32_t)writable,
                                       TAIL_MAPPED, cookie);
            }
        }
    }
    while (count > 0)
        vdrv__queue_unmap(q, &map[--count]);
    /* More runs than a table holds: as a plain chain. */
    return err != VDRV_OK ? err : add_mapped(q, seg, nout, nin, cookie);
}

static int add_indirect(struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t nout, uint32_t nin, void *cookie)
{
    const uint64_t n = (uint64_t)nout + nin;
    struct virtq_desc *table = q->tables;
    uint64_t addr, readable = 0, writable = 0;

    if (unlikely(n - 2 > (uint64_t)q->indirect - 2 || q->nfree == 0))
        return add_limited(q, seg, nout, nin, cookie);
    table += (size_t)q->indirect * q->free_head;
    for (uint32_t k = 0; k < nout; k++) {
        if (unlikely(!vdrv__queue_direct(q, &seg[k], &addr)))
            return add_indirect_mapped(q, seg, nout, nin, cookie);
        readable += seg[k].len;
        table[k].addr = le64(addr);
        table[k].rest = le64(seg[k].len | link_to(k + 1));
    }
    for (uint32_t k = nout; k < n; k++) {
        if (unlikely(!vdrv__queue_direct(q, &seg[k], &addr)))
            return add_indirect_mapped(q, seg, nout, nin, cookie);
        writable += seg[k].len;
        table[k].addr = le64(addr);
        table[k].rest = le64(seg[k].len | link_to(k + 1) |
                             VIRTQ_DESC_FLAG(VIRTQ_DESC_F_WRITE));
    }
    if (unlikely(readable + writable > BYTES_MAX)) /* 2.7.5.1 */
        return VDRV_ERR_TOO_BIG;
    table[n - 1].rest = le64(
        seg[n - 1].len | VIRTQ_DESC_FLAG(nin != 0 ? VIRTQ_DESC_F_WRITE : 0));
    return commit_indirect(q, (uint32_t)n, (uint32_t)writable, 0, cookie);
}

/* ---- Notifying ---------------------------------------------------------- */

static int kick(struct vdrv_queue *q)
{
    struct virtq_avail *avail = q->driver;
    const struct virtq_used *used = q->device;
    const uint16_t old = q->published, new = q->avail_idx;
    bool wanted;

    if (old == new)
        return 0;
    /* 2.7.13.3.1: what was filled in is seen before the index. */
    shared_publish16(&avail->idx, new);
    q->published = new;
    /* 2.7.13.4.1: the index is seen before suppression is looked at. */
    vdrv__full_fence();
    if (q->event_idx != 0) { /* 2.7.10.1: did the batch pass the event? */
        const uint16_t event = shared_load16(avail_event(q));

        wanted = (uint16_t)(new - event - 1) < (uint16_t)(new - old);
    } else {
        wanted = (shared_load16(&used->flags) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    }
    if (wanted)
        return vdrv__queue_notify(q);
    q->stats.suppressed++;
    return 0;
}

/* ---- Reaping ------------------------------------------------------------ */

/* Undoes the mappings of a chain that came back. */
static void unmap_chain(struct vdrv_queue *q, uint32_t head)
{
    const struct vdrv_queue_slot *s = &q->slot[head];
    const uint32_t tail = s->tail & ~TAIL_MAPPED;

    if (q->map[head].dir == MAP_END) { /* the chain is in a table */
        const struct vdrv_queue_map *m =
            q->table_map + (size_t)q->indirect * head;

        for (uint32_t k = 0; k < q->indirect && m[k].dir != MAP_END; k++)
            vdrv__queue_unmap(q, &m[k]);
        return;
    }
    for (uint32_t i = head;; i = link_next(q->link[i])) {
        vdrv__queue_unmap(q, &q->map[i]);
        if (i == tail)
            break;
    }
}

/*
 * A length that the fast check refused.  2.7.8.2: a chain without writable
 * part has length 0, but many devices say something else: that is harmless
 * and counted.
 */
static bool excuse_length(struct vdrv_queue *q, const struct vdrv_queue_slot *s,
                          uint32_t *len)
{
    if (s->limit != 1)
        return false;
    q->stats.bad_len++;
    *len = 0;
    return true;
}

static inline int reap_some(struct vdrv_queue *q, struct vdrv_used *out,
                            uint32_t max, const bool mapped)
{
    const struct virtq_used *used = q->device;
    const uint16_t idx = shared_consume16(&used->idx); /* 2.7.14 */
    const uint32_t mask = q->size - 1;
    uint16_t pos = q->used_idx;
    uint32_t n = (uint16_t)(idx - pos);
    uint32_t free_head = q->free_head, nfree = q->nfree, k;

    if (unlikely(n > (uint16_t)(q->published - pos)))
        return vdrv__queue_protocol(q, "used index beyond what was offered; "
                                       "queue");
    if (n > max)
        n = max;
    for (k = 0; k < n; k++, pos++) {
        const struct virtq_used_elem *e = &used->ring[pos & mask];
        const uint32_t id = shared_load32(&e->id);
        uint32_t len = shared_load32(&e->len);
        struct vdrv_queue_slot *s;

        if (unlikely(id > mask))
            break;
        s = &q->slot[id];
        if (unlikely(len >= s->limit) && !excuse_length(q, s, &len))
            break;
        if (mapped && (s->tail & TAIL_MAPPED) != 0)
            unmap_chain(q, id);
        out[k].cookie = s->cookie;
        out[k].len = len;
        s->limit = 0;
        q->link[mapped ? s->tail & ~TAIL_MAPPED : s->tail] = link_to(free_head);
        free_head = id;
        nfree += s->count;
    }
    q->used_idx = pos;
    q->free_head = (uint16_t)free_head;
    q->nfree = nfree;
    if (unlikely(k < n)) {
        const int err = vdrv__queue_protocol(
            q, "used element with an id or a length that was not posted; "
               "queue");

        return k > 0 ? (int)k : err;
    }
    return (int)k;
}

static int reap(struct vdrv_queue *q, struct vdrv_used *out, uint32_t max)
{
    return reap_some(q, out, max, false);
}

static int reap_mapped(struct vdrv_queue *q, struct vdrv_used *out,
                       uint32_t max)
{
    return reap_some(q, out, max, true);
}

bool vdrv_queue_drain(struct vdrv_queue *q, void **cookie)
{
    while (q->drained < q->size) {
        const uint32_t head = q->drained++;
        struct vdrv_queue_slot *s = &q->slot[head];

        if (s->limit == 0)
            continue;
        s->limit = 0;
        if ((s->tail & TAIL_MAPPED) != 0)
            unmap_chain(q, head);
        *cookie = s->cookie;
        return true;
    }
    return false;
}

/* ---- Interrupt suppression ---------------------------------------------- */

/* 2.7.7, 2.7.9. */
static int split_arm(struct vdrv_queue *q, uint32_t mode)
{
    struct virtq_avail *avail = q->driver;
    const struct virtq_used *used = q->device;
    uint32_t ahead = 0;

    if (q->event_idx == 0) {
        shared_store16(&avail->flags,
                       mode == VDRV_ARM_OFF ? VIRTQ_AVAIL_F_NO_INTERRUPT : 0);
    } else if (mode == VDRV_ARM_OFF) { /* the flags stay 0: 2.7.7.1 */
        shared_store16(used_event(q), (uint16_t)(q->used_idx - 1));
    } else {
        if (mode == VDRV_ARM_LATE)
            ahead = (uint16_t)(q->published - q->used_idx) * 3u / 4u;
        shared_store16(used_event(q), (uint16_t)(q->used_idx + ahead));
    }
    if (mode == VDRV_ARM_OFF)
        return 0;
    vdrv__full_fence(); /* 2.7.14: the wish is seen before the index is read */
    return (uint16_t)(shared_load16(&used->idx) - q->used_idx) > ahead;
}

static uint32_t split_outstanding(const struct vdrv_queue *q)
{
    return (uint16_t)(q->avail_idx - q->used_idx);
}

static void split_reset(struct vdrv_queue *q)
{
    for (uint32_t i = 0; i < q->size; i++)
        q->link[i] = link_to((i + 1) & (q->size - 1));
    q->nfree = q->size;
    q->free_head = 0;
    q->avail_idx = 0;
    q->published = 0;
    q->used_idx = 0;
    q->add = add_direct;
    if (q->indirect >= 2)
        q->add = add_indirect;
    else if (q->max_chain < q->size)
        q->add = add_limited;
    q->kick = kick;
    q->reap = q->map != NULL ? reap_mapped : reap;
}

const struct vdrv_queue_kind vdrv_queue_split = {
    .name = "split",
    .layout = split_layout,
    .reset = split_reset,
    .arm = split_arm,
    .outstanding = split_outstanding,
};
