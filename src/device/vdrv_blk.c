/* SPDX-License-Identifier: MIT */
/*
 * The virtio block driver (VirtIO 1.4, 5.2): requests.
 *
 * Each request has a slot: 64 bytes of shared memory for its header, its range
 * record and its status byte, and a private record of whose request it is.
 * The slots, like everything else, are allocated once, at init.
 *
 * A read or write of one segment with nothing special about it, which is what
 * most requests are, takes the short way through submit(); all others,
 * and all that are to be refused, are looked at by make_plan().
 */
#include "vdrv_blk_impl.h"

#include "../core/mem.h"
#include "../core/wait.h"

#define BLOCKING_SEGS 8u /* of one request of a blocking call */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- Checking a request -------------------------------------------------- */

int vdrv__blk_refuse(const struct vdrv_virtio_blk *blk, const char *why,
                     uint64_t value)
{
    if (blk->drv.transport != NULL)
        vdrv_transport_log(blk->drv.transport, VDRV_LOG_WARN, why, &value);
    return VDRV_ERR_INVALID;
}

static int past_the_end(const struct vdrv_virtio_blk *blk, uint64_t block)
{
    return vdrv__blk_refuse(blk, "refused: past the end of the disk; block",
                            block);
}

int vdrv__blk_sum(const struct vdrv_block_caps *caps,
                  const struct vdrv_block_request *req, uint64_t *bytes)
{
    int err = VDRV_OK;

    *bytes = 0;
    if (req->nsegs != 0 && req->segs == NULL)
        return VDRV_ERR_INVALID;
    if (req->nsegs > caps->max_segs)
        return VDRV_ERR_TOO_BIG;
    for (uint32_t i = 0; i < req->nsegs; i++) {
        *bytes += req->segs[i].len;
        if (req->segs[i].len > caps->max_seg_bytes)
            err = VDRV_ERR_TOO_BIG;
    }
    return *bytes > caps->max_bytes ? VDRV_ERR_TOO_BIG : err;
}

/* 5.2.6.1: whole blocks, inside the disk, inside the device's limits. */
static int plan_data(const struct vdrv_virtio_blk *blk,
                     const struct vdrv_block_request *req,
                     struct vdrv__blk_plan *p, bool *idle)
{
    const struct vdrv_block_caps *caps = &blk->caps;
    uint64_t bytes;
    const int err = vdrv__blk_sum(caps, req, &bytes);

    if (err == VDRV_ERR_INVALID)
        return err;
    if ((bytes & (caps->block_size - 1)) != 0)
        return vdrv__blk_refuse(blk,
                                "refused: not whole blocks; bytes:", bytes);
    if (!vdrv__blk_inside(blk, req->block,
                          bytes >> VIRTIO_BLK_SECTOR_SHIFT >>
                              blk->sector_shift))
        return past_the_end(blk, req->block);
    if (err != VDRV_OK)
        return err;
    *idle = bytes == 0;
    p->writes = req->op == VDRV_BLOCK_WRITE;
    p->type = p->writes ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    p->sector = req->block << blk->sector_shift;
    if (!p->writes || *idle)
        return VDRV_OK;
    if (caps->read_only)
        return VDRV_ERR_READ_ONLY;
    return blk->zones != NULL ? blk->zones->check_write(blk, req->block, bytes)
                              : VDRV_OK;
}

static int plan_range(const struct vdrv_virtio_blk *blk,
                      const struct vdrv_block_request *req,
                      struct vdrv__blk_plan *p, bool *idle)
{
    const struct vdrv_block_caps *caps = &blk->caps;
    uint64_t max = caps->max_discard, align = 1;

