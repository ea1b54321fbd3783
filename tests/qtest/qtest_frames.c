/* SPDX-License-Identifier: MIT */
/*
 * The network driver on QEMU's cards, frame by frame: numbered frames of 60 to
 * 65535 bytes in both directions at once, whole and merged, over dgram and
 * stream wires; nothing lost, doubled or out of order.  Then a link that goes
 * down and comes back, the MTU, a capture by QEMU that must hold just what was
 * sent and received, and the control queue, whose effects QEMU tells
 * (query-rx-filter) and frames show.
 *
 * `-n N` moves N frames in each case instead of the usual number.
 */
#include "check.h"
#include "qtest_machine.h"
#include "qtest_wire.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS    16u /* frames of the caller's, for transmit */
#define PARTS    6u
#define SLOT     (FRAME_MOST + 1u + VDRV_NET_HEADROOM)
#define QUEUE    128u
#define POOL_MAX 256u
#define MERGED   2000u /* bytes of a buffer that is merged with others */
#define PATIENCE 20000000u
#define JUMBO    (FRAME_MOST - VDRV_NET_HEADER_SIZE) /* an MTU */

#define INBOUND (UINT64_C(1) << 40) /* numbers of frames to the guest */

static uint32_t operations;

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t wire_mac[6] = {0x02, 'w', 'i', 'r', 'e', 0};
static const uint8_t other_mac[6] = {0x52, 0x54, 0, 0x65, 0x43, 0x21};

/* What a case has. */
struct kind {
    uint32_t board;
    int packed;
    int merged;
    int stream;
    uint32_t mtu; /* 0: 1500, of which the device says nothing */
    int ctrl;
    int no_event; /* see below */
    const char *more;
};

/*
 * Of a packed ring with the event index, QEMU 7.2 forgets to move on the place
 * at which it wants to be notified, when its wire was blocked and no longer is:
 * nobody notifies it then.  So such cases do without, where a wire may block.
 */

struct slot {
    struct vdrv_net_buf part[PARTS];
    uint8_t *mem;
    uint32_t out;
};

struct rig {
    struct qtest_machine m;
    struct vdrv_transport *t;
    struct vdrv_virtio_net drv;
    struct vdrv_net *net;
    struct vdrv_net_info info;
    struct vdrv_net_pool pool;
    struct vdrv_net_buf bufs[POOL_MAX];
    uint32_t nbufs;
    uint8_t *pool_mem;
    size_t pool_size;
    void *work;
    struct qtest_wire wire;
    struct slot slots[SLOTS];
    uint64_t random;
    uint32_t most; /* bytes of a frame */
    uint8_t mac[6];
    uint64_t sent, arrived;      /* from the guest */
    uint64_t injected, received; /* to it */
    uint64_t bytes, chains;
};

/* ---- Up and down -------------------------------------------------------- */

static int start_machine(struct rig *r, const struct kind *k)
{
    char more[384], props[128], wire[128];
    struct qtest_setup setup = {.board = k->board,
                                .device = "virtio-net",
                                .props = props,
                                .more = more,
                                .packed = k->packed};
    int its_end, n, err;

    if (qtest_wire_open(&r->wire, k->stream, wire, sizeof(wire), &its_end) != 0)
        return QTEST_BROKEN;
    n = snprintf(props, sizeof(props), "netdev=n0,mac=52:54:00:12:34:56");
    if (k->mtu != 0)
        n += snprintf(props + n, sizeof(props) - (size_t)n, ",host_mtu=%u",
                      k->mtu);
    if (k->no_event)
        snprintf(props + n, sizeof(props) - (size_t)n, ",event_idx=off");
    snprintf(more, sizeof(more), "%s %s", wire, k->more != NULL ? k->more : "");
    err = qtest_start(&r->m, &setup);
    close(its_end);
    return err;
}

