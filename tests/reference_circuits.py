"""Circuits with a closed form: what every engine must get right, and how closely.

A tolerance is absolute, in the unit of the signal, and says where it comes from. `solve` is the closed form over the
axis the engine has chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cosim.engines import Ac, Analysis, Dc, Noise, Op, Options, Tran
from netlists.spice import C, I, Ic, N, Netlist, Pulse, Pwl, R, Resistors, Sine, Subckt, V, Vccs, Vcvs, VerilogA, X

BOLTZMANN = 1.380649e-23
T_NOMINAL = 300.15
"""27 °C, the temperature of every simulator here unless told otherwise."""

R_ = 1e3
C_ = 1e-9
TAU = R_ * C_


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A circuit, an analysis, the probe to look at, its closed form and the tolerance (absolute, with its reason)."""

    netlist: Netlist
    analysis: Analysis
    probe: str
    solve: Callable[[np.ndarray], np.ndarray]
    tolerance: float
    reason: str


def netlist(title: str, *elements, probes: tuple[str, ...] = ("v(b)",), **parts) -> Netlist:
    return Netlist(title=title, elements=elements, probes=probes, **parts)


RC = (R("1", "a", "b", R_), C("1", "b", "0", C_))
FINE = Options(reltol=1e-6, vntol=1e-9)
STEP = TAU / 500
TRAPEZOIDAL = (STEP / TAU) ** 2
"""Trapezoidal rule: the local error h³/12τ³ over t/h steps is below (h/τ)²/12 in all; a twelfth of this bound."""

DIVIDER = Reference(
    netlist=netlist("divider", V("1", "a", "0", 2.0), R("1", "a", "b", 3e3), R("2", "b", "0", 1e3)),
    analysis=Op(),
    probe="v(b)",
    solve=lambda _: np.array([0.5]),
    tolerance=1e-14,
    reason="linear and well conditioned: the last of 16 digits",
)

SOURCE_CURRENT = Reference(
    netlist=netlist(
        "current into the positive terminal",
        V("1", "a", "0", 2.0),
        R("1", "a", "0", 1e3),
        I("1", "0", "a", 5e-3),
        probes=("i(v1)",),
    ),
    analysis=Op(),
    probe="i(v1)",
    solve=lambda _: np.array([3e-3]),
    tolerance=1e-14,
    reason="5 mA from the source minus 2 mA through the resistor, to the last digits",
)

LADDER = Reference(
    netlist=netlist(
        "resistor array",
        V("1", "n0", "0", 1.0),
        Resistors("l", [f"n{i}" for i in range(20)], [f"n{i + 1}" for i in range(20)], np.full(20, 10.0)),
        R("end", "n20", "0", 800.0),
        probes=("v(n20)",),
    ),
    analysis=Op(),
    probe="v(n20)",
    solve=lambda _: np.array([0.8]),
    tolerance=1e-13,
    reason="20 eliminations of 16 digits each, condition number 1e3",
)

SWEEP = Reference(
    netlist=netlist("dc sweep", V("1", "a", "0", 0.3), R("1", "a", "b", 3e3), R("2", "b", "0", 1e3)),
    analysis=Dc(source="V1", start=-1.0, stop=1.0, step=0.25),
    probe="v(b)",
    solve=lambda v: v / 4,
    tolerance=1e-14,
    reason="linear: as the divider",
)

UNEVEN_SWEEP = Reference(
    netlist=SWEEP.netlist,
    analysis=Dc(source="V1", start=0.0, stop=1.0, step=0.35),
    probe="v(b)",
    solve=lambda _: np.array([0.0, 0.35, 0.7]) / 4,
    tolerance=1e-14,
    reason="linear; the last point is the last whole step",
)

RC_STEP = Reference(
    netlist=netlist("RC charged from 0 V", V("1", "a", "0", 1.0), *RC, Ic({"b": 0.0})),
    analysis=Tran(stop=5 * TAU, max_step=STEP, options=FINE),
    probe="v(b)",
    solve=lambda t: -np.expm1(-t / TAU),
    tolerance=TRAPEZOIDAL + 1e-5,
    reason="trapezoidal rule; 1e-5 V because engines hold a node at its .ic with a finite conductance",
)