    p->type = VIRTIO_BLK_T_DISCARD;
    if (req->op == VDRV_BLOCK_WRITE_ZEROES) {
        p->type = VIRTIO_BLK_T_WRITE_ZEROES;
        max = caps->max_write_zeroes;
        if ((req->flags & VDRV_BLOCK_UNMAP) != 0 && caps->can_unmap_zeroes)
            p->range_flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    } else if (req->op == VDRV_BLOCK_SECURE_ERASE) {
        p->type = VIRTIO_BLK_T_SECURE_ERASE;
        max = caps->max_secure_erase;
        align = caps->secure_erase_align;
    }
    if (max == 0)
        return VDRV_ERR_UNSUPPORTED;
    if (req->nsegs != 0)
        return VDRV_ERR_INVALID;
    if (!vdrv__blk_inside(blk, req->block, req->nblocks))
        return past_the_end(blk, req->block);
    /* 5.2.6.1: erasing is exact, discarding only advice. */
    if (align != 1 && (req->block % align != 0 || req->nblocks % align != 0))
        return VDRV_ERR_INVALID;
    if (caps->read_only)
        return VDRV_ERR_READ_ONLY;
    if (req->nblocks > max)
        return VDRV_ERR_TOO_BIG;
    *idle = req->nblocks == 0;
    p->writes = true;
    p->range_sector = req->block << blk->sector_shift;
    p->range_sectors = req->nblocks << blk->sector_shift;
    return VDRV_OK;
}

/* A command that returns a fixed number of bytes in one segment. */
static int plan_query(const struct vdrv_block_request *req,
                      struct vdrv__blk_plan *p, uint32_t type, uint32_t bytes)
{
    p->type = type;
    return req->nsegs == 1 && req->segs != NULL && req->segs[0].len == bytes
               ? VDRV_OK
               : VDRV_ERR_INVALID;
}

/* Checks `req`; `*idle` is set when there is nothing to be done. */
static int make_plan(const struct vdrv_virtio_blk *blk,
                     const struct vdrv_block_request *req,
                     struct vdrv__blk_plan *p, bool *idle)
{
    memset(p, 0, sizeof(*p));
    *idle = false;
    switch (req->op) {
    case VDRV_BLOCK_READ:
    case VDRV_BLOCK_WRITE:
        return plan_data(blk, req, p, idle);
    case VDRV_BLOCK_FLUSH:
        p->type = VIRTIO_BLK_T_FLUSH; /* 5.2.6.1: sector 0, no data */
        *idle = !blk->caps.can_flush;
        return req->nsegs == 0 ? VDRV_OK : VDRV_ERR_INVALID;
    case VDRV_BLOCK_DISCARD:
    case VDRV_BLOCK_WRITE_ZEROES:
    case VDRV_BLOCK_SECURE_ERASE:
        return plan_range(blk, req, p, idle);
    case VDRV_BLOCK_GET_ID:
        return plan_query(req, p, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_ID_BYTES);
    case VDRV_BLOCK_GET_LIFETIME:
        if (!vdrv_feature(blk->drv.features, VIRTIO_BLK_F_LIFETIME))
            return VDRV_ERR_UNSUPPORTED;
        return plan_query(req, p, VIRTIO_BLK_T_GET_LIFETIME,
                          VIRTIO_BLK_LIFETIME_BYTES);
    default:
        if (req->op < VDRV_BLOCK_ZONE_REPORT ||
            req->op > VDRV_BLOCK_ZONE_APPEND)
            return VDRV_ERR_INVALID;
        return blk->zones != NULL ? blk->zones->plan(blk, req, p)
                                  : VDRV_ERR_UNSUPPORTED;
    }
}

/* ---- Submitting ---------------------------------------------------------- */

#define SHARED_AT(member) offsetof(struct vdrv__blk_shared, member)

static inline uint64_t dma_of(const struct vdrv_virtio_blk_lane *lane,
                              const struct vdrv__blk_shared *sh)
{
    return (uintptr_t)sh + lane->shared_offset;
}

