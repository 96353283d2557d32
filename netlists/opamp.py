r"""One-pole op-amp with slew rate, rails, offset, noise and supply current.

                             g_clamp to vp - headroom
                                  │
    p ──(noise)──|+\   slew·tanh  │ x          r_out
                 |  >────────────┬┴┬───[ 1 ]───/\/\── out
    n ───────────|-/      a0/ω ⌇ │ ╧ c_pole
                                 │
                             g_clamp to vm + headroom

    dx/dt = slew·tanh(ω (v_p − v_n + v_offset) / slew) − (ω / a0)·x − limits,    ω = 2π gbw
    i_out = (x − v_out) / r_out

The limits pull x back at the rate 2 slew/headroom once it is closer than `headroom` to a rail: a fully overdriven
output stops half way into the headroom. The rails deliver i_quiescent, and the output current comes out of vp or goes
into vm (class B): energy computed from the supply currents is that of the whole amplifier. Between p and n lie r_in and
c_diff, between each of them and ground c_common. The node x is referred to ground.

The model follows Boyle et al., IEEE J. Solid-State Circuits 9 (1974) 353, reduced to one pole.
"""

import re
from dataclasses import dataclass, fields
from importlib.resources import files
from math import pi
from typing import Annotated, Literal

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
    Volt,
    VoltPerRootHertz,
    VoltPerSecond,
    validate,
)
from netlists.spice import B, C, Element, I, N, Netlist, R, Stimulus, Subckt, V, Vccs, Vcvs, VerilogA, X, number

PORTS = ("p", "n", "out", "vp", "vm")
View = Literal["spice", "veriloga"]

BOLTZMANN = 1.380649e-23
TEMPERATURE = 300.15
"""K: the temperature SPICE assumes; it turns the noise density into a resistance."""

C_POLE: Farad = 1e-9
"""Capacitor at x; only its products with gbw and slew appear outside."""
KNEE: Volt = 1e-5
"""Smoothing of the limits at x; wider smoothing would load x and cost gain (1 mV: 9 dB at 130 dB)."""
I_KNEE: Ampere = 1e-6
"""Smoothing of the class-B output stage."""


