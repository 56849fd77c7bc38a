"""Plain values as JSON and arrays, and back, without trust in what is read.

Each value has one text. JSON has no tuples, no NaN, no keys other than strings, and no
arrays. Such a value is written as an object of one item. The item's name begins with a
dollar sign:

==================================  ================================================
``{"$array": 3}``                   an array of the file's table
``{"$bytes": "..."}``               bytes, one character (U+0000 to U+00FF) for each
``{"$dict": [key, value, ...]}``    a dict whose keys are not all strings
``{"$dtype": "float32"}``           the scalar type of NumPy of that name
``{"$float": "nan"}``               ``nan``, ``inf`` or ``-inf``
``{"$random_state": {...}}``        a RandomState, by its state
``{"$strings": [shape, [...]]}``    an object array of strings
``{"$tuple": [...]}``               a tuple
==================================  ================================================
"""

import json
import math
import re
from itertools import accumulate
from reprlib import repr as short

import numpy as np

from skrnn.models.checks import random_state

ALIGNMENT = 64
# Limits for a header: lists and objects take far more memory than room in the file.
MAX_DEPTH = 64
MAX_CONTAINERS = 10_000
INT_LIMITS = -(2**63), 2**64 - 1

DTYPE = re.compile(
    r"\|b1|\|[iu]1|<[iu][248]|<f[248]|(<U|\|S)[1-9][0-9]{0,7}"
    r"|<[mM]8\[([1-9][0-9]{0,8})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]"
)
SCALAR_TYPES = {"float32": np.float32, "float64": np.float64}
FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Encoder:
    """Turns values into JSON, and collects the arrays among them.

    Attributes
    ----------
    arrays : list of ndarray
        Little-endian and C-contiguous.
    """

    def __init__(self):
        self.arrays = []

    def encode(self, value, name):
        """Return a value as JSON; `name` is the name of the value in errors."""
        if isinstance(value, np.generic):
            # Equal values give equal bytes: an int of NumPy is written like Python's.
            value = self._item(value, name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            if not INT_LIMITS[0] <= value <= INT_LIMITS[1]:
                raise ValueError(f"{name} does not fit into 64 bits: {value}.")
            return int(value)
        if isinstance(value, float):
            value = float(value)
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, bytes):
            return {"$bytes": value.decode("latin-1")}
        if isinstance(value, list):
            return self._items(value, name)
        if isinstance(value, tuple):
            return {"$tuple": self._items(value, name)}
        if isinstance(value, dict):
            return self._dict(value, name)
        if isinstance(value, np.ndarray):
            return self._array(value, name)
        for dtype, scalar_type in SCALAR_TYPES.items():
            if value is scalar_type:
                return {"$dtype": dtype}
        if isinstance(value, np.random.RandomState):
            state = value.get_state(legacy=False)
            if state["bit_generator"] == "MT19937":
                return {"$random_state": self._dict(state, name)}
        raise TypeError(
            f"{name} cannot be kept in a model file, which holds plain values and no "
            f"code: it is {value!r}. Set it to a plain value first, or keep the "
            "estimator with joblib."
        )

    @staticmethod
    def _item(value, name):
        item = value.item()
        if type(item) not in (bool, int, float, str, bytes):
            raise TypeError(
                f"{name} cannot be kept in a model file: it is of the type "
                f"{type(value).__name__}."
            )
        return item

    @staticmethod
    def _text(value, name):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(
                f"{name} cannot be kept in a model file: {value!r} has surrogates, "
                "which UTF-8 cannot hold. Replace them before fit, for example by "
                "text.encode('utf-8', 'replace').decode('utf-8')."
            ) from None
        return str(value)

    def _items(self, value, name):
        return [self.encode(item, f"{name}[{i}]") for i, item in enumerate(value)]

    def _dict(self, value, name):
        # Sorted already here, since arrays are numbered in the order of the keys.
        if all(isinstance(key, str) and key[:1] != "$" for key in value):
            return {
                self._text(key, name): self.encode(value[key], f"{name}[{key!r}]")
                for key in sorted(value)
            }
        keys = []
        for key in value:
            if not isinstance(key, str | bytes | int | float | np.generic):
                raise TypeError(
                    f"{name} cannot be kept in a model file: its key {key!r} is "
                    "neither a number nor a string."
                )
            keys.append((self.encode(key, f"A key of {name}"), key))
        keys.sort(key=lambda pair: dump(pair[0]))
        pairs = []
        for code, key in keys:
            pairs += [code, self.encode(value[key], f"{name}[{key!r}]")]
        return {"$dict": pairs}

    def _array(self, value, name):
        value = np.asarray(value)
        if value.dtype == object:
            if not all(isinstance(item, str) for item in value.flat):
                raise TypeError(
                    f"{name} cannot be kept in a model file: it is an array of objects "
                    "that are not all strings."
                )
            texts = [self._text(item, name) for item in value.flat]
            return {"$strings": [list(value.shape), texts]}
        dtype = value.dtype.newbyteorder("<")
        if not DTYPE.fullmatch(dtype.str):
            raise TypeError(
                f"{name} cannot be kept in a model file: it is an array of "
                f"{value.dtype}."
            )
        self.arrays.append(np.asarray(value, dtype=dtype, order="C"))
        return {"$array": len(self.arrays) - 1}

    def table(self):
        """Return the place of each array, as JSON, and the number of bytes of all."""
        table, end = [], 0
        for array in self.arrays:
            start = aligned(end)
            end = start + array.nbytes
            table.append(
                {
                    "dtype": array.dtype.str,
                    "offset": start,
                    "shape": list(array.shape),
                }
            )
        return table, end


