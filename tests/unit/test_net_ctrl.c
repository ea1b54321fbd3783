/* SPDX-License-Identifier: MIT */
/*
 * The control queue of the network driver against the fake card: what each call
 * makes the device do is read from the device, and a device that refuses, lies
 * or says nothing must cost an error, never a state that is not true.
 */
#include "net_rig.h"

#include "../../src/device/vdrv_net_config.h"
#include "../../src/spec/virtio_net.h"

#define ALL_CONTROL (FAKE_NET_CONTROL | 1ull << FAKE_NET_F_RSS)

/* A rig with the control queue; `pairs` of a device with four. */
static struct opts controlled(uint32_t pairs)
{
    struct opts o = {0};

    o.cfg.ctrl = &vdrv_net_ctrl;
    o.cfg.pairs = pairs;
    o.cfg.timeout_us = 300000;
    o.cfg.rx_offloads = VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_HASH;
    o.dev.with = ALL_CONTROL;
    o.dev.pairs = 4;
    o.headroom = 32;
    return o;
}

static struct rig *controlled_up(uint32_t pairs)
{
    const struct opts o = controlled(pairs);

    return rig_up(&o);
}

/* ---- Features ------------------------------------------------------------- */

/* NET-002 to -009, -023, -024: what is offered without its base is left.
   BASIC-07, BASIC-08. */
static void dependencies(void)
{
    static const struct {
        uint8_t bit, base, other;
    } rules[] = {
        {1, 0xff, 0xff}, /* GUEST_CSUM stands alone */
        {7, 1, 1},       {8, 1, 1},    {10, 1, 1},   {54, 1, 1},   {55, 1, 1},
        {9, 7, 8},       {11, 0, 0},   {12, 0, 0},   {14, 0, 0},   {56, 0, 0},
        {13, 11, 12},    {18, 17, 17}, {19, 17, 17}, {20, 17, 17}, {21, 17, 17},
        {22, 17, 17},    {23, 17, 17}, {52, 17, 17}, {53, 17, 17}, {57, 17, 17},
        {60, 17, 17},    {2, 17, 17},  {50, 17, 17},
    };

    for (uint32_t i = 1; i < COUNT(rules); i++) {
        struct opts o = controlled(4);
        struct rig *g;

        o.cfg.rx_offloads = UINT32_MAX;
        o.cfg.tx_offloads = UINT32_MAX;
        o.cfg.rx_headroom = 1;
        o.dev.with |= FAKE_NET_GSO;
        g = rig_up(&o);
        CHECK(fake_dev_has(&g->dev.dev, rules[i].bit));
        rig_down(g);
        o.dev.without = 1ull << rules[i].base | 1ull << rules[i].other;
        g = rig_up(&o);
        CHECK(!fake_dev_has(&g->dev.dev, rules[i].bit));
        rig_down(g);
    }
}

/*
 * NET-007, -008, -009, -010, -020, -107, -116, -122: left out altogether, and
 * what rests on it: -030, -038 to -047, -056 to -058, -061, -062, -070, -079 to
 * -081, -105, -106, -123 to -125, -128.
 */
static void never_accepted(void)
{
    static const uint8_t left_out[] = {51, 61, 62, 64, 65, 66, 67, 68, 69, 70};
    struct opts o = controlled(4);
    struct rig *g = malloc(sizeof(*g));

    REQUIRE(g != NULL);
    o.cfg.rx_offloads = UINT32_MAX;
    o.cfg.tx_offloads = UINT32_MAX;
    o.cfg.rx_headroom = 1;
    rig_machine(g, &o);
    g->dev.dev.offered[0] = ~0ull & ~(1ull << FAKE_F_RING_PACKED);
    g->dev.dev.offered[1] = ~0ull;
    g->f.hal.direct_platform = 1;
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    for (uint32_t i = 0; i < COUNT(left_out); i++)
        CHECK(!fake_dev_has(&g->dev.dev, left_out[i]));
    rig_down(g);
}

/* NET-066: 10 (in test_mmio_legacy.c), 12 and 20 bytes. */
static void header_sizes(void)
{
    for (uint32_t hash = 0; hash < 2; hash++) {
        struct opts o = controlled(1);
        struct rig *g;

        o.cfg.rx_offloads = hash != 0 ? VDRV_NET_CAN_RX_HASH : 0;
        g = rig_up(&o);
        CHECK_EQ(g->info.header_len, hash != 0 ? 20 : 12);
        CHECK_EQ(g->dev.header, g->info.header_len);
        rig_down(g);
    }
}

