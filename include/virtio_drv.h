/* SPDX-License-Identifier: MIT */
/* Everything at once.  Start reading at virtio_drv/hal.h. */
#ifndef VIRTIO_DRV_H
#define VIRTIO_DRV_H

#include <virtio_drv/base.h>
#include <virtio_drv/block.h>
#include <virtio_drv/display.h>
#include <virtio_drv/driver.h>
#include <virtio_drv/hal.h>
#include <virtio_drv/mmio.h>
#include <virtio_drv/msix.h>
#include <virtio_drv/net.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/pci_bus.h>
#include <virtio_drv/queue.h>
#include <virtio_drv/transport.h>
#include <virtio_drv/virtio_blk.h>
#include <virtio_drv/virtio_gpu.h>
#include <virtio_drv/virtio_net.h>

#endif
