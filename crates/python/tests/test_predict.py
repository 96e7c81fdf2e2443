"""Predictions: by every kind of image, the same bits as the command line, and what is wrong is said."""

import io
import json
import multiprocessing
import pathlib
import threading

import numpy
import pytest
from PIL import Image

import vertebra


@pytest.fixture(scope="module")
def model(run):
    return vertebra.Model.load(run)


def test_the_same_bits_as_the_command_line(model, run, images, said):
    found = model.predict(images)
    lines = said(run, *images)
    assert found.paths == [line["path"] for line in lines] and len(found) == len(images)
    for at, line in enumerate(lines):
        assert found.probabilities[at].tolist() == [line["probabilities"][name] for name in found.classes]
        assert (found.labels[at], found.decisions[at]) == (line["label"], line["decision"])
    assert (model.positive, model.threshold) == (lines[0]["positive"], lines[0]["threshold"])
    assert found.probabilities.dtype == numpy.float64 and found.probabilities.shape == (len(images), 2)


def test_every_kind_of_image_has_the_same_answer(model, images):
    path = images[0]
    gray = numpy.asarray(Image.open(path))
    assert gray.dtype == numpy.uint8
    deep = gray.astype(numpy.uint16) * 257
    answer = model.predict(path).probabilities.tolist()
    same = [
        str(path),
        path.read_bytes(),
        Image.open(path),
        gray,
        gray[:, :, None],
        numpy.repeat(gray[:, :, None], 3, axis=2),
        numpy.dstack([gray, numpy.zeros_like(gray)]),
        gray[::-1][::-1],
        numpy.asfortranarray(gray),
        deep,
        deep.astype(">u2"),
        gray[None, :, :, None],
        gray[None],
        [gray],
        (image for image in [gray]),
    ]
    for image in same:
        assert model.predict(image).probabilities.tolist() == answer, type(image)
    for dtype in ["int16", "int32", "int64", "uint32", "uint64", "float32", "float64"]:
        assert model.predict(gray.astype(dtype), white=255).probabilities.tolist() == answer, dtype
        if dtype != "int16":
            assert model.predict(deep.astype(dtype), white=65535).probabilities.tolist() == answer, dtype
    for dtype in ["float16", "float32", "float64"]:
        unit = (gray / 255.0).astype(dtype)
        near = 0.02 if dtype == "float16" else 1e-5
        assert model.predict(unit).probabilities[0, 0] == pytest.approx(answer[0][0], abs=near), dtype
    assert (
        model.predict(gray > 128).probabilities.tolist()
        == model.predict((gray > 128) * numpy.uint8(255)).probabilities.tolist()
    )
    mixed = model.predict([gray, path, path.read_bytes(), deep, Image.open(path)])
    assert mixed.probabilities.tolist() == answer * 5
    assert mixed.paths == ["image 0", str(path), "image 2", "image 3", str(path)]
    assert model.predict(numpy.stack([gray] * 5)).probabilities.tolist() == answer * 5
    with pytest.raises(vertebra.Unreadable, match=r"found \[3, .*\[n, height, width, 1\]"):
        model.predict(numpy.stack([gray] * 3))  # Three images, or channels first?


def test_a_folder_and_a_pattern_are_searched(model, data, run, said):
    found = model.predict(data)
    lines = said(run, data)
    assert len(found) == len(lines) > 40
    assert found.probabilities.tolist() == [[line["probabilities"][name] for name in found.classes] for line in lines]
    assert any("passed over" in note for note in found.notes)
    assert len(model.predict(str(data / "**" / "*.png"))) == len(found)