/* What is not there is not sent: NET-084, -085, -086, -090, -098, -110. */
static void refused_without_feature(void)
{
    const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    const struct vdrv_net_filter promisc = {.modes = VDRV_NET_PROMISC};
    const struct vdrv_net_filter extra = {.modes = VDRV_NET_NOBCAST};
    const uint16_t table[1] = {0};
    const struct vdrv_net_rss rss = {.ntable = 1, .table = table};
    const struct vdrv_net_rss hash = {.hash_types = VDRV_NET_HASH_IP4};
    struct vdrv_net_coalescing c = {.queue = 0};
    struct vdrv_net_queue_stats stats_of;
    struct opts o = controlled(1);
    struct rig *g;

    o.dev.pairs = 1;
    o.dev.with = 0;
    o.dev.without = 1ull << FAKE_NET_F_CTRL_RX | 1ull << FAKE_NET_F_CTRL_VLAN |
                    1ull << FAKE_NET_F_CTRL_RX_EXTRA |
                    1ull << FAKE_NET_F_ANNOUNCE | 1ull << FAKE_NET_F_CTRL_MAC;
    g = rig_up(&o);
    CHECK_EQ(g->info.controls, 0);
    CHECK_EQ(vdrv_net_set_filter(g->net, &promisc), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_filter(g->net, &extra), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_remove_vlan(g->net, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_mac(g->net, mac), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_ack_announce(g->net), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_offloads(g->net, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_rss(g->net, &hash), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_get_coalescing(g->net, &c), VDRV_ERR_UNSUPPORTED);
    c.queue = VDRV_NET_ALL_RX;
    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 0, &stats_of),
             VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(g->dev.ctrl_commands, 0);
    rig_down(g);
}

/* A device that has no control queue: the calls are there, and say so. */
static void no_control_queue(void)
{
    const struct vdrv_net_filter promisc = {.modes = VDRV_NET_PROMISC};
    struct opts o = controlled(4);
    struct rig *g;

    o.dev.pairs = 1;
    o.dev.without = 1ull << FAKE_NET_F_CTRL_VQ;
    g = rig_up(&o);
    CHECK_EQ(g->info.controls, 0);
    CHECK_EQ(g->info.max_pairs, 1);
    CHECK_EQ(vdrv_net_set_filter(g->net, &promisc), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_UNSUPPORTED);
    rig_down(g);
}

/* ---- Filters --------------------------------------------------------------- */

/* NET-084, -085 */
static void filter_modes(void)
{
    struct rig *g = controlled_up(1);

    for (uint32_t modes = 0; modes < 64; modes++) {
        const struct vdrv_net_filter f = {.modes = modes};

        CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
        for (uint32_t i = 0; i < 6; i++)
            CHECK_EQ(g->dev.rx_mode[i], modes >> i & 1u);
    }
    CHECK_EQ(
        vdrv_net_set_filter(g->net, &(struct vdrv_net_filter){.modes = 64}),
        VDRV_ERR_INVALID);
    rig_down(g);
}

/* NET-088, NET-089 */
static void filter_tables(void)
{
    static const struct {
        uint32_t unicast, multicast;
    } sizes[] = {{0, 0}, {2, 0}, {0, 3}, {2, 3}, {32, 32}};
    struct rig *g = controlled_up(1);
    uint8_t uni[64 * 6], multi[64 * 6];

    for (uint32_t i = 0; i < 64; i++) {
        memcpy(uni + 6 * i, (uint8_t[]){2, 1, 2, 3, 4, (uint8_t)i}, 6);
        memcpy(multi + 6 * i, (uint8_t[]){1, 0, 94, 3, 4, (uint8_t)i}, 6);
    }
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        const uint32_t nu = sizes[i].unicast, nm = sizes[i].multicast;
        const struct vdrv_net_filter f = {.nunicast = nu,
                                          .nmulticast = nm,
                                          .unicast = uni,
                                          .multicast = multi};

        CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
        CHECK_EQ(g->dev.unicasts, nu);
        CHECK_EQ(g->dev.multicasts, nm);
        CHECK_MEM(g->dev.table, uni, 6 * (size_t)nu);
        CHECK_MEM(g->dev.table[nu], multi, 6 * (size_t)nm);
        CHECK(!g->dev.rx_mode[0] && !g->dev.rx_mode[1]);
    }
    CHECK_EQ(
        vdrv_net_set_filter(
            g->net, &(struct vdrv_net_filter){.nunicast = 1, .unicast = multi}),
        VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_filter(
                 g->net,
                 &(struct vdrv_net_filter){.nmulticast = 1, .multicast = uni}),
             VDRV_ERR_INVALID);
    CHECK_EQ(
        vdrv_net_set_filter(g->net, &(struct vdrv_net_filter){.nunicast = 1}),
        VDRV_ERR_INVALID);
    rig_down(g);
}

