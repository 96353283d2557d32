r"""The Gilbert cell, a core of netlists/multiplier.py: three differential pairs of transistors.

                 vp ───┬────────────────┬───
                   r_load            r_load
                       │                │
              on ──────┼──┬──────────┐  │               four upper gates: x_level ± (x + x_offset)/2
              op ──────│──│───────┬──│──┘               two lower gates:  y_level ± (y + y_offset)/2
                       │  │       │  │                  tail: a mirror of i_tail
                 xp ─┤M3  M4├─ xn ─┤M5  M6├─ xp
                       └┬─┘       └─┬┘
                        a           b
                   yp ─┤M1         M2├─ yn
                        └─────┬─────┘
                              t ── Mt, mirror of Mb (i_tail)
                 vm ──────────┴──

    v(op) − v(on) = r_load·(f(x, I_a) − f(x, I_b)),   I_a,b = (i_tail ± f(y, i_tail))/2,   f(v, I) = v·√(β I − β² v²/4)

for transistors of the square law without channel-length modulation, β = kp w/l, while |v| < √(2 I/β). At its origin the
product is r_load β/√2 · x y (B. Gilbert, IEEE J. Solid-State Circuits 3 (1968) 365, has the bipolar one). The gates are
shifted to their levels by ideal sources: inputs may be referred to anything. Bulks are at vm.
"""

from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Annotated

from devicemodels.nmos.params import NmosParams
from devicemodels.transistors import TRANSISTORS
from devicemodels.units import FINITE, NONNEGATIVE, POSITIVE, Ampere, Farad, Ohm, One, PerVolt, Volt, validate
from netlists.spice import C, Element, I, N, R, SubcktText, V, Vcvs, VerilogA, X

NMOS = TRANSISTORS["nmos"]
PAIR = NmosParams(w=8e-6, l=0.5e-6, vto=0.45, kp=270e-6, gamma=0.45, phi=0.8, lam=0.1)
"""Round numbers of a generic 180 nm process; ours."""
R_LEAK: Ohm = 1e12
"""Leakage of inner nodes to vm; 1e-8 of the tail current."""


@dataclass(frozen=True, kw_only=True)
class GilbertParams:
    """Values of the cell; the defaults suit a supply of 1.8 V and inputs of ±50 mV."""

    pair: NmosParams = field(default_factory=lambda: PAIR)
    """Every transistor of the pairs; those of the tail's mirror are twice as wide."""
    i_tail: Annotated[Ampere, POSITIVE] = 40e-6
    """Current that the pairs share; the mirror's reference takes the same once more."""
    r_load: Annotated[Ohm, POSITIVE] = 20e3
    """Each load."""
    c_load: Annotated[Farad, NONNEGATIVE] = 50e-15
    """Capacitance at each output."""
    x_level: Annotated[Volt, FINITE] = 1.3
    """Level of the upper gates above vm."""
    y_level: Annotated[Volt, FINITE] = 0.85
    """Level of the lower gates above vm."""
    x_offset: Annotated[Volt, FINITE] = 0.2e-3
    """Mismatch of the upper pairs, as a voltage added to x."""
    y_offset: Annotated[Volt, FINITE] = -0.3e-3
    """Mismatch of the lower pair, added to y."""
    r_in: Annotated[Ohm, POSITIVE] = 1e9
    """Resistance between the two nodes of an input."""
    full_scale: Annotated[Volt, POSITIVE] = 50e-3
    """Largest |x| and |y| that a bench applies; beyond it the pairs bend by more than two thin cubic terms say."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.full_scale < self.steering:
            raise ValueError(
                f"GilbertParams.full_scale must be below the voltage that steers the whole tail current to one side "
                f"({self.steering:.3g} V), got {self.full_scale!r}"
            )

    @property
    def beta(self) -> float:
        """kp w/l of a transistor of the pairs (A/V²)."""
        return self.pair.kp * self.pair.w / self.pair.l

    @property
    def steering(self) -> Volt:
        """Where an upper pair, which has half the tail current, is steered to one side."""
        return sqrt(self.i_tail / self.beta)

    @property
    def gain(self) -> PerVolt:
        """Product at the origin over x·y, without channel-length modulation."""
        return self.r_load * self.beta / sqrt(2)

    @property
    def x_bend(self) -> One:
        """Not known in closed form together with the tail: left to the calibration."""
        return 0.0

    @property
    def y_bend(self) -> One:
        """As x_bend."""
        return 0.0


def elements(p: GilbertParams, view: str) -> tuple[Element, ...]:
    """The cell between the nodes x1, x2, y1, y2, vp, vm; its outputs are the nodes op and on."""
    mirror = NmosParams(**{**asdict(p.pair), "w": 2 * p.pair.w})
    transistors = {
        "m1": (p.pair, ("a", "yp", "t")),
        "m2": (p.pair, ("b", "yn", "t")),
        "m3": (p.pair, ("on", "xp", "a")),
        "m4": (p.pair, ("op", "xn", "a")),
        "m5": (p.pair, ("on", "xn", "b")),
        "m6": (p.pair, ("op", "xp", "b")),
        "mt": (mirror, ("t", "bias", "vm")),
        "mb": (mirror, ("bias", "bias", "vm")),
    }
    made: list[Element] = [*_shifted("x", p.x_level, p.x_offset, p.r_in), *_shifted("y", p.y_level, p.y_offset, p.r_in)]
    made += [_transistor(name, params, nodes, view) for name, (params, nodes) in transistors.items()]
    made += [I("bias", "vp", "bias", p.i_tail), R("op", "vp", "op", p.r_load), R("on", "vp", "on", p.r_load)]
    # A simulator begins with every transistor off: without leakage these nodes float there.
    made += [R(f"leak{node}", node, "vm", R_LEAK) for node in ("a", "b", "t", "bias")]
    return (*made, C("op", "op", "0", p.c_load), C("on", "on", "0", p.c_load)) if p.c_load else tuple(made)


def models(view: str) -> tuple[tuple[SubcktText, ...], tuple[VerilogA, ...]]:
    """What the transistors of `elements` refer to: subcircuits and Verilog-A modules."""
    if view == "veriloga":
        return (), (VerilogA(NMOS.module, NMOS.veriloga),)
    return (SubcktText(NMOS.subckt, NMOS.spice),), ()


def _shifted(axis: str, level: Volt, offset: Volt, r_in: Ohm) -> list[Element]:
    """Gates <axis>p and <axis>n at vm + level ± (input + offset)/2."""
    one, two, middle = f"{axis}1", f"{axis}2", f"{axis}m"
    return [
        R(axis, one, two, r_in),
        V(middle, middle, "vm", level),
        V(f"{axis}o", f"{axis}o", two, -offset),
        Vcvs(f"{axis}p", f"{axis}p", middle, one, f"{axis}o", 0.5),
        Vcvs(f"{axis}n", f"{axis}n", middle, one, f"{axis}o", -0.5),
    ]


def _transistor(name: str, p: NmosParams, nodes: tuple[str, str, str], view: str) -> Element:
    if view == "veriloga":
        return N(name, (*nodes, "vm"), NMOS.module, asdict(p))
    return X(name, (*nodes, "vm"), NMOS.subckt, asdict(p))
