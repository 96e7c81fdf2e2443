#!/usr/bin/env bash
# Builds what is handed to others: one static executable, and shows that it is one, its size, and that it computes right.
# usage: tools/release.sh [TARGET]      for another processor too; CARGO_TARGET_..._RUNNER, if set, runs it (an emulator)
set -eu
cd "$(dirname "$0")/.."

target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
# Relative relocations in packed form (DT_RELR): a static executable that can lie anywhere has thousands, 24 bytes each.
# For x86-64 Rust links by LLD, which also folds functions of the same code (1 % of the file); binutils' ld cannot.
flags=(-C link-arg=-Wl,-z,pack-relative-relocs)
if [ "$target" = x86_64-unknown-linux-gnu ]; then
    flags+=(-C link-arg=-Wl,--icf=all)
fi
# Messages of a panic name source files: not where they lay on the machine that built it.
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src/
RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$sources=" "${CARGO:-cargo}" rustc --locked --profile dist \
    --bin vertebra --target "$target" -- "${flags[@]}"
binary=${CARGO_TARGET_DIR:-target}/$target/dist/vertebra

if needed=$(readelf --dynamic "$binary" | grep NEEDED); then
    echo "expected a static executable, found one that needs: $needed" >&2
    exit 1
fi
size=$(wc -c <"$binary")
if [ "$size" -gt 8000000 ]; then
    echo "expected at most 8 MB, found $size bytes" >&2
    exit 1
fi
runner=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_RUNNER
${!runner:-} "$binary" selftest
# `train --init builtin` looks for them beside the program.
mkdir -p "$(dirname "$binary")/weights"
cp weights/builtin.safetensors "$(dirname "$binary")/weights/"
echo "$binary: static, $size bytes"
