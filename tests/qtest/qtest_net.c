/* SPDX-License-Identifier: MIT */
/*
 * The network driver on QEMU's cards.  The test itself is the other end of the
 * wire, a datagram socket: every frame of either direction must arrive, once,
 * in order, with every byte, and nothing else may.  Frames are sent and
 * received in all the ways that the trait has.  Then a device that asks for a
 * reset in the middle of traffic.
 *
 * `-n N` sends N frames on each board instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MIN 60u
#define FRAME_MAX 1514u
#define BUFS      64u  /* of the caller's, for transmit */
#define POOL      128u /* twice the queue */
#define PARTS     4u
#define PATIENCE  20000000u

static uint32_t operations;

struct card;

/* A frame of the caller's: up to PARTS headers over two pieces of memory. */
struct frame {
    struct vdrv_net_buf part[PARTS];
    struct card *card;
    uint8_t *guest;
    uint8_t *heap;
    uint32_t out; /* parts that the driver has */
};

struct card {
    struct qtest_machine m;
    struct vdrv_transport *t;
    struct vdrv_virtio_net drv;
    struct vdrv_net *net;
    struct vdrv_net_info info;
    struct vdrv_net_pool rx_pool;
    struct vdrv_net_pool tx_pool;
    struct vdrv_net_buf rx_bufs[POOL];
    struct vdrv_net_buf tx_bufs[POOL];
    uint8_t *rx_mem; /* guest memory, or (bounced) heap */
    uint8_t *tx_mem;
    size_t rx_size;
    size_t tx_size;
    int rx_guest;
    uint32_t rx_frame;
    void *work;
    int wire;
    uint64_t random;
    struct frame frames[BUFS];
    uint64_t sent; /* by the guest */
    uint64_t arrived;
    uint64_t injected; /* by the peer */
    uint64_t received;
    uint64_t bytes;
    uint32_t chains; /* received frames of several buffers */
    struct qtest_counts init;
};

/* ---- Frames ------------------------------------------------------------- */

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* Frame number `n` of a direction: its length follows from the number. */
static uint32_t make(uint64_t n, uint32_t direction, uint8_t *out)
{
    uint64_t state = n * 2 + direction;
    const uint32_t range = FRAME_MAX - FRAME_MIN + 1;
    uint32_t len = FRAME_MIN + qtest_random(&state, range);

    if (n % 16 == 0)
        len = n % 32 ? FRAME_MIN : FRAME_MAX;
    for (uint32_t i = 0; i < len; i += 4) {
        const uint32_t word = qtest_random(&state, UINT32_MAX);

        memcpy(out + i, &word, len - i < 4 ? len - i : 4);
    }
    memcpy(out, guest_mac, 6);
    if (direction == 1)
        out[0] = n % 8 == 0 ? 0xff : 0x52;
    if (out[0] == 0xff)
        memset(out, 0xff, 6);
    out[6] &= 0xfe;
    return len;
}

static void compare(struct card *c, uint64_t n, uint32_t direction,
                    const uint8_t *data, uint32_t len)
{
    uint8_t want[FRAME_MAX];

    CHECK_EQ(len, make(n, direction, want));
    if (len <= FRAME_MAX && memcmp(data, want, len) != 0) {
        printf("  frame %llu of direction %u\n", (unsigned long long)n,
               direction);
        CHECK_MEM(data, want, len);
    }
    c->bytes += len;
}

/* ---- Up and down -------------------------------------------------------- */

static uint64_t accesses(const struct card *c)
{
    return c->m.counts.transport + c->m.counts.notify + c->m.counts.config +
           c->m.counts.pci_space;
}

static const char *bridge; /* that the card of this case is behind */

static int start_machine(struct card *c, uint32_t board, uint32_t mode,
                         int packed)
{
    char more[128];
    struct qtest_setup setup = {.board = board,
                                .mode = mode,
                                .device = "virtio-net",
                                .props = "netdev=n0,mac=52:54:00:12:34:56",
                                .more = more,
                                .packed = packed,
                                .bridge = bridge};
    int fd[2], err;

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) != 0)
        return QTEST_BROKEN;
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    c->wire = fd[0];
    snprintf(more, sizeof(more), "-netdev socket,id=n0,fd=%d", fd[1]);
    err = qtest_start(&c->m, &setup);
    close(fd[1]);
    return err;
}

