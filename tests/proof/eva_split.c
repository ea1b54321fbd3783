/* SPDX-License-Identifier: MIT */
/*
 * The split ring under Frama-C Eva: any operations in any order on a ring of
 * SIZE entries, of which the device may have written anything at any time.
 */
#include "eva_stubs.h"

#include "../../src/spec/virtio_ring.h"

/* As vdrv_queue_init() lays it out; the device's part is volatile. */
static struct virtq_desc desc[SIZE];
static uint8_t avail[6 + 2 * SIZE];
static volatile uint8_t used[6 + 8 * SIZE];

/*
 * At a position that Eva knows, so that it can follow how far a batch goes;
 * all else is unknown.
 */
static void reap_at(uint16_t pos)
{
    q.used_idx = pos;
    reap();
}

void check_split(void)
{
    q.desc = desc;
    q.driver = avail;
    q.device = (void *)used;
    make_queue(&vdrv_queue_split);
    while ((any & 1) != 0) {
        switch (any & 7) {
        case 0:
            add();
            break;
        case 1:
            (void)q.kick(&q);
            break;
        case 2:
            reap_at(0);
            break;
        case 3:
            reap_at(5);
            break;
        case 4: /* the index wraps in the batch */
            reap_at(65534);
            break;
        default:
            (void)vdrv_queue_split.arm(&q, any & 3);
            break;
        }
    }
}