@dataclass(frozen=True, kw_only=True)
class OpampParams:
    """Data-sheet values of an op-amp; the defaults are those of OPA4322."""

    a0: Annotated[One, POSITIVE] = 10**6.5
    """Open-loop DC gain."""
    gbw: Annotated[Hertz, POSITIVE] = 20e6
    """Gain-bandwidth product."""
    slew: Annotated[VoltPerSecond, POSITIVE] = 10e6
    """Slew rate, the same in both directions."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input offset: added to v_p."""
    v_high: Annotated[Volt, FINITE] = 2.75
    """Positive rail of a test bench."""
    v_low: Annotated[Volt, FINITE] = -2.75
    """Negative rail of a test bench."""
    headroom: Annotated[Volt, POSITIVE] = 0.02
    """Distance from the rails at which the output begins to be limited."""
    r_out: Annotated[Ohm, POSITIVE] = 90.0
    """Open-loop output resistance."""
    r_in: Annotated[Ohm, POSITIVE] = 1e13
    """Resistance between the inputs."""
    c_diff: Annotated[Farad, NONNEGATIVE] = 5e-12
    """Capacitance between the inputs."""
    c_common: Annotated[Farad, NONNEGATIVE] = 4e-12
    """Capacitance from each input to ground."""
    i_quiescent: Annotated[Ampere, NONNEGATIVE] = 1.5e-3
    """Current from rail to rail at no load."""
    noise: Annotated[VoltPerRootHertz, NONNEGATIVE] = 8.5e-9
    """White input noise density."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.v_high - self.v_low > 2 * self.headroom:
            raise ValueError(
                f"OpampParams.v_high must be above v_low + 2 headroom ({self.v_low + 2 * self.headroom!r}), "
                f"got {self.v_high!r}"
            )

    @property
    def omega(self) -> PerSecond:
        """Unity-gain angular frequency 2π gbw."""
        return 2 * pi * self.gbw


OPA4322 = OpampParams()
"""OPA322/2322/4322 data sheet: GBW 20 MHz, slew 10 V/µs, 8.5 nV/√Hz at 1 kHz, 1.5 mA per channel, 1.8-5.5 V, rail to
rail. From the data sheet of the sister part OPA320: input capacitance 5 pF differential and 4 pF common. a0 = 130 dB
(OPA320: 114 dB minimum, 132 dB typical), headroom and r_out are ours; the offset (2 mV at most) is left to the user."""

CMOS_180NM = OpampParams(
    a0=1e4,
    gbw=100e6,
    slew=80e6,
    v_high=0.9,
    v_low=-0.9,
    r_out=1e3,
    c_diff=0.1e-12,
    c_common=0.1e-12,
    i_quiescent=0.3e-3,
)
"""A generic on-chip amplifier: 80 dB, 100 MHz, ±0.9 V; round numbers of ours, not of one published design."""


def build(p: OpampParams, *, view: View = "spice", name: str = "opamp") -> Subckt:
    """Subcircuit `opamp p n out vp vm`; two different op-amps in one netlist need two names."""
    if view == "veriloga":
        core = N("core", PORTS, "opamp", _instance_parameters(p))
        return Subckt(name, PORTS, (core,), veriloga=(VerilogA("opamp", veriloga(OPA4322)),))
    if view != "spice":
        raise ValueError(f"view must be 'spice' or 'veriloga', got {view!r}")
    return Subckt(name, PORTS, (*_input(p), *_gain(p), *output_stage("x", "out", p.r_out, p.i_quiescent)))


def veriloga(p: OpampParams) -> str:
    """The Verilog-A module `opamp`, with the values of p as defaults of its parameters."""
    text = (files("netlists") / "opamp.va").read_text()
    for name, value in _instance_parameters(p).items():
        text, found = re.subn(rf"(parameter real {name} = )\S+?(?=[ ;])", rf"\g<1>{number(value)}", text)
        assert found == 1, name
    return text


def testbench(
    p: OpampParams,
    inp: Stimulus | float,
    *,
    r_load: Ohm = 10e3,
    c_load: Farad = 50e-12,
    ac: float = 0.0,
    view: View = "spice",
) -> Netlist:
    """Voltage follower with r_load ‖ c_load, driven by `inp` (V); probes input, output and supply currents."""
    return Netlist(
        title="opamp: follower",
        elements=(*supplies(p), *follower("", inp, r_load, c_load, ac)),
        probes=("v(inp)", "v(out)", "i(vhigh)", "i(vlow)"),
        subckts=(build(p, view=view),),
    )


def supplies(p: OpampParams) -> tuple[Element, ...]:
    """The rails of a test bench: nodes vp and vm, sources Vhigh and Vlow."""
    return (V("high", "vp", "0", p.v_high), V("low", "vm", "0", p.v_low))


def follower(mark: str, inp: Stimulus | float, r_load: Ohm, c_load: Farad, ac: float = 0.0) -> tuple[Element, ...]:
    """A follower between the nodes inp<mark> and out<mark>, with its source and its load."""
    above, out = f"inp{mark}", f"out{mark}"
    return (
        source(V, f"in{mark}", above, "0", inp, ac),
        X(f"dut{mark}", (above, out, out, "vp", "vm"), "opamp"),
        R(f"load{mark}", out, "0", r_load),
        C(f"load{mark}", out, "0", c_load),
    )


def source(kind: type[V] | type[I], name: str, p: str, n: str, stimulus: Stimulus | float, ac: float = 0.0) -> V | I:
    """A source of `kind` (V or I) with a waveform, or with a constant value."""
    if isinstance(stimulus, float | int):
        return kind(name, p, n, dc=stimulus, ac=ac)
    return kind(name, p, n, wave=stimulus, ac=ac)


def _instance_parameters(p: OpampParams) -> dict[str, float]:
    """What the Verilog-A module takes: all but the rails, which are its ports, and the inner constants."""
    values = {f.name: getattr(p, f.name) for f in fields(p) if f.name not in ("v_high", "v_low")}
    values["slew_rate"] = values.pop("slew")  # `slew` is a keyword of Verilog-A
    return values | {"c_pole": C_POLE, "knee": KNEE, "i_knee": I_KNEE}


def _n(x: float) -> str:
    return f"({number(x)})"


def _smooth_positive(z: str, width: float) -> str:
    """max(z, 0) with a knee of `width`, written so that nothing cancels far below 0: that made ngspice crawl."""
    square = _n(width * width)
    return f"0.5*(({z})+abs({z}))+0.5*{square}/(abs({z})+sqrt(({z})*({z})+{square}))"


def _input(p: OpampParams) -> list[Element]:
    elements: list[Element] = [R("in", "p", "n", p.r_in)]
    elements += [C("diff", "p", "n", p.c_diff)] if p.c_diff else []
    elements += [C("p", "p", "0", p.c_common), C("n", "n", "0", p.c_common)] if p.c_common else []
    if p.noise:
        # The thermal voltage of this resistor is the noise; it carries no current.
        elements += [R("noise", "noise", "0", p.noise**2 / (4 * BOLTZMANN * TEMPERATURE))]
        elements += [Vcvs("noise", "plus", "p", "noise", "0", 1.0)]
    return elements


def _gain(p: OpampParams) -> list[Element]:
    plus = "plus" if p.noise else "p"
    clamp = _n(2 * C_POLE * p.slew / p.headroom)
    above = _smooth_positive(f"v(x)-v(vp)+{_n(p.headroom)}", KNEE)
    below = _smooth_positive(f"v(vm)+{_n(p.headroom)}-v(x)", KNEE)
    error = f"v({plus})-v(n)+{_n(p.v_offset)}"
    return [
        B("gain", "0", "x", "i", f"{_n(C_POLE * p.slew)}*tanh({_n(p.omega / p.slew)}*({error}))"),
        R("pole", "x", "0", p.a0 / (p.omega * C_POLE)),
        C("pole", "x", "0", C_POLE),
        B("limits", "x", "0", "i", f"{clamp}*(({above})-({below}))"),
    ]


def output_stage(inner: str, out: str, r_out: Ohm, i_quiescent: Ampere) -> list[Element]:
    """From the voltage of the node `inner` through r_out to `out`; the current comes out of vp or goes into vm."""
    i_out = f"(v({inner})-v({out}))/{_n(r_out)}"
    quiescent = _n(i_quiescent)
    return [
        Vccs("out", "0", out, inner, "0", 1 / r_out),
        R("out", out, "0", r_out),
        B("high", "vp", "0", "i", f"{quiescent}+({_smooth_positive(i_out, I_KNEE)})"),
        B("low", "0", "vm", "i", f"{quiescent}+({_smooth_positive(f'-({i_out})', I_KNEE)})"),
    ]
