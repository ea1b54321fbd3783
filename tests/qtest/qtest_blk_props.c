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
    struct vdrv_seg seg = vdrv_seg_in(s->lanes[0].jobs[0].buf, 6);
    struct vdrv_block_request life = {
        .op = VDRV_BLOCK_GET_LIFETIME, .segs = &seg, .nsegs = 1};

    CHECK_EQ(s->caps.block_size, 512);
    CHECK_EQ(s->caps.num_blocks, IMAGE / 512);
    CHECK_EQ(s->caps.physical_block, 1);
    CHECK_EQ(s->caps.queues, 1);
    CHECK(!s->caps.read_only && s->caps.write_cache && s->caps.can_flush);
    CHECK(s->caps.can_discard && s->caps.can_write_zeroes);
    CHECK(s->caps.can_unmap_zeroes && !s->caps.can_secure_erase);
    CHECK(has(s, 28) && has(s, 29));
    CHECK_EQ(vdrv_block_execute(s->blk, &life), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_block_secure_erase(s->blk, 0, 8), VDRV_ERR_UNSUPPORTED);
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
        struct stand *s = set_up(&rows[i]);

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

/* ---- A cache that is switched ----------------------------------------------- */

/* QEMU's log: a head, then entries, each a sector and then its data. */
#define LOG_SECTOR  512u
#define LOG_FLUSH   1u
#define LOG_DISCARD 4u

struct entry {
    uint64_t sector, sectors, flags, bytes;
};

/* What the log has from `*at` on; moves there. */
static void log_count(const struct stand *s, size_t *at, uint32_t *writes,
                      uint32_t *flushes)
{
    struct entry e;

    *writes = *flushes = 0;
    for (;;) {
        memcpy(&e, s->logged + *at, sizeof(e));
        if (e.sectors == 0 && e.flags == 0)
            return;
        *flushes += (e.flags & LOG_FLUSH) != 0;
        *writes += e.sectors != 0 && (e.flags & LOG_DISCARD) == 0;
        *at += LOG_SECTOR;
        if ((e.flags & LOG_DISCARD) == 0)
            *at += e.sectors * LOG_SECTOR;
    }
}

static int says(struct stand *s, const char *command, const char *what)
{
    const char *got = qtest_qmp(&s->m, "{\"execute\":\"%s\"}", command);

    return got != NULL && strstr(got, what) != NULL;
}

/*
 * In each mode: what QEMU believes, and how durable it makes three writes.  It
 * flushes after each that must be; its log leaves out the first of these,
 * because the write counts as one only after it.
 */
static void cache_is(struct stand *s, bool on, size_t *at, bool written)
{
    uint8_t *buf = s->lanes[0].jobs[0].buf;
    uint32_t writes, flushes;

    CHECK_EQ(vdrv_block_set_write_cache(s->blk, on), VDRV_OK);
    CHECK_EQ(vdrv_block_get_caps(s->blk, &s->caps), VDRV_OK);
    CHECK_EQ(s->caps.write_cache, on);
    CHECK(says(s, "query-block",
               on ? "\"writeback\": true" : "\"writeback\": false"));
    log_count(s, at, &writes, &flushes);
    CHECK_EQ(writes, 0);
    CHECK(on || !written || flushes > 0); /* what was written before */
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(vdrv_block_write_block(s->blk, 8 * i, buf, 512), VDRV_OK);
    log_count(s, at, &writes, &flushes);
    CHECK_EQ(writes, 3);
    CHECK_EQ(flushes, on ? 0 : 2);
}

static void test_cache_switched(void)
{
    const struct row row = {.props = "write-cache=on", .log = 1};
    struct stand *s = set_up(&row);
    size_t at = LOG_SECTOR;

    if (s == NULL)
        return;
    CHECK_EQ(s->caps.write_cache, 1);
    for (uint32_t i = 0; i < 4; i++)
        cache_is(s, i & 1, &at, i > 0);
    CHECK_EQ(vdrv_block_set_write_cache(s->blk, false), VDRV_OK);
    CHECK_EQ(vdrv_reset(&s->blk->dev), VDRV_OK); /* a restart sets it again */
    CHECK(says(s, "query-block", "\"writeback\": false"));
    put_away(s);
}

