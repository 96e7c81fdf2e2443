#!/usr/bin/env bash
# Measures whole training steps, or inference, in turn with the programs of ../shared/peers (VERTEBRA_SHARED is where
# `shared` lies, PEERS where peers/setup.sh installed them), and prints medians, their spread, and ratios. Runs during
# which anything else took more of the machine than --limit percent do not count.
#
#   tools/compare_peers.sh train [--arch v1] [--rounds 5] [--threads 2] [--size 224] [--batch 32] [--limit 3] [--level avx2] [PEER...]
#   tools/compare_peers.sh infer [--arch v1] [--rounds 5] [--threads 2] [--batch 1] [--limit 3] [--level avx2] [PEER...]
#   --level avx2 has all programs compute with AVX2, and leaves out those that cannot be told to.
#   (ncnn and MNN: venv/bin/pip install ncnn pnnx MNN)
#   VERTEBRA=path/of/vertebra measures a program that is built already.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${VERTEBRA:-}" ]; then
    cargo build --release --quiet --bin vertebra
    VERTEBRA=${CARGO_TARGET_DIR:-target}/release/vertebra
fi
VERTEBRA=$(realpath "$VERTEBRA") TOOLS=$PWD/tools PEERS_SCRIPTS=$(realpath "${VERTEBRA_SHARED:-../shared}")/peers exec python3 - "$@" <<'PYTHON'
import argparse, json, os, resource, statistics, subprocess, sys, time

parser = argparse.ArgumentParser(prog="tools/compare_peers.sh")
parser.add_argument("task", choices=["train", "infer"])
parser.add_argument("peers", nargs="*", metavar="PEER")
parser.add_argument("--arch", choices=["v1", "v2"], default="v1")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--size", type=int, default=224)
parser.add_argument("--batch", type=int)
parser.add_argument("--limit", type=float, default=3,
                    help="percent of the machine that others may take in a run; at 100 nothing is waited for")
parser.add_argument("--level", choices=["avx2"], help="the instruction set of all programs, for a CPU that has more")
parser.add_argument("--timeout", type=float, default=300, help="seconds of a run")
args = parser.parse_intermixed_args()
if args.task == "infer" and args.size != 224:
    parser.error("--size: the peers infer at 224 only")
scripts, vertebra, tools = (os.environ[name] for name in ("PEERS_SCRIPTS", "VERTEBRA", "TOOLS"))
batch = args.batch or (32 if args.task == "train" else 1)
threads, size, n = str(args.threads), str(args.size), str(batch)


def python(script, *arguments, venv="venv"):
    return [f"{venv}/bin/python", os.path.join(scripts, script), *arguments]


def train(mode):
    return python("train_torch.py", mode, threads, size, n, args.arch)


def infer(script, mode="fp32"):
    return python(script, mode, threads, n, args.arch)


OURS = "vertebra"
ours = [vertebra, "--threads", threads, "bench", args.task, "--channels", "3", "--image-size", size, "--batch-size", n,
        "--arch", f"mobilenet-{args.arch}", "--json"]
if args.task == "train":
    peers = {
        "torch": train("nchw"),
        "torch-channels-last": train("nhwc"),
        "torch-compile": train("compile"),
        "torch-compile-channels-last": train("compile_nhwc"),
        "torch-compile-tuned": train("compile_nhwc"),
    }
    v1_only = {
        "tensorflow": python("train_tf.py", "graph", threads, size, n, venv="venv-tf"),
        "burn": ["rust/target/release/burn-peer", "train", "flex", threads, size, n],
        "candle": ["rust/target/release/candle-peer", "train", threads, size, n],
    }
else:
    peers = {
        "openvino": infer("infer_ov.py"),
        "onnxruntime": infer("infer_ort.py"),
        "litert": infer("infer_litert.py"),
        "mnn": infer(f"{tools}/infer_mnn.py"),
        "ncnn": infer(f"{tools}/infer_ncnn.py"),
        "torch-compile": infer("infer_torch.py", "compile"),
        "rten": ["rust/target/release/rten-peer", "bench", f"models/{args.arch}_b{n}.onnx", threads, n],
        "tract": ["rust/target/release/tract-peer", "bench", f"models/{args.arch}_b{n}.onnx", threads, n],
    }
    v1_only = {
        "burn": ["rust/target/release/burn-peer", "infer", "flex", threads, size, n],
        "candle": ["rust/target/release/candle-peer", "infer", threads, size, n],
    }
if args.arch == "v1":
    peers |= v1_only

