/* SPDX-License-Identifier: MIT */
/*
 * The GPU device model, VirtIO 1.4 section 5.7: resources with a backing in
 * the driver's memory, transfer into the host's copy, flush onto scanouts,
 * display information, EDID and the cursor.
 */
#include "fake_gpu.h"

#include <stdlib.h>
#include <string.h>

#define HDR     24u
#define ENTRIES 16384u
#define CURSOR  64u

/* One command on its way through. */
struct gpu_cmd {
    struct fake_gpu *g;
    struct fake_chain *c;
    uint32_t type, flags;
    uint64_t fence;
    uint8_t in[80];              /* the command, past the header */
    uint8_t out[HDR + 8 + 1024]; /* the response */
    uint32_t out_len;
};

static void bad(struct fake_gpu *g, const char *id, const char *what,
                uint64_t value)
{
    fake_violation(g->dev.f, id, "%s: %s (%#llx)", g->dev.name, what,
                   (unsigned long long)value);
}

/* ---- Resources ------------------------------------------------------ */

struct fake_gpu_resource *fake_gpu_find(struct fake_gpu *g, uint32_t id)
{
    for (uint32_t i = 0; id && i < FAKE_GPU_RESOURCES; i++)
        if (g->resource[i].id == id)
            return &g->resource[i];
    return NULL;
}

uint32_t fake_gpu_resources(const struct fake_gpu *g)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < FAKE_GPU_RESOURCES; i++)
        n += g->resource[i].id != 0;
    return n;
}

static void detach(struct fake_gpu_resource *r)
{
    free(r->entry);
    r->entry = NULL;
    r->entries = 0;
    r->backed = false;
}

static void scanout_off(struct fake_gpu_scanout *s)
{
    free(s->picture);
    s->picture = NULL;
    s->resource = 0;
}

static void resource_free(struct fake_gpu *g, struct fake_gpu_resource *r)
{
    for (uint32_t i = 0; i < FAKE_GPU_SCANOUTS; i++)
        if (r->id && g->scanout[i].resource == r->id)
            scanout_off(&g->scanout[i]);
    g->memory_used -= (uint64_t)r->width * r->height * 4;
    detach(r);
    free(r->data);
    memset(r, 0, sizeof(*r));
}

static bool known_format(uint32_t f)
{
    return (f >= 1 && f <= 4) || f == 67 || f == 68 || f == 121 || f == 134;
}

static struct fake_gpu_resource *free_resource(struct fake_gpu *g)
{
    for (uint32_t i = 0; i < FAKE_GPU_RESOURCES; i++)
        if (!g->resource[i].id)
            return &g->resource[i];
    return NULL;
}

static uint32_t do_create(struct gpu_cmd *k)
{
    uint32_t id = fake_get32(k->in), format = fake_get32(k->in + 4);
    uint32_t w = fake_get32(k->in + 8), h = fake_get32(k->in + 12);
    struct fake_gpu_resource *r;
    uint64_t bytes;

    if (id == 0 || fake_gpu_find(k->g, id))
        return FAKE_GPU_ERR_RESOURCE;
    if (!known_format(format) || w == 0 || h == 0)
        return FAKE_GPU_ERR_PARAMETER;
    bytes = (uint64_t)w * h;
    if (bytes > k->g->cfg.memory / 4 ||
        4 * bytes > k->g->cfg.memory - k->g->memory_used)
        return FAKE_GPU_ERR_OUT_OF_MEMORY;
    r = free_resource(k->g);
    if (!r)
        return FAKE_GPU_ERR_OUT_OF_MEMORY;
    r->data = calloc((size_t)bytes, 4);
    if (!r->data)
        return FAKE_GPU_ERR_OUT_OF_MEMORY;
    r->id = id;
    r->format = format;
    r->width = w;
    r->height = h;
    k->g->memory_used += 4 * bytes;
    return FAKE_GPU_OK_NODATA;
}

static uint32_t do_unref(struct gpu_cmd *k)
{
    struct fake_gpu_resource *r = fake_gpu_find(k->g, fake_get32(k->in));

    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    resource_free(k->g, r);
    return FAKE_GPU_OK_NODATA;
}

/* ---- Backing -------------------------------------------------------- */

