/* SPDX-License-Identifier: MIT */
/*
 * Copying, clearing and comparing.  The C library's header is none of the freestanding
 * ones; the compiler's own functions become straight code, or calls of the
 * kernel's memcpy, memset and memcmp.
 */
#ifndef VDRV_CORE_MEM_H
#define VDRV_CORE_MEM_H

#include <stdbool.h>
#include <stddef.h>

static inline void vdrv__copy(void *to, const void *from, size_t n)
{
    __builtin_memcpy(to, from, n);
}

static inline void vdrv__zero(void *at, size_t n)
{
    __builtin_memset(at, 0, n);
}

static inline bool vdrv__same(const void *a, const void *b, size_t n)
{
    return __builtin_memcmp(a, b, n) == 0;
}

#endif
