"""The network of a forecast: what it learns, and how it corrects the linear part."""

import functools
import math

import numpy as np

from skrnn import _windows
from skrnn.forecasting.windows import (
    BLOCK_WINDOWS,
    OneWindow,
    Windows,
    forget_far,
    normalized,
    refuse_overflow,
    thinned,
)
from skrnn.network import NetworkSpec
from skrnn.network.readout import SegmentReadout
from skrnn.training import Data

__all__ = ["WindowData", "WindowForecaster", "initialize", "make_spec"]


class WindowData(Data):
    """Windows with their targets, as the training reads them.

    Parameters
    ----------
    lines : Lines
    line, origin : ndarray of shape (n_windows,)
    reader : WindowReader
    linear : LinearForecast
        The network learns the residuals of this forecast.
    options : WindowOptions
    weight : ndarray of shape (n_lines,)
        One over the scale of each line.
    power : int
        The `scale_power` of the loss.
    """

    def __init__(self, lines, line, origin, reader, linear, options, weight, power):
        self.lines, self.line, self.origin = lines, line, origin
        self.reader, self.linear, self.options = reader, linear, options
        self.weight, self.power = weight, power
        self.used = np.arange(len(line))
        self.mean_weight = None  # `batch` divides by that of the batch

    def batch(self, indices, dtype):
        """Return the batch of some windows, their targets and their weights."""
        line, origin = self.line[indices], self.origin[indices]
        windows = Windows.cut(
            self.lines, line, origin, self.reader.window, self.options
        )
        residual = self.residual(line, origin, windows)
        weight = (windows.scale * self.weight[line]) ** self.power
        weight[np.isnan(residual).all(axis=1) | np.isnan(windows.level)] = 0.0
        mean = math.fsum(weight) / len(weight)
        if mean > 0:
            weight /= mean  # so that the penalty counts the same in each batch
        else:
            # Nothing moves: nothing to learn, but a loss is a mean of something.
            residual[:], weight[:] = np.nan, 1.0
        return self.reader.read(self.lines, line, origin, windows), residual, weight

    def residual(self, line, origin, windows):
        """Return errors of the linear forecast, in units of the scale of a window."""
        future = self.lines.future(line, origin, self.reader.horizon)
        future -= windows.level[:, np.newaxis]
        if self.options.robust:
            forget_far(future, windows)
        level = windows.level, self.lines.target[line]
        future -= self.linear.forecast(windows.values, *level)
        return normalized(future, windows.scale)

    def weight_of(self, indices):
        """Return the weights of some windows, (n_windows,)."""
        return self.batch(indices, self.reader.dtype)[2]

    def hold_out(self, fraction):
        """Split the windows by time; return those to train on and those held out.

        No window to train on sees a value that a held-out window forecasts.
        """
        end = np.zeros(len(self.lines), dtype=np.intp)
        np.maximum.at(end, self.line, self.origin + self.reader.horizon)
        end = np.minimum(end, self.lines.n_rows)[self.line]
        cut = np.floor(end * (1 - fraction))
        before = self.origin + self.reader.horizon <= cut
        return self._take(before), self._take(self.origin >= cut)

    def shortened(self, size):
        """Return windows that see `size` rows, where there are as many and more."""
        at = np.flatnonzero(self.origin > size)
        lines = self.lines.shortened(self.line[at], self.origin[at], size)
        line, origin = np.arange(len(at)), np.full(len(at), size)
        parts = self.reader, self.linear, self.options, self.weight[self.line[at]]
        return WindowData(lines, line, origin, *parts, self.power)

    def thinned(self, most):
        """Return at most `most` of the windows, evenly spread."""
        return self._take(thinned(np.arange(len(self.line)), most))

    def _take(self, chosen):
        return WindowData(
            self.lines,
            self.line[chosen],
            self.origin[chosen],
            self.reader,
            self.linear,
            self.options,
            self.weight,
            self.power,
        )

    def blocks(self):
        """Yield the indices of all windows, by bounded blocks."""
        for start in range(0, len(self.used), BLOCK_WINDOWS):
            yield self.used[start : start + BLOCK_WINDOWS]