static int make_pool(struct rig *r, const struct kind *k)
{
    struct vdrv_net_pool_config cfg = {0};

    cfg.frame = k->merged ? MERGED : r->most > 1514 ? r->most : 1514;
    r->nbufs = k->merged ? POOL_MAX : 96;
    r->pool_size = VDRV_NET_POOL_SIZE(r->nbufs, cfg.frame);
    r->pool_mem = qtest_alloc(&r->m, r->pool_size);
    cfg.bufs = r->bufs;
    cfg.count = r->nbufs;
    cfg.mem = r->pool_mem;
    cfg.mem_size = r->pool_size;
    return vdrv_net_pool_init(&r->pool, &cfg);
}

static int start_driver(struct rig *r, const struct kind *k)
{
    struct vdrv_virtio_net_config cfg = {0};
    int err;

    r->t = qtest_find(&r->m, VDRV_VIRTIO_NET_ID);
    if (r->t == NULL || make_pool(r, k) != VDRV_OK)
        return VDRV_ERR_NO_DEVICE;
    cfg.queue_size = QUEUE;
    cfg.rx_pool[0] = &r->pool;
    cfg.rx_headroom = (uint8_t)k->merged;
    cfg.packed = k->packed ? &vdrv_queue_packed : NULL;
    cfg.ctrl = k->ctrl ? &vdrv_net_ctrl : NULL;
    cfg.work_size = vdrv_virtio_net_work_size(r->t, &cfg);
    cfg.work = r->work = malloc(cfg.work_size);
    err = vdrv_virtio_net_init(&r->drv, r->t, &cfg);
    if (err != VDRV_OK)
        return err;
    r->net = &r->drv.net;
    CHECK_EQ(vdrv_feature(r->t->features, 34), k->packed);
    return vdrv_net_get_info(r->net, &r->info);
}

static void close_rig(struct rig *r)
{
    if (r->net != NULL) {
        CHECK_EQ(vdrv_virtio_net_fini(&r->drv), VDRV_OK);
        CHECK_EQ(vdrv_net_pool_free(&r->pool), r->nbufs);
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK_EQ(r->slots[i].out, 0);
        if (r->slots[i].mem != NULL)
            qtest_free(&r->m, r->slots[i].mem, SLOT);
    }
    if (r->pool_mem != NULL)
        qtest_free(&r->m, r->pool_mem, r->pool_size);
    CHECK_EQ(r->m.live_pages, 0);
    qtest_end(&r->m);
    qtest_wire_close(&r->wire);
    free(r->work);
    free(r);
}

/* NULL: the case has failed or is skipped. */
static struct rig *open_rig(const struct kind *k)
{
    struct rig *r = calloc(1, sizeof(*r));
    int err;

    r->random = check_seed() * 8 + k->board;
    r->most = (k->mtu != 0 ? k->mtu : 1500) + VDRV_NET_HEADER_SIZE;
    memcpy(r->mac, guest_mac, 6);
    err = start_machine(r, k);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(r, k);
        CHECK_EQ(err, VDRV_OK);
    }
    if (err == VDRV_OK) {
        for (uint32_t i = 0; i < SLOTS; i++)
            r->slots[i].mem = qtest_alloc(&r->m, SLOT);
        CHECK_EQ(r->info.max_frame, r->most);
        return r;
    }
    close_rig(r);
    return NULL;
}

/* ---- Frames ------------------------------------------------------------- */

static void judge(struct rig *r, const uint8_t *frame, size_t len,
                  const uint8_t to[6], uint64_t number)
{
    const char *wrong = frame_wrong(frame, len, to, number, r->most);

    r->bytes += len;
    if (wrong != NULL)
        printf("  %s\n", wrong);
    CHECK(wrong == NULL);
}

/* Looks at all that has arrived; the number of frames. */
static uint32_t peer_receive(struct rig *r)
{
    const uint8_t *frame;
    uint32_t n = 0;
    size_t len;

    while ((len = qtest_wire_take(&r->wire, &frame)) > 0 && !check_failures) {
        judge(r, frame, len, wire_mac, r->arrived++);
        n++;
    }
    return n;
}

