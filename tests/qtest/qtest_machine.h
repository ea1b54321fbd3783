/* SPDX-License-Identifier: MIT */
/*
 * A machine of QEMU's whose CPU sleeps, and whose devices the library drives
 * from out here: registers through the qtest socket, memory through a file
 * that both have mapped.  So the host build under sanitizers meets devices
 * that somebody else wrote.
 *
 *     struct qtest_machine m;
 *     struct qtest_setup setup = {0};
 *
 *     setup.board = QTEST_PC;
 *     setup.device = "virtio-blk";
 *     setup.props = "drive=d0";
 *     setup.more = "-blockdev driver=file,...";
 *     if (qtest_start(&m, &setup) == QTEST_OK &&
 *         (t = qtest_find(&m, VDRV_VIRTIO_BLK_ID)) != NULL)
 *         ... a driver on t ...
 *     qtest_end(&m);
 *
 * Registers may be reached from several threads; all else is for one.
 *
 * Nothing is left behind: memory and images are anonymous files that QEMU
 * finds below /proc/self/fd, sockets have no names, and QEMU dies with us.
 */
#ifndef QTEST_MACHINE_H
#define QTEST_MACHINE_H

#include <pthread.h>
#include <stdarg.h>
#include <sys/types.h>

#include <virtio_drv.h>

/* Boards: what machine, and which bus its device is on. */
#define QTEST_PC        0u /* x86, PCI through the ports */
#define QTEST_MICROVM   1u /* x86, MMIO */
#define QTEST_VIRT_PCI  2u /* arm64, PCI through ECAM, no firmware */
#define QTEST_VIRT_MMIO 3u /* arm64 */
#define QTEST_BOARDS    4u

/* Guest memory: this much, of which we hand out a part. */
#define QTEST_RAM   (64u << 20)
#define QTEST_FIRST (4u << 20)
#define QTEST_LAST  (44u << 20)
#define QTEST_PAGE  4096u
#define QTEST_PAGES ((QTEST_LAST - QTEST_FIRST) / QTEST_PAGE)

/* What the device offers. */
#define QTEST_MODERN       0u
#define QTEST_TRANSITIONAL 1u
#define QTEST_LEGACY       2u

/* Answers of qtest_start(). */
#define QTEST_OK      0
#define QTEST_NO_QEMU 1
#define QTEST_BROKEN  2

struct qtest_setup {
    uint32_t board;
    const char *device; /* "virtio-blk", without its bus */
    const char *props;  /* further properties; may be NULL */
    const char *more;   /* further arguments, apart by blanks; may be NULL */
    uint32_t mode;      /* QTEST_MODERN, ... */
    int packed;
    const char *bridge; /* "pci-bridge,chassis_nr=1": the device is behind it,
                           and no firmware has set it up; NULL: none */
    int window;         /* PCI: no BAR can be mapped */
};

/* Accesses to registers, by what is reached. */
struct qtest_counts {
    uint64_t transport; /* without notifications */
    uint64_t notify;
    uint64_t config;    /* the device's configuration */
    uint64_t pci_space; /* PCI configuration space */
};

struct qtest_range {
    uintptr_t addr;
    uint32_t space;
    uint32_t size;
};

struct qtest_machine {
    struct vdrv_hal hal; /* for probes; its ctx is the machine */
    struct qtest_counts counts;
    int dead;     /* QEMU hung up */
    int all_ones; /* set it: all memory-mapped registers read so, as where
                     nobody answers; in QEMU they read as 0 there */
    uint32_t live_pages;
    uint32_t bounced; /* mappings so far */
    uint32_t deleted; /* devices that QEMU said were unplugged */
    uint32_t mode;    /* QTEST_MODERN, ... */
    int bridge;
    int window;
    /* Where the device was found. */
    union {
        struct vdrv_pci pci;
        struct vdrv_mmio mmio;
    } at;
    struct vdrv_pci_ops pci_ops;
    struct vdrv_pci_ecam ecam;
    /* Private from here. */
    const struct qtest_board *board;
    pid_t pid;
    int qtest;
    int qmp;
    pthread_mutex_t wire; /* one register access at a time */
    int errors;           /* file of what QEMU complains of */
    uint8_t *ram;
    uint8_t used[QTEST_PAGES];
    struct qtest_range pci_range;
    struct qtest_range config_range;
    struct qtest_range notify_range;
    uint32_t raised; /* interrupt lines, since they are intercepted */
    size_t have;     /* bytes of `text` that were read */
    char text[4096];
};

/* QTEST_NO_QEMU: not on the PATH.  QTEST_BROKEN: it said why.  Either way
   qtest_end() may be called. */
int qtest_start(struct qtest_machine *m, const struct qtest_setup *setup);
void qtest_end(struct qtest_machine *m);

/* The transport of the board's device of this type; NULL: there is none. */
struct vdrv_transport *qtest_find(struct qtest_machine *m, uint32_t type);

/* "pc", "microvm", ... */
const char *qtest_board_name(uint32_t board);
int qtest_board_pci(uint32_t board);

/*
 * A command in JSON for QEMU's monitor; the answer's text stays valid until
 * the next one.  NULL: it was refused.
 */
const char *qtest_qmp(struct qtest_machine *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The number behind the first "name" of an answer; -1: none. */
long long qtest_number(const char *answer, const char *name);

/* An anonymous file for QEMU, and its name there (static, until the next). */
int qtest_file(size_t size);
const char *qtest_file_name(int fd);

/*
 * Intercepts the inputs of an interrupt controller, and tells how many were
 * raised since then.  0 of the first: there is no such controller.
 */
int qtest_intercept(struct qtest_machine *m, const char *path);
uint32_t qtest_raised(struct qtest_machine *m);

/* Guest memory for buffers, page by page; poisoned where not handed out. */
void *qtest_alloc(struct qtest_machine *m, size_t size);
void qtest_free(struct qtest_machine *m, void *ptr, size_t size);
/* Of the pages that are marked, as in m->used: fills them, and tells how many
   there are; how many are as they were filled; gives them back. */
uint32_t qtest_fill(struct qtest_machine *m, const uint8_t *pages, int with);
uint32_t qtest_filled(const struct qtest_machine *m, const uint8_t *pages,
                      int with);
void qtest_drop(struct qtest_machine *m, const uint8_t *pages);

/*
 * Puts nonsense into a queue, and notifies the device.  Before it, the device
 * sees `good` requests that were submitted and not kicked; there must be more
 * of them than that.  A packed ring must be at its start, and `good` is not
 * looked at.
 */
void qtest_spoil(struct qtest_machine *m, struct vdrv_queue *q, uint32_t good);
/* Waits until the device asks for a reset. */
int qtest_ask_reset(struct vdrv_transport *t);

uint64_t qtest_now(void); /* microseconds */
void qtest_pause(uint32_t round);

/* A generator of numbers below `n`. */
uint32_t qtest_random(uint64_t *state, uint32_t n);

/* Takes "-n NUMBER" out of the arguments: operations of each device. */
uint32_t qtest_operations(int *argc, char **argv, uint32_t fallback);

#endif
