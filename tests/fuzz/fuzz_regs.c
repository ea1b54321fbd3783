/* SPDX-License-Identifier: MIT */
/*
 * The registers of the fuzzed machine's device, as MMIO and as PCI show them
 * (VirtIO 1.4, 4.1 and 4.2), with a lie in a read wherever the input asks for
 * one.
 */
#include "fuzz_device.h"

#include <string.h>

/* What both transports have. */
enum reg {
    REG_NONE,
    REG_STATUS,
    REG_GENERATION,
    REG_FEATURE_SEL,
    REG_FEATURE,
    REG_DRV_SEL,
    REG_DRV_FEATURE,
    REG_QUEUE_SEL,
    REG_QUEUE_SIZE,
    REG_QUEUE_MAX,
    REG_QUEUE_VECTOR,
    REG_QUEUE_READY,
    REG_QUEUE_RESET,
    REG_QUEUE_OFF,
    REG_QUEUES,
    REG_VECTOR,
    REG_DESC, /* and the upper half; so are the next two */
    REG_DESC_HIGH,
    REG_DRIVER,
    REG_DRIVER_HIGH,
    REG_DEVICE,
    REG_DEVICE_HIGH,
    REG_ISR,
    REG_ACK,
    REG_MAGIC,
    REG_VERSION,
    REG_DEVICE_ID,
    REG_VENDOR,
};

static const struct {
    uint16_t at;
    uint8_t reg;
} mmio_map[] = {
    {0x000, REG_MAGIC},       {0x004, REG_VERSION},    {0x008, REG_DEVICE_ID},
    {0x00c, REG_VENDOR},      {0x010, REG_FEATURE},    {0x014, REG_FEATURE_SEL},
    {0x020, REG_DRV_FEATURE}, {0x024, REG_DRV_SEL},    {0x030, REG_QUEUE_SEL},
    {0x034, REG_QUEUE_MAX},   {0x038, REG_QUEUE_SIZE}, {0x044, REG_QUEUE_READY},
    {0x060, REG_ISR},         {0x064, REG_ACK},        {0x070, REG_STATUS},
    {0x080, REG_DESC},        {0x084, REG_DESC_HIGH},  {0x090, REG_DRIVER},
    {0x094, REG_DRIVER_HIGH}, {0x0a0, REG_DEVICE},     {0x0a4, REG_DEVICE_HIGH},
    {0x0c0, REG_QUEUE_RESET}, {0x0fc, REG_GENERATION},
};

static const struct {
    uint16_t at;
    uint8_t reg;
} pci_map[] = {
    {0x00, REG_FEATURE_SEL}, {0x04, REG_FEATURE},      {0x08, REG_DRV_SEL},
    {0x0c, REG_DRV_FEATURE}, {0x10, REG_VECTOR},       {0x12, REG_QUEUES},
    {0x14, REG_STATUS},      {0x15, REG_GENERATION},   {0x16, REG_QUEUE_SEL},
    {0x18, REG_QUEUE_MAX},   {0x1a, REG_QUEUE_VECTOR}, {0x1c, REG_QUEUE_READY},
    {0x1e, REG_QUEUE_OFF},   {0x20, REG_DESC},         {0x24, REG_DESC_HIGH},
    {0x28, REG_DRIVER},      {0x2c, REG_DRIVER_HIGH},  {0x30, REG_DEVICE},
    {0x34, REG_DEVICE_HIGH}, {0x3a, REG_QUEUE_RESET},
};

/* Where the structures are in the BAR. */
#define AT_ISR    0x1000u
#define AT_CONFIG 0x2000u
#define AT_NOTIFY 0x3000u

static uint32_t all_ones(uint32_t width)
{
    return width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
}

/* ---- Lies --------------------------------------------------------------- */

static void unplug(struct fuzz_machine *m)
{
    fuzz__reset(m);
    m->gone = true;
}