/* Lists too long for the device, or for the driver: more is received. */
static void filter_overflow(void)
{
    static uint8_t uni[300 * 6], multi[300 * 6];
    struct rig *g = controlled_up(1);
    struct vdrv_net_filter f = {.unicast = uni, .multicast = multi};

    for (uint32_t i = 0; i < 300; i++) {
        uni[6 * i] = 2;
        multi[6 * i] = 1;
    }
    f.nunicast = 65; /* the device refuses */
    CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
    CHECK(g->dev.rx_mode[0]);
    f.nunicast = 300; /* the command would be too long */
    CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
    CHECK(g->dev.rx_mode[0] && g->dev.unicasts == 0);
    f.nunicast = UINT32_MAX;
    f.nmulticast = UINT32_MAX;
    CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
    CHECK(g->dev.rx_mode[0] && g->dev.rx_mode[1]);
    f.nunicast = 3;
    f.nmulticast = 300;
    CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
    CHECK(!g->dev.rx_mode[0] && g->dev.rx_mode[1]);
    CHECK_EQ(g->dev.unicasts, 3);
    CHECK_EQ(g->dev.multicasts, 0);
    f.nmulticast = 0;
    CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
    CHECK(!g->dev.rx_mode[0] && !g->dev.rx_mode[1]);
    rig_down(g);
}

/* NET-090 */
static void vlans(void)
{
    struct rig *g = controlled_up(1);

    CHECK_EQ(vdrv_net_add_vlan(g->net, 0), VDRV_OK);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 4095), VDRV_OK);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 4096), VDRV_ERR_INVALID);
    CHECK_EQ(g->dev.vlans[0], 1);
    CHECK_EQ(g->dev.vlans[511], 0x80);
    CHECK_EQ(vdrv_net_remove_vlan(g->net, 4095), VDRV_OK);
    CHECK_EQ(vdrv_net_remove_vlan(g->net, 4096), VDRV_ERR_INVALID);
    CHECK_EQ(g->dev.vlans[511], 0);
    CHECK_EQ(g->dev.ctrl_commands, 3);
    rig_down(g);
}

/* ---- Address, announcement, offloads --------------------------------------- */

/* NET-087, and what the driver does with it after a reset. */
static void mac_change(void)
{
    const uint8_t mac[6] = {2, 3, 4, 5, 6, 7}, group[6] = {1}, zero[6] = {0};
    struct rig *g = controlled_up(1);
    uint8_t told[6];

    CHECK_EQ(vdrv_net_set_mac(g->net, group), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_mac(g->net, zero), VDRV_ERR_INVALID);
    g->dev.ctrl_ack = 1;
    CHECK_EQ(vdrv_net_set_mac(g->net, mac), VDRV_ERR_IO);
    CHECK_EQ(vdrv_net_mac_address(g->net, told), VDRV_OK);
    CHECK_MEM(told, g->dev.cfg.mac, 6);
    g->dev.ctrl_ack = -1;
    CHECK_EQ(vdrv_net_set_mac(g->net, mac), VDRV_OK);
    CHECK_MEM(g->dev.address, mac, 6);
    CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
    CHECK_MEM(g->dev.address, mac, 6);
    CHECK_EQ(vdrv_net_mac_address(g->net, told), VDRV_OK);
    CHECK_MEM(told, mac, 6);
    rig_down(g);
}

/* NET-091, -092, F62: a level, told until it is answered. */
static void fault_F62_announce_storm(void)
{
    struct rig *g = controlled_up(1);
    uint32_t changes;

    for (uint32_t i = 0; i < 100; i++)
        fake_net_announce(&g->dev);
    for (uint32_t i = 0; i < 3; i++) {
        changes = 0;
        CHECK_EQ(vdrv_refresh(&g->net->dev, &changes), VDRV_OK);
        CHECK_EQ(changes, VDRV_CHANGE_ANNOUNCE);
    }
    CHECK_EQ(vdrv_net_ack_announce(g->net), VDRV_OK);
    CHECK_EQ(g->dev.last_ctrl[0], 3);
    changes = 0;
    CHECK_EQ(vdrv_refresh(&g->net->dev, &changes), VDRV_OK);
    CHECK_EQ(changes, 0);
    rig_down(g);
}

/* NET-108 */
static void offloads_at_run_time(void)
{
    const uint64_t csum = 1ull << FAKE_NET_F_GUEST_CSUM;
    const uint64_t tso4 = 1ull << FAKE_NET_F_GUEST_TSO4;
    struct opts o = controlled(1);
    struct rig *g;

    o.cfg.rx_headroom = 1;
    o.cfg.rx_offloads |= VDRV_NET_CAN_RX_TSO4 | VDRV_NET_CAN_RX_ECN;
    o.dev.with |= FAKE_NET_GSO;
    g = rig_up(&o);
    CHECK((g->dev.offloads & tso4) != 0);
    CHECK_EQ(vdrv_net_set_offloads(g->net, VDRV_NET_CAN_RX_TSO6),
             VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_offloads(g->net, VDRV_NET_CAN_RX_TSO4),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_offloads(g->net,
                                   VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_ECN),
             VDRV_ERR_INVALID);
    CHECK_EQ(g->dev.ctrl_commands, 0);
    CHECK_EQ(vdrv_net_set_offloads(g->net, VDRV_NET_CAN_RX_CSUM), VDRV_OK);
    CHECK_EQ(g->dev.offloads, csum);
    CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
    CHECK_EQ(g->dev.offloads, csum);
    CHECK_EQ(vdrv_net_set_offloads(g->net, 0), VDRV_OK);
    CHECK_EQ(g->dev.offloads, 0);
    CHECK_EQ(vdrv_net_set_offloads(g->net, g->info.offloads & 0xffff0000u),
             VDRV_OK);
    CHECK_EQ(g->dev.offloads, csum | tso4 | 1ull << FAKE_NET_F_GUEST_ECN);
    rig_down(g);
}

