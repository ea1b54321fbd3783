/* SPDX-License-Identifier: MIT */
/*
 * RISC-V, 64 and 32 bits, on QEMU's virt machine, M mode, no MMU.  Addresses and lines are
 * those of the device tree that `-M virt,dumpdtb=` writes (QEMU 7.2); they have
 * been the same since 4.x.
 */
#include "../../arch.h"
#include "../../klib.h"
#include "../cpu2.h"
#include "../fdt_read.h"
#include "../irq_table.h"

#define UART      0x10000000u /* ns16550a, PLIC source 10 */
#define FINISHER  0x100000u   /* sifive,test0 */
#define MSIP1     0x2000004u  /* in the CLINT, hart 1 */
#define MTIMECMP  0x2004000u  /* in the CLINT, hart 0 */
#define PLIC      0xc000000u
#define PLIC_IRQS 96u
#define PCI_IRQ   32u /* INTA of device 0 */
#define TIME_MHZ  10u /* timebase-frequency 10000000 */

#define MIE_MTIE   (1u << 7)
#define MIE_MEIE   (1u << 11)
#define MSTATUS_IE (1u << 3)

#define CAUSE_IRQ  ((uintptr_t)1 << (__riscv_xlen - 1))
#define CAUSE_TIME (CAUSE_IRQ | 7)
#define CAUSE_EXT  (CAUSE_IRQ | 11)

