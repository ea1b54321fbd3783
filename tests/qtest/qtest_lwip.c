/* SPDX-License-Identifier: MIT */
/*
 * A real stack on a real device: lwIP, as Debian has it, over our adapter and
 * driver on QEMU's card, serves pages to the host through QEMU's user network.
 * The client is Python's, over the host's TCP; it tells the length and CRC of
 * what it got.
 *
 * `-n N` fetches 100 N bytes instead of the usual ten million.
 */
#include "check.h"
#include "qtest_machine.h"

#ifdef HAVE_LWIP

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lwip/api.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

#include "lwip_netif.h"

#define QUEUE   64u
#define FRAME   1514u
#define CHUNK   65536u
#define POLL_US 100u

static uint32_t operations;

static struct stand {
    struct qtest_machine m;
    struct vdrv_virtio_net nic;
    struct vdrv_net_pool rx_pool, tx_pool;
    struct vdrv_net_buf rx_bufs[LWIP_CARD_RX], tx_bufs[QUEUE];
    struct netif netif;
    struct lwip_card card;
    pthread_t interrupts, server;
    volatile int over;
    unsigned served;
    uint16_t port;       /* the host's */
    uint16_t guest_port; /* not one of which a connection may linger */
    struct netconn *listener;
    void *work, *rx_mem, *tx_mem;
} s;

/* ---- Registers, which several threads reach ------------------------------ */

static pthread_mutex_t bus = PTHREAD_MUTEX_INITIALIZER;
static uint32_t (*plain_read)(void *, uint32_t, uintptr_t, uint32_t);
static void (*plain_write)(void *, uint32_t, uintptr_t, uint32_t, uint32_t);

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    uint32_t value;

    pthread_mutex_lock(&bus);
    value = plain_read(ctx, space, addr, width);
    pthread_mutex_unlock(&bus);
    return value;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    pthread_mutex_lock(&bus);
    plain_write(ctx, space, addr, width, value);
    pthread_mutex_unlock(&bus);
}

/* The line is not seen from here; its cause is read all the time instead. */
static void *interrupts(void *arg)
{
    while (!s.over) {
        lwip_card_interrupt(&s.card);
        usleep(POLL_US);
    }
    return arg;
}

/* ---- The pages ----------------------------------------------------------- */

static uint8_t page_byte(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void page_fill(uint8_t *out, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = page_byte(at + i);
}

static uint32_t page_crc(size_t len)
{
    static uint32_t table[256];
    uint32_t crc = UINT32_MAX;

    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        table[i] = c;
    }
    for (size_t i = 0; i < len; i++)
        crc = crc >> 8 ^ table[(crc ^ page_byte(i)) & 255];
    return ~crc;
}

/* ---- The server ---------------------------------------------------------- */

/* What the request asks for, in bytes; 0 may be asked for, too. */
static bool take_request(struct netconn *c, size_t *size)
{
    char text[512] = "";
    struct netbuf *nb;
    size_t n = 0;

    while (n < sizeof(text) - 1 && strstr(text, "\r\n\r\n") == NULL) {
        if (netconn_recv(c, &nb) != ERR_OK)
            return false;
        n +=
            netbuf_copy_partial(nb, text + n, (u16_t)(sizeof(text) - 1 - n), 0);
        text[n] = '\0';
        netbuf_delete(nb);
    }
    *size = strtoull(text + strlen("GET /"), NULL, 10);
    return strncmp(text, "GET /", 5) == 0;
}

static bool answer(struct netconn *c)
{
    static uint8_t chunk[CHUNK];
    size_t size, n;
    char head[128];

    if (!take_request(c, &size))
        return false;
    n = (size_t)snprintf(head, sizeof(head),
                         "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n",
                         size);
    if (netconn_write(c, head, n, NETCONN_COPY) != ERR_OK)
        return false;
    for (size_t at = 0; at < size; at += n) {
        n = size - at < CHUNK ? size - at : CHUNK;
        page_fill(chunk, at, n);
        if (netconn_write(c, chunk, n, NETCONN_COPY) != ERR_OK)
            return false;
    }
    return netconn_close(c) == ERR_OK;
}

