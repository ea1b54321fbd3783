/* SPDX-License-Identifier: MIT */
/*
 * The virtio network driver against the fake device: every buffer is counted,
 * so that none is lost or released twice, and what travelled is looked at from
 * the device's side.  Cases named F51 to F63 are rows of the fault table.
 */
#include <pthread.h>
#include <sched.h>

#include "net_rig.h"

#include "../../src/device/vdrv_net_header.h"
#include "../../src/spec/virtio_net.h"

/* ---- What the card is ----------------------------------------------------- */

static void describes_itself(void)
{
    const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    struct rig *g = rig_up(&(struct opts){0});
    struct vdrv_identity id;
    uint8_t told[6];

    CHECK(strcmp(vdrv_device_name(&g->net->dev), "virtio-net") == 0);
    CHECK_EQ(vdrv_device_type(&g->net->dev), VDRV_TYPE_NET);
    CHECK_EQ(vdrv_identify(&g->net->dev, &id), VDRV_OK);
    CHECK_EQ(id.device_id, VDRV_VIRTIO_NET_ID);
    CHECK_EQ(vdrv_net_mac_address(g->net, told), VDRV_OK);
    CHECK_MEM(told, mac, 6);
    CHECK(vdrv_net_link_up(g->net));
    CHECK_EQ(g->info.mtu, 1500);
    CHECK_EQ(g->info.max_frame, 1514);
    CHECK_EQ(g->info.rx_buf_min, 1514);
    CHECK_EQ(g->info.header_len, 12);
    CHECK_EQ(g->info.pairs, 1);
    CHECK_EQ(g->info.speed, 10000);
    CHECK_EQ(g->info.duplex, VDRV_NET_DUPLEX_FULL);
    CHECK_EQ(g->info.offloads, VDRV_NET_CAN_TX_CSUM);
    CHECK_EQ(g->info.controls, 0);
    CHECK_EQ(g->info.mergeable, 0);
    CHECK_EQ(vdrv_net_rx_queue_size(g->net), QUEUE);
    CHECK_EQ(vdrv_net_tx_queue_size(g->net), QUEUE);
    rig_down(g);
}

/* NET-023, -024, F59 for now: nothing is accepted that is not implemented. */
static void accepts_only_what_it_does(void)
{
    const uint64_t may =
        1ull << FAKE_NET_F_CSUM | 1ull << FAKE_NET_F_MTU |
        1ull << FAKE_NET_F_MAC | 1ull << FAKE_NET_F_STATUS |
        1ull << FAKE_NET_F_SPEED_DUPLEX | 1ull << FAKE_F_VERSION_1 |
        1ull << FAKE_F_ACCESS_PLATFORM | 1ull << FAKE_F_INDIRECT_DESC |
        1ull << FAKE_F_EVENT_IDX | 1ull << FAKE_F_ORDER_PLATFORM |
        1ull << FAKE_F_NOTIFICATION_DATA | 1ull << FAKE_F_RING_RESET;
    struct rig *g = malloc(sizeof(*g));
    const struct opts o = {0};

    REQUIRE(g != NULL);
    rig_machine(g, &o);
    g->dev.dev.offered[0] = ~0ull & ~(1ull << FAKE_F_RING_PACKED);
    g->dev.dev.offered[1] = ~0ull;
    g->f.hal.direct_platform = 1;
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    CHECK_EQ(g->dev.dev.accepted[0], may);
    CHECK_EQ(g->dev.dev.accepted[1], 0);
    rig_down(g);
}

static void control_is_unsupported(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    const struct vdrv_net_filter filter = {.modes = VDRV_NET_PROMISC};
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

    CHECK_EQ(vdrv_net_set_filter(g->net, &filter), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 4096), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_mac(g->net, mac), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_offloads(g->net, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_ack_announce(g->net), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(g->dev.ctrl_commands, 0);
    rig_down(g);
}

/* F57, NET-013; NET-014 is the caller's, by cfg.mac. */
static void f57_mac_rule(void)
{
    const uint8_t own[6] = {2, 0, 0, 0, 0, 7};
    struct opts o = {0};
    struct rig *g = malloc(sizeof(*g));
    uint8_t told[6];

    REQUIRE(g != NULL);
    o.dev.without = 1ull << FAKE_NET_F_MAC;
    rig_machine(g, &o);
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g->f, "no address"));
    memcpy(o.cfg.mac, own, 6);
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    CHECK_EQ(vdrv_net_mac_address(g->net, told), VDRV_OK);
    CHECK_MEM(told, own, 6);
    rig_down(g);

    for (uint8_t first = 0; first < 2; first++) { /* zero, multicast */
        g = malloc(sizeof(*g));
        REQUIRE(g != NULL);
        o = (struct opts){0};
        rig_machine(g, &o);
        memset(g->dev.dev.config, 0, 6);
        g->dev.dev.config[0] = first;
        CHECK_EQ(rig_init(g, &o), VDRV_ERR_PROTOCOL);
        o.cfg.mac[0] = 1;
        CHECK_EQ(rig_init(g, &o), VDRV_ERR_INVALID);
        CHECK(fake_balanced(&g->f));
        rig_end(g);
    }
}

/* F58, NET-018 */
static void f58_mtu_rule(void)
{
    static const struct {
        uint16_t mtu;
        int err;
        uint32_t min;
    } rows[] = {
        {1, VDRV_ERR_PROTOCOL, 0}, {67, VDRV_ERR_PROTOCOL, 0},
        {68, VDRV_OK, 1514},       {1500, VDRV_OK, 1514},
        {9000, VDRV_OK, 9014},     {65535, VDRV_OK, 65549},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *g = malloc(sizeof(*g));
        const struct opts o = {.dev.mtu = rows[i].mtu};
        struct opts none = o;

        REQUIRE(g != NULL);
        rig_machine(g, &o);
        CHECK_EQ(rig_init(g, &o), rows[i].err);
        if (rows[i].err == VDRV_OK) {
            CHECK_EQ(g->info.mtu, rows[i].mtu);
            CHECK_EQ(g->info.rx_buf_min, rows[i].min);
            /* What it says later changes nothing. */
            fake_put16(g->dev.dev.config + FAKE_NET_CFG_MTU, 70);
            fake_dev_config_changed(&g->dev.dev);
            CHECK_EQ(vdrv_refresh(&g->net->dev, NULL), VDRV_OK);
            CHECK_EQ(vdrv_net_get_info(g->net, &g->info), VDRV_OK);
            CHECK_EQ(g->info.rx_buf_min, rows[i].min);
            CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
        }
        none.cfg.no_mtu = 1;
        CHECK_EQ(rig_init(g, &none), VDRV_OK);
        CHECK_EQ(g->info.mtu, 1500);
        rig_down(g);
    }
}

/* F62, NET-021, NET-022 */
static void f62_link_flaps(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    uint32_t changes = 0;

    fake_net_link(&g->dev, false);
    CHECK_EQ(vdrv_irq(&g->net->dev, 0), VDRV_CAUSE_CONFIG);
    CHECK(vdrv_net_link_up(g->net)); /* until it is looked at */
    CHECK_EQ(vdrv_refresh(&g->net->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, VDRV_CHANGE_LINK);
    CHECK(!vdrv_net_link_up(g->net));
    for (int i = 0; i < 7; i++) /* ends as it began: nothing to tell */
        fake_net_link(&g->dev, (i & 1) != 0);
    CHECK_EQ(vdrv_refresh(&g->net->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, 0);
    fake_net_link(&g->dev, true);
    fake_net_announce(&g->dev); /* not negotiated: not told */
    fake_put32(g->dev.dev.config + FAKE_NET_CFG_SPEED, 0x80000000u);
    g->dev.dev.config[FAKE_NET_CFG_DUPLEX] = 7;
    CHECK_EQ(vdrv_refresh(&g->net->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, VDRV_CHANGE_LINK);
    CHECK(vdrv_net_link_up(g->net));
    CHECK_EQ(vdrv_net_get_info(g->net, &g->info), VDRV_OK);
    CHECK_EQ(g->info.speed, VDRV_NET_SPEED_UNKNOWN);
    CHECK_EQ(g->info.duplex, VDRV_NET_DUPLEX_UNKNOWN);
    rig_down(g);
}

/* NET-015 */
static void no_status_is_up(void)
{
    const struct opts o = {.dev.without = 1ull << FAKE_NET_F_STATUS};
    struct rig *g = rig_up(&o);

    fake_put16(g->dev.dev.config + FAKE_NET_CFG_STATUS, 0);
    CHECK_EQ(vdrv_refresh(&g->net->dev, NULL), VDRV_OK);
    CHECK(vdrv_net_link_up(g->net));
    rig_down(g);
}

/* ---- Transmit ------------------------------------------------------------- */

/* Sends frames of all places a header can be in. */
static void tx_header_modes(void)
{
    static const struct {
        uint32_t headroom, descriptors;
    } rows[] = {{0, 2}, {10, 2}, {12, 1}, {13, 2}, {14, 1}, {64, 1}};
    const struct opts o = {.cfg.no_indirect = 1};
    struct rig *g = rig_up(&o);

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        struct tbuf *t = &g->buf[i];

        buf_reset(t, rows[i].headroom);
        memset(t->mem, 0xEE, sizeof(t->mem)); /* no stale byte may travel */
        frame(g, i, 60 + i);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, &t->b), VDRV_OK);
        CHECK_EQ(vdrv_queue_room(tx_queue(g)), QUEUE - rows[i].descriptors);
        fake_step(&g->f);
        CHECK_EQ(g->dev.tx_frames, i + 1);
        CHECK_EQ(g->dev.last_len, 60 + i);
        CHECK_MEM(g->dev.last, t->b.data, 60 + i);
        CHECK_EQ(g->dev.last_meta.flags | g->dev.last_meta.gso_type |
                     g->dev.last_meta.csum_start | g->dev.last_meta.hdr_len |
                     g->dev.last_meta.gso_size | g->dev.last_meta.csum_offset |
                     g->dev.last_meta.num_buffers,
                 0);
        CHECK_EQ(t->released, 0);
        CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
        CHECK_EQ(t->released, 1);
    }
    CHECK_EQ(stats(g).tx_frames, COUNT(rows));
    CHECK_EQ(stats(g).tx_bytes, g->dev.tx_bytes);
    rig_down(g);
}

