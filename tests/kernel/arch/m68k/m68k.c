/* SPDX-License-Identifier: MIT */
/*
 * m68k, big-endian, on QEMU's virt machine: goldfish interrupt controllers,
 * terminal and clocks, 128 virtio-mmio slots, and no PCI.  Addresses and lines
 * are those of QEMU 7.2's hw/m68k/virt.c, which tells them in its boot
 * information too; the slots' registers are little-endian, all others the
 * CPU's own.
 */
#include "../../arch.h"
#include "../../klib.h"
#include "../irq_table.h"

#define PIC    0xff000000u /* six of them; n interrupts the CPU on level n + 1 */
#define PICS   6u
#define TIMER  0xff006000u /* goldfish_rtc: PIC 5, source 0 */
#define SPARE  0xff007000u /* another: PIC 5, source 1 */
#define TTY    0xff008000u
#define CTRL   0xff009000u
#define STRIDE 0x1000u

#define PIC_PENDING     0x04u
#define PIC_DISABLE_ALL 0x08u
#define PIC_ENABLE      0x10u

#define RTC_LOW         0x00u /* read first: holds the high half still */
#define RTC_HIGH        0x04u
#define RTC_ALARM_LOW   0x08u /* written last: sets the alarm */
#define RTC_ALARM_HIGH  0x0cu
#define RTC_IRQ_ENABLE  0x10u
#define RTC_ALARM_CLEAR 0x14u
#define RTC_IRQ_CLEAR   0x1cu

#define TTY_PUT     0x00u
#define TTY_READY   0x04u
#define TTY_COMMAND 0x08u
#define TTY_POINTER 0x10u
#define TTY_LENGTH  0x14u
#define TTY_READ    3u

#define CTRL_COMMAND 0x04u
#define CTRL_HALT    2u
#define CTRL_PANIC   3u

#define LINE(pic, source) (32u * (pic) + (source))
#define TIMER_LINE        LINE(5, 0)
#define SPARE_LINE        LINE(5, 1)

#define BI_LAST         0u
#define BI_MEMCHUNK     5u
#define BI_COMMAND_LINE 7u

#define AUTOVECTOR 24u /* + the level */

struct bootinfo {
    uint16_t tag, size; /* with this head */
    uint32_t data[];
};

/* What the stub pushed, then what the CPU did. */
struct frame {
    uint32_t d[8], a[7];
    uint16_t sr, pc[2], vector;
};

void m68k_main(void);
void m68k_trap(const struct frame *f);

extern char __image_end[];

static char cmdline[1024];
static uint32_t ram_start, ram_end;

static const struct arch_machine machine = {
    .name = "m68k virt",
    .mmio = {.base = 0xff010000,
             .stride = 0x200,
             .slots = 128,
             .irq = LINE(1, 0)},
    .console_irq = SPARE_LINE,
};

static volatile uint32_t *reg32(uint32_t addr)
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
    *start = (void *)ram_start;
    *size = ram_end > ram_start ? ram_end - ram_start : 0;
}

void arch_putc(char c)
{
    *reg32(TTY + TTY_PUT) = (uint8_t)c;
}

int arch_getc(void)
{
    uint8_t c;

    if (*reg32(TTY + TTY_READY) == 0)
        return -1;
    *reg32(TTY + TTY_POINTER) = (uint32_t)&c;
    *reg32(TTY + TTY_LENGTH) = 1;
    *reg32(TTY + TTY_COMMAND) = TTY_READ;
    __asm__ volatile("" : "=m"(c) : : "memory");
    return c;
}

static void alarm_set(uint32_t clock, uint64_t ns)
{
    *reg32(clock + RTC_IRQ_ENABLE) = 1;
    *reg32(clock + RTC_ALARM_HIGH) = (uint32_t)(ns >> 32);
    *reg32(clock + RTC_ALARM_LOW) = (uint32_t)ns;
}

static void alarm_clear(uint32_t clock)
{
    *reg32(clock + RTC_ALARM_CLEAR) = 1;
    *reg32(clock + RTC_IRQ_CLEAR) = 1;
    *reg32(clock + RTC_IRQ_ENABLE) = 0;
}

/* The terminal tells of input alone: the spare clock, whose alarm is over. */
void arch_console_irq(bool on)
{
    if (on)
        alarm_set(SPARE, 1);
    else
        alarm_clear(SPARE);
}

_Noreturn void arch_exit(int code)
{
    kprintf("exit: code %d\n", code);
    *reg32(CTRL + CTRL_COMMAND) = code ? CTRL_PANIC : CTRL_HALT;
    for (;;)
        __asm__ volatile("stop #0x2700");
}

