/* SPDX-License-Identifier: MIT */
/*
 * Reads what a monitor says of itself: VESA E-EDID 1.3 and 1.4, and the timings
 * of CTA-861 extension blocks.  A pure function over bytes that somebody else
 * made: no byte beyond the length is looked at, whatever the others say.
 */
#include <virtio_drv/display.h>

#include "../core/bytes.h"
#include "../core/mem.h"

#define BLOCK        VDRV_EDID_BLOCK
#define TIMING       18u /* bytes of a detailed timing, or a descriptor */
#define TAG_CTA      0x02u
#define TAG_NAME     0xfcu
#define TAG_STANDARD 0xfau
#define CTA_VIDEO    2u

/* Byte and bit of an established timing, and what it stands for. */
struct established {
    uint8_t byte;
    uint8_t bit;
    uint16_t width;
    uint16_t height;
    uint8_t hz;
};

static const struct established established[] = {
    {35, 7, 720, 400, 70},  {35, 6, 720, 400, 88},  {35, 5, 640, 480, 60},
    {35, 4, 640, 480, 67},  {35, 3, 640, 480, 72},  {35, 2, 640, 480, 75},
    {35, 1, 800, 600, 56},  {35, 0, 800, 600, 60},  {36, 7, 800, 600, 72},
    {36, 6, 800, 600, 75},  {36, 5, 832, 624, 75},  {36, 3, 1024, 768, 60},
    {36, 2, 1024, 768, 70}, {36, 1, 1024, 768, 75}, {36, 0, 1280, 1024, 75},
    {37, 7, 1152, 870, 75},
};

/* Common progressive modes by CTA-861 video identification code. */
struct video_code {
    uint8_t vic;
    uint8_t hz;
    uint16_t width;
    uint16_t height;
};

static const struct video_code video_codes[] = {
    {1, 60, 640, 480},    {2, 60, 720, 480},    {3, 60, 720, 480},
    {4, 60, 1280, 720},   {16, 60, 1920, 1080}, {17, 50, 720, 576},
    {18, 50, 720, 576},   {19, 50, 1280, 720},  {31, 50, 1920, 1080},
    {32, 24, 1920, 1080}, {33, 25, 1920, 1080}, {34, 30, 1920, 1080},
    {93, 24, 3840, 2160}, {94, 25, 3840, 2160}, {95, 30, 3840, 2160},
    {96, 50, 3840, 2160}, {97, 60, 3840, 2160},
};

static bool sum_is_zero(const uint8_t *block)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < BLOCK; i++)
        sum = (uint8_t)(sum + block[i]);
    return sum == 0;
}

static bool base_valid(const uint8_t *p, size_t len)
{
    static const uint8_t magic[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};

    return p != NULL && len >= BLOCK && memcmp(p, magic, sizeof(magic)) == 0 &&
           p[18] == 1 && sum_is_zero(p);
}

/* ---- Modes --------------------------------------------------------------- */

static void add_mode(struct vdrv_edid *out, uint32_t width, uint32_t height,
                     uint32_t mhz, uint32_t flags)
{
    struct vdrv_display_mode *m;

    for (uint32_t i = 0; i < out->nmodes; i++) {
        m = &out->modes[i];
        if (m->width == width && m->height == height && m->refresh_mhz == mhz &&
            ((m->flags ^ flags) & 4u) == 0)
            return;
    }
    if (out->nmodes == VDRV_EDID_MODES_MAX)
        return;
    m = &out->modes[out->nmodes++];
    m->width = width;
    m->height = height;
    m->refresh_mhz = mhz;
    m->flags = flags;
}

/* E-EDID 3.10.2.  False: it is no timing. */
static bool add_timing(struct vdrv_edid *out, const uint8_t *d, uint32_t flags)
{
    const uint32_t clock = vdrv__get16(d); /* 10 kHz */
    const uint32_t width = d[2] | (d[4] & 0xf0u) << 4;
    const uint32_t hblank = d[3] | (d[4] & 0x0fu) << 8;
    const uint32_t height = d[5] | (d[7] & 0xf0u) << 4;
    const uint32_t vblank = d[6] | (d[7] & 0x0fu) << 8;
    const bool interlaced = (d[17] & 0x80u) != 0;
    uint64_t mhz;

    if (clock == 0 || width == 0 || height == 0)
        return false;
    mhz = (uint64_t)clock * 10000000u / (width + hblank) / (height + vblank);
    add_mode(out, width, interlaced ? height * 2 : height,
             mhz > UINT32_MAX ? 0 : (uint32_t)mhz,
             flags | (interlaced ? VDRV_MODE_INTERLACED : 0));
    return true;
}

/* E-EDID 3.9: two bytes. */
static void add_standard(struct vdrv_edid *out, const uint8_t *p)
{
    const uint32_t width = (p[0] + 31u) * 8u;
    uint32_t height = 0;

    if (p[0] == 0 || (p[0] == 1 && p[1] == 1))
        return;
    switch (p[1] >> 6) {
    case 0:
        height = out->revision >= 3 ? width * 10 / 16 : width;
        break;
    case 1:
        height = width * 3 / 4;
        break;
    case 2:
        height = width * 4 / 5;
        break;
    default:
        height = width * 9 / 16;
        break;
    }
    add_mode(out, width, height, ((p[1] & 63u) + 60u) * 1000u, 0);
}

