"""The list of circuits that have a netlist, a twin and a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

import netlists.integrator
import netlists.lif
import netlists.opamp
import netlists.tia
from cosim.calibration import Record, Residual
from cosim.engines import Analysis, Engine
from cosim.twins import integrator, lif, opamp, tia
from netlists.spice import Netlist, Subckt


@dataclass(frozen=True)
class Circuit:
    """One circuit: its default parameters and, as functions of parameters, everything that is made from them.

    `build` gives the subcircuit, `veriloga` the Verilog-A view (None where there is none), `bench` and `analysis` what
    the calibration simulates, `calibrate` the record, `twin` the calibrated module. `unseen(params, twin, engine)`
    simulates the second stimulus, which no fit sees, and says how far off the twin is. `respond(twin, u)` is the twin's
    output [batch, time] to an input [batch, time] in units of its full scale, with a time step of the twin's choice:
    one way to drive every twin.
    """

    params: Any
    build: Callable[[Any], Subckt]
    veriloga: Callable[[Any], str] | None
    bench: Callable[[Any], Netlist]
    analysis: Callable[[Any], Analysis]
    calibrate: Callable[[Any, Engine], Record]
    twin: Callable[[Any, Record], nn.Module]
    unseen: Callable[[Any, Any, Engine], Residual]
    respond: Callable[[Any, Tensor], Tensor]


CIRCUITS: dict[str, Circuit] = {
    "opamp": Circuit(
        params=netlists.opamp.OpampParams(),
        build=netlists.opamp.build,
        veriloga=netlists.opamp.veriloga,
        bench=opamp.bench,
        analysis=opamp.analysis,
        calibrate=opamp.calibrate,
        twin=opamp.Opamp.from_record,
        unseen=opamp.unseen,
        respond=opamp.respond,
    ),
    "tia": Circuit(
        params=netlists.tia.TiaParams(),
        build=netlists.tia.build,
        veriloga=None,
        bench=tia.bench,
        analysis=tia.analysis,
        calibrate=tia.calibrate,
        twin=tia.Tia.from_record,
        unseen=tia.unseen,
        respond=tia.respond,
    ),
    "integrator": Circuit(
        params=netlists.integrator.IntegratorParams(),
        build=netlists.integrator.build,
        veriloga=netlists.integrator.veriloga,
        bench=integrator.bench,
        analysis=integrator.analysis,
        calibrate=integrator.calibrate,
        twin=integrator.Integrator.from_record,
        unseen=integrator.unseen,
        respond=integrator.respond,
    ),
    "lif": Circuit(
        params=netlists.lif.LifParams(),
        build=netlists.lif.build,
        veriloga=netlists.lif.veriloga,
        bench=lif.bench,
        analysis=lif.analysis,
        calibrate=lif.calibrate,
        twin=lif.Lif.from_record,
        unseen=lif.unseen,
        respond=lif.respond,
    ),
}
