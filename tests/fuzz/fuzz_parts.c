/* SPDX-License-Identifier: MIT */
/*
 * The parts by themselves: the split ring, both probes, the snapshot of the
 * configuration, the EDID parser, and the demo's network host.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/display.h>
#include <virtio_drv/queue.h>

#include "responder.h"

#define COOKIES 64u
#define BYTES   64u

static struct fuzz_machine machine;
static const uint8_t no_config[1];

/* ---- The split ring ------------------------------------------------------ */

struct cookie {
    uint32_t posted;
    bool out;
};

static struct vdrv_queue queue;
static struct cookie cookies[COOKIES];
static uint8_t *memory;

/* Comes back once, with no more than was posted. */
static void back(struct cookie *c, uint32_t len)
{
    FUZZ_CHECK(c >= cookies && c < cookies + COOKIES && c->out);
    FUZZ_CHECK(len <= c->posted);
    FUZZ_CHECK(!fuzz_owned(&machine, memory + BYTES * (c - cookies), BYTES));
    c->out = false;
}

static void ring_add(struct fuzz_machine *m)
{
    const uint32_t i = fuzz_pick(&m->in, COOKIES), shape = fuzz_u8(&m->in);
    const uint32_t nout = shape & 3u, nin = shape >> 2 & 3u;
    const uint32_t len = 1 + (shape >> 4) % (BYTES / 6);
    struct vdrv_seg seg[6];

    if (cookies[i].out)
        return;
    for (uint32_t k = 0; k < 6; k++)
        seg[k] = vdrv_seg_in(memory + BYTES * i + len * k, len);
    if (vdrv_queue_add(&queue, seg, nout, nin, &cookies[i]) != VDRV_OK)
        return;
    cookies[i].out = true;
    cookies[i].posted = nin * len;
}

static void ring_reap(struct fuzz_machine *m)
{
    struct vdrv_used used[8];
    const int n = vdrv_queue_reap(&queue, used, 1 + fuzz_pick(&m->in, 8));

    FUZZ_CHECK(n <= 8);
    for (int i = 0; i < n; i++)
        back(used[i].cookie, used[i].len);
}

static void ring_ops(struct fuzz_machine *m)
{
    uint32_t out = 0;

    for (uint32_t n = 0; n < 200 && m->in.left > 0; n++) {
        fuzz_enter(m);
        switch (fuzz_pick(&m->in, 6)) {
        case 0:
            ring_add(m);
            break;
        case 1:
            FUZZ_CHECK(vdrv_queue_kick(&queue) <= 1);
            break;
        case 2:
            ring_reap(m);
            break;
        case 3:
            (void)vdrv_queue_arm(&queue, fuzz_pick(&m->in, 3));
            break;
        default:
            fuzz_step(m);
            break;
        }
        (void)vdrv_queue_pending(&queue);
    }
    for (uint32_t i = 0; i < COOKIES; i++)
        out += cookies[i].out;
    FUZZ_CHECK(queue.error != VDRV_OK || vdrv_queue_outstanding(&queue) == out);
}

static uint32_t write_all(struct fuzz_machine *m, uint32_t q,
                          struct fuzz_chain *c)
{
    (void)m;
    (void)q;
    fuzz_fill(c, 0, 0x77, c->in);
    return c->in;
}

/* Begins, runs `body` on queue 0, resets, and ends. */
static void with_queue(struct fuzz_machine *m, struct vdrv_transport *t,
                       void (*body)(struct fuzz_machine *m))
{
    const uint64_t wanted[2] = {FUZZ_RING_BITS, 0};
    const uint64_t required[2] = {FUZZ_BIT(32), 0};
    struct vdrv_queue_config cfg = {.size = 1u << fuzz_pick(&m->in, 6),
                                    .indirect = fuzz_pick(&m->in, 5),
                                    .vector = VDRV_NO_VECTOR};
    void *cookie, *work;
    bool made;
    int err;

    if (vdrv_transport_begin(t, wanted, required, NULL, 0) != VDRV_OK)
        return;
    memset(cookies, 0, sizeof(cookies));
    memory = malloc(COOKIES * BYTES);
    cfg.work_size = vdrv_queue_work_size(&m->hal, cfg.size, cfg.indirect);
    work = malloc(cfg.work_size);
    cfg.work = work;
    queue.desc = NULL;
    err = vdrv_queue_init(&queue, t, &cfg);
    made = queue.desc != NULL;
    if (err == VDRV_OK && vdrv_transport_ready(t) == VDRV_OK)
        body(m);
    fuzz_behave(m);
    FUZZ_CHECK(vdrv_transport_reset(t, 0) == VDRV_OK);
    while (made && vdrv_queue_drain(&queue, &cookie))
        back(cookie, 0);
    for (uint32_t i = 0; i < COOKIES; i++)
        FUZZ_CHECK(!cookies[i].out);
    if (made)
        vdrv_queue_fini(&queue);
    vdrv_transport_release(t);
    free(work);
    free(memory);
}

