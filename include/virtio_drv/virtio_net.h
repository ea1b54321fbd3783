/* SPDX-License-Identifier: MIT */
/*
 * The virtio network driver (VirtIO 1.4, 5.1): from a probed transport to a
 * struct vdrv_net.
 *
 *     static struct vdrv_mmio mmio;
 *     static struct vdrv_virtio_net nic;
 *     static uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, 64, 16) / 8 + 1];
 *     static struct vdrv_net_pool rx_pool, tx_pool;  (vdrv_net_pool_init)
 *     struct vdrv_virtio_net_config cfg = {0};
 *
 *     cfg.work = work;
 *     cfg.work_size = sizeof(work);
 *     cfg.queue_size = 64;
 *     cfg.rx_pool[0] = &rx_pool;
 *     cfg.tx_pool[0] = &tx_pool;
 *     err = vdrv_virtio_net_init(&nic, &mmio.transport, &cfg);
 *     err = vdrv_net_send_copy(&nic.net, 0, frame, len);
 *     err = vdrv_net_receive_copy(&nic.net, 0, frame, sizeof(frame));
 */
#ifndef VIRTIO_DRV_VIRTIO_NET_H
#define VIRTIO_DRV_VIRTIO_NET_H

#include <virtio_drv/driver.h>
#include <virtio_drv/net.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_VIRTIO_NET_ID 1u /* the virtio device type */

/* Queue pairs that one driver object has room for. */
#define VDRV_VIRTIO_NET_PAIRS_MAX 8u

/*
 * The control queue: filters, address, VLANs, several pairs, and whatever else
 * is in the "Control" part of net.h.  Linked only when a configuration names
 * it: cfg.ctrl = &vdrv_net_ctrl.
 */
struct vdrv_net_ctrl;
extern const struct vdrv_net_ctrl vdrv_net_ctrl;

/*
 * All zero is the default, but for the work area.
 *
 * Pools are the reference's buffer system: with an rx_pool every slot of the
 * receive queue is filled at start, and filled up from the pool in each
 * receive, so that buffers that were released go back to work by themselves;
 * with a tx_pool there is alloc_tx_buffer and send_copy.  As many buffers as
 * the queue has entries in each make "twice the queue size".  The receive side
 * of the pair is the rx_pool's owner, the transmit side the tx_pool's; one
 * pool for both makes the two sides one [queue] context.  Pools must outlive
 * the object, and their buffers be all free (or the caller's) at init.
 *
 * `rx_headroom` promises that each posted buffer has a headroom of at least
 * VDRV_NET_HEADROOM at an even address, as pool buffers have.  It allows the
 * device to merge buffers: a frame then may be a chain of any length.
 *
 * Receive offloads are for stacks that know them.  With RX_CSUM frames come
 * with unfinished checksums; TSO, UFO and USO (which bring RX_CSUM along) come
 * in frames of up to 64 KiB, so without merged buffers each posted buffer must
 * hold VDRV_VIRTIO_NET_GSO_FRAME bytes (info.rx_buf_min says it).  RX_HASH
 * needs the control queue, and says nothing before vdrv_net_set_rss().
 *
 * With several pairs all of them are in use after init, when the device has
 * automatic steering (VDRV_NET_CAN_PAIRS); when it has only receive-side
 * scaling, pair 0 alone is, until vdrv_net_set_rss().
 */
struct vdrv_virtio_net_config {
    void *work;          /* CPU memory, aligned as uint64_t; the driver's */
    size_t work_size;    /* until fini; at least ..._work_size() bytes */
    uint32_t queue_size; /* entries; 0: 256; never above the device's */
    uint32_t pairs;      /* 0: 1; never above the device's; more than one need
                            `ctrl` */
    uint32_t max_segs;   /* parts of a transmitted frame; 0: 16 */
    uint32_t timeout_us; /* of control commands; 0: 30 s */
    uint32_t vectors;    /* interrupt vectors to use, when the transport has
                            some; 0: a line.  See vdrv_driver_use_vectors() */
    struct vdrv_net_pool *rx_pool[VDRV_VIRTIO_NET_PAIRS_MAX];
    struct vdrv_net_pool *tx_pool[VDRV_VIRTIO_NET_PAIRS_MAX];
    const struct vdrv_queue_kind *packed;   /* NULL: split rings only */
    const struct vdrv_queue_kind *in_order; /* as in vdrv_queue_config */
    const struct vdrv_net_ctrl *ctrl;       /* NULL: no control queue */
    uint32_t rx_offloads; /* VDRV_NET_CAN_RX_* wanted; 0: none, so that every
                             checksum is complete */
    uint32_t tx_offloads; /* VDRV_NET_CAN_TX_TSO4, _TSO6, _UFO, _USO, _ECN
                             wanted; TX_CSUM always is */
    uint8_t mac[VDRV_NET_MAC_SIZE]; /* for a device without an address of its
                                       own; all zero: none */
    uint8_t rx_headroom;            /* merged receive buffers, see above */
    uint8_t no_mtu;                 /* ignore the device's MTU: it is 1500 */
    uint8_t require_platform; /* refuse a device without ACCESS_PLATFORM */
    uint8_t no_indirect;
    uint8_t no_event_idx;
    uint8_t queue_reset; /* vdrv_reset_queue() works, on the device's word:
                            not for QEMU 7.2, which goes on writing */
    uint8_t suspend;     /* accept VIRTIO_F_SUSPEND, for vdrv_suspend() */
};

/* Bytes of the longest frame that receive offloads make. */
#define VDRV_VIRTIO_NET_GSO_FRAME 65589u