/* ---- Several pairs ---------------------------------------------------------- */

static void send_on(struct rig *g, uint32_t pair, int want)
{
    const uint32_t before = g->dev.pair_frames[pair];

    buf_reset(&g->buf[0], 32);
    CHECK_EQ(vdrv_net_transmit(g->net, pair, frame(g, 0, 60)), want);
    fake_step(&g->f);
    CHECK_EQ(g->dev.pair_frames[pair], before + (want == VDRV_OK));
    if (want == VDRV_OK) {
        CHECK_EQ(vdrv_net_recycle_tx_buffers(g->net, pair), 1);
        CHECK_EQ(g->buf[0].released, 1);
    }
}

static void receive_on(struct rig *g, uint32_t pair)
{
    struct vdrv_net_buf *b = NULL;
    uint8_t bytes[60];

    fill(bytes, sizeof(bytes), pair);
    CHECK(fake_net_receive_on(&g->dev, pair, bytes, sizeof(bytes), NULL));
    CHECK_EQ(vdrv_net_receive(g->net, pair, &b), VDRV_OK);
    REQUIRE(b != NULL);
    CHECK_EQ(b->len, sizeof(bytes));
    CHECK_MEM(b->data, bytes, sizeof(bytes));
    CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, pair, b), VDRV_OK);
}

/* NET-001, -025, -067, -093 to -096, -127 */
static void pairs(void)
{
    struct rig *g = controlled_up(4);

    CHECK_EQ(g->info.pairs, 4);
    CHECK_EQ(g->info.max_pairs, 4);
    CHECK_EQ(g->dev.ctrl_index, 8);
    CHECK_EQ(g->dev.pairs_in_use, 4);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(vdrv_net_recycle_rx_buffer(g->net, i, &g->buf[8 + i].b),
                 VDRV_OK);
        send_on(g, i, VDRV_OK);
        receive_on(g, i);
    }
    send_on(g, 4, VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 5), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 2), VDRV_OK);
    CHECK_EQ(g->dev.pairs_in_use, 2);
    send_on(g, 1, VDRV_OK);
    send_on(g, 2, VDRV_ERR_INVALID);
    CHECK(!vdrv_net_can_transmit(g->net, 2));
    receive_on(g, 3); /* what is on its way is still received */
    g->dev.ctrl_ack = 1;
    CHECK_EQ(vdrv_net_set_pairs(g->net, 3), VDRV_ERR_IO);
    send_on(g, 2, VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_IO);
    send_on(g, 1, VDRV_OK);
    g->dev.ctrl_ack = -1;
    CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
    CHECK_EQ(g->dev.pairs_in_use, 2);
    CHECK_EQ(vdrv_net_get_info(g->net, &g->info), VDRV_OK);
    CHECK_EQ(g->info.pairs, 2);
    CHECK_EQ(g->buf[11].released, 1);
    rig_down(g);
}

/* NET-001, F59: how many there are, and where the control queue is then. */
static void fault_F59_pair_counts(void)
{
    static const struct {
        uint32_t config, wanted, pairs, index;
        int err;
    } rows[] = {
        {4, 2, 2, 8, VDRV_OK},
        {4, 100, 4, 8, VDRV_OK},
        {4, 1, 1, 2, VDRV_OK}, /* nobody asks for MQ */
        {0, 2, 1, 2, VDRV_ERR_PROTOCOL},
        {0x8001, 2, 2, 0, VDRV_ERR_PROTOCOL},
        {0xffff, 2, 2, 0, VDRV_ERR_PROTOCOL},
    };

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        struct opts o = controlled(rows[i].wanted);
        struct rig *g = malloc(sizeof(*g));

        REQUIRE(g != NULL);
        rig_machine(g, &o);
        fake_put16(g->dev.dev.config + FAKE_NET_CFG_PAIRS, rows[i].config);
        if (rows[i].config == 0) /* nothing where queue 2 would be */
            g->dev.dev.queue[2].max = 0;
        CHECK_EQ(rig_init(g, &o), rows[i].err);
        if (rows[i].err == VDRV_OK) {
            CHECK_EQ(g->info.max_pairs, rows[i].pairs);
            CHECK_EQ(g->dev.ctrl_index, rows[i].index);
            rig_down(g);
            continue;
        }
        CHECK(fake_log_contains(&g->f, "no control queue"));
        CHECK(fake_balanced(&g->f));
        rig_end(g);
    }
}

