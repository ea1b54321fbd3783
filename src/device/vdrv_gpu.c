/* SPDX-License-Identifier: MIT */
/*
 * The virtio GPU driver (VirtIO 1.4, 5.7): its life cycle and the display
 * trait's table.  See vdrv_gpu_impl.h for the other parts.
 */
#include "vdrv_gpu_impl.h"

#include "../spec/virtio_config.h"

#define BIT(n) (UINT64_C(1) << (n))

#define DEFAULT_QUEUE   64u
#define DEFAULT_RUNS    16u
#define DEFAULT_TIMEOUT 5000000u /* us */
#define DEFAULT_WIDTH   1024u    /* 5.7.5: a fallback */
#define DEFAULT_HEIGHT  768u
#define RUNS_MAX        65536u
#define QUEUE_MIN       4u
#define PAGE            4096u

/* ---- The trait ----------------------------------------------------------- */

static const char *device_name(const struct vdrv_device *dev)
{
    (void)dev;
    return "virtio-gpu";
}

static uint32_t device_type(const struct vdrv_device *dev)
{
    (void)dev;
    return VDRV_TYPE_DISPLAY;
}

static struct vdrv_virtio_gpu *of_device(const struct vdrv_device *dev)
{
    return (struct vdrv_virtio_gpu *)(uintptr_t)dev;
}

static int identify(const struct vdrv_device *dev, struct vdrv_identity *out)
{
    vdrv_driver_identify(&of_device(dev)->drv, "virtio-gpu", VDRV_TYPE_DISPLAY,
                         out);
    return VDRV_OK;
}

static uint32_t irq(struct vdrv_device *dev, uint32_t vector)
{
    return vdrv_driver_irq(&of_device(dev)->drv, vector);
}

static int poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget)
{
    return vdrv_driver_poll(&of_device(dev)->drv, queue, budget);
}

static int arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode)
{
    return vdrv_driver_arm(&of_device(dev)->drv, queue, mode);
}

static int stop(struct vdrv_device *dev)
{
    struct vdrv_virtio_gpu *gpu = of_device(dev);
    const int err = vdrv_driver_stop(&gpu->drv);

    if (err == VDRV_OK)
        vdrv__gpu_forget(gpu);
    return err;
}

static int start(struct vdrv_device *dev)
{
    return vdrv_driver_start(&of_device(dev)->drv);
}

static int suspend(struct vdrv_device *dev)
{
    return vdrv_driver_suspend(&of_device(dev)->drv);
}

static int resume(struct vdrv_device *dev)
{
    return vdrv_driver_resume(&of_device(dev)->drv);
}

/* 5.7.4: events are acknowledged through events_clear, those handled only. */
static int take_event(struct vdrv_virtio_gpu *gpu, bool *display)
{
    static const struct vdrv_config_field field = {
        offsetof(struct virtio_gpu_config, events_read), 4, 1};
    struct vdrv_transport *t = gpu->drv.transport;
    uint8_t image[4];
    const int err = vdrv_transport_config(t, &field, 1, image, sizeof(image));

    if (err != VDRV_OK)
        return err;
    *display = (vdrv__get32(image) & VIRTIO_GPU_EVENT_DISPLAY) != 0;
    /* Before the question, so that a change after its answer is not lost. */
    if (*display)
        t->ops->config_write(t,
                             offsetof(struct virtio_gpu_config, events_clear),
                             4, VIRTIO_GPU_EVENT_DISPLAY);
    return VDRV_OK;
}

static int refresh(struct vdrv_device *dev, uint32_t *changes)
{
    struct vdrv_virtio_gpu *gpu = of_device(dev);
    bool display = false, changed = false;
    int err = vdrv_driver_refresh(&gpu->drv);

    if (err == VDRV_OK && gpu->queue[VDRV__GPU_CONTROL].busy != 0)
        err = VDRV_ERR_BUSY;
    if (err == VDRV_OK)
        err = take_event(gpu, &display);
    if (err != VDRV_OK || !display)
        return err;
    err = vdrv__gpu_look(gpu, &changed);
    if (changed)
        *changes |= VDRV_CHANGE_HEADS;
    return err;
}

static int info(const struct vdrv_display *dpy, uint32_t head,
                struct vdrv_display_mode_info *out)
{
    const struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const struct vdrv_virtio_gpu_head *h;

