/* SPDX-License-Identifier: MIT */
/*
 * PCI: access to configuration space, bus walk, BAR sizing and assignment,
 * the probe with every malformed structure, and the transport's registers.
 * The machine is a table of functions with 256 bytes of configuration space
 * each and, behind one BAR of the first of them, the registers of a device.
 */
#include <virtio_drv/pci.h>

#include "../../src/transport/vdrv_pci_impl.h"
#include "check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_FN 12u
#define DEV    VDRV_PCI_FN(0, 2, 0)
#define BAR    UINT64_C(0xfe000000)

/* Structures of the usual device, in BAR 4. */
#define COMMON 0x0000u
#define ISR    0x1000u
#define CONFIG 0x2000u
#define NOTIFY 0x3000u

/* Where its capabilities are. */
#define CAP_MSIX   0x40u
#define CAP_COMMON 0x50u
#define CAP_NOTIFY 0x60u
#define CAP_ISR    0x74u
#define CAP_CONFIG 0x84u

#define QUEUES 4u

struct function {
    uint32_t fn;
    uint8_t space[256];
    uint32_t mask[6]; /* writable bits of the BARs */
    uint32_t unsafe;  /* BAR writes while it decodes */
};

struct queue_regs {
    uint32_t size, enable, notify_off, data, vector;
    uint32_t word[6];
};

static struct machine {
    struct vdrv_hal hal;
    struct vdrv_pci_ops ops;
    struct function function[MAX_FN];
    uint32_t n;
    uint64_t phys;  /* of the device's registers */
    uint32_t space; /* VDRV_SPACE_* of them */
    uint32_t config_accesses;
    uint32_t gone_at;    /* all ones from this configuration access on */
    uint32_t cap_writes; /* outside command register and BARs */
    uint32_t map_calls;
    uint64_t map_max;
    bool map_refuse;
    /* The device. */
    uint32_t common_len;
    uint32_t feature_select, driver_select;
    uint32_t feature[4], accepted[4];
    uint32_t config_vector, num_queues, status, select, isr, generation;
    struct queue_regs queue[QUEUES];
    bool enable_stuck, vector_refuse, gone;
    uint32_t reset_reads, pending_reset;
    uint8_t config[64];
    /* What was seen. */
    uint32_t accesses; /* of transport registers */
    uint32_t stray;    /* register accesses where nothing decodes */
    uint32_t bad_width;
    uint32_t isr_reads;
    uint32_t last_enable_write; /* access number */
    uint32_t last_queue_write;
    uint32_t notify_addr, notify_value;
    char log[4096];
    struct {
        uint32_t addr, width, value, write;
    } port[4];
    uint32_t n_port;
} m;

/* ---- Configuration space ------------------------------------------------ */

static struct function *at(uint32_t fn)
{
    for (uint32_t i = 0; i < m.n; i++)
        if (m.function[i].fn == fn)
            return &m.function[i];
    return NULL;
}

static void set8(struct function *f, uint32_t off, uint32_t v)
{
    f->space[off & 0xffu] = (uint8_t)v;
}

static void set32(struct function *f, uint32_t off, uint32_t v)
{
    for (uint32_t i = 0; i < 4; i++)
        set8(f, off + i, v >> (8 * i));
}

static uint32_t get32(const struct function *f, uint32_t off)
{
    uint32_t v = 0;

    for (uint32_t i = 0; i < 4; i++)
        v |= (uint32_t)f->space[off + i] << (8 * i);
    return v;
}

static uint32_t command(const struct function *f)
{
    return get32(f, 4) & 0xffffu;
}

static uint32_t space_read(void *ctx, uint32_t fn, uint32_t off, uint32_t width)
{
    const struct function *f = at(fn);
    uint32_t v = 0;

    CHECK(ctx == &m && off % width == 0 && off + width <= 256);
    if (++m.config_accesses == m.gone_at)
        m.gone = true;
    if (f == NULL || m.gone)
        return UINT32_MAX >> (32 - 8 * width);
    for (uint32_t i = 0; i < width; i++)
        v |= (uint32_t)f->space[off + i] << (8 * i);
    return v;
}

static void space_write(void *ctx, uint32_t fn, uint32_t off, uint32_t width,
                        uint32_t value)
{
    struct function *f = at(fn);

    CHECK(ctx == &m && off % width == 0 && off + width <= 256);
    if (++m.config_accesses == m.gone_at)
        m.gone = true;
    if (f == NULL || m.gone)
        return;
    if (off >= 0x10 && off < 0x28 && width == 4) {
        const uint32_t mask = f->mask[(off - 0x10) / 4];

        f->unsafe += (command(f) & 3u) != 0;
        set32(f, off, (get32(f, off) & ~mask) | (value & mask));
    } else if (off == 4 && width == 2) {
        set8(f, 4, value);
        set8(f, 5, value >> 8);
    } else {
        m.cap_writes++;
    }
}

static struct function *add(uint32_t fn, uint32_t id, uint32_t header)
{
    struct function *f = &m.function[m.n++];

    memset(f, 0, sizeof(*f));
    f->fn = fn;
    set32(f, 0, id);
    set8(f, 0x0e, header);
    return f;
}

static void cap(uint32_t pos, uint32_t next, uint32_t len, uint32_t type,
                uint32_t bar, uint32_t offset, uint32_t length)
{
    struct function *f = at(DEV);

    set32(f, pos, 9u | next << 8 | len << 16 | type << 24);
    set32(f, pos + 4, bar);
    set32(f, pos + 8, offset);
    set32(f, pos + 12, length);
}

/* A BAR of `size` bytes with type bits `low`. */
static void bar(struct function *f, uint32_t i, uint32_t low, uint64_t size,
                uint64_t addr)
{
    const uint32_t fixed = (low & 1u) != 0 ? 3u : 15u;
    const uint64_t mask = ~(size - 1);

    f->mask[i] = (uint32_t)mask & ~fixed;
    set32(f, 0x10 + 4 * i, (uint32_t)addr | low);
    if ((low & 7u) == 4 && i < 5) {
        f->mask[i + 1] = (uint32_t)(mask >> 32);
        set32(f, 0x14 + 4 * i, (uint32_t)(addr >> 32));
    }
}

/* ---- Registers ---------------------------------------------------------- */

static uint32_t *common_field(uint32_t off, uint32_t *width)
{
    static uint32_t nowhere;
    struct queue_regs *q = &m.queue[m.select % QUEUES];

    *width = off >= 0x16 && off < 0x20 ? 2 : 4;
    switch (off) {
    case 0x00:
        return &m.feature_select;
    case 0x04:
        nowhere = m.feature_select < 4 ? m.feature[m.feature_select] : 0;
        return &nowhere;
    case 0x08:
        return &m.driver_select;
    case 0x0c:
        return &m.accepted[m.driver_select & 3u];
    case 0x10:
        *width = 2;
        return &m.config_vector;
    case 0x12:
        *width = 2;
        return &m.num_queues;
    case 0x14:
        *width = 1;
        return &m.status;
    case 0x15:
        *width = 1;
        return &m.generation;
    case 0x16:
        return &m.select;
    case 0x18:
        return &q->size;
    case 0x1a:
        return &q->vector;
    case 0x1c:
        return &q->enable;
    case 0x1e:
        return &q->notify_off;
    case 0x38:
        *width = 2;
        return &q->data;
    default:
        if (off >= 0x20 && off < 0x38 && off % 4 == 0)
            return &q->word[(off - 0x20) / 4];
        m.stray++;
        return &nowhere;
    }
}

/* Offset of a register inside the device, when the device decodes it. */
static bool decodes(uint32_t space, uintptr_t addr, uint32_t *off)
{
    const uint32_t bit = space == VDRV_SPACE_PORT ? 1u : 2u;

    *off = (uint32_t)(addr - m.phys);
    if (space == m.space && addr >= m.phys && addr - m.phys < 0x4000 &&
        (command(at(DEV)) & bit) != 0)
        return !m.gone;
    m.stray += !m.gone;
    return false;
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    uint32_t off, need, v;

    CHECK(ctx == &m);
    if (!decodes(space, addr, &off))
        return UINT32_MAX >> (32 - 8 * width);
    if (off >= CONFIG && off < CONFIG + sizeof(m.config)) {
        v = 0;
        for (uint32_t i = 0; i < width; i++)
            v |= (uint32_t)m.config[off - CONFIG + i] << (8 * i);
        return v;
    }
    m.accesses++;
    if (off == ISR) {
        v = m.isr;
        m.isr = 0;
        m.isr_reads++;
        m.bad_width += width != 1;
        return v;
    }
    m.stray += off + width > m.common_len;
    v = *common_field(off, &need);
    m.bad_width += width != need;
    if (off == 0x14 && m.pending_reset != 0 && --m.pending_reset == 0)
        m.status = 0;
    return v;
}

static void status_write(uint32_t value)
{
    if (value == 0 && m.reset_reads != 0)
        m.pending_reset = m.reset_reads;
    else
        m.status = value;
    for (uint32_t i = 0; value == 0 && i < QUEUES; i++)
        m.queue[i].enable = 0;
}

