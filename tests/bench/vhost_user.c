/* SPDX-License-Identifier: MIT */
/* See vhost_user.h; the messages are those of QEMU's vhost-user document. */
#include "vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
    GET_CONFIG = 24,
};

#define VERSION    1u
#define NEED_REPLY 8u

#define F_RING_PACKED       (UINT64_C(1) << 34)
#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define P_MQ                (UINT64_C(1) << 0)
#define P_REPLY_ACK         (UINT64_C(1) << 3)
#define P_CONFIG            (UINT64_C(1) << 9)

/* The bases of a packed ring: index 0 and wrap counter 1, twice. */
#define PACKED_BASE 0x80008000u

struct message {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
    union {
        uint64_t u64;
        struct {
            uint32_t index;
            uint32_t num;
        } vring;
        struct {
            uint32_t index;
            uint32_t flags;
            uint64_t desc, used, avail, log;
        } addr;
        struct {
            uint32_t count;
            uint32_t padding;
            uint64_t guest, size, user, offset;
        } mem;
        struct {
            uint32_t offset;
            uint32_t size;
            uint32_t flags;
            uint8_t bytes[256];
        } config;
    } u;
} __attribute__((packed));

#define HEAD offsetof(struct message, u)

static int give_up(struct vhost_user *v, const char *what)
{
    if (!v->broken)
        fprintf(stderr, "vhost-user: %s: %s\n", what, strerror(errno));
    v->broken = 1;
    return -1;
}

static int send_one(struct vhost_user *v, struct message *m, int fd)
{
    struct iovec part = {m, HEAD + m->size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};

    m->flags |= VERSION;
    if (fd >= 0) {
        struct cmsghdr *c;

        h.msg_control = control.bytes;
        h.msg_controllen = sizeof(control.bytes);
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(v->sock, &h, MSG_NOSIGNAL) != (ssize_t)part.iov_len)
        return give_up(v, "send");
    return 0;
}

static int receive(struct vhost_user *v, struct message *m, uint32_t request)
{
    if (recv(v->sock, m, HEAD, MSG_WAITALL) != (ssize_t)HEAD ||
        m->request != request || m->size > sizeof(m->u))
        return give_up(v, "no answer, or a wrong one");
    if (m->size > 0 &&
        recv(v->sock, &m->u, m->size, MSG_WAITALL) != (ssize_t)m->size)
        return give_up(v, "a short answer");
    return 0;
}

static int ask(struct vhost_user *v, struct message *m)
{
    return send_one(v, m, -1) == 0 ? receive(v, m, m->request) : -1;
}

static uint64_t get(struct vhost_user *v, uint32_t request)
{
    struct message m = {.request = request};

    return ask(v, &m) == 0 ? m.u.u64 : 0;
}

/* Tells, and waits until it was done if the backend says when. */
static int tell(struct vhost_user *v, struct message *m, int fd)
{
    const bool ack = (v->protocol & P_REPLY_ACK) != 0;

    if (ack)
        m->flags |= NEED_REPLY;
    if (send_one(v, m, fd) != 0)
        return -1;
    if (!ack)
        return 0;
    if (receive(v, m, m->request) != 0)
        return -1;
    errno = EREMOTEIO;
    return m->u.u64 == 0 ? 0 : give_up(v, "the backend refused a message");
}

static int tell_u64(struct vhost_user *v, uint32_t request, uint64_t value,
                    int fd)
{
    struct message m = {.request = request, .size = 8};

    m.u.u64 = value;
    return tell(v, &m, fd);
}

static int tell_vring(struct vhost_user *v, uint32_t request, uint32_t index,
                      uint32_t num)
{
    struct message m = {.request = request, .size = 8};

    m.u.vring.index = index;
    m.u.vring.num = num;
    return tell(v, &m, -1);
}

/* ---- The transport -------------------------------------------------------- */

static struct vhost_user *of(struct vdrv_transport *t)
{
    return (struct vhost_user *)t;
}

static uint32_t read_status(struct vdrv_transport *t)
{
    return of(t)->broken ? 0xff : of(t)->status;
}

/* The answer to GET_VRING_BASE comes when the ring has stopped. */
static void stop_rings(struct vhost_user *v)
{
    for (uint32_t i = 0; i < VHOST_USER_QUEUES; i++) {
        struct message m = {.request = GET_VRING_BASE, .size = 8};

        if ((v->enabled >> i & 1) == 0)
            continue;
        tell_vring(v, SET_VRING_ENABLE, i, 0);
        m.u.vring.index = i;
        ask(v, &m);
    }
    v->enabled = 0;
}

static void write_status(struct vdrv_transport *t, uint32_t status)
{
    if (status == 0)
        stop_rings(of(t));
    of(t)->status = status;
}

