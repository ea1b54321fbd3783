/* SPDX-License-Identifier: MIT */
/*
 * Arm on QEMU's virt machine with gic-version=2, EL1 or SVC mode, identity
 * mapped.  Addresses and lines are those of the device tree that `-M
 * virt,dumpdtb=` writes (QEMU 7.2); an SPI's interrupt ID is its number there
 * plus 32.
 */
#include "arm_virt.h"
#include "../../klib.h"
#include "../cpu2.h"
#include "../fdt_read.h"
#include "../irq_table.h"

#define UART      0x9000000u /* PL011, SPI 1 */
#define GICD      0x8000000u
#define GICC      0x8010000u
#define GIC_IRQS  256u
#define PSCI_OFF  0x84000008u
#define TIMER_IRQ 27u        /* the virtual timer, PPI 11 */
#define PCI_IRQ   35u        /* INTA of device 0, SPI 3 */
#define V2M       0x8020000u /* a GICv2m frame: 64 SPIs, edges */

extern char __image_end[];

static char cmdline[1024];
static uint64_t tick_hz;
static bool leaving;

static struct arch_machine machine = {
    .mmio = {.base = 0xa000000, .stride = 0x200, .slots = 32, .irq = 48},
    .console_irq = 33,
};

static volatile uint8_t *reg8(uintptr_t addr)
{
    return (volatile uint8_t *)addr;
}

static volatile uint32_t *reg32(uintptr_t addr)
{
    return (volatile uint32_t *)addr;
}

const struct arch_machine *arch_machine(void)
{
    return &machine;
}

const char *arch_cmdline(void)
{
    return cmdline;
}

void arch_ram_free(void **start, size_t *size)
{
    uint64_t end = fdt_ram_end(machine.fdt, ARM_RAM);
    uint64_t limit = ARM_RAM + arm_virt_ram_max;

    if (end > limit)
        end = limit;
    *start = __image_end;
    *size = end ? (size_t)(end - (uintptr_t)__image_end) : 0;
}

void arch_putc(char c)
{
    while (*reg32(UART + 0x18) & 0x20)
        ;
    *reg32(UART) = (uint8_t)c;
}

int arch_getc(void)
{
    return *reg32(UART + 0x18) & 0x10 ? -1 : (int)(*reg32(UART) & 0xff);
}

/* The transmit interrupt is raw-active since the first character. */
void arch_console_irq(bool on)
{
    *reg32(UART + 0x38) = on ? 0x20 : 0;
}

/* Without semihosting that traps and comes back here: then power off. */
_Noreturn void arch_exit(int code)
{
    /* ADP_Stopped_ApplicationExit */
    const uintptr_t block[2] = {0x20026, (uintptr_t)code};

    if (!leaving) {
        leaving = true;
        kprintf("exit: code %d\n", code);
        arm_semihosting_exit(block);
    }
    arm_psci(PSCI_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

bool arch_cpu_start(void (*fn)(void *arg), void *arg)
{
    cpu2_prepare(fn, arg);
    if (arm_psci(arm_psci_cpu_on, 1, (uintptr_t)arm_cpu2_entry, 0) != 0)
        return false;
    return cpu2_came();
}

bool arm_virt_leaving(void)
{
    return leaving;
}

uint64_t arch_now_us(void)
{
    uint64_t now = arm_timer_now();

    return now / tick_hz * 1000000 + now % tick_hz * 1000000 / tick_hz;
}

/* A pending interrupt ends the sleep even while it is masked. */
void arch_wait(uint64_t max_us)
{
    const uint64_t limit = 60u * 1000000u;
    uint64_t us = max_us < limit ? max_us : limit;

    arm_timer_set(arm_timer_now() + us * tick_hz / 1000000 + 1);
    arm_sleep();
    arch_irq_enable();
    arch_irq_disable();
    arm_timer_set(~0ull);
}

static void line_enable(unsigned irq)
{
    *reg8(GICD + 0x400 + irq) = 0x80; /* priority */
    if (irq >= 32)
        *reg8(GICD + 0x800 + irq) = 1; /* to CPU 0 */
    *reg32(GICD + 0x100 + irq / 32 * 4) = 1u << (irq % 32);
}

/*
 * The device tree calls the virtio-mmio lines edge-triggered, but the device
 * holds its line until it is acknowledged: level, the GIC's reset state, is
 * right for all.
 */
void arch_irq_attach(unsigned irq, void (*fn)(void *arg), void *arg)
{
    if (irq < 32 || irq >= GIC_IRQS) {
        kprintf("irq: the GIC has no shared line %u\n", irq);
        arch_exit(ARCH_EXIT_FAIL);
    }
    irq_table_add(irq, fn, arg);
    line_enable(irq);
}

unsigned arch_pci_irq(unsigned bus, unsigned dev, unsigned fn, unsigned pin,
                      unsigned line)
{
    (void)fn;
    (void)line;
    if (bus || !pin || pin > 4)
        return ARCH_NO_IRQ;
    return PCI_IRQ + (dev + pin - 1) % 4;
}

uint32_t arch_io_read(uint32_t port, unsigned width)
{
    uintptr_t addr = (uintptr_t)machine.pci.io_base + port;

    if (width == 1)
        return *reg8(addr);
    if (width == 2)
        return *(volatile uint16_t *)addr;
    return *reg32(addr);
}

void arch_io_write(uint32_t port, unsigned width, uint32_t val)
{
    uintptr_t addr = (uintptr_t)machine.pci.io_base + port;

    if (width == 1)
        *reg8(addr) = (uint8_t)val;
    else if (width == 2)
        *(volatile uint16_t *)addr = (uint16_t)val;
    else
        *reg32(addr) = val;
}

void arm_virt_irq(void)
{
    uint32_t ack, irq;

    for (;;) {
        ack = *reg32(GICC + 0xc);
        irq = ack & 0x3ff;
        if (irq >= 1020) /* spurious */
            return;
        if (irq == TIMER_IRQ)
            arm_timer_set(~0ull);
        else
            irq_table_run(irq);
        *reg32(GICC + 0x10) = ack;
    }
}

static void gic_init(void)
{
    *reg32(GICD) = 1;
    *reg32(GICC + 4) = 0xff; /* let every priority through */
    *reg32(GICC) = 1;
    line_enable(TIMER_IRQ);
}

/* What the frame's type register grants: edges, so they are made such. */
static void msi_init(void)
{
    uint32_t type = *reg32(V2M + 8);

    machine.msi = (struct arch_msi){
        .kind = ARCH_MSI_GICV2M,
        .irq = type >> 16 & 0x3ff,
        .count = type & 0x3ff,
        .frame = V2M,
    };
    for (uint32_t i = 0; i < machine.msi.count; i++) {
        uint32_t irq = machine.msi.irq + i;

        *reg32(GICD + 0xc00 + irq / 16 * 4) |= 2u << (irq % 16 * 2);
    }
}

_Noreturn void arm_virt_main(void)
{
    const void *fdt = (const void *)(uintptr_t)ARM_RAM;

    machine.name = arm_virt_name;
    machine.pci = arm_virt_pci;
    tick_hz = arm_timer_hz();
    if (fdt_size(fdt))
        machine.fdt = fdt;
    fdt_bootargs(machine.fdt, cmdline, sizeof cmdline);
    gic_init();
    msi_init();
    arch_exit(kernel_main());
}
