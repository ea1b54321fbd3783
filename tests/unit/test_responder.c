/* SPDX-License-Identifier: MIT */
/*
 * Tests of tests/kernel/responder.c: each protocol by table, whole HTTP fetches
 * by a small TCP client over a network that loses, doubles and reorders frames,
 * and seeded mutations. Every frame that the responder emits, in every test, is
 * checked for lengths and checksums by code of its own.
 */
#include "../kernel/responder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16

#define MY_IP   0x0a000202u
#define ITS_IP  0x0a00020fu
#define TCP_AT  34
#define PAGE    6000u
#define MAX_OUT 64

static const uint8_t my_mac[6] = {0x02, 0, 0, 0, 0, 1};
static const uint8_t its_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* ---- checks ----------------------------------------------------------- */

static unsigned failures; /* in the test that runs */
static unsigned passed, failed;

static bool check_at(bool good, const char *what, int line)
{
    if (!good) {
        if (failures < 10)
            printf("  line %d: %s\n", line, what);
        failures++;
    }
    return good;
}

#define CHECK(x) check_at((x), #x, __LINE__)

/* ---- a wire ----------------------------------------------------------- */

struct wire {
    struct responder r;
    unsigned n; /* frames emitted since the last clear */
    size_t len[MAX_OUT];
    uint8_t frame[MAX_OUT][RESPONDER_FRAME];
    size_t page_len;
};

static struct wire wire;

static uint16_t rd16(const uint8_t *p)
{
    return (uint16_t)(p[0] * 256 + p[1]);
}

static uint32_t rd32(const uint8_t *p)
{
    return rd16(p) * 65536u + rd16(p + 2);
}

static void wr16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v / 256);
    p[1] = (uint8_t)v;
}

static void wr32(uint8_t *p, uint32_t v)
{
    wr16(p, v >> 16);
    wr16(p + 2, v & 0xffff);
}

/* The one's complement sum, written another way than the responder's. */
static unsigned ones(const uint8_t *p, size_t n, uint64_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : p[i] * 256u;
    sum %= 65535;
    return (unsigned)sum;
}

static uint64_t pseudo(const uint8_t *ip, size_t len)
{
    return (uint64_t)rd16(ip + 12) + rd16(ip + 14) + rd16(ip + 16) +
           rd16(ip + 18) + ip[9] + len;
}

/* What any host on the wire may expect of a frame. */
static bool frame_valid(const uint8_t *f, size_t len, bool partial)
{
    const uint8_t *ip = f + 14;
    size_t total;

    if (len < 60 || len > 1514 || memcmp(f + 6, its_mac, 6) || f[0] & 1)
        return false;
    if (rd16(f + 12) == 0x0806)
        return len == 60 && rd16(ip + 6) == 2;
    if (rd16(f + 12) != 0x0800 || ip[0] != 0x45)
        return false;
    total = rd16(ip + 2);
    if (total + 14 > len || (len > 60 && total + 14 != len))
        return false;
    if (ones(ip, 20, 0) != 0 || rd32(ip + 12) != ITS_IP || ip[8] == 0)
        return false;
    if (ip[9] == 1)
        return total >= 28 && ones(ip + 20, total - 20, 0) == 0;
    if (ip[9] == 17)
        return total >= 28 && rd16(ip + 24) == total - 20 &&
               (partial ||
                (rd16(ip + 26) != 0 &&
                 ones(ip + 20, total - 20, pseudo(ip, total - 20)) == 0));
    return ip[9] == 6 && total >= 40 &&
           (partial || ones(ip + 20, total - 20, pseudo(ip, total - 20)) == 0);
}

static void on_emit(void *ctx, const uint8_t *frame, size_t len)
{
    struct wire *w = ctx;

    CHECK(frame_valid(frame, len, w->r.flags & RESPONDER_TX_PARTIAL));
    if (!CHECK(w->n < MAX_OUT) || len > RESPONDER_FRAME)
        return;
    memcpy(w->frame[w->n], frame, len);
    w->len[w->n++] = len;
}

static char page_byte(size_t i)
{
    return (char)('a' + (i * 7 + i / 26) % 26);
}

static size_t on_page(void *ctx, char *buf, size_t cap)
{
    struct wire *w = ctx;
    size_t n = w->page_len < cap ? w->page_len : cap;

    for (size_t i = 0; i < n; i++)
        buf[i] = page_byte(i);
    return w->page_len;
}

static void wire_reset(size_t page_len)
{
    memset(&wire, 0, sizeof(wire));
    responder_init(&wire.r, its_mac, ITS_IP);
    responder_set_page(&wire.r, on_page, &wire);
    wire.page_len = page_len;
    responder_tick(&wire.r, 1000, on_emit, &wire);
}

/* From an exactly sized heap block, so that a read past its end is seen. */
static unsigned give(const uint8_t *frame, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    size_t n;

    if (copy == NULL)
        abort();
    memcpy(copy, frame, len);
    wire.n = 0;
    n = responder_input(&wire.r, copy, len, on_emit, &wire);
    CHECK(n == wire.n);
    free(copy);
    return wire.n;
}

static unsigned tick(uint64_t now)
{
    wire.n = 0;
    CHECK(responder_tick(&wire.r, now, on_emit, &wire) == wire.n);
    return wire.n;
}

/* ---- frames ----------------------------------------------------------- */

static size_t make_arp(uint8_t *f, uint32_t target)
{
    memset(f, 0, 60);
    memset(f, 0xff, 6);
    memcpy(f + 6, my_mac, 6);
    wr16(f + 12, 0x0806);
    wr32(f + 14, 0x00010800);
    wr32(f + 18, 0x06040001);
    memcpy(f + 22, my_mac, 6);
    wr32(f + 28, MY_IP);
    wr32(f + 38, target);
    return 42;
}

static void seal(uint8_t *f)
{
    uint8_t *ip = f + 14;
    size_t n = rd16(ip + 2) - 20u;
    size_t at = ip[9] == 6 ? 36 : ip[9] == 17 ? 26 : 22;

    wr16(ip + 10, 0);
    wr16(ip + 10, 65535 - ones(ip, 20, 0));
    wr16(ip + at, 0);
    wr16(ip + at, 65535 - ones(ip + 20, n, ip[9] == 1 ? 0 : pseudo(ip, n)));
}

