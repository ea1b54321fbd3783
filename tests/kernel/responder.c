/* SPDX-License-Identifier: MIT */
/*
 * The demo's network host: Ethernet, ARP, IPv4, ICMP echo, UDP echo and just
 * enough TCP for an HTTP server that survives loss, reordering, small windows
 * and hostile frames. RFC numbers stand on the lines that obey them.
 */
#include "responder.h"

enum {
    ETH = 14,
    IP = 20,
    UDP = 8,
    TCP = 20,
    L4 = ETH + IP,
    FRAME_MIN = 60, /* Ethernet's smallest frame, without FCS */

    TYPE_IP = 0x0800,
    TYPE_ARP = 0x0806,
    PROTO_ICMP = 1,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PORT_ECHO = 7,
    PORT_HTTP = 80,

    FIN = 1,
    SYN = 2,
    RST = 4,
    PSH = 8,
    ACK = 16
};

enum { CONN_FREE, CONN_SYN, CONN_OPEN, CONN_LAST };
enum { TIMER_OFF, TIMER_RESEND, TIMER_IDLE, TIMER_LINGER };

#define WINDOW      8192u /* constant: what arrives is consumed at once */
#define MSS_DEFAULT 536   /* RFC 9293 3.7.1, when the peer names none */
#define MSS_LEAST   64    /* a smaller one would only multiply our frames */
#define MSS_MOST    (RESPONDER_MTU - IP - TCP)
#define RTO_FIRST   250000u
#define RTO_MOST    4000000u
#define RETRIES     8
#define IDLE_US     30000000u
#define LINGER_US   10000000u
#define REQUEST_MAX 8192u

/* An IPv4 packet whose header and lengths are checked. */
struct packet {
    const uint8_t *mac; /* the sender's */
    const uint8_t *data;
    size_t len;
    uint32_t src;
    uint8_t proto;
};

struct segment {
    const struct packet *from;
    const uint8_t *data;
    uint32_t len; /* of data; SYN and FIN not counted */
    uint32_t seq, ack;
    uint16_t port; /* the peer's */
    uint16_t wnd;
    uint16_t mss; /* 0: no such option */
    uint8_t flags;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    return __builtin_memcmp(a, b, n) == 0;
}