/* The list of runs, which begins at `at` in the command. */
static void read_entries(struct gpu_cmd *k, struct fake_gpu_resource *r,
                         uint64_t at)
{
    uint8_t raw[16];

    for (uint32_t i = 0; i < r->entries; i++) {
        fake_chain_read(k->c, at + 16 * (uint64_t)i, raw, sizeof(raw));
        r->entry[i].dma = fake_get64(raw);
        r->entry[i].len = fake_get32(raw + 8);
        /* It must be shared by now. */
        fake_dma(k->g->dev.f, r->entry[i].dma, r->entry[i].len, VDRV_DIR_OUT);
    }
}

static uint32_t take_entries(struct gpu_cmd *k, struct fake_gpu_resource *r,
                             uint32_t n, uint64_t at)
{
    if (k->c->rlen != at + 16 * (uint64_t)n) {
        bad(k->g, "GPU-22", "nr_entries does not match", n);
        return FAKE_GPU_ERR_PARAMETER;
    }
    r->entry = calloc(n ? n : 1, sizeof(*r->entry));
    if (!r->entry)
        return FAKE_GPU_ERR_OUT_OF_MEMORY;
    r->entries = n;
    r->backed = true;
    read_entries(k, r, at);
    return FAKE_GPU_OK_NODATA;
}

static uint32_t do_attach(struct gpu_cmd *k)
{
    struct fake_gpu_resource *r = fake_gpu_find(k->g, fake_get32(k->in));
    uint32_t n = fake_get32(k->in + 4);

    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (r->blob || r->backed || n > ENTRIES)
        return FAKE_GPU_ERR_UNSPEC;
    return take_entries(k, r, n, HDR + 8);
}

static uint32_t do_detach(struct gpu_cmd *k)
{
    struct fake_gpu_resource *r = fake_gpu_find(k->g, fake_get32(k->in));

    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (!r->backed)
        return FAKE_GPU_ERR_UNSPEC;
    detach(r);
    return FAKE_GPU_OK_NODATA;
}

/* Copies from the backing; false when it ends before. */
static bool from_backing(struct fake_gpu *g, const struct fake_gpu_resource *r,
                         uint64_t off, uint8_t *to, uint64_t n)
{
    for (uint32_t i = 0; i < r->entries && n; i++) {
        const struct fake_gpu_entry *e = &r->entry[i];
        uint64_t part;
        void *p;

        if (off >= e->len) {
            off -= e->len;
            continue;
        }
        part = e->len - off < n ? e->len - off : n;
        p = fake_dma(g->dev.f, e->dma + off, part, VDRV_DIR_OUT);
        if (!p)
            return false;
        memcpy(to, p, (size_t)part);
        to += part;
        n -= part;
        off = 0;
    }
    return n == 0;
}

/* ---- Blobs ---------------------------------------------------------- */

/* What a driver may not ask for (5.7.6.8), from the fields of CREATE_BLOB. */
static bool blob_wrong(struct fake_gpu *g, uint32_t mem, uint32_t flags,
                       uint64_t size)
{
    const char *id = NULL;

    if (!fake_dev_has(&g->dev, FAKE_GPU_F_RESOURCE_BLOB))
        id = "GPU-26";
    else if (mem == 0 || mem > 3)
        id = "GPU-27";
    else if (mem != 1 && !fake_dev_has(&g->dev, FAKE_GPU_F_VIRGL))
        id = "GPU-28";
    else if (flags > 7)
        id = "GPU-30";
    else if (fake_dev_has(&g->dev, FAKE_GPU_F_BLOB_ALIGNMENT) &&
             size % g->cfg.blob_align)
        id = "GPU-32";
    if (id)
        bad(g, id, "CREATE_BLOB", size);
    return id != NULL;
}

static uint32_t do_create_blob(struct gpu_cmd *k)
{
    uint32_t id = fake_get32(k->in), n = fake_get32(k->in + 12);
    uint64_t size = fake_get64(k->in + 24), sum = 0;
    struct fake_gpu_resource *r;
    uint32_t status;

    if (blob_wrong(k->g, fake_get32(k->in + 4), fake_get32(k->in + 8), size))
        return FAKE_GPU_ERR_PARAMETER;
    if (id == 0 || fake_gpu_find(k->g, id))
        return FAKE_GPU_ERR_RESOURCE;
    r = free_resource(k->g);
    if (!r || n > ENTRIES)
        return FAKE_GPU_ERR_OUT_OF_MEMORY;
    status = take_entries(k, r, n, HDR + 32);
    for (uint32_t i = 0; i < r->entries; i++)
        sum += r->entry[i].len;
    if (status == FAKE_GPU_OK_NODATA && (size == 0 || sum < size))
        status = FAKE_GPU_ERR_PARAMETER;
    if (status != FAKE_GPU_OK_NODATA) {
        detach(r);
        return status;
    }
    r->id = id;
    r->blob = true;
    r->size = size;
    return FAKE_GPU_OK_NODATA;
}

