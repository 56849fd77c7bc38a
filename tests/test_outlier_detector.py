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
from forecasts import make_series
from outside import import_oracle
from skrnn import SequenceForecaster, SeriesOutlierDetector
from skrnn.detection.episodes import episodes_of, with_refractory
from skrnn.export import load, save, to_onnx

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = SequenceForecaster(hidden_layer_sizes=4, max_iter=1, window=24)


def detector(**options):
    defaults = {"forecaster": QUICK, "random_state": 0, "warm_up": 200, "horizon": 6}
    return SeriesOutlierDetector(**defaults | options)


def make_y(n=1000, seed=0, phi=0.6):
    return make_series(n, seed=seed, phi=phi)


Y = make_y()


@pytest.fixture(scope="module")
def fitted_once():
    return detector().fit(Y[:800])


@pytest.fixture
def fitted(fitted_once):
    """A fitted detector that a test may change."""
    return copy.deepcopy(fitted_once)


# The promise -------------------------------------------------------------------------


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
