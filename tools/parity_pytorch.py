"""Trains the same network on the same images in the same order with Vertebra and with PyTorch, and compares.

    python3 tools/parity_pytorch.py [--program target/release/vertebra] [--arch mobilenet-v1] [--size 224] [--batch 8]
    python3 tools/parity_pytorch.py --findings 5     several findings an image, 30 % of them not known

Needs torch, numpy, pillow and safetensors (and torchvision for mobilenet-v2). All start from the weights that
`vertebra train --max-steps 0` writes, read the same 8-bit images, and take 20 steps of plain SGD. With --findings, the loss
is binary cross-entropy over what is known, with balanced class weights.

The yardstick is PyTorch in float64, and beside Vertebra's distance to it stands that of PyTorch in float32. A network
of some hundred thousand ReLU6s always has some so close to a kink that float32 decides them by rounding, so two correct
float32 programs have gradients that differ by a fraction of a percent, and trajectories that part. Exits 1 unless the
first loss agrees within 1e-5 (relative), and the weights after one step and the 20 losses within 1e-4 of the largest
update and 1e-3, or within twice PyTorch's own distance where that is more.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn

STEPS = 20


class SamePad(nn.Module):
    """TensorFlow's SAME padding before a 3x3 convolution: stride 2 on an even size pads 0 before and 1 after."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // self.stride) - 1) * self.stride + 3 - size, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x, pads)


class MobileNetV1(nn.Module):
    """Howard et al. 2017 with Keras' defaults, under Vertebra's tensor names."""

    BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]

    def __init__(self, channels, classes, width):
        super().__init__()
        norm = lambda c: nn.BatchNorm2d(c, eps=1e-3, momentum=0.01)
        c = int(32 * width)
        self.conv1, self.conv1_bn = nn.Conv2d(channels, c, 3, 2, bias=False), norm(c)
        self.blocks, self.pads = nn.ModuleList(), [SamePad(2)]
        for outputs, stride in self.BLOCKS:
            outputs = int(outputs * width)
            self.blocks.append(nn.ModuleDict({
                "depthwise": nn.Conv2d(c, c, 3, stride, groups=c, bias=False), "depthwise_bn": norm(c),
                "pointwise": nn.Conv2d(c, outputs, 1, bias=False), "pointwise_bn": norm(outputs),
            }))
            self.pads.append(SamePad(stride))
            c = outputs
        self.classifier = nn.Linear(c, classes)

    def forward(self, x):
        x = F.relu6(self.conv1_bn(self.conv1(self.pads[0](x))))
        for block, pad in zip(self.blocks, self.pads[1:]):
            x = F.relu6(block["depthwise_bn"](block["depthwise"](pad(x))))
            x = F.relu6(block["pointwise_bn"](block["pointwise"](x)))
        return self.classifier(x.mean((2, 3)))


