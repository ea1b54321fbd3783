/* SPDX-License-Identifier: MIT */
/*
 * The demo's network cards: each has a responder behind it, which answers ARP,
 * ping, UDP echo and HTTP.  Frames are received and answered from pool buffers
 * without a copy on the way in.  The page is the table of devices and what was
 * counted so far, so demo.py can compare it with the last words here.
 */
#include "demo.h"
#include "responder.h"

#include <virtio_drv/virtio_net.h>

#define NICS  2u
#define QUEUE 64u
#define IP    0x0a00020fu /* 10.0.2.15, where QEMU's user network looks */
#define BURST 16u

static struct nic {
    struct vdrv_virtio_net nic;
    struct demo_device *at;
    struct demo *demo;
    uint32_t number;
    uint32_t lost; /* answers for which there was no buffer, or no room */
    struct responder responder;
    struct vdrv_net_info info;
    struct vdrv_net_pool pool[2]; /* receive, transmit */
    struct vdrv_net_buf bufs[2][QUEUE];
    uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, DEMO_DEVICE_QUEUE, 16) / 8 + 1];
    uint8_t mem[2][VDRV_NET_POOL_SIZE(QUEUE, VDRV_NET_POOL_FRAME)]
        __attribute__((aligned(64)));
} nics[NICS];
static uint32_t nnics;

static int make_pools(struct nic *n, struct vdrv_virtio_net_config *cfg)
{
    int err = VDRV_OK;

    for (uint32_t i = 0; i < 2 && err == VDRV_OK; i++) {
        struct vdrv_net_pool_config pool = {0};

        pool.bufs = n->bufs[i];
        pool.count = QUEUE;
        pool.mem = n->mem[i];
        pool.mem_size = sizeof(n->mem[i]);
        err = vdrv_net_pool_init(&n->pool[i], &pool);
    }
    cfg->rx_pool[0] = &n->pool[0];
    cfg->tx_pool[0] = &n->pool[1];
    return err;
}

static size_t page(void *ctx, char *buf, size_t cap);

int demo_net_attach(struct demo *d, struct demo_device *dev)
{
    struct nic *n = &nics[nnics];
    struct vdrv_virtio_net_config cfg = {0};
    uint8_t mac[VDRV_NET_MAC_SIZE];
    int err;

    if (nnics == NICS)
        return VDRV_ERR_NO_MEMORY;
    cfg.work = n->work;
    cfg.work_size = sizeof(n->work);
    cfg.queue_size = QUEUE;
    cfg.vectors = dev->nvectors;
    cfg.packed = d->packed;
    cfg.rx_headroom = 1; /* pool buffers have it */
    err = make_pools(n, &cfg);
    if (err == VDRV_OK)
        err = vdrv_virtio_net_init(&n->nic, dev->transport, &cfg);
    if (err != VDRV_OK)
        return err;
    vdrv_net_get_info(&n->nic.net, &n->info);
    vdrv_net_mac_address(&n->nic.net, mac);
    responder_init(&n->responder, mac, IP);
    responder_set_page(&n->responder, page, n);
    if (n->info.offloads & VDRV_NET_CAN_TX_CSUM)
        n->responder.flags |= RESPONDER_TX_PARTIAL;
    n->at = dev;
    n->demo = d;
    n->number = nnics++;
    dev->dev = &n->nic.net.dev;
    return VDRV_OK;
}

/* ---- What it says ---------------------------------------------------------- */

static void say_counters(const struct nic *n, const struct ksink *to)
{
    const struct responder_counters *c = &n->responder.count;

    kformat(
        to,
        "nic %u: in %lu out %lu arp %lu icmp %lu udp %lu tcp %lu http %lu "
        "resent %lu ignored %lu bad %lu lost %u\n",
        n->number, (unsigned long)c->frames_in, (unsigned long)c->frames_out,
        (unsigned long)c->arp, (unsigned long)c->icmp, (unsigned long)c->udp,
        (unsigned long)c->tcp, (unsigned long)c->http, (unsigned long)c->resent,
        (unsigned long)c->ignored, (unsigned long)c->bad, n->lost);
}

struct text {
    char *buf;
    size_t cap, len;
};

static void put_text(void *ctx, char c)
{
    struct text *t = ctx;

    if (t->len < t->cap)
        t->buf[t->len++] = c;
}

