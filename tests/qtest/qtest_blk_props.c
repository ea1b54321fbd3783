/* SPDX-License-Identifier: MIT */
/*
 * The block driver on QEMU's disks as their properties make them: block sizes
 * and topology, caches, limits, rings, queues with a thread each; and disks
 * that change size, fail, or are slow while requests are in flight.  What the
 * driver says of a disk is held against what QEMU was told, and what it did
 * against the image file, QEMU's counters and QEMU's log of writes.
 *
 * `-n N` does N operations on each disk instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE     (4u << 20)
#define LOG       (16u << 20)
#define JOBS      8u
#define JOB_BYTES 32768u
#define SEGS      4u
#define LANES     4u
#define PATIENCE  20000000u /* us for what takes milliseconds */

static uint32_t operations;

struct stand;

/* One request at a time, in a part of the disk that nobody else touches. */
struct job {
    struct vdrv_block_request req;
    struct vdrv_seg segs[SEGS];
    struct lane *lane;
    uint8_t *buf; /* JOB_BYTES that the device sees */
    uint64_t first;
    uint64_t blocks; /* of its part */
    int busy;
};

/* What one thread does on one queue; it counts its own mistakes. */
struct lane {
    struct stand *s;
    uint32_t queue;
    uint64_t random;
    struct job jobs[JOBS];
    uint32_t busy;
    uint32_t wrong;
    uint32_t done[VDRV_BLOCK_GET_ID + 1];
};

struct row {
    const char *name;
    const char *props; /* of the device */
    const char *file;  /* further options of the file node */
    const char *more;  /* further arguments */
    const char *disk;  /* a node d0 on top of the file f0; NULL: the file */
    void (*told)(struct stand *s); /* what the driver has to say of it */
    uint32_t board;
    uint32_t mode;
    uint32_t queues;
    uint32_t vectors;
    int packed;
    int log; /* blklogwrites between */
};

struct stand {
    struct qtest_machine m;
    struct vdrv_transport *t;
    struct vdrv_virtio_blk drv;
    struct vdrv_block *blk;
    struct vdrv_block_caps caps;
    void *work;
    int image;
    int log;
    uint8_t *file;   /* the image, as QEMU left it */
    uint8_t *logged; /* QEMU's log, if it keeps one */
    uint8_t *model;
    uint8_t *wild; /* by block; discarded: the model or zeros */
    struct lane *lanes;
    uint32_t nlanes;
};

/* ---- Up and down -------------------------------------------------------- */

