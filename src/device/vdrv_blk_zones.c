/* SPDX-License-Identifier: MIT */
/*
 * The zoned model of the block device (VirtIO 1.4, 5.2.4 to 5.2.6).  Linked
 * when a configuration names vdrv_virtio_blk_zones, and not otherwise.
 *
 * Where the write pointers are, and which zones are conventional, the driver
 * does not keep: that is the caller's book, begun with a report.  What it
 * refuses is what no zone of the disk could take.
 */
#include "vdrv_blk_impl.h"

#include "../core/bytes.h"
#include "../core/mem.h"

#define REPORT_LEAST 128u /* a header and one zone */

/* ---- The configuration --------------------------------------------------- */

/* `image` is the zoned part of the configuration, at its own offset. */
static int read_zoned(struct vdrv_driver *drv,
                      uint8_t image[VIRTIO_BLK_CFG_ZONED_SIZE])
{
    static const struct vdrv_config_field field[] = {
        {VIRTIO_BLK_CFG_ZONED, 4, 5},
        {VIRTIO_BLK_CFG_ZONE_MODEL, 1, 1},
    };

    memset(image, 0, VIRTIO_BLK_CFG_ZONED_SIZE);
    return vdrv_transport_config(drv->transport, field, 2, image,
                                 VIRTIO_BLK_CFG_ZONED_SIZE);
}

static int zones_settle(struct vdrv_driver *drv)
{
    uint8_t image[VIRTIO_BLK_CFG_ZONED_SIZE];
    uint64_t offered[2];
    int err;

    if (vdrv_feature(drv->features, VIRTIO_BLK_F_ZONED)) {
        err = read_zoned(drv, image);
        if (err != VDRV_OK)
            return err;
        if (image[VIRTIO_BLK_CFG_ZONE_MODEL] == VIRTIO_BLK_Z_HM)
            return VDRV_OK; /* 5.2.5.1: without DISCARD */
    }
    drv->transport->ops->read_features(drv->transport, offered);
    return vdrv_feature(offered, VIRTIO_BLK_F_DISCARD) ? 1 : VDRV_OK;
}

/* Zones of whole blocks, and writes of whole blocks and of whole zones. */
static bool validate_zones(const uint8_t *image, struct vdrv_block_caps *caps)
{
    const uint32_t sectors = caps->block_size >> VIRTIO_BLK_SECTOR_SHIFT;
    const uint32_t zone = vdrv__get32(image + VIRTIO_BLK_CFG_ZONE_SECTORS);
    const uint32_t append =
        vdrv__get32(image + VIRTIO_BLK_CFG_MAX_APPEND_SECTORS) / sectors;
    uint32_t unit = vdrv__get32(image + VIRTIO_BLK_CFG_WRITE_GRANULARITY);

    if (unit < caps->block_size) /* 0, and less than can be asked for */
        unit = caps->block_size;
    if (zone == 0 || zone % sectors != 0 || unit % caps->block_size != 0)
        return false;
    unit /= caps->block_size;
    caps->zone_blocks = zone / sectors;
    if (caps->zone_blocks % unit != 0)
        return false;
    caps->write_unit = unit;
    caps->max_append = append < caps->max_bytes / caps->block_size
                           ? append
                           : caps->max_bytes / caps->block_size;
    if (caps->max_append > caps->zone_blocks)
        caps->max_append = caps->zone_blocks;
    caps->max_append -= caps->max_append % unit;
    caps->max_open_zones = vdrv__get32(image + VIRTIO_BLK_CFG_MAX_OPEN_ZONES);
    caps->max_active_zones =
        vdrv__get32(image + VIRTIO_BLK_CFG_MAX_ACTIVE_ZONES);
    /* 5.2.6.2: whole zones, and what the device asks for itself. */
    if (caps->max_secure_erase < caps->zone_blocks ||
        caps->zone_blocks % caps->secure_erase_align != 0)
        caps->max_secure_erase = 0;
    caps->secure_erase_align = caps->zone_blocks;
    caps->can_secure_erase = caps->max_secure_erase != 0;
    return true;
}

static int zones_learn(struct vdrv_virtio_blk *blk)
{
    uint8_t image[VIRTIO_BLK_CFG_ZONED_SIZE];
    struct vdrv_block_caps caps = blk->caps;
    const int err = read_zoned(&blk->drv, image);
    const uint64_t model = image[VIRTIO_BLK_CFG_ZONE_MODEL];

    if (err != VDRV_OK)
        return err;
    if (model == VIRTIO_BLK_Z_NONE)
        return VDRV_OK; /* 5.2.4: an ordinary disk */
    if (model <= VIRTIO_BLK_Z_HA && validate_zones(image, &caps)) {
        caps.zoned = (uint8_t)model;
        blk->caps = caps;
        return VDRV_OK;
    }
    vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                       "the zones make no sense; model", &model);
    /* 5.2.5.1: a host-aware disk may be driven as one without zones. */
    return model == VIRTIO_BLK_Z_HA ? VDRV_OK : VDRV_ERR_PROTOCOL;
}

/* ---- Requests ------------------------------------------------------------ */

/* 5.2.6.1: `block` begins a zone of the disk. */
static bool begins_zone(const struct vdrv_virtio_blk *blk, uint64_t block)
{
    return block < vdrv__blk_size(blk) && block % blk->caps.zone_blocks == 0;
}

