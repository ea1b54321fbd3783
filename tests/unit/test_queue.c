/* SPDX-License-Identifier: MIT */
/*
 * What queue.h promises of a queue on a device that keeps the rules: sizes,
 * room, batches, notifications and interrupts at every wrap, memory under each
 * kind of HAL, drain and restart.
 */
#include "queue_rig.h"

/* ---- Making it ------------------------------------------------------------ */

static void test_pick_size(void)
{
    static const struct {
        uint32_t max, wanted;
        int want;
    } row[] = {
        {8, 0, 8},
        {8, 8, 8},
        {8, 4, 4},
        {8, 7, 4},
        {8, 100, 8},
        {128, 1, 1},
        {32768, 0, 32768},
        {32768, 65535, 32768},
        {32768, 33000, 32768},
        {1, 0, 1},
        {100, 0, VDRV_ERR_PROTOCOL},
        {48, 16, VDRV_ERR_PROTOCOL},
        {65535, 0, VDRV_ERR_PROTOCOL},
        {3, 2, VDRV_ERR_PROTOCOL},
    };
    static const struct {
        uint32_t max, wanted;
        int want;
    } packed[] = {
        {8, 7, 7},       {100, 0, 100},       {100, 99, 99},
        {3, 2, 2},       {32767, 0, 32767},   {65535, 0, 32768},
        {48, 65535, 48}, {65535, 1000, 1000}, {1, 0, 1},
    };
    struct queue_rig g;

    rig_begin(&g, ways, NULL);
    for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
        g.slot.queue_max = packed[i].max;
        CHECK_EQ(vdrv_queue_pick_size(g.t, 0, packed[i].wanted, true),
                 packed[i].want);
    }
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        g.slot.queue_max = row[i].max;
        CHECK_EQ(vdrv_queue_pick_size(g.t, 0, row[i].wanted, false),
                 row[i].want);
    }
    /* More than 2.7 allows: at most 32768. */
    g.slot.queue_max = 65536;
    CHECK(vdrv_queue_pick_size(g.t, 0, 0, false) == 32768 ||
          vdrv_queue_pick_size(g.t, 0, 0, false) == VDRV_ERR_PROTOCOL);
    g.slot.queue_max = 0;
    g.slot.no_queues = true;
    CHECK_EQ(vdrv_queue_pick_size(g.t, 0, 4, false), 0);
    g.slot.no_queues = false;
    CHECK_EQ(vdrv_queue_pick_size(g.t, 1, 4, false), 0);
    CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
    rig_end(&g);
}

static void test_work_size(void)
{
    struct fake_config mapped = {.mode = FAKE_MAPPED};
    struct fake d, m;

    fake_init(&d, NULL);
    fake_init(&m, &mapped);
    for (uint32_t size = 1; size <= 32768; size *= 2)
        for (uint32_t ind = 0; ind < 70; ind += 23) {
            size_t a = vdrv_queue_work_size(&d.hal, size, ind);
            size_t b = vdrv_queue_work_size(&m.hal, size, ind);

            CHECK(a > 0 && a <= b);
            CHECK(b <= VDRV_QUEUE_WORK_SIZE(size, ind));
        }
    fake_fini(&m);
    fake_fini(&d);
}

/* Exactly the asked work memory is enough (ASan watches), less is refused. */
static void test_work_exact(void)
{
    FOR_WAYS(w)
    {
        for (uint16_t max = 1; max <= 100;
             max = (uint16_t)(w->packed ? max * 2 + 1 : max * 4)) {
            struct queue_opts o = {.max = max, .indirect = 3};
            uint32_t most = max < 3 ? max : 3;
            struct queue_rig g;

            rig_begin(&g, w, &o);
            g.cfg.work_size =
                vdrv_queue_work_size(&g.f.hal, max, w->indirect ? most : 0);
            g.cfg.work_size--;
            CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_NO_MEMORY);
            CHECK(fake_balanced(&g.f));
            g.cfg.work_size++;
            CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_OK);
            CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
            for (unsigned i = 0; i < max; i++)
                CHECK_EQ(rig_add(&g, 0, 1, rig_mem), VDRV_OK);
            CHECK_EQ(rig_add(&g, 0, 1, rig_mem), VDRV_ERR_AGAIN);
            rig_down(&g, max);
        }
    }
}

static void test_init_invalid(void)
{
    struct queue_rig g;
    struct vdrv_hal hal;

    rig_begin(&g, ways, NULL);
    CHECK_EQ(vdrv_queue_init(NULL, g.t, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_queue_init(&g.q, NULL, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, NULL), VDRV_ERR_INVALID);
    g.cfg.work = NULL;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    g.cfg.work = (uint8_t *)g.work + 1;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    g.cfg.work = g.work;
    g.cfg.index = 1;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_NO_DEVICE);
    g.cfg.index = 0;
    g.slot.queue_max = 6;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_PROTOCOL);
    g.slot.queue_max = 0;
    hal = g.f.hal;
    g.f.hal.direct_size = 0;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    g.f.hal = hal;
    CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
    rig_end(&g);
    /* RING_PACKED was accepted, and nobody knows how. */
    rig_begin(&g, &ways[8], NULL);
    g.cfg.packed = NULL;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
    rig_end(&g);
}

