/* SPDX-License-Identifier: MIT */
/*
 * Text and checksums for the test kernels.  Needs nothing but arch_putc(), so
 * that demo_host.c can use it on the host.
 */
#include "klib.h"

#include "arch.h"

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

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

uint32_t karg_number(const char *line, const char *key, uint32_t other)
{
    const char *s = karg(line, key);
    unsigned base = 10;
    uint32_t val = 0;

    if (s && s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    }
    if (!s || digit(*s) >= base)
        return other;
    for (; digit(*s) < base; s++)
        val = val * base + digit(*s);
    return val;
}

struct spec {
    const struct ksink *to;
    unsigned width;
    unsigned longs; /* how many l */
    bool left, zero;
    size_t size; /* of the argument */
};

static void pad(const struct ksink *to, char c, unsigned n)
{
    while (n--)
        to->put(to->ctx, c);
}

static void put_text(const char *s, size_t n, const struct spec *sp)
{
    unsigned fill = n < sp->width ? sp->width - (unsigned)n : 0;

    if (!sp->left)
        pad(sp->to, ' ', fill);
    for (size_t i = 0; i < n; i++)
        sp->to->put(sp->to->ctx, s[i]);
    if (sp->left)
        pad(sp->to, ' ', fill);
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

static const char *read_spec(const char *f, const struct ksink *to,
                             struct spec *sp)
{
    *sp = (struct spec){.to = to};
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
    sp->size = sizeof(int);
    for (;; f++) {
        if (*f == 'l') /* long, then long long */
            sp->size = sp->longs++ ? sizeof(long long) : sizeof(long);
        else if (*f == 'z' || *f == 't')
            sp->size = sizeof(size_t);
        else if (*f == 'j')
            sp->size = sizeof(intmax_t);
        else if (*f != 'h')
            break;
    }
    return f;
}

static void put_signed(int64_t val, const struct spec *sp)
{
    uint64_t mag = val < 0 ? 0 - (uint64_t)val : (uint64_t)val;

    put_number(mag, 10, val < 0, false, sp);
}

void kvformat(const struct ksink *to, const char *fmt, va_list ap)
{
    struct spec sp;

    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            to->put(to->ctx, *fmt);
            continue;
        }
        fmt = read_spec(fmt + 1, to, &sp);
        if (*fmt == 's') {
            const char *s = va_arg(ap, const char *);

            s = s ? s : "(null)";
            put_text(s, kstrlen(s), &sp);
        } else if (*fmt == 'c') {
            char c = (char)va_arg(ap, int);

            put_text(&c, 1, &sp);
        } else if (*fmt == 'd' || *fmt == 'i') {
            put_signed(sp.size == sizeof(int64_t) ? va_arg(ap, int64_t)
                                                  : va_arg(ap, int32_t),
                       &sp);
        } else if (*fmt == 'u' || *fmt == 'x' || *fmt == 'X') {
            put_number(sp.size == sizeof(uint64_t) ? va_arg(ap, uint64_t)
                                                   : va_arg(ap, uint32_t),
                       *fmt == 'u' ? 10 : 16, false, *fmt == 'X', &sp);
        } else if (*fmt == 'p') {
            kformat(to, "0x%lx", (unsigned long)(uintptr_t)va_arg(ap, void *));
        } else if (*fmt) {
            to->put(to->ctx, *fmt);
        } else {
            return;
        }
    }
}

void kformat(const struct ksink *to, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    kvformat(to, fmt, ap);
    va_end(ap);
}

static void put_console(void *ctx, char c)
{
    (void)ctx;
    arch_putc(c);
}

const struct ksink kconsole = {put_console, NULL};

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    kvformat(&kconsole, fmt, ap);
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