static void peer_send(struct rig *r, uint32_t n)
{
    uint8_t frame[FRAME_MOST];

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t len =
            frame_make(frame, r->mac, INBOUND + r->injected, r->most);

        if (!qtest_wire_put(&r->wire, frame, len))
            return;
        r->injected++;
    }
}

static void on_release(struct vdrv_net_buf *buf)
{
    struct slot *s = buf->user;

    CHECK(s->out > 0);
    s->out--;
}

static struct slot *free_slot(struct rig *r, uint32_t from)
{
    for (uint32_t i = from; i < SLOTS; i++) {
        if (r->slots[i].out == 0)
            return &r->slots[i];
    }
    return NULL;
}

/* A frame in parts, with or without headroom. */
static struct vdrv_net_buf *compose(struct rig *r, struct slot *s,
                                    uint64_t number)
{
    const uint32_t room = qtest_random(&r->random, 2) ? VDRV_NET_HEADROOM : 0;
    const uint32_t parts = 1 + qtest_random(&r->random, PARTS);
    const uint32_t len = frame_make(s->mem + room, wire_mac, number, r->most);
    uint32_t at = 0;

    for (uint32_t i = 0; i < parts; i++) {
        struct vdrv_net_buf *b = &s->part[i];
        const uint32_t n = i + 1 == parts ? len - at : (len - at) / 2;

        if (room != 0 && i == 0)
            vdrv_net_buf_init(b, s->mem, room + n, room);
        else
            vdrv_net_buf_wrap(b, s->mem + room + at, n);
        b->len = n;
        b->release = on_release;
        b->user = s;
        b->next = i + 1 == parts ? NULL : b + 1;
        at += n;
    }
    s->out = parts;
    return s->part;
}

static void guest_send(struct rig *r, uint32_t n)
{
    struct vdrv_net_buf *bufs[8];
    struct slot *slots[8];
    uint32_t have = 0;
    int taken;

    while (have < n && have < 8 && (slots[have] = free_slot(r, 0)) != NULL) {
        bufs[have] = compose(r, slots[have], r->sent + have);
        have++;
    }
    if (have == 0) {
        CHECK(vdrv_net_recycle_tx_buffers(r->net, 0) >= 0);
        return;
    }
    taken = vdrv_net_transmit_burst(r->net, 0, bufs, have, 0);
    CHECK(taken >= 0 || taken == VDRV_ERR_AGAIN);
    taken = taken < 0 ? 0 : taken;
    for (uint32_t i = (uint32_t)taken; i < have; i++)
        slots[i]->out = 0; /* never taken */
    r->sent += (uint32_t)taken;
}

static void take_frame(struct rig *r, struct vdrv_net_buf *frame)
{
    static uint8_t whole[FRAME_MOST + MERGED];
    const uint32_t len = vdrv_net_buf_total(frame);
    uint32_t at = 0;

    CHECK(len <= sizeof(whole));
    for (struct vdrv_net_buf *b = frame; b != NULL && len <= sizeof(whole);
         b = b->next) {
        memcpy(whole + at, b->data, b->len);
        at += b->len;
    }
    r->chains += frame->next != NULL;
    judge(r, whole, at, r->mac, INBOUND + r->received++);
    vdrv_net_recycle_frame(r->net, 0, frame);
}

static uint32_t guest_receive(struct rig *r)
{
    struct vdrv_net_buf *bufs[8];
    const int n = vdrv_net_receive_burst(r->net, 0, bufs, 8);

    CHECK(n >= 0);
    for (int i = 0; i < n; i++)
        take_frame(r, bufs[i]);
    return n > 0 ? (uint32_t)n : 0;
}

