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

/* 5.1.6.3.1, 5.1.4.2: what a receive buffer must hold, header apart. */
static uint32_t rx_buf_min(const struct vdrv_net_info *info)
{
    if (info->mergeable)
        return MERGED_MIN;
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
    info->rx_buf_min = rx_buf_min(info);
    info->header_len = VIRTIO_NET_HDR_SIZE;
    if (!vdrv_feature(features, VIRTIO_F_VERSION_1) && !info->mergeable)
        info->header_len = VIRTIO_NET_HDR_SIZE_OLD; /* 5.1.6, legacy */
    if (vdrv_feature(features, VIRTIO_NET_F_CSUM))
        info->offloads |= VDRV_NET_CAN_TX_CSUM;
    if (vdrv_feature(features, VIRTIO_NET_F_GUEST_CSUM))
        info->offloads |= VDRV_NET_CAN_RX_CSUM;
    vdrv__net_validate_link(config, features, info);
    return VDRV_OK;
}
