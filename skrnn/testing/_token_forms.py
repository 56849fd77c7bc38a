"""Forms in which tokens are handed in, good ones and bad ones."""

from collections import UserList

import numpy as np

from skrnn.testing._forms import (
    EITHER,
    at_row,
    each,
    import_or_skip,
    objects,
    pandas_series,
)

# What is accepted ------------------------------------------------------------------


def strings(dtype):
    """Texts as a pandas Series of a dtype."""

    def make(X):
        pandas = import_or_skip("pandas")
        return pandas.Series(X, index=np.arange(len(X))[::-1], dtype=dtype)

    return make


def polars_column(X):
    return import_or_skip("polars").Series(X)


def object_array(x):
    return objects(list(x))


def column(x):
    return objects(list(x))[:, np.newaxis]


def gaps(x):
    wide = objects([*x, *x])
    wide[::2] = objects(list(x))
    return wide[::2]


def steps(x):
    return [[token] for token in x]


def with_dtype(package_dtype):
    """Frames whose tokens have another type."""

    def make(frames):
        return [frame.astype({"kind": package_dtype}) for frame in frames]

    return make


def polars_frames(frames):
    polars = import_or_skip("polars")
    return [polars.DataFrame(frame.to_dict(orient="list")) for frame in frames]


def polars_categories(frames):
    polars = import_or_skip("polars")
    kind = polars.col("kind").cast(polars.Categorical)
    return [frame.with_columns(kind) for frame in polars_frames(frames)]


# By name: what the sequences are, what the form is, and what makes it of a list of str,
# of lists of str, or of DataFrames with the columns "level", of numbers, and "kind".
TOKEN_FORMS = {
    # A text is the sequence of its characters.
    "text_tuple": ("texts", "a tuple of texts", tuple),
    "text_array": ("texts", "an array of str", np.array),
    "text_objects": ("texts", "an object array of texts", objects),
    "text_user_list": ("texts", "a Sequence of texts", UserList),
    "text_characters": ("texts", "lists of characters", each(list)),
    "text_pandas": ("texts", "a pandas Series of texts", pandas_series),
    "text_pandas_string": ("texts", "a pandas Series of string", strings("string")),
    "text_polars": ("texts", "a polars String column", polars_column),
    # Lists of tokens.
    "token_tuples": ("tokens", "tuples of tokens", lambda X: tuple(map(tuple, X))),
    "token_objects": ("tokens", "an object array of lists", objects),
    "token_arrays": ("tokens", "arrays of str", each(np.array)),
    "token_object_arrays": ("tokens", "object arrays of tokens", each(object_array)),
    "token_strided": ("tokens", "arrays of tokens with gaps", each(gaps)),
    "token_columns": ("tokens", "object arrays of one column", each(column)),
    "token_steps": ("tokens", "lists with a list for each step", each(steps)),
    "token_pandas": ("tokens", "a pandas Series of lists", pandas_series),
    "token_pandas_items": ("tokens", "pandas Series of tokens", each(pandas_series)),
    "token_polars": ("tokens", "a polars List of String", polars_column),
    "token_polars_items": ("tokens", "polars Series of tokens", each(polars_column)),
    # Tokens beside numbers.
    "frame_objects": ("frames", "frames of objects", with_dtype(object)),
    "frame_string": ("frames", "frames of string", with_dtype("string")),
    "frame_category": ("frames", "frames of category", with_dtype("category")),
    "frame_polars": ("frames", "polars frames", polars_frames),
    "frame_polars_category": ("frames", "polars categories", polars_categories),
}  # fmt: skip


# What is refused -------------------------------------------------------------------


def number_among(x):
    return [*x[:-1], 3]


# By name: what is wrong with one sequence of tokens, how it is refused, and what makes
# it of a good one.
BAD_TOKENS = {
    "no_token": ("a sequence without tokens", ValueError, lambda x: []),
    "empty_text": ("a text without characters", ValueError, lambda x: ""),
    "bytes": ("bytes among texts", EITHER, lambda x: b"abc"),
    "bytes_token": ("a token that is bytes", EITHER, lambda x: [*x[:-1], b"abc"]),
    "number_among_tokens": ("a number among tokens", ValueError, number_among),
    "list_token": ("a token that is a list", EITHER, lambda x: [*x[:-1], ["a", "b"]]),
    "number_sequence": ("a sequence of numbers", EITHER, lambda x: np.ones((3, 1))),
}  # fmt: skip
TOKEN_ERRORS = {
    name: (description, errors, at_row(change))
    for name, (description, errors, change) in BAD_TOKENS.items()
} | {"one_text": ("one text, and no list of them", EITHER, lambda X: "a b c d")}
