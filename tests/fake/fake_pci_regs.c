/* SPDX-License-Identifier: MIT */
/*
 * The modern virtio function on the simulated bus: capabilities, common
 * configuration, notification, ISR, device configuration, the configuration
 * access window and MSI-X (VirtIO 1.4, 4.1.4), with the driver's duties of
 * 4.1.4 and 4.1.5 checked.
 */
#include "fake_priv.h"
#include "fake_pci.h"

#include <string.h>

enum {
    R_DEV_FEATURES_SEL = 0x00,
    R_DEV_FEATURES = 0x04,
    R_DRV_FEATURES_SEL = 0x08,
    R_DRV_FEATURES = 0x0C,
    R_CONFIG_VECTOR = 0x10,
    R_NUM_QUEUES = 0x12,
    R_STATUS = 0x14,
    R_GENERATION = 0x15,
    R_QUEUE_SEL = 0x16,
    R_QUEUE_SIZE = 0x18,
    R_QUEUE_VECTOR = 0x1A,
    R_QUEUE_ENABLE = 0x1C,
    R_QUEUE_NOTIFY_OFF = 0x1E,
    R_QUEUE_DESC = 0x20,
    R_QUEUE_DRIVER = 0x28,
    R_QUEUE_DEVICE = 0x30,
    R_NOTIF_DATA = 0x38,
    R_QUEUE_RESET = 0x3A,
};

#define MSIX_PBA    0x800u
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK   0x4000u

void fake__pci_bad(struct fake_pci_fn *fn, const char *id, const char *what,
                   uint64_t value)
{
    fake_violation(fn->bus->f, id, "%s: %s (%#llx)", fn->dev->name, what,
                   (unsigned long long)value);
}

/* NOTIF_CONFIG_DATA: what a kick carries is the queue's number and this. */
static uint32_t notif_data(const struct fake_pci_fn *fn)
{
    return fake_dev_has(fn->dev, FAKE_F_NOTIF_CONFIG_DATA) ? 0xBE00u : 0;
}

static struct fake_queue *selected(struct fake_pci_fn *fn)
{
    return fake_dev_queue(fn->dev, fn->queue_sel);
}

/* ---- MSI-X ---------------------------------------------------------- */

static uint32_t msix_control(const struct fake_pci_fn *fn)
{
    return fn->cap_msix ? fake_get16(fn->cfg + fn->cap_msix + 2) : 0;
}

static bool vector_open(struct fake_dev *d, uint16_t vector)
{
    struct fake_pci_fn *fn = d->transport;
    bool masked = msix_control(fn) & MSIX_MASK;

    if (vector >= fn->layout.vectors)
        return false;
    masked = masked || (fn->msix[vector * 16 + 12] & 1);
    fn->msix_pending[vector] = masked;
    return !masked;
}

static void fire_pending(struct fake_pci_fn *fn)
{
    for (uint16_t v = 0; v < fn->layout.vectors; v++)
        if (fn->msix_pending[v] && vector_open(fn->dev, v))
            fake_dev_fire(fn->dev, v);
}

static uint32_t msix_read(void *arg, uint64_t off, uint32_t width)
{
    struct fake_pci_fn *fn = arg;
    uint32_t bits = 0;

    (void)width;
    if (off + 4 <= sizeof(fn->msix))
        return fake_get32(fn->msix + off);
    for (uint32_t i = 0; off == MSIX_PBA && i < FAKE_PCI_VECTORS; i++)
        bits |= (uint32_t)fn->msix_pending[i] << i;
    return bits;
}

static void msix_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    struct fake_pci_fn *fn = arg;

    if (width != 4 || off + 4 > fn->layout.vectors * 16)
        fake__pci_bad(fn, "ACCESS", "MSI-X table", off);
    else
        fake_put32(fn->msix + off, value);
    fire_pending(fn);
}

uint32_t fake__pci_set_vector(struct fake_pci_fn *fn, uint32_t value)
{
    if (value != FAKE_NO_VECTOR && value >= fn->layout.vectors)
        fake__pci_bad(fn, "PCI-41", "vector beyond the table", value);
    else if (!fn->vector_fails &&
             (fn->vectors_max == 0 || value < fn->vectors_max))
        return value;
    return FAKE_NO_VECTOR;
}

