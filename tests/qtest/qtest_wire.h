/* SPDX-License-Identifier: MIT */
/*
 * The other end of a card's wire, held by the test: numbered frames of any
 * size, over a socket that keeps frames apart (dgram) or one that does not
 * (stream, each frame behind its length).  Neither loses anything, so whatever
 * is missing, doubled or out of order was somebody's fault.
 */
#ifndef QTEST_WIRE_H
#define QTEST_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_LEAST 60u
#define FRAME_HEAD  30u /* addresses, type, number, length, checksum */
#define FRAME_MOST  65535u

#define WIRE_ROOM (4u + 65536u + 4096u) /* what QEMU has, too */

struct qtest_wire {
    int fd;
    int stream;
    uint8_t in[WIRE_ROOM];
    size_t have;
    uint8_t out[WIRE_ROOM];
    size_t len; /* of what is to be sent, */
    size_t at;  /* and how far it was */
};

/*
 * A wire, and what QEMU is to be told of it: "-netdev ...,id=n0...", into
 * `told`.  The caller closes `*its_end` when QEMU has it.  0, or -1.
 */
int qtest_wire_open(struct qtest_wire *w, int stream, char *told, size_t size,
                    int *its_end);
void qtest_wire_close(struct qtest_wire *w);

/* The next frame's bytes, valid until the next call, and its length; 0: there
   is none now. */
size_t qtest_wire_take(struct qtest_wire *w, const uint8_t **frame);
/* 1: it was taken.  0: there is no room. */
int qtest_wire_put(struct qtest_wire *w, const void *frame, size_t len);
/* Sends what is left of the last frame.  1: nothing is left. */
int qtest_wire_flush(struct qtest_wire *w);

/* ---- Numbered frames ---------------------------------------------------- */

/* Length of frame `number`, of at most `most` bytes. */
uint32_t frame_len(uint64_t number, uint32_t most);
/* Writes frame `number` for address `to`; its length. */
uint32_t frame_make(uint8_t *out, const uint8_t to[6], uint64_t number,
                    uint32_t most);
/* NULL: the frame is number `number` in every byte.  Else what it is. */
const char *frame_wrong(const uint8_t *frame, size_t len, const uint8_t to[6],
                        uint64_t number, uint32_t most);

#endif
