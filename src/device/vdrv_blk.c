/* SPDX-License-Identifier: MIT */
/*
 * The virtio block driver (VirtIO 1.4, 5.2).
 *
 * Each request has a slot: 64 bytes of shared memory for its header, its range
 * record and its status byte, and a private record of whose request it is.
 * The slots, like everything else, are allocated once, at init.
 */
#include <virtio_drv/virtio_blk.h>

#include "../core/barrier.h"
#include "../core/mem.h"
#include "../core/wait.h"
#include "../spec/virtio_blk.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_ring.h"
#include "vdrv_blk_config.h"

#define DEFAULT_QUEUE_SIZE 128u
#define DEFAULT_MAX_SEGS   16u
#define LEAST_QUEUE_SIZE   4u /* header, data, status; a power of two */
#define BLOCKING_SEGS      8u /* of one request of a blocking call */
#define NO_SLOT            UINT32_MAX
#define STATUS_POISON      0xffu /* no status that a device may write */
#define BLOCKING           ((void *)1)

struct vdrv_virtio_blk_slot {
    struct vdrv_block_request *req; /* NULL: free, or forgotten */
    uint32_t next;                  /* free list */
};

/* A slot's part of the shared memory: one cache line. */
struct shared_slot {
    struct virtio_blk_req header;
    struct virtio_blk_discard_write_zeroes range;
    uint8_t status;
    uint8_t pad[31];
};

_Static_assert(sizeof(struct shared_slot) == 64, "one cache line");
_Static_assert(sizeof(struct vdrv_virtio_blk_slot) <= 16,
               "VDRV_VIRTIO_BLK_WORK_SIZE counts 16");

/* What a request becomes on the wire. */
struct plan {
    uint32_t type;
    uint32_t range_flags;
    uint64_t sector; /* 0 but for reads and writes */
    uint64_t range_sector;
    uint64_t range_sectors; /* 0: no range record */
    bool writes;            /* the device reads the segments */
};

static struct vdrv_virtio_blk *blk_of(const struct vdrv_block *block)
{
    return (struct vdrv_virtio_blk *)(uintptr_t)block; /* its first member */
}

static struct vdrv_virtio_blk *blk_of_dev(const struct vdrv_device *dev)
{
    return (struct vdrv_virtio_blk *)(uintptr_t)dev; /* the very first */
}

static struct vdrv_virtio_blk *blk_of_drv(struct vdrv_driver *drv)
{
    return (struct vdrv_virtio_blk *)(void *)((uint8_t *)drv -
                                              offsetof(struct vdrv_virtio_blk,
                                                       drv));
}

/* ---- Checking a request -------------------------------------------------- */

static bool in_range(const struct vdrv_virtio_blk *blk, uint64_t block,
                     uint64_t nblocks)
{
    return block <= blk->caps.num_blocks &&
           nblocks <= blk->caps.num_blocks - block;
}

/* 5.2.6.1: whole blocks, inside the disk, inside the device's limits. */
static int plan_data(const struct vdrv_virtio_blk *blk,
                     const struct vdrv_block_request *req, struct plan *p,
                     uint64_t *bytes)
{
    const struct vdrv_block_caps *caps = &blk->caps;
    bool too_big = false;

    *bytes = 0;
    if (req->nsegs != 0 && req->segs == NULL)
        return VDRV_ERR_INVALID;
    if (req->nsegs > caps->max_segs)
        return VDRV_ERR_TOO_BIG;
    for (uint32_t i = 0; i < req->nsegs; i++) {
        *bytes += req->segs[i].len;
        too_big = too_big || req->segs[i].len > caps->max_seg_bytes;
    }
    if ((*bytes & (caps->block_size - 1)) != 0 ||
        !in_range(blk, req->block, *bytes / caps->block_size))
        return VDRV_ERR_INVALID;
    if (too_big || *bytes > caps->max_bytes)
        return VDRV_ERR_TOO_BIG;
    p->writes = req->op == VDRV_BLOCK_WRITE;
    p->type = p->writes ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    p->sector = req->block << blk->sector_shift;
    return p->writes && caps->read_only && *bytes != 0 ? VDRV_ERR_READ_ONLY
                                                       : VDRV_OK;
}

