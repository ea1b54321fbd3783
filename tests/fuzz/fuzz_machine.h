/* SPDX-License-Identifier: MIT */
/*
 * A machine with one virtio device whose behaviour is the input of a fuzzer.
 * Registers, ring and configuration are those of a device that works; bytes of
 * the input say where it does not: which register read lies, which id, length
 * or index is false, when it stops answering, what it scribbles over.  Zeros,
 * and so the end of the input, are a device that keeps the rules.
 *
 * The machine watches the driver: whatever it does, a wait is bounded,
 * registers are reached only where they were mapped, memory is freed only
 * when the device was reset, and in the end nothing is left allocated or
 * mapped.  A broken promise is printed and aborts.
 */
#ifndef FUZZ_MACHINE_H
#define FUZZ_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtio_drv/hal.h>
#include <virtio_drv/mmio.h>
#include <virtio_drv/pci.h>

#define FUZZ_QUEUES 4u
#define FUZZ_CHAINS 64u
#define FUZZ_SEGS   40u /* of one chain */
#define FUZZ_AREAS  512u
#define FUZZ_MAPPED 8u
#define FUZZ_CONFIG 256u

#define FUZZ_MMIO_PHYS 0x10000000u
#define FUZZ_MMIO_SIZE 0x200u
#define FUZZ_BAR_PHYS  0x800000000u
#define FUZZ_BAR_SIZE  0x4000u

/* What one call of the library may cost: the promise of bounded waits. */
#define FUZZ_RELAX_MAX  2000u
#define FUZZ_ACCESS_MAX 40000u

/* Bytes that are used up one after another; zeros follow the last. */
struct fuzz_in {
    const uint8_t *p;
    size_t left;
};

/* Memory that the device may reach. */
struct fuzz_area {
    uint8_t *ptr;    /* the driver's */
    uint8_t *bounce; /* of a mapping: what the device reaches instead */
    uint64_t dma;
    size_t len;
    uint32_t dir; /* of a mapping; 0: from dma_alloc */
};

struct fuzz_seg {
    uint8_t *ptr;
    uint32_t len;
    uint32_t write;
};

struct fuzz_chain {
    uint16_t head;
    uint16_t nsegs;
    uint32_t in; /* bytes the device may write */
    struct fuzz_seg seg[FUZZ_SEGS];
};

struct fuzz_queue {
    uint16_t size;
    uint16_t ready;
    uint16_t vector;
    uint64_t desc, driver, device;
    uint16_t seen; /* available index */
    uint16_t used; /* used index */
    uint16_t last_id;
    bool frozen; /* the rings are scribbled over: believe, and write, nothing */
    uint32_t nchains;
    struct fuzz_chain chain[FUZZ_CHAINS];
};

struct fuzz_machine;

/* Writes a proper answer into a chain; returns its length. */
typedef uint32_t fuzz_answer(struct fuzz_machine *m, uint32_t queue,
                             struct fuzz_chain *c);

struct fuzz_machine {
    struct vdrv_hal hal;
    struct vdrv_pci_ops bus;
    struct vdrv_mmio mmio;
    struct vdrv_pci pci;
    struct fuzz_in in;   /* what is done, and what the device does */
    struct fuzz_in lies; /* what registers say */
    fuzz_answer *answer;
    /* The device. */
    uint32_t type;
    uint32_t nqueues;
    uint32_t queue_max;
    uint64_t offered;
    uint64_t accepted;
    uint32_t status, isr, generation;
    uint32_t dev_sel, drv_sel, queue_sel;
    uint32_t lie_in; /* reads until the next lie; 0: none comes */
    bool good;       /* from now on it keeps the rules */
    bool lied;
    bool gone;
    bool stuck; /* a reset does not end */
    bool flap;  /* the configuration changes at each look */
    uint8_t config[FUZZ_CONFIG];
    uint8_t cfg[256]; /* PCI configuration space */
    uint64_t bar_mask[6];
    uint32_t foreign; /* registers beyond these of the template */
    /* The platform. */
    bool is_pci;
    bool direct;
    uint64_t now;
    uint64_t step;
    uint32_t relaxes, accesses;
    uint32_t fail_alloc, fail_map, max_run;
    uint32_t maps;
    uint64_t next_dma;
    uint32_t nareas;
    uint32_t nmapped;
    struct {
        uint64_t phys, len;
    } mapped[FUZZ_MAPPED];
    uint32_t norphans;
    void *orphan[256];
    /* Large, and not zeroed in each run. */
    struct fuzz_queue q[FUZZ_QUEUES];
    struct fuzz_area area[FUZZ_AREAS];
};

/* ---- Input ------------------------------------------------------------- */

uint8_t fuzz_u8(struct fuzz_in *in);
uint16_t fuzz_u16(struct fuzz_in *in);
uint32_t fuzz_u32(struct fuzz_in *in);
/* 0 to n - 1; n from 1 to 256. */
uint32_t fuzz_pick(struct fuzz_in *in, uint32_t n);

/* ---- The machine ------------------------------------------------------- */

/*
 * Makes one from an input: how memory and time behave, which of `offered` the
 * device has, changes to `config`, the register lies; the rest is m->in.
 */
void fuzz_begin(struct fuzz_machine *m, const uint8_t *data, size_t size,
                uint32_t type, uint64_t offered, const uint8_t *config,
                size_t config_size);
