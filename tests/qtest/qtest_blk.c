/* SPDX-License-Identifier: MIT */
/*
 * The block driver on QEMU's disks.  Random requests, many in flight, against
 * an array that says what the disk should hold; at the end QEMU's image file
 * and QEMU's own counters are looked at from outside.  Then a device that asks
 * for a reset in the middle of its work, and one that is unplugged.
 *
 * `-n N` does N operations in all instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"

#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS    8192u
#define IMAGE     (BLOCKS * 512u)
#define JOBS      64u
#define JOB_BYTES 16384u
#define SEGS      6u
#define PATIENCE  20000000u /* us for what takes milliseconds */

#define QUEUES  2u /* of a disk with vectors */
#define VECTORS (QUEUES + 1)

static uint32_t operations;

/* What machine it is, and how its disk is reached. */
struct how {
    uint32_t board;
    uint32_t mode;
    const struct vdrv_queue_kind *packed;
    const char *bridge;
    int window;
    int vectors; /* a vector per queue, and one for the configuration */
    int slow;    /* a few reads a second, and no more */
    int trusted; /* with the reset of a queue */
};

struct disk;

struct job {
    struct vdrv_block_request req;
    struct vdrv_seg segs[SEGS];
    struct disk *disk;
    uint8_t *guest; /* JOB_BYTES that the device sees */
    uint8_t *heap;  /* and that are bounced */
    uint32_t blocks;
    uint64_t number;
    int used;
};

struct disk {
    struct qtest_machine m;
    struct vdrv_transport *t;
    struct vdrv_msix msix;
    struct vdrv_msix_message msg[VECTORS];
    volatile uint32_t *door; /* where the messages go */
    struct vdrv_virtio_blk drv;
    struct vdrv_block *blk;
    struct vdrv_block_caps caps;
    void *work;
    size_t work_size;
    int image;
    uint8_t *file; /* the image, as QEMU left it */
    uint8_t *model;
    uint8_t *wild; /* discarded: the model or zeros */
    int8_t *users; /* readers in flight, or -1: a writer */
    struct job jobs[JOBS];
    uint64_t random;
    uint64_t next_number;
    uint64_t last_done;
    uint32_t inflight;
    uint32_t overtaken; /* completions out of order */
    uint32_t aborted;
    uint32_t done[VDRV_BLOCK_GET_ID + 1];
    struct qtest_counts init;
};

/* ---- Up and down -------------------------------------------------------- */

static uint64_t accesses(const struct disk *d)
{
    const struct qtest_counts *c = &d->m.counts;

    return c->transport + c->notify + c->config + c->pci_space;
}

static void fill_image(struct disk *d)
{
    d->image = qtest_file(IMAGE);
    d->file =
        mmap(NULL, IMAGE, PROT_READ | PROT_WRITE, MAP_SHARED, d->image, 0);
    d->model = malloc(IMAGE);
    d->wild = calloc(BLOCKS, 1);
    d->users = calloc(BLOCKS, 1);
    for (uint32_t i = 0; i < IMAGE; i += 4) {
        uint32_t word = qtest_random(&d->random, UINT32_MAX);

        memcpy(d->model + i, &word, 4);
    }
    memcpy(d->file, d->model, IMAGE);
}

static int start_machine(struct disk *d, const struct how *how)
{
    char more[256];
    struct qtest_setup setup = {
        .board = how->board,
        .device = "virtio-blk",
        .props = how->vectors ? "drive=d0,serial=oracle,num-queues=2,vectors=3"
                 : how->slow  ? "drive=slow,serial=oracle"
                              : "drive=d0,serial=oracle",
        .more = more,
        .mode = how->mode,
        .packed = how->packed != NULL,
        .bridge = how->bridge,
        .window = how->window};

    snprintf(more, sizeof(more),
             "-blockdev driver=file,node-name=d0,filename=%s,discard=unmap%s",
             qtest_file_name(d->image),
             how->slow ? " -object throttle-group,id=few,x-iops-read=5"
                         " -blockdev driver=throttle,node-name=slow,"
                         "throttle-group=few,file=d0"
                       : "");
    return qtest_start(&d->m, &setup);
}

/* The messages are written into guest memory, where we can see them. */
static int attach_vectors(struct disk *d)
{
    d->door = qtest_alloc(&d->m, QTEST_PAGE);
    for (uint32_t i = 0; i < VECTORS; i++) {
        d->door[i] = 0;
        d->msg[i].addr =
            (uint64_t)(uintptr_t)&d->door[i] + d->m.hal.direct_offset;
        d->msg[i].data = 0x5a00 + i;
    }
    return vdrv_msix_attach(&d->msix, &d->m.at.pci, d->msg, VECTORS);
}