def make_data(folder, size, images, source):
    """8-bit gray images of `size` in the order of the manifest, the two classes in turn: from the class folders in
    `source`, or smooth random fields (which, like real images and unlike noise, keep their variance through layers)."""
    rng = np.random.default_rng(0)
    classes = sorted(path.name for path in source.iterdir() if path.is_dir()) if source else ["coarse", "fine"]
    files = {name: sorted(path for path in (source / name).iterdir()) for name in classes} if source else {}
    rows = []
    for i in range(images + 8):
        split, label = ("train" if i < images else "val"), classes[i % 2]
        if source:
            picture = Image.open(files[label][i // 2]).convert("L").resize((size, size), Image.BILINEAR)
        else:
            fields = [rng.normal(size=(n, n)) for n in ((3, 7) if label == "coarse" else (5, 19))]
            fields = [Image.fromarray(f.astype(np.float32)).resize((size, size), Image.BICUBIC) for f in fields]
            picture = 110 + 45 * np.array(fields[0]) + 25 * np.array(fields[1]) + rng.normal(size=(size, size)) * 4
            picture = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        picture.save(folder / f"{i:04}.png")
        rows.append((f"{i:04}.png", label, split))
    with open(folder / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return [(name, classes.index(label)) for name, label, split in rows if split == "train"]


def make_findings(folder, size, images, findings):
    """The same, but each of the findings is there or not by itself, a field of its own scale, and 30 % of them are not
    known: NaN in what is returned, blank in the manifest."""
    rng = np.random.default_rng(0)
    rows, known = [], []
    for i in range(images + 8):
        split, there = ("train" if i < images else "val"), rng.random(findings) < 0.3
        fields = [rng.normal(size=(n, n)) for n in (3, *(4 + 3 * np.flatnonzero(there)))]
        fields = [Image.fromarray(f.astype(np.float32)).resize((size, size), Image.BICUBIC) for f in fields]
        picture = 110 + 25 * np.sum([np.array(f) for f in fields], axis=0) + rng.normal(size=(size, size)) * 4
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{i:04}.png")
        truth = np.where(rng.random(findings) < 0.3, np.nan, there.astype(np.float64))
        rows.append([f"{i:04}.png", split, *("" if np.isnan(is_there) else int(is_there) for is_there in truth)])
        known.append((f"{i:04}.png", truth))
    with open(folder / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "split", *(f"f{at}" for at in range(findings))], *rows])
    return known[:images]


def masked_bce(truth, rows):
    """Binary cross-entropy over what is known of `truth`, with the weights of `--class-weights balanced` in `rows`."""
    table = np.stack([truth for _, truth in rows])
    counts = np.stack([(table == 0).sum(0), (table == 1).sum(0)])
    weights = torch.from_numpy((counts.sum(0) / (2 * counts)).astype(np.float32))
    known = ~torch.isnan(truth)
    weight = torch.where(truth > 0.5, weights[1], weights[0])[known]

    def loss(logits):
        each = F.binary_cross_entropy_with_logits(logits[known], truth[known].to(logits.dtype), reduction="none")
        return (each * weight.to(logits.dtype)).mean()

    return loss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/vertebra")
    parser.add_argument("--arch", default="mobilenet-v1", choices=["mobilenet-v1", "mobilenet-v2"])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--images", type=pathlib.Path, help="a folder with two class folders of images")
    parser.add_argument("--findings", type=int, default=0, help="so many findings an image, instead of two classes")
    args = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="vertebra-parity-"))
    images = STEPS * args.batch
    if args.findings:
        rows, labels = make_findings(work, args.size, images, args.findings), ["--labels", "all", "--class-weights", "balanced"]
    else:
        rows, labels = make_data(work, args.size, images, args.images), []

    def train(name, steps):
        command = [args.program, "train", work / "manifest.csv", "--out", work / name, "--arch", args.arch,
                   "--width", args.width, "--image-size", args.size, "--batch-size", args.batch, "--optimizer", "sgd",
                   "--lr", args.lr, "--epochs", 1, "--max-steps", steps, "--no-augment", "--no-shuffle",
                   "--dropout", 0, *labels]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
        tensors = load_file(work / name / "last.safetensors")
        return {key: value for key, value in tensors.items() if not key.startswith("training.")}

    start, after_one = train("start", 0), train("one", 1)
    train("run", STEPS)
    with open(work / "run" / "steps.csv") as file:
        ours = [float(row["loss"]) for row in csv.DictReader(file)]

    double, after_double = pytorch(args, work, rows, start, torch.float64)
    single, after_single = pytorch(args, work, rows, start, torch.float32)
    trained = after_double.keys()
    largest = max((after_double[name] - start[name]).abs().max().item() for name in trained)
    weights = [max((after[name].double() - after_double[name]).abs().max().item() for name in trained) / largest
               for after in (after_one, after_single)]
    for step, row in enumerate(zip(ours, single, double, strict=True)):
        print(f"step {step:2}  vertebra %.7f  pytorch float32 %.7f  float64 %.7f" % row)
    first = abs(ours[0] - double[0]) / double[0]
    losses = [max(abs(a - b) for a, b in zip(found, double)) for found in (ours, single)]
    print(f"torch {torch.__version__}, {args.arch} {args.width} at {args.size}x{args.size}, batch {args.batch}, lr {args.lr}, "
          f"{f'{args.findings} findings' if args.findings else 'two classes'}")
    print(f"distance to PyTorch float64          vertebra   PyTorch float32")
    print(f"first loss, relative                  {first:.1e}   {abs(single[0] - double[0]) / double[0]:.1e}")
    print(f"weights after a step / largest update {weights[0]:.1e}   {weights[1]:.1e}")
    print(f"largest of {STEPS} losses                 {losses[0]:.1e}   {losses[1]:.1e}")
    sys.exit(not (first < 1e-5 and weights[0] < max(1e-4, 2 * weights[1]) and losses[0] < max(1e-3, 2 * losses[1])))


def pytorch(args, work, rows, start, dtype):
    """The losses of all steps, and the trained weights after the first, both in `dtype`."""
    if args.arch == "mobilenet-v1":
        net = MobileNetV1(1, args.findings or 2, args.width)
    else:
        from torchvision.models import mobilenet_v2
        net = mobilenet_v2(num_classes=args.findings or 2, width_mult=args.width, dropout=0.0)
        net.features[0][0] = nn.Conv2d(1, net.features[0][0].out_channels, 3, 2, 1, bias=False)
    missing, extra = net.load_state_dict(start, strict=False)
    assert not extra and all(name.endswith("num_batches_tracked") for name in missing), (missing, extra)
    net.to(dtype).train()
    optimizer = torch.optim.SGD(net.parameters(), args.lr)
    losses, after_one = [], None
    for step in range(STEPS):
        batch = rows[step * args.batch:(step + 1) * args.batch]
        pixels = np.stack([np.array(Image.open(work / name), np.float32) for name, _ in batch])
        truth = torch.from_numpy(np.stack([truth for _, truth in batch]))
        loss_of = masked_bce(truth, rows) if args.findings else lambda logits: F.cross_entropy(logits, truth)
        optimizer.zero_grad()
        loss = loss_of(net(torch.from_numpy(pixels / 127.5 - 1)[:, None].to(dtype)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 0:
            after_one = {name: value.detach().clone() for name, value in net.named_parameters()}
    return losses, after_one


if __name__ == "__main__":
    main()
