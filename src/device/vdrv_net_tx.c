/* SPDX-License-Identifier: MIT */
/*
 * The transmit side of the network driver (VirtIO 1.4, 5.1.6.2).  It looks at
 * no state of the receive side.
 */
#include "vdrv_net_impl.h"

#include "../core/barrier.h"
#include "../core/mem.h"

/* What a frame may carry from where it came from, meaning nothing here. */
#define RX_ONLY (VDRV_NET_CSUM_VALID | VDRV_NET_HASH)

static struct vdrv_queue *queue_of(struct vdrv_virtio_net *nic, uint32_t pair)
{
    return &nic->queue[vdrv_net_tx_queue(pair)].vq;
}

/* ---- A frame becomes a chain --------------------------------------------- */

/* The place for the header right in front of the frame; NULL: there is none. */
static uint8_t *room_in_front(const struct vdrv_virtio_net *nic,
                              const struct vdrv_net_buf *buf, uint32_t len)
{
    const uintptr_t room = (uintptr_t)buf->data - (uintptr_t)buf->mem;

    if (nic->own_header != 0 || buf->mem == NULL || room < len ||
        room > buf->capacity || ((uintptr_t)buf->data & 1u) != 0)
        return NULL;
    return buf->data - len;
}

/*
 * The frame of `buf`, with `front` bytes before it.  A length that wraps is
 * too big for check_size().
 */
static int part(const struct vdrv_net_buf *buf, uint32_t front,
                struct vdrv_seg *seg)
{
    const uint64_t off = (uintptr_t)buf->data - (uintptr_t)buf->mem;

    if (likely((buf->flags & VDRV_NET_MAPPED) == 0)) {
        if (buf->data == NULL)
            return VDRV_ERR_INVALID;
        *seg = vdrv_seg_out(buf->data - front, buf->len + front);
        return VDRV_OK;
    }
    if (buf->mem == NULL) { /* known by its address alone */
        *seg = vdrv_seg_dma(buf->dma, buf->len);
        return VDRV_OK;
    }
    if (off > buf->capacity || buf->len > buf->capacity - off)
        return VDRV_ERR_INVALID;
    *seg = vdrv_seg_dma(buf->dma + off - front, buf->len + front);
    return VDRV_OK;
}

/* Caches are written back, header and all, before the device reads. */
static void sync_out(const struct vdrv_virtio_net *nic,
                     const struct vdrv_net_buf *buf, uint32_t front)
{
    for (; buf != NULL; buf = buf->next, front = 0) {
        if (buf->mem != NULL && buf->len + front != 0)
            vdrv__net_sync(nic, buf, buf->data - front, buf->len + front,
                           VDRV_DIR_OUT);
    }
}

/*
 * The segments of a frame behind segs[n]; the first starts `front` bytes
 * early.  Empty parts are left out.  Returns how many segments there are now.
 */
static int parts(const struct vdrv_virtio_net *nic,
                 const struct vdrv_net_buf *buf, uint32_t front,
                 struct vdrv_seg *segs, uint32_t n, uint64_t *total)
{
    uint32_t left = nic->info.max_segs;

    *total = 0;
    for (; buf != NULL; buf = buf->next, front = 0) {
        int err;

        if (unlikely(left-- == 0)) /* or a ring of parts */
            return VDRV_ERR_TOO_BIG;
        if (buf->len == 0 && front == 0)
            continue;
        err = part(buf, front, &segs[n]);
        if (err != VDRV_OK)
            return err;
        *total += buf->len;
        n++;
    }
    return (int)n;
}

