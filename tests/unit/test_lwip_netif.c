/* SPDX-License-Identifier: MIT */
/*
 * The real lwIP stack over our network driver: it serves a page over TCP and
 * fetches another, at the same time.  Its frames go through the driver and the
 * fake card's wire, a socket, to a second process, where another lwIP with an
 * interface of a few lines and without any of our code is the other side.
 */
#include "check.h"

#ifdef HAVE_LWIP

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <virtio_drv/virtio_net.h>

#include <lwip/api.h>
#include <lwip/etharp.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

#include "live_machine.h"
#include "lwip_netif.h"

#define PAGE  300000u /* bytes of a page, of many windows */
#define FRAME 1514u
#define QUEUE 64u

#define PATIENCE 5000 /* ms */

/* One end of the wire: its page, and what it knows of the other's. */
struct side {
    uint8_t host, peer; /* 10.0.0.x */
    uint8_t seed;       /* of its page */
    uint8_t peer_seed;
    bool served, fetched;
    pthread_t server;
};

static ip_addr_t address(uint8_t host)
{
    ip_addr_t ip;

    IP_ADDR4(&ip, 10, 0, 0, host);
    return ip;
}

static uint8_t page_byte(uint8_t seed, size_t i)
{
    return (uint8_t)((i * 2654435761u >> 13) + seed);
}

/* ---- Serving and fetching, on both sides ---------------------------------------- */

static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";
static const char ask[] = "GET / HTTP/1.0\r\n\r\n";

/* What comes until the other side closes or `buf` is full. */
static size_t receive(struct netconn *c, uint8_t *buf, size_t size,
                      const char *until)
{
    struct netbuf *nb;
    size_t n = 0;

    while (n < size && netconn_recv(c, &nb) == ERR_OK) {
        n += netbuf_copy_partial(nb, buf + n, (u16_t)LWIP_MIN(size - n, 65535),
                                 0);
        netbuf_delete(nb);
        if (until != NULL && n >= strlen(until) &&
            memcmp(buf + n - strlen(until), until, strlen(until)) == 0)
            break;
    }
    return n;
}

static void *serve(void *arg)
{
    static uint8_t page[PAGE], got[64];
    struct side *s = arg;
    struct netconn *listener = netconn_new(NETCONN_TCP), *c = NULL;

    for (size_t i = 0; i < PAGE; i++)
        page[i] = page_byte(s->seed, i);
    netconn_set_recvtimeout(listener, PATIENCE);
    netconn_bind(listener, NULL, 80);
    netconn_listen(listener);
    if (netconn_accept(listener, &c) == ERR_OK) {
        size_t n;

        netconn_set_recvtimeout(c, PATIENCE);
        n = receive(c, got, sizeof(got), "\r\n\r\n");
        s->served =
            n == strlen(ask) && memcmp(got, ask, n) == 0 &&
            netconn_write(c, head, strlen(head), NETCONN_COPY) == ERR_OK &&
            netconn_write(c, page, PAGE, NETCONN_COPY) == ERR_OK &&
            netconn_close(c) == ERR_OK;
        netconn_delete(c);
    }
    netconn_delete(listener);
    return NULL;
}

static bool fetch(const struct side *s)
{
    static uint8_t got[PAGE + 1000];
    const ip_addr_t peer = address(s->peer);
    struct netconn *c = NULL;
    size_t n, skip = strlen(head), right = 0;
    err_t err = ERR_CONN;

    for (int tries = 0; tries < 50 && err != ERR_OK; tries++) {
        if (c != NULL) {
            netconn_delete(c);
            usleep(20000); /* the other side is not there yet */
        }
        c = netconn_new(NETCONN_TCP);
        err = netconn_connect(c, &peer, 80);
    }
    netconn_set_recvtimeout(c, PATIENCE);
    netconn_write(c, ask, strlen(ask), NETCONN_COPY);
    n = receive(c, got, sizeof(got), NULL);
    netconn_delete(c);
    while (right < PAGE && right + skip < n &&
           got[right + skip] == page_byte(s->peer_seed, right))
        right++;
    return n == PAGE + skip && right == PAGE && memcmp(got, head, skip) == 0;
}

static void both(struct side *s)
{
    pthread_create(&s->server, NULL, serve, s);
    s->fetched = fetch(s);
    pthread_join(s->server, NULL);
}