/* ---- Common configuration ------------------------------------------- */

/* Width of the field at an offset; 0: no field starts there. */
static uint32_t field_width(uint64_t off)
{
    if (off < R_CONFIG_VECTOR || (off >= R_QUEUE_DESC && off < R_NOTIF_DATA))
        return off % 4 ? 0 : 4;
    if (off == R_STATUS || off == R_GENERATION)
        return 1;
    return off % 2 || off >= 0x40 ? 0 : 2;
}

static bool width_ok(struct fake_pci_fn *fn, uint64_t off, uint32_t width)
{
    static const char *const rule[] = {"", "PCI-05", "PCI-06", "", "PCI-07"};
    uint32_t want = field_width(off);

    if (want == width)
        return true;
    fake__pci_bad(fn, rule[want], "wrong width at common offset", off);
    return false;
}

static uint32_t read_size(struct fake_pci_fn *fn, const struct fake_queue *q)
{
    if (fn->queue_size)
        return fn->queue_size < 0 ? 0 : (uint32_t)fn->queue_size;
    return q ? q->size : 0;
}

static uint32_t read_queue(struct fake_pci_fn *fn, uint64_t off)
{
    struct fake_queue *q = selected(fn);
    uint64_t v;

    if (off == R_QUEUE_SIZE)
        return read_size(fn, q);
    if (!q)
        return 0;
    switch (off) {
    case R_QUEUE_VECTOR:
        return q->vector;
    case R_QUEUE_ENABLE:
        return fn->enable_stuck ? 0 : q->ready;
    case R_QUEUE_NOTIFY_OFF:
        return q->notify_off;
    case R_NOTIF_DATA:
        return notif_data(fn) + q->index;
    case R_QUEUE_RESET:
        return fake_queue_resetting(q);
    default:
        v = off >= R_QUEUE_DEVICE   ? q->device
            : off >= R_QUEUE_DRIVER ? q->driver
                                    : q->desc;
        return (uint32_t)(off & 4 ? v >> 32 : v);
    }
}

static uint32_t common_read(struct fake_pci_fn *fn, uint64_t off,
                            uint32_t width)
{
    if (!width_ok(fn, off, width))
        return UINT32_MAX;
    switch (off) {
    case R_DEV_FEATURES_SEL:
        return fn->dev_features_sel;
    case R_DEV_FEATURES:
        return fake_dev_feature_word(fn->dev, fn->dev_features_sel);
    case R_DRV_FEATURES_SEL:
        return fn->drv_features_sel;
    case R_DRV_FEATURES:
        return (uint32_t)(fn->dev->accepted[fn->drv_features_sel / 2 & 1] >>
                          (32 * (fn->drv_features_sel % 2)));
    case R_CONFIG_VECTOR:
        return fn->dev->config_vector;
    case R_NUM_QUEUES:
        return fn->num_queues ? fn->num_queues : fn->dev->n_queues;
    case R_STATUS:
        return fake_dev_get_status(fn->dev);
    case R_GENERATION:
        return fake_dev_generation(fn->dev) & 0xFF;
    case R_QUEUE_SEL:
        return fn->queue_sel;
    default:
        return read_queue(fn, off);
    }
}

static void set_half(uint64_t *v, uint64_t off, uint32_t value)
{
    if (off & 4)
        *v = (*v & UINT32_MAX) | (uint64_t)value << 32;
    else
        *v = (*v & ~(uint64_t)UINT32_MAX) | value;
}

static void write_size(struct fake_pci_fn *fn, struct fake_queue *q,
                       uint32_t value)
{
    bool packed = fake_dev_has(fn->dev, FAKE_F_RING_PACKED);

    if (value == 0 || (!packed && (value & (value - 1))))
        fake__pci_bad(fn, packed ? "PCI-20" : "PCI-21", "queue_size", value);
    else if (value > q->max)
        fake__pci_bad(fn, "PCI-45", "queue_size above the device's", value);
    else
        q->size = (uint16_t)value;
}

static void write_enable(struct fake_pci_fn *fn, struct fake_queue *q,
                         uint32_t value)
{
    if (value != 1)
        fake__pci_bad(fn, "PCI-24", "queue_enable", value);
    else if (!q->ready && !fn->enable_stuck)
        fake_dev_enable_queue(fn->dev, q);
}

