/* SPDX-License-Identifier: MIT */
/*
 * The virtio network driver (VirtIO 1.4, 5.1): features, configuration, queues
 * and life cycle.  The data paths are in vdrv_net_tx.c and vdrv_net_rx.c.
 *
 * A buffer that has room for the device's header in front of its frame takes
 * one descriptor.  For others each side of a queue pair has a header per ring
 * entry, in memory of its own.
 */
#include "vdrv_net_impl.h"

#include "../core/barrier.h"
#include "../core/mem.h"
#include "../spec/virtio_config.h"
#include "../spec/virtio_ring.h"
#include "vdrv_net_config.h"

#define DEFAULT_QUEUE_SIZE 256u
#define DEFAULT_MAX_SEGS   16u
#define RX_SEGS            4u /* header, and a frame that crosses two pages */
#define PAGE               4096u
#define ANY_FRAME          (65535u + VDRV_NET_HEADER_SIZE)
#define MAX_QUEUES         (2u * VDRV_VIRTIO_NET_PAIRS_MAX + 1u)

_Static_assert(VIRTIO_NET_HDR_SIZE <= HEADER_STRIDE, "headers do not overlap");

static struct vdrv_virtio_net *nic_of_dev(const struct vdrv_device *dev)
{
    return (struct vdrv_virtio_net *)(uintptr_t)dev; /* the very first */
}

static struct vdrv_virtio_net *nic_of_drv(struct vdrv_driver *drv)
{
    return (struct vdrv_virtio_net *)(void *)((uint8_t *)drv -
                                              offsetof(struct vdrv_virtio_net,
                                                       drv));
}

int vdrv__net_usable(struct vdrv_virtio_net *nic, uint32_t pair, uint32_t queue)
{
    if (pair >= nic->pairs)
        return VDRV_ERR_INVALID;
    return vdrv_driver_check(&nic->drv, queue);
}

void vdrv__net_use_pairs(struct vdrv_virtio_net *nic, uint32_t pairs)
{
    nic->info.pairs = pairs;
    vdrv__status_set((int32_t *)&nic->tx_pairs, (int32_t)pairs);
}

void vdrv__net_sync(const struct vdrv_virtio_net *nic,
                    const struct vdrv_net_buf *buf, uint8_t *from, uint32_t len,
                    uint32_t dir)
{
    const struct vdrv_hal *hal = nic->drv.hal;

    /* What dma_map maps is its own business. */
    if ((buf->flags & VDRV_NET_MAPPED) != 0)
        hal->dma_sync(hal->ctx, from, buf->dma + (uint64_t)(from - buf->mem),
                      len, dir);
}

/* ---- What the frame under the drivers asks for --------------------------- */

static void net_complete(struct vdrv_driver *drv, uint32_t queue, void *cookie,
                         uint32_t len, int err)
{
    struct vdrv_virtio_net *nic = nic_of_drv(drv);

    if (queue >= 2u * nic->pairs) {
        nic->control.len = len;
        vdrv_driver_finish(drv, queue, &nic->control.status, err, true);
    } else if ((queue & 1u) != 0) {
        vdrv__net_tx_complete(nic, queue / 2u, cookie);
    } else {
        vdrv__net_rx_complete(nic, queue / 2u, cookie);
    }
}

static void fill(struct vdrv_virtio_net *nic, uint32_t pair)
{
    vdrv__net_rx_refill(nic, pair);
    (void)vdrv_queue_kick(&nic->queue[vdrv_net_rx_queue(pair)].vq);
}

/* Pools go to work.  Rings start with interrupts off. */
static int net_started(struct vdrv_driver *drv)
{
    struct vdrv_virtio_net *nic = nic_of_drv(drv);

    /* 5.1.6.5.6.1: before the device is told, there is one pair. */
    vdrv__net_use_pairs(nic, 1);
    for (uint32_t i = 0; i < nic->pairs; i++)
        fill(nic, i);
    return nic->control.index != 0 ? nic->ctrl->started(nic) : VDRV_OK;
}

