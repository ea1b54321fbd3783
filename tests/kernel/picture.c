/* SPDX-License-Identifier: MIT */
/*
 * The demo's picture: an evening sky over a town, and a panel with text. Each
 * primitive clips to one rectangle, and the random numbers never depend on it;
 * therefore a part looks the same whether painted alone or with the rest.
 * picture.py draws the same scene another way: change both together.
 */
#include "picture.h"
#include "font8x16.h"

#include <stddef.h>

struct canvas {
    const struct picture *p;
    uint8_t *fb;
    int w, h;           /* the picture */
    int x0, y0, x1, y1; /* the clip, ends excluded */
    uint32_t rng;
};

/* Where the panel and its parts are; `s` is the size of a font pixel. */
struct layout {
    int s, x, y, w, h;
    int inner; /* the width inside the padding */
    int text_y, bars_y, live_y;
    int track_x, track_w;
};

#define OPAQUE  256
#define SKY_END 1024

#define PAD     12 /* in font pixels, as all the panel's sizes */
#define LINE    18
#define TITLE   40
#define BARS    18
#define LIVE    18
#define COUNTER (14 * 8)
#define BOX     14

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* xorshift32: Marsaglia 2003. */
static uint32_t next(struct canvas *c)
{
    c->rng ^= c->rng << 13;
    c->rng ^= c->rng >> 17;
    c->rng ^= c->rng << 5;
    return c->rng;
}

/* 0 to n - 1; n is above zero. */
static int below(struct canvas *c, int n)
{
    return (int)((next(c) >> 8) % (uint32_t)n);
}

/* ---- pixels ----------------------------------------------------------- */

static uint32_t *pixel(struct canvas *c, int x, int y)
{
    size_t at = (size_t)y * c->p->pitch + (size_t)x * 4;

    return (uint32_t *)(void *)(c->fb + at);
}

static void store(struct canvas *c, uint32_t *at, uint32_t rgb)
{
    *at = (rgb >> 16 & 255) << c->p->red | (rgb >> 8 & 255) << c->p->green |
          (rgb & 255) << c->p->blue | c->p->opaque;
}

static uint32_t mix(uint32_t back, uint32_t front, uint32_t alpha)
{
    return (back * (OPAQUE - alpha) + front * alpha) >> 8;
}

static void blend(struct canvas *c, uint32_t *at, uint32_t rgb, uint32_t alpha)
{
    uint32_t r = mix(*at >> c->p->red & 255, rgb >> 16 & 255, alpha);
    uint32_t g = mix(*at >> c->p->green & 255, rgb >> 8 & 255, alpha);
    uint32_t b = mix(*at >> c->p->blue & 255, rgb & 255, alpha);

    store(c, at, r << 16 | g << 8 | b);
}

static void fill(struct canvas *c, int x, int y, int w, int h, uint32_t rgb,
                 uint32_t alpha)
{
    int x1 = least(x + w, c->x1), y1 = least(y + h, c->y1);
    int i;

    x = most(x, c->x0);
    for (y = most(y, c->y0); y < y1; y++) {
        for (i = x; i < x1; i++) {
            if (alpha == OPAQUE)
                store(c, pixel(c, i, y), rgb);
            else
                blend(c, pixel(c, i, y), rgb, alpha);
        }
    }
}

/* A frame of `t` pixels around the inside of a rectangle. */
static void frame(struct canvas *c, int x, int y, int w, int h, int t,
                  uint32_t rgb)
{
    fill(c, x, y, w, t, rgb, OPAQUE);
    fill(c, x, y + h - t, w, t, rgb, OPAQUE);
    fill(c, x, y + t, t, h - 2 * t, rgb, OPAQUE);
    fill(c, x + w - t, y + t, t, h - 2 * t, rgb, OPAQUE);
}

/* Bresenham's line, both ends included, each pixel once. */
static void line(struct canvas *c, int x, int y, int x1, int y1, uint32_t rgb,
                 uint32_t alpha)
{
    int dx = x1 < x ? x - x1 : x1 - x, sx = x1 < x ? -1 : 1;
    int dy = y1 < y ? y - y1 : y1 - y, sy = y1 < y ? -1 : 1;
    int n = most(dx, dy), ex = n, ey = n, i;

    for (i = 0; i <= n; i++) {
        fill(c, x, y, 1, 1, rgb, alpha);
        ex += 2 * dx;
        ey += 2 * dy;
        if (ex >= 2 * n) {
            ex -= 2 * n;
            x += sx;
        }
        if (ey >= 2 * n) {
            ey -= 2 * n;
            y += sy;
        }
    }
}

