# SPDX-License-Identifier: MIT
# libvirtio_drv: see README.md.
#
#   make                     the archive, build/<target>/libvirtio_drv.a
#   make setup GOALS         installs what GOALS need, then makes them
#   make test                everything; make test-host: without QEMU
#   make test-qtest          the host build on QEMU's devices; make soak: a
#                            million operations on each
#   make run                 the demo kernel; ARCH=x86_64|riscv64|aarch64|i386|
#                            arm|riscv32|m68k BUS=pci|mmio MODE=irq|poll;
#                            make run-gui opens the window
#   make demo-host           the same demo on the fake device
#   make proof               memory-order models, static proofs (minutes)
#   make fuzz                libFuzzer, FUZZ_SECONDS=60 for each harness
#   make lint, coverage, bench, clean
#   make bench-backends      the drivers against real devices over vhost-user
#                            (two idle processors)
#
# CC=, CROSS_COMPILE=, CFLAGS= and V=1 do what they do elsewhere.

ifneq ($(filter setup,$(MAKECMDGOALS)),)
include tests/setup.mk
else

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
NM ?= $(CROSS_COMPILE)nm
OBJCOPY ?= $(CROSS_COMPILE)objcopy
PYTHON ?= python3
Q := $(if $(V),,@)

# ---- The archive -----------------------------------------------------------

include src/sources.mk

WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef \
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-align -Werror
LIB_CFLAGS := -std=c11 -ffreestanding -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-unwind-tables \
	-ffunction-sections -fdata-sections $(WARNINGS)
CFLAGS ?= -O2 -g
# libgcc's out-of-line atomics want to be told the CPU's features at start.
ifneq ($(findstring aarch64,$(CROSS_COMPILE)$(shell $(CC) -dumpmachine 2>&1)),)
LIB_CFLAGS += -mno-outline-atomics
endif
TARGET := $(if $(CROSS_COMPILE),$(patsubst %-,%,$(notdir $(CROSS_COMPILE))),host)
OUT ?= build/$(TARGET)

# Every symbol that the archive defines starts with this.  A kernel in which
# vdrv_ is taken names another here; its own sources go on saying vdrv_ and are
# compiled with `-include $(OUT)/vdrv_prefix.h`, which renames what they use.
VDRV_PREFIX ?= vdrv_

LIB := $(OUT)/libvirtio_drv.a
LIB_OBJS := $(VDRV_SRCS:./%.c=$(OUT)/%.o)

.PHONY: all
all: $(LIB) libvirtio_drv.a

libvirtio_drv.a: $(LIB)
	$(Q)cp $< $@

$(LIB): $(LIB_OBJS) src/sources.mk
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJS)
ifneq ($(VDRV_PREFIX),vdrv_)
	$(Q)$(NM) -g --defined-only $@ | \
	    sed -n 's/^.* \(vdrv_\)\(.*\)$$/\1\2 $(VDRV_PREFIX)\2/p' | \
	    sort -u >$(OUT)/vdrv_prefix.syms
	$(Q)$(OBJCOPY) --redefine-syms=$(OUT)/vdrv_prefix.syms $@
	$(Q)sed 's/^/#define /' $(OUT)/vdrv_prefix.syms >$(OUT)/vdrv_prefix.h
endif

$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(LIB_CFLAGS) $(CFLAGS) $(VDRV_INCLUDES) -fstack-usage \
	    -MMD -MP -c -o $@ $<

# ---- Tests, demo, bench ------------------------------------------------------

include tests/tests.mk

.PHONY: clean
clean:
	rm -rf build libvirtio_drv.a

-include $(LIB_OBJS:.o=.d)

endif
