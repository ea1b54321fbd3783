/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's entry: one program with all harnesses, FUZZ_HARNESS names the
 * one to run.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_harness *chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("FUZZ_HARNESS");

    (void)argc;
    (void)argv;
    for (size_t i = 0; name != NULL && i < fuzz_count; i++) {
        if (strcmp(fuzz_harnesses[i].name, name) == 0)
            chosen = &fuzz_harnesses[i];
    }
    if (chosen == NULL)
        fuzz_die("FUZZ_HARNESS names a harness", __FILE__, __LINE__);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= chosen->max)
        chosen->run(data, size);
    return 0;
}
