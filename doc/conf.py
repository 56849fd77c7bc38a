"""Sphinx: numpydoc for the reference, sphinx-gallery for the examples."""

from importlib.metadata import version as installed_version

project = "skrnn"
author = "The skrnn developers"
copyright = "2026, The skrnn developers"
release = version = installed_version("skrnn")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["skrnn.css"]
default_role = "literal"

autosummary_generate = True
numpydoc_show_class_members = False  # the template of classes shows them whole
# The groups of examples, in the order of the pages.
GROUPS = [
    "classification",
    "inspection",
    "regression",
    "forecasting",
    "tagging",
    "language",
    "translation",
    "transcription",
    "anomalies",
    "comparison",
    "streams",
]
sphinx_gallery_conf = {
    "subsection_order": [f"../examples/{group}" for group in GROUPS],
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Those that are run; one that asks in a terminal is shown only.
    "filename_pattern": r"(plot_\w+|japanese_vowels)\.py$",
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
html_sidebars = {"index": []}
html_title = f"skrnn {version}"
# What a class inherits from scikit-learn speaks of scikit-learn's glossary.
suppress_warnings = ["ref.term"]
