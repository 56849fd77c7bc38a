import math

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from cases import ISAS, instruction_set
from skrnn import _elementary
from skrnn.solvers import (
    LBFGS,
    PLANNED,
    SCHEDULES,
    SGD,
    SOLVERS,
    Adam,
    gradient_norm,
)

DTYPES = [np.float32, np.float64]
STOCHASTIC = {
    "adam": lambda **options: Adam(0.03, **options),
    "sgd": lambda **options: SGD(0.03, momentum=0.8, **options),
    "plain": lambda **options: SGD(0.03, nesterovs_momentum=False, **options),
}


def gradients(n_steps, n=101, dtype=np.float64, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.normal(size=n).astype(dtype) for _ in range(n_steps)]


def run(solver, grads, scale=1.0):
    theta = np.linspace(-1, 1, len(grads[0])).astype(grads[0].dtype)
    for grad in grads:
        solver.step(theta, grad, scale)
    return theta


# Steps.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "solver, peer",
    [
        (Adam(0.02), lambda p: AdamOptimizer(p, 0.02)),
        (
            Adam(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
            lambda p: AdamOptimizer(p, 0.1, 0.5, 0.9, 1e-3),
        ),
        (SGD(0.02), lambda p: SGDOptimizer(p, 0.02)),
        (SGD(0.02, momentum=0.0), lambda p: SGDOptimizer(p, 0.02, momentum=0.0)),
        (
            SGD(0.02, momentum=0.7, nesterovs_momentum=False),
            lambda p: SGDOptimizer(p, 0.02, momentum=0.7, nesterov=False),
        ),
    ],
)
def test_steps_are_those_of_scikit_learn(solver, peer, dtype):
    solver.set_state({})
    theta = np.linspace(-1, 1, 101).astype(dtype)
    expected = [theta.copy()]
    peer = peer(expected)
    for grad in gradients(50, dtype=dtype):
        solver.step(theta, grad)
        peer.update_params(expected, [grad])
        np.testing.assert_allclose(
            theta, expected[0], rtol=0, atol=100 * np.finfo(dtype).eps
        )


def test_steps_by_hand():
    theta, grad = np.array([1.0]), np.array([4.0])
    adam = Adam(0.1, epsilon=0.0)
    adam.step(theta, grad)  # the first step is the learning rate, whatever the gradient
    assert theta[0] == pytest.approx(0.9, rel=1e-12)
    adam.step(theta, -grad)
    m, v = (0.9 * 0.1 * 4 - 0.1 * 4), (0.999 * 0.001 + 0.001) * 16
    step = 0.1 * (m / (1 - 0.9**2)) / math.sqrt(v / (1 - 0.999**2))
    assert theta[0] == pytest.approx(0.9 - step, rel=1e-12)

    theta = np.array([1.0])
    sgd = SGD(0.5, momentum=0.5, nesterovs_momentum=False)
    for expected in (1 - 2, 1 - 2 - 3, 1 - 2 - 3 - 3.5):
        sgd.step(theta, grad)
        assert theta[0] == expected
    theta = np.array([1.0])
    sgd = SGD(0.5, momentum=0.5)
    for expected in (1 - 3, 1 - 3 - 3.5, 1 - 3 - 3.5 - 3.75):
        sgd.step(theta, grad)
        assert theta[0] == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", ISAS)
def test_a_step_of_adam_has_the_bits_of_numpy(isa, dtype):
    b1, b2, eps, by = (dtype(value) for value in (0.9, 0.999, 1e-8, 0.25))
    c1, c2 = dtype(1 - 0.9), dtype(1 - 0.999)
    theta = np.linspace(-1, 1, 101).astype(dtype)
    expected, m, v = theta.copy(), np.zeros(101, dtype), np.zeros(101, dtype)
    adam = Adam(0.01)
    with instruction_set(isa):
        for t, grad in enumerate(gradients(5, dtype=dtype), 1):
            adam.step(theta, grad, 0.25)
            g = by * grad
            m, v = b1 * m + c1 * g, b2 * v + c2 * (g * g)
            root = math.sqrt(1 - math.prod([0.999] * t))
            rate = dtype(0.01 * (root / (1 - math.prod([0.9] * t))))
            expected -= rate * m / (np.sqrt(v) + eps)
            assert np.array_equal(theta, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_scale_multiplies_the_gradient(name, dtype):
    grads = gradients(5, dtype=dtype)
    scaled = run(STOCHASTIC[name](), grads, 0.25)
    expected = run(STOCHASTIC[name](), [grad / 4 for grad in grads])
    assert np.array_equal(scaled, expected)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_elements_do_not_touch_each_other(name):
    # So the vectorised loop and its tail give the same bits.
    grads = gradients(5, n=37, dtype=np.float32)
    together = run(STOCHASTIC[name](), grads)
    for n in (1, 3, 8, 36):
        solver, theta = STOCHASTIC[name](), np.linspace(-1, 1, 37).astype(np.float32)
        part = theta[:n].copy()
        for grad in grads:
            solver.step(part, grad[:n].copy())
        assert np.array_equal(part, together[:n])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STOCHASTIC)
