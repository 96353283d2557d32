"""Numbers of Yakopcic's model (IEEE EDL 32(10), 1436, 2011; IEEE TCAD 32(8), 1201, 2013).

    i     = a1 x sinh(b v)                        v >= 0
          = a2 x sinh(b v)                        v < 0
    dx/dt = eta g(v) f(x, v)
    g     =  a_p (e^v - e^v_p)                    v > v_p
          = -a_n (e^-v - e^v_n)                   v < -v_n          (0 between; e^v with v in volts)
    f     = e^(-alpha_p (x - x_p)) (1 - x)/(1 - x_p)         eta v >= 0 and x >= x_p
          = e^(-alpha_n (1 - x_n - x)) x/(1 - x_n)           eta v < 0 and x <= 1 - x_n      (1 otherwise)

The state is x: **1 is the low-resistance state**; with eta = 1 positive voltage sets. v_n is a magnitude. Five
independent codes and a simulator manual agree on the equations; the papers and the table of the 2013 paper were not
seen, so each set below says where its numbers stand, and the fits to devices of Iowa, HP and Snider are left out. Two
sets go by the name of the Oblea device: the one with thresholds 0.65 and 0.56 V is somebody's modification and not
shipped. A fit to a TaOx device of Miao et al. is not shipped either: its v_p of 0.09 V may be a slip for 0.9.

Not modelled: temperature, compliance, variability, retention; at 0 V the state keeps. Ours is `z_max`, a guard against
overflow that no device reaches: beyond |b v| = z_max the tangent replaces sinh, beyond |v| = z_max V the rate is
constant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import (
    FRACTION,
    NONNEGATIVE,
    POSITIVE,
    Ampere,
    Count,
    One,
    PerSecond,
    PerVolt,
    Range,
    Volt,
    validate,
)

BELOW_ONE = Range("at least 0 and below 1", low=0.0, high=1.0, open_high=True)
ARGUMENT = Range("above 0 and at most 40, where float32 still holds the rate", low=0.0, high=40.0, open_low=True)
SIGN = Range("1 or -1", low=-1, high=1)


@dataclass(frozen=True, kw_only=True)
class YakopcicParams:
    """One cell of Yakopcic's model; the defaults are the set OBLEA."""

    a1: Annotated[Ampere, POSITIVE] = 0.17
    """Amplitude of the current at v >= 0."""
    a2: Annotated[Ampere, POSITIVE] = 0.17
    """Amplitude of the current at v < 0."""
    b: Annotated[PerVolt, POSITIVE] = 0.05
    """Nonlinearity of the current."""
    a_p: Annotated[PerSecond, POSITIVE] = 4000.0
    """Speed above the positive threshold."""
    a_n: Annotated[PerSecond, POSITIVE] = 4000.0
    """Speed below the negative threshold."""
    v_p: Annotated[Volt, NONNEGATIVE] = 0.16
    """Positive threshold."""
    v_n: Annotated[Volt, NONNEGATIVE] = 0.15
    """Magnitude of the negative threshold."""
    alpha_p: Annotated[One, NONNEGATIVE] = 1.0
    """Decay of the speed above x_p."""
    alpha_n: Annotated[One, NONNEGATIVE] = 5.0
    """Decay of the speed below 1 - x_n."""
    x_p: Annotated[One, BELOW_ONE] = 0.3
    """State above which the rise slows down."""
    x_n: Annotated[One, BELOW_ONE] = 0.5
    """The fall slows down below the state 1 - x_n."""
    eta: Annotated[Count, SIGN] = 1
    """1: positive voltage raises x; -1: it lowers x."""
    x0: Annotated[One, FRACTION] = 0.11
    """State at t = 0."""
    z_max: Annotated[One, ARGUMENT] = 40.0
    """Largest argument of sinh and of the exponentials of the voltage (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        if self.eta == 0:
            raise ValueError(f"YakopcicParams.eta must be 1 or -1, got {self.eta!r}")

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape) at 0 V, seen from positive voltages.

        Raises ValueError outside 0 .. a1 b.
        """
        full = self.a1 * self.b
        return {"x0": np.clip(conductances("YakopcicParams", g, 0.0, full) / full, 0.0, 1.0)}


OBLEA = YakopcicParams()
"""Ag chalcogenide device (Oblea et al., Boise State) under a sine of 0.45 V, 100 Hz; alike in four secondary places."""
OBLEA_PULSED = YakopcicParams(a1=0.097, a2=0.097, x0=0.001)
"""The same device under pulses of 0.25 V; **seen in one secondary place only**."""
JO = YakopcicParams(
    a1=3.7e-7, a2=4.35e-7, b=0.7, a_p=0.005, a_n=0.08, v_p=1.5, v_n=0.5, alpha_p=1.2, alpha_n=3.0, x_p=0.2, x0=0.1
)
"""Ag/a-Si device (Jo et al., Michigan), driven at +4/-2 V; **seen in one secondary place only**."""

PUBLISHED: Mapping[str, YakopcicParams] = {"oblea": OBLEA, "oblea_pulsed": OBLEA_PULSED, "jo": JO}
