/* SPDX-License-Identifier: MIT */
/*
 * What an RTOS offers a driver: mutexes, semaphores that an interrupt handler
 * may give, and critical sections that keep interrupts out.
 */
#ifndef RTOS_SHAPE_H
#define RTOS_SHAPE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

struct rtos_mutex {
    pthread_mutex_t held;
};

struct rtos_sem {
    sem_t count;
};

void rtos_mutex_take(struct rtos_mutex *m);
void rtos_mutex_give(struct rtos_mutex *m);
void rtos_sem_init(struct rtos_sem *s);
void rtos_sem_fini(struct rtos_sem *s);
/* False: nobody gave it within `us` microseconds. */
bool rtos_sem_take(struct rtos_sem *s, uint32_t us);
void rtos_sem_give(struct rtos_sem *s); /* from interrupts, too */
void rtos_critical_enter(void);
void rtos_critical_exit(void);

#endif
