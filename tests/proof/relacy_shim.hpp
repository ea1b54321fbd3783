// SPDX-License-Identifier: MIT
//
// Lets the library's own barrier.h, unchanged, run on Relacy's atomics: the
// compiler's __atomic builtins are macros here.  Shared words keep their
// addresses; the value of the word at `ring + 2 * i` lives in word[i] (two
// words of 16 bits are one of 32, named by its first).
//
// MUTANT_* takes one barrier out of the library; the device's, which a model
// spells out itself, stay.
#ifndef VDRV_RELACY_SHIM_HPP
#define VDRV_RELACY_SHIM_HPP

#include <relacy/relacy.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

static const unsigned SHARED_WORDS = 32;
alignas(64) static unsigned char shared_ring[2 * SHARED_WORDS];
static rl::atomic<unsigned> *shared_word;

static rl::atomic<unsigned> &shared_at(const volatile void *p)
{
    const std::size_t at = (const volatile unsigned char *)p - shared_ring;

    RL_ASSERT(at < sizeof(shared_ring));
    return shared_word[at / 2];
}

static rl::memory_order shared_order(int order)
{
#ifdef MUTANT_PUBLISH
    if (order == __ATOMIC_RELEASE)
        order = __ATOMIC_RELAXED;
#endif
#ifdef MUTANT_CONSUME
    if (order == __ATOMIC_ACQUIRE)
        order = __ATOMIC_RELAXED;
#endif
    return order == __ATOMIC_RELEASE   ? rl::mo_release
           : order == __ATOMIC_ACQUIRE ? rl::mo_acquire
                                       : rl::mo_relaxed;
}

static unsigned shared_read(const volatile void *p, int order)
{
    return shared_at(p).load(shared_order(order), $);
}

static void shared_write(volatile void *p, unsigned v, int order)
{
    shared_at(p).store(v, shared_order(order), $);
}

static void shared_fence()
{
#ifndef MUTANT_FENCE
    rl::atomic_thread_fence(rl::mo_seq_cst, $);
#endif
}

#define __atomic_load_n(p, order)     shared_read((p), (order))
#define __atomic_store_n(p, v, order) shared_write((p), (unsigned)(v), (order))
#define __atomic_thread_fence(order)  shared_fence()

#endif
