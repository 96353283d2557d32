r"""Comparator of two current-steering pairs of n-channel transistors: a clocked latch, or continuous with hysteresis.

            vdd ─────┬───────────────┬───── vdd
               r_load⌇               ⌇r_load
                     │ qb          q │                       c_load from q and from qb to ground
                ┌────┼───┬──┐ ┌──┬───┼────┐
                │    │   │   ╳   │   │    │
             ┌──┘    ├┤──┼──┘ └──┼──├┤    └──┐
    inp ──┤├─┘       └─┬─┼───────┼───┘       └─┤├── ref
           └───────────┼─┼───────┼─────────────┘
                     x │ └── t ──┘      t: sources of the input pair, x: sources of the cross-coupled pair
                clk ──┤├       ├┤── clkb
                       └── ↓ ──┘ i_tail                      w = v(q) - v(qb), u = v(inp) + v_offset - v(ref)

    c_load dw/dt = -w/r_load + i_in(u) + i_cross(w),    |w| <= i r_load
    i(v) = (beta/2) v sqrt(4 I/beta - v²) for |v| < sqrt(2 I/beta), else ±I        beta = kp w/l of the pair

latch: while clk is low, i_tail flows through the input pair and w tracks A u, A = r_load sqrt(beta i_tail); while clk
is high it flows through the cross-coupled pair, which regenerates w with the time constant
tau = c_load/(sqrt(beta i_tail) - 1/r_load). continuous: no clock; the input pair has i_tail and the cross-coupled pair
i_cross for good, and w jumps at u = ±v_hysteresis. The supply current does not depend on the signals.

Transistors are static (level 1); capacitances are those drawn, c_clk at each clock input, and c_tail at t, x and the
tail, where R_LEAK stands for the subthreshold current that level 1 does not have. The bias of the tail
is ideal.
"""

from dataclasses import dataclass
from math import asin, sin, sqrt
from typing import Annotated, Literal

from devicemodels.nmos.params import NmosParams
from devicemodels.units import (
    FINITE,
    NONNEGATIVE,
    POSITIVE,
    Ampere,
    AmperePerSquareVolt,
    Farad,
    Ohm,
    One,
    Second,
    Volt,
    validate,
)
from netlists.spice import C, Element, Netlist, Pulse, R, Stimulus, Subckt, V, X
from netlists.transistors import View, models, transistor

PORTS = ("inp", "ref", "clk", "clkb", "q", "qb", "vdd")
Mode = Literal["latch", "continuous"]

LOW_THRESHOLD = NmosParams(w=6e-6, vto=0.2)
"""Pair of a low-threshold flavour of MOSIS_180NM, so that a common mode of 0.6 V leaves room for the tail (ours)."""
STEERING = NmosParams(w=20e-6, vto=0.2)
"""Clock transistors of the same flavour (ours)."""
SINK = NmosParams(w=30e-6, vto=0.2)
"""Tail of the same flavour: 0.1 V of overdrive at 100 µA (ours)."""
R_LEAK: Ohm = 1e9


