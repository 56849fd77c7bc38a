"""A label for each step of a sequence."""

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._base import all_or_nothing
from skrnn.estimators._fitted import Of
from skrnn.estimators._parameters import has_partial_fit
from skrnn.estimators._samples import without_labels_of_weight_zero
from skrnn.estimators._steps import StepEstimator
from skrnn.estimators._streams import make_stream
from skrnn.models.checks import array, boolean, either, labels, one_of
from skrnn.models.labeler import Labeler
from skrnn.models.path_stream import path_reader
from skrnn.targets import StepClassTarget
from skrnn.targets.classes import class_weights
from skrnn.targets.steps import sorted_labels
from skrnn.training import StepData

SCHEMES = ("IOB1", "IOB2", "IOBES", "BILOU")


def _allowed(value, name, state):
    checks = array("bool", None), array("bool", None, None), array("bool", None)
    if not isinstance(value, tuple) or len(value) != 3:
        raise ValueError(f"{name} must be three arrays or None.")
    for check, item in zip(checks, value, strict=True):
        check(item, name, state)


class SequenceTagger(StepEstimator):
    """Recurrent neural network that labels each step of a sequence.

    This model reads each sequence and gives each of its steps a label: entities in
    texts, sleep stages, phases of gait. With ``crf=True`` a conditional random field
    learns whole paths of labels. Steps may be without a label in training.

    `X` and `y` are lists with an item for each sequence, or one table whose rows are
    the steps of one sequence; `predict` answers in that form.

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
    bidirectional : bool, default=True
        Whether each layer also reads the sequence from its end, with as many further
        units. Then it cannot follow a stream.
    crf : bool, default=False
        Whether a linear-chain conditional random field [9]_ scores whole paths of
        labels. Probabilities are then exact marginals, and `predict` is the best path.
    scheme : {'IOB1', 'IOB2', 'IOBES', 'BILOU'}, callable or array-like, default=None
        Which labels may follow one another, as in
        :func:`skrnn.text.scheme_constraints`. What a scheme does not allow has the
        probability zero in `predict`, and in training with ``crf=True``.
    segment_length : 'auto' or int, default=1
        How many steps are read at once: the network reads them as one long step, and
        answers each of them. 'auto' is a twentieth of the median length, but at least
        1 and at most 16, and 1 with categorical features. Long sequences are read much
        faster by segments, and a gradient reaches farther back.
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
    class_weight : dict or 'balanced', default=None
        Weights of the classes. 'balanced' gives all classes the same total weight, by
        the labeled steps. It cannot be used with ``crf=True``, whose likelihood belongs
        to whole paths.
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
        The labels, sorted.
    categories_ : list of length n_features
        An array of the categories of each categorical feature, sorted, and None for
        features of numbers. Only if there are categorical features.
    embeddings_ : dict of int to ndarray of shape (n_categories + 1, size)
        The tables by feature; the last row is that of unknown categories.
    segment_length_ : int
        How many steps are read at once.
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
    transitions_ : ndarray of shape (n_classes, n_classes)
        Scores of a label (row) being followed by another one. Only with ``crf=True``.
    start_transitions_ : ndarray of shape (n_classes,)
        Scores of the first label. Only with ``crf=True``.
    end_transitions_ : ndarray of shape (n_classes,)
        Scores of the last label. Only with ``crf=True``.
    allowed_transitions_ : ndarray of shape (n_classes, n_classes)
        Whether a label may be followed by another one, as bool.

    See Also
    --------
    StepRegressor : A number for each step.
    RNNClassifier : One label for each sequence.
    skrnn.metrics.chunk_f1_score : How well chunks are found.

    Notes
    -----
    The loss is the weighted mean over labeled steps: a weight of 2 counts the sequence
    twice.

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
    .. [9] Lafferty, J., McCallum, A., & Pereira, F. (2001). Conditional random fields:
           Probabilistic models for segmenting and labeling sequence data. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) for n in rng.integers(5, 15, size=60)]
    >>> y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
    >>> tagger = SequenceTagger(16, random_state=0).fit(X, y)
    >>> tagger.predict([[[2.0, 0.0], [-2.0, 0.0], [2.0, 0.0]]])[0]
    array(['up', 'down', 'up'], dtype='<U4')
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules

    _parameter_constraints: dict = {
        **StepEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "crf": ["boolean"],
        "scheme": [
            StrOptions(set(SCHEMES)),
            callable,
            "array-like",
            tuple,
            None,
        ],
    }
    _target_kind = StepClassTarget
    _counterpart = "RNNClassifier"
    _fields = {
        **StepEstimator._fields,
        "classes_": labels,
        "_crf": boolean,
        "_allowed": either(None, _allowed),
        "_scheme": either(None, one_of(*SCHEMES)),
    }
    classes_ = Of("_model")

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        cell="gru",
        activation="tanh",
        bidirectional=True,
        crf=False,
        scheme=None,
        segment_length=1,
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

    def _learn_target(self, y, classes):
        if self.crf and self.class_weight is not None:
            raise ValueError(
                "class_weight is not for crf=True: the likelihood of a path is not a "
                "sum over its steps. Set class_weight=None, or crf=False."
            )
        return StepClassTarget.learn(
            y, classes, table=self._learns_table, crf=self.crf, scheme=self.scheme
        )

    def _check_samples(self, *args, suffix="", **options):
        samples = super()._check_samples(*args, suffix=suffix, **options)
        weight = samples.sample_weight
        if self.crf and weight is not None and weight.dtype == object:
            samples = without_labels_of_weight_zero(samples, f"sample_weight{suffix}")
        return samples

    def _loss_weight(self, target, samples, training):
        weight = samples.sample_weight
        if self.class_weight is None:
            return weight
        counted = np.concatenate(list(training.encoded(target)))
        counted_weight = _step_weights(training.y, training.sample_weight)
        known = counted >= 0
        by_class = class_weights(
            self.class_weight,
            target.classes,
            counted[known],
            np.concatenate(list(counted_weight))[known],
        )
        weights = _step_weights(samples.y, weight)
        for i, codes in enumerate(samples.encoded(target)):
            weights[i] = weights[i] * np.where(codes >= 0, by_class[codes], 0.0)
        return weights

    def _data(self, sequences, encoder, y, weight):
        whole = self._model.target.crf
        return StepData(sequences, encoder, y, weight, whole=whole)

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Make one pass over more sequences.

        The first call learns the scale of the features, and later ones keep it.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or one table.
        y : list of array-likes of shape (n_steps_i,), or array-like of shape (n_rows,)
            A label for each step; None or NaN is a step without a label.
        sample_weight : array-like of shape (n_seqs,), or list of array-likes of shape \
                (n_steps_i,), default=None
            Weights of the sequences, or of their steps. An ordinary weight is 1.
        classes : array-like of shape (n_classes,), default=None
            All labels that any call will see. Required by the first call.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.__sklearn_is_fitted__():
            known = self._model.target.classes
            if (
                classes is not None
                and sorted_labels(classes).tolist() != known.tolist()
            ):
                raise ValueError(
                    f"classes={classes!r} is not the same as on last call to "
                    f"partial_fit, was: {known!r}"
                )
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, classes=classes, incremental=True)

    # Prediction ------------------------------------------------------------------

    def _say(self, X, what):
        """Return what a method of `Labeler` says of the steps of sequences."""
        self._check_is_fitted()
        return self._each_step(X, getattr(Labeler(self._model), what))

    def predict(self, X):
        """Predict the label of each step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.

        Returns
        -------
        y : ndarray of shape (n_seqs,) with an ndarray of shape (n_steps_i,) for each \
                sequence, or ndarray of shape (n_rows,)
            The labels; with ``crf=True`` or a `scheme`, those of the best path.
        """
        return self._say(X, "labels")

    def predict_proba(self, X):
        """Predict the probabilities of the labels of each step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.

        Returns
        -------
        proba : ndarray of shape (n_seqs,) with an ndarray of shape (n_steps_i, \
                n_classes) for each sequence, or ndarray of shape (n_rows, n_classes)
            With ``crf=True`` the exact marginals.
        """
        return self._say(X, "proba")

    def predict_log_proba(self, X):
        """Predict the logarithms of the probabilities of the labels of each step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.

        Returns
        -------
        log_proba : ndarray like that of :meth:`predict_proba`
            The logarithms.
        """
        return self._say(X, "log_proba")

    def decision_function(self, X):
        """Return the outputs of the network at each step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.

        Returns
        -------
        scores : ndarray of shape (n_seqs,) with an ndarray per sequence, or ndarray
            Log-odds (n_steps_i,) of the second of two classes, or (n_steps_i,
            n_classes): log-probabilities up to a constant for each step, with
            ``crf=True`` the emissions.
        """
        return self._output(X, "decision_function")

    def predict_chunks(self, X, proba=True):
        """Return the chunks of each sequence, such as the entities of a sentence.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.
        proba : bool, default=True
            Whether to return the probability of each chunk.

        Returns
        -------
        chunks : list of lists of (start, stop, label[, probability])
            Steps ``start`` to ``stop - 1`` are a chunk of this type, of the tags in
            `predict`. With ``crf=True`` the probability is exact: the probability of
            these tags at these steps, and of an end after them. Otherwise it is the
            product of the probabilities of the steps. A table gives one list.
        """
        sequences = self._check_sequences(X)
        found = Labeler(self._model).chunks(sequences, self._n_threads(), proba)
        return found[0] if self._model.target.table else found

    def score_samples(self, X, y=None):
        """Return the log-likelihood of the labels of each sequence.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.
        y : list of array-likes of shape (n_steps_i,), or array-like of shape \
                (n_rows,), default=None
            The labels. With ``crf=True`` steps without a label are summed over,
            otherwise they are left out. None stands for what :meth:`predict` returns.

        Returns
        -------
        log_likelihood : ndarray of shape (n_seqs,), or float for a table
            The logarithm of the probability of the labels.
        """
        sequences, checked = self._targets_of(X, self.predict(X) if y is None else y)
        codes = self._model.target.encode(checked)
        found = Labeler(self._model).log_likelihood(sequences, codes, self._n_threads())
        return found[0] if self._model.target.table else found

    def score(self, X, y, sample_weight=None):
        """Return the share of labeled steps whose label is predicted.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.
        y : list of array-likes of shape (n_steps_i,), or array-like of shape (n_rows,)
            The labels. Steps without one do not count.
        sample_weight : array-like of shape (n_seqs,), or list of array-likes of shape \
                (n_steps_i,), default=None
            Weights of the sequences, or of their steps.

        Returns
        -------
        score : float
            The larger, the better; 1 is perfect.
        """
        sequences, checked = self._targets_of(X, y)
        predicted = self.predict(X)
        if self._model.target.table:
            predicted = [predicted]
            if sample_weight is not None:
                sample_weight = [sample_weight]
        weight = self._check_weight(sample_weight, sequences, "sample_weight")
        weights = _step_weights(checked, weight)
        right = total = 0.0
        target = self._model.target
        # A label that was not learned is one that is never found.
        codes = target.encode(checked, strict=False)
        for true, guess, w in zip(
            codes, target.encode(predicted), weights, strict=True
        ):
            right += float(w[(true >= 0) & (true == guess)].sum())
            total += float(w[true != -1].sum())
        if not total:
            raise ValueError(
                "y has no label to compare with: all of its steps are None, or have "
                "the weight 0."
            )
        return right / total

    # What was learned ----------------------------------------------------------------

    def _crf_array(self, name):
        if "_model" not in vars(self) or not self._model.target.crf:
            raise AttributeError(f"There are {name} after fit with crf=True only.")
        return self._model.weights[f"crf.{name}"]

    @property
    def transitions_(self):
        """Scores of a label (row) being followed by another one."""
        return self._crf_array("transitions")

    @property
    def start_transitions_(self):
        """Scores of the first label."""
        return self._crf_array("start")

    @property
    def end_transitions_(self):
        """Scores of the last label."""
        return self._crf_array("end")

    @property
    def allowed_transitions_(self):
        """Whether a label (row) may be followed by another one."""
        if "_model" not in vars(self):
            raise AttributeError("There are allowed_transitions_ after fit only.")
        target = self._model.target
        if target.allowed is None:
            return np.ones((len(target.classes),) * 2, dtype=bool)
        return target.allowed.transitions.copy()

    def stream(self, n_seqs=1, *, method="predict", lookahead=0):
        """Return an object that labels sequences one step at a time.

        A step returns what `method` gives for the newest step of the sequence so far,
        to the last bit. With ``crf=True`` this is the last label of the best path so
        far, or the probabilities given all steps so far.

        Parameters
        ----------
        n_seqs : int, default=1
            How many sequences are read side by side.
        method : {'predict', 'predict_proba', 'predict_log_proba', \
                'decision_function'}, default='predict'
            What a step returns.
        lookahead : int, default=0
            How many more steps the stream reads before it answers a step. With
            `lookahead` k, a call of ``step`` answers the step k steps ago, by what
            `method` gives of the sequence so far. The first k answers are None, or NaN
            in an array of probabilities. Only with ``crf=True`` or a `scheme`:
            otherwise no later step changes an answer.

        Returns
        -------
        stream : Stream
            With the methods ``step(x)`` and ``reset()`` and the attribute ``state``;
            with `lookahead` also ``rest()``, which returns the answers for the last
            steps.

        Raises
        ------
        ValueError
            If the network is bidirectional, if the scheme allows no labels for some
            prefix, or if `lookahead` cannot change the answers.
        """
        self._check_is_fitted()
        reader = path_reader(self._model, method, lookahead)
        return make_stream(self, n_seqs, method, path_reader=reader)


def _step_weights(y, sample_weight):
    """Return weights of steps, an object array of float64 arrays."""
    weights = np.empty(len(y), dtype=object)
    for i, item in enumerate(y):
        weight = 1.0 if sample_weight is None else sample_weight[i]
        weights[i] = np.ones(len(item)) * weight
    return weights
