"""What the tokens of a text are: its characters, its words, or pieces that are learned.

Each of them splits a text into tokens, and joins tokens to a text again.
"""

from reprlib import repr as short

import numpy as np

from skrnn.inputs.analysis import check_text
from skrnn.inputs.containers import column_of_sequences
from skrnn.inputs.sequences import Sequences
from skrnn.inputs.subwords import BytePairs

__all__ = [
    "UNITS",
    "Given",
    "is_unit",
    "learn_unit",
    "looks_like_tokens",
    "split_texts",
    "texts_of",
    "unit_of",
]

UNITS = ("character", "word", "subword")
LOOKED_AT = 100  # sequences whose numbers may look like tokens


class Characters:
    """The characters of a text."""

    name = "character"
    merges = None
    split = staticmethod(list)

    def join(self, tokens):
        """Return the text of some characters."""
        return "".join(tokens)


class Words:
    """What stands between white space."""

    name = "word"
    merges = None
    split = staticmethod(str.split)

    def join(self, tokens):
        """Return words with one blank between them."""
        return " ".join(tokens)


class Subwords:
    """Pieces by byte pairs.

    Parameters
    ----------
    pairs : BytePairs
    """

    name = "subword"

    def __init__(self, pairs):
        self.merges = pairs.fields()["merges"]
        self.split, self.join = pairs.encode, pairs.decode


class Given:
    """An object of the user that splits texts by `encode`, and joins by `decode`."""

    name = "given"
    merges = None

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def split(self, text):
        """Return the tokens that the object makes of a text."""
        tokens = self.tokenizer.encode(text)
        if isinstance(tokens, str) or not hasattr(tokens, "__iter__"):
            raise TypeError(
                f"{type(self.tokenizer).__name__}.encode gives {short(tokens)} of a "
                "text. It must give a list of tokens."
            )
        return list(tokens)

    def join(self, tokens):
        """Return what the object makes of tokens."""
        text = self.tokenizer.decode(list(tokens))
        if not isinstance(text, str):
            raise TypeError(
                f"{type(self.tokenizer).__name__}.decode gives {short(text)} of "
                f"{short(tokens)}. It must give a text."
            )
        return text


def is_unit(asked):
    """Return whether an object can split texts and join tokens."""
    return hasattr(asked, "encode") and hasattr(asked, "decode")


def learn_unit(asked, texts, n_subwords):
    """Return what splits texts as a parameter asks; pieces are learned from texts.

    Parameters
    ----------
    asked : {"auto", "character", "word", "subword"} or object
    texts : iterable of str
    n_subwords : int
    """
    if asked == "subword":
        return Subwords(BytePairs.learn(texts, n_subwords))
    return unit_of("character" if asked == "auto" else asked)


def unit_of(name, merges=None):
    """Return what splits texts, from plain values or from the user's object."""
    if name == "subword":
        return Subwords(BytePairs.from_fields({"merges": merges}))
    if isinstance(name, str):
        return {"character": Characters, "word": Words}[name]()
    return Given(name)


def texts_of(X, name="X"):
    """Return a list of the texts that `X` holds, or None if it holds something else.

    Raises
    ------
    ValueError
        If `X` is one text.
    TypeError
        If there is something else among texts.
    """
    if isinstance(X, str | bytes):
        raise ValueError(
            f"{name} is one {type(X).__name__}. A list of sequences is expected: "
            f"[{name}]."
        )
    if isinstance(X, Sequences):
        return None
    X = column_of_sequences(X)
    if isinstance(X, np.ndarray):
        items = X.tolist() if X.ndim == 1 else []
    elif hasattr(X, "to_list"):
        items = X.to_list()
    else:
        items = list(X) if isinstance(X, list | tuple) else []
    if not items or not isinstance(items[0], str):
        return None
    return [check_text(item, f"{name}[{i}]") for i, item in enumerate(items)]


def split_texts(X, unit, name="X"):
    """Return `X` with a list of tokens in place of each text."""
    texts = texts_of(X, name)
    if texts is None or isinstance(unit, Characters):
        return X  # the characters of a text are read as they are
    found = [unit.split(text) for text in texts]
    for i, tokens in enumerate(found):
        if not tokens:
            what = "token" if isinstance(unit, Given) else unit.name
            raise ValueError(
                f"{name}[{i}] is {short(texts[i])}, which has no {what}. Leave it out: "
                "there is nothing to read."
            )
    return found


def looks_like_tokens(X):
    """Return whether `X` is a list of sequences of whole numbers of which few differ.

    Rows of a table are features, and hardly ever symbols.
    """
    of_objects = getattr(getattr(X, "dtype", None), "kind", None) == "O"
    if not (isinstance(X, list | tuple) or of_objects):
        return False
    try:
        items = [np.asarray(item) for item in X[:LOOKED_AT]]
    except ValueError:  # no arrays, which whoever reads them says in other words
        return False
    if not all(item.ndim == 1 and item.dtype.kind in "iu" for item in items):
        return False
    values = np.concatenate(items) if items else np.zeros(0)
    return 0 < 2 * len(np.unique(values)) <= len(values)
