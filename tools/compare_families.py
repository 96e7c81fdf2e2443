"""Looks for copies in families of them with Vertebra and other tools, and prints one Markdown table.

    cargo run --release -p duplicates --example families -- write /tmp/families reporting '*/*/10'
    python3 tools/compare_families.py /tmp/families [--program target/release/vertebra] [--only NAME...] [--minutes 20]

Every tool runs with its own defaults, one after the other, each family by itself. What a tool relates is taken to be
one picture, and so is what that is related to in turn: the transitive closure, which one row of the table leaves out.
A cell is the recall of the pairs of copies, the median over the subjects, and, where it is below 0.99, the median
precision (P) of those in which any pair is related. A tool that is not installed, fails or runs out of time is named
below the table with the reason. Packages: copy_finders.py. Vertebra counts by `found_source` of
`audit --write-groups`, and is not told what is a copy of what.
"""

import argparse
import collections
import csv
import itertools
import os
import pathlib
import re
import statistics
import tempfile

import copy_finders

SUBJECTS = "phantom|views|volume|texture|bone-squared|bone|tissue|ultrasound|skin|eye-tiles|eye"
FAMILY = re.compile(rf"({SUBJECTS})-(.+)-(\d+)")


def read(manifest):
    """Subject, change, copies, and the picture of each path."""
    named = FAMILY.fullmatch(manifest.parent.name)
    if not named:
        raise SystemExit(f"{manifest.parent}: expected a folder SUBJECT-CHANGE-COPIES")
    rows = csv.DictReader(open(manifest, newline=""))
    return named.groups(), {os.path.realpath(manifest.parent / row["path"]): row["source"] for row in rows}


def blind(paths, file):
    """A manifest that says nothing of copies. An audit wants two classes: a path's place in it, not its picture."""
    with open(file, "w", newline="") as out:
        rows = [[path, "ab"[2 * i // len(paths)]] for i, path in enumerate(paths)]
        csv.writer(out).writerows([["path", "label"], *rows])
    return str(file)


def pairs(keys):
    return sum(n * (n - 1) // 2 for n in collections.Counter(keys).values())


def closure(truth, sets):
    """Recall and precision of pairs once what is related to one is related to all; no precision where nothing is."""
    parent = {path: path for path in truth}

    def root(path):
        while parent[path] != path:
            path = parent[path]
        return path

    for members in sets:
        for path in members[1:]:
            parent[root(path)] = root(members[0])
    found = {path: root(path) for path in truth}
    right, related = pairs((truth[path], found[path]) for path in truth), pairs(found.values())
    return right / pairs(truth.values()), right / related if related else None


def reported(truth, sets):
    """The same of the pairs of each set alone."""
    related = {pair for members in sets for pair in itertools.combinations(sorted(set(members)), 2)}
    right = sum(truth[a] == truth[b] for a, b in related)
    return right / pairs(truth.values()), right / len(related) if related else None


def cell(scores, middle=statistics.median):
    if not scores:
        return ""
    recall = middle([recall for recall, _ in scores])
    precisions = [precision for _, precision in scores if precision is not None]
    precision = middle(precisions) if precisions else 1.0
    return f"{recall:.2f}" + (f" (P {precision:.2f})" if precision < 0.99 else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", type=pathlib.Path, help="a folder that the example `families` wrote")
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--only", nargs="*", choices=copy_finders.TOOLS, default=copy_finders.TOOLS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=20.0, help="for each tool, all families together")
    arguments = parser.parse_args()
    families = [read(manifest) for manifest in sorted(arguments.families.glob("*/manifest.csv"))]
    if not families:
        expected = "expected folders SUBJECT-CHANGE-COPIES with a manifest.csv, found none"
        raise SystemExit(f"{arguments.families}: {expected}")
    # By subject: a tool that runs out of time has done every change of the first.
    order = SUBJECTS.split("|")
    families.sort(key=lambda family: order.index(family[0][0]))
    changes = sorted({name[1:] for name, _ in families}, key=lambda key: (int(key[1]), key[0]))

    results, notes = {}, []
    with tempfile.TemporaryDirectory() as work:
        jobs = [
            [blind(list(truth), pathlib.Path(work) / f"{i}.csv"), list(truth)] for i, (_, truth) in enumerate(families)
        ]
        for tool in arguments.only:
            reports, reason = copy_finders.run(tool, jobs, arguments.program, arguments.threads, arguments.minutes)
            if reason:
                notes.append(f"- {tool}: {reason}; {len(reports)} of {len(families)} families done")
            if reports:
                seconds = sum(report["cpu"] for report in reports)
                done = [(truth, report["sets"]) for (_, truth), report in zip(families, reports)]
                names = [name for name, _ in families[: len(reports)]]
                results[tool] = names, [closure(*one) for one in done], [reported(*one) for one in done], seconds
            print(f"{tool}: {len(reports)} of {len(families)} families", flush=True)

    versions = [f"{tool} {copy_finders.version(tool, arguments.program)}" for tool in results]
    print("\n| change | " + " | ".join(versions) + " |")
    print("|---" * (len(results) + 1) + "|")
    for change in changes:
        row = [
            cell([got for name, got in zip(names, scores) if name[1:] == change])
            for names, scores, _, _ in results.values()
        ]
        print(f"| {change[0]}, {change[1]} copies | " + " | ".join(row) + " |")
    mean = lambda which: " | ".join(cell(result[which], statistics.mean) for result in results.values())
    print(f"| mean of all families | {mean(1)} |\n| the same, pairs as reported | {mean(2)} |")
    false = [sum(p is not None and p < 0.99 for _, p in scores) for _, scores, _, _ in results.values()]
    print("| families with P below 0.99 | " + " | ".join(map(str, false)) + " |")
    seconds = [f"{result[3]:.0f}" for result in results.values()]
    print("| processor seconds, all families | " + " | ".join(seconds) + " |\n")
    print("\n".join(notes))


if __name__ == "__main__":
    main()
