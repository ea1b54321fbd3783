/* SPDX-License-Identifier: MIT */
/*
 * Rings whose device uses buffers in order (IN_ORDER): batches with one used
 * element, what their lengths mean, and devices that name batches which cannot
 * be.  The tables in ring order are checked by the fake (SPLIT-07, -08, -13).
 */
#include "queue_rig.h"

#define FOR_IN_ORDER(w) FOR_WAYS_IF(w, w->in_order)

/* A used element there and then, in the place of the next batch. */
static void raw_batch(struct queue_rig *g, uint32_t id, uint32_t len,
                      uint16_t chains, uint16_t slots)
{
    const uint16_t at = g->dq->next_used;

    if (rig_packed(g)) {
        fake_packed_push_raw(g->dq, id, len, slots);
        return;
    }
    fake_split_push_raw(g->dq, id, len);
    g->dq->next_used = (uint16_t)(at + chains);
    fake_split_set_used_idx(g->dq, g->dq->next_used);
}

static unsigned elements(struct queue_rig *g, const struct fake_chain *c)
{
    /* In a split ring an element that was skipped keeps its old bytes. */
    (void)c;
    return g->dq->pushed;
}

/* SPLIT-23, SPLIT-24, PACKED-13. */
static void test_batch(void)
{
    FOR_IN_ORDER(w)
    for (unsigned n = 1; n <= 4; n++)
        for (uint32_t max = 1; max <= 5; max++) {
            struct queue_rig g;
            struct fake_chain c[4];
            struct vdrv_used u[8];

            if (rig_up(&g, w, NULL))
                return;
            for (unsigned lap = 0; lap < 20; lap++) {
                unsigned done = 0;

                rig_offer(&g, n, lap & 1, 1, c);
                for (unsigned i = 0; i + 1 < n; i++)
                    fake_queue_push(g.dq, &c[i], 64);
                fake_queue_push(g.dq, &c[n - 1], 7);
                fake_queue_publish(g.dq);
                while (done < n) {
                    const int r = vdrv_queue_reap(&g.q, u + done, max);

                    REQUIRE(r == (int)(n - done < max ? n - done : max));
                    done += (unsigned)r;
                    CHECK_EQ(vdrv_queue_pending(&g.q), done < n);
                    CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_NEXT), done < n);
                    CHECK_EQ(vdrv_queue_outstanding(&g.q), n - done);
                }
                for (unsigned i = 0; i < n; i++) {
                    CHECK(u[i].cookie == rig_mem + 1 + i);
                    CHECK_EQ(u[i].len, i + 1 < n ? 64 : 7);
                }
                CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
                CHECK_EQ(vdrv_queue_room(&g.q), 8);
            }
            CHECK_EQ(elements(&g, c), 20 * n);
            rig_down(&g, 0);
        }
}

/* The device writes one element for a batch: the fake must, or all is vain. */
static void test_batch_is_one_element(void)
{
    FOR_IN_ORDER(w)
    {
        struct queue_rig g;
        struct fake_chain c[4];
        struct vdrv_used u[8];
        const uint8_t *mem;

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 4, 0, 1, c);
        for (unsigned i = 0; i < 4; i++)
            fake_queue_push(g.dq, &c[i], 64);
        fake_queue_publish(g.dq);
        if (w->packed) {
            mem = fake_dma(&g.f, g.dq->desc, 64, VDRV_DIR_IN);
            CHECK_EQ(fake_get16(mem + 12), c[3].id);
            CHECK_EQ(fake_get16(mem + 14), 0x8080);
            CHECK_EQ(fake_get16(mem + 16 + 14) & 0x8080, 0x80);
        } else {
            mem = fake_dma(&g.f, g.dq->device, 64, VDRV_DIR_IN);
            CHECK_EQ(fake_get16(mem + 2), 4);
            CHECK_EQ(fake_get32(mem + 4), c[3].id);
            CHECK_EQ(fake_get32(mem + 12), 0);
            CHECK_EQ(fake_get32(mem + 16), 0);
        }
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 4);
        rig_down(&g, 0);
    }
}

/* A readable chain in a batch was used, and nothing was written. */
static void test_skipped_readable(void)
{
    FOR_IN_ORDER(w)
    {
        struct queue_rig g;
        struct fake_chain c[3];
        struct vdrv_used u[4];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 3, 2, 0, c);
        for (unsigned i = 0; i < 3; i++)
            fake_queue_push(g.dq, &c[i], 0);
        fake_queue_publish(g.dq);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 3);
        for (unsigned i = 0; i < 3; i++)
            CHECK_EQ(u[i].len, 0);
        CHECK_EQ(g.q.stats.bad_len, 0);
        rig_down(&g, 0);
    }
}

static void expect_protocol(struct queue_rig *g, unsigned left)
{
    struct vdrv_used u[8];

    CHECK_EQ(vdrv_queue_reap(&g->q, u, 8), VDRV_ERR_PROTOCOL);
    CHECK_EQ(g->q.stats.errors, 1);
    rig_broken(g, VDRV_ERR_PROTOCOL);
    rig_recovers(g, left);
}

