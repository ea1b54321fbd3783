/* SPDX-License-Identifier: MIT */
/*
 * The frame under the device drivers: see driver.h.  The states are the
 * device's, as the driver knows it: RUNNING, then FAILED when something was
 * latched, HALTED or STOPPED once a reset was confirmed, STUCK when it was
 * not.
 */
#include <virtio_drv/driver.h>

#include "../core/barrier.h"
#include "../core/mem.h"
#include "../core/wait.h"
#include "../spec/virtio_config.h"

#define DEFAULT_TIMEOUT 30000000u /* us: what disks may take */
#define BURST           16u
#define IDLE_POLLS      65536u /* before the first look at the status */

static uint32_t state_of(const struct vdrv_driver *drv)
{
    return vdrv__counted(&drv->state);
}

static void set_state(struct vdrv_driver *drv, uint32_t state)
{
    vdrv__status_set((int32_t *)&drv->state, (int32_t)state);
}

/* ---- Failing ------------------------------------------------------------ */

static void latch(struct vdrv_driver *drv, int err, uint32_t state)
{
    if (vdrv__status_get(&drv->latched) == VDRV_OK)
        vdrv__status_set(&drv->latched, err);
    set_state(drv, state);
    vdrv__count(&drv->epoch);
}

void vdrv_driver_fail(struct vdrv_driver *drv, int err)
{
    if (state_of(drv) == VDRV_DRIVER_RUNNING)
        latch(drv, err, VDRV_DRIVER_FAILED);
}

/* Every chain of a queue ends, once the device is known to be reset. */
static void drain(struct vdrv_driver *drv, uint32_t queue)
{
    struct vdrv_driver_queue *dq = &drv->queue[queue];
    void *cookie;

    vdrv_queue_break(&dq->vq, VDRV_ERR_BAD_STATE);
    dq->busy++;
    while (vdrv_queue_drain(&dq->vq, &cookie))
        drv->cls->complete(drv, queue, cookie, 0, VDRV_ERR_ABORTED);
    dq->busy--;
}

/* What calls answer while it does not run. */
static int idle_code(const struct vdrv_driver *drv)
{
    const int err = vdrv__status_get(&drv->latched);

    if (state_of(drv) == VDRV_DRIVER_STUCK)
        return VDRV_ERR_STUCK;
    return err != VDRV_OK ? err : VDRV_ERR_BAD_STATE;
}

int vdrv_driver_check(struct vdrv_driver *drv, uint32_t queue)
{
    uint32_t state;

    if (drv->transport == NULL || queue >= drv->made)
        return drv->transport == NULL ? VDRV_ERR_BAD_STATE : VDRV_ERR_INVALID;
    if (vdrv__counted(&drv->epoch) == drv->queue[queue].epoch)
        return VDRV_OK;
    state = state_of(drv);
    /* Not from inside a callback: they would nest as deep as the queue. */
    if (drv->queue[queue].busy == 0 &&
        (state == VDRV_DRIVER_HALTED || state == VDRV_DRIVER_STOPPED))
        drain(drv, queue);
    return idle_code(drv);
}

/* ---- Bringing it up ----------------------------------------------------- */

/* 6.3, 6.1. */
void vdrv_driver_allow_legacy(const struct vdrv_transport *t,
                              uint64_t wanted[2], uint64_t required[2])
{
    if ((t->flags & VDRV_TRANSPORT_LEGACY) == 0)
        return;
    wanted[0] |= UINT64_C(1) << VIRTIO_F_ANY_LAYOUT;
    required[0] &= ~(UINT64_C(1) << VIRTIO_F_VERSION_1);
}

int vdrv_driver_begin(struct vdrv_driver *drv, struct vdrv_device *dev,
                      struct vdrv_transport *t,
                      const struct vdrv_driver_class *cls,
                      struct vdrv_driver_queue *queue, uint32_t nqueues,
                      uint32_t timeout_us, const uint64_t wanted[2],
                      const uint64_t required[2])
{
    int err;

    if (t->claimed != 0)
        return VDRV_ERR_BUSY;
    memset(drv, 0, sizeof(*drv));
    err = vdrv_transport_begin(t, wanted, required, cls->rule, cls->nrules);
    if (err != VDRV_OK)
        return err;
    drv->transport = t;
    drv->hal = t->hal;
    drv->cls = cls;
    drv->dev = dev;
    drv->queue = queue;
    drv->nqueues = nqueues;
    drv->vector = &drv->line;
    drv->nvectors = 1;
    drv->timeout_us = timeout_us != 0 ? timeout_us : DEFAULT_TIMEOUT;
    drv->features[0] = t->features[0];
    drv->features[1] = t->features[1];
    return VDRV_OK;
}

