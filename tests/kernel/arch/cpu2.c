/* SPDX-License-Identifier: MIT */
/* The hand-over to the second CPU: see cpu2.h. */
#include "cpu2.h"

#include "../arch.h"

#define WAIT_US 1000000u

static void (*call)(void *arg);
static void *call_arg;
static bool there;

void cpu2_prepare(void (*fn)(void *arg), void *arg)
{
    call = fn;
    call_arg = arg;
    __atomic_store_n(&there, false, __ATOMIC_SEQ_CST);
}

bool cpu2_came(void)
{
    uint64_t start = arch_now_us();

    while (!__atomic_load_n(&there, __ATOMIC_ACQUIRE)) {
        if (arch_now_us() - start > WAIT_US)
            return false;
        arch_relax();
    }
    return true;
}

void cpu2_main(void)
{
    __atomic_store_n(&there, true, __ATOMIC_RELEASE);
    call(call_arg);
}
