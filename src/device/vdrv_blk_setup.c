/* SPDX-License-Identifier: MIT */
/*
 * The virtio block driver (VirtIO 1.4, 5.2): bringing it up and down, and what
 * changes while it runs.
 */
#include "vdrv_blk_impl.h"

#include "../core/mem.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_ring.h"
#include "vdrv_blk_config.h"

#define DEFAULT_QUEUE_SIZE 128u
#define DEFAULT_MAX_SEGS   16u
#define LEAST_QUEUE_SIZE   4u /* header, data, status; a power of two */

/* ---- The configuration --------------------------------------------------- */

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

/* ---- Changes ------------------------------------------------------------- */

static void set_size(struct vdrv_virtio_blk *blk, uint64_t num_blocks)
{
    *(volatile uint64_t *)&blk->caps.num_blocks = num_blocks;
    vdrv__halves_write(blk->size, &blk->size_turn, num_blocks);
}

/*
 * 5.2.5.2: the capacity may change at any time.  Every other limit was agreed
 * on when the queues were made.
 */
static int look_again(struct vdrv_virtio_blk *blk, uint32_t *changes)
{
    uint8_t config[VIRTIO_BLK_CFG_SIZE];
    struct vdrv_block_caps caps;
    const int err = read_config(&blk->drv, config);

    if (err != VDRV_OK)
        return err;
    memset(&caps, 0, sizeof(caps));
    vdrv__blk_validate_config(config, blk->drv.features, blk->caps.max_segs,
                              &caps);
    blk->caps.write_cache = caps.write_cache;
    if (caps.block_size == blk->caps.block_size &&
        caps.num_blocks != blk->caps.num_blocks) {
        set_size(blk, caps.num_blocks);
        vdrv__count(&blk->caps.generation);
        *changes |= VDRV_CHANGE_CAPACITY;
    }
    return VDRV_OK;
}

int vdrv__blk_refresh(struct vdrv_device *dev, uint32_t *changes)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of_dev(dev);
    const int err = vdrv_driver_refresh(&blk->drv);

    return err != VDRV_OK ? err : look_again(blk, changes);
}

/* 5.2.6.1; what the device made of it is read back. */
static bool switch_cache(struct vdrv_virtio_blk *blk, bool on)
{
    struct vdrv_transport *t = blk->drv.transport;

    t->ops->config_write(t, VIRTIO_BLK_CFG_WRITEBACK, 1, on);
    blk->caps.write_cache =
        (uint8_t)t->ops->config_read(t, VIRTIO_BLK_CFG_WRITEBACK, 1) != 0;
    return blk->caps.write_cache == (on ? 1 : 0);
}

/*
 * Started again, after a reset: meanwhile the disk may have another size, and
 * its cache either mode (5.2.5).
 */
int vdrv__blk_started(struct vdrv_driver *drv)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of_drv(drv);
    uint32_t changes = 0;
    int err;

    if (drv->epoch == 0) /* the first time: all of it was read just now */
        return VDRV_OK;
    err = look_again(blk, &changes);
    if (err != VDRV_OK || blk->cache_wish == 0 ||
        switch_cache(blk, blk->cache_wish == 2) || !blk->caps.write_cache)
        return err;
    /* Somebody does without flushes. */
    vdrv_transport_log(drv->transport, VDRV_LOG_ERROR,
                       "the device does not switch its cache off again", NULL);
    return VDRV_ERR_UNSUPPORTED;
}

int vdrv__blk_set_write_cache(struct vdrv_block *block, bool on)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of(block);
    const int err = vdrv_driver_refresh(&blk->drv);

    if (err != VDRV_OK)
        return err;
    /* A cache that cannot be flushed is none that anybody wants. */
    if (!vdrv_feature(blk->drv.features, VIRTIO_BLK_F_CONFIG_WCE) ||
        (on && !blk->caps.can_flush))
        return VDRV_ERR_UNSUPPORTED;
    for (uint32_t i = 0; i < blk->drv.made; i++) {
        if (blk->queue[i].busy != 0)
            return VDRV_ERR_BUSY;
    }
    if (!switch_cache(blk, on))
        return VDRV_ERR_IO;
    blk->cache_wish = on ? 2 : 1;
    /* 5.2.6.1: what was written before is not yet stable. */
    return on ? VDRV_OK : vdrv_block_flush(block);
}

