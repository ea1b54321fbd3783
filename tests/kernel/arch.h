/* SPDX-License-Identifier: MIT */
/*
 * The contract between the per-architecture start-up code of the test kernels
 * and the shared, architecture-free rest.  No threads, all memory
 * identity mapped: a pointer is a physical and a device address.  The start-up
 * code prepares everything below with interrupts disabled, then calls
 * kernel_main() and hands its result to arch_exit().
 */
#ifndef KERNEL_ARCH_H
#define KERNEL_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of the kernel itself, as vm.py reports them: 0 is a pass. */
enum {
    ARCH_EXIT_PASS = 0,
    ARCH_EXIT_FAIL = 1,   /* a check failed */
    ARCH_EXIT_TRAP = 100, /* an exception nobody expected */
    ARCH_EXIT_BOOT = 101, /* the start-up code could not go on */
    ARCH_EXIT_MAX = 111   /* x86's exit port carries no more, see below */
};

struct arch_window {
    uint64_t base;
    uint64_t size; /* 0: there is no such window */
};

/* The virtio-mmio slots: slot i is at base + i * stride, its line irq + i. */
struct arch_mmio {
    uint64_t base;
    uint32_t stride;
    uint32_t slots; /* 0: the machine has none */
    unsigned irq;
};

/*
 * One PCI segment.  The windows hold addresses that BARs may be given; in the
 * memory windows bus addresses equal CPU addresses, an I/O address is behind
 * arch_io_read() at io_base.  No window holds 0, for a BAR of 0 is unassigned.
 */
struct arch_pci {
    uint64_t ecam;    /* CPU address of bus 0, 0: none */
    unsigned buses;   /* 0: no PCI at all */
    bool cf8;         /* configuration through ports 0xcf8 and 0xcfc works */
    bool bars_set;    /* firmware has assigned the BARs */
    bool io_ports;    /* I/O space is the CPU's ports, not memory at io_base */
    uint64_t io_base; /* CPU address of I/O address 0; 0 with io_ports */
    struct arch_window io, mem32, mem64;
};

#define ARCH_MSI_NONE   0u
#define ARCH_MSI_APIC   1u /* message i is vector data + i of the boot CPU */
#define ARCH_MSI_GICV2M 2u /* message i is interrupt ID irq + i */

/* Message-signalled interrupts: message i arrives as line irq + i. */
struct arch_msi {
    unsigned kind;
    unsigned irq;
    unsigned count;
    uint32_t data;
    uint64_t frame; /* of the GICv2m */
};

struct arch_machine {
    const char *name;
    struct arch_mmio mmio;
    struct arch_pci pci;
    struct arch_msi msi;
    unsigned console_irq;
    /*
     * A line that its handlers leave active stays silent until some device on
     * it changes its mind: so does QEMU 7.2's PLIC.
     */
    bool irq_once;
    const void *fdt;  /* the flattened device tree, NULL: none */
    const void *rsdp; /* the ACPI root pointer, NULL: none or not told */
};

#define ARCH_NO_IRQ 0xffffffffu

/* Called by the start-up code, defined by each program. */
int kernel_main(void);

const struct arch_machine *arch_machine(void);

/* The text behind QEMU's -append, cut at 1023 bytes; never NULL. */
const char *arch_cmdline(void);

/* The RAM behind the kernel's image, at least 32 MiB with -m 128 or more. */
void arch_ram_free(void **start, size_t *size);

void arch_putc(char c);
/* The next character typed on the console, or -1. */
int arch_getc(void);

/*
 * Prints "exit: code N" and leaves QEMU, whose exit status is `code` on RISC-V
 * and Arm, and ((code + 16) << 1 | 1) on x86 (33 is a pass): isa-debug-exit
 * can't say 0, and 1 is what QEMU says of its own failures.  m68k knows 0 and 1
 * alone.  Arm without semihosting (KVM) ends with 0 in any case, and the
 * printed line alone tells.  vm.py undoes the mapping and wants line and status
 * to agree.
 */
_Noreturn void arch_exit(int code);

/* Monotonic time since an arbitrary start. */
uint64_t arch_now_us(void);
/* Retired instructions (riscv64) or cycles: for differences only. */
uint64_t arch_cycles(void);
/* The body of a busy loop. */
void arch_relax(void);

/*
 * Calls fn(arg) with interrupts disabled whenever level-triggered line `irq` is
 * active.  Several handlers may share a line: all of them are called.  A
 * handler has to silence its device.  Attaching unmasks the line; there is no
 * detach.  irq is a PLIC source, a GIC interrupt ID, a GSI, or 32 * PIC +
 * source on m68k.  Lines of messages are edges.
 */
void arch_irq_attach(unsigned irq, void (*fn)(void *arg), void *arg);
void arch_irq_enable(void);
void arch_irq_disable(void);

/*
 * Sleeps until an interrupt was handled or max_us passed, and may return
 * earlier: the caller looks again at what it waits for.  Called with
 * interrupts disabled, returns with interrupts disabled, and they are enabled
 * only inside.  So "disable; while (!done) wait; enable" loses no wake-up.
 */
void arch_wait(uint64_t max_us);

/*
 * The line of a PCI function's interrupt pin (1 = INTA), for a function on bus
 * 0; behind bridges the caller swizzles up to bus 0 first.  `line` is what the
 * interrupt line register at 0x3c holds.  ARCH_NO_IRQ: none.
 */
unsigned arch_pci_irq(unsigned bus, unsigned dev, unsigned fn, unsigned pin,
                      unsigned line);

/*
 * Starts the second CPU, once: it calls fn(arg) with interrupts disabled and
 * then sleeps for good.  False: there is none (`-smp 2`), or not here (m68k).
 */
bool arch_cpu_start(void (*fn)(void *arg), void *arg);

/* PCI I/O space, on x86 the ports.  `width` is 1, 2 or 4. */
uint32_t arch_io_read(uint32_t port, unsigned width);
void arch_io_write(uint32_t port, unsigned width, uint32_t val);

/*
 * The console's transmitter-empty interrupt on line console_irq, off at the
 * start: it is active as long as it is on.  A line that a self-test can pull.
 */
void arch_console_irq(bool on);

#endif