@dataclass(frozen=True, kw_only=True)
class ComparatorParams:
    """Values of the comparator; the defaults regenerate with 51 ps (ours)."""

    mode: Mode = "latch"
    """"latch": clocked; "continuous": no clock, with hysteresis."""
    i_tail: Annotated[Ampere, POSITIVE] = 100e-6
    """Tail current; in a latch both pairs share it."""
    i_cross: Annotated[Ampere, POSITIVE] = 70e-6
    """Tail current of the cross-coupled pair of a continuous comparator."""
    r_load: Annotated[Ohm, POSITIVE] = 4e3
    """Load of each output."""
    c_load: Annotated[Farad, POSITIVE] = 20e-15
    """Capacitance of each output."""
    c_clk: Annotated[Farad, NONNEGATIVE] = 5e-15
    """Capacitance of each clock input."""
    c_tail: Annotated[Farad, POSITIVE] = 0.5e-15
    """Capacitance where sources meet; the tail jumps with each edge of the clock, and its charge passes the pairs."""
    pair: NmosParams = LOW_THRESHOLD
    """Each transistor of both pairs."""
    steering: NmosParams = STEERING
    """The two transistors that steer the tail current."""
    sink: NmosParams = SINK
    """The transistor that makes each tail current, biased to be saturated from about 0.1 V on."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input offset, added to inp."""
    v_dd: Annotated[Volt, POSITIVE] = 1.8
    """Supply, and high level of the clock."""
    v_cm: Annotated[Volt, POSITIVE] = 0.6
    """Voltage of ref in a test bench."""
    t_track: Annotated[Second, POSITIVE] = 0.6e-9
    """Part of a cycle in which the latch follows its input."""
    t_latch: Annotated[Second, POSITIVE] = 0.6e-9
    """Part of a cycle in which it decides."""
    edge: Annotated[Second, POSITIVE] = 20e-12
    """Rise and fall of the clock."""
    v_valid: Annotated[Volt, POSITIVE] = 0.2
    """|w| that counts as a decision."""

    def __post_init__(self) -> None:
        validate(self)
        if self.mode not in ("latch", "continuous"):
            raise ValueError(f"ComparatorParams.mode must be 'latch' or 'continuous', got {self.mode!r}")
        if not self.loop_gain > 1:
            raise ValueError(
                f"ComparatorParams.r_load must exceed 1/gm of the cross-coupled pair or nothing regenerates: "
                f"r_load gm is {self.loop_gain!r}; raise r_load or the width of the pair"
            )
        if not self.v_valid < 0.9 * self.swing:
            raise ValueError(
                f"ComparatorParams.v_valid must be below 0.9 of the swing ({self.swing!r}), got {self.v_valid!r}"
            )
        if self.mode == "latch" and not 2 * self.edge < min(self.t_track, self.t_latch):
            raise ValueError(f"ComparatorParams.edge must be below half of t_track and t_latch, got {self.edge!r}")
        if self.mode == "continuous" and not self._switching_current() < self.i_tail:
            raise ValueError(
                f"ComparatorParams.i_tail must exceed what the cross-coupled pair holds "
                f"({self._switching_current()!r}), or no input switches it; got {self.i_tail!r}"
            )

    @property
    def beta(self) -> AmperePerSquareVolt:
        """kp w/l of a transistor of the pairs."""
        return self.pair.kp * self.pair.w / self.pair.l

    @property
    def i_regenerate(self) -> Ampere:
        """Current of the cross-coupled pair while it is on."""
        return self.i_tail if self.mode == "latch" else self.i_cross

    @property
    def loop_gain(self) -> One:
        """r_load gm of the cross-coupled pair at w = 0."""
        return self.r_load * sqrt(self.beta * self.i_regenerate)

    @property
    def gain(self) -> One:
        """A = r_load gm of the input pair at u = 0."""
        return self.r_load * sqrt(self.beta * self.i_tail)

    @property
    def swing(self) -> Volt:
        """Largest |w| of the cross-coupled pair alone; below it if the pair is not switched fully."""
        return self.i_regenerate * self.r_load

    @property
    def tau(self) -> Second:
        """Time constant of regeneration around w = 0."""
        return self.r_load * self.c_load / (self.loop_gain - 1)

    @property
    def v_hysteresis(self) -> Volt:
        """Input at which a continuous comparator switches, either way; 0 for a latch."""
        if self.mode == "latch":
            return 0.0
        return 2 * sqrt(self.i_tail / self.beta) * sin(asin(self._switching_current() / self.i_tail) / 2)

    def _switching_current(self) -> Ampere:
        """Largest w/r_load - i_cross(w): with w = W sin a, W = 2 sqrt(I/beta), i_cross is I sin 2a."""
        width, swing = 2 * sqrt(self.i_cross / self.beta), self.i_cross * self.r_load
        c = (width + sqrt(width**2 + 32 * swing**2)) / (8 * swing)
        s = sqrt(1 - c**2)
        return 2 * self.i_cross * s * c - width * s / self.r_load


