/* SPDX-License-Identifier: MIT */
/* LVGL's partial rendering on the display trait: see lvgl_flush.h. */
#include "lvgl_flush.h"

static void flushed(struct vdrv_display_request *req)
{
    lv_display_flush_ready(req->user);
}

void lvgl_flush_cb(lv_display_t *disp, const lv_area_t *area, uint8_t *px_map)
{
    struct lvgl_screen *s = lv_display_get_user_data(disp);

    s->area = vdrv_rect_make((uint32_t)area->x1, (uint32_t)area->y1,
                             (uint32_t)(area->x2 - area->x1 + 1),
                             (uint32_t)(area->y2 - area->y1 + 1));
    s->req = (struct vdrv_display_request){.op = VDRV_DISPLAY_FLUSH,
                                           .rects = &s->area,
                                           .nrects = 1,
                                           .done = flushed,
                                           .user = disp};
    if (vdrv_fb_blit(vdrv_display_fb(s->dpy, 0), &s->area, px_map, 0,
                     s->format) != VDRV_OK ||
        vdrv_display_submit(s->dpy, &s->req) != VDRV_OK)
        lv_display_flush_ready(disp); /* the frame is lost, not the screen */
    else
        (void)vdrv_display_kick(s->dpy, VDRV_DISPLAY_QUEUE);
}
