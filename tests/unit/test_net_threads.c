/* SPDX-License-Identifier: MIT */
/*
 * Two queue pairs on four threads, one for each direction of each pair, without
 * a lock: what net.h promises of [queue] calls.  Under ThreadSanitizer a word
 * that two of them share is a race.
 *
 * The device is the fake, which knows nothing of threads: it works while they
 * all stand at a barrier, and wants no notification while they run.  So nothing
 * orders one thread's calls with another's between two barriers.
 *
 * NET_ROUNDS in the environment: from barrier to barrier, in each mode.
 */
#include <pthread.h>

#include "net_rig.h"

#define PAIRS  2u
#define SIDES  (2u * PAIRS)
#define POOL   24u
#define LEN    64u
#define ROUNDS 3000u

struct side;

/* All of a mode. */
struct hall {
    struct rig *g;
    pthread_barrier_t in, out;
    bool quit;
    uint32_t wire[PAIRS]; /* frames that came from it, */
    uint32_t sent[PAIRS]; /* and that went there: the next one's number */
    uint32_t errors;
    struct side *side;
};

/* A direction of a pair: its thread's own. */
struct side {
    struct hall *h;
    uint32_t pair;
    bool tx;
    uint32_t count; /* frames, so the next one's number */
    uint32_t errors, bursts;
    uint64_t chance;
    struct vdrv_net_pool pool;
    struct vdrv_net_buf buf[POOL];
    _Alignas(64) uint8_t mem[VDRV_NET_POOL_SIZE(POOL, 1514)];
    pthread_t thread;
};

static uint32_t rnd(uint64_t *chance, uint32_t n)
{
    *chance = *chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*chance >> 33) % n;
}

static void mark(uint8_t *p, uint32_t pair, uint32_t number)
{
    memset(p, (int)(pair + 1), LEN);
    memcpy(p + 16, &number, sizeof(number));
}

static bool marked(const uint8_t *p, uint32_t pair, uint32_t number)
{
    uint8_t want[LEN];

    mark(want, pair, number);
    return memcmp(p, want, LEN) == 0;
}

/* ---- The driver's threads --------------------------------------------------- */

static void send_some(struct side *s)
{
    struct vdrv_net *net = s->h->g->net;
    struct vdrv_net_buf *b[8];
    uint32_t n = 0;
    const uint32_t want = rnd(&s->chance, 9);
    int took;

    while (n < want && vdrv_net_alloc_tx_buffer(net, s->pair, LEN, &b[n]) == 0)
        n++;
    for (uint32_t i = 0; i < n; i++)
        mark(b[i]->data, s->pair, s->count + i);
    took = vdrv_net_transmit_burst(net, s->pair, b, n, VDRV_NET_MORE);
    if (took == VDRV_ERR_AGAIN)
        took = 0;
    s->errors += took < 0;
    for (uint32_t i = took > 0 ? (uint32_t)took : 0; i < n; i++)
        vdrv_net_buf_release(b[i]);
    s->count += took > 0 ? (uint32_t)took : 0;
    s->bursts += took > 1;
    s->errors += vdrv_net_kick(net, vdrv_net_tx_queue(s->pair)) < 0;
    if (rnd(&s->chance, 4) == 0)
        s->errors += vdrv_net_recycle_tx_buffers(net, s->pair) < 0;
    (void)vdrv_net_can_transmit(net, s->pair);
}

static void receive_some(struct side *s)
{
    struct vdrv_net *net = s->h->g->net;
    struct vdrv_net_buf *b[8];
    const bool there = vdrv_net_can_receive(net, s->pair);
    const int n =
        vdrv_net_receive_burst(net, s->pair, b, 1 + rnd(&s->chance, 8));

    s->errors += n < 0 || (n > 0) != there;
    for (int i = 0; i < n; i++) {
        s->errors +=
            b[i]->len != LEN || !marked(b[i]->data, s->pair, s->count++);
        if (rnd(&s->chance, 2) != 0)
            vdrv_net_recycle_frame(net, s->pair, b[i]);
        else
            vdrv_net_buf_release(b[i]);
    }
    s->bursts += n > 1;
    if (rnd(&s->chance, 4) == 0)
        s->errors += vdrv_arm(&net->dev, vdrv_net_rx_queue(s->pair),
                              rnd(&s->chance, 2) != 0 ? VDRV_ARM_NEXT
                                                      : VDRV_ARM_OFF) < 0;
}

static void *run(void *arg)
{
    struct side *s = arg;

    for (;;) {
        (void)pthread_barrier_wait(&s->h->in);
        if (s->h->quit)
            return NULL;
        if (s->tx)
            send_some(s);
        else
            receive_some(s);
        (void)pthread_barrier_wait(&s->h->out);
    }
}

/* ---- The device, and the calls that anybody may make ------------------------ */

static void on_frame(void *arg, struct fake_net *n, uint32_t pair,
                     const uint8_t *bytes, size_t len,
                     const struct fake_net_meta *meta)
{
    struct hall *h = arg;

    (void)n;
    (void)meta;
    h->errors +=
        pair >= PAIRS || len != LEN || !marked(bytes, pair, h->sent[pair]++);
}

