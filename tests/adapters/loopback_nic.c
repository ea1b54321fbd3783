/* SPDX-License-Identifier: MIT */
/* A card that receives what it sends: see loopback_nic.h. */
#include "loopback_nic.h"

#include <string.h>

static struct loopback_nic *nic_of(struct vdrv_net *net)
{
    return (struct loopback_nic *)(void *)net;
}

static int mac_address(const struct vdrv_net *net, uint8_t mac[6])
{
    static const uint8_t address[6] = {2, 'l', 'o', 'o', 'p', 0};

    (void)net;
    memcpy(mac, address, 6);
    return VDRV_OK;
}

static int recycle_rx_buffer(struct vdrv_net *net, uint32_t pair,
                             struct vdrv_net_buf *buf)
{
    struct loopback_nic *nic = nic_of(net);

    (void)pair;
    if (nic->nempty == LOOPBACK_SLOTS)
        return VDRV_ERR_AGAIN;
    nic->empty[nic->nempty++] = buf;
    return VDRV_OK;
}

static int transmit(struct vdrv_net *net, uint32_t pair,
                    struct vdrv_net_buf *buf)
{
    struct loopback_nic *nic = nic_of(net);
    struct vdrv_net_buf *to;

    (void)pair;
    if (nic->nempty == 0 || nic->nfull == LOOPBACK_SLOTS)
        return VDRV_ERR_AGAIN;
    to = nic->empty[nic->nempty - 1];
    if (vdrv_net_buf_total(buf) > to->capacity - to->headroom)
        return VDRV_ERR_TOO_BIG;
    nic->nempty--;
    to->data = to->mem + to->headroom;
    to->len = 0;
    for (const struct vdrv_net_buf *b = buf; b != NULL; b = b->next) {
        memcpy(to->data + to->len, b->data, b->len);
        to->len += b->len;
    }
    nic->full[(nic->first + nic->nfull++) % LOOPBACK_SLOTS] = to;
    vdrv_net_buf_release(buf);
    return VDRV_OK;
}

static int receive(struct vdrv_net *net, uint32_t pair,
                   struct vdrv_net_buf **buf)
{
    struct loopback_nic *nic = nic_of(net);

    (void)pair;
    if (nic->nfull == 0)
        return VDRV_ERR_AGAIN;
    *buf = nic->full[nic->first++ % LOOPBACK_SLOTS];
    nic->nfull--;
    return VDRV_OK;
}

void loopback_nic_init(struct loopback_nic *nic)
{
    static const struct vdrv_net_ops ops = {
        .mac_address = mac_address,
        .recycle_rx_buffer = recycle_rx_buffer,
        .transmit = transmit,
        .receive = receive,
    };

    memset(nic, 0, sizeof(*nic));
    vdrv_net_setup(&nic->net, &ops);
}
