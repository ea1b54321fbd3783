/* SPDX-License-Identifier: MIT */
/*
 * A network card without hardware: what is sent is received.  It implements
 * the network trait with nothing of the virtio driver's, as a user's own
 * driver would.
 */
#ifndef LOOPBACK_NIC_H
#define LOOPBACK_NIC_H

#include <virtio_drv/net.h>

#define LOOPBACK_SLOTS 8u

struct loopback_nic {
    struct vdrv_net net; /* first */
    struct vdrv_net_buf *empty[LOOPBACK_SLOTS];
    struct vdrv_net_buf *full[LOOPBACK_SLOTS];
    uint32_t nempty, nfull, first;
};

void loopback_nic_init(struct loopback_nic *nic);

#endif
