/* SPDX-License-Identifier: MIT */
/*
 * The other side of the benches: a transport that is only memory, and a device
 * that completes everything at once.  Nothing here is counted.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <virtio_drv/transport.h>

#define BENCH_INDIRECT (UINT64_C(1) << 28)
#define BENCH_EVENT    (UINT64_C(1) << 29)
#define BENCH_VERSION1 (UINT64_C(1) << 32)
#define BENCH_PACKED   (UINT64_C(1) << 34)
#define BENCH_IN_ORDER (UINT64_C(1) << 35)

/* What the device offers; set it before bench_transport(). */
extern uint64_t bench_features;

/* The queue that is answered, 0 or 1; set it before the driver's init. */
extern uint32_t bench_queue;
/* One used element for all of a batch, as IN_ORDER allows. */
extern bool bench_merge;

/* Where it is. */
extern struct vdrv_queue_area bench_area;

/* Where the memory that was allocated last begins and ends. */
extern uint64_t bench_shared[2];

/* A transport of device type `id` with rings of `size` entries. */
void bench_transport(struct vdrv_transport *t, uint32_t id, uint32_t size);

/* The device forgets what it saw: for a ring that is made anew. */
void bench_restart(void);

/* A HAL with a window over all memory, and one without, which maps. */
extern struct vdrv_hal bench_hal, bench_hal_mapped;

/*
 * Completes all that was published on the queue, whichever kind it is: writes 0
 * into the last byte of a chain's last writable segment (a disk's status), and
 * as used length what is writable.  Wants to hear of the next chain.
 */
void bench_answer(void);

#endif
