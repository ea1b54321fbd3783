/* SPDX-License-Identifier: MIT */
/*
 * The GPU's heads: what the host says of them, the modes they are in, and the
 * cursor (VirtIO 1.4, 5.7.5 and 5.7.6.8 to 5.7.6.10).
 */
#include "vdrv_gpu_impl.h"

/* ---- What the host says -------------------------------------------------- */

static int ask(struct vdrv_virtio_gpu *gpu, uint32_t op, uint32_t head)
{
    struct vdrv_display_request req;

    memset(&req, 0, sizeof(req));
    req.op = op;
    req.head = head;
    return vdrv__gpu_execute(gpu, &req);
}

/* Takes one entry of the answer, each word read once. */
static bool take_display(struct vdrv_display_head *seen,
                         const struct virtio_gpu_display_one *one)
{
    const uint32_t width = shared_load32(&one->r.width);
    const uint32_t height = shared_load32(&one->r.height);
    const bool sane = width != 0 && height != 0 &&
                      width <= VDRV__GPU_SIDE_MAX &&
                      height <= VDRV__GPU_SIDE_MAX;
    const struct vdrv_display_head old = *seen;

    seen->x = shared_load32(&one->r.x);
    seen->y = shared_load32(&one->r.y);
    seen->enabled = shared_load32(&one->enabled) != 0;
    seen->width = sane ? width : 0;
    seen->height = sane ? height : 0;
    return old.x != seen->x || old.y != seen->y ||
           old.enabled != seen->enabled || old.width != seen->width ||
           old.height != seen->height;
}

/* An EDID that makes no sense is none; that is no reason to fail. */
static bool take_edid(struct vdrv_virtio_gpu *gpu,
                      struct vdrv_virtio_gpu_head *head)
{
    const struct virtio_gpu_resp_edid *resp =
        (const void *)vdrv__gpu_long_answer(gpu);
    const uint32_t header = offsetof(struct virtio_gpu_resp_edid, edid);
    const uint32_t old_size = head->seen.edid_size;
    uint32_t n = shared_load32(&resp->size);
    bool changed;

    if (n > VDRV_EDID_SIZE_MAX)
        n = VDRV_EDID_SIZE_MAX;
    if (n > gpu->answer_len - header)
        n = gpu->answer_len - header;
    changed = n != old_size || memcmp(head->raw, resp->edid, n) != 0;
    memcpy(head->raw, resp->edid, n);
    head->seen.edid_size = n;
    if (vdrv_edid_parse(head->raw, n, head->edid) != VDRV_OK)
        head->seen.edid_size = 0;
    head->seen.width_mm = head->edid->width_mm;
    head->seen.height_mm = head->edid->height_mm;
    return changed && (old_size != 0 || head->seen.edid_size != 0);
}

static void drop_edid(struct vdrv_virtio_gpu_head *head)
{
    memset(head->edid, 0, sizeof(*head->edid));
    head->seen.edid_size = 0;
    head->seen.width_mm = 0;
    head->seen.height_mm = 0;
}

/* GET_EDID of one head; sets `*changed` when it is another. */
static int look_at_edid(struct vdrv_virtio_gpu *gpu, uint32_t i, bool *changed)
{
    struct vdrv_virtio_gpu_head *head = &gpu->head[i];
    int err = VDRV_ERR_UNSUPPORTED;

    if (gpu->caps.can_edid != 0 && head->seen.enabled != 0)
        err = ask(gpu, VDRV__GPU_ASK_EDID, i);
    if (err == VDRV_OK) {
        if (take_edid(gpu, head))
            *changed = true;
        return VDRV_OK;
    }
    drop_edid(head);
    /* It has none: the device says so, or was not asked. */
    return err == VDRV_ERR_UNSUPPORTED || err == VDRV_ERR_IO ||
                   err == VDRV_ERR_NO_MEMORY
               ? VDRV_OK
               : err;
}

