/* SPDX-License-Identifier: MIT */
/*
 * A PCI bus of simulated functions: configuration space with BARs that can be
 * sized and moved, capability lists built from a table, bridges, MSI-X; and
 * the modern virtio registers behind a BAR (VirtIO 1.4, 4.1).
 *
 * A driver reaches configuration space through fake_pci_read/_write, through
 * an ECAM window, or through ports 0xCF8/0xCFC; registers through hal.reg_*
 * at the address that is in the BAR, while the command register decodes it.
 * To make a device lie, edit `fn.cfg` after building it.
 */
#ifndef FAKE_PCI_H
#define FAKE_PCI_H

#include "fake_virtio.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FAKE_PCI_CONFIG  4096u
#define FAKE_PCI_FIRST   0x40u /* where capabilities start */
#define FAKE_PCI_VECTORS 32u

/* Kinds of BAR; FAKE_BAR_PREFETCH may be added to memory. */
#define FAKE_BAR_NONE     0u
#define FAKE_BAR_IO       1u
#define FAKE_BAR_MEM32    2u
#define FAKE_BAR_MEM64    3u /* takes the next BAR too */
#define FAKE_BAR_PREFETCH 8u

/* Command register. */
#define FAKE_PCI_IO       0x001u
#define FAKE_PCI_MEMORY   0x002u
#define FAKE_PCI_MASTER   0x004u
#define FAKE_PCI_INTX_OFF 0x400u

/* Virtio capability types. */
#define FAKE_CAP_COMMON 1u
#define FAKE_CAP_NOTIFY 2u
#define FAKE_CAP_ISR    3u
#define FAKE_CAP_DEVICE 4u
#define FAKE_CAP_PCI    5u
#define FAKE_CAP_SHARED 8u

/* Interfaces of a virtio function. */
#define FAKE_PCI_MODERN       0u
#define FAKE_PCI_TRANSITIONAL 1u /* both: the legacy registers in BAR 0, too */
#define FAKE_PCI_LEGACY       2u /* these alone */

/* bdf: bus << 8 | device << 3 | function. */
#define FAKE_BDF(bus, dev, fn) ((uint32_t)(bus) << 8 | (dev) << 3 | (fn))

struct fake_pci_fn;

struct fake_pci_bar {
    uint32_t kind;             /* FAKE_BAR_* */
    uint64_t size;             /* a power of two */
    struct fake_region region; /* listed while it is decoded */
    bool decoded;
};

/* One capability of the table: raw bytes, the first two are filled in. */
struct fake_pci_cap {
    uint8_t id;
    uint8_t len;       /* all bytes, with the two of the header */
    uint8_t bytes[24]; /* from offset 2 on */
};

/* What fake_pci_virtio() builds; all zero is how QEMU does it. */
struct fake_pci_layout {
    uint16_t device_id;   /* 0: 0x1040 + type */
    uint32_t bar;         /* of the structures; 0: 4 */
    bool bar_zero;        /* the structures are in BAR 0 */
    uint32_t bar_kind;    /* 0: MEM64 | PREFETCH */
    uint64_t bar_size;    /* 0: 0x4000 */
    uint32_t common_len;  /* 0: 0x40 */
    uint32_t notify_mul;  /* of queue_notify_off; 0: 4, UINT32_MAX: 0 */
    uint32_t notify_len;  /* 0: 0x1000 */
    uint32_t vectors;     /* MSI-X table entries; 0: 4, UINT32_MAX: no MSI-X */
    bool no_pci_cap;      /* no configuration access window */
    uint32_t interface;   /* FAKE_PCI_MODERN, ... */
    uint32_t legacy_kind; /* of BAR 0; 0: I/O */
    uint32_t legacy_size; /* 0: 0x80 */
    bool bars_unset;      /* firmware has assigned nothing: no address, no
                            decoding */
};

struct fake_pci {
    struct fake *f;
    struct fake_pci_fn *fns;
    struct fake_region ecam, ports;
    uint32_t port_addr;
    uint64_t next_mem32, next_mem64;
    uint32_t next_io;
    uint64_t reads, writes; /* configuration accesses */
    /* Knob: I/O addresses are seen as memory from here on; 0: they are ports.
       Set it before a function's BARs are decoded. */
    uint64_t io_phys;
};

