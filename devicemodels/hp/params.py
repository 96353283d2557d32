"""Numbers of the HP memristor with linear ion drift (Strukov, Snider, Stewart, Williams, Nature 453, 80, 2008).

    v = (r_on x + r_off (1 - x)) i            dx/dt = (mu_v r_on / d^2) i f(x, i)            x = w/d in 0..1

    window 0  none        f = 1 inside the bounds
    window 1  Joglekar    f = 1 - (2x - 1)^(2 p_window)
    window 2  Biolek      f = 1 - x^(2 p_window)        i > 0
                            = 1 - (1 - x)^(2 p_window)  i < 0
    window 3  Prodromakis f = j_window (1 - ((x - 1/2)^2 + 3/4)^p_window)

Windows: Joglekar, Wolf, Eur. J. Phys. 30, 661, 2009; Biolek, Biolek, Biolkova, Radioengineering 18(2), 210, 2009;
Prodromakis et al., IEEE TED 58(9), 3099, 2011.

The state is x: **1 is the low-resistance state**, positive voltage sets. The equations were compared in two independent
secondary places each (three public libraries mistype Joglekar or Prodromakis); the four papers were not read. Windows 1
and 3 vanish at both bounds: a cell that gets there stays. Biolek's step at i = 0 needs no smoothing, as i f has none.

Not modelled: threshold, nonlinear drift, nonlinear i(v), temperature, retention. Any voltage, a read too, moves the
state. Ours is `ramp`: without a window the rate falls linearly to 0 over the last `ramp` of the way to a bound and
points back beyond it. The other windows are evaluated at x clipped to 0..1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import (
    FRACTION,
    POSITIVE,
    Count,
    Metre,
    Ohm,
    One,
    Range,
    SquareMetrePerVoltSecond,
    validate,
)

WINDOW = Range("0 (none), 1 (Joglekar), 2 (Biolek) or 3 (Prodromakis)", low=0, high=3)
EXPONENT = Range("at least 0.5, or the window has no slope at a bound", low=0.5)
RAMP = Range("above 0 and at most 0.5", low=0.0, high=0.5, open_low=True)


@dataclass(frozen=True, kw_only=True)
class HpParams:
    """One HP memristor; the defaults are the set BIOLEK_2009."""

    r_on: Annotated[Ohm, POSITIVE] = 100.0
    """Resistance at x = 1."""
    r_off: Annotated[Ohm, POSITIVE] = 16e3
    """Resistance at x = 0."""
    d: Annotated[Metre, POSITIVE] = 10e-9
    """Thickness of the film."""
    mu_v: Annotated[SquareMetrePerVoltSecond, POSITIVE] = 1e-14
    """Mobility of the dopants."""
    x0: Annotated[One, FRACTION] = 0.31446540880503143
    """State at t = 0: (r_off - r_init)/(r_off - r_on)."""
    window: Annotated[Count, WINDOW] = 2
    """0 none, 1 Joglekar, 2 Biolek, 3 Prodromakis."""
    p_window: Annotated[One, EXPONENT] = 1.0
    """Exponent p of the window."""
    j_window: Annotated[One, POSITIVE] = 1.0
    """Height j of the Prodromakis window."""
    ramp: Annotated[One, RAMP] = 0.01
    """Width in x of the ramp that stops the state at each bound where there is no window (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.r_off > self.r_on:
            raise ValueError(f"HpParams.r_off must be above r_on ({self.r_on!r}), got {self.r_off!r}")

    @property
    def drift(self) -> float:
        """Rate of x per ampere, mu_v r_on / d^2, in 1/(A s)."""
        return self.mu_v * self.r_on / self.d**2

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape).

        Raises ValueError outside 1/r_off .. 1/r_on.
        """
        r = 1 / conductances("HpParams", g, 1 / self.r_off, 1 / self.r_on)
        return {"x0": np.clip((self.r_off - r) / (self.r_off - self.r_on), 0.0, 1.0)}


BIOLEK_2009 = HpParams()
"""Biolek, Biolek, Biolkova, Radioengineering 18(2), 210, 2009: r_init 11 kohm; alike in two independent secondary
places (authors' netlist; p = 1, elsewhere p = 2). Range of use not stated; all sources drive it near 1 V, 1 Hz."""
BIOLEK_ECCTD = HpParams(r_on=1e3, r_off=100e3, x0=20 / 99)
"""Biolek et al., ECCTD 2009: r_init 80 kohm; **seen in one secondary place only**."""
YAKOPCIC_JOGLEKAR = HpParams(r_off=10e3, d=12e-9, mu_v=5e-14, x0=0.56, window=1, p_window=7.0)
"""Joglekar's model in Yakopcic's SPICE guide; **seen in one secondary place only**."""
YAKOPCIC_BIOLEK = HpParams(r_off=1e3, d=16e-9, mu_v=4e-14, x0=0.076, p_window=7.0)
"""Biolek's model in Yakopcic's SPICE guide, driven there at 100 Hz; **seen in one secondary place only**."""
TECHNION = HpParams(r_off=200e3, d=3e-9, mu_v=1e-15, x0=0.5, window=1, p_window=2.0)
"""Defaults of the Technion memristor report, 2011 (read); its window is a choice, Joglekar here is ours."""

PUBLISHED: Mapping[str, HpParams] = {
    "biolek_2009": BIOLEK_2009,
    "biolek_2009_joglekar": replace(BIOLEK_2009, window=1),
    "biolek_ecctd": BIOLEK_ECCTD,
    "yakopcic_joglekar": YAKOPCIC_JOGLEKAR,
    "yakopcic_biolek": YAKOPCIC_BIOLEK,
    "technion": TECHNION,
}
