"""Splits families of copies as a user would, and counts the pictures that cross the split; prints one Markdown table.

    cargo run --release -p duplicates --example families -- write /tmp/families 6 '*/*/10'
    python3 tools/split_families.py /tmp/families [--program target/release/vertebra]

For each family: `audit --write-groups`, `split` by these groups, `audit --strict` of the result. Crossing is a picture of
which there are copies in two parts of the split, which the last audit must not let pass. Vertebra is not told what is a copy
of what. Exits 1 if a picture crosses and the last audit does not say so.
"""

import argparse
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

from compare_families import blind, read


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="target/release/vertebra")
    arguments = parser.parse_args()
    manifests = sorted(arguments.folder.glob("*/manifest.csv"))
    if not manifests:
        raise SystemExit(f"{arguments.folder}: expected folders with a manifest.csv, which families -- write makes")
    print("| family | pictures that cross | status of the last audit |\n|---|---|---|")
    fooled = 0
    for manifest in manifests:
        crossing, status = path(manifest, arguments.program)
        fooled += crossing > 0 and status == 0
        print(f"| {manifest.parent.name} | {crossing} | {status} |", flush=True)
    print(f"\n{fooled} of {len(manifests)} families have a picture that crosses unsaid.")
    sys.exit(fooled > 0)


def path(manifest, program):
    """How many pictures cross the split, and the status of the audit of it; none cross where there can be no split."""
    _, source = read(manifest)
    with tempfile.TemporaryDirectory() as folder:
        listed = blind(list(source), pathlib.Path(folder) / "manifest.csv")
        groups, split = (str(pathlib.Path(folder) / name) for name in ("groups.csv", "split.csv"))
        subprocess.run([program, "audit", listed, "--write-groups", groups], check=True, capture_output=True)
        made = subprocess.run([program, "split", groups, "--out", split], capture_output=True, text=True)
        if made.returncode != 0:
            return 0, "no split: " + made.stderr.strip().splitlines()[-1]
        parts = {}
        for row in csv.DictReader(open(split, newline="")):
            place = os.path.realpath(pathlib.Path(folder) / row["path"])
            parts.setdefault(source[place], set()).add(row["split"])
        last = subprocess.run([program, "audit", split, "--strict"], capture_output=True)
        return sum(len(of) > 1 for of in parts.values()), last.returncode


if __name__ == "__main__":
    main()
