/* SPDX-License-Identifier: MIT */
/* See bench_device.h. */
#include "bench_device.h"

#include <stdlib.h>
#include <string.h>

/* In a section of its own, by which a trace of addresses tells it apart. */
#define DEVICE __attribute__((noinline, section("bench_device")))

#define F_NEXT     1u
#define F_WRITE    2u
#define F_INDIRECT 4u
#define TAG(flag)  ((uint32_t)(flag) << 16)
#define TAG_AVAIL  0x00800000u
#define TAG_USED   0x80000000u
#define TAG_WRAP   (TAG_AVAIL | TAG_USED)

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

struct pdesc {
    uint64_t addr;
    uint32_t len;
    uint32_t tag; /* id, flags << 16 */
};

/* A slot of a packed ring, and the wrap bits of one that is used there. */
struct place {
    uint32_t slot, wrap;
};

uint64_t bench_features = BENCH_VERSION1 | BENCH_EVENT | BENCH_INDIRECT;
struct vdrv_queue_area bench_area;
uint32_t bench_queue;
bool bench_merge;
uint64_t bench_shared[2];

static uint32_t doorbell, status, ring_size;
static uint16_t seen;                      /* of a split ring */
static struct place next_avail, next_used; /* of a packed one */

static uint32_t read_status(struct vdrv_transport *t)
{
    (void)t;
    return status;
}

static void write_status(struct vdrv_transport *t, uint32_t value)
{
    (void)t;
    status = value;
}

static void read_features(struct vdrv_transport *t, uint64_t features[2])
{
    (void)t;
    features[0] = bench_features;
    features[1] = 0;
}

static void write_features(struct vdrv_transport *t, const uint64_t features[2])
{
    (void)t;
    (void)features;
}

static uint32_t queue_max(struct vdrv_transport *t, uint32_t queue)
{
    (void)t;
    return queue < 2 ? ring_size : 0;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *a,
                        struct vdrv_notify *notify)
{
    (void)t;
    if (queue == bench_queue)
        bench_area = *a;
    notify->addr = (uintptr_t)&doorbell;
    notify->space = VDRV_SPACE_MEMORY;
    notify->width = 4;
    notify->value = queue;
    return VDRV_OK;
}

/* A disk of 2^20 sectors. */
static uint32_t config_read(struct vdrv_transport *t, uint32_t offset,
                            uint32_t width)
{
    (void)t;
    (void)width;
    return offset == 0 ? 1u << 20 : 0;
}

static uint32_t generation(struct vdrv_transport *t)
{
    (void)t;
    return 0;
}

static const struct vdrv_transport_ops ops = {
    .read_status = read_status,
    .write_status = write_status,
    .read_features = read_features,
    .write_features = write_features,
    .queue_max = queue_max,
    .queue_enable = queue_enable,
    .config_read = config_read,
    .generation = generation,
};

static void *dma_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    void *p = aligned_alloc(align, (size + align - 1) / align * align);

    (void)ctx;
    (void)limit;
    (void)flags;
    *dma = (uint64_t)(uintptr_t)p;
    bench_shared[0] = *dma;
    bench_shared[1] = *dma + size;
    return p;
}

static void dma_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    (void)ctx;
    (void)dma;
    (void)size;
    (void)flags;
    free(ptr);
}

static int dma_map(void *ctx, void *ptr, uint32_t len, uint32_t dir,
                   uint32_t flags, uint64_t *dma, uint32_t *run)
{
    (void)ctx;
    (void)dir;
    (void)flags;
    *dma = (uint64_t)(uintptr_t)ptr;
    *run = len;
    return VDRV_OK;
}

static void dma_unmap(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                      uint32_t dir, uint32_t flags)
{
    (void)ctx;
    (void)ptr;
    (void)dma;
    (void)len;
    (void)dir;
    (void)flags;
}

struct vdrv_hal bench_hal = {
    .direct_size = UINT64_MAX, .dma_alloc = dma_alloc, .dma_free = dma_free};
struct vdrv_hal bench_hal_mapped = {.dma_alloc = dma_alloc,
                                    .dma_free = dma_free,
                                    .dma_map = dma_map,
                                    .dma_unmap = dma_unmap};

void bench_restart(void)
{
    seen = 0;
    next_avail = (struct place){0, TAG_WRAP};
    next_used = next_avail;
}

