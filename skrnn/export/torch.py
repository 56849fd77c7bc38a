"""Weights under the names of ``torch.nn``, without torch: arrays out and arrays in."""

from collections.abc import Mapping

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skrnn.cells import CELLS
from skrnn.estimators import (
    LanguageModel,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    StepRegressor,
)
from skrnn.inputs.tokens import Categories
from skrnn.models.sequence import SequenceModel
from skrnn.models.training_state import TrainingState
from skrnn.network import ALL_POOLINGS
from skrnn.network.layout import Layout
from skrnn.targets import NumberTarget, StepClassTarget, StepNumberTarget
from skrnn.targets.steps import sorted_labels

__all__ = ["from_torch", "to_torch"]


def to_torch(estimator):
    """Return the parameters of a fitted estimator under the names of ``torch.nn``.

    Parameters
    ----------
    estimator : estimator of skrnn
        A fitted estimator. If it is a pipeline, give its last step.

    Returns
    -------
    mapping : dict of str to ndarray
        New arrays, with the `dtype` of the estimator unless another one is named:

        - ``rnn.weight_ih_l0``, ``rnn.weight_hh_l0``, ``rnn.bias_ih_l0``,
          ``rnn.bias_hh_l0``, the same with ``_reverse`` behind it for the other
          direction, and so on with ``l1``: the parameters of one ``torch.nn.RNN``,
          ``LSTM`` or ``GRU``. Layers of different sizes, which no such module has, are
          modules of one layer each: ``rnn.0.weight_ih_l0``, ``rnn.1.weight_ih_l0``, as
          in a ``torch.nn.ModuleList``.
        - ``embedding0.weight`` and so on: tables of categorical features, whose last
          row is that of unknown categories, or of a language model that of `begin_`;
          ``crf.transitions``, ``crf.start`` and
          ``crf.end``;
        - ``attention.weight``, of shape (1, n_pooled), with ``pooling='attention'``: of
          a ``torch.nn.Linear`` without bias.
        - ``head.weight`` and ``head.bias``: of a ``torch.nn.Linear``. With
          ``pooling='joined'`` it reads the last state, the mean and the largest one.
        - ``input_mean`` and ``input_scale`` with ``standardize=True``, of a regressor
          also ``target_mean`` and ``target_scale``, and ``input_fill``, which stands
          for missing values, with ``missing='indicator'`` and ``standardize=False``:
          float64. ``segment_length``, int64, where it is not 1. These are for buffers
          of a module, or to be left out.

        Of a translator also

        - ``target.weight``: the table of target tokens, in the order of the outputs
          (the end, the tokens, the unknown token if there is one), and a last row for
          the beginning;
        - ``bridge.0.weight`` and ``bridge.0.bias``: of a ``torch.nn.Linear``, whose
          tanh is the first state of the decoder's first layer; with 'lstm' its memory
          comes from ``bridge.0.memory.weight`` and ``bridge.0.memory.bias``;
        - ``decoder.weight_ih_l0`` and so on, as ``rnn``;
        - ``attention.keys.weight``, with ``attention='additive'`` also
          ``attention.query.weight`` and ``attention.v.weight``: of ``torch.nn.Linear``
          without bias; ``attention.join.weight`` and ``attention.join.bias``, which
          read a state and then what was found.

        Of a forecaster also

        - ``segment.weight_ih``, ``segment.weight_hh``, ``segment.bias_ih`` and
          ``segment.bias_hh``: of a ``torch.nn.RNNCell``, ``LSTMCell`` or ``GRUCell``,
          the step that makes a segment of the forecast; ``head`` reads its state.
        - ``linear.weight``, float64, of shape (horizon, n_lags), if there are any lags,
          and, where covariates are regressed on, ``effect.weight``, float64, of shape
          (n_targets, n_known_future): of a ``torch.nn.Linear`` without bias.
        - ``home.levels``, of shape (3, n_targets), and ``home.pull``, of shape
          (horizon,), if the linear forecast returns to a mean: a level between the
          second and the third row goes by its pull to the first one.
        - ``gate``, of shape (horizon,), and ``target_mean``; with covariates
          ``input_mean`` and ``input_scale``: float64, for buffers. With ``log_floor``,
          of shape (), all is of logarithms of the targets; below this value they go on
          as a tangent.

    See Also
    --------
    from_torch : The way back.

    Notes
    -----
    PyTorch has two biases for each gate where one would do. The first one is the bias
    of skrnn, and the second is zero, except for the last gate of a GRU.

    The network of a forecaster reads windows in units of their own scale and corrects a
    linear forecast. The chapter on ONNX and PyTorch of the user guide describes the
    parts around it; :func:`to_onnx` makes a model with all of it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.export import to_torch
    >>> X = np.random.default_rng(0).normal(size=(20, 6, 2))
    >>> reg = RNNRegressor(8, standardize=False, max_iter=5).fit(X, X[:, 0, 0])
    >>> {name: array.shape for name, array in to_torch(reg).items()}
    {'rnn.weight_ih_l0': (24, 2), 'rnn.weight_hh_l0': (24, 8),
     'rnn.bias_ih_l0': (24,), 'rnn.bias_hh_l0': (24,),
     'head.weight': (1, 24), 'head.bias': (1,)}
    """
    forecasts = isinstance(estimator, SequenceForecaster)
    if not forecasts:
        _check_kind(estimator, TO_TORCH, " or a SequenceForecaster")
    estimator._check_is_fitted()
    weights = estimator.weights_
    structure = estimator._model.structure
    if getattr(estimator._model, "convolutions", None) is not None:
        raise ValueError(
            "The network reads the outputs of random convolutions, which no module of "
            "torch.nn computes. Fit with convolutions=0, or use to_onnx."
        )
    if getattr(estimator._model, "rocket", None) is not None:
        raise ValueError(
            "The outputs of the network add to those of a linear model, which no module"
            " of torch.nn computes. Fit with rocket=False, or use to_onnx."
        )
    stacked = len(set(structure["hidden_layer_sizes"])) == 1
    mapping = {}
    for name, k, reverse, _ in _parts(structure):
        mapping |= _module(weights, name, structure, _names("rnn", k, reverse, stacked))
    if forecasts:
        mapping |= _module(weights, "segment", structure, ("segment.", ""))
    if "attention.q" in weights:
        mapping["attention.weight"] = weights["attention.q"][np.newaxis]
    if isinstance(estimator, SequenceTranslator):
        mapping |= _translation(weights, structure, stacked)
    for name, value in weights.items():
        if name.startswith("embedding"):
            mapping[f"{name.removesuffix('.W')}.weight"] = value
        elif name.startswith("crf."):
            mapping[name] = value
    if "head.W" in weights:
        mapping["head.weight"] = weights["head.W"].T
    else:  # it is the table, less the rows that are no outputs
        table = "target0.W" if "target0.W" in weights else "embedding0.W"
        mapping["head.weight"] = weights[table][: len(weights["head.b"])]
    mapping["head.bias"] = weights["head.b"]
    if forecasts:
        mapping |= _forecasting(estimator)
    elif not isinstance(estimator, LanguageModel):
        mapping |= _scales(estimator)
    if getattr(estimator, "segment_length_", 1) > 1:
        mapping["segment_length"] = np.int64(estimator.segment_length_)
    return {
        name: np.array(value, order="C")
        for name, value in mapping.items()
        if value is not None
    }


