/* SPDX-License-Identifier: MIT */
/*
 * Segmentation and checksums in both directions, against the fake card, which
 * checks each header that it is sent; and random traffic on several pairs, with
 * offloads and control commands in between, against a model that knows whose
 * each buffer is.
 */
#include "net_rig.h"

#include "../../src/device/vdrv_net_config.h"
#include "../../src/spec/virtio_net.h"

#define ALL_TX                                                                 \
    (VDRV_NET_CAN_TX_TSO4 | VDRV_NET_CAN_TX_TSO6 | VDRV_NET_CAN_TX_UFO |       \
     VDRV_NET_CAN_TX_USO | VDRV_NET_CAN_TX_ECN)

#define IP_HEADER 20u
#define L4        (VDRV_NET_HEADER_SIZE + IP_HEADER)
#define BIG       65549u /* a datagram of 65535 bytes, and its Ethernet header */

/* A frame of `len` bytes to be cut: the kinds differ where devices look. */
static void make_gso(uint8_t *p, uint32_t len, struct vdrv_net_buf *b,
                     uint8_t type, uint32_t tcp_words)
{
    const bool tcp = type < VDRV_NET_GSO_UDP || (type & VDRV_NET_GSO_ECN) != 0;

    fill(p, len, type);
    b->flags |= VDRV_NET_GSO | VDRV_NET_CSUM_PARTIAL;
    b->gso_type = type;
    b->gso_size = 1400;
    b->csum_start = L4;
    b->csum_offset = tcp ? 16 : 6;
    b->gso_header = (uint16_t)(L4 + (tcp ? 4 * tcp_words : 8));
    if (tcp)
        p[L4 + 12] = (uint8_t)(tcp_words << 4);
    p[L4 + b->csum_offset] = 0;
    p[L4 + b->csum_offset + 1] = 0;
}

static struct rig *tx_rig(uint32_t offloads, uint32_t headroom)
{
    struct opts o = {.headroom = headroom};

    o.dev.with = FAKE_NET_GSO;
    o.cfg.tx_offloads = offloads;
    return rig_up(&o);
}

static const struct {
    uint8_t ours, wire;
    uint32_t can, id;
} kinds[] = {
    {VDRV_NET_GSO_TCP4, 1, VDRV_NET_CAN_TX_TSO4, 31},
    {VDRV_NET_GSO_TCP6, 4, VDRV_NET_CAN_TX_TSO6, 32},
    {VDRV_NET_GSO_UDP, 3, VDRV_NET_CAN_TX_UFO, 33},
    {VDRV_NET_GSO_USO, 5, VDRV_NET_CAN_TX_USO, 34},
    {VDRV_NET_GSO_TCP4 | VDRV_NET_GSO_ECN, 0x81,
     VDRV_NET_CAN_TX_TSO4 | VDRV_NET_CAN_TX_ECN, 37},
    {VDRV_NET_GSO_TCP6 | VDRV_NET_GSO_ECN, 0x84,
     VDRV_NET_CAN_TX_TSO6 | VDRV_NET_CAN_TX_ECN, 37},
};

/* NET-035, -037, -048 to -054, -059: 64 KiB, in one part and in many. */
static void tx_kinds(void)
{
    static uint8_t bytes[BIG], sum[BIG];

    for (uint32_t k = 0; k < COUNT(kinds) * 4; k++) {
        struct rig *g = tx_rig(ALL_TX, (k & 1) != 0 ? 32 : 0);
        const uint32_t kind = k / 4, parts = (k & 2) != 0 ? 8 : 1;
        const uint32_t each = BIG / parts + 1;
        struct fake_net_meta *m = &g->dev.last_meta;
        uint16_t at;

        CHECK_EQ(g->info.offloads & ALL_TX, ALL_TX);
        CHECK(fake_dev_has(&g->dev.dev, FAKE_NET_F_GUEST_HDRLEN));
        make_gso(bytes, BIG, &g->buf[0].b, kinds[kind].ours, 5 + k % 4);
        for (uint32_t i = 0; i < parts; i++) {
            struct vdrv_net_buf *b = &g->buf[i].b;

            b->data = bytes + each * i;
            b->mem = NULL;
            b->len = i + 1 < parts ? each : BIG - each * i;
            b->next = i + 1 < parts ? &g->buf[i + 1].b : NULL;
        }
        CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[0].b), VDRV_OK);
        fake_step(&g->f);
        CHECK_EQ(g->dev.last_len, BIG);
        CHECK_EQ(m->gso_type, kinds[kind].wire);
        CHECK_EQ(m->gso_size, 1400);
        CHECK_EQ(m->hdr_len, g->buf[0].b.gso_header);
        CHECK_EQ(m->flags, FAKE_NET_NEEDS_CSUM);
        memcpy(sum, bytes, BIG);
        at = (uint16_t)(L4 + g->buf[0].b.csum_offset);
        fake_put16(sum + at, 0);
        sum[at] = (uint8_t)(fake_net_checksum(sum + L4, BIG - L4, 0) >> 8);
        sum[at + 1] = (uint8_t)fake_net_checksum(bytes + L4, BIG - L4, 0);
        CHECK_MEM(g->dev.last, sum, BIG);
        CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
        CHECK_EQ(releases(g), parts);
        rig_down(g);
    }
}

