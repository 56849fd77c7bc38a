import mpmath
import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.neural_network import _base as mlp

from skrnn import _elementary
from skrnn.losses import LogLoss, MultilabelLogLoss, SquaredError, TokenLogLoss

LOSSES = {
    "binary": LogLoss(2),
    "multinomial": LogLoss(5),
    "multilabel": MultilabelLogLoss(3),
    "one target": SquaredError(1),
    "targets": SquaredError(4),
}


def problem(name, n=7, seed=0, dtype=np.float64, scale=2.0):
    """Targets, raw outputs and weights for one of the losses."""
    rng = np.random.RandomState(seed)
    loss = LOSSES[name]
    raw = (scale * rng.normal(size=(n, loss.n_out))).astype(dtype)
    if isinstance(loss, LogLoss):
        y = rng.randint(loss.n_classes, size=n).astype(np.intp)
    elif isinstance(loss, MultilabelLogLoss):
        y = rng.randint(2, size=raw.shape).astype(float)
    else:
        y = rng.normal(size=raw.shape)
    return loss, y, raw, rng.uniform(0.1, 3.0, size=n)


# Elementary functions, against 30 digits.


def ulps(function, exact, x):
    """The largest error in units of the last place of the exact value."""
    largest = 0.0
    for value in x:
        with mpmath.workdps(40):
            true = exact(mpmath.mpf(float(value)))
            error = abs(mpmath.mpf(function(float(value))) - true)
            largest = max(largest, float(error / np.spacing(abs(float(true)))))
    return largest


@pytest.mark.parametrize(
    "low, high", [(-1, 1), (-40, 40), (-708, 709.78), (-745.1, -708), (-1e-9, 1e-9)]
)
def test_exp_is_right_to_an_ulp(low, high):
    x = np.random.RandomState(0).uniform(low, high, 3000)
    assert ulps(_elementary.exp, mpmath.exp, x) < 1.0


@pytest.mark.parametrize("low, high", [(-0.5, 0.5), (-5, 5), (-1074, 1023.9)])
def test_log_is_right_to_an_ulp(low, high):
    x = 2.0 ** np.random.RandomState(0).uniform(low, high, 3000)
    assert ulps(_elementary.log, mpmath.log, x) < 1.0


@pytest.mark.parametrize("low, high", [(-1, 1), (-60, 60), (-1074, 1023.9)])
def test_log1p_is_right_to_two_ulps(low, high):
    x = 2.0 ** np.random.RandomState(0).uniform(low, high, 3000)
    assert ulps(_elementary.log1p, mpmath.log1p, x) < 2.0


def test_power_is_close_to_the_true_one():
    for x in [1.0, 2.0, 17.0, 3e5, 1e12]:
        for y in [-2.0, -0.5, 0.25, 1.0]:
            assert _elementary.power(x, y) == pytest.approx(x**y, rel=1e-14)


@pytest.mark.parametrize(
    "function, x, expected",
    [
        ("exp", 0.0, 1.0),
        ("exp", -0.0, 1.0),
        ("exp", 5e-324, 1.0),
        ("exp", np.inf, np.inf),
        ("exp", -np.inf, 0.0),
        ("exp", np.nan, np.nan),
        ("exp", 709.79, np.inf),
        ("exp", 1e300, np.inf),
        ("exp", -745.13, 5e-324),
        ("exp", -745.14, 0.0),
        ("exp", -1e300, 0.0),
        ("log", 1.0, 0.0),
        ("log", 0.0, -np.inf),
        ("log", -0.0, -np.inf),
        ("log", -1.0, np.nan),
        ("log", -np.inf, np.nan),
        ("log", np.inf, np.inf),
        ("log", np.nan, np.nan),
        ("log1p", 0.0, 0.0),
        ("log1p", 5e-324, 5e-324),
        ("log1p", 1e-310, 1e-310),
        ("log1p", 1e-20, 1e-20),
        ("log1p", np.inf, np.inf),
        ("log1p", np.nan, np.nan),
    ],
)
def test_elementary_functions_at_their_ends(function, x, expected):
    assert np.array_equal(getattr(_elementary, function)(x), expected, equal_nan=True)


