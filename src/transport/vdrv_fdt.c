/* SPDX-License-Identifier: MIT */
/*
 * The virtio-mmio nodes of a flattened device tree (Devicetree Specification
 * 0.4, chapter 5).  One pass over the structure block, whose nesting is an
 * array and not a recursion.  No offset or length of the blob is followed
 * before it was compared with the blob's size; what does not fit ends the
 * walk.
 */
#include <virtio_drv/mmio.h>

#include "../core/mem.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_HEADER     40u
#define FDT_BEGIN_NODE 1u
#define FDT_END_NODE   2u
#define FDT_PROP       3u
#define FDT_NOP        4u
#define FDT_END        9u

/* Offsets in the header. */
#define AT_TOTALSIZE    4u
#define AT_STRUCT       8u
#define AT_STRINGS      12u
#define AT_VERSION      20u
#define AT_COMPATIBLE   24u
#define AT_SIZE_STRINGS 32u
#define AT_SIZE_STRUCT  36u

#define VERSION_OLDEST 16u
#define VERSION_SIZED  17u /* from here on the structure block's size is told */

/* Flags of a level. */
#define NODE_MMIO     1u /* its compatible says so */
#define NODE_DISABLED 2u /* it or a parent */
#define NODE_COHERENT 4u /* it or a parent */
#define NODE_RANGES   8u
#define NODE_EXTENDED 16u /* irq is interrupts-extended */

/* Ranges of one bus that are looked at: a hostile one may have any number. */
#define RANGES_MAX 32u

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* A number of 0 to 2 cells. */
static uint64_t cells(const uint8_t *p, uint32_t n)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < n; i++)
        value = value << 32 | be32(p + 4 * (size_t)i);
    return value;
}

uint32_t vdrv_fdt_size(const void *fdt)
{
    const uint8_t *p = fdt;

    if (p == NULL || be32(p) != FDT_MAGIC)
        return 0;
    return be32(p + AT_TOTALSIZE);
}

/* ---- Beginning ----------------------------------------------------------- */

static bool inside(uint32_t off, uint32_t len, uint32_t size)
{
    return off <= size && len <= size - off;
}

int vdrv_fdt_begin(struct vdrv_fdt_walk *w, const void *fdt, size_t size)
{
    const uint8_t *p = fdt;
    uint32_t total, off, len, version;

    if (w == NULL)
        return VDRV_ERR_INVALID;
    memset(w, 0, sizeof(*w)); /* a walk that ends at once */
    if (p == NULL || size < FDT_HEADER || be32(p) != FDT_MAGIC)
        return VDRV_ERR_INVALID;
    total = be32(p + AT_TOTALSIZE);
    version = be32(p + AT_VERSION);
    if (total > size || total < FDT_HEADER || version < VERSION_OLDEST ||
        be32(p + AT_COMPATIBLE) > VERSION_SIZED)
        return VDRV_ERR_INVALID;
    off = be32(p + AT_STRUCT);
    if (off % 4 != 0 || off > total)
        return VDRV_ERR_INVALID;
    len = version < VERSION_SIZED ? total - off : be32(p + AT_SIZE_STRUCT);
    if (!inside(off, len, total) ||
        !inside(be32(p + AT_STRINGS), be32(p + AT_SIZE_STRINGS), total))
        return VDRV_ERR_INVALID;
    w->fdt = p;
    w->pos = off;
    w->end = off + len;
    w->strings = be32(p + AT_STRINGS);
    w->strings_end = w->strings + be32(p + AT_SIZE_STRINGS);
    return VDRV_OK;
}

/* --- The structure block -------------------------------------------------- */

static bool next_word(struct vdrv_fdt_walk *w, uint32_t *out)
{
    if (w->end - w->pos < 4)
        return false;
    *out = be32(w->fdt + w->pos);
    w->pos += 4;
    return true;
}

/* Skips `len` bytes, and to the next word. */
static bool skip(struct vdrv_fdt_walk *w, uint32_t len)
{
    uint32_t pad;

    if (len > w->end - w->pos)
        return false;
    w->pos += len;
    pad = -w->pos & 3u;
    if (pad > w->end - w->pos)
        return false;
    w->pos += pad;
    return true;
}

/* Of the node that is open and being read; NULL: none, or too deep. */
static struct vdrv_fdt_level *top(struct vdrv_fdt_walk *w)
{
    if (w->depth == 0 || w->depth > VDRV_FDT_DEPTH)
        return NULL;
    return &w->level[w->depth - 1];
}

