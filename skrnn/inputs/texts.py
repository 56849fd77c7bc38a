"""Texts, token lists and lists of ids as a language model reads and writes them."""

from reprlib import repr as short
from types import SimpleNamespace

import numpy as np

from skrnn.inputs.analysis import BYTES, analysis, check_text
from skrnn.inputs.containers import column_of_sequences
from skrnn.inputs.tokens import (
    Vocabulary,
    count_tokens,
    read_characters,
    read_tokens,
)

__all__ = ["FORMS", "TextReader", "open_texts"]

FORMS = ("text", "tokens", "ids")
NAMES = {"text": "texts", "tokens": "lists of tokens", "ids": "arrays of ids"}
CHUNK = 1 << 20  # how many characters are converted at once


def open_texts(X, name="X"):
    """Return a list of texts, of token lists or of arrays of ids, and which it is.

    Parameters
    ----------
    X : str, list of str, list of lists of str, or list of arrays of int
        One string is one text.
    name : str
        What messages call `X`.

    Returns
    -------
    items : list
    form : {"text", "tokens", "ids"}
    """
    if isinstance(X, bytes | bytearray):
        raise TypeError(
            f"{name} is bytes. Decode them first: {name}.decode('utf-8'). With "
            "analyzer='byte' a text is read as its bytes."
        )
    if isinstance(X, str):
        return [X], "text"
    X = column_of_sequences(X)
    if isinstance(X, dict | set | frozenset) or not (
        hasattr(X, "__len__") and hasattr(X, "__getitem__") and getattr(X, "ndim", 1)
    ):
        raise TypeError(
            f"{name} is {short(X)}. Texts are expected: a list of strings, of token "
            "lists or of arrays of ids, or one string."
        )
    items = X.to_list() if hasattr(X, "to_list") else list(X)
    if not items:
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required: {name} holds no text."
        )
    forms = [_form_of(item, f"{name}[{i}]") for i, item in enumerate(items)]
    form = next((form for form in forms if form is not None), "tokens")
    for i, other in enumerate(forms):
        if other not in (form, None):
            raise ValueError(
                f"{name}[{i}] is one of the {NAMES[other]}, and those before it are "
                f"{NAMES[form]}. Give all texts in one form."
            )
    return items, form


def _form_of(item, name):
    """The form of one text; None for an empty list, which may be of two forms."""
    if isinstance(item, str):
        return "text"
    if isinstance(item, bytes | bytearray):
        raise TypeError(f"{name} is bytes. Decode it first: text.decode('utf-8').")
    if not isinstance(item, list | tuple | np.ndarray) or np.ndim(item) == 0:
        if not hasattr(item, "to_numpy"):
            raise TypeError(
                f"{name} is {short(item)}, and not a text, a token list or an array of "
                "ids. Leave it out, or make it an empty text."
            )
    if hasattr(item, "dtype") and getattr(item.dtype, "kind", "O") in "iufb":
        return "ids"
    first = next(iter(item), None)
    if first is None:
        return None
    return "tokens" if isinstance(first, str) else "ids"


