/* SPDX-License-Identifier: MIT */
/*
 * Register accesses of exact width, through the HAL's accessors or directly.
 * Register contents are little-endian (VirtIO 1.4, 4.1.3, 4.2.2), and so is
 * the value that travels; a big-endian CPU swaps what it loads and stores.
 */
#include "reg.h"

#include "bytes.h"

#if defined(__x86_64__) || defined(__i386__)
static uint32_t port_read(uint16_t port, uint32_t width)
{
    uint32_t v = 0;

    switch (width) {
    case 1:
        __asm__ volatile("inb %w1, %b0" : "+a"(v) : "Nd"(port) : "memory");
        break;
    case 2:
        __asm__ volatile("inw %w1, %w0" : "+a"(v) : "Nd"(port) : "memory");
        break;
    default:
        __asm__ volatile("inl %w1, %0" : "+a"(v) : "Nd"(port) : "memory");
        break;
    }
    return v;
}

static void port_write(uint16_t port, uint32_t width, uint32_t v)
{
    switch (width) {
    case 1:
        __asm__ volatile("outb %b0, %w1" : : "a"(v), "Nd"(port) : "memory");
        break;
    case 2:
        __asm__ volatile("outw %w0, %w1" : : "a"(v), "Nd"(port) : "memory");
        break;
    default:
        __asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port) : "memory");
        break;
    }
}
#else
/* Callers look at vdrv__have_ports() first: this reads as "nothing there". */
static uint32_t port_read(uint16_t port, uint32_t width)
{
    (void)port;
    (void)width;
    return UINT32_MAX;
}

static void port_write(uint16_t port, uint32_t width, uint32_t v)
{
    (void)port;
    (void)width;
    (void)v;
}
#endif

static uint32_t memory_read(uintptr_t addr, uint32_t width)
{
    switch (width) {
    case 1:
        return *(const volatile uint8_t *)addr;
    case 2:
        return VDRV__SWAP16(*(const volatile uint16_t *)addr);
    default:
        return VDRV__SWAP32(*(const volatile uint32_t *)addr);
    }
}

static void memory_write(uintptr_t addr, uint32_t width, uint32_t v)
{
    switch (width) {
    case 1:
        *(volatile uint8_t *)addr = (uint8_t)v;
        break;
    case 2:
        *(volatile uint16_t *)addr = VDRV__SWAP16((uint16_t)v);
        break;
    default:
        *(volatile uint32_t *)addr = VDRV__SWAP32(v);
        break;
    }
}

uint32_t vdrv__reg_read(const struct vdrv_hal *hal, uint32_t space,
                        uintptr_t addr, uint32_t width)
{
    uint32_t v;

    if (hal->reg_read != NULL)
        v = hal->reg_read(hal->ctx, space, addr, width);
    else if (space == VDRV_SPACE_PORT)
        v = port_read((uint16_t)addr, width);
    else
        v = memory_read(addr, width);
    vdrv__after_reg_read();
    return v;
}

void vdrv__reg_write(const struct vdrv_hal *hal, uint32_t space, uintptr_t addr,
                     uint32_t width, uint32_t value)
{
    vdrv__before_reg_write();
    if (hal->reg_write != NULL)
        hal->reg_write(hal->ctx, space, addr, width, value);
    else if (space == VDRV_SPACE_PORT)
        port_write((uint16_t)addr, width, value);
    else
        memory_write(addr, width, value);
}
