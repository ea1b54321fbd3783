# SPDX-License-Identifier: MIT
# The test kernels.  Include from the top of the tree; defines no first target.
#
#   build/kernel/<arch>/<program>.elf   for each arch and each program
#   kernel                              all programs for $(ARCH)
#
# Before the include one may set
#   KERNEL_PROGRAMS          names of further programs
#   KERNEL_SRCS_<program>    their C files
#   KERNEL_LIB_SRCS          C files of an archive linked into every program,
#                            build/kernel/<arch>/libvirtio_drv.a
#   KERNEL_INCLUDES          -I flags for everything
#   KERNEL_CC_<arch>, KERNEL_AR_<arch>, KERNEL_OPT
ARCH ?= x86_64
KERNEL_DIR := tests/kernel
KERNEL_OUT := build/kernel
KERNEL_ARCHES := riscv64 x86_64 aarch64 i386 arm riscv32 m68k
ifneq ($(filter run run-gui kernel,$(MAKECMDGOALS)),)
ifeq ($(filter $(ARCH),$(KERNEL_ARCHES)),)
$(error ARCH is $(ARCH), but there is a demo for $(KERNEL_ARCHES) only)
endif
endif

KERNEL_PROGRAMS += hello lines screens pair cut demo
KERNEL_SRCS_hello := $(KERNEL_DIR)/hello.c
KERNEL_SRCS_lines := $(KERNEL_DIR)/lines.c
KERNEL_SRCS_screens := $(KERNEL_DIR)/screens.c
KERNEL_SRCS_cut := $(KERNEL_DIR)/cut.c
KERNEL_SRCS_pair := $(addprefix $(KERNEL_DIR)/,pair.c pattern.c)
KERNEL_SRCS_demo := $(addprefix $(KERNEL_DIR)/,demo.c demo_bus.c demo_disk.c \
	demo_net.c demo_screen.c demo_kernel.c pattern.c picture.c responder.c)

# The machine's own compiler for its own kind, Debian's cross compilers else.
KERNEL_OWN := $(patsubst arm64,aarch64,$(shell uname -m))
KERNEL_CROSS_i386 := i686-linux-gnu-
KERNEL_CROSS_arm := arm-linux-gnueabihf-
# the one that has a 32-bit libgcc
KERNEL_CROSS_riscv32 := riscv64-unknown-elf-
kernel_cross = $(if $(filter $1,$(KERNEL_OWN)),,$(or \
	$(KERNEL_CROSS_$1),$1-linux-gnu-))
$(foreach a,$(KERNEL_ARCHES),\
    $(eval KERNEL_CC_$a ?= $(call kernel_cross,$a)gcc)\
    $(eval KERNEL_AR_$a ?= $(call kernel_cross,$a)ar))
KERNEL_OPT ?= -O2 -g

# What the code generator must know of each kernel; a library meant to be
# linked into one needs the same.
KERNEL_MACH_x86_64 := -m64 -mno-red-zone -mgeneral-regs-only -mcmodel=small \
	-fcf-protection=none
# binutils wants zicsr spelt out, clang 14 does not know the word
KERNEL_MACH_riscv64 = -march=rv64imac$(if $(findstring clang, \
	$(KERNEL_CC_riscv64)),,_zicsr) -mabi=lp64 -mcmodel=medany
KERNEL_MACH_aarch64 := -mno-outline-atomics -mgeneral-regs-only -mstrict-align
KERNEL_MACH_i386 := -m32 -march=i686 -mgeneral-regs-only -fcf-protection=none
KERNEL_MACH_arm := -marm -mcpu=cortex-a15 -mgeneral-regs-only \
	-mno-unaligned-access
KERNEL_MACH_riscv32 := -march=rv32imac -misa-spec=2.2 -mabi=ilp32 -mcmodel=medany
KERNEL_MACH_m68k := -m68040 -msoft-float

KERNEL_CFLAGS := -std=c11 -ffreestanding -fno-builtin -fno-pie -fno-pic \
	-fno-stack-protector -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections \
	-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
# else GCC makes klib's memset call itself
KERNEL_CFLAGS_GCC := -fno-tree-loop-distribute-patterns
# its uint32_t is a long, which is no wider than an int there
KERNEL_CFLAGS_riscv32 := -Wno-format
KERNEL_LDFLAGS := -nostdlib -static -Wl,--build-id=none \
	-Wl,--gc-sections -Wl,-z,max-page-size=4096 -Wl,--fatal-warnings

KERNEL_COMMON := $(addprefix $(KERNEL_DIR)/,klib.c kmem.c \
	arch/irq_table.c arch/cpu2.c)
KERNEL_ARCH_SRCS_x86_64 := $(addprefix $(KERNEL_DIR)/arch/, \
	x86_64/start_x86_64.S x86_64/x86_64.c x86/x86.c x86/cpu2_x86.S)