def test_moments_do_not_stay_denormal(name, dtype):
    solver, theta = STOCHASTIC[name](), np.zeros(20, dtype)
    tiny = np.finfo(dtype).tiny
    solver.step(theta, np.full(20, 30 * tiny, dtype))
    for _ in range(100):
        solver.step(theta, np.zeros(20, dtype))
        for moment in solver.get_state().values():
            if moment.shape == theta.shape:
                assert np.all((moment == 0) | (np.abs(moment) >= tiny))
    assert not (solver.first_moment if name == "adam" else solver.velocity).any()


@pytest.mark.parametrize("name", STOCHASTIC)
def test_sizes_are_checked(name):
    solver, theta = STOCHASTIC[name](), np.zeros(5)
    with pytest.raises(ValueError, match="5 parameters, a gradient of 4"):
        solver.step(theta, np.zeros(4))
    solver.step(theta, theta.copy())
    with pytest.raises(ValueError, match="6 parameters.*solver.s state of 5"):
        solver.step(np.zeros(6), np.zeros(6))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_quadratic_is_minimised(name):
    solver = STOCHASTIC[name](learning_rate="invscaling", power_t=0.3)
    theta, target = np.zeros(3), np.array([1.0, -2.0, 0.5])
    for step in range(2000):
        solver.step(theta, (theta - target) * [1.0, 3.0, 0.3])
        solver.set_time(step, 0.0)
    np.testing.assert_allclose(theta, target, atol=1e-3)


# State.


@pytest.mark.parametrize("name", STOCHASTIC)
def test_state_continues(name):
    grads = gradients(7)
    expected = run(STOCHASTIC[name](), grads)
    first = STOCHASTIC[name]()
    theta = run(first, grads[:4])
    state = first.get_state()
    assert all(isinstance(array, np.ndarray) for array in state.values())
    run(first, grads)  # a state is a copy
    second = STOCHASTIC[name]()
    second.set_state(state)
    for grad in grads[4:]:
        second.step(theta, grad)
    assert np.array_equal(theta, expected)

    second.set_state({})
    assert np.array_equal(run(second, grads), expected)


# Learning rates.


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_constant_and_inverse_scaling(name):
    solver = STOCHASTIC[name]()
    for t in (0, 10, 1000):
        solver.set_time(t, 0.5)
        assert solver.learning_rate == 0.03
    solver = STOCHASTIC[name](learning_rate="invscaling", power_t=0.4)
    assert solver.learning_rate == 0.03
    peer = SGDOptimizer([], 0.03, "invscaling", power_t=0.4)
    for t in (1, 10, 1000, 123456789):
        solver.set_time(t, 0.5)
        peer.iteration_ends(t)
        assert solver.learning_rate == pytest.approx(peer.learning_rate, rel=1e-14)
    assert solver.stall()


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_adaptive_divides_by_five_until_it_is_tiny(name):
    solver = STOCHASTIC[name](learning_rate="adaptive")
    peer = SGDOptimizer([], 0.03, "adaptive")
    n_stalls = 0
    while not (stopped := solver.stall()):
        n_stalls += 1
        assert not peer.trigger_stopping("", False)
        assert solver.learning_rate == pytest.approx(peer.learning_rate, rel=1e-14)
    assert stopped and peer.trigger_stopping("", False)
    assert n_stalls == 7

    other = STOCHASTIC[name](learning_rate="adaptive")
    other.set_state(solver.get_state())
    assert other.learning_rate == solver.learning_rate


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_linear_falls_to_nearly_zero(name):
    solver = STOCHASTIC[name](learning_rate="linear")
    assert solver.learning_rate == 0.03
    for progress, factor in [(0.0, 1.0), (0.25, 0.75), (0.99, 0.01), (1.0, 1e-3)]:
        solver.set_time(12345, progress)  # however many sequences that is
        assert solver.learning_rate == pytest.approx(0.03 * factor, rel=1e-12)
    assert solver.stall()
    solver.set_state(solver.get_state())
    assert solver.learning_rate == 0.03


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_only_the_linear_learning_rate_counts_on_all_epochs(schedule):
    for name in ("adam", "sgd"):
        solver = STOCHASTIC[name](learning_rate=schedule)
        assert solver.planned == (schedule == "linear")


