"""Oracles from outside: torch, onnx, onnxruntime, jiwer, sacrebleu and others."""

import importlib
import os
import warnings

import numpy as np
import pytest


def import_oracle(name):
    """Import a package that a user need not have.

    The tests skip where it is missing, but fail if ``SKRNN_REQUIRE_PARITY=1``.
    """
    with warnings.catch_warnings():
        # Deprecations inside these packages are not ours to mend, nor are their sums:
        # ONNX computes its test cases while it is imported.
        for category in (DeprecationWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        if os.environ.get("SKRNN_REQUIRE_PARITY") == "1":
            module = importlib.import_module(name)
        else:
            module = pytest.importorskip(name)
    if name == "torch":
        # Networks of tests are small: more threads mostly wait for each other.
        module.set_num_threads(1)
    return module


def onnx_session(model, check=True):
    """Check a model, and return a session of ONNX Runtime with one thread."""
    if check:
        import_oracle("onnx").checker.check_model(model, full_check=True)
    runtime = import_oracle("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run_onnx(model, feed):
    """What a model, or a session of it, gives by name."""
    session = model if hasattr(model, "run") else onnx_session(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


class TorchNetwork:
    """The same network of float64 ``torch.nn`` modules with the same weights.

    Layers of one size make one stacked module, others a chain of modules. A module
    has two biases where skrnn has one: the weight is split over them at random, but
    for the n gate of the GRU, where ``b_ih`` is n and ``b_hh`` is hn.
    """

    def __init__(self, reference, params, cell, activation, seed=0):
        self.torch = torch = import_oracle("torch")
        self.reference = reference
        self.gru = cell == "gru"
        module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
        kwargs = {"nonlinearity": activation} if cell == "rnn" else {}
        sizes = reference.sizes
        stacked = len(set(sizes)) == 1
        D = len(reference.directions)
        n_ins = [reference.n_in] + [D * n_units for n_units in sizes[:-1]]
        self.modules = [
            module[cell](
                n_in,
                n_units,
                num_layers=len(sizes) if stacked else 1,
                bidirectional=D == 2,
                dtype=torch.float64,
                **kwargs,
            )
            for n_in, n_units in zip(n_ins, sizes, strict=True)
        ]
        if stacked:
            self.modules = self.modules[:1]
        # (module, suffix of its parameters' names, our layer's name)
        self.places = [
            (
                self.modules[0 if stacked else k],
                f"l{k if stacked else 0}{'_reverse' if d else ''}",
                f"layer{k}{d}",
            )
            for k in range(len(sizes))
            for d in reference.directions
        ]
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for module, suffix, name in self.places:
                W, U, b = (params[f"{name}.{k}"] for k in ("W", "U", "b"))
                n_units = len(U)
                share = rng.normal(size=W.shape[1])
                if self.gru:
                    share[2 * n_units :] = b[3 * n_units :]
                    b_ih = b[: 3 * n_units] - share
                    b_ih[2 * n_units :] = b[2 * n_units : 3 * n_units]
                else:
                    b_ih = b - share
                for kind, value in (
                    ("weight_ih", W.T),
                    ("weight_hh", U.T),
                    ("bias_ih", b_ih),
                    ("bias_hh", share),
                ):
                    parameter = getattr(module, f"{kind}_{suffix}")
                    parameter.copy_(torch.tensor(np.array(value, np.float64)))
        self.others = {
            name: torch.tensor(np.array(params[name], np.float64), requires_grad=True)
            for name in ("attention.q", "head.W", "head.b")
            if name in params
        }

    def forward(self, X):
        """Raw output; ``hidden`` keeps a list of (n_steps, n_units)."""
        torch = self.torch
        self.x = [torch.tensor(np.array(x, np.float64), requires_grad=True) for x in X]
        packed = torch.nn.utils.rnn.pack_sequence(self.x, enforce_sorted=False)
        for module in self.modules:
            packed, last = module(packed)
        h_n = last[0] if isinstance(last, tuple) else last
        hidden, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, True)
        hidden = [h[:n] for h, n in zip(hidden, lengths, strict=True)]
        pooling = self.reference.pooling
        poolings = {
            "last": torch.cat(list(h_n[-len(self.reference.directions) :]), dim=1),
            "mean": torch.stack([h.mean(0) for h in hidden]),
            "max": torch.stack([h.amax(0) for h in hidden]),
        }
        if pooling == "joined":
            pooled = torch.cat(list(poolings.values()), dim=1)
        elif pooling in poolings:
            pooled = poolings[pooling]
        else:
            q = self.others["attention.q"]
            pooled = torch.stack([torch.softmax(h @ q, 0) @ h for h in hidden])
        self.raw = pooled @ self.others["head.W"] + self.others["head.b"]
        self.hidden = [h.detach().numpy() for h in hidden]
        return self.raw.detach().numpy()

    def backward(self, draw):
        """(gradients of the parameters in our layout, list of dX)."""
        self.raw.backward(self.torch.tensor(np.array(draw, np.float64)))
        grads = {name: p.grad.numpy() for name, p in self.others.items()}
        for module, suffix, name in self.places:
            grads.update(self._layer_gradients(module, suffix, name))
        return grads, [x.grad.numpy() for x in self.x]

    def _layer_gradients(self, module, suffix, name):
        dW, dU, db_ih, db_hh = (
            getattr(module, f"{kind}_{suffix}").grad.numpy()
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        db = db_ih
        if self.gru:
            n_units = len(db) // 3
            db = np.concatenate([db_ih, db_hh[2 * n_units :]])
        return {f"{name}.W": dW.T, f"{name}.U": dU.T, f"{name}.b": db}
