/* SPDX-License-Identifier: MIT */
/* What the journal looks like; cut_test.py has the same numbers. */
#ifndef KERNEL_CUT_H
#define KERNEL_CUT_H

#define CUT_MAGIC  0x6c6e726au
#define CUT_HEAD   16u   /* magic, number, checksum of the rest, size */
#define CUT_RECORD 8192u /* bytes of a record, in so many requests */
#define CUT_PARTS  4u
#define CUT_SLOTS  8u

#define CUT_DUMP_MAGIC 0x706d7564u
#define CUT_DUMP       65536u /* bytes of a dump, at this sector */
#define CUT_DUMP_AT    1024u

#endif
