"""Model files: an estimator in one file, which holds data and no code.

`load` trusts nothing in a file: it returns an estimator as `fit` leaves it, or raises
one error. ``doc/model_files.rst`` describes the format.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import struct

from skrnn import __version__
from skrnn._stamp import release, warn_if_newer
from skrnn.export.models import describe, restore
from skrnn.export.values import (
    Decoder,
    Encoder,
    aligned,
    check_brackets,
    dump,
    parse,
)

# As in PNG: no text file begins like this, and a program that changes line ends or
# clears the highest bit of each byte is noticed.
MAGIC = b"\x93SKRNN\r\n"
VERSION = 1
PREFIX = struct.Struct("<8sII")  # magic, version of the format, bytes of the header
N_CHECKSUM = hashlib.sha256().digest_size
# The errors that checks raise, and errors that a value may cause that no check sees.
WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class ModelFileError(ValueError):
    """The file is not a model file, or it is damaged or not understood.

    See Also
    --------
    load : Raises this error.

    Examples
    --------
    >>> import io
    >>> from skrnn.export import ModelFileError, load
    >>> try:
    ...     load(io.BytesIO(b"GIF89a"))
    ... except ModelFileError:
    ...     print("The picture is not a model.")
    The picture is not a model.
    """

    __module__ = "skrnn.export"


def save(estimator, path):
    """Write an estimator to a model file.

    The file holds data and no code: loading it runs nothing that is in it. Equal
    estimators give equal files, byte for byte. The file is written under another name
    in the same folder and then renamed. So at any time there is the old file or the new
    file, and never a part of one.

    Parameters
    ----------
    estimator : estimator instance
        An estimator or transformer of this package, fitted or not; `StandardScaler`,
        `MinMaxScaler`, `MaxAbsScaler` or `RobustScaler` of scikit-learn; or a
        :class:`~sklearn.pipeline.Pipeline` of these and ``"passthrough"``.
    path : str, path-like or binary file
        Where to write. An existing file is replaced.

    Raises
    ------
    TypeError
        If the estimator, a step of the pipeline or a parameter cannot be kept without
        code, for example a function as `scoring`.
    ValueError
        If the fitted attributes are not as `fit` leaves them.

    See Also
    --------
    load : Read the file.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.export import load, save
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) for n in rng.integers(3, 9, size=20)]
    >>> model = RNNRegressor(4, max_iter=5).fit(X, [len(x) for x in X])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skrnn")
    ...     save(model, path)
    ...     again = load(path)
    >>> bool(np.all(again.predict(X) == model.predict(X)))
    True
    """
    parts = _parts(estimator)
    if hasattr(path, "write"):
        for part in parts:
            path.write(part)
    else:
        _replace(path, parts)


def load(path):
    """Read an estimator from a model file.

    Nothing in the file is run, and all of it is checked before it is used. A file that
    is damaged, or made to do harm, is refused. This takes little more memory than the
    size of the file. The loaded estimator predicts the same bits as the saved one, and
    its training continues as if it had never been interrupted.

    Parameters
    ----------
    path : str, path-like or binary file
        A file that :func:`save` has written.

    Returns
    -------
    estimator : estimator instance
        The estimator as it was saved.

    Raises
    ------
    ModelFileError
        If this is not a model file, or anything in it is wrong.
    OSError
        If the file cannot be read.

    Warns
    -----
    NewerVersionWarning
        If a newer version of skrnn has written the file.

    See Also
    --------
    save : Write a model file.

    Examples
    --------
    >>> import io
    >>> from skrnn.export import load
    >>> load(io.BytesIO(b"GIF89a"))
    Traceback (most recent call last):
    ...
    skrnn.export.ModelFileError: <_io.BytesIO object at ...> is not a model file.
    """
    if isinstance(path, int):
        raise TypeError(f"path must be a path or a file, got the number {path!r}.")
    if hasattr(path, "read"):
        return _read(path, getattr(path, "name", path))
    with open(path, "rb") as file:
        return _read(file, os.fspath(path))


# Writing -----------------------------------------------------------------------------


def _parts(estimator):
    """Return the parts of the file, as a list of buffers."""
    encoder = Encoder()
    model = describe(estimator, encoder)
    table, n_bytes = encoder.table()
    header = dump({"arrays": table, "model": model, "skrnn": __version__})
    check_brackets(header)
    header += " " * (aligned(PREFIX.size + len(header)) - PREFIX.size - len(header))
    parts = [PREFIX.pack(MAGIC, VERSION, len(header)), header.encode("ascii")]
    end = 0
    for entry, array in zip(table, encoder.arrays, strict=True):
        parts.append(bytes(entry["offset"] - end))
        parts.append(memoryview(array.reshape(-1).view("u1")))
        end = entry["offset"] + array.nbytes
    checksum = hashlib.sha256()
    for part in parts:
        checksum.update(part)
    return [*parts, checksum.digest()]


def _replace(path, parts):
    """Write a file beside `path`, make sure that it is on the disk, and rename it."""
    path = os.path.realpath(os.fsdecode(path))  # the target of a link
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileExistsError(f"{path!r} exists and is not a file.")
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".skrnn-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    # The new name should also survive a power cut, if folders can be synchronised.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Reading -----------------------------------------------------------------------------


def _read(file, name):
    start = file.read(PREFIX.size)
    if not isinstance(start, bytes):
        raise TypeError("A model file must be opened in binary mode.")
    if not start.startswith(MAGIC):
        raise ModelFileError(f"{name} is not a model file.")
    data = memoryview(start + file.read())
    stamp = []
    try:
        estimator = _understand(data, stamp)
    except WRONG as error:
        advice = ""
        if stamp and release(stamp[0]) > release(__version__):
            advice = (
                f" It was saved by skrnn {stamp[0]}, and this is {__version__}: use at "
                "least the version that saved it."
            )
        reason = str(error).rstrip(".")
        raise ModelFileError(f"{name} cannot be loaded: {reason}.{advice}") from error
    warn_if_newer(stamp[0], type(estimator).__name__, stacklevel=3)
    return estimator


def _understand(data, stamp):
    """Return the estimator; leave the version that saved it in the list `stamp`."""
    if len(data) < PREFIX.size + N_CHECKSUM:
        raise ValueError("it is incomplete")
    _, version, n_header = PREFIX.unpack_from(data)
    if version != VERSION:
        raise ValueError(
            f"its format is version {version}, and skrnn {__version__} reads version "
            f"{VERSION}"
        )
    data, checksum = data[:-N_CHECKSUM], data[-N_CHECKSUM:]
    if hashlib.sha256(data).digest() != checksum:
        raise ValueError("it is damaged or incomplete: its checksum differs")
    start = PREFIX.size + n_header
    if start > len(data) or start != aligned(start):
        raise ValueError("its header does not end at a place where arrays can begin")
    header = parse(str(data[PREFIX.size : start], "utf-8"))
    if not isinstance(header, dict) or header.keys() != {"arrays", "model", "skrnn"}:
        raise ValueError("its header must hold 'arrays', 'model' and 'skrnn' only")
    if not isinstance(header["skrnn"], str) or len(header["skrnn"]) > 80:
        raise ValueError("the skrnn version is not a string")
    stamp.append(header["skrnn"])
    decoder = Decoder(header["arrays"], data[start:])
    estimator = restore(header["model"], decoder)
    decoder.finish()
    return estimator