static void common_write(uint32_t off, uint32_t width, uint32_t value)
{
    uint32_t need, *field = common_field(off, &need);

    m.bad_width += width != need;
    m.stray += off + width > m.common_len;
    if (off == 0x1c) {
        m.last_enable_write = m.accesses;
        CHECK_EQ(value, 1); /* 0 is never written */
        if (m.enable_stuck)
            return;
    } else if (off >= 0x18 && off < 0x38) {
        m.last_queue_write = m.accesses;
    }
    if (off == 0x14)
        status_write(value);
    else if ((off == 0x1a || off == 0x10) && m.vector_refuse)
        *field = 0xffff;
    else
        *field = value;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    uint32_t off;

    CHECK(ctx == &m);
    if (!decodes(space, addr, &off))
        return;
    if (off >= CONFIG && off < CONFIG + sizeof(m.config)) {
        for (uint32_t i = 0; i < width; i++)
            m.config[off - CONFIG + i] = (uint8_t)(value >> (8 * i));
        return;
    }
    m.accesses++;
    if (off < ISR) {
        common_write(off, width, value);
    } else if (off >= NOTIFY) {
        m.notify_addr = off - NOTIFY;
        m.notify_value = value;
    } else {
        m.stray++;
    }
}

static void *map(void *ctx, uint64_t phys, uint64_t len)
{
    CHECK(ctx == &m);
    m.map_calls++;
    if (len > m.map_max)
        m.map_max = len;
    return m.map_refuse ? NULL : (void *)(uintptr_t)phys;
}

static void take_log(void *ctx, uint32_t level, const char *text)
{
    (void)level;
    CHECK(ctx == &m);
    if (strlen(m.log) + strlen(text) + 2 < sizeof(m.log)) {
        strcat(m.log, text);
        strcat(m.log, "\n");
    }
}

/* ---- The usual device --------------------------------------------------- */

static void setup_empty(void)
{
    memset(&m, 0, sizeof(m));
    m.hal.ctx = &m;
    m.hal.reg_read = reg_read;
    m.hal.reg_write = reg_write;
    m.hal.mmio_map = map;
    m.hal.log = take_log;
    m.hal.poll_limit = 100;
    m.ops.ctx = &m;
    m.ops.read = space_read;
    m.ops.write = space_write;
}

static struct function *setup(void)
{
    struct function *f;

    setup_empty();
    f = add(DEV, 0x10421af4, 0);
    m.phys = BAR;
    m.common_len = 56;
    m.num_queues = 1;
    m.config_vector = 0xffff;
    m.feature[0] = 1u << 28;
    m.feature[1] = 1; /* VERSION_1 */
    for (uint32_t i = 0; i < QUEUES; i++) {
        m.queue[i].size = 256;
        m.queue[i].notify_off = i;
        m.queue[i].vector = 0xffff;
        m.queue[i].data = 0xbe00 + i;
    }
    set32(f, 4, 0x00100400); /* capabilities; INTx disabled by somebody */
    set32(f, 0x2c, 0x11001af4);
    set32(f, 0x3c, 0x010b);
    set8(f, 0x34, CAP_MSIX);
    set32(f, CAP_MSIX, 0x11u | CAP_COMMON << 8 | 1u << 16);
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON, 0x1000);
    cap(CAP_NOTIFY, CAP_ISR, 20, 2, 4, NOTIFY, 0x1000);
    set32(f, CAP_NOTIFY + 16, 4);
    cap(CAP_ISR, CAP_CONFIG, 16, 3, 4, ISR, 0x1000);
    cap(CAP_CONFIG, 0, 16, 4, 4, CONFIG, 60);
    bar(f, 1, 0, 0x1000, 0);
    bar(f, 4, 0xc, 0x4000, BAR);
    return f;
}

static int probe(struct vdrv_pci *pci)
{
    return vdrv_pci_probe(pci, &m.hal, &m.ops, DEV);
}

static bool logged(const char *text)
{
    return strstr(m.log, text) != NULL;
}

/* What every probe leaves as it was, and never does. */
static void check_untouched(void)
{
    CHECK_EQ(m.stray, 0);
    CHECK_EQ(m.accesses, 0);
    CHECK_EQ(m.cap_writes, 0);
    CHECK_EQ(at(DEV)->unsafe, 0);
}

static void expect_ok(void)
{
    struct vdrv_pci pci;

    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.transport.device_id, 2);
    CHECK_EQ(pci.common.addr, m.phys + COMMON);
    check_untouched();
}

static void expect(int err, const char *text)
{
    const struct function before = *at(DEV);
    struct vdrv_pci pci;

    m.log[0] = '\0';
    CHECK_EQ(probe(&pci), err);
    if (!logged(text))
        check_fail(text, __LINE__, m.log);
    CHECK_MEM(before.space, at(DEV)->space, 256);
    check_untouched();
}

static void check_text(const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        check_fail(a, __LINE__, b);
}

/* ---- Probe -------------------------------------------------------------- */

static void probe_modern(void)
{
    struct function *f = setup();
    struct vdrv_pci pci;

    CHECK_EQ(probe(&pci), VDRV_OK);
    check_text(pci.transport.location, "pci 00:02.0");
    CHECK_EQ(pci.transport.device_id, 2);
    CHECK_EQ(pci.transport.vendor_id, 0x1af4);
    CHECK_EQ(pci.transport.config_size, 60);
    CHECK_EQ(pci.transport.vectors, 0);
    CHECK_EQ(pci.transport.dma_limit, UINT64_MAX);
    CHECK_EQ(pci.irq_line, 11);
    CHECK_EQ(pci.irq_pin, 1);
    CHECK_EQ(pci.msix, CAP_MSIX);
    CHECK_EQ(pci.notify.addr, BAR + NOTIFY);
    CHECK_EQ(pci.isr.addr, BAR + ISR);
    CHECK_EQ(command(f), 6); /* memory, master, INTx not disabled */
    CHECK_EQ(get32(f, 0x20), (uint32_t)BAR | 0xc);
    CHECK_EQ(get32(f, 0x14), 0); /* it assigns nothing */
    check_text(m.log, "");
    CHECK_EQ(m.map_calls, 4);
    CHECK(m.map_max <= 0x1000); /* PCI-13 */
    check_untouched();
}

static void probe_location(void)
{
    struct vdrv_pci pci;

    vdrv__pci_clear(&pci, &m.hal, &m.ops, VDRV_PCI_FN(0xab, 31, 7));
    check_text(pci.transport.location, "pci ab:1f.7");
    vdrv__pci_clear(&pci, &m.hal, &m.ops, UINT32_C(0x1234aBcd));
    check_text(pci.transport.location, "pci 1234:ab:19.5");
}

static void probe_ids(void)
{
    static const struct {
        uint32_t id;
        uint32_t type;
    } row[] = {
        {0x10411af4, 1}, {0x10421af4, 2}, {0x10501af4, 16}, {0x107f1af4, 63},
        {0x10001af4, 1}, {0x10011af4, 2}, {0x10021af4, 5},  {0x10031af4, 3},
        {0x10041af4, 8}, {0x10051af4, 4}, {0x10091af4, 9},  {0x10101af4, 0},
        {0x10401af4, 0}, {0x10801af4, 0}, {0x0fff1af4, 0},  {0x10428086, 0},
        {UINT32_MAX, 0}, {0, 0},          {0x10061af4, 0},  {0x103f1af4, 0},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        struct function *f = setup();
        struct vdrv_pci pci;
        int err;

        set32(f, 0, row[i].id);
        set8(f, 8, (uint32_t)i * 77); /* any revision: 4.1.2.1 */
        err = probe(&pci);
        CHECK_EQ(vdrv__pci_type(row[i].id), row[i].type);
        CHECK_EQ(err, row[i].type != 0 ? VDRV_OK : VDRV_ERR_NO_DEVICE);
        CHECK_EQ(pci.transport.device_id, row[i].type);
        check_text(m.log, ""); /* quiet */
    }
}