/* 5.1.3.1: each with what it needs, whether it is asked for today or not. */
static const struct vdrv_feature_rule net_rules[] = {
    /* A merged buffer starts with its header: 5.1.7 of legacy devices. */
    {VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_VERSION_1, VIRTIO_F_ANY_LAYOUT},
    {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6},
    {VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM},
    {VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM},
    {VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6},
    {VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM},
    {VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM},
    {VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_VQ,
     VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_NOTF_COAL, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_VQ_NOTF_COAL, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_RSS, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_DEVICE_STATS, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ},
};

static const struct vdrv_driver_class net_class = {
    .complete = net_complete,
    .started = net_started,
    .rule = net_rules,
    .nrules = sizeof(net_rules) / sizeof(net_rules[0]),
};

/* ---- The base trait ------------------------------------------------------ */

const char *vdrv__net_name(const struct vdrv_device *dev)
{
    (void)dev;
    return "virtio-net";
}

uint32_t vdrv__net_type(const struct vdrv_device *dev)
{
    (void)dev;
    return VDRV_TYPE_NET;
}

int vdrv__net_identify(const struct vdrv_device *dev, struct vdrv_identity *out)
{
    vdrv_driver_identify(&nic_of_dev(dev)->drv, vdrv__net_name(dev),
                         VDRV_TYPE_NET, out);
    return VDRV_OK;
}

uint32_t vdrv__net_irq(struct vdrv_device *dev, uint32_t vector)
{
    return vdrv_driver_irq(&nic_of_dev(dev)->drv, vector);
}

int vdrv__net_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget)
{
    struct vdrv_virtio_net *nic = nic_of_dev(dev);

    /* Frames are pulled: on a receive queue there is nothing to deliver. */
    if ((queue & 1u) == 0 && queue < 2u * nic->pairs)
        return vdrv_driver_check(&nic->drv, queue);
    return vdrv_driver_poll(&nic->drv, queue, budget);
}

int vdrv__net_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode)
{
    return vdrv_driver_arm(&nic_of_dev(dev)->drv, queue, mode);
}

int vdrv__net_stop(struct vdrv_device *dev)
{
    return vdrv_driver_stop(&nic_of_dev(dev)->drv);
}

int vdrv__net_start(struct vdrv_device *dev)
{
    return vdrv_driver_start(&nic_of_dev(dev)->drv);
}

int vdrv__net_suspend(struct vdrv_device *dev)
{
    return vdrv_driver_suspend(&nic_of_dev(dev)->drv);
}

int vdrv__net_resume(struct vdrv_device *dev)
{
    return vdrv_driver_resume(&nic_of_dev(dev)->drv);
}

/* 5.1.4: a field is there when its feature is, or the other one. */
static const struct {
    uint8_t bit, or_bit;
    struct vdrv_config_field field;
} optional_fields[] = {
    {VIRTIO_NET_F_MAC,
     VIRTIO_NET_F_MAC,
     {VIRTIO_NET_CFG_MAC, 1, VDRV_NET_MAC_SIZE}},
    {VIRTIO_NET_F_STATUS, VIRTIO_NET_F_STATUS, {VIRTIO_NET_CFG_STATUS, 2, 1}},
    {VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS, {VIRTIO_NET_CFG_MAX_PAIRS, 2, 1}},
    {VIRTIO_NET_F_MTU, VIRTIO_NET_F_MTU, {VIRTIO_NET_CFG_MTU, 2, 1}},
    {VIRTIO_NET_F_SPEED_DUPLEX,
     VIRTIO_NET_F_SPEED_DUPLEX,
     {VIRTIO_NET_CFG_SPEED, 4, 1}},
    {VIRTIO_NET_F_SPEED_DUPLEX,
     VIRTIO_NET_F_SPEED_DUPLEX,
     {VIRTIO_NET_CFG_DUPLEX, 1, 1}},
    {VIRTIO_NET_F_RSS,
     VIRTIO_NET_F_HASH_REPORT,
     {VIRTIO_NET_CFG_RSS_KEY, 1, 1}},
    {VIRTIO_NET_F_RSS, VIRTIO_NET_F_RSS, {VIRTIO_NET_CFG_RSS_TABLE, 2, 1}},
    {VIRTIO_NET_F_RSS, VIRTIO_NET_F_HASH_REPORT, {VIRTIO_NET_CFG_HASHES, 4, 1}},
};