/* A frame that may not be touched, not even in front. */
static void tx_leaves_surroundings(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    uint8_t mem[128], copy[128];
    struct vdrv_net_buf b;

    fill(mem, sizeof(mem), 9);
    memcpy(copy, mem, sizeof(mem));
    vdrv_net_buf_wrap(&b, mem + 32, 64); /* no release: nobody cares */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &b), VDRV_OK);
    fake_step(&g->f);
    CHECK_MEM(mem, copy, sizeof(mem));
    CHECK_MEM(g->dev.last, copy + 32, 64);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    rig_down(g);
}

static void chain(struct rig *g, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i + 1 < first + n; i++)
        g->buf[i].b.next = &g->buf[i + 1].b;
}

static void tx_chain(uint32_t headroom, bool no_indirect)
{
    const struct opts o = {.headroom = headroom,
                           .cfg.no_indirect = no_indirect};
    struct rig *g = rig_up(&o);
    uint8_t whole[600];

    frame(g, 0, 100);
    frame(g, 1, 0); /* an empty part is no segment */
    frame(g, 2, 200);
    frame(g, 3, 300);
    chain(g, 0, 4);
    memcpy(whole, g->buf[0].b.data, 100);
    memcpy(whole + 100, g->buf[2].b.data, 200);
    memcpy(whole + 300, g->buf[3].b.data, 300);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[0].b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_len, 600);
    CHECK_MEM(g->dev.last, whole, 600);
    CHECK_EQ(releases(g), 0);
    CHECK_EQ(vdrv_poll(&g->net->dev, vdrv_net_tx_queue(0), 0), 1);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_EQ(g->buf[i].released, 1);
    rig_down(g);
}

static void tx_chains(void)
{
    tx_chain(0, false);
    tx_chain(0, true);
    tx_chain(32, false);
    tx_chain(32, true);
}

/* As many parts as there are: what the queue holds, beside a header. */
static void tx_max_segs_huge(void)
{
    static const uint32_t max_segs[] = {QUEUE - 1, QUEUE, 32768, UINT32_MAX - 1,
                                        UINT32_MAX};
    size_t work = 0;

    for (size_t i = 0; i < sizeof(max_segs) / sizeof(max_segs[0]); i++) {
        const struct opts o = {.headroom = 32, .cfg.max_segs = max_segs[i]};
        struct vdrv_virtio_net_config cfg = o.cfg;
        struct rig *g = rig_up(&o);
        struct vdrv_net_info info;

        cfg.queue_size = QUEUE;
        if (i == 0)
            work = vdrv_virtio_net_work_size(&g->mmio.transport, &cfg);
        CHECK_EQ(vdrv_virtio_net_work_size(&g->mmio.transport, &cfg), work);
        CHECK_EQ(vdrv_net_get_info(g->net, &info), VDRV_OK);
        CHECK_EQ(info.max_segs, QUEUE - 1);
        rig_down(g);
    }
}

/* A call that fails has taken nothing, and says what is wrong. */
static void tx_refusals(void)
{
    const struct opts o = {.headroom = 32, .cfg.max_segs = 4};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = frame(g, 0, 100);
    const uint32_t room = vdrv_queue_room(tx_queue(g));

    CHECK_EQ(vdrv_net_transmit(g->net, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_transmit(g->net, 1, b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_transmit(g->net, UINT32_MAX, b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_transmit(g->net, 0x80000000u, b), VDRV_ERR_INVALID);
    b->len = 13; /* less than an Ethernet header */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_INVALID);
    b->len = 0;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_INVALID);
    b->len = 1515; /* NET-019 */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_TOO_BIG);
    b->len = UINT32_MAX;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_TOO_BIG);
    b->len = UINT32_MAX - 11; /* with its header, 0 */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_TOO_BIG);
    for (uint32_t i = 0; i < 5; i++)
        frame(g, i, 60);
    chain(g, 0, 5);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_TOO_BIG);
    b->next = b; /* a ring */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_TOO_BIG);
    b->next = NULL;
    b->flags = VDRV_NET_GSO;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_UNSUPPORTED);
    b->flags = VDRV_NET_VLAN;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_UNSUPPORTED);
    b->flags = 0;
    b->data = NULL;
    b->mem = NULL;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_queue_room(tx_queue(g)), room);
    CHECK_EQ(releases(g), 0);
    CHECK_EQ(stats(g).tx_frames, 0);
    buf_reset(&g->buf[0], 32);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 0, 1514)), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_len, 1514);
    rig_down(g);
}

/* Without an MTU of the device's, its largest frame is the device's affair. */
static void tx_long_frame_without_mtu(void)
{
    const struct opts o = {.headroom = 32,
                           .dev.without = 1ull << FAKE_NET_F_MTU};
    struct rig *g = rig_up(&o);

    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 0, 1518)), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_len, 1518);
    rig_down(g);
}

/* can_transmit is a promise; a full queue keeps nothing. */
static void tx_full(uint32_t headroom, bool no_indirect, uint32_t mode)
{
    const struct opts o = {.headroom = headroom,
                           .machine.mode = mode,
                           .cfg.no_indirect = no_indirect};
    struct rig *g = rig_up(&o);
    uint32_t sent = 0;

    g->dev.dev.complete = FAKE_COMPLETE_HELD;
    buf_reset(&g->buf[0], 32); /* so that one entry may be left over */
    while (sent < BUFS && vdrv_net_can_transmit(g->net, 0)) {
        CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, sent, 60)), VDRV_OK);
        sent++;
    }
    CHECK(sent > 0 && sent <= QUEUE);
    while (sent < BUFS &&
           vdrv_net_transmit(g->net, 0, frame(g, sent, 60)) == VDRV_OK)
        sent++;
    CHECK(sent >= vdrv_net_tx_queue_size(g->net));
    CHECK(sent <= QUEUE);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, sent, 60)), VDRV_ERR_AGAIN);
    CHECK_EQ(releases(g), 0);
    fake_step(&g->f);
    fake_dev_release_all(&g->dev.dev);
    CHECK(vdrv_net_can_transmit(g->net, 0)); /* reclaims by itself */
    CHECK_EQ(releases(g), sent);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[sent].b), VDRV_OK);
    CHECK_EQ(g->buf[sent].released, 0);
    rig_down(g);
}

static void tx_full_queue(void)
{
    for (uint32_t mode = FAKE_DIRECT; mode <= FAKE_WINDOW; mode++) {
        tx_full(0, false, mode);
        tx_full(0, true, mode);
        tx_full(32, false, mode);
        tx_full(32, true, mode);
    }
}

struct flags_seen {
    uint8_t flags[4];
    uint32_t n;
};

static void on_flags(void *arg, struct fake_net *n, uint32_t pair,
                     const uint8_t *bytes, size_t len,
                     const struct fake_net_meta *m)
{
    struct flags_seen *s = arg;

    (void)n;
    (void)pair;
    (void)bytes;
    (void)len;
    s->flags[s->n++ % 4] = m->flags;
}

/* Frames in flight have a header each, and it is all their own. */
static void tx_headers_apart(void)
{
    for (uint32_t headroom = 0; headroom <= 32; headroom += 32) {
        const struct opts o = {.headroom = headroom, .cfg.queue_size = 4};
        struct rig *g = rig_up(&o);
        struct flags_seen s = {.n = 0};

        g->dev.on_frame = on_flags;
        g->dev.on_frame_arg = &s;
        for (uint32_t i = 0; i < 8; i++) {
            struct vdrv_net_buf *b = frame(g, i, 100);

            b->flags = i % 3 == 0 ? VDRV_NET_CSUM_PARTIAL : 0;
            CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_OK);
            if (i % 4 != 3)
                continue;
            fake_step(&g->f);
            for (uint32_t k = 0; k < 4; k++)
                CHECK_EQ(s.flags[k], (i - 3 + k) % 3 == 0 ? 1 : 0);
        }
        rig_down(g);
    }
}

/* NET-028, -048, -050, -051 */
static void tx_csum(void)
{
    struct opts o = {.headroom = 32};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = frame(g, 0, 100);
    uint16_t sum;

    b->flags = VDRV_NET_CSUM_PARTIAL;
    b->csum_start = 34;
    b->csum_offset = 65; /* 34 + 65 + 2 is 101 */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_INVALID);
    b->csum_start = 0xffff;
    b->csum_offset = 0xffff;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_INVALID);
    b->csum_start = 34;
    b->csum_offset = 16;
    sum = fake_net_checksum(b->data + 34, 66, 0);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_meta.flags, FAKE_NET_NEEDS_CSUM);
    CHECK_EQ(g->dev.last[50] << 8 | g->dev.last[51], sum);
    /* The next frame's header does not inherit it. */
    b = frame(g, 1, 100);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_meta.flags, 0);
    rig_down(g);

    o.dev.without = 1ull << FAKE_NET_F_CSUM;
    g = rig_up(&o);
    CHECK_EQ(g->info.offloads, 0);
    b = frame(g, 0, 100);
    b->flags = VDRV_NET_CSUM_PARTIAL;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(releases(g), 0);
    b->flags = VDRV_NET_CSUM_VALID | VDRV_NET_HASH; /* NET-060: means nothing */
    CHECK_EQ(vdrv_net_transmit(g->net, 0, b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.last_meta.flags, 0);
    rig_down(g);
}

