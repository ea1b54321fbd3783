/* SPDX-License-Identifier: MIT */
/*
 * The network trait: an Ethernet card, whoever drives it.
 *
 * Buffers are the caller's: struct vdrv_net_buf is a small header over memory
 * that he owns, and its release callback says what happens to it when the card
 * is done.  The pool at the end is one provider of buffers among others.
 *
 * Transmit takes frames, of one part or a chain of parts; what is sent comes
 * back through release, from a later transmit, vdrv_poll() of the transmit
 * queue or vdrv_net_recycle_tx_buffers().  Completions of transmit interrupt
 * only when armed, so an idle sender calls one of these now and then.
 *
 * Receive is pulled: the caller posts empty buffers (or lets a pool do it),
 * receives until AGAIN, then arms, and receives again if vdrv_arm() returns 1.
 * No frame is lost and no wake-up either.
 *
 * A card has queue pairs, numbered from 0; one of them is enough for most.
 * Receive and transmit of a pair share nothing, so they may run on two CPUs.
 * vdrv_poll() and vdrv_arm() name queues, not pairs: vdrv_net_rx_queue(pair)
 * and vdrv_net_tx_queue(pair).  [queue] means the pair's transmit queue for
 * calls that send, and its receive queue for those that receive.
 * After start, interrupts are off until vdrv_arm() asks for one.
 */
#ifndef VIRTIO_DRV_NET_H
#define VIRTIO_DRV_NET_H

#include <virtio_drv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_NET_MAC_SIZE    6u
#define VDRV_NET_HEADER_SIZE 14u /* of Ethernet */

/* Headroom that is enough for every driver and feature. */
#define VDRV_NET_HEADROOM 32u

/* ---- Buffers ------------------------------------------------------------ */

/* Flags of a buffer; those of a frame are in its first part. */
#define VDRV_NET_MAPPED       0x01u /* `dma` is the device address of `mem` */
#define VDRV_NET_CSUM_PARTIAL 0x02u /* the checksum is to be finished */
#define VDRV_NET_CSUM_VALID   0x04u /* received, and one checksum verified */
#define VDRV_NET_GSO          0x08u /* larger than the MTU: to be segmented */
#define VDRV_NET_HASH         0x10u /* received, and `hash` is valid */
#define VDRV_NET_VLAN         0x20u /* the tag is in `vlan`, not in the frame */

/* `gso_type`; as in the frame, not as on any wire. */
#define VDRV_NET_GSO_TCP4 1u
#define VDRV_NET_GSO_TCP6 2u
#define VDRV_NET_GSO_UDP  3u    /* IP fragments of one datagram */
#define VDRV_NET_GSO_USO  4u    /* datagrams of gso_size */
#define VDRV_NET_GSO_ECN  0x80u /* or-ed: the TCP frame has ECN set */

/*
 * A buffer header, caller-allocated in ordinary memory: zero it, then fill in
 * the first two parts; vdrv_net_buf_init() and vdrv_net_buf_wrap() do.  From
 * the call that takes it until release or receive gives it back it must stay
 * where it is, and it and its memory are the driver's, which may overwrite
 * mem .. mem + capacity, also in front of a frame to be sent.
 *
 * To send a frame whose surroundings are not to be touched, leave `mem` NULL
 * (or equal to `data`).  The driver needs info.header_len bytes of its own in
 * front of a frame: it takes them from the buffer when `data - mem` on
 * transmit, or `headroom` on receive, is that large (and the bytes lie on an
 * even address), and from memory of its own otherwise, at the price of one
 * ring entry.
 */
struct vdrv_net_buf {
    /* The frame, or this part of it: set by the sender, or by receive. */
    uint8_t *data;
    uint32_t len;
    uint32_t flags;            /* VDRV_NET_* */
    struct vdrv_net_buf *next; /* the next part of the frame; NULL: last */