static int plan_range(const struct vdrv_virtio_blk *blk,
                      const struct vdrv_block_request *req, struct plan *p)
{
    const struct vdrv_block_caps *caps = &blk->caps;
    uint64_t max = caps->max_discard, align = caps->discard_align;

    p->type = VIRTIO_BLK_T_DISCARD;
    if (req->op == VDRV_BLOCK_WRITE_ZEROES) {
        p->type = VIRTIO_BLK_T_WRITE_ZEROES;
        max = caps->max_write_zeroes;
        align = 1;
        if ((req->flags & VDRV_BLOCK_UNMAP) != 0 && caps->can_unmap_zeroes)
            p->range_flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    } else if (req->op == VDRV_BLOCK_SECURE_ERASE) {
        p->type = VIRTIO_BLK_T_SECURE_ERASE;
        max = caps->max_secure_erase;
        align = caps->secure_erase_align;
    }
    if (max == 0)
        return VDRV_ERR_UNSUPPORTED;
    if (req->nsegs != 0 || !in_range(blk, req->block, req->nblocks))
        return VDRV_ERR_INVALID;
    /* 5.2.6.1: erasing is exact, discarding only advice. */
    if (req->op == VDRV_BLOCK_SECURE_ERASE &&
        (req->block % align != 0 || req->nblocks % align != 0))
        return VDRV_ERR_INVALID;
    if (caps->read_only)
        return VDRV_ERR_READ_ONLY;
    if (req->nblocks > max)
        return VDRV_ERR_TOO_BIG;
    p->writes = true;
    p->range_sector = req->block << blk->sector_shift;
    p->range_sectors = req->nblocks << blk->sector_shift;
    return VDRV_OK;
}

/* A command that returns a fixed number of bytes in one segment. */
static int plan_query(const struct vdrv_block_request *req, struct plan *p,
                      uint32_t type, uint32_t bytes)
{
    p->type = type;
    return req->nsegs == 1 && req->segs != NULL && req->segs[0].len == bytes
               ? VDRV_OK
               : VDRV_ERR_INVALID;
}

/* Checks `req`; `*idle` is set when there is nothing to be done. */
static int make_plan(const struct vdrv_virtio_blk *blk,
                     const struct vdrv_block_request *req, struct plan *p,
                     bool *idle)
{
    uint64_t bytes = 1;
    int err;

    memset(p, 0, sizeof(*p));
    switch (req->op) {
    case VDRV_BLOCK_READ:
    case VDRV_BLOCK_WRITE:
        err = plan_data(blk, req, p, &bytes);
        *idle = bytes == 0;
        return err;
    case VDRV_BLOCK_FLUSH:
        p->type = VIRTIO_BLK_T_FLUSH; /* 5.2.6.1: sector 0, no data */
        *idle = !blk->caps.can_flush;
        return req->nsegs == 0 ? VDRV_OK : VDRV_ERR_INVALID;
    case VDRV_BLOCK_DISCARD:
    case VDRV_BLOCK_WRITE_ZEROES:
    case VDRV_BLOCK_SECURE_ERASE:
        err = plan_range(blk, req, p);
        *idle = req->nblocks == 0;
        return err;
    case VDRV_BLOCK_GET_ID:
        return plan_query(req, p, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_BYTES);
    case VDRV_BLOCK_GET_LIFETIME:
        if (!vdrv_feature(blk->drv.features, VIRTIO_BLK_F_LIFETIME))
            return VDRV_ERR_UNSUPPORTED;
        return plan_query(req, p, VIRTIO_BLK_T_GET_LIFETIME,
                          VIRTIO_BLK_LIFETIME_BYTES);
    default:
        return req->op >= VDRV_BLOCK_ZONE_REPORT &&
                       req->op <= VDRV_BLOCK_ZONE_APPEND
                   ? VDRV_ERR_UNSUPPORTED
                   : VDRV_ERR_INVALID;
    }
}

/* ---- Submitting ---------------------------------------------------------- */

static struct shared_slot *shared_of(const struct vdrv_virtio_blk *blk,
                                     uint32_t number)
{
    return (struct shared_slot *)(void *)blk->shared + number;
}

static int enqueue(struct vdrv_virtio_blk *blk,
                   const struct vdrv_block_request *req, const struct plan *p,
                   uint32_t slot)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[req->queue];
    struct shared_slot *sh = shared_of(blk, lane->first + slot);
    const uint64_t dma =
        blk->shared_dma + sizeof(*sh) * (uint64_t)(lane->first + slot);
    struct vdrv_seg *seg = lane->seg;
    /* 5.2.6: on a legacy device, the CPU's order. */
    const bool native =
        (blk->drv.transport->flags & VDRV_TRANSPORT_LEGACY) != 0;
    uint32_t n = 0, nout;

    sh->header.type = vdrv__wire32(native, p->type);
    sh->header.reserved = vdrv__wire32(native, 0);
    /* 5.2.6: unused in a header with a range, and then 0. */
    sh->header.sector =
        vdrv__wire64(native, p->range_sectors != 0 ? 0 : p->sector);
    sh->status = STATUS_POISON;
    seg[n++] = vdrv_seg_dma(dma, sizeof(sh->header));
    if (p->range_sectors != 0) {
        sh->range.sector = vdrv__wire64(native, p->range_sector);
        sh->range.num_sectors =
            vdrv__wire32(native, (uint32_t)p->range_sectors);
        sh->range.flags = vdrv__wire32(native, p->range_flags);
        seg[n++] = vdrv_seg_dma(dma + offsetof(struct shared_slot, range),
                                sizeof(sh->range));
    }
    for (uint32_t i = 0; i < req->nsegs; i++)
        seg[n++] = req->segs[i];
    nout = p->writes ? n : 1;
    seg[n++] = vdrv_seg_dma(dma + offsetof(struct shared_slot, status), 1);
    return vdrv_queue_add(&blk->queue[req->queue].vq, seg, nout, n - nout,
                          &lane->slot[slot]);
}