/* A command needs four entries; with fewer there is no card, and why is told. */
static void control_queue_small(void)
{
    for (uint16_t size = 1; size <= 8; size *= 2) {
        const struct vdrv_net_filter f = {.modes = VDRV_NET_PROMISC};
        const struct opts o = controlled(2);
        struct rig *g = malloc(sizeof(*g));

        REQUIRE(g != NULL);
        rig_machine(g, &o);
        g->dev.dev.queue[8].max = size;
        CHECK_EQ(rig_init(g, &o), size < 4 ? VDRV_ERR_UNSUPPORTED : VDRV_OK);
        if (size >= 4) {
            CHECK_EQ(vdrv_net_set_filter(g->net, &f), VDRV_OK);
            rig_down(g);
            continue;
        }
        CHECK(fake_log_contains(&g->f, "control queue is too small"));
        CHECK(fake_balanced(&g->f));
        rig_end(g);
    }
}

/* Pairs of a pool each, at init, and the exact work memory. */
static void pairs_work_memory(void)
{
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct opts o = controlled(4);
        struct rig *g = malloc(sizeof(*g));
        size_t need;

        REQUIRE(g != NULL);
        o.cfg.packed = kind != 0 ? &vdrv_queue_packed : NULL;
        rig_machine(g, &o);
        CHECK_EQ(vdrv_mmio_probe(&g->mmio, &g->f.hal, SLOT, 0x200), VDRV_OK);
        o.cfg.queue_size = 32;
        need = vdrv_virtio_net_work_size(&g->mmio.transport, &o.cfg);
        CHECK(need > 0 && need <= VDRV_VIRTIO_NET_WORK_SIZE(4, 32, 16));
        o.cfg.work = g->work;
        o.cfg.work_size = need - 1;
        CHECK_EQ(rig_init(g, &o), VDRV_ERR_NO_MEMORY);
        o.cfg.work_size = need;
        CHECK_EQ(rig_init(g, &o), VDRV_OK);
        CHECK_EQ(g->info.pairs, 4);
        rig_down(g);
    }
}

static const struct vdrv_transport_ops *plain_ops;

static uint32_t late_queue_max(struct vdrv_transport *t, uint32_t queue)
{
    if (vdrv_feature(t->features, VIRTIO_NET_F_MQ) || queue < 2)
        return plain_ops->queue_max(t, queue);
    return queue == 2 ? 8 : 0;
}

/* QEMU has one pair, and behind it the control queue, until MQ is agreed on. */
static void pairs_show_late(void)
{
    struct opts o = controlled(4);
    struct rig *g = malloc(sizeof(*g));
    struct vdrv_transport_ops late;

    REQUIRE(g != NULL);
    rig_machine(g, &o);
    CHECK_EQ(vdrv_mmio_probe(&g->mmio, &g->f.hal, SLOT, 0x200), VDRV_OK);
    plain_ops = g->mmio.transport.ops;
    late = *plain_ops;
    late.queue_max = late_queue_max;
    g->mmio.transport.ops = &late;
    o.cfg.queue_size = 32;
    o.cfg.work = g->work;
    o.cfg.work_size = vdrv_virtio_net_work_size(&g->mmio.transport, &o.cfg);
    CHECK_EQ(rig_init(g, &o), VDRV_OK);
    CHECK_EQ(g->info.pairs, 4);
    rig_down(g);
}

/* ---- Scaling ---------------------------------------------------------------- */

/* A restart ends it, and so does a plain number of pairs. */
static void scaling_ends(struct rig *g, const struct vdrv_net_rss *rss)
{
    CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK); /* of it nothing is left */
    CHECK_EQ(g->dev.rss.entries, 0);
    CHECK_EQ(g->dev.pairs_in_use, 4);
    send_on(g, 3, VDRV_OK);
    CHECK_EQ(vdrv_net_set_rss(g->net, rss), VDRV_OK);
    CHECK_EQ(g->dev.rss.entries, 2);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 4), VDRV_OK); /* the last one counts */
    CHECK_EQ(g->dev.rss.entries, 0);
    send_on(g, 3, VDRV_OK);
}

/* NET-099 to -104, NET-126 */
static void scaling(void)
{
    struct rig *g = controlled_up(4);
    static uint16_t table[256];
    uint8_t key[41];
    struct vdrv_net_rss rss = {.hash_types = VDRV_NET_HASH_TCP4,
                               .nkey = 40,
                               .ntable = 128,
                               .unmatched = 3,
                               .tx_pairs = 2,
                               .report = 1,
                               .key = key,
                               .table = table};

    CHECK_EQ(g->info.rss_key, 40);
    CHECK_EQ(g->info.rss_table, 128);
    CHECK_EQ(g->info.hash_types, 0x1ff);
    for (uint32_t i = 0; i < 41; i++)
        key[i] = (uint8_t)(3 * i);
    for (uint32_t i = 0; i < 256; i++)
        table[i] = (uint16_t)(i % 4);
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_OK);
    CHECK_EQ(g->dev.rss.entries, 128);
    CHECK_EQ(g->dev.rss.unmatched, 3);
    CHECK_EQ(g->dev.rss.hash_types, 2);
    CHECK_EQ(g->dev.rss.key_len, 40);
    CHECK_MEM(g->dev.rss.key, key, 40);
    CHECK_MEM(g->dev.rss.table, table, 256);
    send_on(g, 1, VDRV_OK);
    send_on(g, 2, VDRV_ERR_INVALID);
    rss.ntable = 256;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    rss.ntable = 3;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    rss.ntable = 2;
    table[1] = 4;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    table[1] = 0;
    rss.unmatched = 4;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    rss.unmatched = 0;
    rss.nkey = 41;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    rss.nkey = 0;
    rss.hash_types = 0x200;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_UNSUPPORTED);
    rss.hash_types = 0;
    rss.tx_pairs = 5;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_INVALID);
    CHECK_EQ(g->dev.rss.entries, 128);
    rss.tx_pairs = 0;
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_OK);
    CHECK_EQ(g->dev.rss.tx_pairs, 2);
    CHECK_EQ(g->dev.rss.entries, 2);
    scaling_ends(g, &rss);
    rig_down(g);
}

