/* SPDX-License-Identifier: MIT */
/*
 * Two queue pairs on two CPUs without a lock: QEMU's card with two queues over
 * vhost-user, where DPDK's vhost is the device of the rings and QEMU that of
 * the control queue.  DPDK sends every frame back on the pair that it came
 * from, with its addresses swapped.  A thread for each pair sends numbered
 * frames and must get each of them back: once, in order, with every byte.
 *
 * `-n N` sends N frames on each pair instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"
#include "qtest_wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS    2u
#define QUEUE    128u
#define POOL     256u
#define SLOTS    32u /* frames under way on a pair: never more than it posts */
#define SLOT     (VDRV_NET_HEADROOM + 2048u)
#define PATIENCE 20000000u
#define OFFLOADS                                                               \
    (VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_TSO4 | VDRV_NET_CAN_RX_TSO6)

static uint32_t operations;
static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t wire_mac[6] = {0x02, 'w', 'i', 'r', 'e', 0};

struct rig;

/* One CPU's: nobody else touches it while the CPU runs. */
struct cpu {
    struct rig *rig;
    uint32_t pair;
    pthread_t thread;
    struct vdrv_net_pool pool;
    struct vdrv_net_buf bufs[POOL];
    void *pool_mem;
    struct vdrv_net_buf slot[SLOTS];
    uint8_t *mem;
    uint32_t out[SLOTS];
    uint64_t sent, back, bytes;
    uint64_t until; /* frames to send */
    char wrong[200];
};

struct rig {
    struct qtest_machine m;
    struct vdrv_virtio_net drv;
    struct vdrv_net *net;
    struct vdrv_net_info info;
    struct cpu cpu[PAIRS];
    void *work;
    char dir[64], socket[80];
    pid_t dpdk;
    int dpdk_in;
};

/* ---- DPDK --------------------------------------------------------------- */

static void dpdk_args(const struct rig *r, char *text, size_t size)
{
    snprintf(text, size,
             "dpdk-testpmd --lcores 0@0-1,1@0-1 --no-pci --no-huge -m 256 "
             "--single-file-segments --no-telemetry --file-prefix=q%d "
             "--vdev=net_vhost0,iface=%s,queues=%u -- --rxq=%u --txq=%u "
             "--forward-mode=macswap --total-num-mbufs=8192",
             (int)getpid(), r->socket, PAIRS, PAIRS, PAIRS);
}

/* It goes on until its input ends. */
static void run_dpdk(const struct rig *r, int in)
{
    char text[1024];
    char *argv[32];
    int n = 0, null = open("/dev/null", O_WRONLY);

    dpdk_args(r, text, sizeof(text));
    for (char *p = strtok(text, " "); p != NULL && n < 31;
         p = strtok(NULL, " "))
        argv[n++] = p;
    argv[n] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

/* False: there is no DPDK here, or it did not come up. */
static bool start_dpdk(struct rig *r)
{
    const uint64_t until = qtest_now() + PATIENCE;
    int in[2], status = 0;
    struct stat st;

    snprintf(r->dir, sizeof(r->dir), "/tmp/qtest-pairs-XXXXXX");
    if (mkdtemp(r->dir) == NULL || pipe(in) != 0)
        return false;
    snprintf(r->socket, sizeof(r->socket), "%s/vhost", r->dir);
    fflush(NULL);
    r->dpdk = fork();
    if (r->dpdk == 0) {
        close(in[1]);
        run_dpdk(r, in[0]);
    }
    close(in[0]);
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    r->dpdk_in = in[1];
    while (stat(r->socket, &st) != 0) {
        if (qtest_now() > until || waitpid(r->dpdk, &status, WNOHANG) != 0) {
            check_skip_why = "dpdk-testpmd is not installed";
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 127);
            return false;
        }
        usleep(10000);
    }
    return true;
}

static void end_dpdk(struct rig *r)
{
    if (r->dpdk > 0) {
        kill(r->dpdk, SIGKILL);
        (void)waitpid(r->dpdk, NULL, 0);
        close(r->dpdk_in);
    }
    unlink(r->socket);
    rmdir(r->dir);
}

/* ---- Registers, which both threads reach --------------------------------- */