def _module(weights, name, structure, affixes):
    """Return the parameters of a module, between what stands around their names."""
    W, U, b = (weights[f"{name}.{letter}"] for letter in "WUb")
    n_units, n_columns = U.shape
    bias_hh = np.zeros(n_columns, b.dtype)
    bias_hh[n_columns - _n_inside(structure) * n_units :] = b[n_columns:]
    arrays = {
        "weight_ih": W.T,
        "weight_hh": U.T,
        "bias_ih": b[:n_columns],
        "bias_hh": bias_hh,
    }
    prefix, suffix = affixes
    return {f"{prefix}{kind}{suffix}": array for kind, array in arrays.items()}


def _translation(weights, structure, stacked):
    """Return what a translator has beside its encoder and its head."""
    mapping = {"target.weight": weights["target0.W"]}
    for k in range(len(structure["hidden_layer_sizes"])):
        affixes = _names("decoder", k, False, stacked)
        mapping |= _module(weights, f"decoder{k}", structure, affixes)
        for kind in ("", ".memory"):
            if f"bridge{k}{kind}.W" in weights:
                mapping[f"bridge.{k}{kind}.weight"] = weights[f"bridge{k}{kind}.W"].T
                mapping[f"bridge.{k}{kind}.bias"] = weights[f"bridge{k}{kind}.b"]
    for name in ("keys", "query"):
        if f"attention.{name}" in weights:
            mapping[f"attention.{name}.weight"] = weights[f"attention.{name}"].T
    if "attention.v" in weights:
        mapping["attention.v.weight"] = weights["attention.v"]
    mapping["attention.join.weight"] = weights["attention.W"].T
    mapping["attention.join.bias"] = weights["attention.b"]
    return mapping


