"""SequenceVectorizer: texts or token lists into sequences of tokens or ids."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sized
from numbers import Integral
from reprlib import repr as short

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
)

from skrnn._stamp import Stamped
from skrnn.inputs.analysis import BYTES, analysis
from skrnn.preprocessing._base import SequenceTransformerMixin

FEATURE = re.compile(r"lower|shape|(prefix|suffix)([1-9][0-9]*)")
LONGEST_RUN = 4  # of one kind of characters in a shape


class SequenceVectorizer(Stamped, SequenceTransformerMixin, BaseEstimator):
    r"""Convert texts to sequences of tokens, in the order in which they stand.

    What :class:`~sklearn.feature_extraction.text.CountVectorizer` is for counts, with
    the same words for the same things: each text becomes the sequence of its tokens,
    and counts serve only for `min_df`, `max_df` and `max_features`. Tokens that the
    vocabulary does not have become `unknown`.

    Parameters
    ----------
    analyzer : {"word", "char", "byte"}, callable or None, default="word"
        What a token is. A callable makes the list of tokens of a text. With None, X
        holds lists of tokens, which are taken as they are. With "byte", each token is
        a byte of the text in UTF-8, written as the character of that number, and the
        vocabulary is all 256: the id of a byte is its value.
    lowercase : bool, default=True
        Whether to make all letters of texts small. Token lists, and the texts given to
        a callable, stay as they are; so for the next parameters up to `ngram_range`.
    strip_accents : {"ascii", "unicode"}, callable or None, default=None
        How to remove accents.
    preprocessor : callable, default=None
        What to do with a text first, in place of `lowercase` and `strip_accents`.
    tokenizer : callable, default=None
        What splits a text into words, in place of `token_pattern`.
    token_pattern : str
        A regular expression of a word. If it has a group, the group is the token. The
        default, ``r"(?u)\w+|[^\w\s]"``, keeps words of one letter, digits and
        punctuation, which the pattern of CountVectorizer leaves out: they matter where
        the order matters.
    stop_words : {"english"}, list or None, default=None
        Words to leave out.
    ngram_range : tuple (min_n, max_n), default=(1, 1)
        Lengths of n-grams of words, characters or bytes. They come in the order of
        their beginnings, the short ones first.
    max_df : float or int, default=1.0
        Leave out of the vocabulary what occurs in more texts than this share or number.
    min_df : float or int, default=1
        Leave out of the vocabulary what occurs in fewer texts than this share or
        number.
    max_features : int, default=None
        Largest number of tokens in the vocabulary. It keeps the most frequent ones, and
        among equally frequent ones the first by code points.
    vocabulary : Mapping or iterable, default=None
        The vocabulary, instead of the tokens in X: tokens, or ids by tokens.
    unknown : str or None, default="<unk>"
        What stands for tokens outside the vocabulary; a token that is written like
        this is unknown, too. With None, such tokens are left out.
    empty : {"unknown", "error"}, default="unknown"
        What becomes of a text without any token: one unknown token, since an estimator
        cannot read a sequence without steps, or an error.
    max_steps : int, default=None
        Largest number of tokens of a text. The first ones are kept.
    output : {"token", "id"}, default="token"
        Whether tokens come as strings, which the estimators take as categories, or as
        ids below `n_tokens_`.
    token_features : list or tuple of str, default=None
        Features of each token in columns of their own: "lower" (in small letters),
        "prefix3", "suffix3" (its first or last characters, any number of them) and
        "shape" ("Xxxx", "dd.dd", with runs of at most 4). Those of a token outside the
        vocabulary are its own ones.

    Attributes
    ----------
    vocabulary_ : dict
        The id of each token; ids are in the order of the code points. The unknown
        token has the id after them, and is not in here unless it was given in
        `vocabulary`.
    tokens_ : ndarray of shape (`n_tokens_`,)
        The tokens by id, with the unknown.
    n_tokens_ : int
        Number of ids.

    See Also
    --------
    sklearn.feature_extraction.text.CountVectorizer : Counts of tokens, without order.
    skrnn.text.spans_to_tags : Tags of tokens, from labeled parts of texts.

    Examples
    --------
    >>> from skrnn.preprocessing import SequenceVectorizer
    >>> texts = ["What is a comet?", "Who was Edmond Halley?"]
    >>> vectorizer = SequenceVectorizer().fit(texts)
    >>> vectorizer.transform(["Who is a comet hunter?"])
    [array(['who', 'is', 'a', 'comet', '<unk>', '?'], dtype=object)]
    >>> vectorizer.set_params(output="id").transform(["Who is a comet hunter?"])
    [array([8, 5, 1, 2, 9, 0], dtype=int32)]
    >>> vectorizer.token_spans(["Who is a comet?"])[0][:2]
    array([[0, 3],
           [4, 6]])

    Tokens that are there already, with features for a tagger:

    >>> vectorizer = SequenceVectorizer(
    ...     analyzer=None, token_features=("lower", "prefix3", "shape")
    ... )
    >>> vectorizer.fit_transform([["Halley", "died", "in", "1742"]])[0]
    array([['Halley', 'halley', 'Hal', 'Xxxxx'],
           ['died', 'died', 'die', 'xxxx'],
           ['in', 'in', 'in', 'xx'],
           ['1742', '1742', '174', 'dddd']], dtype=object)
    """

    __module__ = "skrnn.preprocessing"

    _parameter_constraints = {
        "analyzer": [StrOptions({"word", "char", "byte"}), callable, None],
        "lowercase": ["boolean"],
        "strip_accents": [StrOptions({"ascii", "unicode"}), callable, None],
        "preprocessor": [callable, None],
        "tokenizer": [callable, None],
        "token_pattern": [str, None],
        "stop_words": [StrOptions({"english"}), list, None],
        "ngram_range": [tuple],
        "max_df": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "min_df": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "vocabulary": [Mapping, HasMethods("__iter__"), None],
        "unknown": [str, None],
        "empty": [StrOptions({"unknown", "error"})],
        "max_steps": [Interval(Integral, 1, None, closed="left"), None],
        "output": [StrOptions({"token", "id"})],
        "token_features": [list, tuple, None],
    }

    def __init__(
        self,
        *,
        analyzer="word",
        lowercase=True,
        strip_accents=None,
        preprocessor=None,
        tokenizer=None,
        token_pattern=r"(?u)\w+|[^\w\s]",
        stop_words=None,
        ngram_range=(1, 1),
        max_df=1.0,
        min_df=1,
        max_features=None,
        vocabulary=None,
        unknown="<unk>",
        empty="unknown",
        max_steps=None,
        output="token",
        token_features=None,
    ):
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.token_pattern = token_pattern
        self.stop_words = stop_words
        self.ngram_range = ngram_range
        self.max_df = max_df
        self.min_df = min_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.unknown = unknown
        self.empty = empty
        self.max_steps = max_steps
        self.output = output
        self.token_features = token_features

    def fit(self, X, y=None):
        """Learn the vocabulary.

        Parameters
        ----------
        X : iterable of str, or of lists of str with ``analyzer=None``
            Texts or token lists.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceVectorizer
            The fitted vectorizer.
        """
        self._learn(X)
        return self

    def fit_transform(self, X, y=None):
        """Learn the vocabulary, and convert the texts that it is learned from.

        Parameters
        ----------
        X : iterable of str, or of lists of str with ``analyzer=None``
            Texts or token lists.
        y : None
            Ignored.

        Returns
        -------
        sequences : list of ndarray
            As `transform` returns them.
        """
        rows = self._learn(X)
        return self._encode(rows, self.vocabulary_)

    def transform(self, X):
        """Convert texts to sequences of tokens or of ids.

        Parameters
        ----------
        X : iterable of str, or of lists of str with ``analyzer=None``
            Texts or token lists.

        Returns
        -------
        sequences : list of ndarray
            An array for each text: strings (n_tokens,) in an object array, with
            `token_features` (n_tokens, 1 + n_features), or int32 ids (n_tokens,) with
            ``output="id"``.
        """
        vocabulary = self._fitted_vocabulary()
        self._check_parameters()
        return self._encode(self._read(X), vocabulary)

    def inverse_transform(self, X):
        """Return the tokens of converted texts.

        Characters make the text again by ``"".join(tokens)``, and bytes by
        ``"".join(tokens).encode("latin-1").decode()``.

        Parameters
        ----------
        X : iterable of array-like
            Sequences of tokens or ids, as `transform` returns them.

        Returns
        -------
        tokens : list of ndarray of shape (n_tokens,)
            The tokens of each text, with `unknown` in place of tokens outside the
            vocabulary.
        """
        by_id = _by_id(self._fitted_vocabulary(), self.unknown)
        tokens = []
        for i, row in enumerate(_rows(X, "sequences")):
            row = np.asarray(row)
            if row.ndim == 2 and row.dtype.kind not in "iu":
                row = row[:, 0]
            if row.ndim != 1 or row.dtype.kind not in "iuUO":
                raise ValueError(
                    f"X[{i}] is {short(row)}. A sequence of ids or of tokens is "
                    "expected, as transform returns it."
                )
            if row.dtype.kind in "iu":
                wrong = np.flatnonzero((row < 0) | (row >= len(by_id)))
                if len(wrong):
                    raise ValueError(
                        f"X[{i}][{wrong[0]}] is {row[wrong[0]]}, but ids are from 0 to "
                        f"{len(by_id) - 1}. Use the vectorizer that made the ids."
                    )
                row = by_id[row]
            tokens.append(_objects([*map(str, row)]))
        return tokens

    def token_spans(self, X):
        """Where in the given texts the tokens of `transform` stand.

        Parameters
        ----------
        X : iterable of str
            Texts as they were before any preprocessing.

        Returns
        -------
        spans : list of ndarray of shape (n_tokens, 2)
            The first character and the one after the last, of each token of each text.
            The unknown token of a text without tokens is (0, 0).
        """
        vocabulary = None if self.unknown is not None else self._fitted_vocabulary()
        self._check_parameters()
        analyzer = analysis(self)
        spans = []
        for i, item in enumerate(_rows(X, self._expected())):
            pieces = analyzer.pieces(item, f"X[{i}]")
            if self.unknown is None:
                pieces = [piece for piece in pieces if piece[0] in vocabulary]
            pieces = pieces[: self.max_steps]
            if not pieces:
                self._check_empty(i)
                pieces = [("", 0, 0)]
            spans.append(np.array([piece[1:] for piece in pieces], dtype=np.int64))
        return spans

    @property
    def tokens_(self):
        """The tokens by id, with the unknown."""
        self._check_is_fitted("tokens_")
        return _by_id(self.vocabulary_, self.unknown)

    @property
    def n_tokens_(self):
        """Number of ids."""
        self._check_is_fitted("n_tokens_")
        return _n_ids(self.vocabulary_, self.unknown)

    def _check_is_fitted(self, name):
        if not hasattr(self, "vocabulary_"):
            # An AttributeError, so that `hasattr` says whether it is there.
            raise AttributeError(f"{name} is there once fit was called.")

    def _fitted_vocabulary(self):
        """The vocabulary of `fit`, or the one that was given to be used without fit."""
        if hasattr(self, "vocabulary_"):
            return self.vocabulary_
        if self.vocabulary is None and not self._has_all_bytes():
            raise NotFittedError(
                "This SequenceVectorizer has no vocabulary yet. Call fit first, or "
                "give it one by vocabulary=."
            )
        self._check_parameters()
        return self._known_vocabulary()

    def _has_all_bytes(self):
        single = tuple(self.ngram_range) == (1, 1)
        return isinstance(self.analyzer, str) and self.analyzer == "byte" and single

    def _learn(self, X):
        """Set the vocabulary; return the tokens of each text."""
        self._check_parameters()
        self._warn_of_unused()
        rows = self._read(X)
        if not rows:
            raise ValueError(f"X is empty. A list of {self._expected()} is expected.")
        if self.vocabulary is not None or self._has_all_bytes():
            self.vocabulary_ = self._known_vocabulary()
        else:
            self.vocabulary_ = self._learned_vocabulary(rows)
        return rows

    def _read(self, X):
        analyzer = analysis(self)
        return [
            analyzer.tokens(item, f"X[{i}]")
            for i, item in enumerate(_rows(X, self._expected()))
        ]

    def _expected(self):
        return "token lists" if self.analyzer is None else "texts"

    def _known_vocabulary(self):
        """The vocabulary that needs no texts."""
        if self._has_all_bytes():
            return {byte: i for i, byte in enumerate(BYTES)}
        lowercase = self.lowercase and self.preprocessor is None
        lowercase = lowercase and isinstance(self.analyzer, str)
        given = self.vocabulary
        if not isinstance(given, Sized):  # an iterator is read once
            given = list(given)
        for token in given:
            if not isinstance(token, str):
                raise TypeError(
                    f"vocabulary has {short(token)}. Tokens must be strings."
                )
        # It knows all forms of a vocabulary, and what else can be wrong with them.
        counter = CountVectorizer(vocabulary=given, lowercase=lowercase)
        given = counter.fit([""]).vocabulary_
        return {str(token): int(i) for token, i in given.items()}

    def _learned_vocabulary(self, rows):
        n_texts, n_tokens = Counter(), Counter()
        for tokens in rows:
            n_tokens.update(tokens)
            n_texts.update(set(tokens))
        n_texts.pop(self.unknown, None)
        if not n_texts:
            raise ValueError(
                "There is no token in X: the vocabulary would be empty. Perhaps all "
                "texts are empty, or hold stop words only."
            )
        low, high = (
            bound if isinstance(bound, Integral) else bound * len(rows)
            for bound in (self.min_df, self.max_df)
        )
        if high < low:
            raise ValueError(
                f"max_df={self.max_df} means fewer texts than min_df={self.min_df}. "
                "Raise the one or lower the other."
            )
        kept = sorted(token for token, n in n_texts.items() if low <= n <= high)
        if not kept:
            raise ValueError(
                "No token is left in the vocabulary. Lower min_df or raise max_df."
            )
        if self.max_features is not None:
            # A stable sort: equally frequent tokens stay in the order of code points.
            kept.sort(key=lambda token: -n_tokens[token])
            kept = sorted(kept[: self.max_features])
        return {token: i for i, token in enumerate(kept)}

    def _encode(self, rows, vocabulary):
        columns = _Columns(self.token_features)
        sequences = []
        for i, tokens in enumerate(rows):
            if self.unknown is None:
                tokens = [token for token in tokens if token in vocabulary]
            tokens = tokens[: self.max_steps]
            if not tokens:
                self._check_empty(i)
                tokens = [None]
            if self.output == "id":
                other = vocabulary.get(self.unknown, len(vocabulary))
                ids = [vocabulary.get(token, other) for token in tokens]
                sequences.append(np.array(ids, dtype=np.int32))
                continue
            known = [t if t in vocabulary else self.unknown for t in tokens]
            sequences.append(
                _objects(known)
                if self.token_features is None
                else columns.of(tokens, known)
            )
        return sequences

    def _check_empty(self, i):
        if self.empty == "error":
            raise ValueError(
                f"X[{i}] has no tokens. Leave it out, or take empty='unknown' to make "
                "it one unknown token."
            )
        if self.unknown is None:
            raise ValueError(
                f"X[{i}] has no tokens of the vocabulary, and unknown=None leaves "
                "nothing to put there. Leave it out, or take unknown='<unk>'."
            )

    def _check_parameters(self):
        if not get_config()["skip_parameter_validation"]:
            self._validate_params()
        sizes = self.ngram_range
        if (
            len(sizes) != 2
            or not all(isinstance(n, Integral) for n in sizes)
            or not 1 <= sizes[0] <= sizes[1]
        ):
            raise ValueError(
                f"ngram_range must be two lengths, the smaller one first, not {sizes}."
            )
        if self._has_all_bytes():
            for name, default in (
                ("max_df", 1.0),
                ("min_df", 1),
                ("max_features", None),
                ("vocabulary", None),
            ):
                value = getattr(self, name)
                if type(value) is not type(default) or value != default:
                    raise ValueError(
                        f"{name} must stay {default} with analyzer='byte': the "
                        "vocabulary is all 256 bytes."
                    )
        self._check_token_features()

    def _check_token_features(self):
        for name in self.token_features or ():
            if not isinstance(name, str) or not FEATURE.fullmatch(name):
                raise ValueError(
                    f"token_features has {short(name)}. It may have 'lower', 'shape', "
                    "and 'prefix3' or 'suffix3' with any number."
                )
        if self.token_features is None:
            return
        if self.output == "id":
            raise ValueError(
                "token_features are strings. Take output='token', or no features."
            )
        made_small = self.lowercase and self.preprocessor is None
        if "shape" in self.token_features and made_small:
            if isinstance(self.analyzer, str):
                raise ValueError(
                    "The feature 'shape' reads capitals, and lowercase=True removes "
                    "them before. Take lowercase=False."
                )

    def _warn_of_unused(self):
        """Warn of parameters that the analyzer does not read."""
        unused = []
        if not isinstance(self.analyzer, str):
            unused += ["strip_accents", "preprocessor", "ngram_range"]
        if not isinstance(self.analyzer, str) or self.analyzer != "word":
            unused += ["tokenizer", "stop_words"]
        neutral = {"ngram_range": (1, 1)}
        for name in unused:
            if getattr(self, name) != neutral.get(name):
                warnings.warn(
                    f"{name} is not used with analyzer={short(self.analyzer)}.",
                    stacklevel=4,
                )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "vocabulary_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


class _Columns:
    """Features of tokens, each token's made once.

    Parameters
    ----------
    names : list of str or None
        Names of the features.
    """

    def __init__(self, names):
        self._functions = [_feature(name) for name in names or ()]
        self._made = {}

    def of(self, tokens, known):
        """An object array with the known tokens and the features of all."""
        table = np.empty((len(tokens), 1 + len(self._functions)), dtype=object)
        table[:, 0] = known
        for i, token in enumerate(tokens):
            if token is None:  # of a text without tokens
                table[i, 1:] = known[i]
                continue
            if token not in self._made:
                self._made[token] = [function(token) for function in self._functions]
            table[i, 1:] = self._made[token]
        return table


def _feature(name):
    if name == "lower":
        return str.lower
    if name == "shape":
        return _shape
    kind, n = FEATURE.fullmatch(name).groups()
    n = int(n)
    return (lambda token: token[:n]) if kind == "prefix" else lambda token: token[-n:]


def _shape(token):
    kinds = []
    for c in token:
        if c.isupper():
            c = "X"
        elif c.isalpha():
            c = "x"
        elif c.isdigit():
            c = "d"
        if kinds[-LONGEST_RUN:] != [c] * LONGEST_RUN:
            kinds.append(c)
    return "".join(kinds)


def _rows(X, expected):
    """The items of X, or an error if X is not a list of them."""
    if isinstance(X, str | bytes):
        raise ValueError(
            f"X is one {type(X).__name__}: {short(X)}. A list of {expected} is "
            "expected: [X]."
        )
    if hasattr(X, "columns"):
        raise ValueError(
            f"X is a {type(X).__name__}. A list of {expected} is expected: take one of "
            "its columns."
        )
    try:
        return iter(X)
    except TypeError:
        raise ValueError(
            f"X is {short(X)}. A list of {expected} is expected."
        ) from None


def _objects(tokens):
    """A 1-D object array. A `<U` array would cut NULs at the ends of tokens."""
    array = np.empty(len(tokens), dtype=object)
    array[:] = tokens
    return array


def _n_ids(vocabulary, unknown):
    return len(vocabulary) + (unknown is not None and unknown not in vocabulary)


def _by_id(vocabulary, unknown):
    tokens = np.empty(_n_ids(vocabulary, unknown), dtype=object)
    if len(tokens) > len(vocabulary):
        tokens[-1] = unknown
    for token, i in vocabulary.items():
        tokens[i] = token
    return tokens
