/* SPDX-License-Identifier: MIT */
/*
 * The registers of a virtio-mmio slot, version 2 (VirtIO 1.4, 4.2.2), or 1
 * (4.2.4).  A slot
 * without a device answers DeviceID 0.  The knobs make it lie.
 */
#ifndef FAKE_MMIO_H
#define FAKE_MMIO_H

#include "fake_virtio.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_MMIO_SIZE 0x200u

/* QueueReady that does not do what it should. */
#define FAKE_READY_WORKS  0u
#define FAKE_READY_SET    1u /* reads 1, also before it was written */
#define FAKE_READY_CLEAR  2u /* reads 0, also after it was written */
#define FAKE_READY_STICKY 3u /* reads 1 for ever once it was set */

struct fake_mmio {
    struct fake_dev *dev; /* NULL: an empty slot */
    struct fake *f;
    struct fake_region region;
    bool line; /* interrupt line, level */
    /* ---- Knobs: what the registers say ------------------------------ */
    uint32_t magic;
    uint32_t version;
    uint32_t device_id;
    uint32_t vendor_id;
    uint32_t queue_ready; /* FAKE_READY_* */
    bool no_queues;       /* QueueSizeMax is 0 */
    uint32_t queue_max;   /* QueueSizeMax is this; 0: the queue's own */
    uint32_t isr_always;  /* InterruptStatus is this; 0: as it is */
    uint32_t shm_id;      /* of the one region of shared memory */
    uint64_t shm_len;     /* UINT64_MAX: none */
    uint64_t shm_base;
    bool legacy; /* fake_mmio_legacy() was called */
    /* ---- State ------------------------------------------------------ */
    uint32_t dev_features_sel, drv_features_sel, queue_sel, shm_sel;
    uint32_t page_size, align[FAKE_QUEUES]; /* legacy */
    uint32_t pfn[FAKE_QUEUES];
};

/* A slot at `phys`; `len` 0: FAKE_MMIO_SIZE.  `dev` NULL: empty. */
void fake_mmio_init(struct fake_mmio *m, struct fake *f, struct fake_dev *dev,
                    uint64_t phys, uint64_t len);
void fake_mmio_fini(struct fake_mmio *m);
/*
 * Version 1, before the driver comes: the legacy registers and features.
 * `queue_ready` says what QueuePFN reads as.
 */
void fake_mmio_legacy(struct fake_mmio *m);

#ifdef __cplusplus
}
#endif

#endif