static void write_queue_reset(struct fake_pci_fn *fn, struct fake_queue *q,
                              uint32_t value)
{
    if (!fake_dev_has(fn->dev, FAKE_F_RING_RESET) || value != 1)
        fake__pci_bad(fn, "PCI-25", "queue_reset", value);
    else
        fake_queue_ask_reset(q);
}

static void write_queue(struct fake_pci_fn *fn, uint64_t off, uint32_t value)
{
    struct fake_queue *q = selected(fn);

    if (!q || (off == R_QUEUE_NOTIFY_OFF || off == R_NOTIF_DATA)) {
        fake__pci_bad(fn, q ? "PCI-19" : "PCI-18", "write to common offset",
                      off);
        return;
    }
    if (off == R_QUEUE_ENABLE) {
        write_enable(fn, q, value);
        return;
    }
    if (off == R_QUEUE_RESET) {
        write_queue_reset(fn, q, value);
        return;
    }
    if (q->ready)
        fake__pci_bad(fn, "PCI-22", "queue is enabled, common offset", off);
    if (off == R_QUEUE_SIZE)
        write_size(fn, q, value);
    else if (off == R_QUEUE_VECTOR)
        q->vector = (uint16_t)fake__pci_set_vector(fn, value);
    else if (off >= R_QUEUE_DEVICE)
        set_half(&q->device, off, value);
    else if (off >= R_QUEUE_DRIVER)
        set_half(&q->driver, off, value);
    else
        set_half(&q->desc, off, value);
}

static void common_write(struct fake_pci_fn *fn, uint64_t off, uint32_t width,
                         uint32_t value)
{
    if (!width_ok(fn, off, width))
        return;
    switch (off) {
    case R_DEV_FEATURES_SEL:
        fn->dev_features_sel = value;
        break;
    case R_DRV_FEATURES_SEL:
        fn->drv_features_sel = value;
        break;
    case R_DRV_FEATURES:
        fake_dev_accept_word(fn->dev, fn->drv_features_sel, value);
        break;
    case R_CONFIG_VECTOR:
        fn->dev->config_vector = (uint16_t)fake__pci_set_vector(fn, value);
        break;
    case R_DEV_FEATURES:
    case R_NUM_QUEUES:
    case R_GENERATION:
        fake__pci_bad(fn, "PCI-19", "write to read-only common offset", off);
        break;
    case R_STATUS:
        fake_dev_set_status(fn->dev, value);
        break;
    case R_QUEUE_SEL:
        fn->queue_sel = value;
        break;
    default:
        write_queue(fn, off, value);
    }
}

/* ---- Notification, ISR ---------------------------------------------- */

static void notify_width(struct fake_pci_fn *fn, uint32_t width)
{
    bool wide = fake_dev_has(fn->dev, FAKE_F_NOTIFICATION_DATA);

    if (width != (wide ? 4u : 2u))
        fake__pci_bad(fn, wide ? "PCI-48" : "PCI-47", "width of a kick", width);
}

static void notify_write(struct fake_pci_fn *fn, uint64_t off, uint32_t width,
                         uint32_t value)
{
    const uint32_t index = (value & 0xFFFFu) - notif_data(fn);
    const struct fake_queue *q = fake_dev_queue(fn->dev, index);

    notify_width(fn, width);
    if (!(fn->cfg[4] & FAKE_PCI_MASTER))
        fake__pci_bad(fn, "PCI-DMA", "kick without bus mastering", fn->cfg[4]);
    if (q && off != (uint64_t)q->notify_off * fn->layout.notify_mul)
        fake__pci_bad(fn, "PCI-28", "kick at the wrong place", off);
    if (q == NULL) /* PCI-49 to PCI-52 */
        fake__pci_bad(fn, "PCI-49", "value of a kick", value);
    fake_dev_kick(fn->dev, index, value);
}

uint32_t fake__pci_isr(struct fake_pci_fn *fn)
{
    uint32_t isr = fn->dev->isr;

    /* 4.1.4.5: reading clears. */
    fake_dev_isr_ack(fn->dev, isr);
    return isr;
}

/* ---- The BAR that holds them all ------------------------------------ */

