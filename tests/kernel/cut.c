/* SPDX-License-Identifier: MIT */
/*
 * A journal on a disk, for hosts that cut the power: each record is written
 * in parts that are in flight together, then flushed, and only when the flush
 * has completed is it said to be "acked".  Slots are used again in turn.
 * Words on the command line: "records=N"; "flush=0" acknowledges without a
 * flush, which the host must notice; "packed=1"; and "dump=1": in the middle
 * of the last record the console's interrupt finds the kernel crashed, takes
 * the disk over and writes a dump.  cut_test.py looks at the image, and at
 * QEMU's log of the writes.
 */
#include "arch.h"
#include "cut.h"
#include "klib.h"

#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_blk.h>

#define QUEUE    64u
#define LIMIT_US 20000000u

struct part {
    struct vdrv_block_request req;
    struct vdrv_seg seg;
};

static struct vdrv_arena arena;
static struct vdrv_hal hal;
static struct vdrv_mmio mmio;
static struct vdrv_virtio_blk disk;
static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, QUEUE, 16) / 8 + 1];
static struct part parts[CUT_PARTS];
static uint8_t record[CUT_RECORD] __attribute__((aligned(64)));
static uint8_t dump[CUT_DUMP] __attribute__((aligned(64)));
static bool crashed, reached;

/* ---- The machine -------------------------------------------------------------- */

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return arch_now_us();
}

static void must_not(const char *what)
{
    if (!crashed)
        return;
    kprintf("FAILED dump: %s\n", what);
    arch_exit(ARCH_EXIT_FAIL);
}

static void sleep(void *ctx, struct vdrv_device *dev, uint32_t queue,
                  uint32_t max_us)
{
    (void)ctx;
    (void)dev;
    (void)queue;
    must_not("it slept");
    arch_wait(max_us);
}

static void *alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                   uint32_t flags, uint64_t *dma)
{
    must_not("it allocated");
    return vdrv_arena_alloc(ctx, size, align, limit, flags, dma);
}

static void say(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    (void)level;
    kprintf("log: %s\n", text);
}

static void heard(void *arg)
{
    (void)arg;
    (void)vdrv_irq(&disk.block.dev, 0);
}

static int open_disk(void)
{
    const struct arch_mmio *m = &arch_machine()->mmio;
    const struct vdrv_mmio_window slots = {m->base, m->stride, m->slots};
    struct vdrv_virtio_blk_config cfg = {0};
    uint32_t slot = 0;
    void *start;
    size_t size;
    int err;

    arch_ram_free(&start, &size);
    vdrv_arena_init(&arena, start, size, 0);
    hal.ctx = &arena;
    hal.dma_alloc = alloc;
    hal.dma_free = vdrv_arena_free;
    hal.direct_size = UINT64_MAX;
    hal.now_us = now_us;
    hal.wait = sleep;
    hal.log = say;
    cfg.work = work;
    cfg.work_size = sizeof(work);
    cfg.queue_size = QUEUE;
    cfg.packed =
        karg_number(arch_cmdline(), "packed", 0) ? &vdrv_queue_packed : NULL;
    err = vdrv_mmio_scan(&mmio, &hal, &slots, VDRV_VIRTIO_BLK_ID, &slot);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&disk, &mmio.transport, &cfg);
    if (err == VDRV_OK)
        arch_irq_attach(m->irq + (unsigned)((mmio.phys - m->base) / m->stride),
                        heard, NULL);
    return err;
}

/* ---- The journal -------------------------------------------------------------- */