static void probe_arguments(void)
{
    struct vdrv_pci_walk walk;
    struct vdrv_pci_ecam ecam;
    struct vdrv_pci_ops ops;
    struct vdrv_pci pci;
    struct vdrv_hal half;

    setup();
    CHECK_EQ(vdrv_pci_probe(NULL, &m.hal, &m.ops, DEV), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_probe(&pci, NULL, &m.ops, DEV), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_probe(&pci, &m.hal, NULL, DEV), VDRV_ERR_INVALID);
    half = m.hal;
    half.reg_read = NULL;
    CHECK_EQ(vdrv_pci_probe(&pci, &half, &m.ops, DEV), VDRV_ERR_INVALID);
    half = m.hal;
    half.reg_write = NULL;
    CHECK_EQ(vdrv_pci_probe(&pci, &half, &m.ops, DEV), VDRV_ERR_INVALID);
    vdrv_pci_walk_init(&walk, &m.ops, 0, 0);
    CHECK_EQ(vdrv_pci_find(&pci, &half, &walk, NULL, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ports_init(&half, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&ecam, &half, 0, 0, 1, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_probe(&pci, &m.hal, &m.ops, DEV + 8), VDRV_ERR_NO_DEVICE);
    m.map_refuse = true;
    expect(VDRV_ERR_INVALID, "mapping a virtio structure was refused");
    setup();
    set8(at(DEV), 0x0e, 1);
    expect(VDRV_ERR_PROTOCOL, "header type is not 0");
}

static void probe_legacy_only(void)
{
    struct function *f = setup();

    set32(f, 0, 0x10011af4);
    set32(f, CAP_MSIX, 0x11u | 1u << 16); /* MSI-X, and no more */
    expect(VDRV_ERR_UNSUPPORTED, "legacy-only device");
}

static void probe_order_of_capabilities(void)
{
    setup();
    at(DEV)->space[0x34] = CAP_CONFIG;
    cap(CAP_CONFIG, CAP_ISR, 16, 4, 4, CONFIG, 60);
    cap(CAP_ISR, CAP_NOTIFY, 16, 3, 4, ISR, 0x1000);
    cap(CAP_NOTIFY, CAP_COMMON, 20, 2, 4, NOTIFY, 0x1000);
    cap(CAP_COMMON, 0, 16, 1, 4, COMMON, 0x1000);
    expect_ok();
    /* Longer capabilities than the types need (PCI-11). */
    cap(CAP_CONFIG, CAP_ISR, 64, 4, 4, CONFIG, 60);
    cap(CAP_ISR, CAP_NOTIFY, 20, 3, 4, ISR, 0x1000);
    expect_ok();
}

/* PCI-10: the first that can be used, not the first. */
static void probe_second_capability(void)
{
    struct vdrv_pci pci;

    setup();
    cap(CAP_CONFIG, 0xa0, 16, 4, 4, CONFIG, 60);
    cap(0xa0, CAP_COMMON, 16, 1, 0, 0, 0x1000); /* absent BAR */
    at(DEV)->space[0x34] = 0xa0;
    cap(CAP_CONFIG, 0xb0, 16, 4, 4, CONFIG, 60);
    cap(0xb0, 0, 16, 1, 4, ISR, 0x1000); /* a third one, in vain */
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.common.addr, BAR + COMMON);
    CHECK(logged("names a BAR that is not there 0xa0"));
    check_untouched();
}

static void probe_without_config(void)
{
    struct vdrv_pci pci;

    setup();
    cap(CAP_ISR, 0, 16, 3, 4, ISR, 1);
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.transport.config_size, 0);
    CHECK_EQ(pci.transport.ops->config_read(&pci.transport, 0, 1), UINT32_MAX);
    CHECK_EQ(m.stray, 0);
    setup();
    cap(CAP_NOTIFY, 0, 20, 2, 4, NOTIFY, 0x1000);
    expect(VDRV_ERR_PROTOCOL, "no usable ISR structure");
    setup();
    cap(CAP_COMMON, CAP_ISR, 16, 1, 4, COMMON, 0x1000);
    expect(VDRV_ERR_PROTOCOL, "no usable notification structure");
    setup();
    at(DEV)->space[0x34] = CAP_NOTIFY;
    expect(VDRV_ERR_PROTOCOL, "no usable common configuration structure");
}

static void *map_bar(void *ctx, uint32_t fn, uint32_t i, uint64_t phys,
                     uint64_t len)
{
    CHECK_EQ(fn, DEV);
    CHECK_EQ(i, 4);
    CHECK(phys >= BAR && phys + len <= BAR + 0x4000);
    return map(ctx, phys, len);
}

static void probe_map_bar(void)
{
    setup();
    m.ops.map_bar = map_bar;
    m.hal.mmio_map = NULL;
    expect_ok();
    CHECK_EQ(m.map_calls, 4);
    setup();
    m.ops.map_bar = map_bar;
    m.map_refuse = true;
    expect(VDRV_ERR_INVALID, "refused");
}

/* Unplugged at the k-th access: an error, or not noticed yet; never a hang. */
static void probe_gone_meanwhile(void)
{
    uint32_t k, ok = 0, accesses;
    struct vdrv_pci whole;

    setup();
    CHECK_EQ(probe(&whole), VDRV_OK);
    accesses = m.config_accesses; /* the last two: the command register */
    for (k = 1; ok < 3; k++) {
        struct vdrv_pci pci;
        int err;

        setup();
        m.gone_at = k;
        err = probe(&pci);
        CHECK(m.config_accesses < 200);
        CHECK(k < 100);
        if (k < accesses && !logged("header type"))
            CHECK_EQ(err, VDRV_ERR_NO_DEVICE);
        ok += err == VDRV_OK;
        check_untouched();
    }
}

/* ---- Fault rows --------------------------------------------------------- */

static void fault_F22_config_too_short(void)
{
    static const struct vdrv_config_field field = {32, 4, 1};
    struct vdrv_pci pci;
    uint8_t image[64];

    setup();
    cap(CAP_CONFIG, 0, 16, 4, 4, CONFIG, 35);
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(vdrv_transport_config(&pci.transport, &field, 1, image, 64),
             VDRV_ERR_PROTOCOL);
    CHECK(logged("device configuration too short"));
    CHECK_EQ(pci.transport.ops->config_read(&pci.transport, 32, 4), UINT32_MAX);
    CHECK_EQ(pci.transport.ops->config_read(&pci.transport, UINT32_MAX, 4),
             UINT32_MAX);
    pci.transport.ops->config_write(&pci.transport, 32, 4, 1);
    CHECK_EQ(m.config[32], 0);
    CHECK_EQ(m.stray, 0);
    cap(CAP_CONFIG, 0, 16, 4, 4, CONFIG, 36);
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(vdrv_transport_config(&pci.transport, &field, 1, image, 64),
             VDRV_OK);
}

static void fault_F26_capability_list_loop(void)
{
    static const uint8_t to[] = {CAP_COMMON, CAP_NOTIFY};

    for (size_t i = 0; i < 2; i++) { /* a 2-cycle, and to itself */
        setup();
        cap(CAP_NOTIFY, to[i], 20, 2, 4, NOTIFY, 0x1000);
        expect(VDRV_ERR_PROTOCOL, "capability list does not end");
        CHECK(m.config_accesses < 400);
    }
    setup(); /* complete, and then a loop: harmless */
    cap(CAP_CONFIG, CAP_COMMON, 16, 4, 4, CONFIG, 60);
    expect_ok();
    CHECK(logged("capability list does not end"));
}

static void fault_F26_capability_pointers(void)
{
    setup();
    cap(CAP_NOTIFY, 0x3c, 20, 2, 4, NOTIFY, 0x1000);
    expect(VDRV_ERR_PROTOCOL, "capability pointer into the header: 0x3c");
    setup();
    cap(CAP_NOTIFY, 0xff, 20, 2, 4, NOTIFY, 0x1000);
    set32(at(DEV), 0xfc, UINT32_MAX);
    expect(VDRV_ERR_PROTOCOL, "capability reads as all ones, at 0xfc");
    setup(); /* the low bits are reserved and to be masked */
    cap(CAP_COMMON, CAP_NOTIFY + 3, 16, 1, 4, COMMON, 0x1000);
    expect_ok();
}

/* 48 capabilities of 4 bytes fill the space: the last one still counts. */
static void fault_F26_long_list(void)
{
    struct function *f = setup();

    for (uint32_t pos = 0x40; pos < 0x100; pos += 4)
        set32(f, pos, 0x01u | (pos + 4) << 8);
    set32(f, 0xfc, 0x11u | 1u << 31 | 3u << 16);
    set8(f, 0xfd, 0);
    expect(VDRV_ERR_PROTOCOL, "no virtio capability found");
    CHECK(!logged("does not end"));
}

static void fault_F27_no_capability_bit(void)
{
    struct function *f = setup();

    set32(f, 4, 0x0400);
    expect(VDRV_ERR_PROTOCOL, "no virtio capability found");
    set32(f, 0, 0x10011af4);
    expect(VDRV_ERR_UNSUPPORTED, "legacy-only device");
}

static void fault_F28_reserved_values(void)
{
    static const uint8_t type[] = {0, 5, 6, 7, 8, 9, 0xff};

    for (size_t i = 0; i < sizeof(type); i++) {
        setup();
        at(DEV)->space[0x34] = 0xa0;
        cap(0xa0, CAP_MSIX, 16, type[i], 4, 0, 0x1000);
        expect_ok();
        check_text(m.log, "");
    }
    for (uint32_t bad = 6; bad < 256; bad += 83) {
        setup();
        at(DEV)->space[0x34] = 0xa0;
        cap(0xa0, CAP_MSIX, 16, 1, bad, 0x100, 0x1000);
        expect_ok();
        check_text(m.log, "");
        cap(CAP_COMMON, CAP_NOTIFY, 16, 1, bad, 0, 0x1000);
        set32(at(DEV), 4, 0x00100400);
        expect(VDRV_ERR_PROTOCOL, "no usable common configuration");
    }
}

