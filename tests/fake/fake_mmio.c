/* SPDX-License-Identifier: MIT */
/*
 * Register model of a virtio-mmio slot, VirtIO 1.4 section 4.2.2, with the
 * driver's duties of 4.2.2.2 checked.
 */
#include "fake_mmio.h"

#include <string.h>

enum {
    R_MAGIC = 0x000,
    R_VERSION = 0x004,
    R_DEVICE_ID = 0x008,
    R_VENDOR_ID = 0x00C,
    R_DEV_FEATURES = 0x010,
    R_DEV_FEATURES_SEL = 0x014,
    R_DRV_FEATURES = 0x020,
    R_DRV_FEATURES_SEL = 0x024,
    R_PAGE_SIZE = 0x028,
    R_QUEUE_SEL = 0x030,
    R_QUEUE_SIZE_MAX = 0x034,
    R_QUEUE_SIZE = 0x038,
    R_QUEUE_ALIGN = 0x03C,
    R_QUEUE_PFN = 0x040,
    R_QUEUE_READY = 0x044,
    R_QUEUE_NOTIFY = 0x050,
    R_INTERRUPT_STATUS = 0x060,
    R_INTERRUPT_ACK = 0x064,
    R_STATUS = 0x070,
    R_QUEUE_DESC = 0x080,
    R_QUEUE_DRIVER = 0x090,
    R_QUEUE_DEVICE = 0x0A0,
    R_SHM_SEL = 0x0AC,
    R_SHM_LEN = 0x0B0,
    R_SHM_BASE = 0x0B8,
    R_QUEUE_RESET = 0x0C0,
    R_GENERATION = 0x0FC,
    R_CONFIG = 0x100,
};

static uint32_t mmio_bad(struct fake_mmio *m, const char *id, const char *what,
                         uint64_t off)
{
    fake_violation(m->f, id, "%s: %s %#llx", m->region.name, what,
                   (unsigned long long)off);
    return UINT32_MAX;
}

/* MMIO-29, MMIO-10: nothing else is touched on what is no device. */
static void check_present(struct fake_mmio *m, uint64_t off)
{
    if (!m->dev || m->device_id == 0)
        mmio_bad(m, "MMIO-29", "empty slot, register", off);
    else if (m->magic != 0x74726976 || m->version != (m->legacy ? 1 : 2))
        mmio_bad(m, "MMIO-10", "not a device to drive, register", off);
}

static struct fake_queue *selected(struct fake_mmio *m)
{
    return fake_dev_queue(m->dev, m->queue_sel);
}

/* ---- Reads ---------------------------------------------------------- */

static uint32_t read_ready(struct fake_mmio *m)
{
    struct fake_queue *q = selected(m);

    if (m->queue_ready == FAKE_READY_SET)
        return 1;
    if (m->queue_ready == FAKE_READY_CLEAR || !q)
        return 0;
    return q->ready;
}

static uint32_t read_queue_max(struct fake_mmio *m)
{
    struct fake_queue *q = selected(m);

    if (m->no_queues || !q)
        return 0;
    return m->queue_max ? m->queue_max : q->max;
}

static uint32_t read_shm(struct fake_mmio *m, uint64_t off)
{
    uint64_t v = off >= R_SHM_BASE ? m->shm_base : m->shm_len;

    /* 4.2.2.1: a region that is not there has the length -1. */
    if (m->shm_sel != m->shm_id)
        return UINT32_MAX;
    return (uint32_t)(off & 4 ? v >> 32 : v);
}

/* Registers that one version has and the other does not. */
static bool of_other_version(const struct fake_mmio *m, uint64_t off)
{
    if (off == R_PAGE_SIZE || off == R_QUEUE_ALIGN || off == R_QUEUE_PFN)
        return !m->legacy;
    return m->legacy &&
           (off == R_QUEUE_READY || (off >= R_QUEUE_DESC && off < R_CONFIG));
}

static uint32_t read_pfn(struct fake_mmio *m)
{
    if (m->queue_ready == FAKE_READY_SET)
        return 0x12345;
    if (m->queue_ready == FAKE_READY_CLEAR || !selected(m))
        return 0;
    return selected(m)->ready ? m->pfn[m->queue_sel] : 0;
}