class TextReader:
    """Makes ids of texts, and texts of ids.

    Parameters
    ----------
    analyzer : {"char", "word", "byte"} or callable
        What the tokens of a text are.
    lowercase : bool
    token_pattern : str
        What a word is.
    form : {"text", "tokens", "ids"}
        What is read. Token lists and ids are read as they are.
    """

    def __init__(self, analyzer, lowercase, token_pattern, form):
        self.analyzer, self.lowercase, self.form = analyzer, lowercase, form
        self.unit = analyzer if isinstance(analyzer, str) else "word"
        self._analysis = None
        if form == "text" and self.unit == "word":
            self._analysis = analysis(
                SimpleNamespace(
                    analyzer=analyzer,
                    lowercase=lowercase,
                    strip_accents=None,
                    preprocessor=None,
                    tokenizer=None,
                    token_pattern=token_pattern,
                    stop_words=None,
                    ngram_range=(1, 1),
                )
            )

    def learn(self, items, **options):
        """Return the vocabulary of some texts; see `vocabulary_of`."""
        return self.vocabulary_of(self.count(items), **options)

    def count(self, items):
        """Return the tokens of texts in order, their counts, and how many are missing.

        So do `merge_counts` for those of several parts of the data.
        """
        if self.form == "text" and self.unit == "byte":
            return list(BYTES), self._count_bytes(items), 0
        if self.form == "text" and self.unit == "char":
            texts = (self._lower(text, i) for i, text in enumerate(items))
            return *_count_characters(texts), 0
        return count_tokens(read_tokens(self._parts(items)))

    def vocabulary_of(self, counted, *, min_frequency=1, max_categories=None):
        """Return the vocabulary of texts whose tokens were counted."""
        if self.form == "text" and self.unit == "byte":
            return Vocabulary(BYTES, np.append(counted[1], 0))
        options = {"min_frequency": min_frequency, "max_categories": max_categories}
        vocabulary = Vocabulary.of_counts(*counted, **options)
        if not vocabulary.counts.any():
            raise ValueError("All texts of X are empty, so that there is no token.")
        return vocabulary

    def encode(self, items, vocabulary):
        """Return the ids of all tokens, one text below the other, and their places.

        Returns
        -------
        ids : ndarray of shape (n_ids,)
        start : ndarray of shape (n_texts + 1,), intp
        """
        dtype = np.min_scalar_type(len(vocabulary))
        if dtype.itemsize > 2:
            dtype = np.dtype(np.int32)
        if self.form == "text" and self.unit != "word":
            pieces = list(map(self._units, items)) if self.unit == "byte" else items
            texts = [self._lower(text, i) for i, text in enumerate(pieces)]
            start = _starts([len(text) for text in texts])
            ids = np.empty(start[-1], dtype=dtype)
            at = 0
            for text in texts:
                for chunk in _chunks(text):
                    ids[at : at + len(chunk)] = vocabulary.encode(chunk)
                    at += len(chunk)
            return ids, start
        parts = self._parts(items)
        start = _starts([len(part) for part in parts])
        if not start[-1]:
            return np.zeros(0, dtype=dtype), start
        column = read_tokens(parts)
        vocabulary.check_kind(column)
        return vocabulary.encode(column).astype(dtype), start

    def token(self, items, i, place):
        """Return one token of text `i`, as `encode` reads it."""
        if self.form == "text" and self.unit != "word":
            return self._lower(items[i], i)[place]
        [part] = self._parts(items[i : i + 1])
        token = part[place]
        return token.item() if isinstance(token, np.generic) else token

    def decode(self, tokens):
        """Return a text, a token list or an array of ids of tokens.

        Parameters
        ----------
        tokens : list of str or int
            Without unknown ones, or with what stands for them.
        """
        if self.form == "ids":
            return np.array(tokens, dtype=np.int64)
        if self.form == "tokens":
            return list(tokens)
        if self.unit == "byte":
            data = "".join(tokens).encode("latin-1")
            return data.decode("utf-8", errors="replace")
        return ("" if self.unit == "char" else " ").join(tokens)

    def n_characters(self, items):
        """Return how many characters each text has; of token lists, with blanks."""
        if self.form == "ids":
            raise ValueError(
                "Ids have no characters. score and perplexity judge them by token."
            )
        if self.form == "text":
            return np.array([len(item) for item in items])
        return np.array([len(" ".join(item)) for item in items])

    def _lower(self, text, i):
        if self.unit == "byte":
            return text
        text = check_text(text, f"X[{i}]")
        return text.lower() if self.lowercase else text

    def _units(self, text):
        text = text.lower() if self.lowercase else text
        return text.encode("utf-8", "surrogatepass").decode("latin-1")

    def _count_bytes(self, items):
        counts = np.zeros(256, dtype=np.int64)
        for text in items:
            data = np.frombuffer(self._units(text).encode("latin-1"), dtype=np.uint8)
            counts += np.bincount(data, minlength=256)
        return counts

    def _parts(self, items):
        if self.form == "text":
            return [
                self._analysis.tokens(item, f"X[{i}]") for i, item in enumerate(items)
            ]
        return [
            item.to_numpy() if hasattr(item, "to_numpy") else item for item in items
        ]


def _count_characters(texts):
    """Return the characters of texts in order, and how often each occurs."""
    counts = np.zeros(0, dtype=np.int64)
    for text in texts:
        for chunk in _chunks(text):
            points = read_characters([chunk]).values
            more = np.bincount(points, minlength=len(counts))
            more[: len(counts)] += counts
            counts = more
    points = np.flatnonzero(counts)
    return [chr(point) for point in points.tolist()], counts[points]


def _chunks(text):
    for start in range(0, len(text), CHUNK):
        yield text[start : start + CHUNK]


def _starts(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
