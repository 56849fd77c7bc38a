"""A number for each step of a sequence."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._base import all_or_nothing
from skrnn.estimators._parameters import has_partial_fit
from skrnn.estimators._steps import StepEstimator
from skrnn.models.checks import number, one_of
from skrnn.targets import StepNumberTarget


class StepRegressor(RegressorMixin, StepEstimator):
    """Recurrent neural network that predicts a number for each step of a sequence.

    A soft sensor is an example: the number at a step follows from this step and those
    before it. Steps may be without a number in training.

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
    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end, with as many further
        units. Then a prediction also follows from later steps, and it
        cannot follow a stream.
    loss : {'squared_error', 'absolute_error'}, default='squared_error'
        What the network minimises: predictions are means or medians.
    segment_length : 'auto' or int, default=1
        How many steps are read at once: the network reads them as one long step, and
        answers each of them. 'auto' is a twentieth of the median length, but at least
        1 and at most 16, and 1 with categorical features. Long sequences are read much
        faster by segments, and a gradient reaches farther back.
    standardize : bool, default=True
        Whether to subtract the mean of each feature and to divide by its standard
        deviation. Both are taken over all training steps, in float64. The targets are
        standardised, too: losses and `tol` are in units of their scale.
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

    See Also
    --------
    SequenceTagger : A label for each step.
    RNNRegressor : One or many numbers for each sequence.
    SequenceForecaster : Later values of series.

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

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import StepRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 1)) for n in rng.integers(20, 40, size=50)]
    >>> y = [np.cumsum(x[:, 0]) / 5 for x in X]
    >>> reg = StepRegressor(16, random_state=0).fit(X, y)
    >>> reg.predict(X[:1])[0].shape == y[0].shape
    True
    >>> bool(reg.score(X, y) > 0.8)
    True
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules

    _parameter_constraints: dict = {
        **StepEstimator._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error"})],
    }
    _target_kind = StepNumberTarget
    _counterpart = "RNNRegressor"
    _fields = {
        **StepEstimator._fields,
        "_loss": one_of("squared_error", "absolute_error"),
        "_target_mean": number,
        "_target_scale": number,
    }

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        cell="gru",
        activation="tanh",
        bidirectional=False,
        loss="squared_error",
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

    def _learn_target(self, y, classes):
        return StepNumberTarget.learn(y, table=self._learns_table, kind=self.loss)

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None):
        """Make one pass over more sequences.

        The first call learns the scale of the features and of the targets, and later
        ones keep it.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or one table.
        y : list of array-likes of shape (n_steps_i,), or array-like of shape (n_rows,)
            A number for each step; NaN or None is a step without a number.
        sample_weight : array-like of shape (n_seqs,), or list of array-likes of shape \
                (n_steps_i,), default=None
            Weights of the sequences, or of their steps. An ordinary weight is 1.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X):
        """Predict the number of each step.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.

        Returns
        -------
        y : ndarray of shape (n_seqs,) with an ndarray of shape (n_steps_i,) for each \
                sequence, or ndarray of shape (n_rows,)
            The numbers.
        """
        return self._output(X, "predict")

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination, R², over all steps together.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features), or array-like of shape \
                (n_rows, n_features)
            The sequences, or the table, in the form that `fit` was given.
        y : list of array-likes of shape (n_steps_i,), or array-like of shape (n_rows,)
            The true numbers. Steps without one do not count.
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
        if weight is not None and weight.dtype != object:
            weight = [np.full(len(t), w) for t, w in zip(checked, weight, strict=True)]
        true = np.concatenate(list(checked))
        known = ~np.isnan(true)
        if not known.any():
            raise ValueError(
                "y has no number to compare with: all of its steps are NaN."
            )
        if weight is not None:
            weight = np.concatenate(list(weight))[known]
        found = np.concatenate(list(predicted))[known]
        return r2_score(true[known], found, sample_weight=weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        return tags