/* A stack with one interface. */
static void start_stack(struct netif *netif, const struct side *s, void *state,
                        netif_init_fn init, netif_input_fn take)
{
    const ip_addr_t ip = address(s->host),
                    mask = IPADDR4_INIT_BYTES(255, 255, 255, 0);

    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    CHECK(netif_add(netif, ip_2_ip4(&ip), ip_2_ip4(&mask), IP4_ADDR_ANY4, state,
                    init, take) != NULL);
    netif_set_up(netif);
    UNLOCK_TCPIP_CORE();
}

/* ---- The other process -------------------------------------------------------------- */

static int far_wire;

static err_t far_output(struct netif *netif, struct pbuf *p)
{
    uint8_t frame[FRAME];
    const u16_t n = pbuf_copy_partial(p, frame, sizeof(frame), 0);

    (void)netif;
    return send(far_wire, frame, n, 0) == n ? ERR_OK : ERR_IF;
}

static err_t far_init(struct netif *netif)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0xfa, 0xfa, 2};

    memcpy(netif->hwaddr, mac, sizeof(mac));
    netif->hwaddr_len = sizeof(mac);
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
                   NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = far_output;
    return ERR_OK;
}

static void *far_reader(void *arg)
{
    struct netif *netif = arg;
    uint8_t frame[FRAME];
    ssize_t n;

    while ((n = recv(far_wire, frame, sizeof(frame), 0)) > 0) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);

        pbuf_take(p, frame, (u16_t)n);
        if (tcpip_input(p, netif) != ERR_OK)
            pbuf_free(p);
    }
    return NULL;
}

/* The exit code tells what went well: 1 served, 2 fetched. */
static void far_side(int wire)
{
    static struct netif netif;
    static struct side s = {
        .host = 2, .peer = 1, .seed = 0x77, .peer_seed = 0x11};
    pthread_t reader;

    far_wire = wire;
    alarm(20);
    start_stack(&netif, &s, NULL, far_init, tcpip_input);
    pthread_create(&reader, NULL, far_reader, &netif);
    both(&s);
    usleep(300000); /* the last acknowledgements */
    _exit((s.served ? 1 : 0) | (s.fetched ? 2 : 0));
}

/* ---- Our machine -------------------------------------------------------------------------- */

static struct machine {
    struct live l;
    struct fake_net dev;
    struct vdrv_mmio mmio;
    struct vdrv_virtio_net nic;
    struct vdrv_net_pool rx_pool, tx_pool;
    struct vdrv_net_buf rx_bufs[LWIP_CARD_RX], tx_bufs[QUEUE];
    struct netif netif;
    struct lwip_card card;
    int wire;
    unsigned lost;                   /* frames that the wire had no room for */
    unsigned bad_sent, bad_received; /* frames with a wrong checksum */
    uint64_t work[VDRV_VIRTIO_NET_WORK_SIZE(1, QUEUE, 4) / 8 + 1];
    _Alignas(64) uint8_t rx_mem[VDRV_NET_POOL_SIZE(LWIP_CARD_RX, FRAME)];
    _Alignas(64) uint8_t tx_mem[VDRV_NET_POOL_SIZE(QUEUE, FRAME)];
} m;

/* TCP would send again what is damaged; the checksums tell on the way. */
static bool damaged(const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + 14;
    const size_t head_len = (ip[0] & 15u) * 4u;
    size_t total, n;
    uint32_t pseudo;

    if (len < 34 || frame[12] != 8 || frame[13] != 0)
        return len < 42; /* no IP, but ARP */
    total = (size_t)ip[2] << 8 | ip[3];
    if (total < head_len || total > len - 14 || ip[9] != 6)
        return true;
    n = total - head_len;
    pseudo = 0xffffu & ~(uint32_t)fake_net_checksum(ip + 12, 8, 0);
    return fake_net_checksum(ip, head_len, 0) != 0 ||
           fake_net_checksum(ip + head_len, n, pseudo + 6 + (uint32_t)n) != 0;
}

/* Between the adapter and the stack. */
static err_t checked_input(struct pbuf *p, struct netif *netif)
{
    m.bad_received += damaged(p->payload, p->len);
    return ethernet_input(p, netif);
}

static void on_frame(void *arg, struct fake_net *n, uint32_t pair,
                     const uint8_t *frame, size_t len,
                     const struct fake_net_meta *meta)
{
    (void)arg, (void)n, (void)pair, (void)meta;
    m.bad_sent += damaged(frame, len);
    m.lost += send(m.wire, frame, len, MSG_DONTWAIT) != (ssize_t)len;
}

static void on_arrival(void *arg)
{
    uint8_t frame[FRAME];
    ssize_t n;

    (void)arg;
    n = recv(m.wire, frame, sizeof(frame), MSG_DONTWAIT);
    if (n > 0)
        (void)fake_net_receive(&m.dev, frame, (size_t)n);
    else
        m.l.wire = -1; /* the other side is gone */
}

