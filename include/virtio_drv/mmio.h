/* SPDX-License-Identifier: MIT */
/*
 * Virtio over MMIO (VirtIO 1.4, 4.2): probing one address, or a window of
 * slots as machines without PCI have it; and where the slots are, from a
 * kernel command line or a device tree.
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

/* ---- Where the slots are ------------------------------------------------ */

#define VDRV_MMIO_IRQ_CELLS     4u
#define VDRV_MMIO_SLOT_COHERENT 1u /* dma-coherent: caches need no care */

/*
 * A place for vdrv_mmio_probe(): `phys` and `size`.  Nothing has looked yet
 * whether there is a device.
 */
struct vdrv_mmio_slot {
    uint64_t phys;
    uint32_t size;  /* bytes, not 0 */
    uint32_t flags; /* VDRV_MMIO_SLOT_* */
    /* The interrupt's number on a command line; in a device tree the cells
       that the interrupt controller defines. */
    uint32_t irq[VDRV_MMIO_IRQ_CELLS];
    uint32_t nirq;       /* of them */
    uint32_t irq_parent; /* the controller's phandle; 0: unknown */
    int32_t id;          /* the number a command line gives it; -1: none */
    uint32_t reserved;
};

/*
 * The next `virtio_mmio.device=<size>@<base>:<irq>[:<id>]` of a kernel command
 * line, as microvm and Firecracker write it: start with `*cursor` at the line,
 * call until NO_DEVICE.  Read as Linux reads it: size with K, M, G, T, P, E;
 * size and base decimal, 0x or 0 in front; irq and id decimal; values or words
 * in double quotes; nothing after a lone `--`.  Entries that make no sense
 * (no digits, irq 0, overflow, no size or 4 GiB of it, more behind) are passed
 * over.
 * INVALID: NULL arguments. [any]
 */
int vdrv_mmio_cmdline_next(const char **cursor, struct vdrv_mmio_slot *out);

#define VDRV_FDT_DEPTH 8u /* levels of nodes; deeper ones are passed over */

/* A node on the way down.  Private, as is all of struct vdrv_fdt_walk. */
struct vdrv_fdt_level {
    uint32_t address_cells;
    uint32_t size_cells;
    uint32_t ranges;
    uint32_t ranges_len;
    uint32_t reg;
    uint32_t reg_len;
    uint32_t irq;
    uint32_t irq_len;
    uint32_t irq_parent;
    uint32_t flags;
};

/* Caller-allocated; where a walk is. */
struct vdrv_fdt_walk {
    const uint8_t *fdt;
    uint32_t pos;
    uint32_t end;
    uint32_t strings;
    uint32_t strings_end;
    uint32_t depth;
    uint32_t reserved;
    struct vdrv_fdt_level level[VDRV_FDT_DEPTH];
};

/*
 * How large the flattened device tree at `fdt` says it is, at any alignment; 0:
 * none.  Reads 8 bytes.  For who was given a pointer and nothing else. [any]
 */
uint32_t vdrv_fdt_size(const void *fdt);

/*
 * Begins a walk over a flattened device tree (versions 16 and 17), of whose
 * memory `size` bytes may be read.  It must stay as it is until the walk ends.
 * INVALID: NULL, or no device tree that fits there. [any]
 */
int vdrv_fdt_begin(struct vdrv_fdt_walk *w, const void *fdt, size_t size);

/*
 * The next node that is compatible with "virtio,mmio" and not disabled, its
 * address brought through the `ranges` of all buses above.  Nodes whose address
 * cannot be told (no `ranges` on the way, cells other than 1 or 2, more than 32
 * ranges on a bus, size 0 or 4 GiB) are passed over.  The whole walk takes time
 * in proportion to the tree's size.
 * NO_DEVICE: the walk is over.  INVALID: NULL, or the tree is damaged here, and
 * the walk is over too. [any]
 */
int vdrv_fdt_mmio_next(struct vdrv_fdt_walk *w, struct vdrv_mmio_slot *out);

#ifdef __cplusplus
}
#endif

#endif
