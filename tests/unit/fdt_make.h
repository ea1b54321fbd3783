/* SPDX-License-Identifier: MIT */
/* Writes small flattened device trees, for tests of the reader. */
#ifndef FDT_MAKE_H
#define FDT_MAKE_H

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define FDT_MAKE_SIZE  32768u
#define FDT_MAKE_NAMES 32000u /* where the strings begin */

struct fdt_make {
    uint8_t blob[FDT_MAKE_SIZE];
    uint32_t pos;   /* in the structure block, which begins at 64 */
    uint32_t names; /* bytes of the strings block */
};

static inline void fdt_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void fdt_word(struct fdt_make *m, uint32_t v)
{
    fdt_be32(m->blob + m->pos, v);
    m->pos += 4;
}

static inline void fdt_start(struct fdt_make *m)
{
    memset(m, 0, sizeof(*m));
    m->pos = 64;
}

static inline void fdt_open(struct fdt_make *m, const char *name)
{
    const uint32_t n = (uint32_t)strlen(name) + 1;

    fdt_word(m, 1);
    memcpy(m->blob + m->pos, name, n);
    m->pos += (n + 3) & ~3u;
}

static inline void fdt_close(struct fdt_make *m)
{
    fdt_word(m, 2);
}

/* Where the name is among the strings; each is there once. */
static inline uint32_t fdt_name(struct fdt_make *m, const char *name)
{
    const uint32_t n = (uint32_t)strlen(name) + 1;
    uint8_t *const strings = m->blob + FDT_MAKE_NAMES;

    for (uint32_t at = 0; at < m->names;
         at += (uint32_t)strlen((char *)strings + at) + 1)
        if (strcmp((char *)strings + at, name) == 0)
            return at;
    memcpy(strings + m->names, name, n);
    m->names += n;
    return m->names - n;
}

static inline void fdt_bytes(struct fdt_make *m, const char *name,
                             const void *data, uint32_t len)
{
    fdt_word(m, 3);
    fdt_word(m, len);
    fdt_word(m, fdt_name(m, name));
    if (len > 0)
        memcpy(m->blob + m->pos, data, len);
    m->pos += (len + 3) & ~3u;
}

static inline void fdt_text(struct fdt_make *m, const char *name,
                            const char *text)
{
    fdt_bytes(m, name, text, (uint32_t)strlen(text) + 1);
}

static inline void fdt_cells(struct fdt_make *m, const char *name, int n, ...)
{
    uint8_t data[4 * 64];
    va_list ap;

    va_start(ap, n);
    for (int i = 0; i < n; i++)
        fdt_be32(data + 4 * (size_t)i, va_arg(ap, uint32_t));
    va_end(ap);
    fdt_bytes(m, name, data, 4 * (uint32_t)n);
}

/* The header.  Afterwards the blob has `FDT_MAKE_NAMES + names` bytes. */
static inline uint32_t fdt_finish(struct fdt_make *m)
{
    const uint32_t size = FDT_MAKE_NAMES + m->names;
    uint32_t *at = &m->pos;

    fdt_word(m, 9);
    fdt_be32(m->blob, 0xd00dfeed);
    fdt_be32(m->blob + 4, size);
    fdt_be32(m->blob + 8, 64);
    fdt_be32(m->blob + 12, FDT_MAKE_NAMES);
    fdt_be32(m->blob + 16, 40);
    fdt_be32(m->blob + 20, 17);
    fdt_be32(m->blob + 24, 16);
    fdt_be32(m->blob + 32, m->names);
    fdt_be32(m->blob + 36, *at - 64);
    return size;
}

#endif