void fuzz_run_ring(const uint8_t *data, size_t size)
{
    struct fuzz_machine *m = &machine;
    struct vdrv_transport *t;

    fuzz_begin(m, data, size, 2, FUZZ_RING_BITS, no_config, 1);
    m->answer = write_all;
    t = fuzz_probe(m);
    if (t != NULL)
        with_queue(m, t, ring_ops);
    fuzz_end(m);
}

/* ---- The configuration ---------------------------------------------------- */

static void snapshot(struct fuzz_machine *m, struct vdrv_transport *t)
{
    struct vdrv_config_field field[4];
    uint8_t *image;
    const uint32_t size = fuzz_u16(&m->in) % 400;
    const uint32_t n = fuzz_pick(&m->in, 5);
    bool read[512] = {false};
    int err;

    image = malloc(size + 1u);
    memset(image, 0xee, size + 1u);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t shift = fuzz_pick(&m->in, 4);

        field[i].width = (uint8_t)(1u << shift);
        field[i].offset =
            (uint16_t)((uint32_t)fuzz_u8(&m->in) >> shift << shift);
        field[i].count = (uint8_t)fuzz_pick(&m->in, 9);
        for (uint32_t k = 0; k < (uint32_t)field[i].width * field[i].count; k++)
            read[(field[i].offset + k) % 512] = true;
    }
    m->flap = fuzz_pick(&m->in, 8) == 7;
    fuzz_enter(m);
    err = vdrv_transport_config(t, field, n, image, size);
    for (uint32_t i = 0; i < size; i++) {
        if (!read[i])
            FUZZ_CHECK(image[i] == 0xee);
        else if (err == VDRV_OK && !m->lied && !m->foreign && i < FUZZ_CONFIG)
            FUZZ_CHECK(image[i] == m->config[i]);
    }
    FUZZ_CHECK(image[size] == 0xee);
    free(image);
}

void fuzz_run_config(const uint8_t *data, size_t size)
{
    struct fuzz_machine *m = &machine;
    struct vdrv_transport *t;

    fuzz_begin(m, data, size, 2, FUZZ_RING_BITS, no_config, 1);
    t = fuzz_probe(m);
    for (uint32_t n = 0; t != NULL && n < 16 && m->in.left > 0; n++)
        snapshot(m, t);
    fuzz_end(m);
}

/* ---- Probes ---------------------------------------------------------------- */

static void look_around(struct fuzz_machine *m)
{
    struct vdrv_transport *t =
        m->is_pci ? &m->pci.transport : &m->mmio.transport;

    (void)t->ops->irq(t, 0);
    (void)vdrv_queue_kick(&queue);
    snapshot(m, t);
}

void fuzz_run_mmio(const uint8_t *data, size_t size)
{
    struct fuzz_machine *m = &machine;
    int err;

    fuzz_begin(m, data, size, 2, FUZZ_RING_BITS, no_config, 1);
    m->is_pci = false;
    fuzz_enter(m);
    err = vdrv_mmio_probe(&m->mmio, &m->hal, FUZZ_MMIO_PHYS,
                          0x100u + fuzz_pick(&m->in, 65) * 4u);
    FUZZ_CHECK(err == VDRV_OK || m->lied);
    if (err == VDRV_OK && m->mmio.transport.device_id == 2)
        with_queue(m, &m->mmio.transport, look_around);
    fuzz_end(m);
}

/* Is what was mapped inside a BAR that decodes?  True only without lies. */
static void check_mapped(const struct fuzz_machine *m)
{
    for (uint32_t i = 0; i < m->nmapped; i++) {
        bool inside = false;

        for (uint32_t b = 0; b < 6; b++) {
            const uint8_t *p = m->cfg + 0x10 + 4 * b;
            const bool wide = (p[0] & 7u) == 4 && b < 5;
            uint64_t addr = 0, mask = m->bar_mask[b] & 0xfffffff0u;

            for (uint32_t k = 0; k < (wide ? 8u : 4u); k++)
                addr |= (uint64_t)p[k] << 8 * k;
            if (wide)
                mask |= m->bar_mask[b + 1] << 32;
            else
                mask |= (uint64_t)UINT32_MAX << 32;
            addr &= ~UINT64_C(15);
            if (m->mapped[i].phys >= addr &&
                m->mapped[i].phys - addr + m->mapped[i].len - 1 <= ~mask)
                inside = true;
        }
        FUZZ_CHECK(inside);
    }
}