static int start_driver(struct disk *d, const struct how *how)
{
    struct vdrv_virtio_blk_config cfg = {0};
    int err;

    d->t = qtest_find(&d->m, VDRV_VIRTIO_BLK_ID);
    if (d->t == NULL)
        return VDRV_ERR_NO_DEVICE;
    err = how->vectors ? attach_vectors(d) : VDRV_OK;
    if (err != VDRV_OK)
        return err;
    cfg.queues = how->vectors ? QUEUES : 1;
    cfg.vectors = how->vectors ? VECTORS : 0;
    cfg.queue_size = 128;
    cfg.packed = how->packed;
    cfg.queue_reset = how->trusted != 0;
    d->work_size = vdrv_virtio_blk_work_size(d->t, &cfg);
    d->work = malloc(d->work_size);
    cfg.work = d->work;
    cfg.work_size = d->work_size;
    memset(&d->m.counts, 0, sizeof(d->m.counts));
    err = vdrv_virtio_blk_init(&d->drv, d->t, &cfg);
    d->init = d->m.counts;
    d->blk = &d->drv.block;
    return err == VDRV_OK ? vdrv_block_get_caps(d->blk, &d->caps) : err;
}

static void make_jobs(struct disk *d)
{
    for (uint32_t i = 0; i < JOBS; i++) {
        d->jobs[i].disk = d;
        d->jobs[i].guest = qtest_alloc(&d->m, JOB_BYTES);
        d->jobs[i].heap = malloc(JOB_BYTES);
    }
}

static void close_disk(struct disk *d)
{
    const int failed = d->blk == NULL;

    if (d->blk != NULL)
        CHECK_EQ(vdrv_virtio_blk_fini(&d->drv), VDRV_OK);
    for (uint32_t i = 0; i < JOBS; i++) {
        if (d->jobs[i].guest != NULL)
            qtest_free(&d->m, d->jobs[i].guest, JOB_BYTES);
        free(d->jobs[i].heap);
    }
    if (d->door != NULL)
        qtest_free(&d->m, (void *)(uintptr_t)d->door, QTEST_PAGE);
    if (!failed)
        CHECK_EQ(d->m.live_pages, 0); /* what was allocated or mapped */
    qtest_end(&d->m);
    free(d->work);
    free(d->model);
    free(d->wild);
    free(d->users);
    munmap(d->file, IMAGE);
    close(d->image);
    free(d);
}

/* NULL: the case has failed or is skipped. */
static struct disk *open_how(const struct how *how)
{
    struct disk *d = calloc(1, sizeof(*d));
    int err;

    d->random = check_seed() * 8 + how->board;
    fill_image(d);
    err = start_machine(d, how);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(d, how);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK) {
            make_jobs(d);
            return d;
        }
        d->blk = NULL;
    }
    close_disk(d);
    return NULL;
}

static struct disk *open_disk(uint32_t board, uint32_t mode,
                              const struct vdrv_queue_kind *packed)
{
    const struct how how = {.board = board, .mode = mode, .packed = packed};

    return open_how(&how);
}

/* ---- The model ---------------------------------------------------------- */

/* May these blocks be read, or be changed, while others are in flight? */
static int is_free(const struct disk *d, uint64_t block, uint32_t n, int change)
{
    for (uint32_t i = 0; i < n; i++) {
        if (d->users[block + i] < 0 || (change && d->users[block + i] > 0) ||
            d->users[block + i] == INT8_MAX)
            return 0;
    }
    return 1;
}

static void use(struct disk *d, const struct job *j, int change, int on)
{
    for (uint32_t i = 0; i < j->blocks; i++) {
        if (change)
            d->users[j->req.block + i] = on ? -1 : 0;
        else
            d->users[j->req.block + i] =
                (int8_t)(d->users[j->req.block + i] + (on ? 1 : -1));
    }
}

static int changes(uint32_t op)
{
    return op == VDRV_BLOCK_WRITE || op == VDRV_BLOCK_DISCARD ||
           op == VDRV_BLOCK_WRITE_ZEROES;
}

static int all_zero(const uint8_t *p)
{
    return p[0] == 0 && memcmp(p, p + 1, 511) == 0;
}

/* Is it what these blocks may hold? */
static int plausible(const struct disk *d, uint64_t block, uint32_t n,
                     const uint8_t *data)
{
    for (uint32_t i = 0; i < n; i++, data += 512) {
        if (memcmp(data, d->model + (block + i) * 512, 512) == 0)
            continue;
        if (!d->wild[block + i] || !all_zero(data)) {
            printf("  block %llu is wrong\n", (unsigned long long)(block + i));
            return 0;
        }
    }
    return 1;
}

static void gather(const struct job *j, uint8_t *out)
{
    for (uint32_t i = 0; i < j->req.nsegs; i++) {
        memcpy(out, j->segs[i].ptr, j->segs[i].len);
        out += j->segs[i].len;
    }
}

