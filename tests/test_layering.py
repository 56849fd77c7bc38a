"""Imports point one way; no code but its own family's asks what a cell or part is."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from skrnn.cells import CELLS
from skrnn.losses import FORECAST_LOSSES
from skrnn.network import POOLINGS
from skrnn.solvers import SOLVERS

PACKAGE = Path(__file__).parents[1] / "skrnn"

# A module may import those before it.
LAYERS = [
    "_stamp",
    "cells",
    "_kernels",
    "_atomic",
    "_elementary",
    "_moments",
    "_packing",
    "_memory",
    "_recurrence",
    "_solver",
    "_chain",
    "_paths",
    "_ctc",
    "_token_loss",
    "_prefixes",
    "_embedding",
    "_attention",
    "_beam",
    "_pooling",
    "_initial",
    "_stepper",
    "_convolutions",
    "_step_network",
    "_ngram",
    "_generate",
    "_windows",
    "_tails",
    "_detection",
    "_mel",
    "text",
    "_edit",
    "metrics",
    "inputs",
    "network",
    "losses",
    "solvers",
    "training",
    "targets",
    "forecasting",
    "detection",
    "models",
    "_callbacks",
    "models",
    "estimators",
    "distributed",
    "preprocessing",
    "inspection",
    "plotting",
    "export",
]
# Off that line: all that each of these may import. "skrnn" is its __init__.
BESIDE = {
    "_show_versions": {"_recurrence"},
    "datasets": set(),
    "preprocessing": {
        "_atomic",
        "_callbacks",
        "_elementary",
        "_mel",
        "_stamp",
        "inputs",
    },
    "testing": set(),
    "skrnn": {"_show_versions", "estimators"},
}
# The same inside of a package.
INSIDE = {
    "forecasting": [
        "windows",
        "wild",
        "logarithms",
        "scales",
        "folds",
        "smoothing",
        "linear",
        "network",
        "short",
        "calibration",
        "cold",
    ],
    "inputs": [
        "calendar",
        "time_text",
        "time_levels",
        "times",
        "opening",
        "time_axis",
        "joined",
        "containers",
        "moments",
        "columns",
        "blocks",
        "packed",
        "hints",
        "padding",
        "frames",
        "lazy",
        "tokens",
        "analysis",
        "texts",
        "subwords",
        "steps",
        "sequences",
        "units",
        "convolutions",
        "convolved",
        "shares",
        "series",
        "covariates",
        "facts",
        "learning",
        "schema",
    ],
    "export": ["values", "models", "file", "torch", "onnx"],
    "models": [
        "checks",
        "training_state",
        "lending",
        "copies",
        "ridge",
        "rocket",
        "sequence",
        "translation_search",
        "translation",
        "stream",
        "transcripts",
        "transcript_stream",
        "token_steps",
        "ngram",
        "mixture",
        "language",
        "labeler",
        "path_stream",
        "clock",
        "series_access",
        "forecast_unknown",
        "forecast",
        "forecast_fields",
        "forecast_fit",
        "detector",
        "detector_learning",
        "detector_stream",
        "detector_fields",
    ],
    "detection": ["evidence", "scorer", "episodes"],
}
MAY_IMPORT = {name: set(LAYERS[:i]) for i, name in enumerate(LAYERS)} | BESIDE

SOURCES = sorted(
    p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".pyx", ".pxd", ".pxi")
)
FROM = re.compile(r"^\s*from\s+([\w.]+)\s+c?import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE)
IMPORT = re.compile(r"^\s*c?import\s+([\w.]+)", re.MULTILINE)
INCLUDE = re.compile(r"^\s*include\s+[\"']([^\"']+)[\"']", re.MULTILINE)


def layer(path):
    """The part of the package that a path belongs to."""
    top = path.relative_to(PACKAGE).parts[0].partition(".")[0]
    return "skrnn" if top == "__init__" else top


def absolute(module, path):
    """The full name of a module that a source at `path` may call by a relative one."""
    name = module.lstrip(".")
    if name == module:
        return module
    package = ["skrnn", *path.relative_to(PACKAGE).parts[:-1]]
    above = len(module) - len(name) - 1
    return ".".join([*package[: len(package) - above], name]).rstrip(".")


def imported_layers(path):
    """The parts of the package that a source imports, cimports or includes."""
    text = path.read_text(encoding="utf-8")
    names = IMPORT.findall(text)
    for module, imported in FROM.findall(text):
        module = absolute(module, path)
        if module == "skrnn":
            names += [f"skrnn.{name}" for name in re.findall(r"\w+", imported)]
        else:
            names.append(module)
    parts = {name.split(".")[1] for name in names if name.startswith("skrnn.")}
    parts |= {layer((path.parent / file).resolve()) for file in INCLUDE.findall(text)}
    return parts - {layer(path), "__version__"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = layer(path)
    assert own in MAY_IMPORT, f"give {own!r} its place in LAYERS or BESIDE"
    wrong = imported_layers(path) - MAY_IMPORT[own]
    assert not wrong, f"{own} must not import {sorted(wrong)}"


@pytest.mark.parametrize("package", INSIDE)
def test_imports_inside_of_a_package_point_one_way(package):
    order = INSIDE[package]
    for path in sorted((PACKAGE / package).glob("*.py")):
        if path.stem == "__init__":
            continue
        assert path.stem in order, f"give {path.stem!r} its place in INSIDE"
        text = path.read_text(encoding="utf-8")
        names = re.findall(rf"(?:from|import) skrnn\.{package}\.(\w+)", text)
        wrong = set(names) - set(order[: order.index(path.stem)])
        assert not wrong, f"{path.stem} must not import {sorted(wrong)}"


def module_name(path):
    """The dotted name of a module; a package is called as its folder is."""
    parts = ["skrnn", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path, modules):
    """The modules of the package that one imports, also inside of functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = absolute("." * node.level + (node.module or ""), path)
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else module for name in names]
        else:
            continue
        yield from (name for name in names if name in modules)


