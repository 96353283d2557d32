"""The list of circuits that have a netlist, a twin and a calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

import netlists.adc
import netlists.axon_hillock
import netlists.comparator
import netlists.dac
import netlists.encoder
import netlists.integrator
import netlists.lif
import netlists.multiplier
import netlists.ode_loop
import netlists.opamp
import netlists.opamp_cmos
import netlists.relu
import netlists.shift_add
import netlists.similarity
import netlists.tcam
import netlists.tia
import netlists.wta
from cosim.calibration import Record, Residual
from cosim.engines import Analysis, Engine
from cosim.twins import (
    adc,
    comparator,
    dac,
    encoder,
    integrator,
    lif,
    multiplier,
    ode_loop,
    opamp,
    relu,
    shift_add,
    similarity,
    tcam,
    tia,
    wta,
)
from cosim.twins.base import Overlay, Twin
from cosim.twins.stand_in import AXON_HILLOCK, OPAMP_CMOS
from netlists.spice import Netlist, Subckt


class NetlistModule(Protocol):
    """A module of netlists/: `build`, and `veriloga` where the circuit has that view."""

    @property
    def build(self) -> Callable[..., Subckt]: ...


class TwinModule(Protocol):
    """A module of cosim/twins/; the words are those of `Circuit`."""

    @property
    def bench(self) -> Callable[[Any], Netlist]: ...
    @property
    def analysis(self) -> Callable[[Any], Analysis]: ...
    @property
    def calibrate(self) -> Callable[[Any, Engine], Record]: ...
    @property
    def unseen(self) -> Callable[[Any, Any, Engine], Residual]: ...
    @property
    def overlay(self) -> Callable[[Any, Engine, Record], Overlay]: ...
    @property
    def respond(self) -> Callable[[Any, Tensor], Tensor]: ...


class Shell(Protocol):
    """What makes a calibrated twin: a class of twins, or a stand-in."""

    def from_record(self, p: Any, record: Record, /) -> Twin: ...


@dataclass(frozen=True)
class Circuit:
    """One circuit: its default parameters and, as functions of parameters, everything that is made from them.

    `build` gives the subcircuit, `veriloga` the Verilog-A view (None where there is none), `bench` and `analysis` what
    the calibration simulates, `calibrate` the record, `twin` the calibrated module. `unseen(params, twin, engine)`
    simulates the second stimulus, which no fit sees, and says how far off the twin is; `overlay(params, engine,
    record)` gives both curves. `respond(twin, u)` is the twin's output [batch, time] to an input [batch, time] in units
    of its full scale, with a time step of the twin's choice: one way to drive every twin.
    """

    params: Any
    build: Callable[[Any], Subckt]
    veriloga: Callable[[Any], str] | None
    bench: Callable[[Any], Netlist]
    analysis: Callable[[Any], Analysis]
    calibrate: Callable[[Any, Engine], Record]
    twin: Callable[[Any, Record], Twin]
    unseen: Callable[[Any, Any, Engine], Residual]
    overlay: Callable[[Any, Engine, Record], Overlay]
    respond: Callable[[Any, Tensor], Tensor]

    @staticmethod
    def of(params: Any, netlist: NetlistModule, twin: TwinModule, shell: Shell) -> "Circuit":
        """The circuit of two modules with the fixed words, and the twin's class."""
        return Circuit(
            params=params,
            build=netlist.build,
            veriloga=getattr(netlist, "veriloga", None),
            bench=twin.bench,
            analysis=twin.analysis,
            calibrate=twin.calibrate,
            twin=shell.from_record,
            unseen=twin.unseen,
            overlay=twin.overlay,
            respond=twin.respond,
        )


CIRCUITS: dict[str, Circuit] = {
    "opamp": Circuit.of(netlists.opamp.OpampParams(), netlists.opamp, opamp, opamp.Opamp),
    "tia": Circuit.of(netlists.tia.TiaParams(), netlists.tia, tia, tia.Tia),
    "integrator": Circuit.of(
        netlists.integrator.IntegratorParams(), netlists.integrator, integrator, integrator.Integrator
    ),
    "lif": Circuit.of(netlists.lif.LifParams(), netlists.lif, lif, lif.Lif),
    "relu": Circuit.of(netlists.relu.ReluParams(), netlists.relu, relu, relu.Relu),
    "ode_loop": Circuit.of(netlists.ode_loop.OdeLoopParams(), netlists.ode_loop, ode_loop, ode_loop.OdeLoop),
    "comparator": Circuit.of(
        netlists.comparator.ComparatorParams(), netlists.comparator, comparator, comparator.Comparator
    ),
    "tcam": Circuit.of(netlists.tcam.TcamParams(), netlists.tcam, tcam, tcam.Tcam),
    "wta": Circuit.of(netlists.wta.WtaParams(), netlists.wta, wta, wta.Wta),
    "opamp_cmos": Circuit.of(netlists.opamp_cmos.OpampCmosParams(), netlists.opamp_cmos, OPAMP_CMOS, OPAMP_CMOS),
    "axon_hillock": Circuit.of(
        netlists.axon_hillock.AxonHillockParams(), netlists.axon_hillock, AXON_HILLOCK, AXON_HILLOCK
    ),
    "multiplier": Circuit.of(
        netlists.multiplier.MultiplierParams(), netlists.multiplier, multiplier, multiplier.Multiplier
    ),
    "dac": Circuit.of(netlists.dac.DacParams(), netlists.dac, dac, dac.Dac),
    "adc": Circuit.of(netlists.adc.AdcParams(), netlists.adc, adc, adc.Adc),
    "shift_add": Circuit.of(netlists.shift_add.ShiftAddParams(), netlists.shift_add, shift_add, shift_add.ShiftAdd),
    "similarity": Circuit.of(
        netlists.similarity.SimilarityParams(), netlists.similarity, similarity, similarity.Similarity
    ),
    "encoder": Circuit.of(netlists.encoder.EncoderParams(), netlists.encoder, encoder, encoder.Encoder),
}
