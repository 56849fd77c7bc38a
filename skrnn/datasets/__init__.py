"""Small data sets that come with the package."""

from skrnn.datasets._japanese_vowels import load_japanese_vowels
from skrnn.datasets._shakespeare import load_shakespeare

__all__ = ["load_japanese_vowels", "load_shakespeare"]
