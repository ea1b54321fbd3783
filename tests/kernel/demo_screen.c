/* SPDX-License-Identifier: MIT */
/*
 * The demo's screen: a picture that picture.py can say every pixel of, flushed
 * as a whole once, and then only where it lives.  demo.py gives seed and text
 * and compares screendumps.
 */
#include "demo.h"
#include "picture.h"

#include <virtio_drv/virtio_gpu.h>

#define QUEUE    64u
#define TEXT_MAX 400u
#define SPOILT   24u /* pixels, in the upper left corner */

static struct screen {
    struct vdrv_virtio_gpu gpu;
    struct demo_device *at; /* NULL: there is none */
    struct picture pic;
    uint32_t *fb;
    uint32_t frames; /* after the first, and what they cost */
    uint64_t bytes, us;
    char text[TEXT_MAX];
    uint64_t work[VDRV_VIRTIO_GPU_WORK_SIZE(1, QUEUE) / 8 + 1];
} screen;

int demo_screen_attach(struct demo *d, struct demo_device *dev)
{
    struct screen *s = &screen;
    struct vdrv_virtio_gpu_config cfg = {0};
    int err;

    if (s->at)
        return VDRV_ERR_NO_MEMORY;
    cfg.work = s->work;
    cfg.work_size = sizeof(s->work);
    cfg.queue_size = QUEUE;
    cfg.vectors = dev->nvectors;
    cfg.packed = d->packed;
    err = vdrv_virtio_gpu_init(&s->gpu, dev->transport, &cfg);
    if (err != VDRV_OK)
        return err;
    s->at = dev;
    dev->dev = &s->gpu.display.dev;
    return VDRV_OK;
}

/* The text behind "text=", where ~ is a blank and | ends a line. */
static void read_text(const char *args, char *out, size_t cap)
{
    const char *s = karg(args, "text");
    size_t n = 0;

    s = s ? s : "libvirtio_drv";
    for (; *s && *s != ' ' && n + 1 < cap; s++)
        out[n++] = (char)(*s == '~' ? ' ' : *s == '|' ? '\n' : *s);
    out[n] = '\0';
}

static int set_up(struct demo *d, struct screen *s)
{
    struct vdrv_display_mode_info info;
    struct picture *pic = &s->pic;
    int err = vdrv_display_info(&s->gpu.display, 0, &info);

    if (err != VDRV_OK)
        return err;
    if (info.layout.bytes != 4 || info.x != 0 || info.y != 0)
        return VDRV_ERR_UNSUPPORTED;
    read_text(d->p->args, s->text, sizeof(s->text));
    pic->width = info.width;
    pic->height = info.height;
    pic->pitch = info.pitch;
    pic->red = info.layout.red_shift;
    pic->green = info.layout.green_shift;
    pic->blue = info.layout.blue_shift;
    pic->seed = karg_number(d->p->args, "picture_seed", 1);
    pic->text = s->text;
    s->fb = info.fb_base;
    return VDRV_OK;
}

static void say(const struct demo *d, const char *what, uint64_t start)
{
    const struct picture *pic = &screen.pic;

    kprintf("%s: %ux%u seed %u tick %u, %lu us\n", what, pic->width,
            pic->height, pic->seed, pic->tick,
            (unsigned long)(d->p->now_us() - start));
}

void demo_screen_run(struct demo *d)
{
    struct screen *s = &screen;
    uint64_t start = d->p->now_us();
    int err;

    if (!s->at) {
        if (karg_number(d->p->args, "screen", 1))
            demo_skip(d, "screen", "no display was found");
        return;
    }
    err = set_up(d, s);
    if (err == VDRV_OK) {
        picture_draw(&s->pic, s->fb);
        say(d, "screen-painted", start);
        start = d->p->now_us();
        err = vdrv_display_flush(&s->gpu.display, 0);
    }
    if (err != VDRV_OK)
        demo_fail(d, "screen-flushed", vdrv_strerror(err));
    else
        say(d, "screen-flushed", start);
}

/* Turns every bit of some pixels over; twice puts them back. */
static void spoil_corner(struct screen *s)
{
    for (uint32_t y = 0; y < SPOILT && y < s->pic.height; y++)
        for (uint32_t x = 0; x < SPOILT && x < s->pic.width; x++)
            s->fb[(size_t)y * (s->pic.pitch / 4) + x] ^= UINT32_MAX;
}

/* Paints what lives, and shows it in one go. */
static int advance(struct screen *s)
{
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_FLUSH};
    struct picture_box box[2];
    struct vdrv_rect rect[2];

    s->pic.tick++;
    picture_live(&s->pic, box);
    for (uint32_t i = 0; i < 2; i++) {
        const struct picture_box *b = &box[i];

        if (b->width == 0 || b->height == 0)
            continue;
        picture_rect(&s->pic, s->fb, b);
        rect[req.nrects++] = vdrv_rect_make(b->x, b->y, b->width, b->height);
        s->bytes += (uint64_t)b->width * b->height * 4;
    }
    if (req.nrects == 0)
        return VDRV_OK;
    req.rects = rect;
    return vdrv_display_execute(&s->gpu.display, &req);
}

void demo_screen_tick(struct demo *d, bool spoil, bool quiet)
{
    struct screen *s = &screen;
    uint64_t start = d->p->now_us();
    int err;

    if (!s->at || !s->fb)
        return;
    if (spoil)
        spoil_corner(s);
    err = advance(s);
    s->frames++;
    s->us += d->p->now_us() - start;
    if (spoil)
        spoil_corner(s);
    if (err != VDRV_OK)
        demo_fail(d, "screen-tick", vdrv_strerror(err));
    else if (!quiet)
        say(d, spoil ? "screen-spoilt" : "screen-tick", start);
}

/* Frames that were painted and shown, by the time that took. */
static void say_rate(const struct screen *s)
{
    const uint64_t us = s->us ? s->us : 1;

    kprintf("screen-rate: %u frames in %lu us, %lu per second; %lu bytes moved "
            "of %lu\n",
            s->frames, (unsigned long)us,
            (unsigned long)(s->frames * UINT64_C(1000000) / us),
            (unsigned long)s->bytes,
            (unsigned long)((uint64_t)s->frames * s->pic.width * s->pic.height *
                            4));
}

void demo_screen_fini(struct demo *d)
{
    int err;

    if (!screen.at)
        return;
    say_rate(&screen);
    err = vdrv_virtio_gpu_fini(&screen.gpu);
    if (err != VDRV_OK)
        demo_fail(d, "screen-end", vdrv_strerror(err));
    screen.at = NULL;
}
