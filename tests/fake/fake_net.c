/* SPDX-License-Identifier: MIT */
/*
 * The network device model, VirtIO 1.4 section 5.1: transmit, receive with
 * and without mergeable buffers, checksum offload, link and control queue.
 */
#include "fake_net.h"

#include <stdlib.h>
#include <string.h>

#define ETH_HEADER 14u
#define MAX_PAIRS  ((FAKE_QUEUES - 1) / 2)
#define BUFFERS    1024u /* of one merged frame */

static void bad(struct fake_net *n, const char *id, const char *what,
                uint64_t value)
{
    fake_violation(n->dev.f, id, "%s: %s (%llu)", n->dev.name, what,
                   (unsigned long long)value);
}

static bool has(const struct fake_net *n, unsigned bit)
{
    return fake_dev_has(&n->dev, bit);
}

/* ---- Header and checksum -------------------------------------------- */

/* LEG-50: in the guest's order there. */
static void header_get(const struct fake_net *n, const uint8_t *h,
                       uint32_t size, struct fake_net_meta *m)
{
    m->flags = h[0];
    m->gso_type = h[1];
    m->hdr_len = fake_wire16(&n->dev, fake_get16(h + 2));
    m->gso_size = fake_wire16(&n->dev, fake_get16(h + 4));
    m->csum_start = fake_wire16(&n->dev, fake_get16(h + 6));
    m->csum_offset = fake_wire16(&n->dev, fake_get16(h + 8));
    m->num_buffers = size >= 12 ? fake_wire16(&n->dev, fake_get16(h + 10)) : 0;
}

static void header_put(const struct fake_net *n, uint8_t *h, uint32_t size,
                       const struct fake_net_meta *m)
{
    memset(h, 0, size);
    h[0] = m->flags;
    h[1] = m->gso_type;
    fake_put16(h + 2, fake_wire16(&n->dev, m->hdr_len));
    fake_put16(h + 4, fake_wire16(&n->dev, m->gso_size));
    fake_put16(h + 6, fake_wire16(&n->dev, m->csum_start));
    fake_put16(h + 8, fake_wire16(&n->dev, m->csum_offset));
    if (size >= 12)
        fake_put16(h + 10, fake_wire16(&n->dev, m->num_buffers));
}

uint16_t fake_net_checksum(const uint8_t *p, size_t len, uint32_t sum)
{
    uint64_t s = sum;

    for (size_t i = 0; i < len; i++)
        s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (s >> 16)
        s = (s & 0xFFFF) + (s >> 16);
    return (uint16_t)~s;
}

static void complete_csum(struct fake_net *n, uint8_t *frame, size_t len,
                          const struct fake_net_meta *m)
{
    size_t at = (size_t)m->csum_start + m->csum_offset;
    uint16_t sum;

    if (m->csum_start >= len || at + 2 > len) {
        bad(n, "NET-051", "checksum outside of the frame", at);
        return;
    }
    if (n->leave_csum)
        return;
    sum = fake_net_checksum(frame + m->csum_start, len - m->csum_start, 0);
    frame[at] = (uint8_t)(sum >> 8);
    frame[at + 1] = (uint8_t)sum;
}

/* ---- Transmit ------------------------------------------------------- */

static void check_gso(struct fake_net *n, const struct fake_net_meta *m)
{
    switch (m->gso_type & 0x7F) {
    case 0:
        return;
    case 1:
        if (!has(n, FAKE_NET_F_HOST_TSO4))
            bad(n, "NET-031", "TSO4 was not negotiated", m->gso_type);
        break;
    case 4:
        if (!has(n, FAKE_NET_F_HOST_TSO6))
            bad(n, "NET-032", "TSO6 was not negotiated", m->gso_type);
        break;
    default:
        bad(n, "NET-052", "gso_type", m->gso_type);
    }
    if (!(m->flags & FAKE_NET_NEEDS_CSUM) || !m->gso_size)
        bad(n, "NET-053", "GSO without checksum or size", m->gso_size);
}

