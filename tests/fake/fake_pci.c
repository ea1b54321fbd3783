/* SPDX-License-Identifier: MIT */
/*
 * The simulated PCI bus: configuration space, BARs and decoding, bridges,
 * capability lists, ECAM and port access.  The virtio registers behind a BAR
 * are in fake_pci_regs.c.
 */
#include "fake_priv.h"
#include "fake_pci.h"

#include <stdlib.h>
#include <string.h>

enum {
    C_COMMAND = 0x04,
    C_STATUS = 0x06,
    C_HEADER = 0x0E,
    C_BAR0 = 0x10,
    C_SECONDARY = 0x19,
    C_CAPS = 0x34,
    C_LINE = 0x3C,
    C_PIN = 0x3D,
};

#define STATUS_CAPS 0x10u
#define MULTI       0x80u

static uint32_t ones(uint32_t width)
{
    return width >= 4 ? UINT32_MAX : ((uint32_t)1 << (8 * width)) - 1;
}

static bool is_mem(uint32_t kind)
{
    kind &= 7;
    return kind == FAKE_BAR_MEM32 || kind == FAKE_BAR_MEM64;
}

/* ---- BARs ----------------------------------------------------------- */

uint64_t fake_pci_bar_addr(const struct fake_pci_fn *fn, uint32_t i)
{
    const uint8_t *p = fn->cfg + C_BAR0 + 4 * i;
    uint64_t v = fake_get32(p);

    if (!is_mem(fn->bar[i].kind))
        return v & ~UINT64_C(3);
    if ((fn->bar[i].kind & 7) == FAKE_BAR_MEM64)
        v |= (uint64_t)fake_get32(p + 4) << 32;
    return v & ~UINT64_C(15);
}

static uint32_t upper16(const uint8_t *p, uint32_t fill)
{
    return (fake_get16(p) & 0xFFF0u) << 16 | fill;
}

/* Do the windows of a bridge forward this? */
static bool forwards(const struct fake_pci_fn *bridge, bool mem, uint64_t first,
                     uint64_t last)
{
    const uint8_t *c = bridge->cfg;
    uint64_t pref = upper16(c + 0x24, 0), pref_end = upper16(c + 0x26, 0xFFFFF);

    if (!(c[C_COMMAND] & (mem ? FAKE_PCI_MEMORY : FAKE_PCI_IO)))
        return false;
    if (!mem)
        return first >= ((c[0x1C] & 0xF0u) << 8 | fake_get16(c + 0x30) << 16) &&
               last <= ((c[0x1D] & 0xF0u) << 8 | 0xFFFu |
                        (uint32_t)fake_get16(c + 0x32) << 16);
    pref |= (uint64_t)fake_get32(c + 0x28) << 32;
    pref_end |= (uint64_t)fake_get32(c + 0x2C) << 32;
    return (first >= upper16(c + 0x20, 0) &&
            last <= upper16(c + 0x22, 0xFFFFF)) ||
           (first >= pref && last <= pref_end);
}

static bool forwarded(const struct fake_pci_fn *fn, uint32_t i)
{
    const uint64_t first = fake_pci_bar_addr(fn, i);
    const uint64_t last = first + fn->bar[i].size - 1;

    for (const struct fake_pci_fn *p = fn->parent; p; p = p->parent)
        if (!forwards(p, is_mem(fn->bar[i].kind), first, last))
            return false;
    return true;
}

/* Lists the regions that the command register decodes, where the BARs say. */
static void decode(struct fake_pci_fn *fn)
{
    uint32_t cmd = fake_get16(fn->cfg + C_COMMAND);

    for (uint32_t i = 0; i < 6; i++) {
        struct fake_pci_bar *b = &fn->bar[i];
        uint32_t bit = is_mem(b->kind) ? FAKE_PCI_MEMORY : FAKE_PCI_IO;

        if (b->decoded)
            fake_region_del(fn->bus->f, &b->region);
        b->region.phys = fake_pci_bar_addr(fn, i);
        b->decoded = b->kind && (cmd & bit) && b->region.phys && !fn->hidden &&
                     forwarded(fn, i);
        if (!is_mem(b->kind) && fn->bus->io_phys) {
            b->region.space = VDRV_SPACE_MEMORY;
            b->region.phys += fn->bus->io_phys;
        }
        if (b->decoded)
            fake_region_add(fn->bus->f, &b->region);
    }
}

