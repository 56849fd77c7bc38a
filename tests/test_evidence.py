"""What detectors remember, and the evidence that they make of rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import assert_same_bits
from forecasts import make_series
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
from skrnn.detection.evidence import bounded, drifts, levels, stills


def test_forecasts_are_kept_by_target():
    rng = np.random.default_rng(0)
    forecast, unit = rng.normal(size=(2, 3, 4)), rng.random((2, 3))
    least, middle, spread = np.array([0.5, 0.1]), np.empty((3, 2)), np.empty((3, 2))
    keep_forecast(forecast, 1, unit, least, middle, spread)
    assert np.array_equal(middle, forecast[..., 1].T)
    assert np.array_equal(spread, np.maximum(unit.T, least))
    with pytest.raises(ValueError, match="shapes"):
        keep_forecast(forecast, 4, unit, least, middle, spread)


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
    y = make_series(300, phi=0.6)[:, np.newaxis]
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
    y = make_series(600, phi=0.0)
    y[400] = 1000
    usual = levels(bounded(y[:, None], 24, 0, 400, ["level"]), 24, 300, 400)
    after = levels(bounded(y[:, None], 24, 0, 600, ["level"]), 24, 400, 500)
    assert np.abs(after).max() < 2 * np.abs(usual).max()
    y[400:] += 1000  # but a level that lasts does
    after = levels(bounded(y[:, None], 24, 0, 600, ["level"]), 24, 420, 424)
    assert after.min() > 100


def test_stillness_is_the_quotient_of_changes():
    y = make_series(300, phi=0.6)[:, np.newaxis]
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
    y = np.column_stack([make_series(120, seed=seed, phi=0.6) for seed in (0, 1)])
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
