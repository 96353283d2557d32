"""Transistor-level circuits behind the ports of one of ours, with the twin, the bench and the words of ours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from jaxtyping import Float
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Analysis, Engine
from cosim.external import Substituted
from cosim.settings import flatten
from cosim.twins import integrator, lif
from cosim.twins.base import Overlay, Twin
from netlists import axon_hillock, opamp_cmos
from netlists.external import External, replaced
from netlists.integrator import IntegratorParams
from netlists.spice import Netlist, Subckt


@dataclass(frozen=True)
class StandIn:
    """The words of a twin's module, for a circuit that takes the place of the subcircuit of another one.

    `nominal(p)` are the parameters of our circuit that describe it: they scale the bench and the twin. `build(p)` is
    the subcircuit, named as the one it replaces.
    """

    name: str
    twin: ModuleType
    shell: type[Twin]
    nominal: Callable[[Any], Any]
    build: Callable[[Any], Subckt]

    def engine(self, p: Any, engine: Engine) -> Engine:
        """`engine` with the circuit of p in the place of ours."""
        return Substituted(engine, External(self.build(p)))

    def bench(self, p: Any) -> Netlist:
        return replaced(self.twin.bench(self.nominal(p)), self.build(p))

    def analysis(self, p: Any) -> Analysis:
        return self.twin.analysis(self.nominal(p))

    def calibrate(self, p: Any, engine: Engine) -> Record:
        record = self.twin.calibrate(self.nominal(p), self.engine(p, engine))
        return replace(record, circuit=self.name, params=flatten(p))

    def from_record(self, p: Any, record: Record) -> Twin:
        return self.shell.from_record(self.nominal(p), record)

    def unseen(self, p: Any, twin: Any, engine: Engine) -> Residual:
        return self.twin.unseen(self.nominal(p), twin, self.engine(p, engine))

    def overlay(self, p: Any, engine: Engine, record: Record) -> Overlay:
        return self.twin.overlay(self.nominal(p), self.engine(p, engine), record)

    def respond(self, twin: Any, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return self.twin.respond(twin, u)


AXON_HILLOCK = StandIn("axon_hillock", lif, lif.Lif, axon_hillock.nominal, axon_hillock.build)
"""The axon-hillock neuron in the place of the LIF neuron."""


def _integrator(p: opamp_cmos.OpampCmosParams) -> IntegratorParams:
    return IntegratorParams(opamp=opamp_cmos.nominal(p))


def _amplifier(p: opamp_cmos.OpampCmosParams) -> Subckt:
    return replace(opamp_cmos.build(p), name="integrator_opamp")


OPAMP_CMOS = StandIn("opamp_cmos", integrator, integrator.Integrator, _integrator, _amplifier)
"""The two-stage op-amp as the amplifier of the integrator of 100 kΩ and 10 pF: its input range excludes a follower."""
