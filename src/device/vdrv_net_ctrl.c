/* SPDX-License-Identifier: MIT */
/*
 * The control queue of the network driver (VirtIO 1.4, 5.1.6.5): one command at
 * a time, each with an answer that is waited for.  Linked only when a
 * configuration names vdrv_net_ctrl.
 */
#include "../core/mem.h"
#include "../spec/virtio_config.h"
#include "vdrv_net_config.h"
#include "vdrv_net_impl.h"

/* Where things are in the shared memory. */
#define HEAD_AT   0u /* class and command */
#define DATA_AT   8u
#define DATA_SIZE 1528u
#define ACK_AT    (DATA_AT + DATA_SIZE)
#define RESULT_AT (ACK_AT + 8u)

#define NO_ACK  0xffu /* no device answers this */
#define MAC_MAX ((DATA_SIZE - 8u) / VDRV_NET_MAC_SIZE)
#define KEY_MAX 255u

_Static_assert(RESULT_AT < CONTROL_SIZE, "the answer has its place");
_Static_assert(11u + KEY_MAX + 2u * VDRV__NET_TABLE_MAX <= DATA_SIZE,
               "the longest command fits");

/* A command; its data is in shared memory. */
struct command {
    uint8_t class;
    uint8_t number;
    uint32_t len;    /* of the data */
    uint32_t first;  /* of these bytes are a segment of their own; 0: none */
    uint32_t result; /* bytes of the answer at most */
};

/* ---- Shared memory ------------------------------------------------------- */

static void put16(struct vdrv_virtio_net *nic, uint32_t at, uint32_t v)
{
    const struct le16 wire = vdrv__wire16(nic->legacy, (uint16_t)v);

    memcpy(nic->control.shared + DATA_AT + at, &wire, sizeof(wire));
}

static void put32(struct vdrv_virtio_net *nic, uint32_t at, uint32_t v)
{
    const struct le32 wire = vdrv__wire32(nic->legacy, v);

    memcpy(nic->control.shared + DATA_AT + at, &wire, sizeof(wire));
}

static void put64(struct vdrv_virtio_net *nic, uint32_t at, uint64_t v)
{
    const struct le64 wire = vdrv__wire64(nic->legacy, v);

    memcpy(nic->control.shared + DATA_AT + at, &wire, sizeof(wire));
}

static void put(struct vdrv_virtio_net *nic, uint32_t at, const void *from,
                uint32_t len)
{
    if (len > 0)
        memcpy(nic->control.shared + DATA_AT + at, from, len);
}

/* ---- One command --------------------------------------------------------- */

/* 6.3, 5.1.7: class and command, the data, the ack: each in its own segment. */
static uint32_t segments(const struct vdrv_virtio_net *nic,
                         const struct command *c, struct vdrv_seg seg[5],
                         uint32_t *nin)
{
    const uint64_t dma = nic->control.dma;
    uint32_t n = 0;

    seg[n++] = vdrv_seg_dma(dma + HEAD_AT, 2);
    if (c->first > 0)
        seg[n++] = vdrv_seg_dma(dma + DATA_AT, c->first);
    if (c->len > c->first)
        seg[n++] = vdrv_seg_dma(dma + DATA_AT + c->first, c->len - c->first);
    *nin = 1;
    seg[n] = vdrv_seg_dma(dma + ACK_AT, 1);
    if (c->result > 0)
        seg[n + (*nin)++] = vdrv_seg_dma(dma + RESULT_AT, c->result);
    return n;
}

static int send(struct vdrv_virtio_net *nic, const struct command *c)
{
    struct vdrv_virtio_net_control *ctl = &nic->control;
    struct vdrv_queue *q = &nic->queue[vdrv__net_control_queue(nic)].vq;
    struct vdrv_seg seg[5];
    uint32_t nin;
    const uint32_t nout = segments(nic, c, seg, &nin);
    int err;

    ctl->shared[HEAD_AT] = c->class;
    ctl->shared[HEAD_AT + 1] = c->number;
    ctl->shared[ACK_AT] = NO_ACK;
    memset(ctl->shared + RESULT_AT, 0, c->result);
    ctl->len = 0;
    ctl->status = VDRV_PENDING;
    err = vdrv_queue_add(q, seg, nout, nin, ctl);
    if (err == VDRV_OK)
        (void)vdrv_queue_kick(q);
    else
        ctl->status = err;
    return err;
}

