/* SPDX-License-Identifier: MIT */
/*
 * The state of a virtio device that neither transport nor class owns, with the
 * driver's duties of VirtIO 1.4 section 2 and 3.1 checked as they pass by, and
 * the engine that takes and completes requests.
 */
#include "fake_virtio.h"

#include <stdlib.h>
#include <string.h>

/* ---- Features ------------------------------------------------------- */

bool fake_dev_has(const struct fake_dev *d, unsigned bit)
{
    return d->accepted[bit / 64] >> (bit % 64) & 1;
}

bool fake_dev_offers(const struct fake_dev *d, unsigned bit)
{
    return d->offered[bit / 64] >> (bit % 64) & 1;
}

void fake_dev_offer(struct fake_dev *d, unsigned bit, bool on)
{
    uint64_t mask = (uint64_t)1 << (bit % 64);

    if (on)
        d->offered[bit / 64] |= mask;
    else
        d->offered[bit / 64] &= ~mask;
}

/* BASIC-29: ACKNOWLEDGE and DRIVER come before features. */
static void features_in_time(struct fake_dev *d)
{
    uint32_t need = FAKE_ACKNOWLEDGE | FAKE_DRIVER;

    if ((d->status & need) != need)
        fake_violation(d->f, "BASIC-29", "%s: features at status %#x", d->name,
                       d->status);
}

uint32_t fake_dev_feature_word(struct fake_dev *d, uint32_t sel)
{
    features_in_time(d);
    if (sel > (d->legacy ? 0u : 3u))
        return 0;
    return (uint32_t)(d->offered[sel / 2] >> (32 * (sel % 2)));
}

