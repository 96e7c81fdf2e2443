"""Trains findings on simulated radiographs with Vertebra and with PyTorch, seed by seed, and compares their AUROC.

    python3 tools/findings_pytorch.py [--program target/release/vertebra] [--seeds 3] [--patients 1600] [--size 96]

Needs torch, numpy, pillow, safetensors and scikit-learn; says so and exits 0 where they are not installed. The data are those of
`vertebra phantom --findings 5 --blank 0.3`. Both begin with the same weights and train by the same recipe: Adam, one epoch
of warm-up, then a cosine to zero, binary cross-entropy over what is known with balanced class weights, no augmentation, no
dropout, no average of weights; each with its own order of images. The last weights are judged on the test split. Exits 1
unless the mean AUROC over findings and seeds agrees within 0.005, and AUROC and average precision of every finding, as
`vertebra evaluate` gives them, are those of scikit-learn on the same probabilities within 1e-9.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from sklearn.metrics import average_precision_score, roc_auc_score

    from parity_pytorch import MobileNetV1, masked_bce
except ImportError as missing:
    sys.exit(print(f"skipped: {missing}"))

BATCH, LR, FINDINGS = 16, 0.004, 5


def run(program, *words):
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def read(manifest):
    """For each split the pixels, `[n, 1, size, size]` in -1 to 1, and the truth, `[n, findings]` with NaN for unknown."""
    with open(manifest) as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("path", "split", "group")]
    parts = {}
    for split in ("train", "val", "test"):
        part = [row for row in rows if row["split"] == split]
        pixels = np.stack([np.array(Image.open(manifest.parent / row["path"]), np.float32) for row in part])
        truth = np.array([[float(row[name] or "nan") for name in names] for row in part])
        parts[split] = torch.from_numpy(pixels / 127.5 - 1)[:, None], torch.from_numpy(truth)
    return names, parts


def areas(truth, scores):
    """AUROC and average precision of each finding, over the images of which it is known."""
    known = [(truth[:, at][~np.isnan(truth[:, at])], scores[:, at][~np.isnan(truth[:, at])]) for at in range(FINDINGS)]
    return np.array([(roc_auc_score(is_there, p), average_precision_score(is_there, p)) for is_there, p in known])


def pytorch(args, parts, start, seed):
    """Areas on the test split after the recipe."""
    torch.manual_seed(seed)
    net = MobileNetV1(1, FINDINGS, args.width)
    missing, extra = net.load_state_dict(start, strict=False)
    assert not extra and all(name.endswith("num_batches_tracked") for name in missing), (missing, extra)
    pixels, truth = parts["train"]
    rows, steps = list(zip(range(len(truth)), truth.numpy())), -(-len(truth) // BATCH)
    optimizer = torch.optim.Adam(net.parameters(), LR, eps=1e-7)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for step in range(args.epochs * steps):
        if step % steps == 0:
            order = torch.randperm(len(truth))
        done = (step - steps) / (args.epochs * steps - steps)
        rate = (step + 1) / steps if step < steps else 0.5 * (1 + np.cos(np.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = LR * rate
        for norm in norms:
            norm.momentum = max(1 / (step + 1), 0.01)
        batch = order[step % steps * BATCH:(step % steps + 1) * BATCH]
        net.train()
        optimizer.zero_grad()
        masked_bce(truth[batch], rows)(net(pixels[batch])).backward()
        optimizer.step()
    net.eval()
    pixels, truth = parts["test"]
    with torch.no_grad():
        scores = torch.cat([net(part) for part in pixels.split(64)]).double().numpy()
    return areas(truth.numpy(), scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--patients", type=int, default=1600)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0, help="of either program; 0: as many as it takes by itself")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    work = pathlib.Path(tempfile.mkdtemp(prefix="vertebra-findings-"))
    manifest = work / "phantom" / "manifest.csv"
    run(args.program, "phantom", work / "phantom", "--findings", FINDINGS, "--blank", 0.3, "--patients", args.patients,
        "--image-size", args.size)
    names, parts = read(manifest)
    print(f"{', '.join(f'{split} {len(truth)}' for split, (_, truth) in parts.items())} images of {args.size}x{args.size}, "
          f"width {args.width}, {args.epochs} epochs, torch {torch.__version__}, {torch.get_num_threads()} threads")
    ours, theirs, apart = [], [], 0.0
    for seed in range(args.first, args.first + args.seeds):
        begun = time.time()

        def train(name, *more):
            run(args.program, "train", manifest, "--labels", "all", "--out", work / name, "--width", args.width, "--image-size",
                args.size, "--batch-size", BATCH, "--lr", LR, "--schedule", "cosine", "--warmup", 1, "--epochs", args.epochs,
                "--patience", 0, "--no-augment", "--dropout", 0, "--average", 0, "--class-weights", "balanced",
                "--threads", args.threads, "--seed", seed, *more)
            return work / name / "last.safetensors"

        start = load_file(train(f"start-{seed}", "--max-steps", 0))
        start = {key: value for key, value in start.items() if not key.startswith("training.")}
        last = train(f"run-{seed}")
        half = time.time()
        found = json.loads(run(args.program, "evaluate", last, manifest, "--json", "--bootstrap", 0))["findings"]
        ours.append(np.array([(of["auroc"], of["auprc"]) for of in found]))
        # What scikit-learn makes of the probabilities of the program.
        paths = [row["path"] for row in csv.DictReader(open(manifest)) if row["split"] == "test"]
        lines = run(args.program, "predict", last, *(manifest.parent / path for path in paths), "--format", "jsonl")
        scores = [[of["probability"] for of in json.loads(line)["findings"]] for line in lines.splitlines()]
        of_sklearn = areas(parts["test"][1].numpy(), np.array(scores))
        apart = max(apart, np.abs(of_sklearn - ours[-1]).max())
        theirs.append(pytorch(args, parts, start, seed))
        print(f"seed {seed}: vertebra {ours[-1][:, 0].mean():.4f} ({half - begun:.0f} s), "
              f"PyTorch {theirs[-1][:, 0].mean():.4f} ({time.time() - half:.0f} s)", flush=True)
    ours, theirs = np.array(ours), np.array(theirs)
    by_seed = lambda values: f"{values.mean():.4f} ({', '.join(f'{value:.3f}' for value in values)})"
    for at, name in enumerate(names):
        print(f"{name:<18} vertebra {by_seed(ours[:, at, 0])}   PyTorch {by_seed(theirs[:, at, 0])}")
    means = np.array([of[:, :, 0].mean(1) for of in (ours, theirs)])
    differences = means[0] - means[1]
    spread = lambda values: values.std(ddof=1) if args.seeds > 1 else float("nan")
    for name, of in zip(("vertebra", "PyTorch"), means):
        print(f"mean AUROC: {name} {of.mean():.4f} (standard deviation over {args.seeds} seeds {spread(of):.4f})")
    error = spread(differences) / np.sqrt(args.seeds)
    print(f"difference {differences.mean():+.4f} (standard error {error:.4f})")
    print(f"largest difference to scikit-learn on the same probabilities: {apart:.1e}")
    sys.exit(not (abs(differences.mean()) < 0.005 and apart < 1e-9))


if __name__ == "__main__":
    main()