static int make_pools(struct card *c)
{
    struct vdrv_net_pool_config cfg = {.count = POOL};

    c->rx_size = VDRV_NET_POOL_SIZE(POOL, c->rx_frame);
    c->tx_size = VDRV_NET_POOL_SIZE(POOL, FRAME_MAX);
    c->rx_mem = c->rx_guest ? qtest_alloc(&c->m, c->rx_size)
                            : aligned_alloc(64, c->rx_size);
    c->tx_mem = qtest_alloc(&c->m, c->tx_size);
    cfg.bufs = c->rx_bufs;
    cfg.mem = c->rx_mem;
    cfg.mem_size = c->rx_size;
    cfg.frame = c->rx_frame;
    if (vdrv_net_pool_init(&c->rx_pool, &cfg) != VDRV_OK)
        return VDRV_ERR_INVALID;
    cfg.bufs = c->tx_bufs;
    cfg.mem = c->tx_mem;
    cfg.mem_size = c->tx_size;
    cfg.frame = FRAME_MAX;
    return vdrv_net_pool_init(&c->tx_pool, &cfg);
}

static int start_driver(struct card *c, const struct vdrv_queue_kind *packed,
                        int merged)
{
    struct vdrv_virtio_net_config cfg = {0};
    int err;

    c->t = qtest_find(&c->m, VDRV_VIRTIO_NET_ID);
    if (c->t == NULL || make_pools(c) != VDRV_OK)
        return VDRV_ERR_NO_DEVICE;
    cfg.queue_size = POOL / 2;
    cfg.rx_pool[0] = &c->rx_pool;
    cfg.tx_pool[0] = &c->tx_pool;
    cfg.rx_headroom = (uint8_t)merged;
    cfg.packed = packed;
    cfg.work_size = vdrv_virtio_net_work_size(c->t, &cfg);
    cfg.work = c->work = malloc(cfg.work_size);
    memset(&c->m.counts, 0, sizeof(c->m.counts));
    err = vdrv_virtio_net_init(&c->drv, c->t, &cfg);
    c->init = c->m.counts;
    if (err != VDRV_OK)
        return err;
    c->net = &c->drv.net;
    return vdrv_net_get_info(c->net, &c->info);
}

static void make_frames(struct card *c)
{
    for (uint32_t i = 0; i < BUFS; i++) {
        c->frames[i].card = c;
        c->frames[i].guest = qtest_alloc(&c->m, 2048);
        c->frames[i].heap = malloc(2048);
    }
}

static void free_memory(struct card *c)
{
    for (uint32_t i = 0; i < BUFS; i++) {
        if (c->frames[i].guest != NULL)
            qtest_free(&c->m, c->frames[i].guest, 2048);
        free(c->frames[i].heap);
    }
    if (c->rx_mem != NULL && c->rx_guest)
        qtest_free(&c->m, c->rx_mem, c->rx_size);
    else
        free(c->rx_mem);
    if (c->tx_mem != NULL)
        qtest_free(&c->m, c->tx_mem, c->tx_size);
    free(c->work);
}

static void close_card(struct card *c)
{
    if (c->net != NULL) {
        CHECK_EQ(vdrv_virtio_net_fini(&c->drv), VDRV_OK);
        CHECK_EQ(vdrv_net_pool_free(&c->rx_pool), POOL);
        CHECK_EQ(vdrv_net_pool_free(&c->tx_pool), POOL);
    }
    for (uint32_t i = 0; i < BUFS; i++)
        CHECK_EQ(c->frames[i].out, 0);
    free_memory(c);
    CHECK_EQ(c->m.live_pages, 0);
    qtest_end(&c->m);
    close(c->wire);
    free(c);
}

/* How received frames are stored. */
#define RX_GUEST   0 /* whole, in guest memory */
#define RX_BOUNCED 1
#define RX_MERGED  2 /* in buffers smaller than a frame */

static struct card *open_card(uint32_t board, uint32_t mode, int rx,
                              const struct vdrv_queue_kind *packed)
{
    struct card *c = calloc(1, sizeof(*c));
    int err;

    c->random = check_seed() * 8 + board;
    c->rx_guest = rx != RX_BOUNCED;
    c->rx_frame = rx == RX_MERGED ? 400 : FRAME_MAX;
    err = start_machine(c, board, mode, packed != NULL);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(c, packed, rx == RX_MERGED);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK) {
            make_frames(c);
            return c;
        }
    }
    close_card(c);
    return NULL;
}

/* ---- The peer ----------------------------------------------------------- */

