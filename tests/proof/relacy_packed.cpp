// SPDX-License-Identifier: MIT
//
// The packed ring's own add, kick, reap and arm (src/queue/vdrv_packed.c)
// beside a device, as relacy_split.cpp has it for the split ring:
//   publish  what a chain says is seen by a device that saw its flags
//   batch    so it is for each chain of a batch, the first being held back
//   consume  what the device wrote is seen by who saw the used flags
//   kick     the device sleeps only when it will be notified
//   flags    kick, by flags instead of event indices
//   arm      the driver sleeps only when it will be interrupted
//   armflags arm, by flags
//   both     each waits for the other: one of them is awake
#include "relacy_shim.hpp"

#include <virtio_drv/queue.h>

// What C++ would not have.
#define _Static_assert static_assert
#include "../../src/queue/vdrv_packed.c"

#include "relacy_stubs.hpp"

static const unsigned SIZE = 2;

// Byte offsets of the ring's words.
static const unsigned LEN = 8, TAG = 12, SLOT = 16, DRIVER = SLOT * SIZE,
                      DEVICE = DRIVER + 4;

// What the device sees and writes in the first lap (2.8.1): wrap is 1.
static const unsigned AVAILABLE = TAG_AVAIL, USED = TAG_AVAIL | TAG_USED;
static const unsigned FIRST = 0x8000u | PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DESC);

template <class T> struct ring : rl::test_suite<T, 2> {
    rl::atomic<unsigned> word[SHARED_WORDS];
    rl::var<unsigned> data[SIZE];
    struct vdrv_queue q;
    struct vdrv_queue_slot slot[SIZE];
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
        for (unsigned i = 0; i < SIZE; i++)
            data[i]($) = 0u;
        doorbells = 0;
        std::memset(&q, 0, sizeof(q));
        std::memset(slot, 0, sizeof(slot));
        q.kind = &vdrv_queue_packed;
        q.desc = shared_ring;
        q.driver = shared_ring + DRIVER;
        q.device = shared_ring + DEVICE;
        q.slot = slot;
        q.cookie = cookie;
        q.size = SIZE;
        q.max_chain = SIZE;
        q.direct_fast = UINT64_MAX;
        q.event_idx = T::EVENT;
        vdrv_queue_packed.reset(&q);
        prepare();
    }

    virtual void prepare()
    {
    }

    // Fills in a chain, of which data[i] stands for the content.
    void offer(unsigned i = 0)
    {
        struct vdrv_seg seg;

        std::memset(&seg, 0, sizeof(seg));
        seg.ptr = this;
        seg.len = 8;
        data[i]($) = 42u + i;
        RL_ASSERT(q.add(&q, &seg, 0, 1, this) == VDRV_OK);
    }

    // Has the driver made slot i available?
    bool there(unsigned i, rl::memory_order order)
    {
        return (at(SLOT * i + TAG).load(order, $) & USED) == AVAILABLE;
    }

    // The device's side, as 2.8.20 and 2.8.21 want it of a device.
    void complete()
    {
        data[0]($) = 43u;
        at(LEN).store(8u, rl::mo_relaxed, $);
        at(TAG).store(USED, rl::mo_release, $);
    }

    // It asks to be told of slot 0; the fence; may it sleep?
    bool device_rests()
    {
        at(DEVICE).store(T::EVENT ? FIRST : 0u, rl::mo_relaxed, $);
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        return !there(0, rl::mo_relaxed);
    }

    // After a used slot 0: does the driver want an interrupt?
    bool interrupts()
    {
        rl::atomic_thread_fence(rl::mo_seq_cst, $);
        return at(DRIVER).load(rl::mo_relaxed, $) == (T::EVENT ? FIRST : 0u);
    }

    // Nothing is asked for yet.
    void device_is_busy()
    {
        at(DEVICE).store(PVIRTQ_EVENT_FLAG(PVIRTQ_EVENT_DISABLE),
                         rl::mo_relaxed, $);
    }
};

struct publish : ring<publish> {
    static const unsigned EVENT = 1;

    void thread(unsigned t)
    {
        if (t == 0) {
            offer();
            q.kick(&q);
        } else if (there(0, rl::mo_acquire)) {
            RL_ASSERT(data[0]($) == 42u);
        }
    }
};

struct batch : ring<batch> {
    static const unsigned EVENT = 1;

    void thread(unsigned t)
    {
        if (t == 0) {
            offer(0);
            offer(1);
            q.kick(&q);
        } else if (there(0, rl::mo_acquire)) {
            // No order of its own: that of the first is enough.
            RL_ASSERT(there(1, rl::mo_relaxed));
            RL_ASSERT(data[0]($) == 42u && data[1]($) == 43u);
        }
    }
};

struct consume : ring<consume> {
    static const unsigned EVENT = 1;

    void prepare() override
    {
        offer();
        q.kick(&q);
        at(LEN).store(77u, rl::mo_relaxed, $); // what must not be read
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
            RL_ASSERT(data[0]($) == 43u);
        }
    }
};

// The device serves what it sees, asks to be told of more, looks once more.
template <class T> struct doorbell : ring<T> {
    bool slept;

    void prepare() override
    {
        slept = false;
        this->device_is_busy();
    }

    void thread(unsigned t)
    {
        if (t == 0) {
            this->offer();
            this->q.kick(&this->q);
        } else {
            slept = this->device_rests();
        }
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

template <class T> struct arming : ring<T> {
    bool slept, interrupted;

    void prepare() override
    {
        slept = interrupted = false;
        this->offer();
        this->q.kick(&this->q);
    }

    void thread(unsigned t)
    {
        if (t == 0) {
            slept = vdrv_queue_packed.arm(&this->q, VDRV_ARM_NEXT) == 0;
            return;
        }
        this->complete();
        interrupted = this->interrupts();
    }

    void after()
    {
        RL_ASSERT(!slept || interrupted);
    }
};

struct arm_event : arming<arm_event> {
    static const unsigned EVENT = 1;
};

struct arm_flags : arming<arm_flags> {
    static const unsigned EVENT = 0;
};

// A chain goes out, and the driver waits for it; the device waits for a chain.
struct both : ring<both> {
    static const unsigned EVENT = 1;
    bool driver_sleeps, device_sleeps, interrupted;

    void prepare() override
    {
        driver_sleeps = device_sleeps = interrupted = false;
        device_is_busy();
    }

    void thread(unsigned t)
    {
        if (t == 0) {
            offer();
            q.kick(&q);
            driver_sleeps = vdrv_queue_packed.arm(&q, VDRV_ARM_NEXT) == 0;
            return;
        }
        device_sleeps = device_rests();
        if (!device_sleeps && there(0, rl::mo_acquire)) {
            complete();
            interrupted = interrupts();
        }
    }

    void after()
    {
        RL_ASSERT(!driver_sleeps || !device_sleeps || doorbells == 1);
        RL_ASSERT(!driver_sleeps || device_sleeps || interrupted);
    }
};

// Exit code 0: the model that is named holds.
int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const bool ok =
        holds<publish>(name, "publish") || holds<batch>(name, "batch") ||
        holds<consume>(name, "consume") || holds<kick_event>(name, "kick") ||
        holds<kick_flags>(name, "flags") || holds<arm_event>(name, "arm") ||
        holds<arm_flags>(name, "armflags") || holds<both>(name, "both");

    return ok ? 0 : 1;
}
