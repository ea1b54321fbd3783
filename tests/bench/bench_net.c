/* SPDX-License-Identifier: MIT */
/*
 * Instructions and nanoseconds per packet of the network driver, in bursts and
 * with the header in the buffer's headroom.  Sending: a burst is transmitted,
 * and the one before is released to the caller's list in the same call.
 * Receiving: a burst is received and posted again.  The device answers between
 * the counted functions, which are those named drv_*.
 *
 *     bench_net <tx|rx> <split|packed> <batch> <packets>
 *
 * prints "packets ns-per-packet".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/virtio_net.h>

#include "bench_device.h"

#define MAX_BATCH 32u
#define BUFS      64u
#define STRIDE    2048u

static struct vdrv_virtio_net nic;
static struct vdrv_net_buf buf[BUFS];
static uint8_t memory[BUFS][STRIDE] __attribute__((aligned(64)));
static struct vdrv_net_buf *spare[BUFS];
static unsigned nspare;

__attribute__((noinline)) int drv_send(struct vdrv_net *net, unsigned batch);
__attribute__((noinline)) int drv_receive(struct vdrv_net *net, unsigned batch);

static void on_release(struct vdrv_net_buf *b)
{
    spare[nspare++] = b;
}

int drv_send(struct vdrv_net *net, unsigned batch)
{
    nspare -= batch;
    return vdrv_net_transmit_burst(net, 0, spare + nspare, batch, 0);
}

int drv_receive(struct vdrv_net *net, unsigned batch)
{
    struct vdrv_net_buf *got[MAX_BATCH];
    const int n = vdrv_net_receive_burst(net, 0, got, batch);

    return n > 0 ? vdrv_net_recycle_rx_burst(net, 0, got, (uint32_t)n, 0) : n;
}

static void make(bool sends, bool packed)
{
    static uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, 256, 16) / 8 + 1];
    static struct vdrv_transport t;
    struct vdrv_virtio_net_config cfg = {
        .work = work, .work_size = sizeof(work), .mac = {2, 0, 0, 0, 0, 1}};

    if (packed) {
        bench_features |= BENCH_PACKED;
        cfg.packed = &vdrv_queue_packed;
    }
    bench_queue = sends ? 1 : 0;
    bench_transport(&t, VDRV_VIRTIO_NET_ID, 256);
    if (vdrv_virtio_net_init(&nic, &t, &cfg) != VDRV_OK)
        exit(1);
    for (unsigned i = 0; i < BUFS; i++) {
        vdrv_net_buf_init(&buf[i], memory[i], STRIDE, VDRV_NET_HEADROOM);
        buf[i].len = 1500;
        buf[i].release = on_release;
        spare[nspare++] = &buf[i];
    }
}

int main(int argc, char **argv)
{
    struct timespec a, b;
    unsigned batch, total;
    bool sends;

    if (argc < 5)
        return 2;
    sends = strcmp(argv[1], "tx") == 0;
    batch = (unsigned)atoi(argv[3]);
    total = (unsigned)atoi(argv[4]);
    if (batch < 1 || batch > MAX_BATCH)
        return 2;
    make(sends, strcmp(argv[2], "packed") == 0);
    if (!sends &&
        vdrv_net_recycle_rx_burst(&nic.net, 0, spare, batch, 0) != (int)batch)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (unsigned done = 0; done < total; done += batch) {
        if (!sends)
            bench_answer();
        if ((sends ? drv_send(&nic.net, batch)
                   : drv_receive(&nic.net, batch)) != (int)batch)
            abort();
        if (sends)
            bench_answer();
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%u %.2f\n", total,
           ((double)(b.tv_sec - a.tv_sec) * 1e9 +
            (double)(b.tv_nsec - a.tv_nsec)) /
               total);
    return 0;
}
