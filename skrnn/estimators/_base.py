"""Estimators of sequences: from the user's sequences and targets to a model."""

import copy
import inspect
from abc import abstractmethod

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _BaseScorer, _PassthroughScorer
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from skrnn._atomic import all_or_nothing
from skrnn._callbacks import CallbackSupportMixin, with_callbacks
from skrnn.estimators._embeddings import (
    count_frozen,
    describe_embeddings,
    initialize_embeddings,
    pass_options_with_embeddings,
    without_moments,
)
from skrnn.estimators._epoch_tasks import EpochTasks
from skrnn.estimators._fitted import FittedEstimator, Of, fitted
from skrnn.estimators._parameters import (
    Parameters,
    auto_batch_size,
)
from skrnn.estimators._samples import (
    Samples,
    check_sample_weight,
    warn_of_other_scale,
)
from skrnn.estimators._split import split_validation
from skrnn.estimators._streams import make_stream
from skrnn.inputs.convolved import LEAST_POOLED, Convolutions
from skrnn.inputs.frames import naming
from skrnn.inputs.hints import are_of_steps
from skrnn.inputs.packed import auto_segment_length
from skrnn.inputs.sequences import (
    Sequences,
    check_number_of,
    check_sequences,
    scale_of,
)
from skrnn.inputs.tokens import Categories
from skrnn.models.checks import Optional, boolean, integer, names_of
from skrnn.models.sequence import (
    SEQUENCE_FIELDS,
    SequenceModel,
    check_sequence_model,
)
from skrnn.models.training_state import (
    TRAINING_FIELDS,
    TrainingState,
    check_training,
)
from skrnn.network import ALL_POOLINGS
from skrnn.solvers import SOLVERS
from skrnn.training import SequenceData, Trainer


def may_hold_tokens(X):
    """Return whether the first of some sequences is not plainly one of numbers."""
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.dtype.kind in "US"
    if isinstance(X, Sequences):
        return X.tokens is not None
    if not hasattr(X, "__len__") or not len(X):
        return False
    # One sequence is looked at: a list of numbers is not to be read twice.
    first = X.iloc[0] if hasattr(X, "iloc") and getattr(X, "ndim", 1) == 1 else None
    if first is None:
        first = next(iter(X)) if isinstance(X, list | tuple | np.ndarray) else ""
    if isinstance(first, list | tuple):
        first = first[0] if first else 0.0
        if isinstance(first, list | tuple):  # several features in each step
            return any(isinstance(v, str | bytes) or v is None for v in first)
        return isinstance(first, str | bytes) or first is None
    if isinstance(first, np.ndarray):
        return first.dtype.kind in "OUS"
    return not isinstance(first, int | float | np.number)


def takes_weights(scorer, estimator):
    """Return whether a scorer takes the argument `sample_weight`."""
    function = scorer
    if isinstance(scorer, _BaseScorer):
        function = scorer._score_func
    elif isinstance(scorer, _PassthroughScorer):
        function = estimator.score
    return has_parameter(function, "sample_weight")


