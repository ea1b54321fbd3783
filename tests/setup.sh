#!/bin/sh
# SPDX-License-Identifier: MIT
# setup.sh GOALS...: installs what these make goals need and is not there, by
# apt-get; where there is none, says what to install. Does nothing, and needs
# no network, when all is there. ARCH is that of `make run`.
set -eu

arch=${ARCH:-x86_64}
case $(uname -m) in
arm64) own=aarch64 ;;
*) own=$(uname -m) ;;
esac
[ "$(uname -s)" = Linux ] || own=none # no compiler for ELF of its own

missing= # programs and files
packages=

# want WHAT PACKAGE...: WHAT is a program or a file's path, the first PACKAGE
# that apt-get knows brings it.
want() {
    what=$1
    shift
    case $what in
    /*) [ -e "$what" ] && return 0 ;;
    *) command -v "$what" >/dev/null 2>&1 && return 0 ;;
    esac
    case " $missing " in *" $what "*) return 0 ;; esac
    missing="$missing $what"
    packages="$packages $*;"
}

cc() {
    want gcc gcc
    want ar binutils
}

# a compiler that makes programs for this machine
host_cc() {
    cc
    want /usr/include/stdio.h libc6-dev
}

cxx() {
    host_cc
    want g++ g++
}

cross() {
    if [ "$1" = "$own" ]; then
        cc
        return
    fi
    case $1 in
    i386) want i686-linux-gnu-gcc gcc-i686-linux-gnu ;;
    arm) want arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf ;;
    riscv32) want riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf ;;
    *) want "$1-linux-gnu-gcc" "gcc-$(echo "$1" | tr _ -)-linux-gnu" ;;
    esac
}

qemu() {
    case $1 in
    x86_64 | i386) want "qemu-system-$1" qemu-system-x86 ;;
    aarch64 | arm) want "qemu-system-$1" qemu-system-arm ;;
    riscv64 | riscv32) want "qemu-system-$1" qemu-system-riscv qemu-system-misc ;;
    *) want "qemu-system-$1" qemu-system-misc ;;
    esac
}

guests() {
    for a in x86_64 riscv64 aarch64 i386 arm riscv32 m68k; do
        cross $a
        qemu $a
    done
}

# One line for each goal; unknown ones need what the archive needs.
needs() {
    case $1 in
    run) want python3 python3; cross "$arch"; qemu "$arch" ;;
    run-gui) needs run; window ;;
    kernel) cross "$arch" ;;
    demo-host) want python3 python3; host_cc ;;
    test-host)
        needs demo-host
        cxx
        want clang clang
        want /usr/include/lwip/lwip/init.h liblwip-dev
        want /usr/include/ext2fs/ext2fs.h libext2fs-dev
        want /usr/include/sqlite3.h libsqlite3-dev
        want /sbin/e2fsck e2fsprogs
        want valgrind valgrind
        ;;
    test)
        needs test-host
        guests
        want dtc device-tree-compiler
        needs test-cpus
        needs lint
        ;;
    test-cpus)
        needs demo-host
        want qemu-s390x qemu-user
        want s390x-linux-gnu-gcc gcc-s390x-linux-gnu
        want powerpc-linux-gnu-gcc gcc-powerpc-linux-gnu
        want arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf
        want /usr/s390x-linux-gnu/include/stdio.h libc6-dev-s390x-cross
        want /usr/powerpc-linux-gnu/include/stdio.h libc6-dev-powerpc-cross
        want /usr/arm-linux-gnueabihf/include/stdio.h libc6-dev-armhf-cross
        ;;
    test-qtest)
        needs demo-host
        qemu x86_64
        qemu aarch64
        want /usr/include/lwip/lwip/init.h liblwip-dev
        ;;
    soak)
        needs test-qtest
        want dpdk-testpmd dpdk-dev
        ;;
    lint)
        needs demo-host
        want clang clang
        want clang-tidy clang-tidy
        want clang-format clang-format
        want cppcheck cppcheck
        ;;
    coverage) needs test-host ;;
    bench)
        needs test-qtest
        want valgrind valgrind
        want /usr/src/linux-source-6.1.tar.xz linux-source-6.1
        ;;
    bench-backends)
        needs demo-host
        want qemu-storage-daemon qemu-system-common
        want dpdk-testpmd dpdk-dev
        ;;
    proof)
        needs demo-host
        cxx
        want clang clang
        for a in x86_64 riscv64 aarch64 i386 arm riscv32 m68k; do
            cross $a
        done
        want /usr/include/relacy/relacy.hpp relacy-dev
        want spin spin
        want frama-c frama-c-base
        want z3 z3
        want why3 why3
        ;;
    fuzz)
        host_cc
        want clang clang
        fuzzer
        ;;
    clean) ;;
    *) cc ;;
    esac
}

# QEMU keeps its windows in modules of their own
window() {
    for dir in /usr/lib/*/qemu /usr/lib/qemu /usr/lib64/qemu; do
        [ -e "$dir/ui-gtk.so" ] && return 0
    done
    want /usr/lib/qemu/ui-gtk.so qemu-system-gui
}

# libFuzzer comes with clang, or with its runtime library alone
fuzzer() {
    for lib in /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a; do
        [ -e "$lib" ] && return 0
    done
    want /usr/lib/libclang_rt.fuzzer.a libclang-rt-14-dev libclang-rt-dev
}

# The first of the names that can be installed.
choose() {
    for name; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "setup: apt-get knows none of: $*" >&2
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "setup: as root, please: $*" >&2
        return 1
    fi
}

by_apt() {
    as_root apt-get -q update
    list=
    rest=$packages
    while [ -n "${rest# }" ]; do
        # shellcheck disable=SC2086 # the names are to be split
        name=$(choose ${rest%%;*})
        list="$list $name"
        rest=${rest#*;}
    done
    echo "setup: installing$list"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends $list
}

[ $# -gt 0 ] || set -- all
for goal; do
    needs "$goal"
done
if [ -z "$missing" ]; then
    echo "setup: all that '$*' needs is there"
    exit 0
fi
echo "setup: '$*' needs:$missing"
if command -v apt-get >/dev/null 2>&1; then
    by_apt
    exit 0
fi
echo "setup: there is no apt-get here. Please install these programs" >&2
echo "setup: (Debian's packages: $(echo "$packages" | tr -s ' ;' ' ,' |
    sed 's/^ //; s/,$//')):" >&2
for what in $missing; do
    echo "setup:     $what" >&2
done
exit 1