class Decoder:
    """Turns JSON and the arrays of a file back into values.

    Parameters
    ----------
    table : object
        The table of the arrays in the header.
    data : memoryview
        The bytes of all arrays.
    """

    def __init__(self, table, data):
        self._arrays = [
            (dtype, shape, data[start:stop])
            for dtype, shape, start, stop in _check_table(table, data)
        ]
        self._n_read = 0

    def decode(self, value):
        """Return the value that `encode` turned into `value`."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        names = sorted(value)
        if not any(name[:1] == "$" for name in names):
            return {name: self.decode(value[name]) for name in names}
        if len(names) != 1 or names[0] not in self._DECODERS:
            raise ValueError(f"no value is written with {short(names)}")
        return self._DECODERS[names[0]](self, value[names[0]])

    def finish(self):
        """Refuse arrays that no value has used."""
        if self._n_read != len(self._arrays):
            raise ValueError("an array is not used")

    def _array(self, index):
        # Arrays are used once and in order, as they are written: none is shared.
        if not _is_int(index, self._n_read) or index == len(self._arrays):
            raise ValueError(f"array {short(index)} is out of order or does not exist")
        self._n_read += 1
        dtype, shape, data = self._arrays[index]
        values = np.ndarray(shape, dtype, data)
        if dtype.kind == "b" and (np.frombuffer(data, np.uint8) > 1).any():
            raise ValueError(f"array {index} holds a bool that is neither 0 nor 1")
        if dtype.kind == "U" and (np.frombuffer(data, "<u4") > 0x10FFFF).any():
            raise ValueError(f"array {index} holds a character beyond Unicode")
        return values.astype(dtype.newbyteorder("="))

    def _bytes(self, text):
        return _expect(text, str, "bytes").encode("latin-1")

    def _dict(self, pairs):
        if len(_expect(pairs, list, "a dict")) % 2:
            raise ValueError("a dict has a key without a value")
        value = {}
        for key, item in zip(pairs[::2], pairs[1::2], strict=True):
            if isinstance(key, dict):
                key = self.decode(key)
            if not isinstance(key, str | bytes | int | float):
                raise ValueError("a key of a dict is neither a number nor a string")
            if key in value:
                raise ValueError(f"a dict has the key {short(key)} twice")
            value[key] = self.decode(item)
        return value

    def _dtype(self, name):
        if _expect(name, str, "a dtype") not in SCALAR_TYPES:
            raise ValueError(f"{short(name)} is not a known dtype")
        return SCALAR_TYPES[name]

    def _float(self, name):
        if _expect(name, str, "a float") not in FLOATS:
            raise ValueError(f"{short(name)} is not a float")
        return FLOATS[name]

    def _random_state(self, code):
        state = self.decode(code)
        random_state(state, "a RandomState", {})
        generator = np.random.RandomState()
        generator.set_state(state)
        return generator

    def _strings(self, code):
        if len(_expect(code, list, "strings")) != 2:
            raise ValueError("an array of strings must be a shape and a list")
        shape, texts = _check_shape(code[0]), _expect(code[1], list, "strings")
        if len(texts) != math.prod(shape):
            raise ValueError("the number of strings differs from their shape")
        array = np.empty(len(texts), dtype=object)
        array[:] = [_expect(text, str, "a string") for text in texts]
        return array.reshape(shape)

    def _tuple(self, items):
        return (*map(self.decode, _expect(items, list, "a tuple")),)

    _DECODERS = {
        "$array": _array,
        "$bytes": _bytes,
        "$dict": _dict,
        "$dtype": _dtype,
        "$float": _float,
        "$random_state": _random_state,
        "$strings": _strings,
        "$tuple": _tuple,
    }


def aligned(n_bytes):
    """Return the least multiple of ALIGNMENT that is at least `n_bytes`."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


