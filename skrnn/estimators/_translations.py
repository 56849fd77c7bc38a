"""What a fitted translator does: predictions, scores and attention."""

from numbers import Integral

import numpy as np
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._parameters import current
from skrnn.inputs.units import split_texts
from skrnn.metrics import label_error_rate
from skrnn.models.translation import make_rules
from skrnn.network.attention import ATTENTIONS
from skrnn.targets.label_sequences import as_objects, check_paired_labels
from skrnn.targets.translations import labels_of


def _has_attention(estimator):
    structure = vars(estimator)
    if "_model" in structure:
        structure = structure["_model"].structure
    attention = structure.get("attention")
    if not ATTENTIONS[attention]:
        raise AttributeError(f"There are no attention weights with {attention=}.")
    return True


def _no_stream(estimator):
    raise AttributeError(
        "A translator cannot follow a stream: it reads the whole sequence before it "
        "writes. SequenceTranscriber can."
    )


class TranslationMixin:
    """Mixin: what a fitted `SequenceTranslator` answers."""

    @available_if(_no_stream)
    def stream(self):
        """Raise: there are no streams."""

    def predict(self, X):
        """Translate sequences.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_seqs,)
            In the form that `fit` was given: objects that are texts, or lists of
            tokens; or exactly one token for each.
        """
        sequences = self._check_sequences(X)
        best = [own[0] for own in self._found(sequences)]
        return self._written(sequences, [codes for _, _, codes in best])

    def n_best(self, X, n=5, *, return_rank=False):
        """Return the best translations of each sequence that the search finds.

        The search is as wide as `beam_width` says, but at least `n` wide.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.
        n : int, default=5
            How many at most.
        return_rank : bool, default=False
            Whether to return what they are ordered by, too.

        Returns
        -------
        sequences : list of ndarrays of shape (n_found_i,)
            Translations as :meth:`predict` gives them, the best first, all of them
            different token by token.
        scores : list of ndarrays of shape (n_found_i,)
            The natural logarithm of the probability of each, with its end: the bits
            that :meth:`score_samples` gives.
        ranks : list of ndarrays of shape (n_found_i,)
            ``score / n_tokens ** length_penalty``, where the end is one of the tokens.
            Only if `return_rank`.
        """
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be an int of at least 1, got {n!r}.")
        sequences = self._check_sequences(X)
        found = self._found(sequences, n)
        found = [own[:n] for own in found]
        rows = np.repeat(np.arange(len(found)), [len(own) for own in found])
        codes = [codes for own in found for _, _, codes in own]
        written = self._written(sequences.take(rows), codes)
        stops = np.cumsum([len(own) for own in found])[:-1]
        answer = (
            np.split(written, stops),
            [np.array([score for _, score, _ in own]) for own in found],
        )
        if return_rank:
            answer += ([np.array([rank for rank, _, _ in own]) for own in found],)
        return answer

    def score_samples(self, X, y=None):
        """Return log p(y | x) of each pair.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.
        y : like `y` of fit, default=None
            What they become; None takes what :meth:`predict` finds.

        Returns
        -------
        log_likelihood : ndarray of shape (n_seqs,)
            Natural logarithms, the end included. Minus infinity where `y` has a token
            that was not learned, unless rare tokens were learned as unknown.
        """
        sequences = self._check_sequences(X)
        codes = self._codes(sequences, y)
        log_p = self._model.log_proba_of_tokens(sequences, codes, self._n_threads())
        # From the first token to the end, as the search adds.
        return np.array([sum(own.tolist()) for own in log_p])

    def score(self, X, y, sample_weight=None):
        """Return one minus the error rate of tokens.

        The rate counts the tokens to insert, delete or replace in the predictions of
        all sequences, and divides by the number of tokens in `y`.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.
        y : like `y` of fit
            What is right.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the pairs.

        Returns
        -------
        score : float
            The larger, the better: 1 is perfect, and it can be negative.
        """
        if y is None:
            raise ValueError("score requires y, what is right, but y is None.")
        sequences = self._check_sequences(X)
        right, unit = check_paired_labels(y, len(sequences)), self._model.target.unit
        found = self.predict(sequences).tolist()
        weight = self._check_weight(sample_weight, sequences, "sample_weight")
        right, found = (
            [labels_of(item, unit) for item in items] for items in (right, found)
        )
        return 1.0 - label_error_rate(right, found, sample_weight=weight)

    @available_if(_has_attention)
    def attention_weights(self, X, y=None):
        """Return how much the decoder looks at each step, for each token.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.
        y : like `y` of fit, default=None
            What they become; None takes what :meth:`predict` finds.

        Returns
        -------
        weights : list of ndarrays of shape (n_tokens_i + 1, n_steps_i)
            Each row sums to 1; the last one is that of the end. There is a column for
            each segment when segments of steps are read at once.
        """
        sequences = self._check_sequences(X)
        codes = self._codes(sequences, y)
        return self._model.attention(sequences, codes, self._n_threads())

    # How -----------------------------------------------------------------------------

    def _check_sequences(self, X):
        self._check_is_fitted()
        X = split_texts(X, self._model.source_unit)
        return super()._check_sequences(X)

    @property
    def _copies(self):
        """Whether source tokens can stand for unknown ones."""
        model = self._model
        return (
            self.unknown == "copy"
            and model.categories is not None
            and model.structure["n_features"] == 1
            and ATTENTIONS[model.structure["attention"]]
            and model.target.form != "label"
        )

    def _found(self, sequences, n=1):
        """Return the finished targets of each sequence, the best first.

        The search looks for `n` of them at least.
        """
        model = self._model
        width, length_penalty, longest, _ = current(
            self, "beam_width", "length_penalty", "max_length", "unknown"
        )
        limits = model.limits(sequences)
        if longest != "auto":
            limits = np.full(len(sequences), longest)
        exactly_one = model.target.form == "label"
        if exactly_one:
            limits = np.ones_like(limits)
        rules = make_rules(
            model.target,
            beam_width=max(width, n),
            length_penalty=length_penalty,
            copies=self._copies,
            exactly_one=exactly_one,
        )
        return model.search(sequences, limits, rules, self._n_threads())

    def _codes(self, sequences, y):
        """Return codes of targets, or of the predictions if `y` is None."""
        if y is None:
            found = self._found(sequences)
            codes = [np.array(own[0][2], dtype=np.intp) for own in found]
            return as_objects(codes)
        checked = check_paired_labels(y, len(sequences))
        return self._model.target.encode(checked, strict=False)

    def _written(self, sequences, codes):
        """Return targets in the form of fit."""
        target, copies = self._model.target, {}
        unknown = [i for i, own in enumerate(codes) if target.unknown in own]
        if target.has_unknown and unknown:
            rows = sequences.take(np.array(unknown))
            own = as_objects([np.array(codes[i], dtype=np.intp) for i in unknown])
            weights = self._model.attention(rows, own, self._n_threads())
            for r, i in enumerate(unknown):
                for k in np.flatnonzero(own[r] == target.unknown):
                    step = int(weights[r][k].argmax())
                    copies[i, int(k)] = rows.token_at(r, step)
        return target.decode(codes, copies)
