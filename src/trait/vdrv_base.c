/* SPDX-License-Identifier: MIT */
/* The wrappers of the base trait: see base.h. */
#include <virtio_drv/base.h>

static bool lacks(const struct vdrv_device *dev)
{
    return dev == NULL || dev->ops == NULL;
}

const char *vdrv_device_name(const struct vdrv_device *dev)
{
    if (lacks(dev) || dev->ops->device_name == NULL)
        return "";
    return dev->ops->device_name(dev);
}

uint32_t vdrv_device_type(const struct vdrv_device *dev)
{
    if (lacks(dev) || dev->ops->device_type == NULL)
        return UINT32_MAX;
    return dev->ops->device_type(dev);
}

int vdrv_identify(const struct vdrv_device *dev, struct vdrv_identity *out)
{
    if (lacks(dev) || out == NULL)
        return VDRV_ERR_INVALID;
    if (dev->ops->identify == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->identify(dev, out);
}

uint32_t vdrv_irq(struct vdrv_device *dev, uint32_t vector)
{
    if (lacks(dev) || dev->ops->irq == NULL)
        return 0;
    return dev->ops->irq(dev, vector);
}

int vdrv_poll(struct vdrv_device *dev, uint32_t queue, uint32_t budget)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->poll == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->poll(dev, queue, budget);
}

int vdrv_arm(struct vdrv_device *dev, uint32_t queue, uint32_t mode)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->arm == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->arm(dev, queue, mode);
}

int vdrv_stop(struct vdrv_device *dev)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->stop == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->stop(dev);
}

int vdrv_start(struct vdrv_device *dev)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->start == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->start(dev);
}

int vdrv_reset(struct vdrv_device *dev)
{
    const int err = vdrv_stop(dev);

    return err != VDRV_OK ? err : vdrv_start(dev);
}

int vdrv_refresh(struct vdrv_device *dev, uint32_t *changes)
{
    uint32_t ignored = 0;

    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->refresh == NULL)
        return VDRV_ERR_UNSUPPORTED;
    if (changes == NULL)
        changes = &ignored;
    *changes = 0;
    return dev->ops->refresh(dev, changes);
}

int vdrv_reset_queue(struct vdrv_device *dev, uint32_t queue)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->reset_queue == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->reset_queue(dev, queue);
}

int vdrv_suspend(struct vdrv_device *dev)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->suspend == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->suspend(dev);
}

int vdrv_resume(struct vdrv_device *dev)
{
    if (lacks(dev))
        return VDRV_ERR_INVALID;
    if (dev->ops->resume == NULL)
        return VDRV_ERR_UNSUPPORTED;
    return dev->ops->resume(dev);
}