/* The bytes in front of m->in that make a well-behaved machine. */
#define FUZZ_HEAD 9u
/* The flags in the first of them. */
#define FUZZ_F_PCI   1u
#define FUZZ_F_MAP   2u
#define FUZZ_F_CLOCK 4u /* none */
#define FUZZ_F_WAIT  8u
#define FUZZ_F_FEW   16u /* the second to fourth byte take features away */
#define FUZZ_F_FAIL  32u /* memory runs out */

/* Probes; the transport, or NULL. */
struct vdrv_transport *fuzz_probe(struct fuzz_machine *m);
/* Before each call of the library. */
void fuzz_enter(struct fuzz_machine *m);
/* One thing the device does. */
void fuzz_step(struct fuzz_machine *m);
/* The device keeps the rules from now on, once it has been reset. */
void fuzz_behave(struct fuzz_machine *m);
/* Does the device have a chain with some of this memory? */
bool fuzz_owned(const struct fuzz_machine *m, const void *ptr, size_t len);
/* Memory from malloc that stays the device's until the end. */
void fuzz_orphan(struct fuzz_machine *m, void *ptr);
/* All is over: nothing may be left. */
void fuzz_end(struct fuzz_machine *m);

/* Copies into the writable bytes of a chain, or out of the readable ones. */
void fuzz_put(struct fuzz_chain *c, uint32_t off, const void *from,
              uint32_t len);
void fuzz_get(const struct fuzz_chain *c, uint32_t off, void *to, uint32_t len);
void fuzz_fill(struct fuzz_chain *c, uint32_t off, uint8_t byte, uint32_t len);

/* A promise was broken. */
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void fuzz_die(const char *what, const char *file, int line);
#define FUZZ_CHECK(cond)                                                       \
    ((cond) ? (void)0 : fuzz_die(#cond, __FILE__, __LINE__))

/* ---- Drivers ------------------------------------------------------------ */

/* How a session with one of the drivers goes; its state is the harness's. */
struct fuzz_driver {
    uint32_t type;
    uint64_t offered;
    const uint8_t *config;
    size_t config_size;
    fuzz_answer *answer;
    struct vdrv_device *dev;
    int (*init)(struct fuzz_machine *m, struct vdrv_transport *t);
    void (*op)(struct fuzz_machine *m, uint32_t op);
    /* The device is good: does everything work? */
    void (*prove)(struct fuzz_machine *m);
    int (*fini)(struct fuzz_machine *m);
    /* All is over: everything must have ended, once. */
    void (*done)(struct fuzz_machine *m);
};

extern const struct fuzz_driver fuzz_blk, fuzz_net_rx, fuzz_net_tx, fuzz_gpu;

/* One life: probe, init, at most `ops` operations, fini. */
void fuzz_live(struct fuzz_machine *m, const struct fuzz_driver *d,
               uint32_t ops);
/* A machine made for that driver, and one life. */
void fuzz_drive(const struct fuzz_driver *d, const uint8_t *data, size_t size);

/* ---- Harnesses --------------------------------------------------------- */

/* What tells the harness about good inputs. */
typedef void fuzz_emit(void *ctx, const uint8_t *data, size_t size);

struct fuzz_harness {
    const char *name;
    void (*run)(const uint8_t *data, size_t size);
    void (*seeds)(fuzz_emit *emit, void *ctx);
    uint32_t max; /* bytes of an input */
};

extern const struct fuzz_harness fuzz_harnesses[];
extern const size_t fuzz_count;

void fuzz_run_ring(const uint8_t *data, size_t size);
void fuzz_run_rings(const uint8_t *data, size_t size);
void fuzz_run_mmio(const uint8_t *data, size_t size);
void fuzz_run_pci(const uint8_t *data, size_t size);
void fuzz_run_bus(const uint8_t *data, size_t size);
void fuzz_run_config(const uint8_t *data, size_t size);
void fuzz_run_blk(const uint8_t *data, size_t size);
void fuzz_run_net_rx(const uint8_t *data, size_t size);
void fuzz_run_net_tx(const uint8_t *data, size_t size);
void fuzz_run_gpu(const uint8_t *data, size_t size);
void fuzz_run_fdt(const uint8_t *data, size_t size);
void fuzz_run_cmdline(const uint8_t *data, size_t size);
void fuzz_run_edid(const uint8_t *data, size_t size);
void fuzz_run_responder(const uint8_t *data, size_t size);
void fuzz_run_session(const uint8_t *data, size_t size);

/* A header that is all good, then ops 0 to 255 with zeros behind each. */
void fuzz_seed_ops(fuzz_emit *emit, void *ctx);
void fuzz_seed_rings(fuzz_emit *emit, void *ctx);
void fuzz_seed_bus(fuzz_emit *emit, void *ctx);
void fuzz_seed_blk(fuzz_emit *emit, void *ctx);
void fuzz_seed_edid(fuzz_emit *emit, void *ctx);
void fuzz_seed_fdt(fuzz_emit *emit, void *ctx);
void fuzz_seed_cmdline(fuzz_emit *emit, void *ctx);
void fuzz_seed_frames(fuzz_emit *emit, void *ctx);

/* Bits of a feature set. */
#define FUZZ_BIT(n) (UINT64_C(1) << (n))
/* INDIRECT_DESC, EVENT_IDX, VERSION_1, ACCESS_PLATFORM */
#define FUZZ_RING_BITS                                                         \
    (FUZZ_BIT(28) | FUZZ_BIT(29) | FUZZ_BIT(32) | FUZZ_BIT(33))

#endif
