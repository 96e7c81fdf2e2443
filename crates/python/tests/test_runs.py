"""Training, evaluation, audit, split, import and export: the same as the command line."""

import json
import os
import pickle
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy
import pytest

import vertebra

SETTINGS = dict(image_size=64, width=0.25, batch_size=8, epochs=2, seed=3)


def test_an_evaluation_is_that_of_the_command_line(run, data, program):
    model = vertebra.Model.load(run / "best.safetensors")
    found = model.evaluate(data / "manifest.csv", subgroups=["group"], prevalence=0.1)
    wanted = json.loads(
        program(
            "evaluate",
            run / "best.safetensors",
            data / "manifest.csv",
            "--subgroup",
            "group",
            "--prevalence",
            0.1,
            "--json",
        )
    )
    assert found.document == wanted
    assert len(found.paths) == found["images"] == len(found.truth)
    assert found.probabilities.shape == (found["images"], 2)
    assert "Research use only" in repr(found) and "auroc" in repr(found)
    shown = found._repr_html_()
    assert shown.startswith("<iframe") and "Result" in shown and "<script" not in found.to_html()
    assert pickle.loads(pickle.dumps(found)).to_html() == found.to_html()
    at_zero = vertebra.Model.load(run / "best.safetensors", threshold=0.0).evaluate(data / "manifest.csv", bootstrap=0)
    assert at_zero["sensitivity"] == 1.0 and at_zero["auroc"] == found["auroc"]
    with pytest.raises(ValueError, match="split: "):
        model.evaluate(data, split="exam")
    with pytest.raises(vertebra.Error):
        model.evaluate(data / "absent.csv")
    for share in [5, -0.1, float("nan")]:
        with pytest.raises(ValueError, match="max_unreadable: expected a share from 0 to 1"):
            model.evaluate(data / "manifest.csv", skip_unreadable=True, max_unreadable=share)
    alone = vertebra.Model.load(run / "best.safetensors", threads=1).evaluate(data / "manifest.csv", bootstrap=0)
    assert alone.probabilities.tolist() == found.probabilities.tolist()


def test_boxes_and_what_is_left_out(run, data, program, tmp_path):
    words = [
        run / "best.safetensors",
        data / "manifest.csv",
        "--split",
        "all",
        "--bootstrap",
        0,
        "--truth",
        data / "truth.csv",
        "--json",
    ]
    model = vertebra.Model.load(run / "best.safetensors")
    found = model.evaluate(data / "manifest.csv", split="all", bootstrap=0, truth=data / "truth.csv")
    assert found.document == json.loads(program("evaluate", *words)) and found["localisation"]["boxes"] > 0
    with pytest.raises(ValueError, match="heatmap_method: expected occlusion or cam, found none"):
        model.evaluate(data / "manifest.csv", truth=data / "truth.csv", heatmap_method="none")
    rows = (data / "manifest.csv").read_text().splitlines()
    absent = rows[1].split(",")
    absent[rows[0].split(",").index("path")] = "absent.png"
    (data / "absent.csv").write_text("\n".join([*rows, ",".join(absent)]) + "\n")
    found = model.evaluate(data / "absent.csv", split="all", bootstrap=0, skip_unreadable=True, max_unreadable=0.5)
    assert any(note.startswith("left out 1 of ") and "absent.png" in note for note in found.notes), found.notes


