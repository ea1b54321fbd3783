/* SPDX-License-Identifier: MIT */
/*
 * The header of a received frame (VirtIO 1.4, 5.1.6.4): nothing in it is
 * passed on unless its feature was negotiated and it fits the frame.  A frame
 * that loses its offload data is delivered as one that has none: its checksum
 * is for the receiver to verify.  No I/O.
 */
#include "vdrv_net_header.h"

#include <virtio_drv/net.h>
#include <virtio_drv/transport.h>

#include <string.h>

#include "../spec/virtio_net.h"

#define GSO_TUNNEL                                                             \
    (VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 | VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV6)

/*
 * 5.1.6.4.2: frames that a driver must not accept.  Tunnels are never
 * negotiated here, so no tunnel bit can be right.
 */
static bool forbidden(const struct vdrv__net_header *h)
{
    const uint8_t outer =
        VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM | VIRTIO_NET_HDR_F_NEEDS_CSUM;

    return (h->gso_type & GSO_TUNNEL) != 0 || (h->flags & outer) == outer;
}

static void set_csum(const struct vdrv__net_header *h, uint32_t len,
                     const uint64_t features[2], struct vdrv__net_meta *meta)
{
    const uint8_t known =
        VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID;

    if ((h->flags & known) == 0)
        return;
    /* RSC_INFO puts counts in the place of the offsets. */
    if (!vdrv_feature(features, VIRTIO_NET_F_GUEST_CSUM) ||
        (h->flags & VIRTIO_NET_HDR_F_RSC_INFO) != 0) {
        meta->cleared = true;
        return;
    }
    if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
        meta->flags |= VDRV_NET_CSUM_VALID;
        return;
    }
    if ((uint32_t)h->csum_start + h->csum_offset + 2u > len) {
        meta->cleared = true;
        return;
    }
    meta->flags |= VDRV_NET_CSUM_PARTIAL;
    meta->csum_start = h->csum_start;
    meta->csum_offset = h->csum_offset;
}

/* The trait's type when the device may use it, else 0. */
static uint8_t gso_type(uint8_t type, const uint64_t features[2])
{
    static const struct {
        uint8_t wire, ours, bit, or_bit;
    } types[] = {
        {VIRTIO_NET_HDR_GSO_TCPV4, VDRV_NET_GSO_TCP4, VIRTIO_NET_F_GUEST_TSO4,
         VIRTIO_NET_F_GUEST_TSO4},
        {VIRTIO_NET_HDR_GSO_TCPV6, VDRV_NET_GSO_TCP6, VIRTIO_NET_F_GUEST_TSO6,
         VIRTIO_NET_F_GUEST_TSO6},
        {VIRTIO_NET_HDR_GSO_UDP, VDRV_NET_GSO_UDP, VIRTIO_NET_F_GUEST_UFO,
         VIRTIO_NET_F_GUEST_UFO},
        {VIRTIO_NET_HDR_GSO_UDP_L4, VDRV_NET_GSO_USO, VIRTIO_NET_F_GUEST_USO4,
         VIRTIO_NET_F_GUEST_USO6},
    };
    const uint8_t ecn = type & VIRTIO_NET_HDR_GSO_ECN;

    if (ecn != 0 && !vdrv_feature(features, VIRTIO_NET_F_GUEST_ECN))
        return 0;
    type &= (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (type == types[i].wire && (vdrv_feature(features, types[i].bit) ||
                                      vdrv_feature(features, types[i].or_bit)))
            return (uint8_t)(types[i].ours |
                             (ecn != 0 ? VDRV_NET_GSO_ECN : 0u));
    }
    return 0;
}

static void set_gso(const struct vdrv__net_header *h, uint32_t len,
                    const uint64_t features[2], struct vdrv__net_meta *meta)
{
    const uint8_t type = gso_type(h->gso_type, features);

    if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
        return;
    /* Segments are only made with a checksum to finish, and of some size. */
    if (type == 0 || h->gso_size == 0 ||
        (meta->flags & VDRV_NET_CSUM_PARTIAL) == 0) {
        meta->cleared = true;
        return;
    }
    meta->flags |= VDRV_NET_GSO;
    meta->gso_type = type;
    meta->gso_size = h->gso_size;
    meta->gso_header = h->hdr_len <= len ? h->hdr_len : 0; /* but a hint */
}

int vdrv__net_validate_header(const struct vdrv__net_header *h, uint32_t len,
                              const uint64_t features[2],
                              struct vdrv__net_meta *meta)
{
    memset(meta, 0, sizeof(*meta));
    if (forbidden(h))
        return VDRV_ERR_PROTOCOL;
    set_csum(h, len, features, meta);
    set_gso(h, len, features, meta);
    return VDRV_OK;
}
