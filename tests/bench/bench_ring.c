/* SPDX-License-Identifier: MIT */
/*
 * Instructions and nanoseconds per request of the ring, driver side only:
 * add, kick decision and burst reap.  The device answers between the
 * counted functions, which are the ones named drv_*: callgrind counts them
 * with --toggle-collect='drv_*'.
 *
 *     bench_ring <layout> <segments> <batch> <requests> [ring size]
 *
 * prints "requests ns-per-request"; layout is direct, indirect or noevent, and
 * any of these with "packed-" in front.
 *
 *     bench_ring bytes 0 0 0
 *
 * prints the bytes per entry of a large ring: shared, private, shared packed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/queue.h>

#include "bench_device.h"

#define MAX_BATCH 32

struct pdesc {
    uint64_t addr;
    uint32_t len;
    uint32_t tag; /* id, flags << 16 */
};

/* ---- The device, outside the count --------------------------------------- */

static bool dev_packed;

/* A slot, and AVAIL and USED of a descriptor that is used there. */
struct place {
    uint32_t slot, wrap;
};

static struct place dev_avail = {0, 0x80800000u}, dev_used = {0, 0x80800000u};

static void dev_move(struct place *p, uint32_t n)
{
    p->slot += n;
    if (p->slot >= bench_area.size) {
        p->slot -= bench_area.size;
        p->wrap ^= 0x80800000u;
    }
}

/*
 * Completes everything published, the first of it last; writes length 0, or
 * all that is writable.
 */
static __attribute__((noinline)) void dev_answer_packed(void)
{
    struct pdesc *desc = (struct pdesc *)(uintptr_t)bench_area.desc,
                 *first = NULL;
    uint32_t *event = (uint32_t *)(uintptr_t)bench_area.device;
    uint32_t first_tag = 0, head;

    for (; head = __atomic_load_n(&desc[dev_avail.slot].tag, __ATOMIC_ACQUIRE),
           ((head ^ dev_avail.wrap) & 0x80800000u) == 0x80000000u;) {
        struct pdesc *d, *used = &desc[dev_used.slot];
        uint32_t len = 0, n = 0, tag, id;

        do {
            d = &desc[dev_avail.slot];
            tag = d->tag;
            len += tag & 0x20000u ? d->len : 0;
            n++;
            dev_move(&dev_avail, 1);
        } while (tag & 0x10000u);
        if (tag & 0x40000u) {
            struct pdesc *table = (struct pdesc *)(uintptr_t)d->addr;

            for (uint32_t i = 0; i < d->len / sizeof(*d); i++)
                len += table[i].tag & 0x20000u ? table[i].len : 0;
        }
        id = tag & 0xffffu;
        used->len = len;
        tag = id | dev_used.wrap;
        if (first == NULL) {
            first = used;
            first_tag = tag;
        } else {
            __atomic_store_n(&used->tag, tag, __ATOMIC_RELEASE);
        }
        dev_move(&dev_used, n);
    }
    if (first != NULL)
        __atomic_store_n(&first->tag, first_tag, __ATOMIC_RELEASE);
    /* wants to hear of the next one */
    *event = dev_avail.slot | dev_avail.wrap >> 31 << 15 | 0x20000u;
}

static void dev_answer(void)
{
    if (dev_packed)
        dev_answer_packed();
    else
        bench_answer();
}

/* ---- The driver's side ---------------------------------------------------- */

static char header[MAX_BATCH][16], data[4096];
static unsigned char status[MAX_BATCH];

/* A packet's header alone; header and data; a block read. */
__attribute__((noinline)) int drv_add1(struct vdrv_queue *q, unsigned i);
__attribute__((noinline)) int drv_add2(struct vdrv_queue *q, unsigned i);
__attribute__((noinline)) int drv_add3(struct vdrv_queue *q, unsigned i);

int drv_add1(struct vdrv_queue *q, unsigned i)
{
    struct vdrv_seg seg = vdrv_seg_out(header[i], 16);

    return vdrv_queue_add(q, &seg, 1, 0, header[i]);
}