struct fake_pci_fn {
    struct fake_pci *bus;
    struct fake_pci_fn *parent; /* the bridge it is behind, or NULL */
    struct fake_pci_fn *next;
    uint32_t devfn;
    bool hidden;                   /* unplugged: all ones */
    uint8_t cfg[FAKE_PCI_CONFIG];  /* what is read */
    uint8_t mask[FAKE_PCI_CONFIG]; /* bits that can be written */
    uint32_t cfg_len;              /* 256 or 4096 */
    struct fake_pci_bar bar[6];
    bool intx; /* interrupt line, level */
    /* ---- The virtio function ---------------------------------------- */
    struct fake_dev *dev; /* NULL: another kind of function */
    struct fake_pci_layout layout;
    uint32_t off_common, off_isr, off_device, off_notify; /* in the BAR */
    uint32_t cap_pci, cap_msix; /* where these capabilities are */
    /* Knobs. */
    bool vector_fails;    /* vectors read back as 0xFFFF */
    uint32_t vectors_max; /* so do those from this one on; 0: none */
    uint32_t num_queues;  /* what the register says; 0: the truth */
    int queue_size;       /* what the register says; 0: the truth, -1: 0 */
    bool enable_stuck;    /* queue_enable stays 0; a page is not taken */
    uint32_t pfn_before;  /* QueuePFN of a queue that is not in use */
    /* State. */
    uint32_t dev_features_sel, drv_features_sel, queue_sel;
    uint8_t msix[FAKE_PCI_VECTORS * 16];
    bool msix_pending[FAKE_PCI_VECTORS];
    uint32_t legacy_accesses; /* to the registers in BAR 0 */
    uint32_t window_accesses; /* to the data of the configuration window */
};

/* An empty bus 0. */
void fake_pci_init(struct fake_pci *p, struct fake *f);
void fake_pci_fini(struct fake_pci *p);
/* An ECAM window for `buses` buses, and the x86 ports. */
void fake_pci_ecam(struct fake_pci *p, uint64_t phys, uint32_t buses);
void fake_pci_ports(struct fake_pci *p);

/* Configuration accesses; ctx is the struct fake_pci. */
uint32_t fake_pci_read(void *ctx, uint32_t bdf, uint32_t off, uint32_t width);
void fake_pci_write(void *ctx, uint32_t bdf, uint32_t off, uint32_t width,
                    uint32_t value);

/*
 * Any function: `devfn` is device << 3 | function, `parent` the bridge it is
 * behind (NULL: bus 0).  The multifunction bit of function 0 follows.
 */
void fake_pci_add(struct fake_pci_fn *fn, struct fake_pci *p,
                  struct fake_pci_fn *parent, uint32_t devfn, uint16_t vendor,
                  uint16_t device);
void fake_pci_del(struct fake_pci_fn *fn);
/*
 * Makes a bridge of it, without bus numbers unless `secondary` is set, and
 * then open for all addresses, as if by firmware.  What is behind it is reached
 * by numbers and addresses that it forwards, and no others.
 */
void fake_pci_bridge(struct fake_pci_fn *fn, uint8_t secondary,
                     uint8_t subordinate);
/* Gives it a BAR whose registers are `read` and `write`. */
void fake_pci_set_bar(struct fake_pci_fn *fn, uint32_t i, uint32_t kind,
                      uint64_t size);
/* Writes a capability list from a table; returns where the first one is. */
uint32_t fake_pci_caps(struct fake_pci_fn *fn, const struct fake_pci_cap *cap,
                       unsigned n);
/* Gives every BAR an address and turns decoding on, as firmware does. */
void fake_pci_assign(struct fake_pci_fn *fn);

/* A modern virtio function for `dev`; `layout` NULL: as QEMU has it. */
void fake_pci_virtio(struct fake_pci_fn *fn, struct fake_pci *p,
                     struct fake_pci_fn *parent, uint32_t devfn,
                     struct fake_dev *dev,
                     const struct fake_pci_layout *layout);
/* Its virtio capability of a type: offset in `cfg`, or 0. */
uint32_t fake_pci_cap_at(const struct fake_pci_fn *fn, uint32_t cfg_type);
/*
 * The function loses its power and gets it back: BARs, command register and
 * MSI-X are as after a reset of the machine, and so is the device.
 */
void fake_pci_power_loss(struct fake_pci_fn *fn);
/* Adds shared memory `id` in a BAR; returns where its capability is. */
uint32_t fake_pci_shared(struct fake_pci_fn *fn, uint8_t id, uint8_t bar,
                         uint64_t offset, uint64_t length);
/* The address in a BAR. */
uint64_t fake_pci_bar_addr(const struct fake_pci_fn *fn, uint32_t i);

#ifdef __cplusplus
}
#endif

#endif
