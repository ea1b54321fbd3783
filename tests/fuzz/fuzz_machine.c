/* SPDX-License-Identifier: MIT */
/*
 * The platform's half of the fuzzed machine: input, memory, time, and the
 * end, where nothing may be left.  The device's half is fuzz_device.c.
 */
#include "fuzz_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECT_OFFSET 0x100000000000u
#define ALLOC_MAX     (1u << 20)

void fuzz_die(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    abort();
}

/* ---- Input ------------------------------------------------------------- */

uint8_t fuzz_u8(struct fuzz_in *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

uint16_t fuzz_u16(struct fuzz_in *in)
{
    const uint32_t low = fuzz_u8(in);

    return (uint16_t)(low | (uint32_t)fuzz_u8(in) << 8);
}

uint32_t fuzz_u32(struct fuzz_in *in)
{
    const uint32_t low = fuzz_u16(in);

    return low | (uint32_t)fuzz_u16(in) << 16;
}

uint32_t fuzz_pick(struct fuzz_in *in, uint32_t n)
{
    return fuzz_u8(in) % n;
}

/* ---- Memory ------------------------------------------------------------ */

static struct fuzz_area *add_area(struct fuzz_machine *m, void *ptr, size_t len)
{
    struct fuzz_area *a;

    FUZZ_CHECK(m->nareas < FUZZ_AREAS);
    a = &m->area[m->nareas++];
    *a = (struct fuzz_area){.ptr = ptr, .len = len};
    if (m->direct) {
        a->dma = (uintptr_t)ptr + DIRECT_OFFSET;
    } else {
        a->dma = m->next_dma;
        m->next_dma += (len + 0x1fffu) & ~(uint64_t)0xfffu;
    }
    return a;
}

static struct fuzz_area *find_area(struct fuzz_machine *m, uint64_t dma)
{
    for (uint32_t i = 0; i < m->nareas; i++) {
        if (m->area[i].dma == dma)
            return &m->area[i];
    }
    FUZZ_CHECK(!"memory is given back that is not there");
    return NULL;
}

uint8_t *fuzz__dma(struct fuzz_machine *m, uint64_t dma, uint64_t len,
                   uint32_t dir)
{
    if (m->direct)
        return (uint8_t *)(uintptr_t)(dma - DIRECT_OFFSET);
    for (uint32_t i = 0; i < m->nareas; i++) {
        struct fuzz_area *a = &m->area[i];

        if (dma < a->dma || dma - a->dma >= a->len)
            continue;
        FUZZ_CHECK(len <= a->len - (dma - a->dma));
        FUZZ_CHECK(a->dir == 0 || (a->dir & dir) == dir);
        return (a->bounce != NULL ? a->bounce : a->ptr) + (dma - a->dma);
    }
    FUZZ_CHECK(!"the device is told of memory that is not shared");
    return NULL;
}

static void *alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                   uint32_t flags, uint64_t *dma)
{
    struct fuzz_machine *m = ctx;
    void *ptr = NULL;

    (void)limit;
    (void)flags;
    FUZZ_CHECK(size != 0 && align != 0 && (align & (align - 1)) == 0);
    if (size > ALLOC_MAX || (m->fail_alloc != 0 && --m->fail_alloc == 0))
        return NULL;
    if (posix_memalign(&ptr, align < 16 ? 16 : align, size) != 0)
        return NULL;
    *dma = add_area(m, ptr, size)->dma;
    return ptr;
}

/* Only a reset gives the device's memory back. */
static void check_unused(const struct fuzz_machine *m,
                         const struct fuzz_area *a)
{
    for (uint32_t i = 0; i < FUZZ_QUEUES; i++) {
        const struct fuzz_queue *q = &m->q[i];

        FUZZ_CHECK(!q->ready || q->desc < a->dma || q->desc >= a->dma + a->len);
    }
    FUZZ_CHECK(!fuzz_owned(m, a->bounce != NULL ? a->bounce : a->ptr, a->len));
}

static void drop_area(struct fuzz_machine *m, struct fuzz_area *a)
{
    check_unused(m, a);
    free(a->bounce);
    *a = m->area[--m->nareas];
}

