/* SPDX-License-Identifier: MIT */
/*
 * Faults that are told from above the ring, with every ring below: split and
 * packed, each also in order, direct and through bounce buffers.  The block
 * driver stands for all.
 */
#include "disk_rig.h"

#define READS 6u

struct kind {
    const char *name;
    bool packed;
    bool in_order;
    uint32_t mode;
};

static const struct kind kinds[] = {
    {"split", false, false, FAKE_DIRECT},
    {"split, bounced", false, false, FAKE_MAPPED},
    {"packed", true, false, FAKE_DIRECT},
    {"packed, bounced", true, false, FAKE_MAPPED},
    {"split in order", false, true, FAKE_DIRECT},
    {"split in order, bounced", false, true, FAKE_MAPPED},
    {"packed in order", true, true, FAKE_DIRECT},
    {"packed in order, bounced", true, true, FAKE_MAPPED},
};

#define FOR_KINDS(k)                                                           \
    for (const struct kind *k = kinds;                                         \
         k < kinds + sizeof(kinds) / sizeof(kinds[0]) && check_failures == 0;  \
         k++)

struct read {
    struct vdrv_block_request req; /* first */
    struct vdrv_seg seg;
    uint8_t data[512];
    int done;
};

static struct read reads[READS];
static uint8_t buf[512];

static void ended(struct vdrv_block_request *req)
{
    ((struct read *)req)->done++;
}

/* A disk on this ring, which is what was negotiated. */
static bool up(struct disk_rig *g, const struct kind *k)
{
    const struct disk_opts o = {
        .machine = {.mode = k->mode},
        .drv = {.timeout_us = 50000,
                .packed = k->in_order ? &vdrv_queue_packed_in_order
                                      : &vdrv_queue_packed,
                .in_order = &vdrv_queue_split_in_order}};

    disk_machine(g, &o);
    fake_dev_offer(&g->dev.dev, FAKE_F_RING_PACKED, k->packed);
    fake_dev_offer(&g->dev.dev, FAKE_F_IN_ORDER, k->in_order);
    CHECK_EQ(disk_probe(g), VDRV_OK);
    CHECK_EQ(disk_init(g), VDRV_OK);
    CHECK_EQ(vdrv_feature(g->t->features, 34), k->packed);
    CHECK_EQ(vdrv_feature(g->t->features, 35), k->in_order);
    if (check_failures)
        printf("  %s\n", k->name);
    return check_failures == 0;
}

static void read_all(struct disk_rig *g)
{
    for (uint32_t i = 0; i < READS; i++) {
        struct read *r = &reads[i];

        memset(r, 0, sizeof(*r));
        r->seg = vdrv_seg_in(r->data, 512);
        r->req.op = VDRV_BLOCK_READ;
        r->req.block = i;
        r->req.segs = &r->seg;
        r->req.nsegs = 1;
        r->req.done = ended;
        CHECK_EQ(vdrv_block_submit(g->blk, &r->req), VDRV_OK);
    }
    CHECK(vdrv_block_kick(g->blk, 0) >= 0);
    fake_step(&g->f);
}

static void all_ended(int err)
{
    for (uint32_t i = 0; i < READS; i++) {
        CHECK_EQ(reads[i].done, 1);
        CHECK_EQ(reads[i].req.status, err);
    }
}

/* Works again, and is taken down. */
static void down(struct disk_rig *g)
{
    g->dev.dev.complete = FAKE_COMPLETE_NOW;
    disk_works(g);
    disk_down(g);
}

/* Nothing is written, length 0: the error of that request alone. */
static void fault_F08_len_zero(void)
{
    FOR_KINDS(k)
    {
        struct disk_rig g;

        if (!up(&g, k))
            return;
        fake_blk_plan(&g.dev, (struct fake_blk_fault){.type = FAKE_BLK_IN,
                                                      .skip = 2,
                                                      .count = 1,
                                                      .status = -1,
                                                      .silent = true});
        read_all(&g);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), (int)READS);
        for (uint32_t i = 0; i < READS; i++) {
            CHECK_EQ(reads[i].done, 1);
            CHECK_EQ(reads[i].req.status, i == 2 ? VDRV_ERR_PROTOCOL : VDRV_OK);
        }
        fake_blk_faults_clear(&g.dev);
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        down(&g);
    }
}

static void fault_F14_never_completes(void)
{
    FOR_KINDS(k)
    {
        struct disk_rig g;

        if (!up(&g, k))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        read_all(&g);
        CHECK_EQ(vdrv_block_read_block(g.blk, 9, buf, 512), VDRV_ERR_TIMEOUT);
        CHECK(g.f.now < 200000);
        all_ended(VDRV_ERR_ABORTED);
        down(&g);
    }
}

