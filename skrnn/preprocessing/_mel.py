"""LogMel: waveforms into the logarithms of their spectra, frame by frame."""

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from skrnn._elementary import exp, log
from skrnn._mel import Frames, cos_turn
from skrnn._stamp import Stamped
from skrnn.inputs.sequences import check_sequences
from skrnn.preprocessing._base import SequenceTransformerMixin

__all__ = ["LogMel", "LogMelStream"]

REACH = 2  # frames before and after that a difference looks at


class LogMel(Stamped, SequenceTransformerMixin, BaseEstimator):
    r"""Convert waveforms to log-mel spectra, or to cepstral coefficients (MFCC).

    A waveform becomes a sequence of frames, one every `hop` seconds, which a recurrent
    network reads far more easily than samples. Each frame tells how much energy there
    is in each band of frequencies. Nothing is learned: :meth:`transform` and
    :meth:`stream` need no `fit`. A `fit` remembers the type of the samples, and other
    types are refused then.

    Frames begin at the first sample. They are not centred, and nothing is added before
    or after a waveform; only one that is shorter than a window is filled up with zeros.
    So a stream gives the frames of the whole, with the same bits.

    Parameters
    ----------
    sample_rate : float
        Samples per second.
    n_mels : int, default=40
        Number of bands.
    window : float, default=0.025
        Length of a frame in seconds, rounded to whole samples.
    hop : float, default=0.01
        Seconds from the begin of a frame to that of the next, rounded to whole samples.
    n_fft : 'auto' or int, default='auto'
        Length of the Fourier transform: a power of two, at least the samples of a
        window. 'auto' is the smallest such power, but at least 4.
    f_min : float, default=60.0
        Where the lowest band begins, in Hz.
    f_max : float or None, default=None
        Where the highest band ends, in Hz. None is half the sample rate.
    preemphasis : float, default=0.97
        The share of the sample before that is subtracted from each sample, which raises
        the high frequencies. 0 changes nothing.
    floor : float, default=1e-5
        Added to the energy of a band before the logarithm, so that silence is a finite
        number.
    running_mean : float or None, default=None
        Over how many seconds a running mean of each feature is taken, which is then
        subtracted. It takes out the microphone, the level and much of the voice while
        a waveform goes on, so that a stream can follow. None subtracts nothing.
    n_coefficients : int or None, default=None
        How many cepstral coefficients take the place of the bands, from the one of
        order 0 on. None keeps the bands.
    n_deltas : {0, 1, 2}, default=0
        Whether the slope of each feature over time follows (1), and the slope of the
        slope (2).

    Attributes
    ----------
    sample_type_ : str
        The type of the samples: 'float', or a type of ints such as 'int16'. Only after
        `fit`.
    n_features_in_ : int
        1. For an array (n_seqs, n_samples), the number of samples. Only after `fit`.

    See Also
    --------
    skrnn.SequenceTranscriber : Reads the frames, and gives the labels that are spoken.

    Notes
    -----
    Ints are divided by :math:`2^{b - 1}` for b bits, after subtracting that number if
    they are unsigned. Floats are taken as they are; let them lie between -1 and 1.
    For samples :math:`x_0, x_1, \ldots`, the window length W, the hop H and the length
    N of the transform, frame t is

    .. math::

        z_i &= x_i - p \, x_{i - 1}, \quad z_0 = (1 - p) \, x_0

        w_n &= \tfrac12 - \tfrac12 \cos(2 \pi n / W), \quad 0 \le n < W

        P_{t, k} &= \Bigl| \sum_{n = 0}^{W - 1} w_n \, z_{t H + n} \,
        e^{-2 \pi i k n / N} \Bigr|^2, \quad 0 \le k \le N / 2

        S_{t, m} &= \log \Bigl(c + \sum_k
        \max\Bigl(0, \min\Bigl(\frac{f_k - a_m}{a_{m + 1} - a_m},
        \frac{a_{m + 2} - f_k}{a_{m + 2} - a_{m + 1}}\Bigr)\Bigr) P_{t, k}\Bigr)

    with the pre-emphasis p, the floor c and :math:`f_k = k \cdot` `sample_rate`
    :math:`/ N`. The corners :math:`a_0, \ldots, a_{M + 1}` of the triangles are
    `n_mels` + 2 frequencies from `f_min` to `f_max` that are equally far apart on the
    mel scale :math:`2595 \log_{10}(1 + f / 700)`. The triangles are not divided by
    their area. Cepstral coefficients are an orthonormal cosine transform,

    .. math::

        C_{t, j} = \sqrt{\frac{2 - [j = 0]}{M}} \sum_{m = 0}^{M - 1}
        S_{t, m} \cos\Bigl(\frac{\pi j (m + \tfrac12)}{M}\Bigr).

    The running mean :math:`m_t = m_{t - 1} + (S_t - m_{t - 1}) / \min(t + 1, R)` of R
    frames, with :math:`m_{-1} = 0`, is subtracted from :math:`S_t` or :math:`C_t`.
    Slopes are :math:`D_t = (S_{t + 1} - S_{t - 1} + 2 S_{t + 2} - 2 S_{t - 2}) / 10`,
    where the first and the last frame take the place of frames before and after them.

    All is computed in float64, with the same bits on every machine.

    References
    ----------
    Davis and Mermelstein 1980, "Comparison of parametric representations for
    monosyllabic word recognition in continuously spoken sentences", IEEE Transactions
    on Acoustics, Speech and Signal Processing 28(4).

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import LogMel
    >>> seconds = np.arange(8000) / 8000
    >>> tone = np.sin(2 * np.pi * 1000 * seconds)
    >>> frames = LogMel(8000).transform([tone, tone[:3000]])
    >>> [each.shape for each in frames]
    [(98, 40), (36, 40)]
    >>> int(frames[0][50].argmax())
    17
    """

    __module__ = "skrnn.preprocessing"

    _parameter_constraints = {
        "sample_rate": [Interval(Real, 0, None, closed="neither")],
        "n_mels": [Interval(Integral, 1, 4096, closed="both")],
        "window": [Interval(Real, 0, None, closed="neither")],
        "hop": [Interval(Real, 0, None, closed="neither")],
        "n_fft": [StrOptions({"auto"}), Interval(Integral, 4, 1 << 20, closed="both")],
        "f_min": [Interval(Real, 0, None, closed="left")],
        "f_max": [Interval(Real, 0, None, closed="neither"), None],
        "preemphasis": [Interval(Real, 0, 1, closed="both")],
        "floor": [Interval(Real, 0, None, closed="neither")],
        "running_mean": [Interval(Real, 0, None, closed="neither"), None],
        "n_coefficients": [Interval(Integral, 1, 4096, closed="both"), None],
        "n_deltas": [Interval(Integral, 0, 2, closed="both")],
    }

    def __init__(
        self,
        sample_rate,
        *,
        n_mels=40,
        window=0.025,
        hop=0.010,
        n_fft="auto",
        f_min=60.0,
        f_max=None,
        preemphasis=0.97,
        floor=1e-5,
        running_mean=None,
        n_coefficients=None,
        n_deltas=0,
    ):
        self.sample_rate = sample_rate
        self.n_mels = n_mels
        self.window = window
        self.hop = hop
        self.n_fft = n_fft
        self.f_min = f_min
        self.f_max = f_max
        self.preemphasis = preemphasis
        self.floor = floor
        self.running_mean = running_mean
        self.n_coefficients = n_coefficients
        self.n_deltas = n_deltas

    def fit(self, X, y=None):
        """Check parameters and waveforms, and remember the type of the samples.

        Parameters
        ----------
        X : sequences
            Waveforms: a list of arrays (n_samples,), or an array (n_seqs, n_samples).
        y : None
            Ignored.

        Returns
        -------
        self : LogMel
            The transformer.

        Raises
        ------
        ValueError
            If parameters do not fit together, a waveform has several channels, or
            waveforms are of several types.
        TypeError
            If samples are neither ints nor floats, or ints of no known width.
        """
        self._frames()
        names = ("n_features_in_", "feature_names_in_", "_columns_are_steps")
        before = {name: vars(self)[name] for name in names if name in vars(self)}
        try:
            _, sample_type = _waveforms(X, self, True, None)
        except BaseException:
            for name in names:
                vars(self).pop(name, None)
            vars(self).update(before)
            raise
        self.sample_type_ = sample_type
        return self

    def transform(self, X):
        """Compute the frames of waveforms.

        Parameters
        ----------
        X : sequences
            Waveforms: a list of arrays (n_samples,), or an array (n_seqs, n_samples).

        Returns
        -------
        frames : list of ndarray of shape (n_frames, n_features), dtype float32
            ``1 + (n_samples - window) // hop`` frames for each waveform, and one for a
            waveform shorter than a window. `n_features` is `n_mels` or
            `n_coefficients`, times ``1 + n_deltas``: all features, then their slopes.
            One array (n_seqs, n_frames, n_features) if X is an array.

        Raises
        ------
        ValueError
            As in :meth:`fit`; and if the samples are of another type than there.
        TypeError
            As in :meth:`fit`.
        """
        kernel = self._frames()
        fitted = getattr(self, "sample_type_", None)
        waveforms, _ = _waveforms(X, self, False, fitted)
        results = []
        for wave in waveforms:
            frames = kernel.push(_scaled(wave.ravel()))
            if frames is None:
                raise ValueError(
                    f"X[{len(results)}] contains a value beyond 1e100. Samples lie "
                    "between -1 and 1: divide the waveform by its largest value."
                )
            rest = kernel.finish()
            frames = rest if len(rest) else frames
            results.append(_with_slopes(frames, self.n_deltas, True, True))
        return np.stack(results) if isinstance(waveforms, np.ndarray) else results

    def stream(self):
        """Return a stream, which gives the frames of a waveform as samples come in.

        Returns
        -------
        stream : LogMelStream
            Its method ``step(samples)`` returns the frames that have become complete,
            with the bits of :meth:`transform`.
        """
        return LogMelStream(self)

    def _frames(self):
        """The compiled frames; an error if the parameters do not fit together."""
        if not get_config()["skip_parameter_validation"]:
            self._validate_params()
        rate = float(self.sample_rate)
        n_window, hop = round(rate * self.window), round(rate * self.hop)
        if not 1 <= n_window <= 1 << 20 or not 1 <= hop <= 1 << 20:
            raise ValueError(
                f"With sample_rate={self.sample_rate}, window={self.window} is "
                f"{n_window} samples and hop={self.hop} is {hop} samples. Both are in "
                "seconds and must be between one and 2**20 samples."
            )
        n_fft = self.n_fft
        if n_fft == "auto":
            n_fft = max(4, 1 << (n_window - 1).bit_length())
        if n_fft & (n_fft - 1) or n_fft < n_window:
            raise ValueError(
                f"n_fft={n_fft} must be a power of two, and at least the {n_window} "
                "samples of a window. Take n_fft='auto'."
            )
        n_mean = 0
        if self.running_mean is not None:
            n_mean = min(max(1, round(rate * self.running_mean / hop)), 1 << 40)
        n_coefficients = self.n_coefficients
        if n_coefficients is not None and n_coefficients > self.n_mels:
            raise ValueError(
                f"n_coefficients={n_coefficients} must not exceed n_mels={self.n_mels}."
            )
        high = rate / 2 if self.f_max is None else float(self.f_max)
        if not self.f_min < high <= rate / 2:
            raise ValueError(
                f"f_min={self.f_min} must be below f_max={high}, and f_max at most "
                f"half of sample_rate={self.sample_rate}."
            )
        window = [0.5 - 0.5 * cos_turn(n, n_window) for n in range(n_window)]
        if n_window == 1:
            window = [1.0]
        filters = _filters(self.n_mels, n_fft, rate, float(self.f_min), high)
        cosines = _cosines(n_coefficients or 0, self.n_mels)
        return Frames(
            np.array(window),
            hop,
            n_fft,
            *filters,
            cosines,
            float(self.preemphasis),
            float(self.floor),
            n_mean,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.requires_fit = False
        return tags


class LogMelStream:
    """The frames of a waveform, as its samples come in.

    Made by :meth:`LogMel.stream`.

    Parameters
    ----------
    log_mel : LogMel
        Its parameters are read here, once.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import LogMel
    >>> wave = np.sin(np.arange(1000) ** 1.5 / 50)
    >>> stream = LogMel(8000).stream()
    >>> [len(stream.step(part)) for part in np.split(wave, 5)]
    [1, 2, 3, 2, 3]
    """

    __module__ = "skrnn.preprocessing"

    def __init__(self, log_mel):
        self._kernel = log_mel._frames()
        self._n_deltas = int(log_mel.n_deltas)
        self._fitted_type = getattr(log_mel, "sample_type_", None)
        self.reset()

    def reset(self):
        """Begin a new waveform."""
        self._kernel.reset()
        self._type = self._fitted_type
        self._recent = np.zeros((0, self._kernel.n_out), dtype=np.float32)
        # The number of the first frame in `recent`, and how many have been given.
        self._first = self._n_given = 0

    def step(self, samples):
        """Read one or more samples.

        Parameters
        ----------
        samples : array-like of shape (n_samples,)
            The next samples, of the type that `fit` or the first step had.

        Returns
        -------
        frames : ndarray of shape (n_complete, n_features), dtype float32
            The frames that have become complete, often none. With slopes a frame is
            complete ``2 * n_deltas`` frames later, as its slope looks ahead.

        Raises
        ------
        ValueError
            If there are several channels, samples of another type than before, or a
            sample that is not finite or beyond 1e100. The stream stays as it was.
        TypeError
            If samples are neither ints nor floats.
        """
        array = np.asarray(samples)
        if array.ndim != 1:
            array = _one_channel(array)
        kind = _type_of(array, "samples")
        if kind != self._type and len(array):
            if self._type is not None:
                raise ValueError(_mixed("samples", kind, "before", self._type))
        frames = self._kernel.push(_scaled(array))
        if frames is None:
            raise ValueError(
                "samples contain NaN, infinity or a value beyond 1e100. Leave such "
                "samples out, or set them to 0."
            )
        if len(array):
            self._type = kind
        return self._sloped(frames, False) if self._n_deltas else frames

    def finish(self):
        """Return the frames that wait for more samples, and begin a new waveform.

        Returns
        -------
        frames : ndarray of shape (n_left, n_features), dtype float32
            What :meth:`LogMel.transform` gives after the frames that the steps gave:
            the last ones if there are slopes, or the only one of a waveform that is
            shorter than a window.
        """
        frames = self._kernel.finish()
        if self._n_deltas:
            frames = self._sloped(frames, True)
        self.reset()
        return frames

    def _sloped(self, frames, at_end):
        """Return the frames that are complete with their slopes, given new frames."""
        recent = np.concatenate([self._recent, frames])
        reach = REACH * self._n_deltas
        n_complete = self._first + len(recent) - (0 if at_end else reach)
        if n_complete <= self._n_given:
            self._recent = recent
            width = (1 + self._n_deltas) * recent.shape[1]
            return np.zeros((0, width), dtype=np.float32)
        complete = _with_slopes(recent, self._n_deltas, self._first == 0, at_end)
        n_new = n_complete - self._n_given
        # The slopes of the next frames look at frames before them.
        first = max(0, n_complete - reach)
        self._recent = recent[first - self._first :]
        self._first, self._n_given = first, n_complete
        return complete[len(complete) - n_new :]


def _waveforms(X, log_mel, reset, expected):
    """Check waveforms; return them, as the user's array or a list, and their type."""
    if isinstance(X, Sequence) and len(X) and isinstance(X[0], list | tuple):
        if len(X[0]) and isinstance(X[0][0], int):
            raise TypeError(
                "X[0] is a list of ints, which do not tell what is loud. Give arrays: "
                "np.array(samples, dtype=np.int16) for samples of 16 bits."
            )
    known = log_mel if reset or hasattr(log_mel, "n_features_in_") else None
    sequences = check_sequences(X, estimator=known, reset=reset)
    if sequences.n_features != 1:
        raise ValueError(
            f"{sequences.name(0)} has {sequences.n_features} channels. A waveform has "
            "one: take x[:, 0], or their mean, x.mean(axis=1)."
        )
    owner, found = sequences.owner, None
    for i, wave in enumerate(owner):
        kind = _type_of(wave, sequences.name(i))
        found = kind if found is None else found
        where = f"in {sequences.name(0)}" if expected is None else "in fit"
        if kind != (expected or found):
            raise ValueError(_mixed(sequences.name(i), kind, where, expected or found))
    return owner, found


def _mixed(name, kind, where, expected):
    return (
        f"{name} has samples of type {kind}, and {where} they were of type {expected}. "
        "The same numbers mean other levels. Convert them; floats of the same level "
        "are x / 2**(bits - 1)."
    )


def _type_of(wave, name):
    """The name of the type of samples."""
    dtype = wave.dtype
    if dtype.kind == "f":
        return "float"
    if dtype.kind in "iu":
        return dtype.name
    raise TypeError(
        f"{name} has samples of type {dtype}. A waveform has ints or floats."
    )


def _one_channel(array):
    if array.ndim == 0:
        return array.reshape(1)
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    raise ValueError(
        f"samples have the shape {array.shape}, and (n_samples,) is expected. A "
        "waveform has one channel: take one of them, or their mean."
    )


def _scaled(wave):
    """The samples in double, between -1 and 1 if they are ints."""
    kind = wave.dtype.kind
    samples = np.ascontiguousarray(wave, dtype=np.float64)
    if kind == "f":
        return samples
    half = 2.0 ** (8 * wave.dtype.itemsize - 1)
    return (samples - half) / half if kind == "u" else samples / half


def _filters(n_mels, n_fft, rate, low, high):
    """Triangles over the bins of a Fourier transform.

    Returns
    -------
    first : ndarray of shape (n_mels,), dtype int32
        The first bin of each triangle.
    start : ndarray of shape (n_mels + 1,), dtype int32
        Where the weights of each triangle begin.
    weight : ndarray of shape (n_weights,)
    """
    scale = 2595.0 / log(10.0)
    bottom, top = (scale * log(1.0 + f / 700.0) for f in (low, high))
    points = [bottom + (top - bottom) * m / (n_mels + 1) for m in range(n_mels + 2)]
    points = [700.0 * (exp(point / scale) - 1.0) for point in points]
    first, start, weights = [], [0], []
    for m in range(n_mels):
        left, middle, right = points[m : m + 3]
        own = {}
        for k in range(int(left * n_fft / rate), n_fft // 2 + 1):
            f = k * rate / n_fft
            value = min((f - left) / (middle - left), (right - f) / (right - middle))
            if value > 0:
                own[k] = value
            if f > right:
                break
        if not own:
            raise ValueError(
                f"n_mels={n_mels} are too many: band {m} from {left:.1f} to "
                f"{right:.1f} Hz has no frequency of a transform of n_fft={n_fft}. "
                "Take fewer, or a larger n_fft."
            )
        first.append(min(own))
        weights += own.values()
        start.append(len(weights))
    ints = [np.array(values, dtype=np.int32) for values in (first, start)]
    return *ints, np.array(weights)


def _cosines(n_coefficients, n_mels):
    """The orthonormal cosine transform, (n_coefficients, n_mels)."""
    table = np.empty((n_coefficients, n_mels))
    for j in range(n_coefficients):
        scale = np.sqrt((2.0 - (j == 0)) / n_mels)
        for m in range(n_mels):
            table[j, m] = scale * cos_turn(j * (2 * m + 1), 4 * n_mels)
    return table


def _with_slopes(frames, n_deltas, at_start, at_end):
    """Return frames with their slopes, which look at frames before and after.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, n_features)
    n_deltas : int
    at_start, at_end : bool
        Whether a waveform begins with the first frame, and ends with the last. If not,
        ``REACH * n_deltas`` frames there are only looked at, and not returned.
    """
    if not n_deltas:
        return frames
    parts = [frames.astype(np.float64)]
    for _ in range(n_deltas):
        before = [parts[-1][:1]] * (REACH * at_start)
        after = [parts[-1][-1:]] * (REACH * at_end)
        x = np.concatenate([*before, parts[-1], *after])
        near, far = x[3:-1] - x[1:-3], x[4:] - x[:-4]
        parts.append((near + 2 * far) / 10)
    n, cut = len(parts[-1]), 0
    for d, part in enumerate(parts):
        cut = 0 if at_start else REACH * (n_deltas - d)
        parts[d] = part[cut : cut + n]
    return np.concatenate(parts, axis=1).astype(np.float32)
