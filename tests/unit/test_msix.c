/* SPDX-License-Identifier: MIT */
/*
 * MSI-X on the fake PCI bus: the capability and its table, masks and pending
 * bits, and drivers with a vector for each cause, with fewer, and with a device
 * that refuses some or all of them.
 */
#include <virtio_drv/block.h>
#include <virtio_drv/msix.h>
#include <virtio_drv/virtio_blk.h>
#include <virtio_drv/virtio_gpu.h>
#include <virtio_drv/virtio_net.h>

#include "../fake/fake.h"
#include "check.h"

#define QUEUES  3u
#define DOOR    UINT64_C(0x123456000)
#define CTRL    2u /* of the capability: message control */
#define ENABLED 0x8000u
#define MASKED  0x4000u

static struct machine {
    struct fake f;
    struct fake_pci bus;
    struct fake_pci_fn fn;
    struct fake_blk disk;
    struct vdrv_pci_ops ops;
    struct vdrv_pci pci;
    struct vdrv_msix msix;
    struct vdrv_virtio_blk blk;
    uint64_t work[VDRV_VIRTIO_BLK_WORK_SIZE(QUEUES, 16, 4) / 8];
    uint32_t fired[FAKE_PCI_VECTORS]; /* interrupts, by vector */
} m;

static struct vdrv_msix_message messages[FAKE_PCI_VECTORS];

static void on_irq(void *arg, struct fake_dev *d, uint16_t vector)
{
    (void)arg;
    (void)d;
    if (vector < FAKE_PCI_VECTORS)
        m.fired[vector]++;
}

static void setup_raw(const struct fake_pci_layout *layout)
{
    const struct fake_blk_config disk = {.queues = QUEUES};

    memset(m.fired, 0, sizeof(m.fired));
    fake_init(&m.f, NULL);
    fake_pci_init(&m.bus, &m.f);
    fake_blk_init(&m.disk, &m.f, &disk);
    m.disk.dev.on_irq = on_irq;
    fake_pci_virtio(&m.fn, &m.bus, NULL, 0x10, &m.disk.dev, layout);
    m.ops = (struct vdrv_pci_ops){
        .ctx = &m.bus, .read = fake_pci_read, .write = fake_pci_write};
    for (uint32_t i = 0; i < FAKE_PCI_VECTORS; i++)
        messages[i] = (struct vdrv_msix_message){DOOR + 8 * i, 100 + i, 0};
}

/* A probed disk, with up to `n` vectors attached. */
static void setup(uint32_t table, uint32_t n)
{
    const struct fake_pci_layout layout = {.vectors = table};

    setup_raw(&layout);
    CHECK_EQ(vdrv_pci_probe(&m.pci, &m.f.hal, &m.ops, 0x10), VDRV_OK);
    if (n != 0)
        CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, n), VDRV_OK);
}

static void finish(void)
{
    CHECK(fake_balanced(&m.f));
    CHECK_EQ(m.f.violations, 0);
    fake_blk_fini(&m.disk);
    fake_pci_fini(&m.bus);
    fake_fini(&m.f);
}

static int start(uint32_t vectors)
{
    struct vdrv_virtio_blk_config cfg = {.work = m.work,
                                         .work_size = sizeof(m.work),
                                         .queue_size = 16,
                                         .queues = QUEUES,
                                         .max_segs = 4,
                                         .vectors = vectors};

    return vdrv_virtio_blk_init(&m.blk, &m.pci.transport, &cfg);
}

static uint32_t control(void)
{
    return fake_get16(m.fn.cfg + m.fn.cap_msix + CTRL);
}

/* A read on one queue, armed; its interrupt is counted in `fired`. */
static void read_on(uint32_t queue)
{
    static uint8_t buf[512];
    struct vdrv_seg seg = vdrv_seg_in(buf, sizeof(buf));
    struct vdrv_block_request req = {
        .op = VDRV_BLOCK_READ, .queue = queue, .segs = &seg, .nsegs = 1};
    struct vdrv_block *b = &m.blk.block;

    CHECK_EQ(vdrv_arm(&b->dev, queue, VDRV_ARM_NEXT), 0);
    CHECK_EQ(vdrv_block_submit(b, &req), VDRV_OK);
    CHECK(vdrv_block_kick(b, queue) >= 0);
    fake_step(&m.f);
    CHECK_EQ(vdrv_poll(&b->dev, queue, 0), 1);
    CHECK_EQ(req.status, VDRV_OK);
}

/* ---- The table ----------------------------------------------------------- */