#define OPTIONAL_FIELDS (sizeof(optional_fields) / sizeof(optional_fields[0]))

static int read_config(struct vdrv_driver *drv,
                       uint8_t config[VIRTIO_NET_CFG_SIZE])
{
    struct vdrv_config_field field[OPTIONAL_FIELDS];
    uint32_t n = 0;

    memset(config, 0, VIRTIO_NET_CFG_SIZE);
    for (uint32_t i = 0; i < OPTIONAL_FIELDS; i++) {
        if (vdrv_feature(drv->features, optional_fields[i].bit) ||
            vdrv_feature(drv->features, optional_fields[i].or_bit))
            field[n++] = optional_fields[i].field;
    }
    if (n == 0)
        return VDRV_OK;
    return vdrv_transport_config(drv->transport, field, n, config,
                                 VIRTIO_NET_CFG_SIZE);
}

int vdrv__net_reset_queue(struct vdrv_device *dev, uint32_t queue)
{
    struct vdrv_virtio_net *nic = nic_of_dev(dev);
    const int err = vdrv_driver_reset_queue(&nic->drv, queue);

    if (err == VDRV_OK && queue < 2u * nic->pairs && (queue & 1u) == 0)
        fill(nic, queue / 2u);
    return err;
}

/* 5.1.4.2: link, speed and duplex; a new MTU is for the next init. */
int vdrv__net_refresh(struct vdrv_device *dev, uint32_t *changes)
{
    struct vdrv_virtio_net *nic = nic_of_dev(dev);
    struct vdrv_net_info now = nic->info;
    uint8_t config[VIRTIO_NET_CFG_SIZE];
    int err = vdrv_driver_refresh(&nic->drv);

    if (err == VDRV_OK)
        err = read_config(&nic->drv, config);
    if (err != VDRV_OK)
        return err;
    vdrv__net_validate_link(config, nic->drv.features, &now);
    if (now.link_up != nic->info.link_up || now.speed != nic->info.speed ||
        now.duplex != nic->info.duplex)
        *changes |= VDRV_CHANGE_LINK;
    /* 5.1.6.5.4: on the word of a device that can be answered. */
    if (vdrv_feature(nic->drv.features, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
        (vdrv__get16(config + VIRTIO_NET_CFG_STATUS) & VIRTIO_NET_S_ANNOUNCE) !=
            0)
        *changes |= VDRV_CHANGE_ANNOUNCE;
    nic->info.speed = now.speed;
    nic->info.duplex = now.duplex;
    nic->info.link_up = now.link_up;
    vdrv__status_set(&nic->link, now.link_up);
    return VDRV_OK;
}

/* ---- The network trait --------------------------------------------------- */

int vdrv__net_mac_address(const struct vdrv_net *net, uint8_t mac[6])
{
    memcpy(mac, vdrv__nic_of(net)->mac, VDRV_NET_MAC_SIZE);
    return VDRV_OK;
}

uint32_t vdrv__net_rx_queue_size(const struct vdrv_net *net)
{
    return vdrv__nic_of(net)->info.rx_queue_size;
}

uint32_t vdrv__net_tx_queue_size(const struct vdrv_net *net)
{
    return vdrv__nic_of(net)->info.tx_queue_size;
}

int vdrv__net_get_info(const struct vdrv_net *net, struct vdrv_net_info *out)
{
    *out = vdrv__nic_of(net)->info;
    return VDRV_OK;
}

bool vdrv__net_link_up(const struct vdrv_net *net)
{
    return vdrv__status_get(&vdrv__nic_of(net)->link) != 0;
}

int vdrv__net_get_stats(const struct vdrv_net *net, struct vdrv_net_stats *out)
{
    const struct vdrv_virtio_net *nic = vdrv__nic_of(net);

    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < nic->pairs; i++) {
        const struct vdrv_net_stats *rx = &nic->rx[i].stats;
        const struct vdrv_net_stats *tx = &nic->tx[i].stats;

        out->rx_frames += rx->rx_frames;
        out->rx_bytes += rx->rx_bytes;
        out->tx_frames += tx->tx_frames;
        out->tx_bytes += tx->tx_bytes;
        out->rx_runts += rx->rx_runts;
        out->rx_oversize += rx->rx_oversize;
        out->rx_malformed += rx->rx_malformed;
        out->rx_cleared += rx->rx_cleared;
        out->rx_lost += rx->rx_lost;
    }
    return VDRV_OK;
}

