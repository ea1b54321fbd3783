/* SPDX-License-Identifier: MIT */
/*
 * The receive side of the network driver (VirtIO 1.4, 5.1.6.3 and 5.1.6.4).
 * It looks at no state of the transmit side.
 *
 * A frame is put together within one call: 5.1.6.4.1 has the device show all
 * buffers of a frame at once, so one that is not complete is a broken rule,
 * and nothing ever waits for the rest of it.
 */
#include "vdrv_net_impl.h"

#include "../core/barrier.h"
#include "../core/mem.h"
#include "vdrv_net_header.h"

#define BURST     16u
#define FRAME_MAX VIRTIO_NET_FRAME_GSO

/* Not in the way of frames that are as they should be. */
#define COLD __attribute__((noinline, cold))

/* A frame that is being put together. */
struct frame {
    struct vdrv_net_buf *first;
    struct vdrv_net_buf *last;
    uint32_t missing; /* buffers */
    uint32_t total;   /* bytes so far, at most one ring's buffers */
    uint64_t *fault;  /* not NULL: to be dropped when complete, and counted */
    struct vdrv__net_header h;
};

static struct vdrv_queue *queue_of(struct vdrv_virtio_net *nic, uint32_t pair)
{
    return &nic->queue[vdrv_net_rx_queue(pair)].vq;
}

/* ---- Posting ------------------------------------------------------------- */

static bool header_fits(const struct vdrv_net_buf *buf, uint32_t len)
{
    return buf->mem != NULL && buf->headroom >= len &&
           (((uintptr_t)buf->mem + buf->headroom) & 1u) == 0;
}

/* A buffer from `front` bytes before its frame on. */
static struct vdrv_seg segment(const struct vdrv_net_buf *buf, uint32_t front,
                               uint32_t len)
{
    const uint32_t off = buf->headroom - front;

    if (unlikely((buf->flags & VDRV_NET_MAPPED) != 0))
        return vdrv_seg_dma(buf->dma + off, len);
    return vdrv_seg_in(buf->mem + off, len);
}

NOINLINE int post_any(struct vdrv_virtio_net *nic, uint32_t pair,
                      struct vdrv_net_buf *buf)
{
    struct vdrv_virtio_net_side *rx = &nic->rx[pair];
    const uint32_t len = nic->header_len;
    const bool in_place = nic->own_header == 0 && header_fits(buf, len);
    struct vdrv_seg seg[2];
    uint32_t n = 0;
    int err;

    if (unlikely(buf->next != NULL || buf->headroom > buf->capacity ||
                 buf->capacity - buf->headroom < nic->info.rx_buf_min ||
                 (buf->mem == NULL && (buf->flags & VDRV_NET_MAPPED) == 0) ||
                 (nic->info.mergeable && !in_place)))
        return VDRV_ERR_INVALID;
    if (!in_place) {
        if (rx->header_free == NO_HEADER)
            return VDRV_ERR_AGAIN;
        seg[n++] = vdrv__net_header_seg(rx, rx->header_free, len);
    }
    seg[n++] = segment(buf, in_place ? len : 0,
                       buf->capacity - buf->headroom + (in_place ? len : 0));
    err = vdrv_queue_add(queue_of(nic, pair), seg, 0, n, buf);
    if (unlikely(err != VDRV_OK))
        return err;
    buf->opaque[0] = NO_HEADER;
    if (!in_place)
        vdrv__net_header_take(rx, buf);
    return VDRV_OK;
}

/* The common one: with the header in front, not mapped. */
ALWAYS_INLINE int post(struct vdrv_virtio_net *nic, uint32_t pair,
                       struct vdrv_queue *q, struct vdrv_net_buf *buf)
{
    const uint32_t headroom = buf->headroom;
    const uint32_t room = buf->capacity - headroom;
    uint8_t *const mem = buf->mem;
    struct vdrv_seg seg;

    if (unlikely(((uintptr_t)buf->next | buf->flags) != 0 || mem == NULL ||
                 headroom < VIRTIO_NET_HDR_SIZE || headroom > buf->capacity ||
                 room < nic->rx_plain ||
                 (((uintptr_t)mem + headroom) & 1u) != 0))
        return post_any(nic, pair, buf);
    buf->opaque[0] = NO_HEADER;
    seg = vdrv_seg_in(mem + (headroom - VIRTIO_NET_HDR_SIZE),
                      room + VIRTIO_NET_HDR_SIZE);
    return q->add(q, &seg, 0, 1, buf);
}