static void tx_burst(void)
{
    const struct opts o = {.headroom = 32};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b[QUEUE + 4];
    uint64_t reads;

    g->dev.dev.complete = FAKE_COMPLETE_HELD;
    for (uint32_t i = 0; i < QUEUE + 4; i++)
        b[i] = frame(g, i, 60);
    reads = g->f.reads;
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b, 0, 0), 0);
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b, 4, 0), 4);
    CHECK_EQ(g->dev.dev.queue[1].kicks, 1);
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b + 4, 4, VDRV_NET_MORE), 4);
    CHECK_EQ(g->dev.dev.queue[1].kicks, 1);
    fake_step(&g->f);
    CHECK_EQ(fake_dev_pending(&g->dev.dev), 4); /* the others are not shown */
    CHECK_EQ(vdrv_net_kick(g->net, vdrv_net_tx_queue(0)), 1);
    CHECK_EQ(g->dev.dev.queue[1].kicks, 2);
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b + 8, QUEUE - 4, 0),
             QUEUE - 8);
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b + QUEUE, 4, 0),
             VDRV_ERR_AGAIN);
    fake_step(&g->f);
    fake_dev_release_all(&g->dev.dev);
    b[QUEUE + 1] = NULL; /* the second of four: one is taken */
    CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b + QUEUE, 4, 0), 1);
    CHECK_EQ(releases(g), QUEUE);
    CHECK_EQ(g->f.reads, reads);
    CHECK_EQ(g->dev.dev.queue[1].needless_kicks, 0);
    rig_down(g);
}

/* F56: an id that is not out. */
static void f56_replayed_id(void)
{
    const struct opts o = {.headroom = 32};
    struct rig *g = rig_up(&o);

    post_all(g, 4);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 60)), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 9, 60)), VDRV_OK);
    CHECK_EQ(g->buf[8].released, 1);
    /* Chain 0 is out again, chain 1 never was. */
    fake_split_push_raw(&g->dev.dev.queue[1], 1, 0);
    fake_queue_publish(&g->dev.dev.queue[1]);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), VDRV_ERR_PROTOCOL);
    CHECK_EQ(g->buf[9].released, 0);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 10, 60)), VDRV_ERR_PROTOCOL);
    CHECK_EQ(vdrv_net_receive_burst(g->net, 0, NULL, 0), VDRV_ERR_PROTOCOL);
    CHECK(!vdrv_net_can_transmit(g->net, 0));
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(g->buf[9].released, 1);
    CHECK_EQ(releases(g), 6);
    CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 10, 60)), VDRV_OK);
    rig_down(g);
}

/* ---- Receive -------------------------------------------------------------- */

static void check_frame(const struct vdrv_net_buf *b, const uint8_t *bytes,
                        uint32_t len)
{
    CHECK_EQ(vdrv_net_buf_total(b), len);
    for (; b != NULL; b = b->next) {
        CHECK_MEM(b->data, bytes, b->len);
        bytes += b->len;
    }
}

static void rx_header_modes(void)
{
    static const struct {
        uint32_t headroom, descriptors;
    } rows[] = {{0, 2}, {11, 2}, {12, 1}, {13, 2}, {34, 1}};
    const struct opts o = {.cfg.no_indirect = 1};
    struct rig *g = rig_up(&o);
    uint8_t bytes[1514];

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        struct tbuf *t = &g->buf[i];
        struct vdrv_net_buf *b = NULL;

        fill(bytes, sizeof(bytes), i);
        buf_reset(t, rows[i].headroom);
        memset(t->mem, 0xEE, BYTES);
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &t->b), VDRV_OK);
        CHECK_EQ(vdrv_queue_room(rx_queue(g)), QUEUE - rows[i].descriptors);
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
        CHECK(!vdrv_net_can_receive(g->net, 0));
        CHECK(fake_net_receive(&g->dev, bytes, 1514));
        CHECK(vdrv_net_can_receive(g->net, 0));
        REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
        CHECK(b == &t->b);
        CHECK(b->data == t->mem + rows[i].headroom);
        CHECK_EQ(b->flags, 0);
        check_frame(b, bytes, 1514);
        if (rows[i].descriptors == 2 && rows[i].headroom > 0)
            CHECK_EQ(t->mem[rows[i].headroom - 1], 0xEE);
    }
    CHECK_EQ(stats(g).rx_frames, COUNT(rows));
    CHECK_EQ(stats(g).rx_bytes, g->dev.rx_bytes);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

static void rx_refusals(void)
{
    const struct opts o = {.headroom = 32, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&(struct opts){0});
    struct vdrv_net_buf *b = &g->buf[0].b, *c;

    b->capacity = 1513; /* below rx_buf_min */
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_ERR_INVALID);
    b->capacity = 1514;
    b->headroom = 1;
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_ERR_INVALID);
    b->headroom = 1515; /* more than there is */
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_ERR_INVALID);
    b->headroom = 0;
    b->next = &g->buf[1].b; /* a chain would lose its tail */
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_ERR_INVALID);
    b->next = NULL;
    b->mem = NULL;
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_ERR_INVALID);
    b->mem = g->buf[0].mem;
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 1, b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_receive(g->net, 1, &c), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_OK);
    CHECK_EQ(releases(g), 0);
    rig_down(g);

    g = rig_up(&o); /* merged: the header is always in place */
    CHECK_EQ(g->info.mergeable, 1);
    buf_reset(&g->buf[0], 11);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[0].b),
             VDRV_ERR_INVALID);
    buf_reset(&g->buf[0], 13);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[0].b),
             VDRV_ERR_INVALID);
    rig_down(g);
}

/* A full queue takes nothing; what it has comes back at stop. */
static void rx_full_queue(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    const uint32_t n = vdrv_net_rx_queue_size(g->net);
    struct vdrv_net_buf *b[BUFS];

    for (uint32_t i = 0; i < BUFS; i++)
        b[i] = &g->buf[i].b;
    CHECK_EQ(vdrv_net_recycle_rx_burst(g->net, 0, b, BUFS, 0), n);
    CHECK_EQ(g->dev.dev.queue[0].kicks, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), n);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b[n]), VDRV_ERR_AGAIN);
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    for (uint32_t i = 0; i < BUFS; i++)
        CHECK_EQ(g->buf[i].released, i < n ? 1 : 0);
    rig_down(g);
}

static void f51(uint32_t headroom, bool merged, uint32_t used)
{
    const struct opts o = {.headroom = headroom, .cfg.rx_headroom = merged};
    struct rig *g = rig_up(&o);
    uint8_t bytes[64] = {0};
    struct vdrv_net_buf *b = NULL;

    bytes[10] = 1; /* num_buffers */
    post_all(g, 2);
    CHECK(fake_net_receive_raw(&g->dev, 0, bytes, sizeof(bytes), used));
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 1);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_runts, 1);
    CHECK_EQ(stats(g).rx_frames, 0);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 2); /* posted again */
    CHECK_EQ(releases(g), 0);
    /* And they still work. */
    fill(bytes, sizeof(bytes), 3);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(fake_net_receive(&g->dev, bytes, 60));
        REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
        check_frame(b, bytes, 60);
    }
    rig_down(g);
}

static void f51_runts(void)
{
    for (uint32_t used = 0; used < 26; used++) {
        f51(0, false, used);
        f51(32, false, used);
        f51(32, true, used);
    }
}

static void f52(uint32_t headroom, uint32_t used, int err)
{
    const struct opts o = {.headroom = headroom};
    struct rig *g = rig_up(&o);
    uint8_t bytes[64] = {0};
    struct vdrv_net_buf *b = NULL;

    post_all(g, 3);
    CHECK(fake_net_receive_raw(&g->dev, 0, bytes, sizeof(bytes), used));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), err);
    if (err == VDRV_OK) {
        CHECK_EQ(b->len, used - 12);
        CHECK(b->data + b->len <= g->buf[0].mem + BYTES);
    } else { /* latched, on transmit too, until the next start */
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), err);
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[5].b), err);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 6, 60)), err);
        CHECK_EQ(releases(g), 0);
        CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
        CHECK_EQ(releases(g), 3);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 6, 60)), VDRV_OK);
    }
    rig_down(g);
}

/* Not one byte more than was posted. */
static void f52_oversize(void)
{
    f52(0, 12 + BYTES, VDRV_OK);
    f52(0, 12 + BYTES + 1, VDRV_ERR_PROTOCOL);
    f52(32, BYTES - 20, VDRV_OK);
    f52(32, BYTES - 19, VDRV_ERR_PROTOCOL);
    f52(32, UINT32_MAX, VDRV_ERR_PROTOCOL);
}

