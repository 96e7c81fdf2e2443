#!/usr/bin/env python3
"""Copies of real pictures as people make them with Pillow: turns that are chained and saved each time, or brightness and
contrast that clip.

    pip install pillow
    python3 tools/chained_copies.py PICTURES OUT --pictures 16 --copies 8 --recipe turns|tones [--seed 0]
    cargo run --release -p duplicates --example families -- manifest OUT/manifest.csv source

PICTURES is a folder of images, each another picture, of which --pictures are drawn. OUT gets the copies of each at
224x224, as JPEG files, and a manifest whose column `source` is the picture. Labels alternate and mean nothing.
"""

import argparse
import csv
import io
import pathlib
import random

from PIL import Image, ImageEnhance

SIDE = 224
FILTERS = [Image.NEAREST, Image.BILINEAR, Image.BICUBIC]


def jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("L")


def turns(image, rng):
    """One to three turns of at most 20 degrees, each saved."""
    for _ in range(rng.randint(1, 3)):
        image = jpeg(image.rotate(rng.uniform(-20, 20), rng.choice(FILTERS)), 90)
    return image


def tones(image, rng):
    """A turn, perhaps a mirror, brightness and contrast as ImageEnhance changes them, JPEG, a crop of up to 15 %."""
    image = image.rotate(rng.uniform(-15, 15), Image.BICUBIC)
    if rng.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.7, 1.4))
    image = jpeg(image, rng.randint(60, 95))
    width = int(SIDE * rng.uniform(0.85, 1))
    x, y = rng.randint(0, SIDE - width), rng.randint(0, SIDE - width)
    return image.crop((x, y, x + width, y + width)).resize((SIDE, SIDE))


RECIPES = {"turns": turns, "tones": tones}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--pictures", dest="most", type=int, default=16)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--recipe", choices=RECIPES, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    kinds = {".png", ".jpg", ".jpeg"}
    paths = sorted(str(path) for path in args.pictures.rglob("*") if path.suffix.lower() in kinds)
    args.out.mkdir(parents=True)
    with open(args.out / "manifest.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "source"])
        for source, path in enumerate(rng.sample(paths, args.most)):
            original = Image.open(path).convert("L").resize((SIDE, SIDE))
            for copy in range(args.copies):
                name = f"{source:03}-{copy:02}.jpg"
                RECIPES[args.recipe](original, rng).save(args.out / name, quality=92)
                table.writerow([name, "ab"[source % 2], source])


if __name__ == "__main__":
    main()
