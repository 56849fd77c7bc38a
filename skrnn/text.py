"""Labeled parts of texts as tags of steps, and back; schemes of such tags.

A tag is "O", outside of any chunk, or a prefix and a type: "B-city". What prefixes mean
is told by the scheme. Each scheme is a class here, with three answers that all the rest
follows from: may a tag go on with a chunk, may it start one, and may it be the last.
"""

from collections import namedtuple
from collections.abc import Mapping, Set
from functools import lru_cache
from numbers import Integral
from reprlib import repr as short

import numpy as np

__all__ = ["repair_tags", "scheme_constraints", "spans_to_tags", "tags_to_spans"]

Tag = namedtuple("Tag", ["prefix", "type"])
Constraints = namedtuple("Constraints", ["start", "transitions", "end"])
Constraints.__doc__ = """Which labels may come first, after one another, and last.

`start` and `end` are bool vectors (n_labels,), `transitions` is a bool matrix
(n_labels, n_labels) of the previous label and the next.
"""


# Schemes -----------------------------------------------------------------------------
# A tag that is outside, and what is before the first step or after the last, is None.


class Prefixes:
    """Schemes that have a prefix for each place in a chunk.

    Parameters
    ----------
    single, first, middle, last : str
        The prefix of a chunk of one step, and of the steps of a longer one.
    """

    def __init__(self, single, first, middle, last):
        self._single, self._first = single, first
        self._middle, self._last = middle, last
        self.prefixes = {single, first, middle, last}

    def continues(self, previous, tag):
        """Whether `tag` goes on with the chunk that `previous` is in."""
        return (
            previous.type == tag.type
            and previous.prefix in (self._first, self._middle)
            and tag.prefix in (self._middle, self._last)
        )

    def starts(self, previous, tag):
        """Whether a chunk starts with `tag`."""
        return tag.prefix in (self._single, self._first)

    def may_end(self, tag):
        """Whether a chunk may end with `tag`."""
        return tag.prefix in (self._single, self._last)

    def write(self, n, follows_same):
        """The prefixes of a chunk of n steps."""
        if n == 1:
            return [self._single]
        return [self._first, *[self._middle] * (n - 2), self._last]


class FirstOnlyWhereNeeded:
    """IOB1: B- only parts a chunk from one of the same type just before it."""

    prefixes = {"B", "I"}

    def continues(self, previous, tag):
        """Whether `tag` goes on with the chunk that `previous` is in."""
        return tag.prefix == "I" and previous.type == tag.type

    def starts(self, previous, tag):
        """Whether a chunk starts with `tag`."""
        same = previous is not None and previous.type == tag.type
        return same == (tag.prefix == "B")

    def may_end(self, tag):
        """Whether a chunk may end with `tag`: always."""
        return True

    def write(self, n, follows_same):
        """The prefixes of a chunk of n steps."""
        return ["B" if follows_same else "I", *["I"] * (n - 1)]


class AsConlleval:
    """What conlleval makes of the tags of any scheme: nothing is wrong, all is read."""

    prefixes = {"B", "I", "E", "S", "L", "U"}

    def continues(self, previous, tag):
        """Whether `tag` goes on with the chunk that `previous` is in."""
        return (
            previous.type == tag.type
            and previous.prefix in "BI"
            and tag.prefix in "IEL"
        )

    def starts(self, previous, tag):
        """Whether a chunk starts with `tag`, which does not go on with one: always."""
        return True

    def may_end(self, tag):
        """Whether a chunk may end with `tag`: always."""
        return True


SCHEMES = {
    "IOB1": FirstOnlyWhereNeeded(),
    "IOB2": Prefixes("B", "B", "I", "I"),
    "IOBES": Prefixes("S", "B", "I", "E"),
    "BILOU": Prefixes("U", "B", "I", "L"),
}


CONLLEVAL = AsConlleval()


def _scheme(name):
    if name is None:
        return CONLLEVAL
    if not isinstance(name, str) or name not in SCHEMES:
        raise ValueError(f"scheme must be one of {sorted(SCHEMES)}, not {short(name)}.")
    return SCHEMES[name]


def _allowed(scheme, previous, tag):
    """Whether a tag may follow another one; None is outside, or beyond an end."""
    closed = previous is None or scheme.may_end(previous)
    if tag is None:
        return closed
    if previous is not None and scheme.continues(previous, tag):
        return True
    return closed and scheme.starts(previous, tag)


