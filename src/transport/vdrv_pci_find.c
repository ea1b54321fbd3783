/* SPDX-License-Identifier: MIT */
/* Finding the next virtio device in a walk over the bus. */
#include "../core/reg.h"
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

/* Gives BARs on the root bus addresses; says so in the log if it cannot. */
static void assign(struct vdrv_pci *pci, const struct vdrv_pci_walk *walk,
                   struct vdrv_pci_windows *windows)
{
    int err;

    if (((pci->fn >> 8) & 0xffu) != walk->first_bus)
        return;
    err = vdrv_pci_assign(walk->ops, pci->fn, windows);
    if (err != VDRV_OK)
        vdrv_transport_log(&pci->transport, VDRV_LOG_WARN,
                           err == VDRV_ERR_NO_MEMORY
                               ? "no room for its BARs in the windows given"
                               : "its BARs cannot be assigned",
                           NULL);
}

int vdrv_pci_find_any(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                      struct vdrv_pci_walk *walk,
                      struct vdrv_pci_windows *windows, uint32_t device_id,
                      const struct vdrv_pci_options *options)
{
    const struct vdrv_pci_ops *ops;
    uint32_t fn;

    if (pci == NULL || hal == NULL || walk == NULL || walk->ops == NULL ||
        !vdrv__reg_complete(hal))
        return VDRV_ERR_INVALID;
    ops = walk->ops;
    if (windows != NULL)
        vdrv__pci_survey(ops, walk->first_bus, walk->last_bus, windows);
    while (vdrv_pci_walk_next(walk, &fn) == VDRV_OK) {
        const uint32_t type =
            vdrv__pci_type(ops->read(ops->ctx, fn, PCI_VENDOR_ID, 4));

        if (type == 0 || (device_id != 0 && type != device_id))
            continue;
        if (windows != NULL) {
            vdrv__pci_clear(pci, hal, ops, fn);
            assign(pci, walk, windows);
        }
        if (vdrv_pci_probe_any(pci, hal, ops, fn, options) == VDRV_OK)
            return VDRV_OK;
    }
    return VDRV_ERR_NO_DEVICE;
}

int vdrv_pci_find(struct vdrv_pci *pci, const struct vdrv_hal *hal,
                  struct vdrv_pci_walk *walk, struct vdrv_pci_windows *windows,
                  uint32_t device_id)
{
    return vdrv_pci_find_any(pci, hal, walk, windows, device_id, NULL);
}