def test_ctrl_c_ends_an_evaluation_before_it_is_one(run, data):
    """A look is counted at the end, so that what was stopped has none; a signal may come after that now and then."""
    model = vertebra.Model.load(run, threads=1)
    looks = lambda: len(json.loads((run / "test-openings.json").read_text()))  # noqa: E731

    def evaluate():
        model.evaluate(data / "manifest.csv", split="all", tta=True, bootstrap=0)

    began = time.perf_counter()
    evaluate()
    duration = time.perf_counter() - began

    def is_uncounted(share):
        before, whole = looks(), 0
        threading.Timer(share * duration, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                evaluate()
                whole += 1
        return looks() == before + whole

    # Whatever an evaluation takes on this machine: early, in the middle and late.
    assert any(is_uncounted(tenths / 10) for tenths in range(1, 10))


def test_a_look_at_the_test_split_of_a_run_is_counted(run, data):
    before = len(json.loads((run / "test-openings.json").read_text()))
    found = vertebra.Model.load(run).evaluate(data / "manifest.csv", bootstrap=0)
    assert found["test_openings"] == before + 1
    assert any("have been opened" in note for note in found.notes)


def test_an_evaluation_of_findings(findings_run, findings_table, program):
    found = vertebra.Model.load(findings_run / "best.safetensors").evaluate(findings_table, split="all")
    wanted = json.loads(
        program("evaluate", findings_run / "best.safetensors", findings_table, "--split", "all", "--json")
    )
    assert found["findings"] == wanted["findings"]
    assert found.truth.shape == found.probabilities.shape and numpy.isnan(found.truth).any()
    assert "fracture" in found.to_html()


def test_a_training_is_that_of_the_command_line(run, data, tmp_path):
    epochs = []
    done = vertebra.train(data / "manifest.csv", out=tmp_path / "run", callback=epochs.append, **SETTINGS)
    for name in ["best.safetensors", "last.safetensors", "predictions.csv"]:
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes(), name
    assert [epoch["epoch"] for epoch in epochs] == [1, 2] and epochs[0]["train_loss"] > 0
    for name in ["report.html", "model-card.md", "audit.json", "test-openings.json", "config.toml"]:
        assert (tmp_path / "run" / name).exists(), name
    assert done["result"]["images"] > 0 and done["test_openings"] == 1 and done["lr"] > 0
    assert "Research use only" in repr(done) and done._repr_html_().startswith("<iframe")
    assert done.model(threads=1).classes == ["fracture", "normal"]


def test_a_run_begins_with_the_weights_beside_the_package(data, tmp_path, monkeypatch):
    begin = lambda: vertebra.train(data / "manifest.csv", out=tmp_path / "run", init="builtin", image_size=32, max_steps=1)  # noqa: E731
    monkeypatch.setattr(vertebra, "__file__", str(tmp_path / "vertebra" / "__init__.py"))
    with pytest.raises(ValueError, match="init builtin: expected weights/builtin.safetensors in .*vertebra, or in one of"):
        begin()
    weights = tmp_path / "vertebra" / "weights" / "builtin.safetensors"
    weights.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[3] / "weights" / "builtin.safetensors", weights)
    assert begin()["init"]["fresh"] == ["fracture", "normal"]
    assert str(weights) in (tmp_path / "run" / "config.toml").read_text()


def test_folds_are_those_of_the_command_line(data, program, tmp_path):
    settings = {**SETTINGS, "epochs": 1}
    words = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    (tmp_path / "a").mkdir()
    wanted = program("train", data / "manifest.csv", *words, "--folds", 2, "--out", tmp_path / "a" / "cv", "--json")
    epochs = []
    done = vertebra.train(data / "manifest.csv", folds=2, out=tmp_path / "b" / "cv", callback=epochs.append, **settings)
    # But for the folders.
    assert json.loads(
        json.dumps(done.document).replace(str(tmp_path / "b" / "cv"), str(tmp_path / "a" / "cv"))
    ) == json.loads(wanted)
    assert (tmp_path / "a" / "cv" / "report.html").read_bytes() == (tmp_path / "b" / "cv" / "report.html").read_bytes()
    assert [epoch["fold"] for epoch in epochs] == [1, 2] and len(done.folds) == 2
    assert "Research use only" in repr(done) and done._repr_html_().startswith("<iframe")
    assert vertebra.train(out=tmp_path / "b" / "cv", resume=True)["pooled"] == done["pooled"]
    with pytest.raises(ValueError, match="folds: expected a number of folds"):
        vertebra.train(data / "manifest.csv", folds="some", out=tmp_path / "c", **settings)
    with pytest.raises(vertebra.Error, match="holds a run already"):
        vertebra.train(data / "manifest.csv", folds=2, out=tmp_path / "b" / "cv", **settings)


def test_a_setting_that_cannot_be(data, tmp_path):
    for options, said in [
        (dict(rate=1), "rate: unknown field"),
        (dict(epochs="many"), "epochs: invalid type"),
        (dict(batch_size=0), "batch_size: expected 1 to 4096"),
        (dict(positive="bent"), "positive: expected"),
        (dict(width=-1), "width: expected above 0"),
        (dict(arch="x"), "expected mobilenet-v1 or mobilenet-v2"),
        (dict(lr=float("nan")), "lr: expected a finite number"),
        (dict(momentum=0.9), "momentum: expected"),
    ]:
        with pytest.raises(ValueError, match=said):
            vertebra.train(data / "manifest.csv", out=tmp_path / "none", **{**SETTINGS, **options})
        assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="data: expected a folder"):
        vertebra.train(out=tmp_path / "none")
    with pytest.raises(vertebra.Error, match="absent"):
        vertebra.train(tmp_path / "absent", out=tmp_path / "none")


