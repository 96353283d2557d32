"""Junction diodes of the clamps and rectifiers: i = i_s (exp(v / (n v_t)) - 1) behind r_s, v_t = kT/q."""

from dataclasses import dataclass
from typing import Annotated

from devicemodels.units import NONNEGATIVE, POSITIVE, Ampere, Farad, Ohm, One, Second, Volt, validate
from netlists.opamp import BOLTZMANN, TEMPERATURE
from netlists.spice import D

CHARGE = 1.602176634e-19
"""C: the elementary charge."""
V_THERMAL: Volt = BOLTZMANN * TEMPERATURE / CHARGE
"""kT/q at the temperature SPICE assumes."""


@dataclass(frozen=True, kw_only=True)
class DiodeParams:
    """Parameters of SPICE's junction diode."""

    i_s: Annotated[Ampere, POSITIVE]
    """Saturation current."""
    n: Annotated[One, POSITIVE] = 1.0
    """Emission coefficient."""
    r_s: Annotated[Ohm, NONNEGATIVE] = 0.0
    """Series resistance."""
    c_j: Annotated[Farad, NONNEGATIVE] = 0.0
    """Junction capacitance at 0 V."""
    m: Annotated[One, POSITIVE] = 0.5
    """Grading coefficient of the junction capacitance."""
    v_j: Annotated[Volt, POSITIVE] = 1.0
    """Built-in voltage of the junction capacitance."""
    tt: Annotated[Second, NONNEGATIVE] = 0.0
    """Transit time: the charge stored by a forward current."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def slope(self) -> Volt:
        """n v_t: the voltage that multiplies a forward current by e."""
        return self.n * V_THERMAL


SILICON = DiodeParams(i_s=2.52e-9, n=1.752, r_s=0.568, c_j=4e-12, m=0.4, tt=20e-9)
"""Small-signal silicon switching diode of the 1N4148 class; values as in common vendor cards."""
SCHOTTKY = DiodeParams(i_s=0.2e-6, n=1.02, r_s=2.6, c_j=11e-12, m=0.4, v_j=0.3)
"""Schottky diode of the BAT54 class; round numbers of ours. Its leakage times 10 kΩ is 2 mV."""
ON_CHIP = DiodeParams(i_s=1e-16, r_s=20.0, c_j=20e-15)
"""A junction on a chip; round numbers of ours."""


def diode(name: str, anode: str, cathode: str, p: DiodeParams) -> D:
    """The element."""
    card = {"is": p.i_s, "n": p.n, "rs": p.r_s, "cjo": p.c_j, "m": p.m, "vj": p.v_j, "tt": p.tt}
    return D(name, anode, cathode, card)