    if (head >= gpu->heads)
        return VDRV_ERR_INVALID;
    h = &gpu->head[head];
    if (h->fb == NULL)
        return VDRV_ERR_BAD_STATE;
    out->width = h->rect.width;
    out->height = h->rect.height;
    out->x = h->rect.x;
    out->y = h->rect.y;
    out->pitch = h->fb->pitch;
    out->format = h->fb->format;
    out->fb_base = h->fb->base;
    out->fb_size = (uint64_t)h->fb->pitch * h->fb->height;
    return vdrv_format_layout(out->format, &out->layout);
}

static struct vdrv_fb *fb(const struct vdrv_display *dpy, uint32_t head)
{
    const struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);

    return head < gpu->heads ? gpu->head[head].fb : NULL;
}

static bool need_flush(const struct vdrv_display *dpy)
{
    (void)dpy;
    return true;
}

static int flush(struct vdrv_display *dpy, uint32_t head)
{
    return vdrv__gpu_flush(vdrv__gpu(dpy), head, NULL);
}

static int flush_rect(struct vdrv_display *dpy, uint32_t head,
                      const struct vdrv_rect *rect)
{
    return vdrv__gpu_flush(vdrv__gpu(dpy), head, rect);
}

static int get_caps(const struct vdrv_display *dpy,
                    struct vdrv_display_caps *out)
{
    *out = vdrv__gpu(dpy)->caps;
    return VDRV_OK;
}

/* What callers may ask for: not the driver's own operations, and not that its
   own framebuffers go. */
static int check_public(const struct vdrv_virtio_gpu *gpu,
                        const struct vdrv_display_request *req)
{
    if (req->op > VDRV_DISPLAY_DETACH || req->flags != 0)
        return VDRV_ERR_INVALID;
    if (req->op != VDRV_DISPLAY_DETACH || req->fb == NULL)
        return VDRV_OK;
    for (uint32_t i = 0; i < gpu->heads; i++) {
        const struct vdrv_virtio_gpu_head *h = &gpu->head[i];

        if (req->fb == &h->own[0] || req->fb == &h->own[1])
            return VDRV_ERR_BUSY;
    }
    return VDRV_OK;
}

static int submit(struct vdrv_display *dpy, struct vdrv_display_request *req)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const int err = check_public(gpu, req);

    return err != VDRV_OK ? err : vdrv__gpu_submit(gpu, req);
}

static int kick(struct vdrv_display *dpy, uint32_t queue)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const int err = vdrv_driver_check(&gpu->drv, queue);

    return err != VDRV_OK ? err : vdrv_queue_kick(&gpu->queue[queue].vq);
}

static int execute(struct vdrv_display *dpy, struct vdrv_display_request *req)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);
    const int err = check_public(gpu, req);

    return err != VDRV_OK ? err : vdrv__gpu_execute(gpu, req);
}

/* What an interrupted call has left behind may be half of something. */
static int panic(struct vdrv_display *dpy)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu(dpy);

    if (gpu->caps.heads == 0)
        return VDRV_ERR_BAD_STATE;
    gpu->attached = NULL;
    gpu->cursor_busy = 0;
    gpu->room = VDRV_OK;
    vdrv__gpu_free_slots(gpu);
    for (uint32_t i = 0; i < gpu->heads; i++) {
        struct vdrv_virtio_gpu_head *h = &gpu->head[i];

        h->own[0].state = VDRV_FB_DETACHED;
        h->own[1].state = VDRV_FB_DETACHED;
        h->cursor.state = VDRV_FB_DETACHED;
        h->own[0].nruns = 0;
        h->own[1].nruns = 0;
    }
    return vdrv_driver_seize(&gpu->drv);
}

static const struct vdrv_display_ops ops = {
    .base =
        {
            .device_name = device_name,
            .device_type = device_type,
            .identify = identify,
            .irq = irq,
            .poll = poll,
            .arm = arm,
            .stop = stop,
            .start = start,
            .refresh = refresh,
            .suspend = suspend,
            .resume = resume,
        },
    .info = info,
    .fb = fb,
    .need_flush = need_flush,
    .flush = flush,
    .flush_rect = flush_rect,
    .get_caps = get_caps,
    .submit = submit,
    .kick = kick,
    .execute = execute,
    .get_head = vdrv__gpu_get_head,
    .get_mode = vdrv__gpu_get_mode,
    .get_edid = vdrv__gpu_get_edid,
    .set_mode = vdrv__gpu_set_mode,
    .set_cursor = vdrv__gpu_set_cursor,
    .move_cursor = vdrv__gpu_move_cursor,
    .hide_cursor = vdrv__gpu_hide_cursor,
    .panic = panic,
};