static int enqueue(struct vdrv_virtio_blk *blk,
                   const struct vdrv_block_request *req,
                   const struct vdrv__blk_plan *p,
                   struct vdrv_virtio_blk_slot *slot)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[req->queue];
    struct vdrv__blk_shared *sh = slot->sh;
    const uint64_t dma = dma_of(lane, sh);
    struct vdrv_seg *seg = lane->seg;
    /* 5.2.6: on a legacy device, the CPU's order. */
    const bool native =
        (blk->drv.transport->flags & VDRV_TRANSPORT_LEGACY) != 0;
    uint32_t n = 0, nout;

    sh->header.type = vdrv__wire32(native, p->type);
    sh->header.reserved = vdrv__wire32(native, 0);
    sh->header.sector = vdrv__wire64(native, p->sector);
    sh->tail.status = VDRV__BLK_NO_STATUS;
    seg[n++] = vdrv_seg_dma(dma, sizeof(sh->header));
    if (p->range_sectors != 0) {
        sh->range.sector = vdrv__wire64(native, p->range_sector);
        sh->range.num_sectors =
            vdrv__wire32(native, (uint32_t)p->range_sectors);
        sh->range.flags = vdrv__wire32(native, p->range_flags);
        seg[n++] = vdrv_seg_dma(dma + SHARED_AT(range), sizeof(sh->range));
    }
    for (uint32_t i = 0; i < req->nsegs; i++)
        seg[n++] = req->segs[i];
    nout = p->writes ? n : 1;
    seg[n++] = p->append
                   ? vdrv_seg_dma(dma + SHARED_AT(tail), VIRTIO_BLK_APPEND_TAIL)
                   : vdrv_seg_dma(dma + VDRV__BLK_STATUS_AT, 1);
    return vdrv_queue_add(&blk->queue[req->queue].vq, seg, nout, n - nout,
                          slot);
}

/* What was enqueued is the device's, from now on. */
static inline int take_slot(struct vdrv_virtio_blk_lane *lane,
                            struct vdrv_virtio_blk_slot *slot,
                            struct vdrv_block_request *req, uintptr_t kind)
{
    lane->free = slot->next;
    slot->req = req;
    req->status = VDRV_PENDING;
    req->opaque[1] = (void *)kind;
    return VDRV_OK;
}

/* Nothing to do for the device. */
static int complete_idle(struct vdrv_virtio_blk *blk,
                         struct vdrv_block_request *req, uintptr_t kind)
{
    struct vdrv_driver_queue *dq = &blk->queue[req->queue];

    req->device_status = VIRTIO_BLK_S_OK;
    req->result = 0;
    req->status = VDRV_OK;
    if (kind == VDRV__BLK_BLOCKING || req->done == NULL)
        return VDRV_OK;
    dq->busy++;
    req->done(req);
    dq->busy--;
    return VDRV_OK;
}

/* A submitted request whose time is limited. */
static void set_deadline(struct vdrv_virtio_blk *blk,
                         struct vdrv_virtio_blk_lane *lane,
                         struct vdrv_virtio_blk_slot *slot, uint32_t timeout_us)
{
    slot->deadline = blk->drv.hal->now_us(blk->drv.hal->ctx) + timeout_us;
    if (lane->timed++ == 0 || slot->deadline < lane->earliest)
        lane->earliest = slot->deadline;
}

/* Any request. */
__attribute__((noinline)) static int submit_any(struct vdrv_virtio_blk *blk,
                                                struct vdrv_block_request *req,
                                                uintptr_t kind)
{
    struct vdrv_virtio_blk_lane *lane;
    struct vdrv_virtio_blk_slot *slot;
    struct vdrv__blk_plan p;
    bool idle = false;
    int err = vdrv_driver_check(&blk->drv, req->queue);

    if (err == VDRV_OK)
        err = make_plan(blk, req, &p, &idle);
    if (err != VDRV_OK)
        return err;
    if (kind != VDRV__BLK_BLOCKING && req->timeout_us != 0 &&
        req->timeout_us != VDRV_BLOCK_NO_TIMEOUT) {
        if (blk->drv.hal->now_us == NULL)
            return VDRV_ERR_UNSUPPORTED;
        kind |= VDRV__BLK_TIMED;
    }
    if (idle)
        return complete_idle(blk, req, kind);
    lane = &blk->lane[req->queue];
    slot = lane->free;
    if (slot == NULL)
        return VDRV_ERR_AGAIN;
    req->device_status = VDRV__BLK_NO_STATUS;
    req->result = 0;
    err = enqueue(blk, req, &p, slot);
    if (err != VDRV_OK) {
        req->status = err;
        return err;
    }
    if ((kind & VDRV__BLK_TIMED) != 0)
        set_deadline(blk, lane, slot, req->timeout_us);
    if (req->op >= VDRV_BLOCK_GET_ID)
        kind |= p.append ? VDRV__BLK_ODD : VDRV__BLK_COUNTED;
    return take_slot(lane, slot, req, kind);
}

