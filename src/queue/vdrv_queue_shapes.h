/* SPDX-License-Identifier: MIT */
/*
 * The shapes that drivers use are a function each, where the counts are
 * constants.  A ring layout includes this once, after its own add_shape(),
 * add_any(), indirect_shape() and add_indirect_any(); all take the same
 * arguments, so that nothing has to be moved.  So it does after framed_shape()
 * and framed_indirect(), of which the driver has filled in all but one segment.
 */
#ifndef VDRV_QUEUE_SHAPES_H
#define VDRV_QUEUE_SHAPES_H

#if !defined(__OPTIMIZE_SIZE__)
NOINLINE int add_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                     uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return add_shape(q, seg, 1, 0, cookie);
}

NOINLINE int add_out2(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return add_shape(q, seg, 2, 0, cookie);
}

NOINLINE int add_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                    uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return add_shape(q, seg, 0, 1, cookie);
}

NOINLINE int add_out_in2(struct vdrv_queue *q, const struct vdrv_seg *seg,
                         uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return add_shape(q, seg, 1, 2, cookie);
}

NOINLINE int add_out2_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                         uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return add_shape(q, seg, 2, 1, cookie);
}

NOINLINE int indirect_out2(struct vdrv_queue *q, const struct vdrv_seg *seg,
                           uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return indirect_shape(q, seg, 2, 0, cookie);
}

NOINLINE int indirect_out_in2(struct vdrv_queue *q, const struct vdrv_seg *seg,
                              uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return indirect_shape(q, seg, 1, 2, cookie);
}

NOINLINE int indirect_out2_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                              uint32_t nout, uint32_t nin, void *cookie)
{
    (void)nout;
    (void)nin;
    return indirect_shape(q, seg, 2, 1, cookie);
}

NOINLINE int framed_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                       uint64_t dma, void *cookie)
{
    return framed_shape(q, seg, true, dma, cookie);
}

NOINLINE int framed_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint64_t dma, void *cookie)
{
    return framed_shape(q, seg, false, dma, cookie);
}

NOINLINE int framed_indirect_in(struct vdrv_queue *q,
                                const struct vdrv_seg *seg, uint64_t dma,
                                void *cookie)
{
    return framed_indirect(q, seg, true, dma, cookie);
}

NOINLINE int framed_indirect_out(struct vdrv_queue *q,
                                 const struct vdrv_seg *seg, uint64_t dma,
                                 void *cookie)
{
    return framed_indirect(q, seg, false, dma, cookie);
}

static int framed_any_in(struct vdrv_queue *q, const struct vdrv_seg *seg,
                         uint64_t dma, void *cookie)
{
    return vdrv__queue_framed_in(q, seg, dma, cookie);
}

static int framed_any_out(struct vdrv_queue *q, const struct vdrv_seg *seg,
                          uint64_t dma, void *cookie)
{
    return vdrv__queue_framed_out(q, seg, dma, cookie);
}

/* Neither kind looks at what is the longest chain, or table. */
static void choose_framed(struct vdrv_queue *q)
{
    if (q->indirect >= 3) {
        q->framed[0] = framed_indirect_in;
        q->framed[1] = framed_indirect_out;
    } else if (q->indirect == 0 && q->max_chain >= 3) {
        q->framed[0] = framed_in;
        q->framed[1] = framed_out;
    } else {
        q->framed[0] = framed_any_in;
        q->framed[1] = framed_any_out;
    }
}
#endif

static int add_direct(struct vdrv_queue *q, const struct vdrv_seg *seg,
                      uint32_t nout, uint32_t nin, void *cookie)
{
#if !defined(__OPTIMIZE_SIZE__)
    if (nout == 1) {
        if (nin == 2)
            return add_out_in2(q, seg, nout, nin, cookie);
        if (nin == 0)
            return add_out(q, seg, nout, nin, cookie);
    } else if (nout == 2) {
        if (nin == 0)
            return add_out2(q, seg, nout, nin, cookie);
        if (nin == 1)
            return add_out2_in(q, seg, nout, nin, cookie);
    } else if (nout == 0 && nin == 1) {
        return add_in(q, seg, nout, nin, cookie);
    }
#endif
    return add_any(q, seg, nout, nin, cookie);
}

/* One segment needs no table. */
static int add_indirect(struct vdrv_queue *q, const struct vdrv_seg *seg,
                        uint32_t nout, uint32_t nin, void *cookie)
{
#if !defined(__OPTIMIZE_SIZE__)
    if (nout == 1) {
        if (nin == 2)
            return indirect_out_in2(q, seg, nout, nin, cookie);
        if (nin == 0)
            return add_out(q, seg, nout, nin, cookie);
    } else if (nout == 2) {
        if (nin == 0)
            return indirect_out2(q, seg, nout, nin, cookie);
        if (nin == 1)
            return indirect_out2_in(q, seg, nout, nin, cookie);
    } else if (nout == 0 && nin == 1) {
        return add_in(q, seg, nout, nin, cookie);
    }
#endif
    return add_indirect_any(q, seg, nout, nin, cookie);
}

/* The shapes do not look at what is the longest chain, or table. */
static void choose_add(struct vdrv_queue *q)
{
    if (q->indirect >= 2)
        q->add = q->indirect >= 3 ? add_indirect : add_indirect_any;
    else
        q->add = q->max_chain >= 3 ? add_direct : add_any;
#if !defined(__OPTIMIZE_SIZE__)
    choose_framed(q);
#endif
}

#endif
