/* SPDX-License-Identifier: MIT */
/*
 * Two CPUs on one disk, a queue each, at the same time and without a lock: CPU
 * 0 writes the even chunks and reads them back through queue 0, CPU 1 the odd
 * ones through queue 1.  Each counts what the other did meanwhile.  pair_test.py
 * looks at the image, and asks QEMU about the queues.
 */
#include "arch.h"
#include "klib.h"
#include "pattern.h"

#include <virtio_drv/mmio.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/virtio_blk.h>

#define CPUS     2u
#define QUEUE    64u
#define DEPTH    16u
#define CHUNK    8u /* sectors */
#define BYTES    (CHUNK * PATTERN_SECTOR)
#define AHEAD    64u /* requests that one may be before the other */
#define LIMIT_US 20000000u

struct slot {
    struct vdrv_block_request req;
    struct vdrv_seg seg;
    struct lane *lane;
    uint32_t chunk;
    uint8_t data[BYTES] __attribute__((aligned(64)));
};

/* All that a CPU touches, but for the driver and the two counts. */
struct lane {
    uint32_t number;
    uint32_t seed;
    uint32_t chunks; /* of both */
    uint32_t op;
    uint32_t next, out;
    uint32_t done; /* requests; read by the other CPU */
    uint32_t seen; /* of the other's, between our first and our last */
    uint32_t wrong;
    int32_t err;
    struct slot slot[DEPTH];
} __attribute__((aligned(256)));

static struct lane lanes[CPUS];
static uint32_t arrived, finished;

static struct vdrv_arena arena;
static struct vdrv_hal hal;
static struct vdrv_pci_ops ops;
static struct vdrv_pci_ecam ecam;
static struct vdrv_pci_windows windows;
static struct vdrv_pci pci;
static struct vdrv_mmio mmio;
static struct vdrv_virtio_blk disk;
static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(CPUS, QUEUE, 16) / 8 + 1];

/* ---- One CPU ---------------------------------------------------------------- */

static void fill(const struct lane *l, struct slot *s)
{
    for (uint32_t i = 0; i < CHUNK; i++)
        pattern_fill(l->seed, (uint64_t)s->chunk * CHUNK + i,
                     s->data + i * PATTERN_SECTOR);
}

/* What was read is what was written. */
static bool right(const struct lane *l, const struct slot *s)
{
    static uint8_t want[CPUS][PATTERN_SECTOR];
    uint8_t *w = want[l->number];

    for (uint32_t i = 0; i < CHUNK; i++) {
        pattern_fill(l->seed, (uint64_t)s->chunk * CHUNK + i, w);
        if (memcmp(w, s->data + i * PATTERN_SECTOR, PATTERN_SECTOR))
            return false;
    }
    return true;
}

static void submit(struct slot *s);

static void done(struct vdrv_block_request *req)
{
    struct slot *s = req->user;
    struct lane *l = s->lane;

    l->out--;
    if (req->status != VDRV_OK)
        l->err = req->status;
    else if (req->op == VDRV_BLOCK_READ && !right(l, s))
        l->wrong++;
    __atomic_store_n(&l->done, l->done + 1, __ATOMIC_RELAXED);
    submit(s);
}

static void submit(struct slot *s)
{
    struct lane *l = s->lane;
    int err;

    if (l->next >= l->chunks || l->err != VDRV_OK)
        return;
    s->chunk = l->next;
    if (l->op == VDRV_BLOCK_WRITE)
        fill(l, s);
    else
        memset(s->data, 0, BYTES);
    memset(&s->req, 0, sizeof(s->req));
    s->seg = vdrv_seg_in(s->data, BYTES);
    s->req.op = l->op;
    s->req.block = (uint64_t)s->chunk * CHUNK;
    s->req.segs = &s->seg;
    s->req.nsegs = 1;
    s->req.queue = l->number;
    s->req.done = done;
    s->req.user = s;
    err = vdrv_block_submit(&disk.block, &s->req);
    if (err != VDRV_OK) {
        l->err = err;
        return;
    }
    l->next += CPUS;
    l->out++;
}

/* However the host shares its CPUs out: neither may run away. */
static bool ahead(const struct lane *l)
{
    const struct lane *other = &lanes[1 - l->number];

    return l->done > __atomic_load_n(&other->done, __ATOMIC_RELAXED) + AHEAD;
}

static void run(struct lane *l, uint32_t op)
{
    uint64_t end = arch_now_us() + LIMIT_US;

    l->op = op;
    l->next = l->number;
    for (uint32_t i = 0; i < DEPTH; i++)
        submit(&l->slot[i]);
    while (l->out != 0 && l->err == VDRV_OK) {
        int err = vdrv_block_kick(&disk.block, l->number);

        while (ahead(l) && arch_now_us() < end)
            arch_relax();
        if (err >= 0)
            err = vdrv_poll(&disk.block.dev, l->number, 0);
        if (err >= 0 && arch_now_us() > end)
            err = VDRV_ERR_TIMEOUT;
        if (err < 0)
            l->err = err;
        arch_relax();
    }
}

static void meet(uint32_t *count)
{
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) != CPUS)
        arch_relax();
}

