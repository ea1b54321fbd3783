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
    [36] = 32, [40] = 1, [44] = 1, [48] = 32, [52] = 1, [56] = 1,
    [60] = 32, [64] = 1, [68] = 1, [72] = 16, /* sectors of a zone */
    [76] = 4,  [80] = 4, [84] = 8,            /* open, active, append */
    [89] = 2,                                 /* write granularity 512 */
    [92] = 2,                                 /* host-aware */
};

static void put_sectors(struct fuzz_chain *c, uint32_t off, uint64_t v)
{
    uint8_t p[8];

    for (uint32_t i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
    fuzz_put(c, off, p, 8);
}

/* 5.2.6: one zone, empty; or where the data went. */
static void answer_zones(struct fuzz_chain *c, uint32_t type, uint64_t sector)
{
    const uint8_t zone[2] = {2, 1};

    if (type == 15 && c->in >= 9) {
        put_sectors(c, c->in - 9, sector);
    } else if (type == 16 && c->in >= 129) {
        put_sectors(c, 0, 1);
        put_sectors(c, 64, 16);
        put_sectors(c, 72, sector & ~UINT64_C(15));
        put_sectors(c, 80, sector & ~UINT64_C(15));
        fuzz_put(c, 88, zone, 2);
    }
}

/* Header, data, status (5.2.6). */
static uint32_t answer(struct fuzz_machine *m, uint32_t queue,
                       struct fuzz_chain *c)
{
    const uint8_t ok = 0;
    uint8_t head[16];

    (void)m;
    (void)queue;
    if (c->in == 0)
        return 0;
    fuzz_get(c, 0, head, sizeof(head));
    fuzz_fill(c, 0, DATA, c->in - 1);
    answer_zones(c, head[0], head[8] | (uint64_t)head[9] << 8);
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
        .zones = (how & 16u) != 0 ? &vdrv_virtio_blk_zones : NULL,
        .queue_reset = how >> 5 & 1u,
        .suspend = how >> 6 & 1u,
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
    if ((r->req.block & 1u) != 0 && m->hal.now_us != NULL)
        r->req.timeout_us = 1u << fuzz_pick(&m->in, 20);
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

/* What the device may still write is let go of, and its address with it. */
static void forget(struct fuzz_machine *m, struct request *r, bool stuck)
{
    r->out = false;
    if (!stuck) {
        FUZZ_CHECK(!fuzz_owned(m, r->mem, BYTES));
        return;
    }
    fuzz_orphan(m, r->mem);
    r->mem = malloc(BYTES);
}

/* The kernel dies: nobody will hear of what was pending.  Mappings are not
   undone then, so only where there are none. */
static void panic(struct fuzz_machine *m)
{
    int err;

    if (!m->direct || m->norphans + REQS > 200)
        return;
    err = vdrv_block_panic(&blk.block);
    FUZZ_CHECK(err <= 0);
    for (uint32_t i = 0; i < REQS; i++) {
        if (reqs[i].out)
            forget(m, &reqs[i], err == VDRV_ERR_STUCK);
    }
}

static void zones(struct fuzz_machine *m)
{
    const uint64_t block = (uint64_t)fuzz_pick(&m->in, 8) * 8u;
    static struct vdrv_block_zone zone[4];
    static uint8_t report[VDRV_BLOCK_ZONE_REPORT_SIZE(4)];
    uint64_t at = block;
    int n = 0, err = VDRV_OK;

    switch (fuzz_pick(&m->in, 8)) {
    case 0:
        err = vdrv_block_zone_append(&blk.block, block, mem, 512, &at);
        FUZZ_CHECK(err != VDRV_OK ||
                   (at >= block && at - block < blk.caps.zone_blocks));
        break;
    case 1:
        err = vdrv_block_zone_open(&blk.block, block);
        break;
    case 2:
        err = vdrv_block_zone_reset_all(&blk.block);
        break;
    default:
        n = vdrv_block_zone_report(&blk.block, block, report, sizeof(report),
                                   zone, 4);
        err = n < 0 ? n : VDRV_OK;
        FUZZ_CHECK(n <= 4);
        break;
    }
    FUZZ_CHECK(err <= 0);
    for (int i = 0; i < n; i++)
        FUZZ_CHECK(zone[i].capacity <= blk.caps.zone_blocks &&
                   zone[i].start % blk.caps.zone_blocks == 0);
    if (err != VDRV_ERR_STUCK)
        return;
    fuzz_orphan(m, mem);
    mem = malloc(4096);
    memset(mem, 0, 4096);
}

static void op_life(struct fuzz_machine *m, uint32_t op)
{
    int err = VDRV_OK;

    switch (op) {
    case 16:
        zones(m);
        break;
    case 17:
        panic(m);
        break;
    case 18:
        err = vdrv_suspend(&blk.block.dev);
        break;
    case 19:
        err = vdrv_resume(&blk.block.dev);
        break;
    case 20:
        err = vdrv_reset_queue(&blk.block.dev, fuzz_pick(&m->in, 2));
        break;
    default:
        submit(m);
        break;
    }
    FUZZ_CHECK(err <= 0);
}

static void op_blk(struct fuzz_machine *m, uint32_t op)
{
    struct vdrv_block_caps caps;
    static char id[VDRV_BLOCK_ID_SIZE]; /* outlives a call that is STUCK */

    op %= 24;
    switch (op) {
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
        if (op < 5)
            blocking(m, op);
        else if (op >= 16)
            op_life(m, op);
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
       WRITE_ZEROES LIFETIME SECURE_ERASE ZONED RING_RESET SUSPEND */
    .offered = FUZZ_RING_BITS | 0x3fe46u | FUZZ_BIT(40) | FUZZ_BIT(43),
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
