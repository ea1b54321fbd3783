/* SPDX-License-Identifier: MIT */
/*
 * Rectangles, pixel formats, and drawing areas of pixels into a framebuffer:
 * what a console or a toolkit needs above any display.
 */
#include <virtio_drv/display.h>

#include "../core/mem.h"

/* ---- Rectangles ---------------------------------------------------------- */

bool vdrv_rect_empty(const struct vdrv_rect *r)
{
    return r->width == 0 || r->height == 0;
}

bool vdrv_rect_inside(const struct vdrv_rect *r, uint32_t width,
                      uint32_t height)
{
    return r->x <= width && r->width <= width - r->x && r->y <= height &&
           r->height <= height - r->y;
}

bool vdrv_rect_clip(struct vdrv_rect *r, uint32_t width, uint32_t height)
{
    if (r->x >= width || r->y >= height || vdrv_rect_empty(r)) {
        memset(r, 0, sizeof(*r));
        return false;
    }
    if (r->width > width - r->x)
        r->width = width - r->x;
    if (r->height > height - r->y)
        r->height = height - r->y;
    return true;
}

/* The extent of two spans; one that would pass 2^32 - 1 is cut there. */
static void cover(uint32_t *at, uint32_t *len, uint32_t at2, uint32_t len2)
{
    const uint64_t end = (uint64_t)*at + *len, end2 = (uint64_t)at2 + len2;
    const uint32_t first = *at < at2 ? *at : at2;
    const uint64_t size = (end > end2 ? end : end2) - first;

    *at = first;
    *len = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
}

void vdrv_rect_union(struct vdrv_rect *r, const struct vdrv_rect *add)
{
    if (vdrv_rect_empty(add))
        return;
    if (vdrv_rect_empty(r)) {
        *r = *add;
        return;
    }
    cover(&r->x, &r->width, add->x, add->width);
    cover(&r->y, &r->height, add->y, add->height);
}

/* ---- Formats ------------------------------------------------------------- */

/* Byte of each channel in memory; 4: none. */
static const uint8_t channel_byte[8][4] = {
    /* red, green, blue, alpha */
    [VDRV_FORMAT_BGRX] = {2, 1, 0, 4}, [VDRV_FORMAT_BGRA] = {2, 1, 0, 3},
    [VDRV_FORMAT_RGBX] = {0, 1, 2, 4}, [VDRV_FORMAT_RGBA] = {0, 1, 2, 3},
    [VDRV_FORMAT_XRGB] = {1, 2, 3, 4}, [VDRV_FORMAT_ARGB] = {1, 2, 3, 0},
    [VDRV_FORMAT_XBGR] = {3, 2, 1, 4}, [VDRV_FORMAT_ABGR] = {3, 2, 1, 0},
};

/* Where a native 32-bit load puts the byte at that address. */
static uint8_t byte_shift(uint8_t byte)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint8_t)(8u * byte);
#else
    return (uint8_t)(8u * (3u - byte));
#endif
}

static void layout_565(uint32_t format, struct vdrv_pixel_layout *out)
{
    const uint32_t native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                                ? VDRV_FORMAT_RGB565_LE
                                : VDRV_FORMAT_RGB565_BE;

    out->bytes = 2;
    out->red_shift = 11;
    out->red_size = 5;
    out->green_shift = 5;
    out->green_size = 6;
    out->blue_size = 5;
    out->swapped = format != native;
}

int vdrv_format_layout(uint32_t format, struct vdrv_pixel_layout *out)
{
    const uint8_t *byte;

    if (out == NULL || format > VDRV_FORMAT_RGB565_BE)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    if (format >= VDRV_FORMAT_RGB565_LE) {
        layout_565(format, out);
        return VDRV_OK;
    }
    byte = channel_byte[format];
    out->bytes = 4;
    out->red_shift = byte_shift(byte[0]);
    out->green_shift = byte_shift(byte[1]);
    out->blue_shift = byte_shift(byte[2]);
    out->red_size = out->green_size = out->blue_size = 8;
    if (byte[3] < 4) {
        out->alpha_shift = byte_shift(byte[3]);
        out->alpha_size = 8;
    }
    return VDRV_OK;
}

/* An 8-bit channel in the bits a layout has for it. */
static uint32_t place(uint32_t value, uint8_t size, uint8_t shift)
{
    return size == 0 ? 0 : value >> (8 - size) << shift;
}

static uint32_t pack(const struct vdrv_pixel_layout *l, const uint8_t ch[4])
{
    const uint32_t v = place(ch[0], l->red_size, l->red_shift) |
                       place(ch[1], l->green_size, l->green_shift) |
                       place(ch[2], l->blue_size, l->blue_shift) |
                       place(ch[3], l->alpha_size, l->alpha_shift);

    return l->swapped ? (v & 0xffu) << 8 | v >> 8 : v;
}

uint32_t vdrv_pixel_pack(uint32_t format, uint8_t red, uint8_t green,
                         uint8_t blue, uint8_t alpha)
{
    const uint8_t ch[4] = {red, green, blue, alpha};
    struct vdrv_pixel_layout l;

    return vdrv_format_layout(format, &l) == VDRV_OK ? pack(&l, ch) : 0;
}