/* May a command be made now?  Its memory is shared by all. */
static int begin(struct vdrv_virtio_net *nic)
{
    const uint32_t queue = vdrv__net_control_queue(nic);
    const int err = vdrv_driver_check(&nic->drv, queue);

    if (err != VDRV_OK)
        return err;
    return nic->queue[queue].busy != 0 || nic->control.status == VDRV_PENDING
               ? VDRV_ERR_BUSY
               : VDRV_OK;
}

/* 5.1.6.5: the ack; a device that wrote none, or another one, is broken. */
static int run(struct vdrv_virtio_net *nic, const struct command *c)
{
    const struct vdrv_virtio_net_control *ctl = &nic->control;
    uint64_t ack;
    int err = send(nic, c);

    if (err == VDRV_OK)
        err = vdrv_driver_wait(&nic->drv, vdrv__net_control_queue(nic),
                               &ctl->status, 0);
    if (err == VDRV_OK)
        err = ctl->status;
    if (err != VDRV_OK)
        return err;
    ack = *(const volatile uint8_t *)(ctl->shared + ACK_AT);
    if (ack == VIRTIO_NET_OK && ctl->len > 0)
        return VDRV_OK;
    if (ack == VIRTIO_NET_ERR)
        return VDRV_ERR_IO;
    vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                       "control command without an answer; ack:", &ack);
    vdrv_driver_fail(&nic->drv, VDRV_ERR_PROTOCOL);
    return VDRV_ERR_PROTOCOL;
}

/* A command whose data is in its place. */
static int command(struct vdrv_virtio_net *nic, uint8_t class, uint8_t number,
                   uint32_t len)
{
    const struct command c = {.class = class, .number = number, .len = len};

    return run(nic, &c);
}

static bool has(const struct vdrv_virtio_net *nic, uint32_t control)
{
    return (nic->info.controls & control) != 0;
}

/* ---- Filters ------------------------------------------------------------- */

/* 5.1.6.5.1 */
static int set_mode(struct vdrv_virtio_net *nic, uint8_t number, bool on)
{
    nic->control.shared[DATA_AT] = on;
    return command(nic, VIRTIO_NET_CTRL_RX, number, 1);
}

static const struct {
    uint32_t mode;
    uint8_t number;
} modes[] = {
    {VDRV_NET_PROMISC, VIRTIO_NET_CTRL_RX_PROMISC},
    {VDRV_NET_ALLMULTI, VIRTIO_NET_CTRL_RX_ALLMULTI},
    {VDRV_NET_ALLUNI, VIRTIO_NET_CTRL_RX_ALLUNI},
    {VDRV_NET_NOMULTI, VIRTIO_NET_CTRL_RX_NOMULTI},
    {VDRV_NET_NOUNI, VIRTIO_NET_CTRL_RX_NOUNI},
    {VDRV_NET_NOBCAST, VIRTIO_NET_CTRL_RX_NOBCAST},
};

#define MODES       (sizeof(modes) / sizeof(modes[0]))
#define BASIC_MODES (VDRV_NET_PROMISC | VDRV_NET_ALLMULTI)
#define EXTRA_MODES                                                            \
    (VDRV_NET_ALLUNI | VDRV_NET_NOMULTI | VDRV_NET_NOUNI | VDRV_NET_NOBCAST)

/* Those in `which`, on or off as `set` says. */
static int set_modes(struct vdrv_virtio_net *nic, uint32_t which, uint32_t set)
{
    int err = VDRV_OK;

    for (uint32_t i = 0; err == VDRV_OK && i < MODES; i++) {
        if ((which & modes[i].mode) != 0)
            err = set_mode(nic, modes[i].number, (set & modes[i].mode) != 0);
    }
    return err;
}