int vdrv__net_kick(struct vdrv_net *net, uint32_t queue)
{
    struct vdrv_virtio_net *nic = vdrv__nic_of(net);
    const int err = vdrv__net_usable(nic, queue / 2u, queue);

    return err != VDRV_OK ? err : vdrv_queue_kick(&nic->queue[queue].vq);
}

static const struct vdrv_net_ops net_ops = {VDRV__NET_OPS};

/* ---- Init and fini ------------------------------------------------------- */

#define BIT(n) (UINT64_C(1) << (n))

#define RX_WANTED                                                              \
    (VDRV__NET_RX_GSO | VDRV_NET_CAN_RX_CSUM | VDRV_NET_CAN_RX_ECN |           \
     VDRV_NET_CAN_RX_HASH)

/* Pairs wanted.  More than one need the control queue: 5.1.6.5.6. */
static uint32_t pairs_of(const struct vdrv_virtio_net_config *cfg)
{
    if (cfg->ctrl == NULL || cfg->pairs == 0)
        return 1;
    return cfg->pairs < VDRV_VIRTIO_NET_PAIRS_MAX ? cfg->pairs
                                                  : VDRV_VIRTIO_NET_PAIRS_MAX;
}

static void choose_features(const struct vdrv_virtio_net_config *cfg,
                            uint64_t wanted[2], uint64_t required[2])
{
    wanted[0] = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_MAC) |
                BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_SPEED_DUPLEX) |
                BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM);
    wanted[1] = 0;
    wanted[0] |= vdrv__net_offload_features(
        (cfg->rx_offloads & RX_WANTED) |
        (cfg->tx_offloads & (VDRV__NET_TX_GSO | VDRV_NET_CAN_TX_ECN)));
    if ((cfg->rx_offloads & VDRV__NET_RX_GSO) != 0)
        wanted[0] |= BIT(VIRTIO_NET_F_GUEST_CSUM);
    if ((cfg->tx_offloads & VDRV__NET_TX_GSO) != 0)
        wanted[0] |= BIT(VIRTIO_NET_F_GUEST_HDRLEN);
    if (cfg->ctrl != NULL)
        wanted[0] |= cfg->ctrl->features;
    if (pairs_of(cfg) > 1)
        wanted[0] |= BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_RSS);
    if (!cfg->no_mtu)
        wanted[0] |= BIT(VIRTIO_NET_F_MTU);
    if (cfg->rx_headroom)
        wanted[0] |= BIT(VIRTIO_NET_F_MRG_RXBUF);
    if (!cfg->no_indirect)
        wanted[0] |= BIT(VIRTIO_F_INDIRECT_DESC);
    if (!cfg->no_event_idx)
        wanted[0] |= BIT(VIRTIO_F_EVENT_IDX);
    wanted[0] |= vdrv_queue_features(cfg->packed, cfg->in_order);
    if (cfg->suspend)
        wanted[0] |= BIT(VIRTIO_F_SUSPEND);
    required[0] = BIT(VIRTIO_F_VERSION_1);
    required[1] = 0;
    if (cfg->require_platform)
        required[0] |= BIT(VIRTIO_F_ACCESS_PLATFORM);
}

static uint32_t size_of(const struct vdrv_virtio_net_config *cfg)
{
    return cfg->queue_size != 0 ? cfg->queue_size : DEFAULT_QUEUE_SIZE;
}