/* The two outer headers for `n` bytes that stand at f + 34; then checksums. */
static size_t make_ip(uint8_t *f, uint8_t proto, size_t n)
{
    uint8_t *ip = f + 14;

    memcpy(f, its_mac, 6);
    memcpy(f + 6, my_mac, 6);
    wr16(f + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    wr16(ip + 2, (unsigned)n + 20);
    ip[8] = 64;
    ip[9] = proto;
    wr32(ip + 12, MY_IP);
    wr32(ip + 16, ITS_IP);
    seal(f);
    return n + 34;
}

static size_t make_icmp(uint8_t *f, size_t payload)
{
    wr32(f + 34, 0x08000000);
    wr32(f + 38, 0x12340001);
    for (size_t i = 0; i < payload; i++)
        f[42 + i] = (uint8_t)(i * 5 + 1);
    return make_ip(f, 1, 8 + payload);
}

static size_t make_udp(uint8_t *f, unsigned from, unsigned to, size_t payload)
{
    wr16(f + 34, from);
    wr16(f + 36, to);
    wr16(f + 38, (unsigned)(8 + payload));
    for (size_t i = 0; i < payload; i++)
        f[42 + i] = (uint8_t)(i * 3 + 7);
    return make_ip(f, 17, 8 + payload);
}

struct seg {
    unsigned port, to, flags, wnd, mss;
    uint32_t seq, ack;
    const char *data;
    size_t len;
};

static size_t make_tcp(uint8_t *f, const struct seg *s)
{
    uint8_t *t = f + 34;
    size_t head = s->mss ? 24 : 20;

    memset(t, 0, 24);
    wr16(t, s->port);
    wr16(t + 2, s->to ? s->to : 80);
    wr32(t + 4, s->seq);
    wr32(t + 8, s->ack);
    t[12] = (uint8_t)(head * 4);
    t[13] = (uint8_t)s->flags;
    wr16(t + 14, s->wnd);
    if (s->mss) {
        wr16(t + 20, 0x0204);
        wr16(t + 22, s->mss);
    }
    if (s->len)
        memcpy(t + head, s->data, s->len);
    return make_ip(f, 6, head + s->len);
}

static unsigned give_seg(const struct seg *s)
{
    uint8_t f[1600] = {0};

    return give(f, make_tcp(f, s));
}

static const uint8_t *out_tcp(unsigned i)
{
    return wire.frame[i] + TCP_AT;
}

static size_t out_data(unsigned i)
{
    return rd16(wire.frame[i] + 16) - 40u - (out_tcp(i)[12] / 16 * 4 - 20u);
}

static bool sent(unsigned i, unsigned flags, uint32_t seq, uint32_t ack)
{
    return i < wire.n && wire.frame[i][23] == 6 && out_tcp(i)[13] == flags &&
           rd32(out_tcp(i) + 4) == seq && rd32(out_tcp(i) + 8) == ack;
}

/* ---- ARP, ICMP, UDP --------------------------------------------------- */

static void test_arp(void)
{
    uint8_t f[64], want[60] = {0};
    size_t n;

    wire_reset(0);
    n = make_arp(f, ITS_IP);
    make_arp(want, MY_IP);
    memcpy(want, my_mac, 6);
    memcpy(want + 6, its_mac, 6);
    want[21] = 2;
    memcpy(want + 22, its_mac, 6);
    wr32(want + 28, ITS_IP);
    memcpy(want + 32, my_mac, 6);
    CHECK(give(f, n) == 1 && wire.len[0] == 60);
    CHECK(memcmp(wire.frame[0], want, 60) == 0);
    CHECK(give(f, n - 1) == 0 && wire.r.count.bad == 1);
    make_arp(f, ITS_IP + 1);
    CHECK(give(f, n) == 0 && wire.r.count.ignored == 1);
    make_arp(f, ITS_IP);
    f[21] = 2;
    CHECK(give(f, n) == 0 && wire.r.count.ignored == 2);
    CHECK(wire.r.count.arp == 1 && wire.r.count.frames_in == 4);
}

static void test_icmp(void)
{
    static const size_t sizes[] = {0, 1, 17, 18, 19, 56, 1000, 1471, 1472};
    uint8_t f[2048];

    wire_reset(0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        size_t n = make_icmp(f, sizes[i]);

        CHECK(give(f, n) == 1 && wire.len[0] == (n < 60 ? 60 : n));
        CHECK(memcmp(wire.frame[0], my_mac, 6) == 0);
        CHECK(rd32(wire.frame[0] + 30) == MY_IP && wire.frame[0][34] == 0);
        CHECK(rd16(wire.frame[0] + 16) == n - 14);
        CHECK(memcmp(wire.frame[0] + 38, f + 38, n - 38) == 0);
    }
    CHECK(wire.r.count.icmp == 9 && wire.r.count.frames_out == 9);
    CHECK(give(f, make_icmp(f, 1473)) == 0 && wire.r.count.bad == 1);
}

static void test_udp(void)
{
    static const size_t sizes[] = {0, 1, 2, 63, 1472};
    uint8_t f[2048];
    size_t n;

    wire_reset(0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        n = make_udp(f, 4000, 7, sizes[i]);
        CHECK(give(f, n) == 1 && rd16(wire.frame[0] + 34) == 7);
        CHECK(rd16(wire.frame[0] + 36) == 4000);
        CHECK(memcmp(wire.frame[0] + 42, f + 42, sizes[i]) == 0);
    }
    n = make_udp(f, 4000, 7, 10);
    wr16(f + 40, 0); /* no checksum: RFC 768 allows it */
    CHECK(give(f, n) == 1);
    /* Whatever the sum is, it is never sent as zero. */
    for (unsigned v = 0; v < 65536; v++) {
        wr16(f + 42, v);
        wr16(f + 38, 10);
        give(f, make_ip(f, 17, 10));
    }
    CHECK(wire.r.count.udp == 6 + 65536);
    CHECK(give(f, make_udp(f, 4000, 8, 10)) == 0);
    CHECK(give(f, make_udp(f, 0, 7, 10)) == 0);
    CHECK(give(f, make_udp(f, 7, 7, 10)) == 0);
    CHECK(wire.r.count.ignored == 3 && wire.r.count.bad == 0);
}

static void test_offload(void)
{
    uint8_t f[2048];
    uint16_t start = 0, offset = 0;
    size_t n = make_udp(f, 4000, 7, 33), total;

    wire_reset(0);
    f[40] ^= 0x55;
    CHECK(give(f, n) == 0 && wire.r.count.bad == 1);
    wire.r.flags = RESPONDER_RX_VERIFIED | RESPONDER_TX_PARTIAL;
    CHECK(give(f, n) == 1);
    CHECK(responder_csum_place(wire.frame[0], wire.len[0], &start, &offset));
    CHECK(start == 34 && offset == 6);
    /* What the device does: sum to the end, complement, store. */
    total = wire.len[0] - start;
    wr16(wire.frame[0] + 40, 65535 - ones(wire.frame[0] + 34, total, 0));
    CHECK(frame_valid(wire.frame[0], wire.len[0], false));
    CHECK(give_seg(&(struct seg){.port = 9, .flags = SYN, .wnd = 9}) == 1);
    CHECK(responder_csum_place(wire.frame[0], wire.len[0], &start, &offset));
    CHECK(start == 34 && offset == 16);
    wr16(wire.frame[0] + 50, 65535 - ones(wire.frame[0] + 34, 26, 0));
    CHECK(frame_valid(wire.frame[0], wire.len[0], false));
    give(f, make_icmp(f, 5));
    CHECK(!responder_csum_place(wire.frame[0], wire.len[0], &start, &offset));
    make_arp(f, ITS_IP);
    CHECK(!responder_csum_place(f, 42, &start, &offset));
}

/* One byte or one length of a good frame changed: what must become of it. */
static void test_malformed(void)
{
    enum { ICMP, DGRAM, TSEG };
    static const struct {
        const char *what;
        int kind, cut, at, value; /* cut: bytes taken off the end */
        bool seal, bad;           /* bad: counted so; else ignored */
    } cases[] = {
        {"ethertype", ICMP, 0, 12, 0x86, false, false},
        {"not our MAC", ICMP, 0, 5, 0x57, false, false},
        {"group source MAC", ICMP, 0, 6, 0x03, false, false},
        {"IP version 6", ICMP, 0, 14, 0x65, true, true},
        {"IP header too short", ICMP, 0, 14, 0x44, true, true},
        {"IP header past the end", ICMP, 60, 14, 0x4f, false, true},
        {"IP total too long", ICMP, 0, 17, 121, true, true},
        {"IP total below header", ICMP, 0, 17, 19, false, true},
        {"frame cut", ICMP, 1, 8, 0, false, true},
        {"frame cut in header", ICMP, 81, 8, 0, false, true},
        {"frame of 13 bytes", ICMP, 121, 8, 0, false, true},
        {"IP checksum", ICMP, 0, 24, 0xff, false, true},
        {"more fragments", ICMP, 0, 20, 0x20, true, false},
        {"fragment offset", ICMP, 0, 21, 1, true, false},
        {"other address", ICMP, 0, 33, 1, true, false},
        {"source is us", ICMP, 0, 29, 0x0f, true, false},
        {"source is loopback", ICMP, 0, 26, 127, true, false},
        {"source is multicast", ICMP, 0, 26, 224, true, false},
        {"protocol", ICMP, 0, 23, 99, true, false},
        {"ICMP checksum", ICMP, 0, 60, 0xee, false, true},
        {"ICMP type", ICMP, 0, 34, 13, true, false},
        {"ICMP code", ICMP, 0, 35, 1, true, false},
        {"UDP length past IP", DGRAM, 0, 39, 101, true, true},
        {"UDP length 7", DGRAM, 0, 39, 7, true, true},
        {"UDP checksum", DGRAM, 0, 60, 0xee, false, true},
        {"TCP header too short", TSEG, 0, 46, 0x40, true, true},
        {"TCP header past the end", TSEG, 0, 46, 0xf0, true, true},
        {"TCP checksum", TSEG, 0, 44, 0xee, false, true},
        {"TCP option length 0", TSEG, 0, 55, 0, true, true},
        {"TCP option past the end", TSEG, 0, 55, 5, true, true},
    };
    uint8_t f[256];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct seg s = {.port = 99, .flags = SYN, .wnd = 1000, .mss = 1460};
        size_t n = cases[i].kind == ICMP    ? make_icmp(f, 92)
                   : cases[i].kind == DGRAM ? make_udp(f, 4000, 7, 92)
                                            : make_tcp(f, &s);
        const struct responder_counters *c = &wire.r.count;

        wire_reset(0);
        f[cases[i].at] = (uint8_t)cases[i].value;
        if (cases[i].seal)
            seal(f);
        if (!CHECK(give(f, n - (size_t)cases[i].cut) == 0) ||
            !CHECK(c->bad == cases[i].bad && c->ignored == !cases[i].bad))
            printf("  %s\n", cases[i].what);
    }
}

