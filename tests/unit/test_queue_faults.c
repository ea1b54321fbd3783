/* SPDX-License-Identifier: MIT */
/*
 * Devices and platforms that break the rules, at the level of one queue.  Each
 * case is a row of the fault table, on direct and indirect chains, with and
 * without EVENT_IDX, on a direct and on a bouncing HAL, split and packed; each ends with a reset
 * and full service.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* REG_EFL, for reads_once() */
#endif
#include "queue_rig.h"

/* The device offers used element (id, len), for a chain of `slots` slots. */
static void raw_used(struct queue_rig *g, uint16_t slots, uint32_t id,
                     uint32_t len)
{
    if (rig_packed(g)) {
        fake_packed_push_raw(g->dq, id, len, slots);
        return;
    }
    fake_split_push_raw(g->dq, id, len);
    fake_split_set_used_idx(g->dq, g->dq->next_used);
}

static void expect_protocol(struct queue_rig *g, unsigned left)
{
    struct vdrv_used u[8];

    if (g->q.error == VDRV_OK) /* else the last reap has latched it */
        CHECK(vdrv_queue_pending(&g->q));
    CHECK_EQ(vdrv_queue_reap(&g->q, u, 8), VDRV_ERR_PROTOCOL);
    CHECK(g->q.stats.errors > 0);
    CHECK(g->f.n_log > 0);
    rig_broken(g, VDRV_ERR_PROTOCOL);
    rig_recovers(g, left);
}

static void fault_F01_id_beyond(void)
{
    static const uint32_t id[] = {8, 9, 0xFFFF, 0x10000, 0x10001, 0xFFFFFFFF};

    FOR_WAYS(w)
    {
        for (size_t i = 0; i < 6; i++) {
            struct queue_rig g;
            struct fake_chain c[2];

            if (rig_up(&g, w, NULL))
                return;
            rig_offer(&g, 2, 1, 1, c);
            if (w->packed && id[i] > 0xFFFF) { /* cannot be said */
                rig_recovers(&g, 2);
                continue;
            }
            raw_used(&g, c[0].slots, id[i], 1);
            expect_protocol(&g, 2);
        }
    }
}

/* The first descriptor that belongs to a chain (or to none) and is no head. */
static uint32_t find_desc(struct queue_rig *g, bool used)
{
    for (uint32_t i = 0; i < 8; i++)
        if (used ? g->dq->owner[i] && g->dq->owner[i] != i + 1
                 : !g->dq->owner[i])
            return i;
    return UINT32_MAX;
}

static void fault_F02_id_mid_chain(void)
{
    FOR_WAYS_IF(w, !w->indirect && !w->packed)
    {
        struct queue_rig g;
        struct fake_chain c[2];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 2, c);
        raw_used(&g, 1, find_desc(&g, true), 1);
        expect_protocol(&g, 2);
    }
}

/* A packed ring has buffer ids; each one that is not out is tried. */
static void packed_id_not_out(const struct way *w, uint32_t nin)
{
    for (uint32_t id = 0; id < 8; id++) {
        struct queue_rig g;
        struct fake_chain c[2];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, nin, c);
        if (id == c[0].id || id == c[1].id) {
            rig_recovers(&g, 2);
            continue;
        }
        raw_used(&g, c[0].slots, id, 0);
        expect_protocol(&g, 2);
    }
}

static void fault_F03_id_free(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[2];

        if (w->packed) {
            packed_id_not_out(w, 1);
            packed_id_not_out(w, 2);
            continue;
        }
        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 1, c);
        raw_used(&g, 1, find_desc(&g, false), 0);
        expect_protocol(&g, 2);
    }
}

static void fault_F04_id_twice(void)
{
    FOR_WAYS(w)
    {
        for (int later = 0; later < 2; later++) {
            struct queue_rig g;
            struct fake_chain c[3];
            struct vdrv_used u[8];
            const unsigned k = w->in_order ? 0 : 1;

            if (rig_up(&g, w, NULL))
                return;
            rig_offer(&g, 3, 0, 1, c);
            raw_used(&g, c[k].slots, c[k].id, 1);
            if (later)
                CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 1);
            raw_used(&g, c[k].slots, c[k].id, 1);
            if (!later) {
                memset(u, 0, sizeof(u));
                CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 1);
            }
            CHECK(u[0].cookie == rig_mem + 1 + k);
            expect_protocol(&g, 2);
        }
    }
}