void vdrv__net_rx_refill(struct vdrv_virtio_net *nic, uint32_t pair)
{
    struct vdrv_net_pool *pool = nic->rx[pair].pool;
    struct vdrv_queue *q = queue_of(nic, pair);
    struct vdrv_net_buf *buf;

    while (pool != NULL &&
           vdrv_queue_outstanding(q) < nic->info.rx_queue_size &&
           (buf = vdrv_net_pool_take(pool)) != NULL) {
        if (post(nic, pair, q, buf) != VDRV_OK) {
            vdrv_net_pool_put(buf);
            return;
        }
    }
}

/* The device's buffers again, or their owners'. */
COLD static void drop(struct vdrv_virtio_net *nic, uint32_t pair,
                      struct vdrv_net_buf *buf)
{
    struct vdrv_driver_queue *dq = &nic->queue[vdrv_net_rx_queue(pair)];

    while (buf != NULL) {
        struct vdrv_net_buf *next = buf->next;

        buf->next = NULL;
        if (post_any(nic, pair, buf) != VDRV_OK) {
            nic->rx[pair].stats.rx_lost++;
            dq->busy++;
            vdrv_net_buf_release(buf);
            dq->busy--;
        }
        buf = next;
    }
}

void vdrv__net_rx_complete(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct vdrv_net_buf *buf)
{
    vdrv__net_header_give(&nic->rx[pair], buf);
    vdrv_net_buf_release(buf);
}

/* ---- Receiving ----------------------------------------------------------- */

static uint16_t field(const struct vdrv_virtio_net *nic, const struct le16 *p)
{
    const uint16_t v = shared_load16(p);

    return nic->legacy != 0 ? (uint16_t)vdrv__renative(v, 2) : v;
}

/* Every field once; the device may be writing still. */
static uint32_t read_header(const struct vdrv_virtio_net *nic,
                            const struct virtio_net_hdr *shared,
                            struct vdrv__net_header *h)
{
    const struct le16 *first = (const struct le16 *)(const void *)shared;
    const uint16_t both = shared_load16(first); /* flags and gso_type */

    h->flags = (uint8_t)both;
    h->gso_type = (uint8_t)(both >> 8);
    if (unlikely(both != 0)) {
        h->hdr_len = field(nic, &shared->hdr_len);
        h->gso_size = field(nic, &shared->gso_size);
        h->csum_start = field(nic, &shared->csum_start);
        h->csum_offset = field(nic, &shared->csum_offset);
    }
    /* Without MRG_RXBUF it should be 1; devices exist that do not set it. */
    return nic->info.mergeable ? field(nic, &shared->num_buffers) : 1;
}

/* 5.1.6.4.4: the value means something when its type is known. */
COLD static void read_hash(const struct vdrv_virtio_net *nic,
                           const struct virtio_net_hdr *shared,
                           struct vdrv_net_buf *buf)
{
    const uint32_t type = field(nic, &shared->hash_report);

    if (type - 1u >= VIRTIO_NET_HASH_REPORT_MAX)
        return;
    buf->flags |= VDRV_NET_HASH;
    buf->hash_type = 1u << (type - 1u);
    buf->hash = field(nic, &shared->hash_value[0]) |
                (uint32_t)field(nic, &shared->hash_value[1]) << 16;
}

/* The bytes of `buf` that are the device's to have written. */
COLD static void sync_in(const struct vdrv_virtio_net *nic,
                         const struct vdrv_net_buf *buf, uint32_t front,
                         uint32_t written)
{
    if (buf->mem != NULL)
        vdrv__net_sync(nic, buf, buf->mem + (buf->headroom - front), written,
                       VDRV_DIR_IN);
}

/* The first, or the only buffer of a frame; false: it was dropped. */
static bool start_frame(struct vdrv_virtio_net *nic, uint32_t pair,
                        struct vdrv_net_buf *buf, uint32_t used,
                        struct frame *f)
{
    struct vdrv_virtio_net_side *rx = &nic->rx[pair];
    const uint32_t len = nic->header_len;
    const bool in_place = buf->opaque[0] == NO_HEADER;
    const struct virtio_net_hdr *h;

