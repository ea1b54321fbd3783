/* SPDX-License-Identifier: MIT */
/*
 * See qtest_wire.h.  A frame's payload is a piece of a fixed noise that depends
 * on its number; the number, the length and a checksum are in front, so that
 * what arrived in place of another frame can be told.
 */
#include "qtest_wire.h"
#include "qtest_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOISE (1u << 18)

/* ---- The wire ----------------------------------------------------------- */

int qtest_wire_open(struct qtest_wire *w, int stream, char *told, size_t size,
                    int *its_end)
{
    int fd[2];

    memset(w, 0, sizeof(*w));
    w->fd = -1;
    w->stream = stream;
    if (socketpair(AF_UNIX, stream ? SOCK_STREAM : SOCK_DGRAM, 0, fd) != 0)
        return -1;
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    w->fd = fd[0];
    *its_end = fd[1];
    snprintf(told, size,
             stream ? "-netdev stream,id=n0,server=off,addr.type=fd,addr.str=%d"
                    : "-netdev dgram,id=n0,local.type=fd,local.str=%d",
             fd[1]);
    return 0;
}

void qtest_wire_close(struct qtest_wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* Reads on until `want` bytes are there; 1: they are. */
static int fill(struct qtest_wire *w, size_t want)
{
    while (w->have < want) {
        const ssize_t n = recv(w->fd, w->in + w->have, want - w->have, 0);

        if (n <= 0)
            return 0;
        w->have += (size_t)n;
    }
    return 1;
}

size_t qtest_wire_take(struct qtest_wire *w, const uint8_t **frame)
{
    size_t len;

    if (!w->stream) {
        const ssize_t n = recv(w->fd, w->in, sizeof(w->in), 0);

        *frame = w->in;
        return n > 0 ? (size_t)n : 0;
    }
    if (!fill(w, 4))
        return 0;
    len = (size_t)w->in[0] << 24 | (size_t)w->in[1] << 16 |
          (size_t)w->in[2] << 8 | w->in[3];
    if (len > WIRE_ROOM - 4) {
        printf("  the stream is out of step: a frame of %zu bytes\n", len);
        w->have = 0;
        return 0;
    }
    if (!fill(w, 4 + len))
        return 0;
    w->have = 0;
    *frame = w->in + 4;
    return len;
}

int qtest_wire_flush(struct qtest_wire *w)
{
    while (w->at < w->len) {
        const ssize_t n =
            send(w->fd, w->out + w->at, w->len - w->at, MSG_NOSIGNAL);

        if (n <= 0)
            return 0;
        w->at += (size_t)n;
    }
    return 1;
}

int qtest_wire_put(struct qtest_wire *w, const void *frame, size_t len)
{
    const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
                             (uint8_t)(len >> 8), (uint8_t)len};

    if (!w->stream)
        return send(w->fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len;
    if (!qtest_wire_flush(w))
        return 0;
    memcpy(w->out, head, 4);
    memcpy(w->out + 4, frame, len);
    w->len = 4 + len;
    w->at = 0;
    (void)qtest_wire_flush(w);
    return 1;
}

/* ---- Frames ------------------------------------------------------------- */

static const uint8_t *noise(uint64_t number)
{
    static uint8_t all[NOISE];
    uint64_t state = 1;

    for (uint32_t i = 0; all[0] == 0 && i < NOISE; i += 4) {
        const uint32_t word = qtest_random(&state, UINT32_MAX) | 1u;

        memcpy(all + i, &word, 4);
    }
    return all + number * 2654435761u % (NOISE - FRAME_MOST);
}

/* Half are small, some are as large as can be. */
uint32_t frame_len(uint64_t number, uint32_t most)
{
    uint64_t state = number;
    const uint32_t kind = qtest_random(&state, 16);
    const uint32_t top = kind < 10 && most > 1514 ? 1514 : most;

    if (kind == 0)
        return FRAME_LEAST;
    if (kind == 1 || kind == 15)
        return top;
    return FRAME_LEAST + qtest_random(&state, top - FRAME_LEAST + 1);
}

static uint32_t sum(const uint8_t *data, size_t len)
{
    uint32_t a = 1, b = 0;

    for (size_t i = 0; i < len; i++) {
        a += data[i];
        b += a;
    }
    return b ^ a << 16;
}

static void head(uint8_t out[FRAME_HEAD], const uint8_t to[6], uint64_t number,
                 uint32_t len)
{
    static const uint8_t from[8] = {0x02, 'w', 'i', 'r', 'e', 0, 0x88, 0xb5};
    const uint32_t check = sum(noise(number), len - FRAME_HEAD);

    memcpy(out, to, 6);
    memcpy(out + 6, from, 8);
    memcpy(out + 14, &number, 8);
    memcpy(out + 22, &len, 4);
    memcpy(out + 26, &check, 4);
}

uint32_t frame_make(uint8_t *out, const uint8_t to[6], uint64_t number,
                    uint32_t most)
{
    const uint32_t len = frame_len(number, most);

    head(out, to, number, len);
    memcpy(out + FRAME_HEAD, noise(number), len - FRAME_HEAD);
    return len;
}

const char *frame_wrong(const uint8_t *frame, size_t len, const uint8_t to[6],
                        uint64_t number, uint32_t most)
{
    static char text[160];
    const uint32_t want = frame_len(number, most);
    uint8_t first[FRAME_HEAD];
    uint64_t is = 0;
    uint32_t says = 0, check = 0;

    head(first, to, number, want);
    if (len == want && memcmp(frame, first, FRAME_HEAD) == 0 &&
        memcmp(frame + FRAME_HEAD, noise(number), len - FRAME_HEAD) == 0)
        return NULL;
    if (len >= FRAME_HEAD) {
        memcpy(&is, frame + 14, 8);
        memcpy(&says, frame + 22, 4);
        memcpy(&check, frame + 26, 4);
    }
    snprintf(
        text, sizeof(text),
        "frame %llu of %u bytes is number %llu of %zu bytes (%u), sum %s",
        (unsigned long long)number, want, (unsigned long long)is, len, says,
        len >= FRAME_HEAD && sum(frame + FRAME_HEAD, len - FRAME_HEAD) == check
            ? "good"
            : "bad");
    return text;
}
