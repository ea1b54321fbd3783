/* SPDX-License-Identifier: MIT */
/*
 * Bridges that firmware left alone (PCI-to-PCI Bridge 1.2, 3.2.5): bus
 * numbers, addresses for what is behind, and the windows that forward them.
 * A tree is walked depth first by a stack of a few levels: what is behind a
 * bridge then has consecutive numbers and addresses, and each window is cut
 * from the caller's where the last one ended.
 */
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define LEVELS   6u
#define MEM_UNIT UINT64_C(0x100000)
#define IO_UNIT  UINT64_C(0x1000)
#define BUS(fn)  ((fn) >> 8)

/* A bus that is being walked, and the bridge to it. */
struct level {
    uint64_t mem; /* where its windows start */
    uint64_t pref;
    uint64_t io;
    uint32_t bridge;
    uint32_t next;
    uint8_t bus;
    uint8_t multi;
    bool wide; /* 64-bit prefetchable windows on the whole way */
};

struct tree {
    const struct vdrv_pci_ops *ops;
    struct vdrv_pci_windows *windows;
    uint32_t top; /* highest bus number in use */
    uint32_t last;
    uint32_t depth;
    int err; /* what did not fit */
    struct level level[LEVELS];
};

static uint32_t get(const struct tree *t, uint32_t fn, uint32_t reg,
                    uint32_t width)
{
    return t->ops->read(t->ops->ctx, fn, reg, width);
}

static void put(const struct tree *t, uint32_t fn, uint32_t reg, uint32_t width,
                uint32_t value)
{
    t->ops->write(t->ops->ctx, fn, reg, width, value);
}

static bool is_bridge(uint32_t header)
{
    return (header & PCI_HEADER_TYPE_MASK) == PCI_HEADER_TYPE_BRIDGE;
}

static uint64_t position(const struct vdrv_pci_window *w)
{
    return w->base + w->used;
}

/* Goes on at a multiple of `unit`; past the end nothing is left. */
static uint64_t align(struct vdrv_pci_window *w, uint64_t unit)
{
    const uint64_t at = (position(w) + unit - 1) & ~(unit - 1);

    w->used = at >= w->base && at - w->base < w->size ? at - w->base : w->size;
    return at;
}

/* ---- Windows ------------------------------------------------------------- */

static void set_memory(const struct tree *t, uint32_t bridge, uint32_t reg,
                       uint64_t start, uint64_t end)
{
    const bool any = end > start;
    const uint64_t first = any ? start : UINT64_C(0xfff00000);
    const uint64_t last = any ? end - 1 : 0;

    put(t, bridge, reg, 2, (uint32_t)(first >> 16) & PCI_BRIDGE_RANGE_MASK);
    put(t, bridge, reg + 2, 2, (uint32_t)(last >> 16) & PCI_BRIDGE_RANGE_MASK);
    if (reg != PCI_BRIDGE_PREF_BASE)
        return;
    put(t, bridge, PCI_BRIDGE_PREF_BASE_UPPER, 4, (uint32_t)(first >> 32));
    put(t, bridge, PCI_BRIDGE_PREF_LIMIT_UPPER, 4, (uint32_t)(last >> 32));
}

static void set_io(struct tree *t, uint32_t bridge, uint64_t start,
                   uint64_t end)
{
    const uint32_t type = get(t, bridge, PCI_BRIDGE_IO_BASE, 1);
    bool any = end > start;
    uint64_t first, last;

    if (any && end > 0x10000 && (type & PCI_BRIDGE_TYPE_MASK) == 0) {
        t->err = VDRV_ERR_NO_MEMORY; /* addresses that it cannot forward */
        any = false;
    }
    first = any ? start : 0xf000;
    last = any ? end - 1 : 0;
    put(t, bridge, PCI_BRIDGE_IO_BASE, 1, (uint32_t)(first >> 8) & 0xf0u);
    put(t, bridge, PCI_BRIDGE_IO_LIMIT, 1, (uint32_t)(last >> 8) & 0xf0u);
    if ((type & PCI_BRIDGE_TYPE_MASK) == 0)
        return;
    put(t, bridge, PCI_BRIDGE_IO_BASE_UPPER, 2, (uint32_t)(first >> 16));
    put(t, bridge, PCI_BRIDGE_IO_LIMIT_UPPER, 2, (uint32_t)(last >> 16));
}

/* From where a level started to where its window is now, if it grew. */
static uint64_t end_of(struct vdrv_pci_window *w, uint64_t start, uint64_t unit)
{
    return w->size != 0 && position(w) > start ? align(w, unit) : start;
}

static void set_windows(struct tree *t, const struct level *l)
{
    struct vdrv_pci_windows *w = t->windows;

    set_memory(t, l->bridge, PCI_BRIDGE_MEMORY_BASE, l->mem,
               end_of(&w->mem32, l->mem, MEM_UNIT));
    set_memory(t, l->bridge, PCI_BRIDGE_PREF_BASE, l->pref,
               l->wide ? end_of(&w->mem64, l->pref, MEM_UNIT) : l->pref);
    set_io(t, l->bridge, l->io, end_of(&w->io, l->io, IO_UNIT));
}

