"""Classification of sequences."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target

from skrnn.estimators._base import SequenceEstimator, all_or_nothing
from skrnn.estimators._fitted import Of
from skrnn.estimators._parameters import CONVOLUTIONS, has_partial_fit
from skrnn.inputs.frames import naming
from skrnn.models.checks import boolean, labels
from skrnn.models.rocket import Rocket
from skrnn.network import POOLINGS
from skrnn.targets import ClassTarget

# By how much a linear model has to beat one that says nothing, so that 'auto' keeps it.
LEAST_GAIN = 0.1
N_KERNELS = 96  # of 'auto', in sequences of at least so many steps:
LONG = 40


class RNNClassifier(ClassifierMixin, SequenceEstimator):
    """Recurrent neural network classifier of sequences.

    This model reads each sequence step by step and minimises the log-loss with
    stochastic gradient descent or L-BFGS. Sequences may differ in length. There may be
    two classes, many, or a multilabel indicator matrix.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_hidden_layers,), default=(64,)
        Number of units of each recurrent layer. An int is one layer.
    cell : {'gru', 'lstm', 'rnn'}, default='gru'
        Kind of cell in all layers.

        - 'gru', gated recurrent units [1]_, with the reset gate after the matrix
          product.
        - 'lstm', long short-term memory [2]_, with a forget gate that starts open.
        - 'rnn', the simple network of Elman [3]_.
    activation : {'tanh', 'relu'}, default='tanh'
        Activation of the cell 'rnn'. The other cells have fixed activations.
    bidirectional : bool or 'auto', default='auto'
        Whether each layer also reads the sequence from its end, with as many further
        units. 'auto' does so where there are convolutions. Such a network cannot follow
        a stream.
    pooling : {'auto', 'last', 'mean', 'max', 'joined', 'attention'}, default='auto'
        How the states of the last layer at all steps become one vector. 'auto' is
        'joined' where there are convolutions, and 'max' where not.

        - 'last', the state after the last step. For the backward direction, the state
          after the first step.
        - 'mean' and 'max', the mean and the largest value of each unit over the steps.
        - 'joined', these three side by side.
        - 'attention', a weighted mean over the steps. The weights are a softmax of
          products with a learned query; see :meth:`attention_weights`.
    segment_length : 'auto' or int, default='auto'
        Number of consecutive steps that the network reads at once, counted from the
        start. The last step is repeated if the last segment is not full. Segments make
        training on long sequences faster and better. 'auto' is a twentieth of the
        median length of the training sequences, but at least 1 and at most 16; see
        `segment_length_`.
    convolutions : 'auto' or int, default='auto'
        Number of random kernels of nine taps that run over the sequences [9]_. Beside
        each segment of steps the network reads, for each kernel, the share of its
        outputs that lie over a threshold, and the largest output: the local shapes that
        are in the segment. Kernels are drawn, thresholds and scales are learned by the
        first call to :meth:`fit`, and stay. Without `bidirectional` an output depends
        on no later step, so that the network can follow a stream. 96 is a good number,
        0 means none. 'auto' is 96 for sequences of numbers whose median length is at
        least 40 steps, and 0 for others. It is 0, too, where one of several features is
        zeros and ones only: such marks say which single steps count. With convolutions,
        a `segment_length` of 'auto' is at least 2.
    rocket : bool or 'auto', default='auto'
        Whether a linear model of whole sequences is learned beside the network: a ridge
        regression on 1008 shares of MiniRocket [9]_, as
        :class:`skrnn.preprocessing.ConvolutionFeatures` makes them. Its outputs and
        those of the network add up. The strength of the penalty and the size of these
        outputs are chosen by predictions of sequences that were left out one at a time.
        Such a model is often better than a network where the order of shapes does not
        count, and it says little where it knows little. It is learned by the first call
        to :meth:`fit`, from at most 2048 sequences, and stays; `partial_fit` cannot
        learn it, and :func:`skrnn.distributed.fit_shards` learns it from the first
        shard, if all classes are there. 'auto' learns it where
        there are convolutions and both directions, and keeps it if the loss of left out
        sequences is at least a tenth smaller than that of equal probabilities. A model
        with it reads whole sequences, so that it cannot follow a stream.
    standardize : bool, default=True
        Whether to subtract the mean of each feature and to divide by its standard
        deviation. Both are taken over all training steps, in float64.
    missing : {'error', 'indicator'}, default='error'
        Treatment of NaN in sequences. With 'indicator' each feature comes with a second
        one that says whether it is known, and an unknown value is read as the mean.
    categorical_features : 'from_dtype', None, callable, str, int or array-like, \
            default='from_dtype'
        Which features are categories and not numbers: names, indices, a mask, or a
        function that gives these for the first sequence. 'from_dtype' takes features of
        strings, and columns of DataFrames whose dtype is one of categories, strings or
        bools. A string is the sequence of its characters; a list of strings is a
        sequence of tokens. None takes none.
    embedding_size : 'auto', int or dict, default='auto'
        Number of columns of the table that has a row for each category, by feature if
        it is a dict. 'auto' is 1.6 n ** 0.56 for n categories, but at least 4 and at
        most 128; up to 8 categories are one-hot instead.
    embedding_init : mapping or None, default=None
        Vectors of tokens, such as a dict, to begin with. Tokens that it lacks are drawn
        with the spread of those that it has.
    embedding_trainable : bool, default=True
        Whether the tables are trained. The L2 penalty does not count them.
    embedding_dropout : float, default=0.0
        Share of the categories that training drops [4]_. Each sequence drops categories
        of its own.
    min_frequency : int or float, default=1
        How often a category must occur in training, or in which share of all steps.
        Rarer ones are read as unknown.
    max_categories : int, default=None
        How many categories a feature may have, the unknown one included: the most
        frequent ones.
    dropout : float, default=0.3
        Share of the outputs of each layer that training sets to zero on their way to
        the next layer or to the output. Not used by 'lbfgs', which needs the same loss
        at each evaluation.
    recurrent_dropout : float, default=0.2
        Share of the states that training sets to zero where they feed back, the same
        ones at all steps of a sequence [4]_. Not used by 'lbfgs'.
    class_weight : dict, list of dicts, 'balanced' or None, default=None
        Weights of the classes in the loss, multiplied with the weights of the
        sequences. 'balanced' gives all classes the same total weight. A multilabel
        problem needs a list with a dict of the weights of 0 and 1 for each label.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Solver that minimises the loss.

        - 'adam', a stochastic gradient method with a step size for each weight [5]_.
        - 'sgd', stochastic gradient descent with momentum.
        - 'lbfgs', a quasi-Newton method that uses all sequences in each step.
    alpha : float, default=0.001
        Strength of the L2 penalty on the weights. The penalty is divided by the sum of
        the sample weights of a batch when it is added to the loss. It does not count
        biases.
    batch_size : 'auto' or int, default='auto'
        Number of sequences per update of the weights, at most all sequences. 'auto' is
        a fifteenth of the training sequences, but at least 4 and at most 32.
    learning_rate : {'linear', 'constant', 'invscaling', 'adaptive'}, default='linear'
        Schedule of the learning rate, which starts from `learning_rate_init`.

        - 'linear' falls to nearly zero at `max_iter` epochs, and starts anew in each
          call to :meth:`fit`. All epochs are made, unless `early_stopping` ends the
          training. In :meth:`partial_fit` the learning rate does not fall.
        - 'constant' never changes.
        - 'invscaling' is divided by ``t ** power_t`` after t sequences.
        - 'adaptive' is divided by 5 when the loss (with `early_stopping`: the
          validation score) has not improved by `tol` for `n_iter_no_change` epochs.
    learning_rate_init : float, default=0.008
        The initial learning rate of 'adam' and 'sgd'.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=100
        Largest number of epochs: how often each sequence is used. With 'lbfgs', largest
        number of iterations.
    shuffle : bool or 'blocks', default=True
        Whether each epoch takes the sequences in a new random order. 'blocks' puts
        blocks of 1024 neighbours in random order and shuffles each of them, so that a
        disk is read in long runs.
    max_grad_norm : float or None, default=1.0
        A gradient with a larger norm is scaled down to this norm [6]_.
    bptt_steps : int or None, default=None
        The gradient is cut every `bptt_steps` steps (segments), counted back from the
        last step. States are carried across the cuts. None means no cut.
    momentum : float, default=0.9
        Momentum of 'sgd', between 0 and 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum.
    beta_1 : float, default=0.9
        Decay of the average of the gradient in 'adam', in [0, 1).
    beta_2 : float, default=0.999
        Decay of the average of the squared gradient in 'adam', in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of the average squared gradient in 'adam'.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by 'lbfgs'.
    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping`: the validation score) has
        not improved by this much for `n_iter_no_change` epochs in a row. An 'adaptive'
        learning rate falls first. With a 'linear' learning rate, only `early_stopping`
        stops the training. With 'lbfgs', tolerance of the gradient.
    n_iter_no_change : int, default=10
        Largest number of epochs in a row without an improvement by `tol`.
    early_stopping : bool, default=False
        Whether to hold sequences out of the training, to stop when their score no
        longer improves, and to keep the weights of the best epoch. Not used by 'lbfgs'.
        Each class keeps its share.
    validation_fraction : float, default=0.1
        Share of the training sequences that `early_stopping` holds out, unless
        validation sequences are given to :meth:`fit`.
    scoring : str, callable or None, default='loss'
        The validation score of `early_stopping`: 'loss', the name of a scorer, a scorer
        ``scoring(estimator, X, y)``, or None for the :meth:`score` of the estimator.
    warm_start : bool, default=False
        Whether :meth:`fit` continues from the weights of the last call, with the same
        scale of the features, instead of starting anew. A 'linear' learning rate still
        starts anew, and its high first values undo a part of the training. To continue
        as if never stopped, choose 'constant' or 'invscaling'.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the sequences that `early_stopping` holds out,
        the order of the sequences and the masks of dropout. Pass an int for
        reproducible results across multiple function calls.
    verbose : bool or int, default=False
        Whether to print a line for each epoch.
    dtype : {'float32', 'float64'}, default='float32'
        Data type of the computations of the network.
    n_jobs : int or None, default=None
        Number of threads; -1 means all processors, and None means 1 unless in a
        :func:`joblib.parallel_config` context. The limits of OpenMP hold, which
        `OMP_NUM_THREADS`, threadpoolctl and joblib within its workers set. Results are
        the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes; for a multilabel indicator, numbers of the labels.
    categories_ : list of length n_features
        An array of the categories of each categorical feature, sorted, and None for
        features of numbers. Only if there are categorical features.
    embeddings_ : dict of int to ndarray of shape (n_categories + 1, size)
        The tables by feature; the last row is that of unknown categories.
    n_features_in_ : int
        Number of features per step. For sequences given as a 2-D array, number of
        steps.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when the steps have names that are all strings.
    n_outputs_ : int
        Number of outputs of the network.
    n_layers_ : int
        Number of layers, with the input and the output.
    out_activation_ : str
        Activation of the outputs: 'softmax', or 'logistic' for two classes and for
        multilabel targets.
    segment_length_ : int
        Number of steps that are read at once.
    weights_ : dict of str to ndarray
        Read-only views of the weights by name: ``layer0.W`` for the inputs,
        ``layer0.U`` for the states and the bias ``layer0.b``, ``layer0.reverse.W`` and
        so on for the other direction, ``attention.q``, ``head.W`` and ``head.b``. The
        blocks of columns are the gates, in PyTorch's order: i, f, g, o of 'lstm' and
        r, z, n of 'gru'.
    n_iter_ : int
        Number of epochs of the last call to :meth:`fit`. After :meth:`partial_fit`,
        number of epochs of all calls.
    t_ : int
        Number of sequences that the solver has seen.
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float
        The smallest loss of an epoch.
    loss_curve_ : list of float
        The loss of each epoch: the mean over its batches, each before its update, with
        the penalty.
    grad_norm_curve_ : list of float
        The mean norm of the gradient in each epoch, before the norm is limited. It
        shows gradients that vanish or explode.
    validation_loss_curve_ : list of float or None
        With `early_stopping`, the loss of the held-out sequences after each epoch,
        without the penalty.
    validation_scores_ : list of float or None
        With `early_stopping`, the validation score after each epoch. For
        ``scoring='loss'`` it is minus the validation loss.
    best_validation_score_ : float or None
        With `early_stopping`, the largest value in `validation_scores_`.

    See Also
    --------
    RNNRegressor : Recurrent neural network regressor of sequences.
    SequenceTagger : A label for each step.
    SequenceTranscriber : Labels in order, without times.
    skrnn.inspection.permutation_importance : Which features and times matter.

    Notes
    -----
    Input weights start from Glorot's uniform distribution [7]_, recurrent weights from
    random orthogonal matrices, one for each gate [8]_, and states from zero.

    The prediction for a sequence does not depend on the other sequences of the call, on
    their order, or on the number of threads: it is the same to the last bit.

    References
    ----------
    .. [1] Cho, K., et al. (2014). Learning phrase representations using RNN
           encoder-decoder for statistical machine translation. EMNLP.
           `arXiv:1406.1078 <https://arxiv.org/abs/1406.1078>`_
    .. [2] Hochreiter, S., & Schmidhuber, J. (1997). Long short-term memory. Neural
           Computation, 9(8), 1735-1780.
    .. [3] Elman, J. L. (1990). Finding structure in time. Cognitive Science, 14(2),
           179-211.
    .. [4] Gal, Y., & Ghahramani, Z. (2016). A theoretically grounded application of
           dropout in recurrent neural networks. NeurIPS.
           `arXiv:1512.05287 <https://arxiv.org/abs/1512.05287>`_
    .. [5] Kingma, D. P., & Ba, J. (2015). Adam: a method for stochastic optimization.
           ICLR. `arXiv:1412.6980 <https://arxiv.org/abs/1412.6980>`_
    .. [6] Pascanu, R., Mikolov, T., & Bengio, Y. (2013). On the difficulty of training
           recurrent neural networks. ICML.
           `arXiv:1211.5063 <https://arxiv.org/abs/1211.5063>`_
    .. [7] Glorot, X., & Bengio, Y. (2010). Understanding the difficulty of training
           deep feedforward neural networks. AISTATS.
    .. [8] Saxe, A. M., McClelland, J. L., & Ganguli, S. (2014). Exact solutions to the
           nonlinear dynamics of learning in deep linear neural networks. ICLR.
           `arXiv:1312.6120 <https://arxiv.org/abs/1312.6120>`_
    .. [9] Dempster, A., Schmidt, D. F., & Webb, G. I. (2021). MiniRocket: A very fast
           (almost) deterministic transform for time series classification. KDD.
           `arXiv:2012.08791 <https://arxiv.org/abs/2012.08791>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(100)]
    >>> y = np.array(["down", "up"])[[int(x[:, 0].sum() > 0) for x in X]]
    >>> clf = RNNClassifier(16, random_state=0).fit(X, y)
    >>> clf.predict([np.full((3, 2), 2.0), np.full((9, 2), -2.0)])
    array(['up', 'down'], dtype='<U4')
    >>> clf.predict_proba(X[:1]).shape
    (1, 2)
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules

    _parameter_constraints: dict = {
        **SequenceEstimator._parameter_constraints,
        "convolutions": CONVOLUTIONS,
        "rocket": ["boolean", StrOptions({"auto"})],
        "bidirectional": ["boolean", StrOptions({"auto"})],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }
    _fields = {**SequenceEstimator._fields, "classes_": labels, "_multilabel": boolean}
    _target_kind = ClassTarget
    _counterpart = "SequenceTagger"
    classes_ = Of("_model")

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        cell="gru",
        activation="tanh",
        bidirectional="auto",
        pooling="auto",
        segment_length="auto",
        convolutions="auto",
        rocket="auto",
        standardize=True,
        missing="error",
        categorical_features="from_dtype",
        embedding_size="auto",
        embedding_init=None,
        embedding_trainable=True,
        embedding_dropout=0.0,
        min_frequency=1,
        max_categories=None,
        dropout=0.3,
        recurrent_dropout=0.2,
        class_weight=None,
        solver="adam",
        alpha=0.001,
        batch_size="auto",
        learning_rate="linear",
        learning_rate_init=0.008,
        power_t=0.5,
        max_iter=100,
        shuffle=True,
        max_grad_norm=1.0,
        bptt_steps=None,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        max_fun=15000,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        scoring="loss",
        warm_start=False,
        random_state=None,
        verbose=False,
        dtype="float32",
        n_jobs=None,
    ):
        self._set_parameters(locals())

    # Fitting ---------------------------------------------------------------------

    def _check_lengths(self, y, sequences):
        """Say what a matrix that may hold a label for each step is read as."""
        n_labels = y.shape[1] if y.ndim == 2 else 0
        if n_labels > 1 and (sequences.lengths == n_labels).all():
            warnings.warn(
                f"y has {n_labels} columns, as many as each sequence has steps. It is "
                "read as a multilabel indicator: labels of whole sequences. For a "
                "label of each step use SequenceTagger.",
                stacklevel=6,
            )

    def _auto_convolutions(self, sequences):
        """Kernels pay in long sequences, but where marks say which steps count."""
        if sequences.categorical or np.median(sequences.lengths) < LONG:
            return 0
        several = sequences.n_features > 1
        return 0 if several and sequences.marks().any() else N_KERNELS

    def _wants_rocket(self, model):
        """Whether a linear model of whole sequences is learned beside the network."""
        if isinstance(self.rocket, str):
            return model.convolutions is not None and model.structure["bidirectional"]
        return bool(self.rocket)

    def _with_rocket(self, model, samples, seed, incremental):
        """Return the model with a linear model of whole sequences, or as it is."""
        auto = isinstance(self.rocket, str)
        if not self._wants_rocket(model) or (auto and incremental):
            return model
        sequences, target = samples.sequences, model.target
        if sequences.categorical:
            raise ValueError(
                f"rocket=True reads numbers, and feature {sequences.categorical[0]} is "
                "categorical. Set rocket=False or 'auto'."
            )
        if incremental:
            raise ValueError(
                "rocket=True is learned from all sequences at once. Call fit first, or "
                "set rocket=False or 'auto'."
            )
        rocket = Rocket.learn(
            sequences,
            samples.encoded(target),
            target.loss(),
            seed=seed,
            weight=self._loss_weight(target, samples, samples),
            least_gain=LEAST_GAIN if auto else 0.0,
        )
        return replace(model, rocket=rocket)

    def _loss_weight(self, target, samples, training):
        return target.weights(
            self.class_weight,
            samples.y,
            training.y,
            samples.sample_weight,
            training.sample_weight,
        )

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Make one pass over more sequences.

        The first call learns the scale of the features and the length of segments.
        Later calls keep them.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        y : array-like of shape (n_seqs,) or (n_seqs, n_labels)
            Class labels, or a multilabel indicator matrix.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the sequences. An ordinary sequence has weight 1. The weights of
            other calls have no effect.
        classes : array-like of shape (n_classes,), default=None
            All classes that any call will see. Required by the first call, unless `y`
            is a multilabel indicator.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.__sklearn_is_fitted__():
            self._check_classes(classes)
        elif classes is None:
            with naming("y"):
                kind = type_of_target(y)
            if not kind.startswith("multilabel"):
                raise ValueError(
                    "classes must be passed on the first call to partial_fit."
                )
        return self._fit(X, y, sample_weight, classes=classes, incremental=True)

    def _check_classes(self, classes):
        with naming("classes"):
            changed = classes is not None and not np.array_equal(
                np.unique(classes), self.classes_
            )
        if changed:
            raise ValueError(
                f"classes={classes!r} is not the same as on last call to partial_fit, "
                f"was: {self.classes_!r}"
            )

    # Prediction ------------------------------------------------------------------

    def predict(self, X):
        """Predict the class of each sequence.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_seqs,) or (n_seqs, n_labels)
            The predicted classes or labels.
        """
        return self._output(X, "predict")

    def decision_function(self, X):
        """Return the outputs of the network before the activation.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        scores : ndarray of shape (n_seqs,), (n_seqs, n_classes) or (n_seqs, n_labels)
            Log-odds of the second of two classes, log-probabilities of more classes up
            to a constant for each sequence, or log-odds of each label.
        """
        return self._output(X, "decision_function")

    def predict_proba(self, X):
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        proba : ndarray of shape (n_seqs, n_classes) or (n_seqs, n_labels)
            Probability of each class, in the order of `classes_`, or of each label.
        """
        return self._output(X, "predict_proba")

    def predict_log_proba(self, X):
        """Predict the logarithms of the probabilities of the classes.

        They are not computed from probabilities, so small ones are exact, too.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        log_proba : ndarray of shape (n_seqs, n_classes) or (n_seqs, n_labels)
            Log-probability of each class, in the order of `classes_`, or of each label.
        """
        return self._output(X, "predict_log_proba")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
