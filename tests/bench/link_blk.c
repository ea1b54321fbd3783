/* SPDX-License-Identifier: MIT */
/*
 * What a kernel links that has one disk on MMIO: for its size only.
 */
#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_blk.h>

int vdrv_link_blk(const struct vdrv_hal *hal, void *buf, void *work);

int vdrv_link_blk(const struct vdrv_hal *hal, void *buf, void *work)
{
    static struct vdrv_mmio mmio;
    static struct vdrv_virtio_blk disk;
    struct vdrv_virtio_blk_config cfg = {0};
    int err = vdrv_mmio_probe(&mmio, hal, 0x10001000, 0x200);

    cfg.work = work;
    cfg.work_size = 65536;
    if (err == VDRV_OK)
        err = vdrv_virtio_blk_init(&disk, &mmio.transport, &cfg);
    if (err == VDRV_OK)
        err = vdrv_block_read_block(&disk.block, 0, buf, 512);
    if (err == VDRV_OK)
        err = vdrv_block_write_block(&disk.block, 0, buf, 512);
    if (err == VDRV_OK)
        err = vdrv_block_flush(&disk.block);
    return err;
}
