#!/usr/bin/env bash
# The library for C: vertebra.h is what cbindgen makes of crates/capi, the example and the test of the border compile without
# a warning in C99, link the shared and the static library, answer as the program does, and run under valgrind without an
# error and without a leak.
#
#   tools/check_capi.sh            all of it
#   tools/check_capi.sh --write    writes vertebra.h instead
#
# Needs gcc; installs valgrind where there is apt-get, and cbindgen by cargo, beside the build.
set -eu
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
profile=${VERTEBRA_PROFILE:-release}
built=$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")
header=crates/capi/vertebra.h
version=0.29.4

tools=$CARGO_TARGET_DIR/tools
if [ "$("$tools/bin/cbindgen" --version 2>/dev/null)" != "cbindgen $version" ]; then
    cargo install --quiet --locked --version "$version" --root "$tools" cbindgen
fi
cbindgen() { "$tools/bin/cbindgen" --quiet --config crates/capi/cbindgen.toml crates/capi; }
if [ "${1:-}" = --write ]; then
    cbindgen >"$header"
    exit
fi
if ! diff -u "$header" <(cbindgen); then
    echo "$header is not what cbindgen makes of crates/capi: tools/check_capi.sh --write" >&2
    exit 1
fi

if ! command -v valgrind >/dev/null; then
    apt-get update -qq && apt-get install -y -qq valgrind >/dev/null
fi
cargo build --locked --quiet --profile "$profile" --bin vertebra
cargo build --locked --quiet --profile "$profile" -p capi
cargo test --locked --quiet --profile "$profile" -p capi >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
program() { "$built/vertebra" "$@" 2>>"$work/log" || { cat "$work/log" >&2 && return 1; }; }
program phantom "$work/data" --patients 12 --image-size 96 >/dev/null
program train "$work/data/manifest.csv" --out "$work/run" --width 0.25 --image-size 64 --batch-size 8 --max-steps 3 >/dev/null
image=$(find "$work/data" -name '*.png' | sort | head -n 1)

strict=(-std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -O1 -g -I crates/capi)
system=(-lpthread -ldl -lm)
for source in examples/c/classify.c crates/capi/tests/border.c; do
    name=$(basename "$source" .c)
    gcc "${strict[@]}" "$source" -o "$work/$name" -L "$built" -lvertebra -Wl,-rpath,"$built" "${system[@]}"
    gcc "${strict[@]}" "$source" -o "$work/$name-static" "$built/libvertebra.a" "${system[@]}"
done

# The same digits as the program: label, probability, and that of each class.
program predict "$work/run" "$image" --format jsonl >"$work/line"
"$work/classify" "$work/run" "$image" >"$work/answer"
python3 - "$work/line" "$work/answer" <<'EOF'
import json, sys

line = json.load(open(sys.argv[1]))
said, *each = open(sys.argv[2]).read().splitlines()[:-1]
assert said == f"{line['label']} {line['probability']:.6f} ({line['decision']})", (said, line)
probabilities = {text[11:]: text[2:10] for text in each}
assert probabilities == {name: f"{p:.6f}" for name, p in line["probabilities"].items()}, (each, line)
EOF
cmp "$work/answer" <("$work/classify-static" "$work/run" "$image")
if "$work/classify" "$work/run" "$work/line" 2>"$work/refused"; then
    echo "a text was classified" >&2
    exit 1
fi
grep -q "expected a PNG, JPEG or DICOM image" "$work/refused"
# Samples: as many as the sides say, neither fewer nor more, and one error if not.
python3 -c 'import sys; sys.stdout.buffer.write(bytes(at % 251 for at in range(48 * 40)))' >"$work/samples"
"$work/classify" "$work/run" "$work/samples" 48 40 | grep -q "Research use only, not a medical device"
for height in 47 49; do
    if "$work/classify" "$work/run" "$work/samples" $height 40 >"$work/said" 2>&1; then
        echo "samples of another size were classified" >&2
        exit 1
    fi
    [ "$(cat "$work/said")" = "error: $work/samples: expected $height x 40 bytes, found 1920" ]
done

# What is still reachable at the end is the arena of the kernels, which is the process's own.
kinds=definite,indirect,possible
careful=(valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=$kinds --errors-for-leak-kinds=$kinds
    --suppressions=crates/capi/tests/valgrind.supp)
"${careful[@]}" "$work/border" "$work/run/best.safetensors" "$image"
"${careful[@]}" "$work/border-static" "$work/run/best.safetensors" "$image"
"${careful[@]}" "$work/classify" "$work/run" "$image" >"$work/watched"
cmp "$work/answer" "$work/watched"
echo "C: header, example and border passed; libvertebra.so $(($(stat -c %s "$built/libvertebra.so") / 1000)) kB"