static void check_tx(struct fake_net *n, const struct fake_net_meta *m,
                     size_t len)
{
    if (m->num_buffers)
        bad(n, "NET-027", "num_buffers on transmit", m->num_buffers);
    if (m->flags && !has(n, FAKE_NET_F_CSUM))
        bad(n, "NET-028", "flags without CSUM", m->flags);
    if (m->flags & ~FAKE_NET_NEEDS_CSUM)
        bad(n, "NET-060", "flags on transmit", m->flags);
    check_gso(n, m);
    if (has(n, FAKE_NET_F_MTU) && !m->gso_type &&
        len > fake_get16(n->dev.config + FAKE_NET_CFG_MTU) + ETH_HEADER)
        bad(n, "NET-019", "frame above the MTU", len);
}

static void send_frame(struct fake_net *n, struct fake_chain *c)
{
    uint8_t head[16];
    struct fake_net_meta m;
    size_t len = (size_t)c->rlen - n->header;

    fake_dev_check_framing(&n->dev, c, n->header, 0);
    fake_chain_read(c, 0, head, n->header);
    header_get(n, head, n->header, &m);
    if (len > sizeof(n->last)) {
        bad(n, "NET-019", "frame too long", len);
        return;
    }
    check_tx(n, &m, len);
    fake_chain_read(c, n->header, n->last, len);
    if (m.flags & FAKE_NET_NEEDS_CSUM)
        complete_csum(n, n->last, len, &m);
    n->last_len = len;
    n->last_meta = m;
    n->tx_frames++;
    n->tx_bytes += len;
    if (n->on_frame)
        n->on_frame(n->on_frame_arg, n, c->q->index / 2u, n->last, len, &m);
}

/* ---- Receive -------------------------------------------------------- */

static bool is_rx(const struct fake_net *n, const struct fake_queue *q)
{
    return q->index % 2 == 0 && q->index < 2 * n->cfg.pairs;
}

static void rx_check(struct fake_net *n, const struct fake_chain *c)
{
    fake_dev_check_framing(&n->dev, c, n->header, 0);
    if (c->rlen)
        bad(n, "NET-064", "readable receive buffer", c->rlen);
    if (has(n, FAKE_NET_F_MRG_RXBUF) && c->wlen < n->header)
        bad(n, "NET-065", "receive buffer", c->wlen);
    if (!has(n, FAKE_NET_F_MRG_RXBUF) && !has(n, FAKE_NET_F_MTU) &&
        c->wlen < 1514 + n->header)
        bad(n, "NET-064", "receive buffer", c->wlen);
}

/*
 * Takes buffers until `need` bytes fit; false when there are not enough, and
 * those taken so far stay for the next frame.
 */
static bool rx_take(struct fake_net *n, uint32_t pair, uint64_t need)
{
    uint32_t max = has(n, FAKE_NET_F_MRG_RXBUF) ? BUFFERS : 1;
    struct fake_chain *c = n->held[pair];
    uint64_t room = 0;

    for (uint32_t i = 0; i < n->n_held[pair]; i++)
        room += c[i].wlen;
    while (room < need && n->n_held[pair] < max) {
        c = &n->held[pair][n->n_held[pair]];
        if (!fake_queue_pop(&n->dev.queue[2 * pair], c))
            break;
        rx_check(n, c);
        room += c->wlen;
        n->n_held[pair]++;
    }
    return room >= need;
}

/* 5.1.6.4.1: all buffers of a frame become used at once. */
static void rx_fill(struct fake_net *n, uint32_t pair, const uint8_t *bytes,
                    uint64_t len)
{
    struct fake_queue *q = &n->dev.queue[2 * pair];
    uint32_t count = n->n_held[pair];

    n->n_held[pair] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct fake_chain *c = &n->held[pair][i];
        uint64_t part = len < c->wlen ? len : c->wlen;
        uint32_t used = (uint32_t)part;

        fake_chain_write(c, 0, bytes, (size_t)part);
        if (i == 0 && n->force_len >= 0)
            used = (uint32_t)n->force_len;
        fake_queue_push(q, c, used);
        bytes += part;
        len -= part;
    }
    fake_queue_publish(q);
}

static struct fake_queue *rx_queue(struct fake_net *n, uint32_t pair)
{
    struct fake_queue *q = fake_dev_queue(&n->dev, 2 * pair);

    if (!q || !fake_dev_live(&n->dev) || !q->ring || pair >= n->pairs_in_use)
        return NULL;
    return q;
}

