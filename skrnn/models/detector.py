"""A fitted detector of unusual rows: a forecast, and what series were like before."""

from dataclasses import dataclass, replace

import numpy as np

from skrnn.detection.evidence import n_rows_without_forecast, statistics
from skrnn.detection.scorer import Scorer
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import newest_rows
from skrnn.models.forecast import ForecastModel
from skrnn.models.forecast_fields import pack_history, unpack_history

__all__ = ["DetectorModel", "n_rows_back", "score_rows"]

NAME = "SeriesOutlierDetector"  # that errors about later rows tell


@dataclass(frozen=True, eq=False)
class DetectorModel:
    """All that is fitted and needed to score the rows that follow some series.

    A model never changes; new rows make a new one.

    Parameters
    ----------
    forecast : ForecastModel
        Its history has all rows that the evidence of later rows looks back on.
    scorers : list of Scorer
        One for each series.
    scores : list of ndarray of shape (n_rows,)
        The scores of the rows of `fit`, one array for each series.
    n_warm_up : int
        How many rows of a series were not scored at first.
    is_panel : bool
        Whether `fit` was given a list of series.
    targets : ndarray of shape (n_rows, n_targets) or None
        All rows so far, if there is one series without covariates: a stream that
        learns begins with these. None in files of earlier versions.
    """

    forecast: ForecastModel
    scorers: list[Scorer]
    scores: list[np.ndarray]
    n_warm_up: int
    is_panel: bool
    targets: np.ndarray | None = None

    @classmethod
    def keep(cls, forecast, panel, scorers, scores, n_warm_up, is_panel, before=None):
        """Return a model that goes on from the ends of the series.

        `before` are the targets of a series, without those of its last rows that
        `panel` holds.
        """
        targets = None
        if not is_panel and not forecast.schema.n_covariates:
            [series] = panel
            targets = series.y[: series.n_past]
            if before is not None:
                targets = np.concatenate([before, targets])
        n_rows = n_rows_back(forecast, scorers[0].names)
        history = [newest_rows(series, n_rows) for series in panel]
        state = forecast.schema.get_state() | {"estimator_name": NAME}
        schema = SeriesSchema.from_state(state)
        forecast = replace(forecast, history=history, schema=schema)
        return cls(forecast, scorers, scores, n_warm_up, is_panel, targets)

    @property
    def weights(self):
        """Read-only views of the parameters of the network by name."""
        return self.forecast.weights

    def read(self, X, n_future=0):
        """Read rows that follow the history.

        Returns
        -------
        joined : list of Series
            Each series with the rows that follow.
        starts : list of int
            The first row that follows.
        rows : list of ndarray
            Which rows of the joined series were given.
        """
        schema, history = self.forecast.schema, self.forecast.history
        later = schema.read_panel(X, after=history, allow_unknown=True)
        joined = [schema.join(*pair) for pair in zip(history, later, strict=True)]
        if n_future:
            joined = [schema.extend(series, n_future) for series in joined]
        numbers = schema.row_numbers(X)
        first = [a.position - b.position for a, b in zip(later, history, strict=True)]
        rows = [n + i for n, i in zip(numbers, first, strict=True)]
        return joined, [series.n_past for series in history], rows

    def score(self, X, n_threads=1):
        """Score rows that follow the history.

        Returns
        -------
        scores : list of ndarray of shape (n_rows_i,)
        evidence : list of ndarray of shape (n_rows_i, n_evidence)
        """
        joined, starts, rows = self.read(X)
        scores, evidence = [], []
        for series, start, scorer, given in zip(
            joined, starts, self.scorers, rows, strict=True
        ):
            found = score_rows(
                self.forecast, series, start, scorer.copy(), n_threads=n_threads
            )
            scores.append(found[0][given - start])
            evidence.append(found[1][given - start])
        return scores, evidence

    def updated(self, X, n_threads=1):
        """Return the model with the rows that follow its history."""
        joined, starts, _ = self.read(X)
        scorers = [scorer.copy() for scorer in self.scorers]
        for series, start, scorer in zip(joined, starts, scorers, strict=True):
            score_rows(self.forecast, series, start, scorer, n_threads=n_threads)
        before = None
        if self.targets is not None:
            before = self.targets[: len(self.targets) - starts[0]]
        kept = self.scores, self.n_warm_up, self.is_panel, before
        model = self.keep(self.forecast, joined, scorers, *kept)
        return model if before is not None else replace(model, targets=None)

    def expect(self, X, coverage, n_threads=1):
        """Forecast rows that follow the history, each from the row before.

        Returns
        -------
        middle : list of ndarray of shape (n_rows_i, n_targets)
        interval : list of ndarray of shape (n_rows_i, n_targets, 2)
        """
        joined, starts, rows = self.read(X, n_future=self.forecast.horizon)
        middle, interval = [], []
        for series, start, given in zip(joined, starts, rows, strict=True):
            origin = np.arange(start, series.n_past)
            owner = np.zeros(len(origin), dtype=np.intp)
            found = self.forecast.forecast_from([series], owner, origin, n_threads)
            ends = self.forecast.interval(found, coverage)
            middle.append(found.middle[given - start, 0])
            interval.append(ends[given - start, 0])
        return middle, interval

    def pack(self):
        """Return the model as plain values, by the names of its fields."""
        fields = self.forecast.pack()
        fields["_history"] = pack_history(fields["_history"])
        if self.targets is not None:
            fields["_targets"] = self.targets
        lengths = np.array([len(scores) for scores in self.scores], np.int64)
        return fields | {
            "_scores": np.concatenate(self.scores),
            "_n_scores": lengths,
            "_memory": pack_scorers(self.scorers),
            "n_warm_up_": self.n_warm_up,
            "_is_panel": self.is_panel,
        }

    @classmethod
    def unpack(cls, fields):
        """Return the model that `pack` was called of."""
        history = unpack_history(fields["_history"])
        forecast = ForecastModel.unpack(fields | {"_history": history})
        ends = np.cumsum(fields["_n_scores"])[:-1]
        return cls(
            forecast,
            unpack_scorers(fields["_memory"], forecast.n_targets, forecast.horizon),
            [part.copy() for part in np.split(fields["_scores"], ends)],
            fields["n_warm_up_"],
            fields["_is_panel"],
            fields.get("_targets"),
        )


