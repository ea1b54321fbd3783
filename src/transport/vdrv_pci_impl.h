/* SPDX-License-Identifier: MIT */
/*
 * What the PCI sources share: pure checks of what a device says about itself,
 * each answering NULL or the rule that was broken.  No I/O in them.
 */
#ifndef VDRV_TRANSPORT_PCI_IMPL_H
#define VDRV_TRANSPORT_PCI_IMPL_H

#include <virtio_drv/pci.h>

/* A broken rule: the code that it becomes, and the words for the log. */
struct vdrv__pci_fault {
    int err;
    const char *text;
};

/* A walk over a function's capability list; all zero to begin with. */
struct vdrv__pci_caps {
    uint32_t pos; /* of the capability */
    uint32_t n;
    uint32_t head; /* its first four bytes */
};

/* The next one; ends after as many as there is room for, loop or not. */
bool vdrv__pci_next_cap(const struct vdrv_pci_ops *ops, uint32_t fn,
                        struct vdrv__pci_caps *it);

/* A virtio capability, each field read once. */
struct vdrv__pci_cap {
    uint32_t pos; /* where it is in configuration space */
    uint32_t len;
    uint32_t type;
    uint32_t bar;
    uint32_t offset;
    uint32_t length;
    uint32_t multiplier; /* NOTIFY_CFG only */
};

/* Does the capability itself fit?  Looks at pos, len and type only. */
const struct vdrv__pci_fault *vdrv__validate_pci_cap_len(
    const struct vdrv__pci_cap *cap);

/* Is the structure of the capability inside the BAR, and of use? */
const struct vdrv__pci_fault *vdrv__validate_pci_cap(
    const struct vdrv__pci_cap *cap, const struct vdrv_pci_bar *bar);

/*
 * Where the notifications of a queue go, from the start of a notify structure
 * of `size` bytes at `addr`, `width` bytes wide.
 */
const struct vdrv__pci_fault *vdrv__validate_pci_notify(
    const struct vdrv_pci_region *notify, uint32_t multiplier,
    uint32_t queue_notify_off, uint32_t width, uint32_t *offset);

/* Is the region, whose `phys` is an offset, inside the BAR? */
const struct vdrv__pci_fault *vdrv__validate_pci_shared(
    const struct vdrv_shared_memory *at, const struct vdrv_pci_bar *bar);

/* A BAR as it was read (`addr`), and after writing ones to it (`mask`). */
struct vdrv__pci_raw_bar {
    uint32_t addr[2];
    uint32_t mask[2]; /* [1] of 64-bit memory BARs only */
};

/* Is this the low half of a 64-bit BAR? */
bool vdrv__pci_bar_is_wide(uint32_t addr);

const struct vdrv__pci_fault *vdrv__validate_pci_bar(
    const struct vdrv__pci_raw_bar *raw, struct vdrv_pci_bar *bar);

/* vdrv_pci_bar_read(), with words.  The arguments are there. */
const struct vdrv__pci_fault *vdrv__pci_bar_read(const struct vdrv_pci_ops *ops,
                                                 uint32_t fn, uint32_t index,
                                                 struct vdrv_pci_bar *bar);

/* A piece of a BAR, in CPU physical addresses. */
struct vdrv__pci_piece {
    uint64_t phys;
    uint32_t size; /* not 0 */
    uint32_t fn;
    uint32_t bar;
    bool io; /* an I/O BAR, seen through io_phys */
};

const struct vdrv__pci_fault *vdrv__pci_map(const struct vdrv_hal *hal,
                                            const struct vdrv_pci_ops *bus,
                                            const struct vdrv__pci_piece *at,
                                            uintptr_t *addr);

/* Where an MSI-X table (6.8.2.4) or its pending bits are. */
struct vdrv__msix_place {
    uint32_t bar;
    uint32_t offset;
    uint32_t size; /* bytes */
};

/* Is that inside `bar`, and is it memory? */
const struct vdrv__pci_fault *vdrv__validate_msix(
    const struct vdrv__msix_place *at, const struct vdrv_pci_bar *bar);

/* BARs in the function's header: 6, 2, or 0. */
uint32_t vdrv__pci_bar_count(const struct vdrv_pci_ops *ops, uint32_t fn);