/* ---- Memory -------------------------------------------------------------- */

/* Zeroed, page-aligned, checked. */
static void *allocate(struct vdrv_virtio_gpu *gpu, size_t size, uint64_t *dma)
{
    const struct vdrv_hal *hal = gpu->drv.hal;
    const uint64_t limit = gpu->drv.transport->dma_limit;
    void *p = hal->dma_alloc(hal->ctx, size, PAGE, limit, gpu->dma_flags, dma);

    if (p == NULL) {
        const uint64_t told = size;

        vdrv_transport_log(gpu->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc has no memory; bytes:", &told);
        return NULL;
    }
    if (((uintptr_t)p & 7u) != 0 || (*dma & (PAGE - 1)) != 0 || *dma > limit ||
        size - 1 > limit - *dma) {
        vdrv_transport_log(gpu->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc answered an address that is misaligned "
                           "or too high:",
                           dma);
        hal->dma_free(hal->ctx, p, *dma, size, gpu->dma_flags);
        return NULL;
    }
    memset(p, 0, size);
    return p;
}

static void release(struct vdrv_virtio_gpu *gpu, const struct vdrv_hal *hal)
{
    for (uint32_t i = 0; i < gpu->heads; i++) {
        struct vdrv_virtio_gpu_head *h = &gpu->head[i];

        if (h->memory != NULL)
            hal->dma_free(hal->ctx, h->memory, h->memory_dma, h->memory_size,
                          gpu->dma_flags);
        h->memory = NULL;
    }
    if (gpu->shared != NULL)
        hal->dma_free(hal->ctx, gpu->shared, gpu->shared_dma, gpu->shared_size,
                      gpu->dma_flags);
    gpu->shared = NULL;
}

static bool sane(uint32_t width, uint32_t height)
{
    return width != 0 && height != 0 && width <= VDRV__GPU_SIDE_MAX &&
           height <= VDRV__GPU_SIDE_MAX;
}

/* The mode for a head at init. */
static void choose_mode(const struct vdrv_virtio_gpu *gpu,
                        const struct vdrv_virtio_gpu_head *h, uint32_t *width,
                        uint32_t *height)
{
    const struct vdrv_virtio_gpu_config *cfg = &gpu->cfg;

    *width = h->seen.width;
    *height = h->seen.height;
    if (cfg->fixed_mode != 0 || !sane(*width, *height)) {
        *width = cfg->width;
        *height = cfg->height;
    }
    if (cfg->max_width != 0 && *width > cfg->max_width)
        *width = cfg->max_width;
    if (cfg->max_height != 0 && *height > cfg->max_height)
        *height = cfg->max_height;
}

/* Memory of a head, once: its framebuffer and its cursor. */
static int allocate_head(struct vdrv_virtio_gpu *gpu, uint32_t i)
{
    struct vdrv_virtio_gpu_head *h = &gpu->head[i];
    const bool maximum = gpu->cfg.max_width != 0;
    uint64_t size = 0, unit;
    uint32_t width, height;

    if (h->memory != NULL)
        return VDRV_OK;
    choose_mode(gpu, h, &width, &height);
    if (gpu->cfg.no_framebuffer == 0 && (maximum || h->keep != 0))
        size = maximum ? (uint64_t)gpu->cfg.max_width * gpu->cfg.max_height * 4u
                       : (uint64_t)width * height * 4u;
    unit = gpu->caps.share_align > PAGE ? gpu->caps.share_align : PAGE;
    size = (size + unit - 1) & ~(unit - 1);
    h->own_size = (size_t)size;
    h->memory_size =
        h->own_size + (gpu->cfg.cursor != 0 ? VDRV__GPU_CURSOR_BYTES : 0);
    if (h->memory_size == 0)
        return VDRV_OK;
    h->memory = allocate(gpu, h->memory_size, &h->memory_dma);
    if (h->memory == NULL)
        return VDRV_ERR_NO_MEMORY;
    h->own_seg = vdrv_seg_dma(h->memory_dma, (uint32_t)h->own_size);
    h->cursor_seg = vdrv_seg_dma(h->memory_dma + h->own_size,
                                 (uint32_t)VDRV__GPU_CURSOR_BYTES);
    vdrv__gpu_shape(gpu, &h->own[0], i, width, height);
    return VDRV_OK;
}

/* ---- Bringing it up ------------------------------------------------------ */

/* Which heads the library shows something on: those that are enabled, or the
   first (5.7.5). */
static void choose_heads(struct vdrv_virtio_gpu *gpu)
{
    uint32_t enabled = 0;

    if (gpu->cfg.no_framebuffer != 0)
        return;
    for (uint32_t i = 0; i < gpu->heads; i++) {
        gpu->head[i].keep = gpu->head[i].seen.enabled;
        enabled += gpu->head[i].keep;
    }
    if (enabled == 0)
        gpu->head[0].keep = 1;
}

/* The device runs, for the first time or again. */
static int started(struct vdrv_driver *drv)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu_of_driver(drv);
    const bool first = gpu->caps.heads == 0;
    bool changed;
    int err;

    vdrv__gpu_forget(gpu);
    err = vdrv__gpu_look(gpu, &changed); /* 5.7.5: before the first scanout */
    if (err == VDRV_OK && first)
        choose_heads(gpu);
    for (uint32_t i = 0; err == VDRV_OK && i < gpu->heads; i++)
        err = allocate_head(gpu, i);
    for (uint32_t i = 0; err == VDRV_OK && i < gpu->heads; i++) {
        if (gpu->head[i].keep != 0)
            err = vdrv__gpu_show_own(gpu, i);
    }
    if (err == VDRV_OK)
        gpu->caps.heads = gpu->heads;
    return err;
}

