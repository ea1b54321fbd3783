/* SPDX-License-Identifier: MIT */
/*
 * What a queue can say of itself: its counters, and its state in the words of
 * QEMU's "info virtio-queue-status", to be laid beside what that prints.
 */
#include <virtio_drv/queue.h>

void vdrv_queue_get_stats(const struct vdrv_queue *q,
                          struct vdrv_queue_stats *out)
{
    const uint32_t now = (uint16_t)(q->avail_idx - q->used_idx);

    *out = q->stats;
    out->completions += q->avail_idx - now;
    if (now > out->most)
        out->most = now;
}

struct line {
    const char *name;
    uint64_t value;
};

static void print(const struct vdrv_queue *q, const struct line *line,
                  uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        vdrv_transport_log(q->transport, VDRV_LOG_INFO, line[i].name,
                           &line[i].value);
}

#define COUNT(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))

/* The device's last_avail_idx and signalled_used are for it to tell. */
static void print_state(const struct vdrv_queue *q)
{
    const struct line line[] = {
        {"queue_index:", q->index},
        {"  inuse:", (uint16_t)(q->published - q->used_idx)},
        {"  used_idx:", q->used_idx},
        {"  shadow_avail_idx:", q->published},
        {"  added, not published:", (uint16_t)(q->avail_idx - q->published)},
        {"  broken:", (uint64_t)(int64_t)q->error},
        {"  VRing: num:", q->size},
        {"  desc:", q->area_dma},
        {"  avail:", q->area_dma + (uint64_t)((const uint8_t *)q->driver -
                                              (const uint8_t *)q->desc)},
        {"  used:", q->area_dma + (uint64_t)((const uint8_t *)q->device -
                                             (const uint8_t *)q->desc)},
        {"  features:", q->transport->features[0]},
    };

    vdrv_transport_log(q->transport, VDRV_LOG_INFO, q->kind->name, NULL);
    print(q, line, COUNT(line));
}

void vdrv_queue_dump(const struct vdrv_queue *q)
{
    struct vdrv_queue_stats s;

    if (q == NULL || q->desc == NULL)
        return;
    print_state(q);
    vdrv_queue_get_stats(q, &s);
    {
        const struct line line[] = {
            {"  kicks:", s.kicks},
            {"  suppressed:", s.suppressed},
            {"  last kick:", q->published},
            {"  completions:", s.completions},
            {"  full:", s.full},
            {"  most out:", s.most},
            {"  bad_len:", s.bad_len},
            {"  errors:", s.errors},
        };

        print(q, line, COUNT(line));
    }
}