int vdrv__gpu_look(struct vdrv_virtio_gpu *gpu, bool *changed)
{
    const struct virtio_gpu_resp_display_info *resp =
        (const void *)vdrv__gpu_long_answer(gpu);
    int err = ask(gpu, VDRV__GPU_ASK_DISPLAY, 0);

    *changed = false;
    if (err != VDRV_OK)
        return err;
    for (uint32_t i = 0; i < gpu->heads; i++) {
        if (take_display(&gpu->head[i].seen, &resp->pmodes[i]))
            *changed = true;
    }
    for (uint32_t i = 0; err == VDRV_OK && i < gpu->heads; i++)
        err = look_at_edid(gpu, i, changed);
    if (*changed)
        gpu->caps.generation++;
    return err;
}

int vdrv__gpu_get_head(const struct vdrv_display *dpy, uint32_t head,
                       struct vdrv_display_head *out)
{
    const struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const struct vdrv_virtio_gpu_head *h;

    if (head >= gpu->heads)
        return VDRV_ERR_INVALID;
    h = &gpu->head[head];
    *out = h->seen;
    out->active = h->fb != NULL;
    out->modes = h->edid->nmodes + (h->seen.width != 0);
    return VDRV_OK;
}

int vdrv__gpu_get_mode(const struct vdrv_display *dpy, uint32_t head,
                       uint32_t index, struct vdrv_display_mode *out)
{
    const struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const struct vdrv_virtio_gpu_head *h;

    if (head >= gpu->heads)
        return VDRV_ERR_INVALID;
    h = &gpu->head[head];
    if (h->seen.width != 0 && index-- == 0) {
        out->width = h->seen.width;
        out->height = h->seen.height;
        out->flags = VDRV_MODE_SUGGESTED;
        return VDRV_OK;
    }
    if (index >= h->edid->nmodes)
        return VDRV_ERR_INVALID;
    *out = h->edid->modes[index];
    return VDRV_OK;
}

int vdrv__gpu_get_edid(const struct vdrv_display *dpy, uint32_t head, void *buf,
                       size_t size)
{
    const struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const struct vdrv_virtio_gpu_head *h;
    uint32_t n;

    if (head >= gpu->heads)
        return VDRV_ERR_INVALID;
    h = &gpu->head[head];
    n = h->seen.edid_size;
    if (n == 0)
        return VDRV_ERR_UNSUPPORTED;
    if (size != 0)
        memcpy(buf, h->raw, size < n ? size : n);
    return (int)n;
}

/* ---- Showing ------------------------------------------------------------- */

static int simple(struct vdrv_virtio_gpu *gpu, uint32_t op, uint32_t head,
                  struct vdrv_fb *fb)
{
    struct vdrv_display_request req;

    memset(&req, 0, sizeof(req));
    req.op = op;
    req.head = head;
    req.fb = fb;
    return vdrv__gpu_execute(gpu, &req);
}

static int scanout(struct vdrv_virtio_gpu *gpu, uint32_t head,
                   struct vdrv_fb *fb, uint32_t width, uint32_t height)
{
    struct vdrv_display_request req;

    memset(&req, 0, sizeof(req));
    req.op = VDRV_DISPLAY_SCANOUT;
    req.head = head;
    req.fb = fb;
    req.width = width;
    req.height = height;
    return vdrv__gpu_execute(gpu, &req);
}

void vdrv__gpu_shape(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb,
                     uint32_t head, uint32_t width, uint32_t height)
{
    struct vdrv_virtio_gpu_head *h = &gpu->head[head];

    memset(fb, 0, sizeof(*fb));
    fb->width = width;
    fb->height = height;
    fb->pitch = width * 4u;
    fb->format = gpu->cfg.format;
    fb->base = h->memory;
    fb->segs = &h->own_seg;
    fb->nsegs = 1;
    if (gpu->cfg.share != 0 && gpu->caps.can_share != 0)
        fb->flags = VDRV_FB_SHARED;
}

int vdrv__gpu_show_own(struct vdrv_virtio_gpu *gpu, uint32_t head)
{
    struct vdrv_fb *fb = &gpu->head[head].own[gpu->head[head].now];
    int err = simple(gpu, VDRV_DISPLAY_ATTACH, 0, fb);

    if (err == VDRV_OK)
        err = scanout(gpu, head, fb, fb->width, fb->height);
    if (err == VDRV_OK)
        err = vdrv__gpu_flush(gpu, head, NULL);
    return err;
}

