/* SPDX-License-Identifier: MIT */
/*
 * Finding the structures of a virtio PCI function: the capability list, the
 * BARs it names, and mapping what it describes (VirtIO 1.4, 4.1.3 and 4.1.4).
 * All that a device says is read once and checked in vdrv_pci_check.c.
 */
#include "../core/reg.h"
#include "../spec/pci_config.h"
#include "../spec/virtio_pci.h"
#include "vdrv_pci_impl.h"

#define TYPES    (VIRTIO_PCI_CAP_DEVICE_CFG + 1) /* 1 to 4 are of interest */
#define BARS     (VIRTIO_PCI_BAR_LAST + 1)
#define ALL_ONES 0xffffffffu

/* As much of a structure as is mapped; longer ones are fine (4.1.4.1). */
#define CONFIG_MAX 4096u
#define NOTIFY_MAX (4u << 20) /* 1024 queues with a page each */

/* What a probe has learned so far. */
struct scan {
    struct vdrv_pci *pci;
    const struct vdrv_pci_access *access;          /* what may be used */
    const struct vdrv__pci_fault *unusable[TYPES]; /* why, for the first */
    const struct vdrv__pci_fault *bar_fault[BARS];
    struct vdrv_pci_bar bar[BARS];
    uint32_t sized;  /* BARs read so far, as bits */
    uint32_t decode; /* bits for the command register */
    uint32_t seen;   /* structure types that have a capability, as bits */
};

static uint32_t get(const struct vdrv_pci *pci, uint32_t reg, uint32_t width)
{
    return pci->bus->read(pci->bus->ctx, pci->fn, reg, width);
}

static void log_text(const struct vdrv_pci *pci, uint32_t level,
                     const char *text)
{
    vdrv_transport_log(&pci->transport, level, text, NULL);
}

static void log_value(const struct vdrv_pci *pci, uint32_t level,
                      const char *text, uint64_t value)
{
    vdrv_transport_log(&pci->transport, level, text, &value);
}

/* ---- Mapping ------------------------------------------------------------ */

static struct vdrv_pci_region *region_of(struct vdrv_pci *pci, uint32_t type)
{
    switch (type) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        return &pci->common;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        return &pci->notify;
    case VIRTIO_PCI_CAP_ISR_CFG:
        return &pci->isr;
    default:
        return &pci->config;
    }
}

/* 4.1.3.1: a driver maps no more than it needs. */
static uint32_t needed(const struct vdrv__pci_cap *cap)
{
    uint32_t max;

    switch (cap->type) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        max = sizeof(struct virtio_pci_common_cfg);
        break;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        max = NOTIFY_MAX;
        break;
    case VIRTIO_PCI_CAP_ISR_CFG:
        max = 1;
        break;
    default:
        max = CONFIG_MAX;
        break;
    }
    return cap->length < max ? cap->length : max;
}

/*
 * 4.1.4.9: the device may lend a window in configuration space, whose fields
 * must then take what is written to them.
 */
static bool map_access(struct scan *s, const struct vdrv__pci_cap *cap,
                       struct vdrv_pci_region *r)
{
    struct vdrv_pci *pci = s->pci;

    if (s->access == NULL)
        return false;
    if (pci->access == NULL) {
        pci->window = s->access->find(pci);
        if (pci->window == 0)
            return false;
    }
    if (!s->access->reaches(pci, cap->bar, cap->offset))
        return false;
    pci->access = s->access;
    r->addr = cap->offset;
    r->space = VDRV_SPACE_TRANSPORT;
    return true;
}

/* The registers behind a capability, by whatever way there is. */
static const struct vdrv__pci_fault *map_region(struct scan *s,
                                                const struct vdrv__pci_cap *cap,
                                                const struct vdrv_pci_bar *bar,
                                                struct vdrv_pci_region *r)
{
    const struct vdrv__pci_fault *fault = vdrv__validate_pci_cap(cap, bar);

    r->size = needed(cap);
    r->bar = cap->bar;
    if (fault == NULL)
        fault = vdrv__pci_map_bar(s->pci, bar, cap->offset, r);
    /* Well described, and only out of reach. */
    if (fault != NULL && fault->err != VDRV_ERR_PROTOCOL &&
        map_access(s, cap, r))
        return NULL;
    return fault;
}

/* ---- Capabilities ------------------------------------------------------- */

/* Each BAR is sized once, and only when a capability names it. */
static const struct vdrv__pci_fault *read_bar(struct scan *s, uint32_t i)
{
    if (((s->sized >> i) & 1u) == 0) {
        s->bar_fault[i] =
            vdrv__pci_bar_read(s->pci->bus, s->pci->fn, i, &s->bar[i]);
        s->sized |= 1u << i;
    }
    return s->bar_fault[i];
}