/* Nothing to do for the device. */
static void complete_idle(struct vdrv_virtio_blk *blk,
                          struct vdrv_block_request *req, const void *mark)
{
    struct vdrv_driver_queue *dq = &blk->queue[req->queue];

    req->device_status = VIRTIO_BLK_S_OK;
    req->result = 0;
    req->status = VDRV_OK;
    if (mark != NULL || req->done == NULL)
        return;
    dq->busy++;
    req->done(req);
    dq->busy--;
}

static int submit(struct vdrv_virtio_blk *blk, struct vdrv_block_request *req,
                  void *mark)
{
    struct vdrv_virtio_blk_lane *lane;
    struct plan p;
    uint32_t slot;
    bool idle = false;
    int err = vdrv_driver_check(&blk->drv, req->queue);

    if (err == VDRV_OK)
        err = make_plan(blk, req, &p, &idle);
    if (err != VDRV_OK)
        return err;
    if (idle) {
        complete_idle(blk, req, mark);
        return VDRV_OK;
    }
    lane = &blk->lane[req->queue];
    slot = lane->free;
    if (slot == NO_SLOT)
        return VDRV_ERR_AGAIN;
    req->status = VDRV_PENDING;
    req->device_status = STATUS_POISON;
    req->result = 0;
    err = enqueue(blk, req, &p, slot);
    if (err != VDRV_OK) {
        req->status = err;
        return err;
    }
    lane->free = lane->slot[slot].next;
    lane->slot[slot].req = req;
    req->opaque[0] = &lane->slot[slot];
    req->opaque[1] = mark;
    return VDRV_OK;
}

static int blk_submit(struct vdrv_block *block, struct vdrv_block_request *req)
{
    return submit(blk_of(block), req, NULL);
}

static int blk_kick(struct vdrv_block *block, uint32_t queue)
{
    struct vdrv_virtio_blk *blk = blk_of(block);
    const int err = vdrv_driver_check(&blk->drv, queue);

    return err != VDRV_OK ? err : vdrv_queue_kick(&blk->queue[queue].vq);
}

/* ---- Completing ---------------------------------------------------------- */

/* 5.2.6: the status byte decides; any other value is no success. */
static int result_of(uint8_t status)
{
    switch (status) {
    case VIRTIO_BLK_S_OK:
        return VDRV_OK;
    case VIRTIO_BLK_S_IOERR:
        return VDRV_ERR_IO;
    case VIRTIO_BLK_S_UNSUPP:
        return VDRV_ERR_UNSUPPORTED;
    default:
        return VDRV_ERR_PROTOCOL;
    }
}

static void blk_complete(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                         uint32_t len, int err)
{
    struct vdrv_virtio_blk *blk = blk_of_drv(drv);
    struct vdrv_virtio_blk_lane *lane = &blk->lane[queue];
    struct vdrv_virtio_blk_slot *slot = cookie;
    struct vdrv_block_request *req = slot->req;
    const uint32_t number = (uint32_t)(slot - lane->slot);
    const uint8_t status =
        *(const volatile uint8_t *)&shared_of(blk, lane->first + number)
             ->status;

    slot->req = NULL;
    slot->next = lane->free;
    lane->free = number;
    if (req == NULL) /* forgotten by a call that answered STUCK */
        return;
    if (err == VDRV_OK) {
        err = result_of(status);
        req->device_status = status;
        req->result = len > 0 ? len - 1 : 0; /* without the status byte */
        if (err == VDRV_ERR_PROTOCOL) {
            const uint64_t told = status;

            vdrv_transport_log(drv->transport, VDRV_LOG_ERROR,
                               "request came back with status", &told);
            vdrv_driver_fail(drv, err);
        }
    }
    if (req->opaque[1] == BLOCKING) {
        vdrv_driver_finish(drv, queue, &req->status, err, true);
        return;
    }
    if (req->done != NULL) {
        req->status = err;
        req->done(req);
        return;
    }
    vdrv_driver_finish(drv, queue, &req->status, err, false);
}

/* ---- The blocking forms -------------------------------------------------- */

/*
 * A full queue empties by polling it.  One from which nothing comes back in
 * the whole time belongs to a dead device, and is given up like a request.
 * When the device works but others take all the room, AGAIN ends it.
 */
