# SPDX-License-Identifier: MIT
# Everything below tests/: included from the top Makefile.

# ---- The test kernels ---------------------------------------------------------

KERNEL_LIB_SRCS := $(VDRV_SRCS:./%=%)
KERNEL_INCLUDES := $(VDRV_INCLUDES) -Itests/kernel
include tests/kernel/kernel.mk

# ---- Host tests: the library and the fake, under sanitizers -------------------

HOST_CC ?= gcc
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_CFLAGS := -std=c11 -g -O1 $(SAN) -fno-omit-frame-pointer -Wall -Wextra \
	-Wpedantic -Wshadow -Werror -D_GNU_SOURCE -Iinclude -Itests/fake \
	-Itests/unit -Itests/kernel -Itests/adapters -Itests/qtest
HOST_OUT := build/test

FAKE_SRCS := $(wildcard tests/fake/*.c)
HOST_LIB_OBJS := $(patsubst ./%.c,$(HOST_OUT)/%.o,$(VDRV_SRCS)) \
	$(patsubst %.c,$(HOST_OUT)/%.o,$(FAKE_SRCS))
HOST_TESTS := $(patsubst tests/unit/%.c,$(HOST_OUT)/%,\
	$(wildcard tests/unit/test_*.c))

# Further C files that a test program needs.
TEST_SRCS_test_fake := tests/unit/rawdrv.c
TEST_SRCS_test_fake_dev := tests/unit/rawdrv.c
TEST_SRCS_test_responder := tests/kernel/responder.c
TEST_SRCS_test_block_trait := tests/adapters/ramdisk.c
TEST_SRCS_test_loopback_nic := tests/adapters/loopback_nic.c
TEST_SRCS_test_fb_console := tests/adapters/fb_console.c
TEST_SRCS_test_lvgl_flush := tests/adapters/lvgl_flush.c
TEST_SRCS_test_fatfs_diskio := tests/adapters/fatfs_diskio.c
TEST_SRCS_test_xv6_disk := tests/adapters/xv6_disk.c tests/unit/live_machine.c
TEST_SRCS_test_rtos_wait := tests/adapters/rtos_wait.c \
	tests/unit/live_machine.c

# lwIP as Debian has it; without it, its test says that it is skipped.
LWIP := $(shell echo '\#include <lwip/tcpip.h>' | \
	$(HOST_CC) -isystem /usr/include/lwip -E - >/dev/null 2>&1 && echo yes)
LWIP_OBJS := $(HOST_OUT)/tests/adapters/lwip_netif.o \
	$(HOST_OUT)/tests/unit/test_lwip_netif.o \
	$(HOST_OUT)/tests/qtest/qtest_lwip.o
TEST_SRCS_test_lwip_netif := tests/unit/live_machine.c \
	$(if $(LWIP),tests/adapters/lwip_netif.c)
TEST_LIBS_test_lwip_netif := $(if $(LWIP),-llwip)
# Built anew when lwIP comes or goes.
LWIP_STAMP := $(HOST_OUT)/lwip-$(or $(LWIP),no)
$(LWIP_STAMP):
	@mkdir -p $(@D) && rm -f $(HOST_OUT)/lwip-* && touch $@
$(LWIP_OBJS): $(LWIP_STAMP)
$(LWIP_OBJS): HOST_CFLAGS += \
	$(if $(LWIP),-DHAVE_LWIP -isystem /usr/include/lwip)

# Real users of a disk, where Debian's libext2fs and SQLite are installed;
# without them, their tests say that they are skipped.
DISK_USERS := $(and $(wildcard /usr/include/ext2fs/ext2fs.h),\
	$(wildcard /usr/include/sqlite3.h))
DISK_STORIES := $(if $(DISK_USERS),tests/unit/disk_stories.c \
	tests/adapters/ext2_io.c tests/adapters/sqlite_disk.c)
DISK_LIBS := $(if $(DISK_USERS),-lext2fs -lcom_err -lsqlite3)
TEST_SRCS_test_disk_stories := $(DISK_STORIES)
TEST_LIBS_test_disk_stories := $(DISK_LIBS)
$(HOST_OUT)/tests/unit/test_disk_stories.o \
$(HOST_OUT)/tests/qtest/qtest_stories.o: HOST_CFLAGS += \
	$(if $(DISK_USERS),-DHAVE_DISK_USERS)

$(HOST_OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

define host_test
$(HOST_OUT)/$1: $(HOST_OUT)/tests/unit/$1.o $(HOST_LIB_OBJS) \
	    $(patsubst %.c,$(HOST_OUT)/%.o,$(TEST_SRCS_$1))
	@echo "  LD    $$@"
	$(Q)$(HOST_CC) $(SAN) -o $$@ $$^ $(TEST_LIBS_$1) -lpthread
-include $(HOST_OUT)/tests/unit/$1.d \
	$(patsubst %.c,$(HOST_OUT)/%.d,$(TEST_SRCS_$1))
endef
# Some tests a second time under ThreadSanitizer, which tests/unit/test_tsan.py
# runs.  It knows nothing of fences, and the fence of a ring only orders a store
# with a later load, where there is no data to race for.
TSAN := -fsanitize=thread
TSAN_CFLAGS := $(filter-out $(SAN),$(HOST_CFLAGS)) $(TSAN) \
	$(if $(findstring clang,$(HOST_CC)),,-Wno-tsan)
TSAN_TESTS := $(addprefix $(HOST_OUT)/tsan/,test_xv6_disk test_rtos_wait \
	test_queue_threads test_net_threads)
TSAN_LIB_OBJS := $(HOST_LIB_OBJS:$(HOST_OUT)/%=$(HOST_OUT)/tsan/%)
$(HOST_OUT)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(TSAN_CFLAGS) -MMD -MP -c -o $@ $<
define tsan_test
$1: $(HOST_OUT)/tsan/tests/unit/$(notdir $1).o $(TSAN_LIB_OBJS) \
	    $(patsubst %.c,$(HOST_OUT)/tsan/%.o,$(TEST_SRCS_$(notdir $1)))
	@echo "  LD    $$@"
	$(Q)$(HOST_CC) $(TSAN) -o $$@ $$^ -lpthread
-include $(HOST_OUT)/tsan/tests/unit/$(notdir $1).d \
	$(patsubst %.c,$(HOST_OUT)/tsan/%.d,$(TEST_SRCS_$(notdir $1)))
endef
-include $(TSAN_LIB_OBJS:.o=.d)

# Programs that Python tests drive.
HOST_HELPERS := $(HOST_OUT)/picture_dump $(HOST_OUT)/responder_peer \
	$(HOST_OUT)/fdt_slots
HELPER_SRCS_picture_dump := tests/kernel/picture.c
HELPER_SRCS_fdt_slots := src/transport/vdrv_fdt.c
HELPER_SRCS_responder_peer := tests/kernel/responder.c tests/kernel/pattern.c
define host_helper
$(HOST_OUT)/$1: $(patsubst %.c,$(HOST_OUT)/%.o,tests/unit/$1.c \
	    $(HELPER_SRCS_$1))
	@echo "  LD    $$@"
	$(Q)$(HOST_CC) $(SAN) -o $$@ $$^
endef
$(foreach t,$(notdir $(HOST_HELPERS)),$(eval $(call host_helper,$t)))

# The demo on the fake: as in the kernels, but for demo_kernel.c and memcpy().
DEMO_HOST := $(HOST_OUT)/demo_host
DEMO_HOST_OBJS := $(patsubst %.c,$(HOST_OUT)/%.o,tests/kernel/demo_host.c \
	tests/kernel/klib.c $(filter-out %/demo_kernel.c,$(KERNEL_SRCS_demo)))
$(DEMO_HOST): $(DEMO_HOST_OBJS) $(HOST_LIB_OBJS)
	@echo "  LD    $@"
	$(Q)$(HOST_CC) $(SAN) -o $@ $^
-include $(DEMO_HOST_OBJS:.o=.d)

# The library on QEMU's devices, driven from out here.
QTESTS := $(patsubst %,$(HOST_OUT)/%,qtest_blk qtest_blk_props qtest_net \
	qtest_frames qtest_lwip qtest_pairs qtest_gpu qtest_life qtest_stories)
QTEST_OBJS := $(patsubst %,$(HOST_OUT)/tests/qtest/%.o,qtest_machine \
	qtest_memory) $(patsubst ./%.c,$(HOST_OUT)/%.o,$(VDRV_SRCS))
$(HOST_OUT)/tests/qtest/%.o: HOST_CFLAGS += \
	$(if $(filter %packed.c,$(VDRV_SRCS)),-DQTEST_PACKED)
$(QTESTS): $(HOST_OUT)/%: $(HOST_OUT)/tests/qtest/%.o $(QTEST_OBJS)
	@echo "  LD    $@"
	$(Q)$(HOST_CC) $(SAN) -o $@ $^ $(QTEST_LIBS_$(@F)) -lpthread
$(HOST_OUT)/qtest_frames $(HOST_OUT)/qtest_pairs: \
	$(HOST_OUT)/tests/qtest/qtest_wire.o
$(HOST_OUT)/qtest_stories: $(patsubst %.c,$(HOST_OUT)/%.o,$(DISK_STORIES))
$(HOST_OUT)/qtest_lwip: $(if $(LWIP),$(HOST_OUT)/tests/adapters/lwip_netif.o)
QTEST_LIBS_qtest_lwip := $(if $(LWIP),-llwip -lpthread)
QTEST_LIBS_qtest_pairs := -lpthread
QTEST_LIBS_qtest_stories := $(DISK_LIBS)
-include $(wildcard $(HOST_OUT)/tests/qtest/*.d)

$(foreach t,$(notdir $(HOST_TESTS)),$(eval $(call host_test,$t)))
$(foreach t,$(TSAN_TESTS),$(eval $(call tsan_test,$t)))
-include $(HOST_LIB_OBJS:.o=.d)
.SECONDARY:

# ---- Host tests on other CPUs, by qemu-user -------------------------------------

# Big-endian with 64 and 32 bits, and little-endian with 32, whose device
# addresses are above 4 GiB all the same.  A CPU without a compiler here, or
# without its libc's headers, is left out, and tests/cpus.py says so.  Where a
# test's time is in what no CPU does differently, only one of them runs it.
CPUS := s390x powerpc arm
CPU_GCC_s390x := s390x-linux-gnu-gcc
CPU_GCC_powerpc := powerpc-linux-gnu-gcc
CPU_GCC_arm := arm-linux-gnueabihf-gcc
CPU_TESTS := blk blk_faults blk_legacy blk_zones driver edid fake_dev fdt gpu \
	life mmio mmio_cmdline mmio_legacy msix net net_ctrl net_offload pci \
	pci_disk pci_legacy pci_power pci_window queue queue_doorbell \
	queue_faults queue_in_order queue_reset
CPU_OUT := build/cpu
CPU_CFLAGS := $(filter-out $(SAN) -g,$(HOST_CFLAGS))
CPU_HAVE := $(foreach c,$(CPUS),$(if $(shell echo '\#include <stdio.h>' | \
	$(CPU_GCC_$c) -E - >/dev/null 2>&1 && echo yes),$c))

define cpu_rules
$(CPU_OUT)/$1/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$(CPU_GCC_$1) $$(CPU_CFLAGS) -MMD -MP -c -o $$@ $$<
CPU_OBJS_$1 := $(HOST_LIB_OBJS:$(HOST_OUT)/%=$(CPU_OUT)/$1/%)
$(CPU_OUT)/$1/test_%: $(CPU_OUT)/$1/tests/unit/test_%.o $$(CPU_OBJS_$1) \
	    $(CPU_OUT)/$1/tests/unit/rawdrv.o
	@echo "  LD    $$@"
	$$(Q)$(CPU_GCC_$1) -static -o $$@ $$^ -lpthread
-include $$(CPU_OBJS_$1:.o=.d)
-include $(CPU_TESTS:%=$(CPU_OUT)/$1/tests/unit/test_%.d)
endef
$(foreach c,$(CPU_HAVE),$(eval $(call cpu_rules,$c)))
CPU_ALL := $(foreach c,$(CPU_HAVE),$(CPU_TESTS:%=$(CPU_OUT)/$c/test_%))

.PHONY: test-cpus
test-cpus: $(CPU_ALL)
	$(Q)$(PYTHON) tests/run_tests.py -v cpus

# ---- Fuzzing: device behaviour is the input -------------------------------------

FUZZ_SRCS := $(filter-out %/fuzz_target.c %/fuzz_smoke.c,\
	$(wildcard tests/fuzz/*.c)) tests/kernel/responder.c
FUZZ_CORPUS := tests/fuzz/corpus.txt
FUZZ_SMOKE := $(HOST_OUT)/fuzz_smoke
FUZZ_SMOKE_OBJS := $(patsubst %.c,$(HOST_OUT)/%.o,$(FUZZ_SRCS) \
	tests/fuzz/fuzz_smoke.c)
$(FUZZ_SMOKE): $(FUZZ_SMOKE_OBJS) $(VDRV_SRCS:./%.c=$(HOST_OUT)/%.o)
	@echo "  LD    $@"
	$(Q)$(HOST_CC) $(SAN) -o $@ $^
-include $(FUZZ_SMOKE_OBJS:.o=.d)

# libFuzzer: each harness for FUZZ_SECONDS, or those of FUZZ alone.  What it
# learns stays in build/fuzz/corpus; what it finds in build/fuzz.
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ ?= ring rings mmio pci bus config fdt cmdline blk net_rx net_tx gpu edid responder session
FUZZ_OUT := build/fuzz
FUZZ_SAN := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_OBJS := $(patsubst %.c,$(FUZZ_OUT)/%.o,$(FUZZ_SRCS) \
	tests/fuzz/fuzz_target.c $(VDRV_SRCS:./%=%))
$(FUZZ_OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(filter-out $(SAN),$(HOST_CFLAGS)) $(FUZZ_SAN) -MMD -MP \
	    -c -o $@ $<
$(FUZZ_OUT)/fuzz: $(FUZZ_OBJS)
	@echo "  LD    $@"
	$(Q)$(FUZZ_CC) $(FUZZ_SAN) -o $@ $^
-include $(FUZZ_OBJS:.o=.d)

.PHONY: fuzz
fuzz: $(FUZZ_OUT)/fuzz $(FUZZ_SMOKE)
	$(Q)mkdir -p $(FUZZ_OUT)/corpus
	$(Q)$(FUZZ_SMOKE) $(FUZZ_CORPUS) -o $(FUZZ_OUT)/corpus >/dev/null
	$(Q)for h in $(FUZZ); do \
	    FUZZ_HARNESS=$$h $(FUZZ_OUT)/fuzz -max_total_time=$(FUZZ_SECONDS) \
	        -max_len=1100 -timeout=10 -artifact_prefix=$(FUZZ_OUT)/$$h- \
	        $(FUZZ_OUT)/corpus/$$h >$(FUZZ_OUT)/$$h.log 2>&1 || \
	        { tail -40 $(FUZZ_OUT)/$$h.log; exit 1; }; \
	    echo "$$h: $$(tail -1 $(FUZZ_OUT)/$$h.log)"; \
	done

HOST_ALL := $(HOST_TESTS) $(FUZZ_SMOKE) $(HOST_HELPERS) $(TSAN_TESTS) $(DEMO_HOST) \
	$(LIB) build/bench/bench_ring
.PHONY: test-host
test-host: $(HOST_ALL)
	$(Q)$(PYTHON) tests/run_tests.py host

# ---- The demo --------------------------------------------------------------------

BUS ?= $(if $(filter m68k,$(ARCH)),mmio,pci)
MODE ?= irq
DEMO := $(PYTHON) tests/kernel/demo.py --bus $(BUS) --mode $(MODE)

.PHONY: run run-gui demo-host
run: $(KERNEL_OUT)/$(ARCH)/demo.elf
	$(Q)$(DEMO) --arch $(ARCH) --png build/demo-$(ARCH)-$(BUS).png

run-gui: $(KERNEL_OUT)/$(ARCH)/demo.elf
	$(Q)$(DEMO) --arch $(ARCH) --gui

demo-host: $(DEMO_HOST)
	$(Q)$(DEMO) --host --png build/demo-host-$(BUS).png

# ---- Measurements ----------------------------------------------------------------

BENCH_OUT := build/bench
BENCH_CFLAGS := -std=c11 -O2 -g -D_GNU_SOURCE
BENCHES := $(patsubst %,$(BENCH_OUT)/%,bench_ring bench_blk bench_net)

$(BENCH_OUT)/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_CFLAGS) -Wall -Wextra -Werror -Iinclude -MMD -MP \
	    -c -o $@ $<
-include $(wildcard $(BENCH_OUT)/*.d)

$(BENCH_OUT)/bench_ring: $(BENCH_OUT)/bench_ring.o $(BENCH_OUT)/bench_ours.o
$(BENCH_OUT)/bench_blk: $(BENCH_OUT)/bench_blk.o
$(BENCH_OUT)/bench_net: $(BENCH_OUT)/bench_net.o
$(BENCHES): $(BENCH_OUT)/bench_device.o $(LIB)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(LIB)

# Linux's own ring beside ours, where its source is installed: the one file as
# it is, compiled by what the kernel has for that (tools/virtio).
LINUX_TAR := /usr/src/linux-source-6.1.tar.xz
LINUX := $(BENCH_OUT)/linux
LINUX_CFLAGS := -O2 -g -w -I$(LINUX)/tools/virtio -I$(LINUX)/tools/include \
	-fno-strict-overflow -fno-strict-aliasing -fno-common -U_FORTIFY_SOURCE \
	-include $(LINUX)/include/linux/kconfig.h "-Ddata_race(x)=(x)" \
	-DCONFIG_PHYS_ADDR_T_64BIT
BENCH_PEERS := $(if $(wildcard $(LINUX_TAR)),$(BENCH_OUT)/bench_peers)

$(LINUX)/unpacked: $(LINUX_TAR)
	@mkdir -p $(@D)
	@echo "  TAR   $<"
	$(Q)tar -xJf $< -C $(@D) --strip-components=1 $(patsubst %,\
	    linux-source-6.1/%,drivers/virtio/virtio_ring.c tools/virtio \
	    tools/include include/linux include/uapi/linux)
	$(Q)touch $@

$(BENCH_OUT)/virtio_ring.o: $(LINUX)/unpacked
	$(Q)$(CC) $(LINUX_CFLAGS) -c -o $@ $(LINUX)/drivers/virtio/virtio_ring.c

$(BENCH_OUT)/bench_linux.o: tests/bench/bench_linux.c $(LINUX)/unpacked
	$(Q)$(CC) $(LINUX_CFLAGS) -Iinclude -MMD -MP -c -o $@ $<

$(BENCH_OUT)/bench_peers: $(patsubst %,$(BENCH_OUT)/%.o,bench_ring bench_ours \
	    bench_linux virtio_ring bench_device) $(LIB)
	$(Q)$(CC) -o $@ $(filter %.o,$^) $(LIB)

.PHONY: bench
bench: $(BENCHES) $(BENCH_PEERS) $(HOST_OUT)/qtest_life
	$(Q)$(PYTHON) tests/bench/bench.py

# The drivers against devices in other processes, in turns with other drivers.
BENCH_VHOST := $(BENCH_OUT)/bench_vhost_blk $(BENCH_OUT)/bench_vhost_net
$(BENCH_VHOST): %: %.o $(BENCH_OUT)/vhost_user.o $(LIB)
	$(Q)$(CC) -o $@ $^

.PHONY: bench-backends
bench-backends: $(BENCH_VHOST)
	$(Q)$(PYTHON) tests/bench/backends.py

# ---- Checks of the house -----------------------------------------------------

.PHONY: lint coverage
lint:
	$(Q)$(PYTHON) tests/run_tests.py -v lint

# The C host tests once more, counted by gcov, without sanitizers.
COV_OUT := build/coverage
coverage:
	$(Q)find $(COV_OUT) -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) --no-print-directory HOST_OUT=$(COV_OUT) SAN="--coverage -O0" \
	    HOST_CC=gcc coverage-run
	$(Q)$(PYTHON) tests/coverage.py $(COV_OUT)

.PHONY: coverage-run
coverage-run: $(HOST_TESTS)
	$(Q)for t in $(HOST_TESTS); do $$t >$$t.log || cat $$t.log; done

# ---- Proofs ------------------------------------------------------------------

# What is never run with the tests: models and proofs, and each once more with
# a barrier or a check taken out.
.PHONY: proof
proof:
	$(Q)$(PYTHON) tests/proof/barriers_test.py
	$(Q)$(PYTHON) tests/proof/proof.py

# ---- Everything ----------------------------------------------------------------

ALL_KERNELS := $(foreach a,$(KERNEL_ARCHES),$(foreach p,$(KERNEL_PROGRAMS),\
	$(KERNEL_OUT)/$a/$p.elf))

.PHONY: test test-qtest soak
test: $(HOST_ALL) $(CPU_ALL) $(QTESTS) $(ALL_KERNELS)
	$(Q)$(PYTHON) tests/run_tests.py host cpus lint qtest guest

test-qtest: $(QTESTS)
	$(Q)$(PYTHON) tests/run_tests.py -v qtest

# The same for a long time: a million operations on each device and bus, and
# ten million transfers between two threads in each mode of a ring.  A million
# rounds of the network tests.
SOAK ?= 1000000
SOAK_TRANSFERS ?= 10000000
soak: $(QTESTS) \
	    $(addprefix $(HOST_OUT)/tsan/,test_queue_threads test_net_threads) \
	    $(addprefix $(HOST_OUT)/,test_blk_faults test_net test_net_offload)
	$(Q)SOAK_STEPS=$(SOAK) $(HOST_OUT)/test_blk_faults random_mix
	$(Q)NET_ROUNDS=$(SOAK) $(HOST_OUT)/test_net random_traffic
	$(Q)NET_ROUNDS=$(SOAK) $(HOST_OUT)/test_net_offload random_pairs
	$(Q)QUEUE_TRANSFERS=$(SOAK_TRANSFERS) NET_ROUNDS=$(SOAK) \
	    TSAN_SECONDS=7200 $(PYTHON) tests/unit/test_tsan.py \
	    $(addprefix $(HOST_OUT)/tsan/,test_queue_threads test_net_threads)
	$(Q)QTEST_OPERATIONS=$(SOAK) $(PYTHON) tests/run_tests.py -t 7200 -v qtest
