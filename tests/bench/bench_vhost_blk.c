/* SPDX-License-Identifier: MIT */
/*
 * Requests per second and kicks per request against a real backend, over
 * vhost-user: the library's block driver, or a plain front end that a
 * programmer in a hurry would write (split ring, event index, fixed
 * descriptors, no checks), both polling.
 *
 *     bench_vhost_blk <socket> <ours|plain> <depth> <milliseconds>
 *
 * prints "requests-per-second kicks-per-request".  The two are run in turns.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/virtio_blk.h>

#include "vhost_user.h"

#define MAX_DEPTH   256u
#define BLOCK       4096u
#define RING        1024u
#define CONFIG_SIZE 60u

static struct vhost_user vhost;
static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what, int err)
{
    fprintf(stderr, "bench_vhost_blk: %s: %s\n", what, vdrv_strerror(err));
    exit(1);
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* ---- The library ---------------------------------------------------------- */

static struct vdrv_virtio_blk disk;
static struct vdrv_block_request req[MAX_DEPTH];
static struct vdrv_seg seg[MAX_DEPTH];
static uint64_t completed, blocks;

/* From inside the completion: the next one. */
static void on_done(struct vdrv_block_request *r)
{
    int err = r->status;

    completed++;
    r->block = next_random() % blocks * (BLOCK / 512);
    if (err == VDRV_OK)
        err = vdrv_block_submit(&disk.block, r);
    if (err != VDRV_OK)
        fail("read", err);
}

static double run_ours(uint32_t depth, double length)
{
    static uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(1, 1024, 16) / 8 + 1];
    struct vdrv_virtio_blk_config cfg = {
        .work = work, .work_size = sizeof(work), .queue_size = RING};
    double start, now;
    int err = vdrv_virtio_blk_init(&disk, &vhost.transport, &cfg);

    if (err != VDRV_OK)
        fail("init", err);
    blocks = vdrv_block_num_blocks(&disk.block) / (BLOCK / 512);
    for (uint32_t i = 0; i < depth; i++) {
        seg[i] = vdrv_seg_in(vhost_user_alloc(&vhost, BLOCK, BLOCK), BLOCK);
        req[i].op = VDRV_BLOCK_READ;
        req[i].nsegs = 1;
        req[i].segs = &seg[i];
        req[i].done = on_done;
        req[i].block = next_random() % blocks * (BLOCK / 512);
        err = vdrv_block_submit(&disk.block, &req[i]);
        if (err != VDRV_OK)
            fail("submit", err);
    }
    vdrv_block_kick(&disk.block, 0);
    start = now = seconds();
    for (uint32_t turns = 0; now - start < length; turns++) {
        const int n = vdrv_poll(&disk.block.dev, 0, 0);

        if (n < 0)
            fail("poll", n);
        if (n > 0)
            vdrv_block_kick(&disk.block, 0);
        else
            pause_cpu();
        if (turns % 256 == 0)
            now = seconds();
    }
    return (double)completed / (now - start);
}

/* ---- The plain front end -------------------------------------------------- */

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

struct header {
    uint32_t type, ioprio;
    uint64_t sector;
};

static struct desc *desc;
static _Atomic uint16_t *avail, *used;
static struct header *header;
static uint8_t *status, *data;
static uint16_t avail_idx, told;

static uint64_t guest(const void *ptr)
{
    return (uint64_t)((const uint8_t *)ptr - vhost.memory);
}

static void plain_submit(uint32_t i)
{
    struct desc *d = desc + (size_t)3 * i;

    header[i].type = 0;
    header[i].sector = next_random() % blocks * (BLOCK / 512);
    status[i] = 0xff;
    d[0] = (struct desc){guest(&header[i]), 16, 1, (uint16_t)(3 * i + 1)};
    d[1] = (struct desc){guest(data + (size_t)BLOCK * i), BLOCK, 3,
                         (uint16_t)(3 * i + 2)};
    d[2] = (struct desc){guest(&status[i]), 1, 2, 0};
    atomic_store_explicit(&avail[2 + avail_idx % RING], (uint16_t)(3 * i),
                          memory_order_relaxed);
    avail_idx++;
}

static void plain_kick(void)
{
    uint16_t event;

    atomic_store_explicit(&avail[1], avail_idx, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    event = atomic_load_explicit(&used[2 + 4 * RING], memory_order_relaxed);
    if ((uint16_t)(avail_idx - event - 1) < (uint16_t)(avail_idx - told))
        vhost.hal.reg_write(&vhost, 0, 0, 4, 0);
    told = avail_idx;
}

static void plain_open(void)
{
    const uint64_t features[2] = {UINT64_C(1) << 32 | UINT64_C(1) << 29, 0};
    const struct vdrv_transport_ops *ops = vhost.transport.ops;
    struct vdrv_queue_area area = {.size = RING, .vector = VDRV_NO_VECTOR};
    struct vdrv_notify notify;

    desc = vhost_user_alloc(&vhost, RING * sizeof(*desc), 4096);
    avail = vhost_user_alloc(&vhost, 6 + 2 * RING, 4096);
    used = vhost_user_alloc(&vhost, 6 + 8 * RING, 4096);
    header = vhost_user_alloc(&vhost, MAX_DEPTH * sizeof(*header), 4096);
    status = vhost_user_alloc(&vhost, MAX_DEPTH, 4096);
    data = vhost_user_alloc(&vhost, (size_t)MAX_DEPTH * BLOCK, 4096);
    memcpy(&blocks, vhost.config, sizeof(blocks));
    blocks /= BLOCK / 512;
    ops->write_features(&vhost.transport, features);
    area.desc = guest(desc);
    area.driver = guest((void *)avail);
    area.device = guest((void *)used);
    if (ops->queue_enable(&vhost.transport, 0, &area, &notify) != VDRV_OK)
        fail("queue", VDRV_ERR_PROTOCOL);
}

static double run_plain(uint32_t depth, double length)
{
    uint16_t seen = 0;
    double start, now;

    plain_open();
    for (uint32_t i = 0; i < depth; i++)
        plain_submit(i);
    plain_kick();
    start = now = seconds();
    for (uint32_t turns = 0; now - start < length; turns++) {
        const uint16_t idx =
            atomic_load_explicit(&used[1], memory_order_acquire);

        if (idx == seen)
            pause_cpu();
        for (; idx != seen; seen++, completed++) {
            const uint32_t id = atomic_load_explicit(
                &used[2 + 4 * (seen % RING)], memory_order_relaxed);

            if (status[id / 3] != 0)
                fail("read", VDRV_ERR_IO);
            plain_submit(id / 3);
        }
        if (told != avail_idx)
            plain_kick();
        if (turns % 256 == 0)
            now = seconds();
    }
    return (double)completed / (now - start);
}

int main(int argc, char **argv)
{
    uint32_t depth;
    double rate, length;

    if (argc < 5)
        return 2;
    depth = (uint32_t)atoi(argv[3]);
    length = atof(argv[4]) / 1000;
    if (depth < 1 || depth > MAX_DEPTH)
        return 2;
    if (vhost_user_open(&vhost, argv[1], VDRV_VIRTIO_BLK_ID, CONFIG_SIZE,
                        32u << 20) != 0)
        return 1;
    rate = strcmp(argv[2], "plain") == 0 ? run_plain(depth, length)
                                         : run_ours(depth, length);
    printf("%.0f %.4f\n", rate, (double)vhost.kicks[0] / (double)completed);
    return 0;
}
