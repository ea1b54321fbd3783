/* SPDX-License-Identifier: MIT */
/*
 * The block device model, VirtIO 1.4 section 5.2: answers as the device
 * requirements of 5.2.6.2 say, checks the driver requirements of 5.2.6.1.
 */
#include "fake_blk.h"
#include "fake_zones.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 16u
#define RANGE  16u

/* One request on its way through. */
struct blk_req {
    struct fake_blk *b;
    struct fake_chain *c;
    uint32_t type;
    uint64_t sector;
    uint64_t out_len; /* data the driver gives */
    uint64_t in_len;  /* data the driver wants */
};

static uint32_t bad(struct fake_blk *b, const char *id, const char *what,
                    uint64_t value, uint32_t status)
{
    fake_violation(b->dev.f, id, "%s: %s (%llu)", b->dev.name, what,
                   (unsigned long long)value);
    return status;
}

static uint64_t capacity(const struct fake_blk *b)
{
    uint64_t n = fake_get64(b->dev.config);

    /* A test may have made it lie. */
    return n < b->cfg.sectors ? n : b->cfg.sectors;
}

static bool in_range(const struct fake_blk *b, uint64_t sector, uint64_t n)
{
    return sector <= capacity(b) && n <= capacity(b) - sector;
}

/* ---- The cache ------------------------------------------------------ */

static void wrote(struct fake_blk *b, uint64_t sector, uint64_t n)
{
    if (b->writeback)
        memset(b->dirty + sector, 1, (size_t)n);
    else
        memcpy(b->safe + sector * FAKE_SECTOR, b->disk + sector * FAKE_SECTOR,
               (size_t)n * FAKE_SECTOR);
}

static void settle(struct fake_blk *b, uint64_t sector)
{
    memcpy(b->safe + sector * FAKE_SECTOR, b->disk + sector * FAKE_SECTOR,
           FAKE_SECTOR);
    b->dirty[sector] = 0;
}

static void flush_cache(struct fake_blk *b)
{
    for (uint64_t i = 0; i < b->cfg.sectors; i++)
        if (b->dirty[i])
            settle(b, i);
}

uint64_t fake_blk_dirty(const struct fake_blk *b)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < b->cfg.sectors; i++)
        n += b->dirty[i];
    return n;
}

void fake_blk_power_cut(struct fake_blk *b, unsigned percent)
{
    for (uint64_t i = 0; i < b->cfg.sectors; i++)
        if (b->dirty[i] && fake_rand(b->dev.f) % 100 < percent)
            settle(b, i);
    memset(b->dirty, 0, (size_t)b->cfg.sectors);
    memcpy(b->disk, b->safe, (size_t)b->cfg.sectors * FAKE_SECTOR);
}

/* ---- Limits that the driver must keep ------------------------------- */

/* Segments that hold data: all but header and status (5.2.4: seg_max). */
static uint32_t data_segments(const struct blk_req *r)
{
    uint64_t at = 0, from = r->out_len ? HEADER : r->c->rlen;
    /* Where an append went is told beside the status: no data. */
    uint64_t to = r->c->rlen + (r->type == FAKE_BLK_APPEND ? 0 : r->in_len);
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->c->nseg; i++) {
        uint64_t end = at + r->c->seg[i].len;

        n += end > from && at < to;
        at = end;
    }
    return n;
}

static void check_segments(struct blk_req *r)
{
    struct fake_dev *d = &r->b->dev;
    uint32_t size_max = fake_get32(d->config + FAKE_BLK_CFG_SIZE_MAX);
    uint32_t seg_max = fake_get32(d->config + FAKE_BLK_CFG_SEG_MAX);
    uint32_t n = r->out_len + r->in_len ? data_segments(r) : 0;

    if (fake_dev_has(d, FAKE_BLK_F_SEG_MAX) && seg_max && n > seg_max)
        bad(r->b, "BLK-02", "segments above seg_max", n, 0);
    if (!fake_dev_has(d, FAKE_BLK_F_SIZE_MAX) || !size_max)
        return;
    for (uint32_t i = 0; i < r->c->nseg; i++)
        if (r->c->seg[i].len > size_max)
            bad(r->b, "BLK-02", "segment above size_max", r->c->seg[i].len, 0);
}