    /* The memory. */
    uint8_t *mem;      /* NULL: just data .. data + len, or `dma` alone */
    uint64_t dma;      /* device address of `mem`, with VDRV_NET_MAPPED */
    uint32_t capacity; /* bytes at `mem` */
    uint32_t headroom; /* received frames start at mem + headroom */

    /*
     * Called once when the driver lets go of the buffer and nobody receives
     * it: sent, aborted, dropped at stop.  Each part has its own.  Runs in the
     * context of whoever transmits, polls, receives or stops; it may transmit
     * and post, and reuse or free the buffer.  A call that returned an error
     * has not taken the buffer and never calls it.  NULL: nobody cares.
     */
    void (*release)(struct vdrv_net_buf *buf);
    void *owner; /* of whoever set `release`: a pool */
    void *user;  /* the kernel's own; the library never looks at it */

    /* Meaningful with its flag only; offsets count from the frame's start. */
    uint16_t csum_start;  /* CSUM_PARTIAL: sum from here to the end, the field
                             holding the pseudo-header's sum */
    uint16_t csum_offset; /* and store it at csum_start + csum_offset */
    uint16_t gso_size;    /* GSO: payload of each segment */
    uint16_t gso_header;  /* GSO: bytes of all headers, the transport's with
                             its options included; a hint when received */
    uint8_t gso_type;     /* GSO: VDRV_NET_GSO_* */
    uint8_t reserved;
    uint16_t vlan;      /* VLAN: the tag control information */
    uint32_t hash;      /* HASH: of the receive-side scaling */
    uint32_t hash_type; /* HASH: one of VDRV_NET_HASH_* */

    uint32_t opaque[2]; /* the driver's, while it has the buffer */
};

/*
 * A buffer over `capacity` bytes at `mem`, where received frames start at
 * `headroom`, and so does `data`.  No release, no owner, no user. [any]
 */
void vdrv_net_buf_init(struct vdrv_net_buf *buf, void *mem, uint32_t capacity,
                       uint32_t headroom);

/* A frame, or a part of one, to be sent and not touched. [any] */
void vdrv_net_buf_wrap(struct vdrv_net_buf *buf, const void *frame,
                       uint32_t len);

/*
 * Gives every part of a chain back to its provider, by its release. [any], as
 * far as these are.
 */
void vdrv_net_buf_release(struct vdrv_net_buf *buf);

/* Bytes of a frame, over all its parts. [any] */
uint32_t vdrv_net_buf_total(const struct vdrv_net_buf *buf);

/* ---- What a card is and can do ------------------------------------------ */

/* `offloads`: what a frame may ask for, and what receive may tell. */
#define VDRV_NET_CAN_TX_CSUM 0x00000001u /* CSUM_PARTIAL on transmit */
#define VDRV_NET_CAN_TX_TSO4 0x00000002u
#define VDRV_NET_CAN_TX_TSO6 0x00000004u
#define VDRV_NET_CAN_TX_UFO  0x00000008u
#define VDRV_NET_CAN_TX_USO  0x00000010u
#define VDRV_NET_CAN_TX_ECN  0x00000020u
#define VDRV_NET_CAN_TX_VLAN 0x00000040u
#define VDRV_NET_CAN_RX_CSUM 0x00010000u /* CSUM_PARTIAL, _VALID on receive */
#define VDRV_NET_CAN_RX_TSO4 0x00020000u
#define VDRV_NET_CAN_RX_TSO6 0x00040000u
#define VDRV_NET_CAN_RX_UFO  0x00080000u
#define VDRV_NET_CAN_RX_USO4 0x00100000u
#define VDRV_NET_CAN_RX_USO6 0x00200000u
#define VDRV_NET_CAN_RX_ECN  0x00400000u
#define VDRV_NET_CAN_RX_VLAN 0x00800000u
#define VDRV_NET_CAN_RX_HASH 0x01000000u