/* Nothing of a batch whose index is wrong is believed. */
static void used_idx_jump(const struct way *w, uint16_t jump)
{
    struct queue_rig g;
    struct fake_chain c[2];

    if (rig_up(&g, w, NULL))
        return;
    rig_offer(&g, 2, 1, 1, c);
    raw_used(&g, c[0].slots, c[0].id, 1);
    raw_used(&g, c[1].slots, c[1].id, 1);
    fake_split_set_used_idx(g.dq, jump);
    expect_protocol(&g, 2);
}

static void fault_F05_idx_jumps(void)
{
    static const uint16_t jump[] = {3, 8, 10, 0x8000, 0x8002, 0xFFFF, 0xFFFE};

    FOR_WAYS_IF(w, !w->packed)
    for (size_t i = 0; i < sizeof(jump) / sizeof(jump[0]); i++)
        used_idx_jump(w, jump[i]);
}

static void fault_F05_idx_of_unkicked(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u[4];

        /* Added and not published: the device cannot have it. */
        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 1, 0, 1, &c);
        CHECK_EQ(rig_add(&g, 0, 1, &g), VDRV_OK);
        raw_used(&g, 1, c.id, 1);
        if (!w->packed) {
            raw_used(&g, 1, c.id ^ 1u, 1);
            expect_protocol(&g, 2);
            continue;
        }
        fake_packed_write_used(g.dq, fake_packed_used_place(g.dq), c.id ^ 1u,
                               1);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 1);
        CHECK(u[0].cookie == rig_mem + 1);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 0);
        CHECK(!vdrv_queue_pending(&g.q));
        CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_NEXT), 0);
        CHECK_EQ(vdrv_queue_outstanding(&g.q), 1);
        fake_queue_forget(g.dq, &c);
        CHECK(vdrv_queue_kick(&g.q) >= 0);
        REQUIRE(fake_queue_pop(g.dq, &c));
        fake_queue_done(g.dq, &c, 1);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 1);
        rig_recovers(&g, 0);
    }
}

/* Used slots beyond what is out are not looked at. */
static void fault_F05_packed_more_than_out(void)
{
    FOR_WAYS_IF(w, w->packed)
    {
        struct queue_rig g;
        struct fake_chain c[2];
        struct vdrv_used u[8];
        struct fake_packed_place at;

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 1, c);
        raw_used(&g, c[0].slots, c[0].id, 1);
        raw_used(&g, c[1].slots, c[1].id, 1);
        at = fake_packed_used_place(g.dq);
        for (uint32_t id = 2u * c[0].slots; id < 8; id++) { /* all others */
            fake_packed_write_used(g.dq, at, id, 0);
            at.slot = (at.slot + 1) % 8;
            at.wrap ^= at.slot == 0;
        }
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 2);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
        CHECK(!vdrv_queue_pending(&g.q));
        CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_NEXT), 0);
        CHECK_EQ(vdrv_queue_room(&g.q), 8);
        rig_recovers(&g, 0);
    }
}

/* ---- F21: what the wrap counters say ------------------------------------- */

/* One chain is out at each place; `lie` must not be seen, the truth is. */
static void packed_lies(const struct way *w, uint16_t size,
                        void (*lie)(struct queue_rig *g,
                                    const struct fake_chain *c))
{
    struct queue_opts o = {.max = size};
    struct vdrv_used u[9];
    struct fake_chain c;
    struct queue_rig g;

    if (rig_up(&g, w, &o))
        return;
    for (unsigned i = 0; i < 4u * size && !check_failures; i++) {
        rig_offer(&g, 1, 0, i % 2 ? 1 : size < 3 ? 1 : 3, &c);
        lie(&g, &c);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 9), 0);
        CHECK(!vdrv_queue_pending(&g.q));
        CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_NEXT), 0);
        CHECK_EQ(vdrv_queue_outstanding(&g.q), 1);
        fake_queue_done(g.dq, &c, 5);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 9), 1);
        CHECK_EQ(u[0].len, 5);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 9), 0);
    }
    rig_down(&g, 0);
}

static void lie_wrap(struct queue_rig *g, const struct fake_chain *c)
{
    struct fake_packed_place at = fake_packed_used_place(g->dq);

    at.wrap = !at.wrap;
    fake_packed_write_used(g->dq, at, c->id, 1);
}

/* Used, and then not, as if it had never been. */
static void lie_back(struct queue_rig *g, const struct fake_chain *c)
{
    struct fake_packed_place at = fake_packed_used_place(g->dq);

    fake_packed_write_used(g->dq, at, c->id, 1);
    lie_wrap(g, c);
}

