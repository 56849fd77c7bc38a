"""What a fitted estimator does with its network."""

from abc import abstractmethod

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._streams import make_stream
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences
from skrnn.network import POOLINGS, Network, NetworkSpec, PassOptions

# Rows (steps of sequences) that a network reads at once, and how many at most it may
# have read to be kept for the next call: its memory grows with them.
PREDICTION_ROWS = 8192
KEPT_ROWS = 1024


def prediction_batches(lengths, segment_length):
    """Yield indices of sequences of like length, for bounded numbers of rows."""
    order = np.argsort(-lengths, kind="stable")
    rows = np.cumsum(-(-lengths[order] // segment_length))
    start = 0
    while start < len(order):
        before = rows[start - 1] if start else 0
        stop = np.searchsorted(rows, before + PREDICTION_ROWS, side="right")
        stop = max(stop, start + 1)
        yield order[start:stop]
        start = stop


def _refuse_overflow(sequences, out, batch, rows):
    """Name a sequence of which a network makes no finite numbers."""
    b = np.argwhere(~np.isfinite(out))[0, 0]
    if len(out) != len(rows):  # a row for each step
        b -= batch.offset[np.searchsorted(batch.offset, b, side="right") - 1]
    remedy = "" if out.dtype == np.float64 else ", or fit with dtype='float64'"
    raise ValueError(
        f"{sequences.name(rows[b])} makes the network overflow: its values or the "
        f"weights are too large. Scale the sequence like those given to fit{remedy}."
    )


def _uses_attention(estimator):
    pooling = getattr(estimator, "_structure", vars(estimator))["pooling"]
    if not POOLINGS[pooling].has_weights:
        raise AttributeError(f"There are no attention weights with {pooling=}.")
    return True


class FittedNetwork:
    """Mixin: the network as plain arrays and values, and sequences run through it."""

    @abstractmethod
    def _readers(self):
        """Return, by method, the function that makes its result of raw outputs."""

    def __sklearn_is_fitted__(self):
        return "_theta" in vars(self)

    def _check_is_fitted(self):
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' "
                "with appropriate arguments before using this estimator."
            )

    def _check_sequences(self, X):
        """Check sequences to predict."""
        self._check_is_fitted()
        missing = self._structure["missing"]
        return check_sequences(X, estimator=self, reset=False, missing=missing)

    def _make_encoder(self):
        return StepEncoder(
            self._structure["n_features"],
            mean=self._input_mean,
            scale=self._input_scale,
            segment_length=self.segment_length_,
            missing=self._structure["missing"],
            fill=self._input_fill,
        )

    def _make_spec(self):
        """Return the description of the network."""
        structure = self._structure
        names = ("hidden_layer_sizes", "cell", "activation", "bidirectional")
        names += ("pooling", "n_out", "dtype")
        options = {name: structure[name] for name in names}
        n_channels = structure["n_features"] * (
            1 + (structure["missing"] == "indicator")
        )
        return NetworkSpec(self.segment_length_ * n_channels, **options)

    def _make_network(self):
        """Return a network that predicts."""
        return Network(self._make_spec(), options=PassOptions(trains=False))

    def _borrow_network(self):
        """Return parameters, a network loaded with them, and the encoder for it."""
        try:
            # Threads of the user predict at once: what is popped is one's own.
            borrowed = self._idle_networks.pop()
        except IndexError:
            borrowed = (None,)
        if borrowed[0] is not self._theta:
            borrowed = self._theta, self._make_network(), self._make_encoder()
            borrowed[1].load(borrowed[0])
        return borrowed

    def stream(self, n_seqs=1, *, method="predict"):
        """Return an object that reads sequences one step at a time.

        Each step costs the same, some microseconds, however many came before it. Its
        result has the bits of `method` on the sequence so far.

        Parameters
        ----------
        n_seqs : int, default=1
            How many sequences are read side by side.
        method : str, default="predict"
            What a step returns: "predict", and of a classifier also "predict_proba",
            "predict_log_proba" or "decision_function".

        Returns
        -------
        stream : Stream
            With the methods ``step(x)`` and ``reset()`` and the attribute ``state``.

        Raises
        ------
        ValueError
            If the network cannot follow a stream: it is bidirectional, or its pooling
            is "attention".
        """
        self._check_is_fitted()
        return make_stream(self, n_seqs, method)

    @property
    def weights_(self):
        """Weights and biases by name, read-only views."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute 'weights_' before fit"
            )
        theta = self._theta.view()
        theta.flags.writeable = False
        return self._make_spec().layout().views(theta)

    def _run(self, sequences, method):
        """Yield what a method of the network says of batches, the batches, their rows.

        Rows are places in `sequences`, in the order of the batch.
        """
        borrowed = self._borrow_network()
        _, network, encoder = borrowed
        n_threads = self._n_threads()
        most = 0
        for indices in prediction_batches(sequences.lengths, encoder.segment_length):
            batch = sequences.pack(indices, encoder, network.dtype)
            out = getattr(network, method)(batch, n_threads=n_threads)
            rows = indices[batch.order]
            if not np.isfinite(out).all():
                _refuse_overflow(sequences, out, batch, rows)
            yield out, batch, rows
            most = max(most, len(batch.x))
        if most <= KEPT_ROWS:
            self._idle_networks.append(borrowed)

    def _predict_raw(self, X):
        """Return what the network gives, (n_seqs, n_outputs_), in the order of X."""
        sequences = self._check_sequences(X)
        dtype = self._structure["dtype"]
        raw = np.empty((len(sequences), self.n_outputs_), dtype)
        for out, _, rows in self._run(sequences, "forward"):
            raw[rows] = out
        return raw

    def _predict_steps(self, X, method):
        """Return what a method of the network says of each step, a list of arrays."""
        sequences = self._check_sequences(X)
        steps = [None] * len(sequences)
        for packed, batch, rows in self._run(sequences, method):
            for b, row in enumerate(rows):
                steps[row] = packed[batch.offset[: batch.lengths[b]] + b]
        return steps

    def hidden_states(self, X):
        """Return the states of the last layer at every step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        states : list of ndarrays of shape (n_steps_i, n_units)
            States of each sequence, twice as many if ``bidirectional`` (the forward
            direction first). When segments of steps are read at once
            (``segment_length_ > 1``), there is one row for each segment.
        """
        return self._predict_steps(X, "hidden_states")

    @available_if(_uses_attention)
    def attention_weights(self, X):
        """Return the weights that attention pooling gives to the steps.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        weights : list of ndarrays of shape (n_steps_i,)
            Weights of each sequence, which sum to 1; one for each segment when
            segments of steps are read at once (``segment_length_ > 1``).
        """
        return self._predict_steps(X, "attention")
