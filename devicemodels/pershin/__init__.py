"""Pershin and Di Ventra: resistance that moves at a constant slope above a voltage threshold (2012)."""

from devicemodels.pershin.params import NGSPICE, PUBLISHED, PershinParams

__all__ = ["NGSPICE", "PUBLISHED", "PershinParams"]
