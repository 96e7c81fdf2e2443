#!/usr/bin/env bash
# Fuzzes every reader of files that strangers made: each target of fuzz/ for SECONDS (default 60), two at once, from seeds
# that the target writes itself and from what earlier runs found (fuzz/corpus/, which is not kept in the repository).
# A panic, an overflow, a bad access, one allocation above 256 MB, 1 GB in all and 25 seconds for a file of at most 64 KiB
# are failures; the file is then in fuzz/artifacts/.
#
# Usage: tools/fuzz.sh [SECONDS [TARGET...]]
#
# Needs a C++ compiler for libFuzzer, and installs cargo-fuzz. Works with the stable toolchain: RUSTC_BOOTSTRAP=1 allows it
# the flags that sanitizers need. Where it has no address sanitizer, it goes on without.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true

version=0.13.2
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    cargo install cargo-fuzz --version "$version" --locked --quiet
fi
export RUSTC_BOOTSTRAP=1
host=$(rustc -vV | sed -n 's/^host: //p')
sanitizer=none
if compgen -G "$(rustc --print target-libdir)/librustc-*_rt.asan.a" >/dev/null; then
    sanitizer=address
fi
cargo fuzz build --sanitizer "$sanitizer" --target "$host"
built=${CARGO_TARGET_DIR:-fuzz/target}/$host/release

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() {
    mkdir -p "fuzz/corpus/$1" "fuzz/artifacts/$1"
    FUZZ_SEEDS="fuzz/corpus/$1" TMPDIR="$work" "$built/$1" || return
    TMPDIR="$work" "$built/$1" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=1024 -malloc_limit_mb=256 \
        -max_len=65536 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$1/" "fuzz/corpus/$1"
}
report() {
    if [ "$(cat "$work/$1.status")" != 0 ]; then
        grep -v "^#[0-9]" "$work/$1.log" | tail -n 100
        echo "fuzz $1: FAILED; repeat with: $built/$1 $(sed -n 's/.*Test unit written to //p' "$work/$1.log" | tail -n 1)" >&2
        return 1
    fi
    local executions coverage
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.log")
    coverage=$(sed -n 's/.*\(cov: [0-9]*\).*/\1/p' "$work/$1.log" | tail -n 1)
    echo "fuzz $1 ($sanitizer): $executions executions in $seconds s, $coverage edges, passed"
}

if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
    set -- "${targets[@]}"
fi
for target; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
        wait -n || true
    done
    { run "$target" >"$work/$target.log" 2>&1 && echo 0 || echo 1; } >"$work/$target.status" &
done
wait
failed=0
for target; do
    report "$target" || failed=1
done
exit "$failed"