static int submit_waiting(struct vdrv_virtio_blk *blk,
                          struct vdrv_block_request *req, uint32_t timeout_us)
{
    const int32_t never = VDRV_PENDING;
    struct vdrv__wait w;
    bool late = false;
    int err, n;

    vdrv__wait_begin(&w, blk->drv.hal, timeout_us);
    for (;;) {
        err = submit(blk, req, BLOCKING);
        if (err != VDRV_ERR_AGAIN)
            return err;
        (void)vdrv_queue_kick(&blk->queue[req->queue].vq);
        n = vdrv_driver_poll(&blk->drv, req->queue, 0);
        if (n < 0)
            return n;
        if (vdrv_queue_outstanding(&blk->queue[req->queue].vq) == 0 && n == 0)
            return err; /* nothing to wait for: it was the HAL's AGAIN */
        if (late)
            return n == 0 ? vdrv_driver_wait(&blk->drv, req->queue, &never, 1)
                          : submit(blk, req, BLOCKING);
        if (n == 0)
            vdrv_driver_rest(&blk->drv, req->queue, vdrv__wait_left(&w));
        late = !vdrv__wait_more(&w);
    }
}

static int blk_execute(struct vdrv_block *block, struct vdrv_block_request *req)
{
    struct vdrv_virtio_blk *blk = blk_of(block);
    const uint32_t timeout =
        req->timeout_us != 0 ? req->timeout_us : blk->drv.timeout_us;
    int err = vdrv_driver_check(&blk->drv, req->queue);

    if (err != VDRV_OK)
        return err;
    if (blk->queue[req->queue].busy != 0)
        return VDRV_ERR_BUSY;
    err = submit_waiting(blk, req, timeout);
    if (err != VDRV_OK || req->status != VDRV_PENDING)
        return err;
    (void)vdrv_queue_kick(&blk->queue[req->queue].vq);
    err = vdrv_driver_wait(&blk->drv, req->queue, &req->status, timeout);
    if (err == VDRV_ERR_STUCK) /* the caller's memory may soon be no request */
        ((struct vdrv_virtio_blk_slot *)req->opaque[0])->req = NULL;
    return err != VDRV_OK ? err : req->status;
}

/* One request over up to BLOCKING_SEGS pieces of a buffer. */
static int transfer_once(struct vdrv_virtio_blk *blk, uint32_t op,
                         uint64_t block, uint8_t *buf, uint32_t len)
{
    struct vdrv_seg seg[BLOCKING_SEGS];
    struct vdrv_block_request req;

    memset(&req, 0, sizeof(req));
    req.op = op;
    req.block = block;
    req.segs = seg;
    while (len > 0) {
        const uint32_t n =
            len < blk->caps.max_seg_bytes ? len : blk->caps.max_seg_bytes;

        seg[req.nsegs++] = vdrv_seg_in(buf, n);
        buf += n;
        len -= n;
    }
    return blk_execute(&blk->block, &req);
}

/* The most that transfer_once can take. */
static uint32_t chunk_limit(const struct vdrv_block_caps *caps)
{
    const uint32_t segs =
        caps->max_segs < BLOCKING_SEGS ? caps->max_segs : BLOCKING_SEGS;
    const uint64_t bytes = (uint64_t)segs * caps->max_seg_bytes;

    if (bytes >= caps->max_bytes)
        return caps->max_bytes;
    return (uint32_t)bytes & ~(caps->block_size - 1);
}

static int transfer(struct vdrv_virtio_blk *blk, uint32_t op, uint64_t block,
                    uint8_t *buf, size_t len)
{
    const uint32_t size = blk->caps.block_size;
    uint32_t limit = chunk_limit(&blk->caps);

    if (blk->drv.transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if ((len & (size - 1)) != 0 || !in_range(blk, block, len / size))
        return VDRV_ERR_INVALID;
    if (op == VDRV_BLOCK_WRITE && blk->caps.read_only)
        return VDRV_ERR_READ_ONLY;
    while (len > 0) {
        const uint32_t n = len < limit ? (uint32_t)len : limit;
        const int err =
            n == 0 ? VDRV_ERR_TOO_BIG : transfer_once(blk, op, block, buf, n);

        /* Scattered memory takes more segments than were counted. */
        if (err == VDRV_ERR_TOO_BIG && n > size) {
            limit = n / 2 & ~(size - 1);
            continue;
        }
        if (err != VDRV_OK)
            return err;
        buf += n;
        block += n / size;
        len -= n;
    }
    return VDRV_OK;
}

static int blk_read_block(struct vdrv_block *block, uint64_t at, void *buf,
                          size_t len)
{
    return transfer(blk_of(block), VDRV_BLOCK_READ, at, buf, len);
}

static int blk_write_block(struct vdrv_block *block, uint64_t at,
                           const void *buf, size_t len)
{
    return transfer(blk_of(block), VDRV_BLOCK_WRITE, at,
                    (uint8_t *)(uintptr_t)buf, len);
}

static int blk_flush(struct vdrv_block *block)
{
    struct vdrv_block_request req;

    memset(&req, 0, sizeof(req));
    req.op = VDRV_BLOCK_FLUSH;
    return blk_execute(block, &req);
}

/* 5.2.6.2: only a request that was never taken comes back without a reset. */
static int blk_cancel(struct vdrv_block *block, struct vdrv_block_request *req)
{
    (void)block;
    return req->status == VDRV_PENDING ? VDRV_ERR_BUSY : VDRV_ERR_INVALID;
}

/* ---- The base operations ------------------------------------------------- */

static const char *blk_name(const struct vdrv_device *dev)
{
    (void)dev;
    return "virtio-blk";
}

static uint32_t blk_type(const struct vdrv_device *dev)
{
    (void)dev;
    return VDRV_TYPE_BLOCK;
}

static int blk_identify(const struct vdrv_device *dev,
                        struct vdrv_identity *out)
{
    vdrv_driver_identify(&blk_of_dev(dev)->drv, blk_name(dev), VDRV_TYPE_BLOCK,
                         out);
    return VDRV_OK;
}

static uint32_t blk_irq(struct vdrv_device *dev, uint32_t vector)
{
    return vdrv_driver_irq(&blk_of_dev(dev)->drv, vector);
}

static int blk_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget)
{
    return vdrv_driver_poll(&blk_of_dev(dev)->drv, queue, budget);
}

