"""State dicts between PyTorch and Vertebra, both ways, compared by what the networks compute.

    python3 tools/check_torch.py [--program target/release/vertebra]

Needs torch, torchvision, numpy, pillow and safetensors; says so and exits 0 where they are not installed. From PyTorch:
torchvision's MobileNetV2 and MobileNetV1 as PyTorch people write it (numbered layers, a bias before every norm, ReLU or
LeakyReLU), saved as .pth in both formats, in a checkpoint of DataParallel, in half precision, and as safetensors. To
PyTorch: the exported file, loaded with strict=True. Exits 1 unless all probabilities agree within 1e-4.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import load_file, save_file
    from torch import nn
    from torchvision.models import mobilenet_v2
except ImportError as missing:
    sys.exit(print(f"skipped: {missing}"))

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZE = 96
BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class MobileNetV1(nn.Module):
    """Nothing but numbered layers: no name says what they are."""

    def __init__(self, width, classes, activation, bias):
        super().__init__()

        def layer(i, o, kernel, stride, groups):
            conv = nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=bias)
            return conv, nn.BatchNorm2d(o), activation()

        c = int(32 * width)
        stages = [nn.Sequential(*layer(3, c, 3, 2, 1))]
        for outputs, stride in BLOCKS:
            outputs = int(outputs * width)
            stages.append(nn.Sequential(*layer(c, c, 3, stride, c), *layer(c, outputs, 1, 1, 1)))
            c = outputs
        self.model, self.fc = nn.Sequential(*stages), nn.Linear(c, classes)

    def forward(self, x):
        return self.fc(self.model(x).mean((2, 3)))


def lively(net):
    """Norms as training leaves them, so that a statistic in the wrong place shows."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.6, 1.3)
            nn.init.normal_(module.bias, 0, 0.2)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.2)
    return net.eval()


def run(program, *words):
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/vertebra")
    program = parser.parse_args().program
    torch.manual_seed(0)
    work = pathlib.Path(tempfile.mkdtemp(prefix="vertebra-torch-"))
    pixels = (torch.rand(8, 7, 7, 3) * 255).permute(0, 3, 1, 2)
    pixels = nn.functional.interpolate(pixels, size=(SIZE, SIZE), mode="bilinear").round()
    for i, image in enumerate(pixels):
        Image.fromarray(image.permute(1, 2, 0).byte().numpy()).save(work / f"{i}.png")
    paths = [work / f"{i}.png" for i in range(len(pixels))]
    inputs = (pixels / 255 - MEAN[:, None, None]) / STD[:, None, None]
    worst = 0.0

    def compare(name, net, model):
        nonlocal worst
        lines = run(program, "predict", model, *paths, "--format", "jsonl").splitlines()
        ours = np.array([list(json.loads(line)["probabilities"].values()) for line in lines])
        with torch.no_grad():
            theirs = net(inputs).double().softmax(1).numpy()
        difference = np.abs(ours - theirs).max()
        worst = max(worst, difference)
        print(f"{name}: probabilities {theirs.min():.3f} to {theirs.max():.3f} differ by {difference:.1e}")

    def imports(name, net, file, *options):
        run(program, "import", file, "--out", work / "in.safetensors", "--image-size", SIZE, *options)
        compare(name, net, work / "in.safetensors")

    v2 = lively(mobilenet_v2(num_classes=5, width_mult=0.75))
    leaky = lively(MobileNetV1(0.25, 5, lambda: nn.LeakyReLU(0.1), bias=True))
    relu = lively(MobileNetV1(0.5, 5, nn.ReLU, bias=False))
    torch.save(v2.state_dict(), work / "v2.pth")
    imports("torchvision's MobileNetV2, .pth", v2, work / "v2.pth")
    checkpoint = {"epoch": 3, "state_dict": nn.DataParallel(leaky).state_dict(),
                  "optimizer": torch.optim.Adam(leaky.parameters()).state_dict()}
    torch.save(checkpoint, work / "leaky.pth")
    imports("MobileNetV1 with bias and LeakyReLU, a checkpoint of DataParallel", leaky, work / "leaky.pth",
            "--activation", "leaky-relu:0.1")
    torch.save(relu.state_dict(), work / "relu.pth", _use_new_zipfile_serialization=False)
    imports("MobileNetV1 with ReLU, the format before PyTorch 1.6", relu, work / "relu.pth", "--activation", "relu")
    save_file(relu.state_dict(), work / "relu.safetensors")
    imports("the same as safetensors", relu, work / "relu.safetensors", "--activation", "relu")
    half = mobilenet_v2(num_classes=5, width_mult=0.75)
    half.load_state_dict(v2.half().state_dict())
    torch.save(v2.state_dict(), work / "half.pth")
    imports("MobileNetV2 in half precision", half.float().eval(), work / "half.pth")

    run(program, "export", work / "in.safetensors", "--to", "torch", "--out", work / "out.safetensors")
    loaded = mobilenet_v2(num_classes=5, width_mult=0.75)
    state = load_file(work / "out.safetensors")
    loaded.load_state_dict(state, strict=True)
    assert set(state) == set(loaded.state_dict()), "counters are missing"
    compare("exported, loaded with strict=True", loaded.eval(), work / "in.safetensors")

    torch.save(v2, work / "whole.pth")
    done = subprocess.run([str(program), "import", work / "whole.pth", "--out", work / "no"], capture_output=True, text=True)
    assert done.returncode == 1 and "torchvision.models.mobilenetv2.MobileNetV2" in done.stderr, done.stderr
    print("a whole pickled module: refused by name")
    sys.exit(0 if worst < 1e-4 else 1)


if __name__ == "__main__":
    main()
