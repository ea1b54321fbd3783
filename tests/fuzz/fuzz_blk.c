/* SPDX-License-Identifier: MIT */
/* The block driver against a device whose behaviour is the input. */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/virtio_blk.h>

#define REQS  8u
#define BYTES 1536u /* of each request's memory */
#define DATA  0x5au /* what the device's medium holds */

struct request {
    struct vdrv_block_request req;
    struct vdrv_seg seg[3];
    uint8_t *mem;
    bool out;
    uint32_t bytes;
};

static struct vdrv_virtio_blk blk;
static struct request reqs[REQS];
static uint8_t *mem;
static void *work;
static struct fuzz_machine *machine;

static const uint8_t config[] = {
    [0] = 64, /* sectors */
    [12] = 3, /* seg_max */
    [9] = 4,  /* size_max: 1 KiB */
    [21] = 2, /* block size 512 */
    [24] = 3, /* physical block exponent */
    [32] = 1, /* writeback */
    [34] = 2, /* queues */
    [36] = 32, [40] = 1,  [44] = 1, [48] = 32, [52] = 1,
    [56] = 1,  [60] = 32, [64] = 1, [68] = 1,  [72] = 0,
};

/* Header, data, status (5.2.6). */
static uint32_t answer(struct fuzz_machine *m, uint32_t queue,
                       struct fuzz_chain *c)
{
    const uint8_t ok = 0;

    (void)m;
    (void)queue;
    if (c->in == 0)
        return 0;
    fuzz_fill(c, 0, DATA, c->in - 1);
    fuzz_put(c, c->in - 1, &ok, 1);
    return c->in;
}

static void done(struct vdrv_block_request *req)
{
    struct request *r = req->user;

    FUZZ_CHECK(r->out && req->status <= 0);
    FUZZ_CHECK(!fuzz_owned(machine, r->mem, BYTES));
    FUZZ_CHECK(req->result <= r->bytes || req->op == VDRV_BLOCK_ZONE_APPEND);
    r->out = false;
}

static int init(struct fuzz_machine *m, struct vdrv_transport *t)
{
    const uint8_t how = fuzz_u8(&m->in);
    struct vdrv_virtio_blk_config cfg = {
        .queue_size = 8u << (how & 1u),
        .queues = 1u + (how >> 1 & 1u),
        .max_segs = 3,
        .timeout_us = 400000,
        .no_indirect = how >> 2 & 1u,
        .no_event_idx = how >> 3 & 1u,
    };

    machine = m;
    memset(reqs, 0, sizeof(reqs));
    for (uint32_t i = 0; i < REQS; i++)
        reqs[i].mem = malloc(BYTES);
    mem = malloc(4096);
    memset(mem, 0, 4096);
    cfg.work_size = vdrv_virtio_blk_work_size(t, &cfg);
    work = malloc(cfg.work_size + 1);
    cfg.work = work;
    return vdrv_virtio_blk_init(&blk, t, &cfg);
}

/* A request with what the input asks for. */
static void fill(struct fuzz_machine *m, struct request *r)
{
    const uint32_t shape = fuzz_u8(&m->in);

    memset(&r->req, 0, sizeof(r->req));
    r->req.op = 1 + fuzz_pick(&m->in, 16);
    r->req.queue = shape >> 7;
    r->req.nsegs = shape & 3u;
    r->req.segs = r->seg;
    r->req.block = fuzz_u8(&m->in);
    r->req.nblocks = shape >> 2 & 31u;
    r->req.done = (shape & 64u) != 0 ? NULL : done;
    r->req.user = r;
    r->bytes = 0;
    for (uint32_t i = 0; i < 3; i++)
        r->seg[i] = vdrv_seg_in(r->mem + 512 * i, 512);
    if (r->req.op == VDRV_BLOCK_GET_ID || r->req.op == VDRV_BLOCK_GET_LIFETIME)
        r->seg[0].len = r->req.op == VDRV_BLOCK_GET_ID ? 20 : 6;
    for (uint32_t i = 0; i < r->req.nsegs; i++)
        r->bytes += r->seg[i].len;
}

static void submit(struct fuzz_machine *m)
{
    struct request *r = &reqs[fuzz_pick(&m->in, REQS)];
    int err;

    if (r->out && r->req.done == NULL && r->req.status <= 0)
        done(&r->req);
    if (r->out)
        return;
    fill(m, r);
    r->out = true;
    err = vdrv_block_submit(&blk.block, &r->req);
    if (err != VDRV_OK)
        r->out = false; /* nothing was taken */
}

