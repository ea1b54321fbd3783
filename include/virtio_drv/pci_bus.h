/* SPDX-License-Identifier: MIT */
/*
 * A small PCI layer for kernels that have none: configuration space by ECAM or
 * by ports, a walk over the bus, reading, sizing and assigning BARs.  Usable
 * alone; pci.h needs of it nothing but struct vdrv_pci_ops, which a kernel
 * with a PCI layer of its own fills in instead.
 *
 * Nothing here takes a lock.  Configuration space belongs to the whole
 * machine, so every call that reaches it is [alone] with respect to all PCI
 * functions, not to one device: a kernel with several CPUs calls them from its
 * start-up code or under its PCI lock.
 */
#ifndef VIRTIO_DRV_PCI_BUS_H
#define VIRTIO_DRV_PCI_BUS_H

#include <virtio_drv/hal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Configuration space ------------------------------------------------ */

/*
 * How to reach the configuration space of PCI functions.  `fn` is a handle of
 * the caller's for one function.  The scanners below make it as VDRV_PCI_FN()
 * does, and log lines show it in that form, with bits 16 to 31 as the segment.
 */
struct vdrv_pci_ops {
    void *ctx; /* passed to every function */
    /*
     * `width` 1, 2 or 4 bytes at `offset`, aligned to the width; the value in
     * the CPU's order.  A function that is not there reads as all ones, and
     * writes to it vanish.  Exactly one access of that width.
     */
    uint32_t (*read)(void *ctx, uint32_t fn, uint32_t offset, uint32_t width);
    void (*write)(void *ctx, uint32_t fn, uint32_t offset, uint32_t width,
                  uint32_t value);
    /*
     * Optional.  A pointer to `len` bytes of registers at CPU physical address
     * `phys`, which lie inside memory BAR `bar`; NULL refuses.  Called in
     * probes only, once for each structure, and never undone.  Without it,
     * vdrv_hal.mmio_map is asked.
     */
    void *(*map_bar)(void *ctx, uint32_t fn, uint32_t bar, uint64_t phys,
                     uint64_t len);
    /*
     * CPU physical address at which I/O address 0 of this bus is seen as
     * memory (ARM, RISC-V).  0: I/O addresses are ports (x86).  Memory
     * addresses are the same for the bus and for the CPU.
     */
    uint64_t io_phys;
};

/* Bus 0 to 255, device 0 to 31, function 0 to 7. */
#define VDRV_PCI_FN(bus, dev, func)                                            \
    (((uint32_t)(bus) << 8) | ((uint32_t)(dev) << 3) | (uint32_t)(func))

/* A memory-mapped configuration space (ECAM). */
struct vdrv_pci_ecam {
    const struct vdrv_hal *hal; /* private */
    uintptr_t base;
    uint32_t first_bus;
    uint32_t last_bus;
};

/*
 * Makes `ops` reach buses `first_bus` to `last_bus` through an ECAM window of
 * 1 MiB a bus.  `phys` is where `first_bus` starts: a device tree says that,
 * an ACPI MCFG table says where bus 0 would start.  The whole window is mapped
 * with vdrv_hal.mmio_map, if there is one.  `ecam` and `hal` must outlive
 * `ops`.  Accesses outside the window read as all ones.
 * INVALID: NULL, a bad bus range, `phys` not on a 1 MiB boundary or outside
 * the address space, mmio_map refused, or half of the HAL's register
 * accessors. [alone]
 */
int vdrv_pci_ecam_init(struct vdrv_pci_ecam *ecam, const struct vdrv_hal *hal,
                       uint64_t phys, uint32_t first_bus, uint32_t last_bus,
                       struct vdrv_pci_ops *ops);

/*
 * Makes `ops` reach all 256 buses through the ports 0xcf8 and 0xcfc of a PC:
 * the first 256 bytes of each function; the rest reads as all ones.  Each
 * access takes two port accesses, which nothing may come between.  `hal` must
 * outlive `ops`.
 * INVALID: NULL, or half of the HAL's register accessors.  UNSUPPORTED: this
 * CPU has no ports, and the HAL has no register accessors. [alone]
 */
int vdrv_pci_ports_init(const struct vdrv_hal *hal, struct vdrv_pci_ops *ops);

/* ---- Walking the bus ---------------------------------------------------- */

/* Position of a walk; copy it to walk on from here a second time. */
struct vdrv_pci_walk {
    const struct vdrv_pci_ops *ops; /* readable */
    uint32_t first_bus;             /* readable */
    uint32_t last_bus;              /* readable */
    uint32_t next;                  /* private from here */
    uint32_t multi;
    uint32_t found[8];
};

/*
 * Starts a walk over bus `first_bus` and the buses behind its bridges, up to
 * `last_bus`.  A bridge counts when it has a bus number, by firmware or by
 * vdrv_pci_bridges(); one without is passed over.  Host bridges with several
 * root buses take one walk each.  `ops` must outlive `walk`.
 * INVALID: NULL, or a bad bus range. [any]
 */
int vdrv_pci_walk_init(struct vdrv_pci_walk *walk,
                       const struct vdrv_pci_ops *ops, uint32_t first_bus,
                       uint32_t last_bus);