/* Until both ends have all that the other has sent. */
static void settle(struct rig *r)
{
    const uint64_t until = qtest_now() + PATIENCE;

    for (uint32_t i = 0; qtest_now() < until && !check_failures; i++) {
        if (r->arrived == r->sent && r->received == r->injected &&
            qtest_wire_flush(&r->wire))
            break;
        (void)qtest_wire_flush(&r->wire);
        if (peer_receive(r) + guest_receive(r) == 0)
            qtest_pause(i);
    }
    CHECK_EQ(r->arrived, r->sent);
    CHECK_EQ(r->received, r->injected);
}

static void traffic(struct rig *r, uint64_t n)
{
    const uint64_t until = r->sent + r->injected + n;

    for (uint32_t i = 0; r->sent + r->injected < until; i++) {
        const uint64_t moved = r->arrived + r->received;

        if (check_failures > 0 || r->m.dead)
            return;
        guest_send(r, 1 + qtest_random(&r->random, 8));
        peer_send(r, qtest_random(&r->random, 9));
        (void)peer_receive(r);
        (void)guest_receive(r);
        if (r->arrived + r->received == moved)
            qtest_pause(i & 63);
    }
    settle(r);
}

static void check_stats(struct rig *r)
{
    struct vdrv_net_stats s;

    CHECK_EQ(vdrv_net_get_stats(r->net, &s), VDRV_OK);
    CHECK_EQ(s.tx_frames, r->sent);
    CHECK_EQ(s.rx_frames, r->received);
    CHECK_EQ(s.tx_bytes + s.rx_bytes, r->bytes);
    CHECK_EQ(s.rx_runts + s.rx_oversize + s.rx_malformed + s.rx_lost, 0);
}

/* ---- Traffic ------------------------------------------------------------ */

static void frames_on(const struct kind *k)
{
    struct rig *r = open_rig(k);
    const uint64_t begin = qtest_now();

    if (r == NULL)
        return;
    traffic(r, operations);
    printf("  %llu frames out, %llu in, %llu of them in several buffers, "
           "%llu MB, %.1f s\n",
           (unsigned long long)r->sent, (unsigned long long)r->received,
           (unsigned long long)r->chains, (unsigned long long)r->bytes >> 20,
           (double)(qtest_now() - begin) / 1e6);
    CHECK_EQ(r->info.mergeable, k->merged);
    CHECK(operations < 1000 ||
          (r->chains > 0) == (k->merged && r->most > MERGED));
    check_stats(r);
    close_rig(r);
}

/* NET-066, NET-068: jumbo frames over buffers of 2000 bytes each. */
static void test_dgram_pc_merged(void)
{
    const struct kind k = {.board = QTEST_PC, .merged = 1, .mtu = JUMBO};

    frames_on(&k);
}

static void test_stream_virt_pci_packed_merged(void)
{
    const struct kind k = {.board = QTEST_VIRT_PCI,
                           .packed = 1,
                           .merged = 1,
                           .stream = 1,
                           .mtu = JUMBO,
                           .no_event = 1};

    frames_on(&k);
}

/* NET-064: without merging, each buffer holds a whole frame. */
static void test_dgram_virt_mmio_packed_whole(void)
{
    const struct kind k = {
        .board = QTEST_VIRT_MMIO, .packed = 1, .mtu = JUMBO, .no_event = 1};

    frames_on(&k);
}

static void test_stream_microvm_whole(void)
{
    const struct kind k = {.board = QTEST_MICROVM, .stream = 1, .mtu = JUMBO};

    frames_on(&k);
}

static void test_dgram_microvm_packed_merged(void)
{
    const struct kind k = {.board = QTEST_MICROVM,
                           .packed = 1,
                           .merged = 1,
                           .mtu = 9000,
                           .no_event = 1};

    frames_on(&k);
}

static void test_stream_pc_packed_whole_1500(void)
{
    const struct kind k = {.board = QTEST_PC, .packed = 1, .stream = 1};

    frames_on(&k);
}

/* ---- The link ----------------------------------------------------------- */

