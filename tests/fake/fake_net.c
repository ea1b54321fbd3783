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
    m->hash = size >= 20 ? fake_get32(h + 12) : 0;
    m->hash_report = size >= 20 ? fake_get16(h + 16) : 0;
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
    if (size >= 20) {
        fake_put32(h + 12, m->hash);
        fake_put16(h + 16, m->hash_report);
    }
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

static const struct gso_rule {
    uint8_t type;
    bool tcp;
    unsigned bit;
    const char *id;
} gso_rules[] = {
    {1, true, FAKE_NET_F_HOST_TSO4, "NET-031"},
    {4, true, FAKE_NET_F_HOST_TSO6, "NET-032"},
    {3, false, FAKE_NET_F_HOST_UFO, "NET-033"},
    {5, false, FAKE_NET_F_HOST_USO, "NET-034"},
};

/* Headers of a frame, as the frame itself says. */
static size_t headers_of(const struct fake_net_meta *m, bool tcp,
                         const uint8_t *frame, size_t len)
{
    if (!tcp)
        return (size_t)m->csum_start + 8;
    if ((size_t)m->csum_start + 13 > len)
        return SIZE_MAX;
    return m->csum_start + 4u * (frame[m->csum_start + 12] >> 4);
}

static void check_gso(struct fake_net *n, const struct fake_net_meta *m,
                      const uint8_t *frame, size_t len)
{
    const struct gso_rule *r = NULL;

    if (!m->gso_type)
        return;
    for (size_t i = 0; i < sizeof(gso_rules) / sizeof(gso_rules[0]); i++)
        if (gso_rules[i].type == (m->gso_type & 0x7F))
            r = &gso_rules[i];
    if (!r) {
        bad(n, "NET-052", "gso_type", m->gso_type);
        return;
    }
    if (!has(n, r->bit))
        bad(n, r->id, "segmentation was not negotiated", m->gso_type);
    if (m->gso_type & 0x80 && (!r->tcp || !has(n, FAKE_NET_F_HOST_ECN)))
        bad(n, "NET-036", "ECN was not negotiated", m->gso_type);
    if (!(m->flags & FAKE_NET_NEEDS_CSUM) || !m->gso_size)
        bad(n, "NET-053", "GSO without checksum or size", m->gso_size);
    if (has(n, FAKE_NET_F_GUEST_HDRLEN) &&
        m->hdr_len != headers_of(m, r->tcp, frame, len))
        bad(n, "NET-054", "hdr_len is not exact", m->hdr_len);
}

static bool cuts(const struct fake_net *n)
{
    for (size_t i = 0; i < sizeof(gso_rules) / sizeof(gso_rules[0]); i++)
        if (has(n, gso_rules[i].bit))
            return true;
    return false;
}

static void check_tx(struct fake_net *n, const struct fake_net_meta *m,
                     const uint8_t *frame, size_t len)
{
    if (m->num_buffers)
        bad(n, "NET-027", "num_buffers on transmit", m->num_buffers);
    if (m->flags && !has(n, FAKE_NET_F_CSUM))
        bad(n, "NET-028", "flags without CSUM", m->flags);
    if (m->flags & ~FAKE_NET_NEEDS_CSUM)
        bad(n, "NET-060", "flags on transmit", m->flags);
    if (m->hash || m->hash_report)
        bad(n, "NET-026", "hash on transmit", m->hash_report);
    check_gso(n, m, frame, len);
    if (cuts(n) && !m->gso_type && m->hdr_len < 14)
        bad(n, "NET-055", "hdr_len is too small", m->hdr_len);
    if (has(n, FAKE_NET_F_MTU) && !m->gso_type &&
        len > fake_get16(n->dev.config + FAKE_NET_CFG_MTU) + ETH_HEADER)
        bad(n, "NET-019", "frame above the MTU", len);
}

static void send_frame(struct fake_net *n, struct fake_chain *c)
{
    uint8_t head[32];
    struct fake_net_meta m;
    size_t len = (size_t)c->rlen - n->header;
    uint32_t pair = c->q->index / 2u;

    fake_dev_check_framing(&n->dev, c, n->header, 0);
    fake_chain_read(c, 0, head, n->header);
    header_get(n, head, n->header, &m);
    if (len > sizeof(n->last)) {
        bad(n, "NET-019", "frame too long", len);
        return;
    }
    fake_chain_read(c, n->header, n->last, len);
    check_tx(n, &m, n->last, len);
    if (m.flags & FAKE_NET_NEEDS_CSUM)
        complete_csum(n, n->last, len, &m);
    n->last_len = len;
    n->last_meta = m;
    n->tx_frames++;
    n->tx_bytes += len;
    n->pair_frames[pair]++;
    if (n->on_frame)
        n->on_frame(n->on_frame_arg, n, pair, n->last, len, &m);
}

