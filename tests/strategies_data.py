"""Sequences, targets, weights and groups that users may have, by a source of numbers.

See `strategies.Source`.
"""

import array
import collections
import decimal
import functools
import math
import types
import warnings

import numpy as np
import scipy.sparse

# Sequences -----------------------------------------------------------------------

# What a value of a sequence can be at worst.
SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 1e-8, 1e8, -1e15, 2.0**53 + 2, 3e38, -3.4e38, 3.5e38, 1e39,
    1e150, -1e200, 1.7e308, -1.7e308, 5e-324, 1e-310, 1e-45, -1e-40, 1e-200,
    math.nan, math.inf, -math.inf,
]  # fmt: skip
FINITE = SPECIAL[:-3]
DTYPES = [
    "f8", "f4", "f2", "g", "i1", "i2", "i4", "i8", "u1", "u4", "u8", "?",
    ">f4", ">f8", ">i2", "O",
]  # fmt: skip


def plain_values(source, shape):
    """Small numbers, few of which are equal, for two draws."""
    size = math.prod(shape)
    steps = np.arange(size) * source.pick([1, 3, 5, 0]) + source.integer(0, 16)
    return ((steps % 17 - 8) / 4).reshape(shape)


def values(source, shape, special=SPECIAL):
    """Numbers of which some are extreme, now and then."""
    plain = plain_values(source, shape)
    if plain.size and source.chance(4):
        if source.chance(3):
            plain *= source.pick([1e-300, 1e-38, 1e-6, 1e6, 1e30, 1e37, 1e100, 1e300])
        flat = plain.ravel()
        for _ in range(source.integer(0, 3)):
            flat[source.integer(0, flat.size - 1)] = source.pick(special)
    return plain


def fortran(source, x):
    return np.asfortranarray(x)


def backwards(source, x):
    """The same numbers behind negative strides."""
    flip = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[flip])[flip]


def strided(source, x):
    wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    wide[(slice(None, None, 2),) * x.ndim] = x
    return wide[(slice(None, None, 2),) * x.ndim]


def read_only(source, x):
    x = x.copy()
    x.flags.writeable = False
    return x


