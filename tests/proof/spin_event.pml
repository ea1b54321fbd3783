/* SPDX-License-Identifier: MIT */
/*
 * Event indices in both directions (VirtIO 1.4, 2.7.10), each side behind a
 * store buffer that empties when it likes: neither side may sleep for ever
 * while there is work.  A lost wake-up is an end that SPIN calls invalid.
 * Indices count modulo M and start just before they wrap.
 */
#define M      8
#define SIZE   2
#define TOTAL  4
#define START  7
#define MOD(x) ((x + M + M) % M)
/* Has the event been passed on the way from old to new? */
#define PASSED(event, old, new) (MOD(new - event - 1) < MOD(new - old))

byte avail = START, used = START, avail_event = START, used_event = START;
bool doorbell, irq;
chan drv_stores = [2] of {bool, byte}; /* event?, value */
chan dev_stores = [2] of {bool, byte};

active proctype drv_buffer()
{
    byte v;
end: do
     :: atomic { drv_stores?false, v -> avail = v }
     :: atomic { drv_stores?true, v -> used_event = v }
     od
}

active proctype dev_buffer()
{
    byte v;
end: do
     :: atomic { dev_stores?false, v -> used = v }
     :: atomic { dev_stores?true, v -> avail_event = v }
     od
}

active proctype driver()
{
    byte made = START, published = START, seen = START, left = TOTAL, done, u, e;

    do
    :: done == TOTAL -> break
    :: left > 0 && MOD(made - seen) < SIZE -> made = MOD(made + 1); left--
    :: done < TOTAL && (left == 0 || MOD(made - seen) == SIZE || made != seen) ->
       if /* kick */
       :: made != published ->
          drv_stores!false, made;
#ifndef NO_KICK_FENCE
          empty(drv_stores);
#endif
          e = avail_event;
          if
          :: PASSED(e, published, made) -> doorbell = true
          :: else
          fi;
          published = made
       :: else
       fi;
       u = used; /* reap */
       assert(MOD(u - seen) <= MOD(published - seen));
       if
       :: u != seen -> done = done + MOD(u - seen); seen = u
       :: else -> /* arm */
          drv_stores!true, seen;
#ifndef NO_ARM_FENCE
          empty(drv_stores);
#endif
#ifndef NO_LAST_LOOK
          u = used;
#endif
          if
          :: u == seen -> atomic { irq -> irq = false }
          :: else
          fi
       fi
    od
}

active proctype device()
{
    byte pos = START, a, e, old;

    do
    :: a = avail;
       if
       :: a != pos -> /* one, or all there are */
          old = pos;
          if
          :: pos = MOD(pos + 1)
          :: pos = a
          fi;
          dev_stores!false, pos;
          empty(dev_stores);
          e = used_event;
          if
          :: PASSED(e, old, pos) -> irq = true
          :: else
          fi
       :: else ->
          dev_stores!true, pos;
          empty(dev_stores);
          a = avail;
          if
          :: a == pos -> end: atomic { doorbell -> doorbell = false }
          :: else
          fi
       fi
    od
}
