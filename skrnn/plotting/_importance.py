"""Which features and which times an estimator relies on."""

import numpy as np

from skrnn.inspection import permutation_importance
from skrnn.plotting._pyplot import check_axes, import_pyplot, legend_above

__all__ = ["ImportanceDisplay"]

BAR = "#56B4E9"  # Okabe & Ito's light blue; dots on it are seen
DOT = "#000000"
INCHES = 0.32  # of a row


class ImportanceDisplay:
    """Importances of features, of stretches of time, or of both.

    Features are bars beside each other, the most important one above. Stretches of
    time are bars over the time. Both are a map of features and time. Use
    :meth:`from_estimator` or :meth:`from_importances` to make one. All parameters are
    kept as attributes.

    Parameters
    ----------
    importances : ndarray of shape (n_features, n_repeats)
        The importances; (n_segments, n_repeats) over time, and (n_features,
        n_segments, n_repeats) over both.
    names : list of str, default=None
        Names of the features. None numbers them.
    edges : ndarray of shape (n_segments + 1,), default=None
        The ends of the stretches of time. None are features alone.
    score_name : str, default='score'
        The name of the score, for the label. One that begins with ``neg_`` is that of
        an error, and the label says how much this rises.

    Attributes
    ----------
    bars_ : matplotlib BarContainer or None
        Means; None over both.
    dots_ : matplotlib Line2D or None
        The importance in each repeat; None over both.
    image_ : matplotlib QuadMesh or None
        The map over both.
    colorbar_ : matplotlib Colorbar or None
        Its colours.
    ax_ : matplotlib Axes
        The axes that were drawn on last.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    skrnn.inspection.permutation_importance : What is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.plotting import ImportanceDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(100)]
    >>> y = np.array([x[:, 0].mean() > 0 for x in X])
    >>> model = RNNClassifier(8, max_iter=20, random_state=0).fit(X, y)
    >>> display = ImportanceDisplay.from_estimator(model, X, y, random_state=0)
    >>> display.importances.mean(axis=1).round(1)
    array([0.3, 0. ])
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(self, importances, *, names=None, edges=None, score_name="score"):
        self.importances, self.names, self.edges = importances, names, edges
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        over="features",
        features=None,
        n_segments=10,
        scoring=None,
        n_repeats=5,
        n_jobs=None,
        random_state=None,
        sample_weight=None,
        max_samples=1.0,
        ax=None,
        **kwargs,
    ):
        """Measure importances by exchange, and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted one, as :func:`skrnn.inspection.permutation_importance` takes it.
        X : sequences
            Sequences, preferably some that were held out of the training.
        y : array-like of shape (n_seqs,) or (n_seqs, n_outputs), list, or None
            What the estimator is to predict.
        over : {'features', 'time', 'both'}, default='features'
            Whose importance to measure.
        features : list, default=None
            The features or groups of them to measure, as numbers or names. None is each
            feature.
        n_segments : int, default=10
            Number of stretches of time.
        scoring : str or callable, default=None
            One score. None is the ``score`` of the estimator.
        n_repeats : int, default=5
            How often each part is exchanged.
        n_jobs : int, default=None
            Number of processes. None is one, unless joblib's context says otherwise.
        random_state : int, RandomState instance or None, default=None
            Determines which sequences exchange.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights for the score.
        max_samples : int or float, default=1.0
            How many sequences are drawn for each part; a float is their share.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : ImportanceDisplay
            What was drawn.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        result = permutation_importance(
            estimator,
            X,
            y,
            over=over,
            features=features,
            n_segments=n_segments,
            scoring=scoring,
            n_repeats=n_repeats,
            n_jobs=n_jobs,
            random_state=random_state,
            sample_weight=sample_weight,
            max_samples=max_samples,
        )
        name = scoring if isinstance(scoring, str) else "score"
        return cls.from_importances(result, score_name=name, ax=ax, **kwargs)

    @classmethod
    def from_importances(cls, result, *, score_name="score", ax=None, **kwargs):
        """Draw importances that were measured before.

        Parameters
        ----------
        result : Bunch
            What :func:`skrnn.inspection.permutation_importance` returned for one score.
            That of scikit-learn is drawn, too.
        score_name : str, default='score'
            What the score is called in the picture.
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        **kwargs : dict
            More parameters of :meth:`plot`.

        Returns
        -------
        display : ImportanceDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there are importances for several scores.
        """
        if "importances" not in result:
            raise ValueError(
                f"There are importances for the scores {sorted(result)}. Draw one of "
                "them, as in from_importances(result['accuracy'])."
            )
        display = cls(
            result["importances"],
            names=result.get("names"),
            edges=result.get("edges"),
            score_name=score_name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, n_features=None, sort=True, cmap="Blues", legend=True):
        """Draw the importances.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes new ones.
        n_features : int, default=None
            How many features to draw: those of the largest importance. None draws all.
        sort : bool, default=True
            Whether the most important feature stands above. False keeps the order.
        cmap : str or matplotlib Colormap, default='Blues'
            Colours of the map over both. White is an importance of zero or less.
        legend : bool, default=True
            Whether a legend says what bars and dots are.

        Returns
        -------
        display : ImportanceDisplay
            Itself.
        """
        plt = import_pyplot("ImportanceDisplay.plot")
        if ax is not None:
            check_axes(ax)
        self._check()
        means = self.importances.mean(axis=-1)
        both = means.ndim == 2
        over_time = self.edges is not None and not both
        order = self._order(means.max(axis=1) if both else means, n_features, sort)
        if ax is None:
            height = 3.2 if over_time else 1.3 + INCHES * max(3, len(order))
            _, ax = plt.subplots(figsize=(7, height), layout="constrained")
        self.bars_ = self.dots_ = self.image_ = self.colorbar_ = None
        if both:
            self._draw_map(ax, means[order], cmap)
        elif over_time:
            self._draw_time(ax, means)
        else:
            self._draw_features(ax, means[order], order)
        if not over_time:
            names = self.names or [f"feature {j}" for j in range(len(means))]
            ax.set_yticks(range(len(order)), [names[j] for j in order])
            ax.set_ylim(len(order) - 0.5, -0.5)
        if self.edges is not None:
            ax.set_xlim(100 * self.edges[0], 100 * self.edges[-1])
            ax.set_xlabel("time, % of a sequence")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        if legend and not both:
            legend_above(ax, ncols=2)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _check(self):
        shape = np.shape(self.importances)
        if not hasattr(self.importances, "mean") or len(shape) not in (2, 3):
            raise ValueError(
                "importances must be an array of shape (n_parts, n_repeats), or "
                f"(n_features, n_segments, n_repeats), got shape {shape}."
            )

    def _order(self, means, n_features, sort):
        """The features to draw, from above to below."""
        largest = np.argsort(-means, kind="stable")[:n_features]
        return largest if sort else np.sort(largest)

    @property
    def _label(self):
        name = self.score_name.replace("_", " ")
        if name.startswith("neg "):
            return f"rise of the {name[4:]}"
        return f"drop of the {name}"

    def _draw_features(self, ax, means, order):
        n_repeats = self.importances.shape[1]
        places = np.arange(len(means))
        self.bars_ = ax.barh(places, means, height=0.7, color=BAR, label="mean")
        [self.dots_] = ax.plot(
            self.importances[order].ravel(), np.repeat(places, n_repeats), ".",
            color=DOT, markersize=4, label="each exchange",
        )  # fmt: skip
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_xlabel(self._label)

    def _draw_time(self, ax, means):
        edges = 100 * np.asarray(self.edges)
        middles = (edges[1:] + edges[:-1]) / 2
        self.bars_ = ax.bar(
            edges[:-1], means, np.diff(edges), align="edge", color=BAR,
            edgecolor="white", label="mean",
        )  # fmt: skip
        [self.dots_] = ax.plot(
            np.repeat(middles, self.importances.shape[1]), self.importances.ravel(),
            ".", color=DOT, markersize=4, label="each exchange",
        )  # fmt: skip
        ax.axhline(0, color="0.3", linewidth=0.8)
        ax.set_ylabel(self._label)

    def _draw_map(self, ax, means, cmap):
        self.image_ = ax.pcolormesh(
            100 * np.asarray(self.edges), np.arange(len(means) + 1) - 0.5, means,
            cmap=cmap, vmin=0.0, vmax=max(means.max(), 0.0) or 1.0,
        )  # fmt: skip
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, label=self._label)
