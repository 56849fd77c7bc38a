"""What is installed is this project, whole, and not much of it."""

import ast
import importlib
import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import skrnn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version():
    assert skrnn.__version__ == PROJECT["project"]["version"]
    assert skrnn.__version__ == metadata.version("skrnn")


def test_what_runs_is_what_was_installed():
    distribution = metadata.distribution("skrnn")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        assert Path(skrnn.__file__) == ROOT / "skrnn" / "__init__.py"
    else:
        assert Path(skrnn.__file__) == distribution.locate_file("skrnn/__init__.py")


def test_installed_size():
    files = metadata.files("skrnn")
    assert sum(file.size or 0 for file in files) <= 13e6


@pytest.mark.parametrize(
    "module",
    [
        "skrnn",
        "skrnn.datasets",
        "skrnn.export",
        "skrnn.inspection",
        "skrnn.metrics",
        "skrnn.plotting",
        "skrnn.preprocessing",
        "skrnn.testing",
        "skrnn.text",
    ],
)
def test_public_names(module):
    module = importlib.import_module(module)
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


def test_what_is_imported_is_required():
    required = {re.match(r"[\w-]+", r)[0] for r in PROJECT["project"]["dependencies"]}
    required = {{"scikit-learn": "sklearn"}.get(name, name) for name in required}
    required.add("threadpoolctl")  # scikit-learn itself requires it
    for path in (ROOT / "skrnn").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            names = {name.partition(".")[0] for name in names}
            assert names <= required | sys.stdlib_module_names | {"skrnn"}, path