static uint8_t *map_file(int fd, size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void make_files(struct stand *s)
{
    uint64_t random = check_seed();

    s->image = qtest_file(IMAGE);
    s->log = qtest_file(LOG);
    s->file = map_file(s->image, IMAGE);
    s->logged = map_file(s->log, LOG);
    s->model = malloc(IMAGE);
    s->wild = calloc(IMAGE / 512, 1);
    for (uint32_t i = 0; i < IMAGE; i += 4) {
        const uint32_t word = qtest_random(&random, UINT32_MAX) | 1;

        memcpy(s->model + i, &word, 4);
    }
    memcpy(s->file, s->model, IMAGE);
}

static int start_machine(struct stand *s, const struct row *row)
{
    char more[1024], props[256];
    struct qtest_setup setup = {.board = row->board,
                                .device = "virtio-blk",
                                .props = props,
                                .more = more,
                                .mode = row->mode,
                                .packed = row->packed};
    const int below = row->disk != NULL || row->log;
    int n;

    snprintf(props, sizeof(props), "drive=d0%s%s",
             row->props != NULL ? "," : "",
             row->props != NULL ? row->props : "");
    n = snprintf(more, sizeof(more),
                 "%s -blockdev driver=file,node-name=%s,filename=%s%s ",
                 row->more != NULL ? row->more : "", below ? "f0" : "d0",
                 qtest_file_name(s->image), row->file != NULL ? row->file : "");
    if (row->log)
        snprintf(more + n, sizeof(more) - (size_t)n,
                 "-blockdev driver=file,node-name=l0,filename=%s -blockdev "
                 "driver=blklogwrites,node-name=d0,file=f0,log=l0,"
                 "log-sector-size=512",
                 qtest_file_name(s->log));
    else if (row->disk != NULL)
        snprintf(more + n, sizeof(more) - (size_t)n,
                 "-blockdev node-name=d0,%s", row->disk);
    return qtest_start(&s->m, &setup);
}

static int start_driver(struct stand *s, const struct row *row)
{
    struct vdrv_virtio_blk_config cfg = {
        .queues = row->queues,
        .packed = row->packed ? &vdrv_queue_packed : NULL};
    int err;

    s->t = qtest_find(&s->m, VDRV_VIRTIO_BLK_ID);
    if (s->t == NULL)
        return VDRV_ERR_NO_DEVICE;
    cfg.work_size = vdrv_virtio_blk_work_size(s->t, &cfg);
    cfg.work = s->work = malloc(cfg.work_size);
    err = vdrv_virtio_blk_init(&s->drv, s->t, &cfg);
    if (err != VDRV_OK)
        return err;
    s->blk = &s->drv.block;
    return vdrv_block_get_caps(s->blk, &s->caps);
}

/* Divides the disk among the jobs of all lanes. */
static void make_lanes(struct stand *s)
{
    uint64_t part;

    s->nlanes = s->caps.queues;
    s->lanes = calloc(s->nlanes, sizeof(*s->lanes));
    part = s->caps.num_blocks / (s->nlanes * JOBS);
    for (uint32_t i = 0; i < s->nlanes * JOBS; i++) {
        struct lane *l = &s->lanes[i / JOBS];
        struct job *j = &l->jobs[i % JOBS];

        l->s = s;
        l->queue = i / JOBS;
        l->random = check_seed_value * 64 + l->queue;
        j->lane = l;
        j->buf = qtest_alloc(&s->m, JOB_BYTES);
        j->first = i * part;
        j->blocks = part;
    }
}

static void put_away(struct stand *s)
{
    if (s->blk != NULL)
        CHECK_EQ(vdrv_virtio_blk_fini(&s->drv), VDRV_OK);
    for (uint32_t i = 0; s->lanes != NULL && i < s->nlanes * JOBS; i++)
        qtest_free(&s->m, s->lanes[i / JOBS].jobs[i % JOBS].buf, JOB_BYTES);
    if (s->blk != NULL)
        CHECK_EQ(s->m.live_pages, 0); /* what was allocated or mapped */
    qtest_end(&s->m);
    munmap(s->file, IMAGE);
    munmap(s->logged, LOG);
    close(s->image);
    close(s->log);
    free(s->lanes);
    free(s->model);
    free(s->wild);
    free(s->work);
    free(s);
}

/* NULL: the case has failed or is skipped. */
static struct stand *set_up(const struct row *row)
{
    struct stand *s = calloc(1, sizeof(*s));
    int err;

    make_files(s);
    err = start_machine(s, row);
    if (err == QTEST_NO_QEMU) {
        check_skip_why = "no QEMU for this board";
    } else {
        CHECK_EQ(err, QTEST_OK);
        if (err == QTEST_OK) {
            err = start_driver(s, row);
            CHECK_EQ(err, VDRV_OK);
        }
    }
    if (err == QTEST_OK) {
        make_lanes(s);
        return s;
    }
    s->m.dead = 1; /* tell what it complained of */
    put_away(s);
    return NULL;
}

/* ---- Requests ----------------------------------------------------------- */

static int all_zero(const uint8_t *p, size_t n)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Is it what these blocks may hold? */
static int plausible(const struct stand *s, uint64_t block, uint64_t n,
                     const uint8_t *data)
{
    const uint32_t size = s->caps.block_size;

    for (uint64_t i = 0; i < n; i++, data += size) {
        if (memcmp(data, s->model + (block + i) * size, size) != 0 &&
            !(s->wild[block + i] && all_zero(data, size))) {
            printf("  block %llu is wrong\n", (unsigned long long)(block + i));
            return 0;
        }
    }
    return 1;
}

/* What the model knows at once, since nobody else uses the blocks. */
static void apply(struct stand *s, const struct job *j, uint64_t n)
{
    const uint32_t size = s->caps.block_size;
    const size_t at = j->req.block * size;

    if (j->req.op == VDRV_BLOCK_WRITE)
        memcpy(s->model + at, j->buf, n * size);
    else if (j->req.op == VDRV_BLOCK_WRITE_ZEROES)
        memset(s->model + at, 0, n * size);
    if (j->req.op == VDRV_BLOCK_DISCARD)
        memset(s->wild + j->req.block, 1, n);
    else if (j->req.op != VDRV_BLOCK_READ)
        memset(s->wild + j->req.block, 0, n);
}

static uint64_t blocks_of(const struct job *j)
{
    const struct stand *s = j->lane->s;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < j->req.nsegs; i++)
        bytes += j->segs[i].len;
    return j->req.nblocks != 0 ? j->req.nblocks : bytes / s->caps.block_size;
}

