/* SPDX-License-Identifier: MIT */
/*
 * A GPU under the orders of screens_test.py: heads, modes, formats, dirty
 * rectangles, animation, the cursor, a panic.  Pictures come from seeds, so
 * that the other side can say every pixel of a screendump.
 *
 * An order is a letter and numbers, on one line; each is answered with lines
 * of text, the last of which is "done LETTER" or "FAILED ...".
 */
#include <virtio_drv/mmio.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/virtio_gpu.h>

#include "arch.h"
#include "font8x16.h"
#include "klib.h"

#define HEADS  4u
#define QUEUE  64u
#define ARGS   5u
#define BATCH  8u
#define BOX    32u
#define SIDE   64u /* of the largest dirty rectangle */
#define PIECE  16384u
#define PIECES 16u
#define MAX_X  1280u
#define MAX_Y  800u
#define CURSOR VDRV_DISPLAY_CURSOR_SIZE

static struct vdrv_arena arena;
static struct vdrv_hal hal;
static union {
    struct vdrv_mmio mmio;
    struct vdrv_pci pci;
} at;
static struct vdrv_transport *transport;
static unsigned line;
static struct vdrv_virtio_gpu gpu;
static struct vdrv_display *const dpy = &gpu.display;
static uint64_t work[VDRV_VIRTIO_GPU_WORK_SIZE(HEADS, QUEUE) / 8 + 1];
static size_t live_before; /* bytes in use without the driver */

static uint64_t now(void *ctx)
{
    (void)ctx;
    return arch_now_us();
}

static void relax(void *ctx)
{
    (void)ctx;
    arch_relax();
}

static void say(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    kprintf("log %u: %s\n", level, text);
}

/* ---- The device ---------------------------------------------------------- */

static void hal_up(void)
{
    void *start;
    size_t size;

    arch_ram_free(&start, &size);
    vdrv_arena_init(&arena, start, size, 0);
    hal.ctx = &arena;
    hal.dma_alloc = vdrv_arena_alloc;
    hal.dma_free = vdrv_arena_free;
    hal.direct_size = UINT64_MAX;
    hal.now_us = now;
    hal.relax = relax;
    hal.log = say;
}

static bool find_mmio(void)
{
    const struct arch_mmio *m = &arch_machine()->mmio;
    const struct vdrv_mmio_window w = {m->base, m->stride, m->slots};
    uint32_t slot = 0;

    if (m->slots == 0 || vdrv_mmio_scan(&at.mmio, &hal, &w, VDRV_VIRTIO_GPU_ID,
                                        &slot) != VDRV_OK)
        return false;
    transport = &at.mmio.transport;
    line = m->irq + slot - 1;
    return true;
}

static bool find_pci(void)
{
    static struct vdrv_pci_ecam ecam;
    static struct vdrv_pci_ops ops;
    const struct arch_pci *m = &arch_machine()->pci;
    struct vdrv_pci_windows win = {
        .mem32 = {.base = m->mem32.base, .size = m->mem32.size},
        .mem64 = {.base = m->mem64.base, .size = m->mem64.size},
        .io = {.base = m->io.base, .size = m->io.size},
    };
    struct vdrv_pci_walk walk;
    int err;

    if (m->buses == 0)
        return false;
    err = m->ecam
              ? vdrv_pci_ecam_init(&ecam, &hal, m->ecam, 0, m->buses - 1, &ops)
              : vdrv_pci_ports_init(&hal, &ops);
    ops.io_phys = m->io_base;
    if (err == VDRV_OK)
        err = vdrv_pci_walk_init(&walk, &ops, 0, m->buses - 1);
    if (err == VDRV_OK)
        err = vdrv_pci_find(&at.pci, &hal, &walk, m->bars_set ? NULL : &win,
                            VDRV_VIRTIO_GPU_ID);
    if (err != VDRV_OK)
        return false;
    transport = &at.pci.transport;
    line = arch_pci_irq(at.pci.fn >> 8, at.pci.fn >> 3 & 31, at.pci.fn & 7,
                        at.pci.irq_pin, at.pci.irq_line);
    return true;
}

/* ---- Pictures from seeds ------------------------------------------------- */

static uint32_t state;

