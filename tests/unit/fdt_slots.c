/* SPDX-License-Identifier: MIT */
/*
 * For test_fdt_blobs.py: prints the virtio-mmio slots of a device tree blob,
 * then damages it in every place and sees the reader through.
 *
 *     fdt_slots BLOB
 *
 * A line for each slot: address, size, flags, controller, interrupt cells, all
 * hexadecimal; then how many damaged trees were read, and how many of them to
 * their end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtio_drv/mmio.h>

#define BLOB_MAX (1u << 21)

static unsigned trees, ended;

static void die(const char *why)
{
    fprintf(stderr, "fdt_slots: %s\n", why);
    exit(1);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void print(const struct vdrv_mmio_slot *s)
{
    printf("%llx %x %x %x", (unsigned long long)s->phys, s->size, s->flags,
           s->irq_parent);
    for (uint32_t i = 0; i < s->nirq; i++)
        printf(" %x", s->irq[i]);
    printf("\n");
}

/* One tree in memory of exactly its size, so that a look behind it is seen. */
static void walk(const uint8_t *blob, size_t size, int loud)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    struct vdrv_mmio_slot slot;
    struct vdrv_fdt_walk w;
    size_t n = 0;
    int err;

    if (copy == NULL)
        die("no memory");
    memcpy(copy, blob, size);
    err = vdrv_fdt_begin(&w, copy, size);
    while (err == VDRV_OK) {
        err = vdrv_fdt_mmio_next(&w, &slot);
        if (err != VDRV_OK)
            break;
        if (n++ > size || slot.size == 0 ||
            slot.phys + slot.size - 1 < slot.phys ||
            slot.nirq > VDRV_MMIO_IRQ_CELLS)
            die("a slot that cannot be");
        if (loud)
            print(&slot);
    }
    if (err != VDRV_ERR_NO_DEVICE && err != VDRV_ERR_INVALID)
        die("an error that is not documented");
    if (loud && err != VDRV_ERR_NO_DEVICE)
        die("a good tree is refused");
    trees++;
    ended += err == VDRV_ERR_NO_DEVICE;
    free(copy);
}

/* QEMU's blobs end in a megabyte of nothing. */
static uint32_t used_size(const uint8_t *blob)
{
    const uint32_t a = be32(blob + 8) + be32(blob + 36);
    const uint32_t b = be32(blob + 12) + be32(blob + 32);

    return a > b ? a : b;
}

static void damage(uint8_t *blob, uint32_t size)
{
    for (uint32_t at = 0; at < size; at++) {
        const uint8_t was = blob[at];

        walk(blob, at, 0);
        blob[at] = (uint8_t)~was;
        walk(blob, size, 0);
        blob[at] = (uint8_t)(was ^ 1u << at % 8);
        walk(blob, size, 0);
        blob[at] = was;
    }
    /* Cut where the header agrees, so that the walk itself finds the end. */
    for (uint32_t len = be32(blob + 36); len-- > 0;) {
        put32(blob + 36, len);
        walk(blob, size, 0);
    }
}

int main(int argc, char **argv)
{
    static uint8_t blob[BLOB_MAX];
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t n = f != NULL ? fread(blob, 1, sizeof(blob), f) : 0;
    uint32_t size;

    if (n < 40 || vdrv_fdt_size(blob) > n || used_size(blob) > n)
        die("no blob");
    (void)fclose(f);
    size = used_size(blob);
    put32(blob + 4, size);
    walk(blob, size, 1);
    trees = ended = 0;
    damage(blob, size);
    printf("damaged %u ended %u\n", trees, ended);
    return 0;
}