static void on_done(struct vdrv_block_request *req)
{
    struct job *j = req->user;
    struct lane *l = j->lane;

    l->wrong += !j->busy || req->status != VDRV_OK;
    if (req->op == VDRV_BLOCK_READ)
        l->wrong += !plausible(l->s, req->block, blocks_of(j), j->buf);
    j->busy = 0;
    l->busy--;
    l->done[req->op]++;
}

/* Cuts the data at chance places, but not into more pieces than may be. */
static void scatter(struct job *j, uint32_t bytes)
{
    const uint32_t most =
        j->lane->s->caps.max_segs < SEGS ? j->lane->s->caps.max_segs : SEGS;
    uint32_t at = 0, n = 0;

    while (at < bytes) {
        const uint32_t left = bytes - at;
        const uint32_t len = n + 1 == most || bytes < 1024
                                 ? left
                                 : 1 + qtest_random(&j->lane->random, left);

        j->segs[n++] = vdrv_seg_in(j->buf + at, len);
        at += len;
    }
    j->req.segs = j->segs;
    j->req.nsegs = n;
}

static uint32_t choose_op(struct lane *l)
{
    const struct vdrv_block_caps *c = &l->s->caps;
    const uint32_t dice = qtest_random(&l->random, 100);

    if (dice < 40 || c->read_only)
        return VDRV_BLOCK_READ;
    if (dice < 55 && c->can_write_zeroes)
        return VDRV_BLOCK_WRITE_ZEROES;
    if (dice < 65 && c->can_discard)
        return VDRV_BLOCK_DISCARD;
    return dice < 70 && c->can_flush ? VDRV_BLOCK_FLUSH : VDRV_BLOCK_WRITE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void prepare(struct job *j, uint32_t op)
{
    struct lane *l = j->lane;
    const struct vdrv_block_caps *c = &l->s->caps;
    uint64_t n = least(JOB_BYTES, c->max_bytes) / c->block_size;

    memset(&j->req, 0, sizeof(j->req));
    j->req.op = op;
    j->req.queue = l->queue;
    j->req.done = on_done;
    j->req.user = j;
    if (op == VDRV_BLOCK_FLUSH)
        return;
    if (op == VDRV_BLOCK_DISCARD)
        n = least(c->max_discard, j->blocks);
    else if (op == VDRV_BLOCK_WRITE_ZEROES)
        n = least(c->max_write_zeroes, j->blocks);
    n = 1 + qtest_random(&l->random, (uint32_t)least(n, j->blocks));
    j->req.block =
        j->first + qtest_random(&l->random, (uint32_t)(j->blocks - n + 1));
    if (op == VDRV_BLOCK_READ || op == VDRV_BLOCK_WRITE)
        scatter(j, (uint32_t)n * c->block_size);
    else
        j->req.nblocks = n;
    if (op == VDRV_BLOCK_WRITE_ZEROES && c->can_unmap_zeroes)
        j->req.flags = qtest_random(&l->random, 2) ? VDRV_BLOCK_UNMAP : 0;
    for (uint32_t i = 0; op == VDRV_BLOCK_WRITE && i < n * c->block_size; i++)
        j->buf[i] = (uint8_t)((l->random >> (i & 31)) + i);
}

/* A request of a free job; 0: there is no room. */
static int launch(struct job *j)
{
    struct lane *l = j->lane;
    int err;

    prepare(j, choose_op(l));
    j->busy = 1;
    l->busy++;
    err = vdrv_block_submit(l->s->blk, &j->req);
    if (err == VDRV_OK) {
        apply(l->s, j, blocks_of(j));
        return 1;
    }
    l->wrong += err != VDRV_ERR_AGAIN;
    j->busy = 0;
    l->busy--;
    return 0;
}

static void poll_down(struct lane *l, uint32_t most)
{
    const uint64_t until = qtest_now() + PATIENCE;

    for (uint32_t i = 0; l->busy > most && qtest_now() < until; i++) {
        if (vdrv_poll(&l->s->blk->dev, l->queue, 0) <= 0)
            qtest_pause(i);
    }
    l->wrong += l->busy > most;
}

/* As many operations as a case has to do, on one queue. */
static void *work(void *arg)
{
    struct lane *l = arg;
    uint32_t n = 0;

    while (n < operations / l->s->nlanes && l->wrong == 0) {
        for (uint32_t i = 0; i < JOBS; i++)
            n += (uint32_t)(!l->jobs[i].busy && launch(&l->jobs[i]));
        l->wrong += vdrv_block_kick(l->s->blk, l->queue) < 0;
        poll_down(l, qtest_random(&l->random, JOBS));
    }
    poll_down(l, 0);
    return NULL;
}

/* ---- From outside ------------------------------------------------------- */

static uint32_t did(const struct stand *s, uint32_t op)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->nlanes; i++)
        n += s->lanes[i].done[op];
    return n;
}

