/* SPDX-License-Identifier: MIT */
/* Configuration space as PCI Local Bus 3.0, chapter 6, lays it out. */
#ifndef VDRV_SPEC_PCI_CONFIG_H
#define VDRV_SPEC_PCI_CONFIG_H

#define PCI_VENDOR_ID           0x00u /* 2 bytes; device id in the next 2 */
#define PCI_COMMAND             0x04u /* 2 */
#define PCI_STATUS              0x06u /* 2; writing ones clears bits */
#define PCI_HEADER_TYPE         0x0eu /* 1 */
#define PCI_BASE_ADDRESS_0      0x10u /* 4, six times */
#define PCI_PRIMARY_BUS         0x18u /* 1; header type 1, as the next */
#define PCI_SECONDARY_BUS       0x19u /* 1 */
#define PCI_SUBORDINATE_BUS     0x1au /* 1 */
#define PCI_SUBSYSTEM_VENDOR_ID 0x2cu /* 2 */
#define PCI_CAPABILITY_LIST     0x34u /* 1 */
#define PCI_INTERRUPT_LINE      0x3cu /* 1 */
#define PCI_INTERRUPT_PIN       0x3du /* 1 */

/* What bridges forward, by the upper bits of first and last address. */
#define PCI_BRIDGE_IO_BASE          0x1cu /* 1; limit in the next */
#define PCI_BRIDGE_IO_LIMIT         0x1du
#define PCI_BRIDGE_MEMORY_BASE      0x20u /* 2; limit in the next 2 */
#define PCI_BRIDGE_PREF_BASE        0x24u /* 2; limit in the next 2 */
#define PCI_BRIDGE_PREF_BASE_UPPER  0x28u /* 4 */
#define PCI_BRIDGE_PREF_LIMIT_UPPER 0x2cu /* 4 */
#define PCI_BRIDGE_IO_BASE_UPPER    0x30u /* 2 */
#define PCI_BRIDGE_IO_LIMIT_UPPER   0x32u /* 2 */
#define PCI_BRIDGE_RANGE_MASK       0xfff0u
#define PCI_BRIDGE_TYPE_MASK        0xfu
#define PCI_BRIDGE_TYPE_WIDE        0x1u /* 32-bit I/O, 64-bit memory */

#define PCI_COMMAND_IO           0x0001u
#define PCI_COMMAND_MEMORY       0x0002u
#define PCI_COMMAND_MASTER       0x0004u
#define PCI_COMMAND_INTX_DISABLE 0x0400u

#define PCI_STATUS_CAP_LIST 0x0010u

#define PCI_HEADER_TYPE_MASK   0x7fu
#define PCI_HEADER_TYPE_NORMAL 0x00u
#define PCI_HEADER_TYPE_BRIDGE 0x01u
#define PCI_HEADER_TYPE_MULTI  0x80u

#define PCI_BASE_ADDRESS_SPACE_IO      0x1u
#define PCI_BASE_ADDRESS_IO_MASK       0xfffffffcu
#define PCI_BASE_ADDRESS_MEM_TYPE_MASK 0x6u
#define PCI_BASE_ADDRESS_MEM_TYPE_32   0x0u
#define PCI_BASE_ADDRESS_MEM_TYPE_64   0x4u
#define PCI_BASE_ADDRESS_MEM_PREFETCH  0x8u
#define PCI_BASE_ADDRESS_MEM_MASK      0xfffffff0u

#define PCI_STD_SPACE       0x100u /* bytes without extended capabilities */
#define PCI_STD_HEADER_SIZE 0x40u
#define PCI_CAP_MAX         48u /* as many of 4 bytes find room */

#define PCI_CAP_ID_VNDR 0x09u
#define PCI_CAP_ID_MSIX 0x11u

#define PCI_MSIX_FLAGS        2u /* 2 bytes, from the capability's start */
#define PCI_MSIX_FLAGS_QSIZE  0x07ffu
#define PCI_MSIX_FLAGS_ENABLE 0x8000u
#define PCI_MSIX_FLAGS_MASK   0x4000u /* of the whole function */
#define PCI_MSIX_TABLE        4u      /* 4; offset, and the BAR's number */
#define PCI_MSIX_PBA          8u      /* 4; so too */
#define PCI_MSIX_BIR          0x7u    /* the BAR's number */

#define PCI_MSIX_ENTRY_SIZE 16u
#define PCI_MSIX_ENTRY_LOW  0u /* each 4 bytes */
#define PCI_MSIX_ENTRY_HIGH 4u
#define PCI_MSIX_ENTRY_DATA 8u
#define PCI_MSIX_ENTRY_CTRL 12u
#define PCI_MSIX_ENTRY_MASK 0x1u

#endif