/* F53 without MRG_RXBUF: the field is not looked at. */
static void f53_num_buffers_not_negotiated(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    const uint32_t said[] = {0, 1, 2, 0xffff};
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60] = {0};

    post_all(g, 4);
    for (uint32_t i = 0; i < 4; i++) {
        g->dev.force_buffers = said[i];
        CHECK(fake_net_receive(&g->dev, bytes, 60));
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
        check_frame(b, bytes, 60);
    }
    rig_down(g);
}

/* F53: 0 is dropped; more than there are breaks the device. */
static void f53_num_buffers(void)
{
    const struct opts o = {.headroom = 32, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&o);
    const uint32_t said[] = {2, 5, 0xffff};
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60] = {0};

    post_all(g, 4);
    g->dev.force_buffers = 0;
    CHECK(fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_malformed, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 4);
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(releases(g), 4);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
        for (uint32_t k = 0; k < 4; k++)
            buf_reset(&g->buf[k], 32);
        post_all(g, 4);
        g->dev.force_buffers = UINT32_MAX;
        CHECK(fake_net_receive(&g->dev, bytes, 60));
        g->dev.force_buffers = said[i];
        CHECK(fake_net_receive(&g->dev, bytes, 60));
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK); /* the first */
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_PROTOCOL);
        CHECK(fake_log_contains(&g->f, "without all its buffers"));
        CHECK_EQ(releases(g), 1); /* the device had let go of it */
        CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
        CHECK_EQ(releases(g), 3); /* and the caller has one */
    }
    rig_down(g);
}

/* NET-068: pieces are in front of where a header would be. */
static void rx_merged(void)
{
    const struct opts o = {.headroom = 34, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60000];

    for (uint32_t round = 0; round < 8; round++) {
        const uint32_t len = round == 7 ? 32000 : 14 + round * 1999;
        uint32_t parts = 0;

        fill(bytes, len, round);
        for (uint32_t i = 0; round == 0 && i < QUEUE; i++)
            CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[i].b),
                     VDRV_OK);
        CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
        CHECK(fake_net_receive(&g->dev, bytes, len));
        REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
        check_frame(b, bytes, len);
        for (struct vdrv_net_buf *p = b; p != NULL; p = p->next) {
            CHECK(p->data == p->mem + (p == b ? 34 : 22));
            CHECK(p->len <= BYTES);
            p->data = NULL; /* whatever a stack does to it */
            p->len = 12345;
            parts++;
        }
        CHECK(parts == QUEUE || round < 7);
        vdrv_net_recycle_frame(g->net, 0, b);
    }
    CHECK_EQ(releases(g), 0);
    CHECK_EQ(stats(g).rx_frames, 8);
    rig_down(g);
}

/* More in one burst than the driver reaps at once. */
static void rx_merged_burst(void)
{
    const struct opts o = {
        .headroom = 34, .cfg.rx_headroom = 1, .cfg.queue_size = 64};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b[64];
    uint8_t bytes[6100];
    int n, total = 0;

    post_all(g, 64);
    fill(bytes, sizeof(bytes), 1);
    for (uint32_t i = 0; i < 16; i++) /* 3 and 1 buffers in turn */
        CHECK(fake_net_receive(&g->dev, bytes, (i & 1) != 0 ? 60 : 5000));
    CHECK_EQ(vdrv_net_receive_burst(g->net, 0, b, 0), 0);
    for (uint32_t want = 1; total < 16; want++) {
        n = vdrv_net_receive_burst(g->net, 0, b, want);
        REQUIRE(n > 0 && n <= (int)want);
        for (int i = 0; i < n; i++, total++) {
            check_frame(b[i], bytes, (total & 1) != 0 ? 60 : 5000);
            vdrv_net_recycle_frame(g->net, 0, b[i]);
        }
    }
    CHECK_EQ(vdrv_net_receive_burst(g->net, 0, b, 64), 0);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 64);
    rig_down(g);
}

/* F54: a frame that no wire carries is dropped, its pieces go back. */
static void f54_merged_too_long(void)
{
    const struct opts o = {
        .headroom = 34, .cfg.rx_headroom = 1, .cfg.queue_size = 64};
    struct rig *g = rig_up(&o);
    static uint8_t bytes[70000];
    struct vdrv_net_buf *b = NULL;

    post_all(g, 64);
    CHECK(fake_net_receive(&g->dev, bytes, 65590));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_oversize, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 64);
    CHECK(fake_net_receive(&g->dev, bytes, 65589));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
    check_frame(b, bytes, 65589);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

/* F54: the same when the first piece alone is more than that already. */
static void f54_first_piece_too_long(void)
{
    const struct opts o = {.headroom = 34, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&o);
    static uint8_t mem[70000], bytes[70001];
    struct vdrv_net_buf *b = NULL, big;

    vdrv_net_buf_init(&big, mem, sizeof(mem), 34);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &big), VDRV_OK);
    post_all(g, 2);
    CHECK(fake_net_receive(&g->dev, bytes, sizeof(bytes)));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_oversize, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 3);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

/* NET-068: what the device says it wrote into each of two pieces. */
static void pieces(uint32_t first, uint32_t second, bool runt, bool malformed)
{
    const struct opts o = {.headroom = 34, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&o);
    struct fake_queue *q = &g->dev.dev.queue[0];
    struct vdrv_net_buf *b = NULL;
    struct fake_chain c[2];
    uint8_t head[60] = {0};

    head[10] = 2;
    post_all(g, 4);
    REQUIRE(fake_queue_pop(q, &c[0]) && fake_queue_pop(q, &c[1]));
    fake_chain_write(&c[0], 0, head, sizeof(head));
    fake_queue_push(q, &c[0], 12 + first);
    fake_queue_push(q, &c[1], second);
    fake_queue_publish(q);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b),
             runt || malformed ? VDRV_ERR_AGAIN : VDRV_OK);
    CHECK_EQ(stats(g).rx_runts, runt);
    CHECK_EQ(stats(g).rx_malformed, malformed);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), runt || malformed ? 4 : 2);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

/* A stack finds the whole Ethernet header in the first part, or no frame. */
static void rx_first_piece(void)
{
    pieces(0, 60, false, true);
    pieces(13, 60, false, true);
    pieces(0, 13, true, false);
    pieces(13, 0, false, true);
    pieces(14, 1, false, false);
    pieces(48, 12, false, false);
}

/* A piece without bytes: the device's length was never checked by a frame. */
static void rx_empty_piece(void)
{
    const struct opts o = {.headroom = 34, .cfg.rx_headroom = 1};
    struct rig *g = rig_up(&o);
    struct fake_queue *q = &g->dev.dev.queue[0];
    struct fake_chain c[2];
    struct vdrv_net_buf *b = NULL;
    uint8_t head[60] = {0};

    head[10] = 2;
    post_all(g, 4);
    REQUIRE(fake_queue_pop(q, &c[0]) && fake_queue_pop(q, &c[1]));
    fake_chain_write(&c[0], 0, head, sizeof(head));
    fake_queue_push(q, &c[0], 60);
    fake_queue_push(q, &c[1], 0);
    fake_queue_publish(q);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_malformed, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 4);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

/* ---- F55: headers --------------------------------------------------------- */

#define CSUM_ON (1ull << VIRTIO_NET_F_GUEST_CSUM)
#define TSO_ON  (CSUM_ON | 1ull << VIRTIO_NET_F_GUEST_TSO4)
#define ECN_ON  (TSO_ON | 1ull << VIRTIO_NET_F_GUEST_ECN)
#define PARTIAL VDRV_NET_CSUM_PARTIAL
#define GSO     (PARTIAL | VDRV_NET_GSO)