/* The place is one too far; it is overwritten when it is offered. */
static void lie_skip(struct queue_rig *g, const struct fake_chain *c)
{
    struct fake_packed_place at = fake_packed_used_place(g->dq);

    at.slot++;
    if (at.slot < g->dq->size && c->slots == 1)
        fake_packed_write_used(g->dq, at, c->id, 1);
}

static void fault_F21_wrap(void)
{
    FOR_WAYS_IF(w, w->packed)
    for (uint16_t size = 1; size <= 9; size++) {
        packed_lies(w, size, lie_wrap);
        packed_lies(w, size, lie_back);
        packed_lies(w, size, lie_skip);
    }
}

/* PACKED-05: a zeroed ring, and one that is full of what was used a lap ago. */
static void fault_F21_old_lap(void)
{
    FOR_WAYS_IF(w, w->packed)
    {
        struct queue_rig g;
        struct fake_chain c[8];
        struct vdrv_used u[8];

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned i = 0; i < 40; i++) {
            const unsigned n = i % 8 + 1;

            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
            rig_offer(&g, n, 0, 1, c);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), 0);
            CHECK(!vdrv_queue_pending(&g.q));
            for (unsigned k = 0; k < n; k++)
                fake_queue_done(g.dq, &c[k], 1);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 8), n);
        }
        rig_recovers(&g, 0);
    }
}

static void fault_F06_idx_back(void)
{
    FOR_WAYS_IF(w, !w->packed)
    {
        struct queue_rig g;
        struct fake_chain c[4];
        struct vdrv_used u[4];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 4, 0, 1, c);
        fake_queue_done(g.dq, &c[0], 1);
        fake_queue_done(g.dq, &c[1], 1);
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 2);
        fake_split_set_used_idx(g.dq, 1);
        expect_protocol(&g, 2);
    }
}

static void fault_F07_len_too_long(void)
{
    static const uint32_t len[] = {65, 128, 129, 256, 0x80000000u, 0xFFFFFFFF};

    FOR_WAYS(w)
    {
        for (size_t i = 0; i < 6; i++) {
            struct queue_rig g;
            struct fake_chain c[2];
            struct vdrv_used u[2];

            if (rig_up(&g, w, NULL))
                return;
            rig_offer(&g, 2, 1, 1, c);
            raw_used(&g, c[0].slots, c[0].id,
                     64); /* exactly what was posted is right */
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 2), 1);
            CHECK_EQ(u[0].len, 64);
            raw_used(&g, c[1].slots, c[1].id, len[i]);
            expect_protocol(&g, 1);
        }
    }
}

static void fault_F09_len_of_readable(void)
{
    static const uint32_t len[] = {1, 64, 0xFFFFFFFF};

    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[3];
        struct vdrv_used u[3];

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 3, 2, 0, c);
        for (int i = 0; i < 3; i++) {
            raw_used(&g, c[i].slots, c[i].id, len[i]);
            fake_queue_forget(g.dq, &c[i]);
        }
        CHECK_EQ(vdrv_queue_reap(&g.q, u, 3), 3);
        CHECK_EQ(u[0].len | u[1].len | u[2].len, 0);
        CHECK_EQ(g.q.stats.bad_len, 3);
        CHECK_EQ(g.q.stats.errors, 0);
        rig_recovers(&g, 0);
    }
}

/* All 24 orders of four, at once or one by one. */
static void fault_F10_any_order(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[4];
        struct vdrv_used u[4];

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned p = 0; p < 256; p++) {
            unsigned o[4] = {p & 3, p >> 2 & 3, p >> 4 & 3, p >> 6};

            if ((1u << o[0] | 1u << o[1] | 1u << o[2] | 1u << o[3]) != 15)
                continue;
            if (w->in_order && p != 0xE4) /* 0, 1, 2, 3 */
                continue;
            for (int batch = 0; batch < 2; batch++) {
                rig_offer(&g, 4, 0, 1 + p % 2, c);
                for (unsigned i = 0; i < 4; i++) {
                    fake_queue_push(g.dq, &c[o[i]], o[i]);
                    if (batch)
                        continue;
                    fake_queue_publish(g.dq);
                    CHECK_EQ(vdrv_queue_reap(&g.q, &u[i], 4 - i), 1);
                }
                fake_queue_publish(g.dq);
                if (batch)
                    CHECK_EQ(vdrv_queue_reap(&g.q, u, 4), 4);
                for (unsigned i = 0; i < 4; i++) {
                    CHECK(u[i].cookie == rig_mem + 1 + o[i]);
                    CHECK_EQ(u[i].len, o[i]);
                }
            }
        }
        rig_recovers(&g, 0);
    }
}

