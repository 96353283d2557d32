"""Numbers of the Stanford-PKU RRAM model with a one-dimensional gap (Jiang et al., IEEE TED 63(5), 1884, 2016).

    i     = i0 exp(-gap/g0) sinh(v/v_tun)                                            (6)
    dgap/dt = -v0 exp(-e_a/kT) sinh(gamma (a0/t_ox) v/kT)                            (1)   v > 0 closes the gap: SET
    gamma = gamma0 - beta (gap/1 nm)^alpha, gamma0 and beta by the sign of v         (4)
    T     = t0 + v i r_th                                                            (5)
    gamma = 0 where gamma |v|/t_ox < f_min: the model file of 2014 only; f_min = 0 is the paper

kT is in volts. The state is x = (gap - gap_min)/(gap_max - gap_min): **0 is the low-resistance state**. The equations
and Table I were read in the paper, the file's numbers in the file (v1.0.0); what was not seen is marked "ours" below.

Not modelled: the random walk of the gap (2, 3), whose white noise is given per time step and so depends on the step;
thermal capacity; a limit of the current: use a series device, `V1_FILE` carries 0.67 A at 2 V and 0.2 nm.
Ours: gamma is not negative; T stops at `t_max`; the gap stops by a `ramp` as in vteam; above f_min the rate
rises over 1 % of it; `z_max` bounds exponentials.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import (
    FRACTION,
    NONNEGATIVE,
    POSITIVE,
    Ampere,
    Kelvin,
    KelvinPerWatt,
    Metre,
    MetrePerSecond,
    One,
    Range,
    Siemens,
    Volt,
    VoltPerMetre,
    validate,
)

RAMP = Range("above 0 and at most 0.5", low=0.0, high=0.5, open_low=True)
ARGUMENT = Range("above 0 and at most 40, where float32 still holds the rate", low=0.0, high=40.0, open_low=True)
K_OVER_E = 8.617333262145179e-5
"""Boltzmann constant over elementary charge, V/K (CODATA, exact)."""


@dataclass(frozen=True, kw_only=True)
class StanfordParams:
    """One cell; the defaults are the set JIANG_A."""

    i0: Annotated[Ampere, POSITIVE] = 0.2e-3
    """Current scale."""
    g0: Annotated[Metre, POSITIVE] = 0.15e-9
    """Gap over which the current falls by e."""
    v_tun: Annotated[Volt, POSITIVE] = 0.35
    """Voltage scale of the current, V0 in the paper."""
    v0: Annotated[MetrePerSecond, POSITIVE] = 5e6
    """Speed scale of the gap."""
    gamma_set: Annotated[One, NONNEGATIVE] = 16.8
    """Field enhancement gamma0 at v > 0."""
    gamma_reset: Annotated[One, NONNEGATIVE] = 20.1
    """Field enhancement gamma0 at v < 0."""
    beta_set: Annotated[One, NONNEGATIVE] = 1.1
    """Loss of enhancement at a gap of 1 nm, v > 0."""
    beta_reset: Annotated[One, NONNEGATIVE] = 12.6
    """Loss of enhancement at a gap of 1 nm, v < 0."""
    alpha: Annotated[One, POSITIVE] = 1.0
    """Exponent of the loss."""
    e_a: Annotated[Volt, POSITIVE] = 1.24
    """Activation energy over elementary charge: eV as V."""
    a0: Annotated[Metre, POSITIVE] = 0.25e-9
    """Hopping distance."""
    t_ox: Annotated[Metre, POSITIVE] = 6.7e-9
    """Oxide thickness."""
    t0: Annotated[Kelvin, POSITIVE] = 300.0
    """Ambient temperature."""
    r_th: Annotated[KelvinPerWatt, NONNEGATIVE] = 500.0
    """Thermal resistance. Not established: the paper prints "~500 K"; its 400 K at 0.2 mW would need 5e5 K/W."""
    gap_min: Annotated[Metre, POSITIVE] = 0.16e-9
    """Gap at x = 0."""
    gap_max: Annotated[Metre, POSITIVE] = 1.21e-9
    """Gap at x = 1."""
    f_min: Annotated[VoltPerMetre, NONNEGATIVE] = 0.0
    """Enhanced field below which nothing moves; 0 for none."""
    x0: Annotated[One, FRACTION] = 0.5
    """State at t = 0 (ours)."""
    ramp: Annotated[One, RAMP] = 0.01
    """Width in x over which the rate falls to 0 at each bound (ours)."""
    t_max: Annotated[Kelvin, POSITIVE] = 1500.0
    """Largest temperature (ours)."""
    z_max: Annotated[One, ARGUMENT] = 40.0
    """Numerical guard (ours): beyond |v| = z_max v_tun the current follows the tangent, and no rate exceeds
    v0 exp(z_max)/2."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.gap_max > self.gap_min:
            raise ValueError(f"StanfordParams.gap_max must be above gap_min ({self.gap_min!r}), got {self.gap_max!r}")

    @property
    def g_max(self) -> Siemens:
        """Conductance at 0 V, x = 0."""
        return self.i0 / self.v_tun * float(np.exp(-self.gap_min / self.g0))

    @property
    def g_min(self) -> Siemens:
        """Conductance at 0 V, x = 1."""
        return self.i0 / self.v_tun * float(np.exp(-self.gap_max / self.g0))

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape) at 0 V.

        Raises ValueError outside g_min .. g_max.
        """
        inside = conductances("StanfordParams", g, self.g_min, self.g_max)
        x = np.log(self.g_max / inside) / np.log(self.g_max / self.g_min)
        return {"x0": np.clip(x, 0.0, 1.0)}


JIANG_A = StanfordParams()
"""TiOx/HfOx with 1.7 nm HfOx; Jiang 2016, Table I (a). Gap limits: the LRS and HRS gaps printed for it."""
JIANG_B = replace(
    JIANG_A,
    gamma_set=17.8,
    gamma_reset=21.3,
    beta_set=1.2,
    beta_reset=14.5,
    t_ox=7.1e-9,
    gap_min=0.2e-9,
    gap_max=1.15e-9,
)
"""The same with 2.1 nm HfOx; Table I (b)."""
JIANG_C = replace(
    JIANG_A,
    gamma_set=20.8,
    gamma_reset=24.9,
    beta_set=4.8,
    beta_reset=19.0,
    t_ox=8.3e-9,
    gap_min=0.34e-9,
    gap_max=1.09e-9,
)
"""The same with 3.3 nm HfOx; Table I (c)."""
AL_HFOX_0 = StanfordParams(
    i0=8e-3,
    g0=0.15e-9,
    v_tun=0.4,
    v0=5e8,
    gamma_set=11.7,
    gamma_reset=33.9,
    beta_set=0.26,
    beta_reset=18.2,
    alpha=1.5,
    e_a=1.24,
    t_ox=5e-9,
    gap_min=1e-9,
    gap_max=2.5e-9,
)
"""HfOx, 0 % Al; Jiang 2016 (d), t_ox and "about 1 to 2.5 nm" from the text. a0 ("grows with Al"), t0 and r_th were not
seen: those of (a) stand in. The RESET ends at 1.51 nm, where gamma is 0."""
AL_HFOX_18 = replace(
    AL_HFOX_0,
    i0=1e-3,
    g0=0.2e-9,
    gamma_set=17.2,
    gamma_reset=17.2,
    beta_set=0.0,
    beta_reset=2.49,
    alpha=2.5,
    e_a=1.36,
)
"""HfOx with 18 % Al; Jiang 2016 (e), with the gaps of knowledge of AL_HFOX_0."""
AL_HFOX_45 = replace(AL_HFOX_18, i0=0.35e-3, g0=0.28e-9, gamma_set=20.0, gamma_reset=20.0, beta_reset=1.46, e_a=1.54)
"""HfOx with 45 % Al; Jiang 2016 (f), with the gaps of knowledge of AL_HFOX_0."""
V1_FILE = StanfordParams(
    i0=1e-3,
    g0=0.25e-9,
    v_tun=0.25,
    v0=10.0,
    gamma_set=16.0,
    gamma_reset=16.0,
    beta_set=0.8,
    beta_reset=0.8,
    alpha=3.0,
    e_a=0.6,
    t_ox=12e-9,
    t0=298.0,
    r_th=2.1e3,
    gap_min=0.2e-9,
    gap_max=1.7e-9,
    f_min=1.4e9,
)
"""The defaults of the model file v1.0.0 (2014), which starts at 0.2 nm: x0 = 0. Its comments take q = 1.6e-19 C and
k = 1.3806503e-23 J/K; with ours rates are 0.3 to 3 % lower. The manual prints 1.8 nm for the largest gap."""

PUBLISHED: Mapping[str, StanfordParams] = {
    "jiang_a": JIANG_A,
    "jiang_b": JIANG_B,
    "jiang_c": JIANG_C,
    "al_hfox_0": AL_HFOX_0,
    "al_hfox_18": AL_HFOX_18,
    "al_hfox_45": AL_HFOX_45,
    "v1_file": V1_FILE,
}
