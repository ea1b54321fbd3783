/* SPDX-License-Identifier: MIT */
/*
 * The four memory functions that compilers call, and all that the library
 * needs to be linked.  Built with -ffreestanding -fno-builtin, so that no loop
 * here becomes a call of itself.
 */
#include "klib.h"

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
