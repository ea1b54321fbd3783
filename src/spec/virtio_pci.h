/* SPDX-License-Identifier: MIT */
/* Ids, capabilities and registers of virtio over PCI (VirtIO 1.4, 4.1). */
#ifndef VDRV_SPEC_VIRTIO_PCI_H
#define VDRV_SPEC_VIRTIO_PCI_H

#include <stddef.h>

#include "../core/bytes.h"

/* 4.1.2 */
#define VIRTIO_PCI_VENDOR          0x1af4u
#define VIRTIO_PCI_ID_TRANSITIONAL 0x1000u /* to 0x103f */
#define VIRTIO_PCI_ID_MODERN       0x1040u /* + device type, to 0x107f */
#define VIRTIO_PCI_ID_LAST         0x107fu

/* 4.1.4 */
#define VIRTIO_PCI_CAP_COMMON_CFG 1u
#define VIRTIO_PCI_CAP_NOTIFY_CFG 2u
#define VIRTIO_PCI_CAP_ISR_CFG    3u
#define VIRTIO_PCI_CAP_DEVICE_CFG 4u
#define VIRTIO_PCI_CAP_PCI_CFG    5u
#define VIRTIO_PCI_CAP_SHARED_MEM 8u

#define VIRTIO_PCI_BAR_LAST 5u

struct virtio_pci_cap {
    uint8_t cap_vndr;
    uint8_t cap_next;
    uint8_t cap_len;
    uint8_t cfg_type;
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    struct le32 offset;
    struct le32 length;
};
_Static_assert(sizeof(struct virtio_pci_cap) == 16, "4.1.4");
_Static_assert(offsetof(struct virtio_pci_cap, cfg_type) == 3, "4.1.4");
_Static_assert(offsetof(struct virtio_pci_cap, bar) == 4, "4.1.4");
_Static_assert(offsetof(struct virtio_pci_cap, offset) == 8, "4.1.4");
_Static_assert(offsetof(struct virtio_pci_cap, length) == 12, "4.1.4");

struct virtio_pci_notify_cap {
    struct virtio_pci_cap cap;
    struct le32 notify_off_multiplier;
};
_Static_assert(sizeof(struct virtio_pci_notify_cap) == 20, "4.1.4.4");

struct virtio_pci_cfg_cap {
    struct virtio_pci_cap cap;
    uint8_t pci_cfg_data[4];
};
_Static_assert(sizeof(struct virtio_pci_cfg_cap) == 20, "4.1.4.9");

/* 4.1.4.7: shared memory; the upper halves of offset and length. */
struct virtio_pci_cap64 {
    struct virtio_pci_cap cap;
    struct le32 offset_hi;
    struct le32 length_hi;
};
_Static_assert(sizeof(struct virtio_pci_cap64) == 24, "4.1.4");

/* 4.1.4.3; what follows queue_device is there only with its feature. */
struct virtio_pci_common_cfg {
    struct le32 device_feature_select;
    struct le32 device_feature;
    struct le32 driver_feature_select;
    struct le32 driver_feature;
    struct le16 config_msix_vector;
    struct le16 num_queues;
    uint8_t device_status;
    uint8_t config_generation;
    struct le16 queue_select;
    struct le16 queue_size;
    struct le16 queue_msix_vector;
    struct le16 queue_enable;
    struct le16 queue_notify_off;
    struct le64 queue_desc;
    struct le64 queue_driver;
    struct le64 queue_device;
    struct le16 queue_notif_config_data;
    struct le16 queue_reset;
    struct le16 admin_queue_index;
    struct le16 admin_queue_num;
};
_Static_assert(sizeof(struct virtio_pci_common_cfg) == 64, "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, config_msix_vector) ==
                   0x10,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, device_status) == 0x14,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_select) == 0x16,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_enable) == 0x1c,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_desc) == 0x20,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg, queue_device) == 0x30,
               "4.1.4.3");
_Static_assert(offsetof(struct virtio_pci_common_cfg,
                        queue_notif_config_data) == 0x38,
               "4.1.4.3");

/* What every modern device has of it. */
#define VIRTIO_PCI_COMMON_CFG_MIN                                              \
    offsetof(struct virtio_pci_common_cfg, queue_notif_config_data)

#define VIRTIO_MSI_NO_VECTOR 0xffffu /* 4.1.5.1.2 */

#endif
