/* SPDX-License-Identifier: MIT */
/*
 * Copying and clearing.  The C library's header is none of the freestanding
 * ones; the compiler's own functions become straight code, or calls of the
 * kernel's memcpy and memset.
 */
#ifndef VDRV_CORE_MEM_H
#define VDRV_CORE_MEM_H

#include <stddef.h>

static inline void vdrv__copy(void *to, const void *from, size_t n)
{
    __builtin_memcpy(to, from, n);
}

static inline void vdrv__zero(void *at, size_t n)
{
    __builtin_memset(at, 0, n);
}

#endif
