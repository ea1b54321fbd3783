/* SPDX-License-Identifier: MIT */
/*
 * What a network device says of itself (VirtIO 1.4, 5.1.4), checked before it
 * becomes an address or a size.  No I/O.
 */
#include "vdrv_net_config.h"

#include "../core/bytes.h"
#include "../core/mem.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_net.h"

#define MTU_DEFAULT 1500u
#define MERGED_MIN  64u /* of a buffer that is one of several */

bool vdrv__net_mac_valid(const uint8_t mac[VDRV_NET_MAC_SIZE])
{
    uint8_t any = 0;

    for (uint32_t i = 0; i < VDRV_NET_MAC_SIZE; i++)
        any |= mac[i];
    return any != 0 && (mac[0] & 1u) == 0;
}

void vdrv__net_validate_link(const uint8_t *config, const uint64_t features[2],
                             struct vdrv_net_info *info)
{
    uint32_t speed;
    uint8_t duplex;

    info->link_up = 1; /* 5.1.4.2: without STATUS it is up */
    if (vdrv_feature(features, VIRTIO_NET_F_STATUS))
        info->link_up = (vdrv__get16(config + VIRTIO_NET_CFG_STATUS) &
                         VIRTIO_NET_S_LINK_UP) != 0;
    info->speed = VDRV_NET_SPEED_UNKNOWN;
    info->duplex = VDRV_NET_DUPLEX_UNKNOWN;
    if (!vdrv_feature(features, VIRTIO_NET_F_SPEED_DUPLEX))
        return;
    speed = vdrv__get32(config + VIRTIO_NET_CFG_SPEED);
    duplex = config[VIRTIO_NET_CFG_DUPLEX];
    if (speed <= VIRTIO_NET_SPEED_MAX)
        info->speed = speed;
    /* 1 is full: the layout says so, one device requirement the opposite. */
    if (duplex <= VDRV_NET_DUPLEX_FULL)
        info->duplex = duplex;
}

/* 5.1.3 */
static const struct {
    uint32_t can;
    uint8_t bit;
} offload_bits[] = {
    {VDRV_NET_CAN_TX_CSUM, VIRTIO_NET_F_CSUM},
    {VDRV_NET_CAN_TX_TSO4, VIRTIO_NET_F_HOST_TSO4},
    {VDRV_NET_CAN_TX_TSO6, VIRTIO_NET_F_HOST_TSO6},
    {VDRV_NET_CAN_TX_UFO, VIRTIO_NET_F_HOST_UFO},
    {VDRV_NET_CAN_TX_USO, VIRTIO_NET_F_HOST_USO},
    {VDRV_NET_CAN_TX_ECN, VIRTIO_NET_F_HOST_ECN},
    {VDRV_NET_CAN_RX_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VDRV_NET_CAN_RX_TSO4, VIRTIO_NET_F_GUEST_TSO4},
    {VDRV_NET_CAN_RX_TSO6, VIRTIO_NET_F_GUEST_TSO6},
    {VDRV_NET_CAN_RX_UFO, VIRTIO_NET_F_GUEST_UFO},
    {VDRV_NET_CAN_RX_USO4, VIRTIO_NET_F_GUEST_USO4},
    {VDRV_NET_CAN_RX_USO6, VIRTIO_NET_F_GUEST_USO6},
    {VDRV_NET_CAN_RX_ECN, VIRTIO_NET_F_GUEST_ECN},
    {VDRV_NET_CAN_RX_HASH, VIRTIO_NET_F_HASH_REPORT},
};

#define OFFLOAD_BITS (sizeof(offload_bits) / sizeof(offload_bits[0]))

uint64_t vdrv__net_offload_features(uint32_t offloads)
{
    uint64_t features = 0;

    for (uint32_t i = 0; i < OFFLOAD_BITS; i++) {
        if ((offloads & offload_bits[i].can) != 0)
            features |= UINT64_C(1) << offload_bits[i].bit;
    }
    return features;
}

uint32_t vdrv__net_offloads(const uint64_t features[2])
{
    uint32_t offloads = 0;

    for (uint32_t i = 0; i < OFFLOAD_BITS; i++) {
        if (vdrv_feature(features, offload_bits[i].bit))
            offloads |= offload_bits[i].can;
    }
    return offloads;
}

/* What of the control queue there is. */
static uint32_t controls(const uint64_t features[2])
{
    static const struct {
        uint32_t can;
        uint8_t bit;
    } bits[] = {
        {VDRV_NET_CAN_FILTER, VIRTIO_NET_F_CTRL_RX},
        {VDRV_NET_CAN_FILTER_X, VIRTIO_NET_F_CTRL_RX_EXTRA},
        {VDRV_NET_CAN_VLAN, VIRTIO_NET_F_CTRL_VLAN},
        {VDRV_NET_CAN_SET_MAC, VIRTIO_NET_F_CTRL_MAC_ADDR},
        {VDRV_NET_CAN_ANNOUNCE, VIRTIO_NET_F_GUEST_ANNOUNCE},
        {VDRV_NET_CAN_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS},
        {VDRV_NET_CAN_RSS, VIRTIO_NET_F_RSS},
        {VDRV_NET_CAN_COALESCE, VIRTIO_NET_F_NOTF_COAL},
        {VDRV_NET_CAN_COALESCE_1, VIRTIO_NET_F_VQ_NOTF_COAL},
        {VDRV_NET_CAN_QUEUE_STATS, VIRTIO_NET_F_DEVICE_STATS},
        {VDRV_NET_CAN_PAIRS, VIRTIO_NET_F_MQ},
    };
    uint32_t can = 0;

    for (uint32_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (vdrv_feature(features, bits[i].bit))
            can |= bits[i].can;
    }
    return can;
}