/* What the model knows at once, since nobody else uses the blocks. */
static void apply(struct disk *d, const struct job *j)
{
    const size_t at = j->req.block * 512;

    switch (j->req.op) {
    case VDRV_BLOCK_WRITE:
        gather(j, d->model + at);
        memset(d->wild + j->req.block, 0, j->blocks);
        break;
    case VDRV_BLOCK_WRITE_ZEROES:
        memset(d->model + at, 0, (size_t)j->blocks * 512);
        memset(d->wild + j->req.block, 0, j->blocks);
        break;
    case VDRV_BLOCK_DISCARD:
        memset(d->wild + j->req.block, 1, j->blocks);
        break;
    default:
        break;
    }
}

/* ---- Requests ----------------------------------------------------------- */

static void check_data(struct disk *d, const struct job *j)
{
    uint8_t data[JOB_BYTES];

    if (j->req.op == VDRV_BLOCK_GET_ID) {
        gather(j, data);
        CHECK(memcmp(data, "oracle\0", 7) == 0);
    } else if (j->req.op == VDRV_BLOCK_READ) {
        gather(j, data);
        CHECK(plausible(d, j->req.block, j->blocks, data));
    }
}

static void on_done(struct vdrv_block_request *req)
{
    struct job *j = req->user;
    struct disk *d = j->disk;

    CHECK(j->used);
    if (req->status == VDRV_ERR_ABORTED) {
        d->aborted++;
    } else {
        CHECK_EQ(req->status, VDRV_OK);
        check_data(d, j);
        d->done[req->op]++;
    }
    d->overtaken += j->number < d->last_done;
    d->last_done = j->number;
    use(d, j, changes(req->op), 0);
    j->used = 0;
    d->inflight--;
}

/* Cuts the data at chance places, part in guest memory, part elsewhere. */
static void scatter(struct disk *d, struct job *j, uint32_t bytes)
{
    uint32_t at = 0, n = 0;

    while (at < bytes) {
        const uint32_t left = bytes - at;
        const uint32_t len = n + 1 == SEGS || qtest_random(&d->random, 3) == 0
                                 ? left
                                 : 1 + qtest_random(&d->random, left);
        uint8_t *base = qtest_random(&d->random, 4) ? j->guest : j->heap;

        j->segs[n++] = vdrv_seg_in(base + at, len);
        at += len;
    }
    j->req.segs = j->segs;
    j->req.nsegs = n;
    if (j->req.op != VDRV_BLOCK_WRITE)
        return;
    for (uint32_t i = 0; i < bytes; i++) {
        j->guest[i] = (uint8_t)((d->random >> (i & 31)) + i);
        j->heap[i] = (uint8_t)((d->random >> (i & 15)) + i * 3);
    }
}

static uint32_t choose_op(struct disk *d)
{
    const uint32_t dice = qtest_random(&d->random, 100);

    if (dice < 40)
        return VDRV_BLOCK_READ;
    if (dice < 78)
        return VDRV_BLOCK_WRITE;
    if (dice < 86)
        return VDRV_BLOCK_FLUSH;
    if (dice < 92)
        return VDRV_BLOCK_DISCARD;
    return dice < 98 ? VDRV_BLOCK_WRITE_ZEROES : VDRV_BLOCK_GET_ID;
}

/* 0: the blocks that chance chose are in use. */
static int prepare(struct disk *d, struct job *j, uint32_t op)
{
    const uint32_t most =
        op == VDRV_BLOCK_READ || op == VDRV_BLOCK_WRITE ? JOB_BYTES / 512 : 128;

    memset(&j->req, 0, sizeof(j->req));
    j->req.op = op;
    j->req.done = on_done;
    j->req.user = j;
    j->blocks = 0;
    if (op == VDRV_BLOCK_FLUSH)
        return 1;
    if (op == VDRV_BLOCK_GET_ID) {
        scatter(d, j, 20);
        j->segs[0].len = 20;
        j->req.nsegs = 1;
        return 1;
    }
    j->blocks = 1 + qtest_random(&d->random, most);
    j->req.block = qtest_random(&d->random, BLOCKS - j->blocks + 1);
    if (!is_free(d, j->req.block, j->blocks, changes(op)))
        return 0;
    if (op == VDRV_BLOCK_READ || op == VDRV_BLOCK_WRITE)
        scatter(d, j, j->blocks * 512);
    else
        j->req.nblocks = j->blocks;
    if (op == VDRV_BLOCK_WRITE_ZEROES && qtest_random(&d->random, 2))
        j->req.flags = VDRV_BLOCK_UNMAP;
    return 1;
}

/* 0: no room, or no luck. */
static int submit(struct disk *d, uint32_t op)
{
    struct job *j = d->jobs;
    int err;

    while (j < d->jobs + JOBS && j->used)
        j++;
    if (j == d->jobs + JOBS || !prepare(d, j, op))
        return 0;
    j->used = 1;
    j->number = ++d->next_number;
    d->inflight++;
    use(d, j, changes(op), 1);
    err = vdrv_block_submit(d->blk, &j->req);
    if (err == VDRV_OK) {
        apply(d, j);
        return 1;
    }
    CHECK_EQ(err, VDRV_ERR_AGAIN);
    use(d, j, changes(op), 0);
    d->inflight--;
    j->used = 0;
    return 0;
}

