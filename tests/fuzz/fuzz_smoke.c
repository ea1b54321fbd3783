/* SPDX-License-Identifier: MIT */
/*
 * The harnesses without libFuzzer: replays the committed corpus, then runs
 * inputs made by chance from the seeds.
 *
 *     fuzz_smoke CORPUS [-s SEED] [-n INPUTS] [HARNESS...]
 *     fuzz_smoke CORPUS -o DIRECTORY    writes the start corpus, for libFuzzer
 *     fuzz_smoke CORPUS -f FILE HARNESS runs one input
 *
 * The corpus is a text: a harness's name and an input in hexadecimal in each
 * line, and what that input found; `#` starts a comment.  When an input fails,
 * it is left in build/fuzz-HARNESS.input.
 */
#include "fuzz_machine.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS  20000u
#define SEEDS   16u
#define LONGEST 2048u
#define SECONDS 60u /* that no run of 1000 inputs takes */

static uint8_t seed_data[SEEDS][LONGEST];
static size_t seed_size[SEEDS];
static size_t nseeds;
static uint8_t input[LONGEST];
static size_t input_size;
static const struct fuzz_harness *running;
static uint64_t state;

static uint32_t chance(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % n);
}

/* ---- One input -------------------------------------------------------------- */

/* Leaves the input that is being run where it can be found. */
static void keep(int sig)
{
    char path[80] = "build/fuzz-";
    FILE *f;

    strncat(path, running->name, 40);
    strcat(path, ".input");
    f = fopen(path, "wb");
    if (f != NULL) {
        (void)fwrite(input, 1, input_size, f);
        (void)fclose(f);
    }
    fprintf(stderr, "%s: signal %d; the input is in %s\n", running->name, sig,
            path);
    _exit(1);
}

/* A copy of exactly its size: reading past it is seen. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));

    memcpy(copy, data, size);
    memmove(input, data, size);
    input_size = size;
    running->run(copy, size);
    free(copy);
}

/* ---- Seeds and corpus ---------------------------------------------------------- */

static void keep_seed(void *ctx, const uint8_t *data, size_t size)
{
    (void)ctx;
    if (nseeds == SEEDS || size > LONGEST)
        return;
    memcpy(seed_data[nseeds], data, size);
    seed_size[nseeds++] = size;
}

static size_t unhex(const char *text, uint8_t *data)
{
    size_t n = 0;
    unsigned byte;

    while (n < LONGEST && sscanf(text, "%2x", &byte) == 1) {
        data[n++] = (uint8_t)byte;
        text += 2;
        if (!isxdigit((unsigned char)*text))
            break;
    }
    return n;
}

/* Calls `use` for each line of a harness; returns how many. */
static unsigned corpus(const char *path, const char *name,
                       void (*use)(const uint8_t *data, size_t size))
{
    static char line[2 * LONGEST + 300];
    static uint8_t data[LONGEST];
    const size_t len = strlen(name);
    unsigned n = 0;
    FILE *f = fopen(path, "r");

    if (f == NULL)
        fuzz_die("the corpus can be read", path, 0);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, len) != 0 || line[len] != ' ')
            continue;
        use(data, unhex(line + len + 1, data));
        n++;
    }
    (void)fclose(f);
    return n;
}

static const char *directory;
static unsigned files;

static void save(const uint8_t *data, size_t size)
{
    char path[400];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, running->name);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof(path), "%s/%s/seed-%u", directory,
                   running->name, files++);
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL && fwrite(data, 1, size, f) == size);
    FUZZ_CHECK(fclose(f) == 0);
}

/* ---- By chance ------------------------------------------------------------------- */

/* A seed, cut or made longer, with some bytes others; or nothing but chance. */
static size_t invent(uint8_t *data)
{
    size_t size = 0, n;

    if (nseeds != 0 && chance(4) != 0) {
        const uint32_t i = chance((uint32_t)nseeds);

        size = seed_size[i];
        memcpy(data, seed_data[i], size);
    }
    if (chance(2) == 0 || size == 0) {
        for (n = chance(160); n > 0 && size < running->max; n--)
            data[size++] = (uint8_t)(chance(3) == 0 ? 0 : chance(256));
    }
    for (n = chance(24); n > 0 && size > 0; n--) {
        const uint32_t small = 1u << chance(9);

        data[chance((uint32_t)size)] = (uint8_t)chance(small);
    }
    return size < running->max ? size : running->max;
}

static void smoke(const char *path, unsigned inputs, uint64_t seed)
{
    static uint8_t data[LONGEST];
    unsigned known;

    nseeds = 0;
    running->seeds(keep_seed, NULL);
    (void)alarm(SECONDS);
    known = corpus(path, running->name, run);
    for (size_t i = 0; i < nseeds; i++)
        run(seed_data[i], seed_size[i]);
    state = seed * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < inputs; i++) {
        if (i % 1000 == 0)
            (void)alarm(SECONDS);
        run(data, invent(data));
    }
    printf("%s: ok, %u of the corpus, %zu seeds, %u by chance\n", running->name,
           known, nseeds, inputs);
}

static void save_seed(void *ctx, const uint8_t *data, size_t size)
{
    (void)ctx;
    save(data, size);
}

static void run_file(const char *path)
{
    static uint8_t data[LONGEST];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (f == NULL)
        fuzz_die("the input can be read", path, 0);
    n = fread(data, 1, sizeof(data), f);
    (void)fclose(f);
    run(data, n);
}

int main(int argc, char **argv)
{
    const char *file = NULL, *names[16] = {NULL};
    unsigned inputs = INPUTS, passed = 0, n = 0;
    uint64_t seed = 1;

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            inputs = (unsigned)strtoul(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            directory = argv[++i];
        else if (strcmp(argv[i], "-f") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (n < 16)
            names[n++] = argv[i];
    }
    if (argc < 2)
        return 2;
    (void)signal(SIGABRT, keep);
    (void)signal(SIGALRM, keep);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < fuzz_count; i++) {
        bool wanted = n == 0;

        running = &fuzz_harnesses[i];
        for (unsigned k = 0; k < n; k++)
            wanted |= strcmp(names[k], running->name) == 0;
        if (!wanted)
            continue;
        if (directory != NULL) {
            files = 0;
            running->seeds(save_seed, NULL);
            (void)corpus(argv[1], running->name, save);
        } else if (file != NULL) {
            run_file(file);
        } else {
            smoke(argv[1], inputs, seed);
        }
        passed++;
    }
    printf("%u passed, 0 failed, 0 skipped\n", passed);
    return passed == 0;
}
