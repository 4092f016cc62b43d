"""Systems from the literature, one a file."""

from hetero_mmer.models.hhmpn import HHMPN

__all__ = ['HHMPN']
