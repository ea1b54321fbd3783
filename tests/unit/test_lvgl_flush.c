/* SPDX-License-Identifier: MIT */
/*
 * The flush callback, called as LVGL does: a small buffer is rendered strip by
 * strip and may be reused only after flush_ready.
 */
#include "gpu_rig.h"

#include "lvgl_flush.h"

#define STRIP 7 /* rows that fit in the buffer */

struct lv_display {
    void *user_data;
    bool flushing;
};

static struct lvgl_screen screen;
static lv_display_t disp;
static uint8_t buffer[640 * STRIP * 4];

void *lv_display_get_user_data(lv_display_t *d)
{
    return d->user_data;
}

void lv_display_flush_ready(lv_display_t *d)
{
    CHECK(d->flushing);
    d->flushing = false;
}

static uint32_t colour(int32_t x, int32_t y)
{
    return (uint32_t)(x * 0x010305 + y * 0x070b0d) & 0xffffff;
}

static void render(const lv_area_t *a)
{
    uint8_t *p = buffer;
    struct vdrv_pixel_layout l;

    (void)vdrv_format_layout(screen.format, &l);
    for (int32_t y = a->y1; y <= a->y2; y++) {
        for (int32_t x = a->x1; x <= a->x2; x++) {
            const uint32_t c = colour(x, y);
            const uint32_t v =
                vdrv_pixel_pack(screen.format, (uint8_t)(c >> 16),
                                (uint8_t)(c >> 8), (uint8_t)c, 255);

            memcpy(p, &v, l.bytes);
            p += l.bytes;
        }
    }
}

/* What LVGL's refresh does with an invalid area. */
static void refresh(lv_area_t area)
{
    for (int32_t y = area.y1; y <= area.y2; y += STRIP) {
        lv_area_t strip = area;

        while (disp.flushing) { /* LVGL's wait callback */
            fake_step(&g.f);
            CHECK(vdrv_poll(&g.dpy->dev, VDRV_DISPLAY_QUEUE, 0) >= 0);
        }
        strip.y1 = y;
        strip.y2 = y + STRIP - 1 < area.y2 ? y + STRIP - 1 : area.y2;
        render(&strip);
        disp.flushing = true;
        lvgl_flush_cb(&disp, &strip, buffer);
        memset(buffer, 0x5a, sizeof(buffer)); /* it was copied */
    }
}

static uint32_t wrong_pixels(lv_area_t a, uint32_t mask)
{
    uint32_t n = 0;

    for (int32_t y = 0; y < 480; y++) {
        for (int32_t x = 0; x < 640; x++) {
            const bool in = x >= a.x1 && x <= a.x2 && y >= a.y1 && y <= a.y2;
            const uint32_t seen =
                fake_gpu_pixel(&g.dev, 0, (uint32_t)x, (uint32_t)y);

            n += ((seen ^ (in ? colour(x, y) : 0)) & mask) != 0;
        }
    }
    return n;
}

static void draw(uint32_t format, uint32_t mask)
{
    const lv_area_t area = {100, 50, 420, 299};

    REQUIRE(up(NULL, NULL));
    memset(&screen, 0, sizeof(screen));
    screen.dpy = g.dpy;
    screen.format = format;
    disp.user_data = &screen;
    disp.flushing = false;
    refresh(area);
    for (uint32_t i = 0; i < 4; i++) {
        fake_step(&g.f);
        (void)vdrv_poll(&g.dpy->dev, VDRV_DISPLAY_QUEUE, 0);
    }
    CHECK(!disp.flushing);
    CHECK_EQ(wrong_pixels(area, mask), 0);
    down();
}

static void test_32_bits(void)
{
    draw(VDRV_FORMAT_BGRX, 0xffffff);
}

static void test_16_bits(void)
{
    draw(VDRV_FORMAT_RGB565_LE, 0xf8fcf8);
}

/* A display that is stopped does not stop the toolkit. */
static void test_stopped(void)
{
    REQUIRE(up(NULL, NULL));
    memset(&screen, 0, sizeof(screen));
    screen.dpy = g.dpy;
    disp.user_data = &screen;
    disp.flushing = false;
    CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
    refresh((lv_area_t){0, 0, 10, 10});
    CHECK(!disp.flushing);
    down();
}

#define CASE(name)                                                             \
    {                                                                          \
#name, test_##name                                                     \
    }

static const struct check_case cases[] = {
    CASE(32_bits),
    CASE(16_bits),
    CASE(stopped),
};

CHECK_MAIN(cases)
