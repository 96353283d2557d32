"""The list of circuits that have a netlist, a twin and a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from cosim.calibration import Record
from cosim.engines import Analysis, Engine
from netlists.spice import Netlist, Subckt


@dataclass(frozen=True)
class Circuit:
    """One circuit: its default parameters and, as functions of parameters, everything that is made from them.

    `build` gives the subcircuit, `veriloga` the Verilog-A view (None where there is none), `bench` and `analysis` what the
    calibration simulates, `calibrate` the record, `twin` the calibrated module.
    """

    params: Any
    build: Callable[[Any], Subckt]
    veriloga: Callable[[Any], str] | None
    bench: Callable[[Any], Netlist]
    analysis: Callable[[Any], Analysis]
    calibrate: Callable[[Any, Engine], Record]
    twin: Callable[[Any, Record], nn.Module]


CIRCUITS: dict[str, Circuit] = {}
