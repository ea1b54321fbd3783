/* SPDX-License-Identifier: MIT */
/*
 * An lwIP network interface over any card: see lwip_netif.h.  Received frames
 * are custom pbufs over the card's buffers, which go back to their pool when
 * the stack frees them, from whatever thread.  Frames to be sent are copied to
 * a buffer of the card's transmit pool: the stack may go on with its own.
 */
#include "lwip_netif.h"

#include <lwip/etharp.h>
#include <lwip/tcpip.h>
#include <lwip/timeouts.h>

#define TICK 50u /* ms: reclaims what an idle sender has sent */

static void rx_free(struct pbuf *p)
{
    vdrv_net_pool_put(((struct lwip_card_rx *)(void *)p)->buf);
}

static err_t output(struct netif *netif, struct pbuf *p)
{
    struct lwip_card *card = netif->state;
    struct vdrv_net_buf *buf;

    if (vdrv_net_alloc_tx_buffer(card->net, 0, p->tot_len, &buf) != VDRV_OK)
        return ERR_MEM; /* TCP keeps it and tries again */
    (void)pbuf_copy_partial(p, buf->data, p->tot_len, 0);
    if (vdrv_net_transmit(card->net, 0, buf) == VDRV_OK)
        return ERR_OK;
    vdrv_net_buf_release(buf);
    return ERR_MEM;
}

static void input(struct lwip_card *card, struct vdrv_net_buf *buf)
{
    struct lwip_card_rx *rx = buf->user;
    struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, (u16_t)buf->len, PBUF_REF,
                                         &rx->p, buf->data, (u16_t)buf->len);

    if (card->netif->input(p, card->netif) != ERR_OK)
        pbuf_free(p);
}

/* In the stack's thread. */
static void poll(void *arg)
{
    struct lwip_card *card = arg;
    struct vdrv_net_buf *buf;

    do {
        while (vdrv_net_receive(card->net, 0, &buf) == VDRV_OK)
            input(card, buf);
    } while (vdrv_arm(&card->net->dev, vdrv_net_rx_queue(0), VDRV_ARM_NEXT) ==
             1);
    (void)vdrv_net_recycle_tx_buffers(card->net, 0);
}

static void tick(void *arg)
{
    poll(arg);
    sys_timeout(TICK, tick, arg);
}

void lwip_card_interrupt(struct lwip_card *card)
{
    if (vdrv_irq(&card->net->dev, 0) != 0)
        (void)tcpip_try_callback(poll, card); /* if it is full: tick */
}

err_t lwip_card_init(struct netif *netif)
{
    struct lwip_card *card = netif->state;
    struct vdrv_net_info info;

    if (vdrv_net_get_info(card->net, &info) != VDRV_OK ||
        vdrv_net_mac_address(card->net, netif->hwaddr) != VDRV_OK)
        return ERR_IF;
    netif->hwaddr_len = VDRV_NET_MAC_SIZE;
    netif->mtu = (u16_t)info.mtu;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
                   NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    netif->name[0] = 'v';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = output;
    card->netif = netif;
    for (unsigned i = 0; i < LWIP_CARD_RX; i++) {
        card->rx[i].p.custom_free_function = rx_free;
        card->rx[i].buf = &card->rx_bufs[i];
        card->rx_bufs[i].user = &card->rx[i];
    }
    tick(card);
    return ERR_OK;
}

void lwip_card_fini(struct lwip_card *card)
{
    sys_untimeout(tick, card);
}
