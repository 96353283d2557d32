r"""Trans-impedance amplifier: holds a bit line at virtual ground and turns its current into a voltage.

                     ┌────┤├────┐ c_f
                     ├───/\/\───┤ r_f
    i ↓              │          │
    inp ────┬─────┬──┴──|-\     │            v_out = −r_f·i
            ⌇     ╧     |  >────┴── out
      g_col ⌇     ╧  ┌──|+/                  N = 1 + r_f·g_col
            │  c_col │
           gnd      gnd

The column is part of the circuit: all cells of a bit line, selected or not, conduct from inp to their drivers, which
hold still. Its Norton equivalent is the short-circuit current i = Σ v·g beside g_col = Σ g. The noise gain N says
nearly everything else: closed-loop time constant N/(2π gbw), offset N·v_offset, gain error N/a0 (times the load of r_f
on r_out). When the output limits, the virtual ground rises and the whole column is misread.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from devicemodels.units import NONNEGATIVE, POSITIVE, Ampere, Farad, Ohm, One, Siemens, validate
from netlists import opamp
from netlists.opamp import OpampParams, View
from netlists.spice import C, Element, I, Netlist, R, Stimulus, Subckt, V, X

PORTS = ("inp", "out", "vp", "vm")
Drive = Literal["current", "voltage"]


@dataclass(frozen=True, kw_only=True)
class TiaParams:
    """Feedback, amplifier and the column it reads; the defaults read 512 cells of 34 µS at up to 0.2 V.

    Full scale of that column is 3.49 mA; 500 Ω makes −1.74 V of it, 3.4 mV per cell, inside rails of ±2.75 V.
    """

    r_f: Annotated[Ohm, POSITIVE] = 500.0
    """Feedback resistor."""
    c_f: Annotated[Farad, NONNEGATIVE] = 0.0
    """Feedback capacitor; a full column damps the loop and needs none, a short one (small g_col, large r_f) does."""
    g_col: Annotated[Siemens, NONNEGATIVE] = 512 * 34.06e-6
    """Conductance from the input to ground: all cells of the column."""
    c_col: Annotated[Farad, NONNEGATIVE] = 50e-12
    """Capacitance of the column."""
    opamp: OpampParams = field(default_factory=OpampParams)
    """The amplifier."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.i_max > 0:
            rails = (self.opamp.v_low, self.opamp.v_high)
            raise ValueError(f"TiaParams.opamp needs one rail on either side of the virtual ground (0 V), got {rails}")

    @property
    def noise_gain(self) -> One:
        """N: what the loop makes of a voltage in series with the op-amp's input."""
        return 1 + self.r_f * self.g_col

    @property
    def i_max(self) -> Ampere:
        """Largest current of either sign that the output can follow: r_out and r_f share the swing of the op-amp."""
        swing = min(self.opamp.v_high, -self.opamp.v_low) - self.opamp.headroom
        return swing / (self.r_f + self.opamp.r_out)


def build(p: TiaParams, *, view: View = "spice") -> Subckt:
    """Subcircuit `tia inp out vp vm`: amplifier and feedback, without the column."""
    amplifier = opamp.build(p.opamp, view=view)
    elements: list[Element] = [X("opamp", ("0", "inp", "out", "vp", "vm"), amplifier.name), R("f", "inp", "out", p.r_f)]
    elements += [C("f", "inp", "out", p.c_f)] if p.c_f else []
    return Subckt("tia", PORTS, tuple(elements), subckts=(amplifier,))


def testbench(p: TiaParams, stimulus: Stimulus | float, *, drive: Drive = "current", view: View = "spice") -> Netlist:
    """One amplifier at its column; probes output, virtual ground and supply currents.

    `stimulus` is the short-circuit current of the column (A, positive into the input), or with drive="voltage" the
    voltage of its word lines (V), applied behind g_col.
    """
    column_elements = column(p, "", stimulus, drive)
    return Netlist(
        title="tia: one column",
        elements=(*opamp.supplies(p.opamp), *column_elements, X("dut", ("inp", "out", "vp", "vm"), "tia")),
        probes=("v(out)", "v(inp)", "i(vhigh)", "i(vlow)"),
        subckts=(build(p, view=view),),
    )


def column(p: TiaParams, mark: str, stimulus: Stimulus | float, drive: Drive = "current") -> tuple[Element, ...]:
    """The column at the node inp<mark>: its source, conductance and capacitance."""
    node = f"inp{mark}"
    elements: list[Element] = [C(f"col{mark}", node, "0", p.c_col)] if p.c_col else []
    if drive == "voltage":
        if not p.g_col:
            raise ValueError("TiaParams.g_col must be positive to drive the column by a voltage, got 0.0")
        elements += [opamp.source(V, f"read{mark}", f"line{mark}", "0", stimulus)]
        elements += [R(f"col{mark}", f"line{mark}", node, 1 / p.g_col)]
        return tuple(elements)
    if drive != "current":
        raise ValueError(f"drive must be 'current' or 'voltage', got {drive!r}")
    elements += [opamp.source(I, f"col{mark}", "0", node, stimulus)]
    elements += [R(f"col{mark}", node, "0", 1 / p.g_col)] if p.g_col else []
    return tuple(elements)