void vdrv_driver_use_vectors(struct vdrv_driver *drv,
                             struct vdrv_driver_vector *vector, uint32_t wanted,
                             uint32_t nqueues)
{
    const uint32_t have = drv->transport->vectors;
    uint32_t n = wanted < have ? wanted : have;

    n = n < nqueues + 1 ? n : nqueues + 1;
    if (n == 0)
        return;
    memset(vector, 0, sizeof(*vector) * n);
    drv->vector = vector;
    drv->nvectors = n;
    drv->use_vectors = 1;
    drv->mixed = n == 1;
}

uint32_t vdrv_driver_vector_of(const struct vdrv_driver *drv, uint32_t queue)
{
    if (drv->use_vectors == 0)
        return VDRV_NO_VECTOR;
    return drv->nvectors == 1 ? 0 : 1 + queue % (drv->nvectors - 1);
}

/* 4.1.5.1.2.1: a refused vector is not the end, if another can be shared. */
static int share_vector(struct vdrv_driver *drv, struct vdrv_queue *vq)
{
    vq->vector = 0;
    drv->mixed = 1;
    return vdrv_queue_restart(vq);
}

int vdrv_driver_add_queue(struct vdrv_driver *drv,
                          const struct vdrv_queue_config *cfg)
{
    struct vdrv_driver_queue *dq;
    int err;

    if (drv->made >= drv->nqueues || cfg->index < drv->made)
        return VDRV_ERR_INVALID;
    dq = &drv->queue[drv->made];
    dq->epoch = 0;
    dq->config_seen = 0;
    dq->busy = 0;
    dq->watched = NULL;
    dq->irq_seen = 0;
    dq->spurious = 0;
    dq->vq.desc = NULL;
    err = vdrv_queue_init(&dq->vq, drv->transport, cfg);
    if (err == VDRV_ERR_UNSUPPORTED && dq->vq.desc != NULL &&
        drv->use_vectors != 0 && cfg->vector != 0)
        err = share_vector(drv, &dq->vq);
    if (dq->vq.desc != NULL)
        drv->made++; /* the device may have been told: undone by a reset */
    return err;
}

/* 3.1.1, step 8, and what the class does then. */
static int run(struct vdrv_driver *drv)
{
    struct vdrv_transport *t = drv->transport;
    int err = VDRV_OK;

    if (drv->use_vectors != 0 && t->ops->config_vector != NULL)
        err = t->ops->config_vector(t, 0);
    if (err != VDRV_OK)
        return err;
    /* Before the device may ask for help, or its first cry would be missed. */
    for (uint32_t i = 0; i < drv->made; i++)
        drv->queue[i].config_seen = vdrv__counted(&drv->vector[0].config);
    err = vdrv_transport_ready(t);
    if (err != VDRV_OK)
        return err;
    drv->latched = VDRV_OK;
    for (uint32_t i = 0; i < drv->made; i++)
        drv->queue[i].epoch = drv->epoch;
    set_state(drv, VDRV_DRIVER_RUNNING);
    if (drv->cls->started == NULL)
        return VDRV_OK;
    drv->starting = 1;
    err = drv->cls->started(drv);
    drv->starting = 0;
    return err;
}

int vdrv_driver_run(struct vdrv_driver *drv)
{
    return run(drv);
}

/* The registers of a device that is gone make no sense: say why. */
static int diagnose(struct vdrv_transport *t, int err)
{
    if (vdrv_transport_health(t) == VDRV_ERR_NO_DEVICE)
        return VDRV_ERR_NO_DEVICE;
    return err;
}