static int blk_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode)
{
    return vdrv_driver_arm(&blk_of_dev(dev)->drv, queue, mode);
}

static int blk_stop(struct vdrv_device *dev)
{
    return vdrv_driver_stop(&blk_of_dev(dev)->drv);
}

static int blk_start(struct vdrv_device *dev)
{
    return vdrv_driver_start(&blk_of_dev(dev)->drv);
}

static const struct vdrv_config_field always_fields[] = {
    {VIRTIO_BLK_CFG_CAPACITY, 8, 1},
};

/* 5.2.4: a field is there when its feature is. */
static const struct {
    uint8_t bit;
    struct vdrv_config_field field;
} optional_fields[] = {
    {VIRTIO_BLK_F_SIZE_MAX, {VIRTIO_BLK_CFG_SIZE_MAX, 4, 1}},
    {VIRTIO_BLK_F_SEG_MAX, {VIRTIO_BLK_CFG_SEG_MAX, 4, 1}},
    {VIRTIO_BLK_F_BLK_SIZE, {VIRTIO_BLK_CFG_BLK_SIZE, 4, 1}},
    {VIRTIO_BLK_F_TOPOLOGY, {VIRTIO_BLK_CFG_PHYSICAL_BLOCK_EXP, 1, 2}},
    {VIRTIO_BLK_F_TOPOLOGY, {VIRTIO_BLK_CFG_MIN_IO_SIZE, 2, 1}},
    {VIRTIO_BLK_F_TOPOLOGY, {VIRTIO_BLK_CFG_OPT_IO_SIZE, 4, 1}},
    {VIRTIO_BLK_F_CONFIG_WCE, {VIRTIO_BLK_CFG_WRITEBACK, 1, 1}},
    {VIRTIO_BLK_F_MQ, {VIRTIO_BLK_CFG_NUM_QUEUES, 2, 1}},
    {VIRTIO_BLK_F_DISCARD, {VIRTIO_BLK_CFG_MAX_DISCARD, 4, 3}},
    {VIRTIO_BLK_F_WRITE_ZEROES, {VIRTIO_BLK_CFG_MAX_ZEROES, 4, 2}},
    {VIRTIO_BLK_F_WRITE_ZEROES, {VIRTIO_BLK_CFG_ZEROES_MAY_UNMAP, 1, 1}},
    {VIRTIO_BLK_F_SECURE_ERASE, {VIRTIO_BLK_CFG_MAX_ERASE, 4, 3}},
};

#define OPTIONAL_FIELDS (sizeof(optional_fields) / sizeof(optional_fields[0]))

static int read_config(struct vdrv_driver *drv,
                       uint8_t config[VIRTIO_BLK_CFG_SIZE])
{
    struct vdrv_config_field field[1 + OPTIONAL_FIELDS];
    uint32_t n = 0;

    memset(config, 0, VIRTIO_BLK_CFG_SIZE);
    field[n++] = always_fields[0];
    for (uint32_t i = 0; i < OPTIONAL_FIELDS; i++) {
        if (vdrv_feature(drv->features, optional_fields[i].bit))
            field[n++] = optional_fields[i].field;
    }
    return vdrv_transport_config(drv->transport, field, n, config,
                                 VIRTIO_BLK_CFG_SIZE);
}

static int blk_reset_queue(struct vdrv_device *dev, uint32_t queue)
{
    return vdrv_driver_reset_queue(&blk_of_dev(dev)->drv, queue);
}

