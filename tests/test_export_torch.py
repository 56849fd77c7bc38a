"""Weights go to torch.nn and back, and mean the same on both sides."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cases import CELLS, POOLINGS, assert_same_bits
from fitted import set_theta, theta_of
from outside import import_oracle
from skrnn import RNNClassifier, RNNRegressor
from skrnn.export import from_torch, to_torch
from skrnn.preprocessing import SequenceScaler

pytestmark = pytest.mark.filterwarnings("ignore:(Stochastic Optimizer|lbfgs failed)")

SIZES = [(5,), (4, 4, 4), (4, 7)]
# Largest difference of raw outputs and states, over their largest magnitude or 1.
TOLERANCE = {"float32": 5e-6, "float64": 1e-14}

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) * 2 + 1 for n in (9, 1, 14, 2, 5, 14, 3, 30, 1, 7, 6, 4)]
CODES = np.arange(len(X)) % 3
LABELS = np.array(["a", "b", "c"])[CODES]
INDICATOR = np.eye(3, dtype=int)[CODES]


def fit(y=LABELS, X=X, estimator=RNNClassifier, **options):
    options = {"hidden_layer_sizes": (6,), "segment_length": 1, **options}
    model = estimator(max_iter=1, random_state=0, **options).fit(X, y)
    noise = np.random.default_rng(1).normal(size=theta_of(model).shape) * 0.4
    set_theta(model, (theta_of(model) + noise).astype(theta_of(model).dtype))
    return model


def back(model, mapping=None, **options):
    """The model after a way to torch and back."""
    if isinstance(model, RNNClassifier):
        if model._pack()["_multilabel"]:
            options = {"multilabel": True, **options}
        else:
            options = {"classes": model.classes_, **options}
    return from_torch(to_torch(model) if mapping is None else mapping, model, **options)


def assert_same_model(actual, desired):
    """Two fitted estimators have the same attributes, and predict the same bits."""
    actual._check_state()
    assert vars(actual).keys() == vars(desired).keys()
    assert actual.get_params() == desired.get_params()
    assert_same_bits(theta_of(actual), theta_of(desired))
    history = ("loss", "curve", "score", "n_iter_", "t_", "_no_improvement", "_state")
    found = actual._pack()
    for name, value in desired._pack().items():
        if not any(part in name for part in (*history, "_seed")):
            np.testing.assert_array_equal(found[name], value, name)
    assert actual._pack()["_structure"] == desired._pack()["_structure"]
    method = "predict_proba" if isinstance(desired, RNNClassifier) else "predict"
    for name in ("predict", method):
        assert np.array_equal(getattr(actual, name)(X), getattr(desired, name)(X))


def assert_same_mapping(actual, desired):
    assert actual.keys() == desired.keys()
    for name, array in desired.items():
        assert actual[name].dtype == array.dtype
        assert_same_bits(actual[name], array)


# ------------------------------------------------------------- round trip


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_round_trip_of_networks(cell, activation, pooling, bidirectional):
    for sizes in SIZES:
        for dtype in ("float32", "float64"):
            model = fit(
                hidden_layer_sizes=sizes, cell=cell, activation=activation,
                pooling=pooling, bidirectional=bidirectional, dtype=dtype,
            )  # fmt: skip
            mapping = to_torch(model)
            again = back(model, mapping)
            assert_same_model(again, model)
            assert_same_mapping(to_torch(again), mapping)
            assert_same_bits(
                np.concatenate(again.hidden_states(X)),
                np.concatenate(model.hidden_states(X)),
            )


@pytest.mark.parametrize(
    "y",
    [LABELS, LABELS == "a", np.full(len(X), "only"), INDICATOR],
    ids=["many", "two", "one", "multilabel"],
)
@pytest.mark.parametrize("standardize", [False, True])
def test_round_trip_of_classes(y, standardize):
    model = fit(y, standardize=standardize)
    assert_same_model(back(model), model)


@pytest.mark.parametrize("y", [CODES * 5.0, RNG.normal(size=(len(X), 2)) + 100])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("missing", ["error", "indicator"])
@pytest.mark.parametrize("segment_length", [1, 3, "auto"])
def test_round_trip_of_scales(y, standardize, missing, segment_length):
    sequences = [np.tile(x, (20, 1)) for x in X] if segment_length == "auto" else X
    model = fit(
        y, sequences, RNNRegressor, standardize=standardize, missing=missing,
        segment_length=segment_length,
    )  # fmt: skip
    mapping = to_torch(model)
    assert ("input_mean" in mapping) == ("target_scale" in mapping) == standardize
    assert ("input_fill" in mapping) == (missing == "indicator" and not standardize)
    assert ("segment_length" in mapping) == (segment_length != 1)
    assert_same_model(back(model), model)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_round_trip_of_negative_zeros(cell):
    model = fit(cell=cell)
    set_theta(model, np.full_like(theta_of(model), -0.0))
    assert_same_bits(theta_of(back(model)), theta_of(model))


def test_the_mapping_is_new_and_plain():
    model = fit()
    theta = theta_of(model).copy()
    for array in to_torch(model).values():
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.writeable
        array[...] = 7
    assert_same_bits(theta_of(model), theta)


def test_names():
    names = [*to_torch(fit(bidirectional=True, hidden_layer_sizes=(4, 4)))]
    assert names[:4] == [
        "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0",
    ]  # fmt: skip
    assert names[12] == "rnn.weight_ih_l1_reverse"
    names = [*to_torch(fit(pooling="attention", hidden_layer_sizes=(4, 5)))]
    assert names[4] == "rnn.1.weight_ih_l0"
    assert names[8:] == [
        "attention.weight", "head.weight", "head.bias", "input_mean", "input_scale",
    ]  # fmt: skip


def test_of_a_table():
    table = np.random.default_rng(1).normal(size=(20, 9))
    model = fit(np.arange(20) % 2, table)
    again = back(model)
    assert again.n_features_in_ == 1
    assert np.array_equal(again.predict_proba(table), model.predict_proba(table))


# ----------------------------------------------------------- the estimator


def test_the_estimator_that_is_given_stays_as_it_is():
    model = fit()
    given = clone(model)
    assert from_torch(to_torch(model), given) is not given
    assert vars(given).keys() == vars(clone(model)).keys()
    before = vars(model).copy()
    back(model)
    assert vars(model) == before


def test_what_comes_back_is_fitted_in_every_way():
    model = fit(cell="lstm", pooling="mean", learning_rate="constant")
    again = back(model)
    assert again.n_iter_ == 0 and again.loss_curve_ == []
    assert_same_model(pickle.loads(pickle.dumps(again)), model)
    stream = again.stream(method="predict_proba")
    for t, step in enumerate(X[2]):
        expected = model.predict_proba([X[2][: t + 1]])
        assert_same_bits(stream.step(step), expected)
    theta = theta_of(again).copy()
    again.partial_fit(X, LABELS, classes=["a", "b", "c"])
    assert again.n_iter_ == len(again.loss_curve_) == 1
    warm = back(model).set_params(warm_start=True, max_iter=3).fit(X, LABELS)
    assert warm.n_iter_ == 3
    for trained in (again, warm):
        assert 0 < abs(theta_of(trained) - theta).max() < 0.5
        assert_same_bits(trained._pack()["_input_mean"], model._pack()["_input_mean"])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_training_goes_on_from_the_weights(solver):
    y = CODES * 2.0
    model = fit(y, estimator=RNNRegressor, solver=solver)
    before = back(model).set_params(warm_start=True, max_iter=20)
    loss = np.mean((before.predict(X) - y) ** 2)
    after = before.fit(X, y)
    assert np.mean((after.predict(X) - y) ** 2) < loss


# ------------------------------------------------------------------ torch


@pytest.fixture(scope="module")
def torch():
    torch = import_oracle("torch")
    torch.manual_seed(0)
    return torch


def make_module(
    torch, cell, activation, sizes, pooling, bidirectional, n_in=3, n_out=3
):
    """A module as one would write it there; its forward takes a list of tensors."""
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    options = {"nonlinearity": activation} if cell == "rnn" else {}
    options |= {"batch_first": True, "bidirectional": bidirectional}
    n_directions = 1 + bidirectional

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            n_pooled = sizes[-1] * n_directions
            if len(set(sizes)) == 1:
                self.rnn = kind(n_in, sizes[0], len(sizes), **options)
            else:
                n_ins = [n_in, *(n * n_directions for n in sizes[:-1])]
                self.rnn = torch.nn.ModuleList(
                    kind(n, size, **options)
                    for n, size in zip(n_ins, sizes, strict=True)
                )
            if pooling == "attention":
                self.attention = torch.nn.Linear(n_pooled, 1, bias=False)
            n_read = 3 * n_pooled if pooling == "joined" else n_pooled
            self.head = torch.nn.Linear(n_read, n_out)

        def forward(self, sequences):
            rnn = torch.nn.utils.rnn
            x = rnn.pack_sequence(sequences, enforce_sorted=False)
            for layer in self.rnn if len(set(sizes)) > 1 else [self.rnn]:
                x, last = layer(x)
            h, lengths = rnn.pad_packed_sequence(x, batch_first=True)
            self.states = [row[:n] for row, n in zip(h, lengths, strict=True)]
            last = last[0] if isinstance(last, tuple) else last
            pooled = torch.cat([*last[-n_directions:]], dim=1)
            if pooling == "joined":
                parts = [(row.mean(0), row.amax(0)) for row in self.states]
                parts = torch.stack([torch.cat(pair) for pair in parts])
                pooled = torch.cat([pooled, parts], dim=1)
            elif pooling != "last":
                pooled = torch.stack([self.pool(row) for row in self.states])
            return self.head(pooled)

        def pool(self, row):
            if pooling == "attention":
                return (torch.softmax(self.attention(row), 0) * row).sum(0)
            return row.mean(0) if pooling == "mean" else row.amax(0)

    return Module()


def assert_computes(torch, module, model, sequences):
    """Outputs and states of a module of torch and of an estimator are the same."""
    dtype = theta_of(model).dtype
    with torch.no_grad():
        tensors = [torch.from_numpy(x.astype(dtype)) for x in sequences]
        raw = module(tensors).numpy()
    pairs = [(raw, model.decision_function(sequences))]
    states = [h.numpy() for h in module.states]
    pairs += zip(states, model.hidden_states(sequences), strict=True)
    for actual, desired in pairs:
        size = max(1, abs(desired).max())
        assert abs(actual - desired).max() <= TOLERANCE[dtype.name] * size


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_ways(torch, cell, activation, bidirectional, pooling, dtype):
    for sizes in SIZES:
        network = {
            "cell": cell, "activation": activation, "bidirectional": bidirectional,
            "pooling": pooling,
        }  # fmt: skip
        module = make_module(torch, sizes=sizes, **network)
        module = module.to(getattr(torch, dtype))
        estimator = RNNClassifier(sizes, dtype=dtype, standardize=False, **network)
        assert_computes(torch, module, from_torch(module.state_dict(), estimator), X)
        model = fit(standardize=False, hidden_layer_sizes=sizes, dtype=dtype, **network)
        mapping = {name: torch.from_numpy(a) for name, a in to_torch(model).items()}
        module.load_state_dict(mapping)
        assert_computes(torch, module, model, X)


def test_segments_and_scales(torch):
    model = fit(cell="lstm", segment_length=2, missing="indicator")
    mapping = to_torch(model)
    module = make_module(torch, "lstm", "tanh", (6,), "max", False, n_in=12)
    missing, unexpected = module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in mapping.items()}, strict=False
    )
    assert not missing
    assert unexpected == ["input_mean", "input_scale", "segment_length"]
    segments = []
    for x in X:
        known = np.ones_like(x)
        x = (x - mapping["input_mean"]) / mapping["input_scale"]
        x = np.hstack([x, known])
        x = np.vstack([x, x[-1:]]) if len(x) % 2 else x
        segments.append(x.reshape(-1, 12).astype(np.float32))
    with torch.no_grad():
        raw = module([torch.from_numpy(x) for x in segments]).numpy()
    assert abs(raw - model.decision_function(X)).max() <= 2e-6


def test_names_of_others(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.LSTM(3, 6, bias=False, batch_first=True)
            self.fc = torch.nn.Linear(6, 3, bias=False)

    estimator = RNNClassifier(6, cell="lstm", pooling="last", standardize=False)
    net = Net()
    names = {"rnn": "encoder", "head": "fc"}
    model = from_torch(dict(net.named_parameters()), estimator, **names)
    with torch.no_grad():
        _, (h, _) = net.encoder(torch.from_numpy(X[0][None].astype(np.float32)))
        raw = net.fc(h[0]).numpy()
    assert abs(raw - model.decision_function(X[:1])).max() <= 2e-6
    bare = {**net.encoder.state_dict(), "weight": net.fc.weight}
    with pytest.raises(ValueError, match=r"no 'head.weight'. Left in it are \['we"):
        from_torch(bare, estimator, rnn="")
    bare["head.weight"] = bare.pop("weight")
    assert_same_bits(theta_of(from_torch(bare, estimator, rnn="")), theta_of(model))


def test_types_of_torch(torch):
    estimator = RNNClassifier(6, standardize=False)
    module = make_module(torch, "gru", "tanh", (6,), "max", False)
    half = from_torch(module.half().state_dict(), estimator)
    assert theta_of(half).dtype == np.float32
    with pytest.raises(TypeError, match=r"l0 is of a type that NumPy lacks.*float\(\)"):
        from_torch(module.bfloat16().state_dict(), estimator)
    with pytest.raises(ValueError, match="is float64, and float32 does not hold all"):
        from_torch(module.double().state_dict(), estimator)
    with pytest.raises(TypeError, match=r"pass module.state_dict\(\)"):
        from_torch(module, estimator)


def test_code_of_the_page():
    import_oracle("torch")
    page = Path(__file__).parents[1] / "doc" / "export.rst"
    text = page.read_text(encoding="utf-8")
    text = text[text.index("PyTorch\n-----") :]
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    assert blocks
    code = "".join(re.sub("^   ", "", block, flags=re.MULTILINE) for block in blocks)
    exec(compile(code, page.name, "exec"), {})


# ---------------------------------------------------------------- classes


def test_classes_in_any_order():
    model = fit(np.array(["a", "b", "c"])[CODES])
    mapping = to_torch(model)
    order = [2, 0, 1]
    for name in ("head.weight", "head.bias"):
        mapping[name] = mapping[name][order]
    again = from_torch(mapping, model, classes=model.classes_[order])
    assert_same_model(again, model)
    assert from_torch(mapping, model).classes_.tolist() == [0, 1, 2]


def test_two_classes():
    model = fit(LABELS == "a")
    mapping = to_torch(model)
    reverse = {**mapping, "head.weight": -mapping["head.weight"],
               "head.bias": -mapping["head.bias"]}  # fmt: skip
    assert_same_model(from_torch(reverse, model, classes=[True, False]), model)
    # Two rows, as a cross-entropy has them.
    rows = dict(mapping)
    rng = np.random.default_rng(2)
    for name in ("head.weight", "head.bias"):
        other = rng.normal(size=mapping[name].shape).astype(np.float32)
        rows[name] = np.concatenate([other, other + mapping[name]])
    for order in ([0, 1], [1, 0]):
        swapped = {name: rows[name][order] for name in ("head.weight", "head.bias")}
        classes = np.array([False, True])[order]
        again = from_torch({**rows, **swapped}, model, classes=classes)
        assert_same_bits(again.classes_, model.classes_)
        proba = again.predict_proba(X)
        np.testing.assert_allclose(proba, model.predict_proba(X), rtol=0, atol=1e-6)


# ----------------------------------------------------------------- errors


def test_errors_of_estimators():
    mapping = to_torch(fit())
    for other in (LogisticRegression(), make_pipeline(SequenceScaler(), fit()), "gru"):
        with pytest.raises(TypeError, match="Expected one of RNNClassifier, RNNReg"):
            to_torch(other)
        with pytest.raises(TypeError, match="Expected one of RNNClassifier, RNNReg"):
            from_torch(mapping, other)
    with pytest.raises(NotFittedError):
        to_torch(RNNClassifier())
    with pytest.raises(ValueError, match="'pooling' parameter"):
        from_torch(mapping, RNNClassifier(pooling="sum"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rnn.weight_hh_l0": None}, "no 'rnn.weight_hh_l0'. Left in it are"),
        ({"rnn.bias_hh_l0": None}, "no 'rnn.bias_hh_l0'"),
        ({"head.weight": None}, "no 'head.weight'"),
        ({"input_scale": None}, "no 'input_scale', which standardize=True asks for"),
        (
            {"rnn.weight_ih_l1": np.zeros((18, 6))},
            r"no use for: \['rnn.weight_ih_l1'\]",
        ),
        ({"norm.weight": np.zeros(6)}, r"no use for: \['norm.weight'\]"),
        ({"target_mean": np.zeros(3)}, r"no use for: \['target_mean'\]"),
        ({"rnn.weight_ih_l0": np.zeros((24, 3))}, r"shape \(24, 3\), and \(18, n\) is"),
        ({"rnn.weight_ih_l0": np.zeros((18, 0))}, "reads 0 numbers"),
        ({"rnn.weight_hh_l0": np.zeros(18)}, r"shape \(18,\), and \(18, 6\) is what"),
        ({"rnn.bias_hh_l0": np.zeros(17)}, r"shape \(17,\), and \(18\) is what"),
        ({"head.weight": np.zeros((3, 7))}, r"shape \(3, 7\), and \(n, 6\) is what"),
        ({"head.weight": np.zeros((0, 6))}, "no rows: there is nothing to predict"),
        (
            {"head.weight": np.zeros((4, 6)), "head.bias": None},
            "4 rows, and there are 3",
        ),
        ({"input_mean": np.zeros(2)}, r"shape \(2,\), and \(3\) is what"),
        ({"input_scale": np.array([1, 0, 1.0])}, "input_scale must be positive"),
        ({"head.bias": np.array([0, np.nan, 0], np.float32)}, "contains NaN or inf"),
        ({"segment_length": np.array(2)}, "segment_length=2, and the estimator has s"),
        ({"segment_length": np.array(0)}, "segment_length must be a positive int"),
        ({"segment_length": np.array([1, 1])}, "segment_length must be a positive int"),
        ({"segment_length": np.array(1.0)}, "segment_length must be a positive int"),
    ],
    ids=str,
)
def test_errors_of_mappings(change, message):
    model = fit()
    mapping = to_torch(model)
    for name, value in change.items():
        if value is None:
            del mapping[name]
        elif value.dtype == float and name in mapping and "input" not in name:
            mapping[name] = value.astype(np.float32)
        else:
            mapping[name] = value
    with pytest.raises(ValueError, match=message):
        from_torch(mapping, model, classes=model.classes_)


def test_errors_of_types():
    model = fit()
    mapping = to_torch(model)
    for other in (None, [*mapping.items()], model):
        with pytest.raises(TypeError, match="Expected a mapping of names to arrays"):
            from_torch(other, model)
    with pytest.raises(ValueError, match="The mapping is empty"):
        from_torch({}, model)
    for bad in (np.zeros(3, int), np.zeros(3, complex), ["a", "b", "c"], None):
        with pytest.raises(
            TypeError, match="head.bias must hold numbers of floating p"
        ):
            from_torch({**mapping, "head.bias": bad}, model)
    with pytest.raises(ValueError, match=r"no 'rnn.1.weight_ih_l0'|no 'rnn.weight_ih"):
        from_torch(mapping, clone(model).set_params(hidden_layer_sizes=(6, 6)))
    two = fit(segment_length=2)
    with pytest.raises(
        ValueError, match="no whole number of features with segment_len"
    ):
        mapping = to_torch(two)
        del mapping["segment_length"]
        from_torch(mapping, clone(two).set_params(segment_length=4))


def test_errors_of_classes():
    model = fit()
    mapping = to_torch(model)
    for classes in ([], ["a", "a", "b"], [[1, 2, 3]] * 2):
        with pytest.raises(ValueError, match="must hold one label at least, and each"):
            from_torch(mapping, model, classes=classes)
    for classes in (["a"], ["a", "b"], ["a", "b", "c", "d"]):
        with pytest.raises(
            ValueError, match=r"head has 3 rows, and there are \d class"
        ):
            from_torch(mapping, model, classes=classes)
    with pytest.raises(ValueError, match="multilabel indicator have no classes"):
        from_torch(mapping, model, classes=[0, 1, 2], multilabel=True)
    one = to_torch(fit(LABELS == "a"))
    with pytest.raises(ValueError, match="two labels or more"):
        from_torch(one, model, multilabel=True)
    with pytest.raises(ValueError, match="head has 1 rows, and there are 3 classes"):
        from_torch(one, model, classes=["a", "b", "c"])
    regressor = fit(CODES * 1.0, estimator=RNNRegressor)
    for options in ({"classes": [1]}, {"multilabel": True}):
        with pytest.raises(ValueError, match="are for classifiers"):
            from_torch(to_torch(regressor), regressor, **options)