/* ---- text ------------------------------------------------------------- */

static void glyph(struct canvas *c, int x, int y, int s, char ch, uint32_t rgb)
{
    int code = ch < 32 || ch > 126 ? '?' : ch;
    const uint8_t *rows = font8x16[code - 32];
    int i, k;

    for (i = 0; i < 16; i++)
        for (k = 0; k < 8; k++)
            if (rows[i] & 0x80 >> k)
                fill(c, x + k * s, y + i * s, s, s, rgb, OPAQUE);
}

/* Writes up to the end of the line; returns its length. */
static int text(struct canvas *c, int x, int y, int s, const char *t,
                uint32_t rgb)
{
    int n;

    for (n = 0; t[n] != 0 && t[n] != '\n'; n++)
        glyph(c, x + n * 8 * s, y, s, t[n], rgb);
    return n;
}

static int line_length(const char *t)
{
    int n = 0;

    while (t[n] != 0 && t[n] != '\n')
        n++;
    return n;
}

static void put_digits(char *at, int n, uint32_t v, uint32_t base)
{
    while (n-- > 0) {
        at[n] = "0123456789abcdef"[v % base];
        v /= base;
    }
}

/* ---- the scene -------------------------------------------------------- */

/* One channel of the sky between two colours, in sixteenths. */
static uint32_t shade(uint32_t a, uint32_t b, int t, int from, int to, int at)
{
    uint32_t u = a >> at & 255, v = b >> at & 255;

    return (u * (uint32_t)(to - t) + v * (uint32_t)(t - from)) * 16 /
           (uint32_t)(to - from);
}