/* An id that ends no batch: beyond the ring, inside a chain, not added. */
static void fault_F01_batch_id(void)
{
    FOR_IN_ORDER(w)
    for (uint32_t id = 0; id <= 9; id++) {
        struct queue_rig g;
        struct fake_chain c[2];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 1, c);
        if (id == c[0].id || id == c[1].id) {
            rig_recovers(&g, 2);
            continue;
        }
        raw_batch(&g, id, 1, 1, c[0].slots);
        expect_protocol(&g, 2);
    }
}

/* A batch that goes beyond what the index counts, or was published. */
static void fault_F05_batch_beyond(void)
{
    FOR_IN_ORDER(w)
    for (unsigned kicked = 1; kicked <= 2; kicked++) {
        struct queue_rig g;
        struct fake_chain c[3];
        uint32_t last;

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, kicked, 0, 1, c);
        /* The next one is added, and not published: its id is known. */
        CHECK_EQ(rig_add(&g, 0, 1, rig_mem), VDRV_OK);
        last = kicked;
        raw_batch(&g, last, 64, (uint16_t)kicked, (uint16_t)kicked);
        expect_protocol(&g, kicked + 1);
    }
}

/* The index counts more chains than the batch it points to has. */
static void fault_F05_batch_short(void)
{
    FOR_WAYS_IF(w, w->in_order && !w->packed)
    {
        struct queue_rig g;
        struct fake_chain c[4];
        struct vdrv_used u[8];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 4, 0, 1, c);
        /* The second batch's element is what memory held: id 0, length 0. */
        raw_batch(&g, c[1].id, 64, 4, 4);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 2);
        expect_protocol(&g, 2);
    }
}

/* Used again after it came back, and an older one after a newer one. */
static void fault_F04_batch_repeated(void)
{
    FOR_IN_ORDER(w)
    for (unsigned again = 0; again < 2; again++) {
        struct queue_rig g;
        struct fake_chain c[3];
        struct vdrv_used u[8];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 3, 0, 1, c);
        raw_batch(&g, c[1].id, 64, 2, 2);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 2);
        raw_batch(&g, c[again].id, 64, 1, 1);
        expect_protocol(&g, 1);
    }
}

static void fault_F07_batch_len(void)
{
    FOR_IN_ORDER(w)
    for (uint32_t len = 63; len <= 65; len++) {
        struct queue_rig g;
        struct fake_chain c[2];
        struct vdrv_used u[8];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 0, 1, c);
        raw_batch(&g, c[1].id, len, 2, 2);
        if (len <= 64) {
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 2);
            CHECK_EQ(u[0].len, 64);
            CHECK_EQ(u[1].len, len);
            rig_recovers(&g, 0);
            continue;
        }
        expect_protocol(&g, 2);
    }
}

/* Which ring runs, and what a configuration that names none is worth. */
static void test_choice(void)
{
    const struct way split = {.in_order = true};
    struct queue_rig g;

    rig_begin(&g, &split, NULL);
    g.cfg.in_order = NULL; /* negotiated, and not named */
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    g.cfg.in_order = &vdrv_queue_split;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    vdrv_transport_release(g.t);
    rig_end(&g);
    CHECK(!(vdrv_queue_features(NULL, NULL) & BIT64(35)));
    CHECK(!(vdrv_queue_features(NULL, NULL) & BIT64(34)));
    CHECK(vdrv_queue_features(NULL, &vdrv_queue_split_in_order) & BIT64(35));
    CHECK(
        !(vdrv_queue_features(&vdrv_queue_packed, &vdrv_queue_split_in_order) &
          BIT64(35)));
    CHECK(vdrv_queue_features(&vdrv_queue_packed_in_order,
                              &vdrv_queue_split_in_order) &
          BIT64(35));
}

/* The in-order packed kind does for a device that has no IN_ORDER, too. */
static void test_not_offered(void)
{
    const struct way packed = {.packed = true};
    struct queue_rig g;
    struct fake_chain c[2];
    struct vdrv_used u[2];

    rig_begin(&g, &packed, NULL);
    g.cfg.packed = &vdrv_queue_packed_in_order;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_OK);
    CHECK(g.q.kind == &vdrv_queue_packed);
    CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
    rig_offer(&g, 2, 0, 1, c);
    fake_queue_done(g.dq, &c[1], 3);
    fake_queue_done(g.dq, &c[0], 4);
    CHECK_EQ(vdrv_queue_reap(&g.q, u, 2), 2);
    CHECK(u[0].cookie == rig_mem + 2);
    CHECK_EQ(u[1].len, 4);
    rig_down(&g, 0);
}

static const struct check_case cases[] = {
    {"in_order_batch", test_batch},
    {"in_order_batch_is_one_element", test_batch_is_one_element},
    {"in_order_skipped_readable", test_skipped_readable},
    {"in_order_choice", test_choice},
    {"in_order_not_offered", test_not_offered},
    {"fault_F01_batch_id", fault_F01_batch_id},
    {"fault_F04_batch_repeated", fault_F04_batch_repeated},
    {"fault_F05_batch_beyond", fault_F05_batch_beyond},
    {"fault_F05_batch_short", fault_F05_batch_short},
    {"fault_F07_batch_len", fault_F07_batch_len},
};

CHECK_MAIN(cases)
