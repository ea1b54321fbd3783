/* SPDX-License-Identifier: MIT */
/*
 * The demo in a kernel: what a port of the library is.  The HAL of a kernel
 * whose pointers are device addresses, the machine's slots and PCI windows,
 * and interrupts.
 */
#include "arch.h"
#include "demo.h"

static struct vdrv_arena arena;
static struct vdrv_hal hal;
static struct vdrv_pci_ops pci;
static struct vdrv_pci_ecam ecam;
static struct vdrv_pci_windows windows;
static struct demo_platform platform;

/* ---- The HAL ---------------------------------------------------------------- */

static uint64_t hal_now(void *ctx)
{
    (void)ctx;
    return arch_now_us();
}

static void hal_relax(void *ctx)
{
    (void)ctx;
    arch_relax();
}

/* Interrupts are taken in here alone, so none slips in before the sleep. */
static void hal_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                     uint32_t max_us)
{
    (void)ctx;
    (void)dev;
    (void)queue;
    arch_wait(max_us);
}

static void hal_log(void *ctx, uint32_t level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    (void)ctx;
    kprintf("%s: %s\n", level < 4 ? names[level] : "log", text);
}

/* ---- Registers, when somebody counts ----------------------------------------- */

static uintptr_t watched_at[DEMO_DEVICES];
static uint32_t watching, watched_reads;

static void watch(uintptr_t addr)
{
    if (watching < DEMO_DEVICES)
        watched_at[watching++] = addr;
}

static uint32_t watched(void)
{
    return watched_reads;
}

static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    (void)ctx;
    for (uint32_t i = 0; i < watching; i++)
        watched_reads += watched_at[i] == addr;
    if (space == VDRV_SPACE_PORT)
        return arch_io_read((uint32_t)addr, width);
    if (width == 1)
        return *(volatile uint8_t *)addr;
    if (width == 2)
        return *(volatile uint16_t *)addr;
    return *(volatile uint32_t *)addr;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    (void)ctx;
    if (space == VDRV_SPACE_PORT)
        arch_io_write((uint32_t)addr, width, value);
    else if (width == 1)
        *(volatile uint8_t *)addr = (uint8_t)value;
    else if (width == 2)
        *(volatile uint16_t *)addr = (uint16_t)value;
    else
        *(volatile uint32_t *)addr = value;
}

/* Little-endian CPUs alone: there is no other with PCI here. */
static void watch_init(void)
{
    hal.reg_read = reg_read;
    hal.reg_write = reg_write;
    platform.watch = watch;
    platform.watched = watched;
}

static void hal_init(void)
{
    void *start;
    size_t size;

    arch_ram_free(&start, &size);
    vdrv_arena_init(&arena, start, size, 0);
    hal.ctx = &arena;
    hal.dma_alloc = vdrv_arena_alloc;
    hal.dma_free = vdrv_arena_free;
    hal.direct_size = UINT64_MAX; /* all of memory: pointer == address */
    hal.now_us = hal_now;
    hal.relax = hal_relax;
    hal.wait = hal_wait;
    hal.log = hal_log;
    if (karg_number(arch_cmdline(), "watch", 0))
        watch_init();
}

/* ---- The buses ---------------------------------------------------------------- */

static struct vdrv_pci_window window(const struct arch_window *w)
{
    return (struct vdrv_pci_window){.base = w->base, .size = w->size};
}

/* Configuration space by ports where asked for, or where nothing else is. */
static int pci_init(const struct arch_pci *m)
{
    const char *how = karg(arch_cmdline(), "pci");
    bool ports = m->cf8 && (!m->ecam || (how && how[0] == 'p'));
    int err;

    if (m->buses == 0)
        return VDRV_OK;
    if (ports)
        err = vdrv_pci_ports_init(&hal, &pci);
    else
        err = vdrv_pci_ecam_init(&ecam, &hal, m->ecam, 0, m->buses - 1, &pci);
    kprintf("pci: configuration by %s\n", ports ? "ports" : "ECAM");
    pci.io_phys = m->io_base;
    platform.pci = &pci;
    platform.last_bus = m->buses - 1;
    if (!m->bars_set) {
        windows.mem32 = window(&m->mem32);
        windows.mem64 = window(&m->mem64);
        windows.io = window(&m->io);
        platform.windows = &windows;
    }
    return err;
}

static uint32_t pci_irq(uint32_t fn, uint32_t pin, uint32_t line)
{
    unsigned irq = arch_pci_irq(fn >> 8, fn >> 3 & 31, fn & 7, pin, line);

    return irq == ARCH_NO_IRQ ? DEMO_NO_IRQ : irq;
}

static int message(uint32_t n, struct vdrv_msix_message *msg, uint32_t *irq)
{
    const struct arch_msi *m = &arch_machine()->msi;

    if (n >= m->count)
        return VDRV_ERR_NO_MEMORY;
    *irq = m->irq + n;
    if (m->kind == ARCH_MSI_APIC)
        return vdrv_msix_apic(0, m->data + n, msg); /* the boot CPU's id */
    return vdrv_msix_gicv2m(m->frame, m->irq + n, msg);
}

static void irq_attach(uint32_t irq, void (*handler)(void *arg), void *arg)
{
    arch_irq_attach(irq, handler, arg);
}

static void idle(uint32_t max_us)
{
    if (hal.wait)
        arch_wait(max_us);
    else
        arch_relax();
}

int kernel_main(void)
{
    const struct arch_machine *m = arch_machine();
    int err, code;

    hal_init();
    platform.machine = m->name;
    platform.args = arch_cmdline();
    platform.hal = &hal;
    platform.mmio.phys = m->mmio.base;
    platform.mmio.stride = m->mmio.stride;
    platform.mmio.count = m->mmio.slots;
    platform.mmio_irq = m->mmio.irq;
    platform.pci_irq = pci_irq;
    if (m->msi.kind != ARCH_MSI_NONE)
        platform.message = message;
    platform.irq_attach = irq_attach;
    platform.now_us = arch_now_us;
    platform.key = arch_getc;
    platform.idle = idle;
    err = pci_init(&m->pci);
    if (err != VDRV_OK) {
        kprintf("FAILED pci: %s\n", vdrv_strerror(err));
        return ARCH_EXIT_FAIL;
    }
    code = demo_run(&platform);
    kprintf("memory: %zu bytes not given back\n", arena.live);
    return code || arena.live ? ARCH_EXIT_FAIL : ARCH_EXIT_PASS;
}
