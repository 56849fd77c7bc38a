"""Small data sets that come with the package."""

from skrnn.datasets._dates import make_dates
from skrnn.datasets._japanese_vowels import load_japanese_vowels
from skrnn.datasets._pronunciations import load_pronunciations
from skrnn.datasets._shakespeare import load_shakespeare

__all__ = [
    "load_japanese_vowels",
    "load_pronunciations",
    "load_shakespeare",
    "make_dates",
]