/* Looks at all that has arrived; the number of frames. */
static uint32_t peer_receive(struct card *c)
{
    uint8_t data[4096];
    uint32_t n = 0;
    ssize_t len;

    while ((len = recv(c->wire, data, sizeof(data), 0)) > 0) {
        CHECK(c->arrived < c->sent);
        compare(c, c->arrived, 0, data, (uint32_t)len);
        c->arrived++;
        n++;
    }
    CHECK(len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    return n;
}

static void peer_send(struct card *c, uint32_t n)
{
    uint8_t data[FRAME_MAX];

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t len = make(c->injected, 1, data);

        if (send(c->wire, data, len, MSG_NOSIGNAL) != (ssize_t)len)
            return; /* full */
        c->injected++;
    }
}

/* ---- Transmit ----------------------------------------------------------- */

static void on_release(struct vdrv_net_buf *buf)
{
    struct frame *f = buf->user;

    CHECK(f->out > 0);
    f->out--;
}

static struct frame *free_frame(struct card *c)
{
    for (uint32_t i = 0; i < BUFS; i++) {
        if (c->frames[i].out == 0)
            return &c->frames[i];
    }
    return NULL;
}

/* The next frame, cut into parts in either kind of memory. */
static struct vdrv_net_buf *compose(struct card *c, struct frame *f,
                                    uint64_t number)
{
    uint8_t data[FRAME_MAX];
    const uint32_t len = make(number, 0, data);
    const uint32_t parts = 1 + qtest_random(&c->random, PARTS);
    const uint32_t room = qtest_random(&c->random, 2) ? VDRV_NET_HEADROOM : 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < parts; i++) {
        struct vdrv_net_buf *b = &f->part[i];
        const uint32_t n =
            i + 1 == parts ? len - at : (len - at) / (2 + (uint32_t)number % 3);
        uint8_t *base = qtest_random(&c->random, 2) ? f->guest : f->heap;

        if (room != 0 && i == 0)
            vdrv_net_buf_init(b, f->guest, room + n, room);
        else
            vdrv_net_buf_wrap(b, base + room + at, n);
        b->len = n;
        memcpy(b->data, data + at, n);
        b->release = on_release;
        b->user = f;
        b->next = i + 1 == parts ? NULL : b + 1;
        at += n;
    }
    f->out = parts;
    return f->part;
}

static void send_burst(struct card *c, uint32_t n)
{
    struct vdrv_net_buf *bufs[16];
    struct frame *frames[16];
    uint32_t have = 0;
    int taken;

    while (have < n && (frames[have] = free_frame(c)) != NULL) {
        bufs[have] = compose(c, frames[have], c->sent + have);
        have++;
    }
    taken = vdrv_net_transmit_burst(c->net, 0, bufs, have, VDRV_NET_MORE);
    CHECK(taken >= 0 || taken == VDRV_ERR_AGAIN || have == 0);
    taken = taken < 0 ? 0 : taken;
    for (uint32_t i = (uint32_t)taken; i < have; i++)
        frames[i]->out = 0; /* never taken */
    c->sent += (uint32_t)taken;
    (void)vdrv_net_kick(c->net, vdrv_net_tx_queue(0));
}

static void send_one(struct card *c)
{
    uint8_t data[FRAME_MAX];
    struct frame *f = free_frame(c);
    int err;

    if (f != NULL && qtest_random(&c->random, 2)) {
        err = vdrv_net_transmit(c->net, 0, compose(c, f, c->sent));
        if (err != VDRV_OK)
            f->out = 0;
    } else {
        const uint32_t len = make(c->sent, 0, data);

        err = vdrv_net_send_copy(c->net, 0, data, len);
    }
    CHECK(err == VDRV_OK || err == VDRV_ERR_AGAIN);
    c->sent += err == VDRV_OK;
}

/* However many frames: one notification at most, and no other access. */
static void guest_send(struct card *c)
{
    const uint64_t before = accesses(c);

    if (qtest_random(&c->random, 2))
        send_burst(c, 1 + qtest_random(&c->random, 16));
    else
        send_one(c);
    CHECK(accesses(c) - before <= 1);
}

/* ---- Receive ------------------------------------------------------------ */

static void take_frame(struct card *c, struct vdrv_net_buf *frame)
{
    uint8_t data[2 * FRAME_MAX];
    uint32_t len = 0;

    CHECK(vdrv_net_buf_total(frame) <= FRAME_MAX);
    c->chains += frame->next != NULL;
    for (struct vdrv_net_buf *b = frame; b != NULL; b = b->next) {
        if (len + b->len > sizeof(data))
            break;
        memcpy(data + len, b->data, b->len);
        len += b->len;
    }
    CHECK(c->received < c->injected);
    compare(c, c->received++, 1, data, len);
    vdrv_net_recycle_frame(c->net, 0, frame);
}