def _check_table(table, data):
    """Yield dtype, shape, start and stop of each array; bytes between must be zero."""
    if not isinstance(table, list):
        raise ValueError("the table of arrays is not a list")
    end = 0
    for i, entry in enumerate(table):
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "offset", "shape"}:
            raise ValueError(f"array {i} is not described by dtype, offset and shape")
        dtype = entry["dtype"]
        if not isinstance(dtype, str) or not DTYPE.fullmatch(dtype):
            raise ValueError(f"array {i} has the dtype {short(dtype)}")
        dtype = np.dtype(dtype)
        shape = _check_shape(entry["shape"])
        start = aligned(end)
        if not _is_int(entry["offset"], start):
            raise ValueError(f"array {i} must be at {start}")
        stop = start + math.prod(shape) * dtype.itemsize
        if stop > len(data):
            raise ValueError(f"array {i} goes beyond the end of the file")
        if any(data[end:start]):
            raise ValueError(f"bytes before array {i} are not zero")
        yield dtype, shape, start, stop
        end = stop
    if end != len(data):
        raise ValueError(f"there are {len(data)} bytes of arrays, not {end}")


def _check_shape(shape):
    if (
        not isinstance(shape, list)
        or len(shape) > 8
        or not all(_is_int(n) and 0 <= n < 2**48 for n in shape)
    ):
        raise ValueError(f"{short(shape)} is not a shape")
    # NumPy refuses a shape by the product of its lengths without the zeros.
    if math.prod(n for n in shape if n) >= 2**48:
        raise ValueError(f"the shape {short(shape)} is too large")
    return shape


def _expect(value, kind, what):
    if not isinstance(value, kind):
        raise ValueError(f"{short(value)} does not stand for {what}")
    return value


def _is_int(value, expected=None):
    # True is an int that is equal to 1.
    return type(value) is int and (expected is None or value == expected)


# JSON ----------------------------------------------------------------------------


def dump(value):
    """Return a value as JSON text, always the same: sorted names, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text):
    """Return the value of a JSON text from an unknown author.

    Refused are: an object with one name twice, a number that fits neither 64 bits nor a
    float, a string with half a character, and too many or too deep lists and objects.
    """
    check_brackets(text)

    def pairs(items):
        value = dict(items)
        if len(value) != len(items):
            raise ValueError("an object has a name twice")
        return value

    def integer(digits):
        if len(digits) > 20 or not INT_LIMITS[0] <= int(digits) <= INT_LIMITS[1]:
            raise ValueError(f"the number {digits:.40} has more than 64 bits")
        return int(digits)

    def real(digits):
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"the number {digits:.40} is not a float")
        return value

    def constant(name):
        raise ValueError(f"{name} is not JSON")

    value = json.loads(
        text,
        object_pairs_hook=pairs,
        parse_int=integer,
        parse_float=real,
        parse_constant=constant,
    )
    if "\\u" in text:
        # Only an escape can make half a character, which cannot be encoded again.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check_brackets(text):
    """Refuse JSON with too many lists and objects, or with too deep ones."""
    # A string without an end goes on to the end of the text: each character is read
    # once.
    outside = re.sub(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', "", text, flags=re.DOTALL)
    if sum(map(outside.count, "[]{}")) > 2 * MAX_CONTAINERS:
        raise ValueError(f"there are more than {MAX_CONTAINERS} lists and objects")
    brackets = re.findall(r"[][{}]", outside)
    depths = accumulate(1 if bracket in "[{" else -1 for bracket in brackets)
    if max(depths, default=0) > MAX_DEPTH:
        raise ValueError(f"lists and objects are nested deeper than {MAX_DEPTH}")