def has_parameter(function, name):
    """Return whether a callable has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # there is no signature to look at
        return False


def _gives_weights(estimator):
    structure = vars(estimator)
    if "_model" in structure:
        structure = structure["_model"].structure
    pooling = structure.get("pooling", "none")
    if pooling == "auto" or not ALL_POOLINGS[pooling].has_weights:
        raise AttributeError(f"There are no attention weights with {pooling=}.")
    return True


def _n_features_in(fields):
    return fields["n_features_in_"]


class SequenceEstimator(CallbackSupportMixin, FittedEstimator, Parameters):
    """Base of the estimators of whole sequences; a subclass brings its target."""

    _doc_link_module = "skrnn"
    _doc_link_template = (
        "https://skrnn.readthedocs.io/en/latest/generated/skrnn.{estimator_name}.html"
    )
    _fields = {
        **SEQUENCE_FIELDS,
        **TRAINING_FIELDS,
        "n_features_in_": integer(1),
        "feature_names_in_": Optional(
            names_of(lambda fields: fields["n_features_in_"])
        ),
        "_columns_are_steps": boolean,
    }

    _parameter_constraints: dict = {
        **Parameters._parameter_constraints,
        "shuffle": ["boolean", StrOptions({"blocks"})],
    }

    # What learns targets of steps where this learns those of sequences, or the reverse.
    _counterpart = None
    _model_kind = SequenceModel
    _packed_fields: dict = SEQUENCE_FIELDS  # what `_model_kind` packs
    _check_model = staticmethod(check_sequence_model)

    segment_length_ = Of("_model")
    n_layers_ = Of("_model")
    n_outputs_ = Of("_model")
    out_activation_ = Of("_model")

    @property
    @abstractmethod
    def _target_kind(self):
        """The class of the target."""

    def _learn_target(self, y, classes):
        """Return the target of checked `y`; `classes` may be None."""
        return self._target_kind.learn(y, classes)

    def _as_sequences(self, X, y, sample_weight, reset):
        """Return `X`, `y` and `sample_weight` with an item for each sequence."""
        return X, y, sample_weight

    def _check_lengths(self, y, sequences):
        """Refuse targets that do not go with the lengths of the sequences."""

    def _refuse_targets_of_steps(self, y, lengths):
        """Raise ValueError if there is a target for each step of the sequences."""
        if self._counterpart and are_of_steps(y, lengths):
            raise ValueError(
                f"y has a target for each step of each sequence, but "
                f"{type(self).__name__} learns one for a whole sequence. Use "
                f"{self._counterpart}."
            )

    def _check_weight(self, sample_weight, sequences, name):
        """Return checked weights, or None."""
        return check_sample_weight(sample_weight, len(sequences), name)

    def _loss_weight(self, target, samples, training):
        """Return the weights of `samples` in a loss that is trained on `training`."""
        return samples.sample_weight

    # Fitting ---------------------------------------------------------------------

    # Group splitters of a search take `groups` without a word about the estimator.
    __metadata_request__fit = {"groups": False}

    @all_or_nothing
    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        groups=None,
    ):
        """Fit the network to sequences `X` and targets `y`.

        After an error the estimator is unchanged.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The training sequences. In a list, each has its own length. A 2-D array
            holds univariate sequences of one length.
        y : array-like of shape (n_seqs,) or (n_seqs, n_outputs)
            The target values: class labels in classification, real numbers in
            regression.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the sequences. A sequence of weight 0 is ignored.
        X_val : list of ndarrays or array-like, default=None
            Additional sequences for validation used in early stopping, in any form of
            `X`. In a :class:`~sklearn.pipeline.Pipeline`, `X_val` can be transformed
            the same way as `X` with ``Pipeline(..., transform_input=["X_val"])``.
            Beware: a search of scikit-learn slices `X_val` like `X` when the two have
            the same length.
        y_val : array-like of shape (n_val_seqs,) or (n_val_seqs, n_outputs), \
                default=None
            Additional target values for validation used in early stopping.
        sample_weight_val : array-like of shape (n_val_seqs,), default=None
            Additional weights for validation used in early stopping.
        groups : array-like of shape (n_seqs,), default=None
            Group of each sequence, for example a patient. The sequences that early
            stopping holds out share no group with the others. The `groups` of a search
            or of `cross_validate` go to its splitter only, unless metadata routing is
            enabled and ``set_fit_request(groups=True)`` was called.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        given = X_val, y_val, sample_weight_val
        return self._fit(X, y, sample_weight, given=given, groups=groups)

    def _fit(
        self,
        X,
        y,
        sample_weight,
        *,
        given=None,
        groups=None,
        classes=None,
        incremental=False,
    ):
        resume = self._check_parameters(incremental)
        if given is not None:
            given = self._check_given(*given)
        samples = self._check_samples(
            X, y, sample_weight, groups, reset=not resume, measure=True
        )
        if resume:
            target, seed = self._model.target, self._training.seed
            target.require_same(samples.y)
            warn_of_other_scale(samples, self._model)
        else:
            target = self._learn_target(samples.y, classes)
            random_state = check_random_state(self.random_state)
            seed = random_state.randint(np.iinfo(np.int32).max)
        samples, validation = self._hold_out(samples, given, target, seed)
        if not resume:
            model = self._make_model(samples, target, seed).initialize(seed)
            model = self._with_rocket(model, samples, seed, incremental)
            self._model = initialize_embeddings(model, self.embedding_init, seed)
            self._training = TrainingState.begin(seed)
        theta = self._model.theta.copy()
        tasks = None if incremental else self._announce(X, y, samples, theta)
        self._train(theta, samples, validation, tasks, resume, incremental)
        if tasks is not None:
            tasks.end()
        return self

    def _check_given(self, X_val, y_val, sample_weight_val):
        """Return the validation data that were given, None if none were."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError(
                    "sample_weight_val is provided, but X_val was not provided."
                )
            return None
        if y_val is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X_val is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        if not self.early_stopping:
            raise ValueError(
                "X_val and y_val are passed to fit while at the same time "
                "early_stopping is False. When passing X_val and y_val to fit, "
                "early_stopping should be set to True."
            )
        return X_val, y_val, sample_weight_val

    def _check_samples(
        self,
        X,
        y,
        sample_weight,
        groups=None,
        *,
        reset=False,
        measure=False,
        suffix="",
        categorical_features="fitted",
    ):
        """Return checked samples, without those of weight zero.

        If they are to be measured, their moments cost no pass of their own later.
        """
        X, y, sample_weight = self._as_sequences(X, y, sample_weight, reset)
        selected = categorical_features
        if isinstance(selected, str) and selected == "fitted":
            selected = self._selected_features(X, reset)
        sequences = check_sequences(
            X,
            estimator=self,
            reset=reset,
            missing=self.missing,
            input_name="X" + suffix,
            categorical_features=selected,
            measure=measure and self._needs_moments(),
        )
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        # What is odd about one target for each sequence may be well for steps.
        of_steps = self._target_kind.per == "step"
        try:
            with naming("y", None if of_steps else y):
                checked = self._target_kind.check(y)
        except (TypeError, ValueError):
            if not of_steps:
                self._refuse_targets_of_steps(y, sequences.lengths)
            raise
        check_number_of(checked, sequences, "X" + suffix)
        self._check_lengths(checked, sequences)
        if groups is not None:
            with naming("groups"):
                groups = np.unique(column_or_1d(groups), return_inverse=True)[1]
            check_consistent_length(sequences, groups)
        name = "sample_weight" + suffix
        sample_weight = self._check_weight(sample_weight, sequences, name)
        samples = Samples(
            np.arange(len(checked)), sequences, checked, sample_weight, groups, (X, y)
        )
        by_sequence = sample_weight is not None and sample_weight.dtype != object
        if by_sequence and not sample_weight.all():
            samples = samples.take(np.flatnonzero(sample_weight))
        return samples

    def _needs_moments(self):
        """Whether a fit asks for the moments of the features as they are."""
        by_sequence = isinstance(self.standardize, str) and (
            self.standardize == "sequence"
        )
        return not by_sequence and (
            bool(self.standardize) or self.missing == "indicator"
        )

    def _hold_out(self, samples, given, target, seed):
        """Return the samples to train on and those that early stopping watches."""
        if given is not None:
            # Read like X: a model of an earlier fit says nothing about them.
            features = samples.sequences.categorical or None
            validation = self._check_samples(
                *given, suffix="_val", categorical_features=features
            )
            target.require_same(validation.y)
            return samples, validation
        if not self.early_stopping or not SOLVERS[self.solver].has_validation:
            return samples, None
        train, held_out = split_validation(
            len(samples),
            self.validation_fraction,
            # A warm start with the same sequences holds the same ones out.
            np.random.RandomState([seed, 1]),
            labels=target.strata(samples.y),
            groups=samples.groups,
        )
        return samples.take(train), samples.take(held_out)

    def _make_model(self, samples, target, seed, learn=Convolutions.learn):
        """Learn what a step and a target look like; return a model without weights.

        `learn` takes the arguments of `Convolutions.learn`.
        """
        sequences, weight = samples.sequences, samples.sample_weight
        if weight is not None and weight.dtype == object:
            weight = None  # weights of steps are for the loss alone
        target = samples.scaled(target, weight, self.standardize)
        mean = scale = fill = None
        structure = self._describe_structure()
        if structure["standardize"] == "sequence":
            sequences = sequences.centered()
        if self.standardize:
            mean, variance = sequences.moments(weight)
            lengths = sequences.lengths
            n_steps = (lengths if weight is None else lengths * weight).sum()
            scale = scale_of(mean, variance, n_steps)
        elif self.missing == "indicator":
            fill, _ = sequences.moments(weight)
        categories = None
        if sequences.categorical:
            categories = self._learn_categories(sequences, weight)
            if structure["segment_length"] not in ("auto", 1):
                raise ValueError(
                    "Tokens are read one by one. Set segment_length=1 or 'auto', got "
                    f"{structure['segment_length']}."
                )
            structure |= self._describe_embeddings(categories)
        n_kernels = self._choose_convolutions(structure, sequences)
        structure = self._settle(structure, n_kernels)
        segment_length = 1 if categories is not None else structure["segment_length"]
        if segment_length == "auto":
            segment_length = self._choose_segment_length(sequences, target, samples)
            segment_length = max(segment_length, LEAST_POOLED if n_kernels else 1)
        structure["n_features"] = sequences.n_features
        structure["n_out"] = target.loss().n_out
        convolutions = None
        if n_kernels:
            convolutions = learn(
                sequences,
                n_kernels,
                segment_length,
                causal=not structure["bidirectional"],
                seed=seed,
                weight=weight,
            )
        parts = target, None, categories, convolutions
        return self._model_kind(structure, segment_length, mean, scale, fill, *parts)

    def _choose_convolutions(self, structure, sequences):
        """Return how many kernels there are, 0 for none."""
        n_kernels = structure.get("convolutions", 0)
        if n_kernels == "auto":
            return self._auto_convolutions(sequences)
        if n_kernels and sequences.categorical:
            raise ValueError(
                f"convolutions={n_kernels} read numbers, and feature "
                f"{sequences.categorical[0]} is categorical. Set convolutions=0 or "
                "'auto'."
            )
        return n_kernels

    def _auto_convolutions(self, sequences):
        """Return how many kernels there are if the user leaves it open."""
        return 0

    def _settle(self, structure, n_kernels):
        """Return a structure in which 'auto' has become what it means."""
        structure = dict(structure)
        if structure.get("bidirectional") == "auto":
            structure["bidirectional"] = n_kernels > 0
        if structure["pooling"] == "auto":
            structure["pooling"] = "joined" if n_kernels else "max"
        return structure

    def _learn_categories(self, sequences, weight):
        """Return the categories of the categorical features."""
        return Categories.learn(
            sequences,
            sample_weight=weight,
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
        )

    def _describe_embeddings(self, categories):
        """Return what the structure says of the tables of categories."""
        return describe_embeddings(self, categories)

    def _choose_segment_length(self, sequences, target, samples):
        """Return how many steps are read at once if the user leaves it open."""
        weight = samples.sample_weight
        if weight is not None and weight.dtype == object:
            weight = None
        return auto_segment_length(sequences.lengths, weight)

    def _least_segments(self, samples, target):
        """Return how many segments each sequence needs, None if one is enough."""

    def _wants_rocket(self, model):
        """Whether a linear model of whole sequences is learned beside the network."""
        return False

    def _with_rocket(self, model, samples, seed, incremental):
        """Return a model with what it knows beside its network."""
        return model

    def _announce(self, X, y, samples, theta):
        """Begin the tasks that callbacks follow."""
        weight, model = samples.sample_weight, self._model
        return EpochTasks(
            self,
            self.max_iter,
            lambda: {"_model": model.with_theta(theta.copy())},
            {
                "X": lambda: _safe_indexing(X, samples.rows),
                "y": lambda: _safe_indexing(y, samples.rows),
                "metadata": None if weight is None else {"sample_weight": weight},
            },
        )

    def _train(self, theta, samples, validation, tasks, resume, incremental):
        """Train `theta`, and keep what came out."""
        model, training = self._model, self._training
        solver_state = training.solver_state if resume else None
        if not self.embedding_trainable:
            solver_state = without_moments(solver_state, model)
        solver = self._make_solver(solver_state, incremental)
        generator = training.generator()
        early_stopping = validation is not None
        trainer = self._make_trainer(solver, generator, len(samples), early_stopping)
        data = self._make_data(samples, samples)
        history = training.history if resume else None
        if incremental:
            history = trainer.fit_more(theta, data, history=history)
        else:
            history = trainer.fit(
                theta,
                data,
                validation=self._make_data(validation, samples),
                scorer=self._make_scorer(validation),
                history=history,
                hooks=None if tasks is None else tasks.hooks(),
            )
        self._model = model.with_theta(theta)
        self._training = training.after(
            self.solver, solver, generator, history, incremental
        )

    def _make_trainer(self, solver, generator, n_seqs, early_stopping, **more):
        """Return what trains the network; `more` goes to the `Trainer`."""
        model, batch_size = self._model, self.batch_size
        if batch_size == "auto":
            batch_size = self._auto_batch_size(n_seqs)
        loss, options = self._training_loss(), pass_options_with_embeddings(self, model)
        network = model.make_network(options, loss)
        solver.n_frozen = count_frozen(self, model)
        options = self._training_options(batch_size, early_stopping)
        return Trainer(network, loss, solver, options, generator, **more)

    def _training_loss(self):
        """Return what training minimises; validation looks at its plain value."""
        return self._model.target.loss()

    def _auto_batch_size(self, n_seqs):
        return auto_batch_size(n_seqs)

    def _make_data(self, samples, training):
        if samples is None:
            return None
        model = self._model
        y = samples.encoded(model.target)
        weight = self._loss_weight(model.target, samples, training)
        sequences = model.read(samples.sequences)
        if model.convolutions is not None:
            sequences = sequences.kept()
        return self._data(sequences, model.encoder, y, weight)

    def _data(self, sequences, encoder, y, weight):
        """Return what training reads."""
        return SequenceData(sequences, encoder, y, weight)

    def _make_scorer(self, validation):
        """Return a function of the parameters, None when the loss is watched."""
        if validation is None or self.scoring == "loss":
            return None
        scorer = check_scoring(self, self.scoring)
        # A scorer of the user's gets the sequences as they were handed in.
        given = callable(self.scoring) and validation.source is not None
        X, y = validation.as_given() if given else (validation.sequences, validation.y)
        weights = {}
        if validation.sample_weight is not None and takes_weights(scorer, self):
            weights = {"sample_weight": validation.sample_weight}

        def score(theta):
            fitted = copy.copy(self)
            fitted._model = self._model.with_theta(theta.copy())
            return scorer(fitted, X, y, **weights)

        return score

    @property
    def categories_(self):
        """The categories of categorical features, None for features of numbers."""
        categories = fitted(self, "_model", "categories_").categories
        if categories is None:
            raise AttributeError(
                "There are categories_ with categorical features only."
            )
        return categories.arrays

    @property
    def embeddings_(self):
        """The tables of embeddings by feature; the last row is unknown."""
        return fitted(self, "_model", "embeddings_").embeddings

    # Prediction ------------------------------------------------------------------

    def _check_sequences(self, X):
        """Check sequences to predict."""
        self._check_is_fitted()
        return check_sequences(
            X,
            estimator=self,
            reset=False,
            missing=self._model.structure["missing"],
            categorical_features=self._selected_features(X, False),
        )

    def _selected_features(self, X, reset):
        """Return which features are categorical, as `check_sequences` takes it."""
        if not reset and "_model" in vars(self):
            categories = self._model.categories
            return None if categories is None else categories.features
        selected = self.categorical_features
        if isinstance(selected, str) and selected == "from_dtype":
            # Numbers take the shorter way.
            return selected if may_hold_tokens(X) else None
        return selected

    def _output(self, X, method):
        """Return what a method says of sequences, by the outputs of the network."""
        sequences = self._check_sequences(X)
        model = self._model
        return model.target.outputs()[method](model.raw(sequences, self._n_threads()))

    def stream(self, n_seqs=1, *, method="predict"):
        """Return an object that reads sequences one step at a time.

        Each step costs the same, some microseconds, however many came before it. Its
        result has the bits of `method` on the sequence so far.

        Parameters
        ----------
        n_seqs : int, default=1
            How many sequences are read side by side.
        method : str, default="predict"
            What a step returns: "predict", and of a classifier also "predict_proba",
            "predict_log_proba" or "decision_function".

        Returns
        -------
        stream : Stream
            With the methods ``step(x)`` and ``reset()`` and the attribute ``state``.

        Raises
        ------
        ValueError
            If the network cannot follow a stream: it is bidirectional, or its pooling
            is "attention".
        """
        self._check_is_fitted()
        return make_stream(self, n_seqs, method)

    def hidden_states(self, X):
        """Return the states of the last layer at every step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        states : list of ndarrays of shape (n_steps_i, n_units)
            States of each sequence, twice as many if ``bidirectional`` (the forward
            direction first). When segments of steps are read at once
            (``segment_length_ > 1``), there is one row for each segment.
        """
        sequences = self._check_sequences(X)
        return self._model.steps(sequences, "hidden_states", self._n_threads())

    @available_if(_gives_weights)
    def attention_weights(self, X):
        """Return the weights that attention pooling gives to the steps.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        weights : list of ndarrays of shape (n_steps_i,)
            Weights of each sequence, which sum to 1; one for each segment when
            segments of steps are read at once (``segment_length_ > 1``).
        """
        sequences = self._check_sequences(X)
        return self._model.steps(sequences, "attention", self._n_threads())

    # The state ---------------------------------------------------------------------

    def _pack(self):
        """Return the fitted attributes as a file holds them."""
        fields = {name: vars(self)[name] for name in self._fields if name in vars(self)}
        for part in ("_model", "_training"):
            if part in vars(self):
                fields |= vars(self)[part].pack()
        return fields

    @classmethod
    def _unpack(cls, fields):
        """Return the fitted attributes that `_pack` was made of."""
        target = cls._target_kind.unpack(fields)
        packed = {*cls._packed_fields, *TRAINING_FIELDS, *target.pack()}
        attributes = {name: fields[name] for name in fields if name not in packed}
        attributes["_model"] = cls._model_kind.unpack(fields, target)
        attributes["_training"] = TrainingState.unpack(fields)
        return attributes

    @classmethod
    def _check_together(cls, fields):
        """Raise ValueError unless the fields of a file go together."""
        cls._target_kind.check_together(fields)
        structure = fields["_structure"]
        if fields["_columns_are_steps"]:
            if structure["n_features"] != 1:
                raise ValueError("Sequences that are rows of a table have 1 feature.")
        elif structure["n_features"] != fields["n_features_in_"]:
            raise ValueError(
                f"n_features_in_ is {fields['n_features_in_']}, and the network reads "
                f"{structure['n_features']} features."
            )
        cls._check_model(fields, cls._target_kind.unpack(fields))
        check_training(fields)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # Tokens are read one by one.
        reads_tokens = self.segment_length in ("auto", 1)
        tags.input_tags.string = tags.input_tags.categorical = reads_tokens
        tags.input_tags.allow_nan = self.missing == "indicator"
        return tags
