/* SPDX-License-Identifier: MIT */
/*
 * x86 on QEMU's q35, pc and microvm: local APIC and IO-APICs, COM1, the
 * time-stamp counter, the isa-debug-exit device at port 0xf4.  Which machine it
 * is, is read off the PCI host bridge; the figures are those of QEMU 7.2's
 * hw/i386 and of the firmware that Debian ships with it.
 */
#include "x86.h"
#include "../../klib.h"
#include "../cpu2.h"
#include "../irq_table.h"
#include "x86_cpu2.h"

#define COM1       0x3f8u /* GSI 4 */
#define DEBUG_EXIT 0xf4u
#define LAPIC      0xfee00000u
#define IOAPIC     0xfec00000u /* GSI 0 to 23 */
#define IOAPIC2    0xfec10000u /* GSI 24 to 47, microvm with ACPI alone */
#define PINS       24u

#define LAPIC_EOI    0x0b0u
#define LAPIC_SVR    0x0f0u
#define LAPIC_ICR    0x300u
#define LAPIC_TO     0x310u
#define LAPIC_TIMER  0x320u
#define LAPIC_LINT0  0x350u
#define LAPIC_LINT1  0x360u
#define LAPIC_ICOUNT 0x380u
#define LAPIC_COUNT  0x390u
#define LAPIC_DIVIDE 0x3e0u
#define LAPIC_MASKED 0x10000u
#define DIVIDE_BY_1  0xbu
#define DIVIDE_BY_16 0x3u

#define VEC_IRQ      32u /* + GSI */
#define VEC_MSI      (VEC_IRQ + 2 * PINS)
#define MSIS         64u
#define VEC_TIMER    0xf0u
#define VEC_SPURIOUS 0xffu

#define PVH_MAGIC 0x336ec578u

struct start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modules, cmdline, rsdp, memmap;
    uint32_t memmap_entries, reserved;
};

struct memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

extern char __image_end[], x86_cpu2_begin[], x86_cpu2_end[];

static struct arch_machine machine;
static char cmdline[1024];
static uint64_t ram_end;
static uint64_t tsc_start, tsc_khz;

static volatile uint32_t *reg32(uintptr_t addr)
{
    return (volatile uint32_t *)addr;
}

static void outb(uint32_t port, uint8_t val)
{
    __asm__ volatile("outb %0, %1" : : "a"(val), "Nd"((uint16_t)port));
}

static uint8_t inb(uint32_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"((uint16_t)port));
    return val;
}

uint32_t arch_io_read(uint32_t port, unsigned width)
{
    uint32_t val;

    if (width == 1)
        return inb(port);
    if (width == 4) {
        __asm__ volatile("inl %1, %0" : "=a"(val) : "Nd"((uint16_t)port));
        return val;
    }
    __asm__ volatile("inw %1, %w0" : "=a"(val) : "Nd"((uint16_t)port));
    return val & 0xffff;
}

void arch_io_write(uint32_t port, unsigned width, uint32_t val)
{
    if (width == 1)
        outb(port, (uint8_t)val);
    else if (width == 2)
        __asm__ volatile("outw %w0, %1" : : "a"(val), "Nd"((uint16_t)port));
    else
        __asm__ volatile("outl %0, %1" : : "a"(val), "Nd"((uint16_t)port));
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
    *start = __image_end;
    *size = ram_end ? (size_t)(ram_end - (uintptr_t)__image_end) : 0;
}

void arch_putc(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, (uint8_t)c);
}

int arch_getc(void)
{
    return inb(COM1 + 5) & 1 ? inb(COM1) : -1;
}

void arch_console_irq(bool on)
{
    outb(COM1 + 4, 0x0b); /* DTR, RTS, and OUT2: the line's gate */
    outb(COM1 + 1, on ? 2 : 0);
}

