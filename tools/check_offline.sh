#!/usr/bin/env bash
# Shows that the program builds where there is no network: sources vendored into a folder, then cargo with a home of its
# own that knows nothing but that folder. `check` (the default) stops before machine code; `build` makes the program.
set -eu
cd "$(dirname "$0")/.."
step=${1:-check}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
cargo vendor --locked --quiet "$work/vendor" >/dev/null
printf '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "%s"\n' "$work/vendor" \
    >"$work/home/config.toml"
CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" CARGO_NET_OFFLINE=true \
    cargo "$step" --offline --locked --quiet --bin vertebra
echo "offline $step from $(ls "$work/vendor" | wc -l) vendored packages: passed"