uint32_t fuzz__lie(struct fuzz_machine *m, uint32_t v)
{
    uint32_t kind;

    if (m->good || m->lie_in == 0 || --m->lie_in != 0)
        return v;
    m->lied = true;
    kind = fuzz_pick(&m->lies, 8);
    if (kind == 0)
        v = UINT32_MAX;
    else if (kind == 1)
        v = 0;
    else if (kind == 2)
        v ^= 1u << fuzz_pick(&m->lies, 32);
    else if (kind == 3)
        v = fuzz_u32(&m->lies);
    else if (kind == 4)
        v++;
    else if (kind == 5)
        v--;
    else if (kind == 6)
        v = fuzz_u8(&m->lies);
    else
        unplug(m);
    m->lie_in = fuzz_u8(&m->lies);
    return v;
}

/* ---- Common registers ---------------------------------------------------- */

static enum reg find(const struct fuzz_machine *m, uint64_t at)
{
    if (m->is_pci) {
        for (size_t i = 0; i < sizeof(pci_map) / sizeof(pci_map[0]); i++) {
            if (pci_map[i].at == at)
                return (enum reg)pci_map[i].reg;
        }
        return REG_NONE;
    }
    for (size_t i = 0; i < sizeof(mmio_map) / sizeof(mmio_map[0]); i++) {
        if (mmio_map[i].at == at)
            return (enum reg)mmio_map[i].reg;
    }
    return REG_NONE;
}

static struct fuzz_queue *selected(struct fuzz_machine *m)
{
    return m->queue_sel < m->nqueues ? &m->q[m->queue_sel] : NULL;
}

static uint32_t queue_read(struct fuzz_machine *m, enum reg reg)
{
    const struct fuzz_queue *q = selected(m);

    if (q == NULL)
        return 0;
    if (reg == REG_QUEUE_MAX)
        return m->is_pci && q->size != 0 ? q->size : m->queue_max;
    if (reg == REG_QUEUE_READY)
        return q->ready;
    if (reg == REG_QUEUE_VECTOR)
        return q->vector;
    if (reg == REG_QUEUE_RESET)
        return m->stuck;
    return m->queue_sel; /* REG_QUEUE_OFF */
}

static uint32_t reg_get(struct fuzz_machine *m, enum reg reg)
{
    switch (reg) {
    case REG_MAGIC:
        return 0x74726976u;
    case REG_VERSION:
        return 2;
    case REG_DEVICE_ID:
        return m->type;
    case REG_VENDOR:
        return 0x1af4u;
    case REG_STATUS:
        return m->status;
    case REG_GENERATION:
        m->generation += m->flap;
        return m->generation & 0xffu;
    case REG_FEATURE:
        return m->dev_sel < 2 ? (uint32_t)(m->offered >> 32 * m->dev_sel) : 0;
    case REG_QUEUES:
        return m->nqueues;
    case REG_VECTOR:
        return 0xffffu;
    case REG_ISR:
        return m->isr;
    case REG_QUEUE_MAX:
    case REG_QUEUE_READY:
    case REG_QUEUE_RESET:
    case REG_QUEUE_VECTOR:
    case REG_QUEUE_OFF:
        return queue_read(m, reg);
    default:
        return 0;
    }
}

static void half(uint64_t *v, bool high, uint32_t value)
{
    if (high)
        *v = (*v & UINT32_MAX) | (uint64_t)value << 32;
    else
        *v = (*v & ~(uint64_t)UINT32_MAX) | value;
}

/* 2.6.1: it touches nothing of that queue any more. */
static void queue_forget(struct fuzz_machine *m)
{
    struct fuzz_queue *q = selected(m);

    if (q != NULL)
        memset(q, 0, offsetof(struct fuzz_queue, chain));
}

static void queue_write(struct fuzz_machine *m, enum reg reg, uint32_t value)
{
    struct fuzz_queue *q = selected(m);

    if (q == NULL)
        return;
    if (reg == REG_QUEUE_SIZE || reg == REG_QUEUE_MAX)
        q->size = (uint16_t)value;
    else if (reg == REG_QUEUE_VECTOR)
        q->vector = (uint16_t)value;
    else if (reg == REG_QUEUE_READY)
        q->ready = value == 1 && q->size != 0;
    else if (reg <= REG_DESC_HIGH)
        half(&q->desc, reg == REG_DESC_HIGH, value);
    else if (reg <= REG_DRIVER_HIGH)
        half(&q->driver, reg == REG_DRIVER_HIGH, value);
    else
        half(&q->device, reg == REG_DEVICE_HIGH, value);
}

