/* SPDX-License-Identifier: MIT */
/*
 * The life cycle that all transports share (VirtIO 1.4, 3.1), feature
 * arithmetic, and reading the device configuration in one piece (2.5).
 */
#include <virtio_drv/transport.h>

#include "../core/bytes.h"
#include "../core/wait.h"
#include "../spec/virtio_config.h"

/* Status is 8 bits wide; a vanished PCI function reads as all ones. */
#define STATUS_MASK 0xffu
#define STATUS_GONE 0xffu

#define CONFIG_ATTEMPTS 16

static uint32_t read_status(struct vdrv_transport *t)
{
    return t->ops->read_status(t) & STATUS_MASK;
}

static int health(uint32_t status)
{
    if (status == STATUS_GONE)
        return VDRV_ERR_NO_DEVICE;
    /* 2.1.1: after FAILED, whoever set it, only a reset goes on. */
    if ((status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)) != 0)
        return VDRV_ERR_BAD_STATE;
    return VDRV_OK;
}

/* 2.1.1: adds a bit, never takes one away. */
static int advance(struct vdrv_transport *t, uint32_t bit)
{
    const uint32_t status = read_status(t);
    const int err = health(status);

    if (err == VDRV_OK)
        t->ops->write_status(t, status | bit);
    return err;
}

void vdrv_features_close(uint64_t set[2], const struct vdrv_feature_rule *rule,
                         uint32_t nrules)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < nrules; i++) {
            const struct vdrv_feature_rule *r = &rule[i];

            if (vdrv_feature(set, r->bit) && !vdrv_feature(set, r->needs) &&
                !vdrv_feature(set, r->or_needs)) {
                set[r->bit >> 6] &= ~(UINT64_C(1) << (r->bit & 63u));
                changed = true;
            }
        }
    }
}

/*
 * 6.1: with ACCESS_PLATFORM a device address is what the platform says it is.
 * Without anybody to ask for one, a wrong address is not tried.
 */
static int check_platform(struct vdrv_transport *t)
{
    int err;

    if (!vdrv_feature(t->features, VIRTIO_F_ACCESS_PLATFORM) ||
        t->hal->dma_map != NULL || t->hal->direct_platform != 0)
        return VDRV_OK;
    err = health(read_status(t)); /* one that is gone has all features */
    if (err != VDRV_OK)
        return err;
    vdrv_transport_log(t, VDRV_LOG_ERROR,
                       "the device has ACCESS_PLATFORM, and the HAL neither "
                       "dma_map nor direct_platform",
                       NULL);
    return VDRV_ERR_UNSUPPORTED;
}

/* 2.2.1: only what is offered, wanted, and complete. */
static int accept_features(struct vdrv_transport *t, const uint64_t wanted[2],
                           const uint64_t required[2],
                           const struct vdrv_feature_rule *rule,
                           uint32_t nrules)
{
    uint64_t missing[2];
    int err;

    t->ops->read_features(t, t->features);
    t->features[0] &= wanted[0];
    t->features[1] &= wanted[1];
    vdrv_features_close(t->features, rule, nrules);
    missing[0] = required[0] & ~t->features[0];
    missing[1] = required[1] & ~t->features[1];
    if (missing[0] != 0 || missing[1] != 0) {
        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "the device lacks a required feature; missing",
                           &missing[missing[0] == 0]);
        return VDRV_ERR_UNSUPPORTED;
    }
    err = check_platform(t);
    if (err == VDRV_OK)
        t->ops->write_features(t, t->features);
    return err;
}

