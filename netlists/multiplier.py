r"""Four-quadrant multiplier: a behavioural product as in an AD633, or a Gilbert cell, before one output amplifier.

    x1 ──┐                               noise, w_offset, z
    x2 ──┤                                      │
         ├── core: x·y/scale ───────────────────┴── limits ──── pole, slew ── q ──[ 1 ]──/\/\── w
    y1 ──┤   (or netlists/gilbert.py)                                                   r_out
    y2 ──┘

    core      X·(1 + x_bend ξ²)·Y·(1 + y_bend η²)/scale,    X = x1 − x2 + x_offset, ξ = X/full_scale; Y, η likewise
    sum       m = core + z + w_offset
    limits    l = m between vm + headroom and vp − headroom, smooth over `knee`
    pole      dq/dt = slew·tanh(2π bandwidth (l − q)/slew)

An offset of y lets x through (feedthrough x·y_offset/scale), and the other way round. Small inputs have a small
product: 0.1 V times 0.1 V is 1 mV at a scale of 10 V, less than the offset of the output. The rails deliver i_quiescent
and the output current; those of a Gilbert cell deliver twice its tail current besides.
"""

import re
from dataclasses import dataclass, field
from importlib.resources import files
from math import pi
from typing import Annotated

from devicemodels.units import (
    FINITE,
    NONNEGATIVE,
    POSITIVE,
    Ampere,
    Farad,
    Hertz,
    Ohm,
    One,
    PerSecond,
    PerVolt,
    Volt,
    VoltPerRootHertz,
    VoltPerSecond,
    validate,
)
from netlists import gilbert
from netlists.gilbert import GilbertParams
from netlists.opamp import BOLTZMANN, I_KNEE, TEMPERATURE, View, output_stage, source
from netlists.spice import B, C, Element, N, Netlist, R, Stimulus, Subckt, V, Vcvs, VerilogA, X, number

PORTS = ("x1", "x2", "y1", "y2", "z", "w", "vp", "vm")
C_POLE: Farad = 1e-9
"""Capacitor of the pole; only its products appear outside."""