static void complete(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                     uint32_t len, int err)
{
    struct vdrv_virtio_gpu *gpu = vdrv__gpu_of_driver(drv);

    if (queue == VDRV__GPU_CONTROL)
        vdrv__gpu_complete(gpu, cookie, len, err);
    else
        gpu->cursor_busy &= ~(1u << ((uintptr_t)cookie - 1));
}

/* 5.7.3.1 */
static const struct vdrv_feature_rule rules[] = {
    {VIRTIO_GPU_F_BLOB_ALIGNMENT, VIRTIO_GPU_F_RESOURCE_BLOB,
     VIRTIO_GPU_F_RESOURCE_BLOB},
};

static const struct vdrv_driver_class gpu_class = {
    .complete = complete,
    .started = started,
    .rule = rules,
    .nrules = sizeof(rules) / sizeof(rules[0]),
};

static int negotiate(struct vdrv_virtio_gpu *gpu, struct vdrv_transport *t)
{
    const struct vdrv_virtio_gpu_config *cfg = &gpu->cfg;
    uint64_t wanted[2] = {
        BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM), 0};
    uint64_t required[2] = {BIT(VIRTIO_F_VERSION_1), 0};
    int err;

    if (cfg->no_edid == 0)
        wanted[0] |= BIT(VIRTIO_GPU_F_EDID);
    if (cfg->no_share == 0)
        wanted[0] |=
            BIT(VIRTIO_GPU_F_RESOURCE_BLOB) | BIT(VIRTIO_GPU_F_BLOB_ALIGNMENT);
    if (cfg->no_indirect == 0)
        wanted[0] |= BIT(VIRTIO_F_INDIRECT_DESC);
    if (cfg->no_event_idx == 0)
        wanted[0] |= BIT(VIRTIO_F_EVENT_IDX);
    wanted[0] |= vdrv_queue_features(cfg->packed, cfg->in_order);
    if (cfg->suspend)
        wanted[0] |= BIT(VIRTIO_F_SUSPEND);
    if (cfg->require_platform != 0)
        required[0] |= BIT(VIRTIO_F_ACCESS_PLATFORM);
    err = vdrv_driver_begin(&gpu->drv, &gpu->display.dev, t, &gpu_class,
                            gpu->queue, 2, cfg->timeout_us, wanted, required);
    if (err != VDRV_OK)
        return err;
    gpu->dma_flags = vdrv_feature(t->features, VIRTIO_F_ACCESS_PLATFORM)
                         ? 0
                         : VDRV_DMA_PHYSICAL; /* 6.1 */
    gpu->caps.can_edid = vdrv_feature(t->features, VIRTIO_GPU_F_EDID);
    return VDRV_OK;
}

