"""Looks for copies with Vertebra, imagededup and cleanvision, and prints one table.

    cargo run --release -p vertebra-data --example plant -- DATA /tmp/planted
    python3 tools/compare_copies.py /tmp/planted [--program target/release/vertebra] [--only NAME...]
    python3 tools/compare_copies.py MANIFEST.csv

The first form scores each kind of planted copy: found if the tool relates it, across the split, to what it is a copy of.
False is a copy or test picture that it relates to a training picture of another patient, by the names in chest-xray; two
pictures of one patient count neither way. The second needs a column `source` (what is a copy of what) and gives the
precision and recall of pairs. A cluster counts as all its pairs. Needs imagededup and cleanvision from PyPI for those
rows; says what is not installed. Every tool runs in a process of its own; time and memory are that process's.
"""

import argparse
import collections
import csv
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HASHES = {"phash": "PHash", "dhash": "DHash", "ahash": "AHash", "whash": "WHash"}
TOOLS = ["vertebra", *(f"imagededup {name}" for name in HASHES), "imagededup cnn", "cleanvision"]
PATIENT = re.compile(r"(person\d+|NORMAL2-IM-\d+|IM-\d+)")


def related(tool, paths, data, program, work):
    """Sets of paths that the tool relates: clusters, or a picture with one that it is said to resemble."""
    if tool == "vertebra":
        groups = work / "groups.csv"
        command = [program, "audit", data, "--write-groups", groups]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        sets = collections.defaultdict(list)
        for row in csv.DictReader(open(groups, newline="")):
            sets[row.get("found_source") or row["group"]].append(os.path.realpath(groups.parent / row["path"]))
        return list(sets.values())
    # Under one folder and a name each, as the others want them.
    folder = work / "pictures"
    folder.mkdir()
    names = {f"{i:06}{pathlib.Path(path).suffix}": path for i, path in enumerate(paths)}
    for name, path in names.items():
        (folder / name).symlink_to(path)
    if tool == "cleanvision":
        from cleanvision import Imagelab

        lab = Imagelab(filepaths=[str(folder / name) for name in names])
        lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=2)
        kinds = ("exact_duplicates", "near_duplicates")
        sets = [found for kind in kinds for found in lab.info.get(kind, {}).get("sets", [])]
        return [[names[pathlib.Path(path).name] for path in found] for found in sets]
    from imagededup import methods

    method = getattr(methods, {**HASHES, "cnn": "CNN"}[tool.split()[1]])()
    workers = {"num_enc_workers": 0} if tool.endswith("cnn") else {"num_enc_workers": 2, "num_dist_workers": 2}
    found = method.find_duplicates(image_dir=str(folder), **workers)
    return [[names[name], names[other]] for name, others in found.items() for other in others]


def child(arguments):
    """One tool in this process; writes what it found, its time and its peak memory, and that of what it ran."""
    import resource

    paths = json.loads(pathlib.Path(arguments.paths).read_text())
    with tempfile.TemporaryDirectory() as work:
        start = time.monotonic()
        sets = related(arguments.child, paths, arguments.data, arguments.program, pathlib.Path(work))
        seconds = time.monotonic() - start
    who = resource.RUSAGE_CHILDREN if arguments.child == "vertebra" else resource.RUSAGE_SELF
    report = {"sets": sets, "seconds": seconds, "mib": resource.getrusage(who).ru_maxrss / 1024}
    pathlib.Path(arguments.out).write_text(json.dumps(report))


def run(tool, paths, arguments):
    with tempfile.TemporaryDirectory() as work:
        listed, out = pathlib.Path(work) / "paths.json", pathlib.Path(work) / "out.json"
        listed.write_text(json.dumps(paths))
        command = [sys.executable, __file__, arguments.data, "--program", arguments.program]
        done = subprocess.run([*command, "--child", tool, "--paths", listed, "--out", out], capture_output=True, text=True)
        if done.returncode:
            print(f"{tool}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            return None
        return json.loads(out.read_text())


def planted(data, arguments):
    rows = list(csv.DictReader(open(data / "truth.csv", newline="")))
    truth = {os.path.realpath(data / row["path"]): (row["kind"], os.path.realpath(data / row["source"])) for row in rows}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    paths = sorted(os.path.realpath(path) for path in data.glob("*/*/*.png"))
    train = {path for path in paths if os.path.relpath(path, os.path.realpath(data)).startswith("train")}

    def patient(path):
        name = PATIENT.search(pathlib.Path(truth[path][1] if path in truth else path).name)
        return name.group() if name else path

    print(f"{'':18}" + "".join(f"{kind:>10}" for kind in kinds) + f"{'all':>8}{'false':>8}{'s':>8}{'MiB':>7}")
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
        print(f"{tool:18}{shares}{100 * len(found) / len(truth):7.1f}%{figures}", flush=True)


def sources(data, arguments):
    rows = list(csv.DictReader(open(data, newline="")))
    source = {os.path.realpath(data.parent / row["path"]): row["source"] for row in rows}
    pairs = sum(n * (n - 1) // 2 for n in collections.Counter(source.values()).values())
    print(f"{'':18}{'precision':>10}{'recall':>8}{'s':>8}{'MiB':>7}")
    for tool in arguments.only or TOOLS:
        report = run(tool, list(source), arguments)
        if report is None:
            continue
        linked = {tuple(sorted((a, b))) for members in report["sets"] for i, a in enumerate(members) for b in members[:i]}
        right = sum(source[a] == source[b] for a, b in linked)
        scores = f"{right / max(len(linked), 1):10.4f}{right / pairs:8.4f}"
        print(f"{tool:18}{scores}{report['seconds']:8.1f}{report['mib']:7.0f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a folder of the planter, or a manifest with a column source")
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--only", nargs="*", choices=TOOLS)
    for hidden in ("--child", "--paths", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments)
    for package in ("imagededup", "cleanvision"):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: its rows will be missing")
    data = pathlib.Path(arguments.data)
    (planted if data.is_dir() else sources)(data, arguments)


if __name__ == "__main__":
    main()