static void ring_memory(uint32_t max, bool packed)
{
    struct way w = {FAKE_DIRECT, true, true, packed, false};
    struct queue_opts o = {.max = (uint16_t)max, .indirect = 2};
    struct queue_rig g;

    REQUIRE(rig_up(&g, &w, &o) == VDRV_OK);
    CHECK_EQ(g.dq->size, max);
    CHECK_EQ(rig_packed(&g), packed);
    CHECK(g.dq->desc > UINT32_MAX && g.dq->driver > UINT32_MAX);
    CHECK_EQ(g.f.allocs[0].flags, VDRV_DMA_PHYSICAL);
    CHECK_EQ(vdrv_queue_room(&g.q), max);
    rig_down(&g, 0);
}

/* SPLIT-01, -03, PACKED-01, -02, MMIO-43, F83: each size, 64-bit addresses. */
static void test_ring_memory(void)
{
    static const uint16_t odd[] = {3, 5, 6, 7, 9, 100, 1000, 32767};

    for (uint32_t max = 1; max <= 32768; max *= 2) {
        ring_memory(max, false);
        ring_memory(max, true);
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        ring_memory(odd[i], true);
}

/* ---- Adding ---------------------------------------------------------------- */

/* One bad call: the answer, and nothing has changed. */
static void bad_add(struct queue_rig *g, const struct vdrv_seg *seg,
                    uint32_t nout, uint32_t nin, int err)
{
    uint32_t room = vdrv_queue_room(&g->q), maps = g->f.maps_live;
    uint32_t out = vdrv_queue_outstanding(&g->q);
    uint16_t offered = fake_queue_offered(g->dq);

    CHECK_EQ(vdrv_queue_add(&g->q, seg, nout, nin, g), err);
    CHECK_EQ(vdrv_queue_room(&g->q), room);
    CHECK_EQ(vdrv_queue_outstanding(&g->q), out);
    CHECK_EQ(g->f.maps_live, maps);
    CHECK_EQ(vdrv_queue_kick(&g->q), 0);
    CHECK_EQ(fake_queue_offered(g->dq), offered);
}

static void test_add_errors(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct vdrv_seg seg[16];

        if (rig_up(&g, w, NULL))
            return;
        for (int i = 0; i < 16; i++)
            seg[i] = vdrv_seg_in(rig_mem + 16 * i, 16);
        bad_add(&g, seg, 0, 0, VDRV_ERR_INVALID);
        bad_add(&g, seg, 0, 9, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 16, 0, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, UINT32_MAX, 2, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 2, UINT32_MAX, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 0x80000000u, 0x80000000u, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 0x80000000u, 0x80000001u, VDRV_ERR_TOO_BIG);
        for (unsigned at = 0; at < 3; at++) {
            seg[at].len = 0;
            bad_add(&g, seg, 1, 2, VDRV_ERR_INVALID);
            seg[at].len = 16;
        }
        rig_down(&g, 0);
    }
}

/* 2.7.4.2: at most 2^32 bytes; one byte of that is the library's. */
static void test_add_huge(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct vdrv_seg seg[3] = {vdrv_seg_dma(1ull << 40, 0xFFFFFFFFu),
                                  vdrv_seg_dma(1ull << 41, 0x80000000u),
                                  vdrv_seg_dma(1ull << 42, 0x80000000u)};
        struct vdrv_seg fit[2] = {vdrv_seg_dma(1ull << 40, 0x7FFFFFFFu),
                                  vdrv_seg_dma(1ull << 41, 0x7FFFFFFFu)};

        if (rig_up(&g, w, NULL))
            return;
        bad_add(&g, seg, 0, 1, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 0, 2, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 1, 1, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg + 1, 1, 1, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg + 1, 2, 0, VDRV_ERR_TOO_BIG);
        bad_add(&g, seg, 0, 3, VDRV_ERR_TOO_BIG);
        CHECK_EQ(vdrv_queue_add(&g.q, fit, 0, 2, &g), VDRV_OK);
        CHECK_EQ(vdrv_queue_add(&g.q, fit, 1, 1, &g), VDRV_OK);
        rig_down(&g, 2);
    }
}

/* 2.7.5.3.1, and max_chain of the configuration. */
static void test_chain_limits(void)
{
    FOR_WAYS(w)
    {
        for (uint32_t limit = 0; limit <= 8; limit++) {
            struct queue_opts o = {.max_chain = limit, .indirect = 12};
            uint32_t most = limit ? limit : 8;
            struct queue_rig g;
            struct fake_chain c;
            struct vdrv_used u;

            if (rig_up(&g, w, &o))
                return;
            for (uint32_t n = 1; n <= 12; n++) {
                int err = rig_add(&g, n / 2, n - n / 2, &g);

                CHECK_EQ(err, n <= most ? VDRV_OK : VDRV_ERR_TOO_BIG);
                CHECK_EQ(vdrv_queue_depth(&g.q, n) > 0, n <= most);
                if (err)
                    continue;
                CHECK(vdrv_queue_kick(&g.q) >= 0);
                CHECK(fake_queue_pop(g.dq, &c));
                CHECK_EQ(c.nseg, n);
                CHECK_EQ(c.nread, n / 2);
                CHECK_EQ(c.wlen, 64u * (n - n / 2));
                fake_queue_done(g.dq, &c, 7);
                CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
                CHECK_EQ(u.len, 7);
            }
            rig_down(&g, 0);
        }
    }
}

