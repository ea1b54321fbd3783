/* SPDX-License-Identifier: MIT */
/*
 * A PCI bus of any shape: bridges, cards with any BARs, virtio functions of
 * both interfaces, bytes of configuration space that are anything, and reads
 * that lie.  Where nothing lies, numbers and windows must nest, and no two
 * cards may share an address; and whatever it is, every call ends, maps
 * nothing outside a BAR, and gives all memory back.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/msix.h>
#include <virtio_drv/queue.h>

#define CARDS    12u
#define ACCESSES 300000u /* of configuration space, in one call */
#define ROOT     CARDS

struct card {
    uint32_t parent; /* a bridge, or ROOT */
    uint8_t devfn;
    bool bridge;
    uint8_t cfg[256];
    uint8_t keeps[256]; /* bits that keep what is written */
    uint8_t data;       /* a register whose reads are the device's */
};

static struct {
    struct vdrv_hal hal;
    struct vdrv_pci_ops ops;
    struct vdrv_pci_windows w;
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    struct vdrv_msix msix;
    struct fuzz_in in;
    struct card card[CARDS];
    uint32_t ncards, accesses, allocs, lie_in, last;
    bool false_bus; /* it lied, or is not as a card must be */
    struct {
        uint64_t phys, len;
    } mapped[32];
    uint32_t nmapped;
} b;