    if (unlikely(nic->drv.hal->dma_sync != NULL) && used > len)
        sync_in(nic, buf, in_place ? len : 0, used - (in_place ? 0 : len));
    h = in_place ? (const void *)(buf->mem + buf->headroom - len)
                 : vdrv__net_header(rx, buf->opaque[0]);
    vdrv__net_header_give(rx, buf);
    if (unlikely(used < len)) {
        rx->stats.rx_runts++;
        drop(nic, pair, buf);
        return false;
    }
    f->missing = read_header(nic, h, &f->h);
    if (unlikely(f->missing == 0)) {
        rx->stats.rx_malformed++;
        drop(nic, pair, buf);
        return false;
    }
    buf->data = buf->mem != NULL ? buf->mem + buf->headroom : NULL;
    buf->len = used - len;
    buf->flags &= VDRV_NET_MAPPED;
    if (unlikely(nic->hash != 0))
        read_hash(nic, h, buf);
    f->first = buf;
    f->total = buf->len;
    f->fault = NULL;
    return true;
}

/* 5.1.6.4: only the first buffer has a header; the others are all frame. */
static void continue_frame(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct vdrv_net_buf *buf, uint32_t used,
                           struct frame *f)
{
    const uint32_t len = nic->header_len;
    struct vdrv_net_stats *stats = &nic->rx[pair].stats;

    if (nic->drv.hal->dma_sync != NULL)
        sync_in(nic, buf, len, used);
    buf->data = buf->mem + buf->headroom - len;
    buf->len = used;
    buf->flags &= VDRV_NET_MAPPED;
    f->last->next = buf;
    if (used == 0) {
        f->fault = &stats->rx_malformed;
    } else if (f->total > FRAME_MAX || used > FRAME_MAX - f->total) {
        /* It can be on no wire. */
        f->fault = &stats->rx_oversize;
        f->total = FRAME_MAX;
    } else {
        f->total += used;
    }
}

/* The offload data of a frame that has some; false: drop it. */
COLD static bool take_meta(struct vdrv_virtio_net *nic,
                           struct vdrv_virtio_net_side *rx,
                           const struct frame *f)
{
    struct vdrv_net_buf *buf = f->first;
    struct vdrv__net_meta meta;

    if (vdrv__net_validate_header(&f->h, f->total, nic->drv.features, &meta) !=
        VDRV_OK) {
        rx->stats.rx_malformed++;
        return false;
    }
    rx->stats.rx_cleared += meta.cleared ? 1 : 0;
    buf->flags |= meta.flags;
    buf->csum_start = meta.csum_start;
    buf->csum_offset = meta.csum_offset;
    buf->gso_size = meta.gso_size;
    buf->gso_header = meta.gso_header;
    buf->gso_type = meta.gso_type;
    return true;
}

/* All buffers are there; false: it was dropped. */
static bool finish_frame(struct vdrv_virtio_net *nic, uint32_t pair,
                         struct frame *f)
{
    struct vdrv_virtio_net_side *rx = &nic->rx[pair];
    bool good = true;

    if (unlikely(f->fault != NULL)) {
        (*f->fault)++;
        good = false;
    } else if (unlikely(f->first->len < VDRV_NET_HEADER_SIZE)) {
        /* 5.1.6.4.1: but for the last, buffers are full: no stack has to
           look for an Ethernet header in two. */
        if (f->total < VDRV_NET_HEADER_SIZE)
            rx->stats.rx_runts++;
        else
            rx->stats.rx_malformed++;
        good = false;
    } else if (unlikely((f->h.flags | f->h.gso_type) != 0)) {
        good = take_meta(nic, rx, f);
    }
    if (unlikely(!good)) {
        drop(nic, pair, f->first);
        return false;
    }
    rx->stats.rx_frames++;
    rx->stats.rx_bytes += f->total;
    return true;
}

/*
 * The common completion: a buffer with its header in front that is a whole
 * frame, with nothing to say of it.  False: that is not so, and nothing was
 * done; who looks again reads the header again.
 */
ALWAYS_INLINE bool take_plain(const struct vdrv_virtio_net *nic,
                              const struct vdrv_used *used)
{
    struct vdrv_net_buf *buf = used->cookie;
    const struct virtio_net_hdr *h;
    uint32_t odd;

    if (unlikely(nic->plain == 0 || buf->opaque[0] != NO_HEADER ||
                 used->len < VIRTIO_NET_HDR_SIZE + VDRV_NET_HEADER_SIZE))
        return false;
    h = (const void *)(buf->mem + buf->headroom - VIRTIO_NET_HDR_SIZE);
    odd = shared_load16((const struct le16 *)(const void *)h);
    if (nic->info.mergeable)
        odd |= field(nic, &h->num_buffers) ^ 1u;
    if (unlikely(odd != 0))
        return false;
    buf->data = buf->mem + buf->headroom;
    buf->len = used->len - VIRTIO_NET_HDR_SIZE;
    buf->flags &= VDRV_NET_MAPPED;
    return true;
}

