"""RandomConvolutions and ConvolutionFeatures: the local shapes in sequences."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skrnn._atomic import all_or_nothing
from skrnn._stamp import Stamped
from skrnn.inputs.convolutions import (
    N_SAMPLED,
    TAPS,
    Kernels,
    Rows,
    all_kernels,
    blocks_of,
    drawn_kernels,
    drawn_sums,
    even_quantiles,
    lay_out,
    powers_of_two,
    sampled_outputs,
    taps_of,
    weights_of,
)
from skrnn.inputs.packed import auto_segment_length
from skrnn.inputs.sequences import center_and_scale, check_sequences
from skrnn.preprocessing._base import SequenceTransformerMixin

__all__ = ["ConvolutionFeatures", "RandomConvolutions"]

STATISTICS = ("share", "max")


class _Convolutions(Stamped):
    """What both transformers learn: the scale of features, kernels and thresholds."""

    _sums = None  # which features are added before kernels read them

    def _read(self, X):
        """Open the sequences of fit, and learn the scale of their features."""
        self._validate_params()
        sequences = check_sequences(
            X, estimator=self, missing="indicator", measure=True
        )
        self.mean_, self.scale_ = center_and_scale(sequences.statistics())
        return sequences

    def _laid_out(self, sequences):
        """Yield `Rows` of blocks of the sequences."""
        kernels = self._kernels
        remedy = "Leave such values out, or set them to NaN."
        fitted = self.mean_, self.scale_, remedy, self._sums
        for part in blocks_of(sequences.lengths, kernels.before + kernels.after):
            yield kernels.rows(sequences, part, *fitted)

    def _sample(self, sequences, n_sampled):
        """Return some outputs of each kernel on the training set, a list of arrays."""
        stride = max(1, int(sequences.lengths.sum()) // n_sampled)
        found = [[] for _ in self._kernels.taps]
        for rows in self._laid_out(sequences):
            outputs = sampled_outputs(self._kernels, rows, stride)
            for each, more in zip(found, outputs, strict=True):
                each.append(more)
        return [np.concatenate(each) for each in found]

    def _open(self, X):
        check_is_fitted(self)
        return check_sequences(X, estimator=self, reset=False, missing="indicator")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


class RandomConvolutions(_Convolutions, SequenceTransformerMixin, BaseEstimator):
    """Describe the local shapes in each segment of a sequence.

    A kernel has nine taps, `dilation` steps apart: three of 2 and six of -1. Where the
    sequence has the shape of the kernel the output is large. A segment of
    `pool_length` steps is described by the share of outputs over a threshold, and by
    how far the largest output lies over the threshold. A recurrent network reads these
    segments in their order, as in ``make_pipeline(RandomConvolutions(),
    RNNClassifier(bidirectional=True, pooling="mean", segment_length=1))``. For long
    sequences in which shapes count, such as outlines, gestures and motion, this is
    often far more accurate than a network that reads the values themselves.

    Nothing but thresholds is learned. Each feature is standardised first.

    Parameters
    ----------
    n_kernels : int, default=96
        Number of kernels.
    dilations : "auto", int or list of int, default="auto"
        How many steps the taps of a kernel may be apart. "auto" are the powers of two
        with which a kernel is not longer than a long sequence of the training set: one
        that nine in ten sequences do not exceed.
    pool_length : "auto" or int, default="auto"
        Steps in a segment. "auto" makes some twenty segments of a sequence of median
        length: a twentieth of its steps, at least 2 and at most 16.
    statistics : "share", "max" or a tuple of these, default=("share", "max")
        What describes the outputs of a kernel in a segment.
    causal : bool, default=False
        Whether an output belongs to the last step that its kernel reads. Then a segment
        depends on nothing that comes after it, and :meth:`stream` can follow a
        sequence. If not, it belongs to the step in the middle.
    random_state : int, RandomState instance or None, default=None
        Draws kernels, dilations, features and the quantiles of the thresholds.

    Attributes
    ----------
    pool_length_ : int
        Steps in a segment.
    kernels_ : ndarray of shape (n_kernels, 9)
        The taps of each kernel.
    dilations_ : ndarray of shape (n_kernels,)
        How many steps the taps of each kernel are apart.
    channels_ : ndarray of shape (n_kernels,)
        The feature that each kernel reads.
    thresholds_ : ndarray of shape (n_kernels,)
        The threshold of each kernel: a quantile, drawn between .2 and .8, of its
        outputs at all steps of the training set.
    mean_, scale_ : ndarrays of shape (n_features,)
        What features are standardised with.
    n_features_in_ : int
        Features per step; for an array (n_seqs, n_steps), the number of steps.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if `fit` was given DataFrames with string columns.

    See Also
    --------
    ConvolutionFeatures : Describe whole sequences, for a linear classifier.

    Notes
    -----
    Kernels read zeros before the first and after the last step: the mean of a feature.
    A value that is NaN counts as the mean too, and the output at its step does not
    count. A segment without a known value is NaN.

    References
    ----------
    Dempster, Schmidt and Webb 2021, "MiniRocket", arXiv:2012.08791: the kernels.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import RandomConvolutions
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) for n in (30, 50, 47)]
    >>> convolutions = RandomConvolutions(pool_length=10, random_state=0).fit(X)
    >>> [segments.shape for segments in convolutions.transform(X)]
    [(3, 192), (5, 192), (5, 192)]
    """

    __module__ = "skrnn.preprocessing"

    _parameter_constraints = {
        "n_kernels": [Interval(Integral, 1, None, closed="left")],
        "dilations": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 1 << 20, closed="both"),
            "array-like",
        ],
        "pool_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 1 << 20, closed="both"),
        ],
        "statistics": [StrOptions(set(STATISTICS)), list, tuple],
        "causal": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_kernels=96,
        *,
        dilations="auto",
        pool_length="auto",
        statistics=STATISTICS,
        causal=False,
        random_state=None,
    ):
        self.n_kernels = n_kernels
        self.dilations = dilations
        self.pool_length = pool_length
        self.statistics = statistics
        self.causal = causal
        self.random_state = random_state

    @all_or_nothing
    def fit(self, X, y=None):
        """Draw kernels, and learn their thresholds.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.
        y : None
            Ignored.

        Returns
        -------
        self : RandomConvolutions
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter has no such value, or X holds no sequences of numbers.
        """
        sequences = self._read(X)
        statistics = self._checked_statistics()
        dilations = _checked_dilations(self.dilations, sequences.lengths)
        rng = check_random_state(self.random_state)
        n = self.n_kernels
        taps, self.dilations_, self.channels_ = drawn_kernels(
            rng, n, dilations, sequences.n_features
        )
        quantiles = rng.uniform(0.2, 0.8, size=n)
        self.kernels_ = weights_of(TAPS[taps])
        self._causal = bool(self.causal)
        outputs = self._sample(sequences, N_SAMPLED)
        self.thresholds_ = np.array(
            [
                np.quantile(each.astype(np.float64), q) if len(each) else 0.0
                for each, q in zip(outputs, quantiles, strict=True)
            ],
            dtype=np.float32,
        )
        self.pool_length_ = self.pool_length
        if self.pool_length == "auto":
            self.pool_length_ = max(2, auto_segment_length(sequences.lengths))
        self._statistics = statistics
        return self

    def transform(self, X):
        """Describe the segments of sequences.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.

        Returns
        -------
        segments : list of ndarray of shape (n_segments, n_outputs), dtype float32
            ``ceil(n_steps / pool_length_)`` segments for each sequence, which may be
            of any length. ``n_outputs`` is `n_kernels` times the number of statistics:
            the first statistic of all kernels, then the second. One array (n_seqs,
            n_segments, n_outputs) if X is an array of sequences of equal length.
        """
        sequences = self._open(X)
        results = []
        for rows in self._laid_out(sequences):
            segments = self._pooled(rows)
            stops = np.cumsum(-(-rows.n_steps // self.pool_length_))
            # Copies, so that one sequence does not keep the others in memory.
            parts = np.split(segments, stops[:-1])
            results += [part.copy() for part in parts]
        return np.stack(results) if isinstance(sequences.owner, np.ndarray) else results

    def stream(self):
        """Return a stream, which describes one sequence while its steps come in.

        Returns
        -------
        stream : ConvolutionStream
            Its method ``step(x)`` returns the segments that have become complete, with
            the bits of :meth:`transform`.

        Raises
        ------
        ValueError
            If ``causal`` was False in `fit`: kernels then read steps that come later.
        """
        check_is_fitted(self)
        if not self._causal:
            raise ValueError(
                "The kernels read steps that come later. Fit with causal=True to follow"
                " a stream."
            )
        return ConvolutionStream(self)

    @property
    def _kernels(self):
        return Kernels(
            taps_of(self.kernels_), self.dilations_, self.channels_, self._causal
        )

    def _pooled(self, rows):
        """The segments of sequences that are laid out, one below the other."""
        found = self._kernels.pool(rows, self.thresholds_, self.pool_length_)
        by_name = dict(zip(STATISTICS, found, strict=True))
        return np.concatenate([by_name[name] for name in self._statistics], axis=1)

    def _checked_statistics(self):
        names = self.statistics
        names = [names] if isinstance(names, str) else list(names)
        if not names or len(set(names)) < len(names) or set(names) - set(STATISTICS):
            raise ValueError(
                f"statistics must be 'share', 'max' or both, got {self.statistics!r}."
            )
        return names


class ConvolutionStream:
    """The segments of a sequence, as its steps come in.

    Made by :meth:`RandomConvolutions.stream`.

    Parameters
    ----------
    convolutions : RandomConvolutions
        Fitted, with causal kernels.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import RandomConvolutions
    >>> X = np.random.default_rng(0).normal(size=(20, 10, 1))
    >>> convolutions = RandomConvolutions(4, pool_length=5, causal=True, random_state=0)
    >>> stream = convolutions.fit(X).stream()
    >>> [len(stream.step(x)) for x in X[0]]
    [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    """

    __module__ = "skrnn.preprocessing"

    def __init__(self, convolutions):
        self._convolutions = convolutions
        self.reset()

    def reset(self):
        """Begin a new sequence."""
        convolutions = self._convolutions
        shape = len(convolutions.mean_), convolutions._kernels.before
        self._values = np.zeros(shape, dtype=np.float32)
        self._unknown = np.zeros(shape, dtype=np.uint8)

    def step(self, x):
        """Read one or more steps.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (n_steps, n_features)
            The next step, or the next steps. NaN is unknown.

        Returns
        -------
        segments : ndarray of shape (n_complete, n_outputs), dtype float32
            The segments that these steps complete, often none.

        Raises
        ------
        ValueError
            If a step has another number of features than in `fit`, or a value that is
            infinite or too large.
        """
        n_features = self._values.shape[0]
        steps = check_array(
            x,
            dtype=np.float64,
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            input_name="x",
        )
        steps = steps.reshape(1, -1) if steps.ndim < 2 else steps
        if steps.shape[1] != n_features:
            raise ValueError(
                f"x has {steps.shape[1]} features, but the stream is expecting "
                f"{n_features}. Several steps are an array (n_steps, n_features)."
            )
        convolutions = self._convolutions
        rows, _ = lay_out([steps], convolutions.mean_, convolutions.scale_, 0, 0)
        if rows is None:
            raise ValueError(
                "x contains a value that is too large on the scale of the training set."
                " Set it to NaN."
            )
        unknown = rows.unknown
        if not unknown.shape[1]:
            unknown = np.zeros(rows.values.shape, dtype=np.uint8)
        self._values = np.concatenate([self._values, rows.values], axis=1)
        self._unknown = np.concatenate([self._unknown, unknown], axis=1)
        length = convolutions.pool_length_
        n_waiting = self._values.shape[1] - convolutions._kernels.before
        return self._take(n_waiting // length * length)

    def finish(self):
        """Return the last segment if it is not full, and begin a new sequence.

        Returns
        -------
        segments : ndarray of shape (0 or 1, n_outputs), dtype float32
            What :meth:`RandomConvolutions.transform` has as the last segment.
        """
        n_waiting = self._values.shape[1] - self._convolutions._kernels.before
        segments = self._take(n_waiting)
        self.reset()
        return segments

    def _take(self, n_steps):
        """Describe the first steps that wait, and forget what is no longer read."""
        before = self._convolutions._kernels.before
        rows = Rows(
            np.ascontiguousarray(self._values[:, : before + n_steps]),
            np.ascontiguousarray(self._unknown[:, : before + n_steps]),
            *np.array([[before], [n_steps], [0], [n_steps]], dtype=np.intp),
        )
        segments = self._convolutions._pooled(rows)
        self._values = self._values[:, n_steps:].copy()
        self._unknown = self._unknown[:, n_steps:].copy()
        return segments


class ConvolutionFeatures(
    _Convolutions, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Describe whole sequences by the shapes in them: a table, as MiniRocket makes it.

    Each of 84 kernels of nine taps runs over the sequence with up to 32 dilations. A
    feature is the share of the sequence's steps at which an output lies over a
    threshold. A linear classifier on these features, as in
    ``make_pipeline(ConvolutionFeatures(), StandardScaler(), RidgeClassifierCV())``, is
    quick and hard to beat where the order of shapes does not count. It is the baseline
    to compare a recurrent network with.

    Parameters
    ----------
    n_features : int, default=9996
        Number of features, a multiple of 84; another number is rounded down.
    random_state : int, RandomState instance or None, default=None
        Determines which features are summed for each kernel, if sequences have several.

    Attributes
    ----------
    kernels_ : ndarray of shape (n_kernels, 9)
        The taps of each kernel.
    dilations_ : ndarray of shape (n_kernels,)
        How many steps the taps of each kernel are apart.
    channels_ : ndarray of shape (n_kernels, n_features), dtype bool
        The features whose sum each kernel reads.
    thresholds_ : ndarray of shape (n_features_out,)
        The threshold of each column of the table: a quantile of the kernel's outputs at
        the steps of the training set.
    mean_, scale_ : ndarrays of shape (n_features,)
        What features are standardised with.
    n_features_in_ : int
        Features per step; for an array (n_seqs, n_steps), the number of steps.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if `fit` was given DataFrames with string columns.

    See Also
    --------
    RandomConvolutions : Describe segments, for a recurrent network.

    Notes
    -----
    MiniRocket takes each kernel's thresholds from one training sequence. Here they are
    quantiles over all of them, so that the order of X does not matter. Each feature is
    standardised first. If there are several, a kernel reads one of 64 random sums of up
    to 9 features. Sequences may have any length; the widest kernels span the sequence
    that nine in ten are not longer than. NaN counts as the mean, and the output at its
    step does not count.

    References
    ----------
    Dempster, Schmidt and Webb 2021, "MiniRocket", arXiv:2012.08791.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import RidgeClassifierCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skrnn.preprocessing import ConvolutionFeatures
    >>> rng = np.random.default_rng(0)
    >>> X = [
    ...     np.sin(np.arange(n) / (1 + n % 2)) + rng.normal(size=n) / 4
    ...     for n in rng.integers(40, 60, size=60)
    ... ]
    >>> y = [len(x) % 2 for x in X]
    >>> model = make_pipeline(
    ...     ConvolutionFeatures(840, random_state=0),
    ...     StandardScaler(),
    ...     RidgeClassifierCV(),
    ... )
    >>> model.fit(X[:40], y[:40]).score(X[40:], y[40:])
    1.0
    """

    __module__ = "skrnn.preprocessing"

    _parameter_constraints = {
        "n_features": [Interval(Integral, len(TAPS), None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(self, n_features=9996, *, random_state=None):
        self.n_features = n_features
        self.random_state = random_state

    @all_or_nothing
    def fit(self, X, y=None):
        """Choose kernels, and learn their thresholds.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.
        y : None
            Ignored.

        Returns
        -------
        self : ConvolutionFeatures
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter has no such value, or X holds no sequences of numbers.
        """
        sequences = self._read(X)
        rng = check_random_state(self.random_state)
        self._sums = drawn_sums(rng, sequences.n_features)
        kernels, self._first, self._whole = all_kernels(
            rng, self.n_features, len(self._sums), sequences.lengths
        )
        self.kernels_ = weights_of(kernels.taps)
        self.dilations_, self._channel = kernels.dilation, kernels.channel
        quantiles = even_quantiles(int(self._first[-1]))
        thresholds = np.zeros(len(quantiles), dtype=np.float32)
        outputs = self._sample(sequences, N_SAMPLED // 16)
        for each, a, b in zip(outputs, self._first, self._first[1:], strict=False):
            if len(each):
                each = each.astype(np.float64)
                thresholds[a:b] = np.quantile(each, quantiles[a:b])
        self.thresholds_ = thresholds
        return self

    def transform(self, X):
        """Describe sequences.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.

        Returns
        -------
        table : ndarray of shape (n_seqs, n_features_out), dtype float32
            Shares between 0 and 1. NaN where a sequence has no known value in the
            feature that a kernel reads.
        """
        sequences = self._open(X)
        parts = [
            self._kernels.count([rows], self._first, self.thresholds_, self._whole)
            for rows in self._laid_out(sequences)
        ]
        return np.concatenate(parts)

    @property
    def channels_(self):
        """The features whose sum each kernel reads, (n_kernels, n_features)."""
        return self._sums[self._channel]

    @property
    def _kernels(self):
        return Kernels(taps_of(self.kernels_), self.dilations_, self._channel)

    @property
    def _n_features_out(self):
        return len(self.thresholds_)


def _checked_dilations(dilations, lengths):
    """The dilations that kernels may have, as an array."""
    if isinstance(dilations, str):
        return powers_of_two(lengths)
    try:
        array = np.atleast_1d(np.asarray(dilations))
    except ValueError:  # lists of several lengths
        array = np.empty(0)
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "iu":
        raise ValueError(
            f"dilations must be 'auto', an int or a list of ints, got {dilations!r}."
        )
    if array.min() < 1 or array.max() > 1 << 20:
        raise ValueError(f"dilations must lie between 1 and 2**20, got {dilations!r}.")
    return array.astype(np.int64)
