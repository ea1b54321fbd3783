/* SPDX-License-Identifier: MIT */
/*
 * The EDID parser: blocks made here byte by byte, and then everything that can
 * be wrong with them.  Input is always in a heap block of exactly its size, so
 * that a byte too many is seen.
 */
#include "check.h"

#include <virtio_drv/display.h>

#define BLOCK 128u

static struct vdrv_edid out;

static void seal(uint8_t *block)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < BLOCK - 1; i++)
        sum = (uint8_t)(sum + block[i]);
    block[BLOCK - 1] = (uint8_t)(0x100 - sum);
}

static void timing(uint8_t *d, uint32_t clock, uint32_t w, uint32_t hb,
                   uint32_t h, uint32_t vb)
{
    memset(d, 0, 18);
    d[0] = (uint8_t)clock;
    d[1] = (uint8_t)(clock >> 8);
    d[2] = (uint8_t)w;
    d[3] = (uint8_t)hb;
    d[4] = (uint8_t)(w >> 8 << 4 | hb >> 8);
    d[5] = (uint8_t)h;
    d[6] = (uint8_t)vb;
    d[7] = (uint8_t)(h >> 8 << 4 | vb >> 8);
}

/* A full HD monitor with a name, two other timings, and no extension. */
static void base(uint8_t *p)
{
    static const uint8_t magic[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};

    memset(p, 0, BLOCK);
    memcpy(p, magic, sizeof(magic));
    p[8] = 0x10; /* "DEL" */
    p[9] = 0xac;
    p[10] = 0x34;
    p[11] = 0x12;
    p[12] = 0x78;
    p[18] = 1;
    p[19] = 4;
    p[21] = 52;
    p[22] = 29;
    p[35] = 0x20; /* 640x480@60 */
    memset(p + 38, 1, 16);
    p[38] = 0xd1; /* 1920 wide, 16:9 */
    p[39] = 0xc0;
    timing(p + 54, 14850, 1920, 280, 1080, 45);
    p[54 + 12] = 0x09; /* 521 x 293 mm */
    p[54 + 13] = 0x25;
    p[54 + 14] = 0x21;
    timing(p + 72, 6500, 1024, 320, 768, 38);
    memcpy(p + 90, "\0\0\0\xfc\0Great Screen\n", 18);
    memcpy(p + 108, "\0\0\0\x10", 4);
    seal(p);
}

static void cta(uint8_t *p)
{
    memset(p, 0, BLOCK);
    p[0] = 2;
    p[1] = 3;
    p[2] = 8;
    p[4] = 0x43; /* three video codes */
    p[5] = 0x90; /* 16, native */
    p[6] = 4;
    p[7] = 97;
    timing(p + 8, 24150, 2560, 160, 1440, 41);
    timing(p + 26, 3000, 720, 144, 288, 24);
    p[26 + 17] = 0x80; /* interlaced */
    seal(p);
}

static int parse(const uint8_t *data, size_t len)
{
    uint8_t *p = malloc(len ? len : 1);
    int err;

    memcpy(p, data, len);
    memset(&out, 0x5a, sizeof(out));
    err = vdrv_edid_parse(p, len, &out);
    free(p);
    return err;
}

static const struct vdrv_display_mode *find(uint32_t w, uint32_t h)
{
    for (uint32_t i = 0; i < out.nmodes; i++) {
        if (out.modes[i].width == w && out.modes[i].height == h)
            return &out.modes[i];
    }
    return NULL;
}

static void test_base_block(void)
{
    uint8_t p[BLOCK];

    base(p);
    REQUIRE(parse(p, BLOCK) == VDRV_OK);
    CHECK(strcmp(out.manufacturer, "DEL") == 0);
    CHECK(strcmp(out.name, "Great Screen") == 0);
    CHECK_EQ(out.product, 0x1234);
    CHECK_EQ(out.serial, 0x78);
    CHECK_EQ(out.version, 1);
    CHECK_EQ(out.revision, 4);
    CHECK_EQ(out.blocks, 1);
    CHECK_EQ(out.width_mm, 521);
    CHECK_EQ(out.height_mm, 293);
    CHECK_EQ(out.nmodes, 3);
    CHECK_EQ(out.modes[0].width, 1920);
    CHECK_EQ(out.modes[0].height, 1080);
    CHECK_EQ(out.modes[0].refresh_mhz, 60000);
    CHECK_EQ(out.modes[0].flags, VDRV_MODE_PREFERRED);
    CHECK_EQ(out.modes[1].width, 1024);
    CHECK_EQ(out.modes[1].refresh_mhz, 60003);
    CHECK(find(640, 480) != NULL);
}

