"""Twin of netlists/tcam.py: match lines in closed form, whole arrays of words at once; its bench and calibration."""

from cosim.twins.tcam.calibration import analysis, bench, calibrate, overlay, unseen
from cosim.twins.tcam.model import Tcam, TcamFit, conductances, mismatches, respond

__all__ = [
    "Tcam",
    "TcamFit",
    "analysis",
    "bench",
    "calibrate",
    "conductances",
    "mismatches",
    "overlay",
    "respond",
    "unseen",
]
