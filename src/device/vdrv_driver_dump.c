/* SPDX-License-Identifier: MIT */
/* What a driver's queues can say of themselves. */
#include <virtio_drv/driver.h>

#include "../core/barrier.h"
#include "../core/mem.h"

void vdrv_driver_get_stats(const struct vdrv_driver *drv, uint32_t queue,
                           struct vdrv_driver_stats *out)
{
    const struct vdrv_driver_queue *dq;
    uint32_t v;

    memset(out, 0, sizeof(*out));
    if (drv->transport == NULL || queue >= drv->made)
        return;
    dq = &drv->queue[queue];
    v = drv->use_vectors != 0 ? dq->vq.vector : 0;
    vdrv_queue_get_stats(&dq->vq, &out->ring);
    out->interrupts = vdrv__counted(&drv->vector[v].queue);
    out->spurious = dq->spurious;
}

void vdrv_driver_dump(const struct vdrv_driver *drv)
{
    struct vdrv_driver_stats s;

    for (uint32_t i = 0; drv->transport != NULL && i < drv->made; i++) {
        uint64_t interrupts, spurious;

        vdrv_queue_dump(&drv->queue[i].vq);
        vdrv_driver_get_stats(drv, i, &s);
        interrupts = s.interrupts;
        spurious = s.spurious;
        vdrv_transport_log(drv->transport, VDRV_LOG_INFO,
                           "  interrupts:", &interrupts);
        vdrv_transport_log(drv->transport, VDRV_LOG_INFO,
                           "  spurious:", &spurious);
    }
}
