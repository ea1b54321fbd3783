/* SPDX-License-Identifier: MIT */
/*
 * The wrappers of the network trait, and what is made of them: single calls
 * and bursts of each other, and the copying forms.  See net.h.
 */
#include <virtio_drv/net.h>

#include "../core/mem.h"

static const struct vdrv_net_ops *ops_of(const struct vdrv_net *net)
{
    if (net == NULL)
        return NULL;
    /* The base table is the first member of the net table. */
    return (const struct vdrv_net_ops *)(const void *)net->dev.ops;
}

void vdrv_net_setup(struct vdrv_net *net, const struct vdrv_net_ops *ops)
{
    net->dev.ops = &ops->base;
    net->dev.user = NULL;
}

/* ---- Buffers ------------------------------------------------------------- */

void vdrv_net_buf_init(struct vdrv_net_buf *buf, void *mem, uint32_t capacity,
                       uint32_t headroom)
{
    memset(buf, 0, sizeof(*buf));
    buf->mem = mem;
    buf->data = mem != NULL ? buf->mem + headroom : NULL;
    buf->capacity = capacity;
    buf->headroom = headroom;
}

void vdrv_net_buf_wrap(struct vdrv_net_buf *buf, const void *frame,
                       uint32_t len)
{
    memset(buf, 0, sizeof(*buf));
    buf->data = (uint8_t *)(uintptr_t)frame; /* only read, as `mem` is NULL */
    buf->len = len;
}

void vdrv_net_buf_release(struct vdrv_net_buf *buf)
{
    while (buf != NULL) {
        struct vdrv_net_buf *next = buf->next;

        if (buf->release != NULL)
            buf->release(buf);
        buf = next;
    }
}

uint32_t vdrv_net_buf_total(const struct vdrv_net_buf *buf)
{
    uint32_t total = 0;

    for (; buf != NULL; buf = buf->next)
        total += buf->len;
    return total;
}

/* ---- State --------------------------------------------------------------- */

int vdrv_net_mac_address(const struct vdrv_net *net,
                         uint8_t mac[VDRV_NET_MAC_SIZE])
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || mac == NULL)
        return VDRV_ERR_INVALID;
    return ops->mac_address(net, mac);
}

int vdrv_net_get_info(const struct vdrv_net *net, struct vdrv_net_info *out)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    if (ops->get_info == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->get_info(net, out);
}

int vdrv_net_get_stats(const struct vdrv_net *net, struct vdrv_net_stats *out)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    if (ops->get_stats == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->get_stats(net, out);
}

bool vdrv_net_link_up(const struct vdrv_net *net)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return false;
    return ops->link_up == NULL || ops->link_up(net);
}

uint32_t vdrv_net_rx_queue_size(const struct vdrv_net *net)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || ops->rx_queue_size == NULL)
        return 0;
    return ops->rx_queue_size(net);
}

uint32_t vdrv_net_tx_queue_size(const struct vdrv_net *net)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || ops->tx_queue_size == NULL)
        return 0;
    return ops->tx_queue_size(net);
}

/* ---- Transmit ------------------------------------------------------------ */

bool vdrv_net_can_transmit(struct vdrv_net *net, uint32_t pair)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return false;
    return ops->can_transmit == NULL || ops->can_transmit(net, pair);
}

int vdrv_net_transmit(struct vdrv_net *net, uint32_t pair,
                      struct vdrv_net_buf *buf)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    int n;

    if (ops == NULL || buf == NULL)
        return VDRV_ERR_INVALID;
    if (ops->transmit != NULL)
        return ops->transmit(net, pair, buf);
    if (ops->transmit_burst == NULL)
        return VDRV_ERR_UNSUPPORTED;
    n = ops->transmit_burst(net, pair, &buf, 1, 0);
    return n < 0 ? n : n == 1 ? VDRV_OK : VDRV_ERR_AGAIN;
}

int vdrv_net_transmit_burst(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf *const *bufs, uint32_t n,
                            uint32_t flags)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    uint32_t i;

    if (ops == NULL || (bufs == NULL && n > 0) || n > INT32_MAX)
        return VDRV_ERR_INVALID;
    if (ops->transmit_burst != NULL)
        return ops->transmit_burst(net, pair, bufs, n, flags);
    for (i = 0; i < n; i++) {
        const int err = vdrv_net_transmit(net, pair, bufs[i]);

        if (err != VDRV_OK)
            return i > 0 ? (int)i : err;
    }
    return (int)i;
}

