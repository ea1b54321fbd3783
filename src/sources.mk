# SPDX-License-Identifier: MIT
# The library for other people's makefiles:
#
#     VDRV_DIR := third_party/libvirtio_drv
#     include $(VDRV_DIR)/src/sources.mk
#     # compile $(VDRV_SRCS) with $(VDRV_INCLUDES)
#
# Any C11 compiler flags of yours will do; -ffreestanding is welcome.

VDRV_DIR ?= .
VDRV_INCLUDES := -I$(VDRV_DIR)/include
VDRV_SRCS := $(addprefix $(VDRV_DIR)/src/, \
	core/vdrv_arena.c \
	core/vdrv_reg.c \
	core/vdrv_strerror.c \
	core/vdrv_wait.c \
	device/vdrv_blk.c \
	device/vdrv_blk_config.c \
	device/vdrv_blk_setup.c \
	device/vdrv_blk_zones.c \
	device/vdrv_driver.c \
	device/vdrv_driver_dump.c \
	device/vdrv_edid.c \
	device/vdrv_gpu.c \
	device/vdrv_gpu_cmd.c \
	device/vdrv_gpu_head.c \
	device/vdrv_net_config.c \
	device/vdrv_net_ctrl.c \
	device/vdrv_net_driver.c \
	device/vdrv_net_header.c \
	device/vdrv_net_rx.c \
	device/vdrv_net_tx.c \
	queue/vdrv_packed.c \
	queue/vdrv_packed_in_order.c \
	queue/vdrv_queue.c \
	queue/vdrv_queue_dump.c \
	queue/vdrv_split.c \
	queue/vdrv_split_in_order.c \
	queue/vdrv_split_legacy.c \
	trait/vdrv_base.c \
	trait/vdrv_block.c \
	trait/vdrv_block_zone.c \
	trait/vdrv_display.c \
	trait/vdrv_display_rect.c \
	trait/vdrv_net.c \
	trait/vdrv_net_pool.c \
	transport/vdrv_fdt.c \
	transport/vdrv_mmio.c \
	transport/vdrv_mmio_cmdline.c \
	transport/vdrv_mmio_legacy.c \
	transport/vdrv_msix.c \
	transport/vdrv_pci.c \
	transport/vdrv_pci_access.c \
	transport/vdrv_pci_bar.c \
	transport/vdrv_pci_bridge.c \
	transport/vdrv_pci_caps.c \
	transport/vdrv_pci_check.c \
	transport/vdrv_pci_find.c \
	transport/vdrv_pci_legacy.c \
	transport/vdrv_pci_map.c \
	transport/vdrv_pci_probe.c \
	transport/vdrv_pci_restore.c \
	transport/vdrv_pci_shared.c \
	transport/vdrv_pci_walk.c \
	transport/vdrv_pci_window.c \
	transport/vdrv_transport.c \
	transport/vdrv_transport_log.c)
