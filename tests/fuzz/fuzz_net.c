/* SPDX-License-Identifier: MIT */
/*
 * The network driver against a device whose behaviour is the input: one
 * harness that receives, one that sends.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/virtio_net.h>

#define BUFS  16u
#define MINE  8u /* buffers of no pool */
#define ROOM  1600u
#define FRAME 60u /* what a good device receives */
#define NMEM  (VDRV_NET_POOL_SIZE(BUFS, VDRV_NET_POOL_FRAME))

static struct vdrv_virtio_net nic;
static struct vdrv_net_pool rx_pool, tx_pool;
static struct vdrv_net_buf rx_bufs[BUFS], tx_bufs[BUFS], mine[MINE];
static uint32_t mine_out; /* the driver's, one bit each */
static uint8_t *mine_mem[MINE];
static void *rx_mem, *tx_mem, *work;
static struct fuzz_machine *machine;
static uint32_t received;

static const uint8_t config[] = {
    0x52, 0x54, 0, 1, 2, 3, /* MAC */
    1,    0,    1, 0,       /* link up, one pair */
    0xdc, 5,                /* MTU 1500 */
    0xe8, 3,    0, 0, 1,    /* 1000 Mbit/s, full duplex */
};

/* A frame of zeros but for a byte in the input now and then. */
static uint32_t answer(struct fuzz_machine *m, uint32_t queue,
                       struct fuzz_chain *c)
{
    static const uint8_t header[12] = {[10] = 1};

    if ((queue & 1u) != 0 || c->in == 0)
        return 0;
    fuzz_put(c, 0, header, sizeof(header));
    fuzz_fill(c, 12, 0x33, FRAME);
    (void)m;
    return 12 + FRAME < c->in ? 12 + FRAME : c->in;
}

static void released(struct vdrv_net_buf *buf)
{
    const uint32_t i = (uint32_t)(buf - mine);

    FUZZ_CHECK(i < MINE && (mine_out >> i & 1u) != 0);
    FUZZ_CHECK(!fuzz_owned(machine, mine_mem[i], ROOM));
    mine_out &= ~(1u << i);
}

static void make_pool(struct vdrv_net_pool *pool, struct vdrv_net_buf *bufs,
                      void **mem)
{
    struct vdrv_net_pool_config cfg = {.bufs = bufs, .count = BUFS};

    FUZZ_CHECK(posix_memalign(mem, 64, NMEM) == 0);
    cfg.mem = *mem;
    cfg.mem_size = NMEM;
    FUZZ_CHECK(vdrv_net_pool_init(pool, &cfg) == VDRV_OK);
}

static int init(struct fuzz_machine *m, struct vdrv_transport *t)
{
    const uint8_t how = fuzz_u8(&m->in);
    struct vdrv_virtio_net_config cfg = {
        .queue_size = 8u << (how & 1u),
        .max_segs = 4,
        .timeout_us = 400000,
        .rx_offloads = (how & 2u) != 0 ? 0x01ff0000u : 0,
        .mac = {2, 0, 0, 0, 0, 7},
        .rx_headroom = how >> 2 & 1u,
        .no_mtu = how >> 3 & 1u,
        .no_indirect = how >> 4 & 1u,
        .no_event_idx = how >> 5 & 1u,
    };

    machine = m;
    mine_out = 0;
    make_pool(&rx_pool, rx_bufs, &rx_mem);
    make_pool(&tx_pool, tx_bufs, &tx_mem);
    for (uint32_t i = 0; i < MINE; i++)
        mine_mem[i] = malloc(ROOM);
    cfg.rx_pool[0] = (how & 64u) == 0 ? &rx_pool : NULL;
    cfg.tx_pool[0] = &tx_pool;
    cfg.work_size = vdrv_virtio_net_work_size(t, &cfg);
    work = malloc(cfg.work_size + 1);
    cfg.work = work;
    return vdrv_virtio_net_init(&nic, t, &cfg);
}

/* ---- Receive --------------------------------------------------------------- */

