/* SPDX-License-Identifier: MIT */
/*
 * The four functions that every C compiler may call on its own, and that the
 * archive leaves to the kernel.  <string.h> is no freestanding header: a bare
 * toolchain has none.
 */
#ifndef VDRV_CORE_MEM_H
#define VDRV_CORE_MEM_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
