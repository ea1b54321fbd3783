/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO (VirtIO 1.4, 4.2): probing one address, or a window of
 * slots as machines without PCI have it.
 */
#ifndef VIRTIO_DRV_MMIO_H
#define VIRTIO_DRV_MMIO_H

#include <virtio_drv/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The registers and the smallest configuration that a slot must hold. */
#define VDRV_MMIO_MIN_SIZE 0x100u

/* Caller-allocated; its first member is the transport for a device driver. */
struct vdrv_mmio {
    struct vdrv_transport transport;
    uint64_t phys; /* readable: where it was found */
    uint32_t version;
    uint32_t size; /* private from here */
    uintptr_t base;
};

/*
 * Looks for a device at physical address `phys`, whose registers and
 * configuration take `size` bytes (0x200 on most machines).  On VDRV_OK
 * `mmio->transport.device_id` says what it is; the device has not been touched
 * otherwise.  `hal` must outlive `mmio`.
 * NO_DEVICE: an empty slot (device id 0), no virtio magic, or all ones; quiet.
 * UNSUPPORTED: a version the library does not drive; the log says what to do.
 * INVALID: NULL, `size` below VDRV_MMIO_MIN_SIZE, `phys` misaligned, mmio_map
 * refused, or one of reg_read and reg_write without the other. [alone]
 */
int vdrv_mmio_probe(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                    uint64_t phys, uint32_t size);

/* What drives another version; see vdrv_mmio_probe_any(). */
struct vdrv_mmio_kind {
    const struct vdrv_transport_ops *ops;
    const struct vdrv_queue_kind *ring;
    uint64_t dma_limit;
};

/*
 * Version 1, the legacy interface (4.2.4).  Its rings lie below 2^44.  Linked
 * only into programs that name it.
 */
extern const struct vdrv_mmio_kind vdrv_mmio_legacy;

/*
 * As vdrv_mmio_probe(), for version 2 and, with `&vdrv_mmio_legacy`, version 1;
 * NULL: version 2 only. [alone]
 */
int vdrv_mmio_probe_any(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                        uint64_t phys, uint32_t size,
                        const struct vdrv_mmio_kind *legacy);

/* A window of equal slots. */
struct vdrv_mmio_window {
    uint64_t phys;   /* of slot 0 */
    uint32_t stride; /* bytes from slot to slot, and of each slot */
    uint32_t count;
};

/*
 * Probes slot `*slot` and the following ones until one holds a device (of
 * virtio type `device_id`, or any for 0), and leaves the number of the next
 * slot to look at in `*slot`: start with 0, call until NO_DEVICE.  QEMU fills
 * slots from the last one down.  Unusable devices are logged and passed over.
 * INVALID: NULL arguments or a bad window. [alone]
 */
int vdrv_mmio_scan(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                   const struct vdrv_mmio_window *window, uint32_t device_id,
                   uint32_t *slot);

/* As vdrv_mmio_scan(), by vdrv_mmio_probe_any(). [alone] */
int vdrv_mmio_scan_any(struct vdrv_mmio *mmio, const struct vdrv_hal *hal,
                       const struct vdrv_mmio_window *window,
                       uint32_t device_id, const struct vdrv_mmio_kind *legacy,
                       uint32_t *slot);

#ifdef __cplusplus
}
#endif

#endif