_Static_assert(VDRV_BLOCK_READ - 1 == VIRTIO_BLK_T_IN &&
                   VDRV_BLOCK_WRITE - 1 == VIRTIO_BLK_T_OUT,
               "submit() counts on it");

#if !defined(__OPTIMIZE_SIZE__)
/*
 * Whole blocks, as many as a plain request may have, and inside the disk.
 * Turned right, a length that is not of whole blocks is a large number; and 0
 * is one when 1 is taken from it.
 */
static inline bool plain_range(const struct vdrv_virtio_blk *blk,
                               uint64_t block, uint32_t len)
{
    const uint32_t shift = blk->sector_shift + VIRTIO_BLK_SECTOR_SHIFT;
    const uint32_t n = len >> shift | len << (32 - shift);

    return n - 1 < blk->plain_max && vdrv__blk_inside(blk, block, n);
}

/*
 * The short way, for a read or write of one segment that is in order but for
 * that segment's place, which the ring looks at; the long one for all others.
 */
ALWAYS_INLINE int submit(struct vdrv_virtio_blk *blk,
                         struct vdrv_block_request *req, const uintptr_t kind)
{
    const struct vdrv_seg *seg = req->segs;
    const uint32_t op = req->op - 1u, queue = req->queue;
    struct vdrv_virtio_blk_lane *lane;
    struct vdrv_virtio_blk_slot *slot;
    struct vdrv__blk_shared *sh;
    int err;

    if (unlikely(queue >= blk->drv.made || req->nsegs != 1 ||
                 op >= blk->plain_ops || seg == NULL))
        return submit_any(blk, req, kind);
    lane = &blk->lane[queue];
    if (unlikely(vdrv__counted(&blk->drv.epoch) != lane->dq->epoch ||
                 !plain_range(blk, req->block, seg->len) || lane->free == NULL))
        return submit_any(blk, req, kind);
    slot = lane->free;
    sh = slot->sh;
    /* Not on a big-endian CPU's legacy device: there plain_ops is 0. */
    sh->header.type = le32(op);
    sh->header.sector = le64(req->block << blk->sector_shift);
    sh->tail.status = VDRV__BLK_NO_STATUS;
    err = lane->dq->vq.framed[op](&lane->dq->vq, seg, dma_of(lane, sh), slot);
    if (unlikely(err != VDRV_OK)) {
        req->status = err;
        return err;
    }
    return take_slot(lane, slot, req, kind);
}
#else
static int submit(struct vdrv_virtio_blk *blk, struct vdrv_block_request *req,
                  uintptr_t kind)
{
    return submit_any(blk, req, kind);
}
#endif

static int blk_submit(struct vdrv_block *block, struct vdrv_block_request *req)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of(block);

    return likely(req->timeout_us == 0) ? submit(blk, req, 0)
                                        : submit_any(blk, req, 0);
}

static int blk_kick(struct vdrv_block *block, uint32_t queue)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of(block);
    const int err = vdrv_driver_check(&blk->drv, queue);

    return err != VDRV_OK ? err : vdrv_queue_kick(&blk->queue[queue].vq);
}

/* ---- Completing ---------------------------------------------------------- */