/* ---- Rectangles ----------------------------------------------------- */

static struct fake_gpu_rect get_rect(const uint8_t *p)
{
    return (struct fake_gpu_rect){fake_get32(p), fake_get32(p + 4),
                                  fake_get32(p + 8), fake_get32(p + 12)};
}

static bool inside(uint32_t width, uint32_t height, struct fake_gpu_rect a)
{
    return a.x <= width && a.w <= width - a.x && a.y <= height &&
           a.h <= height - a.y;
}

static uint32_t do_transfer(struct gpu_cmd *k)
{
    struct fake_gpu_rect a = get_rect(k->in);
    uint64_t off = fake_get64(k->in + 16);
    struct fake_gpu_resource *r = fake_gpu_find(k->g, fake_get32(k->in + 24));

    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (!r->backed || r->blob)
        return FAKE_GPU_ERR_UNSPEC;
    if (!inside(r->width, r->height, a))
        return FAKE_GPU_ERR_PARAMETER;
    for (uint32_t y = 0; y < a.h; y++) {
        uint64_t line = (uint64_t)(a.y + y) * r->width + a.x;

        if (!from_backing(k->g, r, off + 4 * (uint64_t)y * r->width,
                          r->data + 4 * line, 4 * (uint64_t)a.w)) {
            bad(k->g, "GPU-12", "transfer beyond the backing", off);
            return FAKE_GPU_ERR_PARAMETER;
        }
    }
    r->transfers++;
    return FAKE_GPU_OK_NODATA;
}

/* ---- Scanouts ------------------------------------------------------- */

static void scanout_on(struct fake_gpu_scanout *s, uint32_t res,
                       struct fake_gpu_rect a)
{
    scanout_off(s);
    s->resource = res;
    s->rect = a;
    s->picture = calloc((size_t)a.w * a.h, sizeof(*s->picture));
    if (!s->picture)
        abort();
}

static uint32_t do_set_scanout(struct gpu_cmd *k)
{
    struct fake_gpu_rect a = get_rect(k->in);
    uint32_t id = fake_get32(k->in + 16), res = fake_get32(k->in + 20);
    struct fake_gpu_resource *r = fake_gpu_find(k->g, res);
    struct fake_gpu_scanout *s;

    if (id >= k->g->cfg.scanouts)
        return FAKE_GPU_ERR_SCANOUT;
    s = &k->g->scanout[id];
    if (res == 0) {
        scanout_off(s);
        return FAKE_GPU_OK_NODATA;
    }
    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (r->blob || !inside(r->width, r->height, a) || a.w == 0 || a.h == 0)
        return FAKE_GPU_ERR_PARAMETER;
    scanout_on(s, res, a);
    return FAKE_GPU_OK_NODATA;
}

static uint32_t do_set_scanout_blob(struct gpu_cmd *k)
{
    struct fake_gpu_rect a = get_rect(k->in);
    uint32_t id = fake_get32(k->in + 16), res = fake_get32(k->in + 20);
    uint32_t w = fake_get32(k->in + 24), h = fake_get32(k->in + 28);
    uint32_t format = fake_get32(k->in + 32);
    uint64_t stride = fake_get32(k->in + 40), off = fake_get32(k->in + 56);
    struct fake_gpu_resource *r = fake_gpu_find(k->g, res);
    struct fake_gpu_scanout *s;

    if (!fake_dev_has(&k->g->dev, FAKE_GPU_F_RESOURCE_BLOB)) {
        bad(k->g, "GPU-26", "SET_SCANOUT_BLOB", id);
        return FAKE_GPU_ERR_UNSPEC;
    }
    if (!known_format(format)) {
        bad(k->g, "GPU-31", "format", format);
        return FAKE_GPU_ERR_PARAMETER;
    }
    if (id >= k->g->cfg.scanouts)
        return FAKE_GPU_ERR_SCANOUT;
    if (!r || !r->blob)
        return FAKE_GPU_ERR_RESOURCE;
    if (!inside(w, h, a) || a.w == 0 || a.h == 0 || stride < 4 * (uint64_t)w ||
        off + stride * (h - 1) + 4 * (uint64_t)w > r->size)
        return FAKE_GPU_ERR_PARAMETER;
    s = &k->g->scanout[id];
    scanout_on(s, res, a);
    s->blob_format = format;
    s->blob_width = w;
    s->blob_height = h;
    s->stride = (uint32_t)stride;
    s->offset = (uint32_t)off;
    return FAKE_GPU_OK_NODATA;
}

