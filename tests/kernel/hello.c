/* SPDX-License-Identifier: MIT */
/*
 * The self-test of the architecture layer, without the library: it says what
 * machine it runs on, looks at every virtio-mmio slot and PCI function, and
 * checks clock, timer, interrupt lines and arena.  Words on the command line
 * ask for more: "fail" for a failing exit, "trap" for an exception.
 */
#include "arch.h"
#include "klib.h"

#define VIRTIO_MAGIC 0x74726976u

static unsigned bad;

static void check(bool ok, const char *what)
{
    kprintf("%s: %s\n", ok ? "ok" : "FAILED", what);
    bad += !ok;
}

static uint32_t reg_read(uint64_t addr)
{
    return KLE32(*(volatile uint32_t *)(uintptr_t)addr);
}

static uint32_t cfg_read(unsigned dev, unsigned fn, unsigned off)
{
    const struct arch_pci *p = &arch_machine()->pci;

    if (p->ecam)
        return reg_read(p->ecam + (dev << 15 | fn << 12 | off));
    arch_io_write(0xcf8, 4, 0x80000000u | dev << 11 | fn << 8 | off);
    return arch_io_read(0xcfc, 4);
}

static void show_mmio(void)
{
    const struct arch_mmio *m = &arch_machine()->mmio;
    unsigned valid = 0;

    for (uint32_t i = 0; i < m->slots; i++) {
        uint64_t at = m->base + (uint64_t)i * m->stride;

        if (reg_read(at) != VIRTIO_MAGIC)
            continue;
        valid++;
        if (reg_read(at + 8))
            kprintf("mmio %08" K64 "x: version %u device %u irq %u\n", at,
                    reg_read(at + 4), reg_read(at + 8), m->irq + i);
    }
    kprintf("mmio: %u slots\n", valid);
    check(valid == m->slots, "every virtio-mmio slot answers");
}

static void show_function(unsigned dev, unsigned fn)
{
    uint32_t id = cfg_read(dev, fn, 0), irq = cfg_read(dev, fn, 0x3c);
    unsigned pin = irq >> 8 & 0xff;

    kprintf("pci 00:%02x.%u: %04x:%04x class %06x bar0 %08x bar1 %08x "
            "bar4 %08x bar5 %08x",
            dev, fn, id & 0xffff, id >> 16, cfg_read(dev, fn, 8) >> 8,
            cfg_read(dev, fn, 0x10), cfg_read(dev, fn, 0x14),
            cfg_read(dev, fn, 0x20), cfg_read(dev, fn, 0x24));
    if (pin)
        kprintf(" pin %u line %u", pin, irq & 0xff);
    irq = arch_pci_irq(0, dev, fn, pin, irq & 0xff);
    if (irq != ARCH_NO_IRQ)
        kprintf(" irq %u", irq);
    kprintf("\n");
}

static void show_pci(void)
{
    unsigned found = 0;

    for (unsigned dev = 0; arch_machine()->pci.buses && dev < 32; dev++) {
        for (unsigned fn = 0; fn < 8; fn++) {
            if ((cfg_read(dev, fn, 0) & 0xffff) == 0xffff)
                continue;
            show_function(dev, fn);
            found++;
        }
    }
    kprintf("pci: %u functions\n", found);
    check(!found == !arch_machine()->pci.buses, "the host bridge answers");
}

static void show_machine(void)
{
    const struct arch_machine *m = arch_machine();
    const struct arch_pci *p = &m->pci;

    kprintf("machine: %s\n", m->name);
    kprintf("cmdline: \"%s\"\n", arch_cmdline());
    kprintf("pci: ecam %" K64 "x buses %u cf8 %u bars set %u\n", p->ecam,
            p->buses, p->cf8, p->bars_set);
    kprintf("pci: io at %" K64 "x: %" K64 "x+%" K64 "x mem32 %" K64 "x+%" K64
            "x mem64 %" K64 "x+%" K64 "x\n",
            p->io_base, p->io.base, p->io.size, p->mem32.base, p->mem32.size,
            p->mem64.base, p->mem64.size);
}

static void test_ram(void)
{
    void *start;
    size_t size;

    arch_ram_free(&start, &size);
    kprintf("ram: %p, %zu KiB free\n", start, size / 1024);
    check(size >= 32u << 20, "the arena has 32 MiB");
    memset(start, 0x5a, size);
    check(((volatile uint8_t *)start)[size - 1] == 0x5a, "it ends in RAM");
}

