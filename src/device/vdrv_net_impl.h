/* SPDX-License-Identifier: MIT */
/* What the parts of the network driver share. */
#ifndef VDRV_NET_IMPL_H
#define VDRV_NET_IMPL_H

#include <virtio_drv/virtio_net.h>

#include "../queue/vdrv_queue_impl.h"
#include "../spec/virtio_net.h"

#define NO_HEADER     0xffffu /* in-place, or the end of the free headers */
#define HEADER_STRIDE VDRV_NET_HEADROOM

static inline struct vdrv_virtio_net *vdrv__nic_of(const struct vdrv_net *net)
{
    return (struct vdrv_virtio_net *)(uintptr_t)net; /* its first member */
}

/* ---- Headers outside of buffers: a free list of a side's own ------------- */

static inline struct virtio_net_hdr *vdrv__net_header(
    const struct vdrv_virtio_net_side *side, uint32_t i)
{
    return (struct virtio_net_hdr *)(void *)(side->headers +
                                             (size_t)i * HEADER_STRIDE);
}

static inline struct vdrv_seg vdrv__net_header_seg(
    const struct vdrv_virtio_net_side *side, uint32_t i, uint32_t len)
{
    return vdrv_seg_dma(side->headers_dma + (uint64_t)i * HEADER_STRIDE, len);
}

static inline void vdrv__net_header_take(struct vdrv_virtio_net_side *side,
                                         struct vdrv_net_buf *buf)
{
    buf->opaque[0] = side->header_free;
    side->header_free = side->header_next[side->header_free];
}

ALWAYS_INLINE void vdrv__net_header_give(struct vdrv_virtio_net_side *side,
                                         const struct vdrv_net_buf *buf)
{
    const uint32_t i = buf->opaque[0];

    if (i == NO_HEADER)
        return;
    side->header_next[i] = (uint16_t)side->header_free;
    side->header_free = i;
}

/* The caches of a buffer that stays mapped; `from` is in its memory. */
void vdrv__net_sync(const struct vdrv_virtio_net *nic,
                    const struct vdrv_net_buf *buf, uint8_t *from, uint32_t len,
                    uint32_t dir);

/* VDRV_OK when the queue of a pair can be used; INVALID: no such pair. */
int vdrv__net_usable(struct vdrv_virtio_net *nic, uint32_t pair,
                     uint32_t queue);

/* What is sent may go to pairs below `pairs` from now on. */
void vdrv__net_use_pairs(struct vdrv_virtio_net *nic, uint32_t pairs);

/* The control queue's position, when there is one. */
static inline uint32_t vdrv__net_control_queue(
    const struct vdrv_virtio_net *nic)
{
    return 2u * nic->pairs;
}

/* ---- The trait's table, vdrv_net_driver.c -------------------------------- */

const char *vdrv__net_name(const struct vdrv_device *dev);
uint32_t vdrv__net_type(const struct vdrv_device *dev);
int vdrv__net_identify(const struct vdrv_device *dev,
                       struct vdrv_identity *out);
uint32_t vdrv__net_irq(struct vdrv_device *dev, uint32_t vector);
int vdrv__net_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget);
int vdrv__net_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode);
int vdrv__net_stop(struct vdrv_device *dev);
int vdrv__net_start(struct vdrv_device *dev);
int vdrv__net_suspend(struct vdrv_device *dev);
int vdrv__net_resume(struct vdrv_device *dev);
int vdrv__net_refresh(struct vdrv_device *dev, uint32_t *changes);
int vdrv__net_reset_queue(struct vdrv_device *dev, uint32_t queue);
int vdrv__net_mac_address(const struct vdrv_net *net, uint8_t mac[6]);
uint32_t vdrv__net_rx_queue_size(const struct vdrv_net *net);
uint32_t vdrv__net_tx_queue_size(const struct vdrv_net *net);
int vdrv__net_get_info(const struct vdrv_net *net, struct vdrv_net_info *out);
int vdrv__net_get_stats(const struct vdrv_net *net, struct vdrv_net_stats *out);
bool vdrv__net_link_up(const struct vdrv_net *net);
int vdrv__net_kick(struct vdrv_net *net, uint32_t queue);

