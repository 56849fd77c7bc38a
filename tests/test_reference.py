"""The oracle itself, against torch.nn and finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gradcheck import numerical_gradient
from outside import TorchNetwork, import_oracle
from reference import ReferenceNetwork, random_parameters, random_sequences

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]
POOLINGS = ["last", "mean", "max", "attention", "joined"]

cells = pytest.mark.parametrize(("cell", "activation"), CELLS)


def assert_same(actual, desired, rtol):
    """Differences at most ``rtol`` of the largest magnitude."""
    scale = np.max(np.abs(desired), initial=1e-300)
    assert_allclose(actual, desired, rtol=0, atol=rtol * scale)


def problem(seed, lengths=(4, 1, 6, 2), n_in=2, sizes=(3, 2), n_out=2, **kwargs):
    rng = np.random.default_rng(seed)
    network = ReferenceNetwork(n_in, sizes, n_out, **kwargs)
    params = random_parameters(network, rng)
    X = random_sequences(rng, lengths, n_in)
    return network, params, X, rng.normal(size=(len(X), n_out)), rng


def dropout_masks(network, X, rng, rate=0.4):
    def mask(*shape):
        return (rng.uniform(size=shape) >= rate) / (1 - rate)

    D = len(network.directions)
    masks = {"pooled": mask(len(X), D * network.sizes[-1])}
    for k, n_units in enumerate(network.sizes):
        for d in network.directions:
            masks[f"layer{k}{d}.U"] = mask(len(X), n_units)
        if k < len(network.sizes) - 1:
            masks[f"layer{k}"] = [mask(len(x), D * n_units) for x in X]
    return masks


@cells
@pytest.mark.parametrize(
    ("pooling", "bidirectional", "dropout"),
    [
        ("last", False, False),
        ("last", True, True),
        ("mean", True, False),
        ("max", True, True),
        ("attention", False, True),
        ("attention", True, False),
        ("joined", True, False),
    ],
)
def test_gradients(cell, activation, bidirectional, pooling, dropout):
    network, params, X, draw, rng = problem(
        1, lengths=(1, 3), sizes=(2, 2), cell=cell, activation=activation,
        bidirectional=bidirectional, pooling=pooling,
    )  # fmt: skip
    masks = dropout_masks(network, X, rng) if dropout else {}

    def loss():
        return np.sum(draw * network.forward(params, X, masks))

    loss()
    grads, dX = network.backward(draw)
    assert grads.keys() == params.keys()
    for name, value in params.items():
        assert_allclose(grads[name], numerical_gradient(loss, value), atol=1e-10)
    for x, dx in zip(X, dX, strict=True):
        assert_allclose(dx, numerical_gradient(loss, x), atol=1e-10)


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sizes", [(5,), (4, 4), (3, 5, 2)])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_torch(cell, activation, bidirectional, sizes, pooling):
    network, params, X, draw, _ = problem(
        2, lengths=(7, 1, 12, 7, 2), n_in=3, sizes=sizes, cell=cell,
        activation=activation, bidirectional=bidirectional, pooling=pooling,
    )  # fmt: skip
    other = TorchNetwork(network, params, cell, activation)
    assert_same(network.forward(params, X), other.forward(X), 1e-13)
    for h, other_h in zip(network.hidden, other.hidden, strict=True):
        assert_same(h, other_h, 1e-13)
    grads, dX = network.backward(draw)
    other_grads, other_dX = other.backward(draw)
    assert grads.keys() == other_grads.keys()
    for name in grads:
        assert_same(grads[name], other_grads[name], 1e-12)
    for dx, other_dx in zip(dX, other_dX, strict=True):
        assert_same(dx, other_dx, 1e-12)


@cells
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bptt_steps", [1, 3, 4])
def test_truncated_torch(cell, activation, bidirectional, bptt_steps):
    """The states of each stretch start as those of the last one, detached."""
    torch = import_oracle("torch")
    network, params, X, draw, _ = problem(
        3, lengths=(8, 1, 11, 3), sizes=(4,), cell=cell, activation=activation,
        bidirectional=bidirectional, bptt_steps=bptt_steps,
    )  # fmt: skip
    network.forward(params, X)
    grads, dX = network.backward(draw)
    other = TorchNetwork(network, params, cell, activation)

    # One module with one direction for each of ours, on a reversed copy if need be.
    def detach(states):
        if isinstance(states, tuple):
            return tuple(s.detach() for s in states)
        return states if states is None else states.detach()

    halves = {}
    for d in network.directions:
        renamed = {f"layer0.{k}": params[f"layer0{d}.{k}"] for k in ("W", "U", "b")} | {
            k: params[k] for k in ("head.W", "head.b")
        }
        one = ReferenceNetwork(2, (4,), 2, cell=cell, activation=activation)
        halves[d] = TorchNetwork(one, renamed, cell, activation)
    x_tensors = [torch.tensor(x, requires_grad=True) for x in X]
    raw = []
    for x in x_tensors:
        ends = []
        for d, half in halves.items():
            steps, states = (x.flip(0) if d else x), None
            first = len(x) % bptt_steps or bptt_steps
            for stretch in [
                steps[:first],
                *torch.split(steps[first:], bptt_steps),
            ]:
                if len(stretch):
                    out, states = half.modules[0](stretch, detach(states))
            ends.append(out[-1])
        raw.append(torch.cat(ends) @ other.others["head.W"] + other.others["head.b"])
    torch.stack(raw).backward(torch.tensor(draw))
    for d, half in halves.items():
        (place,) = half.places
        for name, value in half._layer_gradients(*place).items():
            name = name.replace("layer0", f"layer0{d}")
            assert_same(grads[name], value, 1e-12)
    for dx, x in zip(dX, x_tensors, strict=True):
        assert_same(dx, x.grad.numpy(), 1e-12)


@cells
def test_truncation_longer_than_the_sequences_changes_nothing(cell, activation):
    gradients = []
    for bptt_steps in (None, 6):
        network, params, X, draw, _ = problem(
            4, cell=cell, activation=activation, bidirectional=True,
            bptt_steps=bptt_steps,
        )  # fmt: skip
        network.forward(params, X)
        gradients.append(network.backward(draw))
    for name, value in gradients[0][0].items():
        assert np.array_equal(value, gradients[1][0][name])


@cells
def test_recurrent_mask_scales_rows_of_U(cell, activation):
    network, params, X, _, rng = problem(
        5, lengths=(6,), sizes=(4,), cell=cell, activation=activation
    )
    mask = rng.choice([0.0, 1.5], size=(1, 4))
    masked = network.forward(params, X, {"layer0.U": mask})
    params["layer0.U"] = params["layer0.U"] * mask[0][:, None]
    other = TorchNetwork(network, params, cell, activation)
    assert_same(masked, other.forward(X), 1e-13)
