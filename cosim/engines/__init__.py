"""Simulators behind one contract, and the list of them."""

from cosim.engines.base import Ac, Analysis, Dc, Engine, Noise, Op, Options, SimulationError, Tran
from cosim.engines.ngspice_batch import NgspiceBatch

ENGINES = {"ngspice": NgspiceBatch}

__all__ = ["ENGINES", "Ac", "Analysis", "Dc", "Engine", "Noise", "Op", "Options", "SimulationError", "Tran"]