/* Where red, green, blue and alpha are in the four bytes; names are in memory
 * order (5.7.6.8). */
static uint32_t colour(uint32_t format, const uint8_t *p)
{
    static const uint8_t order[][5] = {
        {1, 2, 1, 0, 3},   {2, 2, 1, 0, 3},   {3, 1, 2, 3, 0},
        {4, 1, 2, 3, 0},   {67, 0, 1, 2, 3},  {68, 3, 2, 1, 0},
        {121, 3, 2, 1, 0}, {134, 0, 1, 2, 3},
    };

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (order[i][0] == format)
            return (uint32_t)p[order[i][4]] << 24 |
                   (uint32_t)p[order[i][1]] << 16 |
                   (uint32_t)p[order[i][2]] << 8 | p[order[i][3]];
    return 0;
}

/* A pixel of the resource: of the host's copy, or of the driver's memory. */
static uint32_t resource_pixel(struct fake_gpu *g,
                               const struct fake_gpu_scanout *s,
                               const struct fake_gpu_resource *r, uint32_t x,
                               uint32_t y)
{
    uint8_t raw[4] = {0};

    if (!r->blob)
        return colour(r->format, r->data + 4 * ((size_t)y * r->width + x));
    if (!from_backing(g, r, s->offset + (uint64_t)y * s->stride + 4 * x, raw,
                      sizeof(raw)))
        bad(g, "GPU-12", "a blob that ends before", y);
    return colour(s->blob_format, raw);
}

static void show(struct fake_gpu *g, struct fake_gpu_scanout *s,
                 const struct fake_gpu_resource *r, struct fake_gpu_rect a)
{
    for (uint32_t y = 0; y < s->rect.h; y++)
        for (uint32_t x = 0; x < s->rect.w; x++) {
            uint32_t rx = s->rect.x + x, ry = s->rect.y + y;

            /* Before the rectangle, the difference wraps to something huge. */
            if (rx - a.x >= a.w || ry - a.y >= a.h)
                continue;
            s->picture[(size_t)y * s->rect.w + x] =
                resource_pixel(g, s, r, rx, ry) & 0xFFFFFF;
        }
    s->flushes++;
    s->last_flush = a;
}

static uint32_t do_flush(struct gpu_cmd *k)
{
    struct fake_gpu_rect a = get_rect(k->in);
    struct fake_gpu_resource *r = fake_gpu_find(k->g, fake_get32(k->in + 16));

    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (!r->blob && !inside(r->width, r->height, a))
        return FAKE_GPU_ERR_PARAMETER;
    for (uint32_t i = 0; i < k->g->cfg.scanouts; i++) {
        struct fake_gpu_scanout *s = &k->g->scanout[i];

        if (s->resource != r->id)
            continue;
        if (r->blob && !inside(s->blob_width, s->blob_height, a))
            return FAKE_GPU_ERR_PARAMETER;
        show(k->g, s, r, a);
    }
    r->flushes++;
    return FAKE_GPU_OK_NODATA;
}

uint32_t fake_gpu_pixel(const struct fake_gpu *g, uint32_t scanout, uint32_t x,
                        uint32_t y)
{
    const struct fake_gpu_scanout *s = &g->scanout[scanout];

    if (!s->picture || x >= s->rect.w || y >= s->rect.h)
        return 0;
    return s->picture[(size_t)y * s->rect.w + x];
}

/* ---- What there is to know ------------------------------------------ */

static uint32_t do_display_info(struct gpu_cmd *k)
{
    for (uint32_t i = 0; i < k->g->cfg.scanouts; i++) {
        uint8_t *p = k->out + HDR + 24 * i;

        fake_put32(p + 8, k->g->scanout[i].width);
        fake_put32(p + 12, k->g->scanout[i].height);
        fake_put32(p + 16, k->g->scanout[i].enabled);
    }
    k->out_len = HDR + 24 * FAKE_GPU_SCANOUTS;
    return FAKE_GPU_OK_DISPLAY_INFO;
}

