"""Systems from the literature, one a file."""

from hetero_mmer.models.carat import CARAT
from hetero_mmer.models.hhmpn import HHMPN

__all__ = ['CARAT', 'HHMPN']
