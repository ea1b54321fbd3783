/* SPDX-License-Identifier: MIT */
/* The checks of what a network device says of itself. */
#ifndef VDRV_NET_CONFIG_H
#define VDRV_NET_CONFIG_H

#include <virtio_drv/net.h>
#include <virtio_drv/transport.h>

/*
 * Link state, speed and duplex from a configuration image, into `info`; the
 * parts that change while a device runs.
 */
void vdrv__net_validate_link(const uint8_t *config, const uint64_t features[2],
                             struct vdrv_net_info *info);

/*
 * Everything, into `info` and `mac`, which stays as it is when the device has
 * no address.  PROTOCOL, and `*why`: it makes no sense.
 */
int vdrv__net_validate_config(const uint8_t *config, const uint64_t features[2],
                              struct vdrv_net_info *info,
                              uint8_t mac[VDRV_NET_MAC_SIZE], const char **why);

/* The feature bits that VDRV_NET_CAN_TX_* and _RX_* stand for, and back. */
uint64_t vdrv__net_offload_features(uint32_t offloads);
uint32_t vdrv__net_offloads(const uint64_t features[2]);

/* Those of VDRV_NET_CAN_* that make frames larger than the MTU. */
#define VDRV__NET_RX_GSO                                                       \
    (VDRV_NET_CAN_RX_TSO4 | VDRV_NET_CAN_RX_TSO6 | VDRV_NET_CAN_RX_UFO |       \
     VDRV_NET_CAN_RX_USO4 | VDRV_NET_CAN_RX_USO6)
#define VDRV__NET_TX_GSO                                                       \
    (VDRV_NET_CAN_TX_TSO4 | VDRV_NET_CAN_TX_TSO6 | VDRV_NET_CAN_TX_UFO |       \
     VDRV_NET_CAN_TX_USO)

/* Entries of an RSS table that a command has room for. */
#define VDRV__NET_TABLE_MAX 512u

/* An address that a card can have: not zero, not for a group. */
bool vdrv__net_mac_valid(const uint8_t mac[VDRV_NET_MAC_SIZE]);

#endif
