/* SPDX-License-Identifier: MIT */
/*
 * A machine with one fake disk on a fake PCI bus, and the library's block
 * driver on it.
 */
#ifndef PCI_RIG_H
#define PCI_RIG_H

#include "check.h"
#include "fake.h"
#include <virtio_drv.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PCI_RIG_FN     0x10u /* 00:02.0 */
#define PCI_RIG_QUEUES 3u
#define PCI_RIG_DOOR   UINT64_C(0x123456000)

struct pci_rig {
    struct fake f;
    struct fake_pci bus;
    struct fake_pci_fn fn;
    struct fake_blk disk;
    struct vdrv_pci_ops ops;
    struct vdrv_pci pci;
    struct vdrv_transport *t;
    struct vdrv_msix msix;
    struct vdrv_msix_message msg[FAKE_PCI_VECTORS];
    struct vdrv_virtio_blk drv;
    struct vdrv_virtio_blk_config cfg;
    struct vdrv_block *blk;
    void *work;
    uint32_t fired[FAKE_PCI_VECTORS]; /* interrupts, by vector */
};

static inline void pci_rig_irq(void *arg, struct fake_dev *d, uint16_t vector)
{
    struct pci_rig *g = arg;

    (void)d;
    if (vector < FAKE_PCI_VECTORS)
        g->fired[vector]++;
}

/* The machine, with nothing probed. */
static inline void pci_machine_at(struct pci_rig *g, uint64_t dma_base,
                                  const struct fake_pci_layout *layout)
{
    const struct fake_config machine = {.dma_base = dma_base};
    const struct fake_blk_config disk = {.queues = PCI_RIG_QUEUES,
                                         .queue_max = 64};

    memset(g, 0, sizeof(*g));
    fake_init(&g->f, &machine);
    fake_pci_init(&g->bus, &g->f);
    fake_blk_init(&g->disk, &g->f, &disk);
    g->disk.dev.on_irq = pci_rig_irq;
    g->disk.dev.on_irq_arg = g;
    fake_pci_virtio(&g->fn, &g->bus, NULL, PCI_RIG_FN, &g->disk.dev, layout);
    g->ops = (struct vdrv_pci_ops){
        .ctx = &g->bus, .read = fake_pci_read, .write = fake_pci_write};
    for (uint32_t i = 0; i < FAKE_PCI_VECTORS; i++)
        g->msg[i] =
            (struct vdrv_msix_message){PCI_RIG_DOOR + 8 * i, 100 + i, 0};
    g->t = &g->pci.transport;
    g->blk = &g->drv.block;
    g->cfg.queues = PCI_RIG_QUEUES;
    g->cfg.queue_size = 16;
    g->cfg.max_segs = 4;
}

static inline void pci_machine(struct pci_rig *g,
                               const struct fake_pci_layout *layout)
{
    pci_machine_at(g, 0, layout);
}

static inline int pci_probe(struct pci_rig *g,
                            const struct vdrv_pci_options *options)
{
    return vdrv_pci_probe_any(&g->pci, &g->f.hal, &g->ops, PCI_RIG_FN, options);
}

/* Exactly as much work memory as asked for, from malloc: ASan watches. */
static inline int pci_init(struct pci_rig *g)
{
    free(g->work);
    g->cfg.work_size = vdrv_virtio_blk_work_size(g->t, &g->cfg);
    g->work = malloc(g->cfg.work_size ? g->cfg.work_size : 8);
    g->cfg.work = g->work;
    return vdrv_virtio_blk_init(&g->drv, g->t, &g->cfg);
}

/* Without the driver: after a failed init, or after fini. */
static inline void pci_end(struct pci_rig *g)
{
    CHECK(fake_balanced(&g->f));
    free(g->work);
    fake_blk_fini(&g->disk);
    fake_pci_fini(&g->bus);
    fake_fini(&g->f);
    CHECK_EQ(g->f.violations, 0);
}

static inline void pci_down(struct pci_rig *g)
{
    CHECK_EQ(vdrv_virtio_blk_fini(&g->drv), VDRV_OK);
    pci_end(g);
}

/* A block through a queue: written, read back, and seen in the disk. */
static inline void pci_works_on(struct pci_rig *g, uint32_t queue)
{
    static uint8_t out[512], in[512], tag;
    struct vdrv_seg seg = vdrv_seg_out(out, sizeof(out));
    struct vdrv_block_request req = {.queue = queue, .block = 3, .nsegs = 1};

    memset(out, ++tag, sizeof(out));
    req.segs = &seg;
    for (uint32_t op = VDRV_BLOCK_WRITE; op != UINT32_MAX;
         op = op == VDRV_BLOCK_WRITE ? VDRV_BLOCK_READ : UINT32_MAX) {
        req.op = op;
        CHECK_EQ(vdrv_arm(&g->blk->dev, queue, VDRV_ARM_NEXT), 0);
        CHECK_EQ(vdrv_block_submit(g->blk, &req), VDRV_OK);
        CHECK_EQ(vdrv_block_kick(g->blk, queue), 1);
        fake_step(&g->f);
        CHECK_EQ(vdrv_poll(&g->blk->dev, queue, 0), 1);
        CHECK_EQ(req.status, VDRV_OK);
        seg = vdrv_seg_in(in, sizeof(in));
    }
    CHECK_MEM(in, out, sizeof(in));
    CHECK_MEM(g->disk.disk + 3 * 512, out, sizeof(out));
}

static inline void pci_works(struct pci_rig *g)
{
    for (uint32_t i = 0; i < g->drv.drv.made; i++)
        pci_works_on(g, i);
}

/* Interrupts of all vectors so far, and forgets them. */
static inline uint32_t pci_fired(struct pci_rig *g)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < FAKE_PCI_VECTORS; i++)
        sum += g->fired[i];
    memset(g->fired, 0, sizeof(g->fired));
    return sum;
}

#endif
