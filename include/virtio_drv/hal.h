/* SPDX-License-Identifier: MIT */
/*
 * THE porting surface: what a kernel gives the library.  Read this first.
 *
 * Fill in one struct vdrv_hal and pass it to a probe function.  Nothing is
 * found at link time, so two buses behind two IOMMUs, or many fakes in one
 * host test, can live side by side.  All zero is the safe default of every
 * member; the required ones are dma_alloc, dma_free, and either a direct
 * window or dma_map.
 *
 * A kernel whose pointers are device addresses (identity mapping) needs:
 *
 *     static struct vdrv_arena arena;          (see vdrv_arena_init)
 *     struct vdrv_hal hal = {0};
 *     hal.ctx = &arena;
 *     hal.dma_alloc = vdrv_arena_alloc;
 *     hal.dma_free = vdrv_arena_free;
 *     hal.direct_size = UINT64_MAX;            (pointer == device address)
 *
 * Contexts, as base.h defines them: dma_alloc, dma_free and mmio_map are
 * called in [alone] calls only.  dma_map, dma_unmap, dma_sync, now_us, relax,
 * log and wake come from [queue] calls too, perhaps inside an interrupt
 * handler, and must not sleep.  wait comes from [wait] calls only.
 *
 * The library takes no lock and orders memory by itself: none of these
 * functions needs a barrier of its own.
 */
#ifndef VIRTIO_DRV_HAL_H
#define VIRTIO_DRV_HAL_H

#include <virtio_drv/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Direction of a mapping, seen from the device. */
#define VDRV_DIR_OUT  1u /* the device reads */
#define VDRV_DIR_IN   2u /* the device writes */
#define VDRV_DIR_BOTH 3u

/*
 * The device does not offer (or the driver did not get) ACCESS_PLATFORM: it
 * uses physical addresses and passes by any IOMMU (VirtIO 1.4, 6.1).
 */
#define VDRV_DMA_PHYSICAL 1u

/* Severity of a log line. */
#define VDRV_LOG_ERROR 0u
#define VDRV_LOG_WARN  1u
#define VDRV_LOG_INFO  2u
#define VDRV_LOG_DEBUG 3u

/* Space of a register address. */
#define VDRV_SPACE_MEMORY 0u
#define VDRV_SPACE_PORT   1u /* x86 I/O ports */

struct vdrv_hal {
    void *ctx; /* passed to every function */

    /* ---- Direct map (required, unless dma_map is there) -------------- */
    /*
     * A pointer inside [direct_base, direct_base + direct_size) has the
     * device address pointer + direct_offset (modulo 2^64), computed inline.
     * Outside (kernel image, stacks, vmalloc of a higher-half kernel) dma_map
     * is called, and without one the answer is INVALID: never a wrong
     * address.  direct_size 0: no window.
     *
     * A device with ACCESS_PLATFORM may stand behind an IOMMU, or reach a part
     * of memory only (VirtIO 1.4, 6.1).  direct_platform 1 says that the
     * window's addresses are right for it, too: there is no such thing, or it
     * is off, or it maps the window like this.  0: such a device's memory goes
     * through dma_map, all of it, and without a dma_map it is refused.
     */
    uint64_t direct_base;
    uint64_t direct_size;
    uint64_t direct_offset;
    uint32_t direct_platform;
    uint32_t reserved;

    /* ---- Memory shared with devices (required) ----------------------- */
    /*
     * Allocates `size` bytes of coherent, physically contiguous memory,
     * aligned to `align` (a power of two), below device address `limit`
     * (inclusive; UINT64_MAX: anywhere), and stores its device address.  The
     * library zeroes it, and checks the alignment and the limit.  NULL when
     * there is none.  `flags`: VDRV_DMA_*.
     */
    void *(*dma_alloc)(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma);
    /* Gives it back, with what dma_alloc was asked for and answered. */
    void (*dma_free)(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags);

