/* SPDX-License-Identifier: MIT */
/*
 * The forms of a kick.  A ring layout includes this once, after its own
 * kick_with(), and calls choose_kick() in its reset.
 */
#ifndef VDRV_QUEUE_KICKS_H
#define VDRV_QUEUE_KICKS_H

#if defined(__OPTIMIZE_SIZE__)
static int kick(struct vdrv_queue *q)
{
    return kick_with(q, q->event_idx != 0, q->notify_data != 0, 0);
}

#define kick_data kick
#else
static int kick(struct vdrv_queue *q)
{
    return kick_with(q, q->event_idx != 0, false, 0);
}

/* The commonest of them without the questions. */
static int kick_bell16(struct vdrv_queue *q)
{
    return kick_with(q, true, false, 2);
}

static int kick_bell32(struct vdrv_queue *q)
{
    return kick_with(q, true, false, 4);
}

static int kick_data(struct vdrv_queue *q)
{
    return kick_with(q, q->event_idx != 0, true, 0);
}
#endif

static void choose_kick(struct vdrv_queue *q)
{
    q->kick = q->notify_data != 0 ? kick_data : kick;
#if !defined(__OPTIMIZE_SIZE__)
    if (q->event_idx != 0 && q->notify_data == 0) {
        q->kick_bell[0] = kick_bell16;
        q->kick_bell[1] = kick_bell32;
    }
#endif
}

#endif
