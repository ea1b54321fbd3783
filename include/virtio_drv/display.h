/* SPDX-License-Identifier: MIT */
/*
 * The display trait: screens ("heads") that show framebuffers, whoever drives
 * them.
 *
 * The short way: draw into the memory of vdrv_display_fb(dpy, 0), then call
 * vdrv_display_flush(dpy, 0) or vdrv_display_flush_rect().  These wait until
 * the device has taken the pixels.
 *
 * The long way: a request that the caller owns, which is submitted and never
 * waits; its completion is a callback from vdrv_poll(), or a status to watch.
 * Framebuffers of the caller's own memory are attached, shown by any head at
 * any offset (flip and pan), flushed by arrays of rectangles, and detached.
 * A blocking call is submit and poll, so both ways mix.
 *
 * When the kernel dies: with interrupts off and the other CPUs stopped,
 * wherever they were, in this library too,
 *
 *     if (vdrv_display_panic(dpy) == VDRV_OK) {
 *         fb = vdrv_display_fb(dpy, 0);
 *         ... draw the text into fb->base ...
 *         vdrv_display_flush(dpy, 0);
 *     }
 *
 * shows the text, by polling alone: no lock, no interrupt, no sleep, no memory.
 *
 * Coordinates are pixels of the framebuffer, from its upper left corner.
 * Everything but the cursor goes through queue 0; the cursor's image too, its
 * moves through queue 1.  Requests of one queue take effect in the order they
 * were submitted in.
 */
#ifndef VIRTIO_DRV_DISPLAY_H
#define VIRTIO_DRV_DISPLAY_H

#include <virtio_drv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VDRV_DISPLAY_HEADS_MAX   16u
#define VDRV_DISPLAY_QUEUE       0u /* for poll, arm and kick */
#define VDRV_DISPLAY_QUEUE_MOVES 1u
#define VDRV_DISPLAY_CURSOR_SIZE 64u /* width and height of a cursor image */
#define VDRV_DISPLAY_NO_TIMEOUT  UINT32_MAX

/* ---- Pixels ------------------------------------------------------------ */

/*
 * Named by the order of the bytes in memory, on any CPU: BGRX has blue at the
 * lowest address; X is not looked at.  The last two are 16 bits wide, red in
 * the upper five: not for virtio-gpu, but sources of vdrv_fb_blit().
 */
#define VDRV_FORMAT_BGRX      0u
#define VDRV_FORMAT_BGRA      1u
#define VDRV_FORMAT_RGBX      2u
#define VDRV_FORMAT_RGBA      3u
#define VDRV_FORMAT_XRGB      4u
#define VDRV_FORMAT_ARGB      5u
#define VDRV_FORMAT_XBGR      6u
#define VDRV_FORMAT_ABGR      7u
#define VDRV_FORMAT_RGB565_LE 8u
#define VDRV_FORMAT_RGB565_BE 9u

/*
 * Where the channels are after a native load of one pixel: a 32-bit load when
 * `bytes` is 4, a 16-bit one when it is 2.
 */
struct vdrv_pixel_layout {
    uint8_t bytes; /* of a pixel */
    uint8_t red_shift;
    uint8_t red_size; /* bits */
    uint8_t green_shift;
    uint8_t green_size;
    uint8_t blue_shift;
    uint8_t blue_size;
    uint8_t alpha_shift;
    uint8_t alpha_size; /* 0: there is none */
    uint8_t swapped;    /* 1: swap the two bytes of the load first (RGB565 of
                           the other byte order) */
};

/* The layout of a format on this CPU.  INVALID: NULL, no such format. [any] */
int vdrv_format_layout(uint32_t format, struct vdrv_pixel_layout *out);

/*
 * A pixel of `format` for a native store, from 8-bit channels; 0 for an
 * unknown format. [any]
 */
uint32_t vdrv_pixel_pack(uint32_t format, uint8_t red, uint8_t green,
                         uint8_t blue, uint8_t alpha);

