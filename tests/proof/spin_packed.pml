/* SPDX-License-Identifier: MIT */
/*
 * Wrap counters of the packed ring (VirtIO 1.4, 2.8.1): chains of one or two
 * descriptors, a ring whose size is no power of two, a device that completes
 * in any order.  A descriptor is seen as available, or as used, only when its
 * other fields are there; each chain comes back once.
 */
#define SIZE  3
#define TOTAL 6
#define FLAGS(at, a, u)  atomic { avail[at] = a; used[at] = u } /* one store */
#define AVAIL(at, wrap)  (avail[at] != used[at] && avail[at] == wrap)
#define USED(at, wrap)   (avail[at] == used[at] && used[at] == wrap)
#define STEP(at, n, flip) \
    at = at + n; if :: at >= SIZE -> at = at - SIZE; flip :: else fi

bool avail[SIZE], used[SIZE]; /* the two flag bits */
byte ident[SIZE], count[SIZE], serial[SIZE]; /* serial: the content */

active proctype driver()
{
    byte at, back, tail, room = SIZE, made, done, n, i;
    byte out[SIZE], sent[SIZE]; /* by id: descriptors, serial */
    bool wrap = true, back_wrap = true, tail_wrap;

    do
    :: done == TOTAL -> break
    :: made < TOTAL && room > 0 -> /* add */
       if
       :: n = 1
       :: room > 1 -> n = 2
       fi;
       d_step { i = 0; do :: out[i] != 0 -> i++ :: else -> break od;
                out[i] = n; sent[i] = made };
#ifdef NO_PUBLISH
       FLAGS(at, wrap, !wrap);
#endif
       if
       :: n == 2 -> tail = at; tail_wrap = wrap;
          STEP(tail, 1, tail_wrap = !tail_wrap);
          FLAGS(tail, tail_wrap, !tail_wrap)
       :: else
       fi;
       ident[at] = i; count[at] = n; serial[at] = made;
       FLAGS(at, wrap, !wrap);
       made++; room = room - n;
#ifdef NO_WRAP
       STEP(at, n, skip)
#else
       STEP(at, n, wrap = !wrap)
#endif
    :: room < SIZE -> /* reap */
#ifdef NO_CONSUME
       i = ident[back]; USED(back, back_wrap);
#else
       USED(back, back_wrap); i = ident[back];
#endif
       assert(i < SIZE && out[i] != 0 && serial[back] == sent[i]);
       n = out[i]; out[i] = 0; room = room + n; done++;
#ifdef NO_SKIP
       n = 1;
#endif
       STEP(back, n, back_wrap = !back_wrap)
    od
}

active proctype device()
{
    byte at, to, i, n, next, held[SIZE], what[SIZE]; /* by id */
    bool wrap = true, to_wrap = true;

end: do
     :: AVAIL(at, wrap) -> i = ident[at]; /* take */
        assert(held[i] == 0 && serial[at] == next);
        next++; held[i] = count[at]; what[i] = serial[at];
        STEP(at, held[i], wrap = !wrap)
     :: held[0] != 0 || held[1] != 0 || held[2] != 0 -> /* complete any */
        if
        :: held[0] != 0 -> i = 0
        :: held[1] != 0 -> i = 1
        :: held[2] != 0 -> i = 2
        fi;
        ident[to] = i; serial[to] = what[i]; n = held[i]; held[i] = 0;
        FLAGS(to, to_wrap, to_wrap);
        STEP(to, n, to_wrap = !to_wrap)
     od
}
