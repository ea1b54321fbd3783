/* SPDX-License-Identifier: MIT */
/*
 * The fake: a machine and its virtio devices in one process, to test drivers
 * without an emulator.  Include this file and link every .c file beside it.
 *
 *     struct fake f;                    the machine: DMA, clock, registers
 *     struct fake_blk disk;             a device
 *     struct fake_mmio slot;            its registers
 *
 *     fake_init(&f, NULL);
 *     fake_blk_init(&disk, &f, NULL);
 *     fake_mmio_init(&slot, &f, &disk.dev, 0x10001000, 0);
 *     ... give &f.hal to the library, probe 0x10001000, use the disk ...
 *     fake_mmio_fini(&slot);
 *     fake_blk_fini(&disk);
 *     fake_fini(&f);                    complains about what was not freed
 *
 * Whatever the driver does against the specification, or to memory that is
 * not shared, stops the program with the number of the requirement; set
 * `f.record` and look with fake_violated() when that is what you test.
 *
 * Devices work when the driver waits (relax, wait) or when the test calls
 * fake_step(); with `disk.dev.immediate` at once.  `disk.dev.complete` chooses
 * when requests complete: as they come, some a step, in random order, or when
 * the test releases them.
 *
 * To change a value the driver reads: knobs in the structs, the bytes in
 * `dev.config`, or fake_override() for one register.
 *
 * Order at the end: driver, then transport, then device, then machine.
 */
#ifndef FAKE_H
#define FAKE_H

#include "fake_hal.h"
#include "fake_ring.h"
#include "fake_virtio.h"
#include "fake_mmio.h"
#include "fake_pci.h"
#include "fake_blk.h"
#include "fake_net.h"
#include "fake_gpu.h"

#endif
