"""What the documentation says is so: its examples run, its docstrings are whole."""

import ast
import doctest
import importlib
import importlib.util
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
    "skrnn.distributed",
    "skrnn.export",
    "skrnn.inspection",
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


def test_pages_name_examples_that_exist():
    examples = sorted((ROOT / "examples").rglob("*.py"))
    named = {"_".join(p.relative_to(ROOT / "examples").parts): p for p in examples}
    pattern = r"sphx_glr_(?:auto_examples_)(\w+\.py)|auto_examples/([\w/]+)"
    for page in [*PAGES, *sorted((ROOT / "skrnn").rglob("*.py"))]:
        for ref, path in re.findall(pattern, page.read_text(encoding="utf-8")):
            exists = ref in named or (ROOT / "examples" / f"{path}.py").exists()
            assert exists or path == "index", f"{page.name}: {ref or path}"
    conf = (ROOT / "doc" / "conf.py").read_text(encoding="utf-8")
    for group in {p.parent.name for p in examples} - {"examples"}:
        assert f'    "{group}",\n' in conf, f"give {group} its place in doc/conf.py"


EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_of_the_gallery(path):
    # `make doc` runs them; this tells at once that one names what there is not.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title = ast.get_docstring(tree).split("\n")
    assert title[1] == "=" * len(title[0])
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skrnn"):
            module = importlib.import_module(node.module)
            for name in node.names:
                assert name.name in module.__all__, f"{node.module}.{name.name}"
    if path.stem.startswith("plot_"):
        assert "plt.show()" in path.read_text(encoding="utf-8")


def test_displays_have_the_same_methods():
    plotting = importlib.import_module("skrnn.plotting")
    for name in plotting.__all__:
        display = getattr(plotting, name)
        makers = [m for m in vars(display) if m.startswith("from_")]
        assert "from_estimator" in makers and len(makers) > 1
        for maker in [*makers, "plot"]:
            assert "ax" in inspect.signature(getattr(display, maker)).parameters


GUIDE = re.findall(
    r"(?m)^   .* <([a-z_]+)>$", (ROOT / "doc" / "guide.rst").read_text(encoding="utf-8")
)
# Messages of scikit-learn and NumPy that the guide explains.
OF_OTHERS = """
    Found input variables with inconsistent numbers of samples
    Unknown label type: continuous
    The least populated class in y has only 1 members
    dtype='numeric' is not compatible with arrays of bytes/strings
    Input y contains NaN.
    contains infinity or a value too large for dtype('float64')
    X has 1 features, but RNNClassifier is expecting 2
    X has 9 features, but RNNClassifier is expecting 8
    X has 3 features, but SeriesOutlierDetector is expecting 1
    parameter of RNNClassifier must be a str among
    parameter of SeriesOutlierDetector must be a float in the range
    The classes, [1], are not in class_weight
    classes must be passed on the first call to partial_fit
    does not have valid feature names, but SequenceForecaster was fitted with
    object has no attribute 'stream'
    The requested array has an inhomogeneous shape
    Expected sequence or array-like, got <class 'generator'>
    Scoring failed.
""".strip().splitlines()


def strings_of_the_package():
    """The strings of the package, and the parts of them that are always the same."""
    strings = OF_OTHERS[:]
    for path in sorted((ROOT / "skrnn").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.append(node.value)
    return "\n".join(strings)


@pytest.mark.parametrize("name", GUIDE)
def test_pages_of_the_guide_begin_with_an_example_and_end_with_remedies(name):
    lines = (ROOT / "doc" / f"{name}.rst").read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.lstrip().startswith(">>>"))
    assert first < 46, f"the first example of {name} is in line {first + 1}"
    assert "What goes wrong" in lines


def test_messages_that_the_guide_explains_are_those_of_the_package():
    strings, named = strings_of_the_package(), 0
    for name in GUIDE:
        text = (ROOT / "doc" / f"{name}.rst").read_text(encoding="utf-8")
        table = text.partition("What goes wrong\n")[2]
        for row in re.findall(r"(?m)^   \* - ((?:.*\n(?!     - ))*.*)", table):
            message = re.match(r"``(.+?)``(?! in | of )", " ".join(row.split()))
            if message is None:
                continue
            named += 1
            # Names and numbers differ from call to call, other words do not.
            words = message[1].split()
            pairs = [f"{one} {two}" for one, two in zip(words, words[1:], strict=False)]
            found = sum(pair in strings for pair in pairs or words)
            explained = 4 * found >= len(pairs or words)
            assert explained, f"{name}.rst explains {message[1]!r}, which nothing says"
    assert named > 60


