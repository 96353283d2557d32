"""Twin of netlists/tia.py: `model` is the mathematics, `calibration` the bench and the fit."""

from cosim.twins.tia.calibration import analysis, bench, calibrate, unseen
from cosim.twins.tia.model import Tia, TiaFit, respond

__all__ = ["Tia", "TiaFit", "analysis", "bench", "calibrate", "respond", "unseen"]
