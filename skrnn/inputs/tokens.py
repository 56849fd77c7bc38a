"""Tokens of sequences, the categories that `fit` learns, and the ids of tokens.

A token is a string, a whole number or a bool. The tokens of a feature are kept as one
array or list for all sequences, one below the other. Strings never become an array of
strings of NumPy, which would cut off a final "\\0" and whatever is too long.
"""

import unicodedata
import warnings
from collections import Counter
from itertools import chain
from numbers import Integral, Real

import numpy as np

__all__ = [
    "Categories",
    "TokenColumn",
    "Tokens",
    "Vocabulary",
    "count_tokens",
    "merge_counts",
    "read_tokens",
]

# An id is an int32, and there is one more for what is unknown.
MOST_CATEGORIES = 2**31 - 2
MISSING_TYPES = ("NoneType", "NAType", "NaTType")
WORDS = {"string": "strings", "number": "numbers"}


class TokenColumn:
    """The tokens of one feature, of all sequences one below the other.

    Attributes
    ----------
    kind : {"character", "string", "number"} or None
        None if all tokens are missing.
    values : ndarray of uint32, list of (str or None), or ndarray of int64
        Code points of characters; strings; numbers.
    missing : ndarray of bool or None
        Which numbers are missing; None if none is.
    is_bool : bool
        Whether the numbers are bools.
    """

    __slots__ = ("is_bool", "kind", "missing", "values")

    def __init__(self, kind, values, missing=None, is_bool=False):
        self.kind = kind
        self.values = values
        self.missing = missing
        self.is_bool = is_bool

    def __len__(self):
        return len(self.values)

    def token(self, row):
        """The token of a row, as a str, int or bool."""
        value = self.values[row]
        if self.kind == "character":
            return chr(value)
        if self.kind == "number":
            return bool(value) if self.is_bool else int(value)
        return value

    def take(self, rows):
        """The tokens of these rows."""
        if isinstance(self.values, list):
            values = [self.values[row] for row in rows.tolist()]
        else:
            values = self.values[rows]
        missing = None if self.missing is None else self.missing[rows]
        return TokenColumn(self.kind, values, missing, self.is_bool)

    def first_missing(self):
        """The first row without a token, or None."""
        if isinstance(self.values, list):
            return next((i for i, v in enumerate(self.values) if v is None), None)
        if self.missing is None or not self.missing.any():
            return None
        return int(self.missing.argmax())


class Tokens:
    """The tokens of the categorical features of sequences.

    Attributes
    ----------
    given : list
        The sequences as the user has them.
    start : ndarray of shape (n_seqs + 1,), intp
        The first row of each sequence, and the number of rows.
    features : list of int
        Which features of the sequences are categorical.
    columns : list of TokenColumn
        Their tokens.
    """

    __slots__ = ("columns", "features", "given", "name", "start")

    def __init__(self, given, lengths, features, columns, name):
        self.given = given
        self.start = np.zeros(len(lengths) + 1, dtype=np.intp)
        np.cumsum(lengths, out=self.start[1:])
        self.features = features
        self.columns = columns
        self.name = name

    def place(self, row):
        """What messages call the sequence of a row, and its step."""
        i = int(np.searchsorted(self.start, row, side="right")) - 1
        return self.name.format(i), int(row - self.start[i])

    def rows_of(self, indices):
        """The rows of these sequences, one after the other."""
        start = self.start[indices]
        lengths = self.start[indices + 1] - start
        ends = np.cumsum(lengths)
        return np.repeat(start - (ends - lengths), lengths) + np.arange(lengths.sum())

    def counts(self, indices):
        """What the sequences with these indices hold of each feature.

        Returns
        -------
        counts : dict of int to (list, ndarray of int64, int)
            By feature, the different tokens in order, how often there is each, and how
            many steps have none.
        """
        rows = None
        if not np.array_equal(indices, np.arange(len(self.start) - 1)):
            rows = self.rows_of(indices)
        columns = zip(self.features, self.columns, strict=True)
        return {
            f: count_tokens(c if rows is None else c.take(rows)) for f, c in columns
        }

    def check_known(self, input_name):
        """Refuse tokens that are missing."""
        for feature, column in zip(self.features, self.columns, strict=True):
            row = column.first_missing()
            if row is not None:
                where, step = self.place(row)
                raise ValueError(
                    f"Input {input_name} contains NaN.\n{where} has no token at step "
                    f"{step} in feature {feature}. Fill it in, or leave the sequence "
                    "out, or set missing='indicator'."
                )


# Reading -----------------------------------------------------------------------------


