/* SPDX-License-Identifier: MIT */
/*
 * A real file system and a real database on QEMU's disks: ext4 by libext2fs,
 * judged by e2fsck on the image; SQLite, judged by itself on the image; and
 * the power that fails.  For that QEMU logs every write and every flush in
 * order (blklogwrites); what a disk may hold after a power cut, all up to a
 * flush and any part of what follows, is made of the log and looked at.
 */
#include "check.h"
#include "qtest_machine.h"

#include <sys/mman.h>
#include <unistd.h>

#ifdef HAVE_DISK_USERS

#include "disk_stories.h"

#define LARGE (32u << 20) /* a disk for files, */
#define SMALL (2u << 20)  /* and for a database */
#define LOG   (64u << 20)

struct stand {
    struct qtest_machine m;
    struct vdrv_virtio_blk drv;
    struct vdrv_block *blk;
    void *work;
    int image;
    int log;
    size_t size;
    uint8_t *file;
    uint8_t *logged;
};

static uint8_t *map_file(int fd, size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void put_away(struct stand *s)
{
    if (s->blk != NULL)
        CHECK_EQ(vdrv_virtio_blk_fini(&s->drv), VDRV_OK);
    qtest_end(&s->m);
    munmap(s->file, s->size);
    munmap(s->logged, LOG);
    close(s->image);
    close(s->log);
    free(s->work);
    free(s);
}

static int start_driver(struct stand *s, const struct vdrv_queue_kind *packed)
{
    struct vdrv_virtio_blk_config cfg = {.queue_size = 128, .packed = packed};
    struct vdrv_transport *t = qtest_find(&s->m, VDRV_VIRTIO_BLK_ID);

    if (t == NULL)
        return VDRV_ERR_NO_DEVICE;
    cfg.work_size = vdrv_virtio_blk_work_size(t, &cfg);
    cfg.work = s->work = malloc(cfg.work_size);
    return vdrv_virtio_blk_init(&s->drv, t, &cfg);
}

/* `log`: QEMU logs what is written, with these options more.  NULL: the case
   has failed or is skipped. */
static struct stand *set_up(uint32_t board, const char *props, const char *log,
                            const struct vdrv_queue_kind *packed)
{
    struct stand *s = calloc(1, sizeof(*s));
    char more[512], image[64];
    struct qtest_setup setup = {.board = board,
                                .device = "virtio-blk",
                                .props = props,
                                .more = more,
                                .packed = packed != NULL};
    int err, n;

    s->size = log != NULL ? SMALL : LARGE;
    s->image = qtest_file(s->size);
    s->log = qtest_file(LOG);
    s->file = map_file(s->image, s->size);
    s->logged = map_file(s->log, LOG);
    snprintf(image, sizeof(image), "%s", qtest_file_name(s->image));
    n = snprintf(more, sizeof(more),
                 "-blockdev driver=file,node-name=%s,filename=%s",
                 log != NULL ? "f0" : "d0", image);
    if (log != NULL)
        snprintf(more + n, sizeof(more) - (size_t)n,
                 " -blockdev driver=file,node-name=l0,filename=%s"
                 " -blockdev driver=blklogwrites,node-name=d0,file=f0,log=l0,"
                 "log-sector-size=512%s",
                 qtest_file_name(s->log), log);
    err = qtest_start(&s->m, &setup);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(s, packed);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK) {
            s->blk = &s->drv.block;
            return s;
        }
    }
    put_away(s);
    return NULL;
}

static void ext4(uint32_t board, const char *props,
                 const struct vdrv_queue_kind *packed)
{
    struct stand *s = set_up(board, props, NULL, packed);
    int code;

    if (s == NULL)
        return;
    CHECK_EQ(story_ext4(s->blk, check_seed()), 0);
    code = story_fsck(s->file, s->size);
    put_away(s);
    if (code < 0)
        CHECK_SKIP("e2fsck is not installed");
    CHECK_EQ(code, 0);
}

static void test_ext4_pc(void)
{
    ext4(QTEST_PC, "drive=d0", NULL);
}

static void test_ext4_virt_mmio_4k_packed(void)
{
    ext4(QTEST_VIRT_MMIO,
         "drive=d0,logical_block_size=4096,physical_block_size=4096",
         &vdrv_queue_packed);
}

static void test_sqlite_pc(void)
{
    struct stand *s = set_up(QTEST_PC, "drive=d0", NULL, NULL);

    if (s == NULL)
        return;
    CHECK_EQ(story_transactions(s->blk, 30, NULL), 30);
    CHECK_EQ(story_verify(s->blk), 30);
    CHECK_EQ(story_verify_image(s->file, s->size, 512), 30);
    put_away(s);
}

/* ---- The power fails -------------------------------------------------------- */

/* The log: a head, then entries, each a sector and then its data. */
#define LOG_MAGIC   UINT64_C(0x6a736677736872)
#define LOG_SECTOR  512u
#define LOG_FLUSH   1u
#define LOG_DISCARD 4u

#define TRANSACTIONS 25
#define TAILS        2 /* for each flush */

struct entry {
    uint64_t sector, sectors, flags, bytes;
};

static struct {
    const uint8_t *log;
    size_t at;        /* how far it was read, */
    uint32_t flushes; /* and how many were before */
    /* Flushes in the log when a transaction was acknowledged. */
    uint32_t after[TRANSACTIONS + 1];
} seen;

