#!/usr/bin/env bash
# Builds what is handed to others: one static executable, and shows that it is one, its size, and that it computes right.
set -eu
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
# Relative relocations in packed form (DT_RELR): a static executable that can lie anywhere has thousands, 24 bytes each.
RUSTFLAGS="-C target-feature=+crt-static" cargo rustc --locked --profile dist --bin vertebra --target "$target" -- \
    -C link-arg=-Wl,-z,pack-relative-relocs
binary=${CARGO_TARGET_DIR:-target}/$target/dist/vertebra

linked=$(ldd "$binary" 2>&1 || true)
if ! grep -qE "statically linked|not a dynamic executable" <<<"$linked"; then
    echo "expected a static executable, found one that needs: $linked" >&2
    exit 1
fi
size=$(wc -c <"$binary")
if [ "$size" -gt 8000000 ]; then
    echo "expected at most 8 MB, found $size bytes" >&2
    exit 1
fi
"$binary" selftest
echo "$binary: static, $size bytes"