def test_ctrl_c_saves_and_the_run_goes_on_to_the_same_bits(run, data, tmp_path):
    out = tmp_path / "stopped"

    def interrupt():
        while not (out / "steps.csv").exists() or len((out / "steps.csv").read_text().splitlines()) < 2:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="resume=True"):
        vertebra.train(data / "manifest.csv", out=out, **SETTINGS)
    assert (out / "last.safetensors").exists() and not (out / "report.html").exists()
    vertebra.train(out=out, resume=True)
    assert (out / "best.safetensors").read_bytes() == (run / "best.safetensors").read_bytes()


def test_an_exception_of_the_callback_stops_the_run(data, tmp_path):
    def stop(epoch):
        raise LookupError(f"enough after {epoch['epoch']}")

    with pytest.raises(LookupError, match="enough after 1"):
        vertebra.train(data / "manifest.csv", out=tmp_path / "run", callback=stop, **{**SETTINGS, "epochs": 50})
    assert len((tmp_path / "run" / "epochs.csv").read_text().splitlines()) < 50


def test_a_comparison_is_that_of_the_command_line(run, findings_run, data, findings_table, program, tmp_path):
    vertebra.train(data / "manifest.csv", out=tmp_path / "other", **{**SETTINGS, "seed": 4})
    files = [run / "best.safetensors", tmp_path / "other" / "best.safetensors"]
    found = vertebra.compare(*files, data / "manifest.csv", group_by="group")
    wanted = json.loads(program("compare", *files, data / "manifest.csv", "--group-by", "group", "--json"))
    assert found.document == wanted and len(found.auroc) == 1 and found["mcnemar"]["p_value"] <= 1
    assert "Research use only" in repr(found) and "<table>" in found._repr_html_()
    low, high = found["auroc"][0]["interval"]
    assert f"[{low:+.3f}, {high:+.3f}]" in found._repr_html_() and "McNemar" in found._repr_html_()
    looked = vertebra.compare(vertebra.Model.load(run, threads=1), files[1], data / "manifest.csv")
    assert any("by the first model" in note for note in looked.notes), looked.notes
    both = [findings_run / "best.safetensors"] * 2
    wanted = json.loads(program("compare", *both, findings_table, "--split", "all", "--json"))
    assert vertebra.compare(*both, findings_table, split="all").document == wanted
    with pytest.raises(vertebra.Error, match="expected two models of classes or two of findings"):
        vertebra.compare(run, findings_run, data / "manifest.csv")
    with pytest.raises(ValueError, match="positive: expected"):
        vertebra.compare(*files, data / "manifest.csv", positive="bent")


def test_a_calibration_is_that_of_the_command_line(run, findings_run, data, findings_table, program, tmp_path):
    file, here, there = run / "best.safetensors", tmp_path / "here.safetensors", tmp_path / "there.safetensors"
    rules = [(file, data / "manifest.csv", "sensitivity:0.9", True, [])]
    rules.append((findings_run / "best.safetensors", findings_table, "value:0.25", False, ["odd"]))
    for model, table, rule, temperature, findings in rules:
        words = ["--rule", rule, "--split", "val", *["--temperature"] * temperature]
        words += [word for name in findings for word in ("--finding", name)]
        wanted = json.loads(program("calibrate", model, table, *words, "--out", there, "--force", "--json"))
        with pytest.warns(UserWarning):
            found = vertebra.Model.load(model).calibrate(
                table, here, rule=rule, split="val", temperature=temperature, findings=findings, overwrite=True
            )
        assert {**found, "model": str(there)} == wanted and found["warnings"]
        assert here.read_bytes() == there.read_bytes()
    model = vertebra.Model.load(file)
    with pytest.raises(FileExistsError):
        model.calibrate(data / "manifest.csv", here)
    for arguments, said in [
        (dict(rule="best"), "rule: "),
        (dict(findings=["odd"]), "finding: expected a model of findings"),
        (dict(split="exam"), "split: "),
    ]:
        with pytest.raises(ValueError, match=said):
            model.calibrate(data / "manifest.csv", tmp_path / "none.safetensors", **arguments)
    with pytest.raises(ValueError, match="out: .*: expected another file than those that are read"):
        model.calibrate(data / "manifest.csv", file, overwrite=True)


def test_an_audit_is_that_of_the_command_line(data, program, findings_table):
    found = vertebra.audit(data / "manifest.csv", group_by="group")
    assert repr(found).startswith(f"<Audit of {found.document['images']} images, ")
    assert repr(found).endswith(f": {found.verdict[-1]}>")
    wanted = json.loads(program("audit", data / "manifest.csv", "--group-by", "group", "--json"))
    assert found.document == wanted and found.leaks == wanted["leaks"]
    assert len(found.findings) == len(wanted["findings"])
    assert "<table>" in found._repr_html_()
    with pytest.raises(ValueError, match="positive: expected"):
        vertebra.audit(data / "manifest.csv", positive="bent")
    with pytest.raises(ValueError, match="positive: expected two classes, and these are findings"):
        vertebra.audit(findings_table, labels="all", positive="fracture")
    with pytest.raises(vertebra.Error):
        vertebra.audit(data / "absent")