void bench_transport(struct vdrv_transport *t, uint32_t id, uint32_t size)
{
    ring_size = size;
    bench_restart();
    memset(t, 0, sizeof(*t));
    t->ops = &ops;
    t->hal = &bench_hal;
    t->device_id = id;
    t->config_size = 256;
    t->dma_limit = UINT64_MAX;
    t->features[0] = bench_features;
}

DEVICE static void answer_split(void)
{
    struct desc *desc = (struct desc *)(uintptr_t)bench_area.desc;
    uint16_t *avail = (uint16_t *)(uintptr_t)bench_area.driver;
    uint16_t *used = (uint16_t *)(uintptr_t)bench_area.device;
    uint32_t *elem = (uint32_t *)(uintptr_t)(bench_area.device + 4);
    const uint16_t idx = __atomic_load_n(&avail[1], __ATOMIC_ACQUIRE);
    const uint16_t mask = (uint16_t)(bench_area.size - 1);
    const uint16_t first = seen;

    for (; seen != idx; seen++) {
        const uint16_t head = avail[2 + (seen & mask)];
        struct desc *d = &desc[head], *table = desc;
        uint32_t len = 0;

        if (d->flags & F_INDIRECT)
            d = table = (struct desc *)(uintptr_t)d->addr;
        for (;; d = &table[d->next]) {
            len += d->flags & F_WRITE ? d->len : 0;
            if (!(d->flags & F_NEXT))
                break;
        }
        if (d->flags & F_WRITE)
            ((uint8_t *)(uintptr_t)d->addr)[d->len - 1] = 0;
        elem[2 * ((bench_merge ? first : seen) & mask)] = head;
        elem[2 * ((bench_merge ? first : seen) & mask) + 1] = len;
    }
    __atomic_store_n(&used[1], idx, __ATOMIC_RELEASE);
    *(uint16_t *)(void *)(elem + 2 * bench_area.size) = idx; /* avail_event */
}

DEVICE static void move(struct place *p, uint32_t n)
{
    p->slot += n;
    if (p->slot >= bench_area.size) {
        p->slot -= bench_area.size;
        p->wrap ^= TAG_WRAP;
    }
}

/* Takes one chain; its used descriptor is filled in but for the tag. */
DEVICE static uint32_t take_packed(struct pdesc *desc, struct pdesc *used)
{
    uint32_t len = 0, n = 0, tag, wrap = next_used.wrap;
    struct pdesc *d, *last;

    do {
        last = d = &desc[next_avail.slot];
        tag = d->tag;
        len += tag & TAG(F_WRITE) ? d->len : 0;
        n++;
        move(&next_avail, 1);
    } while (tag & TAG(F_NEXT));
    if (tag & TAG(F_INDIRECT)) {
        struct pdesc *table = (struct pdesc *)(uintptr_t)d->addr;

        len = 0;
        last = &table[d->len / sizeof(*d) - 1];
        for (; table <= last; table++)
            len += table->tag & TAG(F_WRITE) ? table->len : 0;
    }
    if (last->tag & TAG(F_WRITE))
        ((uint8_t *)(uintptr_t)last->addr)[last->len - 1] = 0;
    used->len = len;
    move(&next_used, n);
    return (tag & 0xffffu) | wrap;
}

/* The first of them is handed back last, so that all come at once. */
DEVICE static void answer_packed(void)
{
    struct pdesc *desc = (struct pdesc *)(uintptr_t)bench_area.desc;
    uint32_t *event = (uint32_t *)(uintptr_t)bench_area.device;
    struct pdesc *first = NULL;
    uint32_t first_tag = 0;

    for (;;) {
        struct pdesc *used = &desc[next_used.slot];
        uint32_t tag =
            __atomic_load_n(&desc[next_avail.slot].tag, __ATOMIC_ACQUIRE);

        if (((tag ^ next_avail.wrap) & TAG_WRAP) != TAG_USED)
            break;
        tag = take_packed(desc, used);
        if (first == NULL) {
            first = used;
            first_tag = tag;
        } else if (bench_merge) {
            first->len = used->len;
            first_tag = (first_tag & ~0xffffu) | (tag & 0xffffu);
        } else {
            __atomic_store_n(&used->tag, tag, __ATOMIC_RELEASE);
        }
    }
    if (first != NULL)
        __atomic_store_n(&first->tag, first_tag, __ATOMIC_RELEASE);
    *event = next_avail.slot | next_avail.wrap >> 31 << 15 | 2u << 16;
}

DEVICE void bench_answer(void)
{
    if (bench_features & BENCH_PACKED)
        answer_packed();
    else
        answer_split();
}