/* NET-031 to -034, -036, -052: without its bit, an error and nothing sent. */
static void tx_not_negotiated(void)
{
    for (uint32_t k = 0; k < COUNT(kinds); k++) {
        struct rig *g = tx_rig(ALL_TX & ~kinds[k].can, 32);
        struct vdrv_net_buf *b = frame(g, 0, 1500);

        make_gso(b->data, 1500, b, kinds[k].ours, 5);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_UNSUPPORTED);
        fake_step(&g->f);
        CHECK_EQ(g->dev.tx_frames, 0);
        CHECK_EQ(releases(g), 0);
        rig_down(g);
    }
    /* Asked for, and the device has none of it. */
    for (uint32_t k = 0; k < COUNT(kinds); k++) {
        const struct opts o = {.headroom = 32, .cfg.tx_offloads = UINT32_MAX};
        struct rig *g = rig_up(&o);
        struct vdrv_net_buf *b = frame(g, 0, 1500);

        CHECK_EQ(g->info.offloads & ALL_TX, 0);
        make_gso(b->data, 1500, b, kinds[k].ours, 5);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_UNSUPPORTED);
        rig_down(g);
    }
}

/* NET-053, -055: what would make no sense on the wire. */
static void tx_senseless(void)
{
    struct rig *g = tx_rig(ALL_TX, 32);
    const struct {
        uint32_t flags;
        uint16_t size, header, start, offset;
        uint8_t type;
        int err;
    } rows[] = {
        {1, 1400, 54, 34, 16, VDRV_NET_GSO_TCP4, VDRV_OK},
        {0, 1400, 54, 34, 16, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 0, 54, 34, 16, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 1400, 53, 34, 16, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 1400, 0, 34, 16, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 1400, 1500, 34, 16, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 1400, 41, 34, 6, VDRV_NET_GSO_USO, VDRV_ERR_INVALID},
        {1, 1400, 42, 34, 6, VDRV_NET_GSO_USO, VDRV_OK},
        {1, 1400, 54, 34, 16, 0, VDRV_ERR_INVALID},
        {1, 1400, 54, 34, 16, 5, VDRV_ERR_INVALID},
        {1, 1400, 54, 34, 16, 0x7f, VDRV_ERR_INVALID},
        {1, 1400, 42, 34, 6, VDRV_NET_GSO_USO | VDRV_NET_GSO_ECN,
         VDRV_ERR_INVALID},
        {1, 1400, 42, 34, 6, VDRV_NET_GSO_UDP | VDRV_NET_GSO_ECN,
         VDRV_ERR_INVALID},
        {1, 1400, 54, 34, 1465, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
        {1, 1400, 54, 0xffff, 0xffff, VDRV_NET_GSO_TCP4, VDRV_ERR_INVALID},
    };

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        struct vdrv_net_buf *b = frame(g, i, 1500);

        b->flags =
            VDRV_NET_GSO | (rows[i].flags != 0 ? VDRV_NET_CSUM_PARTIAL : 0);
        b->gso_type = rows[i].type;
        b->gso_size = rows[i].size;
        b->gso_header = rows[i].header;
        b->csum_start = rows[i].start;
        b->csum_offset = rows[i].offset;
        b->data[34 + 12] = 5 << 4;
        CHECK_EQ(vdrv_net_transmit(g->net, 0, b), rows[i].err);
    }
    rig_down(g);
}

/* NET-019, -055: sizes; a frame that is not cut keeps to the MTU. */
static void tx_sizes(void)
{
    static uint8_t bytes[70000];
    struct rig *g = tx_rig(ALL_TX, 0);
    struct vdrv_net_buf b;

    vdrv_net_buf_wrap(&b, bytes, 1515);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &b), VDRV_ERR_TOO_BIG);
    b.len = 1514;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &b), VDRV_OK);
    fake_step(&g->f);
    CHECK(g->dev.last_meta.hdr_len >= 54); /* by the fake's check, too */
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    vdrv_net_buf_wrap(&b, bytes, 65590);
    make_gso(bytes, 65590, &b, VDRV_NET_GSO_TCP6, 5);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &b), VDRV_ERR_TOO_BIG);
    b.len = 65589;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_len, 65589);
    rig_down(g);
}

