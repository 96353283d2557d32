"""Numbers of JART VCM v1b (Cueppers et al., APL Mater. 7, 091105, 2019; Bengel et al., IEEE TCAS-I 67(12), 4618, 2020).

    v = v_sch + i (r_disc + r_plug + r_ser)
    r_disc = l_disc/(z e N mu_n A),              r_plug: the same with l_cell - l_disc and n_plug
    r_ser = r_tiox + r0 (1 + r0 alpha_line r_line i²)
    T = t0 + i (v - i r_ser) r_th                r_th = r_th0 (v < 0), s_th r_th0 (v > 0)
    phi = phi0 - (e z N psi/(8 pi² (eps_phi eps_0/e)³))^(1/4) >= 0,      psi = phi0 - phi_n - v_sch
    i = A a_star T² exp(-phi/kT) (exp(v_sch/kT) - 1)                                                         v > 0
    i = -A a_star T (e/k) sqrt(pi E00 (|v_sch| + phi/cosh²(E00/kT))) exp(-phi/E0) (exp(|v_sch|/E1) - 1)      v < 0
        E00 = h/4pi sqrt(z N/(m_star eps_s eps_0)),  E0 = E00 coth(E00/kT),  E1 = E00/(E00/kT - tanh(E00/kT))
    dN/dt = -(n_plug + N)/2 (a_hop nu0/l_disc) F (exp(-dW_min/kT) - exp(-dW_max/kT))
        dW = dw_a (sqrt(1 - gamma²) -+ gamma pi/2 + gamma asin gamma),  gamma = z a_hop E/(pi dw_a)
        E = i r_disc/l_disc (v < 0), (v - i r_ser)/l_cell (v > 0)
        F = 1 - (N/n_max)^10 (v < 0), 1 - (n_min/N)^10 (v > 0)

kT, E00 and energies are in volts, z = 2, A = pi r_fil². v is that of the active electrode p; **v < 0 SETs**. The state
is x = ln(N/n_min)/ln(n_max/n_min): 0 at high, **1 at low resistance**. Equations and numbers were read in the authors'
guide (2021) and model files (2020, 2021), not in the papers. The guide has the sign of dN/dt, eps_0 and r_th0 = 10e6
otherwise; the SET times it shows are those of 15.72e6, the files' value.

Ours: psi is held below v_sch = (phi0 - phi_n)/2, which leaves of three solutions at v > 0 the one of smallest v_sch
(the published points lie below); all that changes with the sign of v does so over `v_sign`; |gamma| <= 0.99; T stops
at `t_max`; beyond 0..1 the state returns at the rate a_hop nu0/l_disc (the files have a hard stop). Not modelled:
variability, random telegraph noise, thermal capacity. At v = 0- the tunnelling contact of a low-resistance cell
blocks (i grows as |v_sch|^1.5): the conductance at 0 V is that of v = 0+.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, pi, sqrt
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import (
    FRACTION,
    POSITIVE,
    AmperePerSquareMetreKelvin,
    Hertz,
    Kelvin,
    KelvinPerWatt,
    Kilogram,
    Metre,
    Ohm,
    One,
    PerCubicMetre,
    PerKelvin,
    Siemens,
    SquareMetrePerVoltSecond,
    Volt,
    validate,
)

E_CHARGE, K_BOLTZMANN, H_PLANCK, EPS_0 = 1.602176634e-19, 1.380649e-23, 6.62607015e-34, 8.8541878128e-12
Z = 2


@dataclass(frozen=True, kw_only=True)
class JartParams:
    """One cell; the defaults are the set HFO2_TIOX."""

    t0: Annotated[Kelvin, POSITIVE] = 293.0
    """Ambient temperature."""
    eps_s: Annotated[One, POSITIVE] = 17.0
    """Relative permittivity of the oxide."""
    eps_phi: Annotated[One, POSITIVE] = 5.5
    """Relative permittivity in the lowering of the barrier."""
    phi0: Annotated[Volt, POSITIVE] = 0.18
    """Schottky barrier, V."""
    phi_n: Annotated[Volt, POSITIVE] = 0.1
    """Conduction band above the Fermi level, V."""
    mu_n: Annotated[SquareMetrePerVoltSecond, POSITIVE] = 4e-6
    """Mobility of electrons."""
    n_max: Annotated[PerCubicMetre, POSITIVE] = 20e26
    """Vacancies in the disc at x = 1."""
    n_min: Annotated[PerCubicMetre, POSITIVE] = 0.008e26
    """Vacancies in the disc at x = 0."""
    n_plug: Annotated[PerCubicMetre, POSITIVE] = 20e26
    """Vacancies in the plug."""
    a_star: Annotated[AmperePerSquareMetreKelvin, POSITIVE] = 6.01e5
    """Richardson constant."""
    m_star: Annotated[Kilogram, POSITIVE] = 9.10938e-31
    """Effective mass."""
    l_cell: Annotated[Metre, POSITIVE] = 3e-9
    """Length of disc and plug."""
    l_disc: Annotated[Metre, POSITIVE] = 0.4e-9
    """Length of the disc."""
    r_fil: Annotated[Metre, POSITIVE] = 45e-9
    """Radius of the filament."""
    r_tiox: Annotated[Ohm, POSITIVE] = 650.0
    """Series resistance of the TiOx."""
    r0: Annotated[Ohm, POSITIVE] = 719.2437
    """Line resistance without current."""
    r_line: Annotated[KelvinPerWatt, POSITIVE] = 90471.47
    """Thermal resistance of the line."""
    alpha_line: Annotated[PerKelvin, POSITIVE] = 3.92e-3
    """Temperature coefficient of the line."""
    a_hop: Annotated[Metre, POSITIVE] = 0.25e-9
    """Hopping distance."""
    nu0: Annotated[Hertz, POSITIVE] = 2e13
    """Attempt frequency."""
    dw_a: Annotated[Volt, POSITIVE] = 1.35
    """Activation energy over elementary charge: eV as V."""
    r_th0: Annotated[KelvinPerWatt, POSITIVE] = 15.72e6
    """Thermal resistance at v < 0."""
    s_th: Annotated[One, POSITIVE] = 0.27
    """Thermal resistance at v > 0 over `r_th0`."""
    x0: Annotated[One, FRACTION] = 0.5
    """State at t = 0 (ours)."""
    v_sign: Annotated[Volt, POSITIVE] = 1e-3
    """Voltage over which the sign of v acts (ours)."""
    t_max: Annotated[Kelvin, POSITIVE] = 5000.0
    """Largest temperature (ours)."""

    def __post_init__(self) -> None:
        validate(self)
        for small, large in (("n_min", "n_max"), ("l_disc", "l_cell"), ("phi_n", "phi0")):
            low, high = getattr(self, small), getattr(self, large)
            if not high > low:
                raise ValueError(f"JartParams.{large} must be above {small} ({low!r}), got {high!r}")

    @property
    def area(self) -> float:
        """Cross-section of the filament, m²."""
        return pi * self.r_fil**2

    @property
    def span(self) -> One:
        """ln(n_max/n_min)."""
        return log(self.n_max / self.n_min)

    @property
    def r_disc1(self) -> Ohm:
        """Resistance of the disc at n_min."""
        return self.l_disc / (Z * E_CHARGE * self.n_min * self.mu_n * self.area)

    @property
    def r_fixed(self) -> Ohm:
        """Resistance in series with disc and contact at small current."""
        plug = (self.l_cell - self.l_disc) / (Z * E_CHARGE * self.n_plug * self.mu_n * self.area)
        return plug + self.r_tiox + self.r0

    @property
    def r_cubic(self) -> float:
        """What a current adds to the resistance, Ω/A²."""
        return self.r0**2 * self.alpha_line * self.r_line

    @property
    def lowering(self) -> float:
        """(phi0 - phi)^4/psi at n_min, V³."""
        return Z * E_CHARGE**3 * self.n_min / (8 * pi**2 * (self.eps_phi * EPS_0) ** 3)

    @property
    def e001(self) -> Volt:
        """E00 at n_min."""
        return H_PLANCK / (4 * pi) * sqrt(Z * self.n_min / (self.m_star * self.eps_s * EPS_0))

    def g_at(self, x: float) -> Siemens:
        """Conductance at 0 V, above which v is positive, at state x."""
        kt, psi = K_BOLTZMANN / E_CHARGE * min(self.t0, self.t_max), self.phi0 - self.phi_n
        growth = exp(self.span * x)
        phi = max(self.phi0 - (self.lowering * growth * psi) ** 0.25, 0.0)
        saturation = self.area * self.a_star * (kt * E_CHARGE / K_BOLTZMANN) ** 2 * exp(-phi / kt)
        return 1 / (self.r_disc1 / growth + self.r_fixed + kt / saturation)

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Initial states that give each cell the conductance `g` (S, any shape) at 0 V.

        Raises ValueError outside g_at(0) .. g_at(1).
        """
        inside = conductances("JartParams", g, self.g_at(0.0), self.g_at(1.0))
        return {"x0": np.vectorize(self._state, otypes=[float])(inside)}

    def _state(self, g: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.g_at(middle) < g else (low, middle)
        return (low + high) / 2


HFO2_TIOX = JartParams()
"""Pt/HfO2/TiOx/Ti as in the authors' deterministic model file (17.02.2020), and their guide but for r_th0."""

PUBLISHED: Mapping[str, JartParams] = {"hfo2_tiox": HFO2_TIOX}