static void serve(void *arg)
{
    struct lane *l = arg;
    const struct lane *other = &lanes[1 - l->number];
    uint32_t before;

    meet(&arrived);
    before = __atomic_load_n(&other->done, __ATOMIC_RELAXED);
    run(l, VDRV_BLOCK_WRITE);
    run(l, VDRV_BLOCK_READ);
    l->seen = __atomic_load_n(&other->done, __ATOMIC_RELAXED) - before;
    meet(&finished);
}

/* ---- The disk --------------------------------------------------------------- */

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return arch_now_us();
}

static void say(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    kprintf("log %u: %s\n", level, text);
}

static struct vdrv_pci_window window(const struct arch_window *w)
{
    return (struct vdrv_pci_window){.base = w->base, .size = w->size};
}

static int find_pci(const struct arch_pci *m, struct vdrv_transport **t)
{
    struct vdrv_pci_walk walk;
    int err;

    if (m->ecam)
        err = vdrv_pci_ecam_init(&ecam, &hal, m->ecam, 0, m->buses - 1, &ops);
    else
        err = vdrv_pci_ports_init(&hal, &ops);
    ops.io_phys = m->io_base;
    windows.mem32 = window(&m->mem32);
    windows.mem64 = window(&m->mem64);
    windows.io = window(&m->io);
    if (err == VDRV_OK)
        err = vdrv_pci_walk_init(&walk, &ops, 0, m->buses - 1);
    if (err == VDRV_OK)
        err = vdrv_pci_find(&pci, &hal, &walk, m->bars_set ? NULL : &windows,
                            VDRV_VIRTIO_BLK_ID);
    *t = &pci.transport;
    return err;
}

static int find(struct vdrv_transport **t)
{
    const struct arch_machine *m = arch_machine();
    const struct vdrv_mmio_window slots = {m->mmio.base, m->mmio.stride,
                                           m->mmio.slots};
    uint32_t next = 0;

    *t = &mmio.transport;
    if (m->mmio.slots && vdrv_mmio_scan(&mmio, &hal, &slots, VDRV_VIRTIO_BLK_ID,
                                        &next) == VDRV_OK)
        return VDRV_OK;
    return m->pci.buses ? find_pci(&m->pci, t) : VDRV_ERR_NO_DEVICE;
}

static int open_disk(void)
{
    struct vdrv_virtio_blk_config cfg = {0};
    struct vdrv_transport *t;
    void *start;
    size_t size;
    int err;

    arch_ram_free(&start, &size);
    vdrv_arena_init(&arena, start, size, 0);
    hal.ctx = &arena;
    hal.dma_alloc = vdrv_arena_alloc;
    hal.dma_free = vdrv_arena_free;
    hal.direct_size = UINT64_MAX;
    hal.now_us = now_us;
    hal.log = say;
    cfg.work = work;
    cfg.work_size = sizeof(work);
    cfg.queue_size = QUEUE;
    cfg.queues = CPUS;
    cfg.packed =
        karg_number(arch_cmdline(), "packed", 0) ? &vdrv_queue_packed : NULL;
    err = find(&t);
    return err == VDRV_OK ? vdrv_virtio_blk_init(&disk, t, &cfg) : err;
}

/* ---- Both --------------------------------------------------------------------- */

static void prepare(void)
{
    for (uint32_t i = 0; i < CPUS; i++) {
        struct lane *l = &lanes[i];

        l->number = i;
        l->seed = karg_number(arch_cmdline(), i ? "seed1" : "seed0", i + 1);
        l->chunks = karg_number(arch_cmdline(), "chunks", 256);
        for (uint32_t k = 0; k < DEPTH; k++)
            l->slot[k].lane = l;
    }
}

/* Everything is in place; the host types a dot when it has looked. */
static bool host_looked(void)
{
    uint64_t end = arch_now_us() + LIMIT_US;
    int c;

    kprintf("type a dot\n");
    do {
        c = arch_getc();
        arch_relax();
    } while (c < 0 && arch_now_us() < end);
    return c == '.';
}

int kernel_main(void)
{
    struct vdrv_block_caps caps;
    uint32_t bad = 0;
    int err = open_disk();

    if (err != VDRV_OK) {
        kprintf("FAILED disk: %s\n", vdrv_strerror(err));
        return ARCH_EXIT_FAIL;
    }
    vdrv_block_get_caps(&disk.block, &caps);
    prepare();
    if (caps.queues != CPUS || !arch_cpu_start(serve, &lanes[1])) {
        kprintf("FAILED start: %u queues, or no second CPU\n", caps.queues);
        return ARCH_EXIT_FAIL;
    }
    serve(&lanes[0]);
    err = vdrv_block_flush(&disk.block);
    for (uint32_t i = 0; i < CPUS; i++) {
        const struct lane *l = &lanes[i];

        kprintf("cpu %u: %u requests, %u wrong, saw %u of the other's, %s\n", i,
                l->done, l->wrong, l->seen, vdrv_strerror(l->err));
        bad += l->err != VDRV_OK || l->wrong;
    }
    if (err != VDRV_OK || !host_looked())
        bad++;
    err = vdrv_virtio_blk_fini(&disk);
    kprintf("end: %s, %zu bytes not given back\n", vdrv_strerror(err),
            arena.live);
    return bad || err != VDRV_OK || arena.live ? ARCH_EXIT_FAIL
                                               : ARCH_EXIT_PASS;
}
