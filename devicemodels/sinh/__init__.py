"""Cell with the read nonlinearity of a tunnelling gap: i = g sinh(a v)/a."""

from devicemodels.sinh.params import PUBLISHED, SinhParams

__all__ = ["PUBLISHED", "SinhParams"]