/* RSS without MQ: one pair until the table is there. */
static void scaling_alone(void)
{
    const uint16_t table[4] = {3, 2, 1, 0};
    const struct vdrv_net_rss rss = {
        .ntable = 4, .tx_pairs = 4, .table = table};
    struct opts o = controlled(4);
    struct rig *g;

    o.dev.without = 1ull << FAKE_NET_F_MQ;
    g = rig_up(&o);
    CHECK_EQ(g->info.pairs, 1);
    CHECK_EQ(g->info.max_pairs, 4);
    send_on(g, 1, VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 2), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_OK);
    send_on(g, 3, VDRV_OK);
    rig_down(g);
}

/* F60 */
static void fault_F60_limits(void)
{
    static const struct {
        uint8_t key;
        uint16_t table;
        uint32_t want_key, want_table;
    } rows[] = {
        {39, 128, 0, 0},    {40, 0, 40, 0},   {255, 65535, 255, 512},
        {52, 129, 52, 128}, {0, 65535, 0, 0},
    };

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        const struct opts o = controlled(4);
        struct rig *g = malloc(sizeof(*g));

        REQUIRE(g != NULL);
        rig_machine(g, &o);
        g->dev.dev.config[FAKE_NET_CFG_KEY] = rows[i].key;
        fake_put16(g->dev.dev.config + FAKE_NET_CFG_TABLE, rows[i].table);
        CHECK_EQ(rig_init(g, &o), VDRV_OK);
        CHECK_EQ(g->info.rss_key, rows[i].want_key);
        CHECK_EQ(g->info.rss_table, rows[i].want_table);
        CHECK_EQ((g->info.controls & VDRV_NET_CAN_RSS) != 0,
                 rows[i].want_table != 0);
        rig_down(g);
    }
}

/* NET-082, -097: the hash of a buffer, and only a hash that is one. */
static void hash_report(void)
{
    const uint8_t key[40] = {1, 2, 3};
    const struct vdrv_net_rss rss = {
        .hash_types = 0x1ff, .nkey = 40, .report = 1, .key = key};
    const uint8_t bytes[60] = {2};

    for (uint32_t apart = 0; apart < 2; apart++) {
        struct opts o = controlled(1);
        struct rig *g;

        o.headroom = apart != 0 ? 0 : 32;
        g = rig_up(&o);
        CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_OK);
        CHECK(g->dev.rss.hash_only);
        CHECK_EQ(g->dev.rss.hash_types, 0x1ff);
        post_all(g, 12);
        for (uint32_t type = 0; type < 12; type++) {
            const struct fake_net_meta m = {
                .hash = 0xcafe0000u + type,
                .hash_report = (uint16_t)(type == 11 ? 0xffffu : type)};
            struct vdrv_net_buf *b = NULL;

            CHECK(fake_net_receive_on(&g->dev, 0, bytes, 60, &m));
            CHECK_EQ(vdrv_net_receive(g->net, 0, &b), VDRV_OK);
            REQUIRE(b != NULL);
            CHECK_EQ(b->len, 60);
            if (type == 0 || type > 9) {
                CHECK_EQ(b->flags & VDRV_NET_HASH, 0);
                continue;
            }
            CHECK_EQ(b->flags, VDRV_NET_HASH);
            CHECK_EQ(b->hash, 0xcafe0000u + type);
            CHECK_EQ(b->hash_type, 1u << (type - 1));
        }
        rig_down(g);
    }
}

/* ---- Coalescing, statistics -------------------------------------------------- */

