"""What the transformers of this package share."""

from sklearn.base import TransformerMixin

__all__ = ["SequenceTransformerMixin"]


class SequenceTransformerMixin(TransformerMixin, auto_wrap_output_keys=None):
    """Mixin of transformers that return sequences, which are no table.

    There are no names of output columns, and nothing for `set_output` to wrap.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(self, *, transform=None):
        """Accept a container of output, and change nothing.

        Sequences are no table, so they come as they always do. A pipeline can still
        set the output of its other steps.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : object
            The transformer, as it was.
        """
        return self
