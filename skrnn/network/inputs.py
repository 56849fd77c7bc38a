"""Inputs: what a network makes of a batch before its first layer."""

import numpy as np

from skrnn._embedding import (
    IdIndex,
    distinct_pairs,
    gather,
    row_factors,
    sum_by_id,
)
from skrnn.network.parts import Part, SharedRows

__all__ = ["Input", "NumbersInput", "TokenInput", "auto_embedding_size"]

# Rows are shared if a batch has at most so many distinct ones for each of its rows, and
# at least so many numbers in all of them: else it is faster to read each row.
SHARED, LEAST = 0.4, 8192


class Input(Part):
    """The way from a packed batch to the rows (n_rows, n_out) of the first layer.

    Attributes
    ----------
    wants_dx : bool
        Whether the input has parameters, so that `backward` is called with the gradient
        of the rows.
    by_row : bool
        Whether a prediction makes each row of the row of the batch alone, so that a
        batch may be read some steps at a time.
    """

    wants_dx = by_row = False
    can_step = "A network with this kind of input cannot follow a stream."

    def forward(self, run):
        """Return the rows of a pass, (n_rows, n_out), or `SharedRows`."""
        raise NotImplementedError

    def backward(self, dx, g, run):
        """Add to the gradients `g` of the parameters.

        dx is (n_rows, n_out), or of SharedRows (n_distinct, n_out).
        """


class NumbersInput(Input):
    """The numbers of the batch as they are; in training with noise and masks, if asked.

    References
    ----------
    Park et al. 2019, "SpecAugment": masks of steps and of features.
    """

    can_step = by_row = True

    def forward(self, run):
        """Return the rows of a pass, (n_rows, n_in)."""
        options, x = self.options, run.batch.x
        noise, masks = options.input_noise, options.time_masks + options.feature_masks
        if not run.training or not (noise or masks):
            return x
        if run.random_state is None:
            raise ValueError("noise and masks need a random_state.")
        x = x.copy()
        if noise:
            x += (noise * normal(run.random_state, x.shape)).astype(x.dtype)
        draw = run.random_state.random_sample
        batch, n_seqs = run.batch, len(run.batch.lengths)
        for first, stop in stretches(batch.lengths, options.time_masks, 10, draw):
            for b in range(n_seqs):
                x[batch.offset[first[b] : stop[b]] + b] = 0
        n_features = np.full(n_seqs, options.n_features)
        rows = [batch.offset[: batch.lengths[b]] + b for b in range(n_seqs)]
        for first, stop in stretches(n_features, options.feature_masks, 4, draw):
            column = np.arange(x.shape[1]) % options.n_channels % options.n_features
            for b in range(n_seqs):
                hidden = np.flatnonzero((column >= first[b]) & (column < stop[b]))
                x[rows[b][:, np.newaxis], hidden] = 0
        return x


def normal(random_state, shape):
    """Draw numbers of nearly normal distribution, the same ones on every machine.

    Each is the sum of four uniform numbers, since NumPy's normal deviates depend on the
    C library.
    """
    size = int(np.prod(shape))
    draws = np.frombuffer(random_state.bytes(8 * size), dtype="<u2").reshape(-1, 4)
    total = draws.astype(np.int64).sum(axis=1) - 2 * 65535
    return (total * (3**0.5 / 65536)).reshape(shape)