def test_sums_have_one_order():
    # Eight lanes, each in order, then the lanes in order.
    x = np.random.RandomState(0).normal(size=1003).astype(np.float32)
    lanes = np.zeros(8)
    for i, square in enumerate(x.astype(float) ** 2):
        lanes[i % 8] += square
    expected = 0.0
    for lane in lanes:
        expected += lane
    assert _elementary.sum_of_squares(x) == expected
    assert _elementary.sum_of_squares(x[:0]) == 0.0


# Values and gradients.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_the_value(name, weighted):
    loss, y, raw, weight = problem(name)
    weight = weight if weighted else None
    gradient = loss.value_and_gradient(y, raw, weight)[1]
    step = 1e-5
    for index in np.ndindex(raw.shape):
        around = []
        for sign in (-1, 1):
            moved = raw.copy()
            moved[index] += sign * step
            around.append(loss.value(y, moved, weight))
        difference = (around[1] - around[0]) / (2 * step)
        assert gradient[index] == pytest.approx(difference, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3, 9])
def test_log_loss_is_that_of_scikit_learn(n_classes):
    rng = np.random.RandomState(1)
    loss = LogLoss(n_classes)
    raw = rng.normal(size=(50, loss.n_out))
    y, weight = rng.randint(n_classes, size=50).astype(np.intp), rng.rand(50)
    proba = loss.predict_proba(raw)
    for w in (None, weight):
        expected = log_loss(y, proba, sample_weight=w, labels=range(n_classes))
        assert loss.value(y, raw, w) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_values_are_those_of_mlp(name):
    loss, y, raw, _ = problem(name)
    if isinstance(loss, SquaredError):
        expected = mlp.squared_loss(y, raw)
    elif name == "multinomial":
        expected = mlp.log_loss(np.eye(5)[y], loss.predict_proba(raw))
    else:
        target = y.reshape(raw.shape)
        expected = mlp.binary_log_loss(target, 1 / (1 + np.exp(-raw)))
    assert loss.value(y, raw) == pytest.approx(expected, rel=1e-14)


def test_squared_error_is_half_the_mean():
    loss, y, raw, weight = problem("targets")
    expected = 0.5 * mean_squared_error(y, raw, sample_weight=weight)
    assert loss.value(y, raw, weight) == pytest.approx(expected, rel=1e-14)
    value, gradient = SquaredError(2).value_and_gradient(
        np.array([[1.0, 2.0]]), np.array([[4.0, 0.0]])
    )
    assert value == (9 + 4) / 4
    assert gradient.tolist() == [[1.5, -1.0]]


def test_values_by_hand():
    value, gradient = LogLoss(2).value_and_gradient(
        np.array([1, 0]), np.log([[3.0], [1.0]]), np.array([2.0, 1.0])
    )
    assert value == pytest.approx((2 * np.log(4 / 3) + np.log(2)) / 3)
    np.testing.assert_allclose(gradient, [[-2 / 3 / 4], [1 / 3 / 2]])

    value, gradient = LogLoss(3).value_and_gradient(
        np.array([2]), np.log([[1.0, 2.0, 5.0]])
    )
    assert value == pytest.approx(np.log(8 / 5))
    np.testing.assert_allclose(gradient, [[1 / 8, 2 / 8, -3 / 8]])

    value, gradient = MultilabelLogLoss(2).value_and_gradient(
        np.array([[1.0, 0.0]]), np.log([[3.0, 3.0]])
    )
    assert value == pytest.approx(np.log(4 / 3) + np.log(4))
    np.testing.assert_allclose(gradient, [[-1 / 4, 3 / 4]])


