/* SPDX-License-Identifier: MIT */
/*
 * An lwIP network interface over any card of the net trait, receiving without copies.
 *
 *     card.net = &nic.net;
 *     card.rx_bufs = bufs;         the headers of the card's receive pool
 *     netif_add(&netif, ..., &card, lwip_card_init, ethernet_input);
 *
 * lwIP's core lock is what makes callers of the card one at a time; only
 * lwip_card_interrupt() needs no lock.
 */
#ifndef LWIP_NETIF_H
#define LWIP_NETIF_H

#include <virtio_drv/net.h>

#include <lwip/netif.h>
#include <lwip/pbuf.h>

#define LWIP_CARD_RX 128u /* buffers of the receive pool */

struct lwip_card_rx {
    struct pbuf_custom p; /* first */
    struct vdrv_net_buf *buf;
};

struct lwip_card {
    struct vdrv_net *net;
    struct vdrv_net_buf *rx_bufs; /* LWIP_CARD_RX of them */
    /* Private. */
    struct netif *netif;
    struct lwip_card_rx rx[LWIP_CARD_RX];
};

err_t lwip_card_init(struct netif *netif);
void lwip_card_interrupt(struct lwip_card *card);
/* Before netif_remove(): under the core lock. */
void lwip_card_fini(struct lwip_card *card);

#endif
