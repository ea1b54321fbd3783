/* SPDX-License-Identifier: MIT */
/*
 * The demo's buses: every virtio device on virtio-mmio slots and on PCI, the
 * table of what was found, and interrupts.
 */
#include "demo.h"

#include <virtio_drv/block.h>
#include <virtio_drv/net.h>

#define REFRESH_US  100000u
#define RING_PACKED 34u /* VIRTIO_F_RING_PACKED */

static struct demo_device *room(struct demo *d)
{
    if (d->ndevices < DEMO_DEVICES)
        return &d->device[d->ndevices];
    demo_fail(d, "bus", "more devices than the demo has room for");
    return NULL;
}

static void keep(struct demo *d, struct vdrv_transport *t, uint32_t irq)
{
    struct demo_device *dev = &d->device[d->ndevices++];

    dev->transport = t;
    dev->irq = irq;
}

static void scan_mmio(struct demo *d)
{
    const struct demo_platform *p = d->p;
    struct demo_device *dev = room(d);
    uint32_t slot = 0;
    int err = VDRV_OK;

    while (dev &&
           (err = vdrv_mmio_scan_any(&dev->at.mmio, p->hal, &p->mmio, 0,
                                     &vdrv_mmio_legacy, &slot)) == VDRV_OK) {
        keep(d, &dev->at.mmio.transport, p->mmio_irq + slot - 1);
        dev = room(d);
    }
    if (err != VDRV_OK && err != VDRV_ERR_NO_DEVICE)
        demo_fail(d, "mmio", vdrv_strerror(err));
}

/* As many messages as a device of the demo has use for. */
static int attach_messages(struct demo *d, struct demo_device *dev)
{
    struct vdrv_msix_message msg[DEMO_VECTORS];
    int err = d->p->message ? VDRV_OK : VDRV_ERR_UNSUPPORTED;

    for (uint32_t i = 0; i < DEMO_VECTORS && err == VDRV_OK; i++) {
        dev->vector[i].dev = dev;
        dev->vector[i].number = i;
        err = d->p->message(d->nmessages++, &msg[i], &dev->vector[i].irq);
    }
    if (err == VDRV_OK)
        err = vdrv_msix_attach(&dev->msix, &dev->at.pci, msg, DEMO_VECTORS);
    if (err == VDRV_OK)
        dev->nvectors = dev->at.pci.transport.vectors;
    return err;
}

static void keep_pci(struct demo *d, struct demo_device *dev)
{
    struct vdrv_pci *pci = &dev->at.pci;
    int err = VDRV_OK;

    keep(d, &pci->transport,
         d->p->pci_irq(pci->fn, pci->irq_pin, pci->irq_line));
    if (d->p->watch)
        d->p->watch(pci->isr.addr);
    if (d->messages)
        err = attach_messages(d, dev);
    if (err != VDRV_OK)
        demo_fail(d, "msix", vdrv_strerror(err));
}

static void scan_pci(struct demo *d)
{
    const struct vdrv_pci_options options = {.legacy = &vdrv_pci_legacy};
    const struct demo_platform *p = d->p;
    struct demo_device *dev = room(d);
    struct vdrv_pci_walk walk;
    struct vdrv_pci *pci;
    int err;

    err = vdrv_pci_walk_init(&walk, p->pci, 0, p->last_bus);
    while (dev && err == VDRV_OK) {
        pci = &dev->at.pci;
        err = vdrv_pci_find_any(pci, p->hal, &walk, p->windows, 0, &options);
        if (err == VDRV_OK) {
            keep_pci(d, dev);
            dev = room(d);
        }
    }
    if (err != VDRV_OK && err != VDRV_ERR_NO_DEVICE)
        demo_fail(d, "pci", vdrv_strerror(err));
}

void demo_bus_scan(struct demo *d)
{
    if (d->p->mmio.count)
        scan_mmio(d);
    if (d->p->pci)
        scan_pci(d);
}

/* ---- Interrupts ----------------------------------------------------------- */

static void note(struct demo_device *dev, uint32_t vector)
{
    uint32_t causes = vdrv_irq(dev->dev, vector);

    if (causes != 0)
        dev->irqs++;
    if (causes & VDRV_CAUSE_CONFIG)
        dev->changed = true;
}

