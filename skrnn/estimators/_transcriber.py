"""Labels in order, for signals whose labels come without times."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._augmentation import AUGMENTATION, with_augmentation
from skrnn.estimators._base import SequenceEstimator, all_or_nothing
from skrnn.estimators._fitted import fitted
from skrnn.estimators._parameters import current, has_partial_fit
from skrnn.estimators._segments import check_segments, choose_segment_length, needed
from skrnn.estimators._streams import make_transcript_stream
from skrnn.metrics import label_error_rate
from skrnn.models import transcripts
from skrnn.models.checks import list_of, one_of
from skrnn.targets import LabelSequenceTarget
from skrnn.targets.label_sequences import (
    FORMS,
    UNITS,
    as_objects,
    check_paired_labels,
    is_label,
    keys_of,
    label_key,
)
from skrnn.training import LabelData

LEAST_WIDTH = 16  # of a prefix search for several hypotheses


class SequenceTranscriber(SequenceEstimator):
    """Recurrent neural network that transcribes signals into labels, by CTC.

    This model reads each sequence and gives its labels in their order: what was said,
    written or signed. Training needs the labels of each sequence and not their times:
    connectionist temporal classification (CTC) [9]_ sums over all alignments. So a
    sequence has at most as many labels as it has steps. For more labels, or labels in
    another order than the steps, use :class:`SequenceTranslator`.

    `y` holds a text for each sequence, or a list of labels, or one label; `predict`
    answers in that form.

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
    segment_length : 'auto' or int, default='auto'
        Number of consecutive steps that the network reads at once, counted from the
        start. The last step is repeated if the last segment is not full. Each label
        needs a segment of its own, and equal neighbours need one more between them.
        'auto' leaves the median training sequence 16 times the segments that it needs,
        but is at least 1, at most 16, and short enough for all; see `segment_length_`.
    standardize : {'steps', 'sequence', True, False}, default='steps'
        What features are standardised by, in float64. 'steps', or True: the mean and
        the standard deviation of all training steps. 'sequence': each sequence's own
        mean, known when the sequence has ended, and the standard deviation of the rest.
        False: nothing.
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
    target_unit : {'auto', 'character', 'word'}, default='auto'
        What the labels of texts in `y` are. 'auto' is 'character'. With 'word' a text
        is split at white space, and predicted words are joined by one blank. Other `y`
        are sequences of labels already.
    dropout : float, default=0.3
        Share of the outputs of each layer that training sets to zero on their way to
        the next layer or to the output. Not used by 'lbfgs', which needs the same loss
        at each evaluation.
    recurrent_dropout : float, default=0.2
        Share of the states that training sets to zero where they feed back, the same
        ones at all steps of a sequence [4]_. Not used by 'lbfgs'.
    input_noise : float, default=0.0
        Standard deviation of noise that training adds to what the network reads, in
        units of the standardised features. Not used by 'lbfgs'.
    time_masks : int, default=0
        How many stretches of steps training sets to zero, the mean, in each sequence
        [11]_. They are drawn anew each time, and each is up to a tenth of the sequence.
        Not used by 'lbfgs'.
    feature_masks : int, default=0
        The same for stretches of neighbouring features, up to a quarter of them, such
        as bands of frequencies. Not used by 'lbfgs'.
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
    max_iter : int, default=40
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
    beam_width : int, default=1
        How `predict` decodes. 1 takes the most probable symbol of each segment and
        leaves out repeats and blanks. A larger number searches this many prefixes side
        by side [10]_ and takes the most probable sequence of labels. Read at each call:
        it can be set after `fit`.
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
    classes_ : ndarray of shape (n_labels,)
        The labels: sorted, or in the order in which they were first seen if they cannot
        be compared. Label k is column k + 1 of :meth:`label_log_proba`.
    segment_length_ : int
        Number of steps that are read at once.
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
        Number of outputs of the network: the labels and the blank.
    n_layers_ : int
        Number of layers, with the input and the output.
    out_activation_ : str
        Activation of the outputs: 'softmax'.
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
    RNNClassifier : One label for each sequence.
    skrnn.metrics.label_error_rate : The rate; :meth:`score` is one minus it.

    Notes
    -----
    The loss is the weighted mean over the sequences of minus log p(labels): a weight of
    2 counts the sequence twice. It is computed in float64 for any `dtype`.

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
    .. [9] Graves, A., Fernandez, S., Gomez, F., & Schmidhuber, J. (2006). Connectionist
           temporal classification: labelling unsegmented sequence data with recurrent
           neural networks. ICML.
    .. [10] Graves, A. (2012). Supervised sequence labelling with recurrent neural
            networks. Springer. Section 7.5.
    .. [11] Park, D. S., et al. (2019). SpecAugment: A simple data augmentation method
            for automatic speech recognition. Interspeech.
            `arXiv:1904.08779 <https://arxiv.org/abs/1904.08779>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceTranscriber
    >>> rng = np.random.default_rng(0)
    >>> shapes = {"a": [1, 2, 1], "b": [-1, -1], "c": [0, 2, -2, 0]}
    >>> y = ["".join(rng.choice(list("abc"), n)) for n in rng.integers(1, 6, size=80)]
    >>> X = [np.concatenate([[0] + shapes[k] for k in text] + [[0]]) for text in y]
    >>> model = SequenceTranscriber(16, max_iter=30, random_state=0).fit(X, y)
    >>> model.predict([[0, -1, -1, 0, 1, 2, 1, 0, -1, -1, 0]])
    array(['bab'], dtype=object)
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in SequenceEstimator._parameter_constraints.items()
            if name != "pooling"
        },
        "standardize": ["boolean", StrOptions({"steps", "sequence"})],
        "target_unit": [StrOptions({"auto", *UNITS})],
        **AUGMENTATION,
        "beam_width": [Interval(Integral, 1, 2**20, closed="both")],
    }
    _target_kind = LabelSequenceTarget
    _fields = {
        **SequenceEstimator._fields,
        "_labels": list_of(is_label),
        "_form": one_of(*FORMS),
        "_unit": one_of(*UNITS),
    }
    _fixed_structure = {"pooling": "none"}

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        cell="gru",
        activation="tanh",
        bidirectional=True,
        segment_length="auto",
        standardize="steps",
        missing="error",
        categorical_features="from_dtype",
        embedding_size="auto",
        embedding_init=None,
        embedding_trainable=True,
        embedding_dropout=0.0,
        min_frequency=1,
        max_categories=None,
        target_unit="auto",
        dropout=0.3,
        recurrent_dropout=0.2,
        input_noise=0.0,
        time_masks=0,
        feature_masks=0,
        solver="adam",
        alpha=0.001,
        batch_size="auto",
        learning_rate="linear",
        learning_rate_init=0.008,
        power_t=0.5,
        max_iter=40,
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
        beam_width=1,
        warm_start=False,
        random_state=None,
        verbose=False,
        dtype="float32",
        n_jobs=None,
    ):
        self._set_parameters(locals())

    @property
    def classes_(self):
        """The labels; label k is column k + 1 of `label_log_proba`."""
        return fitted(self, "_model", "classes_").target.classes.copy()

    def _describe_structure(self):
        structure = super()._describe_structure()
        if structure["standardize"] == "steps":
            structure["standardize"] = True
        return structure

    def _unit(self):
        return "character" if self.target_unit == "auto" else self.target_unit

    # Fitting ---------------------------------------------------------------------

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
        """Fit the network to sequences `X` and their labels `y`.

        After an error the estimator is unchanged.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The training sequences. In a list, each has its own length. A 2-D array
            holds univariate sequences of one length.
        y : list of str, list of sequences of labels, or array-like of shape (n_seqs,)
            What is in each sequence, in order: a text, whose labels are its characters
            or words (see `target_unit`); a list, tuple or array of labels, which may be
            empty; or exactly one label, as a number or a bool. Labels are strings,
            numbers, bools, or tuples of these; 1, 1.0 and True are three labels.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the sequences. A sequence of weight 0 is ignored.
        X_val : list of ndarrays or array-like, default=None
            Additional sequences for validation used in early stopping, in any form of
            `X`.
        y_val : like `y`, default=None
            Their labels.
        sample_weight_val : array-like of shape (n_val_seqs,), default=None
            Additional weights for validation used in early stopping.
        groups : array-like of shape (n_seqs,), default=None
            Group of each sequence, for example a speaker. The sequences that early
            stopping holds out share no group with the others.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a sequence has more labels than segments of steps; the message names it
            and says what helps.
        """
        return super().fit(
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            groups=groups,
        )

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Make one pass over more sequences.

        The first call learns the scale of the features, the length of segments and the
        form of `y`, and later ones keep them.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        y : list of str, list of sequences of labels, or array-like of shape (n_seqs,)
            What is in each, as for :meth:`fit`.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the sequences. An ordinary weight is 1.
        classes : array-like of shape (n_labels,), default=None
            All labels that any call will see. Required by the first call.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.__sklearn_is_fitted__():
            known = self._model.target.labels
            if classes is not None and keys_of(classes) != [*map(label_key, known)]:
                raise ValueError(
                    f"classes={classes!r} is not the same as on last call to "
                    f"partial_fit, was: {known!r}"
                )
        elif classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, classes=classes, incremental=True)

    def _check_parameters(self, incremental):
        resume = super()._check_parameters(incremental)
        if resume and self._unit() != self._model.target.unit:
            raise ValueError(
                f"target_unit cannot change from {self._model.target.unit!r} to "
                f"{self._unit()!r} while the fitted network is trained on. To start "
                "anew, call fit with warm_start=False."
            )
        return resume

    def _pass_options(self):
        return with_augmentation(self, super()._pass_options(), self._model)

    def _learn_target(self, y, classes):
        return LabelSequenceTarget.learn(y, classes, unit=self._unit())

    def _choose_segment_length(self, sequences, target, samples):
        least = self._least_segments(samples, target)
        return choose_segment_length(sequences.lengths, least, samples.sample_weight)

    def _least_segments(self, samples, target):
        return needed(samples, target)

    def _make_data(self, samples, training):
        if samples is not None:
            name = "y" if samples.sequences.name(0).startswith("X[") else "y_val"
            codes = samples.encoded(self._model.target)
            check_segments(samples, codes, self._model.segment_length, name)
        return super()._make_data(samples, training)

    def _data(self, sequences, encoder, y, weight):
        n_symbols = len(self._model.target.labels) + 1
        return LabelData(sequences, encoder, y, weight, n_symbols=n_symbols)

    # Prediction ------------------------------------------------------------------

    def _each(self, sequences, answer):
        """Return a list of what `answer(raw, batch, rows)` gives for each sequence."""
        found = [None] * len(sequences)
        for raw, batch, rows in self._model.run(
            sequences, "forward", self._n_threads()
        ):
            for row, own in zip(rows, answer(raw, batch, rows), strict=True):
                found[row] = own
        return found

    def _pairs(self, X, y):
        """Return checked sequences, and codes of labels, -1 for those not learned.

        Without `y` they are those of the predictions.
        """
        sequences = self._check_sequences(X)
        if y is None:
            return sequences, as_objects(self._predicted(sequences))
        checked = check_paired_labels(y, len(sequences))
        return sequences, self._model.target.encode(checked, strict=False)

    def _predicted(self, sequences):
        """Return the codes of the labels of each sequence."""
        target, width = self._model.target, current(self, "beam_width")
        loss = target.loss()

        def best(raw, batch, rows):
            if target.form == "label":
                codes, _ = transcripts.likeliest_labels(loss, raw, batch, 1)
            elif width > 1:
                codes, _ = transcripts.likeliest_codes(loss, raw, batch, 1, width)
            else:
                return transcripts.best_codes(raw, batch)
            return [own[0] for own in codes]

        return self._each(sequences, best)

    def predict(self, X):
        """Predict the labels of each sequence.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        y : ndarray of shape (n_seqs,)
            In the form that `fit` was given: objects that are texts, or lists of
            labels; or the most probable single label of each sequence.
        """
        sequences = self._check_sequences(X)
        return self._model.target.decode(self._predicted(sequences))

    def n_best(self, X, n=5):
        """Return the most probable label sequences of each sequence.

        They are found by a search over prefixes, of the width `beam_width`, but at
        least ``2 * n`` and 16. What :meth:`predict` gives with ``beam_width=1`` is a
        candidate, too.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        n : int, default=5
            How many at most.

        Returns
        -------
        sequences : list of ndarrays of shape (n_found_i,)
            Label sequences as :meth:`predict` gives them, the most probable one first,
            all of them different.
        scores : list of ndarrays of shape (n_found_i,)
            The natural logarithm of the probability of each, over all alignments: the
            bits that :meth:`score_samples` gives.
        """
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be an int of at least 1, got {n!r}.")
        sequences = self._check_sequences(X)
        target, width = self._model.target, current(self, "beam_width")
        loss, width = target.loss(), max(width, 2 * n, LEAST_WIDTH)

        def best(raw, batch, rows):
            if target.form == "label":
                found = transcripts.likeliest_labels(loss, raw, batch, n)
            else:
                found = transcripts.likeliest_codes(loss, raw, batch, n, width)
            return list(zip(*found, strict=True))

        found = self._each(sequences, best)
        return [target.decode(codes) for codes, _ in found], [s for _, s in found]

    def label_log_proba(self, X):
        """Return the logarithms of the probabilities of the symbols of each segment.

        Other decoders read this, with a dictionary or a language model for example.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.

        Returns
        -------
        log_proba : list of ndarrays of shape (n_segments_i, 1 + n_labels)
            The blank first: column k + 1 is ``classes_[k]``. There is a row for each
            step, or for each segment of `segment_length_` steps.
        """
        sequences = self._check_sequences(X)
        read = self._model.target.outputs()["label_log_proba"]

        def log_proba(raw, batch, rows):
            values = read(raw)
            return [
                values[transcripts.rows_of(batch, b)] for b in range(len(batch.lengths))
            ]

        return self._each(sequences, log_proba)

    def score_samples(self, X, y=None):
        """Return log p(y | x) of each sequence, over all alignments.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        y : list of str, list of sequences of labels, or array-like, default=None
            The labels. None takes the labels that :meth:`predict` gives.

        Returns
        -------
        log_likelihood : ndarray of shape (n_seqs,)
            Natural logarithms. Minus infinity where a sequence cannot have the labels:
            there are too many, or one was not learned.
        """
        sequences, codes = self._pairs(X, y)
        loss = self._model.target.loss()

        def log_p(raw, batch, rows):
            return transcripts.log_likelihood(loss, codes[rows], raw, batch)

        return np.array(self._each(sequences, log_p))

    def score(self, X, y, sample_weight=None):
        """Return one minus the label error rate.

        The rate counts the labels to insert, delete or replace in the predictions of
        all sequences, and divides by the number of labels in `y`.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        y : list of str, list of sequences of labels, or array-like of shape (n_seqs,)
            The right labels.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the sequences.

        Returns
        -------
        score : float
            The larger, the better: 1 is perfect, and it can be negative.
        """
        if y is None:
            raise ValueError("score requires y, the right labels, but y is None.")
        sequences, codes = self._pairs(X, y)
        right = [own.tolist() for own in codes]
        found = [list(map(int, own)) for own in self._predicted(sequences)]
        weight = self._check_weight(sample_weight, sequences, "sample_weight")
        return 1.0 - label_error_rate(right, found, sample_weight=weight)

    def align(self, X, y=None):
        """Return the steps of each label on the best path.

        Parameters
        ----------
        X : list of ndarrays of shape (n_steps_i, n_features) or array-like of shape \
                (n_seqs, n_steps, n_features) or (n_seqs, n_steps)
            The sequences.
        y : list of str, list of sequences of labels, or array-like, default=None
            The labels. None takes the labels that :meth:`predict` gives.

        Returns
        -------
        spans : list of ndarrays of shape (n_labels_i, 2)
            The first step of each label, and the step after its last one. A time is
            such a number times the duration of a step. All spans are whole segments of
            `segment_length_` steps, except at the end of a sequence.

        Raises
        ------
        ValueError
            If a sequence cannot have the labels in `y`.
        """
        sequences, codes = self._pairs(X, y)
        for i, own in enumerate(codes):
            if -1 in own:
                raise ValueError(
                    f"y[{i}] has a label that was not learned, at place "
                    f"{own.tolist().index(-1)}. It cannot be aligned."
                )
        loss, k = self._model.target.loss(), self._model.segment_length

        def spans(raw, batch, rows):
            n_steps = sequences.lengths[rows]
            own = [codes[row] for row in rows]
            found = transcripts.alignments(loss, own, raw, batch, k, n_steps)
            for row, span in zip(rows, found, strict=True):
                if span is None:
                    raise ValueError(
                        f"y[{row}] has more labels than {sequences.name(row)} has "
                        f"segments of segment_length_={k} steps. It cannot be aligned."
                    )
            return found

        return self._each(sequences, spans)

    def stream(self, n_seqs=1, *, method="predict"):
        """Return an object that transcribes sequences one step at a time.

        Its `labels` are at any time what :meth:`predict` gives for the steps so far,
        however they were cut into calls of `step`. Each `step` returns the labels that
        have become certain.

        Parameters
        ----------
        n_seqs : int, default=1
            How many sequences are read side by side.
        method : {'predict', 'label_log_proba'}, default='predict'
            With 'label_log_proba' a step returns the logarithms of the probabilities of
            the symbols of the newest segment, (n_seqs, 1 + n_labels).

        Returns
        -------
        stream : TranscriptStream or Stream
            With the methods ``step(x)`` and ``reset(rows=None)``, the attribute
            ``state``, and for 'predict' ``labels``.

        Raises
        ------
        ValueError
            If labels depend on steps that are still to come: with ``bidirectional``,
            ``standardize='sequence'`` or ``beam_width > 1``, or where each sequence has
            exactly one label.
        """
        self._check_is_fitted()
        return make_transcript_stream(self, n_seqs, method)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