/* ---- Receive -------------------------------------------------------- */

static bool is_rx(const struct fake_net *n, const struct fake_queue *q)
{
    return q->index % 2 == 0 && q->index != n->ctrl_index;
}

static bool rx_gso(const struct fake_net *n)
{
    return has(n, FAKE_NET_F_GUEST_TSO4) || has(n, FAKE_NET_F_GUEST_TSO6) ||
           has(n, FAKE_NET_F_GUEST_UFO) || has(n, FAKE_NET_F_GUEST_USO4) ||
           has(n, FAKE_NET_F_GUEST_USO6);
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
    if (!has(n, FAKE_NET_F_MRG_RXBUF) && rx_gso(n) &&
        c->wlen < 65589 + n->header)
        bad(n, "NET-063", "receive buffer", c->wlen);
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

    if (!q || !fake_dev_live(&n->dev) || !q->ring || !is_rx(n, q))
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
    return n->n_held[pair] + fake_queue_offered(q);
}

/* ---- Control queue -------------------------------------------------- */

/* A command: class, number and data; the ack is the answer. */
struct ctrl {
    struct fake_net *n;
    uint8_t class, cmd;
    uint8_t data[2048];
    size_t len;
    uint8_t result[512];
    size_t result_len;
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

/* What was queued before on the others is still sent. */
static void use_pairs(struct fake_net *n, uint32_t pairs)
{
    n->pairs_in_use = pairs;
    for (uint32_t i = pairs; i < n->cfg.pairs; i++) {
        struct fake_queue *q = &n->dev.queue[2 * i + 1];

        n->tx_limit[i] = n->tx_served[i];
        if (q->ring)
            n->tx_limit[i] += q->in_flight + fake_queue_offered(q);
    }
}

static uint32_t ctrl_pairs(struct ctrl *k)
{
    uint32_t n = fake_get16(k->data);

    if (need(k, FAKE_NET_F_MQ, "NET-006") || k->len != 2)
        return ACK_ERR;
    if (n == 0 || n > k->n->cfg.pairs) {
        bad(k->n, "NET-094", "queue pairs", n);
        return ACK_ERR;
    }
    for (uint32_t i = 0; i < 2 * n; i++)
        if (!k->n->dev.queue[i].ring)
            bad(k->n, "NET-093", "queue that is not set up", i);
    use_pairs(k->n, n);
    k->n->rss.entries = 0;
    return ACK_OK;
}

/* The key at `at` is the command's end. */
static bool ctrl_key(struct ctrl *k, size_t at, struct fake_net_rss *rss)
{
    if (at + 1 > k->len || at + 1 + k->data[at] != k->len)
        return false;
    rss->key_len = k->data[at];
    if (rss->key_len > k->n->dev.config[FAKE_NET_CFG_KEY]) {
        bad(k->n, "NET-104", "length of the key", rss->key_len);
        return false;
    }
    memcpy(rss->key, k->data + at + 1, rss->key_len);
    if (rss->hash_types & ~fake_get32(k->n->dev.config + FAKE_NET_CFG_HASHES)) {
        bad(k->n, "NET-102", "hash types", rss->hash_types);
        return false;
    }
    return true;
}

static uint32_t ctrl_hash(struct ctrl *k)
{
    struct fake_net_rss rss = {.hash_only = true};
    static const uint8_t zero[8];

    if (need(k, FAKE_NET_F_HASH_REPORT, "NET-097") || k->len < 13)
        return ACK_ERR;
    rss.hash_types = fake_get32(k->data);
    if (memcmp(k->data + 4, zero, 8))
        bad(k->n, "NET-097", "reserved words", fake_get32(k->data + 4));
    if (!ctrl_key(k, 12, &rss))
        return ACK_ERR;
    k->n->rss = rss;
    return ACK_OK;
}

static uint32_t ctrl_rss(struct ctrl *k)
{
    struct fake_net *n = k->n;
    struct fake_net_rss rss = {0};
    size_t at = 8;

    if (need(k, FAKE_NET_F_RSS, "NET-098") || k->len < 13)
        return ACK_ERR;
    rss.hash_types = fake_get32(k->data);
    rss.entries = fake_get16(k->data + 4) + 1u;
    rss.unmatched = fake_get16(k->data + 6);
    if (rss.entries & (rss.entries - 1))
        bad(n, "NET-100", "entries", rss.entries);
    if (rss.entries > fake_get16(n->dev.config + FAKE_NET_CFG_TABLE)) {
        bad(n, "NET-101", "entries", rss.entries);
        return ACK_ERR;
    }
    for (uint32_t i = 0; i < rss.entries; i++, at += 2) {
        rss.table[i] = fake_get16(k->data + at);
        if (rss.table[i] >= n->cfg.pairs ||
            !n->dev.queue[2 * rss.table[i]].ring)
            bad(n, "NET-099", "table names a queue", rss.table[i]);
    }
    rss.tx_pairs = fake_get16(k->data + at);
    if (!rss.tx_pairs || rss.tx_pairs > n->cfg.pairs ||
        !ctrl_key(k, at + 2, &rss))
        return ACK_ERR;
    n->rss = rss;
    use_pairs(n, rss.tx_pairs);
    return ACK_OK;
}

static uint32_t ctrl_mq(struct ctrl *k)
{
    switch (k->cmd) {
    case 0:
        return ctrl_pairs(k);
    case 1:
        return ctrl_rss(k);
    case 2:
        return ctrl_hash(k);
    default:
        return ACK_ERR;
    }
}

static uint32_t ctrl_offloads(struct ctrl *k)
{
    uint64_t mask = fake_get64(k->data);

    if (k->cmd != 0 || k->len != 8 ||
        need(k, FAKE_NET_F_CTRL_OFFLOADS, "NET-108"))
        return ACK_ERR;
    if (mask & ~k->n->dev.accepted[0]) {
        bad(k->n, "NET-108", "offloads that were not negotiated", mask);
        return ACK_ERR;
    }
    k->n->offloads = mask;
    return ACK_OK;
}

/* Sets or gets those of one queue, or of all in one direction. */
static uint32_t ctrl_coalesce(struct ctrl *k)
{
    struct fake_net *n = k->n;
    const bool one = k->cmd >= 2;
    const size_t at = one ? 4 : 0;
    uint32_t q = fake_get16(k->data);

    if (need(k, one ? FAKE_NET_F_VQ_NOTF_COAL : FAKE_NET_F_NOTF_COAL,
             one ? "NET-111" : "NET-110") ||
        k->cmd > 3 || k->len != (k->cmd == 3 ? 4 : at + 8))
        return ACK_ERR;
    if (one && (q >= 2 * n->cfg.pairs || !n->dev.queue[q].ring)) {
        bad(n, "NET-109", "queue", q);
        return ACK_ERR;
    }
    if (k->cmd == 3) {
        fake_put32(k->result, n->coalesce[q][0]);
        fake_put32(k->result + 4, n->coalesce[q][1]);
        k->result_len = 8;
        return ACK_OK;
    }
    for (uint32_t i = 0; i < 2 * n->cfg.pairs; i++) {
        if (one ? i != q : i % 2 == k->cmd)
            continue;
        n->coalesce[i][0] = fake_get32(k->data + at);
        n->coalesce[i][1] = fake_get32(k->data + at + 4);
    }
    return ACK_OK;
}

/* Records count up: field i of type t of queue q is q * 10000 + t * 100 + i. */
static void stats_record(struct ctrl *k, uint32_t q, unsigned type)
{
    static const uint8_t fields[32] = {6, 4, 4, 2, [16] = 6, 2, 6, 2};
    uint8_t *p = k->result + k->result_len;
    uint32_t size = 8 + 8u * fields[type];
    const uint32_t lie = k->n->stats_lie;

    memset(p, 0, size);
    p[0] = (uint8_t)(lie == 4 ? type ^ 16u : type);
    fake_put16(p + 2, lie == 3 ? q + 1 : q);
    fake_put16(p + 6, lie == 1 ? 0 : lie == 2 ? 0xFFFF : size);
    for (uint32_t i = 0; i < fields[type]; i++)
        fake_put32(p + 8 + 8 * i, q * 10000 + type * 100 + i);
    k->result_len += size;
}

static uint32_t ctrl_stats(struct ctrl *k)
{
    const uint64_t types = fake_get64(k->data + 8);
    const uint32_t q = fake_get16(k->data);

    if (need(k, FAKE_NET_F_DEVICE_STATS, "NET-113") || k->cmd > 1)
        return ACK_ERR;
    if (k->cmd == 0) {
        fake_put32(k->result, (uint32_t)k->n->stats_types);
        fake_put32(k->result + 4, (uint32_t)(k->n->stats_types >> 32));
        k->result_len = 8;
        return ACK_OK;
    }
    if (k->len != 16 || q >= 2 * k->n->cfg.pairs)
        return ACK_ERR;
    if (types & ~k->n->stats_types)
        bad(k->n, "NET-113", "types of statistics", types);
    if (types & (q % 2 ? 0xFFFFull : 0xFFFF0000ull))
        bad(k->n, "NET-114", "types of statistics", types);
    for (unsigned t = 0; t < 32; t++)
        if (types >> t & 1)
            stats_record(k, q, t);
    if (k->n->stats_lie == 5)
        k->result_len = 0;
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
        return ctrl_mq(k);
    case 5:
        return ctrl_offloads(k);
    case 6:
        return ctrl_coalesce(k);
    case 8:
        return ctrl_stats(k);
    default:
        return ACK_ERR;
    }
}