static void *serve(void *arg)
{
    struct netconn *c;

    while (!s.over) {
        if (netconn_accept(s.listener, &c) != ERR_OK)
            continue;
        netconn_set_recvtimeout(c, 5000);
        s.served += answer(c);
        netconn_delete(c);
    }
    netconn_delete(s.listener);
    return arg;
}

/* ---- The machine --------------------------------------------------------- */

/* A TCP port that nobody listens on just now. */
static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        a.sin_port = 0;
    close(fd);
    return ntohs(a.sin_port);
}

static int start_machine(uint32_t board, int packed)
{
    char more[128];
    const struct qtest_setup setup = {.board = board,
                                      .device = "virtio-net",
                                      .props = "netdev=n0",
                                      .more = more,
                                      .packed = packed};
    int err;

    s.port = free_port();
    s.guest_port = (uint16_t)(80 + board);
    snprintf(more, sizeof(more),
             "-netdev user,id=n0,hostfwd=tcp:127.0.0.1:%u-:%u", s.port,
             s.guest_port);
    err = qtest_start(&s.m, &setup);
    plain_read = s.m.hal.reg_read;
    plain_write = s.m.hal.reg_write;
    s.m.hal.reg_read = reg_read;
    s.m.hal.reg_write = reg_write;
    return err;
}

static int make_pool(struct vdrv_net_pool *pool, struct vdrv_net_buf *bufs,
                     uint32_t count, void **mem)
{
    struct vdrv_net_pool_config cfg = {.bufs = bufs, .count = count};

    cfg.mem_size = VDRV_NET_POOL_SIZE(count, FRAME);
    cfg.mem = *mem = qtest_alloc(&s.m, cfg.mem_size);
    return vdrv_net_pool_init(pool, &cfg);
}

static int start_driver(const struct vdrv_queue_kind *packed)
{
    struct vdrv_virtio_net_config cfg = {.queue_size = QUEUE,
                                         .max_segs = 4,
                                         .rx_pool = {&s.rx_pool},
                                         .tx_pool = {&s.tx_pool},
                                         .packed = packed};
    struct vdrv_transport *t = qtest_find(&s.m, VDRV_VIRTIO_NET_ID);

    if (t == NULL)
        return VDRV_ERR_NO_DEVICE;
    if (make_pool(&s.rx_pool, s.rx_bufs, LWIP_CARD_RX, &s.rx_mem) != VDRV_OK ||
        make_pool(&s.tx_pool, s.tx_bufs, QUEUE, &s.tx_mem) != VDRV_OK)
        return VDRV_ERR_NO_MEMORY;
    cfg.work_size = vdrv_virtio_net_work_size(t, &cfg);
    cfg.work = s.work = malloc(cfg.work_size);
    s.card.net = &s.nic.net;
    s.card.rx_bufs = s.rx_bufs;
    return vdrv_virtio_net_init(&s.nic, t, &cfg);
}