static void read_features(struct vdrv_transport *t, uint64_t features[2])
{
    features[0] = of(t)->features & ~F_PROTOCOL_FEATURES;
    features[1] = 0;
}

static void write_features(struct vdrv_transport *t, const uint64_t features[2])
{
    of(t)->acked = features[0] | F_PROTOCOL_FEATURES;
    tell_u64(of(t), SET_FEATURES, of(t)->acked, -1);
}

static uint32_t queue_max(struct vdrv_transport *t, uint32_t queue)
{
    return queue < of(t)->queues ? of(t)->queue_size : 0;
}

static uint64_t user_address(const struct vhost_user *v, uint64_t dma)
{
    return dma - v->hal.direct_offset;
}

static int queue_enable(struct vdrv_transport *t, uint32_t queue,
                        const struct vdrv_queue_area *area,
                        struct vdrv_notify *notify)
{
    struct vhost_user *v = of(t);
    const bool packed = (v->acked & F_RING_PACKED) != 0;
    struct message m = {.request = SET_VRING_ADDR, .size = 40};

    m.u.addr.index = queue;
    m.u.addr.desc = user_address(v, area->desc);
    m.u.addr.avail = user_address(v, area->driver);
    m.u.addr.used = user_address(v, area->device);
    if (tell_vring(v, SET_VRING_NUM, queue, area->size) != 0 ||
        tell_vring(v, SET_VRING_BASE, queue, packed ? PACKED_BASE : 0) != 0 ||
        tell(v, &m, -1) != 0 ||
        tell_u64(v, SET_VRING_CALL, queue, v->call_fd[queue]) != 0 ||
        tell_u64(v, SET_VRING_KICK, queue, v->kick_fd[queue]) != 0 ||
        tell_vring(v, SET_VRING_ENABLE, queue, 1) != 0)
        return VDRV_ERR_PROTOCOL;
    v->enabled |= 1u << queue;
    notify->addr = queue;
    notify->space = VDRV_SPACE_MEMORY;
    notify->width = 4;
    notify->value = queue;
    return VDRV_OK;
}

static uint32_t config_read(struct vdrv_transport *t, uint32_t offset,
                            uint32_t width)
{
    uint32_t value = 0;

    for (uint32_t i = width; i > 0; i--)
        value = value << 8 | of(t)->config[offset + i - 1];
    return value;
}

static void config_write(struct vdrv_transport *t, uint32_t offset,
                         uint32_t width, uint32_t value)
{
    (void)t; /* nothing that is measured writes there */
    (void)offset;
    (void)width;
    (void)value;
}

static uint32_t irq(struct vdrv_transport *t, uint32_t vector)
{
    (void)t;
    (void)vector;
    return VDRV_CAUSE_QUEUE;
}

static const struct vdrv_transport_ops ops = {
    .read_status = read_status,
    .write_status = write_status,
    .read_features = read_features,
    .write_features = write_features,
    .queue_max = queue_max,
    .queue_enable = queue_enable,
    .config_read = config_read,
    .config_write = config_write,
    .irq = irq,
};

/* ---- The HAL -------------------------------------------------------------- */

static void *dma_alloc(void *ctx, size_t size, size_t align, uint64_t limit,
                       uint32_t flags, uint64_t *dma)
{
    struct vhost_user *v = ctx;

    return vdrv_arena_alloc(&v->arena, size, align, limit, flags, dma);
}

static void dma_free(void *ctx, void *ptr, uint64_t dma, size_t size,
                     uint32_t flags)
{
    struct vhost_user *v = ctx;

    vdrv_arena_free(&v->arena, ptr, dma, size, flags);
}

static uint64_t now_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The only registers are the doorbells. */
static uint32_t reg_read(void *ctx, uint32_t space, uintptr_t addr,
                         uint32_t width)
{
    (void)ctx;
    (void)space;
    (void)addr;
    (void)width;
    return UINT32_MAX;
}

static void reg_write(void *ctx, uint32_t space, uintptr_t addr, uint32_t width,
                      uint32_t value)
{
    struct vhost_user *v = ctx;

    (void)space;
    (void)width;
    (void)value;
    v->kicks[addr]++;
    if (eventfd_write(v->kick_fd[addr], 1) != 0)
        give_up(v, "kick");
}

static void log_line(void *ctx, uint32_t level, const char *text)
{
    (void)ctx;
    if (level <= VDRV_LOG_WARN)
        fprintf(stderr, "%s\n", text);
}

void vhost_user_wait(struct vhost_user *v, uint32_t queue, int ms)
{
    struct pollfd p = {.fd = v->call_fd[queue], .events = POLLIN};
    eventfd_t count;

    if (poll(&p, 1, ms) > 0)
        (void)eventfd_read(v->call_fd[queue], &count);
}

static void hal_wait(void *ctx, struct vdrv_device *dev, uint32_t queue,
                     uint32_t max_us)
{
    (void)dev;
    vhost_user_wait(ctx, queue, (int)(max_us / 1000u) + 1);
}