/* 5.1.4.1: a device with less than these limits is not asked for hashes. */
static void validate_hash(const uint8_t *config, const uint64_t features[2],
                          struct vdrv_net_info *info)
{
    uint32_t table = vdrv__get16(config + VIRTIO_NET_CFG_RSS_TABLE);

    if (!vdrv_feature(features, VIRTIO_NET_F_RSS) &&
        !vdrv_feature(features, VIRTIO_NET_F_HASH_REPORT))
        return;
    if (config[VIRTIO_NET_CFG_RSS_KEY] >= VIRTIO_NET_KEY_MIN) {
        info->rss_key = config[VIRTIO_NET_CFG_RSS_KEY];
        info->hash_types =
            vdrv__get32(config + VIRTIO_NET_CFG_HASHES) & VIRTIO_NET_HASH_TYPES;
    }
    if (!vdrv_feature(features, VIRTIO_NET_F_RSS) || info->rss_key == 0)
        table = 0;
    if (table > VDRV__NET_TABLE_MAX)
        table = VDRV__NET_TABLE_MAX;
    while ((table & (table - 1)) != 0)
        table &= table - 1;
    info->rss_table = table;
    if (table == 0)
        info->controls &= ~VDRV_NET_CAN_RSS;
}

/* 5.1.4.1: how many pairs the device has. */
static uint32_t device_pairs(const uint8_t *config, const uint64_t features[2])
{
    uint32_t pairs = vdrv__get16(config + VIRTIO_NET_CFG_MAX_PAIRS);

    if (!vdrv_feature(features, VIRTIO_NET_F_MQ) &&
        !vdrv_feature(features, VIRTIO_NET_F_RSS))
        return 1;
    if (pairs == 0)
        return 1;
    return pairs < VIRTIO_NET_PAIRS_MAX ? pairs : VIRTIO_NET_PAIRS_MAX;
}

/* 5.1.6: the highest feature sets the size. */
static uint32_t header_len(const uint64_t features[2])
{
    if (vdrv_feature(features, VIRTIO_NET_F_HASH_REPORT))
        return VIRTIO_NET_HDR_SIZE_HASH;
    if (!vdrv_feature(features, VIRTIO_F_VERSION_1) &&
        !vdrv_feature(features, VIRTIO_NET_F_MRG_RXBUF))
        return VIRTIO_NET_HDR_SIZE_OLD; /* legacy */
    return VIRTIO_NET_HDR_SIZE;
}

/* 5.1.6.3.1, 5.1.4.2: what a receive buffer must hold, header apart. */
static uint32_t rx_buf_min(const struct vdrv_net_info *info)
{
    if (info->mergeable)
        return MERGED_MIN;
    if ((info->offloads & VDRV__NET_RX_GSO) != 0)
        return VIRTIO_NET_FRAME_GSO;
    return info->max_frame > VIRTIO_NET_FRAME ? info->max_frame
                                              : VIRTIO_NET_FRAME;
}

int vdrv__net_validate_config(const uint8_t *config, const uint64_t features[2],
                              struct vdrv_net_info *info,
                              uint8_t mac[VDRV_NET_MAC_SIZE], const char **why)
{
    info->mtu = MTU_DEFAULT;
    if (vdrv_feature(features, VIRTIO_NET_F_MTU)) {
        info->mtu = vdrv__get16(config + VIRTIO_NET_CFG_MTU);
        if (info->mtu < VIRTIO_NET_MTU_MIN) {
            *why = "the device's MTU is below 68";
            return VDRV_ERR_PROTOCOL;
        }
    }
    if (vdrv_feature(features, VIRTIO_NET_F_MAC)) {
        if (!vdrv__net_mac_valid(config + VIRTIO_NET_CFG_MAC)) {
            *why = "the device's address is zero or a multicast address";
            return VDRV_ERR_PROTOCOL;
        }
        memcpy(mac, config + VIRTIO_NET_CFG_MAC, VDRV_NET_MAC_SIZE);
    }
    info->max_frame = info->mtu + VDRV_NET_HEADER_SIZE;
    info->mergeable = vdrv_feature(features, VIRTIO_NET_F_MRG_RXBUF) ? 1 : 0;
    info->offloads = vdrv__net_offloads(features);
    info->controls = controls(features);
    info->max_pairs = device_pairs(config, features);
    info->rx_buf_min = rx_buf_min(info);
    info->header_len = header_len(features);
    validate_hash(config, features, info);
    vdrv__net_validate_link(config, features, info);
    return VDRV_OK;
}