def test_a_split_is_that_of_the_command_line(data, program, tmp_path):
    program("split", data / "manifest.csv", "--by", "group", "--seed", 5, "--out", tmp_path / "a.csv")
    rows = vertebra.split(data / "manifest.csv", "group", seed=5, out=tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with pytest.raises(FileExistsError):
        vertebra.split(data / "manifest.csv", out=tmp_path / "b.csv")
    vertebra.split(data / "manifest.csv", folds=3, out=tmp_path / "b.csv", overwrite=True)
    program("split", data / "manifest.csv", "--folds", 3, "--out", tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert list(list(rows.iloc[0].index) if hasattr(rows, "iloc") else rows[0])[:4] == ["path", "label", "split", "group"]
    folds = vertebra.split(data / "manifest.csv", folds=3)
    assert list(list(folds.iloc[0].index) if hasattr(folds, "iloc") else folds[0])[2] == "fold"
    # A finding may have a comma in its name.
    named = tmp_path / "named.csv"
    some = sorted(data.rglob("*.png"))[:12]
    lines = "".join(f"{path},{at % 2},{at % 3 % 2},p{at}\n" for at, path in enumerate(some))
    named.write_text('path,"Mass, left",odontoid,group\n' + lines)
    found = vertebra.split(named, labels=["Mass, left", "odontoid"])
    assert len(found) == 12
    with pytest.raises(ValueError, match="folds: "):
        vertebra.split(data / "manifest.csv", folds="some")
    with pytest.raises(ValueError, match="fractions: expected three numbers above 0"):
        vertebra.split(data / "manifest.csv", fractions=(1, 0, 0))
    written = (tmp_path / "b.csv").read_bytes()
    with pytest.raises(ValueError, match="out: .*b.csv: expected another file than those that are read"):
        vertebra.split(tmp_path / "b.csv", out=tmp_path / "b.csv", overwrite=True)
    assert (tmp_path / "b.csv").read_bytes() == written
    pandas = pytest.importorskip("pandas")
    assert isinstance(rows, pandas.DataFrame) and set(rows["split"]) == {"train", "val", "test"}
    assert rows.groupby("group")["split"].nunique().max() == 1


def test_weights_go_out_and_come_back(run, tmp_path, program, images):
    model = vertebra.Model.load(run)
    vertebra.export_onnx(model, tmp_path / "a.onnx")
    program("export", run, "--to", "onnx", "--out", tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    with pytest.raises(FileExistsError):
        vertebra.export_onnx(run, tmp_path / "a.onnx")
    program("export", run, "--to", "torch", "--out", tmp_path / "torch.safetensors")
    told = vertebra.import_weights(
        tmp_path / "torch.safetensors", tmp_path / "back.safetensors", classes=["x", "y"], positive="y", image_size=64
    )
    assert told["image_size"] == "given"
    back = vertebra.Model.load(tmp_path / "back.safetensors")
    assert back.classes == ["x", "y"] and back.positive == "y" and len(back.predict(images)) == 7
    with pytest.raises(ValueError, match="naming: "):
        vertebra.import_weights(tmp_path / "torch.safetensors", tmp_path / "c.safetensors", naming="nobody")
    for options, said in (
        (dict(image_size=5), "image size"),
        (dict(epsilon=-1), "epsilon: expected"),
        (dict(classes=["a", "a"]), "classes: expected every name once"),
    ):
        with pytest.raises(ValueError, match=said):
            vertebra.import_weights(tmp_path / "torch.safetensors", tmp_path / "c.safetensors", **options)
    with pytest.raises(vertebra.Error, match="2 distinct names"):
        vertebra.import_weights(tmp_path / "torch.safetensors", tmp_path / "c.safetensors", classes=["a"])
    with pytest.raises(vertebra.Error):
        vertebra.import_weights(tmp_path / "a.onnx", tmp_path / "c.safetensors")
    for write in [
        lambda: vertebra.import_weights(tmp_path / "torch.safetensors", tmp_path / "torch.safetensors", overwrite=True),
        lambda: vertebra.export_onnx(tmp_path / "back.safetensors", tmp_path / "back.safetensors", overwrite=True),
    ]:
        with pytest.raises(ValueError, match="out: .*: expected another file than those that are read"):
            write()
    assert vertebra.Model.load(tmp_path / "back.safetensors").classes == ["x", "y"]