def n_rows_back(forecast, names):
    """Return how many rows the evidence of later rows looks back on."""
    reader, season = forecast.reader, forecast.schema.season
    return max(
        2 * reader.window + season,  # as a forecast keeps by itself
        reader.window + reader.horizon + season,
        n_rows_without_forecast(names, reader.horizon),
    )


def score_rows(forecast, series, start, scorer, stop=None, n_threads=1):
    """Score rows of a series from `start` on, and let the scorer remember them.

    Returns
    -------
    scores : ndarray of shape (n_rows,)
    evidence : ndarray of shape (n_rows, n_evidence)
    """
    stop = series.n_past if stop is None else stop
    found = statistics(forecast, series, start, stop, scorer.names, n_threads)
    return scorer.score(found)


def pack_scorers(scorers):
    """Return scorers of one kind as plain values."""
    first, states = scorers[0], [scorer.get_state() for scorer in scorers]
    return {
        "evidence": list(first.names),
        "combine": first.combine,
        "capacity": first.capacity,
        "rate": first.rate,
        "onset": first.onset,
        "credit": np.array([credit for (credit, _), _, _ in states]),
        "n_quiet": np.array([n_quiet for (_, n_quiet), _, _ in states], np.int64),
        "sizes": np.array([[len(v) for v in values] for _, values, _ in states]),
        "values": np.concatenate([v for _, values, _ in states for v in values]),
        "tails": np.array([tails for _, _, tails in states]),
    }


def unpack_scorers(packed, n_targets, horizon):
    """Return the scorers that `pack_scorers` was given."""
    same = (packed[name] for name in ("capacity", "combine", "rate", "onset"))
    options = packed["evidence"], n_targets, *same, horizon
    scorers, ends = [], np.cumsum(packed["sizes"].ravel())[:-1]
    values = np.split(packed["values"], ends)
    n_parts = packed["sizes"].shape[1]
    n_quiet = packed.get("n_quiet", np.full(len(packed["credit"]), horizon))
    for i, credit in enumerate(
        zip(packed["credit"].tolist(), n_quiet.tolist(), strict=True)
    ):
        scorer = Scorer(*options)
        part = values[i * n_parts : (i + 1) * n_parts]
        scorer.set_state(credit, part, packed["tails"][i])
        scorers.append(scorer)
    return scorers
