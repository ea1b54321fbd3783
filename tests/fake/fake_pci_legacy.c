/* SPDX-License-Identifier: MIT */
/*
 * The legacy registers of a virtio function, in BAR 0 (VirtIO 1.4, 4.1.4.10),
 * with the driver's duties of the legacy sections checked.
 */
#include "fake_priv.h"
#include "fake_pci.h"

enum {
    R_DEV_FEATURES = 0x00,
    R_DRV_FEATURES = 0x04,
    R_QUEUE_PFN = 0x08,
    R_QUEUE_SIZE = 0x0C,
    R_QUEUE_SEL = 0x0E,
    R_NOTIFY = 0x10,
    R_STATUS = 0x12,
    R_ISR = 0x13,
    R_CONFIG_VECTOR = 0x14,
    R_QUEUE_VECTOR = 0x16,
};

#define PAGE UINT64_C(4096)

/* LEG-18: the configuration starts where the registers end. */
static uint32_t config_start(const struct fake_pci_fn *fn)
{
    return fn->dev->msix ? 0x18 : 0x14;
}

static uint32_t field_width(uint64_t off)
{
    if (off <= R_QUEUE_PFN)
        return off % 4 ? 0 : 4;
    if (off == R_STATUS || off == R_ISR)
        return 1;
    return off % 2 ? 0 : 2;
}

static struct fake_queue *selected(const struct fake_pci_fn *fn)
{
    return fake_dev_queue(fn->dev, fn->queue_sel);
}

static uint32_t queue_pfn(const struct fake_pci_fn *fn)
{
    const struct fake_queue *q = selected(fn);

    if (!q || !q->ready)
        return fn->pfn_before;
    return (uint32_t)(q->desc / PAGE);
}

static uint32_t queue_size(const struct fake_pci_fn *fn)
{
    const struct fake_queue *q = selected(fn);

    if (fn->queue_size)
        return fn->queue_size < 0 ? 0 : (uint32_t)fn->queue_size;
    return q ? q->max : 0;
}

static uint32_t header_read(struct fake_pci_fn *fn, uint64_t off)
{
    const struct fake_queue *q = selected(fn);

    switch (off) {
    case R_DEV_FEATURES:
        return fake_dev_feature_word(fn->dev, 0);
    case R_DRV_FEATURES:
        return (uint32_t)fn->dev->accepted[0];
    case R_QUEUE_PFN:
        return queue_pfn(fn);
    case R_QUEUE_SIZE:
        return queue_size(fn);
    case R_QUEUE_SEL:
        return fn->queue_sel;
    case R_STATUS:
        return fake_dev_get_status(fn->dev);
    case R_ISR:
        return fake__pci_isr(fn);
    case R_CONFIG_VECTOR:
        return fn->dev->config_vector;
    case R_QUEUE_VECTOR:
        return q ? q->vector : FAKE_NO_VECTOR;
    default:
        return 0;
    }
}

/* LEG-07, LEG-24: one block of pages, found by its number. */
static void write_pfn(struct fake_pci_fn *fn, uint32_t value)
{
    struct fake_queue *q = selected(fn);

    if (!q) {
        fake__pci_bad(fn, "PCI-18", "page of no queue", value);
        return;
    }
    if (value == 0) {
        fake_queue_reset(q);
        return;
    }
    if (q->ready)
        fake__pci_bad(fn, "LEG-28", "page of a queue in use", value);
    q->size = q->max;
    q->desc = value * PAGE;
    q->driver = q->desc + 16 * (uint64_t)q->size;
    q->device =
        (q->driver + 6 + 2 * (uint64_t)q->size + PAGE - 1) & ~(PAGE - 1);
    if (!fn->enable_stuck)
        fake_dev_enable_queue(fn->dev, q);
}

static void notify(struct fake_pci_fn *fn, uint32_t value)
{
    if (!(fn->cfg[4] & FAKE_PCI_MASTER))
        fake__pci_bad(fn, "PCI-DMA", "kick without bus mastering", fn->cfg[4]);
    fake_dev_kick(fn->dev, value, value);
}

static void header_write(struct fake_pci_fn *fn, uint64_t off, uint32_t value)
{
    struct fake_queue *q = selected(fn);

    switch (off) {
    case R_DRV_FEATURES:
        fake_dev_accept_word(fn->dev, 0, value);
        break;
    case R_QUEUE_PFN:
        write_pfn(fn, value);
        break;
    case R_QUEUE_SEL:
        fn->queue_sel = value;
        break;
    case R_NOTIFY:
        notify(fn, value);
        break;
    case R_STATUS:
        fake_dev_set_status(fn->dev, value);
        break;
    case R_CONFIG_VECTOR:
        fn->dev->config_vector = (uint16_t)fake__pci_set_vector(fn, value);
        break;
    case R_QUEUE_VECTOR:
        if (q)
            q->vector = (uint16_t)fake__pci_set_vector(fn, value);
        break;
    default: /* LEG-25: the size cannot be chosen */
        fake__pci_bad(fn, "LEG-25", "write to read-only register", off);
    }
}

static bool in_header(struct fake_pci_fn *fn, uint64_t off, uint32_t width)
{
    fn->legacy_accesses++;
    if (!fn->dev->legacy)
        fake__pci_bad(fn, "LEG-21", "a modern device's legacy register", off);
    if (off >= config_start(fn))
        return false;
    if (field_width(off) != width)
        fake__pci_bad(fn, "LEG-02", "wrong width at legacy register", off);
    return true;
}

static uint32_t legacy_read(void *arg, uint64_t off, uint32_t width)
{
    struct fake_pci_fn *fn = arg;

    if (in_header(fn, off, width))
        return header_read(fn, off);
    return fake_dev_config_read(fn->dev, off - config_start(fn), width);
}

static void legacy_write(void *arg, uint64_t off, uint32_t width,
                         uint32_t value)
{
    struct fake_pci_fn *fn = arg;

    if (in_header(fn, off, width))
        header_write(fn, off, value);
    else
        fake_dev_config_write(fn->dev, off - config_start(fn), width, value);
}

void fake__pci_legacy(struct fake_pci_fn *fn)
{
    const struct fake_pci_layout *l = &fn->layout;
    struct fake_region *r = &fn->bar[0].region;

    fake_pci_set_bar(fn, 0, l->legacy_kind ? l->legacy_kind : FAKE_BAR_IO,
                     l->legacy_size ? l->legacy_size : 0x80);
    r->read = legacy_read;
    r->write = legacy_write;
    r->name = "legacy registers";
    if (l->interface == FAKE_PCI_LEGACY)
        fake_dev_set_legacy(fn->dev);
}