/* 5.7.4: 1 to 16 scanouts. */
static int count_heads(struct vdrv_transport *t, uint32_t wanted,
                       uint32_t *heads)
{
    static const struct vdrv_config_field field = {
        offsetof(struct virtio_gpu_config, num_scanouts), 4, 1};
    uint8_t image[12];
    uint32_t n;
    const int err = vdrv_transport_config(t, &field, 1, image, sizeof(image));

    if (err != VDRV_OK)
        return err;
    n = vdrv__get32(image + field.offset);
    if (n == 0) {
        vdrv_transport_log(t, VDRV_LOG_ERROR, "the GPU has no scanout", NULL);
        return VDRV_ERR_PROTOCOL;
    }
    if (n > VDRV_DISPLAY_HEADS_MAX)
        n = VDRV_DISPLAY_HEADS_MAX;
    *heads = n < wanted ? n : wanted;
    return VDRV_OK;
}

/* ---- The work area ------------------------------------------------------- */

/* Sizes of its parts, each a multiple of 8. */
struct plan {
    uint32_t control; /* entries */
    uint32_t cursor;
    uint32_t heads;
    size_t control_work;
    size_t cursor_work;
    size_t slots;
    size_t monitors;
};

static size_t round8(size_t n)
{
    return (n + 7u) & ~(size_t)7u;
}

static size_t plan_total(const struct plan *p)
{
    return p->control_work + p->cursor_work + p->slots + p->monitors;
}

static int make_plan(struct vdrv_transport *t, uint32_t queue_size, bool packed,
                     uint32_t heads, struct plan *p)
{
    int n = vdrv_queue_pick_size(t, VDRV__GPU_CONTROL, queue_size, packed);
    int m;

    if (n < 0)
        return n;
    m = vdrv_queue_pick_size(t, VDRV__GPU_CURSOR, VDRV_VIRTIO_GPU_CURSOR_SLOTS,
                             packed);
    if (m < 0)
        return m;
    if (n < (int)QUEUE_MIN || m == 0) {
        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "the GPU lacks a queue, or it is too short", NULL);
        return VDRV_ERR_PROTOCOL;
    }
    p->control = (uint32_t)n;
    p->cursor = (uint32_t)m;
    p->heads = heads;
    p->control_work = round8(vdrv_queue_work_size(t->hal, p->control, 2));
    p->cursor_work = round8(vdrv_queue_work_size(t->hal, p->cursor, 2));
    p->slots = round8(sizeof(struct vdrv_virtio_gpu_slot) * p->control);
    p->monitors = heads * round8(VDRV_EDID_SIZE_MAX + sizeof(struct vdrv_edid));
    return VDRV_OK;
}

size_t vdrv_virtio_gpu_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_gpu_config *cfg)
{
    uint32_t heads = 0;
    struct plan p;

    if (t == NULL || cfg == NULL ||
        count_heads(t, cfg->heads != 0 ? cfg->heads : 1, &heads) != VDRV_OK ||
        make_plan(t, cfg->queue_size != 0 ? cfg->queue_size : DEFAULT_QUEUE,
                  cfg->packed != NULL, heads, &p) != VDRV_OK)
        return 0;
    return plan_total(&p);
}

static int add_queue(struct vdrv_virtio_gpu *gpu, uint32_t index, uint32_t size,
                     void *work, size_t work_size)
{
    const struct vdrv_queue_config cfg = {
        .index = index,
        .size = size,
        .indirect = gpu->cfg.no_indirect != 0 ? 0 : 2,
        .vector = vdrv_driver_vector_of(&gpu->drv, index),
        .packed = gpu->cfg.packed,
        .in_order = gpu->cfg.in_order,
        .work = work,
        .work_size = work_size,
    };

    return vdrv_driver_add_queue(&gpu->drv, &cfg);
}

