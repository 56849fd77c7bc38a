"""Sequences into sequences: translation and its kin, with attention."""

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn.estimators._base import (
    SequenceEstimator,
    all_or_nothing,
    may_hold_tokens,
)
from skrnn.estimators._fitted import Of, fitted
from skrnn.estimators._parameters import has_partial_fit
from skrnn.estimators._translations import TranslationMixin
from skrnn.inputs.tokens import Categories, Vocabulary
from skrnn.inputs.units import (
    UNITS,
    is_unit,
    learn_unit,
    looks_like_tokens,
    split_texts,
    texts_of,
)
from skrnn.losses import SmoothedTokenLoss
from skrnn.models.translation import (
    TRANSLATION_FIELDS,
    TranslationModel,
    check_translation_model,
)
from skrnn.network.attention import ATTENTIONS
from skrnn.targets.label_sequences import form_of, keys_of, label_key
from skrnn.targets.translations import END, TranslationTarget
from skrnn.training.pairs import PairData

FEW_TOKENS, FEW_COLUMNS = 1000, 64
# Of layers of up to WIDE units. Sentences, with 256 units, reached a BLEU of 50 with
# half of the rate, and of 32 with all of it. Words into sounds, with 128 units, did
# better with all of it.
LARGEST_RATE, WIDE = 0.004, 128


