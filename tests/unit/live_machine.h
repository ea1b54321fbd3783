/* SPDX-License-Identifier: MIT */
/*
 * A fake machine that runs by itself: its hardware on a thread of its own, and
 * another thread that takes the interrupts of its (level-triggered) line and
 * runs a handler, as a second CPU would.  For tests of consumers that sleep.
 *
 * The bus lock makes the fake one thread's at a time: the hardware holds it
 * for each step, the CPUs for each register access and allocation.  Rings and
 * data are shared without it, as on a real machine.
 */
#ifndef LIVE_MACHINE_H
#define LIVE_MACHINE_H

#include <pthread.h>

#include <virtio_drv/mmio.h>

#include "../fake/fake.h"

#define LIVE_SLOT 0x10001000u /* physical address of the device's registers */

struct live {
    struct fake f;
    struct fake_mmio slot;
    struct vdrv_hal hal; /* for the driver; wait and wake are the kernel's */
    struct fake_dev *dev;
    /* ---- Knobs, before live_run() ---------------------------------------- */
    uint32_t lazy_us; /* the device answers up to this late; 0: at once */
    bool deaf;        /* nobody takes the interrupts */
    void (*isr)(void *arg);
    void *isr_arg;
    int wire; /* a descriptor to read: `arrive` runs in the hardware */
    void (*arrive)(void *arg);
    void *arrive_arg;
    /* ---- Counters, after live_halt() --------------------------------------- */
    unsigned interrupts; /* taken */
    size_t most_pending; /* requests the device had at once */
    /* ---- Private -------------------------------------------------------------- */
    pthread_mutex_t bus;
    pthread_cond_t line;
    pthread_t hardware, cpu;
    int bell; /* rung by a register write */
    bool quit;
    uint64_t chance;
};

/* The machine; then init the device on &l->f, and plug it in. */
void live_init(struct live *l);
void live_plug(struct live *l, struct fake_dev *dev);

/* Interrupts and the device's work, from here to there. */
void live_run(struct live *l);
void live_halt(struct live *l);

/* After the driver has gone: the slot; then fini the device; then this. */
void live_unplug(struct live *l);
void live_fini(struct live *l);

#endif