static void set_link(struct rig *r, bool up)
{
    CHECK(qtest_qmp(&r->m,
                    "{\"execute\": \"set_link\", \"arguments\": "
                    "{\"name\": \"dev\", \"up\": %s}}",
                    up ? "true" : "false") != NULL);
}

/* The driver is told by an interrupt. */
static void expect_change(struct rig *r, uint32_t change)
{
    const uint64_t until = qtest_now() + PATIENCE;
    uint32_t causes = 0, changes = 0;

    while ((causes & VDRV_CAUSE_CONFIG) == 0 && qtest_now() < until &&
           !r->m.dead)
        causes |= vdrv_irq(&r->net->dev, 0);
    CHECK(causes & VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_refresh(&r->net->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, change);
}

/* NET-016: what is sent while there is no link goes nowhere; later frames do
   not suffer. */
static void link_down_up(const struct kind *k)
{
    struct rig *r = open_rig(k);

    if (r == NULL)
        return;
    CHECK(vdrv_net_link_up(r->net));
    for (uint32_t round = 0; round < 5 && !check_failures; round++) {
        const uint8_t *frame;
        uint64_t before;
        uint32_t dropped = 0;

        traffic(r, operations / 50);
        set_link(r, false);
        expect_change(r, VDRV_CHANGE_LINK);
        CHECK(!vdrv_net_link_up(r->net));
        CHECK(vdrv_net_recycle_tx_buffers(r->net, 0) >= 0);
        before = r->sent;
        guest_send(r, 8);
        for (uint64_t until = qtest_now() + PATIENCE;
             dropped < r->sent - before && qtest_now() < until;) {
            const int n = vdrv_net_recycle_tx_buffers(r->net, 0);

            CHECK(n >= 0);
            dropped += n > 0 ? (uint32_t)n : 0;
        }
        CHECK(r->sent > before);
        CHECK_EQ(dropped, r->sent - before); /* every buffer came back */
        CHECK_EQ(qtest_wire_take(&r->wire, &frame), 0);
        r->arrived = r->sent;
        set_link(r, true);
        expect_change(r, VDRV_CHANGE_LINK);
        CHECK(vdrv_net_link_up(r->net));
    }
    traffic(r, operations / 50);
    close_rig(r);
}

static void test_link_pc(void)
{
    const struct kind k = {.board = QTEST_PC, .merged = 1};

    link_down_up(&k);
}

/* Not packed: without a link, QEMU 7.2 takes one frame from a packed ring, and
   no other ever after. */
static void test_link_virt_mmio(void)
{
    const struct kind k = {.board = QTEST_VIRT_MMIO, .stream = 1};

    link_down_up(&k);
}

/* ---- The MTU ------------------------------------------------------------ */

/* NET-017 to NET-019: the device's MTU holds; one byte more is refused, and not
   sent. */
static void test_host_mtu(void)
{
    static const uint32_t mtus[] = {68, 1280, 1500, 9000, JUMBO};

    for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        const struct kind k = {
            .board = QTEST_PC, .merged = i % 2 == 0, .mtu = mtus[i]};
        struct rig *r = open_rig(&k);
        struct vdrv_net_buf b;

        if (r == NULL)
            return;
        CHECK_EQ(r->info.mtu, mtus[i]);
        vdrv_net_buf_wrap(&b, r->slots[0].mem, r->most + 1);
        CHECK_EQ(vdrv_net_transmit(r->net, 0, &b), VDRV_ERR_TOO_BIG);
        traffic(r, operations / 20);
        close_rig(r);
    }
}

/* ---- A capture ---------------------------------------------------------- */

struct record {
    uint32_t seconds, us, kept, len;
};

