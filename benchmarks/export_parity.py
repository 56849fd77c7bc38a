"""How far ONNX Runtime and PyTorch are from the estimators they were given.

    python benchmarks/export_parity.py [--units 32] [--seqs 64] [--longest 200]

For each cell, depth, direction and pooling, a classifier with random weights predicts
ragged sequences: here, in ONNX Runtime by `to_onnx` from batches padded with NaN, in
ONNX Runtime one step at a time by `to_onnx(streaming=True)`, and in PyTorch from the
weights of `to_torch`. The tables have the largest differences of a probability, over
all sequences (of streams: over all steps of the first ones) and segment lengths.

For each cell, depth and loss, forecasters with random weights forecast ragged panels
with gaps, some of them longer than a window, and series of two targets with covariates
of all kinds and a calendar, from origins of all sorts: here, and in ONNX Runtime. That
table has the largest differences of forecasts and quantiles, in units of the standard
deviation of their histories. Nothing is timed.
"""

import argparse
import itertools
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier, SequenceForecaster
from skrnn.export import onnx_initial_state, onnx_inputs, to_onnx, to_torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fitted import set_fields, set_theta, theta_of  # noqa: E402

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]
POOLINGS = ["last", "mean", "max", "attention"]
LOSSES = ["squared_error", "absolute_error", "quantile"]
DTYPES = ["float32", "float64"]
DEPTHS = [1, 2, 3]
HORIZON, WINDOW = 24, 50


def options():
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--seqs", type=int, default=64)
    parser.add_argument("--longest", type=int, default=200)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--segment-length", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--forecasts-only", action="store_true")
    return parser.parse_args()


def make_model(X, y, **parameters):
    """Return a fitted classifier with random weights of the size of trained ones."""
    model = RNNClassifier(max_iter=1, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=theta_of(model).shape) / np.sqrt(
        parameters["hidden_layer_sizes"][0]
    )
    set_theta(model, (theta_of(model) + noise).astype(theta_of(model).dtype))
    return model


def start(model):
    """Return a session of one thread, of a model that passes the checker."""
    onnx.checker.check_model(model, full_check=True)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )


