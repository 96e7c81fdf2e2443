#!/usr/bin/env python3
"""Checks that a search for a word of the field leads to the file that answers it.

usage: tools/check_searches.py

Reads the table "A stranger's searches" of CONTRIBUTING.md, counts each phrase in the tracked Rust sources (whatever its
case; on one line, as grep finds it; without tests, benches and examples), and fails unless the named file mentions it more
often than any other does.
"""
import pathlib, re, subprocess, sys

root = pathlib.Path(__file__).resolve().parent.parent
APART = re.compile(r"(^|/)(tests|benches|examples)(/|\.rs$)")


def table():
    """The phrases of the table, each with its file."""
    section = (root / "CONTRIBUTING.md").read_text().split("\n## A stranger's searches\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|$", section, re.MULTILINE)
    if not rows:
        sys.exit("CONTRIBUTING.md: expected a table of searches, found none")
    return rows


def main():
    listed = subprocess.run(["git", "ls-files", "-z", "*.rs"], cwd=root, check=True, capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name and not APART.search(name)]
    sources = {name: (root / name).read_text().lower() for name in names if (root / name).is_file()}
    failed = False
    for phrase, wanted in table():
        counts = {name: text.count(phrase.lower()) for name, text in sources.items()}
        own = counts.pop(wanted, None)
        other = max(counts, key=counts.get)
        passed = own is not None and own > counts[other]
        failed |= not passed
        what = "no such source" if own is None else f"{own} times in {wanted}"
        print(f"{'ok    ' if passed else 'FAILED'} {phrase}: {what}; most elsewhere: {counts[other]} in {other}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