static const struct vdrv__pci_fault *use_cap(struct scan *s,
                                             const struct vdrv__pci_cap *cap)
{
    struct vdrv_pci_region r = {0, 0, 0, 0, 0};
    const struct vdrv__pci_fault *fault = read_bar(s, cap->bar);
    const struct vdrv_pci_bar *bar = &s->bar[cap->bar];

    if (fault == NULL)
        fault = map_region(s, cap, bar, &r);
    if (fault != NULL)
        return fault;
    *region_of(s->pci, cap->type) = r;
    if (cap->type == VIRTIO_PCI_CAP_NOTIFY_CFG)
        s->pci->multiplier = cap->multiplier;
    if (r.space != VDRV_SPACE_TRANSPORT)
        s->decode |=
            bar->kind == VDRV_PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
    return NULL;
}

/* 4.1.4.1: takes the first capability of each type that can be used. */
static void vendor_cap(struct scan *s, uint32_t pos, uint32_t head)
{
    struct vdrv__pci_cap cap = {
        .pos = pos, .len = (head >> 16) & 0xffu, .type = head >> 24};
    const struct vdrv__pci_fault *fault;

    if (cap.type == 0 || cap.type >= TYPES ||
        region_of(s->pci, cap.type)->size != 0)
        return;
    fault = vdrv__validate_pci_cap_len(&cap);
    if (fault == NULL) {
        cap.bar = get(s->pci, pos + 4, 4) & 0xffu;
        if (cap.bar > VIRTIO_PCI_BAR_LAST) /* reserved: ignored */
            return;
        cap.offset = get(s->pci, pos + 8, 4);
        cap.length = get(s->pci, pos + 12, 4);
        if (cap.type == VIRTIO_PCI_CAP_NOTIFY_CFG)
            cap.multiplier = get(s->pci, pos + 16, 4);
        fault = use_cap(s, &cap);
    }
    s->seen |= 1u << cap.type;
    if (fault == NULL)
        return;
    log_value(s->pci, VDRV_LOG_WARN, fault->text, pos);
    if (s->unusable[cap.type] == NULL)
        s->unusable[cap.type] = fault;
}

static void msix_cap(struct vdrv_pci *pci, uint32_t pos, uint32_t head)
{
    const uint32_t flags = head >> (8 * PCI_MSIX_FLAGS);

    if (pci->msix != 0)
        return;
    pci->msix = pos;
    if ((flags & PCI_MSIX_FLAGS_ENABLE) != 0)
        pci->transport.vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
}