/* 5.2.5.2: the capacity may change at any time. */
static int blk_refresh(struct vdrv_device *dev, uint32_t *changes)
{
    struct vdrv_virtio_blk *blk = blk_of_dev(dev);
    uint8_t config[VIRTIO_BLK_CFG_SIZE];
    struct vdrv_block_caps caps;
    int err = vdrv_driver_refresh(&blk->drv);

    if (err == VDRV_OK)
        err = read_config(&blk->drv, config);
    if (err != VDRV_OK)
        return err;
    memset(&caps, 0, sizeof(caps));
    vdrv__blk_validate_config(config, blk->drv.features, blk->caps.max_segs,
                              &caps);
    blk->caps.write_cache = caps.write_cache;
    /* Every other limit was agreed on when the queues were made. */
    if (caps.block_size == blk->caps.block_size &&
        caps.num_blocks != blk->caps.num_blocks) {
        blk->caps.num_blocks = caps.num_blocks;
        blk->caps.generation++;
        *changes |= VDRV_CHANGE_CAPACITY;
    }
    return VDRV_OK;
}

static uint64_t blk_num_blocks(const struct vdrv_block *block)
{
    return blk_of(block)->caps.num_blocks;
}

static uint32_t blk_block_size(const struct vdrv_block *block)
{
    return blk_of(block)->caps.block_size;
}

static int blk_get_caps(const struct vdrv_block *block,
                        struct vdrv_block_caps *out)
{
    *out = blk_of(block)->caps;
    return VDRV_OK;
}

static const struct vdrv_block_ops blk_ops = {
    .base =
        {
            .device_name = blk_name,
            .device_type = blk_type,
            .identify = blk_identify,
            .irq = blk_irq,
            .poll = blk_poll,
            .arm = blk_arm,
            .stop = blk_stop,
            .start = blk_start,
            .refresh = blk_refresh,
            .reset_queue = blk_reset_queue,
        },
    .num_blocks = blk_num_blocks,
    .block_size = blk_block_size,
    .read_block = blk_read_block,
    .write_block = blk_write_block,
    .flush = blk_flush,
    .get_caps = blk_get_caps,
    .submit = blk_submit,
    .kick = blk_kick,
    .execute = blk_execute,
    .cancel = blk_cancel,
};

static const struct vdrv_driver_class blk_class = {
    .complete = blk_complete,
};

/* ---- Init and fini ------------------------------------------------------- */

#define BIT(n) (UINT64_C(1) << (n))

static void choose_features(const struct vdrv_virtio_blk_config *cfg,
                            uint64_t wanted[2], uint64_t required[2])
{
    wanted[0] = BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) |
                BIT(VIRTIO_BLK_F_RO) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
                BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
                BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_DISCARD) |
                BIT(VIRTIO_BLK_F_WRITE_ZEROES) | BIT(VIRTIO_BLK_F_LIFETIME) |
                BIT(VIRTIO_BLK_F_SECURE_ERASE) | BIT(VIRTIO_F_VERSION_1) |
                BIT(VIRTIO_F_ACCESS_PLATFORM);
    wanted[1] = 0;
    if (cfg->queues > 1)
        wanted[0] |= BIT(VIRTIO_BLK_F_MQ);
    if (!cfg->no_indirect)
        wanted[0] |= BIT(VIRTIO_F_INDIRECT_DESC);
    if (!cfg->no_event_idx)
        wanted[0] |= BIT(VIRTIO_F_EVENT_IDX);
    wanted[0] |= vdrv_queue_features(cfg->packed, cfg->in_order);
    required[0] = BIT(VIRTIO_F_VERSION_1);
    required[1] = 0;
    if (cfg->require_platform)
        required[0] |= BIT(VIRTIO_F_ACCESS_PLATFORM);
}

static uint32_t queues_of(const struct vdrv_virtio_blk_config *cfg)
{
    const uint32_t n = cfg->queues != 0 ? cfg->queues : 1;

    return n < VDRV_VIRTIO_BLK_QUEUES_MAX ? n : VDRV_VIRTIO_BLK_QUEUES_MAX;
}

static uint32_t size_of(const struct vdrv_virtio_blk_config *cfg)
{
    return cfg->queue_size != 0 ? cfg->queue_size : DEFAULT_QUEUE_SIZE;
}

/* 2.7.5.3.1: with header and status, no more than the queue has entries. */
static uint32_t max_segs_of(const struct vdrv_virtio_blk_config *cfg)
{
    uint32_t n = cfg->max_segs != 0 ? cfg->max_segs : DEFAULT_MAX_SEGS;

    if (n > VIRTQ_SIZE_MAX - 2)
        n = VIRTQ_SIZE_MAX - 2;
    return n + 2 < size_of(cfg) ? n : size_of(cfg) - 2;
}

