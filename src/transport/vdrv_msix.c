/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI Local Bus 3.0, 6.8.2): the capability, the table of messages and
 * the pending bits.  Entries are written while they are masked, 4 bytes at a
 * time.
 */
#include <virtio_drv/msix.h>

#include "../core/reg.h"
#include "../spec/pci_config.h"
#include "vdrv_pci_impl.h"

#define BARS 6u

#define APIC_BASE            0xfee00000u
#define APIC_ID_MAX          254u /* 255 is a broadcast */
#define APIC_VECTOR_MIN      16u
#define APIC_VECTOR_MAX      255u
#define GICV2M_SETSPI        0x40u
#define SPI_MIN              32u
#define SPI_MAX              1019u
#define ITS_TRANSLATER       0x10040u
#define ITS_ALIGN            0x10000u
#define MSG_ALIGN            4u
#define ENTRY(vector, field) (PCI_MSIX_ENTRY_SIZE * (vector) + (field))

static const struct vdrv__pci_fault absent = {VDRV_ERR_NO_DEVICE,
                                              "no MSI-X capability; function"};
static const struct vdrv__pci_fault cut = {
    VDRV_ERR_PROTOCOL,
    "MSI-X capability crosses the end of configuration space, at"};
static const struct vdrv__pci_fault no_bar = {
    VDRV_ERR_PROTOCOL, "MSI-X capability names a reserved BAR:"};

static uint32_t get(const struct vdrv_msix *m, uint32_t reg, uint32_t width)
{
    return m->bus->read(m->bus->ctx, m->fn, reg, width);
}

static void put(const struct vdrv_msix *m, uint32_t reg, uint32_t width,
                uint32_t value)
{
    m->bus->write(m->bus->ctx, m->fn, reg, width, value);
}

static void put_entry(const struct vdrv_msix *m, uint32_t vector,
                      uint32_t field, uint32_t value)
{
    vdrv__reg_write(m->hal, VDRV_SPACE_MEMORY, m->table + ENTRY(vector, field),
                    4, value);
}

/* ---- Finding it ---------------------------------------------------------- */

static uint32_t find_cap(const struct vdrv_msix *m)
{
    struct vdrv__pci_caps it = {0, 0, 0};

    while (vdrv__pci_next_cap(m->bus, m->fn, &it)) {
        if ((it.head & 0xffu) == PCI_CAP_ID_MSIX)
            return it.pos;
    }
    return 0;
}

/* Checks one of the two structures and maps it; `*told` is for the log. */
static const struct vdrv__pci_fault *map(const struct vdrv_msix *m,
                                         uint32_t reg, uint32_t size,
                                         uintptr_t *addr, uint32_t *told)
{
    const uint32_t word = get(m, m->cap + reg, 4);
    const struct vdrv__msix_place at = {.bar = word & PCI_MSIX_BIR,
                                        .offset = word & ~PCI_MSIX_BIR,
                                        .size = size};
    const struct vdrv__pci_fault *fault;
    struct vdrv__pci_piece piece = {0};
    struct vdrv_pci_bar bar;

    *told = at.bar;
    if (at.bar >= BARS)
        return &no_bar;
    fault = vdrv__pci_bar_read(m->bus, m->fn, at.bar, &bar);
    if (fault == NULL)
        fault = vdrv__validate_msix(&at, &bar);
    if (fault != NULL)
        return fault;
    piece.phys = bar.addr + at.offset;
    piece.size = size;
    piece.fn = m->fn;
    piece.bar = at.bar;
    return vdrv__pci_map(m->hal, m->bus, &piece, addr);
}

