/* SPDX-License-Identifier: MIT */
/*
 * A machine with one fake disk behind MMIO and the library's block driver on
 * it.  For the tests of everything above the rings.
 */
#ifndef DISK_RIG_H
#define DISK_RIG_H

#include "check.h"
#include "fake.h"
#include <virtio_drv.h>
#include <virtio_drv/mmio.h>
#include <virtio_drv/virtio_blk.h>

#define DISK_SLOT   0x10001000u
#define DISK_STATUS (DISK_SLOT + 0x70)
#define BIT64(n)    ((uint64_t)1 << (n))

struct disk_opts {
    struct fake_config machine;
    struct fake_blk_config disk;
    struct vdrv_virtio_blk_config drv; /* but for the work area */
    uint32_t region;                   /* bytes of the slot; 0: 0x200 */
};

struct disk_rig {
    struct fake f;
    struct fake_blk dev;
    struct fake_mmio slot;
    struct vdrv_mmio mmio;
    struct vdrv_transport *t;
    struct vdrv_virtio_blk drv;
    struct vdrv_block *blk;
    struct vdrv_virtio_blk_config cfg;
    uint32_t region;
    void *work;
};

/* The machine, with nothing probed. */
static inline void disk_machine(struct disk_rig *g, const struct disk_opts *o)
{
    static const struct disk_opts none;

    o = o ? o : &none;
    memset(g, 0, sizeof(*g));
    memset(&g->drv, 0x5A, sizeof(g->drv)); /* "need not be zeroed" */
    fake_init(&g->f, &o->machine);
    fake_blk_init(&g->dev, &g->f, &o->disk);
    g->region = o->region ? o->region : 0x200;
    fake_mmio_init(&g->slot, &g->f, &g->dev.dev, DISK_SLOT, g->region);
    g->cfg = o->drv;
    g->t = &g->mmio.transport;
    g->blk = &g->drv.block;
}

static inline int disk_probe(struct disk_rig *g)
{
    return vdrv_mmio_probe(&g->mmio, &g->f.hal, DISK_SLOT, g->region);
}

/* Exactly as much work memory as asked for, from malloc: ASan watches. */
static inline int disk_init(struct disk_rig *g)
{
    free(g->work);
    g->cfg.work_size = vdrv_virtio_blk_work_size(g->t, &g->cfg);
    g->work = malloc(g->cfg.work_size ? g->cfg.work_size : 8);
    g->cfg.work = g->work;
    return vdrv_virtio_blk_init(&g->drv, g->t, &g->cfg);
}

/* A running disk; false, and a failure, when there is none. */
static inline bool disk_up(struct disk_rig *g, const struct disk_opts *o)
{
    unsigned before = check_failures;

    disk_machine(g, o);
    CHECK_EQ(disk_probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    return check_failures == before;
}

/* Without the driver: after a failed init, or after fini. */
static inline void disk_end(struct disk_rig *g)
{
    CHECK(fake_balanced(&g->f));
    free(g->work);
    fake_mmio_fini(&g->slot);
    fake_blk_fini(&g->dev);
    fake_fini(&g->f);
    CHECK_EQ(g->f.violations, 0);
}

static inline void disk_down(struct disk_rig *g)
{
    CHECK_EQ(vdrv_virtio_blk_fini(&g->drv), VDRV_OK);
    disk_end(g);
}

/* Bytes that tell where they belong. */
static inline void disk_fill(uint8_t *p, size_t n, uint64_t tag)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((tag + i) * 0x9E3779B1u >> 11);
}

/* The disk works: block 1 written, flushed and read back, seen outside. */
static inline void disk_works(struct disk_rig *g)
{
    uint32_t bs = vdrv_block_block_size(g->blk);
    static uint8_t a[65536], b[65536];
    static uint64_t tag;

    if (bs > sizeof(a)) {
        CHECK(false);
        return;
    }
    disk_fill(a, bs, ++tag * 31);
    memset(b, 0, bs);
    CHECK_EQ(vdrv_block_write_block(g->blk, 1, a, bs), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(g->blk), VDRV_OK);
    CHECK_EQ(vdrv_block_read_block(g->blk, 1, b, bs), VDRV_OK);
    CHECK_MEM(a, b, bs);
    CHECK_MEM(g->dev.disk + bs, a, bs);
    CHECK_MEM(g->dev.safe + bs, a, bs);
}

#endif