static void add_established(struct vdrv_edid *out, const uint8_t *p)
{
    const struct established *e = established;
    const size_t n = sizeof(established) / sizeof(established[0]);

    for (size_t i = 0; i < n; i++) {
        if ((p[e[i].byte] >> e[i].bit & 1) != 0)
            add_mode(out, e[i].width, e[i].height, e[i].hz * 1000u, 0);
    }
}

/* ---- The base block ------------------------------------------------------ */

static void read_name(struct vdrv_edid *out, const uint8_t *text)
{
    uint32_t n = 0;

    for (; n < 13 && text[n] != '\n'; n++)
        out->name[n] = (char)(text[n] >= ' ' && text[n] <= '~' ? text[n] : '?');
    out->name[n] = '\0';
}

static void read_identity(struct vdrv_edid *out, const uint8_t *p)
{
    const uint32_t id = (uint32_t)p[8] << 8 | p[9];

    for (uint32_t i = 0; i < 3; i++) {
        const uint32_t letter = id >> (10 - 5 * i) & 31u;

        out->manufacturer[i] =
            (char)(letter >= 1 && letter <= 26 ? '@' + letter : '?');
    }
    out->product = vdrv__get16(p + 10);
    out->serial = vdrv__get32(p + 12);
    out->version = p[18];
    out->revision = p[19];
    if (p[21] != 0 && p[22] != 0) { /* otherwise an aspect ratio */
        out->width_mm = p[21] * 10u;
        out->height_mm = p[22] * 10u;
    }
}

/* The size of the picture is more exact in the preferred timing. */
static void read_size(struct vdrv_edid *out, const uint8_t *d)
{
    const uint32_t width = d[12] | (d[14] & 0xf0u) << 4;
    const uint32_t height = d[13] | (d[14] & 0x0fu) << 8;

    if (width != 0 && height != 0) {
        out->width_mm = width;
        out->height_mm = height;
    }
}

static void read_descriptors(struct vdrv_edid *out, const uint8_t *p)
{
    for (uint32_t at = 54; at < 54 + 4 * TIMING; at += TIMING) {
        const uint8_t *d = p + at;

        if (vdrv__get16(d) == 0) {
            if (d[3] == TAG_NAME)
                read_name(out, d + 5);
        } else if (add_timing(out, d, at == 54 ? VDRV_MODE_PREFERRED : 0) &&
                   at == 54) {
            read_size(out, d);
        }
    }
}

static void read_standards(struct vdrv_edid *out, const uint8_t *p)
{
    for (uint32_t i = 0; i < 8; i++)
        add_standard(out, p + 38 + (size_t)2 * i);
    for (uint32_t at = 54; at < 54 + 4 * TIMING; at += TIMING) {
        if (vdrv__get16(p + at) != 0 || p[at + 3] != TAG_STANDARD)
            continue;
        for (uint32_t i = 0; i < 6; i++)
            add_standard(out, p + at + 5 + (size_t)2 * i);
    }
}

/* ---- Extensions ---------------------------------------------------------- */

static void read_video_codes(struct vdrv_edid *out, const uint8_t *p,
                             uint32_t n)
{
    const struct video_code *v = video_codes;

    for (uint32_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof(video_codes) / sizeof(*v); k++) {
            if (v[k].vic == (p[i] & 0x7fu))
                add_mode(out, v[k].width, v[k].height, v[k].hz * 1000u, 0);
        }
    }
}

/* CTA-861: data blocks up to `p[2]`, detailed timings from there. */
static void read_cta(struct vdrv_edid *out, const uint8_t *p)
{
    const uint32_t end = p[2];

    if (p[0] != TAG_CTA || end < 4 || end > BLOCK - 1)
        return;
    for (uint32_t at = end; at + TIMING <= BLOCK - 1; at += TIMING) {
        if (!add_timing(out, p + at, 0))
            break;
    }
    for (uint32_t at = 4; p[1] >= 3 && at < end;) {
        const uint32_t len = p[at] & 31u;

        if (at + 1 + len > end)
            break;
        if (p[at] >> 5 == CTA_VIDEO)
            read_video_codes(out, p + at + 1, len);
        at += 1 + len;
    }
}

int vdrv_edid_parse(const void *data, size_t len, struct vdrv_edid *out)
{
    const uint8_t *p = data;
    size_t blocks = len / BLOCK;

    if (out == NULL)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    if (!base_valid(p, len))
        return VDRV_ERR_INVALID;
    if (blocks > p[126] + 1u)
        blocks = p[126] + 1u;
    read_identity(out, p);
    read_descriptors(out, p);
    out->blocks = 1;
    for (size_t i = 1; i < blocks; i++) {
        if (!sum_is_zero(p + i * BLOCK))
            continue;
        out->blocks++;
        read_cta(out, p + i * BLOCK);
    }
    read_standards(out, p);
    add_established(out, p);
    return VDRV_OK;
}