/* ---- TCP, step by step ------------------------------------------------ */

/* Opens a connection with the given window and MSS; returns the server's
 * first sequence number. */
static uint32_t shake(unsigned port, unsigned wnd, unsigned mss)
{
    uint32_t iss;

    give_seg(&(struct seg){
        .port = port, .flags = SYN, .seq = 99, .wnd = wnd, .mss = mss});
    CHECK(wire.n == 1 && out_tcp(0)[13] == (SYN | ACK));
    CHECK(rd32(out_tcp(0) + 8) == 100 && rd32(out_tcp(0) + 20) == 0x020405b4);
    iss = rd32(out_tcp(0) + 4);
    CHECK(give_seg(&(struct seg){.port = port,
                                 .flags = ACK,
                                 .seq = 100,
                                 .ack = iss + 1,
                                 .wnd = wnd}) == 0);
    return iss;
}

static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
#define REQ_LEN      ((uint32_t)sizeof(request) - 1)
#define HEAD(digits) (96u + (digits)) /* of a 200, by the length's digits */

static unsigned ask(unsigned port, uint32_t iss, unsigned wnd)
{
    return give_seg(&(struct seg){.port = port,
                                  .flags = ACK | PSH,
                                  .seq = 100,
                                  .ack = iss + 1,
                                  .wnd = wnd,
                                  .data = request,
                                  .len = REQ_LEN});
}

