/* SPDX-License-Identifier: MIT */
/*
 * The memory and the clock of a qtest machine.  Guest memory is handed out in
 * pages and poisoned elsewhere, so that a stray access of ours is seen; what
 * lies outside of it is bounced, a page at a time.
 */
#include "qtest_machine.h"
#include "qtest_priv.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size)   ((void)(ptr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
#endif

static uint32_t pages_of(size_t size)
{
    return (uint32_t)((size + QTEST_PAGE - 1) / QTEST_PAGE);
}

static int all_free(const struct qtest_machine *m, uint32_t at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (m->used[at + i])
            return 0;
    }
    return 1;
}

static void *take(struct qtest_machine *m, size_t size, uint32_t step)
{
    const uint32_t n = pages_of(size);
    uint8_t *ptr;

    for (uint32_t at = 0; n > 0 && at + n <= QTEST_PAGES; at += step) {
        if (!all_free(m, at, n))
            continue;
        memset(m->used + at, 1, n);
        m->live_pages += n;
        ptr = m->ram + QTEST_FIRST + (size_t)at * QTEST_PAGE;
        ASAN_UNPOISON_MEMORY_REGION(ptr, size);
        memset(ptr, 0xa5, size);
        return ptr;
    }
    return NULL;
}

void *qtest_alloc(struct qtest_machine *m, size_t size)
{
    void *ptr = take(m, size, 1);

    if (ptr == NULL) {
        printf("qtest: no guest memory left\n");
        abort();
    }
    return ptr;
}

void qtest_free(struct qtest_machine *m, void *ptr, size_t size)
{
    const size_t off = (size_t)((uint8_t *)ptr - m->ram) - QTEST_FIRST;
    const uint32_t n = pages_of(size);

    if (off % QTEST_PAGE != 0 || off / QTEST_PAGE + n > QTEST_PAGES ||
        memchr(m->used + off / QTEST_PAGE, 0, n) != NULL) {
        printf("qtest: freed what was not allocated\n");
        abort();
    }
    memset(m->used + off / QTEST_PAGE, 0, n);
    m->live_pages -= n;
    ASAN_POISON_MEMORY_REGION(ptr, (size_t)n * QTEST_PAGE);
}

/* ---- Memory that another uses now ---------------------------------------- */

static uint8_t *page_at(const struct qtest_machine *m, uint32_t i)
{
    return m->ram + QTEST_FIRST + (size_t)i * QTEST_PAGE;
}

uint32_t qtest_fill(struct qtest_machine *m, const uint8_t *pages, int with)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < QTEST_PAGES; i++) {
        if (!pages[i])
            continue;
        ASAN_UNPOISON_MEMORY_REGION(page_at(m, i), QTEST_PAGE);
        memset(page_at(m, i), with, QTEST_PAGE);
        n++;
    }
    return n;
}

uint32_t qtest_filled(const struct qtest_machine *m, const uint8_t *pages,
                      int with)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < QTEST_PAGES; i++) {
        const uint8_t *p = page_at(m, i);

        n += pages[i] && p[0] == with && memcmp(p, p + 1, QTEST_PAGE - 1) == 0;
    }
    return n;
}

void qtest_drop(struct qtest_machine *m, const uint8_t *pages)
{
    for (uint32_t i = 0; i < QTEST_PAGES; i++)
        if (pages[i])
            qtest_free(m, page_at(m, i), QTEST_PAGE);
}

/* ---- The HAL's ---------------------------------------------------------- */

static uint64_t device_address(const struct qtest_machine *m, const void *ptr)
{
    return (uint64_t)(uintptr_t)ptr + m->hal.direct_offset;
}

static void *dma_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    struct qtest_machine *m = ctx;
    const uint32_t step = align > QTEST_PAGE ? pages_of(align) : 1;
    void *ptr = take(m, size, step);

    (void)flags;
    if (ptr == NULL)
        return NULL;
    *dma = device_address(m, ptr);
    if (*dma + size - 1 <= limit)
        return ptr;
    qtest_free(m, ptr, size);
    return NULL;
}

