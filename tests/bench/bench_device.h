/* SPDX-License-Identifier: MIT */
/*
 * The other side of the benches: a transport that is only memory, and a device
 * that completes everything at once.  Nothing here is counted.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <virtio_drv/transport.h>

/* Leave bit 28 out of it for a device without INDIRECT_DESC. */
extern uint64_t bench_features;

/* Where queue 0 is. */
extern struct vdrv_queue_area bench_area;

/* A transport of device type `id` with rings of `size` entries. */
void bench_transport(struct vdrv_transport *t, uint32_t id, uint32_t size);

/*
 * Completes all that was published on a split queue 0: writes 0 into the last byte of
 * a chain's last writable segment (a disk's status), and as used length what
 * is writable.
 */
void bench_answer(void);

#endif
