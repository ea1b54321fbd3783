/* SPDX-License-Identifier: MIT */
/*
 * The demo on the fake, without an emulator: a machine with two disks, two
 * network cards and a display in this process.  Arguments, see FakeVm in
 * demo.py: bus, command line, the writable and the read-only disk's image, two
 * unix sockets for each card (ours, the peer's), and where the key s is to
 * save what the display shows.  The keys u and d are the first card's link.
 * "dma=mapped" among the words: no pointer is a device address, all memory
 * goes through bounce buffers.
 *
 * The disks answer out of order, and only what was flushed gets back into the
 * image: the rest is lost in a power cut.
 */
#include "../fake/fake.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "demo.h"

#define DEVICES   5u
#define IRQ       32u /* of the first device */
#define MMIO      UINT64_C(0x10001000)
#define SLOTS     8u
#define ECAM      UINT64_C(0x30000000)
#define WIDTH     1024u
#define HEIGHT    768u
#define NET_BURST 32

struct card {
    struct fake_net net;
    int fd;
    struct sockaddr_un peer;
};

static struct world {
    struct fake f;
    struct fake_blk disk[2];
    struct card card[2];
    struct fake_gpu gpu;
    struct fake_mmio slot[SLOTS];
    struct fake_pci bus;
    struct fake_pci_fn fn[DEVICES];
    struct vdrv_pci_ops pci;
    struct vdrv_pci_ecam ecam;
    struct vdrv_pci_windows windows;
    struct {
        void (*run)(void *arg);
        void *arg;
    } handler[DEVICES];
    const char *picture;
} w;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

/* ---- The console ---------------------------------------------------------- */

void arch_putc(char c)
{
    putchar(c);
    if (c == '\n')
        fflush(stdout);
}

static void save_picture(void)
{
    FILE *out = fopen(w.picture, "wb");

    if (!out)
        die(w.picture);
    fprintf(out, "P6\n%u %u\n255\n", WIDTH, HEIGHT);
    for (uint32_t y = 0; y < HEIGHT; y++) {
        for (uint32_t x = 0; x < WIDTH; x++) {
            uint32_t rgb = fake_gpu_pixel(&w.gpu, 0, x, y);

            putc((int)(rgb >> 16 & 255), out);
            putc((int)(rgb >> 8 & 255), out);
            putc((int)(rgb & 255), out);
        }
    }
    if (fclose(out))
        die(w.picture);
    kprintf("host: picture saved\n");
}

static int key(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char c;

    if (poll(&in, 1, 0) <= 0)
        return -1;
    if (read(0, &c, 1) != 1)
        return 'q';
    if (c == 's')
        save_picture();
    else if (c == 'u' || c == 'd')
        fake_net_link(&w.card[0].net, c == 'u');
    else
        return c;
    return -1;
}

/* ---- Time and interrupts --------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void on_irq(void *arg, struct fake_dev *dev, uint16_t vector)
{
    const size_t i = (size_t)(uintptr_t)arg;

    (void)dev;
    (void)vector;
    if (w.handler[i].run)
        w.handler[i].run(w.handler[i].arg);
}

static void irq_attach(uint32_t irq, void (*run)(void *arg), void *arg)
{
    w.handler[irq - IRQ].run = run;
    w.handler[irq - IRQ].arg = arg;
}

/* Device 1 of the bus is the first one: 0 is where a host bridge would be. */
static uint32_t pci_irq(uint32_t fn, uint32_t pin, uint32_t line)
{
    (void)line;
    return pin ? IRQ + (fn >> 3 & 31) - 1 : DEMO_NO_IRQ;
}

static bool deliver(struct card *c)
{
    static uint8_t frame[FAKE_NET_FRAME];
    ssize_t n = 0;
    int count = 0;

    while (count < NET_BURST && fake_net_rx_room(&c->net, 0) > 0 &&
           (n = recv(c->fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
        fake_net_receive(&c->net, frame, (size_t)n);
        count++;
    }
    return count > 0;
}

static void idle(uint32_t max_us)
{
    struct pollfd in[3] = {{.fd = 0, .events = POLLIN},
                           {.fd = w.card[0].fd, .events = POLLIN},
                           {.fd = w.card[1].fd, .events = POLLIN}};
    bool busy = false;

    fake_step(&w.f);
    for (unsigned i = 0; i < 2; i++)
        busy = deliver(&w.card[i]) || busy;
    if (!busy)
        poll(in, 3, (int)(max_us / 1000) + 1);
}

/* ---- Disks ------------------------------------------------------------------ */

static void disk_init(struct fake_blk *b, const char *path, bool read_only,
                      const char *id)
{
    struct fake_blk_config cfg = {.read_only = read_only, .id = id};
    FILE *in = fopen(path, "rb");
    long size;

    if (!in || fseek(in, 0, SEEK_END) || (size = ftell(in)) <= 0)
        die(path);
    rewind(in);
    cfg.sectors = (uint64_t)size / FAKE_SECTOR;
    fake_blk_init(b, &w.f, &cfg);
    if (fread(b->disk, 1, (size_t)size, in) != (size_t)size)
        die(path);
    memcpy(b->safe, b->disk, (size_t)size);
    fclose(in);
    b->dev.complete = FAKE_COMPLETE_RANDOM;
    b->dev.per_step = 3;
}

static void disk_fini(struct fake_blk *b, const char *path)
{
    FILE *out = fopen(path, "wb");

    fake_blk_power_cut(b, 0);
    if (!out ||
        fwrite(b->disk, FAKE_SECTOR, b->cfg.sectors, out) != b->cfg.sectors)
        die(path);
    fclose(out);
    fake_blk_fini(b);
}

/* ---- Cards ------------------------------------------------------------------ */

static void address(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof(a->sun_path), "%s", path);
}

static void on_frame(void *arg, struct fake_net *n, uint32_t pair,
                     const uint8_t *frame, size_t len,
                     const struct fake_net_meta *meta)
{
    struct card *c = arg;

    (void)n;
    (void)pair;
    (void)meta;
    /* a full queue loses the frame, as a wire may */
    (void)!sendto(c->fd, frame, len, MSG_DONTWAIT,
                  (const struct sockaddr *)&c->peer, sizeof(c->peer));
}

static void card_init(struct card *c, uint8_t last, const char *ours,
                      const char *peers)
{
    struct fake_net_config cfg = {.mac = {0x52, 0x54, 0, 0, 0, last}};
    struct sockaddr_un here;

    address(&here, ours);
    address(&c->peer, peers);
    c->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&here, sizeof(here)))
        die(ours);
    fake_net_init(&c->net, &w.f, &cfg);
    c->net.on_frame = on_frame;
    c->net.on_frame_arg = c;
}