/* A vertical gradient; the 4x4 threshold matrix hides its steps. */
static void sky(struct canvas *c)
{
    static const struct {
        int at;
        uint32_t rgb;
    } stops[] = {
        {0, 0x090b26}, {420, 0x361c62}, {760, 0xc44270}, {SKY_END, 0xffa85c}};
    static const uint8_t matrix[4][4] = {
        {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    int x, y;

    for (y = c->y0; y < c->y1; y++) {
        int t = (int)((uint32_t)y * SKY_END / (uint32_t)c->h);
        int i = t < stops[1].at ? 0 : t < stops[2].at ? 1 : 2;
        uint32_t v[3], k;

        for (k = 0; k < 3; k++)
            v[k] = shade(stops[i].rgb, stops[i + 1].rgb, t, stops[i].at,
                         stops[i + 1].at, 16 - 8 * (int)k);
        for (x = c->x0; x < c->x1; x++) {
            uint32_t d = matrix[y & 3][x & 3];

            store(c, pixel(c, x, y),
                  (v[0] + d) >> 4 << 16 | (v[1] + d) >> 4 << 8 |
                      (v[2] + d) >> 4);
        }
    }
}

static void stars(struct canvas *c)
{
    int n = least(c->w * c->h / 2048, 600);

    while (n-- > 0) {
        int x = below(c, c->w);
        int y = below(c, c->h * 6 / 10 + 1);
        int size = 1 + (below(c, 8) == 0);
        uint32_t alpha = 60 + (uint32_t)below(c, 190);

        fill(c, x, y, size, size, 0xf4f0ff, alpha);
    }
}

/* Four constellations: stars joined by thin lines. */
static void constellations(struct canvas *c)
{
    int k, i;

    for (k = 0; k < 4; k++) {
        int px = c->w / 2 + below(c, c->w / 2 + 1);
        int py = below(c, c->h / 3 + 1);

        for (i = 0; i < 5; i++) {
            int x = px + below(c, c->w / 8 + 1) - c->w / 16;
            int y = py + below(c, c->h / 8 + 1) - c->h / 16;

            line(c, px, py, x, y, 0x9fc8ff, 96);
            fill(c, x - 1, y - 1, 3, 3, 0xffffff, 224);
            px = x;
            py = y;
        }
    }
}

/* A low sun, cut by bars that grow towards its foot, with a halo. */
static void sun(struct canvas *c)
{
    int r = least(c->w, c->h) / 5, cx = c->w * 13 / 16, cy = c->h * 10 / 16;
    int halo = r + r / 6, y, half = 0;
    uint32_t green, blue;

    for (y = -halo; y <= halo; y++) {
        for (half = 0; half * half + y * y <= halo * halo; half++)
            ;
        if (half > 0)
            fill(c, cx - half + 1, cy + y, 2 * half - 1, 1, 0xffc890, 28);
    }
    for (y = -r; y <= r && r > 0; y++) {
        if (y > 0 && y * 8 % r < y * 8 / r * r / 10)
            continue;
        for (half = 0; half * half + y * y <= r * r; half++)
            ;
        green = (uint32_t)(236 - (y + r) * 70 / r);
        blue = (uint32_t)(150 - (y + r) * 30 / r);
        fill(c, cx - half + 1, cy + y, 2 * half - 1, 1,
             0xff0000 | green << 8 | blue, OPAQUE);
    }
}

static void windows(struct canvas *c, int x, int y, int w, int u)
{
    static const uint32_t lit[4] = {0xffd678, 0x78dcff, 0xff8cb4, 0xffe9b0};
    int i, k;

    for (k = y + 3 * u; k < c->h; k += 6 * u)
        for (i = x + 2 * u; i + 4 * u <= x + w; i += 5 * u)
            if (below(c, 3) == 0)
                fill(c, i, k, 2 * u, 3 * u, lit[below(c, 4)], OPAQUE);
}

/* Three rows of houses, the nearest one darkest and with light inside. */
static void town(struct canvas *c)
{
    static const uint32_t wall[3] = {0x6b2f63, 0x3a1d55, 0x150f2e};
    int u = most(least(c->w, c->h) / 360, 1);
    int row, x, w, h;

    for (row = 0; row < 3; row++) {
        for (x = 0; x < c->w; x += w) {
            w = 5 * u * (3 + below(c, 6)) + 4 * u;
            h = c->h / (5 + 2 * row) * (50 + below(c, 50)) / 100;
            fill(c, x, c->h - h, w, h, wall[row], OPAQUE);
            if (row > 0 && below(c, 4) == 0)
                fill(c, x + w / 2, c->h - h - 8 * u, u, 8 * u, wall[row],
                     OPAQUE);
            if (row == 2)
                windows(c, x, c->h - h, w, u);
        }
    }
}

/* ---- the panel -------------------------------------------------------- */

static struct layout lay_out(const struct picture *p)
{
    int w = (int)p->width, h = (int)p->height, s, n = 0, wide = 0;
    const char *t = p->text;
    struct layout l;

    l.s = s = most(least(w / 600, h / 380), 1);
    for (;;) {
        int len = line_length(t) * (n == 0 ? 16 : 8);

        wide = most(wide, len);
        n++;
        if (t[line_length(t)] == 0)
            break;
        t += line_length(t) + 1;
    }
    l.inner = most(wide, COUNTER + 120) * s;
    l.w = l.inner + 2 * PAD * s;
    l.h = (2 * PAD + TITLE + n * LINE + 6 + BARS + 8 + LIVE) * s;
    l.x = w > l.w + w / 16 ? w / 20 : most((w - l.w) / 2, 0);
    l.y = most(least(h / 10, (h - l.h) / 2), 0);
    l.text_y = l.y + PAD * s;
    l.bars_y = l.text_y + (TITLE + n * LINE + 6) * s;
    l.live_y = l.bars_y + (BARS + 8) * s;
    l.track_x = l.x + (PAD + COUNTER + 8) * s;
    l.track_w = l.inner - (COUNTER + 8) * s;
    return l;
}

/* Eight pure colours, that show a wrong channel at once, and a ramp of grey. */
static void bars(struct canvas *c, const struct layout *l)
{
    static const uint32_t rgb[8] = {0xffffff, 0xffff00, 0x00ffff, 0x00ff00,
                                    0xff00ff, 0xff0000, 0x0000ff, 0x000000};
    int x = l->x + PAD * l->s, i;

    for (i = 0; i < 8; i++) {
        int a = l->inner * i / 8;
        int b = l->inner * (i + 1) / 8;
        fill(c, x + a, l->bars_y, b - a, 12 * l->s, rgb[i], OPAQUE);
    }
    for (i = 0; i < l->inner; i++) {
        uint32_t grey = (uint32_t)(i * 255 / (l->inner - 1));

        fill(c, x + i, l->bars_y + 12 * l->s, 1, 6 * l->s, grey * 0x10101,
             OPAQUE);
    }
}

static void live(struct canvas *c, const struct layout *l)
{
    char count[] = "frame 00000000";
    int s = l->s, x = l->x + PAD * s, run = l->track_w - (BOX + 4) * s;
    uint32_t at = c->p->tick % (uint32_t)(2 * run / s);

    put_digits(count + 6, 8, c->p->tick, 10);
    text(c, x, l->live_y + s, s, count, 0x8ff0c8);
    fill(c, l->track_x, l->live_y, l->track_w, LIVE * s, 0x070814, OPAQUE);
    frame(c, l->track_x, l->live_y, l->track_w, LIVE * s, s, 0x3c4a78);
    if (at > (uint32_t)(run / s))
        at = (uint32_t)(2 * run / s) - at;
    fill(c, l->track_x + (2 + (int)at) * s, l->live_y + 2 * s, BOX * s,
         (LIVE - 4) * s, 0xffb454, OPAQUE);
}

static int put_decimal(char *at, uint32_t v)
{
    int n = 1;
    uint32_t rest;

    for (rest = v; rest >= 10; rest /= 10)
        n++;
    put_digits(at, n, v, 10);
    return n;
}

/* "1280 x 800, seed 0000002a" */
static void facts(struct canvas *c, const struct layout *l, int x, int y)
{
    static const char words[2][9] = {" x ", ", seed "};
    char out[40];
    int n = put_decimal(out, c->p->width), i;

    for (i = 0; words[0][i] != 0; i++)
        out[n++] = words[0][i];
    n += put_decimal(out + n, c->p->height);
    for (i = 0; words[1][i] != 0; i++)
        out[n++] = words[1][i];
    put_digits(out + n, 8, c->p->seed, 16);
    out[n + 8] = 0;
    text(c, x, y, l->s, out, 0x7f8fc0);
}

static void panel(struct canvas *c)
{
    struct layout l = lay_out(c->p);
    int s = l.s, x = l.x + PAD * s, y = l.text_y;
    const char *t = c->p->text;

    fill(c, l.x + 5 * s, l.y + 5 * s, l.w, l.h, 0x000000, 110);
    fill(c, l.x, l.y, l.w, l.h, 0x0c1026, 226);
    frame(c, l.x, l.y, l.w, l.h, s, 0x78dcff);
    frame(c, l.x + 2 * s, l.y + 2 * s, l.w - 4 * s, l.h - 4 * s, s, 0x2c5a86);
    text(c, x + s, y + s, 2 * s, t, 0x8c2f66);
    t += text(c, x, y, 2 * s, t, 0xffffff);
    fill(c, x, y + 35 * s, l.inner, s, 0x78dcff, OPAQUE);
    y += TITLE * s;
    while (*t++ == '\n') {
        t += text(c, x, y, s, t, 0xd8e4ff);
        y += LINE * s;
    }
    facts(c, &l, x, y);
    bars(c, &l);
    live(c, &l);
}

/* ---- the door --------------------------------------------------------- */

static struct picture_box cut(const struct picture *p,
                              const struct picture_box *b)
{
    struct picture_box out = *b;

    if (b->x >= p->width || b->y >= p->height)
        return (struct picture_box){0, 0, 0, 0};
    if (out.width > p->width - b->x)
        out.width = p->width - b->x;
    if (out.height > p->height - b->y)
        out.height = p->height - b->y;
    return out;
}

void picture_rect(const struct picture *p, void *fb,
                  const struct picture_box *box)
{
    struct picture_box b = cut(p, box);
    struct canvas c = {.p = p,
                       .fb = fb,
                       .w = (int)p->width,
                       .h = (int)p->height,
                       .x0 = (int)b.x,
                       .y0 = (int)b.y,
                       .x1 = (int)(b.x + b.width),
                       .y1 = (int)(b.y + b.height)};

    if (b.width == 0 || b.height == 0)
        return;
    c.rng = (p->seed ^ 0x7f4a7c15u) * 0x9e3779b1u;
    if (c.rng == 0)
        c.rng = 1; /* the one state that xorshift never leaves */
    sky(&c);
    stars(&c);
    constellations(&c);
    sun(&c);
    town(&c);
    panel(&c);
}

void picture_draw(const struct picture *p, void *fb)
{
    struct picture_box all = {0, 0, p->width, p->height};

    picture_rect(p, fb, &all);
}

void picture_live(const struct picture *p, struct picture_box out[2])
{
    struct layout l = lay_out(p);
    uint32_t y = (uint32_t)l.live_y, h = (uint32_t)(LIVE * l.s);
    struct picture_box count = {(uint32_t)(l.x + PAD * l.s), y,
                                (uint32_t)(COUNTER * l.s), h};
    struct picture_box track = {(uint32_t)l.track_x, y, (uint32_t)l.track_w, h};

    out[0] = cut(p, &count);
    out[1] = cut(p, &track);
}