/* Cuts the work area into its parts, and makes the queues. */
static int make_queues(struct vdrv_virtio_gpu *gpu)
{
    struct vdrv_transport *t = gpu->drv.transport;
    uint8_t *work = gpu->cfg.work;
    struct plan p;
    int err = make_plan(t, gpu->cfg.queue_size,
                        vdrv_feature(t->features, VIRTIO_F_RING_PACKED),
                        gpu->heads, &p);

    if (err != VDRV_OK)
        return err;
    if (plan_total(&p) > gpu->cfg.work_size) {
        const uint64_t need = plan_total(&p);

        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "GPU work area too small; bytes needed:", &need);
        return VDRV_ERR_NO_MEMORY;
    }
    gpu->slot = (void *)work;
    work += p.slots;
    for (uint32_t i = 0; i < gpu->heads; i++) {
        gpu->head[i].edid = (void *)work;
        gpu->head[i].raw = work + sizeof(struct vdrv_edid);
        memset(gpu->head[i].edid, 0, sizeof(struct vdrv_edid));
        work += p.monitors / gpu->heads;
    }
    err = add_queue(gpu, VDRV__GPU_CONTROL, p.control, work, p.control_work);
    work += p.control_work;
    if (err == VDRV_OK)
        err = add_queue(gpu, VDRV__GPU_CURSOR, p.cursor, work, p.cursor_work);
    return err;
}

/* ---- Init and fini ------------------------------------------------------- */

static int make_shared(struct vdrv_virtio_gpu *gpu)
{
    gpu->depth = vdrv_queue_depth(&gpu->queue[VDRV__GPU_CONTROL].vq, 2);
    gpu->cursor_depth = vdrv_queue_depth(&gpu->queue[VDRV__GPU_CURSOR].vq, 1);
    if (gpu->cursor_depth > VDRV_VIRTIO_GPU_CURSOR_SLOTS)
        gpu->cursor_depth = VDRV_VIRTIO_GPU_CURSOR_SLOTS;
    vdrv__gpu_free_slots(gpu);
    gpu->shared_size = vdrv__gpu_shared_size(gpu);
    gpu->shared = allocate(gpu, gpu->shared_size, &gpu->shared_dma);
    return gpu->shared != NULL ? VDRV_OK : VDRV_ERR_NO_MEMORY;
}

/* 5.7.4: a power of two from 4096 on; another one means that blobs cannot be
   made, and nothing for all the rest. */
static int find_sharing(struct vdrv_virtio_gpu *gpu)
{
    static const struct vdrv_config_field field = {
        offsetof(struct virtio_gpu_config, blob_alignment), 4, 1};
    struct vdrv_transport *t = gpu->drv.transport;
    uint8_t image[20];
    uint32_t unit;
    int err;

    gpu->caps.can_share = vdrv_feature(t->features, VIRTIO_GPU_F_RESOURCE_BLOB);
    gpu->caps.share_align = 1;
    if (!vdrv_feature(t->features, VIRTIO_GPU_F_BLOB_ALIGNMENT))
        return VDRV_OK;
    err = vdrv_transport_config(t, &field, 1, image, sizeof(image));
    if (err != VDRV_OK)
        return err;
    unit = vdrv__get32(image + field.offset);
    if (unit < PAGE || (unit & (unit - 1)) != 0) {
        const uint64_t shown = unit;

        vdrv_transport_log(t, VDRV_LOG_WARN,
                           "the GPU's blob alignment makes no sense:", &shown);
        gpu->caps.can_share = 0;
        return VDRV_OK;
    }
    gpu->caps.share_align = unit;
    return VDRV_OK;
}

static void fill_caps(struct vdrv_virtio_gpu *gpu)
{
    const struct vdrv_virtio_gpu_config *cfg = &gpu->cfg;
    struct vdrv_display_caps *caps = &gpu->caps;

    caps->max_rects = gpu->depth / 2;
    caps->depth = gpu->depth / 2;
    caps->max_runs = cfg->max_runs;
    caps->formats = 0xffu;
    caps->dma_align = gpu->drv.hal->dma_align > 1 ? gpu->drv.hal->dma_align : 1;
    caps->cursor_size = cfg->cursor != 0 ? VDRV_DISPLAY_CURSOR_SIZE : 0;
    caps->need_flush = 1;
    caps->can_set_mode = 1;
    caps->fb_width = cfg->max_width;
    caps->fb_height = cfg->max_height;
    for (uint32_t i = 0; cfg->max_width == 0 && i < gpu->heads; i++) {
        const struct vdrv_fb *own = &gpu->head[i].own[0];

        if (own->width > caps->fb_width)
            caps->fb_width = own->width;
        if (own->height > caps->fb_height)
            caps->fb_height = own->height;
    }
}

