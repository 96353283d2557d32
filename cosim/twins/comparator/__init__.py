"""Twin of netlists/comparator.py: `model` is the mathematics, `calibration` the bench and the fit."""

from cosim.twins.comparator.calibration import analysis, bench, calibrate, overlay, unseen
from cosim.twins.comparator.model import (
    Comparator,
    ComparatorFit,
    pair_current,
    regenerate,
    regeneration_time,
    respond,
)

__all__ = [
    "Comparator",
    "ComparatorFit",
    "analysis",
    "bench",
    "calibrate",
    "overlay",
    "pair_current",
    "regenerate",
    "regeneration_time",
    "respond",
    "unseen",
]