/* At most one access, and none that says nothing. */
static void kick(struct disk *d)
{
    const uint64_t before = accesses(d), notified = d->m.counts.notify;
    const int told = vdrv_block_kick(d->blk, 0);

    CHECK(told == 0 || told == 1);
    if (d->m.window)
        return; /* eight of the ports */
    CHECK_EQ(accesses(d) - before, told);
    CHECK_EQ(d->m.counts.notify - notified, told);
}

/* Polls without touching a register, until few enough are in flight. */
static void poll_down(struct disk *d, uint32_t most)
{
    const uint64_t until = qtest_now() + PATIENCE;
    const uint64_t before = accesses(d);

    for (uint32_t i = 0; d->inflight > most && qtest_now() < until; i++) {
        if (vdrv_poll(&d->blk->dev, 0, qtest_random(&d->random, 8)) <= 0)
            qtest_pause(i);
    }
    CHECK_EQ(accesses(d), before);
    CHECK(d->inflight <= most);
}

/* A blocking call in between, on blocks that nobody else uses. */
static void blocking(struct disk *d)
{
    uint8_t *data = malloc(8192);
    const uint32_t n = 1 + qtest_random(&d->random, 16);
    const uint32_t at = qtest_random(&d->random, BLOCKS - n);

    if (!is_free(d, at, n, 1)) {
        /* another time */
    } else if (qtest_random(&d->random, 2)) {
        CHECK_EQ(vdrv_block_read_block(d->blk, at, data, (size_t)n * 512), 0);
        CHECK(plausible(d, at, n, data));
        d->done[VDRV_BLOCK_READ]++;
    } else {
        memset(data, (int)d->random, 8192);
        CHECK_EQ(vdrv_block_write_block(d->blk, at, data, (size_t)n * 512), 0);
        memcpy(d->model + at * 512u, data, (size_t)n * 512);
        memset(d->wild + at, 0, n);
        d->done[VDRV_BLOCK_WRITE]++;
    }
    free(data);
}

static void work(struct disk *d, uint32_t n)
{
    const uint64_t first = d->next_number;

    while (d->next_number - first < n && check_failures == 0 && !d->m.dead) {
        for (uint32_t i = 1 + qtest_random(&d->random, 12); i > 0; i--)
            (void)submit(d, choose_op(d));
        kick(d);
        if (qtest_random(&d->random, 50) == 0)
            blocking(d);
        poll_down(d, qtest_random(&d->random, JOBS));
    }
    poll_down(d, 0);
}

/* ---- From outside ------------------------------------------------------- */

static uint32_t did(const struct disk *d, uint32_t op)
{
    return d->done[op];
}

/* QEMU counts what reached its disk, too. */
static void check_outside(struct disk *d)
{
    const char *stats = qtest_qmp(&d->m, "{\"execute\":\"query-blockstats\"}");

    REQUIRE(stats != NULL);
    CHECK_EQ(qtest_number(stats, "flush_operations"), did(d, VDRV_BLOCK_FLUSH));
    CHECK_EQ(qtest_number(stats, "rd_operations"), did(d, VDRV_BLOCK_READ));
    CHECK_EQ(qtest_number(stats, "wr_operations"),
             did(d, VDRV_BLOCK_WRITE) + did(d, VDRV_BLOCK_WRITE_ZEROES));
    CHECK_EQ(qtest_number(stats, "discard-nb-ok"), did(d, VDRV_BLOCK_DISCARD));
    CHECK(plausible(d, 0, BLOCKS, d->file));
}

static void report(const struct disk *d, uint64_t us, uint32_t n)
{
    printf("  init: %llu transport, %llu config, %llu PCI configuration "
           "accesses\n",
           (unsigned long long)d->init.transport,
           (unsigned long long)d->init.config,
           (unsigned long long)d->init.pci_space);
    printf("  %u operations, %.0f/s, %u out of order, %u bounced pages, "
           "%.2f notifications and %.2f other accesses each\n",
           n, n * 1e6 / (double)(us + 1), d->overtaken, d->m.bounced,
           (double)d->m.counts.notify / n,
           (double)(accesses(d) - d->m.counts.notify - d->init.transport -
                    d->init.config - d->init.pci_space) /
               n);
}

/* Which interface is spoken, and by what way. */
static void check_way(const struct disk *d, const struct how *how)
{
    CHECK_EQ((d->t->flags & VDRV_TRANSPORT_LEGACY) != 0,
             how->mode == QTEST_LEGACY);
    CHECK_EQ(vdrv_feature(d->t->features, 32), how->mode != QTEST_LEGACY);
    CHECK_EQ(vdrv_feature(d->t->features, 34), how->packed != NULL);
    if (how->window)
        CHECK_EQ(d->init.transport + d->init.config, 0);
    if (how->bridge != NULL)
        CHECK(d->m.at.pci.fn >> 8 != 0);
}