static bool within(uint64_t off, uint32_t start, uint32_t len)
{
    return off >= start && off - start < len;
}

static uint32_t bar_read(void *arg, uint64_t off, uint32_t width)
{
    struct fake_pci_fn *fn = arg;

    if (within(off, fn->off_common, fn->layout.common_len))
        return common_read(fn, off - fn->off_common, width);
    if (off == fn->off_isr && width == 1)
        return fake__pci_isr(fn);
    if (within(off, fn->off_device, fn->dev->config_len))
        return fake_dev_config_read(fn->dev, off - fn->off_device, width);
    fake__pci_bad(fn, "ACCESS", "read outside the structures", off);
    return UINT32_MAX;
}

static void bar_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    struct fake_pci_fn *fn = arg;

    if (within(off, fn->off_common, fn->layout.common_len))
        common_write(fn, off - fn->off_common, width, value);
    else if (within(off, fn->off_notify, fn->layout.notify_len))
        notify_write(fn, off - fn->off_notify, width, value);
    else if (within(off, fn->off_device, fn->dev->config_len))
        fake_dev_config_write(fn->dev, off - fn->off_device, width, value);
    else
        fake__pci_bad(fn, "ACCESS", "write outside the structures", off);
}

/* ---- Configuration access window (4.1.4.9) -------------------------- */

static bool window(struct fake_pci_fn *fn, uint32_t *off, uint32_t *len)
{
    const uint8_t *c = fn->cfg + fn->cap_pci;

    *off = fake_get32(c + 8);
    *len = fake_get32(c + 12);
    if (c[4] == fn->layout.bar && (*len == 1 || *len == 2 || *len == 4) &&
        *off % *len == 0)
        return true;
    fake__pci_bad(fn, *len && *off % *len ? "PCI-34" : "PCI-36", "window at",
                  *off);
    return false;
}

static bool in_window(const struct fake_pci_fn *fn, uint32_t off)
{
    return fn->cap_pci && off >= fn->cap_pci + 16 && off < fn->cap_pci + 20;
}

void fake__pci_before_read(struct fake_pci_fn *fn, uint32_t off)
{
    uint32_t at, len;

    fn->window_accesses += in_window(fn, off);
    if (in_window(fn, off) && window(fn, &at, &len))
        fake_put32(fn->cfg + fn->cap_pci + 16, bar_read(fn, at, len));
    fn->cfg[6] = (uint8_t)((fn->cfg[6] & ~8) | (fn->dev->isr ? 8 : 0));
}

static void set_line(struct fake_dev *d)
{
    struct fake_pci_fn *fn = d->transport;

    d->line_off = fn->cfg[5] & FAKE_PCI_INTX_OFF >> 8;
    fn->intx = d->isr && !d->msix && !d->line_off;
}

/* PCI-16: virtio capabilities are read-only, but for the window. */
static void check_cap_write(struct fake_pci_fn *fn, uint32_t off)
{
    for (uint32_t type = FAKE_CAP_COMMON; type <= FAKE_CAP_DEVICE; type++) {
        uint32_t at = fake_pci_cap_at(fn, type);

        if (at && within(off, at, fn->cfg[at + 2]))
            fake__pci_bad(fn, "PCI-16", "write to a capability", off);
    }
}

void fake__pci_after_write(struct fake_pci_fn *fn, uint32_t off)
{
    uint32_t at, len;

    check_cap_write(fn, off);
    fn->window_accesses += in_window(fn, off);
    if (in_window(fn, off) && window(fn, &at, &len))
        bar_write(fn, at, len,
                  fake_get32(fn->cfg + fn->cap_pci + 16) &
                      (len == 4 ? UINT32_MAX : (1u << 8 * len) - 1));
    fn->dev->msix = msix_control(fn) & MSIX_ENABLE;
    fire_pending(fn);
    set_line(fn->dev);
}

void fake__pci_lost(struct fake_pci_fn *fn)
{
    memset(fn->msix, 0, sizeof(fn->msix));
    memset(fn->msix_pending, 0, sizeof(fn->msix_pending));
    for (uint32_t v = 0; v < FAKE_PCI_VECTORS; v++)
        fn->msix[16 * v + 12] = 1; /* masked */
    fn->dev_features_sel = fn->drv_features_sel = fn->queue_sel = 0;
    fn->dev->msix = false;
    fake_dev_set_status(fn->dev, 0);
    fn->dev->was_reset = fn->dev->reset_seen = false;
}

