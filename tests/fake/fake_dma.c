/* SPDX-License-Identifier: MIT */
/*
 * DMA memory of the fake machine: an arena with red zones whose device
 * addresses are not pointers, mappings with bounce buffers, and the way back
 * from a device address to memory.  Both tables are sorted by device address:
 * allocations always come after the highest live one, and mappings get fresh
 * addresses, so that a stale one is never valid again by chance.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#include "fake_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define FENCE(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNFENCE(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define FENCE(p, n)   ((void)(p), (void)(n))
#define UNFENCE(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_SIZE ((size_t)64 << 20)
#define DMA_BASE   UINT64_C(0x123400000)
#define IOVA_BASE  (UINT64_C(1) << 45)
#define REDZONE    64u
#define RED        0x5Eu
#define PAGE       4096u

static size_t arena_size(const struct fake *f)
{
    return f->config.arena_size ? f->config.arena_size : ARENA_SIZE;
}

static uint64_t dma_base(const struct fake *f)
{
    return f->config.dma_base ? f->config.dma_base : DMA_BASE;
}

/* ---- Allocation ----------------------------------------------------- */

static void redzone_set(uint8_t *p)
{
    UNFENCE(p, REDZONE);
    memset(p, RED, REDZONE);
    FENCE(p, REDZONE);
}

static bool redzone_ok(uint8_t *p)
{
    bool ok = true;

    UNFENCE(p, REDZONE);
    for (unsigned i = 0; i < REDZONE; i++)
        ok = ok && p[i] == RED;
    FENCE(p, REDZONE);
    return ok;
}

static void alloc_check(struct fake *f, const struct fake_alloc *a)
{
    if (!redzone_ok(a->ptr - REDZONE) || !redzone_ok(a->ptr + a->size))
        fake_violation(f, "REDZONE", "memory around %zu bytes was written",
                       a->size);
}

void fake_check(struct fake *f)
{
    for (uint32_t i = 0; i < f->allocs_live; i++)
        alloc_check(f, &f->allocs[i]);
}

static void flags_check(struct fake *f, uint32_t flags)
{
    bool set = flags & VDRV_DMA_PHYSICAL;

    if (f->expect_physical && set != (f->expect_physical > 0))
        fake_violation(f, "DMA", "VDRV_DMA_PHYSICAL is %d", set);
}

/* The k-th call of a kind fails. */
static bool countdown(uint32_t *k)
{
    return *k && --*k == 0;
}

/* Room for `size` bytes after all that is live, or NULL. */
static uint8_t *arena_take(struct fake *f, size_t size, size_t align)
{
    uint64_t dma = dma_base(f) + f->top + REDZONE;
    uint64_t start = ((dma + align - 1) & ~(uint64_t)(align - 1)) - dma_base(f);

    if (start > arena_size(f) || size + REDZONE > arena_size(f) - start)
        return NULL;
    f->top = (size_t)start + size + REDZONE;
    return f->arena + start;
}

static void alloc_add(struct fake *f, struct fake_alloc a)
{
    if (f->allocs_live == f->allocs_cap) {
        f->allocs_cap = f->allocs_cap ? 2 * f->allocs_cap : 64;
        f->allocs = realloc(f->allocs, f->allocs_cap * sizeof(a));
        if (!f->allocs)
            abort();
    }
    f->allocs[f->allocs_live++] = a;
    f->allocs_total++;
    f->bytes_live += a.size;
    if (f->bytes_live > f->bytes_peak)
        f->bytes_peak = f->bytes_live;
}

static void *hal_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    struct fake *f = ctx;
    size_t top = f->top;
    uint8_t *p;

    if (f->no_alloc)
        fake_violation(f, "DMA", "dma_alloc outside of init");
    if (size == 0 || align == 0 || (align & (align - 1)))
        fake_violation(f, "DMA", "dma_alloc(%zu, %zu)", size, align);
    flags_check(f, flags);
    if (countdown(&f->fail_alloc))
        return NULL;
    p = arena_take(f, size, align);
    if (!p)
        return NULL;
    *dma = dma_base(f) + (uint64_t)(p - f->arena);
    if (!f->ignore_limit && (*dma > limit || size - 1 > limit - *dma)) {
        f->top = top;
        return NULL;
    }
    *dma += f->dma_misalign;
    UNFENCE(p, size);
    memset(p, FAKE_POISON, size); /* the library is to zero it */
    redzone_set(p - REDZONE);
    redzone_set(p + size);
    alloc_add(f, (struct fake_alloc){p, *dma, size, flags});
    return p;
}

