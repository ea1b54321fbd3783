/* SPDX-License-Identifier: MIT */
/*
 * The GPU driver on the fake: pictures compared pixel by pixel at the device,
 * every fault of a device answered with the right error, and nothing left
 * behind.  Each case ends with the fake's count of DMA memory at zero.
 */
#include "gpu_rig.h"

#include "../../src/device/vdrv_gpu_impl.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#define HEADS 4u

static void put(struct vdrv_fb *fb, uint32_t x, uint32_t y, uint32_t rgb)
{
    const uint32_t v = vdrv_pixel_pack(fb->format, (uint8_t)(rgb >> 16),
                                       (uint8_t)(rgb >> 8), (uint8_t)rgb, 0xff);

    memcpy((uint8_t *)fb->base + (size_t)y * fb->pitch + x * 4u, &v, 4);
}

static void noise(struct vdrv_fb *fb, uint32_t *ref)
{
    for (uint32_t y = 0; y < fb->height; y++) {
        for (uint32_t x = 0; x < fb->width; x++) {
            const uint32_t rgb = fake_rand(&g.f) & 0xffffff;

            put(fb, x, y, rgb);
            if (ref != NULL)
                ref[y * fb->width + x] = rgb;
        }
    }
}

/* How many pixels of a scanout differ from a reference. */
static uint32_t differing(uint32_t scanout, const uint32_t *ref, uint32_t width,
                          uint32_t height)
{
    uint32_t n = 0;

    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++)
            n += fake_gpu_pixel(&g.dev, scanout, x, y) != ref[y * width + x];
    }
    return n;
}

/* ---- Bringing it up ------------------------------------------------------ */

static void test_init(void)
{
    struct vdrv_display_mode_info info;
    struct vdrv_display_caps caps;
    struct vdrv_identity id;

    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_device_type(&g.dpy->dev), VDRV_TYPE_DISPLAY);
    CHECK_EQ(vdrv_identify(&g.dpy->dev, &id), VDRV_OK);
    CHECK_EQ(id.device_id, 16);
    CHECK_EQ(vdrv_display_info(g.dpy, 0, &info), VDRV_OK);
    CHECK_EQ(info.width, 640);
    CHECK_EQ(info.height, 480);
    CHECK_EQ(info.pitch, 2560);
    CHECK_EQ(info.fb_size, 2560u * 480u);
    CHECK_EQ(info.layout.bytes, 4);
    CHECK_EQ(vdrv_display_get_caps(g.dpy, &caps), VDRV_OK);
    CHECK_EQ(caps.heads, 1);
    CHECK_EQ(caps.fb_width, 640);
    CHECK(vdrv_display_need_flush(g.dpy));
    CHECK_EQ(vdrv_display_info(g.dpy, 1, &info), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_info(g.dpy, UINT32_MAX, &info), VDRV_ERR_INVALID);
    CHECK(vdrv_display_fb(g.dpy, UINT32_MAX) == NULL);
    /* GPU-08, GPU-09: asked before shown. */
    CHECK_EQ(g.dev.commands[0x100], 1);
    CHECK_EQ(g.dev.commands[0x10a], 1);
    CHECK_EQ(g.dev.commands[0x103], 1);
    down();
}

static void test_init_bad_arguments(void)
{
    struct vdrv_virtio_gpu_config c;
    struct vdrv_virtio_gpu *gpu = &g.gpu;
    struct vdrv_transport *t;

    machine_up(NULL, NULL);
    t = &g.mmio.transport;
    CHECK_EQ(vdrv_virtio_gpu_init(NULL, t, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, NULL, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_gpu_init_sized(gpu, t, &g.cfg, VDRV_API_LEVEL + 1,
                                        sizeof(*gpu), sizeof(g.cfg)),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_gpu_init_sized(gpu, t, &g.cfg, VDRV_API_LEVEL,
                                        sizeof(*gpu) - 8, sizeof(g.cfg)),
             VDRV_ERR_INVALID);
    c = g.cfg;
    c.work = (uint8_t *)g.work + 1;
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, &c), VDRV_ERR_INVALID);
    c = g.cfg;
    c.max_width = 640; /* without a height */
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, &c), VDRV_ERR_INVALID);
    c = g.cfg;
    c.format = VDRV_FORMAT_RGB565_LE;
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, &c), VDRV_ERR_INVALID);
    c = g.cfg;
    c.work_size = vdrv_virtio_gpu_work_size(t, &c) - 1;
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, &c), VDRV_ERR_NO_MEMORY);
    CHECK(fake_log_contains(&g.f, "work area too small"));
    c.work_size++;
    CHECK_EQ(vdrv_virtio_gpu_init(gpu, t, &c), VDRV_OK);
    down();
}

static void test_work_size_macro(void)
{
    struct vdrv_virtio_gpu_config c = {0};

    machine_up(NULL, &(struct fake_gpu_config){.scanouts = 16});
    for (uint32_t heads = 1; heads <= 16; heads++) {
        for (uint32_t size = 4; size <= 64; size *= 2) {
            const size_t bound = VDRV_VIRTIO_GPU_WORK_SIZE(heads, size);
            size_t exact;

            c.heads = heads;
            c.queue_size = size;
            exact = vdrv_virtio_gpu_work_size(&g.mmio.transport, &c);
            CHECK(exact != 0 && exact <= bound);
        }
    }
    CHECK_EQ(vdrv_virtio_gpu_work_size(NULL, &c), 0);
    CHECK_EQ(vdrv_virtio_gpu_work_size(&g.mmio.transport, NULL), 0);
    machine_down();
}

static void test_features(void)
{
    machine_up(NULL, NULL);
    fake_dev_offer(&g.dev.dev, FAKE_F_VERSION_1, false);
    CHECK_EQ(init(), VDRV_ERR_UNSUPPORTED);
    fake_dev_offer(&g.dev.dev, FAKE_F_VERSION_1, true);
    g.cfg.require_platform = 1;
    CHECK_EQ(init(), VDRV_ERR_UNSUPPORTED);
    fake_dev_offer(&g.dev.dev, FAKE_F_ACCESS_PLATFORM, true);
    CHECK_EQ(init(), VDRV_ERR_UNSUPPORTED); /* and nobody to map */
    g.f.hal.direct_platform = 1;
    CHECK_EQ(init(), VDRV_OK);
    down();
}

/* Works with each set of ring features, and each way to see memory. */
static void test_ring_features(void)
{
    static const uint32_t modes[] = {FAKE_DIRECT, FAKE_MAPPED, FAKE_WINDOW};

    for (uint32_t i = 0; i < 12; i++) {
        const struct fake_config mc = {.mode = modes[i % 3]};
        struct vdrv_fb *fb;

        machine_up(&mc, NULL);
        g.cfg.no_indirect = i / 3 & 1;
        g.cfg.no_event_idx = i / 6;
        REQUIRE(init() == VDRV_OK);
        fb = vdrv_display_fb(g.dpy, 0);
        put(fb, 639, 479, 0x123456);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(fake_gpu_pixel(&g.dev, 0, 639, 479), 0x123456);
        down();
    }
}

static void test_alloc_failure_sweep(void)
{
    const struct fake_gpu_config dc = {.scanouts = HEADS, .enabled = HEADS};
    uint32_t k = 1;
    int err = VDRV_ERR_NO_MEMORY;

    for (; k < 100 && err != VDRV_OK; k++) {
        machine_up(NULL, &dc);
        g.cfg.cursor = 1;
        g.f.fail_alloc = k;
        err = init();
        if (err != VDRV_OK) {
            CHECK_EQ(err, VDRV_ERR_NO_MEMORY);
            CHECK(fake_log_contains(&g.f, "dma_alloc has no memory"));
            CHECK_EQ(g.mmio.transport.claimed, 0);
        }
        down();
    }
    CHECK_EQ(k - 2, 2 + 1 + HEADS); /* queues, commands, one for each head */
}

/* F71: the k-th command is refused. */
static void test_command_failure_sweep(void)
{
    const struct fake_gpu_config dc = {.scanouts = 2, .enabled = 2};
    uint32_t k = 0;
    int err = VDRV_ERR_IO;

    for (; k < 100 && err != VDRV_OK; k++) {
        const struct fake_gpu_fault fault = {.type = FAKE_GPU_ANY,
                                             .skip = k,
                                             .count = 1,
                                             .response = FAKE_GPU_ERR_UNSPEC,
                                             .len = -1};

        machine_up(NULL, &dc);
        fake_gpu_plan(&g.dev, fault);
        err = init();
        /* An EDID that is refused is no reason to fail: 1 and 2. */
        if (k == 1 || k == 2) {
            CHECK_EQ(err, VDRV_OK);
            err = VDRV_ERR_IO;
        }
        if (err != VDRV_OK)
            CHECK_EQ(err, VDRV_ERR_IO);
        down();
    }
    CHECK_EQ(k - 1, 3 + 2 * 5);
}

/* The device never answers the k-th command. */
static void test_command_silence_sweep(void)
{
    uint32_t k = 0;
    int err = VDRV_ERR_TIMEOUT;

    for (; k < 100 && err != VDRV_OK; k++) {
        const struct fake_gpu_fault fault = {
            .type = FAKE_GPU_ANY, .skip = k, .count = 1, .silent = true};

        machine_up(NULL, NULL);
        fake_gpu_plan(&g.dev, fault);
        err = init(); /* answered with 0 bytes: F65 */
        if (err != VDRV_OK)
            CHECK_EQ(err, VDRV_ERR_PROTOCOL);
        down();
    }
    CHECK_EQ(k - 1, 2 + 5);
}

static void test_timeout(void)
{
    REQUIRE(up(NULL, NULL));
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_ERR_TIMEOUT);
    CHECK_EQ(g.dev.dev.status, 0); /* it was reset */
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_ERR_BAD_STATE);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_start(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    down();
}

static void test_timeout_in_init(void)
{
    machine_up(NULL, NULL);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(init(), VDRV_ERR_TIMEOUT);
    CHECK(fake_balanced(&g.f));
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(init(), VDRV_OK);
    down();
}

/* What was pending stays pending, and its owner is not told any more. */
static void test_stuck(void)
{
    static struct vdrv_display_request req, dead;

    REQUIRE(up(NULL, NULL));
    memset(&req, 0, sizeof(req));
    req.op = VDRV_DISPLAY_FLUSH;
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_ERR_STUCK);
    memset(&req, 0x77, sizeof(req));
    memset(&dead, 0x77, sizeof(dead));
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_ERR_STUCK);
    CHECK(!fake_balanced(&g.f)); /* the memory is still the device's */
    g.dev.dev.reset_never = false;
    down();
    CHECK_MEM(&req, &dead, sizeof(req));
}

