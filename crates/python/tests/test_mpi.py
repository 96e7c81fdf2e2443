"""Training by several processes over MPI: what one process learns where norms are frozen, the same bits in every run, and an end
for all when one is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest

import vertebra

pytest.importorskip("mpi4py")

SETTINGS = ["--image-size", "64", "--width", "0.25", "--batch-size", "32", "--seed", "3", "--threads", "1"]


def words(ranks, *more):
    # The launcher that comes with the library beside this Python, if it does.
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.exists() else "mpirun"
    alone = ["--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
    return [mpirun, *alone, sys.executable, "-m", "vertebra.mpi", "train", *map(str, more)]


def mpi(ranks, *more, status=0):
    done = subprocess.run(words(ranks, *more), capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    return done


def losses(run):
    return numpy.loadtxt(run / "steps.csv", delimiter=",", skiprows=1, usecols=2)


def same(a, b):
    for name in ["best.safetensors", "last.safetensors", "predictions.csv"]:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    assert losses(a).tolist() == losses(b).tolist()


@pytest.mark.parametrize("views", [0, 1])
def test_two_ranks_of_16_learn_what_one_process_of_32_learns(program, run, data, tmp_path, views):
    frozen = [data / "manifest.csv", *SETTINGS, "--init", run, "--freeze", "--frozen-views", views]
    frozen += ["--max-steps", 20, "--patience", 0]
    program("train", *frozen, "--out", tmp_path / "one")
    said = mpi(2, *frozen, "--out", tmp_path / "two")
    assert "Research use only, not a medical device" in said.stdout and "epoch 1: loss" in said.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 20
    numpy.testing.assert_allclose(two, one, rtol=2e-5)
    mpi(2, *frozen, "--out", tmp_path / "again")
    same(tmp_path / "two", tmp_path / "again")


def test_a_lost_rank_ends_the_job_and_the_run_goes_on(data, tmp_path):
    settings = [data / "manifest.csv", *SETTINGS, "--epochs", 4]
    mpi(2, *settings, "--out", tmp_path / "whole")
    lost = tmp_path / "lost"
    job = subprocess.Popen(words(2, *settings, "--out", lost), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    epochs = lost / "epochs.csv"
    while not epochs.exists() or len(epochs.read_text().splitlines()) < 2:
        assert job.poll() is None, job.communicate()
        time.sleep(0.01)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    ranks = [child for child in children if b"vertebra.mpi" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(ranks) == 2
    os.kill(int(ranks[1]), signal.SIGKILL)
    job.communicate(timeout=60)
    assert job.returncode != 0 and not (lost / "predictions.csv").exists()
    mpi(2, "--resume", "--out", lost)
    same(tmp_path / "whole", lost)
    refused = mpi(1, "--resume", "--out", lost, status=2)
    assert "ranks: expected the 2 processes of these settings" in refused.stderr and "found 1" in refused.stderr


def test_what_is_wrong_ends_all_with_one_error(data, tmp_path):
    for more, status, said in [
        ([tmp_path / "absent"], 1, "absent"),
        ([data / "manifest.csv", "--epochs", "many"], 2, "epochs: invalid type"),
        ([data / "manifest.csv", "--batch-size", 1], 2, "ranks: expected 1 or more"),
        ([data / "manifest.csv", "--out"], 2, "--out: expected a value"),
    ]:
        found = mpi(2, *more, *([] if "--out" in more else ["--out", tmp_path / "none"]), status=status)
        assert said in found.stderr and "Traceback" not in found.stderr, found.stderr
    assert "usage: mpirun" in subprocess.run([sys.executable, "-m", "vertebra.mpi"], capture_output=True, text=True).stderr


def test_words_are_settings():
    from vertebra.mpi import settings

    found = settings(["d", "--freeze", "--no-augment", "--lr", "auto", "--width=0.5", "--cache", "10", "--resume", "--group-by", "7", "--flip=false"])
    assert found == dict(data="d", freeze=True, augment=False, lr="auto", width=0.5, cache_mib=10, resume=True, group_by="7", flip=False)
    for wrong in [["a", "b"], ["--freeze=perhaps"]]:
        with pytest.raises(ValueError):
            settings(wrong)


def test_any_object_may_be_the_ranks(data, tmp_path):
    """One rank, whose sum is its own: the bits of a run that knows of no ranks."""

    class Alone:
        rank, size = 0, 1

        def sum(self, values):
            raise AssertionError("nobody to add")

        share = sum

    settings = dict(image_size=64, width=0.25, batch_size=8, epochs=1, seed=3, threads=1)
    vertebra.train(data / "manifest.csv", out=tmp_path / "a", ranks=Alone(), **settings)
    vertebra.train(data / "manifest.csv", out=tmp_path / "b", **settings)
    assert (tmp_path / "a" / "best.safetensors").read_bytes() == (tmp_path / "b" / "best.safetensors").read_bytes()


def test_an_error_of_the_ranks_ends_the_run(data, tmp_path):
    class Broken:
        rank, size = 0, 2

        def sum(self, values):
            raise RuntimeError("the network is down")

        def share(self, content):
            return content

    with pytest.raises(vertebra.Error, match="the ranks of this run: RuntimeError: the network is down"):
        vertebra.train(data / "manifest.csv", out=tmp_path / "run", ranks=Broken(), image_size=64, width=0.25, batch_size=8, threads=1)
