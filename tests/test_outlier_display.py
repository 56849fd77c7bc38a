"""OutlierDisplay draws what the detector says."""

import numpy as np
import pandas as pd
import pytest

from skrnn import SequenceForecaster, SeriesOutlierDetector
from skrnn.plotting import OutlierDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

QUICK = SequenceForecaster(hidden_layer_sizes=4, max_iter=1, window=24)
Y = np.random.default_rng(0).normal(size=400)
Y[350] += 20


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("panel", [False, True])
@pytest.mark.parametrize("dated", [False, True])
def test_a_detector_is_drawn(panel, dated):
    y, days = Y, pd.date_range("2024-01-01", periods=400, freq="D")
    if dated:
        y = pd.Series(Y, days)
    past, later = y[:300], y[300:]
    if panel:
        past, later = [past, past + 1], [later[:50], later]
    options = {"forecaster": QUICK, "random_state": 0, "warm_up": 100, "horizon": 4}
    model = SeriesOutlierDetector(**options).fit(past)
    display = OutlierDisplay.from_estimator(model, later, series=1 if panel else 0)
    scores = model.score_samples(later)[1] if panel else model.score_samples(later)
    np.testing.assert_array_equal(display.scores, scores)
    np.testing.assert_array_equal(display.values[:, 0], Y[300:])
    alarms = np.flatnonzero(scores < model.offset_)
    assert 50 in alarms
    assert len(display.alarms_[0].get_offsets()) == len(alarms)
    x = display.lines_[0].get_xdata()
    np.testing.assert_array_equal(np.asarray(x)[0], days[300] if dated else 300)
    assert len(display.intervals_) == 1
    assert display.threshold_.get_ydata()[0] == pytest.approx(3)


def test_lines_are_broken_where_weeks_are_missing():
    days = pd.date_range("2024-01-01", periods=40, freq="B")  # weekends are no gap
    kept = np.r_[:12, 22:40]
    index, y, scores = days[kept], Y[kept], np.full(len(kept), -1.0)
    interval, p = np.stack([y - 1, y + 1], axis=1), -scores / np.log(10)
    display = OutlierDisplay.from_predictions(y, scores, index=index, interval=interval)
    for line, values in ((display.lines_[0], y), (display.evidence_, p)):
        known = ~np.isnan(line.get_ydata())
        assert np.flatnonzero(~known).tolist() == [12]
        np.testing.assert_array_equal(np.asarray(line.get_xdata())[known], index)
        np.testing.assert_allclose(line.get_ydata()[known], values)
    assert len(display.intervals_[0].get_paths()) == 2
    whole = OutlierDisplay.from_predictions(y, scores)
    assert not np.isnan(whole.lines_[0].get_ydata()).any()


def test_predictions_are_drawn():
    frame = pd.DataFrame({"a": Y, "b": -Y})
    scores = np.linspace(-10, 0, 400)
    _, axes = plt.subplots(2)
    display = OutlierDisplay.from_predictions(
        frame, scores, false_alarm_rate=0.01, ax=axes
    )
    assert list(display.axes_) == list(axes)
    assert [line.get_label() for line in display.lines_] == ["a", "b"]
    assert len(display.alarms_[1].get_offsets()) == (scores < np.log(0.01)).sum()
    _, ax = plt.subplots()
    divided = OutlierDisplay.from_predictions(frame, scores, ax=ax)
    assert divided.figure_ is ax.figure and not ax.axison
    assert divided.axes_[0].get_position().y0 > divided.axes_[1].get_position().y0
    labels = [a.get_legend_handles_labels()[1] for a in divided.axes_]
    assert labels == [["a", "b", "alarm"], ["evidence", "alarm from here on"]]
    with pytest.raises(ValueError, match="one or two axes, got 3"):
        OutlierDisplay.from_predictions(frame, scores, ax=plt.subplots(3)[1])
    free = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="does not belong to a grid"):
        OutlierDisplay.from_predictions(frame, scores, ax=free)
    with pytest.raises(ValueError, match="a number for each of 400 rows"):
        OutlierDisplay.from_predictions(Y, scores[1:])
    with pytest.raises(ValueError, match="index has 3 labels"):
        OutlierDisplay.from_predictions(Y, scores, index=[1, 2, 3])
