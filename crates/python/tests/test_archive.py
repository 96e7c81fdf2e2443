"""Archives over Ray and Spark: every row once, the answers of the command line, and a bad file is a row with its error."""

import json
import os
import shutil
import sys

import pytest

import vertebra


@pytest.fixture(scope="module")
def archive(images, tmp_path_factory):
    """Forty images, of which one is damaged and one is not there; and their paths."""
    folder = tmp_path_factory.mktemp("archive")
    paths = []
    for at in range(40):
        path = folder / f"{at:02}.png"
        shutil.copy(images[at % len(images)], path)
        paths.append(str(path))
    (folder / "07.png").write_bytes(images[0].read_bytes()[:300])
    (folder / "11.png").unlink()
    return paths


@pytest.fixture(scope="module")
def wanted(run, archive, said):
    return {line["path"]: line for line in said(run, *archive, status=1)}


def compare(rows, wanted):
    assert sorted(row["path"] for row in rows) == sorted(wanted)
    for row in rows:
        line = wanted[row["path"]]
        if "error" in line:
            assert row["error"] == line["error"] and row["label"] is None and row["p_normal"] is None
        else:
            assert (row["label"], row["decision"], row["error"]) == (line["label"], line["decision"], None)
            assert {"fracture": row["p_fracture"], "normal": row["p_normal"]} == line["probabilities"]


def missing(row):
    """Nothing is None, whatever pandas made of it."""
    return {name: None if value != value else value for name, value in row.items()}


def test_a_table(run, images, said, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from vertebra import _archive

    odd = tmp_path / "a:b c.png"
    shutil.copy(images[0], odd)
    values = [str(odd), odd.as_uri(), odd.as_uri().replace("file://", "file:"), "file:/absent.png", None]
    table = pyarrow.table({"path": values, "more": pyarrow.array([b"x"] * 5, pyarrow.large_binary())})
    found = _archive.answer(table, _archive.read_model(run), "path", 1)
    assert "more" not in found.column_names
    rows = found.to_pylist()
    wanted = said(run, odd)[0]["probabilities"]
    assert [{"fracture": row["p_fracture"], "normal": row["p_normal"]} for row in rows[:3]] == [wanted] * 3, rows
    assert rows[3]["error"] and rows[4]["error"] == "expected a path or bytes, found none"
    numbers = _archive.answer(pyarrow.table({"path": [7]}), _archive.read_model(run), "path", 1)
    assert numbers.to_pylist()[0]["error"] == "expected a path or bytes, found int"


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_ray(ray, run, archive, wanted, tmp_path):
    import vertebra.ray

    found = vertebra.ray.predict(archive, run, workers=2, batch_size=8)
    found.write_parquet(str(tmp_path / "answers"))
    rows = ray.data.read_parquet(str(tmp_path / "answers")).take_all()
    compare([missing(row) for row in rows], wanted)
    # A table of the contents of files, and what else it has.
    there = [path for path in archive if "error" not in wanted[path]][:9]
    table = ray.data.read_binary_files(there, include_paths=True)
    compare(
        [missing(row) for row in vertebra.ray.predict(table, run, workers=1).take_all()],
        {path: wanted[path] for path in there},
    )
    with pytest.raises(vertebra.Error):
        vertebra.ray.predict(archive, tmp_path / "absent")
    with pytest.raises(ValueError, match="column: expected one of bytes, content or path, found n"):
        vertebra.ray.predict(ray.data.from_items([{"n": 1}]), run)


def test_folds_and_settings_over_ray_are_those_of_the_command_line(ray, data, program, tmp_path):
    import vertebra.ray

    settings = dict(image_size=64, width=0.25, batch_size=8, epochs=1, seed=3)
    words = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    many = {"slow": {"lr": 0.0001}, "fast": {"lr": 0.002}}
    table = data / "manifest.csv"
    found = vertebra.ray.train_many(table, many, out=tmp_path / "ray", folds=3, **settings)
    assert list(found) == ["slow", "fast"]
    for name, own in many.items():
        out = tmp_path / "program" / name
        said = json.loads(program("train", table, *words, "--lr", own["lr"], "--folds", 3, "--out", out, "--json"))
        moved = json.dumps(found[name].document).replace(str(tmp_path / "ray"), str(tmp_path / "program"))
        assert json.loads(moved) == said
        for path in sorted(out.rglob("*")):
            ours = tmp_path / "ray" / name / path.relative_to(out)
            if path.suffix in (".safetensors", ".html") or path.name in ("predictions.csv", "folds.json"):
                assert ours.read_bytes() == path.read_bytes(), path
            if path.name == "cross-validation.json":
                assert ours.read_text().replace(str(tmp_path / "ray"), str(tmp_path / "program")) == path.read_text()
    # Single runs; and the second time they go on, if that is said.
    runs = vertebra.ray.train_many(table, many, out=tmp_path / "runs", **settings)
    program("train", table, *words, "--lr", 0.0001, "--out", tmp_path / "one")
    assert (tmp_path / "runs" / "slow" / "best.safetensors").read_bytes() == (
        tmp_path / "one" / "best.safetensors"
    ).read_bytes()
    assert runs["slow"]["result"]["images"] > 0
    with pytest.raises(vertebra.Error, match="holds a run already"):
        vertebra.ray.train_many(table, many, out=tmp_path / "runs", **settings)
    again = vertebra.ray.train_many(table, many, out=tmp_path / "runs", resume=True, **settings)
    assert again["fast"]["result"] == runs["fast"]["result"]


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql")
    # Executors take whichever python is on the path otherwise.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


def test_spark(spark, run, archive, wanted, tmp_path):
    import vertebra.spark

    frame = spark.createDataFrame([(path, at) for at, path in enumerate(archive)], ["path", "number"]).repartition(3)
    vertebra.spark.predict(frame, run).write.parquet(str(tmp_path / "answers"))
    rows = [row.asDict() for row in spark.read.parquet(str(tmp_path / "answers")).collect()]
    compare(rows, wanted)
    assert sorted(row["number"] for row in rows) == list(range(40))
    # Files as Spark reads them.
    there = [path for path in archive if "error" not in wanted[path]][:9]
    files = spark.read.format("binaryFile").load(there)
    found = [row.asDict() for row in vertebra.spark.predict(files, run).collect()]
    assert "content" not in found[0] and len(found) == 9
    for row in found:
        line = wanted[row["path"].removeprefix("file:")]
        assert {"fracture": row["p_fracture"], "normal": row["p_normal"]} == line["probabilities"]
    with pytest.raises(ValueError, match="expected no column label"):
        vertebra.spark.predict(frame.withColumnRenamed("number", "label"), run)
