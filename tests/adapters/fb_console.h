/* SPDX-License-Identifier: MIT */
/*
 * A text console on the display trait that may not wait: a kernel's printf
 * calls it with its lock held and interrupts off.  What is written is drawn at
 * once and flushed when the device has time: while a flush is in flight,
 * damage is merged, and goes out with the next.
 */
#ifndef FB_CONSOLE_H
#define FB_CONSOLE_H

#include <virtio_drv/display.h>

struct fb_console {
    struct vdrv_display *dpy;
    uint32_t head;
    uint32_t columns;
    uint32_t rows;
    uint32_t x;
    uint32_t y;
    uint32_t paper; /* pixels of the framebuffer's format */
    uint32_t ink;
    struct vdrv_rect damage; /* drawn, not flushed */
    struct vdrv_rect flying;
    bool busy; /* a flush is in flight */
    struct vdrv_display_request req;
};

/* False: the head shows nothing, or less than a character. */
bool fb_console_init(struct fb_console *con, struct vdrv_display *dpy,
                     uint32_t head);

/* Under the kernel's lock. */
void fb_console_write(struct fb_console *con, const char *text);

/* From the interrupt handler or a timer, under the same lock. */
void fb_console_poll(struct fb_console *con);

#endif
