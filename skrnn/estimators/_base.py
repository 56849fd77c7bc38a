"""Fitting: from the user's sequences and targets to a trained network."""

import copy
import functools
from abc import ABC, abstractmethod

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length

from skrnn._callbacks import CallbackSupportMixin, with_callbacks
from skrnn.estimators._callbacks import EpochTasks
from skrnn.estimators._parameters import (
    Parameters,
    auto_batch_size,
    auto_segment_length,
)
from skrnn.estimators._persistence import StampedState
from skrnn.estimators._prediction import FittedNetwork
from skrnn.estimators._samples import Samples, check_sample_weight
from skrnn.estimators._split import split_validation
from skrnn.estimators._state import DeclaredState
from skrnn.estimators._training import Trained
from skrnn.inputs.frames import naming
from skrnn.inputs.sequences import check_sequences, scale_of
from skrnn.network import Network
from skrnn.solvers import SOLVERS
from skrnn.training import SequenceData, Trainer


def all_or_nothing(method):
    """Leave the estimator as it was when the method fails."""

    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        # Fitted arrays are replaced and never written to, so the names are enough.
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__ = before
            raise

    return wrapper


class BaseRNN(
    CallbackSupportMixin,
    StampedState,
    DeclaredState,
    FittedNetwork,
    Trained,
    Parameters,
    ABC,
):
    """Base of the recurrent estimators; a subclass brings its targets and its loss."""

    _doc_link_module = "skrnn"
    _doc_link_template = (
        "https://skrnn.readthedocs.io/en/latest/generated/skrnn.{estimator_name}.html"
    )

    # What a subclass brings ------------------------------------------------------

    @abstractmethod
    def _check_targets(self, y):
        """Return `y` as an array of what the user means, and refuse the rest."""

    @abstractmethod
    def _learn_targets(self, y, resume, classes=None):
        """Learn the kind of targets; with `resume`, only check that it is the same."""

    @abstractmethod
    def _encode(self, y):
        """Return `y` as the loss wants it."""

    @abstractmethod
    def _make_loss(self):
        """Return the loss for the targets that were learned."""

    def _learn_scale(self, y, sample_weight):
        """Learn the scale of the targets of the training sequences."""

    def _split_labels(self, y):
        """Return the classes (int) whose shares the inner split keeps, or None."""
        return None

    def _loss_weight(self, samples, training):
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

        If this fails, the estimator is what it was before.

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
            Weights of the sequences. Weight 0 is the absence of the sequence.
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
            Group of each sequence, for example the patient it was cut from. The
            sequences that early stopping holds out share no group with the others.

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
        samples = self._check_samples(X, y, sample_weight, groups, reset=not resume)
        self._learn_targets(samples.y, resume, classes)
        if not resume:
            state = check_random_state(self.random_state)
            self._seed = state.randint(np.iinfo(np.int32).max)
        samples, validation = self._hold_out(samples, given)
        if not resume:
            self._start(samples)
        theta = self._theta.copy()
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
        self, X, y, sample_weight, groups=None, *, reset=False, suffix=""
    ):
        """Return checked samples, without those of weight zero."""
        sequences = check_sequences(
            X,
            estimator=self,
            reset=reset,
            missing=self.missing,
            input_name="X" + suffix,
        )
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None."
            )
        with naming("y"):
            y = self._check_targets(y)
        check_consistent_length(sequences, y)
        if groups is not None:
            with naming("groups"):
                groups = np.unique(column_or_1d(groups), return_inverse=True)[1]
            check_consistent_length(sequences, groups)
        sample_weight = check_sample_weight(
            sample_weight, len(sequences), "sample_weight" + suffix
        )
        samples = Samples(np.arange(len(y)), sequences, y, sample_weight, groups)
        if sample_weight is not None and not sample_weight.all():
            samples = samples.take(np.flatnonzero(sample_weight))
        return samples

    def _hold_out(self, samples, given):
        """Return the samples to train on and those that early stopping watches."""
        if given is not None:
            validation = self._check_samples(*given, suffix="_val")
            self._learn_targets(validation.y, resume=True)
            return samples, validation
        if not self.early_stopping or not SOLVERS[self.solver].has_validation:
            return samples, None
        train, held_out = split_validation(
            len(samples),
            self.validation_fraction,
            # A warm start with the same sequences holds the same ones out.
            np.random.RandomState([self._seed, 1]),
            labels=self._split_labels(samples.y),
            groups=samples.groups,
        )
        return samples.take(train), samples.take(held_out)

    def _start(self, samples):
        """Learn what a step looks like, and initialise the network."""
        sequences, weight = samples.sequences, samples.sample_weight
        self._learn_scale(samples.y, weight)
        self._input_mean = self._input_scale = self._input_fill = None
        if self.standardize:
            mean, variance = sequences.moments(weight)
            lengths = sequences.lengths
            n_steps = (lengths if weight is None else lengths * weight).sum()
            self._input_mean, self._input_scale = (
                mean,
                scale_of(mean, variance, n_steps),
            )
        elif self.missing == "indicator":
            self._input_fill, _ = sequences.moments(weight)
        self.segment_length_ = self.segment_length
        if self.segment_length == "auto":
            self.segment_length_ = auto_segment_length(sequences.lengths, weight)
        loss = self._make_loss()
        self._structure = {
            **self._describe_structure(),
            "n_features": sequences.n_features,
            "n_out": loss.n_out,
        }
        self.n_outputs_ = loss.n_out
        self.n_layers_ = len(self._structure["hidden_layer_sizes"]) + 2
        self.out_activation_ = loss.out_activation
        random_state = np.random.RandomState(self._seed)
        self._theta = self._make_spec().initialize(random_state, loss)
        self._begin_training()

    def _announce(self, X, y, samples, theta):
        """Begin the tasks that callbacks follow."""
        weight = samples.sample_weight
        return EpochTasks(
            self,
            self.max_iter,
            lambda: {"_theta": theta.copy()},
            {
                "X": lambda: _safe_indexing(X, samples.rows),
                "y": lambda: _safe_indexing(y, samples.rows),
                "metadata": None if weight is None else {"sample_weight": weight},
            },
        )

    def _train(self, theta, samples, validation, tasks, resume, incremental):
        """Train `theta` and keep what came out."""
        solver = self._make_solver(resume, incremental)
        random_state = self._training_random_state()
        loss = self._make_loss()
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = auto_batch_size(len(samples))
        network = Network(self._make_spec(), loss, self._pass_options())
        options = self._training_options(batch_size, validation is not None)
        trainer = Trainer(network, loss, solver, options, random_state)
        data = self._make_data(samples, samples)
        history = self._get_history() if resume else None
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
        self._keep_training(theta, solver, random_state, history, incremental)

    def _make_data(self, samples, training):
        if samples is None:
            return None
        y = self._encode(samples.y)
        weight = self._loss_weight(samples, training)
        return SequenceData(samples.sequences, self._make_encoder(), y, weight)

    def _make_scorer(self, validation):
        """Return a function of the parameters, None when the loss is watched."""
        if validation is None or self.scoring == "loss":
            return None
        scorer = check_scoring(self, self.scoring)
        weight = validation.sample_weight
        weights = {} if weight is None else {"sample_weight": weight}

        def score(theta):
            fitted = copy.copy(self)
            fitted._theta = theta.copy()
            return scorer(fitted, validation.sequences, validation.y, **weights)

        return score

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "indicator"
        return tags