static uint32_t max_segs_of(const struct vdrv_virtio_net_config *cfg)
{
    uint32_t n = cfg->max_segs != 0 ? cfg->max_segs : DEFAULT_MAX_SEGS;

    if (n > VIRTQ_SIZE_MAX - 1)
        n = VIRTQ_SIZE_MAX - 1;
    /* 2.7.5.3.1: with a header, no more than the queue has entries. */
    if (n + 1 > size_of(cfg))
        n = size_of(cfg) > 1 ? size_of(cfg) - 1 : 1;
    return n;
}

/* Segments of the longest chain of a queue: a header, and the frame's parts. */
static uint32_t chain_of(const struct vdrv_virtio_net_config *cfg,
                         uint32_t queue)
{
    return (queue & 1u) != 0 ? max_segs_of(cfg) + 1u : RX_SEGS;
}

/* Of the control queue: a command has at most four segments. */
#define CONTROL_ENTRIES 8u
#define CONTROL_LEAST   4u
#define CONTROL_SEARCH  1024u

static size_t round8(size_t n)
{
    return (n + 7u) & ~(size_t)7u;
}

/* The work memory of a queue: the ring's, the free headers, the segments. */
static size_t queue_work(const struct vdrv_hal *hal, uint32_t size,
                         uint32_t chain, size_t part[2])
{
    part[0] = round8(vdrv_queue_work_size(hal, size, chain));
    part[1] = part[0] + round8(sizeof(uint16_t) * (size_t)size);
    return part[1] + round8(sizeof(struct vdrv_seg) * (size_t)chain);
}

/*
 * The control queue's work memory, an upper bound: which queue it is depends on
 * what will be negotiated, but it is an even one.
 */
static size_t control_work(struct vdrv_transport *t, bool packed)
{
    size_t most = vdrv_queue_work_size(t->hal, CONTROL_ENTRIES, 0);

    if ((t->flags & VDRV_TRANSPORT_FIXED_SIZE) == 0)
        return round8(most);
    for (uint32_t i = 2; i <= CONTROL_SEARCH; i += 2) {
        const int size = vdrv_queue_pick_size(t, i, CONTROL_ENTRIES, packed);
        size_t need;

        if (size <= 0)
            break;
        need = vdrv_queue_work_size(t->hal, (uint32_t)size, 0);
        most = need > most ? need : most;
    }
    return round8(most);
}

/*
 * For all pairs that are wanted: a device with many may show one, and in the
 * next one's place its control queue, until MQ is negotiated.  QEMU does.
 */
size_t vdrv_virtio_net_work_size(struct vdrv_transport *t,
                                 const struct vdrv_virtio_net_config *cfg)
{
    size_t sum = 0, part[2];
    int first[2] = {0, 0};

    if (t == NULL || cfg == NULL)
        return 0;
    for (uint32_t i = 0; i < 2u * pairs_of(cfg); i++) {
        int size =
            vdrv_queue_pick_size(t, i, size_of(cfg), cfg->packed != NULL);

        if (i < 2)
            first[i] = size;
        else if (size < first[i & 1u])
            size = first[i & 1u];
        if (size <= 0)
            return 0;
        sum += queue_work(t->hal, (uint32_t)size, chain_of(cfg, i), part);
    }
    if (cfg->ctrl != NULL)
        sum += control_work(t, cfg->packed != NULL);
    return sum;
}

static int too_small(struct vdrv_virtio_net *nic, uint64_t need)
{
    vdrv_transport_log(
        nic->drv.transport, VDRV_LOG_ERROR,
        "work memory too small; bytes needed by a queue:", &need);
    return VDRV_ERR_NO_MEMORY;
}

