/* SPDX-License-Identifier: MIT */
/*
 * A fake machine with one GPU behind MMIO and the driver on it, for the tests
 * of the driver and of what stands on the display trait.
 */
#ifndef GPU_RIG_H
#define GPU_RIG_H

#include "check.h"
#include "../fake/fake.h"

#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_gpu.h>

#define SLOT 0x10001000u

/* A machine with one GPU behind MMIO, and the driver. */
struct rig {
    struct fake f;
    struct fake_gpu dev;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_gpu gpu;
    struct vdrv_display *dpy;
    struct vdrv_virtio_gpu_config cfg;
    uint64_t work[VDRV_VIRTIO_GPU_WORK_SIZE(16, 64) / 8 + 1];
};

static struct rig g;

static inline void machine_up(const struct fake_config *mc,
                              const struct fake_gpu_config *dc)
{
    memset(&g, 0, sizeof(g));
    fake_init(&g.f, mc);
    fake_gpu_init(&g.dev, &g.f, dc);
    fake_mmio_init(&g.slot, &g.f, &g.dev.dev, SLOT, 0);
    CHECK_EQ(vdrv_mmio_probe(&g.mmio, &g.f.hal, SLOT, 0x200), VDRV_OK);
    g.dpy = &g.gpu.display;
    g.cfg.work = g.work;
    g.cfg.work_size = sizeof(g.work);
    g.cfg.heads = 16;
}

static inline int init(void)
{
    return vdrv_virtio_gpu_init(&g.gpu, &g.mmio.transport, &g.cfg);
}

static inline void machine_down(void)
{
    CHECK(fake_balanced(&g.f));
    CHECK_EQ(g.f.violations, 0);
    fake_mmio_fini(&g.slot);
    fake_gpu_fini(&g.dev);
    fake_fini(&g.f);
}

/* With a driver that runs; false: it does not, and the case has failed. */
static inline bool up(const struct fake_config *mc,
                      const struct fake_gpu_config *dc)
{
    int err;

    machine_up(mc, dc);
    err = init();
    CHECK_EQ(err, VDRV_OK);
    return err == VDRV_OK;
}

static inline void down(void)
{
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_OK);
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_OK);
    machine_down();
}

#endif
