/* SPDX-License-Identifier: MIT */
/*
 * The life cycle that base.h and driver.h promise, the same for every driver
 * on every transport: each operation in each state, twice, with the code it
 * answers, the memory it leaves and what becomes of the requests.  Then rest
 * without a reset (3.4), and devices that somebody else left running.
 */
#include <virtio_drv/mmio.h>
#include <virtio_drv/pci.h>
#include <virtio_drv/virtio_blk.h>
#include <virtio_drv/virtio_gpu.h>
#include <virtio_drv/virtio_net.h>

#include "check.h"
#include "fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOT     0x10001000u
#define JOBS     16u
#define WORK     (256u * 1024u)

enum kind { BLK, NET, GPU, KINDS };
enum bus { MMIO2, MMIO1, PCI, BUSES };

static const char *const kind_name[] = {"blk", "net", "gpu"};
static const char *const bus_name[] = {"mmio 2", "mmio 1", "pci"};

struct job {
    union {
        struct vdrv_block_request blk;
        struct vdrv_display_request gpu;
        struct vdrv_net_buf net;
    }; /* first */
    struct vdrv_seg seg;
    uint8_t data[2048];
    uint32_t ended;
};

static struct machine {
    enum kind kind;
    enum bus bus;
    struct fake f;
    union {
        struct fake_blk blk;
        struct fake_net net;
        struct fake_gpu gpu;
    } device;
    struct fake_dev *fd;
    struct fake_mmio slot;
    struct fake_pci pcibus;
    struct fake_pci_fn fn;
    struct vdrv_pci_ops ops;
    struct vdrv_mmio mmio;
    struct vdrv_pci pci;
    struct vdrv_transport *t;
    union {
        struct vdrv_virtio_blk blk;
        struct vdrv_virtio_net net;
        struct vdrv_virtio_gpu gpu;
    } driver;
    struct vdrv_device *dev;
    struct vdrv_driver *drv;
    uint32_t queue; /* where the jobs go */
    struct job job[JOBS];
    uint32_t jobs, lost; /* submitted; of these, dropped by a panic */
    uint64_t work[WORK / 8];
} m;

/* ---- Any device on any bus ------------------------------------------------- */

static void device_up(void)
{
    static const struct fake_blk_config two = {.queues = 2, .sectors = 64};

    if (m.kind == BLK)
        fake_blk_init(&m.device.blk, &m.f, &two);
    else if (m.kind == NET)
        fake_net_init(&m.device.net, &m.f, NULL);
    else
        fake_gpu_init(&m.device.gpu, &m.f, NULL);
    m.fd = &m.device.blk.dev; /* the first member of each */
    fake_dev_offer(m.fd, FAKE_F_SUSPEND, true);
}

static void device_down(void)
{
    if (m.kind == BLK)
        fake_blk_fini(&m.device.blk);
    else if (m.kind == NET)
        fake_net_fini(&m.device.net);
    else
        fake_gpu_fini(&m.device.gpu);
}

static int probe(void)
{
    if (m.bus == PCI) {
        m.t = &m.pci.transport;
        return vdrv_pci_probe(&m.pci, &m.f.hal, &m.ops, VDRV_PCI_FN(0, 2, 0));
    }
    m.t = &m.mmio.transport;
    return vdrv_mmio_probe_any(&m.mmio, &m.f.hal, SLOT, 0x200,
                               &vdrv_mmio_legacy);
}

static int init_blk(void)
{
    const struct vdrv_virtio_blk_config cfg = {.work = m.work,
                                               .work_size = sizeof(m.work),
                                               .queue_size = 32,
                                               .queues = 2,
                                               .suspend = 1};

    m.dev = &m.driver.blk.block.dev;
    m.drv = &m.driver.blk.drv;
    return vdrv_virtio_blk_init(&m.driver.blk, m.t, &cfg);
}

