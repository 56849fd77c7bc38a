"""How the columns of tables become the covariates of series."""

import numpy as np

from skrnn.inputs.columns import select_columns

__all__ = ["Covariates", "assign_roles", "learn_categories"]


def assign_roles(table, *, static, known_future, default, target=None):
    """What each column of a table is.

    Parameters
    ----------
    table : Table
        The first table.
    static, known_future, target : None, callable, str, int or list of these
        Names, numbers, a mask, or a function of the table that gives these.
        `known_future` may be "all" or "auto", too.
    default : "all" or None
        What "auto" means.

    Returns
    -------
    roles : list of {"target", "past", "future", "static", "time"}
    """
    roles = ["past"] * table.n_columns
    if table.time_column is not None:
        roles[table.time_column] = "time"
    if isinstance(known_future, str) and known_future == "auto":
        known_future = default
    selections = [("target", target), ("static", static)]
    everything = isinstance(known_future, str) and known_future == "all"
    if not everything:
        selections.append(("future", known_future))
    for role, selection in selections:
        option = "known_future" if role == "future" else role
        for j in select_columns(selection, table, option):
            if roles[j] == "past":
                roles[j] = role
            elif roles[j] != "static":
                other = "the time index" if roles[j] == "time" else "a target"
                raise ValueError(
                    f"{option} names {table.column_name(j)}, which is {other}."
                )
    if everything:
        roles = ["future" if role == "past" else role for role in roles]
    return roles


# More categories than this, of which each has few rows, are values written as text.
MANY_CATEGORIES, LARGE_SHARE = 30, 0.2


def _is_number(text):
    """Whether a text is a number, perhaps with a comma in it."""
    try:
        float(text.strip().replace(",", ".", 1).replace(",", ""))
    except ValueError:
        return False
    return True


def _refuse_numbers_as_text(found, n_rows, name):
    """Refuse numbers that are written as text, and texts that differ in each row."""
    texts = [value for value in found if isinstance(value, str)]
    numbers = [text for text in texts if _is_number(text)]
    fractions = [text for text in numbers if not text.strip().lstrip("+-").isdigit()]
    many = len(found) > max(MANY_CATEGORIES, LARGE_SHARE * n_rows)
    most_are_numbers = len(numbers) > 0.8 * len(found)
    if most_are_numbers and (many or len(fractions) > max(4, len(numbers) / 4)):
        strange = sorted(set(texts) - set(numbers))[:3]
        but = f", besides {strange}" if strange else ""
        raise ValueError(
            f"{name} holds numbers as text, such as {sorted(numbers)[0]!r}{but}: each "
            f"of {len(found)} values would be a category. Convert it: "
            "pd.to_numeric(column, errors='coerce'), after .str.replace(',', '.') where"
            " commas are decimal points. Name it in categorical_features if these are "
            "categories."
        )
    if many and len(texts) == len(found):
        raise ValueError(
            f"{name} has {len(found)} different texts in {n_rows} rows, each of which "
            "would be a category. Leave it out, or convert it to numbers "
            "(pd.to_numeric) or times (pd.to_datetime). Name it in "
            "categorical_features if these are categories."
        )


def learn_categories(tables, pasts, columns, roles, by_dtype=False):
    """The categories of each column, None for a column of numbers.

    Parameters
    ----------
    tables : list of Table
        The tables of all series.
    pasts : list of int
        How many rows of each are history: only these are read of columns that are
        known of the past only.
    columns : list of int
        Which columns are categorical.
    roles : list of str
        What each column is.
    by_dtype : bool, default=False
        Whether nobody has named the columns, so that they may be something else.
    """
    categories = [None] * len(roles)
    for j in columns:
        if roles[j] in ("target", "time"):
            raise ValueError(
                f"categorical_features names {tables[0].column_name(j)}, which is "
                f"{'a target' if roles[j] == 'target' else 'the time index'}."
            )
        found = set()
        for table, n_past in zip(tables, pasts, strict=True):
            found |= table.categories(j, n_past if roles[j] == "past" else table.n_rows)
        if by_dtype and roles[j] != "static":
            n_rows = sum(table.n_rows for table in tables)
            _refuse_numbers_as_text(found, n_rows, tables[0].column_name(j))
        categories[j] = sorted(found, key=lambda v: (isinstance(v, str), v))
    return categories