/*
 * A second object over the same memory takes the first one's place; that one
 * goes only when the device shows the new one.
 */
static int set_own_mode(struct vdrv_virtio_gpu *gpu, uint32_t head,
                        uint32_t width, uint32_t height)
{
    struct vdrv_virtio_gpu_head *h = &gpu->head[head];
    struct vdrv_fb *old = &h->own[h->now], *fb = &h->own[1 - h->now];
    int err;

    /* own_size is a multiple of what blobs have to be. */
    if ((uint64_t)width * height > h->own_size / 4u)
        return VDRV_ERR_TOO_BIG;
    if (fb->state != VDRV_FB_DETACHED)
        return VDRV_ERR_BAD_STATE; /* the device did not let go of it */
    vdrv__gpu_shape(gpu, fb, head, width, height);
    err = simple(gpu, VDRV_DISPLAY_ATTACH, 0, fb);
    if (err != VDRV_OK)
        return err;
    err = scanout(gpu, head, fb, width, height);
    if (err != VDRV_OK) {
        (void)simple(gpu, VDRV_DISPLAY_DETACH, 0, fb);
        return err;
    }
    h->now = 1 - h->now;
    h->keep = 1;
    memset(fb->base, 0, (size_t)fb->pitch * fb->height);
    err = vdrv__gpu_flush(gpu, head, NULL);
    if (err == VDRV_OK && old->state == VDRV_FB_ATTACHED && old->shown == 0)
        err = simple(gpu, VDRV_DISPLAY_DETACH, 0, old);
    return err;
}

int vdrv__gpu_set_mode(struct vdrv_display *dpy, uint32_t head, uint32_t width,
                       uint32_t height, struct vdrv_fb *fb)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    bool attached = false;
    int err = VDRV_OK;

    if (head >= gpu->heads || width > VDRV__GPU_SIDE_MAX ||
        height > VDRV__GPU_SIDE_MAX)
        return VDRV_ERR_INVALID;
    if (gpu->queue[VDRV__GPU_CONTROL].busy != 0)
        return VDRV_ERR_BUSY;
    if (fb == NULL)
        return set_own_mode(gpu, head, width, height);
    if (fb->state == VDRV_FB_DETACHED) {
        err = simple(gpu, VDRV_DISPLAY_ATTACH, 0, fb);
        attached = err == VDRV_OK;
    }
    if (err == VDRV_OK)
        err = scanout(gpu, head, fb, width, height);
    if (err != VDRV_OK && attached)
        (void)simple(gpu, VDRV_DISPLAY_DETACH, 0, fb);
    return err == VDRV_OK ? vdrv__gpu_flush(gpu, head, NULL) : err;
}

/* ---- The cursor ---------------------------------------------------------- */

/* A free command slot of the cursor queue, or the number of them. */
static uint32_t cursor_slot(const struct vdrv_virtio_gpu *gpu)
{
    uint32_t i = 0;

    while (i < gpu->cursor_depth && (gpu->cursor_busy >> i & 1u) != 0)
        i++;
    return i;
}