/* 3.4: SUSPEND takes DRIVER_OK away, and the other way round. */
static void write_status(struct fuzz_machine *m, uint32_t value)
{
    if (value != 0 && (m->accepted & FUZZ_BIT(43)) != 0 && !m->stuck &&
        (value & 0x14u) == 0x14u)
        m->status = value & ~((m->status & 0x10u) != 0 ? 0x10u : 4u);
    else if (value != 0)
        m->status = value;
    else if (!m->stuck)
        fuzz__reset(m);
}

static void reg_put(struct fuzz_machine *m, enum reg reg, uint32_t value)
{
    switch (reg) {
    case REG_STATUS:
        write_status(m, value);
        break;
    case REG_FEATURE_SEL:
        m->dev_sel = value;
        break;
    case REG_DRV_SEL:
        m->drv_sel = value;
        break;
    case REG_DRV_FEATURE:
        if (m->drv_sel < 2)
            half(&m->accepted, m->drv_sel == 1, value);
        break;
    case REG_QUEUE_SEL:
        m->queue_sel = value;
        break;
    case REG_ACK:
        m->isr &= ~value;
        break;
    case REG_QUEUE_RESET:
        if (value == 1 && !m->stuck)
            queue_forget(m);
        break;
    case REG_QUEUE_SIZE:
    case REG_QUEUE_MAX:
    case REG_QUEUE_READY:
    case REG_QUEUE_VECTOR:
    case REG_DESC:
    case REG_DESC_HIGH:
    case REG_DRIVER:
    case REG_DRIVER_HIGH:
    case REG_DEVICE:
    case REG_DEVICE_HIGH:
        queue_write(m, reg, value);
        break;
    default:
        break;
    }
}

/* ---- Addresses ------------------------------------------------------------ */

static uint32_t config_read(const struct fuzz_machine *m, uint64_t at,
                            uint32_t width)
{
    uint32_t v = 0;

    for (uint32_t i = 0; i < width && at + i < FUZZ_CONFIG; i++)
        v |= (uint32_t)m->config[at + i] << 8 * i;
    return v;
}

static uint32_t true_read(struct fuzz_machine *m, uint64_t addr, uint32_t width,
                          enum reg *reg)
{
    const uint64_t at = addr - (m->is_pci ? FUZZ_BAR_PHYS : FUZZ_MMIO_PHYS);
    const uint64_t config = m->is_pci ? AT_CONFIG : 0x100u;
    uint32_t v;

    if (m->is_pci && at >= AT_ISR && at < AT_CONFIG) {
        v = m->isr;
        m->isr = 0;
        return v;
    }
    if (at >= config && at < config + FUZZ_CONFIG)
        return config_read(m, at - config, width);
    *reg = find(m, at);
    return reg_get(m, *reg);
}

uint32_t fuzz__read(struct fuzz_machine *m, uint64_t addr, uint32_t width)
{
    enum reg reg = REG_NONE;
    uint32_t v = true_read(m, addr, width, &reg);

    v = m->gone ? UINT32_MAX : fuzz__lie(m, v) & all_ones(width);
    if (m->gone)
        v = all_ones(width);
    /* What says that it was reset, or is gone, touches nothing any more. */
    if (reg == REG_STATUS && ((v & 0xffu) == 0 || (v & 0xffu) == 0xffu))
        fuzz__reset(m);
    else if (reg == REG_QUEUE_READY && v == 0)
        queue_forget(m);
    return v;
}

