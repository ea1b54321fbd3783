/* SPDX-License-Identifier: MIT */
/*
 * Sessions: a driver from probe to fini while the device does what the input
 * says, and the operations that all drivers have.  Whatever happened, a
 * device that keeps the rules again must give full service after a reset, and
 * fini must bring back every byte.  The session harness lives several lives
 * on one machine, so that one driver finds what another left.
 */
#include "fuzz_machine.h"

#define OPS      96u
#define LIFE_OPS 16u
#define LIVES    4u

static struct fuzz_machine machine;

/* Operations 0 to 7; true if it was one. */
static bool common_op(struct fuzz_machine *m, struct vdrv_device *dev,
                      uint32_t op)
{
    uint32_t changes, mode;

    switch (op) {
    case 0:
        fuzz_step(m);
        return true;
    case 1:
        (void)vdrv_irq(dev, 0);
        return true;
    case 2:
        mode = fuzz_pick(&m->in, 8);
        (void)vdrv_poll(dev, mode >> 1, mode & 1u);
        return true;
    case 3:
        mode = fuzz_pick(&m->in, 8);
        (void)vdrv_arm(dev, mode & 1u, mode >> 1);
        return true;
    case 4:
        (void)vdrv_refresh(dev, &changes);
        return true;
    case 5:
        (void)vdrv_stop(dev);
        return true;
    case 6:
        (void)vdrv_start(dev);
        return true;
    case 7:
        (void)vdrv_reset(dev);
        return true;
    default:
        return false;
    }
}

static void finish(struct fuzz_machine *m, const struct fuzz_driver *d,
                   bool fair)
{
    int err;

    /* Half of the inputs end it while the device still misbehaves. */
    fuzz_enter(m);
    if ((fuzz_u8(&m->in) & 1u) != 0 && d->fini(m) == VDRV_OK)
        return;
    fuzz_behave(m);
    fuzz_enter(m);
    err = vdrv_reset(d->dev);
    if (fair) {
        FUZZ_CHECK(err == VDRV_OK);
        fuzz_enter(m);
        d->prove(m);
    }
    fuzz_enter(m);
    FUZZ_CHECK(d->fini(m) == VDRV_OK);
}

void fuzz_live(struct fuzz_machine *m, const struct fuzz_driver *d,
               uint32_t ops)
{
    struct vdrv_transport *t = fuzz_probe(m);
    bool fair;
    int err;

    FUZZ_CHECK(t != NULL || m->lied);
    if (t == NULL)
        return;
    m->answer = d->answer;
    fuzz_enter(m);
    err = d->init(m, t);
    fair = !m->lied;
    if (err == VDRV_OK) {
        for (; ops > 0 && m->in.left > 0; ops--) {
            const uint32_t op = fuzz_u8(&m->in);

            fuzz_enter(m);
            if (!common_op(m, d->dev, op))
                d->op(m, op - 8);
        }
        finish(m, d, fair);
    } else if (err == VDRV_ERR_STUCK) {
        fuzz_behave(m);
        fuzz_enter(m);
        FUZZ_CHECK(d->fini(m) == VDRV_OK);
    }
    d->done(m);
    fuzz_end(m);
}

void fuzz_drive(const struct fuzz_driver *d, const uint8_t *data, size_t size)
{
    fuzz_begin(&machine, data, size, d->type, d->offered, d->config,
               d->config_size);
    fuzz_live(&machine, d, OPS);
}

void fuzz_run_session(const uint8_t *data, size_t size)
{
    static const struct fuzz_driver *const drivers[4] = {
        &fuzz_blk, &fuzz_net_rx, &fuzz_net_tx, &fuzz_gpu};
    struct fuzz_machine *m = &machine;
    const struct fuzz_driver *d;

    if (size == 0)
        return;
    d = drivers[data[0] % 4];
    fuzz_begin(m, data + 1, size - 1, d->type, d->offered, d->config,
               d->config_size);
    for (uint32_t i = 0; i < LIVES && (i == 0 || m->in.left > 0); i++) {
        fuzz_live(m, d, LIFE_OPS);
        m->nmapped = 0;
        m->good = false;
    }
}