int vdrv_net_recycle_tx_buffers(struct vdrv_net *net, uint32_t pair)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->recycle_tx_buffers == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->recycle_tx_buffers(net, pair);
}

int vdrv_net_alloc_tx_buffer(struct vdrv_net *net, uint32_t pair, uint32_t len,
                             struct vdrv_net_buf **buf)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || buf == NULL)
        return VDRV_ERR_INVALID;
    if (ops->alloc_tx_buffer == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->alloc_tx_buffer(net, pair, len, buf);
}

int vdrv_net_kick(struct vdrv_net *net, uint32_t queue)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->kick == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->kick(net, queue);
}

/* ---- Receive ------------------------------------------------------------- */

bool vdrv_net_can_receive(struct vdrv_net *net, uint32_t pair)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return false;
    return ops->can_receive == NULL || ops->can_receive(net, pair);
}

int vdrv_net_receive(struct vdrv_net *net, uint32_t pair,
                     struct vdrv_net_buf **buf)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    int n;

    if (ops == NULL || buf == NULL)
        return VDRV_ERR_INVALID;
    if (ops->receive != NULL)
        return ops->receive(net, pair, buf);
    if (ops->receive_burst == NULL)
        return VDRV_ERR_UNSUPPORTED;
    n = ops->receive_burst(net, pair, buf, 1);
    return n < 0 ? n : n == 1 ? VDRV_OK : VDRV_ERR_AGAIN;
}

int vdrv_net_receive_burst(struct vdrv_net *net, uint32_t pair,
                           struct vdrv_net_buf **bufs, uint32_t max)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    uint32_t i;

    if (ops == NULL || (bufs == NULL && max > 0) || max > INT32_MAX)
        return VDRV_ERR_INVALID;
    if (ops->receive_burst != NULL)
        return ops->receive_burst(net, pair, bufs, max);
    for (i = 0; i < max; i++) {
        const int err = vdrv_net_receive(net, pair, &bufs[i]);

        if (err == VDRV_ERR_AGAIN)
            break;
        if (err != VDRV_OK)
            return i > 0 ? (int)i : err;
    }
    return (int)i;
}

int vdrv_net_recycle_rx_buffer(struct vdrv_net *net, uint32_t pair,
                               struct vdrv_net_buf *buf)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    int n;

    if (ops == NULL || buf == NULL)
        return VDRV_ERR_INVALID;
    if (ops->recycle_rx_buffer != NULL)
        return ops->recycle_rx_buffer(net, pair, buf);
    if (ops->recycle_rx_burst == NULL)
        return VDRV_ERR_UNSUPPORTED;
    n = ops->recycle_rx_burst(net, pair, &buf, 1, 0);
    return n < 0 ? n : n == 1 ? VDRV_OK : VDRV_ERR_AGAIN;
}

int vdrv_net_recycle_rx_burst(struct vdrv_net *net, uint32_t pair,
                              struct vdrv_net_buf *const *bufs, uint32_t n,
                              uint32_t flags)
{
    const struct vdrv_net_ops *ops = ops_of(net);
    uint32_t i;

    if (ops == NULL || (bufs == NULL && n > 0) || n > INT32_MAX)
        return VDRV_ERR_INVALID;
    if (ops->recycle_rx_burst != NULL)
        return ops->recycle_rx_burst(net, pair, bufs, n, flags);
    for (i = 0; i < n; i++) {
        const int err = vdrv_net_recycle_rx_buffer(net, pair, bufs[i]);

        if (err != VDRV_OK)
            return i > 0 ? (int)i : err;
    }
    return (int)i;
}

void vdrv_net_recycle_frame(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf *frame)
{
    while (frame != NULL) {
        struct vdrv_net_buf *next = frame->next;

        frame->next = NULL;
        if (vdrv_net_recycle_rx_buffer(net, pair, frame) != VDRV_OK)
            vdrv_net_buf_release(frame);
        frame = next;
    }
}

/* ---- Control ------------------------------------------------------------- */

