"""What a language model writes."""

import codecs
import warnings
from numbers import Integral, Real
from reprlib import repr as short

import numpy as np
from sklearn.utils import check_random_state

from skrnn._generate import Rules, Writer, seeds_of
from skrnn._stepper import Stepper
from skrnn.estimators._streams import check_n_seqs
from skrnn.inputs.texts import open_texts
from skrnn.models.copies import CopiedStream

# How many texts are written side by side, and how many tokens between two looks; more
# where no string can end a text.
ROWS, STEPS, FREE_STEPS = 64, 32, 512
# How many unknown tokens a warning looks at, and how many of them it names.
MOST_LOOKED_AT, MOST_NAMED = 50, 5


class GenerationMixin:
    """The methods of a language model that write."""

    def _warn_of_unknown(self, texts, reader, items):
        """Warn of tokens that the model does not know."""
        unknown, counts = self._model.unknown, self._model.vocabulary.counts
        if unknown is None or counts is None or counts[-1]:
            return  # rare tokens are meant to be unknown
        rows = np.flatnonzero(texts.ids == unknown)
        if not len(rows):
            return
        first = rows[:MOST_LOOKED_AT]
        owner = np.searchsorted(texts.start, first, side="right") - 1
        places = zip(owner.tolist(), (first - texts.start[owner]).tolist(), strict=True)
        names = list(dict.fromkeys(short(reader.token(items, *at)) for at in places))
        more = ", ..." * (len(names) > MOST_NAMED or len(rows) > len(first))
        warnings.warn(
            f"{len(rows)} of {len(texts.ids)} tokens did not occur in fit: "
            f"{', '.join(names[:MOST_NAMED])}{more}. They are read as unknown.",
            stacklevel=4,
        )

    # Writing -----------------------------------------------------------------------

    def sample(self, n_samples=1, random_state=None, *, max_new_tokens=1000):
        """Draw texts from the model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of texts.
        random_state : int, RandomState instance or None, default=None
            Determines the random numbers. Text i depends on them and on i alone.
        max_new_tokens : int, default=1000
            Largest number of tokens of a text. A longer text is cut there.

        Returns
        -------
        texts : list
            Texts in the form of fit.
        """
        return self.generate(
            n_samples=n_samples,
            random_state=random_state,
            max_new_tokens=max_new_tokens,
        )

    def generate(
        self,
        prefix="",
        *,
        max_new_tokens=200,
        n_samples=None,
        temperature=1.0,
        top_k=None,
        top_p=None,
        stop=None,
        allow_unknown=False,
        random_state=None,
        return_log_proba=False,
    ):
        """Write texts that go on from a beginning.

        Parameters
        ----------
        prefix : str, list or array, default=""
            The beginning of a text in the form of fit, or a list of beginnings.
        max_new_tokens : int, default=200
            How many tokens are written at most.
        n_samples : int or None, default=None
            How many texts are written for each beginning. None is one, which is
            returned alone.
        temperature : float, default=1.0
            The number that divides the log-probabilities. Below 1, texts are more
            probable and less varied. 0 takes the most probable token each time.
        top_k : int or None, default=None
            How many of the most probable tokens may be drawn. None is all.
        top_p : float or None, default=None
            Only the most probable tokens may be drawn whose probabilities sum to this
            share [1]_. It applies after `top_k`.
        stop : str, int or list of these, default=None
            A text ends before one of these strings; with token lists or ids, before one
            of these tokens.
        allow_unknown : bool, default=False
            Whether the unknown token may be drawn. It is written as "<unk>", or -1.
        random_state : int, RandomState instance or None, default=None
            Determines the random numbers. Text i of a call depends on them and on i
            alone, and not on how many texts are written.
        return_log_proba : bool, default=False
            Whether to return log-likelihoods, too.

        Returns
        -------
        texts : str, list or array, or list of these
            The beginning and what follows. A list for a list of beginnings, or if
            `n_samples` is given; a list of lists for both.
        log_proba : float or nested lists of float
            The log-probability of what follows, its end included if the text ended by
            itself, in the form of `texts`. Only with ``return_log_proba=True``.

        Raises
        ------
        ValueError
            If a parameter has no such value.

        References
        ----------
        .. [1] Holtzman, A., et al. (2020). The curious case of neural text
               degeneration. ICLR.
        """
        self._check_is_fitted()
        rules = self._rules(temperature, top_k, top_p, allow_unknown)
        _check_count("max_new_tokens", max_new_tokens, 0)
        if n_samples is not None:
            _check_count("n_samples", n_samples, 1)
        stop = self._checked_stop(stop)
        prefixes, single = self._prefixes(prefix)
        each = 1 if n_samples is None else n_samples
        rows = [i for i in range(len(prefixes)) for _ in range(each)]
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        written, values = [], []
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            numbers = np.arange(start, start + len(part), dtype=np.int64)
            beginnings = [prefixes[i] for i in part]
            seeds = seeds_of(seed, numbers)
            lines = _Lines(self, beginnings, seeds, return_log_proba)
            lines.write(rules, max_new_tokens, stop)
            written += lines.texts()
            values += lines.log_proba()
        if n_samples is not None:
            written = [written[i : i + each] for i in range(0, len(written), each)]
            values = [values[i : i + each] for i in range(0, len(values), each)]
        if single:
            written, values = written[0], values[0]
        return (written, values) if return_log_proba else written

    def generate_iter(
        self,
        prefix="",
        *,
        max_new_tokens=200,
        temperature=1.0,
        top_k=None,
        top_p=None,
        stop=None,
        allow_unknown=False,
        random_state=None,
    ):
        """Write one text, and yield its pieces as they come.

        The pieces together are what :meth:`generate` returns for the same parameters.

        Parameters
        ----------
        prefix : str, list or array, default=""
            The beginning of a text in the form of fit. If it is not empty it is the
            first piece.
        max_new_tokens : int, default=200
            How many tokens are written at most.
        temperature : float, default=1.0
            As in :meth:`generate`, like all that follow.
        top_k : int or None, default=None
            How many of the most probable tokens may be drawn. None is all.
        top_p : float or None, default=None
            Only the most probable tokens may be drawn whose probabilities sum to this
            share.
        stop : str, int or list of these, default=None
            The text ends before one of these.
        allow_unknown : bool, default=False
            Whether the unknown token may be drawn.
        random_state : int, RandomState instance or None, default=None
            Determines what is drawn.

        Returns
        -------
        pieces : iterator of str or list
            Each piece is some characters, or a list with a token.
        """
        self._check_is_fitted()
        rules = self._rules(temperature, top_k, top_p, allow_unknown)
        _check_count("max_new_tokens", max_new_tokens, 0)
        stop = self._checked_stop(stop)
        prefixes, single = self._prefixes(prefix)
        if not single:
            raise ValueError(
                "generate_iter writes one text, and prefix is a list of texts. Call it "
                "for each of them."
            )
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        numbers = np.zeros(1, dtype=np.int64)
        lines = _Lines(self, prefixes, seeds_of(seed, numbers))
        return lines.pieces(rules, max_new_tokens, stop)

    def stream(self, n_seqs=1):
        """Return a stream, which reads tokens and says which may come next.

        Parameters
        ----------
        n_seqs : int, default=1
            How many texts are read side by side.

        Returns
        -------
        stream : LanguageStream
            With ``step(token)``, which returns the log-probabilities of the next token,
            ``log_proba()`` for those at present, ``reset()`` and the attribute
            ``state``.
        """
        self._check_is_fitted()
        check_n_seqs(n_seqs)
        return LanguageStream(self._model, n_seqs)

    # Checks --------------------------------------------------------------------------

    def _rules(self, temperature, top_k, top_p, allow_unknown):
        model = self._model
        if not isinstance(temperature, Real) or not 0 <= temperature < np.inf:
            raise ValueError(
                f"temperature must be a number of at least 0, got {temperature!r}."
            )
        if top_k is not None:
            _check_count("top_k", top_k, 1)
        if top_p is not None and (not isinstance(top_p, Real) or not 0 < top_p <= 1):
            raise ValueError(f"top_p must be above 0 and at most 1, got {top_p!r}.")
        allowed = np.ones(model.n_out, dtype=np.uint8)
        if model.unknown is not None and not allow_unknown:
            allowed[model.unknown] = 0
        if not allowed.any() or not len(model.vocabulary) and not allow_unknown:
            raise ValueError(
                "The model knows no token but the unknown one. Fit with a smaller "
                "min_frequency, or set allow_unknown=True."
            )
        return Rules(
            float(temperature),
            min(int(top_k or 0), model.n_out),
            1.0 if top_p is None else float(top_p),
            allowed,
        )

    def _checked_stop(self, stop):
        """Return the strings or tokens that end a text, as a list."""
        if stop is None:
            return []
        ids = self._model.form == "ids"
        single = isinstance(stop, Integral if ids else str)
        stops = [stop] if single else stop
        kind = "an int" if ids else "a string"
        if not isinstance(stops, list | tuple) or not all(
            isinstance(item, Integral if ids else str) for item in stops
        ):
            raise ValueError(f"stop must be {kind} or a list of these, got {stop!r}.")
        if not ids and "" in stops:
            raise ValueError("stop must not be an empty string.")
        return list(stops)

    def _prefixes(self, prefix):
        """Return a list of beginnings, and whether one alone was given."""
        form = self._model.form
        if form == "text":
            single = isinstance(prefix, str)
        else:
            empty = isinstance(prefix, str) and not prefix
            prefix = [] if empty else prefix
            single = not len(prefix) or np.ndim(prefix[0]) == 0
        if single and not len(prefix):
            return [prefix], True
        items, given = open_texts([prefix] if single else prefix, "prefix")
        if any(map(len, items)):
            self._check_form(given, "prefix")
        return items, single


