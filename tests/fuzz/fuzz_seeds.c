/* SPDX-License-Identifier: MIT */
/* The table of harnesses, and inputs from which to start. */
#include "fuzz_machine.h"

#include <string.h>

/* Each operation with good answers, on both transports, both ways of DMA. */
static void seed_how(fuzz_emit *emit, void *ctx, uint8_t how)
{
    static const uint8_t flags[] = {0, FUZZ_F_PCI, FUZZ_F_MAP,
                                    FUZZ_F_PCI | FUZZ_F_MAP | FUZZ_F_WAIT};
    uint8_t data[FUZZ_HEAD + 2 + 6 * 24];

    for (size_t i = 0; i < sizeof(flags); i++) {
        for (uint8_t first = 0; first < 48; first += 24) {
            memset(data, 0, sizeof(data));
            data[0] = flags[i];
            data[FUZZ_HEAD] = how;
            for (uint8_t k = 0; k < 24; k++) {
                data[FUZZ_HEAD + 2 + 6 * k] = (uint8_t)(first + k);
                data[FUZZ_HEAD + 2 + 6 * k + 1] = (uint8_t)(k % 4);
            }
            emit(ctx, data, sizeof(data));
        }
    }
}

void fuzz_seed_ops(fuzz_emit *emit, void *ctx)
{
    seed_how(emit, ctx, 0);
}

/* With zones, the reset of a queue, and suspend. */
void fuzz_seed_blk(fuzz_emit *emit, void *ctx)
{
    seed_how(emit, ctx, 0);
    seed_how(emit, ctx, 0x70);
}

/* ARP for the host, then an echo request, then a SYN for port 80. */
void fuzz_seed_frames(fuzz_emit *emit, void *ctx)
{
    static const uint8_t arp[] = {
        0,   42,  0,                                      /* flags, length */
        1,                                                /* time */
        255, 255, 255, 255, 255, 255, 2,  0, 0, 0,  0, 2, /* Ethernet */
        8,   6,   0,   1,   8,   0,   6,  4, 0, 1,        /* who has */
        2,   0,   0,   0,   0,   2,   10, 0, 2, 2,        /* sender */
        0,   0,   0,   0,   0,   0,   10, 0, 2, 15,       /* target */
    };
    static const uint8_t
        syn
            [] =
                {
                    0,    54,   0,    1, /* as above */
                    2,    0,    0,    0,    0,    1,    2, 0,
                    0,    0,    0,    2,    8,    0, /* Ethernet */
                    0x45, 0,    0,    40,   0,    0,    0, 0,
                    64,   6,    0x62, 0xc0,                    /* IP */
                    10,   0,    2,    2,    10,   0,    2, 15, /* from, to */
                    0x12, 0x34, 0,    80,   0,    0,    0, 1,
                    0,    0,    0,    0, /* ports, sequence */
                    0x50, 2,    0x20, 0,    0x26, 0x41, 0, 0, /* SYN */
                };
    uint8_t data[sizeof(arp) + sizeof(syn)];

    emit(ctx, arp, sizeof(arp));
    emit(ctx, syn, sizeof(syn));
    memcpy(data, arp, sizeof(arp));
    data[1] = 42;
    memcpy(data + sizeof(arp), syn + 1, sizeof(syn) - 1);
    data[0] = 1; /* RX_VERIFIED */
    emit(ctx, data, sizeof(data) - 1);
}

const struct fuzz_harness fuzz_harnesses[] = {
    {"ring", fuzz_run_ring, fuzz_seed_ops, 512},
    {"rings", fuzz_run_rings, fuzz_seed_rings, 1024},
    {"mmio", fuzz_run_mmio, fuzz_seed_ops, 256},
    {"pci", fuzz_run_pci, fuzz_seed_ops, 256},
    {"bus", fuzz_run_bus, fuzz_seed_bus, 1024},
    {"config", fuzz_run_config, fuzz_seed_ops, 256},
    {"blk", fuzz_run_blk, fuzz_seed_blk, 512},
    {"net_rx", fuzz_run_net_rx, fuzz_seed_ops, 512},
    {"net_tx", fuzz_run_net_tx, fuzz_seed_ops, 512},
    {"gpu", fuzz_run_gpu, fuzz_seed_ops, 512},
    {"fdt", fuzz_run_fdt, fuzz_seed_fdt, 1100},
    {"cmdline", fuzz_run_cmdline, fuzz_seed_cmdline, 256},
    {"edid", fuzz_run_edid, fuzz_seed_edid, 1100},
    {"responder", fuzz_run_responder, fuzz_seed_frames, 1024},
    {"session", fuzz_run_session, fuzz_seed_ops, 512},
};
const size_t fuzz_count = sizeof(fuzz_harnesses) / sizeof(fuzz_harnesses[0]);
