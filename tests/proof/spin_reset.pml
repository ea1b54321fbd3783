/* SPDX-License-Identifier: MIT */
/*
 * vdrv_driver_irq() in flight while another CPU stops and starts the device,
 * with the counters of driver.h: a request for help that the device raises
 * after DRIVER_OK is noticed by a poll (2.1.2), and no completion of before
 * the reset is taken for one of after it.
 *
 * The handler may stand anywhere between acknowledging and counting; the
 * counter's load and store are two steps.
 */
byte config;         /* vector[0].config: the handler is its one writer */
byte seen;           /* drv->config_seen */
byte isr;            /* causes not acknowledged yet */
bool line;           /* the interrupt is to be delivered */
bool ok, ill;        /* DRIVER_OK; DEVICE_NEEDS_RESET */
bool looked;         /* a poll has read it */
byte life, out;      /* resets so far; the life of the request that is out */
bool used;           /* a completion is in the ring, */
byte used_life;      /* written in this life */
bool owed = true, changed;

active proctype handler()
{
    byte c, t;
end: do
     :: atomic { line -> line = false }
        atomic { c = isr; isr = 0 }
        if
        :: (c & 2) != 0 -> t = config; config = t + 1
        :: else
        fi
     od
}

active proctype device()
{
    /* Completes in either life; its configuration changes in the first; in
       the second it asks for a reset. */
end: do
     :: atomic { ok && out == life && owed ->
                 owed = false; used = true; used_life = life; isr = isr | 1; line = true }
     :: atomic { ok && !ill && life == 0 && !changed ->
                 changed = true; isr = isr | 2; line = true }
     :: atomic { ok && !ill && life == 1 ->
                 ill = true; isr = isr | 2; line = true }
     od
}

/*
 * stop(), start(), then polls until one has seen the request for help.  One
 * that is lost leaves it waiting: an end that SPIN calls invalid.
 */
active proctype caller()
{
    ok = true; /* the first life, with a request out */
#ifndef NO_RESET
    atomic { ok = false; isr = 0 } /* stop: 2.4.2 */
#endif
    used = false; /* drained: ABORTED */
    life = 1;
    /* start */
#ifndef SEEN_LATE
    seen = config;
#endif
    ok = true;
#ifdef SEEN_LATE
    seen = config;
#endif
    atomic { out = 1; owed = true }
    do
    :: used -> assert(used_life == 1); used = false
#ifdef CLEARED
    :: config != 0 -> looked = ill; config = 0
#else
    :: config != seen -> seen = config; looked = ill
#endif
    :: looked -> break
    od
}