static void fault_F29_io_bar(void)
{
    struct function *f = setup();
    struct vdrv_pci pci;

    bar(f, 4, 1, 0x4000, 0x8000);
    m.phys = 0x8000;
    m.space = VDRV_SPACE_PORT;
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.common.space, VDRV_SPACE_PORT);
    CHECK_EQ(command(f), 5);
    CHECK_EQ(vdrv_transport_health(&pci.transport), VDRV_OK);
    CHECK_EQ(m.stray, 0);
    CHECK_EQ(m.map_calls, 0);
    /* I/O addresses seen as memory. */
    setup();
    bar(f, 4, 1, 0x4000, 0x8000);
    m.ops.io_phys = 0x3000000;
    m.phys = 0x3008000;
    expect_ok();
    setup(); /* beyond all ports */
    bar(f, 4, 1, 0x4000, 0x10000);
    expect(VDRV_ERR_UNSUPPORTED, "structure in an I/O BAR");
}

static void fault_F29_wide_bar_in_last_place(void)
{
    struct function *f = setup();

    bar(f, 5, 0x4, 0x4000, BAR);
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 5, COMMON, 0x1000);
    bar(f, 4, 0, 0x4000, BAR);
    expect(VDRV_ERR_PROTOCOL, "64-bit BAR in the last place");
    /* The upper half of a BAR is none. */
    setup();
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 5, COMMON, 0x1000);
    expect(VDRV_ERR_PROTOCOL, "names a BAR that is not there");
}

static void fault_F29_above_4_GiB(void)
{
    struct function *f = setup();
    const uint64_t high = UINT64_C(0x800000000000);

    bar(f, 4, 0xc, 0x4000, high);
    m.phys = high;
    m.hal.mmio_map = NULL;
    if (UINTPTR_MAX > UINT32_MAX)
        expect_ok();
    else
        expect(VDRV_ERR_INVALID, "BAR above what a pointer reaches");
}

static void fault_F30_capability_length(void)
{
    setup();
    cap(CAP_COMMON, CAP_NOTIFY, 15, 1, 4, COMMON, 0x1000);
    expect(VDRV_ERR_PROTOCOL,
           "virtio capability shorter than its type needs, at 0x50");
    setup();
    cap(CAP_NOTIFY, CAP_ISR, 19, 2, 4, NOTIFY, 0x1000);
    expect(VDRV_ERR_PROTOCOL,
           "virtio capability shorter than its type needs, at 0x60");
    setup();
    cap(CAP_ISR, 0xf4, 16, 3, 4, ISR, 0x1000);
    set32(at(DEV), 0xf4, 9u | 16u << 16 | 4u << 24);
    expect(VDRV_ERR_PROTOCOL,
           "crosses the end of configuration space, at 0xf4");
    setup(); /* the last place where it fits */
    cap(CAP_ISR, 0xf0, 16, 3, 4, ISR, 0x1000);
    cap(0xf0, 0, 16, 4, 4, CONFIG, 60);
    expect_ok();
}

static void fault_F31_range(void)
{
    static const struct {
        uint32_t offset, length;
        const char *text;
    } row[] = {
        {0xfffffff0, 0x1000,
         "reaches past the end of its BAR, capability 0x50"},
        {0, 0x4001, "reaches past the end of its BAR"},
        {0x3ffc, 0x1000, "reaches past the end of its BAR"},
        {0x4000, 0x40, "reaches past the end of its BAR"},
        {0, UINT32_MAX, "reaches past the end of its BAR"},
        {0, 0, "virtio structure of length 0"},
    };

    for (size_t i = 0; i < COUNT(row); i++) {
        setup();
        cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, row[i].offset, row[i].length);
        expect(VDRV_ERR_PROTOCOL, row[i].text);
    }
    setup(); /* up to the very end */
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, 0, 0x4000);
    expect_ok();
}

static void fault_F31_unassigned(void)
{
    static const uint64_t none[] = {0, UINT64_C(0xffffffffffffc000)};

    for (size_t i = 0; i < 2; i++) {
        bar(setup(), 4, 0xc, 0x4000, none[i]);
        expect(VDRV_ERR_UNSUPPORTED,
               "BAR has no address: assign it first, with "
               "vdrv_pci_assign()");
        bar(setup(), 4, 0, 0x4000, (uint32_t)none[i]);
        expect(VDRV_ERR_UNSUPPORTED, "BAR has no address");
    }
    bar(setup(), 4, 0x2, 0x4000, BAR);
    expect(VDRV_ERR_PROTOCOL, "BAR of a reserved type");
    setup()->mask[4] = 0xffff4ff0;
    expect(VDRV_ERR_PROTOCOL, "BAR whose size is no power of two");
}

/* An address bit that only shows before the sizing. */
static void bar_validator(void)
{
    struct vdrv__pci_raw_bar raw = {{0xfe000100, 0}, {0xffffc000, 0}};
    const struct vdrv__pci_fault *fault;
    struct vdrv_pci_bar b;

    fault = vdrv__validate_pci_bar(&raw, &b);
    REQUIRE(fault != NULL);
    CHECK(strstr(fault->text, "no multiple of its size") != NULL);
    CHECK_EQ(b.kind, VDRV_PCI_BAR_NONE);
    raw.addr[0] = 0xfe000000;
    CHECK(vdrv__validate_pci_bar(&raw, &b) == NULL);
    CHECK_EQ(b.size, 0x4000);
    raw.mask[0] = 0; /* an address, and nothing to write */
    CHECK(vdrv__validate_pci_bar(&raw, &b) != NULL);
    raw.addr[0] = 4; /* 64-bit, 2^63 bytes, and no power of two */
    raw.mask[1] = 0x80000000;
    CHECK(vdrv__validate_pci_bar(&raw, &b) == NULL);
    CHECK_EQ(b.size, UINT64_C(1) << 63);
    raw.mask[1] = 0xa0000000;
    CHECK(vdrv__validate_pci_bar(&raw, &b) != NULL);
}

static void fault_F32_structure_length(void)
{
    setup();
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON, 55);
    expect(VDRV_ERR_PROTOCOL, "virtio structure shorter than its type needs");
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON, 56);
    expect_ok();
    setup();
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON + 2, 0x1000);
    expect(VDRV_ERR_PROTOCOL, "virtio structure misaligned, capability 0x50");
    setup();
    cap(CAP_CONFIG, 0, 16, 4, 4, CONFIG + 2, 60);
    expect(VDRV_ERR_PROTOCOL, "virtio structure misaligned, capability 0x84");
    setup();
    cap(CAP_NOTIFY, CAP_ISR, 20, 2, 4, NOTIFY + 1, 0x100);
    expect(VDRV_ERR_PROTOCOL, "virtio structure misaligned, capability 0x60");
    setup();
    cap(CAP_ISR, CAP_CONFIG, 16, 3, 4, ISR, 0);
    expect(VDRV_ERR_PROTOCOL, "virtio structure of length 0, capability 0x74");
    setup();
    cap(CAP_ISR, CAP_CONFIG, 16, 3, 4, ISR + 3, 1);
    expect_ok();
}

/* PCI-14: lengths far beyond what is used; only a part is mapped. CFG-05. */
static void probe_huge_structures(void)
{
    struct function *f = setup();
    struct vdrv_pci pci;

    if (sizeof(void *) < 8)
        CHECK_SKIP("no pointer reaches a BAR of this size");
    bar(f, 4, 0xc, UINT64_C(1) << 34, UINT64_C(1) << 34);
    cap(CAP_CONFIG, 0, 16, 4, 4, CONFIG, 0x1000000);
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON, UINT32_MAX);
    cap(CAP_NOTIFY, CAP_ISR, 20, 2, 4, NOTIFY, 0x80000000);
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.transport.config_size, 4096);
    CHECK_EQ(m.map_max, 4u << 20);
}

/* Overlap is allowed: each structure is checked by itself. */
static void fault_F33_overlap(void)
{
    struct vdrv_pci pci;

    setup();
    cap(CAP_NOTIFY, CAP_ISR, 20, 2, 4, COMMON, 0x1000);
    cap(CAP_ISR, CAP_CONFIG, 16, 3, 4, COMMON, 0x1000);
    cap(CAP_CONFIG, 0, 16, 4, 4, COMMON, 0x1000);
    CHECK_EQ(probe(&pci), VDRV_OK);
    CHECK_EQ(pci.notify.addr, pci.common.addr);
    check_untouched();
}

static const struct vdrv_queue_area area = {
    .desc = UINT64_C(0x123456789000),
    .driver = UINT64_C(0x12345678a000),
    .device = UINT64_C(0x12345678b000),
    .size = 128,
    .vector = VDRV_NO_VECTOR,
};

static int enable(struct vdrv_pci *pci, uint32_t queue, struct vdrv_notify *n)
{
    return pci->transport.ops->queue_enable(&pci->transport, queue, &area, n);
}

static void expect_queue(uint32_t multiplier, uint32_t off, int err,
                         const char *text)
{
    struct vdrv_pci pci;
    struct vdrv_notify n = {0};

    setup();
    set32(at(DEV), CAP_NOTIFY + 16, multiplier);
    m.queue[0].notify_off = off;
    REQUIRE(probe(&pci) == VDRV_OK);
    CHECK_EQ(enable(&pci, 0, &n), err);
    CHECK_EQ(m.stray, 0);
    if (err == VDRV_OK) {
        CHECK_EQ(n.addr, BAR + NOTIFY + (uint64_t)multiplier * off);
        return;
    }
    CHECK(logged(text));
    CHECK_EQ(m.queue[0].enable, 0);
    CHECK_EQ(m.queue[0].word[0], 0); /* the device was told nothing */
}