static void alloc_remove(struct fake *f, uint32_t i)
{
    const struct fake_alloc *a = &f->allocs[f->allocs_live - 1];

    f->bytes_live -= f->allocs[i].size;
    memmove(&f->allocs[i], &f->allocs[i + 1],
            (f->allocs_live - i - 1) * sizeof(*a));
    f->allocs_live--;
    f->top = 0;
    if (f->allocs_live) {
        a = &f->allocs[f->allocs_live - 1];
        f->top = (size_t)(a->ptr - f->arena) + a->size + REDZONE;
    }
}

static void hal_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    struct fake *f = ctx;
    struct fake_alloc *a;

    for (uint32_t i = 0; i < f->allocs_live; i++) {
        a = &f->allocs[i];
        if (a->ptr != ptr)
            continue;
        if (a->dma != dma || a->size != size || a->flags != flags)
            fake_violation(f, "DMA", "dma_free with other values: %zu, not %zu",
                           size, a->size);
        alloc_check(f, a);
        memset(a->ptr, FAKE_FREED, a->size);
        FENCE(a->ptr, a->size);
        alloc_remove(f, i);
        return;
    }
    fake_violation(f, "DMA", "dma_free of %p, which is not allocated", ptr);
}

/* ---- Mappings ------------------------------------------------------- */

static void map_add(struct fake *f, struct fake_map m)
{
    if (f->maps_live == f->maps_cap) {
        f->maps_cap = f->maps_cap ? 2 * f->maps_cap : 64;
        f->maps = realloc(f->maps, f->maps_cap * sizeof(m));
        if (!f->maps)
            abort();
    }
    f->maps[f->maps_live++] = m;
    f->maps_total++;
}

static uint64_t iova_take(struct fake *f, const void *ptr, uint32_t len)
{
    uint64_t dma = f->next_iova + ((uintptr_t)ptr & (PAGE - 1));

    /* A guard page after each mapping. */
    f->next_iova = ((dma + len + PAGE - 1) & ~(uint64_t)(PAGE - 1)) + PAGE;
    return dma;
}

static int hal_map(void *ctx, void *ptr, uint32_t len, uint32_t dir,
                   uint32_t flags, uint64_t *dma, uint32_t *run)
{
    struct fake *f = ctx;
    struct fake_map m = {.ptr = ptr, .dir = dir, .flags = flags};

    if (!ptr || len == 0 || dir == 0 || dir > VDRV_DIR_BOTH)
        fake_violation(f, "DMA", "dma_map(%p, %u, %u)", ptr, len, dir);
    flags_check(f, flags);
    if (countdown(&f->fail_map))
        return f->fail_map_code ? f->fail_map_code : VDRV_ERR_AGAIN;
    m.run = len;
    if (f->config.max_run && m.run > f->config.max_run)
        m.run = f->config.max_run;
    m.bounce = malloc(m.run);
    if (!m.bounce)
        abort();
    /* A device-written buffer shows nothing of what was there before. */
    memset(m.bounce, FAKE_POISON, m.run);
    if (dir & VDRV_DIR_OUT)
        memcpy(m.bounce, m.ptr, m.run);
    m.dma = iova_take(f, ptr, m.run);
    map_add(f, m);
    *dma = m.dma;
    *run = m.run;
    return VDRV_OK;
}

/* Index of the mapping whose range contains `dma`, or maps_live. */
static uint32_t map_find(const struct fake *f, uint64_t dma)
{
    uint32_t lo = 0, hi = f->maps_live;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct fake_map *m = &f->maps[mid];

        if (dma < m->dma)
            hi = mid;
        else if (dma - m->dma < m->run)
            return mid;
        else
            lo = mid + 1;
    }
    return f->maps_live;
}

static void hal_unmap(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                      uint32_t dir, uint32_t flags)
{
    struct fake *f = ctx;
    uint32_t i = map_find(f, dma);
    struct fake_map *m;

    if (i == f->maps_live) {
        fake_violation(f, "DMA", "dma_unmap of %p, which is not mapped", ptr);
        return;
    }
    m = &f->maps[i];
    if (m->ptr != ptr || m->dma != dma || m->run != run || m->dir != dir ||
        m->flags != flags)
        fake_violation(f, "DMA", "dma_unmap with other values: run %u not %u",
                       run, m->run);
    if (m->dir & VDRV_DIR_IN)
        memcpy(m->ptr, m->bounce, m->run);
    memset(m->bounce, FAKE_FREED, m->run);
    free(m->bounce);
    memmove(m, m + 1, (f->maps_live - i - 1) * sizeof(*m));
    f->maps_live--;
}

