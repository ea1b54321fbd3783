/* SPDX-License-Identifier: MIT */
/*
 * The pure validators under Frama-C Eva: an entry point each, with every byte
 * that a device decides taken from a volatile, so that it has any value.
 */
#include <virtio_drv/display.h>
#include <virtio_drv/pci.h>

#include "../../src/device/vdrv_blk_config.h"
#include "../../src/device/vdrv_gpu_impl.h"
#include "../../src/device/vdrv_net_config.h"
#include "../../src/device/vdrv_net_header.h"
#include "../../src/spec/virtio_blk.h"
#include "../../src/spec/virtio_net.h"
#include "../../src/spec/virtio_pci.h"
#include "../../src/transport/vdrv_pci_impl.h"

static volatile uint8_t any8;
static volatile uint16_t any16;
static volatile uint32_t any32;
static volatile uint64_t any64;

static uint64_t features[2];

static void fill(uint8_t *p, size_t n)
{
    features[0] = any64;
    features[1] = any64;
    //@ loop unroll 256;
    for (size_t i = 0; i < n; i++)
        p[i] = any8;
}

void check_blk_config(void)
{
    static struct vdrv_block_caps caps;
    uint8_t config[VIRTIO_BLK_CFG_SIZE];

    fill(config, sizeof(config));
    vdrv__blk_validate_config(config, features, any32, &caps);
    /*@ assert 512 <= caps.block_size <= 65536; */
}

void check_net_config(void)
{
    static struct vdrv_net_info info;
    uint8_t config[VIRTIO_NET_CFG_SIZE], mac[VDRV_NET_MAC_SIZE] = {0};
    const char *why = "";

    fill(config, sizeof(config));
    if (vdrv__net_validate_config(config, features, &info, mac, &why) == 0) {
        /*@ assert info.mtu >= VIRTIO_NET_MTU_MIN; */
    }
    (void)vdrv__net_mac_valid(mac);
    /*@ assert \valid_read(why); */
}

void check_net_header(void)
{
    struct vdrv__net_header h = {any8, any8, any16, any16, any16, any16};
    struct vdrv__net_meta meta;

    features[0] = any64;
    features[1] = any64;
    (void)vdrv__net_validate_header(&h, 60, features, &meta);
    /*@ assert meta.gso_header <= 60; */
    h.csum_start = 59;
    (void)vdrv__net_validate_header(&h, 60, features, &meta);
    /*@ assert meta.csum_start == 0; */
}

void check_gpu_response(void)
{
    struct virtio_gpu_ctrl_hdr hdr;
    int err;

    fill((uint8_t *)&hdr, sizeof(hdr));
    err = vdrv__gpu_validate_response(&hdr, any32, any32, any64);
    /*@ assert err <= 0; */
    err = vdrv__gpu_validate_response(&hdr, sizeof(hdr) - 1, any32, any64);
    /*@ assert err == VDRV_ERR_PROTOCOL; */
}

/*
 * Exactly as many bytes as are said to be there, and too few: nothing beyond
 * them is read.  What a whole block says is for the fuzzer: how far its data
 * blocks reach is a relation that Eva does not follow.
 */
static void edid(uint8_t *p, size_t len)
{
    static struct vdrv_edid out;

    fill(p, len);
    (void)vdrv_edid_parse(p, len, &out);
    /*@ assert out.nmodes <= VDRV_EDID_MODES_MAX; */
}

void check_edid(void)
{
    uint8_t none[1], part[127];

    edid(none, sizeof(none));
    edid(part, sizeof(part));
}

void check_pci(void)
{
    const struct vdrv__pci_raw_bar raw = {{any32, any32}, {any32, any32}};
    struct vdrv__pci_cap cap = {any8, any8, any8, any8, any32, any32, any32};
    struct vdrv_pci_region notify = {any64, 0, 16, 0, 0};
    struct vdrv_pci_bar bar;
    uint32_t at = 0;

    (void)vdrv__validate_pci_cap_len(&cap);
    (void)vdrv__validate_pci_bar(&raw, &bar);
    /* The caller asks for the types that it knows, and no others. */
    if (cap.type >= VIRTIO_PCI_CAP_COMMON_CFG &&
        cap.type <= VIRTIO_PCI_CAP_DEVICE_CFG)
        (void)vdrv__validate_pci_cap(&cap, &bar);
    if (vdrv__validate_pci_notify(&notify, any32, any16, 2, &at) == NULL) {
        /*@ assert at <= 14; */
    }
    (void)vdrv__pci_type(any32);
}