static int init_net(void)
{
    const struct vdrv_virtio_net_config cfg = {.work = m.work,
                                               .work_size = sizeof(m.work),
                                               .queue_size = 32,
                                               .suspend = 1};

    m.dev = &m.driver.net.net.dev;
    m.drv = &m.driver.net.drv;
    m.queue = vdrv_net_tx_queue(0);
    return vdrv_virtio_net_init(&m.driver.net, m.t, &cfg);
}

static int init_gpu(void)
{
    const struct vdrv_virtio_gpu_config cfg = {
        .work = m.work, .work_size = sizeof(m.work), .suspend = 1};

    m.dev = &m.driver.gpu.display.dev;
    m.drv = &m.driver.gpu.drv;
    return vdrv_virtio_gpu_init(&m.driver.gpu, m.t, &cfg);
}

static int init(void)
{
    return m.kind == BLK ? init_blk() : m.kind == NET ? init_net() : init_gpu();
}

static int fini(void)
{
    if (m.kind == BLK)
        return vdrv_virtio_blk_fini(&m.driver.blk);
    if (m.kind == NET)
        return vdrv_virtio_net_fini(&m.driver.net);
    return vdrv_virtio_gpu_fini(&m.driver.gpu);
}

static bool machine_up(enum kind kind, enum bus bus)
{
    const unsigned before = check_failures;

    static const struct fake_config small = {.arena_size = 4u << 20};

    memset(&m, 0, sizeof(m));
    m.kind = kind;
    m.bus = bus;
    fake_init(&m.f, &small);
    device_up();
    if (bus == PCI) {
        fake_pci_init(&m.pcibus, &m.f);
        fake_pci_virtio(&m.fn, &m.pcibus, NULL, 0x10, m.fd, NULL);
        m.ops = (struct vdrv_pci_ops){
            .ctx = &m.pcibus, .read = fake_pci_read, .write = fake_pci_write};
    } else {
        fake_mmio_init(&m.slot, &m.f, m.fd, SLOT, 0x200);
        if (bus == MMIO1)
            fake_mmio_legacy(&m.slot);
    }
    CHECK_EQ(probe(), VDRV_OK);
    CHECK_EQ(init(), VDRV_OK);
    return check_failures == before;
}

static void machine_down(void)
{
    CHECK(fake_balanced(&m.f));
    CHECK_EQ(m.f.violations, 0);
    if (m.bus == PCI)
        fake_pci_fini(&m.pcibus);
    else
        fake_mmio_fini(&m.slot);
    device_down();
    fake_fini(&m.f);
}

/* ---- Jobs: a read, a frame, a flush ---------------------------------------- */

static void blk_done(struct vdrv_block_request *req)
{
    ((struct job *)(void *)req)->ended++;
}

static void gpu_done(struct vdrv_display_request *req)
{
    ((struct job *)(void *)req)->ended++;
}

static void net_done(struct vdrv_net_buf *buf)
{
    ((struct job *)(void *)buf)->ended++;
}

static int submit_blk(struct job *j)
{
    struct vdrv_block *blk = &m.driver.blk.block;
    int err;

    j->seg = vdrv_seg_in(j->data, 512);
    j->blk.op = VDRV_BLOCK_READ;
    j->blk.segs = &j->seg;
    j->blk.nsegs = 1;
    j->blk.done = blk_done;
    err = vdrv_block_submit(blk, &j->blk);
    if (err == VDRV_OK)
        CHECK(vdrv_block_kick(blk, 0) >= 0);
    return err;
}

static int submit_net(struct job *j)
{
    vdrv_net_buf_init(&j->net, j->data, sizeof(j->data), 0);
    j->net.release = net_done;
    j->net.data = j->data;
    j->net.len = 60;
    return vdrv_net_transmit(&m.driver.net.net, 0, &j->net);
}