@dataclass(frozen=True, kw_only=True)
class ProductParams:
    """The behavioural core; the defaults are those of an AD633."""

    scale: Annotated[Volt, POSITIVE] = 10.0
    """Voltage that divides the product."""
    full_scale: Annotated[Volt, POSITIVE] = 10.0
    """Largest |x| and |y|."""
    x_offset: Annotated[Volt, FINITE] = 5e-3
    """Added to x."""
    y_offset: Annotated[Volt, FINITE] = -5e-3
    """Added to y."""
    x_bend: Annotated[One, FINITE] = -4e-3
    """Relative loss of gain of x at full scale."""
    y_bend: Annotated[One, FINITE] = -1e-3
    """The same for y."""
    r_in: Annotated[Ohm, POSITIVE] = 10e6
    """Resistance between the two nodes of an input."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def gain(self) -> PerVolt:
        """Product over x·y at the origin."""
        return 1 / self.scale


@dataclass(frozen=True, kw_only=True)
class MultiplierParams:
    """Core and output amplifier; the defaults are those of an AD633 at ±15 V."""

    core: ProductParams | GilbertParams = field(default_factory=ProductParams)
    """What multiplies."""
    w_offset: Annotated[Volt, FINITE] = 5e-3
    """Added to the output."""
    bandwidth: Annotated[Hertz, POSITIVE] = 1e6
    """Pole of the output amplifier."""
    slew: Annotated[VoltPerSecond, POSITIVE] = 20e6
    """Slew rate."""
    v_high: Annotated[Volt, FINITE] = 15.0
    """Positive rail of a test bench."""
    v_low: Annotated[Volt, FINITE] = -15.0
    """Negative rail of a test bench."""
    headroom: Annotated[Volt, POSITIVE] = 4.0
    """Distance of the output's limits from the rails."""
    knee: Annotated[Volt, POSITIVE] = 10e-3
    """Smoothing of the limits."""
    r_out: Annotated[Ohm, POSITIVE] = 1.0
    """Output resistance."""
    i_quiescent: Annotated[Ampere, NONNEGATIVE] = 4e-3
    """Current from rail to rail at no load, without that of a Gilbert cell."""
    noise: Annotated[VoltPerRootHertz, NONNEGATIVE] = 1e-6
    """White noise density at the output."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.limit_high > self.limit_low:
            raise ValueError(
                f"MultiplierParams.headroom must be below half the supply ({(self.v_high - self.v_low) / 2!r}), "
                f"got {self.headroom!r}"
            )

    @property
    def omega(self) -> PerSecond:
        """2π bandwidth."""
        return 2 * pi * self.bandwidth

    @property
    def limit_high(self) -> Volt:
        """Highest output."""
        return self.v_high - self.headroom

    @property
    def limit_low(self) -> Volt:
        """Lowest output."""
        return self.v_low + self.headroom


AD633 = MultiplierParams()
"""AD633 data sheet: scale 10 V, X/Y nonlinearity 0.4/0.1 % of full scale, 1 MHz, 20 V/µs, output ±11 V, 4 mA, 10 MΩ,
100 µV rms from 10 Hz to 10 kHz; offsets of 5 mV, their usual order. Knee and r_out are ours."""

GILBERT_180NM = MultiplierParams(
    core=GilbertParams(),
    w_offset=1e-3,
    bandwidth=10e6,
    slew=20e6,
    v_high=0.9,
    v_low=-0.9,
    headroom=0.1,
    knee=1e-3,
    r_out=100.0,
    i_quiescent=50e-6,
    noise=50e-9,
)
"""A Gilbert cell and an output amplifier on a chip at ±0.9 V; round numbers of ours, not of one published design."""


def build(p: MultiplierParams, *, view: View = "spice", name: str = "multiplier") -> Subckt:
    """Subcircuit `multiplier x1 x2 y1 y2 z w vp vm`; two different multipliers in one netlist need two names."""
    if view not in ("spice", "veriloga"):
        raise ValueError(f"view must be 'spice' or 'veriloga', got {view!r}")
    if isinstance(p.core, GilbertParams):
        subckts, modules = gilbert.models(view)
        elements = gilbert.elements(p.core, view)
        if view == "spice":
            return Subckt(name, PORTS, (*elements, *_output(p, "v(op)-v(on)")), subckts)
        # The module with a gain of 0 is the output amplifier alone; the cell's output comes in at its z.
        elements = (*elements, R("z", "z", "0", p.core.r_in), Vcvs("cell", "sum", "z", "op", "on", 1.0))
        modules = (*modules, VerilogA("memspice_multiplier", veriloga(AD633)))
        amplifier = N("output", ("0", "0", "0", "0", "sum", "w", "vp", "vm"), "memspice_multiplier", _instance(p))
        return Subckt(name, PORTS, (*elements, amplifier), veriloga=modules)
    if view == "veriloga":
        module = VerilogA("memspice_multiplier", veriloga(AD633))
        return Subckt(name, PORTS, (N("core", PORTS, "memspice_multiplier", _instance(p)),), veriloga=(module,))
    inputs = (R("x", "x1", "x2", p.core.r_in), R("y", "y1", "y2", p.core.r_in))
    return Subckt(name, PORTS, (*inputs, *_output(p, _product(p.core))))


def veriloga(p: MultiplierParams) -> str:
    """The Verilog-A module `memspice_multiplier` with the values of p; with a Gilbert core that of its amplifier."""
    text = (files("netlists") / "multiplier.va").read_text()
    for name, value in _instance(p).items():
        text, found = re.subn(rf"(parameter real {name} = )\S+?(?=[ ;])", rf"\g<1>{number(value)}", text)
        assert found == 1, name
    return text


def testbench(
    p: MultiplierParams,
    x: Stimulus | float,
    y: Stimulus | float,
    z: Stimulus | float = 0.0,
    *,
    r_load: Ohm = 10e3,
    ac: float = 0.0,
    view: View = "spice",
) -> Netlist:
    """The multiplier between its rails, driven by x, y and z (V to ground), loaded by r_load.

    Probes v(x), v(y), v(z), v(w) and the currents of all sources, whose sum of v·i is what the circuit takes.
    """
    return Netlist(
        title="multiplier",
        elements=(
            V("high", "vp", "0", p.v_high),
            V("low", "vm", "0", p.v_low),
            source(V, "x", "x", "0", x, ac),
            source(V, "y", "y", "0", y),
            source(V, "z", "z", "0", z),
            X("dut", ("x", "0", "y", "0", "z", "w", "vp", "vm"), "multiplier"),
            R("load", "w", "0", r_load),
        ),
        probes=("v(x)", "v(y)", "v(z)", "v(w)", "i(vhigh)", "i(vlow)", "i(vx)", "i(vy)", "i(vz)"),
        subckts=(build(p, view=view),),
    )


def _instance(p: MultiplierParams) -> dict[str, float]:
    """What the Verilog-A module takes; `slew` is a keyword of Verilog-A."""
    product = isinstance(p.core, ProductParams)
    core = p.core if isinstance(p.core, ProductParams) else ProductParams()
    names = ("full_scale", "x_offset", "y_offset", "x_bend", "y_bend", "r_in")
    amplifier = ("w_offset", "bandwidth", "headroom", "knee", "r_out", "i_quiescent", "noise")
    values = {"gain": core.gain if product else 0.0} | {name: getattr(core, name) for name in names}
    values |= {name: getattr(p, name) for name in amplifier} | {"slew_rate": p.slew}
    return values | {"c_pole": C_POLE, "i_knee": I_KNEE}


def _n(x: float) -> str:
    return f"({number(x)})"


def _product(core: ProductParams) -> str:
    def bent(axis: str, offset: Volt, bend: One) -> str:
        u = f"(v({axis}1)-v({axis}2)+{_n(offset)})"
        return f"{u}*(1+{_n(bend / core.full_scale**2)}*{u}*{u})"

    return f"{_n(core.gain)}*{bent('x', core.x_offset, core.x_bend)}*{bent('y', core.y_offset, core.y_bend)}"


def _output(p: MultiplierParams, product: str) -> list[Element]:
    low, high = f"(v(vm)+{_n(p.headroom)})", f"(v(vp)-{_n(p.headroom)})"
    square = _n(p.knee**2)
    below, above = (f"sqrt((v(m)-{limit})*(v(m)-{limit})+{square})" for limit in (low, high))
    noise: list[Element] = [R("noise", "noise", "0", p.noise**2 / (4 * BOLTZMANN * TEMPERATURE))] if p.noise else []
    total = f"{product}+v(z)+{_n(p.w_offset)}" + ("+v(noise)" if p.noise else "")
    # Linear until time runs: the same operating point, but Newton's method cannot get lost where tanh is flat.
    slewing = f"{_n(C_POLE * p.slew)}*tanh({_n(p.omega / p.slew)}*(v(l)-v(q)))"
    step = f"time>0 ? {slewing} : {_n(C_POLE * p.omega)}*(v(l)-v(q))"
    return [
        R("z", "z", "0", p.core.r_in),
        *noise,
        B("sum", "m", "0", "v", total),
        B("limits", "l", "0", "v", f"0.5*({below}-{above}+{low}+{high})"),
        B("pole", "0", "q", "i", step),
        C("pole", "q", "0", C_POLE),
        *output_stage("q", "w", p.r_out, p.i_quiescent),
    ]
