/* SPDX-License-Identifier: MIT */
/* Reading a block device's configuration: a pure function of its bytes. */
#ifndef VDRV_BLK_CONFIG_H
#define VDRV_BLK_CONFIG_H

#include <virtio_drv/block.h>
#include <virtio_drv/transport.h>

/*
 * Fills the parts of `caps` that the device decides, from its configuration
 * and the negotiated features: block size, size, limits.  Values that make no
 * sense are replaced by safe ones.  `max_segs` is what the driver can do.
 */
void vdrv__blk_validate_config(const uint8_t *config,
                               const uint64_t features[2], uint32_t max_segs,
                               struct vdrv_block_caps *caps);

#endif
