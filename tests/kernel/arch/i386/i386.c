/* SPDX-License-Identifier: MIT */
/* The 32-bit part of x86: interrupt gates, and what an exception says. */
#include "../../klib.h"
#include "../x86/x86.h"

struct gate {
    uint16_t off0, selector;
    uint8_t reserved, flags;
    uint16_t off1;
};

/* pusha, what the stub pushed, and what the CPU did. */
struct frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags;
};

void i386_trap(const struct frame *f);

extern char i386_stubs[];

static struct gate idt[256];

const char x86_name[] = "i386";

struct arch_window x86_high_window(void)
{
    return (struct arch_window){0, 0};
}

void i386_trap(const struct frame *f)
{
    if (f->vector >= X86_IRQ_FIRST) {
        x86_irq(f->vector);
        return;
    }
    kprintf("trap: vector %u error %x eip %x eflags %x\n", f->vector, f->error,
            f->eip, f->eflags);
    kprintf("eax %08x  ebx %08x  ecx %08x  edx %08x\n", f->eax, f->ebx, f->ecx,
            f->edx);
    kprintf("esi %08x  edi %08x  ebp %08x  esp %08x\n", f->esi, f->edi, f->ebp,
            f->esp);
    arch_exit(ARCH_EXIT_TRAP);
}

void x86_idt_init(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } ptr = {sizeof idt - 1, (uintptr_t)idt};

    for (unsigned i = 0; i < 256; i++) {
        uint32_t at = (uint32_t)(uintptr_t)i386_stubs + 16u * i;

        idt[i] = (struct gate){
            .off0 = (uint16_t)at,
            .selector = X86_CODE,
            .flags = 0x8e, /* present, interrupt gate */
            .off1 = (uint16_t)(at >> 16),
        };
    }
    __asm__ volatile("lidt %0" : : "m"(ptr));
}