/* ---- Rectangles -------------------------------------------------------- */

struct vdrv_rect {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
};

/* A rectangle from its members, for expressions. [any] */
static inline struct vdrv_rect vdrv_rect_make(uint32_t x, uint32_t y,
                                              uint32_t width, uint32_t height)
{
    struct vdrv_rect r;

    r.x = x;
    r.y = y;
    r.width = width;
    r.height = height;
    return r;
}

/* Does it contain no pixel? [any] */
bool vdrv_rect_empty(const struct vdrv_rect *r);

/* Does it lie within `width` x `height`?  Nothing overflows. [any] */
bool vdrv_rect_inside(const struct vdrv_rect *r, uint32_t width,
                      uint32_t height);

/* Cuts it to `width` x `height`; false, and all zero, if nothing is left.
   [any] */
bool vdrv_rect_clip(struct vdrv_rect *r, uint32_t width, uint32_t height);

/*
 * Grows `r` to the smallest rectangle that covers both; an empty one adds
 * nothing.  A console merges its damage with it while a flush is in flight.
 * [any]
 */
void vdrv_rect_union(struct vdrv_rect *r, const struct vdrv_rect *add);

/* ---- Framebuffers ------------------------------------------------------ */

/*
 * The device shows this memory itself: no transfer, a flush only says where it
 * changed.  UNSUPPORTED at attach where caps.can_share is 0.  Its memory is a
 * multiple of caps.share_align: segments list as much, the bytes behind the
 * picture are not shown; without segments, pitch * height is one.
 */
#define VDRV_FB_SHARED 1u

/*
 * A framebuffer, in ordinary memory.  The library's own are made by the
 * driver's init, read them through vdrv_display_fb().  For memory of the
 * caller: zero it, fill in the first part, attach.  From then until it is
 * detached, or the device is stopped, the object, the array of segments and
 * the memory must stay; the device only reads the pixels, and may be drawn
 * into at any time.
 */
struct vdrv_fb {
    uint32_t width;  /* pixels */
    uint32_t height; /* rows; more than a head has, for panning */
    uint32_t pitch;  /* bytes from row to row, a multiple of the pixel's */
    uint32_t format; /* VDRV_FORMAT_* */
    void *base;      /* the upper left pixel, for the CPU; may be NULL when
                        there are segments (nothing is then drawn or synced
                        through it) */
    const struct vdrv_seg *segs; /* the memory in order, scattered at will;
                                    NULL: pitch * height bytes from base */
    uint32_t nsegs;
    uint32_t flags; /* VDRV_FB_* */
    /*
     * CPU memory to remember mappings, VDRV_FB_WORK_SIZE(runs) bytes, aligned
     * as uint64_t.  Needed only for pointers outside the HAL's direct window.
     */
    void *work;
    size_t work_size;
    void *user;

    /* The driver's. */
    uint32_t id;     /* not 0 while the device knows it */
    uint32_t nruns;  /* mappings to undo */
    uint32_t state;  /* VDRV_FB_DETACHED, ... */
    uint32_t shown;  /* heads that show it, one bit each */
    uint32_t backed; /* the device may read the memory */
    uint32_t reserved;
    void *opaque[2]; /* list links */
};

/* Values of `state`, readable by the caller. */
#define VDRV_FB_DETACHED  0u /* the memory is the caller's alone */
#define VDRV_FB_ATTACHING 1u
#define VDRV_FB_ATTACHED  2u
#define VDRV_FB_DETACHING 3u

/* Work memory for at most `runs` contiguous runs of device addresses. */
#define VDRV_FB_WORK_SIZE(runs) ((size_t)(runs)*32u)

/* Bytes that width, height, pitch and format ask for; 0: they make no sense
   (a zero, pitch too small or odd, more than 2^32 - 1 bytes). [any] */
uint64_t vdrv_fb_size(const struct vdrv_fb *fb);