/* Ends after as many capabilities as there is room for, loop or not. */
static void walk_caps(struct scan *s)
{
    struct vdrv_pci *pci = s->pci;
    uint32_t pos;

    if ((get(pci, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0)
        return;
    pos = get(pci, PCI_CAPABILITY_LIST, 1) & 0xfcu;
    for (uint32_t n = 0; pos != 0; n++) {
        uint32_t head;

        if (n == PCI_CAP_MAX) {
            log_text(pci, VDRV_LOG_WARN, "capability list does not end");
            return;
        }
        if (pos < PCI_STD_HEADER_SIZE) {
            log_value(pci, VDRV_LOG_WARN,
                      "capability pointer into the header:", pos);
            return;
        }
        head = get(pci, pos, 4);
        if (head == ALL_ONES) {
            log_value(pci, VDRV_LOG_WARN, "capability reads as all ones, at",
                      pos);
            return;
        }
        if ((head & 0xffu) == PCI_CAP_ID_VNDR)
            vendor_cap(s, pos, head);
        else if ((head & 0xffu) == PCI_CAP_ID_MSIX)
            msix_cap(pci, pos, head);
        pos = (head >> 8) & 0xfcu; /* the two low bits are reserved */
    }
}

/* ---- Probe -------------------------------------------------------------- */

static int check_type(const struct scan *s, uint32_t type, const char *missing)
{
    if (region_of(s->pci, type)->size != 0)
        return VDRV_OK;
    log_text(s->pci, VDRV_LOG_ERROR, missing);
    return s->unusable[type] != NULL ? s->unusable[type]->err
                                     : VDRV_ERR_PROTOCOL;
}

/* 4.1.4: all but the device configuration are there on every device. */
static int check_complete(const struct scan *s, uint32_t device)
{
    int err;

    if (s->seen == 0 && device < VIRTIO_PCI_ID_MODERN) {
        log_text(s->pci, VDRV_LOG_ERROR,
                 "a legacy-only device: probe with vdrv_pci_legacy, or run "
                 "QEMU with -device ...,disable-modern=off (or "
                 "disable-legacy=on)");
        return VDRV_ERR_UNSUPPORTED;
    }
    if (s->seen == 0) {
        log_text(s->pci, VDRV_LOG_ERROR, "no virtio capability found");
        return VDRV_ERR_PROTOCOL;
    }
    err = check_type(s, VIRTIO_PCI_CAP_COMMON_CFG,
                     "no usable common configuration structure");
    if (err == VDRV_OK)
        err = check_type(s, VIRTIO_PCI_CAP_NOTIFY_CFG,
                         "no usable notification structure");
    if (err == VDRV_OK)
        err = check_type(s, VIRTIO_PCI_CAP_ISR_CFG, "no usable ISR structure");
    if (err == VDRV_OK && s->unusable[VIRTIO_PCI_CAP_DEVICE_CFG] != NULL)
        err = check_type(s, VIRTIO_PCI_CAP_DEVICE_CFG,
                         "no usable device configuration structure");
    return err;
}

static int enable(struct vdrv_pci *pci, uint32_t decode)
{
    const uint32_t old = get(pci, PCI_COMMAND, 2);
    const uint32_t command =
        (old | decode | PCI_COMMAND_MASTER) & ~PCI_COMMAND_INTX_DISABLE;

    if (old == 0xffffu) /* unplugged after that check */
        return VDRV_ERR_NO_DEVICE;
    if (command != old)
        pci->bus->write(pci->bus->ctx, pci->fn, PCI_COMMAND, 2, command);
    vdrv__pci_save(pci, command);
    return pci->id == ALL_ONES ? VDRV_ERR_NO_DEVICE : VDRV_OK;
}

/* Appends `digits` hexadecimal digits and the character after them. */
static char *put_hex(char *p, uint32_t value, uint32_t digits, char after)
{
    while (digits-- > 0)
        *p++ = "0123456789abcdef"[(value >> (4 * digits)) & 15u];
    *p++ = after;
    return p;
}

/* "pci 00:02.0", or "pci 0001:00:02.0" when the handle has a segment. */
static void set_location(char *p, uint32_t fn)
{
    *p++ = 'p';
    *p++ = 'c';
    *p++ = 'i';
    *p++ = ' ';
    if (fn >> 16 != 0)
        p = put_hex(p, fn >> 16, 4, ':');
    p = put_hex(p, fn >> 8, 2, ':');
    p = put_hex(p, (fn >> 3) & 31u, 2, '.');
    (void)put_hex(p, fn & 7u, 1, '\0');
}

void vdrv__pci_clear(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                     const struct vdrv_pci_ops *ops, uint32_t fn)
{
    *pci = (struct vdrv_pci){
        .transport =
            {
                .ops = &vdrv__pci_ops,
                .hal = hal,
                .dma_limit = UINT64_MAX,
            },
        .bus = ops,
        .fn = fn,
        .config_vector = VDRV_NO_VECTOR,
    };
    set_location(pci->transport.location, fn);
}

/* 4.1.4.10.1: only ids below that of modern devices have it. */
static bool may_be_legacy(const struct vdrv_pci_options *options, uint32_t id)
{
    return options != NULL && options->legacy != NULL &&
           id >> 16 < VIRTIO_PCI_ID_MODERN;
}

static int attach_legacy(struct scan *s, const struct vdrv_pci_kind *legacy)
{
    const struct vdrv__pci_fault *fault = legacy->attach(s->pci, &s->decode);

    if (fault == NULL)
        return VDRV_OK;
    log_text(s->pci, VDRV_LOG_ERROR, fault->text);
    return fault->err;
}

/* Modern first (4.1.4.10.1), if there is a sign of it. */
static int attach(struct scan *s, uint32_t id,
                  const struct vdrv_pci_options *options)
{
    const bool legacy = may_be_legacy(options, id);
    int err = VDRV_ERR_UNSUPPORTED;

    if (s->seen != 0 || !legacy)
        err = check_complete(s, id >> 16);
    if (err == VDRV_OK)
        s->pci->transport.config_size = s->pci->config.size;
    else if (legacy)
        err = attach_legacy(s, options->legacy);
    return err;
}

int vdrv_pci_probe_any(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                       const struct vdrv_pci_ops *ops, uint32_t fn,
                       const struct vdrv_pci_options *options)
{
    struct scan s = {.pci = pci};
    uint32_t id;
    int err;

    if (pci == NULL || hal == NULL || ops == NULL || !vdrv__reg_complete(hal))
        return VDRV_ERR_INVALID;
    vdrv__pci_clear(pci, hal, ops, fn);
    if (options != NULL)
        s.access = options->access;
    id = get(pci, PCI_VENDOR_ID, 4);
    pci->transport.device_id = vdrv__pci_type(id);
    if (pci->transport.device_id == 0)
        return VDRV_ERR_NO_DEVICE;
    if (vdrv__pci_bar_count(ops, fn) != BARS) {
        if (get(pci, PCI_VENDOR_ID, 4) == ALL_ONES)
            return VDRV_ERR_NO_DEVICE;
        log_text(pci, VDRV_LOG_ERROR, "header type is not 0");
        return VDRV_ERR_PROTOCOL;
    }
    pci->transport.vendor_id = get(pci, PCI_SUBSYSTEM_VENDOR_ID, 2);
    pci->irq_line = get(pci, PCI_INTERRUPT_LINE, 1);
    pci->irq_pin = get(pci, PCI_INTERRUPT_PIN, 1);
    walk_caps(&s);
    err = attach(&s, id, options);
    if (get(pci, PCI_VENDOR_ID, 4) == ALL_ONES) /* unplugged meanwhile */
        return VDRV_ERR_NO_DEVICE;
    return err != VDRV_OK ? err : enable(pci, s.decode);
}

int vdrv_pci_probe(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                   const struct vdrv_pci_ops *ops, uint32_t fn)
{
    return vdrv_pci_probe_any(pci, hal, ops, fn, NULL);
}