static void check_no_sector(struct blk_req *r)
{
    if (r->sector)
        bad(r->b, r->type == FAKE_BLK_FLUSH ? "BLK-19" : "BLK-43",
            "sector in a request without one", r->sector, 0);
}

static bool needs(struct blk_req *r, unsigned bit)
{
    if (fake_dev_has(&r->b->dev, bit))
        return true;
    bad(r->b, "BASIC-06", "request of a feature not negotiated", r->type, 0);
    return false;
}

static bool zoned(const struct fake_blk *b)
{
    return b->n_zones && fake_dev_has(&b->dev, FAKE_BLK_F_ZONED);
}

/* ---- Requests; each returns the status byte ------------------------- */

static uint32_t check_rw(struct blk_req *r, uint64_t len)
{
    struct fake_blk *b = r->b;

    if (len == 0 || len % FAKE_SECTOR)
        return bad(b, "BLK-21", "data length", len, FAKE_BLK_IOERR);
    if (!in_range(b, r->sector, len / FAKE_SECTOR))
        return bad(b, "BLK-17", "past the end", r->sector, FAKE_BLK_IOERR);
    return FAKE_BLK_OK;
}

static uint32_t do_in(struct blk_req *r)
{
    struct fake_blk *b = r->b;
    uint32_t status = check_rw(r, r->in_len);

    if (r->out_len)
        return bad(b, "BLK-44", "a read with data", r->out_len, FAKE_BLK_IOERR);
    if (!status && zoned(b))
        status = fake_zones_read(b, r->sector, r->in_len / FAKE_SECTOR);
    if (status)
        return status;
    fake_chain_write(r->c, 0, b->disk + r->sector * FAKE_SECTOR,
                     (size_t)r->in_len);
    b->sectors_read += r->in_len / FAKE_SECTOR;
    return FAKE_BLK_OK;
}

static void store(struct blk_req *r, uint64_t sector)
{
    struct fake_blk *b = r->b;

    fake_chain_read(r->c, HEADER, b->disk + sector * FAKE_SECTOR,
                    (size_t)r->out_len);
    wrote(b, sector, r->out_len / FAKE_SECTOR);
    b->sectors_written += r->out_len / FAKE_SECTOR;
}

static uint32_t do_out(struct blk_req *r)
{
    struct fake_blk *b = r->b;
    uint32_t status = check_rw(r, r->out_len);

    if (b->cfg.read_only)
        return bad(b, "BLK-15", "write to a read-only disk", r->sector,
                   FAKE_BLK_IOERR);
    if (r->in_len)
        return bad(b, "BLK-44", "a write wants data", r->in_len,
                   FAKE_BLK_IOERR);
    if (!status && zoned(b))
        status = fake_zones_write(b, r->sector, r->out_len / FAKE_SECTOR);
    if (!status)
        store(r, r->sector);
    return status;
}

/* 5.2.6: the sector it went to, before the status. */
static uint32_t do_append(struct blk_req *r)
{
    struct fake_blk *b = r->b;
    uint32_t status = check_rw(r, r->out_len);
    uint64_t at = 0;
    uint8_t raw[8];

    if (!needs(r, FAKE_BLK_F_ZONED))
        return FAKE_BLK_UNSUPP;
    if (b->cfg.read_only)
        return bad(b, "BLK-15", "append to a read-only disk", r->sector,
                   FAKE_BLK_IOERR);
    if (r->in_len != sizeof(raw))
        return bad(b, "BLK-44", "no room for append_sector", r->in_len,
                   FAKE_BLK_IOERR);
    if (!status)
        status = fake_zones_append(b, r->sector, r->out_len / FAKE_SECTOR, &at);
    if (status)
        return status;
    store(r, at);
    fake_put64(raw, b->append_lie ? b->append_lie : at);
    fake_chain_write(r->c, 0, raw, sizeof(raw));
    return FAKE_BLK_OK;
}

