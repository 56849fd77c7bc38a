"""Ctrl-C, divergence and errors of callbacks leave a training whole."""

import contextlib
import itertools
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from skrnn.solvers import LBFGS, SGD, Adam
from training_problems import Problem, split_problem

# Ctrl-C and divergence.


class Interrupting:
    """What is called as `function`, but for the n-th time, when Ctrl-C comes first."""

    def __init__(self, function, n, error=KeyboardInterrupt):
        self.function, self.n, self.error = function, n, error

    def __call__(self, *args, **kwargs):
        self.n -= 1
        if not self.n:
            raise self.error
        return self.function(*args, **kwargs)


@pytest.mark.parametrize("method", ["forward", "backward", "load"])
@pytest.mark.parametrize("n", [2, 9, 14])
def test_interrupt_keeps_the_last_whole_update(method, n):
    problem, after_step = Problem(), []
    solver = SGD(0.1)
    step = solver.step

    def recorded(theta, *args):
        step(theta, *args)
        after_step.append(theta.copy())

    solver.step = recorded
    after_step.append(problem.theta.copy())
    interrupting = Interrupting(getattr(problem.network, method), n)
    setattr(problem.network, method, interrupting)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        history = problem.train(solver, batch_size=8, warns=False)  # 4 batches an epoch
    assert history.stopped_because == "interrupted"
    assert np.array_equal(problem.theta, after_step[-1])
    assert np.array_equal(problem.network.theta, problem.theta)
    n_updates = len(after_step) - 1
    assert len(history.loss_curve) == history.n_iter
    assert history.n_iter in (n_updates // 4, (n_updates - 1) // 4)


@pytest.mark.parametrize("n", [5, 6, 7, 8, 9, 10])
def test_interrupt_during_early_stopping_keeps_the_best(n):
    problem, data, validation = split_problem()
    thetas = []

    def scorer(theta):
        thetas.append(theta.copy())
        return 1.0 if len(thetas) == 1 else 0.0

    problem.network.forward = Interrupting(problem.network.forward, n)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        history = problem.train(
            data=data,
            validation=validation,
            early_stopping=True,
            scorer=scorer,
            batch_size=20,
            warns=False,
        )
    assert history.n_iter >= 1
    assert np.array_equal(problem.theta, thetas[0])
    assert len(history.validation_scores) == len(history.loss_curve) == history.n_iter


@pytest.mark.parametrize("n", [1, 2, 6])
def test_interrupt_of_lbfgs_keeps_the_last_iteration(n):
    problem, thetas = Problem(), []
    thetas.append(problem.theta.copy())
    problem.network.forward = Interrupting(problem.network.forward, n)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        history = problem.train(
            LBFGS(), on_epoch=lambda _: thetas.append(problem.theta.copy()), warns=False
        )
    assert np.array_equal(problem.theta, thetas[-1])
    assert history.n_iter == len(thetas) - 1


@contextlib.contextmanager
def interrupt_at_line(n):
    """Ctrl-C before the n-th line that runs of the training or of a solver."""
    lines = itertools.count(1)

    def trace(frame, event, arg):
        path = Path(frame.f_code.co_filename)
        if path.parent.name != "training" and path.name != "solvers.py":
            return None
        if event == "line" and next(lines) == n:
            raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", [Adam, SGD, LBFGS])
def test_interrupt_at_any_line_keeps_whole_updates(solver, early_stopping):
    def run(problem, data, validation):
        return problem.train(
            solver(0.1) if solver is not LBFGS else solver(),
            data=data,
            validation=validation,
            early_stopping=early_stopping,
            max_iter=2,
            batch_size=20,
        )

    problem, data, validation = split_problem()
    loaded = []
    load = problem.network.load
    problem.network.load = lambda theta: (load(theta), loaded.append(theta.copy()))
    run(problem, data, validation)
    whole = {theta.tobytes() for theta in loaded}

    outcomes = []
    for n in itertools.count(1):
        problem, data, validation = split_problem()
        history = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            with contextlib.suppress(KeyboardInterrupt), interrupt_at_line(n):
                history = run(problem, data, validation)
        assert problem.theta.tobytes() in whole
        outcomes.append("raised" if history is None else history.stopped_because)
        if history is not None:
            assert np.array_equal(problem.network.theta, problem.theta)
            lengths = {len(curve) for curve in history.curves()}
            assert lengths in ({history.n_iter}, {history.n_iter, 0})
            assert history.t == history.n_iter * len(data.used)
            if outcomes[-1] != "interrupted":
                break
    # Lost are only the first lines, which check and copy, and the last, which warn.
    assert outcomes.count("interrupted") > 0.7 * len(outcomes)
    kept = [i for i, outcome in enumerate(outcomes) if outcome == "interrupted"]
    assert set(outcomes[kept[0] : kept[-1] + 1]) == {"interrupted"}


@pytest.mark.parametrize("max_grad_norm", [None, 2.0])
@pytest.mark.parametrize("where", ["loss", "gradient", "parameter"])
def test_divergence_says_what_to_lower_and_changes_nothing(where, max_grad_norm):
    problem, solver = Problem(), Adam(0.125)
    history = problem.train(solver, max_iter=1)
    before, state, curve = (
        problem.theta.copy(),
        solver.get_state(),
        list(history.loss_curve),
    )
    forward, backward, step = (
        problem.network.forward,
        problem.network.backward,
        solver.step,
    )
    calls = iter(range(100))

    def bad_forward(*args, **kwargs):
        return forward(*args, **kwargs) * (np.nan if next(calls) == 5 else 1.0)

    def bad_backward(draw, grad):
        backward(draw, grad)
        grad[3] += np.inf if next(calls) == 5 else 0.0

    def bad_step(theta, *args):
        step(theta, *args)
        theta[3] += np.inf if next(calls) == 7 else 0.0

    if where == "loss":
        problem.network.forward = bad_forward
    elif where == "gradient":
        problem.network.backward = bad_backward
    else:
        solver.step = bad_step
    remedy = (
        "set max_grad_norm"
        if max_grad_norm is None
        else r"lower max_grad_norm \(it is 2\)"
    )
    with pytest.raises(
        ValueError,
        match=rf"diverged: (the|a) {where} is not finite.*lower learning_rate_init "
        rf"\(it is 0.125\), or {remedy}.*standardize",
    ):
        problem.train(solver, history=history, max_grad_norm=max_grad_norm)
    assert np.array_equal(problem.theta, before)
    assert np.array_equal(problem.network.theta, before)
    assert history.loss_curve == curve
    for name, array in solver.get_state().items():
        assert np.array_equal(array, state[name])


def test_divergence_of_a_first_call_leaves_a_fresh_solver():
    problem, solver = Problem(), Adam()
    problem.network.forward = Interrupting(problem.network.forward, 7, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        problem.train(solver)
    assert solver.first_moment is None


def test_divergence_of_lbfgs():
    problem = Problem()
    before = problem.theta.copy()
    forward = problem.network.forward
    problem.network.forward = lambda *args, **kwargs: np.nan * forward(*args, **kwargs)
    with pytest.raises(
        ValueError, match="diverged: the loss is not finite.*standardize"
    ):
        problem.train(LBFGS())
    assert np.array_equal(problem.theta, before)


@pytest.mark.parametrize("solver", [Adam, LBFGS])
def test_error_of_a_callback_undoes_the_training(solver):
    problem = Problem()
    before = problem.theta.copy()

    def on_epoch(history):
        if history.n_iter == 3:
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        problem.train(solver(), on_epoch=on_epoch)
    assert np.array_equal(problem.theta, before)
