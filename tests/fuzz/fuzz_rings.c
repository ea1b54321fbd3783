/* SPDX-License-Identifier: MIT */
/*
 * Every ring layout by itself, over a transport that only says yes: split and
 * packed, in order and not, with mappings and without, and the reset of a
 * queue in between.  The device here is honest where the input lets it be, so
 * that deep states are reached; everywhere else it writes what it likes,
 * wherever the ring's memory is.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/queue.h>

#define COOKIES 64u
#define BYTES   96u
#define OPS     300u

#define F_INDIRECT 28u
#define F_EVENT    29u
#define F_PACKED   34u
#define F_IN_ORDER 35u
#define F_DATA     38u
#define F_RESET    40u

struct cookie {
    uint32_t posted;
    bool out;
};

/* What the device has fetched and not given back. */
struct chain {
    uint16_t id;
    uint16_t count; /* descriptors it took of a packed ring */
    uint32_t in;
};

static struct {
    struct vdrv_hal hal;
    struct vdrv_transport t;
    struct vdrv_queue q;
    struct fuzz_in in;
    struct cookie cookie[COOKIES];
    uint8_t memory[COOKIES * BYTES];
    uint8_t *ring;
    size_t ring_size;
    size_t part[3];
    uint32_t maps, max_run, stuck;
    /* The device. */
    struct chain chain[COOKIES];
    uint32_t nchains;
    uint32_t at, used_at; /* split: indices; packed: places */
    bool wrap, used_wrap;
    bool packed, in_order;
} f;

/* ---- The platform --------------------------------------------------------- */

static void *alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                   uint32_t flags, uint64_t *dma)
{
    void *p = NULL;

    (void)ctx;
    (void)limit;
    (void)flags;
    FUZZ_CHECK(posix_memalign(&p, align, size) == 0);
    f.ring = p;
    f.ring_size = size;
    *dma = (uintptr_t)p;
    return p;
}

static void dealloc(void *ctx, void *ptr, uint64_t dma, size_t size,
                    uint32_t flags)
{
    (void)ctx;
    (void)dma;
    (void)flags;
    FUZZ_CHECK(ptr == f.ring && size == f.ring_size);
    free(ptr);
}

static int map(void *ctx, void *ptr, uint32_t len, uint32_t dir, uint32_t flags,
               uint64_t *dma, uint32_t *run)
{
    (void)ctx;
    (void)flags;
    FUZZ_CHECK(len != 0 && (dir == VDRV_DIR_IN || dir == VDRV_DIR_OUT));
    FUZZ_CHECK((uint8_t *)ptr >= f.memory &&
               (uint8_t *)ptr + len <= f.memory + sizeof(f.memory));
    if (fuzz_pick(&f.in, 16) == 15)
        return VDRV_ERR_AGAIN;
    f.maps++;
    *run = len < f.max_run ? len : f.max_run;
    *dma = (uintptr_t)ptr;
    return VDRV_OK;
}

static void unmap(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                  uint32_t dir, uint32_t flags)
{
    (void)ctx;
    (void)flags;
    FUZZ_CHECK(dma == (uintptr_t)ptr && run != 0 && run <= f.max_run);
    FUZZ_CHECK((dir == VDRV_DIR_IN || dir == VDRV_DIR_OUT) && f.maps-- > 0);
}

static uint32_t queue_max(struct vdrv_transport *t, uint32_t queue)
{
    (void)t;
    (void)queue;
    return f.packed ? 32768 : 64;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify)
{
    (void)t;
    (void)queue;
    f.part[0] = (size_t)(area->desc - (uintptr_t)f.ring);
    f.part[1] = (size_t)(area->driver - (uintptr_t)f.ring);
    f.part[2] = (size_t)(area->device - (uintptr_t)f.ring);
    f.nchains = 0;
    f.at = 0;
    f.used_at = 0;
    f.wrap = true;
    f.used_wrap = true;
    *notify = (struct vdrv_notify){.space = VDRV_SPACE_TRANSPORT, .width = 4};
    return VDRV_OK;
}

static void notify(struct vdrv_transport *t, const struct vdrv_notify *to,
                   uint32_t value)
{
    (void)t;
    (void)to;
    (void)value;
}

static int queue_reset(struct vdrv_transport *t, uint32_t queue)
{
    (void)t;
    (void)queue;
    f.nchains = 0;
    return f.stuck ? VDRV_ERR_PROTOCOL : VDRV_OK;
}

static const struct vdrv_transport_ops ops = {
    .queue_max = queue_max,
    .queue_enable = queue_enable,
    .queue_reset = queue_reset,
    .notify = notify,
};

/* ---- The device ------------------------------------------------------------ */

static uint8_t *ring(uint32_t part, size_t off)
{
    FUZZ_CHECK(f.part[part] + off < f.ring_size);
    return f.ring + f.part[part] + off;
}

