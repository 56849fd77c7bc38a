import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import has_fit_parameter

from networks import make_network, train
from skrnn import _recurrence
from skrnn.cells import CELLS
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences
from skrnn.losses import LogLoss, MultilabelLogLoss, SquaredError
from skrnn.solvers import LBFGS, SGD, SOLVERS, Adam
from skrnn.training import History, SequenceData
from skrnn.training.data import BLOCK_ROWS
from training_problems import N_IN, MeanNetwork, Problem, sequences, split_problem

# The same as MLP, epoch by epoch.


def mlp_problem(kind, n_seqs=47):
    rng = np.random.RandomState(3)
    X = rng.normal(size=(n_seqs, N_IN))
    if kind == "binary":
        return X, (X[:, 0] > 0.2).astype(int), LogLoss(2)
    if kind == "multinomial":
        return X, np.argmax(X[:, :3], axis=1), LogLoss(3)
    if kind == "multilabel":
        return X, (X[:, :3] > 0).astype(int), MultilabelLogLoss(3)
    return X, X[:, 0] * X[:, 1], SquaredError(1)


def train_both(kind, weighted=False, **options):
    """Train MLP and our loop on sequences of one step, from the same parameters."""
    X, y, loss = mlp_problem(kind)
    weight = np.random.RandomState(5).uniform(0.5, 2.0, len(X)) if weighted else None
    mlp_class = MLPRegressor if kind == "regression" else MLPClassifier
    mlp = mlp_class(
        hidden_layer_sizes=(5,),
        activation="tanh",
        shuffle=False,
        random_state=0,
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # What scikit-learn 1.6 asks of a SciPy that is newer than it.
        warnings.filterwarnings("ignore", "scipy.optimize: The `disp`")
        mlp.fit(X, y, **({"sample_weight": weight} if weighted else {}))

    network = MeanNetwork(loss.n_out)
    random_state = np.random.RandomState(0)
    theta = network.initialize(random_state)
    if options["solver"] == "lbfgs":
        solver = LBFGS()
    else:
        rates = {
            k: options[k]
            for k in ("learning_rate_init", "learning_rate", "power_t")
            if k in options
        }
        solver = {"adam": Adam, "sgd": SGD}[options["solver"]](**rates)
    target = y if isinstance(loss, LogLoss) else y.reshape(len(y), -1).astype(float)
    data = SequenceData(
        check_sequences(X[:, np.newaxis]), StepEncoder(N_IN), target, weight
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        history = train(
            network,
            theta,
            data,
            loss,
            solver,
            shuffle=False,
            random_state=random_state,
            max_iter=options["max_iter"],
            batch_size=options["batch_size"],
            alpha=options["alpha"],
            tol=options.get("tol", 1e-4),
            n_iter_no_change=options.get("n_iter_no_change", 10),
        )
    theirs = np.concatenate([p.ravel() for p in mlp.coefs_ + mlp.intercepts_])
    return mlp, theirs, theta, history


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ["binary", "multinomial", "multilabel", "regression"])
def test_epochs_are_those_of_mlp(kind, solver, weighted):
    if weighted and not has_fit_parameter(MLPClassifier(), "sample_weight"):
        pytest.skip("MLP has sample weights since scikit-learn 1.7")
    # MLP divides a batch by its own weight: weights agree in whole batches only.
    options = {"batch_size": 47 if weighted else 10, "max_iter": 12, "alpha": 0.1}
    mlp, theirs, theta, history = train_both(
        kind, weighted, solver=solver, learning_rate_init=0.02, **options
    )
    np.testing.assert_allclose(theta, theirs, rtol=1e-9, atol=1e-12)
    assert history.n_iter == mlp.n_iter_
    assert history.t == mlp.t_
    if not weighted:  # MLP averages the batches by their sizes and not by their weights
        np.testing.assert_allclose(history.loss_curve, mlp.loss_curve_, rtol=1e-9)
        assert history.best_loss == pytest.approx(mlp.best_loss_)


@pytest.mark.parametrize("n_iter_no_change", [1, 4])
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_training_ends_where_that_of_mlp_ends(learning_rate, n_iter_no_change):
    mlp, theirs, theta, history = train_both(
        "regression",
        solver="sgd",
        batch_size=16,
        learning_rate=learning_rate,
        learning_rate_init=0.5,
        power_t=0.3,
        max_iter=300,
        alpha=0.0,
        tol=1e-3,
        n_iter_no_change=n_iter_no_change,
    )
    assert history.n_iter == mlp.n_iter_
    assert history.stopped_because == "tol"
    np.testing.assert_allclose(history.loss_curve, mlp.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(theta, theirs, rtol=1e-6)


@pytest.mark.parametrize("kind", ["binary", "multinomial", "regression"])
def test_lbfgs_is_that_of_mlp(kind):
    options = {"batch_size": 10, "max_iter": 8, "alpha": 0.1}
    mlp, theirs, theta, history = train_both(kind, solver="lbfgs", **options)
    np.testing.assert_allclose(theta, theirs, rtol=1e-6)
    assert history.n_iter == mlp.n_iter_ == len(history.loss_curve)
    assert history.loss == pytest.approx(mlp.loss_)


# Batches and weights.


def test_each_epoch_reads_each_sequence_once_in_a_new_order():
    problem = Problem(n_seqs=21)
    data, read = problem.data(), []
    packed = data.batch

    def batch(indices, dtype):
        read.append(indices.tolist())
        return packed(indices, dtype)

    data.batch = batch
    history = problem.train(data=data, max_iter=3, batch_size=8)
    assert [len(indices) for indices in read] == [8, 8, 5] * 3
    epochs = [sum(read[i : i + 3], []) for i in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(21)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert history.t == 63

    read.clear()
    problem.train(data=data, max_iter=2, batch_size=100, shuffle=False)
    assert read == [list(range(21))] * 2


def test_targets_and_weights_follow_their_sequences():
    problem = Problem(n_seqs=12)
    data = problem.data()
    data.sample_weight = 1.0 + np.arange(12)
    indices = np.array([7, 2, 5, 11, 0])
    batch, y, weight = data.batch(indices, np.float32)
    given = indices[batch.order]
    assert np.array_equal(y, problem.y[given])
    assert np.array_equal(weight, 1.0 + given)
    for b, i in enumerate(given):
        assert np.array_equal(batch.x[b], problem.X[i][0].astype(np.float32))


@pytest.mark.parametrize("solver", [Adam, SGD, LBFGS])
def test_weight_zero_is_absence_and_two_is_twice(solver):
    times = np.array([1, 0, 2, 1, 1, 0, 3, 2, 1, 1] * 3)
    weighted = Problem(weight=times.astype(float))
    repeated = Problem()
    repeated.X = [x for x, n in zip(weighted.X, times, strict=True) for _ in range(n)]
    repeated.y = weighted.y.repeat(times)
    options = {"batch_size": 1000, "max_iter": 10, "alpha": 0.3, "shuffle": False}
    of_weights = weighted.train(solver(), **options)
    of_copies = repeated.train(solver(), **options)
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-7)
    np.testing.assert_allclose(of_weights.loss_curve, of_copies.loss_curve, rtol=1e-9)

    # Absence is exact in any batches, whatever the absent ones hold.
    kept = np.flatnonzero(times)
    absent = Problem(weight=times[kept].astype(float))
    absent.X, absent.y = [weighted.X[i] for i in kept], weighted.y[kept]
    present = Problem(weight=times.astype(float))
    for problem in (absent, present):
        problem.train(solver(), batch_size=4, max_iter=10)
    assert np.array_equal(absent.theta, present.theta)


def test_without_weights_there_is_nothing_to_do():
    with pytest.raises(ValueError, match="No sequence has a positive sample weight"):
        Problem(weight=np.zeros(30)).data()


def test_loss_of_an_epoch_weighs_its_batches():
    problem = Problem(n_seqs=9, weight=np.linspace(0.1, 5, 9))
    expected = problem.total_loss(alpha=0.0)
    history = problem.train(SGD(0.0), max_iter=1, batch_size=2)
    assert history.loss == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_gradient_is_that_of_loss_and_penalty(alpha):
    problem = Problem(weight=np.random.RandomState(1).rand(30))
    theta = problem.theta.copy()
    expected = np.empty_like(theta)
    for i in range(len(theta)):
        around = []
        for step in (-1e-6, 1e-6):
            problem.theta = theta.copy()
            problem.theta[i] += step
            around.append(problem.total_loss(alpha))
        expected[i] = (around[1] - around[0]) / 2e-6
    problem.theta = theta.copy()
    value = problem.total_loss(alpha)
    history = problem.train(
        SGD(1.0, momentum=0.0), alpha=alpha, max_iter=1, batch_size=30
    )
    np.testing.assert_allclose(theta - problem.theta, expected, atol=1e-9)
    assert history.loss == pytest.approx(value, rel=1e-13)
    assert history.grad_norm_curve[0] == pytest.approx(np.linalg.norm(expected))


def test_clipping_bounds_the_gradient_and_keeps_its_direction():
    steps, norms = [], []
    for limit in (None, 1e-3, 1e3):
        problem = Problem()
        before = problem.theta.copy()
        history = problem.train(
            SGD(1.0, momentum=0.0), max_iter=1, batch_size=30, max_grad_norm=limit
        )
        steps.append(problem.theta - before)
        norms += history.grad_norm_curve
    assert norms[0] == norms[1] == norms[2]  # before clipping
    assert np.array_equal(steps[0], steps[2])
    np.testing.assert_allclose(steps[1], steps[0] * (1e-3 / norms[0]), rtol=1e-9)


def test_gradient_norm_is_the_mean_of_the_batches():
    problem = Problem(n_seqs=10)
    history = problem.train(SGD(0.0), max_iter=1, batch_size=4, shuffle=False)
    norms = []
    for part in (slice(0, 4), slice(4, 8), slice(8, 10)):
        once = problem.train(
            SGD(0.0), data=problem.data(part), max_iter=1, shuffle=False
        )
        norms += once.grad_norm_curve
    assert history.grad_norm_curve[0] == pytest.approx(np.mean(norms), rel=1e-14)


def test_blocks_take_all_in_bounded_size():
    X = sequences(300, longest=9)
    X += [np.zeros((BLOCK_ROWS // 20, N_IN))] * 50 + [np.zeros((2 * BLOCK_ROWS, N_IN))]
    weight = np.ones(len(X))
    weight[::7] = 0
    for segment_length in (1, 4):
        encoder = StepEncoder(N_IN, segment_length=segment_length)
        data = SequenceData(check_sequences(X), encoder, np.zeros(len(X)), weight)
        blocks = list(data.blocks())
        taken = np.concatenate(blocks)
        assert np.array_equal(np.sort(taken), np.flatnonzero(weight))
        lengths = data.sequences.lengths[taken]
        assert np.array_equal(lengths, np.sort(lengths)[::-1])
        for block in blocks:
            n_rows = (-(-data.sequences.lengths[block] // segment_length)).sum()
            assert n_rows <= BLOCK_ROWS or len(block) <= 16


def test_full_batches_in_blocks_are_full_batches(monkeypatch):
    whole, parts = Problem(n_seqs=100), Problem(n_seqs=100)
    options = {"max_iter": 20, "alpha": 0.1}
    expected = whole.train(LBFGS(), **options)
    monkeypatch.setattr("skrnn.training.data.BLOCK_ROWS", 20)
    assert len(list(parts.data().blocks())) > 5
    history = parts.train(LBFGS(), **options)
    np.testing.assert_allclose(history.loss_curve, expected.loss_curve, rtol=1e-6)
    assert parts.network.n_forward > 5 * whole.network.n_forward


# The same bits.


@pytest.mark.parametrize("solver", [Adam, SGD])
def test_interrupted_schedule_of_calls_changes_no_bit(solver):
    # Three warm starts, or passes of partial_fit, are one training.
    options = {"learning_rate": "invscaling", "learning_rate_init": 0.05}
    once = Problem(dropout=0.3)
    whole = once.train(solver(**options), max_iter=6)
    for incremental in (False, True):
        problem, history, state = Problem(dropout=0.3), None, {}
        for max_iter in [1] * 6 if incremental else [1, 3, 2]:
            again = solver(**options)
            again.set_state(state)
            history = problem.train(
                again, max_iter=max_iter, history=history, incremental=incremental
            )
            state = again.get_state()
            assert history.n_iter == max_iter
        assert np.array_equal(problem.theta, once.theta)
        assert history.loss_curve == whole.loss_curve
        assert history.grad_norm_curve == whole.grad_norm_curve
        assert history.t == whole.t
        assert history.best_loss == whole.best_loss


def test_random_state_is_all_that_is_random():
    thetas = []
    for seed in (0, 0, 1):
        problem = Problem(dropout=0.3)
        problem.train(random_state=np.random.RandomState(seed))
        thetas.append(problem.theta)
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


# Early stopping.


def test_validation_loss_is_recorded_without_penalty_or_dropout():
    problem, data, validation = split_problem(dropout=0.5)
    seen = []

    def on_epoch(history):
        seen.append(problem.total_loss(data=validation))

    history = problem.train(
        data=data, validation=validation, alpha=3.0, on_epoch=on_epoch
    )
    np.testing.assert_allclose(history.validation_loss_curve, seen, rtol=1e-13)
    assert history.validation_scores == []
    assert history.best_validation_score is None
    assert problem.total_loss(data=validation) == seen[-1]  # not the best, but the last


def test_early_stopping_ends_with_the_best_parameters():
    problem, data, validation = split_problem()
    # Steps so large that the validation loss goes up and down.
    history = problem.train(
        Adam(0.3),
        data=data,
        validation=validation,
        early_stopping=True,
        max_iter=200,
        n_iter_no_change=5,
        warns=False,
    )
    curve = history.validation_loss_curve
    assert history.stopped_because == "tol"
    assert len(curve) == history.n_iter == np.argmin(curve) + 1 + 6
    assert history.validation_scores == [-loss for loss in curve]
    assert history.best_validation_score == -min(curve)
    assert problem.total_loss(data=validation) == pytest.approx(min(curve), rel=1e-14)
    assert np.array_equal(problem.network.theta, problem.theta)


def test_early_stopping_watches_the_scorer():
    problem, data, validation = split_problem()
    scores = iter([0.1, 0.5, np.nan, 0.5, 0.4, 0.45, 0.3, 0.2])
    thetas = []

    def scorer(theta):
        assert np.array_equal(theta, problem.network.theta)
        thetas.append(theta.copy())
        return next(scores)

    history = problem.train(
        data=data,
        validation=validation,
        early_stopping=True,
        scorer=scorer,
        tol=0.01,
        max_iter=100,
        n_iter_no_change=3,
        warns=False,
    )
    assert history.best_validation_score == 0.5
    np.testing.assert_equal(
        history.validation_scores, [0.1, 0.5, np.nan, 0.5, 0.4, 0.45]
    )
    assert np.array_equal(problem.theta, thetas[1])
    assert len(history.validation_loss_curve) == 6


def test_scores_that_are_never_numbers_keep_the_last_parameters():
    problem, data, validation = split_problem()
    thetas = []

    def scorer(theta):
        thetas.append(theta.copy())
        return np.nan

    with pytest.warns(UserWarning, match="The validation score was NaN in each epoch"):
        history = problem.train(
            data=data,
            validation=validation,
            early_stopping=True,
            scorer=scorer,
            max_iter=100,
            n_iter_no_change=3,
            warns=False,
        )
    assert history.n_iter == 4
    assert np.array_equal(problem.theta, thetas[-1])


def test_warm_start_measures_new_data_by_themselves():
    problem, data, validation = split_problem()
    options = {"early_stopping": True, "max_iter": 30, "tol": 1e-4}
    history = problem.train(data=data, validation=validation, **options)
    other = Problem(n_seqs=60, seed=1)
    other.y = (other.y + 1) % 3  # harder by far for what was learned
    new, held_out = other.data(slice(0, 40)), other.data(slice(40, None))
    start = problem.total_loss(data=held_out)
    history = problem.train(data=new, validation=held_out, history=history, **options)
    end = problem.total_loss(data=held_out)
    assert end < start
    assert history.best_validation_score == pytest.approx(-end, rel=1e-14)

    # And parameters that are the best already stay.
    before = problem.theta.copy()
    problem.train(SGD(-0.1), data=new, validation=held_out, history=history, **options)
    assert np.array_equal(problem.theta, before)


def test_early_stopping_needs_its_data():
    with pytest.raises(ValueError, match="early_stopping needs validation data"):
        Problem().train(early_stopping=True)
    problem, data, validation = split_problem()
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        problem.train(validation=validation, early_stopping=True, incremental=True)


# Stopping and continuing.


def test_stop_rule_counts_epochs_without_improvement():
    problem = Problem()
    history = problem.train(
        SGD(0.0), tol=1e-4, max_iter=50, n_iter_no_change=7, warns=False
    )
    assert history.n_iter == 1 + 8  # the first is better than nothing
    assert history.stopped_because == "tol"
    assert history.no_improvement == 8


def test_adaptive_rate_falls_when_training_stalls():
    problem, solver = Problem(), SGD(1e-5, learning_rate="adaptive")
    problem.train(solver, tol=10.0, max_iter=50, n_iter_no_change=2, warns=False)
    assert solver.n_stalls == 2
    assert solver.learning_rate == pytest.approx(4e-7)


def test_partial_fit_keeps_count_and_a_warm_start_does_not():
    options = {"tol": 10.0, "n_iter_no_change": 3}
    problem, solver, history = Problem(), SGD(0.1, learning_rate="adaptive"), None
    for _ in range(5):
        history = problem.train(
            solver, history=history, incremental=True, warns=False, **options
        )
    assert solver.n_stalls == 1
    assert history.n_iter == 1

    history = problem.train(
        SGD(0.1), history=history, max_iter=50, warns=False, **options
    )
    assert history.n_iter == 1 + 4
    assert len(history.loss_curve) == 5 + 5


def test_max_iter_warns_as_mlp_does():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(5\) reached"):
        history = Problem().train(warns=False)
    assert history.stopped_because == "max_iter"


@pytest.mark.parametrize("solver", [Adam, SGD])
def test_linear_rate_falls_epoch_by_epoch_and_starts_anew_in_each_call(solver):
    problem, solver, rates = Problem(), solver(1.0, learning_rate="linear"), []
    step = solver.step

    def recorded(*args):
        rates.append(solver.learning_rate)
        solver.learning_rate = 1e-3  # which the next epoch sets again
        step(*args)

    solver.step = recorded
    options = {"batch_size": 30, "warns": False}
    history = problem.train(solver, max_iter=5, **options)
    np.testing.assert_allclose(rates, [1.0, 0.8, 0.6, 0.4, 0.2])
    problem.train(solver, max_iter=2, history=history, **options)
    np.testing.assert_allclose(rates[5:], [1.0, 0.5])
    problem.train(solver, history=history, incremental=True, **options)
    assert rates[7:] == [1.0]


def test_training_loss_does_not_stop_where_all_epochs_are_planned():
    options = {"tol": 10.0, "n_iter_no_change": 2, "max_iter": 9, "warns": False}
    history = Problem().train(Adam(learning_rate="linear"), **options)
    assert history.n_iter == 9
    assert history.stopped_because == "max_iter"
    assert history.no_improvement == 8
    # The validation score does.
    problem, data, validation = split_problem()
    history = problem.train(
        Adam(learning_rate="linear"),
        data=data,
        validation=validation,
        early_stopping=True,
        **options,
    )
    assert history.n_iter == 1 + 3
    assert history.stopped_because == "tol"


def test_lbfgs_warns_where_it_ends_too_soon():
    for solver, max_iter, limit in [
        (LBFGS(), 3, "max_iter"),
        (LBFGS(max_fun=4), 50, "max_fun"),
    ]:
        with pytest.warns(
            ConvergenceWarning, match=rf"Increase {limit} \(it is [34]\)"
        ):
            history = Problem().train(solver, max_iter=max_iter, warns=False)
        assert history.stopped_because == limit
    history = Problem().train(LBFGS(), alpha=1.0, tol=1e-3, max_iter=500, warns=False)
    assert history.stopped_because == "converged"


def test_lbfgs_does_not_go_with_dropout():
    problem = Problem(dropout=0.1)
    with pytest.raises(ValueError, match="dropout"):
        problem.train(LBFGS())


@pytest.mark.parametrize("solver", [Adam, LBFGS])
def test_callback_stops_the_training(solver):
    problem, seen, begun = Problem(), [], []

    def on_epoch(history):
        assert len(begun) == history.n_iter
        seen.append((history.n_iter, history.loss))
        assert np.array_equal(problem.network.theta, problem.theta)
        return history.n_iter == 4

    history = problem.train(
        solver(),
        on_epoch_begin=lambda: begun.append(len(seen)),
        on_epoch=on_epoch,
        max_iter=50,
        warns=False,
    )
    assert begun == [0, 1, 2, 3]
    assert seen == list(enumerate(history.loss_curve, start=1))
    assert history.n_iter == 4
    assert history.stopped_because == "callback"


@pytest.mark.parametrize("solver", [Adam, LBFGS])
def test_verbose_prints_an_epoch_a_line(solver, capsys):
    problem = Problem()
    history = problem.train(solver(), max_iter=2, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1] == (
        f"Iteration 2, loss = {history.loss:.8f}, "
        f"gradient norm = {history.grad_norm_curve[1]:.4g}"
    )
    problem, data, validation = split_problem()
    problem.train(
        data=data, validation=validation, early_stopping=True, max_iter=1, verbose=True
    )
    line = capsys.readouterr().out
    assert ", validation loss = " in line and ", validation score = -" in line
    assert line.count("\n") == 1


def test_history_is_copied():
    problem = Problem()
    first = problem.train(max_iter=2)
    curve = first.loss_curve.copy()
    second = problem.train(max_iter=3, history=first)
    assert first.loss_curve == curve == second.loss_curve[:2]
    assert first.n_iter == 2 and second.n_iter == 3
    assert np.isnan(History().loss)


# With the recurrent network.


def recurrent_problem(n_seqs=40, dtype=np.float32, **options):
    """Tell by the sign of the sum of the first feature, over all steps."""
    problem = Problem(n_seqs, n_classes=2)
    problem.y = np.array([int(x[:, 0].sum() > 0) for x in problem.X])
    options = {"hidden_layer_sizes": (7,)} | options
    sizes = options.pop("hidden_layer_sizes")
    problem.network = make_network(N_IN, sizes, 1, dtype=dtype, **options)
    problem.theta = problem.network.initialize(np.random.RandomState(0))
    return problem


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("solver", SOLVERS)
def test_recurrent_network_learns(cell, solver):
    problem = recurrent_problem(cell=cell)
    solver = {"adam": Adam(0.03), "sgd": SGD(0.1), "lbfgs": LBFGS()}[solver]
    problem.train(solver, max_iter=100, alpha=1e-3)
    data = problem.data()
    batch, y, _ = data.batch(data.used, np.float32)
    assert np.all((problem.network.forward(batch)[:, 0] > 0) == y)
    assert problem.total_loss() < 0.2


@pytest.mark.parametrize("solver", [Adam, SGD, LBFGS])
def test_threads_and_instruction_sets_change_no_bit(solver):
    dropout = 0.0 if solver is LBFGS else 0.25
    thetas, curves = [], []
    for isa in _recurrence.available_isas():
        for n_threads in (1, 2, 3):
            problem = recurrent_problem(
                bidirectional=True, dropout=dropout, recurrent_dropout=dropout
            )
            previous = _recurrence.use_isa(isa)
            try:
                history = problem.train(
                    solver(),
                    n_threads=n_threads,
                    alpha=0.1,
                    max_grad_norm=0.1,
                    validation=problem.data(slice(0, 10)),
                )
            finally:
                _recurrence.use_isa(previous)
            thetas.append(problem.theta)
            curves.append(history)
    for theta, history in zip(thetas, curves, strict=True):
        assert np.array_equal(theta, thetas[0])
        assert history == curves[0]


def test_gradient_of_the_recurrent_network():
    problem = recurrent_problem(dtype=np.float64, cell="lstm", pooling="attention")
    alpha, theta = 0.3, problem.theta.copy()
    data = problem.data()
    value = problem.total_loss(alpha)
    history = problem.train(
        SGD(1.0, momentum=0.0), alpha=alpha, max_iter=1, batch_size=40
    )
    assert history.loss == pytest.approx(value, rel=1e-13)
    gradient = theta - problem.theta
    for direction in np.random.RandomState(0).normal(size=(5, len(theta))):
        around = []
        for step in (-1e-5, 1e-5):
            problem.theta = theta + step * direction
            around.append(problem.total_loss(alpha, data))
        expected = (around[1] - around[0]) / 2e-5
        assert gradient @ direction == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_exploding_relu_diverges_with_an_error(dropout):
    problem = recurrent_problem(
        cell="rnn", activation="relu", dropout=dropout, hidden_layer_sizes=(7, 7)
    )
    before = problem.theta.copy()
    with pytest.raises(ValueError, match="Training diverged: .* learning_rate_init"):
        problem.train(SGD(1e30), max_iter=20)
    assert np.array_equal(problem.theta, before)