/* ---- Space given back ----------------------------------------------------- */

static long long kept(const struct stand *s)
{
    struct stat st;

    return fstat(s->image, &st) == 0 ? st.st_blocks : -1;
}

/* 512-byte blocks of the image that an operation on 1 MiB gives back. */
static void test_holes(void)
{
    const struct row row = {.file = ",discard=unmap"};
    struct stand *s = set_up(&row);
    const uint32_t n = (1u << 20) / 512;
    long long before;

    if (s == NULL)
        return;
    before = kept(s);
    CHECK_EQ(before, IMAGE / 512);
    CHECK_EQ(vdrv_block_write_zeroes(s->blk, 0, n, 0), VDRV_OK);
    CHECK_EQ(kept(s), before);
    CHECK_EQ(vdrv_block_write_zeroes(s->blk, 0, n, VDRV_BLOCK_UNMAP), VDRV_OK);
    CHECK_EQ(kept(s), before - n);
    CHECK_EQ(vdrv_block_discard(s->blk, 2 * n, n), VDRV_OK);
    CHECK_EQ(kept(s), before - 2 * n);
    CHECK(all_zero(s->file, 1u << 20));
    CHECK_MEM(s->file + (1u << 20), s->model + (1u << 20), 1u << 20);
    CHECK_MEM(s->file + (3u << 20), s->model + (3u << 20), 1u << 20);
    put_away(s);
}

/* ---- Disks that change size ------------------------------------------------- */

static void resize(struct stand *s, uint32_t bytes)
{
    CHECK(qtest_qmp(&s->m,
                    "{\"execute\":\"block_resize\",\"arguments\":"
                    "{\"node-name\":\"d0\",\"size\":%u}}",
                    bytes) != NULL);
}

struct probe {
    struct vdrv_block_request req;
    struct vdrv_seg seg;
};

/* Requests of one block each; none is kicked. */
static void send(struct stand *s, struct probe *p, uint32_t n, uint32_t op,
                 uint64_t first, uint64_t step)
{
    memset(p, 0, n * sizeof(*p));
    for (uint32_t i = 0; i < n; i++) {
        p[i].seg = vdrv_seg_in(s->lanes[0].jobs[0].buf + 512 * i, 512);
        p[i].req.op = op;
        p[i].req.segs = &p[i].seg;
        p[i].req.nsegs = 1;
        p[i].req.block = first + i * step;
        CHECK_EQ(vdrv_block_submit(s->blk, &p[i].req), VDRV_OK);
    }
}

/* Until all are done, or the device says that it is not. */
static int await(struct stand *s, const struct probe *p, uint32_t n)
{
    const uint64_t until = qtest_now() + PATIENCE;
    uint32_t done = 0;

    for (uint32_t k = 0; done < n && qtest_now() < until; k++) {
        const int got = vdrv_poll(&s->blk->dev, 0, 0);

        if (got < 0)
            return got;
        if (got == 0)
            qtest_pause(k);
        for (done = 0; done < n && p[done].req.status != VDRV_PENDING;)
            done++;
    }
    return done == n ? VDRV_OK : VDRV_ERR_TIMEOUT;
}

static uint32_t ended(const struct probe *p, uint32_t n, int status)
{
    uint32_t same = 0;

    for (uint32_t i = 0; i < n; i++)
        same += p[i].req.status == status;
    return same;
}

/* The device says so by its configuration's interrupt. */
static void notice(struct stand *s, uint32_t blocks)
{
    const uint32_t generation = s->caps.generation;
    uint32_t changes = 0;

    CHECK(vdrv_irq(&s->blk->dev, 0) & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_refresh(&s->blk->dev, &changes), VDRV_OK);
    CHECK_EQ(changes & VDRV_CHANGE_CAPACITY, VDRV_CHANGE_CAPACITY);
    CHECK_EQ(vdrv_block_get_caps(s->blk, &s->caps), VDRV_OK);
    CHECK_EQ(s->caps.num_blocks, blocks);
    CHECK_EQ(vdrv_block_num_blocks(s->blk), blocks);
    CHECK_EQ(s->caps.generation, generation + 1);
}