KERNEL_ARCH_SRCS_i386 := $(addprefix $(KERNEL_DIR)/arch/, \
	i386/start_i386.S i386/i386.c x86/x86.c x86/cpu2_x86.S)
KERNEL_ARCH_SRCS_riscv64 := $(addprefix $(KERNEL_DIR)/arch/, \
	riscv/start_riscv.S riscv/riscv.c fdt_read.c)
KERNEL_ARCH_SRCS_riscv32 := $(KERNEL_ARCH_SRCS_riscv64)
KERNEL_ARCH_SRCS_aarch64 := $(addprefix $(KERNEL_DIR)/arch/, \
	aarch64/start_aarch64.S aarch64/aarch64.c arm_virt/arm_virt.c fdt_read.c)
KERNEL_ARCH_SRCS_arm := $(addprefix $(KERNEL_DIR)/arch/, \
	arm/start_arm.S arm/arm.c arm_virt/arm_virt.c fdt_read.c)
KERNEL_ARCH_SRCS_m68k := $(addprefix $(KERNEL_DIR)/arch/m68k/, \
	start_m68k.S m68k.c)
KERNEL_LD_x86_64 := $(KERNEL_DIR)/arch/x86/x86.ld
KERNEL_LD_i386 := $(KERNEL_LD_x86_64)
KERNEL_LD_riscv64 := $(KERNEL_DIR)/arch/riscv/riscv.ld
KERNEL_LD_riscv32 := $(KERNEL_LD_riscv64)
KERNEL_LD_aarch64 := $(KERNEL_DIR)/arch/arm_virt/arm_virt.ld
KERNEL_LD_arm := $(KERNEL_LD_aarch64)
KERNEL_LD_m68k := $(KERNEL_DIR)/arch/m68k/m68k.ld

# $(call kernel_cflags,arch)
kernel_cflags = $(KERNEL_MACH_$1) $(KERNEL_CFLAGS) $(if $(findstring \
	clang,$(KERNEL_CC_$1)),,$(KERNEL_CFLAGS_GCC)) $(KERNEL_CFLAGS_$1) \
	$(KERNEL_OPT)

# $(call kernel_objs,arch,sources)
kernel_objs = $(patsubst %,$(KERNEL_OUT)/$1/%.o,$(basename $2))

# $(call kernel_program,arch,program)
define kernel_program
$(KERNEL_OUT)/$1/$2.elf: $$(call kernel_objs,$1,$$(KERNEL_ARCH_SRCS_$1) \
	    $$(KERNEL_COMMON) $$(KERNEL_SRCS_$2)) $$(KERNEL_LIB_$1) \
	    $(KERNEL_LD_$1)
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$$(KERNEL_CC_$1) $$(KERNEL_MACH_$1) $$(KERNEL_LDFLAGS) \
	    -T $(KERNEL_LD_$1) -o $$@ \
	    $$(filter %.o,$$^) $$(KERNEL_LIB_$1) -lgcc
KERNEL_DEPS += $$(patsubst %.o,%.d,$$(call kernel_objs,$1,$$(KERNEL_SRCS_$2)))
endef

# $(call kernel_arch,arch)
define kernel_arch
ifneq ($$(strip $$(KERNEL_LIB_SRCS)),)
KERNEL_LIB_$1 := $(KERNEL_OUT)/$1/libvirtio_drv.a
$$(KERNEL_LIB_$1): $$(call kernel_objs,$1,$$(KERNEL_LIB_SRCS))
	@echo "  AR    $$@"
	$(Q)rm -f $$@ && $$(KERNEL_AR_$1) rcs $$@ $$^
endif
$(KERNEL_OUT)/$1/%.o: %.c
	@mkdir -p $$(@D)
	@echo "  CC    $$@"
	$(Q)$$(KERNEL_CC_$1) $$(call kernel_cflags,$1) $$(KERNEL_INCLUDES) \
	    -MMD -MP -c -o $$@ $$<
$(KERNEL_OUT)/$1/%.o: %.S
	@mkdir -p $$(@D)
	@echo "  AS    $$@"
	$(Q)$$(KERNEL_CC_$1) $$(KERNEL_MACH_$1) -fno-pie -MMD -MP -c -o $$@ $$<
KERNEL_DEPS += $$(patsubst %.o,%.d,$$(call kernel_objs,$1, \
	$$(KERNEL_ARCH_SRCS_$1) $$(KERNEL_COMMON) $$(KERNEL_LIB_SRCS)))
$$(foreach p,$$(KERNEL_PROGRAMS),$$(eval $$(call kernel_program,$1,$$p)))
endef

$(foreach a,$(KERNEL_ARCHES),$(eval $(call kernel_arch,$a)))

.PHONY: kernel
kernel: $(foreach p,$(KERNEL_PROGRAMS),$(KERNEL_OUT)/$(ARCH)/$p.elf)

-include $(sort $(KERNEL_DEPS))
