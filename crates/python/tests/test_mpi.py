"""Training by several processes over MPI: what one process learns where norms are frozen, the same bits in every run,
and an end for all when one is lost, stopped or wrong."""

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


def mpirun(ranks, *python):
    # The launcher that comes with the library beside this Python, if it does.
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.exists() else "mpirun"
    return [mpirun, "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), sys.executable, *map(str, python)]


def words(ranks, *more):
    return mpirun(ranks, "-m", "vertebra.mpi", "train", *more)


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


def start(ranks, *more, epochs):
    """A job that has trained an epoch, and the processes of its ranks."""
    job = subprocess.Popen(words(ranks, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not epochs.exists() or len(epochs.read_text().splitlines()) < 2:
        assert job.poll() is None, job.communicate()
        time.sleep(0.01)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    processes = [child for child in children if b"vertebra.mpi" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(processes) == ranks
    return job, [int(process) for process in processes]


def test_a_rank_that_is_lost_or_stopped_ends_the_job_and_the_run_goes_on(data, tmp_path):
    settings = [data / "manifest.csv", *SETTINGS, "--epochs", 4]
    mpi(2, *settings, "--out", tmp_path / "whole")
    lost, stopped = tmp_path / "lost", tmp_path / "stopped"
    job, processes = start(2, *settings, "--out", lost, epochs=lost / "epochs.csv")
    os.kill(processes[1], signal.SIGKILL)
    job.communicate(timeout=60)
    assert job.returncode != 0 and not (lost / "predictions.csv").exists()
    job, processes = start(2, *settings, "--out", stopped, epochs=stopped / "epochs.csv")
    os.kill(processes[1], signal.SIGTERM)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == 143 and said.count("stopped; ") == 1 and "Traceback" not in said, said
    assert not (stopped / "predictions.csv").exists()
    for run in [lost, stopped]:
        mpi(2, "--resume", "--out", run)
        same(tmp_path / "whole", run)
    refused = mpi(1, "--resume", "--out", lost, status=2)
    assert "error: ranks: expected the 2 processes of these settings" in refused.stderr, refused.stderr


def test_what_is_wrong_ends_all_with_one_error(data, tmp_path):
    for more, status, said in [
        ([tmp_path / "absent"], 1, "absent"),
        ([data / "manifest.csv", "--epochs", "many"], 2, "epochs: invalid type"),
        (
            [data / "manifest.csv", "--batch-size", 2],
            2,
            "ranks: expected 1 to 1 processes for batches of 2 (two images",
        ),
        (
            [data / "manifest.csv", "--ranks", 2],
            2,
            "--ranks: expected an option of this command, found none: mpirun -n",
        ),
        (
            [data / "manifest.csv", "--folds", 2],
            2,
            "--folds: expected an option of this command, found none: each fold",
        ),
        ([data / "manifest.csv", "--recipe", "secret"], 2, "recipe: unknown variant `secret`"),
        ([data / "manifest.csv", "--recipe", "described"], 2, "recipe: expected"),
        ([data / "manifest.csv", "--lr", 1e30, *SETTINGS], 1, "training diverged"),
        ([data / "manifest.csv", "--out"], 2, "--out: expected a value"),
    ]:
        found = mpi(2, *more, *([] if "--out" in more else ["--out", tmp_path / "none"]), status=status)
        errors = [line for line in found.stderr.splitlines() if "error:" in line]
        assert len(errors) == 1 and said in errors[0] and "Traceback" not in found.stderr, found.stderr
    told = subprocess.run([sys.executable, "-m", "vertebra.mpi"], capture_output=True, text=True)
    assert told.stderr.startswith("usage: mpirun") and told.returncode == 2


def test_settings_come_from_a_file_too(data, tmp_path):
    """A rank that is not the first may not even see it."""
    mpi(2, data / "manifest.csv", *SETTINGS, "--epochs", 1, "--out", tmp_path / "first")
    again = ["--config", tmp_path / "first", "--out", tmp_path / "again"]
    mpi(2, *again)
    same(tmp_path / "first", tmp_path / "again")
    assert "config: expected none beside resume" in mpi(2, *again, "--resume", status=2).stderr
    vertebra.train(config=tmp_path / "first" / "config.toml", out=tmp_path / "alone", batch_size=16, **ALONE)
    told = (tmp_path / "alone" / "config.toml").read_text()
    assert "image_size = 64" in told and "batch_size = 16" in told and "ranks" not in told


# What makes the settings of two ranks those of one process.
ALONE = dict(ranks=type("Alone", (), dict(rank=0, size=1)))

WRONG_ON_ONE = """
import sys, vertebra, vertebra.mpi
ranks = vertebra.mpi.Ranks()
wrong = {"threads": "many"} if ranks.rank == int(sys.argv[3]) else {"threads": 1}
try:
    vertebra.train(sys.argv[1], out=sys.argv[2], image_size=64, width=0.25, batch_size=8, ranks=ranks, **wrong)
except Exception as error:
    print(f"{ranks.rank}: {type(error).__name__}: {error}", flush=True)
"""


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_rank_that_fails_in_a_script_fails_all_of_them(data, tmp_path, wrong):
    script = mpirun(3, "-c", WRONG_ON_ONE, data / "manifest.csv", tmp_path / "none", wrong)
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    own = said.pop(str(wrong))
    assert own.startswith("ValueError: threads: invalid type") and len(said) == 2, done
    for other in said.values():
        assert other.startswith(f"Error: the ranks of this run: rank {wrong} has failed: threads: invalid type"), other


class Waiting:
    """A communicator whose other ranks come after so many looks."""

    def __init__(self, looks):
        self.looks, self.ended = looks, None

    def Iallreduce(self, own, highest, _):
        highest[:] = own
        return self

    def Test(self):
        if self.looks == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        self.looks -= 1
        return self.looks <= 0

    def Abort(self, status):
        self.ended, self.looks = status, 0


def test_the_end_waits_for_rank_0_unless_something_went_wrong(monkeypatch, capsys):
    from vertebra import mpi

    monkeypatch.setattr(mpi, "_PATIENCE", 0)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    ended = []
    for status, looks in [(0, 1), (1, 5), (0, 3)]:
        ranks, signals = mpi.Ranks.__new__(mpi.Ranks), mpi._Signals()
        ranks.rank, ranks.comm, signals.ends = 1, Waiting(looks), True
        mpi._end(ranks, signals, status, "error: this" if status else "")
        ended.append((ranks.comm.ended, capsys.readouterr().err))
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before):
        signal.signal(number, handler)
    assert ended == [(None, ""), (1, "rank 1: error: this\n"), (143, "")]


def test_words_are_settings():
    from vertebra.mpi import settings

    typed = "d --freeze --no-augment --lr auto --width=0.5 --cache 10 --resume --group-by 7 --flip=false --config c"
    found = settings(typed.split())
    assert found.pop("freeze") is True and found.pop("augment") is False and found.pop("flip") is False
    assert found == dict(data="d", lr="auto", width=0.5, cache_mib=10, resume=True, group_by="7", config="c")
    for wrong in [["a", "b"], ["--freeze=perhaps"], ["--data", "d"], ["--callback", "print"]]:
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


def test_ranks_that_are_none(data, tmp_path):
    class Broken:
        rank, size = 0, 2

        def sum(self, values):
            raise RuntimeError("the network is down")

    class Mute(Broken):
        rank = 1

        def sum(self, values):
            pass

        def share(self, content):
            return None

    class Beyond(Broken):
        rank = 2

    for ranks, error, said in [
        (Broken(), vertebra.Error, "the ranks of this run: RuntimeError: the network is down"),
        (Mute(), vertebra.Error, "share: expected bytes, found <class 'NoneType'>"),
        (Beyond(), ValueError, "ranks: expected a rank from 0 that is below their size, found rank 2 of 2"),
    ]:
        with pytest.raises(error, match=said):
            vertebra.train(data / "manifest.csv", out=tmp_path / "run", ranks=ranks, image_size=64, width=0.25)