/* Each record is the next frame of one direction or the other. */
static void check_capture(struct rig *r, const uint8_t *file, size_t size)
{
    uint64_t out = 0, in = 0;
    uint32_t magic = 0;
    size_t at = 24;

    CHECK(size >= at);
    memcpy(&magic, file, 4);
    CHECK_EQ(magic, 0xa1b2c3d4);
    while (at + sizeof(struct record) <= size && !check_failures) {
        struct record head;
        const uint8_t *frame;

        memcpy(&head, file + at, sizeof(head));
        at += sizeof(head);
        frame = file + at;
        REQUIRE(head.len == head.kept && head.len <= size - at);
        if (head.len >= 6 && memcmp(frame, wire_mac, 6) == 0)
            judge(r, frame, head.len, wire_mac, out++);
        else
            judge(r, frame, head.len, guest_mac, INBOUND + in++);
        at += head.len;
    }
    CHECK_EQ(at, size);
    CHECK_EQ(out, r->sent);
    CHECK_EQ(in, r->received);
    printf("  %llu frames captured\n", (unsigned long long)(out + in));
}

static uint8_t *read_all(int fd, size_t *size)
{
    struct stat st;
    uint8_t *data;

    *size = fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
    data = malloc(*size + 1);
    if (pread(fd, data, *size, 0) != (ssize_t)*size)
        *size = 0;
    return data;
}

static void test_capture(void)
{
    const int fd = qtest_file(0);
    char more[128];
    const struct kind k = {
        .board = QTEST_PC, .merged = 1, .mtu = 9000, .more = more};
    struct rig *r;
    uint8_t *file;
    size_t size;

    snprintf(more, sizeof(more),
             "-object filter-dump,id=f0,netdev=n0,maxlen=65536,file=%s",
             qtest_file_name(fd));
    r = open_rig(&k);
    if (r != NULL) {
        traffic(r, operations < 2000 ? operations : 2000);
        file = read_all(fd, &size);
        check_capture(r, file, size);
        free(file);
        close_rig(r);
    }
    close(fd);
}

/* ---- The control queue --------------------------------------------------- */

/* What QEMU says of the card's filter has this in it, and nothing of that. */
static void expect_filter(struct rig *r, const char *const *texts)
{
    const char *answer = qtest_qmp(&r->m, "{\"execute\": \"query-rx-filter\"}");

    REQUIRE(answer != NULL);
    for (; *texts != NULL; texts++) {
        if (strstr(answer, *texts) == NULL)
            printf("  no %s in %s\n", *texts, answer);
        CHECK(strstr(answer, *texts) != NULL);
    }
}

#define FILTER(r, ...)                                                         \
    expect_filter(r, (const char *const[]){__VA_ARGS__, NULL})

/*
 * A frame to an address and, maybe, a VLAN; behind it one to the guest.  True:
 * the first was received, too.
 */
static bool passes(struct rig *r, const uint8_t to[6], int vlan)
{
    uint8_t frame[FRAME_LEAST + 4] = {0};
    struct vdrv_net_buf *got = NULL;
    const uint64_t until = qtest_now() + PATIENCE;
    bool passed = false, good = false;
    int err = VDRV_OK;

    memcpy(frame, to, 6);
    memcpy(frame + 6, wire_mac, 6);
    frame[12] = vlan >= 0 ? 0x81 : 0x88;
    frame[13] = vlan >= 0 ? 0x00 : 0xb5;
    if (vlan >= 0) {
        frame[14] = (uint8_t)(vlan >> 8);
        frame[15] = (uint8_t)vlan;
    }
    CHECK(qtest_wire_put(&r->wire, frame, sizeof(frame)));
    peer_send(r, 1);
    while (!good && qtest_now() < until &&
           (err == VDRV_OK || err == VDRV_ERR_AGAIN)) {
        err = vdrv_net_receive(r->net, 0, &got);
        if (err != VDRV_OK)
            continue;
        if (got->len == sizeof(frame) &&
            memcmp(got->data, frame, sizeof(frame)) == 0) {
            CHECK(!passed);
            passed = true;
            vdrv_net_recycle_frame(r->net, 0, got);
        } else {
            take_frame(r, got);
            good = true;
        }
    }
    CHECK(good);
    return passed;
}