@lru_cache(maxsize=2**14)
def _parsed(tag, name):
    """A tag as prefix and type, None if it is outside, False if it is no tag."""
    if tag == "O":
        return None
    prefix, _, kind = str(tag).partition("-")
    return Tag(prefix, kind) if prefix in _scheme(name).prefixes else False


def _split(tags, name, where):
    """Tags of the scheme of that name as `_parsed` has them; None is outside, too."""
    split = [
        _parsed(tag, name)
        if isinstance(tag, str)
        else None
        if is_unlabeled(tag)
        else False
        for tag in tags
    ]
    if False in split:
        step = split.index(False)
        prefixes = ", ".join(
            f"{prefix}-..." for prefix in sorted(_scheme(name).prefixes)
        )
        of_scheme = "" if name is None else f" of the scheme {name}"
        raise ValueError(
            f"{where}[{step}] is {short(tags[step])}, no tag{of_scheme}. Tags are O, "
            f"{prefixes}, with a type in place of the dots."
        )
    return split


def _join(prefix, kind):
    return f"{prefix}-{kind}" if kind else prefix


def scheme_constraints(labels, scheme):
    """Return which labels a scheme allows first, after one another, and last.

    Parameters
    ----------
    labels : array-like of shape (n_labels,)
        All labels, in the order that the constraints are to have.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, callable, array-like or tuple
        The name of a tagging scheme; ``scheme(previous, next)``, which says whether the
        second of two labels may follow the first; a bool matrix (n_labels, n_labels)
        that says it; or `start`, `transitions` and `end` as they are returned. By a
        function or a matrix each label may be first and last.

    Returns
    -------
    start : ndarray of shape (n_labels,)
        Whether each label may be first, as bool.
    transitions : ndarray of shape (n_labels, n_labels)
        Whether the label of a row may be followed by the label of a column.
    end : ndarray of shape (n_labels,)
        Whether each label may be last.

    See Also
    --------
    repair_tags : Change tags so that a scheme allows them.

    Examples
    --------
    >>> from skrnn.text import scheme_constraints
    >>> start, transitions, end = scheme_constraints(["B-a", "I-a", "O"], "IOB2")
    >>> start
    array([ True, False,  True])
    >>> transitions
    array([[ True,  True,  True],
           [ True,  True,  True],
           [ True, False,  True]])

    Levels that change by one at a time:

    >>> scheme_constraints([1, 2, 3], lambda previous, next: abs(next - previous) < 2)[
    ...     1
    ... ]
    array([[ True,  True, False],
           [ True,  True,  True],
           [False,  True,  True]])
    """
    labels = _items(labels, "labels", "labels")
    n = len(labels)
    every = np.ones(n, dtype=bool)
    if isinstance(scheme, str):
        rules = _scheme(scheme)
        tags = _split(labels, scheme, "labels")
        start = [_allowed(rules, None, tag) for tag in tags]
        transitions = [[_allowed(rules, a, b) for b in tags] for a in tags]
        end = [_allowed(rules, tag, None) for tag in tags]
    elif callable(scheme):
        start = end = every
        transitions = [[bool(scheme(a, b)) for b in labels] for a in labels]
    elif isinstance(scheme, tuple) and len(scheme) == 3:
        start, transitions, end = scheme
    else:
        start, transitions, end = every, scheme, every
    found = Constraints(*map(np.asarray, (start, transitions, end)))
    for name, array in found._asdict().items():
        shape = (n, n) if name == "transitions" else (n,)
        if array.shape != shape or array.dtype != bool:
            raise ValueError(
                f"{name} of scheme must be bool, and of the shape {shape} for {n} "
                f"labels. It is {array.dtype}, and of the shape {array.shape}."
            )
    for name, array, word in (
        ("start", found.start, "first"),
        ("end", found.end, "last"),
    ):
        if n and not array.any():
            raise ValueError(
                f"scheme allows none of the labels {short(labels)} to be {word}. Give "
                f"a scheme whose {name} allows one."
            )
    return Constraints(*(array.copy() for array in found))


# Sequences of tags -------------------------------------------------------------------


def is_unlabeled(label):
    """Whether a step has no label: None, NaN or pandas' NA."""
    if label is None:
        return True
    if isinstance(label, float | np.floating):
        return bool(label != label)
    return type(label).__name__ in ("NAType", "NaTType")


def _items(given, name, what):
    """The items of a list, or an error if there are none, or no order of them."""
    if isinstance(given, str | Mapping | Set) or not hasattr(given, "__iter__"):
        raise ValueError(f"{name} is {short(given)}. A list of {what} is expected.")
    return list(given)


