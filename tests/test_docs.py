"""What the documentation says is so: its examples run, its docstrings are whole."""

import doctest
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import validate

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHECKS = set(PROJECT["tool"]["numpydoc_validation"]["checks"])
PAGES = [ROOT / "README.rst", *sorted((ROOT / "doc").glob("*.rst"))]
PUBLIC = [
    "skrnn",
    "skrnn.datasets",
    "skrnn.export",
    "skrnn.metrics",
    "skrnn.plotting",
    "skrnn.preprocessing",
    "skrnn.testing",
    "skrnn.text",
]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def public_objects():
    for module_name in PUBLIC:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            item = getattr(module, name)
            if callable(item):
                yield f"{module_name}.{name}", item


def public_docstrings():
    """Names of the public classes, functions, and methods that are written here."""
    for full_name, item in public_objects():
        yield full_name
        for name, member in inspect.getmembers(item) if inspect.isclass(item) else ():
            own = getattr(member, "__module__", None) or ""
            if (
                inspect.isfunction(member)
                and own.startswith("skrnn")
                and name[0] != "_"
            ):
                yield f"{full_name}.{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_pages(page):
    failed, _ = doctest.testfile(
        str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8"
    )
    assert not failed


@pytest.mark.parametrize("name, item", list(public_objects()))
def test_examples_of_docstrings(name, item):
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=OPTIONS)
    examples = [test for test in finder.find(item, name) if test.examples]
    assert examples, f"{name} shows no example"
    for test in examples:
        assert not runner.run(test).failed


@pytest.mark.parametrize("name", list(public_docstrings()))
def test_docstrings(name):
    errors = validate(name)["errors"]
    assert not [(code, text) for code, text in errors if code not in CHECKS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_included_code_exists(page):
    text = page.read_text(encoding="utf-8")
    pattern = r"\.\. literalinclude:: (\S+)\n((?:   +:.*\n)*)"
    for path, options in re.findall(pattern, text):
        source = (page.parent / path).read_text(encoding="utf-8")
        for marker in re.findall(r":(?:start|end)-\w+: (.*)", options):
            assert marker in source, f"{path} has no {marker!r}"