static uint32_t read_device(struct fake_mmio *m, uint64_t off)
{
    if (of_other_version(m, off))
        return mmio_bad(m, "LEG-02", "read of another version's", off);
    switch (off) {
    case R_DEV_FEATURES:
        return fake_dev_feature_word(m->dev, m->dev_features_sel);
    case R_QUEUE_SIZE_MAX:
        return read_queue_max(m);
    case R_QUEUE_READY:
        return read_ready(m);
    case R_QUEUE_PFN:
        return read_pfn(m);
    case R_INTERRUPT_STATUS:
        return m->isr_always ? m->isr_always : m->dev->isr;
    case R_STATUS:
        return fake_dev_get_status(m->dev);
    case R_SHM_LEN:
    case R_SHM_LEN + 4:
    case R_SHM_BASE:
    case R_SHM_BASE + 4:
        return read_shm(m, off);
    case R_QUEUE_RESET:
        return selected(m) ? fake_queue_resetting(selected(m)) : 0;
    case R_GENERATION:
        return fake_dev_generation(m->dev);
    case R_DEV_FEATURES_SEL:
    case R_DRV_FEATURES:
    case R_DRV_FEATURES_SEL:
    case R_QUEUE_SEL:
    case R_QUEUE_SIZE:
    case R_QUEUE_NOTIFY:
    case R_INTERRUPT_ACK:
    case R_SHM_SEL:
        return mmio_bad(m, "MMIO-03", "read of write-only", off);
    default:
        return mmio_bad(m, "MMIO-01", "read of unknown", off);
    }
}

static uint32_t mmio_read(void *arg, uint64_t off, uint32_t width)
{
    struct fake_mmio *m = arg;

    if (off >= R_CONFIG) {
        check_present(m, off);
        return m->dev ? fake_dev_config_read(m->dev, off - R_CONFIG, width)
                      : UINT32_MAX;
    }
    if (width != 4)
        mmio_bad(m, "MMIO-04", "access not 4 bytes wide", off);
    switch (off) {
    case R_MAGIC:
        return m->magic;
    case R_VERSION:
        return m->version;
    case R_DEVICE_ID:
        return m->device_id;
    case R_VENDOR_ID:
        return m->vendor_id;
    default:
        check_present(m, off);
        return m->dev ? read_device(m, off) : UINT32_MAX;
    }
}

/* ---- Writes --------------------------------------------------------- */

static void write_ready(struct fake_mmio *m, struct fake_queue *q,
                        uint32_t value)
{
    if (value == 1 && !q->ready && m->queue_ready != FAKE_READY_CLEAR)
        fake_dev_enable_queue(m->dev, q);
    else if (value == 0 && q->ready && m->queue_ready != FAKE_READY_STICKY)
        fake_queue_reset(q);
    else if (value > 1)
        mmio_bad(m, "MMIO-18", "QueueReady", value);
}

static void set_half(uint64_t *v, uint64_t off, uint32_t value)
{
    if (off & 4)
        *v = (*v & UINT32_MAX) | (uint64_t)value << 32;
    else
        *v = (*v & ~(uint64_t)UINT32_MAX) | value;
}

static void write_size(struct fake_mmio *m, struct fake_queue *q,
                       uint32_t value)
{
    if (value == 0 || value > read_queue_max(m))
        mmio_bad(m, "MMIO-16", "QueueSize", value);
    else
        q->size = (uint16_t)value;
}

/* 4.2.4: pages of the guest's, and the used ring at the next `align`. */
static void write_pfn(struct fake_mmio *m, struct fake_queue *q, uint32_t value)
{
    const uint64_t align = m->align[q->index];

    if (value == 0) {
        fake_queue_reset(q);
        return;
    }
    if (m->page_size == 0 || align == 0) {
        mmio_bad(m, "LEG-07", "QueuePFN before page size or alignment", value);
        return;
    }
    m->pfn[q->index] = value;
    q->desc = (uint64_t)value * m->page_size;
    q->driver = q->desc + 16 * (uint64_t)q->size;
    q->device =
        (q->driver + 6 + 2 * (uint64_t)q->size + align - 1) & ~(align - 1);
    if (m->queue_ready != FAKE_READY_CLEAR)
        fake_dev_enable_queue(m->dev, q);
}

static void write_align(struct fake_mmio *m, struct fake_queue *q,
                        uint32_t value)
{
    if (value == 0 || (value & (value - 1)))
        mmio_bad(m, "LEG-07", "QueueAlign", value);
    m->align[q->index] = value;
}

/* Registers of the selected queue. */
static void write_queue(struct fake_mmio *m, uint64_t off, uint32_t value)
{
    struct fake_queue *q = selected(m);

    if (!q || m->no_queues) {
        mmio_bad(m, "MMIO-36", "no such queue, register", off);
        return;
    }
    if (off == R_QUEUE_READY) {
        write_ready(m, q, value);
        return;
    }
    if (off == R_QUEUE_PFN) {
        write_pfn(m, q, value);
        return;
    }
    if (off == R_QUEUE_RESET) {
        if (!fake_dev_has(m->dev, FAKE_F_RING_RESET))
            mmio_bad(m, "MMIO-23", "QueueReset was not negotiated", value);
        else if (value == 1)
            fake_queue_ask_reset(q);
        return;
    }
    if (q->ready)
        mmio_bad(m, "MMIO-17", "queue is ready, register", off);
    if (off == R_QUEUE_SIZE)
        write_size(m, q, value);
    else if (off == R_QUEUE_ALIGN)
        write_align(m, q, value);
    else if (off >= R_QUEUE_DEVICE)
        set_half(&q->device, off, value);
    else if (off >= R_QUEUE_DRIVER)
        set_half(&q->driver, off, value);
    else
        set_half(&q->desc, off, value);
}

