"""Networks that wait for the next call of a model."""

from collections import deque

__all__ = ["Lender"]


class Lender(deque):
    """Networks that are loaded and idle: to make one takes longer than to run it.

    Threads of the user predict at once. Each borrows one and appends it afterwards;
    meanwhile it is its own.
    """

    def borrow(self, make):
        """Return an idle one, or what ``make()`` returns."""
        try:
            return self.pop()
        except IndexError:
            return make()