#define CSR_READ(name)                                                         \
    __extension__({                                                            \
        uintptr_t v_;                                                          \
        __asm__ volatile("csrr %0, " #name : "=r"(v_) : : "memory");           \
        v_;                                                                    \
    })
#define CSR_SET(name, bits)                                                    \
    __asm__ volatile("csrs " #name ", %0"                                      \
                     :                                                         \
                     : "r"((uintptr_t)(bits))                                  \
                     : "memor"                                                 \
                       "y")
#define CSR_CLEAR(name, bits)                                                  \
    __asm__ volatile("csrc " #name ", %0"                                      \
                     :                                                         \
                     : "r"((uintptr_t)(bits))                                  \
                     : "memor"                                                 \
                       "y")

void riscv_main(const void *fdt);
void riscv_trap(const uintptr_t *frame);

extern char __image_end[];

static char cmdline[1024];

static struct arch_machine machine = {
#if __riscv_xlen == 64
    .name = "riscv64 virt",
#else
    .name = "riscv32 virt",
#endif
    .mmio = {.base = 0x10001000, .stride = 0x1000, .slots = 8, .irq = 1},
    .pci =
        {
            .ecam = 0x30000000,
            .buses = 256,
            .io_base = 0x3000000,
            .io = {0x1000, 0xf000},
            .mem32 = {0x40000000, 0x40000000},
#if __riscv_xlen == 64
            .mem64 = {0x400000000, 0x400000000},
#endif
        },
    .console_irq = 10,
    .irq_once = true,
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

/* QEMU puts the device tree near the end of RAM: it stays out of the arena. */
void arch_ram_free(void **start, size_t *size)
{
    uintptr_t end = (uintptr_t)fdt_ram_end(machine.fdt, (uintptr_t)__image_end);
    uintptr_t fdt = (uintptr_t)machine.fdt;

    if (fdt > (uintptr_t)__image_end && fdt < end)
        end = fdt & ~(uintptr_t)4095;
    *start = __image_end;
    *size = end ? end - (uintptr_t)__image_end : 0;
}

void arch_putc(char c)
{
    while (!(*reg8(UART + 5) & 0x20))
        ;
    *reg8(UART) = (uint8_t)c;
}

int arch_getc(void)
{
    return *reg8(UART + 5) & 1 ? *reg8(UART) : -1;
}

void arch_console_irq(bool on)
{
    *reg8(UART + 1) = on ? 2 : 0;
}

_Noreturn void arch_exit(int code)
{
    kprintf("exit: code %d\n", code);
    *reg32(FINISHER) = code ? (uint32_t)code << 16 | 0x3333u : 0x5555u;
    for (;;)
        __asm__ volatile("wfi");
}

/* A counter of 64 bits, in two halves where a register has 32. */
#if __riscv_xlen == 64
#define CSR_READ64(name) CSR_READ(name)
#else
#define CSR_READ64(name)                                                       \
    __extension__({                                                            \
        uint32_t hi_, lo_;                                                     \
        do {                                                                   \
            hi_ = CSR_READ(name##h);                                           \
            lo_ = CSR_READ(name);                                              \
        } while (hi_ != CSR_READ(name##h));                                    \
        (uint64_t) hi_ << 32 | lo_;                                            \
    })
#endif

static uint64_t now_ticks(void)
{
    return CSR_READ64(time);
}

uint64_t arch_now_us(void)
{
    return now_ticks() / TIME_MHZ;
}

uint64_t arch_cycles(void)
{
    return CSR_READ64(minstret);
}

void arch_relax(void)
{
    __asm__ volatile("" : : : "memory");
}

bool arch_cpu_start(void (*fn)(void *arg), void *arg)
{
    cpu2_prepare(fn, arg);
    __asm__ volatile("fence" : : : "memory");
    *reg32(MSIP1) = 1;
    return cpu2_came();
}

static void timer_set(uint64_t ticks)
{
    *reg32(MTIMECMP + 4) = ~0u; /* no moment in between is in the past */
    *reg32(MTIMECMP) = (uint32_t)ticks;
    *reg32(MTIMECMP + 4) = (uint32_t)(ticks >> 32);
}

void arch_irq_enable(void)
{
    CSR_SET(mstatus, MSTATUS_IE);
}

void arch_irq_disable(void)
{
    CSR_CLEAR(mstatus, MSTATUS_IE);
}

/* wfi ends on a pending interrupt even while mstatus masks it. */
void arch_wait(uint64_t max_us)
{
    const uint64_t limit = 60u * 1000000u;

    timer_set(now_ticks() + (max_us < limit ? max_us : limit) * TIME_MHZ);
    __asm__ volatile("wfi" : : : "memory");
    arch_irq_enable();
    arch_irq_disable();
    timer_set(~0ull);
}

void arch_irq_attach(unsigned irq, void (*fn)(void *arg), void *arg)
{
    if (!irq || irq >= PLIC_IRQS) {
        kprintf("irq: the PLIC has no source %u\n", irq);
        arch_exit(ARCH_EXIT_FAIL);
    }
    irq_table_add(irq, fn, arg);
    *reg32(PLIC + 4 * irq) = 1;                               /* priority */
    *reg32(PLIC + 0x2000 + irq / 32 * 4) |= 1u << (irq % 32); /* enable */
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

static void external_irq(void)
{
    uint32_t irq;

    while ((irq = *reg32(PLIC + 0x200004)) != 0) {
        irq_table_run(irq);
        *reg32(PLIC + 0x200004) = irq;
    }
}

static _Noreturn void fatal(uintptr_t cause, const uintptr_t *frame)
{
    kprintf("trap: mcause %zx mepc %zx mtval %zx\n", (size_t)cause,
            (size_t)frame[0], (size_t)CSR_READ(mtval));
    for (unsigned i = 1; i < 32; i++)
        kprintf("x%-2u %08zx%s", i, (size_t)frame[i], i % 4 ? "  " : "\n");
    kprintf("\n");
    arch_exit(ARCH_EXIT_TRAP);
}

void riscv_trap(const uintptr_t *frame)
{
    uintptr_t cause = CSR_READ(mcause);

    if (cause == CAUSE_TIME)
        timer_set(~0ull);
    else if (cause == CAUSE_EXT)
        external_irq();
    else
        fatal(cause, frame);
}

void riscv_main(const void *fdt)
{
    if (fdt_size(fdt))
        machine.fdt = fdt;
    fdt_bootargs(machine.fdt, cmdline, sizeof cmdline);
    timer_set(~0ull);
    *reg32(PLIC + 0x200000) = 0; /* threshold: let priority 1 through */
    CSR_SET(mie, MIE_MTIE | MIE_MEIE);
    arch_exit(kernel_main());
}