/* One queue with its side's arrays, from the front of the work memory. */
static int make_queue(struct vdrv_virtio_net *nic,
                      const struct vdrv_virtio_net_config *cfg, uint32_t index,
                      struct vdrv_virtio_net_side *side, uint8_t **work,
                      size_t *left)
{
    const uint32_t chain = chain_of(cfg, index);
    const struct vdrv_queue_config qcfg = {
        .index = index,
        .size = size_of(cfg),
        .indirect = chain,
        .vector = vdrv_driver_vector_of(&nic->drv, index),
        .packed = cfg->packed,
        .in_order = cfg->in_order,
        .work = *work,
        .work_size = *left,
    };
    struct vdrv_queue *vq = &nic->queue[index].vq;
    size_t part[2], need;
    int err = vdrv_driver_add_queue(&nic->drv, &qcfg);

    if (err != VDRV_OK)
        return err;
    need = queue_work(vq->hal, vq->size, chain, part);
    if (*left < need)
        return too_small(nic, need);
    side->header_next = (uint16_t *)(void *)(*work + part[0]);
    side->segs = (struct vdrv_seg *)(void *)(*work + part[1]);
    for (uint32_t i = 0; i < vq->size; i++)
        side->header_next[i] = (uint16_t)(i + 1 < vq->size ? i + 1 : NO_HEADER);
    side->header_free = 0;
    *work += need;
    *left -= need;
    return VDRV_OK;
}

/* 5.1.2: behind all pairs that the device has, however many are used. */
static int make_control(struct vdrv_virtio_net *nic,
                        const struct vdrv_virtio_net_config *cfg, uint8_t *work,
                        size_t left)
{
    const uint32_t queue = vdrv__net_control_queue(nic);
    const struct vdrv_queue_config qcfg = {
        .index = nic->control.index,
        .size = CONTROL_ENTRIES,
        .vector = vdrv_driver_vector_of(&nic->drv, queue),
        .packed = cfg->packed,
        .in_order = cfg->in_order,
        .work = work,
        .work_size = left,
    };
    const int err = vdrv_driver_add_queue(&nic->drv, &qcfg);

    if (err == VDRV_OK && nic->queue[queue].vq.size < CONTROL_LEAST) {
        vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                           "the control queue is too small for a command",
                           NULL);
        return VDRV_ERR_UNSUPPORTED;
    }
    if (err != VDRV_ERR_NO_DEVICE)
        return err;
    vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                       "the device has no control queue where it says", NULL);
    return VDRV_ERR_PROTOCOL;
}

/* The headers of all queues, and the commands, are one allocation. */
static int make_headers(struct vdrv_virtio_net *nic)
{
    const struct vdrv_hal *hal = nic->drv.hal;
    size_t at = 0;

    for (uint32_t i = 0; i < 2u * nic->pairs; i++)
        nic->shared_size += HEADER_STRIDE * (size_t)nic->queue[i].vq.size;
    if (nic->control.index != 0)
        nic->shared_size += CONTROL_SIZE;
    nic->shared =
        hal->dma_alloc(hal->ctx, nic->shared_size, HEADER_STRIDE, UINT64_MAX,
                       nic->queue[0].vq.dma_flags, &nic->shared_dma);
    if (nic->shared == NULL) {
        const uint64_t told = nic->shared_size;

        vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc has no memory; bytes:", &told);
        return VDRV_ERR_NO_MEMORY;
    }
    if (((uintptr_t)nic->shared & 1u) != 0 ||
        nic->shared_dma + nic->shared_size < nic->shared_dma) {
        vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                           "dma_alloc answered an address that is misaligned "
                           "or too high:",
                           &nic->shared_dma);
        return VDRV_ERR_INVALID;
    }
    memset(nic->shared, 0, nic->shared_size);
    for (uint32_t i = 0; i < 2u * nic->pairs; i++) {
        struct vdrv_virtio_net_side *side =
            (i & 1u) != 0 ? &nic->tx[i / 2u] : &nic->rx[i / 2u];

        side->headers = nic->shared + at;
        side->headers_dma = nic->shared_dma + at;
        at += HEADER_STRIDE * (size_t)nic->queue[i].vq.size;
    }
    nic->control.shared = nic->shared + at;
    nic->control.dma = nic->shared_dma + at;
    return VDRV_OK;
}

static void free_headers(struct vdrv_virtio_net *nic,
                         const struct vdrv_hal *hal)
{
    if (nic->shared != NULL)
        hal->dma_free(hal->ctx, nic->shared, nic->shared_dma, nic->shared_size,
                      nic->queue[0].vq.dma_flags);
    nic->shared = NULL;
}