/* SPLIT-35: depth() is what room() and AGAIN do. */
static void test_room_depth(void)
{
    FOR_WAYS(w)
    {
        for (uint32_t n = 1; n <= 8; n++) {
            struct queue_rig g;
            uint32_t depth, each = w->indirect && n <= 4 ? 1 : n;

            if (rig_up(&g, w, NULL))
                return;
            depth = vdrv_queue_depth(&g.q, n);
            CHECK_EQ(depth, 8 / each);
            for (uint32_t i = 0; i < depth; i++) {
                CHECK_EQ(vdrv_queue_room(&g.q), 8 - i * each);
                CHECK_EQ(vdrv_queue_outstanding(&g.q), i);
                CHECK_EQ(rig_add(&g, 1, n - 1, &g), VDRV_OK);
            }
            CHECK_EQ(rig_add(&g, 1, n - 1, &g), VDRV_ERR_AGAIN);
            CHECK_EQ(vdrv_queue_outstanding(&g.q), depth);
            rig_down(&g, depth);
        }
    }
}

/* SPLIT-04, -34: order, direction, cookie and bytes both ways. */
static void test_data(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u;
        uint8_t out[200], in[300], got[200];
        struct vdrv_seg seg[5] = {vdrv_seg_out(out, 1),
                                  vdrv_seg_out(out + 1, 199),
                                  vdrv_seg_in(in, 3), vdrv_seg_in(in + 3, 250),
                                  vdrv_seg_in(in + 253, 47)};

        if (rig_up(&g, w, NULL))
            return;
        for (int i = 0; i < 200; i++)
            out[i] = (uint8_t)(i * 7);
        memset(in, 0, sizeof(in));
        CHECK_EQ(vdrv_queue_add(&g.q, seg, 2, 3, in), VDRV_OK);
        memset(seg, 0xEE, sizeof(seg)); /* read during the call only */
        CHECK_EQ(vdrv_queue_kick(&g.q), 1);
        REQUIRE(fake_queue_pop(g.dq, &c));
        CHECK_EQ(fake_chain_read(&c, 0, got, 300), 200);
        CHECK_MEM(got, out, 200);
        CHECK_EQ(fake_chain_fill(&c, 0, 0x3C, 290), 290);
        fake_queue_done(g.dq, &c, 290);
        REQUIRE(vdrv_queue_reap(&g.q, &u, 4) == 1);
        CHECK(u.cookie == in);
        CHECK_EQ(u.len, 290);
        CHECK_EQ(in[289], 0x3C);
        CHECK_EQ(in[290], w->mode == FAKE_MAPPED ? FAKE_POISON : 0);
        rig_down(&g, 0);
    }
}

/* VDRV_SEG_MAPPED: the address goes as it is, nothing is mapped. */
static void test_seg_mapped(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_seg seg[2];
        struct vdrv_used u;
        uint64_t dma;
        uint32_t maps;
        uint8_t *p;

        if (rig_up(&g, w, NULL))
            return;
        p = g.f.hal.dma_alloc(&g.f, 128, 64, UINT64_MAX, 0, &dma);
        maps = g.f.maps_live;
        seg[0] = vdrv_seg_dma(dma, 64);
        seg[1] = vdrv_seg_dma(dma + 64, 64);
        CHECK_EQ(vdrv_queue_add(&g.q, seg, 1, 1, &g), VDRV_OK);
        CHECK_EQ(g.f.maps_live, maps);
        CHECK(vdrv_queue_kick(&g.q) >= 0);
        REQUIRE(fake_queue_pop(g.dq, &c));
        CHECK_EQ(c.seg[0].dma, dma);
        CHECK_EQ(c.seg[1].dma, dma + 64);
        fake_chain_fill(&c, 0, 0x21, 64);
        fake_queue_done(g.dq, &c, 64);
        CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
        CHECK_EQ(p[127], 0x21);
        g.f.hal.dma_free(&g.f, p, dma, 128, 0);
        rig_down(&g, 0);
    }
}

/* ---- HAL ------------------------------------------------------------------- */

/* Scattered memory: one segment becomes runs, and comes back as one. */
static void test_scattered(void)
{
    struct way two[] = {{FAKE_MAPPED, false, true, false, false},
                        {FAKE_MAPPED, true, true, false, false},
                        {FAKE_MAPPED, false, true, true, false},
                        {FAKE_MAPPED, true, true, true, false}};

    for (int i = 0; i < 4; i++)
        for (uint32_t run = 1; run <= 40; run += 13) {
            struct queue_opts o = {
                .machine = {.max_run = run}, .max = 64, .indirect = 8};
            struct queue_rig g;
            struct fake_chain c;
            struct vdrv_seg seg[2] = {vdrv_seg_out("0123456789ab", 12),
                                      vdrv_seg_in(rig_mem, 30)};
            uint32_t room, runs = (12 + run - 1) / run + (30 + run - 1) / run;
            struct vdrv_used u;
            uint8_t got[12];

            if (rig_up(&g, &two[i], &o))
                return;
            room = vdrv_queue_room(&g.q);
            REQUIRE(vdrv_queue_add(&g.q, seg, 1, 1, &g) == VDRV_OK);
            CHECK_EQ(room - vdrv_queue_room(&g.q),
                     two[i].indirect && runs <= 8 ? 1 : runs);
            CHECK(vdrv_queue_kick(&g.q) >= 0);
            REQUIRE(fake_queue_pop(g.dq, &c));
            CHECK_EQ(c.nseg, runs);
            CHECK_EQ(fake_chain_read(&c, 0, got, 12), 12);
            CHECK_MEM(got, "0123456789ab", 12);
            fake_chain_fill(&c, 0, 0x44, 30);
            fake_queue_done(g.dq, &c, 30);
            CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
            CHECK_EQ(u.len, 30);
            CHECK_EQ(rig_mem[0] + rig_mem[29], 0x88);
            CHECK_EQ(vdrv_queue_room(&g.q), room);
            rig_down(&g, 0);
        }
}

