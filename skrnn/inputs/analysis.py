"""Texts into tokens, in order, and where in the text each token stands.

CountVectorizer makes the preprocessor, the tokenizer and the list of stop words. Only
n-grams are made here, since CountVectorizer sorts them by length and not by place.
"""

import re
from reprlib import repr as short

from sklearn.feature_extraction.text import CountVectorizer

# What the tokens of an n-gram are joined by.
JOINED_BY = {"word": " ", "char": "", "byte": ""}
BYTES = [chr(byte) for byte in range(256)]


def ngrams(items, sizes, join):
    """All n-grams of some items, by where they start, the short before the long."""
    low, high = sizes
    n = len(items)
    return [
        join(items[i : i + size])
        for i in range(n)
        for size in range(low, min(high, n - i) + 1)
    ]


class Given:
    """Token lists as they are."""

    def tokens(self, item, row):
        """The strings of one token list, as a list."""
        if isinstance(item, str):
            raise TypeError(
                f"{row} is a text: {short(item)}. With analyzer=None, lists of tokens "
                "are expected. analyzer='word' or 'char' makes tokens of texts."
            )
        try:
            items = list(item)
        except TypeError:
            raise TypeError(
                f"{row} is {short(item)}, no list of tokens. Leave it out, or give an "
                "empty list."
            ) from None
        return as_strings(items, row)

    def pieces(self, item, row):
        """Refuse: a token list has no text."""
        raise ValueError(
            "token_spans needs texts to say where tokens are, and with analyzer=None "
            "there are only tokens."
        )


class Called:
    """The tokens that a function of the user makes of a text."""

    def __init__(self, analyzer):
        self._analyzer = analyzer

    def tokens(self, item, row):
        """The tokens of what the user's function takes, which need not be a text."""
        if isinstance(item, str):
            item = check_text(item, row)
        return as_strings(self._analyzer(item), f"analyzer({row})")

    def pieces(self, item, row):
        """(token, start, stop) of each token of a text."""
        text = check_text(item, row)
        return find_all(self.tokens(text, row), text, row, "analyzer")