/* 5.1.6.5.2: unicast addresses, then multicast ones, each with their count. */
static int set_table(struct vdrv_virtio_net *nic,
                     const struct vdrv_net_filter *f)
{
    const uint32_t unicast = f->nunicast * VDRV_NET_MAC_SIZE;
    const uint32_t multicast = f->nmulticast * VDRV_NET_MAC_SIZE;
    const struct command c = {
        .class = VIRTIO_NET_CTRL_MAC,
        .number = VIRTIO_NET_CTRL_MAC_TABLE_SET,
        .len = 8u + unicast + multicast,
        .first = 4u + unicast,
    };

    put32(nic, 0, f->nunicast);
    put(nic, 4, f->unicast, unicast);
    put32(nic, 4u + unicast, f->nmulticast);
    put(nic, 8u + unicast, f->multicast, multicast);
    return run(nic, &c);
}

/* Are these addresses, each for one receiver, or each for a group? */
static bool addresses(const uint8_t *mac, uint32_t n, uint32_t group)
{
    for (uint32_t i = 0; i < n; i++) {
        if ((mac[(size_t)i * VDRV_NET_MAC_SIZE] & 1u) != group)
            return false;
    }
    return true;
}

static int net_set_filter(struct vdrv_net *net,
                          const struct vdrv_net_filter *filter)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const bool extra = has(nic, VDRV_NET_CAN_FILTER_X);
    const uint32_t known = BASIC_MODES | (extra ? EXTRA_MODES : 0u);
    struct vdrv_net_filter f = *filter;
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if ((f.modes & ~(BASIC_MODES | EXTRA_MODES)) != 0)
        return VDRV_ERR_INVALID;
    if (!has(nic, VDRV_NET_CAN_FILTER) || (f.modes & ~known) != 0)
        return VDRV_ERR_UNSUPPORTED;
    if (f.nunicast > MAC_MAX) { /* what has no room is received with the rest */
        f.modes |= VDRV_NET_PROMISC;
        f.nunicast = 0;
    }
    if (f.nmulticast > MAC_MAX - f.nunicast) {
        f.modes |= VDRV_NET_ALLMULTI;
        f.nmulticast = 0;
    }
    if (!addresses(f.unicast, f.nunicast, 0) ||
        !addresses(f.multicast, f.nmulticast, 1))
        return VDRV_ERR_INVALID;
    /* First what lets more in, then what lets less in. */
    err = set_modes(nic, f.modes & BASIC_MODES, f.modes);
    if (err == VDRV_OK)
        err = set_table(nic, &f);
    if (err == VDRV_ERR_IO && f.nunicast + f.nmulticast > 0) {
        f.modes |= VDRV_NET_PROMISC;
        err = set_modes(nic, VDRV_NET_PROMISC, f.modes);
    }
    if (err == VDRV_OK)
        err = set_modes(nic, known & ~(f.modes & BASIC_MODES), f.modes);
    return err;
}

/* 5.1.6.5.3 */
static int set_vlan(struct vdrv_net *net, uint16_t id, uint8_t number)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_VLAN))
        return VDRV_ERR_UNSUPPORTED;
    put16(nic, 0, id);
    return command(nic, VIRTIO_NET_CTRL_VLAN, number, 2);
}

static int net_add_vlan(struct vdrv_net *net, uint16_t id)
{
    return set_vlan(net, id, VIRTIO_NET_CTRL_VLAN_ADD);
}

static int net_remove_vlan(struct vdrv_net *net, uint16_t id)
{
    return set_vlan(net, id, VIRTIO_NET_CTRL_VLAN_DEL);
}

/* ---- Address, announcement, offloads ------------------------------------- */

static int send_mac(struct vdrv_virtio_net *nic, const uint8_t *mac)
{
    put(nic, 0, mac, VDRV_NET_MAC_SIZE);
    return command(nic, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
                   VDRV_NET_MAC_SIZE);
}