/* NET-109, -110, -111, -112 */
static void coalescing(void)
{
    struct rig *g = controlled_up(2);
    struct vdrv_net_coalescing c = {
        .queue = VDRV_NET_ALL_RX, .max_packets = 7, .max_us = 70};

    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_OK);
    c = (struct vdrv_net_coalescing){
        .queue = VDRV_NET_ALL_TX, .max_packets = 8, .max_us = 80};
    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_OK);
    c = (struct vdrv_net_coalescing){
        .queue = vdrv_net_rx_queue(1), .max_packets = 9, .max_us = 90};
    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_OK);
    CHECK_EQ(g->dev.coalesce[0][0], 7);
    CHECK_EQ(g->dev.coalesce[1][1], 80);
    CHECK_EQ(g->dev.coalesce[2][0], 9);
    CHECK_EQ(g->dev.coalesce[3][0], 8);
    for (uint32_t q = 0; q < 4; q++) {
        c = (struct vdrv_net_coalescing){.queue = q};
        CHECK_EQ(vdrv_net_get_coalescing(g->net, &c), VDRV_OK);
        CHECK_EQ(c.max_packets, g->dev.coalesce[q][0]);
        CHECK_EQ(c.max_us, g->dev.coalesce[q][1]);
    }
    c.queue = 4;
    CHECK_EQ(vdrv_net_set_coalescing(g->net, &c), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_get_coalescing(g->net, &c), VDRV_ERR_INVALID);
    c = (struct vdrv_net_coalescing){.queue = 0, .max_us = 1234};
    g->dev.ctrl_ack = 1;
    CHECK_EQ(vdrv_net_get_coalescing(g->net, &c), VDRV_ERR_IO);
    CHECK_EQ(c.max_us, 1234);
    g->dev.ctrl_ack = -1;
    g->dev.ctrl_len = 8; /* one byte short */
    CHECK_EQ(vdrv_net_get_coalescing(g->net, &c), VDRV_ERR_IO);
    CHECK_EQ(c.max_us, 1234);
    rig_down(g);
}

static uint64_t record(uint32_t q, uint32_t type, uint32_t i)
{
    return q * 10000u + type * 100u + i;
}

/* NET-113, -114, -115 */
static void queue_stats(void)
{
    struct rig *g = controlled_up(2);
    struct vdrv_net_queue_stats s;

    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 2, &s), VDRV_OK);
    CHECK_EQ(s.counted, 15);
    CHECK_EQ(s.notifications, record(2, 0, 0));
    CHECK_EQ(s.drops_queue, record(2, 0, 5));
    CHECK_EQ(s.csum_valid, record(2, 1, 0));
    CHECK_EQ(s.csum_none, record(2, 1, 2));
    CHECK_EQ(s.gso_part_bytes, record(2, 2, 3));
    CHECK_EQ(s.gso_whole, 0);
    CHECK_EQ(s.limited_bytes, record(2, 3, 1));
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 3, &s), VDRV_OK);
    CHECK_EQ(s.counted, 15);
    CHECK_EQ(s.packets, record(3, 16, 1));
    CHECK_EQ(s.csum_none, record(3, 17, 0));
    CHECK_EQ(s.csum_valid, 0);
    CHECK_EQ(s.gso_whole_bytes, record(3, 18, 5));
    CHECK_EQ(s.limited_packets, record(3, 19, 0));
    g->dev.stats_types = 1; /* RX_BASIC alone */
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 0, &s), VDRV_OK);
    CHECK_EQ(s.counted, VDRV_NET_COUNTS_BASIC);
    CHECK_EQ(s.csum_valid, 0);
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 1, &s), VDRV_OK);
    CHECK_EQ(s.counted, 0);
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 4, &s), VDRV_ERR_INVALID);
    g->dev.stats_types = ~0ull;
    CHECK_EQ(vdrv_net_get_queue_stats(g->net, 0, &s), VDRV_OK);
    CHECK_EQ(s.counted, 15);
    rig_down(g);
}

/* Records that make no sense are not counted. */
static void queue_stats_lies(void)
{
    struct rig *g = controlled_up(1);
    struct vdrv_net_queue_stats s;

    for (uint32_t lie = 1; lie <= 5; lie++) {
        g->dev.stats_lie = lie;
        CHECK_EQ(vdrv_net_get_queue_stats(g->net, 0, &s), VDRV_OK);
        CHECK_EQ(s.counted, 0);
        CHECK_EQ(s.packets, 0);
    }
    g->dev.stats_lie = 0;
    for (uint32_t len = 1; len < 160; len++) {
        g->dev.ctrl_len = len;
        CHECK_EQ(vdrv_net_get_queue_stats(g->net, 0, &s), VDRV_OK);
        CHECK_EQ((s.counted & VDRV_NET_COUNTS_BASIC) != 0, len > 56);
    }
    rig_down(g);
}

/* ---- F61 ------------------------------------------------------------------- */

/* NET-083: an ack that says no. */
static void fault_F61_refused(void)
{
    struct rig *g = controlled_up(4);
    const struct vdrv_net_filter promisc = {.modes = VDRV_NET_PROMISC};
    const uint16_t table[1] = {0};
    const struct vdrv_net_rss rss = {
        .ntable = 1, .tx_pairs = 1, .table = table};

    g->dev.ctrl_ack = 1;
    CHECK_EQ(vdrv_net_set_filter(g->net, &promisc), VDRV_ERR_IO);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_IO);
    CHECK_EQ(vdrv_net_set_offloads(g->net, 0), VDRV_ERR_IO);
    CHECK_EQ(vdrv_net_set_rss(g->net, &rss), VDRV_ERR_IO);
    send_on(g, 3, VDRV_OK);
    g->dev.ctrl_ack = -1;
    CHECK_EQ(vdrv_net_set_filter(g->net, &promisc), VDRV_OK);
    rig_down(g);
}