static void write_ack(struct fake_mmio *m, uint32_t value)
{
    if (value & ~3u)
        mmio_bad(m, "MMIO-22", "InterruptACK", value);
    fake_dev_isr_ack(m->dev, value);
}

static void write_kick(struct fake_mmio *m, uint32_t value)
{
    uint32_t index = value;

    /* 4.2.3.3: with NOTIFICATION_DATA the index is the lower half. */
    if (fake_dev_has(m->dev, FAKE_F_NOTIFICATION_DATA))
        index = value & 0xFFFF;
    fake_dev_kick(m->dev, index, value);
}

static void write_page_size(struct fake_mmio *m, uint32_t value)
{
    if (value == 0 || (value & (value - 1)))
        mmio_bad(m, "LEG-07", "GuestPageSize", value);
    m->page_size = value;
}

static void write_device(struct fake_mmio *m, uint64_t off, uint32_t value)
{
    if (of_other_version(m, off)) {
        mmio_bad(m, "LEG-02", "write of another version's", off);
        return;
    }
    switch (off) {
    case R_DEV_FEATURES_SEL:
        m->dev_features_sel = value;
        break;
    case R_DRV_FEATURES:
        fake_dev_accept_word(m->dev, m->drv_features_sel, value);
        break;
    case R_DRV_FEATURES_SEL:
        m->drv_features_sel = value;
        break;
    case R_QUEUE_SEL:
        m->queue_sel = value;
        break;
    case R_QUEUE_NOTIFY:
        write_kick(m, value);
        break;
    case R_INTERRUPT_ACK:
        write_ack(m, value);
        break;
    case R_STATUS:
        if (value == 0) /* forgotten in a reset, as QEMU does */
            m->page_size = 0;
        fake_dev_set_status(m->dev, value);
        break;
    case R_PAGE_SIZE:
        write_page_size(m, value);
        break;
    case R_SHM_SEL:
        m->shm_sel = value;
        break;
    case R_QUEUE_SIZE:
    case R_QUEUE_READY:
    case R_QUEUE_DESC:
    case R_QUEUE_DESC + 4:
    case R_QUEUE_DRIVER:
    case R_QUEUE_DRIVER + 4:
    case R_QUEUE_DEVICE:
    case R_QUEUE_DEVICE + 4:
    case R_QUEUE_RESET:
    case R_QUEUE_ALIGN:
    case R_QUEUE_PFN:
        write_queue(m, off, value);
        break;
    default:
        mmio_bad(m, "MMIO-02", "write of read-only or unknown", off);
    }
}

static void mmio_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    struct fake_mmio *m = arg;

    check_present(m, off);
    if (!m->dev)
        return;
    if (off >= R_CONFIG) {
        fake_dev_config_write(m->dev, off - R_CONFIG, width, value);
        return;
    }
    if (width != 4)
        mmio_bad(m, "MMIO-04", "access not 4 bytes wide", off);
    write_device(m, off, value);
}

/* ---- Life ----------------------------------------------------------- */

static void mmio_line(struct fake_dev *d)
{
    struct fake_mmio *m = d->transport;

    m->line = d->isr != 0;
}

void fake_mmio_init(struct fake_mmio *m, struct fake *f, struct fake_dev *dev,
                    uint64_t phys, uint64_t len)
{
    memset(m, 0, sizeof(*m));
    m->f = f;
    m->dev = dev;
    m->magic = 0x74726976; /* "virt" */
    m->version = 2;
    m->device_id = dev ? dev->type : 0;
    m->vendor_id = 0x554D4551;
    m->shm_len = UINT64_MAX;
    m->region.name = dev ? dev->name : "empty slot";
    m->region.space = VDRV_SPACE_MEMORY;
    m->region.phys = phys;
    m->region.len = len ? len : FAKE_MMIO_SIZE;
    m->region.read = mmio_read;
    m->region.write = mmio_write;
    m->region.arg = m;
    fake_region_add(f, &m->region);
    if (dev) {
        dev->transport = m;
        dev->line = mmio_line;
    }
}

void fake_mmio_legacy(struct fake_mmio *m)
{
    m->legacy = true;
    m->version = 1;
    fake_dev_set_legacy(m->dev);
}

void fake_mmio_fini(struct fake_mmio *m)
{
    fake_region_del(m->f, &m->region);
}
