/* SPDX-License-Identifier: MIT */
/*
 * The counters of a queue against what the fake device counted itself, and
 * what a dump prints.
 */
#include "disk_rig.h"

#undef BIT64
#include "queue_rig.h"

static struct vdrv_queue_stats stats_of(const struct queue_rig *g)
{
    struct vdrv_queue_stats s;

    vdrv_queue_get_stats(&g->q, &s);
    return s;
}

/* Through more than one round of the 16-bit indices, and a restart. */
static void test_counters(void)
{
    FOR_WAYS_IF(w, w->mode == FAKE_DIRECT)
    {
        struct queue_rig g;
        struct fake_chain c[8];
        struct vdrv_used u[8];
        uint32_t asked = 0, full = 0;

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned lap = 0; lap < 20000; lap++) {
            const unsigned n = lap % 8 + 1;

            if (lap == 10000) {
                CHECK_EQ(rig_drain(&g), 0);
                rig_again(&g);
            }
            g.dq->kick_policy = lap % 3 ? FAKE_KICK_ALWAYS : FAKE_KICK_NEVER;
            fake_queue_hint(g.dq);
            for (unsigned i = 0; i < n; i++)
                CHECK_EQ(rig_add(&g, 1, 0, rig_mem), VDRV_OK);
            if (n == 8) {
                CHECK_EQ(rig_add(&g, 1, 0, rig_mem), VDRV_ERR_AGAIN);
                full++;
            }
            CHECK(vdrv_queue_kick(&g.q) >= 0);
            asked++;
            for (unsigned i = 0; i < n; i++) {
                REQUIRE(fake_queue_pop(g.dq, &c[i]));
                fake_queue_done(g.dq, &c[i], 0);
            }
            REQUIRE(vdrv_queue_reap(&g.q, u, 8) == (int)n);
        }
        CHECK_EQ(stats_of(&g).completions, g.dq->pushed);
        CHECK_EQ(stats_of(&g).completions, 90000);
        CHECK_EQ(stats_of(&g).kicks, g.dq->kicks);
        CHECK_EQ(stats_of(&g).kicks + stats_of(&g).suppressed, asked);
        CHECK(stats_of(&g).suppressed > asked / 4);
        CHECK_EQ(stats_of(&g).full, full);
        CHECK_EQ(stats_of(&g).most, 8);
        CHECK_EQ(stats_of(&g).errors, 0);
        rig_down(&g, 0);
    }
}

static void test_most(void)
{
    struct queue_rig g;
    struct fake_chain c[5];
    struct vdrv_used u[8];

    if (rig_up(&g, ways, NULL))
        return;
    rig_offer(&g, 5, 1, 0, c);
    CHECK_EQ(stats_of(&g).most, 5);
    CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_NEXT), 0);
    for (unsigned i = 0; i < 5; i++)
        fake_queue_done(g.dq, &c[i], 0);
    CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 5);
    CHECK_EQ(stats_of(&g).most, 5);
    rig_down(&g, 0);
}

static void test_dump(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[2];
        char line[64];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 0, c);
        CHECK_EQ(rig_add(&g, 1, 0, rig_mem), VDRV_OK);
        vdrv_queue_dump(&g.q);
        CHECK(fake_log_contains(&g.f, g.q.kind->name));
        CHECK(fake_log_contains(&g.f, "queue_index: 0x0"));
        CHECK(fake_log_contains(&g.f, "inuse: 0x2"));
        CHECK(fake_log_contains(&g.f, "used_idx: 0x0"));
        CHECK(fake_log_contains(&g.f, "shadow_avail_idx: 0x2"));
        CHECK(fake_log_contains(&g.f, "added, not published: 0x1"));
        CHECK(fake_log_contains(&g.f, "num: 0x8"));
        snprintf(line, sizeof(line), "desc: 0x%llx",
                 (unsigned long long)g.dq->desc);
        CHECK(fake_log_contains(&g.f, line));
        snprintf(line, sizeof(line), "avail: 0x%llx",
                 (unsigned long long)g.dq->driver);
        CHECK(fake_log_contains(&g.f, line));
        snprintf(line, sizeof(line), "used: 0x%llx",
                 (unsigned long long)g.dq->device);
        CHECK(fake_log_contains(&g.f, line));
        rig_down(&g, 3);
    }
}

/* F17: interrupts are counted by the frame, and which brought nothing. */
static void fault_F17_spurious_counted(void)
{
    struct vdrv_driver_stats s;
    struct disk_rig g;
    uint8_t buf[512];

    if (!disk_up(&g, NULL))
        return;
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(vdrv_block_read_block(g.blk, 0, buf, 512), VDRV_OK);
        g.dev.dev.isr |= FAKE_ISR_QUEUE;
        CHECK_EQ(vdrv_irq(&g.blk->dev, 0), VDRV_CAUSE_QUEUE);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
    }
    vdrv_driver_get_stats(&g.drv.drv, 0, &s);
    CHECK_EQ(s.interrupts, 10);
    CHECK_EQ(s.spurious, 10);
    CHECK_EQ(s.ring.completions, g.dev.dev.queue[0].pushed);
    vdrv_driver_dump(&g.drv.drv);
    CHECK(fake_log_contains(&g.f, "spurious: 0xa"));
    vdrv_driver_get_stats(&g.drv.drv, 1, &s);
    CHECK_EQ(s.ring.completions, 0);
    disk_down(&g);
}

static const struct check_case cases[] = {
    {"queue_counters", test_counters},
    {"queue_most_out", test_most},
    {"queue_dump", test_dump},
    {"fault_F17_spurious_counted", fault_F17_spurious_counted},
};

CHECK_MAIN(cases)