def misaligned(source, x):
    if x.dtype == object:
        return x
    memory = np.zeros(x.nbytes + 1, np.uint8)
    moved = memory[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved


def repeated(source, x):
    """Strides of zero: each step is the first one."""
    return np.broadcast_to(x[:1], x.shape)


def retyped(source, x):
    dtype = source.pick(DTYPES)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return x.astype(dtype)
    except (OverflowError, ValueError):  # of objects
        return x


class Subclass(np.ndarray):
    """An array of a class of its own."""


class Offers:
    """Has `__array__`, and no other way in."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return self.x if dtype is None else self.x.astype(dtype)


class Raises:
    """Whatever asks it for its contents is told so."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("an object that raises")

    def __len__(self):
        raise TypeError("an object that raises")


LAYOUTS = [
    fortran,
    backwards,
    strided,
    read_only,
    misaligned,
    repeated,
    retyped,
    retyped,
    lambda source, x: x.view(Subclass),
    lambda source, x: x.tolist(),
    lambda source, x: tuple(map(tuple, x)) if x.ndim == 2 else tuple(x),
    lambda source, x: np.ma.masked_array(x, x == x.flat[0]),
    lambda source, x: Offers(x),
    lambda source, x: memoryview(np.ascontiguousarray(x)),
    lambda source, x: array.array("d", x.astype(float).tobytes()),
    lambda source, x: _frame(x),
    lambda source, x: _frame(x, "polars"),
]


def _frame(x, package="pandas"):
    package = _package(package)
    x = x if x.ndim == 2 else x[:, None]
    if package is None:
        return x
    return package.DataFrame({f"f{j}": x[:, j] for j in range(x.shape[1])})


@functools.cache
def _package(name):
    try:
        return __import__(name)
    except ImportError:
        return None


# What is no sequence at all, and must be said to be none.
JUNK = [
    lambda: None,
    lambda: "text",
    lambda: b"bytes",
    lambda: 3,
    lambda: math.nan,
    lambda: 1j,
    lambda: [],
    lambda: [[]],
    lambda: {},
    lambda: {"a": [1.0]},
    lambda: {1.0, 2.0},
    lambda: object(),
    lambda: Raises(),
    lambda: [None, 1.0],
    lambda: ["a", "b"],
    lambda: [10**400],
    lambda: [[10**400, 1]],
    lambda: [decimal.Decimal("1.5"), decimal.Decimal("NaN")],
    lambda: [[1.0, 2.0], [1.0]],
    lambda: [[[1.0]], [[2.0]]],
    lambda: [Raises()],
    lambda: itself(),
    lambda: range(3),
    lambda: iter([1.0, 2.0]),
    lambda: (x for x in [1.0]),
    lambda: collections.deque([1.0, 2.0]),
    lambda: types.SimpleNamespace(shape=(2, 1), __len__=2),
    lambda: np.float32(1),
    lambda: np.array(1.0),
    lambda: np.zeros((0, 2)),
    lambda: np.zeros((2, 0)),
    lambda: np.zeros((1, 2, 3)),
    lambda: np.zeros((1, 1, 1, 1)),
    lambda: np.zeros((1,) * 20),
    lambda: np.ones((2, 1)) * 1j,
    lambda: np.array(["1.0", "2.0"]),
    lambda: np.array([b"1.0"]),
    lambda: np.array(["2020-01-01"], "M8[s]"),
    lambda: np.array([3], "m8[s]"),
    lambda: np.zeros(2, "i4,f4"),
    lambda: np.zeros(2, "V4"),
    lambda: np.array([None, 1.0], dtype=object),
    lambda: np.array([np.ones(2), None, "a"], dtype=object),
    lambda: np.broadcast_to(1.0, (10**12, 1))[:0],
    lambda: np.bool_(True),
    lambda: scipy.sparse.csr_array(np.ones((2, 2))),
    lambda: np.array([[1.0, 2.0]]).view(np.ma.MaskedArray),
    lambda: _masked(),
    lambda: np.asarray([[1.0, 2.0]]).view(np.recarray),
    lambda: matrix(),
]


def _masked():
    return np.ma.masked_all((2, 2))


def matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix([[1.0, 2.0]])


def itself():
    x = []
    x.append(x)
    return x


def objects(items):
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def _series(X):
    return X if _package("pandas") is None else _package("pandas").Series(objects(X))


def _list_column(X):
    if _package("polars") is None:
        return X
    return _package("polars").Series([x.tolist() for x in X])


def _level(X):
    """All of the shortest length."""
    return np.stack([x[: min(map(len, X))] for x in X])


# From a list of arrays to a form in which a user may hold them.
FORMS = [
    list,
    tuple,
    objects,
    _level,
    lambda X: [x[:, 0] for x in X],
    lambda X: _level(X)[:, :, 0],
    lambda X: _level(X)[:, :, 0].tolist(),
    lambda X: [x.tolist() for x in X],
    _series,
    _list_column,
    lambda X: [_frame(x) for x in X],
    lambda X: _frame(_level(X)[:, :, 0]),
    lambda X: _frame(_level(X)[:, :, 0], "polars"),
    lambda X: collections.deque(X),
    lambda X: X[0],
    lambda X: X[0][:, 0],
    lambda X: _level(X)[..., None],
    lambda X: _level(X).astype(object),
    lambda X: Offers(_level(X)),
    lambda X: np.asfortranarray(_level(X)),
    lambda X: _level(X)[::-1, ::-1, ::-1],
    lambda X: scipy.sparse.csr_array(_level(X)[:, :, 0]),
]


def sequences(source, n_seqs=None, n_features=None):
    """X in some form, sound or not."""
    if n_seqs is None:
        n_seqs = source.integer(1, 6)
    if n_features is None:
        n_features = source.pick([2, 1, 3])
    X = []
    for _ in range(n_seqs):
        n_steps = source.pick([3, 1, 2, 5, 9, 0]) if source.chance(8) else 3
        n_steps = n_steps if n_steps != 3 else source.integer(1, 5)
        width = n_features
        if source.chance(60):
            width = source.pick([n_features + 1, 0, 1])
        X.append(values(source, (n_steps, width)))
    for _ in range(source.pick([0, 1, 2])):
        i = source.integer(0, n_seqs - 1)
        if isinstance(X[i], np.ndarray) and X[i].size:
            X[i] = source.pick(LAYOUTS)(source, X[i])
    if source.chance(8):
        X[source.integer(0, n_seqs - 1)] = source.pick(JUNK)()
    form = source.pick(FORMS) if source.chance(2) else list
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return form(X)
    except Exception:
        return X  # what is in the list does not go into that form


def anything(source, n_seqs=None, n_features=None):
    """X, which once in a while is no collection of sequences at all."""
    if source.chance(40):
        return source.pick(JUNK)()
    return sequences(source, n_seqs, n_features)


# Targets, weights, groups --------------------------------------------------------

LABELS = [
    [0, 1], [0, 1, 2], [-1, 1], ["a", "b", "c"], [False, True], [1.0, 2.0], [5],
    [b"a", b"b"], [2**62, 1], [0.5, 1.5], [None, "a"], [1, "a"], [math.nan, 1.0],
]  # fmt: skip


def one_dimensional(source, y):
    """A vector in a form in which a user may hold it."""
    form = source.pick(
        [
            np.asarray,
            list,
            tuple,
            objects,
            lambda y: np.asarray(y)[:, None],
            lambda y: np.asarray(y).astype(source.pick(DTYPES)),
            lambda y: np.asarray(y)[::-1],
            lambda y: y[:-1],
            lambda y: [*y, y[0]],
            lambda y: _package("pandas").Series(y),
            lambda y: scipy.sparse.csr_array(np.asarray(y)[:, None]),
            lambda y: np.asarray(y)[:, None, None],
            lambda y: np.asarray(y)[None],
            lambda y: y[0],
            lambda y: source.pick(JUNK)(),
        ]
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return form(list(y))
    except Exception:
        return list(y)


def classes(source, n_seqs):
    """Labels: of classes, or an indicator of several."""
    if source.chance(5):
        indicator = np.arange(2 * n_seqs).reshape(n_seqs, 2) % source.pick([2, 3, 1])
        return source.pick([np.asarray, scipy.sparse.csr_array, np.ndarray.tolist])(
            indicator
        )
    labels = source.pick(LABELS) if source.chance(3) else LABELS[0]
    y = [labels[i % len(labels)] for i in range(source.integer(0, 3), 99)][:n_seqs]
    return one_dimensional(source, y) if source.chance(4) else y


def targets(source, n_seqs):
    """Numbers: one target or two."""
    if source.chance(4):
        return values(source, (n_seqs, source.pick([2, 1])))
    y = values(source, (n_seqs,))
    return one_dimensional(source, y) if source.chance(4) else y


def weights(source, n_seqs):
    """What sequences weigh."""
    if source.chance(2):
        return None
    w = np.abs(values(source, (n_seqs,))) + source.pick([0.25, 0.0])
    if source.chance(10):
        w *= -1
    return one_dimensional(source, w) if source.chance(4) else w


def groups(source, n_seqs):
    if not source.chance(6):
        return None
    return one_dimensional(source, [i // 2 for i in range(n_seqs)])