static void check_outside(struct stand *s)
{
    const char *stats = qtest_qmp(&s->m, "{\"execute\":\"query-blockstats\"}");

    REQUIRE(stats != NULL);
    CHECK_EQ(qtest_number(stats, "flush_operations"), did(s, VDRV_BLOCK_FLUSH));
    CHECK_EQ(qtest_number(stats, "rd_operations"), did(s, VDRV_BLOCK_READ));
    CHECK_EQ(qtest_number(stats, "wr_operations"),
             did(s, VDRV_BLOCK_WRITE) + did(s, VDRV_BLOCK_WRITE_ZEROES));
    CHECK(plausible(s, 0, s->caps.num_blocks, s->file));
}

/* Each lane in a thread of its own. */
static void mix(struct stand *s)
{
    pthread_t threads[LANES];

    REQUIRE(s->nlanes <= LANES);
    for (uint32_t i = 0; i < s->nlanes; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, &s->lanes[i]) == 0);
    for (uint32_t i = 0; i < s->nlanes; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(s->lanes[i].wrong, 0);
        CHECK(s->lanes[i].done[VDRV_BLOCK_READ] > 0);
    }
    CHECK(s->caps.read_only || did(s, VDRV_BLOCK_WRITE) > 0);
    check_outside(s);
}

static int has(const struct stand *s, uint32_t bit)
{
    return vdrv_feature(s->t->features, bit) != 0;
}

/* ---- What disks are told to be ------------------------------------------ */

static void told_plain(struct stand *s)
{
    CHECK_EQ(s->caps.block_size, 512);
    CHECK_EQ(s->caps.num_blocks, IMAGE / 512);
    CHECK_EQ(s->caps.physical_block, 1);
    CHECK_EQ(s->caps.queues, 1);
    CHECK(!s->caps.read_only && s->caps.write_cache && s->caps.can_flush);
    CHECK(s->caps.can_discard && s->caps.can_write_zeroes);
    CHECK(s->caps.can_unmap_zeroes && !s->caps.can_secure_erase);
    CHECK(has(s, 28) && has(s, 29));
}

/* A disk of large blocks, with all there is to say of them. */
static void told_4k(struct stand *s)
{
    CHECK_EQ(s->caps.block_size, 4096);
    CHECK_EQ(s->caps.num_blocks, IMAGE / 4096);
    CHECK_EQ(s->caps.physical_block, 4);
    CHECK_EQ(s->caps.alignment, 0);
    CHECK_EQ(s->caps.min_io, 4);
    CHECK_EQ(s->caps.opt_io, 16);
    if (has(s, 13))
        CHECK_EQ(s->caps.discard_align, 8);
    CHECK_EQ(vdrv_block_read_block(s->blk, 0, s->lanes[0].jobs[0].buf, 512),
             VDRV_ERR_INVALID);
}