/* What is delivered must lie in its own memory, and its offsets in it. */
static void check_frame(const struct vdrv_net_buf *frame)
{
    const uint32_t total = vdrv_net_buf_total(frame);
    uint32_t parts = 0;

    FUZZ_CHECK(total >= VDRV_NET_HEADER_SIZE);
    if ((frame->flags & VDRV_NET_CSUM_PARTIAL) != 0)
        FUZZ_CHECK((uint32_t)frame->csum_start + frame->csum_offset + 2 <=
                   total);
    for (const struct vdrv_net_buf *b = frame; b != NULL; b = b->next) {
        FUZZ_CHECK(++parts <= BUFS + MINE);
        FUZZ_CHECK(b->data >= b->mem && b->len <= b->capacity);
        FUZZ_CHECK(b->data + b->len <= b->mem + b->capacity);
        FUZZ_CHECK(!fuzz_owned(machine, b->mem, b->capacity));
    }
    received++;
}

/* The caller's again: those of no pool are put down, the rest goes back. */
static void give_back(struct vdrv_net_buf *frame, bool again)
{
    if (again) {
        vdrv_net_recycle_frame(&nic.net, 0, frame);
        return;
    }
    vdrv_net_buf_release(frame);
}

static void receive(struct fuzz_machine *m)
{
    struct vdrv_net_buf *frames[4];
    const uint32_t how = fuzz_u8(&m->in);
    const int n =
        vdrv_net_receive_burst(&nic.net, 0, frames, 1 + (how >> 1 & 3u));

    FUZZ_CHECK(n <= 4);
    for (int i = 0; i < n; i++) {
        check_frame(frames[i]);
        give_back(frames[i], (how & 1u) != 0);
    }
}

static void post(struct fuzz_machine *m)
{
    const uint32_t i = fuzz_pick(&m->in, MINE);
    struct vdrv_net_buf *buf = &mine[i];

    if ((mine_out >> i & 1u) != 0)
        return;
    vdrv_net_buf_init(buf, mine_mem[i], ROOM, fuzz_u8(&m->in) & 0x2fu);
    buf->release = released;
    mine_out |= 1u << i;
    if (vdrv_net_recycle_rx_buffer(&nic.net, 0, buf) != VDRV_OK)
        mine_out &= ~(1u << i);
}

static void op_rx(struct fuzz_machine *m, uint32_t op)
{
    uint8_t *small;
    uint32_t size;

    switch (op % 4) {
    case 0:
        receive(m);
        break;
    case 1:
        post(m);
        break;
    case 2:
        size = fuzz_u8(&m->in) * 8u;
        small = malloc(size + 1);
        FUZZ_CHECK(vdrv_net_receive_copy(&nic.net, 0, small, size) <=
                   (int)size);
        free(small);
        break;
    default:
        (void)vdrv_net_can_receive(&nic.net, 0);
        (void)vdrv_net_kick(&nic.net, fuzz_pick(&m->in, 3));
        break;
    }
}

/* ---- Transmit -------------------------------------------------------------- */

/* One to four parts of the caller's own memory, and what is asked of them. */
static void transmit(struct fuzz_machine *m)
{
    const uint32_t first = fuzz_pick(&m->in, MINE);
    const uint32_t parts = 1 + fuzz_pick(&m->in, 5), how = fuzz_u8(&m->in);
    struct vdrv_net_buf *bufs[1];
    uint32_t taken = 0;

    for (uint32_t k = 0; k < parts; k++) {
        const uint32_t i = (first + k) % MINE;
        struct vdrv_net_buf *b = &mine[i];

        if (((mine_out | taken) >> i & 1u) != 0)
            return;
        taken |= 1u << i;
        vdrv_net_buf_init(b, mine_mem[i], ROOM, how & 0x2eu);
        b->len = (how & 64u) != 0 ? 8 + fuzz_u8(&m->in) : 200;
        b->release = released;
        b->next = k + 1 < parts ? &mine[(i + 1) % MINE] : NULL;
    }
    bufs[0] = &mine[first];
    if ((how & 128u) != 0) {
        bufs[0]->flags |= fuzz_u8(&m->in);
        bufs[0]->csum_start = fuzz_u8(&m->in);
        bufs[0]->csum_offset = fuzz_u8(&m->in);
        bufs[0]->gso_type = fuzz_u8(&m->in);
        bufs[0]->gso_size = fuzz_u8(&m->in);
    }
    bufs[0]->flags &= ~VDRV_NET_MAPPED;
    mine_out |= taken;
    if (vdrv_net_transmit_burst(&nic.net, 0, bufs, 1, how & 1u) != 1)
        mine_out &= ~taken;
}

