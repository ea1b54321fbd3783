/* SPDX-License-Identifier: MIT */
/*
 * What the demo writes to a disk, and how it sums up what it reads. proofs.py
 * knows both and checks the disk's image from outside, after the run.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_SECTOR 512

/* Fills one sector: every byte depends on the seed and the sector's number. */
void pattern_fill(uint32_t seed, uint64_t sector, uint8_t out[PATTERN_SECTOR]);

/* Continues a CRC-32 (that of zlib and PNG) over more bytes; starts at 0. */
uint32_t pattern_crc32(uint32_t crc, const uint8_t *data, size_t len);

#endif
