"""The oracle: the networks of skrnn in plain NumPy, float64, one sequence at a time.

It is written from the equations and kept slow and obvious, so that a disagreement
with the compiled kernels is theirs to explain. Nothing here comes from skrnn.

A cell is two functions of one step of one sequence: ``step`` returns the new states
(the first one is the output) and what its gradient needs; ``step_back`` takes the
gradient of the new states, adds to the gradients of W, U and b, and returns the
gradients of the input and of the old states. ``mask`` is the recurrent dropout of
the sequence: it multiplies the old output in the product with U, and only there.
"""

import numpy as np


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


class RNN:
    """h = f(x W + h' U + b), with f = tanh or relu."""

    n_states = 1
    n_gates = 1
    n_biases = 1

    def __init__(self, activation):
        self.relu = {"tanh": False, "relu": True}[activation]

    def step(self, x, states, mask, p):
        (h_prev,) = states
        hm = h_prev * mask
        z = x @ p["W"] + hm @ p["U"] + p["b"]
        h = np.maximum(z, 0) if self.relu else np.tanh(z)
        return (h,), (x, hm, z, h)

    def step_back(self, dstates, cache, mask, p, grads):
        (dh,) = dstates
        x, hm, z, h = cache
        dz = dh * (z > 0) if self.relu else dh * (1 - h**2)
        grads["W"] += np.outer(x, dz)
        grads["U"] += np.outer(hm, dz)
        grads["b"] += dz
        return p["W"] @ dz, ((p["U"] @ dz) * mask,)