static void random_how(const struct how *how)
{
    struct disk *d = open_how(how);
    const uint32_t n = operations;
    uint64_t begin;

    if (d == NULL)
        return;
    CHECK_EQ(d->caps.num_blocks, BLOCKS);
    CHECK(d->caps.can_flush && d->caps.can_discard && d->caps.can_write_zeroes);
    check_way(d, how);
    /* Version 1 has no limit of its own; its page registers come on top. */
    if (how->mode != QTEST_LEGACY)
        CHECK(d->init.transport <= (qtest_board_pci(how->board) ? 60 : 40));
    begin = qtest_now();
    work(d, n);
    report(d, qtest_now() - begin, n);
    CHECK(n < 1000 || (d->overtaken > 0 && d->m.bounced > 0));
    /* One flush that nothing else hides, and one discard that shows. */
    CHECK_EQ(vdrv_block_flush(d->blk), VDRV_OK);
    d->done[VDRV_BLOCK_FLUSH]++;
    CHECK_EQ(vdrv_block_discard(d->blk, 64, 64), VDRV_OK);
    d->done[VDRV_BLOCK_DISCARD]++;
    memset(d->model + 64 * 512, 0, 64 * 512);
    check_outside(d);
    close_disk(d);
}

static void random_on(uint32_t board, uint32_t mode,
                      const struct vdrv_queue_kind *packed)
{
    const struct how how = {.board = board, .mode = mode, .packed = packed};

    random_how(&how);
}

/* ---- Faults ------------------------------------------------------------- */

/* The device holds requests that it was told of, and dies of bad news. */
static void one_reset(struct disk *d)
{
    struct vdrv_device *dev = &d->blk->dev;
    const uint32_t aborted = d->aborted, done = d->done[VDRV_BLOCK_READ];
    uint32_t n = 0;

    if (d->drv.queue[0].vq.kind != &vdrv_queue_split)
        CHECK_EQ(vdrv_reset(dev), VDRV_OK); /* begins at its start again */
    for (uint32_t i = 0; i < 8; i++)
        n += (uint32_t)submit(d, VDRV_BLOCK_READ);
    REQUIRE(n > 4);
    qtest_spoil(&d->m, &d->drv.queue[0].vq, qtest_random(&d->random, 4));
    REQUIRE(qtest_ask_reset(d->t));
    CHECK(vdrv_irq(dev, 0) & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_block_flush(d->blk), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_stop(dev), VDRV_OK);
    CHECK_EQ(d->inflight, 0);
    CHECK_EQ(d->aborted - aborted + d->done[VDRV_BLOCK_READ] - done, n);
    CHECK(d->aborted > aborted);
    CHECK_EQ(vdrv_start(dev), VDRV_OK);
    work(d, 20);
}

static void needs_reset_on(uint32_t board, const struct vdrv_queue_kind *packed)
{
    struct disk *d = open_disk(board, QTEST_MODERN, packed);
    const uint32_t cycles = operations / 40;
    uint32_t pages;

    if (d == NULL)
        return;
    work(d, 50);
    pages = d->m.live_pages;
    for (uint32_t i = 0; i < cycles && check_failures == 0; i++)
        one_reset(d);
    CHECK_EQ(d->m.live_pages, pages);
    CHECK(plausible(d, 0, BLOCKS, d->file));
    printf("  %u cycles, %u requests aborted\n", cycles, d->aborted);
    close_disk(d);
}

/* ---- The reset of one queue ---------------------------------------------- */

#define READS 6u /* at five a second, most of them wait */
#define OLD   0xEE

struct read {
    struct vdrv_block_request req;
    struct vdrv_seg seg;
    uint8_t *data;
};

/* How many of the reads' buffers the device has written by now. */
static uint32_t written(const struct read *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < READS; i++)
        n += ((volatile const uint8_t *)r[i].data)[0] != OLD;
    return n;
}

static uint32_t how_many(const struct read *r, int status)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < READS; i++)
        n += r[i].req.status == status;
    return n;
}

/* Reads that wait in the throttle while their queue is reset. */
static void reads_begin(struct disk *d, struct read *r)
{
    memset(r, 0, sizeof(*r) * READS);
    for (uint32_t i = 0; i < READS; i++) {
        r[i].data = d->jobs[i].guest;
        memset(r[i].data, OLD, 512);
        d->file[512 * i] = (uint8_t)(OLD + 1 + i);
        r[i].seg = vdrv_seg_in(r[i].data, 512);
        r[i].req.op = VDRV_BLOCK_READ;
        r[i].req.block = i;
        r[i].req.segs = &r[i].seg;
        r[i].req.nsegs = 1;
        CHECK_EQ(vdrv_block_submit(d->blk, &r[i].req), VDRV_OK);
    }
    CHECK_EQ(vdrv_block_kick(d->blk, 0), 1);
    CHECK_EQ(how_many(r, VDRV_PENDING), READS);
}

/* Two seconds and more are enough for all of them. */
static void reads_wait(struct disk *d, const struct read *r)
{
    const uint64_t until = qtest_now() + 4000000;

    while (qtest_now() < until &&
           (written(r) < READS || how_many(r, VDRV_PENDING) > 0)) {
        (void)vdrv_poll(&d->blk->dev, 0, 0);
        qtest_pause(1000);
    }
}

