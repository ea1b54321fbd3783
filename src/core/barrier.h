/* SPDX-License-Identifier: MIT */
/*
 * Shared memory: single accesses and their order.  Every word that a device
 * may write is read through shared_load*(), exactly once per value; what a
 * device must not see too early is published with shared_publish*().  Both
 * are ordinary acquire and release accesses, which ThreadSanitizer and Relacy
 * understand; the one full fence is vdrv__full_fence() (2.7.13.4.1, 2.8.21).
 *
 * Never compiled out on a uniprocessor kernel: the device is another CPU.
 */
#ifndef VDRV_CORE_BARRIER_H
#define VDRV_CORE_BARRIER_H

#include "bytes.h"

/*
 * Where compare-and-swap is missing (Cortex-M0, rv32 without A, m68k) the
 * compiler would turn atomic accesses into library calls: a plain access and
 * a fence do the same on those.
 */
#if defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_4) || defined(__CHECKER__)
#define VDRV__HAVE_ATOMICS 1
#else
#define VDRV__HAVE_ATOMICS 0
#endif

static inline void vdrv__full_fence(void)
{
#if defined(__m68k__)
    __asm__ volatile("" ::: "memory"); /* one CPU, in order */
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * ORDER_PLATFORM (6, 2.7.13.4.1): the device is hardware, and what orders CPUs
 * among each other need not reach it.  On arm and aarch64 that makes a
 * difference: C11's fences and release stores are for the inner shareable
 * domain, a device may be in the outer one, so these three come in addition.
 * Elsewhere they are nothing.  x86: stores, and loads, stay in order for
 * whoever looks at write-back memory, and mfence (or a locked access) drains
 * the store buffer.  riscv: `fence` with r and w orders main memory for harts
 * and devices alike.  m68k: one CPU, in order.  Others: C11's full fence is
 * the strongest there is (powerpc: sync; s390x: bcr).
 */
#if defined(__aarch64__) ||                                                    \
    (defined(__arm__) && __ARM_ARCH >= 7 && !defined(__ARM_ARCH_7M__) &&       \
     !defined(__ARM_ARCH_7EM__))
#define VDRV__PLATFORM_DMB(on, kind)                                           \
    do {                                                                       \
        if (on)                                                                \
            __asm__ volatile("dmb " kind ::: "memory");                        \
    } while (0)
#else
#define VDRV__PLATFORM_DMB(on, kind) ((void)(on))
#endif
#if defined(__aarch64__)
#define VDRV__DMB_LOADS "oshld"
#else
#define VDRV__DMB_LOADS "osh" /* ARMv7 has no other */
#endif

/* Before what is published. */
static inline void vdrv__platform_publish(uint32_t on)
{
    VDRV__PLATFORM_DMB(on, "oshst");
}

/* After what was consumed. */
static inline void vdrv__platform_consume(uint32_t on)
{
    VDRV__PLATFORM_DMB(on, VDRV__DMB_LOADS);
}

/* Beside the full fence. */
static inline void vdrv__platform_fence(uint32_t on)
{
    VDRV__PLATFORM_DMB(on, "osh");
}

static inline uint16_t shared_load16(const struct le16 *p)
{
#if VDRV__HAVE_ATOMICS
    return VDRV__SWAP16(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
#else
    return VDRV__SWAP16(*(const volatile uint16_t *)&p->raw);
#endif
}

static inline uint32_t shared_load32(const struct le32 *p)
{
#if VDRV__HAVE_ATOMICS
    return VDRV__SWAP32(__atomic_load_n(&p->raw, __ATOMIC_RELAXED));
#else
    return VDRV__SWAP32(*(const volatile uint32_t *)&p->raw);
#endif
}

/* What the device wrote before the index is seen after it. */
static inline uint16_t shared_consume16(const struct le16 *p)
{
#if VDRV__HAVE_ATOMICS
    return VDRV__SWAP16(__atomic_load_n(&p->raw, __ATOMIC_ACQUIRE));
#else
    uint16_t v = *(const volatile uint16_t *)&p->raw;

    vdrv__full_fence();
    return VDRV__SWAP16(v);
#endif
}

static inline void shared_store16(struct le16 *p, uint16_t v)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(&p->raw, VDRV__SWAP16(v), __ATOMIC_RELAXED);
#else
    *(volatile uint16_t *)&p->raw = VDRV__SWAP16(v);
#endif
}

/* What was written before is seen by the device before the index. */
static inline void shared_publish16(struct le16 *p, uint16_t v)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(&p->raw, VDRV__SWAP16(v), __ATOMIC_RELEASE);
#else
    vdrv__full_fence();
    *(volatile uint16_t *)&p->raw = VDRV__SWAP16(v);
#endif
}

/* The same for the words of a packed ring. */
static inline uint32_t shared_consume32(const struct le32 *p)
{
#if VDRV__HAVE_ATOMICS
    return VDRV__SWAP32(__atomic_load_n(&p->raw, __ATOMIC_ACQUIRE));
#else
    uint32_t v = *(const volatile uint32_t *)&p->raw;

    vdrv__full_fence();
    return VDRV__SWAP32(v);
#endif
}

static inline void shared_store32(struct le32 *p, uint32_t v)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(&p->raw, VDRV__SWAP32(v), __ATOMIC_RELAXED);
#else
    *(volatile uint32_t *)&p->raw = VDRV__SWAP32(v);
#endif
}

static inline void shared_publish32(struct le32 *p, uint32_t v)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(&p->raw, VDRV__SWAP32(v), __ATOMIC_RELEASE);
#else
    vdrv__full_fence();
    *(volatile uint32_t *)&p->raw = VDRV__SWAP32(v);
#endif
}

/* A status that another CPU may be watching: set last, read first. */
static inline void vdrv__status_set(int32_t *p, int32_t v)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
#else
    vdrv__full_fence();
    *(volatile int32_t *)p = v;
#endif
}

static inline int32_t vdrv__status_get(const int32_t *p)
{
#if VDRV__HAVE_ATOMICS
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
#else
    int32_t v = *(const volatile int32_t *)p;

    vdrv__full_fence();
    return v;
#endif
}

/* Counters with one writer that others only read. */
static inline void vdrv__count(uint32_t *p)
{
#if VDRV__HAVE_ATOMICS
    __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + 1u,
                     __ATOMIC_RELEASE);
#else
    *(volatile uint32_t *)p = *p + 1u;
#endif
}

static inline uint32_t vdrv__counted(const uint32_t *p)
{
    return (uint32_t)vdrv__status_get((const int32_t *)p);
}

#endif