class LSTM:
    """i, f, o = sigmoid, g = tanh of x W + h' U + b; c = f c' + i g; h = o tanh(c).

    Columns of W, U and b: i, f, g, o.
    """

    n_states = 2
    n_gates = 4
    n_biases = 4

    def step(self, x, states, mask, p):
        h_prev, c_prev = states
        hm = h_prev * mask
        zi, zf, zg, zo = np.split(x @ p["W"] + hm @ p["U"] + p["b"], 4)
        i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        return (h, c), (x, hm, c_prev, i, f, g, o, c)

    def step_back(self, dstates, cache, mask, p, grads):
        dh, dc = dstates
        x, hm, c_prev, i, f, g, o, c = cache
        tanh_c = np.tanh(c)
        do = dh * tanh_c
        dc = dc + dh * o * (1 - tanh_c**2)
        di, df, dg = dc * g, dc * c_prev, dc * i
        dz = np.concatenate(
            [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
        )
        grads["W"] += np.outer(x, dz)
        grads["U"] += np.outer(hm, dz)
        grads["b"] += dz
        return p["W"] @ dz, ((p["U"] @ dz) * mask, dc * f)


class GRU:
    """Reset after the product: n = tanh(x Wn + bn + r (h' Un + bhn)).

    r and z = sigmoid of x W + h' U + b; h = (1 - z) n + z h'.
    Columns of W and U: r, z, n. Entries of b: r, z, n, hn.
    """

    n_states = 1
    n_gates = 3
    n_biases = 4

    def step(self, x, states, mask, p):
        (h_prev,) = states
        hm = h_prev * mask
        xr, xz, xn = np.split(x @ p["W"], 3)
        hr, hz, hn = np.split(hm @ p["U"], 3)
        br, bz, bn, bhn = np.split(p["b"], 4)
        r = sigmoid(xr + hr + br)
        z = sigmoid(xz + hz + bz)
        a = hn + bhn
        n = np.tanh(xn + bn + r * a)
        h = (1 - z) * n + z * h_prev
        return (h,), (x, hm, h_prev, r, z, a, n)

    def step_back(self, dstates, cache, mask, p, grads):
        (dh,) = dstates
        x, hm, h_prev, r, z, a, n = cache
        dn = dh * (1 - z) * (1 - n**2)  # before the tanh, as dr and dz below
        dr = dn * a * r * (1 - r)
        dz = dh * (h_prev - n) * z * (1 - z)
        da = dn * r
        dx_part = np.concatenate([dr, dz, dn])
        dh_part = np.concatenate([dr, dz, da])
        grads["W"] += np.outer(x, dx_part)
        grads["U"] += np.outer(hm, dh_part)
        grads["b"] += np.concatenate([dr, dz, dn, da])
        return p["W"] @ dx_part, ((p["U"] @ dh_part) * mask + dh * z,)


def make_cell(cell, activation="tanh"):
    return {"rnn": lambda: RNN(activation), "lstm": LSTM, "gru": GRU}[cell]()


def run_direction(cell, x, p, mask, reverse):
    """Outputs of all steps, in the order of time, and the caches as processed."""
    n_units = len(p["U"])
    hs, caches = np.empty((len(x), n_units)), []
    states = (np.zeros(n_units),) * cell.n_states
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        states, cache = cell.step(x[t], states, mask, p)
        hs[t] = states[0]
        caches.append(cache)
    return hs, caches


def run_direction_back(cell, dhs, caches, mask, p, grads, reverse, bptt_steps=None):
    """Gradient of the inputs; ``grads`` are added to.

    With ``bptt_steps`` = k nothing flows from the processed step s to s - 1 where
    n_steps - s is a multiple of k, so that the last k steps are never cut.
    """
    n_steps = len(dhs)
    n_units = len(p["U"])
    dx = np.empty((n_steps, len(p["W"])))
    dstates = (np.zeros(n_units),) * cell.n_states
    for s in reversed(range(n_steps)):
        t = n_steps - 1 - s if reverse else s
        dstates = (dstates[0] + dhs[t], *dstates[1:])
        dx[t], dstates = cell.step_back(dstates, caches[s], mask, p, grads)
        if bptt_steps and (n_steps - s) % bptt_steps == 0:
            dstates = (np.zeros(n_units),) * cell.n_states
    return dx


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


JOINED = ("last", "mean", "max")  # what "joined" is


def pool(h, pooling, n_units, q=None):
    """(n_steps, n_directions * n_units) -> one vector."""
    if pooling == "last":
        # The reverse direction ends at step 0.
        return np.concatenate([h[-1, :n_units], h[0, n_units:]])
    if pooling == "mean":
        return h.mean(axis=0)
    if pooling == "max":
        return h.max(axis=0)
    if pooling == "joined":
        return np.concatenate([pool(h, each, n_units) for each in JOINED])
    return softmax(h @ q) @ h


def pool_back(dv, h, pooling, n_units, q=None, dq=None):
    dh = np.zeros_like(h)
    if pooling == "last":
        dh[-1, :n_units] = dv[:n_units]
        dh[0, n_units:] = dv[n_units:]
    elif pooling == "mean":
        dh += dv / len(h)
    elif pooling == "max":
        dh[h.argmax(axis=0), np.arange(len(dv))] = dv  # the first of equals
    elif pooling == "joined":
        for each, part in zip(JOINED, np.split(dv, 3), strict=True):
            dh += pool_back(part, h, each, n_units)
    else:
        a = softmax(h @ q)
        da = h @ dv
        dscore = a * (da - a @ da)
        dh += np.outer(a, dv) + np.outer(dscore, q)
        dq += dscore @ h
    return dh


class ReferenceNetwork:
    """Stacked recurrent layers, pooling and a linear head.

    ``params`` and the gradients are dicts named as ``Network.layout``. ``masks`` is
    a dict of what dropout multiplies with, already scaled by 1 / (1 - p):

    - ``"layer0"``: list, one (n_steps, n_directions * n_units) a sequence, on the
      output of layer 0 on its way to layer 1;
    - ``"layer0.U"``, ``"layer0.reverse.U"``: (n_seqs, n_units), recurrent;
    - ``"pooled"``: (n_seqs, n_directions * n_units), before the head.
    """

    def __init__(
        self,
        n_in,
        hidden_layer_sizes,
        n_out,
        *,
        cell="gru",
        activation="tanh",
        bidirectional=False,
        pooling="last",
        bptt_steps=None,
    ):
        self.n_in = n_in
        self.sizes = tuple(hidden_layer_sizes)
        self.n_out = n_out
        self.cell = make_cell(cell, activation)
        self.directions = ("", ".reverse") if bidirectional else ("",)
        self.pooling = pooling
        self.bptt_steps = bptt_steps

    def shapes(self):
        shapes = {}
        n_in, D = self.n_in, len(self.directions)
        for k, n_units in enumerate(self.sizes):
            for d in self.directions:
                shapes[f"layer{k}{d}.W"] = (n_in, self.cell.n_gates * n_units)
                shapes[f"layer{k}{d}.U"] = (n_units, self.cell.n_gates * n_units)
                shapes[f"layer{k}{d}.b"] = (self.cell.n_biases * n_units,)
            n_in = D * n_units
        if self.pooling == "attention":
            shapes["attention.q"] = (n_in,)
        n_pooled = len(JOINED) * n_in if self.pooling == "joined" else n_in
        shapes["head.W"] = (n_pooled, self.n_out)
        shapes["head.b"] = (self.n_out,)
        return shapes

    def part(self, values, name):
        return {k: values[f"{name}.{k}"] for k in ("W", "U", "b")}

    def recurrent_mask(self, masks, name, i, n_units):
        mask = masks.get(f"{name}.U")
        return np.ones(n_units) if mask is None else mask[i]

    def forward(self, params, X, masks=None):
        """Raw output (n_seqs, n_out); ``hidden`` keeps the last layer's outputs."""
        masks = masks or {}
        self.params = {k: np.asarray(v, np.float64) for k, v in params.items()}
        self.X, self.masks = X, masks
        self.caches, self.hidden = [], []
        self.pooled, raw = [], []
        q = self.params.get("attention.q")
        for i, x in enumerate(X):
            x = np.asarray(x, np.float64)
            caches = {}
            for k, n_units in enumerate(self.sizes):
                outputs = []
                for d in self.directions:
                    name = f"layer{k}{d}"
                    hs, caches[name] = run_direction(
                        self.cell,
                        x,
                        self.part(self.params, name),
                        self.recurrent_mask(masks, name, i, n_units),
                        reverse=d != "",
                    )
                    outputs.append(hs)
                h = x = np.concatenate(outputs, axis=1)
                if k < len(self.sizes) - 1 and f"layer{k}" in masks:
                    x = h * masks[f"layer{k}"][i]
            v = pool(h, self.pooling, self.sizes[-1], q)
            if "pooled" in masks:
                v = v * masks["pooled"][i]
            self.caches.append(caches)
            self.hidden.append(h)
            self.pooled.append(v)
            raw.append(v @ self.params["head.W"] + self.params["head.b"])
        return np.array(raw)

    def attention(self):
        """Weights of the steps of each sequence, after ``forward``."""
        return [softmax(h @ self.params["attention.q"]) for h in self.hidden]

    def backward(self, draw):
        """Gradients of sum(draw * raw): (dict of the parameters', list of dX)."""
        params, masks = self.params, self.masks
        grads = {name: np.zeros(shape) for name, shape in self.shapes().items()}
        dX = []
        for i in range(len(self.X)):
            grads["head.W"] += np.outer(self.pooled[i], draw[i])
            grads["head.b"] += draw[i]
            dv = params["head.W"] @ draw[i]
            if "pooled" in masks:
                dv = dv * masks["pooled"][i]
            dh = pool_back(
                dv,
                self.hidden[i],
                self.pooling,
                self.sizes[-1],
                params.get("attention.q"),
                grads.get("attention.q"),
            )
            for k, n_units in reversed(list(enumerate(self.sizes))):
                if k < len(self.sizes) - 1 and f"layer{k}" in masks:
                    dh = dh * masks[f"layer{k}"][i]
                dx = 0
                for j, d in enumerate(self.directions):
                    name = f"layer{k}{d}"
                    dx = dx + run_direction_back(
                        self.cell,
                        dh[:, j * n_units : (j + 1) * n_units],
                        self.caches[i][name],
                        self.recurrent_mask(masks, name, i, n_units),
                        self.part(params, name),
                        self.part(grads, name),
                        reverse=d != "",
                        bptt_steps=self.bptt_steps,
                    )
                dh = dx
            dX.append(dh)
        return grads, dX


def make_segments(cell, params, h, future):
    """Outputs of one sequence whose last state is ``h``, segment by segment.

    Each segment is one step of the cell ``segment`` from ``h``, and from zeros where
    the cell has more states, with its own input, a row of ``future``, and what the head
    makes of it.
    """
    p = {k: np.asarray(params[f"segment.{k}"], np.float64) for k in ("W", "U", "b")}
    outputs = []
    for x in future:
        states = (h,) + (np.zeros(len(h)),) * (cell.n_states - 1)
        (h_new, *_), _ = cell.step(x, states, np.ones(len(h)), p)
        outputs.append(h_new @ params["head.W"] + params["head.b"])
    return np.concatenate(outputs)


def random_parameters(reference, rng, scale=1.0):
    """Normal parameters, weights of variance ``scale**2`` / fan-in."""
    return {
        name: rng.normal(size=shape)
        * scale
        / np.sqrt(shape[0] if len(shape) > 1 else 4)
        for name, shape in reference.shapes().items()
    }


def random_sequences(rng, lengths, n_in, scale=1.0):
    return [rng.normal(size=(n_steps, n_in)) * scale for n_steps in lengths]