static uint32_t do_edid(struct gpu_cmd *k)
{
    uint32_t id = fake_get32(k->in);

    if (!fake_dev_has(&k->g->dev, FAKE_GPU_F_EDID)) {
        bad(k->g, "GPU-23", "EDID was not negotiated", id);
        return FAKE_GPU_ERR_UNSPEC;
    }
    if (id >= k->g->cfg.scanouts)
        return FAKE_GPU_ERR_SCANOUT;
    fake_put32(k->out + HDR, k->g->scanout[id].edid_size);
    memcpy(k->out + HDR + 8, k->g->scanout[id].edid, FAKE_GPU_EDID);
    k->out_len = HDR + 8 + FAKE_GPU_EDID;
    return FAKE_GPU_OK_EDID;
}

static void put_timing(uint8_t *d, uint32_t w, uint32_t h)
{
    uint32_t clock = (w + 160) * (h + 30) * 60 / 10000; /* in 10 kHz */

    fake_put16(d, clock > 0xFFFF ? 0xFFFF : clock);
    d[2] = (uint8_t)w;
    d[3] = 160;
    d[4] = (uint8_t)(w >> 8 << 4);
    d[5] = (uint8_t)h;
    d[6] = 30;
    d[7] = (uint8_t)(h >> 8 << 4);
    d[8] = 48;
    d[9] = 32;
    d[10] = 0x35;
    d[17] = 0x18;
}

void fake_gpu_edid(uint8_t *edid, uint32_t width, uint32_t height)
{
    static const uint8_t magic[8] = {0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0};
    uint8_t sum = 0;

    memset(edid, 0, 128);
    memcpy(edid, magic, sizeof(magic));
    edid[8] = 0x18; /* manufacturer "FAK" */
    edid[9] = 0x2B;
    edid[18] = 1; /* EDID 1.4, digital */
    edid[19] = 4;
    edid[20] = 0xA5;
    edid[24] = 6;
    memset(edid + 38, 1, 16); /* no standard timings */
    put_timing(edid + 54, width, height);
    for (uint32_t i = 1; i < 4; i++)
        edid[54 + 18 * i + 3] = 0x10; /* dummy descriptors */
    for (uint32_t i = 0; i < 127; i++)
        sum = (uint8_t)(sum + edid[i]);
    edid[127] = (uint8_t)-sum;
}

/* ---- Cursor --------------------------------------------------------- */

static uint32_t cursor_image(struct fake_gpu *g, uint32_t id)
{
    struct fake_gpu_resource *r = fake_gpu_find(g, id);

    memset(g->cursor.picture, 0, sizeof(g->cursor.picture));
    if (id == 0)
        return FAKE_GPU_OK_NODATA;
    if (!r)
        return FAKE_GPU_ERR_RESOURCE;
    if (r->width != CURSOR || r->height != CURSOR) {
        bad(g, "GPU-13", "width of a cursor", r->width);
        return FAKE_GPU_ERR_PARAMETER;
    }
    for (uint32_t i = 0; i < CURSOR * CURSOR; i++)
        g->cursor.picture[i] = colour(r->format, r->data + 4 * (size_t)i);
    return FAKE_GPU_OK_NODATA;
}

static uint32_t do_cursor(struct gpu_cmd *k)
{
    struct fake_gpu_cursor *c = &k->g->cursor;
    uint32_t status = FAKE_GPU_OK_NODATA;

    if (fake_get32(k->in) >= k->g->cfg.scanouts)
        return FAKE_GPU_ERR_SCANOUT;
    if (k->type == FAKE_GPU_UPDATE_CURSOR) {
        status = cursor_image(k->g, fake_get32(k->in + 16));
        c->resource = fake_get32(k->in + 16);
        c->hot_x = fake_get32(k->in + 20);
        c->hot_y = fake_get32(k->in + 24);
        c->updates++;
    } else {
        c->moves++;
    }
    c->scanout = fake_get32(k->in);
    c->x = fake_get32(k->in + 4);
    c->y = fake_get32(k->in + 8);
    return status;
}

/* ---- Commands ------------------------------------------------------- */