static void fault_F34_notify_address(void)
{
    static const char outside[] = "notification address outside";

    expect_queue(4, 0, VDRV_OK, "");
    expect_queue(0, 0xffff, VDRV_OK, ""); /* one address for all */
    expect_queue(2, 0x7ff, VDRV_OK, "");
    expect_queue(2, 0x800, VDRV_ERR_PROTOCOL, outside);
    expect_queue(4, 0x400, VDRV_ERR_PROTOCOL, outside);
    /* 32 bits would wrap to 0 and to 0x10. */
    expect_queue(0x80000000, 2, VDRV_ERR_PROTOCOL, outside);
    expect_queue(0x40000000, 0xfffc, VDRV_ERR_PROTOCOL, outside);
    expect_queue(1, 0, VDRV_ERR_PROTOCOL, "no even power of two");
    expect_queue(3, 0, VDRV_ERR_PROTOCOL, "no even power of two");
    expect_queue(6, 0, VDRV_ERR_PROTOCOL, "no even power of two");
    expect_queue(UINT32_MAX, 1, VDRV_ERR_PROTOCOL, "no even power of two");
}

static void notify_validator(void)
{
    const struct vdrv_pci_region r = {.addr = 0x1002, .size = 10};
    uint32_t off = 99;

    CHECK(vdrv__validate_pci_notify(&r, 4, 2, 2, &off) == NULL);
    CHECK_EQ(off, 8);
    CHECK(vdrv__validate_pci_notify(&r, 4, 2, 4, &off) != NULL); /* 2 short */
    CHECK(vdrv__validate_pci_notify(&r, 2, 2, 4, &off) != NULL); /* 0x1006 */
    CHECK(vdrv__validate_pci_notify(&r, 2, 1, 4, &off) == NULL);
    CHECK_EQ(off, 2);
}

static void fault_F35_num_queues(void)
{
    struct vdrv_pci pci;
    struct vdrv_transport *t = &pci.transport;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    CHECK_EQ(t->ops->queue_max(t, 0), 256);
    CHECK_EQ(t->ops->queue_max(t, 1), 0); /* fewer than needed */
    m.num_queues = 0;
    CHECK_EQ(t->ops->queue_max(t, 0), 0);
    m.num_queues = 0xffff;
    CHECK_EQ(t->ops->queue_max(t, 3), 256);
    CHECK_EQ(t->ops->queue_max(t, 0xffff), 0);
    CHECK_EQ(t->ops->queue_max(t, 0x10000), 0); /* no truncation */
    CHECK_EQ(t->ops->queue_max(t, UINT32_MAX), 0);
}

/* The ring decides what it accepts; the transport reports each as it is. */
static void fault_F36_queue_size(void)
{
    static const uint32_t size[] = {0, 1, 3, 6, 32768, 0x8001, 0xffff};
    struct vdrv_pci pci;
    struct vdrv_notify n;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    for (size_t i = 0; i < COUNT(size); i++) {
        m.queue[0].size = size[i];
        CHECK_EQ(pci.transport.ops->queue_max(&pci.transport, 0), size[i]);
    }
    m.queue[0].size = 256;
    CHECK_EQ(enable(&pci, 0, &n), VDRV_OK);
    CHECK_EQ(m.queue[0].size, 128); /* a smaller one is told (PCI-45) */
}

