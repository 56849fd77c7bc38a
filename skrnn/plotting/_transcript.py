"""The labels of a sequence where they stand in it."""

import numpy as np

from skrnn.estimators import SequenceTranscriber
from skrnn.plotting._pyplot import COLORS, OTHERS, one_of, two_axes

__all__ = ["TranscriptDisplay"]

FEATURES = 6  # that the legend names one by one


class TranscriptDisplay:
    """One sequence, the labels that were read in it, and the steps of each.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are kept as attributes.

    Parameters
    ----------
    labels : list of labels
        What was read, in order.
    spans : array-like of shape (n_labels, 2)
        First step of each label, and one past its last step.
    signal : array-like of shape (n_steps, n_features) or (n_steps,)
        The sequence.
    proba : array-like of shape (n_segments, 1 + n_classes), default=None
        The probabilities of the symbols of each segment, the blank first.
    classes : array-like of shape (n_classes,), default=None
        The labels of the columns of `proba` after the first one.
    segment_length : int, default=1
        Steps in a row of `proba`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2,)
        The axes that were drawn on last: of the signal, and of the probabilities.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    skrnn.SequenceTranscriber : What makes such labels.
    TaggingDisplay : A label for each step.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.plotting import TranscriptDisplay
    >>> display = TranscriptDisplay.from_predictions(
    ...     ["a", "b"], [[1, 3], [5, 6]], np.sin(np.arange(8.0))
    ... )
    >>> display.labels
    ['a', 'b']
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(
        self, labels, spans, signal, *, proba=None, classes=None, segment_length=1
    ):
        self.labels, self.spans, self.signal = labels, spans, signal
        self.proba, self.classes, self.segment_length = proba, classes, segment_length

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, number=0, ax=None, **kwargs):
        """Draw what a transcriber reads in one sequence.

        Parameters
        ----------
        estimator : SequenceTranscriber
            A fitted transcriber.
        X : list of ndarrays of shape (n_steps_i, n_features)
            Sequences of numbers.
        y : list of str or of sequences of labels, default=None
            Labels to draw where they fit best. None draws the predicted labels.
        number : int, default=0
            Which sequence of `X` is drawn.
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw the sequence and its labels. A single one is divided in two.
            None makes a figure.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : TranscriptDisplay
            What was drawn.
        """
        if not isinstance(estimator, SequenceTranscriber):
            raise TypeError(
                "TranscriptDisplay.from_estimator draws a SequenceTranscriber, got "
                f"{type(estimator).__name__}."
            )
        signal, target = one_of(number, X, y)
        one = [signal]
        read = estimator.predict(one) if y is None else [target]
        labels = read[0]
        if isinstance(labels, str) and estimator.target_unit == "word":
            labels = labels.split()
        elif not isinstance(labels, str | list | tuple | np.ndarray):
            labels = [labels]
        return cls.from_predictions(
            list(labels),
            estimator.align(one, read)[0],
            signal,
            proba=np.exp(estimator.label_log_proba(one)[0]),
            classes=estimator.classes_,
            segment_length=estimator.segment_length_,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        labels,
        spans,
        signal,
        *,
        proba=None,
        classes=None,
        segment_length=1,
        ax=None,
        **kwargs,
    ):
        """Draw labels that were aligned before.

        Parameters
        ----------
        labels : list of labels
            What was read, in order.
        spans : array-like of shape (n_labels, 2)
            First step of each label, and one past its last step.
        signal : array-like of shape (n_steps, n_features) or (n_steps,)
            The sequence.
        proba : array-like of shape (n_segments, 1 + n_classes), default=None
            The probabilities of the symbols of each segment, the blank first.
        classes : array-like of shape (n_classes,), default=None
            The labels of the columns of `proba` after the first one.
        segment_length : int, default=1
            Steps in a row of `proba`.
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw the sequence and its labels. A single one is divided in two.
            None makes a figure.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : TranscriptDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there is not one span for each label, or if there are probabilities
            without classes.
        """
        signal = np.asarray(signal, dtype=float)
        signal = signal[:, np.newaxis] if signal.ndim == 1 else signal
        spans = np.asarray(spans, dtype=np.intp).reshape(-1, 2)
        if len(spans) != len(labels):
            raise ValueError(f"There are {len(labels)} labels and {len(spans)} spans.")
        if proba is not None and classes is None:
            raise ValueError("proba needs classes, which name its columns.")
        proba = None if proba is None else np.asarray(proba, dtype=float)
        display = cls(
            list(labels),
            spans,
            signal,
            proba=proba,
            classes=classes,
            segment_length=segment_length,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, kind="lines"):
        """Draw the sequence above, and its labels and their probabilities below.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw the sequence and its labels. A single one is divided in two.
            None makes a figure.
        kind : {'lines', 'strokes'}, default='lines'
            How the sequence is drawn. 'lines' is a line for each feature. 'strokes' are
            those of a pen: the first two features are its moves, to the right and
            upwards, and the third one, if there is one, is 1 where a stroke begins. The
            steps of a label are thick; those before have its colour.

        Returns
        -------
        display : TranscriptDisplay
            Itself.
        """
        if kind not in ("lines", "strokes"):
            raise ValueError(f"kind must be 'lines' or 'strokes', got {kind!r}.")
        if kind == "strokes" and self.signal.shape[1] < 2:
            raise ValueError("Strokes need two features: the moves of the pen.")
        upper, lower = axes = two_axes(ax, "TranscriptDisplay.plot", (9, 5))
        draw = self._draw_strokes if kind == "strokes" else self._draw_lines
        draw(upper)
        self._draw_labels(lower)
        for ax in axes:
            for side in ("top", "right"):
                ax.spines[side].set_visible(False)
        self.axes_, self.figure_ = axes, upper.figure
        return self

    @staticmethod
    def _explain(ax, *handles):
        """A legend on the right."""
        ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize="small",
        )

    def _color(self, k):
        return COLORS[k % len(COLORS)]

    def _owner(self):
        """Return the label of each step, or the next one, or the last; -1 for none."""
        steps = np.arange(len(self.signal))
        owner = np.searchsorted(self.spans[:, 1], steps, side="right")
        return np.minimum(owner, len(self.labels) - 1)

    def _draw_lines(self, ax):
        from matplotlib.patches import Patch

        steps, n_features = np.arange(len(self.signal)), self.signal.shape[1]
        lines = []
        for j, values in enumerate(self.signal.T):
            shade = 0.75 * j / max(1, n_features - 1)
            lines += ax.plot(steps, values, color=str(shade), linewidth=1)
            lines[-1].set_label(f"feature {j}")
        if n_features > FEATURES:
            lines = lines[:: n_features - 1]  # black is the first, and grey the last
        self._explain(ax, *lines, Patch(color=OTHERS, alpha=0.3, label="a label"))
        for k, (start, stop) in enumerate(self.spans):
            ax.axvspan(start - 0.5, stop - 0.5, color=self._color(k), alpha=0.3, lw=0)
        ax.set_xlim(-0.5, len(steps) - 0.5)
        ax.set_xticklabels([])
        ax.set_ylabel("signal")

    def _draw_strokes(self, ax):
        from matplotlib.lines import Line2D

        moves = self.signal[:, :2]
        begins = np.zeros(len(moves), dtype=bool)
        if self.signal.shape[1] > 2:
            begins = self.signal[:, 2] > 0.5
        x, y = np.cumsum(moves, axis=0).T
        owner = self._owner()
        inside = np.zeros(len(moves), dtype=bool)
        for start, stop in self.spans:
            inside[start:stop] = True
        for t in range(1, len(moves)):
            if begins[t]:
                continue
            color = self._color(owner[t]) if owner[t] >= 0 else OTHERS
            width, alpha = (3.5, 1.0) if inside[t] else (1.5, 0.6)
            ax.plot(
                x[t - 1 : t + 1], y[t - 1 : t + 1], color=color, lw=width, alpha=alpha,
                solid_capstyle="round",
            )  # fmt: skip
        style = {"color": OTHERS, "solid_capstyle": "round"}
        self._explain(
            ax,
            Line2D([], [], lw=3.5, label="steps of a label", **style),
            Line2D([], [], lw=1.5, alpha=0.6, label="those before it", **style),
        )
        top = y.max() + 0.12 * (np.ptp(y) or 1.0)
        for k, label in enumerate(self.labels):
            ax.text(
                x[owner == k].mean(), top, str(label), color=self._color(k),
                ha="center", fontsize=13,
            )  # fmt: skip
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_xticks([])
        ax.set_yticks([])
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)

    def _draw_labels(self, ax):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        n_steps, k = len(self.signal), self.segment_length
        handles = [Patch(color=OTHERS, alpha=0.3, label="steps of a label")]
        if self.proba is not None:
            at = np.minimum((np.arange(len(self.proba)) + 0.5) * k, n_steps) - 0.5
            handles += ax.plot(
                at, self.proba[:, 0], color=OTHERS, lw=1, ls="--", label="no label"
            )
            handles.insert(0, Line2D([], [], color="0.2", lw=1.5, label="a label"))
            known = list(np.asarray(self.classes, dtype=object))
            for j, label in enumerate(self.labels):
                mine = np.abs(at - self.spans[j].mean()) <= n_steps
                for other in (j - 1, j + 1):
                    if 0 <= other < len(self.labels):
                        edge = (self.spans[j].mean() + self.spans[other].mean()) / 2
                        mine &= (at < edge) if other > j else (at >= edge)
                chance = self.proba[:, 1 + known.index(label)]
                ax.plot(at[mine], chance[mine], color=self._color(j), lw=1.5)
            ax.set_ylabel("probability")
        self._explain(ax, *handles)
        for j, (label, (start, stop)) in enumerate(
            zip(self.labels, self.spans, strict=True)
        ):
            ax.axvspan(start - 0.5, stop - 0.5, color=self._color(j), alpha=0.3, lw=0)
            ax.text(
                (start + stop - 1) / 2, 1.06, str(label), color=self._color(j),
                ha="center", fontsize=11,
            )  # fmt: skip
        ax.set_xlim(-0.5, n_steps - 0.5)
        ax.set_ylim(0, 1.2)
        ax.set_yticks([0, 0.5, 1] if self.proba is not None else [])
        ax.set_xlabel("step")
