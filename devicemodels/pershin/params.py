"""Numbers of the threshold model of Pershin and Di Ventra (arXiv:1204.2600; Radioengineering 22, 485, 2013).

    dr/dt = f(v)                                     r_on < r < r_off, or f points inwards
    f     = alpha v                                  |v| <= v_t
          = beta (v - v_t) + alpha v_t               v > v_t     (odd in v)
    i     = v/r                                      r = r_on + (r_off - r_on) x

The state is x: **0 is the low-resistance state**, and positive voltage raises the resistance. The equations were read
in ngspice's own example (examples/memristor), which ships the model twice: as a subcircuit and as an XSPICE code model.

Not modelled: nonlinear i(v), temperature, compliance, variability, retention. Ours is `ramp`: over the last `ramp` of
the way to a bound the rate falls linearly to 0, where the example stops at a step; beyond it the rate points back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Ohm, OhmPerVoltSecond, One, Range, Volt, validate

RAMP = Range("above 0 and at most 0.5", low=0.0, high=0.5, open_low=True)


@dataclass(frozen=True, kw_only=True)
class PershinParams:
    """One cell of the threshold model; the defaults are the set NGSPICE."""

    r_on: Annotated[Ohm, POSITIVE] = 1e3
    """Resistance at x = 0."""
    r_off: Annotated[Ohm, POSITIVE] = 10e3
    """Resistance at x = 1."""
    alpha: Annotated[OhmPerVoltSecond, NONNEGATIVE] = 0.0
    """Slope of the rate below the threshold."""
    beta: Annotated[OhmPerVoltSecond, POSITIVE] = 2e12
    """Slope of the rate above the threshold."""
    v_t: Annotated[Volt, POSITIVE] = 1.6
    """Threshold, the same for both signs."""
    x0: Annotated[One, FRACTION] = 0.6666666666666666
    """State at t = 0: (r_init - r_on)/(r_off - r_on)."""
    ramp: Annotated[One, RAMP] = 0.01
    """Width in x of the ramp that stops the state at each bound (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.r_off > self.r_on:
            raise ValueError(f"PershinParams.r_off must be above r_on ({self.r_on!r}), got {self.r_off!r}")

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape).

        Raises ValueError outside 1/r_off .. 1/r_on.
        """
        r = 1 / conductances("PershinParams", g, 1 / self.r_off, 1 / self.r_on)
        return {"x0": np.clip((r - self.r_on) / (self.r_off - self.r_on), 0.0, 1.0)}


NGSPICE = PershinParams()
"""ngspice's example: r_init 7 kohm, beta 20 kohm/(V stime) with stime = 10 ns, driven at 3 V, 100 MHz. The example
calls its numbers artificial: no device was fitted."""

PUBLISHED: Mapping[str, PershinParams] = {"ngspice": NGSPICE}
