/* SPDX-License-Identifier: MIT */
/*
 * MSI-X: interrupts that a PCI function sends as memory writes, a vector for
 * each cause (PCI Local Bus 3.0, 6.8.2).  A kernel whose PCI layer does this
 * already needs none of it: vdrv_pci_probe() sees that MSI-X is on.
 *
 * On a PC, with four interrupt vectors of the kernel's from 0x40 on:
 *
 *     for (i = 0; i < 4; i++)
 *         vdrv_msix_apic(apic_id, 0x40 + i, &msg[i]);
 *     err = vdrv_msix_attach(&msix, &pci, msg, 4);
 *     cfg.vectors = 4;
 *     err = vdrv_virtio_blk_init(&blk, &pci.transport, &cfg);
 *     ... the handler of 0x40 + i calls vdrv_irq(&blk.block.dev, i) ...
 *
 * All calls are [alone] but mask and pending, which are one caller's at a time
 * for each vector and may be made by an interrupt handler.
 */
#ifndef VIRTIO_DRV_MSIX_H
#define VIRTIO_DRV_MSIX_H

#include <virtio_drv/pci.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a vector writes, and where: a device address, as the bus sees it. */
struct vdrv_msix_message {
    uint64_t addr;
    uint32_t data;
    uint32_t reserved;
};

/* Caller-allocated; `count` is readable. */
struct vdrv_msix {
    const struct vdrv_pci_ops *bus;
    const struct vdrv_hal *hal;
    uint32_t fn;
    uint32_t cap;   /* offset of the capability */
    uint32_t count; /* vectors of the table: 1 to 2048 */
    uint32_t reserved;
    uintptr_t table;
    uintptr_t pba;
    const struct vdrv_msix_message *msg; /* of an attach */
    uint32_t attached;
    uint32_t reserved2;
};

/*
 * Finds the capability of a function and maps its table and its pending bits;
 * changes nothing.  The BARs must have addresses, and the function must decode
 * memory (vdrv_pci_probe() sees to that); they are sized, as by
 * vdrv_pci_bar_read().  `hal` and `ops` must outlive `msix`.
 * NO_DEVICE: no such capability, or no such function.  PROTOCOL: the table or
 * the pending bits are not inside a memory BAR.  UNSUPPORTED: that BAR has no
 * address.  INVALID: NULL, or a mapping was refused. [alone]
 */
int vdrv_msix_init(struct vdrv_msix *msix, const struct vdrv_hal *hal,
                   const struct vdrv_pci_ops *ops, uint32_t fn);

/*
 * Turns MSI-X on, all vectors masked.  The function sends no line interrupts
 * any more.  NO_DEVICE: it is not there.  INVALID: NULL, or its init failed.
 * [alone]
 */
int vdrv_msix_enable(struct vdrv_msix *msix);

/* Turns MSI-X off: line interrupts again. [alone] */
void vdrv_msix_disable(struct vdrv_msix *msix);

/*
 * Writes the message of a vector, and unmasks it.  INVALID: NULL, no such
 * vector, or an address that is not a multiple of 4. [alone]
 */
int vdrv_msix_set(struct vdrv_msix *msix, uint32_t vector,
                  const struct vdrv_msix_message *msg);

/*
 * Masks or unmasks a vector.  What happens while it is masked is sent, once,
 * when it is unmasked.  INVALID: NULL, or no such vector.
 */
int vdrv_msix_mask(struct vdrv_msix *msix, uint32_t vector, bool masked);

/* Is something to be sent, once the vector is unmasked? */
bool vdrv_msix_pending(const struct vdrv_msix *msix, uint32_t vector);

/* ---- For virtio devices -------------------------------------------------- */

/*
 * Gives a probed device `n` vectors, before a driver is initialised on it:
 * init, enable, and set for each message; of more messages than the table has
 * room for, the last are left out.  `pci->transport.vectors` says how many it
 * has.  A driver takes as many as its configuration says.  `msix` and `msg`
 * must outlive the device: when it lost power, start writes the table again
 * from them, so change `msg` along with vdrv_msix_set().
 * Errors as for init and set; after one, MSI-X is off.  BUSY: a driver stands
 * on the device. [alone]
 */
int vdrv_msix_attach(struct vdrv_msix *msix, struct vdrv_pci *pci,
                     const struct vdrv_msix_message *msg, uint32_t n);

/*
 * Undoes it: the device interrupts by its line.  BUSY: a driver stands on the
 * device.  INVALID: NULL. [alone]
 */
int vdrv_msix_detach(struct vdrv_msix *msix, struct vdrv_pci *pci);

/* ---- Messages ------------------------------------------------------------ */

/*
 * x86: a fixed, edge-triggered interrupt `vector` (16 to 255) at the local
 * APIC with the physical id `destination` (0 to 254; others need interrupt
 * remapping).  INVALID: out of range. [any]
 */
int vdrv_msix_apic(uint32_t destination, uint32_t vector,
                   struct vdrv_msix_message *msg);

/*
 * Arm GICv2m: shared peripheral interrupt `spi` (32 to 1019, one of those the
 * frame's TYPER register grants), by the frame at device address `frame`.
 * INVALID: out of range. [any]
 */
int vdrv_msix_gicv2m(uint64_t frame, uint32_t spi,
                     struct vdrv_msix_message *msg);

/*
 * Arm GICv3 ITS at device address `its`: event `event` of this device, which
 * the kernel has mapped there.  INVALID: the address is misaligned. [any]
 */
int vdrv_msix_its(uint64_t its, uint32_t event, struct vdrv_msix_message *msg);

#ifdef __cplusplus
}
#endif

#endif