class SequenceTranslator(TranslationMixin, SequenceEstimator):
    """Recurrent neural network that translates sequences into other sequences.

    An encoder reads the whole sequence. A decoder then writes another one, token by
    token, up to an end, and looks at the steps of the first one by attention [9]_: a
    sentence in another language, how a word is spoken, a date in standard form, symbols
    for a signal. The sequence that is written may have any length and any order. If the
    target is not longer than the source, and in the same order, a
    :class:`SequenceTranscriber` is faster, follows streams and says where each label
    stands.

    `X` and `y` hold texts, or sequences of tokens: strings, numbers or bools. `X` may
    also hold arrays of numbers, as for :class:`RNNClassifier`. `predict` answers in the
    form of `y`. A translation depends on its own sequence alone, to the last bit.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_hidden_layers,), default=(128,)
        Number of units of each recurrent layer. An int is one layer. The encoder and
        the decoder have as many layers each.
    cell : {'gru', 'lstm', 'rnn'}, default='gru'
        Kind of cell in all layers.

        - 'gru', gated recurrent units [1]_, with the reset gate after the matrix
          product.
        - 'lstm', long short-term memory [2]_, with a forget gate that starts open.
        - 'rnn', the simple network of Elman [3]_.
    activation : {'tanh', 'relu'}, default='tanh'
        Activation of the cell 'rnn'. The other cells have fixed activations.
    bidirectional : bool, default=True
        Whether each layer of the encoder also reads the sequence from its end, with as
        many further units.
    source_unit : {'auto', 'character', 'word', 'subword', 'token'} or object, \
            default='auto'
        What the tokens of `X` are.

        - 'auto': the characters of texts, the items of lists of strings, and numbers
          as the values of features.
        - 'character', 'word', 'subword': those of texts. Words stand between white
          space. Subwords are pieces that :meth:`fit` learns from the texts by
          byte-pair encoding [10]_.
        - 'token': the items of sequences, also whole numbers.
        - An object with the methods ``encode(text)``, which gives a list of tokens, and
          ``decode(tokens)``. A model with such an object cannot be written to a file.
    target_unit : {'auto', 'character', 'word', 'subword'} or object, default='auto'
        What the tokens of texts in `y` are, as for `source_unit`. 'auto' is
        'character'. Predicted words are joined by one blank. Other `y` are sequences of
        tokens already.
    embedding_size : 'auto' or int, default='auto'
        Number of columns of the tables that have a row for each token. 'auto' is the
        number of units of the last layer, but at most 64 for up to 1000 tokens.
    tie_embeddings : bool, default=True
        Whether the weights of the outputs are the table of target tokens [11]_.
    min_frequency : int or float, default=1
        How often a token must occur in training, or in which share of all places. Rarer
        ones are read, and written, as unknown.
    n_subwords : int, default=4000
        How many pairs of pieces are merged at most, for sources and for targets.
    attention : {'general', 'additive', None}, default='general'
        How the decoder looks at the steps of the source at each step: by products of
        states [12]_, by a small network [13]_, or not at all. Then all that it knows of
        the source is the last state of the encoder.
    segment_length : 'auto' or int, default=1
        Number of consecutive steps of numbers that the encoder reads at once. 'auto' is
        a twentieth of the median length, but at least 1 and at most 16; see
        `segment_length_`. Tokens are read one by one.
    standardize : bool, default=True
        Whether to standardise features of numbers, in float64, by the mean and the
        standard deviation of all training steps.
    missing : {'error', 'indicator'}, default='error'
        Treatment of NaN in sequences. With 'indicator' each feature comes with a second
        one that says whether it is known, and an unknown value is read as the mean.
    dropout : float, default=0.2
        Share of the columns of embeddings, and of the outputs of each layer, that
        training sets to zero. Not used by 'lbfgs', which needs the same loss at each
        evaluation.
    recurrent_dropout : float, default=0.0
        Share of the states that training sets to zero where they feed back, the same
        ones at all steps of a sequence [4]_. Not used by 'lbfgs'.
    label_smoothing : float, default=0.1
        Share of each target that training gives to all tokens alike [14]_. The
        validation loss has no smoothing.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        Solver that minimises the loss.

        - 'adam', a stochastic gradient method with a step size for each weight [5]_.
        - 'sgd', stochastic gradient descent with momentum.
        - 'lbfgs', a quasi-Newton method that uses all sequences in each step.
    alpha : float, default=0.0
        Strength of the L2 penalty on the weights. The penalty is divided by the sum of
        the sample weights of a batch when it is added to the loss. It does not count
        biases.
    batch_size : 'auto' or int, default='auto'
        Number of pairs per update of the weights, at most all pairs. 'auto' is a
        thirtieth of the training pairs, but at least 4 and at most 64.
    learning_rate : {'linear', 'constant', 'invscaling', 'adaptive'}, default='linear'
        Schedule of the learning rate, which starts from `learning_rate_init`.

        - 'linear' falls to nearly zero at `max_iter` epochs, and starts anew in each
          call to :meth:`fit`. All epochs are made, unless `early_stopping` ends the
          training. In :meth:`partial_fit` the learning rate does not fall.
        - 'constant' never changes.
        - 'invscaling' is divided by ``t ** power_t`` after t sequences.
        - 'adaptive' is divided by 5 when the loss (with `early_stopping`: the
          validation score) has not improved by `tol` for `n_iter_no_change` epochs.
    learning_rate_init : 'auto' or float, default='auto'
        The initial learning rate of 'adam' and 'sgd'. 'auto' is 0.004 for layers of up
        to 128 units, and falls as one over the units from there.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=20
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
    beam_width : int, default=5
        How many unfinished targets are searched side by side. With 1 the most probable
        token is written each time, until it is the end. Read at each call: it can be
        set after `fit`, as can the next three.
    length_penalty : float, default=1.0
        Targets are ordered by log p / n ** length_penalty, where n counts the tokens
        and the end. A larger value prefers longer targets.
    max_length : 'auto' or int, default='auto'
        How many tokens a predicted target has at most. 'auto' is learned from the
        training pairs: a number of tokens for each step, see `length_limit_`.
    unknown : {'copy', 'avoid'}, default='copy'
        What stands for an unknown token in a prediction. 'copy' writes the source token
        that the decoder looks at most. 'avoid' never writes an unknown token, but the
        most probable other one. Sources of numbers, and models without attention,
        always use 'avoid'.
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
    source_vocabulary_ : ndarray of shape (n_source_tokens,)
        The tokens that the encoder knows, if `X` has tokens: the id of a token is its
        place here.
    target_vocabulary_ : ndarray of shape (n_target_tokens,)
        The tokens that the decoder can write.
    length_limit_ : tuple of (float, float)
        (a, b): a target of a sequence of n steps has at most ``a * n + b`` tokens,
        unless `max_length` says another number. The limit is a tenth more than the
        longest training targets.
    segment_length_ : int
        Number of steps that are read at once.
    n_features_in_ : int
        Number of features per step. For sequences given as a 2-D array, number of
        steps.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when the steps have names that are all strings.
    n_outputs_ : int
        Number of outputs of the network: the target tokens, the end, and the unknown
        token if there is one.
    n_layers_ : int
        Number of layers of the encoder, with the input and the output.
    out_activation_ : str
        Activation of the outputs: 'softmax'.
    weights_ : dict of str to ndarray
        Read-only views of the weights by name: ``embedding0.W`` and ``target0.W``, the
        tables of tokens, ``layer0.W`` for the inputs of the encoder, ``layer0.U`` for
        its states and the bias ``layer0.b``, ``layer0.reverse.W`` and so on for the
        other direction, ``bridge0.W``, ``decoder0.W``, ``attention.keys``,
        ``attention.W`` and ``head.b``. The blocks of columns are the gates, in
        PyTorch's order: i, f, g, o of 'lstm' and r, z, n of 'gru'.
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
    SequenceTranscriber : Labels in the order of the steps that they stand for.
    LanguageModel : Texts without a source.
    skrnn.metrics.label_error_rate : The rate; :meth:`score` is one minus it.
    skrnn.metrics.bleu_score : The usual measure of translations.

    Notes
    -----
    The loss is the weighted mean over all tokens and ends of minus log p(token): a
    weight of 2 counts the pair twice. What the decoder finds by attention goes into its
    output and not into its next step, so that its layers run over a whole target at
    once.

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
    .. [9] Luong, M.-T., Pham, H., & Manning, C. D. (2015). Effective approaches to
           attention-based neural machine translation. EMNLP.
           `arXiv:1508.04025 <https://arxiv.org/abs/1508.04025>`_
    .. [10] Sennrich, R., Haddow, B., & Birch, A. (2016). Neural machine translation of
            rare words with subword units. ACL.
            `arXiv:1508.07909 <https://arxiv.org/abs/1508.07909>`_
    .. [11] Press, O., & Wolf, L. (2017). Using the output embedding to improve language
            models. EACL. `arXiv:1608.05859 <https://arxiv.org/abs/1608.05859>`_
    .. [12] The scores called "general" in [9]_.
    .. [13] Bahdanau, D., Cho, K., & Bengio, Y. (2015). Neural machine translation by
            jointly learning to align and translate. ICLR.
            `arXiv:1409.0473 <https://arxiv.org/abs/1409.0473>`_
    .. [14] Szegedy, C., et al. (2016). Rethinking the inception architecture for
            computer vision. CVPR. `arXiv:1512.00567 <https://arxiv.org/abs/1512.00567>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceTranslator
    >>> rng = np.random.default_rng(0)
    >>> X = ["".join(rng.choice(list("abcd"), n)) for n in rng.integers(1, 7, 400)]
    >>> y = [text[::-1].upper() for text in X]
    >>> model = SequenceTranslator(32, max_iter=15, random_state=0).fit(X, y)
    >>> model.predict(["abc", "dcab"])
    array(['CBA', 'BACD'], dtype=object)
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in SequenceEstimator._parameter_constraints.items()
            if name
            not in (
                "pooling",
                "categorical_features",
                "embedding_init",
                "embedding_trainable",
                "embedding_dropout",
                "max_categories",
            )
        },
        "source_unit": [
            StrOptions({"auto", "token", *UNITS}),
            HasMethods(["encode", "decode"]),
        ],
        "target_unit": [StrOptions({"auto", *UNITS}), HasMethods(["encode", "decode"])],
        "embedding_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
        ],
        "learning_rate_init": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "tie_embeddings": ["boolean"],
        "n_subwords": [Interval(Integral, 0, 2**24, closed="both")],
        "attention": [StrOptions(set(filter(None, ATTENTIONS))), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "beam_width": [Interval(Integral, 1, 2**16, closed="both")],
        "length_penalty": [Interval(Real, 0, None, closed="left")],
        "max_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**31 - 1, closed="both"),
        ],
        "unknown": [StrOptions({"copy", "avoid"})],
    }
    _target_kind = TranslationTarget
    _model_kind = TranslationModel
    _packed_fields = TRANSLATION_FIELDS
    _check_model = staticmethod(check_translation_model)
    _fields = {
        **SequenceEstimator._fields,
        **TRANSLATION_FIELDS,
    }
    _fixed_structure = {"pooling": "none"}
    # What other estimators have as parameters, of the tables of tokens.
    embedding_init = max_categories = None
    embedding_trainable, embedding_dropout = True, 0.0

    length_limit_ = Of("_model")

    def __init__(
        self,
        hidden_layer_sizes=(128,),
        *,
        cell="gru",
        activation="tanh",
        bidirectional=True,
        source_unit="auto",
        target_unit="auto",
        embedding_size="auto",
        tie_embeddings=True,
        min_frequency=1,
        n_subwords=4000,
        attention="general",
        segment_length=1,
        standardize=True,
        missing="error",
        dropout=0.2,
        recurrent_dropout=0.0,
        label_smoothing=0.1,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="linear",
        learning_rate_init="auto",
        power_t=0.5,
        max_iter=20,
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
        beam_width=5,
        length_penalty=1.0,
        max_length="auto",
        unknown="copy",
        random_state=None,
        verbose=False,
        dtype="float32",
        n_jobs=None,
    ):
        self._set_parameters(locals())

    @property
    def source_vocabulary_(self):
        """The tokens that the encoder knows."""
        categories = fitted(self, "_model", "source_vocabulary_").categories
        if categories is None:
            raise AttributeError("source_vocabulary_ exists with tokens in X alone.")
        arrays = [array for array in categories.arrays if array is not None]
        return arrays[0] if len(arrays) == 1 else arrays

    @property
    def target_vocabulary_(self):
        """The tokens that the decoder can write."""
        return fitted(self, "_model", "target_vocabulary_").target.classes.copy()

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
        """Fit the network to sequences `X` and what they become, `y`.

        After an error the estimator is unchanged.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences that are read: texts, lists of strings, or numbers in any form
            that other estimators take. Whole numbers are symbols only with
            ``source_unit='token'``. None may be empty.
        y : list of str, list of sequences of tokens, or array-like of shape (n_seqs,)
            What each becomes: a text, whose tokens are its characters, words or pieces
            (see `target_unit`); a list, tuple or array of tokens, which may be empty;
            or exactly one token, as a number or a bool. Tokens are strings, numbers,
            bools, or tuples of these; 1, 1.0 and True are three tokens.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the pairs. A pair of weight 0 is ignored.
        X_val : like `X`, default=None
            Additional sequences for validation used in early stopping.
        y_val : like `y`, default=None
            What they become.
        sample_weight_val : array-like of shape (n_val_seqs,), default=None
            Additional weights for validation used in early stopping.
        groups : array-like of shape (n_seqs,), default=None
            Group of each pair, for example a document. The pairs that early stopping
            holds out share no group with the others.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If there is something else among texts.
        ValueError
            If a sequence of `X` is empty, or an item of `y` is not a token; the message
            names it.

        Warns
        -----
        UserWarning
            If `X` holds whole numbers that may be symbols.
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
    def partial_fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        source_vocabulary=None,
        target_vocabulary=None,
    ):
        """Make one pass over more pairs.

        The first call learns the scale of features of numbers and the form of `y`, and
        later ones keep them.

        Parameters
        ----------
        X : list of str, list of sequences of tokens, or list of ndarrays of shape \
                (n_steps_i, n_features)
            The sequences.
        y : list of str, list of sequences of tokens, or array-like of shape (n_seqs,)
            What each becomes.
        sample_weight : array-like of shape (n_seqs,), default=None
            Weights of the pairs. An ordinary weight is 1.
        source_vocabulary : array-like of shape (n_source_tokens,), default=None
            The tokens that the encoder is to know. Required by the first call if `X`
            has tokens; others are read as unknown.
        target_vocabulary : array-like of shape (n_target_tokens,), default=None
            All tokens that any call will see. Required by the first call. With
            ``min_frequency`` above 1 others are unknown.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.__sklearn_is_fitted__():
            self._check_vocabularies(source_vocabulary, target_vocabulary)
        elif target_vocabulary is None:
            raise ValueError(
                "target_vocabulary must be passed on the first call to partial_fit."
            )
        else:
            self._given_vocabulary = source_vocabulary
        self._fit(X, y, sample_weight, classes=target_vocabulary, incremental=True)
        vars(self).pop("_given_vocabulary", None)
        return self

    def _check_vocabularies(self, source, target):
        """Refuse other vocabularies than those of the first call."""
        known = self._model.target.labels
        if target is not None and keys_of(target) != [*map(label_key, known)]:
            raise ValueError(
                "target_vocabulary is not the same as on last call to partial_fit, "
                f"was: {known!r}"
            )
        if source is not None:
            known = self.source_vocabulary_.tolist()
            if sorted(set(source)) != known:
                raise ValueError(
                    "source_vocabulary is not the same as on last call to partial_fit, "
                    f"was: {known!r}"
                )

    def _check_samples(self, X, y, sample_weight, groups=None, **options):
        name = "X" + options.get("suffix", "")
        if options.get("reset"):
            self._reading = self._learn_source_unit(X)
        unit = vars(self).get("_reading") or self._model.source_unit
        X = split_texts(X, unit, name)
        return super()._check_samples(X, y, sample_weight, groups, **options)

    def _learn_source_unit(self, X):
        """Return what splits the texts of `X`."""
        texts = texts_of(X)
        if self.source_unit == "auto" and looks_like_tokens(X):
            warnings.warn(
                "X holds whole numbers, of which few differ. They are read as values. "
                "If they are symbols, set source_unit='token'.",
                stacklevel=6,
            )
        if texts is None or self.source_unit == "token":
            return learn_unit("auto", (), 0)
        self._refuse_pieces("source_unit")
        return learn_unit(self.source_unit, texts, self.n_subwords)

    def _learn_target(self, y, classes):
        unit = learn_unit("auto", (), 0)
        if form_of(y) == "text":
            if classes is not None:
                self._refuse_pieces("target_unit")
            unit = learn_unit(self.target_unit, y, self.n_subwords)
        return TranslationTarget.learn(
            y, classes, unit=unit, min_frequency=self.min_frequency
        )

    def _refuse_pieces(self, name):
        """Refuse subwords in partial_fit, which has no texts to learn them from."""
        if "_given_vocabulary" in vars(self) and getattr(self, name) == "subword":
            raise ValueError(
                f"{name}='subword' is learned by fit, from all texts. Call fit first, "
                "or take another unit."
            )

    def _selected_features(self, X, reset):
        if not reset and "_model" in vars(self):
            categories = self._model.categories
            return None if categories is None else categories.features
        if self.source_unit == "token":
            return [0]
        return "from_dtype" if may_hold_tokens(X) else None

    def _describe_structure(self):
        structure = super()._describe_structure()
        names = [
            "given" if is_unit(unit) and not isinstance(unit, str) else unit
            for unit in (self.source_unit, self.target_unit)
        ]
        structure["units"] = tuple(names)
        structure["attention"] = self.attention
        structure["tied"] = bool(self.tie_embeddings)
        return structure

    def _embedding_size(self, n_tokens):
        """Return how many columns the table of so many tokens has."""
        if self.embedding_size != "auto":
            return int(self.embedding_size)
        n_units = self._layer_sizes()[-1]
        return n_units if n_tokens > FEW_TOKENS else min(n_units, FEW_COLUMNS)

    def _describe_embeddings(self, categories):
        sizes = tuple(self._embedding_size(n) for n in categories.sizes)
        return {"n_ids": tuple(categories.sizes), "embedding_sizes": sizes}

    def _learn_categories(self, sequences, weight):
        if "_given_vocabulary" not in vars(self):
            return super()._learn_categories(sequences, weight)
        given = self._given_vocabulary
        if given is None:
            raise ValueError(
                "source_vocabulary must be passed on the first call to partial_fit: X "
                "has tokens."
            )
        if len(sequences.categorical) != 1:
            raise ValueError("partial_fit takes sequences of one token a step.")
        found = [None] * sequences.n_features
        found[sequences.categorical[0]] = Vocabulary(sorted(set(given)), None)
        return Categories(found)

    def _make_model(self, samples, target, *more):
        model = super()._make_model(samples, target, *more)
        size = self._embedding_size(len(target.labels))
        structure = {**model.structure, "target_embedding_size": size}
        unit = vars(self).pop("_reading")
        return replace(model, structure=structure, source_unit=unit)

    def _train(self, theta, samples, *more):
        codes = samples.encoded(self._model.target)
        self._model = self._model.with_lengths(samples.sequences, codes)
        super()._train(theta, samples, *more)

    def _training_loss(self):
        return SmoothedTokenLoss(self._model.target.n_out, self.label_smoothing)

    def _solver_parameters(self):
        parameters = super()._solver_parameters()
        if parameters.get("learning_rate_init") == "auto":
            rate = LARGEST_RATE * min(1.0, WIDE / max(self._layer_sizes()))
            parameters["learning_rate_init"] = rate
        return parameters

    def _auto_batch_size(self, n_seqs):
        return int(np.clip(n_seqs // 30, 4, 64))

    def _data(self, sequences, encoder, y, weight):
        begin = self._model.spec.begin
        return PairData(sequences, encoder, y, weight, begin=begin, end=END)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.string = True
        return tags