static void fill_hal(struct vhost_user *v)
{
    v->hal.ctx = v;
    v->hal.direct_base = (uintptr_t)v->memory;
    v->hal.direct_size = v->memory_size;
    v->hal.direct_offset = (uint64_t)0 - (uintptr_t)v->memory;
    v->hal.dma_alloc = dma_alloc;
    v->hal.dma_free = dma_free;
    v->hal.now_us = now_us;
    v->hal.wait = hal_wait;
    v->hal.reg_read = reg_read;
    v->hal.reg_write = reg_write;
    v->hal.log = log_line;
    vdrv_arena_init(&v->arena, v->memory, v->memory_size, v->hal.direct_offset);
}

/* ---- Opening it ----------------------------------------------------------- */

static int open_socket(struct vhost_user *v, const char *path)
{
    const struct timeval limit = {.tv_sec = 10};
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    v->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->sock < 0 ||
        setsockopt(v->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
        connect(v->sock, (struct sockaddr *)&a, sizeof(a)) != 0)
        return give_up(v, path);
    return 0;
}

static int share_memory(struct vhost_user *v, size_t size)
{
    struct message m = {.request = SET_MEM_TABLE, .size = 8 + 32};

    v->memory_size = size;
    v->memory_fd = memfd_create("guest", MFD_CLOEXEC);
    if (v->memory_fd < 0 || ftruncate(v->memory_fd, (off_t)size) != 0)
        return give_up(v, "memory");
    v->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_POPULATE, v->memory_fd, 0);
    if (v->memory == MAP_FAILED)
        return give_up(v, "memory");
    m.u.mem.count = 1;
    m.u.mem.size = size; /* guest address 0 is its first byte */
    m.u.mem.user = (uintptr_t)v->memory;
    return tell(v, &m, v->memory_fd);
}

static int agree(struct vhost_user *v)
{
    v->features = get(v, GET_FEATURES);
    if ((v->features & F_PROTOCOL_FEATURES) != 0) {
        const uint64_t both =
            get(v, GET_PROTOCOL_FEATURES) & (P_MQ | P_REPLY_ACK | P_CONFIG);

        if (tell_u64(v, SET_PROTOCOL_FEATURES, both, -1) != 0)
            return -1;
        v->protocol = both;
    }
    v->queues = (v->protocol & P_MQ) != 0 ? (uint32_t)get(v, GET_QUEUE_NUM) : 1;
    if (v->broken || v->queues == 0)
        return -1;
    {
        struct message m = {.request = SET_OWNER};

        return tell(v, &m, -1);
    }
}

static int get_config(struct vhost_user *v, uint32_t size)
{
    struct message m = {.request = GET_CONFIG, .size = 12 + size};

    if ((v->protocol & P_CONFIG) == 0 || size > sizeof(v->config))
        return 0;
    m.u.config.size = size;
    if (ask(v, &m) != 0)
        return -1;
    memcpy(v->config, m.u.config.bytes, size);
    return 0;
}

int vhost_user_open(struct vhost_user *v, const char *path, uint32_t id,
                    uint32_t config_size, size_t memory)
{
    memset(v, 0, sizeof(*v));
    v->sock = v->memory_fd = -1;
    for (uint32_t i = 0; i < VHOST_USER_QUEUES; i++) {
        v->kick_fd[i] = eventfd(0, EFD_CLOEXEC);
        v->call_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (open_socket(v, path) != 0 || agree(v) != 0 ||
        share_memory(v, memory) != 0 || get_config(v, config_size) != 0) {
        vhost_user_close(v);
        return -1;
    }
    fill_hal(v);
    v->queue_size = 1024;
    if (v->queues > VHOST_USER_QUEUES)
        v->queues = VHOST_USER_QUEUES;
    v->transport.ops = &ops;
    v->transport.hal = &v->hal;
    v->transport.device_id = id;
    v->transport.config_size = config_size;
    v->transport.dma_limit = UINT64_MAX;
    snprintf(v->transport.location, sizeof(v->transport.location),
             "vhost-user");
    return 0;
}

void vhost_user_close(struct vhost_user *v)
{
    for (uint32_t i = 0; i < VHOST_USER_QUEUES; i++) {
        close(v->kick_fd[i]);
        close(v->call_fd[i]);
    }
    if (v->memory != NULL && v->memory != MAP_FAILED)
        munmap(v->memory, v->memory_size);
    if (v->memory_fd >= 0)
        close(v->memory_fd);
    if (v->sock >= 0)
        close(v->sock);
}

void *vhost_user_alloc(struct vhost_user *v, size_t size, size_t align)
{
    uint64_t dma;

    return vdrv_arena_alloc(&v->arena, size, align, UINT64_MAX, 0, &dma);
}