static int net_set_mac(struct vdrv_net *net, const uint8_t mac[6])
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_SET_MAC))
        return VDRV_ERR_UNSUPPORTED;
    if (!vdrv__net_mac_valid(mac))
        return VDRV_ERR_INVALID;
    err = send_mac(nic, mac);
    if (err != VDRV_OK)
        return err;
    memcpy(nic->mac, mac, VDRV_NET_MAC_SIZE);
    nic->control.mac_set = 1;
    return VDRV_OK;
}

/* 5.1.6.5.4 */
static int net_ack_announce(struct vdrv_net *net)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_ANNOUNCE))
        return VDRV_ERR_UNSUPPORTED;
    return command(nic, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK,
                   0);
}

static int send_offloads(struct vdrv_virtio_net *nic, uint64_t features)
{
    put64(nic, 0, features);
    return command(nic, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
                   VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 8);
}

#define SWITCHED (VDRV__NET_RX_GSO | VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_ECN)

/* 5.1.6.5.8: the bits are those of the features. */
static int net_set_offloads(struct vdrv_net *net, uint32_t offloads)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const uint64_t features = vdrv__net_offload_features(offloads & SWITCHED);
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_OFFLOADS) ||
        (offloads & ~nic->info.offloads) != 0)
        return VDRV_ERR_UNSUPPORTED;
    if (((offloads & VDRV__NET_RX_GSO) != 0 &&
         (offloads & VDRV_NET_CAN_RX_CSUM) == 0) ||
        ((offloads & VDRV_NET_CAN_RX_ECN) != 0 &&
         (offloads & (VDRV_NET_CAN_RX_TSO4 | VDRV_NET_CAN_RX_TSO6)) == 0))
        return VDRV_ERR_INVALID;
    err = send_offloads(nic, features);
    if (err == VDRV_OK)
        nic->control.offloads = features;
    return err;
}

/* ---- Several pairs ------------------------------------------------------- */

/*
 * 5.1.6.5.6.1: before a smaller number is told, nothing more is sent on the
 * pairs above; a larger one counts when the device has agreed.
 */
static int send_pairs(struct vdrv_virtio_net *nic, uint32_t pairs)
{
    const uint32_t before = nic->info.pairs;
    int err;

    if (pairs < before)
        vdrv__net_use_pairs(nic, pairs);
    put16(nic, 0, pairs);
    err = command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2);
    vdrv__net_use_pairs(nic, err == VDRV_OK ? pairs : before);
    return err;
}

static int net_set_pairs(struct vdrv_net *net, uint32_t pairs)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_PAIRS))
        return VDRV_ERR_UNSUPPORTED;
    if (pairs == 0 || pairs > nic->pairs)
        return VDRV_ERR_INVALID;
    err = send_pairs(nic, pairs);
    if (err == VDRV_OK)
        nic->control.pairs = pairs;
    return err;
}

/* 5.1.6.5.7.1, but for the device's part in it. */
static int check_rss(const struct vdrv_virtio_net *nic,
                     const struct vdrv_net_rss *rss)
{
    const struct vdrv_net_info *info = &nic->info;

    if ((rss->ntable > 0 && !has(nic, VDRV_NET_CAN_RSS)) ||
        (rss->ntable == 0 && nic->hash == 0) ||
        (rss->report != 0 && nic->hash == 0) ||
        (rss->hash_types & ~info->hash_types) != 0)
        return VDRV_ERR_UNSUPPORTED;
    if (rss->nkey > info->rss_key || rss->tx_pairs > nic->pairs)
        return VDRV_ERR_INVALID;
    if (rss->ntable == 0)
        return VDRV_OK;
    if (rss->ntable > info->rss_table || rss->unmatched >= nic->pairs)
        return VDRV_ERR_INVALID;
    for (uint32_t i = 0; i < rss->ntable; i++) {
        if (rss->table[i] >= nic->pairs)
            return VDRV_ERR_INVALID;
    }
    return VDRV_OK;
}

