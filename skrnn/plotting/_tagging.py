"""The labels of a sequence over its steps."""

import numpy as np

from skrnn.plotting._pyplot import (
    COLORS,
    NOTHING,
    OTHERS,
    check_axes,
    import_pyplot,
    one_of,
)

__all__ = ["TaggingDisplay"]

LETTER = 0.1  # inches of a letter
OUTSIDE = "O"  # the label of steps outside of all chunks, in all schemes


class TaggingDisplay:
    """The predicted labels of one sequence, their probabilities and the true labels.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are kept as attributes.

    Parameters
    ----------
    labels : array-like of shape (n_steps,)
        The predicted label of each step.
    proba : array-like of shape (n_steps, n_classes), default=None
        The probabilities of the classes.
    classes : array-like of shape (n_classes,), default=None
        The classes, in the order of the columns of `proba`. None takes the labels in
        `labels` and `true_labels`.
    true_labels : array-like of shape (n_steps,), default=None
        The true labels; None and NaN are steps without one.
    steps : array-like of shape (n_steps,), default=None
        What stands below each step, such as its word. None numbers the steps.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on last.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    skrnn.SequenceTagger : What makes such labels.

    Examples
    --------
    >>> from skrnn.plotting import TaggingDisplay
    >>> display = TaggingDisplay.from_predictions(
    ...     ["O", "city", "city"], steps=["to", "New", "York"]
    ... )
    >>> display.classes.tolist()
    ['O', 'city']
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(
        self, labels, *, proba=None, classes=None, true_labels=None, steps=None
    ):
        self.labels, self.proba, self.classes = labels, proba, classes
        self.true_labels, self.steps = true_labels, steps

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, number=0, steps=None, ax=None, **kwargs
    ):
        """Draw the labels that a tagger predicts for one sequence.

        Parameters
        ----------
        estimator : SequenceTagger or pipeline
            A fitted tagger, or a pipeline that ends with one.
        X : list of sequences, or one table
            What the estimator predicts.
        y : list of array-likes, or array-like, default=None
            The true labels of `X`.
        number : int, default=0
            Which sequence of `X` is drawn.
        steps : array-like of shape (n_steps,), default=None
            What stands below each step. None takes the tokens of a sequence of tokens,
            and otherwise numbers.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : TaggingDisplay
            What was drawn.
        """
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                "TaggingDisplay.from_estimator draws a SequenceTagger, got "
                f"{type(estimator).__name__}."
            )
        labels, proba = estimator.predict(X), estimator.predict_proba(X)
        given = X
        if labels.dtype == object and len(labels) and hasattr(labels[0], "__len__"):
            if not isinstance(labels[0], str):
                given, y = one_of(number, X, y)
                labels, proba = labels[number], proba[number]
        if steps is None and _are_tokens(given):
            steps = list(given)
        return cls.from_predictions(
            labels,
            proba=proba,
            classes=estimator.classes_,
            true_labels=y,
            steps=steps,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        labels,
        *,
        proba=None,
        classes=None,
        true_labels=None,
        steps=None,
        ax=None,
        **kwargs,
    ):
        """Draw labels that were predicted before.

        Parameters
        ----------
        labels : array-like of shape (n_steps,)
            The predicted label of each step.
        proba : array-like of shape (n_steps, n_classes), default=None
            The probabilities of the classes.
        classes : array-like of shape (n_classes,), default=None
            The classes, in the order of the columns of `proba`.
        true_labels : array-like of shape (n_steps,), default=None
            The true labels.
        steps : array-like of shape (n_steps,), default=None
            What stands below each step.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : TaggingDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If the arguments are of different numbers of steps, or if there are
            probabilities without classes.
        """
        labels = np.asarray(labels)
        if labels.ndim != 1 or not len(labels):
            raise ValueError(
                f"labels must be those of one sequence, got shape {labels.shape}."
            )
        for name, value in (
            ("proba", proba), ("true_labels", true_labels), ("steps", steps),
        ):  # fmt: skip
            if value is not None and len(value) != len(labels):
                raise ValueError(
                    f"{name} has {len(value)} steps, and labels has {len(labels)}."
                )
        if classes is None:
            if proba is not None:
                raise ValueError("proba needs classes, which name its columns.")
            known = [*labels.tolist()]
            known += [] if true_labels is None else _without_gaps(true_labels)
            classes = sorted(set(known))
        classes = np.asarray(classes)
        proba = None if proba is None else np.asarray(proba, dtype=float)
        if proba is not None and proba.shape != (len(labels), len(classes)):
            raise ValueError(
                f"proba must have a row for each of {len(labels)} steps and a column "
                f"for each of {len(classes)} classes, got shape {proba.shape}."
            )
        display = cls(
            labels,
            proba=proba,
            classes=classes,
            true_labels=true_labels,
            steps=steps,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, n_classes=6):
        """Draw a band of colours for each kind of labels, and the probabilities.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        n_classes : int, default=6
            How many classes have a colour of their own: the most frequent ones of this
            sequence. Others are grey, and ``'O'``, which names no entity, is light
            grey.

        Returns
        -------
        display : TaggingDisplay
            Itself.
        """
        plt = import_pyplot("TaggingDisplay.plot")
        if ax is not None:
            check_axes(ax)
        n_steps = len(self.labels)
        if ax is None:
            width = min(14, max(6, 0.7 * n_steps if self.steps is not None else 9))
            _, ax = plt.subplots(figsize=(width, 3.4), layout="constrained")
        colors = self._colors(n_classes)
        bands = [("predicted", np.asarray(self.labels).tolist())]
        if self.true_labels is not None:
            bands.append(("true", list(self.true_labels)))
        self._draw_bands(ax, bands, colors)
        if self.proba is not None:
            self._draw_proba(ax, colors)
            top, marks = 1.05, [0.0, 0.5, 1.0]
        else:
            top, marks = 0.0, []
        heights = [-0.15 - 0.25 * i for i in range(len(bands))]
        ax.set_ylim(heights[-1] - 0.17, top + 0.05)
        ax.set_yticks(
            [*marks, *heights], [*map(str, marks), *(name for name, _ in bands)]
        )
        ax.set_xlim(-0.5, n_steps - 0.5)
        if self.steps is not None:
            names = [str(step) for step in self.steps]
            place = ax.figure.get_figwidth() * 0.6 / n_steps  # inches
            crowded = max(map(len, names), default=0) * LETTER > place
            turned = {"rotation": 45, "ha": "right"} if crowded else {}
            ax.set_xticks(range(n_steps), names, **turned)
        else:
            ax.set_xlabel("step")
        if self.proba is not None:
            ax.set_ylabel("probability", loc="top")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _colors(self, n_classes):
        """Return the colour of each class that has one."""
        shown = np.asarray(self.labels).tolist()
        if self.true_labels is not None:
            shown = shown + _without_gaps(self.true_labels)
        named = {*shown} - {OUTSIDE}
        order = sorted(named, key=lambda label: (-shown.count(label), str(label)))
        colors = dict(zip(order[:n_classes], COLORS, strict=False))
        return colors | ({OUTSIDE: NOTHING} if OUTSIDE in shown else {})

    def _draw_bands(self, ax, bands, colors):
        named = set()
        for i, (_, labels) in enumerate(bands):
            for step, label in enumerate(labels):
                if label is None or label != label:
                    continue
                name = None
                if label not in named:
                    name = str(label) if label in colors else None
                    named.add(label)
                if label not in colors and "others" not in named:
                    name = "others"
                    named.add("others")
                ax.bar(
                    step,
                    0.2,
                    width=0.98,
                    bottom=-0.25 - 0.25 * i,
                    color=colors.get(label, OTHERS),
                    label=name,
                )

    def _draw_proba(self, ax, colors):
        steps = np.arange(len(self.labels))
        classes = self.classes.tolist()
        for label, color in colors.items():
            if label in classes:
                chance = self.proba[:, classes.index(label)]
                ax.plot(steps, chance, color=color, marker="o", markersize=3)


def _without_gaps(labels):
    return [label for label in labels if label is not None and label == label]


def _are_tokens(sequence):
    if isinstance(sequence, str):
        return True
    if not isinstance(sequence, list | tuple | np.ndarray) or not len(sequence):
        return False
    return isinstance(sequence[0], str)
