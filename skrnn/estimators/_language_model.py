"""A language model: the probability of texts, and texts by their probability."""

from numbers import Integral

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn._callbacks import CallbackSupportMixin, with_callbacks
from skrnn.estimators._base import all_or_nothing
from skrnn.estimators._embeddings import size_of_vectors, write_vectors
from skrnn.estimators._epoch_tasks import EpochTasks
from skrnn.estimators._fitted import FittedEstimator, Of, fitted
from skrnn.estimators._generation import GenerationMixin
from skrnn.estimators._language_defaults import (
    auto_dropout,
    auto_epochs,
    auto_order,
    auto_rate,
    auto_units,
)
from skrnn.estimators._language_scores import ScoreMixin
from skrnn.estimators._parameters import Parameters, has_partial_fit
from skrnn.estimators._samples import check_sample_weight
from skrnn.estimators._split import split_validation
from skrnn.inputs.texts import NAMES, TextReader, open_texts
from skrnn.models.language import LANGUAGE_FIELDS, TokenModel, check_language_model
from skrnn.models.mixture import Mixture, split_held_out
from skrnn.models.ngram import LONGEST_ORDER
from skrnn.models.training_state import TRAINING_FIELDS, TrainingState, check_training
from skrnn.network import Network, PassOptions
from skrnn.network.inputs import auto_embedding_size
from skrnn.training import Trainer
from skrnn.training.lanes import LaneData, Texts

# With few columns, characters are learned more slowly: 65 of them in three epochs to
# 2.38 bits with 64 columns, and to 2.44 with the 17 that classifiers have.
LEAST_SIZE = 64
# With batch_size="auto". Names, six epochs of 28 updates: 3.02 bits a character; of 112
# updates: 2.88. Words of questions, four of 27: perplexity 38; of 215: 27.
LEAST_LANES, MOST_LANES, UPDATES = 4, 16, 250