/* Bytes of each command with its header; ATTACH has entries behind it. */
static const struct command {
    uint32_t type, bytes, queue;
    uint32_t (*run)(struct gpu_cmd *k);
} commands[] = {
    {FAKE_GPU_GET_DISPLAY_INFO, 24, 0, do_display_info},
    {FAKE_GPU_CREATE_2D, 40, 0, do_create},
    {FAKE_GPU_UNREF, 32, 0, do_unref},
    {FAKE_GPU_SET_SCANOUT, 48, 0, do_set_scanout},
    {FAKE_GPU_FLUSH, 48, 0, do_flush},
    {FAKE_GPU_TRANSFER_2D, 56, 0, do_transfer},
    {FAKE_GPU_ATTACH_BACKING, 32, 0, do_attach},
    {FAKE_GPU_DETACH_BACKING, 32, 0, do_detach},
    {FAKE_GPU_GET_EDID, 32, 0, do_edid},
    {FAKE_GPU_CREATE_BLOB, 56, 0, do_create_blob},
    {FAKE_GPU_SET_SCANOUT_BLOB, 96, 0, do_set_scanout_blob},
    {FAKE_GPU_UPDATE_CURSOR, 56, 1, do_cursor},
    {FAKE_GPU_MOVE_CURSOR, 56, 1, do_cursor},
};

static uint32_t run(struct gpu_cmd *k)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].type != k->type)
            continue;
        if (commands[i].queue != k->c->q->index) {
            bad(k->g, "GPU-01", "command on the wrong queue", k->type);
            return FAKE_GPU_ERR_UNSPEC;
        }
        if (k->c->rlen < commands[i].bytes) {
            bad(k->g, "GPU-12", "command too short", k->c->rlen);
            return FAKE_GPU_ERR_PARAMETER;
        }
        return commands[i].run(k);
    }
    return FAKE_GPU_ERR_UNSPEC;
}

