/* SPDX-License-Identifier: MIT */
/*
 * Packets per second against a real backend, over vhost-user: the library's
 * network driver sends or receives as fast as it can, polling, 32 frames at a
 * time, as DPDK's testpmd does with its own driver.
 *
 *     bench_vhost_net <socket> <tx|rx> <milliseconds> [packed] [in_order]
 *                     [merge] [length]
 *
 * prints "packets-per-second kicks-per-packet".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/virtio_net.h>

#include "vhost_user.h"

#define BURST       32u
#define BUFS        1024u
#define STRIDE      2048u
#define CONFIG_SIZE 12u

/* Offered by a vhost, but of the front end's making: there is none here. */
#define F_CTRL_VQ  (UINT64_C(1) << 17)
#define F_MQ       (UINT64_C(1) << 22)
#define F_MTU      (UINT64_C(1) << 3)
#define F_MAC      (UINT64_C(1) << 5)
#define F_STATUS   (UINT64_C(1) << 16)
#define F_MERGE    (UINT64_C(1) << 15)
#define F_ANNOUNCE (UINT64_C(1) << 21)
#define F_PACKED   (UINT64_C(1) << 34)
#define F_IN_ORDER (UINT64_C(1) << 35)

static struct vhost_user vhost;
static struct vdrv_virtio_net nic;
static struct vdrv_net_buf buf[BUFS];
static struct vdrv_net_buf *spare[BUFS];
static uint32_t nspare;
static uint64_t packets;
static uint32_t length = 64;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what, int err)
{
    fprintf(stderr, "bench_vhost_net: %s: %s\n", what, vdrv_strerror(err));
    exit(1);
}

static void on_release(struct vdrv_net_buf *b)
{
    spare[nspare++] = b;
}

static void make_buffers(void)
{
    uint8_t *mem = vhost_user_alloc(&vhost, (size_t)BUFS * STRIDE, 4096);

    for (uint32_t i = 0; i < BUFS; i++) {
        vdrv_net_buf_init(&buf[i], mem + (size_t)i * STRIDE, STRIDE,
                          VDRV_NET_HEADROOM);
        buf[i].release = on_release;
        spare[nspare++] = &buf[i];
        memset(buf[i].data, 0xff, 6);
        memcpy(buf[i].data + 6, "\2vdrv\1\x08", 7);
    }
}

static void send_some(void)
{
    struct vdrv_net_buf *some[BURST];
    uint32_t n = 0;
    int sent;

    if (nspare < BURST) {
        vdrv_net_recycle_tx_buffers(&nic.net, 0);
        if (nspare < BURST)
            return;
    }
    for (; n < BURST; n++) {
        some[n] = spare[nspare - 1 - n];
        some[n]->len = length;
    }
    nspare -= n;
    sent = vdrv_net_transmit_burst(&nic.net, 0, some, n, 0);
    if (sent < 0 && sent != VDRV_ERR_AGAIN)
        fail("transmit", sent);
    for (uint32_t i = sent < 0 ? 0 : (uint32_t)sent; i < n; i++)
        spare[nspare++] = some[i];
    packets += sent < 0 ? 0 : (uint64_t)sent;
}

static void receive_some(void)
{
    struct vdrv_net_buf *some[BURST];
    const int n = vdrv_net_receive_burst(&nic.net, 0, some, BURST);
    int posted;

    if (n < 0)
        fail("receive", n);
    if (n == 0)
        return;
    packets += (uint32_t)n;
    posted = vdrv_net_recycle_rx_burst(&nic.net, 0, some, (uint32_t)n, 0);
    if (posted != n)
        fail("post", posted);
}

static void post_all(void)
{
    while (nspare > 0 && vdrv_net_recycle_rx_buffer(
                             &nic.net, 0, spare[nspare - 1]) == VDRV_OK)
        nspare--;
}

static int open_card(bool packed, bool in_order)
{
    static uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, 1024, 16) / 8 + 1];
    struct vdrv_virtio_net_config cfg = {
        .work = work,
        .work_size = sizeof(work),
        .queue_size = 1024,
        .mac = {2, 'v', 'd', 'r', 'v', 1},
        .rx_headroom = 1,
        .packed =
            packed ? in_order ? &vdrv_queue_packed_in_order : &vdrv_queue_packed
                   : NULL,
        .in_order = in_order ? &vdrv_queue_split_in_order : NULL,
    };

    return vdrv_virtio_net_init(&nic, &vhost.transport, &cfg);
}

int main(int argc, char **argv)
{
    bool packed = false, merge = false, in_order = false, tx;
    double start, now, limit;
    int err;

    if (argc < 4)
        return 2;
    tx = strcmp(argv[2], "tx") == 0;
    limit = atof(argv[3]) / 1000;
    for (int i = 4; i < argc; i++) {
        packed = packed || strcmp(argv[i], "packed") == 0;
        in_order = in_order || strcmp(argv[i], "in_order") == 0;
        merge = merge || strcmp(argv[i], "merge") == 0;
        if (atoi(argv[i]) >= 14)
            length = (uint32_t)atoi(argv[i]);
    }
    if (vhost_user_open(&vhost, argv[1], VDRV_VIRTIO_NET_ID, CONFIG_SIZE,
                        16u << 20) != 0)
        return 1;
    vhost.queues = 2;
    vhost.features &= ~(F_CTRL_VQ | F_MQ | F_MTU | F_MAC | F_STATUS |
                        F_ANNOUNCE | (packed ? 0 : F_PACKED) |
                        (in_order ? 0 : F_IN_ORDER) | (merge ? 0 : F_MERGE));
    err = open_card(packed, in_order);
    if (err != VDRV_OK)
        fail("init", err);
    if ((vhost.transport.features[0] & (F_PACKED | F_IN_ORDER | F_MERGE)) !=
        ((packed ? F_PACKED : 0) | (in_order ? F_IN_ORDER : 0) |
         (merge ? F_MERGE : 0)))
        fail("not the mode that was asked for", VDRV_ERR_UNSUPPORTED);
    make_buffers();
    if (!tx)
        post_all();
    start = now = seconds();
    for (uint32_t turns = 0; now - start < limit; turns++) {
        if (tx)
            send_some();
        else
            receive_some();
        if (turns % 256 == 0)
            now = seconds();
    }
    printf("%.0f %.4f\n", (double)packets / (now - start),
           (double)vhost.kicks[tx ? 1 : 0] / (double)(packets + !packets));
    vdrv_virtio_net_fini(&nic);
    return 0;
}
