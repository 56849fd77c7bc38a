"""Imports point one way, and no code but a cell's own asks which cell it is."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skrnn"

# A module may import those before it.
LAYERS = [
    "_stamp",
    "cells",
    "_kernels",
    "_elementary",
    "_packing",
    "_recurrence",
    "_chain",
    "_paths",
    "_ctc",
    "_embedding",
    "_pooling",
    "_initial",
    "_stepper",
    "_step_network",
    "_windows",
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
    "models",
    "_callbacks",
    "models",
    "estimators",
    "preprocessing",
    "plotting",
    "export",
]
# Off that line: all that each of these may import. "skrnn" is its __init__.
BESIDE = {
    "_show_versions": {"_recurrence"},
    "datasets": set(),
    "preprocessing": {"_callbacks", "_stamp", "inputs"},
    "testing": set(),
    "skrnn": {"_show_versions", "estimators"},
}
# The same inside of a package.
INSIDE = {
    "forecasting": [
        "windows",
        "scales",
        "folds",
        "linear",
        "network",
        "calibration",
    ],
    "inputs": [
        "calendar",
        "times",
        "time_axis",
        "containers",
        "columns",
        "blocks",
        "packed",
        "hints",
        "padding",
        "frames",
        "tokens",
        "steps",
        "sequences",
        "series",
        "covariates",
        "learning",
        "schema",
    ],
    "export": ["values", "models", "file", "torch", "onnx"],
    "models": [
        "checks",
        "training_state",
        "sequence",
        "stream",
        "series_access",
        "forecast",
        "forecast_fields",
        "forecast_fit",
    ],
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_cell_is_known_to_itself_only(path):
    if layer(path) == "cells":
        return
    comparison = r"(?:[!=]=|\bin\s*[\[({])\s*[\"'](?:rnn|lstm|gru)[\"']"
    assert not re.findall(comparison, path.read_text(encoding="utf-8"))
