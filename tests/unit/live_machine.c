/* SPDX-License-Identifier: MIT */
/* A fake machine that runs by itself: see live_machine.h. */
#include "live_machine.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* ---- What the CPUs ask of it ----------------------------------------------- */

static void *bus_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    struct live *l = ctx;
    void *p;

    pthread_mutex_lock(&l->bus);
    p = l->f.hal.dma_alloc(&l->f, size, align, limit, flags, dma);
    pthread_mutex_unlock(&l->bus);
    return p;
}

static void bus_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    struct live *l = ctx;

    pthread_mutex_lock(&l->bus);
    l->f.hal.dma_free(&l->f, ptr, dma, size, flags);
    pthread_mutex_unlock(&l->bus);
}

static void *bus_map(void *ctx, uint64_t phys, uint64_t len)
{
    struct live *l = ctx;

    return l->f.hal.mmio_map(&l->f, phys, len);
}

static uint32_t bus_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    struct live *l = ctx;
    uint32_t v;

    pthread_mutex_lock(&l->bus);
    v = l->f.hal.reg_read(&l->f, space, addr, width);
    pthread_mutex_unlock(&l->bus);
    return v;
}

static void bus_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    const uint64_t one = 1;
    struct live *l = ctx;

    pthread_mutex_lock(&l->bus);
    l->f.hal.reg_write(&l->f, space, addr, width, value);
    pthread_mutex_unlock(&l->bus);
    if (write(l->bell, &one, sizeof(one)) != sizeof(one))
        abort();
}

static void bus_log(void *ctx, uint32_t level, const char *text)
{
    struct live *l = ctx;

    pthread_mutex_lock(&l->bus);
    l->f.hal.log(&l->f, level, text);
    pthread_mutex_unlock(&l->bus);
}

static uint64_t wall_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void yield(void *ctx)
{
    (void)ctx;
    sched_yield();
}

/* ---- The hardware ------------------------------------------------------------- */

/* The line may have gone up: in the middle of a step, the bus is held. */
static void raised(void *arg, struct fake_dev *d, uint16_t vector)
{
    struct live *l = arg;

    (void)d;
    (void)vector;
    pthread_cond_broadcast(&l->line);
}

/* Late by chance: mostly a little, now and then long enough to be slept on. */
static void dawdle(struct live *l)
{
    struct timespec t = {0, 0};

    if (l->lazy_us == 0)
        return;
    l->chance = l->chance * 6364136223846793005u + 1442695040888963407u;
    if (l->chance >> 61 == 0) {
        t.tv_nsec = (long)(l->chance >> 32 & 1023) * l->lazy_us;
        nanosleep(&t, NULL);
        return;
    }
    for (uint64_t n = l->chance >> 60; n > 0; n--)
        sched_yield();
}

/* True: a frame is on the wire. */
static bool listen_for_work(struct live *l, bool busy)
{
    struct pollfd p[2] = {{l->bell, POLLIN, 0}, {l->wire, POLLIN, 0}};
    uint64_t rung;

    if (poll(p, 2, busy ? 0 : -1) < 0)
        return false;
    if (p[0].revents && read(l->bell, &rung, sizeof(rung)) != sizeof(rung))
        abort();
    return (p[1].revents & POLLIN) != 0;
}

static void *hardware(void *arg)
{
    struct live *l = arg;
    bool quit = false, busy = false, frame;

    while (!quit) {
        frame = listen_for_work(l, busy);
        dawdle(l);
        pthread_mutex_lock(&l->bus);
        fake_step(&l->f);
        if (frame && l->arrive != NULL)
            l->arrive(l->arrive_arg);
        if (fake_dev_pending(l->dev) > l->most_pending)
            l->most_pending = fake_dev_pending(l->dev);
        busy = l->dev->complete != FAKE_COMPLETE_HELD &&
               fake_dev_pending(l->dev) > 0;
        quit = l->quit;
        pthread_mutex_unlock(&l->bus);
    }
    return NULL;
}

/* Takes interrupts as long as the line is up. */
static void *cpu(void *arg)
{
    struct live *l = arg;

    pthread_mutex_lock(&l->bus);
    for (;;) {
        while ((!l->slot.line || l->deaf) && !l->quit)
            pthread_cond_wait(&l->line, &l->bus);
        if (l->quit)
            break;
        l->interrupts++;
        pthread_mutex_unlock(&l->bus);
        l->isr(l->isr_arg);
        pthread_mutex_lock(&l->bus);
    }
    pthread_mutex_unlock(&l->bus);
    return NULL;
}

/* ---- Life ------------------------------------------------------------------------ */

void live_init(struct live *l)
{
    memset(l, 0, sizeof(*l));
    fake_init(&l->f, NULL);
    l->hal = l->f.hal;
    l->hal.ctx = l;
    l->hal.dma_alloc = bus_alloc;
    l->hal.dma_free = bus_free;
    l->hal.mmio_map = bus_map;
    l->hal.reg_read = bus_read;
    l->hal.reg_write = bus_write;
    l->hal.log = bus_log;
    l->hal.now_us = wall_us;
    l->hal.relax = yield;
    l->hal.wait = NULL;
    l->hal.wake = NULL;
    l->wire = -1;
    l->chance = 1;
    l->bell = eventfd(0, 0);
    if (l->bell < 0 || pthread_mutex_init(&l->bus, NULL) != 0 ||
        pthread_cond_init(&l->line, NULL) != 0)
        abort();
}

void live_plug(struct live *l, struct fake_dev *dev)
{
    l->dev = dev;
    dev->on_irq = raised;
    dev->on_irq_arg = l;
    fake_mmio_init(&l->slot, &l->f, dev, LIVE_SLOT, 0);
}

void live_run(struct live *l)
{
    l->quit = false;
    if (pthread_create(&l->hardware, NULL, hardware, l) != 0 ||
        pthread_create(&l->cpu, NULL, cpu, l) != 0)
        abort();
}

void live_halt(struct live *l)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&l->bus);
    l->quit = true;
    pthread_cond_broadcast(&l->line);
    pthread_mutex_unlock(&l->bus);
    if (write(l->bell, &one, sizeof(one)) != sizeof(one))
        abort();
    pthread_join(l->cpu, NULL);
    pthread_join(l->hardware, NULL);
}

void live_unplug(struct live *l)
{
    fake_mmio_fini(&l->slot);
}

void live_fini(struct live *l)
{
    close(l->bell);
    pthread_cond_destroy(&l->line);
    pthread_mutex_destroy(&l->bus);
    fake_fini(&l->f);
}
