/* SPDX-License-Identifier: MIT */
/*
 * The fake machine: everything a struct vdrv_hal asks a kernel for, simulated
 * in one process and watched.  Memory for DMA comes from an arena with red
 * zones, a device address is never a pointer, time stands still unless the
 * driver looks at it, devices work in steps, and each register access goes to
 * a registered region.  What a driver must not do is a violation: printed and
 * fatal by default, or recorded for a test that provokes it.
 *
 * Many machines can exist at once; none has global state.  All zero in struct
 * fake_config is a good default.  Knobs in struct fake may be set at any time
 * after fake_init(); so may members of `hal`, for instance
 * `f.hal.now_us = NULL` for a machine without a clock.
 */
#ifndef FAKE_HAL_H
#define FAKE_HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtio_drv/hal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a device sees memory. */
#define FAKE_DIRECT 0u /* the direct window covers the whole process */
#define FAKE_MAPPED 1u /* no window: dma_map, through bounce buffers */
#define FAKE_WINDOW 2u /* a window over the arena, dma_map for the rest */

#define FAKE_POISON 0xA5u /* bounce buffers a device has not written yet */
#define FAKE_FREED  0xDDu /* memory given back */

struct fake_config {
    uint32_t mode;       /* FAKE_DIRECT, _MAPPED, _WINDOW */
    uint32_t dma_align;  /* goes to hal.dma_align */
    size_t arena_size;   /* bytes for dma_alloc; 0: 64 MiB, used lazily */
    uint64_t dma_base;   /* device address of the arena; 0: 0x1_2340_0000 */
    uint64_t iova_base;  /* device address of the first dma_map; 0: 2^45 */
    uint32_t max_run;    /* dma_map maps at most this much at once; 0: all */
    uint32_t us_per_now; /* clock step per now_us; 0: 1 */
    uint64_t seed;       /* of fake_rand(); 0: a fixed one */
};

/* One register access, for traces and hooks. */
struct fake_access {
    uint64_t addr;  /* physical address or port */
    uint32_t space; /* VDRV_SPACE_* */
    uint32_t width; /* 1, 2, 4 */
    uint32_t value;
    uint32_t write; /* 1 write, 0 read */
};

/* Registers of a device: accesses inside go to the two functions. */
struct fake_region {
    const char *name;
    uint32_t space; /* VDRV_SPACE_* */
    bool disabled;  /* answers all ones, takes no write (decoding is off) */
    uint64_t phys;
    uint64_t len;
    uint32_t (*read)(void *arg, uint64_t off, uint32_t width);
    void (*write)(void *arg, uint64_t off, uint32_t width, uint32_t value);
    void *arg;
    struct fake_region *next; /* private */
};

/* Something that works in steps. */
struct fake_stepper {
    void (*step)(void *arg);
    void *arg;
    struct fake_stepper *next; /* private */
};

#define FAKE_LOG_LINES  64
#define FAKE_LOG_TEXT   200
#define FAKE_OVERRIDES  16
#define FAKE_VIOLATIONS 32

/* A rule that was broken: the requirement's id and what happened. */
struct fake_broken {
    char id[16];
    char text[FAKE_LOG_TEXT];
};

struct fake_alloc {
    uint8_t *ptr;
    uint64_t dma; /* as answered, which may be a lie on demand */
    size_t size;
    uint32_t flags;
};

struct fake_map {
    uint8_t *ptr;
    uint8_t *bounce;
    uint64_t dma;
    uint32_t run;
    uint32_t dir;
    uint32_t flags;
};

struct fake_cookie {
    uint8_t *base; /* reserved addresses without access rights */
    uint64_t phys;
    size_t len;
};

struct fake_forced {
    uint64_t addr;
    uint32_t space;
    uint32_t skip;
    uint32_t count;
    uint32_t value;
};

struct fake {
    struct vdrv_hal hal; /* give `&f->hal` to the library */
    struct fake_config config;

    /* ---- Knobs: DMA ------------------------------------------------- */
    uint32_t fail_alloc;   /* the k-th dma_alloc from now fails; 0: none */
    uint32_t fail_map;     /* the k-th dma_map from now fails; 0: none */
    int fail_map_code;     /* with this; 0: VDRV_ERR_AGAIN */
    bool no_alloc;         /* any dma_alloc from now on is a violation */
    uint64_t dma_misalign; /* added to the address that dma_alloc answers */
    bool ignore_limit;     /* dma_alloc answers above the limit */
    int expect_physical;   /* 1, -1: VDRV_DMA_PHYSICAL must be set, clear */
    bool unchecked;        /* DIRECT: devices translate without checks; for
                              benchmarks */
    /* ---- Knobs: time ------------------------------------------------ */
    uint64_t now;          /* microseconds */
    uint32_t us_per_now;   /* per now_us call; 0: the clock stands still */
    uint32_t us_per_relax; /* per relax */
    uint32_t us_per_wait;  /* per wait, at most what the caller asked for */
    bool no_step;          /* relax and wait do not step the devices */
    bool step_on_now;      /* now_us steps the devices as well */
    void (*wait_hook)(void *arg, struct vdrv_device *dev, uint32_t queue,
                      uint32_t max_us); /* instead of the default wait */
    void *wait_arg;
    /* ---- Knobs: registers ------------------------------------------- */
    bool refuse_mmio_map;
    uint64_t gone_at; /* every access from the k-th on finds nothing: reads
                         are all ones (hot unplug); 0: never */
    /* Called after each read; what it returns is what the driver gets. */
    uint32_t (*read_hook)(void *arg, const struct fake_access *a);
    void (*write_hook)(void *arg, const struct fake_access *a);
    void *hook_arg;
    struct fake_access *trace; /* the test's array, filled up to trace_cap */
    size_t trace_cap;
    size_t trace_len;
    /* ---- Knobs: reporting ------------------------------------------- */
    bool record; /* record violations instead of aborting */
    bool echo;   /* print log lines to stderr */