/* 5.1.6.2.1: the type on the wire, of what was negotiated; or an error. */
static int gso_type(const struct vdrv_virtio_net *nic, uint8_t type)
{
    static const struct {
        uint8_t ours, wire, tcp;
        uint32_t can;
    } types[] = {
        {VDRV_NET_GSO_TCP4, VIRTIO_NET_HDR_GSO_TCPV4, 1, VDRV_NET_CAN_TX_TSO4},
        {VDRV_NET_GSO_TCP6, VIRTIO_NET_HDR_GSO_TCPV6, 1, VDRV_NET_CAN_TX_TSO6},
        {VDRV_NET_GSO_UDP, VIRTIO_NET_HDR_GSO_UDP, 0, VDRV_NET_CAN_TX_UFO},
        {VDRV_NET_GSO_USO, VIRTIO_NET_HDR_GSO_UDP_L4, 0, VDRV_NET_CAN_TX_USO},
    };
    const bool ecn = (type & VDRV_NET_GSO_ECN) != 0;
    const uint32_t have = nic->info.offloads;

    type &= (uint8_t)~VDRV_NET_GSO_ECN;
    for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (type != types[i].ours || (ecn && types[i].tcp == 0))
            continue;
        if ((have & types[i].can) == 0 ||
            (ecn && (have & VDRV_NET_CAN_TX_ECN) == 0))
            return VDRV_ERR_UNSUPPORTED;
        return types[i].wire | (ecn ? (int)VIRTIO_NET_HDR_GSO_ECN : 0);
    }
    return VDRV_ERR_INVALID;
}

#define UDP_HEADER 8u
#define TCP_HEADER 20u

/* A frame to be cut into segments; its checksum was looked at. */
static int segmentation(const struct vdrv_virtio_net *nic,
                        const struct vdrv_net_buf *buf, uint64_t total,
                        struct virtio_net_hdr *h)
{
    const int type =
        nic->tx_gso != 0 ? gso_type(nic, buf->gso_type) : VDRV_ERR_UNSUPPORTED;
    uint32_t least = buf->csum_start;

    if (type < 0)
        return type;
    least += type == VIRTIO_NET_HDR_GSO_UDP || type == VIRTIO_NET_HDR_GSO_UDP_L4
                 ? UDP_HEADER
                 : TCP_HEADER;
    if ((buf->flags & VDRV_NET_CSUM_PARTIAL) == 0 || buf->gso_size == 0 ||
        buf->gso_header < least || buf->gso_header >= total)
        return VDRV_ERR_INVALID;
    h->gso_type = (uint8_t)type;
    h->gso_size = vdrv__wire16(nic->legacy, buf->gso_size);
    h->hdr_len = vdrv__wire16(nic->legacy, buf->gso_header);
    return VDRV_OK;
}

/* 5.1.6.2.1: what was not negotiated is never asked for. */
static int offload(const struct vdrv_virtio_net *nic,
                   const struct vdrv_net_buf *buf, uint64_t total,
                   struct virtio_net_hdr *h)
{
    if ((buf->flags & VDRV_NET_VLAN) != 0)
        return VDRV_ERR_UNSUPPORTED;
    if ((buf->flags & VDRV_NET_CSUM_PARTIAL) != 0) {
        if ((nic->info.offloads & VDRV_NET_CAN_TX_CSUM) == 0)
            return VDRV_ERR_UNSUPPORTED;
        if ((uint64_t)buf->csum_start + buf->csum_offset + 2u > total)
            return VDRV_ERR_INVALID;
        h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h->csum_start = vdrv__wire16(nic->legacy, buf->csum_start);
        h->csum_offset = vdrv__wire16(nic->legacy, buf->csum_offset);
    }
    if ((buf->flags & VDRV_NET_GSO) != 0)
        return segmentation(nic, buf, total, h);
    /* No less than the headers, of a device that cuts: all of it is more. */
    if (nic->tx_gso != 0)
        h->hdr_len = vdrv__wire16(
            nic->legacy, (uint16_t)(total < UINT16_MAX ? total : UINT16_MAX));
    return VDRV_OK;
}

static int check_size(const struct vdrv_virtio_net *nic,
                      const struct vdrv_net_buf *buf, uint64_t total)
{
    const uint32_t max = unlikely((buf->flags & VDRV_NET_GSO) != 0)
                             ? VIRTIO_NET_FRAME_GSO
                             : nic->tx_frame_max;

    if (total < VDRV_NET_HEADER_SIZE)
        return VDRV_ERR_INVALID;
    return total > max ? VDRV_ERR_TOO_BIG : VDRV_OK;
}

