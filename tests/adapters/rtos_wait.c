/* SPDX-License-Identifier: MIT */
/*
 * Sleeping in blocking calls: see rtos_wait.h.  Each sleeper has a semaphore of
 * its own, so that none takes a wake-up that was another's.  An interrupt
 * between the library's last look and the sleep is not lost either: it counts
 * an event, and a caller that finds a new one goes back to look.
 */
#include "rtos_wait.h"

struct rtos_sleeper {
    struct rtos_sem sem;
    struct rtos_sleeper *next;
};

void rtos_port_init(struct rtos_port *port)
{
    *port = (struct rtos_port){.lock = {PTHREAD_MUTEX_INITIALIZER}};
}

/* True when there is something to look at; or else `self` is a sleeper. */
static bool enlist(struct rtos_port *port, struct rtos_sleeper *self)
{
    bool missed;

    rtos_critical_enter();
    missed = port->seen != port->events;
    port->seen = port->events;
    if (!missed) {
        self->next = port->sleepers;
        port->sleepers = self;
    }
    rtos_critical_exit();
    return missed;
}

static void resign(struct rtos_port *port, struct rtos_sleeper *self)
{
    struct rtos_sleeper **s = &port->sleepers;

    rtos_critical_enter();
    while (*s != self)
        s = &(*s)->next;
    *s = self->next;
    rtos_critical_exit();
}

void rtos_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
               uint32_t max_us)
{
    struct rtos_port *port = dev->user;
    struct rtos_sleeper self;

    (void)ctx;
    (void)queue;
    if (port == NULL) /* in init: poll */
        return;
    rtos_sem_init(&self.sem);
    if (!enlist(port, &self)) {
        rtos_mutex_give(&port->lock);
        rtos_sem_take(&self.sem, max_us);
        rtos_mutex_take(&port->lock);
        resign(port, &self);
    }
    rtos_sem_fini(&self.sem);
}

void rtos_wake(void *ctx, struct vdrv_device *dev, uint32_t queue)
{
    struct rtos_port *port = dev->user;

    (void)ctx;
    (void)queue;
    if (port == NULL)
        return;
    rtos_critical_enter();
    port->events++;
    for (struct rtos_sleeper *s = port->sleepers; s != NULL; s = s->next)
        rtos_sem_give(&s->sem);
    rtos_critical_exit();
}

void rtos_interrupt(struct vdrv_device *dev)
{
    if (vdrv_irq(dev, 0) != 0)
        rtos_wake(NULL, dev, 0);
}
