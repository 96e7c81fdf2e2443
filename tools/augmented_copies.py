#!/usr/bin/env python3
"""Copies of pictures as albumentations makes them: one setting of `vertebra audit` was chosen on such.

    pip install albumentations opencv-python-headless
    python3 tools/augmented_copies.py PICTURES OUT [--tiles N] [--copies 8] [--most 32] [--seed 0] [--recipe NAME ...]
    cargo run --release -p duplicates --example families -- manifest OUT/NAME/manifest.csv source

PICTURES is a folder of images, each of another patient or thing, of which --most are drawn; --tiles cuts each into
N x N first. OUT/NAME gets each picture at 224x224 and its copies, as JPEG files of quality 92, and a manifest whose
column `source` is the picture. Labels alternate from picture to picture and mean nothing.
"""

import argparse
import csv
import pathlib
import random

import albumentations as A
import cv2

SIDE = 224
CUT = dict(num_holes_range=(2, 5), hole_height_range=(0.08, 0.15), hole_width_range=(0.08, 0.15))
RECIPES = {
    "flips and quarter turns": [A.D4(p=1), A.RandomBrightnessContrast(0.2, 0.2, p=1), A.Sharpen(p=0.5)],
    "affine": [
        A.Affine(rotate=(-20, 20), shear=(-10, 10), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1),
                 border_mode=cv2.BORDER_REPLICATE, p=1),
        A.HorizontalFlip(), A.RandomBrightnessContrast(0.2, 0, p=1)],
    "crop and perspective": [
        A.RandomResizedCrop((SIDE, SIDE), scale=(0.5, 1)), A.HorizontalFlip(), A.ColorJitter(0.3, 0.3, 0.3, 0.1, p=0.8),
        A.Perspective(scale=(0.03, 0.08), p=0.5)],
    "perspective": [A.Perspective(scale=(0.03, 0.08), p=1)],
    "turn, scale, gamma, blur or noise, JPEG": [
        A.Affine(rotate=(-30, 30), scale=(0.8, 1.2), p=1), A.HorizontalFlip(), A.RandomGamma((60, 160), p=0.7),
        A.OneOf([A.GaussianBlur((3, 9)), A.GaussNoise(std_range=(0.05, 0.12)), A.Sharpen(), A.MotionBlur()], p=0.9),
        A.ImageCompression(quality_range=(30, 80), p=0.8)],
    "crop, turn, blur, noise, boxes": [
        A.HorizontalFlip(), A.RandomSizedCrop((160, 200), (SIDE, SIDE), p=0.7), A.Affine(rotate=(-15, 15), p=0.7),
        A.RandomBrightnessContrast(0.25, 0.1, p=0.7), A.GaussianBlur(blur_limit=(3, 7), p=0.4),
        A.GaussNoise(std_range=(0.02, 0.08), p=0.4), A.CoarseDropout(**CUT, p=0.5)],
    "elastic, grid, CLAHE": [
        A.ElasticTransform(alpha=60, sigma=8, p=0.7), A.GridDistortion(distort_limit=0.2, p=0.5),
        A.CLAHE(clip_limit=(1, 4), p=0.5), A.RandomGamma((70, 140), p=0.5), A.Rotate((-15, 15), p=0.5)],
}


def pictures(folder, tiles):
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            continue
        height, width = (length // tiles for length in image.shape[:2])
        for down in range(tiles):
            for across in range(tiles):
                part = image[down * height:(down + 1) * height, across * width:(across + 1) * width]
                yield cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if width > SIDE else cv2.INTER_CUBIC)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tiles", type=int, default=1)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--most", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", action="append", choices=RECIPES)
    args = parser.parse_args()
    originals = list(pictures(args.pictures, args.tiles))
    originals = random.Random(args.seed).sample(originals, min(args.most, len(originals)))
    for name in args.recipe or RECIPES:
        recipe = A.Compose(RECIPES[name], seed=args.seed)
        folder = args.out / name.replace(", ", "-").replace(" ", "-")
        folder.mkdir(parents=True)
        with open(folder / "manifest.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", "label", "source"])
            for source, original in enumerate(originals):
                for copy in range(args.copies + 1):
                    image = recipe(image=original)["image"] if copy else original
                    path = f"{source:03}-{copy:02}.jpg"
                    image = cv2.resize(image, (SIDE, SIDE))
                    cv2.imwrite(str(folder / path), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
                    table.writerow([path, "ab"[source % 2], source])


if __name__ == "__main__":
    main()
