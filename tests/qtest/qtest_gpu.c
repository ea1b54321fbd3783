/* SPDX-License-Identifier: MIT */
/*
 * The display driver on QEMU's screens.  Random pictures are drawn and parts
 * of them flushed; the screen must then show, pixel by pixel, what was flushed
 * and of the rest what was there before.  QEMU itself dumps the screen.  Shown
 * are the library's framebuffer, and others in scattered memory, at chance
 * offsets.  Then a device that asks for a reset in the middle.
 *
 * `-n N` flushes N times on each board instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"

#include <sys/mman.h>
#include <unistd.h>

#define WIDTH    256u
#define HEIGHT   160u
#define PIXELS   (WIDTH * HEIGHT)
#define LARGE    320u /* width and height of the caller's framebuffers */
#define PIECES   5u
#define OWN      2u
#define RECTS    4u
#define PATIENCE 20000000u

static uint32_t operations;

/* A framebuffer of the caller's, its memory in several places. */
struct canvas {
    struct vdrv_fb fb;
    struct vdrv_seg segs[PIECES];
    size_t size[PIECES];
    uint32_t *model; /* what the device has got of it */
    uint64_t work[256];
};

struct screen {
    struct qtest_machine m;
    struct vdrv_transport *t;
    struct vdrv_virtio_gpu drv;
    struct vdrv_display *dpy;
    struct vdrv_display_caps caps;
    void *work;
    int dump; /* file that QEMU writes the picture to */
    struct canvas own[OWN];
    uint32_t *model;      /* of the library's framebuffer */
    struct canvas *shown; /* NULL: the library's */
    uint32_t pan_x;
    uint32_t pan_y;
    uint64_t random;
    uint32_t dumps;
    struct qtest_counts init;
};

static uint64_t accesses(const struct screen *s)
{
    return s->m.counts.transport + s->m.counts.notify + s->m.counts.config +
           s->m.counts.pci_space;
}

/* ---- Pixels ------------------------------------------------------------- */

/* Where a pixel of a canvas lies. */
static uint32_t *spot(const struct canvas *v, uint32_t x, uint32_t y)
{
    size_t at = (size_t)y * v->fb.pitch + x * 4u;
    uint32_t i = 0;

    while (at >= v->segs[i].len)
        at -= v->segs[i++].len;
    return (uint32_t *)(void *)((uint8_t *)v->segs[i].ptr + at);
}

static uint32_t *pixel_of(const struct screen *s, struct canvas *v, uint32_t x,
                          uint32_t y)
{
    const struct vdrv_fb *fb;

    if (v != NULL)
        return spot(v, x, y);
    fb = vdrv_display_fb(s->dpy, 0);
    return (uint32_t *)(void *)((uint8_t *)fb->base + (size_t)y * fb->pitch) +
           x;
}

static uint32_t *model_of(const struct screen *s, struct canvas *v, uint32_t x,
                          uint32_t y)
{
    return v != NULL ? v->model + y * LARGE + x : s->model + y * WIDTH + x;
}

static void limits(const struct canvas *v, uint32_t *width, uint32_t *height)
{
    *width = v != NULL ? LARGE : WIDTH;
    *height = v != NULL ? LARGE : HEIGHT;
}

static struct vdrv_rect some_rect(struct screen *s, const struct canvas *v)
{
    uint32_t width, height, w, h;

    limits(v, &width, &height);
    /* small ones more often */
    w = 1 + qtest_random(&s->random, 1 + qtest_random(&s->random, width));
    h = 1 + qtest_random(&s->random, 1 + qtest_random(&s->random, height));
    return vdrv_rect_make(qtest_random(&s->random, width - w + 1),
                          qtest_random(&s->random, height - h + 1), w, h);
}

/* Small enough that drawing is not what takes the time. */
static void draw(struct screen *s, struct canvas *v)
{
    struct vdrv_rect r = some_rect(s, v);
    const uint32_t first = qtest_random(&s->random, UINT32_MAX);

    for (uint32_t y = 0; y < r.height && y < 24; y++) {
        for (uint32_t x = 0; x < r.width && x < 64; x++)
            *pixel_of(s, v, r.x + x, r.y + y) =
                first + x * 0x030507 + y * 0x700;
    }
}

static void flushed(struct screen *s, struct canvas *v, struct vdrv_rect r)
{
    for (uint32_t y = r.y; y < r.y + r.height; y++) {
        for (uint32_t x = r.x; x < r.x + r.width; x++)
            *model_of(s, v, x, y) = *pixel_of(s, v, x, y);
    }
}

