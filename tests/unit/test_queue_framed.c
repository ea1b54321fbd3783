/* SPDX-License-Identifier: MIT */
/*
 * Framed chains, which the library's own drivers add: a head, one segment and
 * a tail, where only the segment is looked at.  A device sees what it would
 * see of a chain of three that vdrv_queue_add() was given.
 */
#include "queue_rig.h"

#define HEAD    16u
#define TAIL_AT 40u
#define TAIL    2u
#define EACH    64u
#define LEN     100u

struct frames {
    uint8_t *cpu;
    uint64_t dma;
};

static bool framed_up(struct queue_rig *g, struct frames *fr,
                      const struct way *w, const struct queue_opts *o)
{
    rig_begin(g, w, o);
    g->cfg.frame.head = HEAD;
    g->cfg.frame.tail_at = TAIL_AT;
    g->cfg.frame.tail = TAIL;
    CHECK_EQ(vdrv_queue_init(&g->q, g->t, &g->cfg), VDRV_OK);
    CHECK_EQ(vdrv_transport_ready(g->t), VDRV_OK);
    fr->cpu = g->f.hal.dma_alloc(g->f.hal.ctx, 16 * EACH, 64, UINT64_MAX, 0,
                                 &fr->dma);
    return fr->cpu != NULL && g->q.framed[0] != NULL;
}

static void framed_down(struct queue_rig *g, struct frames *fr,
                        unsigned drained)
{
    CHECK_EQ(rig_drain(g), drained);
    g->f.hal.dma_free(g->f.hal.ctx, fr->cpu, fr->dma, 16 * EACH, 0);
    vdrv_queue_fini(&g->q);
    vdrv_transport_release(g->t);
    rig_end(g);
}

/* One chain there and back; what is written and read lies where it must. */
static void there_and_back(struct queue_rig *g, struct frames *fr,
                           uint32_t reads, uint32_t k, uint8_t *data)
{
    uint8_t *frame = fr->cpu + EACH * k, got[HEAD + LEN + 1];
    const uint32_t readable = HEAD + (reads ? LEN : 0);
    const uint32_t writable = TAIL + (reads ? 0 : LEN);
    struct vdrv_seg seg = vdrv_seg_in(data, LEN);
    struct fake_chain c;
    struct vdrv_used u;

    memset(frame, 0, EACH);
    memset(frame, (int)(0x10 + k), HEAD);
    memset(data, (int)(0x20 + k), LEN);
    CHECK_EQ(g->q.framed[reads](&g->q, &seg, fr->dma + EACH * k, data),
             VDRV_OK);
    memset(&seg, 0xEE, sizeof(seg)); /* read during the call only */
    CHECK(vdrv_queue_kick(&g->q) >= 0);
    REQUIRE(fake_queue_pop(g->dq, &c));
    CHECK_EQ(fake_chain_read(&c, 0, got, sizeof(got)), readable);
    for (uint32_t i = 0; i < readable; i++)
        CHECK_EQ(got[i], (i < HEAD ? 0x10 : 0x20) + k);
    CHECK_EQ(c.wlen, writable);
    CHECK_EQ(fake_chain_fill(&c, 0, 0x5C, writable + 1), writable);
    fake_queue_done(g->dq, &c, writable);
    REQUIRE(vdrv_queue_reap(&g->q, &u, 4) == 1);
    CHECK(u.cookie == data);
    CHECK_EQ(u.len, writable);
    for (uint32_t i = 0; i < EACH; i++)
        CHECK_EQ(frame[i],
                 i < HEAD ? 0x10 + k : (i - TAIL_AT < TAIL ? 0x5C : 0));
    for (uint32_t i = 0; i < LEN; i++)
        CHECK_EQ(data[i], reads ? 0x20 + k : 0x5C);
}

/* SPLIT-04: through every place of the ring, others in between. */
static void test_as_added(void)
{
    static uint8_t data[LEN];

    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct frames fr;
        struct vdrv_used u;
        struct fake_chain c;

        if (!framed_up(&g, &fr, w, NULL))
            return;
        for (uint32_t i = 0; i < 64; i++) {
            there_and_back(&g, &fr, i & 1, i % 16, data);
            if (i % 5 != 0)
                continue;
            CHECK_EQ(rig_add(&g, 1, i % 3, data), VDRV_OK);
            CHECK(vdrv_queue_kick(&g.q) >= 0);
            REQUIRE(fake_queue_pop(g.dq, &c));
            fake_queue_done(g.dq, &c, (uint32_t)c.wlen);
            REQUIRE(vdrv_queue_reap(&g.q, &u, 4) == 1);
        }
        framed_down(&g, &fr, 0);
    }
}

