"""Times a training from imported weights until its AUROC reaches a goal: Vertebra and PyTorch, whole processes in turn.

    python3 tools/time_to_auroc.py MANIFEST WEIGHTS [--program target/release/vertebra] [--goal 0.97] [--seeds 3]

MANIFEST has the columns path, label and split; WEIGHTS is a MobileNetV1 that `vertebra import` wrote. Needs torch, numpy,
pillow, safetensors and scikit-learn; says so and exits 0 where they are not installed. Both train the same network
from the same weights, the classifier anew, by the same recipe: Adam at 0.002, a constant rate, batches of 32, a moving
average of the weights (0.99) that is judged, turns, shifts, zoom, contrast and brightness of every image, its own draw in every
epoch. PyTorch runs as people tune it: compiled, channels last, fused Adam, images decoded once and kept, augmented as a
batch. What it compiles is kept in a folder of its own for each seed, and it runs twice: as it runs the first time, and again
with what was compiled then. After every epoch the validation split is judged. Whoever has trained --epochs epochs judges the test split with the
weights of the best epoch, and ends; Vertebra writes its whole report meanwhile. What is printed is the time of the process
from start to end, and the AUROC of the test.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BATCH, LR, AVERAGE = 32, 0.002, 0.99


def read(manifest, size):
    """For each split the pixels, `[n, 1, size, size]` in -1 to 1, and the labels."""
    import numpy as np
    import torch
    from PIL import Image

    with open(manifest) as file:
        rows = list(csv.DictReader(file))
    classes, parts = sorted({row["label"] for row in rows}), {}
    for split in ("train", "val", "test"):
        part = [row for row in rows if row["split"] == split]
        sides = (size, size)
        open_ = lambda row: Image.open(manifest.parent / row["path"]).convert("L").resize(sides, Image.BILINEAR)
        pixels = np.stack([np.asarray(open_(row), np.float32) for row in part])
        labels = torch.tensor([classes.index(row["label"]) for row in part])
        parts[split] = torch.from_numpy(pixels / 127.5 - 1)[:, None], labels
    return classes, parts


def augmented(images):
    """A batch, each image by a draw of its own within the limits of `vertebra train`."""
    import torch
    import torch.nn.functional as F

    n = len(images)
    vary = lambda limit, *shape: limit * (torch.rand(n, *shape) - torch.rand(n, *shape))
    angle, zoom, shift = torch.deg2rad(vary(30)), 1 + vary(0.1), vary(0.14, 2)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    maps = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(maps, images.shape, align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gain, bias = 1 + vary(0.2, 1, 1, 1), vary(0.2, 1, 1, 1)
    return images * gain + bias + torch.rand(n, 1, 1, 1) * 0.02 * torch.randn(images.shape)


def peer(args):
    """PyTorch's process: the AUROC of the test, and the seconds of the epochs."""
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file
    from sklearn.metrics import roc_auc_score

    from parity_pytorch import MobileNetV1

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    classes, parts = read(args.manifest, args.size)
    net = MobileNetV1(1, len(classes), 1.0)
    start = {key: value for key, value in load_file(args.weights).items() if not key.startswith("training.")}
    net.load_state_dict(start, strict=False)
    net = net.to(memory_format=torch.channels_last)
    for norm in net.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 0.1  # PyTorch's own: there are few steps.
    # The average follows the weights from the first step on, as that of Vertebra does.
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    optimizer = torch.optim.Adam(net.parameters(), LR, eps=1e-7, fused=True)
    loss = torch.compile(lambda images, labels: F.cross_entropy(net(images), labels))

    def judge(split):
        average.eval()
        pixels, labels = parts[split]
        with torch.no_grad():
            logits = torch.cat([average(part.to(memory_format=torch.channels_last)) for part in pixels.split(64)])
        return F.cross_entropy(logits, labels).item(), roc_auc_score(labels.numpy() == 1, logits.softmax(1)[:, 1].numpy())

    pixels, labels = parts["train"]
    best, kept, begun = float("inf"), None, time.perf_counter()
    for _ in range(args.epochs):
        order = torch.randperm(len(labels))
        net.train()
        # A last batch of another size would be compiled anew.
        for batch in order[: len(order) // BATCH * BATCH].split(BATCH):
            images = augmented(pixels[batch]).to(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            loss(images, labels[batch]).backward()
            optimizer.step()
            average.update_parameters(net)
        found = judge("val")[0]
        if found < best:
            best, kept = found, {key: value.clone() for key, value in average.state_dict().items()}
    seconds = time.perf_counter() - begun
    average.load_state_dict(kept)
    print(json.dumps({"auroc": judge("test")[1], "epochs_s": seconds}))


def run(*words, **variables):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=os.environ | variables)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def timed(*words, **variables):
    """What a process printed last, as JSON, and the seconds from its start to its end."""
    begun = time.perf_counter()
    said = run(*words, **variables)
    return json.loads(said[said.index("{"):]), time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--goal", type=float, default=0.97)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.seed is not None:
        return peer(args)
    try:
        import numpy, PIL, safetensors, sklearn, torch  # noqa: E401, F401
    except ImportError as missing:
        sys.exit(print(f"skipped: {missing}"))
    work = pathlib.Path(tempfile.mkdtemp(prefix="vertebra-auroc-"))
    print(f"{args.epochs} epochs at {args.size}x{args.size}, {args.threads} threads, torch {torch.__version__}")
    for seed in range(args.first, args.first + args.seeds):
        options = ["--init", args.weights, "--recipe", "described", "--image-size", args.size, "--epochs", args.epochs, "--lr", LR,
                   "--batch-size", BATCH, "--patience", 0, "--threads", args.threads, "--seed", seed]
        run(args.program, "train", args.manifest, *options, "--max-steps", 0, "--out", work / f"start-{seed}")
        begun = work / f"start-{seed}" / "last.safetensors"
        ours, took = timed(args.program, "train", args.manifest, *options, "--out", work / f"run-{seed}", "--json")
        reached = lambda auroc: "reached" if auroc >= args.goal else "not reached"
        print(f"seed {seed}: vertebra {took:.1f} s, AUROC {ours['result']['auroc']:.3f} "
              f"({args.goal} {reached(ours['result']['auroc'])})", flush=True)
        for compiled in ("for the first time", "compiled before"):
            theirs, longer = timed(sys.executable, __file__, args.manifest, begun, "--size", args.size, "--epochs", args.epochs,
                                   "--threads", args.threads, "--seed", seed, TORCHINDUCTOR_CACHE_DIR=str(work / f"cache-{seed}"))
            print(f"  PyTorch, {compiled}: {longer:.1f} s, of which {theirs['epochs_s']:.1f} s for epochs, AUROC {theirs['auroc']:.3f} "
                  f"({reached(theirs['auroc'])}); {longer / took:.2f} times as long", flush=True)


if __name__ == "__main__":
    main()