static void hal_sync(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                     uint32_t dir)
{
    struct fake *f = ctx;
    uint32_t i = map_find(f, dma);
    struct fake_map *m;
    uint64_t off;

    f->syncs++;
    if (i == f->maps_live) {
        if (!fake_dma_try(f, dma, len, VDRV_DIR_BOTH))
            fake_violation(f, "DMA", "dma_sync of %p, not shared", ptr);
        return;
    }
    m = &f->maps[i];
    off = dma - m->dma;
    if (len > m->run - off || m->ptr + off != ptr || (dir & ~m->dir)) {
        fake_violation(f, "DMA", "dma_sync leaves its mapping");
        return;
    }
    if (dir & VDRV_DIR_OUT)
        memcpy(m->bounce + off, m->ptr + off, len);
    if (dir & VDRV_DIR_IN)
        memcpy(m->ptr + off, m->bounce + off, len);
}

/* ---- From a device address to memory -------------------------------- */

/* Inside one live allocation, whose zones a device must not touch either. */
static void *alloc_at(const struct fake *f, uint64_t off, uint64_t len)
{
    uint32_t lo = 0, hi = f->allocs_live;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct fake_alloc *a = &f->allocs[mid];
        uint64_t start = (uint64_t)(a->ptr - f->arena);

        if (off < start)
            hi = mid;
        else if (off - start >= a->size)
            lo = mid + 1;
        else
            return len <= a->size - (off - start) ? f->arena + off : NULL;
    }
    return NULL;
}

/* The whole process is visible; only what cannot be an address is refused. */
static void *direct_at(const struct fake *f, uint64_t dma)
{
    uint64_t p = dma - f->hal.direct_offset;

    if (dma < PAGE || p < PAGE || p >> 48)
        return NULL;
    return (void *)(uintptr_t)p;
}

void *fake_dma_try(struct fake *f, uint64_t dma, uint64_t len, uint32_t dir)
{
    uint64_t off = dma - dma_base(f);
    const struct fake_map *m;
    uint32_t i;

    if (f->unchecked && f->config.mode == FAKE_DIRECT)
        return (void *)(uintptr_t)(dma - f->hal.direct_offset);
    if (off < arena_size(f))
        return alloc_at(f, off, len);
    if (f->config.mode == FAKE_DIRECT)
        return direct_at(f, dma);
    i = map_find(f, dma);
    if (i == f->maps_live)
        return NULL;
    m = &f->maps[i];
    if (len > m->run - (dma - m->dma) || (dir & ~m->dir))
        return NULL;
    return m->bounce + (dma - m->dma);
}

void *fake_dma(struct fake *f, uint64_t dma, uint64_t len, uint32_t dir)
{
    void *p = fake_dma_try(f, dma, len, dir);

    if (!p)
        fake_violation(f, "DMA",
                       "%llu bytes at %#llx are not shared for the device "
                       "to %s",
                       (unsigned long long)len, (unsigned long long)dma,
                       dir == VDRV_DIR_OUT ? "read" : "write");
    return p;
}

/* ---- Life ----------------------------------------------------------- */

void fake__dma_init(struct fake *f)
{
    void *p = mmap(NULL, arena_size(f), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        abort();
    f->arena = p;
    FENCE(f->arena, arena_size(f));
    f->next_iova = f->config.iova_base ? f->config.iova_base : IOVA_BASE;
    f->hal.dma_alloc = hal_alloc;
    f->hal.dma_free = hal_free;
    f->hal.direct_offset = dma_base(f) - (uintptr_t)f->arena;
    if (f->config.mode == FAKE_DIRECT) {
        f->hal.direct_size = UINT64_MAX;
        return;
    }
    f->hal.dma_map = hal_map;
    f->hal.dma_unmap = hal_unmap;
    f->hal.dma_sync = hal_sync;
    if (f->config.mode == FAKE_WINDOW) {
        f->hal.direct_base = (uintptr_t)f->arena;
        f->hal.direct_size = arena_size(f);
    }
}

bool fake_balanced(const struct fake *f)
{
    return f->allocs_live == 0 && f->maps_live == 0;
}

void fake__dma_fini(struct fake *f)
{
    fake_check(f);
    if (f->allocs_live)
        fake_violation(f, "LEAK", "%u allocations, %llu bytes", f->allocs_live,
                       (unsigned long long)f->bytes_live);
    if (f->maps_live)
        fake_violation(f, "LEAK", "%u mappings", f->maps_live);
    for (uint32_t i = 0; i < f->maps_live; i++)
        free(f->maps[i].bounce);
    UNFENCE(f->arena, arena_size(f));
    munmap(f->arena, arena_size(f));
    free(f->allocs);
    free(f->maps);
    f->allocs_live = 0;
    f->maps_live = 0;
}