def read_characters(texts):
    """The characters of texts, one text below the other."""
    data = "".join(texts).encode("utf-32-le", "surrogatepass")
    return TokenColumn("character", np.frombuffer(data, dtype="<u4"))


def read_tokens(parts, name="X[{}]", feature=0):
    """Read the tokens of one feature.

    Parameters
    ----------
    parts : list of (list or ndarray)
        The tokens of each sequence.
    name : str
        What messages call a sequence.
    feature : int
        The number of the feature, for messages.

    Returns
    -------
    column : TokenColumn
    """
    where = _Where(parts, name, feature)
    if all(isinstance(part, np.ndarray) for part in parts):
        if all(part.dtype.kind in "biuf" for part in parts):
            return _read_numbers(parts, where)
    flat = list(
        chain.from_iterable(
            part.tolist() if isinstance(part, np.ndarray) else part for part in parts
        )
    )
    types = set(map(type, flat))
    if types == {str}:
        return TokenColumn("string", flat)
    return _read_objects(flat, types, where)


class _Where:
    """What messages call a row of the tokens of a feature."""

    def __init__(self, parts, name, feature):
        self.parts, self.name, self.feature = parts, name, feature

    def __call__(self, row):
        ends = np.cumsum(list(map(len, self.parts)))
        i = int(np.searchsorted(ends, row, side="right"))
        row -= int(ends[i]) - len(self.parts[i])
        text = f"{self.name.format(i)} has {{}} at step {row}"
        return f"{text} in feature {self.feature}" if self.feature else text


def _read_numbers(parts, where):
    """Ids in arrays of numbers."""
    is_bool = all(part.dtype.kind == "b" for part in parts)
    if all(part.dtype.kind in "biu" for part in parts):
        if any(part.dtype == np.uint64 for part in parts):
            _refuse_large(parts, where)
        arrays = [part.astype(np.int64, copy=False) for part in parts]
        return TokenColumn("number", np.concatenate(arrays), is_bool=is_bool)
    values = np.concatenate([part.astype(np.float64, copy=False) for part in parts])
    missing = np.isnan(values)
    known = np.where(missing, 0.0, values)
    odd = np.flatnonzero(known != np.rint(known))
    if odd.size:
        _refuse_fraction(values[odd[0]], where(int(odd[0])))
    _refuse_large([known], where)
    missing = missing if missing.any() else None
    return TokenColumn("number", known.astype(np.int64), missing)


def _refuse_fraction(value, where):
    raise ValueError(
        f"{where.format(repr(float(value)))}, not an id: ids are whole numbers or "
        "strings. Leave the feature out of categorical_features, or convert its values "
        "to strings."
    )


def _refuse_large(parts, where):
    """Refuse numbers that an int64 does not hold."""
    row = 0
    for values in parts:
        odd = np.flatnonzero((values >= 2**63) | (values < -(2**63)))
        if odd.size:
            raise ValueError(
                f"{where(row + int(odd[0])).format(values[odd[0]])}, which is too large"
                " for an id. Convert ids to strings."
            )
        row += len(values)


def _kind_of(token_type):
    """What tokens of a type are: "string", "number", "bool", "missing", or None."""
    if issubclass(token_type, str):
        return "string"
    if token_type.__name__ in MISSING_TYPES:
        return "missing"
    if issubclass(token_type, bool | np.bool_):
        return "bool"
    if issubclass(token_type, Integral):
        return "number"
    return "float" if issubclass(token_type, Real | np.floating) else None


def _read_objects(flat, types, where):
    """Tokens that are not all plain strings."""
    kinds = {token_type: _kind_of(token_type) for token_type in types}
    for token_type, kind in kinds.items():
        if kind is None:
            row = next(i for i, token in enumerate(flat) if type(token) is token_type)
            _refuse_token(flat[row], where(row))
    found = set(kinds.values())
    if "string" not in found:
        return _read_number_objects(flat, kinds, found, where)
    values = [None] * len(flat)
    other = None  # the first number
    for row, token in enumerate(flat):
        kind = kinds[type(token)]
        if kind == "string":
            values[row] = str.__str__(token)
        elif kind in ("number", "bool") or (kind == "float" and token == token):
            other = row
            break
    if other is not None:
        row = next(i for i, token in enumerate(flat) if kinds[type(token)] == "string")
        raise ValueError(
            f"{where(other).format(repr(flat[other]))}, a number, but "
            f"{where(row).format(repr(flat[row]))}, a string. The tokens of a feature "
            "are all strings or all numbers: convert them with str()."
        )
    return TokenColumn("string", values)