/* Never written, nonsense, or no bytes: the device is broken. */
static void fault_F61_bad_acks(void)
{
    static const struct {
        int ack;
        int64_t len;
    } rows[] = {{2, -1}, {0xff, -1}, {256, 0}, {256, 1}, {0, 0}};

    for (uint32_t i = 0; i < COUNT(rows); i++) {
        struct rig *g = controlled_up(1);

        g->dev.ctrl_ack = rows[i].ack;
        g->dev.ctrl_len = rows[i].len;
        CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_PROTOCOL);
        CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_PROTOCOL);
        CHECK(fake_log_contains(&g->f, "control command without an answer"));
        g->dev.ctrl_ack = -1;
        g->dev.ctrl_len = -1;
        CHECK_EQ(vdrv_reset(&g->net->dev), VDRV_OK);
        CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_OK);
        rig_down(g);
    }
}

/* No answer: everything comes back, and the card starts again. */
static void fault_F61_timeout(void)
{
    struct rig *g = controlled_up(2);

    post_all(g, 4);
    CHECK_EQ(vdrv_net_transmit(g->net, 1, frame(g, 10, 60)), VDRV_OK);
    g->dev.ctrl_mute = true;
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_TIMEOUT);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_net_transmit(g->net, 0, frame(g, 11, 60)),
             VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(releases(g), 5);
    g->dev.ctrl_mute = false;
    CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
    CHECK_EQ(g->dev.pairs_in_use, 2);
    CHECK_EQ(vdrv_net_set_pairs(g->net, 1), VDRV_OK);
    rig_down(g);
}

/* Nor while it starts: init answers, and keeps nothing. */
static void fault_F61_timeout_in_init(void)
{
    for (uint32_t how = 0; how < 2; how++) {
        const struct opts o = controlled(2);
        struct rig *g = malloc(sizeof(*g));

        REQUIRE(g != NULL);
        rig_machine(g, &o);
        g->dev.ctrl_mute = how == 0;
        g->dev.ctrl_ack = how == 0 ? -1 : 1;
        CHECK_EQ(rig_init(g, &o), how == 0 ? VDRV_ERR_TIMEOUT : VDRV_ERR_IO);
        CHECK(fake_balanced(&g->f));
        rig_end(g);
    }
}

/* A reset that is not confirmed leaves the command with the device. */
static void fault_F61_stuck(void)
{
    struct rig *g = controlled_up(1);

    g->dev.ctrl_mute = true;
    g->dev.dev.reset_never = true;
    CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_virtio_net_fini(&g->nic), VDRV_ERR_STUCK);
    g->dev.dev.reset_never = false;
    g->dev.ctrl_mute = false;
    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_start(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_OK);
    rig_down(g);
}

/* On a stopped card nothing is sent. */
static void stopped(void)
{
    struct rig *g = controlled_up(1);

    CHECK_EQ(vdrv_stop(&g->net->dev), VDRV_OK);
    CHECK_EQ(vdrv_net_add_vlan(g->net, 5), VDRV_ERR_BAD_STATE);
    CHECK_EQ(g->dev.ctrl_commands, 0);
    rig_down(g);
}

static const struct check_case cases[] = {
    {"dependencies", dependencies},
    {"never_accepted", never_accepted},
    {"header_sizes", header_sizes},
    {"refused_without_feature", refused_without_feature},
    {"no_control_queue", no_control_queue},
    {"filter_modes", filter_modes},
    {"filter_tables", filter_tables},
    {"filter_overflow", filter_overflow},
    {"vlans", vlans},
    {"mac_change", mac_change},
    {"fault_F62_announce_storm", fault_F62_announce_storm},
    {"offloads_at_run_time", offloads_at_run_time},
    {"pairs", pairs},
    {"fault_F59_pair_counts", fault_F59_pair_counts},
    {"control_queue_small", control_queue_small},
    {"pairs_work_memory", pairs_work_memory},
    {"pairs_show_late", pairs_show_late},
    {"scaling", scaling},
    {"scaling_alone", scaling_alone},
    {"fault_F60_limits", fault_F60_limits},
    {"hash_report", hash_report},
    {"coalescing", coalescing},
    {"queue_stats", queue_stats},
    {"queue_stats_lies", queue_stats_lies},
    {"fault_F61_refused", fault_F61_refused},
    {"fault_F61_bad_acks", fault_F61_bad_acks},
    {"fault_F61_timeout", fault_F61_timeout},
    {"fault_F61_timeout_in_init", fault_F61_timeout_in_init},
    {"fault_F61_stuck", fault_F61_stuck},
    {"stopped", stopped},
};

CHECK_MAIN(cases)
