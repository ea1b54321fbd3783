/* SPDX-License-Identifier: MIT */
/*
 * Compiler builtins as Frama-C can read them.  What is loaded from memory that
 * a device shares is volatile: any value, each time.
 */
#ifndef VDRV_EVA_BUILTINS_H
#define VDRV_EVA_BUILTINS_H

#include <string.h>

#define __atomic_load_n(p, order)     (*(const volatile __typeof__(*(p)) *)(p))
#define __atomic_store_n(p, v, order) (*(volatile __typeof__(*(p)) *)(p) = (v))
#define __atomic_thread_fence(order)  ((void)(order))
#define __builtin_expect(x, usual)    (x)
#define __builtin_memcpy(to, from, n) memcpy((to), (from), (n))

/* Frama-C knows no _Alignof; what it is asked of are integers. */
#define _Alignof(type) sizeof(type)
/* Compilers check these. */
#define _Static_assert(cond, why) extern int vdrv_eva_unused

#endif