int vdrv_driver_abandon(struct vdrv_driver *drv, int err)
{
    struct vdrv_transport *t = drv->transport;
    int reset = VDRV_OK;

    if (t == NULL)
        return err;
    err = diagnose(t, err);
    /* 2.4.2: while a reset is not over, nothing else is written. */
    if (state_of(drv) == VDRV_DRIVER_STUCK)
        vdrv_transport_release(t);
    else
        vdrv_transport_fail(t);
    if (drv->made > 0)
        reset = vdrv_transport_reset(t, 0);
    if (reset == VDRV_ERR_STUCK) {
        set_state(drv, VDRV_DRIVER_STUCK);
        t->claimed = 1; /* fini has to reset it, and nobody else's device */
        return VDRV_ERR_STUCK;
    }
    set_state(drv, VDRV_DRIVER_STOPPED);
    for (uint32_t i = 0; i < drv->made; i++) {
        drain(drv, i);
        vdrv_queue_fini(&drv->queue[i].vq);
    }
    drv->made = 0;
    drv->transport = NULL;
    return err;
}

int vdrv_driver_fini(struct vdrv_driver *drv)
{
    int err;

    if (drv->transport == NULL)
        return VDRV_OK;
    err = vdrv_driver_stop(drv);
    if (err != VDRV_OK)
        return err;
    for (uint32_t i = 0; i < drv->made; i++)
        vdrv_queue_fini(&drv->queue[i].vq);
    vdrv_transport_release(drv->transport);
    drv->made = 0;
    drv->transport = NULL;
    return VDRV_OK;
}

/* ---- Stop and start ----------------------------------------------------- */

static bool in_callback(const struct vdrv_driver *drv)
{
    for (uint32_t i = 0; i < drv->made; i++) {
        if (drv->queue[i].busy != 0)
            return true;
    }
    return false;
}

int vdrv_driver_stop(struct vdrv_driver *drv)
{
    int err;

    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if (in_callback(drv))
        return VDRV_ERR_BUSY;
    if (state_of(drv) != VDRV_DRIVER_STOPPED) {
        err = vdrv_transport_reset(drv->transport, 0);
        if (err == VDRV_ERR_STUCK) {
            latch(drv, VDRV_ERR_STUCK, VDRV_DRIVER_STUCK);
            return VDRV_ERR_STUCK;
        }
        /* A device that is gone owns nothing any more: NO_DEVICE is fine. */
    }
    if (drv->latched == VDRV_ERR_STUCK) /* no longer: the memory is back */
        vdrv__status_set(&drv->latched, VDRV_OK);
    latch(drv, VDRV_ERR_BAD_STATE, VDRV_DRIVER_STOPPED);
    for (uint32_t i = 0; i < drv->made; i++)
        drain(drv, i);
    return VDRV_OK;
}

/* The staircase of 3.1.1 again, on the same memory. */
static int restart(struct vdrv_driver *drv)
{
    struct vdrv_transport *t = drv->transport;
    int err;

    vdrv_transport_release(t);
    err = vdrv_transport_begin(t, drv->features, drv->features, NULL, 0);
    if (err != VDRV_OK) {
        t->claimed = 1; /* the driver still stands on it */
        return err;
    }
    for (uint32_t i = 0; err == VDRV_OK && i < drv->made; i++)
        err = vdrv_queue_restart(&drv->queue[i].vq);
    return err == VDRV_OK ? run(drv) : err;
}

/* The bus as it was, if the device lost its power; only in [alone] calls. */
static int restore(struct vdrv_driver *drv)
{
    struct vdrv_transport *t = drv->transport;

    return t->ops->restore != NULL ? t->ops->restore(t) : VDRV_OK;
}

int vdrv_driver_start(struct vdrv_driver *drv)
{
    int err;

    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if (in_callback(drv))
        return VDRV_ERR_BUSY;
    if (state_of(drv) == VDRV_DRIVER_RUNNING)
        return VDRV_OK;
    err = vdrv_driver_stop(drv);
    if (err != VDRV_OK)
        return err;
    err = restore(drv);
    if (err == VDRV_OK)
        err = restart(drv);
    if (err != VDRV_OK) {
        err = diagnose(drv->transport, err);
        set_state(drv, VDRV_DRIVER_FAILED);
        (void)vdrv_driver_stop(drv); /* STUCK is latched */
    }
    return err;
}