static void never_again(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == SLOT + 0x50) /* from the first notification on */
        g.dev.dev.reset_never = true;
}

static void test_stuck_in_init(void)
{
    machine_up(NULL, NULL);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    g.f.write_hook = never_again;
    CHECK_EQ(init(), VDRV_ERR_STUCK);
    CHECK_EQ(g.f.allocs_live, 3); /* nothing was freed */
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_ERR_STUCK);
    g.dev.dev.reset_never = false;
    down();
}

static void test_gone(void)
{
    REQUIRE(up(NULL, NULL));
    g.f.gone_at = 1;
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, NULL), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_ERR_NO_DEVICE);
    down();
}

/* ---- Pictures ------------------------------------------------------------ */

/* GPU-08, GPU-12, GPU-31 */
static void test_formats(void)
{
    for (uint32_t format = 0; format <= VDRV_FORMAT_ABGR; format++) {
        static uint32_t ref[64 * 48];

        machine_up(NULL, NULL);
        g.cfg.width = 64;
        g.cfg.height = 48;
        g.cfg.fixed_mode = 1;
        g.cfg.format = format;
        REQUIRE(init() == VDRV_OK);
        noise(vdrv_display_fb(g.dpy, 0), ref);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(differing(0, ref, 64, 48), 0);
        down();
    }
}

/* GPU-12: the device's picture has exactly the rectangles that were flushed.
 */
static void random_rects(bool packed)
{
    enum { W = 160, H = 120 };
    static uint32_t now[W * H], ref[W * H];
    const struct fake_config mc = {.seed = check_seed()};
    struct vdrv_fb *fb;

    machine_up(&mc, NULL);
    g.cfg.width = W;
    g.cfg.height = H;
    g.cfg.fixed_mode = 1;
    g.cfg.packed = packed ? &vdrv_queue_packed : NULL;
    fake_dev_offer(&g.dev.dev, FAKE_F_RING_PACKED, packed);
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(fake_dev_has(&g.dev.dev, FAKE_F_RING_PACKED), packed);
    fb = vdrv_display_fb(g.dpy, 0);
    memset(ref, 0, sizeof(ref));
    for (uint32_t round = 0; round < 300; round++) {
        struct vdrv_rect r[40];
        const uint32_t n = 1 + fake_rand(&g.f) % 40; /* above max_rects too */
        struct vdrv_display_request req = {
            .op = VDRV_DISPLAY_FLUSH, .rects = r, .nrects = n};

        noise(fb, now);
        for (uint32_t i = 0; i < n; i++) {
            r[i].x = fake_rand(&g.f) % W;
            r[i].y = fake_rand(&g.f) % H;
            r[i].width = 1 + fake_rand(&g.f) % (W - r[i].x) % 30;
            r[i].height = 1 + fake_rand(&g.f) % (H - r[i].y) % 30;
            for (uint32_t y = r[i].y; y < r[i].y + r[i].height; y++)
                memcpy(&ref[y * W + r[i].x], &now[y * W + r[i].x],
                       4u * r[i].width);
        }
        CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
        REQUIRE(differing(0, ref, W, H) == 0);
    }
    down();
}

static void test_random_rects(void)
{
    random_rects(false);
    random_rects(true);
}

static void test_flush_rect(void)
{
    struct vdrv_rect r = {10, 20, 30, 40};
    struct vdrv_fb *fb;

    REQUIRE(up(NULL, NULL));
    fb = vdrv_display_fb(g.dpy, 0);
    for (uint32_t y = 0; y < fb->height; y++) {
        for (uint32_t x = 0; x < fb->width; x++)
            put(fb, x, y, 0x00ff00);
    }
    CHECK_EQ(vdrv_display_flush_rect(g.dpy, 0, &r), VDRV_OK);
    CHECK_EQ(fake_gpu_pixel(&g.dev, 0, 10, 20), 0x00ff00);
    CHECK_EQ(fake_gpu_pixel(&g.dev, 0, 39, 59), 0x00ff00);
    CHECK_EQ(fake_gpu_pixel(&g.dev, 0, 40, 59), 0);
    CHECK_EQ(fake_gpu_pixel(&g.dev, 0, 9, 20), 0);
    r.width = 0;
    CHECK_EQ(vdrv_display_flush_rect(g.dpy, 0, &r), VDRV_OK);
    /* GPU-19: nothing reaches the device. */
    r = vdrv_rect_make(600, 0, 41, 1);
    CHECK_EQ(vdrv_display_flush_rect(g.dpy, 0, &r), VDRV_ERR_INVALID);
    r = vdrv_rect_make(1, 1, UINT32_MAX, 1);
    CHECK_EQ(vdrv_display_flush_rect(g.dpy, 0, &r), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_flush_rect(g.dpy, 7, &r), VDRV_ERR_INVALID);
    CHECK_EQ(g.dev.errors, 0);
    down();
}

/* Transfer and flush of all rectangles cost one notification. */
static void test_one_kick(void)
{
    struct vdrv_rect r[8];
    struct vdrv_display_request req = {
        .op = VDRV_DISPLAY_FLUSH, .rects = r, .nrects = 8};
    uint32_t kicks;

    REQUIRE(up(NULL, NULL));
    for (uint32_t i = 0; i < 8; i++)
        r[i] = vdrv_rect_make(i * 10, i * 10, 5, 5);
    kicks = g.dev.dev.kicks;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_OK);
    CHECK_EQ(req.status, VDRV_PENDING);
    CHECK_EQ(g.dev.dev.kicks, kicks);
    CHECK_EQ(vdrv_display_kick(g.dpy, 0), 1);
    CHECK_EQ(g.dev.dev.kicks, kicks + 1);
    fake_steps(&g.f, 3);
    CHECK_EQ(vdrv_poll(&g.dpy->dev, 0, 0), 16);
    CHECK_EQ(req.status, VDRV_OK);
    down();
}

static void count_done(struct vdrv_display_request *req)
{
    ++*(uint32_t *)req->user;
}

/* GPU-15: submits never wait, answers may come in any order, each request ends once. */
static void test_async_any_order(void)
{
    struct vdrv_rect r = {1, 2, 3, 4};
    struct vdrv_display_request req[40];
    uint32_t done = 0, sent = 0;
    int err = VDRV_OK;

    REQUIRE(up(NULL, NULL));
    g.dev.dev.complete = FAKE_COMPLETE_RANDOM;
    g.dev.dev.per_step = 3;
    memset(req, 0, sizeof(req));
    for (; err == VDRV_OK && sent < 40; sent++) {
        req[sent].op = VDRV_DISPLAY_FLUSH;
        req[sent].rects = &r;
        req[sent].nrects = 1;
        req[sent].done = count_done;
        req[sent].user = &done;
        err = vdrv_display_submit(g.dpy, &req[sent]);
    }
    CHECK_EQ(err, VDRV_ERR_AGAIN);
    sent--;
    CHECK_EQ(sent, 32);
    CHECK_EQ(vdrv_display_kick(g.dpy, 0), 1);
    for (uint32_t i = 0; i < 100 && done < sent; i++) {
        fake_step(&g.f);
        CHECK(vdrv_poll(&g.dpy->dev, 0, 0) >= 0);
    }
    CHECK_EQ(done, sent);
    /* A blocking call finds room by itself. */
    for (uint32_t i = 0; i < 32; i++)
        CHECK_EQ(vdrv_display_submit(g.dpy, &req[i]), VDRV_OK);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    down();
    CHECK_EQ(done, 2 * sent); /* those that stop ended, too */
}

static void flush_in_done(struct vdrv_display_request *req)
{
    *(int *)req->user = vdrv_display_flush(&g.gpu.display, 0);
}

static void test_callback_may_not_wait(void)
{
    int err = 1;
    struct vdrv_display_request req = {
        .op = VDRV_DISPLAY_FLUSH, .done = flush_in_done, .user = &err};

    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
    CHECK_EQ(err, 1); /* execute tells by returning */
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_OK);
    CHECK_EQ(vdrv_display_kick(g.dpy, 0), 1);
    fake_steps(&g.f, 3);
    CHECK_EQ(vdrv_poll(&g.dpy->dev, 0, 0), 2);
    CHECK_EQ(err, VDRV_ERR_BUSY);
    CHECK_EQ(req.status, VDRV_OK);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK); /* no harm done */
    down();
}

/* GPU-19, GPU-21 */
static void test_bad_requests(void)
{
    struct vdrv_rect r = {0, 0, 1, 1};
    struct vdrv_display_request req = {0};
    struct vdrv_fb fb = {0};

    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_submit(g.dpy, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.op = VDRV__GPU_ASK_EDID;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.op = VDRV_DISPLAY_FLUSH;
    req.nrects = 1;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.rects = &r;
    r.height = 0;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    r.height = 1;
    req.fb = &fb;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_BAD_STATE);
    req.op = VDRV_DISPLAY_ATTACH;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.op = VDRV_DISPLAY_DETACH;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_BAD_STATE);
    req.fb = vdrv_display_fb(g.dpy, 0);
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_BUSY);
    req.op = VDRV_DISPLAY_ATTACH;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_EXISTS);
    req.op = VDRV_DISPLAY_SCANOUT;
    req.x = 640;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.x = 0;
    req.width = 641;
    req.height = 1;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    req.head = 1;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_ERR_INVALID);
    /* The library's own stays, shown or not. */
    req.fb = vdrv_display_fb(g.dpy, 0);
    CHECK_EQ(vdrv_display_set_scanout(g.dpy, 0, NULL, 0, 0), VDRV_OK);
    CHECK(vdrv_display_fb(g.dpy, 0) == NULL);
    CHECK_EQ(vdrv_display_detach(g.dpy, req.fb), VDRV_ERR_BUSY);
    CHECK_EQ(g.dev.errors, 0);
    down();
}

/* ---- Heads --------------------------------------------------------------- */