static uint32_t do_zone(struct blk_req *r)
{
    if (!needs(r, FAKE_BLK_F_ZONED) || !r->b->n_zones)
        return FAKE_BLK_UNSUPP;
    if (r->type == FAKE_BLK_REPORT)
        return fake_zones_report(r->b, r->c, r->sector, r->in_len);
    if (r->in_len || r->out_len)
        bad(r->b, "BLK-44", "data in a zone command", r->in_len, 0);
    if (r->b->cfg.read_only)
        return bad(r->b, "BLK-15", "zone command, read-only disk", r->type,
                   FAKE_BLK_IOERR);
    return fake_zones_manage(r->b, r->type, r->sector);
}

static uint32_t do_flush(struct blk_req *r)
{
    check_no_sector(r);
    if (!needs(r, FAKE_BLK_F_FLUSH))
        return FAKE_BLK_UNSUPP;
    if (r->out_len || r->in_len)
        bad(r->b, "BLK-20", "data in a flush", r->out_len + r->in_len, 0);
    flush_cache(r->b);
    return FAKE_BLK_OK;
}

static uint32_t do_get_id(struct blk_req *r)
{
    check_no_sector(r);
    if (r->in_len != sizeof(r->b->id))
        return bad(r->b, "BLK-23", "length of the id buffer", r->in_len,
                   FAKE_BLK_IOERR);
    fake_chain_write(r->c, 0, r->b->id, sizeof(r->b->id));
    return FAKE_BLK_OK;
}

static uint32_t do_lifetime(struct blk_req *r)
{
    /* Pre-EOL normal; 10-20 % and 20-30 % of the life time used. */
    static const uint8_t life[6] = {1, 0, 2, 0, 3, 0};

    check_no_sector(r);
    if (!needs(r, FAKE_BLK_F_LIFETIME))
        return FAKE_BLK_UNSUPP;
    if (r->in_len != sizeof(life))
        return bad(r->b, "BLK-44", "length of a life time", r->in_len,
                   FAKE_BLK_IOERR);
    fake_chain_write(r->c, 0, life, sizeof(life));
    return FAKE_BLK_OK;
}

/* The limits of one of the range commands. */
struct range_rule {
    uint32_t feature;
    uint32_t cfg; /* offset of max sectors and max ranges */
    const char *id;
    uint32_t flags; /* allowed */
    uint8_t byte;   /* what the sectors become */
};

static const struct range_rule *rule_of(uint32_t type)
{
    static const struct range_rule discard = {FAKE_BLK_F_DISCARD,
                                              FAKE_BLK_CFG_DISCARD, "BLK-24", 0,
                                              FAKE_BLK_DISCARDED};
    static const struct range_rule zeroes = {
        FAKE_BLK_F_WRITE_ZEROES, FAKE_BLK_CFG_ZEROES, "BLK-26", 1, 0};
    static const struct range_rule erase = {FAKE_BLK_F_SECURE_ERASE,
                                            FAKE_BLK_CFG_ERASE, "BLK-25", 0,
                                            FAKE_BLK_DISCARDED};

    if (type == FAKE_BLK_DISCARD)
        return &discard;
    return type == FAKE_BLK_WRITE_ZEROES ? &zeroes : &erase;
}

static uint32_t do_range(struct blk_req *r, const struct range_rule *rule,
                         uint64_t off)
{
    struct fake_blk *b = r->b;
    uint8_t raw[RANGE];
    uint64_t sector;
    uint32_t n, flags;

    fake_chain_read(r->c, off, raw, sizeof(raw));
    sector = fake_wire64(&b->dev, fake_get64(raw));
    n = fake_wire32(&b->dev, fake_get32(raw + 8));
    flags = fake_wire32(&b->dev, fake_get32(raw + 12));
    if (flags & ~rule->flags)
        return bad(b, "BLK-29", "flags of a range", flags, FAKE_BLK_UNSUPP);
    if (!in_range(b, sector, n))
        return bad(b, "BLK-17", "range past the end", sector, FAKE_BLK_IOERR);
    if (rule->feature == FAKE_BLK_F_SECURE_ERASE && zoned(b))
        fake_zones_check_erase(b, sector, n);
    if (n > fake_get32(b->dev.config + rule->cfg))
        return bad(b, rule->id, "sectors in a range", n, FAKE_BLK_IOERR);
    memset(b->disk + sector * FAKE_SECTOR, rule->byte, (size_t)n * FAKE_SECTOR);
    wrote(b, sector, n);
    return FAKE_BLK_OK;
}

