/* SPDX-License-Identifier: MIT */
/*
 * The fake machine: violations, log, clock and steps, and dispatch of register
 * accesses to regions.  DMA is in fake_dma.c.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#include "fake_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define COOKIE_MAX ((uint64_t)1 << 30)

/* ---- Violations and log --------------------------------------------- */

void fake_violation(struct fake *f, const char *id, const char *fmt, ...)
{
    struct fake_broken *b = &f->broken[f->violations % FAKE_VIOLATIONS];
    va_list ap;

    snprintf(b->id, sizeof(b->id), "%s", id);
    va_start(ap, fmt);
    vsnprintf(b->text, sizeof(b->text), fmt, ap);
    va_end(ap);
    f->violations++;
    if (f->record)
        return;
    fprintf(stderr, "fake: violation of %s: %s\n", b->id, b->text);
    abort();
}

unsigned fake_violated(const struct fake *f, const char *id)
{
    unsigned n = 0;

    if (!id)
        return f->violations;
    for (unsigned i = 0; i < f->violations && i < FAKE_VIOLATIONS; i++)
        n += strcmp(f->broken[i].id, id) == 0;
    return n;
}

void fake_violations_clear(struct fake *f)
{
    f->violations = 0;
}

static void hal_log(void *ctx, uint32_t level, const char *text)
{
    struct fake *f = ctx;
    uint32_t i = f->n_log++ % FAKE_LOG_LINES;

    snprintf(f->log[i], sizeof(f->log[i]), "%s", text);
    f->log_level[i] = level;
    if (strchr(text, '\n'))
        fake_violation(f, "LOG", "newline in a log line: %s", text);
    if (f->echo)
        fprintf(stderr, "log %u: %s\n", level, text);
}

bool fake_log_contains(const struct fake *f, const char *text)
{
    for (uint32_t i = 0; i < f->n_log && i < FAKE_LOG_LINES; i++)
        if (strstr(f->log[i], text))
            return true;
    return false;
}

void fake_log_clear(struct fake *f)
{
    f->n_log = 0;
}

uint32_t fake_rand(struct fake *f)
{
    uint64_t x = f->rand;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    f->rand = x;
    return (uint32_t)(x >> 32);
}

/* ---- Time and steps ------------------------------------------------- */

void fake_step(struct fake *f)
{
    struct fake_stepper *s, *next;

    /* A driver called from an interrupt inside a step may relax. */
    if (f->stepping)
        return;
    f->stepping = true;
    f->steps++;
    for (s = f->steppers; s; s = next) {
        next = s->next;
        s->step(s->arg);
    }
    f->stepping = false;
}

void fake_steps(struct fake *f, unsigned n)
{
    while (n--)
        fake_step(f);
}

static uint64_t hal_now(void *ctx)
{
    struct fake *f = ctx;

    f->nows++;
    f->now += f->us_per_now;
    if (f->step_on_now)
        fake_step(f);
    return f->now;
}

static void hal_relax(void *ctx)
{
    struct fake *f = ctx;

    f->relaxes++;
    f->now += f->us_per_relax;
    if (!f->no_step)
        fake_step(f);
}

static void hal_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                     uint32_t max_us)
{
    struct fake *f = ctx;

    f->waits++;
    if (f->wait_hook) {
        f->wait_hook(f->wait_arg, dev, queue, max_us);
        return;
    }
    f->now += max_us < f->us_per_wait ? max_us : f->us_per_wait;
    if (!f->no_step)
        fake_step(f);
}

static void hal_wake(void *ctx, struct vdrv_device *dev, uint32_t queue)
{
    struct fake *f = ctx;

    (void)dev;
    (void)queue;
    f->wakes++;
}

void fake_stepper_add(struct fake *f, struct fake_stepper *s)
{
    s->next = f->steppers;
    f->steppers = s;
}

void fake_stepper_del(struct fake *f, struct fake_stepper *s)
{
    struct fake_stepper **p = &f->steppers;

    while (*p && *p != s)
        p = &(*p)->next;
    if (*p)
        *p = s->next;
}