void fake_dev_accept_word(struct fake_dev *d, uint32_t sel, uint32_t value)
{
    unsigned shift = 32 * (sel % 2);
    uint64_t *word;

    features_in_time(d);
    if (d->status & FAKE_FEATURES_OK)
        fake_violation(d->f, "BASIC-34", "%s: features after FEATURES_OK",
                       d->name);
    if (d->legacy && (value & 1u << FAKE_F_BAD_FEATURE))
        fake_violation(d->f, "LEG-13", "%s: accepts bit 30", d->name);
    if (sel > (d->legacy ? 0u : 3u)) {
        if (value)
            fake_violation(d->f, "BASIC-10", "%s: feature word %u", d->name,
                           sel);
        return;
    }
    word = &d->accepted[sel / 2];
    *word = (*word & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value
                                                             << shift;
    if (*word & ~d->offered[sel / 2])
        fake_violation(d->f, "BASIC-06", "%s: accepts %#llx, not offered",
                       d->name,
                       (unsigned long long)(*word & ~d->offered[sel / 2]));
}

/* ---- Status --------------------------------------------------------- */

static void do_reset(struct fake_dev *d)
{
    d->resetting = false;
    d->suspending = d->resuming = d->config_late = false;
    d->resets++;
    d->status = 0;
    d->isr = 0;
    d->config_vector = FAKE_NO_VECTOR;
    d->accepted[0] = d->accepted[1] = 0;
    d->fok_checked = false;
    d->n_pending = 0;
    for (uint16_t i = 0; i < d->n_queues; i++)
        fake_queue_reset(&d->queue[i]);
    if (d->ops->reset)
        d->ops->reset(d);
    if (d->line)
        d->line(d);
}

static void start_reset(struct fake_dev *d)
{
    d->resetting = true;
    d->was_reset = true;
    d->reset_seen = false;
    d->reset_left = d->reset_reads;
    if (!d->reset_left && !d->reset_never)
        do_reset(d);
}

static void status_order(struct fake_dev *d, uint32_t added)
{
    static const uint32_t stair[] = {FAKE_ACKNOWLEDGE, FAKE_DRIVER,
                                     FAKE_FEATURES_OK, FAKE_DRIVER_OK};
    uint32_t below = 0;

    /* LEG-11: a legacy device has no such step. */
    if (d->legacy && (added & FAKE_FEATURES_OK))
        fake_violation(d->f, "LEG-11", "%s: FEATURES_OK", d->name);
    if (added & (added - 1))
        fake_violation(d->f, "BASIC-01", "%s: bits %#x in one write", d->name,
                       added);
    for (unsigned i = 0; i < 4; i++) {
        if ((added & stair[i]) && (d->status & below) != below)
            fake_violation(d->f, "BASIC-01", "%s: bit %#x at status %#x",
                           d->name, stair[i], d->status);
        if (!d->legacy || stair[i] != FAKE_FEATURES_OK)
            below |= stair[i];
    }
}

static void status_checks(struct fake_dev *d, uint32_t value)
{
    uint32_t mine = d->status & ~FAKE_NEEDS_RESET;

    /* A driver may give up before FEATURES_OK has shown. */
    if (!d->fok_checked)
        mine &= ~FAKE_FEATURES_OK;
    if (mine & ~value)
        fake_violation(d->f, "BASIC-02", "%s: status %#x after %#x", d->name,
                       value, d->status);
    if ((value & ~d->status & FAKE_SUSPEND) &&
        (!(d->status & FAKE_DRIVER_OK) || !fake_dev_has(d, FAKE_F_SUSPEND)))
        fake_violation(d->f, "BASIC-43", "%s: SUSPEND at status %#x", d->name,
                       d->status);
    if (d->suspending || d->resuming)
        fake_violation(d->f, "BASIC-44", "%s: status %#x in between", d->name,
                       value);
    if (d->status & FAKE_FAILED)
        fake_violation(d->f, "BASIC-03", "%s: status %#x after FAILED", d->name,
                       value);
    if (!d->was_reset)
        fake_violation(d->f, "BASIC-28", "%s: status %#x without a reset",
                       d->name, value);
    if (!d->reset_seen)
        fake_violation(d->f, "BASIC-19", "%s: status %#x, reset not awaited",
                       d->name, value);
    status_order(d, value & ~d->status & ~FAKE_FAILED & ~FAKE_NEEDS_RESET);
    if ((value & FAKE_DRIVER_OK) && !d->fok_checked && !d->legacy)
        fake_violation(d->f, "BASIC-35", "%s: FEATURES_OK was not read back",
                       d->name);
}

/* FEATURES_OK was written: does the device take these features? */
static bool features_ok(struct fake_dev *d)
{
    if (fake_dev_offers(d, FAKE_F_VERSION_1) &&
        !fake_dev_has(d, FAKE_F_VERSION_1)) {
        fake_violation(d->f, "BASIC-49", "%s: VERSION_1 is not accepted",
                       d->name);
        return false;
    }
    if (d->refuse_features)
        return false;
    return !d->ops->negotiated || d->ops->negotiated(d);
}

/* ---- Suspend (3.4) -------------------------------------------------- */

/* What changed meanwhile is told afterwards. */
static void resumed(struct fake_dev *d)
{
    d->status = (d->status & ~FAKE_SUSPEND) | FAKE_DRIVER_OK;
    if (d->config_late)
        fake_dev_raise(d, NULL);
    d->config_late = false;
}

/* A read of the status: is it time? */
static void suspend_progress(struct fake_dev *d)
{
    if ((!d->suspending && !d->resuming) || d->suspend_never)
        return;
    if (d->suspend_fails) {
        d->suspending = d->resuming = false;
        fake_dev_needs_reset(d);
        return;
    }
    if (d->suspend_left) {
        d->suspend_left--;
        return;
    }
    if (d->resuming)
        resumed(d);
    else if (d->n_pending == 0)
        d->status = (d->status & ~FAKE_DRIVER_OK) | FAKE_SUSPEND;
    else
        return;
    d->suspending = d->resuming = false;
}

/* The bits of `value` that the device itself will set, later. */
static uint32_t suspend_bits(struct fake_dev *d, uint32_t value)
{
    const uint32_t added = value & ~d->status;

    if (!fake_dev_has(d, FAKE_F_SUSPEND))
        return 0;
    d->suspending = (added & FAKE_SUSPEND) != 0;
    d->resuming = (d->status & FAKE_SUSPEND) && (added & FAKE_DRIVER_OK);
    d->suspend_left = d->suspend_reads;
    if (d->suspending)
        return FAKE_SUSPEND;
    return d->resuming ? FAKE_DRIVER_OK : 0;
}

void fake_dev_set_status(struct fake_dev *d, uint32_t value)
{
    uint32_t added = value & ~d->status;

    value &= 0xFF;
    if (value == 0) {
        start_reset(d);
        return;
    }
    status_checks(d, value);
    if (d->resetting)
        return;
    value &= ~suspend_bits(d, value);
    if (added & FAKE_FEATURES_OK) {
        d->fok_checked = false;
        d->fok_left = d->fok_reads;
        if (!features_ok(d))
            value &= ~FAKE_FEATURES_OK;
    }
    if (d->legacy && (added & FAKE_DRIVER_OK) && d->ops->negotiated)
        d->ops->negotiated(d);
    d->status = value | (d->status & FAKE_NEEDS_RESET);
}

uint32_t fake_dev_get_status(struct fake_dev *d)
{
    if (d->resetting) {
        if (d->reset_never)
            return d->status ? d->status : FAKE_ACKNOWLEDGE;
        if (d->reset_left) {
            d->reset_left--;
            return d->status ? d->status : FAKE_ACKNOWLEDGE;
        }
        do_reset(d);
    }
    suspend_progress(d);
    if (d->status == 0)
        d->reset_seen = true;
    if (d->status & FAKE_FEATURES_OK) {
        if (d->fok_left) {
            d->fok_left--;
            return d->status & ~FAKE_FEATURES_OK;
        }
        d->fok_checked = true;
    }
    return d->status;
}

bool fake_dev_live(const struct fake_dev *d)
{
    return (d->status & (FAKE_DRIVER_OK | FAKE_NEEDS_RESET | FAKE_FAILED)) ==
           FAKE_DRIVER_OK;
}

/* ---- Interrupts ----------------------------------------------------- */

void fake_dev_fire(struct fake_dev *d, uint16_t vector)
{
    d->irqs++;
    if (d->on_irq)
        d->on_irq(d->on_irq_arg, d, vector);
}

static void deliver(struct fake_dev *d, uint32_t bit, uint16_t vector)
{
    if (d->no_irq)
        return;
    if (d->msix) {
        if (vector != FAKE_NO_VECTOR &&
            (!d->vector_open || d->vector_open(d, vector)))
            fake_dev_fire(d, vector);
        return;
    }
    d->isr |= bit;
    if (d->line)
        d->line(d);
    if (!d->line_off)
        fake_dev_fire(d, 0);
}

void fake_dev_raise(struct fake_dev *d, struct fake_queue *q)
{
    if (q) {
        q->irqs++;
        deliver(d, FAKE_ISR_QUEUE, q->vector);
    } else {
        d->config_irqs++;
        deliver(d, FAKE_ISR_CONFIG, d->config_vector);
    }
}

void fake_dev_spurious_irq(struct fake_dev *d)
{
    fake_dev_fire(d, 0);
}

void fake_dev_isr_ack(struct fake_dev *d, uint32_t bits)
{
    d->isr &= ~bits;
    if (d->line)
        d->line(d);
}

void fake_dev_config_changed(struct fake_dev *d)
{
    d->generation++;
    d->config_late = (d->status & FAKE_SUSPEND) != 0;
    /* 2.3: no notification before DRIVER_OK. */
    if (d->status & FAKE_DRIVER_OK)
        fake_dev_raise(d, NULL);
}

void fake_dev_needs_reset(struct fake_dev *d)
{
    d->status |= FAKE_NEEDS_RESET;
    if (d->status & FAKE_DRIVER_OK)
        fake_dev_raise(d, NULL);
}

/* ---- Configuration space -------------------------------------------- */

uint32_t fake_dev_generation(struct fake_dev *d)
{
    if (d->generation_flaps)
        d->generation++;
    return d->generation;
}

static bool config_range(struct fake_dev *d, uint64_t off, uint32_t width)
{
    if (off < d->config_len && width <= d->config_len - off)
        return true;
    fake_violation(d->f, "MMIO-01", "%s: configuration offset %#llx", d->name,
                   (unsigned long long)off);
    return false;
}

/*
 * LEG-03: the legacy interface shows fields in the guest's order.  `config` is
 * little-endian, so each access is turned round, and so are the halves of the
 * one field of 64 bits, a disk's capacity.
 */
static uint64_t config_place(const struct fake_dev *d, uint64_t off,
                             uint32_t width)
{
    return fake_dev_native(d) && d->type == 2 && width == 4 && off < 8
               ? off ^ 4u
               : off;
}

static uint32_t config_order(const struct fake_dev *d, uint32_t v,
                             uint32_t width)
{
    if (width == 4)
        return fake_wire32(d, v);
    return width == 2 ? fake_wire16(d, v) : v;
}

uint32_t fake_dev_config_read(struct fake_dev *d, uint64_t off, uint32_t width)
{
    uint32_t v = 0;

    if (!config_range(d, off, width))
        return UINT32_MAX;
    if (d->on_config_read)
        d->on_config_read(d->on_config_arg, d, (uint32_t)off);
    if (d->ops->config_read)
        d->ops->config_read(d, (uint32_t)off, width);
    off = config_place(d, off, width);
    for (uint32_t i = 0; i < width; i++)
        v |= (uint32_t)d->config[off + i] << (8 * i);
    return config_order(d, v, width);
}

void fake_dev_config_write(struct fake_dev *d, uint64_t off, uint32_t width,
                           uint32_t value)
{
    if (!config_range(d, off, width))
        return;
    if (!d->legacy && !(d->status & FAKE_FEATURES_OK))
        fake_violation(d->f, "BASIC-32",
                       "%s: configuration write at status "
                       "%#x",
                       d->name, d->status);
    value = config_order(d, value, width);
    if (d->suspending || (d->status & FAKE_SUSPEND))
        fake_violation(d->f, "BASIC-47", "%s: configuration write, suspended",
                       d->name);
    for (uint32_t i = 0; i < width; i++) {
        if (!d->config_writable[off + i])
            fake_violation(d->f, "CFG-RO", "%s: offset %#llx is read-only",
                           d->name, (unsigned long long)off);
        else
            d->config[off + i] = (uint8_t)(value >> (8 * i));
    }
    if (d->ops->config_written)
        d->ops->config_written(d, (uint32_t)off, width);
}

void fake_dev_config_allow(struct fake_dev *d, uint32_t off, uint32_t n)
{
    memset(d->config_writable + off, 1, n);
}

/* ---- The legacy interface ------------------------------------------- */

void fake_dev_set_legacy(struct fake_dev *d)
{
    d->legacy = true;
    d->offered[0] &= UINT32_MAX;
    d->offered[1] = 0;
    fake_dev_offer(d, FAKE_F_BAD_FEATURE, true);
}

void fake_dev_check_framing(struct fake_dev *d, const struct fake_chain *c,
                            uint32_t first, uint32_t last)
{
    if (!d->legacy || fake_dev_has(d, FAKE_F_ANY_LAYOUT))
        return;
    if (c->seg[0].len != first)
        fake_violation(d->f, "LEG-09", "%s: header in a segment of %u bytes",
                       d->name, c->seg[0].len);
    if (last && c->seg[c->nseg - 1].len != last)
        fake_violation(d->f, "LEG-09", "%s: end in a segment of %u bytes",
                       d->name, c->seg[c->nseg - 1].len);
}

/* ---- Queues --------------------------------------------------------- */

struct fake_queue *fake_dev_queue(struct fake_dev *d, uint32_t index)
{
    return index < d->n_queues ? &d->queue[index] : NULL;
}

struct fake_queue *fake_dev_add_queue(struct fake_dev *d, uint16_t max)
{
    struct fake_queue *q = &d->queue[d->n_queues];

    if (d->n_queues == FAKE_QUEUES)
        abort();
    q->dev = d;
    q->index = d->n_queues++;
    q->notify_off = q->index;
    q->max = max;
    fake_queue_reset(q);
    return q;
}

void fake_dev_enable_queue(struct fake_dev *d, struct fake_queue *q)
{
    uint32_t late = FAKE_DRIVER_OK | FAKE_FAILED;

    if (fake_dev_has(d, FAKE_F_RING_RESET))
        late = FAKE_FAILED;
    if (!(d->status & (d->legacy ? FAKE_DRIVER : FAKE_FEATURES_OK)) ||
        (d->status & late))
        fake_violation(d->f, "BASIC-36", "%s: queue %u enabled at status %#x",
                       d->name, q->index, d->status);
    if (!d->fok_checked && !d->legacy)
        fake_violation(d->f, "BASIC-35", "%s: FEATURES_OK was not read back",
                       d->name);
    q->ready = 1;
    fake_queue_start(q);
}

/* ---- The engine: take, hold, complete ------------------------------- */

static void pending_add(struct fake_dev *d, const struct fake_chain *c)
{
    if (d->n_pending == d->pending_cap) {
        d->pending_cap = d->pending_cap ? 2 * d->pending_cap : 64;
        d->pending = realloc(d->pending, d->pending_cap * sizeof(*d->pending));
        if (!d->pending)
            abort();
    }
    d->pending[d->n_pending++] = *c;
}

static void collect_queue(struct fake_dev *d, struct fake_queue *q)
{
    struct fake_chain c;

    if (q->manual || !q->ring || d->suspending)
        return;
    if (!q->kicked && q->kick_policy == FAKE_KICK_ALWAYS)
        return;
    q->kicked = false;
    while (fake_queue_pop(q, &c))
        pending_add(d, &c);
}

void fake_dev_collect(struct fake_dev *d)
{
    if (!fake_dev_live(d))
        return;
    for (uint16_t i = 0; i < d->n_queues; i++)
        collect_queue(d, &d->queue[i]);
}

size_t fake_dev_pending(const struct fake_dev *d)
{
    return d->n_pending;
}

/* With IN_ORDER a queue's requests come back as they went. */
static size_t oldest_of(const struct fake_dev *d, const struct fake_queue *q)
{
    size_t i = 0;

    while (d->pending[i].q != q)
        i++;
    return i;
}

void fake_dev_forget_queue(struct fake_dev *d, struct fake_queue *q)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_pending; i++)
        if (d->pending[i].q != q)
            d->pending[n++] = d->pending[i];
    d->n_pending = n;
}