/* 5.2.6: the status byte decides; any other value is no success. */
static int result_of(const struct vdrv_virtio_blk *blk,
                     struct vdrv_block_request *req,
                     const struct vdrv__blk_shared *sh, uint8_t status)
{
    switch (status) {
    case VIRTIO_BLK_S_IOERR:
        return VDRV_ERR_IO;
    case VIRTIO_BLK_S_UNSUPP:
        return VDRV_ERR_UNSUPPORTED;
    case VIRTIO_BLK_S_OK:
        if (((uintptr_t)req->opaque[1] & VDRV__BLK_ODD) == 0)
            return VDRV_OK;
        break;
    default:
        break;
    }
    return blk->zones != NULL ? blk->zones->result(blk, req, sh, status)
                              : VDRV_ERR_PROTOCOL;
}

/* The device says that it is done with a request. */
static int judge(struct vdrv_virtio_blk *blk, struct vdrv_block_request *req,
                 const struct vdrv__blk_shared *sh, uint8_t status)
{
    const int err = result_of(blk, req, sh, status);

    if (err == VDRV_ERR_PROTOCOL) {
        const uint64_t told = status;

        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "request came back with status", &told);
        vdrv_driver_fail(&blk->drv, err);
    }
    return err;
}

/* Not a plain one that succeeded. */
__attribute__((noinline)) static void complete_any(
    struct vdrv_virtio_blk *blk, uint32_t queue,
    struct vdrv_virtio_blk_slot *slot, struct vdrv_block_request *req,
    uint32_t len, int err)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[queue];
    const uintptr_t kind = (uintptr_t)req->opaque[1];
    const struct vdrv_hal *hal = blk->drv.hal;

    if ((kind & VDRV__BLK_COUNTED) != 0)
        req->result = len - (len != 0); /* without the status byte */
    if (err == VDRV_OK)
        err = judge(blk, req, slot->sh, (uint8_t)req->device_status);
    if ((kind & VDRV__BLK_TIMED) != 0) {
        lane->timed--;
        if (err == VDRV_ERR_ABORTED && hal->now_us(hal->ctx) >= slot->deadline)
            err = VDRV_ERR_TIMEOUT; /* and the memory is back */
        slot->deadline = VDRV__BLK_NEVER;
    }
    if ((kind & VDRV__BLK_BLOCKING) != 0) {
        vdrv_driver_finish(&blk->drv, queue, &req->status, err, true);
    } else if (req->done != NULL) {
        req->status = err;
        req->done(req);
    } else {
        vdrv_driver_finish(&blk->drv, queue, &req->status, err, false);
    }
}

/* A chain came back; afterwards its slot may be another's. */
static inline void complete(struct vdrv_virtio_blk *blk, uint32_t queue,
                            struct vdrv_virtio_blk_lane *lane,
                            const struct vdrv_used *used, int err)
{
    struct vdrv_virtio_blk_slot *slot = used->cookie;
    struct vdrv_block_request *req = slot->req;
    const uint32_t status = *(const volatile uint8_t *)&slot->sh->tail.status;

    slot->next = lane->free;
    lane->free = slot;
    if (unlikely(req == NULL)) /* forgotten by a call that answered STUCK */
        return;
    req->device_status = err == VDRV_OK ? status : VDRV__BLK_NO_STATUS;
    if (err == VDRV_OK) {
        if (likely(status == VIRTIO_BLK_S_OK && req->opaque[1] == NULL &&
                   req->done != NULL)) {
            req->status = VDRV_OK;
            req->done(req);
            return;
        }
    }
    complete_any(blk, queue, slot, req, used->len, err);
}

void vdrv__blk_completed(struct vdrv_driver *drv, uint32_t queue,
                         const struct vdrv_used *used, uint32_t n)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of_drv(drv);
    struct vdrv_virtio_blk_lane *lane = &blk->lane[queue];
    const struct vdrv_used *end = used + n;

    for (; used < end; used++)
        complete(blk, queue, lane, used, VDRV_OK);
}

void vdrv__blk_complete(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                        uint32_t len, int err)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of_drv(drv);
    const struct vdrv_used used = {.cookie = cookie, .len = len};

    complete(blk, queue, &blk->lane[queue], &used, err);
}