def _scales(estimator):
    """Return what is done to inputs and targets, None for what is not."""
    fields = estimator._model.pack()
    names = ["input_mean", "input_scale", "input_fill"]
    if estimator._model.structure["standardize"]:
        names += ["target_mean", "target_scale"]
    return {name: fields.get(f"_{name}") for name in names}


def _forecasting(forecaster):
    """Return what a forecaster has beside its network, None for what it has not."""
    model = forecaster._model
    weights, coef = model.linear_weights, model.coef
    covariates = len(model.x_mean) > 0
    return {
        "linear.weight": weights.T if len(weights) else None,
        "effect.weight": None if coef is None else coef.T,
        "home.levels": None if model.home is None else np.array(model.home[:3]),
        "home.pull": None if model.home is None else model.home.pull,
        "gate": model.gate,
        "input_mean": model.x_mean if covariates else None,
        "input_scale": model.x_scale if covariates else None,
        "target_mean": model.target_mean,
        "log_floor": None if model.log_floor is None else np.float64(model.log_floor),
    }


def from_torch(
    mapping,
    estimator,
    *,
    classes=None,
    multilabel=False,
    categories=None,
    rnn="rnn",
    attention="attention",
    head="head",
):
    """Make a fitted estimator of parameters under the names of ``torch.nn``.

    It predicts, follows streams, and is trained on with ``partial_fit`` or
    ``warm_start=True``, as if it had been fitted.

    Parameters
    ----------
    mapping : mapping of str to array-like
        Parameters as :func:`to_torch` names them: what that returned, or the
        ``state_dict()`` of a module; torch itself is not needed. Biases may be left
        out, as with ``bias=False``. The head of a classifier has a row for each class,
        and may have one row, the log-odds of the second class, if there are two.
    estimator : RNNClassifier, RNNRegressor, SequenceTagger or StepRegressor
        Says what network the parameters belong to: `hidden_layer_sizes`, `cell`,
        `activation`, `bidirectional`, `pooling`, `dtype`, of a tagger `crf` and
        `scheme`, and what is done to the inputs: `segment_length` ('auto' is that of
        the mapping, and 1 if it has none), `missing` and `standardize`, which needs the
        means and scales in the mapping. The estimator stays as it is.
    classes : array-like of shape (n_classes,), default=None
        Labels of the rows of the head, in their order. None is 0, 1, 2, ...
    multilabel : bool, default=False
        Whether the rows of the head are labels, of which a sequence can have several.
    categories : list of (array-like or None), default=None
        For each feature its sorted categories, and None if it holds numbers, such as
        the attribute `categories_`. A table ``embedding0.weight`` has a row for each
        category of the first categorical feature and a last row for all others; a
        feature without a table is read as one-hot. None: all features are numbers.
    rnn : str, default='rnn'
        What stands in front of the names of the recurrent layers, without the dot.
    attention : str, default='attention'
        The same for the query of attention pooling.
    head : str, default='head'
        The same for the head.

    Returns
    -------
    fitted : estimator
        A clone of `estimator` with these parameters. A tagger and a step regressor take
        lists of sequences, and not a table.

    Raises
    ------
    ValueError
        If names are missing or left over, or an array is not of the right shape or
        type, or not finite; or if `convolutions` is positive.

    See Also
    --------
    to_torch : The way there.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.export import from_torch, to_torch
    >>> X = [np.ones((3, 2)), np.zeros((5, 2))] * 10
    >>> clf = RNNClassifier(8, cell="lstm", max_iter=20, random_state=0)
    >>> clf.fit(X, ["a", "b"] * 10)
    RNNClassifier(...)
    >>> back = from_torch(to_torch(clf), clf, classes=clf.classes_)
    >>> bool((back.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    if isinstance(estimator, SequenceForecaster):
        raise TypeError(
            "A SequenceForecaster is not made of weights alone: it goes on from series "
            "and has tested its forecasts on them. Fit one; with warm_start=True or "
            "partial_fit its network is trained on."
        )
    _check_kind(estimator, FROM_TORCH)
    estimator = clone(estimator)
    estimator._check_parameters(incremental=False)
    structure = estimator._describe_structure()
    if structure.get("convolutions", 0) not in ("auto", 0):
        raise ValueError(
            "The weights of a module have no kernels with thresholds. Set "
            f"convolutions=0, got {structure['convolutions']}."
        )
    if structure.get("rocket", False) is True:
        raise ValueError(
            "The weights of a module have no linear model beside them. Set "
            "rocket=False, got True."
        )
    structure = estimator._settle(structure, 0)
    arrays = _Arrays(mapping, np.dtype(structure["dtype"]))
    theta = _read_layers(arrays, structure, rnn)
    categories, tables = _read_tables(arrays, structure, categories)
    theta |= tables
    pooled = Layout()
    pooling = ALL_POOLINGS[structure["pooling"]]()
    n_pooled = pooling.declare(pooled, _n_pooled(structure))
    if "attention.q" in {slot.name for slot in pooled.slots}:
        theta["attention.q"] = arrays.take(f"{attention}.weight", (1, n_pooled))[0]
    W, b = _read_head(arrays, n_pooled, head)
    segment_length = _read_segment_length(arrays, structure)
    if isinstance(estimator, SequenceTagger) and not multilabel:
        W, b, target, scores = _sort_step_classes(
            arrays, estimator, W, b, classes, segment_length
        )
        theta |= scores
    else:
        W, b, target = _make_target(
            estimator, W, b, classes, multilabel, segment_length
        )
    theta["head.W"], theta["head.b"] = W.T, b
    n_in = theta["layer0.W"].shape[0]
    model = _read_scales(arrays, structure, target, n_in, segment_length, categories)
    arrays.check_empty()
    layout = model.spec.layout(target.loss())
    vector = np.empty(layout.n_params, structure["dtype"])
    for name, view in layout.views(vector).items():
        view[...] = theta[name]
    seed = check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max)
    estimator._model = model.with_theta(vector)
    estimator._training = TrainingState.begin(seed)
    estimator.n_features_in_ = model.structure["n_features"]
    estimator._columns_are_steps = False
    return estimator


FROM_TORCH = (RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor)
TO_TORCH = (*FROM_TORCH, LanguageModel, SequenceTranscriber, SequenceTranslator)


def _check_kind(estimator, kinds, more=""):
    if not isinstance(estimator, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(
            f"Expected one of {names}{more}, got {estimator!r}. If it is a pipeline, "
            "take its last step."
        )


# ------------------------------------------------------------------ names


def _n_inside(structure):
    """How many gates, the last ones, have a bias inside of what they are applied to."""
    spec = CELLS[structure["cell"]]
    return len(spec.biases) - spec.n_gates


def _n_pooled(structure):
    return structure["hidden_layer_sizes"][-1] * (1 + structure["bidirectional"])


def _parts(structure):
    """Yield our name of each direction of each layer, the layer, and what it is."""
    for k, n_units in enumerate(structure["hidden_layer_sizes"]):
        yield f"layer{k}", k, False, n_units
        if structure.get("bidirectional"):  # a forecaster never is
            yield f"layer{k}.reverse", k, True, n_units


def _names(rnn, k, reverse, stacked):
    """What stands before and behind torch's names of the parameters of a layer."""
    prefix = f"{rnn}." if rnn else ""
    if not stacked:
        prefix, k = f"{prefix}{k}.", 0
    return prefix, f"_l{k}" + "_reverse" * reverse