/* ---- Registers ------------------------------------------------------ */

void fake_region_add(struct fake *f, struct fake_region *r)
{
    r->next = f->regions;
    f->regions = r;
}

void fake_region_del(struct fake *f, struct fake_region *r)
{
    struct fake_region **p = &f->regions;

    while (*p && *p != r)
        p = &(*p)->next;
    if (*p)
        *p = r->next;
}

/*
 * The driver gets addresses without access rights, so that a plain
 * dereference faults and only hal.reg_* works.
 */
static void *hal_mmio_map(void *ctx, uint64_t phys, uint64_t len)
{
    struct fake *f = ctx;
    struct fake_cookie *c;
    void *p;

    if (f->refuse_mmio_map || len == 0 || len > COOKIE_MAX)
        return NULL;
    for (size_t i = 0; i < f->n_cookies; i++)
        if (f->cookies[i].phys == phys && f->cookies[i].len == len)
            return f->cookies[i].base + (phys & 0xFFF);
    p = mmap(NULL, (size_t)len + (phys & 0xFFF), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    c = realloc(f->cookies, (f->n_cookies + 1) * sizeof(*c));
    if (!c)
        abort();
    f->cookies = c;
    c[f->n_cookies++] = (struct fake_cookie){p, phys, (size_t)len};
    return (uint8_t *)p + (phys & 0xFFF);
}

/* The physical address behind what the driver uses as a register pointer. */
static bool cookie_phys(struct fake *f, uintptr_t addr, uint64_t *phys)
{
    for (size_t i = 0; i < f->n_cookies; i++) {
        const struct fake_cookie *c = &f->cookies[i];
        uintptr_t first = (uintptr_t)c->base + (uintptr_t)(c->phys & 0xFFF);

        if (addr >= first && addr - first < c->len) {
            *phys = c->phys + (addr - first);
            return true;
        }
    }
    *phys = addr;
    return !f->hal.mmio_map;
}

static struct fake_region *region_at(struct fake *f, uint32_t space,
                                     uint64_t addr)
{
    for (struct fake_region *r = f->regions; r; r = r->next)
        if (r->space == space && addr >= r->phys && addr - r->phys < r->len)
            return r;
    return NULL;
}

static uint32_t ones(uint32_t width)
{
    return width >= 4 ? UINT32_MAX : ((uint32_t)1 << (8 * width)) - 1;
}

/* The region of an access; NULL when there is none or the access is wrong. */
static struct fake_region *region_checked(struct fake *f, uint32_t space,
                                          uint64_t addr, uint32_t width)
{
    struct fake_region *r = region_at(f, space, addr);

    if (width != 1 && width != 2 && width != 4)
        fake_violation(f, "ACCESS", "register access of %u bytes", width);
    else if (addr & (width - 1))
        fake_violation(f, "ACCESS", "misaligned access of %u bytes at %#llx",
                       width, (unsigned long long)addr);
    else if (!r)
        fake_violation(f, "ACCESS", "no register in space %u at %#llx", space,
                       (unsigned long long)addr);
    else if (addr - r->phys + width > r->len)
        fake_violation(f, "ACCESS", "access across the end of %s", r->name);
    else
        return r;
    return NULL;
}

bool fake_gone(struct fake *f, bool write)
{
    if (write)
        f->writes++;
    else
        f->reads++;
    if (!f->gone_at || f->reads + f->writes < f->gone_at)
        return false;
    f->gone_accesses++;
    return true;
}

static void trace_add(struct fake *f, const struct fake_access *a)
{
    if (f->trace && f->trace_len < f->trace_cap)
        f->trace[f->trace_len++] = *a;
}

static uint32_t overridden(struct fake *f, const struct fake_access *a)
{
    for (uint32_t i = 0; i < f->n_overrides; i++) {
        struct fake_forced *o = &f->overrides[i];

        if (o->space != a->space || o->addr != a->addr)
            continue;
        if (o->skip) {
            o->skip--;
            continue;
        }
        if (o->count == 0)
            continue;
        if (o->count != UINT32_MAX)
            o->count--;
        return o->value;
    }
    return a->value;
}

void fake_override(struct fake *f, uint32_t space, uint64_t addr, uint32_t skip,
                   uint32_t count, uint32_t value)
{
    if (f->n_overrides == FAKE_OVERRIDES)
        abort();
    f->overrides[f->n_overrides++] = (struct fake_forced){
        addr, space, skip, count ? count : UINT32_MAX, value};
}

void fake_override_clear(struct fake *f)
{
    f->n_overrides = 0;
}

uint32_t fake_reg_read(struct fake *f, uint32_t space, uint64_t addr,
                       uint32_t width)
{
    struct fake_access a = {addr, space, width, ones(width), 0};
    struct fake_region *r = region_checked(f, space, addr, width);

    if (!fake_gone(f, false) && r && !r->disabled) {
        a.value = r->read(r->arg, addr - r->phys, width) & ones(width);
        a.value = overridden(f, &a) & ones(width);
        if (f->read_hook)
            a.value = f->read_hook(f->hook_arg, &a) & ones(width);
    }
    trace_add(f, &a);
    return a.value;
}

void fake_reg_write(struct fake *f, uint32_t space, uint64_t addr,
                    uint32_t width, uint32_t value)
{
    struct fake_access a = {addr, space, width, value, 1};
    struct fake_region *r = region_checked(f, space, addr, width);

    if (value & ~ones(width))
        fake_violation(f, "ACCESS", "value %#x does not fit %u bytes", value,
                       width);
    trace_add(f, &a);
    if (fake_gone(f, true) || !r || r->disabled)
        return;
    if (f->write_hook)
        f->write_hook(f->hook_arg, &a);
    r->write(r->arg, addr - r->phys, width, value);
}

/* Physical address of an access through the HAL; false: a wild pointer. */
static bool hal_phys(struct fake *f, uint32_t space, uintptr_t addr,
                     uint64_t *phys)
{
    *phys = addr;
    if (space == VDRV_SPACE_PORT || cookie_phys(f, addr, phys))
        return true;
    fake_violation(f, "ACCESS", "register pointer %p was never mapped",
                   (void *)addr);
    return false;
}

static uint32_t hal_reg_read(void *ctx, uint32_t space, uintptr_t addr,
                             uint32_t width)
{
    struct fake *f = ctx;
    uint64_t phys;

    if (!hal_phys(f, space, addr, &phys))
        return ones(width);
    return fake_reg_read(f, space, phys, width);
}

static void hal_reg_write(void *ctx, uint32_t space, uintptr_t addr,
                          uint32_t width, uint32_t value)
{
    struct fake *f = ctx;
    uint64_t phys;

    if (hal_phys(f, space, addr, &phys))
        fake_reg_write(f, space, phys, width, value);
}

/* ---- Life ----------------------------------------------------------- */

void fake_init(struct fake *f, const struct fake_config *cfg)
{
    memset(f, 0, sizeof(*f));
    if (cfg)
        f->config = *cfg;
    f->rand = f->config.seed ? f->config.seed : 0x9E3779B97F4A7C15u;
    f->us_per_now = f->config.us_per_now ? f->config.us_per_now : 1;
    f->us_per_relax = 10;
    f->us_per_wait = 100;
    f->hal.ctx = f;
    f->hal.now_us = hal_now;
    f->hal.relax = hal_relax;
    f->hal.wait = hal_wait;
    f->hal.wake = hal_wake;
    f->hal.mmio_map = hal_mmio_map;
    f->hal.reg_read = hal_reg_read;
    f->hal.reg_write = hal_reg_write;
    f->hal.log = hal_log;
    f->hal.dma_align = f->config.dma_align;
    fake__dma_init(f);
}

void fake_fini(struct fake *f)
{
    fake__dma_fini(f);
    for (size_t i = 0; i < f->n_cookies; i++)
        munmap(f->cookies[i].base,
               f->cookies[i].len + (f->cookies[i].phys & 0xFFF));
    free(f->cookies);
    f->cookies = NULL;
    f->n_cookies = 0;
}
