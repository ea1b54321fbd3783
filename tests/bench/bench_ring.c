/* SPDX-License-Identifier: MIT */
/*
 * Runs a ring, ours or where it is linked Linux's: add, kick decision and burst
 * reap.  The device answers between the counted functions (bench_ring.h);
 * callgrind counts them with --toggle-collect='drv_*', and writes one file a
 * case with --dump-after=bench_case_done.
 *
 *     bench_ring count <requests> <case>...
 *
 * runs each case once.  A case is a ring's name as the rows of bench.py have
 * it: split.direct.seg1.b32, with .noevent, .mapped, .in_order, .merged
 * (in order, a used element a batch), .size64 or .linux after.
 *
 *     bench_ring time <requests> <rounds> <case>...
 *
 * prints "case ns-per-request", the best of the rounds, which take turns: what
 * one case is against another is then the machine's doing in neither.  The time
 * is the whole loop's with its device, which is the same code on the same ring
 * for all; that moves the ratio of two rings towards 1, never away from it.
 *
 *     bench_ring bytes
 *
 * prints the bytes per entry of a large ring: shared, private, shared packed.
 *
 *     bench_ring where <requests> <case>
 *
 * first prints "where" and three ranges of addresses: the memory that driver
 * and device share, the device's code, and the code that adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <virtio_drv/queue.h>

#include "bench_device.h"
#include "bench_ring.h"

#define CASES_MAX 256

struct named {
    const char *name;
    const struct bench_driver *driver;
    struct bench_case c;
    double best; /* ns per request */
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "bench_ring: %s %s\n", what, name);
    exit(2);
}

static void parse_word(struct named *n, const char *word)
{
    if (strcmp(word, "packed") == 0)
        n->c.packed = true;
    else if (strcmp(word, "indirect") == 0)
        n->c.indirect = true;
    else if (strcmp(word, "noevent") == 0)
        n->c.event = false;
    else if (strcmp(word, "mapped") == 0)
        n->c.mapped = true;
    else if (strcmp(word, "in_order") == 0)
        n->c.in_order = true;
    else if (strcmp(word, "merged") == 0)
        n->c.in_order = n->c.merged = true;
    else if (strcmp(word, "linux") == 0)
        n->driver = &bench_linux;
    else if (sscanf(word, "seg%u", &n->c.segs) != 1 &&
             sscanf(word, "size%u", &n->c.size) != 1 &&
             sscanf(word, "b%u", &n->c.batch) != 1 &&
             strcmp(word, "split") != 0 && strcmp(word, "direct") != 0)
        die("cannot make", n->name);
}

static struct named parse(const char *name)
{
    struct named n = {.name = name, .driver = &bench_ours};
    char words[128];

    n.c.size = 256;
    n.c.event = true;
    snprintf(words, sizeof(words), "%s", name);
    for (char *w = strtok(words, "."); w != NULL; w = strtok(NULL, "."))
        parse_word(&n, w);
    if (n.c.batch < 1 || n.c.batch > BENCH_BATCH_MAX || n.c.segs < 1 ||
        n.c.segs > 3 || n.c.batch * n.c.segs > n.c.size || n.driver == NULL)
        die("cannot run", name);
    return n;
}

/* ---- Running ------------------------------------------------------------- */

__attribute__((noinline)) void bench_case_done(void);
void bench_case_done(void)
{
    __asm__ volatile("" ::: "memory"); /* where callgrind writes its file */
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds per request. */
static double run(const struct named *n, void *ring, unsigned requests)
{
    const struct bench_driver *d = n->driver;
    int (*const add)(void *, unsigned) = d->add[n->c.segs - 1];
    const unsigned batch = n->c.batch, rounds = requests / batch;
    const double start = now();

    for (unsigned r = 0; r < rounds; r++) {
        for (unsigned i = 0; i < batch; i++)
            if (add(ring, i) != 0)
                die("cannot add to", n->name);
        if (d->kick(ring) != 1)
            die("no notification of", n->name);
        bench_answer();
        if (d->reap(ring) != (int)batch)
            die("lost a request of", n->name);
    }
    return (now() - start) / (rounds * batch);
}

static void count(unsigned requests, char **names)
{
    for (; *names != NULL; names++) {
        struct named n = parse(*names);

        (void)run(&n, n.driver->make(&n.c), requests);
        bench_case_done();
    }
}

static void measure(unsigned requests, unsigned rounds, char **names)
{
    static struct named cases[CASES_MAX];
    unsigned count = 0;

    for (; *names != NULL && count < CASES_MAX; names++)
        cases[count++] = parse(*names);
    for (unsigned r = 0; r < rounds; r++) {
        for (struct named *n = cases; n < cases + count; n++) {
            void *const ring = n->driver->make(&n->c);
            double ns = run(n, ring, requests / 10); /* warm */

            ns = run(n, ring, requests);
            if (r == 0 || ns < n->best)
                n->best = ns;
        }
    }
    for (struct named *n = cases; n < cases + count; n++)
        printf("%s %.3f\n", n->name, n->best);
}

/* ---- Memory ------------------------------------------------------------- */

extern const char __start_bench_device[], __stop_bench_device[];
extern const char __start_bench_adding[], __stop_bench_adding[];

static void range(uint64_t start, uint64_t end)
{
    printf(" %llx %llx", (unsigned long long)start, (unsigned long long)end);
}

static void where(unsigned requests, const char *name)
{
    struct named n = parse(name);
    void *const ring = n.driver->make(&n.c);

    printf("where");
    range(bench_shared[0], bench_shared[1]);
    range((uintptr_t)__start_bench_device, (uintptr_t)__stop_bench_device);
    range((uintptr_t)__start_bench_adding, (uintptr_t)__stop_bench_adding);
    printf("\n");
    (void)run(&n, ring, requests);
}

static void bytes(void)
{
    static struct vdrv_hal hal;
    size_t part[3];
    const uint32_t n = 1024;

    printf("%.2f %.2f %.2f\n", (double)vdrv_queue_split.layout(n, part) / n,
           (double)vdrv_queue_work_size(&hal, n, 0) / n,
           (double)vdrv_queue_packed.layout(n, part) / n);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "bytes") == 0)
        bytes();
    else if (strcmp(what, "count") == 0 && argc > 3)
        count((unsigned)atoi(argv[2]), argv + 3);
    else if (strcmp(what, "where") == 0 && argc == 4)
        where((unsigned)atoi(argv[2]), argv[3]);
    else if (strcmp(what, "time") == 0 && argc > 4)
        measure((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), argv + 4);
    else
        die("cannot", what);
    return 0;
}