int vdrv_net_set_filter(struct vdrv_net *net,
                        const struct vdrv_net_filter *filter)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || filter == NULL ||
        (filter->unicast == NULL && filter->nunicast > 0) ||
        (filter->multicast == NULL && filter->nmulticast > 0))
        return VDRV_ERR_INVALID;
    if (ops->set_filter == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_filter(net, filter);
}

#define VLAN_IDS 4096u

int vdrv_net_add_vlan(struct vdrv_net *net, uint16_t id)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || id >= VLAN_IDS)
        return VDRV_ERR_INVALID;
    if (ops->add_vlan == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->add_vlan(net, id);
}

int vdrv_net_remove_vlan(struct vdrv_net *net, uint16_t id)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || id >= VLAN_IDS)
        return VDRV_ERR_INVALID;
    if (ops->remove_vlan == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->remove_vlan(net, id);
}

int vdrv_net_set_mac(struct vdrv_net *net, const uint8_t mac[VDRV_NET_MAC_SIZE])
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || mac == NULL || (mac[0] & 1u) != 0)
        return VDRV_ERR_INVALID;
    if (ops->set_mac == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_mac(net, mac);
}

int vdrv_net_set_offloads(struct vdrv_net *net, uint32_t offloads)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->set_offloads == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_offloads(net, offloads);
}

int vdrv_net_ack_announce(struct vdrv_net *net)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    if (ops->ack_announce == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->ack_announce(net);
}

int vdrv_net_set_pairs(struct vdrv_net *net, uint32_t pairs)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || pairs == 0)
        return VDRV_ERR_INVALID;
    if (ops->set_pairs == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_pairs(net, pairs);
}

int vdrv_net_set_rss(struct vdrv_net *net, const struct vdrv_net_rss *rss)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || rss == NULL || (rss->key == NULL && rss->nkey > 0) ||
        (rss->table == NULL && rss->ntable > 0) ||
        (rss->ntable & (rss->ntable - 1)) != 0)
        return VDRV_ERR_INVALID;
    if (ops->set_rss == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_rss(net, rss);
}

int vdrv_net_set_coalescing(struct vdrv_net *net,
                            const struct vdrv_net_coalescing *set)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || set == NULL)
        return VDRV_ERR_INVALID;
    if (ops->set_coalescing == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->set_coalescing(net, set);
}

int vdrv_net_get_coalescing(struct vdrv_net *net,
                            struct vdrv_net_coalescing *set)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || set == NULL)
        return VDRV_ERR_INVALID;
    if (ops->get_coalescing == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->get_coalescing(net, set);
}

int vdrv_net_get_queue_stats(struct vdrv_net *net, uint32_t queue,
                             struct vdrv_net_queue_stats *out)
{
    const struct vdrv_net_ops *ops = ops_of(net);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    if (ops->get_queue_stats == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return ops->get_queue_stats(net, queue, out);
}

/* ---- Copying ------------------------------------------------------------- */

int vdrv_net_send_copy(struct vdrv_net *net, uint32_t pair, const void *frame,
                       uint32_t len)
{
    struct vdrv_net_buf *buf;
    int err;

    if (frame == NULL)
        return VDRV_ERR_INVALID;
    err = vdrv_net_alloc_tx_buffer(net, pair, len, &buf);
    if (err != VDRV_OK)
        return err;
    memcpy(buf->data, frame, len);
    err = vdrv_net_transmit(net, pair, buf);
    if (err != VDRV_OK)
        vdrv_net_buf_release(buf);
    return err;
}

int vdrv_net_receive_copy(struct vdrv_net *net, uint32_t pair, void *buf,
                          uint32_t size)
{
    struct vdrv_net_buf *frame;
    uint32_t total, done = 0;
    int err;

    if (buf == NULL)
        return VDRV_ERR_INVALID;
    err = vdrv_net_receive(net, pair, &frame);
    if (err != VDRV_OK)
        return err;
    total = vdrv_net_buf_total(frame);
    for (const struct vdrv_net_buf *b = frame; total <= size && b != NULL;
         b = b->next) {
        memcpy((uint8_t *)buf + done, b->data, b->len);
        done += b->len;
    }
    vdrv_net_recycle_frame(net, pair, frame);
    return total <= size ? (int)total : VDRV_ERR_TOO_BIG;
}
