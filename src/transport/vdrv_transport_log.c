/* SPDX-License-Identifier: MIT */
/* One finished line of text from parts, without a printf. */
#include <virtio_drv/transport.h>

#define LINE_MAX_BYTES 160

struct line {
    char text[LINE_MAX_BYTES];
    uint32_t len;
};

static void put(struct line *l, const char *s)
{
    while (*s != '\0' && l->len < LINE_MAX_BYTES - 1)
        l->text[l->len++] = *s++;
}

static void put_hex(struct line *l, uint64_t v)
{
    char digits[17];
    uint32_t i = 16;

    digits[16] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[v & 15u];
        v >>= 4;
    } while (v != 0);
    put(l, " 0x");
    put(l, &digits[i]);
}

void vdrv_transport_log(const struct vdrv_transport *t, uint32_t level,
                        const char *text, const uint64_t *value)
{
    struct line l;

    if (t->hal->log == NULL)
        return;
    l.len = 0;
    put(&l, t->location);
    put(&l, ": ");
    put(&l, text);
    if (value != NULL)
        put_hex(&l, *value);
    l.text[l.len] = '\0';
    t->hal->log(t->hal->ctx, level, l.text);
}