def test_two_classes_agree_with_one_output_or_two():
    raw = np.random.RandomState(0).normal(size=(6, 1))
    y = np.array([0, 1, 1, 0, 1, 0])
    value, gradient = LogLoss(2).value_and_gradient(y, raw)
    other, both = np.empty((6, 2)), np.hstack([np.zeros_like(raw), raw])
    expected = _elementary.multinomial_loss(y, both, np.ones(6), other, np.empty(2))
    assert value == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(gradient[:, 0], other[:, 1], rtol=1e-14)
    np.testing.assert_allclose(gradient[:, 0], -other[:, 0], rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_tokens", [1, 2, 15, 16, 17, 65, 1100])
def test_outputs_of_tokens_are_replaced_by_their_gradient(n_tokens, dtype):
    rng = np.random.RandomState(n_tokens)
    raw = (3 * rng.normal(size=(5, n_tokens))).astype(dtype)
    raw[1] *= 30  # exponentials that vanish
    y, weight = rng.randint(n_tokens, size=5), np.array([1.0, 0.5, 0, 2, 1])
    wide = np.full((5, -(-n_tokens // 16) * 16), np.nan, dtype)
    wide[:, :n_tokens] = raw
    value = TokenLogLoss(n_tokens).replace(y, wide, weight, 0.5)

    exact = raw.astype(np.float64)
    expected = np.zeros_like(exact)
    of_rows = _elementary.multinomial_loss(
        y, exact, weight, expected, np.empty(n_tokens)
    )
    accuracy = 1e-6 if dtype == "float32" else 1e-13
    assert value == pytest.approx(of_rows / 2, rel=accuracy, abs=accuracy)
    np.testing.assert_allclose(wide[:, :n_tokens], expected / 2, atol=accuracy)
    assert not wide[:, n_tokens:].any()


def test_outputs_of_other_losses_are_replaced_too():
    loss, y, raw, _ = problem("binary")
    wide = np.zeros((len(raw), 16))
    wide[:, :1] = raw
    weight = np.arange(1.0, len(raw) + 1)
    value, gradient = loss.value_and_gradient(y, raw, weight, share=0.5)
    assert loss.replace(y, wide, weight, 0.5) == value
    np.testing.assert_array_equal(wide[:, :1], gradient)
    assert not wide[:, 1:].any()


# Weights.


@pytest.mark.parametrize("name", LOSSES)
def test_weight_two_is_twice_and_zero_is_absent(name):
    loss, y, raw, _ = problem(name)
    weight = np.array([1.0, 2.0, 0.0, 1.0, 3.0, 0.0, 1.0])
    times = weight.astype(int)
    value, gradient = loss.value_and_gradient(y, raw, weight)
    repeated, by_copy = loss.value_and_gradient(
        y.repeat(times, 0), raw.repeat(times, 0)
    )
    assert value == pytest.approx(repeated, rel=1e-14)
    by_row = [by_copy[times[:i].sum() :][: times[i]].sum(axis=0) for i in range(7)]
    np.testing.assert_allclose(gradient, by_row, rtol=1e-13)

    kept = weight > 0
    raw[~kept] = np.nan
    value, gradient = loss.value_and_gradient(y, raw, weight)
    absent = loss.value_and_gradient(y[kept], raw[kept], weight[kept])
    assert value == absent[0]
    assert np.array_equal(gradient[kept], absent[1])
    assert not gradient[~kept].any()


@pytest.mark.parametrize("name", LOSSES)
def test_no_weights_are_weights_of_one(name):
    loss, y, raw, _ = problem(name)
    value, gradient = loss.value_and_gradient(y, raw)
    again, same = loss.value_and_gradient(y, raw, np.ones(7))
    assert value == again
    assert np.array_equal(gradient, same)


# Extreme outputs.


@pytest.mark.parametrize("big", [40.0, 800.0, 1e4, 1e30])
def test_log_loss_is_exact_for_extreme_outputs(big):
    right, wrong = np.array([[big, 0, -big]]), np.array([[-big, big, 0]])
    loss, y = LogLoss(3), np.array([0])
    value, gradient = loss.value_and_gradient(y, wrong)
    assert value == 2 * big
    np.testing.assert_allclose(gradient, [[-1, 1, 0]], atol=1e-17)
    value, gradient = loss.value_and_gradient(y, right)
    tiny = float(mpmath.exp(-big))
    assert value == pytest.approx(tiny, rel=1e-14)
    np.testing.assert_allclose(gradient, [[-tiny, tiny, 0]], rtol=1e-14, atol=tiny**2)

    for loss, one, zero in [
        (LogLoss(2), np.array([1]), np.array([0])),
        (MultilabelLogLoss(1), np.array([[1.0]]), np.array([[0.0]])),
    ]:
        for y, sign in [(one, 1), (zero, -1)]:
            value, gradient = loss.value_and_gradient(y, np.array([[sign * big]]))
            assert value == pytest.approx(tiny, rel=1e-14)
            assert gradient[0, 0] == pytest.approx(-sign * tiny, rel=1e-14)
            value, gradient = loss.value_and_gradient(y, np.array([[-sign * big]]))
            assert value == big
            assert gradient[0, 0] == -sign


@pytest.mark.parametrize("name", ["binary", "multinomial", "multilabel"])
def test_probabilities(name):
    loss, _, raw, _ = problem(name, n=40, scale=30.0)
    proba, log_proba = loss.predict_proba(raw), loss.predict_log_proba(raw)
    for index, p in np.ndenumerate(proba):
        row = [mpmath.mpf(z) for z in raw[index[0]]]
        if name == "multinomial":
            true = mpmath.exp(row[index[1]]) / mpmath.fsum(map(mpmath.exp, row))
        else:
            z = row[0] if name == "binary" else row[index[1]]
            z = -z if name == "binary" and index[1] == 0 else z
            true = 1 / (1 + mpmath.exp(-z))
        assert p == pytest.approx(float(true), rel=1e-15 * len(row) + 5e-16)
        assert log_proba[index] == pytest.approx(float(mpmath.log(true)), rel=1e-14)
    if name != "multilabel":
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)

    extreme = np.full_like(raw, -1e4)
    extreme[:, 0] = 1e4
    assert set(np.unique(loss.predict_proba(extreme))) == {0.0, 1.0}
    assert np.isfinite(loss.predict_log_proba(extreme)).all()


@pytest.mark.parametrize("name", ["binary", "multinomial", "multilabel"])
def test_probabilities_of_a_row_depend_on_nothing_else(name):
    loss, _, raw, _ = problem(name, n=40, dtype=np.float32)
    for predict in (loss.predict_proba, loss.predict_log_proba):
        together = predict(raw)
        for i in range(40):
            assert np.array_equal(predict(raw[i : i + 1])[0], together[i])
        assert np.array_equal(predict(raw[::-1].copy()), together[::-1])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_outputs_are_seen(name, bad):
    for column in range(LOSSES[name].n_out):
        loss, y, raw, _ = problem(name)
        raw[:, column] = bad
        assert not np.isfinite(loss.value(y, raw))


# Types and shapes.


@pytest.mark.parametrize("name", LOSSES)
def test_float32_outputs_are_treated_in_double(name):
    loss, y, raw, weight = problem(name, dtype=np.float32)
    raw.flags.writeable = y.flags.writeable = weight.flags.writeable = False
    value, gradient = loss.value_and_gradient(y, raw, weight)
    same, in_double = loss.value_and_gradient(y, raw.astype(float), weight)
    assert value == same
    assert gradient.dtype == np.float32
    assert np.array_equal(gradient, in_double.astype(np.float32))


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_are_checked(name):
    loss, y, raw, weight = problem(name)
    wider = np.hstack([raw, raw])
    for arguments in [
        (y[:-1], raw, weight),
        (y, raw[:-1], weight),
        (y, raw, weight[:-1]),
        (y, wider, weight),
        (np.zeros(wider.shape), raw, weight),
    ]:
        with pytest.raises(ValueError, match=f"A loss of {loss.n_out} outputs"):
            loss.value_and_gradient(*arguments)


def test_outputs():
    assert [loss.n_out for loss in LOSSES.values()] == [1, 5, 3, 1, 4]
    assert [loss.out_activation for loss in LOSSES.values()] == [
        "logistic",
        "softmax",
        "logistic",
        "identity",
        "identity",
    ]
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        LogLoss(1)
