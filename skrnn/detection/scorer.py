"""From evidence to one p-value for each row, by what was seen before it.

Each kind of evidence of each target has a memory of its own. The negative logarithms of
their p-values are added up (Fisher), or the largest is taken. Evidence is dependent, so
errors of single rows count less than the rest, and the sum has a memory, too: the
p-value of a row is that of its sum among earlier sums. So normal rows have evenly
spread p-values whatever the evidence is.

A row counts more if its sum is larger than those of the last rows: the beginning of a
fault says more than each of the rows in which it lasts.

An unusual row enters no memory, or else a long fault would become normal. But a share
of normal rows looks unusual, and memories without these would raise more and more
alarms. So there is a credit: each row that is normal adds its share of an unusual one.
The first of a group of unusual rows is remembered in any case: otherwise heavy tails,
once there are more alarms than promised, would never be learned. What is far out is
remembered as less so: an outlier shall not hide the next one.
"""

import numpy as np

from skrnn._detection import Memory, RowScorer
from skrnn.detection.evidence import TWO_SIDED

__all__ = ["Scorer"]

# How much log p-values count in a sum; others count 1. Both are errors of a single row,
# and so alike. Chosen by made-up faults, labelled files and alarms on normal series.
# `still` stands beside the sum: only when it is very unusual, it says something.
WEIGHTS = {"step": 0.6, "ahead": 0.25, "still": 0.0}


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
    onset : float
        How many times it counts what a sum is larger by than those of the last rows.
    horizon : int
        Number of these rows.
    """

    def __init__(self, names, n_targets, capacity, combine, rate, onset, horizon):
        self.names, self.n_targets = tuple(names), n_targets
        self.capacity, self.combine, self.rate = capacity, combine, rate
        self.onset, self.horizon = onset, horizon
        memories = [
            Memory(capacity, name in TWO_SIDED)
            for name in self.names
            for _ in range(n_targets)
        ]
        self._set(memories, Memory(capacity))

    def _set(self, memories, whole):
        adds_up = self.combine == "fisher"
        weights = [WEIGHTS.get(name, 1.0) if adds_up else 1.0 for name in self.names]
        if not any(weights):
            weights = [1.0 for _ in self.names]
        self._rows = RowScorer(
            memories,
            whole,
            self.n_targets,
            adds_up,
            self.rate,
            self.onset,
            self.horizon,
            np.repeat(weights, self.n_targets),
        )

    def copy(self):
        """Return a scorer that goes on apart from this one."""
        new = type(self).__new__(type(self))
        vars(new).update(vars(self))
        rows = self._rows
        new._set([memory.copy() for memory in rows.memories], rows.whole.copy())
        new._rows.credit, new._rows.n_quiet = rows.credit, rows.n_quiet
        new._rows.set_recent(rows.get_recent())
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
        table = np.concatenate([statistics.values[name] for name in self.names], axis=1)
        return self.score_table(table)

    def score_table(self, table):
        """Score rows by their evidence (n_rows, n_evidence * n_targets)."""
        scores = np.zeros(len(table))
        evidence = np.zeros((len(table), len(self.names)))
        self._rows.score(table, scores, evidence)
        return scores, evidence

    def remember(self, statistics):
        """Take in the evidence of rows that are not scored."""
        for name, values in statistics.values.items():
            first = self.names.index(name) * self.n_targets
            memories = self._rows.memories[first : first + self.n_targets]
            for memory, column in zip(memories, values.T, strict=True):
                for value in column[np.isfinite(column)].tolist():
                    memory.add(value)

    def get_state(self):
        """Return the state as plain values.

        Returns
        -------
        credit : tuple of float and int
            With the number of rows since the last unusual one.
        values : list of ndarray
            Those of each memory, from the oldest on, and the sums of the last rows.
        tails : ndarray of shape (n_memories, 9)
            How the tails of each memory stand.
        """
        rows = self._rows
        states = [memory.get_state() for memory in (*rows.memories, rows.whole)]
        values = [*(values for values, _ in states), rows.get_recent()]
        tails = np.array([tails for _, tails in states])
        return (rows.credit, rows.n_quiet), values, tails

    def set_state(self, credit, values, tails):
        """Go on where `get_state` was called."""
        rows = self._rows
        *values, recent = values
        memories = *rows.memories, rows.whole
        for memory, each, numbers in zip(memories, values, tails, strict=True):
            memory.set_state(each, numbers)
        rows.credit, rows.n_quiet = credit
        rows.set_recent(recent)