static void pool_frame(struct fuzz_machine *m)
{
    struct vdrv_net_buf *buf;

    if (vdrv_net_alloc_tx_buffer(&nic.net, 0, fuzz_u16(&m->in) % 1600, &buf) !=
        VDRV_OK)
        return;
    memset(buf->data, 0x44, buf->len);
    if (vdrv_net_transmit(&nic.net, 0, buf) != VDRV_OK)
        vdrv_net_buf_release(buf);
}

static void op_tx(struct fuzz_machine *m, uint32_t op)
{
    static const uint8_t frame[64];

    switch (op % 6) {
    case 0:
    case 1:
        transmit(m);
        break;
    case 2:
        pool_frame(m);
        break;
    case 3:
        (void)vdrv_net_send_copy(&nic.net, 0, frame, fuzz_pick(&m->in, 65));
        break;
    case 4:
        (void)vdrv_net_recycle_tx_buffers(&nic.net, 0);
        break;
    default:
        (void)vdrv_net_can_transmit(&nic.net, 0);
        (void)vdrv_net_kick(&nic.net, fuzz_pick(&m->in, 3));
        break;
    }
}

/* ---- Both ------------------------------------------------------------------ */

/* A frame out and, where a pool supplies buffers, one in. */
static void prove(struct fuzz_machine *m)
{
    static const uint8_t frame[64];
    uint8_t buf[ROOM];
    int err;

    FUZZ_CHECK(vdrv_net_send_copy(&nic.net, 0, frame, 64) == VDRV_OK);
    fuzz_step(m);
    FUZZ_CHECK(vdrv_net_recycle_tx_buffers(&nic.net, 0) >= 1);
    /* A ring this small may have no room for a header and a frame. */
    if (nic.rx[0].pool == NULL || nic.queue[0].vq.size < 4)
        return;
    err = vdrv_net_receive_copy(&nic.net, 0, buf, sizeof(buf));
    FUZZ_CHECK(err == (int)FRAME);
    for (uint32_t i = 0; i < FRAME; i++)
        FUZZ_CHECK(buf[i] == 0x33);
}

static int fini(struct fuzz_machine *m)
{
    (void)m;
    return vdrv_virtio_net_fini(&nic);
}

static void all_done(struct fuzz_machine *m)
{
    (void)m;
    FUZZ_CHECK(mine_out == 0);
    FUZZ_CHECK(vdrv_net_pool_free(&rx_pool) == BUFS);
    FUZZ_CHECK(vdrv_net_pool_free(&tx_pool) == BUFS);
    for (uint32_t i = 0; i < MINE; i++)
        free(mine_mem[i]);
    free(rx_mem);
    free(tx_mem);
    free(work);
}

/* All but the control queue's. */
#define OFFERED (FUZZ_RING_BITS | 0x1ffabu | UINT64_C(0x8f40) << 48)

#define NET_DRIVER(run)                                                        \
    {                                                                          \
        .type = VDRV_VIRTIO_NET_ID, .offered = OFFERED, .config = config,      \
        .config_size = sizeof(config), .answer = answer, .dev = &nic.net.dev,  \
        .init = init, .op = (run), .prove = prove, .fini = fini,               \
        .done = all_done                                                       \
    }

const struct fuzz_driver fuzz_net_rx = NET_DRIVER(op_rx);
const struct fuzz_driver fuzz_net_tx = NET_DRIVER(op_tx);

void fuzz_run_net_rx(const uint8_t *data, size_t size)
{
    fuzz_drive(&fuzz_net_rx, data, size);
}

void fuzz_run_net_tx(const uint8_t *data, size_t size)
{
    fuzz_drive(&fuzz_net_tx, data, size);
}