static uint32_t no_read(void *arg, uint64_t off, uint32_t width)
{
    (void)arg;
    (void)off;
    return ones(width);
}

static void no_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    (void)arg;
    (void)off;
    (void)width;
    (void)value;
}

void fake_pci_set_bar(struct fake_pci_fn *fn, uint32_t i, uint32_t kind,
                      uint64_t size)
{
    struct fake_pci_bar *b = &fn->bar[i];
    uint64_t mask = ~(size - 1);
    uint8_t *p = fn->cfg + C_BAR0 + 4 * i;

    b->kind = kind;
    b->size = size;
    b->region.name = "BAR";
    b->region.space = is_mem(kind) ? VDRV_SPACE_MEMORY : VDRV_SPACE_PORT;
    b->region.len = size;
    b->region.read = no_read;
    b->region.write = no_write;
    b->region.arg = fn;
    fake_put32(fn->mask + C_BAR0 + 4 * i, (uint32_t)mask);
    if ((kind & 7) == FAKE_BAR_MEM64)
        fake_put32(fn->mask + C_BAR0 + 4 * i + 4, (uint32_t)(mask >> 32));
    if (!is_mem(kind))
        p[0] = 1;
    else
        p[0] = (uint8_t)((kind & 7) == FAKE_BAR_MEM64 ? 4 : 0) |
               (uint8_t)(kind & FAKE_BAR_PREFETCH);
}

static uint64_t take(uint64_t *next, uint64_t size)
{
    uint64_t at = (*next + size - 1) & ~(size - 1);

    *next = at + size;
    return at;
}

static void assign_bar(struct fake_pci_fn *fn, uint32_t i)
{
    struct fake_pci *p = fn->bus;
    struct fake_pci_bar *b = &fn->bar[i];
    uint8_t *c = fn->cfg + C_BAR0 + 4 * i;
    uint64_t io = p->next_io, at;

    if ((b->kind & 7) == FAKE_BAR_MEM64)
        at = take(&p->next_mem64, b->size);
    else if (is_mem(b->kind))
        at = take(&p->next_mem32, b->size);
    else
        at = take(&io, b->size);
    p->next_io = (uint32_t)io;
    fake_put32(c, (uint32_t)at | (c[0] & 15u));
    if ((b->kind & 7) == FAKE_BAR_MEM64)
        fake_put32(c + 4, (uint32_t)(at >> 32));
}

void fake_pci_assign(struct fake_pci_fn *fn)
{
    for (uint32_t i = 0; i < 6; i++)
        if (fn->bar[i].kind)
            assign_bar(fn, i);
    fn->cfg[C_COMMAND] |= FAKE_PCI_IO | FAKE_PCI_MEMORY;
    decode(fn);
}

/* ---- Capabilities --------------------------------------------------- */

uint32_t fake_pci_caps(struct fake_pci_fn *fn, const struct fake_pci_cap *cap,
                       unsigned n)
{
    uint32_t at = FAKE_PCI_FIRST;
    uint8_t *link = fn->cfg + C_CAPS;

    for (unsigned i = 0; i < n; i++) {
        uint8_t *c = fn->cfg + at;

        *link = (uint8_t)at;
        link = c + 1;
        c[0] = cap[i].id;
        c[1] = 0;
        memcpy(c + 2, cap[i].bytes, cap[i].len > 2 ? cap[i].len - 2u : 0);
        at += (cap[i].len + 3u) & ~3u;
    }
    fn->cfg[C_STATUS] |= n ? STATUS_CAPS : 0;
    return FAKE_PCI_FIRST;
}

void fake_pci_power_loss(struct fake_pci_fn *fn)
{
    for (uint32_t i = 0; i < fn->cfg_len; i++)
        fn->cfg[i] &= (uint8_t)~fn->mask[i];
    decode(fn);
    fake__pci_lost(fn);
}

/* ---- Finding a function --------------------------------------------- */

static uint32_t bus_number(const struct fake_pci_fn *fn)
{
    return fn->parent ? fn->parent->cfg[C_SECONDARY] : 0;
}

/* A bridge without a bus number forwards nothing. */
static bool reachable(const struct fake_pci_fn *fn)
{
    const uint32_t bus = bus_number(fn);

    for (fn = fn->parent; fn; fn = fn->parent)
        if (fn->cfg[C_SECONDARY] == 0 || bus < fn->cfg[C_SECONDARY] ||
            bus > fn->cfg[C_SECONDARY + 1])
            return false;
    return true;
}