static void test_heads(void)
{
    const struct fake_gpu_config dc = {.scanouts = HEADS, .enabled = 3};
    static uint32_t ref[HEADS][640 * 480];
    struct vdrv_display_head head;

    REQUIRE(up(NULL, &dc));
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE(vdrv_display_fb(g.dpy, i) != NULL);
        noise(vdrv_display_fb(g.dpy, i), ref[i]);
    }
    CHECK(vdrv_display_fb(g.dpy, 3) == NULL);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(vdrv_display_flush(g.dpy, i), VDRV_OK);
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(differing(i, ref[i], 640, 480), 0);
    CHECK_EQ(vdrv_display_flush(g.dpy, 3), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_display_get_head(g.dpy, 2, &head), VDRV_OK);
    CHECK_EQ(head.enabled, 1);
    CHECK_EQ(head.active, 1);
    CHECK_EQ(vdrv_display_get_head(g.dpy, 3, &head), VDRV_OK);
    CHECK_EQ(head.enabled, 0);
    CHECK_EQ(head.active, 0);
    CHECK_EQ(vdrv_display_get_head(g.dpy, 4, &head), VDRV_ERR_INVALID);
    down();
}

/* GPU-10: nobody looks, and yet there is a picture. */
static void test_no_display(void)
{
    const struct fake_gpu_config dc = {.scanouts = 2, .enabled = UINT32_MAX};
    struct vdrv_display_mode_info info;

    machine_up(NULL, &dc);
    g.dev.scanout[0].width = g.dev.scanout[0].height = 0;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(vdrv_display_info(g.dpy, 0, &info), VDRV_OK);
    CHECK_EQ(info.width, 1024);
    CHECK_EQ(info.height, 768);
    CHECK(vdrv_display_fb(g.dpy, 1) == NULL);
    down();
}

static void test_f67_num_scanouts(void)
{
    machine_up(NULL, NULL);
    fake_put32(g.dev.dev.config + 8, 0);
    CHECK_EQ(init(), VDRV_ERR_PROTOCOL);
    CHECK(fake_log_contains(&g.f, "no scanout"));
    CHECK(fake_balanced(&g.f));
    g.cfg.heads = UINT32_MAX;
    fake_put32(g.dev.dev.config + 8, 17);
    CHECK_EQ(init(), VDRV_OK);
    CHECK_EQ(g.gpu.heads, 16);
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_OK);
    fake_put32(g.dev.dev.config + 8, UINT32_MAX);
    CHECK_EQ(init(), VDRV_OK);
    CHECK_EQ(g.gpu.heads, 16);
    CHECK_EQ(vdrv_virtio_gpu_fini(&g.gpu), VDRV_OK);
    /* Configuration space that ends before it. */
    g.mmio.transport.config_size = 8;
    CHECK_EQ(init(), VDRV_ERR_PROTOCOL);
    machine_down();
}

static void test_f68_sizes(void)
{
    static const uint32_t bad[][2] = {{0, 0},
                                      {0, 480},
                                      {UINT32_MAX, UINT32_MAX},
                                      {0x10000, 0x10000},
                                      {0x8000, 0x8000},
                                      {640, 0x40000001},
                                      {0x40000001, 1}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vdrv_display_head head;
        struct vdrv_display_mode_info info;

        machine_up(NULL, NULL);
        g.dev.scanout[0].width = bad[i][0];
        g.dev.scanout[0].height = bad[i][1];
        g.cfg.width = 320;
        g.cfg.height = 200;
        REQUIRE(init() == VDRV_OK);
        CHECK_EQ(vdrv_display_info(g.dpy, 0, &info), VDRV_OK);
        CHECK_EQ(info.width, 320);
        CHECK_EQ(info.height, 200);
        CHECK_EQ(vdrv_display_get_head(g.dpy, 0, &head), VDRV_OK);
        CHECK_EQ(head.width, 0);
        down();
    }
}

static void test_configured_maximum(void)
{
    const struct fake_gpu_config dc = {.width = 1920, .height = 1080};
    struct vdrv_display_mode_info info;

    machine_up(NULL, &dc);
    g.cfg.max_width = 1280;
    g.cfg.max_height = 800;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(vdrv_display_info(g.dpy, 0, &info), VDRV_OK);
    CHECK_EQ(info.width, 1280);
    CHECK_EQ(info.height, 800);
    CHECK_EQ(info.pitch, 5120);
    down();
}

/* The device answers what no fake would: by way of its interrupt. */
static void odd_display(void *arg, struct fake_dev *d, uint16_t vector)
{
    uint8_t *p = g.gpu.shared != NULL ? vdrv__gpu_long_answer(&g.gpu) : NULL;

    (void)arg;
    (void)d;
    (void)vector;
    if (p == NULL || fake_get32(p) != FAKE_GPU_OK_DISPLAY_INFO)
        return;
    fake_put32(p + 24, UINT32_MAX);
    fake_put32(p + 28, UINT32_MAX);
    fake_put32(p + 40, 0x80000000);
}

/* F69: any value of the flag but 0 is true; positions are not calculated with.
 */
static void test_f69_enabled_values(void)
{
    struct vdrv_display_head seen = {0};

    machine_up(NULL, NULL);
    g.cfg.no_event_idx = 1;
    REQUIRE(init() == VDRV_OK);
    g.dev.dev.on_irq = odd_display; /* init polls: nobody hears it there */
    fake_gpu_resize(&g.dev, 0, 656, 480);
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, NULL), VDRV_OK);
    CHECK_EQ(vdrv_display_get_head(g.dpy, 0, &seen), VDRV_OK);
    CHECK_EQ(seen.enabled, 1);
    CHECK_EQ(seen.x, UINT32_MAX);
    CHECK_EQ(seen.width, 656);
    down();
}

/* ---- Answers ------------------------------------------------------------- */

static struct virtio_gpu_ctrl_hdr answer(uint32_t type, uint32_t flags,
                                         uint64_t fence)
{
    struct virtio_gpu_ctrl_hdr h;

    memset(&h, 0, sizeof(h));
    h.type = le32(type);
    h.flags = le32(flags);
    h.fence_id = le64(fence);
    return h;
}

static void test_validate_response(void)
{
    const uint32_t flush = VIRTIO_GPU_CMD_RESOURCE_FLUSH;
    const uint32_t ok = VIRTIO_GPU_RESP_OK_NODATA;
    struct virtio_gpu_ctrl_hdr h = answer(ok, 1, 7);

    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_OK);
    /* F65 */
    for (uint32_t len = 0; len < 24; len++)
        CHECK_EQ(vdrv__gpu_validate_response(&h, len, flush, 7),
                 VDRV_ERR_PROTOCOL);
    /* F66 */
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 8), VDRV_ERR_PROTOCOL);
    h = answer(ok, 0, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_ERR_PROTOCOL);
    /* F64 */
    h = answer(VIRTIO_GPU_RESP_OK_EDID, 1, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_ERR_PROTOCOL);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 31, VIRTIO_GPU_CMD_GET_EDID, 7),
             VDRV_ERR_PROTOCOL);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 32, VIRTIO_GPU_CMD_GET_EDID, 7),
             VDRV_OK);
    h = answer(VIRTIO_GPU_RESP_OK_DISPLAY_INFO, 1, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 407,
                                         VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 7),
             VDRV_ERR_PROTOCOL);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 408,
                                         VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 7),
             VDRV_OK);
    h = answer(VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY, 1, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_ERR_NO_MEMORY);
    for (uint32_t e = 0x1200; e <= 0x1210; e++) {
        h = answer(e, 1, 7);
        CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7),
                 e == 0x1201 ? VDRV_ERR_NO_MEMORY : VDRV_ERR_IO);
    }
    h = answer(0x1300, 1, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_ERR_PROTOCOL);
    h = answer(0, 1, 7);
    CHECK_EQ(vdrv__gpu_validate_response(&h, 24, flush, 7), VDRV_ERR_PROTOCOL);
}

/* GPU-16, F64 to F66 through the driver: the answer is the error, and it latches. */
static void broken_answer(struct fake_gpu_fault fault, int expected, int after)
{
    REQUIRE(up(NULL, NULL));
    fake_gpu_plan(&g.dev, fault);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), expected);
    fake_gpu_faults_clear(&g.dev);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), after);
    CHECK_EQ(vdrv_reset(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    down();
}

static void test_f64_response_type(void)
{
    broken_answer(
        (struct fake_gpu_fault){FAKE_GPU_FLUSH, .response = 0x1104, .len = -1},
        VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
    broken_answer(
        (struct fake_gpu_fault){FAKE_GPU_FLUSH, .response = 0xbeef, .len = -1},
        VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
    broken_answer((struct fake_gpu_fault){FAKE_GPU_TRANSFER_2D,
                                          .response = 0x1203, .len = -1},
                  VDRV_ERR_IO, VDRV_OK);
    broken_answer(
        (struct fake_gpu_fault){FAKE_GPU_FLUSH, .response = 0x1201, .len = -1},
        VDRV_ERR_NO_MEMORY, VDRV_OK);
}

static void test_f65_short_response(void)
{
    for (int64_t len = 0; len < 24; len++)
        broken_answer((struct fake_gpu_fault){FAKE_GPU_FLUSH, .len = len},
                      VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
    /* Longer than there is room: the queue catches that. */
    broken_answer((struct fake_gpu_fault){FAKE_GPU_FLUSH, .len = 25},
                  VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
}

static void test_f66_fence(void)
{
    broken_answer(
        (struct fake_gpu_fault){FAKE_GPU_FLUSH, .fence_add = 1, .len = -1},
        VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
    broken_answer((struct fake_gpu_fault){FAKE_GPU_TRANSFER_2D,
                                          .no_fence = true, .len = -1},
                  VDRV_ERR_PROTOCOL, VDRV_ERR_PROTOCOL);
}

static void test_device_status(void)
{
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_FLUSH};

    REQUIRE(up(NULL, NULL));
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_TRANSFER_2D,
                                          .response = 0x1205, .len = -1});
    CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_ERR_IO);
    CHECK_EQ(req.status, VDRV_ERR_IO);
    CHECK_EQ(req.device_status, 0x1205);
    down();
}

/* ---- EDID and changes ---------------------------------------------------- */

static void test_edid(void)
{
    struct vdrv_display_head head;
    struct vdrv_display_mode mode;
    uint8_t raw[1024];

    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_get_head(g.dpy, 0, &head), VDRV_OK);
    CHECK_EQ(head.edid_size, 128);
    CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, raw, sizeof(raw)), 128);
    CHECK_MEM(raw, g.dev.scanout[0].edid, 128);
    CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, NULL, 0), 128);
    CHECK_EQ(vdrv_display_get_edid(g.dpy, 9, raw, 4), VDRV_ERR_INVALID);
    CHECK(head.modes >= 2);
    CHECK_EQ(vdrv_display_get_mode(g.dpy, 0, 0, &mode), VDRV_OK);
    CHECK_EQ(mode.flags, VDRV_MODE_SUGGESTED);
    CHECK_EQ(vdrv_display_get_mode(g.dpy, 0, 1, &mode), VDRV_OK);
    CHECK_EQ(mode.width, 640);
    CHECK_EQ(mode.height, 480);
    CHECK_EQ(mode.flags, VDRV_MODE_PREFERRED);
    CHECK_EQ(vdrv_display_get_mode(g.dpy, 0, head.modes, &mode),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_get_mode(g.dpy, 0, UINT32_MAX, &mode),
             VDRV_ERR_INVALID);
    down();
}

