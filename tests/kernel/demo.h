/* SPDX-License-Identifier: MIT */
/*
 * The demo: finds what is on the buses and proves each device to somebody who
 * looks from outside, demo.py.  It is the same on every machine; what differs
 * is in a struct demo_platform, which demo_kernel.c fills in from arch.h, and
 * demo_host.c from the fake.
 *
 * Each proof prints one line, "disk-read: ...", with the figures that demo.py
 * compares; "FAILED ..." and "skipped: ..." are what they say.  Then the
 * network is served, and single characters on the console tell what to do:
 *   t  advance the picture, flushing what has changed and nothing else
 *   m  the same, after spoiling pixels that are not flushed
 *   a  advance it all the time, for people who watch
 *   q  say what was counted, give everything back, end
 */
#ifndef DEMO_H
#define DEMO_H

#include <virtio_drv/hal.h>
#include <virtio_drv/mmio.h>
#include <virtio_drv/msix.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/queue.h>

#include "klib.h"

#define DEMO_DEVICES      16u
#define DEMO_NO_IRQ       UINT32_MAX
#define DEMO_VECTORS      3u   /* the configuration, and two queues */
#define DEMO_DEVICE_QUEUE 256u /* of a device that decides itself: QEMU's */

struct demo_platform {
    const char *machine;
    const char *args;     /* words "key=value", see demo.py */
    struct vdrv_hal *hal; /* its wait is used in interrupt mode only */
    struct vdrv_mmio_window mmio;
    uint32_t mmio_irq;              /* of slot 0; that of slot i is i more */
    const struct vdrv_pci_ops *pci; /* NULL: no PCI */
    uint32_t last_bus;
    struct vdrv_pci_windows *windows; /* NULL: firmware assigns BARs */
    uint32_t (*pci_irq)(uint32_t fn, uint32_t pin, uint32_t line);
    /* Message `n` of the machine, and its interrupt; NULL: it has none. */
    int (*message)(uint32_t n, struct vdrv_msix_message *msg, uint32_t *irq);
    /* Counts reads of a register from now on; NULL: nobody counts. */
    void (*watch)(uintptr_t addr);
    uint32_t (*watched)(void);
    /* Calls handler(arg) on interrupt `irq`, in wait and idle only. */
    void (*irq_attach)(uint32_t irq, void (*handler)(void *arg), void *arg);
    uint64_t (*now_us)(void);
    int (*key)(void); /* the next character typed, or -1 */
    /* Until an interrupt or for `max_us`; may return at once. */
    void (*idle)(uint32_t max_us);
};

struct demo_vector {
    struct demo_device *dev;
    uint32_t number;
    uint32_t irq;
};

struct demo_device {
    union {
        struct vdrv_mmio mmio;
        struct vdrv_pci pci;
    } at;
    struct vdrv_transport *transport;
    struct vdrv_device *dev; /* NULL: not driven */
    const char *why;         /* then: for what reason */
    uint32_t irq;            /* or DEMO_NO_IRQ */
    uint32_t irqs;           /* that were this device's */
    uint32_t nvectors;       /* 0: a line */
    struct vdrv_msix msix;
    struct demo_vector vector[DEMO_VECTORS];
    bool changed; /* one of them said: configuration */
};

struct demo {
    const struct demo_platform *p;
    bool irq;                             /* mode=irq, or msix */
    bool messages;                        /* mode=msix */
    const struct vdrv_queue_kind *packed; /* ring=packed; or NULL */
    uint32_t ndevices;
    uint32_t nmessages;
    uint32_t failed, skipped;
    uint64_t refreshed; /* when all devices were, last */
    struct demo_device device[DEMO_DEVICES];
};

/* All of it; returns the exit code: 0, or 1 when something failed. */
int demo_run(const struct demo_platform *p);

void demo_fail(struct demo *d, const char *what, const char *why);
void demo_skip(struct demo *d, const char *what, const char *why);

/*
 * Polls a queue; when nothing has come back, waits a moment for its interrupt
 * or relaxes.  Returns what vdrv_poll() or vdrv_arm() did.
 */
int demo_serve(struct demo *d, struct vdrv_device *dev, uint32_t queue);

/* ---- demo_bus.c ---------------------------------------------------------- */

void demo_bus_scan(struct demo *d);
/* Who handles interrupts; drivers stand by now. */
void demo_bus_irqs(struct demo *d);
void demo_bus_table(const struct demo *d, const struct ksink *to);
/* How each device is driven: interface, ring, interrupts. */
void demo_bus_driven(const struct demo *d);
/* Looks at configurations that may have changed, and says how. */
void demo_bus_refresh(struct demo *d);

/* ---- One file for each class --------------------------------------------- */

/* Drives a device: sets dev->dev, or returns an error. */
int demo_disk_attach(struct demo *d, struct demo_device *dev);
int demo_net_attach(struct demo *d, struct demo_device *dev);
int demo_screen_attach(struct demo *d, struct demo_device *dev);

/* Proves what needs nobody at the other end. */
void demo_disk_run(struct demo *d);
void demo_screen_run(struct demo *d);
void demo_net_run(struct demo *d);

/* Answers what has arrived and arms the interrupts; false: come again. */
bool demo_net_serve(struct demo *d);

/*
 * One picture on; with `spoil`, damages pixels outside of what it flushes.
 * `quiet`: says nothing, but when it fails.
 */
void demo_screen_tick(struct demo *d, bool spoil, bool quiet);

/* Last words, then the driver goes. */
void demo_disk_fini(struct demo *d);
void demo_net_fini(struct demo *d);
void demo_screen_fini(struct demo *d);

#endif
