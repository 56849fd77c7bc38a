"""A part from outside the package is one registered function in ONNX, too."""

import numpy as np
import pytest

from cases import pack
from outside import import_oracle, onnx_session
from skrnn.export.onnx.graph import Graph, Lengths
from skrnn.export.onnx.parts import FittedNetwork, Run, alive, converts, run_network
from skrnn.network import Network, NetworkSpec
from skrnn.network.pooling import EveryStep
from toy_parts import SumPooling, TokenTable

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")

LENGTHS = np.array([5, 3, 2, 1])
N_TOKENS = 6


@converts(SumPooling)
def pool_sum(g, pooling, network, states, run):
    """Add the sum over the steps."""
    return g.reduce("ReduceSum", alive(g, network, states.y, run), 0)


@converts(TokenTable)
def read_tokens(g, table, network, run):
    """Add the rows of the table, (n_steps, n_seqs, n_columns)."""
    return g("Gather", network.values[table._table], run.x)


def compute(spec, theta, x):
    """What ONNX Runtime makes of padded x, (n_steps, n_seqs[, n_in])."""
    g, network = Graph(18), FittedNetwork(spec, theta)
    lengths = Lengths(g, "lengths", g("Squeeze", g.size("x", 0), np.array([0])))
    raw = run_network(g, network, Run("x", lengths))
    g("Identity", raw, output="raw")
    helper = onnx.helper
    feed = {"x": x, "lengths": LENGTHS}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feed.items()
    ]
    kind = helper.np_dtype_to_tensor_dtype(network.dtype)
    output = helper.make_tensor_value_info("raw", kind, None)
    graph = helper.make_graph(g.nodes, "toy", inputs, [output], g.initializers)
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(
        graph,
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
    )
    return onnx_session(model, check=False).run(None, feed)[0]  # it says no shape


def padded(batch, rows):
    """Packed rows as an array (n_steps, n_seqs, ...), 0 after the end."""
    out = np.zeros((len(batch.n_active), *np.shape(LENGTHS), *rows.shape[1:]))
    for t, n in enumerate(batch.n_active):
        out[t, :n] = rows[batch.offset[t] : batch.offset[t] + n]
    return out.astype(rows.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", [SumPooling, EveryStep])
@pytest.mark.parametrize("tokens", [False, True])
def test_parts_from_outside(dtype, bidirectional, pooling, tokens):
    rng = np.random.default_rng(0)
    batch = pack([rng.normal(size=(n, 2)) for n in LENGTHS], np.dtype(dtype))
    batch.ids = rng.integers(N_TOKENS, size=(len(batch.x), 1)).astype(np.int32)
    more = {"input": lambda: TokenTable(N_TOKENS, 5)} if tokens else {}
    spec = NetworkSpec(
        2, (4, 3), 2, cell="lstm", bidirectional=bidirectional, pooling=pooling,
        dtype=dtype, **more,
    )  # fmt: skip
    network = Network(spec)
    theta = rng.normal(size=network.n_params).astype(dtype)
    network.load(theta)
    expected = network.forward(batch)
    x = padded(batch, batch.ids[:, 0] if tokens else batch.x)
    actual = compute(spec, theta, x)
    if pooling is EveryStep:
        alive = np.arange(len(x))[:, np.newaxis] < LENGTHS
        actual, expected = actual[alive], padded(batch, expected)[alive]
    atol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def test_a_part_that_is_not_registered_is_refused():
    class Other(EveryStep.__mro__[1]):
        def forward(self, states, run):
            return states.joined()

    network = FittedNetwork(NetworkSpec(1, (2,), 1, pooling=Other), np.zeros(1000))
    with pytest.raises(TypeError, match="registered for the kind of part Other"):
        run_network(Graph(18), network, Run("x"))