/* Serves the i-th and takes it off the list; the used index comes later. */
static void complete_one(struct fake_dev *d, size_t i)
{
    struct fake_chain c;
    uint32_t len;

    if (fake_dev_has(d, FAKE_F_IN_ORDER))
        i = oldest_of(d, d->pending[i].q);
    c = d->pending[i];
    memmove(&d->pending[i], &d->pending[i + 1],
            (d->n_pending - i - 1) * sizeof(*d->pending));
    d->n_pending--;
    len = d->ops->serve(d, &c);
    if (len != FAKE_KEEP)
        fake_queue_push(c.q, &c, len);
}

static void publish_all(struct fake_dev *d)
{
    for (uint16_t i = 0; i < d->n_queues; i++)
        if (d->queue[i].told_used != d->queue[i].next_used)
            fake_queue_publish(&d->queue[i]);
}

void fake_dev_release(struct fake_dev *d, size_t i)
{
    if (i >= d->n_pending)
        abort();
    complete_one(d, i);
    publish_all(d);
}

void fake_dev_release_all(struct fake_dev *d)
{
    fake_dev_collect(d);
    while (d->n_pending)
        complete_one(d, 0);
    publish_all(d);
}

void fake_dev_drop(struct fake_dev *d, size_t i)
{
    if (i >= d->n_pending)
        abort();
    memmove(&d->pending[i], &d->pending[i + 1],
            (d->n_pending - i - 1) * sizeof(*d->pending));
    d->n_pending--;
}

