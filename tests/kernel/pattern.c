/* SPDX-License-Identifier: MIT */
/*
 * The demo disk's test pattern (xorshift32 words, little-endian) and CRC-32,
 * four bits at a time with a table of 16 words.
 */
#include "pattern.h"

void pattern_fill(uint32_t seed, uint64_t sector, uint8_t out[PATTERN_SECTOR])
{
    uint32_t x = seed ^ (uint32_t)sector * 0x9e3779b1u ^
                 (uint32_t)(sector >> 32) * 0x85ebca77u;
    size_t i;

    if (x == 0)
        x = 1; /* the one state that xorshift never leaves */
    for (i = 0; i < PATTERN_SECTOR; i += 4) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        out[i] = (uint8_t)x;
        out[i + 1] = (uint8_t)(x >> 8);
        out[i + 2] = (uint8_t)(x >> 16);
        out[i + 3] = (uint8_t)(x >> 24);
    }
}

uint32_t pattern_crc32(uint32_t crc, const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    size_t i;

    crc = ~crc;
    for (i = 0; i < len; i++) {
        crc ^= data[i];
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}
