/* SPDX-License-Identifier: MIT */
/*
 * The legacy interface as VirtIO 1.4 describes it: the ring's alignment
 * (2.7.2), the registers that version 1 of virtio-mmio has instead of the
 * newer ones (4.2.4), and those of PCI devices in I/O BAR 0 (4.1.4.10).
 */
#ifndef VDRV_SPEC_VIRTIO_LEGACY_H
#define VDRV_SPEC_VIRTIO_LEGACY_H

/* Fixed on PCI, and chosen the same on MMIO: the page of the page number. */
#define VIRTIO_LEGACY_ALIGN      4096u
#define VIRTIO_LEGACY_PAGE_SHIFT 12u

/* What a page number of 32 bits reaches. */
#define VIRTIO_LEGACY_DMA_LIMIT UINT64_C(0xfffffffffff)

#define VIRTIO_MMIO_GUEST_PAGE_SIZE 0x028u
#define VIRTIO_MMIO_QUEUE_ALIGN     0x03cu
#define VIRTIO_MMIO_QUEUE_PFN       0x040u

#define VIRTIO_PCI_HOST_FEATURES  0x00u /* 4 */
#define VIRTIO_PCI_GUEST_FEATURES 0x04u /* 4 */
#define VIRTIO_PCI_QUEUE_PFN      0x08u /* 4 */
#define VIRTIO_PCI_QUEUE_NUM      0x0cu /* 2 */
#define VIRTIO_PCI_QUEUE_SEL      0x0eu /* 2 */
#define VIRTIO_PCI_QUEUE_NOTIFY   0x10u /* 2 */
#define VIRTIO_PCI_STATUS         0x12u /* 1 */
#define VIRTIO_PCI_ISR            0x13u /* 1 */
#define VIRTIO_MSI_CONFIG_VECTOR  0x14u /* 2; while MSI-X is on */
#define VIRTIO_MSI_QUEUE_VECTOR   0x16u /* 2; so too */
#define VIRTIO_PCI_CONFIG         0x14u /* the device's configuration */
#define VIRTIO_PCI_CONFIG_MSIX    0x18u /* and while MSI-X is on */

#define VIRTIO_LEGACY_BAR_MAX 256u /* of I/O space, in one BAR (PCI 3.0) */

#endif