/* Entries that a frame of one part takes at most: header, frame, its pages. */
static uint32_t tx_need(const struct vdrv_virtio_net *nic,
                        const struct vdrv_queue *vq)
{
    uint32_t need = 2;

    if (nic->drv.hal->dma_map != NULL)
        need += (nic->info.max_frame + PAGE - 1) / PAGE;
    if (need <= vq->indirect)
        return 1;
    return need < vq->size ? need : vq->size;
}

/* 5.1.2: how many pairs there will be, and where the control queue is. */
static void count_queues(struct vdrv_virtio_net *nic,
                         const struct vdrv_virtio_net_config *cfg)
{
    const uint32_t wanted = pairs_of(cfg), have = nic->info.max_pairs;

    nic->pairs = wanted < have ? wanted : have;
    if (vdrv_feature(nic->drv.features, VIRTIO_NET_F_CTRL_VQ)) {
        nic->ctrl = cfg->ctrl;
        nic->control.index = 2u * have;
    }
    nic->control.pairs = nic->pairs;
    nic->control.offloads = vdrv__net_offload_features(
        nic->info.offloads & RX_WANTED & ~VDRV_NET_CAN_RX_HASH);
}

/* 5.1.4: what the device is, before anything is made to fit it. */
static int learn(struct vdrv_virtio_net *nic,
                 const struct vdrv_virtio_net_config *cfg)
{
    uint8_t config[VIRTIO_NET_CFG_SIZE];
    const char *why = "";
    int err = read_config(&nic->drv, config);

    if (err != VDRV_OK)
        return err;
    memcpy(nic->mac, cfg->mac, VDRV_NET_MAC_SIZE);
    err = vdrv__net_validate_config(config, nic->drv.features, &nic->info,
                                    nic->mac, &why);
    if (err == VDRV_OK && !vdrv__net_mac_valid(nic->mac)) {
        why = "the device has no address, and config.mac is zero";
        err = VDRV_ERR_UNSUPPORTED;
    }
    nic->link = nic->info.link_up;
    nic->header_len = nic->info.header_len;
    nic->legacy = (nic->drv.transport->flags & VDRV_TRANSPORT_LEGACY) != 0;
    nic->own_header = nic->legacy != 0 &&
                      !vdrv_feature(nic->drv.features, VIRTIO_F_ANY_LAYOUT);
    nic->tx_frame_max = vdrv_feature(nic->drv.features, VIRTIO_NET_F_MTU)
                            ? nic->info.max_frame /* 5.1.4.2 */
                            : ANY_FRAME;
    nic->hash = (nic->info.offloads & VDRV_NET_CAN_RX_HASH) != 0;
    nic->tx_gso = (nic->info.offloads & VDRV__NET_TX_GSO) != 0;
    nic->plain = nic->own_header == 0 && nic->drv.hal->dma_sync == NULL &&
                 nic->header_len == VIRTIO_NET_HDR_SIZE;
    nic->rx_plain = nic->plain != 0 ? nic->info.rx_buf_min : UINT32_MAX;
    if (nic->plain != 0 && nic->tx_gso == 0)
        nic->tx_plain = nic->tx_frame_max - VDRV_NET_HEADER_SIZE + 1u;
    count_queues(nic, cfg);
    for (uint32_t i = 0; err == VDRV_OK && i < nic->pairs; i++) {
        if (cfg->rx_pool[i] != NULL &&
            cfg->rx_pool[i]->frame < nic->info.rx_buf_min) {
            why = "pool buffers are smaller than the device's frames";
            err = VDRV_ERR_INVALID;
        }
    }
    if (err != VDRV_OK)
        vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR, why, NULL);
    return err;
}

/* The rest of what a user wants to know depends on the queues. */
static void describe(struct vdrv_virtio_net *nic,
                     const struct vdrv_virtio_net_config *cfg)
{
    const struct vdrv_queue *rx = &nic->queue[0].vq, *tx = &nic->queue[1].vq;
    struct vdrv_net_info *info = &nic->info;

    info->pairs = 1; /* until it runs */
    info->max_pairs = nic->pairs;
    info->max_segs = max_segs_of(cfg);
    if (info->max_segs >= tx->size)
        info->max_segs = tx->size > 1 ? tx->size - 1 : 1;
    info->dma_align = nic->drv.hal->dma_align > 1 ? nic->drv.hal->dma_align : 1;
    info->rx_queue_size = vdrv_queue_depth(rx, cfg->rx_headroom ? 1 : 2);
    info->tx_queue_size = vdrv_queue_depth(tx, 2);
    nic->tx_need = tx_need(nic, tx);
}

