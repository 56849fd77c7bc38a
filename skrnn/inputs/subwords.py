"""Texts as pieces between characters and words, which are learned from texts.

Byte-pair encoding (Sennrich, Haddow and Birch, 2016): the most frequent pair of
neighbouring pieces becomes one piece, again and again. Frequent words end as one piece,
and rare ones as several.

A blank belongs to the word after it, and each text is read with a blank before it. So a
word is the same piece wherever it stands, and joining the pieces of a text gives the
text back, whatever its blanks are.
"""

import re
from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush
from itertools import pairwise
from reprlib import repr as short

__all__ = ["BytePairs", "words_of"]

# What pieces are merged within: marks at the end of a word, a word, other blanks; the
# first two with the blank before them. A longer run without a blank is cut, so that the
# work grows with the length of a text, and not with its square.
LONGEST = 64
MARK = r"[.,:!?)\]\"”»]"
END = r"(?:\s|\Z)"
WORD = re.compile(
    rf" ?{MARK}{{1,{LONGEST}}}(?={END})"
    rf"| ?\S{{1,{LONGEST}}}?(?={MARK}{{0,8}}{END})"
    rf"| ?\S{{1,{LONGEST}}}"
    r"|\s"
)
MAX_CACHED = 100_000  # words whose pieces are kept


def words_of(text):
    """Return the parts of a text within which pieces are merged."""
    return WORD.findall(" " + text) if text else []


class BytePairs:
    """Pairs of pieces that become one piece, in order. They never change.

    Parameters
    ----------
    merges : iterable of (str, str)
        The pairs, in the order in which they were learned.
    """

    def __init__(self, merges):
        self.merges = tuple(merges)
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._cache = {}

    @classmethod
    def learn(cls, texts, n_subwords, min_frequency=2):
        """Return the pairs of some texts.

        Counts are integers, and of pairs that are equally frequent the first one in
        the order of their characters comes first. So equal texts, in any order, give
        equal pairs on every machine.

        Parameters
        ----------
        texts : iterable of str
        n_subwords : int
            Pairs at most. Single characters come beside them.
        min_frequency : int, default=2
            A pair that is seen less often is not learned.

        Returns
        -------
        pairs : BytePairs
        """
        counts = Counter()
        for text in texts:
            counts.update(words_of(text))
        return cls(_PairCounts(counts, min_frequency).merge(n_subwords))

    def encode(self, text):
        """Return the pieces of a text, as a list of str. An empty text has no piece."""
        cache, pieces = self._cache, []
        for word in words_of(text):
            found = cache.get(word)
            if found is None:
                if len(cache) >= MAX_CACHED:
                    cache.clear()
                found = cache[word] = self._encode_word(word)
            pieces += found
        return pieces

    def decode(self, pieces):
        """Return the text of some pieces, which need not come from one text."""
        return "".join(pieces).removeprefix(" ")

    def _encode_word(self, word):
        pieces, rank, none = list(word), self._rank, len(self._rank)
        while len(pieces) > 1:
            pair = min(pairwise(pieces), key=lambda pair: rank.get(pair, none))
            if pair not in rank:
                break
            pieces = merged(pieces, pair)
        return tuple(pieces)

    def fields(self):
        """Return the pairs as plain values, for model files."""
        return {"merges": [piece for pair in self.merges for piece in pair]}

    @classmethod
    def from_fields(cls, fields):
        """Return the pairs that gave such fields.

        Raises
        ------
        ValueError
            If no pairs give such fields.
        """
        if not isinstance(fields, dict) or fields.keys() != {"merges"}:
            raise ValueError(f"subwords have the field 'merges', not {short(fields)}")
        flat = fields["merges"]
        if not isinstance(flat, list) or len(flat) % 2:
            raise ValueError(f"merges must be a list of pairs, not {short(flat)}")
        for piece in flat:
            if not isinstance(piece, str) or not piece:
                raise ValueError(f"merges must be of texts, not of {short(piece)}")
        merges = list(zip(flat[::2], flat[1::2], strict=True))
        if len(set(merges)) != len(merges):
            raise ValueError("merges holds a pair twice")
        return cls(merges)

    def __eq__(self, other):
        return isinstance(other, BytePairs) and self.merges == other.merges

    def __hash__(self):
        return hash(self.merges)

    def __len__(self):
        return len(self.merges)

    def __reduce__(self):
        return _read, (self.fields(),)


def _read(fields):
    return BytePairs.from_fields(fields)


def merged(pieces, pair):
    """Return pieces with a pair made one wherever it stands, from left to right."""
    first, second = pair
    both, result, i, n = first + second, [], 0, len(pieces)
    while i < n:
        if pieces[i] == first and i + 1 < n and pieces[i + 1] == second:
            result.append(both)
            i += 2
        else:
            result.append(pieces[i])
            i += 1
    return result


class _PairCounts:
    """How often each pair of pieces stands in some words, while pairs are merged.

    A merge looks only at the words that hold the pair. A heap gives the most frequent
    pair. Counts in it may be too high, since only a count that grows is put in again:
    each is compared with the true one when it comes up.
    """

    def __init__(self, counts, min_frequency):
        self._words = [list(word) for word in counts]
        self._counts = list(counts.values())
        self._min_frequency = min_frequency
        self._pairs = defaultdict(int)
        self._places = defaultdict(set)  # words that hold a pair, or held it
        for i, (word, count) in enumerate(zip(self._words, self._counts, strict=True)):
            for pair in pairwise(word):
                self._pairs[pair] += count
                self._places[pair].add(i)
        self._heap = [(-count, pair) for pair, count in self._pairs.items()]
        heapify(self._heap)

    def merge(self, n_merges):
        """Return the pairs that were merged, in order."""
        merges = []
        while len(merges) < n_merges:
            pair = self._most_frequent()
            if pair is None:
                break
            merges.append(pair)
            self._merge(pair)
        return merges

    def _most_frequent(self):
        while self._heap:
            count, pair = heappop(self._heap)
            true = self._pairs.get(pair, 0)
            if true < max(1, self._min_frequency):
                continue  # if it grows, it is put in again
            if true == -count:
                return pair
            if true < -count:
                heappush(self._heap, (-true, pair))
        return None

    def _merge(self, pair):
        changes = defaultdict(int)
        for i in self._places.pop(pair):
            before, count = self._words[i], self._counts[i]
            after = self._words[i] = merged(before, pair)
            if len(after) == len(before):
                continue
            for other in pairwise(before):
                changes[other] -= count
            for other in pairwise(after):
                changes[other] += count
                self._places[other].add(i)
        for other, change in changes.items():
            count = self._pairs[other] = self._pairs[other] + change
            if change > 0:
                heappush(self._heap, (-count, other))
        del self._pairs[pair]