void fuzz__write(struct fuzz_machine *m, uint64_t addr, uint32_t width,
                 uint32_t value)
{
    const uint64_t at = addr - (m->is_pci ? FUZZ_BAR_PHYS : FUZZ_MMIO_PHYS);
    const uint64_t config = m->is_pci ? AT_CONFIG : 0x100u;

    if (m->gone)
        return;
    if (at >= config && at + width <= config + FUZZ_CONFIG) {
        for (uint32_t i = 0; i < width; i++)
            m->config[at - config + i] = (uint8_t)(value >> 8 * i);
        return;
    }
    /* A byte is meant for the configuration, wherever a lie has put that. */
    if (width > 1 || find(m, at) == REG_STATUS)
        reg_put(m, find(m, at), value);
}

/* ---- PCI configuration space ---------------------------------------------- */

static uint32_t pci_read(void *ctx, uint32_t fn, uint32_t off, uint32_t width)
{
    struct fuzz_machine *m = ctx;
    uint32_t v = 0;

    FUZZ_CHECK(fn == VDRV_PCI_FN(0, 2, 0) && off + width <= 256);
    FUZZ_CHECK(off % width == 0 && ++m->accesses <= FUZZ_ACCESS_MAX);
    for (uint32_t i = 0; i < width; i++)
        v |= (uint32_t)m->cfg[off + i] << 8 * i;
    v = fuzz__lie(m, v);
    return (m->gone ? UINT32_MAX : v) & all_ones(width);
}

/* The command register and the BARs keep what is written. */
static void pci_write(void *ctx, uint32_t fn, uint32_t off, uint32_t width,
                      uint32_t value)
{
    struct fuzz_machine *m = ctx;
    uint64_t mask = 0;

    FUZZ_CHECK(fn == VDRV_PCI_FN(0, 2, 0) && off + width <= 256);
    FUZZ_CHECK(off % width == 0 && ++m->accesses <= FUZZ_ACCESS_MAX);
    if (m->gone)
        return;
    if (off == 4 && width == 2)
        mask = 0x407u;
    else if (off >= 0x10 && off < 0x28 && width == 4)
        mask = m->bar_mask[(off - 0x10) / 4];
    for (uint32_t i = 0; i < width; i++) {
        const uint8_t bits = (uint8_t)(mask >> 8 * i);

        m->cfg[off + i] =
            (uint8_t)((m->cfg[off + i] & ~bits) | ((value >> 8 * i) & bits));
    }
}

static void cap(uint8_t *p, uint8_t next, uint8_t len, uint8_t type,
                uint32_t at, uint32_t size)
{
    p[0] = 9;
    p[1] = next;
    p[2] = len;
    p[3] = type;
    p[4] = 4; /* BAR */
    for (uint32_t i = 0; i < 4; i++) {
        p[8 + i] = (uint8_t)(at >> 8 * i);
        p[12 + i] = (uint8_t)(size >> 8 * i);
    }
}

void fuzz__pci_init(struct fuzz_machine *m)
{
    uint8_t *c = m->cfg;

    m->bus =
        (struct vdrv_pci_ops){.ctx = m, .read = pci_read, .write = pci_write};
    memset(c, 0, sizeof(m->cfg));
    c[0] = 0xf4;
    c[1] = 0x1a;
    c[2] = (uint8_t)(0x40u + m->type);
    c[3] = 0x10;
    c[4] = 0x06; /* memory, bus master */
    c[6] = 0x10; /* there are capabilities */
    c[0x20] = 0x0c;
    c[0x24] = (uint8_t)(FUZZ_BAR_PHYS >> 32);
    m->bar_mask[4] = (uint32_t) ~(FUZZ_BAR_SIZE - 1);
    m->bar_mask[5] = UINT32_MAX;
    c[0x34] = 0x40;
    c[0x3d] = 1;
    cap(c + 0x40, 0x50, 16, 1, 0, 0x40);
    cap(c + 0x50, 0x64, 20, 2, AT_NOTIFY, 0x1000);
    c[0x60] = 4; /* multiplier */
    cap(c + 0x64, 0x74, 16, 3, AT_ISR, 4);
    cap(c + 0x74, 0x84, 16, 4, AT_CONFIG, 0x100);
    cap(c + 0x84, 0, 20, 5, 0, 0);
}
