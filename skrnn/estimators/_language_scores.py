"""What a language model says of texts."""

from numbers import Integral

import numpy as np

from skrnn._elementary import softmax
from skrnn.estimators._samples import check_sample_weight
from skrnn.inputs.texts import open_texts


class ScoreMixin:
    """The methods of a language model that judge texts, and say how they go on."""

    # Scores ------------------------------------------------------------------------

    def score_tokens(self, X):
        """Return the log-probability of each token, given those before it.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.

        Returns
        -------
        log_proba : list of ndarray of shape (n_tokens_i + 1,) or (n_tokens_i,)
            In nats. The last one is that of the end of the text, unless ``ends=False``.
        """
        texts = self._read(X)
        found = self._model.log_proba_of_tokens(texts, self._n_threads())
        return np.split(found, np.cumsum(texts.lengths)[:-1])

    def score_samples(self, X):
        """Return the log-likelihood of each text.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.

        Returns
        -------
        log_likelihood : ndarray of shape (n_texts,)
            The sums of :meth:`score_tokens`, in nats.
        """
        return np.array([_sum(values) for values in self.score_tokens(X)])

    def score(self, X, y=None, sample_weight=None):
        """Return the mean log-likelihood of a token.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts.

        Returns
        -------
        score : float
            In nats; the end of a text counts as a token, unless ``ends=False``.
        """
        scores = self.score_tokens(X)
        weight = check_sample_weight(sample_weight, len(scores), "sample_weight")
        weight = np.ones(len(scores)) if weight is None else weight
        n_tokens = _sum(weight * [len(values) for values in scores])
        if not n_tokens:
            raise ValueError("X holds no token, so that there is no mean.")
        return float(_sum(weight * [_sum(values) for values in scores]) / n_tokens)

    def perplexity(self, X, y=None):
        """Return the perplexity of texts: ``exp(-score(X))``, lower is better.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.
        y : None
            Ignored.

        Returns
        -------
        perplexity : float
            The model is as unsure as among this number of equally probable tokens.
        """
        return float(np.exp(-self.score(X)))

    def bits_per_character(self, X):
        """Return how many bits a character takes, which any two models can compare.

        Parameters
        ----------
        X : list of str, list of lists of str, or str
            The texts. Token lists count as texts with blanks between tokens.

        Returns
        -------
        bits : float
            Minus the log-likelihood to the base 2, over the number of characters.
        """
        self._check_is_fitted()
        items, _ = open_texts(X)
        n_characters = int(self._reader().n_characters(items).sum())
        if not n_characters:
            raise ValueError("X holds no character.")
        return float(-_sum(self.score_samples(X)) / np.log(2) / n_characters)

    # What comes next -------------------------------------------------------------

    def predict_log_proba(self, X):
        """Return the log-probability of each token to come next.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            Texts that go on.

        Returns
        -------
        log_proba : ndarray of shape (n_texts, n_tokens)
            In the order of ids: the tokens of `tokens_`, the unknown one, the end.
        """
        texts = self._read(X)
        return self._model.log_proba_of_next(texts, self._n_threads())

    def predict_proba(self, X):
        """Return the probability of each token to come next.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            Texts that go on.

        Returns
        -------
        proba : ndarray of shape (n_texts, n_tokens)
            In the order of ids: the tokens of `tokens_`, the unknown one, the end.
        """
        log_proba = self.predict_log_proba(X)
        proba = np.empty_like(log_proba)
        # Their sum is 1. NumPy's own exp has other last bits on other machines.
        softmax(log_proba, proba, False)
        return proba

    def predict(self, X):
        """Return the most probable next token of each text.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            Texts that go on.

        Returns
        -------
        tokens : ndarray of shape (n_texts,)
            The tokens. None of them is the unknown token or the end.
        """
        n_known = len(self._known())
        best = self.predict_log_proba(X)[:, :n_known].argmax(axis=1)
        tokens = self.tokens_[best]
        return tokens.astype(np.int64) if self._model.form == "ids" else tokens

    def _known(self):
        self._check_is_fitted()
        return self._model.vocabulary.tokens

    def predict_next(self, X, k=5):
        """Return the most probable next tokens of each text, with probabilities.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            Texts that go on.
        k : int, default=5
            How many tokens.

        Returns
        -------
        candidates : list of lists of (token, probability)
            For each text, the most probable first: at most `k` of the known tokens.
        """
        if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
            raise ValueError(f"k must be an int of at least 1, got {k!r}.")
        tokens = self._known()
        proba = self.predict_proba(X)[:, : len(tokens)]
        order = np.argsort(-proba, axis=1, kind="stable")[:, :k]
        return [
            [(tokens[j], float(row[j])) for j in best.tolist()]
            for row, best in zip(proba, order, strict=True)
        ]

    def hidden_states(self, X):
        """Return the states of the last layer.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.

        Returns
        -------
        states : list of ndarray of shape (n_tokens_i + 1, n_units)
            The state before the first token, and after each token.
        """
        texts = self._read(X)
        return self._model.hidden_states(texts, self._n_threads())


def _sum(values):
    """Add numbers one after the other, so that the sum has the same bits anywhere."""
    return float(np.add.accumulate(np.append(0.0, values))[-1])