/* `controls`: which of the set_ operations are there. */
#define VDRV_NET_CAN_FILTER      0x001u /* PROMISC, ALLMULTI, MAC lists */
#define VDRV_NET_CAN_FILTER_X    0x002u /* the other modes */
#define VDRV_NET_CAN_VLAN        0x004u
#define VDRV_NET_CAN_SET_MAC     0x008u
#define VDRV_NET_CAN_ANNOUNCE    0x010u
#define VDRV_NET_CAN_OFFLOADS    0x020u /* receive offloads at run time */
#define VDRV_NET_CAN_RSS         0x040u
#define VDRV_NET_CAN_COALESCE    0x080u /* all receive, all transmit queues */
#define VDRV_NET_CAN_COALESCE_1  0x100u /* one queue */
#define VDRV_NET_CAN_QUEUE_STATS 0x200u
#define VDRV_NET_CAN_PAIRS       0x400u

/* Hash types, as bits of info.hash_types and as a buffer's hash_type. */
#define VDRV_NET_HASH_IP4    0x001u
#define VDRV_NET_HASH_TCP4   0x002u
#define VDRV_NET_HASH_UDP4   0x004u
#define VDRV_NET_HASH_IP6    0x008u
#define VDRV_NET_HASH_TCP6   0x010u
#define VDRV_NET_HASH_UDP6   0x020u
#define VDRV_NET_HASH_IP_EX  0x040u
#define VDRV_NET_HASH_TCP_EX 0x080u
#define VDRV_NET_HASH_UDP_EX 0x100u

#define VDRV_NET_SPEED_UNKNOWN  UINT32_MAX
#define VDRV_NET_DUPLEX_HALF    0u
#define VDRV_NET_DUPLEX_FULL    1u
#define VDRV_NET_DUPLEX_UNKNOWN 255u

struct vdrv_net_info {
    uint32_t mtu;           /* bytes of an IP packet */
    uint32_t max_frame;     /* bytes of a frame that needs no segmentation:
                            mtu + 14 */
    uint32_t rx_buf_min;    /* frame bytes a posted buffer must hold, behind its
                            headroom */
    uint32_t header_len;    /* bytes the driver needs in front of a frame */
    uint32_t max_segs;      /* parts of a transmitted frame */
    uint32_t dma_align;     /* of received data; 1 when coherent */
    uint32_t pairs;         /* queue pairs in use, from 0 on */
    uint32_t max_pairs;     /* that could be */
    uint32_t rx_queue_size; /* buffers that can be posted, per pair */
    uint32_t tx_queue_size; /* frames of one part in flight, per pair */
    uint32_t speed;         /* Mbit/s; VDRV_NET_SPEED_UNKNOWN */
    uint32_t offloads;      /* VDRV_NET_CAN_TX_*, _RX_* */
    uint32_t controls;      /* VDRV_NET_CAN_* */
    uint32_t hash_types;    /* VDRV_NET_HASH_* that set_rss may ask for */
    uint32_t rss_key;       /* bytes of the longest key */
    uint32_t rss_table;     /* entries of the longest table */
    uint8_t duplex;         /* VDRV_NET_DUPLEX_* */
    uint8_t link_up;
    uint8_t mergeable; /* received frames may be chains */
    uint8_t reserved[5];
};

/*
 * Counted by the driver, from the first start on, over all pairs.  Of a
 * running card they are as good as now; on a 32-bit CPU one may be torn.
 */
struct vdrv_net_stats {
    uint64_t rx_frames;
    uint64_t rx_bytes;
    uint64_t tx_frames;
    uint64_t tx_bytes;
    uint64_t rx_runts;     /* dropped: shorter than an Ethernet header */
    uint64_t rx_oversize;  /* dropped: merged to more than a frame can be */
    uint64_t rx_malformed; /* dropped: the device's header, or how it filled
                              the buffers, makes no sense */
    uint64_t rx_cleared;   /* delivered without the offload data, which made
                             none */
    uint64_t rx_lost;      /* buffers that could not be posted again */
};