static unsigned say(unsigned port, unsigned flags, uint32_t seq, uint32_t ack,
                    unsigned wnd)
{
    return give_seg(&(struct seg){
        .port = port, .flags = flags, .seq = seq, .ack = ack, .wnd = wnd});
}

static void test_tcp_small(void)
{
    uint32_t iss, end, seq = 100 + REQ_LEN;
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
        "Content-Length: 10\r\nConnection: close\r\n\r\n";

    wire_reset(10);
    iss = shake(5000, 8000, 1460);
    CHECK(ask(5000, iss, 8000) == 1);
    CHECK(sent(0, FIN | PSH | ACK, iss + 1, seq));
    CHECK(out_data(0) == sizeof(head) - 1 + 10);
    CHECK(memcmp(out_tcp(0) + 20, head, sizeof(head) - 1) == 0);
    end = iss + 1 + (uint32_t)out_data(0) + 1;
    CHECK(say(5000, ACK, seq, end, 8000) == 0);
    CHECK(say(5000, FIN | ACK, seq, end, 8000) == 1);
    CHECK(sent(0, ACK, end, seq + 1));
    /* Its ACK was lost: the FIN comes again and is acknowledged again. */
    CHECK(say(5000, FIN | ACK, seq, end, 8000) == 1);
    CHECK(sent(0, ACK, end, seq + 1));
    /* The same ports may be used again at once. */
    CHECK(say(5000, SYN, seq + 1000, 0, 8000) == 1);
    CHECK(out_tcp(0)[13] == (SYN | ACK));
    CHECK(wire.r.count.http == 1 && wire.r.count.resent == 0);
}

static void test_tcp_reset(void)
{
    uint32_t iss;

    wire_reset(10);
    /* Unknown port, unknown connection; never an answer to a RST. */
    CHECK(give_seg(
              &(struct seg){.port = 1, .to = 81, .flags = SYN, .seq = 5}) == 1);
    CHECK(sent(0, RST | ACK, 0, 6));
    CHECK(say(1, ACK, 5, 77, 0) == 1 && sent(0, RST, 77, 0));
    CHECK(say(1, FIN, 5, 0, 0) == 1 && sent(0, RST | ACK, 0, 6));
    CHECK(say(1, RST, 5, 77, 0) == 0);
    /* A wrong ACK of our SYN. */
    say(2, SYN, 99, 0, 800);
    iss = rd32(out_tcp(0) + 4);
    CHECK(say(2, ACK, 100, iss, 0) == 1 && sent(0, RST, iss, 0));
    CHECK(say(2, ACK, 100, iss + 2, 0) == 1 && sent(0, RST, iss + 2, 0));
    CHECK(say(2, ACK, 100, iss + 1, 0) == 0);
    /* A RST beside the mark is challenged, one on it obeyed. */
    CHECK(say(2, RST, 101, 0, 0) == 1 && sent(0, ACK, iss + 1, 100));
    CHECK(say(2, RST, 99, 0, 0) == 0);
    CHECK(say(2, SYN, 100, 0, 0) == 1 && sent(0, ACK, iss + 1, 100));
    CHECK(say(2, RST, 100, 0, 0) == 0);
    CHECK(say(2, ACK, 100, iss + 1, 0) == 1 && sent(0, RST, iss + 1, 0));
}

static void test_tcp_order(void)
{
    uint32_t iss, end;
    struct seg s = {.port = 3, .flags = ACK, .wnd = 8000};

    wire_reset(10);
    iss = shake(3, 8000, 1460);
    s.ack = iss + 1;
    /* The second half first: dropped, and the first asked for. */
    s.seq = 110;
    s.data = request + 10;
    s.len = REQ_LEN - 10;
    CHECK(give_seg(&s) == 1 && sent(0, ACK, iss + 1, 100));
    s.seq = 100;
    s.data = request;
    s.len = 12;
    CHECK(give_seg(&s) == 1 && sent(0, ACK, iss + 1, 112));
    CHECK(give_seg(&s) == 1 && sent(0, ACK, iss + 1, 112));
    /* It overlaps what is there, and brings a FIN. */
    s.seq = 110;
    s.data = request + 10;
    s.len = REQ_LEN - 10;
    s.flags = ACK | FIN;
    CHECK(give_seg(&s) == 1 && out_tcp(0)[13] == (FIN | PSH | ACK));
    CHECK(rd32(out_tcp(0) + 8) == 101 + REQ_LEN);
    end = iss + 2 + (uint32_t)out_data(0);
    CHECK(say(3, ACK, 101 + REQ_LEN, end + 1, 8000) == 1); /* not yet sent */
    CHECK(say(3, ACK, 101 + REQ_LEN, end, 8000) == 0);
    CHECK(wire.r.count.http == 1);
    /* Beyond the window: only an ACK. */
    CHECK(say(3, ACK, 101 + REQ_LEN + 8192, end, 8000) == 1);
}

static void test_tcp_window(void)
{
    uint32_t iss, at, seq = 100 + REQ_LEN;
    unsigned rounds = 0;

    wire_reset(PAGE);
    iss = at = shake(4, 0, 1000);
    at++;
    CHECK(ask(4, iss, 0) == 1 && sent(0, ACK, at, seq));
    /* Shut: one byte now and then, for as long as the peer answers. */
    for (uint64_t t = 0; t < 60; t++) {
        unsigned n = tick(1000 + t * 1000000);

        CHECK(n <= 1);
        if (n == 1) {
            CHECK(sent(0, ACK, at, seq) && out_data(0) == 1);
            CHECK(say(4, ACK, seq, at, 0) == 0);
            rounds++;
        }
    }
    CHECK(rounds >= 10);
    /* It opens by 1500: a full segment, and no silly rest. */
    CHECK(say(4, ACK, seq, at, 1500) == 1 && out_data(0) == 1000);
    at += 1000;
    CHECK(say(4, ACK, seq, at, 300) == 1 && out_data(0) == 300);
    CHECK(sent(0, ACK, at, seq));
    /* A peer that falls silent is given up, with a RST. */
    for (uint64_t t = 60; t < 200; t++)
        rounds = tick(1000 + t * 1000000) ? out_tcp(0)[13] : rounds;
    CHECK(rounds == (RST | ACK));
    CHECK(say(4, ACK, seq, at, 300) == 1 && out_tcp(0)[13] == RST);
}