def tag_sequences(y, name):
    """Sequences of tags as lists, and whether `y` was one sequence by itself."""
    if isinstance(y, str):
        raise ValueError(
            f"{name} is one string: {short(y)}. A list of tags, or of sequences of "
            "tags, is expected."
        )
    if hasattr(y, "columns"):
        raise ValueError(
            f"{name} is a {type(y).__name__}. A list of sequences of tags is expected: "
            "take one of its columns, or a list with a Series for each sequence."
        )
    items = _items(y, name, "tags, or of sequences of tags,")
    if items and (isinstance(items[0], str) or is_unlabeled(items[0])):
        return [items], True
    for i, item in enumerate(items):
        unordered = isinstance(item, Mapping | Set)
        if isinstance(item, str) or unordered or not hasattr(item, "__iter__"):
            raise ValueError(
                f"{name}[{i}] is {short(item)}. A sequence of tags is expected there, "
                f"as in {name}[0]."
            )
    return [list(item) for item in items], False


def chunks_of(tags, scheme, where):
    """(start, stop, type) of the chunks in a list of tags.

    An unlabeled step is outside of all. With a scheme, only what it allows is a chunk.
    """
    rules = _scheme(scheme)
    split = _split(tags, scheme, where)
    chunks, start, previous = [], None, None
    for i, tag in enumerate([*split, None]):
        goes_on = start is not None and tag is not None
        if not goes_on or not rules.continues(previous, tag):
            if start is not None and rules.may_end(previous):
                chunks.append((start, i, previous.type))
            start = i if tag is not None and rules.starts(previous, tag) else None
        previous = tag
    return chunks


def continues_chunk(labels, scheme):
    """Return whether a label (column) goes on with the chunk of another one (row)."""
    rules = _scheme(scheme)
    tags = _split(labels, scheme, "labels")
    goes_on = np.zeros((len(tags), len(tags)), dtype=bool)
    for i, previous in enumerate(tags):
        for j, tag in enumerate(tags):
            if previous is not None and tag is not None:
                goes_on[i, j] = rules.continues(previous, tag)
    return goes_on


def _write(chunks, n, rules):
    """The n tags of some chunks, which are in order."""
    tags = ["O"] * n
    end, last = 0, None
    for start, stop, kind in chunks:
        prefixes = rules.write(stop - start, start == end > 0 and kind == last)
        tags[start:stop] = [_join(prefix, kind) for prefix in prefixes]
        end, last = stop, kind
    return tags


def first_illegal_step(codes, constraints):
    """The first step that no labels of the unlabeled steps make legal, or None.

    Parameters
    ----------
    codes : array-like of int
        The index of each step's label, and -1 where there is none.
    constraints : Constraints

    Returns
    -------
    step : int or None
        The length of the sequence if it is its end that is not legal.
    """
    start, transitions, end = constraints
    possible = start
    for i, code in enumerate(codes):
        if i:
            possible = transitions[possible].any(axis=0)
        if code >= 0:
            possible = possible & (np.arange(len(start)) == code)
        if not possible.any():
            return i
    return None if not len(codes) or (possible & end).any() else len(codes)


def repair_tags(y, scheme="IOB2"):
    """Return tags that a scheme allows: sequences that it does not allow are changed.

    A sequence that is not allowed is read as conlleval reads it: a chunk starts at each
    tag that does not continue the chunk before it, with any prefix. The chunks are then
    written in the scheme. So the function also converts tags from one scheme to
    another.

    Parameters
    ----------
    y : list of sequences of str, or sequence of str
        Tags, and None or NaN for steps without a label.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default="IOB2"
        The scheme.

    Returns
    -------
    y : list of lists of str, or list of str
        The tags. Steps without a label are None.

    See Also
    --------
    tags_to_spans : What is read.

    Examples
    --------
    >>> from skrnn.text import repair_tags
    >>> repair_tags([["I-a", "I-a", "O", "B-b", "I-a"], ["O", "B-a"]])
    [['B-a', 'I-a', 'O', 'B-b', 'B-a'], ['O', 'B-a']]
    >>> repair_tags(["B-a", "I-a", "O", "B-b"], "IOBES")
    ['B-a', 'E-a', 'O', 'S-b']
    """
    rules = _scheme("" if scheme is None else scheme)
    sequences, alone = tag_sequences(y, "y")
    repaired = []
    for i, tags in enumerate(sequences):
        where = "y" if alone else f"y[{i}]"
        tags = [None if is_unlabeled(tag) else str(tag) for tag in tags]
        if not _is_legal(tags, rules, scheme, where):
            chunks = chunks_of(tags, None, where)
            written = _write(chunks, len(tags), rules)
            tags = [
                None if tag is None else new
                for tag, new in zip(tags, written, strict=True)
            ]
        repaired.append(tags)
    return repaired[0] if alone else repaired