PACKAGES = sorted({path.parent for path in PACKAGE.glob("*/*.py")})


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_no_circle_inside_of_a_package(package):
    paths = {module_name(path): path for path in package.rglob("*.py")}
    imports = {name: set(imported_modules(path, paths)) for name, path in paths.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


# What nobody asks for by its name or its class but the family itself, which stands in
# these files. Classes of parts are those that are defined there.
FAMILIES = {
    "solver": (SOLVERS, "solvers.py"),
    "pooling": (POOLINGS, "network/pooling.py", "_step_network.pyx", "_pooling.pyx"),
    "loss": (FORECAST_LOSSES, *(f"losses/{p.name}" for p in PACKAGE.glob("losses/*"))),
    "cell": (CELLS, *(f"cells/{p.name}" for p in PACKAGE.glob("cells/*"))),
    "part": ((), *(f"network/{name}.py" for name in ("inputs", "stack", "readout"))),
}
# Places that ask, by file: how often. This list only gets shorter.
ASKING = {
    "models/forecast.py": 1,  # the mean that `normalize` subtracts is no pooling
}


def questions(path):
    """Yield each comparison with a name, and each isinstance, of another's family."""
    own = path.relative_to(PACKAGE).as_posix()
    for names, *files in FAMILIES.values():
        if own in files:
            continue
        sources = [PACKAGE / file for file in files if file.endswith(".py")]
        text = "".join(source.read_text(encoding="utf-8") for source in sources)
        classes = set(re.findall(r"^class (\w+)", text, re.MULTILINE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                asked = [node.left, *node.comparators]
                said = {c.value for x in asked for c in ast.walk(x) if is_text(c)}
                asks = said & set(names)
            elif isinstance(node, ast.Call) and called(node) in CHECKS_OF_CLASSES:
                said = ast.walk(node.args[1])
                asks = {getattr(c, "id", getattr(c, "attr", None)) for c in said}
                asks &= classes
            else:
                continue
            if asks:
                yield f"{own}:{node.lineno}: {ast.unparse(node)}"


CHECKS_OF_CLASSES = {"isinstance", "issubclass"}


def called(call):
    """The name of the function that is called, if it has one."""
    return getattr(call.func, "id", None)


def is_text(node):
    """Whether a node is a string."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.suffix == ".py"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_a_part_is_known_to_its_family_only(path):
    found = list(questions(path))
    known = ASKING.get(path.relative_to(PACKAGE).as_posix(), 0)
    assert len(found) <= known, "\n".join(found)
    assert len(found) == known, "make the number in ASKING smaller"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_cell_is_known_to_itself_only(path):
    if layer(path) == "cells":
        return
    comparison = r"(?:[!=]=|\bin\s*[\[({])\s*[\"'](?:rnn|lstm|gru)[\"']"
    assert not re.findall(comparison, path.read_text(encoding="utf-8"))