static int submit_gpu(struct job *j)
{
    struct vdrv_display *dpy = &m.driver.gpu.display;
    int err;

    j->gpu.op = VDRV_DISPLAY_FLUSH;
    j->gpu.done = gpu_done;
    err = vdrv_display_submit(dpy, &j->gpu);
    if (err == VDRV_OK)
        CHECK(vdrv_display_kick(dpy, VDRV_DISPLAY_QUEUE) >= 0);
    return err;
}

/* One more of them; an error has taken nothing. */
static int submit(void)
{
    struct job *j = &m.job[m.jobs];
    int err;

    memset(j, 0, sizeof(*j));
    err = m.kind == BLK   ? submit_blk(j)
          : m.kind == NET ? submit_net(j)
                          : submit_gpu(j);
    m.jobs += err == VDRV_OK;
    if (err != VDRV_OK)
        CHECK_EQ(j->ended, 0);
    return err;
}

/* Jobs that ended; none of them did twice. */
static uint32_t ended(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m.jobs; i++) {
        CHECK(m.job[i].ended <= 1);
        n += m.job[i].ended;
    }
    return n;
}

/* Everything works: a job goes through, and its end is seen. */
static void check_works(void)
{
    const uint32_t before = ended();

    m.fd->complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(submit(), VDRV_OK);
    for (unsigned i = 0; i < 4 && ended() + m.lost < m.jobs; i++) {
        fake_step(&m.f);
        CHECK(vdrv_poll(m.dev, m.queue, 0) >= 0);
    }
    CHECK(ended() > before);
    CHECK_EQ(ended() + m.lost, m.jobs);
    if (m.kind == BLK)
        CHECK_EQ(m.job[m.jobs - 1].blk.status, VDRV_OK);
    else if (m.kind == GPU)
        CHECK_EQ(m.job[m.jobs - 1].gpu.status, VDRV_OK);
}

/* ---- States ----------------------------------------------------------------- */

enum state {
    RUNNING, /* with three jobs in flight, as are all that follow */
    STOPPED,
    FAILED, /* it asked for a reset */
    GONE,   /* unplugged, and that was noticed */
    HALTED, /* a time-out on one queue reset it */
    STUCK,
    WORSE,  /* so too, after it had asked for a reset */
    SEIZED, /* after a panic; displays only */
    SUSPENDED,
    ENDED, /* after fini */
    STATES
};

static const char *const state_name[] = {
    [RUNNING] = "running", [STOPPED] = "stopped", [FAILED] = "failed",
    [GONE] = "gone",       [HALTED] = "halted",   [STUCK] = "stuck",
    [WORSE] = "worse",     [SEIZED] = "seized",   [SUSPENDED] = "suspended",
    [ENDED] = "ended",
};

static void enter_failed(void)
{
    fake_dev_needs_reset(m.fd);
    CHECK_EQ(vdrv_irq(m.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(m.dev, m.queue, 0), VDRV_ERR_BAD_STATE);
}

static void enter_gone(void)
{
    m.f.gone_at = 1;
    m.fn.hidden = true;
    CHECK_EQ(vdrv_refresh(m.dev, NULL), VDRV_ERR_NO_DEVICE);
}

static void enter_halted(void)
{
    const int32_t never = VDRV_PENDING;

    CHECK_EQ(vdrv_driver_wait(m.drv, m.queue, &never, 1000), VDRV_ERR_TIMEOUT);
    CHECK_EQ(m.drv->state, VDRV_DRIVER_HALTED);
}

static void enter_stuck(void)
{
    m.fd->reset_never = true;
    CHECK_EQ(vdrv_stop(m.dev), VDRV_ERR_STUCK);
}

static void enter_seized(void)
{
    m.fd->complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_display_panic(&m.driver.gpu.display), VDRV_OK);
    m.lost = m.jobs;
}

static void enter_suspended(void)
{
    m.fd->complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
}

