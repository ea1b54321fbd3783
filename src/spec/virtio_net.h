/* SPDX-License-Identifier: MIT */
/* The network device on the wire (VirtIO 1.4, 5.1). */
#ifndef VDRV_SPEC_VIRTIO_NET_H
#define VDRV_SPEC_VIRTIO_NET_H

#include <stddef.h>

#include "../core/bytes.h"

/* 5.1.3 */
#define VIRTIO_NET_F_CSUM                      0
#define VIRTIO_NET_F_GUEST_CSUM                1
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS       2
#define VIRTIO_NET_F_MTU                       3
#define VIRTIO_NET_F_MAC                       5
#define VIRTIO_NET_F_GUEST_TSO4                7
#define VIRTIO_NET_F_GUEST_TSO6                8
#define VIRTIO_NET_F_GUEST_ECN                 9
#define VIRTIO_NET_F_GUEST_UFO                 10
#define VIRTIO_NET_F_HOST_TSO4                 11
#define VIRTIO_NET_F_HOST_TSO6                 12
#define VIRTIO_NET_F_HOST_ECN                  13
#define VIRTIO_NET_F_HOST_UFO                  14
#define VIRTIO_NET_F_MRG_RXBUF                 15
#define VIRTIO_NET_F_STATUS                    16
#define VIRTIO_NET_F_CTRL_VQ                   17
#define VIRTIO_NET_F_CTRL_RX                   18
#define VIRTIO_NET_F_CTRL_VLAN                 19
#define VIRTIO_NET_F_CTRL_RX_EXTRA             20
#define VIRTIO_NET_F_GUEST_ANNOUNCE            21
#define VIRTIO_NET_F_MQ                        22
#define VIRTIO_NET_F_CTRL_MAC_ADDR             23
#define VIRTIO_NET_F_DEVICE_STATS              50
#define VIRTIO_NET_F_HASH_TUNNEL               51
#define VIRTIO_NET_F_VQ_NOTF_COAL              52
#define VIRTIO_NET_F_NOTF_COAL                 53
#define VIRTIO_NET_F_GUEST_USO4                54
#define VIRTIO_NET_F_GUEST_USO6                55
#define VIRTIO_NET_F_HOST_USO                  56
#define VIRTIO_NET_F_HASH_REPORT               57
#define VIRTIO_NET_F_GUEST_HDRLEN              59
#define VIRTIO_NET_F_RSS                       60
#define VIRTIO_NET_F_RSC_EXT                   61
#define VIRTIO_NET_F_STANDBY                   62
#define VIRTIO_NET_F_SPEED_DUPLEX              63
#define VIRTIO_NET_F_RSS_CONTEXT               64
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO      65
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM 66
#define VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO       67
#define VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM  68
#define VIRTIO_NET_F_OUT_NET_HEADER            69
#define VIRTIO_NET_F_IPSEC                     70

/* 5.1.4: where fields of the configuration are. */
#define VIRTIO_NET_CFG_MAC       0
#define VIRTIO_NET_CFG_STATUS    6
#define VIRTIO_NET_CFG_MAX_PAIRS 8
#define VIRTIO_NET_CFG_MTU       10
#define VIRTIO_NET_CFG_SPEED     12
#define VIRTIO_NET_CFG_DUPLEX    16
#define VIRTIO_NET_CFG_RSS_KEY   17
#define VIRTIO_NET_CFG_RSS_TABLE 18
#define VIRTIO_NET_CFG_HASHES    20
#define VIRTIO_NET_CFG_SIZE      24 /* of what is read of it */

#define VIRTIO_NET_S_LINK_UP  1u
#define VIRTIO_NET_S_ANNOUNCE 2u

#define VIRTIO_NET_MTU_MIN   68u         /* 5.1.4.1 */
#define VIRTIO_NET_SPEED_MAX 0x7fffffffu /* 5.1.4.2; larger is unknown */
#define VIRTIO_NET_PAIRS_MAX 0x8000u     /* 5.1.4.1 */
#define VIRTIO_NET_KEY_MIN   40u         /* 5.1.4.1, of rss_max_key_size */

/* 5.1.6: in front of every frame, both ways. */
struct virtio_net_hdr {
    uint8_t flags;
    uint8_t gso_type;
    struct le16 hdr_len;
    struct le16 gso_size;
    struct le16 csum_start;
    struct le16 csum_offset;
    struct le16 num_buffers;
    /* With HASH_REPORT. */
    struct le16 hash_value[2]; /* le32, on an even address */
    struct le16 hash_report;
    struct le16 padding;
};

#define VIRTIO_NET_HDR_SIZE_OLD  10u /* without VERSION_1 and MRG_RXBUF */
#define VIRTIO_NET_HDR_SIZE      12u
#define VIRTIO_NET_HDR_SIZE_HASH 20u