static void f55_header_table(void)
{
    static const struct {
        struct vdrv__net_header h; /* flags, gso, hdr_len, size, start, off */
        uint64_t features;
        int err;
        uint32_t flags;
        bool cleared;
    } rows[] = {
        /* NET-074, -076 */
        {{0, 0, 0xffff, 0xffff, 0xffff, 0xffff}, TSO_ON, 0, 0, false},
        {{0x80, 0, 0, 0, 0, 0}, TSO_ON, 0, 0, false}, /* NET-069 */
        {{1, 0, 0, 0, 34, 16}, CSUM_ON, 0, PARTIAL, false},
        {{1, 0, 0, 0, 34, 64}, CSUM_ON, 0, PARTIAL, false},
        {{1, 0, 0, 0, 34, 65}, CSUM_ON, 0, 0, true},
        {{1, 0, 0, 0, 0xffff, 0xffff}, CSUM_ON, 0, 0, true},
        {{1, 0, 0, 0, 34, 16}, 0, 0, 0, true}, /* not negotiated */
        {{2, 0, 0, 0, 0, 0}, CSUM_ON, 0, VDRV_NET_CSUM_VALID, false},
        {{2, 0, 0, 0, 0, 0}, 0, 0, 0, true},
        {{3, 0, 0, 0, 34, 16}, CSUM_ON, 0, PARTIAL, false},
        {{5, 0, 0, 0, 34, 16}, CSUM_ON, 0, 0, true}, /* NET-071 */
        {{1, 1, 54, 1460, 34, 16}, TSO_ON, 0, GSO, false},
        {{1, 1, 0xffff, 1460, 34, 16}, TSO_ON, 0, GSO, false}, /* -072, -073 */
        {{1, 1, 54, 0, 34, 16}, TSO_ON, 0, PARTIAL, true},
        {{0, 1, 54, 1460, 34, 16}, TSO_ON, 0, 0, true},
        {{1, 1, 54, 1460, 34, 16}, CSUM_ON, 0, PARTIAL, true},
        {{1, 4, 54, 1460, 34, 16}, TSO_ON, 0, PARTIAL, true},
        {{1, 2, 54, 1460, 34, 16}, ECN_ON, 0, PARTIAL, true}, /* no such */
        {{1, 0x81, 54, 1460, 34, 16}, TSO_ON, 0, PARTIAL, true},
        {{1, 0x81, 54, 1460, 34, 16}, ECN_ON, 0, GSO, false},
        /* NET-075, three of NET-077, -078 */
        {{1, 0x61, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
        {{0, 0x21, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
        {{3, 0x41, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
        {{1, 0x20, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
        {{1, 0x21, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
        {{9, 1, 54, 1460, 34, 16}, TSO_ON, VDRV_ERR_PROTOCOL, 0, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const uint64_t features[2] = {rows[i].features, 0};
        struct vdrv__net_meta m;

        CHECK_EQ(vdrv__net_validate_header(&rows[i].h, 100, features, &m),
                 rows[i].err);
        if (rows[i].err != VDRV_OK)
            continue;
        CHECK_EQ(m.flags, rows[i].flags);
        CHECK_EQ(m.cleared, rows[i].cleared);
        CHECK(m.gso_header <= 100);
        if ((m.flags & PARTIAL) == 0)
            CHECK_EQ(m.csum_start | m.csum_offset, 0);
        if ((m.flags & VDRV_NET_GSO) == 0)
            CHECK_EQ(m.gso_size | m.gso_type | m.gso_header, 0);
    }
}

/* The same through the device, for the frames of one buffer. */
static void f55_headers_received(void)
{
    const struct opts o = {.cfg.rx_offloads = VDRV_NET_CAN_RX_CSUM};
    struct rig *g = rig_up(&o);
    struct fake_net_meta m = {.flags = 1, .csum_start = 34, .csum_offset = 16};
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[100] = {0};

    CHECK_EQ(g->info.offloads, VDRV_NET_CAN_TX_CSUM | VDRV_NET_CAN_RX_CSUM);
    post_all(g, 4);
    CHECK(fake_net_receive_on(&g->dev, 0, bytes, 100, &m));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(b->flags, VDRV_NET_CSUM_PARTIAL);
    CHECK_EQ(b->csum_start, 34);
    CHECK_EQ(b->csum_offset, 16);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, b), VDRV_OK);
    m.csum_start = 99;
    CHECK(fake_net_receive_on(&g->dev, 0, bytes, 100, &m));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(b->flags, 0);
    CHECK_EQ(stats(g).rx_cleared, 1);
    m.flags = 2;
    CHECK(fake_net_receive_on(&g->dev, 0, bytes, 100, &m));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(b->flags, VDRV_NET_CSUM_VALID);
    m.gso_type = 0x61;
    CHECK(fake_net_receive_on(&g->dev, 0, bytes, 100, &m));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(stats(g).rx_malformed, 1);
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

/* A checksum that was not asked for is not believed. */
static void f55_not_asked_for(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    const struct fake_net_meta m = {.flags = 2};
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[100] = {0};

    CHECK(!fake_dev_has(&g->dev.dev, FAKE_NET_F_GUEST_CSUM));
    post_all(g, 1);
    CHECK(fake_net_receive_on(&g->dev, 0, bytes, 100, &m));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(b->flags, 0);
    CHECK_EQ(stats(g).rx_cleared, 1);
    rig_down(g);
}

/* F63: nobody posts; then everything at once. */
static void f63_starvation(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    struct vdrv_net_buf *b[BUFS];
    uint8_t bytes[60] = {0};

    CHECK(!fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(vdrv_net_receive(g->net, 0, b), VDRV_ERR_AGAIN);
    post_all(g, QUEUE);
    for (uint32_t i = 0; i < QUEUE; i++)
        CHECK(fake_net_receive(&g->dev, bytes, 60));
    CHECK(!fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(vdrv_net_receive_burst(g->net, 0, b, BUFS), QUEUE);
    CHECK(!fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(vdrv_net_receive_burst(g->net, 0, b + QUEUE, 1), 0);
    CHECK_EQ(vdrv_net_recycle_rx_burst(g->net, 0, b, QUEUE, 0), QUEUE);
    CHECK(fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(releases(g), 0);
    rig_down(g);
}

static void on_lost(struct vdrv_net_buf *b)
{
    struct rig *g = b->owner;
    struct vdrv_net_buf *got;

    CHECK_EQ(vdrv_net_receive(g->net, 0, &got), VDRV_ERR_BUSY);
    on_release(b);
}

/* F63: a runt whose buffer cannot be mapped again is its owner's. */
static void f63_repost_fails(void)
{
    const struct opts o = {.machine.mode = FAKE_MAPPED};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[16] = {0};

    g->buf[0].b.release = on_lost;
    g->buf[0].b.owner = g;
    post_all(g, 2);
    CHECK(fake_net_receive_raw(&g->dev, 0, bytes, sizeof(bytes), 5));
    g->f.fail_map = 1;
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(releases(g), 1);
    CHECK_EQ(stats(g).rx_lost, 1);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), 1);
    rig_down(g);
}

/* ---- Memory --------------------------------------------------------------- */

/* Frames both ways, whatever the way a device sees memory. */
static void traffic(const struct opts *o)
{
    struct rig *g = rig_up(o);
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[1514];

    post_all(g, 4);
    for (uint32_t i = 0; i < 40; i++) {
        const uint32_t len = 60 + i * 37;

        fill(bytes, len, i);
        CHECK(fake_net_receive(&g->dev, bytes, len));
        REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
        check_frame(b, bytes, len);
        vdrv_net_recycle_frame(g->net, 0, b);
        frame(g, 8 + i % 8, len);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[8 + i % 8].b), VDRV_OK);
        fake_step(&g->f);
        CHECK_EQ(g->dev.last_len, len);
        CHECK_MEM(g->dev.last, g->buf[8 + i % 8].b.data, len);
    }
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    CHECK_EQ(releases(g), 40);
    rig_down(g);
}

static void traffic_in_all_modes(void)
{
    for (uint32_t mode = FAKE_DIRECT; mode <= FAKE_WINDOW; mode++) {
        for (uint32_t k = 0; k < 8; k++) {
            const struct opts o = {
                .headroom = (k & 1) != 0 ? 32 : 0,
                .machine.mode = mode,
                .machine.max_run = (k & 4) != 0 ? 700 : 0,
                .cfg.no_indirect = (k & 2) != 0,
                .cfg.no_event_idx = (k & 2) != 0,
                .cfg.rx_headroom = (k & 1) != 0,
            };

            traffic(&o);
        }
    }
}

/* Buffers that are mapped for good: no HAL call but for the caches. */
static void premapped_buffers(void)
{
    const struct opts o = {.headroom = 32};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[100];

    for (uint32_t i = 0; i < BUFS; i++) {
        g->buf[i].b.flags = VDRV_NET_MAPPED;
        g->buf[i].b.dma =
            (uint64_t)(uintptr_t)g->buf[i].mem + g->f.hal.direct_offset;
    }
    fill(bytes, sizeof(bytes), 5);
    post_all(g, 2);
    CHECK(fake_net_receive(&g->dev, bytes, 100));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    check_frame(b, bytes, 100);
    CHECK_EQ(b->flags, VDRV_NET_MAPPED);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 100)), VDRV_OK);
    fake_step(&g->f);
    CHECK_MEM(g->dev.last, g->buf[8].b.data, 100);
    /* A frame outside of its mapping. */
    frame(g, 9, 100);
    g->buf[9].b.data = g->buf[9].mem + BYTES - 99;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[9].b), VDRV_ERR_INVALID);
    /* Known by its address only: the header is in a slot. */
    g->buf[10].b.dma += 32;
    g->buf[10].b.mem = NULL;
    frame(g, 10, 90);
    CHECK_EQ(g->buf[10].b.len, 90);
    g->buf[10].b.data = NULL;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &g->buf[10].b), VDRV_OK);
    fake_step(&g->f);
    CHECK_MEM(g->dev.last, g->buf[10].mem + 32, 90);
    rig_down(g);
}

static uint32_t sync_count, sync_bytes[4];

static void sync_counted(void *ctx, void *ptr, uint64_t dma, uint32_t len,
                         uint32_t dir)
{
    (void)ctx;
    (void)ptr;
    (void)dma;
    sync_count++;
    sync_bytes[dir & 3u] += len;
}

static void premapped_buffers_are_synced(void)
{
    struct opts o = {.headroom = 32};
    struct rig *g = malloc(sizeof(*g));
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[100] = {0};

    REQUIRE(g != NULL);
    rig_machine(g, &o);
    g->f.hal.dma_sync = sync_counted;
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    memset(sync_bytes, 0, sizeof(sync_bytes));
    sync_count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        g->buf[i].b.flags = VDRV_NET_MAPPED;
        g->buf[i].b.dma =
            (uint64_t)(uintptr_t)g->buf[i].mem + g->f.hal.direct_offset;
    }
    post_all(g, 1);
    CHECK(fake_net_receive(&g->dev, bytes, 100));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(sync_bytes[VDRV_DIR_IN], 112);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 1, 100)), VDRV_OK);
    CHECK_EQ(sync_bytes[VDRV_DIR_OUT], 112);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 2, 100)), VDRV_OK);
    CHECK_EQ(sync_count, 2); /* dma_map's own business */
    rig_down(g);
}

/* ---- Life ----------------------------------------------------------------- */