/* More runs than the ring will ever hold, and more than it holds now. */
static void test_scattered_too_much(void)
{
    struct way two[] = {{FAKE_MAPPED, false, true, false, false},
                        {FAKE_MAPPED, true, true, false, false},
                        {FAKE_MAPPED, false, true, true, false},
                        {FAKE_MAPPED, true, true, true, false}};

    for (int i = 0; i < 4; i++) {
        struct queue_opts o = {.machine = {.max_run = 16}};
        struct queue_rig g;
        struct vdrv_seg seg = vdrv_seg_in(rig_mem, 16 * 9);

        if (rig_up(&g, &two[i], &o))
            return;
        bad_add(&g, &seg, 0, 1, VDRV_ERR_TOO_BIG);
        seg.len = 16 * 8;
        CHECK_EQ(vdrv_queue_add(&g.q, &seg, 0, 1, &g), VDRV_OK);
        CHECK(vdrv_queue_kick(&g.q) >= 0);
        seg.len = 16 * 5;
        bad_add(&g, &seg, 0, 1, VDRV_ERR_AGAIN);
        rig_down(&g, 1);
    }
}

/* Inside the window no dma_map, outside one, and none there: INVALID. */
static void test_window(void)
{
    for (int ind = 0; ind < 4; ind++) {
        struct way w = {FAKE_WINDOW, ind & 1, true, ind >> 1, false};
        struct queue_rig g;
        struct vdrv_seg seg;
        uint64_t dma;
        uint32_t before;
        uint8_t *p;

        if (rig_up(&g, &w, NULL))
            return;
        p = g.f.hal.dma_alloc(&g.f, 64, 64, UINT64_MAX, 0, &dma);
        before = g.f.maps_total;
        seg = vdrv_seg_in(p, 64);
        CHECK_EQ(vdrv_queue_add(&g.q, &seg, 0, 1, &g), VDRV_OK);
        CHECK_EQ(g.f.maps_total, before);
        seg = vdrv_seg_in(rig_mem, 64);
        CHECK_EQ(vdrv_queue_add(&g.q, &seg, 0, 1, &g), VDRV_OK);
        CHECK_EQ(g.f.maps_total, before + 1);
        CHECK_EQ(rig_drain(&g), 2);
        vdrv_queue_fini(&g.q);
        g.f.hal.dma_map = NULL;
        g.f.hal.dma_unmap = NULL;
        vdrv_transport_release(g.t);
        CHECK_EQ(vdrv_transport_begin(g.t, g.wanted, g.required, NULL, 0),
                 VDRV_OK);
        CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_OK);
        CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
        bad_add(&g, &seg, 0, 1, VDRV_ERR_INVALID);
        CHECK(fake_log_contains(&g.f, "outside the direct window"));
        /* The edges of the window: last byte in, one byte out. */
        seg = vdrv_seg_in((uint8_t *)(uintptr_t)(g.f.hal.direct_base +
                                                 g.f.hal.direct_size - 8),
                          9);
        bad_add(&g, &seg, 0, 1, VDRV_ERR_INVALID);
        seg = vdrv_seg_in((uint8_t *)(uintptr_t)(g.f.hal.direct_base - 1), 9);
        bad_add(&g, &seg, 0, 1, VDRV_ERR_INVALID);
        g.f.hal.dma_free(&g.f, p, dma, 64, 0);
        rig_down(&g, 0);
    }
}

/* ---- Notifications ----------------------------------------------------------- */

/* 2.7.10.1, by its words: was the entry at index `event` just published? */
static bool need_event(uint16_t event, uint16_t old, uint16_t now)
{
    for (uint16_t i = old; i != now; i++)
        if (i == event)
            return true;
    return false;
}

/* SPLIT-26 to -33, -38, B15 of pitfall 1: every hint at every wrap. */
static void kick_sweep(const struct way *w)
{
    struct queue_rig g;
    struct fake_chain c[8];
    struct vdrv_used u[8];
    uint32_t idx = 0, kicks = 0, quiet = 0;

    if (rig_up(&g, w, NULL))
        return;
    for (uint32_t round = 0; idx < 67000; round++) {
        unsigned n = round % 8 + 1, want;
        uint16_t old = (uint16_t)idx, now = (uint16_t)(idx + n);
        uint16_t event = (uint16_t)(idx + round % 13 - 3);
        uint16_t flags = round % 3 == 0;

        for (unsigned i = 0; i < n; i++)
            CHECK_EQ(rig_add(&g, 0, 1, rig_mem + i), VDRV_OK);
        CHECK_EQ(fake_queue_offered(g.dq), 0);
        rig_hint(&g, flags, idx + round % 13 - 3);
        want = w->event ? need_event(event, old, now) : !flags;
        CHECK_EQ(vdrv_queue_kick(&g.q), want);
        CHECK_EQ(fake_queue_offered(g.dq), n);
        CHECK_EQ(vdrv_queue_kick(&g.q), 0);
        kicks += want;
        quiet += !want;
        CHECK_EQ(g.dq->kicks, kicks);
        for (unsigned i = 0; i < n; i++)
            REQUIRE(fake_queue_pop(g.dq, &c[i]));
        for (unsigned i = 0; i < n; i++)
            fake_queue_push(g.dq, &c[w->in_order ? i : n - 1 - i], 64);
        fake_queue_publish(g.dq);
        REQUIRE(vdrv_queue_reap(&g.q, u, 8) == (int)n);
        for (unsigned i = 0; i < n; i++)
            CHECK(u[i].cookie == rig_mem + (w->in_order ? i : n - 1 - i));
        idx += n;
        if (check_failures > 20)
            break;
    }
    CHECK_EQ(g.q.stats.kicks, kicks);
    CHECK_EQ(g.q.stats.suppressed, quiet);
    CHECK_EQ(g.q.stats.errors, 0);
    rig_down(&g, 0);
}