static void device(struct hall *h)
{
    struct fake *f = &h->g->f;
    uint8_t bytes[LEN];

    if (fake_rand(f) % 4 != 0)
        fake_step(f);
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        for (uint32_t n = fake_rand(f) % 7; n > 0; n--) {
            mark(bytes, pair, h->wire[pair]);
            h->wire[pair] +=
                fake_net_receive_on(&h->g->dev, pair, bytes, LEN, NULL);
        }
    }
    for (uint32_t i = 0; i < SIDES; i++)
        fake_queue_hint(&h->g->dev.dev.queue[i]);
}

static void anybody(struct hall *h)
{
    struct vdrv_net_info info;
    uint8_t mac[6];

    h->errors += vdrv_net_get_info(h->g->net, &info) != VDRV_OK;
    h->errors += vdrv_net_mac_address(h->g->net, mac) != VDRV_OK;
    h->errors += !vdrv_net_link_up(h->g->net);
}

static struct rig *hall_rig(struct side *side, const struct opts *mode)
{
    struct opts o = *mode;
    struct rig *g;

    o.dev.pairs = PAIRS;
    o.cfg.ctrl = &vdrv_net_ctrl;
    o.cfg.pairs = PAIRS;
    for (uint32_t i = 0; i < SIDES; i++) {
        const struct vdrv_net_pool_config cfg = {
            .bufs = side[i].buf,
            .mem = side[i].mem,
            .mem_size = sizeof(side[i].mem),
            .count = POOL,
        };

        side[i].pair = i / 2;
        side[i].tx = i % 2 != 0;
        side[i].chance = check_seed_value + i;
        CHECK_EQ(vdrv_net_pool_init(&side[i].pool, &cfg), VDRV_OK);
        *(side[i].tx ? &o.cfg.tx_pool[i / 2] : &o.cfg.rx_pool[i / 2]) =
            &side[i].pool;
    }
    g = rig_up(&o);
    for (uint32_t i = 0; i < SIDES; i++) {
        g->dev.dev.queue[i].kick_policy = FAKE_KICK_NEVER;
        fake_queue_hint(&g->dev.dev.queue[i]);
    }
    return g;
}

/* The last frames, by one thread, and the sums. */
static void hall_close(struct hall *h)
{
    for (uint32_t i = 0; i < 8; i++)
        fake_step(&h->g->f);
    for (uint32_t i = 0; i < SIDES; i++) {
        struct side *s = &h->side[i];

        for (uint32_t k = 0; k < 2 * POOL && !s->tx; k++)
            receive_some(s);
        CHECK_EQ(s->count, s->tx ? h->sent[s->pair] : h->wire[s->pair]);
        CHECK_EQ(s->errors, 0);
        CHECK(s->bursts > 0);
    }
    CHECK_EQ(h->errors, 0);
    CHECK_EQ(vdrv_stop(&h->g->net->dev), VDRV_OK);
    for (uint32_t i = 0; i < SIDES; i++)
        CHECK_EQ(vdrv_net_pool_free(&h->side[i].pool), POOL);
    rig_down(h->g);
}

static void mode(const struct opts *o)
{
    const char *rounds = getenv("NET_ROUNDS");
    const uint32_t n = rounds != NULL ? (uint32_t)atoi(rounds) : ROUNDS;
    struct side *side = aligned_alloc(64, SIDES * sizeof(*side));
    struct hall h = {.side = side};

    REQUIRE(side != NULL);
    memset(side, 0, SIDES * sizeof(*side));
    h.g = hall_rig(side, o);
    h.g->dev.on_frame = on_frame;
    h.g->dev.on_frame_arg = &h;
    REQUIRE(pthread_barrier_init(&h.in, NULL, SIDES + 1) == 0 &&
            pthread_barrier_init(&h.out, NULL, SIDES + 1) == 0);
    for (uint32_t i = 0; i < SIDES; i++) {
        side[i].h = &h;
        REQUIRE(pthread_create(&side[i].thread, NULL, run, &side[i]) == 0);
    }
    for (uint32_t i = 0; i < n; i++) {
        device(&h);
        (void)pthread_barrier_wait(&h.in);
        anybody(&h);
        (void)pthread_barrier_wait(&h.out);
    }
    h.quit = true;
    (void)pthread_barrier_wait(&h.in);
    for (uint32_t i = 0; i < SIDES; i++)
        (void)pthread_join(side[i].thread, NULL);
    (void)pthread_barrier_destroy(&h.in);
    (void)pthread_barrier_destroy(&h.out);
    hall_close(&h);
    free(side);
}

/* NET-127: pairs are used at once. */
static void split(void)
{
    mode(&(struct opts){0});
    mode(&(struct opts){.cfg.no_event_idx = 1});
    mode(&(struct opts){.cfg.in_order = &vdrv_queue_split_in_order});
}

static void packed(void)
{
    mode(&(struct opts){.cfg.packed = &vdrv_queue_packed});
    mode(&(struct opts){.cfg.packed = &vdrv_queue_packed_in_order,
                        .cfg.in_order = &vdrv_queue_split_in_order});
}

/* A pool's buffers have room for headers: frames may be merged. */
static void merged(void)
{
    mode(&(struct opts){.cfg.rx_headroom = 1});
}

static const struct check_case cases[] = {
    {"split", split},
    {"packed", packed},
    {"merged", merged},
};

CHECK_MAIN(cases)