def _is_legal(tags, rules, scheme, where):
    kinds = {tag.type for tag in _split(tags, None, where) if tag is not None}
    labels = [
        "O",
        *(_join(p, k) for k in sorted(kinds) for p in sorted(rules.prefixes)),
    ]
    code = {label: i for i, label in enumerate(labels)}
    if any(tag is not None and tag not in code for tag in tags):
        return False  # of another scheme
    codes = [-1 if tag is None else code[tag] for tag in tags]
    return first_illegal_step(codes, scheme_constraints(labels, scheme)) is None


# Spans -------------------------------------------------------------------------------


def tags_to_spans(y, scheme=None, *, token_spans=None):
    """Return the chunks that tags mark.

    Parameters
    ----------
    y : list of sequences of str, or sequence of str
        Tags. A step without a label (None, NaN) is in no chunk.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default=None
        The scheme, by which only what it allows is a chunk. With None, tags of any
        scheme are read as conlleval does, which takes a chunk without a beginning, too.
    token_spans : list of array-like of shape (n_steps, 2), default=None
        The first character of each token and the one after its last, as
        `SequenceVectorizer.token_spans` gives them. With them, spans count characters.

    Returns
    -------
    spans : list of lists of tuple (start, stop, type), or list of tuple
        For each chunk its first step, the one after its last, and its type.

    See Also
    --------
    spans_to_tags : The other way round.

    Examples
    --------
    >>> from skrnn.text import tags_to_spans
    >>> tags_to_spans([["O", "B-city", "I-city"], ["I-day"]])
    [[(1, 3, 'city')], [(0, 1, 'day')]]
    >>> tags_to_spans([["I-day"]], "IOB2")
    [[]]
    """
    sequences, alone = tag_sequences(y, "y")
    if token_spans is not None:
        token_spans = [token_spans] if alone else list(token_spans)
        if len(token_spans) != len(sequences):
            raise ValueError(
                f"There are {len(sequences)} sequences in y, but {len(token_spans)} in "
                "token_spans. Each needs the spans of its tokens."
            )
    found = []
    for i, tags in enumerate(sequences):
        where = "y" if alone else f"y[{i}]"
        chunks = chunks_of(tags, scheme, where)
        if token_spans is not None:
            spans = np.asarray(token_spans[i]).reshape(-1, 2)
            if len(spans) != len(tags):
                raise ValueError(
                    f"{where} has {len(tags)} tags, but token_spans has {len(spans)} "
                    "tokens there. Give the spans of the tokens that have the tags."
                )
            chunks = [(int(spans[a, 0]), int(spans[b - 1, 1]), t) for a, b, t in chunks]
        found.append(chunks)
    return found[0] if alone else found