/* Private: one direction of a queue pair; the other never looks at it. */
struct vdrv_virtio_net_side {
    struct vdrv_net_pool *pool;
    uint8_t *headers; /* one per ring entry, shared with the device */
    uint64_t headers_dma;
    uint16_t *header_next; /* the free ones */
    uint32_t header_free;
    uint32_t reserved;
    struct vdrv_seg *segs;
    struct vdrv_net_stats stats;
};

/* Private: the control queue. */
struct vdrv_virtio_net_control {
    uint8_t *shared; /* command, answer */
    uint64_t dma;
    uint64_t offloads; /* receive features switched on */
    int32_t status;    /* of the command that is out */
    uint32_t len;      /* of its answer */
    uint32_t index;    /* the device's number for the queue; 0: there is none */
    uint32_t pairs;    /* set last */
    uint32_t mac_set;
    uint32_t reserved;
};

/* Caller-allocated.  `net` is for the trait; the rest is private. */
struct vdrv_virtio_net {
    struct vdrv_net net;
    struct vdrv_driver drv;
    struct vdrv_driver_queue queue[2u * VDRV_VIRTIO_NET_PAIRS_MAX + 1u];
    struct vdrv_driver_vector vector[2u * VDRV_VIRTIO_NET_PAIRS_MAX + 2u];
    struct vdrv_virtio_net_side rx[VDRV_VIRTIO_NET_PAIRS_MAX];
    struct vdrv_virtio_net_side tx[VDRV_VIRTIO_NET_PAIRS_MAX];
    uint32_t pairs;    /* made */
    uint32_t tx_pairs; /* in use: what is sent goes to these */
    uint32_t header_len;
    uint32_t tx_plain;     /* what goes the short way: frames below this + 14 */
    uint32_t rx_plain;     /* and buffers of at least so many bytes */
    uint32_t tx_frame_max; /* longest frame without segmentation */
    uint32_t tx_need;      /* free entries a frame of one part may take */
    int32_t link;          /* 1: up */
    uint8_t *shared;       /* headers of all queues */
    uint64_t shared_dma;
    size_t shared_size;
    const struct vdrv_net_ctrl *ctrl;
    struct vdrv_virtio_net_control control;
    struct vdrv_net_info info;
    uint8_t mac[VDRV_NET_MAC_SIZE];
    uint8_t legacy;
    uint8_t own_header; /* headers never share a descriptor with a frame */
    uint8_t hash;       /* received headers have one */
    uint8_t tx_gso;     /* some segmentation was negotiated */
    uint8_t plain;      /* headers of 12 bytes in buffers, and no caches */
    uint8_t reserved[5];
};

/*
 * An upper bound of the work area, for static memory; max_segs not 0.  The last
 * term is the control queue's.
 */
#define VDRV_VIRTIO_NET_WORK_SIZE(pairs, queue_size, max_segs)                 \
    ((size_t)(pairs) *                                                         \
         (VDRV_QUEUE_WORK_SIZE(queue_size, 4) +                                \
          VDRV_QUEUE_WORK_SIZE(queue_size, (max_segs) + 2u) +                  \
          (size_t)(queue_size)*4u +                                            \
          ((size_t)(max_segs) + 3u) * sizeof(struct vdrv_seg) + 64u) +         \
     VDRV_QUEUE_WORK_SIZE(8, 0))

/*
 * The exact size for this device and configuration, after a probe; what all the
 * pairs that are asked for would need, even if it has fewer.  0: `t` or `cfg`
 * is NULL, or the device has no queue. [alone]
 */
size_t vdrv_virtio_net_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_net_config *cfg);

/*
 * Initialises the device and the object: after VDRV_OK `&nic->net` is a card.
 * `nic` need not be zeroed; `t` must outlive it.  On an error nothing is kept:
 * all memory is freed, all buffers are back, and the device was told (STUCK
 * excepted).
 * INVALID: NULL, wrong API level or sizes, misaligned work area, cfg.mac is a
 * multicast address, pool buffers smaller than the device's frames, a HAL
 * without its required members.  NO_DEVICE: not a network device, or it went
 * away.  NO_MEMORY: work area too small (the log says by how much) or
 * dma_alloc failed.  UNSUPPORTED: the device refuses the features, lacks a
 * required one, has no address, and cfg.mac is zero, or a queue is too small
 * to be used.  PROTOCOL: its
 * configuration or queues make no sense: an MTU below 68, an address that is
 * zero or multicast.  IO: it refuses its own number of pairs.  BUSY: a driver
 * stands on the transport already.
 * TIMEOUT, BAD_STATE, STUCK: as for vdrv_start(). [alone]
 */
int vdrv_virtio_net_init_sized(struct vdrv_virtio_net *nic,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_net_config *cfg,
                               uint32_t api_level, size_t nic_size,
                               size_t cfg_size);

static inline int vdrv_virtio_net_init(struct vdrv_virtio_net *nic,
                                       struct vdrv_transport *t,
                                       const struct vdrv_virtio_net_config *cfg)
{
    return vdrv_virtio_net_init_sized(nic, t, cfg, VDRV_API_LEVEL, sizeof(*nic),
                                      sizeof(*cfg));
}

/*
 * Stops the device, releases every buffer, and frees all memory.  Twice is OK.
 * STUCK: the device did not confirm the reset; nothing was freed, and it may
 * be called again.  BUSY: called from a callback. [alone]
 */
int vdrv_virtio_net_fini(struct vdrv_virtio_net *nic);

#ifdef __cplusplus
}
#endif

#endif