static void dma_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    (void)flags;
    if (dma != device_address(ctx, ptr)) {
        printf("qtest: freed with a wrong device address\n");
        abort();
    }
    qtest_free(ctx, ptr, size);
}

static int dma_map(void *ctx, void *ptr, uint32_t len, uint32_t dir,
                   uint32_t flags, uint64_t *dma, uint32_t *run)
{
    struct qtest_machine *m = ctx;
    void *page;

    (void)flags;
    *run = len < QTEST_PAGE ? len : QTEST_PAGE;
    page = take(m, *run, 1);
    if (page == NULL)
        return VDRV_ERR_AGAIN;
    if (dir & VDRV_DIR_OUT)
        memcpy(page, ptr, *run);
    *dma = device_address(m, page);
    m->bounced++;
    return VDRV_OK;
}

static void dma_unmap(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                      uint32_t dir, uint32_t flags)
{
    struct qtest_machine *m = ctx;
    void *page = (void *)(uintptr_t)(dma - m->hal.direct_offset);

    (void)flags;
    if (dir & VDRV_DIR_IN)
        memcpy(ptr, page, run);
    qtest_free(m, page, run);
}

/* What stays mapped: the device looks at the bounce page. */
static void dma_sync(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                     uint32_t dir)
{
    struct qtest_machine *m = ctx;
    void *page = (void *)(uintptr_t)(dma - m->hal.direct_offset);

    if (page == ptr)
        return;
    if (dir & VDRV_DIR_OUT)
        memcpy(page, ptr, len);
    if (dir & VDRV_DIR_IN)
        memcpy(ptr, page, len);
}

uint64_t qtest_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return qtest_now();
}

static void relax(void *ctx)
{
    (void)ctx;
    sched_yield();
}

static void log_line(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    if (level <= VDRV_LOG_WARN)
        printf("  log: %s\n", text);
}

void qtest_pause(uint32_t round)
{
    if (round < 64)
        sched_yield();
    else
        usleep(50);
}

void qtest_memory_init(struct qtest_machine *m, int fd, uint64_t base)
{
    struct vdrv_hal *hal = &m->hal;

    m->ram = mmap(NULL, QTEST_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (m->ram == MAP_FAILED) {
        perror("qtest: mmap");
        abort();
    }
    ASAN_POISON_MEMORY_REGION(m->ram, QTEST_RAM);
    hal->direct_base = (uint64_t)(uintptr_t)m->ram;
    hal->direct_size = QTEST_RAM;
    hal->direct_offset = base - hal->direct_base;
    hal->dma_alloc = dma_alloc;
    hal->dma_free = dma_free;
    hal->dma_map = dma_map;
    hal->dma_unmap = dma_unmap;
    hal->dma_sync = dma_sync;
    hal->now_us = now_us;
    hal->relax = relax;
    hal->log = log_line;
}

void qtest_memory_fini(struct qtest_machine *m)
{
    if (m->ram == NULL)
        return;
    ASAN_UNPOISON_MEMORY_REGION(m->ram, QTEST_RAM);
    munmap(m->ram, QTEST_RAM);
    m->ram = NULL;
}

/* ---- Chance and arguments ----------------------------------------------- */

/* splitmix64 */
uint32_t qtest_random(uint64_t *state, uint32_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * n) >> 32);
}

uint32_t qtest_operations(int *argc, char **argv, uint32_t fallback)
{
    for (int i = 1; i + 1 < *argc; i++) {
        if (strcmp(argv[i], "-n") != 0)
            continue;
        fallback = (uint32_t)strtoul(argv[i + 1], NULL, 0);
        memmove(argv + i, argv + i + 2,
                (size_t)(*argc - i - 1) * sizeof(*argv));
        *argc -= 2;
        break;
    }
    return fallback;
}