static uint32_t put_key(struct vdrv_virtio_net *nic, uint32_t at,
                        const struct vdrv_net_rss *rss)
{
    nic->control.shared[DATA_AT + at] = (uint8_t)rss->nkey;
    put(nic, at + 1u, rss->key, rss->nkey);
    return at + 1u + rss->nkey;
}

/* 5.1.6.5.6.4: without a table, in the same place as with one. */
static int send_hash(struct vdrv_virtio_net *nic,
                     const struct vdrv_net_rss *rss)
{
    put32(nic, 0, rss->hash_types);
    put64(nic, 4, 0);
    return command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
                   put_key(nic, 12, rss));
}

/* 5.1.6.5.7.1: a pair's number is its receive queue's, halved. */
static int send_rss(struct vdrv_virtio_net *nic, const struct vdrv_net_rss *rss)
{
    const uint32_t before = nic->info.pairs;
    const uint32_t pairs = rss->tx_pairs != 0 ? rss->tx_pairs : before;
    uint32_t at = 8;
    int err;

    if (pairs < before)
        vdrv__net_use_pairs(nic, pairs);
    put32(nic, 0, rss->hash_types);
    put16(nic, 4, rss->ntable - 1);
    put16(nic, 6, rss->unmatched);
    for (uint32_t i = 0; i < rss->ntable; i++, at += 2)
        put16(nic, at, rss->table[i]);
    put16(nic, at, pairs);
    err = command(nic, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
                  put_key(nic, at + 2, rss));
    vdrv__net_use_pairs(nic, err == VDRV_OK ? pairs : before);
    return err;
}

static int net_set_rss(struct vdrv_net *net, const struct vdrv_net_rss *rss)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    int err = begin(nic);

    if (err == VDRV_OK)
        err = check_rss(nic, rss);
    if (err != VDRV_OK)
        return err;
    return rss->ntable > 0 ? send_rss(nic, rss) : send_hash(nic, rss);
}

/* ---- Coalescing ---------------------------------------------------------- */

/* 5.1.6.5.8 */
static int net_set_coalescing(struct vdrv_net *net,
                              const struct vdrv_net_coalescing *set)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const bool all =
        set->queue == VDRV_NET_ALL_RX || set->queue == VDRV_NET_ALL_TX;
    const uint32_t at = all ? 0 : 4;
    uint8_t number = VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET;
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, all ? VDRV_NET_CAN_COALESCE : VDRV_NET_CAN_COALESCE_1))
        return VDRV_ERR_UNSUPPORTED;
    if (!all && set->queue >= 2u * nic->pairs)
        return VDRV_ERR_INVALID;
    if (all)
        number = set->queue == VDRV_NET_ALL_RX
                     ? VIRTIO_NET_CTRL_NOTF_COAL_RX_SET
                     : VIRTIO_NET_CTRL_NOTF_COAL_TX_SET;
    put32(nic, 0, set->queue); /* and two bytes of zero */
    put32(nic, at, set->max_packets);
    put32(nic, at + 4, set->max_us);
    return command(nic, VIRTIO_NET_CTRL_NOTF_COAL, number, at + 8);
}

static int net_get_coalescing(struct vdrv_net *net,
                              struct vdrv_net_coalescing *set)
{
    const struct command c = {
        .class = VIRTIO_NET_CTRL_NOTF_COAL,
        .number = VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET,
        .len = 4,
        .result = 8,
    };
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    uint8_t got[8];
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_COALESCE_1))
        return VDRV_ERR_UNSUPPORTED;
    if (set->queue >= 2u * nic->pairs)
        return VDRV_ERR_INVALID;
    put32(nic, 0, set->queue);
    err = run(nic, &c);
    if (err == VDRV_OK && nic->control.len < 1u + c.result)
        err = VDRV_ERR_IO; /* it has not told */
    if (err != VDRV_OK)
        return err;
    memcpy(got, nic->control.shared + RESULT_AT, sizeof(got));
    set->max_packets = vdrv__get32(got);
    set->max_us = vdrv__get32(got + 4);
    return VDRV_OK;
}