static void test_kick(void)
{
    FOR_WAYS(w)
    kick_sweep(w);
}

/* Every (event, old, new) near the wrap, on the indices the ring really has. */
static void test_kick_wrap_exhaustive(void)
{
    struct way w = {FAKE_DIRECT, false, true, false, false};
    struct queue_rig g;
    struct fake_chain c;
    struct vdrv_used u;

    for (int start = -10; start < 3; start++) {
        for (int ev = -12; ev < 12; ev++) {
            uint32_t n = (uint32_t)(ev + 12) % 8 + 1;

            if (rig_up(&g, &w, NULL))
                return;
            for (uint32_t i = 0; i < (uint16_t)start; i++) {
                rig_add(&g, 1, 0, &g);
                vdrv_queue_kick(&g.q);
                REQUIRE(fake_queue_pop(g.dq, &c));
                fake_queue_done(g.dq, &c, 0);
                REQUIRE(vdrv_queue_reap(&g.q, &u, 1) == 1);
                if (start > 0 && i > 3)
                    break;
            }
            for (uint32_t i = 0; i < n; i++)
                rig_add(&g, 1, 0, &g);
            fake_split_set_hints(g.dq, 1, (uint16_t)ev);
            CHECK_EQ(vdrv_queue_kick(&g.q),
                     need_event((uint16_t)ev, (uint16_t)start,
                                (uint16_t)((uint32_t)start + n)));
            rig_down(&g, n);
            if (start < -1)
                ev += 5; /* a lap of the index takes time */
        }
    }
}

/* A chain of `k` descriptors goes round; the place moves on by k. */
static void lap(struct queue_rig *g, uint32_t k)
{
    struct fake_chain c;
    struct vdrv_used u;

    REQUIRE(rig_add(g, k / 2, k - k / 2, &c) == VDRV_OK);
    CHECK(vdrv_queue_kick(&g->q) >= 0);
    REQUIRE(fake_queue_pop(g->dq, &c));
    CHECK_EQ(c.slots, k);
    fake_queue_done(g->dq, &c, 9);
    REQUIRE(vdrv_queue_reap(&g->q, &u, 1) == 1);
    CHECK_EQ(u.len, 9);
}

/* 2.8.10 by its words, at one place, with `n` entries as chains of `k`. */
static void packed_kick(struct queue_rig *g, uint32_t n, uint32_t k,
                        uint32_t event, uint16_t flags)
{
    struct fake_packed_place from = fake_packed_avail_place(g->dq);
    uint32_t size = g->dq->size, at = from.slot + (from.wrap ? 0 : size);
    uint16_t word = (uint16_t)(event % size | (event < size ? 0x8000u : 0));
    bool want = flags != 1;
    struct fake_chain c;
    struct vdrv_used u;

    if (flags == 2 && g->dq->event_idx) {
        want = false;
        for (uint32_t i = 0; i < n; i++)
            want |= (at + i) % (2 * size) == event;
    }
    for (uint32_t i = 0; i < n; i += k)
        REQUIRE(rig_add(g, 0, k, g) == VDRV_OK);
    CHECK_EQ(fake_queue_offered(g->dq), 0);
    fake_packed_set_hints(g->dq, flags, word);
    CHECK_EQ(vdrv_queue_kick(&g->q), want);
    CHECK_EQ(fake_queue_offered(g->dq), n / k);
    for (uint32_t i = 0; i < n; i += k) {
        REQUIRE(fake_queue_pop(g->dq, &c));
        fake_queue_done(g->dq, &c, 1);
        REQUIRE(vdrv_queue_reap(&g->q, &u, 1) == 1);
    }
}

/* PACKED-03, -15: every place, batch and event of small rings, each flag. */
static void test_packed_kick_exhaustive(void)
{
    for (uint16_t size = 1; size <= 9; size++)
        for (int event_idx = 0; event_idx < 2; event_idx++) {
            struct way w = {FAKE_DIRECT, false, event_idx, true, false};
            struct queue_opts o = {.max = size};
            struct queue_rig g;

            if (rig_up(&g, &w, &o))
                return;
            for (uint32_t n = 1; n <= size; n++)
                for (uint32_t place = 0; place < 2u * size; place++) {
                    uint32_t ahead = n % size == 0 ? 1 : 0;

                    for (uint32_t i = 0; i < 8u * size && !check_failures; i++)
                        packed_kick(&g, n, i & 1 ? n : 1, i / 4,
                                    (uint16_t)(i % 4 == 3 ? i / 4 % 4 : 2));
                    lap(&g, ahead ? 1 : size);
                }
            rig_down(&g, 0);
        }
}