static void test_clock(void)
{
    uint64_t begin = arch_now_us(), cycles = arch_cycles(), last = begin, now;
    bool back = false;

    do {
        now = arch_now_us();
        back |= now < last;
        last = now;
        arch_relax();
    } while (now - begin < 20000);
    check(!back, "time does not go back");
    check(arch_cycles() > cycles, "cycles pass");
    kprintf("clock: 20 ms\n");
}

static void test_timer(void)
{
    uint64_t begin, us;

    for (unsigned want = 1000; want <= 100000; want *= 10) {
        begin = arch_now_us();
        arch_wait(want);
        us = arch_now_us() - begin;
        kprintf("timer: %u us asked, %" K64 "u us slept\n", want, us);
        /* the two clocks may differ by what a calibration can't see */
        check(us >= want - want / 50 && us < want + 1000000,
              "the timer wakes in time");
    }
}

static volatile unsigned hits[2];

static void first_handler(void *arg)
{
    ++*(volatile unsigned *)arg;
}

/* The line stays active until here: both must have been called by now. */
static void second_handler(void *arg)
{
    ++*(volatile unsigned *)arg;
    arch_console_irq(false);
}

static void test_irq(void)
{
    uint64_t begin;

    arch_irq_attach(arch_machine()->console_irq, first_handler,
                    (void *)(uintptr_t)&hits[0]);
    arch_irq_attach(arch_machine()->console_irq, second_handler,
                    (void *)(uintptr_t)&hits[1]);
    for (unsigned i = 1; i <= 3; i++) {
        arch_console_irq(true); /* pending before the sleep: must not be lost */
        check(hits[0] == i - 1, "no interrupt while disabled");
        begin = arch_now_us();
        arch_wait(5000000);
        check(arch_now_us() - begin < 1000000, "an interrupt ends the sleep");
        check(hits[0] == i && hits[1] == i, "both handlers ran, once");
    }
    arch_irq_enable();
    arch_console_irq(true);
    for (begin = arch_now_us(); arch_now_us() - begin < 1000000;)
        if (hits[1] == 4)
            break;
    arch_irq_disable();
    check(hits[0] == 4 && hits[1] == 4, "an enabled interrupt arrives");
}

static void stubborn_handler(void *arg)
{
    if (++*(volatile unsigned *)arg >= 3)
        arch_console_irq(false);
}

static void test_level(void)
{
    static volatile unsigned calls;
    uint64_t begin = arch_now_us();

    if (arch_machine()->irq_once) {
        kprintf("skipped: level, this controller tells of a line once\n");
        return;
    }
    arch_irq_attach(arch_machine()->console_irq, stubborn_handler,
                    (void *)(uintptr_t)&calls);
    arch_irq_enable();
    arch_console_irq(true);
    while (calls < 3 && arch_now_us() - begin < 500000)
        arch_relax();
    arch_irq_disable();
    check(calls == 3, "a line that stays active comes again");
}

static void test_klib(void)
{
    char buf[16] = "123456789";

    check(crc32(0, buf, 9) == 0xcbf43926u, "crc32");
    memmove(buf + 2, buf, 9);
    check(!memcmp(buf, "12123456789", 11), "memmove up");
    memmove(buf, buf + 2, 9);
    check(!memcmp(buf, "123456789", 9), "memmove down");
    kprintf("kprintf: [%5d|%-5d|%05d|%x|%08" K64 "x|%c|%s|%6s|%u]\n", -42, -42,
            -42, 0xbeefu, UINT64_C(0x123456789a), 'c', "str", "pad",
            4000000000u);
    check(!karg("ab a=1", "c") && *karg("ab a=1", "a") == '1', "karg");
}

int kernel_main(void)
{
    const char *args = arch_cmdline();

    show_machine();
    test_klib();
    show_mmio();
    show_pci();
    test_ram();
    test_clock();
    test_timer();
    test_level();
    test_irq();
    check(!karg(args, "fail"), "no failure was asked for");
    if (karg(args, "trap"))
        __builtin_trap();
    kprintf("hello: %u failed\n", bad);
    return bad ? ARCH_EXIT_FAIL : ARCH_EXIT_PASS;
}