/* ---- F11: each shared value is read once ------------------------------------ */

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100
#define WATCHED   64

/* Pages of the ring are closed; each access opens them for one instruction. */
static struct {
    uint8_t *base;
    size_t len;
    uintptr_t at[WATCHED];
    unsigned n;
    uint8_t *spoil; /* what is read here changes after each read */
} watch;

static void on_access(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;
    uintptr_t at = (uintptr_t)si->si_addr;

    (void)sig;
    if (at - (uintptr_t)watch.base >= watch.len)
        abort();
    if (!(uc->uc_mcontext.gregs[REG_ERR] & 2) && watch.n < WATCHED)
        watch.at[watch.n++] = at;
    mprotect(watch.base, watch.len, PROT_READ | PROT_WRITE);
    uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *uc = ctx;

    (void)sig;
    (void)si;
    /* A value that was looked at is another one from now on. */
    if (watch.n && watch.at[watch.n - 1] - (uintptr_t)watch.spoil < 8) {
        size_t off = watch.at[watch.n - 1] - (uintptr_t)watch.spoil;

        memset(watch.spoil + off / 4 * 4, 0xFE, 4);
    }
    mprotect(watch.base, watch.len, PROT_NONE);
    uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static int watched_reap(struct queue_rig *g, struct vdrv_used *u, uint32_t max)
{
    struct sigaction access = {.sa_sigaction = on_access,
                               .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    struct sigaction old[2];
    int n;

    watch.base = g->f.arena;
    watch.len = 65536;
    watch.n = 0;
    sigaction(SIGSEGV, &access, &old[0]);
    sigaction(SIGTRAP, &step, &old[1]);
    mprotect(watch.base, watch.len, PROT_NONE);
    n = vdrv_queue_reap(&g->q, u, max);
    mprotect(watch.base, watch.len, PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &old[0], NULL);
    sigaction(SIGTRAP, &old[1], NULL);
    return n;
}

static void reads_once(const struct way *w)
{
    struct queue_rig g;
    struct fake_chain c[3];
    struct vdrv_used u[3];
    const size_t bytes = w->packed ? 128 : 70;
    uint8_t *used;

    if (rig_up(&g, w, NULL))
        return;
    for (unsigned round = 0; round < 20; round++) {
        rig_offer(&g, 3, 1, 1, c);
        for (unsigned i = 0; i < 3; i++)
            fake_queue_push(g.dq, &c[i], i);
        fake_queue_publish(g.dq);
        if (w->packed) {
            used = fake_dma(&g.f, g.dq->desc, bytes, VDRV_DIR_IN);
            watch.spoil = used + 8 + 16 * (round * 3 * c[0].slots % 8);
        } else {
            used = fake_dma(&g.f, g.dq->device, bytes, VDRV_DIR_IN);
            watch.spoil = used + 4 + 8 * (round * 3 % 8);
        }
        CHECK_EQ(watched_reap(&g, u, 3), 3);
        for (unsigned i = 0; i < 3; i++) {
            CHECK(u[i].cookie == rig_mem + 1 + i);
            CHECK_EQ(u[i].len, i);
        }
        CHECK(watch.n >= (w->packed ? 6 : 7));
        /* Only the used ring is looked at, nothing of it twice. */
        for (unsigned i = 0; i < watch.n; i++) {
            CHECK(watch.at[i] - (uintptr_t)used < bytes);
            CHECK(!w->packed || (watch.at[i] - (uintptr_t)used) % 16 >= 8);
            for (unsigned k = 0; k < i; k++)
                CHECK(watch.at[i] != watch.at[k]);
        }
        if (check_failures)
            break;
    }
    rig_recovers(&g, 0);
}

static void fault_F11_value_per_read(void)
{
    FOR_WAYS(w)
    reads_once(w);
}
#else
static void fault_F11_value_per_read(void)
{
    CHECK_SKIP("needs single steps on x86-64 Linux");
}
#endif

/* ---- Shared memory that changes ------------------------------------------------ */

static void fault_F12_device_rewrites_ring(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[2];
        struct vdrv_used u[2];

        if (rig_up(&g, w, NULL))
            return;
        g.dq->poison = true;
        for (unsigned i = 0; i < 100; i++) {
            const unsigned first = w->in_order ? 0 : i & 1;

            rig_offer(&g, 2, 1 + i % 2, 1 + i % 3 / 2, c);
            rig_scribble(&g, (uint8_t)i);
            fake_queue_done(g.dq, &c[first], 5);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 2), 1);
            CHECK(u[0].cookie == rig_mem + 1 + first);
            rig_scribble(&g, 0xFF);
            fake_queue_done(g.dq, &c[1 - first], 6);
            CHECK_EQ(vdrv_queue_reap(&g.q, u, 2), 1);
            CHECK_EQ(vdrv_queue_room(&g.q), 8);
            if (check_failures)
                break;
        }
        g.dq->poison = false;
        rig_recovers(&g, 0);
    }
}

