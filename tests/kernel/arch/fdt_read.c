/* SPDX-License-Identifier: MIT */
/*
 * A very small reader of the flattened device tree.  QEMU made the blob, so a
 * wrong one ends the search instead of being explained; but no offset is
 * followed out of the blob's own size.
 */
#include "fdt_read.h"

#include "../klib.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_BEGIN_NODE 1u
#define FDT_END_NODE   2u
#define FDT_PROP       3u
#define FDT_NOP        4u

struct cursor {
    const uint8_t *blob;
    uint32_t pos, end; /* in the structure block */
    uint32_t strings;  /* offset of the strings block */
    uint32_t size;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

uint32_t fdt_size(const void *fdt)
{
    const uint8_t *b = fdt;

    return b && be32(b) == FDT_MAGIC ? be32(b + 4) : 0;
}

/* The string's length with its terminator, 0: it does not end in the blob. */
static uint32_t str_size(const struct cursor *c, uint32_t pos)
{
    for (uint32_t i = pos; i < c->size; i++)
        if (!c->blob[i])
            return i - pos + 1;
    return 0;
}

static bool next_word(struct cursor *c, uint32_t *word)
{
    if (c->end < 4 || c->pos > c->end - 4)
        return false;
    *word = be32(c->blob + c->pos);
    c->pos += 4;
    return true;
}

/* "memory@80000000" is found as "memory". */
static bool node_is(const char *name, const char *node)
{
    while (*node && *name == *node) {
        name++;
        node++;
    }
    return !*node && (!*name || *name == '@');
}

static bool skip(struct cursor *c, uint32_t len)
{
    if (len > c->end - c->pos)
        return false;
    c->pos = (c->pos + len + 3) & ~3u;
    return c->pos <= c->end;
}

static bool cursor_init(struct cursor *c, const void *fdt)
{
    c->blob = fdt;
    c->size = fdt_size(fdt);
    if (c->size < 40)
        return false;
    c->pos = be32(c->blob + 8);
    c->strings = be32(c->blob + 12);
    c->end = c->size;
    return c->pos < c->size && c->strings < c->size;
}

/* Reads a property's head; its value starts at c->pos afterwards. */
static bool prop_head(struct cursor *c, const char **name, uint32_t *len)
{
    uint32_t off;

    if (!next_word(c, len) || !next_word(c, &off))
        return false;
    if (*len > c->end - c->pos || off >= c->size - c->strings)
        return false;
    if (!str_size(c, c->strings + off))
        return false;
    *name = (const char *)c->blob + c->strings + off;
    return true;
}

const uint8_t *fdt_prop(const void *fdt, const char *node, const char *prop,
                        uint32_t *len)
{
    struct cursor c;
    uint32_t token, depth = 0;
    bool inside = false;
    const char *name;

    if (!cursor_init(&c, fdt))
        return NULL;
    while (next_word(&c, &token)) {
        if (token == FDT_BEGIN_NODE) {
            uint32_t n = str_size(&c, c.pos);

            if (++depth == 2)
                inside = n && node_is((const char *)c.blob + c.pos, node);
            if (!n || !skip(&c, n))
                return NULL;
        } else if (token == FDT_PROP) {
            if (!prop_head(&c, &name, len))
                return NULL;
            if (depth == 2 && inside && !kstrcmp(name, prop))
                return c.blob + c.pos;
            if (!skip(&c, *len))
                return NULL;
        } else if (token == FDT_END_NODE && depth) {
            depth--;
        } else if (token != FDT_NOP) {
            return NULL;
        }
    }
    return NULL;
}

uint64_t fdt_ram_end(const void *fdt, uint64_t addr)
{
    uint32_t len;
    const uint8_t *reg = fdt_prop(fdt, "memory", "reg", &len);

    /* two address cells and two size cells on QEMU's machines */
    for (; reg && len >= 16; reg += 16, len -= 16)
        if (be64(reg) <= addr && addr - be64(reg) < be64(reg + 8))
            return be64(reg) + be64(reg + 8);
    return 0;
}

void fdt_bootargs(const void *fdt, char *buf, uint32_t size)
{
    uint32_t len = 0;
    const uint8_t *args = fdt_prop(fdt, "chosen", "bootargs", &len);

    buf[0] = 0;
    if (!args)
        return;
    if (len > size - 1)
        len = size - 1;
    memcpy(buf, args, len);
    buf[len] = 0;
}