bool arch_cpu_start(void (*fn)(void *arg), void *arg)
{
    (void)fn;
    (void)arg;
    return false;
}

static uint64_t now_ns(void)
{
    uint32_t low = *reg32(TIMER + RTC_LOW);

    return (uint64_t)*reg32(TIMER + RTC_HIGH) << 32 | low;
}

uint64_t arch_now_us(void)
{
    return now_ns() / 1000;
}

uint64_t arch_cycles(void)
{
    return now_ns();
}

void arch_relax(void)
{
    __asm__ volatile("" : : : "memory");
}

void arch_irq_enable(void)
{
    __asm__ volatile("move.w #0x2000, %%sr" : : : "memory");
}

void arch_irq_disable(void)
{
    __asm__ volatile("move.w #0x2700, %%sr" : : : "memory");
}

/* stop lets interrupts in and sleeps, in one. */
void arch_wait(uint64_t max_us)
{
    const uint64_t limit = 60u * 1000000u;

    alarm_set(TIMER, now_ns() + (max_us < limit ? max_us : limit) * 1000);
    __asm__ volatile("stop #0x2000\n\tmove.w #0x2700, %%sr" : : : "memory");
    alarm_clear(TIMER);
}

static void line_enable(unsigned irq)
{
    *reg32(PIC + irq / 32 * STRIDE + PIC_ENABLE) = 1u << (irq % 32);
}

void arch_irq_attach(unsigned irq, void (*fn)(void *arg), void *arg)
{
    if (irq >= LINE(PICS, 0)) {
        kprintf("irq: no controller has line %u\n", irq);
        arch_exit(ARCH_EXIT_FAIL);
    }
    irq_table_add(irq, fn, arg);
    line_enable(irq);
}

unsigned arch_pci_irq(unsigned bus, unsigned dev, unsigned fn, unsigned pin,
                      unsigned line)
{
    (void)bus;
    (void)dev;
    (void)fn;
    (void)pin;
    (void)line;
    return ARCH_NO_IRQ;
}

uint32_t arch_io_read(uint32_t port, unsigned width)
{
    (void)port;
    (void)width;
    return ~0u;
}

void arch_io_write(uint32_t port, unsigned width, uint32_t val)
{
    (void)port;
    (void)width;
    (void)val;
}

/* Until the controller has nothing: a handler silences its own line. */
static void pic_run(unsigned pic)
{
    uint32_t pending;

    while ((pending = *reg32(PIC + pic * STRIDE + PIC_PENDING)) != 0) {
        unsigned irq = LINE(pic, (unsigned)__builtin_ctz(pending));

        if (irq == TIMER_LINE)
            alarm_clear(TIMER);
        else
            irq_table_run(irq);
    }
}

void m68k_trap(const struct frame *f)
{
    unsigned vector = (f->vector & 0xfffu) / 4;

    if (vector > AUTOVECTOR && vector <= AUTOVECTOR + PICS) {
        pic_run(vector - AUTOVECTOR - 1);
        return;
    }
    kprintf("trap: vector %u pc %04x%04x sr %04x\n", vector, f->pc[0], f->pc[1],
            f->sr);
    for (unsigned i = 0; i < 8; i++)
        kprintf("d%u %08x%s", i, f->d[i], i % 4 < 3 ? "  " : "\n");
    for (unsigned i = 0; i < 7; i++)
        kprintf("a%u %08x%s", i, f->a[i], i % 4 < 3 ? "  " : "\n");
    kprintf("\n");
    arch_exit(ARCH_EXIT_TRAP);
}

static void bootinfo_read(void)
{
    const struct bootinfo *b = (const void *)__image_end;

    while (b->tag != BI_LAST && b->size >= sizeof(*b)) {
        if (b->tag == BI_MEMCHUNK)
            ram_end = b->data[0] + b->data[1];
        else if (b->tag == BI_COMMAND_LINE)
            for (size_t i = 0; i < sizeof cmdline - 1u && i < b->size - 4u; i++)
                cmdline[i] = ((const char *)b->data)[i];
        b = (const void *)((const char *)b + b->size);
    }
    ram_start = ((uint32_t)b + 4u + 4095u) & ~4095u;
}

void m68k_main(void)
{
    bootinfo_read();
    for (unsigned i = 0; i < PICS; i++)
        *reg32(PIC + i * STRIDE + PIC_DISABLE_ALL) = 1;
    alarm_clear(TIMER);
    alarm_clear(SPARE);
    line_enable(TIMER_LINE);
    arch_exit(kernel_main());
}