class WindowForecaster:
    """Forecasts of windows: a linear forecast, and the network that corrects it.

    A forecast of a window has the same bits whatever windows are forecast with it.

    Parameters
    ----------
    reader : WindowReader
    linear : LinearForecast
    network : Network
        Loaded with its parameters.
    loss : loss of forecasts
    gate : ndarray of shape (horizon,)
        The share of the network's correction at each step, between 0 and 1.
    options : WindowOptions
    short : ShortHistories or None
        The unit of the errors of windows with few values; None is their spread.
    """

    def __init__(self, reader, linear, network, loss, gate, options, short=None):
        self.reader, self.linear, self.network = reader, linear, network
        self.loss, self.gate, self.options = loss, gate, options
        self.corrects, self.short = bool(gate.any()), short
        self._one = None

    def forecast(self, lines, line, origin, n_threads=1):
        """Forecast windows.

        Returns
        -------
        forecast : ndarray of shape (n_windows, horizon, n_quantiles)
            One value for each step if the loss has no quantiles.
            NaN if no value of a window is known.
        spread : ndarray of shape (n_windows, horizon)
            The unit of the errors.
        """
        if len(line) <= BLOCK_WINDOWS:
            return self._forecast(lines, line, origin, n_threads)
        n_quantiles = self.network.n_out // self.reader.horizon
        out = np.empty((len(line), self.reader.horizon, n_quantiles))
        spread = np.empty((len(line), self.reader.horizon))
        for start in range(0, len(line), BLOCK_WINDOWS):
            part = slice(start, start + BLOCK_WINDOWS)
            out[part], spread[part] = self._forecast(
                lines, line[part], origin[part], n_threads
            )
        return out, spread

    @np.errstate(over="ignore", invalid="ignore")
    def _forecast(self, lines, line, origin, n_threads):
        reader, batch, n = self.reader, None, len(line)
        if n == 1 and self.corrects and reader.n_channels == 2:
            if self._one is None:
                self._one = OneWindow(reader, self.options)
            windows, batch = self._one.read(lines, line, origin)
        else:
            windows = Windows.cut(lines, line, origin, reader.window, self.options)
        target = lines.target[line]
        linear = self.linear.forecast(windows.values, windows.level, target)
        out = np.empty((n, reader.horizon, self.network.n_out // reader.horizon))
        if self.corrects:
            if batch is None:
                batch = reader.read(lines, line, origin, windows)
            raw = self.network.forward(batch, n_threads=n_threads).astype(float)
            change = self.loss.forecast(raw).reshape(out.shape)
            at, scale = windows.level, windows.scale
            bounded = _windows.correct(linear, at, change, scale, self.gate, out)
        else:
            out[...] = (linear + windows.level[:, np.newaxis])[..., np.newaxis]
            bounded = not np.isinf(out).any()
        if not bounded:  # NaN means that no value of a window is known
            refuse_overflow(out.dtype)
        if self.short is None:
            return out, np.repeat(windows.spread[:, np.newaxis], len(self.gate), axis=1)
        return out, self.short.units(windows, target, self.options.season)


def make_spec(reader, n_out, hidden_layer_sizes, cell="gru", activation="tanh"):
    """Return the description of the network that reads what `reader` gives."""
    readout = functools.partial(
        SegmentReadout,
        n_segments=reader.n_future_segments,
        n_future=reader.n_future_in,
        segment_size=reader.future_segment_length * (n_out // reader.horizon),
        cell=cell,
        activation=activation,
    )
    return NetworkSpec(
        reader.n_in,
        tuple(hidden_layer_sizes),
        n_out,
        cell=cell,
        activation=activation,
        readout=readout,
        dtype=reader.dtype,
    )


def initialize(spec, reader, random_state, constant=()):
    """Draw first parameters. With these, the network corrects nothing.

    The weights of covariates that are `constant`, by their numbers, are 0.
    """
    layout = spec.layout()
    theta = layout.initialize(random_state, spec.dtype)
    views = layout.views(theta)
    views["head.W"][...] = 0
    # The marks of unknown values count for nothing at first.
    views["layer0.W"][1 :: reader.n_channels] = 0
    for j in constant:
        views["layer0.W"][2 + j :: reader.n_channels] = 0
        if j >= reader.n_past_only:
            views["segment.W"][reader.future_rows_of(j)] = 0
    return theta
