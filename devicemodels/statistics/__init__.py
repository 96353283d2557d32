"""Statistics of memristive cells: arrays (one draw per cell), noise in time, retention, response to pulses.

Pure functions, frozen parameters, every draw from the `torch.Generator` given. Phase-change cells have their own in
`devicemodels.pcm.statistics`.
"""

from devicemodels.statistics.arrays import (
    Forming,
    ProgrammingError,
    ReadNoise,
    StuckCells,
    form,
    program,
    read,
    stick,
)
from devicemodels.statistics.noise import Flicker, Telegraph, TelegraphEvents, events, flicker, telegraph
from devicemodels.statistics.pulses import PulseResponse, depress, nonlinearities, potentiate, quantise
from devicemodels.statistics.retention import CmoHfox, cmo_hfox_moments, relax, wan_std
from devicemodels.statistics.traps import Traps, TrapSet, resistance, trapped, traps

__all__ = [
    "CmoHfox",
    "Flicker",
    "Forming",
    "ProgrammingError",
    "PulseResponse",
    "ReadNoise",
    "StuckCells",
    "Telegraph",
    "TelegraphEvents",
    "TrapSet",
    "Traps",
    "cmo_hfox_moments",
    "depress",
    "events",
    "flicker",
    "form",
    "nonlinearities",
    "potentiate",
    "program",
    "quantise",
    "read",
    "relax",
    "resistance",
    "stick",
    "telegraph",
    "trapped",
    "traps",
    "wan_std",
]