/* What an interrupted call has left behind may be half of something. */
int vdrv__blk_panic(struct vdrv_block *block)
{
    struct vdrv_virtio_blk *blk = vdrv__blk_of(block);

    for (uint32_t i = 0; i < blk->drv.made; i++)
        vdrv__blk_free_slots(&blk->lane[i], blk->queue[i].vq.size);
    return vdrv_driver_seize(&blk->drv);
}

/* ---- Init and fini ------------------------------------------------------- */

static const struct vdrv_driver_class blk_class = {
    .complete = vdrv__blk_complete,
    .completed = vdrv__blk_completed,
    .started = vdrv__blk_started,
};

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
    if (cfg->suspend)
        wanted[0] |= BIT(VIRTIO_F_SUSPEND);
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
    const size_t ring = vdrv_queue_work_size(hal, size, max_segs + 2);
    const size_t rest = sizeof(struct vdrv_virtio_blk_slot) * (size_t)size +
                        sizeof(struct vdrv_seg) * ((size_t)max_segs + 2);

    return ring < SIZE_MAX - rest ? ring + rest : SIZE_MAX;
}

size_t vdrv_virtio_blk_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_blk_config *cfg)
{
    size_t sum = 0, lane;

    if (t == NULL || cfg == NULL || size_of(cfg) < LEAST_QUEUE_SIZE)
        return 0;
    for (uint32_t i = 0; i < queues_of(cfg); i++) {
        const int size =
            vdrv_queue_pick_size(t, i, size_of(cfg), cfg->packed != NULL);

        if (size <= 0)
            break;
        lane = lane_work(t->hal, (uint32_t)size, max_segs_of(cfg));
        sum = lane < SIZE_MAX - sum ? sum + lane : SIZE_MAX;
    }
    return sum;
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
        .frame = {.head = sizeof(struct virtio_blk_req),
                  .tail_at = VDRV__BLK_STATUS_AT,
                  .tail = 1},
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
    *work += ring + slots + fixed;
    *left -= ring + slots + fixed;
    return VDRV_OK;
}

static int make_shared(struct vdrv_virtio_blk *blk)
{
    const struct vdrv_hal *hal = blk->drv.hal;
    const size_t each = sizeof(struct vdrv__blk_shared);
    const uint32_t flags = blk->queue[0].vq.dma_flags;
    size_t at = 0;

    for (uint32_t i = 0; i < blk->drv.made; i++)
        blk->shared_size += each * blk->queue[i].vq.size;
    blk->shared = hal->dma_alloc(hal->ctx, blk->shared_size, each, UINT64_MAX,
                                 flags, &blk->shared_dma);
    if (blk->shared == NULL) {
        const uint64_t told = blk->shared_size;

        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc has no memory; bytes:", &told);
        return VDRV_ERR_NO_MEMORY;
    }
    if (((uintptr_t)blk->shared & 15u) != 0 ||
        (blk->shared_dma & (each - 1)) != 0 ||
        blk->shared_dma + blk->shared_size < blk->shared_dma) {
        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc answered an address that is misaligned "
                           "or too high:",
                           &blk->shared_dma);
        return VDRV_ERR_INVALID;
    }
    memset(blk->shared, 0, blk->shared_size);
    for (uint32_t i = 0; i < blk->drv.made; i++) {
        struct vdrv_virtio_blk_lane *lane = &blk->lane[i];

        lane->dq = &blk->queue[i];
        lane->shared = blk->shared + at;
        lane->shared_offset = blk->shared_dma - (uintptr_t)blk->shared;
        vdrv__blk_free_slots(lane, blk->queue[i].vq.size);
        at += each * blk->queue[i].vq.size;
    }
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

    /* 2.7.5.3.1: nor does an indirect table hold more than the ring. */
    if (vq->size < 3) {
        const uint64_t told = vq->size;

        vdrv_transport_log(
            vq->transport, VDRV_LOG_ERROR,
            "a queue too small for any request; entries:", &told);
        return VDRV_ERR_UNSUPPORTED;
    }
    if (caps->max_segs > vq->size - 2)
        caps->max_segs = vq->size - 2;
    bytes = (uint64_t)caps->max_segs * caps->max_seg_bytes;
    if (bytes < caps->max_bytes)
        caps->max_bytes = (uint32_t)bytes & ~(caps->block_size - 1);
    return VDRV_OK;
}

