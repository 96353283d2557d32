"""The list of circuits that have a netlist, a twin and a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from cosim.calibration import Record, Residual
from cosim.engines import Engine
from netlists.spice import Netlist


@dataclass(frozen=True)
class Circuit:
    """One circuit: default parameters, the netlist its calibration simulates, the calibration, the calibrated twin.

    `unseen(params, twin, engine)` simulates the second stimulus, which no fit sees, and says how far off the twin is.
    `respond(twin, u)` is the twin's output [batch, time] to an input [batch, time] in units of its full scale, with a
    time step of the twin's choice: one way to drive every twin.
    """

    params: Any
    bench: Callable[[Any], Netlist]
    calibrate: Callable[[Any, Engine], Record]
    twin: Callable[[Any, Record], nn.Module]
    unseen: Callable[[Any, Any, Engine], Residual]
    respond: Callable[[Any, Tensor], Tensor]


CIRCUITS: dict[str, Circuit] = {}