/* ---- Suspend and resume (3.4) ------------------------------------------- */

/* The device did not do as it was told: it is not trusted with anything. */
static int rest_failed(struct vdrv_driver *drv, int err)
{
    int stopped;

    latch(drv, err == VDRV_ERR_TIMEOUT ? VDRV_ERR_BAD_STATE : err,
          VDRV_DRIVER_FAILED);
    if (err != VDRV_ERR_TIMEOUT)
        return err;
    stopped = vdrv_stop(drv->dev); /* the class's own */
    return stopped == VDRV_ERR_STUCK ? stopped : err;
}

int vdrv_driver_suspend(struct vdrv_driver *drv)
{
    int err;

    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if (in_callback(drv))
        return VDRV_ERR_BUSY;
    if (state_of(drv) == VDRV_DRIVER_SUSPENDED)
        return VDRV_OK;
    if (state_of(drv) != VDRV_DRIVER_RUNNING)
        return idle_code(drv);
    if (!vdrv_feature(drv->features, VIRTIO_F_SUSPEND))
        return VDRV_ERR_UNSUPPORTED;
    /* Before the device is told: from here on nobody adds or notifies. */
    set_state(drv, VDRV_DRIVER_SUSPENDED);
    vdrv__count(&drv->epoch);
    err = vdrv_transport_suspend(drv->transport, 0);
    return err == VDRV_OK ? VDRV_OK : rest_failed(drv, err);
}

int vdrv_driver_resume(struct vdrv_driver *drv)
{
    int err;

    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if (in_callback(drv))
        return VDRV_ERR_BUSY;
    if (state_of(drv) == VDRV_DRIVER_RUNNING)
        return VDRV_OK;
    if (state_of(drv) != VDRV_DRIVER_SUSPENDED)
        return idle_code(drv);
    err = vdrv_transport_resume(drv->transport, 0);
    if (err != VDRV_OK)
        return rest_failed(drv, err);
    for (uint32_t i = 0; i < drv->made; i++)
        drv->queue[i].epoch = drv->epoch;
    set_state(drv, VDRV_DRIVER_RUNNING);
    return VDRV_OK;
}

int vdrv_driver_seize(struct vdrv_driver *drv)
{
    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    drv->polled = 1;
    /* Half-made lists are not walked, not by a later stop either: nothing is
       left to drain. */
    for (uint32_t i = 0; i < drv->made; i++) {
        drv->queue[i].busy = 0;
        drv->queue[i].watched = NULL;
        drv->queue[i].vq.drained = drv->queue[i].vq.size;
    }
    if (vdrv_transport_reset(drv->transport, 0) == VDRV_ERR_STUCK) {
        latch(drv, VDRV_ERR_STUCK, VDRV_DRIVER_STUCK);
        return VDRV_ERR_STUCK;
    }
    latch(drv, VDRV_ERR_BAD_STATE, VDRV_DRIVER_STOPPED);
    return vdrv_driver_start(drv);
}

/* ---- Interrupts and polling --------------------------------------------- */

uint32_t vdrv_driver_irq(struct vdrv_driver *drv, uint32_t vector)
{
    uint32_t causes;

    if (drv->transport == NULL || vector >= drv->nvectors)
        return 0;
    causes = drv->transport->ops->irq(drv->transport, vector);
    if (vector == 0 && drv->use_vectors != 0 && drv->mixed == 0)
        causes &= VDRV_CAUSE_CONFIG;
    if ((causes & VDRV_CAUSE_QUEUE) != 0)
        vdrv__count(&drv->vector[vector].queue);
    if ((causes & VDRV_CAUSE_CONFIG) != 0)
        vdrv__count(&drv->vector[vector].config);
    return causes;
}

/* A config interrupt may mean that the device asks for a reset (2.1.2). */
static int look_at_health(struct vdrv_driver *drv)
{
    int err;

    err = vdrv_transport_health(drv->transport);
    if (err != VDRV_OK)
        vdrv_driver_fail(drv, err);
    return err;
}

