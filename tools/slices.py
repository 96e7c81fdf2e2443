#!/usr/bin/env python3
"""Slices of a real volume as PNG files, for sets of copies of pictures that have true neighbours.

    pip install nibabel pillow
    python3 tools/slices.py ch2.nii.gz OUT --axis 2 --from 20 --to 164 --step 6       # Debian's package mricron-data
    python3 tools/slices.py Cranium.inv3 OUT --from 9 --step 3 --window=-18,406        # invesalius-examples

A volume is a NIfTI file, of which the gray levels go from the first percentile to the 99.7th, or a project of
InVesalius, which holds Hounsfield units. A slice is turned upright (NIfTI) and padded to a square with black.
"""

import argparse
import pathlib
import plistlib
import tarfile

import numpy
from PIL import Image


def nifti(path):
    import nibabel

    volume = numpy.asarray(nibabel.load(path).dataobj).astype(float)
    low, high = numpy.percentile(volume, 1), numpy.percentile(volume, 99.7)
    return (volume - low) / (high - low) * 255


def invesalius(path, window):
    with tarfile.open(path) as project:
        members = {pathlib.PurePath(member.name).name: member for member in project.getmembers()}
        about = plistlib.load(project.extractfile(members["main.plist"]))["matrix"]
        values = numpy.frombuffer(project.extractfile(members[about["filename"]]).read(), about["dtype"])
    center, width = window
    return (values.reshape(about["shape"]).astype(float) - (center - width / 2)) / width * 255


def square(part):
    height, width = part.shape
    side = max(height, width)
    whole = numpy.zeros((side, side), numpy.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    whole[top:top + height, left:left + width] = part
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--axis", type=int, default=0)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--to", type=int)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--window", default="400,2000", help="centre and width in Hounsfield units")
    args = parser.parse_args()
    is_nifti = args.volume.name.endswith((".nii", ".nii.gz"))
    window = [float(number) for number in args.window.split(",")]
    volume = nifti(args.volume) if is_nifti else invesalius(args.volume, window)
    volume = numpy.clip(volume, 0, 255).astype(numpy.uint8)
    args.out.mkdir(parents=True)
    for i in range(args.start, args.to or volume.shape[args.axis], args.step):
        part = numpy.take(volume, i, args.axis)
        Image.fromarray(square(numpy.rot90(part) if is_nifti else part)).save(args.out / f"{i:03}.png")


if __name__ == "__main__":
    main()