/*
 * Copies a packed area of pixels into the framebuffer, converting the format
 * where they differ (a missing alpha is opaque): what a toolkit with partial
 * buffers needs before the flush.  `pitch` 0: rows of `pixels` follow each
 * other.  INVALID: NULL, fb->base too, an area that is not inside, an unknown
 * format. [any], one writer of the area at a time
 */
int vdrv_fb_blit(const struct vdrv_fb *fb, const struct vdrv_rect *area,
                 const void *pixels, uint32_t pitch, uint32_t format);

/* Fills an area with one pixel, as vdrv_pixel_pack() makes it.  INVALID: as
   for blit. [any] */
int vdrv_fb_fill(const struct vdrv_fb *fb, const struct vdrv_rect *area,
                 uint32_t pixel);

/* ---- Requests ---------------------------------------------------------- */

/* What a request does. */
#define VDRV_DISPLAY_FLUSH   1u /* `rects` of `fb`: the pixels are shown */
#define VDRV_DISPLAY_SCANOUT 2u /* `head` shows `fb` from (x, y) on */
#define VDRV_DISPLAY_ATTACH  3u /* the device gets to know `fb` */
#define VDRV_DISPLAY_DETACH  4u /* and forgets it */

/*
 * A request, caller-allocated in ordinary memory.  Zero it, fill in the first
 * part, submit.  From VDRV_OK until its completion it must stay where it is
 * and is the library's; from the moment `done` is entered, or `status` is seen
 * final, it is the caller's again and may be submitted anew, also from inside
 * `done`.  The array of rectangles is looked at during submit only.
 */
struct vdrv_display_request {
    uint32_t op; /* VDRV_DISPLAY_* */
    uint32_t head;
    struct vdrv_fb *fb; /* FLUSH: NULL is what `head` shows.  SCANOUT: NULL
                           turns the head off */
    const struct vdrv_rect *rects; /* FLUSH: each inside fb, none empty */
    uint32_t nrects;               /* 0: all of the framebuffer */
    uint32_t flags;                /* 0 */
    uint32_t x;                    /* SCANOUT: the pixel in the upper left */
    uint32_t y;
    uint32_t width; /* SCANOUT: what is shown; 0: as much as the mode
                       the host suggests and fb have in common */
    uint32_t height;
    uint32_t timeout_us; /* of execute; 0: the driver's */
    uint32_t reserved;
    void (*done)(struct vdrv_display_request *req); /* NULL: watch `status` */
    void *user;

    /* Answers. */
    int32_t status;         /* VDRV_PENDING, then VDRV_OK or an error; written
                               last, with release */
    uint32_t device_status; /* the device's own code of the first error */

    void *opaque[2]; /* the driver's, while pending */
};

/* ---- What there is ----------------------------------------------------- */

/* What a display can do; the limits are those of one submitted request. */
struct vdrv_display_caps {
    uint32_t heads;
    uint32_t max_rects;   /* of a FLUSH */
    uint32_t depth;       /* requests of one rectangle in flight */
    uint32_t max_runs;    /* contiguous runs of one framebuffer's memory */
    uint32_t formats;     /* bit 1 << VDRV_FORMAT_* */
    uint32_t fb_width;    /* of the library's framebuffers, at most; 0: there */
    uint32_t fb_height;   /* are none */
    uint32_t dma_align;   /* of pixels; 1 when coherent */
    uint32_t generation;  /* counts changes of heads */
    uint32_t cursor_size; /* 64; 0: no cursor */
    uint32_t share_align; /* a shared framebuffer's memory is a multiple */
    uint8_t need_flush;
    uint8_t can_edid;
    uint8_t can_share; /* VDRV_FB_SHARED */
    uint8_t can_set_mode;
};