def in_batches(model, X):
    """Return the largest difference of ONNX Runtime on padded batches."""
    lengths = np.array([len(x) for x in X])
    padded = np.full((len(X), lengths.max() + 1, X[0].shape[1]), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    session = start(to_onnx(model))
    label, proba = session.run(None, {"X": padded, "sequence_lens": lengths})
    expected = model.predict_proba(X)
    # A tie within the difference may go either way.
    sure = np.sort(expected)[:, -2] < expected.max(axis=1) - 1e-4
    assert np.array_equal(label[sure], model.predict(X)[sure])
    return abs(proba - expected).max()


def in_steps(model, X):
    """Return the largest difference of ONNX Runtime one step at a time."""
    exported = to_onnx(model, streaming=True)
    session, largest = start(exported), 0.0
    for x in X:
        state = onnx_initial_state(exported)
        stream = model.stream(method="predict_proba")
        for step in x:
            feed = {"X": step[np.newaxis], **state}
            _, proba, *after = session.run(None, feed)
            state = dict(zip(state, after, strict=True))
            largest = max(largest, abs(proba - stream.step(step)).max())
    return largest


def in_torch(model, X):
    """Return the largest difference of modules of torch with the same weights."""
    mapping = {name: torch.from_numpy(a) for name, a in to_torch(model).items()}
    structure = model._pack()["_structure"]
    kinds = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    dtype = getattr(torch, structure["dtype"])
    keywords = {"bidirectional": structure["bidirectional"], "dtype": dtype}
    if kinds[structure["cell"]] is torch.nn.RNN:
        keywords["nonlinearity"] = structure["activation"]
    sizes = structure["hidden_layer_sizes"]
    n_in = mapping["rnn.weight_ih_l0"].shape[1]
    rnn = kinds[structure["cell"]](n_in, sizes[0], len(sizes), **keywords)
    rnn.load_state_dict(
        {k.removeprefix("rnn."): v for k, v in mapping.items() if k[:4] == "rnn."}
    )
    k = model.segment_length_
    segments = []
    for x in X:
        x = (torch.from_numpy(x) - mapping["input_mean"]) / mapping["input_scale"]
        x = torch.cat([x, x[-1:].expand(-len(x) % k, -1)])
        segments.append(x.reshape(-1, n_in).to(dtype))
    packed = torch.nn.utils.rnn.pack_sequence(segments, enforce_sorted=False)
    with torch.no_grad():
        packed, last = rnn(packed)
        h, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        if structure["pooling"] == "last":
            last = last[0] if isinstance(last, tuple) else last
            pooled = torch.cat([*last[-1 - structure["bidirectional"] :]], dim=1)
        else:
            rows = [row[:n] for row, n in zip(h, lengths, strict=True)]
            pooled = torch.stack([pool(r, structure, mapping) for r in rows])
        raw = pooled @ mapping["head.weight"].T + mapping["head.bias"]
        proba = torch.softmax(raw.double(), 1).numpy()
    return abs(proba - model.predict_proba(X)).max()


def pool(states, structure, mapping):
    """Return the pooled states of a sequence."""
    if structure["pooling"] == "mean":
        return states.mean(0)
    if structure["pooling"] == "max":
        return states.amax(0)
    weights = torch.softmax(states @ mapping["attention.weight"][0], 0)
    return weights @ states


def main():
    """Print a table for each way out."""
    args = options()
    if not args.forecasts_only:
        for name, table in of_sequences(args).items():
            print_table(name, table, POOLINGS)
    print_table("ONNX Runtime, forecasts", of_forecasts(args), LOSSES)


def of_sequences(args):
    """Return a table of classifiers for each way out."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, args.longest + 1, size=args.seqs)
    lengths[:2] = 1, args.longest
    spread, mean = [1.0, 20.0, 0.1, 1e-3], [0.0, 1000.0, -4.0, 0.0]
    X = [rng.normal(size=(n, 4)) * spread + mean for n in lengths]
    y = np.arange(args.seqs) % 5
    ways = {
        "ONNX Runtime, ragged batches": (in_batches, X),
        "ONNX Runtime, step by step": (in_steps, X[: args.streams]),
        "PyTorch, packed sequences": (in_torch, X),
    }
    tables = {}
    for (
        cell,
        activation,
    ), depth, bidirectional, dtype, pooling, segment_length in itertools.product(
        CELLS, DEPTHS, [False, True], DTYPES, POOLINGS, args.segment_length
    ):
        model = make_model(
            X,
            y,
            cell=cell,
            activation=activation,
            hidden_layer_sizes=(args.units,) * depth,
            bidirectional=bidirectional,
            dtype=dtype,
            pooling=pooling,
            segment_length=segment_length,
        )
        for name, (function, sequences) in ways.items():
            if function is in_steps and (bidirectional or pooling == "attention"):
                continue
            direction = "both" if bidirectional else "forward"
            what = f"{cell} {activation}" if cell == "rnn" else cell
            row = what, depth, direction, dtype
            table = tables.setdefault(name, {}).setdefault(row, {})
            found = function(model, sequences)
            table[pooling] = max(table.get(pooling, 0.0), found)
    return tables


def of_forecasts(args):
    """Return the table of forecasters."""
    rng = np.random.default_rng(0)
    panel, series = make_panel(rng), make_series(rng)
    table = {}
    for (cell, activation), depth, dtype, loss in itertools.product(
        CELLS, DEPTHS, DTYPES, LOSSES
    ):
        what = f"{cell} {activation}" if cell == "rnn" else cell
        network = {
            "cell": cell,
            "activation": activation,
            "hidden_layer_sizes": (args.units,) * depth,
            "dtype": dtype,
            "loss": loss,
        }
        largest = 0.0
        for segment_length, normalize in itertools.product(
            args.segment_length, ["last", "mean"]
        ):
            options = {"segment_length": segment_length, "normalize": normalize}
            for function, data in ((panels, panel), (rows, series)):
                largest = max(largest, function(data, **network, **options))
        table.setdefault((what, depth, "forward", dtype), {})[loss] = largest
    return table


def make_panel(rng):
    """Return ragged series with a season, of many scales, with gaps."""
    panel = []
    for i, n in enumerate(rng.integers(80, 200, size=8)):
        y = rng.normal(size=n).cumsum() + 5 * np.sin(np.arange(n) * 2 * np.pi / 7)
        y[rng.random(n) < 0.1 * (i % 5)] = np.nan
        panel.append(y * 10.0 ** (i % 4) + 100 * i)
        panel[-1][[0, -1]] = 100 * i
    return panel


def make_series(rng, n=400):
    """Return covariates and two targets that follow them, with gaps."""
    index = pd.date_range("2024-02-20", periods=n, freq="h")
    X = rng.normal(size=(n, 3)) * [1, 20, 0.1] + [0, 1e5, -4]
    X[rng.random(X.shape) < 0.1] = np.nan
    X = pd.DataFrame(X, columns=["wind", "steps", "price"], index=index)
    X["kind"] = pd.Categorical(rng.choice(["a", "b", "c"], n))
    X["site"] = 7.0
    y = rng.normal(size=(n, 2)).cumsum(axis=0) * [3, 0.01] + [1e4, 0]
    y += np.nan_to_num(X[["wind"]].to_numpy()) * [5, 0.1]
    y[rng.random(y.shape) < 0.2] = np.nan
    return X, y


def make_forecaster(X, y=None, **options):
    """Return a fitted forecaster with random weights, all of which count."""
    forecaster = SequenceForecaster(
        HORIZON, window=WINDOW, max_iter=1, random_state=0, **options
    ).fit(X, y)
    rng = np.random.default_rng(1)
    set_fields(forecaster, gate_=rng.random(HORIZON))
    units = options["hidden_layer_sizes"][0]
    noise = rng.normal(size=theta_of(forecaster).shape) / (2 * np.sqrt(units))
    set_theta(
        forecaster, (theta_of(forecaster) + noise).astype(theta_of(forecaster).dtype)
    )
    return forecaster


def panels(panel, **options):
    """Return the largest difference for a panel, and histories of all lengths."""
    forecaster = make_forecaster(panel, **options)
    others = [y[: len(y) - n] for y in panel for n in (0, 3, 50, 79)]
    silent = [np.concatenate([y[:30], np.full(2 * WINDOW, np.nan)]) for y in panel]
    return compare(forecaster, [([*others, *panel, *silent], {})])


def rows(series, **options):
    """Return the largest difference for a series, from many origins in it."""
    X, y = series
    known = ["wind", "kind"] if options["normalize"] == "last" else "auto"
    forecaster = make_forecaster(X[:300], y[:300], known_future=known, **options)
    calls = [(X[300 : 300 + HORIZON], {}), (None, {})]
    for start, stop in ((0, 300), (100, 330), (290, 300), (40, 41 + WINDOW)):
        past = y[start:stop].copy()
        calls.append(
            (X[stop : stop + HORIZON], {"y_past": past, "X_past": X[start:stop]})
        )
        past = past.copy()
        past[3], past[-WINDOW - 5 :, 1][4:] = 1.0, np.nan
        calls.append(
            (X[stop : stop + HORIZON], {"y_past": past, "X_past": X[start:stop]})
        )
    return compare(forecaster, calls)


def compare(forecaster, calls):
    """Return the largest difference from `predict` and `predict_quantiles`."""
    session, largest = start(to_onnx(forecaster)), 0.0
    for X, past in calls:
        feed = onnx_inputs(forecaster, X, **past)
        forecast, quantiles = session.run(None, feed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
            unit = np.nanstd(feed["y_past"], axis=1, keepdims=True)
        unit = np.where(unit > 0, unit, forecaster._model.target_scale)
        expected = forecaster.predict(X, **past).reshape(forecast.shape)
        largest = max(largest, abs((forecast - expected) / unit).max())
        expected = forecaster.predict_quantiles(X, **past).reshape(quantiles.shape)
        largest = max(largest, abs((quantiles - expected) / unit[..., None]).max())
    return largest


def print_table(name, table, columns):
    """Print the largest differences, a row for each network."""
    columns = [c for c in columns if any(c in row for row in table.values())]
    print(f"\n{name}\n")
    print(f"{'cell':10}{'layers':>7}  {'direction':10}{'dtype':9}", end="")
    print("".join(f"{column:>16}" for column in columns))
    for (cell, depth, direction, dtype), row in table.items():
        figures = "".join(f"{row[column]:16.1e}" for column in columns)
        print(f"{cell:10}{depth:7}  {direction:10}{dtype:9}{figures}")
    for dtype in DTYPES:
        rows = [row.values() for key, row in table.items() if key[-1] == dtype]
        print(f"largest, {dtype}: {max(map(max, rows)):.1e}")


if __name__ == "__main__":
    main()