static void attaches_and_detaches(void)
{
    setup(8, 5);
    CHECK_EQ(m.msix.count, 8);
    CHECK_EQ(m.pci.transport.vectors, 5);
    CHECK_EQ(control() & (ENABLED | MASKED), ENABLED);
    for (uint32_t i = 0; i < 8; i++) {
        const uint8_t *e = m.fn.msix + 16 * i;

        CHECK_EQ(fake_get32(e + 12), i < 5 ? 0 : 1);
        if (i < 5) {
            CHECK_EQ(fake_get32(e), (uint32_t)(DOOR + 8 * i));
            CHECK_EQ(fake_get32(e + 4), DOOR >> 32);
            CHECK_EQ(fake_get32(e + 8), 100 + i);
        }
    }
    CHECK_EQ(vdrv_msix_detach(&m.msix, &m.pci), VDRV_OK);
    CHECK_EQ(control() & ENABLED, 0);
    CHECK_EQ(m.pci.transport.vectors, 0);
    CHECK_EQ(start(4), VDRV_OK); /* by the line, then */
    CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, 1), VDRV_ERR_BUSY);
    CHECK_EQ(vdrv_msix_detach(&m.msix, &m.pci), VDRV_ERR_BUSY);
    fake_dev_config_changed(&m.disk.dev);
    CHECK(m.fn.intx);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* PCI-38, PCI-40: of more messages than vectors the last are left out. */
static void table_of_one(void)
{
    setup(1, 4);
    CHECK_EQ(m.msix.count, 1);
    CHECK_EQ(m.pci.transport.vectors, 1);
    CHECK_EQ(start(4), VDRV_OK);
    for (uint32_t q = 0; q < QUEUES; q++)
        read_on(q);
    CHECK_EQ(m.fired[0], QUEUES);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0),
             VDRV_CAUSE_QUEUE | VDRV_CAUSE_CONFIG); /* PCI-53, PCI-55 */
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

static void masks_and_pending(void)
{
    setup(4, 4);
    CHECK_EQ(start(4), VDRV_OK);
    CHECK_EQ(vdrv_msix_mask(&m.msix, 2, true), VDRV_OK);
    CHECK(!vdrv_msix_pending(&m.msix, 2));
    read_on(1);
    CHECK_EQ(m.fired[2], 0);
    CHECK(vdrv_msix_pending(&m.msix, 2));
    CHECK(!vdrv_msix_pending(&m.msix, 1));
    CHECK_EQ(vdrv_msix_mask(&m.msix, 2, false), VDRV_OK);
    CHECK_EQ(m.fired[2], 1);
    CHECK(!vdrv_msix_pending(&m.msix, 2));
    CHECK_EQ(vdrv_msix_mask(&m.msix, 4, true), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_mask(NULL, 0, true), VDRV_ERR_INVALID);
    CHECK(!vdrv_msix_pending(&m.msix, 4));
    CHECK_EQ(vdrv_msix_set(&m.msix, 4, messages), VDRV_ERR_INVALID);
    messages[0].addr = 2;
    CHECK_EQ(vdrv_msix_set(&m.msix, 0, messages), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* What a capability may say wrong: the byte at `off` becomes `value`. */
static const struct {
    const char *log;
    uint32_t off;
    uint8_t value;
    int err;
} lies[] = {
    {"reserved BAR", 4, 6, VDRV_ERR_PROTOCOL},
    {"reserved BAR", 8, 7, VDRV_ERR_PROTOCOL},
    {"not in a memory BAR", 4, 3, VDRV_ERR_PROTOCOL}, /* there is none */
    {"not in a memory BAR", 4, 5, VDRV_ERR_PROTOCOL}, /* an upper half */
    {"not in a memory BAR", 4, 2, VDRV_ERR_PROTOCOL}, /* I/O */
    {"outside its BAR", 5, 0x10, VDRV_ERR_PROTOCOL},  /* starts past it */
    {"outside its BAR", 2, 0xff, VDRV_ERR_PROTOCOL},  /* 256 do not fit */
    {"outside its BAR", 11, 0xff, VDRV_ERR_PROTOCOL}, /* far away */
    {"outside its BAR", 7, 0xff, VDRV_ERR_PROTOCOL},  /* far away */
};

static void lying_capability(void)
{
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        const struct fake_pci_layout layout = {.vectors = 8};

        setup_raw(&layout);
        fake_pci_set_bar(&m.fn, 2, FAKE_BAR_IO, 0x100);
        fake_pci_assign(&m.fn);
        CHECK_EQ(vdrv_pci_probe(&m.pci, &m.f.hal, &m.ops, 0x10), VDRV_OK);
        if (lies[i].off == 2) /* the table at the end of its BAR */
            m.fn.cfg[m.fn.cap_msix + 5] = 0x0f;
        m.fn.cfg[m.fn.cap_msix + lies[i].off] = lies[i].value;
        CHECK_EQ(vdrv_msix_init(&m.msix, &m.f.hal, &m.ops, 0x10), lies[i].err);
        CHECK_EQ(m.msix.count, 0);
        CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, 2), lies[i].err);
        CHECK(fake_log_contains(&m.f, lies[i].log));
        CHECK_EQ(m.pci.transport.vectors, 0);
        CHECK_EQ(control() & ENABLED, 0);
        CHECK_EQ(vdrv_msix_enable(&m.msix), VDRV_ERR_INVALID);
        CHECK_EQ(start(4), VDRV_OK); /* the line is still there */
        CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
        finish();
    }
}