static void fault_F13_event_random(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[8];
        struct vdrv_used u[8];
        uint32_t kicks = 0;

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned i = 0; i < 3000; i++) {
            unsigned n = fake_rand(&g.f) % 8 + 1;

            for (unsigned k = 0; k < n; k++)
                CHECK_EQ(rig_add(&g, 0, 1, rig_mem + 1 + k), VDRV_OK);
            if (w->packed)
                fake_packed_set_hints(g.dq, (uint16_t)fake_rand(&g.f),
                                      (uint16_t)fake_rand(&g.f));
            else
                fake_split_set_hints(g.dq, (uint16_t)fake_rand(&g.f),
                                     (uint16_t)fake_rand(&g.f));
            kicks += (uint32_t)vdrv_queue_kick(&g.q);
            for (unsigned k = 0; k < n; k++)
                REQUIRE(fake_queue_pop(g.dq, &c[k]));
            while (n--)
                fake_queue_done(g.dq, &c[n], n);
            CHECK(vdrv_queue_reap(&g.q, u, 8) > 0);
            if (check_failures)
                break;
        }
        CHECK_EQ(g.dq->kicks, kicks);
        rig_recovers(&g, 0);
    }
}

static void fault_F17_nothing_used(void)
{
    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c[2];
        struct vdrv_used u[8];
        uint64_t regs;

        if (rig_up(&g, w, NULL))
            return;
        rig_offer(&g, 2, 1, 1, c);
        regs = g.f.reads + g.f.writes;
        for (uint32_t i = 0; i < 1000000; i++)
            if (vdrv_queue_reap(&g.q, u, 8) != 0)
                CHECK(false);
        CHECK_EQ(g.f.reads + g.f.writes, regs);
        CHECK_EQ(vdrv_queue_outstanding(&g.q), 2);
        rig_recovers(&g, 2);
    }
}

/* The completion comes just before the interrupt is asked for. */
static void fault_F20_late_completion(void)
{
    static const uint32_t mode[] = {VDRV_ARM_NEXT, VDRV_ARM_LATE};

    FOR_WAYS(w)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u;

        if (rig_up(&g, w, NULL))
            return;
        for (unsigned i = 0; i < 1000; i++) {
            CHECK_EQ(vdrv_queue_arm(&g.q, VDRV_ARM_OFF), 0);
            rig_offer(&g, 1, 0, 1, &c);
            CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 0);
            fake_queue_done(g.dq, &c, 1);
            CHECK_EQ(vdrv_queue_arm(&g.q, mode[i & 1]), 1);
            CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
            CHECK_EQ(vdrv_queue_arm(&g.q, mode[i & 1]), 0);
            if (check_failures)
                break;
        }
        rig_recovers(&g, 0);
    }
}

/* ---- Platform ---------------------------------------------------------------------- */

static void fault_F80_alloc_fails(void)
{
    FOR_WAYS(w)
    {
        int err = VDRV_ERR_NO_MEMORY;

        for (uint32_t k = 1; err && k < 10; k++) {
            struct queue_rig g;

            rig_begin(&g, w, NULL);
            g.f.fail_alloc = k;
            err = vdrv_queue_init(&g.q, g.t, &g.cfg);
            g.f.fail_alloc = 0;
            if (err) {
                CHECK_EQ(err, VDRV_ERR_NO_MEMORY);
                CHECK_EQ(g.dq->ready, 0);
                CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
                rig_end(&g);
                continue;
            }
            CHECK(k > 1);
            CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
            rig_recovers(&g, 0);
        }
        CHECK_EQ(err, 0);
    }
}