/* The entry at `at`; false: there is none yet. */
static bool entry_at(const uint8_t *log, size_t at, struct entry *e)
{
    memcpy(e, log + at, sizeof(*e));
    return e->sectors != 0 || e->flags != 0;
}

static size_t after(size_t at, const struct entry *e)
{
    return at + LOG_SECTOR +
           ((e->flags & LOG_DISCARD) != 0 ? 0 : e->sectors * LOG_SECTOR);
}

static void on_acked(int k)
{
    struct entry e;

    for (; entry_at(seen.log, seen.at, &e); seen.at = after(seen.at, &e))
        seen.flushes += (e.flags & LOG_FLUSH) != 0;
    seen.after[k] = seen.flushes;
}

/* One sector in so many of an entry reaches the disk; 1: all. */
static void apply(const uint8_t *log, size_t at, const struct entry *e,
                  uint8_t *image, uint32_t one_in, uint64_t *random)
{
    for (uint64_t i = 0; i < e->sectors && e->sector + i < SMALL / LOG_SECTOR;
         i++) {
        uint8_t *to = image + (e->sector + i) * LOG_SECTOR;

        if (one_in > 1 && qtest_random(random, one_in) != 0)
            continue;
        if ((e->flags & LOG_DISCARD) != 0)
            memset(to, 0, LOG_SECTOR);
        else
            memcpy(to, log + at + LOG_SECTOR * (1 + i), LOG_SECTOR);
    }
}

/* Some of what was written between `at` and the next flush. */
static void apply_tail(const uint8_t *log, size_t at, uint8_t *image,
                       uint64_t *random)
{
    struct entry e;

    for (; entry_at(log, at, &e) && (e.flags & LOG_FLUSH) == 0;
         at = after(at, &e))
        apply(log, at, &e, image, 2, random);
}

/*
 * Every prefix up to a flush, alone and with random parts of its tail: all
 * that was acknowledged by then is intact.  Returns the states that are not.
 */
static uint32_t replay(const uint8_t *log, int acked, uint32_t *states)
{
    uint64_t random = check_seed();
    uint8_t *image = calloc(1, SMALL), *cut = malloc(SMALL);
    uint32_t lost = 0, flushes = 0;
    size_t at = LOG_SECTOR;
    struct entry e;
    bool more = true;

    for (*states = 0; more; flushes++) {
        int expected = 0;

        while (expected < acked && seen.after[expected + 1] <= flushes)
            expected++;
        for (int tail = 0; tail <= TAILS; tail++, ++*states) {
            memcpy(cut, image, SMALL);
            if (tail > 0)
                apply_tail(log, at, cut, &random);
            lost += story_verify_image(cut, SMALL, 512) < expected;
        }
        while ((more = entry_at(log, at, &e)) && (e.flags & LOG_FLUSH) == 0) {
            apply(log, at, &e, image, 1, NULL);
            at = after(at, &e);
        }
        at = after(at, &e);
    }
    free(image);
    free(cut);
    return lost;
}

/* Returns the states after which something acknowledged was lost. */
static uint32_t power_cuts(const char *log, bool no_flush)
{
    struct stand *s = set_up(QTEST_PC, "drive=d0", log, NULL);
    struct story_fuse f;
    uint32_t lost, states;
    uint64_t magic;
    int acked;

    if (s == NULL)
        return 0;
    memset(&seen, 0, sizeof(seen));
    seen.log = s->logged;
    seen.at = LOG_SECTOR;
    story_fuse_init(&f, s->blk, UINT64_MAX);
    f.lie = no_flush;
    acked = story_transactions(&f.block, TRANSACTIONS, on_acked);
    CHECK_EQ(acked, TRANSACTIONS);
    memcpy(&magic, s->logged, sizeof(magic));
    CHECK_EQ(seen.flushes > 0 ? magic : LOG_MAGIC, LOG_MAGIC);
    lost = replay(s->logged, acked, &states);
    printf("  %u flushes, %u power cuts, %u lost something\n", seen.flushes,
           states, lost);
    CHECK_EQ(story_verify_image(s->file, s->size, 512), TRANSACTIONS);
    put_away(s);
    return lost;
}

static void test_power_cuts(void)
{
    CHECK_EQ(power_cuts("", false), 0);
    CHECK(check_skip_why != NULL || seen.flushes > 2 * TRANSACTIONS);
}

/* The tests of the test. */
static void test_no_flush_is_noticed(void)
{
    CHECK(power_cuts("", true) > 0 || check_skip_why != NULL);
}

static void test_cache_without_flush_is_noticed(void)
{
    CHECK(power_cuts(",cache.no-flush=on", false) > 0 ||
          check_skip_why != NULL);
}

static const struct check_case cases[] = {
    {"ext4_pc", test_ext4_pc},
    {"ext4_virt_mmio_4k_packed", test_ext4_virt_mmio_4k_packed},
    {"sqlite_pc", test_sqlite_pc},
    {"power_cuts", test_power_cuts},
    {"no_flush_is_noticed", test_no_flush_is_noticed},
    {"cache_without_flush_is_noticed", test_cache_without_flush_is_noticed},
};

#else

static void test_skipped(void)
{
    CHECK_SKIP("libext2fs-dev or libsqlite3-dev is not installed");
}

static const struct check_case cases[] = {{"stories", test_skipped}};

#endif

int main(int argc, char **argv)
{
    (void)qtest_operations(&argc, argv, 0);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