/* False: there is no such state there. */
static bool enter(enum state state)
{
    if ((state == SEIZED && m.kind != GPU) ||
        (state == SUSPENDED && m.bus == MMIO1))
        return false;
    m.fd->complete = FAKE_COMPLETE_HELD;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(submit(), VDRV_OK);
    fake_step(&m.f);
    CHECK(fake_dev_pending(m.fd) >= 3);
    switch (state) {
    case STOPPED:
        CHECK_EQ(vdrv_stop(m.dev), VDRV_OK);
        break;
    case FAILED:
        enter_failed();
        break;
    case GONE:
        enter_gone();
        break;
    case HALTED:
        enter_halted();
        break;
    case STUCK:
        enter_stuck();
        break;
    case WORSE:
        enter_failed();
        enter_stuck();
        break;
    case SEIZED:
        enter_seized();
        break;
    case SUSPENDED:
        enter_suspended();
        break;
    case ENDED:
        CHECK_EQ(fini(), VDRV_OK);
        break;
    default:
        break;
    }
    return true;
}

/* ---- The table ---------------------------------------------------------------- */

enum op {
    STOP,
    START,
    FINI,
    IRQ,
    POLL,
    ARM,
    REFRESH,
    SUBMIT,
    SUSPEND,
    RESUME,
    OPS
};

static const char *const op_name[] = {"stop",    "start", "fini",    "irq",
                                      "poll",    "arm",   "refresh", "submit",
                                      "suspend", "resume"};

#define BAD  VDRV_ERR_BAD_STATE
#define NODE VDRV_ERR_NO_DEVICE
#define STK  VDRV_ERR_STUCK

/* The code, the first time and the second. */
static const int expected[STATES][OPS] = {
    /*            stop start fini irq poll  arm   refresh submit susp. resume */
    [RUNNING] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    [STOPPED] = {0, 0, 0, 0, BAD, BAD, BAD, BAD, BAD, BAD},
    [FAILED] = {0, 0, 0, 0, BAD, BAD, BAD, BAD, BAD, BAD},
    [GONE] = {0, NODE, 0, 0, NODE, NODE, NODE, NODE, NODE, NODE},
    [HALTED] = {0, 0, 0, 0, BAD, BAD, BAD, BAD, BAD, BAD},
    [STUCK] = {STK, STK, STK, 0, STK, STK, STK, STK, STK, STK},
    [WORSE] = {STK, STK, STK, 0, STK, STK, STK, STK, STK, STK},
    [SEIZED] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
    [SUSPENDED] = {0, 0, 0, 0, BAD, BAD, BAD, BAD, 0, 0},
    [ENDED] = {BAD, BAD, 0, 0, BAD, BAD, BAD, BAD, BAD, BAD},
};

static int call(enum op op)
{
    uint32_t changes = 0x55;

    if (op == START || op == SUSPEND)
        m.fd->complete = FAKE_COMPLETE_NOW; /* it works again */
    switch (op) {
    case STOP:
        return vdrv_stop(m.dev);
    case START:
        return vdrv_start(m.dev);
    case FINI:
        return fini();
    case IRQ:
        return (int)vdrv_irq(m.dev, 0);
    case POLL:
        return vdrv_poll(m.dev, m.queue, 0);
    case ARM:
        return vdrv_arm(m.dev, m.queue, VDRV_ARM_NEXT);
    case REFRESH:
        return vdrv_refresh(m.dev, &changes);
    case SUBMIT:
        return submit();
    case SUSPEND:
        return vdrv_suspend(m.dev);
    default:
        return vdrv_resume(m.dev);
    }
}

static int expect(enum state state, enum op op)
{
    const int err = expected[state][op];

    if (m.bus == MMIO1 && op == SUSPEND && err == VDRV_OK)
        return VDRV_ERR_UNSUPPORTED; /* the legacy interface has no bit 43 */
    return err;
}