def _check_count(name, value, least):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an int of at least {least}, got {value!r}.")


class _Lines:
    """Texts that are written side by side.

    Parameters
    ----------
    estimator : LanguageModel
    prefixes : list
        The beginnings, in the form of fit.
    seeds : ndarray of shape (n,), uint64
    scored : bool, default=False
        Whether log-probabilities are wanted.
    """

    def __init__(self, estimator, prefixes, seeds, scored=False):
        self.scored = scored
        self._model, self._reader = estimator._model, estimator._reader()
        self._prefixes = prefixes
        model = self._model
        texts = model.texts(self._reader, prefixes)
        if any(map(len, prefixes)):
            estimator._warn_of_unknown(texts, self._reader, prefixes)
        self._writer = make_writer(model, seeds)
        self._read(texts)
        n = len(prefixes)
        self._ids = [[] for _ in range(n)]
        self._log_proba = np.zeros(n)
        missing = -1 if model.form == "ids" else "<unk>"
        self._names = [*model.vocabulary.tokens.tolist(), missing]
        self._done = [False] * n
        self._stopped = {}  # the texts of rows that a string has stopped

    def _read(self, texts):
        """Let the network read all but the last token of each beginning."""
        model, lengths = self._model, texts.n_tokens
        n_steps, n = int(lengths.max()), len(lengths)
        ids = np.full((n_steps + 1, n), model.border, dtype=np.int32)
        for b in range(n):
            ids[1 : lengths[b] + 1, b] = texts.ids[texts.start[b] : texts.start[b + 1]]
        which = (np.arange(n_steps)[:, np.newaxis] < lengths).astype(np.int8)
        self._writer.read(ids[:n_steps], which)
        self._writer.current[:] = ids[lengths, np.arange(n)]

    def advance(self, rules, n_steps):
        """Write some tokens."""
        end = -1 if self._model.end is None else self._model.end
        found, values = self._writer.write(n_steps, rules, end, self.scored)
        for b, (ids, log_proba) in enumerate(zip(found.T, values.T, strict=True)):
            if self._done[b]:
                continue
            kept = ids[ids >= 0]
            if self.scored:
                for value in log_proba[: len(kept)].tolist():
                    self._log_proba[b] += value
            kept = kept.tolist()
            if kept and kept[-1] == end:
                kept.pop()
            self._ids[b] += kept
            self._done[b] = not self._writer.active[b]

    def write(self, rules, most, stop):
        """Write until all texts have ended."""
        n_written = 0
        while n_written < most and not all(self._done):
            n_steps = min(STEPS if stop else FREE_STEPS, most - n_written)
            self.advance(rules, n_steps)
            n_written += n_steps
            if stop:
                for b in range(len(self._ids)):
                    self._cut(b, stop)

    def _cut(self, b, stop):
        """End a text before what stops it, if that is there."""
        tokens = self._tokens(b)
        if self._model.form != "text":
            found = next((i for i, t in enumerate(tokens) if t in stop), None)
            if found is not None:
                self._end(b, found)
            return
        text = self._reader.decode(tokens)
        places = [text.find(each) for each in stop]
        if max(places) < 0:
            return
        if b not in self._stopped:
            self._stopped[b] = text[: min(p for p in places if p >= 0)]
        self._done[b] = True
        self._writer.active[b] = 0

    def _end(self, b, n_tokens):
        self._ids[b] = self._ids[b][:n_tokens]
        self._done[b] = True
        self._writer.active[b] = 0

    def _tokens(self, b):
        """The written tokens of a row."""
        return [self._names[i] for i in self._ids[b]]

    def texts(self):
        """Return the texts, the beginnings included."""
        stopped, texts = self._stopped, []
        for b, prefix in enumerate(self._prefixes):
            tokens = self._tokens(b)
            if self._model.form == "text":
                new = stopped[b] if b in stopped else self._reader.decode(tokens)
                texts.append(self._joined(prefix, new))
            elif self._model.form == "tokens":
                texts.append([*prefix, *tokens])
            else:
                texts.append(np.array([*prefix, *tokens], dtype=np.int64))
        return texts

    def _joined(self, prefix, new):
        blank = self._reader.unit == "word" and prefix and new
        if blank and not prefix[-1].isspace():
            return f"{prefix} {new}"
        return prefix + new

    def log_proba(self):
        """Return the log-probability of what was written, a list of floats."""
        return self._log_proba.tolist()

    def pieces(self, rules, most, stop):
        """Yield the pieces of the only text, as soon as they are sure."""
        form = self._model.form
        if len(self._prefixes[0]):
            yield self._prefixes[0]
        said, n_written = 0, 0
        # So many characters may turn out to be the beginning of what stops.
        held = max((len(each) for each in stop), default=1) - 1 if form == "text" else 0
        while n_written < most and not self._done[0]:
            self.advance(rules, 1)
            n_written += 1
            if stop:
                self._cut(0, stop)
            if form != "text":
                new = self._tokens(0)[said:]
                said += len(new)
                if new:
                    yield new
                continue
            last = self._done[0] or n_written == most
            text = self._surely(last)
            until = len(text) if last else max(len(text) - held, said)
            if until > said:
                yield text[said:until]
                said = until

    def _surely(self, last):
        """Return the text so far, without bytes that wait for others."""
        text = self._stopped.get(0)
        if text is None:
            tokens = self._tokens(0)
            if self._reader.unit == "byte" and not last:
                decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
                text = decoder.decode("".join(tokens).encode("latin-1"))
            else:
                text = self._reader.decode(tokens)
        whole = self._joined(self._prefixes[0], text)
        return whole[len(self._prefixes[0]) :]