static void test_tcp_flight(void)
{
    uint32_t seq = 100 + REQ_LEN;
    static const struct {
        unsigned mss, seg, n;
    } cases[] = {{1460, 1460, 4}, {9000, 1460, 4}, {536, 536, 4},
                 {0, 536, 4},     {1, 64, 4},      {65535, 1460, 4}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t iss;

        wire_reset(RESPONDER_BODY);
        iss = shake(6, 65535, cases[i].mss);
        CHECK(ask(6, iss, 65535) == cases[i].n);
        for (unsigned k = 0; k < wire.n; k++)
            CHECK(sent(k, ACK, iss + 1 + k * cases[i].seg, seq) &&
                  out_data(k) == cases[i].seg);
        /* Lost: the first one again, alone, then slowly more. */
        CHECK(tick(1000 + 249999) == 0);
        CHECK(tick(1000 + 250000) == 1 && sent(0, ACK, iss + 1, seq));
        CHECK(out_data(0) == cases[i].seg && wire.r.count.resent == 1);
        CHECK(say(6, ACK, seq, iss + 1 + cases[i].seg, 65535) == 2);
    }
}

/* The FIN takes a place in the window too. */
static void test_tcp_fin_window(void)
{
    unsigned wnd = HEAD(2) + 10;
    uint32_t iss, end, seq = 100 + REQ_LEN;

    wire_reset(10);
    iss = shake(4, wnd, 1000);
    end = iss + 1 + wnd;
    CHECK(ask(4, iss, wnd) == 1 && sent(0, ACK, iss + 1, seq));
    CHECK(out_data(0) == wnd);
    CHECK(say(4, ACK, seq, end, 1) == 1 && sent(0, FIN | PSH | ACK, end, seq));
}

/* Time-outs double, start afresh with progress, and duplicate ACKs don't put
 * them off. */
static void test_tcp_timer(void)
{
    uint32_t iss, seq = 100 + REQ_LEN, at;

    wire_reset(RESPONDER_BODY);
    iss = shake(6, 65535, 1000);
    ask(6, iss, 65535);
    for (unsigned t = 50000; t < 250000; t += 50000) {
        CHECK(say(6, ACK, seq, iss + 1, 65535) == 0);
        CHECK(tick(1000 + t) == 0);
    }
    CHECK(tick(1000 + 250000) == 1);
    CHECK(tick(1000 + 749999) == 0 && tick(1000 + 750000) == 1);
    CHECK(tick(1000 + 1749999) == 0 && tick(1000 + 1750000) == 1);
    /* All four had arrived: go on behind them, not behind the resent one. */
    at = iss + 1 + 4000;
    CHECK(say(6, ACK, seq, at, 65535) == 2);
    CHECK(sent(0, ACK, at, seq) && sent(1, ACK, at + 1000, seq));
    CHECK(tick(1000 + 1999999) == 0 && tick(1000 + 2000000) == 1);
    /* A part-filled segment waits while anything is under way. */
    iss = shake(7, 1500, 1000);
    CHECK(ask(7, iss, 1500) == 1 && out_data(0) == 1000);
}

static void test_tcp_stale(void)
{
    uint32_t iss, end, seq = 100 + REQ_LEN;
    struct seg s = {.port = 5, .flags = PSH, .wnd = 9000};

    wire_reset(3000);
    iss = shake(5, 0, 1000);
    /* No ACK flag: nothing may come of it. */
    s.seq = 100;
    s.data = request;
    s.len = REQ_LEN;
    CHECK(give_seg(&s) == 0 && wire.r.count.http == 0);
    CHECK(ask(5, iss, 0) == 1);
    /* An older segment's window does not replace a newer one's. */
    CHECK(say(5, ACK, seq + 5, iss + 1, 0) == 0);
    CHECK(say(5, ACK, seq, iss + 1, 9000) == 0);
    CHECK(say(5, ACK, seq + 5, iss + 1, 9000) == 4);
    end = iss + 1 + HEAD(4) + 3000;
    CHECK(sent(3, FIN | PSH | ACK, end - (uint32_t)out_data(3), seq));
    /* After the peer's FIN no data counts. */
    CHECK(say(5, FIN | ACK, seq + 5, end + 1, 9000) == 1);
    CHECK(sent(0, ACK, end + 1, seq));
    CHECK(say(5, FIN | ACK, seq, end + 1, 9000) == 1);
    CHECK(sent(0, ACK, end + 1, seq + 1));
    s.flags = ACK;
    s.seq = seq + 1;
    s.ack = end + 1;
    CHECK(give_seg(&s) == 1 && sent(0, ACK, end + 1, seq + 1));
}

/* Our own numbers pass zero within the page. */
static void test_tcp_wrap(void)
{
    struct responder_conn *c = &wire.r.conns[0];
    uint32_t seq = 100 + REQ_LEN, at = 0u - 1500;

    wire_reset(4000);
    say(4, SYN, 99, 0, 9000);
    c->iss = c->una = at - 1;
    c->nxt = c->max = at;
    CHECK(tick(1000 + 250000) == 1 && rd32(out_tcp(0) + 4) == at - 1);
    CHECK(say(4, ACK, 100, at, 2144) == 0);
    CHECK(ask(4, at - 1, 2144) == 1 && sent(0, ACK, at, seq));
    CHECK(say(4, ACK, seq, at + 536, 2144) == 2);
    CHECK(say(4, ACK, seq, at + 3 * 536, 2144) >= 2);
    CHECK(sent(0, ACK, at + 3 * 536, seq));
    CHECK(tick(1000 + 500000) == 1 && sent(0, ACK, at + 3 * 536, seq));
    CHECK(say(4, ACK, seq, at + 536, 2144) == 0); /* an old one */
    CHECK(c->una == at + 3 * 536);
}

