/* SPDX-License-Identifier: MIT */
/*
 * A virtio network device (VirtIO 1.4, 5.1).  What the driver sends goes to
 * `on_frame`; fake_net_receive() is a frame that arrives from the wire.  The
 * control queue keeps filters, addresses, VLANs and the number of pairs.
 */
#ifndef FAKE_NET_H
#define FAKE_NET_H

#include "fake_virtio.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Feature bits. */
#define FAKE_NET_F_CSUM          0u
#define FAKE_NET_F_GUEST_CSUM    1u
#define FAKE_NET_F_CTRL_OFFLOADS 2u
#define FAKE_NET_F_MTU           3u
#define FAKE_NET_F_MAC           5u
#define FAKE_NET_F_GUEST_TSO4    7u
#define FAKE_NET_F_GUEST_TSO6    8u
#define FAKE_NET_F_GUEST_ECN     9u
#define FAKE_NET_F_GUEST_UFO     10u
#define FAKE_NET_F_HOST_TSO4     11u
#define FAKE_NET_F_HOST_TSO6     12u
#define FAKE_NET_F_HOST_ECN      13u
#define FAKE_NET_F_HOST_UFO      14u
#define FAKE_NET_F_MRG_RXBUF     15u
#define FAKE_NET_F_STATUS        16u
#define FAKE_NET_F_CTRL_VQ       17u
#define FAKE_NET_F_CTRL_RX       18u
#define FAKE_NET_F_CTRL_VLAN     19u
#define FAKE_NET_F_CTRL_RX_EXTRA 20u
#define FAKE_NET_F_ANNOUNCE      21u
#define FAKE_NET_F_MQ            22u
#define FAKE_NET_F_CTRL_MAC      23u
#define FAKE_NET_F_DEVICE_STATS  50u
#define FAKE_NET_F_VQ_NOTF_COAL  52u
#define FAKE_NET_F_NOTF_COAL     53u
#define FAKE_NET_F_GUEST_USO4    54u
#define FAKE_NET_F_GUEST_USO6    55u
#define FAKE_NET_F_HOST_USO      56u
#define FAKE_NET_F_HASH_REPORT   57u
#define FAKE_NET_F_GUEST_HDRLEN  59u
#define FAKE_NET_F_RSS           60u
#define FAKE_NET_F_SPEED_DUPLEX  63u

/* Header flags. */
#define FAKE_NET_NEEDS_CSUM 1u
#define FAKE_NET_DATA_VALID 2u

/* Where fields are in configuration space. */
#define FAKE_NET_CFG_MAC    0u
#define FAKE_NET_CFG_STATUS 6u
#define FAKE_NET_CFG_PAIRS  8u
#define FAKE_NET_CFG_MTU    10u
#define FAKE_NET_CFG_SPEED  12u
#define FAKE_NET_CFG_DUPLEX 16u
#define FAKE_NET_CFG_KEY    17u
#define FAKE_NET_CFG_TABLE  18u
#define FAKE_NET_CFG_HASHES 20u

#define FAKE_NET_FRAME 65600u /* longest frame */

/* Everything that the control queue is for, but MQ and RSS. */
#define FAKE_NET_CONTROL                                                       \
    (1ull << FAKE_NET_F_CTRL_OFFLOADS | 1ull << FAKE_NET_F_DEVICE_STATS |      \
     1ull << FAKE_NET_F_VQ_NOTF_COAL | 1ull << FAKE_NET_F_NOTF_COAL |          \
     1ull << FAKE_NET_F_HASH_REPORT)

/* Segmentation, both ways. */
#define FAKE_NET_GSO                                                           \
    (1ull << FAKE_NET_F_GUEST_TSO4 | 1ull << FAKE_NET_F_GUEST_TSO6 |           \
     1ull << FAKE_NET_F_GUEST_ECN | 1ull << FAKE_NET_F_GUEST_UFO |             \
     1ull << FAKE_NET_F_GUEST_USO4 | 1ull << FAKE_NET_F_GUEST_USO6 |           \
     1ull << FAKE_NET_F_HOST_TSO4 | 1ull << FAKE_NET_F_HOST_TSO6 |             \
     1ull << FAKE_NET_F_HOST_ECN | 1ull << FAKE_NET_F_HOST_UFO |               \
     1ull << FAKE_NET_F_HOST_USO | 1ull << FAKE_NET_F_GUEST_HDRLEN)

#define FAKE_NET_FEATURES                                                      \
    (1ull << FAKE_NET_F_CSUM | 1ull << FAKE_NET_F_GUEST_CSUM |                 \
     1ull << FAKE_NET_F_MTU | 1ull << FAKE_NET_F_MAC |                         \
     1ull << FAKE_NET_F_MRG_RXBUF | 1ull << FAKE_NET_F_STATUS |                \
     1ull << FAKE_NET_F_CTRL_VQ | 1ull << FAKE_NET_F_CTRL_RX |                 \
     1ull << FAKE_NET_F_CTRL_VLAN | 1ull << FAKE_NET_F_CTRL_RX_EXTRA |         \
     1ull << FAKE_NET_F_ANNOUNCE | 1ull << FAKE_NET_F_CTRL_MAC |               \
     1ull << FAKE_NET_F_SPEED_DUPLEX)