/* The work memory of one queue: the ring's, the slots, the segments. */
static size_t lane_work(const struct vdrv_hal *hal, uint32_t size,
                        uint32_t max_segs)
{
    return vdrv_queue_work_size(hal, size, max_segs + 2) +
           sizeof(struct vdrv_virtio_blk_slot) * (size_t)size +
           sizeof(struct vdrv_seg) * ((size_t)max_segs + 2);
}

size_t vdrv_virtio_blk_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_blk_config *cfg)
{
    size_t sum = 0;

    if (t == NULL || cfg == NULL || size_of(cfg) < LEAST_QUEUE_SIZE)
        return 0;
    for (uint32_t i = 0; i < queues_of(cfg); i++) {
        const int size =
            vdrv_queue_pick_size(t, i, size_of(cfg), cfg->packed != NULL);

        if (size <= 0)
            break;
        sum += lane_work(t->hal, (uint32_t)size, max_segs_of(cfg));
    }
    return sum;
}

static void make_slots(struct vdrv_virtio_blk_lane *lane, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        lane->slot[i].req = NULL;
        lane->slot[i].next = i + 1 < n ? i + 1 : NO_SLOT;
    }
    lane->free = 0;
}

/* One queue with its slots, from the front of the work memory. */
static int make_lane(struct vdrv_virtio_blk *blk,
                     const struct vdrv_virtio_blk_config *cfg, uint32_t index,
                     uint8_t **work, size_t *left)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[index];
    const uint32_t segs = blk->caps.max_segs + 2;
    const size_t fixed = sizeof(struct vdrv_seg) * segs;
    struct vdrv_queue_config qcfg = {
        .index = index,
        .size = size_of(cfg),
        .indirect = segs,
        .max_chain = segs,
        .vector = vdrv_driver_vector_of(&blk->drv, index),
        .packed = cfg->packed,
        .in_order = cfg->in_order,
        .work = *work,
        .work_size = *left,
    };
    struct vdrv_queue *vq = &blk->queue[index].vq;
    size_t ring, slots;
    int err = vdrv_driver_add_queue(&blk->drv, &qcfg);

    if (err == VDRV_ERR_NO_DEVICE) { /* 5.2.2: it must have them */
        const uint64_t n = index;

        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "the device lacks request queue", &n);
        err = VDRV_ERR_PROTOCOL;
    }
    if (err != VDRV_OK)
        return err;
    ring = vdrv_queue_work_size(vq->hal, vq->size, vq->indirect);
    slots = sizeof(struct vdrv_virtio_blk_slot) * (size_t)vq->size;
    if (*left - ring < slots + fixed) {
        const uint64_t lacking = slots + fixed - (*left - ring);

        vdrv_transport_log(
            blk->drv.transport, VDRV_LOG_ERROR,
            "disk work memory too small; bytes lacking:", &lacking);
        return VDRV_ERR_NO_MEMORY;
    }
    lane->slot = (struct vdrv_virtio_blk_slot *)(void *)(*work + ring);
    lane->seg = (struct vdrv_seg *)(void *)(*work + ring + slots);
    lane->first =
        index == 0 ? 0
                   : blk->lane[index - 1].first + blk->queue[index - 1].vq.size;
    make_slots(lane, vq->size);
    *work += ring + slots + fixed;
    *left -= ring + slots + fixed;
    return VDRV_OK;
}

static int make_shared(struct vdrv_virtio_blk *blk)
{
    const struct vdrv_hal *hal = blk->drv.hal;
    const uint32_t last = blk->drv.made - 1;
    const uint32_t slots = blk->lane[last].first + blk->queue[last].vq.size;
    const uint32_t flags = blk->queue[0].vq.dma_flags;

    blk->shared_size = sizeof(struct shared_slot) * (size_t)slots;
    blk->shared =
        hal->dma_alloc(hal->ctx, blk->shared_size, sizeof(struct shared_slot),
                       UINT64_MAX, flags, &blk->shared_dma);
    if (blk->shared == NULL) {
        const uint64_t told = blk->shared_size;

        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc has no memory; bytes:", &told);
        return VDRV_ERR_NO_MEMORY;
    }
    if (((uintptr_t)blk->shared & 15u) != 0 ||
        (blk->shared_dma & (sizeof(struct shared_slot) - 1)) != 0 ||
        blk->shared_dma + blk->shared_size < blk->shared_dma) {
        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc answered an address that is misaligned "
                           "or too high:",
                           &blk->shared_dma);
        return VDRV_ERR_INVALID;
    }
    memset(blk->shared, 0, blk->shared_size);
    return VDRV_OK;
}

static void free_shared(struct vdrv_virtio_blk *blk, const struct vdrv_hal *hal)
{
    if (blk->shared != NULL)
        hal->dma_free(hal->ctx, blk->shared, blk->shared_dma, blk->shared_size,
                      blk->queue[0].vq.dma_flags);
    blk->shared = NULL;
}