static void stop_with_everything_out(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60] = {0};

    g->dev.dev.complete = FAKE_COMPLETE_HELD;
    for (uint32_t round = 1; round <= 3; round++) {
        post_all(g, QUEUE);
        for (uint32_t i = QUEUE; i < QUEUE + 6; i++)
            CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, i, 60)), VDRV_OK);
        CHECK(fake_net_receive(&g->dev, bytes, 60)); /* and is never taken */
        CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
        for (uint32_t i = 0; i < BUFS; i++)
            CHECK_EQ(g->buf[i].released, i < QUEUE + 6 ? round : 0);
        CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 0, 60)),
                 VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, 0, &g->buf[0].b),
                 VDRV_ERR_BAD_STATE);
        CHECK(!vdrv_net_can_transmit(g->net, 0));
        CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
        CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
        CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
    }
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_BAD_STATE);
    rig_end(g);
}

/* What a device does not let go of is not released. */
static void stuck_keeps_buffers(void)
{
    struct rig *g = rig_up(&(struct opts){0});

    post_all(g, 4);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 60)), VDRV_OK);
    g->dev.dev.reset_never = true;
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_ERR_STUCK);
    CHECK_EQ(releases(g), 0);
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_ERR_STUCK);
    CHECK_EQ(releases(g), 0);
    g->dev.dev.reset_never = false;
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(releases(g), 5);
    rig_down(g);
}

static void needs_reset_latches(void)
{
    struct rig *g = rig_up(&(struct opts){0});

    post_all(g, 2);
    fake_dev_needs_reset(&g->dev.dev);
    CHECK_EQ(vdrv_refresh(&g->net->dev, NULL), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 60)), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
    CHECK_EQ(releases(g), 2);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 60)), VDRV_OK);
    rig_down(g);
}

/* Off until armed; then once. */
static void interrupts_when_armed(bool no_event_idx)
{
    const struct opts o = {.cfg.no_event_idx = no_event_idx};
    struct rig *g = rig_up(&o);
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60] = {0};

    post_all(g, 8);
    CHECK(fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 8, 60)), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.dev.irqs, 0);
    CHECK_EQ(vdrv_arm(&g->net->dev, vdrv_net_rx_queue(0), VDRV_ARM_NEXT), 1);
    CHECK_EQ(vdrv_poll(&g->net->dev, vdrv_net_rx_queue(0), 0), 0);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK); /* poll took nothing */
    CHECK_EQ(vdrv_arm(&g->net->dev, vdrv_net_rx_queue(0), VDRV_ARM_NEXT), 0);
    CHECK(fake_net_receive(&g->dev, bytes, 60));
    CHECK_EQ(g->dev.dev.irqs, 1);
    CHECK_EQ(vdrv_irq(&g->net->dev, 0), VDRV_CAUSE_QUEUE);
    CHECK_EQ(vdrv_irq(&g->net->dev, 0), 0);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    CHECK_EQ(vdrv_arm(&g->net->dev, vdrv_net_tx_queue(0), VDRV_ARM_NEXT), 0);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 9, 60)), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(g->dev.dev.irqs, 2);
    CHECK_EQ(vdrv_arm(&g->net->dev, 2, VDRV_ARM_NEXT), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_poll(&g->net->dev, 2, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_kick(g->net, 2), VDRV_ERR_INVALID);
    rig_down(g);
}

static void interrupts(void)
{
    interrupts_when_armed(false);
    interrupts_when_armed(true);
}

/* A release may send and post; what would nest answers BUSY. */
struct nest {
    struct vdrv_net_buf b; /* first */
    struct rig *g;
    int sent, again, posted, reclaimed, received, stopped;
};

static void on_nested(struct vdrv_net_buf *b)
{
    struct nest *n = (struct nest *)(void *)b;
    struct vdrv_net_buf *got;

    n->g->dev.dev.immediate = true; /* done before the next is sent */
    n->sent = vdrv_net_transmit(n->g->net, 0, frame(n->g, 20, 60));
    n->again = vdrv_net_transmit(n->g->net, 0, frame(n->g, 22, 60));
    n->posted = vdrv_net_recycle_rx_buffer(n->g->net, 0, &n->g->buf[21].b);
    n->reclaimed = vdrv_net_recycle_tx_buffers(n->g->net, 0);
    n->received = vdrv_net_receive(n->g->net, 0, &got);
    n->stopped = vdrv_stop(&n->g->net->dev);
}

static void callbacks(void)
{
    struct rig *g = rig_up(&(struct opts){0});
    struct nest n = {.g = g};
    uint8_t bytes[60] = {0};

    vdrv_net_buf_wrap(&n.b, bytes, 60);
    n.b.release = on_nested;
    CHECK_EQ(vdrv_net_transmit(g->net, 0, &n.b), VDRV_OK);
    fake_step(&g->f);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 1);
    CHECK_EQ(n.sent, VDRV_OK);
    CHECK_EQ(n.again, VDRV_OK);
    CHECK_EQ(n.posted, VDRV_OK);
    CHECK_EQ(n.reclaimed, VDRV_ERR_BUSY);
    CHECK_EQ(n.received, VDRV_ERR_AGAIN); /* the other side is free */
    CHECK_EQ(n.stopped, VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, 0), 2);
    CHECK_EQ(g->buf[20].released + g->buf[22].released, 2);
    rig_down(g);
}

/* ---- Pools and copies ----------------------------------------------------- */

#define POOL 16u

struct pools {
    struct vdrv_net_pool rx, tx;
    struct vdrv_net_buf buf[2][2 * POOL];
    _Alignas(64) uint8_t mem[2][VDRV_NET_POOL_SIZE(2 * POOL, 1514)];
};

static void pool_make(struct pools *p, int side, uint32_t count)
{
    struct vdrv_net_pool_config cfg = {0};

    cfg.bufs = p->buf[side];
    cfg.mem = p->mem[side];
    cfg.mem_size = sizeof(p->mem[side]);
    cfg.count = count;
    CHECK_EQ(vdrv_net_pool_init(side != 0 ? &p->tx : &p->rx, &cfg), VDRV_OK);
}

static void pool_basics(void)
{
    static struct pools p;
    struct vdrv_net_pool_config cfg = {0};
    struct vdrv_net_buf *b[3];

    CHECK_EQ(vdrv_net_pool_init(&p.rx, &cfg), VDRV_ERR_INVALID);
    cfg.bufs = p.buf[0];
    cfg.mem = p.mem[0] + 1;
    cfg.mem_size = sizeof(p.mem[0]);
    cfg.count = 2;
    CHECK_EQ(vdrv_net_pool_init(&p.rx, &cfg), VDRV_ERR_INVALID);
    cfg.mem = p.mem[0];
    cfg.mem_size = VDRV_NET_POOL_SIZE(2, 1514) - 1;
    CHECK_EQ(vdrv_net_pool_init(&p.rx, &cfg), VDRV_ERR_NO_MEMORY);
    cfg.mem_size++;
    CHECK_EQ(vdrv_net_pool_init(&p.rx, &cfg), VDRV_OK);
    CHECK_EQ(vdrv_net_pool_free(&p.rx), 2);
    b[0] = vdrv_net_pool_take(&p.rx);
    b[1] = vdrv_net_pool_take(&p.rx);
    CHECK(b[0] != NULL && b[1] != NULL && b[0] != b[1]);
    CHECK(vdrv_net_pool_take(&p.rx) == NULL);
    CHECK_EQ((uintptr_t)b[0]->data % 4, 2); /* IP headers: a multiple of 4 */
    CHECK(b[0]->capacity - b[0]->headroom >= 1514);
    b[0]->data = NULL;
    b[0]->flags = VDRV_NET_CSUM_VALID;
    vdrv_net_buf_release(b[0]);
    vdrv_net_buf_release(b[1]);
    CHECK_EQ(vdrv_net_pool_free(&p.rx), 2);
    b[0] = vdrv_net_pool_take(&p.rx);
    b[1] = vdrv_net_pool_take(&p.rx);
    for (int i = 0; i < 2; i++) {
        CHECK(b[i]->data == b[i]->mem + VDRV_NET_POOL_HEADROOM);
        CHECK_EQ(b[i]->flags, 0);
        CHECK(b[i]->next == NULL);
    }
}

#define PUTTERS 2
#define ROUNDS  50000

struct putter {
    struct vdrv_net_buf *hand[64]; /* a ring from the owner to the thread */
    uint32_t head, tail;
};

