/* SPDX-License-Identifier: MIT */
/* The ready-made allocator of hal.h: one array, handed out upwards. */
#include <virtio_drv/hal.h>

void vdrv_arena_init(struct vdrv_arena *arena, void *base, size_t size,
                     uint64_t offset)
{
    arena->base = base;
    arena->size = size;
    arena->offset = offset;
    arena->used = 0;
    arena->live = 0;
}

void *vdrv_arena_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    struct vdrv_arena *arena = ctx;
    const uint64_t next =
        (uint64_t)(uintptr_t)arena->base + arena->offset + arena->used;
    const size_t pad = (size_t)((0 - next) & (align - 1));
    const size_t room = arena->size - arena->used;

    (void)flags;
    if (size == 0 || pad > room || size > room - pad)
        return NULL;
    if (next + pad > limit || size - 1 > limit - (next + pad))
        return NULL;
    *dma = next + pad;
    arena->used += pad + size;
    arena->live++;
    return arena->base + (arena->used - size);
}

void vdrv_arena_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    struct vdrv_arena *arena = ctx;

    (void)dma;
    (void)flags;
    if ((uint8_t *)ptr + size == arena->base + arena->used)
        arena->used -= size;
    if (--arena->live == 0)
        arena->used = 0;
}
