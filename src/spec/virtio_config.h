/* SPDX-License-Identifier: MIT */
/*
 * Names of VirtIO 1.4 that all devices share: status bits (2.1) and the
 * device-independent feature bits (6).
 */
#ifndef VDRV_SPEC_VIRTIO_CONFIG_H
#define VDRV_SPEC_VIRTIO_CONFIG_H

#define VIRTIO_CONFIG_S_ACKNOWLEDGE 0x01u
#define VIRTIO_CONFIG_S_DRIVER      0x02u
#define VIRTIO_CONFIG_S_DRIVER_OK   0x04u
#define VIRTIO_CONFIG_S_FEATURES_OK 0x08u
#define VIRTIO_CONFIG_S_SUSPEND     0x10u
#define VIRTIO_CONFIG_S_NEEDS_RESET 0x40u
#define VIRTIO_CONFIG_S_FAILED      0x80u

#define VIRTIO_F_NOTIFY_ON_EMPTY   24
#define VIRTIO_F_ANY_LAYOUT        27
#define VIRTIO_F_INDIRECT_DESC     28
#define VIRTIO_F_EVENT_IDX         29
#define VIRTIO_F_VERSION_1         32
#define VIRTIO_F_ACCESS_PLATFORM   33
#define VIRTIO_F_RING_PACKED       34
#define VIRTIO_F_IN_ORDER          35
#define VIRTIO_F_ORDER_PLATFORM    36
#define VIRTIO_F_SR_IOV            37
#define VIRTIO_F_NOTIFICATION_DATA 38
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#define VIRTIO_F_RING_RESET        40
#define VIRTIO_F_ADMIN_VQ          41
#define VIRTIO_F_SUSPEND           43

/* Interrupt causes, in the ISR and InterruptStatus registers alike. */
#define VIRTIO_ISR_QUEUE  0x1u
#define VIRTIO_ISR_CONFIG 0x2u

#endif