/* What a head shows now. */
struct vdrv_display_mode_info {
    uint32_t width; /* of the visible part */
    uint32_t height;
    uint32_t x; /* where that begins in the framebuffer */
    uint32_t y;
    uint32_t pitch;   /* bytes */
    uint32_t format;  /* VDRV_FORMAT_* */
    void *fb_base;    /* as in the framebuffer object */
    uint64_t fb_size; /* bytes: pitch * height of the framebuffer */
    struct vdrv_pixel_layout layout;
};

/* A head as the host sees it. */
struct vdrv_display_head {
    uint32_t x; /* in the host's arrangement */
    uint32_t y;
    uint32_t width; /* that it suggests; 0: nothing sensible */
    uint32_t height;
    uint32_t width_mm; /* 0: unknown */
    uint32_t height_mm;
    uint32_t modes;     /* for get_mode */
    uint32_t edid_size; /* bytes; 0: none */
    uint8_t enabled;    /* somebody looks at it */
    uint8_t active;     /* it shows a framebuffer */
    uint8_t reserved[2];
};

#define VDRV_MODE_PREFERRED  1u
#define VDRV_MODE_SUGGESTED  2u /* by the host, now */
#define VDRV_MODE_INTERLACED 4u

struct vdrv_display_mode {
    uint32_t width;
    uint32_t height;
    uint32_t refresh_mhz; /* millihertz; 0: unknown */
    uint32_t flags;       /* VDRV_MODE_* */
};

/* ---- EDID -------------------------------------------------------------- */

#define VDRV_EDID_BLOCK     128u
#define VDRV_EDID_SIZE_MAX  1024u
#define VDRV_EDID_MODES_MAX 64u

/* What an EDID says. */
struct vdrv_edid {
    char manufacturer[4]; /* three letters and a NUL */
    char name[14];        /* of the monitor, NUL-terminated; may be "" */
    uint8_t version;
    uint8_t revision;
    uint16_t product;
    uint16_t blocks; /* valid ones */
    uint32_t serial;
    uint32_t width_mm; /* 0: unknown */
    uint32_t height_mm;
    uint32_t nmodes;
    struct vdrv_display_mode modes[VDRV_EDID_MODES_MAX];
};

/*
 * Reads an EDID of `len` bytes, whatever they are.  Detailed timings come
 * first, the preferred one at the head of the list; no size is listed twice at
 * the same rate.  A bad extension block is left out.  INVALID: NULL, or no
 * valid base block: `out` is then all zero. [any]
 */
int vdrv_edid_parse(const void *data, size_t len, struct vdrv_edid *out);

/* ---- The trait --------------------------------------------------------- */

struct vdrv_display;

/* Required are the first five; NULL answers UNSUPPORTED for the others. */
struct vdrv_display_ops {
    struct vdrv_base_ops base;
    int (*info)(const struct vdrv_display *dpy, uint32_t head,
                struct vdrv_display_mode_info *out);
    struct vdrv_fb *(*fb)(const struct vdrv_display *dpy, uint32_t head);
    bool (*need_flush)(const struct vdrv_display *dpy);
    int (*flush)(struct vdrv_display *dpy, uint32_t head);
    int (*flush_rect)(struct vdrv_display *dpy, uint32_t head,
                      const struct vdrv_rect *rect);
    int (*get_caps)(const struct vdrv_display *dpy,
                    struct vdrv_display_caps *out);
    int (*submit)(struct vdrv_display *dpy, struct vdrv_display_request *req);
    int (*kick)(struct vdrv_display *dpy, uint32_t queue);
    int (*execute)(struct vdrv_display *dpy, struct vdrv_display_request *req);
    int (*get_head)(const struct vdrv_display *dpy, uint32_t head,
                    struct vdrv_display_head *out);
    int (*get_mode)(const struct vdrv_display *dpy, uint32_t head,
                    uint32_t index, struct vdrv_display_mode *out);
    int (*get_edid)(const struct vdrv_display *dpy, uint32_t head, void *buf,
                    size_t size);
    int (*set_mode)(struct vdrv_display *dpy, uint32_t head, uint32_t width,
                    uint32_t height, struct vdrv_fb *fb);
    int (*set_cursor)(struct vdrv_display *dpy, uint32_t head,
                      const void *image, uint32_t hot_x, uint32_t hot_y);
    int (*move_cursor)(struct vdrv_display *dpy, uint32_t head, uint32_t x,
                       uint32_t y);
    int (*hide_cursor)(struct vdrv_display *dpy, uint32_t head);
    int (*panic)(struct vdrv_display *dpy);
};

