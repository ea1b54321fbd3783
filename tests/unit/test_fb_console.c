/* SPDX-License-Identifier: MIT */
/*
 * The console that may not wait: it is called under a lock, and whether it
 * waits is seen from outside, by the clock and the pauses of the machine.
 */
#include "gpu_rig.h"

#include "fb_console.h"
#include "font8x16.h"

static struct fb_console con;
static char screen[30][80]; /* what should be there */
static uint32_t cx, cy;

/* The reference: characters in a grid. */
static void reference(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' || cx == 80) {
            cx = 0;
            if (++cy == 30) {
                cy = 29;
                memmove(screen[0], screen[1], 29 * 80);
                memset(screen[29], ' ', 80);
            }
        }
        if (*text != '\n')
            screen[cy][cx++] = *text;
    }
}

static uint32_t wrong_pixels(void)
{
    uint32_t n = 0;

    for (uint32_t y = 0; y < 480; y++) {
        for (uint32_t x = 0; x < 640; x++) {
            const char c = screen[y / 16][x / 8];
            const uint32_t paper = c == '\0' ? 0 : 64;
            const bool ink =
                c != '\0' &&
                (font8x16[c - ' '][y % 16] >> (7 - x % 8) & 1) != 0;

            n += fake_gpu_pixel(&g.dev, 0, x, y) != (ink ? 0xffffff : paper);
        }
    }
    return n;
}

static uint64_t pauses(void)
{
    return (uint64_t)g.f.relaxes + g.f.waits + g.f.nows + g.f.steps;
}

static void write_text(const char *text)
{
    const uint64_t before = pauses();

    fb_console_write(&con, text);
    reference(text);
    CHECK_EQ(pauses(), before);
}

static bool console_up(void)
{
    if (!up(NULL, NULL))
        return false;
    memset(screen, 0, sizeof(screen));
    cx = cy = 0;
    CHECK(fb_console_init(&con, g.dpy, 0));
    CHECK_EQ(con.columns, 80);
    CHECK_EQ(con.rows, 30);
    return true;
}

static void settle(void)
{
    for (uint32_t i = 0; i < 10; i++) {
        fake_step(&g.f);
        fb_console_poll(&con);
    }
}

static void test_shows_text(void)
{
    REQUIRE(console_up());
    write_text("Hello, world\nsecond line");
    settle();
    CHECK_EQ(wrong_pixels(), 0);
    down();
}

/* While the device takes its time, damage becomes one flush. */
static void test_merges_damage(void)
{
    uint32_t flushes;

    REQUIRE(console_up());
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    flushes = g.dev.commands[0x104];
    write_text("a");
    fake_steps(&g.f, 2);
    for (uint32_t i = 0; i < 1000; i++)
        write_text("line after line\n");
    fake_steps(&g.f, 2);
    CHECK_EQ(fake_dev_pending(&g.dev.dev), 2); /* transfer and flush */
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    fake_dev_release_all(&g.dev.dev);
    settle();
    CHECK_EQ(g.dev.commands[0x104], flushes + 2);
    CHECK_EQ(wrong_pixels(), 0);
    down();
}

static void test_random_pace(void)
{
    static const char *const words[] = {"x", "kernel: ", "\n", "0123456789\n",
                                        "a rather long line of text, that "
                                        "goes over the edge of the screen, "
                                        "and then goes on in the next one\n"};

    REQUIRE(console_up());
    g.dev.dev.complete = FAKE_COMPLETE_ORDER;
    g.dev.dev.per_step = 1;
    for (uint32_t i = 0; i < 3000; i++) {
        write_text(words[fake_rand(&g.f) % 5]);
        if (fake_rand(&g.f) % 3 == 0)
            fake_step(&g.f);
        if (fake_rand(&g.f) % 3 == 0)
            fb_console_poll(&con);
    }
    settle();
    CHECK(!con.busy);
    CHECK_EQ(wrong_pixels(), 0);
    down();
}

/* A refused flush is not lost, and not tried for ever. */
static void test_refused_flush(void)
{
    const struct fake_gpu_fault fault = {
        FAKE_GPU_FLUSH, .count = 1, .response = FAKE_GPU_ERR_UNSPEC, .len = -1};

    REQUIRE(console_up());
    fake_gpu_plan(&g.dev, fault);
    write_text("once more");
    fake_steps(&g.f, 2);
    settle();
    CHECK_EQ(wrong_pixels(), 0);
    down();
}

static void test_stopped(void)
{
    REQUIRE(console_up());
    write_text("before ");
    CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
    fb_console_write(&con, "not seen");
    CHECK_EQ(vdrv_start(&g.dpy->dev), VDRV_OK);
    write_text("after");
    settle();
    CHECK_EQ(wrong_pixels(), 0);
    down();
}

#define CASE(name)                                                             \
    {                                                                          \
#name, test_##name                                                     \
    }

static const struct check_case cases[] = {
    CASE(shows_text),    CASE(merges_damage), CASE(random_pace),
    CASE(refused_flush), CASE(stopped),
};

CHECK_MAIN(cases)
