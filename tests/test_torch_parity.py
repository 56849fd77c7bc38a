"""The same weights in torch.nn.RNN, LSTM and GRU, in float64."""

import numpy as np
import pytest

from cases import CELLS, DTYPES, POOLINGS, Case, error
from outside import TorchNetwork, import_oracle

import_oracle("torch")

# Forward and gradients, largest error over largest magnitude of each array.
TOLERANCE = {np.float32: (1e-6, 1e-5), np.float64: (1e-13, 1e-12)}

SHAPES = {
    "one": dict(lengths=(1,), n_in=1, sizes=(1,)),
    "small": dict(lengths=(5, 1, 9, 2), n_in=3, sizes=(4,)),
    "ragged": dict(lengths=(40, 7, 13, 1, 2, 40, 29, 30), n_in=12, sizes=(33,)),
    "stacked": dict(lengths=(11, 4, 1, 20), n_in=5, sizes=(17, 17, 17)),
    "tapered": dict(lengths=(11, 4, 1, 20), n_in=7, sizes=(40, 16, 3)),
    "wide": dict(lengths=(25,) * 16 + (8,) * 7, n_in=32, sizes=(128,)),
    "long": dict(lengths=(300, 3), n_in=1, sizes=(20,)),
}


def draw_as_torch(case):
    """Parameters uniform in +-1 / sqrt(n_units), the head's as the last layer's."""
    rng = np.random.default_rng(0)
    for name, value in case.params.items():
        prefix = name.rpartition(".")[0]
        n_units = len(case.params.get(f"{prefix}.U", case.params["head.W"]))
        value[...] = rng.uniform(-1, 1, value.shape) / np.sqrt(n_units)


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_parity(cell, activation, dtype, bidirectional, shape):
    # Poolings take turns, so that each meets each cell.
    turn = list(SHAPES).index(shape) + CELLS.index((cell, activation))
    pooling = POOLINGS[turn % len(POOLINGS)]
    case = Case(
        20, cell=cell, activation=activation, dtype=dtype, n_out=3,
        bidirectional=bidirectional, pooling=pooling, **SHAPES[shape],
    )  # fmt: skip
    draw_as_torch(case)
    network = case.network()
    other = TorchNetwork(case.reference, case.params, cell, activation)
    desired = other.forward(case.X)
    forward, backward = TOLERANCE[dtype]
    raw, grad, dX = case.gradients(network)
    assert error(raw, desired) <= forward
    assert error(case.forward(network), desired) <= forward
    for h, other_h in zip(case.hidden_states(network), other.hidden, strict=True):
        assert error(h, other_h) <= forward
    grads, other_dX = other.backward(case.draw)
    views = network.views(grad)
    assert views.keys() == grads.keys()
    for name, value in grads.items():
        assert error(views[name], value) <= backward, name
    assert error(np.concatenate(dX), np.concatenate(other_dX)) <= backward
