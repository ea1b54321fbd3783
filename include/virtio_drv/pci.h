/* SPDX-License-Identifier: MIT */
/*
 * Virtio over PCI (VirtIO 1.4, 4.1): probing one function, or finding the next
 * device in a walk over the bus.
 *
 * A kernel with a PCI layer of its own fills in a struct vdrv_pci_ops and
 * calls vdrv_pci_probe() for each function of vendor 0x1af4.  A kernel without
 * one, here on a PC (vdrv_pci_ecam_init() elsewhere):
 *
 *     vdrv_pci_ports_init(&hal, &ops);
 *     vdrv_pci_walk_init(&walk, &ops, 0, 255);
 *     while (vdrv_pci_find(&pci, &hal, &walk, NULL, 0) == VDRV_OK)
 *         ... pci.transport.device_id says what it is; one struct vdrv_pci
 *             for each device that is kept ...
 */
#ifndef VIRTIO_DRV_PCI_H
#define VIRTIO_DRV_PCI_H

#include <virtio_drv/pci_bus.h>
#include <virtio_drv/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Registers of one structure, as the CPU reaches them; in the space of
 * VDRV_SPACE_TRANSPORT `addr` is an offset inside BAR `bar`.
 */
struct vdrv_pci_region {
    uintptr_t addr;
    uint32_t space; /* VDRV_SPACE_* */
    uint32_t size;  /* bytes; 0: not there */
    uint32_t bar;
    uint32_t reserved;
};

struct vdrv_msix;
struct vdrv_pci_kind;
struct vdrv_pci_access;

/* Caller-allocated; its first member is the transport for a device driver. */
struct vdrv_pci {
    struct vdrv_transport transport;
    const struct vdrv_pci_ops *bus; /* readable: where it was found */
    uint32_t fn;
    uint32_t irq_line;      /* Interrupt Line, as firmware left it */
    uint32_t irq_pin;       /* 1 to 4: INTA to INTD; 0: none */
    uint32_t msix;          /* offset of the MSI-X capability; 0: none */
    uint32_t config_vector; /* private from here */
    uint32_t multiplier;
    struct vdrv_pci_region common;
    struct vdrv_pci_region notify;
    struct vdrv_pci_region isr;
    struct vdrv_pci_region config;
    const struct vdrv_pci_access *access;
    uint32_t window; /* offset of the configuration access capability */
    uint32_t id;
    uint32_t command; /* what start brings back after a loss of power */
    uint32_t bar[6];
    uint32_t reserved;
    struct vdrv_msix *vectors;
    int (*restore_vectors)(struct vdrv_pci *pci);
};

/*
 * Looks for a device at function `fn`.  On VDRV_OK its structures are mapped,
 * decoding and bus mastering are on, INTx is not disabled, and
 * `pci->transport.device_id` says what it is; no virtio register has been
 * touched.  On an error the command register is as it was.  `hal` and `ops`
 * must outlive `pci`.
 *
 * Never assigns an address.  The BARs that hold virtio structures are sized
 * (see vdrv_pci_bar_read()).  When MSI-X is on already, the caller's own layer
 * has made its table: vectors are then numbers of that table.
 *
 * A driver's start finds out whether the function lost power meanwhile, and
 * then writes its BARs and its command register again as they are now (or were
 * at the last vdrv_msix_attach(); so move no BAR afterwards), and what that
 * wrote; bridges are the kernel's.  For that, start and reset, and
 * vdrv_block_panic(), read configuration space: on these devices they are
 * [alone] as the calls of pci_bus.h are.
 *
 * Of several capabilities of one type the first usable one is taken; the log
 * says why others are not.  Structures may overlap: nothing is read from one
 * that was checked through another.
 *
 * NO_DEVICE: nothing there, another vendor, or an id that no virtio device
 * has; quiet.  UNSUPPORTED: the device has the legacy interface only (see
 * vdrv_pci_probe_any()), or one of its BARs has no address; the log says what
 * to do.  PROTOCOL: a structure
 * is missing or malformed; the log says which rule was broken.  INVALID: NULL,
 * a structure cannot be mapped, or the HAL has one of reg_read and reg_write
 * without the other. [alone]
 */
int vdrv_pci_probe(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                   const struct vdrv_pci_ops *ops, uint32_t fn);

/*
 * What a probe may do beyond the modern interface by memory or I/O BARs.  All
 * zero: nothing.  Each is linked only into programs that name it.
 */
struct vdrv_pci_options {
    /*
     * &vdrv_pci_legacy, for a device that has no modern interface, or one that
     * cannot be used: the registers in I/O BAR 0.
     */
    const struct vdrv_pci_kind *legacy;
    /*
     * &vdrv_pci_config_access, for structures in a BAR that has no address or
     * cannot be mapped: their registers through configuration space, where the
     * device offers that.
     */
    const struct vdrv_pci_access *access;
};

/*
 * The legacy interface (4.1.4.10).  Its queues have the size that the device
 * says, and their rings lie below 2^44.
 */
extern const struct vdrv_pci_kind vdrv_pci_legacy;

/*
 * The configuration access window (4.1.4.9).  Each register access is several
 * of configuration space, which nothing may come between: all calls that reach
 * a register of such a device, kick and irq among them, are [alone] as the
 * calls of pci_bus.h are.  `pci->access` is not NULL when it is in use.
 */
extern const struct vdrv_pci_access vdrv_pci_config_access;

/*
 * As vdrv_pci_probe(), with options (NULL: none).  A device with both
 * interfaces is driven by the modern one.  A legacy device has
 * VDRV_TRANSPORT_LEGACY in `pci->transport.flags`.  Further errors with
 * `legacy`: UNSUPPORTED, no I/O BAR 0, it has no address, or this CPU reaches
 * no I/O space; PROTOCOL, it is too small. [alone]
 */
int vdrv_pci_probe_any(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                       const struct vdrv_pci_ops *ops, uint32_t fn,
                       const struct vdrv_pci_options *options);

/*
 * Probes the next functions of a walk until one holds a device (of virtio type
 * `device_id`, or any for 0): call until NO_DEVICE.  With `windows`, BARs of
 * virtio functions on the walk's first bus that have no address get one, clear
 * of what firmware has assigned; NULL where firmware assigns all of them (a
 * PC).  Unusable devices are logged and passed over, other types left alone.
 * INVALID: NULL arguments, or half of the register accessors. [alone]
 */
int vdrv_pci_find(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                  struct vdrv_pci_walk *walk, struct vdrv_pci_windows *windows,
                  uint32_t device_id);

/* As vdrv_pci_find(), by vdrv_pci_probe_any(). [alone] */
int vdrv_pci_find_any(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                      struct vdrv_pci_walk *walk,
                      struct vdrv_pci_windows *windows, uint32_t device_id,
                      const struct vdrv_pci_options *options);

#ifdef __cplusplus
}
#endif

#endif