class Covariates:
    """Which columns of `Series.x` are made of each column of `X`.

    Those known of the past only come first, then those known of the future too; of
    each, numbers come before categories.

    Parameters
    ----------
    roles : list of {"target", "past", "future", "static", "time"}
        What each column of `X` is.
    categories : list
        The categories of each column of `X`, None for a column of numbers.

    Attributes
    ----------
    n_past_only, n_known_future : int
        How many columns of `Series.x` are known of the past only, and of the future
        too.
    changing : ndarray of shape (n_covariates,), bool
        Which columns of `Series.x` are not static.
    """

    def __init__(self, roles, categories):
        self._groups = []  # for past and future: columns of numbers, of categories
        self._slices = {}  # where each column of X is in x
        self._codes = {}  # the code of each category, of columns of categories
        self._static = [j for j, role in enumerate(roles) if role == "static"]
        start, widths = 0, []
        for known in (("past",), ("future", "static")):
            columns = [j for j, role in enumerate(roles) if role in known]
            numbers = [j for j in columns if categories[j] is None]
            others = [j for j in columns if categories[j] is not None]
            first = start
            for j in numbers + others:
                # A column that never had any category leaves none.
                width = 1 if categories[j] is None else len(categories[j])
                self._slices[j] = slice(start, start + width)
                start += width
            for j in others:
                self._codes[j] = {value: i for i, value in enumerate(categories[j])}
            self._groups.append((np.array(numbers, dtype=np.intp), others))
            widths.append(start - first)
        self.n_past_only, self.n_known_future = widths
        self._unknown_row = np.full(start, np.nan)
        for j in self._codes:
            if roles[j] == "past":
                self._unknown_row[self._slices[j]] = 0.0
        self.changing = np.ones(start, dtype=bool)
        for j in self._static:
            self.changing[self._slices[j]] = False

    def __len__(self):
        return self.n_past_only + self.n_known_future

    def names(self, columns):
        """The names of the columns of `Series.x`, by those of the columns of `X`."""
        return [
            f"{columns[j]}={category}" if j in self._codes else columns[j]
            for j in self._slices
            for category in self._codes.get(j, [None])
        ]

    def unknown(self, n_rows):
        """Rows of which nothing is known."""
        x = np.empty((n_rows, len(self)))
        x[:] = self._unknown_row
        return x

    def read(self, table, n_past, names):
        """Read the covariates of all rows of a table.

        Parameters
        ----------
        table : Table
            With the columns of `X`.
        n_past : int
            How many rows are history.
        names : list of str or None
            The names of the columns of `X`.

        Returns
        -------
        x : ndarray of shape (n_rows, n_covariates)
        """
        x = self.unknown(table.n_rows)
        for (numbers, others), stop in zip(
            self._groups, (n_past, table.n_rows), strict=True
        ):
            if numbers.size:
                start = self._slices[numbers[0]].start
                x[:stop, start : start + numbers.size] = table.numbers(numbers, stop)
            for j in others:
                codes = table.codes(j, stop, self._codes[j])
                # No category is a value like others: there is no holiday on most days.
                x[:stop, self._slices[j]] = 0.0
                row = np.flatnonzero(codes >= 0)
                x[row, codes[row] + self._slices[j].start] = 1.0
        self.fill_static(x, table.name, names)
        return x

    def fill_static(self, x, table_name, names):
        """Give all rows the constant that some of them have."""
        for j in self._static:
            part = x[:, self._slices[j]]
            if j in self._codes:
                known = np.flatnonzero((part == 1).any(axis=1))
            else:
                known = np.flatnonzero(~np.isnan(part[:, 0]))
            if not known.size:
                continue
            odd = np.flatnonzero((part[known] != part[known[0]]).any(axis=1))
            if odd.size:
                label = names[j] if names else j
                raise ValueError(
                    f"Column {label!r} of {table_name} is static, but its values "
                    f"differ: it changes in row {known[odd[0]]}. Take it out of static."
                )
            part[:] = part[known[0]]

    def copy_static(self, x, row):
        """Give all rows of `x` the constants of a row."""
        for j in self._static:
            x[:, self._slices[j]] = row[self._slices[j]]