static void card_fini(struct card *c, const char *ours)
{
    fake_net_fini(&c->net);
    close(c->fd);
    unlink(ours);
}

/* ---- Buses ------------------------------------------------------------------ */

static void plug(struct demo_platform *p, struct fake_dev *const dev[DEVICES],
                 bool pci)
{
    const struct fake_pci_layout bare = {.bars_unset = true};

    for (uint32_t i = 0; i < DEVICES; i++) {
        dev[i]->on_irq = on_irq;
        dev[i]->on_irq_arg = (void *)(uintptr_t)i;
    }
    if (!pci) { /* from the first slot up, then empty ones */
        for (uint32_t i = 0; i < SLOTS; i++)
            fake_mmio_init(&w.slot[i], &w.f, i < DEVICES ? dev[i] : NULL,
                           MMIO + i * FAKE_MMIO_SIZE, 0);
        p->mmio = (struct vdrv_mmio_window){MMIO, FAKE_MMIO_SIZE, SLOTS};
        p->mmio_irq = IRQ;
        return;
    }
    fake_pci_init(&w.bus, &w.f);
    fake_pci_ecam(&w.bus, ECAM, 1);
    for (uint32_t i = 0; i < DEVICES; i++)
        fake_pci_virtio(&w.fn[i], &w.bus, NULL, (i + 1) << 3, dev[i], &bare);
    w.windows.mem32 = (struct vdrv_pci_window){0x40000000, 0x40000000, 0};
    w.windows.mem64 =
        (struct vdrv_pci_window){UINT64_C(8) << 32, UINT64_C(4) << 32, 0};
    if (vdrv_pci_ecam_init(&w.ecam, &w.f.hal, ECAM, 0, 0, &w.pci) != VDRV_OK)
        exit(2);
    p->pci = &w.pci;
    p->windows = &w.windows;
}

static void unplug(bool pci)
{
    for (uint32_t i = 0; !pci && i < SLOTS; i++)
        fake_mmio_fini(&w.slot[i]);
    if (pci)
        fake_pci_fini(&w.bus);
}

int main(int argc, char **argv)
{
    struct fake_dev *const dev[DEVICES] = {
        &w.disk[0].dev,     &w.disk[1].dev, &w.card[0].net.dev,
        &w.card[1].net.dev, &w.gpu.dev,
    };
    struct fake_gpu_config screen = {.width = WIDTH, .height = HEIGHT};
    struct demo_platform p = {.machine = "the fake",
                              .pci_irq = pci_irq,
                              .irq_attach = irq_attach,
                              .now_us = now_us,
                              .key = key,
                              .idle = idle};
    struct fake_config cfg = {0};
    const char *dma;
    bool pci;
    int code;

    if (argc != 10)
        return 2;
    pci = !strcmp(argv[1], "pci");
    p.args = argv[2];
    w.picture = argv[9];
    dma = karg(p.args, "dma");
    cfg.mode = dma && dma[0] == 'm' ? FAKE_MAPPED : FAKE_DIRECT;
    fake_init(&w.f, &cfg);
    p.hal = &w.f.hal;
    disk_init(&w.disk[0], argv[3], false, "demo-disk-rw");
    disk_init(&w.disk[1], argv[4], true, "demo-disk-ro");
    card_init(&w.card[0], 1, argv[5], argv[6]);
    card_init(&w.card[1], 2, argv[7], argv[8]);
    fake_gpu_init(&w.gpu, &w.f, &screen);
    plug(&p, dev, pci);
    code = demo_run(&p);
    kprintf("memory: %lu bytes not given back\n",
            (unsigned long)w.f.bytes_live);
    code |= !fake_balanced(&w.f);
    unplug(pci);
    disk_fini(&w.disk[0], argv[3]);
    disk_fini(&w.disk[1], argv[4]);
    card_fini(&w.card[0], argv[5]);
    card_fini(&w.card[1], argv[7]);
    fake_gpu_fini(&w.gpu);
    fake_fini(&w.f); /* what was not freed, or is damaged, is fatal */
    kprintf("exit: code %d\n", code);
    return code;
}
