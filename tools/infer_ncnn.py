"""usage: infer_ncnn.py fp32 THREADS BATCH [v1 | v2]: one line of JSON for tools/compare_peers.sh, in the peers' folder.

The model is ncnn's own, converted by pnnx from models/MODEL_b1.onnx the first time. ncnn has no batches: its images run
one after another.
"""
import os, subprocess, sys
import ncnn
import numpy as np
from common import inner, report, timed

mode, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = sys.argv[4] if len(sys.argv) > 4 else "v1"
assert mode == "fp32", f"expected fp32, found {mode}"
stem = f"models/{model}_b1"
if not os.path.exists(f"{stem}.ncnn.param"):
    tool = os.path.join(os.path.dirname(sys.executable), "pnnx")
    command = [tool, f"{stem}.onnx", "inputshape=[1,3,224,224]", "fp16=0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

net = ncnn.Net()
net.opt.num_threads = threads
net.load_param(f"{stem}.ncnn.param")
net.load_model(f"{stem}.ncnn.bin")
image = ncnn.Mat(np.random.default_rng(0).standard_normal((3, 224, 224), dtype=np.float32))


def step():
    for _ in range(batch):
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], image)
        status, output = extractor.extract(net.output_names()[0])
        assert status == 0
        np.array(output)


call, calls = inner(step, 0.1)
report(task="infer", peer="ncnn", mode=mode, model=model, version=ncnn.__version__, threads=threads, size=224,
       batch=batch, secs=[seconds / calls for seconds in timed(call, reps=9)])
