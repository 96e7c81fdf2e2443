"""usage: infer_mnn.py fp32 THREADS BATCH [v1 | v2]: one line of JSON for tools/compare_peers.sh, in the peers' folder.

The model is MNN's own, converted from models/MODEL_bBATCH.onnx the first time.
"""
import os, subprocess, sys
import MNN
import numpy as np
from common import inner, report, timed

mode, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = sys.argv[4] if len(sys.argv) > 4 else "v1"
assert mode == "fp32", f"expected fp32, found {mode}"
stem = f"models/{model}_b{batch}"
if not os.path.exists(f"{stem}.mnn"):
    tool = os.path.join(os.path.dirname(sys.executable), "mnnconvert")
    command = [tool, "-f", "ONNX", "--modelFile", f"{stem}.onnx", "--MNNModel", f"{stem}.mnn", "--bizCode", "peer"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

net = MNN.Interpreter(f"{stem}.mnn")
# `high` is f32 throughout.
session = net.createSession({"numThread": threads, "precision": "high", "backend": "CPU"})
given, shape = net.getSessionInput(session), (batch, 3, 224, 224)
x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
source = MNN.Tensor(shape, MNN.Halide_Type_Float, x, MNN.Tensor_DimensionType_Caffe)


def step():
    given.copyFrom(source)
    net.runSession(session)
    net.getSessionOutput(session).getNumpyData()


call, calls = inner(step, 0.1)
report(task="infer", peer="mnn", mode=mode, model=model, version=MNN.version(), threads=threads, size=224, batch=batch,
       secs=[seconds / calls for seconds in timed(call, reps=9)])
