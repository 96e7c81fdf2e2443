"""Looks for copies with Vertebra and other tools (copy_finders.py), and prints one table.

    cargo run --release -p duplicates --example plant -- DATA /tmp/planted
    python3 tools/compare_copies.py /tmp/planted [--program target/release/vertebra] [--only NAME...]
    python3 tools/compare_copies.py MANIFEST.csv

The first form scores each kind of planted copy: found if the tool relates it, across the split, to what it is a copy
of. False is a copy or test picture that it relates to a training picture of another patient, by the names in
chest-xray; two pictures of one patient count neither way. The second needs a column `source` (what is a copy of what)
and gives the precision and recall of pairs. A cluster counts as all its pairs. Families of copies:
compare_families.py.
"""

import argparse
import collections
import csv
import os
import pathlib
import re

import copy_finders
from copy_finders import TOOLS

PATIENT = re.compile(r"(person\d+|NORMAL2-IM-\d+|IM-\d+)")


def run(tool, paths, arguments):
    """What the tool says of one set; where it fails, the reason is printed."""
    reports, reason = copy_finders.run(tool, [[arguments.data, paths]], arguments.program)
    if reason:
        print(f"{tool}: {reason}")
    return reports[0] if reports else None


def planted(data, arguments):
    rows = list(csv.DictReader(open(data / "truth.csv", newline="")))
    real = lambda path: os.path.realpath(data / path)
    truth = {real(row["path"]): (row["kind"], real(row["source"])) for row in rows}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    paths = sorted(os.path.realpath(path) for path in data.glob("*/*/*.png"))
    train = {path for path in paths if os.path.relpath(path, os.path.realpath(data)).startswith("train")}

    def patient(path):
        name = PATIENT.search(pathlib.Path(truth[path][1] if path in truth else path).name)
        return name.group() if name else path

    print(f"{'':28}" + "".join(f"{kind:>10}" for kind in kinds) + f"{'all':>8}{'false':>8}{'s':>8}{'MiB':>7}")
    for tool in arguments.only or TOOLS:
        report = run(tool, paths, arguments)
        if report is None:
            continue
        found, false = set(), set()
        for members in map(set, report["sets"]):
            for path in members - train:
                others = members & train
                if path in truth and truth[path][1] in others:
                    found.add(path)
                if any(patient(other) != patient(path) for other in others):
                    false.add(path)
        count = lambda kind, among: sum(truth[path][0] == kind for path in among)
        shares = "".join(f"{100 * count(kind, found) / count(kind, truth):9.0f}%" for kind in kinds)
        figures = f"{len(false):8}{report['seconds']:8.1f}{report['mib']:7.0f}"
        print(f"{tool:28}{shares}{100 * len(found) / len(truth):7.1f}%{figures}", flush=True)


def sources(data, arguments):
    rows = list(csv.DictReader(open(data, newline="")))
    source = {os.path.realpath(data.parent / row["path"]): row["source"] for row in rows}
    pairs = sum(n * (n - 1) // 2 for n in collections.Counter(source.values()).values())
    print(f"{'':28}{'precision':>10}{'recall':>8}{'s':>8}{'MiB':>7}")
    for tool in arguments.only or TOOLS:
        report = run(tool, list(source), arguments)
        if report is None:
            continue
        pairs_of = lambda members: (tuple(sorted((a, b))) for i, a in enumerate(members) for b in members[:i])
        linked = {pair for members in report["sets"] for pair in pairs_of(members)}
        right = sum(source[a] == source[b] for a, b in linked)
        scores = f"{right / max(len(linked), 1):10.4f}{right / pairs:8.4f}"
        print(f"{tool:28}{scores}{report['seconds']:8.1f}{report['mib']:7.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a folder of the planter, or a manifest with a column source")
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--only", nargs="*", choices=TOOLS)
    arguments = parser.parse_args()
    data = pathlib.Path(arguments.data)
    (planted if data.is_dir() else sources)(data, arguments)


if __name__ == "__main__":
    main()