/* 5.2.5: what the device is, before the queues are made to fit it. */
static int learn(struct vdrv_virtio_blk *blk,
                 const struct vdrv_virtio_blk_config *cfg, uint32_t *queues)
{
    struct vdrv_block_caps *caps = &blk->caps;
    uint8_t config[VIRTIO_BLK_CFG_SIZE];
    const int err = read_config(&blk->drv, config);

    if (err != VDRV_OK)
        return err;
    vdrv__blk_validate_config(config, blk->drv.features, max_segs_of(cfg),
                              caps);
    blk->sector_shift = 0;
    while ((512u << blk->sector_shift) < caps->block_size)
        blk->sector_shift++;
    caps->dma_align = blk->drv.hal->dma_align > 1 ? blk->drv.hal->dma_align : 1;
    *queues = 1; /* 5.2.2 */
    if (vdrv_feature(blk->drv.features, VIRTIO_BLK_F_MQ)) {
        *queues = vdrv__get16(config + VIRTIO_BLK_CFG_NUM_QUEUES);
        if (*queues == 0)
            return VDRV_ERR_PROTOCOL;
    }
    if (*queues > queues_of(cfg))
        *queues = queues_of(cfg);
    return VDRV_OK;
}

/* 2.7.5.3.1: a chain, with header and status, is no longer than its ring. */
static int fit_ring(struct vdrv_block_caps *caps, const struct vdrv_queue *vq)
{
    uint64_t bytes;

    if (vq->size < 3)
        return VDRV_ERR_PROTOCOL;
    if (caps->max_segs > vq->size - 2)
        caps->max_segs = vq->size - 2;
    bytes = (uint64_t)caps->max_segs * caps->max_seg_bytes;
    if (bytes < caps->max_bytes)
        caps->max_bytes = (uint32_t)bytes & ~(caps->block_size - 1);
    return VDRV_OK;
}

static int bring_up(struct vdrv_virtio_blk *blk,
                    const struct vdrv_virtio_blk_config *cfg)
{
    uint8_t *work = cfg->work;
    size_t left = cfg->work_size;
    uint32_t queues = 0;
    int err = learn(blk, cfg, &queues);

    vdrv_driver_use_vectors(&blk->drv, blk->vector, cfg->vectors, queues);
    for (uint32_t i = 0; err == VDRV_OK && i < queues; i++)
        err = make_lane(blk, cfg, i, &work, &left);
    for (uint32_t i = 0; err == VDRV_OK && i < queues; i++)
        err = fit_ring(&blk->caps, &blk->queue[i].vq);
    if (err == VDRV_OK)
        err = make_shared(blk);
    if (err != VDRV_OK)
        return err;
    blk->caps.queues = queues;
    blk->caps.depth =
        vdrv_queue_depth(&blk->queue[0].vq, blk->caps.max_segs + 2);
    return vdrv_driver_run(&blk->drv);
}

int vdrv_virtio_blk_init_sized(struct vdrv_virtio_blk *blk,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_blk_config *cfg,
                               uint32_t api_level, size_t blk_size,
                               size_t cfg_size)
{
    uint64_t wanted[2], required[2];
    int err;

    if (blk == NULL || t == NULL || cfg == NULL ||
        api_level != VDRV_API_LEVEL || blk_size != sizeof(*blk) ||
        cfg_size != sizeof(*cfg) || size_of(cfg) < LEAST_QUEUE_SIZE)
        return VDRV_ERR_INVALID;
    if (t->device_id != VDRV_VIRTIO_BLK_ID)
        return VDRV_ERR_NO_DEVICE;
    if (t->claimed != 0) /* perhaps by this very object */
        return VDRV_ERR_BUSY;
    memset(blk, 0, sizeof(*blk));
    choose_features(cfg, wanted, required);
    vdrv_driver_allow_legacy(t, wanted, required);
    err =
        vdrv_driver_begin(&blk->drv, &blk->block.dev, t, &blk_class, blk->queue,
                          queues_of(cfg), cfg->timeout_us, wanted, required);
    if (err != VDRV_OK)
        return err;
    blk->drv.queue_reset = cfg->queue_reset;
    vdrv_block_setup(&blk->block, &blk_ops);
    err = bring_up(blk, cfg);
    if (err != VDRV_OK) {
        err = vdrv_driver_abandon(&blk->drv, err);
        if (err != VDRV_ERR_STUCK)
            free_shared(blk, t->hal);
    }
    return err;
}

int vdrv_virtio_blk_fini(struct vdrv_virtio_blk *blk)
{
    const struct vdrv_hal *hal;
    int err;

    if (blk == NULL)
        return VDRV_ERR_INVALID;
    hal = blk->drv.hal;
    err = vdrv_driver_fini(&blk->drv);
    if (err == VDRV_OK && hal != NULL)
        free_shared(blk, hal);
    return err;
}
