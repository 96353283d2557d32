"""Twin of netlists/tia.py: `model` is the mathematics, `calibration` the bench and the fit."""

from cosim.twins.tia.calibration import analysis, bench, calibrate, overlay, unseen
from cosim.twins.tia.model import Tia, TiaFit, ideal, respond

__all__ = ["Tia", "TiaFit", "analysis", "bench", "calibrate", "ideal", "overlay", "respond", "unseen"]