static const uint8_t group_mac[6] = {0x01, 0, 0x5e, 1, 2, 3};
static const uint8_t group2_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};

static void set_filter(struct rig *r, uint32_t modes, uint32_t nunicast,
                       uint32_t nmulticast)
{
    const struct vdrv_net_filter f = {.modes = modes,
                                      .nunicast = nunicast,
                                      .nmulticast = nmulticast,
                                      .unicast = other_mac,
                                      .multicast = group_mac};

    CHECK_EQ(vdrv_net_set_filter(r->net, &f), VDRV_OK);
}

/* NET-085 to NET-089 */
static void check_modes(struct rig *r)
{
    set_filter(r, 0, 0, 0);
    FILTER(r, "\"promiscuous\": false", "\"multicast\": \"normal\"",
           "\"unicast\": \"normal\"", "\"unicast-table\": []",
           "\"multicast-table\": []", "\"main-mac\": \"52:54:00:12:34:56\"");
    CHECK(!passes(r, other_mac, -1));
    CHECK(!passes(r, group_mac, -1));
    CHECK(passes(r, broadcast, -1));
    set_filter(r, VDRV_NET_PROMISC, 0, 0);
    FILTER(r, "\"promiscuous\": true");
    CHECK(passes(r, other_mac, -1));
    CHECK(passes(r, group_mac, -1));
    set_filter(r, VDRV_NET_ALLMULTI, 0, 0);
    FILTER(r, "\"promiscuous\": false", "\"multicast\": \"all\"");
    CHECK(!passes(r, other_mac, -1));
    CHECK(passes(r, group2_mac, -1));
    set_filter(r, VDRV_NET_ALLUNI, 0, 0);
    FILTER(r, "\"unicast\": \"all\"", "\"promiscuous\": false");
    CHECK(passes(r, other_mac, -1));
    CHECK(!passes(r, group_mac, -1));
    set_filter(r, VDRV_NET_NOBCAST, 0, 0);
    CHECK(!passes(r, broadcast, -1));
    set_filter(r, 0, 1, 1);
    FILTER(r, "\"unicast-table\": [\"52:54:00:65:43:21\"]",
           "\"multicast-table\": [\"01:00:5e:01:02:03\"]",
           "\"unicast\": \"normal\"", "\"multicast\": \"normal\"");
    CHECK(passes(r, other_mac, -1));
    CHECK(passes(r, group_mac, -1));
    CHECK(!passes(r, group2_mac, -1));
}

/* NET-090 */
static void check_vlans(struct rig *r)
{
    CHECK(!passes(r, guest_mac, 5));
    CHECK_EQ(vdrv_net_add_vlan(r->net, 5), VDRV_OK);
    CHECK_EQ(vdrv_net_add_vlan(r->net, 4094), VDRV_OK);
    FILTER(r, "\"vlan\": \"normal\"", "\"vlan-table\": [4094, 5]");
    CHECK(passes(r, guest_mac, 5));
    CHECK(passes(r, guest_mac, 4094));
    CHECK(!passes(r, guest_mac, 6));
    CHECK_EQ(vdrv_net_remove_vlan(r->net, 5), VDRV_OK);
    FILTER(r, "\"vlan-table\": [4094]");
    CHECK(!passes(r, guest_mac, 5));
}