/* dma_map fails at each segment of a chain, with each code. */
static void map_fails(const struct way *w, uint32_t k, int code)
{
    struct queue_opts o = {
        .machine = {.max_run = 24}, .max = 16, .indirect = 6};
    struct queue_rig g;
    uint32_t room, total;

    if (rig_up(&g, w, &o))
        return;
    room = vdrv_queue_room(&g.q);
    g.f.fail_map = k;
    g.f.fail_map_code = code;
    CHECK_EQ(rig_add(&g, 2, 2, &g),
             code == VDRV_ERR_AGAIN ? code : VDRV_ERR_INVALID);
    CHECK_EQ(g.f.fail_map, 0);
    CHECK_EQ(vdrv_queue_room(&g.q), room);
    CHECK_EQ(vdrv_queue_outstanding(&g.q), 0);
    CHECK_EQ(g.f.maps_live, 0);
    CHECK_EQ(vdrv_queue_kick(&g.q), 0);
    total = g.f.maps_total;
    CHECK_EQ(rig_add(&g, 2, 2, &g), VDRV_OK);
    CHECK(g.f.maps_total >= total + 12);
    rig_down(&g, 1);
}

static void fault_F81_map_fails(void)
{
    static const int code[] = {VDRV_ERR_AGAIN, VDRV_ERR_INVALID, VDRV_ERR_IO,
                               -77};

    FOR_WAYS_IF(w, w->mode == FAKE_MAPPED)
    for (uint32_t k = 1; k <= 12; k++)
        for (int i = 0; i < 4; i++)
            map_fails(w, k, code[i]);
}

static void fault_F82_bad_address(void)
{
    FOR_WAYS(w)
    {
        for (uint32_t off = 1; off < 64; off *= 2) {
            struct queue_rig g;

            rig_begin(&g, w, NULL);
            g.f.dma_misalign = off;
            CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
            g.f.dma_misalign = 0;
            CHECK_EQ(g.dq->ready, 0);
            CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
            rig_end(&g);
        }
    }
}

static void fault_F82_address_too_high(void)
{
    for (int lie = 0; lie < 2; lie++) {
        struct queue_rig g;

        /* A transport that can tell 32 bits, as the legacy ones. */
        rig_begin(&g, ways, NULL);
        g.t->dma_limit = UINT32_MAX;
        g.f.ignore_limit = lie;
        CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg),
                 lie ? VDRV_ERR_INVALID : VDRV_ERR_NO_MEMORY);
        CHECK(fake_balanced(&g.f));
        CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
        rig_end(&g);
    }
}

static void *wrapping_alloc(void *ctx, size_t size, size_t align,
                            uint64_t limit, uint32_t flags, uint64_t *dma)
{
    (void)ctx, (void)limit, (void)flags;
    *dma = UINT64_MAX - 63; /* aligned, and wraps */
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void wrapping_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                          uint32_t flags)
{
    (void)ctx, (void)dma, (void)size, (void)flags;
    free(ptr);
}

static void fault_F82_address_wraps(void)
{
    struct queue_rig g;

    rig_begin(&g, ways, NULL);
    g.f.hal.dma_alloc = wrapping_alloc;
    g.f.hal.dma_free = wrapping_free;
    CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
    rig_end(&g);
}

/* A dma_map that answers nonsense: nothing is given to the device. */
static int nonsense;

static int nonsense_map(void *ctx, void *ptr, uint32_t len, uint32_t dir,
                        uint32_t flags, uint64_t *dma, uint32_t *run)
{
    struct fake *f = ctx;

    (void)ptr, (void)dir, (void)flags;
    f->maps_live++;
    *run = nonsense == 0 ? 0 : nonsense == 1 ? len + 1 : len;
    *dma = nonsense == 2 ? UINT64_MAX - len + 2 : 0x1000;
    return VDRV_OK;
}

static void nonsense_unmap(void *ctx, void *ptr, uint64_t dma, uint32_t run,
                           uint32_t dir, uint32_t flags)
{
    (void)ptr, (void)dma, (void)run, (void)dir, (void)flags;
    ((struct fake *)ctx)->maps_live--;
}

