"""Predictions and fits have the bits that were written down, wherever they are made.

``python tests/digests.py`` shows them, and says when they may change.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

import digests
from cases import ISAS, instruction_set
from digests import CASES, digest, is_ragged, kept, outputs, with_fixed_weights

CHANGED = (
    "The bits of {name!r} are not those in tests/data/digests.json. If they should "
    "change, run `python tests/digests.py --update`, and say so in CHANGELOG.rst: "
    "models that were kept predict other numbers from now on."
)


def assert_kept(name, found):
    assert found == kept()[name], CHANGED.format(name=name)


def test_every_case_is_written_down():
    assert list(kept()) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_digests(name):
    assert_kept(name, digests.digests(CASES[name]))


@pytest.mark.parametrize("isa", ISAS)
def test_digests_of_every_instruction_set(isa):
    with instruction_set(isa):
        for name, case in CASES.items():
            if "large" not in name or isa != "baseline":  # slow without multiply-add
                assert_kept(name, digests.digests(case))


@pytest.mark.parametrize("n_jobs", [2, 3, -1])
@pytest.mark.parametrize("name", [name for name in CASES if "large" in name])
def test_digests_of_any_number_of_threads(name, n_jobs):
    assert_kept(name, digests.digests(CASES[name], n_jobs=n_jobs))


# A series of a detector's panel goes on from its own history.
@pytest.mark.parametrize("name", [name for name in CASES if "detector" not in name])
def test_digests_of_any_order(name):
    """Predictions backwards, one by one, and with others, put back into their order."""
    case, X = CASES[name], CASES[name].X
    estimator = with_fixed_weights(case)
    desired = kept()[name]["predict"]

    def backwards(method, X):
        return method(X[::-1])[::-1]

    def alone(method, X):
        found = [method(X[i : i + 1]) for i in range(len(X))]
        return [part[0] for part in found]

    def with_others(method, X):
        return method([*(x[::-1] for x in X), *X])[-len(X) :]

    for how in (backwards, alone, with_others):
        found = []
        for method in digests.methods_of(estimator):
            whole = getattr(estimator, method)(X)
            parts = how(getattr(estimator, method), X)
            found += list(parts) if is_ragged(whole) else [np.array(parts)]
        assert digest(found) == desired, (how.__name__, CHANGED.format(name=name))


@pytest.mark.parametrize("isa", [ISAS[0], ISAS[-1]])
def test_digests_of_another_process(isa):
    """Nor does the choice of instructions of NumPy, the C library or BLAS matter."""
    # Multiply-add is slow in software.
    only = "small" if isa == "baseline" else ""
    plain = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        "PYTHONHASHSEED": "7",
        "SKRNN_ISA": isa,
        "OMP_NUM_THREADS": "3",
        "NPY_DISABLE_CPU_FEATURES": " ".join(plain),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4",
        "OPENBLAS_CORETYPE": "Prescott",
    }
    run = subprocess.run(
        [sys.executable, digests.__file__, "--json", "--only", only],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert list(found) == [name for name in CASES if only in name]
    for name in found:
        assert_kept(name, found[name])


def test_the_program_says_what_has_changed(monkeypatch, tmp_path, capsys):
    few = dict(list(CASES.items())[:3])
    changed = {name: kept()[name] for name in few}
    first, second, third = few
    changed[second] = changed[second] | {"fit": "0" * 64}
    changed["gone"] = changed.pop(third)
    path = tmp_path / "digests.json"
    path.write_text(json.dumps(changed))
    monkeypatch.setattr(digests, "PATH", path)
    monkeypatch.setattr(digests, "CASES", few)
    monkeypatch.setattr(sys, "argv", ["digests.py"])
    assert digests.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "6 digests, 5 changed"
    assert sum(line.startswith("CHANGED") for line in lines) == 5
    monkeypatch.setattr(sys, "argv", ["digests.py", "--update"])
    assert digests.main() == 0
    monkeypatch.setattr(sys, "argv", ["digests.py"])
    assert digests.main() == 0


def test_a_digest_is_of_bits_types_and_shapes():
    x = np.arange(6.0)
    assert digest([x]) == digest([x.copy()]) == digest([x.astype(">f8")])
    others = [x.astype("f4"), x.reshape(2, 3), np.append(x[:-1], np.nextafter(5, 6))]
    others += [-x, x[:0], x.astype(int)]
    assert len({digest([x]), digest([x, x]), *(digest([o]) for o in others)}) == 8
    assert digest([np.arange(3, dtype=np.int32)]) == digest([np.arange(3)])
    assert list(outputs(object(), [])) == []