static uint32_t chance(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static uint32_t pack(const struct vdrv_fb *fb, uint32_t rgb)
{
    return vdrv_pixel_pack(fb->format, (uint8_t)(rgb >> 16),
                           (uint8_t)(rgb >> 8), (uint8_t)rgb, 0xff);
}

static void dot(struct vdrv_fb *fb, uint32_t x, uint32_t y, uint32_t rgb)
{
    ((uint32_t *)fb->base)[(size_t)y * (fb->pitch / 4) + x] = pack(fb, rgb);
}

static uint32_t colour(uint32_t seed, uint32_t x, uint32_t y)
{
    const uint32_t v = (seed + x * 0x9e3779b1u) ^ (y * 0x85ebca6bu);

    return (v ^ v >> 15) & 0xffffffu;
}

static void paint(struct vdrv_fb *fb, uint32_t seed)
{
    for (uint32_t y = 0; y < fb->height; y++) {
        for (uint32_t x = 0; x < fb->width; x++)
            dot(fb, x, y, colour(seed, x, y));
    }
}

/* ---- Orders -------------------------------------------------------------- */

/* i FORMAT SHARE HEADS MAXIMUM: the driver, anew. */
static int order_init(const uint32_t *a)
{
    struct vdrv_virtio_gpu_config cfg = {0};
    struct vdrv_display_caps caps;
    int err = vdrv_virtio_gpu_fini(&gpu);

    if (err != VDRV_OK)
        return err;
    if (arena.live != live_before)
        kprintf("lost: %zu bytes\n", arena.live - live_before);
    cfg.work = work;
    cfg.work_size = sizeof(work);
    cfg.queue_size = QUEUE;
    cfg.format = a[0];
    cfg.share = a[1] != 0;
    cfg.heads = a[2];
    cfg.cursor = 1;
    cfg.max_width = a[3] ? MAX_X : 0;
    cfg.max_height = a[3] ? MAX_Y : 0;
    err = vdrv_virtio_gpu_init(&gpu, transport, &cfg);
    if (err == VDRV_OK)
        err = vdrv_display_get_caps(dpy, &caps);
    if (err == VDRV_OK)
        kprintf("caps: %u heads, share %u, edid %u\n", caps.heads,
                caps.can_share, caps.can_edid);
    return err;
}

static void list_modes(uint32_t head, uint32_t n)
{
    struct vdrv_display_mode m;

    for (uint32_t i = 0; i < n; i++) {
        if (vdrv_display_get_mode(dpy, head, i, &m) == VDRV_OK)
            kprintf("mode %u: %ux%u %u mHz flags %u\n", head, m.width, m.height,
                    m.refresh_mhz, m.flags);
    }
}

/* l: what there is. */
static int order_list(const uint32_t *a)
{
    static uint8_t raw[VDRV_EDID_SIZE_MAX];
    static struct vdrv_edid edid;
    struct vdrv_display_head h;

    (void)a;
    for (uint32_t i = 0; vdrv_display_get_head(dpy, i, &h) == VDRV_OK; i++) {
        const int n = vdrv_display_get_edid(dpy, i, raw, sizeof(raw));

        kprintf("head %u: %ux%u enabled %u active %u edid %d\n", i, h.width,
                h.height, h.enabled, h.active, n);
        list_modes(i, h.modes);
        if (n > 0 && vdrv_edid_parse(raw, (size_t)n, &edid) == VDRV_OK)
            kprintf("monitor %u: %s \"%s\"\n", i, edid.manufacturer, edid.name);
    }
    return VDRV_OK;
}

/* p HEAD SEED: paints all of it. */
static int order_paint(const uint32_t *a)
{
    struct vdrv_fb *fb = vdrv_display_fb(dpy, a[0]);

    if (fb == NULL)
        return VDRV_ERR_BAD_STATE;
    paint(fb, a[1]);
    return vdrv_display_flush(dpy, a[0]);
}

/* m HEAD WIDTH HEIGHT */
static int order_mode(const uint32_t *a)
{
    return vdrv_display_set_mode(dpy, a[0], a[1], a[2], NULL);
}

/* Two framebuffers of ours: rows with padding, in pieces that lie the wrong way
   round. */
static struct vdrv_fb ours[2];

static int attach_ours(struct vdrv_fb *fb, uint32_t i)
{
    static uint8_t memory[2][PIECES * PIECE];
    static struct vdrv_seg seg[2][PIECES];

    for (uint32_t n = 0; n < PIECES; n++)
        seg[i][n] = vdrv_seg_out(memory[i] + (PIECES - 1 - n) * PIECE, PIECE);
    memset(fb, 0, sizeof(*fb));
    fb->width = 250;
    fb->height = 250;
    fb->pitch = 1024;
    fb->segs = seg[i];
    fb->nsegs = PIECES;
    return vdrv_display_attach(dpy, fb);
}

/* f SEED X Y: shows a part of the one framebuffer, then of the other. */
static int order_flip(const uint32_t *a)
{
    struct vdrv_fb *fb = &ours[a[0] & 1];
    struct vdrv_display_request req = {.op = VDRV_DISPLAY_SCANOUT,
                                       .fb = fb,
                                       .x = a[1],
                                       .y = a[2],
                                       .width = 200,
                                       .height = 150};
    int err = VDRV_OK;

    if (fb->state == VDRV_FB_DETACHED)
        err = attach_ours(fb, a[0] & 1);
    for (uint32_t y = 0; y < fb->height; y++) {
        for (uint32_t x = 0; x < fb->width; x++) {
            const uint32_t at_byte = y * fb->pitch + x * 4;
            uint8_t *p = fb->segs[at_byte / PIECE].ptr;
            const uint32_t v = pack(fb, colour(a[0], x, y));

            memcpy(p + at_byte % PIECE, &v, 4);
        }
    }
    if (err == VDRV_OK)
        err = vdrv_display_execute(dpy, &req);
    return err == VDRV_OK ? vdrv_display_flush(dpy, 0) : err;
}

static int finish(struct vdrv_display_request *req)
{
    int n = vdrv_display_kick(dpy, 0);

    while (n >= 0 && req->status == VDRV_PENDING)
        n = vdrv_poll(&dpy->dev, 0, 0);
    return n < 0 ? n : req->status;
}

/* Damages one pixel that is not flushed, and fills what is. */
static void dirty(struct vdrv_fb *fb, struct vdrv_rect *r)
{
    const uint32_t x = chance(fb->width), y = chance(fb->height);

    dot(fb, x, y, chance(1u << 24));
    r->x = chance(fb->width);
    r->y = chance(fb->height);
    r->width = 1 + chance(fb->width - r->x < SIDE ? fb->width - r->x : SIDE);
    r->height = 1 + chance(fb->height - r->y < SIDE ? fb->height - r->y : SIDE);
    (void)vdrv_fb_fill(fb, r, pack(fb, chance(1u << 24)));
}

/* r HEAD SEED COUNT: dirty rectangles, eight to a request. */
static int order_rects(const uint32_t *a)
{
    struct vdrv_fb *fb = vdrv_display_fb(dpy, a[0]);
    struct vdrv_display_request req = {0};
    struct vdrv_rect r[BATCH];
    uint32_t n;
    int err = VDRV_OK;

    if (fb == NULL)
        return VDRV_ERR_BAD_STATE;
    state = a[1];
    for (uint32_t i = 0; err == VDRV_OK && i < a[2]; i += n) {
        n = a[2] - i < BATCH ? a[2] - i : BATCH;
        for (uint32_t j = 0; j < n; j++)
            dirty(fb, &r[j]);
        req.op = VDRV_DISPLAY_FLUSH;
        req.head = a[0];
        req.rects = r;
        req.nrects = n;
        err = vdrv_display_submit(dpy, &req);
        if (err == VDRV_OK)
            err = finish(&req);
    }
    return err;
}

/* c HEAD SEED COUNT: mode changes, the last one told. */
static int order_changes(const uint32_t *a)
{
    const size_t before = arena.live;
    uint32_t w = 0, h = 0;
    int err = VDRV_OK;

    state = a[1];
    for (uint32_t i = 0; err == VDRV_OK && i < a[2]; i++) {
        w = 16 + chance(MAX_X / 4); /* QEMU refuses less than 16 */
        h = 16 + chance(MAX_Y / 4);
        err = vdrv_display_set_mode(dpy, a[0], w, h, NULL);
    }
    kprintf("changes: %u to %ux%u, memory %zu\n", a[2], w, h,
            arena.live - before);
    return err;
}

/* One step of a box that wanders; what it leaves and where it gets. */
static void step(struct vdrv_fb *fb, uint32_t head, uint32_t n,
                 struct vdrv_rect *r)
{
    r[0] = vdrv_rect_make((n - 1) * (7 + head) % (fb->width - BOX),
                          (n - 1) * (5 + head) % (fb->height - BOX), BOX, BOX);
    r[1] = vdrv_rect_make(n * (7 + head) % (fb->width - BOX),
                          n * (5 + head) % (fb->height - BOX), BOX, BOX);
    (void)vdrv_fb_fill(fb, &r[0], pack(fb, 0));
    (void)vdrv_fb_fill(fb, &r[1], pack(fb, n * 0x010305u & 0xffffffu));
}

/* a HEAD HEAD FIRST COUNT: two heads at once, asynchronously. */
static int order_animate(const uint32_t *a)
{
    static struct vdrv_display_request req[2];
    static struct vdrv_rect r[2][2];
    int err = VDRV_OK;

    for (uint32_t n = a[2]; err == VDRV_OK && n < a[2] + a[3]; n++) {
        for (uint32_t i = 0; err == VDRV_OK && i < 2; i++) {
            struct vdrv_fb *fb = vdrv_display_fb(dpy, a[i]);

            if (fb == NULL)
                return VDRV_ERR_BAD_STATE;
            step(fb, i, n, r[i]);
            memset(&req[i], 0, sizeof(req[i]));
            req[i].op = VDRV_DISPLAY_FLUSH;
            req[i].head = a[i];
            req[i].rects = r[i];
            req[i].nrects = 2;
            err = vdrv_display_submit(dpy, &req[i]);
        }
        for (uint32_t i = 0; err == VDRV_OK && i < 2; i++)
            err = finish(&req[i]);
    }
    return err;
}

/* k HEAD SEED X Y: the cursor; a seed of 0 hides it. */
static int order_cursor(const uint32_t *a)
{
    static uint32_t image[CURSOR * CURSOR];
    struct vdrv_fb fb = {.width = CURSOR,
                         .height = CURSOR,
                         .pitch = CURSOR * 4,
                         .format = VDRV_FORMAT_BGRA,
                         .base = image};
    int err;

    if (a[1] == 0)
        return vdrv_display_hide_cursor(dpy, a[0]);
    paint(&fb, a[1]);
    err = vdrv_display_set_cursor(dpy, a[0], image, 3, 4);
    return err == VDRV_OK ? vdrv_display_move_cursor(dpy, a[0], a[2], a[3])
                          : err;
}

/* w SECONDS: until the heads change. */
static int order_wait(const uint32_t *a)
{
    const uint64_t end = arch_now_us() + a[0] * UINT64_C(1000000);
    uint32_t changes = 0;
    int err;

    kprintf("waiting\n");
    do {
        arch_relax();
        err = vdrv_refresh(&dpy->dev, &changes);
        if (err == VDRV_OK && (changes & VDRV_CHANGE_HEADS) != 0)
            return order_list(a);
    } while (err == VDRV_OK && arch_now_us() < end);
    return err == VDRV_OK ? VDRV_ERR_TIMEOUT : err;
}

/* ---- Panic --------------------------------------------------------------- */

static uint32_t fuse; /* interrupts, or callbacks, until the kernel dies */
static bool in_callback;

static void letters(struct vdrv_fb *fb, uint32_t x, uint32_t y, const char *s)
{
    for (; *s != '\0'; s++, x += 8) {
        for (uint32_t i = 0; i < 128; i++) {
            const bool on = font8x16[*s - 32][i / 8] >> (7 - i % 8) & 1;

            dot(fb, x + i % 8, y + i / 8, on ? 0xffffff : 0x0000aa);
        }
    }
}

/* The end, in an interrupt handler, whatever it has interrupted, or in a
   callback of the driver. */
static void die(void)
{
    struct vdrv_fb *fb;
    int err;

    arch_irq_disable();
    err = vdrv_display_panic(dpy);
    fb = vdrv_display_fb(dpy, 0);

    if (err == VDRV_OK && fb != NULL) {
        const struct vdrv_rect all = {0, 0, fb->width, fb->height};

        (void)vdrv_fb_fill(fb, &all, pack(fb, 0x0000aa));
        letters(fb, 16, 16, "panic: the fuse has burnt down");
        err = vdrv_display_flush(dpy, 0);
    }
    kprintf("dead: %s\n", vdrv_strerror(err));
    while (arch_getc() != 'q')
        arch_relax();
    arch_exit(err == VDRV_OK ? ARCH_EXIT_PASS : ARCH_EXIT_FAIL);
}

static void interrupt(void *arg)
{
    (void)arg;
    if ((vdrv_irq(&dpy->dev, 0) & VDRV_CAUSE_QUEUE) != 0 && !in_callback &&
        --fuse == 0)
        die();
}

static void flushed(struct vdrv_display_request *req)
{
    ++*(volatile uint32_t *)req->user;
    if (in_callback && --fuse == 0)
        die();
}

/* x COUNT CALLBACK: draws on and on with interrupts, and dies in the COUNT-th of
   them, or of the callbacks. */
static int order_panic(const uint32_t *a)
{
    static struct vdrv_display_request req[2];
    static volatile uint32_t done;
    uint32_t sent = 0;
    int err = VDRV_OK;

    fuse = a[0];
    in_callback = a[1] != 0;
    memset(req, 0, sizeof(req));
    arch_irq_attach(line, interrupt, NULL);
    /* A line that rose while it was masked would never fall again. */
    (void)vdrv_irq(&dpy->dev, 0);
    arch_irq_enable();
    while (err >= 0) {
        for (uint32_t i = 0; err >= 0 && i < 2; i++) {
            if (req[i].status == VDRV_PENDING)
                continue;
            req[i].op = VDRV_DISPLAY_FLUSH;
            req[i].done = flushed;
            req[i].user = (void *)(uintptr_t)&done;
            err = vdrv_display_submit(dpy, &req[i]);
            sent++;
        }
        (void)vdrv_arm(&dpy->dev, 0, VDRV_ARM_NEXT); /* before it is done */
        if (err >= 0)
            err = vdrv_display_kick(dpy, 0);
        while (err >= 0 && done + 1 < sent) {
            (void)vdrv_arm(&dpy->dev, 0, VDRV_ARM_NEXT);
            err = vdrv_poll(&dpy->dev, 0, 0);
        }
    }
    arch_irq_disable();
    return err;
}

/* ---- The console --------------------------------------------------------- */

static const struct order {
    char letter;
    int (*run)(const uint32_t *a);
} orders[] = {
    {'i', order_init},    {'l', order_list},   {'p', order_paint},
    {'m', order_mode},    {'r', order_rects},  {'c', order_changes},
    {'a', order_animate}, {'k', order_cursor}, {'w', order_wait},
    {'x', order_panic},   {'f', order_flip},
};

/* Reads a line; the numbers behind the letter, 0 where there is none. */
static char read_order(uint32_t *a)
{
    char letter = '\0';
    uint32_t n = 0;
    int c;

    memset(a, 0, sizeof(*a) * ARGS);
    for (;;) {
        c = arch_getc();
        if (c < 0)
            arch_relax();
        else if (c == '\n')
            return letter;
        else if (letter == '\0')
            letter = (char)c;
        else if (c == ' ' && n + 1 < ARGS + 1)
            n++;
        else if (c >= '0' && c <= '9' && n > 0)
            a[n - 1] = a[n - 1] * 10 + (uint32_t)(c - '0');
    }
}

static void obey(char letter, const uint32_t *a)
{
    const uint64_t start = arch_now_us();
    int err = VDRV_ERR_UNSUPPORTED;

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (orders[i].letter == letter)
            err = orders[i].run(a);
    }
    if (err == VDRV_OK)
        kprintf("done %c, %lu us\n", letter,
                (unsigned long)(arch_now_us() - start));
    else
        kprintf("FAILED %c: %s\n", letter, vdrv_strerror(err));
}

int kernel_main(void)
{
    uint32_t a[ARGS];
    char letter;
    int err;

    hal_up();
    live_before = arena.live;
    if (!find_mmio() && !find_pci()) {
        kprintf("FAILED: no GPU\n");
        return ARCH_EXIT_FAIL;
    }
    kprintf("ready: %s\n", transport->location);
    while ((letter = read_order(a)) != 'q')
        obey(letter, a);
    err = vdrv_virtio_gpu_fini(&gpu);
    kprintf("memory: %zu bytes not given back\n", arena.live - live_before);
    return err == VDRV_OK && arena.live == live_before ? ARCH_EXIT_PASS
                                                       : ARCH_EXIT_FAIL;
}
