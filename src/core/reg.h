/* SPDX-License-Identifier: MIT */
/*
 * Device registers.  One access of exactly the width asked for, ordered with
 * the memory accesses around it.  C11 fences order memory and not registers,
 * so the order is each architecture's own instruction.
 */
#ifndef VDRV_CORE_REG_H
#define VDRV_CORE_REG_H

#include <virtio_drv/hal.h>

/* Memory written before is visible to the device before the next register. */
static inline void vdrv__before_reg_write(void)
{
#if defined(__x86_64__) || defined(__i386__) || defined(__m68k__)
    __asm__ volatile("" ::: "memory"); /* stores stay in order */
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshst" ::: "memory");
#elif defined(__arm__) && __ARM_ARCH >= 7 && !defined(__ARM_ARCH_7M__) &&      \
    !defined(__ARM_ARCH_7EM__)
    __asm__ volatile("dmb oshst" ::: "memory");
#elif defined(__riscv)
    __asm__ volatile("fence w,o" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Memory read afterwards is not older than the register read before. */
static inline void vdrv__after_reg_read(void)
{
#if defined(__x86_64__) || defined(__i386__) || defined(__m68k__)
    __asm__ volatile("" ::: "memory"); /* loads stay in order */
#elif defined(__aarch64__)
    __asm__ volatile("dmb oshld" ::: "memory");
#elif defined(__arm__) && __ARM_ARCH >= 7 && !defined(__ARM_ARCH_7M__) &&      \
    !defined(__ARM_ARCH_7EM__)
    __asm__ volatile("dmb osh" ::: "memory");
#elif defined(__riscv)
    __asm__ volatile("fence i,r" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Can this CPU, or the HAL, reach I/O ports? */
static inline bool vdrv__have_ports(const struct vdrv_hal *hal)
{
#if defined(__x86_64__) || defined(__i386__)
    (void)hal;
    return true;
#else
    return hal->reg_read != NULL;
#endif
}

/* Both accessors or neither: half a HAL would mix two worlds. */
static inline bool vdrv__reg_complete(const struct vdrv_hal *hal)
{
    return (hal->reg_read == NULL) == (hal->reg_write == NULL);
}

uint32_t vdrv__reg_read(const struct vdrv_hal *hal, uint32_t space,
                        uintptr_t addr, uint32_t width);
void vdrv__reg_write(const struct vdrv_hal *hal, uint32_t space, uintptr_t addr,
                     uint32_t width, uint32_t value);

#endif
