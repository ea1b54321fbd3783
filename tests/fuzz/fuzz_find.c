/* SPDX-License-Identifier: MIT */
/*
 * What a boot loader hands over and mmio.h reads: device trees and command
 * lines, of any bytes.
 */
#include "fuzz_machine.h"

#include <stdlib.h>
#include <string.h>
#include <virtio_drv/mmio.h>

#include "fdt_make.h"

static void check_slot(const struct vdrv_mmio_slot *slot)
{
    FUZZ_CHECK(slot->size != 0);
    FUZZ_CHECK(slot->phys + slot->size - 1 >= slot->phys);
    FUZZ_CHECK(slot->nirq <= VDRV_MMIO_IRQ_CELLS);
}

/* ---- Device trees --------------------------------------------------------- */

/* The input from its second byte on; the first may have the header mended. */
void fuzz_run_fdt(const uint8_t *data, size_t size)
{
    const size_t n = size > 0 ? size - 1 : 0;
    uint8_t *copy = malloc(n + (n == 0));
    struct vdrv_mmio_slot slot;
    struct vdrv_fdt_walk w;
    size_t found = 0;
    int err;

    if (n > 0)
        memcpy(copy, data + 1, n);
    if (n >= 64 && (data[0] & 1u) != 0) {
        fdt_be32(copy, 0xd00dfeed);
        fdt_be32(copy + 4, (uint32_t)n);
        fdt_be32(copy + 8, 40);
        fdt_be32(copy + 20, 17);
        fdt_be32(copy + 24, 16);
        fdt_be32(copy + 36, (uint32_t)n - 40);
    }
    err = vdrv_fdt_begin(&w, copy, n);
    FUZZ_CHECK(err == VDRV_OK || err == VDRV_ERR_INVALID);
    while (err == VDRV_OK) {
        err = vdrv_fdt_mmio_next(&w, &slot);
        FUZZ_CHECK(found++ <= n);
        if (err == VDRV_OK)
            check_slot(&slot);
    }
    FUZZ_CHECK(err == VDRV_ERR_NO_DEVICE || err == VDRV_ERR_INVALID);
    free(copy);
}

/* A bus with ranges and two devices, strings moved up to the structure. */
void fuzz_seed_fdt(fuzz_emit *emit, void *ctx)
{
    static struct fdt_make m;
    static uint8_t data[1 + FDT_MAKE_NAMES];

    fdt_start(&m);
    fdt_open(&m, "");
    fdt_cells(&m, "#address-cells", 1, 2);
    fdt_cells(&m, "#size-cells", 1, 2);
    fdt_open(&m, "soc");
    fdt_cells(&m, "#address-cells", 1, 1);
    fdt_cells(&m, "#size-cells", 1, 1);
    fdt_cells(&m, "ranges", 4, 0, 0, 0x80000000, 0x10000);
    for (uint32_t i = 0; i < 2; i++) {
        fdt_open(&m, "virtio_mmio");
        fdt_text(&m, "compatible", "virtio,mmio");
        fdt_cells(&m, "reg", 2, 0x1000 * i, 0x200);
        fdt_cells(&m, "interrupts-extended", 3, 7, 1, 4);
        fdt_text(&m, "status", "okay");
        fdt_close(&m);
    }
    fdt_close(&m);
    fdt_close(&m);
    (void)fdt_finish(&m);
    memcpy(m.blob + m.pos, m.blob + FDT_MAKE_NAMES, m.names);
    fdt_be32(m.blob + 4, m.pos + m.names);
    fdt_be32(m.blob + 12, m.pos);
    memcpy(data + 1, m.blob, m.pos + m.names);
    emit(ctx, data, 1 + m.pos + m.names);
}

/* ---- Command lines --------------------------------------------------------- */

void fuzz_run_cmdline(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    const char *cursor = line;
    struct vdrv_mmio_slot slot;

    if (size > 0)
        memcpy(line, data, size);
    line[size] = '\0';
    for (const char *before = cursor;
         vdrv_mmio_cmdline_next(&cursor, &slot) == VDRV_OK; before = cursor) {
        check_slot(&slot);
        FUZZ_CHECK(slot.nirq == 1 && slot.irq[0] != 0);
        FUZZ_CHECK(cursor > before && cursor <= line + size);
    }
    FUZZ_CHECK(cursor <= line + size);
    free(line);
}

void fuzz_seed_cmdline(fuzz_emit *emit, void *ctx)
{
    static const char line[] =
        "quiet virtio_mmio.device=4K@0xd0000000:5 a=\"b c\" "
        "\"virtio-mmio.device=01000@4096:6:-1\" -- x";

    emit(ctx, (const uint8_t *)line, sizeof(line) - 1);
}
