"""Model files with something wrong in them, and what must come of reading them.

The format is read and written here by its description in ``doc/model_files.rst`` and
not by the code that is tested. Most mutations get a right checksum, so that they reach
what comes after it.
"""

import copy
import hashlib
import io
import json
import struct
import tracemalloc

import numpy as np

from skrnn.export import ModelFileError, load, save

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    7,
    440,
    441,
    625,
    1000,
    2**31 - 1,
    2**31,
    2**32,
    10**9,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
    10**30,
    0.0,
    -0.0,
    0.5,
    1.0,
    -3.5,
    5e-324,
    1e-300,
    1e300,
    "",
    "a",
    "\0",
    "é",
    "\ud800",
    "auto",
    "loss",
    "float64",
    "lstm",
    "attention",
    "adam",
    "sgd",
    "lbfgs",
    "passthrough",
    "Pipeline",
    "RNNClassifier",
    "SequenceScaler",
    "__class__",
    "__init__",
    "_theta",
    "predict",
    "x" * 3000,
    [],
    {},
    [0],
    [[]],
    {"": 0},
    {"$array": 0},
    {"$array": -1},
    {"$array": True},
    {"$tuple": []},
    {"$tuple": [1]},
    {"$tuple": [0, 1]},
    {"$tuple": [10**9, 10**9]},
    {"$tuple": [1] * 1000},
    {"$float": "nan"},
    {"$float": "inf"},
    {"$float": "-inf"},
    {"$float": "1"},
    {"$dict": []},
    {"$dict": [0, 1]},
    {"$dict": [0]},
    {"$dict": [[], 1]},
    {"$dict": [1, 1, True, 2]},
    {"$bytes": "abc"},
    {"$bytes": "€"},
    {"$dtype": "float32"},
    {"$dtype": "object"},
    {"$strings": [[1], ["a"]]},
    {"$strings": [[2], ["a"]]},
    {"$strings": [[10**9], []]},
    {"$random_state": {}},
    {"$model": {}},
    {"class": "Pipeline", "parameters": {}, "steps": []},
    {"class": "MaxAbsScaler", "fitted": None, "parameters": {}},
]
WORDS = (
    "gru lstm rnn tanh relu last mean max attention error indicator auto adam sgd "
    "lbfgs constant linear invscaling adaptive float32 float64 softmax logistic "
    "identity balanced accuracy RNNRegressor StandardScaler MinMaxScaler RobustScaler"
).split()
DTYPES = ["<f4", "<f8", "<f2", "<i8", "<u4", "|b1", "|u1", "<U1", "|S2", "<M8[s]"]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 1e-45, 5e-324, 1e38, 1e300, np.nan, np.inf, -np.inf]
TEXTS = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"1" * 5000,
    b"0." + b"3" * 5000,
    b"01",
    b"1.",
    b"[" * 40,
    b"[" * 70 + b"]" * 70,
    b'{"a":' * 100 + b"0" + b"}" * 100,
    b"[" * 100_000,
    b"[]," * 200_000,
    b'"',
    b"\\",
    b'"\\',
    b'"\\"' * 50_000,
    b'"a":0,"a":1,',
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\0",
    b"//",
    b",",
    b":",
]


def parts(data):
    """Return the header, as JSON, and the arrays of a model file."""
    n_header = struct.unpack_from("<I", data, 12)[0]
    header = json.loads(data[16 : 16 + n_header])
    body = data[16 + n_header : -32]
    arrays = []
    for entry in header["arrays"]:
        dtype, shape, start = np.dtype(entry["dtype"]), entry["shape"], entry["offset"]
        stop = start + dtype.itemsize * int(np.prod(shape))
        arrays.append(np.frombuffer(body[start:stop], dtype).reshape(shape).copy())
    return header, arrays


def build(header, arrays=None, body=b""):
    """Return the model file of a header and arrays, or of bytes in their place."""
    if arrays is not None:
        header, body = {**header, "arrays": []}, b""
        for array in arrays:
            body += bytes(-len(body) % 64)
            entry = {"dtype": array.dtype.str, "offset": len(body)}
            header["arrays"].append({**entry, "shape": list(array.shape)})
            body += array.tobytes()
    if not isinstance(header, bytes):
        header = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-(16 + len(header)) % 64)
    start = b"\x93SKRNN\r\n" + struct.pack("<II", 1, len(header))
    return sealed(start + header + body)


def sealed(data):
    """Return bytes with their checksum."""
    return data + hashlib.sha256(data).digest()


def places(value):
    """Return all places in JSON, as the container and the key or index there."""
    found = []
    stack = [value]
    while stack:
        container = stack.pop()
        items = container.items() if isinstance(container, dict) else None
        for key, item in items or enumerate(container):
            found.append((container, key))
            if isinstance(item, dict | list) and item:
                stack.append(item)
    return found


