/* SPDX-License-Identifier: MIT */
/*
 * A tiny driver for the tests of the fake itself: raw registers, one split
 * ring, descriptors written by hand.  It shares no code with the library and
 * is wrong whenever a test wants it to be.
 */
#ifndef RAWDRV_H
#define RAWDRV_H

#include "fake.h"

/* A way to reach a device; the two transports fill it in. */
struct raw {
    struct fake *f;
    uint8_t *regs; /* MMIO slot, or PCI common configuration */
    uint8_t *notify;
    uint8_t *config;
    uint32_t notify_mul;
    bool pci;
};

struct rawq {
    struct raw *r;
    uint16_t index, size;
    uint8_t *mem, *desc, *avail, *used;
    uint64_t dma;
    uint32_t bytes;
    uint16_t free, idx, seen; /* next descriptor, avail index, used index */
};

/* One element for rawq_add(). */
struct rawseg {
    uint64_t dma;
    uint32_t len;
    bool write;
};

uint32_t raw_rd(struct raw *r, uint32_t off, uint32_t width);
void raw_wr(struct raw *r, uint32_t off, uint32_t width, uint32_t value);

void raw_mmio(struct raw *r, struct fake *f, uint64_t phys);
/* Modern PCI: physical addresses of the structures. */
void raw_pci(struct raw *r, struct fake *f, uint64_t common, uint64_t notify,
             uint64_t config, uint32_t notify_mul);

/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK; false when refused. */
bool raw_begin(struct raw *r, uint64_t features);
void raw_status(struct raw *r, uint32_t status);
uint32_t raw_get_status(struct raw *r);
/* Reset until it reads 0, at most 1000 times. */
bool raw_reset(struct raw *r);
void raw_kick(struct raw *r, uint16_t queue);
/* Device configuration. */
uint32_t raw_config(struct raw *r, uint32_t off, uint32_t width);

void rawq_init(struct rawq *q, struct raw *r, uint16_t index, uint16_t size);
void rawq_fini(struct rawq *q);
/* Makes a chain available (without a kick); returns its head. */
uint16_t rawq_add(struct rawq *q, const struct rawseg *seg, unsigned n);
/* One descriptor, by hand. */
void rawq_desc(struct rawq *q, uint16_t i, uint64_t addr, uint32_t len,
               uint16_t flags, uint16_t next);
/* Makes a head available. */
void rawq_publish(struct rawq *q, uint16_t head);
/* The next used element; false when there is none. */
bool rawq_get(struct rawq *q, uint32_t *id, uint32_t *len);

/* Kicks and steps until a used element comes; false after 100 steps. */
bool rawq_wait(struct rawq *q, uint32_t *id, uint32_t *len);

/* DMA memory with a pointer. */
void *raw_alloc(struct fake *f, uint32_t len, uint64_t *dma);
void raw_free(struct fake *f, void *p, uint64_t dma, uint32_t len);

#endif