/* PACKED-03, -04, -10: chains across the end of rings of any size. */
static void test_packed_wraps(void)
{
    FOR_WAYS_IF(w, w->packed && !w->indirect)
    for (uint16_t size = 1; size <= 9; size++) {
        struct queue_opts o = {.max = size};
        struct queue_rig g;

        if (rig_up(&g, w, &o))
            return;
        for (uint32_t k = 1; k <= size; k++)
            for (unsigned i = 0; i < 6u * size; i++)
                lap(&g, i % 3 ? k : i % size + 1);
        CHECK_EQ(vdrv_queue_room(&g.q), size);
        rig_down(&g, 0);
    }
}

/* Word 12 of the descriptor at a place, and flags above it. */
static uint32_t packed_tag(const struct queue_rig *g, uint32_t slot)
{
    uint32_t tag;

    memcpy(&tag, (const uint8_t *)g->q.desc + 16 * (slot % g->q.size) + 12, 4);
    return fake_get32((const uint8_t *)&tag);
}

/* 2.8.8 asks for the id in the last of a list; QEMU 7.2 reads the first. */
static void test_packed_ids(void)
{
    FOR_WAYS_IF(w, w->packed && !w->indirect)
    {
        struct queue_opts o = {.max = 7};
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u;

        if (rig_up(&g, w, &o))
            return;
        for (uint32_t i = 0; i < 200; i++) {
            const uint32_t n = 1 + i % 5, nout = i / 5 % (n + 1);
            const uint32_t at = fake_packed_avail_place(g.dq).slot;

            REQUIRE(rig_add(&g, nout, n - nout, &g) == VDRV_OK);
            (void)vdrv_queue_kick(&g.q);
            for (uint32_t k = 0; k < n; k++)
                CHECK_EQ(packed_tag(&g, at + k) & 0xffff,
                         packed_tag(&g, at + n - 1) & 0xffff);
            REQUIRE(fake_queue_pop(g.dq, &c));
            fake_queue_push(g.dq, &c, 0);
            fake_queue_publish(g.dq);
            CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
        }
        rig_down(&g, 0);
    }
}

/* PACKED-02: as large as they get, full, and used in the opposite order. */
static void test_packed_large(void)
{
    static const uint16_t size[] = {1000, 32767, 32768};

    for (int i = 0; i < 3; i++) {
        struct way w = {.event = true, .packed = true};
        struct queue_opts o = {.max = size[i]};
        struct fake_chain *c = calloc(size[i], sizeof(*c));
        struct vdrv_used u;
        struct queue_rig g;

        if (c == NULL || rig_up(&g, &w, &o))
            return;
        for (int round = 0; round < 3; round++) {
            lap(&g, 3);
            rig_offer(&g, size[i], 0, 1, c);
            CHECK_EQ(vdrv_queue_outstanding(&g.q), size[i]);
            CHECK_EQ(rig_add(&g, 0, 1, &g), VDRV_ERR_AGAIN);
            for (uint32_t k = size[i]; k > 0; k--)
                fake_queue_push(g.dq, &c[k - 1], k & 63);
            fake_queue_publish(g.dq);
            for (uint32_t k = size[i]; k > 0; k--) {
                REQUIRE(vdrv_queue_reap(&g.q, &u, 1) == 1);
                CHECK(u.cookie == rig_mem + k);
                CHECK_EQ(u.len, k & 63);
            }
            CHECK_EQ(vdrv_queue_room(&g.q), size[i]);
        }
        rig_down(&g, 0);
        free(c);
    }
}

/*
 * PACKED-25, -26: a chain that fails leaves nothing behind that the device
 * could take for an entry, not even after shorter ones.
 */
static void test_packed_failed_add(void)
{
    FOR_WAYS_IF(w, w->packed)
    {
        struct queue_rig g;
        struct vdrv_seg seg[6];
        struct fake_chain c;

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned i = 0; i < 200 && !check_failures; i++) {
            const uint32_t n = i % 5 + 2;

            for (uint32_t k = 0; k < n; k++)
                seg[k] = vdrv_seg_in(rig_mem + 64 * k, k + 1 == n ? 0 : 64);
            CHECK_EQ(vdrv_queue_add(&g.q, seg, 1, n - 1, &g), VDRV_ERR_INVALID);
            CHECK_EQ(vdrv_queue_kick(&g.q), 0);
            lap(&g, 1);
            CHECK(!fake_queue_pop(g.dq, &c));
        }
        rig_down(&g, 0);
    }
}

/* ---- Interrupts ---------------------------------------------------------------- */

