#!/usr/bin/env bash
# Runs the tests of the unsafe code (kernels and arena) under valgrind, at the levels portable and avx2 at once: reads and
# writes out of bounds, decisions on values that nobody wrote, and memory that is lost are failures. The feature
# `memory-check` makes every buffer and every piece of scratch an allocation of its own, or valgrind would not see where
# one ends in another.
#
# Which test reaches which file of kernels/src:
#   unit tests                          arena, buffer, limits, norm, pack, scratch, sink, output
#   depthwise::, streamed::depthwise    depthwise, depthwise_backward, depthwise_input_gradient, depthwise_weight_gradient,
#                                       depthwise_direct, depthwise_epilogue, ring, rows, block
#   conv::, streamed::the_first_layer   conv, conv_backward, stage, gemm, output, sink
#   pointwise::, streamed::products     pointwise, pointwise_backward, gemm, pack
#   elementwise::, pooling::            elementwise, optimizer, norm, pooling
#   all                                 dispatch, simd, isa/portable, isa/avx2
# Not reached: isa/avx512, for valgrind does not know AVX-512 (the processor that it shows has none, so that no test
# chooses it), and comparison, which only benches call.
#
# Needs valgrind, which it installs where there is apt-get.
set -eu
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    apt-get update -qq && apt-get install -y -qq valgrind >/dev/null
fi

# The program of the unit tests, and that of tests/it.
built=$(cargo test -p kernels --features memory-check --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
if [ "$(wc -l <<<"$built")" != 2 ]; then
    echo "expected two programs of tests, found: $built" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
levels=(portable avx2)
for level in "${levels[@]}"; do
    {
        status=0
        for program in $built; do
            VERTEBRA_LEVEL=$level valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
                --errors-for-leak-kinds=definite --num-callers=16 "$program" --test-threads=1 || status=$?
        done
        echo "$status" >"$work/$level.status"
    } >"$work/$level.log" 2>&1 &
done
wait
failed=0
for level in "${levels[@]}"; do
    if [ "$(cat "$work/$level.status")" = 0 ]; then
        echo "valgrind, $level: $(grep -c '^test .*ok$' "$work/$level.log") tests passed"
    else
        cat "$work/$level.log"
        echo "valgrind, $level: FAILED" >&2
        failed=1
    fi
done
exit "$failed"
