/* SPDX-License-Identifier: MIT */
/*
 * The picture that the demo shows: a function of a few numbers and one text,
 * in integers only, so that picture.py can say from outside what every pixel
 * of the screen must be. Any rectangle can be painted alone and comes out the
 * same as in the whole.
 */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdint.h>

struct picture {
    uint32_t width, height;   /* pixels, at most 32767 each */
    uint32_t pitch;           /* bytes from row to row, a multiple of 4 */
    uint8_t red, green, blue; /* where each channel's low bit is: 0 to 24 */
    uint32_t opaque;          /* bits set in every pixel (an alpha channel) */
    uint32_t seed;            /* chooses stars and houses */
    uint32_t tick;            /* moves the counter and the box */
    const char *text;         /* lines between '\n'; the first is the title */
};

struct picture_box {
    uint32_t x, y, width, height;
};

/* Paints all of it into a framebuffer of height * pitch bytes. */
void picture_draw(const struct picture *p, void *fb);

/* Paints what lies inside `box`, and touches no pixel outside of it. */
void picture_rect(const struct picture *p, void *fb,
                  const struct picture_box *box);

/* The two places that depend on `tick`, cut to the screen: the counter, and
 * the track that the box runs on. Either may be empty on a tiny screen. */
void picture_live(const struct picture *p, struct picture_box out[2]);

#endif
