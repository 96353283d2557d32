r"""Merging of bit slices: every bit line's current is turned into a voltage, and the voltages are added in the ratio r.

    i_0 ──┬──|-\                                         i_k = v_read·rows·(g(c_k) − g_lrs/2)
          │  |  >──┬── r_sum ────────┐
          └─/\/\───┘                 │     r_f           c_k: mean over the rows of cell times input, 0 ... 1;
             r_f                     ├────/\/\────┐      the second term is a column of half LRS driven by −v_read
    i_1 ──  same  ──── r_sum·r ──────┤            │
    ...                              └──|-\       │
    i_n-1 ── same ── r_sum·r^(n−1) ─────|  >──────┴── out       (feedback of the adder: r_sum)

    out = r_f·Σ_k i_k / r^k  =  r_f·v_read·rows·g_lrs·Σ_k (c_k − ½)/r^k     for an HRS of 0

A ratio below 2 makes the values of the codes overlap: later slices can mend what earlier cells missed. The resistors
deviate by sigma (drawn from `seed`), those of the first slices count most. The Norton conductance of a column, cells
and reference together, is that of all its rows at LRS. Keep r_sum small: with the input capacitance of the adder it
makes a pole, and above that of the loop the output overshoots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Ampere, Count, Ohm, One, Range, Siemens, Volt, validate
from netlists import opamp
from netlists.opamp import OpampParams, View, source
from netlists.spice import Element, I, Netlist, R, Stimulus, Subckt, X

SLICES = Range("between 1 and 16", low=1, high=16)
SEED = Range("zero or positive", low=0)
COUNT = Range("at least 1", low=1)
RATIO = Range("at least 1", low=1.0)


@dataclass(frozen=True, kw_only=True)
class ShiftAddParams:
    """Columns, amplifiers and ratio; the defaults merge four slices of a 16-row array."""

    slices: Annotated[Count, SLICES] = 4
    """Number of bit lines that make one number."""
    ratio: Annotated[One, RATIO] = 1.5
    """Weight of a slice over that of the next."""
    rows: Annotated[Count, COUNT] = 16
    """Cells of a bit line."""
    v_read: Annotated[Volt, POSITIVE] = 0.1
    """Voltage of an active row."""
    g_lrs: Annotated[Siemens, POSITIVE] = 34.06e-6
    """Cell that holds 1."""
    g_hrs: Annotated[Siemens, NONNEGATIVE] = 0.1e-6
    """Cell that holds 0."""
    r_f: Annotated[Ohm, POSITIVE] = 1e3
    """Feedback of a column's amplifier."""
    r_sum: Annotated[Ohm, POSITIVE] = 1e3
    """Resistor of the first slice, and feedback of the adder."""
    sigma: Annotated[One, FRACTION] = 2e-3
    """Standard deviation of a resistor over itself."""
    seed: Annotated[Count, SEED] = 1
    """Of the mismatch."""
    opamp: OpampParams = field(default_factory=OpampParams)
    """Every amplifier."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def weights(self) -> tuple[float, ...]:
        """1, 1/r, 1/r², ..."""
        return tuple(self.ratio**-k for k in range(self.slices))

    @property
    def g_col(self) -> Siemens:
        """Norton conductance of a column."""
        return self.rows * self.g_lrs

    @property
    def i_max(self) -> Ampere:
        """Current of a column whose cells are all active and 1."""
        return current(self, 1.0)


def current(p: ShiftAddParams, c: float) -> Ampere:
    """Current of a column with its reference; c is the mean over the rows of cell times input, from 0 to 1."""
    return p.v_read * p.rows * (p.g_hrs + c * (p.g_lrs - p.g_hrs) - p.g_lrs / 2)


def resistors(p: ShiftAddParams) -> np.ndarray:
    """Ω, with mismatch: the feedback of each column, the resistor of each slice, the feedback of the adder."""
    nominal = [p.r_f] * p.slices + [p.r_sum / w for w in p.weights] + [p.r_sum]
    return np.array(nominal) * (1 + p.sigma * np.random.default_rng(p.seed).standard_normal(len(nominal)))


def ports(p: ShiftAddParams) -> tuple[str, ...]:
    """`i0 ... i<n-1> out vp vm`."""
    return (*(f"i{k}" for k in range(p.slices)), "out", "vp", "vm")


def build(p: ShiftAddParams, *, view: View = "spice") -> Subckt:
    """Subcircuit `shift_add` with the ports of `ports`."""
    amplifier, values, n = opamp.build(p.opamp, view=view), resistors(p).tolist(), p.slices
    made: list[Element] = []
    for k in range(n):
        made += [
            X(f"amp{k}", ("0", f"i{k}", f"v{k}", "vp", "vm"), amplifier.name),
            R(f"f{k}", f"i{k}", f"v{k}", values[k]),
        ]
        made += [R(f"sum{k}", f"v{k}", "s", values[n + k])]
    made += [X("adder", ("0", "s", "out", "vp", "vm"), amplifier.name), R("adder", "s", "out", values[2 * n])]
    return Subckt("shift_add", ports(p), tuple(made), subckts=(amplifier,))


def testbench(p: ShiftAddParams, currents: Sequence[Stimulus | float], *, view: View = "spice") -> Netlist:
    """The currents (A) of the columns, each beside g_col; probes inputs, output and supply currents."""
    if len(currents) != p.slices:
        raise ValueError(f"testbench needs one current for each of {p.slices} slices, got {len(currents)}")
    made: list[Element] = []
    for k, stimulus in enumerate(currents):
        made += [source(I, f"col{k}", "0", f"i{k}", stimulus), R(f"col{k}", f"i{k}", "0", 1 / p.g_col)]
    inputs = tuple(f"v(i{k})" for k in range(p.slices))
    return Netlist(
        title="shift_add",
        elements=(*opamp.supplies(p.opamp), *made, X("dut", ports(p), "shift_add")),
        probes=("v(out)", *inputs, "i(vhigh)", "i(vlow)"),
        subckts=(build(p, view=view),),
    )
