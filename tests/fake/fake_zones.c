/* SPDX-License-Identifier: MIT */
/* See fake_zones.h; the states and their numbers are those of the wire. */
#include "fake_zones.h"

#include <stdlib.h>
#include <string.h>

#define Z_CFG      72u
#define Z_HM       1u
#define REPORT     64u
#define DESCRIPTOR 64u

static uint32_t broken(struct fake_blk *b, const char *id, const char *what,
                       uint64_t value, uint32_t status)
{
    fake_violation(b->dev.f, id, "%s: %s (%llu)", b->dev.name, what,
                   (unsigned long long)value);
    return status;
}

/* ---- States ---------------------------------------------------------- */

static bool is_open(const struct fake_zone *z)
{
    return z->state == FAKE_ZONE_IOPEN || z->state == FAKE_ZONE_EOPEN;
}

static bool is_active(const struct fake_zone *z)
{
    return is_open(z) || z->state == FAKE_ZONE_CLOSED;
}

static uint32_t count(const struct fake_blk *b,
                      bool (*test)(const struct fake_zone *))
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->n_zones; i++)
        n += test(&b->zone[i]);
    return n;
}

/* Room for one more open zone, which `z` is to be. */
static uint32_t make_room(struct fake_blk *b, const struct fake_zone *z)
{
    if (!is_active(z) && b->cfg.max_active &&
        count(b, is_active) >= b->cfg.max_active)
        return FAKE_BLK_ZONE_ACTIVE;
    if (is_open(z) || !b->cfg.max_open || count(b, is_open) < b->cfg.max_open)
        return FAKE_BLK_OK;
    for (uint32_t i = 0; i < b->n_zones; i++)
        if (b->zone[i].state == FAKE_ZONE_IOPEN) {
            b->zone[i].state = FAKE_ZONE_CLOSED;
            return FAKE_BLK_OK;
        }
    return FAKE_BLK_ZONE_OPEN;
}

static struct fake_zone *zone_at(struct fake_blk *b, uint64_t sector)
{
    return &b->zone[sector / b->cfg.zone_sectors];
}

static bool one_zone(const struct fake_blk *b, uint64_t sector, uint64_t n)
{
    return sector / b->cfg.zone_sectors ==
           (sector + n - 1) / b->cfg.zone_sectors;
}

/* ---- Writes ---------------------------------------------------------- */

static bool writable(const struct fake_zone *z)
{
    return z->state >= FAKE_ZONE_EMPTY && z->state <= FAKE_ZONE_CLOSED;
}

static uint32_t advance(struct fake_blk *b, struct fake_zone *z, uint64_t n)
{
    uint32_t status;

    if (!writable(z) || n > z->start + z->cap - z->wp)
        return FAKE_BLK_ZONE_INVALID;
    status = is_open(z) ? FAKE_BLK_OK : make_room(b, z);
    if (status)
        return status;
    if (!is_open(z))
        z->state = FAKE_ZONE_IOPEN;
    z->wp += n;
    if (z->wp == z->start + z->cap)
        z->state = FAKE_ZONE_FULL;
    return FAKE_BLK_OK;
}

static void check_unit(struct fake_blk *b, uint64_t sector, uint64_t n)
{
    uint64_t unit = b->cfg.granularity;

    if (unit && (sector * FAKE_SECTOR % unit || n * FAKE_SECTOR % unit))
        broken(b, "BLK-41", "no multiple of the write granularity", sector, 0);
}

uint32_t fake_zones_write(struct fake_blk *b, uint64_t sector, uint64_t n)
{
    struct fake_zone *z = zone_at(b, sector);

    if (z->type == FAKE_ZONE_CONV)
        return FAKE_BLK_OK;
    check_unit(b, sector, n);
    if (z->type == FAKE_ZONE_SWP &&
        (!one_zone(b, sector, n) || sector != z->wp))
        return FAKE_BLK_OK; /* random writes are welcome, too */
    if (!one_zone(b, sector, n))
        return FAKE_BLK_ZONE_INVALID;
    if (writable(z) && sector != z->wp)
        return FAKE_BLK_ZONE_UNALIGNED;
    return advance(b, z, n);
}

uint32_t fake_zones_append(struct fake_blk *b, uint64_t sector, uint64_t n,
                           uint64_t *at)
{
    struct fake_zone *z = zone_at(b, sector);

    if (sector % b->cfg.zone_sectors)
        return broken(b, "BLK-37", "append not at the start of a zone", sector,
                      FAKE_BLK_ZONE_INVALID);
    if (b->cfg.granularity && n * FAKE_SECTOR % b->cfg.granularity)
        broken(b, "BLK-38", "append in no write granularity", n, 0);
    if (n > b->cfg.max_append)
        return broken(b, "BLK-39", "append too long", n,
                      b->cfg.max_append ? FAKE_BLK_ZONE_INVALID
                                        : FAKE_BLK_UNSUPP);
    if (z->type != FAKE_ZONE_SWR)
        return FAKE_BLK_ZONE_INVALID;
    check_unit(b, sector, n);
    *at = z->wp;
    return advance(b, z, n);
}

uint32_t fake_zones_read(struct fake_blk *b, uint64_t sector, uint64_t n)
{
    struct fake_zone *z = zone_at(b, sector);

    if (z->state == FAKE_ZONE_OFFLINE ||
        (z->type == FAKE_ZONE_SWR && !one_zone(b, sector, n)))
        return FAKE_BLK_ZONE_INVALID;
    return FAKE_BLK_OK;
}

/* ---- Commands -------------------------------------------------------- */

static void reset_zone(struct fake_blk *b, struct fake_zone *z)
{
    if (z->state > FAKE_ZONE_CLOSED && z->state != FAKE_ZONE_FULL)
        return;
    z->state = FAKE_ZONE_EMPTY;
    z->wp = z->start;
    (void)b;
}

