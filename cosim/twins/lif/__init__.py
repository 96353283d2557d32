"""Twin of netlists/lif.py: `model` holds the mathematics and the module, `calibration` bench, fit and judgement."""

from cosim.twins.lif.calibration import (
    SpikeOverlay,
    analysis,
    bench,
    calibrate,
    overlay,
    respond,
    spike_energy,
    transient,
    unseen,
)
from cosim.twins.lif.model import Lif, LifFit, LifState, Train, discrete, spike, spike_times, step, trace, train

__all__ = [
    "Lif",
    "LifFit",
    "LifState",
    "SpikeOverlay",
    "Train",
    "analysis",
    "bench",
    "calibrate",
    "discrete",
    "overlay",
    "respond",
    "spike",
    "spike_energy",
    "spike_times",
    "step",
    "trace",
    "train",
    "transient",
    "unseen",
]
