#!/usr/bin/env python3
"""Checks the machine code of every kernel at every level: one call that is not inlined costs a factor of ten, and no error.

usage: tools/check_codegen.py [--arm] [--verbose]

Builds the kernels as a release has them (but with symbol names that tell generic arguments), disassembles them with
objdump, and fails unless
- every hot kernel has a function of its own at AVX2 and AVX-512, entered through `isa::LEVEL::enter`,
- it multiplies and adds in one instruction, on vectors of the level's full width, and nothing wider,
- it calls no intrinsic, no vector operation, and nothing else of the kernels,
- no loop that multiplies and adds can leave for a failed bounds check,
- the portable level computes on packed vectors, and calls no vector operation either.

With --arm, the same of the NEON level in code for 64-bit ARM, built with `RUSTC` and `CARGO` for that target, and besides
the microkernel's tightest loop takes less than two instructions a multiply-add and keeps no vector on the stack. --verbose says
the same of every kernel, and how many multiply-adds broadcast by themselves ("by element").
"""
import collections, os, platform, re, shutil, subprocess, sys

# What training and inference spend their time in; every other kernel is checked too, but may come and go.
HOT = ["gemm::Task", "depthwise::Forward", "depthwise::OutputRow<kernels::depthwise_epilogue::MomentSums>",
       "ring::Fill<kernels::view::Read>",
       "ring::Fill<kernels::view::Grad>", "depthwise_direct::Direct", "depthwise_backward::Backward",
       "stage::Stage<kernels::view::Read>", "stage::Stage<kernels::view::Grad>", "conv::Fill", "pooling::GlobalAverage", "elementwise::Mask",
       "optimizer::AdamKernel", "limits::MultiplyAdds"]
# Kernels that have nothing to multiply and add.
NO_MULTIPLY_ADD = {"elementwise::Accumulate", "pooling::AverageBackward", "limits::Sum", "limits::Copy"}
# Kernels with a loop that may check bounds: it reads what a first layer never has, a deferred input.
CHECKS_BOUNDS = {"conv::Fill"}
# Vector registers by level, and what instructions look like: jumps with their targets, calls, multiply-adds of vectors.
ARM = "--arm" in sys.argv[1:]
ARM_TARGET = "aarch64-unknown-linux-gnu"
if ARM:
    WIDTH = {"neon": ".4s"}
    JUMP = re.compile(r"(?:b\.\w+|cbn?z|tbn?z|b)\s+(?:\w+, )?(?:#\d+, )?([0-9a-f]+) <")
    CALL, MULTIPLY_ADD = re.compile(r"bl?\s"), re.compile(r"fml[as]\s")
else:
    WIDTH = {"avx2": "ymm", "avx512": "zmm"}
    JUMP = re.compile(r"j\w+\s+([0-9a-f]+)\b")
    CALL, MULTIPLY_ADD = re.compile(r"(call|jmp)\b"), re.compile(r"vfn?m(add|sub)\w+ps")
# What a kernel may call: block copies, failed assertions, and the power of Adam's bias correction.
ALLOWED = re.compile(r"^(memcpy|memmove|memset|pow|core::panicking::.*|core::slice::index::.*)$")
# Operations that must have been inlined at any level.
OPERATION = re.compile(r"core_arch|\bwide::|safe_arch::|\bisa::(?!\w+::enter|detect)|::run::<|as kernels::simd::")
BOUNDS = re.compile(r"panic_bounds_check|slice_index_fail|slice_(start|end)_index")

Instruction = collections.namedtuple("Instruction", "at text target symbol")