static pthread_mutex_t bus = PTHREAD_MUTEX_INITIALIZER;
static uint32_t (*plain_read)(void *, uint32_t, uintptr_t, uint32_t);
static void (*plain_write)(void *, uint32_t, uintptr_t, uint32_t, uint32_t);

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    uint32_t value;

    pthread_mutex_lock(&bus);
    value = plain_read(ctx, space, addr, width);
    pthread_mutex_unlock(&bus);
    return value;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    pthread_mutex_lock(&bus);
    plain_write(ctx, space, addr, width, value);
    pthread_mutex_unlock(&bus);
}

/* ---- Up and down --------------------------------------------------------- */

static int start_machine(struct rig *r, int packed)
{
    char more[256];
    const struct qtest_setup setup = {
        .board = QTEST_PC,
        .device = "virtio-net",
        .props = "netdev=n0,mac=52:54:00:12:34:56,mq=on,vectors=6",
        .more = more,
        .packed = packed};
    int err;

    snprintf(more, sizeof(more),
             "-chardev socket,id=c0,path=%s "
             "-netdev vhost-user,id=n0,chardev=c0,queues=%u",
             r->socket, PAIRS);
    err = qtest_start(&r->m, &setup);
    plain_read = r->m.hal.reg_read;
    plain_write = r->m.hal.reg_write;
    r->m.hal.reg_read = reg_read;
    r->m.hal.reg_write = reg_write;
    return err;
}

static void on_release(struct vdrv_net_buf *buf)
{
    *(uint32_t *)buf->user = 0;
}

static int equip(struct rig *r, uint32_t pair)
{
    struct cpu *c = &r->cpu[pair];
    struct vdrv_net_pool_config cfg = {.bufs = c->bufs, .count = POOL};

    c->rig = r;
    c->pair = pair;
    c->mem = qtest_alloc(&r->m, SLOTS * SLOT);
    cfg.mem_size = VDRV_NET_POOL_SIZE(POOL, VDRV_NET_POOL_FRAME);
    cfg.mem = c->pool_mem = qtest_alloc(&r->m, cfg.mem_size);
    return vdrv_net_pool_init(&c->pool, &cfg);
}

static int start_driver(struct rig *r, const struct vdrv_queue_kind *packed)
{
    struct vdrv_virtio_net_config cfg = {.queue_size = QUEUE,
                                         .pairs = PAIRS,
                                         .packed = packed,
                                         .rx_headroom = 1,
                                         .rx_offloads = OFFLOADS,
                                         .ctrl = &vdrv_net_ctrl};
    struct vdrv_transport *t = qtest_find(&r->m, VDRV_VIRTIO_NET_ID);
    int err;

    if (t == NULL)
        return VDRV_ERR_NO_DEVICE;
    for (uint32_t i = 0; i < PAIRS; i++) {
        err = equip(r, i);
        if (err != VDRV_OK)
            return err;
        cfg.rx_pool[i] = &r->cpu[i].pool;
    }
    cfg.work_size = vdrv_virtio_net_work_size(t, &cfg);
    cfg.work = r->work = malloc(cfg.work_size);
    err = vdrv_virtio_net_init(&r->drv, t, &cfg);
    if (err != VDRV_OK)
        return err;
    r->net = &r->drv.net;
    CHECK_EQ(vdrv_feature(t->features, 34), packed != NULL);
    return vdrv_net_get_info(r->net, &r->info);
}

static void close_rig(struct rig *r)
{
    if (r->net != NULL)
        CHECK_EQ(vdrv_virtio_net_fini(&r->drv), VDRV_OK);
    for (uint32_t i = 0; i < PAIRS; i++) {
        struct cpu *c = &r->cpu[i];

        for (uint32_t k = 0; k < SLOTS; k++)
            CHECK_EQ(c->out[k], 0);
        if (c->pool_mem == NULL)
            continue;
        CHECK_EQ(vdrv_net_pool_free(&c->pool), POOL);
        qtest_free(&r->m, c->pool_mem,
                   VDRV_NET_POOL_SIZE(POOL, VDRV_NET_POOL_FRAME));
        qtest_free(&r->m, c->mem, SLOTS * SLOT);
    }
    CHECK_EQ(r->m.live_pages, 0);
    qtest_end(&r->m);
    end_dpdk(r);
    free(r->work);
    free(r);
}

