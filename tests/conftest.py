"""The tests meet the skrnn that is installed, and on request skip no comparison."""

import importlib
import json
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
PARITY = [
    "torch",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "jiwer",
    "kaldi_native_fbank",
    "sacrebleu",
]


def _without_root():
    return [path for path in sys.path if Path(path).resolve() != ROOT]


def _is_editable(distribution):
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    return origin.get("dir_info", {}).get("editable", False)


# The folder skrnn/ of the repository is no installed package, and may not even be
# compiled: `python -m pytest` and `python -c` put it first on the path all the same.
installed = next(iter(distributions(name="skrnn", path=_without_root())), None)
if installed is not None and not _is_editable(installed):
    sys.path[:] = _without_root()
os.environ["PYTHONSAFEPATH"] = "1"  # for the processes that tests start

# The same examples in each run, on machines as busy as they like. Others are drawn by
# benchmarks/fuzz.py and .ci/fuzz.
settings.register_profile(
    "skrnn",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skrnn")


def pytest_configure(config):
    if os.environ.get("SKRNN_REQUIRE_PARITY") == "1":
        for module in PARITY:
            importlib.import_module(module)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if os.environ.get("SKRNN_REQUIRE_PARITY") != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput"):
        return  # a worker of pytest-xdist: the process that started it reports
    skipped = reporter.stats.get("skipped", [])
    missing = [r.nodeid for r in skipped if "could not import" in str(r.longrepr)]
    if missing:
        reporter.write_line(f"SKRNN_REQUIRE_PARITY=1, yet skipped: {missing}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