/* GPU-23, F70 */
static void test_f70_edid_sizes(void)
{
    static const uint32_t size[] = {0, 127, 128, 1024, 1025, 5000, UINT32_MAX};

    for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
        const int n = size[i] < 128     ? VDRV_ERR_UNSUPPORTED
                      : size[i] <= 1024 ? (int)size[i]
                                        : 1024;
        uint8_t raw[1024];

        machine_up(NULL, NULL);
        g.dev.scanout[0].edid_size = size[i];
        REQUIRE(init() == VDRV_OK);
        CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, raw, sizeof(raw)), n);
        down();
    }
    machine_up(NULL, NULL);
    g.dev.scanout[0].edid[127] ^= 1;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, NULL, 0), VDRV_ERR_UNSUPPORTED);
    down();
}

/* An answer that stops in the middle of the EDID gives no more than it has. */
static void test_f70_edid_cut(void)
{
    static const int64_t len[] = {32, 33, 32 + 127, 32 + 128, 1056};

    for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
        machine_up(NULL, NULL);
        g.dev.scanout[0].edid_size = 1024;
        fake_gpu_plan(
            &g.dev, (struct fake_gpu_fault){FAKE_GPU_GET_EDID, .len = len[i]});
        REQUIRE(init() == VDRV_OK);
        CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, NULL, 0),
                 len[i] < 160 ? VDRV_ERR_UNSUPPORTED : (int)len[i] - 32);
        down();
    }
}

/* GPU-23: not asked for when it was not negotiated. */
static void test_no_edid(void)
{
    const struct fake_gpu_config dc = {.no_edid = true};

    REQUIRE(up(NULL, &dc));
    CHECK_EQ(g.dev.commands[0x10a], 0);
    CHECK_EQ(vdrv_display_get_edid(g.dpy, 0, NULL, 0), VDRV_ERR_UNSUPPORTED);
    down();
}

/* GPU-05, GPU-06 */
static void test_resize_event(void)
{
    const struct fake_gpu_config dc = {.scanouts = 2};
    struct vdrv_display_head head;
    struct vdrv_display_caps before, after;
    uint32_t changes = 99;

    REQUIRE(up(NULL, &dc));
    (void)vdrv_irq(&g.dpy->dev, 0);
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, 0);
    CHECK_EQ(vdrv_display_get_caps(g.dpy, &before), VDRV_OK);
    fake_gpu_resize(&g.dev, 1, 800, 600);
    fake_put32(g.dev.dev.config, 0x80000001); /* and one nobody knows */
    CHECK_EQ(vdrv_irq(&g.dpy->dev, 0) & VDRV_CAUSE_CONFIG, VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, VDRV_CHANGE_HEADS);
    CHECK_EQ(vdrv_display_get_head(g.dpy, 1, &head), VDRV_OK);
    CHECK_EQ(head.width, 800);
    CHECK_EQ(head.height, 600);
    CHECK_EQ(head.enabled, 1);
    CHECK_EQ(head.edid_size, 128);
    CHECK_EQ(g.dev.commands[0x100], 2);
    CHECK_EQ(g.dev.commands[0x10a], 3); /* of one head, then of two */
    /* GPU-04: the bit that was handled, and no other. */
    CHECK_EQ(fake_get32(g.dev.dev.config), 0x80000000);
    CHECK_EQ(vdrv_display_get_caps(g.dpy, &after), VDRV_OK);
    CHECK_EQ(after.generation, before.generation + 1);
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, 0);
    down();
}

static uint32_t clears;

static void count_clears(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == SLOT + 0x104)
        clears++;
    CHECK(a->addr != SLOT + 0x100); /* GPU-03 */
}

/* The event is set again whenever the driver looks. */
static void storm(void *arg, struct fake_dev *d, uint32_t off)
{
    (void)arg;
    (void)off;
    fake_put32(d->config, 1);
}

/* F72: in the middle of a flush, and again and again. */
static void test_f72_event_storm(void)
{
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_FLUSH};
    uint32_t changes;

    REQUIRE(up(NULL, NULL));
    g.dev.dev.on_config_read = storm;
    g.f.write_hook = count_clears;
    clears = 0;
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_OK);
        CHECK(vdrv_display_kick(g.dpy, 0) >= 0);
        fake_gpu_resize(&g.dev, 0, 640 + i, 480);
        CHECK_EQ(vdrv_refresh(&g.dpy->dev, &changes), VDRV_OK);
        CHECK_EQ(changes, i == 0 ? 0 : VDRV_CHANGE_HEADS);
        CHECK_EQ(req.status, VDRV_OK);
    }
    CHECK_EQ(clears, 10);
    down();
}

static void test_needs_reset(void)
{
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_FLUSH};

    REQUIRE(up(NULL, NULL));
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_OK);
    fake_dev_needs_reset(&g.dev.dev);
    CHECK_EQ(vdrv_refresh(&g.dpy->dev, NULL), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_ERR_BAD_STATE);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_reset(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(req.status, VDRV_ERR_ABORTED);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    down();
}

/* ---- Stop and start ------------------------------------------------------ */

static void test_stop_start(void)
{
    static uint32_t ref[640 * 480];
    const struct fake_gpu_config dc = {.scanouts = 2, .enabled = 2};
    struct vdrv_fb *fb;

    REQUIRE(up(NULL, &dc));
    fb = vdrv_display_fb(g.dpy, 1);
    noise(fb, ref);
    for (uint32_t i = 0; i < 50; i++) {
        CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 0);
        CHECK(vdrv_display_fb(g.dpy, 1) == NULL);
        CHECK_EQ(vdrv_display_flush(g.dpy, 1), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_start(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(vdrv_start(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 2);
        CHECK(vdrv_display_fb(g.dpy, 1) == fb);
        CHECK_EQ(differing(1, ref, 640, 480), 0); /* what was last drawn */
    }
    down();
}

/* ---- Memory of the caller ------------------------------------------------ */

#define FB_W 32u
#define FB_H 40u

static uint32_t pixels[2][FB_W * FB_H];

static struct vdrv_fb caller_fb(uint32_t i)
{
    return (struct vdrv_fb){
        .width = FB_W, .height = FB_H, .pitch = FB_W * 4, .base = pixels[i]};
}

/* GPU-20, GPU-21, GPU-22 */
static void test_caller_flip_pan(void)
{
    static uint64_t work[2][VDRV_FB_WORK_SIZE(16) / 8];
    static const uint32_t modes[] = {FAKE_DIRECT, FAKE_MAPPED, FAKE_WINDOW};
    static uint32_t ref[2][FB_W * FB_H];

    for (uint32_t m = 0; m < 3; m++) {
        const struct fake_config mc = {.mode = modes[m], .max_run = 1000};
        struct vdrv_fb fb[2] = {caller_fb(0), caller_fb(1)};
        struct vdrv_display_request req = {
            .op = VDRV_DISPLAY_SCANOUT, .width = 16, .height = 16};

        machine_up(&mc, NULL);
        g.cfg.no_framebuffer = 1;
        REQUIRE(init() == VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 0);
        for (uint32_t i = 0; i < 2; i++) {
            fb[i].work = work[i];
            fb[i].work_size = sizeof(work[i]);
            CHECK_EQ(vdrv_display_attach(g.dpy, &fb[i]), VDRV_OK);
            CHECK_EQ(vdrv_display_attach(g.dpy, &fb[i]), VDRV_ERR_EXISTS);
        }
        for (uint32_t i = 0; i < 4; i++) {
            struct vdrv_fb *b = &fb[i & 1];

            req.fb = b;
            req.x = i * 5;
            req.y = i * 8;
            CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
            noise(b, ref[i & 1]);
            CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
            for (uint32_t y = 0; y < 16; y++) {
                for (uint32_t x = 0; x < 16; x++)
                    CHECK_EQ(fake_gpu_pixel(&g.dev, 0, x, y),
                             ref[i & 1][(y + req.y) * FB_W + x + req.x]);
            }
        }
        CHECK_EQ(vdrv_display_detach(g.dpy, &fb[1]), VDRV_ERR_BUSY);
        CHECK_EQ(vdrv_display_detach(g.dpy, &fb[0]), VDRV_OK);
        CHECK_EQ(fb[0].state, VDRV_FB_DETACHED);
        req.fb = NULL;
        CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
        CHECK_EQ(g.dev.scanout[0].resource, 0);
        CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(fb[1].state, VDRV_FB_DETACHED);
        CHECK_EQ(g.f.maps_live, 0);
        down();
    }
}

/* GPU-22: rows with padding, and memory in pieces that lie anywhere. */
static void test_caller_scattered(void)
{
    enum { W = 30, H = 20, PITCH = 128, PIECE = 256 };
    static uint8_t memory[2 * PITCH * H];
    struct vdrv_seg seg[PITCH * H / PIECE];
    struct vdrv_fb fb = {.width = W,
                         .height = H,
                         .pitch = PITCH,
                         .format = VDRV_FORMAT_RGBA,
                         .segs = seg,
                         .nsegs = PITCH * H / PIECE};
    const struct vdrv_rect r = {3, 5, 20, 10};
    struct vdrv_display_request req = {
        .op = VDRV_DISPLAY_FLUSH, .fb = &fb, .rects = &r, .nrects = 1};

    /* Piece i lies behind piece i + 1, with a gap. */
    for (uint32_t i = 0; i < fb.nsegs; i++)
        seg[i] = vdrv_seg_out(memory + (fb.nsegs - 1 - i) * 2 * PIECE, PIECE);
    for (uint32_t y = 0; y < H; y++) {
        for (uint32_t x = 0; x < W; x++) {
            const uint32_t at = y * PITCH + x * 4;
            uint8_t *p = (uint8_t *)seg[at / PIECE].ptr + at % PIECE;

            p[0] = (uint8_t)x;
            p[1] = (uint8_t)y;
            p[2] = 0x77;
        }
    }
    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_set_scanout(g.dpy, 0, &fb, 0, 0), VDRV_OK);
    CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
    for (uint32_t y = 0; y < H; y++) {
        for (uint32_t x = 0; x < W; x++) {
            const bool in = x >= 3 && x < 23 && y >= 5 && y < 15;

            CHECK_EQ(fake_gpu_pixel(&g.dev, 0, x, y),
                     in ? x << 16 | y << 8 | 0x77 : 0);
        }
    }
    down();
    CHECK_EQ(fb.state, VDRV_FB_DETACHED);
}

/* F73 */
static void test_f73_too_many_runs(void)
{
    static uint8_t memory[64 * 64];
    struct vdrv_seg seg[20];
    struct vdrv_fb fb = {
        .width = 4, .height = 20, .pitch = 16, .segs = seg, .nsegs = 20};

    for (uint32_t i = 0; i < 20; i++)
        seg[i] = vdrv_seg_out(memory + i * 32, 16);
    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_TOO_BIG);
    CHECK_EQ(fb.state, VDRV_FB_DETACHED);
    fb.height = 16; /* exactly what fits: the rest is not looked at */
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_OK);
    fb.height = 10;
    fb.nsegs = 9; /* too little memory */
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_INVALID);
    fb.nsegs = UINT32_MAX;
    fb.height = UINT32_MAX; /* 64 GiB */
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_INVALID);
    fb = caller_fb(0);
    fb.flags = VDRV_FB_SHARED;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_UNSUPPORTED);
    down();
}

