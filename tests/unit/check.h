/* SPDX-License-Identifier: MIT */
/*
 * The check framework of all host tests, in one header.  A test program has a
 * table of cases and a main of one line:
 *
 *     static void test_add(void) { CHECK_EQ(add(1, 2), 3); }
 *     static const struct check_case cases[] = {{"add", test_add}};
 *     CHECK_MAIN(cases)
 *
 * Arguments choose the cases whose name contains one of them; `-s N` sets the
 * seed.  The last line is "N passed, N failed, N skipped"; exit code 1 if a
 * case failed or none ran.  After a failed CHECK the case goes on.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_case {
    const char *name;
    void (*fn)(void);
};

static unsigned check_failures;    /* in the running case */
static int check_quiet;            /* count failures, and print nothing */
static const char *check_skip_why; /* set by CHECK_SKIP */
static uint64_t check_seed_value = 1;

#define CHECK(cond) ((cond) ? (void)0 : check_fail(__FILE__, __LINE__, #cond))
/* Integers of any width and sign; both values are printed. */
#define CHECK_EQ(a, b)                                                         \
    check_eq((uint64_t)(a), (uint64_t)(b), #a, #b, __FILE__, __LINE__)
#define CHECK_MEM(a, b, n) CHECK(memcmp((a), (b), (n)) == 0)
/* Leave the case: because of a failure, or because it cannot run here. */
#define REQUIRE(cond)                                                          \
    if (!(cond)) {                                                             \
        check_fail(__FILE__, __LINE__, #cond);                                 \
        return;                                                                \
    } else                                                                     \
        (void)0
#define CHECK_SKIP(why)                                                        \
    do {                                                                       \
        check_skip_why = (why);                                                \
        return;                                                                \
    } while (0)
#define CHECK_MAIN(cases)                                                      \
    int main(int argc, char **argv)                                            \
    {                                                                          \
        return check_main((cases), sizeof(cases) / sizeof((cases)[0]), argc,   \
                          argv);                                               \
    }

static inline void check_fail(const char *file, int line, const char *what)
{
    check_failures++;
    if (!check_quiet)
        printf("  %s:%d: %s\n", file, line, what);
}

static inline void check_eq(uint64_t a, uint64_t b, const char *sa,
                            const char *sb, const char *file, int line)
{
    if (a == b)
        return;
    check_failures++;
    if (check_quiet)
        return;
    printf("  %s:%d: %s is %" PRId64 " (%#" PRIx64 "), %s is %" PRId64
           " (%#" PRIx64 ")\n",
           file, line, sa, (int64_t)a, a, sb, (int64_t)b, b);
}

/* The seed for a case that uses chance; printed, so it can be repeated. */
static inline uint64_t check_seed(void)
{
    printf("  seed %" PRIu64 "\n", check_seed_value);
    return check_seed_value;
}

static int check_chosen(const char *name, int argc, char **argv)
{
    int any = 0, hit = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 && i + 1 < argc) {
            check_seed_value = strtoull(argv[++i], NULL, 0);
            continue;
        }
        any = 1;
        hit |= strstr(name, argv[i]) != NULL;
    }
    return hit || !any;
}

static int check_main(const struct check_case *cases, size_t n, int argc,
                      char **argv)
{
    unsigned count[3] = {0, 0, 0}; /* passed, failed, skipped */
    static const char *const how[] = {"ok", "FAILED", "skipped: "};

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < n; i++) {
        unsigned r;

        if (!check_chosen(cases[i].name, argc, argv))
            continue;
        check_failures = 0;
        check_skip_why = NULL;
        cases[i].fn();
        r = check_failures ? 1 : check_skip_why ? 2 : 0;
        count[r]++;
        printf("%s: %s%s\n", cases[i].name, how[r],
               r == 2 ? check_skip_why : "");
    }
    printf("%u passed, %u failed, %u skipped\n", count[0], count[1], count[2]);
    return count[1] || count[0] + count[2] == 0;
}

#endif
