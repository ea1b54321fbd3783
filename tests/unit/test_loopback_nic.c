/* SPDX-License-Identifier: MIT */
/*
 * Somebody else's network card, through the trait's wrappers: what it leaves
 * out is made of what it has, or answers UNSUPPORTED.
 */
#include <virtio_drv/virtio_net.h>

#include "check.h"
#include "loopback_nic.h"

#define N 8u

static uint8_t rx_mem[N][1600];
static struct vdrv_net_buf rx[N], tx[N];
static uint32_t released;

static void on_release(struct vdrv_net_buf *buf)
{
    (void)buf;
    released++;
}

static void set_up(struct loopback_nic *nic, uint32_t posted)
{
    loopback_nic_init(nic);
    released = 0;
    for (uint32_t i = 0; i < N; i++) {
        vdrv_net_buf_init(&rx[i], rx_mem[i], sizeof(rx_mem[i]), 2);
        rx[i].release = on_release;
    }
    for (uint32_t i = 0; i < posted; i++)
        CHECK_EQ(vdrv_net_recycle_rx_buffer(&nic->net, 0, &rx[i]), VDRV_OK);
}

static struct vdrv_net_buf *frame(uint32_t i, const char *text)
{
    vdrv_net_buf_wrap(&tx[i], text, (uint32_t)strlen(text));
    tx[i].release = on_release;
    return &tx[i];
}

static void sends_to_itself(void)
{
    struct loopback_nic nic;
    struct vdrv_net_buf *b = NULL;
    uint8_t mac[6];

    set_up(&nic, 1);
    CHECK_EQ(vdrv_net_mac_address(&nic.net, mac), VDRV_OK);
    CHECK_EQ(mac[0] & 3u, 2); /* local, unicast */
    CHECK_EQ(vdrv_net_receive(&nic.net, 0, &b), VDRV_ERR_AGAIN);
    frame(0, "one frame in ")->next = frame(1, "two parts");
    CHECK_EQ(vdrv_net_transmit(&nic.net, 0, &tx[0]), VDRV_OK);
    CHECK_EQ(released, 2);
    CHECK_EQ(vdrv_net_transmit(&nic.net, 0, frame(2, "no room for it")),
             VDRV_ERR_AGAIN);
    CHECK_EQ(released, 2);
    REQUIRE(vdrv_net_receive(&nic.net, 0, &b) == VDRV_OK);
    CHECK(b == &rx[0]);
    CHECK_EQ(b->len, 22);
    CHECK_MEM(b->data, "one frame in two parts", 22);
}

/* Bursts and copies are made of the single calls. */
static void bursts_and_copies(void)
{
    struct loopback_nic nic;
    struct vdrv_net_buf *b[N];
    uint8_t got[64];

    set_up(&nic, 3);
    for (uint32_t i = 0; i < N; i++)
        b[i] = frame(i, "fourteen bytes and more");
    CHECK_EQ(vdrv_net_transmit_burst(&nic.net, 0, b, N, 0), 3);
    CHECK_EQ(vdrv_net_transmit_burst(&nic.net, 0, b + 3, 2, 0), VDRV_ERR_AGAIN);
    CHECK_EQ(released, 3);
    CHECK_EQ(vdrv_net_receive_copy(&nic.net, 0, got, sizeof(got)), 23);
    CHECK_MEM(got, "fourteen bytes and more", 23);
    CHECK_EQ(vdrv_net_receive_copy(&nic.net, 0, got, 22), VDRV_ERR_TOO_BIG);
    CHECK_EQ(nic.nempty, 2); /* both buffers work again */
    CHECK_EQ(vdrv_net_receive_burst(&nic.net, 0, b, N), 1);
    CHECK_EQ(vdrv_net_recycle_rx_burst(&nic.net, 0, b, 1, 0), 1);
    CHECK_EQ(nic.nempty, 3);
}

static void left_out_is_unsupported(void)
{
    struct loopback_nic nic;
    struct vdrv_net_info info;
    struct vdrv_net_buf *b = NULL;

    set_up(&nic, 0);
    CHECK_EQ(vdrv_net_get_info(&nic.net, &info), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_alloc_tx_buffer(&nic.net, 0, 60, &b),
             VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_send_copy(&nic.net, 0, "x", 1), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_recycle_tx_buffers(&nic.net, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_net_kick(&nic.net, 0), VDRV_ERR_UNSUPPORTED);
    CHECK_EQ(vdrv_stop(&nic.net.dev), VDRV_ERR_UNSUPPORTED);
    CHECK(vdrv_net_link_up(&nic.net));
    CHECK(vdrv_net_can_transmit(&nic.net, 0));
    CHECK_EQ(vdrv_net_rx_queue_size(&nic.net), 0);
}

/* NULL is a caller's mistake, not a crash. */
static void null_is_invalid(void)
{
    struct loopback_nic nic;
    const struct vdrv_net_filter bad = {.nunicast = 1};

    set_up(&nic, 0);
    CHECK_EQ(vdrv_net_transmit(NULL, 0, &tx[0]), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_transmit(&nic.net, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_transmit_burst(&nic.net, 0, NULL, 1, 0),
             VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_receive(&nic.net, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_receive_burst(NULL, 0, NULL, 0), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_recycle_rx_buffer(&nic.net, 0, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_mac_address(&nic.net, NULL), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_set_filter(&nic.net, &bad), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_send_copy(&nic.net, 0, NULL, 1), VDRV_ERR_INVALID);
    CHECK_EQ(vdrv_net_receive_copy(&nic.net, 0, NULL, 1), VDRV_ERR_INVALID);
    CHECK(!vdrv_net_link_up(NULL));
    CHECK(!vdrv_net_can_transmit(NULL, 0));
    CHECK(!vdrv_net_can_receive(NULL, 0));
    vdrv_net_buf_release(NULL);
    vdrv_net_recycle_frame(&nic.net, 0, NULL);
}

static const struct check_case cases[] = {
    {"sends_to_itself", sends_to_itself},
    {"bursts_and_copies", bursts_and_copies},
    {"left_out_is_unsupported", left_out_is_unsupported},
    {"null_is_invalid", null_is_invalid},
};

CHECK_MAIN(cases)