static void test_attach_mapping_fails(void)
{
    static uint64_t work[VDRV_FB_WORK_SIZE(4) / 8];
    const struct fake_config mc = {.mode = FAKE_MAPPED, .max_run = 1024};
    struct vdrv_fb fb = caller_fb(0); /* 5 runs */

    REQUIRE(up(&mc, NULL));
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_NO_MEMORY);
    fb.work = work;
    fb.work_size = sizeof(work) / 2;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_NO_MEMORY);
    CHECK_EQ(g.f.maps_live, 0);
    fb.work_size = sizeof(work);
    g.f.fail_map = 3;
    g.f.fail_map_code = VDRV_ERR_INVALID;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_INVALID);
    CHECK_EQ(g.f.maps_live, 0);
    g.f.fail_map = 3;
    g.f.fail_map_code = VDRV_ERR_AGAIN;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_AGAIN);
    CHECK_EQ(g.f.maps_live, 0);
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    down();
}

/* F71: nothing stays with the device, and the memory is the caller's. */
static void test_f71_attach_refused(void)
{
    static const uint32_t refused[] = {FAKE_GPU_CREATE_2D,
                                       FAKE_GPU_ATTACH_BACKING};

    for (uint32_t i = 0; i < 2; i++) {
        static uint64_t work[VDRV_FB_WORK_SIZE(16) / 8];
        const struct fake_config mc = {.mode = FAKE_MAPPED};
        struct vdrv_fb fb = caller_fb(0);

        REQUIRE(up(&mc, NULL));
        fb.work = work;
        fb.work_size = sizeof(work);
        fake_gpu_plan(&g.dev,
                      (struct fake_gpu_fault){refused[i], .count = 1,
                                              .response = 0x1201, .len = -1});
        CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_NO_MEMORY);
        CHECK_EQ(fb.state, VDRV_FB_DETACHED);
        CHECK_EQ(g.f.maps_live, 0);
        CHECK_EQ(fake_gpu_resources(&g.dev), 1); /* the library's */
        CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
        down();
    }
}

/* A device that does not let go keeps the memory, until it is reset. */
static void test_detach_refused(void)
{
    static uint64_t work[VDRV_FB_WORK_SIZE(16) / 8];
    const struct fake_config mc = {.mode = FAKE_MAPPED};
    struct vdrv_fb fb = caller_fb(0);

    REQUIRE(up(&mc, NULL));
    fb.work = work;
    fb.work_size = sizeof(work);
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_UNREF, .count = 1,
                                          .response = 0x1200, .len = -1});
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_DETACH_BACKING, .count = 1,
                                          .response = 0x1200, .len = -1});
    CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_ERR_IO);
    CHECK_EQ(fb.state, VDRV_FB_DETACHING);
    CHECK_EQ(g.f.maps_live, 1);
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_EXISTS);
    CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(fb.state, VDRV_FB_DETACHED);
    CHECK_EQ(g.f.maps_live, 0);
    down();
}

static uint32_t synced;

static void count_sync(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                       uint32_t dir)
{
    (void)ctx;
    CHECK_EQ(dir, VDRV_DIR_OUT);
    CHECK_EQ((uintptr_t)ptr + g.f.hal.direct_offset, dma);
    CHECK((uint8_t *)ptr >= (uint8_t *)pixels[0]);
    synced += len;
}

static void test_sync_rows(void)
{
    struct vdrv_fb fb = caller_fb(0);
    const struct vdrv_rect r = {3, 5, 20, 10};
    struct vdrv_display_request req = {
        .op = VDRV_DISPLAY_FLUSH, .fb = &fb, .rects = &r, .nrects = 1};

    machine_up(NULL, NULL);
    g.f.hal.dma_sync = count_sync;
    REQUIRE(init() == VDRV_OK);
    synced = 0;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
    CHECK_EQ(synced, 10 * FB_W * 4);
    down();
}

/* ---- Modes and cursor ---------------------------------------------------- */

/* GPU-21 */
static void test_set_mode(void)
{
    static uint32_t ref[640 * 480];
    struct vdrv_display_mode_info info;
    struct vdrv_fb *fb, own = caller_fb(0);

    machine_up(NULL, NULL);
    g.cfg.max_width = 640;
    g.cfg.max_height = 480;
    REQUIRE(init() == VDRV_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        const uint32_t w = 1 + fake_rand(&g.f) % 100;
        const uint32_t h = 1 + fake_rand(&g.f) % 100;

        REQUIRE(vdrv_display_set_mode(g.dpy, 0, w, h, NULL) == VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 1);
        fb = vdrv_display_fb(g.dpy, 0);
        CHECK(fb->width == w && fb->height == h && fb->pitch == w * 4);
        if (i % 100 != 0)
            continue;
        noise(fb, ref);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(differing(0, ref, w, h), 0);
    }
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 641, 480, NULL), VDRV_ERR_TOO_BIG);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 0, 1, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 1, 1, 1, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, FB_W, FB_H, &own), VDRV_OK);
    CHECK_EQ(vdrv_display_info(g.dpy, 0, &info), VDRV_OK);
    CHECK(info.fb_base == pixels[0]);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 64, 64, NULL), VDRV_OK);
    CHECK_EQ(vdrv_display_detach(g.dpy, &own), VDRV_OK);
    down();
}

/* Each command of a mode set fails in its turn: the old picture stays. */
static void test_set_mode_failure_sweep(void)
{
    for (uint32_t k = 0; k < 3; k++) {
        struct vdrv_fb *fb;

        REQUIRE(up(NULL, NULL));
        fb = vdrv_display_fb(g.dpy, 0);
        fake_gpu_plan(
            &g.dev, (struct fake_gpu_fault){FAKE_GPU_ANY, .skip = k, .count = 1,
                                            .response = 0x1202, .len = -1});
        CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 320, 200, NULL), VDRV_ERR_IO);
        CHECK(vdrv_display_fb(g.dpy, 0) == fb);
        CHECK_EQ(fake_gpu_resources(&g.dev), 1);
        CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 320, 200, NULL), VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 1);
        down();
    }
}

/* GPU-01, GPU-13, GPU-38 */
static void test_cursor(void)
{
    static uint32_t image[64 * 64];
    uint32_t bytes;

    for (uint32_t i = 0; i < 64 * 64; i++) {
        bytes = vdrv_pixel_pack(VDRV_FORMAT_BGRA, (uint8_t)i, (uint8_t)(i >> 8),
                                0x55, (uint8_t)(i * 3));
        image[i] = bytes;
    }
    machine_up(NULL, NULL);
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    for (uint32_t round = 0; round < 2; round++) { /* with two images */
        CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 3, 4), VDRV_OK);
        fake_steps(&g.f, 2);
        CHECK_EQ(g.dev.cursor.hot_x, 3);
        CHECK_EQ(g.dev.cursor.hot_y, 4);
        for (uint32_t i = 0; i < 64 * 64; i++) {
            const uint32_t a = round
                                   ? 0xff000000u | i
                                   : (i * 3 & 0xffu) << 24 | (i & 0xffu) << 16 |
                                         (i & 0xff00u) | 0x55;

            REQUIRE(g.dev.cursor.picture[i] == a);
        }
        for (uint32_t i = 0; i < 64 * 64; i++)
            image[i] = vdrv_pixel_pack(VDRV_FORMAT_BGRA, (uint8_t)(i >> 16),
                                       (uint8_t)(i >> 8), (uint8_t)i, 0xff);
    }
    CHECK_EQ(vdrv_display_move_cursor(g.dpy, 0, 100, 200), VDRV_OK);
    fake_steps(&g.f, 2);
    CHECK_EQ(g.dev.cursor.x, 100);
    CHECK_EQ(g.dev.cursor.y, 200);
    CHECK(g.dev.cursor.resource != 0);
    CHECK_EQ(vdrv_display_hide_cursor(g.dpy, 0), VDRV_OK);
    fake_steps(&g.f, 2);
    CHECK_EQ(g.dev.cursor.resource, 0);
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 64, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_display_move_cursor(g.dpy, 1, 0, 0), VDRV_ERR_INVALID);
    down();
    REQUIRE(up(NULL, NULL));
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 0, 0),
             VDRV_ERR_UNSUPPORTED);
    down();
}

/* Each command has memory of its own until the device has done it. */
static void test_cursor_moves_queue(void)
{
    machine_up(NULL, NULL);
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (uint32_t i = 1; i <= 5; i++)
        CHECK_EQ(vdrv_display_move_cursor(g.dpy, 0, i, 2 * i), VDRV_OK);
    fake_dev_collect(&g.dev.dev);
    for (uint32_t i = 1; i <= 5; i++) {
        fake_dev_release(&g.dev.dev, 0);
        CHECK_EQ(g.dev.cursor.x, i);
        CHECK_EQ(g.dev.cursor.y, 2 * i);
    }
    down();
}

