# libvirtio_drv: see README.md.
#
#   make                     the archive, build/<target>/libvirtio_drv.a
#   make setup GOALS         installs what GOALS need, then makes them
#   make test                everything; make test-host: without QEMU
#   make run                 the demo kernel; ARCH=x86_64|riscv64|aarch64
#                            BUS=pci|mmio; make run-gui opens the window
#   make demo-host           the same demo on the fake device
#   make lint, coverage, bench, clean
#
# CC=, CROSS_COMPILE=, CFLAGS= and V=1 do what they do elsewhere.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
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
TARGET := $(if $(CROSS_COMPILE),$(patsubst %-,%,$(notdir $(CROSS_COMPILE))),host)
OUT ?= build/$(TARGET)

LIB := $(OUT)/libvirtio_drv.a
LIB_OBJS := $(VDRV_SRCS:./%.c=$(OUT)/%.o)

.PHONY: all
all: $(LIB) libvirtio_drv.a

libvirtio_drv.a: $(LIB)
	$(Q)cp $< $@

$(LIB): $(LIB_OBJS)
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(OUT)/%.o: %.c
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
