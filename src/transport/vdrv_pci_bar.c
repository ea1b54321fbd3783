/* SPDX-License-Identifier: MIT */
/*
 * Base address registers: reading, sizing, and assigning them from windows
 * that the caller gives (PCI Local Bus 3.0, 6.2.5).
 */
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define BARS          6u
#define PAGE          4096u /* two devices never share one */
#define ALL_ONES      0xffffffffu
#define DECODE        (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)
#define BAR_OFFSET(i) (PCI_BASE_ADDRESS_0 + 4u * (i))

static const struct vdrv__pci_fault bad_index = {
    VDRV_ERR_INVALID, "no such BAR in this function's header"};
static const struct vdrv__pci_fault gone = {VDRV_ERR_NO_DEVICE,
                                            "the function is not there"};
static const struct vdrv__pci_fault wide_last = {
    VDRV_ERR_PROTOCOL, "64-bit BAR in the last place"};

static uint32_t get(const struct vdrv_pci_ops *ops, uint32_t fn, uint32_t reg,
                    uint32_t width)
{
    return ops->read(ops->ctx, fn, reg, width);
}

static void put(const struct vdrv_pci_ops *ops, uint32_t fn, uint32_t reg,
                uint32_t width, uint32_t value)
{
    ops->write(ops->ctx, fn, reg, width, value);
}

