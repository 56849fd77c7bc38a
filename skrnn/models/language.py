"""A fitted language model, as plain arrays and values."""

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from skrnn._elementary import log_above, log_proba_at, softmax
from skrnn._embedding import StartRows
from skrnn.cells import CELLS
from skrnn.inputs.texts import FORMS
from skrnn.inputs.tokens import Vocabulary
from skrnn.losses import TokenLogLoss
from skrnn.models.checks import (
    Optional,
    array,
    boolean,
    check_wrong_type,
    either,
    integer,
    one_of,
    record,
    tuple_of,
)
from skrnn.models.lending import Lender
from skrnn.models.mixture import Mixture, check_mixture
from skrnn.models.ngram import LONGEST_ORDER
from skrnn.models.sequence import check_theta
from skrnn.network import Network, NetworkSpec, PassOptions
from skrnn.network.inputs import TokenInput
from skrnn.network.readout import BlockedReadout, TiedReadout, row_blocks
from skrnn.training.lanes import LaneData, Texts

__all__ = ["LANGUAGE_FIELDS", "TokenModel", "check_language_model"]

# How many texts, and how many predictions of each, a network reads at once.
READ_LANES, READ_STEPS = 64, 128
# How many predictions at once a network may have made to be kept for the next call.
KEPT_ROWS = 1024
# A writer keeps products of the table with weights for a vocabulary of so many ids.
MOST_STARTS = 1024
# A token that is rarer than this is as rare as this, to begin with.
SMALLEST_SHARE = 1e-12
# A tied table is also the weights of the outputs, which begin small.
TIED_BOUND = 0.1