/*
 * 5.2.6.1: nothing but whole units at whole units in sequential zones.  Which
 * zones are is not known here, so it holds for all of them.
 */
static int check_write(const struct vdrv_virtio_blk *blk, uint64_t block,
                       uint64_t bytes)
{
    const struct vdrv_block_caps *caps = &blk->caps;

    if (block % caps->write_unit == 0 &&
        bytes / caps->block_size % caps->write_unit == 0)
        return VDRV_OK;
    return vdrv__blk_refuse(
        blk, "refused: not in units of the zones' write granularity; block",
        block);
}

static int plan_report(const struct vdrv_virtio_blk *blk,
                       const struct vdrv_block_request *req)
{
    uint64_t bytes;
    const int err = vdrv__blk_sum(&blk->caps, req, &bytes);

    if (err != VDRV_OK)
        return err;
    return bytes >= REPORT_LEAST && req->block < vdrv__blk_size(blk)
               ? VDRV_OK
               : VDRV_ERR_INVALID;
}

static int plan_append(const struct vdrv_virtio_blk *blk,
                       const struct vdrv_block_request *req)
{
    const struct vdrv_block_caps *caps = &blk->caps;
    uint64_t bytes;
    int err;

    if (caps->max_append == 0)
        return VDRV_ERR_UNSUPPORTED;
    err = vdrv__blk_sum(caps, req, &bytes);
    if (err != VDRV_OK)
        return err;
    if (bytes == 0 || bytes % caps->block_size != 0 ||
        !begins_zone(blk, req->block))
        return VDRV_ERR_INVALID;
    if (bytes / caps->block_size > caps->max_append)
        return VDRV_ERR_TOO_BIG;
    return check_write(blk, req->block, bytes);
}

static int plan_manage(const struct vdrv_virtio_blk *blk,
                       const struct vdrv_block_request *req)
{
    if (req->nsegs != 0)
        return VDRV_ERR_INVALID;
    if (req->op == VDRV_BLOCK_ZONE_RESET_ALL) /* 5.2.6.1: sector 0 */
        return req->block == 0 ? VDRV_OK : VDRV_ERR_INVALID;
    return begins_zone(blk, req->block) ? VDRV_OK : VDRV_ERR_INVALID;
}

static int zones_plan(const struct vdrv_virtio_blk *blk,
                      const struct vdrv_block_request *req,
                      struct vdrv__blk_plan *p)
{
    static const uint8_t types[] = {
        VIRTIO_BLK_T_ZONE_REPORT, VIRTIO_BLK_T_ZONE_OPEN,
        VIRTIO_BLK_T_ZONE_CLOSE,  VIRTIO_BLK_T_ZONE_FINISH,
        VIRTIO_BLK_T_ZONE_RESET,  VIRTIO_BLK_T_ZONE_RESET_ALL,
        VIRTIO_BLK_T_ZONE_APPEND,
    };

    p->type = types[req->op - VDRV_BLOCK_ZONE_REPORT];
    p->sector = req->block << blk->sector_shift;
    if (req->op == VDRV_BLOCK_ZONE_REPORT)
        return plan_report(blk, req);
    if (blk->caps.read_only)
        return VDRV_ERR_READ_ONLY;
    if (req->op != VDRV_BLOCK_ZONE_APPEND)
        return plan_manage(blk, req);
    p->writes = true;
    p->append = true;
    return plan_append(blk, req);
}

_Static_assert(VDRV_BLOCK_ZONE_APPEND - VDRV_BLOCK_ZONE_REPORT == 6,
               "one type each");

/* ---- Results ------------------------------------------------------------- */

/* Where an append went: a block of its zone, or the device lies. */
static int append_result(const struct vdrv_virtio_blk *blk,
                         struct vdrv_block_request *req,
                         const struct vdrv__blk_shared *sh)
{
    const uint64_t sector = from_le64(
        (struct le64){*(const volatile uint64_t *)&sh->tail.append_sector.raw});
    const uint64_t block = sector >> blk->sector_shift;

    if (block << blk->sector_shift != sector || block < req->block ||
        block - req->block >= blk->caps.zone_blocks) {
        vdrv_transport_log(blk->drv.transport, VDRV_LOG_ERROR,
                           "appended outside its zone, at sector", &sector);
        return VDRV_ERR_PROTOCOL;
    }
    req->result = block;
    return VDRV_OK;
}

/* 5.2.6: the statuses that only zoned devices have, and OK of an append. */
static int zones_result(const struct vdrv_virtio_blk *blk,
                        struct vdrv_block_request *req,
                        const struct vdrv__blk_shared *sh, uint8_t status)
{
    switch (status) {
    case VIRTIO_BLK_S_OK:
        return append_result(blk, req, sh);
    case VIRTIO_BLK_S_ZONE_INVALID_CMD:
    case VIRTIO_BLK_S_ZONE_UNALIGNED_WP:
        return VDRV_ERR_INVALID;
    case VIRTIO_BLK_S_ZONE_OPEN_RESOURCE:
    case VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE:
        return VDRV_ERR_BUSY;
    default:
        return VDRV_ERR_PROTOCOL;
    }
}

const struct vdrv_virtio_blk_zones vdrv_virtio_blk_zones = {
    .settle = zones_settle,
    .learn = zones_learn,
    .plan = zones_plan,
    .check_write = check_write,
    .result = zones_result,
};
