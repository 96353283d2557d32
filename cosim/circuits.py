"""The list of circuits that have a netlist, a twin and a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from cosim.calibration import Record
from cosim.engines import Engine
from netlists.spice import Netlist


@dataclass(frozen=True)
class Circuit:
    """One circuit: default parameters, the netlist its calibration simulates, the calibration, and the calibrated twin."""

    params: Any
    bench: Callable[[Any], Netlist]
    calibrate: Callable[[Any, Engine], Record]
    twin: Callable[[Any, Record], nn.Module]


CIRCUITS: dict[str, Circuit] = {}