static bool begin_node(struct vdrv_fdt_walk *w)
{
    const struct vdrv_fdt_level *const up = top(w);
    struct vdrv_fdt_level *l;
    uint32_t len = 0;

    while (len < w->end - w->pos && w->fdt[w->pos + len] != 0)
        len++;
    if (len == w->end - w->pos || !skip(w, len + 1))
        return false;
    w->depth++;
    l = top(w);
    if (l == NULL)
        return true;
    memset(l, 0, sizeof(*l));
    l->address_cells = 2; /* when it does not say, 2.3.5 there */
    l->size_cells = 1;
    if (up != NULL) {
        l->irq_parent = up->irq_parent;
        l->flags = up->flags & (NODE_DISABLED | NODE_COHERENT);
    }
    return true;
}

/* Is the string at `p`, which ends before `end`, the same as `text`? */
static bool same(const uint8_t *p, const uint8_t *end, const char *text)
{
    for (; p < end && *p == (uint8_t)*text; p++, text++) {
        if (*text == '\0')
            return true;
    }
    return false;
}

/* Is `text` in a list of strings? */
static bool listed(const uint8_t *p, const uint8_t *end, const char *text)
{
    while (p < end) {
        if (same(p, end, text))
            return true;
        while (p < end && *p != 0)
            p++;
        p++;
    }
    return false;
}

enum prop {
    ADDRESS_CELLS,
    SIZE_CELLS,
    RANGES,
    REG,
    COMPATIBLE,
    STATUS,
    COHERENT,
    INTERRUPTS,
    EXTENDED,
    PARENT,
    OTHER
};

static enum prop name_of(const struct vdrv_fdt_walk *w, uint32_t off)
{
    static const char *const name[OTHER] = {
        "#address-cells",      "#size-cells",      "ranges",       "reg",
        "compatible",          "status",           "dma-coherent", "interrupts",
        "interrupts-extended", "interrupt-parent",
    };
    uint32_t i = 0;

    if (off >= w->strings_end - w->strings)
        return OTHER;
    while (i < OTHER &&
           !same(w->fdt + w->strings + off, w->fdt + w->strings_end, name[i]))
        i++;
    return (enum prop)i;
}

static void set_irq(struct vdrv_fdt_level *l, uint32_t at, uint32_t len,
                    bool extended)
{
    /* interrupts-extended takes precedence, whichever comes first. */
    if (!extended && (l->flags & NODE_EXTENDED) != 0)
        return;
    l->irq = at;
    l->irq_len = len;
    if (extended)
        l->flags |= NODE_EXTENDED;
}

/* Properties of one cell; others of that name are left alone. */
static void note_cell(struct vdrv_fdt_level *l, enum prop prop, uint32_t cell)
{
    if (prop == ADDRESS_CELLS)
        l->address_cells = cell;
    else if (prop == SIZE_CELLS)
        l->size_cells = cell;
    else if (prop == PARENT)
        l->irq_parent = cell;
}

static void note(const struct vdrv_fdt_walk *w, struct vdrv_fdt_level *l,
                 enum prop prop, uint32_t at, uint32_t len)
{
    const uint8_t *const p = w->fdt + at;

    if (len == 4)
        note_cell(l, prop, be32(p));
    if (prop == RANGES) {
        l->flags |= NODE_RANGES;
        l->ranges = at;
        l->ranges_len = len;
    } else if (prop == REG) {
        l->reg = at;
        l->reg_len = len;
    } else if (prop == COMPATIBLE && listed(p, p + len, "virtio,mmio")) {
        l->flags |= NODE_MMIO;
    } else if (prop == STATUS && !same(p, p + len, "okay") &&
               !same(p, p + len, "ok")) {
        l->flags |= NODE_DISABLED;
    } else if (prop == COHERENT) {
        l->flags |= NODE_COHERENT;
    } else if (prop == INTERRUPTS || prop == EXTENDED) {
        set_irq(l, at, len, prop == EXTENDED);
    }
}

static bool property(struct vdrv_fdt_walk *w)
{
    struct vdrv_fdt_level *const l = top(w);
    uint32_t len, name, at;

    if (!next_word(w, &len) || !next_word(w, &name) || w->depth == 0)
        return false;
    at = w->pos;
    if (!skip(w, len))
        return false;
    if (l != NULL)
        note(w, l, name_of(w, name), at, len);
    return true;
}

/* --- A node that was found ------------------------------------------------ */