    /* ---- Mapping of other people's memory (optional) ------------------ */
    /*
     * Makes `ptr` visible to the device for `dir`: at least one byte, at most
     * `len`; stores the device address and, in `*run`, how many bytes follow
     * it contiguously.  The place for scattered pages, IOMMUs, bounce buffers
     * and cache maintenance.  Returns VDRV_OK, AGAIN (no room now) or INVALID
     * (not mappable); other codes count as INVALID.
     */
    int (*dma_map)(void *ctx, void *ptr, uint32_t len, uint32_t dir,
                   uint32_t flags, uint64_t *dma, uint32_t *run);
    /* Undoes one dma_map, with its own values, exactly once. */
    void (*dma_unmap)(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                      uint32_t dir, uint32_t flags);
    /*
     * Cache maintenance for memory that stays mapped (framebuffers, packet
     * pools): before the device reads (OUT) or after it wrote (IN).  NULL:
     * coherent.
     */
    void (*dma_sync)(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                     uint32_t dir);
    /*
     * Cache line in bytes when DMA is not coherent, else 0 or 1.  Reported in
     * caps: a buffer that a device writes should start and end on it, or
     * dma_map must bounce.
     */
    uint32_t dma_align;

    /* ---- Time and sleep (optional) ------------------------------------ */
    /*
     * How many polls end a wait when no clock runs: in all without now_us,
     * and while now_us stands still with it.  0: 2^28.
     */
    uint32_t poll_limit;
    /* Microseconds since whenever, never backwards. */
    uint64_t (*now_us)(void *ctx);
    /* A pause in a polling loop. */
    void (*relax)(void *ctx);
    /*
     * Sleep until an interrupt of `dev` or for at most `max_us`; may return
     * early or at once, and may drop the caller's own lock meanwhile.  Called
     * only when vdrv_arm() found nothing, and never during init and start:
     * these poll.  An interrupt that came since the arm must end it at once,
     * so let it count, or take the handler's lock; two sleepers need an event
     * each.  Give now_us too: without a clock, only poll_limit such sleeps
     * bound a wait.  NULL: the library polls, with relax.
     */
    void (*wait)(void *ctx, struct vdrv_device *dev, uint32_t queue,
                 uint32_t max_us);
    /*
     * A vdrv_poll() of this queue has completed a request that another caller
     * blocks on.
     */
    void (*wake)(void *ctx, struct vdrv_device *dev, uint32_t queue);

    /* ---- Registers (optional) ----------------------------------------- */
    /*
     * A pointer through which device registers at physical address `phys` are
     * reached, uncached.  NULL refuses.  Without this member, physical
     * addresses are used as pointers.
     */
    void *(*mmio_map)(void *ctx, uint64_t phys, uint64_t len);
    /*
     * Register accesses, `width` 1, 2 or 4 bytes, little-endian value in the
     * CPU's order, exactly one access of that width, in program order: for
     * tests, hypercalls and I/O ports.  Both or neither: the probes answer
     * INVALID otherwise.  NULL: plain volatile accesses and, on x86, in/out
     * for ports.
     */
    uint32_t (*reg_read)(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width);
    void (*reg_write)(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value);

    /* ---- Diagnostics (optional) --------------------------------------- */
    /* One finished line of text without a newline; VDRV_LOG_*. */
    void (*log)(void *ctx, uint32_t level, const char *text);
};

/* ---- A ready-made allocator over one piece of memory ------------------- */

/*
 * Hands out a caller's array piece by piece: enough for a kernel that
 * initialises its devices once.  Freed memory is taken back only when it was
 * the last piece handed out, or when everything was freed.
 */
struct vdrv_arena {
    uint8_t *base;
    size_t size;
    uint64_t offset; /* device address = pointer + offset, modulo 2^64 */
    size_t used;     /* private from here */
    size_t live;
};

/*
 * `base`..`base + size` must be coherent, contiguous in physical memory, and
 * unused otherwise; a device sees it at pointer + `offset`. [alone]
 */
void vdrv_arena_init(struct vdrv_arena *arena, void *base, size_t size,
                     uint64_t offset);
/* For struct vdrv_hal, with ctx = the arena. [alone] */
void *vdrv_arena_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma);
void vdrv_arena_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags);

#ifdef __cplusplus
}
#endif

#endif
