/* SPDX-License-Identifier: MIT */
/*
 * The zones of a fake disk, for fake_blk.c alone: the state machine of VirtIO
 * 1.4, 5.2.6.  Sectors everywhere; functions return the status byte.
 */
#ifndef FAKE_ZONES_H
#define FAKE_ZONES_H

#include "fake_blk.h"

/* Fills in the configuration, and makes the zones, all empty. */
void fake_zones_init(struct fake_blk *b);
/* The driver's features are complete: is that a set for this disk? */
bool fake_zones_negotiated(struct fake_blk *b);
/* A write of `n` sectors: may it be, and the write pointer moves. */
uint32_t fake_zones_write(struct fake_blk *b, uint64_t sector, uint64_t n);
/* The same at the pointer of a zone; `*at` says where. */
uint32_t fake_zones_append(struct fake_blk *b, uint64_t sector, uint64_t n,
                           uint64_t *at);
/* May these sectors be read?  Not across zones, nor from one offline. */
uint32_t fake_zones_read(struct fake_blk *b, uint64_t sector, uint64_t n);
/* OPEN to RESET_ALL. */
uint32_t fake_zones_manage(struct fake_blk *b, uint32_t type, uint64_t sector);
/* A report of at most `len` bytes, from `sector` on, put into the chain. */
uint32_t fake_zones_report(struct fake_blk *b, struct fake_chain *c,
                           uint64_t sector, uint64_t len);
/* BLK-46: whole zones are erased. */
void fake_zones_check_erase(struct fake_blk *b, uint64_t sector, uint32_t n);

#endif
