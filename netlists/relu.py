r"""Inverting precision rectifier with an adjustable upper clamp: the ReLU behind an inverting amplifier.

                                   ┌───────▷|────────┐ below
    inp ──/\/\──┬──/\/\─────┬──────┴─|-\    │        │           clamp is a reference voltage; its diode
         r_in/2 │k  r_in/2  │s       |  >───┴q──▷|───│── out     conducts when k falls below it
         clamp ─▷|          │ gnd ───|+/       above │
                            └────────/\/\────────────┘
                                      r_f

    v_out = max(0, -slope·inp)              slope = r_f / r_in, knee of some 10 µV: diode drop over loop gain
    v_out ≤ limit + w ln(...)               limit = 2 slope (v_drop - v_clamp), w = 2 slope n v_t: soft, as diodes are

With a positive input the amplifier's output q sits one diode drop below the virtual ground (diode `below`) and r_f
holds out at 0 V; with a negative one it sits a drop above out (diode `above`), which it drives. In between it must
travel two drops with nothing to push it but the small voltage at s: after a zero crossing of slope S the output is dead
for about sqrt(2 · drops / (ω β S)), so the error grows as sqrt(S) and no static transfer knows of it.

The clamp is in front of the rectifier: behind it, a series resistor would turn the load of a crossbar row into a gain
error. The leakage of its diode appears at the output times r_in/2: use silicon. In the rectifier, Schottky diodes
leave i_s r_f (2 mV) at the output of an idle unit.
"""

from dataclasses import dataclass
from typing import Annotated

from devicemodels.units import FINITE, POSITIVE, Ohm, One, Volt, validate
from netlists import opamp
from netlists.diode import SILICON, DiodeParams, diode
from netlists.opamp import OPA4322, OpampParams, View
from netlists.spice import C, Netlist, R, Stimulus, Subckt, V, X

PORTS = ("inp", "out", "clamp", "vp", "vm")


@dataclass(frozen=True, kw_only=True)
class ReluParams:
    """Values of the rectifier; the defaults limit the output to about 1.5 V."""

    r_in: Annotated[Ohm, POSITIVE] = 10e3
    """Input resistor, both halves."""
    r_f: Annotated[Ohm, POSITIVE] = 10e3
    """Feedback resistor."""
    v_clamp: Annotated[Volt, FINITE] = -0.25
    """Reference of the clamp in a test bench: the lower, the higher the limit."""
    diode: DiodeParams = SILICON
    """The two diodes of the rectifier."""
    clamp: DiodeParams = SILICON
    """The diode of the clamp."""
    opamp: OpampParams = OPA4322
    """The amplifier."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.opamp.v_low < self.v_clamp < self.opamp.v_high:
            rails = (self.opamp.v_low, self.opamp.v_high)
            raise ValueError(f"ReluParams.v_clamp must lie between the rails {rails}, got {self.v_clamp!r}")

    @property
    def slope(self) -> One:
        """-d out / d inp of the ideal rectifier."""
        return self.r_f / self.r_in


def build(p: ReluParams, *, view: View = "spice") -> Subckt:
    """Subcircuit `relu inp out clamp vp vm`; the diodes are SPICE's in both views."""
    amplifier = opamp.build(p.opamp, view=view)
    elements = (
        R("a", "inp", "k", p.r_in / 2),
        R("b", "k", "s", p.r_in / 2),
        diode("clamp", "clamp", "k", p.clamp),
        X("amp", ("0", "s", "q", "vp", "vm"), amplifier.name),
        diode("below", "s", "q", p.diode),
        diode("above", "q", "out", p.diode),
        R("f", "s", "out", p.r_f),
    )
    return Subckt("relu", PORTS, elements, subckts=(amplifier,))


def testbench(
    p: ReluParams, inp: Stimulus | float, *, r_load: Ohm = 10e3, c_load: float = 20e-12, view: View = "spice"
) -> Netlist:
    """The rectifier driven by `inp` (V), with r_load ‖ c_load (F) at its output; probes also the supply currents."""
    return Netlist(
        title="relu: driven",
        elements=(
            *opamp.supplies(p.opamp),
            V("clamp", "clamp", "0", p.v_clamp),
            opamp.source(V, "in", "inp", "0", inp),
            R("load", "out", "0", r_load),
            C("load", "out", "0", c_load),
            X("dut", PORTS, "relu"),
        ),
        probes=("v(inp)", "v(out)", "i(vin)", "i(vclamp)", "i(vhigh)", "i(vlow)"),
        subckts=(build(p, view=view),),
    )