def test_what_is_no_image_is_an_entry_or_an_exception(model, images, tmp_path, run, said):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(images[0].read_bytes()[:200])
    wrong = [
        (damaged, "truncated"),
        (tmp_path / "absent.png", "No such file"),
        (b"no image", "expected a PNG, JPEG or DICOM image"),
        (numpy.full((4, 4), 2.0), "expected samples between 0 and 1, found 2"),
        (numpy.full((4, 4), -1.0), "found -1"),
        (numpy.zeros((4, 4), numpy.int32), "give white=255"),
        (numpy.zeros((4, 4, 5)), "found [4, 4, 5]"),
        (numpy.zeros((0, 4), numpy.uint8), "with pixels, found [0, 4]"),
        (numpy.zeros((4, 4), complex), "found an array of complex128"),
        (Image.open(damaged), "truncated"),
        (Image.new("I", (4, 4), 200), "give white=255"),
        (None, "found NoneType"),
        ({"a": 1}, "found dict"),
    ]
    for image, reason in wrong:
        with pytest.raises(vertebra.Unreadable) as error:
            model.predict([images[0], image])
        assert reason in str(error.value), image
    found = model.predict([images[0], *[image for image, _ in wrong], images[1]], errors="return")
    assert len(found) == len(wrong) + 2
    assert found.errors[0] is None and found.errors[-1] is None
    for at, (_, reason) in enumerate(wrong, 1):
        assert reason in found.errors[at] and found.labels[at] is None and found.decisions[at] is None
        assert numpy.isnan(found.probabilities[at]).all()
    # The same words as the command line.
    assert said(run, damaged, status=1)[0]["error"] == found.errors[1]
    with pytest.raises(ValueError, match="errors: expected raise or return"):
        model.predict(images, errors="ignore")
    assert len(model.predict([])) == 0 and model.predict([]).probabilities.shape == (0, 2)