uint32_t fake_pci_shared(struct fake_pci_fn *fn, uint8_t id, uint8_t bar,
                         uint64_t offset, uint64_t length)
{
    uint8_t *cap;
    uint32_t at = 0xE4;

    while (fn->cfg[at]) /* from the end: the list has the space before it */
        at -= 24;
    cap = fn->cfg + at;
    cap[0] = 0x09;
    cap[1] = fn->cfg[0x34];
    cap[2] = 24;
    cap[3] = FAKE_CAP_SHARED;
    cap[4] = bar;
    cap[5] = id;
    fake_put32(cap + 8, (uint32_t)offset);
    fake_put32(cap + 12, (uint32_t)length);
    fake_put32(cap + 16, (uint32_t)(offset >> 32));
    fake_put32(cap + 20, (uint32_t)(length >> 32));
    fn->cfg[0x34] = (uint8_t)at;
    return at;
}

/* ---- Building it ---------------------------------------------------- */

static struct fake_pci_cap virtio_cap(const struct fake_pci_fn *fn,
                                      uint8_t type, uint32_t off, uint32_t len)
{
    struct fake_pci_cap c = {.id = 0x09, .len = 16};

    if (type == FAKE_CAP_NOTIFY || type == FAKE_CAP_PCI)
        c.len = 20;
    c.bytes[0] = c.len;
    c.bytes[1] = type;
    c.bytes[2] = type == FAKE_CAP_PCI ? 0 : (uint8_t)fn->layout.bar;
    fake_put32(c.bytes + 6, off);
    fake_put32(c.bytes + 10, len);
    if (type == FAKE_CAP_NOTIFY)
        fake_put32(c.bytes + 14, fn->layout.notify_mul);
    return c;
}

static uint32_t msix_bar(const struct fake_pci_fn *fn)
{
    return fn->layout.bar <= 1 ? 2 : 1;
}

static struct fake_pci_cap msix_cap(const struct fake_pci_fn *fn)
{
    struct fake_pci_cap c = {.id = 0x11, .len = 12};

    fake_put16(c.bytes, fn->layout.vectors - 1);
    fake_put32(c.bytes + 2, msix_bar(fn));
    fake_put32(c.bytes + 6, MSIX_PBA | msix_bar(fn));
    return c;
}

uint32_t fake_pci_cap_at(const struct fake_pci_fn *fn, uint32_t cfg_type)
{
    uint32_t at = fn->cfg[0x34];

    for (int i = 0; at && i < 48; i++) {
        if (fn->cfg[at] == 0x09 && fn->cfg[at + 3] == cfg_type)
            return at;
        at = fn->cfg[at + 1];
    }
    return 0;
}

static unsigned virtio_caps(const struct fake_pci_fn *fn,
                            struct fake_pci_cap *cap)
{
    const struct fake_pci_layout *l = &fn->layout;
    unsigned n = 0;

    cap[n++] = virtio_cap(fn, FAKE_CAP_COMMON, fn->off_common, l->common_len);
    cap[n++] = virtio_cap(fn, FAKE_CAP_ISR, fn->off_isr, 1);
    cap[n++] =
        virtio_cap(fn, FAKE_CAP_DEVICE, fn->off_device, fn->dev->config_len);
    cap[n++] = virtio_cap(fn, FAKE_CAP_NOTIFY, fn->off_notify, l->notify_len);
    if (!l->no_pci_cap)
        cap[n++] = virtio_cap(fn, FAKE_CAP_PCI, 0, 0);
    return n;
}

