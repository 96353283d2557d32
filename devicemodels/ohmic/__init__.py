"""Ohmic cell: i = g v."""

from devicemodels.ohmic.params import PUBLISHED, TAOX_40NM_FORMED, TAOX_40NM_UNFORMED, OhmicParams

__all__ = ["PUBLISHED", "TAOX_40NM_FORMED", "TAOX_40NM_UNFORMED", "OhmicParams"]