def mutate_bytes(data, rng):
    """Return bytes with flipped bits, or a part lost, doubled or overwritten."""
    data = bytearray(data)
    kind = rng.randrange(6)
    start = rng.randrange(len(data))
    length = rng.choice([1, 1, 4, 8, 64, rng.randrange(1, 2000)])
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[start:]
    elif kind == 2:
        del data[start : start + length]
    elif kind == 3:
        data[start:start] = data[start : start + length]
    elif kind == 4:
        data[start:start] = bytes(rng.randrange(256) for _ in range(length))
    else:
        byte = rng.choice([0, 255, 32, rng.randrange(256)])
        data[start : start + length] = bytes([byte]) * len(data[start : start + length])
    return bytes(data)


def mutate_json(header, rng):
    """Change JSON at some places."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        container, key = rng.choice(places(header))
        kind = rng.randrange(11)
        if kind == 0 and isinstance(container, dict):
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[rng.choice(VALUES[32:53])] = container[key]
        elif kind == 2 and isinstance(container, dict):
            container[rng.choice(VALUES[32:53])] = container.pop(key)
        elif kind in (0, 1, 2):
            container[key : key + 1] = [container[key]] * rng.choice([0, 2, 3])
        elif kind == 3:
            other, place = rng.choice(places(header))
            container[key] = copy.deepcopy(other[place])
        elif kind == 4 and type(container[key]) in (int, float):
            container[key] = container[key] + rng.choice([-2, -1, 1, 2, 0.5, 1e9])
        elif kind > 7:
            # What is likely to pass the first checks.
            alike = [v for v in VALUES + WORDS if type(v) is type(container[key])]
            container[key] = copy.deepcopy(rng.choice(alike))
        else:
            container[key] = copy.deepcopy(rng.choice(VALUES))
    return header


def mutate_array(array, rng):
    """Return an array with other numbers, shape or dtype."""
    kind = rng.randrange(5)
    if kind == 0:
        dtype = np.dtype(rng.choice(DTYPES))
        if array.dtype.kind in "iuf" and dtype.kind in "iuf":
            return array.astype(dtype)
        data = array.tobytes() + bytes(dtype.itemsize)
        whole = np.frombuffer(
            data[: len(data) // dtype.itemsize * dtype.itemsize], dtype
        )
        return np.resize(whole, array.shape)
    if kind == 1:
        return np.resize(array, rng.choice([(), (0,), (1,), (3,), (625,), (2, 2)]))
    if kind == 2 and array.ndim:
        return np.concatenate([array, array[:1]]) if rng.randrange(2) else array[:-1]
    if kind == 3 and array.size and array.dtype.kind in "iuf":
        flat = array.reshape(-1).copy()
        number = np.float64(rng.choice(NUMBERS))
        if array.dtype.kind != "f":
            number = np.nan_to_num(number, posinf=2**31, neginf=-(2**31))
            number = np.clip(number, -(2**31), 2**31)
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = np.float64(number).astype(array.dtype)
        return flat.reshape(array.shape)
    data = bytearray(array.tobytes())
    for _ in range(rng.choice([1, 5])):
        if data:
            data[rng.randrange(len(data))] = rng.choice([0, 255, rng.randrange(256)])
    return np.frombuffer(bytes(data), array.dtype).reshape(array.shape)


def mutate(data, rng):
    """Return a model file with something changed, and how.

    Parameters
    ----------
    data : bytes
        A model file.
    rng : random.Random
        Draws what is changed.

    Returns
    -------
    kind : str
    data : bytes
    """
    kind = rng.choice(
        ["bytes", "sealed bytes", "text", "header", "header", "header", "arrays", "all"]
    )
    if kind == "bytes":
        return kind, mutate_bytes(data, rng)
    if kind == "sealed bytes":
        return kind, sealed(mutate_bytes(data[:-32], rng))
    header, arrays = parts(data)
    if kind == "text":
        n_header = struct.unpack_from("<I", data, 12)[0]
        text = data[16 : 16 + n_header].rstrip()
        start = rng.randrange(len(text))
        stop = start + rng.choice([0, 0, 1, 5])
        text = text[:start] + rng.choice(TEXTS) + text[stop:]
        return kind, build(text, body=data[16 + n_header : -32])
    if kind in ("arrays", "all") and arrays:
        for _ in range(rng.choice([1, 2])):
            i = rng.randrange(len(arrays))
            with np.errstate(all="ignore"):
                arrays[i] = mutate_array(arrays[i], rng)
    if kind in ("header", "all"):
        header = mutate_json(header, rng)
    if kind == "header" and rng.randrange(2):
        n_header = struct.unpack_from("<I", data, 12)[0]
        return kind, build(header, body=data[16 + n_header : -32])
    return kind, build(header, arrays)


def memory_of_loading(data):
    """Load a file; return the estimator or the error, and the memory it took at most.

    Memory is traced from the first call on: to start and to stop it each time leaks.
    """
    file = io.BytesIO(data)
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    try:
        found = load(file)
    except ModelFileError as error:
        found = str(error)
    return found, tracemalloc.get_traced_memory()[1] - before


def allowed_memory(data):
    """Return how many bytes it may take: 30 times the size of the file, and 4 MB."""
    return 30 * len(data) + 2**22


def saved(estimator):
    """Return the model file of an estimator."""
    file = io.BytesIO()
    save(estimator, file)
    return file.getvalue()