static uint32_t do_ranges(struct blk_req *r)
{
    const struct range_rule *rule = rule_of(r->type);
    uint32_t max = fake_get32(r->b->dev.config + rule->cfg + 4);
    uint32_t status = FAKE_BLK_OK;

    check_no_sector(r);
    if (!needs(r, rule->feature))
        return FAKE_BLK_UNSUPP;
    if (r->b->cfg.read_only)
        return bad(r->b, "BLK-15", "range command, read-only disk", r->type,
                   FAKE_BLK_IOERR);
    if (r->out_len == 0 || r->out_len % RANGE)
        return bad(r->b, "BLK-22", "length of ranges", r->out_len,
                   FAKE_BLK_IOERR);
    if (r->out_len / RANGE > max)
        return bad(r->b, rule->id, "number of ranges", r->out_len / RANGE,
                   FAKE_BLK_IOERR);
    for (uint64_t i = 0; i < r->out_len && !status; i += RANGE)
        status = do_range(r, rule, HEADER + i);
    return status;
}

static uint32_t execute(struct blk_req *r)
{
    switch (r->type) {
    case FAKE_BLK_IN:
        return do_in(r);
    case FAKE_BLK_OUT:
        return do_out(r);
    case FAKE_BLK_FLUSH:
        return do_flush(r);
    case FAKE_BLK_GET_ID:
        return do_get_id(r);
    case FAKE_BLK_GET_LIFETIME:
        return do_lifetime(r);
    case FAKE_BLK_DISCARD:
    case FAKE_BLK_WRITE_ZEROES:
    case FAKE_BLK_SECURE_ERASE:
        return do_ranges(r);
    case FAKE_BLK_APPEND:
        return do_append(r);
    case FAKE_BLK_REPORT:
    case FAKE_BLK_ZONE_OPEN_CMD:
    case FAKE_BLK_ZONE_CLOSE:
    case FAKE_BLK_ZONE_FINISH:
    case FAKE_BLK_ZONE_RESET:
    case FAKE_BLK_ZONE_RESET_ALL:
        return do_zone(r);
    default:
        return FAKE_BLK_UNSUPP;
    }
}

/* ---- Faults --------------------------------------------------------- */

static struct fake_blk_fault *fault_for(struct fake_blk *b, uint32_t type)
{
    for (uint32_t i = 0; i < b->n_faults; i++) {
        struct fake_blk_fault *t = &b->fault[i];

        if (t->type != type && t->type != FAKE_BLK_ANY)
            continue;
        if (t->skip) {
            t->skip--;
            continue;
        }
        if (!t->count)
            continue;
        if (t->count != UINT32_MAX)
            t->count--;
        return t;
    }
    return NULL;
}

void fake_blk_plan(struct fake_blk *b, struct fake_blk_fault fault)
{
    if (b->n_faults == FAKE_BLK_FAULTS)
        abort();
    if (!fault.count)
        fault.count = UINT32_MAX;
    b->fault[b->n_faults++] = fault;
}

void fake_blk_fail(struct fake_blk *b, uint32_t type, uint32_t skip,
                   uint32_t count, uint8_t status)
{
    fake_blk_plan(
        b, (struct fake_blk_fault){type, skip, count, status, false, -1});
}

void fake_blk_faults_clear(struct fake_blk *b)
{
    b->n_faults = 0;
}

/* ---- The request as a whole ----------------------------------------- */