static struct fake_pci_fn *find(struct fake_pci *p, uint32_t bdf)
{
    for (struct fake_pci_fn *fn = p->fns; fn; fn = fn->next)
        if (!fn->hidden && fn->devfn == (bdf & 0xFF) && reachable(fn) &&
            bus_number(fn) == bdf >> 8)
            return fn;
    return NULL;
}

static bool access_ok(struct fake_pci *p, uint32_t bdf, uint32_t off,
                      uint32_t width)
{
    if ((width == 1 || width == 2 || width == 4) && off % width == 0 &&
        off + width <= FAKE_PCI_CONFIG && bdf <= 0xFFFF)
        return true;
    fake_violation(p->f, "ACCESS",
                   "configuration access: function %#x, "
                   "offset %#x, %u bytes",
                   bdf, off, width);
    return false;
}

uint32_t fake_pci_read(void *ctx, uint32_t bdf, uint32_t off, uint32_t width)
{
    struct fake_pci *p = ctx;
    struct fake_pci_fn *fn = find(p, bdf);
    uint32_t v = 0;

    p->reads++;
    if (!access_ok(p, bdf, off, width) || fake_gone(p->f, false) || !fn ||
        off >= fn->cfg_len)
        return ones(width);
    if (fn->dev)
        fake__pci_before_read(fn, off);
    for (uint32_t i = 0; i < width; i++)
        v |= (uint32_t)fn->cfg[off + i] << (8 * i);
    return v;
}

static void check_bar_write(struct fake_pci_fn *fn, uint32_t off)
{
    const struct fake_pci_bar *b = &fn->bar[(off - C_BAR0) / 4];

    if (b->decoded)
        fake_violation(fn->bus->f, "PCI-BAR",
                       "BAR %u moves while it is decoded", (off - C_BAR0) / 4);
}

void fake_pci_write(void *ctx, uint32_t bdf, uint32_t off, uint32_t width,
                    uint32_t value)
{
    struct fake_pci *p = ctx;
    struct fake_pci_fn *fn = find(p, bdf);

    p->writes++;
    if (!access_ok(p, bdf, off, width) || fake_gone(p->f, true) || !fn ||
        off >= fn->cfg_len)
        return;
    if (off >= C_BAR0 && off < C_BAR0 + 24)
        check_bar_write(fn, off);
    for (uint32_t i = 0; i < width; i++) {
        uint8_t m = fn->mask[off + i];
        uint8_t v = (uint8_t)(value >> (8 * i));

        fn->cfg[off + i] = (uint8_t)((fn->cfg[off + i] & ~m) | (v & m));
    }
    for (struct fake_pci_fn *o = p->fns; o; o = o->next)
        if (o == fn || fn->cfg[C_HEADER] & 1)
            decode(o);
    if (fn->dev)
        fake__pci_after_write(fn, off);
}

/* ---- ECAM and ports ------------------------------------------------- */

static uint32_t ecam_read(void *arg, uint64_t off, uint32_t width)
{
    return fake_pci_read(arg, (uint32_t)(off >> 12), off & 0xFFF, width);
}

static void ecam_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    fake_pci_write(arg, (uint32_t)(off >> 12), off & 0xFFF, width, value);
}

void fake_pci_ecam(struct fake_pci *p, uint64_t phys, uint32_t buses)
{
    p->ecam = (struct fake_region){
        "ECAM",    VDRV_SPACE_MEMORY, false, phys, (uint64_t)buses << 20,
        ecam_read, ecam_write,        p,     NULL};
    fake_region_add(p->f, &p->ecam);
}

static uint32_t ports_read(void *arg, uint64_t off, uint32_t width)
{
    struct fake_pci *p = arg;

    if (off < 4)
        return p->port_addr >> (8 * off);
    if (!(p->port_addr >> 31))
        return ones(width);
    return fake_pci_read(p, p->port_addr >> 8 & 0xFFFF,
                         (p->port_addr & 0xFC) + (uint32_t)(off - 4), width);
}

static void ports_write(void *arg, uint64_t off, uint32_t width, uint32_t value)
{
    struct fake_pci *p = arg;

    if (off == 0 && width == 4)
        p->port_addr = value;
    else if (off >= 4 && p->port_addr >> 31)
        fake_pci_write(p, p->port_addr >> 8 & 0xFFFF,
                       (p->port_addr & 0xFC) + (uint32_t)(off - 4), width,
                       value);
}