struct fake_net_config {
    uint64_t features;  /* class bits; 0: FAKE_NET_FEATURES */
    uint64_t with;      /* class bits to add to those, */
    uint64_t without;   /* or to leave out of them */
    uint8_t mac[6];     /* all 0: 52:54:00:12:34:56 */
    uint16_t mtu;       /* 0: 1500 */
    uint32_t pairs;     /* 0: 1; more: offers MQ */
    uint32_t queue_max; /* 0: 256 */
};

/* The metadata of a frame: the header's fields, in the CPU's order. */
struct fake_net_meta {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers;
    uint32_t hash; /* with HASH_REPORT */
    uint16_t hash_report;
};

/* Receive-side scaling, as the driver set it; `table` 0: it did not. */
struct fake_net_rss {
    uint32_t hash_types;
    uint32_t entries;
    uint16_t unmatched, tx_pairs;
    uint16_t table[512];
    uint8_t key[256];
    uint8_t key_len;
    bool hash_only; /* HASH_CONFIG: there is no table */
};

struct fake_net;

/*
 * A frame that the driver sent on pair `pair`.  With NEEDS_CSUM its checksum
 * has been completed in `frame` already (unless `leave_csum`).
 */
typedef void (*fake_net_frame_fn)(void *arg, struct fake_net *n, uint32_t pair,
                                  const uint8_t *frame, size_t len,
                                  const struct fake_net_meta *meta);

struct fake_net {
    struct fake_dev dev; /* first */
    struct fake_net_config cfg;
    uint32_t header; /* bytes, as negotiated: 10, 12 or 20 */
    fake_net_frame_fn on_frame;
    void *on_frame_arg;
    /* ---- Knobs ------------------------------------------------------ */
    bool leave_csum;
    uint32_t force_buffers; /* num_buffers of received frames; UINT32_MAX:
                               the truth */
    int64_t force_len;      /* used length of the first buffer; -1: the truth */
    int ctrl_ack;           /* what the control queue answers; -1: the truth,
                               256: nothing is written */
    int64_t ctrl_len;       /* used length of an answer (but of
                               STATS_QUERY's); -1: the truth */
    bool ctrl_mute;         /* commands are never answered */
    uint64_t stats_types;   /* what STATS_QUERY tells */
    uint32_t stats_lie;     /* 1: sizes of 0, 2: of 0xffff, 3: other queues,
                               4: other types, 5: nothing but the ack */
    /* ---- Last frame sent -------------------------------------------- */
    uint8_t last[FAKE_NET_FRAME];
    size_t last_len;
    struct fake_net_meta last_meta;
    /* ---- Counters --------------------------------------------------- */
    uint32_t tx_frames, rx_frames;
    uint32_t rx_dropped; /* no buffers, or too small */
    uint64_t tx_bytes, rx_bytes;
    uint32_t ctrl_commands;
    /* ---- What the driver has set ------------------------------------ */
    uint32_t pairs_in_use;
    bool rx_mode[6]; /* promisc, allmulti, alluni, nomulti, nouni, nobcast */
    uint8_t address[6];
    uint32_t unicasts, multicasts; /* entries of the address table */
    uint8_t table[64][6];
    uint8_t vlans[512]; /* a bit each */
    uint64_t offloads;  /* receive features switched on */
    struct fake_net_rss rss;
    uint32_t coalesce[FAKE_QUEUES][2];     /* packets, us */
    uint8_t last_ctrl[2];                  /* class, command */
    uint32_t pair_frames[FAKE_QUEUES / 2]; /* sent, on each pair */
    uint32_t ctrl_index;
    /* Frames served, and how many may be of pairs no longer in use. */
    uint32_t tx_served[FAKE_QUEUES / 2], tx_limit[FAKE_QUEUES / 2];
    /* ---- Private: receive buffers taken and not used yet, by pair --- */
    struct fake_chain *held[FAKE_QUEUES / 2];
    uint32_t n_held[FAKE_QUEUES / 2];
};

void fake_net_init(struct fake_net *n, struct fake *f,
                   const struct fake_net_config *cfg);
void fake_net_fini(struct fake_net *n);

/*
 * A frame from the wire, into receive queue 0; false (and dropped) when there
 * is no room.  Interrupts at once, as a device of its own would.
 */
bool fake_net_receive(struct fake_net *n, const void *frame, size_t len);
/* The same on a pair, with metadata (NULL: none). */
bool fake_net_receive_on(struct fake_net *n, uint32_t pair, const void *frame,
                         size_t len, const struct fake_net_meta *meta);
/*
 * Writes raw bytes, header and all, into one receive buffer and reports
 * `used_len`: runts, oversize, anything.
 */
bool fake_net_receive_raw(struct fake_net *n, uint32_t pair, const void *bytes,
                          size_t len, uint32_t used_len);
/* Receive buffers that wait on a pair. */
uint32_t fake_net_rx_room(struct fake_net *n, uint32_t pair);

/* Link state, and a request to announce, with a configuration interrupt. */
void fake_net_link(struct fake_net *n, bool up);
void fake_net_announce(struct fake_net *n);

/* The internet checksum of `len` bytes, continuing from `sum`. */
uint16_t fake_net_checksum(const uint8_t *p, size_t len, uint32_t sum);

#ifdef __cplusplus
}
#endif

#endif
