/* SPDX-License-Identifier: MIT */
/*
 * The four functions that the archive leaves undefined: compilers call them
 * even in a freestanding environment, so every kernel has them.  Declared
 * here, for <string.h> is no freestanding header (C11, 4p6), and a cross
 * compiler without a C library has none.
 */
#ifndef VDRV_CORE_MEM_H
#define VDRV_CORE_MEM_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