def test_weights_that_give_no_number_decide_nothing(run, images, said, tmp_path):
    file = bytearray((pathlib.Path(run) / "best.safetensors").read_bytes())
    start = 8 + int.from_bytes(file[:8], "little")
    tensors = json.loads(file[8:start])
    first, last = tensors["conv1.weight"]["data_offsets"]
    huge = numpy.tile(numpy.array([3e38, -3e38], "<f4"), (last - first) // 8)
    file[start + first : start + last] = huge.tobytes()
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(file)
    model = vertebra.Model.load(damaged)
    with pytest.raises(vertebra.Unreadable, match="none that is a number"):
        model.predict(images[:2])
    found = model.predict(images[:2], errors="return")
    assert found.decisions == [None, None] and "none that is a number" in found.errors[1]
    assert said(damaged, images[0], status=1)[0]["error"] == found.errors[0]
    with pytest.raises(vertebra.Error, match="none that is a number"):
        model.heatmap(images[0])


def test_a_model_that_cannot_be_loaded(run, tmp_path):
    with pytest.raises(vertebra.Error, match="absent"):
        vertebra.Model.load(tmp_path / "absent")
    with pytest.raises(vertebra.Error):
        vertebra.Model.load(b"no model")
    with pytest.raises(ValueError, match="positive: expected one of the classes"):
        vertebra.Model.load(run, positive="bent")
    with pytest.raises(ValueError, match="threshold: expected a probability"):
        vertebra.Model.load(run, threshold=2)


def test_threads_memory_and_another_threshold_change_no_probability(model, run, images):
    answer = model.predict(images).probabilities.tolist()
    content = (run / "best.safetensors").read_bytes()
    for other in [
        vertebra.Model.load(content),
        vertebra.Model.load(run, threads=1),
        vertebra.Model.load(run, threads=3),
        vertebra.Model.load(run, threshold=0.0),
    ]:
        assert other.predict(images).probabilities.tolist() == answer
    assert set(vertebra.Model.load(run, threshold=0.0).predict(images).decisions) == {"positive"}
    assert (
        vertebra.Model.load(run, threshold=1.0).predict(images).labels
        == [c for c in model.classes if c != model.positive] * 7
    )
    turned = vertebra.Model.load(run, positive=[c for c in model.classes if c != model.positive][0])
    assert turned.predict(images).labels == model.predict(images).labels


def test_threads_of_python_share_a_model(model, images):
    answer = model.predict(images).probabilities.tolist()
    answers = {}

    def ask(at):
        answers[at] = model.predict(images if at % 2 else [numpy.asarray(Image.open(path)) for path in images])

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(found.probabilities.tolist() == answer for found in answers.values())


def test_findings(findings_run, images, said):
    model = vertebra.Model.load(findings_run)
    assert model.has_findings and model.classes == ["fracture", "odd"] and model.positive is None
    found = model.predict(images)
    for at, line in enumerate(said(findings_run, *images)):
        assert found.probabilities[at].tolist() == [finding["probability"] for finding in line["findings"]]
        assert found.called[at].tolist() == [finding["decision"] == "positive" for finding in line["findings"]]
        assert found.decisions[at] == ("positive" if found.called[at].any() else "negative")
        assert list(model.thresholds.values()) == [finding["threshold"] for finding in line["findings"]]
    assert list(found.rows()[0]) == ["path", "p_fracture", "called_fracture", "p_odd", "called_odd", "error"]
    assert "fracture from p" in model.explain()
    assert model.heatmap(images[0], "odd").label == "odd"


def test_tables(model, images, run, program):
    pandas = pytest.importorskip("pandas")
    found = model.predict([*images, b"no image"], errors="return")
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(images) + 1
    header = program("predict", run, images[0], "--format", "csv").splitlines()[0].split(",")
    assert [*frame.columns, "larger"] == header
    assert frame["error"].notna().tolist() == [False] * len(images) + [True]
    assert frame[["p_fracture", "p_normal"]].iloc[:-1].to_numpy().tolist() == found.probabilities[:-1].tolist()


def test_heatmap(model, images, run, program, tmp_path):
    height, width, _ = model.input_shape
    found = model.heatmap(images[0])
    assert found.values.shape == (height, width) and found.values.dtype == numpy.float32
    assert found.label == model.positive
    assert found.probability == model.predict(images[0]).probabilities[0, model.classes.index(found.label)]
    program("predict", run, images[0], "--heatmap", tmp_path / "maps")
    assert [path.read_bytes() for path in (tmp_path / "maps").iterdir()] == [found.png]
    assert found.png == found._repr_png_()
    assert not numpy.array_equal(model.heatmap(images[0], method="cam").values, found.values)
    assert model.heatmap(numpy.asarray(Image.open(images[0]))).values.tolist() == found.values.tolist()
    assert vertebra.Model.load(run, threads=1).heatmap(images[0]).values.tolist() == found.values.tolist()
    with pytest.raises(ValueError, match="label: expected one of the model's classes"):
        model.heatmap(images[0], "bent")
    with pytest.raises(ValueError, match="method: expected occlusion or cam"):
        model.heatmap(images[0], method="magic")
    with pytest.raises(vertebra.Unreadable):
        model.heatmap(b"no image")
    with pytest.raises(ValueError, match="expected one image, found 2"):
        model.heatmap(images[:2])


def test_what_is_shown_says_what_it_is_for(model, images):
    found = model.predict(images)
    for shown in [
        repr(model),
        repr(found),
        model.explain(),
        model._repr_html_(),
        found._repr_html_(),
        repr(model.heatmap(images[0])),
    ]:
        assert "Research use only, not a medical device" in shown
    assert "&lt;" not in model._repr_html_() and "<table>" in found._repr_html_()
    assert pathlib.Path(vertebra.__file__).with_name("py.typed").exists()


def test_a_window_is_explained(run):
    model = vertebra.Model.load(run)
    assert "Window" not in model.explain()
    model.metadata["preprocessing"]["window"] = "40,400"
    assert "Window: 40,400 (centre, width)" in model.explain().splitlines()


def test_a_panic_is_an_exception_that_says_where(capfd):
    with pytest.raises(vertebra.Error, match=r"^a fault of this program's: odd \(.*src/error.rs:\d+\)$"):
        vertebra._vertebra.panics("odd")
    assert capfd.readouterr() == ("", "")


def _in_a_child(work):
    """What `work` gives in a forked process, which has a minute."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: there.send(work()))
    child.start()
    try:
        assert here.poll(60), "the child waits for threads that it does not have"
        return here.recv()
    finally:
        child.kill()
        child.join()


def test_a_forked_child_has_threads_of_its_own(model, run, images, data, tmp_path):
    """It has none of its parent's: waiting for those would never end."""
    own = vertebra.Model.load(run, threads=2)
    want = model.predict(images).labels
    assert own.predict(images).labels == want
    for threads in (None, 1, 2):
        assert _in_a_child(lambda: vertebra.Model.load(run, threads=threads).predict(images).labels) == want
    for loaded in (model, own):
        assert _in_a_child(lambda: loaded.predict(images).labels) == want
        judge = lambda: loaded.evaluate(data / "manifest.csv", bootstrap=200)  # noqa: E731
        assert _in_a_child(lambda: judge()["confusion"]) == judge()["confusion"]
        assert _in_a_child(lambda: len(judge()._repr_html_())) > 1000
    site = lambda: vertebra.Model.load(run).calibrate(data / "manifest.csv", tmp_path / "site", split="all")  # noqa: E731
    assert _in_a_child(lambda: len(site())) > 0
    settings = dict(image_size=32, width=0.25, max_steps=1, out=tmp_path / "run")
    assert _in_a_child(lambda: vertebra.train(data / "manifest.csv", **settings).path) == str(tmp_path / "run")
    assert _in_a_child(lambda: vertebra.audit(data / "manifest.csv").document["images"]) == 48


def test_an_open_file_is_its_content(model, images):
    want = model.predict(images[0])
    with open(images[0], "rb") as file:
        found = model.predict(file)
    assert found.paths == [str(images[0])]
    content = io.BytesIO(images[0].read_bytes())
    assert numpy.array_equal(found.probabilities, want.probabilities)
    assert numpy.array_equal(model.predict([content]).probabilities, want.probabilities)
    with open(images[0]) as text, pytest.raises(vertebra.Unreadable, match='opened with "rb"'):
        model.predict(text)


def test_the_window_of_a_model_is_for_gray_values_however_they_come(data, tmp_path, program):
    windowed = tmp_path / "windowed"
    settings = ["--window", "32808,400", "--max-steps", 0, "--image-size", 32, "--width", 0.25]
    program("train", data / "manifest.csv", "--out", windowed, *settings)
    model = vertebra.Model.load(windowed)
    colours = numpy.zeros((8, 8, 3), numpy.uint8)
    for image in (colours, Image.fromarray(colours)):
        with pytest.raises(vertebra.Unreadable, match="found colour"):
            model.predict(image)
        with pytest.raises(vertebra.Unreadable, match="found colour"):
            model.heatmap(image)
    assert "8 bits" in " ".join(model.predict(colours[:, :, 0]).notes)
    assert "from black to white" in " ".join(model.predict(numpy.full((8, 8), 0.5)).notes)
    assert model.predict(numpy.full((8, 8), 32808, numpy.uint16) + numpy.arange(8, dtype=numpy.uint16)).notes == []


def test_an_exported_model_decides_as_it_was_loaded(run, tmp_path):
    other = [name for name in vertebra.Model.load(run).classes if name != vertebra.Model.load(run).positive][0]
    model = vertebra.Model.load(run, positive=other, threshold=0.625)
    vertebra.export_onnx(model, tmp_path / "other.onnx")
    content = (tmp_path / "other.onnx").read_bytes()
    assert f'"positive":"{other}"'.encode() in content and b'"value":0.625' in content
    assert "Threshold:" not in model.explain()