/* From the addresses of bus `l` to those of the bus `up` that it is on. */
static bool translate(const struct vdrv_fdt_walk *w,
                      const struct vdrv_fdt_level *l,
                      const struct vdrv_fdt_level *up, uint64_t size,
                      uint64_t *addr)
{
    const uint32_t ac = l->address_cells, pc = up->address_cells;
    uint32_t entry, n;

    if ((l->flags & NODE_RANGES) == 0)
        return false; /* its addresses are not memory's */
    if (l->ranges_len == 0)
        return true; /* they are the same */
    if (pc == 0 || pc > 2)
        return false;
    entry = 4 * (ac + pc + l->size_cells);
    n = l->ranges_len / entry;
    for (uint32_t i = 0; i < n && i < RANGES_MAX; i++) {
        const uint8_t *p = w->fdt + l->ranges + (size_t)i * entry;
        const uint64_t off = *addr - cells(p, ac);
        const uint64_t to = cells(p + 4 * (size_t)ac, pc);
        const uint64_t len = cells(p + 4 * (size_t)(ac + pc), l->size_cells);

        if (*addr >= cells(p, ac) && off < len && size <= len - off &&
            to + off >= to) {
            *addr = to + off;
            return true;
        }
    }
    return false;
}

/* Can the addresses of what is on bus `l` be read? */
static bool readable(const struct vdrv_fdt_level *l)
{
    return l->address_cells >= 1 && l->address_cells <= 2 &&
           l->size_cells >= 1 && l->size_cells <= 2;
}

/* Where the node is, as the CPU sees it. */
static bool place(const struct vdrv_fdt_walk *w, struct vdrv_mmio_slot *out)
{
    const struct vdrv_fdt_level *l = &w->level[w->depth - 1];
    const uint8_t *reg = w->fdt + l->reg;
    uint64_t size;

    if (w->depth < 2 || !readable(&l[-1]) ||
        l->reg_len / 4 < l[-1].address_cells + l[-1].size_cells)
        return false;
    out->phys = cells(reg, l[-1].address_cells);
    size = cells(reg + 4 * (size_t)l[-1].address_cells, l[-1].size_cells);
    if (size == 0 || size > UINT32_MAX)
        return false;
    for (uint32_t i = w->depth - 2; i > 0; i--) {
        if (!readable(&w->level[i]) ||
            !translate(w, &w->level[i], &w->level[i - 1], size, &out->phys))
            return false;
    }
    out->size = (uint32_t)size;
    return out->phys + size - 1 >= out->phys;
}

/* What is known of the node's interrupt: as many cells as there is room. */
static void interrupt(const struct vdrv_fdt_walk *w, struct vdrv_mmio_slot *out)
{
    const struct vdrv_fdt_level *l = &w->level[w->depth - 1];
    const uint8_t *p = w->fdt + l->irq;
    uint32_t n = l->irq_len / 4;

    out->irq_parent = l->irq_parent;
    if ((l->flags & NODE_EXTENDED) != 0 && n > 0) {
        out->irq_parent = be32(p);
        p += 4;
        n--;
    }
    for (; out->nirq < n && out->nirq < VDRV_MMIO_IRQ_CELLS; out->nirq++)
        out->irq[out->nirq] = be32(p + 4 * (size_t)out->nirq);
}

/* The node that is open, all of whose properties have been seen. */
static bool found(struct vdrv_fdt_walk *w, struct vdrv_mmio_slot *out)
{
    struct vdrv_fdt_level *const l = top(w);

    if (l == NULL || (l->flags & NODE_MMIO) == 0)
        return false;
    l->flags &= ~NODE_MMIO; /* once */
    *out = (struct vdrv_mmio_slot){.id = -1};
    if ((l->flags & NODE_DISABLED) != 0 || !place(w, out))
        return false;
    interrupt(w, out);
    if ((l->flags & NODE_COHERENT) != 0)
        out->flags = VDRV_MMIO_SLOT_COHERENT;
    return true;
}

static bool end_node(struct vdrv_fdt_walk *w)
{
    return w->depth-- > 0;
}

int vdrv_fdt_mmio_next(struct vdrv_fdt_walk *w, struct vdrv_mmio_slot *out)
{
    uint32_t token;
    bool good = true;

    if (w == NULL || out == NULL || w->fdt == NULL)
        return VDRV_ERR_INVALID;
    while (good && next_word(w, &token)) {
        if ((token == FDT_BEGIN_NODE || token == FDT_END_NODE) &&
            found(w, out)) {
            w->pos -= 4; /* for the next call */
            return VDRV_OK;
        }
        if (token == FDT_BEGIN_NODE)
            good = begin_node(w);
        else if (token == FDT_END_NODE)
            good = end_node(w);
        else if (token == FDT_PROP)
            good = property(w);
        else if (token == FDT_END && w->depth == 0)
            return VDRV_ERR_NO_DEVICE;
        else
            good = token == FDT_NOP;
    }
    w->fdt = NULL;
    return VDRV_ERR_INVALID;
}
