/* SPDX-License-Identifier: MIT */
/*
 * The packed ring under Frama-C Eva, as eva_split.c has the split one: any
 * operations in any order, on a ring that the device writes all of.
 *
 * Two completions at a time: the first odd one ends the fast reaping, and what
 * is left of `max` then is more arithmetic than intervals hold for four.
 */
#define REAP_MAX 2
#include "eva_stubs.h"

#include "../../src/spec/virtio_ring.h"

static volatile struct pvirtq_desc desc[SIZE];
static struct pvirtq_event_suppress driver;
static volatile struct pvirtq_event_suppress device;

void check_packed(void)
{
    q.desc = (void *)desc;
    q.driver = &driver;
    q.device = (void *)&device;
    make_queue(&vdrv_queue_packed);
    while ((any & 1) != 0) {
        switch (any & 7) {
        case 0:
        case 1:
            add();
            break;
        case 2:
            (void)q.kick(&q);
            break;
        case 3:
        case 4:
            reap();
            break;
        case 5:
            (void)vdrv_queue_packed.pending(&q);
            break;
        case 6:
            (void)vdrv_queue_packed.room(&q);
            break;
        default:
            (void)vdrv_queue_packed.arm(&q, any & 3);
            break;
        }
    }
}