static void execute(struct fuzz_machine *m)
{
    struct request *r = &reqs[fuzz_pick(&m->in, REQS)];
    int err;

    if (r->out)
        return;
    fill(m, r);
    r->req.timeout_us = fuzz_u8(&m->in) * 1000u;
    err = vdrv_block_execute(&blk.block, &r->req);
    FUZZ_CHECK(err <= 0);
    if (err != VDRV_ERR_STUCK) {
        FUZZ_CHECK(!fuzz_owned(m, r->mem, BYTES));
    } else { /* the device's until a stop */
        fuzz_orphan(m, r->mem);
        r->mem = malloc(BYTES);
    }
}

static void blocking(struct fuzz_machine *m, uint32_t op)
{
    const uint64_t block = fuzz_u8(&m->in) >> 2;
    const size_t len = 512u * fuzz_pick(&m->in, 9);
    int err;

    if (op == 0)
        err = vdrv_block_read_block(&blk.block, block, mem, len);
    else if (op == 1)
        err = vdrv_block_write_block(&blk.block, block, mem, len);
    else if (op == 2)
        err = vdrv_block_flush(&blk.block);
    else if (op == 3)
        err = vdrv_block_discard(&blk.block, block, len / 512);
    else
        err = vdrv_block_write_zeroes(&blk.block, block, len / 512, 1);
    if (err == VDRV_ERR_STUCK) {
        fuzz_orphan(m, mem);
        mem = malloc(4096);
        memset(mem, 0, 4096);
    }
    FUZZ_CHECK(!fuzz_owned(m, mem, 4096));
    FUZZ_CHECK(err <= 0);
}

static void op_blk(struct fuzz_machine *m, uint32_t op)
{
    struct vdrv_block_caps caps;
    static char id[VDRV_BLOCK_ID_SIZE]; /* outlives a call that is STUCK */

    switch (op % 16) {
    case 5:
        (void)vdrv_block_kick(&blk.block, fuzz_pick(&m->in, 2));
        break;
    case 6:
        (void)vdrv_block_cancel(&blk.block, &reqs[fuzz_pick(&m->in, REQS)].req);
        break;
    case 7:
        (void)vdrv_block_set_write_cache(&blk.block, fuzz_u8(&m->in) & 1u);
        break;
    case 8:
        if (vdrv_block_get_id(&blk.block, id) == VDRV_OK)
            FUZZ_CHECK(memchr(id, 0, sizeof(id)) != NULL);
        break;
    case 9:
        FUZZ_CHECK(vdrv_block_get_caps(&blk.block, &caps) == VDRV_OK);
        FUZZ_CHECK(caps.block_size >= 512);
        break;
    case 10:
        execute(m);
        break;
    default:
        if (op % 16 < 5)
            blocking(m, op % 16);
        else
            submit(m);
        break;
    }
}

static void prove(struct fuzz_machine *m)
{
    const uint32_t size = vdrv_block_block_size(&blk.block);
    struct vdrv_block_caps caps;
    int err;

    (void)m;
    /* A configuration that admits no transfer of a block admits no proof. */
    if (vdrv_block_num_blocks(&blk.block) == 0 || size > 1024 ||
        blk.caps.max_bytes < size)
        return;
    FUZZ_CHECK(vdrv_block_get_caps(&blk.block, &caps) == VDRV_OK);
    memset(mem, 0, size);
    err = vdrv_block_read_block(&blk.block, 0, mem, size);
    /* A device may take less than a block in one request. */
    if (err == VDRV_ERR_TOO_BIG && caps.max_seg_bytes < size)
        return;
    FUZZ_CHECK(err == VDRV_OK);
    for (uint32_t i = 0; i < size; i++)
        FUZZ_CHECK(mem[i] == DATA);
}

static int fini(struct fuzz_machine *m)
{
    (void)m;
    return vdrv_virtio_blk_fini(&blk);
}

static void all_done(struct fuzz_machine *m)
{
    (void)m;
    for (uint32_t i = 0; i < REQS; i++) {
        struct request *r = &reqs[i];

        if (r->out && r->req.done == NULL && r->req.status <= 0)
            done(&r->req);
        FUZZ_CHECK(!r->out);
        free(r->mem);
    }
    free(mem);
    free(work);
}

const struct fuzz_driver fuzz_blk = {
    .type = VDRV_VIRTIO_BLK_ID,
    /* SIZE_MAX SEG_MAX BLK_SIZE FLUSH TOPOLOGY CONFIG_WCE MQ DISCARD
       WRITE_ZEROES LIFETIME SECURE_ERASE */
    .offered = FUZZ_RING_BITS | 0x1fe46u,
    .config = config,
    .config_size = sizeof(config),
    .answer = answer,
    .dev = &blk.block.dev,
    .init = init,
    .op = op_blk,
    .prove = prove,
    .fini = fini,
    .done = all_done,
};

void fuzz_run_blk(const uint8_t *data, size_t size)
{
    fuzz_drive(&fuzz_blk, data, size);
}