static struct fake_gpu_fault *fault_for(struct fake_gpu *g, uint32_t type)
{
    for (uint32_t i = 0; i < g->n_faults; i++) {
        struct fake_gpu_fault *t = &g->fault[i];

        if (t->type != type && t->type != FAKE_GPU_ANY)
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

void fake_gpu_plan(struct fake_gpu *g, struct fake_gpu_fault fault)
{
    if (g->n_faults == FAKE_GPU_FAULTS)
        abort();
    if (!fault.count)
        fault.count = UINT32_MAX;
    g->fault[g->n_faults++] = fault;
}

void fake_gpu_faults_clear(struct fake_gpu *g)
{
    g->n_faults = 0;
}

static uint32_t answer(struct gpu_cmd *k, uint32_t type,
                       const struct fake_gpu_fault *t)
{
    bool fence = (k->flags & FAKE_GPU_FLAG_FENCE) && !(t && t->no_fence);

    fake_put32(k->out, type);
    fake_put32(k->out + 4, fence ? FAKE_GPU_FLAG_FENCE : 0);
    /* 5.7.6.7: the fence comes back in the response. */
    if (k->flags & FAKE_GPU_FLAG_FENCE)
        fake_put64(k->out + 8, k->fence + (t ? t->fence_add : 0));
    if (type >= FAKE_GPU_ERR_UNSPEC) {
        k->g->errors++;
        k->g->last_error = type;
    }
    if (k->c->wlen < k->out_len) {
        /* The cursor queue needs no response. */
        if (k->c->q->index == 0 || k->c->wlen)
            bad(k->g, "GPU-16", "no room for the response", k->c->wlen);
        return 0;
    }
    fake_chain_write(k->c, 0, k->out, k->out_len);
    return t && t->len >= 0 ? (uint32_t)t->len : k->out_len;
}

static uint32_t gpu_serve(struct fake_dev *d, struct fake_chain *c)
{
    struct gpu_cmd k = {.g = (struct fake_gpu *)d, .c = c, .out_len = HDR};
    struct fake_gpu_fault *t;
    uint8_t head[HDR];
    uint32_t type;

    if (c->rlen < HDR) {
        bad(k.g, "GPU-12", "command too short", c->rlen);
        return 0;
    }
    fake_chain_read(c, 0, head, sizeof(head));
    fake_chain_read(c, HDR, k.in, sizeof(k.in));
    /* Without CONTEXT_INIT; with 3D there would be contexts. */
    if ((fake_get32(head + 4) & ~FAKE_GPU_FLAG_FENCE) || head[20])
        bad(k.g, "GPU-17", "a ring index", head[20]);
    if (fake_get32(head + 16))
        bad(k.g, "GPU-33", "a context", fake_get32(head + 16));
    k.type = fake_get32(head);
    k.flags = fake_get32(head + 4);
    k.fence = fake_get64(head + 8);
    k.g->commands[k.type & 0x3FF]++;
    t = fault_for(k.g, k.type);
    if (t && t->silent)
        return t->len >= 0 ? (uint32_t)t->len : 0;
    /* A command that is to fail does nothing. */
    type = t && t->response ? t->response : run(&k);
    return answer(&k, type, t);
}

/* ---- Configuration, life -------------------------------------------- */

static void gpu_written(struct fake_dev *d, uint32_t off, uint32_t width)
{
    uint32_t events = fake_get32(d->config);

    if (off != 4 || width != 4)
        return;
    fake_put32(d->config, events & ~fake_get32(d->config + 4));
    fake_put32(d->config + 4, 0); /* reads as 0 */
}

static void gpu_reset(struct fake_dev *d)
{
    struct fake_gpu *g = (struct fake_gpu *)d;

    for (uint32_t i = 0; i < FAKE_GPU_RESOURCES; i++)
        resource_free(g, &g->resource[i]);
    for (uint32_t i = 0; i < FAKE_GPU_SCANOUTS; i++)
        scanout_off(&g->scanout[i]);
    memset(&g->cursor, 0, sizeof(g->cursor));
}

static void set_display(struct fake_gpu_scanout *s, uint32_t w, uint32_t h)
{
    s->width = w;
    s->height = h;
    s->enabled = w && h;
    memset(s->edid, 0, sizeof(s->edid));
    s->edid_size = s->enabled ? 128 : 0;
    if (s->enabled)
        fake_gpu_edid(s->edid, w, h);
}

void fake_gpu_resize(struct fake_gpu *g, uint32_t scanout, uint32_t width,
                     uint32_t height)
{
    set_display(&g->scanout[scanout], width, height);
    fake_put32(g->dev.config, fake_get32(g->dev.config) | 1);
    fake_dev_config_changed(&g->dev);
}

static void defaults(struct fake_gpu_config *c)
{
    if (!c->scanouts)
        c->scanouts = 1;
    if (c->scanouts > FAKE_GPU_SCANOUTS)
        abort();
    if (!c->enabled)
        c->enabled = 1;
    if (c->enabled == UINT32_MAX)
        c->enabled = 0;
    if (!c->width)
        c->width = 640;
    if (!c->height)
        c->height = 480;
    if (!c->memory)
        c->memory = 256u << 20;
    if (!c->queue_max)
        c->queue_max = 64;
}

void fake_gpu_init(struct fake_gpu *g, struct fake *f,
                   const struct fake_gpu_config *cfg)
{
    static const struct fake_dev_ops ops = {
        .serve = gpu_serve,
        .reset = gpu_reset,
        .config_written = gpu_written,
    };

    memset(g, 0, sizeof(*g));
    fake_dev_init(&g->dev, f, &ops, 16, "gpu");
    if (cfg)
        g->cfg = *cfg;
    defaults(&g->cfg);
    fake_dev_offer(&g->dev, FAKE_GPU_F_EDID, !g->cfg.no_edid);
    fake_dev_offer(&g->dev, FAKE_GPU_F_RESOURCE_BLOB, g->cfg.blob);
    fake_dev_offer(&g->dev, FAKE_GPU_F_BLOB_ALIGNMENT, g->cfg.blob_align != 0);
    g->dev.config_len = g->cfg.blob_align ? 20 : 16;
    fake_put32(g->dev.config + 16, g->cfg.blob_align);
    fake_put32(g->dev.config + 8, g->cfg.scanouts);
    fake_dev_config_allow(&g->dev, 4, 4);
    for (uint32_t i = 0; i < g->cfg.scanouts && i < g->cfg.enabled; i++)
        set_display(&g->scanout[i], g->cfg.width, g->cfg.height);
    fake_dev_add_queue(&g->dev, (uint16_t)g->cfg.queue_max);
    fake_dev_add_queue(&g->dev, 16);
}

void fake_gpu_fini(struct fake_gpu *g)
{
    gpu_reset(&g->dev);
    fake_dev_fini(&g->dev);
}