/* ---- Receive --------------------------------------------------------------- */

static const struct {
    uint8_t wire, ours;
    uint32_t can;
} rx_kinds[] = {
    {1, VDRV_NET_GSO_TCP4, VDRV_NET_CAN_RX_TSO4},
    {4, VDRV_NET_GSO_TCP6, VDRV_NET_CAN_RX_TSO6},
    {3, VDRV_NET_GSO_UDP, VDRV_NET_CAN_RX_UFO},
    {5, VDRV_NET_GSO_USO, VDRV_NET_CAN_RX_USO4},
    {5, VDRV_NET_GSO_USO, VDRV_NET_CAN_RX_USO6},
    {0x81, VDRV_NET_GSO_TCP4 | VDRV_NET_GSO_ECN,
     VDRV_NET_CAN_RX_TSO4 | VDRV_NET_CAN_RX_ECN},
};

static const struct fake_net_meta *rx_meta(uint32_t kind)
{
    static struct fake_net_meta m;

    m = (struct fake_net_meta){.flags = FAKE_NET_NEEDS_CSUM,
                               .gso_type = rx_kinds[kind].wire,
                               .gso_size = 1460,
                               .hdr_len = 54,
                               .csum_start = 34,
                               .csum_offset = 16};
    return &m;
}

/* NET-063, -065, -068: 64 KiB in many buffers of 2048, each kind. */
static void rx_merged_gso(void)
{
    static uint8_t bytes[BIG];

    fill(bytes, BIG, 3);
    for (uint32_t k = 0; k < COUNT(rx_kinds); k++) {
        struct opts o = {.headroom = 32};
        struct vdrv_net_buf *b = NULL;
        struct rig *g;
        uint32_t at = 0;

        o.dev.with = FAKE_NET_GSO;
        o.cfg.queue_size = 64;
        o.cfg.rx_headroom = 1;
        o.cfg.rx_offloads = rx_kinds[k].can;
        g = rig_up(&o);
        CHECK_EQ(g->info.offloads & 0xffff0000u,
                 rx_kinds[k].can | VDRV_NET_CAN_RX_CSUM);
        post_all(g, 40);
        CHECK(fake_net_receive_on(&g->dev, 0, bytes, BIG, rx_meta(k)));
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
        REQUIRE(b != NULL);
        CHECK_EQ(b->flags, VDRV_NET_GSO | VDRV_NET_CSUM_PARTIAL);
        CHECK_EQ(b->gso_type, rx_kinds[k].ours);
        CHECK_EQ(b->gso_size, 1460);
        CHECK_EQ(b->gso_header, 54);
        CHECK_EQ(vdrv_net_buf_total(b), BIG);
        for (; b != NULL; b = b->next) {
            CHECK_MEM(b->data, bytes + at, b->len);
            at += b->len;
        }
        rig_down(g);
    }
}

/* NET-063: one buffer for all of it, and no smaller one is taken. */
static void rx_big_buffers(void)
{
    static uint8_t bytes[BIG], mem[VDRV_VIRTIO_NET_GSO_FRAME + 34];
    struct vdrv_net_buf big, *b = NULL;
    struct opts o = {0};
    struct rig *g;

    o.dev.with = FAKE_NET_GSO;
    o.cfg.rx_offloads = VDRV_NET_CAN_RX_TSO4;
    g = rig_up(&o);
    CHECK_EQ(g->info.mergeable, 0);
    CHECK_EQ(g->info.rx_buf_min, VDRV_VIRTIO_NET_GSO_FRAME);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[0].b),
             VDRV_ERR_INVALID);
    for (uint32_t headroom = 0; headroom <= 34; headroom += 34) {
        vdrv_net_buf_init(&big, mem, VDRV_VIRTIO_NET_GSO_FRAME + headroom,
                          headroom);
        big.capacity--;
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &big), VDRV_ERR_INVALID);
        big.capacity++;
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &big), VDRV_OK);
        fill(bytes, BIG, headroom);
        CHECK(fake_net_receive_on(&g->dev, 0, bytes, BIG, rx_meta(0)));
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
        CHECK(b == &big && b->len == BIG && b->next == NULL);
        CHECK_MEM(b->data, bytes, BIG);
        CHECK_EQ(b->gso_type, VDRV_NET_GSO_TCP4);
    }
    rig_down(g);
}