static void handle(void *arg)
{
    note(arg, 0);
}

static void handle_message(void *arg)
{
    const struct demo_vector *v = arg;

    note(v->dev, v->number);
}

void demo_bus_irqs(struct demo *d)
{
    for (uint32_t i = 0; i < d->ndevices; i++) {
        struct demo_device *dev = &d->device[i];

        if (!dev->dev)
            continue;
        for (uint32_t k = 0; k < dev->nvectors; k++)
            d->p->irq_attach(dev->vector[k].irq, handle_message,
                             &dev->vector[k]);
        if (dev->nvectors)
            continue;
        if (dev->irq == DEMO_NO_IRQ)
            demo_fail(d, dev->transport->location, "has no interrupt");
        else
            d->p->irq_attach(dev->irq, handle, dev);
    }
}

static void say_change(const struct demo_device *dev, uint32_t what)
{
    const char *where = dev->transport->location;

    /* a device object starts the object of its class */
    if (what & VDRV_CHANGE_CAPACITY)
        kprintf("changed: %s, %lu blocks\n", where,
                (unsigned long)vdrv_block_num_blocks(
                    (const struct vdrv_block *)dev->dev));
    else if (what & VDRV_CHANGE_LINK)
        kprintf("changed: %s, link %s\n", where,
                vdrv_net_link_up((const struct vdrv_net *)dev->dev) ? "up"
                                                                    : "down");
    else if (what != 0)
        kprintf("changed: %s, %x\n", where, what);
}

/* By interrupt: what one has told of.  Polled: all, a few times a second. */
void demo_bus_refresh(struct demo *d)
{
    uint64_t now = d->p->now_us();
    bool all = !d->irq && now - d->refreshed > REFRESH_US;

    if (all)
        d->refreshed = now;
    for (uint32_t i = 0; i < d->ndevices; i++) {
        struct demo_device *dev = &d->device[i];
        uint32_t what = 0;
        int err;

        if (!dev->dev || !(dev->changed || all))
            continue;
        dev->changed = false;
        err = vdrv_refresh(dev->dev, &what);
        if (err != VDRV_OK)
            demo_fail(d, dev->transport->location, vdrv_strerror(err));
        else
            say_change(dev, what);
    }
}

/* ---- The table ------------------------------------------------------------ */

static const char *type_name(uint32_t id)
{
    static const char *const names[] = {
        "?", "net",  "block", "console", "entropy", "balloon", "?",
        "?", "scsi", "9p",    "?",       "?",       "?",       "?",
        "?", "?",    "gpu",   "?",       "input",   "vsock",   "crypto",
    };

    return id < sizeof(names) / sizeof(names[0]) ? names[id] : "?";
}

void demo_bus_table(const struct demo *d, const struct ksink *to)
{
    kformat(to, "%-16s %-8s %3s %9s %4s  %s\n", "found", "type", "id", "vendor",
            "irq", "driver");
    for (uint32_t i = 0; i < d->ndevices; i++) {
        const struct demo_device *dev = &d->device[i];
        const struct vdrv_transport *t = dev->transport;

        kformat(to, "%-16s %-8s %3u  %08x ", t->location,
                type_name(t->device_id), t->device_id, t->vendor_id);
        if (dev->irq == DEMO_NO_IRQ)
            kformat(to, "%4s  ", "-");
        else
            kformat(to, "%4u  ", dev->irq);
        kformat(to, "%s\n", dev->dev ? vdrv_device_name(dev->dev) : dev->why);
    }
    kformat(to, "bus: %u devices\n", d->ndevices);
}

void demo_bus_driven(const struct demo *d)
{
    for (uint32_t i = 0; i < d->ndevices; i++) {
        const struct vdrv_transport *t = d->device[i].transport;

        if (d->device[i].dev)
            kprintf("driven: %s, %s, %s, %u vectors\n", t->location,
                    t->flags & VDRV_TRANSPORT_LEGACY ? "legacy" : "modern",
                    vdrv_feature(t->features, RING_PACKED) ? "packed" : "split",
                    d->device[i].nvectors);
    }
}