static uint32_t receive_copy(struct card *c)
{
    uint8_t data[FRAME_MAX];
    int len = vdrv_net_receive_copy(c->net, 0, data, sizeof(data));

    CHECK(len > 0 || len == VDRV_ERR_AGAIN);
    if (len <= 0)
        return 0;
    CHECK(c->received < c->injected);
    compare(c, c->received++, 1, data, (uint32_t)len);
    return 1;
}

/* The number of frames there were. */
static uint32_t guest_receive(struct card *c)
{
    struct vdrv_net_buf *bufs[8];
    int n;

    if (qtest_random(&c->random, 2))
        return receive_copy(c);
    n = vdrv_net_receive_burst(c->net, 0, bufs, 8);
    CHECK(n >= 0);
    for (int i = 0; i < n; i++)
        take_frame(c, bufs[i]);
    return n > 0 ? (uint32_t)n : 0;
}

/* Nothing there costs nothing. */
static void idle(struct card *c)
{
    const uint64_t before = accesses(c);

    CHECK(vdrv_net_recycle_tx_buffers(c->net, 0) >= 0);
    CHECK(vdrv_poll(&c->net->dev, vdrv_net_tx_queue(0), 0) >= 0);
    (void)vdrv_net_can_receive(c->net, 0);
    (void)vdrv_net_can_transmit(c->net, 0);
    CHECK_EQ(accesses(c), before);
}

/* Until both ends have all that the other has sent. */
static void settle(struct card *c)
{
    uint64_t until = qtest_now() + PATIENCE;

    for (uint32_t i = 0; qtest_now() < until; i++) {
        if (c->arrived == c->sent && c->received == c->injected)
            break;
        if (peer_receive(c) + guest_receive(c) == 0)
            qtest_pause(i);
    }
    CHECK_EQ(c->arrived, c->sent);
    CHECK_EQ(c->received, c->injected);
    idle(c);
}

static void traffic(struct card *c, uint32_t n)
{
    const uint64_t first = c->sent + c->injected;

    for (uint32_t i = 0; c->sent + c->injected - first < n; i++) {
        const uint64_t moved = c->arrived + c->received;

        if (check_failures > 0 || c->m.dead)
            return;
        guest_send(c);
        peer_send(c, qtest_random(&c->random, 12));
        (void)peer_receive(c);
        (void)guest_receive(c);
        idle(c);
        if (c->arrived + c->received == moved)
            qtest_pause(i & 63);
    }
    settle(c);
}

/* ---- Cases -------------------------------------------------------------- */

static void report(const struct card *c, uint64_t us, uint32_t n)
{
    printf("  init: %llu transport, %llu notify, %llu config, %llu PCI "
           "configuration accesses\n",
           (unsigned long long)c->init.transport,
           (unsigned long long)c->init.notify,
           (unsigned long long)c->init.config,
           (unsigned long long)c->init.pci_space);
    printf("  %u frames (%llu out, %llu in, %u in several buffers), %.0f/s, "
           "%u bounced pages, %.2f notifications each\n",
           n, (unsigned long long)c->sent, (unsigned long long)c->received,
           c->chains, n * 1e6 / (double)(us + 1), c->m.bounced,
           (double)c->m.counts.notify / n);
}

static void random_on(uint32_t board, uint32_t mode, int rx,
                      const struct vdrv_queue_kind *packed)
{
    struct card *c = open_card(board, mode, rx, packed);
    struct vdrv_net_stats stats;
    uint64_t begin;
    uint8_t mac[6];

    if (c == NULL)
        return;
    CHECK_EQ(vdrv_net_mac_address(c->net, mac), VDRV_OK);
    CHECK_MEM(mac, guest_mac, 6);
    CHECK_EQ(vdrv_feature(c->t->features, 34), packed != NULL);
    begin = qtest_now();
    traffic(c, operations);
    report(c, qtest_now() - begin, operations);
    CHECK(operations < 1000 || (c->chains > 0) == (rx == RX_MERGED));
    CHECK_EQ(vdrv_net_get_stats(c->net, &stats), VDRV_OK);
    CHECK_EQ(stats.rx_frames, c->received);
    CHECK_EQ(stats.tx_frames, c->sent);
    CHECK_EQ(stats.rx_bytes + stats.tx_bytes, c->bytes);
    close_card(c);
}