    /* ---- Counters --------------------------------------------------- */
    uint32_t allocs_live, allocs_total;
    uint32_t maps_live, maps_total;
    uint64_t bytes_live, bytes_peak;
    uint32_t syncs, relaxes, waits, wakes, nows, steps;
    uint64_t reads, writes; /* register and PCI configuration accesses */
    uint64_t gone_accesses; /* of these, how many found nothing */
    uint32_t violations;
    struct fake_broken broken[FAKE_VIOLATIONS];

    /* ---- Private ---------------------------------------------------- */
    uint8_t *arena;
    size_t top;
    struct fake_alloc *allocs;
    size_t allocs_cap;
    struct fake_map *maps;
    size_t maps_cap;
    uint64_t next_iova;
    struct fake_cookie *cookies;
    size_t n_cookies;
    struct fake_region *regions;
    struct fake_stepper *steppers;
    bool stepping;
    struct fake_forced overrides[FAKE_OVERRIDES];
    uint32_t n_overrides;
    char log[FAKE_LOG_LINES][FAKE_LOG_TEXT];
    uint32_t log_level[FAKE_LOG_LINES];
    uint32_t n_log;
    uint64_t rand;
};

/* A machine without devices.  `cfg` NULL: all defaults. */
void fake_init(struct fake *f, const struct fake_config *cfg);
/*
 * Ends it.  Memory or mappings that the driver still holds, and damaged red
 * zones, are violations (LEAK, REDZONE).
 */
void fake_fini(struct fake *f);

/* True when the driver holds no DMA memory and no mapping. */
bool fake_balanced(const struct fake *f);
/* Checks every red zone now. */
void fake_check(struct fake *f);

/* One step: each device does what it has to do. */
void fake_step(struct fake *f);
/* n steps. */
void fake_steps(struct fake *f, unsigned n);

/* A captured log line contains `text`. */
bool fake_log_contains(const struct fake *f, const char *text);
void fake_log_clear(struct fake *f);

/*
 * Reports a broken rule.  `id`: a requirement (BASIC-02) or a rule of the fake
 * itself (DMA, LEAK, REDZONE, ACCESS, RING).
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void fake_violation(struct fake *f, const char *id, const char *fmt, ...);
/* How many violations of `id` were recorded; NULL: of any. */
unsigned fake_violated(const struct fake *f, const char *id);
void fake_violations_clear(struct fake *f);

/* A seeded pseudo-random number. */
uint32_t fake_rand(struct fake *f);

/* ---- For tests: registers ------------------------------------------- */

/*
 * After `skip` more reads of the register at `addr`, the next `count` reads
 * (0: all) answer `value` instead.
 */
void fake_override(struct fake *f, uint32_t space, uint64_t addr, uint32_t skip,
                   uint32_t count, uint32_t value);
void fake_override_clear(struct fake *f);

/* ---- For device models ---------------------------------------------- */

void fake_region_add(struct fake *f, struct fake_region *r);
void fake_region_del(struct fake *f, struct fake_region *r);
void fake_stepper_add(struct fake *f, struct fake_stepper *s);
void fake_stepper_del(struct fake *f, struct fake_stepper *s);

/*
 * What a device finds at device address `dma`, for VDRV_DIR_OUT (it reads) or
 * VDRV_DIR_IN (it writes).  NULL, and a violation, when `len` bytes there are
 * not shared in this direction now.
 */
void *fake_dma(struct fake *f, uint64_t dma, uint64_t len, uint32_t dir);
/* The same question without a violation. */
void *fake_dma_try(struct fake *f, uint64_t dma, uint64_t len, uint32_t dir);
/* Counts an access and tells whether the machine's devices are unplugged. */
bool fake_gone(struct fake *f, bool write);
/*
 * A register access as the CPU makes it, for other paths than hal.reg_*: PCI
 * windows.  `addr` is physical.
 */
uint32_t fake_reg_read(struct fake *f, uint32_t space, uint64_t addr,
                       uint32_t width);
void fake_reg_write(struct fake *f, uint32_t space, uint64_t addr,
                    uint32_t width, uint32_t value);

/* Little-endian fields in memory, any alignment. */
static inline uint16_t fake_get16(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t fake_get32(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t fake_get64(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint64_t)fake_get32(b) | (uint64_t)fake_get32(b + 4) << 32;
}

static inline void fake_put16(void *p, uint32_t v)
{
    uint8_t *b = (uint8_t *)p;

    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void fake_put32(void *p, uint32_t v)
{
    fake_put16(p, v);
    fake_put16((uint8_t *)p + 2, v >> 16);
}

static inline void fake_put64(void *p, uint64_t v)
{
    fake_put32(p, (uint32_t)v);
    fake_put32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

#ifdef __cplusplus
}
#endif

#endif