/* As many as chains of three, and not one more; all come back. */
static void test_until_full(void)
{
    static uint8_t data[8];

    FOR_WAYS(w)
    {
        for (uint32_t lap = 0; lap < 8; lap++) {
            struct vdrv_seg seg = vdrv_seg_in(data, sizeof(data));
            struct queue_rig g;
            struct frames fr;
            uint32_t depth, n = 0;

            if (!framed_up(&g, &fr, w, NULL))
                return;
            for (uint32_t i = 0; i < lap; i++) /* begin elsewhere */
                there_and_back(&g, &fr, 0, i, rig_mem);
            depth = vdrv_queue_depth(&g.q, 3);
            while (n < 100 && g.q.framed[n & 1](&g.q, &seg, fr.dma + EACH * n,
                                                data) == VDRV_OK)
                n++;
            CHECK_EQ(n, depth);
            CHECK_EQ(g.q.framed[0](&g.q, &seg, fr.dma, data), VDRV_ERR_AGAIN);
            CHECK_EQ(g.q.framed[1](&g.q, &seg, fr.dma, data), VDRV_ERR_AGAIN);
            CHECK_EQ(vdrv_queue_outstanding(&g.q), depth);
            framed_down(&g, &fr, depth);
        }
    }
}

static void refused(struct queue_rig *g, struct frames *fr,
                    const struct vdrv_seg *seg, int err)
{
    for (int reads = 0; reads < 2; reads++) {
        const uint32_t room = vdrv_queue_room(&g->q);
        const uint32_t out = vdrv_queue_outstanding(&g->q);
        const uint16_t offered = fake_queue_offered(g->dq);

        CHECK_EQ(g->q.framed[reads](&g->q, seg, fr->dma, fr), err);
        CHECK_EQ(vdrv_queue_room(&g->q), room);
        CHECK_EQ(vdrv_queue_outstanding(&g->q), out);
        CHECK_EQ(g->f.maps_live, 0);
        CHECK(vdrv_queue_kick(&g->q) <= 0);
        CHECK_EQ(fake_queue_offered(g->dq), offered);
    }
}

/* An error has taken nothing, and the ring goes on. */
static void test_refused(void)
{
    static uint8_t data[LEN];

    FOR_WAYS(w)
    {
        struct vdrv_seg empty = vdrv_seg_in(data, 0);
        struct vdrv_seg flags = vdrv_seg_in(data, 8);
        struct vdrv_seg huge = vdrv_seg_dma(1ull << 40, 0xFFFFFFFFu);
        struct queue_rig g;
        struct frames fr;

        flags.flags = 0x80;
        if (!framed_up(&g, &fr, w, NULL))
            return;
        for (uint32_t i = 0; i < 9; i++) {
            refused(&g, &fr, &empty, VDRV_ERR_INVALID);
            refused(&g, &fr, &flags, VDRV_ERR_INVALID);
            refused(&g, &fr, &huge, VDRV_ERR_TOO_BIG);
            there_and_back(&g, &fr, i & 1, i, data);
        }
        vdrv_queue_break(&g.q, VDRV_ERR_BAD_STATE);
        refused(&g, &fr, &empty, VDRV_ERR_BAD_STATE);
        framed_down(&g, &fr, 0);
    }
}

/* Outside the window and without dma_map: INVALID, never an address. */
static void test_outside(void)
{
    for (unsigned i = 0; i < 4; i++) {
        struct way w = {FAKE_WINDOW, (i & 1) != 0, true, i > 1, false};
        struct vdrv_seg seg = vdrv_seg_in(rig_mem, 8);
        struct queue_rig g;
        struct frames fr;

        rig_begin(&g, &w, NULL);
        g.f.hal.dma_map = NULL;
        g.f.hal.dma_unmap = NULL;
        CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_OK);
        CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
        fr.dma = 0x1000;
        if (g.q.framed[0] != NULL)
            refused(&g, &fr, &seg, VDRV_ERR_INVALID);
        rig_down(&g, 0);
    }
}

/* F07: a length above segment and tail together breaks the queue. */
static void fault_F07_length(void)
{
    static uint8_t data[LEN];

    FOR_WAYS(w)
    {
        for (uint32_t reads = 0; reads < 2; reads++) {
            struct vdrv_seg seg = vdrv_seg_in(data, LEN);
            struct queue_rig g;
            struct frames fr;
            struct fake_chain c;
            struct vdrv_used u;

            if (!framed_up(&g, &fr, w, NULL))
                return;
            CHECK_EQ(g.q.framed[reads](&g.q, &seg, fr.dma, data), VDRV_OK);
            CHECK(vdrv_queue_kick(&g.q) >= 0);
            REQUIRE(fake_queue_pop(g.dq, &c));
            fake_queue_done(g.dq, &c, (uint32_t)c.wlen + 1);
            CHECK_EQ(vdrv_queue_reap(&g.q, &u, 4), VDRV_ERR_PROTOCOL);
            framed_down(&g, &fr, 1);
        }
    }
}

static const struct check_case cases[] = {
    {"queue_framed_as_added", test_as_added},
    {"queue_framed_until_full", test_until_full},
    {"queue_framed_refused", test_refused},
    {"queue_framed_outside", test_outside},
    {"fault_F07_framed_length", fault_F07_length},
};

CHECK_MAIN(cases)
