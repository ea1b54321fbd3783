/* SPDX-License-Identifier: MIT */
/*
 * The GPU's commands and the requests made of them (VirtIO 1.4, 5.7.6).
 *
 * A request is one or more commands on the control queue; it ends when the last
 * of them is answered, with the first error.  Each command has a slot of shared
 * memory for itself and its answer, and carries a fence of its own, so that an
 * answer is neither early nor another one's.  What is remembered of a command
 * is in private memory.
 */
#include "vdrv_gpu_impl.h"

#include "../queue/vdrv_queue_impl.h"

/* Before the list of runs, for the command that it is a part of. */
#define BACKING_HEADER ((size_t)64)
#define ENTRY          sizeof(struct virtio_gpu_mem_entry)
#define ROOM_ROUNDS    1024u

/* opaque[0] of a pending request: commands to come, and who waits. */
#define PENDING_MASK 0xffffu
#define BLOCKING     0x10000u

/* ---- Shared memory ------------------------------------------------------- */

/* Slots, then the list of runs, then the long answer, then cursor commands. */
static size_t runs_at(const struct vdrv_virtio_gpu *gpu)
{
    return (size_t)gpu->depth * VDRV__GPU_SLOT;
}

static size_t answer_at(const struct vdrv_virtio_gpu *gpu)
{
    return (runs_at(gpu) + BACKING_HEADER + ENTRY * gpu->cfg.max_runs + 63u) &
           ~(size_t)63u;
}

static size_t cursor_at(const struct vdrv_virtio_gpu *gpu)
{
    return (answer_at(gpu) + sizeof(struct virtio_gpu_resp_edid) + 63u) &
           ~(size_t)63u;
}

size_t vdrv__gpu_shared_size(const struct vdrv_virtio_gpu *gpu)
{
    return cursor_at(gpu) +
           (size_t)VDRV_VIRTIO_GPU_CURSOR_SLOTS * VDRV__GPU_CURSOR_SLOT;
}

uint8_t *vdrv__gpu_long_answer(struct vdrv_virtio_gpu *gpu)
{
    return gpu->shared + answer_at(gpu);
}

uint64_t vdrv__gpu_cursor_dma(const struct vdrv_virtio_gpu *gpu, uint32_t i,
                              uint8_t **cmd)
{
    const size_t at = cursor_at(gpu) + (size_t)i * VDRV__GPU_CURSOR_SLOT;

    *cmd = gpu->shared + at;
    return gpu->shared_dma + at;
}

/* Where an answer goes, and how long it can be. */
static size_t answer_place(const struct vdrv_virtio_gpu *gpu, uint32_t slot,
                           uint32_t type, uint32_t *room)
{
    if (type == VIRTIO_GPU_CMD_GET_DISPLAY_INFO) {
        *room = sizeof(struct virtio_gpu_resp_display_info);
        return answer_at(gpu);
    }
    if (type == VIRTIO_GPU_CMD_GET_EDID) {
        *room = sizeof(struct virtio_gpu_resp_edid);
        return answer_at(gpu);
    }
    *room = sizeof(struct virtio_gpu_ctrl_hdr);
    return (size_t)slot * VDRV__GPU_SLOT + VDRV__GPU_ANSWER;
}

/* ---- Answers ------------------------------------------------------------- */

