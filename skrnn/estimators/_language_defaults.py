"""What a language model chooses where its parameters are 'auto'.

All is chosen by how many tokens there are to learn from, how many different ones, and
how many weights a network has. doc/defaults.rst tells the experiments.
"""

from math import log10, sqrt

__all__ = ["auto_dropout", "auto_epochs", "auto_order", "auto_rate", "auto_units"]

# Below so many tokens, or above so many different ones, 128 units do.
FEW_TOKENS, MANY_DIFFERENT = 50_000, 1_000
# From so many tokens on more units pay.
MANY_TOKENS = 800_000
# So many operations are some two minutes of one core.
OPERATIONS = 1e13
# Words are learned by heart after a few epochs.
LEAST_EPOCHS, MOST_EPOCHS, MOST_EPOCHS_OF_WORDS = 1, 8, 4
# The rate that suits so many units; it falls with their root.
RATE, RATE_UNITS = 0.008, 128


def auto_units(n_tokens, n_different):
    """Return how many units the layer has."""
    if n_tokens < FEW_TOKENS or n_different > MANY_DIFFERENT:
        return 128
    return 256 if n_tokens < MANY_TOKENS else 352


def auto_dropout(n_tokens):
    """Return which share of the outputs is dropped: half of them in small texts."""
    rate = 0.5 - 0.15 * log10(max(n_tokens, 1) / 20_000)
    return round(min(max(rate, 0.1), 0.5), 2)  # the same one on every machine


def auto_rate(units):
    """Return the first learning rate of Adam or SGD for layers of so many units."""
    return RATE * min(1.0, sqrt(RATE_UNITS / max(units)))


def auto_epochs(n_tokens, n_different, n_weights):
    """Return how many epochs take some two minutes, forwards and backwards."""
    n_epochs = OPERATIONS / (6.0 * n_weights * max(n_tokens, 1))
    most = MOST_EPOCHS if n_different <= MANY_DIFFERENT else MOST_EPOCHS_OF_WORDS
    return min(max(round(n_epochs), LEAST_EPOCHS), most)


def auto_order(form, unit):
    """Return the length of the n-grams: a text has fewer words than characters."""
    return 7 if form == "text" and unit != "word" else 4