/* Any frame; `*bytes` grows by what it has. */
NOINLINE int add_any(struct vdrv_virtio_net *nic, uint32_t pair,
                     struct vdrv_net_buf *buf, uint64_t *bytes)
{
    struct vdrv_virtio_net_side *tx = &nic->tx[pair];
    const uint32_t len = nic->header_len;
    struct vdrv_seg *segs = tx->segs;
    uint8_t *room = room_in_front(nic, buf, len);
    const bool in_place = room != NULL;
    struct virtio_net_hdr *h = (struct virtio_net_hdr *)(void *)room;
    uint64_t total;
    int n, err;

    if (!in_place && tx->header_free == NO_HEADER)
        return VDRV_ERR_AGAIN;
    if (!in_place) {
        h = vdrv__net_header(tx, tx->header_free);
        segs[0] = vdrv__net_header_seg(tx, tx->header_free, len);
    }
    n = parts(nic, buf, in_place ? len : 0, segs, in_place ? 0 : 1, &total);
    err = n < 0 ? n : check_size(nic, buf, total);
    if (unlikely(err != VDRV_OK))
        return err;
    memset(h, 0, len); /* also num_buffers: 5.1.6.2.1 */
    if (unlikely((buf->flags & ~(RX_ONLY | VDRV_NET_MAPPED)) != 0 ||
                 nic->tx_gso != 0))
        err = offload(nic, buf, total, h);
    if (unlikely(err == VDRV_OK && nic->drv.hal->dma_sync != NULL))
        sync_out(nic, buf, in_place ? len : 0);
    if (err == VDRV_OK)
        err = vdrv_queue_add(queue_of(nic, pair), segs, (uint32_t)n, 0, buf);
    if (unlikely(err != VDRV_OK))
        return err;
    buf->opaque[0] = NO_HEADER;
    if (!in_place)
        vdrv__net_header_take(tx, buf);
    *bytes += total;
    return VDRV_OK;
}

/* The common one: of one part, with room in front, asking for nothing. */
ALWAYS_INLINE int add(struct vdrv_virtio_net *nic, uint32_t pair,
                      struct vdrv_queue *q, struct vdrv_net_buf *buf,
                      uint64_t *bytes)
{
    uint8_t *const data = buf->data;
    const uintptr_t room = (uintptr_t)data - (uintptr_t)buf->mem;
    const uint32_t len = buf->len;
    struct vdrv_seg seg;
    int err;

    if (unlikely(((uintptr_t)buf->next | (buf->flags & ~RX_ONLY)) != 0 ||
                 buf->mem == NULL || room < VIRTIO_NET_HDR_SIZE ||
                 room > buf->capacity || ((uintptr_t)data & 1u) != 0 ||
                 len - VDRV_NET_HEADER_SIZE >= nic->tx_plain))
        return add_any(nic, pair, buf, bytes);
    __builtin_memset(data - VIRTIO_NET_HDR_SIZE, 0, VIRTIO_NET_HDR_SIZE);
    seg = vdrv_seg_out(data - VIRTIO_NET_HDR_SIZE, len + VIRTIO_NET_HDR_SIZE);
    buf->opaque[0] = NO_HEADER;
    err = q->add(q, &seg, 1, 0, buf);
    if (likely(err == VDRV_OK))
        *bytes += len;
    return err;
}

/* ---- And comes back ------------------------------------------------------ */

void vdrv__net_tx_complete(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct vdrv_net_buf *buf)
{
    vdrv__net_header_give(&nic->tx[pair], buf);
    vdrv_net_buf_release(buf);
}

#define BURST 16u

/* One completion, in a few instructions when it is of one part. */
ALWAYS_INLINE void give_back(struct vdrv_virtio_net_side *tx,
                             struct vdrv_net_buf *buf)
{
    vdrv__net_header_give(tx, buf);
    if (unlikely(buf->next != NULL))
        vdrv_net_buf_release(buf);
    else if (buf->release != NULL)
        buf->release(buf);
}

/*
 * Releases what was sent; inside a release this is the outer call's work.
 * What vdrv_driver_poll() does, but for the calls of each completion.
 */