static void fault_F37_vector_refused(void)
{
    struct vdrv_queue_area with = area;
    struct vdrv_pci pci;
    struct vdrv_transport *t = &pci.transport;
    struct vdrv_notify n;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    with.vector = 0; /* MSI-X is off */
    CHECK_EQ(t->ops->queue_enable(t, 0, &with, &n), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(t->ops->config_vector(t, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(t->ops->config_vector(t, VDRV_NO_VECTOR), VDRV_OK);
    CHECK_EQ(m.queue[0].word[0], 0);
    /* On, with a table of 2. */
    setup();
    set32(at(DEV), CAP_MSIX, 0x11u | CAP_COMMON << 8 | 0x8001u << 16);
    REQUIRE(probe(&pci) == VDRV_OK);
    CHECK_EQ(t->vectors, 2);
    m.vector_refuse = true;
    CHECK_EQ(t->ops->queue_enable(t, 0, &with, &n), VDRV_ERR_UNSUPPORTED);
    CHECK(logged("the device refuses MSI-X vector 0x0"));
    CHECK_EQ(t->ops->config_vector(t, 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(m.queue[0].enable, 0);
    m.vector_refuse = false;
    with.vector = 2; /* beyond the table (PCI-41) */
    CHECK_EQ(t->ops->queue_enable(t, 0, &with, &n), VDRV_ERR_UNSUPPORTED);
    with.vector = 1;
    CHECK_EQ(t->ops->queue_enable(t, 0, &with, &n), VDRV_OK);
    CHECK_EQ(m.queue[0].vector, 1);
    CHECK_EQ(t->ops->config_vector(t, 0), VDRV_OK);
    CHECK_EQ(t->ops->irq(t, 1), VDRV_CAUSE_QUEUE);
    CHECK_EQ(t->ops->irq(t, 0), VDRV_CAUSE_QUEUE | VDRV_CAUSE_CONFIG);
    CHECK_EQ(m.isr_reads, 0); /* PCI-29 */
}

static void fault_F38_queue_enable(void)
{
    struct vdrv_pci pci;
    struct vdrv_notify n;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    m.queue[0].enable = 1;
    CHECK_EQ(enable(&pci, 0, &n), VDRV_ERR_PROTOCOL);
    CHECK(logged("queue is enabled already: 0x0"));
    CHECK_EQ(m.queue[0].word[0], 0);
    m.queue[0].enable = 0;
    m.enable_stuck = true;
    CHECK_EQ(enable(&pci, 0, &n), VDRV_ERR_PROTOCOL);
    CHECK(logged("queue does not become enabled: 0x0"));
    CHECK(m.accesses < 200); /* bounded */
    m.gone = true;
    CHECK_EQ(enable(&pci, 0, &n), VDRV_ERR_NO_DEVICE);
}

/* ---- Transport ---------------------------------------------------------- */

static const uint64_t wanted[2] = {UINT64_C(1) << 32 | 1u << 28, 0};

static void init_with_one_queue(void)
{
    struct vdrv_pci pci;
    struct vdrv_transport *t = &pci.transport;
    struct vdrv_notify n;

    setup();
    m.status = 0x0f; /* left running by firmware */
    m.reset_reads = 2;
    REQUIRE(probe(&pci) == VDRV_OK);
    CHECK_EQ(vdrv_transport_begin(t, wanted, wanted, NULL, 0), VDRV_OK);
    CHECK_EQ(m.accepted[0], 1u << 28);
    CHECK_EQ(m.accepted[1], 1);
    CHECK_EQ(m.accepted[2] | m.accepted[3], 0);
    CHECK_EQ(t->ops->queue_max(t, 0), 256);
    CHECK_EQ(enable(&pci, 0, &n), VDRV_OK);
    CHECK_EQ(vdrv_transport_ready(t), VDRV_OK);
    CHECK_EQ(m.status, 0x0f);
    CHECK_EQ(m.queue[0].word[0], 0x56789000);
    CHECK_EQ(m.queue[0].word[1], 0x1234);
    CHECK_EQ(m.queue[0].word[3], 0x1234);
    CHECK_EQ(m.queue[0].word[4], 0x5678b000);
    CHECK(m.last_enable_write > m.last_queue_write); /* PCI-22 */
    CHECK_EQ(m.bad_width, 0);                        /* PCI-05 to -07 */
    CHECK_EQ(m.stray, 0);
    CHECK_EQ(m.queue[0].vector, 0xffff);
    CHECK_EQ(n.addr, BAR + NOTIFY);
    CHECK_EQ(n.width, 2);
    CHECK_EQ(n.value, 0);
    printf("  %u transport register accesses, %u of configuration space\n",
           m.accesses, m.config_accesses);
    CHECK(m.accesses <= 60);
}

static void notify_data(void)
{
    struct vdrv_pci pci;
    struct vdrv_notify n;

    setup();
    m.num_queues = 2;
    m.common_len = 64;
    REQUIRE(probe(&pci) == VDRV_OK);
    pci.transport.features[0] = UINT64_C(1) << 38 | UINT64_C(1) << 39;
    CHECK_EQ(enable(&pci, 1, &n), VDRV_OK);
    CHECK_EQ(n.value, 0xbe01);
    CHECK_EQ(n.width, 4);
    CHECK_EQ(n.addr, BAR + NOTIFY + 4);
    /* The field is there only if the structure is long enough. */
    setup();
    cap(CAP_COMMON, CAP_NOTIFY, 16, 1, 4, COMMON, 0x39);
    REQUIRE(probe(&pci) == VDRV_OK);
    pci.transport.features[0] = UINT64_C(1) << 39;
    CHECK_EQ(enable(&pci, 0, &n), VDRV_ERR_PROTOCOL);
    CHECK(logged("too short for queue_notif_config_data"));
    CHECK_EQ(m.stray, 0);
}

/* PCI-30: one read clears it and tells both causes. */
static void irq_line(void)
{
    struct vdrv_pci pci;
    struct vdrv_transport *t = &pci.transport;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    m.isr = 0xf3;
    CHECK_EQ(t->ops->irq(t, 0), VDRV_CAUSE_QUEUE | VDRV_CAUSE_CONFIG);
    CHECK_EQ(m.isr_reads, 1);
    CHECK_EQ(t->ops->irq(t, 0), 0); /* another device's */
    CHECK_EQ(t->ops->irq(t, 1), 0);
    CHECK_EQ(m.isr_reads, 2);
    m.isr = 0xff; /* unplugged */
    CHECK_EQ(t->ops->irq(t, 0), 0);
    CHECK_EQ(m.accesses, 3);
    CHECK_EQ(m.bad_width, 0);
}

static void config_access(void)
{
    struct vdrv_pci pci;
    struct vdrv_transport *t = &pci.transport;

    setup();
    REQUIRE(probe(&pci) == VDRV_OK);
    m.config[8] = 0x12;
    m.config[9] = 0x34;
    m.generation = 7;
    CHECK_EQ(t->ops->config_read(t, 8, 2), 0x3412);
    CHECK_EQ(t->ops->config_read(t, 9, 1), 0x34);
    t->ops->config_write(t, 32, 1, 0x55);
    CHECK_EQ(m.config[32], 0x55);
    CHECK_EQ(t->ops->generation(t), 7);
    CHECK_EQ(m.bad_width, 0);
}

/* ---- Configuration space access ----------------------------------------- */

static uint32_t port_log(uint32_t addr, uint32_t width, uint32_t value,
                         uint32_t write)
{
    if (m.n_port < COUNT(m.port)) {
        m.port[m.n_port].addr = addr;
        m.port[m.n_port].width = width;
        m.port[m.n_port].value = value;
        m.port[m.n_port].write = write;
    }
    m.n_port++;
    return 0xabcd1234;
}

static uint32_t log_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    CHECK(ctx == &m);
    CHECK_EQ(space, m.space);
    return port_log((uint32_t)(addr - (uintptr_t)m.phys), width, 0, 0);
}

static void log_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    CHECK(ctx == &m);
    CHECK_EQ(space, m.space);
    port_log((uint32_t)(addr - (uintptr_t)m.phys), width, value, 1);
}

static void setup_log(uint32_t space)
{
    setup_empty();
    m.hal.reg_read = log_read;
    m.hal.reg_write = log_write;
    m.hal.mmio_map = NULL;
    m.space = space;
}

static void check_access(uint32_t i, uint32_t addr, uint32_t width,
                         uint32_t value, uint32_t write)
{
    CHECK_EQ(m.port[i].addr, addr);
    CHECK_EQ(m.port[i].width, width);
    CHECK_EQ(m.port[i].value, value);
    CHECK_EQ(m.port[i].write, write);
}

static void ports(void)
{
    struct vdrv_pci_ops ops;

    setup_log(VDRV_SPACE_PORT);
    CHECK_EQ(vdrv_pci_ports_init(NULL, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ports_init(&m.hal, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ports_init(&m.hal, &ops), VDRV_OK);
    ops.read(ops.ctx, VDRV_PCI_FN(0x12, 31, 5), 0x3d, 1);
    CHECK_EQ(m.n_port, 2);
    check_access(0, 0xcf8, 4, 0x8012fd3c, 1);
    check_access(1, 0xcfd, 1, 0, 0);
    m.n_port = 0;
    ops.write(ops.ctx, VDRV_PCI_FN(255, 0, 1), 0x06, 2, 0x55aa);
    check_access(0, 0xcf8, 4, 0x80ff0104, 1);
    check_access(1, 0xcfe, 2, 0x55aa, 1);
    m.n_port = 0;
    CHECK_EQ(ops.read(ops.ctx, 0, 0x100, 4), UINT32_MAX); /* extended */
    CHECK_EQ(ops.read(ops.ctx, 0, 2, 4), UINT32_MAX);     /* misaligned */
    CHECK_EQ(ops.read(ops.ctx, 0, 0, 3), UINT32_MAX);
    CHECK_EQ(ops.read(ops.ctx, 0x10000, 0, 4), UINT32_MAX);
    ops.write(ops.ctx, 0, 0xfe, 4, 0);
    CHECK_EQ(m.n_port, 0);
}

static void ecam_addresses(void)
{
    struct vdrv_pci_ecam ecam;
    struct vdrv_pci_ops ops;

    setup_log(VDRV_SPACE_MEMORY);
    m.phys = 0x30000000;
    CHECK_EQ(vdrv_pci_ecam_init(&ecam, &m.hal, m.phys, 2, 5, &ops), VDRV_OK);
    CHECK_EQ(ops.read(ops.ctx, VDRV_PCI_FN(2, 0, 0), 0, 4), 0xabcd1234);
    check_access(0, 0, 4, 0, 0);
    ops.write(ops.ctx, VDRV_PCI_FN(5, 31, 7), 0xffe, 2, 9);
    check_access(1, 0x3ffffe, 2, 9, 1);
    CHECK_EQ(ops.read(ops.ctx, VDRV_PCI_FN(1, 0, 0), 0, 4), UINT32_MAX);
    CHECK_EQ(ops.read(ops.ctx, VDRV_PCI_FN(6, 0, 0), 0, 4), UINT32_MAX);
    CHECK_EQ(ops.read(ops.ctx, UINT32_MAX, 0, 4), UINT32_MAX);
    CHECK_EQ(ops.read(ops.ctx, VDRV_PCI_FN(2, 0, 0), 0x1000, 1), UINT32_MAX);
    CHECK_EQ(ops.read(ops.ctx, VDRV_PCI_FN(2, 0, 0), 1, 2), UINT32_MAX);
    ops.write(ops.ctx, VDRV_PCI_FN(6, 0, 0), 0, 4, 0);
    CHECK_EQ(m.n_port, 2);
}

static void ecam_arguments(void)
{
    struct vdrv_pci_ecam e;
    struct vdrv_pci_ops ops;

    setup_empty();
    CHECK_EQ(vdrv_pci_ecam_init(NULL, &m.hal, 0, 0, 1, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, NULL, 0, 0, 1, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 0, 0, 1, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 0, 2, 1, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 0, 0, 256, &ops), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 4096, 0, 1, &ops),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, UINT64_MAX - 0xfffff, 0, 1, &ops),
             VDRV_ERR_INVALID);
    CHECK_EQ(m.map_calls, 0);
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 0x100000, 0, 255, &ops), VDRV_OK);
    CHECK_EQ(m.map_max, 256u << 20);
    m.map_refuse = true;
    CHECK_EQ(vdrv_pci_ecam_init(&e, &m.hal, 0x100000, 0, 1, &ops),
             VDRV_ERR_INVALID);
}

/* ---- Walk --------------------------------------------------------------- */

static void expect_walk(uint32_t first, uint32_t last, const uint32_t *fns,
                        size_t n)
{
    struct vdrv_pci_walk walk;
    uint32_t fn = 0;

    REQUIRE(vdrv_pci_walk_init(&walk, &m.ops, first, last) == VDRV_OK);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(vdrv_pci_walk_next(&walk, &fn) == VDRV_OK);
        CHECK_EQ(fn, fns[i]);
    }
    CHECK_EQ(vdrv_pci_walk_next(&walk, &fn), VDRV_ERR_NO_DEVICE);
    CHECK_EQ(vdrv_pci_walk_next(&walk, &fn), VDRV_ERR_NO_DEVICE);
}

static void walk_functions(void)
{
    static const uint32_t fns[] = {0x00, 0x10, 0x13, 0x17, 0x20, 0xf8};

    setup_empty();
    add(0xf8, 0x12345678, 0);
    add(0x00, 0x12345678, 0);
    add(0x10, 0x12345678, 0x80); /* several functions, with gaps */
    add(0x13, 0x12345678, 0);
    add(0x17, 0x12345678, 0);
    add(0x19, 0x12345678, 0); /* no function 0, after a device with several */
    add(0x20, 0x12345678, 0);
    add(0x21, 0x12345678, 0x80); /* function 0 does not say so */
    add(0x29, 0x12345678, 0x80); /* there is no function 0 */
    add(0x100, 0x12345678, 0);   /* nothing leads there */
    expect_walk(0, 255, fns, COUNT(fns));
}

static void walk_bridges(void)
{
    static const uint32_t fns[] = {0x000, 0x008, 0x010, 0x200, 0x300, 0x310};
    static const uint32_t short_fns[] = {0x000, 0x008, 0x010};
    struct function *f;

    setup_empty();
    add(0x000, 0x12345678, 0);
    set8(add(0x008, 0x12345678, 1), 0x19, 3);
    set8(add(0x010, 0x12345678, 1), 0x19, 2);
    f = add(0x200, 0x12345678, 1); /* claims the bus of its parent */
    set8(f, 0x19, 0);
    add(0x300, 0x12345678, 0);
    f = add(0x310, 0x12345678, 1); /* and its own */
    set8(f, 0x19, 3);
    expect_walk(0, 255, fns, COUNT(fns));
    expect_walk(0, 1, short_fns, COUNT(short_fns));
    expect_walk(3, 3, fns + 4, 2); /* a second root */
    set8(f, 0x19, 2);              /* upwards: a loop */
    expect_walk(0, 255, fns, COUNT(fns));
}