/* ---- Up and down -------------------------------------------------------- */

static int start_machine(struct screen *s, uint32_t board, int packed)
{
    char props[64];
    struct qtest_setup setup = {.board = board,
                                .device = "virtio-gpu",
                                .props = props,
                                .packed = packed};

    snprintf(props, sizeof(props), "xres=%u,yres=%u", WIDTH, HEIGHT);
    s->dump = qtest_file(0);
    return qtest_start(&s->m, &setup);
}

static int start_driver(struct screen *s, const struct vdrv_queue_kind *packed)
{
    struct vdrv_virtio_gpu_config cfg = {0};
    int err;

    s->t = qtest_find(&s->m, VDRV_VIRTIO_GPU_ID);
    if (s->t == NULL)
        return VDRV_ERR_NO_DEVICE;
    cfg.packed = packed;
    cfg.fixed_mode = 1;
    cfg.width = WIDTH;
    cfg.height = HEIGHT;
    cfg.work_size = vdrv_virtio_gpu_work_size(s->t, &cfg);
    cfg.work = s->work = malloc(cfg.work_size);
    memset(&s->m.counts, 0, sizeof(s->m.counts));
    err = vdrv_virtio_gpu_init(&s->drv, s->t, &cfg);
    s->init = s->m.counts;
    if (err != VDRV_OK)
        return err;
    s->dpy = &s->drv.display;
    return vdrv_display_get_caps(s->dpy, &s->caps);
}

/* Pieces with gaps between them. */
static void make_canvas(struct screen *s, struct canvas *v)
{
    const uint32_t total = LARGE * LARGE * 4;
    uint32_t at = 0;

    memset(&v->fb, 0, sizeof(v->fb));
    for (uint32_t i = 0; i < PIECES; i++) {
        uint32_t len = i + 1 == PIECES
                           ? total - at
                           : 4 * (1000 + qtest_random(&s->random, 20000));

        len = len < total - at ? len : total - at;
        v->size[i] = len;
        v->segs[i] = vdrv_seg_out(qtest_alloc(&s->m, len), len);
        memset(v->segs[i].ptr, (int)(0x20 + 0x30 * i), len);
        at += len;
    }
    v->model = calloc(LARGE * LARGE, 4);
    v->fb.width = v->fb.height = LARGE;
    v->fb.pitch = LARGE * 4;
    v->fb.format = vdrv_display_fb(s->dpy, 0)->format;
    v->fb.segs = v->segs;
    v->fb.nsegs = PIECES;
    v->fb.work = v->work;
    v->fb.work_size = sizeof(v->work);
}

static void close_screen(struct screen *s)
{
    const int was_up = s->dpy != NULL;

    if (was_up)
        CHECK_EQ(vdrv_virtio_gpu_fini(&s->drv), VDRV_OK);
    for (uint32_t i = 0; i < OWN; i++) {
        for (uint32_t p = 0; s->own[i].model != NULL && p < PIECES; p++)
            qtest_free(&s->m, s->own[i].segs[p].ptr, s->own[i].size[p]);
        free(s->own[i].model);
    }
    if (was_up)
        CHECK_EQ(s->m.live_pages, 0);
    qtest_end(&s->m);
    close(s->dump);
    free(s->model);
    free(s->work);
    free(s);
}

static struct screen *open_screen(uint32_t board,
                                  const struct vdrv_queue_kind *packed)
{
    struct screen *s = calloc(1, sizeof(*s));
    int err;

    s->random = check_seed() * 8 + board;
    s->model = calloc(PIXELS, 4);
    err = start_machine(s, board, packed != NULL);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(s, packed);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK) {
            for (uint32_t i = 0; i < OWN; i++)
                make_canvas(s, &s->own[i]);
            return s;
        }
    }
    close_screen(s);
    return NULL;
}

/* ---- From outside ------------------------------------------------------- */

/* One more or less of red, green and blue than the model's is a defect. */
static int same(const uint8_t *rgb, uint32_t bgrx)
{
    return rgb[0] == (uint8_t)(bgrx >> 16) && rgb[1] == (uint8_t)(bgrx >> 8) &&
           rgb[2] == (uint8_t)bgrx;
}

static void compare(struct screen *s, const uint8_t *rgb)
{
    uint32_t wrong = 0;

    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++, rgb += 3) {
            const uint32_t want =
                *model_of(s, s->shown, s->pan_x + x, s->pan_y + y);

            if (!same(rgb, want) && wrong++ == 0)
                printf("  (%u, %u) is %02x%02x%02x, not %06x\n", x, y, rgb[0],
                       rgb[1], rgb[2], want & 0xffffff);
        }
    }
    CHECK_EQ(wrong, 0);
}

