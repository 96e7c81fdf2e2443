"""Simulated radiographs, a model of two classes and one of findings, and the program to compare with.

VERTEBRA_PROGRAM is the program; tools/check_python.sh sets it.
"""

import csv
import json
import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def program():
    path = os.environ["VERTEBRA_PROGRAM"]

    def run(*words, status=0, **options):
        done = subprocess.run([path, *map(str, words)], capture_output=True, **options)
        assert done.returncode == status, done.stderr.decode()
        return done.stdout.decode()

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vertebra")


@pytest.fixture(scope="session")
def data(program, folder):
    program("phantom", folder / "data", "--patients", 24, "--image-size", 96)
    return folder / "data"


SETTINGS = ["--image-size", 64, "--width", 0.25, "--batch-size", 8, "--epochs", 2, "--seed", 3]


@pytest.fixture(scope="session")
def run(program, folder, data):
    program("train", data / "manifest.csv", "--out", folder / "run", *SETTINGS)
    return folder / "run"


@pytest.fixture(scope="session")
def images(data):
    return sorted(data.rglob("*.png"))[:7]


@pytest.fixture(scope="session")
def findings_table(data):
    """The same images with two findings each, of which one is not known now and then."""
    with open(data / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(data / "findings.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "fracture", "odd", "split", "group"])
        for at, row in enumerate(rows):
            fracture = int(row["label"] == "fracture")
            table.writerow([row["path"], fracture, "" if at % 7 == 0 else at % 2, row["split"], row["group"]])
    return data / "findings.csv"


@pytest.fixture(scope="session")
def findings_run(program, folder, findings_table):
    program("train", findings_table, "--labels", "all", "--out", folder / "findings", *SETTINGS)
    return folder / "findings"


@pytest.fixture(scope="session")
def said(program):
    """What the program says of images, as dicts."""

    def ask(model, *images, status=0):
        return [
            json.loads(line)
            for line in program("predict", model, *images, "--format", "jsonl", status=status).splitlines()
        ]

    return ask