/* F74: the cursor queue is stuck, and the picture goes on. */
static void test_f74_cursor_hangs(void)
{
    uint32_t i = 0;
    int err = VDRV_OK;

    machine_up(NULL, NULL);
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    for (; i < 100 && err == VDRV_OK; i++)
        err = vdrv_display_move_cursor(g.dpy, 0, i, i);
    CHECK_EQ(err, VDRV_ERR_AGAIN);
    CHECK_EQ(i, VDRV_VIRTIO_GPU_CURSOR_SLOTS + 1);
    fake_dev_collect(&g.dev.dev);
    while (fake_dev_pending(&g.dev.dev) > 0) /* no answer, ever */
        fake_dev_drop(&g.dev.dev, 0);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    for (i = 0; i < 10; i++)
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    CHECK_EQ(vdrv_display_move_cursor(g.dpy, 0, 1, 1), VDRV_ERR_AGAIN);
    CHECK_EQ(vdrv_reset(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(vdrv_display_move_cursor(g.dpy, 0, 7, 7), VDRV_OK);
    down();
}

/* GPU-14, GPU-37: the image is known to be there before it is shown. */
static void test_cursor_waits_for_image(void)
{
    static uint32_t image[64 * 64];

    machine_up(NULL, NULL);
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 0, 0), VDRV_ERR_TIMEOUT);
    CHECK_EQ(g.dev.commands[FAKE_GPU_UPDATE_CURSOR & 0x3ff], 0);
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_start(&g.dpy->dev), VDRV_OK);
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_TRANSFER_2D, .count = 1,
                                          .response = 0x1200, .len = -1});
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 0, 0), VDRV_ERR_IO);
    CHECK_EQ(g.dev.commands[FAKE_GPU_UPDATE_CURSOR & 0x3ff], 0);
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 0, 0), VDRV_OK);
    fake_steps(&g.f, 2);
    CHECK_EQ(g.dev.commands[FAKE_GPU_UPDATE_CURSOR & 0x3ff], 1);
    down();
}

/* GPU-03, GPU-07: fields that the driver has no business with. */
static void no_alignment(void *arg, struct fake_dev *d, uint32_t off)
{
    (void)arg;
    (void)d;
    CHECK(off < 16);
}

/*
 * GPU-02, GPU-17, GPU-18, GPU-24, GPU-25, GPU-33: what belongs to 3D is not
 * accepted, and none of its commands is ever sent.
 */
static void test_nothing_of_3d(void)
{
    static uint32_t image[64 * 64];
    struct vdrv_fb own = caller_fb(0);

    machine_up(NULL, &(struct fake_gpu_config){.blob = true});
    fake_dev_offer(&g.dev.dev, 0, true);  /* VIRGL */
    fake_dev_offer(&g.dev.dev, 2, true);  /* RESOURCE_UUID */
    fake_dev_offer(&g.dev.dev, 4, true);  /* CONTEXT_INIT */
    fake_put32(g.dev.dev.config + 12, 2); /* capsets */
    g.dev.dev.on_config_read = no_alignment;
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(g.dev.dev.accepted[0] & 0x3f, 1u << 1 | 1u << 3);
    own.flags = VDRV_FB_SHARED;
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, FB_W, FB_H, &own), VDRV_OK);
    CHECK_EQ(vdrv_display_set_cursor(g.dpy, 0, image, 0, 0), VDRV_OK);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, 64, 64, NULL), VDRV_OK);
    CHECK_EQ(vdrv_display_detach(g.dpy, &own), VDRV_OK);
    for (uint32_t type = 0x200; type < 0x300; type++)
        CHECK_EQ(g.dev.commands[type & 0x3ff], 0);
    CHECK_EQ(g.dev.commands[0x108], 0);
    CHECK_EQ(g.dev.commands[0x109], 0);
    CHECK_EQ(g.dev.commands[0x10b], 0);
    CHECK_EQ(g.dev.errors, 0);
    down();
}

/* ---- Shared memory ------------------------------------------------------- */

static const struct fake_gpu_config blobs = {.blob = true};

/* Red is x and green is y, in memory that lies in pieces of `piece` bytes. */
static void paint_pieces(const struct vdrv_fb *fb, uint32_t piece)
{
    for (uint32_t y = 0; y < fb->height; y++) {
        for (uint32_t x = 0; x < fb->width; x++) {
            const uint32_t at = y * fb->pitch + x * 4;
            const uint32_t v =
                vdrv_pixel_pack(fb->format, (uint8_t)x, (uint8_t)y, 0x77, 0);

            memcpy((uint8_t *)fb->segs[at / piece].ptr + at % piece, &v, 4);
        }
    }
}

/* GPU-26, GPU-27, GPU-28, GPU-30, GPU-31: what the device shows is the memory
   itself, in pieces, with padding, at any offset; nothing is transferred. */
static void test_shared_scanout(void)
{
    enum { W = 30, H = 20, PITCH = 128, PIECE = 256 };
    static uint8_t memory[2 * PITCH * H];
    static uint64_t work[VDRV_FB_WORK_SIZE(16) / 8];
    static const uint32_t modes[] = {FAKE_DIRECT, FAKE_MAPPED, FAKE_WINDOW};

    for (uint32_t format = 0; format <= VDRV_FORMAT_ABGR; format++) {
        const struct fake_config mc = {.mode = modes[format % 3]};
        struct vdrv_seg seg[PITCH * H / PIECE];
        struct vdrv_fb fb = {.width = W,
                             .height = H,
                             .pitch = PITCH,
                             .format = format,
                             .flags = VDRV_FB_SHARED,
                             .segs = seg,
                             .nsegs = PITCH * H / PIECE,
                             .work = work,
                             .work_size = sizeof(work)};
        const struct vdrv_rect r = {7, 6, 5, 4};
        struct vdrv_display_request show = {.op = VDRV_DISPLAY_SCANOUT,
                                            .fb = &fb,
                                            .x = 3,
                                            .y = 5,
                                            .width = 20,
                                            .height = 10};
        struct vdrv_display_request req = {
            .op = VDRV_DISPLAY_FLUSH, .fb = &fb, .rects = &r, .nrects = 1};

        for (uint32_t i = 0; i < fb.nsegs; i++)
            seg[i] =
                vdrv_seg_out(memory + (fb.nsegs - 1 - i) * 2 * PIECE, PIECE);
        paint_pieces(&fb, PIECE);
        machine_up(&mc, &blobs);
        g.cfg.no_framebuffer = 1;
        REQUIRE(init() == VDRV_OK);
        CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
        CHECK_EQ(vdrv_display_execute(g.dpy, &show), VDRV_OK);
        CHECK_EQ(vdrv_display_execute(g.dpy, &req), VDRV_OK);
        for (uint32_t y = 0; y < 10; y++) {
            for (uint32_t x = 0; x < 20; x++) {
                const uint32_t fx = x + 3, fy = y + 5;
                const bool in = fx >= 7 && fx < 12 && fy >= 6 && fy < 10;

                CHECK_EQ(fake_gpu_pixel(&g.dev, 0, x, y),
                         in ? fx << 16 | fy << 8 | 0x77 : 0);
            }
        }
        CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_ERR_BUSY);
        CHECK_EQ(vdrv_display_set_scanout(g.dpy, 0, NULL, 0, 0), VDRV_OK);
        CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_OK);
        CHECK_EQ(fake_gpu_resources(&g.dev), 0);
        CHECK_EQ(g.f.maps_live, 0);
        CHECK_EQ(g.dev.commands[FAKE_GPU_TRANSFER_2D & 0x3ff], 0);
        CHECK_EQ(g.dev.errors, 0);
        down();
    }
}

/* The library's own framebuffers, through mode changes and a restart. */
static void test_shared_own(void)
{
    static uint32_t ref[640 * 480];
    const struct fake_gpu_config dc = {.blob = true, .blob_align = 65536};
    struct vdrv_display_caps caps;

    machine_up(NULL, &dc);
    g.cfg.share = 1;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(vdrv_display_get_caps(g.dpy, &caps), VDRV_OK);
    CHECK_EQ(caps.can_share, 1);
    CHECK_EQ(caps.share_align, 65536);
    for (uint32_t i = 0; i < 20; i++) {
        const uint32_t w = i == 0 ? 640 : 1 + fake_rand(&g.f) % 640;
        const uint32_t h = i == 0 ? 480 : 1 + fake_rand(&g.f) % 480;

        CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, w, h, NULL), VDRV_OK);
        noise(vdrv_display_fb(g.dpy, 0), ref);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(differing(0, ref, w, h), 0);
        CHECK_EQ(fake_gpu_resources(&g.dev), 1);
        CHECK_EQ(vdrv_reset(&g.dpy->dev), VDRV_OK);
        CHECK_EQ(differing(0, ref, w, h), 0);
    }
    CHECK_EQ(g.dev.commands[FAKE_GPU_TRANSFER_2D & 0x3ff], 0);
    CHECK_EQ(g.dev.errors, 0);
    down();
}

/* GPU-32: multiples of the alignment, and no byte of somebody else's. */
static void test_shared_alignment(void)
{
    static uint8_t memory[8192];
    const struct fake_gpu_config dc = {.blob = true, .blob_align = 8192};
    struct vdrv_seg seg = vdrv_seg_out(memory, 5000);
    struct vdrv_fb fb = {.width = 10,
                         .height = 100,
                         .pitch = 40,
                         .base = memory,
                         .flags = VDRV_FB_SHARED};

    REQUIRE(up(NULL, &dc));
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_INVALID);
    fb.segs = &seg;
    fb.nsegs = 1;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_INVALID);
    CHECK_EQ(g.dev.commands[FAKE_GPU_CREATE_BLOB & 0x3ff], 0);
    seg.len = 8192;
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(fake_gpu_find(&g.dev, fb.id)->size, 8192);
    CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_OK);
    fb = (struct vdrv_fb){.width = 32,
                          .height = 64,
                          .pitch = 128,
                          .base = memory,
                          .flags = VDRV_FB_SHARED};
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_OK);
    down();
}

