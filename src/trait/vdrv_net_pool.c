/* SPDX-License-Identifier: MIT */
/*
 * A pool of network buffers: see net.h.  Returned buffers are pushed to a list
 * that the owner only ever takes as a whole, so a push needs no more than
 * compare-and-swap: nothing can be taken and pushed again in between.
 */
#include <virtio_drv/net.h>

/* Compare-and-swap of a pointer, without a library call. */
#if (UINTPTR_MAX > 0xffffffffu &&                                              \
     defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8)) ||                           \
    (UINTPTR_MAX <= 0xffffffffu &&                                             \
     defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_4))
#define HAVE_CAS 1
#else
#define HAVE_CAS 0 /* the caller serialises */
#endif

#define POOL_ALIGN 64u

void vdrv_net_pool_put(struct vdrv_net_buf *buf)
{
    struct vdrv_net_pool *pool = buf->owner;
#if HAVE_CAS
    struct vdrv_net_buf *first =
        __atomic_load_n(&pool->returned, __ATOMIC_RELAXED);

    do {
        buf->next = first;
    } while (!__atomic_compare_exchange_n(&pool->returned, &first, buf, true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
#else
    buf->next = pool->returned;
    pool->returned = buf;
#endif
}

static struct vdrv_net_buf *take_all(struct vdrv_net_pool *pool)
{
#if HAVE_CAS
    /* An idle pool costs its owner a load, not an exchange. */
    if (__atomic_load_n(&pool->returned, __ATOMIC_RELAXED) == NULL)
        return NULL;
    return __atomic_exchange_n(&pool->returned, NULL, __ATOMIC_ACQUIRE);
#else
    struct vdrv_net_buf *all = pool->returned;

    pool->returned = NULL;
    return all;
#endif
}

struct vdrv_net_buf *vdrv_net_pool_take(struct vdrv_net_pool *pool)
{
    struct vdrv_net_buf *buf;

    if (pool->spare == NULL)
        pool->spare = take_all(pool);
    buf = pool->spare;
    if (buf == NULL)
        return NULL;
    pool->spare = buf->next;
    buf->next = NULL;
    buf->data = buf->mem + buf->headroom;
    buf->len = 0;
    buf->flags &= VDRV_NET_MAPPED;
    return buf;
}

uint32_t vdrv_net_pool_free(const struct vdrv_net_pool *pool)
{
    const struct vdrv_net_buf *const list[] = {pool->spare, pool->returned};
    uint32_t n = 0;

    for (uint32_t i = 0; i < 2; i++) {
        for (const struct vdrv_net_buf *b = list[i]; b != NULL; b = b->next)
            n++;
    }
    return n;
}

int vdrv_net_pool_init(struct vdrv_net_pool *pool,
                       const struct vdrv_net_pool_config *cfg)
{
    uint32_t frame;
    size_t stride;

    if (pool == NULL || cfg == NULL || cfg->bufs == NULL || cfg->mem == NULL ||
        cfg->count == 0 || ((uintptr_t)cfg->mem & (POOL_ALIGN - 1)) != 0)
        return VDRV_ERR_INVALID;
    frame = cfg->frame != 0 ? cfg->frame : VDRV_NET_POOL_FRAME;
    if (frame > INT32_MAX)
        return VDRV_ERR_INVALID;
    stride = VDRV_NET_POOL_STRIDE(frame);
    if (cfg->mem_size / stride < cfg->count)
        return VDRV_ERR_NO_MEMORY;
    pool->returned = NULL;
    pool->spare = NULL;
    pool->bufs = cfg->bufs;
    pool->count = cfg->count;
    pool->frame = frame;
    for (uint32_t i = cfg->count; i-- > 0;) {
        struct vdrv_net_buf *buf = &cfg->bufs[i];

        vdrv_net_buf_init(buf, (uint8_t *)cfg->mem + stride * i,
                          frame + VDRV_NET_POOL_HEADROOM,
                          VDRV_NET_POOL_HEADROOM);
        buf->dma = cfg->dma + (uint64_t)stride * i;
        buf->flags = cfg->mapped ? VDRV_NET_MAPPED : 0;
        buf->release = vdrv_net_pool_put;
        buf->owner = pool;
        buf->next = pool->spare;
        pool->spare = buf;
    }
    return VDRV_OK;
}
