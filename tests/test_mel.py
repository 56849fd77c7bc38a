"""LogMel: its formula, its bits, its streams, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from digests import digest, numbers
from outside import import_oracle
from skrnn import SequenceTranscriber, export
from skrnn._mel import cos_turn
from skrnn.preprocessing import LogMel

OPTIONS = [
    {},
    {"n_coefficients": 13, "n_deltas": 2},
    {"n_deltas": 1, "hop": 0.03, "window": 0.02, "n_mels": 20},
    {"n_fft": 512, "f_min": 0.0, "f_max": 3000.0, "preemphasis": 0.0, "floor": 1e-8},
    {"running_mean": 0.05, "n_coefficients": 20, "n_deltas": 1},
]


def waves(lengths=(900, 200, 1, 1333, 199, 281), seed=0):
    """Waveforms of 8 kHz, of int16, with noise of another level in each."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=n) * 10 ** rng.uniform(1, 4)).clip(-9e3, 9e3).astype(np.int16)
        for n in lengths
    ]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def by_the_formula(x, model):
    """The frames of floats x, sum by sum as the docstring has them."""
    rate, n_mels = model.sample_rate, model.n_mels
    W, hop = round(rate * model.window), round(rate * model.hop)
    N = 2 ** int(np.ceil(np.log2(W))) if model.n_fft == "auto" else model.n_fft
    z = np.concatenate([x[:1], x[1:] - model.preemphasis * x[:-1]])
    z[0] *= 1 - model.preemphasis
    z = np.concatenate([z, np.zeros(max(0, W - len(z)))])
    n, k = np.arange(W), np.arange(N // 2 + 1)
    w = 0.5 - 0.5 * np.cos(2 * np.pi * n / W)
    waves = np.exp(-2j * np.pi * k[:, None] * n / N)
    starts = range(0, len(z) - W + 1, hop)
    P = np.array([abs(waves @ (w * z[t : t + W])) ** 2 for t in starts])
    f_max = rate / 2 if model.f_max is None else model.f_max
    mel = [2595 * np.log10(1 + f / 700) for f in (model.f_min, f_max)]
    a = 700 * (10 ** (np.linspace(*mel, n_mels + 2) / 2595) - 1)
    f = k * rate / N
    S = np.empty((len(P), n_mels))
    for m in range(n_mels):
        up = (f - a[m]) / (a[m + 1] - a[m])
        down = (a[m + 2] - f) / (a[m + 2] - a[m + 1])
        S[:, m] = np.log(model.floor + P @ np.maximum(0, np.minimum(up, down)))
    if model.n_coefficients:
        j = np.arange(model.n_coefficients)
        m = np.arange(n_mels)[:, None] + 0.5
        scale = np.sqrt((2 - (j == 0)) / n_mels)
        S = S @ (np.cos(np.pi * j * m / n_mels) * scale)
    if model.running_mean:
        mean = np.zeros(S.shape[1])
        for t in range(len(S)):
            mean += (S[t] - mean) / min(t + 1, round(model.running_mean / model.hop))
            S[t] -= mean
    parts = [S]
    for _ in range(model.n_deltas):
        D = parts[-1]
        at = [np.clip(np.arange(len(D)) + d, 0, len(D) - 1) for d in (-2, -1, 1, 2)]
        parts.append((D[at[2]] - D[at[1]] + 2 * D[at[3]] - 2 * D[at[0]]) / 10)
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_formula(options):
    model = LogMel(8000, **options)
    X = waves()
    for x, frames in zip(X, model.transform(X), strict=True):
        expected = by_the_formula(x / 32768, model)
        assert frames.shape == expected.shape
        np.testing.assert_allclose(frames, expected, rtol=3e-7, atol=2e-6)
    for rate in (11025, 44100):
        model = LogMel(rate, n_mels=23)
        (frames,) = model.transform([X[0][:2000] / 32768])
        expected = by_the_formula(X[0][:2000] / 32768, model)
        np.testing.assert_allclose(frames, expected, rtol=3e-7, atol=2e-6)


def test_cosines():
    for n in (1, 3, 8, 200, 1024):
        k = np.arange(3 * n)
        expected = np.cos(2 * np.pi * (k % n) / n)
        found = [cos_turn(int(i), n) for i in k]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-15)
    assert [cos_turn(k, 4) for k in range(4)] == [1, 0, -1, 0]


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
@pytest.mark.parametrize("kind", ["Fbank", "Mfcc"])
def test_kaldi_native_fbank(rate, kind):
    knf = import_oracle("kaldi_native_fbank")
    options = getattr(knf, f"{kind}Options")()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.window_type, frame.dither = rate, "hann", 0
    frame.preemph_coeff, frame.remove_dc_offset = 0, False  # it does these by frame
    # Triangles over Hz, of height one, on the mel scale of HTK.
    mel.is_librosa, mel.norm, mel.use_slaney_mel_scale = True, "", False
    mel.num_bins, mel.low_freq, mel.high_freq = 40, 60, 0
    options.use_energy = False
    if kind == "Fbank":
        options.use_log_fbank = False
    else:
        options.num_ceps, options.cepstral_lifter = 13, 0
    rng = np.random.default_rng(rate)
    x = rng.normal(size=rate // 4).astype(np.float32) / 4
    z = np.concatenate([x[:1] * np.float32(0.03), x[1:] - np.float32(0.97) * x[:-1]])
    theirs = getattr(knf, f"Online{kind}")(options)
    theirs.accept_waveform(rate, z.tolist())
    theirs.input_finished()
    n_frames = theirs.num_frames_ready
    expected = np.stack([theirs.get_frame(i) for i in range(n_frames)])
    if kind == "Fbank":
        model, expected = LogMel(rate), np.log(expected + 1e-5)
    else:
        model = LogMel(rate, n_coefficients=13, floor=1e-20)
    (frames,) = model.transform([x])
    np.testing.assert_allclose(frames, expected, rtol=0, atol=5e-5)


def test_slopes_of_kaldi_native_fbank():
    knf = import_oracle("kaldi_native_fbank")
    (frames,) = LogMel(8000).transform([waves([2000])[0]])
    expected = knf.compute_deltas(knf.DeltaOptions(), frames)
    (found,) = LogMel(8000, n_deltas=2).transform([waves([2000])[0]])
    # They do not agree on what stands beyond the ends, for the second slope.
    np.testing.assert_allclose(found[:, :80], expected[:, :80], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found[2:-2], expected[2:-2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bits_depend_on_the_waveform_alone(options):
    X, model = waves(), LogMel(8000, **options)
    expected = model.transform(X)
    assert_same(model.fit(X).transform(X), expected)
    assert_same(model.transform(X[::-1])[::-1], expected)
    for x, frames in zip(X, expected, strict=True):
        assert_same(model.transform([x]), [frames])
        assert_same(model.transform([x[:, None].astype(">i2")]), [frames])
        assert_same(clone(model).transform([x / 32768]), [frames])
    table = np.stack([x[:199] for x in X if len(x) >= 199])
    assert_same(clone(model).transform(table), clone(model).transform(list(table)))
    assert_same(pickle.loads(pickle.dumps(model)).transform(X), expected)


@pytest.mark.parametrize("sizes", [[1], [80], [7, 0, 500, 33], [5000]], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_stream_has_the_bits_of_the_whole(options, sizes):
    X, model = waves(), LogMel(8000, **options)
    stream = model.stream()
    for x, expected in zip(X, model.transform(X), strict=True):
        parts, at = [], 0
        while at < len(x):
            n = sizes[len(parts) % len(sizes)]
            parts.append(stream.step(x[at : at + n]))
            at += n
            if len(parts) % 50 == 20:
                stream = copy.deepcopy(stream)
            if len(parts) % 50 == 30:
                stream = pickle.loads(pickle.dumps(stream))
        parts.append(stream.finish())
        assert_same([np.concatenate(parts)], [expected])


def test_a_frame_comes_with_its_last_sample():
    stream = LogMel(8000).stream()
    x = waves([1000])[0]
    complete = np.cumsum([len(stream.step(x[i : i + 1])) for i in range(len(x))])
    expected = 1 + (np.arange(1, len(x) + 1) - 200) // 80
    np.testing.assert_array_equal(complete, expected.clip(0))
    stream.reset()
    assert len(stream.step(x)) == complete[-1]


@pytest.mark.parametrize(
    "options, expected",
    [
        (OPTIONS[0], "998626cc999c6b32"),
        (OPTIONS[1], "307b9bf86975baa7"),
        (OPTIONS[2], "932b26440d4fdbab"),
        (OPTIONS[3], "9879e5f8b121ada0"),
        (OPTIONS[4], "71e60627f8027873"),
    ],
    ids=str,
)
def test_digests(options, expected):
    X = [numbers(i, n) / 2 for i, n in enumerate((900, 200, 1, 1333))]
    assert digest(LogMel(8000, **options).transform(X))[:16] == expected


def test_types_of_samples():
    x = waves([500])[0]
    (expected,) = LogMel(8000).transform([x])
    others = [
        x.astype(np.int32) * np.int32(65536),
        x.astype(np.int64) * 2**48,
        (x.astype(np.int32) + 32768).astype(np.uint16),
        (x / 32768).astype(np.float32),
    ]
    for other in others:
        assert_same(LogMel(8000).transform([other]), [expected])
    with pytest.raises(ValueError, match=r"X\[1\] .* float, and in X\["):
        LogMel(8000).transform([x, x / 32768])
    model = LogMel(8000).fit([x])
    assert model.sample_type_ == "int16"
    with pytest.raises(ValueError, match=r"X\[0\] .* int32, and in fit .* int16"):
        model.transform([x.astype(np.int32)])
    with pytest.raises(ValueError, match=r"type float, and before .* int16"):
        model.stream().step(x / 32768)
    stream = LogMel(8000).stream()
    stream.step(x[:250])
    with pytest.raises(ValueError, match=r"type float, and before .* int16"):
        stream.step(x / 32768)
    assert_same([stream.step(x[250:])], [expected[1:]])
    assert LogMel(8000).fit([x / 2]).sample_type_ == "float"


@pytest.mark.parametrize(
    "X, error, words",
    [
        ([np.zeros((500, 2))], ValueError, r"X\[0\] has 2 channels"),
        ([[1, 2, 3]], TypeError, "list of ints"),
        ([np.zeros(300), np.zeros(0)], ValueError, r"X\[1\]"),
        ([np.zeros(300), np.full(3, np.nan)], ValueError, r"X contains NaN.\nX\[1\]"),
        ([np.zeros(300), np.full(3, 1e200)], ValueError, r"X\[1\] contains a value"),
        ([np.zeros(300, dtype=bool)], TypeError, "type bool"),
        ([np.zeros(300, dtype=complex)], ValueError, "omplex"),
        (["abc"], ValueError, "holds strings"),
        ([], ValueError, "0"),
    ],
)
def test_wrong_waveforms_are_named(X, error, words):
    with pytest.raises(error, match=words):
        LogMel(8000).transform(X)
    model = LogMel(8000).fit([np.zeros(9, dtype=np.int16)])
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError)):
        model.fit(X).transform(X)
    if "a value" not in words:  # which only transform sees
        assert vars(model) == before


def test_a_stream_names_wrong_samples_and_stays():
    x = waves([600])[0] / 32768
    stream = LogMel(8000, n_deltas=1).stream()
    parts = [stream.step(x[:500])]
    for bad, error in [
        (np.array([0.1, np.nan]), ValueError),
        ([np.inf], ValueError),
        ([1e150], ValueError),
        (np.zeros((4, 2)), ValueError),
        (["a"], TypeError),
        ([1, 2], ValueError),
    ]:
        with pytest.raises(error):
            stream.step(bad)
    parts += [stream.step(x[500]), stream.step(x[501:, None]), stream.finish()]
    assert_same([np.concatenate(parts)], LogMel(8000, n_deltas=1).transform([x]))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"window": 1e-5}, "window=1e-05 is 0 samples"),
        ({"hop": 1e-5}, "hop=1e-05 is 0 samples"),
        ({"n_fft": 128}, "at least the 200 samples"),
        ({"n_fft": 300}, "power of two"),
        ({"f_min": 4000.0}, "f_min=4000.0 must be below f_max=4000.0"),
        ({"f_max": 5000.0}, "at most half"),
        ({"n_mels": 200}, "n_mels=200 are too many"),
        ({"n_coefficients": 41}, "must not exceed n_mels=40"),
        ({"n_deltas": 3}, "n_deltas"),
        ({"floor": 0.0}, "floor"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(options, words):
    model = LogMel(**{"sample_rate": 8000, **options})
    for call in (lambda: model.fit(waves()), lambda: model.transform(waves())):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(ValueError, match=words):
        model.stream()


def test_files(tmp_path):
    X, y = waves([4000] * 6), [[1, 2], [2], [1], [2, 1], [1, 2], [2]]
    model = SequenceTranscriber(4, max_iter=2, segment_length=4, random_state=0)
    pipeline = make_pipeline(LogMel(8000, n_deltas=1), model).fit(X, y)
    export.save(pipeline, tmp_path / "model.skrnn")
    restored = export.load(tmp_path / "model.skrnn")
    expected = pipeline[-1].label_log_proba(pipeline[0].transform(X))
    found = restored[-1].label_log_proba(restored[0].transform(X))
    assert_same(found, expected)
    with pytest.raises(ValueError, match="of type float, and in fit"):
        restored.predict([x / 32768 for x in X])
    pipeline[0].sample_type_ = "int"
    with pytest.raises(ValueError, match="sample_type_"):
        export.save(pipeline, tmp_path / "model.skrnn")


def test_a_stream_of_labels():
    X, y = waves([4000, 3000, 3500] * 4), [[1, 2], [2], [2, 1]] * 4
    model = SequenceTranscriber(
        8, bidirectional=False, max_iter=5, segment_length=4, random_state=0
    )
    pipeline = make_pipeline(LogMel(8000), model).fit(X, y)
    for x, expected in zip(X[:3], pipeline.predict(X[:3]), strict=True):
        ears, labels = pipeline[0].stream(), pipeline[-1].stream()
        for start in range(0, len(x), 37):
            for frame in ears.step(x[start : start + 37]):
                labels.step(frame)
        assert labels.labels == expected