static uint32_t get(const uint8_t *p, uint32_t n)
{
    uint32_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static void put(uint8_t *p, uint32_t v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* ---- Configuration space ---------------------------------------------------- */

static struct card *at(uint32_t fn)
{
    for (uint32_t i = 0; i < b.ncards; i++) {
        struct card *c = &b.card[i];
        const uint32_t bus =
            c->parent == ROOT ? 0 : b.card[c->parent].cfg[0x19];

        if (c->devfn == (fn & 0xffu) && bus == fn >> 8 &&
            (c->parent == ROOT || bus != 0))
            return c;
    }
    return NULL;
}

static uint32_t lie(uint32_t v)
{
    if (b.lie_in == 0 || --b.lie_in != 0)
        return v;
    b.false_bus = true;
    b.lie_in = fuzz_u8(&b.in);
    switch (fuzz_pick(&b.in, 4)) {
    case 0:
        return UINT32_MAX;
    case 1:
        return 0;
    case 2:
        return v ^ 1u << fuzz_pick(&b.in, 32);
    default:
        return fuzz_u32(&b.in);
    }
}

static uint32_t bus_read(void *ctx, uint32_t fn, uint32_t off, uint32_t width)
{
    const struct card *c = at(fn);
    uint32_t v = UINT32_MAX;

    (void)ctx;
    FUZZ_CHECK(off + width <= 256 && off % width == 0);
    FUZZ_CHECK(++b.accesses <= ACCESSES);
    if (c != NULL && c->data != 0 && off == c->data)
        v = fuzz_u32(&b.in);
    else if (c != NULL)
        v = get(c->cfg + off, width);
    v = lie(v);
    return width == 4 ? v : v & ((1u << 8 * width) - 1);
}

static void bus_write(void *ctx, uint32_t fn, uint32_t off, uint32_t width,
                      uint32_t value)
{
    struct card *c = at(fn);

    (void)ctx;
    FUZZ_CHECK(off + width <= 256 && off % width == 0);
    FUZZ_CHECK(++b.accesses <= ACCESSES);
    for (uint32_t i = 0; c != NULL && i < width; i++) {
        const uint8_t k = c->keeps[off + i];

        c->cfg[off + i] =
            (uint8_t)((c->cfg[off + i] & ~k) | ((value >> 8 * i) & k));
    }
}

/* ---- Cards -------------------------------------------------------------------- */

#define MEM64_PREF 12u

/* BAR `i` of type `type` (its low bits), of 2^shift bytes; no address. */
static void bar(struct card *c, uint32_t i, uint32_t type, uint32_t shift)
{
    put(c->cfg + 0x10 + 4 * i, type, 4);
    put(c->keeps + 0x10 + 4 * i, UINT32_MAX << shift, 4);
    if ((type & 7u) == 4)
        put(c->keeps + 0x14 + 4 * i, UINT32_MAX, 4);
}

static void plain(struct card *c)
{
    put(c->cfg, 0x100e8086, 4);
    for (uint32_t i = 0; i < 6; i++) {
        const uint8_t x = fuzz_u8(&b.in);

        if ((x & 3u) == 1)
            bar(c, i, 1, 2 + (x >> 2) % 7);
        else if ((x & 3u) == 2)
            bar(c, i, (x & 4u) << 1, 4 + (x >> 3) % 24);
        else if ((x & 3u) == 3 && i < 5)
            bar(c, i, 4u | (x & 4u) << 1, 4 + (x >> 3) % 28);
        i += (x & 3u) == 3;
    }
}

static void bridge(struct card *c)
{
    const uint8_t x = fuzz_u8(&b.in);

    c->bridge = true;
    put(c->cfg, 0x000c1b36, 4);
    c->cfg[0x0e] = 1;
    memset(c->keeps + 0x18, 0xff, 3);
    put(c->keeps + 0x1c, 0xf0f0, 2);
    put(c->keeps + 0x20, 0xfff0fff0, 4);
    put(c->keeps + 0x24, 0xfff0fff0, 4);
    if ((x & 1u) != 0) { /* 64 bits of memory, 32 of I/O */
        put(c->cfg + 0x1c, 0x0101, 2);
        put(c->cfg + 0x24, 0x00010001, 4);
        memset(c->keeps + 0x28, 0xff, 12);
    }
    if ((x & 6u) == 6)
        bar(c, 0, 0, 12);
}

static void cap(struct card *c, uint8_t pos, uint8_t next, uint8_t len,
                uint8_t type, uint32_t off, uint32_t size)
{
    uint8_t *p = c->cfg + pos;

    p[0] = 9;
    p[1] = next;
    p[2] = len;
    p[3] = type;
    p[4] = 4;
    put(p + 8, off, 4);
    put(p + 12, size, 4);
}

static void virtio(struct card *c, uint32_t kind)
{
    put(c->cfg, kind == 0 ? 0x10421af4 : 0x10011af4, 4);
    c->cfg[0x3d] = 1;
    if (kind != 0)
        bar(c, 0, 1, 7);
    if (kind == 2) /* legacy only */
        return;
    bar(c, 1, 0, 12);
    bar(c, 4, MEM64_PREF, 14);
    c->cfg[6] = 0x10;
    c->cfg[0x34] = 0x40;
    cap(c, 0x40, 0x50, 16, 1, 0, 0x40);
    cap(c, 0x50, 0x64, 20, 2, 0x3000, 0x1000);
    c->cfg[0x60] = 4; /* multiplier */
    cap(c, 0x64, 0x74, 16, 3, 0x1000, 4);
    cap(c, 0x74, 0x84, 16, 4, 0x2000, 0x100);
    cap(c, 0x84, 0x98, 20, 5, 0, 0);
    memset(c->keeps + 0x88, 0xff, 16);
    c->data = 0x94;
    put(c->cfg + 0x98, 0x0003a811, 4); /* MSI-X: 4 vectors in BAR 1 */
    put(c->cfg + 0x9c, 1, 4);
    put(c->cfg + 0xa0, 0x801, 4);
    c->keeps[0x9b] = 0xc0;
    cap(c, 0xa8, 0, 24, 8, 0x800, 0x800);
}

static void add_card(void)
{
    const uint32_t kind = fuzz_pick(&b.in, 8);
    struct card *c = &b.card[b.ncards];

    memset(c, 0, sizeof(*c));
    c->parent = fuzz_pick(&b.in, b.ncards + 1);
    if (c->parent == b.ncards || !b.card[c->parent].bridge)
        c->parent = ROOT;
    c->devfn = (uint8_t)(fuzz_u8(&b.in) << 3);
    put(c->keeps + 4, 0x407, 2);
    if (kind < 2)
        plain(c);
    else if (kind < 5)
        bridge(c);
    else
        virtio(c, kind - 5);
    for (uint32_t i = 0; i < b.ncards; i++) /* nobody there is ever found */
        if (b.card[i].parent == c->parent && b.card[i].devfn == c->devfn)
            return;
    b.ncards++;
}

/* ---- The platform ------------------------------------------------------------- */

/* A BAR's address and size; 0: none. */
static uint64_t bar_of(const struct card *c, uint32_t i, uint64_t *size)
{
    const uint32_t low = get(c->cfg + 0x10 + 4 * i, 4);
    uint64_t mask = get(c->keeps + 0x10 + 4 * i, 4), addr = low & mask;

    *size = 0;
    if (mask == 0)
        return 0;
    if ((low & 7u) == 4) {
        mask |= (uint64_t)get(c->keeps + 0x14 + 4 * i, 4) << 32;
        addr |= (uint64_t)get(c->cfg + 0x14 + 4 * i, 4) << 32;
    } else {
        mask |= (uint64_t)UINT32_MAX << 32;
    }
    *size = ~mask + 1;
    return addr;
}

static bool is_wide(const struct card *c, uint32_t i)
{
    return (c->cfg[0x10 + 4 * i] & 7u) == 4;
}

/* Registers are looked for in memory that some card has in a BAR. */
static void *mmio_map(void *ctx, uint64_t phys, uint64_t len)
{
    bool inside = b.false_bus;

    (void)ctx;
    FUZZ_CHECK(len != 0 && phys + len > phys);
    for (uint32_t c = 0; c < b.ncards && !inside; c++) {
        for (uint32_t i = 0; i < 6 && !b.card[c].bridge; i++) {
            uint64_t size, addr = bar_of(&b.card[c], i, &size);

            inside |= addr != 0 && phys >= addr && len <= size &&
                      phys - addr <= size - len;
            i += is_wide(&b.card[c], i);
        }
    }
    FUZZ_CHECK(inside);
    if (b.nmapped == sizeof(b.mapped) / sizeof(b.mapped[0]))
        return NULL;
    b.mapped[b.nmapped].phys = phys;
    b.mapped[b.nmapped++].len = len;
    return (void *)(uintptr_t)phys;
}

static void check_access(uint32_t space, uintptr_t addr, uint32_t width)
{
    bool inside = false;

    FUZZ_CHECK(++b.accesses <= ACCESSES);
    if (space == VDRV_SPACE_PORT) {
        FUZZ_CHECK(addr >= b.pci.common.addr &&
                   addr + width <= b.pci.common.addr + b.pci.common.size);
        return;
    }
    for (uint32_t i = 0; i < b.nmapped; i++)
        inside |= addr >= b.mapped[i].phys &&
                  addr - b.mapped[i].phys + width <= b.mapped[i].len;
    FUZZ_CHECK(inside);
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    const uint32_t v = fuzz_u8(&b.in);

    (void)ctx;
    check_access(space, addr, width);
    if (v < 192)
        return v;
    return fuzz_u32(&b.in) & (width == 4 ? UINT32_MAX : (1u << 8 * width) - 1);
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    (void)ctx;
    (void)value;
    check_access(space, addr, width);
}

static void *alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                   uint32_t flags, uint64_t *dma)
{
    void *p = NULL;

    (void)ctx;
    (void)flags;
    FUZZ_CHECK(limit >= UINT32_MAX && posix_memalign(&p, align, size) == 0);
    *dma = 0x100000u + align;
    *dma &= ~(uint64_t)(align - 1);
    b.allocs++;
    return p;
}

static void dealloc(void *ctx, void *ptr, uint64_t dma, size_t size,
                    uint32_t flags)
{
    (void)ctx;
    (void)dma;
    (void)size;
    (void)flags;
    b.allocs--;
    free(ptr);
}

/* ---- What must hold ------------------------------------------------------------- */

static bool behind(const struct card *c, uint32_t bridge)
{
    for (uint32_t p = c->parent; p != ROOT; p = b.card[p].parent)
        if (p == bridge)
            return true;
    return false;
}

/* Does a bridge forward these addresses? */
static bool forwards(const struct card *c, bool io, uint64_t addr,
                     uint64_t size)
{
    const uint8_t *p = c->cfg;
    const uint64_t up = get(p + 0x28, 4), ul = get(p + 0x2c, 4);
    uint64_t first, last;

    if (io) {
        first = (uint64_t)(p[0x1c] & 0xf0u) << 8 | get(p + 0x30, 2) << 16;
        last =
            (uint64_t)(p[0x1d] & 0xf0u) << 8 | get(p + 0x32, 2) << 16 | 0xfffu;
        return addr <= last && addr + size - 1 >= first && first <= last;
    }
    first = (uint64_t)get(p + 0x20, 2) << 16;
    last = (uint64_t)get(p + 0x22, 2) << 16 | 0xfffffu;
    if (first <= last && addr <= last && addr + size - 1 >= first)
        return true;
    first = (uint64_t)(get(p + 0x24, 2) & 0xfff0u) << 16 | up << 32;
    last = (uint64_t)(get(p + 0x26, 2) & 0xfff0u) << 16 | 0xfffffu | ul << 32;
    return first <= last && addr <= last && addr + size - 1 >= first;
}

/* Reached through all bridges above, and claimed by no other. */
static void check_bar(const struct card *c, bool io, uint64_t addr,
                      uint64_t size)
{
    for (uint32_t i = 0; i < b.ncards; i++) {
        const struct card *up = &b.card[i];

        if (up->bridge && up->cfg[0x19] != 0 && up != c)
            FUZZ_CHECK(forwards(up, io, addr, size) == behind(c, i));
    }
}

static void check_alone(const struct card *c, uint32_t at_bar, bool io,
                        uint64_t addr, uint64_t size)
{
    for (uint32_t k = 0; k < b.ncards; k++) {
        const struct card *o = &b.card[k];

        for (uint32_t i = 0; i < (o->bridge ? 2u : 6u); i++) {
            const bool same_io = (o->cfg[0x10 + 4 * i] & 1u) != 0;
            uint64_t n, a = bar_of(o, i, &n);

            if (a != 0 && same_io == io && (o != c || i != at_bar))
                FUZZ_CHECK(a + n <= addr || addr + size <= a);
            i += is_wide(o, i);
        }
    }
}

static void check_numbers(const struct card *c)
{
    const struct card *up = c->parent == ROOT ? NULL : &b.card[c->parent];

    if (c->cfg[0x19] == 0)
        return;
    FUZZ_CHECK(c->cfg[0x1a] >= c->cfg[0x19] && c->cfg[0x1a] <= b.last);
    FUZZ_CHECK(c->cfg[0x18] == (up == NULL ? 0 : up->cfg[0x19]));
    if (up != NULL)
        FUZZ_CHECK(c->cfg[0x19] > up->cfg[0x19] &&
                   c->cfg[0x1a] <= up->cfg[0x1a]);
    for (uint32_t i = 0; i < b.ncards; i++)
        FUZZ_CHECK(&b.card[i] == c || !b.card[i].bridge ||
                   b.card[i].cfg[0x19] != c->cfg[0x19]);
}

static void check_tree(void)
{
    FUZZ_CHECK(b.w.mem32.used <= b.w.mem32.size);
    FUZZ_CHECK(b.w.mem64.used <= b.w.mem64.size);
    FUZZ_CHECK(b.w.io.used <= b.w.io.size);
    for (uint32_t k = 0; k < b.ncards && !b.false_bus; k++) {
        const struct card *c = &b.card[k];

        if (c->bridge)
            check_numbers(c);
        for (uint32_t i = 0; i < (c->bridge ? 2u : 6u); i++) {
            const bool io = (c->cfg[0x10 + 4 * i] & 1u) != 0;
            uint64_t size, addr = bar_of(c, i, &size);

            if (addr != 0) {
                check_bar(c, io, addr, size);
                check_alone(c, i, io, addr, size);
            }
            i += is_wide(c, i);
        }
    }
}

/* ---- What is done with it --------------------------------------------------------- */

static void one_queue(struct vdrv_transport *t)
{
    static uint64_t work[VDRV_QUEUE_WORK_SIZE(256, 0) / 8];
    struct vdrv_queue_config cfg = {.size = 16,
                                    .vector =
                                        t->vectors != 0 ? 1 : VDRV_NO_VECTOR,
                                    .work = work,
                                    .work_size = sizeof(work)};
    struct vdrv_seg seg = vdrv_seg_dma(0x1000, 64);
    struct vdrv_queue q;
    void *cookie;

    if (vdrv_queue_init(&q, t, &cfg) == VDRV_OK &&
        vdrv_transport_ready(t) == VDRV_OK) {
        (void)vdrv_queue_add(&q, &seg, 1, 0, &q);
        (void)vdrv_queue_kick(&q);
        (void)t->ops->irq(t, 0);
    }
    while (q.desc != NULL && vdrv_queue_drain(&q, &cookie))
        FUZZ_CHECK(cookie == &q);
    vdrv_queue_fini(&q);
}

static void drive(void)
{
    static const struct vdrv_msix_message msg[2] = {{.addr = 0xfee00000u},
                                                    {.addr = 0xfee00000u}};
    static const struct vdrv_config_field field = {0, 4, 8};
    const uint64_t wanted[2] = {UINT64_MAX, 0}, required[2] = {0, 0};
    struct vdrv_transport *t = &b.pci.transport;
    struct vdrv_shared_memory shm;
    uint8_t image[32];

    (void)vdrv_transport_shared_memory(t, fuzz_pick(&b.in, 2), &shm);
    if ((fuzz_u8(&b.in) & 1u) != 0)
        (void)vdrv_msix_attach(&b.msix, &b.pci, msg, 2);
    if (vdrv_transport_begin(t, wanted, required, NULL, 0) == VDRV_OK) {
        (void)vdrv_transport_config(t, &field, 1, image, sizeof(image));
        t->ops->config_write(t, 28, 4, 1);
        if (t->ops->config_vector != NULL)
            (void)t->ops->config_vector(t, 0);
        t->features[0] &= ~FUZZ_BIT(34) & ~FUZZ_BIT(35);
        one_queue(t);
        if (t->ops->queue_reset != NULL)
            (void)t->ops->queue_reset(t, 0);
        (void)t->ops->restore(t);
    }
    vdrv_transport_release(t);
}

static void set_up(void)
{
    const uint8_t windows = fuzz_u8(&b.in);

    b.hal = (struct vdrv_hal){.dma_alloc = alloc,
                              .dma_free = dealloc,
                              .direct_size = UINT64_MAX,
                              .poll_limit = 16,
                              .mmio_map = mmio_map,
                              .reg_read = reg_read,
                              .reg_write = reg_write};
    b.ops = (struct vdrv_pci_ops){.read = bus_read, .write = bus_write};
    b.w.mem32 = (struct vdrv_pci_window){
        0x40000000u, UINT64_C(0x10000) << (windows & 15u), 0};
    if ((windows & 16u) != 0)
        b.w.mem64 = (struct vdrv_pci_window){
            UINT64_C(0x800000000), UINT64_C(0x8000000) << (windows >> 5), 0};
    b.w.io = (struct vdrv_pci_window){(windows & 32u) << 7, 0xe000, 0};
    b.last = 1 + fuzz_u8(&b.in) % 255u;
}

/* Bytes that are anything; how far the bus is false from the beginning. */
static void falsify(void)
{
    const uint32_t n = fuzz_pick(&b.in, 32);

    b.false_bus = n != 0;
    for (uint32_t i = 0; i < n; i++) {
        struct card *c = &b.card[fuzz_pick(&b.in, CARDS)];
        const uint8_t where = fuzz_u8(&b.in);

        (where & 1u ? c->cfg : c->keeps)[fuzz_u8(&b.in)] = fuzz_u8(&b.in);
    }
    b.lie_in = fuzz_u8(&b.in);
}

void fuzz_run_bus(const uint8_t *data, size_t size)
{
    const struct vdrv_pci_options options = {&vdrv_pci_legacy,
                                             &vdrv_pci_config_access};
    uint32_t n, found = 0;
    int err;

    memset(&b, 0, sizeof(b));
    b.in = (struct fuzz_in){data, size};
    set_up();
    for (n = fuzz_pick(&b.in, CARDS + 1); n > 0; n--)
        add_card();
    falsify();
    err = vdrv_pci_bridges(&b.ops, 0, b.last, &b.w);
    FUZZ_CHECK(err == VDRV_OK || err == VDRV_ERR_NO_MEMORY || b.false_bus);
    check_tree();
    FUZZ_CHECK(vdrv_pci_walk_init(&b.walk, &b.ops, 0, b.last) == VDRV_OK);
    for (; found < CARDS + 1; found++) {
        b.accesses = 0;
        b.nmapped = 0;
        if (vdrv_pci_find_any(&b.pci, &b.hal, &b.walk, &b.w, 0, &options) !=
            VDRV_OK)
            break;
        check_tree();
        b.accesses = 0;
        drive();
        FUZZ_CHECK(b.allocs == 0);
    }
    FUZZ_CHECK(found <= b.ncards || b.false_bus);
}

/* Two bridges in a row, a card of each kind, wide and narrow. */
void fuzz_seed_bus(fuzz_emit *emit, void *ctx)
{
    for (uint8_t wide = 0; wide < 2; wide++) {
        uint8_t data[] = {
            0x3c, 16, 9, /* windows, buses, cards */
            2,    0,  1, wide, 2,    0,    2,    wide, /* bridges: one, one behind */
            2,    0,  3, 7,                            /* and another */
            0,    1,  1, 0x0f, 0x21, 0x4a, 0,    0,       /* a card */
            5,    1,  2, 6,    0,    4,    7,    2,    1, /* virtio: three kinds */
            5,    2,  2, 0,    2,    5,    0x0b, 1,    0x77, /* and more */
            0,    0,  1, 1,    1,    0,    0,    0,    1,    11,
            0, /* what the device says */
        };

        emit(ctx, data, sizeof(data));
    }
}