def test_tables():
    assert SOLVERS == {"adam": Adam, "sgd": SGD, "lbfgs": LBFGS}
    assert set(SCHEDULES) == {"constant", "invscaling", "adaptive", "linear"}
    assert set(SCHEDULES) > PLANNED


# Norms and the penalty.


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1000])
def test_norm(n, dtype):
    grad = gradients(1, n=n, dtype=dtype)[0]
    expected = np.linalg.norm(grad.astype(float))
    assert gradient_norm(grad) == pytest.approx(expected, rel=1e-14)


def test_norm_of_extremes():
    assert gradient_norm(np.full(4, 1e38, np.float32)) == pytest.approx(2e38)
    assert gradient_norm(np.full(4, 1e300)) == pytest.approx(2e300)
    assert gradient_norm(np.array([1.0, np.inf])) == np.inf
    assert math.isnan(gradient_norm(np.array([1.0, np.nan])))
    assert not math.isfinite(gradient_norm(np.array([np.inf, np.nan])))


@pytest.mark.parametrize("dtype", DTYPES)
def test_decay(dtype):
    theta, grad = gradients(2, n=50, dtype=dtype)
    before = grad.copy()
    spans = np.array([[2, 19], [20, 20], [30, 50]])
    square = _elementary.add_decay(theta, grad, spans, 0.5)
    weights = np.r_[2:19, 30:50]
    assert square == pytest.approx((theta[weights].astype(float) ** 2).sum(), rel=1e-14)
    before[weights] += dtype(0.5) * theta[weights]
    assert np.array_equal(grad, before)


# L-BFGS.


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def minimize(objective, start, max_fun=15000, max_iter=1000, tol=1e-8, stop_at=None):
    path = []

    def on_iteration(x, value):
        path.append((x.copy(), value))
        if len(path) == stop_at:
            raise StopIteration

    found = LBFGS(max_fun=max_fun).minimize(
        objective, start, max_iter=max_iter, tol=tol, on_iteration=on_iteration
    )
    return found, path


def test_lbfgs_finds_the_minimum():
    found, path = minimize(rosenbrock, np.zeros(6))
    assert found.reason == "converged"
    assert found.n_iter == len(path)
    np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
    assert np.array_equal(found.x, path[-1][0])
    values = [value for _, value in path]
    assert values == [rosen(x) for x, _ in path]
    assert values == sorted(values, reverse=True)


def test_lbfgs_says_why_it_ends():
    assert minimize(rosenbrock, np.zeros(6), max_iter=3)[0].reason == "max_iter"
    assert minimize(rosenbrock, np.zeros(6), max_fun=5)[0].reason == "max_fun"
    assert len(minimize(rosenbrock, np.zeros(6), stop_at=4)[1]) == 4
    # A gradient that points up.
    climbing = minimize(lambda x: (x @ x, -2 * x), np.ones(3))
    assert climbing[0].reason == "abnormal"


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_lbfgs_steps_back_from_what_is_not_finite(bad):
    beyond = []

    def objective(x):
        if x.min() <= 0:
            beyond.append(x)
            return bad, np.full_like(x, bad)
        return np.sum(x - np.log(x)), 1 - 1 / x

    start = np.array([30.0, 3.0])
    found, _ = minimize(objective, start)
    assert beyond
    np.testing.assert_allclose(found.x, 1.0, atol=1e-5)

    found, path = minimize(lambda x: (bad, x), start)
    assert found.reason == "not finite"
    assert not path


def test_lbfgs_lets_errors_through():
    def objective(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(objective, np.zeros(2))