/* ---- Statistics of the device -------------------------------------------- */

#define FIELD(name) ((uint8_t)offsetof(struct vdrv_net_queue_stats, name))

/* 5.1.6.5.9: the records of a queue, and where their fields go. */
static const struct record {
    uint8_t type;
    uint8_t group;
    uint8_t n;
    uint8_t field[6];
} records[] = {
    {VIRTIO_NET_STATS_RX_BASIC,
     VDRV_NET_COUNTS_BASIC,
     6,
     {FIELD(notifications), FIELD(packets), FIELD(bytes), FIELD(interrupts),
      FIELD(drops), FIELD(drops_queue)}},
    {VIRTIO_NET_STATS_RX_CSUM,
     VDRV_NET_COUNTS_CSUM,
     4,
     {FIELD(csum_valid), FIELD(csum_partial), FIELD(csum_none),
      FIELD(csum_bad)}},
    {VIRTIO_NET_STATS_RX_GSO,
     VDRV_NET_COUNTS_GSO,
     4,
     {FIELD(gso_packets), FIELD(gso_bytes), FIELD(gso_parts),
      FIELD(gso_part_bytes)}},
    {VIRTIO_NET_STATS_RX_SPEED,
     VDRV_NET_COUNTS_SPEED,
     2,
     {FIELD(limited_packets), FIELD(limited_bytes)}},
    {VIRTIO_NET_STATS_TX_BASIC,
     VDRV_NET_COUNTS_BASIC,
     6,
     {FIELD(notifications), FIELD(packets), FIELD(bytes), FIELD(interrupts),
      FIELD(drops), FIELD(drops_queue)}},
    {VIRTIO_NET_STATS_TX_CSUM,
     VDRV_NET_COUNTS_CSUM,
     2,
     {FIELD(csum_none), FIELD(csum_partial)}},
    {VIRTIO_NET_STATS_TX_GSO,
     VDRV_NET_COUNTS_GSO,
     6,
     {FIELD(gso_packets), FIELD(gso_bytes), FIELD(gso_parts),
      FIELD(gso_part_bytes), FIELD(gso_whole), FIELD(gso_whole_bytes)}},
    {VIRTIO_NET_STATS_TX_SPEED,
     VDRV_NET_COUNTS_SPEED,
     2,
     {FIELD(limited_packets), FIELD(limited_bytes)}},
};

#define RECORDS      (sizeof(records) / sizeof(records[0]))
#define STATS_HEADER ((uint32_t)sizeof(struct virtio_net_stats_reply_hdr))
#define RX_RECORDS   0x0000000fu
#define TX_RECORDS   0x000f0000u
#define STATS_SIZE   256u /* of all records of a queue, and more */

_Static_assert(RESULT_AT + STATS_SIZE <= CONTROL_SIZE, "records have room");

static uint32_t record_size(const struct record *r)
{
    return STATS_HEADER + 8u * r->n;
}

/* One record at `p`, into `out`; false: it is none of those asked for. */
static bool take_record(const uint8_t *p, uint32_t size, uint32_t queue,
                        uint64_t asked, struct vdrv_net_queue_stats *out)
{
    for (uint32_t i = 0; i < RECORDS; i++) {
        const struct record *r = &records[i];

        if (p[0] != r->type || (asked >> r->type & 1u) == 0)
            continue;
        if (vdrv__get16(p + 2) != queue || size < record_size(r))
            return false;
        for (uint32_t k = 0; k < r->n; k++) {
            const uint64_t v = vdrv__get64(p + STATS_HEADER + (size_t)8 * k);

            memcpy((uint8_t *)out + r->field[k], &v, sizeof(v));
        }
        out->counted |= r->group;
        return true;
    }
    return false;
}

/* All that the device wrote; what makes no sense ends it. */
static void take_records(const uint8_t *p, uint32_t len, uint32_t queue,
                         uint64_t asked, struct vdrv_net_queue_stats *out)
{
    while (len >= STATS_HEADER) {
        const uint32_t size = vdrv__get16(p + 6);

        if (size < STATS_HEADER || size > len)
            return;
        (void)take_record(p, size, queue, asked, out);
        p += size;
        len -= size;
    }
}