RC_RAMP = Reference(
    netlist=netlist("RC driven by a ramp", V("1", "a", "0", 0.0, Pwl(((0.0, 0.0), (10 * TAU, 10.0)))), *RC),
    analysis=Tran(stop=5 * TAU, max_step=STEP, options=FINE),
    probe="v(b)",
    solve=lambda t: (t + TAU * np.expm1(-t / TAU)) / TAU,
    tolerance=TRAPEZOIDAL + 5e-6,
    reason="trapezoidal rule; reltol 1e-6 of 5 V",
)

UIC = Reference(
    netlist=netlist(
        "RC discharged from its ic", V("1", "a", "0", 0.0), R("1", "a", "b", R_), C("1", "b", "0", C_, 0.5)
    ),
    analysis=Tran(stop=5 * TAU, max_step=STEP, uic=True, options=FINE),
    probe="v(b)",
    solve=lambda t: 0.5 * np.exp(-t / TAU),
    tolerance=TRAPEZOIDAL,
    reason="trapezoidal rule",
)

SINE = Reference(
    netlist=netlist("sine", V("1", "b", "0", 0.0, Sine(0.5, 1e6, 0.25)), R("1", "b", "0", 1e3)),
    analysis=Tran(stop=2e-6, max_step=5e-9),
    probe="v(b)",
    solve=lambda t: 0.25 + 0.5 * np.sin(2 * np.pi * 1e6 * t),
    tolerance=1e-14,
    reason="the source is the signal: rounding of the angle",
)

PULSE = Reference(
    netlist=netlist(
        "pulse", V("1", "b", "0", 0.0, Pulse(0.1, 0.9, 1e-7, 1e-8, 2e-8, 2e-7, 5e-7)), R("1", "b", "0", 1e3)
    ),
    analysis=Tran(stop=1e-6, max_step=2e-9),
    probe="v(b)",
    solve=lambda t: np.interp(
        t,
        [0.0, 1e-7, 1.1e-7, 3.1e-7, 3.3e-7, 6e-7, 6.1e-7, 8.1e-7, 8.3e-7, 1e-6],
        [0.1, 0.1, 0.9, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.1],
    ),
    tolerance=1e-12,
    reason="corner times rounded by 1e-22 s on slopes of 8e7 V/s",
)

RLC_LIKE = Reference(
    netlist=netlist(
        "two-pole resonator of an RC integrator pair",
        V("1", "a", "0", 0.0, ac=1.0),
        # dx/dt = (u - x/q - y)/τ and dy/dt = x/τ, with currents into capacitors: y/u = 1/(s²τ² + sτ/q + 1).
        Vccs("in", "0", "x", "a", "0", 1 / R_),
        R("q", "x", "0", 5 * R_),
        Vccs("back", "x", "0", "b", "0", 1 / R_),
        C("x", "x", "0", C_),
        Vccs("forth", "0", "b", "x", "0", 1 / R_),
        C("b", "b", "0", C_),
    ),
    analysis=Ac(start=1e4, stop=1e7, points_per_decade=20),
    probe="v(b)",
    solve=lambda f: 1 / (1 + 2j * np.pi * f * TAU / 5 + (2j * np.pi * f * TAU) ** 2),
    tolerance=1e-12,
    reason="gmin 1e-15 S against 0.2 mS at the resonance of 5, and 16 digits",
)

AMPLIFIER = Reference(
    netlist=netlist(
        "subcircuit with a controlled source",
        V("1", "a", "0", 0.1),
        X("u", ("a", "b"), "amplifier"),
        R("load", "b", "0", 1e3),
        probes=("v(b)", "v(xu.m)"),
        subckts=(Subckt("amplifier", ("inp", "out"), (Vcvs("e", "m", "0", "inp", "0", 6.0), R("o", "m", "out", 2e3))),),
    ),
    analysis=Op(),
    probe="v(b)",
    solve=lambda _: np.array([0.2]),
    tolerance=1e-14,
    reason="linear: as the divider",
)