/*
 * A driver that was not told to trust the device does not ask it: everything
 * goes on, and no memory comes back early.
 */
static void queue_reset_untrusted(uint32_t board)
{
    const struct how how = {.board = board, .slow = 1};
    struct disk *d = open_how(&how);
    struct read r[READS];

    if (d == NULL)
        return;
    reads_begin(d, r);
    CHECK_EQ(vdrv_reset_queue(&d->blk->dev, 0), VDRV_ERR_UNSUPPORTED);
    reads_wait(d, r);
    CHECK_EQ(how_many(r, VDRV_OK), READS);
    CHECK_EQ(written(r), READS);
    close_disk(d);
}

/*
 * What QEMU 7.2 makes of a reset with reads in its hands, when the driver
 * trusts it.  On PCI it confirms at once, and writes afterwards: the reason why
 * nobody should.  On MMIO it has no such register, so that the queue stays
 * ready: the driver sees that, and resets all of the device, which holds.
 */
static void queue_reset_trusted(uint32_t board)
{
    const struct how how = {.board = board, .slow = 1, .trusted = 1};
    struct disk *d = open_how(&how);
    struct read r[READS];
    uint32_t before;
    int err;

    if (d == NULL)
        return;
    CHECK(vdrv_feature(d->t->features, 40));
    reads_begin(d, r);
    err = vdrv_reset_queue(&d->blk->dev, 0);
    before = written(r);
    printf("  %s; %u of %u reads aborted, %u written\n", vdrv_strerror(err),
           how_many(r, VDRV_ERR_ABORTED), READS, before);
    CHECK_EQ(how_many(r, VDRV_PENDING), 0);
    reads_wait(d, r);
    printf("  later %u written, the queue says %s\n", written(r),
           vdrv_strerror(vdrv_poll(&d->blk->dev, 0, 0)));
    if (qtest_board_pci(board)) {
        CHECK_EQ(err, VDRV_OK);
        CHECK(written(r) > before);
    } else {
        CHECK(err < 0);
        CHECK_EQ(written(r), before);
    }
    close_disk(d);
}

static void test_queue_reset_pc(void)
{
    queue_reset_untrusted(QTEST_PC);
    queue_reset_trusted(QTEST_PC);
}

static void test_queue_reset_microvm(void)
{
    queue_reset_untrusted(QTEST_MICROVM);
    queue_reset_trusted(QTEST_MICROVM);
}

/* What the PC's firmware does when the user pulls a card. */
static void eject(struct disk *d)
{
    const struct vdrv_hal *hal = &d->m.hal;
    const uint32_t slot = d->m.at.pci.fn >> 3;

    CHECK(qtest_qmp(&d->m, "{\"execute\":\"device_del\","
                           "\"arguments\":{\"id\":\"dev\"}}") != NULL);
    hal->reg_write(hal->ctx, VDRV_SPACE_PORT, 0xae10, 4, 0);
    hal->reg_write(hal->ctx, VDRV_SPACE_PORT, 0xae08, 4, 1u << slot);
    for (uint32_t i = 0; i < 1000 && d->m.deleted == 0; i++) {
        CHECK(qtest_qmp(&d->m, "{\"execute\":\"query-status\"}") != NULL);
        qtest_pause(i);
    }
    CHECK_EQ(d->m.deleted, 1);
}

static void unplug(int all_ones)
{
    struct disk *d = open_disk(QTEST_PC, QTEST_MODERN, NULL);
    uint32_t n = 0, all;

    if (d == NULL)
        return;
    work(d, 50);
    all = d->done[VDRV_BLOCK_READ];
    for (uint32_t i = 0; i < 8; i++)
        n += (uint32_t)submit(d, VDRV_BLOCK_READ);
    eject(d);
    d->m.all_ones = all_ones;
    kick(d);
    printf("  status reads as %#x, %s\n", d->t->ops->read_status(d->t),
           vdrv_strerror(vdrv_transport_health(d->t)));
    (void)vdrv_stop(&d->blk->dev);
    CHECK_EQ(d->inflight, 0);
    CHECK_EQ(d->aborted + d->done[VDRV_BLOCK_READ] - all, n);
    CHECK(d->aborted > 0);
    CHECK(vdrv_start(&d->blk->dev) < 0);
    CHECK(vdrv_block_flush(d->blk) < 0);
    close_disk(d);
}

static void test_unplug(void)
{
    unplug(0);
}

static void test_unplug_all_ones(void)
{
    unplug(1);
}

/* The causes of an interrupt; on MMIO it takes a read and a write (4.2.2). */
static uint32_t acknowledge(struct disk *d)
{
    const uint64_t before = accesses(d);
    const uint32_t causes = vdrv_irq(&d->blk->dev, 0);

    CHECK_EQ(accesses(d) - before, 2);
    return causes;
}