# ---------------------------------------------------------------- reading


class _Arrays:
    """The arrays of a mapping, each taken once and checked.

    Parameters
    ----------
    mapping : mapping of str to array-like
    dtype : dtype
        Of the network.
    """

    def __init__(self, mapping, dtype):
        if not isinstance(mapping, Mapping):
            raise TypeError(
                f"Expected a mapping of names to arrays, got {type(mapping)}. Of a "
                "module of torch, pass module.state_dict()."
            )
        if not mapping:
            raise ValueError("The mapping is empty: there are no parameters in it.")
        self._left, self._dtype = dict(mapping), dtype

    def __contains__(self, name):
        return name in self._left

    def take(self, name, shape, dtype=None):
        """Return an array as `dtype`, that of the network by default.

        Parameters
        ----------
        name : str
        shape : tuple of int or None
            None for a length that is not known.
        dtype : dtype, default=None
        """
        if name not in self._left:
            raise ValueError(
                f"The mapping has no {name!r}. Left in it are {sorted(self._left)}."
            )
        array = _as_array(self._left.pop(name), name)
        if array.dtype.kind != "f":
            raise TypeError(
                f"{name} must hold numbers of floating point, got {array!r}."
            )
        if array.ndim != len(shape) or any(
            n not in (None, m) for n, m in zip(shape, array.shape, strict=True)
        ):
            expected = ", ".join("n" if n is None else str(n) for n in shape)
            raise ValueError(
                f"{name} has the shape {array.shape}, and ({expected}) is what the "
                "parameters of the estimator ask for."
            )
        wanted = self._dtype if dtype is None else np.dtype(dtype)
        if not np.can_cast(array.dtype, wanted):
            raise ValueError(
                f"{name} is {array.dtype}, and {wanted} does not hold all of that. "
                "Set dtype='float64' in the estimator, or convert the array first."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} contains NaN or infinity.")
        return array.astype(wanted)

    def take_count(self, name):
        """Return a positive int."""
        array = _as_array(self._left.pop(name), name)
        if array.dtype.kind not in "iu" or array.size != 1 or array.item() < 1:
            raise ValueError(f"{name} must be a positive int, got {array!r}.")
        return array.item()

    def check_empty(self):
        """Refuse parameters that nobody asked for."""
        if self._left:
            raise ValueError(
                f"The mapping has what this estimator has no use for: "
                f"{sorted(self._left)}. A network of these parameters would compute "
                "something else."
            )