/* LEG: head, data (two tables of addresses) and ack are segments. */
static void check_ctrl_framing(struct fake_net *n, const struct ctrl *k,
                               const struct fake_chain *c)
{
    const uint32_t parts = k->len == 0                    ? 1u
                           : k->class == 1 && k->cmd == 0 ? 3u
                                                          : 2u;

    if (has(n, FAKE_F_VERSION_1) || has(n, FAKE_F_ANY_LAYOUT))
        return;
    if (c->nread != parts || c->seg[0].len != 2 || c->seg[c->nread].len != 1)
        bad(n, "LEG-framing", "segments of a command", c->nread);
}

static uint32_t answer_ctrl(struct fake_net *n, struct fake_chain *c,
                            struct ctrl *k)
{
    uint8_t ack;
    size_t len;

    if (n->ctrl_ack == 256)
        return n->ctrl_len >= 0 ? (uint32_t)n->ctrl_len : 0;
    ack = (uint8_t)(n->ctrl_ack >= 0 ? (uint32_t)n->ctrl_ack : ctrl_run(k));
    fake_chain_write(c, 0, &ack, 1);
    len = k->result_len;
    if (c->wlen < 1 + len) {
        bad(n, "NET-115", "room for the answer", c->wlen);
        len = (size_t)c->wlen - 1;
    }
    fake_chain_write(c, 1, k->result, len);
    if (n->ctrl_len >= 0 && !(k->class == 8 && k->cmd == 0))
        return (uint32_t)n->ctrl_len;
    return (uint32_t)(1 + len);
}