static int check_config(const struct vdrv_virtio_gpu_config *cfg)
{
    const bool maximum = cfg->max_width != 0 || cfg->max_height != 0;
    const bool mode = cfg->width != 0 || cfg->height != 0;

    if (cfg->work == NULL ||
        ((uintptr_t)cfg->work & (_Alignof(uint64_t) - 1)) != 0)
        return VDRV_ERR_INVALID;
    if (cfg->format > VDRV_FORMAT_ABGR || cfg->max_runs > RUNS_MAX ||
        (cfg->queue_size != 0 && cfg->queue_size < QUEUE_MIN) ||
        (maximum && !sane(cfg->max_width, cfg->max_height)) ||
        (mode && !sane(cfg->width, cfg->height)))
        return VDRV_ERR_INVALID;
    return VDRV_OK;
}

static void set_defaults(struct vdrv_virtio_gpu_config *cfg)
{
    if (cfg->queue_size == 0)
        cfg->queue_size = DEFAULT_QUEUE;
    if (cfg->heads == 0)
        cfg->heads = 1;
    if (cfg->width == 0) {
        cfg->width = DEFAULT_WIDTH;
        cfg->height = DEFAULT_HEIGHT;
    }
    if (cfg->max_runs == 0)
        cfg->max_runs = DEFAULT_RUNS;
    if (cfg->timeout_us == 0)
        cfg->timeout_us = DEFAULT_TIMEOUT;
}

/* The staircase of 3.1.1, from features to DRIVER_OK and the first picture. */
static int bring_up(struct vdrv_virtio_gpu *gpu)
{
    struct vdrv_driver *drv = &gpu->drv;
    int err = count_heads(drv->transport, gpu->cfg.heads, &gpu->heads);

    vdrv_driver_use_vectors(drv, gpu->vector, gpu->cfg.vectors, 2);
    if (err == VDRV_OK)
        err = find_sharing(gpu);
    if (err == VDRV_OK)
        err = make_queues(gpu);
    if (err == VDRV_OK)
        err = make_shared(gpu);
    if (err == VDRV_OK)
        err = vdrv_driver_run(drv);
    return err;
}

int vdrv_virtio_gpu_init_sized(struct vdrv_virtio_gpu *gpu,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_gpu_config *cfg,
                               uint32_t api_level, size_t gpu_size,
                               size_t cfg_size)
{
    const struct vdrv_hal *hal;
    int err;

    if (gpu == NULL || t == NULL || cfg == NULL ||
        api_level != VDRV_API_LEVEL || gpu_size != sizeof(*gpu) ||
        cfg_size != sizeof(*cfg) || check_config(cfg) != VDRV_OK)
        return VDRV_ERR_INVALID;
    if (t->device_id != VDRV_VIRTIO_GPU_ID)
        return VDRV_ERR_NO_DEVICE;
    if (t->claimed != 0) /* perhaps by this very object */
        return VDRV_ERR_BUSY;
    hal = t->hal;
    memset(gpu, 0, sizeof(*gpu));
    gpu->cfg = *cfg;
    gpu->next_id = 1;
    gpu->next_fence = 1;
    set_defaults(&gpu->cfg);
    vdrv_display_setup(&gpu->display, &ops);
    err = negotiate(gpu, t);
    if (err != VDRV_OK)
        return err;
    err = bring_up(gpu);
    if (err == VDRV_OK) {
        fill_caps(gpu);
        return VDRV_OK;
    }
    err = vdrv_driver_abandon(&gpu->drv, err);
    if (err != VDRV_ERR_STUCK) {
        vdrv__gpu_forget(gpu);
        release(gpu, hal);
    }
    return err;
}

int vdrv_virtio_gpu_fini(struct vdrv_virtio_gpu *gpu)
{
    const struct vdrv_hal *hal;
    int err;

    if (gpu == NULL)
        return VDRV_ERR_INVALID;
    hal = gpu->drv.hal;
    err = vdrv_driver_fini(&gpu->drv);
    if (err != VDRV_OK)
        return err;
    if (hal != NULL) {
        vdrv__gpu_forget(gpu);
        release(gpu, hal);
    }
    return VDRV_OK;
}
