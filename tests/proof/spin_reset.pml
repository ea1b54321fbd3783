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
bool looked;         /* a poll has read the status of the new life */
byte life, in_flight; /* resets so far; the life of the request that is out */
bool used;           /* a completion is in the ring, */
byte used_life;      /* written in this life */
bool asked, settled;

active proctype handler()
{
    byte c, t;
end: do
     :: atomic { line -> line = false }
        atomic { c = isr; isr = 0 }
        if
        :: c != 0 -> t = config; config = t + 1
        :: else
        fi
     od
}

active proctype device()
{
    /* In its old life and in its new one: completes late, or is unwell. */
end: do
     :: atomic { ok && in_flight == life && !used ->
                 used = true; used_life = life; isr = isr | 1; line = true }
     :: atomic { ok && !ill && life == 0 && !asked ->
                 asked = true; isr = isr | 2; line = true }
     :: atomic { ok && !ill && life == 1 ->
                 ill = true; isr = isr | 2; line = true }
     od
}

/* stop(), start(), then polls for as long as there may be news. */
active proctype caller()
{
    byte count;

    ok = true; /* the first life, with a request out */
    in_flight = 0;
    /* stop: 2.4.2, all is the driver's again once it reads 0 */
#ifndef NO_RESET
    atomic { ok = false; isr = 0 }
#endif
    used = false; in_flight = 255; /* drained: ABORTED */
    life = 1;
    /* start */
#ifdef TWO_WRITERS
    config = 0;
    seen = 0;
#endif
#ifndef SEEN_LATE
    seen = config;
#endif
    ok = true;
#ifdef SEEN_LATE
    seen = config;
#endif
    in_flight = 1;
    do
    :: count = config;
       if
       :: count != seen -> seen = count; looked = ill
       :: else
       fi;
       if
       :: used -> assert(used_life == 1)
       :: else
       fi;
       if
       :: looked -> break
       :: !looked
       fi
    :: atomic { ill && !line && isr == 0 && config == seen -> break }
    od;
    (!line);
    settled = true
}

/* When nothing moves any more, the device's cry was heard. */
active proctype judge()
{
    (settled && ill && timeout);
    count_again:
    if
    :: config != seen -> skip /* the next poll will look */
    :: else -> assert(looked)
    fi
}
