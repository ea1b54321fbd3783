/* SPDX-License-Identifier: MIT */
/*
 * The little that the test kernels need of a C library: the four memory
 * functions that compilers call, console output, a checksum.
 */
#ifndef KERNEL_KLIB_H
#define KERNEL_KLIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t kstrlen(const char *s);
int kstrcmp(const char *a, const char *b);

/* The value behind "key=" in a blank-separated command line, or NULL; it ends
 * at a blank or at the end.  A bare "key" answers "". */
const char *karg(const char *line, const char *key);

/* The number behind "key=", decimal or 0x..., or `other` if there is none. */
uint32_t karg_number(const char *line, const char *key, uint32_t other);

/* The length modifier of a uint64_t: "%" K64 "x". */
#if __SIZEOF_LONG__ == 8
#define K64 "l"
#else
#define K64 "ll"
#endif

/* Registers of virtio and PCI are little-endian, whatever the CPU is. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define KLE32(v) (v)
#else
#define KLE32(v) __builtin_bswap32(v)
#endif

/* Where formatted text goes. */
struct ksink {
    void (*put)(void *ctx, char c);
    void *ctx;
};
extern const struct ksink kconsole;

/* %s %c %d %i %u %x %X %p %%, with 0, - and a width, and h, l, ll, z, j, t. */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void kformat(const struct ksink *to, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void kvformat(const struct ksink *to, const char *fmt, va_list ap);

/* IEEE 802.3, as zlib's crc32(): start with 0, feed the result back. */
uint32_t crc32(uint32_t crc, const void *data, size_t n);

#endif