class Analyzed:
    """Words, characters or bytes of a text, and n-grams of them.

    Parameters
    ----------
    vectorizer : SequenceVectorizer
        Its parameters say how.
    """

    def __init__(self, vectorizer):
        self.unit = vectorizer.analyzer
        own = vectorizer.preprocessor is not None
        self.custom = own or callable(vectorizer.strip_accents)
        self.sizes = vectorizer.ngram_range
        self.join = JOINED_BY[self.unit].join
        made_by = CountVectorizer(
            lowercase=vectorizer.lowercase,
            strip_accents=vectorizer.strip_accents,
            preprocessor=vectorizer.preprocessor,
            tokenizer=vectorizer.tokenizer,
            token_pattern=vectorizer.token_pattern,
            stop_words=vectorizer.stop_words,
        )
        self.preprocess = made_by.build_preprocessor()
        self.tokenizer = self.pattern = self.stop_words = None
        if self.unit == "word":
            self.stop_words = made_by.get_stop_words()
            if vectorizer.tokenizer is None and vectorizer.token_pattern is None:
                raise ValueError(
                    "token_pattern=None needs a tokenizer. Give one of the two."
                )
            try:
                self.tokenizer = made_by.build_tokenizer()
                if vectorizer.tokenizer is None:
                    self.pattern = re.compile(vectorizer.token_pattern)
            except re.error as error:
                raise ValueError(
                    f"token_pattern={vectorizer.token_pattern!r} is no regular "
                    f"expression: {error}."
                ) from error

    def tokens(self, item, row):
        """The tokens of a text, as a list of strings."""
        text = self._preprocessed(check_text(item, row), row)
        if self.unit == "char":
            tokens = list(text)
        elif self.unit == "byte":
            tokens = [BYTES[byte] for byte in text.encode("utf-8", "surrogatepass")]
        else:
            tokens = self.tokenizer(text)
            if self.pattern is None:
                tokens = as_strings(tokens, f"tokenizer({row})")
            if self.stop_words is not None:
                tokens = [token for token in tokens if token not in self.stop_words]
        if self.sizes == (1, 1):
            return tokens
        return ngrams(tokens, self.sizes, self.join)

    def pieces(self, item, row):
        """(token, start, stop) of each token, in the text as it was given."""
        given = check_text(item, row)
        text = self._preprocessed(given, row)
        if self.unit == "char":
            pieces = [(c, i, i + 1) for i, c in enumerate(text)]
        elif self.unit == "byte":
            pieces = [
                (BYTES[byte], i, i + 1)
                for i, c in enumerate(text)
                for byte in c.encode("utf-8", "surrogatepass")
            ]
        elif self.pattern is None:
            tokens = as_strings(self.tokenizer(text), f"tokenizer({row})")
            pieces = find_all(tokens, text, row, "tokenizer")
        else:
            group = self.pattern.groups  # 0 or 1
            # A group that took no part has no place: it is empty where the match is.
            pieces = [
                (match[group] or "", *match.span(group if match[group] else 0))
                for match in self.pattern.finditer(text)
            ]
            pieces = [(t, a, b) if t else (t, a, a) for t, a, b in pieces]
        if self.stop_words is not None:
            pieces = [piece for piece in pieces if piece[0] not in self.stop_words]
        if self.sizes != (1, 1):
            pieces = ngrams(pieces, self.sizes, self._joined)
        return self._in_given(pieces, given, text, row)

    def _joined(self, pieces):
        return self.join([piece[0] for piece in pieces]), pieces[0][1], pieces[-1][2]

    def _preprocessed(self, text, row):
        text = self.preprocess(text)
        if not isinstance(text, str):
            raise TypeError(f"preprocessor({row}) is {short(text)}. It must be a text.")
        return text

    def _in_given(self, pieces, given, text, row):
        """Move places in the preprocessed text to those in the given text."""
        if given == text or (self.custom and len(given) == len(text)):
            return pieces
        origin = self._origin(given, text, row)
        moved = []
        for token, start, stop in pieces:
            first = origin[start]
            if stop > start:
                # What became nothing, as a combining accent does, is of the character
                # before it.
                moved.append((token, first, max(origin[stop - 1] + 1, origin[stop])))
            else:
                moved.append((token, first, first))
        return moved

    def _origin(self, given, text, row):
        """Which character of the given text each preprocessed character comes from.

        Lower-casing and stripping accents act on each character alone (but for the
        form of a final sigma, which changes no length).
        """
        parts = {c: self.preprocess(c) for c in sorted(set(given))}
        if self.custom and "".join(parts[c] for c in given) != text:
            raise ValueError(
                f"The preprocessor changes the length of {row}, and not character by "
                "character: where its tokens stand cannot be said. Apply it to the "
                "texts first, and take preprocessor=None."
            )
        origin = [i for i, c in enumerate(given) for _ in parts[c]]
        return [*origin, len(given)]


def analysis(vectorizer):
    """What makes tokens as the parameters of a vectorizer say."""
    if vectorizer.analyzer is None:
        return Given()
    if callable(vectorizer.analyzer):
        return Called(vectorizer.analyzer)
    return Analyzed(vectorizer)


def check_text(item, row):
    """A text as a `str`, or an error that says what it is instead."""
    if isinstance(item, str):
        return str(item)
    if isinstance(item, bytes):
        raise TypeError(f"{row} is bytes. Decode it first: text.decode('utf-8').")
    if isinstance(item, (list, tuple)) or hasattr(item, "__array__"):
        raise TypeError(
            f"{row} is a {type(item).__name__}, no text. analyzer=None takes lists of "
            "tokens."
        )
    raise TypeError(
        f"{row} is {short(item)}, no text. Leave it out, or give an empty text."
    )


def as_strings(items, row):
    """The items as a list of `str`, or an error that names the first other item."""
    if not hasattr(items, "__iter__"):
        raise TypeError(f"{row} is {short(items)}. It must be a list of tokens.")
    items = list(items)
    for i, item in enumerate(items):
        if type(item) is not str:
            if not isinstance(item, str):
                raise TypeError(
                    f"{row}[{i}] is {short(item)}. Tokens must be strings: "
                    "[str(token) for token in tokens] makes them of other objects."
                )
            items[i] = str(item)
    return items


def find_all(tokens, text, row, maker):
    """(token, start, stop) of tokens that stand in a text one after the other."""
    pieces, at = [], 0
    for token in tokens:
        start = text.find(token, at)
        if start < 0:
            raise ValueError(
                f"The {maker} makes the token {short(token)} of {row}, which does not "
                f"stand there from character {at} on: where it comes from cannot be "
                f"said. The {maker} must take tokens from the text as they are there."
            )
        at = start + len(token)
        pieces.append((token, start, at))
    return pieces
