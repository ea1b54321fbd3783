/* SPDX-License-Identifier: MIT */
/*
 * Proves the map of interrupt lines, device by device, without the library:
 * every virtio disk is brought to DRIVER_OK with no queue at all, then the host
 * resizes them one after the other, and each must be heard on its own line by
 * way of its configuration-change interrupt.  PCI functions get their BAR in
 * one of the machine's windows ("mem32" on the command line picks that one), so
 * the windows are proved too.  Registers: VirtIO 1.4, 4.1.4.3 and 4.2.2.
 */
#include "arch.h"
#include "klib.h"

#define VIRTIO_MAGIC 0x74726976u
#define DISK_PCI     0x10421af4u
#define MAX_DISKS    16u

struct disk {
    uintptr_t regs; /* MMIO registers, or PCI's common configuration */
    uintptr_t isr;
    bool pci;
    unsigned irq;
    volatile unsigned fired;
};

static struct disk disks[MAX_DISKS];
static unsigned count;
static uint64_t next_bar;

static uint32_t get32(uintptr_t addr)
{
    return KLE32(*(volatile uint32_t *)addr);
}

static void set32(uintptr_t addr, uint32_t val)
{
    *(volatile uint32_t *)addr = KLE32(val);
}

static volatile uint8_t *reg8(uintptr_t addr)
{
    return (volatile uint8_t *)addr;
}

static uint32_t cfg_read(unsigned dev, unsigned off)
{
    const struct arch_pci *p = &arch_machine()->pci;

    if (p->ecam)
        return get32((uintptr_t)p->ecam + (dev << 15 | off));
    arch_io_write(0xcf8, 4, 0x80000000u | dev << 11 | off);
    return arch_io_read(0xcfc, 4);
}

static void cfg_write(unsigned dev, unsigned off, uint32_t val)
{
    const struct arch_pci *p = &arch_machine()->pci;

    if (p->ecam) {
        set32((uintptr_t)p->ecam + (dev << 15 | off), val);
        return;
    }
    arch_io_write(0xcf8, 4, 0x80000000u | dev << 11 | off);
    arch_io_write(0xcfc, 4, val);
}

static void heard(void *arg)
{
    struct disk *d = arg;
    uint32_t isr;

    if (d->pci) {
        isr = *reg8(d->isr); /* reading it lowers the line */
    } else {
        isr = get32(d->isr);
        set32(d->isr + 4, isr);
    }
    if (isr & 2)
        d->fired++;
}

static struct disk *disk_add(uintptr_t regs, uintptr_t isr, bool pci,
                             unsigned irq)
{
    struct disk *d = &disks[count];

    if (count++ == MAX_DISKS) {
        kprintf("lines: too many disks\n");
        arch_exit(ARCH_EXIT_FAIL);
    }
    *d = (struct disk){.regs = regs, .isr = isr, .pci = pci, .irq = irq};
    return d;
}

static void start_mmio(struct disk *d)
{
    static const uint8_t steps[] = {0, 3, 11, 15};

    set32(d->regs + 0x24, 1); /* feature word 1: VERSION_1 alone */
    for (unsigned i = 0; i < sizeof steps; i++) {
        set32(d->regs + 0x70, steps[i]);
        if (steps[i] == 3)
            set32(d->regs + 0x20, 1);
    }
}

static void start_pci(struct disk *d)
{
    static const uint8_t steps[] = {0, 3, 11, 15};

    for (unsigned i = 0; i < sizeof steps; i++) {
        *reg8(d->regs + 20) = steps[i];
        if (steps[i] == 3) {
            set32(d->regs + 8, 1);
            set32(d->regs + 12, 1);
        }
    }
}

/* The address behind a 64-bit BAR, assigned first where nobody has. */
static uint64_t bar_address(unsigned dev, unsigned bar)
{
    unsigned off = 0x10 + 4 * bar;
    uint64_t addr;

    if (next_bar) {
        cfg_write(dev, off, (uint32_t)next_bar);
        cfg_write(dev, off + 4, (uint32_t)(next_bar >> 32));
        next_bar += 1u << 20;
    }
    addr = (uint64_t)cfg_read(dev, off + 4) << 32;
    return addr | (cfg_read(dev, off) & ~15u);
}