static void test_tcp_requests(void)
{
    static const struct {
        const char *text, *status;
        size_t page;
        bool body;
    } cases[] = {
        {"GET / HTTP/1.0\n\n", "HTTP/1.1 200 OK\r\n", 5, true},
        {"HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 5, false},
        {"POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method", 5, true},
        {"\r\n\r\n", "HTTP/1.1 405 Method", 5, true},
        {"GET / HTTP/1.1\r\n\r\ntrailing", "HTTP/1.1 200 OK\r\n", 5, true},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", 0, false},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not", SIZE_MAX, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t iss;
        size_t n = strlen(cases[i].text);
        const char *t = (const char *)out_tcp(0) + 20;

        wire_reset(cases[i].page);
        if (cases[i].page == SIZE_MAX)
            responder_set_page(&wire.r, NULL, NULL);
        iss = shake(7, 9000, 1460);
        CHECK(give_seg(&(struct seg){.port = 7,
                                     .flags = ACK,
                                     .seq = 100,
                                     .ack = iss + 1,
                                     .wnd = 9000,
                                     .data = cases[i].text,
                                     .len = n}) == 1);
        CHECK(rd32(out_tcp(0) + 8) == 100 + n);
        if (!CHECK(memcmp(t, cases[i].status, strlen(cases[i].status)) == 0) ||
            !CHECK((memcmp(t + out_data(0) - 4, "\r\n\r\n", 4) != 0) ==
                   cases[i].body))
            printf("  request %zu\n", i);
    }
    wire_reset(RESPONDER_BODY + 1); /* a page that claims too much */
    CHECK(ask(8, shake(8, 9000, 1460), 9000) == 4);
    CHECK(strstr((const char *)out_tcp(0) + 20, "Content-Length: 8192\r\n") !=
          NULL);
}

static void test_tcp_endless_request(void)
{
    char junk[1000];
    uint32_t iss, at = 100;
    unsigned n = 0;

    wire_reset(10);
    iss = shake(9, 9000, 1460);
    memset(junk, 'x', sizeof(junk));
    while (n < 20 && out_tcp(0)[13] != (FIN | PSH | ACK)) {
        give_seg(&(struct seg){.port = 9,
                               .flags = ACK,
                               .seq = at,
                               .ack = iss + 1,
                               .wnd = 9000,
                               .data = junk,
                               .len = sizeof(junk)});
        at += sizeof(junk);
        n++;
    }
    CHECK(n == 9 && wire.r.count.http == 0);
    CHECK(memcmp(out_tcp(0) + 20, "HTTP/1.1 431", 12) == 0);
}

static void test_tcp_recycle(void)
{
    uint32_t iss[20], end;

    wire_reset(10);
    for (unsigned i = 0; i < RESPONDER_CONNS; i++) {
        tick(2000 + i);
        iss[i] = shake(100 + i, 8000, 1460);
    }
    tick(3000);
    say(100, ACK, 100, iss[0] + 1, 8000); /* the first is not idle now */
    CHECK(say(200, SYN, 5, 0, 8000) == 2);
    CHECK(sent(0, RST | ACK, iss[1] + 1, 100) && rd16(out_tcp(0) + 2) == 101);
    CHECK(out_tcp(1)[13] == (SYN | ACK) && rd16(out_tcp(1) + 2) == 200);
    CHECK(ask(100, iss[0], 8000) == 1 && out_data(0) > 10);
    CHECK(ask(101, iss[1], 8000) == 1 && out_tcp(0)[13] == RST);
    CHECK(ask(102, iss[2], 8000) == 1 && out_data(0) > 10);
    /* One that is through goes first, however young, and in silence. */
    end = iss[2] + 2 + (uint32_t)out_data(0);
    tick(4000);
    say(102, FIN | ACK, 100 + REQ_LEN, end, 8000);
    CHECK(say(201, SYN, 5, 0, 8000) == 1 && out_tcp(0)[13] == (SYN | ACK));
    CHECK(say(102, ACK, 101 + REQ_LEN, end, 8000) == 1);
    CHECK(sent(0, RST, end, 0));
    /* Idle for half a minute: reset; then all is free again. */
    tick(3000 + 31000000);
    tick(3000 + 99000000);
    for (unsigned i = 0; i < 60; i++)
        tick(100000000 + i * 4000000);
    for (unsigned i = 0; i < RESPONDER_CONNS; i++)
        CHECK(wire.r.conns[i].state == 0);
}

/* The peer closes before it asked for anything, or goes away half-way. */
static void test_tcp_close(void)
{
    uint32_t iss;

    wire_reset(10);
    iss = shake(20, 8000, 1460);
    CHECK(say(20, FIN | ACK, 100, iss + 1, 8000) == 1);
    CHECK(sent(0, FIN | PSH | ACK, iss + 1, 101));
    CHECK(say(20, ACK, 101, iss + 2, 8000) == 0);
    CHECK(tick(10001000) == 0 && wire.r.conns[0].state == 0);
    /* FIN lost: sent again, by the timer. */
    iss = shake(21, 8000, 1460);
    CHECK(ask(21, iss, 8000) == 1);
    CHECK(say(21, ACK, 100 + REQ_LEN, iss + 1 + HEAD(2) + 10, 8000) == 0);
    CHECK(tick(11000000) == 1);
    CHECK(sent(0, FIN | PSH | ACK, iss + 1 + HEAD(2) + 10, 100 + REQ_LEN));
    CHECK(out_data(0) == 0);
    /* It acknowledges, but never closes its side. */
    CHECK(say(21, ACK, 100 + REQ_LEN, iss + 2 + HEAD(2) + 10, 8000) == 0);
    CHECK(tick(22000000) == 0 && wire.r.conns[0].state == 0);
}

/* ---- a client over a bad network -------------------------------------- */

struct net {
    uint32_t rng;
    unsigned loss, twice, swap; /* of 1000 */
};

static uint32_t roll(struct net *net)
{
    net->rng ^= net->rng << 13;
    net->rng ^= net->rng >> 17;
    net->rng ^= net->rng << 5;
    return net->rng * 0x9e3779b1u >> 8;
}

/* Frames under way in one direction. */
struct queue {
    unsigned n;
    size_t len[256];
    uint8_t frame[256][RESPONDER_FRAME];
};

static struct queue to_client, to_server;

static void queue_put(struct queue *q, struct net *net, const uint8_t *f,
                      size_t len)
{
    unsigned copies = 1 + (roll(net) % 1000 < net->twice);

    if (roll(net) % 1000 < net->loss)
        return;
    while (copies--) {
        unsigned at = q->n;

        if (!CHECK(at < 256))
            return;
        while (at > 0 && roll(net) % 1000 < net->swap) {
            memcpy(q->frame[at], q->frame[at - 1], q->len[at - 1]);
            q->len[at] = q->len[at - 1];
            at--;
        }
        memcpy(q->frame[at], f, len);
        q->len[at] = len;
        q->n++;
    }
}

struct client {
    struct net *net;
    unsigned port, wnd, mss, chop;
    uint32_t iss, una, rcv_nxt, edge; /* edge: the highest window end */
    bool open, its_fin, my_fin, reset;
    size_t got;
    char data[RESPONDER_HEAD + RESPONDER_BODY + 1];
};

static void client_send(struct client *c, unsigned flags, size_t len)
{
    uint8_t f[1600];
    uint32_t at = c->una - c->iss - 1;
    struct seg s = {.port = c->port,
                    .flags = flags,
                    .wnd = c->wnd,
                    .mss = flags & SYN ? c->mss : 0,
                    .seq = flags & SYN ? c->iss : c->una,
                    .ack = flags & ACK ? c->rcv_nxt : 0,
                    .data = len ? request + at : NULL,
                    .len = len};

    if (c->open && (int32_t)(c->rcv_nxt + c->wnd - c->edge) > 0)
        c->edge = c->rcv_nxt + c->wnd;
    queue_put(&to_server, c->net, f, make_tcp(f, &s));
}

/* Says all that there is to say: SYN, a piece of the request, FIN, or ACK. */
static void client_speak(struct client *c)
{
    size_t left = REQ_LEN - (c->una - c->iss - 1);

    if (!c->open)
        client_send(c, SYN, 0);
    else if (c->una - c->iss - 1 < REQ_LEN)
        client_send(c, ACK, left < c->chop ? left : c->chop);
    else if (c->its_fin && c->una - c->iss - 1 == REQ_LEN)
        client_send(c, FIN | ACK, 0);
    else
        client_send(c, ACK, 0);
}

static void client_take(struct client *c, const uint8_t *f)
{
    const uint8_t *t = f + TCP_AT;
    size_t len = rd16(f + 16) - 20u - t[12] / 16 * 4;
    uint32_t seq = rd32(t + 4), ack = rd32(t + 8);
    const char *data = (const char *)t + t[12] / 16 * 4;

    if (t[13] & RST) {
        c->reset = true;
        return;
    }
    if (t[13] & SYN) {
        if (c->open)
            return;
        c->open = true;
        c->una = c->iss + 1;
        c->rcv_nxt = seq + 1;
        c->edge = seq + 1 + c->wnd;
    }
    CHECK(c->open && len <= c->mss && len <= 1460);
    CHECK((int32_t)(seq + (uint32_t)len + (t[13] & FIN) - c->edge) <= 0);
    if ((int32_t)(ack - c->una) > 0)
        c->una = ack;
    if (c->una == c->iss + 2 + REQ_LEN)
        c->my_fin = true;
    if (len != 0 && seq == c->rcv_nxt) {
        if (CHECK(c->got + len < sizeof(c->data)))
            memcpy(c->data + c->got, data, len);
        c->got += len;
        c->rcv_nxt += (uint32_t)len;
        seq += (uint32_t)len;
    } else {
        seq += (uint32_t)len;
    }
    if (t[13] & FIN && seq == c->rcv_nxt && !c->its_fin) {
        c->its_fin = true;
        c->rcv_nxt++;
    }
    if (len != 0 || t[13] & (SYN | FIN) || c->una - c->iss - 1 < REQ_LEN)
        client_speak(c);
}

static bool client_done(const struct client *c)
{
    return c->its_fin && c->my_fin;
}

static void net_round(struct client *c, struct net *net)
{
    static struct queue now;

    now = to_server;
    to_server.n = 0;
    for (unsigned i = 0; i < now.n; i++) {
        give(now.frame[i], now.len[i]);
        for (unsigned k = 0; k < wire.n; k++)
            queue_put(&to_client, net, wire.frame[k], wire.len[k]);
    }
    now = to_client;
    to_client.n = 0;
    for (unsigned i = 0; i < now.n; i++)
        client_take(c, now.frame[i]);
}

/* One fetch; returns the milliseconds it took, or 0 when it never ended. */
static unsigned fetch(struct client *c, struct net *net)
{
    to_client.n = to_server.n = 0;
    c->net = net;
    c->una = c->iss;
    for (unsigned ms = 1; ms < 200000; ms++) {
        if (ms % 300 == 1)
            client_speak(c);
        if (to_server.n || to_client.n)
            net_round(c, net);
        tick(1000 + ms * 1000ull);
        for (unsigned k = 0; k < wire.n; k++)
            queue_put(&to_client, net, wire.frame[k], wire.len[k]);
        if (client_done(c) || c->reset)
            return c->reset ? 0 : ms;
    }
    return 0;
}

static bool body_right(const struct client *c, size_t page)
{
    const char *body = strstr(c->data, "\r\n\r\n");
    size_t head = body == NULL ? 0 : (size_t)(body + 4 - c->data);

    if (body == NULL || c->got != head + page)
        return false;
    for (size_t i = 0; i < page; i++)
        if (body[4 + i] != page_byte(i))
            return false;
    return true;
}

static void test_fetch(void)
{
    static const struct {
        unsigned page, wnd, mss, chop, loss, twice, swap;
    } cases[] = {
        {PAGE, 65535, 1460, 1000, 0, 0, 0}, {PAGE, 2000, 1460, 1000, 0, 0, 0},
        {PAGE, 65535, 536, 5, 0, 0, 0},     {8192, 65535, 1460, 1, 0, 0, 0},
        {PAGE, 700, 64, 1000, 0, 0, 0},     {PAGE, 65535, 1460, 7, 50, 0, 0},
        {8192, 4000, 536, 9, 200, 0, 0},    {PAGE, 65535, 1460, 9, 0, 300, 0},
        {PAGE, 8000, 1000, 9, 0, 0, 300},   {8192, 9000, 800, 4, 100, 100, 200},
        {0, 9000, 1460, 4, 300, 100, 200},  {1, 100, 64, 4, 100, 100, 200},
    };
    static struct client c;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (uint32_t seed = 1; seed <= 12; seed++) {
            struct net net = {.rng = seed * 7919 + (uint32_t)i,
                              .loss = cases[i].loss,
                              .twice = cases[i].twice,
                              .swap = cases[i].swap};

            memset(&c, 0, sizeof(c));
            c.port = 1024 + seed;
            c.wnd = cases[i].wnd;
            c.mss = cases[i].mss;
            c.chop = cases[i].chop;
            c.iss = seed * 0x10000001u - 20;
            if (seed % 2)
                c.iss = 0u - seed; /* wraps within the request */
            wire_reset(cases[i].page);
            if (!CHECK(fetch(&c, &net) > 0) ||
                !CHECK(body_right(&c, cases[i].page)) ||
                !CHECK(wire.r.count.bad == 0 && wire.r.count.http == 1))
                printf("  case %zu seed %u: %zu bytes\n", i, seed, c.got);
            CHECK(net.loss || net.twice || net.swap ||
                  wire.r.count.resent == 0);
        }
    }
}