def disassemble():
    """The functions of the kernels, by name: lists of instructions."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    target = os.path.join(os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(root, "target"))), "codegen")
    build = [os.environ.get("CARGO", "cargo"), "rustc", "--quiet", "--release", "-p", "kernels", "--lib", "--target-dir", target]
    build += ["--target", ARM_TARGET] if ARM else []
    subprocess.run(build + ["--", "-C", "symbol-mangling-version=v0"], cwd=root, check=True)
    library = os.path.join(target, ARM_TARGET if ARM else "", "release", "libkernels.rlib")
    dump = ["aarch64-linux-gnu-objdump" if ARM else "objdump", "--disassemble", "--reloc", "--demangle", "--no-show-raw-insn", library]
    return parse(subprocess.run(dump, check=True, capture_output=True, text=True).stdout.splitlines())


def parse(lines):
    functions, current = {}, None
    for line in lines:
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            current = functions.setdefault(head[1], [])
        elif current is None:
            continue
        elif code := re.match(r"\s+([0-9a-f]+):\t(\S.*)$", line):
            target = JUMP.match(code[2])
            current.append(Instruction(int(code[1], 16), code[2], int(target[1], 16) if target else None, None))
        elif current and (reloc := re.search(r"R_\w+\s+(.*?)([+-]0x[0-9a-f]+)?$", line)):
            current[-1] = current[-1]._replace(symbol=reloc[1])
    return functions


def calls(code):
    return {i.symbol for i in code if i.symbol and CALL.match(i.text)}


def multiply_adds(code, register):
    return [i for i in code if MULTIPLY_ADD.match(i.text) and register in i.text]


def inner_loops(code):
    """From and to which address the innermost loops go."""
    spans = sorted({(i.target, i.at) for i in code if i.target is not None and i.target <= i.at})
    return [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]


def failing_loops(code, register):
    """Where innermost loops that multiply and add begin, from which a jump leads to a failed bounds check."""
    fails, entry = set(), None  # every address of a straight piece of code that ends in the failure
    piece = []
    for i in code:
        piece.append(i.at)
        if i.symbol and BOUNDS.search(i.symbol) and CALL.match(i.text):
            fails.update(piece)
        if re.match(r"(jmp|ret|ud2|call.*panic|b\s|udf|brk)", i.text) or (i.symbol and "panicking" in i.symbol) or i.at in fails:
            piece = []
    for start, end in inner_loops(code):
        body = [i for i in code if start <= i.at <= end]
        if multiply_adds(body, register) and any(i.target in fails for i in body):
            yield start


def check(functions):
    """Problems, and a line for each function that was looked at."""
    problems, seen = [], []
    entered = {}
    for name, code in functions.items():
        if match := re.match(r"kernels::isa::(avx2|avx512|neon)::enter::<kernels::(.*)>$", name):
            entered[match[1], match[2]] = code
    for level, kernel in sorted(entered):
        code, register, where = entered[level, kernel], WIDTH[level], f"{kernel} at {level}"
        count = len(multiply_adds(code, register))
        seen.append(f"{where}: {len(code)} instructions, {count} multiply-adds")
        if ARM and (loops := list(arm_loops(code, register))):
            adds, by_element, length, spilled = min(loops, key=lambda loop: loop[2] / loop[0])
            seen[-1] += (f"; tightest loop: {adds}, {by_element} by element, {length / adds:.2f} instructions each; "
                         f"{sum(loop[3] > 0 for loop in loops)} of {len(loops)} loops keep vectors on the stack")
            if kernel == "gemm::Task" and (adds < 24 or spilled or length >= 2 * adds):
                problems.append(f"{where}: {seen[-1]}")
        apart = f"kernels::isa::{level}::enter::<"
        runs_others = any(name.startswith(apart) for name in calls(code))
        if count == 0 and kernel not in NO_MULTIPLY_ADD and not (ARM and runs_others):
            problems.append(f"{where}: no multiply-add of {register} registers")
        if level == "avx2" and any("zmm" in i.text for i in code):
            problems.append(f"{where}: uses registers that the level does not have")
        # A kernel may run another one of its level apart, which is checked by itself.
        others = [name for name in sorted(calls(code)) if not name.startswith(apart) and not ALLOWED.match(name)]
        problems += [f"{where}: calls {name}" for name in others]
        if kernel not in CHECKS_BOUNDS:
            problems += [f"{where}: a loop at {start:x} checks bounds" for start in failing_loops(code, register)]
    problems += [f"{kernel} at {level}: not found" for level in WIDTH for kernel in HOT if (level, kernel) not in entered]
    if ARM:
        return problems, seen
    # The portable level has an entry for what runs apart only: other code of it is where the others are entered from.
    for kernel in sorted({kernel for _, kernel in entered}):
        entry = f"kernels::isa::avx512::enter::<kernels::{kernel}>"
        apart = f"kernels::isa::portable::enter::<kernels::{kernel}>"
        for name, code in functions.items():
            if name != apart and (entry not in calls(code) or name.startswith("kernels::isa::")):
                continue
            packed = sum(bool(re.match(r"v?(add|mul)ps", i.text)) for i in code)
            seen.append(f"{kernel} at portable: in {name}, {packed} packed operations")
            if packed == 0 and kernel != "limits::Copy":
                problems.append(f"{kernel} at portable: nothing packed in {name}")
            found = sorted(called for called in calls(code) if OPERATION.search(called))
            problems += [f"{kernel} at portable: {name} calls {called}" for called in found]
    return problems, seen


def arm_loops(code, register):
    """The innermost loops that multiply and add: multiply-adds, those by element, instructions, vectors on the stack."""
    for start, end in inner_loops(code):
        body = [i for i in code if start <= i.at <= end]
        adds = multiply_adds(body, register)
        if len(adds) >= 4:
            by_element = sum(bool(re.search(r"\.s\[\d\]", i.text)) for i in adds)
            spilled = sum(bool(re.match(r"(ldr|str|ldp|stp)\s+q.*\[sp", i.text)) for i in body)
            yield len(adds), by_element, len(body), spilled


def main():
    if not ARM and platform.machine() not in ("x86_64", "AMD64"):
        return print("check_codegen: skipped, the levels beyond the portable one are of x86-64")
    if not shutil.which("objdump"):
        sys.exit("check_codegen: objdump not found; it is part of binutils")
    problems, seen = check(disassemble())
    if "--verbose" in sys.argv[1:]:
        print("\n".join(seen))
    if problems:
        sys.exit("\n".join(problems) + f"\ncheck_codegen: {len(problems)} problems")
    print(f"check_codegen: {len(seen)} kernels and levels are as they should be")


main()