/* 5.1.6.5.9.1: what the device counts. */
static int query_stats(struct vdrv_virtio_net *nic, uint64_t *types)
{
    const struct command c = {
        .class = VIRTIO_NET_CTRL_STATS,
        .number = VIRTIO_NET_CTRL_STATS_QUERY,
        .result = 8,
    };
    uint8_t got[8];
    const int err = run(nic, &c);

    if (err != VDRV_OK)
        return err;
    memcpy(got, nic->control.shared + RESULT_AT, sizeof(got));
    *types = nic->control.len > c.result ? vdrv__get64(got) : 0;
    return VDRV_OK;
}

static int net_get_queue_stats(struct vdrv_net *net, uint32_t queue,
                               struct vdrv_net_queue_stats *out)
{
    const struct command c = {
        .class = VIRTIO_NET_CTRL_STATS,
        .number = VIRTIO_NET_CTRL_STATS_GET,
        .len = 16,
        .result = STATS_SIZE,
    };
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    uint8_t got[STATS_SIZE];
    uint64_t types = 0;
    int err = begin(nic);

    if (err != VDRV_OK)
        return err;
    if (!has(nic, VDRV_NET_CAN_QUEUE_STATS))
        return VDRV_ERR_UNSUPPORTED;
    if (queue >= 2u * nic->pairs)
        return VDRV_ERR_INVALID;
    err = query_stats(nic, &types);
    types &= (queue & 1u) != 0 ? TX_RECORDS : RX_RECORDS;
    if (err != VDRV_OK)
        return err;
    memset(out, 0, sizeof(*out));
    if (types == 0)
        return VDRV_OK;
    put64(nic, 0, queue); /* and six bytes of zero */
    put64(nic, 8, types);
    err = run(nic, &c);
    if (err != VDRV_OK)
        return err;
    memcpy(got, nic->control.shared + RESULT_AT, sizeof(got));
    take_records(got, nic->control.len - 1u, queue, types, out);
    return VDRV_OK;
}

/* ---- Start --------------------------------------------------------------- */

/* After each reset: the pairs, the address and the offloads as they were. */
static int started(struct vdrv_virtio_net *nic)
{
    struct vdrv_virtio_net_control *ctl = &nic->control;
    const uint64_t all =
        vdrv__net_offload_features(nic->info.offloads & SWITCHED);
    int err = begin(nic);

    if (err == VDRV_OK && has(nic, VDRV_NET_CAN_PAIRS) && ctl->pairs > 1)
        err = send_pairs(nic, ctl->pairs);
    if (err == VDRV_OK && ctl->mac_set != 0)
        err = send_mac(nic, nic->mac);
    if (err == VDRV_OK && has(nic, VDRV_NET_CAN_OFFLOADS) &&
        ctl->offloads != all)
        err = send_offloads(nic, ctl->offloads);
    return err;
}

#define BIT(n) (UINT64_C(1) << (n))

const struct vdrv_net_ctrl vdrv_net_ctrl = {
    .ops =
        {
            VDRV__NET_OPS,
            .set_filter = net_set_filter,
            .add_vlan = net_add_vlan,
            .remove_vlan = net_remove_vlan,
            .set_mac = net_set_mac,
            .set_offloads = net_set_offloads,
            .ack_announce = net_ack_announce,
            .set_pairs = net_set_pairs,
            .set_rss = net_set_rss,
            .set_coalescing = net_set_coalescing,
            .get_coalescing = net_get_coalescing,
            .get_queue_stats = net_get_queue_stats,
        },
    .features =
        BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) |
        BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_VLAN) |
        BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
        BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_NOTF_COAL) |
        BIT(VIRTIO_NET_F_VQ_NOTF_COAL) | BIT(VIRTIO_NET_F_DEVICE_STATS),
    .started = started,
};