static uint32_t answer_type(uint32_t type, uint32_t *least)
{
    *least = sizeof(struct virtio_gpu_ctrl_hdr);
    if (type == VIRTIO_GPU_CMD_GET_DISPLAY_INFO) {
        *least = sizeof(struct virtio_gpu_resp_display_info);
        return VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    }
    if (type == VIRTIO_GPU_CMD_GET_EDID) {
        *least = offsetof(struct virtio_gpu_resp_edid, edid);
        return VIRTIO_GPU_RESP_OK_EDID;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

int vdrv__gpu_validate_response(const struct virtio_gpu_ctrl_hdr *hdr,
                                uint32_t len, uint32_t type, uint64_t fence)
{
    uint32_t least, got;
    const uint32_t expected = answer_type(type, &least);

    if (len < sizeof(*hdr))
        return VDRV_ERR_PROTOCOL;
    /* 5.7.6.7: with FENCE set, the answer has it too, and the same id. */
    if ((from_le32(hdr->flags) & VIRTIO_GPU_FLAG_FENCE) == 0 ||
        from_le64(hdr->fence_id) != fence)
        return VDRV_ERR_PROTOCOL;
    got = from_le32(hdr->type);
    if (got == expected)
        return len >= least ? VDRV_OK : VDRV_ERR_PROTOCOL;
    if (got == VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY)
        return VDRV_ERR_NO_MEMORY;
    if (got >= VIRTIO_GPU_RESP_ERR_UNSPEC && got <= VIRTIO_GPU_RESP_ERR_LAST)
        return VDRV_ERR_IO;
    return VDRV_ERR_PROTOCOL;
}

/* ---- Sending ------------------------------------------------------------- */

void vdrv__gpu_free_slots(struct vdrv_virtio_gpu *gpu)
{
    for (uint32_t i = 0; i < gpu->depth; i++) {
        memset(&gpu->slot[i], 0, sizeof(gpu->slot[i]));
        gpu->slot[i].next = i + 1;
    }
    gpu->free_slot = 0;
    gpu->free_slots = gpu->depth;
}

/* Is there room for the `n` commands of a request? */
static int reserve(const struct vdrv_virtio_gpu *gpu, uint64_t n)
{
    if (n > gpu->depth)
        return VDRV_ERR_TOO_BIG;
    return n > gpu->free_slots ? VDRV_ERR_AGAIN : VDRV_OK;
}

/* Does the list of runs follow the command? */
static bool lists_runs(uint32_t type)
{
    return type == VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING ||
           type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB;
}

/*
 * Adds one command to the queue; room was reserved.  `cmd` begins with a
 * header, which is filled in here.  The list of runs is already in its place.
 */
static int send(struct vdrv_virtio_gpu *gpu, struct vdrv_display_request *req,
                uint32_t type, void *cmd, uint32_t len)
{
    const uint32_t i = gpu->free_slot;
    struct vdrv_virtio_gpu_slot *s = &gpu->slot[i];
    struct virtio_gpu_ctrl_hdr *hdr = cmd;
    size_t at = (size_t)i * VDRV__GPU_SLOT, answer;
    struct vdrv_seg seg[2];
    uint32_t room, total = len;
    int err;

    hdr->type = le32(type);
    hdr->flags = le32(VIRTIO_GPU_FLAG_FENCE);
    hdr->fence_id = le64(gpu->next_fence);
    if (lists_runs(type)) {
        at = runs_at(gpu) + BACKING_HEADER - len;
        total += (uint32_t)ENTRY * gpu->attaching;
    }
    memcpy(gpu->shared + at, cmd, len);
    answer = answer_place(gpu, i, type, &room);
    memset(gpu->shared + answer, 0, room);
    seg[0] = vdrv_seg_dma(gpu->shared_dma + at, total);
    seg[1] = vdrv_seg_dma(gpu->shared_dma + answer, room);
    err = vdrv_queue_add(&gpu->queue[VDRV__GPU_CONTROL].vq, seg, 1, 1, s);
    if (err != VDRV_OK)
        return err;
    s->req = req;
    s->type = type;
    s->fence = gpu->next_fence++;
    gpu->free_slot = s->next;
    gpu->free_slots--;
    req->opaque[0] = (void *)((uintptr_t)req->opaque[0] + 1);
    return VDRV_OK;
}

static struct virtio_gpu_rect wire_rect(const struct vdrv_rect *r)
{
    return (struct virtio_gpu_rect){
        .x = le32(r->x),
        .y = le32(r->y),
        .width = le32(r->width),
        .height = le32(r->height),
    };
}

static int send_transfer(struct vdrv_virtio_gpu *gpu,
                         struct vdrv_display_request *req,
                         const struct vdrv_fb *fb, const struct vdrv_rect *r)
{
    struct virtio_gpu_transfer_to_host_2d cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.r = wire_rect(r);
    /* Of the first pixel in the backing. */
    cmd.offset = le64((uint64_t)r->y * fb->pitch + (uint64_t)r->x * 4u);
    cmd.resource_id = le32(fb->id);
    return send(gpu, req, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, &cmd,
                sizeof(cmd));
}

static int send_flush(struct vdrv_virtio_gpu *gpu,
                      struct vdrv_display_request *req,
                      const struct vdrv_fb *fb, const struct vdrv_rect *r)
{
    struct virtio_gpu_resource_flush cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.r = wire_rect(r);
    cmd.resource_id = le32(fb->id);
    return send(gpu, req, VIRTIO_GPU_CMD_RESOURCE_FLUSH, &cmd, sizeof(cmd));
}

/* RESOURCE_UNREF or RESOURCE_DETACH_BACKING. */
static int send_id(struct vdrv_virtio_gpu *gpu,
                   struct vdrv_display_request *req, uint32_t type)
{
    struct virtio_gpu_resource_unref cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.resource_id = le32(req->fb->id);
    return send(gpu, req, type, &cmd, sizeof(cmd));
}

/* ---- Memory of framebuffers ---------------------------------------------- */

static uint32_t max_records(const struct vdrv_fb *fb)
{
    const size_t n = fb->work_size / sizeof(struct vdrv_queue_map);

    if (fb->work == NULL)
        return 0;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static struct vdrv_queue_map *records(const struct vdrv_fb *fb)
{
    return fb->work;
}

/* Undoes the mappings: the device does not read the memory any more. */
static void release_memory(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb)
{
    while (fb->nruns > 0)
        vdrv__queue_unmap(&gpu->queue[VDRV__GPU_CONTROL].vq,
                          &records(fb)[--fb->nruns]);
    fb->backed = 0;
}

/* Adds a run to the list, or to the end of the run before. */
static int list_run(struct vdrv_virtio_gpu *gpu, uint64_t dma, uint32_t len)
{
    struct virtio_gpu_mem_entry *e =
        (void *)(gpu->shared + runs_at(gpu) + BACKING_HEADER);
    const uint32_t n = gpu->attaching;

    if (n > 0) {
        const uint32_t before = from_le32(e[n - 1].length);

        if (from_le64(e[n - 1].addr) + before == dma) {
            e[n - 1].length = le32(before + len);
            return VDRV_OK;
        }
    }
    if (n >= gpu->cfg.max_runs)
        return VDRV_ERR_TOO_BIG;
    e[n].addr = le64(dma);
    e[n].length = le32(len);
    e[n].padding = le32(0);
    gpu->attaching = n + 1;
    return VDRV_OK;
}

/* Remembers a run that has to be unmapped, or could be: all, or none. */
static int record_run(const struct vdrv_queue *q, struct vdrv_fb *fb,
                      const struct vdrv_queue_map *m)
{
    if (fb->work == NULL && m->dir == 0)
        return VDRV_OK;
    if (fb->nruns >= max_records(fb)) {
        vdrv__queue_unmap(q, m);
        return VDRV_ERR_NO_MEMORY;
    }
    records(fb)[fb->nruns++] = *m;
    return VDRV_OK;
}

/* One segment, translated or mapped run by run. */
static int list_segment(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb,
                        const struct vdrv_seg *seg)
{
    const struct vdrv_queue *q = &gpu->queue[VDRV__GPU_CONTROL].vq;
    struct vdrv_queue_map m;
    int err;

    for (uint32_t done = 0; done < seg->len; done += m.run) {
        err = vdrv__queue_map_run(q, seg, done, VDRV_DIR_OUT, &m);
        if (err == VDRV_OK)
            err = record_run(q, fb, &m);
        if (err == VDRV_OK)
            err = list_run(gpu, m.dma, m.run);
        if (err != VDRV_OK)
            return err;
    }
    return seg->len != 0 ? VDRV_OK : VDRV_ERR_INVALID;
}

/* Does the device show the memory itself? */
static bool is_shared(const struct vdrv_fb *fb)
{
    return (fb->flags & VDRV_FB_SHARED) != 0;
}

/* Bytes of memory that the device is told of. */
static uint64_t memory_size(const struct vdrv_virtio_gpu *gpu,
                            const struct vdrv_fb *fb)
{
    const uint64_t unit = gpu->caps.share_align;
    const uint64_t size = vdrv_fb_size(fb);

    /* 5.7.6.8: blobs are multiples of blob_alignment. */
    return is_shared(fb) ? (size + unit - 1) & ~(unit - 1) : size;
}

/*
 * The list of runs of a framebuffer's memory, exactly as many bytes as it has:
 * what lies behind them is none of the device's business.
 */
static int list_memory(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb)
{
    const struct vdrv_seg whole =
        vdrv_seg_out(fb->base, (uint32_t)vdrv_fb_size(fb));
    const struct vdrv_seg *segs = fb->segs != NULL ? fb->segs : &whole;
    const uint32_t n = fb->segs != NULL ? fb->nsegs : 1;
    uint64_t left = memory_size(gpu, fb);
    int err = VDRV_OK;

    gpu->attaching = 0;
    fb->nruns = 0;
    for (uint32_t i = 0; err == VDRV_OK && left > 0; i++) {
        struct vdrv_seg seg;

        if (i == n) {
            err = VDRV_ERR_INVALID;
            break;
        }
        seg = segs[i];
        if (seg.len > left)
            seg.len = (uint32_t)left;
        left -= seg.len;
        err = list_segment(gpu, fb, &seg);
    }
    if (err != VDRV_OK) {
        release_memory(gpu, fb);
        gpu->attaching = 0;
    }
    return err;
}

/* The part of one piece of memory that lies in [from, to) of the whole. */
static void sync_piece(const struct vdrv_hal *hal, void *ptr, uint64_t dma,
                       uint64_t at, uint64_t len, uint64_t from, uint64_t to)
{
    const uint64_t first = from > at ? from - at : 0;
    const uint64_t last = to < at + len ? to - at : len;

    if (ptr != NULL && to > at && first < last)
        hal->dma_sync(hal->ctx, (uint8_t *)ptr + first, dma + first,
                      (uint32_t)(last - first), VDRV_DIR_OUT);
}

/* Makes rows visible to the device where caches are not coherent. */
static void sync_rows(struct vdrv_virtio_gpu *gpu, const struct vdrv_fb *fb,
                      const struct vdrv_rect *r)
{
    const struct vdrv_hal *hal = gpu->drv.hal;
    const uint64_t from = (uint64_t)r->y * fb->pitch;
    const uint64_t to = from + (uint64_t)r->height * fb->pitch;
    const uint64_t offset = hal->direct_offset;
    uint64_t at = 0;

    if (hal->dma_sync == NULL)
        return;
    for (uint32_t i = 0; i < fb->nruns; i++) {
        const struct vdrv_queue_map *m = &records(fb)[i];

        sync_piece(hal, m->ptr, m->dma, at, m->run, from, to);
        at += m->run;
    }
    if (fb->nruns == 0 && fb->segs == NULL)
        sync_piece(hal, fb->base, (uint64_t)(uintptr_t)fb->base + offset, 0, to,
                   from, to);
    for (uint32_t i = 0; fb->nruns == 0 && fb->segs && i < fb->nsegs; i++) {
        const struct vdrv_seg *s = &fb->segs[i];
        const bool mapped = (s->flags & VDRV_SEG_MAPPED) != 0;

        sync_piece(hal, mapped ? NULL : s->ptr,
                   (uint64_t)(uintptr_t)s->ptr + offset, at, s->len, from, to);
        at += s->len;
    }
}

/* ---- The list of attached framebuffers ----------------------------------- */

static void link_fb(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb)
{
    fb->opaque[0] = gpu->attached;
    fb->opaque[1] = NULL;
    if (gpu->attached != NULL)
        gpu->attached->opaque[1] = fb;
    gpu->attached = fb;
}

static void unlink_fb(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb)
{
    struct vdrv_fb *next = fb->opaque[0], *before = fb->opaque[1];

    if (next != NULL)
        next->opaque[1] = before;
    if (before != NULL)
        before->opaque[0] = next;
    else
        gpu->attached = next;
}

static void detached(struct vdrv_virtio_gpu *gpu, struct vdrv_fb *fb)
{
    release_memory(gpu, fb);
    unlink_fb(gpu, fb);
    fb->id = 0;
    fb->shown = 0;
    fb->state = VDRV_FB_DETACHED;
}

void vdrv__gpu_forget(struct vdrv_virtio_gpu *gpu)
{
    while (gpu->attached != NULL)
        detached(gpu, gpu->attached);
    for (uint32_t i = 0; i < gpu->heads; i++) {
        gpu->head[i].fb = NULL;
        gpu->head[i].moving = 0;
        gpu->head[i].cursor_shown = 0;
    }
    gpu->attaching = 0;
}

/* ---- Starting a request -------------------------------------------------- */

/* The framebuffer of a FLUSH, or NULL and why not. */
static int flush_target(struct vdrv_virtio_gpu *gpu,
                        const struct vdrv_display_request *req,
                        struct vdrv_fb **fb)
{
    *fb = req->fb;
    if (*fb == NULL && req->head >= gpu->heads)
        return VDRV_ERR_INVALID;
    if (*fb == NULL)
        *fb = gpu->head[req->head].fb;
    if (*fb == NULL || (*fb)->state != VDRV_FB_ATTACHED)
        return VDRV_ERR_BAD_STATE;
    return VDRV_OK;
}

static int start_flush(struct vdrv_virtio_gpu *gpu,
                       struct vdrv_display_request *req)
{
    struct vdrv_rect whole;
    const struct vdrv_rect *r = req->rects;
    const bool show = req->op == VDRV_DISPLAY_FLUSH;
    uint32_t n = req->nrects;
    bool move;
    struct vdrv_fb *fb;
    int err = flush_target(gpu, req, &fb);

    if (err != VDRV_OK)
        return err;
    move = !is_shared(fb);
    if (n == 0) {
        whole = vdrv_rect_make(0, 0, fb->width, fb->height);
        r = &whole;
        n = 1;
    } else if (r == NULL) {
        return VDRV_ERR_INVALID;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (vdrv_rect_empty(&r[i]) ||
            !vdrv_rect_inside(&r[i], fb->width, fb->height))
            return VDRV_ERR_INVALID;
    }
    err = reserve(gpu, (uint64_t)n * ((move ? 1u : 0u) + (show ? 1u : 0u)));
    for (uint32_t i = 0; err == VDRV_OK && i < n; i++) {
        sync_rows(gpu, fb, &r[i]);
        if (move)
            err = send_transfer(gpu, req, fb, &r[i]);
        if (err == VDRV_OK && show)
            err = send_flush(gpu, req, fb, &r[i]);
    }
    return err;
}

/* What a SCANOUT is to show. */
static int scanout_rect(const struct vdrv_virtio_gpu *gpu,
                        const struct vdrv_display_request *req,
                        struct vdrv_rect *r)
{
    const struct vdrv_display_head *seen = &gpu->head[req->head].seen;
    const struct vdrv_fb *fb = req->fb;

    *r = vdrv_rect_make(0, 0, 0, 0);
    if (fb == NULL)
        return VDRV_OK; /* 5.7.6.8: resource 0 turns it off */
    if (fb->state != VDRV_FB_ATTACHED)
        return VDRV_ERR_BAD_STATE;
    *r = vdrv_rect_make(req->x, req->y, req->width, req->height);
    if (r->width == 0)
        r->width = seen->width != 0 ? seen->width : fb->width;
    if (r->height == 0)
        r->height = seen->height != 0 ? seen->height : fb->height;
    if (req->width == 0 && req->height == 0)
        (void)vdrv_rect_clip(r, fb->width, fb->height);
    return !vdrv_rect_empty(r) && vdrv_rect_inside(r, fb->width, fb->height)
               ? VDRV_OK
               : VDRV_ERR_INVALID;
}

/* 5.7.6.7: the formats are named by memory order, as ours. */
static uint32_t wire_format(uint32_t format)
{
    static const uint8_t wire[] = {
        [VDRV_FORMAT_BGRX] = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
        [VDRV_FORMAT_BGRA] = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
        [VDRV_FORMAT_RGBX] = VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM,
        [VDRV_FORMAT_RGBA] = VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM,
        [VDRV_FORMAT_XRGB] = VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM,
        [VDRV_FORMAT_ARGB] = VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM,
        [VDRV_FORMAT_XBGR] = VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM,
        [VDRV_FORMAT_ABGR] = VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM,
    };

    return wire[format];
}

static int send_scanout(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req,
                        const struct vdrv_rect *r)
{
    struct virtio_gpu_set_scanout cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.r = wire_rect(r);
    cmd.scanout_id = le32(req->head);
    cmd.resource_id = le32(req->fb != NULL ? req->fb->id : 0);
    return send(gpu, req, VIRTIO_GPU_CMD_SET_SCANOUT, &cmd, sizeof(cmd));
}

static int send_scanout_blob(struct vdrv_virtio_gpu *gpu,
                             struct vdrv_display_request *req,
                             const struct vdrv_rect *r)
{
    const struct vdrv_fb *fb = req->fb;
    struct virtio_gpu_set_scanout_blob cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.r = wire_rect(r);
    cmd.scanout_id = le32(req->head);
    cmd.resource_id = le32(fb->id);
    cmd.width = le32(fb->width);
    cmd.height = le32(fb->height);
    cmd.format = le32(wire_format(fb->format));
    cmd.strides[0] = le32(fb->pitch);
    return send(gpu, req, VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, &cmd, sizeof(cmd));
}

static int start_scanout(struct vdrv_virtio_gpu *gpu,
                         struct vdrv_display_request *req)
{
    struct vdrv_virtio_gpu_head *head;
    struct vdrv_rect r;
    int err;

    if (req->head >= gpu->heads)
        return VDRV_ERR_INVALID;
    head = &gpu->head[req->head];
    err = scanout_rect(gpu, req, &r);
    if (err == VDRV_OK && head->moving != 0)
        err = VDRV_ERR_BUSY;
    if (err == VDRV_OK)
        err = reserve(gpu, 1);
    if (err != VDRV_OK)
        return err;
    err = req->fb != NULL && is_shared(req->fb)
              ? send_scanout_blob(gpu, req, &r)
              : send_scanout(gpu, req, &r);
    if (err != VDRV_OK)
        return err;
    head->moving = 1;
    head->next_rect = r;
    if (req->fb != NULL)
        req->fb->shown |= 1u << req->head;
    return VDRV_OK;
}

static int check_attach(const struct vdrv_virtio_gpu *gpu,
                        const struct vdrv_fb *fb)
{
    if (fb == NULL)
        return VDRV_ERR_INVALID;
    if (fb->state != VDRV_FB_DETACHED)
        return VDRV_ERR_EXISTS;
    if ((is_shared(fb) && gpu->caps.can_share == 0) ||
        fb->format > VDRV_FORMAT_ABGR)
        return VDRV_ERR_UNSUPPORTED;
    /* Behind the picture, only what is listed is the caller's. */
    if (is_shared(fb) && fb->segs == NULL &&
        memory_size(gpu, fb) != vdrv_fb_size(fb))
        return VDRV_ERR_INVALID;
    if (vdrv_fb_size(fb) == 0 || (fb->base == NULL && fb->segs == NULL) ||
        ((uintptr_t)fb->work & (_Alignof(uint64_t) - 1)) != 0)
        return VDRV_ERR_INVALID;
    return gpu->attaching != 0 ? VDRV_ERR_AGAIN : reserve(gpu, 2);
}

static int send_create(struct vdrv_virtio_gpu *gpu,
                       struct vdrv_display_request *req)
{
    struct virtio_gpu_resource_create_2d cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.resource_id = le32(gpu->next_id);
    cmd.format = le32(wire_format(req->fb->format));
    /* The device derives the pitch from the width: padding is part of it. */
    cmd.width = le32(req->fb->pitch / 4u);
    cmd.height = le32(req->fb->height);
    return send(gpu, req, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &cmd, sizeof(cmd));
}

/* 5.7.6.8: a blob of the guest's memory, shown by the device as it is. */
static int send_create_blob(struct vdrv_virtio_gpu *gpu,
                            struct vdrv_display_request *req)
{
    struct virtio_gpu_resource_create_blob cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.resource_id = le32(gpu->next_id);
    cmd.blob_mem = le32(VIRTIO_GPU_BLOB_MEM_GUEST);
    cmd.blob_flags = le32(VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE);
    cmd.nr_entries = le32(gpu->attaching);
    cmd.size = le64(memory_size(gpu, req->fb));
    return send(gpu, req, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, &cmd,
                sizeof(cmd));
}

static int send_backing(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req)
{
    struct virtio_gpu_resource_attach_backing cmd;

    memset(&cmd, 0, sizeof(cmd));
    cmd.resource_id = le32(req->fb->id);
    cmd.nr_entries = le32(gpu->attaching);
    return send(gpu, req, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, &cmd,
                sizeof(cmd));
}

static int start_attach(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req)
{
    struct vdrv_fb *fb = req->fb;
    int err = check_attach(gpu, fb);

    if (err == VDRV_OK)
        err = list_memory(gpu, fb);
    if (err != VDRV_OK)
        return err;
    err = is_shared(fb) ? send_create_blob(gpu, req) : send_create(gpu, req);
    if (err != VDRV_OK) {
        release_memory(gpu, fb);
        gpu->attaching = 0;
        return err;
    }
    fb->id = gpu->next_id;
    gpu->next_id = gpu->next_id == UINT32_MAX ? 1 : gpu->next_id + 1;
    fb->state = VDRV_FB_ATTACHING;
    fb->backed = 1; /* until the device says no */
    fb->shown = 0;
    link_fb(gpu, fb);
    return is_shared(fb) ? VDRV_OK : send_backing(gpu, req);
}

static int start_detach(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req)
{
    struct vdrv_fb *fb = req->fb;
    int err;

    if (fb == NULL)
        return VDRV_ERR_INVALID;
    if (fb->state != VDRV_FB_ATTACHED)
        return VDRV_ERR_BAD_STATE;
    if (fb->shown != 0)
        return VDRV_ERR_BUSY;
    err = reserve(gpu, 2);
    if (err == VDRV_OK && !is_shared(fb))
        err = send_id(gpu, req, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING);
    if (err == VDRV_OK)
        err = send_id(gpu, req, VIRTIO_GPU_CMD_RESOURCE_UNREF);
    if (req->opaque[0] != NULL)
        fb->state = VDRV_FB_DETACHING;
    return err;
}

static int start_question(struct vdrv_virtio_gpu *gpu,
                          struct vdrv_display_request *req)
{
    struct virtio_gpu_get_edid cmd;
    int err = reserve(gpu, 1);

    if (err != VDRV_OK)
        return err;
    memset(&cmd, 0, sizeof(cmd));
    if (req->op == VDRV__GPU_ASK_DISPLAY)
        return send(gpu, req, VIRTIO_GPU_CMD_GET_DISPLAY_INFO, &cmd,
                    sizeof(cmd.hdr));
    cmd.scanout = le32(req->head);
    return send(gpu, req, VIRTIO_GPU_CMD_GET_EDID, &cmd, sizeof(cmd));
}

static int start_request(struct vdrv_virtio_gpu *gpu,
                         struct vdrv_display_request *req)
{
    switch (req->op) {
    case VDRV_DISPLAY_FLUSH:
    case VDRV__GPU_TRANSFER:
        return start_flush(gpu, req);
    case VDRV_DISPLAY_SCANOUT:
        return start_scanout(gpu, req);
    case VDRV_DISPLAY_ATTACH:
        return start_attach(gpu, req);
    case VDRV_DISPLAY_DETACH:
        return start_detach(gpu, req);
    case VDRV__GPU_ASK_DISPLAY:
    case VDRV__GPU_ASK_EDID:
        return start_question(gpu, req);
    default:
        return VDRV_ERR_INVALID;
    }
}

int vdrv__gpu_submit(struct vdrv_virtio_gpu *gpu,
                     struct vdrv_display_request *req)
{
    int err = vdrv_driver_check(&gpu->drv, VDRV__GPU_CONTROL);

    if (err != VDRV_OK)
        return err;
    req->opaque[0] = NULL;
    req->opaque[1] = NULL;
    req->device_status = 0;
    err = start_request(gpu, req);
    if (err != VDRV_OK && req->opaque[0] == NULL)
        return err;
    /*
     * A later command of a request cannot fail, as room was reserved.  If one
     * does, the first are out: the request ends when the device is reset.
     */
    if (err != VDRV_OK)
        vdrv_driver_fail(&gpu->drv, VDRV_ERR_PROTOCOL);
    vdrv__status_set(&req->status, VDRV_PENDING);
    return VDRV_OK;
}

/* ---- Ending a request ---------------------------------------------------- */

static void end_scanout(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req, int err)
{
    struct vdrv_virtio_gpu_head *head = &gpu->head[req->head];
    struct vdrv_fb *gone = err == VDRV_OK ? head->fb : req->fb;

    head->moving = 0;
    if (err == VDRV_OK) {
        head->fb = req->fb;
        head->rect = head->next_rect;
    }
    if (gone != NULL && gone != head->fb)
        gone->shown &= ~(1u << req->head);
}

/*
 * The first half of a failed ATTACH may have been done: undone, and only then
 * does the request end.  True: it goes on.
 */
static bool undo_attach(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req, int err)
{
    struct vdrv_fb *fb = req->fb;

    if (fb->state != VDRV_FB_ATTACHING ||
        (err != VDRV_ERR_IO && err != VDRV_ERR_NO_MEMORY))
        return false;
    fb->state = VDRV_FB_DETACHING;
    if (send_id(gpu, req, VIRTIO_GPU_CMD_RESOURCE_UNREF) != VDRV_OK)
        return false;
    (void)vdrv_queue_kick(&gpu->queue[VDRV__GPU_CONTROL].vq);
    return true;
}

static void end_backing(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req, int err)
{
    if (req->op == VDRV_DISPLAY_ATTACH && err == VDRV_OK) {
        req->fb->state = VDRV_FB_ATTACHED;
        return;
    }
    /* ABORTED: it was reset. */
    if (req->fb->backed == 0 || err == VDRV_ERR_ABORTED)
        detached(gpu, req->fb);
}

static void end_request(struct vdrv_virtio_gpu *gpu,
                        struct vdrv_display_request *req)
{
    const bool blocking = ((uintptr_t)req->opaque[0] & BLOCKING) != 0;
    const int err = (int)(intptr_t)req->opaque[1];

    if (req->op == VDRV_DISPLAY_ATTACH && undo_attach(gpu, req, err))
        return;
    if (req->op == VDRV_DISPLAY_SCANOUT)
        end_scanout(gpu, req, err);
    else if (req->op == VDRV_DISPLAY_ATTACH || req->op == VDRV_DISPLAY_DETACH)
        end_backing(gpu, req, err);
    if (!blocking && req->done != NULL) {
        req->status = err;
        req->done(req);
        return;
    }
    vdrv_driver_finish(&gpu->drv, VDRV__GPU_CONTROL, &req->status, err,
                       blocking);
}

/* What an answer to a command says about the memory of a framebuffer. */
static void note_backing(struct vdrv_virtio_gpu *gpu, uint32_t type,
                         struct vdrv_fb *fb, int err)
{
    const bool refused = err == VDRV_ERR_IO || err == VDRV_ERR_NO_MEMORY;

    if (lists_runs(type)) {
        gpu->attaching = 0;
        if (refused && fb != NULL)
            fb->backed = 0;
    }
    if ((type == VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING ||
         type == VIRTIO_GPU_CMD_RESOURCE_UNREF) &&
        err == VDRV_OK && fb != NULL)
        fb->backed = 0;
}

/* Reads and judges an answer; the header is copied before it is looked at. */
static int judge(struct vdrv_virtio_gpu *gpu,
                 const struct vdrv_virtio_gpu_slot *s, uint32_t len,
                 uint32_t *code)
{
    const uint32_t i = (uint32_t)(s - gpu->slot);
    struct virtio_gpu_ctrl_hdr hdr;
    uint32_t room;
    int err;

    memcpy(&hdr, gpu->shared + answer_place(gpu, i, s->type, &room),
           sizeof(hdr));
    err = vdrv__gpu_validate_response(&hdr, len, s->type, s->fence);
    *code = from_le32(hdr.type);
    if (room > sizeof(hdr))
        gpu->answer_len = len;
    if (err == VDRV_ERR_PROTOCOL) {
        const uint64_t type = s->type;

        vdrv_transport_log(gpu->drv.transport, VDRV_LOG_ERROR,
                           "the answer to a GPU command is none; command",
                           &type);
        vdrv_driver_fail(&gpu->drv, VDRV_ERR_PROTOCOL);
    }
    return err;
}

void vdrv__gpu_complete(struct vdrv_virtio_gpu *gpu, void *cookie, uint32_t len,
                        int err)
{
    struct vdrv_virtio_gpu_slot *s = cookie;
    struct vdrv_display_request *req = s->req;
    uint32_t code = 0;
    uintptr_t left;

    if (err == VDRV_OK)
        err = judge(gpu, s, len, &code);
    s->req = NULL;
    s->next = gpu->free_slot;
    gpu->free_slot = (uint32_t)(s - gpu->slot);
    gpu->free_slots++;
    note_backing(gpu, s->type, req != NULL ? req->fb : NULL, err);
    if (gpu->room == VDRV_PENDING) /* somebody waits for a slot */
        vdrv_driver_finish(&gpu->drv, VDRV__GPU_CONTROL, &gpu->room, VDRV_OK,
                           true);
    if (req == NULL) /* given up by its owner */
        return;
    if (err != VDRV_OK && req->opaque[1] == NULL) {
        req->opaque[1] = (void *)(intptr_t)err;
        req->device_status = code;
    }
    left = (uintptr_t)req->opaque[0] - 1;
    req->opaque[0] = (void *)left;
    if ((left & PENDING_MASK) == 0)
        end_request(gpu, req);
}

/* ---- Waiting ------------------------------------------------------------- */

static int wait_for(struct vdrv_virtio_gpu *gpu, const int32_t *status,
                    uint32_t timeout_us)
{
    (void)vdrv_queue_kick(&gpu->queue[VDRV__GPU_CONTROL].vq);
    return vdrv_driver_wait(&gpu->drv, VDRV__GPU_CONTROL, status, timeout_us);
}

/* Submits, as soon as there is room. */
static int submit_soon(struct vdrv_virtio_gpu *gpu,
                       struct vdrv_display_request *req)
{
    int err = vdrv__gpu_submit(gpu, req);

    for (uint32_t i = 0; err == VDRV_ERR_AGAIN && i < ROOM_ROUNDS; i++) {
        if (gpu->free_slots == gpu->depth)
            break; /* nothing to wait for: the HAL has no room */
        vdrv__status_set(&gpu->room, VDRV_PENDING);
        err = wait_for(gpu, &gpu->room, req->timeout_us);
        if (err == VDRV_OK)
            err = vdrv__gpu_submit(gpu, req);
    }
    return err;
}

/* The device does not let go: a late answer finds nobody. */
static void orphan(struct vdrv_virtio_gpu *gpu,
                   const struct vdrv_display_request *req)
{
    for (uint32_t i = 0; i < gpu->depth; i++) {
        if (gpu->slot[i].req == req)
            gpu->slot[i].req = NULL;
    }
}

static int execute_one(struct vdrv_virtio_gpu *gpu,
                       struct vdrv_display_request *req)
{
    int err = submit_soon(gpu, req);

    if (err != VDRV_OK)
        return err;
    req->opaque[0] = (void *)((uintptr_t)req->opaque[0] | BLOCKING);
    err = wait_for(gpu, &req->status, req->timeout_us);
    if (err == VDRV_OK)
        return req->status;
    if (err == VDRV_ERR_STUCK)
        orphan(gpu, req);
    return err;
}

int vdrv__gpu_execute(struct vdrv_virtio_gpu *gpu,
                      struct vdrv_display_request *req)
{
    const struct vdrv_rect *rects = req->rects;
    const uint32_t n = req->nrects, most = gpu->depth / 2;
    int err = VDRV_OK;

    if (gpu->queue[VDRV__GPU_CONTROL].busy != 0)
        return VDRV_ERR_BUSY;
    if (req->op != VDRV_DISPLAY_FLUSH || n <= most)
        return execute_one(gpu, req);
    for (uint32_t at = 0; err == VDRV_OK && at < n; at += most) {
        req->rects = rects + at;
        req->nrects = n - at < most ? n - at : most;
        err = execute_one(gpu, req);
    }
    req->rects = rects;
    req->nrects = n;
    return err;
}

int vdrv__gpu_flush(struct vdrv_virtio_gpu *gpu, uint32_t head,
                    const struct vdrv_rect *rect)
{
    struct vdrv_display_request req;

    memset(&req, 0, sizeof(req));
    req.op = VDRV_DISPLAY_FLUSH;
    req.head = head;
    req.rects = rect;
    req.nrects = rect != NULL;
    return vdrv__gpu_execute(gpu, &req);
}