static void fault_F82_map_answers_nonsense(void)
{
    FOR_WAYS_IF(w, w->mode == FAKE_MAPPED)
    for (nonsense = 0; nonsense < 3; nonsense++) {
        struct queue_rig g;

        if (rig_up(&g, w, NULL))
            return;
        g.f.hal.dma_map = nonsense_map;
        g.f.hal.dma_unmap = nonsense_unmap;
        CHECK_EQ(rig_add(&g, 1, 1, &g), VDRV_ERR_INVALID);
        CHECK_EQ(g.f.maps_live, 0);
        CHECK_EQ(vdrv_queue_room(&g.q), 8);
        rig_down(&g, 0);
    }
}

/* Both halves of each address reach the device. */
static void fault_F83_high_addresses(void)
{
    static const uint64_t base[] = {0x123456000u, 0xFFFFF000u - 0x1000,
                                    1ull << 44, 0xFEDCBA9876540000u};

    FOR_WAYS(w)
    {
        for (int i = 0; i < 4; i++) {
            struct queue_opts o = {
                .machine = {.dma_base = base[i],
                            .iova_base = base[i] + 0x100000000u}};
            struct queue_rig g;

            if (rig_up(&g, w, &o))
                return;
            CHECK_EQ(g.dq->desc, g.f.allocs[0].dma);
            CHECK(g.dq->driver - g.dq->desc < 4096);
            CHECK(g.dq->device - g.dq->desc < 4096);
            rig_recovers(&g, 0);
        }
    }
}

/* Data moves at unmap, once, with the right direction. */
static void fault_F84_bounce(void)
{
    FOR_WAYS_IF(w, w->mode == FAKE_MAPPED)
    {
        struct queue_rig g;
        struct fake_chain c;
        struct vdrv_used u;
        uint8_t out[16] = "to the device", in[16] = "old", got[16];
        struct vdrv_seg seg[2] = {vdrv_seg_out(out, 16), vdrv_seg_in(in, 16)};

        if (rig_up(&g, w, NULL))
            return;
        CHECK_EQ(vdrv_queue_add(&g.q, seg, 1, 1, &g), VDRV_OK);
        memset(out, 0, sizeof(out)); /* too late: bounced */
        CHECK(vdrv_queue_kick(&g.q) >= 0);
        REQUIRE(fake_queue_pop(g.dq, &c));
        fake_chain_read(&c, 0, got, 16);
        CHECK(strcmp((char *)got, "to the device") == 0);
        fake_chain_write(&c, 0, "from the device", 16);
        fake_queue_done(g.dq, &c, 16);
        CHECK(strcmp((char *)in, "old") == 0);
        CHECK_EQ(vdrv_queue_reap(&g.q, &u, 1), 1);
        CHECK(strcmp((char *)in, "from the device") == 0);
        CHECK_EQ(out[0], 0);
        CHECK_EQ(g.f.maps_live, 0);
        CHECK_EQ(g.f.maps_total, 2);
        rig_down(&g, 0);
    }
}

/* BASIC-51, BASIC-52, BASIC-53: with ACCESS_PLATFORM the platform's addresses, without it
   physical ones. */
static void fault_F85_access_platform(void)
{
    FOR_WAYS(w)
    {
        for (int on = 0; on < 2; on++) {
            struct queue_opts o = {.offer = on ? BIT64(33) : 0,
                                   .want = BIT64(33),
                                   .platform = w->mode == FAKE_DIRECT};
            struct queue_rig g;

            rig_begin(&g, w, &o);
            CHECK_EQ(vdrv_feature(g.t->features, 33), on);
            g.f.expect_physical = on ? -1 : 1;
            CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_OK);
            CHECK_EQ(vdrv_transport_ready(g.t), VDRV_OK);
            CHECK_EQ(rig_add(&g, 1, 1, &g), VDRV_OK);
            rig_down(&g, 1);
        }
    }
}

/* Nobody to say what its addresses are: refused, and told nothing. */
static void fault_F85_platform_without_hook(void)
{
    FOR_WAYS_IF(w, w->mode == FAKE_DIRECT)
    {
        struct queue_opts o = {.offer = BIT64(33),
                               .want = BIT64(33),
                               .begin = VDRV_ERR_UNSUPPORTED};
        struct queue_rig g;

        rig_begin(&g, w, &o);
        CHECK(fake_log_contains(&g.f, "neither dma_map nor direct_platform"));
        CHECK_EQ(g.dev.status & 0x8B, 0x83);
        CHECK_EQ(g.dev.accepted[0], 0);
        CHECK_EQ(g.t->claimed, 0);
        rig_end(&g);
    }
}