@pytest.mark.parametrize("module_name", PUBLIC)
def test_the_reference_has_every_public_name(module_name):
    text = (ROOT / "doc" / "api.rst").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^\.\. currentmodule:: (.*)$", text)[1:]
    listed = {
        name
        for module, part in zip(parts[::2], parts[1::2], strict=True)
        if module == module_name
        for name in re.findall(r"(?m)^   (\w+)$", part)
    }
    module = importlib.import_module(module_name)
    assert listed == {name for name in module.__all__ if name != "__version__"}


@pytest.mark.parametrize(
    "link", ["", "gone.html", "other.html#gone", "<code class='xref'>skrnn.Gone</code>"]
)
def test_broken_links_are_found(link, tmp_path):
    path = ROOT / "doc" / "check_links.py"
    spec = importlib.util.spec_from_file_location("check_links", path)
    check_links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_links)
    (tmp_path / "other.html").write_text("<p id='here'><a href='#here'>.</a></p>")
    text = link if link.startswith("<") else f"<a href='{link}'>.</a>"
    (tmp_path / "page.html").write_text(f"{text}<a href='other.html#here'>.</a>")
    assert len(list(check_links.find_broken(tmp_path))) == bool(link)


def defined_names(path):
    """Names of the classes, functions and methods in a source, with their owners."""
    names, owner = set(), ""
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"( *)(?:cdef class|class|def|cpdef \w+) (\w+)", line)
        if found is None:
            continue
        if not found[1]:
            owner = found[2]
            names.add(owner)
        elif len(found[1]) == 4:
            names |= {f"{owner}.{found[2]}", found[2]}
    return names


def test_the_walk_through_a_fit_names_what_there_is():
    text = (ROOT / "doc" / "a_fit.rst").read_text(encoding="utf-8")
    paths = re.findall(r"``([\w/]+\.(?:pyx|pxi|py))``", text)
    assert len(set(paths)) > 15
    names = set()
    for path in paths:
        names |= defined_names(ROOT / "skrnn" / path)
    mentioned = re.findall(r"``([A-Z]\w+\.\w+|[a-z]+_[a-z]\w+)``", text)
    assert len(mentioned) > 25
    beside = {"warm_start", "loss_curve_"}
    for name in mentioned:
        # Methods may be inherited from a class of another file.
        last = name.rpartition(".")[2]
        assert name in names | beside or last in names, name
    # Each function stands behind the file that defines it.
    for path, name in re.findall(r"``([\w/]+\.py)``,\s+``(\w+\.\w+)``", text):
        assert name in defined_names(ROOT / "skrnn" / path), (path, name)


# The estimators of sequences. A forecaster has windows where they have sequences.
ESTIMATORS = (
    "RNNClassifier",
    "RNNRegressor",
    "SequenceTagger",
    "SequenceTranscriber",
    "StepRegressor",
)
# What two of them mean differently.
OWN_WORDS = {
    "bidirectional",
    "class_weight",
    "convolutions",
    "early_stopping",
    "loss",
    "pooling",
    "segment_length",
    "standardize",
}


def described_parameters(cls):
    """The text behind each parameter of a class's docstring."""
    section = inspect.getdoc(cls).split("Parameters\n----------\n")[1]
    section = re.split(r"\n\n[\w ]+\n-{3,}\n", section)[0]
    parts = re.split(r"(?m)^(\w+(?:, \w+)*) : (.*)$", section)[1:]
    return {
        name: " ".join(text.split())
        for names, text in zip(parts[::3], parts[2::3], strict=True)
        for name in names.split(", ")
    }


def test_shared_parameters_are_described_in_the_same_words():
    import skrnn

    described = {
        name: described_parameters(getattr(skrnn, name))
        for name in ESTIMATORS
        if hasattr(skrnn, name)
    }
    first = described.pop("RNNClassifier")
    shared = 0
    for name, others in described.items():
        for parameter in (first.keys() & others.keys()) - OWN_WORDS:
            assert others[parameter] == first[parameter], (name, parameter)
            shared += 1
    assert shared > 20