/*
 * Stores the handle of the next function that is there, in ascending order.
 * Ends always, whatever bridges claim.  NO_DEVICE: that was all.  INVALID:
 * NULL. [alone]
 */
int vdrv_pci_walk_next(struct vdrv_pci_walk *walk, uint32_t *fn);

/* ---- Base address registers --------------------------------------------- */

#define VDRV_PCI_BAR_NONE                                                      \
    0u /* not there, or the upper half of the one before */
#define VDRV_PCI_BAR_IO    1u
#define VDRV_PCI_BAR_MEM32 2u
#define VDRV_PCI_BAR_MEM64 3u

struct vdrv_pci_bar {
    uint64_t addr;         /* on the bus, as it is set now */
    uint64_t size;         /* bytes, a power of two; 0 for NONE */
    uint32_t kind;         /* VDRV_PCI_BAR_* */
    uint32_t prefetchable; /* 1 or 0 */
};

/*
 * Reads and sizes BAR `index` of a function.  While it is being sized the
 * function decodes no address; command register and BAR are put back before
 * return.  So nothing else may use the function meanwhile.
 * INVALID: NULL, or `index` above what the function's header has.  NO_DEVICE:
 * the function is not there.  PROTOCOL: a reserved type, a 64-bit BAR in the
 * last place, a size that is no power of two, or an address that is no
 * multiple of it. [alone]
 */
int vdrv_pci_bar_read(const struct vdrv_pci_ops *ops, uint32_t fn,
                      uint32_t index, struct vdrv_pci_bar *bar);

/*
 * Does a BAR have an address?  Address 0 is none (what a reset leaves), and so
 * is the highest possible one (what sizing leaves). [any]
 */
bool vdrv_pci_bar_assigned(const struct vdrv_pci_bar *bar);

/* Addresses to give to BARs.  All zero: none. */
struct vdrv_pci_window {
    uint64_t base; /* bus address */
    uint64_t size;
    uint64_t used; /* bytes from `base` that are taken; start with 0 */
};

/*
 * What a host bridge forwards (the `ranges` of its device tree node).  A
 * 64-bit memory BAR goes to mem64 if it fits, else to mem32; so leave mem64
 * empty when the kernel cannot map addresses above 4 GiB.
 */
struct vdrv_pci_windows {
    struct vdrv_pci_window mem32; /* below 4 GiB */
    struct vdrv_pci_window mem64;
    struct vdrv_pci_window io; /* I/O addresses, not where the CPU sees them */
    uint32_t surveyed;         /* private; start with 0 */
};

/*
 * Gives an address to each BAR of a function that has none, as
 * vdrv_pci_bar_assigned() tells: aligned to its size and, in memory, to 4 KiB;
 * never address 0.  A BAR that has one was assigned by firmware and keeps it,
 * wherever it lies.  Decoding is left as it was (off after a reset): a probe
 * turns it on.  For functions on a root bus: behind a bridge only addresses
 * that the bridge forwards do (see vdrv_pci_bridges()).
 * On an error nothing has changed, in `windows` neither.
 * NO_MEMORY: a window is full.  INVALID: NULL, or a window that is not inside
 * its space.  NO_DEVICE, PROTOCOL: as vdrv_pci_bar_read(). [alone]
 */
int vdrv_pci_assign(const struct vdrv_pci_ops *ops, uint32_t fn,
                    struct vdrv_pci_windows *windows);

/*
 * Does for the bridges on bus `first_bus` that have no bus number what firmware
 * does elsewhere, down to 6 of them in a row: gives bus numbers, up to
 * `last_bus`, above all that firmware gave; gives addresses to all BARs behind
 * them; and opens the bridges for these, and turns them on.  Prefetchable
 * 64-bit BARs go to mem64 where the bridges can forward that, all other memory
 * to mem32.  Memory is forwarded in units of 1 MiB, I/O in units of 4 KiB:
 * leave room.  A function that has not found room for all its BARs has none.
 * Bridges that firmware numbered, and what is behind them, stay as they are.
 * Call it once, before vdrv_pci_walk_init(), with the windows that
 * vdrv_pci_find() is given then.
 * NO_MEMORY: numbers, levels or windows have run out; what fitted works.
 * INVALID: NULL, a bad bus range, or a window that is not inside its space.
 * PROTOCOL, NO_DEVICE: a BAR behind a bridge, as vdrv_pci_bar_read() says; the
 * other functions work. [alone]
 */
int vdrv_pci_bridges(const struct vdrv_pci_ops *ops, uint32_t first_bus,
                     uint32_t last_bus, struct vdrv_pci_windows *windows);

/*
 * Takes out of `windows` what lies before the end of those BARs of a function
 * which firmware assigned inside them.  On a machine whose firmware has
 * assigned some BARs and not others, call it for every function on the bus
 * before the first vdrv_pci_assign(): that keeps addresses from being given
 * twice.  Only the BARs in question are sized.  Errors as vdrv_pci_bar_read().
 * [alone]
 */
int vdrv_pci_reserve(const struct vdrv_pci_ops *ops, uint32_t fn,
                     struct vdrv_pci_windows *windows);

#ifdef __cplusplus
}
#endif

#endif