/* No reset is had after the time-out: the memory stays the device's, and what
   it completes then is taken in silence. */
static void fault_F15_late(void)
{
    FOR_KINDS(k)
    {
        struct disk_rig g;

        if (!up(&g, k))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        g.dev.dev.reset_never = true;
        read_all(&g);
        memset(buf, 0x11, sizeof(buf));
        CHECK_EQ(vdrv_block_read_block(g.blk, 9, buf, 512), VDRV_ERR_STUCK);
        for (uint32_t i = 0; i < READS; i++)
            CHECK_EQ(reads[i].req.status, VDRV_PENDING);
        fake_dev_release_all(&g.dev.dev);
        (void)vdrv_poll(&g.blk->dev, 0, 0);
        for (uint32_t i = 0; i < READS; i++)
            CHECK(reads[i].done <= 1);
        g.dev.dev.reset_never = false;
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        for (uint32_t i = 0; i < READS; i++)
            CHECK_EQ(reads[i].done, 1);
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        down(&g);
    }
}

static struct disk_rig *late_rig;

static uint32_t complete_late(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == DISK_STATUS && late_rig->dev.dev.resetting &&
        fake_dev_pending(&late_rig->dev.dev))
        fake_dev_release(&late_rig->dev.dev, 0);
    return a->value;
}

/* Completions while the reset is awaited do not reach the new ring. */
static void fault_F16_completes_during_reset(void)
{
    FOR_KINDS(k)
    {
        struct disk_rig g;

        if (!up(&g, k))
            return;
        late_rig = &g;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        g.dev.dev.reset_reads = 5;
        read_all(&g);
        g.f.read_hook = complete_late;
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        g.f.read_hook = NULL;
        all_ended(VDRV_ERR_ABORTED);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        down(&g);
    }
}

static struct disk_rig *irq_rig;

static void irq_in_write(void *arg, const struct fake_access *a)
{
    (void)arg;
    if (a->addr == DISK_STATUS && a->value >= 0xB)
        (void)vdrv_irq(&irq_rig->blk->dev, 0);
}

/* While it starts, stopped, and broken: only the register is looked at. */
static void fault_F18_irq_out_of_time(void)
{
    FOR_KINDS(k)
    {
        struct disk_rig g;

        if (!up(&g, k))
            return;
        irq_rig = &g;
        g.slot.isr_always = 3;
        CHECK_EQ(vdrv_stop(&g.blk->dev), VDRV_OK);
        (void)vdrv_irq(&g.blk->dev, 0);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_BAD_STATE);
        g.f.write_hook = irq_in_write;
        CHECK_EQ(vdrv_start(&g.blk->dev), VDRV_OK);
        g.f.write_hook = NULL;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        read_all(&g);
        vdrv_queue_break(&g.drv.queue[0].vq, VDRV_ERR_PROTOCOL);
        fake_dev_release_all(&g.dev.dev);
        (void)vdrv_irq(&g.blk->dev, 0);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), VDRV_ERR_PROTOCOL);
        for (uint32_t i = 0; i < READS; i++)
            CHECK_EQ(reads[i].done, 0);
        g.slot.isr_always = 0;
        CHECK_EQ(vdrv_reset(&g.blk->dev), VDRV_OK);
        all_ended(VDRV_ERR_ABORTED);
        down(&g);
    }
}

/* Always set, also all ones: bounded, and no completion is made of it. */
static void fault_F19_isr_stuck(void)
{
    static const uint32_t isr[] = {1, 0xFF, 0xFFFFFFFF};

    FOR_KINDS(k)
    for (uint32_t i = 0; i < 3; i++) {
        struct disk_rig g;
        uint64_t accesses;

        if (!up(&g, k))
            return;
        g.dev.dev.complete = FAKE_COMPLETE_HELD;
        read_all(&g);
        g.slot.isr_always = isr[i];
        accesses = g.f.reads + g.f.writes;
        for (int n = 0; n < 1000; n++) {
            (void)vdrv_irq(&g.blk->dev, 0);
            CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), 0);
        }
        CHECK(g.f.reads + g.f.writes - accesses <= 4000);
        fake_dev_release_all(&g.dev.dev);
        CHECK_EQ(vdrv_poll(&g.blk->dev, 0, 0), (int)READS);
        all_ended(VDRV_OK);
        down(&g);
    }
}

static const struct check_case cases[] = {
    {"fault_F08_len_zero", fault_F08_len_zero},
    {"fault_F14_never_completes", fault_F14_never_completes},
    {"fault_F15_late", fault_F15_late},
    {"fault_F16_completes_during_reset", fault_F16_completes_during_reset},
    {"fault_F18_irq_out_of_time", fault_F18_irq_out_of_time},
    {"fault_F19_isr_stuck", fault_F19_isr_stuck},
};

CHECK_MAIN(cases)