static void add_caps(struct fake_pci_fn *fn)
{
    struct fake_pci_layout *l = &fn->layout;
    struct fake_pci_cap cap[6];
    unsigned n = 0;
    uint32_t at = FAKE_PCI_FIRST;

    if (l->vectors) {
        cap[n++] = msix_cap(fn);
        fn->cap_msix = at;
    }
    if (l->interface != FAKE_PCI_LEGACY)
        n += virtio_caps(fn, cap + n);
    fake_pci_caps(fn, cap, n);
    fn->cap_pci = fake_pci_cap_at(fn, FAKE_CAP_PCI);
    if (fn->cap_pci) {
        fn->mask[fn->cap_pci + 4] = 0xFF;
        memset(fn->mask + fn->cap_pci + 8, 0xFF, 12);
    }
    if (fn->cap_msix)
        fn->mask[fn->cap_msix + 3] = (MSIX_ENABLE | MSIX_MASK) >> 8;
}

static uint32_t or_default(uint32_t v, uint32_t value)
{
    if (v == UINT32_MAX)
        return 0;
    return v ? v : value;
}

static void defaults(struct fake_pci_fn *fn)
{
    struct fake_pci_layout *l = &fn->layout;

    l->bar = l->bar_zero ? 0 : or_default(l->bar, 4);
    l->bar_kind = or_default(l->bar_kind, FAKE_BAR_MEM64 | FAKE_BAR_PREFETCH);
    l->common_len = or_default(l->common_len, 0x40);
    l->notify_mul = or_default(l->notify_mul, 4);
    l->notify_len = or_default(l->notify_len, 0x1000);
    l->vectors = or_default(l->vectors, 4);
    if (!l->bar_size)
        l->bar_size = 0x4000;
    if (!l->device_id && l->interface != FAKE_PCI_MODERN)
        l->device_id = (uint16_t)(0x1000 + fn->dev->type - 1);
    if (!l->device_id)
        l->device_id = (uint16_t)(0x1040 + fn->dev->type);
    fn->off_common = 0;
    fn->off_isr = 0x1000;
    fn->off_device = 0x2000;
    fn->off_notify = 0x3000;
}

static void identity(struct fake_pci_fn *fn)
{
    static const uint8_t class_code[][2] = {{0, 0}, {2, 0}, {1, 0}};

    fn->cfg[0x08] = 1; /* revision: not transitional */
    if (fn->dev->type <= 2) {
        fn->cfg[0x0B] = class_code[fn->dev->type][0];
        fn->cfg[0x0A] = class_code[fn->dev->type][1];
    } else {
        fn->cfg[0x0B] = 3; /* display */
        fn->cfg[0x0A] = 0x80;
    }
    fake_put16(fn->cfg + 0x2C, 0x1AF4);
    fake_put16(fn->cfg + 0x2E, 0x1100);
    fn->cfg[0x3D] = 1; /* INTA */
    if (fn->layout.interface != FAKE_PCI_MODERN) {
        fn->cfg[0x08] = 0;
        fake_put16(fn->cfg + 0x2E, fn->dev->type);
    }
}

static void modern_bar(struct fake_pci_fn *fn)
{
    struct fake_region *r = &fn->bar[fn->layout.bar].region;

    fake_pci_set_bar(fn, fn->layout.bar, fn->layout.bar_kind,
                     fn->layout.bar_size);
    r->read = bar_read;
    r->write = bar_write;
    r->name = fn->dev->name;
}

void fake_pci_virtio(struct fake_pci_fn *fn, struct fake_pci *p,
                     struct fake_pci_fn *parent, uint32_t devfn,
                     struct fake_dev *dev, const struct fake_pci_layout *layout)
{
    struct fake_pci_layout l = layout ? *layout : (struct fake_pci_layout){0};

    fake_pci_add(fn, p, parent, devfn, 0x1AF4, 0);
    fn->dev = dev;
    fn->layout = l;
    defaults(fn);
    fake_put16(fn->cfg + 2, fn->layout.device_id);
    identity(fn);
    if (l.interface != FAKE_PCI_LEGACY)
        modern_bar(fn);
    if (l.interface != FAKE_PCI_MODERN)
        fake__pci_legacy(fn);
    if (fn->layout.vectors) {
        uint32_t i = msix_bar(fn);

        fake_pci_set_bar(fn, i, FAKE_BAR_MEM32, 0x1000);
        fn->bar[i].region.read = msix_read;
        fn->bar[i].region.write = msix_write;
    }
    add_caps(fn);
    dev->transport = fn;
    dev->line = set_line;
    dev->vector_open = vector_open;
    if (!l.bars_unset)
        fake_pci_assign(fn);
}