static void test_size_in_centimetres(void)
{
    uint8_t p[BLOCK];

    base(p);
    p[54 + 12] = p[54 + 13] = p[54 + 14] = 0;
    seal(p);
    REQUIRE(parse(p, BLOCK) == VDRV_OK);
    CHECK_EQ(out.width_mm, 520);
    CHECK_EQ(out.height_mm, 290);
    p[22] = 0; /* an aspect ratio */
    seal(p);
    REQUIRE(parse(p, BLOCK) == VDRV_OK);
    CHECK_EQ(out.width_mm, 0);
}

static void test_standard_timings(void)
{
    static const struct {
        uint8_t b0, b1, revision;
        uint32_t w, h, hz;
    } t[] = {{0x81, 0x00, 4, 1280, 800, 60}, {0x81, 0x00, 2, 1280, 1280, 60},
             {0x81, 0x40, 4, 1280, 960, 60}, {0x81, 0x8f, 4, 1280, 1024, 75},
             {0x81, 0xc0, 4, 1280, 720, 60}, {0xff, 0xff, 4, 2288, 1287, 123}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct vdrv_display_mode *m;
        uint8_t p[BLOCK];

        base(p);
        p[19] = t[i].revision;
        p[40] = t[i].b0;
        p[41] = t[i].b1;
        seal(p);
        REQUIRE(parse(p, BLOCK) == VDRV_OK);
        m = find(t[i].w, t[i].h);
        REQUIRE(m != NULL);
        CHECK_EQ(m->refresh_mhz, t[i].hz * 1000);
    }
}

static void test_cta_extension(void)
{
    const struct vdrv_display_mode *m;
    uint8_t p[2 * BLOCK];

    base(p);
    p[126] = 1;
    seal(p);
    cta(p + BLOCK);
    REQUIRE(parse(p, sizeof(p)) == VDRV_OK);
    CHECK_EQ(out.blocks, 2);
    m = find(2560, 1440);
    REQUIRE(m != NULL);
    CHECK_EQ(m->refresh_mhz, 59950);
    m = find(720, 576);
    REQUIRE(m != NULL);
    CHECK_EQ(m->flags, VDRV_MODE_INTERLACED);
    CHECK(find(1280, 720) != NULL);
    CHECK(find(3840, 2160) != NULL);
    /* 1920x1080@60 is a timing and a video code, and listed once. */
    for (uint32_t i = 1; i < out.nmodes; i++)
        CHECK(out.modes[i].width != 1920 || out.modes[i].refresh_mhz != 60000);
}

static void test_bad_checksum(void)
{
    uint8_t p[2 * BLOCK];

    base(p);
    for (uint32_t i = 0; i < BLOCK; i++) {
        p[i] ^= 4;
        CHECK_EQ(parse(p, BLOCK), VDRV_ERR_INVALID);
        CHECK_EQ(out.nmodes, 0);
        p[i] ^= 4;
    }
    p[126] = 1;
    seal(p);
    cta(p + BLOCK);
    p[BLOCK + 50] ^= 1; /* the extension alone */
    REQUIRE(parse(p, sizeof(p)) == VDRV_OK);
    CHECK_EQ(out.blocks, 1);
    CHECK(find(2560, 1440) == NULL);
}

static void test_truncated(void)
{
    uint8_t p[2 * BLOCK];

    base(p);
    p[126] = 1;
    seal(p);
    cta(p + BLOCK);
    for (size_t len = 0; len < BLOCK; len++)
        CHECK_EQ(parse(p, len), VDRV_ERR_INVALID);
    for (size_t len = BLOCK; len < sizeof(p); len++) {
        REQUIRE(parse(p, len) == VDRV_OK);
        CHECK_EQ(out.blocks, 1);
    }
}

/* The count of extensions says more, or less, than there is. */
static void test_extension_count_lies(void)
{
    uint8_t p[2 * BLOCK];

    base(p);
    cta(p + BLOCK);
    for (uint32_t n = 0; n < 256; n++) {
        p[126] = (uint8_t)n;
        seal(p);
        REQUIRE(parse(p, sizeof(p)) == VDRV_OK);
        CHECK_EQ(out.blocks, n == 0 ? 1 : 2);
        REQUIRE(parse(p, BLOCK) == VDRV_OK);
        CHECK_EQ(out.blocks, 1);
    }
}

