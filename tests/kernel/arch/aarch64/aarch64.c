/* SPDX-License-Identifier: MIT */
/*
 * aarch64 on QEMU's virt machine with gic-version=2, EL1, identity mapped.
 * Addresses and lines are those of the device tree that `-M virt,dumpdtb=`
 * writes (QEMU 7.2); an SPI's interrupt ID is its number there plus 32.
 */
#include "../../arch.h"
#include "../../klib.h"
#include "../fdt_read.h"
#include "../irq_table.h"

#define RAM       0x40000000u /* the device tree lies at its start */
#define UART      0x9000000u  /* PL011, SPI 1 */
#define GICD      0x8000000u
#define GICC      0x8010000u
#define GIC_IRQS  256u
#define TIMER_IRQ 27u /* the virtual timer, PPI 11 */
#define PCI_IRQ   35u /* INTA of device 0, SPI 3 */
#define GIB       (1ull << 30)
#define RAM_GIBS  4u /* so much RAM is mapped as such */

#define PTE_TABLE  3ull
#define PTE_BLOCK  1ull
#define PTE_DEVICE (PTE_BLOCK | 1u << 10 | 3ull << 53)        /* MAIR 0, XN */
#define PTE_NORMAL (PTE_BLOCK | 1u << 10 | 3u << 8 | 1u << 2) /* MAIR 1 */

#define VECTOR_IRQ 5u /* current EL with SP_EL1 */

#define SYSREG_READ(name)                                                      \
    __extension__({                                                            \
        uint64_t v_;                                                           \
        __asm__ volatile("mrs %0, " #name : "=r"(v_) : : "memory");            \
        v_;                                                                    \
    })
#define SYSREG_WRITE(name, val)                                                \
    __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(val)) : "memory")

void aarch64_main(void);
void aarch64_trap(uint64_t vector, const uint64_t *frame);

extern char __image_end[];

static _Alignas(4096) uint64_t level0[512], level1[2][512];
static char cmdline[1024];
static uint64_t tick_hz;
static bool has_pmu, leaving;

static struct arch_machine machine = {
    .name = "aarch64 virt",
    .mmio = {.base = 0xa000000, .stride = 0x200, .slots = 32, .irq = 48},
    .pci =
        {
            .ecam = 0x4010000000,
            .buses = 256,
            .io_base = 0x3eff0000,
            .io = {0x1000, 0xf000},
            .mem32 = {0x10000000, 0x2eff0000},
            .mem64 = {0x8000000000, 0x8000000000},
        },
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
    uint64_t end = fdt_ram_end(machine.fdt, RAM);
    uint64_t limit = RAM + RAM_GIBS * GIB;

    if (end > limit)
        end = limit;
    *start = __image_end;
    *size = end ? end - (uintptr_t)__image_end : 0;
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

static void semihosting_exit(int code)
{
    /* SYS_EXIT_EXTENDED, ADP_Stopped_ApplicationExit */
    uint64_t block[2] = {0x20026, (uint64_t)code};
    register uint64_t op __asm__("x0") = 0x20;
    register const uint64_t *arg __asm__("x1") = block;

    __asm__ volatile("hlt #0xf000" : "+r"(op) : "r"(arg) : "memory");
}

/* Without semihosting the hlt traps and comes back here: then power off. */
_Noreturn void arch_exit(int code)
{
    register uint64_t op __asm__("x0");

    if (!leaving) {
        leaving = true;
        kprintf("exit: code %d\n", code);
        semihosting_exit(code);
    }
    op = 0x84000008; /* PSCI SYSTEM_OFF */
    __asm__ volatile("hvc #0" : "+r"(op) : : "memory");
    for (;;)
        __asm__ volatile("wfi");
}

static uint64_t now_ticks(void)
{
    __asm__ volatile("isb" : : : "memory");
    return SYSREG_READ(cntvct_el0);
}

uint64_t arch_now_us(void)
{
    uint64_t now = now_ticks();

    return now / tick_hz * 1000000 + now % tick_hz * 1000000 / tick_hz;
}

uint64_t arch_cycles(void)
{
    return has_pmu ? SYSREG_READ(pmccntr_el0) : now_ticks();
}

void arch_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

void arch_irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2\n\tisb" : : : "memory");
}

void arch_irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" : : : "memory");
}