/* OFF, NEXT, LATE with one completion at a time, at many index values. */
static void arm_round(struct queue_rig *g, uint32_t mode, unsigned n)
{
    struct fake_chain c[8];
    struct vdrv_used u[8];
    uint32_t before, at = 0;

    rig_offer(g, n, 0, 1, c);
    CHECK_EQ(vdrv_queue_arm(&g->q, mode), 0);
    before = g->dq->irqs;
    for (unsigned i = 0; i < n; i++) {
        fake_queue_done(g->dq, &c[i], 1);
        if (g->dq->irqs != before && !at)
            at = i + 1;
    }
    if (mode == VDRV_ARM_OFF)
        CHECK_EQ(at, 0);
    else if (mode == VDRV_ARM_NEXT || !g->dq->event_idx)
        CHECK_EQ(at, 1);
    else
        CHECK(at >= (n + 1) / 2 && at <= n);
    if (g->dq->event_idx && mode != VDRV_ARM_OFF)
        CHECK_EQ(g->dq->irqs - before, 1);
    /* 2.7.7.1: with EVENT_IDX a split ring has no flags. */
    CHECK_EQ(rig_muted(g),
             mode == VDRV_ARM_OFF && (rig_packed(g) || !g->dq->event_idx));
    /* Late or not, what is there is seen. */
    CHECK_EQ(vdrv_queue_arm(&g->q, VDRV_ARM_NEXT), 1);
    CHECK_EQ(vdrv_queue_reap(&g->q, u, 8), n);
    CHECK_EQ(vdrv_queue_arm(&g->q, VDRV_ARM_NEXT), 0);
}

static void test_arm(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        unsigned n = 0;

        if (rig_up(&g, w, NULL))
            return;
        while (g.dq->next_used < 65000 && n < 6000)
            arm_round(&g, VDRV_ARM_OFF, n++ % 8 + 1);
        for (n = 0; n < 600 && check_failures < 20; n++)
            arm_round(&g, g.dq->event_idx || n % 3 != 2 ? n % 3 : 1, n % 8 + 1);
        rig_down(&g, 0);
    }
}

/*
 * The postponed modes answer 1 only when the awaited completion is there, and
 * bring one interrupt otherwise: after a quarter, three quarters, or all.
 */
static void arm_postponed(const struct way *w, uint32_t mode, unsigned n,
                          unsigned done)
{
    const unsigned ahead = mode == VDRV_ARM_SOON   ? n / 4
                           : mode == VDRV_ARM_LATE ? n * 3 / 4
                                                   : n - 1;
    struct queue_rig g;
    struct fake_chain c[8];
    struct vdrv_used u[8];
    uint32_t before;
    int r;

    if (rig_up(&g, w, NULL))
        return;
    rig_offer(&g, n, 1, 0, c);
    for (unsigned i = 0; i < done; i++)
        fake_queue_done(g.dq, &c[i], 0);
    r = vdrv_queue_arm(&g.q, mode);
    CHECK_EQ(r, done > (w->event ? ahead : 0));
    before = g.dq->irqs;
    for (unsigned i = done; i < n; i++) {
        CHECK_EQ(g.dq->irqs, r == 0 && i > ahead && w->event ? before + 1
                             : w->event                      ? before
                                                             : g.dq->irqs);
        fake_queue_done(g.dq, &c[i], 0);
    }
    if (r == 0)
        CHECK(w->event ? g.dq->irqs == before + 1 : g.dq->irqs > before);
    CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), n);
    rig_down(&g, 0);
}

static void test_arm_postponed(void)
{
    static const uint32_t mode[] = {VDRV_ARM_SOON, VDRV_ARM_LATE,
                                    VDRV_ARM_EMPTY};

    FOR_WAYS_IF(w, w->mode == FAKE_DIRECT && !w->indirect)
    {
        for (unsigned m = 0; m < 3; m++)
            for (unsigned n = 1; n <= 8; n++)
                for (unsigned done = 0; done <= n; done++)
                    arm_postponed(w, mode[m], n, done);
    }
}

/* ---- Completion ------------------------------------------------------------------ */

/* reap() takes no more than asked, and does not lose the rest. */
static void test_reap_batches(void)
{
    FOR_WAYS(w)
    {
        for (uint32_t max = 1; max <= 8; max++) {
            struct queue_rig g;
            struct fake_chain c[8];
            struct vdrv_used u[9];
            unsigned got = 0;

            if (rig_up(&g, w, NULL))
                return;
            rig_offer(&g, 8, 0, 1, c);
            for (unsigned i = 0; i < 8; i++)
                fake_queue_push(g.dq, &c[i], i);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
            fake_queue_publish(g.dq);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 0), 0);
            while (got < 8) {
                int n = vdrv_queue_reap(&g.q, u, max);

                REQUIRE(n > 0 && n <= (int)max);
                for (int i = 0; i < n; i++, got++) {
                    CHECK(u[i].cookie == rig_mem + 1 + got);
                    CHECK_EQ(u[i].len, got);
                }
                CHECK_EQ(vdrv_queue_outstanding(&g.q), 8 - got);
            }
            CHECK_EQ(vdrv_queue_reap(&g.q, u, max), 0);
            rig_down(&g, 0);
        }
    }
}

/* NULL is a cookie like any other. */
static void test_null_cookie(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u = {&g, 0, 0};
        void *cookie = &g;

        if (rig_up(&g, w, NULL))
            return;
        rig_add(&g, 1, 0, NULL);
        vdrv_queue_kick(&g.q);
        REQUIRE(fake_queue_pop(g.dq, &c));
        fake_queue_done(g.dq, &c, 0);
        CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
        CHECK(u.cookie == NULL);
        rig_add(&g, 1, 0, NULL);
        CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
        CHECK(vdrv_queue_drain(&g.q, &cookie));
        CHECK(cookie == NULL);
        rig_down(&g, 0);
    }
}

/* ---- Drain and restart --------------------------------------------------------------- */