/* Half of the requests are for what QEMU has just taken away. */
static void shrink_and_grow(struct stand *s)
{
    const uint32_t all = IMAGE / 512, half = all / 2;
    struct probe p[16];

    send(s, p, 16, VDRV_BLOCK_READ, half - 8 * 16, 16);
    resize(s, IMAGE / 2);
    (void)vdrv_block_kick(s->blk, 0);
    CHECK_EQ(await(s, p, 16), VDRV_OK);
    CHECK_EQ(ended(p, 8, VDRV_OK), 8);
    CHECK_EQ(ended(p + 8, 8, VDRV_ERR_IO), 8);
    notice(s, half);
    CHECK_EQ(vdrv_block_submit(s->blk, &p[8].req), VDRV_ERR_INVALID);
    send(s, p, 16, VDRV_BLOCK_READ, 0, 7);
    (void)vdrv_block_kick(s->blk, 0);
    resize(s, IMAGE);
    CHECK_EQ(await(s, p, 16), VDRV_OK);
    CHECK_EQ(ended(p, 16, VDRV_OK), 16);
    notice(s, all);
    send(s, p, 16, VDRV_BLOCK_READ, half, 16);
    (void)vdrv_block_kick(s->blk, 0);
    CHECK_EQ(await(s, p, 16), VDRV_OK);
    CHECK_EQ(ended(p, 16, VDRV_OK), 16);
}

static void test_resize(void)
{
    static const struct row how[] = {
        {.board = QTEST_PC},
        {.board = QTEST_PC, .packed = 1},
        {.board = QTEST_PC, .mode = QTEST_LEGACY},
        {.board = QTEST_MICROVM},
        {.board = QTEST_MICROVM, .mode = QTEST_LEGACY},
        {.board = QTEST_VIRT_PCI,
         .more = "-object iothread,id=io0",
         .props = "iothread=io0"},
    };

    for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
        struct stand *s = set_up(&how[i]);

        if (s == NULL)
            return;
        for (uint32_t k = 0; k < 5 && check_failures == 0; k++)
            shrink_and_grow(s);
        put_away(s);
    }
}

/* ---- Disks that fail -------------------------------------------------------- */

/* The first of a kind fails, and no other. */
#define ONE_FAILS(type, error)                                                 \
    "driver=blkdebug,image=f0,inject-error.0.event=none,"                      \
    "inject-error.0.iotype=" type ",inject-error.0.errno=" error               \
    ",inject-error.0.once=on"

#define REPORT "rerror=report,werror=report,request-merging=off"

/* Sixteen of an op, every 10th block from 0: which of them fails? */
static void one_fails(struct stand *s, uint32_t op, uint32_t which)
{
    struct probe p[16];

    send(s, p, 16, op, 0, 10);
    (void)vdrv_block_kick(s->blk, 0);
    CHECK_EQ(await(s, p, 16), VDRV_OK);
    for (uint32_t i = 0; i < 16; i++) {
        CHECK_EQ(p[i].req.status, i == which ? VDRV_ERR_IO : VDRV_OK);
        CHECK_EQ(p[i].req.device_status, i == which ? 1 : 0);
    }
}

/* One bad block for reading, one for writing, and no space in a third. */
static void test_bad_blocks(void)
{
    static const char bad[] =
        "driver=blkdebug,image=f0,"
        "inject-error.0.event=none,inject-error.0.iotype=read,"
        "inject-error.0.sector=50,inject-error.0.errno=5,"
        "inject-error.1.event=none,inject-error.1.iotype=write,"
        "inject-error.1.sector=70,inject-error.1.errno=5,"
        "inject-error.2.event=none,inject-error.2.iotype=write,"
        "inject-error.2.sector=1000,inject-error.2.errno=28,"
        "inject-error.2.once=on";
    const struct row row = {.props = REPORT, .disk = bad};
    struct stand *s = set_up(&row);
    uint8_t *buf;

    if (s == NULL)
        return;
    buf = s->lanes[0].jobs[0].buf;
    for (uint32_t i = 0; i < 10; i++) {
        one_fails(s, VDRV_BLOCK_READ, 5);
        one_fails(s, VDRV_BLOCK_WRITE, 7);
    }
    CHECK_MEM(s->file + 70 * 512, s->model + 70 * 512, 512);
    CHECK_EQ(vdrv_block_read_block(s->blk, 48, buf, 4096), VDRV_ERR_IO);
    CHECK_EQ(vdrv_block_read_block(s->blk, 70, buf, 512), VDRV_OK);
    CHECK_MEM(buf, s->model + 70 * 512, 512);
    CHECK_EQ(vdrv_block_write_block(s->blk, 1000, buf, 512), VDRV_ERR_IO);
    CHECK_EQ(vdrv_block_write_block(s->blk, 1000, buf, 512), VDRV_OK);
    CHECK_MEM(s->file + 1000 * 512, buf, 512);
    put_away(s);
}

