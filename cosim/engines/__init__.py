"""Simulators behind one contract, and the list of them."""

from cosim.engines.base import Ac, Analysis, Dc, Engine, Noise, Op, Options, SimulationError, SuspectError, Tran
from cosim.engines.ladder import Ladder
from cosim.engines.ngspice_batch import NgspiceBatch
from cosim.engines.ngspice_shared import NgspiceShared
from cosim.engines.vacask import Vacask

ENGINES = {"ngspice": NgspiceBatch, "ngspice-shared": NgspiceShared, "vacask": Vacask}

__all__ = [
    "ENGINES",
    "Ac",
    "Analysis",
    "Dc",
    "Engine",
    "Ladder",
    "Noise",
    "Op",
    "Options",
    "SimulationError",
    "SuspectError",
    "Tran",
]