void fake_pci_ports(struct fake_pci *p)
{
    p->ports =
        (struct fake_region){"CF8",      VDRV_SPACE_PORT, false, 0xCF8, 8,
                             ports_read, ports_write,     p,     NULL};
    fake_region_add(p->f, &p->ports);
}

/* ---- Life ----------------------------------------------------------- */

void fake_pci_init(struct fake_pci *p, struct fake *f)
{
    memset(p, 0, sizeof(*p));
    p->f = f;
    p->next_mem32 = 0xE0000000u;
    p->next_mem64 = UINT64_C(0x8000000000);
    p->next_io = 0xC000;
}

void fake_pci_fini(struct fake_pci *p)
{
    while (p->fns)
        fake_pci_del(p->fns);
    if (p->ecam.read)
        fake_region_del(p->f, &p->ecam);
    if (p->ports.read)
        fake_region_del(p->f, &p->ports);
}

/* Function 0 says whether there are others. */
static void set_multi(struct fake_pci_fn *fn)
{
    struct fake_pci_fn *o;
    bool others = false;

    for (o = fn->bus->fns; o; o = o->next)
        others = others || (o->parent == fn->parent && o->devfn != fn->devfn &&
                            o->devfn >> 3 == fn->devfn >> 3);
    for (o = fn->bus->fns; o && others; o = o->next)
        if (o->parent == fn->parent && o->devfn >> 3 == fn->devfn >> 3)
            o->cfg[C_HEADER] |= MULTI;
}

void fake_pci_add(struct fake_pci_fn *fn, struct fake_pci *p,
                  struct fake_pci_fn *parent, uint32_t devfn, uint16_t vendor,
                  uint16_t device)
{
    memset(fn, 0, sizeof(*fn));
    fn->bus = p;
    fn->parent = parent;
    fn->devfn = devfn;
    fn->cfg_len = 256;
    fake_put16(fn->cfg, vendor);
    fake_put16(fn->cfg + 2, device);
    fake_put16(fn->mask + C_COMMAND, FAKE_PCI_IO | FAKE_PCI_MEMORY |
                                         FAKE_PCI_MASTER | FAKE_PCI_INTX_OFF);
    fn->mask[C_LINE] = 0xFF;
    fn->mask[0x0C] = fn->mask[0x0D] = 0xFF;
    fn->next = p->fns;
    p->fns = fn;
    set_multi(fn);
}

void fake_pci_del(struct fake_pci_fn *fn)
{
    struct fake_pci_fn **q = &fn->bus->fns;

    fn->hidden = true;
    decode(fn);
    while (*q && *q != fn)
        q = &(*q)->next;
    if (*q)
        *q = fn->next;
}

void fake_pci_bridge(struct fake_pci_fn *fn, uint8_t secondary,
                     uint8_t subordinate)
{
    fn->cfg[0x0A] = 0x04; /* PCI to PCI */
    fn->cfg[0x0B] = 0x06;
    fn->cfg[C_HEADER] = (uint8_t)((fn->cfg[C_HEADER] & MULTI) | 1);
    fn->cfg[C_SECONDARY] = secondary;
    fn->cfg[C_SECONDARY + 1] = subordinate;
    memset(fn->mask + 0x18, 0xFF, 3);
    /* Memory, prefetchable and I/O windows. */
    fake_put32(fn->mask + 0x20, 0xFFF0FFF0u);
    fake_put32(fn->mask + 0x24, 0xFFF0FFF0u);
    memset(fn->mask + 0x28, 0xFF, 12);
    fake_put16(fn->mask + 0x1C, 0xF0F0);
    fn->cfg[0x1C] = fn->cfg[0x1D] = 1; /* 32-bit I/O */
    fn->cfg[0x24] = fn->cfg[0x26] = 1; /* 64-bit prefetchable */
    if (!secondary)
        return;
    fn->cfg[C_COMMAND] = FAKE_PCI_IO | FAKE_PCI_MEMORY | FAKE_PCI_MASTER;
    fake_put16(fn->cfg + 0x22, 0xFFF0);
    fake_put16(fn->cfg + 0x26, 0xFFF1);
    fake_put32(fn->cfg + 0x2C, UINT32_MAX);
    fn->cfg[0x1D] = 0xF1;
    fake_put16(fn->cfg + 0x32, 0xFFFF);
}
