/* SPDX-License-Identifier: MIT */
/* The transport that a probe of a modern PCI device sets up. */
#ifndef VDRV_TRANSPORT_PCI_OPS_H
#define VDRV_TRANSPORT_PCI_OPS_H

#include <virtio_drv/transport.h>

extern const struct vdrv_transport_ops vdrv__pci_ops;

#endif