/* A pool that is too small for what was asked for is refused at init. */
static void rx_small_pool(void)
{
    static struct vdrv_net_buf bufs[4];
    static uint8_t mem[VDRV_NET_POOL_SIZE(4, 1514)]
        __attribute__((aligned(64)));
    struct vdrv_net_pool_config pc = {
        .bufs = bufs, .mem = mem, .mem_size = sizeof(mem), .count = 4};
    struct vdrv_net_pool pool;
    struct opts o = {0};
    struct rig *g = malloc(sizeof(*g));

    REQUIRE(g != NULL);
    CHECK_EQ(vdrv_net_pool_init(&pool, &pc), VDRV_OK);
    o.dev.with = FAKE_NET_GSO;
    o.cfg.rx_pool[0] = &pool;
    o.cfg.rx_offloads = VDRV_NET_CAN_RX_TSO4;
    rig_machine(g, &o);
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_INVALID);
    CHECK(fake_log_contains(&g->f, "pool buffers are smaller"));
    o.cfg.rx_headroom = 1; /* merged, it is large enough */
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    rig_down(g);
}

/* F55: large frames nobody asked for are what they are, without the word. */
static void fault_F55_gso_not_asked_for(void)
{
    for (uint32_t k = 0; k < COUNT(rx_kinds); k++) {
        const struct opts o = {.cfg.rx_offloads = VDRV_NET_CAN_RX_CSUM,
                               .dev.with = FAKE_NET_GSO};
        struct rig *g = rig_up(&o);
        struct vdrv_net_buf *b = NULL;
        const uint8_t bytes[1400] = {2};

        CHECK_EQ(g->info.rx_buf_min, 1514);
        post_all(g, 1);
        CHECK(fake_net_receive_on(&g->dev, 0, bytes, 1400, rx_meta(k)));
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
        REQUIRE(b != NULL);
        CHECK_EQ(b->flags, VDRV_NET_CSUM_PARTIAL);
        CHECK_EQ(stats(g).rx_cleared, 1);
        rig_down(g);
    }
}

/* ---- Random traffic on several pairs ---------------------------------------- */

#define PAIRS 3u

enum { MINE, POSTED, SENT };

struct model {
    struct rig *g;
    uint8_t where[BUFS];
    uint8_t pair[BUFS];
    uint32_t use; /* pairs that may send */
    uint64_t sent;
};

static void model_receive(struct model *m, uint32_t pair)
{
    struct vdrv_net_buf *frames[4];
    const int n = vdrv_net_receive_burst(m->g->net, pair, frames, 4);

    CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        for (struct vdrv_net_buf *b = frames[i], *next; b != NULL; b = next) {
            const size_t k = (size_t)((struct tbuf *)(void *)b - m->g->buf);

            next = b->next;
            b->next = NULL;
            CHECK(k < BUFS && m->where[k] == POSTED && m->pair[k] == pair);
            CHECK(b->data >= b->mem && b->data + b->len <= b->mem + BYTES);
            m->where[k] = MINE;
        }
    }
}

static void model_send(struct model *m, uint32_t i, uint32_t pair)
{
    struct tbuf *t = &m->g->buf[i];
    const uint32_t len = 64 + fake_rand(&m->g->f) % 1400;
    int err;

    t->b.data = t->mem + t->b.headroom;
    t->b.flags = 0;
    (void)frame(m->g, i, len);
    if (fake_rand(&m->g->f) % 2 != 0)
        make_gso(t->b.data, len, &t->b,
                 fake_rand(&m->g->f) % 2 != 0 ? VDRV_NET_GSO_TCP4
                                              : VDRV_NET_GSO_USO,
                 5);
    err = vdrv_net_transmit(m->g->net, pair, &t->b);
    if (pair >= m->use) {
        CHECK_EQ(err, VDRV_ERR_INVALID);
        return;
    }
    CHECK(err == VDRV_OK || err == VDRV_ERR_AGAIN);
    if (err != VDRV_OK)
        return;
    m->where[i] = SENT;
    m->pair[i] = (uint8_t)pair;
    m->sent++;
}

