"""Twin of netlists/relu.py: `model` is the mathematics, `calibration` the bench and the fit."""

from cosim.twins.relu.calibration import analysis, bench, calibrate, overlay, unseen
from cosim.twins.relu.model import Relu, ReluFit, respond

__all__ = ["Relu", "ReluFit", "analysis", "bench", "calibrate", "overlay", "respond", "unseen"]