/* Frames that were under way may be lost; buffers may not. */
static void one_reset(struct card *c)
{
    struct vdrv_device *dev = &c->net->dev;
    struct vdrv_net_buf *bufs[8];
    int n = 0;

    for (uint32_t i = 0; i < 8; i++)
        bufs[n++] = compose(c, &c->frames[i], c->sent + i);
    n = vdrv_net_transmit_burst(c->net, 0, bufs, 8, VDRV_NET_MORE);
    REQUIRE(n == 8);
    qtest_spoil(&c->m, &c->drv.queue[1].vq, 0);
    REQUIRE(qtest_ask_reset(c->t));
    CHECK(vdrv_irq(dev, 0) & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(dev, vdrv_net_tx_queue(0), 0), VDRV_ERR_BAD_STATE);
    CHECK(!vdrv_net_can_transmit(c->net, 0));
    CHECK_EQ(vdrv_stop(dev), VDRV_OK);
    for (uint32_t i = 0; i < BUFS; i++)
        CHECK_EQ(c->frames[i].out, 0);
    CHECK_EQ(vdrv_net_pool_free(&c->rx_pool), POOL);
    CHECK_EQ(vdrv_start(dev), VDRV_OK);
    traffic(c, 20);
}

static void test_needs_reset(void)
{
    const uint32_t cycles = operations / 40;
    struct card *c = open_card(QTEST_PC, QTEST_MODERN, RX_GUEST, NULL);

    if (c == NULL)
        return;
    traffic(c, 50);
    for (uint32_t i = 0; i < cycles && check_failures == 0; i++)
        one_reset(c);
    printf("  %u cycles\n", cycles);
    close_card(c);
}

static void test_pc(void)
{
    random_on(QTEST_PC, QTEST_MODERN, RX_GUEST, NULL);
}

static void test_microvm(void)
{
    random_on(QTEST_MICROVM, QTEST_MODERN, RX_BOUNCED, NULL);
}

static void test_virt_pci(void)
{
    random_on(QTEST_VIRT_PCI, QTEST_MODERN, RX_MERGED, NULL);
}

static void test_virt_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, QTEST_MODERN, RX_GUEST, NULL);
}

/* A card that would speak the legacy interface, too. */
static void test_transitional(void)
{
    random_on(QTEST_PC, QTEST_TRANSITIONAL, RX_GUEST, NULL);
}

/* I/O BAR 0: through ports, and where I/O space is memory. */
static void test_legacy_pc(void)
{
    random_on(QTEST_PC, QTEST_LEGACY, RX_MERGED, NULL);
}

static void test_legacy_virt_pci(void)
{
    random_on(QTEST_VIRT_PCI, QTEST_LEGACY, RX_GUEST, NULL);
}

/* Behind a bridge that nobody has numbered. */
static void test_bridge_root_port(void)
{
    bridge = "pcie-root-port,chassis=1";
    random_on(QTEST_VIRT_PCI, QTEST_TRANSITIONAL, RX_BOUNCED, NULL);
    bridge = NULL;
}

/* Version 1 of the MMIO interface. */
static void test_legacy_microvm(void)
{
    random_on(QTEST_MICROVM, QTEST_LEGACY, RX_GUEST, NULL);
}

static void test_legacy_virt_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, QTEST_LEGACY, RX_BOUNCED, NULL);
}

#ifdef QTEST_PACKED
static void test_packed_pci(void)
{
    random_on(QTEST_PC, QTEST_MODERN, RX_MERGED, &vdrv_queue_packed);
}

static void test_packed_mmio(void)
{
    random_on(QTEST_VIRT_MMIO, QTEST_MODERN, RX_BOUNCED, &vdrv_queue_packed);
}
#endif

static const struct check_case cases[] = {
    {"random_pc", test_pc},
    {"random_microvm", test_microvm},
    {"random_virt_pci", test_virt_pci},
    {"random_virt_mmio", test_virt_mmio},
    {"transitional", test_transitional},
    {"legacy_pc", test_legacy_pc},
    {"legacy_virt_pci", test_legacy_virt_pci},
    {"bridge_root_port", test_bridge_root_port},
    {"legacy_microvm", test_legacy_microvm},
    {"legacy_virt_mmio", test_legacy_virt_mmio},
    {"needs_reset", test_needs_reset},
#ifdef QTEST_PACKED
    {"packed_pci", test_packed_pci},
    {"packed_mmio", test_packed_mmio},
#endif
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 10000);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
