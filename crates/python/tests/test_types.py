"""What a type checker knows of the package."""

import subprocess
import sys

import pytest

pytest.importorskip("mypy")

USES = """
import vertebra
from vertebra import CrossValidation, Ranks, Run
from typing import Optional, Union

def train(ranks: Ranks, resume: bool) -> None:
    run: Run = vertebra.train("data", out="run", epochs=3)
    folds: CrossValidation = vertebra.train("data", folds=5)
    again: Union[Run, CrossValidation] = vertebra.train(out="run", resume=resume)
    one_of_some: Optional[Run] = vertebra.train("data", ranks=ranks)
    print(run.model().classes, folds.folds, again.path)
"""


def check(text, tmp_path):
    (tmp_path / "uses.py").write_text(text)
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "uses.py"]
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True).stdout


def test_what_a_training_gives_is_known(tmp_path):
    assert check(USES, tmp_path).startswith("Success")
    for wrong in ["vertebra.train('data', folds=5).model()", "vertebra.train('data', ranks=ranks).path"]:
        assert "error: " in check(f"{USES}    {wrong}\n", tmp_path), wrong


def test_the_package_itself_has_no_wrong_types(tmp_path):
    words = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path, "-p", "vertebra", "--ignore-missing-imports"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("Success"), done.stdout
