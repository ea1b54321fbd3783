/* SPDX-License-Identifier: MIT */
/*
 * Host side of test_proofs.py: the responder behind a unix datagram socket, as
 * a guest behind QEMU's `-netdev dgram` would be. Runs until its standard input
 * ends. Arguments: local-path remote-path [at] -- with `at`, that byte of every
 * IP frame is damaged on its way out, so that the proofs have something to find
 * ("drop": frames of more than 1000 bytes are lost; "twice": doubled).
 * With "pattern seed sector" it prints that sector's bytes and its CRC instead.
 */
#define _POSIX_C_SOURCE 200809L

#include "../kernel/pattern.h"
#include "../kernel/responder.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct link {
    int fd;
    struct sockaddr_un to;
    const char *fault;
};

static void emit(void *ctx, const uint8_t *frame, size_t len)
{
    struct link *l = ctx;
    uint8_t copy[RESPONDER_FRAME];
    size_t at = l->fault ? (size_t)strtoul(l->fault, NULL, 10) : 0;

    memcpy(copy, frame, len);
    if (at != 0 && at < len && copy[12] == 8 && copy[13] == 0)
        copy[at] ^= 0x10;
    if (l->fault && strcmp(l->fault, "drop") == 0 && len > 1000)
        return;
    /* A full queue loses the frame, as a wire may. */
    sendto(l->fd, copy, len, MSG_DONTWAIT, (struct sockaddr *)&l->to,
           sizeof(l->to));
    if (l->fault && strcmp(l->fault, "twice") == 0 && copy[13] == 0)
        sendto(l->fd, copy, len, MSG_DONTWAIT, (struct sockaddr *)&l->to,
               sizeof(l->to));
}

static size_t page(void *ctx, char *buf, size_t cap)
{
    size_t i;

    (void)ctx;
    for (i = 0; i < 7000 && i < cap; i++)
        buf[i] = (char)('A' + i % 23);
    return i;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int serve(struct link *l)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    static struct responder r;
    struct pollfd fds[2] = {{.fd = l->fd, .events = POLLIN},
                            {.fd = 0, .events = POLLIN}};
    uint8_t frame[65536];

    responder_init(&r, mac, 0x0a00020f);
    responder_set_page(&r, page, NULL);
    while (poll(fds, 2, 20) >= 0 && !(fds[1].revents & (POLLIN | POLLHUP))) {
        ssize_t n;

        responder_tick(&r, now_us(), emit, l);
        n = -1;
        if (fds[0].revents & POLLIN)
            n = recv(l->fd, frame, sizeof(frame), 0);
        if (n >= 0)
            responder_input(&r, frame, (size_t)n, emit, l);
    }
    return 0;
}

static int print_pattern(const char *seed, const char *sector)
{
    uint8_t data[PATTERN_SECTOR];

    pattern_fill((uint32_t)strtoul(seed, NULL, 0), strtoull(sector, NULL, 0),
                 data);
    for (size_t i = 0; i < sizeof(data); i++)
        printf("%02x", data[i]);
    /* In two pieces, as a guest sums up several reads. */
    printf(" %08x\n", (unsigned)pattern_crc32(pattern_crc32(0, data, 77),
                                              data + 77, sizeof(data) - 77));
    return 0;
}

static bool set_path(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(a->sun_path))
        return false;
    strcpy(a->sun_path, path);
    return true;
}

int main(int argc, char **argv)
{
    struct link l = {.fault = argc == 4 ? argv[3] : NULL};
    struct sockaddr_un from;

    if (argc == 4 && strcmp(argv[1], "pattern") == 0)
        return print_pattern(argv[2], argv[3]);
    if (argc < 3 || !set_path(&from, argv[1]) || !set_path(&l.to, argv[2]))
        return 2;
    l.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (l.fd < 0 || bind(l.fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        return 2;
    return serve(&l);
}