static void put32(uint8_t *at, uint32_t val)
{
    for (uint32_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(val >> 8 * i);
}

/* A head of magic, number and checksum; all behind it is summed. */
static void fill(uint8_t *at, uint32_t size, uint32_t magic, uint32_t number)
{
    for (uint32_t i = CUT_HEAD; i < size; i++)
        at[i] = (uint8_t)(number * 31 + i + i / 251);
    put32(at, magic);
    put32(at + 4, number);
    put32(at + 8, crc32(0, at + CUT_HEAD, size - CUT_HEAD));
    put32(at + 12, size);
}

static int submit_record(uint32_t k)
{
    const uint32_t bytes = CUT_RECORD / CUT_PARTS;
    int err = VDRV_OK;

    fill(record, CUT_RECORD, CUT_MAGIC, k);
    for (uint32_t i = 0; err == VDRV_OK && i < CUT_PARTS; i++) {
        struct part *p = &parts[i];

        memset(p, 0, sizeof(*p));
        p->seg = vdrv_seg_out(record + (size_t)i * bytes, bytes);
        p->req.op = VDRV_BLOCK_WRITE;
        p->req.segs = &p->seg;
        p->req.nsegs = 1;
        p->req.block =
            ((uint64_t)(k % CUT_SLOTS) * CUT_RECORD + i * bytes) / 512;
        err = vdrv_block_submit(&disk.block, &p->req);
    }
    if (err == VDRV_OK)
        err = vdrv_block_kick(&disk.block, 0);
    return err < 0 ? err : VDRV_OK;
}

/* All parts are written, each only once it is. */
static int await_record(bool asleep)
{
    const uint64_t end = arch_now_us() + LIMIT_US;
    int err = VDRV_OK;

    for (uint32_t i = 0; i < CUT_PARTS; i++) {
        while (parts[i].req.status == VDRV_PENDING) {
            err = vdrv_poll(&disk.block.dev, 0, 0);
            if (err < 0 || arch_now_us() > end)
                return err < 0 ? err : VDRV_ERR_TIMEOUT;
            if (asleep && err == 0 &&
                !vdrv_arm(&disk.block.dev, 0, VDRV_ARM_NEXT))
                arch_wait(10000);
        }
        if (parts[i].req.status != VDRV_OK)
            return parts[i].req.status;
    }
    return VDRV_OK;
}

static int write_record(uint32_t k, bool flush)
{
    int err = submit_record(k);

    if (err == VDRV_OK)
        err = await_record(true);
    if (err == VDRV_OK && flush)
        err = vdrv_block_flush(&disk.block);
    if (err == VDRV_OK)
        kprintf("acked %u\n", k);
    return err;
}

/* ---- The crash ------------------------------------------------------------------ */

/* In an interrupt, below a call of the library that never returns. */
static void crash(void *arg)
{
    int err;

    (void)arg;
    arch_console_irq(false);
    crashed = true;
    err = vdrv_block_panic(&disk.block);
    if (err == VDRV_OK)
        err = vdrv_block_write_block(&disk.block, CUT_DUMP_AT, dump, CUT_DUMP);
    if (err == VDRV_OK)
        err = vdrv_block_flush(&disk.block);
    kprintf("dump: %s, %s\n", vdrv_strerror(err),
            reached ? "in a call" : "too early");
    arch_exit(err == VDRV_OK && reached ? ARCH_EXIT_PASS : ARCH_EXIT_FAIL);
}

/*
 * The interrupt is pending until the library sleeps, in a flush that does not
 * end before.  Returns only if that never happened.
 */
static int crash_in(uint32_t k)
{
    int err = VDRV_OK;

    fill(dump, CUT_DUMP, CUT_DUMP_MAGIC, k);
    arch_irq_attach(arch_machine()->console_irq, crash, NULL);
    arch_console_irq(true);
    for (uint32_t i = 0; err == VDRV_OK && i < 1000; i++) {
        err = submit_record(k);
        reached = true;
        if (err == VDRV_OK)
            err = vdrv_block_flush(&disk.block);
        reached = false;
        if (err == VDRV_OK)
            err = await_record(false);
    }
    kprintf("FAILED dump: nothing interrupted, %s\n", vdrv_strerror(err));
    return VDRV_ERR_BAD_STATE;
}

int kernel_main(void)
{
    const char *args = arch_cmdline();
    const uint32_t n = karg_number(args, "records", 40);
    const bool flush = karg_number(args, "flush", 1) != 0;
    int err = open_disk();

    for (uint32_t k = 1; err == VDRV_OK && k <= n; k++)
        err = write_record(k, flush);
    if (err == VDRV_OK && karg_number(args, "dump", 0))
        err = crash_in(n + 1);
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_fini(&disk);
    kprintf("end: %s, %zu bytes not given back\n", vdrv_strerror(err),
            arena.live);
    return err != VDRV_OK || arena.live ? ARCH_EXIT_FAIL : ARCH_EXIT_PASS;
}