static int check_config(struct vdrv_driver *drv, struct vdrv_driver_queue *dq)
{
    const uint32_t count = vdrv__counted(&drv->vector[0].config);

    if (count == dq->config_seen)
        return VDRV_OK;
    dq->config_seen = count;
    return look_at_health(drv);
}

/* Has the queue's vector interrupted since it was last asked? */
static bool was_woken(struct vdrv_driver *drv, struct vdrv_driver_queue *dq)
{
    const uint32_t v = drv->use_vectors != 0 ? dq->vq.vector : 0;
    const uint32_t count = vdrv__counted(&drv->vector[v].queue);
    const bool woken = count != dq->irq_seen;

    dq->irq_seen = count;
    return woken;
}

static void deliver(struct vdrv_driver *drv, uint32_t queue,
                    const struct vdrv_used *used, int n)
{
    struct vdrv_driver_queue *dq = &drv->queue[queue];

    dq->busy++;
    if (drv->cls->completed != NULL)
        drv->cls->completed(drv, queue, used, (uint32_t)n);
    else
        for (int i = 0; i < n; i++)
            drv->cls->complete(drv, queue, used[i].cookie, used[i].len,
                               VDRV_OK);
    dq->busy--;
}

int vdrv_driver_poll(struct vdrv_driver *drv, uint32_t queue, uint32_t budget)
{
    struct vdrv_used used[BURST];
    struct vdrv_driver_queue *dq;
    uint32_t left, done = 0;
    bool woken;
    int err = vdrv_driver_check(drv, queue), n;

    if (err != VDRV_OK)
        return err;
    dq = &drv->queue[queue];
    err = check_config(drv, dq);
    if (err != VDRV_OK)
        return err;
    if (dq->busy != 0)
        return VDRV_ERR_BUSY;
    /* Broken after good completions, which were delivered: now it counts. */
    if (dq->vq.error != VDRV_OK) {
        vdrv_driver_fail(drv, dq->vq.error);
        return dq->vq.error;
    }
    /* What is out now bounds the work, however fast the device goes on. */
    left = vdrv_queue_outstanding(&dq->vq);
    if (left > dq->vq.stats.most)
        dq->vq.stats.most = left;
    woken = was_woken(drv, dq);
    if (budget != 0 && budget < left)
        left = budget;
    while (left > 0) {
        n = vdrv_queue_reap(&dq->vq, used, left < BURST ? left : BURST);
        if (n < 0) {
            vdrv_driver_fail(drv, n);
            return done > 0 ? (int)done : n;
        }
        deliver(drv, queue, used, n);
        done += (uint32_t)n;
        left -= (uint32_t)n;
        if (n < (int)BURST)
            break;
    }
    dq->spurious += woken && done == 0;
    return (int)done;
}

int vdrv_driver_arm(struct vdrv_driver *drv, uint32_t queue, uint32_t mode)
{
    int err = vdrv_driver_check(drv, queue);

    if (err == VDRV_OK && mode > VDRV_ARM_EMPTY)
        err = VDRV_ERR_INVALID;
    return err != VDRV_OK ? err : vdrv_queue_arm(&drv->queue[queue].vq, mode);
}

int vdrv_driver_refresh(struct vdrv_driver *drv)
{
    if (drv->transport == NULL)
        return VDRV_ERR_BAD_STATE;
    if (state_of(drv) != VDRV_DRIVER_RUNNING)
        return idle_code(drv);
    return look_at_health(drv);
}

void vdrv_driver_identify(const struct vdrv_driver *drv, const char *name,
                          uint32_t type, struct vdrv_identity *out)
{
    const struct vdrv_transport *t = drv->transport;

    memset(out, 0, sizeof(*out));
    out->driver = name;
    out->type = type;
    out->location = t != NULL ? t->location : "";
    out->vendor_id = t != NULL ? t->vendor_id : 0;
    out->device_id = t != NULL ? t->device_id : 0;
}

void vdrv_driver_finish(struct vdrv_driver *drv, uint32_t queue,
                        int32_t *status, int err, bool blocking)
{
    const bool wake = blocking && drv->hal->wake != NULL && drv->polled == 0 &&
                      drv->queue[queue].watched != status;

    vdrv__status_set(status, err);
    if (wake)
        drv->hal->wake(drv->hal->ctx, drv->dev, queue);
}