static void test_drain(void)
{
    FOR_WAYS(w)
    {
        for (unsigned n = 0; n <= 8; n++) {
            struct queue_rig g;
            unsigned seen = 0;
            void *cookie;

            if (rig_up(&g, w, NULL))
                return;
            for (unsigned i = 0; i < n; i++) {
                CHECK_EQ(rig_add(&g, 0, 1, rig_mem + i), VDRV_OK);
                if (i == n / 2)
                    vdrv_queue_kick(&g.q);
            }
            CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
            while (vdrv_queue_drain(&g.q, &cookie)) {
                unsigned i = (unsigned)((uint8_t *)cookie - rig_mem);

                CHECK(i < n && !(seen >> i & 1));
                seen |= 1u << i;
            }
            CHECK_EQ(seen, (1u << n) - 1);
            CHECK_EQ(g.f.maps_live, 0);
            rig_recovers(&g, 0);
        }
    }
}

static void test_restart_many(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[8];
        struct vdrv_used u[8];
        uint32_t allocs;

        if (rig_up(&g, w, NULL))
            return;
        allocs = g.f.allocs_total;
        g.f.no_alloc = true;
        for (unsigned i = 0; i < 300; i++) {
            unsigned n = i % 8;

            rig_offer(&g, n, 0, 1, c);
            for (unsigned k = 0; k < n / 2; k++)
                fake_queue_done(g.dq, &c[k], 1);
            if (i % 3)
                CHECK_EQ(vdrv_queue_reap(&g.q, u, 1), n / 2 ? 1 : 0);
            CHECK_EQ(rig_drain(&g), n - (i % 3 && n / 2));
            rig_again(&g);
            CHECK_EQ(vdrv_queue_room(&g.q), 8);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
        }
        CHECK_EQ(g.f.allocs_total, allocs);
        rig_down(&g, 0);
    }
}

/* A device that came back smaller, or without the queue. */
static void test_restart_refused(void)
{
    struct queue_rig g;

    if (rig_up(&g, ways, NULL))
        return;
    for (int i = 0; i < 2; i++) {
        rig_drain(&g);
        vdrv_transport_release(g.t);
        g.slot.queue_max = i ? 0 : 4;
        g.slot.no_queues = i;
        CHECK_EQ(vdrv_transport_begin(g.t, g.wanted, g.required, NULL, 0),
                 VDRV_OK);
        CHECK_EQ(vdrv_queue_restart(&g.q),
                 i ? VDRV_ERR_NO_DEVICE : VDRV_ERR_PROTOCOL);
    }
    g.slot.no_queues = false;
    rig_recovers(&g, 0);
}

static void test_break(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[3];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 3, 0, 1, c);
        fake_queue_done(g.dq, &c[0], 1);
        vdrv_queue_break(&g.q, VDRV_ERR_NO_DEVICE);
        rig_broken(&g, VDRV_ERR_NO_DEVICE);
        rig_recovers(&g, 3);
    }
}

/* 2.7.5.3.1, BASIC-41, SPLIT-15: what a naive device reads over and over. */
static void test_two_queues(void)
{
    struct queue_rig a, b;
    struct fake_chain c;
    struct vdrv_used u;

    if (rig_up(&a, &ways[3], NULL) || rig_up(&b, &ways[12], NULL))
        return;
    CHECK_EQ(rig_add(&a, 0, 1, &a), VDRV_OK);
    CHECK_EQ(rig_add(&b, 0, 1, &b), VDRV_OK);
    vdrv_queue_kick(&b.q);
    vdrv_queue_kick(&a.q);
    REQUIRE(fake_queue_pop(a.dq, &c));
    fake_queue_done(a.dq, &c, 1);
    CHECK_EQ(vdrv_queue_reap(&b.q, &u, 1), 0);
    CHECK_EQ(vdrv_queue_reap(&a.q, &u, 1), 1);
    CHECK(u.cookie == &a);
    rig_down(&b, 1);
    rig_down(&a, 0);
}

static const struct check_case cases[] = {
    {"queue_pick_size", test_pick_size},
    {"queue_work_size", test_work_size},
    {"queue_work_exact", test_work_exact},
    {"queue_init_invalid", test_init_invalid},
    {"queue_ring_memory", test_ring_memory},
    {"queue_add_errors", test_add_errors},
    {"queue_add_huge", test_add_huge},
    {"queue_chain_limits", test_chain_limits},
    {"queue_room_depth", test_room_depth},
    {"queue_data", test_data},
    {"queue_seg_mapped", test_seg_mapped},
    {"queue_scattered", test_scattered},
    {"queue_scattered_too_much", test_scattered_too_much},
    {"queue_window", test_window},
    {"queue_kick", test_kick},
    {"queue_kick_wrap_exhaustive", test_kick_wrap_exhaustive},
    {"queue_packed_kick_exhaustive", test_packed_kick_exhaustive},
    {"queue_packed_wraps", test_packed_wraps},
    {"queue_packed_ids", test_packed_ids},
    {"queue_packed_large", test_packed_large},
    {"queue_packed_failed_add", test_packed_failed_add},
    {"queue_arm", test_arm},
    {"queue_arm_postponed", test_arm_postponed},
    {"queue_reap_batches", test_reap_batches},
    {"queue_null_cookie", test_null_cookie},
    {"queue_drain", test_drain},
    {"queue_restart_many", test_restart_many},
    {"queue_restart_refused", test_restart_refused},
    {"queue_break", test_break},
    {"queue_two_at_once", test_two_queues},
};

CHECK_MAIN(cases)
