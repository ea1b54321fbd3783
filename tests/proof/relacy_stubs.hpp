// SPDX-License-Identifier: MIT
//
// What the ring layouts want of vdrv_queue.c, for the models: a doorbell that
// counts, and nothing that maps.
#ifndef VDRV_RELACY_STUBS_HPP
#define VDRV_RELACY_STUBS_HPP

static unsigned doorbells;

int vdrv__queue_notify(struct vdrv_queue *)
{
    doorbells++;
    return 1;
}

int vdrv__queue_notify_data(struct vdrv_queue *, uint32_t)
{
    doorbells++;
    return 1;
}

uint32_t vdrv__queue_ahead(uint32_t, uint32_t)
{
    return 0;
}

int vdrv__queue_protocol(struct vdrv_queue *, const char *)
{
    return VDRV_ERR_PROTOCOL;
}

int vdrv__queue_refuse(struct vdrv_queue *, uint64_t)
{
    return VDRV_ERR_AGAIN;
}

int vdrv__queue_framed_in(struct vdrv_queue *, const struct vdrv_seg *, uint64_t,
                          void *)
{
    return VDRV_ERR_INVALID;
}

int vdrv__queue_framed_out(struct vdrv_queue *, const struct vdrv_seg *,
                           uint64_t, void *)
{
    return VDRV_ERR_INVALID;
}

int vdrv__queue_map_run(const struct vdrv_queue *, const struct vdrv_seg *,
                        uint32_t, uint32_t, struct vdrv_queue_map *)
{
    return VDRV_ERR_INVALID;
}

void vdrv__queue_unmap(const struct vdrv_queue *, const struct vdrv_queue_map *)
{
}

int vdrv__queue_next_run(const struct vdrv_queue *, struct vdrv__runs *)
{
    return VDRV_ERR_INVALID;
}

int vdrv__queue_map_table(struct vdrv_queue *, uint32_t, struct vdrv__runs *)
{
    return VDRV_ERR_INVALID;
}

bool vdrv__queue_unmap_table(struct vdrv_queue *, uint32_t)
{
    return false;
}

int vdrv__queue_bad_used(struct vdrv_queue *, uint32_t good)
{
    return good > 0 ? (int)good : VDRV_ERR_PROTOCOL;
}

// Runs a model, when it is the one that is asked for; does it hold?
template <class T> static bool holds(const char *wanted, const char *name)
{
    rl::test_params p;

    if (std::strcmp(wanted, name) != 0)
        return false;
    p.search_type = rl::sched_full;
    p.iteration_count = 2000000;
    return rl::simulate<T>(p);
}

#endif