/* Modes of a filter. */
#define VDRV_NET_PROMISC  0x01u /* everything */
#define VDRV_NET_ALLMULTI 0x02u /* every multicast address */
#define VDRV_NET_ALLUNI   0x04u /* every unicast address */
#define VDRV_NET_NOMULTI  0x08u
#define VDRV_NET_NOUNI    0x10u
#define VDRV_NET_NOBCAST  0x20u

/* What to receive besides the own address and broadcasts; read in the call. */
struct vdrv_net_filter {
    uint32_t modes; /* VDRV_NET_PROMISC and so on */
    uint32_t nunicast;
    uint32_t nmulticast;
    uint32_t reserved;
    const uint8_t *unicast;   /* addresses, 6 bytes each, one after another */
    const uint8_t *multicast; /* likewise */
};

/*
 * Receive-side scaling; read in the call.  A hash of the frame's addresses
 * chooses an entry of the table, and that the receive queue.  Without a table
 * frames are spread as they were, and only the hash in buffers is set up.
 */
struct vdrv_net_rss {
    uint32_t hash_types; /* VDRV_NET_HASH_*, of info.hash_types */
    uint32_t nkey;       /* bytes, at most info.rss_key */
    uint32_t ntable;     /* entries, a power of two up to info.rss_table; 0:
                            no table */
    uint32_t unmatched;  /* pair for frames without a hash */
    uint32_t tx_pairs;   /* pairs to transmit on, from 0 on; 0: as many as are
                            in use now */
    uint32_t report;     /* 1: the hash in each buffer is wanted; UNSUPPORTED
                            without VDRV_NET_CAN_RX_HASH */
    const uint8_t *key;
    const uint16_t *table; /* pairs */
};

/* When a queue interrupts, at the latest. */
struct vdrv_net_coalescing {
    uint32_t queue; /* vdrv_net_rx_queue() ..., or VDRV_NET_ALL_RX, _TX */
    uint32_t max_packets;
    uint32_t max_us;
    uint32_t reserved;
};

#define VDRV_NET_ALL_RX 0xfffffffeu
#define VDRV_NET_ALL_TX 0xffffffffu

/* Groups of what a device counts: `counted`. */
#define VDRV_NET_COUNTS_BASIC 1u
#define VDRV_NET_COUNTS_CSUM  2u
#define VDRV_NET_COUNTS_GSO   4u
#define VDRV_NET_COUNTS_SPEED 8u

/*
 * What the device itself counted of one queue.  Groups that are not in
 * `counted` are 0.
 */
struct vdrv_net_queue_stats {
    uint32_t counted; /* VDRV_NET_COUNTS_* */
    uint32_t reserved;
    /* BASIC */
    uint64_t notifications; /* of the driver, that reached it */
    uint64_t packets;
    uint64_t bytes;
    uint64_t interrupts;
    uint64_t drops;       /* for any reason, */
    uint64_t drops_queue; /* and of these: no buffer was posted, or what was to
                             be sent made no sense */
    /* CSUM */
    uint64_t csum_none;    /* no checksum of a known kind */
    uint64_t csum_partial; /* CSUM_PARTIAL */
    uint64_t csum_valid;   /* received only */
    uint64_t csum_bad;     /* likewise */
    /* GSO */
    uint64_t gso_packets;
    uint64_t gso_bytes;
    uint64_t gso_parts; /* what they were merged from, or cut into */
    uint64_t gso_part_bytes;
    uint64_t gso_whole; /* to be sent, and small enough not to be cut */
    uint64_t gso_whole_bytes;
    /* SPEED */
    uint64_t limited_packets; /* held up, or dropped, by a limit of the rate */
    uint64_t limited_bytes;
};

/* ---- The trait ---------------------------------------------------------- */

#define VDRV_NET_MORE                                                          \
    1u /* do not tell the device yet: more follows, or a
                            vdrv_net_kick() */

struct vdrv_net;