/* A display: embed it first in the driver's struct; dev.ops is a display
   table. */
struct vdrv_display {
    struct vdrv_device dev;
};

/* Fills in `dpy`. [alone] */
void vdrv_display_setup(struct vdrv_display *dpy,
                        const struct vdrv_display_ops *ops);

/* What a head shows.  INVALID: NULL, no such head.  BAD_STATE: it shows
   nothing. [any] */
int vdrv_display_info(const struct vdrv_display *dpy, uint32_t head,
                      struct vdrv_display_mode_info *out);

/* The framebuffer a head shows; NULL: none. [any] */
struct vdrv_fb *vdrv_display_fb(const struct vdrv_display *dpy, uint32_t head);

/* Do pixels appear only after a flush?  False for NULL. [any] */
bool vdrv_display_need_flush(const struct vdrv_display *dpy);

/*
 * Shows what was drawn, and waits until the device has taken it.
 * INVALID: NULL, no such head.  BAD_STATE: it shows nothing, or the device is
 * stopped.  IO: the device refused it.  TIMEOUT: the device was reset; stop and
 * start bring the picture back.  STUCK: so, but it still reads the memory.
 * BUSY: called from a callback.  Latched errors. [wait]
 */
int vdrv_display_flush(struct vdrv_display *dpy, uint32_t head);

/*
 * The same for a part, in framebuffer coordinates.  An empty one is OK and
 * does nothing; INVALID: it is not inside. [wait]
 */
int vdrv_display_flush_rect(struct vdrv_display *dpy, uint32_t head,
                            const struct vdrv_rect *rect);

/* Fills `out`.  UNSUPPORTED: the driver has none. [any] */
int vdrv_display_get_caps(const struct vdrv_display *dpy,
                          struct vdrv_display_caps *out);

/*
 * Hands a request to the device, which learns of it at the next kick.  On any
 * error nothing was taken and `done` will not run.
 * INVALID: NULL, no such op or head, a rectangle that is empty or not inside,
 * a framebuffer that makes no sense or whose memory cannot be translated.
 * BAD_STATE: the framebuffer is not attached, or the head shows none; or the
 * device is stopped.  EXISTS: ATTACH of what is attached.  BUSY: DETACH of what
 * a head shows, or of the library's own; a head whose SCANOUT is not through.
 * TOO_BIG: beyond the limits in caps.  AGAIN: the queue is full, or another
 * ATTACH is not through: poll first.  UNSUPPORTED: the format.  NO_MEMORY:
 * fb->work is too small.  Latched errors. [queue]
 *
 * Completes with IO, or NO_MEMORY when the device says so of itself; a failed
 * ATTACH leaves nothing with the device, a failed DETACH leaves the memory its
 * own until a stop.  ABORTED: stopped or reset meanwhile.
 */
int vdrv_display_submit(struct vdrv_display *dpy,
                        struct vdrv_display_request *req);

/*
 * Tells the device of what was submitted, if it wants to be told: once per
 * batch.  Returns 1 when it was notified, else 0. [queue]
 */
int vdrv_display_kick(struct vdrv_display *dpy, uint32_t queue);

/*
 * Submit, kick and wait: the blocking form of any request.  A FLUSH of more
 * than caps.max_rects is split; a full queue is waited out.  Returns its
 * status, or the error of the submit.  `done` is not called.  TIMEOUT and STUCK
 * as for flush. [wait]
 */