static int bring_up(struct vdrv_virtio_net *nic,
                    const struct vdrv_virtio_net_config *cfg)
{
    uint8_t *work = cfg->work;
    size_t left = cfg->work_size;
    int err = learn(nic, cfg);

    if (err != VDRV_OK)
        return err;
    vdrv_driver_use_vectors(&nic->drv, nic->vector, cfg->vectors,
                            2u * nic->pairs + (nic->control.index != 0));
    for (uint32_t i = 0; err == VDRV_OK && i < nic->pairs; i++) {
        nic->rx[i].pool = cfg->rx_pool[i];
        nic->tx[i].pool = cfg->tx_pool[i];
        err = make_queue(nic, cfg, vdrv_net_rx_queue(i), &nic->rx[i], &work,
                         &left);
        if (err == VDRV_OK)
            err = make_queue(nic, cfg, vdrv_net_tx_queue(i), &nic->tx[i], &work,
                             &left);
    }
    if (err == VDRV_OK && nic->control.index != 0)
        err = make_control(nic, cfg, work, left);
    if (err == VDRV_OK)
        err = make_headers(nic);
    if (err != VDRV_OK)
        return err;
    describe(nic, cfg);
    if (nic->info.rx_queue_size == 0 || nic->info.tx_queue_size == 0) {
        vdrv_transport_log(nic->drv.transport, VDRV_LOG_ERROR,
                           "a queue has no room for a header and a frame",
                           NULL);
        return VDRV_ERR_UNSUPPORTED;
    }
    return vdrv_driver_run(&nic->drv);
}

int vdrv_virtio_net_init_sized(struct vdrv_virtio_net *nic,
                               struct vdrv_transport *t,
                               const struct vdrv_virtio_net_config *cfg,
                               uint32_t api_level, size_t nic_size,
                               size_t cfg_size)
{
    uint64_t wanted[2], required[2];
    int err;

    if (nic == NULL || t == NULL || cfg == NULL ||
        api_level != VDRV_API_LEVEL || nic_size != sizeof(*nic) ||
        cfg_size != sizeof(*cfg) || (cfg->mac[0] & 1u) != 0)
        return VDRV_ERR_INVALID;
    if (t->device_id != VDRV_VIRTIO_NET_ID)
        return VDRV_ERR_NO_DEVICE;
    if (t->claimed != 0) /* perhaps by this very object */
        return VDRV_ERR_BUSY;
    memset(nic, 0, sizeof(*nic));
    choose_features(cfg, wanted, required);
    vdrv_driver_allow_legacy(t, wanted, required);
    err = vdrv_driver_begin(&nic->drv, &nic->net.dev, t, &net_class, nic->queue,
                            MAX_QUEUES, cfg->timeout_us, wanted, required);
    if (err != VDRV_OK)
        return err;
    nic->drv.queue_reset = cfg->queue_reset;
    vdrv_net_setup(&nic->net, &net_ops);
    err = bring_up(nic, cfg);
    if (nic->control.index != 0)
        vdrv_net_setup(&nic->net, &nic->ctrl->ops);
    if (err != VDRV_OK) {
        err = vdrv_driver_abandon(&nic->drv, err);
        if (err != VDRV_ERR_STUCK)
            free_headers(nic, t->hal);
    }
    return err;
}

int vdrv_virtio_net_fini(struct vdrv_virtio_net *nic)
{
    const struct vdrv_hal *hal;
    int err;

    if (nic == NULL)
        return VDRV_ERR_INVALID;
    hal = nic->drv.hal;
    err = vdrv_driver_fini(&nic->drv);
    if (err == VDRV_OK && hal != NULL)
        free_headers(nic, hal);
    return err;
}
