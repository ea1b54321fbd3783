/* SPDX-License-Identifier: MIT */
/*
 * What a README program for a kernel finds on the host: a console, and a
 * machine of the fake's with one disk, behind whatever virtio-mmio address it
 * probes or in the last slot of the window it scans.  The linker sends these
 * calls here (--wrap), where the program's HAL is looked over and exchanged
 * for the fake's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <virtio_drv.h>

#include "fake.h"

int kernel_main(void);
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int __real_vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                           uint64_t phys, uint32_t size);
int __wrap_vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                           uint64_t phys, uint32_t size);
int __real_vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                          const struct vdrv_mmio_window *window,
                          uint32_t device_id, uint32_t *next);
int __wrap_vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                          const struct vdrv_mmio_window *window,
                          uint32_t device_id, uint32_t *next);

#define SLOTS 64u

static struct fake machine;
static struct fake_blk disk;
static struct fake_mmio slot[SLOTS];

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

static bool usable(const struct vdrv_hal *hal)
{
    if (hal->dma_alloc != NULL && hal->dma_free != NULL &&
        (hal->direct_size != 0 || hal->dma_map != NULL))
        return true;
    printf("the program's HAL lacks a required member\n");
    return false;
}

/* Slots at the first call; the last one holds the disk. */
static void furnish(uint64_t phys, uint32_t stride, uint32_t count)
{
    for (uint32_t i = 0; slot[i].f == NULL && i < count; i++)
        fake_mmio_init(&slot[i], &machine, i + 1 == count ? &disk.dev : NULL,
                       phys + (uint64_t)i * stride, 0);
}

int __wrap_vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                           uint64_t phys, uint32_t size)
{
    if (!usable(hal))
        return VDRV_ERR_INVALID;
    furnish(phys, size, 1);
    return __real_vdrv_mmio_probe(mmio, &machine.hal, phys, size);
}

int __wrap_vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                          const struct vdrv_mmio_window *window,
                          uint32_t device_id, uint32_t *next)
{
    if (!usable(hal) || window->count > SLOTS)
        return VDRV_ERR_INVALID;
    furnish(window->phys, window->stride, window->count);
    return __real_vdrv_mmio_scan(mmio, &machine.hal, window, device_id, next);
}

int main(void)
{
    static const char text[] = "the first sector";

    fake_init(&machine, NULL);
    fake_blk_init(&disk, &machine, NULL);
    memcpy(disk.disk, text, sizeof(text));
    return kernel_main();
}