/*
 * Required are mac_address, and transmit and receive or their burst forms;
 * NULL answers UNSUPPORTED for the others, or what the wrapper below says.
 */
struct vdrv_net_ops {
    struct vdrv_base_ops base;
    int (*mac_address)(const struct vdrv_net *net, uint8_t mac[6]);
    bool (*can_transmit)(struct vdrv_net *net, uint32_t pair);
    bool (*can_receive)(struct vdrv_net *net, uint32_t pair);
    uint32_t (*rx_queue_size)(const struct vdrv_net *net);
    uint32_t (*tx_queue_size)(const struct vdrv_net *net);
    int (*recycle_rx_buffer)(struct vdrv_net *net, uint32_t pair,
                             struct vdrv_net_buf *buf);
    int (*recycle_tx_buffers)(struct vdrv_net *net, uint32_t pair);
    int (*transmit)(struct vdrv_net *net, uint32_t pair,
                    struct vdrv_net_buf *buf);
    int (*receive)(struct vdrv_net *net, uint32_t pair,
                   struct vdrv_net_buf **buf);
    int (*alloc_tx_buffer)(struct vdrv_net *net, uint32_t pair, uint32_t len,
                           struct vdrv_net_buf **buf);
    int (*get_info)(const struct vdrv_net *net, struct vdrv_net_info *out);
    int (*get_stats)(const struct vdrv_net *net, struct vdrv_net_stats *out);
    bool (*link_up)(const struct vdrv_net *net);
    int (*transmit_burst)(struct vdrv_net *net, uint32_t pair,
                          struct vdrv_net_buf *const *bufs, uint32_t n,
                          uint32_t flags);
    int (*receive_burst)(struct vdrv_net *net, uint32_t pair,
                         struct vdrv_net_buf **bufs, uint32_t max);
    int (*recycle_rx_burst)(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf *const *bufs, uint32_t n,
                            uint32_t flags);
    int (*kick)(struct vdrv_net *net, uint32_t queue);
    int (*set_filter)(struct vdrv_net *net,
                      const struct vdrv_net_filter *filter);
    int (*add_vlan)(struct vdrv_net *net, uint16_t id);
    int (*remove_vlan)(struct vdrv_net *net, uint16_t id);
    int (*set_mac)(struct vdrv_net *net, const uint8_t mac[6]);
    int (*set_offloads)(struct vdrv_net *net, uint32_t offloads);
    int (*ack_announce)(struct vdrv_net *net);
    int (*set_pairs)(struct vdrv_net *net, uint32_t pairs);
    int (*set_rss)(struct vdrv_net *net, const struct vdrv_net_rss *rss);
    int (*set_coalescing)(struct vdrv_net *net,
                          const struct vdrv_net_coalescing *set);
    int (*get_coalescing)(struct vdrv_net *net,
                          struct vdrv_net_coalescing *set);
    int (*get_queue_stats)(struct vdrv_net *net, uint32_t queue,
                           struct vdrv_net_queue_stats *out);
};

/* A card: embed it first in the driver's struct; dev.ops is a net table. */
struct vdrv_net {
    struct vdrv_device dev;
};

/* Fills in `net`. [alone] */
void vdrv_net_setup(struct vdrv_net *net, const struct vdrv_net_ops *ops);

/* Queue numbers for vdrv_poll(), vdrv_arm(), vdrv_net_kick(). [any] */
static inline uint32_t vdrv_net_rx_queue(uint32_t pair)
{
    return 2u * pair;
}

static inline uint32_t vdrv_net_tx_queue(uint32_t pair)
{
    return 2u * pair + 1u;
}

/* ---- State -------------------------------------------------------------- */

/* The card's address.  INVALID: NULL. [any] */
int vdrv_net_mac_address(const struct vdrv_net *net,
                         uint8_t mac[VDRV_NET_MAC_SIZE]);

/*
 * Fills `out`.  UNSUPPORTED: the driver has none.  Beside vdrv_refresh(),
 * set_pairs and set_rss each member is the old or the new one. [any]
 */