/* One completion; true: a frame is complete, and good. */
NOINLINE bool take(struct vdrv_virtio_net *nic, uint32_t pair,
                   const struct vdrv_used *used, struct frame *f)
{
    struct vdrv_net_buf *buf = used->cookie;

    if (likely(f->missing == 0)) {
        if (!start_frame(nic, pair, buf, used->len, f))
            return false;
    } else {
        continue_frame(nic, pair, buf, used->len, f);
    }
    f->last = buf;
    f->missing--;
    return f->missing == 0 && finish_frame(nic, pair, f);
}

/* 5.1.6.4.1 broken: what came of the frame is nobody's but the driver's. */
COLD static int incomplete(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct frame *f)
{
    struct vdrv_driver_queue *dq = &nic->queue[vdrv_net_rx_queue(pair)];
    const uint64_t missing = f->missing;

    nic->rx[pair].stats.rx_malformed++;
    vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                       "frame without all its buffers; missing:", &missing);
    vdrv_driver_fail(&nic->drv, VDRV_ERR_PROTOCOL);
    dq->busy++;
    vdrv_net_buf_release(f->first);
    dq->busy--;
    return VDRV_ERR_PROTOCOL;
}

/* The frames of some completions; returns how many there are now. */
static uint32_t take_all(struct vdrv_virtio_net *nic, uint32_t pair,
                         const struct vdrv_used *used, int got, struct frame *f,
                         struct vdrv_net_buf **bufs, uint32_t n)
{
    struct vdrv_net_stats *stats = &nic->rx[pair].stats;
    uint64_t frames = 0, bytes = 0;

    for (int i = 0; i < got; i++) {
        if (likely(f->missing == 0 && take_plain(nic, &used[i]))) {
            bufs[n] = used[i].cookie;
            bytes += bufs[n++]->len;
            frames++;
        } else if (take(nic, pair, &used[i], f)) {
            bufs[n++] = f->first;
        }
    }
    stats->rx_frames += frames;
    stats->rx_bytes += bytes;
    return n;
}

int vdrv__net_receive_burst(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf **bufs, uint32_t max)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const uint32_t queue = vdrv_net_rx_queue(pair);
    struct vdrv_used used[BURST];
    struct frame f = {.missing = 0};
    struct vdrv_queue *q;
    uint32_t n = 0;
    int err = vdrv__net_usable(nic, pair, queue);

    if (err == VDRV_OK && nic->queue[queue].busy != 0)
        err = VDRV_ERR_BUSY;
    if (err != VDRV_OK)
        return err;
    q = queue_of(nic, pair);
    /* Dropped buffers are published at the end: this ends with the ring. */
    while (n < max || f.missing > 0) {
        uint32_t want = f.missing > 0 ? f.missing : max - n;
        int got;

        want = want < BURST ? want : BURST;
        got = q->reap(q, used, want);
        n = take_all(nic, pair, used, got, &f, bufs, n);
        if (got < 0) {
            err = got;
            vdrv_driver_fail(&nic->drv, err);
        }
        if (got < (int)want)
            break;
    }
    if (f.missing > 0)
        err = incomplete(nic, pair, &f);
    if (err == VDRV_OK) {
        vdrv__net_rx_refill(nic, pair);
        (void)q->kick(q);
    }
    return n > 0 ? (int)n : err;
}

/* ---- Operations ---------------------------------------------------------- */

bool vdrv__net_can_receive(struct vdrv_net *net, uint32_t pair)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);

    return vdrv__net_usable(nic, pair, vdrv_net_rx_queue(pair)) == VDRV_OK &&
           vdrv_queue_pending(queue_of(nic, pair));
}

int vdrv__net_recycle_rx_burst(struct vdrv_net *net, uint32_t pair,
                               struct vdrv_net_buf *const *bufs, uint32_t n,
                               uint32_t flags)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    int err = vdrv__net_usable(nic, pair, vdrv_net_rx_queue(pair));
    struct vdrv_queue *q;
    uint32_t i;

    if (err != VDRV_OK)
        return err;
    q = queue_of(nic, pair);
    for (i = 0; i < n; i++) {
        err = bufs[i] != NULL ? post(nic, pair, q, bufs[i]) : VDRV_ERR_INVALID;
        if (unlikely(err != VDRV_OK))
            break;
    }
    if (i > 0 && (flags & VDRV_NET_MORE) == 0)
        (void)q->kick(q);
    return i > 0 || n == 0 ? (int)i : err;
}
