/* SPDX-License-Identifier: MIT */
/*
 * The raw driver of rawdrv.h.  Register offsets are those of VirtIO 1.4,
 * 4.2.2 (MMIO) and 4.1.4.3 (PCI).
 */
#include "rawdrv.h"

#include <stdlib.h>
#include <string.h>

/* ---- Registers ------------------------------------------------------ */

static uint32_t rd(struct fake *f, uint8_t *p, uint32_t width)
{
    return f->hal.reg_read(f->hal.ctx, VDRV_SPACE_MEMORY, (uintptr_t)p, width);
}

static void wr(struct fake *f, uint8_t *p, uint32_t width, uint32_t value)
{
    f->hal.reg_write(f->hal.ctx, VDRV_SPACE_MEMORY, (uintptr_t)p, width, value);
}

uint32_t raw_rd(struct raw *r, uint32_t off, uint32_t width)
{
    return rd(r->f, r->regs + off, width);
}

void raw_wr(struct raw *r, uint32_t off, uint32_t width, uint32_t value)
{
    wr(r->f, r->regs + off, width, value);
}

static uint8_t *map(struct fake *f, uint64_t phys, uint64_t len)
{
    return f->hal.mmio_map(f->hal.ctx, phys, len);
}

void raw_mmio(struct raw *r, struct fake *f, uint64_t phys)
{
    memset(r, 0, sizeof(*r));
    r->f = f;
    r->regs = map(f, phys, 0x200);
    r->config = r->regs + 0x100;
}

void raw_pci(struct raw *r, struct fake *f, uint64_t common, uint64_t notify,
             uint64_t config, uint32_t notify_mul)
{
    memset(r, 0, sizeof(*r));
    r->f = f;
    r->pci = true;
    r->regs = map(f, common, 0x2000); /* with the ISR behind it */
    r->notify = map(f, notify, 0x100);
    r->config = map(f, config, 0x100);
    r->notify_mul = notify_mul;
}

uint32_t raw_get_status(struct raw *r)
{
    return r->pci ? raw_rd(r, 0x14, 1) : raw_rd(r, 0x70, 4);
}

void raw_status(struct raw *r, uint32_t status)
{
    if (r->pci)
        raw_wr(r, 0x14, 1, status);
    else
        raw_wr(r, 0x70, 4, status);
}

bool raw_reset(struct raw *r)
{
    raw_status(r, 0);
    for (int i = 0; i < 1000; i++)
        if (raw_get_status(r) == 0)
            return true;
    return false;
}

bool raw_begin(struct raw *r, uint64_t features)
{
    if (!raw_reset(r))
        return false;
    raw_status(r, 1);
    raw_status(r, 3);
    for (uint32_t i = 0; i < 2; i++) {
        raw_wr(r, r->pci ? 0x08 : 0x24, 4, i);
        raw_wr(r, r->pci ? 0x0C : 0x20, 4, (uint32_t)(features >> (32 * i)));
    }
    raw_status(r, 0xB);
    return raw_get_status(r) == 0xB;
}

void raw_kick(struct raw *r, uint16_t queue)
{
    if (r->pci)
        wr(r->f, r->notify + queue * r->notify_mul, 2, queue);
    else
        raw_wr(r, 0x50, 4, queue);
}

uint32_t raw_config(struct raw *r, uint32_t off, uint32_t width)
{
    return rd(r->f, r->config + off, width);
}

/* ---- Memory --------------------------------------------------------- */

void *raw_alloc(struct fake *f, uint32_t len, uint64_t *dma)
{
    void *p = f->hal.dma_alloc(f->hal.ctx, len, 4096, UINT64_MAX, 0, dma);

    if (!p)
        abort();
    memset(p, 0, len);
    return p;
}

void raw_free(struct fake *f, void *p, uint64_t dma, uint32_t len)
{
    f->hal.dma_free(f->hal.ctx, p, dma, len, 0);
}

/* ---- The ring ------------------------------------------------------- */

static void pair(struct raw *r, uint32_t off, uint64_t v)
{
    raw_wr(r, off, 4, (uint32_t)v);
    raw_wr(r, off + 4, 4, (uint32_t)(v >> 32));
}

static void tell_mmio(struct rawq *q, uint64_t avail, uint64_t used)
{
    raw_wr(q->r, 0x30, 4, q->index);
    raw_wr(q->r, 0x38, 4, q->size);
    pair(q->r, 0x80, q->dma);
    pair(q->r, 0x90, avail);
    pair(q->r, 0xA0, used);
    raw_wr(q->r, 0x44, 4, 1);
}

static void tell_pci(struct rawq *q, uint64_t avail, uint64_t used)
{
    raw_wr(q->r, 0x16, 2, q->index);
    raw_wr(q->r, 0x18, 2, q->size);
    pair(q->r, 0x20, q->dma);
    pair(q->r, 0x28, avail);
    pair(q->r, 0x30, used);
    raw_wr(q->r, 0x1C, 2, 1);
}

void rawq_init(struct rawq *q, struct raw *r, uint16_t index, uint16_t size)
{
    uint32_t used = (uint32_t)(16 * size + 6 + 2 * size + 3) & ~3u;

    memset(q, 0, sizeof(*q));
    q->r = r;
    q->index = index;
    q->size = size;
    q->bytes = used + 6 + 8u * size;
    q->mem = raw_alloc(r->f, q->bytes, &q->dma);
    q->desc = q->mem;
    q->avail = q->mem + 16 * size;
    q->used = q->mem + used;
    if (r->pci)
        tell_pci(q, q->dma + 16u * size, q->dma + used);
    else
        tell_mmio(q, q->dma + 16u * size, q->dma + used);
}

void rawq_fini(struct rawq *q)
{
    raw_free(q->r->f, q->mem, q->dma, q->bytes);
}

void rawq_desc(struct rawq *q, uint16_t i, uint64_t addr, uint32_t len,
               uint16_t flags, uint16_t next)
{
    uint8_t *d = q->desc + 16 * i;

    fake_put64(d, addr);
    fake_put32(d + 8, len);
    fake_put16(d + 12, flags);
    fake_put16(d + 14, next);
}

void rawq_publish(struct rawq *q, uint16_t head)
{
    fake_put16(q->avail + 4 + 2 * (q->idx % q->size), head);
    fake_put16(q->avail + 2, ++q->idx);
}

/* Descriptors are used in ring order: fine while completions come in order. */
uint16_t rawq_add(struct rawq *q, const struct rawseg *seg, unsigned n)
{
    uint16_t head = q->free;

    for (unsigned i = 0; i < n; i++) {
        uint16_t at = q->free;
        uint16_t flags = (uint16_t)(seg[i].write ? 2 : 0);

        q->free = (uint16_t)((q->free + 1) % q->size);
        if (i + 1 < n)
            flags |= 1;
        rawq_desc(q, at, seg[i].dma, seg[i].len, flags, q->free);
    }
    rawq_publish(q, head);
    return head;
}

bool rawq_get(struct rawq *q, uint32_t *id, uint32_t *len)
{
    const uint8_t *e = q->used + 4 + 8 * (q->seen % q->size);

    if (fake_get16(q->used + 2) == q->seen)
        return false;
    *id = fake_get32(e);
    *len = fake_get32(e + 4);
    q->seen++;
    return true;
}

bool rawq_wait(struct rawq *q, uint32_t *id, uint32_t *len)
{
    raw_kick(q->r, q->index);
    for (int i = 0; i < 100; i++) {
        if (rawq_get(q, id, len))
            return true;
        fake_step(q->r->f);
    }
    return false;
}