static bool rx_bytes(struct fake_net *n, uint32_t pair, uint8_t *bytes,
                     uint64_t len, struct fake_net_meta *m)
{
    if (!rx_take(n, pair, len))
        return false;
    m->num_buffers = (uint16_t)n->n_held[pair];
    if (n->force_buffers != UINT32_MAX)
        m->num_buffers = (uint16_t)n->force_buffers;
    header_put(n, bytes, n->header, m);
    rx_fill(n, pair, bytes, len);
    return true;
}

bool fake_net_receive_on(struct fake_net *n, uint32_t pair, const void *frame,
                         size_t len, const struct fake_net_meta *meta)
{
    struct fake_net_meta m = {0};
    uint8_t *bytes;
    bool ok = false;

    if (meta)
        m = *meta;
    bytes = malloc(n->header + len);
    if (!bytes)
        abort();
    memcpy(bytes + n->header, frame, len);
    if (rx_queue(n, pair))
        ok = rx_bytes(n, pair, bytes, n->header + len, &m);
    free(bytes);
    n->rx_frames += ok;
    n->rx_bytes += ok ? len : 0;
    n->rx_dropped += !ok;
    return ok;
}

bool fake_net_receive(struct fake_net *n, const void *frame, size_t len)
{
    return fake_net_receive_on(n, 0, frame, len, NULL);
}

bool fake_net_receive_raw(struct fake_net *n, uint32_t pair, const void *bytes,
                          size_t len, uint32_t used_len)
{
    struct fake_queue *q = rx_queue(n, pair);
    struct fake_chain c;

    if (!q || !rx_take(n, pair, 1))
        return false;
    c = n->held[pair][0];
    n->n_held[pair]--;
    memmove(n->held[pair], n->held[pair] + 1, n->n_held[pair] * sizeof(c));
    fake_chain_write(&c, 0, bytes, len);
    fake_queue_done(q, &c, used_len);
    return true;
}

uint32_t fake_net_rx_room(struct fake_net *n, uint32_t pair)
{
    struct fake_queue *q = rx_queue(n, pair);

    if (!q)
        return 0;
    return n->n_held[pair] +
           (uint16_t)(fake_split_avail_idx(q) - q->next_avail);
}

/* ---- Control queue -------------------------------------------------- */

/* A command: class, number and data; the ack is the answer. */
struct ctrl {
    struct fake_net *n;
    uint8_t class, cmd;
    uint8_t data[1024];
    size_t len;
};

#define ACK_OK  0u
#define ACK_ERR 1u

static uint32_t need(struct ctrl *k, unsigned bit, const char *id)
{
    if (has(k->n, bit))
        return ACK_OK;
    bad(k->n, id, "control command was not negotiated",
        (uint32_t)k->class << 8 | k->cmd);
    return ACK_ERR;
}

static uint32_t ctrl_rx(struct ctrl *k)
{
    bool extra = k->cmd >= 2;

    if (need(k, extra ? FAKE_NET_F_CTRL_RX_EXTRA : FAKE_NET_F_CTRL_RX,
             extra ? "NET-085" : "NET-084"))
        return ACK_ERR;
    if (k->cmd > 5 || k->len != 1)
        return ACK_ERR;
    k->n->rx_mode[k->cmd] = k->data[0];
    return ACK_OK;
}

/* One of the two lists: count, then addresses. */
static bool table_list(struct ctrl *k, size_t *at, uint32_t *count,
                       uint32_t base)
{
    uint32_t n;

    if (*at + 4 > k->len)
        return false;
    n = fake_get32(k->data + *at);
    *at += 4;
    if (n > 64 - base || *at + 6 * (size_t)n > k->len)
        return false;
    memcpy(k->n->table[base], k->data + *at, 6 * (size_t)n);
    *at += 6 * (size_t)n;
    *count = n;
    return true;
}

static uint32_t ctrl_mac(struct ctrl *k)
{
    struct fake_net *n = k->n;
    size_t at = 0;

    if (k->cmd == 1) {
        if (need(k, FAKE_NET_F_CTRL_MAC, "NET-006") || k->len != 6)
            return ACK_ERR;
        memcpy(n->address, k->data, 6);
        return ACK_OK;
    }
    if (k->cmd != 0 || need(k, FAKE_NET_F_CTRL_RX, "NET-086"))
        return ACK_ERR;
    if (table_list(k, &at, &n->unicasts, 0) &&
        table_list(k, &at, &n->multicasts, n->unicasts) && at == k->len)
        return ACK_OK;
    return ACK_ERR;
}