/* ---- Cases -------------------------------------------------------------- */

#define ON_BOARD(name, board)                                                  \
    static void test_random_##name(void)                                       \
    {                                                                          \
        random_on(board, QTEST_MODERN, NULL);                                  \
    }                                                                          \
    static void test_needs_reset_##name(void)                                  \
    {                                                                          \
        needs_reset_on(board, NULL);                                           \
    }

ON_BOARD(pc, QTEST_PC)
ON_BOARD(microvm, QTEST_MICROVM)
ON_BOARD(virt_pci, QTEST_VIRT_PCI)
ON_BOARD(virt_mmio, QTEST_VIRT_MMIO)

/* A device that would speak the legacy interface, too. */
static void test_transitional(void)
{
    random_on(QTEST_PC, QTEST_TRANSITIONAL, NULL);
}

/* Both interfaces, and neither BAR of the modern one is to be had. */
static void test_window(void)
{
    const struct how how = {
        .board = QTEST_PC, .mode = QTEST_TRANSITIONAL, .window = 1};

    random_how(&how);
}

/* I/O BAR 0: through ports, and where I/O space is memory. */
static void test_legacy_pc(void)
{
    random_on(QTEST_PC, QTEST_LEGACY, NULL);
}

static void test_legacy_virt_pci(void)
{
    random_on(QTEST_VIRT_PCI, QTEST_LEGACY, NULL);
}

/* Behind bridges that nobody has numbered. */
static void test_bridge_pc(void)
{
    const struct how how = {.board = QTEST_PC,
                            .bridge = "pci-bridge,chassis_nr=1"};

    random_how(&how);
}

static void test_bridge_root_port(void)
{
    const struct how how = {.board = QTEST_VIRT_PCI,
                            .mode = QTEST_TRANSITIONAL,
                            .bridge = "pcie-root-port,chassis=1"};

    random_how(&how);
}

static void test_bridge_legacy(void)
{
    const struct how how = {.board = QTEST_PC,
                            .mode = QTEST_LEGACY,
                            .bridge = "pci-bridge,chassis_nr=1"};

    random_how(&how);
}

/* Version 1 of the MMIO interface. */
static void test_legacy_microvm(void)
{
    random_on(QTEST_MICROVM, QTEST_LEGACY, NULL);
}

static void test_legacy_virt_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, QTEST_LEGACY, NULL);
}

/* The line of an armed queue: raised once a completion, acknowledged by one
   read; not raised when disarmed. */
static void test_interrupt(void)
{
    struct disk *d = open_disk(QTEST_MICROVM, QTEST_MODERN, NULL);
    uint32_t raised = 0;

    if (d == NULL)
        return;
    REQUIRE(qtest_intercept(&d->m, "ioapic"));
    for (uint32_t i = 0; i < 100 && check_failures == 0; i++) {
        const int armed = (int)(i & 1);
        const uint64_t until = qtest_now() + PATIENCE;

        (void)vdrv_arm(&d->blk->dev, 0, armed ? VDRV_ARM_NEXT : VDRV_ARM_OFF);
        while (!submit(d, VDRV_BLOCK_READ))
            continue;
        kick(d);
        if (armed) {
            while (qtest_raised(&d->m) == raised && qtest_now() < until)
                continue;
            CHECK_EQ(qtest_raised(&d->m), ++raised);
            CHECK_EQ(acknowledge(d), VDRV_CAUSE_QUEUE);
        }
        poll_down(d, 0);
        CHECK_EQ(qtest_raised(&d->m), raised);
        CHECK_EQ(armed ? vdrv_irq(&d->blk->dev, 0) : 0, 0);
    }
    printf("  %u interrupts\n", raised);
    close_disk(d);
}

/* The messages that came, as bits; forgets them. */
static uint32_t messages(struct disk *d)
{
    uint32_t came = 0;

    for (uint32_t i = 0; i < VECTORS; i++) {
        const uint32_t data = __atomic_exchange_n(
            (uint32_t *)(uintptr_t)&d->door[i], 0, __ATOMIC_SEQ_CST);

        CHECK(data == 0 || data == 0x5a00 + i);
        came |= (uint32_t)(data != 0) << i;
    }
    return came;
}

static void await_message(struct disk *d, uint32_t vector)
{
    const uint64_t until = qtest_now() + PATIENCE;
    uint32_t came = 0;

    for (uint32_t i = 0; came == 0 && qtest_now() < until; i++) {
        qtest_pause(i);
        came = messages(d);
    }
    CHECK_EQ(came, 1u << vector);
}