static size_t page(void *ctx, char *buf, size_t cap)
{
    const struct nic *n = ctx;
    struct text t = {buf, cap, 0};
    const struct ksink to = {put_text, &t};

    kformat(&to,
            "<!doctype html><html><head><title>libvirtio_drv</title></head>"
            "<body style=\"background:#0c1026;color:#d8e4ff\">\n"
            "<h1>libvirtio_drv on %s</h1>\n<pre>\n",
            n->demo->p->machine);
    demo_bus_table(n->demo, &to);
    for (uint32_t i = 0; i < nnics; i++)
        say_counters(&nics[i], &to);
    kformat(&to, "</pre></body></html>\n");
    return t.len;
}

void demo_net_run(struct demo *d)
{
    for (uint32_t i = 0; i < nnics; i++) {
        const struct nic *n = &nics[i];
        const uint8_t *m = n->responder.mac;

        kprintf("net-up: %s, mac %02x:%02x:%02x:%02x:%02x:%02x, link %s, "
                "mtu %u, ip 10.0.2.15\n",
                n->at->transport->location, m[0], m[1], m[2], m[3], m[4], m[5],
                vdrv_net_link_up(&n->nic.net) ? "up" : "down", n->info.mtu);
    }
    if (nnics == 0)
        demo_skip(d, "net", "no network card was found");
}

/* ---- Frames ---------------------------------------------------------------- */

static void emit(void *ctx, const uint8_t *frame, size_t len)
{
    struct nic *n = ctx;
    struct vdrv_net *net = &n->nic.net;
    struct vdrv_net_buf *buf;

    vdrv_net_recycle_tx_buffers(net, 0);
    if (vdrv_net_alloc_tx_buffer(net, 0, (uint32_t)len, &buf) != VDRV_OK) {
        n->lost++;
        return;
    }
    memcpy(buf->data, frame, len);
    if ((n->responder.flags & RESPONDER_TX_PARTIAL) &&
        responder_csum_place(frame, len, &buf->csum_start, &buf->csum_offset))
        buf->flags |= VDRV_NET_CSUM_PARTIAL;
    if (vdrv_net_transmit(net, 0, buf) != VDRV_OK) {
        vdrv_net_buf_release(buf);
        n->lost++;
    }
}

/* Returns how many frames came, or an error. */
static int receive(struct nic *n)
{
    struct vdrv_net *net = &n->nic.net;
    struct vdrv_net_buf *got[BURST];
    int count = vdrv_net_receive_burst(net, 0, got, BURST);

    for (int i = 0; i < count; i++) {
        /* no frame of this MTU is longer than a buffer */
        if (got[i]->next)
            n->lost++;
        else
            responder_input(&n->responder, got[i]->data, got[i]->len, emit, n);
        vdrv_net_recycle_frame(net, 0, got[i]);
    }
    return count;
}

/* True: nothing to do, and an interrupt will tell when there is. */
static bool serve(struct demo *d, struct nic *n)
{
    int count = receive(n);

    responder_tick(&n->responder, d->p->now_us(), emit, n);
    if (count == 0 && d->irq)
        count = vdrv_arm(&n->nic.net.dev, vdrv_net_rx_queue(0), VDRV_ARM_NEXT);
    if (count < 0) {
        demo_fail(d, n->at->transport->location, vdrv_strerror(count));
        vdrv_reset(&n->nic.net.dev);
    }
    return count == 0;
}

bool demo_net_serve(struct demo *d)
{
    bool idle = true;

    for (uint32_t i = 0; i < nnics; i++)
        idle = serve(d, &nics[i]) && idle;
    return idle;
}

void demo_net_fini(struct demo *d)
{
    for (uint32_t i = 0; i < nnics; i++) {
        struct nic *n = &nics[i];
        int err;

        say_counters(n, &kconsole);
        err = vdrv_virtio_net_fini(&n->nic);
        if (err != VDRV_OK)
            demo_fail(d, "net-end", vdrv_strerror(err));
        for (uint32_t k = 0; k < 2; k++)
            if (vdrv_net_pool_free(&n->pool[k]) != QUEUE)
                demo_fail(d, "net-end", "buffers are missing in a pool");
    }
    nnics = 0;
}