static uint32_t serve_ctrl(struct fake_net *n, struct fake_chain *c)
{
    struct ctrl k = {.n = n};
    uint8_t head[2];

    if (n->ctrl_mute)
        return FAKE_KEEP;
    if (c->rlen < 2 || c->wlen < 1) {
        bad(n, "NET-083", "control command", c->rlen);
        return 0;
    }
    fake_chain_read(c, 0, head, 2);
    k.class = n->last_ctrl[0] = head[0];
    k.cmd = n->last_ctrl[1] = head[1];
    k.len = fake_chain_read(c, 2, k.data, sizeof(k.data));
    check_ctrl_framing(n, &k, c);
    n->ctrl_commands++;
    return answer_ctrl(n, c, &k);
}

static uint32_t net_serve(struct fake_dev *d, struct fake_chain *c)
{
    struct fake_net *n = (struct fake_net *)d;
    const uint32_t pair = c->q->index / 2u;

    if (c->q->index == n->ctrl_index)
        return serve_ctrl(n, c);
    if (pair >= n->pairs_in_use && n->tx_served[pair] >= n->tx_limit[pair])
        bad(n, "NET-096", "transmit on a pair not in use", pair);
    n->tx_served[pair]++;
    if (c->rlen < n->header || c->wlen)
        bad(n, "NET-066", "transmit buffer", c->rlen);
    else
        send_frame(n, c);
    return 0;
}

/* ---- Features, link ------------------------------------------------- */

struct net_dep {
    unsigned bit, on, or_on;
    const char *id;
};