static void complete_some(struct fake_dev *d)
{
    uint32_t n = d->per_step ? d->per_step : UINT32_MAX;

    if (d->complete == FAKE_COMPLETE_HELD)
        return;
    if (d->complete == FAKE_COMPLETE_NOW)
        n = UINT32_MAX;
    while (d->n_pending && n--) {
        size_t i = 0;

        if (d->complete == FAKE_COMPLETE_RANDOM)
            i = fake_rand(d->f) % d->n_pending;
        complete_one(d, i);
    }
    publish_all(d);
}

static void dev_step(void *arg)
{
    struct fake_dev *d = arg;

    if (!fake_dev_live(d))
        return;
    fake_dev_collect(d);
    complete_some(d);
    if (d->ops->step)
        d->ops->step(d);
}

/* 2.9: with NOTIFICATION_DATA the upper half says how far the driver got. */
static void check_next(struct fake_dev *d, struct fake_queue *q, uint32_t value)
{
    if (!fake_dev_has(d, FAKE_F_NOTIFICATION_DATA))
        return;
    q->kick_next = value >> 16;
    if (!q->ring->kick_next(q, (uint16_t)(value >> 16)))
        fake_violation(
            d->f, fake_dev_has(d, FAKE_F_RING_PACKED) ? "BASIC-25" : "BASIC-24",
            "%s queue %u: kick data %#x", d->name, q->index, value);
}

