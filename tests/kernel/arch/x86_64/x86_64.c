/* SPDX-License-Identifier: MIT */
/* The 64-bit part of x86: interrupt gates, and what an exception says. */
#include "../../klib.h"
#include "../x86/x86.h"

struct gate {
    uint16_t off0, selector;
    uint8_t ist, flags;
    uint16_t off1;
    uint32_t off2, reserved;
};

struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

void x86_64_trap(const struct frame *f);

extern char x86_64_stubs[];
extern uint32_t x86_64_huge_pages;

static struct gate idt[256];

const char x86_name[] = "x86_64";

struct arch_window x86_high_window(void)
{
    const struct arch_window none = {0, 0}, high = {8ull << 32, 8ull << 32};

    return x86_64_huge_pages ? high : none;
}

static _Noreturn void fatal(const struct frame *f)
{
    uint64_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    kprintf("trap: vector %lu error %lx rip %lx rflags %lx cr2 %lx\n",
            f->vector, f->error, f->rip, f->rflags, cr2);
    kprintf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx,
            f->rcx, f->rdx);
    kprintf("rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", f->rsi, f->rdi,
            f->rbp, f->rsp);
    kprintf("r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9,
            f->r10, f->r11);
    kprintf("r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13,
            f->r14, f->r15);
    arch_exit(ARCH_EXIT_TRAP);
}

void x86_64_trap(const struct frame *f)
{
    if (f->vector < X86_IRQ_FIRST)
        fatal(f);
    x86_irq((unsigned)f->vector);
}

void x86_idt_init(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } ptr = {sizeof idt - 1, (uintptr_t)idt};

    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = (uintptr_t)x86_64_stubs + 16u * i;

        idt[i] = (struct gate){
            .off0 = (uint16_t)at,
            .selector = X86_CODE,
            .flags = 0x8e, /* present, interrupt gate */
            .off1 = (uint16_t)(at >> 16),
            .off2 = (uint32_t)(at >> 32),
        };
    }
    __asm__ volatile("lidt %0" : : "m"(ptr));
}
