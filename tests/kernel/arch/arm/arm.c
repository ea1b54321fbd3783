/* SPDX-License-Identifier: MIT */
/*
 * The 32-bit part of Arm's virt machine, with highmem=off, so that all of PCI
 * is below 4 GiB: SVC mode, the coprocessor's registers, the MMU, and what an
 * exception says.
 */
#include "../../klib.h"
#include "../arm_virt/arm_virt.h"
#include "../cpu2.h"

#define MIB      (1u << 20)
#define RAM_MIBS 2048u /* so much RAM is mapped as such */

/* 1 MiB sections, full access, in domain 0. */
#define SECTION        2u
#define SECTION_RW     (SECTION | 3u << 10)
#define SECTION_DEVICE (SECTION_RW | 1u << 4 | 1u << 2) /* never executed */
#define SECTION_NORMAL (SECTION_RW | 1u << 12 | 1u << 3 | 1u << 2 | 1u << 16)

#define VECTOR_IRQ 6u

#define CP15_READ(text)                                                        \
    __extension__({                                                            \
        uint32_t v_;                                                           \
        __asm__ volatile("mrc p15, " text : "=r"(v_) : : "memory");            \
        v_;                                                                    \
    })
#define CP15_WRITE(text, val)                                                  \
    __asm__ volatile("mcr p15, " text : : "r"((uint32_t)(val)) : "memory")

/* r0..r12, lr of the interrupted code, its pc and status. */
struct frame {
    uint32_t r[13], lr, pc, cpsr;
};

void arm_main(void);
void arm_cpu2(void);
void arm_trap(uint32_t vector, const struct frame *frame);
_Noreturn void raise(int sig);

static _Alignas(16384) uint32_t sections[4096];

const char arm_virt_name[] = "arm virt";
const uint64_t arm_virt_ram_max = (uint64_t)RAM_MIBS * MIB;

const uint32_t arm_psci_cpu_on = 0x84000003;

const struct arch_pci arm_virt_pci = {
    .ecam = 0x3f000000,
    .buses = 16,
    .io_base = 0x3eff0000,
    .io = {0x1000, 0xf000},
    .mem32 = {0x10000000, 0x2eff0000},
};

void arm_semihosting_exit(const uintptr_t block[2])
{
    register uint32_t op __asm__("r0") = 0x20;
    register const uintptr_t *arg __asm__("r1") = block;

    __asm__ volatile("svc #0x123456" : "+r"(op) : "r"(arg) : "memory", "lr");
}

uintptr_t arm_psci(uint32_t function, uintptr_t a, uintptr_t b, uintptr_t c)
{
    register uint32_t r0 __asm__("r0") = function;
    register uint32_t r1 __asm__("r1") = a;
    register uint32_t r2 __asm__("r2") = b;
    register uint32_t r3 __asm__("r3") = c;

    __asm__ volatile(".arch_extension virt\n\thvc #0"
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     :
                     : "memory");
    return r0;
}

uint64_t arm_timer_now(void)
{
    uint32_t lo, hi;

    __asm__ volatile("isb\n\tmrrc p15, 1, %0, %1, c14"
                     : "=r"(lo), "=r"(hi)
                     :
                     : "memory");
    return (uint64_t)hi << 32 | lo;
}

void arm_timer_set(uint64_t ticks)
{
    __asm__ volatile("mcrr p15, 3, %0, %1, c14"
                     :
                     : "r"((uint32_t)ticks), "r"((uint32_t)(ticks >> 32))
                     : "memory");
    CP15_WRITE("0, %0, c14, c3, 1", ticks != ~0ull);
    __asm__ volatile("isb" : : : "memory");
}

uint32_t arm_timer_hz(void)
{
    return CP15_READ("0, %0, c14, c0, 0");
}

void arm_sleep(void)
{
    __asm__ volatile("dsb\n\twfi" : : : "memory");
}

uint64_t arch_cycles(void)
{
    return arm_timer_now();
}

void arch_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

void arch_irq_enable(void)
{
    __asm__ volatile("cpsie i\n\tisb" : : : "memory");
}

void arch_irq_disable(void)
{
    __asm__ volatile("cpsid i" : : : "memory");
}

/* libgcc calls this for a division by zero. */
_Noreturn void raise(int sig)
{
    kprintf("trap: signal %d\n", sig);
    arch_exit(ARCH_EXIT_TRAP);
}

void arm_trap(uint32_t vector, const struct frame *f)
{
    if (arm_virt_leaving())
        arch_exit(ARCH_EXIT_TRAP);
    if (vector == VECTOR_IRQ) {
        arm_virt_irq();
        return;
    }
    kprintf("trap: vector %u pc %x lr %x cpsr %x dfsr %x dfar %x\n", vector,
            f->pc, f->lr, f->cpsr, CP15_READ("0, %0, c5, c0, 0"),
            CP15_READ("0, %0, c6, c0, 0"));
    for (unsigned i = 0; i < 13; i++)
        kprintf("r%-2u %08x%s", i, f->r[i], i % 4 < 3 ? "  " : "\n");
    kprintf("\n");
    arch_exit(ARCH_EXIT_TRAP);
}

/* RAM is normal, shared write-back memory, all else is a device. */
static void mmu_fill(void)
{
    const uint32_t first = ARM_RAM / MIB;

    for (uint32_t i = 0; i < 4096; i++)
        sections[i] =
            i << 20 | (i >= first && i < first + RAM_MIBS ? SECTION_NORMAL
                                                          : SECTION_DEVICE);
}

static void mmu_on(void)
{
    CP15_WRITE("0, %0, c3, c0, 0", 3); /* domain 0: no permission is asked */
    CP15_WRITE("0, %0, c2, c0, 2", 0); /* TTBR0 for all addresses */
    CP15_WRITE("0, %0, c2, c0, 0", (uintptr_t)sections);
    CP15_WRITE("0, %0, c8, c7, 0", 0); /* TLB */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
    CP15_WRITE("0, %0, c1, c0, 0",
               CP15_READ("0, %0, c1, c0, 0") | 1u | 1u << 2 | 1u << 12);
    __asm__ volatile("isb" : : : "memory");
}

/* From arm's start-up code. */
void arm_cpu2(void)
{
    mmu_on();
    cpu2_main();
}

void arm_main(void)
{
    mmu_fill();
    mmu_on();
    arm_virt_main();
}
