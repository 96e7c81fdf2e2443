"""Writes a model file with its weights in half precision (F16), which takes half the room and `vertebra` reads as any other.

    python3 tools/half_weights.py RUN/best.safetensors OUT.safetensors [--prefix WORD]

--prefix goes before every class name, so that no data set has a class of that name by chance. How `weights/builtin.safetensors`
was made stands in docs/pretrained.md. Needs Python alone. The same input gives the same bytes.
"""

import argparse
import json
import pathlib
import struct


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--prefix", default="")
    args = parser.parse_args()
    data = args.model.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header, values = json.loads(data[8:8 + length]), data[8 + length:]
    texts = header.pop("__metadata__")
    about = json.loads(texts["vertebra"])
    about["classes"] = [args.prefix + name for name in about["classes"]]
    texts["vertebra"] = json.dumps(about, separators=(",", ":"))
    packed, tensors = bytearray(), {}
    for name, of in sorted(header.items()):
        start, end = of["data_offsets"]
        if of["dtype"] != "F32":
            continue  # Counters of batches, which nothing needs.
        numbers = struct.unpack(f"<{(end - start) // 4}f", values[start:end])
        tensors[name] = {"dtype": "F16", "shape": of["shape"], "data_offsets": [len(packed), len(packed) + len(numbers) * 2]}
        packed += struct.pack(f"<{len(numbers)}e", *numbers)
    text = json.dumps({"__metadata__": texts, **tensors}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    args.out.write_bytes(struct.pack("<Q", len(text)) + text + packed)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