/* The header type of a function, or NONE; learns whether it has siblings. */
#define VDRV__PCI_NONE 0x100u
uint32_t vdrv__pci_look(const struct vdrv_pci_ops *ops, uint32_t fn,
                        uint32_t *multi);
/* The next one to look at. */
uint32_t vdrv__pci_after(uint32_t fn, uint32_t multi);

bool vdrv__pci_windows_ok(const struct vdrv_pci_windows *w);
/* Once per set of windows: keeps clear of what firmware has assigned. */
void vdrv__pci_survey(const struct vdrv_pci_ops *ops, uint32_t first_bus,
                      uint32_t last_bus, struct vdrv_pci_windows *windows);

/*
 * Which BARs get an address, and where: on a root bus those that have none;
 * behind a bridge all, and in 64-bit addresses what is prefetchable, if the
 * bridge forwards that.
 */
#define VDRV__PCI_ASSIGN_ROOT   0u
#define VDRV__PCI_ASSIGN_WIDE   1u
#define VDRV__PCI_ASSIGN_NARROW 2u
int vdrv__pci_assign(const struct vdrv_pci_ops *ops, uint32_t fn,
                     struct vdrv_pci_windows *windows, uint32_t rule);

/* Virtio type for the register at PCI_VENDOR_ID; 0: not a virtio device. */
uint32_t vdrv__pci_type(uint32_t id);

/* The transport that a probe of a modern device sets up. */
extern const struct vdrv_transport_ops vdrv__pci_ops;

#define VDRV__PCI_BARS 6u

/* Notes what vdrv__pci_restore() brings back; at the end of a probe. */
void vdrv__pci_save(struct vdrv_pci *pci, uint32_t command);
int vdrv__pci_restore(struct vdrv_transport *t);
int vdrv__pci_shared_memory(struct vdrv_transport *t, uint32_t id,
                            struct vdrv_shared_memory *out);

/* The registers of a structure, whichever way they are reached. */
uint32_t vdrv__pci_read(struct vdrv_transport *t,
                        const struct vdrv_pci_region *r, uint32_t offset,
                        uint32_t width);
void vdrv__pci_write(struct vdrv_transport *t, const struct vdrv_pci_region *r,
                     uint32_t offset, uint32_t width, uint32_t value);

/* What both interfaces do alike; registers are in pci->common and pci->isr. */
int vdrv__pci_fail(struct vdrv_transport *t, int err, const char *text,
                   uint32_t value);
/* A rule was broken, or the function is gone; the log says it of `queue`. */
int vdrv__pci_broken(struct vdrv_transport *t, const char *text,
                     uint32_t queue);
int vdrv__pci_set_vector(struct vdrv_transport *t, uint32_t reg,
                         uint32_t vector);
uint32_t vdrv__pci_irq(struct vdrv_transport *t, uint32_t vector);

/* What drives a device whose modern interface is not there. */
struct vdrv_pci_kind {
    /*
     * Takes the device over; `*decode` gets bits for the command register.
     * The answer is NULL, or why not.
     */
    const struct vdrv__pci_fault *(*attach)(struct vdrv_pci *pci,
                                            uint32_t *decode);
};

/* Another way to registers: `offset` inside a BAR. */
struct vdrv_pci_access {
    /* Is it there?  Answers the offset of its capability, or 0. */
    uint32_t (*find)(const struct vdrv_pci *pci);
    /* Can it be turned to this BAR? */
    bool (*reaches)(const struct vdrv_pci *pci, uint32_t bar, uint32_t offset);
    uint32_t (*read)(const struct vdrv_pci *pci, uint32_t bar, uint32_t offset,
                     uint32_t width);
    void (*write)(const struct vdrv_pci *pci, uint32_t bar, uint32_t offset,
                  uint32_t width, uint32_t value);
};

/* Makes `size` bytes at `offset` of an assigned BAR accessible. */
const struct vdrv__pci_fault *vdrv__pci_map_bar(const struct vdrv_pci *pci,
                                                const struct vdrv_pci_bar *bar,
                                                uint32_t offset,
                                                struct vdrv_pci_region *r);

/* Fills in what vdrv_transport_log() needs, and clears the rest. */
void vdrv__pci_clear(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                     const struct vdrv_pci_ops *ops, uint32_t fn);

#endif