static int reclaim(struct vdrv_virtio_net *nic, uint32_t pair)
{
    const uint32_t queue = vdrv_net_tx_queue(pair);
    struct vdrv_driver_queue *dq = &nic->queue[queue];
    struct vdrv_used used[BURST];
    uint32_t left;

    if (dq->busy != 0)
        return 0;
    if (unlikely(dq->vq.error != VDRV_OK ||
                 vdrv__counted(&nic->drv.vector[0].config) != dq->config_seen))
        return vdrv_driver_poll(&nic->drv, queue, 0);
    left = vdrv_queue_outstanding(&dq->vq);
    while (left > 0) {
        const int n = dq->vq.reap(&dq->vq, used, left < BURST ? left : BURST);

        if (unlikely(n < 0)) {
            vdrv_driver_fail(&nic->drv, n);
            return n;
        }
        dq->busy++;
        for (int i = 0; i < n; i++)
            give_back(&nic->tx[pair], used[i].cookie);
        dq->busy--;
        left -= (uint32_t)n;
        if (n < (int)BURST)
            break;
    }
    return 0;
}

/* 5.1.6.5.6.1: only on a pair in use. */
static int may_send(struct vdrv_virtio_net *nic, uint32_t pair)
{
    if (pair >= vdrv__counted(&nic->tx_pairs))
        return VDRV_ERR_INVALID;
    return vdrv_driver_check(&nic->drv, vdrv_net_tx_queue(pair));
}

/* ---- Operations ---------------------------------------------------------- */

int vdrv__net_recycle_tx_buffers(struct vdrv_net *net, uint32_t pair)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const uint32_t queue = vdrv_net_tx_queue(pair);
    const int err = vdrv__net_usable(nic, pair, queue);

    return err != VDRV_OK ? err : vdrv_driver_poll(&nic->drv, queue, 0);
}

bool vdrv__net_can_transmit(struct vdrv_net *net, uint32_t pair)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);

    if (may_send(nic, pair) != VDRV_OK)
        return false;
    if (vdrv_queue_room(queue_of(nic, pair)) < nic->tx_need)
        (void)reclaim(nic, pair);
    return vdrv_queue_room(queue_of(nic, pair)) >= nic->tx_need;
}

int vdrv__net_transmit_burst(struct vdrv_net *net, uint32_t pair,
                             struct vdrv_net_buf *const *bufs, uint32_t n,
                             uint32_t flags)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    int err = may_send(nic, pair);
    struct vdrv_queue *q;
    uint64_t bytes = 0;
    uint32_t i;

    if (err == VDRV_OK)
        err = reclaim(nic, pair);
    if (err < 0)
        return err;
    q = queue_of(nic, pair);
    for (i = 0; i < n; i++) {
        err = bufs[i] != NULL ? add(nic, pair, q, bufs[i], &bytes)
                              : VDRV_ERR_INVALID;
        if (unlikely(err != VDRV_OK))
            break;
    }
    nic->tx[pair].stats.tx_frames += i;
    nic->tx[pair].stats.tx_bytes += bytes;
    if (i > 0 && (flags & VDRV_NET_MORE) == 0)
        (void)q->kick(q);
    return i > 0 || n == 0 ? (int)i : err;
}

int vdrv__net_alloc_tx_buffer(struct vdrv_net *net, uint32_t pair, uint32_t len,
                              struct vdrv_net_buf **buf)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    struct vdrv_net_pool *pool;
    int err = vdrv__net_usable(nic, pair, vdrv_net_tx_queue(pair));

    if (err != VDRV_OK)
        return err;
    pool = nic->tx[pair].pool;
    if (pool == NULL)
        return VDRV_ERR_UNSUPPORTED;
    if (len > pool->frame)
        return VDRV_ERR_TOO_BIG;
    *buf = vdrv_net_pool_take(pool);
    if (*buf == NULL) {
        err = reclaim(nic, pair);
        if (err < 0)
            return err;
        *buf = vdrv_net_pool_take(pool);
    }
    if (*buf == NULL)
        return VDRV_ERR_AGAIN;
    (*buf)->len = len;
    return VDRV_OK;
}