int vdrv_net_get_info(const struct vdrv_net *net, struct vdrv_net_info *out);
int vdrv_net_get_stats(const struct vdrv_net *net, struct vdrv_net_stats *out);

/*
 * Is there a link?  As of the last vdrv_refresh(); true for a card that cannot
 * tell, false for NULL. [any]
 */
bool vdrv_net_link_up(const struct vdrv_net *net);

/* Buffers that can be posted to a pair; frames in flight; 0 for NULL. [any] */
uint32_t vdrv_net_rx_queue_size(const struct vdrv_net *net);
uint32_t vdrv_net_tx_queue_size(const struct vdrv_net *net);

/* ---- Transmit ----------------------------------------------------------- */

/*
 * True: the next transmit of a frame of one part on this pair finds room
 * (when dma_map, if there is one, does).  Reclaims sent buffers if that is
 * needed to say so. [queue]
 */
bool vdrv_net_can_transmit(struct vdrv_net *net, uint32_t pair);

/*
 * Takes one frame, tells the device, and releases frames that were sent
 * before.  On any error the buffers stay the caller's.
 * INVALID: NULL, no such pair or one not in use, less than an Ethernet header,
 * offsets outside the frame, GSO without CSUM_PARTIAL, size or headers, memory
 * that cannot be translated.  AGAIN: the queue is full.
 * TOO_BIG: more parts than info.max_segs, or more bytes than the device takes
 * in one frame.  UNSUPPORTED: an offload that info.offloads does not have.
 * Latched errors. [queue]
 */
int vdrv_net_transmit(struct vdrv_net *net, uint32_t pair,
                      struct vdrv_net_buf *buf);

/*
 * Takes the first so many of `n` frames and tells the device once, or later
 * with VDRV_NET_MORE.  Returns how many were taken; the others stay the
 * caller's.  An error, as for transmit, when not even one was. [queue]
 */
int vdrv_net_transmit_burst(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf *const *bufs, uint32_t n,
                            uint32_t flags);

/*
 * Releases the frames that were sent; returns how many.  BUSY: called from a
 * callback.  Latched errors. [queue]
 */
int vdrv_net_recycle_tx_buffers(struct vdrv_net *net, uint32_t pair);

/*
 * A buffer with room for a frame of `len` bytes at `data`, and `len` set, from
 * the pool that the driver was given.  It is the caller's: to be transmitted,
 * or released.  AGAIN: none free.  TOO_BIG: none is as large.  UNSUPPORTED:
 * the driver has no pool. [queue]
 */
int vdrv_net_alloc_tx_buffer(struct vdrv_net *net, uint32_t pair, uint32_t len,
                             struct vdrv_net_buf **buf);

/*
 * Tells the device of what was taken with VDRV_NET_MORE.  Returns 1 when it
 * was notified, else 0. [queue]
 */
int vdrv_net_kick(struct vdrv_net *net, uint32_t queue);

/* ---- Receive ------------------------------------------------------------ */

/* True: the device has given back a buffer.  False for NULL. [queue] */
bool vdrv_net_can_receive(struct vdrv_net *net, uint32_t pair);

/*
 * The next frame, with data, len and flags set; a chain when it was merged, of
 * which the first part has at least the whole Ethernet header.  Its buffers are
 * the caller's.  AGAIN: none.  Latched errors.  BUSY: called
 * from a callback. [queue]
 */
int vdrv_net_receive(struct vdrv_net *net, uint32_t pair,
                     struct vdrv_net_buf **buf);

/* Up to `max` frames; returns how many, 0 when there are none. [queue] */
int vdrv_net_receive_burst(struct vdrv_net *net, uint32_t pair,
                           struct vdrv_net_buf **bufs, uint32_t max);