/* 3.1.1, steps 5 and 6. */
static int confirm_features(struct vdrv_transport *t)
{
    uint32_t status;
    int err;

    if ((t->flags & VDRV_TRANSPORT_LEGACY) != 0)
        return VDRV_OK; /* 3.1.2: legacy devices have no FEATURES_OK */
    err = advance(t, VIRTIO_CONFIG_S_FEATURES_OK);
    if (err != VDRV_OK)
        return err;
    status = read_status(t);
    err = health(status);
    if (err != VDRV_OK)
        return err;
    if ((status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
        vdrv_transport_log(t, VDRV_LOG_ERROR,
                           "the device refuses the feature set",
                           &t->features[0]);
        return VDRV_ERR_UNSUPPORTED;
    }
    return VDRV_OK;
}

int vdrv_transport_begin(struct vdrv_transport *t, const uint64_t wanted[2],
                         const uint64_t required[2],
                         const struct vdrv_feature_rule *rule, uint32_t nrules)
{
    int err;

    if (t->claimed != 0)
        return VDRV_ERR_BUSY;
    /* 3.1.1, step 1: reset, and wait until it is done. */
    err = vdrv_transport_reset(t, 0);
    if (err != VDRV_OK)
        return err == VDRV_ERR_STUCK ? VDRV_ERR_TIMEOUT : err;
    t->claimed = 1;
    /* Steps 2 and 3. */
    t->ops->write_status(t, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    t->ops->write_status(t,
                         VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    /* Step 4. */
    err = accept_features(t, wanted, required, rule, nrules);
    if (err == VDRV_OK)
        err = confirm_features(t);
    if (err != VDRV_OK)
        vdrv_transport_fail(t);
    return err;
}

int vdrv_transport_ready(struct vdrv_transport *t)
{
    const int err = advance(t, VIRTIO_CONFIG_S_DRIVER_OK);

    return err != VDRV_OK ? err : vdrv_transport_health(t);
}

void vdrv_transport_fail(struct vdrv_transport *t)
{
    const uint32_t status = read_status(t);

    if (status != STATUS_GONE) /* nobody there to be told */
        t->ops->write_status(t, status | VIRTIO_CONFIG_S_FAILED);
    vdrv_transport_release(t);
}

void vdrv_transport_release(struct vdrv_transport *t)
{
    t->features[0] = 0;
    t->features[1] = 0;
    t->claimed = 0;
}

int vdrv_transport_reset(struct vdrv_transport *t, uint32_t timeout_us)
{
    struct vdrv__wait w;
    uint32_t status = read_status(t);
    bool late = false;

    if (status == STATUS_GONE)
        return VDRV_ERR_NO_DEVICE;
    t->ops->write_status(t, 0);
    vdrv__wait_begin(&w, t->hal,
                     timeout_us != 0 ? timeout_us : VDRV__RESET_TIMEOUT);
    /* 2.4.2, 4.1.4.3.2: it is done when the status reads 0. */
    for (;;) {
        status = read_status(t);
        if (status == 0)
            return VDRV_OK;
        if (status == STATUS_GONE)
            return VDRV_ERR_NO_DEVICE;
        if (late)
            break;
        late = !vdrv__wait_more(&w); /* then one last look */
    }
    vdrv_transport_log(t, VDRV_LOG_ERROR,
                       "the device does not finish its reset; it still owns "
                       "its memory",
                       NULL);
    return VDRV_ERR_STUCK;
}

/* 3.4: sets the one bit, and waits until the device has cleared the other. */
static int exchange(struct vdrv_transport *t, uint32_t set, uint32_t cleared,
                    uint32_t timeout_us)
{
    struct vdrv__wait w;
    uint32_t status;
    bool late = false;
    int err = advance(t, set);

    vdrv__wait_begin(&w, t->hal,
                     timeout_us != 0 ? timeout_us : VDRV__RESET_TIMEOUT);
    while (err == VDRV_OK) {
        status = read_status(t);
        err = health(status);
        if (err == VDRV_OK && (status & (set | cleared)) == set)
            return VDRV_OK;
        if (err == VDRV_OK && late)
            err = VDRV_ERR_TIMEOUT;
        late = !vdrv__wait_more(&w); /* then one last look */
    }
    return err;
}

int vdrv_transport_suspend(struct vdrv_transport *t, uint32_t timeout_us)
{
    return exchange(t, VIRTIO_CONFIG_S_SUSPEND, VIRTIO_CONFIG_S_DRIVER_OK,
                    timeout_us);
}

int vdrv_transport_resume(struct vdrv_transport *t, uint32_t timeout_us)
{
    return exchange(t, VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_SUSPEND,
                    timeout_us);
}

int vdrv_transport_health(struct vdrv_transport *t)
{
    return health(read_status(t));
}

static bool field_fits(const struct vdrv_config_field *f, uint32_t size)
{
    return (uint32_t)f->offset + (uint32_t)f->width * f->count <= size;
}

/*
 * The lower half of a 64-bit field comes first, but in the CPU's own order on
 * a big-endian one (2.5.3).
 */
static uint32_t half(const struct vdrv_transport *t,
                     const struct vdrv_config_field *f, uint32_t off)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (f->width > 4 && (t->flags & VDRV_TRANSPORT_LEGACY) != 0)
        return f->offset + ((off - f->offset) ^ 4u);
#endif
    (void)t;
    (void)f;
    return off;
}

/* Answers whether the image was the same before. */
static bool read_field(struct vdrv_transport *t,
                       const struct vdrv_config_field *f, uint8_t *image)
{
    /* 4.1.3.1, 4.2.2.2: a field wider than 32 bits is read as two. */
    const uint32_t width = f->width > 4 ? 4 : f->width;
    const uint32_t end = (uint32_t)f->offset + (uint32_t)f->width * f->count;
    bool same = true;

    for (uint32_t off = f->offset; off < end; off += width) {
        const uint32_t v = t->ops->config_read(t, off, width);
        uint8_t *p = image + half(t, f, off);

        for (uint32_t i = 0; i < width; i++) {
            same = same && p[i] == (uint8_t)(v >> (8 * i));
            p[i] = (uint8_t)(v >> (8 * i));
        }
    }
    return same;
}

static bool read_fields(struct vdrv_transport *t,
                        const struct vdrv_config_field *field, uint32_t n,
                        uint8_t *image)
{
    bool same = true;

    for (uint32_t i = 0; i < n; i++)
        same = read_field(t, &field[i], image) && same;
    return same;
}

static int check_fields(const struct vdrv_transport *t,
                        const struct vdrv_config_field *field, uint32_t n,
                        uint32_t image_size)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!field_fits(&field[i], image_size))
            return VDRV_ERR_INVALID;
        if (!field_fits(&field[i], t->config_size)) {
            const uint64_t off = field[i].offset;

            vdrv_transport_log(t, VDRV_LOG_ERROR,
                               "device configuration too short for the field "
                               "at",
                               &off);
            return VDRV_ERR_PROTOCOL;
        }
    }
    return VDRV_OK;
}