static void model_control(struct model *m)
{
    static const uint16_t table[4] = {0, 1, 2, 1};
    const uint32_t pairs = 1 + fake_rand(&m->g->f) % PAIRS;
    const struct vdrv_net_rss rss = {
        .hash_types = 3, .ntable = 4, .tx_pairs = pairs, .table = table};
    int err = VDRV_OK;

    switch (fake_rand(&m->g->f) % 4) {
    case 0:
        err = vdrv_net_set_pairs(m->g->net, pairs);
        m->use = pairs;
        break;
    case 1:
        err = vdrv_net_set_rss(m->g->net, &rss);
        m->use = pairs;
        break;
    case 2:
        err = vdrv_net_add_vlan(m->g->net, (uint16_t)pairs);
        break;
    default:
        err = vdrv_net_set_offloads(m->g->net, VDRV_NET_CAN_RX_CSUM);
        break;
    }
    CHECK_EQ(err, VDRV_OK);
}

static void model_round(struct model *m)
{
    struct rig *g = m->g;
    const uint32_t i = fake_rand(&g->f) % BUFS, pair = i % PAIRS;
    static uint8_t bytes[9000];

    switch (fake_rand(&g->f) % 8) {
    case 0:
    case 1:
        if (m->where[i] == MINE &&
            vdrv_net_recycle_rx_buffer(g->net, pair, &g->buf[i].b) == VDRV_OK) {
            m->where[i] = POSTED;
            m->pair[i] = (uint8_t)pair;
        }
        break;
    case 2:
        if (m->where[i] == MINE)
            model_send(m, i, pair);
        break;
    case 3:
        (void)fake_net_receive_on(
            &g->dev, pair, bytes, 14 + fake_rand(&g->f) % 8000,
            fake_rand(&g->f) % 2 != 0 ? rx_meta(fake_rand(&g->f) % 6) : NULL);
        break;
    case 4:
        model_receive(m, pair);
        break;
    case 5:
        fake_step(&g->f);
        break;
    case 6:
        (void)vdrv_net_recycle_tx_buffers(g->net, pair);
        break;
    default:
        if (fake_rand(&g->f) % 8 == 0)
            model_control(m);
        break;
    }
    for (uint32_t k = 0; k < BUFS; k++) {
        if (g->buf[k].released == 0)
            continue;
        CHECK_EQ(g->buf[k].released, 1);
        CHECK_EQ(m->where[k], SENT);
        m->where[k] = MINE;
        g->buf[k].released = 0;
    }
}

/* NET-096, NET-127 in the fake; no buffer is lost, or two people's. */
static void random_pairs(void)
{
    const char *rounds = getenv("NET_ROUNDS");
    const uint32_t n = rounds != NULL ? (uint32_t)atoi(rounds) : 4000;

    for (uint32_t k = 0; k < 8; k++) {
        struct opts o = {.headroom = 34, .machine.seed = check_seed_value + k};
        struct model m = {.use = PAIRS};

        o.dev.pairs = PAIRS;
        o.dev.with = FAKE_NET_GSO | FAKE_NET_CONTROL | 1ull << FAKE_NET_F_RSS;
        o.cfg.ctrl = &vdrv_net_ctrl;
        o.cfg.pairs = PAIRS;
        o.cfg.tx_offloads = ALL_TX;
        o.cfg.rx_headroom = 1;
        o.cfg.rx_offloads = (k & 1) != 0 ? UINT32_MAX : VDRV_NET_CAN_RX_CSUM;
        o.cfg.no_indirect = (k & 2) != 0;
        o.cfg.packed = (k & 4) != 0 ? &vdrv_queue_packed : NULL;
        m.g = rig_up(&o);
        m.g->dev.dev.complete = FAKE_COMPLETE_RANDOM;
        m.g->dev.dev.per_step = 3;
        for (uint32_t i = 0; i < n && check_failures == 0; i++)
            model_round(&m);
        CHECK_EQ(vdrv_stop(&m.g->net->dev), VDRV_OK);
        for (uint32_t i = 0; i < BUFS; i++)
            CHECK_EQ(m.g->buf[i].released, m.where[i] == MINE ? 0 : 1);
        CHECK_EQ(stats(m.g).tx_frames, m.sent);
        CHECK(m.sent > n / 100 && stats(m.g).rx_frames > n / 100);
        rig_down(m.g);
    }
}

static const struct check_case cases[] = {
    {"tx_kinds", tx_kinds},
    {"tx_not_negotiated", tx_not_negotiated},
    {"tx_senseless", tx_senseless},
    {"tx_sizes", tx_sizes},
    {"rx_merged_gso", rx_merged_gso},
    {"rx_big_buffers", rx_big_buffers},
    {"rx_small_pool", rx_small_pool},
    {"fault_F55_gso_not_asked_for", fault_F55_gso_not_asked_for},
    {"random_pairs", random_pairs},
};

CHECK_MAIN(cases)
