#!/usr/bin/env python3
"""Slices of a real volume as PNG files, for sets of copies of pictures that have true neighbours.

    pip install nibabel pynrrd pillow
    python3 tools/slices.py ch2.nii.gz OUT --axis 2 --from 20 --to 164 --step 6       # Debian's package mricron-data
    python3 tools/slices.py lung1_image.nrrd OUT --axis 2 --window=-600,1500 --step 3  # PyPI: sources of pyradiomics 3.0.1
    python3 tools/slices.py Cranium.inv3 OUT --from 9 --step 3 --window=-18,406        # Debian's invesalius-examples

A volume is a NIfTI or NRRD file, or a project of InVesalius, which holds Hounsfield units. Without a window, gray levels go from
the first percentile to the 99.7th (of a project, the window of bone). A slice is turned upright and padded to a square
with black.
"""

import argparse
import pathlib
import plistlib
import tarfile

import numpy
from PIL import Image


def nifti(path):
    import nibabel

    return numpy.asarray(nibabel.load(path).dataobj).astype(float)


def nrrd(path):
    """With the axis of its rows downwards, where a NIfTI file has it upwards."""
    import nrrd

    return nrrd.read(str(path))[0][:, ::-1].astype(float)


def invesalius(path):
    with tarfile.open(path) as project:
        members = {pathlib.PurePath(member.name).name: member for member in project.getmembers()}
        about = plistlib.load(project.extractfile(members["main.plist"]))["matrix"]
        values = numpy.frombuffer(project.extractfile(members[about["filename"]]).read(), about["dtype"])
    return values.reshape(about["shape"]).astype(float)


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
    parser.add_argument("--window", help="centre and width, in Hounsfield units for CT")
    args = parser.parse_args()
    readers = {".nii": nifti, ".gz": nifti, ".nrrd": nrrd, ".inv3": invesalius}
    reader = readers[args.volume.suffix]
    volume = reader(args.volume)
    window = args.window or ("400,2000" if reader is invesalius else None)
    if window:
        center, width = (float(number) for number in window.split(","))
        low, high = center - width / 2, center + width / 2
    else:
        low, high = numpy.percentile(volume, 1), numpy.percentile(volume, 99.7)
    volume = (volume - low) / (high - low) * 255
    volume = numpy.clip(volume, 0, 255).astype(numpy.uint8)
    args.out.mkdir(parents=True)
    for i in range(args.start, args.to or volume.shape[args.axis], args.step):
        part = numpy.take(volume, i, args.axis)
        Image.fromarray(square(part if reader is invesalius else numpy.rot90(part))).save(args.out / f"{i:03}.png")


if __name__ == "__main__":
    main()
