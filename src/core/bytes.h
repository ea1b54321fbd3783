/* SPDX-License-Identifier: MIT */
/*
 * Byte order.  Wire fields are little-endian types of their own, which the
 * compiler does not let anybody mix with integers (VirtIO 1.4, 1.4).
 */
#ifndef VDRV_CORE_BYTES_H
#define VDRV_CORE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

struct le16 {
    uint16_t raw;
};
struct le32 {
    uint32_t raw;
};
struct le64 {
    uint64_t raw;
};

/*
 * A file that is compiled a second time for the legacy interface, which has
 * the CPU's own order (2.7.3, 2.5.3), says VDRV__NATIVE_ORDER first.
 */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || defined(VDRV__NATIVE_ORDER)
#define VDRV__SWAP16(v) (v)
#define VDRV__SWAP32(v) (v)
#define VDRV__SWAP64(v) (v)
#else
#define VDRV__SWAP16(v) __builtin_bswap16(v)
#define VDRV__SWAP32(v) __builtin_bswap32(v)
#define VDRV__SWAP64(v) __builtin_bswap64(v)
#endif

static inline struct le16 le16(uint16_t v)
{
    return (struct le16){VDRV__SWAP16(v)};
}

static inline struct le32 le32(uint32_t v)
{
    return (struct le32){VDRV__SWAP32(v)};
}

static inline struct le64 le64(uint64_t v)
{
    return (struct le64){VDRV__SWAP64(v)};
}

static inline uint16_t from_le16(struct le16 v)
{
    return VDRV__SWAP16(v.raw);
}

static inline uint32_t from_le32(struct le32 v)
{
    return VDRV__SWAP32(v.raw);
}

static inline uint64_t from_le64(struct le64 v)
{
    return VDRV__SWAP64(v.raw);
}

/*
 * Fields that are little-endian, or in the CPU's order on a legacy device: the
 * same thing on most CPUs, where `legacy` is not looked at.
 */
static inline struct le16 vdrv__wire16(bool legacy, uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (legacy)
        return (struct le16){v};
#endif
    (void)legacy;
    return le16(v);
}

static inline struct le32 vdrv__wire32(bool legacy, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (legacy)
        return (struct le32){v};
#endif
    (void)legacy;
    return le32(v);
}

static inline struct le64 vdrv__wire64(bool legacy, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (legacy)
        return (struct le64){v};
#endif
    (void)legacy;
    return le64(v);
}

/* What was read as little-endian, `width` bytes, in the CPU's order. */
static inline uint32_t vdrv__renative(uint32_t v, uint32_t width)
{
    if (width == 4)
        return VDRV__SWAP32(v);
    return width == 2 ? VDRV__SWAP16((uint16_t)v) : v;
}

/* Little-endian fields at any alignment, as in configuration images. */
static inline uint16_t vdrv__get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t vdrv__get32(const uint8_t *p)
{
    return (uint32_t)vdrv__get16(p) | (uint32_t)vdrv__get16(p + 2) << 16;
}

static inline uint64_t vdrv__get64(const uint8_t *p)
{
    return (uint64_t)vdrv__get32(p) | (uint64_t)vdrv__get32(p + 4) << 32;
}

#endif