static void no_capability(void)
{
    setup(UINT32_MAX, 0);
    CHECK_EQ(vdrv_msix_init(&m.msix, &m.f.hal, &m.ops, 0x10),
             VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, 2),
             VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_msix_init(&m.msix, &m.f.hal, &m.ops, 0x20),
             VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_msix_init(&m.msix, &m.f.hal, NULL, 0x10), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_init(NULL, &m.f.hal, &m.ops, 0x10), VDRV_ERR_INVALID);
    vdrv_msix_disable(&m.msix);
    m.fn.cfg[0x40 + 1] = 0x40; /* the list runs in a circle */
    CHECK_EQ(vdrv_msix_init(&m.msix, &m.f.hal, &m.ops, 0x10),
             VDRV_ERR_NO_DEVICE);
    finish();
}

static void mapping_refused(void)
{
    setup(4, 0);
    m.f.refuse_mmio_map = true;
    CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, 2), VDRV_ERR_INVALID);
    CHECK_EQ(control() & ENABLED, 0);
    m.f.refuse_mmio_map = false;
    m.fn.hidden = true;
    CHECK_EQ(vdrv_msix_attach(&m.msix, &m.pci, messages, 2),
             VDRV_ERR_NO_DEVICE);
    finish();
}

/* ---- Drivers ------------------------------------------------------------- */

static bool isr_was_read(const struct fake_access *trace)
{
    const uint64_t isr = fake_pci_bar_addr(&m.fn, 4) + m.fn.off_isr;

    for (size_t i = 0; i < m.f.trace_len; i++)
        if (trace[i].addr == isr)
            return true;
    return false;
}

/* PCI-29: not one register read, from interrupt to completion. */
static void vector_per_queue(void)
{
    static struct fake_access trace[64];
    struct vdrv_device *dev = &m.blk.block.dev;

    setup(8, 8);
    CHECK_EQ(start(8), VDRV_OK);
    CHECK_EQ(m.disk.dev.config_vector, 0);
    m.f.trace = trace;
    m.f.trace_cap = 64;
    m.f.trace_len = 0;
    for (uint32_t q = 0; q < QUEUES; q++) {
        CHECK_EQ(m.disk.dev.queue[q].vector, q + 1);
        read_on(q);
        for (uint32_t v = 0; v < 8; v++)
            CHECK_EQ(m.fired[v], v >= 1 && v <= q + 1);
        CHECK_EQ(vdrv_irq(dev, q + 1), VDRV_CAUSE_QUEUE);
    }
    CHECK_EQ(m.f.trace_len, QUEUES); /* the kicks */
    CHECK(!isr_was_read(trace));
    fake_dev_config_changed(&m.disk.dev);
    CHECK_EQ(m.fired[0], 1);
    CHECK_EQ(vdrv_irq(dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_irq(dev, QUEUES + 1), 0); /* not the driver's */
    CHECK(!m.fn.intx);
    CHECK(!isr_was_read(trace));
    m.f.trace_cap = 0;
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* The rule of vdrv_driver_use_vectors(): the queues share all but vector 0. */
static void fewer_vectors(void)
{
    setup(8, 8);
    CHECK_EQ(start(3), VDRV_OK);
    CHECK_EQ(m.disk.dev.config_vector, 0);
    CHECK_EQ(m.disk.dev.queue[0].vector, 1);
    CHECK_EQ(m.disk.dev.queue[1].vector, 2);
    CHECK_EQ(m.disk.dev.queue[2].vector, 1);
    for (uint32_t q = 0; q < QUEUES; q++)
        read_on(q);
    CHECK_EQ(m.fired[0], 0);
    CHECK_EQ(m.fired[1], 2);
    CHECK_EQ(m.fired[2], 1);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 3), 0);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* With MSI-X on, a driver that asks for no vectors has none: it is polled. */
static void none_wanted(void)
{
    setup(8, 8);
    CHECK_EQ(start(0), VDRV_OK);
    CHECK_EQ(m.disk.dev.config_vector, VDRV_NO_VECTOR);
    CHECK_EQ(m.disk.dev.queue[0].vector, VDRV_NO_VECTOR);
    read_on(0);
    CHECK_EQ(m.disk.dev.irqs, 0);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* F37: a queue whose vector reads back as NO_VECTOR shares the first one. */
static void fault_F37_some_vectors_refused(void)
{
    setup(8, 8);
    m.fn.vectors_max = 2;
    CHECK_EQ(start(8), VDRV_OK);
    CHECK(fake_log_contains(&m.f, "refuses MSI-X vector"));
    CHECK_EQ(m.disk.dev.queue[0].vector, 1);
    CHECK_EQ(m.disk.dev.queue[1].vector, 0);
    CHECK_EQ(m.disk.dev.queue[2].vector, 0);
    for (uint32_t q = 0; q < QUEUES; q++)
        read_on(q);
    CHECK_EQ(m.fired[0], 2);
    CHECK_EQ(m.fired[1], 1);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0),
             VDRV_CAUSE_QUEUE | VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 1), VDRV_CAUSE_QUEUE);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* F37: with no vector at all it says so, keeps nothing, and the line works. */