int vdrv_display_execute(struct vdrv_display *dpy,
                         struct vdrv_display_request *req);

/* Blocking forms of ATTACH, DETACH and SCANOUT, through execute. [wait] */
int vdrv_display_attach(struct vdrv_display *dpy, struct vdrv_fb *fb);
int vdrv_display_detach(struct vdrv_display *dpy, struct vdrv_fb *fb);
int vdrv_display_set_scanout(struct vdrv_display *dpy, uint32_t head,
                             struct vdrv_fb *fb, uint32_t x, uint32_t y);

/* A head as the host sees it, as of init or the last vdrv_refresh() that
   answered VDRV_CHANGE_HEADS.  INVALID: NULL, no such head. [any] */
int vdrv_display_get_head(const struct vdrv_display *dpy, uint32_t head,
                          struct vdrv_display_head *out);

/*
 * The head's modes, the suggested one first when there is one.  INVALID: NULL,
 * no such head, `index` past the last. [any]
 */
int vdrv_display_get_mode(const struct vdrv_display *dpy, uint32_t head,
                          uint32_t index, struct vdrv_display_mode *out);

/*
 * Copies at most `size` bytes of the monitor's raw EDID; returns how many
 * there are.  UNSUPPORTED: it has none.  INVALID: NULL, no such head. [any]
 */
int vdrv_display_get_edid(const struct vdrv_display *dpy, uint32_t head,
                          void *buf, size_t size);

/*
 * Shows `width` x `height` on a head from now on.  `fb` NULL: of the library's
 * memory, cleared, as a new object: ask vdrv_display_fb() again.  TOO_BIG: it
 * has no room for that, see caps.  Otherwise of the caller's framebuffer,
 * which is attached if it was not.  What was shown before stays attached,
 * if it was the caller's; the library's own memory is reused only after the
 * device let go of it.  On an error the old mode stays.  INVALID, UNSUPPORTED,
 * and as for flush. [wait]
 */
int vdrv_display_set_mode(struct vdrv_display *dpy, uint32_t head,
                          uint32_t width, uint32_t height, struct vdrv_fb *fb);

/*
 * The cursor: an image of 64 x 64 BGRA pixels, copied, and the pixel in it
 * that points.  Uses both queues.  UNSUPPORTED: no cursor was configured.
 * INVALID: NULL, no such head, a hot spot outside. [wait]
 */
int vdrv_display_set_cursor(struct vdrv_display *dpy, uint32_t head,
                            const void *image, uint32_t hot_x, uint32_t hot_y);

/*
 * Moves it, shown or not, or hides it until it is set again.  Never waits, and
 * notifies the device at once; touches queue VDRV_DISPLAY_QUEUE_MOVES alone.
 * AGAIN: that queue is full; the next move will say it all. [queue]
 */
int vdrv_display_move_cursor(struct vdrv_display *dpy, uint32_t head,
                             uint32_t x, uint32_t y);
int vdrv_display_hide_cursor(struct vdrv_display *dpy, uint32_t head);

/*
 * Takes the screen over from a kernel that will not go on.  May interrupt any
 * call of this device but its init and fini; those calls must never be
 * returned to.  The device is reset and started again; no pending request
 * ends, no callback runs, nothing is unmapped, the caller's framebuffers are
 * forgotten as they are.  Heads show the framebuffers of the library's again,
 * as after vdrv_start(); where there are none, attach a new one.  From now on
 * the HAL's wait and wake are not called, and neither is its dma_alloc, nor
 * dma_map for framebuffers of the library's; it needs the clock, or poll_limit,
 * to be bounded.  It may be called again, also after an error.
 * UNSUPPORTED; STUCK; BAD_STATE: not initialised; errors as for vdrv_start().
 * [alone], in that everybody else is stopped, in whatever place
 */
int vdrv_display_panic(struct vdrv_display *dpy);

#ifdef __cplusplus
}
#endif

#endif
