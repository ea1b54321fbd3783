/* SPDX-License-Identifier: MIT */
/*
 * A transport over a vhost-user socket: the library, on the host, drives a
 * real backend in another process (QEMU's storage daemon, DPDK's vhost).  The
 * rings and the data lie in shared memory, doorbells are event descriptors,
 * and what a bus would keep in registers is kept here.
 */
#ifndef VHOST_USER_H
#define VHOST_USER_H

#include <virtio_drv/hal.h>
#include <virtio_drv/transport.h>

#define VHOST_USER_QUEUES 16u

struct vhost_user {
    struct vdrv_transport transport;
    struct vdrv_hal hal;
    struct vdrv_arena arena; /* over all of `memory` */
    uint8_t *memory;
    size_t memory_size;
    int sock;
    int memory_fd;
    int kick_fd[VHOST_USER_QUEUES];
    int call_fd[VHOST_USER_QUEUES]; /* readable after an interrupt */
    uint64_t kicks[VHOST_USER_QUEUES];
    uint64_t features; /* offered; take bits away before the driver's init */
    uint64_t acked;
    uint64_t protocol;
    uint32_t queues;     /* that the backend has */
    uint32_t queue_size; /* largest offered; 1024 unless changed before init */
    uint32_t status;
    uint32_t enabled; /* rings, as bits */
    uint32_t broken;  /* the backend hung up or answered nonsense */
    uint8_t config[256];
};

/*
 * Connects to the backend at `path` as the driver of device type `id`, with
 * `memory` bytes that it shares.  Device configuration is the backend's when it
 * gives one; otherwise the caller fills in `config`.  0, or -1 with a message
 * on stderr.
 */
int vhost_user_open(struct vhost_user *v, const char *path, uint32_t id,
                    uint32_t config_size, size_t memory);
void vhost_user_close(struct vhost_user *v);

/* Memory that the backend sees; never freed by itself. */
void *vhost_user_alloc(struct vhost_user *v, size_t size, size_t align);

/* Waits until queue `queue` was called, at most `ms`. */
void vhost_user_wait(struct vhost_user *v, uint32_t queue, int ms);

#endif