/* Which requests submit() may be given. */
static void set_plain(struct vdrv_virtio_blk *blk)
{
    const struct vdrv_block_caps *caps = &blk->caps;

    blk->plain_max =
        (caps->max_seg_bytes < caps->max_bytes ? caps->max_seg_bytes
                                               : caps->max_bytes) /
        caps->block_size;
    blk->plain_ops = caps->read_only || caps->zoned != 0 ? 1 : 2;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if ((blk->drv.transport->flags & VDRV_TRANSPORT_LEGACY) != 0)
        blk->plain_ops = 0; /* headers in the CPU's order */
#endif
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
    if (cfg->zones != NULL &&
        vdrv_feature(blk->drv.features, VIRTIO_BLK_F_ZONED))
        err = cfg->zones->learn(blk);
    if (err != VDRV_OK)
        return err;
    blk->zones = blk->caps.zoned != 0 ? cfg->zones : NULL;
    set_plain(blk);
    set_size(blk, blk->caps.num_blocks);
    return vdrv_driver_run(&blk->drv);
}

static int begin(struct vdrv_virtio_blk *blk, struct vdrv_transport *t,
                 const struct vdrv_virtio_blk_config *cfg, bool discard)
{
    uint64_t wanted[2], required[2];

    choose_features(cfg, wanted, required);
    vdrv_driver_allow_legacy(t, wanted, required);
    if (!discard)
        wanted[0] &= ~BIT(VIRTIO_BLK_F_DISCARD);
    /* 5.2.5.2: no legacy device is zoned. */
    if (cfg->zones != NULL && (t->flags & VDRV_TRANSPORT_LEGACY) == 0)
        wanted[0] |= BIT(VIRTIO_BLK_F_ZONED);
    return vdrv_driver_begin(&blk->drv, &blk->block.dev, t, &blk_class,
                             blk->queue, queues_of(cfg), cfg->timeout_us,
                             wanted, required);
}

/*
 * 5.2.5.1: no DISCARD with a host-managed device, and which model it is of is
 * read when ZONED is settled.  So the first try is without DISCARD, and most
 * often there is a second one with it.
 */
static int negotiate(struct vdrv_virtio_blk *blk, struct vdrv_transport *t,
                     const struct vdrv_virtio_blk_config *cfg)
{
    int err = begin(blk, t, cfg, cfg->zones == NULL);

    if (err == VDRV_OK && cfg->zones != NULL)
        err = cfg->zones->settle(&blk->drv);
    if (err <= 0)
        return err;
    vdrv_transport_release(t);
    return begin(blk, t, cfg, true);
}

int vdrv_virtio_blk_init_sized(struct vdrv_virtio_blk *blk,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_blk_config *cfg,
                               uint32_t api_level, size_t blk_size,
                               size_t cfg_size)
{
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
    err = negotiate(blk, t, cfg);
    if (t->claimed == 0) /* it ended there */
        return err;
    blk->drv.queue_reset = cfg->queue_reset;
    vdrv_block_setup(&blk->block, &vdrv__blk_ops);
    if (err == VDRV_OK)
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
