"""Numbers of VTEAM (Kvatinsky, Ramadan, Friedman, Kolodny, IEEE TCAS-II 62(8), 786, 2015).

    dw/dt = k_off (v/v_off - 1)^alpha_off     v > v_off > 0, w < w_off      RESET: w and resistance grow
          = k_on  (v/v_on  - 1)^alpha_on      v < v_on  < 0, w > w_on       SET: w and resistance shrink
          = 0                                 between the thresholds
    i     = v / (r_on + (r_off - r_on) x)     iv = 0, linear;               x = (w - w_on)/(w_off - w_on)
          = v / (r_on (r_off/r_on)^x)         iv = 1, exponential

The state is x: **0 is the low-resistance state**, 1 the high-resistance state. Only k_on is negative. The equations
were read in Biolek et al., IEEE Access 9, 30242 (2021), eq. 1-5, and in the Technion Verilog-A report; the table of
the 2015 paper was not seen, so each set below says where its numbers stand. The fitted voltage ranges are not known.

Not modelled: temperature, current compliance, variability, retention, the smooth windows of TEAM. Ours is `ramp`: over
the last `ramp` of the way to a bound the rate falls linearly to 0; beyond it (a solver's overshoot) it points back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import (
    FRACTION,
    NEGATIVE,
    POSITIVE,
    Count,
    Metre,
    MetrePerSecond,
    Ohm,
    One,
    PerSecond,
    Range,
    Volt,
    validate,
)

AT_LEAST_ONE = Range("at least 1, or the rate has no slope at the threshold", low=1.0)
SWITCH = Range("0 (linear) or 1 (exponential)", low=0, high=1)
RAMP = Range("above 0 and at most 0.5", low=0.0, high=0.5, open_low=True)


@dataclass(frozen=True, kw_only=True)
class VteamParams:
    """One VTEAM cell; the defaults are the set MAGIC."""

    r_on: Annotated[Ohm, POSITIVE] = 1e3
    """Resistance at x = 0."""
    r_off: Annotated[Ohm, POSITIVE] = 300e3
    """Resistance at x = 1."""
    v_on: Annotated[Volt, NEGATIVE] = -1.5
    """SET threshold."""
    v_off: Annotated[Volt, POSITIVE] = 0.3
    """RESET threshold."""
    k_on: Annotated[MetrePerSecond, NEGATIVE] = -216.2
    """SET speed at twice the threshold."""
    k_off: Annotated[MetrePerSecond, POSITIVE] = 0.091
    """RESET speed at twice the threshold."""
    alpha_on: Annotated[One, AT_LEAST_ONE] = 4.0
    """Exponent of the SET."""
    alpha_off: Annotated[One, AT_LEAST_ONE] = 4.0
    """Exponent of the RESET."""
    w_on: Metre = 0.0
    """Position w at x = 0."""
    w_off: Metre = 3e-9
    """Position w at x = 1."""
    x0: Annotated[One, FRACTION] = 0.5
    """State at t = 0 (ours)."""
    iv: Annotated[Count, SWITCH] = 0
    """Current-voltage relation: 0 linear, 1 exponential in x."""
    ramp: Annotated[One, RAMP] = 0.01
    """Width in x of the ramp that replaces the step of the rectangular window at each bound (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.r_off > self.r_on:
            raise ValueError(f"VteamParams.r_off must be above r_on ({self.r_on!r}), got {self.r_off!r}")
        if not self.w_off > self.w_on:
            raise ValueError(f"VteamParams.w_off must be above w_on ({self.w_on!r}), got {self.w_off!r}")

    @property
    def rate_on(self) -> PerSecond:
        """k_on in units of the state, 1/s; negative."""
        return self.k_on / (self.w_off - self.w_on)

    @property
    def rate_off(self) -> PerSecond:
        """k_off in units of the state, 1/s."""
        return self.k_off / (self.w_off - self.w_on)

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape) at 0 V.

        Raises ValueError outside 1/r_off .. 1/r_on.
        """
        r = 1 / conductances("VteamParams", g, 1 / self.r_off, 1 / self.r_on)
        if self.iv:
            x = np.log(r / self.r_on) / np.log(self.r_off / self.r_on)
        else:
            x = (r - self.r_on) / (self.r_off - self.r_on)
        return {"x0": np.clip(x, 0.0, 1.0)}


MAGIC = VteamParams()
"""Logic set used with MAGIC gates, alike in two independent secondary places, usually credited to Talati et al. 2016
(paper not read). +1 V resets in 1.112 ns, -2 V sets in 1.124 ns: the near-equality is the design point."""
PT_HF_TI = VteamParams(
    r_on=100.0, r_off=2.5e3, v_on=-0.53, v_off=0.5, k_on=-80.0, k_off=4.03e-8, alpha_on=3.0, alpha_off=1.0, w_off=10e-9
)
"""Fit to a Pt-Hf-Ti memristor credited to the 2015 paper, alike in two independent secondary places. The SET is eight
decades faster than the RESET: bound the time step."""
FERROELECTRIC = VteamParams(
    r_on=1.5e5, r_off=5e7, v_on=-5.7, v_off=1.4, k_on=-30.0, k_off=1e-4, alpha_on=5.0, alpha_off=5.0, w_off=10e-9
)
"""Fit to a ferroelectric memristor credited to the 2015 paper; **seen in one secondary place only**, not confirmed."""

PUBLISHED: Mapping[str, VteamParams] = {"magic": MAGIC, "pt_hf_ti": PT_HF_TI, "ferroelectric": FERROELECTRIC}