int drv_add2(struct vdrv_queue *q, unsigned i)
{
    struct vdrv_seg seg[2];

    seg[0] = vdrv_seg_out(header[i], 16);
    seg[1] = vdrv_seg_out(data, 1514);
    return vdrv_queue_add(q, seg, 2, 0, header[i]);
}

int drv_add3(struct vdrv_queue *q, unsigned i)
{
    struct vdrv_seg seg[3];

    seg[0] = vdrv_seg_out(header[i], 16);
    seg[1] = vdrv_seg_in(data, sizeof(data));
    seg[2] = vdrv_seg_in(&status[i], 1);
    return vdrv_queue_add(q, seg, 1, 2, header[i]);
}

__attribute__((noinline)) void drv_kick(struct vdrv_queue *q);
void drv_kick(struct vdrv_queue *q)
{
    if (vdrv_queue_kick(q) < 0)
        abort();
}

__attribute__((noinline)) int drv_reap(struct vdrv_queue *q,
                                       struct vdrv_used *used, unsigned max);
int drv_reap(struct vdrv_queue *q, struct vdrv_used *used, unsigned max)
{
    return vdrv_queue_reap(q, used, max);
}

#define PACKED "packed-"

static void make_queue(struct vdrv_queue *q, struct vdrv_transport *t,
                       const char *layout, uint32_t size)
{
    const char *const kind = layout + (dev_packed ? strlen(PACKED) : 0);
    const bool indirect = strcmp(kind, "indirect") == 0;
    struct vdrv_queue_config cfg = {.vector = VDRV_NO_VECTOR,
                                    .indirect = indirect ? 4 : 0,
                                    .packed = &vdrv_queue_packed};

    bench_features = UINT64_C(1) << 32;
    if (dev_packed)
        bench_features |= UINT64_C(1) << 34;
    if (strcmp(kind, "noevent") != 0)
        bench_features |= UINT64_C(1) << 29;
    if (indirect)
        bench_features |= UINT64_C(1) << 28;
    bench_transport(t, 0, size);
    cfg.work_size = vdrv_queue_work_size(t->hal, size, cfg.indirect);
    cfg.work = malloc(cfg.work_size);
    if (cfg.work == NULL || vdrv_queue_init(q, t, &cfg) != VDRV_OK)
        abort();
    (void)vdrv_queue_arm(q, VDRV_ARM_OFF);
}

static int print_bytes(void)
{
    static struct vdrv_hal hal;
    size_t part[3];
    const uint32_t n = 1024;

    printf("%.2f %.2f %.2f\n", (double)vdrv_queue_split.layout(n, part) / n,
           (double)vdrv_queue_work_size(&hal, n, 0) / n,
           (double)vdrv_queue_packed.layout(n, part) / n);
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t size = 256;
    static int (*const add[])(struct vdrv_queue *,
                              unsigned) = {drv_add1, drv_add2, drv_add3};
    struct vdrv_transport t;
    struct vdrv_queue q;
    struct vdrv_used used[MAX_BATCH];
    struct timespec a, b;
    unsigned nseg, batch, total, done = 0;

    if (argc < 5)
        return 2;
    if (strcmp(argv[1], "bytes") == 0)
        return print_bytes();
    nseg = (unsigned)atoi(argv[2]);
    batch = (unsigned)atoi(argv[3]);
    total = (unsigned)atoi(argv[4]);
    if (argc > 5)
        size = (uint32_t)atoi(argv[5]);
    if (batch < 1 || batch > MAX_BATCH || nseg < 1 || nseg > 3)
        return 2;
    dev_packed = strncmp(argv[1], PACKED, strlen(PACKED)) == 0;
    make_queue(&q, &t, argv[1], size);
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (batch * nseg > size)
        return 2;
    while (done < total) {
        for (unsigned i = 0; i < batch; i++)
            if (add[nseg - 1](&q, i) != VDRV_OK)
                abort();
        drv_kick(&q);
        dev_answer();
        if (drv_reap(&q, used, MAX_BATCH) != (int)batch)
            abort();
        done += batch;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%u %.2f\n", done,
           ((double)(b.tv_sec - a.tv_sec) * 1e9 +
            (double)(b.tv_nsec - a.tv_nsec)) /
               done);
    return 0;
}