static void dealloc(void *ctx, void *ptr, uint64_t dma, size_t size,
                    uint32_t flags)
{
    struct fuzz_machine *m = ctx;
    struct fuzz_area *a = find_area(m, dma);

    (void)flags;
    FUZZ_CHECK(a->ptr == ptr && a->len == size && a->dir == 0);
    drop_area(m, a);
    free(ptr);
}

static int map(void *ctx, void *ptr, uint32_t len, uint32_t dir, uint32_t flags,
               uint64_t *dma, uint32_t *run)
{
    struct fuzz_machine *m = ctx;
    struct fuzz_area *a;

    (void)flags;
    FUZZ_CHECK(len != 0 && dir != 0 && dir <= VDRV_DIR_BOTH);
    if (m->fail_map != 0 && ++m->maps % m->fail_map == 0)
        return VDRV_ERR_AGAIN;
    if (m->max_run != 0 && len > m->max_run)
        len = m->max_run;
    a = add_area(m, ptr, len);
    a->dir = dir;
    a->bounce = malloc(len);
    FUZZ_CHECK(a->bounce != NULL);
    if ((dir & VDRV_DIR_OUT) != 0)
        memcpy(a->bounce, ptr, len);
    else
        memset(a->bounce, 0xa5, len);
    *dma = a->dma;
    *run = len;
    return VDRV_OK;
}

static void unmap(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                  uint32_t dir, uint32_t flags)
{
    struct fuzz_machine *m = ctx;
    struct fuzz_area *a = find_area(m, dma);

    (void)flags;
    FUZZ_CHECK(a->ptr == ptr && a->len == run && a->dir == dir);
    if ((dir & VDRV_DIR_IN) != 0)
        memcpy(ptr, a->bounce, run);
    drop_area(m, a);
}

/* ---- Time -------------------------------------------------------------- */

static uint64_t now_us(void *ctx)
{
    struct fuzz_machine *m = ctx;

    m->now += m->step;
    return m->now;
}

static void relax(void *ctx)
{
    struct fuzz_machine *m = ctx;

    FUZZ_CHECK(++m->relaxes <= FUZZ_RELAX_MAX);
    fuzz_step(m);
}

static void wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                 uint32_t max_us)
{
    (void)dev;
    (void)queue;
    (void)max_us;
    relax(ctx);
}

static void log_line(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    (void)level;
    FUZZ_CHECK(strlen(text) < 256);
}

/* ---- Registers --------------------------------------------------------- */

static void *mmio_map(void *ctx, uint64_t phys, uint64_t len)
{
    struct fuzz_machine *m = ctx;

    if (m->nmapped == FUZZ_MAPPED)
        return NULL;
    FUZZ_CHECK(len != 0 && phys + len > phys);
    m->mapped[m->nmapped].phys = phys;
    m->mapped[m->nmapped++].len = len;
    return (void *)(uintptr_t)phys;
}

static void check_access(struct fuzz_machine *m, uintptr_t addr, uint32_t width)
{
    bool inside = false;

    FUZZ_CHECK(++m->accesses <= FUZZ_ACCESS_MAX);
    FUZZ_CHECK(width == 1 || width == 2 || width == 4);
    FUZZ_CHECK(addr % width == 0 || m->foreign);
    for (uint32_t i = 0; i < m->nmapped; i++) {
        if (addr >= m->mapped[i].phys &&
            addr - m->mapped[i].phys + width <= m->mapped[i].len)
            inside = true;
    }
    FUZZ_CHECK(inside);
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    struct fuzz_machine *m = ctx;

    if (space == VDRV_SPACE_MEMORY)
        check_access(m, addr, width);
    return fuzz__read(m, addr, width);
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    struct fuzz_machine *m = ctx;

    if (space == VDRV_SPACE_MEMORY)
        check_access(m, addr, width);
    fuzz__write(m, addr, width, value);
}

/* ---- Beginning and end -------------------------------------------------- */

