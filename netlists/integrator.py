r"""Inverting op-amp integrator with an initial-condition path, the state variable of every analog solver here.

                             r_ic       r_ic
                  vic ───────/\/\───┬───/\/\───────┐
                                S_load             │       S_load closed while v(load) is high,
                                    │   c          │       S_loop closed while it is low,
                                    ├───┤├─────────┤       never both
    inp ────/\/\─────S_loop─────────┴─|-\          │
             r                       s|  >─────────┴── out
                              gnd ────|+/

    loading:      out = -vic
    integrating:  d out/dt = -(inp - v_offset) / (r c) - leak·out,    leak ≈ 1 / (a0 r c)

The loop switch opens before the load switch closes and the other way round: an integrator that is still connected to
its input while it is being loaded starts from a wrong value.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from devicemodels.units import POSITIVE, Farad, Ohm, Second, Volt, validate
from netlists import opamp
from netlists.opamp import CMOS_180NM, OpampParams, View
from netlists.spice import C, N, Netlist, Pwl, R, Stimulus, Subckt, Switch, V, VerilogA, X, number

PORTS = ("inp", "out", "vic", "load", "vp", "vm")
LOAD_ON, LOAD_OFF, LOOP_OFF, LOOP_ON = 0.7, 0.6, 0.5, 0.4
"""Voltages on `load` at which the two switches close and open."""


@dataclass(frozen=True, kw_only=True)
class IntegratorParams:
    """Values of the integrator; the default is an on-chip one with a time constant of 1 µs."""

    r: Annotated[Ohm, POSITIVE] = 100e3
    """Input resistor."""
    c: Annotated[Farad, POSITIVE] = 10e-12
    """Feedback capacitor."""
    r_ic: Annotated[Ohm, POSITIVE] = 20e3
    """Each of the two resistors of the initial-condition path; together they load the output for good."""
    r_on: Annotated[Ohm, POSITIVE] = 100.0
    """Closed switch."""
    r_off: Annotated[Ohm, POSITIVE] = 1e12
    """Open switch."""
    opamp: OpampParams = CMOS_180NM
    """The amplifier."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.r_off > self.r_on:
            raise ValueError(f"IntegratorParams.r_off must be above r_on ({self.r_on!r}), got {self.r_off!r}")

    @property
    def tau(self) -> Second:
        """Time in which a constant input moves the output by its own size."""
        return self.r * self.c

    @property
    def t_load(self) -> Second:
        """Time that loading takes to better than 1e-6: 20 time constants of path and amplifier, and the slewing."""
        swing = self.opamp.v_high - self.opamp.v_low
        return 20 * (self.r_ic * self.c + 2 / self.opamp.omega) + 2 * swing / self.opamp.slew


def build(p: IntegratorParams, *, view: View = "spice", name: str = "integrator") -> Subckt:
    """Subcircuit `integrator inp out vic load vp vm`."""
    amplifier = opamp.build(p.opamp, view=view, name=f"{name}_opamp")
    amp = X("amp", ("0", "s", "out", "vp", "vm"), amplifier.name)
    if view == "veriloga":
        network = N("network", ("inp", "s", "out", "vic", "load"), "integrator", _instance_parameters(p))
        source = VerilogA("integrator", veriloga(IntegratorParams()))
        return Subckt(name, PORTS, (network, amp), (amplifier,), (source,))
    elements = (
        R("in", "inp", "a", p.r),
        # Closed while load is low: the switch sees 0 - v(load).
        Switch("loop", "a", "s", "0", "load", -LOOP_ON, -LOOP_OFF, p.r_on, p.r_off, closed=True),
        C("fb", "s", "out", p.c),
        R("ica", "vic", "b", p.r_ic),
        R("icb", "b", "out", p.r_ic),
        Switch("load", "b", "s", "load", "0", LOAD_ON, LOAD_OFF, p.r_on, p.r_off),
        amp,
    )
    return Subckt(name, PORTS, elements, (amplifier,))


def veriloga(p: IntegratorParams) -> str:
    """The Verilog-A module `integrator` with the values of p: r, c and switches, to wire around the op-amp's module."""
    text = (files("netlists") / "integrator.va").read_text()
    for name, value in _instance_parameters(p).items():
        text, found = re.subn(rf"(parameter real {name} = )\S+?(?=[ ;])", rf"\g<1>{number(value)}", text)
        assert found == 1, name
    return text


def testbench(p: IntegratorParams, inp: Stimulus, *, v_ic: Volt = 0.0, view: View = "spice") -> Netlist:
    """Loads -v_ic until t_load, then integrates `inp` (V, over absolute time); probes v(inp), v(out).

    Until t_load the loop is open, so the input may already move.
    """
    edge = p.t_load / 1000
    load = Pwl(((0.0, 1.0), (p.t_load - edge, 1.0), (p.t_load, 0.0)))
    return Netlist(
        title="integrator: load, then integrate",
        elements=(
            *opamp.supplies(p.opamp),
            V("in", "inp", "0", wave=inp),
            V("ic", "vic", "0", v_ic),
            V("load", "load", "0", 1.0, load),
            X("dut", PORTS, "integrator"),
        ),
        probes=("v(inp)", "v(out)"),
        subckts=(build(p, view=view),),
    )


def _instance_parameters(p: IntegratorParams) -> dict[str, float]:
    names = ("r", "c", "r_ic", "r_on", "r_off")
    limits = {"load_on": LOAD_ON, "load_off": LOAD_OFF, "loop_off": LOOP_OFF, "loop_on": LOOP_ON}
    return {name: getattr(p, name) for name in names} | limits