/* A read on a queue: its own vector's message, or none when disarmed. */
static void read_on(struct disk *d, uint32_t queue, int armed)
{
    uint8_t *buf = d->jobs[0].guest;
    struct vdrv_seg seg = vdrv_seg_in(buf, 512);
    struct vdrv_block_request req = {
        .op = VDRV_BLOCK_READ, .queue = queue, .segs = &seg, .nsegs = 1};
    const uint64_t until = qtest_now() + PATIENCE;
    uint64_t before;

    (void)vdrv_arm(&d->blk->dev, queue, armed ? VDRV_ARM_NEXT : VDRV_ARM_OFF);
    CHECK_EQ(vdrv_block_submit(d->blk, &req), VDRV_OK);
    CHECK_EQ(vdrv_block_kick(d->blk, queue), 1);
    before = accesses(d);
    if (armed) {
        await_message(d, queue + 1);
        CHECK_EQ(vdrv_irq(&d->blk->dev, queue + 1), VDRV_CAUSE_QUEUE);
        CHECK_EQ(vdrv_poll(&d->blk->dev, queue, 0), 1);
    }
    for (uint32_t i = 0; req.status == VDRV_PENDING && qtest_now() < until; i++)
        if (vdrv_poll(&d->blk->dev, queue, 0) == 0)
            qtest_pause(i);
    CHECK_EQ(accesses(d), before); /* PCI-29: not the ISR either */
    CHECK_EQ(req.status, VDRV_OK);
    CHECK_EQ(messages(d), 0);
    CHECK(plausible(d, 0, 1, buf));
}

/* The configuration's vector: QEMU grows the disk. */
static void resize(struct disk *d)
{
    uint32_t changes = 0;

    CHECK(ftruncate(d->image, IMAGE + 512) == 0);
    CHECK(qtest_qmp(&d->m,
                    "{\"execute\":\"block_resize\",\"arguments\":"
                    "{\"node-name\":\"d0\",\"size\":%u}}",
                    IMAGE + 512) != NULL);
    await_message(d, 0);
    CHECK_EQ(vdrv_irq(&d->blk->dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_refresh(&d->blk->dev, &changes), VDRV_OK);
    CHECK(changes & VDRV_CHANGE_CAPACITY);
    CHECK_EQ(vdrv_block_num_blocks(d->blk), BLOCKS + 1);
}

static void vectors_on(uint32_t board, uint32_t mode)
{
    const struct how how = {.board = board, .mode = mode, .vectors = 1};
    struct disk *d = open_how(&how);

    if (d == NULL)
        return;
    CHECK_EQ(d->t->vectors, VECTORS);
    check_way(d, &how);
    /* QEMU sends the first of each queue in any case. */
    for (uint32_t i = 0; i < 100 && check_failures == 0; i++)
        read_on(d, i % QUEUES, i % 3 != 2);
    CHECK_EQ(vdrv_reset(&d->blk->dev), VDRV_OK); /* and after a reset */
    read_on(d, 1, 1);
    resize(d);
    close_disk(d);
}

static void test_vectors_pc(void)
{
    vectors_on(QTEST_PC, QTEST_MODERN);
}

static void test_vectors_virt_pci(void)
{
    vectors_on(QTEST_VIRT_PCI, QTEST_TRANSITIONAL);
}

static void test_vectors_legacy(void)
{
    vectors_on(QTEST_PC, QTEST_LEGACY);
}

#ifdef QTEST_PACKED
static void test_packed_pci(void)
{
    random_on(QTEST_PC, QTEST_MODERN, &vdrv_queue_packed);
}

static void test_packed_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, QTEST_MODERN, &vdrv_queue_packed);
}

static void test_packed_needs_reset(void)
{
    needs_reset_on(QTEST_PC, &vdrv_queue_packed);
}
#endif

static const struct check_case cases[] = {
    {"random_pc", test_random_pc},
    {"random_microvm", test_random_microvm},
    {"random_virt_pci", test_random_virt_pci},
    {"random_virt_mmio", test_random_virt_mmio},
    {"needs_reset_pc", test_needs_reset_pc},
    {"needs_reset_microvm", test_needs_reset_microvm},
    {"needs_reset_virt_pci", test_needs_reset_virt_pci},
    {"needs_reset_virt_mmio", test_needs_reset_virt_mmio},
    {"queue_reset_pc", test_queue_reset_pc},
    {"queue_reset_microvm", test_queue_reset_microvm},
    {"transitional", test_transitional},
    {"legacy_microvm", test_legacy_microvm},
    {"legacy_virt_mmio", test_legacy_virt_mmio},
    {"legacy_pc", test_legacy_pc},
    {"legacy_virt_pci", test_legacy_virt_pci},
    {"window", test_window},
    {"bridge_pc", test_bridge_pc},
    {"bridge_root_port", test_bridge_root_port},
    {"bridge_legacy", test_bridge_legacy},
    {"interrupt", test_interrupt},
    {"vectors_pc", test_vectors_pc},
    {"vectors_virt_pci", test_vectors_virt_pci},
    {"vectors_legacy", test_vectors_legacy},
    {"unplug", test_unplug},
    {"unplug_all_ones", test_unplug_all_ones},
#ifdef QTEST_PACKED
    {"packed_pci", test_packed_pci},
    {"packed_mmio", test_packed_mmio},
    {"packed_needs_reset", test_packed_needs_reset},
#endif
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 10000);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