/*
 * Posts a buffer, new or received, for a frame to be received at
 * mem + headroom, and tells the device.
 * INVALID: NULL, no such pair, a buffer with `next` set, one that holds less
 * than info.rx_buf_min behind its headroom, or memory that cannot be
 * translated; with info.mergeable also a headroom below info.header_len.
 * AGAIN: the queue is full, and nothing was taken.  Latched errors. [queue]
 */
int vdrv_net_recycle_rx_buffer(struct vdrv_net *net, uint32_t pair,
                               struct vdrv_net_buf *buf);

/* As transmit_burst is to transmit. [queue] */
int vdrv_net_recycle_rx_burst(struct vdrv_net *net, uint32_t pair,
                              struct vdrv_net_buf *const *bufs, uint32_t n,
                              uint32_t flags);

/*
 * Takes a received frame apart, posts its buffers again and releases those
 * that find no room: in any case the caller is done with it. [queue]
 */
void vdrv_net_recycle_frame(struct vdrv_net *net, uint32_t pair,
                            struct vdrv_net_buf *frame);

/* ---- Control: slow, rare, one caller at a time -------------------------- */

/*
 * What all of these may answer.  UNSUPPORTED: see info.controls.  INVALID:
 * NULL, or out of range.  IO: the device refuses, and its state is as before.
 * TIMEOUT: it did not answer in time, and was reset: stop and start it.
 * PROTOCOL: its answer was none.  BUSY: another one is out.  STUCK, latched
 * errors.  They may run beside transmit and receive.
 *
 * After vdrv_start() the address and the receive offloads are what they were
 * before, and the pairs in use are those that vdrv_net_set_pairs() set last, or
 * as after init.  All else is as after init: set it again.
 */

/*
 * Replaces the filter.  Lists that are too long for the driver or the device
 * are answered by receiving more than was asked for: ALLMULTI or PROMISC.
 * INVALID: a multicast address among the unicast ones, or the reverse.  IO:
 * the filter is in part the old one. [wait]
 */
int vdrv_net_set_filter(struct vdrv_net *net,
                        const struct vdrv_net_filter *filter);

/* Frames of VLAN `id`, below 4096, are to be received (or no longer). [wait] */
int vdrv_net_add_vlan(struct vdrv_net *net, uint16_t id);
int vdrv_net_remove_vlan(struct vdrv_net *net, uint16_t id);

/*
 * Another address, at once.  INVALID: zero, or a multicast address.  Not
 * beside vdrv_net_mac_address(). [wait]
 */
int vdrv_net_set_mac(struct vdrv_net *net,
                     const uint8_t mac[VDRV_NET_MAC_SIZE]);

/*
 * The receive offloads to use from now on, VDRV_NET_CAN_RX_*: those of
 * info.offloads at most (UNSUPPORTED), and segmentation only with RX_CSUM
 * (INVALID).  RX_HASH does not matter here.  Frames that are on their way may
 * still have others. [wait]
 */
int vdrv_net_set_offloads(struct vdrv_net *net, uint32_t offloads);

/* After VDRV_CHANGE_ANNOUNCE, when the announcements were sent. [wait] */
int vdrv_net_ack_announce(struct vdrv_net *net);

/*
 * Uses pairs 0 to `pairs` - 1, at most info.max_pairs; the device spreads what
 * it receives.  What the others hold stays to be received, and comes back by
 * vdrv_poll() or stop; nothing more is sent on them.  Fewer than before: not
 * beside transmit on those that go. [wait]
 */
int vdrv_net_set_pairs(struct vdrv_net *net, uint32_t pairs);

/*
 * Spreads received frames as `rss` says, until set_pairs or stop.  Fewer
 * tx_pairs than before: not beside transmit on those that go. [wait]
 */
int vdrv_net_set_rss(struct vdrv_net *net, const struct vdrv_net_rss *rss);

/* How often queues interrupt; a hint.  get_ is for one queue. [wait] */
int vdrv_net_set_coalescing(struct vdrv_net *net,
                            const struct vdrv_net_coalescing *set);