/* ---- mutations -------------------------------------------------------- */

/* `at` has, for each of 10 ports, what the server would like to see as ack. */
static size_t seed_frame(uint8_t *f, struct net *net, const uint32_t *at)
{
    static const unsigned flags[] = {SYN,       ACK,       ACK, ACK | PSH,
                                     ACK | PSH, FIN | ACK, RST, SYN | ACK};
    unsigned port = roll(net) % 10;
    struct seg s = {.port = 100 + port,
                    .flags = flags[roll(net) % 8],
                    .seq = 100,
                    .ack = at[port],
                    .wnd = roll(net) % 3 ? 5000 : roll(net) % 3,
                    .mss = roll(net) % 2 ? 536 : 0,
                    .data = request,
                    .len = roll(net) % 2 ? REQ_LEN : 0};

    if (roll(net) % 4 == 0)
        s.seq += roll(net) % 40 - 5;
    if (roll(net) % 4 == 0)
        s.ack += roll(net) % 7000;
    if (s.flags == SYN)
        s.seq = 99;
    switch (roll(net) % 8) {
    case 0:
        return make_arp(f, ITS_IP);
    case 1:
        return make_icmp(f, roll(net) % 1473);
    case 2:
        return make_udp(f, 4000, 7, roll(net) % 1473);
    default:
        return make_tcp(f, &s);
    }
}

