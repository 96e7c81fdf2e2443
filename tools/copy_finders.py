"""Other tools that look for copies, and ours, behind one function: `run`. No table and no score is made here.

Every tool runs with its own defaults, in a process of its own; seconds, processor seconds and memory are that process's. Nothing is fetched: a
tool that wants weights which are not on this machine is said to have failed, as is one that is not installed.
"""

import collections
import csv
import importlib.metadata
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

HASHES = {"phash": "PHash", "dhash": "DHash", "ahash": "AHash", "whash": "WHash"}
TOOLS = [
    "vertebra",
    *(f"imagededup {name}" for name in HASHES),
    "imagededup cnn",
    "cleanvision",
    "imgcheck",
    "imgcheck rotation-invariant",
    "selfclean",
]


def related(tool, paths, data, program, threads, work):
    """Sets of paths that the tool relates: clusters, or a picture with one that it is said to resemble."""
    if tool == "vertebra":
        groups = work / "groups.csv"
        command = [program, "audit", data, "--threads", threads, "--write-groups", groups]
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
    sets = OTHERS[tool.split()[0]](tool, folder, list(names), threads)
    return [[names[pathlib.Path(name).name] for name in found] for found in sets]


def imagededup(tool, folder, _, threads):
    from imagededup import methods

    kind = tool.split()[1]
    if kind == "cnn" and not weights("mobilenet_v3_small"):
        raise RuntimeError("needs weights of ImageNet, which it fetches from the network")
    method = getattr(methods, {**HASHES, "cnn": "CNN"}[kind])()
    workers = {"num_enc_workers": 0} if kind == "cnn" else {"num_enc_workers": threads, "num_dist_workers": threads}
    found = method.find_duplicates(image_dir=str(folder), **workers)
    return [[name, other] for name, others in found.items() for other in others]


def cleanvision(_, folder, names, threads):
    from cleanvision import Imagelab

    lab = Imagelab(filepaths=[str(folder / name) for name in names])
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=threads)
    kinds = ("exact_duplicates", "near_duplicates")
    return [found for kind in kinds for found in lab.info.get(kind, {}).get("sets", [])]


def imgcheck(tool, folder, names, threads):
    """What `imgcheck clean` does before it copies: its command's threshold and clustering."""
    from imgcheck import cluster_duplicates, compute_hashes

    paths = [str(folder / name) for name in names]
    hashes = compute_hashes(paths, rotation_invariant="rotation-invariant" in tool, num_workers=threads)
    return [cluster.members for cluster in cluster_duplicates(hashes, threshold=3)]


def selfclean(_, folder, __, threads):
    """Its own training with its own settings, but from chance weights: it would fetch those of ImageNet. Its automatic cut."""
    import copy

    import torch
    from selfclean import SelfClean
    from selfclean.cleaner.issue_manager import IssueTypes
    from selfclean.cleaner.selfclean import DINO_STANDARD_HYPERPARAMETERS

    torch.set_num_threads(threads)
    settings = copy.deepcopy(DINO_STANDARD_HYPERPARAMETERS)
    settings["model"]["base_model"] = "vit_tiny"
    root = folder.parent / "class"
    root.mkdir()
    folder.rename(root / folder.name)
    cleaner = SelfClean(auto_cleaning=True, memmap_path=folder.parent)
    found = cleaner.run_on_image_folder(
        root,
        hyperparameters=settings,
        num_workers=0,
        work_dir=str(folder.parent),
        issues_to_detect=[IssueTypes.NEAR_DUPLICATES],
    )
    paths = found.meta_data_dict["path"]
    duplicates = found.get_issues("near_duplicates")
    return [[paths[i] for i in duplicates["indices"][pair]] for pair in duplicates["auto_issues"]]


OTHERS = {"imagededup": imagededup, "cleanvision": cleanvision, "imgcheck": imgcheck, "selfclean": selfclean}


def weights(name):
    """Whether torch has weights of that name on this machine."""
    import torch

    return any((pathlib.Path(torch.hub.get_dir()) / "checkpoints").glob(f"{name}*"))


def version(tool, program):
    """What was run; for a package that is not installed, nothing."""
    if tool == "vertebra":
        return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[-1]
    try:
        return importlib.metadata.version(tool.split()[0])
    except importlib.metadata.PackageNotFoundError:
        return None


def child(tool, jobs, out, program, threads):
    """One tool in this process, set by set. Of each a line: what it found, its time and the peak memory so far."""
    who = resource.RUSAGE_CHILDREN if tool == "vertebra" else resource.RUSAGE_SELF
    used = lambda: sum(sum(resource.getrusage(each)[:2]) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    with open(out, "w") as lines:
        for data, paths in json.loads(pathlib.Path(jobs).read_text()):
            with tempfile.TemporaryDirectory() as work:
                start, busy = time.monotonic(), used()
                sets = related(tool, paths, data, program, int(threads), pathlib.Path(work))
                seconds = time.monotonic() - start
            report = {"sets": sets, "seconds": seconds, "cpu": used() - busy, "mib": resource.getrusage(who).ru_maxrss / 1024}
            print(json.dumps(report), file=lines, flush=True)


def run(tool, jobs, program, threads=2, minutes=None):
    """What the tool relates in each set, and why it did not do all of them. A set is its data, for our own tool, and paths."""
    if version(tool, program) is None:
        return [], "not installed"
    with tempfile.TemporaryDirectory() as work:
        listed, out = pathlib.Path(work) / "jobs.json", pathlib.Path(work) / "out.jsonl"
        listed.write_text(json.dumps(jobs))
        out.touch()
        command = [sys.executable, __file__, tool, listed, out, program, str(threads)]
        reason = None
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=minutes and 60 * minutes)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["failed"])[-1]
        except subprocess.TimeoutExpired:
            reason = f"stopped after {minutes} minutes"
        return [json.loads(line) for line in out.read_text().splitlines()], reason


if __name__ == "__main__":
    child(*sys.argv[1:])
