/* SPDX-License-Identifier: MIT */
/* The check of a received frame's header: see vdrv_net_header.c. */
#ifndef VDRV_NET_HEADER_H
#define VDRV_NET_HEADER_H

#include <stdbool.h>
#include <stdint.h>

/* The header's fields, each read once, in the CPU's order. */
struct vdrv__net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t hdr_len;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
};

/* What a receiver may rely on. */
struct vdrv__net_meta {
    uint32_t flags; /* VDRV_NET_* */
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t gso_size;
    uint16_t gso_header;
    uint8_t gso_type;
    bool cleared; /* something made no sense and was left out */
};

/*
 * Turns the header of a frame of `len` bytes into `meta`.  PROTOCOL: the frame
 * must not be accepted.
 */
int vdrv__net_validate_header(const struct vdrv__net_header *h, uint32_t len,
                              const uint64_t features[2],
                              struct vdrv__net_meta *meta);

#endif