static void *put_all(void *arg)
{
    struct putter *p = arg;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        while (__atomic_load_n(&p->head, __ATOMIC_ACQUIRE) == i)
            sched_yield();
        vdrv_net_pool_put(p->hand[i % 64]);
        __atomic_store_n(&p->tail, i + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* Many give back, one takes: no buffer is lost, none is there twice. */
static void pool_put_from_threads(void)
{
    static struct pools p;
    static struct putter t[PUTTERS];
    pthread_t id[PUTTERS];
    uint32_t done = 0;

    memset(t, 0, sizeof(t));
    pool_make(&p, 0, 8);
    for (int i = 0; i < PUTTERS; i++)
        REQUIRE(pthread_create(&id[i], NULL, put_all, &t[i]) == 0);
    while (done < PUTTERS * ROUNDS) {
        struct putter *to = &t[done % PUTTERS];
        struct vdrv_net_buf *b = vdrv_net_pool_take(&p.rx);

        if (b == NULL) {
            sched_yield();
            continue;
        }
        while (to->head - __atomic_load_n(&to->tail, __ATOMIC_ACQUIRE) == 64)
            sched_yield();
        to->hand[to->head % 64] = b;
        __atomic_store_n(&to->head, to->head + 1, __ATOMIC_RELEASE);
        done++;
    }
    for (int i = 0; i < PUTTERS; i++)
        pthread_join(id[i], NULL);
    CHECK_EQ(vdrv_net_pool_free(&p.rx), 8);
}

/* The reference's buffer system, and the copies on it. */
static void pool_system(const struct opts *base)
{
    struct pools *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);
    struct opts o = *base;
    uint8_t bytes[1514], got[1514], *tight;
    struct vdrv_net_buf *b = NULL;
    struct rig *g;

    REQUIRE(p != NULL);
    memset(p, 0, sizeof(*p));
    pool_make(p, 0, POOL);
    pool_make(p, 1, POOL);
    o.cfg.rx_pool[0] = &p->rx;
    o.cfg.tx_pool[0] = &p->tx;
    g = rig_up(&o);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE); /* filled at init */
    CHECK_EQ(g->dev.dev.queue[0].kicks, 1);
    CHECK_EQ(vdrv_net_pool_free(&p->rx), 0);
    for (uint32_t i = 0; i < 3 * QUEUE; i++) {
        const uint32_t len = 60 + i * 7;

        fill(bytes, len, i);
        CHECK_EQ(vdrv_net_send_copy(g->net, 0, bytes, len), VDRV_OK);
        fake_step(&g->f);
        CHECK_EQ(g->dev.last_len, len);
        CHECK_MEM(g->dev.last, bytes, len);
        CHECK(fake_net_receive(&g->dev, bytes, len));
        CHECK_EQ(vdrv_net_receive_copy(g->net, 0, got, sizeof(got)), len);
        CHECK_MEM(got, bytes, len);
        CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
    }
    CHECK_EQ(vdrv_net_receive_copy(g->net, 0, got, sizeof(got)),
             VDRV_ERR_AGAIN);
    CHECK(fake_net_receive(&g->dev, bytes, 100));
    tight = malloc(99);
    REQUIRE(tight != NULL);
    CHECK_EQ(vdrv_net_receive_copy(g->net, 0, tight, 99), VDRV_ERR_TOO_BIG);
    free(tight);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
    CHECK_EQ(vdrv_net_send_copy(g->net, 0, bytes, 1515), VDRV_ERR_TOO_BIG);
    CHECK_EQ(vdrv_net_send_copy(g->net, 0, bytes, 3), VDRV_ERR_INVALID);
    /* A frame released late comes back with the next receive. */
    CHECK(fake_net_receive(&g->dev, bytes, 100));
    REQUIRE(vdrv_net_receive(g->net, 0, &b) == VDRV_OK);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE - 1);
    vdrv_net_buf_release(b);
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
    /* Reset: all back, all out again. */
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_net_pool_free(&p->rx), POOL);
    CHECK_EQ(vdrv_net_pool_free(&p->tx), POOL);
    CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
    rig_down(g);
    CHECK_EQ(vdrv_net_pool_free(&p->rx), POOL);
    CHECK_EQ(vdrv_net_pool_free(&p->tx), POOL);
    free(p);
}

static void pool_systems(void)
{
    pool_system(&(struct opts){0});
    pool_system(&(struct opts){.cfg.rx_headroom = 1});
    pool_system(&(struct opts){.machine.mode = FAKE_MAPPED});
    pool_system(&(struct opts){.cfg.no_indirect = 1, .cfg.rx_headroom = 1});
}

/* A queue that was reset has its pool's buffers again, as a started one has:
   nobody would receive, and so be asked for them, otherwise. */
static void pool_after_queue_reset(void)
{
    static struct pools p;
    struct opts o = {.cfg.queue_reset = 1};
    struct vdrv_net_buf *b = NULL;
    struct rig *g = malloc(sizeof(*g));
    uint8_t bytes[100];

    REQUIRE(g != NULL);
    pool_make(&p, 0, POOL);
    o.cfg.rx_pool[0] = &p.rx;
    rig_machine(g, &o);
    fake_dev_offer(&g->dev.dev, FAKE_F_RING_RESET, true);
    REQUIRE(rig_init(g, &o) == VDRV_OK);
    CHECK_EQ(vdrv_reset_queue(&g->net->dev, 0), VDRV_OK);
    CHECK_EQ(fake_net_rx_room(&g->dev, 0), QUEUE);
    fill(bytes, sizeof(bytes), 1);
    CHECK(fake_net_receive(&g->dev, bytes, sizeof(bytes)));
    CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
    vdrv_net_buf_release(b);
    CHECK_EQ(vdrv_reset_queue(&g->net->dev, 1), VDRV_OK);
    rig_down(g);
    CHECK_EQ(vdrv_net_pool_free(&p.rx), POOL);
}

/* The transmit pool is empty, and then it is not. */
static void pool_runs_dry(void)
{
    static struct pools p;
    struct opts o = {0};
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60] = {0};
    struct rig *g;

    pool_make(&p, 1, 4);
    o.cfg.tx_pool[0] = &p.tx;
    g = rig_up(&o);
    g->dev.dev.complete = FAKE_COMPLETE_HELD;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(vdrv_net_send_copy(g->net, 0, bytes, 60), VDRV_OK);
    CHECK_EQ(vdrv_net_send_copy(g->net, 0, bytes, 60), VDRV_ERR_AGAIN);
    CHECK_EQ(vdrv_net_alloc_tx_buffer(g->net, 0, 60, &b), VDRV_ERR_AGAIN);
    CHECK_EQ(vdrv_net_alloc_tx_buffer(g->net, 0, 1515, &b), VDRV_ERR_TOO_BIG);
    fake_step(&g->f);
    fake_dev_release_all(&g->dev.dev);
    CHECK_EQ(vdrv_net_alloc_tx_buffer(g->net, 0, 60, &b), VDRV_OK);
    CHECK_EQ(b->len, 60);
    vdrv_net_buf_release(b);
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_net_pool_free(&p.tx), 4);
    rig_down(g);

    o = (struct opts){0};
    g = rig_up(&o);
    CHECK_EQ(vdrv_net_alloc_tx_buffer(g->net, 0, 60, &b), VDRV_ERR_UNSUPPORTED);
    rig_down(g);
}

/* ---- Bad beginnings ------------------------------------------------------- */

static void init_refusals(void)
{
    static struct pools p;
    struct rig *g = malloc(sizeof(*g));
    struct opts o = {0};
    size_t need;

    REQUIRE(g != NULL);
    rig_machine(g, &o);
    CHECK_EQ(vdrv_mmio_probe(&g->mmio, &g->f.hal, SLOT, 0x200), VDRV_OK);
    o.cfg.work = g->work;
    o.cfg.queue_size = 32;
    need = vdrv_virtio_net_work_size(&g->mmio.transport, &o.cfg);
    CHECK(need > 0 && need <= VDRV_VIRTIO_NET_WORK_SIZE(1, 32, 16));
    o.cfg.work_size = need - 1;
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_NO_MEMORY);
    CHECK(fake_log_contains(&g->f, "work memory too small"));
    CHECK(fake_balanced(&g->f));
    o.cfg.work_size = need;
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_OK);
    o = (struct opts){0};
    CHECK_EQ(vdrv_virtio_net_init(NULL, &g->mmio.transport, &o.cfg),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_net_init(&g->nic, NULL, &o.cfg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_net_init_sized(&g->nic, &g->mmio.transport, &o.cfg,
                                        VDRV_API_LEVEL + 1, sizeof(g->nic),
                                        sizeof(o.cfg)),
             VDRV_ERR_INVALID);
    o.cfg.require_platform = 1;
    fake_dev_offer(&g->dev.dev, FAKE_F_ACCESS_PLATFORM, false);
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_UNSUPPORTED);
    o.cfg.require_platform = 0;
    pool_make(&p, 0, 4);
    p.rx.frame = 1513;
    o.cfg.rx_pool[0] = &p.rx;
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_INVALID);
    CHECK(fake_log_contains(&g->f, "pool buffers are smaller"));
    o = (struct opts){.cfg = {.queue_size = 1, .no_indirect = 1}};
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&g->f, "no room for a header and a frame"));
    CHECK(fake_balanced(&g->f));
    o = (struct opts){0};
    g->slot.device_id = 2;
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_NO_DEVICE);
    CHECK(fake_balanced(&g->f));
    rig_end(g);
}

/* Every allocation fails once; nothing is left behind. */
static void init_without_memory(void)
{
    static struct pools p;
    uint32_t k;

    for (k = 1; k < 10; k++) {
        struct rig *g = malloc(sizeof(*g));
        struct opts o = {0};
        int err;

        REQUIRE(g != NULL);
        pool_make(&p, 0, POOL);
        o.cfg.rx_pool[0] = &p.rx;
        rig_machine(g, &o);
        g->f.fail_alloc = k;
        err = rig_init(g, &o);
        if (err == VDRV_OK) {
            rig_down(g);
            break;
        }
        CHECK_EQ(err, VDRV_ERR_NO_MEMORY);
        CHECK(fake_log_contains(&g->f, "dma_alloc has no memory"));
        CHECK(fake_balanced(&g->f));
        CHECK_EQ(vdrv_net_pool_free(&p.rx), POOL);
        rig_end(g);
    }
    CHECK_EQ(k, 4); /* two rings and the headers */
}

static void fail_at_driver_ok(void *arg, const struct fake_access *a)
{
    struct rig *g = arg;

    if (a->addr == SLOT + 0x70 && a->value == 0xF)
        g->dev.dev.status |= FAKE_NEEDS_RESET;
}