def stretches(lengths, n_masks, share, draw):
    """Yield first and last places of stretches of sequences of these lengths.

    Each is drawn between nothing and a `share`-th of the length, but at least one.
    """
    for _ in range(n_masks):
        most = np.maximum(lengths // share, 1)
        width = (draw(len(lengths)) * (most + 1)).astype(np.intp)
        first = (draw(len(lengths)) * (lengths - width + 1)).astype(np.intp)
        yield first, first + width


class TokenInput(Input):
    """The numbers of the batch, and a row of a table for each categorical feature.

    A table has a row per category, and the last row for all that is unknown. A feature
    of the size 0 has no table: its categories are one-hot, and an unknown one is zeros.

    Parameters
    ----------
    n_ids : tuple of int
        Number of ids of each categorical feature, the unknown one included.
    sizes : tuple of int
        Columns of each table; 0 is one-hot.
    bound : float, default=1.0
        The largest first value of a table.
    name : str, default="embedding"
        What the names of the tables begin with, before the number of a feature.

    References
    ----------
    Gal & Ghahramani 2016, "A theoretically grounded application of dropout in recurrent
    neural networks": dropout of whole rows, the same ones at all steps of a sequence.
    """

    can_step = by_row = True

    def __init__(self, n_ids, sizes, bound=1.0, name="embedding"):
        self.n_ids, self.sizes, self._bound = tuple(n_ids), tuple(sizes), bound
        self._name = name

    def declare(self, layout, n_in):
        """Add the tables."""
        self.n_in = self.n_out = n_in
        self.slots, self._columns = [], []
        for j, (n, size) in enumerate(zip(self.n_ids, self.sizes, strict=True)):
            slot = None
            if size:
                # No penalty: rows that no batch has would shrink to nothing.
                slot = layout.add(
                    f"{self._name}{j}.W", (n, size), uniform(self._bound), False
                )
            self.slots.append(slot)
            width = size or n - 1
            self._columns.append(slice(self.n_out, self.n_out + width))
            self.n_out += width
        return self.n_out

    @property
    def wants_dx(self):
        """Whether any table is trained."""
        return any(self.sizes) and not self.options.embedding_frozen

    def build(self, dtype, options):
        """Make the tables of one-hot features."""
        super().build(dtype, options)
        self._tables = [
            None if size else np.eye(n, n - 1, dtype=dtype)
            for n, size in zip(self.n_ids, self.sizes, strict=True)
        ]
        self._index = [IdIndex(n) for n in self.n_ids]

    def table_of(self, j):
        """Return what the first layer reads of each id of a feature."""
        return self._tables[j]

    def load(self, p):
        """Take the tables."""
        for j, slot in enumerate(self.slots):
            if slot is not None:
                self._tables[j] = p[slot]

    def forward(self, run):
        """Return the rows of a pass, (n_rows, n_out), or `SharedRows`."""
        features = [self._read(j, run) for j in range(len(self.n_ids))]
        shared = self._shared(features)
        if shared is None:
            x = self.memory("x", len(run.batch.x), self.n_out)
            x[:, : self.n_in] = run.batch.x
            self._kept = [(found, factor) for _, found, factor in features]
            for j, (_, found, factor) in enumerate(features):
                self._gather(j, found.ids[found.inverse], factor, x)
            return x
        # The distinct rows are treated as the rows of a small batch.
        first = shared.order[shared.starts[:-1]]
        x = self.memory("x", len(first), self.n_out)
        self._kept = []
        for j, (ids, _, factor) in enumerate(features):
            factor = None if factor is None else factor[first]
            self._kept.append((self._index[j].distinct(ids[first]), factor))
            self._gather(j, ids[first], factor, x)
        return SharedRows(x, shared)

    def _read(self, j, run):
        # The ids of a feature, which of them are distinct, and factors of dropout.
        ids, factor = run.batch.ids[:, j], None
        if run.training:
            ids = self._hidden(ids, j, run)
        found = self._index[j].distinct(ids)
        rate = self.options.embedding_dropout
        if run.training and rate:
            mask = run.mask((run.shape.n_seqs, len(found)), rate, self.dtype)
            factor = np.empty(len(ids), dtype=self.dtype)
            row_factors(mask, found.inverse, run.shape.n_active, factor)
        return ids, found, factor

    def _gather(self, j, ids, factor, x):
        x = x[:, self._columns[j]]
        gather(self._tables[j], ids.astype(np.intp), factor, x)

    def _shared(self, features):
        # The distinct rows of a batch, or None if they are too many to gain by them.
        # Numbers stand before all tables: rows with numbers are hardly ever the same.
        shared, n_rows = None, len(features[0][0])
        if self.n_in or n_rows * self.n_out < LEAST:
            return None
        for _, found, factor in features:
            keys = [(found.inverse, len(found))]
            if factor is not None:
                keys.append((factor != 0, 2))
            for key, n in keys:
                if shared is None:
                    shared = found
                elif n > 1:
                    shared = distinct_pairs(shared, key.astype(np.int32), n)
                if len(shared) > SHARED * n_rows:
                    return None
        return shared

    def _hidden(self, ids, j, run):
        # Tokens that occur once are read as unknown half of the time, to train that.
        once = self.options.seen_once
        if not once or once[j] is None:
            return ids
        hide = once[j][ids]
        hide[hide] = run.random_state.random_sample(int(hide.sum())) < 0.5
        return np.where(hide, np.int32(self.n_ids[j] - 1), ids)

    def backward(self, dx, g, run):
        """Add the sums of the gradients of each category's rows."""
        for slot, columns, (found, factor) in zip(
            self.slots, self._columns, self._kept, strict=True
        ):
            if slot is None:
                continue
            total = np.empty((len(found), slot.shape[1]), dtype=self.dtype)
            sum_by_id(dx[:, columns], found.order, found.starts, factor, total)
            g[slot][found.ids] += total


def uniform(bound):
    """Return an init that draws from the uniform distribution up to a bound."""

    def init(view, random_state):
        view[...] = bound * (2 * random_state.random_sample(view.shape) - 1)

    return init


def auto_embedding_size(n_categories):
    """Return how many columns a table of embeddings has; 0 is one-hot.

    The rule is that of the library fastai, 1.6 n**0.56, between 4 and 128.
    """
    if n_categories <= 8:
        return 0 if n_categories else 1  # the row of all that is unknown
    return int(np.clip(round(1.6 * n_categories**0.56), 4, 128))