static struct rig *open_rig(const struct vdrv_queue_kind *packed)
{
    struct rig *r = calloc(1, sizeof(*r));
    int err = QTEST_BROKEN;

    r->m.qtest = r->m.qmp = r->m.errors = -1;
    if (start_dpdk(r)) {
        err = start_machine(r, packed != NULL);
        if (err == QTEST_NO_QEMU)
            check_skip_why = "no QEMU for this board";
        else
            CHECK_EQ(err, QTEST_OK);
    }
    if (err == QTEST_OK) {
        err = start_driver(r, packed);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK)
            return r;
    }
    close_rig(r);
    return NULL;
}

/* ---- One CPU -------------------------------------------------------------- */

static uint64_t number_of(const struct cpu *c, uint64_t n)
{
    return (uint64_t)c->pair << 40 | n;
}

/* Sends frames into all free slots, at most what is asked for. */
static bool send_some(struct cpu *c)
{
    struct vdrv_net_buf *bufs[SLOTS];
    uint32_t n = 0;
    int taken;

    for (uint32_t i = 0; i < SLOTS; i++) {
        uint8_t *at = c->mem + (size_t)i * SLOT;

        /* what has not come back is under way, sent or not */
        if (c->out[i] || c->sent + n == c->until ||
            c->sent + n - c->back == SLOTS)
            continue;
        vdrv_net_buf_init(&c->slot[i], at, SLOT, VDRV_NET_HEADROOM);
        c->slot[i].len =
            frame_make(at + VDRV_NET_HEADROOM, guest_mac,
                       number_of(c, c->sent + n), VDRV_NET_POOL_FRAME);
        c->slot[i].release = on_release;
        c->slot[i].user = &c->out[i];
        c->out[i] = 1;
        bufs[n++] = &c->slot[i];
    }
    if (n == 0)
        return vdrv_net_recycle_tx_buffers(c->rig->net, c->pair) >= 0;
    taken = vdrv_net_transmit_burst(c->rig->net, c->pair, bufs, n, 0);
    for (uint32_t i = taken < 0 ? 0 : (uint32_t)taken; i < n; i++)
        *(uint32_t *)bufs[i]->user = 0;
    c->sent += taken < 0 ? 0 : (uint64_t)taken;
    return taken >= 0 || taken == VDRV_ERR_AGAIN;
}

/* As it was sent: DPDK has swapped the addresses. */
static void judge(struct cpu *c, struct vdrv_net_buf *buf)
{
    uint8_t *frame = buf->data;
    const char *wrong;

    if (buf->next != NULL || memcmp(frame, wire_mac, 6) != 0) {
        snprintf(c->wrong, sizeof(c->wrong), "not a frame of ours");
        return;
    }
    memcpy(frame, guest_mac, 6);
    memcpy(frame + 6, wire_mac, 6);
    wrong = frame_wrong(frame, buf->len, guest_mac, number_of(c, c->back++),
                        VDRV_NET_POOL_FRAME);
    c->bytes += buf->len;
    if (wrong != NULL)
        snprintf(c->wrong, sizeof(c->wrong), "%s", wrong);
}

static uint32_t receive_some(struct cpu *c)
{
    struct vdrv_net_buf *bufs[16];
    const int n = vdrv_net_receive_burst(c->rig->net, c->pair, bufs, 16);

    if (n < 0)
        snprintf(c->wrong, sizeof(c->wrong), "receive: %s", vdrv_strerror(n));
    for (int i = 0; i < n; i++) {
        judge(c, bufs[i]);
        vdrv_net_recycle_frame(c->rig->net, c->pair, bufs[i]);
    }
    return n > 0 ? (uint32_t)n : 0;
}

static void *run_cpu(void *arg)
{
    struct cpu *c = arg;
    uint64_t last = qtest_now();

    for (uint32_t idle = 0; c->back < c->until && c->wrong[0] == '\0';) {
        if (!send_some(c))
            snprintf(c->wrong, sizeof(c->wrong), "transmit failed");
        if (receive_some(c) > 0) {
            idle = 0;
            last = qtest_now();
        } else if (qtest_now() - last > PATIENCE) {
            snprintf(c->wrong, sizeof(c->wrong), "frame %llu never came back",
                     (unsigned long long)c->back);
        } else {
            qtest_pause(idle++);
        }
    }
    return NULL;
}

