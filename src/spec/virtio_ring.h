/* SPDX-License-Identifier: MIT */
/* The virtqueues in memory: split (VirtIO 1.4, 2.7) and packed (2.8). */
#ifndef VDRV_SPEC_VIRTIO_RING_H
#define VDRV_SPEC_VIRTIO_RING_H

#include <stddef.h>

#include "../core/bytes.h"

#define VIRTQ_SIZE_MAX 32768u

#define VIRTQ_DESC_F_NEXT     1u
#define VIRTQ_DESC_F_WRITE    2u
#define VIRTQ_DESC_F_INDIRECT 4u

/* 2.7.5.  Flags and next are made and stored as one little-endian word. */
struct virtq_desc {
    struct le64 addr;
    struct le32 len;
    struct le32 link; /* flags, next << 16 */
};

/*
 * That word for the table.  In a big-endian CPU's own order (2.7.3) both fields
 * have kept their place, so its halves are the other way round.
 */
static inline uint32_t virtq_desc_word(uint32_t link)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && defined(VDRV__NATIVE_ORDER)
    return link << 16 | link >> 16;
#else
    return link;
#endif
}

static inline struct le32 virtq_desc_link(uint32_t link)
{
    return le32(virtq_desc_word(link));
}

/* 2.7.6.  used_event follows the ring. */
struct virtq_avail {
    struct le16 flags;
    struct le16 idx;
    struct le16 ring[];
};

#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

struct virtq_used_elem {
    struct le32 id;
    struct le32 len;
};

/* 2.7.8.  avail_event follows the ring. */
struct virtq_used {
    struct le16 flags;
    struct le16 idx;
    struct virtq_used_elem ring[];
};

#define VIRTQ_USED_F_NO_NOTIFY 1u

/* 2.8.13.  Its last two fields are made and stored as one word. */
struct pvirtq_desc {
    struct le64 addr;
    struct le32 len;
    struct le32 tag; /* id, flags << 16 */
};

#define PVIRTQ_DESC_FLAG(f) ((uint32_t)(f) << 16)
#define PVIRTQ_DESC_F_AVAIL 0x80u
#define PVIRTQ_DESC_F_USED  0x8000u

/* 2.8.14: off | wrap << 15 | flags << 16, made and stored as one word. */
struct pvirtq_event_suppress {
    struct le32 word;
};

#define PVIRTQ_EVENT_WRAP    0x8000u
#define PVIRTQ_EVENT_FLAG(f) ((uint32_t)(f) << 16)
#define PVIRTQ_EVENT_ENABLE  0u
#define PVIRTQ_EVENT_DISABLE 1u
#define PVIRTQ_EVENT_DESC    2u

_Static_assert(sizeof(struct virtq_desc) == 16, "2.7");
_Static_assert(offsetof(struct virtq_avail, ring) == 4, "2.7.6");
_Static_assert(offsetof(struct virtq_used, ring) == 4, "2.7.8");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "2.7.8");
_Static_assert(sizeof(struct pvirtq_desc) == 16, "2.8.13");
_Static_assert(sizeof(struct pvirtq_event_suppress) == 4, "2.8.14");

#endif
