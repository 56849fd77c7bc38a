"""Names of parametrised tests that are the same in each process."""

import re


def plain(value):
    """Return `str(value)` without the addresses of objects."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", str(value))
