/* SPDX-License-Identifier: MIT */
/*
 * A network host in one struct: answers ARP, ICMP echo, UDP echo (port 7) and
 * HTTP over TCP (port 80) on plain Ethernet frames. It knows no driver: frames
 * go in through responder_input and come out through a callback. No allocation,
 * no global state, no libc; nothing a frame says is used before it is checked.
 * It is for demos and tests: no IP fragments, no options, no routing table
 * (an answer goes to the MAC address that asked).
 */
#ifndef RESPONDER_H
#define RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESPONDER_CONNS 8    /* TCP connections at once */
#define RESPONDER_HEAD  160  /* room for the HTTP header */
#define RESPONDER_BODY  8192 /* the largest page */
#define RESPONDER_MTU   1500
#define RESPONDER_FRAME (14 + RESPONDER_MTU)

/* Flags; may be changed before any call. */

/* The device verified TCP and UDP checksums of the frame passed in next. */
#define RESPONDER_RX_VERIFIED 1u
/* The device completes TCP and UDP checksums: see responder_csum_place. */
#define RESPONDER_TX_PARTIAL 2u

/* One frame to send. It must be copied or sent before the callback returns, and
 * the callback must not call back into the responder. */
typedef void responder_emit_fn(void *ctx, const uint8_t *frame, size_t len);

/* Writes the page's body, at most cap bytes, and returns its length. */
typedef size_t responder_page_fn(void *ctx, char *buf, size_t cap);

struct responder_counters {
    uint64_t frames_in;  /* frames passed in */
    uint64_t frames_out; /* frames emitted */
    uint64_t arp;        /* ARP requests answered */
    uint64_t icmp;       /* echo requests answered */
    uint64_t udp;        /* datagrams echoed */
    uint64_t tcp;        /* TCP segments accepted for processing */
    uint64_t http;       /* requests answered */
    uint64_t resent;     /* TCP time-outs that sent something again */
    uint64_t ignored;    /* well formed, but not for us */
    uint64_t bad;        /* malformed, or a wrong checksum */
};

/* One TCP connection. Private. Sequence numbers compare modulo 2^32. */
struct responder_conn {
    uint64_t deadline_us; /* when the timer strikes */
    uint64_t touched_us;  /* the peer's last segment */
    uint32_t peer_ip;
    uint32_t iss;      /* our first sequence number */
    uint32_t una;      /* oldest one not acknowledged */
    uint32_t nxt;      /* next one to send */
    uint32_t max;      /* highest one ever sent, plus 1 */
    uint32_t wnd;      /* the peer's window */
    uint32_t wl1, wl2; /* seq and ack of the last window update */
    uint32_t cwnd;     /* our own limit on bytes in flight */
    uint32_t rcv_nxt;
    uint32_t rto_us;
    uint32_t req_len;    /* request bytes seen */
    uint32_t start, len; /* the response inside text */
    uint16_t peer_port;
    uint16_t mss;
    uint8_t peer_mac[6];
    uint8_t state;
    uint8_t timer;
    uint8_t retries;
    uint8_t newlines; /* consecutive line ends in the request */
    bool ready;       /* the response stands, a FIN follows it */
    bool peer_fin;
    bool ack_due;
    char method[8];
    char text[RESPONDER_HEAD + RESPONDER_BODY];
};

struct responder {
    uint32_t flags; /* RESPONDER_..., the caller's to change */
    uint32_t ip;    /* host byte order: 0x0a00020f is 10.0.2.15 */
    uint8_t mac[6];
    uint16_t ip_id;
    uint64_t now_us;
    uint32_t opened;
    responder_page_fn *page;
    void *page_ctx;
    responder_emit_fn *emit; /* valid during a call */
    void *emit_ctx;
    struct responder_counters count;
    struct responder_conn conns[RESPONDER_CONNS];
    uint8_t out[RESPONDER_FRAME];
};

/* Sets everything to zero, then the address. No page: port 80 answers 404. */
void responder_init(struct responder *r, const uint8_t mac[6], uint32_t ip);

/* Says who writes the page that HTTP serves. */
void responder_set_page(struct responder *r, responder_page_fn *page,
                        void *ctx);

/* Takes one frame (without FCS, any length); returns the frames emitted. */
size_t responder_input(struct responder *r, const uint8_t *frame, size_t len,
                       responder_emit_fn *emit, void *ctx);

/* Tells the time (monotonic) and sends again what was lost. To be called once
 * before the first frame and then a few times a second, or more often. Returns
 * the frames emitted. */
size_t responder_tick(struct responder *r, uint64_t now_us,
                      responder_emit_fn *emit, void *ctx);

/* For an emitted frame under RESPONDER_TX_PARTIAL: true when the device is to
 * sum from byte `start` to the end and store at `start + offset`. */
bool responder_csum_place(const uint8_t *frame, size_t len, uint16_t *start,
                          uint16_t *offset);

/* The Internet checksum's sum (RFC 1071), folded, not complemented. */
uint16_t responder_sum(const uint8_t *data, size_t len, uint32_t seed);

#endif
