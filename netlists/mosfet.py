"""Transistors of the simulator's own level 1, with charges: for circuits whose speed and energy the transistors decide.

Static equations as in `devicemodels/nmos/params.py`; here also Meyer gate capacitances, overlaps and junctions, which
only the simulator computes. Level 1 has no subthreshold current, and its lambda is made to fall with the length:
lambda = lam_l / l.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from devicemodels.units import NONNEGATIVE, POSITIVE, Metre, Unit, Volt, validate
from netlists.spice import number

STRIP: Metre = 0.5e-6
"""Length of the source and drain areas."""


@dataclass(frozen=True, kw_only=True)
class MosfetCard:
    """A process: the level-1 card of one polarity. Letters as in SPICE."""

    kind: Literal["nmos", "pmos"]
    """Polarity."""
    vto: Volt
    """Threshold; negative for a p-channel."""
    kp: Annotated[float, Unit("A/V²"), POSITIVE]
    """Transconductance of a square."""
    gamma: Annotated[float, Unit("√V"), NONNEGATIVE]
    """Body effect."""
    lam_l: Annotated[float, Unit("m/V"), NONNEGATIVE]
    """Channel-length modulation times length."""
    phi: Annotated[Volt, POSITIVE] = 0.8
    """Surface potential."""
    tox: Annotated[Metre, POSITIVE] = 4.1e-9
    """Thickness of the gate oxide."""
    overlap: Annotated[float, Unit("F/m"), NONNEGATIVE] = 0.35e-9
    """Gate to source and gate to drain, per width."""
    cj: Annotated[float, Unit("F/m²"), NONNEGATIVE] = 1e-3
    """Junction capacitance per area."""
    mj: Annotated[float, Unit(""), POSITIVE] = 0.4
    """Its grading."""
    cjsw: Annotated[float, Unit("F/m"), NONNEGATIVE] = 0.2e-9
    """Junction capacitance per perimeter."""
    mjsw: Annotated[float, Unit(""), POSITIVE] = 0.3
    """Its grading."""
    pb: Annotated[Volt, POSITIVE] = 0.8
    """Built-in voltage of the junctions."""

    def __post_init__(self) -> None:
        validate(self)


NMOS_180NM = MosfetCard(kind="nmos", vto=0.45, kp=270e-6, gamma=0.45, lam_l=0.05e-6)
"""A generic 180 nm process, 1.8 V; round numbers of ours."""
PMOS_180NM = MosfetCard(kind="pmos", vto=-0.45, kp=70e-6, gamma=0.4, lam_l=0.06e-6, cj=1.1e-3, mj=0.45, mjsw=0.35)
"""As NMOS_180NM."""


@dataclass(frozen=True)
class M:
    """Element: a transistor of width `w` and length `l` (m) at drain, gate, source, bulk; prints its own card."""

    name: str
    d: str
    g: str
    s: str
    b: str
    card: MosfetCard
    w: float
    l: float  # noqa: E741 - the letter of SPICE

    def lines(self) -> list[str]:
        c, area, edge = self.card, number(self.w * STRIP), number(2 * (self.w + STRIP))
        values = {
            "vto": c.vto, "kp": c.kp, "gamma": c.gamma, "phi": c.phi, "lambda": c.lam_l / self.l, "tox": c.tox,
            "cgso": c.overlap, "cgdo": c.overlap, "cj": c.cj, "mj": c.mj, "cjsw": c.cjsw, "mjsw": c.mjsw, "pb": c.pb,
        }  # fmt: skip
        model = " ".join(f"{key}={number(value)}" for key, value in values.items())
        return [
            f"M{self.name} {self.d} {self.g} {self.s} {self.b} m_{self.name} w={number(self.w)} l={number(self.l)} "
            f"ad={area} as={area} pd={edge} ps={edge}",
            f".model m_{self.name} {c.kind} level=1 {model}",
        ]