static void walk_nothing(void)
{
    struct vdrv_pci_walk walk;
    uint32_t fn;

    setup_empty();
    expect_walk(0, 255, NULL, 0);
    CHECK_EQ(m.config_accesses, 32);
    CHECK_EQ(vdrv_pci_walk_init(NULL, &m.ops, 0, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_walk_init(&walk, NULL, 0, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_walk_init(&walk, &m.ops, 1, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_walk_init(&walk, &m.ops, 0, 256), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_walk_next(NULL, &fn), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_walk_next(&walk, NULL), VDRV_ERR_INVALID);
    add(0, 0, 0); /* vendor 0: some bridges answer so */
    expect_walk(0, 255, NULL, 0);
}

/* ---- BARs --------------------------------------------------------------- */

static void expect_bar(uint32_t i, uint32_t kind, uint64_t addr, uint64_t size)
{
    struct vdrv_pci_bar b;

    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, i, &b), VDRV_OK);
    CHECK_EQ(b.kind, kind);
    CHECK_EQ(b.addr, addr);
    CHECK_EQ(b.size, size);
}

static struct function *setup_bars(void)
{
    struct function *f;

    setup_empty();
    f = add(DEV, 0x12345678, 0);
    set32(f, 4, 0xf9000507); /* decodes; error bits set in the status */
    return f;
}

static void bar_kinds(void)
{
    struct function *f = setup_bars(), before;
    struct vdrv_pci_bar b;

    bar(f, 0, 1, 0x20, 0xc040);
    f->mask[0] &= 0xffff; /* upper bits hard-wired */
    bar(f, 1, 8, 0x100000, 0xfe000000);
    bar(f, 2, 4, UINT64_C(1) << 33, UINT64_C(0x7200000000));
    bar(f, 4, 0xc, 0x4000, 0);
    before = *f;
    expect_bar(0, VDRV_PCI_BAR_IO, 0xc040, 0x20);
    expect_bar(1, VDRV_PCI_BAR_MEM32, 0xfe000000, 0x100000);
    expect_bar(2, VDRV_PCI_BAR_MEM64, UINT64_C(0x7200000000),
               UINT64_C(1) << 33);
    expect_bar(3, VDRV_PCI_BAR_NONE, 0, 0);
    expect_bar(4, VDRV_PCI_BAR_MEM64, 0, 0x4000);
    expect_bar(5, VDRV_PCI_BAR_NONE, 0, 0);
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, 1, &b), VDRV_OK);
    CHECK_EQ(b.prefetchable, 1);
    CHECK_MEM(&before, f, sizeof(before)); /* put back, never while decoding */
    CHECK_EQ(f->unsafe, 0);
    CHECK_EQ(m.cap_writes, 0);
}

static void bar_arguments(void)
{
    struct function *f = setup_bars();
    struct vdrv_pci_bar b;

    CHECK_EQ(vdrv_pci_bar_read(NULL, DEV, 0, &b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, 6, &b), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV + 1, 0, &b), VDRV_ERR_NO_DEVICE);
    expect_bar(0, VDRV_PCI_BAR_NONE, 0, 0);
    set8(f, 0x0e, 0x81); /* a bridge has two, and what follows is none */
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, 2, &b), VDRV_ERR_INVALID);
    bar(f, 1, 4, 0x1000, 0);
    CHECK_EQ(vdrv_pci_bar_read(&m.ops, DEV, 1, &b), VDRV_ERR_PROTOCOL);
    CHECK_EQ(f->unsafe, 0);
}

static void bar_assigned(void)
{
    struct vdrv_pci_bar b = {0, 0x1000, VDRV_PCI_BAR_MEM32, 0};

    CHECK(!vdrv_pci_bar_assigned(&b));
    b.addr = 0xfffff000;
    CHECK(!vdrv_pci_bar_assigned(&b));
    b.kind = VDRV_PCI_BAR_MEM64; /* not the top of that space */
    CHECK(vdrv_pci_bar_assigned(&b));
    b.addr = UINT64_C(0xfffffffffffff000);
    CHECK(!vdrv_pci_bar_assigned(&b));
    b.addr = 0x1000;
    CHECK(vdrv_pci_bar_assigned(&b));
    b.kind = VDRV_PCI_BAR_NONE;
    CHECK(!vdrv_pci_bar_assigned(&b));
}

static const struct vdrv_pci_windows windows = {
    .mem32 = {0x40000000, 0x40000000, 0},
    .mem64 = {UINT64_C(0x400000000), UINT64_C(0x400000000), 0},
    .io = {0, 0x10000, 0},
};

static uint64_t bar_addr(const struct function *f, uint32_t i)
{
    const uint32_t low = get32(f, 0x10 + 4 * i);

    if ((low & 1u) != 0)
        return low & ~3u;
    return (low & ~15u) |
           ((low & 6u) == 4 ? (uint64_t)get32(f, 0x14 + 4 * i) << 32 : 0);
}

static void assign_all_kinds(void)
{
    struct vdrv_pci_windows w = windows;
    struct function *f = setup_bars();

    set32(f, 4, 0);
    bar(f, 0, 1, 0x80, 0);
    bar(f, 1, 0, 0x1000, 0);
    bar(f, 2, 8, 0x20, 0); /* smaller than a page */
    bar(f, 3, 8, 0x100000, 0);
    bar(f, 4, 0xc, 0x4000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(bar_addr(f, 0), 0x80); /* address 0 means none */
    CHECK_EQ(bar_addr(f, 1), 0x40000000);
    CHECK_EQ(bar_addr(f, 2), 0x40001000);
    CHECK_EQ(bar_addr(f, 3), 0x40100000); /* aligned to its size */
    CHECK_EQ(bar_addr(f, 4), UINT64_C(0x400000000));
    CHECK_EQ(command(f), 0); /* decoding is the probe's */
    CHECK_EQ(w.mem32.used, 0x200000);
    CHECK_EQ(w.mem64.used, 0x4000);
    CHECK_EQ(w.io.used, 0x100);
    /* A second time there is nothing to do. */
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(w.mem32.used, 0x200000);
    CHECK_EQ(f->unsafe, 0);
    CHECK_EQ(m.cap_writes, 0);
}

static void assign_next_page(void)
{
    struct vdrv_pci_windows w = windows;
    struct function *f = setup_bars(), *g = add(DEV + 8, 0x12345678, 0);

    bar(f, 0, 0, 0x20, 0);
    bar(g, 0, 0, 0x20, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV + 8, &w), VDRV_OK);
    CHECK_EQ(bar_addr(f, 0), 0x40000000);
    CHECK_EQ(bar_addr(g, 0), 0x40001000); /* no page of two devices */
    CHECK_EQ(command(f), 0x507);          /* as it was */
    CHECK_EQ(f->unsafe, 0);
}

static void assign_falls_back(void)
{
    struct vdrv_pci_windows w = windows;
    struct function *f = setup_bars();

    w.mem64.size = 0;
    bar(f, 4, 4, 0x4000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(bar_addr(f, 4), 0x40000000);
    /* A 32-bit BAR never goes to mem64. */
    bar(f, 0, 0, 0x4000, 0);
    w = windows;
    w.mem32.size = 0;
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
}

static void assign_window_full(void)
{
    struct vdrv_pci_windows w = windows;
    struct function *f = setup_bars(), before;

    bar(f, 0, 0, 0x1000, 0);
    bar(f, 1, 0, 0x2000, 0);
    before = *f;
    w.mem32.size = 0x3000; /* 0x1000, a gap, 0x2000 */
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
    CHECK_MEM(&before, f, sizeof(before));
    CHECK_EQ(w.mem32.used, 0);
    w.mem32.size = 0x4000;
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(bar_addr(f, 1), 0x40002000);
    CHECK_EQ(w.mem32.used, 0x4000);
    bar(f, 2, 0, 0x1000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
    /* Aligned beyond the end. */
    w = windows;
    w.mem32.base = 0x40001000;
    w.mem32.size = 0x1000;
    f = setup_bars();
    bar(f, 0, 0, 0x4000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
    /* Aligned round the end of the address space, into what is taken. */
    w = windows;
    w.mem32.size = 0;
    w.mem64.base = 0;
    w.mem64.size = UINT64_MAX;
    w.mem64.used = UINT64_MAX - 0x100;
    f = setup_bars();
    bar(f, 0, 4, 0x4000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
    w.mem64.used = UINT64_MAX;
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
    /* At the very end of it. */
    w = windows;
    w.mem32.size = 0;
    w.mem64.base = UINT64_MAX - 0x2fff;
    w.mem64.size = 0x3000;
    f = setup_bars();
    bar(f, 0, 4, 0x4000, 0);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_NO_MEMORY);
}

static void assign_arguments(void)
{
    struct vdrv_pci_windows w = windows;

    setup_bars();
    CHECK_EQ(vdrv_pci_assign(NULL, DEV, &w), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, NULL), VDRV_ERR_INVALID);
    w.mem32.size = 0xc0000001; /* beyond 4 GiB */
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_INVALID);
    w = windows;
    w.mem64.base = UINT64_MAX;
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_ERR_INVALID);
    w = windows;
    w.io.used = w.io.size + 1;
    CHECK_EQ(vdrv_pci_reserve(&m.ops, DEV, &w), VDRV_ERR_INVALID);
}