static void kick_checks(struct fake_dev *d, const struct fake_queue *q,
                        uint32_t value)
{
    uint32_t live = FAKE_DRIVER_OK;

    if (d->suspending || (d->status & FAKE_SUSPEND))
        fake_violation(d->f, "BASIC-46", "%s: kick, suspended", d->name);
    else if (!(d->status & live))
        fake_violation(d->f, "BASIC-40", "%s: kick at status %#x", d->name,
                       d->status);
    if (!q || !q->ready)
        fake_violation(d->f, "MMIO-38",
                       "%s: kick of a queue that is not "
                       "ready (%#x)",
                       d->name, value);
}

void fake_dev_kick(struct fake_dev *d, uint32_t index, uint32_t value)
{
    struct fake_queue *q = fake_dev_queue(d, index);

    kick_checks(d, q, value);
    d->kicks++;
    if (!q || !q->ring)
        return;
    q->kicks++;
    q->kick_value = value;
    check_next(d, q, value);
    if (!q->ring->kick_wanted(q))
        q->needless_kicks++;
    q->kicked = true;
    if (d->immediate && !d->f->stepping)
        dev_step(d);
}

/* ---- Life ----------------------------------------------------------- */

void fake_dev_init(struct fake_dev *d, struct fake *f,
                   const struct fake_dev_ops *ops, uint32_t type,
                   const char *name)
{
    memset(d, 0, sizeof(*d));
    d->f = f;
    d->ops = ops;
    d->type = type;
    d->name = name;
    d->config_vector = FAKE_NO_VECTOR;
    fake_dev_offer(d, FAKE_F_VERSION_1, true);
    fake_dev_offer(d, FAKE_F_INDIRECT_DESC, true);
    fake_dev_offer(d, FAKE_F_EVENT_IDX, true);
    d->stepper = (struct fake_stepper){dev_step, d, NULL};
    fake_stepper_add(f, &d->stepper);
}

void fake_dev_fini(struct fake_dev *d)
{
    fake_stepper_del(d->f, &d->stepper);
    for (uint16_t i = 0; i < d->n_queues; i++)
        fake_queue_free(&d->queue[i]);
    free(d->pending);
    d->pending = NULL;
    d->n_pending = d->pending_cap = 0;
}