/* A channel widened to 8 bits, so that full stays full. */
static uint8_t take(uint32_t v, uint8_t size, uint8_t shift)
{
    uint32_t bits;

    if (size == 0)
        return 0xff; /* no alpha: opaque */
    bits = v >> shift & ((1u << size) - 1u);
    bits <<= 8 - size;
    return (uint8_t)(bits | bits >> size);
}

static void unpack(const struct vdrv_pixel_layout *l, uint32_t v, uint8_t ch[4])
{
    if (l->swapped)
        v = (v & 0xffu) << 8 | v >> 8;
    ch[0] = take(v, l->red_size, l->red_shift);
    ch[1] = take(v, l->green_size, l->green_shift);
    ch[2] = take(v, l->blue_size, l->blue_shift);
    ch[3] = take(v, l->alpha_size, l->alpha_shift);
}

/* Memory of any alignment; memcpy of a constant size is one load. */
static uint32_t load(const uint8_t *p, uint8_t bytes)
{
    uint32_t v;
    uint16_t half;

    if (bytes == 4) {
        memcpy(&v, p, 4);
        return v;
    }
    memcpy(&half, p, 2);
    return half;
}

static void store(uint8_t *p, uint8_t bytes, uint32_t v)
{
    const uint16_t half = (uint16_t)v;

    if (bytes == 4)
        memcpy(p, &v, 4);
    else
        memcpy(p, &half, 2);
}

/* ---- Framebuffers -------------------------------------------------------- */

uint64_t vdrv_fb_size(const struct vdrv_fb *fb)
{
    struct vdrv_pixel_layout l;
    uint64_t size;

    if (fb == NULL || vdrv_format_layout(fb->format, &l) != VDRV_OK ||
        fb->width == 0 || fb->height == 0 || fb->pitch % l.bytes != 0 ||
        (uint64_t)fb->width * l.bytes > fb->pitch)
        return 0;
    size = (uint64_t)fb->pitch * fb->height;
    return size > UINT32_MAX ? 0 : size;
}

/* The first byte of an area, when it can be drawn to. */
static uint8_t *area_of(const struct vdrv_fb *fb, const struct vdrv_rect *area,
                        struct vdrv_pixel_layout *l)
{
    if (fb == NULL || area == NULL || fb->base == NULL ||
        vdrv_fb_size(fb) == 0 || vdrv_format_layout(fb->format, l) != VDRV_OK ||
        !vdrv_rect_inside(area, fb->width, fb->height))
        return NULL;
    return (uint8_t *)fb->base + (size_t)area->y * fb->pitch +
           (size_t)area->x * l->bytes;
}

/* Equal, or alpha that nobody looks at: the formats come in such pairs. */
static bool same_bytes(uint32_t to, uint32_t from)
{
    return to == from ||
           (to < VDRV_FORMAT_RGB565_LE && (to & 1u) == 0 && from == to + 1);
}

static void convert_row(uint8_t *to, const struct vdrv_pixel_layout *tl,
                        const uint8_t *from, const struct vdrv_pixel_layout *fl,
                        uint32_t n)
{
    uint8_t ch[4];

    for (uint32_t i = 0; i < n; i++) {
        unpack(fl, load(from, fl->bytes), ch);
        store(to, tl->bytes, pack(tl, ch));
        from += fl->bytes;
        to += tl->bytes;
    }
}

int vdrv_fb_blit(const struct vdrv_fb *fb, const struct vdrv_rect *area,
                 const void *pixels, uint32_t pitch, uint32_t format)
{
    struct vdrv_pixel_layout fl, tl;
    const uint8_t *from = pixels;
    uint8_t *to = area_of(fb, area, &tl);
    uint64_t row;

    if (to == NULL || from == NULL ||
        vdrv_format_layout(format, &fl) != VDRV_OK)
        return VDRV_ERR_INVALID;
    row = (uint64_t)area->width * fl.bytes;
    if ((pitch == 0 && row > UINT32_MAX) || (pitch != 0 && pitch < row))
        return VDRV_ERR_INVALID;
    if (pitch == 0)
        pitch = (uint32_t)row;
    for (uint32_t y = 0; y < area->height; y++) {
        if (same_bytes(fb->format, format))
            memcpy(to, from, (size_t)row);
        else
            convert_row(to, &tl, from, &fl, area->width);
        to += fb->pitch;
        from += pitch;
    }
    return VDRV_OK;
}

int vdrv_fb_fill(const struct vdrv_fb *fb, const struct vdrv_rect *area,
                 uint32_t pixel)
{
    struct vdrv_pixel_layout l;
    uint8_t *row = area_of(fb, area, &l);

    if (row == NULL)
        return VDRV_ERR_INVALID;
    for (uint32_t y = 0; y < area->height; y++) {
        for (uint32_t x = 0; x < area->width; x++)
            store(row + (size_t)x * l.bytes, l.bytes, pixel);
        row += fb->pitch;
    }
    return VDRV_OK;
}
