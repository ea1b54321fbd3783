/* SPDX-License-Identifier: MIT */
/*
 * Virtio-mmio slots from a kernel command line, as microvm and Firecracker
 * pass them: virtio_mmio.device=<size>@<base>:<irq>[:<id>], with the grammar
 * that Linux gives it.
 */
#include <virtio_drv/mmio.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of the word at `p`; between double quotes spaces belong to it. */
static const char *word_end(const char *p)
{
    bool quoted = false;

    for (; *p != '\0' && (quoted || !is_space(*p)); p++) {
        if (*p == '"')
            quoted = !quoted;
    }
    return p;
}

/* 0 to 15, or 16: none. */
static uint32_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (uint32_t)(c - 'A') + 10;
    return 16;
}

/* Digits of `base`; at least one, and no more than `max` in sum. */
static bool digits(const char **p, uint32_t base, uint64_t max, uint64_t *out)
{
    const char *const start = *p;
    uint64_t value = 0;

    for (uint32_t d; (d = digit(**p)) < base; (*p)++) {
        if (value > (max - d) / base)
            return false;
        value = value * base + d;
    }
    *out = value;
    return *p != start;
}

/* As C has it: 0x and 0 in front mean hexadecimal and octal. */
static bool number(const char **p, uint64_t *out)
{
    uint32_t base = 10;

    if (**p == '0') {
        base = 8;
        if (((*p)[1] == 'x' || (*p)[1] == 'X') && digit((*p)[2]) < 16) {
            base = 16;
            *p += 2;
        }
    }
    return digits(p, base, UINT64_MAX, out);
}

/* A number, and K, M, G, T, P or E behind it. */
static bool sized(const char **p, uint64_t *out)
{
    static const char suffix[] = "kKmMgGtTpPeE";
    uint32_t shift = 0;

    if (!number(p, out))
        return false;
    for (uint32_t i = 0; suffix[i] != '\0'; i++) {
        if (**p == suffix[i]) {
            shift = 10 * (i / 2 + 1);
            (*p)++;
            break;
        }
    }
    if (*out > UINT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

static bool skip(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool parse_id(const char **p, int32_t *id)
{
    const bool minus = skip(p, '-');
    uint64_t value;

    if (!digits(p, 10, INT32_MAX, &value))
        return false;
    *id = minus ? -(int32_t)value : (int32_t)value;
    return true;
}

/* <size>@<base>:<irq>[:<id>], and nothing behind it up to `end`. */
static bool parse(const char *p, const char *end, struct vdrv_mmio_slot *out)
{
    uint64_t size, irq;

    *out = (struct vdrv_mmio_slot){.id = -1, .nirq = 1};
    if (!sized(&p, &size) || !skip(&p, '@') || !number(&p, &out->phys) ||
        !skip(&p, ':') || !digits(&p, 10, UINT32_MAX, &irq))
        return false;
    if (skip(&p, ':') && !parse_id(&p, &out->id))
        return false;
    while (*p == '"')
        p++;
    if (p != end || irq == 0 || size == 0 || size > UINT32_MAX ||
        out->phys + size - 1 < out->phys)
        return false;
    out->size = (uint32_t)size;
    out->irq[0] = (uint32_t)irq;
    return true;
}

/* Behind "virtio_mmio.device=" in a word, or NULL: it is another parameter. */
static const char *value_of(const char *p)
{
    static const char name[] = "virtio_mmio.device=";

    if (*p == '"')
        p++;
    for (uint32_t i = 0; name[i] != '\0'; i++, p++) {
        if (*p != name[i] && (name[i] != '_' || *p != '-'))
            return NULL;
    }
    return *p == '"' ? p + 1 : p;
}

int vdrv_mmio_cmdline_next(const char **cursor, struct vdrv_mmio_slot *out)
{
    const char *p;

    if (cursor == NULL || *cursor == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    for (p = *cursor;; p = *cursor) {
        const char *value;

        while (is_space(*p))
            p++;
        *cursor = word_end(p);
        /* What follows a lone "--" is not for the kernel. */
        if (*p == '\0' || (*cursor - p == 2 && p[0] == '-' && p[1] == '-')) {
            *cursor = p;
            return VDRV_ERR_NO_DEVICE;
        }
        value = value_of(p);
        if (value != NULL && parse(value, *cursor, out))
            return VDRV_OK;
    }
}