/* Whatever it was in, and whatever was tried: it can be brought back. */
static void bring_back(enum state state, enum op op)
{
    m.fn.hidden = false;
    m.f.gone_at = 0;
    m.fd->reset_never = false;
    m.fd->complete = FAKE_COMPLETE_NOW;
    if (state == ENDED || (op == FINI && expected[state][op] == VDRV_OK)) {
        CHECK_EQ(ended() + m.lost, m.jobs); /* all is back */
        CHECK(fake_balanced(&m.f));
        CHECK_EQ(probe(), VDRV_OK);
        CHECK_EQ(init(), VDRV_OK);
    } else {
        CHECK_EQ(vdrv_resume(m.dev) == VDRV_OK ? 0 : vdrv_start(m.dev),
                 VDRV_OK);
    }
    check_works();
    CHECK_EQ(fini(), VDRV_OK);
    CHECK_EQ(fini(), VDRV_OK);
    CHECK_EQ(ended() + m.lost, m.jobs);
}

static void one_cell(enum kind kind, enum bus bus, enum state state, enum op op)
{
    uint32_t allocs;

    if (!machine_up(kind, bus))
        return;
    if (!enter(state)) {
        CHECK_EQ(fini(), VDRV_OK);
        machine_down();
        return;
    }
    allocs = m.f.allocs_live;
    CHECK_EQ(allocs == 0, state == ENDED);
    for (int twice = 0; twice < 2; twice++) {
        CHECK_EQ(call(op), expect(state, op));
        CHECK_EQ(m.f.allocs_live,
                 op == FINI && expected[state][op] == VDRV_OK ? 0 : allocs);
        if (op == STOP && expected[state][op] == VDRV_OK)
            CHECK_EQ(ended() + m.lost, m.jobs);
    }
    bring_back(state, op);
    machine_down();
}

/* BASIC-05, BASIC-42, F75, F76: every driver, bus, state and operation. */
static void fault_F76_every_call_in_every_state(void)
{
    for (int kind = BLK; kind < KINDS; kind++)
        for (int bus = MMIO2; bus < BUSES; bus++)
            for (int state = RUNNING; state < STATES; state++)
                for (int op = STOP; op < OPS; op++) {
                    if (kind == GPU && bus == MMIO1)
                        continue; /* there is no legacy GPU */
                    one_cell(kind, bus, state, op);
                    if (check_failures) {
                        printf("  %s, %s, %s, %s\n", kind_name[kind],
                               bus_name[bus], state_name[state], op_name[op]);
                        return;
                    }
                }
}

/* ---- Rest without a reset, 3.4 -------------------------------------------------- */

/* For each kind of device on each bus that can; false ends it. */
static void each(bool (*body)(void))
{
    for (int kind = BLK; kind < KINDS; kind++)
        for (int bus = MMIO2; bus < BUSES; bus++) {
            if (bus == MMIO1)
                continue;
            if (!machine_up(kind, bus) || !body() || check_failures) {
                printf("  %s, %s\n", kind_name[kind], bus_name[bus]);
                return;
            }
            CHECK_EQ(fini(), VDRV_OK);
            CHECK_EQ(ended(), m.jobs);
            machine_down();
        }
}

/* What is published, as the device sees it: split rings, little-endian. */
static uint16_t published(void)
{
    const uint8_t *avail = m.drv->queue[m.queue].vq.driver;

    return fake_get16(avail + 2);
}

/*
 * BASIC-44, BASIC-45, BASIC-46, BASIC-48: what was being worked on ends, what was not
 * looked at stays, and nothing is added or notified in between.
 */