# What holds a program to AVX2. Of PyTorch its own kernels, oneDNN's, MKL's, and what inductor has the compiler make;
# of TensorFlow oneDNN's, for its own are built for no more; of OpenVINO oneDNN's and its own. ONNX Runtime (MLAS), LiteRT
# (XNNPACK), MNN, ncnn and those in Rust take the widest instructions that they find, and have no such setting.
onednn = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
torch = onednn | {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3"}
held_to_avx2 = {name: torch for name in peers if name.startswith("torch")}
held_to_avx2 |= {OURS: {"VERTEBRA_LEVEL": "avx2"}, "tensorflow": onednn, "openvino": onednn | {"OV_CPU_MAX_ISA": "AVX2"}}
if args.level:
    if free := [peer for peer in args.peers if peer in peers and peer not in held_to_avx2]:
        parser.error(f"--level: cannot be told which instructions to use: {', '.join(free)}")
    free = [peer for peer in peers if peer not in held_to_avx2]
    if free and not args.peers:
        print(f"left out, for they cannot be told which instructions to use: {', '.join(free)}", file=sys.stderr)
    peers = {name: command for name, command in peers.items() if name in held_to_avx2}
if unknown := [peer for peer in args.peers if peer not in peers]:
    parser.error(f"PEER: expected any of {', '.join(peers)}, found {', '.join(unknown)}")
programs = {OURS: ours} | {name: peers[name] for name in args.peers or peers}


def cpu():
    """Ticks of all CPUs so far: at work, stolen by the hypervisor, in all."""
    ticks = list(map(int, open("/proc/stat").readline().split()[1:9]))
    return ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], ticks[7], sum(ticks)


def own():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * os.sysconf("SC_CLK_TCK")


def wait_until_idle(seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        busy, _, total = cpu()
        time.sleep(1)
        busy_now, _, total_now = cpu()
        if busy_now - busy < 0.05 * (total_now - total):
            return


def result(text):
    """Milliseconds, images a second and MiB from a program's output: one document (ours), or a line (peers)."""
    if text.lstrip().startswith("{\n"):
        found = json.loads(text)
        return found["step_ms_median"], found["images_per_second"], found["peak_rss_mib"]
    found = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
    return found["median_ms"], found["img_per_s"], found["peak_rss_mib"]


def run(name, command):
    """The result, or nothing where it failed or the machine was disturbed."""
    if args.limit < 100:
        wait_until_idle()
    environment = os.environ | {"TUNED": "1" if name.endswith("-tuned") else "0"}
    if args.level:
        environment |= held_to_avx2[name]
    before, own_before = cpu(), own()
    try:
        done = subprocess.run([f"{scripts}/one.sh", threads, *command], capture_output=True, text=True, cwd=scripts,
                              timeout=args.timeout, env=environment)
        found = result(done.stdout) if done.returncode == 0 else None
        trouble = "" if found else f"failed: {(done.stderr or done.stdout).strip()[-200:]}"
    except (subprocess.TimeoutExpired, IndexError, KeyError, ValueError) as error:
        found, trouble = None, f"failed: {error}"
    after, own_after = cpu(), own()
    others = after[0] - before[0] - (own_after - own_before) + after[1] - before[1]
    share = 100 * max(0, others) / max(1, after[2] - before[2])
    if found and share > args.limit:
        found, trouble = None, f"discarded: others took {share:.0f} % of the machine"
    what = trouble or f"{found[0]:.2f} ms, {found[1]:.1f} images/s"
    print(f"{name:<28} {what}", file=sys.stderr, flush=True)
    return found


kept = {name: [] for name in programs}
for number in range(args.rounds):
    print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    for name, command in programs.items():
        if found := run(name, command):
            kept[name].append(found)

level = f", all at {args.level}" if args.level else ""
print(f"{args.task}, MobileNetV{args.arch[1]} 1.0, {size}x{size}x3, batch {n}, {threads} threads{level}: medians of undisturbed runs")
print(f"{'program':<28} {'runs':>4} {'ms':>9} {'from - to':>19} {'images/s':>9} {'MiB':>6}  vertebra is")
medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in kept.items() if runs}
for name, runs in kept.items():
    if not runs:
        print(f"{name:<28} {0:>4}")
        continue
    ms, speed, mib = medians[name]
    ratio = f"{medians[OURS][1] / speed:.2f}x as fast" if name != OURS and OURS in medians else ""
    spread = f"{min(run[0] for run in runs):.2f} - {max(run[0] for run in runs):.2f}"
    print(f"{name:<28} {len(runs):>4} {ms:>9.2f} {spread:>19} {speed:>9.1f} {mib:>6.0f}  {ratio}")
sys.exit(0 if OURS in medians else "no run of vertebra was undisturbed; try again, or raise --limit")
PYTHON
