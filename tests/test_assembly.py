"""The compiled kernels: sums that should stay in registers do.

An accumulator that a compiler keeps on the stack costs a load and a store for each
multiply-add, and half of the speed. No result shows it, so this reads the machine code.
SKRNN_KERNELS may name another directory of modules, of another compiler.
"""

import glob
import os
import platform
import re
import shutil
import subprocess

import pytest

import skrnn._kernels

FOLDER = os.environ.get("SKRNN_KERNELS", os.path.dirname(skrnn._kernels.__file__))
MODULES = [
    path
    for isa in ("avx2", "avx512")
    for dtype in ("float32", "float64")
    for path in glob.glob(os.path.join(FOLDER, f"{isa}_{dtype}*.so"))
]
INSTRUCTION = re.compile(r"^ +([0-9a-f]+):\t(\S+) *([^#]*)")
# Fewer multiply-adds than this wait for each other, whatever else a loop does.
LEAST = 8

pytestmark = pytest.mark.skipif(
    not MODULES
    or shutil.which("objdump") is None
    or platform.machine() not in ("x86_64", "AMD64"),
    reason="needs modules for x86 and objdump",
)


def functions(text):
    """Yield the name of each function, and its (address, operation, operands)."""
    name, code = None, []
    for line in text.splitlines():
        if line.endswith(">:"):
            if code:
                yield name, code
            name, code = line.split("<")[1][:-2], []
        elif found := INSTRUCTION.match(line):
            address, operation, operands = found.groups()
            code.append((int(address, 16), operation, operands.strip()))
    if code:
        yield name, code


def innermost_loops(code):
    """Return the loops of a function that have no loop in them, as lists of code."""
    place = {address: i for i, (address, _, _) in enumerate(code)}
    spans = []
    for i, (address, operation, operands) in enumerate(code):
        if operation.startswith("j") and re.match(r"[0-9a-f]+ ", operands + " "):
            target = int(operands.split()[0], 16)
            if target <= address and target in place:
                spans.append((place[target], i))
    spans = set(spans)
    return [
        code[first : last + 1]
        for first, last in spans
        if not any(
            first <= other[0] and other[1] <= last and other != (first, last)
            for other in spans
        )
    ]


def sums_on_the_stack(text):
    """Return the number of loops that sum products, and those that use the stack.

    Only vectors count: gcc keeps places of rows there, where a tile has more rows than
    there are registers for them, which costs a load and no more.
    """
    n_loops, found = 0, []
    for name, code in functions(text):
        if not re.search(r"_run\b|product|outer", name):
            continue
        framed = any(
            op.startswith("mov") and args == "%rsp,%rbp" for _, op, args in code
        )
        stack = re.compile(r"\(%r[sb]p" if framed else r"\(%rsp")
        for loop in innermost_loops(code):
            n_fmas = sum(operation.startswith("vfmadd") for _, operation, _ in loop)
            # Activations divide: they are no sums of products.
            if n_fmas < LEAST or any(op.startswith("vdiv") for _, op, _ in loop):
                continue
            n_loops += 1
            accesses = [
                (operation, operands)
                for _, operation, operands in loop
                if stack.search(operands) and "mm" in operands
            ]
            if accesses:
                found.append((name, hex(loop[0][0]), n_fmas, accesses))
    return n_loops, found


@pytest.mark.parametrize("path", MODULES, ids=os.path.basename)
def test_sums_of_products_stay_in_registers(path):
    command = ["objdump", "-d", "--no-show-raw-insn", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    n_loops, found = sums_on_the_stack(text)
    assert n_loops >= 50
    # Function, address, multiply-adds, accesses of the stack.
    assert not found