/* 5.7.6.10.  The device answers nothing. */
static int send_cursor(struct vdrv_virtio_gpu *gpu, uint32_t head,
                       uint32_t type, const uint32_t hot[2])
{
    const struct vdrv_virtio_gpu_head *h = &gpu->head[head];
    struct vdrv_queue *q = &gpu->queue[VDRV__GPU_CURSOR].vq;
    struct virtio_gpu_update_cursor cmd;
    struct vdrv_seg seg;
    uint8_t *at;
    const uint32_t i = cursor_slot(gpu);
    int err;

    if (i == gpu->cursor_depth)
        return VDRV_ERR_AGAIN;
    memset(&cmd, 0, sizeof(cmd));
    cmd.hdr.type = le32(type);
    cmd.pos.scanout_id = le32(head);
    cmd.pos.x = le32(h->cursor_at[0]);
    cmd.pos.y = le32(h->cursor_at[1]);
    /* A move need not say which; QEMU hides the cursor if it does not. */
    cmd.resource_id = le32(h->cursor_shown != 0 ? h->cursor.id : 0);
    cmd.hot_x = le32(hot[0]);
    cmd.hot_y = le32(hot[1]);
    seg = vdrv_seg_dma(vdrv__gpu_cursor_dma(gpu, i, &at), sizeof(cmd));
    memcpy(at, &cmd, sizeof(cmd));
    err = vdrv_queue_add(q, &seg, 1, 0, (void *)(uintptr_t)(i + 1));
    if (err != VDRV_OK)
        return err;
    gpu->cursor_busy |= 1u << i;
    err = vdrv_queue_kick(q);
    return err < 0 ? err : VDRV_OK;
}

/* May this be called, and has the device freed some room? */
static int cursor_ready(struct vdrv_virtio_gpu *gpu, uint32_t head)
{
    int n;

    if (gpu->caps.cursor_size == 0)
        return VDRV_ERR_UNSUPPORTED;
    if (head >= gpu->heads)
        return VDRV_ERR_INVALID;
    n = vdrv_driver_poll(&gpu->drv, VDRV__GPU_CURSOR, 0);
    return n < 0 && n != VDRV_ERR_BUSY ? n : VDRV_OK;
}

/* 5.7.6.6: the image is with the device before the command that shows it. */
static int bring_image(struct vdrv_virtio_gpu *gpu, uint32_t head,
                       const void *image)
{
    struct vdrv_virtio_gpu_head *h = &gpu->head[head];
    struct vdrv_fb *fb = &h->cursor;
    int err = VDRV_OK;

    if (fb->state == VDRV_FB_DETACHED) {
        memset(fb, 0, sizeof(*fb));
        fb->width = VDRV_DISPLAY_CURSOR_SIZE;
        fb->height = VDRV_DISPLAY_CURSOR_SIZE;
        fb->pitch = VDRV_DISPLAY_CURSOR_SIZE * 4u;
        fb->format = VDRV_FORMAT_BGRA;
        fb->base = h->memory + h->own_size;
        fb->segs = &h->cursor_seg;
        fb->nsegs = 1;
        err = simple(gpu, VDRV_DISPLAY_ATTACH, 0, fb);
    }
    if (err != VDRV_OK)
        return err;
    memcpy(fb->base, image, VDRV__GPU_CURSOR_BYTES);
    return simple(gpu, VDRV__GPU_TRANSFER, 0, fb);
}

int vdrv__gpu_set_cursor(struct vdrv_display *dpy, uint32_t head,
                         const void *image, uint32_t hot_x, uint32_t hot_y)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const uint32_t hot[2] = {hot_x, hot_y};
    int err = cursor_ready(gpu, head);

    if (err == VDRV_OK)
        err = bring_image(gpu, head, image);
    if (err != VDRV_OK)
        return err;
    gpu->head[head].cursor_shown = 1;
    return send_cursor(gpu, head, VIRTIO_GPU_CMD_UPDATE_CURSOR, hot);
}

int vdrv__gpu_move_cursor(struct vdrv_display *dpy, uint32_t head, uint32_t x,
                          uint32_t y)
{
    static const uint32_t none[2] = {0, 0};
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    int err = cursor_ready(gpu, head);

    if (err != VDRV_OK)
        return err;
    gpu->head[head].cursor_at[0] = x;
    gpu->head[head].cursor_at[1] = y;
    return send_cursor(gpu, head, VIRTIO_GPU_CMD_MOVE_CURSOR, none);
}

int vdrv__gpu_hide_cursor(struct vdrv_display *dpy, uint32_t head)
{
    static const uint32_t none[2] = {0, 0};
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    int err = cursor_ready(gpu, head);

    if (err != VDRV_OK)
        return err;
    gpu->head[head].cursor_shown = 0;
    return send_cursor(gpu, head, VIRTIO_GPU_CMD_UPDATE_CURSOR, none);
}