void vdrv__blk_free_slots(struct vdrv_virtio_blk_lane *lane, uint32_t n)
{
    struct vdrv__blk_shared *sh = (void *)lane->shared;

    for (uint32_t i = 0; i < n; i++) {
        lane->slot[i].next = i + 1 < n ? &lane->slot[i + 1] : NULL;
        lane->slot[i].sh = &sh[i];
        lane->slot[i].deadline = VDRV__BLK_NEVER;
        sh[i].header.reserved = le32(0);
    }
    lane->free = lane->slot;
    lane->timed = 0;
}

/* ---- Deadlines ----------------------------------------------------------- */

/* The earliest deadline among the requests of a queue. */
static uint64_t earliest(const struct vdrv_virtio_blk_lane *lane, uint32_t n)
{
    uint64_t least = VDRV__BLK_NEVER;

    for (uint32_t i = 0; i < n; i++)
        if (lane->slot[i].deadline < least)
            least = lane->slot[i].deadline;
    return least;
}

/*
 * A queue's requests are looked at once per deadline that passes, and the
 * clock once a poll, while any of them has one.
 */
__attribute__((noinline)) static int look_at_deadlines(
    struct vdrv_virtio_blk *blk, uint32_t queue, int done)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[queue];
    const struct vdrv_hal *hal = blk->drv.hal;
    const uint64_t now = hal->now_us(hal->ctx), told = queue;

    if (now < lane->earliest)
        return done;
    lane->earliest = earliest(lane, blk->queue[queue].vq.size);
    if (now < lane->earliest)
        return done;
    vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                       "a request is past its deadline; queue", &told);
    vdrv_driver_fail(&blk->drv, VDRV_ERR_BAD_STATE);
    return done > 0 ? done : VDRV_ERR_BAD_STATE;
}

/* ---- The blocking forms -------------------------------------------------- */

static int submit_blocking(struct vdrv_virtio_blk *blk,
                           struct vdrv_block_request *req)
{
    return submit(blk, req, VDRV__BLK_BLOCKING);
}

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
        err = submit_blocking(blk, req);
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
                          : submit_blocking(blk, req);
        if (n == 0)
            vdrv_driver_rest(&blk->drv, req->queue, vdrv__wait_left(&w));
        late = !vdrv__wait_more(&w);
    }
}

static void forget(struct vdrv_virtio_blk *blk,
                   const struct vdrv_block_request *req)
{
    struct vdrv_virtio_blk_lane *lane = &blk->lane[req->queue];

    for (uint32_t i = 0; i < lane->dq->vq.size; i++)
        if (lane->slot[i].req == req)
            lane->slot[i].req = NULL;
}

static int blk_execute(struct vdrv_block *block, struct vdrv_block_request *req)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of(block);
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
        forget(blk, req);
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

/* What the length of every piece of a transfer is a multiple of. */
static uint32_t unit_of(const struct vdrv_block_caps *caps, uint32_t op)
{
    return op == VDRV_BLOCK_WRITE && caps->write_unit > 1
               ? caps->block_size * caps->write_unit
               : caps->block_size;
}

/* The most that transfer_once can take. */
static uint32_t chunk_limit(const struct vdrv_block_caps *caps)
{
    const uint32_t segs =
        caps->max_segs < BLOCKING_SEGS ? caps->max_segs : BLOCKING_SEGS;
    const uint64_t bytes = (uint64_t)segs * caps->max_seg_bytes;

    return bytes < caps->max_bytes ? (uint32_t)bytes : caps->max_bytes;
}