/* Cites: 4.1.4, the capability's bytes: id, next, length, type, BAR. */
static void add_function(unsigned dev)
{
    unsigned pin = cfg_read(dev, 0x3c) >> 8 & 0xff;
    unsigned irq = arch_pci_irq(0, dev, 0, pin, cfg_read(dev, 0x3c) & 0xff);
    uint64_t bar = bar_address(dev, 4);
    uintptr_t regs = 0, isr = 0;
    unsigned cap = cfg_read(dev, 0x34) & 0xfc;

    for (unsigned n = 0; cap && n < 48; n++) {
        uint32_t head = cfg_read(dev, cap);

        if ((head & 0xff) == 9 && head >> 24 == 1)
            regs = (uintptr_t)bar + cfg_read(dev, cap + 8);
        if ((head & 0xff) == 9 && head >> 24 == 3)
            isr = (uintptr_t)bar + cfg_read(dev, cap + 8);
        cap = head >> 8 & 0xfc;
    }
    cfg_write(dev, 4, (cfg_read(dev, 4) & 0xffff) | 6);
    kprintf("disk %u: pci 00:%02x bar %" K64 "x irq %u\n", count, dev, bar,
            irq);
    start_pci(disk_add(regs, isr, true, irq));
}

static void find_mmio(void)
{
    const struct arch_mmio *m = &arch_machine()->mmio;

    for (uint32_t i = 0; i < m->slots; i++) {
        uintptr_t at = (uintptr_t)m->base + (uintptr_t)i * m->stride;

        if (get32(at) != VIRTIO_MAGIC || get32(at + 8) != 2)
            continue;
        kprintf("disk %u: mmio %" K64 "x irq %u\n", count, (uint64_t)at,
                m->irq + i);
        start_mmio(disk_add(at, at + 0x60, false, m->irq + i));
    }
}

static void find_pci(void)
{
    const struct arch_pci *p = &arch_machine()->pci;

    if (karg(arch_cmdline(), "mem32"))
        next_bar = p->mem32.base + p->mem32.size / 2;
    else if (karg(arch_cmdline(), "mem64"))
        next_bar = p->mem64.base + p->mem64.size - (64u << 20);
    for (unsigned dev = 0; p->buses && dev < 32; dev++)
        if (cfg_read(dev, 0) == DISK_PCI)
            add_function(dev);
}

/* Sleeps until the disk was heard; any other one that is heard is wrong. */
static bool one_fires(unsigned i)
{
    uint64_t end = arch_now_us() + 5000000;

    kprintf("resize %u\n", i);
    while (!disks[i].fired && arch_now_us() < end)
        arch_wait(end - arch_now_us());
    for (unsigned k = 0; k < count; k++)
        if (disks[k].fired != (k <= i))
            return false;
    return true;
}

/* The host's last command is still being answered: exiting would cut it. */
static bool host_is_done(void)
{
    uint64_t end = arch_now_us() + 5000000;
    int c;

    kprintf("type a dot\n");
    do {
        c = arch_getc();
        arch_relax();
    } while (c < 0 && arch_now_us() < end);
    return c == '.';
}

int kernel_main(void)
{
    find_mmio();
    find_pci();
    for (unsigned i = 0; i < count; i++)
        arch_irq_attach(disks[i].irq, heard, &disks[i]);
    kprintf("lines: %u disks\n", count);
    for (unsigned i = 0; i < count; i++) {
        if (!one_fires(i)) {
            kprintf("disk %u: not heard on irq %u\n", i, disks[i].irq);
            return ARCH_EXIT_FAIL;
        }
    }
    return count && host_is_done() ? ARCH_EXIT_PASS : ARCH_EXIT_FAIL;
}