/* ---- Waiting ------------------------------------------------------------ */

/*
 * A blocking call must not return while the device may write its memory: ends
 * the device's service and takes everything of this queue back.
 */
static int give_up(struct vdrv_driver *drv, uint32_t queue, int err)
{
    const int reset = vdrv_transport_reset(drv->transport, 0);

    if (reset == VDRV_ERR_STUCK) {
        vdrv__status_set(&drv->latched, VDRV_ERR_STUCK);
        latch(drv, VDRV_ERR_STUCK, VDRV_DRIVER_STUCK);
        return VDRV_ERR_STUCK;
    }
    if (reset == VDRV_ERR_NO_DEVICE)
        err = reset;
    latch(drv, err == VDRV_ERR_TIMEOUT ? VDRV_ERR_BAD_STATE : err,
          VDRV_DRIVER_HALTED);
    drain(drv, queue);
    /* One queue, one caller: nobody else has to be told, so it goes on. */
    if (err == VDRV_ERR_TIMEOUT && drv->made == 1 && restart(drv) != VDRV_OK)
        latch(drv, VDRV_ERR_BAD_STATE, VDRV_DRIVER_FAILED);
    /* Another call's reset was not confirmed.  This one was. */
    return err == VDRV_ERR_STUCK ? VDRV_ERR_ABORTED : err;
}

int vdrv_driver_reset_queue(struct vdrv_driver *drv, uint32_t queue)
{
    struct vdrv_queue *vq;
    int err = vdrv_driver_check(drv, queue);

    if (err != VDRV_OK)
        return err;
    if (drv->queue[queue].busy != 0)
        return VDRV_ERR_BUSY;
    if (drv->queue_reset == 0)
        return VDRV_ERR_UNSUPPORTED;
    vq = &drv->queue[queue].vq;
    err = vdrv_queue_reset(vq);
    if (err == VDRV_ERR_UNSUPPORTED)
        return err;
    if (err == VDRV_OK) {
        drain(drv, queue);
        err = vdrv_queue_restart(vq);
    }
    /* Not let go of, or not taken up again: then all of the device. */
    return err == VDRV_OK ? err : give_up(drv, queue, err);
}

void vdrv_driver_rest(struct vdrv_driver *drv, uint32_t queue, uint32_t max_us)
{
    /* While it starts, nobody may have attached its interrupt yet. */
    if (drv->hal->wait == NULL || drv->starting != 0 || drv->polled != 0)
        return;
    if (vdrv_driver_arm(drv, queue, VDRV_ARM_NEXT) == 0)
        drv->hal->wait(drv->hal->ctx, drv->dev, queue, max_us);
}

int vdrv_driver_wait(struct vdrv_driver *drv, uint32_t queue,
                     const int32_t *status, uint32_t timeout_us)
{
    struct vdrv__wait w;
    uint32_t polls = 0;
    bool late = false;
    int err;

    if (drv->queue[queue].busy != 0)
        return VDRV_ERR_BUSY;
    vdrv__wait_begin(&w, drv->hal,
                     timeout_us != 0 ? timeout_us : drv->timeout_us);
    for (;;) {
        if (vdrv__status_get(status) != VDRV_PENDING)
            return VDRV_OK;
        drv->queue[queue].watched = status;
        err = vdrv_driver_poll(drv, queue, 0);
        drv->queue[queue].watched = NULL;
        if (vdrv__status_get(status) != VDRV_PENDING)
            return VDRV_OK;
        /* A register read is dear: after 2^16 polls, 2^17, and so on. */
        if (err == 0 && ++polls >= IDLE_POLLS && (polls & (polls - 1)) == 0)
            err = look_at_health(drv);
        if (err < 0)
            return give_up(drv, queue, err);
        if (late)
            return give_up(drv, queue, VDRV_ERR_TIMEOUT);
        if (err == 0)
            vdrv_driver_rest(drv, queue, vdrv__wait_left(&w));
        /* Late is only what is not there at a look after the deadline. */
        late = !vdrv__wait_more(&w);
    }
}