/*
 * A window that says nothing about ACCESS_PLATFORM is for physical addresses:
 * with it all goes through dma_map, and without it, or when the window holds
 * for both, nothing of the window does.
 */
static void fault_F85_window_of_physical(void)
{
    FOR_WAYS_IF(w, w->mode == FAKE_MAPPED)
    {
        for (unsigned i = 0; i < 4; i++) {
            const bool on = (i & 1) != 0, both = (i & 2) != 0;
            const struct way windowed = {FAKE_WINDOW, w->indirect, w->event,
                                         w->packed, w->in_order};
            struct queue_opts o = {.offer = on ? BIT64(33) : 0,
                                   .want = BIT64(33),
                                   .platform = both};
            struct queue_rig g;
            struct vdrv_seg seg[2];
            uint64_t dma;
            uint8_t *p;

            if (rig_up(&g, &windowed, &o))
                return;
            p = g.f.hal.dma_alloc(&g.f, 128, 64, UINT64_MAX, 0, &dma);
            memset(p, 0, 128);
            seg[0] = vdrv_seg_out(p, 64);
            seg[1] = vdrv_seg_in(p + 64, 64);
            CHECK_EQ(vdrv_queue_add(&g.q, seg, 1, 1, &g), VDRV_OK);
            CHECK_EQ(g.f.maps_live, on && !both ? 2 : 0);
            CHECK_EQ(rig_drain(&g), 1);
            g.f.hal.dma_free(&g.f, p, dma, 128, 0);
            rig_down(&g, 0);
        }
    }
}

/* A queue whose registers lie gives its memory back once it was reset. */
static void fault_F40_queue_ready_lies(void)
{
    static const uint32_t lie[] = {FAKE_READY_SET, FAKE_READY_CLEAR};

    FOR_WAYS(w)
    {
        for (int i = 0; i < 2; i++) {
            struct queue_rig g;

            rig_begin(&g, w, NULL);
            g.slot.queue_ready = lie[i];
            CHECK_EQ(vdrv_queue_init(&g.q, g.t, &g.cfg), VDRV_ERR_PROTOCOL);
            CHECK_EQ(vdrv_transport_reset(g.t, 0), VDRV_OK);
            vdrv_queue_fini(&g.q);
            rig_end(&g);
        }
    }
}

static const struct check_case cases[] = {
    {"fault_F01_id_beyond", fault_F01_id_beyond},
    {"fault_F02_id_mid_chain", fault_F02_id_mid_chain},
    {"fault_F03_id_free", fault_F03_id_free},
    {"fault_F04_id_twice", fault_F04_id_twice},
    {"fault_F05_idx_jumps", fault_F05_idx_jumps},
    {"fault_F05_idx_of_unkicked", fault_F05_idx_of_unkicked},
    {"fault_F05_packed_more_than_out", fault_F05_packed_more_than_out},
    {"fault_F06_idx_back", fault_F06_idx_back},
    {"fault_F21_wrap", fault_F21_wrap},
    {"fault_F21_old_lap", fault_F21_old_lap},
    {"fault_F07_len_too_long", fault_F07_len_too_long},
    {"fault_F09_len_of_readable", fault_F09_len_of_readable},
    {"fault_F10_any_order", fault_F10_any_order},
    {"fault_F11_value_per_read", fault_F11_value_per_read},
    {"fault_F12_device_rewrites_ring", fault_F12_device_rewrites_ring},
    {"fault_F13_event_random", fault_F13_event_random},
    {"fault_F17_nothing_used", fault_F17_nothing_used},
    {"fault_F20_late_completion", fault_F20_late_completion},
    {"fault_F40_queue_ready_lies", fault_F40_queue_ready_lies},
    {"fault_F80_alloc_fails", fault_F80_alloc_fails},
    {"fault_F81_map_fails", fault_F81_map_fails},
    {"fault_F82_bad_address", fault_F82_bad_address},
    {"fault_F82_address_too_high", fault_F82_address_too_high},
    {"fault_F82_address_wraps", fault_F82_address_wraps},
    {"fault_F82_map_answers_nonsense", fault_F82_map_answers_nonsense},
    {"fault_F83_high_addresses", fault_F83_high_addresses},
    {"fault_F84_bounce", fault_F84_bounce},
    {"fault_F85_access_platform", fault_F85_access_platform},
    {"fault_F85_platform_without_hook", fault_F85_platform_without_hook},
    {"fault_F85_window_of_physical", fault_F85_window_of_physical},
};

CHECK_MAIN(cases)