static bool rests(void)
{
    uint32_t kicks;
    uint16_t idx;

    m.fd->complete = FAKE_COMPLETE_ORDER;
    m.fd->per_step = 1;
    m.fd->suspend_reads = 5;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(submit(), VDRV_OK);
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
    CHECK_EQ(m.fd->status,
             FAKE_ACKNOWLEDGE | FAKE_DRIVER | FAKE_FEATURES_OK | FAKE_SUSPEND);
    CHECK_EQ(fake_dev_pending(m.fd), 0);
    kicks = m.fd->kicks;
    idx = published();
    CHECK_EQ(submit(), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_poll(m.dev, m.queue, 0), VDRV_ERR_BAD_STATE);
    fake_steps(&m.f, 10);
    CHECK_EQ(ended(), 0);
    CHECK_EQ(m.fd->kicks, kicks);
    CHECK_EQ(published(), idx);
    CHECK_EQ(vdrv_resume(m.dev), VDRV_OK);
    CHECK_EQ(m.fd->status, FAKE_ACKNOWLEDGE | FAKE_DRIVER | FAKE_FEATURES_OK |
                               FAKE_DRIVER_OK);
    for (int i = 0; i < 20 && ended() < m.jobs; i++) {
        fake_step(&m.f);
        CHECK(vdrv_poll(m.dev, m.queue, 0) >= 0);
    }
    CHECK_EQ(ended(), m.jobs);
    check_works();
    return true;
}

static void test_suspend(void)
{
    each(rests);
}

/* It asks for a reset instead: no hang, and a start makes it work. */
static bool fails_to_rest(void)
{
    for (int resume = 0; resume < 2; resume++) {
        if (resume != 0)
            CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
        m.fd->suspend_fails = true;
        CHECK_EQ(resume ? vdrv_resume(m.dev) : vdrv_suspend(m.dev),
                 VDRV_ERR_BAD_STATE);
        m.fd->suspend_fails = false;
        CHECK_EQ(vdrv_poll(m.dev, m.queue, 0), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_resume(m.dev), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_start(m.dev), VDRV_OK);
        check_works();
    }
    return true;
}

static void test_suspend_refused(void)
{
    each(fails_to_rest);
}

/* It does nothing at all: the wait has an end, and all memory is back. */
static bool never_rests(void)
{
    for (int resume = 0; resume < 2; resume++) {
        const uint64_t before = m.f.now;

        m.fd->complete = FAKE_COMPLETE_NOW;
        if (resume != 0)
            CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
        else
            CHECK_EQ(submit(), VDRV_OK);
        m.fd->suspend_never = true;
        CHECK_EQ(resume ? vdrv_resume(m.dev) : vdrv_suspend(m.dev),
                 VDRV_ERR_TIMEOUT);
        m.fd->suspend_never = false;
        CHECK(m.f.now - before < 10000000);
        CHECK_EQ(m.fd->status, 0); /* it was reset */
        CHECK_EQ(ended(), m.jobs);
        CHECK_EQ(vdrv_poll(m.dev, m.queue, 0), VDRV_ERR_BAD_STATE);
        CHECK_EQ(vdrv_start(m.dev), VDRV_OK);
        check_works();
    }
    return true;
}

static void test_suspend_never(void)
{
    each(never_rests);
}

static bool never_rests_nor_resets(void)
{
    m.fd->suspend_never = m.fd->reset_never = true;
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_ERR_STUCK);
    CHECK_EQ(vdrv_resume(m.dev), VDRV_ERR_STUCK);
    m.fd->suspend_never = m.fd->reset_never = false;
    return true;
}

static void test_suspend_stuck(void)
{
    each(never_rests_nor_resets);
}

static bool vanishes_at_rest(void)
{
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
    m.f.gone_at = 1;
    m.fn.hidden = true;
    CHECK_EQ(vdrv_resume(m.dev), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_resume(m.dev), VDRV_ERR_NO_DEVICE);
    return true;
}

static void test_suspend_unplugged(void)
{
    each(vanishes_at_rest);
}

/* BASIC-43: not without the feature, nor when it does not run. */
static void test_suspend_not_negotiated(void)
{
    REQUIRE(machine_up(BLK, MMIO2));
    CHECK_EQ(fini(), VDRV_OK);
    fake_dev_offer(m.fd, FAKE_F_SUSPEND, false);
    CHECK_EQ(init(), VDRV_OK); /* it is asked for, not required */
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_resume(m.dev), VDRV_OK);
    check_works();
    CHECK_EQ(fini(), VDRV_OK);
    machine_down();
    CHECK_EQ(vdrv_suspend(NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_resume(NULL), VDRV_ERR_INVALID);
}

