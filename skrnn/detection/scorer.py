"""From evidence to one p-value for each row, by what was seen before it.

Each kind of evidence of each target has a memory of its own. The negative logarithms of
their p-values are added up (Fisher), or the largest is taken. Evidence is dependent, so
the sum has a memory, too, and the p-value of a row is that of its sum among earlier
sums: normal rows have evenly spread p-values whatever the evidence is.

An unusual row enters no memory, or else a long fault would become normal. But a share
of normal rows looks unusual, and memories without these would raise more and more
alarms. So there is a credit: each row that is normal adds its share of an unusual one.
What is far out is remembered as less so: an outlier shall not hide the next one.
"""

from math import log

import numpy as np

from skrnn.detection.evidence import TWO_SIDED
from skrnn.detection.memory import LEAST, Memory, TwoSidedMemory

__all__ = ["Scorer"]

MOST_CREDIT = 3.0
CLIP = 2.0  # an unusual row is remembered as one whose log p is so far below the rate


class Scorer:
    """The memories of one series, which score its rows one after another.

    Parameters
    ----------
    names : tuple of str
        Kinds of evidence.
    n_targets : int
    capacity : int
        Number of rows that are remembered.
    combine : {"fisher", "max"}
    rate : float
        The share of normal rows that is expected to be unusual.
    """

    def __init__(self, names, n_targets, capacity, combine, rate):
        self.names, self.n_targets = tuple(names), n_targets
        self.capacity, self.combine, self.rate = capacity, combine, rate
        self.parts = [
            [
                (TwoSidedMemory if name in TWO_SIDED else Memory)(capacity)
                for _ in range(n_targets)
            ]
            for name in self.names
        ]
        self.whole = Memory(capacity)
        self.credit = MOST_CREDIT

    def copy(self):
        """Return a scorer that goes on apart from this one."""
        arguments = self.names, self.n_targets, self.capacity, self.combine, self.rate
        new = type(self)(*arguments)
        new.parts = [[memory.copy() for memory in part] for part in self.parts]
        new.whole, new.credit = self.whole.copy(), self.credit
        return new

    def score(self, statistics):
        """Score rows, and remember them.

        Parameters
        ----------
        statistics : Statistics

        Returns
        -------
        scores : ndarray of shape (n_rows,)
            Logarithms of p-values; 0 where there is nothing to tell.
        evidence : ndarray of shape (n_rows, n_evidence)
            The same of each kind of evidence, the smallest of all targets.
        """
        n_rows = len(statistics.known)
        table = np.stack([statistics.values[name] for name in self.names], axis=1)
        scores, evidence = np.zeros(n_rows), np.zeros((n_rows, len(self.names)))
        for i, row in enumerate(table.tolist()):
            scores[i] = self._score_row(row, evidence[i])
        return scores, evidence

    def remember(self, statistics):
        """Take in the evidence of rows that are not scored."""
        for name, part in zip(self.names, self.parts, strict=True):
            columns = statistics.values.get(name, np.empty((0, 0))).T
            for memory, values in zip(part, columns, strict=False):
                for value in values[np.isfinite(values)].tolist():
                    memory.add(value)

    def _score_row(self, row, evidence):
        total, found, is_ready = 0.0, [], True
        adds_up = self.combine == "fisher"
        for j, (part, values) in enumerate(zip(self.parts, row, strict=True)):
            for memory, value in zip(part, values, strict=True):
                if value != value:
                    continue
                found.append((memory, value))
                log_p = memory.log_p(value)
                is_ready = is_ready and len(memory) >= LEAST
                if log_p < evidence[j]:
                    evidence[j] = log_p
                total = total - log_p if adds_up else max(total, -log_p)
        if not found:
            return 0.0
        score = self.whole.log_p(total) if is_ready else 0.0
        if score < log(self.rate):
            if self.credit < 1:
                return score
            self.credit -= 1
            most = log(self.rate) - CLIP
            found = [(memory, memory.clipped(value, most)) for memory, value in found]
            total = self.whole.clipped(total, most)
        else:
            self.credit = min(MOST_CREDIT, self.credit + self.rate)
        for memory, value in found:
            memory.add(value)
        if is_ready:
            self.whole.add(total)
        return score

    def _memories(self):
        return [memory for part in self.parts for memory in part] + [self.whole]

    def get_state(self):
        """Return the credit, and of each memory the values and the tails."""
        states = [memory.get_state() for memory in self._memories()]
        tails = np.zeros((len(states), 10))
        for row, (_, numbers) in zip(tails, states, strict=True):
            row[: len(numbers)] = numbers
        return self.credit, [values for values, _ in states], tails

    def set_state(self, credit, values, tails):
        """Go on where `get_state` was called."""
        self.credit = credit
        for memory, each, numbers in zip(self._memories(), values, tails, strict=True):
            memory.set_state(each, numbers)