/* `n` frames more on each of the first `pairs`, at the same time. */
static void run_cpus(struct rig *r, uint32_t pairs, uint64_t n)
{
    for (uint32_t i = 0; i < pairs; i++) {
        r->cpu[i].until += n;
        pthread_create(&r->cpu[i].thread, NULL, run_cpu, &r->cpu[i]);
    }
    for (uint32_t i = 0; i < pairs; i++) {
        struct cpu *c = &r->cpu[i];

        pthread_join(c->thread, NULL);
        if (c->wrong[0] != '\0')
            printf("  pair %u: %s\n", i, c->wrong);
        CHECK(c->wrong[0] == '\0');
        CHECK_EQ(c->back, c->until);
        CHECK_EQ(c->sent, c->until);
    }
}

/* NET-108: receive offloads, off and on again while the card runs. */
static void switch_offloads(struct rig *r)
{
    static const uint32_t steps[] = {
        0, VDRV_NET_CAN_RX_CSUM, VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_TSO4,
        OFFLOADS};

    CHECK(r->info.controls & VDRV_NET_CAN_OFFLOADS);
    CHECK_EQ(r->info.offloads & OFFLOADS, OFFLOADS);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        CHECK_EQ(vdrv_net_set_offloads(r->net, steps[i]), VDRV_OK);
        run_cpus(r, PAIRS, 100);
    }
    CHECK_EQ(vdrv_net_set_offloads(r->net, VDRV_NET_CAN_RX_TSO4),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_offloads(r->net, VDRV_NET_CAN_RX_USO4),
             VDRV_ERR_UNSUPPORTED);
}

/* ---- Cases --------------------------------------------------------------- */

/* NET-093 to NET-096: and pairs come and go while the card runs. */
static void pairs_on(const struct vdrv_queue_kind *packed)
{
    struct rig *r = open_rig(packed);
    struct vdrv_net_stats stats;
    uint64_t begin, frames, bytes = 0;

    if (r == NULL)
        return;
    CHECK_EQ(r->info.max_pairs, PAIRS);
    CHECK_EQ(r->info.pairs, PAIRS);
    /* the frames' noise is made by the first who asks */
    (void)frame_make(r->cpu[0].mem, guest_mac, 0, VDRV_NET_POOL_FRAME);
    begin = qtest_now();
    run_cpus(r, PAIRS, operations);
    printf("  %u frames on each of %u pairs, %.0f/s\n", operations, PAIRS,
           2e6 * operations / (double)(qtest_now() - begin));
    for (uint32_t round = 0; round < 3 && !check_failures; round++) {
        struct vdrv_net_buf b;

        CHECK_EQ(vdrv_net_set_pairs(r->net, 1), VDRV_OK);
        vdrv_net_buf_wrap(&b, r->cpu[1].mem, 60);
        CHECK_EQ(vdrv_net_transmit(r->net, 1, &b), VDRV_ERR_INVALID);
        run_cpus(r, 1, 500);
        CHECK_EQ(vdrv_net_set_pairs(r->net, PAIRS), VDRV_OK);
        run_cpus(r, PAIRS, 500);
    }
    switch_offloads(r);
    frames = r->cpu[0].back + r->cpu[1].back;
    bytes = r->cpu[0].bytes + r->cpu[1].bytes;
    CHECK_EQ(vdrv_net_get_stats(r->net, &stats), VDRV_OK);
    CHECK_EQ(stats.tx_frames, frames);
    CHECK_EQ(stats.rx_frames, frames);
    CHECK_EQ(stats.tx_bytes, bytes);
    CHECK_EQ(stats.rx_bytes, bytes);
    close_rig(r);
}

static void test_pairs_split(void)
{
    pairs_on(NULL);
}

static void test_pairs_packed(void)
{
    pairs_on(&vdrv_queue_packed);
}

static const struct check_case cases[] = {
    {"pairs_split", test_pairs_split},
    {"pairs_packed", test_pairs_packed},
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 10000);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