static uint32_t ctrl_vlan(struct ctrl *k)
{
    uint32_t id = fake_get16(k->data);
    uint8_t bit = (uint8_t)(1u << (id & 7));

    if (need(k, FAKE_NET_F_CTRL_VLAN, "NET-006") || k->len != 2 || id > 4095)
        return ACK_ERR;
    if (k->cmd == 0)
        k->n->vlans[id >> 3] |= bit;
    else if (k->cmd == 1)
        k->n->vlans[id >> 3] &= (uint8_t)~bit;
    return k->cmd > 1;
}

static uint32_t ctrl_pairs(struct ctrl *k)
{
    uint32_t n = fake_get16(k->data);

    if (k->cmd != 0 || need(k, FAKE_NET_F_MQ, "NET-006") || k->len != 2)
        return ACK_ERR;
    if (n == 0 || n > k->n->cfg.pairs) {
        bad(k->n, "NET-094", "queue pairs", n);
        return ACK_ERR;
    }
    k->n->pairs_in_use = n;
    return ACK_OK;
}

static uint32_t ctrl_announce(struct ctrl *k)
{
    if (k->cmd != 0 || need(k, FAKE_NET_F_ANNOUNCE, "NET-006"))
        return ACK_ERR;
    k->n->dev.config[FAKE_NET_CFG_STATUS] &= (uint8_t)~2u;
    return ACK_OK;
}

static uint32_t ctrl_run(struct ctrl *k)
{
    switch (k->class) {
    case 0:
        return ctrl_rx(k);
    case 1:
        return ctrl_mac(k);
    case 2:
        return ctrl_vlan(k);
    case 3:
        return ctrl_announce(k);
    case 4:
        return ctrl_pairs(k);
    default:
        return ACK_ERR;
    }
}

static uint32_t serve_ctrl(struct fake_net *n, struct fake_chain *c)
{
    struct ctrl k = {.n = n};
    uint8_t head[2], ack;

    if (c->rlen < 2 || c->wlen < 1) {
        bad(n, "NET-083", "control command", c->rlen);
        return 0;
    }
    fake_chain_read(c, 0, head, 2);
    k.class = head[0];
    k.cmd = head[1];
    k.len = fake_chain_read(c, 2, k.data, sizeof(k.data));
    n->ctrl_commands++;
    if (n->ctrl_ack == 256)
        return 0;
    ack = (uint8_t)(n->ctrl_ack >= 0 ? (uint32_t)n->ctrl_ack : ctrl_run(&k));
    fake_chain_write(c, 0, &ack, 1);
    return 1;
}

static uint32_t net_serve(struct fake_dev *d, struct fake_chain *c)
{
    struct fake_net *n = (struct fake_net *)d;

    if (c->q->index % 2 == 0)
        return serve_ctrl(n, c);
    if (c->q->index / 2u >= n->pairs_in_use)
        bad(n, "NET-096", "transmit on a pair not in use", c->q->index / 2u);
    if (c->rlen < n->header || c->wlen)
        bad(n, "NET-066", "transmit buffer", c->rlen);
    else
        send_frame(n, c);
    return 0;
}

/* ---- Features, link ------------------------------------------------- */

struct net_dep {
    unsigned bit, on;
    const char *id;
};

/* 5.1.3.1 */
static bool net_negotiated(struct fake_dev *d)
{
    static const struct net_dep deps[] = {
        {FAKE_NET_F_GUEST_TSO4, FAKE_NET_F_GUEST_CSUM, "NET-002"},
        {FAKE_NET_F_GUEST_TSO6, FAKE_NET_F_GUEST_CSUM, "NET-002"},
        {FAKE_NET_F_HOST_TSO4, FAKE_NET_F_CSUM, "NET-004"},
        {FAKE_NET_F_HOST_TSO6, FAKE_NET_F_CSUM, "NET-004"},
        {FAKE_NET_F_CTRL_RX, FAKE_NET_F_CTRL_VQ, "NET-006"},
        {FAKE_NET_F_CTRL_VLAN, FAKE_NET_F_CTRL_VQ, "NET-006"},
        {FAKE_NET_F_ANNOUNCE, FAKE_NET_F_CTRL_VQ, "NET-006"},
        {FAKE_NET_F_MQ, FAKE_NET_F_CTRL_VQ, "NET-006"},
        {FAKE_NET_F_CTRL_MAC, FAKE_NET_F_CTRL_VQ, "NET-006"},
    };
    struct fake_net *n = (struct fake_net *)d;

    for (size_t i = 0; i < sizeof(deps) / sizeof(deps[0]); i++)
        if (has(n, deps[i].bit) && !has(n, deps[i].on)) {
            bad(n, deps[i].id, "feature without its base", deps[i].bit);
            return false;
        }
    /* 5.1.6: num_buffers is always there on a modern device. */
    n->header = 12;
    if (!has(n, FAKE_F_VERSION_1) && !has(n, FAKE_NET_F_MRG_RXBUF))
        n->header = 10;
    return true;
}