def _read_number_objects(flat, kinds, found, where):
    """Tokens that are numbers, bools and missing values."""
    numbers, missing = [0] * len(flat), np.zeros(len(flat), dtype=bool)
    for row, token in enumerate(flat):
        kind = kinds[type(token)]
        if kind == "missing" or (kind == "float" and token != token):
            missing[row] = True
        elif kind == "float" and (np.isinf(token) or token != int(token)):
            _refuse_fraction(token, where(row))
        else:
            numbers[row] = int(token)
            if not -(2**63) <= numbers[row] < 2**63:
                _refuse_large([np.array(numbers, dtype=object)], where)
    if missing.all():
        return TokenColumn(None, [None] * len(flat))
    is_bool = not found & {"number", "float"}
    missing = missing if missing.any() else None
    return TokenColumn("number", np.array(numbers, dtype=np.int64), missing, is_bool)


def _refuse_token(token, where):
    if isinstance(token, bytes | bytearray | memoryview):
        raise TypeError(
            f"{where.format('bytes')}. Decode them first: .decode('utf-8')."
        )
    try:
        hash(token)
        reason = "Tokens are strings or whole numbers. Convert it with str()."
    except TypeError:
        reason = (
            "A token must be hashable: a string or a whole number. If each step has "
            "several features, all steps need the same number of them."
        )
    raise TypeError(
        f"{where.format(f'the token {token!r}')}, of type {type(token).__name__}. "
        f"{reason}"
    )


# Categories --------------------------------------------------------------------------


class Vocabulary:
    """The categories of one feature; the id of a token is its place among them.

    Parameters
    ----------
    tokens : array-like of str, int or bool
        All different, in increasing order: strings by code points.
    counts : array-like of shape (n + 1,) or None
        How often each occurred in training, and how often all other tokens.

    Attributes
    ----------
    tokens : ndarray of shape (n,), object
        The tokens.
    kind : {"string", "number"} or None
        What they are; None if there are none.
    unknown : int
        The id of every other token, and of a missing one: `n`, the last one.

    Examples
    --------
    >>> vocabulary = Vocabulary.learn(["the", "dog", "saw", "the", "cat"])
    >>> vocabulary.tokens
    array(['cat', 'dog', 'saw', 'the'], dtype=object)
    >>> vocabulary.encode(["the", "fox"])
    array([3, 4], dtype=int32)
    """

    def __init__(self, tokens, counts=None):
        tokens = list(tokens)
        self.tokens = np.empty(len(tokens), dtype=object)
        self.tokens[:] = tokens
        self.counts = None if counts is None else np.asarray(counts, dtype=np.int64)
        strings = {isinstance(token, str) for token in tokens}
        if len(strings) > 1:
            raise ValueError("categories are all strings or all numbers")
        self.kind = None
        if tokens:
            self.kind = "string" if strings == {True} else "number"
        if any(a >= b for a, b in zip(tokens, tokens[1:], strict=False)):
            raise ValueError("categories must be different and in increasing order")
        self._ids = {token: i for i, token in enumerate(tokens)}
        self._table = None  # the id of each code point

    def __len__(self):
        return len(self.tokens)

    @property
    def unknown(self):
        """The id of a token that is not a category."""
        return len(self.tokens)

    @classmethod
    def learn(cls, tokens, *, min_frequency=1, max_categories=None):
        """The vocabulary of some tokens.

        Parameters
        ----------
        tokens : TokenColumn, str or list of tokens
            All that occurs, as often as it does.
        min_frequency : int or float
            How often a category must occur, or in which part of all steps. What is
            rarer is unknown.
        max_categories : int or None
            How many ids there may be; if there are more categories, the most frequent
            ones, and one id for all others.

        Returns
        -------
        vocabulary : Vocabulary
        """
        found, counts, n_missing = count_tokens(_column(tokens))
        return cls.of_counts(
            found,
            counts,
            n_missing,
            min_frequency=min_frequency,
            max_categories=max_categories,
        )

    @classmethod
    def of_counts(
        cls, found, counts, n_missing=0, *, min_frequency=1, max_categories=None
    ):
        """The vocabulary of tokens that were counted.

        Parameters
        ----------
        found : list of str, int or bool
            The tokens, in increasing order.
        counts : ndarray of shape (n,), int64
        n_missing : int
            How many steps have no token.
        min_frequency, max_categories : object
            As in `learn`.

        Returns
        -------
        vocabulary : Vocabulary
        """
        if len(found) > MOST_CATEGORIES:
            raise ValueError(
                f"A feature has {len(found)} categories, more than {MOST_CATEGORIES}. "
                "Set max_categories or min_frequency."
            )
        least = min_frequency
        if not isinstance(min_frequency, Integral):
            least = min_frequency * (int(counts.sum()) + n_missing)
        kept = counts >= least
        n_kept = int(kept.sum())
        if max_categories is not None and n_kept > max_categories:
            # Ties are kept in order, as in OneHotEncoder.
            order = np.argsort(-counts, kind="stable")
            order = order[kept[order]][: max_categories - 1]
            kept = np.zeros(len(found), dtype=bool)
            kept[order] = True
        rest = int(counts[~kept].sum()) + n_missing
        kept_tokens = [found[i] for i in np.flatnonzero(kept).tolist()]
        return cls(kept_tokens, np.append(counts[kept], rest))

    def id_of(self, token):
        """The id of one token."""
        try:
            return self._ids.get(token, self.unknown)
        except TypeError:  # not hashable
            return self.unknown

    def encode(self, tokens):
        """The ids of tokens.

        Parameters
        ----------
        tokens : TokenColumn, str or list of tokens
            The characters of a string are its tokens.

        Returns
        -------
        ids : ndarray of shape (n_tokens,), int32
        """
        column = _column(tokens)
        self.check_kind(column)
        if column.kind == "character":
            return self._encode_characters(column.values)
        if column.kind == "number":
            return self._encode_numbers(column)
        ids, unknown = self._ids, self.unknown
        found = map(ids.get, column.values, [unknown] * len(column))
        return np.fromiter(found, dtype=np.int32, count=len(column))

    def check_kind(self, column, what="The tokens"):
        """Refuse strings where categories are numbers, and the other way round."""
        kind = "string" if column.kind == "character" else column.kind
        if None not in (kind, self.kind) and kind != self.kind:
            raise ValueError(
                f"{what} are {WORDS[kind]}, but they were {WORDS[self.kind]} in fit. "
                "Convert them to what they were."
            )

    def decode(self, ids):
        """The tokens of ids, None for the unknown one: an array of objects."""
        return np.append(self.tokens, np.array([None], dtype=object))[ids]

    def _encode_characters(self, points):
        if self._table is None:
            single = {ord(t): i for t, i in self._ids.items() if len(t) == 1}
            table = np.full(max(single, default=0) + 2, self.unknown, dtype=np.int32)
            table[list(single)] = list(single.values())
            self._table = table
        return self._table[np.minimum(points, len(self._table) - 1)]

    def _encode_numbers(self, column):
        ids = np.full(len(column), self.unknown, dtype=np.int32)
        if not len(self):
            return ids
        tokens = self.tokens.astype(np.int64)
        at = np.minimum(np.searchsorted(tokens, column.values), len(tokens) - 1)
        known = tokens[at] == column.values
        if column.missing is not None:
            known &= ~column.missing
        ids[known] = at[known]
        return ids


