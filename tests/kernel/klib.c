/* SPDX-License-Identifier: MIT */
/*
 * The little that the test kernels need of a C library.  Built with
 * -ffreestanding -fno-builtin, so that no loop here becomes a call of itself.
 */
#include "klib.h"

#include "arch.h"

/* Any eight bytes, whatever their type elsewhere. */
struct word {
    uint64_t val;
} __attribute__((may_alias));

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    /* words where both sides allow it: emulated CPUs feel the difference */
    if (!(((uintptr_t)d | (uintptr_t)s) & 7))
        for (; n >= 8; n -= 8, d += 8, s += 8)
            *(struct word *)(void *)d = *(const struct word *)(const void *)s;
    while (n--)
        *d++ = *s++;
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(dst, src, n);
    while (n--)
        d[n] = s[n];
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    unsigned char *d = dst;
    uint64_t word = (unsigned char)c * 0x0101010101010101u;

    for (; n && ((uintptr_t)d & 7); n--)
        *d++ = (unsigned char)c;
    for (; n >= 8; n -= 8, d += 8)
        ((struct word *)(void *)d)->val = word;
    while (n--)
        *d++ = (unsigned char)c;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;

    for (; n--; p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t kstrlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

int kstrcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

const char *karg(const char *line, const char *key)
{
    size_t n = kstrlen(key);

    while (*line) {
        while (*line == ' ')
            line++;
        if (!memcmp(line, key, kstrlen(line) < n ? kstrlen(line) + 1 : n)) {
            if (line[n] == '=')
                return line + n + 1;
            if (!line[n] || line[n] == ' ')
                return "";
        }
        while (*line && *line != ' ')
            line++;
    }
    return NULL;
}

struct spec {
    unsigned width;
    bool left, zero;
    char size; /* 0, 'l' for everything of 64 bits */
};

static void pad(char c, unsigned n)
{
    while (n--)
        arch_putc(c);
}

static void put_text(const char *s, size_t n, const struct spec *sp)
{
    unsigned fill = n < sp->width ? sp->width - (unsigned)n : 0;

    if (!sp->left)
        pad(' ', fill);
    for (size_t i = 0; i < n; i++)
        arch_putc(s[i]);
    if (sp->left)
        pad(' ', fill);
}

static void put_number(uint64_t val, unsigned base, bool minus, bool upper,
                       const struct spec *sp)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char buf[72];
    unsigned pos = sizeof buf;
    unsigned room = sp->zero && !sp->left ? sp->width : 0;

    do {
        buf[--pos] = set[val % base];
        val /= base;
    } while (val);
    if (room > 64)
        room = 64;
    while (sizeof buf - pos + minus < room)
        buf[--pos] = '0';
    if (minus)
        buf[--pos] = '-';
    put_text(buf + pos, sizeof buf - pos, sp);
}

static const char *read_spec(const char *f, struct spec *sp)
{
    *sp = (struct spec){0};
    for (;; f++) {
        if (*f == '-')
            sp->left = true;
        else if (*f == '0')
            sp->zero = true;
        else
            break;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        sp->width = sp->width * 10 + (unsigned)(*f - '0');
    /* every target is LP64: long, long long, size_t have 64 bits */
    for (; *f == 'l' || *f == 'z' || *f == 'j' || *f == 't' || *f == 'h'; f++)
        if (*f != 'h')
            sp->size = 'l';
    return f;
}

static void put_signed(int64_t val, const struct spec *sp)
{
    uint64_t mag = val < 0 ? 0 - (uint64_t)val : (uint64_t)val;

    put_number(mag, 10, val < 0, false, sp);
}

void kvprintf(const char *fmt, va_list ap)
{
    struct spec sp;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            arch_putc(*fmt);
            continue;
        }
        fmt = read_spec(fmt + 1, &sp);
        if (*fmt == 's') {
            const char *s = va_arg(ap, const char *);

            s = s ? s : "(null)";
            put_text(s, kstrlen(s), &sp);
        } else if (*fmt == 'c') {
            char c = (char)va_arg(ap, int);

            put_text(&c, 1, &sp);
        } else if (*fmt == 'd' || *fmt == 'i') {
            put_signed(sp.size ? va_arg(ap, int64_t) : va_arg(ap, int), &sp);
        } else if (*fmt == 'u' || *fmt == 'x' || *fmt == 'X') {
            put_number(sp.size ? va_arg(ap, uint64_t) : va_arg(ap, unsigned),
                       *fmt == 'u' ? 10 : 16, false, *fmt == 'X', &sp);
        } else if (*fmt == 'p') {
            kprintf("0x%lx", (unsigned long)(uintptr_t)va_arg(ap, void *));
        } else if (*fmt) {
            arch_putc(*fmt);
        } else {
            return;
        }
    }
}

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    kvprintf(fmt, ap);
    va_end(ap);
}

uint32_t crc32(uint32_t crc, const void *data, size_t n)
{
    static uint32_t table[256];
    const uint8_t *p = data;

    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        table[i] = c;
    }
    crc = ~crc;
    while (n--)
        crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
    return ~crc;
}