def make_writer(model, seeds):
    """Return the compiled rows of texts that a model writes side by side."""
    network = model.network
    layers = [layer for (layer,) in network.stack.recurrences]
    stepper = Stepper(layers, len(seeds))
    table, head = network.input.table_of(0), network.readout.head
    mixer = None if model.mixture is None else model.mixture.mixer
    return Writer(stepper, head, table, seeds, mixer, model.border, model.starts)


class LanguageStream(CopiedStream):
    """Texts that are read token by token. Made by :meth:`LanguageModel.stream`.

    Parameters
    ----------
    model : TokenModel
    n_seqs : int
        How many texts are read side by side.
    """

    __module__ = "skrnn"

    def __init__(self, model, n_seqs):
        self._model, self.n_seqs = model, n_seqs
        network = model.network
        self._table, self._head = network.input.table_of(0), network.readout.head
        layers = [layer for (layer,) in network.stack.recurrences]
        self._stepper = Stepper(layers, n_seqs)
        self._contexts = None  # with n-grams, the newest tokens of each text
        self.reset()

    def __copy__(self):
        other = LanguageStream(self._model, self.n_seqs)
        other.state = self.state
        return other

    def reset(self):
        """Begin new texts."""
        self._stepper.reset()
        self._read_ids(np.full(self.n_seqs, self._model.border))
        if self._model.mixture is not None:
            self._contexts = self._model.mixture.first_contexts(self.n_seqs)

    def _read(self, ids):
        self._read_ids(ids)
        if self._contexts is not None:
            contexts = np.column_stack([self._contexts, ids]).astype(np.int32)
            self._contexts = np.ascontiguousarray(contexts[:, 1:])

    def _read_ids(self, ids):
        states = self._stepper.forward(np.ascontiguousarray(self._table[ids]))
        self._states = states.copy()
        self._stepper.commit()

    def step(self, token):
        """Read the next token of each text.

        Parameters
        ----------
        token : str or int, or list of `n_seqs` of these
            A character, a word or an id, as the tokens in fit were.

        Returns
        -------
        log_proba : ndarray of shape (n_tokens,), or (n_seqs, n_tokens)
            The log-probability of each token to come next, in the order of ids; one row
            for each text if there are several.

        Raises
        ------
        ValueError
            If there is not one token for each text.
        """
        tokens = [token] if self.n_seqs == 1 and np.ndim(token) == 0 else list(token)
        if len(tokens) != self.n_seqs:
            raise ValueError(
                f"A step must hold a token for each of the {self.n_seqs} texts, got "
                f"{len(tokens)}."
            )
        kind = self._model.vocabulary.kind
        for each in tokens:
            is_kind = isinstance(each, str)
            if kind == "number":
                is_kind = isinstance(each, Real | np.bool_) and each % 1 == 0
            if kind is not None and not is_kind:
                raise ValueError(
                    f"The step has {each!r}, but the tokens in fit were {kind}s."
                )
        self._read([self._model.vocabulary.id_of(each) for each in tokens])
        return self.log_proba()

    def log_proba(self):
        """Return the log-probabilities of the next token, without reading any."""
        found = self._model.log_proba_of_states(self._states)
        if self._contexts is not None:
            self._model.mixture.mix_rows(self._contexts, found)
        return found[0] if self.n_seqs == 1 else found

    @property
    def state(self):
        """What the tokens so far have left, a dict of arrays; it can be set."""
        state = self._stepper.get_state() | {"states": self._states.copy()}
        if self._contexts is not None:
            state["contexts"] = self._contexts.copy()
        return state

    @state.setter
    def state(self, state):
        state = dict(state)
        states = np.asarray(state.pop("states", None))
        contexts = state.pop("contexts", None)
        if (
            states.shape != self._states.shape
            or states.dtype != self._states.dtype
            or np.shape(contexts) != np.shape(self._contexts)
        ):
            raise ValueError(
                "The state is not of this model, or of another number of texts."
            )
        self._stepper.set_state(state)
        self._states = states.copy()
        if self._contexts is not None:
            self._contexts = np.array(contexts, dtype=np.int32)
