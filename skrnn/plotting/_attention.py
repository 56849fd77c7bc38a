"""What a translator looks at while it writes."""

import numpy as np

from skrnn.estimators import SequenceTranslator
from skrnn.plotting._pyplot import check_axes, import_pyplot, one_of

__all__ = ["AttentionDisplay"]

END = "(end)"
SHORT = 2  # characters of a name that needs no turning
INCHES = {"x": 0.3, "y": 0.24}  # of a column, and of a row
LONGEST = {"x": 13.0, "y": 9.0}


class AttentionDisplay:
    """Where in a source a translator looks for each token of a target.

    A row of the picture belongs to a token of the target, a column to a token of the
    source. The darker a place is, the more the token owes to it. The weights of a row
    sum to one.

    Use :meth:`from_estimator` or :meth:`from_weights` to make one. All parameters are
    kept as attributes.

    Parameters
    ----------
    weights : ndarray of shape (n_target + 1, n_source) or (n_target, n_source)
        The weights. One row more than there are tokens belongs to the end of the
        target.
    source : list of n_source tokens, default=None
        The tokens of the source. None numbers its steps.
    target : list of n_target tokens, default=None
        The tokens of the target. None numbers them.
    segment_length : int, default=1
        Steps of the source in a column; used where there are no tokens.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on last.
    figure_ : matplotlib Figure
        Its figure.
    image_ : matplotlib QuadMesh
        The weights as they were drawn.
    colorbar_ : matplotlib Colorbar or None
        What the colours mean, if this was asked for.

    See Also
    --------
    skrnn.SequenceTranslator : What has such weights.
    TranscriptDisplay : Labels where they stand in a sequence.

    References
    ----------
    D. Bahdanau, K. Cho and Y. Bengio, 2015. Neural machine translation by jointly
    learning to align and translate. https://arxiv.org/abs/1409.0473

    Examples
    --------
    >>> from skrnn.plotting import AttentionDisplay
    >>> display = AttentionDisplay.from_weights(
    ...     [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], ["good", "day"], ["bon", "jour"]
    ... )
    >>> display.target
    ['bon', 'jour']
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(self, weights, *, source=None, target=None, segment_length=1):
        self.weights, self.source, self.target = weights, source, target
        self.segment_length = segment_length

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, number=0, ax=None, **kwargs):
        """Draw what a translator looks at in one sequence.

        Parameters
        ----------
        estimator : SequenceTranslator
            A fitted translator with attention.
        X : list of str, of sequences of tokens or of ndarrays
            Sources, as the translator takes them.
        y : list of str or of sequences of tokens, default=None
            Targets that the translator is to write. None takes its predictions.
        number : int, default=0
            Which source of `X` is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : AttentionDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If X is a single text and not a list.
        """
        if isinstance(X, str):
            raise ValueError("X is one str. A list of sequences is expected: [X].")
        if not isinstance(estimator, SequenceTranslator):
            raise TypeError(
                "AttentionDisplay.from_estimator draws a SequenceTranslator, got "
                f"{type(estimator).__name__}. Weights of another estimator are drawn "
                "by from_weights, as a table."
            )
        source, target = one_of(number, X, y)
        one = [source]
        written = estimator.predict(one) if y is None else [target]
        weights = estimator.attention_weights(one, written)[0]
        model = estimator._model
        return cls.from_weights(
            weights,
            None if model.categories is None else _tokens(one[0], model.source_unit),
            _tokens(written[0], model.target.unit),
            segment_length=estimator.segment_length_,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_weights(
        cls, weights, source=None, target=None, *, segment_length=1, ax=None, **kwargs
    ):
        """Draw weights that were computed before.

        Parameters
        ----------
        weights : array-like of shape (n_target + 1, n_source) or (n_target, n_source)
            The weights. One row more than there are tokens belongs to the end of the
            target.
        source : str or sequence of n_source tokens, default=None
            The tokens of the source. A string is one of characters. None numbers the
            steps of the source.
        target : str or sequence of n_target tokens, default=None
            The tokens of the target. None numbers the rows.
        segment_length : int, default=1
            Steps of the source in a column; used where there are no tokens.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : AttentionDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If the weights are not a table, or if the tokens do not fit its size.
        """
        weights = np.asarray(weights, dtype=float)
        if weights.ndim != 2:
            raise ValueError(f"weights must be a table, got shape {weights.shape}.")
        n_rows, n_columns = weights.shape
        source = None if source is None else list(source)
        target = None if target is None else list(target)
        if source is not None and len(source) != n_columns:
            raise ValueError(
                f"The source has {len(source)} tokens, and weights has {n_columns} "
                "columns."
            )
        if target is not None and n_rows - len(target) not in (0, 1):
            raise ValueError(
                f"The target has {len(target)} tokens, and weights has {n_rows} rows. "
                "There must be one for each token, and one more for the end or not."
            )
        display = cls(
            weights, source=source, target=target, segment_length=segment_length
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, cmap="Blues", vmax=None, end=True, colorbar=True):
        """Draw the weights: the target from above to below, the source to the right.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones, as large as the tokens need.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of the weights.
        vmax : float, default=None
            The weight that has the last colour. None takes the largest weight.
        end : bool, default=True
            Whether the row of the end of the target is drawn, if there is one.
        colorbar : bool, default=True
            Whether a bar beside the axes says what the colours mean.

        Returns
        -------
        display : AttentionDisplay
            Itself.
        """
        weights, rows = self.weights, self._rows()
        if not end and rows and rows[-1] == END:
            weights, rows = weights[:-1], rows[:-1]
        columns = None if self.source is None else list(map(_shown, self.source))
        if ax is not None:
            check_axes(ax)
        else:
            plt = import_pyplot("AttentionDisplay.plot")
            size = self._size(rows, columns)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        edges = np.arange(weights.shape[1] + 1) - 0.5
        if columns is None:
            edges = np.arange(weights.shape[1] + 1) * self.segment_length - 0.5
        self.image_ = ax.pcolormesh(
            edges,
            np.arange(len(weights) + 1) - 0.5,
            weights,
            cmap=cmap,
            vmin=0.0,
            vmax=vmax or (weights.max(initial=0.0) or 1.0),
            rasterized=weights.size > 10_000,
        )
        ax.set_ylim(len(weights) - 0.5, -0.5)
        ax.set_xlim(edges[0], edges[-1])
        self._name_rows(ax, rows)
        self._name_columns(ax, columns)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = ax.figure.colorbar(
                self.image_, ax=ax, label="weight", aspect=12, pad=0.02
            )
        for side in ax.spines.values():
            side.set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _rows(self):
        """The names of the rows."""
        n_rows = len(self.weights)
        if self.target is None:
            return [str(i) for i in range(n_rows)]
        rows = [_shown(token) for token in self.target]
        return rows + [END] * (n_rows - len(rows))

    def _size(self, rows, columns):
        """Width and height in inches of a figure in which all names can be read."""
        n_columns = self.weights.shape[1]
        beside = 0.09 * max(map(len, rows), default=0)
        above = 0.09 * max(map(len, columns or []), default=0)
        width = 5.0 if columns is None else INCHES["x"] * n_columns
        height = INCHES["y"] * len(rows)
        return (
            min(max(2.0, width), LONGEST["x"]) + 1.5 + beside,
            min(max(1.2, height), LONGEST["y"]) + 0.7 + above,
        )

    @staticmethod
    def _name_rows(ax, rows):
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylabel("written")
        ax.tick_params(axis="y", length=0)
        for i in range(1, len(rows)):
            ax.axhline(i - 0.5, color="white", linewidth=0.8)

    @staticmethod
    def _name_columns(ax, columns):
        if columns is None:
            ax.set_xlabel("step of the source")
            return
        turned = max(map(len, columns), default=0) > SHORT
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.set_xlabel("read")
        ax.set_xticks(range(len(columns)), columns, rotation=90 if turned else 0)
        ax.tick_params(axis="x", length=0)
        for i in range(1, len(columns)):
            ax.axvline(i - 0.5, color="white", linewidth=0.8)


def _shown(token):
    """A token as it can be seen: a blank alone, or before a word, is a low bracket."""
    text = token if isinstance(token, str) else str(token)
    return "".join("\u2423" if c.isspace() else c for c in text)


def _tokens(item, unit):
    """The tokens of an item as a translator reads or writes it."""
    if isinstance(item, str):
        return unit.split(item)
    if isinstance(item, list | tuple | np.ndarray):
        return list(item)
    return [item]  # one label