static void fault_F37_all_vectors_refused(void)
{
    setup(8, 8);
    m.fn.vector_fails = true;
    CHECK_EQ(start(8), VDRV_ERR_UNSUPPORTED);
    CHECK(fake_log_contains(&m.f, "refuses MSI-X vector"));
    CHECK(fake_balanced(&m.f));
    CHECK_EQ(vdrv_msix_detach(&m.msix, &m.pci), VDRV_OK);
    CHECK_EQ(start(8), VDRV_OK);
    read_on(0);
    CHECK(m.fn.intx);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), VDRV_CAUSE_QUEUE);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* F37: the configuration's vector is refused in a restart. */
static void fault_F37_refused_at_start(void)
{
    setup(8, 8);
    CHECK_EQ(start(8), VDRV_OK);
    CHECK_EQ(vdrv_stop(&m.blk.block.dev), VDRV_OK);
    m.fn.vector_fails = true;
    CHECK_EQ(vdrv_start(&m.blk.block.dev), VDRV_ERR_UNSUPPORTED);
    m.fn.vector_fails = false;
    CHECK_EQ(vdrv_start(&m.blk.block.dev), VDRV_OK);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* A reset forgets all vectors: start tells them again. */
static void vectors_after_restart(void)
{
    setup(8, 8);
    CHECK_EQ(start(8), VDRV_OK);
    CHECK_EQ(vdrv_stop(&m.blk.block.dev), VDRV_OK);
    CHECK_EQ(m.disk.dev.config_vector, VDRV_NO_VECTOR);
    CHECK_EQ(vdrv_start(&m.blk.block.dev), VDRV_OK);
    CHECK_EQ(m.disk.dev.config_vector, 0);
    read_on(2);
    CHECK_EQ(m.fired[3], 1);
    fake_dev_needs_reset(&m.disk.dev);
    CHECK_EQ(m.fired[0], 1);
    CHECK_EQ(vdrv_irq(&m.blk.block.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_poll(&m.blk.block.dev, 0, 0), VDRV_ERR_BAD_STATE);
    CHECK_EQ(vdrv_virtio_blk_fini(&m.blk), VDRV_OK);
    finish();
}

/* The other drivers take theirs in the same way. */
static void net_and_gpu(void)
{
    static struct fake_net wire;
    static struct fake_gpu screen;
    static struct fake_pci_fn net_fn, gpu_fn;
    static struct vdrv_virtio_net nic;
    static struct vdrv_virtio_gpu gpu;
    static uint64_t net_work[2048], gpu_work[4096];
    const struct vdrv_virtio_net_config net = {.work = net_work,
                                               .work_size = sizeof(net_work),
                                               .queue_size = 16,
                                               .vectors = 3};
    const struct vdrv_virtio_gpu_config pic = {.work = gpu_work,
                                               .work_size = sizeof(gpu_work),
                                               .queue_size = 16,
                                               .no_framebuffer = 1,
                                               .vectors = 3};
    struct vdrv_msix msix[2];
    struct vdrv_pci pci[2];

    setup(4, 0);
    fake_net_init(&wire, &m.f, NULL);
    fake_gpu_init(&screen, &m.f, NULL);
    fake_pci_virtio(&net_fn, &m.bus, NULL, 0x18, &wire.dev, NULL);
    fake_pci_virtio(&gpu_fn, &m.bus, NULL, 0x20, &screen.dev, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQ(vdrv_pci_probe(&pci[i], &m.f.hal, &m.ops, 0x18 + 8 * i),
                 VDRV_OK);
        CHECK_EQ(vdrv_msix_attach(&msix[i], &pci[i], messages, 3), VDRV_OK);
    }
    CHECK_EQ(vdrv_virtio_net_init(&nic, &pci[0].transport, &net), VDRV_OK);
    CHECK_EQ(vdrv_virtio_gpu_init(&gpu, &pci[1].transport, &pic), VDRV_OK);
    CHECK_EQ(wire.dev.config_vector, 0);
    CHECK_EQ(wire.dev.queue[0].vector, 1);
    CHECK_EQ(wire.dev.queue[1].vector, 2);
    CHECK_EQ(screen.dev.config_vector, 0);
    CHECK_EQ(screen.dev.queue[0].vector, 1);
    CHECK_EQ(screen.dev.queue[1].vector, 2);
    CHECK_EQ(vdrv_irq(&nic.net.dev, 2), VDRV_CAUSE_QUEUE);
    CHECK_EQ(vdrv_irq(&gpu.display.dev, 0), VDRV_CAUSE_CONFIG);
    CHECK_EQ(vdrv_virtio_net_fini(&nic), VDRV_OK);
    CHECK_EQ(vdrv_virtio_gpu_fini(&gpu), VDRV_OK);
    fake_net_fini(&wire);
    fake_gpu_fini(&screen);
    finish();
}

/* ---- Messages ------------------------------------------------------------ */

static void apic_messages(void)
{
    struct vdrv_msix_message msg;

    CHECK_EQ(vdrv_msix_apic(3, 0x41, &msg), VDRV_OK);
    CHECK_EQ(msg.addr, 0xfee03000u);
    CHECK_EQ(msg.data, 0x41);
    CHECK_EQ(vdrv_msix_apic(254, 255, &msg), VDRV_OK);
    CHECK_EQ(msg.addr, 0xfeefe000u);
    CHECK_EQ(vdrv_msix_apic(255, 0x41, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_apic(0, 15, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_apic(0, 256, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_apic(0, 32, NULL), VDRV_ERR_INVALID);
}

static void gic_messages(void)
{
    struct vdrv_msix_message msg;

    /* QEMU's virt machine has its GICv2m frame, and its ITS, there. */
    CHECK_EQ(vdrv_msix_gicv2m(0x08020000, 80, &msg), VDRV_OK);
    CHECK_EQ(msg.addr, 0x08020040);
    CHECK_EQ(msg.data, 80);
    CHECK_EQ(vdrv_msix_gicv2m(0x08020000, 31, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_gicv2m(0x08020000, 1020, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_gicv2m(0x08020002, 80, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_its(0x08080000, 7, &msg), VDRV_OK);
    CHECK_EQ(msg.addr, 0x08090040);
    CHECK_EQ(msg.data, 7);
    CHECK_EQ(vdrv_msix_its(0x08080100, 7, &msg), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_msix_its(0x08080000, 7, NULL), VDRV_ERR_INVALID);
}

static const struct check_case cases[] = {
    {"attaches_and_detaches", attaches_and_detaches},
    {"table_of_one", table_of_one},
    {"masks_and_pending", masks_and_pending},
    {"lying_capability", lying_capability},
    {"no_capability", no_capability},
    {"mapping_refused", mapping_refused},
    {"vector_per_queue", vector_per_queue},
    {"fewer_vectors", fewer_vectors},
    {"none_wanted", none_wanted},
    {"fault_F37_some_vectors_refused", fault_F37_some_vectors_refused},
    {"fault_F37_all_vectors_refused", fault_F37_all_vectors_refused},
    {"fault_F37_refused_at_start", fault_F37_refused_at_start},
    {"vectors_after_restart", vectors_after_restart},
    {"net_and_gpu", net_and_gpu},
    {"apic_messages", apic_messages},
    {"gic_messages", gic_messages},
};
CHECK_MAIN(cases)
