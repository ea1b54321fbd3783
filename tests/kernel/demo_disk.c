/* SPDX-License-Identifier: MIT */
/*
 * The demo's disks: what is read is summed up for the host to compare with its
 * image, a pattern is written for the host to find there, many requests are in
 * flight, and a read-only disk refuses.  demo.py says which sectors.
 */
#include "demo.h"
#include "pattern.h"

#include <virtio_drv/virtio_blk.h>

#define DISKS    2u
#define QUEUE    64u
#define DEPTH    32u /* requests in flight */
#define CHUNK    8u  /* sectors of one request */
#define SECTOR   512u
#define SECTORS  2048u /* that the buffer holds */
#define LIMIT_US 5000000u

static struct disk {
    struct vdrv_virtio_blk blk;
    struct demo_device *at;
    struct vdrv_block_caps caps;
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, DEMO_DEVICE_QUEUE, 16) / 8 + 1];
} disks[DISKS];
static uint32_t ndisks;
static uint8_t data[SECTORS * SECTOR] __attribute__((aligned(64)));

int demo_disk_attach(struct demo *d, struct demo_device *dev)
{
    struct disk *k = &disks[ndisks];
    struct vdrv_virtio_blk_config cfg = {0};
    int err;

    if (ndisks == DISKS)
        return VDRV_ERR_NO_MEMORY;
    cfg.work = k->work;
    cfg.work_size = sizeof(k->work);
    cfg.queue_size = QUEUE;
    cfg.vectors = dev->nvectors;
    cfg.packed = d->packed;
    err = vdrv_virtio_blk_init(&k->blk, dev->transport, &cfg);
    if (err != VDRV_OK)
        return err;
    vdrv_block_get_caps(&k->blk.block, &k->caps);
    k->at = dev;
    dev->dev = &k->blk.block.dev;
    ndisks++;
    return VDRV_OK;
}

static void info(struct disk *k)
{
    char id[VDRV_BLOCK_ID_SIZE];
    int err = vdrv_block_get_id(&k->blk.block, id);

    kprintf("disk-info: %s, %lu blocks of %u bytes, %s, serial %s\n",
            k->at->transport->location, (unsigned long)k->caps.num_blocks,
            k->caps.block_size, k->caps.read_only ? "read-only" : "writable",
            err == VDRV_OK ? id : vdrv_strerror(err));
}

/* ---- Many requests at once ------------------------------------------------ */

struct stream {
    struct vdrv_block *blk;
    uint32_t op;
    uint64_t first, next, end; /* sectors */
    uint32_t out;              /* requests that the device has */
    uint32_t most, requests;
    int err;
    struct vdrv_block_request req[DEPTH];
};

static void submit_next(struct stream *s, struct vdrv_block_request *req);

static void done(struct vdrv_block_request *req)
{
    struct stream *s = req->user;

    s->out--;
    if (req->status != VDRV_OK)
        s->err = req->status;
    else
        submit_next(s, req);
}

static void submit_next(struct stream *s, struct vdrv_block_request *req)
{
    uint64_t left = s->end - s->next;
    uint32_t n = left < CHUNK ? (uint32_t)left : CHUNK;
    struct vdrv_seg seg =
        vdrv_seg_in(data + (s->next - s->first) * SECTOR, n * SECTOR);
    int err;

    if (n == 0 || s->err != VDRV_OK)
        return;
    memset(req, 0, sizeof(*req));
    req->op = s->op;
    req->block = s->next;
    req->segs = &seg;
    req->nsegs = 1;
    req->done = done;
    req->user = s;
    err = vdrv_block_submit(s->blk, req);
    if (err == VDRV_ERR_AGAIN && s->out != 0)
        return; /* fewer at once, then */
    if (err != VDRV_OK) {
        s->err = err;
        return;
    }
    s->next += n;
    s->requests++;
    if (++s->out > s->most)
        s->most = s->out;
}

/* Moves `count` sectors from `first` on between the disk and `data`. */
static int stream(struct demo *d, struct stream *s, uint64_t count)
{
    uint64_t end = d->p->now_us() + LIMIT_US;

    s->next = s->first;
    s->end = s->first + count;
    for (uint32_t i = 0; i < DEPTH; i++)
        submit_next(s, &s->req[i]);
    while (s->out != 0) {
        int err = vdrv_block_kick(s->blk, 0);

        if (err >= 0)
            err = demo_serve(d, &s->blk->dev, 0);
        if (err >= 0 && d->p->now_us() > end)
            err = VDRV_ERR_TIMEOUT;
        if (err < 0) {
            vdrv_reset(&s->blk->dev); /* all requests come back ABORTED */
            return err;
        }
    }
    return s->err;
}

