/* SPDX-License-Identifier: MIT */
/* What the parts of a qtest machine share. */
#ifndef QTEST_PRIV_H
#define QTEST_PRIV_H

#include "qtest_machine.h"

/* Maps the file `fd`, the machine's RAM, which the device sees at `base`, and
   fills in the HAL's memory and time. */
void qtest_memory_init(struct qtest_machine *m, int fd, uint64_t base);
void qtest_memory_fini(struct qtest_machine *m);

#endif
