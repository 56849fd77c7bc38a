"""SeriesOutlierDetector: what it promises, and the same bits however rows come."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError

from cases import assert_same_bits
from outside import import_oracle
from skrnn import SequenceForecaster, SeriesOutlierDetector
from skrnn._detection import (
    LEAST,
    Bounds,
    Memory,
    NearestWindow,
    RowScorer,
    keep_forecast,
    means,
    stillness,
    window_distances,
)
from skrnn._elementary import log
from skrnn.detection.episodes import episodes_of, with_refractory
from skrnn.detection.evidence import bounded, drifts, levels, stills
from skrnn.export import load, save, to_onnx

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = SequenceForecaster(hidden_layer_sizes=4, max_iter=1, window=24)


def detector(**options):
    defaults = {"forecaster": QUICK, "random_state": 0, "warm_up": 200, "horizon": 6}
    return SeriesOutlierDetector(**defaults | options)


def make_y(n=1000, seed=0, phi=0.6):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    for t in range(1, n):
        y[t] += phi * y[t - 1]
    return y


Y = make_y()


@pytest.fixture(scope="module")
def fitted_once():
    return detector().fit(Y[:800])


@pytest.fixture
def fitted(fitted_once):
    """A fitted detector that a test may change."""
    return copy.deepcopy(fitted_once)


# The promise -------------------------------------------------------------------------


def test_forecasts_are_kept_by_target():
    rng = np.random.default_rng(0)
    forecast, unit = rng.normal(size=(2, 3, 4)), rng.random((2, 3))
    least, middle, spread = np.array([0.5, 0.1]), np.empty((3, 2)), np.empty((3, 2))
    keep_forecast(forecast, 1, unit, least, middle, spread)
    assert np.array_equal(middle, forecast[..., 1].T)
    assert np.array_equal(spread, np.maximum(unit.T, least))
    with pytest.raises(ValueError, match="shapes"):
        keep_forecast(forecast, 4, unit, least, middle, spread)


def kinds(n):
    """Normal series of several kinds."""
    rng = np.random.default_rng(1)
    t = np.arange(n)
    wave = np.sin(2 * np.pi * t / 12)
    return {
        "white": rng.normal(size=n),
        "autoregressive": make_y(n, 2, 0.9),
        "walk": np.cumsum(rng.normal(size=n)),
        "seasonal": 3 * wave + rng.normal(size=n),
        "heavy": rng.standard_t(3, size=n),
        "skewed": rng.exponential(size=n),
        "trend": 0.02 * t + rng.normal(size=n),
        "variance": rng.normal(size=n) * np.where(t // 200 % 2, 3, 1),
    }


def test_the_rate_of_false_alarms_is_kept():
    model = detector(warm_up=400, refit=False)
    rates, p_values = [], []
    for name, y in kinds(3000).items():
        scores = model.fit(y).score_samples_[model.n_warm_up_ :]
        rates.append([np.mean(scores < np.log(rate)) for rate in (1e-1, 1e-2, 1e-3)])
        assert 0.003 < rates[-1][1] < 0.03, name
        p_values.append(np.exp(scores))
    # The statistic of Kolmogorov and Smirnov. Rows depend on each other, so that the
    # usual bound for independent values is too narrow.
    p = np.sort(np.concatenate(p_values))
    gap = np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max()
    assert gap < 0.04
    mean = np.mean(rates, axis=0)
    assert_allclose(mean[:2], [1e-1, 1e-2], rtol=0.3)
    assert 0.5e-3 < mean[2] < 2e-3


def test_p_values_of_memories():
    rng = np.random.default_rng(0)
    memory, two_sided = Memory(1000), Memory(1000, two_sided=True)
    for value in rng.exponential(size=1500).tolist():
        memory.add(value)
        two_sided.add(value)
    # The newest thousand; below the tail, a rank.
    newest = memory.get_state()[0]
    assert len(memory) == len(newest) == 1000
    share = (np.count_nonzero(newest >= 1.0) + 1) / 1001
    assert memory.log_p(1.0) == pytest.approx(np.log(share), rel=1e-15)
    for value in (4.0, 7.0, 9.0):  # -value is the truth
        assert memory.log_p(value) == pytest.approx(-value, rel=0.25)
    assert memory.log_p(9.0) < memory.log_p(8.99)
    assert two_sided.log_p(9.0) == memory.log_p(9.0) + np.log(2)
    assert two_sided.log_p(-1.0) < np.log(1e-3)
    assert two_sided.log_p(np.log(2)) > np.log(0.9)


def tail_of(values):
    """Return the threshold, the scale, the shape and the share of a tail."""
    by_age, values, n = values, np.sort(values), len(values)
    k = max(8, int(0.05 * n))
    excess = values[n - k :] - values[n - k - 1]
    mean = excess.mean()
    moment = (excess * (k - 0.5 - np.arange(k)) / k).mean()
    shape = np.clip(2 - mean / (mean - 2 * moment), 0, 0.5)
    scale = mean * (1 - shape)
    # By the waits for values beyond the threshold, ends included.
    far = np.flatnonzero(by_age > values[n - k - 1])
    waits = np.diff(np.r_[-1, far, n]).astype(float)
    n_apart = np.clip(2 * waits.sum() ** 2 / (waits**2).sum() - 1, 1, k)
    return values[n - k - 1], scale, max(shape, 1 / n_apart), k / (n + 1)


def test_values_in_groups_count_as_few():
    rng = np.random.default_rng(0)
    apart = Memory(3000)
    together = Memory(3000)
    values = rng.exponential(size=3000)
    for value in values.tolist():
        apart.add(value)
    for value in np.sort(values).tolist():  # the largest 150 in a row
        together.add(value)
    assert apart.log_p(20.0) == pytest.approx(-20, rel=0.25)
    # One group of large values: a larger one is hardly a surprise.
    assert together.get_state()[1][2] == pytest.approx(1, abs=0.2)
    assert np.log(1e-3) < together.log_p(20.0) < np.log(0.05)


@pytest.mark.parametrize("seed", range(3))
def test_memories_are_what_they_say(seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(4, size=700)
    capacity = 100 + 200 * seed
    memory, two_sided = Memory(capacity), Memory(capacity, two_sided=True)
    wait = None
    for i, value in enumerate(values.tolist()):
        memory.add(value)
        two_sided.add(value)
        kept = values[max(0, i + 1 - capacity) : i + 1]
        wait = wait and wait - 1
        if len(kept) >= LEAST and not wait:
            tails, wait = (tail_of(kept), tail_of(-kept)), max(len(kept) // 50, 1)
            assert_allclose(memory.get_state()[1][:3], tails[0][:3], rtol=1e-9)
        if i % 37 or i < LEAST:
            continue

        def log_p(x, tail, kept=kept):
            threshold, scale, shape, share = tail
            if x <= threshold:
                return np.log((np.count_nonzero(kept >= x) + 1) / (len(kept) + 1))
            return np.log(share) - np.log1p(shape * (x - threshold) / scale) / shape

        for x in (-9.0, -2.0, kept[0], 0.3, 2.5, 30.0):
            above = log_p(x, tails[0])
            below = log_p(-x, tails[1], -kept)
            assert memory.log_p(x) == pytest.approx(above, rel=1e-9)
            expected = min(0, min(above, below) + np.log(2))
            assert two_sided.log_p(x) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    far = two_sided.clipped(1e9, np.log(1e-4))
    assert two_sided.log_p(far) == pytest.approx(np.log(1e-4) + np.log(2), rel=1e-9)
    assert two_sided.clipped(-1e9, np.log(1e-4)) < 0 < far
    assert two_sided.clipped(0.1, np.log(1e-4)) == 0.1


@pytest.mark.parametrize("adds_up", [True, False])
def test_rows_are_scored_by_a_loop(adds_up):
    rng = np.random.default_rng(0)
    table = rng.exponential(size=(900, 4))
    table[rng.random(table.shape) < 0.05] = np.nan
    table[[500, 501, 502, 700]] = 30
    table[600] = np.nan
    rate, onset, n_recent = 0.01, 1.5, 7
    memories, whole = [Memory(400) for _ in range(4)], Memory(400)
    weights = np.array([1.0, 0.5, 2.0, 0.0])  # the last one stands beside the sum
    rows = RowScorer([m.copy() for m in memories], whole.copy(), 2, adds_up, rate,
                     onset, n_recent, weights)  # fmt: skip
    scores, evidence = np.empty(900), np.empty((900, 2))
    rows.score(table[:450], scores[:450], evidence[:450])
    recent = rows.get_recent()
    rows.set_recent(recent)
    rows.score(table[450:], scores[450:], evidence[450:])
    credit, n_quiet, sums = 3.0, n_recent, []
    for row, score, found in zip(table, scores, evidence, strict=True):
        log_p = [
            m.log_p(x) if np.isfinite(x) else 0.0
            for m, x in zip(memories, row, strict=True)
        ]
        assert found.tolist() == np.reshape(log_p, (2, 2)).min(axis=1).tolist()
        known = np.isfinite(row)
        if not known.any():
            assert score == 0
            continue
        is_ready = any(len(m) >= LEAST for m in np.array(memories)[known])
        total, expected, most = 0.0, 0.0, 0.0
        for value in log_p[:3] * weights[:3]:
            total = total - value if adds_up else max(total, -value)
        if is_ready:
            news = total - max(sums[-n_recent:], default=total)
            sums.append(total)
            total += onset * max(news, 0)
            expected = whole.log_p(total)
            if np.isfinite(row[3]) and len(memories[3]) >= LEAST:
                beside = log_p[3] + log(1 / 0.05)
                expected = min(expected - np.log1p(-0.05), beside, 0.0)
        assert score == pytest.approx(expected, rel=1e-15)
        if score < np.log(rate):
            is_first, n_quiet = n_quiet >= n_recent, 0
            if credit < 1 and not is_first:
                continue
            credit, most = max(credit - 1, 0.0), np.log(rate) - 2
        else:
            n_quiet += 1
            credit = min(3.0, credit + rate)
        for m, x in zip(memories, row, strict=True):
            if np.isfinite(x):
                m.add(m.clipped(x, most) if most else x)
        if is_ready:
            whole.add(whole.clipped(total, most) if most else total)
    assert rows.credit == pytest.approx(credit, rel=1e-12)
    assert rows.n_quiet == n_quiet
    assert len(whole) == len(rows.whole)
    assert (scores[500:503] < np.log(1e-3)).any()


def test_an_empty_memory_goes_on():
    memory, values = Memory(50), np.arange(60.0)
    memory.set_state(*memory.get_state())
    for value in values.tolist():
        memory.add(value)
    assert memory.get_state()[0].tolist() == values[10:].tolist()


def test_a_memory_of_one_value_still_tells_outliers_apart():
    memory = Memory(100)
    for _ in range(LEAST):
        memory.add(0.0)
    assert memory.log_p(0.0) == 0.0
    assert np.log(0.5) > memory.log_p(1.0)
    assert memory.log_p(2.0) <= memory.log_p(1.0)


@pytest.mark.parametrize("values", [[-1.0], [5.0], [0.0, 1e-310], [0.0, 5e-324]])
def test_p_values_among_values_that_hardly_differ_are_finite(values):
    memory = Memory(100, two_sided=True)
    for index in range(2 * LEAST):
        memory.add(values[index % len(values)])
    told = [memory.log_p(value) for value in (-1e308, -2.0, 0.0, 1.0, 1e300, 1e308)]
    assert np.isfinite(told).all()
    assert told[-1] <= told[-2] <= told[-3] <= 0


def test_few_values_say_nothing():
    memory = Memory(100)
    for value in range(LEAST - 1):
        memory.add(float(value))
    assert memory.log_p(1e9) == 0.0


def test_levels_are_differences_of_means():
    y = make_y(300)[:, np.newaxis]
    found = levels(y, 4, 0, 300)
    assert np.isnan(found[:20]).all()
    for t in (60, 151, 299):
        expected = y[t - 3 : t + 1].mean() - y[t - 43 : t - 3].mean()
        assert found[t, 0] == pytest.approx(expected, rel=1e-10)
    for start, stop in ((0, 1), (43, 44), (44, 90), (250, 300)):
        assert_same_bits(levels(y, 4, start, stop), found[start:stop])
    y[100:103] = np.nan
    found = drifts(y, 5, 0, 300)
    assert np.isnan(found[[0, 1, 102, 104]]).all()
    assert found[105, 0] == pytest.approx(y[103:106].mean(), rel=1e-12)
    assert found[2, 0] == pytest.approx(y[:3].mean(), rel=1e-12)
    with pytest.raises(ValueError, match="shapes"):
        means(y, 5, 0, 300, np.empty((299, 1)))


def test_wild_values_are_bounded_by_those_before():
    y = np.random.default_rng(0).standard_t(1, size=(700, 2))
    y[300:380, 0] = np.nan
    found = bounded(y, 12, 0, 700, ["window"])
    for t in range(700):
        value, before = y[t, 0], np.sort(y[max(t - 120, 0) : t, 0])
        before = before[np.isfinite(before)]
        if len(before) >= 60:
            rank = max(len(before) // 50, 1)
            low, high = before[rank - 1], before[-rank]
            more = 0.5 * (high - low)
            value = np.clip(value, low - more, high + more)
        assert_same_bits(found[t, 0], value)
    part = bounded(y, 12, 600, 650, ["drift"])
    assert_same_bits(part[600:650], found[600:650])
    assert_same_bits(part[:400], y[:400])
    with pytest.raises(ValueError, match="no such row"):
        Bounds(5).start(y[:, 0].copy(), 701)
    with pytest.raises(ValueError, match="no such row"):
        Bounds(5).follow(y[:, 0].copy(), 700, np.empty(1))


def test_bounds_of_rows_in_any_order_stay_in_their_memory():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(30) < 0.3, np.nan, rng.normal(size=30))
    bounds = Bounds(4)
    for start in rng.integers(28, size=500).tolist():
        bounds.follow(y, start, np.empty(2))
    bounds.start(y, 10)
    again = Bounds(4)
    again.start(y, 10)
    found, expected = np.empty((2, 10))
    bounds.follow(y, 10, found)
    again.follow(y, 10, expected)
    assert_same_bits(found, expected)


def test_a_wild_value_does_not_last():
    y = make_y(600, phi=0.0)
    y[400] = 1000
    usual = levels(bounded(y[:, None], 24, 0, 400, ["level"]), 24, 300, 400)
    after = levels(bounded(y[:, None], 24, 0, 600, ["level"]), 24, 400, 500)
    assert np.abs(after).max() < 2 * np.abs(usual).max()
    y[400:] += 1000  # but a level that lasts does
    after = levels(bounded(y[:, None], 24, 0, 600, ["level"]), 24, 420, 424)
    assert after.min() > 100


def test_stillness_is_the_quotient_of_changes():
    y = make_y(300)[:, np.newaxis]
    y[200:230] = y[200]
    y[50] = np.nan
    found = stills(y, 8, 0, 300)
    change = np.abs(np.diff(y[:, 0], prepend=np.nan))
    for t in (100, 150, 203, 299):
        quotient = change[t - 3 : t + 1].mean() / np.nanmean(change[t - 79 : t + 1])
        assert found[t, 0] == pytest.approx(-np.log(max(quotient, 1e-3)), rel=1e-9)
    assert found[215, 0] == pytest.approx(np.log(1000))
    assert np.isnan(found[:40]).all()
    for start, stop in ((0, 1), (43, 44), (250, 300)):
        assert_same_bits(stills(y, 8, start, stop), found[start:stop])
    assert np.isnan(stills(np.ones((200, 1)), 8, 0, 200)).all()
    with pytest.raises(ValueError, match="shapes"):
        stillness(y, 4, 3, 0, 300, np.empty((300, 1)))


@pytest.mark.parametrize("n_back", [15, 400])
def test_windows_are_compared_with_earlier_ones(n_back):
    y = np.column_stack([make_y(120), make_y(120, seed=1)])
    y[60, 0] = np.nan
    found = np.empty((120, 2))
    window_distances(y, 5, n_back, 3, 0, 120, found)
    for t in range(120):
        ends = range(max(4, t - 5 - n_back + 1), t - 4)
        for k in range(2):
            gaps = [
                np.sqrt(((y[t - 4 : t + 1, k] - y[j - 4 : j + 1, k]) ** 2).sum())
                for j in ends
            ]
            least = np.nan if np.isnan(gaps).all() else np.nanmin(gaps)
            assert found[t, k] == pytest.approx(least, rel=1e-12, nan_ok=True)
    part = np.empty((30, 2))
    window_distances(y, 5, n_back, 3, 80, 110, part)
    assert_same_bits(part, found[80:110])
    if n_back == 15:  # what lies before is not read
        window_distances(y[50:], 5, n_back, 53, 30, 60, part)
        assert_same_bits(part, found[80:110])
    with pytest.raises(ValueError, match="shapes"):
        window_distances(y, 5, n_back, 0, -1, 0, np.empty((1, 2)))
    with pytest.raises(ValueError, match="no such row"):
        NearestWindow(5, n_back).start(y[:, 0].copy(), 121, 0)
    with pytest.raises(ValueError, match="no such row"):
        NearestWindow(5, n_back).distances(y[:, 0].copy(), 120, np.empty(1))


# Faults ------------------------------------------------------------------------------


def test_faults_are_found():
    y = Y.copy()
    y[500] += 12  # a spike
    y[600:640] += 8  # a level
    scores = detector().fit(y).score_samples_
    assert scores[500] < np.log(1e-3)
    assert scores[600:606].min() < np.log(1e-2)
    scores = detector(onset=0).fit(y).score_samples_
    assert (scores[600:640] < np.log(1e-2)).mean() > 0.25


@pytest.mark.parametrize("spike", [0, 20])
def test_a_sensor_that_is_stuck_is_found(spike):
    y = make_y(1000)
    y[900] += spike
    y[902:924] = y[902]
    model = detector(horizon=24).fit(y[:800])
    assert model.score_samples(y[800:])[102:124].min() < np.log(1e-3)


def test_outliers_of_different_size_differ(fitted):
    scores = [fitted.score_samples([Y[800] + a])[0] for a in (10, 20, 40, 1000)]
    assert (np.diff(scores) < 0).all()


def test_a_fault_longer_than_the_memory_stays_unusual():
    y = make_y(1700, phi=0.0)
    y[1500:] += 6
    forecaster = clone(QUICK).set_params(window=500)
    options = {"memory": 100, "horizon": 24, "warm_up": 1000, "refit": False}
    model = detector(forecaster=forecaster, **options).fit(y[:1500])
    assert (model.score_samples(y[1500:]) < model.offset_).mean() > 0.95


def test_noise_is_found_for_a_while():
    y = make_y(1600, phi=0.0)
    y[1500:] *= 6
    forecaster = clone(QUICK).set_params(window=500)
    options = {"horizon": 24, "warm_up": 1000, "refit": False, "onset": 0}
    model = detector(forecaster=forecaster, **options).fit(y[:1500])
    assert (model.score_samples(y[1500:1550]) < model.offset_).mean() > 0.8


# The same bits -----------------------------------------------------------------------


def test_scores_of_fit_are_those_of_a_loop():
    model = detector()
    y = Y.copy()
    y[[350, 600, 900]] += 15
    whole = model.fit(y)
    scores, labels = whole.score_samples_, whole.fit_predict(y)
    assert (scores[:200] == 0).all()
    assert whole.n_warm_up_ == 260
    for end, stop in ((200, 400), (400, 800), (800, 1000)):
        part = clone(model).fit(y[:end])
        assert_same_bits(part.score_samples_, scores[:end])
        assert_same_bits(part.score_samples(y[end:stop]), scores[end:stop])
        assert_same_bits(part.predict(y[end:stop]), labels[end:stop])
    assert set(labels) == {-1, 1}
    assert_same_bits(labels == -1, scores < whole.offset_)


def test_rows_may_come_in_any_pieces(fitted):
    scores = fitted.score_samples(Y[800:])
    stream = fitted.stream()
    one_by_one = np.array([stream.step(value) for value in Y[800:]])
    assert_same_bits(one_by_one, scores)
    model = clone(fitted).fit(Y[:800])
    pieces = []
    for start, stop in ((800, 801), (801, 850), (850, 1000)):
        pieces.append(model.score_samples(Y[start:stop]))
        assert model.update(Y[start:stop]) is model
    assert_same_bits(np.concatenate(pieces), scores)
    threads = clone(fitted).set_params(n_jobs=3).fit(Y[:800])
    assert_same_bits(threads.score_samples(Y[800:]), scores)


@pytest.mark.parametrize("form", ["array", "dates"])
def test_a_stream_learns_as_fit_does(form, tmp_path):
    X = Y.copy()
    X[700] = np.nan
    if form == "dates":
        X = pd.DataFrame({"load": X}, pd.date_range("2024-01-01", periods=1000))
    whole = detector(refractory=4).fit(X)
    part = detector(refractory=4).fit(X[:400])
    values = np.asarray(X).ravel()
    stream, found = part.stream(learn=True), []
    for t in range(400, 1000):
        if t in (600, 900):  # before it has learned, and after
            kept = pickle.dumps(stream.state)
            stream = part.stream(learn=True)
            stream.state = pickle.loads(kept)
        found.append(stream.step(values[t]))
    assert_same_bits(np.array(found), whole.score_samples_[400:])
    still = part.stream()
    found = np.array([still.step(value) for value in values[400:]])
    assert_same_bits(found, part.score_samples(X[400:]))
    with pytest.raises(ValueError, match="One of the two streams learns"):
        still.state = stream.state
    # Rows that were remembered without training, and a file.
    part.update(X[400:500])
    save(part, tmp_path / "part.skrnn")
    stream = load(tmp_path / "part.skrnn").stream(learn=True)
    again = np.array([stream.step(v) for v in values[500:]])
    assert_same_bits(again, whole.score_samples_[500:])


def test_not_all_streams_learn(fitted):
    steady = clone(fitted).set_params(refit=False).fit(Y[:300])
    stream = steady.stream(learn=True)
    scores = [stream.step(value) for value in Y[300:700]]
    assert_same_bits(np.array(scores), steady.score_samples(Y[300:700]))
    forecaster = clone(QUICK).set_params(target=[0])
    table = np.column_stack([Y[:300], Y[:300]])
    with pytest.raises(ValueError, match="without covariates"):
        detector(forecaster=forecaster).fit(table).stream(learn=True)


@pytest.mark.parametrize(
    "evidence",
    [
        ["step"],
        ["ahead"],
        ["path", "drift", "window"],
        ["window"],
        ["level", "step"],
        ["still"],
        ["still", "level"],
    ],
    ids="-".join,
)
def test_each_kind_of_evidence_alone(evidence, monkeypatch):
    monkeypatch.setattr("skrnn.detection.evidence.WINDOW_ROWS", 300)
    y = np.column_stack([Y[:900], make_y(900, seed=7)])
    y[700:706, 0] = np.nan
    y[706] = np.nan
    y[760:800] += 9
    if evidence == ["still"]:
        y[770:800] = y[770]
    model = detector(evidence=evidence, onset=0).fit(y[:650])
    scores = model.score_samples(y[650:])
    assert model.evidence_of(y[650:]).shape == (250, len(evidence))
    assert scores[56] == 0
    assert scores[110:150].min() < np.log(1e-3)
    stream = model.stream()
    one_by_one = [stream.step(row) for row in y[650:790]]
    again = pickle.loads(pickle.dumps(stream.state))
    stream = model.stream()
    stream.state = again
    one_by_one += [stream.step(row) for row in y[790:]]
    assert_same_bits(np.array(one_by_one), scores)


def test_a_row_that_is_too_large_changes_nothing(fitted):
    stream, other = fitted.stream(), fitted.stream()
    with pytest.raises(ValueError, match="infinity"):
        stream.step(np.inf)
    assert stream.step(1.0) == other.step(1.0)


def test_a_long_stream_and_its_state(fitted):
    later = make_y(1400, seed=5)
    scores = fitted.score_samples(later)
    stream = fitted.set_params(refractory=5).stream()
    found, alarms, state = [], [], None
    for t, value in enumerate(later):
        if t == 700:
            state = stream.state
        found.append(stream.step(value))
        alarms.append(stream.alarm)
    assert_same_bits(np.array(found), scores)
    assert_same_bits(np.where(alarms, -1, 1), fitted.predict(later))
    other = fitted.stream()
    other.state = pickle.loads(pickle.dumps(state))
    assert_same_bits(np.array([other.step(v) for v in later[700:]]), scores[700:])


def test_series_of_a_panel_do_not_see_each_other():
    panel = [Y[:500], 3 * make_y(430, seed=3) + 7, make_y(150, seed=4)]
    model = detector().fit(panel)
    assert [len(scores) for scores in model.score_samples_] == [500, 430, 150]
    assert (model.score_samples_[2] == 0).all()
    later = [Y[500:540], np.arange(3.0), np.zeros(9)]
    scores = model.score_samples(later)
    assert scores.dtype == object
    later[2] = later[2] + 5
    again = model.score_samples(later)
    assert_same_bits(scores[0], again[0])
    assert_same_bits(scores[1], again[1])
    assert [len(labels) for labels in model.predict(later)] == [40, 3, 9]
    # A panel of one is the series alone.
    alone, one = detector().fit(Y[:500]), detector().fit([Y[:500]])
    assert_same_bits(one.score_samples_[0], alone.score_samples_)
    with pytest.raises(ValueError, match="fitted to a panel"):
        model.stream()


# Meaning -----------------------------------------------------------------------------


@pytest.mark.parametrize(("a", "b"), [(1000.0, 0.0), (0.001, 5.0), (-2.0, 1.0)])
def test_scale_and_shift_do_not_matter(fitted, a, b):
    other = detector().fit(a * Y[:800] + b)
    scores = fitted.score_samples(Y[800:])
    if a > 0:
        assert_allclose(other.score_samples(a * Y[800:] + b), scores, atol=1e-5)
    else:
        assert other.score_samples(a * Y[800:] + b).shape == scores.shape


def test_unknown_rows_are_normal_and_change_little():
    y = Y.copy()
    y[500] = np.nan
    model = detector(refit=False)
    scores = model.fit(y).score_samples_
    assert scores[500] == 0
    whole = model.fit(Y).score_samples_
    assert_same_bits(scores[:500], whole[:500])
    # Beyond the window of a forecast only the memory lacks a row.
    assert_allclose(scores[700:], whole[700:], rtol=0.1, atol=0.5)
    assert_same_bits(scores[700:] < model.offset_, whole[700:] < model.offset_)
    assert (detector().fit(Y[:800]).score_samples(np.full(3, np.nan)) == 0).all()


def test_an_index_tells_where_rows_are():
    days = pd.date_range("2024-01-01", periods=1000, freq="D")
    kept = np.r_[0:400, 410:1000]
    frame = pd.DataFrame({"load": Y}, days)
    model = detector().fit(frame.iloc[kept][:700])
    assert model.season_ == 7
    assert list(model.feature_names_in_) == ["load"]
    scores = model.score_samples(frame.iloc[kept][700:])
    assert len(model.score_samples_) == 700
    gap = Y.copy()
    gap[400:410] = np.nan
    regular = detector().fit(pd.DataFrame({"load": gap}, days)[:710])
    found = regular.score_samples(pd.DataFrame({"load": gap}, days)[710:])
    assert_same_bits(scores, found)
    stream = model.stream()
    assert_same_bits(np.array([stream.step(v) for v in Y[710:]]), scores)


def test_columns_may_be_targets_or_covariates():
    rng = np.random.default_rng(0)
    wind = rng.normal(size=900)
    table = np.column_stack([Y[:900], wind])
    both = detector().fit(table[:700])
    assert both.score_samples_.shape == (700,)
    table[800, 1] += 30
    assert both.score_samples(table[700:])[100] < np.log(1e-3)
    forecaster = clone(QUICK).set_params(target=[0])
    one = detector(forecaster=forecaster).fit(table[:700])
    scores = one.score_samples(table[700:])
    assert scores[100] > np.log(1e-2)
    stream = one.stream()
    assert_same_bits(np.array([stream.step(row) for row in table[700:]]), scores)


@pytest.mark.parametrize("evidence", [("step",), ("step", "ahead", "path")], ids=len)
def test_what_is_known_ahead_comes_with_its_row(evidence):
    rng = np.random.default_rng(0)
    holiday = (rng.random(900) < 0.1).astype(float)
    holiday[650] = np.nan
    y = Y[:900] + 6 * np.nan_to_num(holiday)
    table = np.column_stack([y, holiday])
    forecaster = clone(QUICK).set_params(target=[0], known_future=[1])
    model = detector(forecaster=forecaster, evidence=evidence).fit(table[:600])
    scores = model.score_samples(table[600:])
    assert np.mean(scores[holiday[600:] == 1] < np.log(0.01)) < 0.1
    # Nothing that comes later changes the score of a row.
    for end in (601, 640, 655):
        assert_same_bits(model.score_samples(table[600:end]), scores[: end - 600])
    stream = model.stream()
    assert_same_bits(np.array([stream.step(row) for row in table[600:]]), scores)


def test_the_threshold_moves_without_a_fit(fitted):
    scores = fitted.score_samples(Y[800:])
    for rate in (0.2, 1e-3):
        fitted.set_params(false_alarm_rate=rate)
        assert fitted.offset_ == pytest.approx(np.log(rate), rel=1e-15)
        assert_same_bits(fitted.score_samples(Y[800:]), scores)
        assert_same_bits(fitted.predict(Y[800:]) == -1, scores < np.log(rate))
        assert_same_bits(fitted.decision_function(Y[800:]), scores - fitted.offset_)


def test_refractory_lets_stronger_alarms_through():
    scores = np.array([-1.0, -8, -7, -9, -10, -6, -6, -6, -1, -8])
    alarms = with_refractory(scores, -5, 3)
    assert alarms.tolist() == [0, 1, 0, 1, 1, 0, 0, 0, 0, 1]
    assert with_refractory(scores, -5, 0).tolist() == (scores < -5).tolist()
    later = with_refractory(scores[2:], -5, 3, past=scores[:2])
    assert later.tolist() == alarms[2:].tolist()
    ramp = -np.arange(6.0, 16)
    assert with_refractory(ramp, -5, 4).all()


def test_episodes():
    scores = np.zeros(40)
    scores[[3, 5, 20, 39]] = -6, -9, -7, -5.5
    found = episodes_of(scores, -5, 4)
    assert found["start"].tolist() == [3, 20, 39]
    assert found["stop"].tolist() == [6, 21, 40]
    assert found["peak"].tolist() == [5, 20, 39]
    assert found["score"].tolist() == [-9, -7, -5.5]
    assert len(episodes_of(scores, -50, 4)) == 0


def test_evidence_and_expectations(fitted):
    evidence = fitted.evidence_of(Y[800:])
    assert evidence.shape == (200, 7)
    assert (evidence <= 0).all()
    fitted.set_params(false_alarm_rate=0.1)
    expected, interval = fitted.predict_expected(Y[800:])
    inside = (interval[:, 0] <= Y[800:]) & (Y[800:] <= interval[:, 1])
    assert 0.8 < inside.mean() < 0.98
    assert ((interval[:, 0] < expected) & (expected < interval[:, 1])).all()
    fitted.set_params(false_alarm_rate=1e-3)
    assert len(fitted.episodes()) == len(fitted.episodes(None))
    y = Y[800:].copy()
    y[50] += 20
    assert 50 in fitted.episodes(y)["peak"]


# Keeping -----------------------------------------------------------------------------


@pytest.mark.parametrize("panel", [False, True])
def test_a_detector_is_kept(tmp_path, panel):
    X, later = (Y[:500], Y[500:600])
    if panel:
        X, later = [X, make_y(450, seed=2)], [later, np.zeros(3)]
    model = detector().fit(X)
    expected = model.score_samples(later)
    path = tmp_path / "model.skrnn"
    save(model, path)
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (
        load(path),
        joblib.load(tmp_path / "model.joblib"),
        pickle.loads(pickle.dumps(model)),
    ):
        found = other.score_samples(later)
        for a, b in zip(found, expected, strict=True) if panel else [(found, expected)]:
            assert_same_bits(a, b)
        assert other.n_warm_up_ == model.n_warm_up_
        assert other.forecaster.get_params() == QUICK.get_params()
    other = path.with_suffix(".again")
    save(load(path), other)
    assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_graph_has_no_memory(fitted, streaming):
    import_oracle("onnx")
    with pytest.raises(TypeError, match=r"no memory of these. Keep .*save"):
        to_onnx(fitted, streaming=streaming)


# Errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"false_alarm_rate": 0}, "false_alarm_rate"),
        ({"evidence": ("step", "steps")}, "evidence must be some of"),
        ({"evidence": ()}, "evidence must be some of"),
        ({"forecaster": 3}, "forecaster"),
        ({"n_jobs": 0}, "n_jobs must not be 0"),
    ],
)
def test_wrong_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        detector(**options).fit(Y)


def test_wrong_data(fitted):
    with pytest.raises(NotFittedError):
        detector().predict(Y)
    with pytest.raises(ValueError, match="at least 8"):
        detector().fit(Y[:5])
    with pytest.raises(ValueError, match="fitted to one series"):
        fitted.score_samples([Y[800:]])
    with pytest.raises(ValueError, match="2 features"):
        fitted.score_samples(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="2 values"):
        fitted.stream().step([1.0, 2.0])
    before = vars(fitted).copy()
    with pytest.raises(ValueError, match="infinity"):
        fitted.fit(np.r_[Y, np.inf])
    assert vars(fitted) == before


def test_it_is_an_outlier_detector():
    assert is_outlier_detector(detector())
    assert repr(SeriesOutlierDetector(0.01)) == (
        "SeriesOutlierDetector(false_alarm_rate=0.01)"
    )


@pytest.mark.parametrize("n", [8, 20, 60])
def test_short_series(n):
    model = SeriesOutlierDetector(forecaster=SequenceForecaster(max_iter=1)).fit(Y[:n])
    assert np.isfinite(model.score_samples(Y[n : n + 3])).all()