#define DEP(bit, on, id)                                                       \
    {                                                                          \
        FAKE_NET_F_##bit, FAKE_NET_F_##on, FAKE_NET_F_##on, id                 \
    }
#define DEP2(bit, on, or_, id)                                                 \
    {                                                                          \
        FAKE_NET_F_##bit, FAKE_NET_F_##on, FAKE_NET_F_##or_, id                \
    }

/* 5.1.3.1 */
static const struct net_dep net_deps[] = {
    DEP(GUEST_TSO4, GUEST_CSUM, "NET-002"),
    DEP(GUEST_TSO6, GUEST_CSUM, "NET-002"),
    DEP(GUEST_UFO, GUEST_CSUM, "NET-002"),
    DEP(GUEST_USO4, GUEST_CSUM, "NET-002"),
    DEP(GUEST_USO6, GUEST_CSUM, "NET-002"),
    DEP2(GUEST_ECN, GUEST_TSO4, GUEST_TSO6, "NET-003"),
    DEP(HOST_TSO4, CSUM, "NET-004"),
    DEP(HOST_TSO6, CSUM, "NET-004"),
    DEP(HOST_UFO, CSUM, "NET-004"),
    DEP(HOST_USO, CSUM, "NET-004"),
    DEP2(HOST_ECN, HOST_TSO4, HOST_TSO6, "NET-005"),
    DEP(CTRL_RX, CTRL_VQ, "NET-006"),
    DEP(CTRL_VLAN, CTRL_VQ, "NET-006"),
    DEP(ANNOUNCE, CTRL_VQ, "NET-006"),
    DEP(MQ, CTRL_VQ, "NET-006"),
    DEP(CTRL_MAC, CTRL_VQ, "NET-006"),
    DEP(RSS, CTRL_VQ, "NET-007"),
    DEP(NOTF_COAL, CTRL_VQ, "NET-007"),
    DEP(VQ_NOTF_COAL, CTRL_VQ, "NET-007"),
    DEP(HASH_REPORT, CTRL_VQ, "NET-023"),
    DEP(CTRL_RX_EXTRA, CTRL_VQ, "NET-024"),
};

static bool net_negotiated(struct fake_dev *d)
{
    struct fake_net *n = (struct fake_net *)d;

    for (size_t i = 0; i < sizeof(net_deps) / sizeof(net_deps[0]); i++) {
        const struct net_dep *p = &net_deps[i];

        if (has(n, p->bit) && !has(n, p->on) && !has(n, p->or_on)) {
            bad(n, p->id, "feature without its base", p->bit);
            return false;
        }
    }
    /* 5.1.6: num_buffers is always there on a modern device. */
    n->header = has(n, FAKE_NET_F_HASH_REPORT) ? 20 : 12;
    if (!has(n, FAKE_F_VERSION_1) && !has(n, FAKE_NET_F_MRG_RXBUF))
        n->header = 10;
    n->offloads = d->accepted[0];
    /* 5.1.2: behind all the pairs, if they can be used at all. */
    n->ctrl_index = 2;
    if (has(n, FAKE_NET_F_MQ) || has(n, FAKE_NET_F_RSS))
        n->ctrl_index = 2 * n->cfg.pairs;
    for (uint16_t i = 0; i < d->n_queues; i++)
        d->queue[i].manual = is_rx(n, &d->queue[i]);
    return true;
}

static void net_reset(struct fake_dev *d)
{
    struct fake_net *n = (struct fake_net *)d;

    n->pairs_in_use = 1;
    memset(n->tx_served, 0, sizeof(n->tx_served));
    memset(n->tx_limit, 0, sizeof(n->tx_limit));
    memset(n->rx_mode, 0, sizeof(n->rx_mode));
    memset(n->vlans, 0, sizeof(n->vlans));
    n->unicasts = n->multicasts = 0;
    memset(n->n_held, 0, sizeof(n->n_held));
    memset(&n->rss, 0, sizeof(n->rss));
    memset(n->coalesce, 0, sizeof(n->coalesce));
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
    c->features |= c->with;
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
    p[FAKE_NET_CFG_KEY] = 40;
    fake_put16(p + FAKE_NET_CFG_TABLE, 128);
    fake_put32(p + FAKE_NET_CFG_HASHES, 0x1FF);
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
    n->ctrl_len = -1;
    n->stats_types = 0xF000Full;
    n->ctrl_index = 2 * n->cfg.pairs;
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