/* ---- The tree ------------------------------------------------------------ */

/* Behind a bridge that was not set up no address is anybody's. */
static void assign(struct tree *t, uint32_t fn)
{
    uint32_t rule = VDRV__PCI_ASSIGN_ROOT;
    int err;

    if (t->depth > 0)
        rule = t->level[t->depth - 1].wide ? VDRV__PCI_ASSIGN_WIDE
                                           : VDRV__PCI_ASSIGN_NARROW;
    err = vdrv__pci_assign(t->ops, fn, t->windows, rule);
    if (err != VDRV_OK)
        t->err = err;
}

static void open_bridge(struct tree *t, uint32_t fn)
{
    const bool wide = (get(t, fn, PCI_BRIDGE_PREF_BASE, 2) &
                       PCI_BRIDGE_TYPE_MASK) == PCI_BRIDGE_TYPE_WIDE;
    struct vdrv_pci_windows *w = t->windows;
    struct level *l;

    if (t->depth == LEVELS || t->top >= t->last) {
        t->err = VDRV_ERR_NO_MEMORY;
        return;
    }
    l = &t->level[t->depth];
    *l = (struct level){.bridge = fn, .bus = (uint8_t)++t->top};
    l->wide = wide && (t->depth == 0 || l[-1].wide);
    l->next = VDRV_PCI_FN(l->bus, 0, 0);
    l->mem = align(&w->mem32, MEM_UNIT);
    l->pref = l->wide ? align(&w->mem64, MEM_UNIT) : 0;
    l->io = align(&w->io, IO_UNIT);
    t->depth++;
    put(t, fn, PCI_PRIMARY_BUS, 1, BUS(fn) & 0xffu);
    put(t, fn, PCI_SECONDARY_BUS, 1, l->bus);
    put(t, fn, PCI_SUBORDINATE_BUS, 1, t->last);
}

static void close_bridge(struct tree *t)
{
    const struct level *l = &t->level[--t->depth];

    put(t, l->bridge, PCI_SUBORDINATE_BUS, 1, t->top);
    set_windows(t, l);
    put(t, l->bridge, PCI_COMMAND, 2,
        get(t, l->bridge, PCI_COMMAND, 2) | PCI_COMMAND_IO |
            PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* All that is behind the bridge that was just opened. */
static void walk_tree(struct tree *t)
{
    while (t->depth > 0) {
        struct level *l = &t->level[t->depth - 1];
        const uint32_t fn = l->next;
        uint32_t header, multi = l->multi;

        if (BUS(fn) != l->bus) {
            close_bridge(t);
            continue;
        }
        header = vdrv__pci_look(t->ops, fn, &multi);
        l->multi = (uint8_t)multi;
        l->next = vdrv__pci_after(fn, multi);
        if (header == VDRV__PCI_NONE)
            continue;
        assign(t, fn);
        if (is_bridge(header))
            open_bridge(t, fn);
    }
}

/* The highest bus number that firmware gave. */
static uint32_t highest(const struct tree *t, uint32_t first)
{
    struct vdrv_pci_walk all;
    uint32_t fn, top = first;

    (void)vdrv_pci_walk_init(&all, t->ops, first, t->last);
    while (vdrv_pci_walk_next(&all, &fn) == VDRV_OK) {
        uint32_t bus;

        if (!is_bridge(get(t, fn, PCI_HEADER_TYPE, 1)) ||
            (get(t, fn, PCI_SECONDARY_BUS, 1) & 0xffu) <= BUS(fn))
            continue;
        bus = get(t, fn, PCI_SUBORDINATE_BUS, 1) & 0xffu;
        top = bus > top ? bus : top;
        bus = get(t, fn, PCI_SECONDARY_BUS, 1) & 0xffu;
        top = bus > top ? bus : top;
    }
    return top;
}

int vdrv_pci_bridges(const struct vdrv_pci_ops *ops, uint32_t first_bus,
                     uint32_t last_bus, struct vdrv_pci_windows *windows)
{
    struct tree t = {.ops = ops, .windows = windows, .last = last_bus};
    uint32_t fn = VDRV_PCI_FN(first_bus, 0, 0), multi = 0;

    if (ops == NULL || windows == NULL || first_bus > last_bus ||
        last_bus > 255 || !vdrv__pci_windows_ok(windows))
        return VDRV_ERR_INVALID;
    vdrv__pci_survey(ops, first_bus, last_bus, windows);
    t.top = highest(&t, first_bus);
    while (BUS(fn) == first_bus) {
        const uint32_t at = fn;
        const uint32_t header = vdrv__pci_look(ops, at, &multi);

        fn = vdrv__pci_after(at, multi);
        if (header == VDRV__PCI_NONE || !is_bridge(header) ||
            (get(&t, at, PCI_SECONDARY_BUS, 1) & 0xffu) > first_bus)
            continue;
        assign(&t, at);
        open_bridge(&t, at);
        walk_tree(&t);
    }
    return t.err;
}
