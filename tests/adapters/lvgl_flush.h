/* SPDX-License-Identifier: MIT */
/*
 * A partial flush callback, as LVGL 9 calls it, on the display trait.  The
 * declarations with lv_ stand in for LVGL's own, in the same shape.
 */
#ifndef LVGL_FLUSH_H
#define LVGL_FLUSH_H

#include <virtio_drv/display.h>

typedef struct {
    int32_t x1, y1, x2, y2; /* both ends are inside */
} lv_area_t;

typedef struct lv_display lv_display_t;

void *lv_display_get_user_data(lv_display_t *disp);
void lv_display_flush_ready(lv_display_t *disp);

/* The display's user data. */
struct lvgl_screen {
    struct vdrv_display *dpy;
    uint32_t format; /* of LVGL's buffers: VDRV_FORMAT_BGRX, _RGB565_LE */
    struct vdrv_rect area;
    struct vdrv_display_request req;
};

/* For lv_display_set_flush_cb().  Never waits. */
void lvgl_flush_cb(lv_display_t *disp, const lv_area_t *area, uint8_t *px_map);

#endif