CONDUCTANCE = VerilogA(
    "square_law",
    """`include "disciplines.vams"
module square_law(p, n);
    inout p, n; electrical p, n;
    (* type="instance" *) parameter real k = 1e-3 from (0:inf);
    (* desc="power", units="W" *) real power;
    analog begin
        power = k * V(p, n) * V(p, n) * V(p, n);
        I(p, n) <+ k * V(p, n) * V(p, n);
    end
endmodule
""",
)
VERILOG_A = Reference(
    netlist=netlist(
        "Verilog-A in series with a resistor",
        V("1", "a", "0", 2.0),
        R("1", "a", "b", 1e3),
        N("1", ("b", "0"), "square_law", {"k": 1e-3}),
        probes=("v(b)", "@n1[power]"),
        veriloga=(CONDUCTANCE,),
    ),
    analysis=Op(options=FINE),
    probe="v(b)",
    solve=lambda _: np.array([1.0]),  # (2 - v)/1 kΩ = 1 mS/V · v²
    tolerance=3e-6,
    reason="Newton stops at reltol 1e-6 of 1 V and the residual contracts quadratically",
)

RC_AC = Reference(
    netlist=netlist("RC in frequency", V("1", "a", "0", 0.0, ac=2.0), *RC),
    analysis=Ac(start=1e3, stop=5.3e7, points_per_decade=7),
    probe="v(b)",
    solve=lambda f: 2 / (1 + 2j * np.pi * f * TAU),
    tolerance=1e-12,
    reason="linear; gmin 1e-15 S beside 1 mS, and the frequency's last digits",
)

NOISE = Reference(
    netlist=netlist("thermal noise", V("1", "a", "0", 0.0, ac=1.0), *RC),
    analysis=Noise(output="b", source="V1", start=1e3, stop=1e7, points_per_decade=10),
    probe="onoise_spectrum",
    solve=lambda f: np.sqrt(4 * BOLTZMANN * T_NOMINAL * R_ / (1 + (2 * np.pi * f * TAU) ** 2)),
    tolerance=2.5e-15,
    reason="of 4 nV/√Hz: older Boltzmann constants under the root, 1.3806503e-23 (VACASK), 1.38064852e-23 (ngspice)",
)

INPUT_NOISE = Reference(
    netlist=NOISE.netlist,
    analysis=NOISE.analysis,
    probe="inoise_spectrum",
    solve=lambda f: np.full_like(f, np.sqrt(4 * BOLTZMANN * T_NOMINAL * R_)),
    tolerance=2.5e-15,
    reason="as the output noise: divided by the gain, it is white",
)

HOT_NOISE = Reference(
    netlist=NOISE.netlist,
    analysis=replace(NOISE.analysis, options=Options(temp=T_NOMINAL - 273.15 + 100.0)),
    probe="inoise_spectrum",
    solve=lambda f: np.full_like(f, np.sqrt(4 * BOLTZMANN * (T_NOMINAL + 100.0) * R_)),
    tolerance=2.5e-15,
    reason="as the input noise; 100 K more are 0.6 nV/√Hz",
)

REFERENCES = {
    "divider": DIVIDER,
    "source current": SOURCE_CURRENT,
    "ladder": LADDER,
    "sweep": SWEEP,
    "uneven sweep": UNEVEN_SWEEP,
    "RC step": RC_STEP,
    "RC ramp": RC_RAMP,
    "initial conditions": UIC,
    "sine": SINE,
    "pulse": PULSE,
    "resonator": RLC_LIKE,
    "subcircuit": AMPLIFIER,
    "Verilog-A": VERILOG_A,
    "RC in frequency": RC_AC,
    "thermal noise": NOISE,
    "input noise": INPUT_NOISE,
    "noise at 127 °C": HOT_NOISE,
}