/* GPU-02, GPU-07: accepted together or not at all; nonsense is not shared. */
static void test_shared_offer(void)
{
    static const uint32_t nonsense[] = {0, 1, 2048, 4097, 12288, UINT32_MAX};
    const struct fake_gpu_config both = {.blob = true, .blob_align = 4096};
    const struct fake_gpu_config alone = {.blob_align = 4096};
    struct vdrv_fb fb = caller_fb(0);

    fb.flags = VDRV_FB_SHARED;
    for (size_t i = 0; i < 2 + sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        machine_up(NULL, i == 1 ? &alone : &both);
        g.cfg.no_share = i == 0;
        if (i >= 2)
            fake_put32(g.dev.dev.config + 16, nonsense[i - 2]);
        g.cfg.share = 1;
        REQUIRE(init() == VDRV_OK);
        if (i < 2)
            CHECK_EQ(g.dev.dev.accepted[0] & (1u << 3 | 1u << 5), 0);
        else
            CHECK(fake_log_contains(&g.f, "blob alignment makes no sense"));
        CHECK_EQ(g.gpu.caps.can_share, 0);
        CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_UNSUPPORTED);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(g.dev.commands[FAKE_GPU_CREATE_BLOB & 0x3ff], 0);
        down();
    }
}

static void test_f71_blob_refused(void)
{
    static uint64_t work[VDRV_FB_WORK_SIZE(16) / 8];
    const struct fake_config mc = {.mode = FAKE_MAPPED};
    struct vdrv_fb fb = caller_fb(0);

    REQUIRE(up(&mc, &blobs));
    fb.flags = VDRV_FB_SHARED;
    fb.work = work;
    fb.work_size = sizeof(work);
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_CREATE_BLOB, .count = 1,
                                          .response = 0x1201, .len = -1});
    fake_gpu_plan(&g.dev,
                  (struct fake_gpu_fault){FAKE_GPU_UNREF, .skip = 1, .count = 1,
                                          .response = 0x1200, .len = -1});
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_ERR_NO_MEMORY);
    CHECK_EQ(fb.state, VDRV_FB_DETACHED);
    CHECK_EQ(g.f.maps_live, 0);
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_detach(g.dpy, &fb), VDRV_ERR_IO);
    CHECK_EQ(fb.state, VDRV_FB_DETACHING); /* the device has it still */
    CHECK_EQ(g.f.maps_live, 1);
    CHECK_EQ(vdrv_stop(&g.dpy->dev), VDRV_OK);
    CHECK_EQ(g.f.maps_live, 0);
    down();
}

/* ---- Sessions ------------------------------------------------------------ */

#define SESSION_FBS 4u

static uint32_t session_pixels[SESSION_FBS][FB_W * FB_H];

/* What a head shows is what its framebuffer holds. */
static void look(uint32_t head)
{
    const struct vdrv_fb *fb = vdrv_display_fb(g.dpy, head);
    struct vdrv_display_mode_info info;
    struct vdrv_pixel_layout l;

    if (fb == NULL || vdrv_display_info(g.dpy, head, &info) != VDRV_OK)
        return;
    CHECK_EQ(vdrv_format_layout(fb->format, &l), VDRV_OK);
    for (uint32_t y = 0; y < info.height; y++) {
        for (uint32_t x = 0; x < info.width; x++) {
            const uint8_t *p = (const uint8_t *)fb->base +
                               (size_t)(y + info.y) * fb->pitch +
                               4 * (size_t)(x + info.x);
            uint32_t v;

            memcpy(&v, p, 4);
            v = (v >> l.red_shift & 0xff) << 16 |
                (v >> l.green_shift & 0xff) << 8 | (v >> l.blue_shift & 0xff);
            if (fake_gpu_pixel(&g.dev, head, x, y) != v) {
                CHECK_EQ(fake_gpu_pixel(&g.dev, head, x, y), v);
                return;
            }
        }
    }
}

/* One random call; its error, and what it may not be. */
static int session_step(struct vdrv_fb *fbs, const uint32_t *image)
{
    struct vdrv_fb *fb = &fbs[fake_rand(&g.f) % SESSION_FBS];
    const uint32_t head = fake_rand(&g.f) % 2;
    int err;

    switch (fake_rand(&g.f) % 8) {
    case 0:
        return vdrv_display_attach(g.dpy, fb);
    case 1:
        return vdrv_display_detach(g.dpy, fb);
    case 2:
        return vdrv_display_set_scanout(g.dpy, head, fb, fake_rand(&g.f) % 8,
                                        fake_rand(&g.f) % 8);
    case 3:
        return vdrv_display_set_mode(g.dpy, head, 1 + fake_rand(&g.f) % 64,
                                     1 + fake_rand(&g.f) % 48, NULL);
    case 4:
        return vdrv_display_set_mode(g.dpy, head, FB_W, FB_H, fb);
    case 5:
        return vdrv_display_set_cursor(g.dpy, head, image, 1, 2);
    case 6:
        return fake_rand(&g.f) % 8 != 0 ? VDRV_OK : vdrv_reset(&g.dpy->dev);
    default:
        if (vdrv_display_fb(g.dpy, head) == NULL)
            return VDRV_ERR_BAD_STATE;
        noise(vdrv_display_fb(g.dpy, head), NULL);
        err = vdrv_display_flush(g.dpy, head);
        if (err == VDRV_OK)
            look(head);
        return err;
    }
}

/*
 * GPU-16, F64: sessions in which the device refuses what it likes with each
 * code that there is: an error, and on it goes.
 */
static void test_random_session(void)
{
    static const struct fake_gpu_config dc = {
        .scanouts = 2, .enabled = 2, .width = 64, .height = 48, .blob = true};
    static uint32_t image[64 * 64];
    const struct fake_config mc = {.seed = check_seed()};
    struct vdrv_fb fbs[SESSION_FBS];
    uint32_t refused = 0, done = 0;

    machine_up(&mc, &dc);
    g.cfg.cursor = 1;
    REQUIRE(init() == VDRV_OK);
    memset(fbs, 0, sizeof(fbs));
    for (uint32_t i = 0; i < SESSION_FBS; i++) {
        fbs[i] = caller_fb(0);
        fbs[i].base = session_pixels[i];
        fbs[i].format = i * 2;
        fbs[i].flags = i & 1u ? VDRV_FB_SHARED : 0;
    }
    for (uint32_t i = 0; i < 4000; i++) {
        const bool fault = fake_rand(&g.f) % 4 == 0;
        int err;

        fake_gpu_faults_clear(&g.dev);
        if (fault)
            fake_gpu_plan(&g.dev, (struct fake_gpu_fault){
                                      FAKE_GPU_ANY, .skip = fake_rand(&g.f) % 4,
                                      .count = 1,
                                      .response = 0x1200 + fake_rand(&g.f) % 6,
                                      .len = -1});
        err = session_step(fbs, image);
        if (err == VDRV_OK)
            done++;
        if (err == VDRV_ERR_IO || err == VDRV_ERR_NO_MEMORY) {
            CHECK(fault);
            refused++;
        }
        CHECK(err != VDRV_ERR_PROTOCOL && err != VDRV_ERR_TIMEOUT &&
              err != VDRV_ERR_STUCK);
        if (err == VDRV_ERR_BAD_STATE && i % 16 == 0) {
            fake_gpu_faults_clear(&g.dev); /* a start may have been refused */
            CHECK_EQ(vdrv_reset(&g.dpy->dev), VDRV_OK);
        }
    }
    printf("  %u done, %u refused by the device\n", done, refused);
    CHECK(done > 500 && refused > 100);
    down();
    for (uint32_t i = 0; i < SESSION_FBS; i++)
        CHECK_EQ(fbs[i].state, VDRV_FB_DETACHED);
}

/* ---- Panic --------------------------------------------------------------- */

/*
 * The driver is left, never to be returned to, at one point of its code: at a
 * call of the HAL, or, where the CPU can be stepped, at any instruction.
 */
static struct {
    sigjmp_buf out;
    struct vdrv_hal real;
    uint32_t left;  /* calls of the HAL to pass before it happens */
    uint32_t steps; /* and instructions, after those */
    bool armed;
    bool panicked;
    volatile int inside; /* of the HAL: not a place to leave it */
} crash;

static void leave(void)
{
    crash.armed = false;
    siglongjmp(crash.out, 1);
}

static void point(void)
{
    if (!crash.armed || crash.left == 0 || --crash.left != 0)
        return;
    if (crash.steps == 0)
        leave();
    (void)raise(SIGTRAP); /* from here on, one by one */
}

#define REAL(call)                                                             \
    do {                                                                       \
        point();                                                               \
        crash.inside++;                                                        \
        call;                                                                  \
        crash.inside--;                                                        \
    } while (0)

static uint64_t crash_now(void *ctx)
{
    uint64_t us;

    REAL(us = crash.real.now_us(ctx));
    return us;
}

static void crash_relax(void *ctx)
{
    REAL(crash.real.relax(ctx));
}

static void crash_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                       uint32_t max_us)
{
    CHECK(!crash.panicked);
    REAL(crash.real.wait(ctx, dev, queue, max_us));
}

static void crash_wake(void *ctx, struct vdrv_device *dev, uint32_t queue)
{
    (void)ctx;
    (void)dev;
    (void)queue;
    CHECK(!crash.panicked);
    point();
}

static uint32_t crash_read(void *ctx, uint32_t space, uintptr_t addr,
                           uint32_t width)
{
    uint32_t v;

    REAL(v = crash.real.reg_read(ctx, space, addr, width));
    return v;
}

static void crash_write(void *ctx, uint32_t space, uintptr_t addr,
                        uint32_t width, uint32_t v)
{
    REAL(crash.real.reg_write(ctx, space, addr, width, v));
}

static void crash_done(struct vdrv_display_request *req)
{
    (void)req;
    CHECK(!crash.panicked);
    point();
}

static void crash_machine(void)
{
    static const struct fake_gpu_config dc = {
        .scanouts = 2, .enabled = 2, .width = 64, .height = 48};

    machine_up(NULL, &dc);
    memset(&crash, 0, sizeof(crash));
    crash.real = g.f.hal;
    g.f.hal.now_us = crash_now;
    g.f.hal.relax = crash_relax;
    g.f.hal.wait = crash_wait;
    g.f.hal.wake = crash_wake;
    g.f.hal.reg_read = crash_read;
    g.f.hal.reg_write = crash_write;
    g.cfg.cursor = 1;
}