/* Range and length of the whole were checked by the wrapper. */
static int transfer(struct vdrv_virtio_blk *blk, uint32_t op, uint64_t block,
                    uint8_t *buf, size_t len)
{
    const uint32_t unit = unit_of(&blk->caps, op);
    uint32_t limit = chunk_limit(&blk->caps);

    limit -= limit % unit;
    while (len > 0) {
        const uint32_t n = len < limit ? (uint32_t)len : limit;
        const int err =
            n == 0 ? VDRV_ERR_TOO_BIG : transfer_once(blk, op, block, buf, n);

        /* Scattered memory takes more segments than were counted. */
        if (err == VDRV_ERR_TOO_BIG && n > unit) {
            limit = n / 2 - n / 2 % unit;
            continue;
        }
        if (err != VDRV_OK)
            return err;
        buf += n;
        block += n >> VIRTIO_BLK_SECTOR_SHIFT >> blk->sector_shift;
        len -= n;
    }
    return VDRV_OK;
}

static int blk_read_block(struct vdrv_block *block, uint64_t at, void *buf,
                          size_t len)
{
    return transfer(vdrv__blk_of(block), VDRV_BLOCK_READ, at, buf, len);
}

static int blk_write_block(struct vdrv_block *block, uint64_t at,
                           const void *buf, size_t len)
{
    return transfer(vdrv__blk_of(block), VDRV_BLOCK_WRITE, at,
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
    vdrv_driver_identify(&vdrv__blk_of_dev(dev)->drv, blk_name(dev),
                         VDRV_TYPE_BLOCK, out);
    return VDRV_OK;
}

static uint32_t blk_irq(struct vdrv_device *dev, uint32_t vector)
{
    return vdrv_driver_irq(&vdrv__blk_of_dev(dev)->drv, vector);
}

static int blk_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of_dev(dev);
    const int done = vdrv_driver_poll(&blk->drv, queue, budget);

    if (done < 0 || blk->lane[queue].timed == 0)
        return done;
    /* The budget was used up: who is late may be among what was not fetched. */
    if (budget != 0 && (uint32_t)done == budget &&
        vdrv_queue_pending(&blk->queue[queue].vq))
        return done;
    return look_at_deadlines(blk, queue, done);
}

static int blk_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode)
{
    return vdrv_driver_arm(&vdrv__blk_of_dev(dev)->drv, queue, mode);
}

static int blk_stop(struct vdrv_device *dev)
{
    return vdrv_driver_stop(&vdrv__blk_of_dev(dev)->drv);
}

static int blk_start(struct vdrv_device *dev)
{
    return vdrv_driver_start(&vdrv__blk_of_dev(dev)->drv);
}

static int blk_reset_queue(struct vdrv_device *dev, uint32_t queue)
{
    return vdrv_driver_reset_queue(&vdrv__blk_of_dev(dev)->drv, queue);
}

static int blk_suspend(struct vdrv_device *dev)
{
    return vdrv_driver_suspend(&vdrv__blk_of_dev(dev)->drv);
}

static int blk_resume(struct vdrv_device *dev)
{
    return vdrv_driver_resume(&vdrv__blk_of_dev(dev)->drv);
}

static uint64_t blk_num_blocks(const struct vdrv_block *block)
{
    return vdrv__blk_size(vdrv__blk_of(block));
}

static uint32_t blk_block_size(const struct vdrv_block *block)
{
    return vdrv__blk_of(block)->caps.block_size;
}

static int blk_get_caps(const struct vdrv_block *block,
                        struct vdrv_block_caps *out)
{
    const struct vdrv_virtio_blk *blk = vdrv__blk_of(block);

    *out = blk->caps;
    out->num_blocks = vdrv__blk_size(blk);
    return VDRV_OK;
}

/* Wrappers refuse what is wrong at once: here is why. */
static void blk_refused(const struct vdrv_block *block, const char *why,
                        uint64_t value)
{
    (void)vdrv__blk_refuse(vdrv__blk_of(block), why, value);
}

const struct vdrv_block_ops vdrv__blk_ops = {
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
            .refresh = vdrv__blk_refresh,
            .reset_queue = blk_reset_queue,
            .suspend = blk_suspend,
            .resume = blk_resume,
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
    .set_write_cache = vdrv__blk_set_write_cache,
    .panic = vdrv__blk_panic,
    .refused = blk_refused,
};