/* Changes to the good configuration space: place and byte, then BAR sizes. */
static void change_image(struct fuzz_machine *m)
{
    for (uint32_t n = fuzz_pick(&m->in, 64); n > 0; n--) {
        static const uint8_t caps[] = {0x40, 0x50, 0x64, 0x74, 0x84};
        uint8_t at = fuzz_u8(&m->in), byte = fuzz_u8(&m->in);

        if (at >= 0xc0) { /* a link of the list, to where one is */
            at = caps[at % 5] + 1;
            byte = caps[byte % 5];
        }
        m->foreign |= m->cfg[at] != byte;
        m->cfg[at] = byte;
    }
    for (uint32_t b = fuzz_pick(&m->in, 64), i = 0; i < 6; i++) {
        if ((b >> i & 1u) != 0) {
            m->bar_mask[i] = UINT32_MAX << fuzz_pick(&m->in, 32);
            m->foreign = 1;
        }
    }
}

void fuzz_run_pci(const uint8_t *data, size_t size)
{
    struct fuzz_machine *m = &machine;
    uint8_t command;
    int err;

    fuzz_begin(m, data, size, 2, FUZZ_RING_BITS, no_config, 1);
    m->is_pci = true;
    change_image(m);
    command = m->cfg[4];
    fuzz_enter(m);
    err = vdrv_pci_probe(&m->pci, &m->hal, &m->bus, VDRV_PCI_FN(0, 2, 0));
    FUZZ_CHECK(err == VDRV_OK || m->lied || m->foreign);
    if (err != VDRV_OK)
        FUZZ_CHECK(m->cfg[4] == command || m->lied);
    else if (!m->lied)
        check_mapped(m);
    if (err == VDRV_OK && !m->foreign)
        with_queue(m, &m->pci.transport, look_around);
    else if (err == VDRV_OK)
        snapshot(m, &m->pci.transport);
    fuzz_end(m);
}

/* ---- EDID ------------------------------------------------------------------ */

void fuzz_run_edid(const uint8_t *data, size_t size)
{
    struct vdrv_edid edid;
    uint8_t *copy = malloc(size + 1);
    int err;

    /* The checksums are put right if the first byte says so. */
    memcpy(copy, data, size);
    for (size_t at = 1; size > 0 && (data[0] & 1u) != 0 && at + 128 <= size;
         at += 128) {
        uint8_t sum = 0;

        for (size_t i = 0; i < 127; i++)
            sum = (uint8_t)(sum + copy[at + i]);
        copy[at + 127] = (uint8_t)-sum;
    }
    memmove(copy, copy + (size > 0), size - (size > 0));
    copy = realloc(copy, size > 1 ? size - 1 : 1);
    err = vdrv_edid_parse(copy, size - (size > 0), &edid);
    FUZZ_CHECK(edid.nmodes <= VDRV_EDID_MODES_MAX);
    FUZZ_CHECK(memchr(edid.name, 0, sizeof(edid.name)) != NULL);
    FUZZ_CHECK(edid.manufacturer[3] == 0);
    FUZZ_CHECK(err == VDRV_OK || edid.blocks == 0);
    FUZZ_CHECK(edid.blocks <= size / 128);
    for (uint32_t i = 0; i < edid.nmodes; i++)
        FUZZ_CHECK(edid.modes[i].width != 0 && edid.modes[i].height != 0);
    free(copy);
}

/* ---- The demo's network host ------------------------------------------------- */

static struct responder host;

static void emitted(void *ctx, const uint8_t *frame, size_t len)
{
    uint32_t *sum = ctx;

    FUZZ_CHECK(len >= 14 && len <= RESPONDER_FRAME);
    for (size_t i = 0; i < len; i++)
        *sum += frame[i];
}

static size_t page(void *ctx, char *buf, size_t cap)
{
    (void)ctx;
    memset(buf, 'p', cap < 3000 ? cap : 3000);
    return cap < 3000 ? cap : 3000;
}

/* Frames, each with its length in front; the flags say whose checksums. */
void fuzz_run_responder(const uint8_t *data, size_t size)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    struct fuzz_in in = {data, size};
    uint64_t now = 1;
    uint32_t sum = 0;

    responder_init(&host, mac, 0x0a00020f);
    responder_set_page(&host, page, NULL);
    host.flags = fuzz_u8(&in) & 3u;
    while (in.left > 0) {
        size_t len = fuzz_u16(&in) % 1600;
        uint8_t *frame;

        now += (uint64_t)fuzz_u8(&in) * 20000;
        (void)responder_tick(&host, now, emitted, &sum);
        len = len < in.left ? len : in.left;
        frame = malloc(len + (len == 0));
        memcpy(frame, in.p, len);
        in.p += len;
        in.left -= len;
        (void)responder_input(&host, frame, len, emitted, &sum);
        free(frame);
    }
}
