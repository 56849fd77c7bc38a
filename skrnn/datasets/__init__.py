"""Small data sets that come with the package."""

from skrnn.datasets._japanese_vowels import load_japanese_vowels

__all__ = ["load_japanese_vowels"]