static uint32_t finish(struct blk_req *r, uint32_t status,
                       const struct fake_blk_fault *t)
{
    uint8_t byte = (uint8_t)status;

    if (t && t->status >= 0)
        byte = (uint8_t)t->status;
    r->b->answered[byte]++;
    /* 2.7.8.2: what `len` counts was written, also when the read failed. */
    if (byte != FAKE_BLK_OK)
        fake_chain_fill(r->c, 0, 0, (size_t)r->in_len);
    fake_chain_write(r->c, r->in_len, &byte, 1);
    if (t && t->len >= 0)
        return (uint32_t)t->len;
    return (uint32_t)r->c->wlen;
}

static uint32_t blk_serve(struct fake_dev *d, struct fake_chain *c)
{
    struct fake_blk *b = (struct fake_blk *)d;
    struct blk_req r = {.b = b, .c = c};
    uint8_t head[HEADER];
    struct fake_blk_fault *t;
    uint32_t status = FAKE_BLK_OK;

    if (c->rlen < HEADER || c->wlen < 1)
        return bad(b, "BLK-44", "no room for header or status", c->rlen, 0);
    fake_dev_check_framing(d, c, HEADER, 1);
    fake_chain_read(c, 0, head, sizeof(head));
    r.type = fake_wire32(d, fake_get32(head)); /* LEG-38 */
    r.sector = fake_wire64(d, fake_get64(head + 8));
    r.out_len = c->rlen - HEADER;
    r.in_len = c->wlen - 1;
    if (fake_get32(head + 4))
        bad(b, "BLK-43", "reserved field", fake_get32(head + 4), 0);
    check_segments(&r);
    b->requests[r.type & 31]++;
    t = fault_for(b, r.type);
    if (t && t->silent)
        return t->len >= 0 ? (uint32_t)t->len : 0;
    /* A request that is to fail does nothing. */
    if (!t || t->status <= 0)
        status = execute(&r);
    return finish(&r, status, t);
}

/* ---- Configuration -------------------------------------------------- */

static bool blk_negotiated(struct fake_dev *d)
{
    struct fake_blk *b = (struct fake_blk *)d;

    /* 5.2.5.2: the cache starts as FLUSH says. */
    b->writeback = fake_dev_has(d, FAKE_BLK_F_FLUSH);
    d->config[FAKE_BLK_CFG_WRITEBACK] = b->writeback;
    return fake_zones_negotiated(b);
}

static void blk_written(struct fake_dev *d, uint32_t off, uint32_t width)
{
    struct fake_blk *b = (struct fake_blk *)d;
    uint8_t v = d->config[FAKE_BLK_CFG_WRITEBACK];

    if (off != FAKE_BLK_CFG_WRITEBACK || width != 1)
        return;
    if (!fake_dev_has(d, FAKE_BLK_F_CONFIG_WCE) || v > 1)
        bad(b, "BLK-27", "write of writeback", v, 0);
    if (b->cache_stuck)
        d->config[FAKE_BLK_CFG_WRITEBACK] = b->writeback;
    else
        b->writeback = v == 1;
}

static void blk_read(struct fake_dev *d, uint32_t off, uint32_t width)
{
    (void)width;
    if (off == FAKE_BLK_CFG_WRITEBACK && !d->legacy && /* LEG-37 */
        !(d->status & FAKE_FEATURES_OK))
        bad((struct fake_blk *)d, "BLK-08", "writeback before FEATURES_OK",
            d->status, 0);
}

static void limits(uint8_t *p, const struct fake_blk *b)
{
    fake_put32(p, b->cfg.range_max);
    fake_put32(p + 4, b->cfg.ranges);
}

