/* SPDX-License-Identifier: MIT */
/* For C and the assembler: where the second CPU starts, below 1 MiB. */
#ifndef KERNEL_X86_CPU2_H
#define KERNEL_X86_CPU2_H

#define X86_CPU2_PAGE 0x8000

#endif
