"""Folds: which windows a forecast is fitted to, and which it is tested on."""

from typing import NamedTuple

import numpy as np

__all__ = [
    "Folds",
    "split_by_moments",
    "split_by_series",
    "split_by_time",
    "split_often",
]


class Folds(NamedTuple):
    """Pieces of a set of windows, and the folds that are made of them.

    Parameters
    ----------
    pieces : list of ndarray
        The indices of the windows of each piece.
    numbers : list of (tuple of int, tuple of int)
        The pieces that each fold is trained on, and those that it is tested on.
    stops : list of int
        The row of the longest series that each fold is trained on the rows before.
        Empty if the folds are of series and not of time.
    """

    pieces: list
    numbers: list
    stops: list

    @property
    def complete(self):
        """The numbers of the folds that have both training and test windows."""
        sizes = [len(piece) for piece in self.pieces]
        return [
            f
            for f, fold in enumerate(self.numbers)
            if all(sum(sizes[i] for i in side) for side in fold)
        ]

    def combine(self, values, join):
        """Join values of the pieces; return (training, test) for each complete fold.

        `values` is a list with one for each piece, or a list of such lists, one for
        each complete fold.
        """
        folds, joined = self.complete, []
        by_fold = values and isinstance(values[0], list)
        for nth, f in enumerate(folds):
            of_fold = values[nth] if by_fold else values
            joined.append(
                tuple(join([of_fold[i] for i in side]) for side in self.numbers[f])
            )
        return joined

    @property
    def pairs(self):
        """The training and the test windows of each fold that has both."""
        return self.combine(self.pieces, np.concatenate)


def split_by_time(origin, horizon, n_rows, fraction):
    """Split windows into `Folds`: two folds test the last `fraction` of time.

    The values that a fold is tested on come after those that it is trained on.
    """
    first = np.floor(n_rows * (1 - fraction)).astype(np.intp)
    second = np.floor(n_rows * (1 - fraction / 2)).astype(np.intp)
    return _split_at(origin, horizon, first, second)


def split_often(origin, horizon, n_rows, fraction):
    """Split windows as `split_by_time` does, and once more into six folds.

    No fold is trained on a value that it is tested on, however long the horizon is.

    Returns
    -------
    two, six : Folds
        Both have the same pieces. The first of six folds tests the rows from one and a
        half times the last `fraction` of time on. Folds that are trained on windows at
        fewer moments than a quarter of the horizon are left out.
    """
    times = [np.floor(n_rows * (1 - fraction * k / 4)) for k in range(6, 0, -1)]
    times = [time.astype(np.intp) for time in times]
    begun = sum((origin >= time).astype(np.intp) for time in times)
    ended = sum((origin + horizon > time).astype(np.intp) for time in times)
    kinds = np.unique(np.stack([begun, ended]), axis=1).T.tolist()
    pieces = [np.flatnonzero((begun == a) & (ended == b)) for a, b in kinds]

    def fold(f, n_tested):
        before = tuple(i for i, (_, b) in enumerate(kinds) if b <= f)
        return before, tuple(
            i for i, (a, _) in enumerate(kinds) if f < a <= f + n_tested
        )

    stops = [int(time.max()) if len(time) else 0 for time in times]
    enough = [
        f
        for f in range(6)
        if f in (2, 4) or 4 * len(np.unique(origin[ended <= f])) >= horizon
    ]
    six = Folds(pieces, [fold(f, 1) for f in enough], [stops[f] for f in enough])
    two = Folds(pieces, [fold(f, 2) for f in (2, 4)], [stops[f] for f in (2, 4)])
    return two, six


def split_by_moments(moment, horizon, fraction):
    """Split windows of several series at two moments that are the same for all.

    `moment` (n_windows,) is the origin of each window on the axis that the series
    share. The last `fraction` of the windows begins at the first moment.
    """
    order = np.sort(moment)
    first, second = (
        order[int(np.floor(len(order) * (1 - share)))]
        for share in (fraction, fraction / 2)
    )
    bounds = (np.full(len(moment), time) for time in (first, second))
    return _split_at(moment, horizon, *bounds)._replace(stops=[])


def _split_at(origin, horizon, first, second):
    """Split windows at two times of each, (n_windows,)."""
    whole = origin + horizon
    early, late = origin < first, whole > second
    piece = np.select(
        [whole <= first, early & late, early, ~late, origin < second],
        [0, 5, 1, 2, 3],
        4,
    )
    # The last piece is in no fold: windows of long horizons, which begin before what
    # the first fold tests and reach into what the second one does.
    n_pieces = 6 if np.any(piece == 5) else 5
    pieces = [np.flatnonzero(piece == i) for i in range(n_pieces)]
    stops = [int(first.max()), int(second.max())] if len(first) else []
    return Folds(pieces, [((0,), (2, 3)), ((0, 1, 2), (4,))], stops)


def split_by_series(series):
    """Split windows into `Folds`: each half of the series tests the other half."""
    pieces = [np.flatnonzero(series % 2 == i) for i in range(2)]
    return Folds(pieces, [((0,), (1,)), ((1,), (0,))], [])
