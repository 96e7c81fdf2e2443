#!/usr/bin/env bash
# Builds for 64-bit ARM and runs it in an emulator (QEMU's user mode): the tests of the kernels at the levels neon and
# portable, the machine code of the NEON kernels, and the static executable: its selftest, three steps of training, one
# prediction. Of speed an emulator says nothing.
#
# Needs a compiler for aarch64-unknown-linux-gnu, its C library and linker, and qemu-aarch64. Where there is apt-get it
# installs Debian's; elsewhere it says that it skips.
set -eu
cd "$(dirname "$0")/.."

target=aarch64-unknown-linux-gnu
if ! command -v qemu-aarch64 >/dev/null || ! command -v aarch64-linux-gnu-gcc >/dev/null ||
    ! ls /usr/lib/rustlib/$target/lib/libstd-*.rlib >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null; then
        echo "check_arm: skipped, for it installs what it needs by apt-get, and there is none" >&2
        exit 0
    fi
    dpkg --add-architecture arm64
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustc-web cargo-web \
        libstd-rust-web-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user >/dev/null
fi
# Debian's compiler is a version of its own, with the libraries for both processors.
export RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/arm
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64

# Static, because the C library of the cross compiler is not where a program for ARM looks for it.
RUSTFLAGS="-C target-feature=+crt-static" "$CARGO" test --locked -p kernels --lib --test it --target $target
python3 tools/check_codegen.py --arm
tools/release.sh $target

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
vertebra() { qemu-aarch64 "$CARGO_TARGET_DIR/$target/dist/vertebra" "$@"; }
vertebra phantom "$work/set" --patients 24 --views 1 --image-size 32 2>/dev/null
vertebra train "$work/set" --out "$work/run" --width 0.25 --image-size 32 --batch-size 4 --max-steps 3 >/dev/null
vertebra predict "$work/run" "$(find "$work/set" -name '*.png' | sort | head -1)"
echo "check_arm: passed"