/* wfi ends on a pending interrupt even while PSTATE masks it. */
void arch_wait(uint64_t max_us)
{
    const uint64_t limit = 60u * 1000000u;
    uint64_t us = max_us < limit ? max_us : limit;

    SYSREG_WRITE(cntv_cval_el0, now_ticks() + us * tick_hz / 1000000 + 1);
    SYSREG_WRITE(cntv_ctl_el0, 1);
    __asm__ volatile("isb\n\tdsb sy\n\twfi" : : : "memory");
    arch_irq_enable();
    arch_irq_disable();
    SYSREG_WRITE(cntv_ctl_el0, 0);
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

static _Noreturn void fatal(uint64_t vector, const uint64_t *frame)
{
    kprintf("trap: vector %lu esr %lx elr %lx far %lx spsr %lx\n", vector,
            SYSREG_READ(esr_el1), SYSREG_READ(elr_el1), SYSREG_READ(far_el1),
            SYSREG_READ(spsr_el1));
    for (unsigned i = 0; i < 32; i++)
        kprintf("x%-2u %016lx%s", i, frame[i], i % 4 < 3 ? "  " : "\n");
    arch_exit(ARCH_EXIT_TRAP);
}

void aarch64_trap(uint64_t vector, const uint64_t *frame)
{
    uint32_t ack, irq;

    if (leaving)
        arch_exit(ARCH_EXIT_TRAP);
    if (vector != VECTOR_IRQ)
        fatal(vector, frame);
    for (;;) {
        ack = *reg32(GICC + 0xc);
        irq = ack & 0x3ff;
        if (irq >= 1020) /* spurious */
            return;
        if (irq == TIMER_IRQ)
            SYSREG_WRITE(cntv_ctl_el0, 0);
        else
            irq_table_run(irq);
        *reg32(GICC + 0x10) = ack;
    }
}

/*
 * 40 bits of address in 1 GiB blocks: RAM is normal write-back memory, all
 * else is Device-nGnRE and never executed.
 */
static void mmu_init(void)
{
    for (uint64_t i = 0; i < 1024; i++) {
        bool ram = i >= RAM / GIB && i < RAM / GIB + RAM_GIBS;

        level1[i / 512][i % 512] = i << 30 | (ram ? PTE_NORMAL : PTE_DEVICE);
    }
    level0[0] = (uintptr_t)level1[0] | PTE_TABLE;
    level0[1] = (uintptr_t)level1[1] | PTE_TABLE;
    SYSREG_WRITE(mair_el1, 0xff04);
    /* 40 bits in and out, 4 KiB granule, cached shareable walks, no TTBR1 */
    SYSREG_WRITE(tcr_el1,
                 24u | 1u << 8 | 1u << 10 | 3u << 12 | 1u << 23 | 2ull << 32);
    SYSREG_WRITE(ttbr0_el1, (uintptr_t)level0);
    __asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb" : : : "memory");
    SYSREG_WRITE(sctlr_el1,
                 (SYSREG_READ(sctlr_el1) & ~2ull) | 1u | 1u << 2 | 1u << 12);
    __asm__ volatile("isb" : : : "memory");
}

static void gic_init(void)
{
    *reg32(GICD) = 1;
    *reg32(GICC + 4) = 0xff; /* let every priority through */
    *reg32(GICC) = 1;
    line_enable(TIMER_IRQ);
}

static void pmu_init(void)
{
    unsigned version = SYSREG_READ(id_aa64dfr0_el1) >> 8 & 15;

    has_pmu = version && version != 15;
    if (!has_pmu)
        return;
    SYSREG_WRITE(pmcr_el0, 1u << 6 | 1u << 2 | 1u); /* 64 bits, reset, on */
    SYSREG_WRITE(pmccfiltr_el0, 0);
    SYSREG_WRITE(pmcntenset_el0, 1u << 31);
}

void aarch64_main(void)
{
    const void *fdt = (const void *)(uintptr_t)RAM;

    mmu_init();
    tick_hz = SYSREG_READ(cntfrq_el0);
    if (fdt_size(fdt))
        machine.fdt = fdt;
    fdt_bootargs(machine.fdt, cmdline, sizeof cmdline);
    gic_init();
    pmu_init();
    arch_exit(kernel_main());
}