static const struct vdrv__pci_fault *find(struct vdrv_msix *m, uint32_t *told)
{
    const struct vdrv__pci_fault *fault;

    *told = m->fn;
    m->cap = find_cap(m);
    if (m->cap == 0)
        return &absent;
    *told = m->cap;
    if (m->cap + PCI_MSIX_PBA + 4 > PCI_STD_SPACE)
        return &cut;
    m->count = (get(m, m->cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
    fault =
        map(m, PCI_MSIX_TABLE, PCI_MSIX_ENTRY_SIZE * m->count, &m->table, told);
    if (fault == NULL) /* a bit for each, in units of 8 bytes */
        fault =
            map(m, PCI_MSIX_PBA, (m->count + 63u) / 64u * 8u, &m->pba, told);
    return fault;
}

static void clear(struct vdrv_msix *m, const struct vdrv_hal *hal,
                  const struct vdrv_pci_ops *ops, uint32_t fn)
{
    *m = (struct vdrv_msix){.bus = ops, .hal = hal, .fn = fn};
}

int vdrv_msix_init(struct vdrv_msix *msix, const struct vdrv_hal *hal,
                   const struct vdrv_pci_ops *ops, uint32_t fn)
{
    const struct vdrv__pci_fault *fault;
    uint32_t told;

    if (msix == NULL || hal == NULL || ops == NULL)
        return VDRV_ERR_INVALID;
    clear(msix, hal, ops, fn);
    fault = find(msix, &told);
    if (fault != NULL)
        msix->count = 0;
    return fault != NULL ? fault->err : VDRV_OK;
}

/* ---- On, off, and the table ---------------------------------------------- */

int vdrv_msix_enable(struct vdrv_msix *msix)
{
    uint32_t flags, command;

    if (msix == NULL || msix->count == 0)
        return VDRV_ERR_INVALID;
    command = get(msix, PCI_COMMAND, 2);
    if (command == 0xffffu)
        return VDRV_ERR_NO_DEVICE;
    /* The table is memory, and a message is a write of the function's. */
    put(msix, PCI_COMMAND, 2,
        command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    flags = get(msix, msix->cap + PCI_MSIX_FLAGS, 2) | PCI_MSIX_FLAGS_ENABLE;
    put(msix, msix->cap + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_MASK);
    for (uint32_t v = 0; v < msix->count; v++)
        put_entry(msix, v, PCI_MSIX_ENTRY_CTRL, PCI_MSIX_ENTRY_MASK);
    put(msix, msix->cap + PCI_MSIX_FLAGS, 2, flags & ~PCI_MSIX_FLAGS_MASK);
    return VDRV_OK;
}

void vdrv_msix_disable(struct vdrv_msix *msix)
{
    uint32_t reg;

    if (msix == NULL || msix->count == 0)
        return;
    reg = msix->cap + PCI_MSIX_FLAGS;
    put(msix, reg, 2, get(msix, reg, 2) & ~PCI_MSIX_FLAGS_ENABLE);
}

int vdrv_msix_set(struct vdrv_msix *msix, uint32_t vector,
                  const struct vdrv_msix_message *msg)
{
    if (msix == NULL || msg == NULL || vector >= msix->count ||
        msg->addr % MSG_ALIGN != 0)
        return VDRV_ERR_INVALID;
    put_entry(msix, vector, PCI_MSIX_ENTRY_CTRL, PCI_MSIX_ENTRY_MASK);
    put_entry(msix, vector, PCI_MSIX_ENTRY_LOW, (uint32_t)msg->addr);
    put_entry(msix, vector, PCI_MSIX_ENTRY_HIGH, (uint32_t)(msg->addr >> 32));
    put_entry(msix, vector, PCI_MSIX_ENTRY_DATA, msg->data);
    put_entry(msix, vector, PCI_MSIX_ENTRY_CTRL, 0);
    return VDRV_OK;
}

int vdrv_msix_mask(struct vdrv_msix *msix, uint32_t vector, bool masked)
{
    if (msix == NULL || vector >= msix->count)
        return VDRV_ERR_INVALID;
    put_entry(msix, vector, PCI_MSIX_ENTRY_CTRL,
              masked ? PCI_MSIX_ENTRY_MASK : 0);
    return VDRV_OK;
}

bool vdrv_msix_pending(const struct vdrv_msix *msix, uint32_t vector)
{
    uint32_t word;

    if (msix == NULL || vector >= msix->count)
        return false;
    word = vdrv__reg_read(msix->hal, VDRV_SPACE_MEMORY,
                          msix->pba + vector / 32u * sizeof(word), 4);
    return ((word >> vector % 32) & 1u) != 0;
}

/* ---- For virtio devices -------------------------------------------------- */

static int start(struct vdrv_msix *m, const struct vdrv_msix_message *msg,
                 uint32_t n)
{
    int err = vdrv_msix_enable(m);

    for (uint32_t v = 0; err == VDRV_OK && v < n; v++)
        err = vdrv_msix_set(m, v, &msg[v]);
    if (err != VDRV_OK)
        vdrv_msix_disable(m);
    return err;
}

/* The table is as it was, if MSI-X is still on. */
static int restore(struct vdrv_pci *pci)
{
    struct vdrv_msix *m = pci->vectors;

    if ((get(m, m->cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) != 0)
        return VDRV_OK;
    return start(m, m->msg, m->attached);
}

int vdrv_msix_attach(struct vdrv_msix *msix, struct vdrv_pci *pci,
                     const struct vdrv_msix_message *msg, uint32_t n)
{
    const struct vdrv__pci_fault *fault;
    uint32_t told;
    int err;

    if (msix == NULL || pci == NULL || msg == NULL || n == 0)
        return VDRV_ERR_INVALID;
    if (pci->transport.claimed != 0)
        return VDRV_ERR_BUSY;
    clear(msix, pci->transport.hal, pci->bus, pci->fn);
    fault = find(msix, &told);
    if (fault != NULL) {
        const uint64_t value = told;

        vdrv_transport_log(&pci->transport, VDRV_LOG_WARN, fault->text, &value);
        msix->count = 0;
        return fault->err;
    }
    msix->msg = msg;
    msix->attached = n < msix->count ? n : msix->count;
    err = start(msix, msg, msix->attached);
    pci->restore_vectors = err == VDRV_OK ? restore : NULL;
    pci->vectors = msix;
    /* The table's BAR may have an address only since the probe. */
    if (err == VDRV_OK)
        vdrv__pci_save(pci,
                       pci->command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci->transport.vectors = err == VDRV_OK ? msix->attached : 0;
    return err;
}

int vdrv_msix_detach(struct vdrv_msix *msix, struct vdrv_pci *pci)
{
    if (msix == NULL || pci == NULL)
        return VDRV_ERR_INVALID;
    if (pci->transport.claimed != 0)
        return VDRV_ERR_BUSY;
    vdrv_msix_disable(msix);
    pci->transport.vectors = 0;
    pci->restore_vectors = NULL;
    return VDRV_OK;
}

/* ---- Messages ------------------------------------------------------------ */

int vdrv_msix_apic(uint32_t destination, uint32_t vector,
                   struct vdrv_msix_message *msg)
{
    if (msg == NULL || destination > APIC_ID_MAX || vector < APIC_VECTOR_MIN ||
        vector > APIC_VECTOR_MAX)
        return VDRV_ERR_INVALID;
    *msg = (struct vdrv_msix_message){.addr = APIC_BASE | destination << 12,
                                      .data = vector};
    return VDRV_OK;
}

int vdrv_msix_gicv2m(uint64_t frame, uint32_t spi,
                     struct vdrv_msix_message *msg)
{
    if (msg == NULL || frame % MSG_ALIGN != 0 || spi < SPI_MIN || spi > SPI_MAX)
        return VDRV_ERR_INVALID;
    *msg =
        (struct vdrv_msix_message){.addr = frame + GICV2M_SETSPI, .data = spi};
    return VDRV_OK;
}

int vdrv_msix_its(uint64_t its, uint32_t event, struct vdrv_msix_message *msg)
{
    if (msg == NULL || its % ITS_ALIGN != 0)
        return VDRV_ERR_INVALID;
    *msg =
        (struct vdrv_msix_message){.addr = its + ITS_TRANSLATER, .data = event};
    return VDRV_OK;
}