static void fill_config(struct fake_blk *b)
{
    uint8_t *p = b->dev.config;

    b->dev.config_len = 72;
    fake_put64(p + FAKE_BLK_CFG_CAPACITY, b->cfg.sectors);
    fake_put32(p + FAKE_BLK_CFG_SIZE_MAX, b->cfg.size_max);
    fake_put32(p + FAKE_BLK_CFG_SEG_MAX, b->cfg.seg_max);
    fake_put32(p + FAKE_BLK_CFG_BLK_SIZE, b->cfg.blk_size);
    p[FAKE_BLK_CFG_TOPOLOGY] = 3; /* eight blocks a physical one */
    fake_put16(p + FAKE_BLK_CFG_TOPOLOGY + 2, 8);
    fake_put32(p + FAKE_BLK_CFG_TOPOLOGY + 4, 64);
    fake_put16(p + FAKE_BLK_CFG_QUEUES, b->cfg.queues);
    limits(p + FAKE_BLK_CFG_DISCARD, b);
    fake_put32(p + FAKE_BLK_CFG_DISCARD + 8, 1);
    limits(p + FAKE_BLK_CFG_ZEROES, b);
    p[FAKE_BLK_CFG_ZEROES + 8] = 1;
    limits(p + FAKE_BLK_CFG_ERASE, b);
    fake_put32(p + FAKE_BLK_CFG_ERASE + 8, 1);
    fake_dev_config_allow(&b->dev, FAKE_BLK_CFG_WRITEBACK, 1);
    if (b->cfg.zoned)
        fake_zones_init(b);
}

void fake_blk_resize(struct fake_blk *b, uint64_t sectors)
{
    fake_put64(b->dev.config, sectors);
    fake_dev_config_changed(&b->dev);
}

/* ---- Life ----------------------------------------------------------- */

static void set_default(uint32_t *v, uint32_t value)
{
    if (!*v)
        *v = value;
}

static void defaults(struct fake_blk_config *c)
{
    if (!c->sectors)
        c->sectors = 2048;
    if (!c->features)
        c->features = FAKE_BLK_FEATURES;
    set_default(&c->blk_size, FAKE_SECTOR);
    set_default(&c->queues, 1);
    set_default(&c->queue_max, 128);
    set_default(&c->seg_max, c->queue_max > 2 ? c->queue_max - 2 : 1);
    set_default(&c->range_max, 1024);
    set_default(&c->ranges, 4);
    if (c->size_max)
        c->features |= 1ull << FAKE_BLK_F_SIZE_MAX;
    if (c->queues > 1)
        c->features |= 1ull << FAKE_BLK_F_MQ;
    if (c->read_only)
        c->features |= 1ull << FAKE_BLK_F_RO;
    if (c->zoned)
        c->features |= 1ull << FAKE_BLK_F_ZONED;
    if (!c->id)
        c->id = "fake-disk-0123456789";
    c->features &= ~c->without;
}

void fake_blk_init(struct fake_blk *b, struct fake *f,
                   const struct fake_blk_config *cfg)
{
    static const struct fake_dev_ops ops = {
        .serve = blk_serve,
        .negotiated = blk_negotiated,
        .config_written = blk_written,
        .config_read = blk_read,
    };

    memset(b, 0, sizeof(*b));
    fake_dev_init(&b->dev, f, &ops, 2, "blk");
    if (cfg)
        b->cfg = *cfg;
    defaults(&b->cfg);
    b->dev.offered[0] |= b->cfg.features;
    for (size_t i = 0; i < sizeof(b->id) && b->cfg.id[i]; i++)
        b->id[i] = (uint8_t)b->cfg.id[i];
    b->disk = calloc((size_t)b->cfg.sectors, FAKE_SECTOR);
    b->safe = calloc((size_t)b->cfg.sectors, FAKE_SECTOR);
    b->dirty = calloc((size_t)b->cfg.sectors, 1);
    if (!b->disk || !b->safe || !b->dirty)
        abort();
    fill_config(b);
    for (uint32_t i = 0; i < b->cfg.queues; i++)
        fake_dev_add_queue(&b->dev, (uint16_t)b->cfg.queue_max);
}

void fake_blk_fini(struct fake_blk *b)
{
    fake_dev_fini(&b->dev);
    free(b->zone);
    free(b->disk);
    free(b->safe);
    free(b->dirty);
}