static uint32_t get16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static void put(uint8_t *p, uint32_t v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void fetch_split(void)
{
    const uint16_t idx = (uint16_t)get16(ring(1, 2));

    for (; (uint16_t)f.at != idx && f.nchains < COOKIES; f.at++)
        f.chain[f.nchains++] = (struct chain){
            .id = (uint16_t)get16(ring(1, 4 + 2 * (f.at % f.q.size)))};
}

static void fetch_packed(void)
{
    for (uint32_t n = 0; f.nchains < COOKIES && n < f.q.size; n++) {
        uint32_t flags = get16(ring(0, 16 * (size_t)f.at + 14));
        uint16_t count = 0;

        if (((flags & 0x80u) != 0) != f.wrap ||
            ((flags & 0x8000u) != 0) == f.wrap)
            return;
        do {
            flags = get16(ring(0, 16 * (size_t)f.at + 14));
            f.chain[f.nchains].id =
                (uint16_t)get16(ring(0, 16 * (size_t)f.at + 12));
            f.wrap ^= ++f.at == f.q.size;
            f.at %= f.q.size;
        } while (++count < f.q.size && (flags & 1u) != 0);
        f.chain[f.nchains++].count = count;
    }
}

static void used(uint32_t id, uint32_t len, uint32_t chains, uint32_t descs)
{
    if (!f.packed) {
        put(ring(2, 4 + 8 * (f.used_at % f.q.size)), id, 4);
        put(ring(2, 8 + 8 * (f.used_at % f.q.size)), len, 4);
        f.used_at += chains;
        put(ring(2, 2), f.used_at, 2);
        return;
    }
    put(ring(0, 16 * (size_t)f.used_at + 8), len, 4);
    put(ring(0, 16 * (size_t)f.used_at + 12), id, 2);
    put(ring(0, 16 * (size_t)f.used_at + 14), f.used_wrap ? 0x8080u : 0, 2);
    f.used_at += descs;
    if (f.used_at >= f.q.size) {
        f.used_at = (f.used_at - f.q.size) % f.q.size;
        f.used_wrap = !f.used_wrap;
    }
}

/* One chain, or a batch; honest but for id and length, if `lie` says so. */
static void complete(uint32_t lie)
{
    uint32_t k, id, len = 0, descs = 0, first;

    if (f.packed)
        fetch_packed();
    else
        fetch_split();
    if (f.nchains == 0)
        return;
    k = fuzz_pick(&f.in, f.nchains);
    first = f.in_order ? 0 : k;
    for (uint32_t i = first; i <= k; i++)
        descs += f.chain[i].count;
    id = f.chain[k].id;
    if ((lie & 1u) != 0)
        id = fuzz_u8(&f.in) < 128 ? fuzz_u8(&f.in) : fuzz_u32(&f.in);
    if ((lie & 2u) != 0)
        len = fuzz_u8(&f.in) < 128 ? fuzz_u8(&f.in) : fuzz_u32(&f.in);
    used(id, len, k + 1 - first, descs);
    f.nchains -= k + 1 - first;
    memmove(&f.chain[first], &f.chain[k + 1],
            (f.nchains - first) * sizeof(f.chain[0]));
}

static void scribble(void)
{
    for (uint32_t n = 1 + fuzz_pick(&f.in, 8); n > 0; n--)
        f.ring[fuzz_u16(&f.in) % f.ring_size] = fuzz_u8(&f.in);
}

/* ---- The driver ------------------------------------------------------------- */

static void back(void *cookie, uint32_t len)
{
    struct cookie *c = cookie;

    FUZZ_CHECK(c >= f.cookie && c < f.cookie + COOKIES && c->out);
    FUZZ_CHECK(len <= c->posted);
    c->out = false;
}

static void add(void)
{
    const uint32_t i = fuzz_pick(&f.in, COOKIES), shape = fuzz_u8(&f.in);
    const uint32_t nout = shape & 3u, nin = shape >> 2 & 3u;
    const uint32_t len = 1 + (shape >> 4);
    struct vdrv_seg seg[6];

    if (f.cookie[i].out)
        return;
    for (uint32_t k = 0; k < 6; k++)
        seg[k] = vdrv_seg_in(f.memory + BYTES * i + len * k, len);
    if (vdrv_queue_add(&f.q, seg, nout, nin, &f.cookie[i]) != VDRV_OK)
        return;
    f.cookie[i].out = true;
    f.cookie[i].posted = nin * len;
}

static void reap(void)
{
    const uint32_t max = 1 + fuzz_pick(&f.in, 8);
    struct vdrv_used u[8];
    const int n = vdrv_queue_reap(&f.q, u, max);

    FUZZ_CHECK(n <= (int)max);
    for (int i = 0; i < n; i++)
        back(u[i].cookie, u[i].len);
}

static uint32_t count_out(void)
{
    uint32_t out = 0;

    for (uint32_t i = 0; i < COOKIES; i++)
        out += f.cookie[i].out;
    return out;
}

/* 2.6.1: all that was out, once, and then the queue works again. */
static void reset(void)
{
    void *cookie;

    f.stuck = fuzz_pick(&f.in, 8) == 7;
    if (vdrv_queue_reset(&f.q) != VDRV_OK)
        return; /* nothing is given back */
    while (vdrv_queue_drain(&f.q, &cookie))
        back(cookie, 0);
    FUZZ_CHECK(count_out() == 0 && f.maps == 0);
    FUZZ_CHECK(vdrv_queue_restart(&f.q) == VDRV_OK);
}

static void look(void)
{
    const uint32_t room = vdrv_queue_room(&f.q);

    (void)vdrv_queue_pending(&f.q);
    FUZZ_CHECK(room <= f.q.size);
    FUZZ_CHECK(f.q.error != VDRV_OK ||
               vdrv_queue_outstanding(&f.q) == count_out());
}

static void one_op(void)
{
    const uint32_t op = fuzz_pick(&f.in, 16);

    if (op < 4)
        add();
    else if (op < 6)
        FUZZ_CHECK(vdrv_queue_kick(&f.q) <= 1);
    else if (op < 8)
        reap();
    else if (op == 8)
        FUZZ_CHECK(vdrv_queue_arm(&f.q, fuzz_pick(&f.in, 5)) <= 1);
    else if (op == 9)
        reset();
    else if (op == 10)
        scribble();
    else
        complete(op == 15 ? fuzz_pick(&f.in, 4) : 0);
    look();
}

static void set_up(struct vdrv_queue_config *cfg)
{
    const uint32_t how = fuzz_u8(&f.in), size = fuzz_u8(&f.in);

    f.packed = (how & 1u) != 0;
    f.in_order = (how & 2u) != 0;
    f.hal = (struct vdrv_hal){.dma_alloc = alloc, .dma_free = dealloc};
    if ((how & 4u) != 0) {
        f.hal.dma_map = map;
        f.hal.dma_unmap = unmap;
    } else {
        f.hal.direct_size = UINT64_MAX;
    }
    f.max_run = 1 + (size >> 3);
    f.t = (struct vdrv_transport){
        .ops = &ops, .hal = &f.hal, .dma_limit = UINT64_MAX};
    f.t.features[0] = FUZZ_BIT(32) | FUZZ_BIT(F_RESET) |
                      (f.packed ? FUZZ_BIT(F_PACKED) : 0) |
                      (f.in_order ? FUZZ_BIT(F_IN_ORDER) : 0) |
                      ((how & 8u) != 0 ? FUZZ_BIT(F_EVENT) : 0) |
                      ((how & 16u) != 0 ? FUZZ_BIT(F_INDIRECT) : 0) |
                      ((how & 32u) != 0 ? FUZZ_BIT(F_DATA) : 0);
    *cfg = (struct vdrv_queue_config){
        .size = f.packed ? 1 + size % 64 : 1u << size % 7,
        .indirect = 1 + (how >> 6),
        .vector = VDRV_NO_VECTOR,
        .packed = &vdrv_queue_packed_in_order,
        .in_order = &vdrv_queue_split_in_order,
    };
    cfg->work_size = vdrv_queue_work_size(&f.hal, cfg->size, cfg->indirect);
    cfg->work = malloc(cfg->work_size);
}

void fuzz_run_rings(const uint8_t *data, size_t size)
{
    struct vdrv_queue_config cfg;
    void *cookie;

    memset(&f, 0, sizeof(f));
    f.in = (struct fuzz_in){data, size};
    set_up(&cfg);
    FUZZ_CHECK(vdrv_queue_init(&f.q, &f.t, &cfg) == VDRV_OK);
    for (uint32_t n = 0; n < OPS && f.in.left > 0; n++)
        one_op();
    vdrv_queue_break(&f.q, VDRV_ERR_BAD_STATE);
    while (vdrv_queue_drain(&f.q, &cookie))
        back(cookie, 0);
    FUZZ_CHECK(count_out() == 0 && f.maps == 0);
    vdrv_queue_fini(&f.q);
    free(cfg.work);
}

/* Each kind: adds of all shapes, kicks, completions and reaps in turns. */
void fuzz_seed_rings(fuzz_emit *emit, void *ctx)
{
    static const uint8_t turn[] = {0, 5, 0x11, 0, 6, 0x24, 0, 7, 0x19, 4, 11,
                                   1, 6, 3,    8, 3, 11,   0, 7, 7,    9, 0};
    uint8_t data[2 + 8 * sizeof(turn)];

    for (uint8_t kind = 0; kind < 8; kind++) {
        data[0] = (uint8_t)(0xc8u | (uint32_t)kind | (kind & 4u) << 2);
        data[1] = (uint8_t)(0x53u + kind);
        for (size_t i = 0; i < 8; i++) {
            memcpy(data + 2 + i * sizeof(turn), turn, sizeof(turn));
            data[2 + i * sizeof(turn) + 1] = (uint8_t)(i * 7);
        }
        emit(ctx, data, sizeof(data));
    }
}