@dataclass(frozen=True, eq=False)
class TokenModel:
    """What `fit` of a language model makes: a network, and the tokens that it knows.

    The ids of tokens are their places in the vocabulary. Then come the unknown token,
    if there is one, and the border of texts: a network reads it first, and predicts it
    at the end if the structure says so. A model never changes.

    Parameters
    ----------
    structure : dict
        What the network is made of.
    vocabulary : Vocabulary
    form : {"text", "tokens", "ids"}
        What the texts were in `fit`.
    theta : ndarray of shape (n_params,)
    mixture : Mixture or None
        Counts of n-grams, which the probabilities of tokens are mixed with.
    """

    structure: dict[str, Any]
    vocabulary: Vocabulary
    form: str
    theta: np.ndarray
    mixture: Mixture | None = None
    _idle: Lender = field(default_factory=Lender, repr=False)

    def with_theta(self, theta):
        """Return the model with other parameters."""
        return replace(self, theta=theta, _idle=Lender())

    def with_mixture(self, mixture):
        """Return the model with other counts, or with none."""
        return replace(self, mixture=mixture)

    # Ids -----------------------------------------------------------------------------

    @property
    def unknown(self):
        """The id of unknown tokens, or None: a byte is always known."""
        return len(self.vocabulary) if self.structure["has_unknown"] else None

    @property
    def border(self):
        """The id that begins a text."""
        return len(self.vocabulary) + self.structure["has_unknown"]

    @property
    def end(self):
        """The id that ends a text, or None if ends are not predicted."""
        return self.border if self.structure["ends"] else None

    @property
    def n_out(self):
        """How many tokens can be predicted."""
        return self.border + self.structure["ends"]

    def texts(self, reader, items):
        """Return the ids of texts in the form of fit."""
        ids, start = reader.encode(items, self.vocabulary)
        return Texts(ids, start, self.border, self.end)

    # Running -------------------------------------------------------------------------

    @property
    def loss(self):
        """The loss of the next token."""
        return TokenLogLoss(self.n_out)

    @cached_property
    def spec(self):
        """The description of the network."""
        structure = self.structure
        tied, size = structure["tied"], structure["embedding_size"]
        bound = TIED_BOUND if tied else 1.0
        return NetworkSpec(
            0,
            structure["hidden_layer_sizes"],
            self.n_out,
            cell=structure["cell"],
            activation=structure["activation"],
            pooling="none",
            input=functools.partial(TokenInput, (self.border + 1,), (size,), bound),
            readout=TiedReadout if tied else BlockedReadout,
            dtype=structure["dtype"],
        )

    @property
    def weights(self):
        """Read-only views of the parameters by name."""
        theta = self.theta.view()
        theta.flags.writeable = False
        return self.spec.layout().views(theta)

    def initialize(self, seed):
        """Return the model with its first parameters."""
        return self.with_theta(self.spec.initialize(np.random.RandomState(seed)))

    def log_frequencies(self):
        """Return the logarithm of how frequent each token is, (n_out,).

        Outputs that begin there need not be taught by small steps which tokens are
        rare: of many words, most are. A token is counted once more than it occurs, and
        the end of a text as often as the mean token.
        """
        counts = self.vocabulary.counts[: self.border] + 1.0
        if self.end is not None:
            counts = np.append(counts, counts.mean())
        shares = np.empty_like(counts)
        log_above(counts / counts.sum(), SMALLEST_SHARE, shares)
        return shares

    @cached_property
    def network(self):
        """A network whose weights are read, from any thread, and that never runs."""
        return self._new_network()

    @cached_property
    def starts(self):
        """What the sums of the first layer start from for each id, or None."""
        table = self.network.input.table_of(0)
        if len(table) > MOST_STARTS:
            return None
        first = self.network.stack.recurrences[0][0]
        rows = np.empty(0, dtype=np.int32)
        return StartRows(first, table.shape[1]).make(table, rows).table

    def _new_network(self):
        """Return a network that predicts, loaded with the parameters."""
        network = Network(self.spec, options=PassOptions(trains=False))
        network.load(self.theta)
        return network

    def _rows(self, texts, n_threads):
        """Yield what the readout reads, and which prediction of which text it is for.

        Texts are read side by side and piece by piece; their states do not depend on
        what they are read beside.
        """
        carried = self.structure["carried"]
        lanes = LaneData(texts, None, READ_LANES, READ_STEPS, carried, split=False)
        network, most = self._idle.borrow(self._new_network), 0
        for window in lanes.blocks():
            batch, text, at = lanes.window(window, network.dtype)
            pooled = network.pooled(batch, n_threads=n_threads)
            if not np.isfinite(pooled).all():
                raise ValueError(
                    "The network overflows: its weights are too large. Fit again with "
                    "a smaller learning_rate_init, or with dtype='float64'."
                )
            yield network, pooled, text, at
            most = max(most, len(pooled))
        if most <= KEPT_ROWS:
            self._idle.append(network)

    def log_proba_of_tokens(self, texts, n_threads):
        """Return log p of each token given those before it, (n_predictions,).

        Texts stand one below the other, each with its end if the model predicts it.
        """
        lengths = texts.lengths
        first = np.cumsum(lengths) - lengths
        found = np.zeros(int(lengths.sum()))
        if not len(found):
            return found
        for network, pooled, text, at in self._rows(texts, n_threads):
            y = texts.predicted(text, at)
            out = np.empty(len(y))
            for raw, rows in _raw_blocks(network, pooled):
                log_proba_at(raw, y[rows], out[rows])
            found[first[text] + at] = out
        if self.mixture is not None:
            self.mixture.mix_tokens(texts, found)
        return found

    def log_proba_of_next(self, texts, n_threads):
        """Return log p of each token after the end of each text, (n_texts, n_out)."""
        after = Texts(texts.ids, texts.start, texts.begin, 0)
        found = np.empty((len(texts), self.n_out))
        for _, pooled, text, at in self._rows(after, n_threads):
            last = np.flatnonzero(at == texts.n_tokens[text])
            found[text[last]] = self.log_proba_of_states(pooled[last])
        if self.mixture is not None:
            self.mixture.mix_rows(self.mixture.last_contexts(texts), found)
        return found

    def log_proba_of_states(self, states):
        """Return what the network says after some states (n, n_units), (n, n_out)."""
        found = np.empty((len(states), self.n_out))
        for raw, rows in _raw_blocks(self.network, states):
            out = np.empty((len(raw), self.n_out))
            softmax(raw, out, True)
            found[rows] = out
        return found

    def hidden_states(self, texts, n_threads):
        """Return the states before each prediction, a list of (n_predictions, n_units).

        There is one more prediction than tokens.
        """
        after = Texts(texts.ids, texts.start, texts.begin, 0)
        n_units = self.structure["hidden_layer_sizes"][-1]
        states = [
            np.empty((n, n_units), self.structure["dtype"]) for n in after.lengths
        ]
        for _, pooled, text, at in self._rows(after, n_threads):
            for row, i, j in zip(pooled, text.tolist(), at.tolist(), strict=True):
                states[i][j] = row
        return states

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the model as plain values, by the names of its fields."""
        tokens = self.vocabulary.tokens
        if self.form == "ids":
            tokens = tokens.astype(np.int64)
        elif self.structure["unit"] != "word" and self.form == "text":
            # As numbers: a file cannot hold half of a surrogate pair as a string.
            tokens = np.array([ord(token) for token in tokens], dtype=np.int64)
        fields = {
            "_structure": self.structure,
            "_theta": self.theta,
            "_form": self.form,
            "_tokens": tokens,
            "_counts": self.vocabulary.counts,
            "n_layers_": len(self.structure["hidden_layer_sizes"]) + 2,
        }
        if self.mixture is not None:
            fields["_mixture"] = self.mixture.pack()
        return fields

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        structure, form = fields["_structure"], fields["_form"]
        tokens = fields["_tokens"].tolist()
        if structure["unit"] != "word" and form == "text":
            tokens = [chr(point) for point in tokens]
        vocabulary = Vocabulary(tokens, fields["_counts"])
        model = cls(structure, vocabulary, form, fields["_theta"])
        if "_mixture" in fields:
            mixture = Mixture.unpack(fields["_mixture"], model.n_out)
            model = model.with_mixture(mixture)
        return model


def _raw_blocks(network, pooled):
    """Yield the outputs of some rows at a time, and which rows these are."""
    for rows in row_blocks(len(pooled), network.n_out):
        part = np.ascontiguousarray(pooled[rows])
        raw = np.empty((len(part), network.n_out), network.dtype)
        yield network.readout.head.forward(part, raw), rows


# What a file may hold ----------------------------------------------------------------


def _dtype(fields):
    return fields["_structure"]["dtype"]


def _tokens(value, name, state):
    """Accept sorted tokens: strings, ids or code points."""
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise check_wrong_type(name, "an array of tokens", value)
    if value.dtype == object:
        if not all(isinstance(item, str) for item in value):
            raise check_wrong_type(name, "an array of strings", value)
    elif value.dtype.newbyteorder("=") != np.int64:
        raise check_wrong_type(name, "an array of int64 or of strings", value)
    items = value.tolist()
    if any(a >= b for a, b in zip(items, items[1:], strict=False)):
        raise ValueError(f"{name} must be sorted, and hold each token once.")


def _mixture(value, name, state):
    """Accept plain values of a mixture."""
    structure = state["_structure"]
    n_out = len(state["_tokens"]) + structure["has_unknown"] + structure["ends"]
    check_mixture(value, n_out, name)


LANGUAGE_FIELDS = {
    "_structure": record(
        {
            "hidden_layer_sizes": tuple_of(integer(1)),
            "cell": one_of(*CELLS),
            "activation": one_of("tanh", "relu"),
            "embedding_size": integer(0, 2**20),
            "tied": boolean,
            "has_unknown": boolean,
            "ends": boolean,
            "carried": boolean,
            "ngram_order": either(None, integer(1, LONGEST_ORDER)),
            "unit": one_of("char", "word", "byte"),
            "dtype": one_of("float32", "float64"),
        }
    ),
    "_theta": array(_dtype, None),
    "_form": one_of(*FORMS),
    "_tokens": _tokens,
    "_counts": either(
        None, array("int64", lambda fields: len(fields["_tokens"]) + 1, low=0)
    ),
    "n_layers_": integer(3),
    "_mixture": Optional(_mixture),
}


def check_language_model(fields):
    """Raise ValueError unless the fields of a `TokenModel` go together."""
    structure, tokens = fields["_structure"], fields["_tokens"]
    characters = fields["_form"] == "text" and structure["unit"] != "word"
    if (fields["_form"] == "ids" or characters) != (tokens.dtype != object):
        raise ValueError("_tokens and _form do not go together.")
    if characters and len(tokens) and not 0 <= tokens[0] <= tokens[-1] < 0x110000:
        raise ValueError("_tokens must be code points.")
    if not len(tokens) + structure["has_unknown"]:
        raise ValueError("_tokens must not be empty.")
    if structure["tied"] and (
        structure["embedding_size"] != structure["hidden_layer_sizes"][-1]
    ):
        raise ValueError("A tied table must have a column for each unit.")
    if fields["n_layers_"] != len(structure["hidden_layer_sizes"]) + 2:
        raise ValueError("n_layers_ must be the number of layers.")
    order = structure["ngram_order"]
    if ("_mixture" in fields) != (order is not None):
        raise ValueError("_mixture must be there if ngram_order is not None.")
    if order is not None and fields["_mixture"]["grams"].shape[1] != order:
        raise ValueError("_mixture must be of ngram_order.")
    model = TokenModel.unpack(fields)
    check_theta(model.spec, None, fields["_theta"])