/* What firmware has assigned stays, and its place is not given away. */
static void assign_beside_firmware(void)
{
    struct vdrv_pci_windows w = windows;
    struct function *f = setup_bars(), *g = add(DEV + 8, 0x12345678, 0);
    uint32_t before;

    bar(f, 0, 0, 0x1000, 0);
    bar(f, 1, 0, 0x1000, 0xfe000000); /* outside of every window */
    bar(g, 0, 0xc, 0x4000, 0x40004000);
    bar(g, 2, 1, 0x40, 0x200);
    CHECK_EQ(vdrv_pci_reserve(&m.ops, DEV + 8, &w), VDRV_OK);
    CHECK_EQ(w.mem32.used, 0x8000);
    CHECK_EQ(w.mem64.used, 0);
    CHECK_EQ(w.io.used, 0x240);
    before = m.config_accesses;
    CHECK_EQ(vdrv_pci_reserve(&m.ops, DEV, &w), VDRV_OK);
    CHECK(m.config_accesses - before < 10); /* nothing was sized */
    CHECK_EQ(vdrv_pci_assign(&m.ops, DEV, &w), VDRV_OK);
    CHECK_EQ(bar_addr(f, 0), 0x40008000);
    CHECK_EQ(bar_addr(f, 1), 0xfe000000);
    CHECK_EQ(bar_addr(g, 0), 0x40004000);
    CHECK_EQ(f->unsafe + g->unsafe, 0);
}

/* ---- Find --------------------------------------------------------------- */

static void find_devices(void)
{
    struct vdrv_pci_windows w = windows;
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    struct function *f = setup(), *net, *other;

    w.mem64.size = 0;
    bar(f, 4, 0xc, 0x4000, 0); /* nobody has assigned it */
    f->mask[1] = 0;
    other = add(DEV + 8, 0x12345678, 0);
    bar(other, 0, 0, 0x1000, 0);
    bar(add(DEV + 16, 0x12345678, 0), 0, 0, 0x1000, 0x40000000);
    net = add(DEV + 24, 0x10001af4, 0); /* legacy only */
    vdrv_pci_walk_init(&walk, &m.ops, 0, 255);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, NULL, 0), VDRV_ERR_NO_DEVICE);
    CHECK(logged("pci 00:02.0: BAR has no address"));
    CHECK(logged("pci 00:05.0: a legacy-only device"));
    vdrv_pci_walk_init(&walk, &m.ops, 0, 255);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, &w, 0), VDRV_OK);
    CHECK_EQ(pci.fn, DEV);
    CHECK_EQ(bar_addr(f, 4), 0x40004000); /* clear of the other device */
    CHECK_EQ(bar_addr(other, 0), 0);      /* not ours */
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, &w, 0), VDRV_ERR_NO_DEVICE);
    m.log[0] = '\0';
    vdrv_pci_walk_init(&walk, &m.ops, 0, 255);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, &w, 16), VDRV_ERR_NO_DEVICE);
    check_text(m.log, "");
    CHECK_EQ(command(net), 0);
}

/* The bridge forwards nothing of the windows, so nothing is assigned. */
static void find_behind_bridge(void)
{
    struct vdrv_pci_windows w = windows;
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    struct function *f = setup();

    bar(f, 4, 0xc, 0x4000, 0);
    f->fn = VDRV_PCI_FN(1, 0, 0);
    set8(add(DEV, 0x12345678, 1), 0x19, 1);
    vdrv_pci_walk_init(&walk, &m.ops, 0, 255);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, &w, 2), VDRV_ERR_NO_DEVICE);
    CHECK(logged("pci 01:00.0: BAR has no address"));
    CHECK_EQ(bar_addr(f, 4), 0);
}

static void find_no_room(void)
{
    struct vdrv_pci_windows w = windows;
    struct vdrv_pci_walk walk;
    struct vdrv_pci pci;
    struct function *f = setup();

    bar(f, 4, 0xc, 0x4000, 0);
    w.mem64.size = 0;
    w.mem32.size = 0x1000;
    vdrv_pci_walk_init(&walk, &m.ops, 0, 255);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, &walk, &w, 2), VDRV_ERR_NO_DEVICE);
    CHECK(logged("no room for its BARs in the windows given"));
    CHECK_EQ(vdrv_pci_find(NULL, &m.hal, &walk, &w, 2), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_find(&pci, NULL, &walk, &w, 2), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_pci_find(&pci, &m.hal, NULL, &w, 2), VDRV_ERR_INVALID);
}

/* ---- Any bytes at all --------------------------------------------------- */

static uint32_t chance(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Whatever a device says, its structures lie inside its BARs. */
static void probe_random_spaces(void)
{
    uint32_t seed = (uint32_t)check_seed(), good = 0;

    for (uint32_t i = 0; i < 20000; i++) {
        struct function *f = setup();
        struct vdrv_pci pci;

        for (uint32_t n = chance(&seed) % 6; n > 0; n--)
            f->space[0x10 + chance(&seed) % 0xa0] = (uint8_t)chance(&seed);
        if (chance(&seed) % 4 == 0)
            f->mask[chance(&seed) % 6] = chance(&seed) << 8;
        if (probe(&pci) != VDRV_OK)
            continue;
        good++;
        CHECK(pci.common.size >= 56 && pci.common.size <= 64);
        CHECK_EQ(pci.common.addr % 4, 0);
        CHECK(pci.isr.size == 1 && pci.notify.size >= 2);
        CHECK(pci.transport.config_size <= 4096);
        CHECK_EQ(m.cap_writes, 0);
        CHECK_EQ(f->unsafe, 0);
    }
    CHECK(good > 1000 && good < 19000);
}

static const struct check_case cases[] = {
    {"probe_modern", probe_modern},
    {"probe_location", probe_location},
    {"probe_ids", probe_ids},
    {"probe_arguments", probe_arguments},
    {"probe_legacy_only", probe_legacy_only},
    {"probe_order_of_capabilities", probe_order_of_capabilities},
    {"probe_second_capability", probe_second_capability},
    {"probe_without_config", probe_without_config},
    {"probe_map_bar", probe_map_bar},
    {"probe_gone_meanwhile", probe_gone_meanwhile},
    {"probe_huge_structures", probe_huge_structures},
    {"fault_F22_config_too_short", fault_F22_config_too_short},
    {"fault_F26_capability_list_loop", fault_F26_capability_list_loop},
    {"fault_F26_capability_pointers", fault_F26_capability_pointers},
    {"fault_F26_long_list", fault_F26_long_list},
    {"fault_F27_no_capability_bit", fault_F27_no_capability_bit},
    {"fault_F28_reserved_values", fault_F28_reserved_values},
    {"fault_F29_io_bar", fault_F29_io_bar},
    {"fault_F29_wide_bar_in_last_place", fault_F29_wide_bar_in_last_place},
    {"fault_F29_above_4_GiB", fault_F29_above_4_GiB},
    {"fault_F30_capability_length", fault_F30_capability_length},
    {"fault_F31_range", fault_F31_range},
    {"fault_F31_unassigned", fault_F31_unassigned},
    {"bar_validator", bar_validator},
    {"fault_F32_structure_length", fault_F32_structure_length},
    {"fault_F33_overlap", fault_F33_overlap},
    {"fault_F34_notify_address", fault_F34_notify_address},
    {"notify_validator", notify_validator},
    {"fault_F35_num_queues", fault_F35_num_queues},
    {"fault_F36_queue_size", fault_F36_queue_size},
    {"fault_F37_vector_refused", fault_F37_vector_refused},
    {"fault_F38_queue_enable", fault_F38_queue_enable},
    {"init_with_one_queue", init_with_one_queue},
    {"notify_data", notify_data},
    {"irq_line", irq_line},
    {"config_access", config_access},
    {"ports", ports},
    {"ecam_addresses", ecam_addresses},
    {"ecam_arguments", ecam_arguments},
    {"walk_functions", walk_functions},
    {"walk_bridges", walk_bridges},
    {"walk_nothing", walk_nothing},
    {"bar_kinds", bar_kinds},
    {"bar_arguments", bar_arguments},
    {"bar_assigned", bar_assigned},
    {"assign_all_kinds", assign_all_kinds},
    {"assign_next_page", assign_next_page},
    {"assign_falls_back", assign_falls_back},
    {"assign_window_full", assign_window_full},
    {"assign_arguments", assign_arguments},
    {"assign_beside_firmware", assign_beside_firmware},
    {"find_devices", find_devices},
    {"find_behind_bridge", find_behind_bridge},
    {"find_no_room", find_no_room},
    {"probe_random_spaces", probe_random_spaces},
};
CHECK_MAIN(cases)