/* Offsets and lengths inside an extension point anywhere. */
static void test_extension_lengths_lie(void)
{
    uint8_t p[2 * BLOCK];

    base(p);
    p[126] = 1;
    seal(p);
    for (uint32_t at = 0; at < 256; at++) {
        for (uint32_t len = 0; len < 32; len++) {
            cta(p + BLOCK);
            p[BLOCK + 2] = (uint8_t)at;
            p[BLOCK + 4] = (uint8_t)(0x40 | len);
            seal(p + BLOCK);
            CHECK_EQ(parse(p, sizeof(p)), VDRV_OK);
        }
    }
    memset(p + BLOCK, 0, BLOCK); /* blocks of nothing, up to the last byte */
    p[BLOCK] = 2;
    p[BLOCK + 1] = 3;
    p[BLOCK + 2] = 127;
    p[BLOCK + 126] = 0x5f;
    seal(p + BLOCK);
    CHECK_EQ(parse(p, sizeof(p)), VDRV_OK);
}

static void test_too_many_modes(void)
{
    uint8_t p[8 * BLOCK];

    base(p);
    p[126] = 7;
    seal(p);
    for (uint32_t b = 1; b < 8; b++) {
        uint8_t *e = p + b * BLOCK;

        memset(e, 0, BLOCK);
        e[0] = 2;
        e[1] = 3;
        e[2] = 4;
        for (uint32_t i = 0; i < 6; i++)
            timing(e + 4 + 18 * i, 1000 + b * 10 + i, 100 + b, 10, 100 + i, 5);
        seal(e);
    }
    memset(p + 35, 0xff, 3);
    for (uint32_t i = 0; i < 16; i++)
        p[38 + i] = (uint8_t)(0x20 + 7 * i);
    seal(p);
    REQUIRE(parse(p, sizeof(p)) == VDRV_OK);
    CHECK_EQ(out.nmodes, VDRV_EDID_MODES_MAX);
    CHECK_EQ(out.modes[0].flags, VDRV_MODE_PREFERRED);
}

static void test_name_is_text(void)
{
    uint8_t p[BLOCK];

    base(p);
    memset(p + 95, 0x1b, 13); /* no end, and nothing printable */
    seal(p);
    REQUIRE(parse(p, BLOCK) == VDRV_OK);
    CHECK(strcmp(out.name, "?????????????") == 0);
    p[8] = p[9] = 0;
    seal(p);
    REQUIRE(parse(p, BLOCK) == VDRV_OK);
    CHECK(strcmp(out.manufacturer, "???") == 0);
}

static uint32_t chance(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void test_random_bytes(void)
{
    uint64_t state = check_seed();
    uint8_t p[4 * BLOCK];

    for (uint32_t round = 0; round < 20000; round++) {
        const size_t len = chance(&state) % (sizeof(p) + 1);

        for (size_t i = 0; i < sizeof(p); i++)
            p[i] = (uint8_t)chance(&state);
        if ((round & 1) != 0) { /* valid on the outside */
            base(p);
            for (uint32_t i = 0; i < 20; i++)
                p[20 + chance(&state) % 107] = (uint8_t)chance(&state);
            for (uint32_t b = 1; b < 4; b++)
                p[b * BLOCK] = 2;
            for (uint32_t b = 0; b < 4; b++)
                seal(p + b * BLOCK);
        }
        if (parse(p, len) == VDRV_OK)
            CHECK(len >= BLOCK);
        CHECK(out.nmodes <= VDRV_EDID_MODES_MAX);
        CHECK(strlen(out.name) <= 13);
        for (uint32_t i = 0; i < out.nmodes; i++)
            CHECK(out.modes[i].width != 0 && out.modes[i].height != 0);
    }
}

static void test_null(void)
{
    uint8_t p[BLOCK];

    base(p);
    CHECK_EQ(vdrv_edid_parse(NULL, 128, &out), VDRV_ERR_INVALID);
    CHECK_EQ(out.nmodes, 0);
    CHECK_EQ(vdrv_edid_parse(p, BLOCK, NULL), VDRV_ERR_INVALID);
}

#define CASE(name)                                                             \
    {                                                                          \
#name, test_##name                                                     \
    }

static const struct check_case cases[] = {
    CASE(base_block),           CASE(size_in_centimetres),
    CASE(standard_timings),     CASE(cta_extension),
    CASE(bad_checksum),         CASE(truncated),
    CASE(extension_count_lies), CASE(extension_lengths_lie),
    CASE(too_many_modes),       CASE(name_is_text),
    CASE(random_bytes),         CASE(null),
};

CHECK_MAIN(cases)