def _as_array(value, name):
    """Return an array, also of a tensor of torch, wherever it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        try:
            value = value.numpy()
        except TypeError as error:  # bfloat16
            raise TypeError(
                f"{name} is of a type that NumPy lacks: convert it with .float()."
            ) from error
    return np.asarray(value)


def _read_layers(arrays, structure, rnn):
    """Return the weights of the recurrent layers by our names."""
    n_gates = CELLS[structure["cell"]].n_gates
    prefix, suffix = _names(rnn, 0, False, stacked=False)
    stacked = f"{prefix}weight_ih{suffix}" not in arrays
    theta, n_in = {}, None
    for name, k, reverse, n_units in _parts(structure):
        prefix, suffix = _names(rnn, k, reverse, stacked)
        n_columns = n_gates * n_units
        W = arrays.take(f"{prefix}weight_ih{suffix}", (n_columns, n_in))
        U = arrays.take(f"{prefix}weight_hh{suffix}", (n_columns, n_units))
        b = np.zeros((2, n_columns), W.dtype)
        if f"{prefix}bias_ih{suffix}" in arrays or f"{prefix}bias_hh{suffix}" in arrays:
            b[0] = arrays.take(f"{prefix}bias_ih{suffix}", (n_columns,))
            b[1] = arrays.take(f"{prefix}bias_hh{suffix}", (n_columns,))
        inside = n_columns - _n_inside(structure) * n_units
        # What is nothing but ours comes back as it was, -0.0 too.
        joined = np.where(b[1] == 0, b[0], b[0] + b[1])
        b = np.concatenate([joined[:inside], b[0, inside:], b[1, inside:]])
        theta |= {f"{name}.W": W.T, f"{name}.U": U.T, f"{name}.b": b}
        if reverse or not structure["bidirectional"]:
            n_in = n_units * (1 + structure["bidirectional"])
        elif k == 0:
            n_in = W.shape[1]  # the other direction reads the same
    return theta


def _read_head(arrays, n_pooled, head):
    W = arrays.take(f"{head}.weight", (None, n_pooled))
    if not len(W):
        raise ValueError(f"{head}.weight has no rows: there is nothing to predict.")
    if f"{head}.bias" in arrays:
        return W, arrays.take(f"{head}.bias", (len(W),))
    return W, np.zeros(len(W), W.dtype)


def _sort_classes(estimator, W, b, classes, multilabel):
    """Return the head in the order of sorted classes, and targets that tell of them."""
    if multilabel:
        if classes is not None:
            raise ValueError("Labels of a multilabel indicator have no classes.")
        if len(W) < 2:
            raise ValueError("A multilabel indicator has two labels or more.")
        return W, b, np.zeros((1, len(W)), int)
    if classes is None:
        classes = np.arange(max(2, len(W)))
    if np.ndim(classes) != 1 or not 0 < len(classes) == len(np.unique(classes)):
        raise ValueError(
            f"classes must hold one label at least, and each once, got {classes!r}."
        )
    classes = estimator._target_kind.check(classes)
    if len(W) != len(classes) and (len(W) > 1 or len(classes) > 2):
        raise ValueError(
            f"The head has {len(W)} rows, and there are {len(classes)} classes."
        )
    order = np.argsort(classes)
    if len(W) > 1:
        W, b = W[order], b[order]
    elif order[0] == 1:
        W, b = -W, -b
    if len(W) == 2:
        # A softmax of two is the logistic function of their difference.
        W, b = (np.diff(v.astype(np.float64), axis=0).astype(v.dtype) for v in (W, b))
    return W, b, classes


def _make_target(estimator, W, b, classes, multilabel, segment_length):
    """Return the head, and the target of a network without tags."""
    if isinstance(estimator, RNNClassifier):
        W, b, y = _sort_classes(estimator, W, b, classes, multilabel)
        return W, b, type(estimator)._target_kind.learn(y)
    if multilabel or classes is not None:
        raise ValueError("classes and multilabel are for classifiers.")
    if not isinstance(estimator, StepRegressor):
        y = np.zeros((1, len(W)) if len(W) > 1 else 1)
        return W, b, type(estimator)._target_kind.learn(y)
    if len(W) != segment_length:
        raise ValueError(
            f"The head has {len(W)} rows. A StepRegressor has one for each of the "
            f"{segment_length} steps that are read at once."
        )
    return W, b, StepNumberTarget(False, estimator.loss)


def _sort_step_classes(arrays, estimator, W, b, classes, segment_length):
    """Return the head in the order of sorted classes, the target, and its scores."""
    n_rows, rest = divmod(len(W), segment_length)
    classes = np.arange(max(2, n_rows)) if classes is None else np.asarray(classes)
    labels = sorted_labels(classes)
    if np.ndim(classes) != 1 or not 0 < len(classes) == len(labels):
        raise ValueError(
            f"classes must hold one label at least, and each once, got {classes!r}."
        )
    n, crf = len(labels), estimator.crf
    if rest or (n_rows != n and (crf or n_rows > 1 or n > 2)):
        raise ValueError(f"The head has {len(W)} rows, and there are {n} classes.")
    given = classes.tolist()
    order = np.array([given.index(label) for label in labels.tolist()])
    W, b = W.reshape(segment_length, n_rows, -1), b.reshape(segment_length, n_rows)
    if n_rows > 1:
        W, b = W[:, order], b[:, order]
    elif order[0] == 1:
        W, b = -W, -b
    if n_rows == 2 and not crf:
        W, b = (np.diff(v.astype(np.float64), axis=1).astype(v.dtype) for v in (W, b))
    scores = {}
    if crf:
        pairs = arrays.take("crf.transitions", (n, n))[order][:, order]
        scores["crf.transitions"] = pairs
        for name in ("crf.start", "crf.end"):
            scores[name] = arrays.take(name, (n,))[order]
    target = StepClassTarget.learn([], labels, crf=crf, scheme=estimator.scheme)
    return W.reshape(-1, W.shape[2]), b.ravel(), target, scores


def _read_tables(arrays, structure, categories):
    """Return the Categories or None, and the tables; note both in the structure."""
    if categories is None:
        if "embedding0.weight" in arrays:
            raise ValueError(
                "The mapping has 'embedding0.weight', the table of a network that "
                "reads tokens, but not the tokens: pass categories, which "
                "estimator.categories_ are, too."
            )
        return None, {}
    try:
        found = Categories.from_arrays(categories)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "categories must be a list with the sorted categories of each feature, or "
            f"None: {error}."
        ) from error
    if not found.features:
        return None, {}
    tables, sizes = {}, []
    for j, n_ids in enumerate(found.sizes):
        sizes.append(0)
        if f"embedding{j}.weight" in arrays:
            table = arrays.take(f"embedding{j}.weight", (n_ids, None))
            tables[f"embedding{j}.W"] = table
            sizes[-1] = table.shape[1]
    structure |= {"n_ids": tuple(found.sizes), "embedding_sizes": tuple(sizes)}
    return found, tables


def _read_segment_length(arrays, structure):
    """Return how many steps are read at once."""
    segment_length = structure["segment_length"]
    given = 1 if segment_length == "auto" else segment_length
    if "segment_length" in arrays:
        given = arrays.take_count("segment_length")
        if segment_length not in ("auto", given):
            raise ValueError(
                f"The mapping is of a network with segment_length={given}, and the "
                f"estimator has segment_length={segment_length}."
            )
    if given > 1 and "n_ids" in structure:
        raise ValueError("Tokens are read one by one: segment_length must be 1.")
    return given


def _count_numbers(n_in, structure, segment_length, categories):
    """Return how many features hold numbers."""
    numbers = n_in
    if categories is not None:
        sizes = zip(structure["embedding_sizes"], structure["n_ids"], strict=True)
        numbers -= sum(size or n - 1 for size, n in sizes)
    n, rest = divmod(numbers, segment_length * (1 + (structure["missing"] != "error")))
    if categories is None:
        if rest or n < 1:
            raise ValueError(
                f"The first layer reads {n_in} numbers, which are no whole number of "
                f"features with segment_length={segment_length} and missing="
                f"{structure['missing']!r}."
            )
    elif rest or n != len(categories.vocabularies) - len(categories.features):
        raise ValueError(
            f"The first layer reads {n_in} numbers, which are not those of the tables "
            f"and of the {len(categories.vocabularies)} features in categories."
        )
    return n


def _read_scales(arrays, structure, target, n_in, segment_length, categories):
    """Return a model without weights: what is done to inputs and targets."""
    n_numbers = _count_numbers(n_in, structure, segment_length, categories)
    indicator = structure["missing"] == "indicator"

    def take(name, n, positive=False):
        if name not in arrays:
            raise ValueError(
                f"The mapping has no {name!r}, which standardize=True asks for. Add "
                "it, or set standardize=False if the network was trained without."
            )
        values = arrays.take(name, (n,) if n is not None else (), np.float64)
        if positive and not (values > 0).all():
            raise ValueError(f"{name} must be positive, got {values}.")
        return values

    mean = scale = fill = None
    n_out = target.loss().n_out
    no_scale = np.zeros((1, n_out)), None, False
    target = target.scaled(*no_scale)
    if structure["standardize"]:
        mean = take("input_mean", n_numbers)
        scale = take("input_scale", n_numbers, positive=True)
        if isinstance(target, NumberTarget):
            target_mean = take("target_mean", n_out)
            target_scale = take("target_scale", n_out, positive=True)
            target = NumberTarget(target.shape, target_mean, target_scale)
        elif isinstance(target, StepNumberTarget):
            moments = take("target_mean", None), take("target_scale", None, True)
            target = StepNumberTarget(False, target.kind, *map(float, moments))
    elif indicator:
        fill = np.zeros(n_numbers)
        if "input_fill" in arrays:
            fill = take("input_fill", n_numbers)
    n_features = n_numbers if categories is None else len(categories.vocabularies)
    structure = {**structure, "n_features": n_features, "n_out": n_out}
    return SequenceModel(
        structure, segment_length, mean, scale, fill, target, None, categories
    )
