"""Steps that hold tokens, as the rows that the first layer of a network reads."""

import reprlib
from numbers import Real

import numpy as np

from skrnn.inputs.tokens import WORDS

__all__ = ["TokenReader", "reading_tokens"]


class TokenReader:
    """Makes rows of the steps of streams, with the bits of whole sequences.

    Parameters
    ----------
    network : Network
        Loaded, with a `TokenInput`.
    encoder : StepEncoder
        What happens to the numbers beside the tokens.
    categories : Categories
    n_seqs : int
    names : sequence of str or None
        The names of the features, if they have any.
    """

    def __init__(self, network, encoder, categories, n_seqs, names):
        self.encoder, self.categories, self.n_seqs = encoder, categories, n_seqs
        self.names = None if names is None else list(names)
        self.dtype, self.n_out = network.dtype, network.input.n_out
        # The stream keeps the parameters that the estimator had when it was made.
        self.tables = [table.copy() for table in network.input._tables]
        self.n_features = len(categories.vocabularies)
        n_features = range(self.n_features)
        self.numbers = [f for f in n_features if f not in categories.features]

    def __call__(self, x):
        """Return the rows (n_seqs, n_out) of a step."""
        steps = self._steps(x)
        parts = [self._read_numbers(steps)]
        for feature, table in zip(self.categories.features, self.tables, strict=True):
            ids = [self._id(row[feature], feature) for row in steps]
            parts.append(table[ids])
        return np.concatenate(parts, axis=1)

    def _steps(self, x):
        """Return a list with the features of each sequence's step."""
        n, width = self.n_seqs, self.n_features
        found = getattr(x, "columns", getattr(x, "index", None))
        if found is not None and not callable(found):
            if self.names is not None and list(found) != self.names:
                raise ValueError(
                    f"The step has the features {list(found)}, expected {self.names}."
                )
            x = x.to_numpy(dtype=object) if hasattr(x, "iloc") else x.to_numpy()
        if isinstance(x, np.ndarray):
            x = x.tolist()
        if not isinstance(x, list | tuple):
            x = [x]
        nested = [isinstance(row, list | tuple | np.ndarray) for row in x]
        if all(nested) and len(x) == n:
            rows = [list(row) for row in x]
        elif not any(nested) and width == 1 and len(x) == n:
            rows = [[token] for token in x]
        elif not any(nested) and n == 1:
            rows = [list(x)]
        else:
            rows = []
        if len(rows) != n or any(len(row) != width for row in rows):
            what = "one token" if width == 1 else f"{width} features"
            raise ValueError(
                f"A step must hold an item for each of the {n} sequences: {what}. Got "
                f"{reprlib.repr(x)}; the stream is as it was before it."
            )
        return rows

    def _id(self, token, feature):
        vocabulary = self.categories.vocabularies[feature]
        name = type(token).__name__
        if token is None or name in ("NAType", "NaTType") or token != token:
            if self.encoder.missing == "error":
                raise ValueError(
                    f"The step has no token in feature {feature}. Fill it in, or fit "
                    "with missing='indicator'."
                )
            return vocabulary.unknown
        if isinstance(token, bytes):
            raise TypeError("The step is bytes. Decode it first: .decode('utf-8').")
        kind = "string" if isinstance(token, str) else "number"
        if vocabulary.kind not in (None, kind):
            raise ValueError(
                f"The step has {token!r} in feature {feature}, but the tokens were "
                f"{WORDS[vocabulary.kind]} in fit. Convert it to what they were."
            )
        whole = isinstance(token, Real | np.bool_) and token % 1 == 0
        if kind == "number" and not whole:
            raise ValueError(
                f"The step has {token!r} in feature {feature}, not an id: ids are "
                "whole numbers or strings."
            )
        return vocabulary.id_of(token)

    def _read_numbers(self, steps):
        encoder = self.encoder
        found = [[row[f] for f in self.numbers] for row in steps]
        try:
            values = np.array(found, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"The step has {reprlib.repr(found)} in the features {self.numbers}, "
                "which hold numbers. Give them in the order of fit."
            ) from None
        values = values.reshape(self.n_seqs, len(self.numbers))
        indicator = encoder.missing == "indicator"
        known = ~np.isnan(values)
        with np.errstate(over="ignore", invalid="ignore"):
            x = values - (0.0 if encoder.mean is None else encoder.mean)
            x = x / (1.0 if encoder.scale is None else encoder.scale)
            x = np.where(known, x, 0.0 if encoder.fill is None else encoder.fill)
            x = x.astype(self.dtype)
        if not (np.isfinite(x) & (known | indicator)).all():
            raise ValueError(
                "The step contains NaN, infinity or a value too large for "
                f"{self.dtype}. Fill it in, or scale it down."
            )
        return np.concatenate([x, known], axis=1, dtype=self.dtype) if indicator else x


def reading_tokens(reader, output):
    """Return what makes the results of a stream whose steps hold tokens.

    Parameters
    ----------
    reader : TokenReader
    output : callable
        What makes the results of a stream of rows: see `skrnn.models.stream`.
    """

    def output_of(steps):
        output_of_rows = output(steps)
        return lambda x: output_of_rows(reader(x))

    return output_of