static uint32_t open_zone(struct fake_blk *b, struct fake_zone *z)
{
    uint32_t status;

    if (!writable(z))
        return FAKE_BLK_ZONE_INVALID;
    status = make_room(b, z);
    if (!status)
        z->state = FAKE_ZONE_EOPEN;
    return status;
}

static uint32_t close_zone(struct fake_zone *z)
{
    if (!is_active(z))
        return FAKE_BLK_ZONE_INVALID;
    z->state = z->state == FAKE_ZONE_EOPEN && z->wp == z->start
                   ? FAKE_ZONE_EMPTY
                   : FAKE_ZONE_CLOSED;
    return FAKE_BLK_OK;
}

uint32_t fake_zones_manage(struct fake_blk *b, uint32_t type, uint64_t sector)
{
    struct fake_zone *z;

    if (type == FAKE_BLK_ZONE_RESET_ALL) {
        if (sector)
            broken(b, "BLK-36", "sector in a reset of all", sector, 0);
        for (uint32_t i = 0; i < b->n_zones; i++)
            if (b->zone[i].type != FAKE_ZONE_CONV)
                reset_zone(b, &b->zone[i]);
        return FAKE_BLK_OK;
    }
    if (sector % b->cfg.zone_sectors || sector >= b->cfg.sectors)
        return broken(b, "BLK-35", "not the start of a zone", sector,
                      FAKE_BLK_ZONE_INVALID);
    z = zone_at(b, sector);
    if (z->type == FAKE_ZONE_CONV || z->state == FAKE_ZONE_RDONLY ||
        z->state == FAKE_ZONE_OFFLINE)
        return FAKE_BLK_ZONE_INVALID;
    if (type == FAKE_BLK_ZONE_OPEN_CMD)
        return open_zone(b, z);
    if (type == FAKE_BLK_ZONE_CLOSE)
        return close_zone(z);
    if (type == FAKE_BLK_ZONE_FINISH)
        z->state = FAKE_ZONE_FULL;
    else
        reset_zone(b, z);
    return FAKE_BLK_OK;
}

uint32_t fake_zones_report(struct fake_blk *b, struct fake_chain *c,
                           uint64_t sector, uint64_t len)
{
    uint8_t raw[DESCRIPTOR];
    uint64_t n = 0, at = REPORT;

    if (sector >= b->cfg.sectors)
        return broken(b, "BLK-33", "report past the end", sector,
                      FAKE_BLK_ZONE_INVALID);
    fake_chain_fill(c, 0, 0, (size_t)len);
    for (uint32_t i = (uint32_t)(sector / b->cfg.zone_sectors);
         i < b->n_zones && at + DESCRIPTOR <= len; i++, n++, at += DESCRIPTOR) {
        memset(raw, 0, sizeof(raw));
        fake_put64(raw, b->zone[i].cap);
        fake_put64(raw + 8, b->zone[i].start);
        fake_put64(raw + 16, b->zone[i].wp);
        raw[24] = b->zone[i].type;
        raw[25] = b->zone[i].state;
        fake_chain_write(c, at, raw, sizeof(raw));
    }
    fake_put64(raw, n);
    fake_chain_write(c, 0, raw, 8);
    return FAKE_BLK_OK;
}

void fake_zones_check_erase(struct fake_blk *b, uint64_t sector, uint32_t n)
{
    if (sector % b->cfg.zone_sectors || n % b->cfg.zone_sectors)
        broken(b, "BLK-46", "erasing parts of zones", n, 0);
}

/* ---- Life ------------------------------------------------------------ */

bool fake_zones_negotiated(struct fake_blk *b)
{
    bool zoned = fake_dev_has(&b->dev, FAKE_BLK_F_ZONED);

    if (b->cfg.zone_model != Z_HM)
        return true;
    if (zoned && fake_dev_has(&b->dev, FAKE_BLK_F_DISCARD))
        broken(b, "BLK-10", "DISCARD of a host-managed disk", 0, 0);
    return zoned; /* 5.2.5.2 */
}

void fake_zones_init(struct fake_blk *b)
{
    const struct fake_blk_config *c = &b->cfg;
    uint8_t *p = b->dev.config + Z_CFG;

    b->dev.config_len = 96;
    fake_put32(p, c->zone_sectors);
    fake_put32(p + 4, c->max_open);
    fake_put32(p + 8, c->max_active);
    fake_put32(p + 12, c->max_append);
    fake_put32(p + 16, c->granularity);
    p[20] = (uint8_t)c->zone_model;
    if (!c->zone_sectors)
        return;
    b->n_zones =
        (uint32_t)((c->sectors + c->zone_sectors - 1) / c->zone_sectors);
    b->zone = calloc(b->n_zones, sizeof(*b->zone));
    if (!b->zone)
        abort();
    for (uint32_t i = 0; i < b->n_zones; i++) {
        struct fake_zone *z = &b->zone[i];
        uint64_t left = c->sectors - (uint64_t)i * c->zone_sectors;
        uint64_t cap = c->zone_cap ? c->zone_cap : c->zone_sectors;

        z->start = (uint64_t)i * c->zone_sectors;
        z->cap = cap < left ? cap : left;
        z->wp = z->start;
        z->type = c->zone_model == Z_HM ? FAKE_ZONE_SWR : FAKE_ZONE_SWP;
        z->state = FAKE_ZONE_EMPTY;
        if (i < c->zones_conv) {
            z->type = FAKE_ZONE_CONV;
            z->state = FAKE_ZONE_NOT_WP;
            z->cap = c->zone_sectors < left ? c->zone_sectors : left;
        }
    }
}