class LanguageModel(
    CallbackSupportMixin,
    GenerationMixin,
    ScoreMixin,
    DensityMixin,
    FittedEstimator,
    Parameters,
):
    """Recurrent neural network that learns how texts go on.

    The network reads a text token by token and says how probable each next token is. So
    it says how probable a whole text is, and it writes texts of its own. Tokens are the
    characters, words or bytes of texts. They can also be the items of lists of strings
    or of ids: events of a session, products, notes.

    `X` is a list of texts, of lists of strings or of arrays of whole numbers. One
    string is one long text.

    Parameters
    ----------
    hidden_layer_sizes : 'auto', int or array-like of shape (n_hidden_layers,), \
            default='auto'
        Number of units of each recurrent layer. An int is one layer. 'auto' is one
        layer: of 128 units if there are fewer than 50,000 tokens to learn from, or more
        than 1,000 different ones; of 352 from 800,000 tokens on; else of 256.
    cell : {'lstm', 'gru', 'rnn'}, default='gru'
        Kind of cell in all layers: long short-term memory [1]_, gated recurrent units,
        or the simple network of Elman.
    activation : {'tanh', 'relu'}, default='tanh'
        Activation of the cell 'rnn'. The other cells have fixed activations.
    analyzer : {'char', 'word', 'byte'} or callable, default='char'
        What the tokens of a text are: its characters, its words by `token_pattern`, its
        bytes in UTF-8, or the list of strings that a function makes of it. Lists of
        strings and arrays of ids are taken as they are.
    lowercase : bool, default=False
        Whether texts are read in lower case.
    token_pattern : str, default=r"(?u)\\w+|[^\\w\\s]"
        Regular expression of a word.
    min_frequency : int or float, default=1
        How often a token must occur in training, or in which share of all places. Rarer
        ones are read as unknown.
    max_categories : int, default=None
        How many tokens the model may know, the unknown one included: the most frequent
        ones.
    embedding_size : 'auto' or int, default='auto'
        Number of columns of the table that has a row for each token. 'auto' is 1.6 n **
        0.56 for n tokens, but at least 64 and at most 128; up to 8 tokens are one-hot
        instead. With `tie_embeddings` it is the number of units of the last layer.
    embedding_init : mapping or None, default=None
        Vectors of tokens, such as a dict, to begin with. Tokens that it lacks are drawn
        with the spread of those that it has.
    tie_embeddings : bool, default=False
        Whether the table of the tokens is also the weights of the outputs [2]_.
    ends : bool, default=True
        Whether the model learns where texts end. Then texts that it writes end by
        themselves, and the probabilities of all texts sum to 1.
    carry_state : bool, default=False
        Whether the texts are one stream, in the order given. Then each text is read
        from the state that the text before it has left, in scores too.
    bptt_steps : int, default=64
        How many tokens the gradient goes back. States are carried across the cuts.
    ngram_order : 'auto', int or None, default=None
        Length of the n-grams that are counted beside the network, the token itself
        included. What the counts say of the next token, by interpolated modified
        Kneser-Ney smoothing [3]_, is mixed with what the network says: in scores,
        predictions, streams and texts. 'auto' is 7 for characters and bytes, and 4 for
        all other tokens. None counts nothing.
    dropout : 'auto' or float, default='auto'
        Share of the outputs of each layer that training sets to zero on their way to
        the next layer or to the output. 'auto' is a half up to 20,000 tokens, .25 for a
        million, and never less than a tenth: it falls with their logarithm.
    recurrent_dropout : float, default=0.0
        Share of the states that training sets to zero where they feed back.
    embedding_dropout : float, default=0.0
        Share of the tokens that training drops. Each piece of a text drops tokens of
        its own.
    solver : {'adam', 'sgd'}, default='adam'
        Solver that minimises the loss.
    alpha : float, default=0.0
        Strength of the L2 penalty on the weights of the layers.
    batch_size : 'auto' or int, default='auto'
        Number of lanes, the texts that are read side by side: an update reads
        `bptt_steps` tokens of each. A long text is cut into as many parts. 'auto' is
        between 4 and 16, so that an epoch has some 250 updates if it can.
    learning_rate : {'linear', 'constant', 'invscaling', 'adaptive'}, default='linear'
        Schedule of the learning rate, which starts from `learning_rate_init`. 'linear'
        falls with each update of :meth:`fit`, to nearly zero at `max_iter` epochs; see
        :class:`RNNClassifier` for the others.
    learning_rate_init : 'auto' or float, default='auto'
        The initial learning rate. 'auto' is 0.008 for layers of up to 128 units, and
        falls with the root of the units of larger ones.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int or None, default=None
        Largest number of epochs: how often each text is read. With None the epochs take
        some two minutes of one core, 10\\ :sup:`13` operations, but there are 1 to 8 of
        them, or 1 to 4 if there are more than 1,000 different tokens.
    shuffle : bool, default=True
        Whether each epoch takes the texts in a new random order.
    max_grad_norm : float or None, default=1.0
        A gradient with a larger norm is scaled down to this norm.
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
    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping`: the validation loss) has
        not improved by this much for `n_iter_no_change` epochs in a row. With a
        'linear' learning rate, only `early_stopping` stops it.
    n_iter_no_change : int, default=10
        Number of epochs without improvement that are accepted.
    early_stopping : bool, default=False
        Whether to hold texts out, or the last part of one text, and to keep the weights
        of the epoch that predicts them best.
    validation_fraction : float, default=0.1
        Share that `early_stopping` holds out.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on with the fitted network. Its tokens stay the same.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of texts and the masks of dropout.
    verbose : bool or int, default=False
        Whether to print a line for each epoch.
    dtype : {'float32', 'float64'}, default='float32'
        Data type of the computations of the network.
    n_jobs : int or None, default=None
        Number of threads; see :class:`RNNClassifier`. Results are the same for any
        number.

    Attributes
    ----------
    tokens_ : ndarray of shape (n_known,), object
        The tokens that are known, sorted. The id of a token is its place here.
    n_tokens_ : int
        Number of tokens that can come next: the columns of :meth:`predict_proba`.
    unknown_ : int or None
        The id of all other tokens. None with ``analyzer='byte'``: each byte is known.
    begin_ : int
        The id that the network reads before the first token.
    end_ : int or None
        The id of the end of a text, the same as `begin_`; None with ``ends=False``.
    n_layers_ : int
        Number of layers, with the input and the output.
    weights_ : dict of str to ndarray
        Read-only views of the weights by name: ``embedding0.W``, ``layer0.W``,
        ``layer0.U``, ``layer0.b``, ``head.W`` and ``head.b``.
    mixture_weights_ : ndarray of shape (ngram_order, 8)
        With `ngram_order`, the share of the network in the mixture. Row k is for
        contexts of which the k newest tokens have been counted, and column j for those
        that occur 2**j times and more, but less than twice as often.
    n_iter_ : int
        Number of epochs of the last call to :meth:`fit`. After :meth:`partial_fit`,
        number of epochs of all calls.
    t_ : int
        Number of texts that the solver has seen.
    loss_ : float
        The loss of the last epoch: minus the mean log-probability of a token, in nats.
    best_loss_ : float
        The smallest loss of an epoch.
    loss_curve_ : list of float
        The loss of each epoch.
    grad_norm_curve_ : list of float
        The mean norm of the gradient in each epoch, before the norm is limited.
    validation_loss_curve_ : list of float or None
        With `early_stopping`, the loss of what is held out after each epoch.
    validation_scores_ : list of float or None
        With `early_stopping`, minus that loss.
    best_validation_score_ : float or None
        With `early_stopping`, the largest value in `validation_scores_`.

    See Also
    --------
    SequenceTagger : A label for each token.
    RNNClassifier : One label for each text.
    SequenceTranslator : Another text for each text.

    Notes
    -----
    Each lane reads its texts one after another. Where a text ends, the next one starts
    from a zero state. Nothing is padded. A score reads a text from its first token on,
    from a zero state. It does not depend on the other texts, except with
    ``carry_state=True``.

    References
    ----------
    .. [1] Hochreiter, S., & Schmidhuber, J. (1997). Long short-term memory. Neural
           Computation, 9(8), 1735-1780.
    .. [2] Press, O., & Wolf, L. (2017). Using the output embedding to improve language
           models. EACL. `arXiv:1608.05859 <https://arxiv.org/abs/1608.05859>`_
    .. [3] Chen, S., & Goodman, J. (1999). An empirical study of smoothing techniques
           for language modeling. Computer Speech & Language, 13(4), 359-394.

    Examples
    --------
    >>> from skrnn import LanguageModel
    >>> names = ["anna", "hanna", "susanna", "johanna", "ann", "hannah"] * 10
    >>> model = LanguageModel(32, max_iter=60, random_state=0).fit(names)
    >>> bool(model.score(["hanna"]) > model.score(["nahna"]))
    True
    >>> model.generate("jo", temperature=0)
    'johanna'
    >>> model.predict_next(["han"], k=1)
    [[('n', ...)]]
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules
    _doc_link_module = "skrnn"
    _doc_link_template = (
        "https://skrnn.readthedocs.io/en/latest/generated/skrnn.{estimator_name}.html"
    )

    _parameter_constraints: dict = {
        **{
            name: Parameters._parameter_constraints[name]
            for name in (
                "cell",
                "activation",
                "min_frequency",
                "max_categories",
                "embedding_init",
                "recurrent_dropout",
                "embedding_dropout",
                "alpha",
                "learning_rate",
                "power_t",
                "shuffle",
                "max_grad_norm",
                "momentum",
                "nesterovs_momentum",
                "beta_1",
                "beta_2",
                "epsilon",
                "tol",
                "n_iter_no_change",
                "early_stopping",
                "validation_fraction",
                "warm_start",
                "random_state",
                "verbose",
                "dtype",
                "n_jobs",
            )
        },
        **{
            name: [StrOptions({"auto"}), *Parameters._parameter_constraints[name]]
            for name in ("hidden_layer_sizes", "dropout", "learning_rate_init")
        },
        "max_iter": [*Parameters._parameter_constraints["max_iter"], None],
        "analyzer": [StrOptions({"char", "word", "byte"}), callable],
        "lowercase": ["boolean"],
        "token_pattern": [str],
        "embedding_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
        ],
        "tie_embeddings": ["boolean"],
        "ends": ["boolean"],
        "carry_state": ["boolean"],
        "bptt_steps": [Interval(Integral, 1, 2**20, closed="both")],
        "ngram_order": [
            StrOptions({"auto"}),
            Interval(Integral, 1, LONGEST_ORDER, closed="both"),
            None,
        ],
        "solver": [StrOptions({"adam", "sgd"})],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
        ],
    }
    _fields = {**LANGUAGE_FIELDS, **TRAINING_FIELDS}

    n_layers_ = Of("_model")

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        cell="gru",
        activation="tanh",
        analyzer="char",
        lowercase=False,
        token_pattern=r"(?u)\w+|[^\w\s]",
        min_frequency=1,
        max_categories=None,
        embedding_size="auto",
        embedding_init=None,
        tie_embeddings=False,
        ends=True,
        carry_state=False,
        bptt_steps=64,
        ngram_order=None,
        dropout="auto",
        recurrent_dropout=0.0,
        embedding_dropout=0.0,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="linear",
        learning_rate_init="auto",
        power_t=0.5,
        max_iter=None,
        shuffle=True,
        max_grad_norm=1.0,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        verbose=False,
        dtype="float32",
        n_jobs=None,
    ):
        self._set_parameters(locals())

    # What is fitted ----------------------------------------------------------------

    @property
    def tokens_(self):
        """The tokens that are known; the id of a token is its place here."""
        return fitted(self, "_model", "tokens_").vocabulary.tokens.copy()

    @property
    def n_tokens_(self):
        """How many tokens can come next."""
        return fitted(self, "_model", "n_tokens_").n_out

    @property
    def unknown_(self):
        """The id of unknown tokens, or None."""
        return fitted(self, "_model", "unknown_").unknown

    @property
    def begin_(self):
        """The id that the network reads before the first token."""
        return fitted(self, "_model", "begin_").border

    @property
    def end_(self):
        """The id of the end of a text, or None."""
        return fitted(self, "_model", "end_").end

    @property
    def _order(self):
        """The length of the n-grams that are counted, or None."""
        return self._model.structure["ngram_order"]

    @property
    def mixture_weights_(self):
        """The network's share beside the n-grams."""
        mixture = fitted(self, "_model", "mixture_weights_").mixture
        if mixture is None:
            raise AttributeError("mixture_weights_ exists with ngram_order alone.")
        return mixture.share.reshape(mixture.ngrams.order, -1).copy()

    # Fitting -----------------------------------------------------------------------

    @all_or_nothing
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None, *, X_val=None):
        """Learn the tokens of texts, and how texts go on.

        After an error the estimator is unchanged.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts. One string is one text.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts. A text of weight 0 is ignored.
        X_val : like X, default=None
            Texts that early stopping watches, in place of a part of `X`.

        Returns
        -------
        self : LanguageModel
            The fitted model.

        Raises
        ------
        TypeError
            If `X` holds something else than texts, such as bytes or None.
        ValueError
            If a parameter has no such value, `X` has no token, or its texts are not all
            of one form.
        """
        return self._fit(X, sample_weight, X_val)

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y=None, sample_weight=None):
        """Read each text once more.

        The first call learns which tokens there are. Later calls read others as
        unknown.

        Parameters
        ----------
        X : list of str, list of lists of str, list of arrays of int, or str
            The texts.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts.

        Returns
        -------
        self : LanguageModel
            The model after this pass.
        """
        return self._fit(X, sample_weight, incremental=True)

    def _fit(self, X, sample_weight, X_val=None, incremental=False):
        resume = self._check_parameters(incremental)
        if X_val is not None and not self.early_stopping:
            raise ValueError(
                "X_val is passed to fit while at the same time early_stopping is "
                "False. Set early_stopping=True."
            )
        items, form = open_texts(X)
        if resume:
            self._check_form(form, "X")
        weight = check_sample_weight(sample_weight, len(items), "sample_weight")
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            items, weight = [items[i] for i in kept], weight[kept]
        if not resume:
            random_state = check_random_state(self.random_state)
            seed = random_state.randint(np.iinfo(np.int32).max)
            self._model = self._make_model(items, form, seed)
            self._training = TrainingState.begin(seed)
        texts = self._model.texts(self._reader(), items)
        kept, weight, held_out = self._hold_out(texts, weight, X_val)
        kept, weight, unseen = self._hold_out_for_shares(
            kept, weight, held_out, resume and incremental
        )
        theta = self._model.theta.copy()
        tasks = None if incremental else self._announce(X, theta)
        self._train(theta, kept, weight, held_out, tasks, resume, incremental)
        self._count(texts, kept, unseen, resume and incremental)
        if tasks is not None:
            tasks.end()
        return self

    def _make_model(self, items, form, seed):
        """Learn the tokens of texts; return a model with its first parameters."""
        return self._model_of(self._reader(form).count(items), form, seed)

    def _model_of(self, counted, form, seed):
        """Return a model with its first parameters, of counted tokens."""
        vocabulary = self._reader(form).vocabulary_of(
            counted,
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
        )
        structure = self._describe_structure()
        structure["has_unknown"] = not (form == "text" and structure["unit"] == "byte")
        if structure["hidden_layer_sizes"] == "auto":
            units = auto_units(_how_many(vocabulary), len(vocabulary))
            structure["hidden_layer_sizes"] = (units,)
        if structure["ngram_order"] == "auto":
            structure["ngram_order"] = auto_order(form, structure["unit"])
        size, units = self.embedding_size, structure["hidden_layer_sizes"][-1]
        if self.tie_embeddings:
            if size not in ("auto", units):
                raise ValueError(
                    f"tie_embeddings=True needs a column of the table for each of "
                    f"{units} units of the last layer. Set embedding_size='auto', got "
                    f"{size}."
                )
            size = units
        init = self.embedding_init
        if size == "auto" and init is not None:
            size = size_of_vectors(init, vocabulary.tokens)
        if size == "auto":
            size = auto_embedding_size(len(vocabulary))
            size = max(size, LEAST_SIZE) if size else 0
        structure["embedding_size"] = int(size)
        model = TokenModel(structure, vocabulary, form, None).initialize(seed)
        theta = model.theta.copy()
        views = model.spec.layout().views(theta)
        if vocabulary.counts is not None:
            views["head.b"][...] = model.log_frequencies()
        if init is not None and size:
            generator = np.random.RandomState([seed, 3])
            write_vectors(views["embedding0.W"], init, vocabulary.tokens, generator)
        return model.with_theta(theta)

    def _describe_structure(self):
        """Return the parameters that the network is made of, as plain values.

        'auto' stands where a vocabulary chooses.
        """
        sizes, order = self.hidden_layer_sizes, self.ngram_order
        return {
            "hidden_layer_sizes": sizes if _is_auto(sizes) else self._layer_sizes(),
            "cell": self.cell,
            "activation": self.activation,
            "tied": bool(self.tie_embeddings),
            "ends": bool(self.ends),
            "carried": bool(self.carry_state),
            "ngram_order": order if order is None or _is_auto(order) else int(order),
            "unit": self.analyzer if isinstance(self.analyzer, str) else "word",
            "dtype": np.dtype(self.dtype).name,
        }

    # What a fit knows where parameters are 'auto'.

    def _pass_options(self):
        dropout = self.dropout
        if _is_auto(dropout):
            dropout = auto_dropout(_how_many(self._model.vocabulary))
        # The lanes cut the gradient.
        return PassOptions(
            dropout=dropout,
            recurrent_dropout=self.recurrent_dropout,
            embedding_dropout=self.embedding_dropout,
        )

    def _solver_parameters(self):
        parameters = super()._solver_parameters()
        if _is_auto(self.learning_rate_init):
            rate = auto_rate(self._model.structure["hidden_layer_sizes"])
            parameters["learning_rate_init"] = rate
        return parameters

    def _training_options(self, *args, **more):
        return super()._training_options(*args, max_iter=self._n_epochs(), **more)

    def _n_epochs(self):
        if self.max_iter is not None:
            return self.max_iter
        slots = self._model.spec.layout().slots
        # A table is read and not multiplied, unless it is the outputs', too.
        n_weights = sum(
            slot.stop - slot.start
            for slot in slots
            if self.tie_embeddings or slot.name != "embedding0.W"
        )
        vocabulary = self._model.vocabulary
        return auto_epochs(_how_many(vocabulary), len(vocabulary), n_weights)

    def _hold_out(self, texts, weight, X_val):
        """Return the texts to train on, their weights, and what is held out or None."""
        if X_val is not None:
            return texts, weight, self._read(X_val, "X_val")
        if not self.early_stopping:
            return texts, weight, None
        if len(texts) == 1:
            n = texts.n_tokens[0]
            n_kept = n - max(1, round(n * self.validation_fraction))
            if n_kept < 1:
                raise ValueError(
                    f"A text of {n} tokens leaves nothing to hold out. Pass X_val."
                )
            border = texts.begin, texts.end
            parts = [texts.ids[:n_kept], texts.ids[n_kept:]]
            kept, held = (
                Texts(ids, np.array([0, len(ids)], dtype=np.intp), *border)
                for ids in parts
            )
            return kept, weight, held
        generator = np.random.RandomState([self._training.seed, 1])
        kept, held = split_validation(len(texts), self.validation_fraction, generator)
        weight = None if weight is None else weight[kept]
        return texts.take(kept), weight, texts.take(held)

    def _hold_out_for_shares(self, texts, weight, held_out, going_on):
        """Return the texts to train on, their weights, and texts that nobody sees.

        The last ones, which may be None, choose what share the network has beside the
        counts of n-grams.
        """
        if self._order is None or going_on or held_out is not None:
            return texts, weight, held_out
        return self._split_for_shares(texts, weight)

    def _split_for_shares(self, texts, weight, part=(), n_parts=1):
        """Return the texts to train on, their weights, and those to choose shares with.

        Of several parts of the data, `part` is the number of a later one.
        """
        generator = np.random.RandomState([self._training.seed, 4, *part])
        kept, rows, unseen = split_held_out(texts, generator, n_parts)
        return kept, None if weight is None else weight[rows], unseen

    def _count(self, texts, kept, unseen, going_on):
        """Count the n-grams of texts, and weigh them against the trained network."""
        model, order = self._model, self._order
        if order is None:
            return
        if going_on:
            mixture = model.mixture.added(texts)
        else:
            mixture = Mixture.count(kept, order, model.n_out)
            if unseen is not None:
                mixture = self._choose_share(mixture, unseen).counting(texts)
        self._model = model.with_mixture(mixture)

    def _choose_share(self, mixture, unseen):
        """Return a mixture whose shares are chosen by texts that nobody has seen."""
        network = self._model.with_mixture(None)
        log_p = network.log_proba_of_tokens(unseen, self._n_threads())
        return mixture.with_share(unseen, log_p)

    def _lanes(self, texts, weight, training, n_parts=1):
        model, hidden = self._model, None
        counts = model.vocabulary.counts
        if training and model.unknown is not None and counts is not None:
            # Where rarer tokens share the unknown one, they train it.
            if counts[-1] == 0 and (counts[:-1] == 1).any():
                hidden = np.zeros(model.border + 1, dtype=bool)
                hidden[: len(counts) - 1] = counts[:-1] == 1
        n_lanes = self.batch_size
        if n_lanes == "auto":
            n_lanes = int(texts.lengths.sum()) // (self.bptt_steps * UPDATES * n_parts)
            n_lanes = min(max(n_lanes, LEAST_LANES), MOST_LANES)
        return LaneData(
            texts,
            weight,
            n_lanes,
            self.bptt_steps,
            self.carry_state,
            split=training,
            hidden=hidden,
            unknown=model.unknown,
        )

    def _train(self, theta, texts, weight, held_out, tasks, resume, incremental):
        """Train `theta`, and keep what came out."""
        model, training = self._model, self._training
        solver = self._make_solver(
            training.solver_state if resume else None, incremental
        )
        generator = training.generator()
        trainer = self._make_trainer(solver, generator, held_out is not None)
        data = self._lanes(texts, weight, True)
        history = training.history if resume else None
        if incremental:
            history = trainer.fit_more(theta, data, history=history)
        else:
            history = trainer.fit(
                theta,
                data,
                validation=None
                if held_out is None
                else self._lanes(held_out, None, False),
                history=history,
                hooks=None if tasks is None else tasks.hooks(),
            )
        self._model = model.with_theta(theta)
        self._training = training.after(
            self.solver, solver, generator, history, incremental
        )

    def _make_trainer(self, solver, generator, early_stopping, **more):
        """Return what trains the network; `more` goes to the `Trainer`."""
        model = self._model
        network = Network(model.spec, options=self._pass_options())
        options = self._training_options(1, early_stopping)
        return Trainer(network, model.loss, solver, options, generator, **more)

    def _announce(self, X, theta):
        """Begin the tasks that callbacks follow."""
        model = self._model
        return EpochTasks(
            self,
            self._n_epochs(),
            lambda: {"_model": model.with_theta(theta.copy())},
            {"X": X, "y": None, "metadata": None},
        )

    # Reading -------------------------------------------------------------------------

    def _reader(self, form=None):
        form = self._model.form if form is None else form
        return TextReader(self.analyzer, self.lowercase, self.token_pattern, form)

    def _check_form(self, form, name):
        fitted_form = self._model.form
        if form != fitted_form:
            raise ValueError(
                f"{name} holds {NAMES[form]}, but {type(self).__name__} was fitted to "
                f"{NAMES[fitted_form]}. Give them in that form."
            )

    def _read(self, X, name="X"):
        """Return the `Texts` of texts that the user hands in."""
        return self._read_with_items(X, name)[0]

    def _read_with_items(self, X, name="X"):
        self._check_is_fitted()
        items, form = open_texts(X, name)
        if any(map(len, items)):
            self._check_form(form, name)
        reader = self._reader()
        texts = self._model.texts(reader, items)
        self._warn_of_unknown(texts, reader, items)
        return texts, items, reader

    # The state ---------------------------------------------------------------------

    def _pack(self):
        return self._model.pack() | self._training.pack()

    @classmethod
    def _unpack(cls, fields):
        return {
            "_model": TokenModel.unpack(fields),
            "_training": TrainingState.unpack(fields),
        }

    @classmethod
    def _check_together(cls, fields):
        check_language_model(fields)
        check_training(fields)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _is_auto(value):
    return isinstance(value, str) and value == "auto"


def _how_many(vocabulary):
    """Return how many tokens a vocabulary was learned from."""
    return 0 if vocabulary.counts is None else int(vocabulary.counts.sum())