/*
 * What is there with a control queue and without: there are two tables, so
 * that the control operations are linked only when they are asked for.  The
 * single calls are bursts of one: the wrappers see to that.
 */
#define VDRV__NET_OPS                                                          \
    .base =                                                                    \
        {                                                                      \
            .device_name = vdrv__net_name,                                     \
            .device_type = vdrv__net_type,                                     \
            .identify = vdrv__net_identify,                                    \
            .irq = vdrv__net_irq,                                              \
            .poll = vdrv__net_poll,                                            \
            .arm = vdrv__net_arm,                                              \
            .stop = vdrv__net_stop,                                            \
            .start = vdrv__net_start,                                          \
            .refresh = vdrv__net_refresh,                                      \
            .reset_queue = vdrv__net_reset_queue,                              \
            .suspend = vdrv__net_suspend,                                      \
            .resume = vdrv__net_resume,                                        \
    },                                                                         \
    .mac_address = vdrv__net_mac_address,                                      \
    .can_transmit = vdrv__net_can_transmit,                                    \
    .can_receive = vdrv__net_can_receive,                                      \
    .rx_queue_size = vdrv__net_rx_queue_size,                                  \
    .tx_queue_size = vdrv__net_tx_queue_size,                                  \
    .recycle_tx_buffers = vdrv__net_recycle_tx_buffers,                        \
    .alloc_tx_buffer = vdrv__net_alloc_tx_buffer,                              \
    .get_info = vdrv__net_get_info, .get_stats = vdrv__net_get_stats,          \
    .link_up = vdrv__net_link_up, .transmit_burst = vdrv__net_transmit_burst,  \
    .receive_burst = vdrv__net_receive_burst,                                  \
    .recycle_rx_burst = vdrv__net_recycle_rx_burst, .kick = vdrv__net_kick

/* ---- Control, vdrv_net_ctrl.c -------------------------------------------- */

/* Bytes of the memory that commands and answers share with the device. */
#define CONTROL_SIZE 2048u

struct vdrv_net_ctrl {
    struct vdrv_net_ops ops; /* the whole trait */
    uint64_t features;       /* that are wanted because of it */
    /* The device runs: makes it what it was before. */
    int (*started)(struct vdrv_virtio_net *nic);
};

/* ---- Transmit, vdrv_net_tx.c --------------------------------------------- */

bool vdrv__net_can_transmit(struct vdrv_net *net, uint32_t pair);
int vdrv__net_transmit_burst(struct vdrv_net *net, uint32_t pair,
                             struct vdrv_net_buf *const *bufs, uint32_t n,
                             uint32_t flags);
int vdrv__net_recycle_tx_buffers(struct vdrv_net *net, uint32_t pair);
int vdrv__net_alloc_tx_buffer(struct vdrv_net *net, uint32_t pair, uint32_t len,
                              struct vdrv_net_buf **buf);
/* The device, or a stop, gave a frame back. */
void vdrv__net_tx_complete(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct vdrv_net_buf *buf);

/* ---- Receive, vdrv_net_rx.c ---------------------------------------------- */

bool vdrv__net_can_receive(struct vdrv_net *net, uint32_t pair);
int vdrv__net_receive_burst(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf **bufs, uint32_t max);
int vdrv__net_recycle_rx_burst(struct vdrv_net *net, uint32_t pair,
                               struct vdrv_net_buf *const *bufs, uint32_t n,
                               uint32_t flags);
/* A stop gave a posted buffer back. */
void vdrv__net_rx_complete(struct vdrv_virtio_net *nic, uint32_t pair,
                           struct vdrv_net_buf *buf);
/* Posts what the pair's pool has, as far as there is room, unpublished. */
void vdrv__net_rx_refill(struct vdrv_virtio_net *nic, uint32_t pair);

#endif
