/* SPDX-License-Identifier: MIT */
/* The GPU driver against a device whose behaviour is the input. */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/virtio_gpu.h>

#define REQS   4u
#define FBS    2u
#define WIDTH  32u
#define HEIGHT 24u
#define BYTES  (WIDTH * HEIGHT * 4u)

static struct vdrv_virtio_gpu gpu;
static struct vdrv_display_request reqs[REQS];
static bool out[REQS];
static struct vdrv_fb fbs[FBS];
static uint8_t *pixels[FBS];
static void *fb_work[FBS], *work, *image;

static const uint8_t config[20] = {[8] = 2}; /* two heads */

static void put32(uint8_t *p, uint32_t v)
{
    for (uint32_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* A base block of 128 bytes that names a monitor and one timing. */
static void make_edid(uint8_t e[128])
{
    static const uint8_t start[] = {
        0, 255, 255, 255, 255, 255, 255, 0, 0x49, 0x14, 0x34, 0x12,
        1, 0,   0,   0,   1,   30,  1,   4, 0x80, 40,   30,   0x78};
    static const uint8_t timing[18] = {0x6c, 0x0c, 0x20, 0x40, 0x31, 0x18,
                                       0x1e, 0x10, 0x18, 0x48, 0x13, 0,
                                       0x90, 0x2c, 0x11, 0,    0,    0x1e};
    uint8_t sum = 0;

    memset(e, 0, 128);
    memcpy(e, start, sizeof(start));
    memcpy(e + 54, timing, sizeof(timing));
    for (uint32_t i = 0; i < 127; i++)
        sum = (uint8_t)(sum + e[i]);
    e[127] = (uint8_t)-sum;
}

/* 5.7.6.7: the command's fence comes back in the answer. */
static uint32_t answer(struct fuzz_machine *m, uint32_t queue,
                       struct fuzz_chain *c)
{
    uint8_t cmd[24], buf[1056];
    uint32_t type, len = 24;

    (void)m;
    (void)queue;
    fuzz_get(c, 0, cmd, sizeof(cmd));
    memset(buf, 0, sizeof(buf));
    memcpy(buf, cmd, sizeof(cmd));
    type = cmd[0] | (uint32_t)cmd[1] << 8;
    put32(buf, 0x1100);
    if (type == 0x100) { /* GET_DISPLAY_INFO */
        put32(buf, 0x1101);
        put32(buf + 24 + 8, WIDTH);
        put32(buf + 24 + 12, HEIGHT);
        put32(buf + 24 + 16, 1);
        len = 408;
    } else if (type == 0x10a) { /* GET_EDID */
        put32(buf, 0x1104);
        put32(buf + 24, 128);
        make_edid(buf + 32);
        len = 1056;
    }
    if (c->in == 0)
        return 0;
    fuzz_put(c, 0, buf, len < c->in ? len : c->in);
    return len < c->in ? len : c->in;
}

static void done(struct vdrv_display_request *req)
{
    const uint32_t i = (uint32_t)(req - reqs);

    FUZZ_CHECK(i < REQS && out[i] && req->status <= 0);
    out[i] = false;
}

static int init(struct fuzz_machine *m, struct vdrv_transport *t)
{
    const uint8_t how = fuzz_u8(&m->in);
    struct vdrv_virtio_gpu_config cfg = {
        .queue_size = 8u << (how & 1u),
        .heads = 1u + (how >> 1 & 1u),
        .width = WIDTH,
        .height = HEIGHT,
        .max_width = (how & 4u) == 0 ? 48 : 0,
        .max_height = (how & 4u) == 0 ? 32 : 0,
        .max_runs = 4,
        .timeout_us = 400000,
        .fixed_mode = how >> 3 & 1u,
        .no_framebuffer = how >> 4 & 1u,
        .cursor = how >> 5 & 1u,
        .no_edid = how >> 6 & 1u,
        .no_indirect = how >> 7 & 1u,
    };

    memset(out, 0, sizeof(out));
    memset(fbs, 0, sizeof(fbs));
    for (uint32_t i = 0; i < FBS; i++) {
        pixels[i] = malloc(BYTES);
        memset(pixels[i], 1, BYTES);
        fb_work[i] = malloc(VDRV_FB_WORK_SIZE(4));
    }
    image = malloc(64u * 64u * 4u);
    memset(image, 2, 64u * 64u * 4u);
    cfg.work_size = vdrv_virtio_gpu_work_size(t, &cfg);
    work = malloc(cfg.work_size + 1);
    cfg.work = work;
    return vdrv_virtio_gpu_init(&gpu, t, &cfg);
}

/* A framebuffer of the caller's, once nobody has it. */
static struct vdrv_fb *own_fb(uint32_t i)
{
    struct vdrv_fb *fb = &fbs[i % FBS];

    if (fb->state == VDRV_FB_DETACHED && fb->id == 0) {
        memset(fb, 0, sizeof(*fb));
        fb->width = WIDTH;
        fb->height = HEIGHT;
        fb->pitch = WIDTH * 4;
        fb->base = pixels[i % FBS];
        fb->work = fb_work[i % FBS];
        fb->work_size = VDRV_FB_WORK_SIZE(4);
    }
    return fb;
}

static bool any_out(void)
{
    for (uint32_t i = 0; i < REQS; i++) {
        if (out[i])
            return true;
    }
    return false;
}

static void submit(struct fuzz_machine *m)
{
    const uint32_t i = fuzz_pick(&m->in, REQS), shape = fuzz_u8(&m->in);
    struct vdrv_rect rects[3];
    struct vdrv_display_request *r = &reqs[i];

    if (out[i])
        return;
    memset(r, 0, sizeof(*r));
    r->op = shape & 7u;
    r->head = shape >> 3 & 1u;
    r->fb = (shape & 16u) != 0 ? own_fb(shape >> 5 & 1u) : NULL;
    if (r->fb == NULL &&
        (r->op == VDRV_DISPLAY_ATTACH || r->op == VDRV_DISPLAY_DETACH))
        r->fb = own_fb(0);
    for (uint32_t k = 0; k < 3; k++)
        rects[k] =
            vdrv_rect_make(k, k, fuzz_pick(&m->in, 34), fuzz_pick(&m->in, 25));
    r->rects = rects;
    r->nrects = shape >> 6;
    r->x = fuzz_u8(&m->in) >> 4;
    r->done = done;
    out[i] = true;
    if (vdrv_display_submit(&gpu.display, r) != VDRV_OK)
        out[i] = false;
}

static void set_mode(struct fuzz_machine *m)
{
    const uint32_t how = fuzz_u8(&m->in);

    if (any_out())
        return;
    (void)vdrv_display_set_mode(&gpu.display, how & 1u, how >> 2 & 63u,
                                how >> 3 & 31u,
                                (how & 2u) != 0 ? own_fb(how >> 2) : NULL);
}

static void look(struct fuzz_machine *m)
{
    const uint32_t head = fuzz_pick(&m->in, 3), size = fuzz_u16(&m->in) % 1200;
    struct vdrv_display_mode_info info;
    struct vdrv_display_head seen;
    struct vdrv_display_mode mode;
    uint8_t *raw = malloc(size + 1);

    (void)vdrv_display_info(&gpu.display, head, &info);
    (void)vdrv_display_get_edid(&gpu.display, head, raw, size);
    if (vdrv_display_get_head(&gpu.display, head, &seen) == VDRV_OK) {
        FUZZ_CHECK(seen.edid_size <= VDRV_EDID_SIZE_MAX);
        for (uint32_t i = 0; i < seen.modes; i++)
            FUZZ_CHECK(vdrv_display_get_mode(&gpu.display, head, i, &mode) ==
                       VDRV_OK);
    }
    free(raw);
}

static void op_gpu(struct fuzz_machine *m, uint32_t op)
{
    struct vdrv_display *d = &gpu.display;
    const struct vdrv_rect rect = {1, 1, 8, 8};
    struct vdrv_fb *fb;

    switch (op % 10) {
    case 0:
    case 1:
        submit(m);
        break;
    case 2:
        (void)vdrv_display_kick(d, fuzz_pick(&m->in, 2));
        break;
    case 3:
        (void)vdrv_display_flush(d, fuzz_pick(&m->in, 2));
        break;
    case 4:
        (void)vdrv_display_flush_rect(d, 0, &rect);
        break;
    case 5:
        set_mode(m);
        break;
    case 6:
        (void)vdrv_display_set_cursor(d, fuzz_pick(&m->in, 2), image, 3, 3);
        break;
    case 7:
        (void)vdrv_display_move_cursor(d, 0, fuzz_u8(&m->in), 1);
        break;
    case 8:
        look(m);
        break;
    default:
        fb = own_fb(fuzz_u8(&m->in));
        if (fb->id == 0 && !any_out())
            (void)vdrv_display_attach(d, fb);
        else if (!any_out())
            (void)vdrv_display_detach(d, fb);
        break;
    }
}

static void prove(struct fuzz_machine *m)
{
    struct vdrv_fb *fb = vdrv_display_fb(&gpu.display, 0);

    (void)m;
    if (fb != NULL)
        FUZZ_CHECK(vdrv_display_flush(&gpu.display, 0) == VDRV_OK);
    fb = own_fb(0);
    FUZZ_CHECK(fb->id == 0); /* the reset took it back */
    if (vdrv_display_attach(&gpu.display, fb) == VDRV_OK)
        FUZZ_CHECK(vdrv_display_detach(&gpu.display, fb) == VDRV_OK);
    else
        FUZZ_CHECK(!m->direct); /* the runs may be too many */
}

static int fini(struct fuzz_machine *m)
{
    (void)m;
    return vdrv_virtio_gpu_fini(&gpu);
}

static void all_done(struct fuzz_machine *m)
{
    (void)m;
    FUZZ_CHECK(!any_out());
    for (uint32_t i = 0; i < FBS; i++) {
        FUZZ_CHECK(fbs[i].state == VDRV_FB_DETACHED && fbs[i].backed == 0);
        free(pixels[i]);
        free(fb_work[i]);
    }
    free(image);
    free(work);
}

const struct fuzz_driver fuzz_gpu = {
    .type = VDRV_VIRTIO_GPU_ID,
    .offered = FUZZ_RING_BITS | 2u, /* EDID */
    .config = config,
    .config_size = sizeof(config),
    .answer = answer,
    .dev = &gpu.display.dev,
    .init = init,
    .op = op_gpu,
    .prove = prove,
    .fini = fini,
    .done = all_done,
};

void fuzz_run_gpu(const uint8_t *data, size_t size)
{
    fuzz_drive(&fuzz_gpu, data, size);
}

/* For the parser: with a good block, and with an extension. */
void fuzz_seed_edid(fuzz_emit *emit, void *ctx)
{
    uint8_t data[257];

    memset(data, 0, sizeof(data));
    data[0] = 1;
    make_edid(data + 1);
    emit(ctx, data, 129);
    data[1 + 126] = 1;
    data[129] = 2; /* CTA-861 */
    data[130] = 3;
    data[131] = 4;
    memcpy(data + 133, data + 55, 18);
    emit(ctx, data, sizeof(data));
    /* Data blocks of 32, 32, 32 and 26 bytes, and one of more than is left. */
    data[131] = 127;
    for (uint32_t at = 4; at < 100; at += 32)
        data[129 + at] = 31;
    data[129 + 100] = 25;
    data[129 + 126] = 2u << 5 | 31u;
    emit(ctx, data, sizeof(data));
}