/* A flush that fails says so, once; the disk goes on. */
static void test_bad_flush(void)
{
    const struct row row = {.props = REPORT, .disk = ONE_FAILS("flush", "5")};
    struct stand *s = set_up(&row);
    uint8_t *buf;

    if (s == NULL)
        return;
    buf = s->lanes[0].jobs[0].buf;
    CHECK_EQ(vdrv_block_write_block(s->blk, 3, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(s->blk), VDRV_ERR_IO);
    CHECK_EQ(vdrv_block_write_block(s->blk, 4, buf, 512), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(s->blk), VDRV_OK);
    CHECK_MEM(s->file + 4 * 512, buf, 512);
    put_away(s);
}

/* The host stops the machine at an error, mends it, and lets it go on: the
   request only takes longer. */
static void test_bad_and_mended(void)
{
    const struct row row = {.props = "werror=stop",
                            .disk = ONE_FAILS("write", "28")};
    struct stand *s = set_up(&row);
    const uint64_t until = qtest_now() + PATIENCE;
    struct probe p;

    if (s == NULL)
        return;
    send(s, &p, 1, VDRV_BLOCK_WRITE, 9, 1);
    (void)vdrv_block_kick(s->blk, 0);
    while (!says(s, "query-status", "\"io-error\"") && qtest_now() < until)
        continue;
    CHECK_EQ(vdrv_poll(&s->blk->dev, 0, 0), 0);
    CHECK_EQ(p.req.status, VDRV_PENDING);
    CHECK(qtest_qmp(&s->m, "{\"execute\":\"cont\"}") != NULL);
    CHECK_EQ(await(s, &p, 1), VDRV_OK);
    CHECK_EQ(p.req.status, VDRV_OK);
    CHECK_MEM(s->file + 9 * 512, p.seg.ptr, 512);
    put_away(s);
}

/* ---- Disks that are slow ------------------------------------------------------ */

/* So many operations a second; 0: as fast as it goes. */
static void slow_down(struct stand *s, uint32_t iops)
{
    CHECK(qtest_qmp(&s->m,
                    "{\"execute\":\"qom-set\",\"arguments\":{\"path\":"
                    "\"/objects/tg0\",\"property\":\"limits\",\"value\":"
                    "{\"iops-total\":%u}}}",
                    iops) != NULL);
}

#define SLOW                                                                   \
    .more = "-object throttle-group,id=tg0",                                   \
    .disk = "driver=throttle,throttle-group=tg0,file=f0"

/* Every second of them has a deadline, which passes. */
static void missed(struct stand *s)
{
    const uint64_t until = qtest_now() + PATIENCE;
    struct probe p[12];
    uint32_t late = 0;
    int got = 0;

    memset(p, 0, sizeof(p));
    for (uint32_t i = 0; i < 12; i++) {
        p[i].seg = vdrv_seg_in(s->lanes[0].jobs[0].buf + 512 * i, 512);
        p[i].req.op = VDRV_BLOCK_READ;
        p[i].req.block = 20 * i;
        p[i].req.segs = &p[i].seg;
        p[i].req.nsegs = 1;
        p[i].req.timeout_us = i & 1 ? 100000 : 0;
        CHECK_EQ(vdrv_block_submit(s->blk, &p[i].req), VDRV_OK);
    }
    (void)vdrv_block_kick(s->blk, 0);
    while (got >= 0 && qtest_now() < until)
        got = vdrv_poll(&s->blk->dev, 0, 0);
    CHECK_EQ(got, VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_reset(&s->blk->dev), VDRV_OK);
    for (uint32_t i = 0; i < 12; i++) {
        const int over = i & 1 ? VDRV_ERR_TIMEOUT : VDRV_ERR_ABORTED;

        CHECK(p[i].req.status == VDRV_OK || p[i].req.status == over);
        late += p[i].req.status == VDRV_ERR_TIMEOUT;
    }
    CHECK(late > 0);
}

/* Deadlines of requests, and the time of blocking calls; each time the disk
   is reset and goes on. */
static void test_deadlines(void)
{
    const struct row row = {SLOW};
    struct stand *s = set_up(&row);
    struct vdrv_block_request req = {.op = VDRV_BLOCK_READ, .nsegs = 1};
    struct vdrv_seg seg;
    int err = VDRV_OK;

    if (s == NULL)
        return;
    for (uint32_t i = 0; i < 3 && check_failures == 0; i++) {
        slow_down(s, 1);
        missed(s);
        seg = vdrv_seg_in(s->lanes[0].jobs[0].buf, 512);
        req.segs = &seg;
        req.timeout_us = 100000;
        for (uint32_t k = 0; err == VDRV_OK && k < 20; k++)
            err = vdrv_block_execute(s->blk, &req);
        CHECK_EQ(err, VDRV_ERR_TIMEOUT);
        slow_down(s, 0);
        err = vdrv_block_read_block(s->blk, 0, s->lanes[0].jobs[0].buf, 4096);
        CHECK_EQ(err, VDRV_OK);
        CHECK_MEM(s->lanes[0].jobs[0].buf, s->model, 4096);
    }
    put_away(s);
}

/* ---- A kernel that crashed ------------------------------------------------------ */

static uint32_t strayed;

static void stray(struct vdrv_block_request *req)
{
    (void)req;
    strayed++;
}

static void asleep(void *ctx, struct vdrv_device *dev, uint32_t queue,
                   uint32_t max_us)
{
    (void)ctx;
    (void)dev;
    (void)queue;
    (void)max_us;
    strayed++;
}

/* With requests in flight the disk is taken over, and a dump written. */
static void dump(struct stand *s)
{
    static struct probe p[16];
    uint8_t *buf = s->lanes[0].jobs[7].buf;

    strayed = 0;
    send(s, p, 16, VDRV_BLOCK_READ, 0, 10);
    for (uint32_t i = 0; i < 16; i++)
        p[i].req.done = stray;
    (void)vdrv_block_kick(s->blk, 0);
    CHECK_EQ(vdrv_block_panic(s->blk), VDRV_OK);
    for (uint32_t i = 0; i < JOB_BYTES; i++)
        buf[i] = (uint8_t)(i * 7 + i / 256);
    CHECK_EQ(vdrv_block_write_block(s->blk, 4096, buf, JOB_BYTES), VDRV_OK);
    CHECK_EQ(vdrv_block_flush(s->blk), VDRV_OK);
    CHECK_MEM(s->file + 4096 * 512, buf, JOB_BYTES);
    CHECK(says(s, "query-blockstats", "\"flush_operations\": 1"));
    CHECK_EQ(strayed, 0);
    CHECK_EQ(ended(p, 16, VDRV_PENDING), 16);
}

static void test_panic(void)
{
    for (uint32_t i = 0; i < 2 * QTEST_BOARDS; i++) {
        const struct row row = {.board = i / 2, .packed = i & 1};
        struct stand *s = set_up(&row);

        if (s == NULL)
            return;
        s->m.hal.wait = asleep;
        dump(s);
        put_away(s);
    }
}

static const struct check_case cases[] = {
    {"properties", test_properties},
    {"cache_switched", test_cache_switched},
    {"holes", test_holes},
    {"resize", test_resize},
    {"bad_blocks", test_bad_blocks},
    {"bad_flush", test_bad_flush},
    {"bad_and_mended", test_bad_and_mended},
    {"deadlines", test_deadlines},
    {"panic", test_panic},
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 400);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
