/* SPDX-License-Identifier: MIT */
/*
 * What a function forgets when it loses power, and gets back: the addresses in
 * its BARs, the command register, and MSI-X, whose table is msix.h's.
 */
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define DECODE        (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)
#define BAR_OFFSET(i) (PCI_BASE_ADDRESS_0 + 4u * (i))

static uint32_t get(const struct vdrv_pci *pci, uint32_t reg, uint32_t width)
{
    return pci->bus->read(pci->bus->ctx, pci->fn, reg, width);
}

static void put(const struct vdrv_pci *pci, uint32_t reg, uint32_t width,
                uint32_t value)
{
    pci->bus->write(pci->bus->ctx, pci->fn, reg, width, value);
}

void vdrv__pci_save(struct vdrv_pci *pci, uint32_t command)
{
    pci->command = command & (DECODE | PCI_COMMAND_MASTER);
    for (uint32_t i = 0; i < VDRV__PCI_BARS; i++)
        pci->bar[i] = get(pci, BAR_OFFSET(i), 4);
    pci->id = get(pci, PCI_VENDOR_ID, 4); /* last: then all that was there */
}

static bool bars_differ(const struct vdrv_pci *pci)
{
    for (uint32_t i = 0; i < VDRV__PCI_BARS; i++) {
        if (get(pci, BAR_OFFSET(i), 4) != pci->bar[i])
            return true;
    }
    return false;
}

/* Moved only while nothing is decoded, as when they are assigned. */
static int restore_bars(const struct vdrv_pci *pci)
{
    put(pci, PCI_COMMAND, 2, get(pci, PCI_COMMAND, 2) & ~DECODE);
    for (uint32_t i = 0; i < VDRV__PCI_BARS; i++) {
        if (get(pci, BAR_OFFSET(i), 4) != pci->bar[i])
            put(pci, BAR_OFFSET(i), 4, pci->bar[i]);
    }
    if (!bars_differ(pci))
        return VDRV_OK;
    vdrv_transport_log(&pci->transport, VDRV_LOG_ERROR,
                       "a BAR does not take its address again", NULL);
    return VDRV_ERR_PROTOCOL;
}

int vdrv__pci_restore(struct vdrv_transport *t)
{
    struct vdrv_pci *pci = (struct vdrv_pci *)t; /* its first member */
    uint32_t command;
    int err = VDRV_OK;

    if (get(pci, PCI_VENDOR_ID, 4) != pci->id) /* gone, or another one */
        return VDRV_ERR_NO_DEVICE;
    if (bars_differ(pci))
        err = restore_bars(pci);
    if (err != VDRV_OK)
        return err;
    command = get(pci, PCI_COMMAND, 2);
    if ((command & pci->command) != pci->command)
        put(pci, PCI_COMMAND, 2, command | pci->command);
    return pci->restore_vectors != NULL ? pci->restore_vectors(pci) : VDRV_OK;
}
