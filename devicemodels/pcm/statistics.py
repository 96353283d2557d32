"""Statistics of phase-change cells (Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473, 2020).

    program   g = g_T + sigma N(0,1),   sigma = max(-1.1731 r² + 1.9650 r + 0.26348, 0) µS · g_max/25 µS,  r = g_T/g_max
    drift     g(t) = g (t/t_c)^(-nu),    nu ~ |N(mean, std)|, mean = clip(-0.0155 ln r + 0.0244, 0.049, 0.1),
                                                              std = clip(-0.0125 ln r - 0.0059, 0.008, 0.045)
    read      g(t) (1 + q sqrt(ln((t + t_r)/(2 t_r))) N(0,1)),    q = min(0.0088/r^0.65, 0.2): the 1/f noise until t

The logarithm is natural. Pure functions from conductances (S) to conductances (S); every draw from a `torch.Generator`;
gradients pass through the draws. Formulas as in a public library's documentation and code, which agree.
"""

from dataclasses import dataclass
from math import log, sqrt
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.units import POSITIVE, Second, Siemens, validate

PROGRAMMING = (-1.1731e-6, 1.9650e-6, 0.26348e-6)
"""Polynomial of sigma in r, highest power first, S at FITTED_RANGE."""
FITTED_RANGE: Siemens = 25e-6
DRIFT_MEAN = (-0.0155, 0.0244, 0.049, 0.1)
"""Slope over ln r, intercept, least, largest."""
DRIFT_STD = (-0.0125, -0.0059, 0.008, 0.045)
READ = (0.0088, 0.65, 0.2)
"""q at r = 1, exponent, largest."""
SMALLEST_RATIO = 1e-12


@dataclass(frozen=True, kw_only=True)
class PcmStatistics:
    """Range of the conductances and the two times of the formulas."""

    g_max: Annotated[Siemens, POSITIVE] = 25e-6
    """Conductance of a fully SET cell."""
    t_c: Annotated[Second, POSITIVE] = 20.0
    """Age at which a cell is verified."""
    t_read: Annotated[Second, POSITIVE] = 250e-9
    """Duration of a read."""

    def __post_init__(self) -> None:
        validate(self)


def programming_std(g: Float[Tensor, "*cells"], p: PcmStatistics) -> Float[Tensor, "*cells"]:
    """Standard deviation (S) of the conductance that is written when `g` (S) is the target."""
    a, b, c = PROGRAMMING
    r = g / p.g_max
    return ((a * r + b) * r + c).clamp(min=0.0) * (p.g_max / FITTED_RANGE)


def drift_moments(
    g: Float[Tensor, "*cells"], p: PcmStatistics
) -> tuple[Float[Tensor, "*cells"], Float[Tensor, "*cells"]]:
    """Mean and standard deviation of the drift exponent of cells whose target is `g` (S)."""
    logarithm = torch.log(_ratio(g, p))
    mean, std = ((a * logarithm + b).clamp(low, high) for a, b, low, high in (DRIFT_MEAN, DRIFT_STD))
    return mean, std


def read_scale(g: Float[Tensor, "*cells"], p: PcmStatistics) -> Float[Tensor, "*cells"]:
    """Relative noise amplitude q of cells whose target is `g` (S)."""
    scale, exponent, largest = READ
    return (scale * _ratio(g, p) ** -exponent).clamp(max=largest)


def program(g: Float[Tensor, "*cells"], p: PcmStatistics, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """Conductances (S) at age t_c after writing the targets `g` (S), clipped at 0."""
    return (g + programming_std(g, p) * _normal(g, generator)).clamp(min=0.0)


def exponents(g: Float[Tensor, "*cells"], p: PcmStatistics, generator: torch.Generator) -> Float[Tensor, "*cells"]:
    """A drift exponent for each cell whose target is `g` (S): the size of a normal draw, so never negative."""
    mean, std = drift_moments(g, p)
    return (mean + std * _normal(g, generator)).abs()


def drift(
    g: Float[Tensor, "*cells"], nu: Float[Tensor, "*cells"], age: Second, p: PcmStatistics
) -> Float[Tensor, "*cells"]:
    """Conductances (S) at `age` (s, at least t_c) of cells that have `g` (S) at t_c."""
    _require_age(age, p)
    return g * (age / p.t_c) ** -nu


def read(
    g: Float[Tensor, "*cells"],
    target: Float[Tensor, "*cells"],
    age: Second,
    p: PcmStatistics,
    generator: torch.Generator,
) -> Float[Tensor, "*cells"]:
    """What one read at `age` (s) sees of drifted conductances `g` (S) that were written towards `target` (S), clipped
    at 0."""
    _require_age(age, p)
    spread = sqrt(log((age + p.t_read) / (2 * p.t_read)))
    return (g * (1 + read_scale(target, p) * spread * _normal(g, generator))).clamp(min=0.0)


def _ratio(g: Tensor, p: PcmStatistics) -> Tensor:
    return (g / p.g_max).clamp(SMALLEST_RATIO)


def _require_age(age: float, p: PcmStatistics) -> None:
    if not age >= max(p.t_c, p.t_read):
        raise ValueError(f"age must be at least t_c ({p.t_c!r} s) and t_read ({p.t_read!r} s), got {age!r} s")


def _normal(g: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(g.shape, generator=generator, device=g.device, dtype=g.dtype)