static size_t mutate(uint8_t *f, size_t len, struct net *net)
{
    unsigned n = roll(net) % 4;

    while (n--) {
        unsigned within = roll(net) % 2 ? 64 : (unsigned)len;
        unsigned at = roll(net) % (within < len ? within : (unsigned)len);

        if (roll(net) % 2)
            f[at] ^= (uint8_t)(1u << roll(net) % 8);
        else
            f[at] = (uint8_t)roll(net);
    }
    /* Half of them get right checksums, to come further in. */
    if (roll(net) % 2 && f[12] == 8 && f[13] == 0 && rd16(f + 16) >= 40 &&
        rd16(f + 16) + 14u <= len)
        seal(f);
    return roll(net) % 4 ? len : roll(net) % (len + 1);
}

static void learn(uint32_t *at)
{
    for (unsigned i = 0; i < wire.n; i++) {
        const uint8_t *t = out_tcp(i);
        unsigned port = rd16(t + 2) - 100u;

        if (wire.frame[i][23] == 6 && port < 10 && !(t[13] & RST))
            at[port] = rd32(t + 4) + (uint32_t)out_data(i) + !!(t[13] & 3);
    }
}

static void test_mutations(void)
{
    struct net net = {.rng = 20260101};
    uint8_t f[2048];
    uint64_t now = 1000;
    uint32_t at[10] = {0};
    uint64_t good;

    wire_reset(PAGE);
    for (unsigned i = 0; i < 60000; i++) {
        size_t len = seed_frame(f, &net, at);

        if (i % 4)
            len = mutate(f, len, &net);
        give(f, len);
        learn(at);
        if (i % 16 == 0)
            tick(now += roll(&net) % 400000);
        learn(at);
    }
    good = wire.r.count.arp + wire.r.count.icmp + wire.r.count.udp;
    CHECK(wire.r.count.frames_in == 60000);
    CHECK(good > 5000 && wire.r.count.tcp > 10000);
}

/* ---- */

static void run(const char *name, void (*test)(void))
{
    failures = 0;
    test();
    printf("%s %s\n", failures ? "FAIL" : "ok  ", name);
    if (failures)
        failed++;
    else
        passed++;
}

int main(void)
{
    run("responder: ARP", test_arp);
    run("responder: ICMP echo, 0 to 1472 bytes", test_icmp);
    run("responder: UDP echo", test_udp);
    run("responder: checksum offload both ways", test_offload);
    run("responder: malformed frames, by table", test_malformed);
    run("responder: one small page, close, reopen", test_tcp_small);
    run("responder: resets and challenges", test_tcp_reset);
    run("responder: out of order, overlap, FIN with data", test_tcp_order);
    run("responder: shut and small windows", test_tcp_window);
    run("responder: MSS, flight, resend", test_tcp_flight);
    run("responder: FIN waits for the window", test_tcp_fin_window);
    run("responder: timers", test_tcp_timer);
    run("responder: stale windows, data after FIN", test_tcp_stale);
    run("responder: sequence numbers pass zero", test_tcp_wrap);
    run("responder: kinds of request", test_tcp_requests);
    run("responder: request without an end", test_tcp_endless_request);
    run("responder: ninth connection", test_tcp_recycle);
    run("responder: close before, during, never", test_tcp_close);
    run("responder: fetches over a bad network", test_fetch);
    run("responder: 60000 mutations", test_mutations);
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