static int timed(struct demo *d, const char *what, struct disk *k, uint32_t op,
                 uint64_t first, uint64_t count)
{
    static struct stream s;
    uint64_t start = d->p->now_us(), us;
    int err;

    memset(&s, 0, sizeof(s));
    s.blk = &k->blk.block;
    s.op = op;
    s.first = first;
    err = stream(d, &s, count);
    if (err != VDRV_OK) {
        demo_fail(d, what, vdrv_strerror(err));
        return err;
    }
    us = d->p->now_us() - start;
    kprintf("%s: sectors %lu+%lu crc %08x, %u requests, %u at once, %lu us\n",
            what, (unsigned long)first, (unsigned long)count,
            pattern_crc32(0, data, (size_t)count * SECTOR), s.requests, s.most,
            (unsigned long)us);
    return VDRV_OK;
}

/* ---- Proofs ---------------------------------------------------------------- */

static void read_range(struct demo *d, const char *what, struct disk *k,
                       uint64_t first, uint64_t count)
{
    int err;

    memset(data, 0, sizeof(data));
    err = vdrv_block_read_block(&k->blk.block, first, data,
                                (size_t)count * SECTOR);
    if (err != VDRV_OK)
        demo_fail(d, what, vdrv_strerror(err));
    else
        kprintf("%s: sectors %lu+%lu crc %08x\n", what, (unsigned long)first,
                (unsigned long)count,
                pattern_crc32(0, data, (size_t)count * SECTOR));
}

static void refuse(struct demo *d, const char *what, int err, int want)
{
    if (err != want)
        demo_fail(d, what, err == VDRV_OK ? "accepted" : vdrv_strerror(err));
    else
        kprintf("%s: refused, %s\n", what, vdrv_strerror(err));
}

static void write_range(struct demo *d, struct disk *k, uint64_t first,
                        uint64_t count, uint32_t seed)
{
    uint64_t start;
    int err;

    for (uint64_t i = 0; i < count; i++)
        pattern_fill(seed, first + i, data + i * SECTOR);
    if (timed(d, "disk-write", k, VDRV_BLOCK_WRITE, first, count) != VDRV_OK)
        return;
    start = d->p->now_us();
    err = vdrv_block_flush(&k->blk.block);
    if (err != VDRV_OK)
        demo_fail(d, "disk-flush", vdrv_strerror(err));
    else
        kprintf("disk-flush: %lu us\n",
                (unsigned long)(d->p->now_us() - start));
    read_range(d, "disk-back", k, first, count);
}

static uint64_t fitting(const struct disk *k, uint64_t first, uint64_t count)
{
    uint64_t n = k->caps.num_blocks;

    if (first >= n)
        return 0;
    n = count < n - first ? count : n - first;
    return n < SECTORS ? n : SECTORS;
}

static void prove_writable(struct demo *d, struct disk *k)
{
    const char *args = d->p->args;
    uint32_t first = karg_number(args, "read_first", 0);
    uint32_t count = karg_number(args, "read_count", 64);
    uint32_t to = karg_number(args, "write_first", 0);
    uint32_t many = karg_number(args, "write_count", 0);

    read_range(d, "disk-read", k, first, fitting(k, first, count));
    memset(data, 0, sizeof(data));
    timed(d, "disk-queue", k, VDRV_BLOCK_READ, 0, fitting(k, 0, SECTORS));
    refuse(
        d, "disk-end",
        vdrv_block_read_block(&k->blk.block, k->caps.num_blocks, data, SECTOR),
        VDRV_ERR_INVALID);
    if (many == 0)
        demo_skip(d, "disk-write", "not asked for: write_count=");
    else
        write_range(d, k, to, fitting(k, to, many),
                    karg_number(args, "write_seed", 1));
}

static void prove_read_only(struct demo *d, struct disk *k)
{
    read_range(d, "disk-ro-read", k, 0, fitting(k, 0, SECTORS));
    memset(data, 0x5a, SECTOR);
    refuse(d, "disk-ro-write",
           vdrv_block_write_block(&k->blk.block, 0, data, SECTOR),
           VDRV_ERR_READ_ONLY);
}

void demo_disk_run(struct demo *d)
{
    bool seen[2] = {false, false};

    for (uint32_t i = 0; i < ndisks; i++) {
        struct disk *k = &disks[i];

        info(k);
        if (k->caps.block_size != SECTOR)
            demo_skip(d, "disk", "its blocks are not 512 bytes");
        else if (k->caps.read_only)
            prove_read_only(d, k);
        else
            prove_writable(d, k);
        seen[k->caps.read_only != 0] = true;
    }
    if (!seen[0])
        demo_skip(d, "disk", "no writable disk was found");
    if (!seen[1])
        demo_skip(d, "disk-ro", "no read-only disk was found");
}

void demo_disk_fini(struct demo *d)
{
    for (; ndisks > 0; ndisks--) {
        int err = vdrv_virtio_blk_fini(&disks[ndisks - 1].blk);

        if (err != VDRV_OK)
            demo_fail(d, "disk-end", vdrv_strerror(err));
    }
}