static void start_stack(void)
{
    static int started;
    ip4_addr_t ip, mask, gateway;

    IP4_ADDR(&ip, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    if (!started++)
        tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    CHECK(netif_add(&s.netif, &ip, &mask, &gateway, &s.card, lwip_card_init,
                    ethernet_input) != NULL);
    netif_set_default(&s.netif);
    netif_set_up(&s.netif);
    UNLOCK_TCPIP_CORE();
    s.listener = netconn_new(NETCONN_TCP);
    netconn_set_recvtimeout(s.listener, 100);
    CHECK_EQ(netconn_bind(s.listener, NULL, s.guest_port), ERR_OK);
    CHECK_EQ(netconn_listen(s.listener), ERR_OK);
    pthread_create(&s.interrupts, NULL, interrupts, NULL);
    pthread_create(&s.server, NULL, serve, NULL);
}

static void stop_stack(void)
{
    struct vdrv_net_stats stats;

    s.over = 1;
    pthread_join(s.server, NULL);
    pthread_join(s.interrupts, NULL);
    LOCK_TCPIP_CORE();
    CHECK_EQ(vdrv_net_get_stats(&s.nic.net, &stats), VDRV_OK);
    lwip_card_fini(&s.card);
    netif_remove(&s.netif);
    CHECK_EQ(vdrv_virtio_net_fini(&s.nic), VDRV_OK);
    CHECK_EQ(vdrv_net_pool_free(&s.rx_pool), LWIP_CARD_RX);
    CHECK_EQ(vdrv_net_pool_free(&s.tx_pool), QUEUE);
    UNLOCK_TCPIP_CORE();
    CHECK_EQ(stats.rx_runts + stats.rx_oversize + stats.rx_malformed, 0);
    printf("  %llu frames out, %llu in\n", (unsigned long long)stats.tx_frames,
           (unsigned long long)stats.rx_frames);
}

static void put_away(void)
{
    if (s.rx_mem != NULL)
        qtest_free(&s.m, s.rx_mem, VDRV_NET_POOL_SIZE(LWIP_CARD_RX, FRAME));
    if (s.tx_mem != NULL)
        qtest_free(&s.m, s.tx_mem, VDRV_NET_POOL_SIZE(QUEUE, FRAME));
    CHECK_EQ(s.m.live_pages, 0);
    qtest_end(&s.m);
    free(s.work);
}

/* ---- The client ---------------------------------------------------------- */

static const char script[] =
    "import http.client, sys, zlib\n"
    "for size in sys.argv[2:]:\n"
    "    link = http.client.HTTPConnection(\"127.0.0.1\", int(sys.argv[1]),\n"
    "                                      timeout=30)\n"
    "    link.request(\"GET\", \"/\" + size)\n"
    "    page, crc, n = link.getresponse(), 0, 0\n"
    "    while data := page.read(65536):\n"
    "        crc, n = zlib.crc32(data, crc), n + len(data)\n"
    "    print(page.status, n, crc, flush=True)\n";

/* Fetches pages of these sizes, one after another. */
static void fetch(const size_t *sizes, unsigned count)
{
    char command[1024];
    int n = snprintf(command, sizeof(command), "python3 -c '%s' %u", script,
                     s.port);
    FILE *client;

    for (unsigned i = 0; i < count; i++)
        n += snprintf(command + n, sizeof(command) - (size_t)n, " %zu",
                      sizes[i]);
    client = popen(command, "r");
    REQUIRE(client != NULL);
    for (unsigned i = 0; i < count && !check_failures; i++) {
        unsigned status = 0, crc = 0;
        size_t got = 0;

        CHECK_EQ(fscanf(client, "%u %zu %u", &status, &got, &crc), 3);
        CHECK_EQ(status, 200);
        CHECK_EQ(got, sizes[i]);
        CHECK_EQ(crc, page_crc(sizes[i]));
    }
    CHECK_EQ(pclose(client), 0);
}

static void serve_on(uint32_t board, const struct vdrv_queue_kind *packed)
{
    const size_t sizes[] = {1, 0, 1460, 1461, 65537, 100u * (size_t)operations};
    const unsigned count = sizeof(sizes) / sizeof(sizes[0]);
    uint64_t begin;
    int err;

    memset(&s, 0, sizeof(s));
    err = start_machine(board, packed != NULL);
    if (err == QTEST_NO_QEMU)
        check_skip_why = "no QEMU for this board";
    else
        CHECK_EQ(err, QTEST_OK);
    if (err == QTEST_OK) {
        err = start_driver(packed);
        CHECK_EQ(err, VDRV_OK);
        if (err == VDRV_OK) {
            start_stack();
            begin = qtest_now();
            fetch(sizes, count);
            printf("  %zu bytes in %.1f s\n", sizes[count - 1],
                   (double)(qtest_now() - begin) / 1e6);
            stop_stack();
            CHECK_EQ(s.served, count);
        }
    }
    put_away();
}

static void test_pages_pc(void)
{
    serve_on(QTEST_PC, NULL);
}

static void test_pages_virt_mmio_packed(void)
{
    serve_on(QTEST_VIRT_MMIO, &vdrv_queue_packed);
}

static const struct check_case cases[] = {
    {"pages_pc", test_pages_pc},
    {"pages_virt_mmio_packed", test_pages_virt_mmio_packed},
};

int main(int argc, char **argv)
{
    operations = qtest_operations(&argc, argv, 100000);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}

#else

static void test_skipped(void)
{
    CHECK_SKIP("liblwip-dev is not installed");
}

static const struct check_case cases[] = {{"pages", test_skipped}};

int main(int argc, char **argv)
{
    (void)qtest_operations(&argc, argv, 0);
    return check_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}

#endif