static void check_screen(struct screen *s)
{
    static uint8_t data[PIXELS * 3 + 64];
    char head[32];
    const int n =
        snprintf(head, sizeof(head), "P6\n%u %u\n255\n", WIDTH, HEIGHT);
    ssize_t got;

    REQUIRE(qtest_qmp(&s->m,
                      "{\"execute\":\"screendump\",\"arguments\":"
                      "{\"filename\":\"%s\",\"device\":\"dev\"}}",
                      qtest_file_name(s->dump)) != NULL);
    got = pread(s->dump, data, sizeof(data), 0);
    CHECK_EQ(got, (size_t)n + PIXELS * 3);
    REQUIRE(got == (ssize_t)((size_t)n + PIXELS * 3));
    REQUIRE(memcmp(data, head, (size_t)n) == 0);
    compare(s, data + n);
    s->dumps++;
}

/* ---- Operations --------------------------------------------------------- */

static struct vdrv_fb *fb_of(struct screen *s)
{
    return s->shown != NULL ? &s->shown->fb : vdrv_display_fb(s->dpy, 0);
}

/* Submitted, so that several are in flight, each of up to RECTS. */
static void flush_many(struct screen *s)
{
    struct vdrv_display_request req[4];
    struct vdrv_rect rects[4][RECTS];
    uint64_t before, until = qtest_now() + PATIENCE;
    uint32_t n;

    memset(req, 0, sizeof(req));
    for (n = 0; n < 4 && qtest_random(&s->random, 4); n++) {
        req[n].op = VDRV_DISPLAY_FLUSH;
        req[n].fb = fb_of(s);
        req[n].rects = rects[n];
        req[n].nrects = 1 + qtest_random(&s->random, RECTS);
        for (uint32_t i = 0; i < req[n].nrects; i++)
            rects[n][i] = some_rect(s, s->shown);
        if (vdrv_display_submit(s->dpy, &req[n]) != VDRV_OK)
            break;
        for (uint32_t i = 0; i < req[n].nrects; i++)
            flushed(s, s->shown, rects[n][i]);
    }
    before = accesses(s);
    CHECK_EQ(vdrv_display_kick(s->dpy, 0), n > 0);
    CHECK(accesses(s) - before <= 1);
    before = accesses(s);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; req[i].status > 0 && qtest_now() < until; k++) {
            if (vdrv_poll(&s->dpy->dev, 0, 0) == 0)
                qtest_pause(k);
        }
        CHECK_EQ(req[i].status, VDRV_OK);
    }
    CHECK_EQ(accesses(s), before);
}

static void flush_one(struct screen *s)
{
    const uint64_t before = accesses(s);
    struct vdrv_rect r = some_rect(s, s->shown);

    if (qtest_random(&s->random, 16) == 0) {
        limits(s->shown, &r.width, &r.height);
        r.x = r.y = 0;
        CHECK_EQ(vdrv_display_flush(s->dpy, 0), VDRV_OK);
    } else {
        CHECK_EQ(vdrv_display_flush_rect(s->dpy, 0, &r), VDRV_OK);
    }
    flushed(s, s->shown, r);
    CHECK(accesses(s) - before <= 1);
}

/* Shows another framebuffer, or another part of the same. */
static void show(struct screen *s)
{
    const uint32_t which = qtest_random(&s->random, OWN + 1);
    struct canvas *v = which < OWN ? &s->own[which] : NULL;
    struct canvas *old = s->shown;
    struct vdrv_display_request req = {0};

    if (v != NULL && v->fb.state == VDRV_FB_DETACHED) {
        CHECK_EQ(vdrv_display_attach(s->dpy, &v->fb), VDRV_OK);
        memset(v->model, 0, LARGE * LARGE * 4); /* QEMU clears it */
    }
    req.op = VDRV_DISPLAY_SCANOUT;
    req.fb = v != NULL ? &v->fb : &s->drv.head[0].own[s->drv.head[0].now];
    req.width = WIDTH;
    req.height = HEIGHT;
    req.x = v != NULL ? qtest_random(&s->random, LARGE - WIDTH + 1) : 0;
    req.y = v != NULL ? qtest_random(&s->random, LARGE - HEIGHT + 1) : 0;
    CHECK_EQ(vdrv_display_execute(s->dpy, &req), VDRV_OK);
    s->shown = v;
    s->pan_x = req.x;
    s->pan_y = req.y;
    if (old != NULL && old != v && qtest_random(&s->random, 2))
        CHECK_EQ(vdrv_display_detach(s->dpy, &old->fb), VDRV_OK);
    CHECK_EQ(vdrv_display_flush(s->dpy, 0), VDRV_OK);
    {
        struct vdrv_rect r = {0, 0, 0, 0};

        limits(v, &r.width, &r.height);
        flushed(s, v, r);
    }
}