def build(p: ComparatorParams, *, view: View = "spice", name: str = "comparator") -> Subckt:
    """Subcircuit `comparator inp ref clk clkb q qb vdd`; a continuous comparator leaves clk and clkb alone."""

    def nmos(label: str, d: str, g: str, s: str, kind: NmosParams = p.pair) -> Element:
        return transistor(label, (d, g, s, "0"), kind, view)

    elements: list[Element] = [
        V("offset", "in", "inp", p.v_offset),
        nmos("inp", "qb", "in", "t"),
        nmos("ref", "q", "ref", "t"),
        nmos("crossb", "qb", "q", "x"),
        nmos("cross", "q", "qb", "x"),
    ]
    for node in ("q", "qb"):
        elements += [R(node, "vdd", node, p.r_load), C(node, node, "0", p.c_load)]
    for node in ("t", "x", "tail")[: 3 if p.mode == "latch" else 2]:
        elements += [C(node, node, "0", p.c_tail), R(node, node, "0", R_LEAK)]
    if p.mode == "latch":
        elements += [nmos("track", "t", "clkb", "tail", p.steering), nmos("latch", "x", "clk", "tail", p.steering)]
        elements += _sink("tail", "tail", p.i_tail, p, view)
        elements += [C("clk", "clk", "0", p.c_clk), C("clkb", "clkb", "0", p.c_clk)] if p.c_clk else []
    else:
        elements += [*_sink("tail", "t", p.i_tail, p, view), *_sink("cross", "x", p.i_cross, p, view)]
    return Subckt(name, PORTS, tuple(elements), *models(view, p.pair, p.steering, p.sink))


def _sink(name: str, node: str, i: Ampere, p: ComparatorParams, view: View) -> tuple[Element, Element]:
    """A saturated transistor that takes the current i out of the node, and its bias."""
    bias = p.sink.vto + sqrt(2 * i * p.sink.l / (p.sink.kp * p.sink.w))
    return transistor(f"sink_{name}", (node, f"bias_{name}", "0", "0"), p.sink, view), V(
        name, f"bias_{name}", "0", bias
    )


def clock(p: ComparatorParams) -> tuple[Element, ...]:
    """Sources of clk and clkb: low for t_track, high for t_latch, and so on; edges are centred on the times."""
    start, width, period = p.t_track - p.edge / 2, p.t_latch - p.edge, p.t_track + p.t_latch
    high = Pulse(0.0, p.v_dd, start, p.edge, p.edge, width, period)
    low = Pulse(p.v_dd, 0.0, start, p.edge, p.edge, width, period)
    return V("clk", "clk", "0", wave=high), V("clkb", "clkb", "0", p.v_dd, wave=low)


def testbench(p: ComparatorParams, overdrive: Stimulus | float, *, view: View = "spice") -> Netlist:
    """The comparator with inp `overdrive` (V) above ref = v_cm; probes v(inp), v(q), v(qb), v(clk) and currents."""
    dc, wave = (overdrive, None) if isinstance(overdrive, float | int) else (0.0, overdrive)
    return Netlist(
        title=f"comparator: {p.mode}",
        elements=(
            V("dd", "vdd", "0", p.v_dd),
            V("ref", "ref", "0", p.v_cm),
            V("in", "inp", "ref", dc, wave),
            *clock(p),
            X("dut", PORTS, "comparator"),
        ),
        probes=("v(inp)", "v(q)", "v(qb)", "v(clk)", "v(clkb)", "i(vdd)", "i(vin)", "i(vclk)", "i(vclkb)"),
        subckts=(build(p, view=view),),
    )