static uint32_t generation(struct vdrv_transport *t)
{
    return t->ops->generation != NULL ? t->ops->generation(t) : 0;
}

int vdrv_transport_config(struct vdrv_transport *t,
                          const struct vdrv_config_field *field,
                          uint32_t nfields, uint8_t *image, uint32_t image_size)
{
    uint32_t before, after = generation(t);
    const int err = check_fields(t, field, nfields, image_size);

    if (err != VDRV_OK)
        return err;
    for (int attempt = 0; attempt < CONFIG_ATTEMPTS; attempt++) {
        bool same;

        before = after;
        same = read_fields(t, field, nfields, image);
        after = generation(t);
        /* 2.5.1; and 2.5.4, of a legacy device: twice the same. */
        if (t->ops->generation != NULL ? before == after : same && attempt > 0)
            return VDRV_OK;
    }
    vdrv_transport_log(t, VDRV_LOG_WARN,
                       "the device configuration keeps changing", NULL);
    return VDRV_ERR_AGAIN;
}

int vdrv_transport_shared_memory(struct vdrv_transport *t, uint32_t id,
                                 struct vdrv_shared_memory *out)
{
    int err;

    if (t == NULL || out == NULL)
        return VDRV_ERR_INVALID;
    *out = (struct vdrv_shared_memory){0, 0};
    if (t->ops->shared_memory == NULL)
        return VDRV_ERR_UNSUPPORTED;
    err = t->ops->shared_memory(t, id, out);
    if (err != VDRV_OK)
        *out = (struct vdrv_shared_memory){0, 0};
    return err;
}
