"""What a report of a problem should say."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "scikit-learn",
    "numpy",
    "scipy",
    "joblib",
    "threadpoolctl",
    "Cython",
    "setuptools",
    "pip",
)


def show_versions():
    """Print versions, compiler, instruction set and threads, for reports of problems.

    Examples
    --------
    >>> import skrnn
    >>> skrnn.show_versions()  # doctest: +SKIP
    """
    # Imported here: this much of skrnn works when the compiled modules do not load.
    from skrnn import __version__
    from skrnn._recurrence import build_info

    sections = {
        "System": {
            "python": sys.version.replace("\n", " "),
            "executable": sys.executable,
            "machine": platform.platform(),
        },
        "Python packages": {
            "skrnn": __version__,
            **{name: _installed(name) for name in PACKAGES},
        },
        "Compiled with": build_info(),
    }
    for title, entries in sections.items():
        print(f"\n{title}:")
        width = max(map(len, entries))
        for name, value in entries.items():
            print(f"{name:>{width}}: {value}")


def _installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