static void interrupt(void *arg)
{
    (void)arg;
    lwip_card_interrupt(&m.card);
}

static int make_pools(void)
{
    const struct vdrv_net_pool_config rx = {.bufs = m.rx_bufs,
                                            .mem = m.rx_mem,
                                            .mem_size = sizeof(m.rx_mem),
                                            .count = LWIP_CARD_RX};
    const struct vdrv_net_pool_config tx = {.bufs = m.tx_bufs,
                                            .mem = m.tx_mem,
                                            .mem_size = sizeof(m.tx_mem),
                                            .count = QUEUE};
    const int err = vdrv_net_pool_init(&m.rx_pool, &rx);

    return err != VDRV_OK ? err : vdrv_net_pool_init(&m.tx_pool, &tx);
}

static int setup(int wire)
{
    const struct vdrv_virtio_net_config cfg = {.work = m.work,
                                               .work_size = sizeof(m.work),
                                               .queue_size = QUEUE,
                                               .max_segs = 4,
                                               .rx_pool = {&m.rx_pool},
                                               .tx_pool = {&m.tx_pool}};
    int err = make_pools();

    m.wire = wire;
    live_init(&m.l);
    fake_net_init(&m.dev, &m.l.f, NULL);
    m.dev.on_frame = on_frame;
    live_plug(&m.l, &m.dev.dev);
    m.l.isr = interrupt;
    m.l.wire = wire;
    m.l.arrive = on_arrival;
    if (err == VDRV_OK)
        err = vdrv_mmio_probe(&m.mmio, &m.l.hal, LIVE_SLOT, FAKE_MMIO_SIZE);
    if (err == VDRV_OK)
        err = vdrv_virtio_net_init(&m.nic, &m.mmio.transport, &cfg);
    m.card.net = &m.nic.net;
    m.card.rx_bufs = m.rx_bufs;
    return err;
}

/* The stack lets go of the card; every buffer must be back in its pool. */
static void finish(void)
{
    live_halt(&m.l);
    LOCK_TCPIP_CORE();
    lwip_card_fini(&m.card);
    netif_remove(&m.netif);
    CHECK_EQ(vdrv_virtio_net_fini(&m.nic), VDRV_OK);
    CHECK_EQ(vdrv_net_pool_free(&m.rx_pool), LWIP_CARD_RX);
    CHECK_EQ(vdrv_net_pool_free(&m.tx_pool), QUEUE);
    UNLOCK_TCPIP_CORE();
    live_unplug(&m.l);
    fake_net_fini(&m.dev);
    live_fini(&m.l);
}

static void serve_and_fetch(void)
{
    static struct side s = {
        .host = 1, .peer = 2, .seed = 0x11, .peer_seed = 0x77};
    struct vdrv_net_stats stats;
    int wire[2], status = 0;
    pid_t far;

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, wire) == 0);
    far = fork();
    REQUIRE(far >= 0);
    if (far == 0) {
        close(wire[0]);
        far_side(wire[1]);
    }
    close(wire[1]);
    alarm(20);
    REQUIRE(setup(wire[0]) == VDRV_OK);
    live_run(&m.l);
    start_stack(&m.netif, &s, &m.card, lwip_card_init, checked_input);
    both(&s);
    CHECK(s.served);
    CHECK(s.fetched);
    CHECK_EQ(waitpid(far, &status, 0), far);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_EQ(vdrv_net_get_stats(&m.nic.net, &stats), VDRV_OK);
    CHECK(stats.tx_bytes > PAGE && stats.rx_bytes > PAGE);
    finish();
    CHECK_EQ(m.bad_sent, 0);
    CHECK_EQ(m.bad_received, 0);
    /* Both counted; some may have been under way at the end. */
    CHECK(m.dev.tx_frames <= stats.tx_frames);
    CHECK(stats.rx_frames <= m.dev.rx_frames);
    CHECK(m.l.interrupts > 0);
    printf("  %u frames sent, %u received, %u interrupts, %u lost\n",
           m.dev.tx_frames, m.dev.rx_frames, m.l.interrupts,
           m.lost + m.dev.rx_dropped);
    close(wire[0]);
}

#else

static void serve_and_fetch(void)
{
    CHECK_SKIP("liblwip-dev is not installed");
}

#endif

static const struct check_case cases[] = {{"serve_and_fetch", serve_and_fetch}};

CHECK_MAIN(cases)