/* The new address counts at once, and after a start, too. */
static void check_mac(struct rig *r)
{
    uint8_t mac[6];

    set_filter(r, 0, 0, 0);
    CHECK_EQ(vdrv_net_set_mac(r->net, other_mac), VDRV_OK);
    FILTER(r, "\"main-mac\": \"52:54:00:65:43:21\"");
    CHECK_EQ(vdrv_net_mac_address(r->net, mac), VDRV_OK);
    CHECK_MEM(mac, other_mac, 6);
    memcpy(r->mac, other_mac, 6);
    CHECK(!passes(r, guest_mac, -1));
    traffic(r, 100);
    CHECK_EQ(vdrv_stop(&r->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_start(&r->net->dev), VDRV_OK);
    FILTER(r, "\"main-mac\": \"52:54:00:65:43:21\"");
    traffic(r, 100);
}

static void control_on(const struct kind *k)
{
    struct rig *r = open_rig(k);

    if (r == NULL)
        return;
    CHECK_EQ(r->info.controls & (VDRV_NET_CAN_FILTER | VDRV_NET_CAN_FILTER_X |
                                 VDRV_NET_CAN_VLAN | VDRV_NET_CAN_SET_MAC |
                                 VDRV_NET_CAN_ANNOUNCE),
             VDRV_NET_CAN_FILTER | VDRV_NET_CAN_FILTER_X | VDRV_NET_CAN_VLAN |
                 VDRV_NET_CAN_SET_MAC | VDRV_NET_CAN_ANNOUNCE);
    check_modes(r);
    check_vlans(r);
    check_mac(r);
    close_rig(r);
}

static void test_control_pc(void)
{
    const struct kind k = {.board = QTEST_PC, .merged = 1, .ctrl = 1};

    control_on(&k);
}

static void test_control_virt_mmio_packed(void)
{
    const struct kind k = {
        .board = QTEST_VIRT_MMIO, .packed = 1, .stream = 1, .ctrl = 1};

    control_on(&k);
}

/* QEMU's own announcement, which it sends on our behalf, is not ours. */
static void drop_rarp(struct rig *r)
{
    const uint64_t until = qtest_now() + PATIENCE;
    const uint8_t *frame;
    size_t len = 0;

    while (len == 0 && qtest_now() < until)
        len = qtest_wire_take(&r->wire, &frame);
    CHECK(len >= 42 && frame[12] == 0x80 && frame[13] == 0x35);
}

static uint32_t config_status(struct rig *r)
{
    return r->t->ops->config_read(r->t, 6, 2);
}

/* NET-091, NET-092: until it is acknowledged, the wish stands. */
static void test_announce(void)
{
    const struct kind k = {.board = QTEST_PC, .merged = 1, .ctrl = 1};
    struct rig *r = open_rig(&k);

    if (r == NULL)
        return;
    for (uint32_t round = 0; round < 3; round++) {
        CHECK_EQ(config_status(r), 1);
        CHECK(qtest_qmp(&r->m, "{\"execute\": \"announce-self\", "
                               "\"arguments\": {\"initial\": 50, \"max\": 50, "
                               "\"rounds\": 1, \"step\": 0}}") != NULL);
        expect_change(r, VDRV_CHANGE_ANNOUNCE);
        CHECK_EQ(config_status(r), 3);
        drop_rarp(r);
        traffic(r, 20); /* the announcements */
        CHECK_EQ(vdrv_net_ack_announce(r->net), VDRV_OK);
        CHECK_EQ(config_status(r), 1);
        (void)vdrv_irq(&r->net->dev, 0);
        CHECK_EQ(vdrv_refresh(&r->net->dev, NULL), VDRV_OK);
    }
    close_rig(r);
}

static const struct check_case cases[] = {
    {"dgram_pc_merged", test_dgram_pc_merged},
    {"stream_virt_pci_packed_merged", test_stream_virt_pci_packed_merged},
    {"dgram_virt_mmio_packed_whole", test_dgram_virt_mmio_packed_whole},
    {"stream_microvm_whole", test_stream_microvm_whole},
    {"dgram_microvm_packed_merged", test_dgram_microvm_packed_merged},
    {"stream_pc_packed_whole_1500", test_stream_pc_packed_whole_1500},
    {"link_pc", test_link_pc},
    {"link_virt_mmio", test_link_virt_mmio},
    {"host_mtu", test_host_mtu},
    {"capture", test_capture},
    {"control_pc", test_control_pc},
    {"control_virt_mmio_packed", test_control_virt_mmio_packed},
    {"announce", test_announce},
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 10000);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