/* Sequence numbers wrap: RFC 9293 3.4. */
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint16_t responder_sum(const uint8_t *data, size_t len, uint32_t seed)
{
    uint32_t sum = seed;
    size_t i;

    for (i = 0; i + 1 < len; i += 2) {
        sum += get16(data + i);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    if (i < len)
        sum += (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint32_t pseudo_sum(uint32_t a, uint32_t b, uint8_t proto, size_t len)
{
    return (a >> 16) + (a & 0xffff) + (b >> 16) + (b & 0xffff) + proto +
           (uint32_t)len;
}

/* ---- sending ---------------------------------------------------------- */

static void send_frame(struct responder *r, size_t len)
{
    if (len < FRAME_MIN) {
        __builtin_memset(r->out + len, 0, FRAME_MIN - len);
        len = FRAME_MIN;
    }
    r->count.frames_out++;
    r->emit(r->emit_ctx, r->out, len);
}

static void put_eth(struct responder *r, const uint8_t *mac, uint32_t type)
{
    __builtin_memcpy(r->out, mac, 6);
    __builtin_memcpy(r->out + 6, r->mac, 6);
    put16(r->out + 12, type);
}

/* Writes the two outer headers around `len` bytes that stand at r->out + L4. */
static void send_ip(struct responder *r, const uint8_t *mac, uint32_t to,
                    uint8_t proto, size_t len)
{
    uint8_t *h = r->out + ETH;

    put_eth(r, mac, TYPE_IP);
    put16(h, 0x4500);
    put16(h + 2, (uint32_t)(IP + len));
    put16(h + 4, r->ip_id++);
    put16(h + 6, 0x4000); /* don't fragment */
    h[8] = 64;
    h[9] = proto;
    put16(h + 10, 0);
    put32(h + 12, r->ip);
    put32(h + 16, to);
    put16(h + 10, (uint16_t)~responder_sum(h, IP, 0));
    send_frame(r, L4 + len);
}

/* The checksum of a TCP or UDP packet that stands at r->out + L4; with a device
 * that completes it, only the pseudo-header's part. */
static void put_csum(struct responder *r, uint32_t to, uint8_t proto,
                     size_t len, size_t offset)
{
    uint8_t *l4 = r->out + L4;
    uint32_t seed = pseudo_sum(r->ip, to, proto, len);
    uint16_t sum;

    put16(l4 + offset, 0);
    if (r->flags & RESPONDER_TX_PARTIAL) {
        put16(l4 + offset, responder_sum(l4, 0, seed));
        return;
    }
    sum = (uint16_t)(0xffff - responder_sum(l4, len, seed));
    if (proto == PROTO_UDP && sum == 0)
        sum = 0xffff; /* RFC 768: zero means none */
    put16(l4 + offset, sum);
}

bool responder_csum_place(const uint8_t *frame, size_t len, uint16_t *start,
                          uint16_t *offset)
{
    if (len < L4 || get16(frame + 12) != TYPE_IP)
        return false;
    if (frame[ETH + 9] != PROTO_TCP && frame[ETH + 9] != PROTO_UDP)
        return false;
    *start = L4;
    *offset = frame[ETH + 9] == PROTO_TCP ? 16 : 6;
    return true;
}

/* Sends one segment from `c` to its peer; SYN carries our MSS. */
static void send_segment(struct responder *r, struct responder_conn *c,
                         uint32_t seq, uint8_t flags, const char *data,
                         size_t len)
{
    uint8_t *t = r->out + L4;
    size_t head = TCP;

    put16(t, PORT_HTTP);
    put16(t + 2, c->peer_port);
    put32(t + 4, seq);
    put32(t + 8, flags & ACK ? c->rcv_nxt : 0);
    put16(t + 14, WINDOW);
    put32(t + 16, 0);
    if (flags & SYN) {
        put16(t + TCP, 0x0204);
        put16(t + TCP + 2, MSS_MOST);
        head += 4;
    }
    t[12] = (uint8_t)(head << 2);
    t[13] = flags;
    if (len != 0)
        __builtin_memcpy(t + head, data, len);
    put_csum(r, c->peer_ip, PROTO_TCP, head + len, 16);
    send_ip(r, c->peer_mac, c->peer_ip, PROTO_TCP, head + len);
}

/* Answers a segment that belongs to no connection: RFC 9293 3.10.7.1. */
static void send_reset(struct responder *r, const struct segment *s,
                       uint32_t port)
{
    uint8_t *t = r->out + L4;
    bool ack = (s->flags & ACK) != 0;
    uint32_t end = s->seq + s->len + !!(s->flags & SYN) + !!(s->flags & FIN);

    if (s->flags & RST)
        return;
    put16(t, port);
    put16(t + 2, s->port);
    put32(t + 4, ack ? s->ack : 0);
    put32(t + 8, ack ? 0 : end);
    t[12] = TCP << 2;
    t[13] = ack ? RST : RST | ACK;
    put16(t + 14, 0);
    put32(t + 16, 0);
    put_csum(r, s->from->src, PROTO_TCP, TCP, 16);
    send_ip(r, s->from->mac, s->from->src, PROTO_TCP, TCP);
}

/* ---- HTTP ------------------------------------------------------------- */

static size_t put_text(char *at, const char *text)
{
    size_t n;

    for (n = 0; text[n] != 0; n++)
        at[n] = text[n];
    return n;
}

static size_t put_decimal(char *at, size_t v)
{
    char digits[20];
    size_t n = 0, i;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    for (i = 0; i < n; i++)
        at[i] = digits[n - 1 - i];
    return n;
}

/* Puts the header right before the body, whose length only now is known. */
static void build_response(struct responder_conn *c, const char *status,
                           size_t body, bool head_only)
{
    char head[RESPONDER_HEAD];
    size_t n = 0;

    n += put_text(head + n, "HTTP/1.1 ");
    n += put_text(head + n, status);
    n += put_text(head + n, "\r\nContent-Type: text/html; charset=utf-8"
                            "\r\nContent-Length: ");
    n += put_decimal(head + n, body);
    n += put_text(head + n, "\r\nConnection: close\r\n\r\n");
    c->start = (uint32_t)(RESPONDER_HEAD - n);
    c->len = (uint32_t)(n + (head_only ? 0 : body));
    __builtin_memcpy(c->text + c->start, head, n);
    c->ready = true;
}

static void answer_error(struct responder_conn *c, const char *status)
{
    build_response(c, status, put_text(c->text + RESPONDER_HEAD, status),
                   false);
}

static void answer_request(struct responder *r, struct responder_conn *c)
{
    bool head = same((uint8_t *)c->method, (const uint8_t *)"HEAD ", 5);
    size_t n;

    r->count.http++;
    if (!head && !same((uint8_t *)c->method, (const uint8_t *)"GET ", 4)) {
        answer_error(c, "405 Method Not Allowed");
        return;
    }
    if (r->page == NULL) {
        answer_error(c, "404 Not Found");
        return;
    }
    n = r->page(r->page_ctx, c->text + RESPONDER_HEAD, RESPONDER_BODY);
    build_response(c, "200 OK", n < RESPONDER_BODY ? n : RESPONDER_BODY, head);
}

/* Reads request bytes until the empty line; what follows it is ignored. */
static void take_request(struct responder *r, struct responder_conn *c,
                         const uint8_t *data, size_t len)
{
    size_t i;

    for (i = 0; i < len && !c->ready; i++) {
        if (c->req_len < sizeof(c->method))
            c->method[c->req_len] = (char)data[i];
        c->req_len++;
        if (data[i] == '\n')
            c->newlines++;
        else if (data[i] != '\r')
            c->newlines = 0;
        if (c->newlines == 2)
            answer_request(r, c);
        else if (c->req_len == REQUEST_MAX)
            answer_error(c, "431 Request Header Fields Too Large");
    }
}

/* ---- TCP -------------------------------------------------------------- */

static uint32_t fin_seq(const struct responder_conn *c)
{
    return c->iss + 1 + c->len;
}

/* Everything we shall ever send, FIN included, is acknowledged. */
static bool all_acked(const struct responder_conn *c)
{
    return c->ready && c->una == fin_seq(c) + 1;
}

/* Chooses what the connection waits for. A running resend timer goes on
 * unless there was progress: duplicate ACKs must not put it off. */
static void set_timer(struct responder *r, struct responder_conn *c,
                      bool restart)
{
    uint8_t want = TIMER_IDLE;
    uint64_t span = IDLE_US;

    if (all_acked(c)) {
        want = TIMER_LINGER;
        span = LINGER_US;
        if (c->peer_fin)
            c->state = CONN_LAST;
    } else if (c->state == CONN_SYN || c->ready) {
        want = TIMER_RESEND; /* in flight, or the window is shut */
        span = c->rto_us;
    }
    if (want == c->timer && !restart)
        return;
    c->timer = want;
    c->deadline_us = r->now_us + span;
}

/* Sends the next data or FIN that the windows let through. `probe` lets one
 * byte through a shut window (RFC 9293 3.8.6.1). */
static bool send_next(struct responder *r, struct responder_conn *c, bool probe)
{
    uint32_t left = fin_seq(c) - c->nxt;
    uint32_t edge = c->una + least(c->wnd, c->cwnd);
    uint32_t room = before(c->nxt, edge) ? edge - c->nxt : 0;
    uint32_t n;
    bool fin;

    if (!c->ready || c->nxt == fin_seq(c) + 1)
        return false;
    if (probe && room == 0)
        room = 1;
    n = least(least(left, room), c->mss);
    fin = n == left && room > n;
    if (n == 0 && !fin)
        return false;
    /* No silly windows: a part-filled segment only when nothing is out. */
    if (n < c->mss && n < left && c->nxt != c->una)
        return false;
    send_segment(r, c, c->nxt, (uint8_t)(ACK | (fin ? FIN | PSH : 0)),
                 c->text + c->start + (c->nxt - c->iss - 1), n);
    c->nxt += n + fin;
    if (before(c->max, c->nxt))
        c->max = c->nxt;
    return true;
}

static void send_ack(struct responder *r, struct responder_conn *c)
{
    send_segment(r, c, c->max, ACK, NULL, 0);
    c->ack_due = false;
}

static void send_syn(struct responder *r, struct responder_conn *c)
{
    send_segment(r, c, c->iss, SYN | ACK, NULL, 0);
    c->nxt = c->max = c->iss + 1;
}

static void conn_output(struct responder *r, struct responder_conn *c,
                        bool probe)
{
    while (send_next(r, c, probe)) {
        c->ack_due = false;
        probe = false;
    }
    if (c->ack_due)
        send_ack(r, c);
}

static void conn_abort(struct responder *r, struct responder_conn *c)
{
    if (c->state != CONN_LAST)
        send_segment(r, c, c->max, RST | ACK, NULL, 0);
    c->state = CONN_FREE;
}

/* A free slot, or the one whose peer was silent longest; finished ones go
 * first. */
static struct responder_conn *conn_slot(struct responder *r)
{
    struct responder_conn *best = &r->conns[0];
    size_t i;

    for (i = 0; i < RESPONDER_CONNS; i++) {
        struct responder_conn *c = &r->conns[i];
        bool done = c->state == CONN_LAST, best_done = best->state == CONN_LAST;

        if (c->state == CONN_FREE)
            return c;
        if (done != best_done ? done : c->touched_us < best->touched_us)
            best = c;
    }
    conn_abort(r, best);
    return best;
}

/* Distinct from one connection to the next; no secret (demo, not RFC 6528). */
static uint32_t choose_iss(struct responder *r, const struct segment *s)
{
    uint32_t x = s->from->src ^ s->seq ^ (uint32_t)s->port << 16;

    x += ++r->opened * 0x9e3779b9u + (uint32_t)(r->now_us >> 2);
    x ^= x >> 15;
    x *= 0x2c1b3c6du;
    return x ^ x >> 13;
}

static void conn_open(struct responder *r, struct responder_conn *c,
                      const struct segment *s)
{
    uint16_t mss = s->mss != 0 ? s->mss : MSS_DEFAULT;

    __builtin_memset(c, 0, offsetof(struct responder_conn, text));
    c->state = CONN_SYN;
    __builtin_memcpy(c->peer_mac, s->from->mac, 6);
    c->peer_ip = s->from->src;
    c->peer_port = s->port;
    c->mss = mss < MSS_LEAST ? MSS_LEAST : mss > MSS_MOST ? MSS_MOST : mss;
    c->cwnd = 4u * c->mss;
    c->iss = choose_iss(r, s);
    c->una = c->iss;
    c->rcv_nxt = s->seq + 1;
    c->wnd = s->wnd;
    c->wl1 = s->seq;
    c->rto_us = RTO_FIRST;
    c->touched_us = r->now_us;
    send_syn(r, c);
    set_timer(r, c, true);
}

/* RFC 9293 3.10.7.4, first check: does it touch our window? */
static bool in_window(const struct responder_conn *c, const struct segment *s)
{
    uint32_t n = s->len + !!(s->flags & FIN) + !!(s->flags & SYN);
    uint32_t first = s->seq - c->rcv_nxt;
    uint32_t last = n != 0 ? first + n - 1 : first;

    return first < WINDOW || last < WINDOW;
}

static void take_window(struct responder_conn *c, const struct segment *s)
{
    if (before(c->wl1, s->seq) ||
        (c->wl1 == s->seq && !before(s->ack, c->wl2))) {
        if (c->wnd == 0 && s->wnd != 0)
            c->nxt = c->una; /* a probe that found it shut was dropped */
        c->wnd = s->wnd;
        c->wl1 = s->seq;
        c->wl2 = s->ack;
    }
}

/* Returns false when the segment must not be looked at any further. */
static bool take_ack(struct responder *r, struct responder_conn *c,
                     const struct segment *s)
{
    if (before(c->max, s->ack)) {
        if (c->state == CONN_SYN)
            send_reset(r, s, PORT_HTTP);
        else
            send_ack(r, c);
        return false;
    }
    if (c->state == CONN_SYN) {
        if (s->ack != c->iss + 1) {
            send_reset(r, s, PORT_HTTP);
            return false;
        }
        c->state = CONN_OPEN;
        c->una = s->ack;
        set_timer(r, c, true);
    }
    if (before(c->una, s->ack)) {
        c->una = s->ack;
        if (before(c->nxt, c->una))
            c->nxt = c->una;
        c->cwnd = least(c->cwnd + c->mss, 8u * c->mss);
        c->rto_us = RTO_FIRST;
        c->retries = 0;
        set_timer(r, c, true);
    }
    if (!before(s->ack, c->una)) {
        take_window(c, s);
        if (c->wnd == 0)
            c->retries = 0; /* a live peer with a shut window may take long */
    }
    return true;
}

/* Takes what continues the stream; the rest is dropped, and asked for again by
 * an ACK that repeats where we are. */
static void take_data(struct responder *r, struct responder_conn *c,
                      const struct segment *s)
{
    uint32_t skip = c->rcv_nxt - s->seq;
    bool fin = (s->flags & FIN) != 0;

    if (s->len == 0 && !fin)
        return;
    c->ack_due = true;
    if (c->peer_fin || skip > s->len)
        return; /* ahead of us, `skip` is negative and thus huge */
    take_request(r, c, s->data + skip, s->len - skip);
    c->rcv_nxt += s->len - skip;
    if (fin) {
        c->rcv_nxt++;
        c->peer_fin = true;
        c->ready = true; /* no whole request: an empty answer, a FIN */
    }
}

static void conn_input(struct responder *r, struct responder_conn *c,
                       const struct segment *s)
{
    if (c->state == CONN_SYN && (s->flags & (SYN | ACK)) == SYN &&
        s->seq + 1 == c->rcv_nxt) {
        send_syn(r, c);
        return;
    }
    if (!in_window(c, s)) {
        if (!(s->flags & RST))
            send_ack(r, c);
        return;
    }
    if (s->flags & RST && s->seq == c->rcv_nxt) {
        c->state = CONN_FREE;
        return;
    }
    if (s->flags & (RST | SYN)) {
        send_ack(r, c); /* RFC 5961: challenge what may be forged */
        return;
    }
    if (!(s->flags & ACK) || !take_ack(r, c, s))
        return;
    c->touched_us = r->now_us;
    take_data(r, c, s);
    conn_output(r, c, false);
    set_timer(r, c, c->timer == TIMER_IDLE);
}

static struct responder_conn *conn_find(struct responder *r,
                                        const struct segment *s)
{
    size_t i;

    for (i = 0; i < RESPONDER_CONNS; i++) {
        struct responder_conn *c = &r->conns[i];

        if (c->state != CONN_FREE && c->peer_port == s->port &&
            c->peer_ip == s->from->src)
            return c;
    }
    return NULL;
}

static bool parse_options(const uint8_t *o, size_t len, uint16_t *mss)
{
    size_t i = 0, n;

    while (i < len && o[i] != 0) {
        if (o[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= len)
            return false;
        n = o[i + 1];
        if (n < 2 || n > len - i)
            return false;
        if (o[i] == 2 && n == 4)
            *mss = get16(o + i + 2);
        i += n;
    }
    return true;
}

static bool csum_good(const struct responder *r, const struct packet *p)
{
    if (r->flags & RESPONDER_RX_VERIFIED)
        return true;
    return responder_sum(p->data, p->len,
                         pseudo_sum(p->src, r->ip, p->proto, p->len)) == 0xffff;
}

static void tcp_input(struct responder *r, const struct packet *p)
{
    struct segment s = {.from = p};
    struct responder_conn *c;
    size_t head;
    uint16_t port;

    head = p->len >= TCP ? (size_t)(p->data[12] >> 4) * 4 : 0;
    if (head < TCP || head > p->len || !csum_good(r, p) ||
        !parse_options(p->data + TCP, head - TCP, &s.mss)) {
        r->count.bad++;
        return;
    }
    s.port = get16(p->data);
    port = get16(p->data + 2);
    s.seq = get32(p->data + 4);
    s.ack = get32(p->data + 8);
    s.flags = p->data[13] & (FIN | SYN | RST | ACK);
    s.wnd = get16(p->data + 14);
    s.data = p->data + head;
    s.len = (uint32_t)(p->len - head);
    r->count.tcp++;
    c = port == PORT_HTTP ? conn_find(r, &s) : NULL;
    /* A new SYN may reuse the ports of a finished connection (RFC 9293
     * 3.6.1), if it can't be an old one. */
    if (c != NULL && c->state == CONN_LAST && s.flags == SYN &&
        before(c->rcv_nxt, s.seq)) {
        c->state = CONN_FREE;
        c = NULL;
    }
    if (c != NULL)
        conn_input(r, c, &s);
    else if (port == PORT_HTTP && s.flags == SYN && s.port != 0)
        conn_open(r, conn_slot(r), &s);
    else
        send_reset(r, &s, port);
}

static void conn_timeout(struct responder *r, struct responder_conn *c)
{
    if (c->timer == TIMER_LINGER) {
        c->state = CONN_FREE;
        return;
    }
    if (c->timer == TIMER_IDLE || c->retries == RETRIES) {
        conn_abort(r, c);
        return;
    }
    c->retries++;
    c->rto_us = least(c->rto_us * 2, RTO_MOST);
    c->cwnd = c->mss;
    r->count.resent++;
    if (c->state == CONN_SYN) {
        send_syn(r, c);
    } else {
        c->nxt = c->una;
        conn_output(r, c, true);
    }
    set_timer(r, c, true);
}

/* ---- the others ------------------------------------------------------- */

static void arp_input(struct responder *r, const uint8_t *frame, size_t len)
{
    const uint8_t *a = frame + ETH;
    uint8_t *o = r->out + ETH;

    if (len < ETH + 28 || get32(a) != 0x00010800 || get16(a + 4) != 0x0604) {
        r->count.bad++;
        return;
    }
    if (get16(a + 6) != 1 || get32(a + 24) != r->ip || frame[6] & 1) {
        r->count.ignored++;
        return;
    }
    put_eth(r, frame + 6, TYPE_ARP);
    __builtin_memcpy(o, a, 8);
    put16(o + 6, 2);
    __builtin_memcpy(o + 8, r->mac, 6);
    put32(o + 14, r->ip);
    __builtin_memcpy(o + 18, a + 8, 10);
    r->count.arp++;
    send_frame(r, ETH + 28);
}

static void icmp_input(struct responder *r, const struct packet *p)
{
    uint8_t *o = r->out + L4;

    if (p->len < 8 || p->len > RESPONDER_FRAME - L4 ||
        responder_sum(p->data, p->len, 0) != 0xffff) {
        r->count.bad++;
        return;
    }
    if (p->data[0] != 8 || p->data[1] != 0) {
        r->count.ignored++;
        return;
    }
    __builtin_memcpy(o, p->data, p->len);
    put32(o, 0); /* type, code, checksum */
    put16(o + 2, (uint16_t)~responder_sum(o, p->len, 0));
    r->count.icmp++;
    send_ip(r, p->mac, p->src, PROTO_ICMP, p->len);
}

static void udp_input(struct responder *r, const struct packet *p)
{
    struct packet d = *p; /* may be shorter than the IP packet says */
    uint8_t *o = r->out + L4;

    d.len = p->len >= UDP ? get16(p->data + 4) : 0;
    if (d.len < UDP || d.len > p->len || d.len > RESPONDER_FRAME - L4 ||
        (get16(d.data + 6) != 0 && !csum_good(r, &d))) {
        r->count.bad++;
        return;
    }
    /* From port 0 none may answer; from port 7 two echoes would never end. */
    if (get16(d.data + 2) != PORT_ECHO || get16(d.data) == 0 ||
        get16(d.data) == PORT_ECHO) {
        r->count.ignored++;
        return;
    }
    __builtin_memcpy(o, d.data, d.len);
    put16(o, PORT_ECHO);
    put16(o + 2, get16(d.data));
    put_csum(r, d.src, PROTO_UDP, d.len, 6);
    r->count.udp++;
    send_ip(r, d.mac, d.src, PROTO_UDP, d.len);
}

/* Returns false for what no host may send (RFC 1122 3.2.1.3). */
static bool source_good(const struct responder *r, const uint8_t *mac,
                        uint32_t ip)
{
    return !(mac[0] & 1) && ip != 0 && ip != r->ip && ip < 0xe0000000 &&
           ip >> 24 != 127;
}

static void ip_input(struct responder *r, const uint8_t *frame, size_t len)
{
    const uint8_t *h = frame + ETH;
    struct packet p = {.mac = frame + 6};
    size_t head, total;

    head = len >= L4 ? (size_t)(h[0] & 15) * 4 : 0;
    total = len >= L4 ? get16(h + 2) : 0;
    if (head < IP || h[0] >> 4 != 4 || total < head || total > len - ETH ||
        responder_sum(h, head, 0) != 0xffff) {
        r->count.bad++;
        return;
    }
    p.data = h + head;
    p.len = total - head;
    p.proto = h[9];
    p.src = get32(h + 12);
    if (get32(h + 16) != r->ip || !same(frame, r->mac, 6) ||
        get16(h + 6) & 0x3fff || !source_good(r, p.mac, p.src))
        p.proto = 0; /* not ours, or a fragment */
    if (p.proto == PROTO_ICMP)
        icmp_input(r, &p);
    else if (p.proto == PROTO_UDP)
        udp_input(r, &p);
    else if (p.proto == PROTO_TCP)
        tcp_input(r, &p);
    else
        r->count.ignored++;
}

/* ---- the door --------------------------------------------------------- */

void responder_init(struct responder *r, const uint8_t mac[6], uint32_t ip)
{
    __builtin_memset(r, 0, sizeof(*r));
    __builtin_memcpy(r->mac, mac, 6);
    r->ip = ip;
}

void responder_set_page(struct responder *r, responder_page_fn *page, void *ctx)
{
    r->page = page;
    r->page_ctx = ctx;
}

size_t responder_input(struct responder *r, const uint8_t *frame, size_t len,
                       responder_emit_fn *emit, void *ctx)
{
    uint64_t sent = r->count.frames_out;

    r->emit = emit;
    r->emit_ctx = ctx;
    r->count.frames_in++;
    if (len < ETH)
        r->count.bad++;
    else if (get16(frame + 12) == TYPE_ARP)
        arp_input(r, frame, len);
    else if (get16(frame + 12) == TYPE_IP)
        ip_input(r, frame, len);
    else
        r->count.ignored++;
    return (size_t)(r->count.frames_out - sent);
}

size_t responder_tick(struct responder *r, uint64_t now_us,
                      responder_emit_fn *emit, void *ctx)
{
    uint64_t sent = r->count.frames_out;
    size_t i;

    r->emit = emit;
    r->emit_ctx = ctx;
    r->now_us = now_us;
    for (i = 0; i < RESPONDER_CONNS; i++) {
        struct responder_conn *c = &r->conns[i];

        if (c->state != CONN_FREE && now_us >= c->deadline_us)
            conn_timeout(r, c);
    }
    return (size_t)(r->count.frames_out - sent);
}