#define VIRTIO_NET_HDR_F_NEEDS_CSUM      1u
#define VIRTIO_NET_HDR_F_DATA_VALID      2u
#define VIRTIO_NET_HDR_F_RSC_INFO        4u
#define VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM 8u

#define VIRTIO_NET_HDR_GSO_NONE            0u
#define VIRTIO_NET_HDR_GSO_TCPV4           1u
#define VIRTIO_NET_HDR_GSO_UDP             3u
#define VIRTIO_NET_HDR_GSO_TCPV6           4u
#define VIRTIO_NET_HDR_GSO_UDP_L4          5u
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 0x20u
#define VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6 0x40u
#define VIRTIO_NET_HDR_GSO_ECN             0x80u

/* 5.1.6.3.1: room for frames, behind the header. */
#define VIRTIO_NET_FRAME     1514u
#define VIRTIO_NET_FRAME_GSO 65589u

/* 5.1.6.4.4: hash_report; 0 is none, and type n is bit n - 1. */
#define VIRTIO_NET_HASH_REPORT_MAX 9u
#define VIRTIO_NET_HASH_TYPES      0x1ffu

/* 5.1.6.5: a command is class, command, data, ack and perhaps a result. */
#define VIRTIO_NET_OK  0u
#define VIRTIO_NET_ERR 1u

#define VIRTIO_NET_CTRL_RX                 0u
#define VIRTIO_NET_CTRL_RX_PROMISC         0u
#define VIRTIO_NET_CTRL_RX_ALLMULTI        1u
#define VIRTIO_NET_CTRL_RX_ALLUNI          2u
#define VIRTIO_NET_CTRL_RX_NOMULTI         3u
#define VIRTIO_NET_CTRL_RX_NOUNI           4u
#define VIRTIO_NET_CTRL_RX_NOBCAST         5u
#define VIRTIO_NET_CTRL_MAC                1u
#define VIRTIO_NET_CTRL_MAC_TABLE_SET      0u
#define VIRTIO_NET_CTRL_MAC_ADDR_SET       1u
#define VIRTIO_NET_CTRL_VLAN               2u
#define VIRTIO_NET_CTRL_VLAN_ADD           0u
#define VIRTIO_NET_CTRL_VLAN_DEL           1u
#define VIRTIO_NET_CTRL_ANNOUNCE           3u
#define VIRTIO_NET_CTRL_ANNOUNCE_ACK       0u
#define VIRTIO_NET_CTRL_MQ                 4u
#define VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET    0u
#define VIRTIO_NET_CTRL_MQ_RSS_CONFIG      1u
#define VIRTIO_NET_CTRL_MQ_HASH_CONFIG     2u
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS     5u
#define VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET 0u
#define VIRTIO_NET_CTRL_NOTF_COAL          6u
#define VIRTIO_NET_CTRL_NOTF_COAL_TX_SET   0u
#define VIRTIO_NET_CTRL_NOTF_COAL_RX_SET   1u
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET   2u
#define VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET   3u
#define VIRTIO_NET_CTRL_STATS              8u
#define VIRTIO_NET_CTRL_STATS_QUERY        0u
#define VIRTIO_NET_CTRL_STATS_GET          1u

/* 5.1.6.5.9: numbers of records, and as bits what STATS_QUERY tells. */
#define VIRTIO_NET_STATS_RX_BASIC 0u
#define VIRTIO_NET_STATS_RX_CSUM  1u
#define VIRTIO_NET_STATS_RX_GSO   2u
#define VIRTIO_NET_STATS_RX_SPEED 3u
#define VIRTIO_NET_STATS_TX_BASIC 16u
#define VIRTIO_NET_STATS_TX_CSUM  17u
#define VIRTIO_NET_STATS_TX_GSO   18u
#define VIRTIO_NET_STATS_TX_SPEED 19u

/* In front of each record. */
struct virtio_net_stats_reply_hdr {
    uint8_t type;
    uint8_t reserved;
    struct le16 vq_index;
    struct le16 reserved1;
    struct le16 size; /* header and all */
};

_Static_assert(sizeof(struct virtio_net_stats_reply_hdr) == 8, "5.1.6.5.9");
_Static_assert(sizeof(struct virtio_net_hdr) == VIRTIO_NET_HDR_SIZE_HASH,
               "5.1.6");
_Static_assert(offsetof(struct virtio_net_hdr, hash_value) ==
                   VIRTIO_NET_HDR_SIZE,
               "5.1.6");
_Static_assert(offsetof(struct virtio_net_hdr, csum_start) == 6, "5.1.6");
_Static_assert(_Alignof(struct virtio_net_hdr) == 2, "headroom is even");

#endif