def spans_to_tags(texts, spans, scheme="IOB2", on_misaligned="error"):
    """Return a tag for each step, from labeled parts of texts.

    Parameters
    ----------
    texts : list
        Where the spans lie. An int array (n_tokens, 2), or a list of pairs, holds the
        first character of each token and the one after its last, as
        `SequenceVectorizer.token_spans` gives them: spans then count characters, and
        each token gets a tag. A str has a tag for each character, and a list of tokens,
        or another sequence, one for each of its items: spans then count these.
    spans : list of lists of tuple (start, stop, type)
        For each text the labeled parts: the first place, the one after the last, and
        the type. More values in a tuple, such as a probability, are not read.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default="IOB2"
        The tags to write.
    on_misaligned : {"error", "expand", "drop"}, default="error"
        What to do with a span that begins or ends within a token, or has no token:
        refuse it, take the whole of those tokens, or leave the span out. A span without
        any token cannot be expanded.

    Returns
    -------
    y : list of lists of str
        Tags, one for each step.

    See Also
    --------
    tags_to_spans : The other way round.
    skrnn.preprocessing.SequenceVectorizer.token_spans : Where tokens are in a text.

    Examples
    --------
    >>> from skrnn.preprocessing import SequenceVectorizer
    >>> from skrnn.text import spans_to_tags, tags_to_spans
    >>> texts = ["Boston to San Francisco."]
    >>> places = SequenceVectorizer().token_spans(texts)
    >>> y = spans_to_tags(places, [[(0, 6, "from"), (10, 23, "to")]])
    >>> y
    [['B-from', 'O', 'B-to', 'I-to', 'O']]
    >>> tags_to_spans(y, token_spans=places)
    [[(0, 6, 'from'), (10, 23, 'to')]]
    """
    rules = _scheme("" if scheme is None else scheme)
    if on_misaligned not in ("error", "expand", "drop"):
        raise ValueError(
            f"on_misaligned must be 'error', 'expand' or 'drop', not "
            f"{short(on_misaligned)}."
        )
    if isinstance(texts, str):
        raise ValueError(
            f"texts is one string: {short(texts)}. A list is expected: [texts], and "
            "[spans]."
        )
    texts = _items(texts, "texts", "texts")
    spans = _items(spans, "spans", "lists of spans, one for each text,")
    if len(texts) != len(spans):
        raise ValueError(
            f"There are {len(texts)} texts, but spans of {len(spans)}. Each text needs "
            "a list of spans, which may be empty."
        )
    y = []
    for i, (text, own) in enumerate(zip(texts, spans, strict=True)):
        tokens, end = _tokens(text, f"texts[{i}]")
        chunks = []
        own = _items(own, f"spans[{i}]", "spans (start, stop, type)")
        for k, span in enumerate(own):
            where = f"spans[{i}][{k}]"
            start, stop, kind = _check_span(span, end, where)
            steps = _covered(tokens, start, stop, f"{where} = {span}", on_misaligned)
            if steps is not None:
                chunks.append((*steps, kind, k))
        chunks.sort(key=lambda chunk: chunk[:2])
        for one, other in zip(chunks, chunks[1:], strict=False):
            if other[0] < one[1]:
                raise ValueError(
                    f"spans[{i}][{one[3]}] = {own[one[3]]} and spans[{i}][{other[3]}] "
                    f"= {own[other[3]]} share a step, which has one tag only. Leave "
                    "out one of them."
                )
        y.append(_write([chunk[:3] for chunk in chunks], len(tokens), rules))
    return y


def _tokens(text, where):
    """(start, stop) of each step, and where the text ends, if that is known."""
    if not hasattr(text, "__len__"):
        raise TypeError(
            f"{where} is {short(text)}. A text, a list of tokens or spans of tokens "
            "is expected."
        )
    steps = np.arange(len(text))
    counted = np.stack([steps, steps + 1], axis=1)
    if isinstance(text, str) or not len(text):
        return counted, len(text)
    if not isinstance(text, np.ndarray):
        for pair in text:
            if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
                return counted, len(text)
            if not all(isinstance(place, Integral) for place in pair):
                return counted, len(text)
    places = np.asarray(text)
    if places.ndim == 2 and places.shape[1] == 2 and places.dtype.kind in "iu":
        return places, None
    return counted, len(text)


def _check_span(span, end, where):
    span = tuple(span) if isinstance(span, list | tuple) else span
    if (
        not isinstance(span, tuple)
        or len(span) < 3
        or not all(isinstance(place, Integral) for place in span[:2])
        or not isinstance(span[2], str)
    ):
        raise ValueError(f"{where} is {short(span)}. (start, stop, type) is expected.")
    start, stop, kind = span[:3]
    if not 0 <= start < stop or (end is not None and stop > end):
        limit = "" if end is None else f", which ends at {end}"
        raise ValueError(
            f"{where} = {span} is no part of its text{limit}. It must start at 0 or "
            "later, and stop after its start."
        )
    return int(start), int(stop), kind


def _covered(tokens, start, stop, where, on_misaligned):
    """The steps (first, after the last) of a span, or None to leave it out."""
    touched = np.flatnonzero((tokens[:, 0] < stop) & (tokens[:, 1] > start))
    if len(touched):
        first, last = touched[0], touched[-1]
        aligned = tokens[first, 0] >= start and tokens[last, 1] <= stop
        if aligned or on_misaligned == "expand":
            return int(first), int(last) + 1
    if on_misaligned == "drop":
        return None
    if not len(touched):
        raise ValueError(
            f"{where} has no token in it. Correct it, or take on_misaligned='drop' to "
            "leave such spans out."
        )
    cut = first if tokens[first, 0] < start else last
    raise ValueError(
        f"{where} cuts the token from {tokens[cut, 0]} to {tokens[cut, 1]}. Correct "
        "it, or take on_misaligned='expand' for the whole token, or 'drop' to leave "
        "such spans out."
    )
