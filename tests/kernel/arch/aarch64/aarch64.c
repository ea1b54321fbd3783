/* SPDX-License-Identifier: MIT */
/*
 * The 64-bit part of Arm's virt machine: EL1's system registers, the MMU, and
 * what an exception says.
 */
#include "../../klib.h"
#include "../arm_virt/arm_virt.h"
#include "../cpu2.h"

#define GIB      (1ull << 30)
#define RAM_GIBS 4u /* so much RAM is mapped as such */

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
void aarch64_cpu2(void);
void aarch64_trap(uint64_t vector, const uint64_t *frame);

static _Alignas(4096) uint64_t level0[512], level1[2][512];
static bool has_pmu;

const char arm_virt_name[] = "aarch64 virt";
const uint64_t arm_virt_ram_max = RAM_GIBS * GIB;

const uint32_t arm_psci_cpu_on = 0xc4000003;

const struct arch_pci arm_virt_pci = {
    .ecam = 0x4010000000,
    .buses = 256,
    .io_base = 0x3eff0000,
    .io = {0x1000, 0xf000},
    .mem32 = {0x10000000, 0x2eff0000},
    .mem64 = {0x8000000000, 0x8000000000},
};

void arm_semihosting_exit(const uintptr_t block[2])
{
    register uint64_t op __asm__("x0") = 0x20;
    register const uintptr_t *arg __asm__("x1") = block;

    __asm__ volatile("hlt #0xf000" : "+r"(op) : "r"(arg) : "memory");
}

uintptr_t arm_psci(uint32_t function, uintptr_t a, uintptr_t b, uintptr_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "memory");
    return x0;
}

uint64_t arm_timer_now(void)
{
    __asm__ volatile("isb" : : : "memory");
    return SYSREG_READ(cntvct_el0);
}

void arm_timer_set(uint64_t ticks)
{
    SYSREG_WRITE(cntv_cval_el0, ticks);
    SYSREG_WRITE(cntv_ctl_el0, ticks != ~0ull);
    __asm__ volatile("isb" : : : "memory");
}

uint32_t arm_timer_hz(void)
{
    return (uint32_t)SYSREG_READ(cntfrq_el0);
}

void arm_sleep(void)
{
    __asm__ volatile("dsb sy\n\twfi" : : : "memory");
}

uint64_t arch_cycles(void)
{
    return has_pmu ? SYSREG_READ(pmccntr_el0) : arm_timer_now();
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
    if (arm_virt_leaving())
        arch_exit(ARCH_EXIT_TRAP);
    if (vector != VECTOR_IRQ)
        fatal(vector, frame);
    arm_virt_irq();
}

/*
 * 40 bits of address in 1 GiB blocks: RAM is normal write-back memory, all
 * else is Device-nGnRE and never executed.
 */
static void mmu_fill(void)
{
    for (uint64_t i = 0; i < 1024; i++) {
        bool ram = i >= ARM_RAM / GIB && i < ARM_RAM / GIB + RAM_GIBS;

        level1[i / 512][i % 512] = i << 30 | (ram ? PTE_NORMAL : PTE_DEVICE);
    }
    level0[0] = (uintptr_t)level1[0] | PTE_TABLE;
    level0[1] = (uintptr_t)level1[1] | PTE_TABLE;
}

static void mmu_on(void)
{
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

/* From aarch64's start-up code. */
void aarch64_cpu2(void)
{
    mmu_on();
    cpu2_main();
}

void aarch64_main(void)
{
    mmu_fill();
    mmu_on();
    pmu_init();
    arm_virt_main();
}
