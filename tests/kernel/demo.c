/* SPDX-License-Identifier: MIT */
/*
 * The demo's course: find, drive, prove, serve until told to stop, give back.
 * See demo.h.
 */
#include "demo.h"

#include <virtio_drv/virtio_blk.h>
#include <virtio_drv/virtio_gpu.h>
#include <virtio_drv/virtio_net.h>

#define IDLE_US   2000u /* the longest sleep: keys do not interrupt */
#define SERVE_US  50000u
#define FRAME_US  40000u
#define NO_LIMIT  0u
#define LIMIT_SEC 60u

static struct demo demo;

void demo_fail(struct demo *d, const char *what, const char *why)
{
    kprintf("FAILED %s: %s\n", what, why);
    d->failed++;
}

void demo_skip(struct demo *d, const char *what, const char *why)
{
    kprintf("skipped: %s: %s\n", what, why);
    d->skipped++;
}

static void rest(const struct demo *d)
{
    if (d->p->hal->relax)
        d->p->hal->relax(d->p->hal->ctx);
}

int demo_serve(struct demo *d, struct vdrv_device *dev, uint32_t queue)
{
    const struct vdrv_hal *hal = d->p->hal;
    int n = vdrv_poll(dev, queue, 0);

    if (n != 0)
        return n;
    if (!hal->wait) {
        rest(d);
        return 0;
    }
    n = vdrv_arm(dev, queue, VDRV_ARM_NEXT);
    if (n == 0)
        hal->wait(hal->ctx, dev, queue, SERVE_US);
    return n < 0 ? n : 0;
}

/* ---- Finding and driving ------------------------------------------------- */

static const struct {
    uint32_t id;
    int (*attach)(struct demo *d, struct demo_device *dev);
} drivers[] = {
    {VDRV_VIRTIO_NET_ID, demo_net_attach},
    {VDRV_VIRTIO_BLK_ID, demo_disk_attach},
    {VDRV_VIRTIO_GPU_ID, demo_screen_attach},
};

static void attach(struct demo *d, struct demo_device *dev)
{
    dev->why = "no driver here";
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        int err;

        if (drivers[i].id != dev->transport->device_id)
            continue;
        err = drivers[i].attach(d, dev);
        if (err != VDRV_OK) {
            dev->why = vdrv_strerror(err);
            demo_fail(d, dev->transport->location, dev->why);
        }
    }
}

static void begin(struct demo *d, const struct demo_platform *p)
{
    const char *mode = karg(p->args, "mode");

    memset(d, 0, sizeof(*d));
    d->p = p;
    d->messages = mode && mode[0] == 'm';
    d->irq = d->messages || (mode && mode[0] == 'i');
    d->packed = karg_number(p->args, "packed", 0) ? &vdrv_queue_packed : NULL;
    kprintf("machine: %s, %s\n", p->machine,
            d->messages ? "by message"
            : d->irq    ? "by interrupt"
                        : "polled");
    if (!d->irq)
        p->hal->wait = NULL;
    demo_bus_scan(d);
    for (uint32_t i = 0; i < d->ndevices; i++)
        attach(d, &d->device[i]);
    if (d->irq)
        demo_bus_irqs(d);
    demo_bus_table(d, &kconsole);
    demo_bus_driven(d);
}

/* ---- Serving ------------------------------------------------------------- */

/* Obeys a key; false: the end. */
static bool obey(struct demo *d, int key, bool *animate)
{
    if (key == 't' || key == 'm')
        demo_screen_tick(d, key == 'm', false);
    else if (key == 'a')
        *animate = !*animate;
    return key != 'q';
}

static void serve(struct demo *d)
{
    uint32_t sec = karg_number(d->p->args, "limit", LIMIT_SEC);
    uint64_t start = d->p->now_us(), drawn = start, now = start;
    bool animate = false;

    kprintf("ready: type t, m, a or q\n");
    while (obey(d, d->p->key(), &animate)) {
        now = d->p->now_us();
        if (sec != NO_LIMIT && now - start > (uint64_t)sec * 1000000) {
            demo_fail(d, "end", "nobody typed q in time");
            return;
        }
        if (animate && now - drawn >= FRAME_US) {
            demo_screen_tick(d, false, true);
            drawn = now;
        }
        demo_bus_refresh(d);
        if (demo_net_serve(d))
            d->p->idle(IDLE_US);
    }
}

int demo_run(const struct demo_platform *p)
{
    struct demo *d = &demo;

    begin(d, p);
    demo_disk_run(d);
    demo_screen_run(d);
    demo_net_run(d);
    serve(d);
    demo_screen_fini(d);
    demo_net_fini(d);
    demo_disk_fini(d);
    for (uint32_t i = 0; i < d->ndevices; i++)
        if (d->device[i].dev)
            kprintf("irqs: %s %u\n", d->device[i].transport->location,
                    d->device[i].irqs);
    if (p->watched)
        kprintf("isr: read %u times\n", p->watched());
    kprintf("demo: %u failed, %u skipped\n", d->failed, d->skipped);
    return d->failed != 0;
}