uint32_t vdrv__pci_bar_count(const struct vdrv_pci_ops *ops, uint32_t fn)
{
    switch (get(ops, fn, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) {
    case PCI_HEADER_TYPE_NORMAL:
        return 6;
    case PCI_HEADER_TYPE_BRIDGE:
        return 2;
    default:
        return 0;
    }
}

/* Is BAR `index` the upper half of one that starts below it? */
static bool is_upper(const struct vdrv_pci_ops *ops, uint32_t fn,
                     uint32_t index)
{
    uint32_t i = 0;

    while (i < index)
        i += vdrv__pci_bar_is_wide(get(ops, fn, BAR_OFFSET(i), 4)) ? 2 : 1;
    return i > index;
}

/* Turns decoding off; answers the command register as it was. */
static uint32_t decode_off(const struct vdrv_pci_ops *ops, uint32_t fn)
{
    const uint32_t command = get(ops, fn, PCI_COMMAND, 2);

    if ((command & DECODE) != 0)
        put(ops, fn, PCI_COMMAND, 2, command & ~DECODE);
    return command;
}

static void decode_back(const struct vdrv_pci_ops *ops, uint32_t fn,
                        uint32_t command)
{
    if ((command & DECODE) != 0)
        put(ops, fn, PCI_COMMAND, 2, command);
}

static void size_register(const struct vdrv_pci_ops *ops, uint32_t fn,
                          uint32_t reg, uint32_t addr, uint32_t *mask)
{
    put(ops, fn, reg, 4, ALL_ONES);
    *mask = get(ops, fn, reg, 4);
    put(ops, fn, reg, 4, addr);
}

const struct vdrv__pci_fault *vdrv__pci_bar_read(const struct vdrv_pci_ops *ops,
                                                 uint32_t fn, uint32_t index,
                                                 struct vdrv_pci_bar *bar)
{
    struct vdrv__pci_raw_bar raw = {{0, 0}, {0, 0}};
    const uint32_t reg = BAR_OFFSET(index);
    uint32_t count, command;
    bool wide;

    *bar = (struct vdrv_pci_bar){.kind = VDRV_PCI_BAR_NONE};
    if (get(ops, fn, PCI_VENDOR_ID, 4) == ALL_ONES)
        return &gone;
    count = vdrv__pci_bar_count(ops, fn);
    if (index >= count)
        return &bad_index;
    if (is_upper(ops, fn, index))
        return NULL;
    raw.addr[0] = get(ops, fn, reg, 4);
    wide = vdrv__pci_bar_is_wide(raw.addr[0]);
    if (wide && index + 1 >= count)
        return &wide_last;
    if (wide)
        raw.addr[1] = get(ops, fn, reg + 4, 4);
    command = decode_off(ops, fn);
    size_register(ops, fn, reg, raw.addr[0], &raw.mask[0]);
    if (wide)
        size_register(ops, fn, reg + 4, raw.addr[1], &raw.mask[1]);
    decode_back(ops, fn, command);
    return vdrv__validate_pci_bar(&raw, bar);
}

int vdrv_pci_bar_read(const struct vdrv_pci_ops *ops, uint32_t fn,
                      uint32_t index, struct vdrv_pci_bar *bar)
{
    const struct vdrv__pci_fault *fault;

    if (ops == NULL || bar == NULL || index >= BARS)
        return VDRV_ERR_INVALID;
    fault = vdrv__pci_bar_read(ops, fn, index, bar);
    return fault != NULL ? fault->err : VDRV_OK;
}

/* ---- Windows ------------------------------------------------------------ */

static bool window_ok(const struct vdrv_pci_window *w, uint64_t last)
{
    return w->size == 0 || (w->base <= last && w->size - 1 <= last - w->base &&
                            w->used <= w->size);
}

bool vdrv__pci_windows_ok(const struct vdrv_pci_windows *w)
{
    return window_ok(&w->mem32, UINT32_MAX) &&
           window_ok(&w->mem64, UINT64_MAX) && window_ok(&w->io, UINT32_MAX);
}

/* Takes an aligned piece; 0: there is no room. */
static uint64_t take(struct vdrv_pci_window *w, uint64_t size, uint64_t align)
{
    const uint64_t next = w->base + w->used;
    uint64_t addr = (next + align - 1) & ~(align - 1);

    if (addr == 0)
        addr = align; /* address 0 means unassigned */
    /* Past the end, or round the end of the address space. */
    if (w->size == 0 || addr < next || addr - w->base >= w->size ||
        size > w->size - (addr - w->base))
        return 0;
    w->used = addr - w->base + size;
    return addr;
}

static uint64_t take_for(struct vdrv_pci_windows *w,
                         const struct vdrv_pci_bar *bar, uint32_t rule)
{
    const uint64_t align = bar->size < PAGE ? PAGE : bar->size;
    uint64_t addr = 0;

    if (bar->kind == VDRV_PCI_BAR_IO)
        return take(&w->io, bar->size, bar->size);
    if (bar->kind == VDRV_PCI_BAR_MEM64 &&
        (rule == VDRV__PCI_ASSIGN_ROOT ||
         (rule == VDRV__PCI_ASSIGN_WIDE && bar->prefetchable != 0)))
        addr = take(&w->mem64, bar->size, align);
    return addr != 0 ? addr : take(&w->mem32, bar->size, align);
}

static void write_bars(const struct vdrv_pci_ops *ops, uint32_t fn,
                       const uint64_t addr[BARS], uint32_t wide)
{
    const uint32_t command = decode_off(ops, fn);

    for (uint32_t i = 0; i < BARS; i++) {
        if (addr[i] == 0)
            continue;
        put(ops, fn, BAR_OFFSET(i), 4, (uint32_t)addr[i]);
        if (((wide >> i) & 1u) != 0)
            put(ops, fn, BAR_OFFSET(i + 1), 4, (uint32_t)(addr[i] >> 32));
    }
    decode_back(ops, fn, command);
}

static bool wants(const struct vdrv_pci_bar *bar, uint32_t rule)
{
    return bar->kind != VDRV_PCI_BAR_NONE &&
           (rule != VDRV__PCI_ASSIGN_ROOT || !vdrv_pci_bar_assigned(bar));
}

int vdrv__pci_assign(const struct vdrv_pci_ops *ops, uint32_t fn,
                     struct vdrv_pci_windows *windows, uint32_t rule)
{
    /* All is planned on a copy first, so that an error changes nothing. */
    struct vdrv_pci_windows w = *windows;
    struct vdrv_pci_bar bar;
    uint64_t addr[BARS] = {0};
    uint32_t wide = 0, count;

    count = vdrv__pci_bar_count(ops, fn);
    for (uint32_t i = 0; i < count; i++) {
        const int err = vdrv_pci_bar_read(ops, fn, i, &bar);

        if (err != VDRV_OK)
            return err;
        if (!wants(&bar, rule))
            continue;
        addr[i] = take_for(&w, &bar, rule);
        if (addr[i] == 0)
            return VDRV_ERR_NO_MEMORY;
        wide |= (uint32_t)(bar.kind == VDRV_PCI_BAR_MEM64) << i;
    }
    write_bars(ops, fn, addr, wide);
    *windows = w;
    return VDRV_OK;
}

int vdrv_pci_assign(const struct vdrv_pci_ops *ops, uint32_t fn,
                    struct vdrv_pci_windows *windows)
{
    if (ops == NULL || windows == NULL || !vdrv__pci_windows_ok(windows))
        return VDRV_ERR_INVALID;
    return vdrv__pci_assign(ops, fn, windows, VDRV__PCI_ASSIGN_ROOT);
}

/* Is `addr` in the part of the window that is still free? */
static bool is_free(const struct vdrv_pci_window *w, uint64_t addr)
{
    return addr >= w->base && addr - w->base < w->size &&
           addr - w->base >= w->used;
}

static void reserve_in(struct vdrv_pci_window *w,
                       const struct vdrv_pci_bar *bar)
{
    uint64_t end;

    if (!is_free(w, bar->addr))
        return;
    end = bar->addr - w->base + bar->size;
    w->used = end < w->size ? end : w->size;
}

static int reserve_bar(const struct vdrv_pci_ops *ops, uint32_t fn, uint32_t i,
                       uint32_t low, struct vdrv_pci_windows *w)
{
    struct vdrv_pci_bar bar;
    int err;

    /* Sizing disturbs a running device: only what could be in a window. */
    if ((low & PCI_BASE_ADDRESS_SPACE_IO) != 0) {
        if (!is_free(&w->io, low & PCI_BASE_ADDRESS_IO_MASK))
            return VDRV_OK;
    } else {
        uint64_t addr = low & PCI_BASE_ADDRESS_MEM_MASK;

        if (vdrv__pci_bar_is_wide(low) && i + 1 < BARS)
            addr |= (uint64_t)get(ops, fn, BAR_OFFSET(i + 1), 4) << 32;
        if (!is_free(&w->mem32, addr) && !is_free(&w->mem64, addr))
            return VDRV_OK;
    }
    err = vdrv_pci_bar_read(ops, fn, i, &bar);
    if (err != VDRV_OK || !vdrv_pci_bar_assigned(&bar))
        return err;
    if (bar.kind == VDRV_PCI_BAR_IO) {
        reserve_in(&w->io, &bar);
    } else {
        reserve_in(&w->mem32, &bar);
        reserve_in(&w->mem64, &bar);
    }
    return VDRV_OK;
}

int vdrv_pci_reserve(const struct vdrv_pci_ops *ops, uint32_t fn,
                     struct vdrv_pci_windows *windows)
{
    uint32_t count;

    if (ops == NULL || windows == NULL || !vdrv__pci_windows_ok(windows))
        return VDRV_ERR_INVALID;
    count = vdrv__pci_bar_count(ops, fn);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t low = get(ops, fn, BAR_OFFSET(i), 4);
        const int err = reserve_bar(ops, fn, i, low, windows);

        if (err != VDRV_OK)
            return err;
    }
    return VDRV_OK;
}

void vdrv__pci_survey(const struct vdrv_pci_ops *ops, uint32_t first_bus,
                      uint32_t last_bus, struct vdrv_pci_windows *windows)
{
    struct vdrv_pci_walk all;
    uint32_t fn;

    if (windows->surveyed != 0 ||
        vdrv_pci_walk_init(&all, ops, first_bus, last_bus) != VDRV_OK)
        return;
    while (vdrv_pci_walk_next(&all, &fn) == VDRV_OK)
        /* A BAR that cannot be read is none that anything decodes. */
        (void)vdrv_pci_reserve(ops, fn, windows);
    windows->surveyed = 1;
}