static void told_512e(struct stand *s)
{
    CHECK_EQ(s->caps.block_size, 512);
    CHECK_EQ(s->caps.physical_block, 8);
    CHECK_EQ(s->caps.min_io, 0);
}

static void told_through(struct stand *s)
{
    CHECK_EQ(s->caps.write_cache, 0);
}

static void told_no_toggle(struct stand *s)
{
    CHECK_EQ(s->caps.write_cache, 1);
    CHECK_EQ(vdrv_block_set_write_cache(s->blk, false), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(s->caps.write_cache, 1);
}

/* Neither a cache nor a flush: flushing is nothing to do. */
static void told_no_cache(struct stand *s)
{
    CHECK(!s->caps.write_cache && !s->caps.can_flush);
    CHECK_EQ(vdrv_block_flush(s->blk), VDRV_OK);
}

static void told_no_ranges(struct stand *s)
{
    CHECK(!s->caps.can_discard && !s->caps.can_write_zeroes);
    CHECK_EQ(vdrv_block_discard(s->blk, 0, 8), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_write_zeroes(s->blk, 0, 8, 0), VDRV_ERR_UNSUPPORTED);
}

/* Small limits: submit refuses what is above, blocking calls split. */
static void told_limits(struct stand *s)
{
    struct vdrv_block_request req = {.op = VDRV_BLOCK_DISCARD, .nblocks = 65};
    long long before;

    CHECK_EQ(s->caps.max_discard, 64);
    CHECK_EQ(s->caps.max_write_zeroes, 128);
    CHECK_EQ(vdrv_block_submit(s->blk, &req), VDRV_ERR_TOO_BIG);
    req.op = VDRV_BLOCK_WRITE_ZEROES;
    req.nblocks = 129;
    CHECK_EQ(vdrv_block_submit(s->blk, &req), VDRV_ERR_TOO_BIG);
    before =
        qtest_number(qtest_qmp(&s->m, "{\"execute\":\"query-blockstats\"}"),
                     "wr_operations");
    CHECK_EQ(before, 0);
    CHECK_EQ(vdrv_block_write_zeroes(s->blk, 3, 1000, 0), VDRV_OK);
    memset(s->model + 3 * 512, 0, 1000 * 512);
    s->lanes[0].done[VDRV_BLOCK_WRITE_ZEROES] += 8; /* 7 * 128 + 104 */
}

static void told_read_only(struct stand *s)
{
    uint8_t *buf = s->lanes[0].jobs[0].buf;

    CHECK_EQ(s->caps.read_only, 1);
    CHECK_EQ(vdrv_block_write_block(s->blk, 0, buf, 512), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_discard(s->blk, 0, 8), VDRV_ERR_READ_ONLY);
    CHECK_EQ(vdrv_block_write_zeroes(s->blk, 0, 8, 0), VDRV_ERR_READ_ONLY);
}

static void told_no_indirect(struct stand *s)
{
    CHECK(!has(s, 28) && has(s, 29));
}

static void told_no_event(struct stand *s)
{
    CHECK(has(s, 28) && !has(s, 29));
}

static void told_neither(struct stand *s)
{
    CHECK(!has(s, 28) && !has(s, 29));
}

/* A ring of 16: the device takes as many segments as fit into it. */
static void told_ring_16(struct stand *s)
{
    CHECK_EQ(s->drv.queue[0].vq.size, 16);
    CHECK_EQ(s->caps.max_segs, 14);
}

static void told_ring_4(struct stand *s)
{
    CHECK_EQ(s->drv.queue[0].vq.size, 4);
    CHECK_EQ(s->caps.max_segs, 2);
}

static void told_id(struct stand *s)
{
    char id[VDRV_BLOCK_ID_SIZE];

    CHECK_EQ(vdrv_block_get_id(s->blk, id), VDRV_OK);
    CHECK(strcmp(id, "twenty-characters-ok") == 0);
}

static void told_no_id(struct stand *s)
{
    char id[VDRV_BLOCK_ID_SIZE];

    CHECK_EQ(vdrv_block_get_id(s->blk, id), VDRV_OK);
    CHECK_EQ(id[0], 0);
}

static void told_queues(struct stand *s)
{
    CHECK_EQ(s->caps.queues, 4);
    CHECK(has(s, 12));
}

#define LARGE                                                                  \
    "logical_block_size=4096,physical_block_size=16384,min_io_size=16384,"     \
    "opt_io_size=65536,discard_granularity=32768"

static const struct row rows[] = {
    {.name = "plain", .told = told_plain},
    {.name = "plain_packed", .told = told_plain, .packed = 1},
    {.name = "unmap", .told = told_plain, .file = ",discard=unmap"},
    {.name = "4k", .props = LARGE, .told = told_4k},
    {.name = "4k_packed_mmio",
     .props = LARGE,
     .told = told_4k,
     .board = QTEST_VIRT_MMIO,
     .packed = 1},
    {.name = "4k_legacy",
     .props = LARGE,
     .told = told_4k,
     .mode = QTEST_LEGACY},
    {.name = "512e", .props = "physical_block_size=4096", .told = told_512e},
    {.name = "write_through", .props = "write-cache=off", .told = told_through},
    {.name = "no_cache_toggle",
     .props = "write-cache=on,config-wce=off",
     .told = told_no_toggle},
    {.name = "no_cache",
     .props = "write-cache=off,config-wce=off",
     .told = told_no_cache},
    {.name = "no_ranges",
     .props = "discard=off,write-zeroes=off",
     .told = told_no_ranges},
    {.name = "small_limits",
     .props = "max-discard-sectors=64,max-write-zeroes-sectors=128",
     .told = told_limits},
    {.name = "read_only", .file = ",read-only=on", .told = told_read_only},
    {.name = "no_indirect",
     .props = "indirect_desc=off",
     .told = told_no_indirect},
    {.name = "no_event_idx", .props = "event_idx=off", .told = told_no_event},
    {.name = "neither",
     .props = "indirect_desc=off,event_idx=off",
     .told = told_neither},
    {.name = "neither_packed",
     .props = "indirect_desc=off,event_idx=off",
     .told = told_neither,
     .packed = 1},
    {.name = "ring_16",
     .props = "queue-size=16,seg-max-adjust=on",
     .told = told_ring_16},
    {.name = "ring_16_no_indirect_packed",
     .props = "queue-size=16,seg-max-adjust=on,indirect_desc=off",
     .told = told_ring_16,
     .packed = 1},
    {.name = "ring_4",
     .props = "queue-size=4,seg-max-adjust=on,indirect_desc=off",
     .told = told_ring_4},
    {.name = "serial", .props = "serial=twenty-characters-ok", .told = told_id},
    {.name = "no_serial", .told = told_no_id},
    {.name = "iothread",
     .props = "iothread=io0",
     .more = "-object iothread,id=io0",
     .told = told_plain},
    {.name = "queues_4",
     .props = "num-queues=4",
     .queues = 4,
     .told = told_queues},
    {.name = "queues_4_iothread_packed",
     .props = "num-queues=4,iothread=io0",
     .more = "-object iothread,id=io0",
     .queues = 4,
     .packed = 1,
     .told = told_queues},
    {.name = "queues_4_mmio",
     .props = "num-queues=4,queue-size=16",
     .board = QTEST_MICROVM,
     .queues = 4,
     .told = told_queues},
};

/* The table's rows, one after the other: a failure names its row. */
static void test_properties(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const unsigned before = check_failures;
        struct stand *s;
        if (getenv("ROW") && strcmp(getenv("ROW"), rows[i].name))
            continue;
        s = set_up(&rows[i]);

        if (s == NULL && check_skip_why != NULL)
            return;
        if (s != NULL) {
            rows[i].told(s);
            mix(s);
            put_away(s);
        }
        printf("  disk %s: %s\n", rows[i].name,
               check_failures == before ? "ok" : "FAILED");
    }
}

static const struct check_case cases[] = {
    {"properties", test_properties},
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 400);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
