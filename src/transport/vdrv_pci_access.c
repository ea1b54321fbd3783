/* SPDX-License-Identifier: MIT */
/* Configuration space by ECAM and by the ports 0xcf8 and 0xcfc. */
#include <virtio_drv/pci_bus.h>

#include "../core/reg.h"

#define ALL_ONES 0xffffffffu

#define ECAM_BUS_SIZE 0x100000u
#define ECAM_FN_SIZE  0x1000u

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu
#define CONFIG_ENABLE  0x80000000u
#define PORT_FN_SIZE   0x100u

static bool access_ok(uint32_t offset, uint32_t width, uint32_t space)
{
    return (width == 1 || width == 2 || width == 4) && offset < space &&
           (offset & (width - 1)) == 0;
}

/* ---- ECAM --------------------------------------------------------------- */

static bool ecam_addr(const struct vdrv_pci_ecam *ecam, uint32_t fn,
                      uint32_t offset, uint32_t width, uintptr_t *addr)
{
    const uint32_t bus = fn >> 8;

    if (bus < ecam->first_bus || bus > ecam->last_bus ||
        !access_ok(offset, width, ECAM_FN_SIZE))
        return false;
    *addr = ecam->base + (uintptr_t)(bus - ecam->first_bus) * ECAM_BUS_SIZE +
            (uintptr_t)(fn & 0xffu) * ECAM_FN_SIZE + offset;
    return true;
}

static uint32_t ecam_read(void *ctx, uint32_t fn, uint32_t offset,
                          uint32_t width)
{
    const struct vdrv_pci_ecam *ecam = ctx;
    uintptr_t addr;

    if (!ecam_addr(ecam, fn, offset, width, &addr))
        return ALL_ONES;
    return vdrv__reg_read(ecam->hal, VDRV_SPACE_MEMORY, addr, width);
}

static void ecam_write(void *ctx, uint32_t fn, uint32_t offset, uint32_t width,
                       uint32_t value)
{
    const struct vdrv_pci_ecam *ecam = ctx;
    uintptr_t addr;

    if (ecam_addr(ecam, fn, offset, width, &addr))
        vdrv__reg_write(ecam->hal, VDRV_SPACE_MEMORY, addr, width, value);
}

int vdrv_pci_ecam_init(struct vdrv_pci_ecam *ecam, const struct vdrv_hal *hal,
                       uint64_t phys, uint32_t first_bus, uint32_t last_bus,
                       struct vdrv_pci_ops *ops)
{
    uint64_t len;
    void *base;

    if (ecam == NULL || hal == NULL || ops == NULL || first_bus > last_bus ||
        last_bus > 255 || phys % ECAM_BUS_SIZE != 0 || !vdrv__reg_complete(hal))
        return VDRV_ERR_INVALID;
    len = (uint64_t)(last_bus - first_bus + 1) * ECAM_BUS_SIZE;
    if (len - 1 > UINT64_MAX - phys)
        return VDRV_ERR_INVALID;
    if (hal->mmio_map != NULL) {
        base = hal->mmio_map(hal->ctx, phys, len);
        if (base == NULL)
            return VDRV_ERR_INVALID;
    } else {
        if (phys + (len - 1) > UINTPTR_MAX)
            return VDRV_ERR_INVALID;
        base = (void *)(uintptr_t)phys;
    }
    ecam->hal = hal;
    ecam->base = (uintptr_t)base;
    ecam->first_bus = first_bus;
    ecam->last_bus = last_bus;
    *ops = (struct vdrv_pci_ops){
        .ctx = ecam,
        .read = ecam_read,
        .write = ecam_write,
    };
    return VDRV_OK;
}

/* ---- Ports -------------------------------------------------------------- */

/* Selects a register; answers the port of its data, or 0. */
static uint32_t port_select(const struct vdrv_hal *hal, uint32_t fn,
                            uint32_t offset, uint32_t width)
{
    if (fn > 0xffffu || !access_ok(offset, width, PORT_FN_SIZE))
        return 0;
    vdrv__reg_write(hal, VDRV_SPACE_PORT, CONFIG_ADDRESS, 4,
                    CONFIG_ENABLE | fn << 8 | (offset & 0xfcu));
    return CONFIG_DATA + (offset & 3u);
}

static uint32_t port_read(void *ctx, uint32_t fn, uint32_t offset,
                          uint32_t width)
{
    const uint32_t port = port_select(ctx, fn, offset, width);

    return port != 0 ? vdrv__reg_read(ctx, VDRV_SPACE_PORT, port, width)
                     : ALL_ONES;
}

static void port_write(void *ctx, uint32_t fn, uint32_t offset, uint32_t width,
                       uint32_t value)
{
    const uint32_t port = port_select(ctx, fn, offset, width);

    if (port != 0)
        vdrv__reg_write(ctx, VDRV_SPACE_PORT, port, width, value);
}

int vdrv_pci_ports_init(const struct vdrv_hal *hal, struct vdrv_pci_ops *ops)
{
    if (hal == NULL || ops == NULL || !vdrv__reg_complete(hal))
        return VDRV_ERR_INVALID;
    if (!vdrv__have_ports(hal))
        return VDRV_ERR_UNSUPPORTED;
    *ops = (struct vdrv_pci_ops){
        .ctx = (void *)(uintptr_t)hal, /* read only */
        .read = port_read,
        .write = port_write,
    };
    return VDRV_OK;
}