_Noreturn void arch_exit(int code)
{
    kprintf("exit: code %d\n", code);
    outb(DEBUG_EXIT, (uint8_t)(code + 16));
    kprintf("exit: no isa-debug-exit at port 0xf4\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}

uint64_t arch_cycles(void)
{
    uint32_t lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

uint64_t arch_now_us(void)
{
    return (arch_cycles() - tsc_start) * 1000 / tsc_khz;
}

void arch_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

void arch_irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

void arch_irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* One count is 16 ns: QEMU and KVM both run the local APIC at 1 GHz. */
void arch_wait(uint64_t max_us)
{
    const uint64_t limit = 60u * 1000000u;
    uint64_t count = (max_us < limit ? max_us : limit) * 1000 / 16;

    *reg32(LAPIC + LAPIC_ICOUNT) = (uint32_t)count + 1;
    /* sti holds interrupts off for one more instruction: none can slip in */
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    *reg32(LAPIC + LAPIC_ICOUNT) = 0;
}

static void pause_us(uint64_t us)
{
    uint64_t start = arch_now_us();

    while (arch_now_us() - start < us)
        arch_relax();
}

/* INIT, a pause, and the start-up interrupt twice, as Intel has it. */
bool arch_cpu_start(void (*fn)(void *arg), void *arg)
{
    const size_t size = (size_t)(x86_cpu2_end - x86_cpu2_begin);
    uint8_t *page = (uint8_t *)(uintptr_t)X86_CPU2_PAGE;

    cpu2_prepare(fn, arg);
    for (size_t i = 0; i < size; i++)
        ((volatile uint8_t *)page)[i] = ((const uint8_t *)x86_cpu2_begin)[i];
    *reg32(LAPIC + LAPIC_TO) = 1u << 24;
    *reg32(LAPIC + LAPIC_ICR) = 0x4500;
    pause_us(10000);
    for (unsigned i = 0; i < 2; i++) {
        *reg32(LAPIC + LAPIC_TO) = 1u << 24;
        *reg32(LAPIC + LAPIC_ICR) = 0x4600 | X86_CPU2_PAGE >> 12;
        pause_us(200);
    }
    return cpu2_came();
}

static uint32_t ioapic_read(uintptr_t base, uint32_t reg)
{
    *reg32(base) = reg;
    return *reg32(base + 0x10);
}

static void ioapic_write(uintptr_t base, uint32_t reg, uint32_t val)
{
    *reg32(base) = reg;
    *reg32(base + 0x10) = val;
}

static bool ioapic2_present(void)
{
    return (ioapic_read(IOAPIC2, 1) >> 16 & 0xff) == PINS - 1;
}

/* Level-triggered, active high: that is how QEMU models all of its lines. */
void arch_irq_attach(unsigned irq, void (*fn)(void *arg), void *arg)
{
    uintptr_t base = irq < PINS ? IOAPIC : IOAPIC2;
    uint32_t pin = irq % PINS;

    if (irq >= 2 * PINS && irq < 2 * PINS + MSIS) {
        irq_table_add(irq, fn, arg); /* a message has no pin */
        return;
    }
    if (irq >= 2 * PINS || (irq >= PINS && !ioapic2_present())) {
        kprintf("irq: no IO-APIC has GSI %u\n", irq);
        arch_exit(ARCH_EXIT_FAIL);
    }
    irq_table_add(irq, fn, arg);
    ioapic_write(base, 0x11 + 2 * pin, 0); /* to CPU 0 */
    ioapic_write(base, 0x10 + 2 * pin, 1u << 15 | (VEC_IRQ + irq));
}

/*
 * q35: ICH9 spreads the pins of slots 0 to 24 over PIRQ E to H, GSI 20 to 23;
 * slots 25 to 31 are the chipset's own.  pc: the firmware routes PIIX's PIRQs
 * to ISA lines, which it notes in the line register.
 */
unsigned arch_pci_irq(unsigned bus, unsigned dev, unsigned fn, unsigned pin,
                      unsigned line)
{
    (void)fn;
    if (bus || !pin || pin > 4 || !machine.pci.buses)
        return ARCH_NO_IRQ;
    if (!machine.pci.ecam)
        return line && line < 16 ? line : ARCH_NO_IRQ;
    return dev < 25 ? 20 + (dev + pin - 1) % 4 : ARCH_NO_IRQ;
}

void x86_irq(unsigned vector)
{
    if (vector >= VEC_IRQ && vector < VEC_MSI + MSIS)
        irq_table_run(vector - VEC_IRQ);
    else if (vector != VEC_TIMER)
        return; /* a spurious one takes no end of interrupt */
    *reg32(LAPIC + LAPIC_EOI) = 0;
}

/* The 8259s are moved off the exceptions' vectors, and silenced. */
static void pic_disable(void)
{
    for (uint32_t port = 0x20; port <= 0xa0; port += 0x80) {
        outb(port, 0x11);
        outb(port + 1, VEC_SPURIOUS & 0xf8);
        outb(port + 1, port == 0x20 ? 4 : 2);
        outb(port + 1, 1);
        outb(port + 1, 0xff);
    }
}

static void apic_init(void)
{
    pic_disable();
    *reg32(LAPIC + LAPIC_SVR) = 0x100 | VEC_SPURIOUS;
    *reg32(LAPIC + LAPIC_LINT0) = LAPIC_MASKED;
    *reg32(LAPIC + LAPIC_LINT1) = LAPIC_MASKED;
    for (uint32_t pin = 0; pin < PINS; pin++) {
        ioapic_write(IOAPIC, 0x10 + 2 * pin, LAPIC_MASKED);
        if (ioapic2_present())
            ioapic_write(IOAPIC2, 0x10 + 2 * pin, LAPIC_MASKED);
    }
}

struct sample {
    uint64_t tsc, ns;
};

/* Both clocks at once: the try that was disturbed least. */
static struct sample clock_sample(void)
{
    struct sample best = {0};
    uint64_t least = ~0ull;

    for (unsigned i = 0; i < 16; i++) {
        uint64_t begin = arch_cycles();
        uint32_t ns = ~0u - *reg32(LAPIC + LAPIC_COUNT);
        uint64_t spent = arch_cycles() - begin;

        if (spent < least) {
            least = spent;
            best = (struct sample){begin + spent / 2, ns};
        }
    }
    return best;
}

/* The local APIC's timer counts ns: 10 ms of it tell the TSC's frequency. */
static void clock_init(void)
{
    struct sample a, b;

    *reg32(LAPIC + LAPIC_TIMER) = LAPIC_MASKED | VEC_TIMER;
    *reg32(LAPIC + LAPIC_DIVIDE) = DIVIDE_BY_1;
    *reg32(LAPIC + LAPIC_ICOUNT) = ~0u;
    a = clock_sample();
    while (~0u - *reg32(LAPIC + LAPIC_COUNT) - a.ns < 10000000)
        ;
    b = clock_sample();
    tsc_khz = (b.tsc - a.tsc) * 1000000 / (b.ns - a.ns);
    tsc_start = a.tsc;
    *reg32(LAPIC + LAPIC_ICOUNT) = 0;
    *reg32(LAPIC + LAPIC_DIVIDE) = DIVIDE_BY_16;
    *reg32(LAPIC + LAPIC_TIMER) = VEC_TIMER; /* one shot */
}

static uint32_t host_bridge(uint32_t off)
{
    arch_io_write(0xcf8, 4, 0x80000000u | off);
    return arch_io_read(0xcfc, 4);
}

static void name_machine(const char *what)
{
    static char text[32];
    size_t n = kstrlen(x86_name);

    memcpy(text, x86_name, n);
    text[n] = ' ';
    memcpy(text + n + 1, what, kstrlen(what));
    machine.name = text;
}

static void pci_init(const char *name, uint32_t mem32, uint64_t ecam)
{
    name_machine(name);
    machine.pci = (struct arch_pci){
        .ecam = ecam,
        .buses = 256,
        .cf8 = true,
        .bars_set = true,
        .io_ports = true,
        .io = {0xc000, 0x4000},
        .mem32 = {mem32, IOAPIC - mem32},
    };
    machine.pci.mem64 = x86_high_window();
    machine.msi = (struct arch_msi){
        .kind = ARCH_MSI_APIC,
        .irq = VEC_MSI - VEC_IRQ,
        .count = MSIS,
        .data = VEC_MSI,
    };
}

/* 24 slots on the second IO-APIC with ACPI, 8 slots and ISA lines without. */
static void microvm_init(void)
{
    bool two = ioapic2_present();
    unsigned one_irq = machine.rsdp ? 16 : 5;

    name_machine("microvm");
    machine.mmio.base = 0xfeb00000;
    machine.mmio.stride = 512;
    machine.mmio.slots = two ? 24 : 8;
    machine.mmio.irq = two ? 24 : one_irq;
}

static void machine_init(void)
{
    uint32_t id = host_bridge(0);

    machine.console_irq = 4;
    if (id == 0x29c08086) /* q35: PCIEXBAR, as SeaBIOS has set it */
        pci_init("q35", 0xc0000000,
                 host_bridge(0x60) & 1 ? host_bridge(0x60) & 0xf0000000 : 0);
    else if (id == 0x12378086)
        pci_init("pc", 0xe0000000, 0);
    else
        microvm_init();
}

static void info_init(const struct start_info *info)
{
    const struct memmap_entry *map = (const void *)(uintptr_t)info->memmap;
    const char *args = (const char *)(uintptr_t)info->cmdline;
    uintptr_t at = (uintptr_t)__image_end;

    for (size_t i = 0; args && args[i] && i < sizeof cmdline - 1; i++)
        cmdline[i] = args[i];
    for (uint32_t i = 0; map && i < info->memmap_entries; i++)
        if (map[i].type == 1 && map[i].addr <= at &&
            at - map[i].addr < map[i].size)
            ram_end = map[i].addr + map[i].size;
    machine.rsdp = (const void *)(uintptr_t)info->rsdp;
}

void x86_main(const struct start_info *info)
{
    x86_idt_init();
    if (info->magic != PVH_MAGIC) {
        kprintf("boot: no PVH start_info\n");
        arch_exit(ARCH_EXIT_BOOT);
    }
    info_init(info);
    apic_init();
    clock_init();
    machine_init();
    arch_exit(kernel_main());
}
