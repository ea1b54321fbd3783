/* SPDX-License-Identifier: MIT */
/*
 * The primitives of memory and register order, a function each, for
 * barriers_test.py to look at what compilers make of them.
 */
#include "../../src/core/barrier.h"
#include "../../src/core/vdrv_reg.c"

void publish16(struct le16 *p, uint16_t v);
uint16_t consume16(const struct le16 *p);
void status_set(int32_t *p, int32_t v);
int32_t status_get(const int32_t *p);
void full_fence(struct le16 *a, uint16_t v, const struct le16 *b,
                uint16_t *out);
void before_reg_write(struct le16 *p, uint16_t v, volatile uint32_t *reg);
uint16_t after_reg_read(const volatile uint32_t *reg, const uint16_t *p);
void doorbell(struct le16 *p, uint16_t v, uintptr_t reg);
uint16_t acknowledge(uintptr_t reg, const uint16_t *p);
void platform_publish(struct le16 *a, uint16_t v, struct le16 *p);
uint16_t platform_consume(const struct le16 *p, const struct le16 *a);
void platform_fence(struct le16 *a, uint16_t v, const struct le16 *b,
                    uint16_t *out);

void publish16(struct le16 *p, uint16_t v)
{
    shared_publish16(p, v);
}

uint16_t consume16(const struct le16 *p)
{
    return shared_consume16(p);
}

void status_set(int32_t *p, int32_t v)
{
    vdrv__status_set(p, v);
}

int32_t status_get(const int32_t *p)
{
    return vdrv__status_get(p);
}

/* As kick and arm have it: a store, the fence, a load. */
void full_fence(struct le16 *a, uint16_t v, const struct le16 *b, uint16_t *out)
{
    shared_store16(a, v);
    vdrv__full_fence();
    *out = shared_load16(b);
}

/* As a doorbell has it. */
void before_reg_write(struct le16 *p, uint16_t v, volatile uint32_t *reg)
{
    shared_store16(p, v);
    vdrv__before_reg_write();
    *reg = 1;
}

/* As an interrupt's acknowledgement has it. */
uint16_t after_reg_read(const volatile uint32_t *reg, const uint16_t *p)
{
    const uint32_t cause = *reg;

    vdrv__after_reg_read();
    return cause != 0 ? *p : 0;
}

/* The two once more, through the library's own register accesses. */
static const struct vdrv_hal bare;

void doorbell(struct le16 *p, uint16_t v, uintptr_t reg)
{
    shared_store16(p, v);
    vdrv__reg_write(&bare, VDRV_SPACE_MEMORY, reg, 4, 1);
}

uint16_t acknowledge(uintptr_t reg, const uint16_t *p)
{
    return vdrv__reg_read(&bare, VDRV_SPACE_MEMORY, reg, 4) != 0 ? *p : 0;
}

/* The rings' three with ORDER_PLATFORM: before the index or flags, */
void platform_publish(struct le16 *a, uint16_t v, struct le16 *p)
{
    shared_store16(a, v);
    vdrv__platform_publish(1);
    shared_publish16(p, v);
}

/* after them, */
uint16_t platform_consume(const struct le16 *p, const struct le16 *a)
{
    const uint16_t idx = shared_consume16(p);

    vdrv__platform_consume(1);
    return (uint16_t)(idx ^ shared_load16(a));
}

/* and where an event or flag is looked at next. */
void platform_fence(struct le16 *a, uint16_t v, const struct le16 *b,
                    uint16_t *out)
{
    shared_store16(a, v);
    vdrv__full_fence();
    vdrv__platform_fence(1);
    *out = shared_load16(b);
}
