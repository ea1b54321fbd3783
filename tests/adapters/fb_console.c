/* SPDX-License-Identifier: MIT */
/* A text console that may not wait: see fb_console.h. */
#include "fb_console.h"

#include <string.h>

#include "font8x16.h"

#define WIDTH  8u
#define HEIGHT 16u

static struct vdrv_fb *fb_of(const struct fb_console *con)
{
    return vdrv_display_fb(con->dpy, con->head);
}

/* One flush at a time; what it leaves is taken up when it is done. */
static void push(struct fb_console *con)
{
    if (con->busy || vdrv_rect_empty(&con->damage))
        return;
    con->flying = con->damage;
    con->req.rects = &con->flying;
    con->req.nrects = 1;
    if (vdrv_display_submit(con->dpy, &con->req) != VDRV_OK)
        return; /* the next write or poll tries again */
    con->busy = true;
    con->damage = vdrv_rect_make(0, 0, 0, 0);
    (void)vdrv_display_kick(con->dpy, VDRV_DISPLAY_QUEUE);
}

static void flushed(struct vdrv_display_request *req)
{
    struct fb_console *con = req->user;

    con->busy = false;
    if (req->status != VDRV_OK) /* still to be shown, but not at once again */
        vdrv_rect_union(&con->damage, &con->flying);
    else
        push(con);
}

static void draw(struct fb_console *con, char c)
{
    const struct vdrv_rect cell =
        vdrv_rect_make(con->x * WIDTH, con->y * HEIGHT, WIDTH, HEIGHT);
    const unsigned char *glyph =
        font8x16[(unsigned char)c < 0x20 || (unsigned char)c > 0x7e ? '?' - 0x20
                                                                    : c - 0x20];
    struct vdrv_fb *fb = fb_of(con);
    uint32_t pixel[HEIGHT][WIDTH];

    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++)
            pixel[y][x] = (glyph[y] >> (7 - x) & 1) ? con->ink : con->paper;
    }
    (void)vdrv_fb_blit(fb, &cell, pixel, 0, fb->format);
    vdrv_rect_union(&con->damage, &cell);
}

static void scroll(struct fb_console *con)
{
    struct vdrv_fb *fb = fb_of(con);
    const size_t line = (size_t)HEIGHT * fb->pitch;
    const struct vdrv_rect all =
        vdrv_rect_make(0, 0, con->columns * WIDTH, con->rows * HEIGHT);
    const struct vdrv_rect last = vdrv_rect_make(0, (con->rows - 1) * HEIGHT,
                                                 con->columns * WIDTH, HEIGHT);

    memmove(fb->base, (uint8_t *)fb->base + line, line * (con->rows - 1));
    (void)vdrv_fb_fill(fb, &last, con->paper);
    vdrv_rect_union(&con->damage, &all);
}

static void put(struct fb_console *con, char c)
{
    if (c == '\n' || con->x == con->columns) {
        con->x = 0;
        if (con->y + 1 < con->rows)
            con->y++;
        else
            scroll(con);
    }
    if (c == '\n')
        return;
    draw(con, c);
    con->x++;
}

bool fb_console_init(struct fb_console *con, struct vdrv_display *dpy,
                     uint32_t head)
{
    struct vdrv_display_mode_info info;

    memset(con, 0, sizeof(*con));
    if (vdrv_display_info(dpy, head, &info) != VDRV_OK)
        return false;
    con->dpy = dpy;
    con->head = head;
    con->columns = info.width / WIDTH;
    con->rows = info.height / HEIGHT;
    con->paper = vdrv_pixel_pack(info.format, 0, 0, 64, 255);
    con->ink = vdrv_pixel_pack(info.format, 255, 255, 255, 255);
    con->req.op = VDRV_DISPLAY_FLUSH;
    con->req.head = head;
    con->req.done = flushed;
    con->req.user = con;
    return con->columns > 0 && con->rows > 0;
}

void fb_console_write(struct fb_console *con, const char *text)
{
    if (fb_of(con) == NULL)
        return; /* stopped: nobody can see it */
    for (; *text != '\0'; text++)
        put(con, *text);
    push(con);
}

void fb_console_poll(struct fb_console *con)
{
    (void)vdrv_poll(&con->dpy->dev, VDRV_DISPLAY_QUEUE, 0);
    push(con);
}
