/* SPDX-License-Identifier: MIT */
/*
 * The legacy interface as VirtIO 1.4 describes it: the ring's alignment
 * (2.7.2), and the registers that version 1 of virtio-mmio has instead of the
 * newer ones (4.2.4).
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

#endif