/* A configuration that changes meanwhile is told afterwards. CFG-08. */
static void test_suspend_config_change(void)
{
    uint32_t changes;

    REQUIRE(machine_up(BLK, MMIO2));
    CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
    fake_blk_resize(&m.device.blk, 32);
    CHECK_EQ(vdrv_irq(m.dev, 0), 0);
    CHECK_EQ(vdrv_resume(m.dev), VDRV_OK);
    CHECK_EQ(vdrv_irq(m.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_refresh(m.dev, &changes), VDRV_OK);
    CHECK_EQ(changes, VDRV_CHANGE_CAPACITY);
    CHECK_EQ(vdrv_block_num_blocks(&m.driver.blk.block), 32);
    CHECK_EQ(fini(), VDRV_OK);
    machine_down();
}

/* ---- Left running ----------------------------------------------------------------- */

/* All that the machine has given out, back to it: a device that still used it
   would be caught. */
static void take_memory_away(struct fake_alloc *old, size_t n)
{
    for (size_t i = 0; i < n; i++)
        m.f.hal.dma_free(m.f.hal.ctx, old[i].ptr, old[i].dma, old[i].size,
                         old[i].flags);
}

static void taken_over(enum kind kind, enum bus bus)
{
    struct fake_alloc old[16];
    size_t n = 0;

    REQUIRE(machine_up(kind, bus));
    m.fd->complete = FAKE_COMPLETE_HELD;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(submit(), VDRV_OK);
    CHECK_EQ(vdrv_arm(m.dev, m.queue, VDRV_ARM_NEXT), 0);
    fake_step(&m.f);
    fake_dev_release(m.fd, 0);     /* an interrupt is pending, */
    fake_dev_config_changed(m.fd); /* and another */
    CHECK(m.fd->isr != 0);
    CHECK(fake_dev_pending(m.fd) > 0);
    for (size_t i = 0; i < m.f.allocs_live && n < COUNT(old); i++)
        old[n++] = m.f.allocs[i];
    CHECK_EQ(n, m.f.allocs_live);
    /* The firmware is gone, without a word to the device. */
    memset(&m.driver, 0x5A, sizeof(m.driver));
    memset(&m.mmio, 0x5A, sizeof(m.mmio));
    memset(&m.pci, 0x5A, sizeof(m.pci));
    memset(m.work, 0x5A, sizeof(m.work));
    m.fd->complete = FAKE_COMPLETE_NOW;
    CHECK_EQ(probe(), VDRV_OK);
    CHECK(m.fd->status & FAKE_DRIVER_OK); /* a probe only looks */
    CHECK_EQ(init(), VDRV_OK);
    take_memory_away(old, n);
    CHECK_EQ(m.fd->isr & ~(uint32_t)FAKE_ISR_QUEUE, 0);
    m.jobs = 0;
    check_works();
    CHECK_EQ(fini(), VDRV_OK);
    machine_down();
}

/* F77: what firmware left running is taken over. */
static void fault_F77_left_running(void)
{
    for (int kind = BLK; kind < KINDS; kind++)
        for (int bus = MMIO2; bus < BUSES; bus++)
            if (kind != GPU || bus != MMIO1)
                taken_over(kind, bus);
}

/* F77: a machine reset in mid traffic: the device knows nothing any more. */
static void fault_F77_power_lost(void)
{
    for (int kind = BLK; kind < KINDS; kind++)
        for (int bus = MMIO2; bus < BUSES; bus++) {
            if (kind == GPU && bus == MMIO1)
                continue;
            REQUIRE(machine_up(kind, bus));
            m.fd->complete = FAKE_COMPLETE_HELD;
            for (int i = 0; i < 3; i++)
                CHECK_EQ(submit(), VDRV_OK);
            fake_step(&m.f);
            fake_dev_set_status(m.fd, 0);
            if (m.bus == MMIO1)
                m.slot.page_size = 0;
            fake_step(&m.f);
            CHECK_EQ(ended(), 0);
            m.fd->complete = FAKE_COMPLETE_NOW;
            CHECK_EQ(vdrv_reset(m.dev), VDRV_OK);
            CHECK_EQ(ended(), 3);
            check_works();
            CHECK_EQ(fini(), VDRV_OK);
            machine_down();
        }
}

/* BARs, command register and device state are lost, and the memory is not. */
static void lose_power(void)
{
    fake_pci_power_loss(&m.fn);
    CHECK_EQ(fake_get16(m.fn.cfg + 4), 0);
    CHECK_EQ(m.fd->status, 0);
}

/* Nobody answers there any more: whatever is tried, before a start. */
static void try_without_power(enum op op)
{
    m.f.record = true;
    if (op == START)
        CHECK_EQ(m.drv->state == VDRV_DRIVER_SUSPENDED ? vdrv_start(m.dev)
                                                       : vdrv_reset(m.dev),
                 VDRV_OK); /* which stop it, first */
    else if (op == RESUME)
        CHECK_EQ(vdrv_resume(m.dev), VDRV_ERR_NO_DEVICE);
    else if (op == STOP)
        CHECK_EQ(vdrv_stop(m.dev), VDRV_OK);
    else if (op == REFRESH)
        CHECK(vdrv_refresh(m.dev, NULL) < 0);
    if (op == STOP)
        CHECK_EQ(ended(), m.jobs);
    CHECK_EQ(vdrv_start(m.dev), VDRV_OK); /* stops it, where nothing has */
    fake_violations_clear(&m.f);
    m.f.record = false;
}

/* F77: asleep or at work when the power goes: start makes a PCI device work
   again, and every job has its end, once. */
static void fault_F77_power_lost_on_pci(void)
{
    static const enum op tries[] = {START, STOP, RESUME, REFRESH};

    for (int kind = BLK; kind < KINDS; kind++)
        for (uint32_t i = 0; i < 2 * COUNT(tries); i++) {
            const bool asleep = i % 2 == 0;
            uint8_t cfg[64];

            if (tries[i / 2] == RESUME && !asleep)
                continue;
            REQUIRE(machine_up(kind, PCI));
            memcpy(cfg, m.fn.cfg, sizeof(cfg));
            m.fd->complete = FAKE_COMPLETE_HELD;
            for (int n = 0; n < 3; n++)
                CHECK_EQ(submit(), VDRV_OK);
            m.fd->complete = FAKE_COMPLETE_NOW;
            if (asleep)
                CHECK_EQ(vdrv_suspend(m.dev), VDRV_OK);
            lose_power();
            try_without_power(tries[i / 2]);
            CHECK_MEM(cfg, m.fn.cfg, sizeof(cfg));
            CHECK_EQ(ended(), m.jobs);
            check_works();
            CHECK_EQ(fini(), VDRV_OK);
            machine_down();
            if (check_failures != 0) {
                printf("  %s, %s, %s\n", kind_name[kind],
                       asleep ? "asleep" : "at work", op_name[tries[i / 2]]);
                return;
            }
        }
}

static const struct check_case cases[] = {
    {"fault_F76_every_call_in_every_state",
     fault_F76_every_call_in_every_state},
    {"fault_F77_left_running", fault_F77_left_running},
    {"fault_F77_power_lost", fault_F77_power_lost},
    {"fault_F77_power_lost_on_pci", fault_F77_power_lost_on_pci},
    {"life_suspend", test_suspend},
    {"life_suspend_refused", test_suspend_refused},
    {"life_suspend_never", test_suspend_never},
    {"life_suspend_stuck", test_suspend_stuck},
    {"life_suspend_unplugged", test_suspend_unplugged},
    {"life_suspend_not_negotiated", test_suspend_not_negotiated},
    {"life_suspend_config_change", test_suspend_config_change},
};

CHECK_MAIN(cases)