int vdrv_net_get_coalescing(struct vdrv_net *net,
                            struct vdrv_net_coalescing *set);

/* What the device counted of a queue of vdrv_net_rx_queue(), _tx_. [wait] */
int vdrv_net_get_queue_stats(struct vdrv_net *net, uint32_t queue,
                             struct vdrv_net_queue_stats *out);

/* ---- Copying, for stacks with buffers of their own ----------------------- */

/*
 * Sends `len` bytes through a buffer of the driver's pool.  Errors of
 * alloc_tx_buffer and transmit; nothing is kept. [queue]
 */
int vdrv_net_send_copy(struct vdrv_net *net, uint32_t pair, const void *frame,
                       uint32_t len);

/*
 * Copies the next frame into `buf` and posts its buffers again.  Returns its
 * length in bytes.  AGAIN: none.  TOO_BIG: it is longer than `size`, and was
 * dropped.  Errors of receive.  A driver that was asked for receive offloads
 * may give a frame with an unfinished checksum, which this does not tell.
 * [queue]
 */
int vdrv_net_receive_copy(struct vdrv_net *net, uint32_t pair, void *buf,
                          uint32_t size);

/* ---- A pool of buffers --------------------------------------------------- */

/* Frames of a pool that is not told: MTU 1500. */
#define VDRV_NET_POOL_FRAME 1514u

/* Headroom of pool buffers: IP headers come to lie on multiples of four. */
#define VDRV_NET_POOL_HEADROOM (VDRV_NET_HEADROOM + 2u)

/* Bytes of one buffer for frames of `frame` bytes, and of `count` of them. */
#define VDRV_NET_POOL_STRIDE(frame)                                            \
    (((size_t)(frame) + VDRV_NET_POOL_HEADROOM + 63u) & ~(size_t)63u)
#define VDRV_NET_POOL_SIZE(count, frame)                                       \
    ((size_t)(count)*VDRV_NET_POOL_STRIDE(frame))

/* All zero is the default, but for the memory and the number. */
struct vdrv_net_pool_config {
    struct vdrv_net_buf *bufs; /* `count` headers */
    void *mem;                 /* aligned to 64 */
    size_t mem_size;           /* at least VDRV_NET_POOL_SIZE(count, frame) */
    uint64_t dma;              /* its device address, with `mapped` */
    uint32_t count;
    uint32_t frame; /* bytes of a frame; 0: 1514 */
    uint8_t mapped; /* the memory is mapped for the device, for good */
};

/*
 * A supply of equal buffers in the caller's memory.  put works from any
 * context, by compare-and-swap; take is for one owner at a time, usually the
 * receive or the transmit side of a queue pair.  On a CPU without
 * compare-and-swap (Cortex-M0, rv32 without A, m68k) the caller serialises
 * put with everything else.  Members are private.
 */
struct vdrv_net_pool {
    struct vdrv_net_buf *returned; /* pushed by anybody */
    struct vdrv_net_buf *spare;    /* the owner's */
    struct vdrv_net_buf *bufs;
    uint32_t count;
    uint32_t frame;
};

/*
 * Makes a pool of which all buffers are free.  Their release puts them back.
 * INVALID: NULL, no buffer, misaligned memory, too large a frame.  NO_MEMORY:
 * mem_size too small. [alone]
 */
int vdrv_net_pool_init(struct vdrv_net_pool *pool,
                       const struct vdrv_net_pool_config *cfg);

/* A free buffer, ready to be filled or posted; NULL: none.  Its owner's:
   [queue] */
struct vdrv_net_buf *vdrv_net_pool_take(struct vdrv_net_pool *pool);

/*
 * Gives a buffer back to the pool it is from; not its `next`. [any], but not
 * on a CPU without compare-and-swap.
 */
void vdrv_net_pool_put(struct vdrv_net_buf *buf);

/* Free buffers, counted one by one. [alone] */
uint32_t vdrv_net_pool_free(const struct vdrv_net_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
