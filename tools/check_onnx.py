"""Exports models to ONNX, runs them in ONNX Runtime, and compares with Vertebra on 20 images.

    python3 tools/check_onnx.py [--program target/release/vertebra] [MODEL...]

Without MODEL: networks trained for a few steps, and the weights in ../shared/weights if they are there. Needs onnx,
onnxruntime, numpy and pillow; says so and exits 0 where they are not installed. The preprocessing is taken from the
file's metadata alone, as a stranger would. Exits 1 unless the file passes ONNX's own checker, all probabilities agree
within 1e-4, and the logarithms of those above 1e-3 (the logits, but for a constant) within 1e-4 too.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    from PIL import Image
except ImportError as missing:
    sys.exit(print(f"skipped: {missing}"))

IMAGES = 20
ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(program, *words):
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def picture(rng, height, width, channels):
    """A smooth random image: noise has no large structures, which deep layers live on."""
    shape = (height, width, channels)
    layers = [rng.normal(size=(n, n, channels)).astype(np.float32) for n in (3, 7, 19)]
    resized = [np.stack([np.array(Image.fromarray(layer[..., c]).resize((width, height), Image.BICUBIC))
                         for c in range(channels)], -1) for layer in layers]
    pixels = 127 + 40 * resized[0] + 30 * resized[1] + 15 * resized[2] + rng.normal(size=shape) * 4
    return pixels.clip(0, 255).astype(np.uint8)


def trained(program, work):
    """Models whose weights have moved away from where they began."""
    rng = np.random.default_rng(1)
    with open(work / "manifest.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split", "bright", "other"))
        for i in range(64):
            pixels, bright = picture(rng, 96, 96, 1)[..., 0], i % 2
            Image.fromarray(pixels if bright else pixels // 2).save(work / f"{i}.png")
            rows.writerow((f"{i}.png", ("dark", "light")[bright], "train" if i < 48 else "val", bright, i // 2 % 2))
    for arch, width in (("mobilenet-v1", 0.5), ("mobilenet-v2", 0.35)):
        run(program, "train", work / "manifest.csv", "--out", work / arch, "--arch", arch, "--width", width,
            "--image-size", 96, "--batch-size", 16, "--epochs", 4)
        yield work / arch
    run(program, "train", work / "manifest.csv", "--labels", "bright,other", "--out", work / "findings", "--width", 0.25,
        "--image-size", 96, "--batch-size", 16, "--epochs", 4)
    yield work / "findings"
    # Inputs that stand and lie; as many epochs as leave them unsure of some images.
    for arch, size, epochs in (("mobilenet-v1", "320x256", 1), ("mobilenet-v2", "256x320", 2)):
        run(program, "train", work / "manifest.csv", "--out", work / size, "--arch", arch, "--width", 0.35,
            "--image-size", size, "--batch-size", 16, "--epochs", epochs)
        yield work / size


def shared(program, work):
    """The published weights, if they are here."""
    folder = pathlib.Path(os.environ.get("VERTEBRA_SHARED", ROOT.parent / "shared")) / "weights"
    for file in sorted(folder.glob("*.safetensors")):
        run(program, "import", file, "--out", work / file.name)
        yield work / file.name


def probabilities(line):
    """Of each class, or of each finding."""
    if "findings" in line:
        return {found["finding"]: found["probability"] for found in line["findings"]}
    return line["probabilities"]


def compare(program, work, model):
    file = work / "model.onnx"
    run(program, "export", model, "--to", "onnx", "--out", file)
    onnx.checker.check_model(str(file), full_check=True)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    prep, classes = json.loads(properties["preprocessing"]), json.loads(properties["classes"])
    rng = np.random.default_rng(0)
    images = [picture(rng, prep["height"], prep["width"], prep["channels"]) for _ in range(IMAGES)]
    paths = [work / f"image-{i}.png" for i in range(IMAGES)]
    for path, pixels in zip(paths, images):
        Image.fromarray(pixels.squeeze()).save(path)
    lines = run(program, "predict", model, *paths, "--format", "jsonl").splitlines()
    ours = np.array([[probabilities(line)[name] for name in classes] for line in map(json.loads, lines)])
    inputs = np.stack(images).astype(np.float32) * np.float32(prep["scale"]) + np.float32(prep["offset"])
    inputs = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    logits, theirs = session.run(["logits", "probabilities"], {"input": inputs})
    one = session.run(["logits"], {"input": inputs[:1]})[0]
    assert np.abs(one - logits[:1]).max() < 1e-3, "a batch of one differs"
    if properties.get("output") == '"sigmoid"':
        pairs = [(finding["slope"], finding["intercept"]) for finding in json.loads(properties["findings"])]
        slopes, intercepts = np.array(pairs).T
        logs = -np.logaddexp(0, -(slopes * logits.astype(np.float64) + intercepts))
    else:
        scaled = logits.astype(np.float64) / float(properties["temperature"])
        logs = scaled - np.logaddexp.reduce(scaled, 1, keepdims=True)
    likely = ours > 1e-3
    worst = np.abs(ours - theirs).max(), np.abs(np.log(ours[likely]) - logs[likely]).max()
    print(f"{model.name}: {len(classes)} classes, logits {logits.min():.2f} to {logits.max():.2f}; probabilities differ "
          f"by {worst[0]:.1e}, their logarithms by {worst[1]:.1e}")
    return max(worst) < 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path, metavar="MODEL")
    parser.add_argument("--program", default=ROOT / "target/release/vertebra")
    args = parser.parse_args()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    with tempfile.TemporaryDirectory(prefix="vertebra-onnx-") as work:
        work = pathlib.Path(work)
        models = args.models or [*trained(args.program, work), *shared(args.program, work)]
        good = [compare(args.program, work, model) for model in models]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
