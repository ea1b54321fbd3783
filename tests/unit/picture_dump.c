/* SPDX-License-Identifier: MIT */
/*
 * Host side of test_picture.py: paints the picture as it is told and writes the
 * framebuffer's raw bytes, pitch and all, to standard output. The framebuffer
 * starts as bytes of 0xa5, so that a pixel outside of what was asked shows.
 * Arguments: width height pitch red green blue opaque seed tick text [x y w h]
 */
#include "../kernel/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

int main(int argc, char **argv)
{
    struct picture p;
    struct picture_box live[2];
    size_t size, i;
    uint8_t *fb;

    if (argc != 11 && argc != 15)
        return 2;
    p = (struct picture){
        .width = number(argv[1]),
        .height = number(argv[2]),
        .pitch = number(argv[3]),
        .red = (uint8_t)number(argv[4]),
        .green = (uint8_t)number(argv[5]),
        .blue = (uint8_t)number(argv[6]),
        .opaque = number(argv[7]),
        .seed = number(argv[8]),
        .tick = number(argv[9]),
        .text = argv[10],
    };
    size = (size_t)p.pitch * p.height;
    fb = malloc(size);
    if (fb == NULL)
        return 2;
    memset(fb, 0xa5, size);
    if (argc == 11) {
        picture_draw(&p, fb);
    } else {
        struct picture_box box = {number(argv[11]), number(argv[12]),
                                  number(argv[13]), number(argv[14])};

        picture_rect(&p, fb, &box);
    }
    picture_live(&p, live);
    for (i = 0; i < 2; i++)
        fprintf(stderr, "%u %u %u %u\n", live[i].x, live[i].y, live[i].width,
                live[i].height);
    i = fwrite(fb, 1, size, stdout);
    free(fb);
    return i == size ? 0 : 2;
}