static void net_reset(struct fake_dev *d)
{
    struct fake_net *n = (struct fake_net *)d;

    n->pairs_in_use = 1;
    memset(n->rx_mode, 0, sizeof(n->rx_mode));
    memset(n->vlans, 0, sizeof(n->vlans));
    n->unicasts = n->multicasts = 0;
    memset(n->n_held, 0, sizeof(n->n_held));
    memcpy(n->address, n->cfg.mac, 6);
    for (uint16_t i = 0; i < d->n_queues; i++)
        d->queue[i].manual = is_rx(n, &d->queue[i]);
}

void fake_net_link(struct fake_net *n, bool up)
{
    uint8_t *s = &n->dev.config[FAKE_NET_CFG_STATUS];

    *s = (uint8_t)((*s & ~1u) | up);
    fake_dev_config_changed(&n->dev);
}

void fake_net_announce(struct fake_net *n)
{
    n->dev.config[FAKE_NET_CFG_STATUS] |= 2;
    fake_dev_config_changed(&n->dev);
}

/* ---- Life ----------------------------------------------------------- */

static void defaults(struct fake_net_config *c)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    static const uint8_t none[6];

    if (!c->features)
        c->features = FAKE_NET_FEATURES;
    if (!memcmp(c->mac, none, 6))
        memcpy(c->mac, mac, 6);
    if (!c->mtu)
        c->mtu = 1500;
    if (!c->pairs)
        c->pairs = 1;
    if (c->pairs > MAX_PAIRS)
        abort();
    if (c->pairs > 1)
        c->features |= 1ull << FAKE_NET_F_MQ;
    if (!c->queue_max)
        c->queue_max = 256;
    c->features &= ~c->without;
}

static void fill_config(struct fake_net *n)
{
    uint8_t *p = n->dev.config;

    n->dev.config_len = 24;
    memcpy(p + FAKE_NET_CFG_MAC, n->cfg.mac, 6);
    fake_put16(p + FAKE_NET_CFG_STATUS, 1);
    fake_put16(p + FAKE_NET_CFG_PAIRS, n->cfg.pairs);
    fake_put16(p + FAKE_NET_CFG_MTU, n->cfg.mtu);
    fake_put32(p + FAKE_NET_CFG_SPEED, 10000);
    p[FAKE_NET_CFG_DUPLEX] = 1;
}

void fake_net_init(struct fake_net *n, struct fake *f,
                   const struct fake_net_config *cfg)
{
    static const struct fake_dev_ops ops = {
        .serve = net_serve,
        .negotiated = net_negotiated,
        .reset = net_reset,
    };
    uint32_t queues;

    memset(n, 0, sizeof(*n));
    fake_dev_init(&n->dev, f, &ops, 1, "net");
    if (cfg)
        n->cfg = *cfg;
    defaults(&n->cfg);
    n->dev.offered[0] |= n->cfg.features;
    n->force_buffers = UINT32_MAX;
    n->force_len = -1;
    n->ctrl_ack = -1;
    fill_config(n);
    queues = 2 * n->cfg.pairs;
    if (n->cfg.features >> FAKE_NET_F_CTRL_VQ & 1)
        queues++;
    for (uint32_t i = 0; i < queues; i++)
        fake_dev_add_queue(&n->dev, (uint16_t)n->cfg.queue_max);
    for (uint32_t i = 0; i < n->cfg.pairs; i++) {
        n->held[i] = calloc(BUFFERS, sizeof(*n->held[i]));
        if (!n->held[i])
            abort();
    }
    net_reset(&n->dev);
}

void fake_net_fini(struct fake_net *n)
{
    fake_dev_fini(&n->dev);
    for (uint32_t i = 0; i < n->cfg.pairs; i++)
        free(n->held[i]);
}