def _column(tokens):
    if isinstance(tokens, TokenColumn):
        return tokens
    if isinstance(tokens, str):
        return read_characters([tokens])
    if not isinstance(tokens, np.ndarray):
        tokens = list(tokens)
    return read_tokens([tokens], "It")


def count_tokens(column):
    """The different tokens in order, the count of each, and how many are missing."""
    if column.kind == "character":
        counts = np.bincount(column.values)
        points = np.flatnonzero(counts)
        return [chr(point) for point in points.tolist()], counts[points], 0
    if column.kind == "number":
        values = column.values
        if column.missing is not None:
            values = values[~column.missing]
        found, counts = np.unique(values, return_counts=True)
        found = found.astype(bool) if column.is_bool else found
        return found.tolist(), counts, len(column) - len(values)
    counter = Counter(column.values)
    n_missing = counter.pop(None, 0)
    found = sorted(counter)
    counts = np.fromiter(map(counter.get, found), dtype=np.int64, count=len(found))
    return found, counts, n_missing


def merge_counts(parts):
    """The counts of one feature in all parts of the data; see `Tokens.counts`."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    counter, n_missing = Counter(), 0
    for found, counts, missing in parts:
        counter.update(dict(zip(found, counts.tolist(), strict=True)))
        n_missing += missing
    try:
        found = sorted(counter)
    except TypeError as error:
        raise ValueError(
            "the tokens of a feature are strings in some parts of the data and numbers "
            "in others. Convert them with str()."
        ) from error
    counts = np.fromiter(map(counter.get, found), dtype=np.int64, count=len(found))
    return found, counts, n_missing


class Categories:
    """The categories of all features of sequences.

    Parameters
    ----------
    vocabularies : list of (Vocabulary or None)
        One for each feature, None for one of numbers.

    Attributes
    ----------
    features : list of int
        Which features are categorical.
    sizes : list of int
        How many ids each of these has, with the unknown one.
    """

    def __init__(self, vocabularies):
        self.vocabularies = list(vocabularies)
        known = enumerate(self.vocabularies)
        self.features = [f for f, vocabulary in known if vocabulary is not None]
        self.sizes = [len(self.vocabularies[f]) + 1 for f in self.features]

    @classmethod
    def from_arrays(cls, arrays):
        """The categories of which `arrays` are the fitted attribute `categories_`."""
        return cls([None if array is None else Vocabulary(array) for array in arrays])

    @property
    def arrays(self):
        """An array of objects for each categorical feature, None for the others."""
        return [None if v is None else v.tokens for v in self.vocabularies]

    @classmethod
    def learn(
        cls, sequences, *, sample_weight=None, min_frequency=1, max_categories=None
    ):
        """Learn the categories of the categorical features of sequences.

        Parameters
        ----------
        sequences : Sequences
            With tokens, as `check_sequences` gives them.
        sample_weight : array-like of shape (n_seqs,) or None
            Sequences of weight 0 are left out; other weights do not count.
        min_frequency : int or float
            How often a category must occur, or in which part of all steps. What is
            rarer is unknown.
        max_categories : int or None
            How many ids a feature may have; if there are more categories, the most
            frequent ones, and one id for all others.

        Returns
        -------
        categories : Categories
        """
        vocabularies = [None] * sequences.n_features
        for feature, counts in sequences.token_counts(sample_weight).items():
            vocabularies[feature] = Vocabulary.of_counts(
                *counts, min_frequency=min_frequency, max_categories=max_categories
            )
        return cls(vocabularies)

    def encode(self, sequences):
        """The same sequences, with the ids of their tokens.

        Parameters
        ----------
        sequences : Sequences
            With the same categorical features as those that were learned.

        Returns
        -------
        sequences : Sequences
            Their batches have `ids`.
        """
        if sequences.categorical != self.features:
            raise ValueError(
                f"features {sequences.categorical} are categorical, but in fit "
                f"{self.features} were"
            )
        tokens = sequences.tokens
        if tokens is None:
            return sequences
        ids = np.empty((int(tokens.start[-1]), len(self.features)), dtype=np.int32)
        for j, (f, column) in enumerate(
            zip(self.features, tokens.columns, strict=True)
        ):
            vocabulary = self.vocabularies[f]
            what = f"The tokens of {tokens.name.format(0)} in feature {f}"
            vocabulary.check_kind(column, what)
            if column.kind == "character":
                _refuse_texts_for_tokens(vocabulary)
            ids[:, j] = vocabulary.encode(column)
            unknown = np.flatnonzero(ids[:, j] == vocabulary.unknown)
            if unknown.size and vocabulary.kind == "string":
                _warn_of_other_form(tokens, column, vocabulary, unknown)
        return sequences.with_ids(ids)


def _refuse_texts_for_tokens(vocabulary):
    """Raise ValueError if sequences of characters meet tokens that are longer."""
    longer = next((token for token in vocabulary.tokens if len(token) > 1), None)
    if longer is not None:
        raise ValueError(
            "X holds texts, whose steps are characters, but fit has seen lists of "
            f"tokens such as {longer!r}. One sequence of tokens is [X]; texts are "
            "split first: [text.split() for text in X]."
        )


def _warn_of_other_form(tokens, column, vocabulary, unknown):
    """Warn if unknown strings are known in another normal form of Unicode.

    Only some of them are looked at, since most texts have one form throughout.
    """
    for row in unknown[np.linspace(0, len(unknown) - 1, 100).astype(int)].tolist():
        text = column.values[row]
        if column.kind == "character":  # an accent may be a character of its own
            i = int(np.searchsorted(tokens.start, row, side="right")) - 1
            first = max(row - 1, int(tokens.start[i]))
            last = min(row + 2, int(tokens.start[i + 1]))
            text = "".join(map(chr, column.values[first:last].tolist()))
        if not text or text.isascii():
            continue
        for form in ("NFC", "NFD"):
            other = unicodedata.normalize(form, text)
            found = list(other) if column.kind == "character" else [other]
            if other != text and all(token in vocabulary._ids for token in found):
                where, step = tokens.place(row)
                warnings.warn(
                    f"{len(unknown)} tokens are unknown, the one of {where} at step "
                    f"{step} because of its form of Unicode only. Bring all texts to "
                    f"the form of those seen in fit: unicodedata.normalize({form!r}, "
                    "text).",
                    UserWarning,
                    stacklevel=2,
                )
                return
