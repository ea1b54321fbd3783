/* SPDX-License-Identifier: MIT */
/* The wrappers of the display trait: see display.h. */
#include <virtio_drv/display.h>

#include "../core/mem.h"

static const struct vdrv_display_ops *ops_of(const struct vdrv_display *dpy)
{
    if (dpy == NULL)
        return NULL;
    return (const struct vdrv_display_ops *)(const void *)dpy->dev.ops;
}

void vdrv_display_setup(struct vdrv_display *dpy,
                        const struct vdrv_display_ops *ops)
{
    dpy->dev.ops = &ops->base;
    dpy->dev.user = NULL;
}

int vdrv_display_info(const struct vdrv_display *dpy, uint32_t head,
                      struct vdrv_display_mode_info *out)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    return ops->info != NULL ? ops->info(dpy, head, out) : VDRV_ERR_UNSUPPORTED;
}

struct vdrv_fb *vdrv_display_fb(const struct vdrv_display *dpy, uint32_t head)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    return ops != NULL && ops->fb != NULL ? ops->fb(dpy, head) : NULL;
}

bool vdrv_display_need_flush(const struct vdrv_display *dpy)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    return ops != NULL && ops->need_flush != NULL && ops->need_flush(dpy);
}

int vdrv_display_flush(struct vdrv_display *dpy, uint32_t head)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->flush != NULL ? ops->flush(dpy, head) : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_flush_rect(struct vdrv_display *dpy, uint32_t head,
                            const struct vdrv_rect *rect)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || rect == NULL)
        return VDRV_ERR_INVALID;
    if (ops->flush_rect == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return vdrv_rect_empty(rect) ? VDRV_OK : ops->flush_rect(dpy, head, rect);
}

int vdrv_display_get_caps(const struct vdrv_display *dpy,
                          struct vdrv_display_caps *out)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    return ops->get_caps != NULL ? ops->get_caps(dpy, out)
                                 : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_submit(struct vdrv_display *dpy,
                        struct vdrv_display_request *req)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || req == NULL)
        return VDRV_ERR_INVALID;
    return ops->submit != NULL ? ops->submit(dpy, req) : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_kick(struct vdrv_display *dpy, uint32_t queue)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->kick != NULL ? ops->kick(dpy, queue) : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_execute(struct vdrv_display *dpy,
                         struct vdrv_display_request *req)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || req == NULL)
        return VDRV_ERR_INVALID;
    return ops->execute != NULL ? ops->execute(dpy, req) : VDRV_ERR_UNSUPPORTED;
}

/* A request on the stack: execute returns only when the driver is done with
   it, or has forgotten it. */
static int execute_op(struct vdrv_display *dpy, uint32_t op, struct vdrv_fb *fb)
{
    struct vdrv_display_request req;

    if (fb == NULL)
        return VDRV_ERR_INVALID;
    memset(&req, 0, sizeof(req));
    req.op = op;
    req.fb = fb;
    return vdrv_display_execute(dpy, &req);
}

int vdrv_display_attach(struct vdrv_display *dpy, struct vdrv_fb *fb)
{
    return execute_op(dpy, VDRV_DISPLAY_ATTACH, fb);
}

int vdrv_display_detach(struct vdrv_display *dpy, struct vdrv_fb *fb)
{
    return execute_op(dpy, VDRV_DISPLAY_DETACH, fb);
}

int vdrv_display_set_scanout(struct vdrv_display *dpy, uint32_t head,
                             struct vdrv_fb *fb, uint32_t x, uint32_t y)
{
    struct vdrv_display_request req;

    memset(&req, 0, sizeof(req));
    req.op = VDRV_DISPLAY_SCANOUT;
    req.head = head;
    req.fb = fb;
    req.x = x;
    req.y = y;
    return vdrv_display_execute(dpy, &req);
}

int vdrv_display_get_head(const struct vdrv_display *dpy, uint32_t head,
                          struct vdrv_display_head *out)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    return ops->get_head != NULL ? ops->get_head(dpy, head, out)
                                 : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_get_mode(const struct vdrv_display *dpy, uint32_t head,
                          uint32_t index, struct vdrv_display_mode *out)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    memset(out, 0, sizeof(*out));
    return ops->get_mode != NULL ? ops->get_mode(dpy, head, index, out)
                                 : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_get_edid(const struct vdrv_display *dpy, uint32_t head,
                          void *buf, size_t size)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || (buf == NULL && size != 0))
        return VDRV_ERR_INVALID;
    return ops->get_edid != NULL ? ops->get_edid(dpy, head, buf, size)
                                 : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_set_mode(struct vdrv_display *dpy, uint32_t head,
                          uint32_t width, uint32_t height, struct vdrv_fb *fb)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || width == 0 || height == 0)
        return VDRV_ERR_INVALID;
    return ops->set_mode != NULL ? ops->set_mode(dpy, head, width, height, fb)
                                 : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_set_cursor(struct vdrv_display *dpy, uint32_t head,
                            const void *image, uint32_t hot_x, uint32_t hot_y)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL || image == NULL || hot_x >= VDRV_DISPLAY_CURSOR_SIZE ||
        hot_y >= VDRV_DISPLAY_CURSOR_SIZE)
        return VDRV_ERR_INVALID;
    return ops->set_cursor != NULL
               ? ops->set_cursor(dpy, head, image, hot_x, hot_y)
               : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_move_cursor(struct vdrv_display *dpy, uint32_t head,
                             uint32_t x, uint32_t y)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->move_cursor != NULL ? ops->move_cursor(dpy, head, x, y)
                                    : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_hide_cursor(struct vdrv_display *dpy, uint32_t head)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->hide_cursor != NULL ? ops->hide_cursor(dpy, head)
                                    : VDRV_ERR_UNSUPPORTED;
}

int vdrv_display_panic(struct vdrv_display *dpy)
{
    const struct vdrv_display_ops *ops = ops_of(dpy);

    if (ops == NULL)
        return VDRV_ERR_INVALID;
    return ops->panic != NULL ? ops->panic(dpy) : VDRV_ERR_UNSUPPORTED;
}