/* Some of everything that a kernel does with a display. */
static void crash_work(void)
{
    static uint32_t image[64 * 64];
    static const struct vdrv_rect r[3] = {
        {1, 2, 3, 4}, {5, 6, 7, 8}, {0, 0, 1, 1}};
    static struct vdrv_display_request req[2];
    static struct vdrv_fb fb;
    uint32_t changes;

    fb = caller_fb(0);
    memset(req, 0, sizeof(req));
    for (uint32_t i = 0; i < 2; i++) {
        req[i].op = VDRV_DISPLAY_FLUSH;
        req[i].head = i;
        req[i].rects = r;
        req[i].nrects = 3;
        req[i].done = crash_done;
        (void)vdrv_display_submit(g.dpy, &req[i]);
    }
    (void)vdrv_display_kick(g.dpy, 0);
    (void)vdrv_display_set_mode(g.dpy, 0, FB_W, FB_H, &fb);
    (void)vdrv_display_set_cursor(g.dpy, 0, image, 0, 0);
    (void)vdrv_display_move_cursor(g.dpy, 0, 1, 1);
    (void)vdrv_display_set_mode(g.dpy, 0, 40, 30, NULL);
    (void)vdrv_display_detach(g.dpy, &fb);
    (void)vdrv_irq(&g.dpy->dev, 0);
    (void)vdrv_refresh(&g.dpy->dev, &changes);
    (void)vdrv_reset(&g.dpy->dev);
}

#define STEPPED 12u

/* What a dying kernel does; and again, for a second one. */
static void last_words(void)
{
    static uint32_t ref[64 * 48];

    crash.panicked = true;
    for (uint32_t i = 0; i < 2; i++) {
        struct vdrv_fb *fb;

        REQUIRE(vdrv_display_panic(g.dpy) == VDRV_OK);
        fb = vdrv_display_fb(g.dpy, 0);
        REQUIRE(fb != NULL && fb->base != NULL);
        noise(fb, ref);
        CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
        CHECK_EQ(differing(0, ref, fb->width, fb->height), 0);
        CHECK(vdrv_display_fb(g.dpy, 1) != NULL);
    }
}

#if defined(__x86_64__) && defined(__linux__)
#define TRAP_FLAG 0x100

static void on_trap(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig;
    (void)info;
    if (crash.armed && crash.inside == 0 && --crash.steps == 0)
        leave();
    if (crash.armed)
        u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    else
        u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static bool can_step(void)
{
    struct sigaction how = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    return sigaction(SIGTRAP, &how, NULL) == 0;
}
#else
static bool can_step(void)
{
    return false;
}
#endif

/* Leaves `steps` instructions behind the n-th call of the HAL; for UINT32_MAX,
   nowhere.  Says how many calls were made until then. */
static uint32_t crash_at(const uint32_t n, const uint32_t steps)
{
    uint32_t left;

    crash_machine();
    if (init() != VDRV_OK) {
        CHECK(false);
        return 0;
    }
    crash.left = n;
    crash.steps = steps;
    if (sigsetjmp(crash.out, 1) == 0) {
        crash.armed = true;
        crash_work();
        crash.armed = false;
    }
    left = crash.left;
    last_words();
    CHECK_EQ(g.dev.errors, 0);
    down();
    return UINT32_MAX - left;
}

static void test_panic_at_each_hal_call(void)
{
    const uint32_t n = crash_at(UINT32_MAX, 0);

    CHECK(n > 50);
    for (uint32_t i = 1; i <= n; i++)
        (void)crash_at(i, 0);
    printf("  %u points\n", n);
}

static void test_panic_at_any_instruction(void)
{
    const uint64_t seed = check_seed();
    uint32_t n;

    if (!can_step())
        CHECK_SKIP("this CPU is not stepped here");
    n = crash_at(UINT32_MAX, 0);
    for (uint32_t i = 0; i < STEPPED; i++) {
        const uint64_t x = (seed + i) * UINT64_C(0x9e3779b97f4a7c15);

        (void)crash_at(1 + (uint32_t)(x >> 33) % n,
                       1 + (uint32_t)(x >> 20) % 100);
    }
}

/* Not set up, no framebuffer of the library's, a device that does not reset. */
static void test_panic_errors(void)
{
    struct vdrv_fb fb = caller_fb(0), late = caller_fb(1);
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_FLUSH};

    CHECK_EQ(vdrv_display_panic(NULL), VDRV_ERR_INVALID);
    machine_up(NULL, NULL);
    g.cfg.no_framebuffer = 1;
    REQUIRE(init() == VDRV_OK);
    CHECK_EQ(vdrv_display_attach(g.dpy, &fb), VDRV_OK);
    CHECK_EQ(vdrv_display_set_scanout(g.dpy, 0, &fb, 0, 0), VDRV_OK);
    g.dev.dev.complete = FAKE_COMPLETE_HELD;
    CHECK_EQ(vdrv_display_submit(g.dpy, &req), VDRV_OK);
    g.dev.dev.reset_never = true;
    CHECK_EQ(vdrv_display_panic(g.dpy), VDRV_ERR_STUCK);
    g.dev.dev.reset_never = false;
    g.dev.dev.complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_display_panic(g.dpy), VDRV_OK);
    CHECK_EQ(req.status, VDRV_PENDING); /* its owner is no more */
    CHECK(vdrv_display_fb(g.dpy, 0) == NULL);
    CHECK_EQ(vdrv_display_set_mode(g.dpy, 0, FB_W, FB_H, &late), VDRV_OK);
    CHECK_EQ(vdrv_display_flush(g.dpy, 0), VDRV_OK);
    down();
    CHECK_EQ(vdrv_display_panic(g.dpy), VDRV_ERR_BAD_STATE);
}

/* ---- The helpers --------------------------------------------------------- */

static void test_rects(void)
{
    struct vdrv_rect r = {0, 0, 0, 0}, a = {5, 6, 7, 8}, b = {1, 20, 2, 2};

    CHECK(vdrv_rect_empty(&r));
    vdrv_rect_union(&r, &a);
    CHECK_MEM(&r, &a, sizeof(r));
    vdrv_rect_union(&r, &b);
    CHECK(r.x == 1 && r.y == 6 && r.width == 11 && r.height == 16);
    b.width = 0;
    vdrv_rect_union(&r, &b);
    CHECK(r.x == 1 && r.width == 11);
    CHECK(vdrv_rect_clip(&r, 4, 100));
    CHECK(r.width == 3 && r.height == 16);
    CHECK(!vdrv_rect_clip(&r, 1, 100));
    CHECK(vdrv_rect_empty(&r));
    a = vdrv_rect_make(UINT32_MAX, 0, UINT32_MAX, 1);
    CHECK(!vdrv_rect_inside(&a, UINT32_MAX, 1));
    b = vdrv_rect_make(0, 0, 1, 1);
    vdrv_rect_union(&b, &a);
    CHECK_EQ(b.width, UINT32_MAX);
}

static void test_blit_converts(void)
{
    uint8_t memory[4 * 3 * 2];
    struct vdrv_fb fb = {.width = 3, .height = 2, .pitch = 12, .base = memory};
    const struct vdrv_rect r = {1, 1, 2, 1};
    const uint8_t le[4] = {0x00, 0xf8, 0xe0, 0x07}; /* red, green */

    memset(memory, 0, sizeof(memory));
    CHECK_EQ(vdrv_fb_blit(&fb, &r, le, 0, VDRV_FORMAT_RGB565_LE), VDRV_OK);
    CHECK_MEM(memory + 16, "\0\0\xff\0\0\xff\0\0", 8);
    CHECK_MEM(memory, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    fb.format = VDRV_FORMAT_ARGB;
    CHECK_EQ(vdrv_fb_blit(&fb, &r, "\x01\x02\x03\x04\x05\x06\x07\x08", 0,
                          VDRV_FORMAT_BGRX),
             VDRV_OK);
    CHECK_MEM(memory + 16, "\xff\x03\x02\x01\xff\x07\x06\x05", 8);
    CHECK_EQ(vdrv_fb_blit(&fb, &r, le, 7, VDRV_FORMAT_BGRX), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fb_blit(&fb, &r, le, 0, 99), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_fb_fill(&fb, &r, 0), VDRV_OK);
    CHECK_MEM(memory + 16, "\0\0\0\0\0\0\0\0", 8);
    fb.pitch = 8;
    CHECK_EQ(vdrv_fb_size(&fb), 0);
    CHECK_EQ(vdrv_fb_fill(&fb, &r, 0), VDRV_ERR_INVALID);
}

#define CASE(name)                                                             \
    {                                                                          \
#name, test_##name                                                     \
    }

static const struct check_case cases[] = {
    CASE(init),
    CASE(init_bad_arguments),
    CASE(work_size_macro),
    CASE(features),
    CASE(ring_features),
    CASE(alloc_failure_sweep),
    CASE(command_failure_sweep),
    CASE(command_silence_sweep),
    CASE(timeout),
    CASE(timeout_in_init),
    CASE(stuck),
    CASE(stuck_in_init),
    CASE(gone),
    CASE(formats),
    CASE(random_rects),
    CASE(flush_rect),
    CASE(one_kick),
    CASE(async_any_order),
    CASE(callback_may_not_wait),
    CASE(bad_requests),
    CASE(heads),
    CASE(no_display),
    CASE(f67_num_scanouts),
    CASE(f68_sizes),
    CASE(configured_maximum),
    CASE(f69_enabled_values),
    CASE(validate_response),
    CASE(f64_response_type),
    CASE(f65_short_response),
    CASE(f66_fence),
    CASE(device_status),
    CASE(edid),
    CASE(f70_edid_sizes),
    CASE(f70_edid_cut),
    CASE(no_edid),
    CASE(resize_event),
    CASE(f72_event_storm),
    CASE(needs_reset),
    CASE(stop_start),
    CASE(caller_flip_pan),
    CASE(caller_scattered),
    CASE(f73_too_many_runs),
    CASE(attach_mapping_fails),
    CASE(f71_attach_refused),
    CASE(detach_refused),
    CASE(sync_rows),
    CASE(set_mode),
    CASE(set_mode_failure_sweep),
    CASE(cursor),
    CASE(cursor_moves_queue),
    CASE(f74_cursor_hangs),
    CASE(cursor_waits_for_image),
    CASE(nothing_of_3d),
    CASE(shared_scanout),
    CASE(shared_own),
    CASE(shared_alignment),
    CASE(shared_offer),
    CASE(f71_blob_refused),
    CASE(random_session),
    CASE(panic_at_each_hal_call),
    CASE(panic_at_any_instruction),
    CASE(panic_errors),
    CASE(rects),
    CASE(blit_converts),
};

CHECK_MAIN(cases)