static void work(struct screen *s, uint32_t n)
{
    for (uint32_t i = 0; i < n && check_failures == 0 && !s->m.dead; i++) {
        draw(s, s->shown);
        if (qtest_random(&s->random, 200) == 0)
            show(s);
        else if (qtest_random(&s->random, 4) == 0)
            flush_many(s);
        else
            flush_one(s);
        if (qtest_random(&s->random, 16) == 0)
            check_screen(s);
    }
    check_screen(s);
}

/* ---- Cases -------------------------------------------------------------- */

static void report(const struct screen *s, uint64_t us, uint32_t n)
{
    printf("  init: %llu transport, %llu notify, %llu config, %llu PCI "
           "configuration accesses\n",
           (unsigned long long)s->init.transport,
           (unsigned long long)s->init.notify,
           (unsigned long long)s->init.config,
           (unsigned long long)s->init.pci_space);
    printf("  %u flushes, %.0f/s, %u pictures compared, %.2f notifications "
           "each\n",
           n, n * 1e6 / (double)(us + 1), s->dumps,
           (double)(s->m.counts.notify - s->init.notify) / n);
}

static void random_on(uint32_t board, const struct vdrv_queue_kind *packed)
{
    struct screen *s = open_screen(board, packed);
    uint64_t begin;

    if (s == NULL)
        return;
    CHECK_EQ(vdrv_feature(s->t->features, 34), packed != NULL);
    check_screen(s); /* black */
    begin = qtest_now();
    work(s, operations);
    report(s, qtest_now() - begin, operations);
    close_screen(s);
}

/* The library's picture comes back as it was last drawn. */
static void one_reset(struct screen *s)
{
    struct vdrv_device *dev = &s->dpy->dev;
    struct vdrv_display_request req = {0};
    const struct vdrv_rect all = {0, 0, WIDTH, HEIGHT};

    req.op = VDRV_DISPLAY_FLUSH;
    req.fb = vdrv_display_fb(s->dpy, 0);
    REQUIRE(vdrv_display_submit(s->dpy, &req) == VDRV_OK);
    qtest_spoil(&s->m, &s->drv.queue[0].vq, 0);
    REQUIRE(qtest_ask_reset(s->t));
    CHECK(vdrv_irq(dev, 0) & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_display_flush(s->dpy, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_stop(dev), VDRV_OK);
    CHECK_EQ(req.status, VDRV_ERR_ABORTED);
    CHECK_EQ(vdrv_start(dev), VDRV_OK);
    flushed(s, NULL, all);
    check_screen(s);
    work(s, 4);
}

/* Back to the library's framebuffer, for work() may show others. */
static void show_ours(struct screen *s)
{
    for (uint32_t i = 0; s->shown != NULL && i < 1000; i++)
        show(s);
}

static void test_needs_reset(void)
{
    const uint32_t cycles = operations / 100;
    struct screen *s = open_screen(QTEST_PC, NULL);

    if (s == NULL)
        return;
    for (uint32_t i = 0; i < cycles && check_failures == 0; i++) {
        show_ours(s);
        one_reset(s);
    }
    printf("  %u cycles\n", cycles);
    close_screen(s);
}

static void test_pc(void)
{
    random_on(QTEST_PC, NULL);
}

static void test_microvm(void)
{
    random_on(QTEST_MICROVM, NULL);
}

static void test_virt_pci(void)
{
    random_on(QTEST_VIRT_PCI, NULL);
}

static void test_virt_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, NULL);
}

#ifdef QTEST_PACKED
static void test_packed_pci(void)
{
    random_on(QTEST_PC, &vdrv_queue_packed);
}

static void test_packed_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, &vdrv_queue_packed);
}
#endif

static const struct check_case cases[] = {
    {"random_pc", test_pc},
    {"random_microvm", test_microvm},
    {"random_virt_pci", test_virt_pci},
    {"random_virt_mmio", test_virt_mmio},
    {"needs_reset", test_needs_reset},
#ifdef QTEST_PACKED
    {"packed_pci", test_packed_pci},
    {"packed_mmio", test_packed_mmio},
#endif
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 2500);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