static void set_hal(struct fuzz_machine *m, uint8_t flags)
{
    m->hal = (struct vdrv_hal){
        .ctx = m,
        .dma_alloc = alloc,
        .dma_free = dealloc,
        .poll_limit = 64,
        .now_us = (flags & FUZZ_F_CLOCK) != 0 ? NULL : now_us,
        .relax = relax,
        .wait = (flags & FUZZ_F_WAIT) != 0 ? wait : NULL,
        .mmio_map = mmio_map,
        .reg_read = reg_read,
        .reg_write = reg_write,
        .log = log_line,
    };
    m->direct = (flags & FUZZ_F_MAP) == 0;
    if (m->direct) {
        m->hal.direct_size = UINT64_MAX;
        m->hal.direct_offset = DIRECT_OFFSET;
        m->hal.direct_platform = 1; /* the refusal needs no fuzzing */
    } else {
        m->hal.dma_map = map;
        m->hal.dma_unmap = unmap;
    }
    m->next_dma = 0x7f0000001000u;
    m->step = 20000;
}

/* The parts of the machine that may be anything; see fuzz_begin(). */
static void vary(struct fuzz_machine *m, uint8_t flags)
{
    const uint32_t drop = fuzz_u8(&m->in) | (uint32_t)fuzz_u16(&m->in) << 8;
    const uint8_t fail = fuzz_u8(&m->in), run = fuzz_u8(&m->in);
    uint32_t n = fuzz_u8(&m->in) % 32;

    if ((flags & FUZZ_F_FEW) != 0)
        m->offered &= ~((uint64_t)drop | (uint64_t)(drop & 15u) << 28);
    if ((flags & FUZZ_F_FAIL) != 0) {
        m->fail_alloc = fail & 15u;
        m->fail_map = fail >> 4 == 1 ? 0 : fail >> 4;
    }
    m->max_run = run == 0 ? 0 : 512 + 8u * run;
    for (; n > 0; n--) {
        const uint8_t at = fuzz_u8(&m->in);

        m->config[at] = fuzz_u8(&m->in);
    }
}

void fuzz_begin(struct fuzz_machine *m, const uint8_t *data, size_t size,
                uint32_t type, uint64_t offered, const uint8_t *config,
                size_t config_size)
{
    uint8_t flags, queue, lies;

    memset(m, 0, offsetof(struct fuzz_machine, q));
    m->in = (struct fuzz_in){data, size};
    flags = fuzz_u8(&m->in);
    set_hal(m, flags);
    m->is_pci = (flags & FUZZ_F_PCI) != 0;
    m->type = type;
    m->nqueues = FUZZ_QUEUES;
    m->offered = offered;
    memcpy(m->config, config, config_size);
    vary(m, flags);
    queue = fuzz_u8(&m->in);
    m->queue_max = queue == 0 ? 16 : 1u << queue % 17;
    lies = fuzz_u8(&m->in);
    m->lies = (struct fuzz_in){m->in.p, lies < m->in.left ? lies : m->in.left};
    m->in.p += m->lies.left;
    m->in.left -= m->lies.left;
    m->lie_in = fuzz_u8(&m->lies);
    fuzz__device_init(m);
}

struct vdrv_transport *fuzz_probe(struct fuzz_machine *m)
{
    int err;

    fuzz_enter(m);
    if (m->is_pci) {
        err = vdrv_pci_probe(&m->pci, &m->hal, &m->bus, VDRV_PCI_FN(0, 2, 0));
        return err == VDRV_OK ? &m->pci.transport : NULL;
    }
    err = vdrv_mmio_probe(&m->mmio, &m->hal, FUZZ_MMIO_PHYS, FUZZ_MMIO_SIZE);
    return err == VDRV_OK ? &m->mmio.transport : NULL;
}

void fuzz_enter(struct fuzz_machine *m)
{
    m->relaxes = 0;
    m->accesses = 0;
}

void fuzz_behave(struct fuzz_machine *m)
{
    m->good = true;
    m->gone = false;
    m->stuck = false;
    m->flap = false;
    m->fail_map = 0;
    m->fail_alloc = 0;
}

void fuzz_orphan(struct fuzz_machine *m, void *ptr)
{
    FUZZ_CHECK(m->norphans < sizeof(m->orphan) / sizeof(m->orphan[0]));
    m->orphan[m->norphans++] = ptr;
}

void fuzz_end(struct fuzz_machine *m)
{
    while (m->norphans > 0)
        free(m->orphan[--m->norphans]);
    if (m->nareas != 0)
        fuzz_die("memory is left allocated or mapped", __FILE__, __LINE__);
}