/* The last step of all fails, when everything is made. */
static void init_fails_at_the_end(void)
{
    static struct pools p;
    struct rig *g = malloc(sizeof(*g));
    struct opts o = {0};

    REQUIRE(g != NULL);
    pool_make(&p, 0, POOL);
    o.cfg.rx_pool[0] = &p.rx;
    rig_machine(g, &o);
    g->f.write_hook = fail_at_driver_ok;
    g->f.hook_arg = g;
    CHECK_EQ(rig_init(g, &o), VDRV_ERR_BAD_STATE);
    CHECK(fake_balanced(&g->f));
    CHECK_EQ(vdrv_net_pool_free(&p.rx), POOL);
    rig_end(g);
}

/* No HAL call and no register read in steady state, one kick a burst. */
static void hot_path_is_quiet(void)
{
    struct rig *g = rig_up(&(struct opts){.headroom = 32});
    struct vdrv_net_buf *b[8];
    uint64_t reads, writes;
    uint32_t allocs, nows;
    uint8_t bytes[60] = {0};

    post_all(g, 8);
    g->dev.dev.immediate = true;
    reads = g->f.reads;
    writes = g->f.writes;
    allocs = g->f.allocs_total;
    nows = g->f.nows;
    for (int round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 8; i++)
            CHECK(fake_net_receive(&g->dev, bytes, 60));
        CHECK_EQ(vdrv_net_receive_burst(g->net, 0, b, 8), 8);
        CHECK_EQ(vdrv_net_recycle_rx_burst(g->net, 0, b, 8, 0), 8);
        for (uint32_t i = 0; i < 8; i++)
            b[i] = frame(g, 8 + i, 60);
        CHECK_EQ(vdrv_net_transmit_burst(g->net, 0, b, 8, 0), 8);
    }
    CHECK_EQ(g->dev.tx_frames, 80);
    CHECK_EQ(g->f.reads, reads);
    CHECK(g->f.writes - writes <= 20);
    CHECK_EQ(g->f.allocs_total, allocs);
    CHECK_EQ(g->f.maps_total, 0);
    CHECK_EQ(g->f.nows, nows);
    rig_down(g);
}

/* ---- Random traffic ------------------------------------------------------- */

/* Where each buffer is, as a model says. */
enum { MINE, SENT, POSTED };

static void random_round(struct rig *g, uint8_t *where, uint32_t *sent)
{
    struct vdrv_net_buf *b = NULL;
    const uint32_t i = fake_rand(&g->f) % BUFS;
    struct tbuf *t = &g->buf[i];
    const uint32_t len = 14 + fake_rand(&g->f) % 1500;
    static uint8_t bytes[1514];

    switch (fake_rand(&g->f) % 6) {
    case 0:
        if (where[i] == MINE &&
            vdrv_net_recycle_rx_buffer(g->net, 0, &t->b) == VDRV_OK)
            where[i] = POSTED;
        break;
    case 1:
        t->b.data = where[i] == MINE ? t->mem + t->b.headroom : t->b.data;
        if (where[i] == MINE &&
            vdrv_net_transmit(g->net, 0, frame(g, i, len)) == VDRV_OK) {
            where[i] = SENT;
            ++*sent;
        }
        break;
    case 2:
        fill(bytes, len, len);
        (void)fake_net_receive(&g->dev, bytes, len);
        break;
    case 3:
        if (vdrv_net_receive(g->net, 0, &b) == VDRV_OK) {
            fill(bytes, sizeof(bytes), vdrv_net_buf_total(b));
            check_frame(b, bytes, vdrv_net_buf_total(b));
            for (; b != NULL; b = t->b.next) {
                t = (struct tbuf *)(void *)b;
                CHECK_EQ(where[t - g->buf], POSTED);
                where[t - g->buf] = MINE;
            }
            for (uint32_t k = 0; k < BUFS; k++)
                g->buf[k].b.next = where[k] == MINE ? NULL : g->buf[k].b.next;
        }
        break;
    case 4:
        fake_step(&g->f);
        break;
    default:
        (void)vdrv_net_recycle_tx_buffers(g->net, 0);
        break;
    }
    for (uint32_t k = 0; k < BUFS; k++) {
        if (g->buf[k].released == 0)
            continue;
        CHECK_EQ(g->buf[k].released, 1);
        CHECK_EQ(where[k], SENT);
        where[k] = MINE;
        g->buf[k].released = 0;
    }
}

/* NET_ROUNDS in the environment: rounds of each mode. */
static void random_traffic(void)
{
    const char *rounds = getenv("NET_ROUNDS");
    const uint32_t n = rounds != NULL ? (uint32_t)atoi(rounds) : 4000;

    for (uint32_t k = 0; k < 32; k++) {
        const struct vdrv_queue_kind *const packed =
            k < 16 ? &vdrv_queue_packed : &vdrv_queue_packed_in_order;
        const struct opts o = {
            .headroom = (k & 1) != 0 ? 34 : 0,
            .cfg.rx_headroom = (k & 3) == 3,
            .cfg.no_indirect = (k & 4) != 0,
            .cfg.packed = (k & 8) != 0 ? packed : NULL,
            .cfg.in_order = k < 16 ? NULL : &vdrv_queue_split_in_order,
            .cfg.queue_size = (k & 8) != 0 ? 13 : QUEUE,
            .machine.mode = k % 3,
            .machine.seed = check_seed_value + k,
        };
        struct rig *g = rig_up(&o);
        uint8_t where[BUFS] = {0};
        uint32_t sent = 0;

        CHECK_EQ(fake_dev_has(&g->dev.dev, FAKE_F_RING_PACKED), (k & 8) != 0);
        CHECK_EQ(fake_dev_has(&g->dev.dev, FAKE_F_IN_ORDER), k >= 16);
        for (uint16_t i = 0; i < g->dev.dev.n_queues; i++)
            g->dev.dev.queue[i].batch = true;
        g->dev.dev.complete = FAKE_COMPLETE_RANDOM;
        g->dev.dev.per_step = 3;
        for (uint32_t i = 0; i < n && check_failures == 0; i++)
            random_round(g, where, &sent);
        CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
        for (uint32_t i = 0; i < BUFS; i++)
            CHECK_EQ(g->buf[i].released, where[i] == MINE ? 0 : 1);
        CHECK_EQ(stats(g).tx_frames, sent);
        CHECK_EQ(stats(g).rx_malformed + stats(g).rx_runts, 0);
        rig_down(g);
    }
}

static const struct check_case cases[] = {
    {"describes_itself", describes_itself},
    {"accepts_only_what_it_does", accepts_only_what_it_does},
    {"control_is_unsupported", control_is_unsupported},
    {"f57_mac_rule", f57_mac_rule},
    {"f58_mtu_rule", f58_mtu_rule},
    {"f62_link_flaps", f62_link_flaps},
    {"no_status_is_up", no_status_is_up},
    {"tx_header_modes", tx_header_modes},
    {"tx_leaves_surroundings", tx_leaves_surroundings},
    {"tx_chains", tx_chains},
    {"tx_max_segs_huge", tx_max_segs_huge},
    {"tx_refusals", tx_refusals},
    {"tx_long_frame_without_mtu", tx_long_frame_without_mtu},
    {"tx_full_queue", tx_full_queue},
    {"tx_csum", tx_csum},
    {"tx_headers_apart", tx_headers_apart},
    {"tx_burst", tx_burst},
    {"f56_replayed_id", f56_replayed_id},
    {"rx_header_modes", rx_header_modes},
    {"rx_refusals", rx_refusals},
    {"rx_full_queue", rx_full_queue},
    {"f51_runts", f51_runts},
    {"f52_oversize", f52_oversize},
    {"f53_num_buffers_not_negotiated", f53_num_buffers_not_negotiated},
    {"f53_num_buffers", f53_num_buffers},
    {"rx_merged", rx_merged},
    {"rx_merged_burst", rx_merged_burst},
    {"f54_merged_too_long", f54_merged_too_long},
    {"f54_first_piece_too_long", f54_first_piece_too_long},
    {"rx_first_piece", rx_first_piece},
    {"rx_empty_piece", rx_empty_piece},
    {"f55_header_table", f55_header_table},
    {"f55_headers_received", f55_headers_received},
    {"f55_not_asked_for", f55_not_asked_for},
    {"f63_starvation", f63_starvation},
    {"f63_repost_fails", f63_repost_fails},
    {"traffic_in_all_modes", traffic_in_all_modes},
    {"premapped_buffers", premapped_buffers},
    {"premapped_buffers_are_synced", premapped_buffers_are_synced},
    {"stop_with_everything_out", stop_with_everything_out},
    {"stuck_keeps_buffers", stuck_keeps_buffers},
    {"needs_reset_latches", needs_reset_latches},
    {"interrupts", interrupts},
    {"callbacks", callbacks},
    {"pool_basics", pool_basics},
    {"pool_put_from_threads", pool_put_from_threads},
    {"pool_systems", pool_systems},
    {"pool_after_queue_reset", pool_after_queue_reset},
    {"pool_runs_dry", pool_runs_dry},
    {"init_refusals", init_refusals},
    {"init_without_memory", init_without_memory},
    {"init_fails_at_the_end", init_fails_at_the_end},
    {"hot_path_is_quiet", hot_path_is_quiet},
    {"random_traffic", random_traffic},
};

CHECK_MAIN(cases)
