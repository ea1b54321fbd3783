/* SPDX-License-Identifier: MIT */
/*
 * What a README program with a kernel_main() finds on the host: a console, and
 * a machine of the fake's with one disk behind whatever virtio-mmio address it
 * probes.  The linker sends its probe here (--wrap), where the program's HAL
 * is looked over and exchanged for the fake's.
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

int __wrap_vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                          const struct vdrv_mmio_window *window,
                          uint32_t device_id, uint32_t *next);

static struct fake machine;
static struct fake_blk disk;
static struct fake_mmio slot;

void kprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

int __wrap_vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                           uint64_t phys, uint32_t size)
{
    if (hal->dma_alloc == NULL || hal->dma_free == NULL ||
        (hal->direct_size == 0 && hal->dma_map == NULL)) {
        printf("the program's HAL lacks a required member\n");
        return VDRV_ERR_INVALID;
    }
    if (slot.f == NULL)
        fake_mmio_init(&slot, &machine, &disk.dev, phys, 0);
    return __real_vdrv_mmio_probe(mmio, &machine.hal, phys, size);
}

/* The disk is in the window's last slot. */
int __wrap_vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                          const struct vdrv_mmio_window *window,
                          uint32_t device_id, uint32_t *next)
{
    int err;

    if (*next >= window->count)
        return VDRV_ERR_NO_DEVICE;
    *next = window->count;
    err = __wrap_vdrv_mmio_probe(mmio, hal,
                                 window->phys + (uint64_t)window->stride *
                                                    (window->count - 1),
                                 window->stride);
    if (err == VDRV_OK && device_id != 0 &&
        mmio->transport.device_id != device_id)
        err = VDRV_ERR_NO_DEVICE;
    return err;
}

int main(void)
{
    static const char text[] = "the first sector";

    fake_init(&machine, NULL);
    fake_blk_init(&disk, &machine, NULL);
    memcpy(disk.disk, text, sizeof(text));
    return kernel_main();
}
