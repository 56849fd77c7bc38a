"""Tables of embeddings: their sizes, their first rows, and how they are trained."""

import dataclasses

import numpy as np

from skrnn.network.inputs import auto_embedding_size
from skrnn.solvers import SOLVERS


def describe_embeddings(estimator, categories):
    """Return what the structure of a network says of embeddings.

    Parameters
    ----------
    estimator : estimator
        With the parameters of embeddings.
    categories : Categories

    Returns
    -------
    structure : dict
        ``n_ids`` and ``embedding_sizes`` of the categorical features.
    """
    asked, sizes = estimator.embedding_size, []
    if isinstance(asked, dict):
        names = getattr(estimator, "feature_names_in_", ())
        known = {*categories.features}
        known |= {names[f] for f in categories.features if f < len(names)}
        unknown = [key for key in asked if key not in known]
        if unknown:
            raise ValueError(
                f"embedding_size has {unknown[0]!r}, which is not a categorical "
                f"feature. These are: {sorted(map(str, known))}."
            )
    for feature, n_ids in zip(categories.features, categories.sizes, strict=True):
        size = asked
        if isinstance(asked, dict):
            size = asked.get(feature, "auto")
            if hasattr(estimator, "feature_names_in_"):
                size = asked.get(estimator.feature_names_in_[feature], size)
        if size == "auto" and estimator.embedding_init is not None:
            tokens = categories.vocabularies[feature].tokens
            size = size_of_vectors(estimator.embedding_init, tokens)
        sizes.append(auto_embedding_size(n_ids - 1) if size == "auto" else int(size))
    return {"n_ids": tuple(categories.sizes), "embedding_sizes": tuple(sizes)}


def _given(init, token):
    """Return the vector of a token in a mapping, or None."""
    table = init.index if hasattr(init, "loc") and hasattr(init, "index") else init
    if token not in table:
        return None
    return init.loc[token] if table is not init else init[token]


def size_of_vectors(init, tokens):
    """Return how long the vectors of a mapping are, "auto" if it has no token."""
    for token in tokens:
        vector = _given(init, token)
        if vector is not None:
            return len(vector)
    return "auto"


def initialize_embeddings(model, init, seed):
    """Return a model whose tables begin with the vectors of a mapping.

    Parameters
    ----------
    model : SequenceModel
    init : mapping or None
    seed : int
        Draws the rows of tokens that the mapping lacks.
    """
    if init is None or model.categories is None:
        return model
    layout = model.spec.layout(model.target.loss())
    theta = model.theta.copy()
    views = layout.views(theta)
    random_state = np.random.RandomState([seed, 3])
    for j, feature in enumerate(model.categories.features):
        if f"embedding{j}.W" not in views:
            continue
        tokens = model.categories.vocabularies[feature].tokens
        write_vectors(views[f"embedding{j}.W"], init, tokens, random_state)
    return model.with_theta(theta)


def write_vectors(table, init, tokens, random_state):
    """Begin a table with the vectors of a mapping, if it has any of the tokens.

    Parameters
    ----------
    table : ndarray of shape (n_rows, size)
        Changed in place. The rows of tokens that the mapping lacks, and rows that are
        not of a token, are drawn with the spread of the vectors.
    init : mapping
    tokens : ndarray of shape (n_tokens,)
    random_state : RandomState
    """
    rows = {}
    for i, token in enumerate(tokens):
        vector = _given(init, token)
        if vector is None:
            continue
        vector = np.asarray(vector, dtype=np.float64)
        if vector.shape != table.shape[1:]:
            raise ValueError(
                f"embedding_init has a vector of shape {vector.shape} for "
                f"{token!r}, and embedding_size is {table.shape[1]}."
            )
        rows[i] = vector
    if not rows:
        return
    given = np.array(list(rows.values()))
    if not np.isfinite(given).all():
        raise ValueError("embedding_init holds values that are not finite.")
    mean, spread = given.mean(), given.std() or 1.0
    drawn = 2 * random_state.random_sample(table.shape) - 1
    table[...] = mean + np.sqrt(3.0) * spread * drawn
    table[list(rows)] = given


def pass_options_with_embeddings(estimator, model):
    """Return the PassOptions of a training, with those of embeddings."""
    options = estimator._pass_options()
    if model.categories is None:
        return options
    once = []
    for feature in model.categories.features:
        counts = model.categories.vocabularies[feature].counts
        # Where rarer categories share the unknown row, they train it.
        hide = counts is not None and counts[-1] == 0 and (counts[:-1] == 1).any()
        once.append(np.append(counts[:-1] == 1, False) if hide else None)
    drops = SOLVERS[estimator.solver].drops_out
    return dataclasses.replace(
        options,
        embedding_dropout=estimator.embedding_dropout if drops else 0.0,
        embedding_frozen=not estimator.embedding_trainable,
        seen_once=tuple(once) if drops else (),
    )


def count_frozen(estimator, model):
    """Return how many parameters, the first ones, are tables that are not trained."""
    if estimator.embedding_trainable or model.categories is None:
        return 0
    stops = [
        slot.stop
        for slot in model.spec.layout().slots
        if slot.name.startswith("embedding")
    ]
    return max(stops, default=0)


def without_moments(solver_state, model):
    """Return what a solver has kept, as if no table had ever been trained.

    Moments of earlier gradients would move tables that are not trained any more.
    """
    if solver_state is None or model.categories is None:
        return solver_state
    name, state = solver_state
    state, layout = dict(state), model.spec.layout(model.target.loss())
    for key, array in state.items():
        if isinstance(array, np.ndarray) and array.shape == (layout.n_params,):
            state[key] = array.copy()
            for slot in layout.slots:
                if slot.name.startswith("embedding"):
                    state[key][slot.start : slot.stop] = 0
    return name, state
