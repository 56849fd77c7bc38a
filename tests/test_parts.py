"""Parts and losses from outside the package: nothing inside had to change for them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import pack
from gradcheck import numerical_gradient
from skrnn.losses import SquaredError
from skrnn.network import POOLINGS, Network, NetworkSpec, PassOptions
from skrnn.network.layout import Layout, zeros
from skrnn.network.pooling import EveryStep
from skrnn.solvers import Adam
from skrnn.training import Data, Trainer, TrainingOptions
from toy_parts import ChainLoss, StepByStep, SumPooling, TokenTable

LENGTHS = (3, 1, 5, 2)
N_TOKENS = 6


def token_batch(dtype=np.float64, seed=0):
    """A packed batch of sequences of tokens."""
    rng = np.random.default_rng(seed)
    batch = pack([np.zeros((n, 1)) for n in LENGTHS], np.dtype(dtype))
    batch.ids = rng.integers(N_TOKENS, size=(len(batch.x), 1)).astype(np.int32)
    return batch


def make_spec(**options):
    options = {"cell": "gru", "dtype": "float64"} | options
    return NetworkSpec(1, (4, 3), 1, **options)


def check_gradient(spec, loss, batch, targets, weight, **passes):
    """Compare all gradients with finite differences."""
    network = Network(spec, loss, PassOptions(**passes))
    theta = np.random.default_rng(1).normal(size=network.n_params) / 2

    def value(grad=None):
        network.load(theta)
        return network.add_gradient(
            loss,
            batch,
            targets,
            weight,
            np.zeros_like(theta) if grad is None else grad,
            share=0.7,
            random_state=np.random.RandomState(0),
            n_threads=1,
        )

    grad = np.zeros_like(theta)
    assert value(grad) == pytest.approx(value(), rel=1e-14)
    if not passes:
        whole = network.value(loss, batch, targets, weight)
        assert value() == pytest.approx(0.7 * whole, rel=1e-12)
    assert_allclose(grad, numerical_gradient(value, theta), rtol=1e-6, atol=1e-9)
    return network, grad


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_pooling_from_outside(bidirectional):
    batch = pack([np.random.default_rng(n).normal(size=(n, 1)) for n in LENGTHS], float)
    spec = make_spec(pooling=SumPooling, bidirectional=bidirectional)
    y = np.random.default_rng(2).normal(size=(len(LENGTHS), 1))
    check_gradient(spec, SquaredError(1), batch, y, np.arange(1.0, 5))
    mean = Network(make_spec(pooling="mean", bidirectional=bidirectional))
    total = Network(spec)
    theta = total.initialize(np.random.RandomState(0))
    for network in (mean, total):
        network.load(theta)
    head = total.views(theta)["head.b"]
    by_mean = (mean.forward(batch) - head) * batch.lengths[:, np.newaxis]
    assert_allclose(total.forward(batch) - head, by_mean, rtol=1e-12)


@pytest.mark.parametrize("pooling", [StepByStep, EveryStep])
@pytest.mark.parametrize("passes", [{}, {"dropout": 0.3, "recurrent_dropout": 0.2}])
def test_tokens_steps_and_a_loss_with_parameters(pooling, passes):
    batch = token_batch()
    spec = make_spec(input=lambda: TokenTable(N_TOKENS, 5), pooling=pooling)
    rng = np.random.default_rng(3)
    y, weight = rng.normal(size=(len(batch.ids), 1)), rng.uniform(size=len(batch.ids))
    network, grad = check_gradient(spec, ChainLoss(), batch, y, weight, **passes)
    views = network.views(grad)
    assert list(views)[0] == "table.W" and list(views)[-1] == "chain.carry"
    assert all(view.any() for view in views.values())


def test_parts_from_outside_are_trained():
    """The sum of a token's table entries is learned from a target for each step."""
    batch = token_batch()
    values = np.linspace(-1, 1, N_TOKENS)
    targets = values[batch.ids]

    class Examples(Data):
        used, mean_weight = np.arange(4), len(targets) / 4

        def batch(self, indices, dtype):
            return batch, targets, np.ones(len(targets))

        def blocks(self):
            yield self.used

        def weight_of(self, indices):
            return np.ones(len(indices))

    loss = ChainLoss()
    spec = make_spec(input=lambda: TokenTable(N_TOKENS, 5), pooling=StepByStep)
    network = Network(spec, loss)
    theta = network.initialize(np.random.RandomState(0))
    options = TrainingOptions(max_iter=150, batch_size=4, tol=0.0)
    solver = Adam(0.03, learning_rate="linear")
    trainer = Trainer(network, loss, solver, options, np.random.RandomState(0))
    history = trainer.fit(theta, Examples())
    assert history.loss_curve[-1] < 0.01 * history.loss_curve[0]
    assert network.views(theta)["chain.carry"] != 0


def test_a_spec_tells_what_a_network_has():
    spec = make_spec(input=lambda: TokenTable(N_TOKENS, 5), pooling="attention")
    names = [slot.name for slot in spec.layout(ChainLoss()).slots]
    assert names == [
        "table.W",
        *(f"layer{k}.{letter}" for k in range(2) for letter in "WUb"),
        "attention.q",
        "head.W",
        "head.b",
        "chain.carry",
    ]
    assert [layer.n_in for (layer,) in spec.layers()] == [5, 4]
    assert spec.n_pooled == 3
    assert "attention" in make_spec(pooling="attention").can_step
    assert make_spec(pooling=StepByStep).can_step is True
    assert "this kind of pooling" in make_spec(pooling=SumPooling).can_step
    assert "this kind of input" in make_spec(input=lambda: TokenTable(2, 3)).can_step
    assert all(name in POOLINGS for name in ("last", "mean", "max", "attention"))


def test_a_name_stands_for_one_parameter():
    layout = Layout()
    layout.add("a", (2, 3), zeros)
    with pytest.raises(ValueError, match="already a parameter called 'a'"):
        layout.add("a", (1,), zeros)
    slot = layout.add("b", (4,), zeros, penalized=False)
    assert (slot, slot.start, slot.stop) == (1, 6, 10)
    assert layout.penalized_spans().tolist() == [[0, 6]]
    assert layout.bind(np.arange(10.0))[slot].tolist() == [[6, 7, 8, 9]]
