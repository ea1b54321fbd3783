// SPDX-License-Identifier: MIT
//
// The split ring's own kick, reap and arm (src/queue/vdrv_split.c, compiled
// as C++ on Relacy's atomics) beside a device, in every order and with every
// stale value that the C++ memory model allows.  The argument is one of:
//   publish  what a chain says is seen by a device that saw its index
//   consume  what the device wrote is seen by who saw the used index
//   kick     the device sleeps only when it will be notified
//   arm      the driver sleeps only when it will be interrupted
//   flags    kick, by flags instead of event indices
//   status   who sees a request's final status sees its data
//   count    who sees a counted interrupt sees what it was about
#include "relacy_shim.hpp"

#include <virtio_drv/queue.h>

// What C++ would not have.
#define _Static_assert static_assert
#define new new_index
#include "../../src/queue/vdrv_split.c"
#undef new

#include "relacy_stubs.hpp"

static const unsigned SIZE = 2;

// Byte offsets of the ring's words: the parts lie side by side.
static const unsigned AVAIL_IDX = 2, USED_EVENT = 4 + 2 * SIZE, USED = 12,
                      USED_FLAGS = USED, USED_IDX = USED + 2,
                      USED_ID = USED + 4, USED_LEN = USED + 8,
                      AVAIL_EVENT = USED + 4 + 8 * SIZE;
static const unsigned STATUS = 48, COUNTER = 52;

template <class T> struct ring : rl::test_suite<T, 2> {
    rl::atomic<unsigned> word[SHARED_WORDS];
    rl::var<unsigned> data;
    struct vdrv_queue q;
    struct vdrv_queue_slot slot[SIZE];
    struct virtq_desc desc[SIZE];
    void *cookie[SIZE];

    rl::atomic<unsigned> &at(unsigned offset)
    {
        return word[offset / 2];
    }

    void before()
    {
        shared_word = word;
        for (unsigned i = 0; i < SHARED_WORDS; i++)
            word[i].store(0u, rl::mo_relaxed, $);
        data($) = 0u;
        doorbells = 0;
        std::memset(&q, 0, sizeof(q));
        std::memset(slot, 0, sizeof(slot));
        q.desc = desc;
        q.driver = shared_ring;
        q.device = shared_ring + USED;
        q.slot = slot;
        q.cookie = cookie;
        q.size = SIZE;
        q.max_chain = SIZE;
        q.direct_fast = UINT64_MAX;
        q.event_idx = T::EVENT;
        vdrv_queue_split.reset(&q);
        prepare();
    }

    virtual void prepare()
    {
    }

    // Fills in a chain, of which `data` stands for the content.
    void offer()
    {
        struct vdrv_seg seg;

        std::memset(&seg, 0, sizeof(seg));
        seg.ptr = this;
        seg.len = 8;
        RL_ASSERT(q.add(&q, &seg, 0, 1, this) == VDRV_OK);
        data($) = 42u;
    }

    // The device's side, as 2.7.13 and 2.7.14 want it of a device.
    void complete()
    {
        data($) = 43u;
        at(USED_ID).store(0u, rl::mo_relaxed, $);
        at(USED_LEN).store(8u, rl::mo_relaxed, $);
        at(USED_IDX).store(1u, rl::mo_release, $);
    }
};

struct publish : ring<publish> {
    static const unsigned EVENT = 1;

    void thread(unsigned t)
    {
        if (t == 0) {
            offer();
            q.kick(&q);
        } else if (at(AVAIL_IDX).load(rl::mo_acquire, $) == 1u) {
            RL_ASSERT(data($) == 42u);
        }
    }
};

struct consume : ring<consume> {
    static const unsigned EVENT = 1;

    void prepare() override
    {
        offer();
        q.kick(&q);
        at(USED_ID).store(77u, rl::mo_relaxed, $); // what must not be read
    }

    void thread(unsigned t)
    {
        struct vdrv_used out;
        int n;

        if (t == 1) {
            complete();
            return;
        }
        n = q.reap(&q, &out, 1);
        RL_ASSERT(n >= 0);
        if (n == 1) {
            RL_ASSERT(out.cookie == this && out.len == 8);
            RL_ASSERT(data($) == 43u);
        }
    }
};

// The device serves what it sees, asks to be told of more, looks once more.
template <class T> struct doorbell : ring<T> {
    unsigned slept;

    void prepare() override
    {
        slept = 0;
        // Not asked for: far from the event, or the flag that says so.
        this->at(AVAIL_EVENT).store(0x8000u, rl::mo_relaxed, $);
        this->at(USED_FLAGS).store(VIRTQ_USED_F_NO_NOTIFY, rl::mo_relaxed, $);
    }

    void thread(unsigned t)
    {
        if (t == 0) {
            this->offer();
            this->q.kick(&this->q);
            return;
        }
        this->at(T::EVENT ? AVAIL_EVENT : USED_FLAGS)
            .store(0u, rl::mo_relaxed, $);
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        slept = this->at(AVAIL_IDX).load(rl::mo_relaxed, $) == 0u;
    }

    void after()
    {
        RL_ASSERT(!slept || doorbells == 1);
    }
};

struct kick_event : doorbell<kick_event> {
    static const unsigned EVENT = 1;
};

struct kick_flags : doorbell<kick_flags> {
    static const unsigned EVENT = 0;
};

struct arm : ring<arm> {
    static const unsigned EVENT = 1;
    unsigned slept, interrupted;

    void prepare() override
    {
        slept = interrupted = 0;
        offer();
        q.kick(&q);
    }

    void thread(unsigned t)
    {
        if (t == 0) {
            slept = vdrv_queue_split.arm(&q, VDRV_ARM_NEXT) == 0;
            return;
        }
        complete();
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        interrupted = at(USED_EVENT).load(rl::mo_relaxed, $) == 0u;
    }

    void after()
    {
        RL_ASSERT(!slept || interrupted);
    }
};

struct status : ring<status> {
    static const unsigned EVENT = 0;

    void thread(unsigned t)
    {
        int32_t *p = (int32_t *)(void *)(shared_ring + STATUS);

        if (t == 0) {
            data($) = 44u;
            vdrv__status_set(p, 1);
        } else if (vdrv__status_get(p) == 1) {
            RL_ASSERT(data($) == 44u);
        }
    }
};

// An interrupt's handler counts; a poll elsewhere looks for a change.
struct count : ring<count> {
    static const unsigned EVENT = 0;

    void thread(unsigned t)
    {
        uint32_t *p = (uint32_t *)(void *)(shared_ring + COUNTER);

        if (t == 0) {
            data($) = 45u;
            vdrv__count(p);
        } else if (vdrv__counted(p) != 0) {
            RL_ASSERT(data($) == 45u);
        }
    }
};

// Exit code 0: the model that is named holds.
int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const bool ok =
        holds<publish>(name, "publish") || holds<consume>(name, "consume") ||
        holds<kick_event>(name, "kick") || holds<kick_flags>(name, "flags") ||
        holds<arm>(name, "arm") || holds<status>(name, "status") ||
        holds<count>(name, "count");

    return ok ? 0 : 1;
}
